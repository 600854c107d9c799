//! What all messengers have in common: tokens, one HTTPS client, pauses. Each messenger's request and codes are in
//! a module of its own: [`telegram`](crate::telegram), [`viber`](crate::viber), [`whatsapp`](crate::whatsapp).
//!
//! At most twice: none of them takes an idempotency key, so after an answer that did not arrive a chat may show the
//! same message twice.
//!
//! **Back-pressure.** A messenger that says "too many" and for how long is left alone by this process until then:
//! orders that come meanwhile wait without a call, before they are claimed: for a few seconds
//! ([`MESSENGER_PAUSE_WAITED_MAX`]) here, for longer (`paused`) in the queue. Limits for one user that have a code of
//! their own (Viber's `12`, WhatsApp's `131056`) hold up that user's order only; Telegram's 429 does not tell whose
//! limit it was, and holds up all.
//!
//! | code | when | class |
//! |---|---|---|
//! | `paused` | the messenger has asked for a pause, which is not over | retryable |
//! | `token_unavailable` | the token could not be read now | retryable |
//! | `token` | there is no token, or it is none | configuration |
//! | `client` | no HTTPS client can be made on this machine | configuration |
//! | `no_connection`, `timeout`, `connection_lost` | see [`https`](crate::https) | retryable, unknown |
//!
//! What is not in a messenger's own table goes by the HTTP status ([`by_status`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use kairos_engine::bounds::{
    MESSENGER_ANSWER_BYTES_MAX, MESSENGER_PAUSE, MESSENGER_PAUSE_MAX, MESSENGER_PAUSE_WAITED_MAX, PROVIDER_TIMEOUT,
};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::Channel;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass, Content};
use kairos_protocol::port::{Clock, Fault};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde_json::Value;

use crate::https::{beginning, builder, client, retry_after, unanswered};
use crate::tokens::{Token, Tokens};
use crate::{telegram, viber, whatsapp};

/// A messenger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Messenger {
    /// Telegram, by its Bot API.
    Telegram,
    /// Viber, by a bot.
    Viber,
    /// WhatsApp, by Meta's Cloud API.
    Whatsapp,
}

impl Messenger {
    /// The messenger behind a channel; none behind others.
    pub const fn of(channel: Channel) -> Option<Self> {
        match channel {
            Channel::Telegram => Some(Self::Telegram),
            Channel::Viber => Some(Self::Viber),
            Channel::Whatsapp => Some(Self::Whatsapp),
            Channel::Email
            | Channel::Sms
            | Channel::Webhook
            | Channel::OnSite
            | Channel::WebPush
            | Channel::MobilePush => None,
        }
    }

    /// Its channel.
    pub const fn channel(self) -> Channel {
        match self {
            Self::Telegram => Channel::Telegram,
            Self::Viber => Channel::Viber,
            Self::Whatsapp => Channel::Whatsapp,
        }
    }
}

impl core::fmt::Display for Messenger {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.channel().fmt(formatter)
    }
}

/// One call of a messenger's API. Its `Debug` shows nothing of it: the path holds Telegram's token, the body an address.
pub struct Call {
    /// The address behind the messenger's own, beginning with `/`.
    pub path: String,
    /// The header with the token, where it does not stand in the address.
    pub secret: Option<(HeaderName, HeaderValue)>,
    /// The JSON body.
    pub body: Value,
}

impl core::fmt::Debug for Call {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Call").finish_non_exhaustive()
    }
}

impl Call {
    /// A call with this token in a header. (Tokens are read as what a header can hold.)
    pub fn with_secret(path: String, name: HeaderName, value: &str, body: Value) -> Self {
        let secret = HeaderValue::from_str(value).ok().map(|mut value| {
            value.set_sensitive(true);
            (name, value)
        });
        Self { path, secret, body }
    }
}

/// Where the messengers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bases {
    telegram: String,
    viber: String,
    whatsapp: String,
    web_push: Option<String>,
    sms: Option<String>,
}

/// `MESSENGERS_STAND_IN` cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("MESSENGERS_STAND_IN is `{0}`; write host:port of the server that plays the messengers, as in 127.0.0.1:8080")]
pub struct NotAStandIn(String);

impl Bases {
    /// The messengers' own addresses.
    pub fn own() -> Self {
        Self {
            telegram: "https://api.telegram.org".to_owned(),
            viber: "https://chatapi.viber.com".to_owned(),
            whatsapp: "https://graph.facebook.com".to_owned(),
            web_push: None,
            sms: None,
        }
    }

