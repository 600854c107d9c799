//! Webhooks: signed POSTs to endpoints of the shop's choice, each under a name, with [`headers`] of its own. The
//! body is an envelope with a text ([`body`]), or what the message says.
//!
//! Signed by the Standard Webhooks specification
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>):
//! `webhook-id` is the delivery id, `webhook-timestamp` the seconds of this attempt,
//! `webhook-signature` is `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. At least once: the
//! delivery id, also sent as `Idempotency-Key`, tells a repetition.
//!
//! Where it may go: to `https` and public addresses only, checked when the name is resolved and used for
//! that very connection ([`addresses`]); hosts of `WEBHOOK_PRIVATE_HOSTS` may be private and plain `http`.
//! Redirects are not followed, proxies not used, and of the answer only a few KB are read.
//!
//! | answer | class | what happens |
//! |---|---|---|
//! | 2xx | sent | recorded |
//! | 408, 425, 429, 500, 502, 503, 504, other 5xx | retryable | tried again by the queue; `Retry-After` is recorded |
//! | 410 | permanent_address | refused: the receiver does not want this user's messages any more |
//! | 3xx, 401, 403, 404, 405 | configuration | the address or the secret in the playbook is not the receiver's: tried again, then dead-lettered |
//! | other 4xx | permanent_message | refused |
//! | `not_https`, `not_public`, `not_a_url`, `header_invalid`, `secret`, `client` | configuration | nothing was sent: tried again, then dead-lettered |
//! | `no_connection` (name, TCP, TLS) | retryable | tried again |
//! | `timeout`, `connection_lost` | unknown | tried again with the same id |

use std::error::Error;
use std::sync::OnceLock;

use kairos_engine::bounds::{PROVIDER_TIMEOUT, WEBHOOK_ANSWER_BYTES_MAX};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Purpose, WebhookSettings};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};

pub mod addresses;
pub mod body;
pub mod headers;
pub mod signature;

pub use addresses::{NotPublic, PrivateHosts, PublicResolver, SystemNames};
pub use headers::HeaderSecret;
pub use signature::{SecretsManagerKey, SigningKey, SigningKeys};

use crate::composer::no_key;
use crate::https::{self, beginning, builder, client, retry_after};

use addresses::Names;

/// What caused a message, so that the receiver's log and the stack's can be read together. A header of this
/// name in the playbook is the shop's own.
const CORRELATION_ID: &str = "x-correlation-id";

