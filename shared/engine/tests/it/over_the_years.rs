//! What playbooks that change, links and long silence leave behind in a user: nothing that grows, nothing that
//! fires for ever, nothing that is told twice.

use kairos_engine::bounds::{CART_ITEMS_MAX, INTERESTS_MAX, RUNS_MAX, STATE_BYTES_MAX, TRAITS_MAX, WHY_BYTES_MAX};
use kairos_engine::commit::{Plan, Received, plan};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{DeliveryOrder, Effect, Input, MailboxMessage};
use kairos_engine::outcome::{PlayOutcome, Reason};
use kairos_engine::playbook::{Playbook, TraitValue};
use kairos_engine::program::{Program, ProgramError};
use kairos_engine::register::RegisterValue;
use kairos_engine::state::UserState;
use kairos_engine::step::{Stepped, step};
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn after_days(days: i64) -> Timestamp {
    Timestamp::from_millis(at("2026-01-05T00:00:00Z").as_millis() + days * DAY)
}

fn ann() -> UserKey {
    UserKey::known("ann")
}

fn visitor() -> UserKey {
    UserKey::anonymous("visitor")
}

/// A playbook with one message by email, and what the test adds.
fn playbook(added: &Value) -> Playbook {
    let mut whole = json!({
        "sources": [],
        "channels": {"email": {"from": "Shop <hello@shop.example>"}},
        "plays": [],
        "messages": {"hello": {"default_locale": "en", "locales": {"en": {"email": {"subject": "Hello", "text": "Hello"}}}}},
    });
    let fields = whole.as_object_mut().unwrap();
    fields.extend(added.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn program(added: &Value) -> Program {
    Program::new(playbook(added)).unwrap()
}

fn send() -> Value {
    json!({"send": {"message": "hello", "channels": ["email"]}})
}

fn play(name: &str, trigger: &Value, more: &Value) -> Value {
    let mut play = json!({"name": name, "title": name, "trigger": trigger, "valid_for": HOUR, "steps": [send()]});
    play.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    play
}

fn event_with(number: usize, at: Timestamp, kind: EventKind, context: Value) -> Input {
    let id = InputId::of_message("web", &number.to_string());
    let context = context.as_object().cloned().unwrap_or_default();
    Input::event(Event::new(id, at, "web".into(), Some("ann".into()), None, kind, context))
}

fn track(number: usize, at: Timestamp, name: &str, properties: Value) -> Input {
    let properties = properties.as_object().cloned().unwrap_or_default();
    event_with(number, at, EventKind::Track { event: EventName::parse(name), properties }, json!({}))
}

fn identify(number: usize, at: Timestamp, traits: Value) -> Input {
    event_with(number, at, EventKind::Identify { traits: traits.as_object().cloned().unwrap() }, json!({}))
}

fn in_zone(number: usize, at: Timestamp, zone: &str) -> Input {
    let kind = EventKind::Page { name: None, properties: Map::new() };
    event_with(number, at, kind, json!({"timezone": zone}))
}

fn with_email(program: &Program, user: UserKey, at: Timestamp) -> UserState {
    let known = identify(0, at, json!({"email": "ann@shop.example"}));
    apply(program, user, UserState::default(), known).state
}

/// What a step gives, and the user afterwards.
struct Applied {
    state: UserState,
    stepped: Stepped,
}

/// Applies one input when it happens.
fn apply(program: &Program, user: UserKey, mut state: UserState, input: Input) -> Applied {
    let now = input.at();
    let stepped = step(program, user, &mut state, &[input], now);
    Applied { state, stepped }
}

fn orders(stepped: &Stepped) -> impl Iterator<Item = &DeliveryOrder> {
    stepped.effects.iter().filter_map(|effect| match effect {
        Effect::Deliver(order) => Some(order.as_ref()),
        _ => None,
    })
}

/// Lets every alarm ring until then. Gives when messages were due.
fn wait(program: &Program, user: UserKey, state: &mut UserState, until: Timestamp) -> Vec<String> {
    let mut due = Vec::new();
    while let Some(at) = state.next_deadline().filter(|at| *at <= until) {
        let applied = apply(program, user, std::mem::take(state), Input::Tick { at });
        due.extend(orders(&applied.stepped).map(|order| order.due_at.to_string()[..16].to_owned()));
        *state = applied.state;
    }
    *state = apply(program, user, std::mem::take(state), Input::Tick { at: until }).state;
    due
}

fn daily(minute: u16, who: &Value) -> Program {
    let trigger = json!({"schedule": {"at": minute, "weekdays": 127}});
    program(&json!({"plays": [play("news", &trigger, &json!({"who": who}))]}))
}

#[test]
fn what_is_reported_after_its_moment_has_passed_starts_nothing() {
    let program =
        program(&json!({"plays": [play("exit", &json!({"event": [{"track": "Exit Intended"}]}), &json!({}))]}));
    let state = with_email(&program, ann(), after_days(0));
    // A server's event moves the clock; then a phone tells of yesterday.
    let state = apply(&program, ann(), state, track(2, after_days(2), "Order Completed", json!({}))).state;
    for (happened_at, sent) in [(after_days(1), 0), (after_days(2).minus(Span::from_mins(59)), 1)] {
        let input = track(3, happened_at, "Exit Intended", json!({}));
        let stepped = step(&program, ann(), &mut state.clone(), &[input], after_days(2));
        assert_eq!(orders(&stepped).count(), sent, "{happened_at}: {:?}", stepped.considered);
    }
}

#[test]
fn a_play_whose_time_was_changed_comes_at_its_new_time_only() {
    let (morning, evening) = (daily(9 * 60, &json!({"all": []})), daily(18 * 60, &json!({"all": []})));
    let mut state = with_email(&morning, ann(), at("2026-01-05T00:00:00Z"));
    assert_eq!(wait(&morning, ann(), &mut state, at("2026-01-05T12:00:00Z")), ["2026-01-05T09:00"]);
    // The backfill after a publication.
    state = apply(&evening, ann(), state, Input::Tick { at: at("2026-01-05T12:01:00Z") }).state;
    let due = wait(&evening, ann(), &mut state, at("2026-01-06T23:00:00Z"));
    assert_eq!(due, ["2026-01-05T18:00", "2026-01-06T18:00"]);
}

#[test]
fn a_daily_play_follows_the_user_into_another_time_zone() {
    let program = daily(9 * 60, &json!({"all": []}));
    let mut state = with_email(&program, ann(), at("2026-01-05T00:00:00Z"));
    for (number, (arrives, zone, until, expected)) in [
        ("2026-01-05T00:01:00Z", "Europe/Berlin", "2026-01-05T20:00:00Z", "2026-01-05T08:00"),
        ("2026-01-05T21:00:00Z", "America/New_York", "2026-01-06T20:00:00Z", "2026-01-06T14:00"),
        ("2026-01-06T21:00:00Z", "Asia/Tokyo", "2026-01-07T20:00:00Z", "2026-01-07T00:00"),
    ]
    .into_iter()
    .enumerate()
    {
        state = apply(&program, ann(), state, in_zone(number + 1, at(arrives), zone)).state;
        assert_eq!(wait(&program, ann(), &mut state, at(until)), [expected], "{zone}");
    }
}

#[test]
fn a_daily_play_comes_once_a_day_to_who_is_in_two_time_zones_by_turns() {
    let program = daily(9 * 60, &json!({"all": []}));
    let mut state = with_email(&program, ann(), at("2026-01-05T00:00:00Z"));
    let mut due = Vec::new();
    for hour in 1..=5 * 24_i64 {
        let now = Timestamp::from_millis(after_days(0).as_millis() + hour * HOUR);
        due.extend(wait(&program, ann(), &mut state, now));
        let zone = if hour % 2 == 0 { "Europe/Berlin" } else { "America/New_York" };
        state = apply(&program, ann(), state, in_zone(hour as usize, now, zone)).state;
    }
    let days: Vec<&str> = due.iter().map(|due| &due[..10]).collect();
    assert_eq!(days, ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09"]);
}

#[test]
fn hours_that_are_waited_for_are_those_of_the_time_zone_the_user_is_in_when_they_come() {
    let steps = json!({"valid_for": 5 * DAY, "steps": [{"wait_for_hours": {"from": 540, "until": 600, "weekdays": 127}}, send()]});
    let trigger = json!({"event": [{"event": {"track": "Signed Up"}}]});
    let program = program(&json!({"plays": [play("hours", &trigger, &steps)]}));
    let mut state = with_email(&program, ann(), at("2026-01-05T00:00:00Z"));
    state = apply(&program, ann(), state, in_zone(1, at("2026-01-05T12:00:00Z"), "Europe/Berlin")).state;
    state = apply(&program, ann(), state, track(2, at("2026-01-05T12:00:00Z"), "Signed Up", json!({}))).state;
    state = apply(&program, ann(), state, in_zone(3, at("2026-01-05T22:00:00Z"), "America/New_York")).state;
    assert_eq!(wait(&program, ann(), &mut state, at("2026-01-07T00:00:00Z")), ["2026-01-06T14:00"]);
}

/// What the visitor was told becomes ann's.
fn linked(program: &Program, from: UserState, to: UserState, when: Timestamp) -> Applied {
    let link = Input::Link { id: InputId::of_message("web", "link"), at: when, to: ann() };
    let told = apply(program, visitor(), from, link).stepped.effects.into_iter().find_map(|effect| match effect {
        Effect::Tell { input, .. } => Some(*input),
        _ => None,
    });
    apply(program, ann(), to, told.unwrap())
}

#[test]
fn a_daily_play_that_is_not_for_the_user_does_not_come_with_a_visitor() {
    let ordered = json!({"did": {"of": [{"event": {"track": "Order Completed"}}], "at_least": 1}});
    let program = daily(9 * 60, &json!({"not": ordered}));
    let when = at("2026-01-05T12:00:00Z");
    let customer = with_email(&program, ann(), at("2026-01-05T10:00:00Z"));
    let customer = apply(&program, ann(), customer, track(1, when, "Order Completed", json!({}))).state;
    assert_eq!(customer.next_deadline(), None);
    let anybody = with_email(&program, visitor(), at("2026-01-05T11:00:00Z"));
    assert!(anybody.next_deadline().is_some());
    assert_eq!(linked(&program, anybody, customer, when).state.next_deadline(), None);
}

#[test]
fn a_daily_play_that_has_come_does_not_come_again_with_a_visitor() {
    let program = daily(9 * 60, &json!({"all": []}));
    let mut customer = with_email(&program, ann(), at("2026-01-05T07:00:00Z"));
    let anybody = with_email(&program, visitor(), at("2026-01-05T08:00:00Z"));
    assert_eq!(wait(&program, ann(), &mut customer, at("2026-01-05T10:00:00Z")), ["2026-01-05T09:00"]);
    // The link is reported late.
    let merged = linked(&program, anybody, customer, at("2026-01-05T08:30:00Z"));
    assert_eq!(orders(&merged.stepped).count(), 0);
    let mut state = merged.state;
    assert_eq!(wait(&program, ann(), &mut state, at("2026-01-06T10:00:00Z")), ["2026-01-06T09:00"]);
}

#[test]
fn who_comes_by_two_names_is_on_the_way_through_no_more_plays_than_others() {
    let count = 2 * RUNS_MAX;
    let plays: Vec<Value> = (0..count)
        .map(|number| {
            let trigger = json!({"event": [{"event": {"track": format!("Event {number}")}}]});
            play(&format!("p{number:02}"), &trigger, &json!({"steps": [{"wait": 7 * DAY}, send()]}))
        })
        .collect();
    let program = program(&json!({"plays": plays}));
    let when = at("2026-01-05T12:00:00Z");
    let enter = |user: UserKey, numbers: std::ops::Range<usize>| {
        numbers.fold(with_email(&program, user, when), |state, number| {
            let at = when.plus(Span::from_millis(number as i64));
            apply(&program, user, state, track(1 + number, at, &format!("Event {number}"), json!({}))).state
        })
    };
    let merged = linked(&program, enter(visitor(), RUNS_MAX..count), enter(ann(), 0..RUNS_MAX), after_days(1));
    let running: Vec<&str> =
        merged.state.plays.iter().filter(|(_, play)| play.run.is_some()).map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        running,
        (RUNS_MAX..count).map(|number| format!("p{number:02}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
    let given_up = |outcome: &PlayOutcome| matches!(outcome, PlayOutcome::NotSent { reason: Reason::TooManyRunning });
    assert_eq!(merged.stepped.considered.iter().filter(|record| given_up(&record.outcome)).count(), RUNS_MAX);
}

#[test]
fn who_is_on_the_way_through_plays_that_are_gone_may_enter_others() {
    let long = |prefix: &str| {
        let plays: Vec<Value> = (0..RUNS_MAX)
            .map(|number| {
                let trigger = json!({"event": [{"event": {"track": "Signed Up"}}]});
                play(&format!("{prefix}{number}"), &trigger, &json!({"steps": [{"wait": 300 * DAY}, send()]}))
            })
            .collect();
        program(&json!({"plays": plays}))
    };
    let mut state = UserState::default();
    for (number, prefix) in ["a", "b", "c"].into_iter().enumerate() {
        let signed_up = track(number, after_days(number as i64), "Signed Up", json!({}));
        state = apply(&long(prefix), ann(), state, signed_up).state;
        let running = state.plays.iter().filter(|(_, play)| play.run.is_some()).map(|(name, _)| name);
        assert_eq!(running.filter(|name| name.starts_with(prefix)).count(), RUNS_MAX, "{prefix}");
        assert_eq!(state.plays.values().filter(|play| play.run.is_some()).count(), RUNS_MAX, "{prefix}");
    }
}

#[test]
fn what_audiences_asked_for_in_earlier_playbooks_does_not_pile_up() {
    let trigger = json!({"event": [{"event": {"track": "Signed Up"}}]});
    let mut state = UserState::default();
    for year in 0..300 {
        let name = format!("Event {year}");
        let who = json!({"did": {"of": [{"event": {"track": name}}], "at_least": 50, "within": 365 * DAY}});
        let program = program(&json!({"plays": [play("p", &trigger, &json!({"who": who}))]}));
        for number in 0..50 {
            state = apply(&program, ann(), state, track(50 * year + number, after_days(year as i64), &name, json!({})))
                .state;
        }
        assert_eq!(state.registers.len(), 1, "playbook {year}");
    }
    assert!(state.encode().len() < STATE_BYTES_MAX);
}

#[test]
fn experiments_that_are_gone_are_forgotten() {
    let trigger = json!({"event": [{"event": {"track": "Signed Up"}}]});
    let mut state = UserState::default();
    for number in 0..20 {
        let way = |name: &str| json!({"name": name, "weight": 1, "steps": []});
        let split = json!({"split": {"name": format!("test {number}"), "variants": [way("a"), way("b")]}});
        let program = program(&json!({"plays": [play("p", &trigger, &json!({"steps": [split]}))]}));
        state = apply(&program, ann(), state, track(number, after_days(number as i64), "Signed Up", json!({}))).state;
        assert_eq!(state.plays["p"].variants.len(), 1, "experiment {number}");
    }
}

#[test]
fn a_trait_that_is_asked_for_is_kept_however_many_were_asked_for_before() {
    let trigger = json!({"event": [{"event": {"track": "Signed Up"}}]});
    let mut state = UserState::default();
    for number in 0..2 * TRAITS_MAX {
        let name = format!("trait {number}");
        let who = json!({"trait": {"name": name, "is": "known"}});
        let program = program(&json!({"plays": [play("p", &trigger, &json!({"who": who}))]}));
        state =
            apply(&program, ann(), state, identify(number, after_days(number as i64), json!({&name: number}))).state;
        assert_eq!(state.profile.traits.get(&name), Some(&TraitValue::Number(number as f64)));
        assert!(state.profile.traits.len() <= TRAITS_MAX);
    }
}

#[test]
fn sums_of_many_visitors_keep_to_their_window() {
    for same in [json!(null), json!("product.id")] {
        let mut sum = json!({"of": [{"event": "any"}], "property": "seconds", "at_least": 60.0, "within": 30 * DAY});
        if !same.is_null() {
            sum["same"] = same;
        }
        let segments = json!([{"name": "s", "title": "s", "who": {"sum": sum}}]);
        let program = program(&json!({"segments": segments}));
        let spent = |number: usize, at| track(number, at, "Product Viewed", json!({"seconds": 1, "product_id": "mug"}));
        let mut user = with_email(&program, ann(), after_days(0));
        for round in 0..10 {
            let mut other = with_email(&program, visitor(), after_days(31 * round));
            for day in 0..30 {
                let number = (100 * round + day) as usize;
                other = apply(&program, visitor(), other, spent(number, after_days(31 * round + day))).state;
            }
            let merge = Input::Merge {
                id: InputId::of_message("web", &format!("merge {round}")),
                at: other.clock,
                from: visitor(),
                hops: 0,
                state: Box::new(other),
            };
            user = apply(&program, ann(), user, merge).state;
            let (_, value) = user.registers.iter().next().unwrap();
            let parts = match value {
                RegisterValue::SumWithin(parts) => parts.len(),
                RegisterValue::SumBy(groups) => groups[0].buckets.len(),
                other => panic!("{other:?} is no sum in a window"),
            };
            assert!(parts <= 32, "{parts} parts in round {round}");
        }
    }
}

/// The first commit of a new user.
fn committed(program: &Program, inputs: Vec<Input>, now: Timestamp) -> Plan {
    let message = MailboxMessage::of_inputs(ann(), inputs);
    let received = [Received { sequence: 1, receives: 1, message }];
    plan(program, ann(), None, "events.fifo", &received, now)
}

#[test]
fn a_segment_of_mornings_does_not_fill_the_outbox_of_who_comes_back_after_years() {
    let morning = |number: usize| {
        let hours = json!({"from": number, "until": 720, "weekdays": 127});
        json!({"name": format!("s{number}"), "title": "Mornings", "who": {"local_time": hours}})
    };
    let program = program(&json!({"segments": (0..20).map(morning).collect::<Vec<_>>()}));
    let now = at("2026-01-05T11:00:00Z");
    let first = track(1, at("2016-01-05T13:00:00Z"), "Product Viewed", json!({}));
    let user = committed(&program, vec![first, track(2, now, "Product Viewed", json!({}))], now).write.unwrap();
    assert!(user.outbox.iter().all(|effect| matches!(effect, Effect::Wake { .. })), "{:?}", user.outbox);
    assert_eq!(program.memberships(&user.state).len(), 20);
}

#[test]
fn interest_in_more_products_than_are_remembered_is_not_told() {
    let trigger = json!({"catalogue": {"of": ["back_in_stock"], "interest": ["viewed", "carted"]}});
    let program = program(&json!({"plays": [play("back", &trigger, &json!({}))]}));
    let now = after_days(0);
    let products = |from: usize, count: usize| {
        let one = |number: usize| json!({"product_id": format!("product {number}")});
        json!({"products": (from..from + count).map(one).collect::<Vec<_>>()})
    };
    let mut inputs = vec![track(0, now, "Product Added", products(0, CART_ITEMS_MAX))];
    inputs.extend((1..40).map(|number| track(number, now, "Product Viewed", products(1_000 * number, 100))));
    let plan = committed(&program, inputs, now);
    let told: Vec<&str> = plan.interests.iter().map(|interest| interest.product.as_str()).collect();
    let user = plan.write.unwrap();
    assert_eq!(told.len(), INTERESTS_MAX + CART_ITEMS_MAX);
    let cares = user.state.interests.iter().map(|known| known.product.as_str());
    let carries = user.state.cart.items().iter().map(|item| item.id.as_str());
    cares.chain(carries).for_each(|product| assert!(told.contains(&product), "{product} was not told"));
}

#[test]
fn why_a_message_was_sent_stays_a_sentence() {
    let filter = json!({"property": "title", "is": {"equal": "x".repeat(100)}});
    let of: Vec<Value> =
        (0..50).map(|number| json!({"event": {"track": format!("Event {number}")}, "where": [filter]})).collect();
    let trigger = json!({"absence": {"after": [{"event": {"track": "Lesson Started"}}], "of": of, "wait": HOUR}});
    let program = program(&json!({"plays": [play("p", &trigger, &json!({}))]}));
    let state = with_email(&program, ann(), after_days(0));
    let state = apply(&program, ann(), state, track(1, after_days(0), "Lesson Started", json!({}))).state;
    let applied = apply(&program, ann(), state, Input::Tick { at: after_days(0).plus(Span::from_hours(1)) });
    let why = &orders(&applied.stepped).next().unwrap().why;
    assert!(why.starts_with("60 min since Lesson Started") || why.starts_with("1 h since Lesson Started"), "{why}");
    assert!(why.len() <= WHY_BYTES_MAX, "{} bytes", why.len());
}

#[test]
fn a_sequence_of_one_is_refused_and_no_different_values_are_no_panic() {
    let any = json!({"event": "any"});
    let segment = |who: Value| playbook(&json!({"segments": [{"name": "s", "title": "s", "who": who}]}));
    let alone = segment(json!({"sequence": {"steps": [[any]], "within": HOUR}}));
    assert_eq!(Program::new(alone).unwrap_err(), ProgramError::SequenceTooShort);
    let none =
        Program::new(segment(json!({"distinct": {"of": [any], "property": "product.id", "at_least": 0}}))).unwrap();
    let viewed = track(1, after_days(0), "Product Viewed", json!({"product_id": "mug"}));
    assert_eq!(apply(&none, ann(), UserState::default(), viewed).state.registers.len(), 1);
}
