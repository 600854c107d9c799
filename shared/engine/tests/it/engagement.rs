//! The channel that a user answers to most: what counts as an answer, how it fades, and what a step makes of it.

use kairos_engine::bounds::{ENGAGEMENT_HALF_LIFE_DAYS, ENGAGEMENT_PRIOR};
use kairos_engine::engagement::{ChannelEngagement, expected, ordered};
use kairos_engine::event::{Event, EventKind, FEEDBACK, INBOX, LINKS};
use kairos_engine::event_name::EventName;
use kairos_engine::explain;
use kairos_engine::identifiers::{DeliveryId, InputId, UserKey};
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::playbook::{Channel, ChannelOrder, Playbook};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const LISTED: [Channel; 3] = [Channel::Email, Channel::Sms, Channel::Telegram];

/// As it is stored: messages and answers in 256ths, as of a day.
fn known(channel: Channel, messages: u16, answers: u16, day: u16, answered: Option<u16>) -> ChannelEngagement {
    minicbor::decode(&minicbor::to_vec((channel, messages, answers, day, answered)).unwrap()).unwrap()
}

/// Everything as much as it can be.
pub(crate) fn most() -> Vec<ChannelEngagement> {
    Channel::ALL.map(|channel| known(channel, u16::MAX, u16::MAX, u16::MAX, Some(u16::MAX))).to_vec()
}

/// Of two channels, of one of which no message was answered.
pub(crate) fn of_two_channels() -> Vec<ChannelEngagement> {
    vec![known(Channel::Email, 1_024, 0, 20_413, None), known(Channel::Telegram, 700, 320, 20_414, Some(0x8abc))]
}

fn program(order: &str) -> Program {
    let play = |name: &str, at: &str, channels: Value, order: &str| {
        json!({"name": name, "title": name, "trigger": {"event": [{"track": at}]}, "valid_for": 30 * DAY_MS,
            "steps": [{"send": {"message": "hello", "channels": channels, "order": order}}]})
    };
    let text = json!({"email": {"subject": "Hello", "text": "Hello"}, "sms": {"text": "Hello"}, "telegram": {"text": "Hello"}});
    let playbook: Playbook = serde_json::from_value(json!({
        "sources": [], "channels": {"email": {"from": "a@shop.example"}, "sms": {}, "telegram": {}},
        "plays": [play("asked", "Asked", json!(LISTED), order), play("text", "Text", json!(["sms"]), "listed")],
        "messages": {"hello": {"default_locale": "en", "locales": {"en": text}}},
    }))
    .unwrap();
    Program::new(playbook).unwrap()
}

/// One after the other, each in a mailbox message of its own, and each a minute after the one before.
struct Ann {
    program: Program,
    state: UserState,
    minutes: i64,
    sent: Vec<(Channel, DeliveryId)>,
}

impl Ann {
    fn new(order: &str) -> Self {
        let mut ann = Self { program: program(order), state: UserState::default(), minutes: 0, sent: Vec::new() };
        ann.knows(json!({"email": "ann@shop.example", "phone": "+4915112345678", "telegram_chat_id": 42}));
        ann
    }

    fn now(&self) -> Timestamp {
        NOON.plus(Span::from_mins(self.minutes))
    }

    fn knows(&mut self, traits: Value) {
        self.apply("web", EventKind::Identify { traits: traits.as_object().cloned().unwrap() });
    }

    fn event(&mut self, source: &str, name: &str, properties: Value) {
        let properties = properties.as_object().cloned().unwrap();
        self.apply(source, EventKind::Track { event: EventName::parse(name), properties });
    }

    fn apply(&mut self, source: &str, kind: EventKind) {
        self.minutes += 1;
        let id = InputId::of_message(source, &self.minutes.to_string());
        let event = Event::new(id, self.now(), source.into(), Some("ann".into()), None, kind, Map::new());
        let now = self.now();
        let stepped = step(&self.program, UserKey::known("ann"), &mut self.state, &[Input::event(event)], now);
        for effect in stepped.effects {
            if let Effect::Deliver(order) = effect {
                self.sent.push((order.channel, order.delivery));
            }
        }
    }