    /// A server at `host:port` that plays all of them by plain HTTP, below `/telegram`, `/viber` and `/whatsapp`, and
    /// all push services below `/web_push/HOST`, and AWS End User Messaging at `/sms`: for trying out. It gets the tokens.
    ///
    /// # Errors
    /// When it is something else.
    pub fn stand_in(authority: &str) -> Result<Self, NotAStandIn> {
        let url = Url::parse(&format!("http://{authority}/")).map_err(|_| NotAStandIn(authority.to_owned()))?;
        if url.port().is_none() || url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
            return Err(NotAStandIn(authority.to_owned()));
        }
        let below = |name: &str| format!("{url}{name}");
        let (telegram, viber, whatsapp) = (below("telegram"), below("viber"), below("whatsapp"));
        Ok(Self { telegram, viber, whatsapp, web_push: Some(below("web_push")), sms: Some(below("sms")) })
    }

    /// What plays the push services of browsers; none where they are themselves.
    pub fn web_push(&self) -> Option<String> {
        self.web_push.clone()
    }

    /// What plays AWS End User Messaging; none where it is itself.
    pub fn sms(&self) -> Option<String> {
        self.sms.clone()
    }

    fn of(&self, messenger: Messenger) -> &str {
        match messenger {
            Messenger::Telegram => &self.telegram,
            Messenger::Viber => &self.viber,
            Messenger::Whatsapp => &self.whatsapp,
        }
    }
}

/// Sends to messengers.
#[derive(Debug)]
pub struct Messengers<T> {
    tokens: T,
    bases: Bases,
    timeout: Span,
    client: OnceLock<Result<Client, String>>,
    /// Until when each is left alone.
    pauses: Mutex<BTreeMap<Messenger, Timestamp>>,
}

impl<T: Tokens> Messengers<T> {
    /// Sends there, as whom the tokens say.
    pub fn new(tokens: T, bases: Bases) -> Self {
        Self { tokens, bases, timeout: PROVIDER_TIMEOUT, client: OnceLock::new(), pauses: Mutex::default() }
    }

    /// The same for messengers that must answer sooner than within [`PROVIDER_TIMEOUT`].
    #[must_use]
    pub fn with_timeout(self, timeout: Span) -> Self {
        Self { timeout, ..self }
    }

    /// Looks whether a message on this channel could be sent now, before it is claimed: the messenger has not asked
    /// for a pause, and its token is at hand. A pause that ends within [`MESSENGER_PAUSE_WAITED_MAX`] is waited out.
    /// Other channels than messengers are always ready.
    ///
    /// # Errors
    /// The answer that is recorded when it could not.
    pub async fn ready(&self, channel: Channel, clock: &impl Clock) -> Result<(), Answer> {
        let Some(messenger) = Messenger::of(channel) else { return Ok(()) };
        let patience = clock.now().plus(MESSENGER_PAUSE_WAITED_MAX);
        // Others may hear of a new pause while this order waits.
        while let Some(until) = self.paused_until(messenger).filter(|until| *until > clock.now()) {
            if until > patience {
                let left = until.since(clock.now());
                return Err(Answer::new(AnswerClass::Retryable, "paused").with_retry_after(Some(left)));
            }
            clock.sleep_until(until).await;
        }
        self.token(messenger, clock.now()).await.map(drop)
    }

    fn paused_until(&self, messenger: Messenger) -> Option<Timestamp> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner).get(&messenger).copied()
    }

    /// Sends once. Content of other channels is no messenger's.
    pub async fn send(&self, order: &DeliveryOrder, content: &Content, clock: &impl Clock) -> Answer {
        let not_built = || {
            Answer::new(AnswerClass::Configuration, "request_not_built")
                .with_detail("the content of this order is not for its channel")
        };
        let Some(messenger) = Messenger::of(order.channel) else { return not_built() };
        let token = match self.token(messenger, clock.now()).await {
            Ok(token) => token,
            Err(answer) => return answer,
        };
        let Some(call) = call(messenger, order, content, &token) else { return not_built() };
        let answer = self.answer(messenger, call, clock).await;
        if let (AnswerClass::Retryable, Some(pause)) = (answer.class, answer.retry_after_ms) {
            let until = clock.now().plus(pause.min(MESSENGER_PAUSE_MAX));
            let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
            let known = pauses.entry(messenger).or_insert(until);
            *known = (*known).max(until);
        }
        answer
    }

    async fn token(&self, messenger: Messenger, now: Timestamp) -> Result<Token, Answer> {
        self.tokens.current(messenger, now).await.map_err(|fault| {
            let (class, code) = match fault {
                Fault::Retryable { .. } => (AnswerClass::Retryable, "token_unavailable"),
                Fault::Permanent { .. } => (AnswerClass::Configuration, "token"),
            };
            Answer::new(class, code).with_detail(&fault.to_string())
        })
    }

    async fn answer(&self, messenger: Messenger, call: Call, clock: &impl Clock) -> Answer {
        let client = match self.client.get_or_init(|| client(builder(self.timeout))) {
            Ok(client) => client,
            Err(why) => return Answer::new(AnswerClass::Configuration, "client").with_detail(why),
        };
        let request = client
            .post(format!("{}{}", self.bases.of(messenger), call.path))
            .header(CONTENT_TYPE, "application/json")
            .headers(call.secret.into_iter().collect())
            .body(call.body.to_string());
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return unanswered(error),
        };
        let status = response.status();
        let pause = retry_after(response.headers(), clock.now());
        let body = match beginning(&mut response, MESSENGER_ANSWER_BYTES_MAX).await {
            Ok(body) => body,
            // It said that it has taken something, and not what: that is no answer.
            Err(error) if status.is_success() => return unanswered(error),
            // The status has been said.
            Err(_) => Vec::new(),
        };
        let said = Said { status: status.as_u16(), pause, body: serde_json::from_slice(&body).unwrap_or(Value::Null) };
        match messenger {
            Messenger::Telegram => telegram::classify(&said),
            Messenger::Viber => viber::classify(&said),
            Messenger::Whatsapp => whatsapp::classify(&said),
        }
    }
}

