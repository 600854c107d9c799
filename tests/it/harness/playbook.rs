//! The playbook that the tests publish: two plays of the shipped one, on every channel, and some segments of an
//! event that only their tests send.

use std::collections::BTreeMap;

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Cap, CartTest, Channel, ChannelSettings, Condition, EmailSettings, EmailTemplate, Entry, EventMatch, EventPattern,
    LocalizedMessage, Message, Play, Playbook, PlaybookVersion, ReachTest, Segment, SmsSettings, SmsTemplate, Source,
    Step, Trigger, ValueTest, WebhookHeader, WebhookSettings, WebhookTemplate,
};
use kairos_engine::time::Span;

/// The write key that tests send with.
pub(crate) const WRITE_KEY: &str = "tests-key";
/// The name of its source.
pub(crate) const SOURCE: &str = "shop";
/// Jitsu wants a key with a secret after a colon.
pub(crate) const JITSU_KEY: &str = "jitsu-id:jitsu-secret";
/// The name of its source.
pub(crate) const JITSU_SOURCE: &str = "jitsu";

/// What the segments of these tests are about.
pub(crate) const SWATCH_ORDERED: &str = "Swatch Ordered";
/// Who has ordered a swatch [`LATELY_FOR`].
pub(crate) const LATELY: &str = "lately";
/// How lately.
pub(crate) const LATELY_FOR: Span = Span::from_secs(10);
/// Who has ordered two swatches ever.
pub(crate) const COLLECTORS: &str = "collectors";

/// How long a cart is left before its shopper hears of it.
pub(crate) const CART_WAIT: Span = Span::from_mins(30);

/// The playbook; its webhooks go to `webhook_url`.
pub(crate) fn playbook(webhook_url: &str) -> Playbook {
    Playbook {
        version: PlaybookVersion("tests".into()),
        sources: vec![
            Source { name: SOURCE.into(), write_key: WRITE_KEY.into() },
            Source { name: JITSU_SOURCE.into(), write_key: JITSU_KEY.into() },
        ],
        channels: ChannelSettings {
            email: Some(EmailSettings { from: "Shop <hello@shop.example>".into(), reply_to: None }),
            sms: Some(SmsSettings::default()),
            webhooks: [
                ("shop".to_owned(), WebhookSettings { url: webhook_url.into(), ..WebhookSettings::default() }),
                ("chatbot".to_owned(), WebhookSettings { url: format!("{webhook_url}/chatbot"), headers: headers() }),
            ]
            .into(),
            ..ChannelSettings::default()
        },
        segments: vec![
            segment(LATELY, did(SWATCH_ORDERED, 1, Some(LATELY_FOR))),
            segment("twice_a_week", did(SWATCH_ORDERED, 2, Some(Span::from_hours(7 * 24)))),
            segment(COLLECTORS, did(SWATCH_ORDERED, 2, None)),
        ],
        plays: vec![abandoned_cart(), welcome(), asked_the_chatbot()],
        messages: BTreeMap::from([
            ("cart-reminder".into(), cart_reminder()),
            ("answer".into(), answer()),
            (
                "welcome".into(),
                in_english(LocalizedMessage {
                    email: Some(EmailTemplate {
                        subject: "Welcome {{ user.first_name }}".into(),
                        text: "Good to have you here.".into(),
                        html: None,
                    }),
                    sms: Some(SmsTemplate { text: "Welcome {{ user.first_name }}".into() }),
                    ..LocalizedMessage::default()
                }),
            ),
        ]),
        ..Playbook::default()
    }
}

fn segment(name: &str, who: Condition) -> Segment {
    Segment { name: name.into(), title: name.into(), who }
}

/// Something was done at least so often.
pub(crate) fn did(event: &str, at_least: u32, within: Option<Span>) -> Condition {
    let of = vec![EventMatch::all(EventPattern::Track(EventName::Custom(event.into())))];
    Condition::Did { of, at_least, within, same: None }
}

