//! Consent: what was said counts as it was said, and nobody gets what they have refused.

use std::collections::BTreeMap;

use kairos_engine::consent::{Choice, Consent, DeadAddress, Statement, SuppressionReason, Way, statements};
use kairos_engine::event::{Event, EventKind, FEEDBACK, PREFERENCES, SHOP_SERVER};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{AddressKey, InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::outcome::{PlayOutcome, Reason};
use kairos_engine::playbook::{Channel, ChannelConsent, ConsentSettings, OptIn, Playbook, Purpose};
use kairos_engine::program::Program;
use kairos_engine::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::shop::{Shop, playbook};

const NOON: i64 = 1_763_942_400_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(NOON + minute * 60_000)
}

fn said(channel: Option<Channel>, choice: Choice, minute: i64) -> Statement {
    Statement {
        channel,
        purpose: Purpose::Marketing,
        choice,
        at: at(minute),
        way: Way::Server,
        wording: None,
        address: None,
    }
}

fn heard(all: &[(Option<Channel>, Choice, i64)]) -> Consent {
    let mut consent = Consent::default();
    all.iter().for_each(|(channel, choice, minute)| consent.hear(&said(*channel, *choice, *minute)));
    consent
}

fn on(consent: &Consent, channel: Channel) -> Option<Choice> {
    consent.on(channel, Purpose::Marketing).map(|entry| entry.choice)
}

#[test]
fn the_newest_statement_counts_whatever_its_order() {
    use Choice::{Given, Pending, Refused};
    const EMAIL: Option<Channel> = Some(Channel::Email);
    for (all, email, sms) in [
        (&[][..], None, None),
        (&[(EMAIL, Given, 1)], Some(Given), None),
        (&[(EMAIL, Given, 1), (EMAIL, Refused, 2)], Some(Refused), None),
        (&[(EMAIL, Refused, 2), (EMAIL, Given, 1)], Some(Refused), None),
        (&[(EMAIL, Refused, 1), (EMAIL, Given, 2)], Some(Given), None),
        // At the same instant, the refusal.
        (&[(EMAIL, Refused, 1), (EMAIL, Given, 1)], Some(Refused), None),
        (&[(EMAIL, Given, 1), (EMAIL, Refused, 1)], Some(Refused), None),
        // What is for all is for each, unless something newer was said of one.
        (&[(EMAIL, Given, 1), (None, Refused, 2)], Some(Refused), Some(Refused)),
        (&[(None, Refused, 2), (EMAIL, Given, 3)], Some(Given), Some(Refused)),
        (&[(EMAIL, Given, 3), (None, Refused, 2)], Some(Given), Some(Refused)),
        (&[(None, Refused, 2), (EMAIL, Given, 1)], Some(Refused), Some(Refused)),
        (&[(None, Refused, 2), (EMAIL, Given, 3), (None, Refused, 4)], Some(Refused), Some(Refused)),
        // Asking changes nothing that is known.
        (&[(EMAIL, Pending, 1)], Some(Pending), None),
        (&[(EMAIL, Refused, 1), (EMAIL, Pending, 2)], Some(Refused), None),
        (&[(EMAIL, Given, 1), (EMAIL, Pending, 2)], Some(Given), None),
        (&[(EMAIL, Pending, 2), (EMAIL, Refused, 1)], Some(Refused), None),
        (&[(EMAIL, Pending, 1), (EMAIL, Given, 2)], Some(Given), None),
        // The first of several refusals is kept, and all of them stand.
        (&[(EMAIL, Refused, 1), (EMAIL, Refused, 5), (EMAIL, Given, 3)], Some(Refused), None),
    ] {
        let consent = heard(all);
        assert_eq!((on(&consent, Channel::Email), on(&consent, Channel::Sms)), (email, sms), "{all:?}");
    }
    let twice = heard(&[(EMAIL, Refused, 1), (EMAIL, Refused, 5)]);
    assert_eq!(twice.on(Channel::Email, Purpose::Marketing).unwrap().at, at(1));
    let transactional = heard(&[(EMAIL, Refused, 1)]);
    assert!(!transactional.refuses(Channel::Email, Purpose::Transactional), "each purpose stands for itself");
}

