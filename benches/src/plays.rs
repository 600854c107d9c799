//! The playbooks that are measured with.

use std::collections::BTreeMap;

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Channel, ChannelSettings, Condition, Entry, EventPattern, LocalizedMessage, Message, Play, Playbook,
    PlaybookVersion, Step, Trigger, WebhookSettings, WebhookTemplate,
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

/// Twenty plays: those of the shipped playbook again and again, each with a name and a wait of its own.
pub fn twenty() -> Playbook {
    let mut playbook = shipped();
    let originals = std::mem::take(&mut playbook.plays);
    for (copy, original) in originals.iter().cycle().take(20).enumerate() {
        let mut play = original.clone();
        play.name = format!("{}_{copy}", original.name);
        if let Trigger::Absence { wait, .. } = &mut play.trigger {
            *wait = wait.plus_minutes(copy);
        }
        playbook.plays.push(play);
    }
    playbook
}

trait Later {
    fn plus_minutes(self, minutes: usize) -> Self;
}

impl Later for Span {
    fn plus_minutes(self, minutes: usize) -> Self {
        Self::from_millis(self.as_millis() + 60_000 * minutes as i64)
    }
}

/// The event after which [`webhooks`] waits.
pub const AWAITED: &str = "Alarm Set";

/// Messages that arrive at `url`: one at once for each `identify`, and one a `wait` after [`AWAITED`].
pub fn webhooks(url: &str, wait: Span) -> Playbook {
    let identified = Trigger::Event(vec![EventPattern::Identify]);
    let waited = Trigger::Absence {
        after: vec![EventPattern::Track(EventName::parse(AWAITED))],
        of: vec![EventPattern::Track(EventName::OrderCompleted)],
        wait,
    };
    let webhook = Some(WebhookTemplate { text: "Hello".into() });
    let locales = BTreeMap::from([("en".to_owned(), LocalizedMessage { webhook, ..LocalizedMessage::default() })]);
    Playbook {
        version: PlaybookVersion("webhooks".into()),
        sources: Vec::new(),
        channels: ChannelSettings { webhook: Some(WebhookSettings { url: url.into() }), ..ChannelSettings::default() },
        plays: [("at_once", identified), ("later", waited)].map(|(name, trigger)| play(name, trigger)).into(),
        messages: BTreeMap::from([("hello".to_owned(), Message { default_locale: "en".into(), locales })]),
    }
}

fn play(name: &str, trigger: Trigger) -> Play {
    Play {
        name: name.into(),
        title: name.into(),
        trigger,
        who: Condition::default(),
        unless: None,
        entry: Entry::EveryTime,
        valid_for: Span::from_hours(1),
        caps: Vec::new(),
        steps: vec![Step::Send { message: "hello".into(), channels: vec![Channel::Webhook] }],
    }
}
