//! What shops have told Kairos to do: two plays of the shipped playbook, with every channel and segments that events
//! and time change, small enough to be written down once more ([`crate::model`]); and the shipped playbook itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Cap, CartTest, Channel, ChannelSettings, Condition, EmailSettings, EmailTemplate, Entry, EventMatch, EventPattern,
    LocalizedMessage, Message, Play, Playbook, PlaybookVersion, ReachTest, Segment, Share, SmsSettings, SmsTemplate,
    Step, Trigger, ValueTest, WebhookSettings, WebhookTemplate,
};
use kairos_engine::program::Program;
use kairos_engine::time::Span;

/// A shop of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shop {
    /// With two plays, on which there is a second opinion.
    Small,
    /// With the shipped playbook, and people who do everything that it listens to.
    Shipped,
}

impl Shop {
    /// What the shop has told Kairos to do.
    pub fn program(self) -> Arc<Program> {
        static SMALL: LazyLock<Arc<Program>> =
            LazyLock::new(|| Arc::new(Program::new(playbook()).expect("the playbook is in order")));
        static SHIPPED: LazyLock<Arc<Program>> =
            LazyLock::new(|| Arc::new(Program::new(shipped()).expect("what loads is in order")));
        Arc::clone(match self {
            Self::Small => &SMALL,
            Self::Shipped => &SHIPPED,
        })
    }
}

/// The shipped playbook, with the control group that it proposes in a comment, and a larger one.
fn shipped() -> Playbook {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../playbook");
    let loaded = kairos_playbook::load(&folder).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))
    });
    let mut playbook = loaded.playbook;
    playbook.policy.control_group = Share(1_000);
    playbook
}

/// How long a cart must be left alone.
pub const WAIT: Span = Span::from_mins(30);
/// The window in which one message is sent at most.
pub const CAP_WINDOW: Span = Span::from_hours(24);
/// How long the moment of an abandoned cart stays valid.
pub const CART_VALID_FOR: Span = Span::from_hours(1);
/// How long the moment of a welcome stays valid.
pub const WELCOME_VALID_FOR: Span = Span::from_hours(24);
/// The trait by which a customer from before is known.
pub const CUSTOMER_SINCE: &str = "customer_since";

/// The playbook of the small shop.
fn playbook() -> Playbook {
    let track = |name: &EventName| EventMatch::all(EventPattern::Track(name.clone()));
    let message = LocalizedMessage {
        email: Some(EmailTemplate { subject: "Hello".into(), text: "Hello".into(), html: None }),
        sms: Some(SmsTemplate { text: "Hello".into() }),
        webhook: Some(WebhookTemplate { text: "Hello".into(), ..WebhookTemplate::default() }),
        ..LocalizedMessage::default()
    };
    let message = Message {
        default_locale: "en".into(),
        locales: BTreeMap::from([("en".to_owned(), message)]),
        ..Message::default()
    };
    Playbook {
        version: PlaybookVersion("simulation".into()),
        sources: Vec::new(),
        channels: ChannelSettings {
            email: Some(EmailSettings { from: "Shop <hello@shop.example>".into(), reply_to: None }),
            sms: Some(SmsSettings::default()),
            webhooks: [(
                "shop".to_owned(),
                WebhookSettings { url: "https://shop.example/hook".into(), ..WebhookSettings::default() },
            )]
            .into(),
            ..ChannelSettings::default()
        },
        segments: vec![
            segment("choosing", did(EventName::ProductAdded, 2, Some(Span::from_mins(20)))),
            segment("buyers", did(EventName::OrderCompleted, 1, None)),
            segment("not_buying", Condition::Not(Box::new(Condition::Segment("buyers".into())))),
        ],
        plays: vec![
            Play {
                name: "abandoned_cart".into(),
                title: "Abandoned cart".into(),
                trigger: Trigger::Absence {
                    after: [
                        EventName::ProductAdded,
                        EventName::ProductRemoved,
                        EventName::CheckoutStarted,
                        EventName::CheckoutStepViewed,
                    ]
                    .iter()
                    .map(track)
                    .collect(),
                    of: vec![track(&EventName::OrderCompleted)],
                    wait: WAIT,
                },
                who: Condition::Cart(CartTest::NotEmpty),
                unless: None,
                entry: Entry::EveryTime,
                valid_for: CART_VALID_FOR,
                caps: vec![Cap { at_most: 1, per: CAP_WINDOW }],
                steps: vec![Step::Send {
                    message: "abandoned_cart".into(),
                    channels: vec![Channel::Sms, Channel::Email, Channel::Webhook],
                    order: Default::default(),
                }],
                ..Play::default()
            },
            Play {
                name: "welcome".into(),
                title: "Welcome".into(),
                trigger: Trigger::Event(vec![EventMatch::all(EventPattern::Identify)]),
                who: Condition::Reachable(ReachTest::Anyhow),
                unless: Some(Condition::Trait {
                    name: CUSTOMER_SINCE.into(),
                    is: ValueTest::OlderThan(Span::from_hours(24)),
                }),
                entry: Entry::Once,
                valid_for: WELCOME_VALID_FOR,
                caps: Vec::new(),
                steps: vec![Step::Send {
                    message: "welcome".into(),
                    channels: vec![Channel::Email, Channel::Sms],
                    order: Default::default(),
                }],
                ..Play::default()
            },
        ],
        messages: BTreeMap::from([("abandoned_cart".to_owned(), message.clone()), ("welcome".to_owned(), message)]),
        ..Playbook::default()
    }
}

fn segment(name: &str, who: Condition) -> Segment {
    Segment { name: name.into(), title: name.into(), who }
}

fn did(event: EventName, at_least: u32, within: Option<Span>) -> Condition {
    Condition::Did { of: vec![EventMatch::all(EventPattern::Track(event))], at_least, within, same: None }
}
