//! What random cases have found, each as small as it can be, and what they meet too rarely.

use kairos_engine::event::Event;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::playbook::{Playbook, Segment};
use kairos_engine::program::Program;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use kairos_truth::changes::{Change, changes};
use serde_json::{Map, Value, json};

use crate::drive::{entries_and_exits, live};

fn event(number: usize, at_ms: i64, kind: &Value, context: &Value) -> Event {
    let id = InputId::of_message("truth", &number.to_string());
    let kind = serde_json::from_value(kind.clone()).unwrap();
    let context: Map<String, Value> = context.as_object().unwrap().clone();
    Event::new(id, Timestamp::from_millis(at_ms), "web".into(), Some("1".into()), None, kind, context)
}

#[test]
fn what_went_wrong_once_is_right() {
    let track = |name: &str, properties: Value| json!({"type": "track", "event": name, "properties": properties});
    let viewed = json!({"event": {"track": "Product Viewed"}});
    let any = json!({"event": "any"});
    let view = track("Product Viewed", json!({}));
    let no_context = json!({});
    for (what, who, events) in [
        (
            "an event that is meant in two ways counts once",
            json!({"did": {"of": [viewed, any], "at_least": 2, "within": 1_000}}),
            vec![(0, view.clone(), no_context.clone())],
        ),
        (
            "evidence that is meant in two ways weighs once",
            json!({"moment": {"moment": "go", "at_least": 1.5}}),
            vec![(0, view.clone(), no_context.clone())],
        ),
        (
            "one event is never two parts of a sequence",
            json!({"sequence": {"steps": [[viewed], [any]], "within": 1_000}}),
            vec![(0, view.clone(), no_context.clone())],
        ),
        (
            "what both begins and ends a wait ends it",
            json!({"absence": {"after": [any], "of": [viewed], "wait": 1_000}}),
            vec![(0, view.clone(), no_context.clone())],
        ),
        (
            "the source is known of events without a context",
            json!({"context": {"fact": "source", "is": {"equal": "web"}}}),
            vec![(0, view.clone(), no_context.clone())],
        ),
        (
            "an event that tells no language leaves the newest one told",
            json!({"context": {"fact": "language", "is": {"equal": "de"}}}),
            vec![
                (0, view.clone(), json!({"locale": "fr"})),
                (0, view.clone(), json!({"locale": "de-DE"})),
                (0, view.clone(), json!({"page": {"path": "/"}})),
            ],
        ),
        (
            "the newest value may be a list",
            json!({"last_value": {"of": [viewed], "property": "tags", "is": {"contains": "NEW"}}}),
            vec![(0, track("Product Viewed", json!({"tags": ["sale", "new"]})), no_context.clone())],
        ),
        (
            "what a product costs counts for its own category",
            json!({"sum": {"of": [viewed], "property": "product.price", "at_least": 5.0, "same": "product.category"}}),
            vec![(
                0,
                track(
                    "Product Viewed",
                    json!({"products": [
                        {"product_id": "a", "price": 4, "category": "bags"}, {"product_id": "b", "price": 1, "category": "shoes"},
                    ]}),
                ),
                no_context.clone(),
            )],
        ),
        (
            "products of one category count together",
            json!({"sum": {"of": [viewed], "property": "product.price", "at_least": 5.0, "same": "product.category"}}),
            vec![(
                0,
                track(
                    "Product Viewed",
                    json!({"products": [
                        {"product_id": "a", "price": 3, "category": "bags"}, {"product_id": "b", "price": 2, "category": "bags"},
                    ]}),
                ),
                no_context.clone(),
            )],
        ),
        (
            "an app's word about a place counts more than the position beside it",
            json!({"inside": {"named": "cafe"}}),
            vec![(
                0,
                track("Place Entered", json!({"place": "cafe"})),
                json!({"location": {"latitude": 10.0, "longitude": 10.0}}),
            )],
        ),
        (
            "of two moments that are equally strong the first one counts",
            json!({"moment": {"moment": "buy"}}),
            vec![(0, json!({"type": "identify"}), no_context.clone())],
        ),
        (
            "an average that is just as long is not shorter",
            json!({"average_interval": {"of": [viewed], "less_than": 1_000}}),
            vec![
                (0, view.clone(), no_context.clone()),
                (999, view.clone(), no_context.clone()),
                (2_000, view.clone(), no_context.clone()),
            ],
        ),
    ] {
        let told = json!([{"of": [{"event": "identify"}], "weight": 1.0}]);
        let settings = |evidence: Value| json!({"half_life": 1_000, "reached_at": 0.6, "evidence": evidence});
        let playbook: Playbook = serde_json::from_value(json!({
            "sources": [], "channels": {}, "plays": [], "messages": {},
            "moments": {"moments": {
                "go": settings(json!([{"of": [viewed, any], "weight": 1.0}])), "do": settings(told.clone()), "buy": settings(told),
            }},
            "places": [{"name": "cafe", "title": "Café", "latitude": 52.5, "longitude": 13.4, "radius_m": 500}],
        }))
        .unwrap();
        let segment = Segment { name: "s".into(), title: what.into(), who: serde_json::from_value(who).unwrap() };
        let program = Program::new(Playbook { segments: vec![segment.clone()], ..playbook }).unwrap();
        let of =
            |(number, (at_ms, kind, context)): (usize, &(i64, Value, Value))| event(number, 500 + at_ms, kind, context);
        let events: Vec<Event> = events.iter().enumerate().map(of).collect();
        let until = Timestamp::from_millis(500).plus(Span::from_hours(5));
        let driven = live(&program, UserKey::known("1"), &events, until);
        let expected = changes(program.playbook(), &driven.life, &segment.who, until);
        assert_eq!(entries_and_exits(&driven.effects, "s"), expected, "{what}");
    }
}

#[test]
fn a_user_stays_in_a_place_as_long_as_the_newest_word_of_it_says() {
    let playbook: Playbook = serde_json::from_value(json!({
        "sources": [], "channels": {}, "plays": [], "messages": {},
        "places": [{"name": "cafe", "title": "Café", "latitude": 52.5, "longitude": 13.4, "radius_m": 500}],
        "segments": [{"name": "s", "title": "In the café", "who": {"inside": "any"}}],
    }))
    .unwrap();
    let program = Program::new(playbook).unwrap();
    let (visitor, user) = (UserKey::anonymous("v"), UserKey::known("1"));
    let entered = json!({"type": "track", "event": "Place Entered", "properties": {"place": "cafe"}});
    let at = |hours: i64| Timestamp::from_millis(0).plus(Span::from_hours(hours));
    let entered_at = |number, hours| event(number, at(hours).as_millis(), &entered, &json!({}));
    let mut of_user = live(&program, user, &[entered_at(0, 1)], at(2));
    let mut of_visitor = live(&program, visitor, &[entered_at(1, 2)], at(2));

    let link = Input::Link { id: InputId::of_message("truth", "link"), at: at(2), to: user };
    let told = step(&program, visitor, &mut of_visitor.state, &[link], at(2)).effects;
    let merge = told.into_iter().find_map(|effect| match effect {
        Effect::Tell { input, .. } => Some(*input),
        _ => None,
    });
    let tick = Input::Tick { at: at(9) };
    let effects = step(&program, user, &mut of_user.state, &[merge.unwrap(), tick], at(9)).effects;
    assert_eq!(entries_and_exits(&effects, "s"), [Change { at: at(4), holds: false }]);
}
