//! Links: which of them are counted, where they lead, and for how long.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{Channel, PlaceSelector};
use crate::bounds::{LINK_EXPIRES_AFTER, LINK_TARGET_BYTES_MAX};
use crate::time::Span;

/// What becomes of links in messages. Without it, links stay as they stand and nobody counts them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSettings {
    /// The sites whose links are counted, their subdomains included; links to others stay as they stand. A link that leads
    /// anywhere would lend the shop's name to whoever gets a page of theirs into a message.
    pub hosts: Vec<String>,
    /// What short links begin with, as in `https://go.shop.example`; the stack's own address without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The page to which links lead that have expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// How long a link leads where it should, from the moment of its message on.
    #[serde(default = "LinkSettings::usual_span")]
    pub expires_after: Span,
    /// Whether opened emails are counted, by a picture of one pixel.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub opens: bool,
    /// What is added to links for the shop's web analytics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utm: Option<Utm>,
    /// The query parameter that tells the page which message led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banner_parameter: Option<String>,
    /// Destinations that depend on the device, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub destinations: BTreeMap<String, Destination>,
}

/// UTM parameters (<https://support.google.com/analytics/answer/10917952>). The campaign is the play, the content the
/// message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utm {
    /// `utm_source`.
    pub source: String,
    /// `utm_medium`, where it is not the channel's own name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub medium: BTreeMap<Channel, String>,
}

/// Where a link leads, by device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// On computers, and wherever nothing else is said.
    pub desktop: String,
    /// On tablets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablet: Option<PageOrPlace>,
    /// On phones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<PageOrPlace>,
    /// On iOS, instead of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ios_app: Option<AppLink>,
    /// On Android, instead of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub android_app: Option<AppLink>,
}

/// A page, or that of a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageOrPlace {
    /// This page.
    Page(String),
    /// The page of the nearest of these places; that for computers when nobody knows which it is.
    Nearest(PlaceSelector),
}

/// A link into an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppLink {
    /// What the app opens: `shop://configurator`.
    pub deep_link: String,
    /// Where the app can be had, for who has not got it.
    pub store: String,
}

impl LinkSettings {
    /// How long links lead where they should, where a playbook does not say.
    pub const fn usual_span() -> Span {
        LINK_EXPIRES_AFTER
    }

    /// The page of each destination, for where nobody counts.
    pub fn pages(&self) -> BTreeMap<String, String> {
        self.destinations.iter().map(|(name, destination)| (name.clone(), destination.desktop.clone())).collect()
    }

    /// Whether a link is counted: a web link of a usual length to one of the sites.
    pub fn counts(&self, link: &str) -> bool {
        let Some(host) = host(link) else { return false };
        link.len() <= LINK_TARGET_BYTES_MAX && self.hosts.iter().any(|known| is_on(host, known))
    }
}

fn is_on(host: &str, site: &str) -> bool {
    let Some(before) = host.len().checked_sub(site.len()) else { return false };
    let (subdomain, rest) = host.as_bytes().split_at(before);
    rest.eq_ignore_ascii_case(site.as_bytes()) && (subdomain.is_empty() || subdomain.ends_with(b"."))
}

/// The host of a web link. `None` for what is none, and for whatever a browser might read otherwise than it looks: names
/// and passwords before the host, backslashes, escapes, blanks, letters beyond ASCII.
pub fn host(link: &str) -> Option<&str> {
    let bytes = link.as_bytes();
    let scheme = [&b"https://"[..], b"http://"]
        .into_iter()
        .find(|scheme| bytes.get(..scheme.len()).is_some_and(|given| given.eq_ignore_ascii_case(scheme)))?;
    if link.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return None;
    }
    let authority = link[scheme.len()..].split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let is_host = plain && !host.is_empty() && !host.starts_with('.') && !host.contains("..");
    (is_host && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn settings() -> LinkSettings {
        LinkSettings {
            hosts: vec!["shop.example".into(), "localhost".into()],
            domain: None,
            fallback: None,
            expires_after: LINK_EXPIRES_AFTER,
            opens: false,
            utm: None,
            banner_parameter: None,
            destinations: BTreeMap::new(),
        }
    }

    #[test]
    fn only_links_to_the_shops_own_sites_are_counted() {
        for link in [
            "https://shop.example",
            "https://shop.example/cart?a=1#top",
            "HTTPS://Shop.Example/",
            "http://shop.example:8080/",
            "https://www.shop.example/каталог",
            "https://shop.example?x=@y",
            "http://localhost:4566/a",
        ] {
            assert!(settings().counts(link), "{link}");
        }
        for link in [
            "https://evil.example/",
            "https://notshop.example/",
            "https://shop.example.evil.example/",
            "https://shop.example@evil.example/",
            "https://shop.example:pass@evil.example/",
            "https://evil.example\\.shop.example/",
            "https://evil.example\\@shop.example/",
            "https://evil.example%2f.shop.example/",
            "https://shop.example%00.evil.example/",
            "https://еvil.shop.example/",
            "https://shop.ex\tample/",
            "https://.shop.example/",
            "https:///shop.example/",
            "https:shop.example",
            "//shop.example/",
            "ftp://shop.example/",
            "javascript://shop.example/%0aalert(1)",
            "mailto:hello@shop.example",
            "https://",
            "",
        ] {
            assert!(!settings().counts(link), "{link}");
        }
        let long = "https://shop.example/".to_string() + &"x".repeat(LINK_TARGET_BYTES_MAX);
        assert!(!settings().counts(&long));
    }
}
