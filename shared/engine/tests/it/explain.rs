//! Why: every kind of question in words, beside what was found and what would have had to differ; in
//! `tests/golden/explanations.txt`. And the answer is always the engine's own.

use std::fmt::Write as _;

use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::explain::{self, Explanation, Group};
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::playbook::{Condition, Moments, Place, Play, Playbook, Policy, Segment};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::golden::golden;
use crate::shop;

const DAY_MS: i64 = 86_400_000;
/// A Friday.
const AT: &str = "2026-11-20T12:00:00Z";

fn user() -> UserKey {
    UserKey::known("ann")
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn event(number: usize, at: Timestamp, name: &str, properties: Value, context: Value) -> Input {
    let properties = object(properties);
    let kind = match name {
        "identify" => EventKind::Identify { traits: properties },
        "page" => EventKind::Page { name: None, properties },
        name => EventKind::Track { event: EventName::parse(name), properties },
    };
    let id = InputId::of_message("web", &number.to_string());
    Input::event(Event::new(id, at, "web".into(), Some("ann".into()), None, kind, object(context)))
}

/// What Ann did in the week before.
fn history() -> Vec<Input> {
    let shoes = |id: &str| json!({"product_id": id, "name": "Red shoes", "category": "shoes", "price": 59.9, "currency": "EUR"});
    let hat = json!({"product_id": "hat", "name": "Blue hat", "category": "hats", "price": 20, "currency": "EUR"});
    let order = json!({"order_id": "1", "total": 87.5, "currency": "EUR", "products": [hat]});
    let phone = json!({"device": {"type": "phone"}, "timezone": "Europe/Berlin"});
    let here = json!({"location": {"latitude": 52.53, "longitude": 13.405}});
    let done = [
        ("2026-11-02T09:00:00Z", "identify", json!({"email": "ann@shop.example", "plan": "free"}), phone),
        ("2026-11-02T09:05:00Z", "Order Completed", order.clone(), json!({})),
        ("2026-11-14T09:00:00Z", "Order Completed", order, json!({})),
        ("2026-11-14T10:00:00Z", "Product Viewed", hat, json!({})),
        ("2026-11-18T10:00:00Z", "Product Viewed", shoes("s1"), json!({})),
        ("2026-11-19T10:00:00Z", "Products Searched", json!({"query": "red shoes"}), json!({})),
        ("2026-11-20T10:00:00Z", "Product Viewed", shoes("s1"), json!({})),
        ("2026-11-20T10:30:00Z", "Product Added", shoes("s1"), here),
    ];
    let done = done.into_iter().enumerate();
    done.map(|(number, (at, name, properties, context))| event(number, time(at), name, properties, context)).collect()
}

fn track(name: &str) -> Value {
    json!([{"event": {"track": EventName::parse(name)}}])
}

fn place() -> Place {
    read(
        json!({"name": "mitte", "title": "Mitte", "kind": "cafe", "latitude": 52.52, "longitude": 13.405, "radius_m": 150}),
    )
}

fn moments() -> Moments {
    read(json!({
        "moments": {
            "buy": {"half_life": 3_600_000, "reached_at": 2.0, "evidence": [{"of": track("Product Added"), "weight": 2.0}]},
            "know": {"half_life": 3_600_000, "reached_at": 1.0, "evidence": [{"of": track("Products Searched"), "weight": 3.0}]},
        },
        "readiness": {"intercept": -2.0, "terms": [
            {"value": {"holds": {"cart": "not_empty"}}, "weight": 1.5},
            {"value": {"strength": "buy"}, "weight": 0.5},
        ]},
    }))
}

/// A playbook with these conditions, each of which is a segment.
fn playbook(asked: &[Condition]) -> Playbook {
    let segment = |(number, who): (usize, &Condition)| Segment {
        name: format!("s{number}").into(),
        title: format!("Segment {number}"),
        who: who.clone(),
    };
    let loyal = Segment {
        name: "loyal".into(),
        title: "Loyal".into(),
        who: read(json!({"did": {"of": track("Order Completed"), "at_least": 3}})),
    };
    Playbook {
        policy: Policy { time_zone: "Europe/Berlin".into(), ..Policy::default() },
        moments: moments(),
        places: vec![place()],
        segments: std::iter::once(loyal).chain(asked.iter().enumerate().map(segment)).collect(),
        ..shop::playbook()
    }
}

fn lived(program: &Program, inputs: &[Input], until: Timestamp) -> UserState {
    let mut state = UserState::default();
    for input in inputs.iter().cloned().chain([Input::Tick { at: until }]) {
        let now = input.at();
        step(program, user(), &mut state, &[input], now);
    }
    state
}

/// The leaves, one line each, and groups with their parts below them.
fn told(explanation: &Explanation, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let mark = if explanation.holds { "yes" } else { "no" };
    writeln!(out, "{indent}{mark}: {}", explanation.asked).unwrap();
    let mut more = |what: &str, text: Option<String>| {
        if let Some(text) = text {
            writeln!(out, "{indent}    {what} {text}").unwrap();
        }
    };
    more("found:", explanation.found.clone());
    more("missing:", explanation.missing.clone());
    more("until:", explanation.until.map(|until| until.to_string()));
    more("watched since:", explanation.watched_since.map(|since| since.to_string()));
    explanation.parts.iter().for_each(|part| told(part, depth + 1, out));
}

fn questions() -> Vec<Value> {
    let of = |name: &str| track(name);
    let shoes = json!([{"event": {"track": EventName::parse("Product Viewed")},
        "where": [{"property": "product.category", "is": {"equal": "shoes"}}]}]);
    let week = 7 * DAY_MS;
    vec![
        json!({"did": {"of": shoes, "at_least": 3, "within": week}}),
        json!({"did": {"of": shoes, "at_least": 2, "within": week}}),
        json!({"not": {"did": {"of": shoes, "at_least": 2, "within": week}}}),
        json!({"did": {"of": of("Product Viewed"), "at_least": 1, "within": DAY_MS / 24}}),
        json!({"did": {"of": of("Product Removed"), "at_least": 2, "within": week}}),
        json!({"not": {"did": {"of": of("Order Completed"), "at_least": 1, "within": 30 * DAY_MS}}}),
        json!({"did": {"of": of("Order Completed"), "at_least": 3}}),
        json!({"not": {"did": {"of": of("Order Completed"), "at_least": 1}}}),
        json!({"did": {"of": of("Product Viewed"), "at_least": 3, "within": week, "same": "product.id"}}),
        json!({"first": {"of": of("Order Completed"), "ago": 30 * DAY_MS}}),
        json!({"last": {"of": of("Order Completed"), "ago": 3 * DAY_MS}}),
        json!({"last": {"of": of("Product Removed"), "ago": 3 * DAY_MS}}),
        json!({"last": {"of": [{"event": "any"}], "ago": DAY_MS}}),
        json!({"not": {"last": {"of": of("Order Completed"), "ago": 3 * DAY_MS}}}),
        json!({"last_value": {"of": of("Products Searched"), "property": "query", "is": {"contains": "coffee"}}}),
        json!({"last_value": {"of": of("Coupon Entered"), "property": "coupon", "is": {"equal": "X"}}}),
        json!({"sum": {"of": of("Order Completed"), "property": "total", "at_least": 200.0, "currency": "EUR"}}),
        json!({"sum": {"of": of("Order Completed"), "property": "total", "at_least": 80.0, "currency": "EUR", "within": week}}),
        json!({"sum": {"of": of("Product Viewed"), "property": "price", "at_least": 150.0, "same": "product.category"}}),
        json!({"distinct": {"of": of("Product Viewed"), "property": "product.category", "at_least": 3, "within": week}}),
        json!({"sequence": {"steps": [of("Product Viewed"), of("Product Added"), of("Checkout Started")], "within": DAY_MS / 4}}),
        json!({"sequence": {"steps": [of("Product Viewed"), of("Product Added")], "within": DAY_MS, "last": DAY_MS}}),
        json!({"sequence": {"steps": [of("Coupon Entered"), of("Product Added")], "within": DAY_MS}}),
        json!({"absence": {"after": of("Product Added"), "of": of("Order Completed"), "wait": DAY_MS / 12}}),
        json!({"absence": {"after": of("Product Viewed"), "of": of("Product Added"), "wait": DAY_MS}}),
        json!({"average_interval": {"of": of("Order Completed"), "less_than": 7 * DAY_MS}}),
        json!({"average_interval": {"of": of("Product Added"), "less_than": 7 * DAY_MS}}),
        json!({"habit": {"of": of("Order Completed"), "on": {"weekdays": 0b0000_0001}, "is": {"at_least": 3}}}),
        json!({"not": {"habit": {"of": of("Product Viewed"), "on": "today", "is": {"at_least": 1}}}}),
        json!({"habit": {"of": of("Product Viewed"), "on": {"hours": {"from": 7, "until": 11}}, "is": "favourite"}}),
        json!({"visits": {"at_least": 5, "within": week}}),
        json!({"trait": {"name": "plan", "is": {"equal": "gold"}}}),
        json!({"trait": {"name": "birthday", "is": "known"}}),
        json!({"reachable": "anyhow"}),
        json!({"reachable": {"by": "sms"}}),
        json!({"cart": "empty"}),
        json!({"cart": {"items_at_least": 3}}),
        json!({"cart": {"total_at_least": {"amount": 100.0, "currency": "EUR"}}}),
        json!({"cart": {"contains": {"property": "product.category", "is": {"equal": "hats"}}}}),
        json!({"context": {"fact": "device", "is": {"equal": "desktop"}}}),
        json!({"context": {"fact": "city", "is": {"equal": "Berlin"}}}),
        json!({"local_time": {"from": 480, "until": 660, "weekdays": 0b0001_1111}}),
        json!({"inside": {"kind": "cafe"}}),
        json!({"moment": {"moment": "buy", "at_least": 1.0}}),
        json!({"readiness": {"at_least": 0.7}}),
        json!({"segment": "loyal"}),
        json!({"not": {"segment": "loyal"}}),
        json!({"messaged": {"play": "abandoned_cart", "within": DAY_MS}}),
        json!({"not": {"messaged": {"within": DAY_MS}}}),
        json!({"any": [{"not": {"all": [{"cart": "not_empty"}, {"reachable": {"by": "email"}}]}}, {"all": []}, {"any": []}]}),
    ]
}

#[test]
fn every_kind_of_question_is_explained_in_words() {
    let asked: Vec<Condition> = questions().into_iter().map(read).collect();
    let program = Program::new(playbook(&asked)).unwrap();
    let state = lived(&program, &history(), time(AT));
    let mut out = String::new();
    for condition in &asked {
        told(&explain::condition(&program, condition, &state, time(AT)).unwrap(), 0, &mut out);
        out.push('\n');
    }
    assert_eq!(golden("explanations.txt", &out), out);
}

#[test]
fn what_happened_before_it_was_watched_is_said_and_not_guessed() {
    let within = |days: i64| -> Condition {
        read(json!({"did": {"of": track("Product Viewed"), "at_least": 2, "within": days * DAY_MS}}))
    };
    let asked = [within(7), within(30)];
    let register =
        Program::new(playbook(&asked)).unwrap().registers().iter().map(|one| one.watch_key()).collect::<Vec<_>>();
    let since = time("2026-11-12T00:00:00Z");
    let mut rules = playbook(&asked);
    rules.watched_since = register.into_iter().map(|key| (key, since)).collect();
    let program = Program::new(rules).unwrap();
    let state = lived(&program, &history(), time(AT));
    let found = |condition: &Condition, state: &UserState| {
        explain::condition(&program, condition, state, time(AT)).unwrap().watched_since
    };
    assert_eq!(found(&asked[0], &state), None, "the last seven days were all watched");
    assert_eq!(found(&asked[1], &state), Some(since));
    let new = UserState { first_seen_at: Some(since), ..state };
    assert_eq!(found(&asked[1], &new), None, "whoever came later was watched from the beginning");
}

#[test]
fn a_play_is_explained_with_everything_that_decides() {
    let play: Play = read(json!({
        "name": "more", "title": "More of it",
        "trigger": {"event": track("Product Added")},
        "who": {"cart": "not_empty"},
        "unless": {"did": {"of": track("Order Completed"), "at_least": 1, "within": 7 * DAY_MS}},
        "entry": "every_time", "cooldown": 3 * DAY_MS, "rollout": 10_000, "holdout": 100,
        "goal": {"of": track("Order Completed"), "within": 3 * DAY_MS},
        "valid_for": 6 * 3_600_000, "caps": [{"at_most": 1, "per": DAY_MS}],
        "steps": [
            {"wait": 3_600_000},
            {"wait_until": {"condition": {"cart": {"items_at_least": 2}}, "at_most": DAY_MS,
                "otherwise": [{"send": {"message": "welcome", "channels": ["sms", "email"]}}, "stop"]}},
            {"send": {"message": "abandoned_cart", "channels": ["sms"]}},
        ],
    }));
    let mut rules = playbook(&[]);
    rules.policy.quiet_hours = vec![read(json!({"from": 720, "until": 840, "weekdays": 127}))];
    rules.policy.caps = vec![read(json!({"channel": "email", "at_most": 2, "per": 7 * DAY_MS}))];
    rules.policy.control_group = read(json!(500));
    rules.plays.push(play);
    let program = Program::new(rules).unwrap();
    let mut out = String::new();
    for (name, inputs, until) in [
        ("more", history(), "2026-11-20T12:00:00Z"),
        ("more", history(), "2026-11-22T20:00:00Z"),
        ("abandoned_cart", history(), "2026-11-20T10:45:00Z"),
        ("abandoned_cart", history(), "2026-11-20T12:00:00Z"),
        ("welcome", Vec::new(), "2026-11-20T12:00:00Z"),
    ] {
        // Orders a week ago exclude Ann.
        let inputs: Vec<Input> =
            inputs.into_iter().filter(|input| name != "more" || input.at() > time("2026-11-15T00:00:00Z")).collect();
        let state = lived(&program, &inputs, time(until));
        let found = explain::play(&program, name, user(), &state, time(until)).unwrap();
        writeln!(out, "{} at {until}: {}", found.play, found.trigger).unwrap();
        for (what, condition) in [("who", &found.who), ("unless", &found.unless), ("waits for", &found.waits_for)] {
            if let Some(condition) = condition {
                writeln!(out, "  {what}").unwrap();
                told(condition, 2, &mut out);
            }
        }
        for point in &found.points {
            let mark = point.lets.map_or("", |lets| if lets { "ok, " } else { "no, " });
            writeln!(out, "  {}: {mark}{}", point.what, point.text).unwrap();
        }
        for step in &found.steps {
            let here = if step.here { "  <- here" } else { "" };
            let here = step.holds.map_or(here.to_owned(), |holds| format!("  (holds: {holds}){here}"));
            writeln!(out, "  | {}{}{here}", "  ".repeat(step.depth), step.words).unwrap();
        }
        writeln!(out, "  would send: {:?}; {}", found.would_send, found.would.join("; ")).unwrap();
        for considered in &found.considered {
            writeln!(out, "  {} {}", considered.at, considered.outcome).unwrap();
        }
        out.push('\n');
    }
    assert_eq!(golden("explained_plays.txt", &out), out);
    assert!(explain::play(&program, "gone", user(), &UserState::default(), time(AT)).is_none());
}

#[test]
fn moments_and_segments_say_what_they_are_made_of() {
    let program = Program::new(playbook(&[])).unwrap();
    let state = lived(&program, &history(), time("2026-11-20T10:30:00Z"));
    let moments = explain::moments(&program, &state, state.clock);
    assert_eq!(moments.current.map(|moment| moment.as_str()), Some("buy"));
    assert_eq!(moments.until, Some(state.clock.plus(Span::from_millis(1))), "it is exactly as strong as is asked");
    let readiness = moments.readiness.unwrap();
    let adds: Vec<f64> = readiness.terms.iter().map(|term| term.adds).collect();
    assert_eq!(adds, [1.5, 1.0]);
    let sum = readiness.intercept + adds.iter().sum::<f64>();
    assert!((readiness.value - 1.0 / (1.0 + (-sum).exp())).abs() < 1e-12);
    let segments = explain::segments(&program, &state, state.clock);
    assert_eq!((segments[0].segment.as_str(), segments[0].since, segments[0].who.holds), ("loyal", None, false));
}

fn leaf() -> impl Strategy<Value = Condition> {
    prop::sample::select(questions()).prop_map(read)
}

fn any_condition() -> impl Strategy<Value = Condition> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            parts().prop_map(Condition::All),
            parts().prop_map(Condition::Any),
            inner.clone().prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

/// The parts add up to the answer, and every leaf gives its reason.
fn is_sound(explanation: &Explanation) -> Result<(), TestCaseError> {
    let mut parts = explanation.parts.iter().map(|part| part.holds);
    match explanation.group {
        Some(Group::All) => prop_assert_eq!(parts.all(|holds| holds), explanation.holds),
        Some(Group::Any) => prop_assert_eq!(parts.any(|holds| holds), explanation.holds),
        Some(Group::Not) => prop_assert!(parts.all(|holds| holds != explanation.holds)),
        Some(Group::Segment) => prop_assert!(explanation.found.is_some()),
        None => {
            let gives_reason = explanation.missing.is_some() || explanation.until.is_some();
            prop_assert!(explanation.holds || gives_reason, "{explanation:?}");
            prop_assert!(!explanation.holds || explanation.missing.is_none(), "{explanation:?}");
        }
    }
    explanation.parts.iter().try_for_each(is_sound)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_explanation_is_the_verdict(asked in any_condition(), kept in any::<u8>(), after_ms in 0..3 * DAY_MS) {
        let program = Program::new(playbook(std::slice::from_ref(&asked))).unwrap();
        let inputs: Vec<Input> = history().into_iter().enumerate().filter(|(number, _)| kept >> number & 1 == 1).map(|(_, input)| input).collect();
        let at = time(AT).plus(Span::from_millis(after_ms));
        let state = lived(&program, &inputs, at);
        let explanation = explain::condition(&program, &asked, &state, at).unwrap();
        let verdict = program.verdict(&asked, &state, at).unwrap();
        prop_assert_eq!((explanation.holds, explanation.until), (verdict.holds, verdict.until));
        is_sound(&explanation)?;
    }
}