fn call(messenger: Messenger, order: &DeliveryOrder, content: &Content, token: &Token) -> Option<Call> {
    Some(match (messenger, content) {
        (Messenger::Telegram, Content::Telegram { sender, text, picture, button }) => {
            telegram::call(order, token, sender, text, picture.as_deref(), button.as_ref())
        }
        (Messenger::Viber, Content::Viber { sender, text, picture, button }) => {
            viber::call(order, token, sender, text, picture.as_deref(), button.as_ref())
        }
        (Messenger::Whatsapp, Content::Whatsapp { sender, template, language, parameters, picture }) => {
            whatsapp::call(order, token, sender, (template, language), parameters, picture.as_deref())
        }
        _ => return None,
    })
}

/// What a messenger said. Its `Debug` shows nothing of the body: WhatsApp's holds a phone number.
#[derive(Clone, Default)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`.
    pub pause: Option<Span>,
    /// The body; null when it is no JSON.
    pub body: Value,
}

impl core::fmt::Debug for Said {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut shown = formatter.debug_struct("Said");
        shown.field("status", &self.status).field("pause", &self.pause).finish_non_exhaustive()
    }
}

/// What an answer means whose body does not say it.
///
/// | status | class |
/// |---|---|
/// | 2xx | unknown: something was taken, and nobody knows what |
/// | 401, 403, 404, 405, 3xx | configuration |
/// | 408, 5xx | unknown: it failed in the middle of it |
/// | 429 | retryable, with a pause for everybody |
/// | other 4xx | permanent_message |
pub fn by_status(said: &Said) -> Answer {
    let class = match said.status {
        300..=399 | 401 | 403 | 404 | 405 => AnswerClass::Configuration,
        429 => return too_many("429", said),
        408 => AnswerClass::Unknown,
        400..=499 => AnswerClass::PermanentMessage,
        _ => AnswerClass::Unknown,
    };
    Answer::new(class, &said.status.to_string())
}

/// The answer "too many" that is meant for everything that is sent: with the pause that was asked for, else with the
/// usual one.
pub fn too_many(code: &str, said: &Said) -> Answer {
    Answer::new(AnswerClass::Retryable, code).with_retry_after(Some(said.pause.unwrap_or(MESSENGER_PAUSE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_host_and_port_and_nothing_else() {
        let bases = Bases::stand_in("127.0.0.1:8080").unwrap();
        assert_eq!(bases.of(Messenger::Telegram), "http://127.0.0.1:8080/telegram");
        assert_eq!(bases.of(Messenger::Whatsapp), "http://127.0.0.1:8080/whatsapp");
        for wrong in ["127.0.0.1", "", "a b:1", "user@host:1", "host:1/path", "host:1?x"] {
            assert!(Bases::stand_in(wrong).is_err(), "{wrong}");
        }
        let own = Bases::own();
        for messenger in [Messenger::Telegram, Messenger::Viber, Messenger::Whatsapp] {
            assert!(own.of(messenger).starts_with("https://"), "{messenger}");
        }
    }

    #[test]
    fn a_call_shows_neither_token_nor_address() {
        let call =
            Call { path: "/bot1:secret/sendMessage".into(), secret: None, body: serde_json::json!({ "to": "+336" }) };
        assert_eq!(format!("{call:?}"), "Call { .. }");
    }

    #[test]
    fn an_answer_shows_no_phone_number() {
        let body = serde_json::json!({ "contacts": [{ "input": "+33612345678", "wa_id": "33612345678" }] });
        let said = Said { status: 200, pause: None, body };
        assert_eq!(format!("{said:?}"), "Said { status: 200, pause: None, .. }");
    }

    #[test]
    fn each_messenger_has_one_channel() {
        let found: Vec<Messenger> = Channel::ALL.into_iter().filter_map(Messenger::of).collect();
        assert_eq!(found, [Messenger::Telegram, Messenger::Viber, Messenger::Whatsapp]);
        assert!(found.iter().all(|messenger| Messenger::of(messenger.channel()) == Some(*messenger)));
    }

    #[test]
    fn an_answer_without_a_word_goes_by_its_status() {
        use AnswerClass as A;
        for (statuses, class) in [
            (&[200, 204, 408, 500, 502, 503, 504][..], A::Unknown),
            (&[301, 302, 401, 403, 404, 405], A::Configuration),
            (&[400, 409, 413, 422], A::PermanentMessage),
            (&[429], A::Retryable),
        ] {
            for status in statuses {
                let answer = by_status(&Said { status: *status, ..Said::default() });
                assert_eq!((answer.class, answer.code), (class, status.to_string()));
                assert_eq!(answer.retry_after_ms, (class == A::Retryable).then_some(MESSENGER_PAUSE));
            }
        }
    }
}
