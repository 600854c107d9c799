//! Notifications in browsers: an encrypted request to the push service of each of the user's browsers (RFC 8030), signed by
//! the shop's key ([`VapidKey`], RFC 8292). [`encryption`]: RFC 8291.
//!
//! A delivery goes to all browsers of its user, five at most, at the same time: one call each. It is sent when one has taken
//! it; what others have said is counted, and stands in the record. A browser that is gone is told to the user's mailbox,
//! and not written to again.
//!
//! At least once: a repetition has the same topic, which replaces what still waits at the push service, and the same id, by
//! which the service worker knows that it has shown it.
//!
//! Where it may go: to `https` and public addresses only, checked when the name is resolved and used for that very
//! connection ([`addresses`]), because a browser's address is what a page has said.
//!
//! | answer | class | what happens |
//! |---|---|---|
//! | 200, 201, 202, other 2xx | sent | recorded |
//! | 404, 410 | permanent_address | the browser is gone: it is forgotten |
//! | `key_invalid`, `not_public`: what the page has told is no browser | permanent_address | it is forgotten |
//! | 400, other 4xx | permanent_message | refused |
//! | 413, `too_large` | permanent_message | refused |
//! | 401, 403 | configuration | the service does not take the shop's key: tried again, then dead-lettered |
//! | 3xx, `secret`, `client` | configuration | the same |
//! | 406, 408, 425, 429 | retryable | tried again by the queue; `Retry-After` is recorded |
//! | 5xx | retryable | tried again |
//! | `no_connection` | retryable | tried again |
//! | `timeout`, `connection_lost` | unknown | tried again |
//!
//! Of several browsers of which none has taken it, the answer that leaves most hope counts: retryable, unknown,
//! configuration, permanent_message, permanent_address. Before that, while it is composed: `no_browser` (none is left)
//! permanent_address; `users_unavailable` retryable.

use std::error::Error;
use std::future::Future;
use std::sync::OnceLock;

use futures_util::future::join_all;
use kairos_cloud::secrets::Secret;
use kairos_cloud::telemetry;
use kairos_cloud::vapid_key::VapidKey;
use kairos_engine::bounds::{WEB_PUSH_ANSWER_BYTES_MAX, WEB_PUSH_TIMEOUT};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{PushMessage, WebPushSettings};
use kairos_engine::time::{Span, Timestamp};
use kairos_engine::web_push::WebPushSubscription;
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::mailboxes::Users;
use kairos_protocol::port::{Fault, Mailboxes};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, Url};
use serde_json::{Value, json};

use crate::https::{self, beginning, builder, client, retry_after};
use crate::push::{Receivers, of_all, topic_of};
use crate::webhook::addresses::{self, NotPublic, PublicResolver, SystemNames};

pub mod encryption;

use encryption::{NotEncrypted, encrypted};

/// Where the shop's key comes from.
pub trait VapidKeys {
    /// The key as it is now.
    fn current(&self, now: Timestamp) -> impl Future<Output = Result<VapidKey, Fault>>;
}

impl VapidKeys for Secret<VapidKey> {
    async fn current(&self, now: Timestamp) -> Result<VapidKey, Fault> {
        Self::current(self, now).await
    }
}

/// What a notification consists of.
#[derive(Clone, Copy, Debug)]
pub struct Notification<'a> {
    /// How the shop shows itself.
    pub sender: &'a WebPushSettings,
    /// What is shown.
    pub message: &'a PushMessage,
    /// The language it is written in.
    pub language: &'a str,
    /// The browsers that it goes to.
    pub browsers: &'a [WebPushSubscription],
}

