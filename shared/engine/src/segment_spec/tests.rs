use super::*;
use proptest::prelude::*;
use serde_json::json;

const RECEIVED: &str = "2026-11-21T10:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn facts() -> Facts<'static> {
    Facts { source: "shop", received_at: at(RECEIVED), sent_at: None, call: None, index: 0, historical: false }
}

fn event(value: Value) -> Event {
    decode(value, &facts()).unwrap().event
}

fn refusal(value: Value) -> RefusalCode {
    decode_text(&value.to_string(), &facts()).unwrap_err().code
}

#[test]
fn every_call_of_the_spec_is_read() {
    let map = |value: Value| value.as_object().unwrap().clone();
    for (sent, read) in [
        (
            json!({"type": "track", "event": "add_to_cart", "userId": "u", "properties": {"product_id": 7}}),
            EventKind::Track { event: EventName::ProductAdded, properties: map(json!({"product_id": 7})) },
        ),
        (
            json!({"type": "identify", "userId": "u", "traits": {"email": "ann@shop.example"},
                "context": {"traits": {"email": "old@shop.example", "plan": "pro"}, "locale": "de"}}),
            EventKind::Identify { traits: map(json!({"email": "ann@shop.example", "plan": "pro"})) },
        ),
        (
            json!({"type": "page", "userId": "u", "category": "Docs", "name": "Home", "properties": {"path": "/"}}),
            EventKind::Page { name: Some("Home".into()), properties: map(json!({"category": "Docs", "path": "/"})) },
        ),
        (
            json!({"type": "screen", "userId": "u", "name": null, "properties": null}),
            EventKind::Screen { name: None, properties: Map::new() },
        ),
        (
            json!({"type": "group", "userId": "u", "groupId": 12, "traits": {"name": "Acme"}}),
            EventKind::Group { group_id: "12".into(), traits: map(json!({"name": "Acme"})) },
        ),
        (
            json!({"type": "alias", "userId": "u", "previousId": "before"}),
            EventKind::Alias { previous_id: "before".into() },
        ),
    ] {
        let event = event(sent);
        assert_eq!(event.kind, read);
        assert_eq!(event.user_key(), Some(UserKey::known("u")));
        assert!(event.context.get("traits").is_none(), "traits of an identify stand in one place");
    }
}

#[test]
fn the_path_names_the_call_before_the_type_does() {
    let facts = Facts { call: Some(Call::Page), ..facts() };
    let decoded = decode(json!({"userId": "u", "type": "event"}), &facts).unwrap();
    assert!(matches!(decoded.event.kind, EventKind::Page { .. }));
}

#[test]
fn ids_may_be_null_or_numbers() {
    let read = event(json!({"type": "page", "userId": 42, "anonymousId": null, "messageId": 7}));
    assert_eq!((read.user_id.as_deref(), read.anonymous_id), (Some("42"), None));
    assert_eq!(read.id, InputId::of_message("shop", "7"));
    let visitor = event(json!({"type": "page", "userId": "  ", "anonymousId": "a"}));
    assert_eq!(visitor.user_key(), Some(UserKey::anonymous("a")));
}