#[test]
fn what_a_shop_asks_for_decides_when_nothing_was_refused() {
    use Choice::{Given, Pending, Refused};
    let (mine, other) = ("ann@shop.example", "new@shop.example");
    for (choice, opt_in, allowed) in [
        (None, OptIn::Implied, true),
        (None, OptIn::Required, false),
        (None, OptIn::Double, false),
        (Some(Pending), OptIn::Implied, true),
        (Some(Pending), OptIn::Required, false),
        (Some(Given), OptIn::Required, true),
        (Some(Given), OptIn::Double, true),
        (Some(Refused), OptIn::Implied, false),
    ] {
        let mut consent = Consent::default();
        if let Some(choice) = choice {
            let address = Some(AddressKey::of(Channel::Email, mine));
            consent.hear(&Statement { address, ..said(Some(Channel::Email), choice, 1) });
        }
        let allows = |address, purpose| consent.allows(Channel::Email, address, purpose, opt_in);
        assert_eq!(allows(mine, Purpose::Marketing), allowed, "{choice:?} {opt_in:?}");
        assert!(allows(mine, Purpose::Transactional), "{choice:?} {opt_in:?}");
        if choice == Some(Given) {
            assert_eq!(allows(other, Purpose::Marketing), opt_in != OptIn::Double, "only one address was confirmed");
        }
    }
}

