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

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use kairos_cloud::secrets::Secret;
use kairos_cloud::telemetry;
use kairos_cloud::vapid_key::VapidKey;
use kairos_engine::bounds::{FORWARD_HOPS_MAX, WEB_PUSH_ANSWER_BYTES_MAX, WEB_PUSH_GONE_TOLD_WITHIN, WEB_PUSH_TIMEOUT};
use kairos_engine::event::{Event, EventKind, FEEDBACK};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::InputId;
use kairos_engine::mailbox::{DeliveryOrder, Input, MailboxMessage};
use kairos_engine::playbook::{WebPushMessage, WebPushSettings};
use kairos_engine::time::{Span, Timestamp};
use kairos_engine::web_push::WebPushSubscription;
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::mailboxes::Users;
use kairos_protocol::port::{Fault, Mailboxes};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, Url};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::https::{self, beginning, builder, client, retry_after};
use crate::providers::duration;
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
    pub message: &'a WebPushMessage,
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
    users: U,
    mailboxes: M,
    /// What plays all push services, for trying out.
    stand_in: Option<String>,
    timeout: Span,
    client: OnceLock<Result<Client, String>>,
}

impl<K: VapidKeys, U: Users, M: Mailboxes> WebPush<K, U, M> {
    /// Writes as the key says to the browsers of these users, and tells their mailboxes which are gone. With `stand_in`, the
    /// server at that address gets what would go to push services, below their names.
    pub fn new(keys: K, users: U, mailboxes: M, stand_in: Option<String>) -> Self {
        Self { keys, users, mailboxes, stand_in, timeout: WEB_PUSH_TIMEOUT, client: OnceLock::new() }
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

    /// Tells the user's mailbox which browsers are gone. When that fails, the next notification finds out again.
    async fn forget(&self, order: &DeliveryOrder, gone: &[&WebPushSubscription], now: Timestamp) {
        if gone.is_empty() {
            return;
        }
        telemetry::count("web_push_gone", gone.len());
        let inputs = gone.iter().map(|browser| Input::event(expired(order, browser, now))).collect();
        let message = [MailboxMessage::of_inputs(order.user, inputs)];
        let told = tokio::time::timeout(duration(WEB_PUSH_GONE_TOLD_WITHIN), self.mailboxes.send(&message)).await;
        let why = match told {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "the queue did not answer in time".to_owned(),
        };
        telemetry::count("web_push_gone_not_told", gone.len());
        tracing::warn!(why, "a user could not be told that a browser is gone; the next notification finds out again");
    }
}

impl<K: VapidKeys, U: Users, M: Mailboxes> Notifies for WebPush<K, U, M> {
    async fn browsers(&self, order: &DeliveryOrder, now: Timestamp) -> Result<Vec<WebPushSubscription>, Answer> {
        self.key(now).await?;
        let unavailable = |fault: &Fault| {
            let class = match fault {
                Fault::Retryable { .. } => AnswerClass::Retryable,
                Fault::Permanent { .. } => AnswerClass::Configuration,
            };
            Answer::new(class, "users_unavailable").with_detail(&fault.to_string())
        };
        let mut user = order.user;
        let mut was_linked = false;
        for _ in 0..=FORWARD_HOPS_MAX {
            let mut loaded = self.users.load(&[user]).await.map_err(|fault| unavailable(&fault))?;
            let stored = loaded.remove(&user).transpose().map_err(|fault| unavailable(&fault))?;
            let Some(stored) = stored else { break };
            if !stored.state.web_push.is_empty() {
                return Ok(stored.state.web_push);
            }
            let Some(to) = stored.state.forwarded_to else { break };
            user = to;
            was_linked = true;
        }
        // What a visitor was known by may still be on its way to the user that they have turned out to be.
        let class = if was_linked { AnswerClass::Retryable } else { AnswerClass::PermanentAddress };
        Err(Answer::new(class, "no_browser").with_detail("no browser of the user shows notifications any more"))
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
        let is_gone = |answer: &Answer| answer.class == AnswerClass::PermanentAddress;
        let gone: Vec<_> =
            browsers.iter().zip(&answers).filter(|(_, answer)| is_gone(answer)).map(|(browser, _)| browser).collect();
        self.forget(order, &gone, now).await;
        for (browser, answer) in browsers.iter().zip(&answers) {
            if answer.class == AnswerClass::Configuration {
                telemetry::count("web_push_configuration", 1);
                let (service, code) = (browser.service(), &answer.code);
                tracing::error!(service, code, "a push service does not take the shop's notifications");
            }
        }
        of_all(answers)
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

/// The topic of a play's notifications: a newer one replaces the one before. 32 letters of base64url, which is as many as a
/// topic may have, so that no name is too long.
fn topic_of(play: &str) -> String {
    let hash = Sha256::new().chain_update("kairos topic\0").chain_update(play).finalize();
    URL_SAFE_NO_PAD.encode(&hash[..24])
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

/// What tells a user that a browser is gone.
fn expired(order: &DeliveryOrder, browser: &WebPushSubscription, now: Timestamp) -> Event {
    let known = [("address_key", json!(browser.key())), ("delivery_id", json!(order.delivery))];
    let properties: Map<_, _> = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let id = InputId::of_message(FEEDBACK, &format!("{}/expired/{}", order.delivery, browser.key()));
    let kind = EventKind::Track { event: EventName::WebPushSubscriptionExpired, properties };
    // The mailbox says whose it is; who they are stands nowhere here.
    Event::new(id, now, FEEDBACK.to_owned(), None, None, kind, Map::new())
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

/// How a delivery to several browsers has ended.
fn of_all(answers: Vec<Answer>) -> Answer {
    let rank = |answer: &Answer| match answer.class {
        AnswerClass::Sent => 0,
        AnswerClass::Retryable => 1,
        AnswerClass::Unknown => 2,
        AnswerClass::Configuration => 3,
        AnswerClass::PermanentMessage => 4,
        AnswerClass::PermanentAddress | AnswerClass::NotAllowed => 5,
    };
    let all = answers.len();
    let taken = answers.iter().filter(|answer| answer.class == AnswerClass::Sent).count();
    let others: Vec<&str> =
        answers.iter().filter(|answer| answer.class != AnswerClass::Sent).map(|answer| answer.code.as_str()).collect();
    let others = others.join(", ");
    let Some(answer) = answers.iter().min_by_key(|answer| rank(answer)).cloned() else {
        return Answer::new(AnswerClass::PermanentAddress, "no_browser");
    };
    match (taken, all) {
        (0, 1) => answer,
        (0, _) => {
            let said = answer.detail.clone().unwrap_or_default();
            answer.with_detail(&format!("of {all} browsers: {others}; {said}"))
        }
        (taken, all) if taken == all => answer.with_detail(&format!("{all} of {all} browsers")),
        (taken, all) => answer.with_detail(&format!("{taken} of {all} browsers; {others}")),
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

    #[test]
    fn what_one_browser_takes_is_sent_and_else_the_answer_with_most_hope_counts() {
        use AnswerClass as A;
        let answer = |class| Answer::new(class, "x");
        for (classes, expected) in [
            (&[A::PermanentAddress, A::Sent, A::Configuration][..], A::Sent),
            (&[A::PermanentAddress, A::Retryable, A::Unknown], A::Retryable),
            (&[A::Configuration, A::Unknown], A::Unknown),
            (&[A::PermanentMessage, A::Configuration], A::Configuration),
            (&[A::PermanentAddress, A::PermanentMessage], A::PermanentMessage),
            (&[A::PermanentAddress], A::PermanentAddress),
            (&[], A::PermanentAddress),
        ] {
            assert_eq!(of_all(classes.iter().copied().map(answer).collect()).class, expected, "{classes:?}");
        }
        let some = of_all(vec![answer(A::Sent), Answer::new(A::PermanentAddress, "410")]);
        assert_eq!(some.detail.as_deref(), Some("1 of 2 browsers; 410"));
    }

    #[test]
    fn a_topic_is_the_plays_own_and_never_too_long() {
        assert_eq!(topic_of("abandoned_cart"), topic_of("abandoned_cart"));
        assert_ne!(topic_of("abandoned_cart"), topic_of("welcome"));
        assert_eq!(topic_of(&"x".repeat(64)).len(), kairos_engine::bounds::WEB_PUSH_TOPIC_CHARS_MAX);
    }
}