#[test]
fn times_are_corrected_by_the_clients_clock_and_never_in_the_future() {
    for (call, sent_at, expected) in [
        // The client's clock is right.
        (json!({"timestamp": "2026-11-21T09:59:00Z"}), Some(RECEIVED), "2026-11-21T09:59:00Z"),
        // It is an hour fast, or slow: what counts is how long before sending it happened.
        (json!({"timestamp": "2026-11-21T10:59:00Z"}), Some("2026-11-21T11:00:00Z"), "2026-11-21T09:59:00Z"),
        (json!({"timestamp": "2026-11-21T08:59:00+00:00"}), Some("2026-11-21T09:00:00Z"), "2026-11-21T09:59:00Z"),
        // RudderStack's time of the call serves when the caller said none, a call's own sentAt when the envelope has none.
        (json!({"originalTimestamp": "2026-11-21T09:58:00Z", "sentAt": RECEIVED}), None, "2026-11-21T09:58:00Z"),
        (
            json!({"originalTimestamp": "2026-11-21T09:58:00Z", "timestamp": "2026-11-21T09:00:00Z", "sentAt": RECEIVED}),
            None,
            "2026-11-21T09:00:00Z",
        ),
        // The envelope's sentAt is of this attempt, the call's own perhaps of an earlier one.
        (
            json!({"timestamp": "2026-11-21T09:00:00Z", "sentAt": "2026-11-21T09:00:00Z"}),
            Some(RECEIVED),
            "2026-11-21T09:00:00Z",
        ),
        // Without sentAt the time is taken as it is.
        (json!({"timestamp": "2019-10-01T00:00:00.25Z"}), None, "2019-10-01T00:00:00.25Z"),
        (json!({"timestamp": "2019-10-01T00:00:00Z", "sentAt": "soon"}), None, "2019-10-01T00:00:00Z"),
        // The future is clamped to the receipt, and so is what has no time.
        (json!({"timestamp": "2027-01-01T00:00:00Z"}), None, RECEIVED),
        (json!({"timestamp": "2026-11-21T11:00:00Z"}), Some("2026-11-21T09:00:00Z"), RECEIVED),
        (json!({"timestamp": null}), Some("2026-11-21T09:00:00Z"), RECEIVED),
        // Nonsense at both ends stays a time.
        (json!({"timestamp": "1970-01-01T00:00:00Z"}), Some("9999-01-01T00:00:00Z"), "1970-01-01T00:00:00Z"),
    ] {
        let mut sent = call.clone();
        sent["type"] = json!("page");
        sent["userId"] = json!("u");
        let facts = Facts { sent_at: sent_at.map(at), ..facts() };
        assert_eq!(decode(sent, &facts).unwrap().event.at, at(expected), "{call} {sent_at:?}");
    }
}

#[test]
fn imported_history_keeps_its_times() {
    let archived = json!({"type": "page", "userId": "u", "timestamp": "2020-05-05T10:00:00Z",
        "originalTimestamp": "2020-05-05T11:00:00Z", "sentAt": "2020-05-05T11:00:00Z"});
    let facts = Facts { historical: true, ..facts() };
    assert_eq!(decode(archived, &facts).unwrap().event.at, at("2020-05-05T10:00:00Z"));
}