    /// Asks, and gets a message: on which channel.
    fn asks(&mut self) -> Channel {
        let before = self.sent.len();
        self.event("web", "Asked", json!({}));
        assert_eq!(self.sent.len(), before + 1);
        self.sent[before].0
    }

    /// What is told of the newest message.
    fn does(&mut self, source: &str, name: &str, more: Value) {
        let (channel, delivery) = *self.sent.last().unwrap();
        let mut properties = json!({"channel": channel, "delivery_id": delivery});
        properties.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        self.event(source, name, properties);
    }

    fn clicks(&mut self) {
        self.does(LINKS, "Message Link Clicked", json!({}));
    }

    fn counts(&self, channel: Channel) -> Option<(f64, f64)> {
        let known = self.state.engagement.iter().find(|known| known.channel() == channel)?;
        Some(known.counts_at(self.now()))
    }
}

#[test]
fn a_channel_that_is_not_answered_gives_way_and_one_that_is_stays() {
    let mut ann = Ann::new("most_engaged");
    // Nothing is known: as listed. What stays without an answer gives way to what was not tried.
    assert_eq!([ann.asks(), ann.asks(), ann.asks()], LISTED);
    ann.clicks();
    for _ in 0..5 {
        assert_eq!(ann.asks(), Channel::Telegram);
    }
    // One of six: (1 + 4/8) / (6 + 4) is still more than (0 + 4/8) / (1 + 4), and then no more than nothing known.
    ann.event("web", "Text", json!({}));
    ann.clicks();
    assert_eq!(ann.asks(), Channel::Sms);
}

#[test]
fn channels_are_tried_as_listed_where_the_step_says_so_and_then_nothing_is_remembered() {
    let mut ann = Ann::new("listed");
    ann.event("web", "Text", json!({}));
    ann.clicks();
    assert_eq!([ann.asks(), ann.asks()], [Channel::Email; 2]);
    assert_eq!(ann.state.engagement, []);
    // Nor of who has never got a message.
    assert_eq!(Ann::new("most_engaged").state.engagement, []);
}

#[test]
fn the_next_best_is_taken_where_the_best_may_not_be_used_or_cannot_be_reached() {
    let mut ann = Ann::new("most_engaged");
    ann.event("web", "Text", json!({}));
    ann.clicks();
    ann.event("web", "Consent Updated", json!({"channel": "sms", "choice": "refused"}));
    assert_eq!(ann.asks(), Channel::Email);
    ann.knows(json!({"email": null}));
    assert_eq!(ann.asks(), Channel::Telegram);
}

#[test]
fn every_answer_counts_as_the_table_says() {
    let (read, clicked) = ("Message Read", "Message Link Clicked");
    let (opened, by_person, by_program) = ("Message Opened", json!({"proxied": false}), json!({"proxied": true}));
    let nothing = json!({});
    for (told, expected) in [
        (vec![(LINKS, clicked, &nothing)], (1.0, 1.0)),
        // Another link of the same message is the same answer, and an opened message that is followed is one.
        (vec![(LINKS, clicked, &nothing), (LINKS, clicked, &nothing)], (1.0, 1.0)),
        (vec![(LINKS, opened, &by_person)], (1.0, 0.25)),
        (vec![(LINKS, opened, &by_person), (FEEDBACK, read, &nothing)], (1.0, 0.25)),
        (vec![(LINKS, opened, &by_person), (LINKS, clicked, &nothing)], (1.0, 1.0)),
        (vec![(LINKS, clicked, &nothing), (LINKS, opened, &by_person)], (1.0, 1.0)),
        (vec![(FEEDBACK, read, &nothing)], (1.0, 0.25)),
        (vec![(LINKS, opened, &by_program)], (1.0, 0.0)),
        (vec![(FEEDBACK, "Message Delivered", &nothing)], (1.0, 0.0)),
        (vec![(FEEDBACK, "Email Bounced", &nothing)], (2.0, 0.0)),
        (vec![(FEEDBACK, "Message Failed", &nothing)], (2.0, 0.0)),
        (vec![(LINKS, clicked, &nothing), (FEEDBACK, "Email Marked as Spam", &nothing)], (2.0, 1.0)),
        // What names no message, or no channel, is no answer.
        (vec![(LINKS, clicked, &json!({"delivery_id": "ü"}))], (1.0, 0.0)),
        (vec![(LINKS, clicked, &json!({"channel": "pigeon"}))], (1.0, 0.0)),
    ] {
        let mut ann = Ann::new("most_engaged");
        assert_eq!(ann.asks(), Channel::Email);
        for (source, name, more) in &told {
            ann.does(source, name, (*more).clone());
        }
        assert_eq!(ann.counts(Channel::Email), Some(expected), "{told:?}");
    }
}

