//! HTTPS to AWS, as all clients of a process share it: connectors are made with the first call, not with each client, and
//! know Amazon's own certificate authorities without reading the machine's list.
//!
//! A server whose certificate those did not issue is asked again with the machine's list: behind a proxy that looks into
//! TLS, a private endpoint, an authority that Amazon founds later. From then on the process uses both. Where
//! `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, what it names counts alone.
//!
//! `amazon_roots.pem` is what Amazon tells everybody with a list of their own to have in it
//! (<https://www.amazontrust.com/repository>).

use std::env;
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::sdk_config::SharedHttpClient;
use rustls::CertificateError;

/// The authorities that issue the certificates of AWS' endpoints.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// The HTTP client that the AWS clients of a process share: TLS by rustls with ring.
pub fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(Https::new(None))
}

/// The same with a connection of its own for each request.
pub fn http_client_without_pool() -> SharedHttpClient {
    SharedHttpClient::new(Https::new(Some(0)))
}

#[derive(Debug)]
struct Https {
    trusted: Trusted,
    idle_connections_max: Option<usize>,
    /// By the timeouts that they keep. There are one or two.
    connectors: Mutex<Vec<(Timeouts, SharedHttpConnector)>>,
}

type Timeouts = (Option<Duration>, Option<Duration>);

/// Whose certificates are taken.
#[derive(Clone, Debug)]
struct Trusted {
    first: TrustStore,
    /// For servers that `first` does not know.
    then: Option<TrustStore>,
}

impl Trusted {
    fn from_environment() -> Self {
        let is_told = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| env::var_os(name).is_some());
        let machine = TrustStore::default();
        if is_told {
            return Self { first: machine, then: None };
        }
        let amazon = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
        Self { first: amazon, then: Some(machine.with_pem_certificate(AMAZON_ROOTS)) }
    }
}

impl Https {
    fn new(idle_connections_max: Option<usize>) -> Self {
        Self { trusted: Trusted::from_environment(), idle_connections_max, connectors: Mutex::default() }
    }
}

impl HttpClient for Https {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        // A list is sound whatever a panicking thread left in it.
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connector)) = connectors.iter().find(|(known, _)| *known == timeouts) {
            return connector.clone();
        }
        let (settings, sleep, idle) = (settings.clone(), components.sleep_impl(), self.idle_connections_max);
        let connect = move |trusted: &TrustStore| {
            let mut builder = Connector::builder().connector_settings(settings.clone());
            builder.set_sleep_impl(sleep.clone());
            builder.set_pool_max_idle_per_host(idle);
            let tls = TlsContext::builder().with_trust_store(trusted.clone()).build();
            let tls = tls.expect("a context of a trust store alone can always be made");
            builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build()
        };
        let first = connect(&self.trusted.first);
        let then = self.trusted.then.clone().map(|trusted| Then {
            connect: Box::new(move || connect(&trusted)),
            connector: OnceLock::new(),
            is_first_proven: AtomicBool::new(false),
        });
        let connector = match then {
            Some(then) => SharedHttpConnector::new(TwoStores { first, then: Arc::new(then) }),
            None => SharedHttpConnector::new(first),
        };
        connectors.push((timeouts, connector.clone()));
        connector
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        // What the SDK's own client says: it stands in the user agent.
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

/// Asks with one list of certificates, and with another one from the first server on that the one does not know.
#[derive(Debug)]
struct TwoStores {
    first: Connector,
    then: Arc<Then>,
}

struct Then {
    connect: Box<dyn Fn() -> Connector + Send + Sync>,
    connector: OnceLock<Connector>,
    /// Some server was known: further requests are not kept for asking again. Should one be needed, the SDK's next attempt
    /// is it.
    is_first_proven: AtomicBool,
}

impl core::fmt::Debug for Then {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Then").field("connector", &self.connector).finish_non_exhaustive()
    }
}

impl HttpConnector for TwoStores {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if let Some(connector) = self.then.connector.get() {
            return connector.call(request);
        }
        let is_proven = self.then.is_first_proven.load(Ordering::Relaxed);
        let again = if is_proven { None } else { request.try_clone() };
        let first = self.first.call(request);
        let then = Arc::clone(&self.then);
        HttpConnectorFuture::new(async move {
            match (first.await, again) {
                (Err(error), again) if is_unknown_issuer(&error) => {
                    tracing::info!("not a certificate of Amazon's own authorities: the machine's list counts too");
                    let connector = then.connector.get_or_init(|| (then.connect)());
                    match again {
                        Some(request) => connector.call(request).await,
                        None => Err(error),
                    }
                }
                (Err(error), _) => Err(error),
                (Ok(response), _) => {
                    then.is_first_proven.store(true, Ordering::Relaxed);
                    Ok(response)
                }
            }
        })
    }
}

/// Whether the server showed a certificate of an authority that is not in the list.
fn is_unknown_issuer(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) = error.downcast_ref() {
            return true;
        }
        // What an `io::Error` holds is skipped by its `source`.
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests;
