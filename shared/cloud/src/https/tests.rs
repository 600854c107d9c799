use std::io::{Read, Write};
use std::net::TcpListener;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::*;

const PRIVATE_CA: &[u8] = include_bytes!("private_ca.pem");

/// A server for DynamoDB's API whose certificate a private authority has issued.
fn serve() -> u16 {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("server_key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let mut stream = rustls::StreamOwned::new(ServerConnection::new(config).unwrap(), stream.unwrap());
                let mut chunk = [0; 8192];
                // A refused handshake is an error here too.
                while stream.read(&mut chunk).is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
                }
            });
        }
    });
    port
}

fn client(port: u16, first: TrustStore, then: Option<TrustStore>) -> Client {
    let https = Https { trusted: Trusted { first, then }, idle_connections_max: None, connectors: Mutex::default() };
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(format!("https://localhost:{port}"))
        .http_client(https);
    Client::from_conf(config.build())
}

#[tokio::test]
async fn a_server_is_believed_by_either_list_and_by_no_other() {
    let amazon = || TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let private = || TrustStore::empty().with_pem_certificate(PRIVATE_CA);
    let port = serve();
    for (first, then, is_believed) in [
        (private(), None, true),
        (private(), Some(amazon()), true),
        (amazon(), Some(private()), true),
        (amazon(), None, false),
        (amazon(), Some(amazon()), false),
    ] {
        let client = client(port, first.clone(), then.clone());
        for attempt in 1..=2 {
            let answer = client.get_item().table_name("t").key("name", crate::items::text("n")).send().await;
            assert_eq!(answer.is_ok(), is_believed, "{attempt} {first:?} {then:?} {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_only_the_second_list_knows_is_found_behind_one_that_the_first_knows() {
    // Nothing is kept for asking again once a server is known: the SDK's next attempt uses both lists.
    let trusted = Trusted {
        first: TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        then: Some(TrustStore::empty().with_pem_certificate(PRIVATE_CA)),
    };
    let plain = crate::stand_in::client(|_| serde_json::json!({}));
    let https = Https { trusted, idle_connections_max: None, connectors: Mutex::default() };
    let shared = SharedHttpClient::new(https);
    let first = Client::from_conf(plain.config().to_builder().http_client(shared.clone()).build());
    first.get_item().table_name("t").key("name", crate::items::text("n")).send().await.unwrap();
    let second = plain.config().to_builder().endpoint_url(format!("https://localhost:{}", serve())).http_client(shared);
    let second = Client::from_conf(second.build());
    second.get_item().table_name("t").key("name", crate::items::text("n")).send().await.unwrap();
}

#[test]
fn amazons_five_authorities_are_in_the_binary() {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(AMAZON_ROOTS) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let names: Vec<_> =
        roots.subjects().iter().map(|name| String::from_utf8_lossy(name.as_ref()).into_owned()).collect();
    for name in
        ["Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4", "Starfield Services Root"]
    {
        assert_eq!(names.iter().filter(|subject| subject.contains(name)).count(), 1, "{name}");
    }
    assert_eq!(names.len(), 5);
}
