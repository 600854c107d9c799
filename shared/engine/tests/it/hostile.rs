//! Whatever a client sends, and whatever the playbook asks of it: no panic, a state that stays within its
//! bound and reads back, and the same decisions every time.

use kairos_engine::bounds::STATE_BYTES_MAX;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use kairos_engine::playbook::Playbook;
use kairos_engine::program::Program;
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A playbook that asks for everything there is.
fn playbook() -> Playbook {
    let track = |name: &str| json!({"event": {"track": name}});
    let (viewed, added, ordered) = (track("Product Viewed"), track("Product Added"), track("Order Completed"));
    let any = json!({"event": "any"});
    let expensive = json!({"event": {"track": "Product Viewed"}, "where": [
        {"property": "product.price", "is": {"at_least": 10.0}, "currency": "EUR"},
        {"property": "product.category", "is": {"not": {"contains": "s"}}},
        {"property": "when", "is": {"not": {"older_than": DAY}}},
    ]});
    let conditions = [
        json!({"cart": "not_empty"}),
        json!({"cart": {"total_at_least": {"amount": 10.0, "currency": "EUR"}}}),
        json!({"cart": {"items_at_least": 3}}),
        json!({"cart": {"contains": {"property": "product.price", "is": {"at_least": 5.0}}}}),
        json!({"reachable": "anyhow"}),
        json!({"trait": {"name": "plan", "is": {"equal": "gold"}}}),
        json!({"trait": {"name": "since", "is": {"older_than": DAY}}}),
        json!({"trait": {"name": "likes", "is": {"contains": "tea"}}}),
        json!({"did": {"of": [viewed, expensive], "at_least": 3, "within": DAY}}),
        json!({"did": {"of": [viewed], "at_least": 2, "within": HOUR, "same": "product.id"}}),
        json!({"did": {"of": [any], "at_least": 2, "same": "query"}}),
        json!({"first": {"of": [viewed], "ago": DAY}}),
        json!({"last": {"of": [any], "ago": DAY}}),
        json!({"last_value": {"of": [any], "property": "query", "is": {"contains": "coffee"}}}),
        json!({"sum": {"of": [any], "property": "seconds", "at_least": 60.0, "within": HOUR}}),
        json!({"sum": {"of": [ordered], "property": "total", "at_least": 60.0, "currency": "EUR"}}),
        json!({"sum": {"of": [viewed], "property": "product.price", "at_least": 60.0, "within": DAY, "same": "product.category"}}),
        json!({"distinct": {"of": [any], "property": "product.id", "at_least": 3, "within": DAY}}),
        json!({"sequence": {"steps": [[viewed], [added], [any]], "within": HOUR, "last": DAY}}),
        json!({"absence": {"after": [added], "of": [ordered], "wait": HOUR}}),
        json!({"average_interval": {"of": [ordered], "less_than": DAY}}),
        json!({"habit": {"of": [any], "on": "today", "is": {"at_least": 2}}}),
        json!({"habit": {"of": [any], "on": {"hours": {"from": 22, "until": 4}}, "is": "favourite"}}),
        json!({"visits": {"at_least": 2, "within": DAY}}),
        json!({"context": {"fact": "device", "is": {"equal": "phone"}}}),
        json!({"context": {"fact": "os", "is": "known"}}),
        json!({"context": {"fact": "platform", "is": "known"}}),
        json!({"context": {"fact": "referrer", "is": {"ends_with": ".example"}}}),
        json!({"context": {"fact": "campaign_name", "is": {"starts_with": "x"}}}),
        json!({"context": {"fact": "language", "is": {"one_of": ["de", "fr"]}}}),
        json!({"context": {"fact": "city", "is": {"not": "known"}}}),
        json!({"local_time": {"from": 480, "until": 420, "weekdays": 85}}),
        json!({"inside": {"kind": "cafe"}}),
        json!({"moment": {"moment": "buy"}}),
        json!({"readiness": {"at_least": 0.5}}),
        json!({"messaged": {"within": DAY}}),
        json!({"all": [{"segment": "s0"}, {"not": {"segment": "s1"}}, {"any": [{"segment": "s8"}]}]}),
    ];
    let segments: Vec<Value> = conditions
        .into_iter()
        .enumerate()
        .map(|(number, who)| json!({"name": format!("s{number}"), "title": "Segment", "who": who}))
        .collect();
    let send = json!({"send": {"message": "hello", "channels": ["email", "sms", "webhook"]}});
    let way = |name: &str, holdout: bool| json!({"name": name, "weight": 1, "holdout": holdout, "steps": [send]});
    let triggers = [
        json!({"event": [any]}),
        json!({"absence": {"after": [added, viewed], "of": [ordered], "wait": 30 * MINUTE}}),
        json!({"sequence": {"steps": [[viewed], [any]], "within": HOUR}}),
        json!({"segment": {"name": "s0", "on": "entry"}}),
        json!({"segment": {"name": "s12", "on": "exit"}}),
        json!({"becomes": {"last": {"of": [viewed], "ago": HOUR}}}),
        json!({"place": {"of": "any", "on": "entry"}}),
        json!({"place": {"of": {"kind": "cafe"}, "on": "exit"}}),
        json!({"schedule": {"at": 540, "weekdays": 31}}),
        json!({"catalogue": {"of": [{"price_drop": {"percent": 10.0}}, "back_in_stock", {"low_stock": {"at_most": 3}}],
            "interest": ["viewed", "carted", "wished"]}}),
        json!({"run_out": {"of": [ordered], "before": DAY, "lasts": 30 * DAY}}),
    ];
    let plays: Vec<Value> = triggers
        .into_iter()
        .enumerate()
        .map(|(number, trigger)| {
            json!({
                "name": format!("p{number}"), "title": "Play", "trigger": trigger,
                "unless": {"messaged": {"play": "p0", "within": MINUTE}},
                "cooldown": MINUTE, "priority": number, "rollout": 9_000, "holdout": 1_000,
                "goal": {"of": [ordered], "within": DAY}, "valid_for": 400 * DAY,
                "caps": [{"at_most": 3, "per": HOUR}], "event_properties": ["query", "name"],
                "steps": [
                    {"branch": {"condition": {"cart": "not_empty"}, "then": [send], "otherwise": [{"wait": HOUR}]}},
                    {"wait_until": {"condition": {"reachable": "anyhow"}, "at_most": DAY, "otherwise": [send, "stop"]}},
                    {"wait_for_hours": {"from": 540, "until": 600, "weekdays": 127}},
                    {"split": {"name": "ways", "variants": [way("a", false), way("b", true)]}},
                    send,
                ],
            })
        })
        .collect();
    let evidence = |of: &Value| json!({"of": [of], "weight": 2.0});
    serde_json::from_value(json!({
        "sources": [{"name": "web", "write_key": "k"}],
        "channels": {"email": {"from": "Shop <hello@shop.example>"}, "sms": {}, "webhook": {"url": "https://shop.example/hook"}},
        "policy": {
            "time_zone": "Europe/Berlin", "caps": [{"at_most": 5, "per": DAY}, {"channel": "sms", "at_most": 1, "per": HOUR}],
            "quiet_hours": [{"from": 1_260, "until": 480, "weekdays": 127}], "control_group": 500,
        },
        "moments": {
            "moments": {
                "know": {"half_life": HOUR, "reached_at": 1.0, "evidence": [evidence(&any)]},
                "buy": {"half_life": MINUTE, "reached_at": 3.0, "evidence": [evidence(&added), evidence(&ordered)]},
            },
            "readiness": {"intercept": -1.0, "terms": [
                {"value": {"holds": {"cart": "not_empty"}}, "weight": 1.5}, {"value": {"strength": "buy"}, "weight": 0.4},
            ]},
        },
        "places": [
            {"name": "mitte", "title": "Mitte", "kind": "cafe", "latitude": 52.52, "longitude": 13.4, "radius_m": 500},
            {"name": "pole", "title": "Pole", "kind": "cafe", "latitude": 90.0, "longitude": 0.0, "radius_m": 20_000},
        ],
        "segments": segments,
        "plays": plays,
        "messages": {"hello": {"default_locale": "en", "locales": {"en": {
            "email": {"subject": "Hello", "text": "Hello"}, "sms": {"text": "Hello"}, "webhook": {"text": "Hello"},
        }}}},
    }))
    .unwrap()
}

