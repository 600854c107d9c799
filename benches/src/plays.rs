//! The playbooks that are measured with.

use std::collections::BTreeMap;

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Channel, ChannelSettings, EventMatch, EventPattern, LocalizedMessage, Message, Play, Playbook, PlaybookVersion,
    Step, Trigger, WebhookSettings, WebhookTemplate,
};
use kairos_engine::time::Span;

use crate::figures::root;

/// The playbook that comes with the project.
pub fn shipped() -> Playbook {
    let loaded = kairos_playbook::load(&root().join("playbook")).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))
    });
    loaded.playbook
}

/// The shipped playbook, with another wait.
pub fn waiting(time: Span) -> Playbook {
    let mut playbook = shipped();
    for play in &mut playbook.plays {
        if let Trigger::Absence { wait, .. } = &mut play.trigger {
            *wait = time;
        }
    }
    playbook
}

/// Twenty plays and thirty segments.
pub fn measured() -> Playbook {
    crate::segments::twenty_plays_thirty_segments(&shipped())
}

/// The event after which [`webhooks`] waits.
pub const AWAITED: &str = "Alarm Set";

/// Messages that arrive at `url`: one at once for each `identify`, and one a `wait` after [`AWAITED`].
pub fn webhooks(url: &str, wait: Span) -> Playbook {
    let identified = Trigger::Event(vec![EventMatch::all(EventPattern::Identify)]);
    let waited = Trigger::Absence {
        after: vec![EventMatch::all(EventPattern::Track(EventName::parse(AWAITED)))],
        of: vec![EventMatch::all(EventPattern::Track(EventName::OrderCompleted))],
        wait,
    };
    let webhook = Some(WebhookTemplate { text: "Hello".into(), ..WebhookTemplate::default() });
    let locales = BTreeMap::from([("en".to_owned(), LocalizedMessage { webhook, ..LocalizedMessage::default() })]);
    Playbook {
        version: PlaybookVersion("webhooks".into()),
        channels: ChannelSettings {
            webhooks: [("shop".to_owned(), WebhookSettings { url: url.into(), ..WebhookSettings::default() })].into(),
            ..ChannelSettings::default()
        },
        plays: [("at_once", identified), ("later", waited)].map(|(name, trigger)| play(name, trigger)).into(),
        messages: BTreeMap::from([(
            "hello".to_owned(),
            Message { default_locale: "en".into(), locales, ..Message::default() },
        )]),
        ..Playbook::default()
    }
}

fn play(name: &str, trigger: Trigger) -> Play {
    Play {
        name: name.into(),
        title: name.into(),
        trigger,
        valid_for: Span::from_hours(1),
        steps: vec![Step::Send {
            message: "hello".into(),
            channels: vec![Channel::Webhook],
            order: Default::default(),
        }],
        ..Play::default()
    }
}