/// Writes to browsers.
pub trait Notifies {
    /// The browsers of a receiver as they are now, when the key is at hand that it takes to write to them.
    ///
    /// # Errors
    /// The answer that is recorded when there is none.
    fn browsers(
        &self,
        order: &DeliveryOrder,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<WebPushSubscription>, Answer>>;

    /// Writes to all of them, once.
    fn notify(
        &self,
        order: &DeliveryOrder,
        notification: Notification<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Answer>;
}

/// The push services, as far as the shop's key opens them.
#[derive(Debug)]
pub struct WebPush<K, U, M> {
    keys: K,
    receivers: Receivers<U, M>,
    /// What plays all push services, for trying out.
    stand_in: Option<String>,
    timeout: Span,
    client: OnceLock<Result<Client, String>>,
}

impl<K: VapidKeys, U: Users, M: Mailboxes> WebPush<K, U, M> {
    /// Writes as the key says to the browsers of these users, whose mailboxes are told which are gone. With `stand_in`, the
    /// server at that address gets what would go to push services, below their names.
    pub fn new(keys: K, receivers: Receivers<U, M>, stand_in: Option<String>) -> Self {
        Self { keys, receivers, stand_in, timeout: WEB_PUSH_TIMEOUT, client: OnceLock::new() }
    }

    /// The same for push services that must answer sooner than within [`WEB_PUSH_TIMEOUT`].
    #[must_use]
    pub fn with_timeout(self, timeout: Span) -> Self {
        Self { timeout, ..self }
    }

    async fn key(&self, now: Timestamp) -> Result<VapidKey, Answer> {
        self.keys.current(now).await.map_err(|fault| {
            let class = match fault {
                Fault::Retryable { .. } => AnswerClass::Retryable,
                Fault::Permanent { .. } => AnswerClass::Configuration,
            };
            Answer::new(class, "secret").with_detail(&fault.to_string())
        })
    }

    fn client(&self) -> Result<&Client, Answer> {
        let made = self.client.get_or_init(|| match self.stand_in {
            Some(_) => client(builder(self.timeout)),
            None => client(builder(self.timeout).dns_resolver(PublicResolver::new(SystemNames))),
        });
        made.as_ref().map_err(|why| Answer::new(AnswerClass::Configuration, "client").with_detail(why))
    }

    /// Where a browser is written to, and the origin that the signature is for.
    fn route(&self, browser: &WebPushSubscription) -> Result<(Url, String), Answer> {
        let refused = |why: &str| Answer::new(AnswerClass::PermanentAddress, "not_public").with_detail(why);
        let url = Url::parse(&browser.endpoint).map_err(|error| refused(&error.to_string()))?;
        if url.scheme() != "https" {
            return Err(refused("push services are reached by https only"));
        }
        addresses::literal_is_public(&url).map_err(|error| refused(&error.to_string()))?;
        let origin = url.origin().ascii_serialization();
        let url = match &self.stand_in {
            Some(base) => {
                let behind = browser.endpoint.trim_start_matches("https://");
                Url::parse(&format!("{base}/{behind}")).map_err(|error| refused(&error.to_string()))?
            }
            None => url,
        };
        Ok((url, origin))
    }

    /// Writes to one browser.
    async fn write(
        &self,
        call: &Call<'_>,
        browser: &WebPushSubscription,
        key: &VapidKey,
        now: Timestamp,
    ) -> Result<Answer, Answer> {
        let (url, origin) = self.route(browser)?;
        let sealed = encrypted(&call.content, browser).map_err(|error| {
            let (class, code) = match error {
                NotEncrypted::Key => (AnswerClass::PermanentAddress, "key_invalid"),
                NotEncrypted::TooLarge(_) => (AnswerClass::PermanentMessage, "too_large"),
                NotEncrypted::NoRandomNumbers => (AnswerClass::Retryable, "no_random_numbers"),
            };
            Answer::new(class, code).with_detail(&error.to_string())
        })?;
        let request = self
            .client()?
            .post(url)
            .header(AUTHORIZATION, key.authorization(&origin, call.contact, now))
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_ENCODING, "aes128gcm")
            .header("ttl", call.ttl_secs)
            .header("urgency", call.urgency)
            .header("topic", &call.topic)
            .body(sealed);
        let mut response = request.send().await.map_err(unanswered)?;
        let status = response.status();
        let class = classify(status.as_u16());
        let answer = Answer::new(class, status.as_str());
        if class == AnswerClass::Sent {
            return Ok(answer);
        }
        let answer = answer.with_retry_after(retry_after(response.headers(), now));
        // Whatever goes wrong with the explanation, the status has been said.
        let said = beginning(&mut response, WEB_PUSH_ANSWER_BYTES_MAX).await.unwrap_or_default();
        Ok(answer.with_detail(&String::from_utf8_lossy(&said)))
    }
}

impl<K: VapidKeys, U: Users, M: Mailboxes> Notifies for WebPush<K, U, M> {
    async fn browsers(&self, order: &DeliveryOrder, now: Timestamp) -> Result<Vec<WebPushSubscription>, Answer> {
        self.key(now).await?;
        self.receivers.of(order, "no_browser", |state| &state.web_push).await
    }