#[test]
fn of_messages_on_the_site_the_inbox_tells_and_no_page() {
    for (source, name, expected) in [
        (INBOX, "On-site Message Clicked", Some((1.0, 1.0))),
        (INBOX, "On-site Message Dismissed", Some((2.0, 0.0))),
        (INBOX, "On-site Message Seen", None),
        ("web", "On-site Message Clicked", None),
    ] {
        let mut ann = Ann::new("most_engaged");
        ann.asks();
        ann.does(source, name, json!({}));
        assert_eq!(ann.counts(Channel::OnSite), expected, "{source} {name}");
    }
}

#[test]
fn what_is_expected_follows_the_formula_and_halves() {
    let day = |days: i64| Timestamp::from_millis(days * DAY_MS);
    let email = known(Channel::Email, 3 * 256, 256, 20_000, None);
    let half_life = i64::from(ENGAGEMENT_HALF_LIFE_DAYS);
    for (days, value) in [
        (0, (1.0 + 0.5) / (3.0 + 4.0)),
        (half_life, (0.5 + 0.5) / (1.5 + 4.0)),
        (2 * half_life, (0.25 + 0.5) / (0.75 + 4.0)),
        (100 * half_life, ENGAGEMENT_PRIOR),
        // A clock that is behind changes nothing.
        (-5, (1.0 + 0.5) / (3.0 + 4.0)),
    ] {
        assert!((email.expected_at(day(20_000 + days)) - value).abs() < 1e-9, "after {days} days");
    }
    assert_eq!(expected(&[email], Channel::Sms, day(20_000)), ENGAGEMENT_PRIOR);
    let by = |order| ordered(&[email], order, &[Channel::Sms, Channel::Email, Channel::Viber], day(20_000));
    assert_eq!(by(ChannelOrder::MostEngaged), [Channel::Email, Channel::Sms, Channel::Viber]);
    assert_eq!(by(ChannelOrder::Listed), [Channel::Sms, Channel::Email, Channel::Viber]);
}

#[test]
fn what_a_visitor_has_answered_to_counts_for_the_user() {
    let (program, ann) = (program("most_engaged"), UserKey::known("ann"));
    let merged = |own: Vec<ChannelEngagement>, theirs: Vec<ChannelEngagement>| {
        let mut state = UserState { clock: NOON, engagement: own, ..UserState::default() };
        let from = UserState { clock: NOON, engagement: theirs, ..UserState::default() };
        let merge = Input::Merge {
            id: InputId::of_message("web", "merge"),
            at: NOON,
            from: UserKey::known("visitor"),
            state: Box::new(from),
            hops: 0,
        };
        step(&program, ann, &mut state, &[merge], NOON);
        state.engagement
    };
    let today = 20_413;
    let (own, theirs) = (of_two_channels(), vec![known(Channel::Telegram, 512, 512, today - 60, Some(7))]);
    let both = vec![own[0], known(Channel::Telegram, 700 + 253, 320 + 253, today + 1, Some(0x8abc))];
    assert_eq!(merged(own.clone(), theirs.clone()), both, "faded to the later day");
    assert_eq!(merged(vec![], own.clone()), own);
    let other_way: Vec<_> = merged(theirs, own).into_iter().rev().collect();
    assert_eq!(other_way, both);
}