fn event(source: &str, kind: EventKind, minute: i64) -> Event {
    let id = InputId::of_message(source, &format!("{kind:?} {minute}"));
    Event::new(id, at(minute), source.into(), Some("ann".into()), None, kind, Map::new())
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn updated(source: &str, properties: Value, minute: i64) -> Event {
    event(source, EventKind::Track { event: EventName::ConsentUpdated, properties: object(properties) }, minute)
}

#[test]
fn events_say_what_they_say_and_nothing_else() {
    let read = |event: &Event| -> Vec<String> {
        let shown = |said: Statement| {
            let channel = said.channel.map_or("all", Channel::as_str);
            let wording = said.wording.map(|wording| format!(" {wording}")).unwrap_or_default();
            format!("{channel} {} {} by {}{wording}", said.purpose.as_str(), said.choice.as_str(), said.way.as_str())
        };
        statements(event).into_iter().map(shown).collect()
    };
    for (source, properties, expected) in [
        ("web", json!({"channel": "email", "choice": "refused"}), &["email marketing refused by client"][..]),
        (SHOP_SERVER, json!({"choice": "given", "wording": " 2026-01 "}), &["all marketing given by server 2026-01"]),
        (
            SHOP_SERVER,
            json!({"channel": ["sms", "pigeon", "ALL"], "choice": false, "purpose": "transactional"}),
            &["sms transactional refused by server", "all transactional refused by server"],
        ),
        (PREFERENCES, json!({"channel": "sms", "choice": "given"}), &["sms marketing given by preferences"]),
        (
            PREFERENCES,
            json!({"channel": "email", "choice": "refused", "via": "unsubscribe"}),
            &["email marketing refused by unsubscribe"],
        ),
        // Who speaks for the shop is told by the source, not by what is said.
        ("web", json!({"choice": "refused", "via": "confirmation"}), &["all marketing refused by client"]),
        ("web", json!({"channel": "pigeon", "choice": "refused"}), &[]),
        ("web", json!({"channel": 7, "choice": "refused"}), &[]),
        ("web", json!({"channel": "email", "choice": "maybe"}), &[]),
        ("web", json!({"choice": "refused", "purpose": "fun"}), &[]),
        ("web", json!({}), &[]),
    ] {
        assert_eq!(read(&updated(source, properties.clone(), 1)), expected, "{source} {properties}");
    }
    let unsubscribed = EventKind::Track { event: EventName::parse("unsubscribed"), properties: Map::new() };
    assert_eq!(read(&event("web", unsubscribed, 1)), ["email marketing refused by client"]);
    let traits = json!({"email": "ann@shop.example", "consent": {
        "email": {"marketing": "given", "transactional": true, "wording": "v2"}, "sms": false, "fax": true, "viber": 3,
    }});
    let identify = EventKind::Identify { traits: object(traits) };
    assert_eq!(
        read(&event(SHOP_SERVER, identify, 1)),
        [
            "email marketing given by server v2",
            "email transactional given by server v2",
            "sms marketing refused by server"
        ]
    );
}

fn with_opt_in(opt_in: OptIn) -> Playbook {
    let channels = BTreeMap::from([(Channel::Email, ChannelConsent { opt_in, wording: None })]);
    Playbook { consent: Some(ConsentSettings { channels, ..ConsentSettings::default() }), ..playbook() }
}

/// How the welcome of somebody with an email address ends who has said these things before, in their order.
fn welcomed(playbook: Playbook, said: &[Event]) -> (Vec<Channel>, Option<PlayOutcome>) {
    let mut shop = Shop::with(Program::new(playbook).unwrap());
    let user = UserKey::known("ann");
    for (minute, event) in (1..).zip(said) {
        shop.receive(MailboxMessage::of_inputs(user, vec![Input::event(event.clone())]), at(minute));
    }
    let identify = EventKind::Identify { traits: object(json!({"email": "ann@shop.example"})) };
    let input = Input::event(event("web", identify, 60));
    shop.receive(MailboxMessage::of_inputs(user, vec![input]), at(60));
    let ended = shop.decided.considered.last().map(|record| record.outcome.clone());
    (shop.decided.orders.iter().map(|order| order.channel).collect(), ended)
}

#[test]
fn only_who_may_speak_for_the_user_can_agree() {
    let given = json!({"channel": "email", "choice": "given"});
    let mut key = object(given.clone());
    key.insert("address_key".into(), json!(AddressKey::of(Channel::Email, "ann@shop.example").to_string()));
    let confirmed = |source| updated(source, Value::Object(key.clone()), 1);
    for (opt_in, said, sent) in [
        (OptIn::Implied, vec![], true),
        (OptIn::Required, vec![], false),
        (OptIn::Required, vec![updated("web", given.clone(), 1)], false),
        (OptIn::Required, vec![updated(SHOP_SERVER, given.clone(), 1)], true),
        (OptIn::Double, vec![updated(SHOP_SERVER, given.clone(), 1)], false),
        (OptIn::Double, vec![updated(SHOP_SERVER, json!({"choice": "given"}), 1)], false),
        (OptIn::Double, vec![confirmed(PREFERENCES)], true),
        (OptIn::Double, vec![confirmed("web")], false),
        // A page can refuse, and cannot take that back.
        (
            OptIn::Implied,
            vec![updated("web", json!({"choice": "refused"}), 1), updated("web", json!({"choice": "given"}), 2)],
            false,
        ),
        (
            OptIn::Implied,
            vec![updated("web", json!({"choice": "refused"}), 1), updated(SHOP_SERVER, json!({"choice": "given"}), 2)],
            true,
        ),
    ] {
        let (channels, ended) = welcomed(with_opt_in(opt_in), &said);
        assert_eq!(!channels.is_empty(), sent, "{opt_in:?} {said:?}");
        if !sent {
            let reason = Reason::NoConsent { channel: Channel::Email };
            assert_eq!(ended, Some(PlayOutcome::NotSent { reason }), "{said:?}");
        }
    }
}

#[test]
fn what_is_transactional_comes_in_spite_of_a_refusal_of_marketing() {
    let mut playbook = playbook();
    playbook.messages.get_mut("welcome").unwrap().purpose = Purpose::Transactional;
    let marketing = updated("web", json!({"choice": "refused"}), 1);
    let both = updated("web", json!({"choice": "refused", "purpose": "transactional"}), 2);
    assert_eq!(welcomed(playbook.clone(), std::slice::from_ref(&marketing)).0, [Channel::Email]);
    assert!(welcomed(playbook, &[marketing, both]).0.is_empty());
}

#[test]
fn a_dead_address_gets_nothing_until_it_lives_again() {
    let about = |name, source, reason: &str, address: &str| {
        let key = AddressKey::of(Channel::Email, address).to_string();
        let properties = object(json!({"channel": "email", "address_key": key, "reason": reason}));
        event(source, EventKind::Track { event: name, properties }, 1)
    };
    let dead = |reason| about(EventName::AddressSuppressed, FEEDBACK, reason, "ANN@shop.example");
    let lives = |reason| about(EventName::AddressRestored, FEEDBACK, reason, "ann@shop.example");
    for (said, sent) in [
        (vec![dead("hard_bounce")], false),
        (vec![about(EventName::AddressSuppressed, "web", "hard_bounce", "ann@shop.example")], true),
        (vec![about(EventName::AddressSuppressed, FEEDBACK, "hard_bounce", "old@shop.example")], true),
        (vec![dead("stop"), lives("stop")], true),
        (vec![dead("complaint"), dead("stop"), lives("stop")], false),
        (vec![dead("complaint"), lives("")], true),
    ] {
        let (channels, ended) = welcomed(playbook(), &said);
        assert_eq!(!channels.is_empty(), sent, "{said:?}");
        if !sent {
            let reason = Reason::Suppressed { channel: Channel::Email };
            assert_eq!(ended, Some(PlayOutcome::NotSent { reason }));
        }
    }
}

#[test]
fn another_channel_of_the_step_is_taken_when_the_first_is_refused() {
    let refused = updated("web", json!({"choice": "refused", "channel": "email"}), 1);
    let phone =
        EventKind::Identify { traits: object(json!({"phone": "+4915112345678", "createdAt": "2020-01-01T00:00:00Z"})) };
    let forget = EventKind::Identify { traits: object(json!({"createdAt": null})) };
    let said = [refused, event("web", phone, 2), event("web", forget, 3)];
    assert!(welcomed(playbook(), &said).0.contains(&Channel::Sms));
}

#[test]
fn a_refusal_of_either_name_wins_until_something_is_said_afterwards() {
    for (visitor_first, later, sent) in [(true, None, false), (false, None, false), (true, Some(30), true)] {
        let mut shop = Shop::with(Program::new(playbook()).unwrap());
        let (visitor, user) = (UserKey::anonymous("v1"), UserKey::known("ann"));
        let mut tell = |who: UserKey, input: Input, minute| {
            shop.receive(MailboxMessage::of_inputs(who, vec![input]), at(minute));
        };
        let (refuses, agrees) = if visitor_first { (visitor, user) } else { (user, visitor) };
        let given = |minute| Input::event(updated(SHOP_SERVER, json!({"choice": "given"}), minute));
        tell(refuses, Input::event(updated("web", json!({"choice": "refused"}), 1)), 1);
        tell(agrees, given(5), 5);
        let link = Input::Link { id: InputId::of_message("web", "link"), at: at(10), to: user };
        tell(visitor, link, 10);
        // Said by the other name before anybody knew that they are one person, and heard of afterwards.
        tell(visitor, given(7), 11);
        if let Some(minute) = later {
            tell(user, given(minute), minute);
        }
        let identify = EventKind::Identify { traits: object(json!({"email": "ann@shop.example"})) };
        tell(user, Input::event(event("web", identify, 60)), 60);
        assert_eq!(!shop.decided.orders.is_empty(), sent, "{visitor_first} {later:?}");
    }
}

fn any_statement() -> impl Strategy<Value = Statement> {
    let channel = prop::option::of(prop::sample::select(&Channel::ALL[..3]));
    let choice = prop::sample::select(vec![Choice::Pending, Choice::Given, Choice::Refused]);
    let purpose = prop::sample::select(vec![Purpose::Marketing, Purpose::Transactional]);
    let way = prop::sample::select(vec![Way::Client, Way::Server]);
    (channel, choice, purpose, 0..20_i64, way).prop_map(|(channel, choice, purpose, minute, way)| Statement {
        purpose,
        way,
        ..said(channel, choice, minute)
    })
}

fn any_consent() -> impl Strategy<Value = Consent> {
    let dead = prop::option::of((0..3_i64, any::<bool>()));
    (prop::collection::vec(any_statement(), 0..8), dead).prop_map(|(all, dead)| {
        let mut consent = Consent::default();
        all.iter().for_each(|statement| consent.hear(statement));
        if let Some((minute, first)) = dead {
            let address = AddressKey::of(Channel::Email, if first { "a@shop.example" } else { "b@shop.example" });
            let (channel, reason) = (Channel::Email, SuppressionReason::HardBounce);
            consent.suppress(DeadAddress { channel, address, reason, at: at(minute) });
        }
        consent
    })
}

fn merged(one: &Consent, other: &Consent) -> Consent {
    let mut merged = one.clone();
    merged.merge(other, at(20));
    merged
}

proptest! {
    #[test]
    fn names_become_one_person_in_any_order_and_any_number_of_times(one in any_consent(), other in any_consent()) {
        let both = merged(&one, &other);
        prop_assert_eq!(&both, &merged(&other, &one));
        prop_assert_eq!(&both, &merged(&both, &other));
        prop_assert_eq!(&both, &merged(&both, &one));
        prop_assert!(both.entries().len() <= 2 * (Channel::ALL.len() + 1));
    }

    #[test]
    fn no_refusal_is_lost_when_names_become_one_person(one in any_consent(), other in any_consent(), late in any_statement()) {
        let mut both = merged(&one, &other);
        // Whatever else was said before comes late.
        both.hear(&Statement { at: late.at.min(at(19)), ..late });
        for (_, purpose) in Purpose::ALL {
            for channel in Channel::ALL {
                if one.refuses(channel, purpose) || other.refuses(channel, purpose) {
                    prop_assert!(both.refuses(channel, purpose), "{:?} {:?}", channel, purpose);
                }
            }
        }
    }

    #[test]
    fn a_refusal_and_then_a_consent_are_heard_whatever_was_before(before in any_consent(), said_of in any_statement()) {
        let mut consent = before;
        let channels: Vec<Channel> = said_of.channel.map_or(Channel::ALL.to_vec(), |channel| vec![channel]);
        consent.hear(&Statement { choice: Choice::Refused, at: at(30), ..said_of.clone() });
        prop_assert!(channels.iter().all(|channel| consent.refuses(*channel, said_of.purpose)));
        consent.hear(&Statement { choice: Choice::Given, at: at(31), ..said_of.clone() });
        prop_assert!(channels.iter().all(|channel| !consent.refuses(*channel, said_of.purpose)));
    }
}
