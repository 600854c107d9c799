//! HTTPS to receivers that are no service of AWS: one way to set clients up, and what it means when no answer came.
//!
//! | what came back | class |
//! |---|---|
//! | no connection (name, TCP, TLS) | retryable, `no_connection`: no byte of the request left |
//! | no answer in time | unknown, `timeout` |
//! | connection lost, answer cut off | unknown, `connection_lost` |

use std::error::Error;
use std::sync::Arc;

use kairos_engine::bounds::PROVIDER_CONNECT_TIMEOUT;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, redirect};

use crate::providers::duration;

/// What all clients have in common: one attempt within this time, no redirects, no proxy, and for each request a
/// connection of its own, because a frozen process must not take a dead connection for a lost answer.
pub fn builder(timeout: Span) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("Kairos/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .pool_max_idle_per_host(0)
        .connect_timeout(duration(PROVIDER_CONNECT_TIMEOUT))
        .timeout(duration(timeout))
}

/// A client with the machine's root certificates and ring, the TLS that the AWS clients use too.
///
/// # Errors
/// When the machine has no root certificates, or TLS cannot be set up.
pub fn client(builder: ClientBuilder) -> Result<Client, String> {
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err("the machine has no root certificates to check receivers with".to_owned());
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    builder.tls_backend_preconfigured(tls).build().map_err(|error| error.to_string())
}

/// The beginning of an answer's body, at most so long.
///
/// # Errors
/// When the connection is lost before its end.
pub async fn beginning(response: &mut Response, bytes_max: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut said = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = bytes_max - said.len();
        said.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if said.len() == bytes_max {
            break;
        }
    }
    Ok(said)
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Span> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Span::from_secs(i64::from(seconds)));
    }
    let date = aws_smithy_types::DateTime::from_str(text, aws_smithy_types::date_time::Format::HttpDate).ok()?;
    let until = Timestamp::from_millis(date.to_millis().ok()?);
    (until > now).then(|| until.since(now))
}

/// The answer of a request that got none. It does not name where the request went: a token may stand there.
pub(crate) fn unanswered(error: reqwest::Error) -> Answer {
    let error = error.without_url();
    let mut innermost = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        innermost = error.to_string();
        cause = error.source();
    }
    let (class, code) = match &error {
        error if error.is_builder() => (AnswerClass::Configuration, "not_a_url"),
        error if error.is_connect() => (AnswerClass::Retryable, "no_connection"),
        error if error.is_timeout() => (AnswerClass::Unknown, "timeout"),
        _ => (AnswerClass::Unknown, "connection_lost"),
    };
    Answer::new(class, code).with_detail(&innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = Timestamp::parse("2015-10-21T07:27:00Z").unwrap();
        for (text, span) in [
            ("120", Some(Span::from_secs(120))),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(Span::from_secs(60))),
            ("Wed, 21 Oct 2015 07:26:00 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), span, "{text}");
        }
    }
}