#[test]
fn why_tells_what_each_channel_lets_expect() {
    let mut ann = Ann::new("most_engaged");
    assert_eq!([ann.asks(), ann.asks()], [Channel::Email, Channel::Sms]);
    ann.clicks();
    let found = explain::play(&ann.program, "asked", UserKey::known("ann"), &ann.state, ann.now()).unwrap();
    let text = format!("{found:?}");
    let said = "hello: sms 30.0% (1.0 of 1.0 messages answered); telegram 12.5% (no message yet); \
        email 10.0% (0.0 of 1.0 messages answered)";
    assert!(text.contains(said), "{text}");
    assert!(text.contains("hello by sms to"), "{text}");
}

/// What may happen to Ann: she asks, gets a text, clicks or reads something, refuses something, and days pass.
fn happenings() -> impl Strategy<Value = Vec<(u8, u8, u16)>> {
    prop::collection::vec((0..7_u8, 0..3_u8, 0..1_000_u16), 1..40)
}

fn inputs(happenings: &[(u8, u8, u16)]) -> Vec<Input> {
    let mut at = NOON;
    let traits = json!({"email": "ann@shop.example", "phone": "+4915112345678", "telegram_chat_id": 42});
    let identify = (EventKind::Identify { traits: traits.as_object().cloned().unwrap() }, at);
    let later = happenings.iter().map(|(what, channel, minutes)| {
        at = at.plus(Span::from_mins(i64::from(*minutes)));
        let channel = LISTED[usize::from(*channel)];
        let properties = json!({"channel": channel, "delivery_id": format!("{:032x}", minutes % 5), "proxied": false});
        let name =
            ["Asked", "Asked", "Text", "Message Link Clicked", "Message Opened", "Message Read", "Message Failed"];
        let event = EventName::parse(name[usize::from(*what)]);
        (EventKind::Track { event, properties: properties.as_object().cloned().unwrap() }, at)
    });
    let all: Vec<_> = std::iter::once(identify).chain(later).collect();
    let input = |(number, (kind, at)): (usize, (EventKind, Timestamp))| {
        let id = InputId::of_message("web", &number.to_string());
        Input::event(Event::new(id, at, LINKS.into(), Some("ann".into()), None, kind, Map::new()))
    };
    all.into_iter().enumerate().map(input).collect()
}

proptest! {
    #[test]
    fn it_is_the_same_however_inputs_are_grouped_and_bounded_whatever_happens(
        happenings in happenings(),
        cuts in prop::collection::vec(1..8_usize, 40),
    ) {
        let program = program("most_engaged");
        let inputs = inputs(&happenings);
        let decided = |cuts: &mut dyn Iterator<Item = usize>| {
            let (mut state, mut sent, mut left) = (UserState::default(), Vec::new(), &inputs[..]);
            while !left.is_empty() {
                let (group, rest) = left.split_at(cuts.next().unwrap_or(1).min(left.len()));
                let now = group.last().unwrap().at();
                let stepped = step(&program, UserKey::known("ann"), &mut state, group, now);
                left = rest;
                sent.extend(stepped.effects.into_iter().filter_map(|effect| match effect {
                    Effect::Deliver(order) => Some((order.delivery, order.channel, order.due_at)),
                    _ => None,
                }));
            }
            (state.engagement, sent)
        };
        let one_by_one = decided(&mut std::iter::repeat(1));
        prop_assert!(one_by_one.0.len() <= Channel::ALL.len());
        for known in &one_by_one.0 {
            let (messages, answers) = known.counts_at(inputs.last().unwrap().at());
            prop_assert!(0.0 <= answers && answers <= messages, "{known:?}");
            let expected = known.expected_at(NOON);
            prop_assert!((0.0..=1.0).contains(&expected));
        }
        prop_assert_eq!(decided(&mut cuts.into_iter()), one_by_one);
    }
}
