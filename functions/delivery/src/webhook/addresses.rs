//! Which addresses a webhook may reach. A playbook names a host; whoever owns its name decides where it
//! points, and could point it into our network. So every address of a name is checked at the moment it
//! is resolved, and the connection is made to exactly those addresses: there is no second resolution in
//! which the name could change its mind.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names.
pub trait Names: Clone + Send + Sync + 'static {
    /// The addresses of a name.
    fn addresses(&self, name: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send;
}

/// The machine's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// An address that webhooks may not reach.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is at {address}, which is not public; webhooks go to public addresses only")]
pub struct NotPublic {
    name: String,
    address: IpAddr,
}

/// A resolver that refuses names with any address that is not public.
#[derive(Clone, Debug)]
pub struct PublicResolver<N>(N);

impl<N: Names> PublicResolver<N> {
    /// Checks what `names` gives.
    pub fn new(names: N) -> Self {
        Self(names)
    }
}

impl<N: Names> Resolve for PublicResolver<N> {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.0.clone();
        Box::pin(async move {
            let addresses = names.addresses(name.as_str()).await?;
            for address in &addresses {
                check(name.as_str(), *address)?;
            }
            // Port 0 stands for the port of the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

fn check(name: &str, address: IpAddr) -> Result<(), NotPublic> {
    if is_public(address) { Ok(()) } else { Err(NotPublic { name: name.to_owned(), address }) }
}

/// Checks the host of a URL when it is an address rather than a name. (`Url` has read every spelling of
/// one: `0x7f.1`, `2130706433`.)
///
/// # Errors
/// When it is not public.
pub fn literal_is_public(url: &Url) -> Result<(), NotPublic> {
    let host = url.host_str().unwrap_or_default();
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(address) => check(host, address),
        Err(_) => Ok(()),
    }
}

/// Whether an address is one of the public Internet, by the IANA special-purpose registries
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>, `…/iana-ipv6-special-registry`).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const NOT_PUBLIC: [([u8; 4], u32); 15] = [
        ([0, 0, 0, 0], 8),       // this network
        ([10, 0, 0, 0], 8),      // private
        ([100, 64, 0, 0], 10),   // carrier-grade NAT
        ([127, 0, 0, 0], 8),     // loopback
        ([169, 254, 0, 0], 16),  // link-local, the metadata services among them
        ([172, 16, 0, 0], 12),   // private
        ([192, 0, 0, 0], 24),    // protocol assignments
        ([192, 0, 2, 0], 24),    // documentation
        ([192, 88, 99, 0], 24),  // 6to4 relays
        ([192, 168, 0, 0], 16),  // private
        ([198, 18, 0, 0], 15),   // benchmarking
        ([198, 51, 100, 0], 24), // documentation
        ([203, 0, 113, 0], 24),  // documentation
        ([224, 0, 0, 0], 4),     // multicast
        ([240, 0, 0, 0], 4),     // reserved, broadcast
    ];
    let bits = address.to_bits();
    !NOT_PUBLIC.iter().any(|(network, length)| (bits ^ u32::from_be_bytes(*network)) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Only 2000::/3 is handed out. Not loopback, unspecified, fc00::/7, fe80::/10, ff00::/8, 64:ff9b::/96.
    let segments = address.segments();
    let handed_out = segments[0] & 0xe000 == 0x2000;
    let special = match (segments[0], segments[1]) {
        (0x2001, 0..=0x01ff) => true, // protocol assignments, Teredo
        (0x2001, 0x0db8) => true,     // documentation
        (0x2002, _) => true,          // 6to4: an IPv4 address in disguise
        (0x3fff, 0..=0x0fff) => true, // documentation
        _ => false,
    };
    handed_out && !special
}

/// Hosts that webhooks may reach although they are private, by plain `http` if the URL says so: for
/// receivers on the same machine as the local engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateHosts(BTreeSet<(String, u16)>);

/// `WEBHOOK_PRIVATE_HOSTS` cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("WEBHOOK_PRIVATE_HOSTS has an entry `{0}`; write host:port, as in 127.0.0.1:8080,receiver.internal:9000")]
pub struct NotAHost(String);

impl PrivateHosts {
    /// Reads a comma-separated list of `host:port`; empty for none.
    ///
    /// # Errors
    /// When an entry is something else.
    pub fn parse(text: &str) -> Result<Self, NotAHost> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let hosts = entries.map(|entry| {
            let wrong = || NotAHost(entry.to_owned());
            let (host, port) = entry.rsplit_once(':').ok_or_else(wrong)?;
            let port: u16 = port.parse().map_err(|_| wrong())?;
            // The same spelling that URLs get.
            let url = Url::parse(&format!("http://{host}:{port}/")).map_err(|_| wrong())?;
            match url.host_str() {
                Some(read) if url.path() == "/" && url.username().is_empty() => Ok((read.to_owned(), port)),
                _ => Err(wrong()),
            }
        });
        hosts.collect::<Result<_, _>>().map(Self)
    }

    /// Whether this URL goes to one of them.
    pub fn contains(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
        matches!(url.scheme(), "http" | "https") && self.0.contains(&(host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.167.1.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450:4001::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn every_spelling_of_a_literal_address_is_checked() {
        for url in [
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://１27.0.0.1/",
        ] {
            assert!(literal_is_public(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        for url in ["https://1.1.1.1/", "https://[2606:4700::1111]/", "https://shop.example/"] {
            assert!(literal_is_public(&Url::parse(url).unwrap()).is_ok(), "{url}");
        }
    }

    #[test]
    fn private_hosts_are_host_and_port_and_nothing_else() {
        let hosts = PrivateHosts::parse("127.0.0.1:8080, Receiver.internal:443,[::1]:9000,").unwrap();
        for (url, allowed) in [
            ("http://127.0.0.1:8080/hook", true),
            ("http://127.0.0.1:8081/hook", false),
            ("http://127.0.0.1/hook", false),
            ("https://receiver.internal/hook", true),
            ("http://receiver.internal/hook", false),
            ("http://[::1]:9000/", true),
            ("ftp://127.0.0.1:8080/", false),
            ("http://localhost:8080/", false),
        ] {
            assert_eq!(hosts.contains(&Url::parse(url).unwrap()), allowed, "{url}");
        }
        for text in ["127.0.0.1", "host:port", "http://a:80", "a/b:80", "user@a:80", ":80"] {
            assert!(PrivateHosts::parse(text).is_err(), "{text}");
        }
        assert_eq!(PrivateHosts::parse(" "), Ok(PrivateHosts::default()));
    }
}
