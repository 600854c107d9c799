//! What commits make known.

use kairos_engine::commit::{Plan, Received, StoredUser, plan};
use kairos_engine::event::EventKind;
use kairos_engine::event_name::EventName;
use kairos_engine::facts::{Decision, DeliveryFact, DeliveryOutcome, Fact, FactLines, Row, row};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::{CatalogueChange, Effect, Input, MailboxMessage};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::outcome::{InputOutcome, OutcomeRecord, PlayOutcome, Reason};
use kairos_engine::playbook::{Channel, EventMatch, EventPattern, Evidence, Moment, MomentSettings, PlaybookVersion};
use kairos_engine::product::products_of;
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use kairos_engine::who::Dimensions;
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

/// What is known of a user, as rows tell it.
fn who() -> Dimensions {
    Dimensions {
        source: Some("instagram".into()),
        campaign: Some("autumn".into()),
        device: Some("phone".into()),
        region: Some("AT".into()),
        segments: vec!["has_cart".into(), "loyal".into()],
        variants: [("subject".to_owned(), "short".to_owned())].into(),
        play: None,
        since_first: None,
        since_message: None,
    }
}

#[test]
fn what_figures_are_cut_by_is_written_as_ever() {
    let ann = UserKey::known("ann");
    let delivery = DeliveryId::of_decision(ann, 0);
    let order = json!({"order_id": "1", "total": 12.5, "currency": "EUR"}).as_object().unwrap().clone();
    let order = event(1, EventKind::Track { event: EventName::OrderCompleted, properties: order });
    let buyer = Dimensions {
        variants: Default::default(),
        since_first: Some(Span::from_hours(49)),
        since_message: Some(Span::from_hours(2)),
        ..who()
    };
    let version = PlaybookVersion("0123456789abcdef".into());
    let decided = |outcome: PlayOutcome| {
        let mut decision = Decision::of(&OutcomeRecord { at: at(9), play: "welcome".into(), outcome }, &version);
        (decision.message, decision.channel) = (Some("hello".into()), Some(Channel::Email));
        decision.currency = decision.value.and(Currency::parse("EUR"));
        decision.who = Some(Box::new(who()));
        Fact::Decision(Box::new(decision))
    };
    let mut facts = vec![
        Fact::Input {
            at: order.at(),
            outcome: InputOutcome::Applied,
            input: Box::new(order),
            who: Some(Box::new(buyer)),
        },
        decided(PlayOutcome::Sent { delivery, channel: Channel::Email, due_at: at(1) }),
        decided(PlayOutcome::HeldOut { group: "holdout".into(), due_at: at(1) }),
        decided(PlayOutcome::Converted {
            after: Span::from_hours(1),
            sent: true,
            value: Micros::from_json(&json!(12.5)),
        }),
        Fact::Moment { at: at(10), moment: Moment::Go, strength: 2.25 },
    ];
    facts.extend(DeliveryOutcome::ALL.map(|outcome| {
        Fact::Delivery(Box::new(DeliveryFact {
            at: at(11),
            delivery,
            outcome,
            play: "welcome".into(),
            message: "hello".into(),
            channel: Channel::Email,
            code: (outcome == DeliveryOutcome::Undeliverable).then(|| "5.1.1".to_owned()),
            who: Some(Box::new(who())),
        }))
    }));
    let mut today = String::new();
    for (number, fact) in facts.iter().enumerate() {
        let line = serde_json::to_string(fact).unwrap();
        today += &(row(ann, 42, number, &line).unwrap() + "\n");
    }
    let text = golden("facts_v1_figures.ndjson", &today);
    assert_eq!(text, today, "what is in archives must stay readable; add a version instead");
    for (number, (line, fact)) in text.lines().zip(&facts).enumerate() {
        let read: Row = serde_json::from_str(line).unwrap();
        assert_eq!(read, Row { v: 1, user: ann, revision: 42, number, fact: fact.clone() });
    }
}

/// What the client says of itself with an event.
fn with_context(input: Input, context: Value) -> Input {
    let Input::Event { mut event, .. } = input else { panic!("it is an event") };
    event.context = context.as_object().unwrap().clone();
    Input::event(event)
}

