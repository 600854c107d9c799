//! The playbook that is measured with.

use std::collections::BTreeMap;

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Cap, CartTest, Channel, ChannelSettings, Condition, EmailSettings, EmailTemplate, Entry, EventPattern,
    LocalizedMessage, Message, Play, Playbook, PlaybookVersion, ReachTest, SmsSettings, SmsTemplate, Source, Step,
    TraitTest, Trigger,
};
use kairos_engine::time::Span;

/// *Abandoned cart* and *welcome*, as the shipped playbook has them.
pub fn two() -> Playbook {
    let abandoned_cart = Play {
        name: "abandoned_cart".into(),
        title: "Abandoned cart".into(),
        trigger: Trigger::Absence {
            after: [
                EventName::ProductAdded,
                EventName::ProductRemoved,
                EventName::WishlistProductAddedToCart,
                EventName::CheckoutStarted,
                EventName::CheckoutStepViewed,
                EventName::CheckoutStepCompleted,
            ]
            .map(EventPattern::Track)
            .into(),
            of: vec![EventPattern::Track(EventName::OrderCompleted)],
            wait: Span::from_mins(30),
        },
        who: Condition::Cart(CartTest::NotEmpty),
        unless: None,
        entry: Entry::EveryTime,
        valid_for: Span::from_hours(12),
        caps: vec![Cap { at_most: 1, per: Span::from_hours(24) }],
        steps: vec![send("abandoned_cart")],
    };
    let welcome = Play {
        name: "welcome".into(),
        title: "Welcome".into(),
        trigger: Trigger::Event(vec![EventPattern::Identify]),
        who: Condition::Reachable(ReachTest::Anyhow),
        unless: Some(Condition::Trait { name: "createdAt".into(), is: TraitTest::OlderThan(Span::from_hours(24)) }),
        entry: Entry::Once,
        valid_for: Span::from_hours(24),
        caps: Vec::new(),
        steps: vec![send("welcome")],
    };
    Playbook {
        version: PlaybookVersion("bench".into()),
        sources: vec![Source { name: "shop".into(), write_key: "bench".into() }],
        channels: ChannelSettings {
            email: Some(EmailSettings { from: "hello@shop.example".into(), reply_to: None }),
            sms: Some(SmsSettings::default()),
            webhook: None,
        },
        plays: vec![abandoned_cart, welcome],
        messages: BTreeMap::from([message("abandoned_cart"), message("welcome")]),
    }
}

/// Twenty plays: ten times the two, each with a name of its own and a wait of its own.
pub fn twenty() -> Playbook {
    let mut playbook = two();
    let originals = std::mem::take(&mut playbook.plays);
    for copy in 0..10 {
        for original in &originals {
            let mut play = original.clone();
            play.name = format!("{}_{copy}", original.name);
            if let Trigger::Absence { wait, .. } = &mut play.trigger {
                *wait = Span::from_mins(30 + copy);
            }
            playbook.plays.push(play);
        }
    }
    playbook
}

fn send(message: &str) -> Step {
    Step::Send { message: message.into(), channels: vec![Channel::Email, Channel::Sms] }
}

fn message(name: &str) -> (String, Message) {
    let text = "Hello {{ user.first_name }}, {{ cart.items.size }} things wait for you.".to_owned();
    let localized = LocalizedMessage {
        email: Some(EmailTemplate { subject: name.into(), text: text.clone(), html: None }),
        sms: Some(SmsTemplate { text }),
        webhook: None,
    };
    let locales = BTreeMap::from([("en".to_owned(), localized)]);
    (name.into(), Message { default_locale: "en".into(), locales })
}