#[test]
fn what_is_wrong_with_a_call_is_named() {
    let deep = (0..JSON_DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
    for (call, code) in [
        (
            json!({"type": "page", "userId": "u", "properties": {"x": "y".repeat(EVENT_BYTES_MAX)}}),
            RefusalCode::EventTooLarge,
        ),
        (json!({"type": "page", "userId": "u", "properties": {"x": deep}}), RefusalCode::NestedTooDeep),
        (json!("page"), RefusalCode::TypeInvalid),
        (json!([{"type": "page"}]), RefusalCode::TypeInvalid),
        (json!({"userId": "u"}), RefusalCode::TypeUnknown),
        (json!({"type": "merge", "userId": "u"}), RefusalCode::TypeUnknown),
        (json!({"type": 3, "userId": "u"}), RefusalCode::TypeInvalid),
        (json!({"type": "page"}), RefusalCode::UserMissing),
        (json!({"type": "page", "userId": "", "anonymousId": null}), RefusalCode::UserMissing),
        (json!({"type": "page", "userId": {"id": 1}}), RefusalCode::TypeInvalid),
        (json!({"type": "page", "userId": 1.5}), RefusalCode::TypeInvalid),
        (json!({"type": "page", "userId": true}), RefusalCode::TypeInvalid),
        (json!({"type": "page", "userId": "u".repeat(ID_BYTES_MAX + 1)}), RefusalCode::IdTooLong),
        (json!({"type": "page", "userId": "u", "messageId": "m".repeat(ID_BYTES_MAX + 1)}), RefusalCode::IdTooLong),
        (json!({"type": "track", "userId": "u"}), RefusalCode::NameMissing),
        (json!({"type": "track", "userId": "u", "event": " "}), RefusalCode::NameMissing),
        (json!({"type": "track", "userId": "u", "event": 7}), RefusalCode::TypeInvalid),
        (
            json!({"type": "track", "userId": "u", "event": "e".repeat(EVENT_NAME_BYTES_MAX + 1)}),
            RefusalCode::NameTooLong,
        ),
        (json!({"type": "track", "userId": "u", "event": "e", "properties": []}), RefusalCode::TypeInvalid),
        (json!({"type": "identify", "userId": "u", "traits": "x"}), RefusalCode::TypeInvalid),
        (json!({"type": "identify", "userId": "u", "context": {"traits": 1}}), RefusalCode::TypeInvalid),
        (json!({"type": "page", "userId": "u", "context": "x"}), RefusalCode::TypeInvalid),
        (json!({"type": "group", "userId": "u"}), RefusalCode::GroupMissing),
        (json!({"type": "alias", "userId": "u"}), RefusalCode::PreviousIdMissing),
        (json!({"type": "alias", "anonymousId": "a", "previousId": "b"}), RefusalCode::UserMissing),
        (json!({"type": "page", "userId": "u", "timestamp": "yesterday"}), RefusalCode::TimeInvalid),
        (json!({"type": "page", "userId": "u", "originalTimestamp": 1_700_000_000}), RefusalCode::TimeInvalid),
    ] {
        assert_eq!(refusal(call.clone()), code, "{}", shortened(&call.to_string(), 100));
    }
    let unreadable = r#"{"type":"page","userId":"u","properties":{"x":1e999}}"#;
    assert_eq!(decode_text(unreadable, &facts()).unwrap_err().code, RefusalCode::JsonInvalid);
}

#[test]
fn brackets_inside_text_are_not_levels() {
    let call = json!({"type": "page", "userId": "u", "properties": {"x": "[\"{".repeat(100)}});
    assert!(decode_text(&call.to_string(), &facts()).is_ok());
}

#[test]
fn without_a_message_id_a_retry_is_recognised_and_two_genuine_events_are_not_one() {
    let with = |extra: Value| {
        let mut call = json!({"type": "track", "event": "Clicked", "userId": "u"});
        call.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        call
    };
    let id = |call: Value, facts: Facts<'_>| decode(call, &facts).unwrap().event.id;
    let later = Facts { received_at: at("2026-11-21T10:00:09Z"), ..facts() };
    let next = Facts { index: 1, ..facts() };

    // It says its time: neither a newer sentAt, nor another place, nor a later receipt makes it another.
    let timed = json!({"timestamp": "2026-11-21T09:00:00Z"});
    let first = id(with(timed.clone()), facts());
    let mut resent = with(timed);
    resent["sentAt"] = json!("2026-11-21T09:00:05Z");
    assert_eq!(id(resent, Facts { index: 3, ..later }), first);
    assert_ne!(id(with(json!({"timestamp": "2026-11-21T09:00:01Z"})), facts()), first);

    // Only the sending has a time: the same place of the same sending is the same event.
    let sent_at = Some(at("2026-11-21T09:59:59Z"));
    let sent = id(with(json!({})), Facts { sent_at, ..facts() });
    assert_eq!(id(with(json!({})), Facts { sent_at, ..later }), sent);
    assert_ne!(id(with(json!({})), Facts { sent_at, ..next }), sent);

    // No time at all: the receipt keeps them apart.
    assert_ne!(id(with(json!({})), facts()), id(with(json!({})), later));
}

#[test]
fn of_fields_of_the_same_name_the_last_one_counts() {
    let text = r#"{"type":"page","userId":"a","x":1,"userId":"b","\u0075serId":"c","x":2}"#;
    let map: Map<String, Value> = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::from_str::<Fields>(text).unwrap(), Fields::from(map));
    assert_eq!(decode_text(text, &facts()).unwrap().event.user_id.as_deref(), Some("c"));
}