const NAMES: &[&str] = &[
    "a",
    "event",
    "type",
    "name",
    "properties",
    "traits",
    "context",
    "products",
    "items",
    "product_id",
    "sku",
    "price",
    "quantity",
    "currency",
    "category",
    "total",
    "revenue",
    "query",
    "seconds",
    "when",
    "plan",
    "since",
    "likes",
    "email",
    "phone",
    "timezone",
    "locale",
    "location",
    "latitude",
    "longitude",
    "country",
    "city",
    "campaign",
    "source",
    "medium",
    "device",
    "os",
    "userAgent",
    "page",
    "path",
    "referrer",
    "url",
    "place",
    "userId",
    "anonymousId",
    "previousId",
    "groupId",
    "messageId",
    "timestamp",
    "originalTimestamp",
    "sentAt",
    "channel",
];

const TEXTS: &[&str] = &[
    "",
    " ",
    "track",
    "identify",
    "page",
    "screen",
    "group",
    "alias",
    "Product Viewed",
    "add_to_cart",
    "Order Completed",
    "Place Entered",
    "Place Left",
    "mitte",
    "EUR",
    "usd",
    "12",
    "-1",
    "1e999",
    "NaN",
    "gold",
    "coffee",
    "de-DE",
    "x_y-Z",
    "Europe/Berlin",
    "America/New_York",
    "Mars/Base",
    "1970-01-01T00:00:00Z",
    "2026-03-29T01:59:59.999Z",
    "9999-12-31T23:59:59.999Z",
    "-009999-01-01T00:00:00Z",
    "ann@shop.example",
    "+491512345678",
    "https://shop.example/x?y#z",
    "https://",
    "//",
    "://x",
    "ß\u{0}\u{202e}\u{1f9e6}",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148",
];

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => select(TEXTS).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => (select(TEXTS), 1..300_usize).prop_map(|(text, times)| Value::from(text.repeat(times))),
        2 => select(vec![0.0, -0.0, 0.1, -1.0, 1e-300, 1e300, 9e15, -9e15, 52.52, 13.4, 90.0, 181.0]).prop_map(Value::from),
        2 => select(vec![0, 1, -1, i64::MAX, i64::MIN, 4_294_967_296]).prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<Value> {
    scalar()
        .prop_recursive(4, 24, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((select(NAMES), inner), 0..6).prop_map(|fields| {
                    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
        .boxed()
}

fn object(fields_max: usize) -> BoxedStrategy<Map<String, Value>> {
    proptest::collection::vec((select(NAMES), value()), 0..fields_max)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        .boxed()
}

/// A product as shops send it, now and then with something odd in it.
fn product() -> BoxedStrategy<Value> {
    let id = prop_oneof![3 => (0..40_u8).prop_map(|number| json!(format!("p{number}"))), 1 => scalar()];
    (id, prop_oneof![Just(json!(12.5)), scalar()], prop_oneof![Just(json!("shoes")), scalar()])
        .prop_map(
            |(id, price, category)| json!({"product_id": id, "price": price, "category": category, "currency": "EUR"}),
        )
        .boxed()
}

/// Anything at all, or a call that is taken, with anything in its details.
fn call() -> BoxedStrategy<Value> {
    let kind = select(vec!["track", "track", "track", "track", "identify", "page", "screen", "group", "alias"]);
    let name = select(vec!["Product Viewed", "Product Added", "Order Completed", "Place Entered", "Place Left", "x"]);
    let seconds = prop_oneof![4 => 0..7_200_i64, 1 => Just(40 * 86_400), 1 => -86_400..400 * 86_400_i64];
    let properties = (object(6), proptest::collection::vec(product(), 0..130), 0..4_u8).prop_map(
        |(mut properties, products, how)| {
            match how {
                0 => drop(properties.insert("products".into(), products.into())),
                1 => properties
                    .extend(products.into_iter().next().and_then(|one| one.as_object().cloned()).unwrap_or_default()),
                _ => {}
            }
            properties
        },
    );
    let taken = (kind, name, seconds, properties, object(6), object(8)).prop_map(
        |(kind, name, seconds, properties, context, odd)| {
            let timestamp = Timestamp::from_millis(beginning().as_millis() + seconds * 1_000).to_string();
            let mut call = json!({"type": kind, "event": name, "userId": "1", "groupId": "g", "previousId": "0",
                "timestamp": timestamp, "properties": properties, "context": context});
            if kind == "identify" || seconds % 5 == 0 {
                call["traits"] = Value::Object(odd);
            }
            call
        },
    );
    prop_oneof![6 => taken, 1 => object(12).prop_map(Value::Object), 1 => value()].boxed()
}

fn beginning() -> Timestamp {
    Timestamp::parse("2026-03-28T18:00:00Z").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_clients_send_is_decided_within_bounds_and_always_alike(
        calls in proptest::collection::vec((call(), 0..20_u8), 1..40)
    ) {
        let program = Program::new(playbook()).unwrap();
        let user = UserKey::known("1");
        let mut now = beginning();
        let mut state = UserState::default();
        for (index, (call, ticks)) in calls.into_iter().enumerate() {
            now = now.plus(Span::from_mins(10));
            let facts = Facts { source: "web", received_at: now, sent_at: None, call: None, index, historical: false };
            let Ok(decoded) = decode(call, &facts) else { continue };
            let mut inputs: Vec<Input> = inputs_of(decoded.event).into_iter().map(|(_, input)| input).collect();
            // Links would lead away from this user.
            inputs.retain(|input| !matches!(input, Input::Link { .. }));
            for _ in 0..ticks {
                let deadline = state.next_deadline().filter(|deadline| deadline.since(now) < Span::from_hours(48));
                let Some(at) = deadline else { break };
                step(&program, user, &mut state, &[Input::Tick { at }], at.max(now));
                prop_assert!(state.next_deadline() > Some(at) || state.next_deadline().is_none());
            }
            let (before, mut also) = (state.clone(), state.clone());
            let once = step(&program, user, &mut state, &inputs, now);
            let again = step(&program, user, &mut also, &inputs, now);
            prop_assert_eq!((&once, &state), (&again, &also));
            prop_assert!(state.clock >= before.clock);
            let bytes = state.encode();
            prop_assert!(bytes.len() <= STATE_BYTES_MAX, "{} bytes", bytes.len());
            prop_assert_eq!(&UserState::decode(&bytes).unwrap(), &state);
            for effect in &once.effects {
                serde_json::to_string(effect).unwrap();
            }
        }
    }
}