/// What a webhook is told.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// A text, in the envelope.
    Text(&'a str),
    /// The whole body, as JSON.
    Body(&'a str),
}

/// Sends webhooks.
#[derive(Debug)]
pub struct Webhook<K, N = SystemNames> {
    private_hosts: PrivateHosts,
    keys: K,
    names: N,
    timeout: Span,
    public: OnceLock<Result<Client, String>>,
    private: OnceLock<Result<Client, String>>,
}

impl<K: SigningKeys> Webhook<K> {
    /// Signs with the key of `keys`; `private_hosts` may be reached although they are not public.
    pub fn new(private_hosts: PrivateHosts, keys: K) -> Self {
        Self::with_names(private_hosts, keys, SystemNames)
    }
}

impl<K: SigningKeys, N: Names> Webhook<K, N> {
    /// The same, with names resolved by `names`.
    pub fn with_names(private_hosts: PrivateHosts, keys: K, names: N) -> Self {
        let (public, private) = (OnceLock::new(), OnceLock::new());
        Self { private_hosts, keys, names, timeout: PROVIDER_TIMEOUT, public, private }
    }

    /// The same for receivers that must answer sooner than within [`PROVIDER_TIMEOUT`].
    #[must_use]
    pub fn with_timeout(self, timeout: Span) -> Self {
        Self { timeout, ..self }
    }

    /// Sends once.
    pub async fn send(
        &self,
        order: &DeliveryOrder,
        receiver: &WebhookSettings,
        said: Said<'_>,
        now: Timestamp,
    ) -> Answer {
        let (client, url) = match self.route(&receiver.url) {
            Ok(route) => route,
            Err(answer) => return *answer,
        };
        let key = match self.keys.current(now).await {
            Ok(key) => key,
            Err(fault) => return no_key(&fault),
        };
        let headers = match headers::of(receiver, &self.keys, now).await {
            Ok(headers) => headers,
            Err(answer) => return answer,
        };
        let id = order.delivery.to_string();
        let body = match said {
            Said::Text(text) => body::of(order, text, now).to_string(),
            Said::Body(body) => body.to_owned(),
        };
        let signature = key.sign(&id, now, body.as_bytes());
        let has_own = headers.contains_key(CORRELATION_ID);
        let mut request = client
            .post(url)
            .headers(headers)
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", &id)
            .header("webhook-id", &id)
            .header("webhook-timestamp", now.as_secs())
            .header("webhook-signature", signature)
            .body(body);
        if let Some(correlation) = order.correlation.as_ref().filter(|_| !has_own) {
            request = request.header(CORRELATION_ID, correlation.as_str());
        }
        if order.purpose == Purpose::Test {
            request = request.header("kairos-test", "true");
        }
        match request.send().await {
            Ok(response) => read_answer(response, now).await,
            Err(error) => unanswered(error),
        }
    }

    /// The client that may go there, or why none may.
    fn route(&self, url: &str) -> Result<(&Client, Url), Box<Answer>> {
        let refused =
            |code: &str, detail: &str| Box::new(Answer::new(AnswerClass::Configuration, code).with_detail(detail));
        let url = Url::parse(url).map_err(|error| refused("not_a_url", &error.to_string()))?;
        let private = self.private_hosts.contains(&url);
        if !private {
            if url.scheme() != "https" {
                return Err(refused(
                    "not_https",
                    "webhooks go to https addresses only; change the playbook's webhook url",
                ));
            }
            // A literal address is never resolved, so it is checked here.
            addresses::literal_is_public(&url).map_err(|error| refused("not_public", &error.to_string()))?;
        }
        let client = match private {
            true => self.private.get_or_init(|| client(builder(self.timeout))),
            false => self
                .public
                .get_or_init(|| client(builder(self.timeout).dns_resolver(PublicResolver::new(self.names.clone())))),
        };
        client.as_ref().map(|client| (client, url)).map_err(|error| refused("client", error))
    }
}

async fn read_answer(mut response: reqwest::Response, now: Timestamp) -> Answer {
    let status = response.status();
    let class = classify(status);
    let answer = Answer::new(class, status.as_str());
    if class == AnswerClass::Sent {
        return answer;
    }
    let answer = answer.with_retry_after(retry_after(response.headers(), now));
    // Whatever goes wrong with the explanation, the status has been said.
    let said = beginning(&mut response, WEBHOOK_ANSWER_BYTES_MAX).await.unwrap_or_default();
    answer.with_detail(&String::from_utf8_lossy(&said))
}

fn classify(status: StatusCode) -> AnswerClass {
    match status.as_u16() {
        200..=299 => AnswerClass::Sent,
        300..=399 | 401 | 403 | 404 | 405 => AnswerClass::Configuration,
        408 | 425 | 429 | 500..=599 => AnswerClass::Retryable,
        410 => AnswerClass::PermanentAddress,
        400..=499 => AnswerClass::PermanentMessage,
        _ => AnswerClass::Unknown,
    }
}

/// The class of a request without an answer.
fn unanswered(error: reqwest::Error) -> Answer {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<NotPublic>() {
            return Answer::new(AnswerClass::Configuration, "not_public").with_detail(&refused.to_string());
        }
        cause = error.source();
    }
    https::unanswered(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_a_receiver_has_its_class() {
        use AnswerClass as A;
        for (statuses, class) in [
            (&[200, 201, 202, 204][..], A::Sent),
            (&[408, 425, 429, 500, 502, 503, 504, 520], A::Retryable),
            (&[410], A::PermanentAddress),
            (&[400, 402, 406, 409, 413, 415, 418, 422, 451], A::PermanentMessage),
            (&[300, 301, 302, 303, 304, 307, 308, 401, 403, 404, 405], A::Configuration),
            (&[600], A::Unknown),
        ] {
            for status in statuses {
                assert_eq!(classify(StatusCode::from_u16(*status).unwrap()), class, "{status}");
            }
        }
    }
}