fn abandoned_cart() -> Play {
    let track = |names: &[EventName]| names.iter().cloned().map(EventPattern::Track).map(EventMatch::all).collect();
    Play {
        name: "abandoned-cart".into(),
        title: "A cart was left".into(),
        trigger: Trigger::Absence {
            after: track(&[EventName::ProductAdded, EventName::ProductRemoved, EventName::CheckoutStarted]),
            of: track(&[EventName::OrderCompleted]),
            wait: CART_WAIT,
        },
        who: Condition::Cart(CartTest::NotEmpty),
        unless: None,
        entry: Entry::EveryTime,
        valid_for: Span::from_hours(3),
        caps: vec![Cap { at_most: 1, per: Span::from_hours(24) }],
        steps: vec![Step::Send {
            message: "cart-reminder".into(),
            channels: vec![Channel::Sms, Channel::Email, Channel::Webhook],
            order: Default::default(),
        }],
        ..Play::default()
    }
}

fn welcome() -> Play {
    Play {
        name: "welcome".into(),
        title: "Somebody said who they are".into(),
        trigger: Trigger::Event(vec![EventMatch::all(EventPattern::Identify)]),
        who: Condition::Reachable(ReachTest::Anyhow),
        unless: Some(Condition::Trait { name: "createdAt".into(), is: ValueTest::OlderThan(Span::from_hours(24)) }),
        entry: Entry::Once,
        valid_for: Span::from_hours(24),
        caps: Vec::new(),
        steps: vec![Step::Send {
            message: "welcome".into(),
            channels: vec![Channel::Email, Channel::Sms],
            order: Default::default(),
        }],
        ..Play::default()
    }
}

fn cart_reminder() -> Message {
    in_english(LocalizedMessage {
        email: Some(EmailTemplate {
            subject: "Your {{ cart.items[0].name }} is waiting".into(),
            text: "{% for item in cart.items %}{{ item.name }} {% endfor %}".into(),
            html: Some("<p>{{ cart.items[0].name }}</p>".into()),
        }),
        sms: Some(SmsTemplate { text: "Your {{ cart.items[0].name }} is waiting".into() }),
        webhook: Some(WebhookTemplate {
            to: Some("shop".into()),
            text: "Your {{ cart.items[0].name }} is waiting".into(),
            body: None,
        }),
        ..LocalizedMessage::default()
    })
}

/// What makes the chatbot answer.
pub(crate) const CHATBOT_ASKED: &str = "Chatbot Asked";
/// The name of the secret that the chatbot is told, behind `STACK/webhook/`.
pub(crate) const CHATBOT_SECRET: &str = "chatbot-token";

fn headers() -> BTreeMap<String, WebhookHeader> {
    let token = WebhookHeader::Secret { secret: CHATBOT_SECRET.into(), prefix: "Bearer ".into() };
    [("Authorization".to_owned(), token), ("X-Shop".to_owned(), WebhookHeader::Text("tests".into()))].into()
}

fn asked_the_chatbot() -> Play {
    let asked = EventPattern::Track(EventName::Custom(CHATBOT_ASKED.into()));
    Play {
        name: "chatbot".into(),
        title: "Somebody asked the chatbot".into(),
        trigger: Trigger::Event(vec![EventMatch::all(asked)]),
        event_properties: vec!["question".into(), "n".into()],
        valid_for: Span::from_hours(1),
        steps: vec![Step::Send {
            message: "answer".into(),
            channels: vec![Channel::Webhook],
            order: Default::default(),
        }],
        ..Play::default()
    }
}

fn answer() -> Message {
    let body = r#"{"to": {{ user.id }}, "text": "{{ user.first_name }}, {{ event.question }}?", "n": {{ event.n }}}"#;
    in_english(LocalizedMessage {
        webhook: Some(WebhookTemplate {
            to: Some("chatbot".into()),
            body: Some(body.into()),
            ..WebhookTemplate::default()
        }),
        ..LocalizedMessage::default()
    })
}

fn in_english(templates: LocalizedMessage) -> Message {
    Message { default_locale: "en".into(), locales: BTreeMap::from([("en".into(), templates)]), ..Message::default() }
}
