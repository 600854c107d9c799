//! The definitions themselves, on examples that are worked out by hand.

use kairos_engine::event::Event;
use kairos_engine::identifiers::InputId;
use kairos_engine::playbook::{Condition, Playbook};
use kairos_engine::time::{Span, Timestamp};
use kairos_truth::Life;
use kairos_truth::changes::changes;
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;

/// Events by the minute: what, and with which properties.
fn life(events: &[(i64, &str, Value)]) -> Life {
    let mut life = Life::default();
    for (number, (minute, name, properties)) in events.iter().enumerate() {
        let kind = serde_json::from_value(json!({"type": "track", "event": name, "properties": properties})).unwrap();
        let id = InputId::of_message("truth", &number.to_string());
        let at = Timestamp::from_millis(minute * MINUTE);
        life.apply(Event::new(id, at, "web".into(), Some("1".into()), None, kind, serde_json::Map::new()));
    }
    life
}

#[test]
fn answers_change_when_one_would_say_so() {
    let (view, order) = (json!([{"event": {"track": "view"}}]), json!([{"event": {"track": "order"}}]));
    let hour = 60 * MINUTE;
    let events = life(&[
        (0, "view", json!({"id": "a", "seconds": 2})),
        (10, "view", json!({"id": "b", "seconds": 3})),
        (20, "order", json!({})),
        (60, "view", json!({"id": "a", "seconds": 0.5})),
        (95, "view", json!({"id": "c"})),
    ]);
    // The minutes of entries and exits, in turn.
    for (condition, expected) in [
        (json!({"did": {"of": view, "at_least": 2, "within": hour}}), vec![10, 60, 60, 70, 95, 120]),
        (json!({"did": {"of": view, "at_least": 2, "within": 2 * hour}}), vec![10, 180]),
        (json!({"did": {"of": view, "at_least": 2, "same": "id"}}), vec![60]),
        (json!({"first": {"of": view, "ago": hour}}), vec![60]),
        (json!({"last": {"of": view, "ago": hour}}), vec![155]),
        (json!({"sum": {"of": view, "property": "seconds", "at_least": 5.0}}), vec![10]),
        // Parts of two minutes: the one that began at 0 counts until 62, that which began at 10 until 72.
        (json!({"sum": {"of": view, "property": "seconds", "at_least": 5.0, "within": hour}}), vec![10, 62]),
        (json!({"distinct": {"of": view, "property": "id", "at_least": 3, "within": 2 * hour}}), vec![95, 130]),
        (json!({"sequence": {"steps": [view, order], "within": 10 * MINUTE}}), vec![]),
        (json!({"sequence": {"steps": [view, order], "within": 10 * MINUTE + 1, "last": hour}}), vec![20, 80]),
        (json!({"absence": {"after": view, "of": order, "wait": 30 * MINUTE}}), vec![90, 95, 125]),
        (json!({"average_interval": {"of": view, "less_than": 31 * MINUTE}}), vec![10, 95]),
        (json!({"visits": {"at_least": 2, "within": 2 * hour}}), vec![60, 180]),
        (json!({"not": {"did": {"of": order, "at_least": 1, "within": hour}}}), vec![0, 20, 80]),
    ] {
        let parsed: Condition = serde_json::from_value(condition.clone()).unwrap();
        let until = Timestamp::from_millis(0).plus(Span::from_hours(24));
        let found = changes(&Playbook::default(), &events, &parsed, until);
        let found: Vec<i64> = found.iter().map(|change| change.at.as_millis()).collect();
        let expected: Vec<i64> = expected.into_iter().map(|minute: i64| minute * MINUTE).collect();
        assert_eq!(found, expected, "{condition}");
    }
}