#[test]
fn ids_of_calls_without_one_never_change_between_versions() {
    // A retry after an update must be recognised.
    let call = json!({"type": "track", "event": "Clicked", "userId": "u", "a": 1, "zeta": [true, null],
        "context": {"locale": "de"}, "properties": {"x": "y"}, "sentAt": "2026-11-21T09:59:59Z"});
    assert_eq!(event(call).id.to_string(), "aa8fb57cd327ae1e");
}

#[test]
fn who_turns_out_to_be_whom_is_told_to_the_mailbox_of_the_earlier_self() {
    let links = |call: Value| -> Vec<(UserKey, UserKey)> {
        inputs_of(event(call))
            .iter()
            .filter_map(|(user, input)| match input {
                Input::Link { to, .. } => Some((*user, *to)),
                _ => None,
            })
            .collect()
    };
    let (known, visitor) = (UserKey::known("u"), UserKey::anonymous("a"));
    assert_eq!(links(json!({"type": "identify", "userId": "u", "anonymousId": "a"})), [(visitor, known)]);
    assert_eq!(links(json!({"type": "identify", "userId": "u"})), []);
    assert_eq!(links(json!({"type": "identify", "anonymousId": "a"})), []);
    assert_eq!(links(json!({"type": "track", "event": "e", "userId": "u", "anonymousId": "a"})), []);
    assert_eq!(
        links(json!({"type": "alias", "userId": "u", "previousId": "a"})),
        [(visitor, known), (UserKey::known("a"), known)]
    );
    assert_eq!(
        links(json!({"type": "alias", "userId": "u", "previousId": "u"})),
        [(UserKey::anonymous("u"), known)],
        "nobody is linked to themselves"
    );
}

#[test]
fn a_link_repeats_with_the_event_that_caused_it() {
    let sent = json!({"type": "identify", "userId": "u", "anonymousId": "a", "messageId": "m"});
    let first = inputs_of(event(sent.clone()));
    assert_eq!(first, inputs_of(event(sent)));
    assert_eq!(first.last().map(|(user, _)| *user), Some(UserKey::known("u")));
    assert_ne!(first[0].1.id(), first[1].1.id());
}

fn any_json() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        "[a-z]{0,3}",
        prop::sample::select(std::vec![
            "type",
            "event",
            "userId",
            "anonymousId",
            "messageId",
            "timestamp",
            "originalTimestamp",
            "sentAt",
            "properties",
            "traits",
            "context",
            "groupId",
            "previousId",
            "name",
            "category",
            "products",
        ])
        .prop_map(String::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
        any::<String>().prop_map(Value::from),
        prop::sample::select(std::vec!["track", "identify", "page", "alias", "2026-11-21T10:00:00Z"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field.clone(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_is_read_or_refused_and_never_lies_in_the_future(value in any_json()) {
        match decode(value.clone(), &facts()) {
            Ok(Decoded { event, .. }) => {
                prop_assert!(event.at <= at(RECEIVED));
                prop_assert!(event.user_key().is_some());
                prop_assert_eq!(decode(value, &facts()).unwrap().event, event.clone());
                prop_assert_eq!(serde_json::from_str::<Event>(&serde_json::to_string(&event).unwrap()).unwrap(), event);
            }
            Err(refusal) => prop_assert!(!refusal.message.is_empty()),
        }
    }

    #[test]
    fn a_text_has_the_fields_of_the_object_that_it_is(value in any_json()) {
        let text = value.to_string();
        let read = serde_json::from_str::<Fields>(&text);
        match value {
            Value::Object(object) => prop_assert_eq!(read.unwrap(), Fields::from(object)),
            _ => prop_assert!(read.is_err()),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = decode_text(&text, &facts());
    }
}