    async fn notify(&self, order: &DeliveryOrder, notification: Notification<'_>, now: Timestamp) -> Answer {
        let key = match self.key(now).await {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        let call = Call::of(order, &notification, now);
        let browsers = notification.browsers;
        let writes = browsers.iter().map(|browser| self.write(&call, browser, &key, now));
        let answers: Vec<Answer> =
            join_all(writes).await.into_iter().map(|answer| answer.unwrap_or_else(|answer| answer)).collect();
        let gone = browsers.iter().zip(&answers).filter(|(_, answer)| answer.class == AnswerClass::PermanentAddress);
        let gone: Vec<_> = gone.map(|(browser, _)| browser.key()).collect();
        self.receivers.forget(order, &gone, now).await;
        for (browser, answer) in browsers.iter().zip(&answers) {
            if answer.class == AnswerClass::Configuration {
                telemetry::count("web_push_configuration", 1);
                let (service, code) = (browser.service(), &answer.code);
                tracing::error!(service, code, "a push service does not take the shop's notifications");
            }
        }
        of_all(answers, "browsers")
    }
}

/// What is the same for all browsers of a delivery.
struct Call<'a> {
    content: Vec<u8>,
    contact: &'a str,
    ttl_secs: i64,
    urgency: &'static str,
    topic: String,
}

impl<'a> Call<'a> {
    fn of(order: &DeliveryOrder, notification: &Notification<'a>, now: Timestamp) -> Self {
        let message = notification.message;
        let left = order.expires_at.since(now).max(Span::from_millis(0));
        let ttl = message.ttl.map_or(left, |ttl| ttl.min(left));
        let topic = message.topic.clone().unwrap_or_else(|| topic_of(&order.play));
        Self {
            content: content(order, notification, &topic).to_string().into_bytes(),
            contact: &notification.sender.contact,
            ttl_secs: ttl.as_millis() / 1_000,
            urgency: message.urgency.as_str(),
            topic,
        }
    }
}

/// What the service worker gets (`web/kairos-service-worker.js`).
fn content(order: &DeliveryOrder, notification: &Notification<'_>, topic: &str) -> Value {
    let message = notification.message;
    let mut content = json!({
        "id": order.delivery,
        "tag": topic,
        "lang": notification.language,
        "title": message.title,
        "body": message.body,
    });
    for (name, link) in [("image", &message.image), ("icon", &message.icon), ("url", &message.url)] {
        if let Some(link) = link {
            content[name] = json!(link);
        }
    }
    content
}

fn classify(status: u16) -> AnswerClass {
    match status {
        200..=299 => AnswerClass::Sent,
        404 | 410 => AnswerClass::PermanentAddress,
        300..=399 | 401 | 403 => AnswerClass::Configuration,
        // Microsoft's service says 406 when it is asked too often.
        406 | 408 | 425 | 429 | 500..=599 => AnswerClass::Retryable,
        400..=499 => AnswerClass::PermanentMessage,
        _ => AnswerClass::Unknown,
    }
}

/// The answer of a request without one.
fn unanswered(error: reqwest::Error) -> Answer {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<NotPublic>() {
            return Answer::new(AnswerClass::PermanentAddress, "not_public").with_detail(&refused.to_string());
        }
        cause = error.source();
    }
    https::unanswered(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_a_push_service_has_its_class() {
        use AnswerClass as A;
        for (statuses, class) in [
            (&[200, 201, 202, 204][..], A::Sent),
            (&[404, 410], A::PermanentAddress),
            (&[400, 405, 411, 413, 415], A::PermanentMessage),
            (&[301, 307, 401, 403], A::Configuration),
            (&[406, 408, 425, 429, 500, 502, 503, 504], A::Retryable),
            (&[100, 600], A::Unknown),
        ] {
            for status in statuses {
                assert_eq!(classify(*status), class, "{status}");
            }
        }
    }
}
