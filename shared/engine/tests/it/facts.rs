//! What commits make known.

use kairos_engine::commit::{Plan, Received, StoredUser, plan};
use kairos_engine::event::EventKind;
use kairos_engine::event_name::EventName;
use kairos_engine::facts::{Decision, Fact, FactLines, Row, row};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::{CatalogueChange, Input, MailboxMessage};
use kairos_engine::money::Micros;
use kairos_engine::outcome::{InputOutcome, OutcomeRecord, PlayOutcome, Reason};
use kairos_engine::playbook::{Channel, PlaybookVersion};
use kairos_engine::product::products_of;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

use crate::golden::{at, event, golden, input_id};
use crate::shop;

/// One of each end that a consideration can have.
fn every_outcome() -> Vec<PlayOutcome> {
    let (per, until) = (Span::from_hours(24), at(60_000));
    let delivery = DeliveryId::of_decision(UserKey::known("ann"), 0);
    let mut outcomes = vec![
        PlayOutcome::Waiting { due_at: until },
        PlayOutcome::Sent { delivery, channel: Channel::Email, due_at: at(1) },
        PlayOutcome::Cancelled { by: "Order Completed".into() },
        PlayOutcome::Held { until },
        PlayOutcome::HeldOut { group: "control_group".into(), due_at: at(1) },
        PlayOutcome::Converted { after: per, sent: true, value: Micros::from_json(&json!(12)) },
        PlayOutcome::Converted { after: per, sent: false, value: None },
        PlayOutcome::Finished,
        PlayOutcome::Assigned { split: "subject".into(), variant: "short".into() },
    ];
    let reasons = [
        Reason::Cap { at_most: 1, per },
        Reason::MomentPassed { late_by: per },
        Reason::NoAddress,
        Reason::NotInAudience,
        Reason::Excluded,
        Reason::AlreadyEntered,
        Reason::TooManyAtOnce,
        Reason::Cooldown { until },
        Reason::NotRolledOut,
        Reason::AlreadyRunning,
        Reason::PolicyCap { channel: Some(Channel::Sms), at_most: 3, per },
        Reason::PolicyCap { channel: None, at_most: 3, per },
        Reason::QuietHours,
        Reason::TooManyRunning,
        Reason::PlayChanged,
        Reason::TooManySteps,
        Reason::NoConsent { channel: Channel::Sms },
        Reason::Suppressed { channel: Channel::Email },
    ];
    outcomes.extend(reasons.map(|reason| PlayOutcome::NotSent { reason }));
    outcomes
}

#[test]
fn facts_are_written_as_ever() {
    let added = json!({"product_id": "mug-1", "name": "Mug", "price": 4.5, "currency": "EUR", "quantity": 2});
    let Value::Object(properties) = added else { panic!("it is an object") };
    let product = products_of(&properties).remove(0);
    let ann = UserKey::known("ann");
    let told = |outcome, input: Input| Fact::Input { at: input.at(), outcome, input: Box::new(input), who: None };
    let catalogue = Input::Catalogue {
        id: input_id(7),
        at: at(3),
        product: Box::new(product),
        changes: vec![CatalogueChange::Stock { from: 0, to: 5 }],
        hops: 0,
    };
    let mut facts = vec![
        told(InputOutcome::Applied, event(1, EventKind::Track { event: EventName::ProductAdded, properties })),
        told(InputOutcome::AppliedLate, event(2, EventKind::Identify { traits: Map::new() })),
        told(InputOutcome::TickFired, Input::Tick { at: at(2) }),
        told(InputOutcome::Linked, Input::Link { id: input_id(6), at: at(2), to: ann }),
        told(InputOutcome::CatalogueApplied, catalogue),
        Fact::Merged { at: at(4), from: UserKey::anonymous("visitor-1") },
        Fact::Segment { at: at(5), segment: "has_cart".into(), entered: true },
        Fact::Omitted { at: at(6), facts: 12 },
    ];
    let version = PlaybookVersion("0123456789abcdef".into());
    facts.extend(every_outcome().into_iter().map(|outcome| {
        let mut decision = Decision::of(&OutcomeRecord { at: at(9), play: "welcome".into(), outcome }, &version);
        decision.message = decision.delivery.map(|_| "hello".to_owned());
        Fact::Decision(Box::new(decision))
    }));
    let mut today = String::new();
    for (number, fact) in facts.iter().enumerate() {
        let line = serde_json::to_string(fact).unwrap();
        today += &(row(ann, 41, number, &line).unwrap() + "\n");
    }
    let text = golden("facts_v1.ndjson", &today);
    assert_eq!(text, today, "what is in archives must stay readable; add a version instead");
    for (number, (line, fact)) in text.lines().zip(&facts).enumerate() {
        let read: Row = serde_json::from_str(line).unwrap();
        assert_eq!(read, Row { v: 1, user: ann, revision: 41, number, fact: fact.clone() });
        // What is written again, as when somebody is erased, is the same.
        assert_eq!(serde_json::to_string(&read).unwrap().len(), line.len(), "{line}");
    }
}

fn facts(lines: &FactLines) -> Vec<Fact> {
    let text = std::str::from_utf8(lines.as_bytes()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn apply(stored: Option<&StoredUser>, messages: &[Received], now: Timestamp) -> Plan {
    plan(&shop::program(), UserKey::known("ann"), stored, "events.fifo", messages, now)
}

/// What the table gives of it: nobody reads facts back.
fn read_back(written: &StoredUser) -> StoredUser {
    StoredUser { facts: FactLines::default(), ..written.clone() }
}

#[test]
fn a_commit_tells_each_thing_that_happened_and_was_decided_once() {
    let identify = json!({"email": "ann@shop.example"}).as_object().unwrap().clone();
    let input = event(1, EventKind::Identify { traits: identify });
    let received = |sequence, receives| {
        let message = MailboxMessage::of_inputs(UserKey::known("ann"), vec![input.clone()]);
        Received { sequence, receives, message }
    };
    let now = input.at();
    let first = apply(None, &[received(1, 1)], now);
    let written = first.write.unwrap();
    let told = facts(&written.facts);
    let [Fact::Input { outcome: InputOutcome::Applied, .. }, Fact::Decision(sent)] = told.as_slice() else {
        panic!("{told:#?}")
    };
    assert_eq!((sent.outcome.as_str(), sent.message.as_deref()), ("sent", Some("welcome")));
    assert_eq!(sent.playbook, shop::playbook().version);
    // That the message is sent is noted without telling everything again.
    assert!(first.write_after.unwrap().facts.is_empty());
    // The same message from the queue once more: what was decided is sent again, and nothing is told.
    let stored = read_back(&written);
    let again = apply(Some(&stored), &[received(1, 2)], now);
    assert!(again.send_after.len() == 1 && again.write.is_none_or(|write| write.facts.is_empty()));
    // The same event in another message.
    let repeated = apply(Some(&stored), &[received(2, 1)], now);
    assert!(repeated.write.unwrap().facts.is_empty());
}

#[test]
fn what_is_passed_on_is_told_where_it_arrives() {
    let mut stored = StoredUser { revision: 1, ..StoredUser::default() };
    stored.state.forwarded_to = Some(UserKey::known("anna"));
    let message = MailboxMessage::of_inputs(
        UserKey::known("ann"),
        vec![event(1, EventKind::Page { name: None, properties: Map::new() })],
    );
    let plan = apply(Some(&stored), &[Received { sequence: 1, receives: 1, message }], at(0));
    assert!(plan.send_after.len() == 1 && plan.write.unwrap().facts.is_empty());
}