#[test]
fn rows_tell_of_whom_they_are() {
    let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 Safari/604.1";
    let page = |number| event(number, EventKind::Page { name: None, properties: Map::new() });
    let landing = with_context(
        page(1),
        json!({
            "userAgent": iphone, "locale": "de-AT", "campaign": {"source": "Instagram", "name": "autumn"},
            "page": {"url": "https://shop.example/", "referrer": "https://l.instagram.com/"},
        }),
    );
    // Within the shop, the page before is the shop's own.
    let next = with_context(
        page(2),
        json!({"page": {"url": "https://shop.example/a", "referrer": "https://shop.example/"}, "locale": "de"}),
    );
    let identify = json!({"email": "ann@shop.example"}).as_object().unwrap().clone();
    let identify = with_context(event(3, EventKind::Identify { traits: identify }), json!({}));
    let order = json!({"total": 12.5, "currency": "EUR"}).as_object().unwrap().clone();
    let order =
        with_context(event(9, EventKind::Track { event: EventName::OrderCompleted, properties: order }), json!({}));
    let received = |sequence, inputs: Vec<Input>| Received {
        sequence,
        receives: 1,
        message: MailboxMessage::of_inputs(UserKey::known("ann"), inputs),
    };
    let first = apply(None, &[received(1, vec![landing, next, identify])], at(3_000));
    let written = first.write.unwrap();
    let told = facts(&written.facts);
    let Some(Fact::Decision(sent)) = told.last() else { panic!("{told:#?}") };
    let who = Dimensions {
        source: Some("instagram".into()),
        campaign: Some("autumn".into()),
        device: Some("phone".into()),
        region: Some("AT".into()),
        ..Dimensions::default()
    };
    assert_eq!((sent.outcome.as_str(), sent.who.as_deref()), ("sent", Some(&who)));
    let Effect::Deliver(ordered) = &first.send_after[0] else { panic!("{:#?}", first.send_after) };
    assert_eq!(ordered.who, sent.who, "its delivery is told of likewise");
    // Nobody counts pages by it.
    assert!(told.iter().all(|fact| !matches!(fact, Fact::Input { who: Some(_), .. })), "{told:#?}");

    let plan = apply(Some(&read_back(&written)), &[received(2, vec![order])], at(9_000));
    let told = facts(&plan.write.unwrap().facts);
    let Some(Fact::Input { who: Some(buyer), .. }) = told.first() else { panic!("{told:#?}") };
    // Known since the first page, and written to with the third event.
    let expected = Dimensions { since_first: Some(Span::from_secs(8)), since_message: Some(Span::from_secs(6)), ..who };
    assert_eq!(**buyer, expected);
}

#[test]
fn an_origin_that_is_told_late_changes_nothing_and_a_visitors_becomes_the_users() {
    let program = shop::program();
    let ann = UserKey::known("ann");
    let visit = |number, source: &str| {
        let page = event(number, EventKind::Page { name: None, properties: Map::new() });
        with_context(page, json!({"campaign": {"source": source}, "page": {"url": "https://shop.example/"}}))
    };
    let describe = |inputs: &[Input]| {
        let mut state = UserState::default();
        state.hear_origin(inputs);
        step(&program, ann, &mut state, inputs, at(60_000));
        state
    };
    let source = |state: &UserState| state.origin.as_ref().and_then(|origin| origin.source.clone());
    let (newer, older) = (visit(9, "newer"), visit(2, "older"));
    assert_eq!(source(&describe(&[newer.clone(), older.clone()])).as_deref(), Some("newer"));
    // What came twice says nothing new.
    let one = visit(3, "one");
    let again = describe(&[one.clone(), visit(4, "two"), one]);
    assert_eq!(source(&again).as_deref(), Some("two"));
    let visitor = describe(&[newer]);
    let merge = Input::Merge {
        id: input_id(50),
        at: at(20_000),
        from: UserKey::anonymous("visitor-1"),
        hops: 0,
        state: Box::new(visitor),
    };
    assert_eq!(source(&describe(&[older, merge])).as_deref(), Some("newer"));
}

#[test]
fn who_comes_into_a_moment_is_told_once() {
    let mut playbook = shop::playbook();
    let evidence =
        |event: EventName, weight: f64| Evidence { of: vec![EventMatch::all(EventPattern::Track(event))], weight };
    let rule = |event: EventName| MomentSettings {
        half_life: Span::from_hours(1),
        reached_at: 2.0,
        evidence: vec![evidence(event, 1.0)],
    };
    playbook.moments.moments =
        [(Moment::Know, rule(EventName::ProductsSearched)), (Moment::Buy, rule(EventName::CheckoutStarted))].into();
    let program = Program::new(playbook).unwrap();
    let mut stored: Option<StoredUser> = None;
    let mut came = |number: u8, name: EventName, at: Timestamp| {
        let Input::Event { mut event, .. } = event(number, EventKind::Track { event: name, properties: Map::new() })
        else {
            panic!("it is an event")
        };
        event.at = at;
        let message = MailboxMessage::of_inputs(UserKey::known("ann"), vec![Input::event(event)]);
        let received = [Received { sequence: u128::from(number), receives: 1, message }];
        let plan = plan(&program, UserKey::known("ann"), stored.as_ref(), "events.fifo", &received, at);
        let write = plan.write.unwrap();
        let told = facts(&write.facts).into_iter().find_map(|fact| match fact {
            Fact::Moment { moment, strength, .. } => Some((moment, strength)),
            _ => None,
        });
        stored = Some(read_back(&write));
        told
    };
    use EventName::{CheckoutStarted, ProductsSearched};
    assert_eq!(came(1, ProductsSearched, at(0)), None);
    assert_eq!(came(2, ProductsSearched, at(0)), Some((Moment::Know, 2.0)));
    assert_eq!(came(3, ProductsSearched, at(1)), None, "they are in it");
    assert_eq!(came(4, CheckoutStarted, at(2)), None);
    assert_eq!(came(5, CheckoutStarted, at(2)), None, "the other one is stronger");
    assert_eq!(came(6, CheckoutStarted, at(2)), Some((Moment::Buy, 3.0)));
    assert_eq!(came(7, CheckoutStarted, at(2)), None, "they are in it");
    // Six half-lives later it has faded, and begins again.
    assert_eq!(came(8, CheckoutStarted, at(6 * 3_600_000)), None);
    assert_eq!(came(9, CheckoutStarted, at(6 * 3_600_000)), Some((Moment::Buy, 2.06)));
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
