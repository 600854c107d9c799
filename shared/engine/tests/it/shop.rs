//! A shop with the two plays, whose users are driven through [`commit::plan`] as `decide` drives them.

use std::collections::{BTreeMap, VecDeque};

use kairos_engine::commit::{self, Received, StoredUser};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{DeliveryOrder, Effect, Input, MailboxMessage};
use kairos_engine::outcome::OutcomeRecord;
use kairos_engine::playbook::{
    Cap, CartTest, Channel, ChannelSettings, Condition, EmailSettings, EmailTemplate, Entry, EventMatch, EventPattern,
    LocalizedMessage, Message, Play, Playbook, PlaybookVersion, ReachTest, SmsSettings, SmsTemplate, Step, Trigger,
    ValueTest,
};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::time::{Span, Timestamp};

pub(crate) fn playbook() -> Playbook {
    let templates = LocalizedMessage {
        email: Some(EmailTemplate { subject: "Hello".into(), text: "Hello".into(), html: None }),
        sms: Some(SmsTemplate { text: "Hello".into() }),
        ..LocalizedMessage::default()
    };
    let message = Message {
        default_locale: "en".into(),
        locales: BTreeMap::from([("en".to_owned(), templates)]),
        ..Message::default()
    };
    let after =
        [EventName::ProductAdded, EventName::ProductRemoved, EventName::CheckoutStarted, EventName::CheckoutStepViewed];
    let cart = Play {
        name: "abandoned_cart".into(),
        title: "Abandoned cart".into(),
        trigger: Trigger::Absence {
            after: after.into_iter().map(EventPattern::Track).map(EventMatch::all).collect(),
            of: vec![EventMatch::all(EventPattern::Track(EventName::OrderCompleted))],
            wait: Span::from_mins(30),
        },
        who: Condition::Cart(CartTest::NotEmpty),
        valid_for: Span::from_hours(6),
        caps: vec![Cap { at_most: 1, per: Span::from_hours(24) }],
        steps: vec![Step::Send {
            message: "abandoned_cart".into(),
            channels: vec![Channel::Email, Channel::Sms],
            order: Default::default(),
        }],
        ..Play::default()
    };
    let welcome = Play {
        name: "welcome".into(),
        title: "Welcome".into(),
        trigger: Trigger::Event(vec![EventMatch::all(EventPattern::Identify)]),
        who: Condition::Reachable(ReachTest::Anyhow),
        unless: Some(Condition::Trait { name: "createdAt".into(), is: ValueTest::OlderThan(Span::from_hours(24)) }),
        entry: Entry::Once,
        valid_for: Span::from_hours(1),
        steps: vec![Step::Send {
            message: "welcome".into(),
            channels: vec![Channel::Email, Channel::Sms],
            order: Default::default(),
        }],
        ..Play::default()
    };
    Playbook {
        version: PlaybookVersion("0123456789abcdef".into()),
        sources: Vec::new(),
        channels: ChannelSettings {
            email: Some(EmailSettings { from: "Shop <hello@shop.example>".into(), reply_to: None }),
            sms: Some(SmsSettings::default()),
            ..ChannelSettings::default()
        },
        plays: vec![cart, welcome],
        messages: BTreeMap::from([("abandoned_cart".to_owned(), message.clone()), ("welcome".to_owned(), message)]),
        ..Playbook::default()
    }
}

pub(crate) fn program() -> Program {
    Program::new(playbook()).unwrap()
}

/// What was decided.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) considered: Vec<OutcomeRecord>,
    pub(crate) orders: Vec<DeliveryOrder>,
}

/// The users and their mailboxes.
pub(crate) struct Shop {
    program: Program,
    users: BTreeMap<UserKey, StoredUser>,
    sequence: u128,
    now: Timestamp,
    pub(crate) decided: Decided,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with(program())
    }

    pub(crate) fn with(program: Program) -> Self {
        Self { program, users: BTreeMap::new(), sequence: 0, now: Timestamp::default(), decided: Decided::default() }
    }

    /// One message to one mailbox; what actors then tell each other is delivered, too.
    pub(crate) fn receive(&mut self, message: MailboxMessage, now: Timestamp) {
        let mut mailboxes = VecDeque::from([message]);
        while let Some(message) = mailboxes.pop_front() {
            let user = message.user();
            self.sequence += 1;
            // As it travels: through JSON.
            let message = serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
            let received = [Received { sequence: self.sequence, receives: 1, message }];
            let stored = self.users.get(&user);
            let plan = commit::plan(&self.program, user, stored, "events.fifo", &received, now);
            assert_eq!(plan.acknowledge, 1);
            let mut written = plan.write_after.or(plan.write).expect("a new message is a commit");
            // As it is stored: encoded.
            written.state = UserState::decode(&written.state.encode()).unwrap();
            self.users.insert(user, written);
            self.decided.considered.extend(plan.considered);
            for effect in plan.send_after {
                match effect {
                    Effect::Deliver(order) => self.decided.orders.push(*order),
                    Effect::Tell { user, input } => mailboxes.push_back(MailboxMessage::of_told(user, *input)),
                    Effect::Wake { .. } | Effect::Member { .. } | Effect::Interested(_) => {}
                }
            }
        }
    }

    /// Lets time pass until `until`: every alarm rings at its second.
    pub(crate) fn wait_until(&mut self, until: Timestamp) {
        loop {
            let alarms = self.users.iter().filter_map(|(user, stored)| Some((stored.alarm_at?, *user)));
            let Some((at, user)) = alarms.min().filter(|(at, _)| *at <= until) else {
                self.now = until;
                return;
            };
            // One that was set for a time gone by rings at once.
            let now = at.max(self.now);
            self.receive(MailboxMessage::of_tick(user, at, now), now);
        }
    }

    /// Puts inputs into the mailboxes they belong to, one message each.
    pub(crate) fn inputs(&mut self, inputs: Vec<(UserKey, Input)>, now: Timestamp) {
        let mut by_user: BTreeMap<UserKey, Vec<Input>> = BTreeMap::new();
        for (user, input) in inputs {
            by_user.entry(user).or_default().push(input);
        }
        for (user, inputs) in by_user {
            self.receive(MailboxMessage::of_inputs(user, inputs), now);
        }
    }
}
