//! Random histories: few kinds of events, few values, and times at which windows end to the millisecond.

use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::InputId;
use kairos_engine::time::{Span, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// The spans of conditions and, give or take a millisecond, of what lies between events.
pub(crate) const SPANS: [Span; 8] = [
    Span::from_secs(1),
    Span::from_secs(45),
    Span::from_mins(10),
    Span::from_mins(30),
    Span::from_hours(1),
    Span::from_hours(2),
    Span::from_hours(7),
    Span::from_hours(24),
];

/// The evening before clocks go forward in Europe.
pub(crate) fn beginning() -> Timestamp {
    Timestamp::parse("2026-03-28T18:00:00Z").unwrap()
}

/// The evening before they go back.
fn autumn() -> Timestamp {
    Timestamp::parse("2026-10-24T18:00:00Z").unwrap()
}

/// The play that sends a message sends it after this. Few enough that no burst is held back.
pub(crate) const ASKED: &str = "Help Asked";
const ASKED_MAX: usize = 6;

fn maybe(strategy: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    proptest::option::weighted(0.4, strategy).boxed()
}

fn object(fields: Vec<(&'static str, BoxedStrategy<Option<Value>>)>) -> impl Strategy<Value = Map<String, Value>> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    values.prop_map(move |values| {
        let known = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        known.collect()
    })
}

pub(crate) fn product_id() -> impl Strategy<Value = String> {
    // More than are counted apart.
    prop_oneof![3 => 0..3_u8, 1 => 0..12_u8].prop_map(|number| format!("p{number}"))
}

fn product() -> impl Strategy<Value = Value> {
    let price = maybe(select(vec![json!(0.1), json!(9.99), json!(25), json!("50")]));
    let category = maybe(select(vec![json!("shoes"), json!("bags"), json!("Rain Coats")]));
    let quantity = maybe(select(vec![json!(1), json!(2), json!(3)]));
    let currency = maybe(select(vec![json!("EUR"), json!("usd")]));
    let fields = object(vec![("price", price), ("category", category), ("quantity", quantity), ("currency", currency)]);
    (product_id(), fields).prop_map(|(id, mut fields)| {
        fields.insert("product_id".into(), json!(id));
        Value::Object(fields)
    })
}

fn time_text() -> impl Strategy<Value = Value> {
    (select(SPANS.to_vec()), -3..6_i64).prop_map(|(span, times)| {
        json!(Timestamp::from_millis(beginning().as_millis() + span.as_millis() * times).to_string())
    })
}

fn properties() -> impl Strategy<Value = Map<String, Value>> {
    let own = object(vec![
        ("query", maybe(select(vec![json!("coffee"), json!("Coffee beans"), json!("tea")]))),
        ("seconds", maybe(select(vec![json!(0.5), json!(2), json!(10), json!(20.25)]))),
        ("size", maybe(select(vec![json!(1), json!(2), json!(3)]))),
        ("total", maybe(select(vec![json!(0.1), json!(0.2), json!(9.99), json!(25), json!(50)]))),
        ("currency", maybe(select(vec![json!("EUR"), json!("USD"), json!("eur")]))),
        ("tags", maybe(select(vec![json!(["new"]), json!(["new", "Sale"]), json!([])]))),
        ("paid", maybe(any::<bool>().prop_map(Value::from))),
        ("when", maybe(time_text())),
        ("video", maybe((0..4_u8).prop_map(|position| json!({"position": position})))),
        ("place", maybe(select(vec![json!("cafe"), json!("shop")]))),
    ]);
    let products = prop_oneof![
        1 => Just(Map::new()),
        1 => product().prop_map(|product| product.as_object().unwrap().clone()),
        1 => proptest::collection::vec(product(), 1..4)
            .prop_map(|products| Map::from_iter([("products".to_owned(), Value::from(products))])),
    ];
    (own, products).prop_map(|(mut own, products)| {
        own.extend(products);
        own
    })
}

fn traits() -> impl Strategy<Value = Map<String, Value>> {
    object(vec![
        ("email", maybe(select(vec![json!("ann@shop.example"), Value::Null]))),
        ("phone", maybe(select(vec![json!("+491512345678"), Value::Null]))),
        ("plan", maybe(select(vec![json!("gold"), json!("Silver"), json!(3), Value::Null]))),
        ("age", maybe(select(vec![json!(17), json!(18), json!(42.5)]))),
        ("since", maybe(time_text())),
        ("likes", maybe(select(vec![json!(["tea", "Coffee"]), json!([])]))),
    ])
}

fn kind() -> impl Strategy<Value = EventKind> {
    let names = [
        (6, EventName::ProductViewed),
        (4, EventName::ProductAdded),
        (2, EventName::ProductRemoved),
        (4, EventName::OrderCompleted),
        (1, EventName::CheckoutStarted),
        (2, EventName::parse("Place Entered")),
        (1, EventName::parse("Place Left")),
        (1, EventName::parse(ASKED)),
    ];
    let names: Vec<EventName> = names.into_iter().flat_map(|(weight, name)| vec![name; weight]).collect();
    prop_oneof![
        12 => (select(names), properties()).prop_map(|(event, properties)| EventKind::Track { event, properties }),
        3 => traits().prop_map(|traits| EventKind::Identify { traits }),
        2 => properties().prop_map(|properties| EventKind::Page { name: None, properties }),
        1 => properties().prop_map(|properties| EventKind::Screen { name: Some("Home".into()), properties }),
        1 => Just(EventKind::Alias { previous_id: "before".into() }),
    ]
}

fn context() -> impl Strategy<Value = Map<String, Value>> {
    let position = |latitude: f64, longitude: f64| json!({"latitude": latitude, "longitude": longitude});
    let location = select(vec![
        // In the café, in the shop, in both, in neither, unknown.
        position(52.5200, 13.4000),
        position(52.5290, 13.4000),
        position(52.5245, 13.4000),
        position(48.1, 11.5),
        json!({"city": "Berlin", "region": "BE", "country": "DE"}),
        json!({"city": "Bern", "region": "BE", "country": "CH"}),
    ]);
    let campaign = select(vec![
        json!({"source": "news", "medium": "email", "name": "spring"}),
        json!({"source": "ads", "medium": "cpc", "name": "spring"}),
    ]);
    let told = object(vec![
        ("location", maybe(location)),
        ("campaign", maybe(campaign)),
        ("timezone", maybe(select(vec![json!("America/New_York"), json!("Asia/Kolkata"), json!("No/Where")]))),
        ("locale", maybe(select(vec![json!("de-DE"), json!("fr")]))),
        ("page", maybe(select(vec![json!({"path": "/promo/shoes"}), json!({"path": "/help"})]))),
    ]);
    prop_oneof![1 => Just(Map::new()), 1 => told]
}

/// How long after the one before an event happens; and how much earlier its own client says that it did.
fn gap() -> impl Strategy<Value = i64> {
    let spans: Vec<i64> = SPANS.iter().map(|span| span.as_millis()).collect();
    prop_oneof![
        2 => select(vec![0, 1]),
        6 => (select(spans[..6].to_vec()), -1..2_i64).prop_map(|(span, by)| span + by),
        1 => (select(spans.clone()), -1..2_i64).prop_map(|(span, by)| span + by),
        3 => (select(spans[..5].to_vec()), 2..5_i64).prop_map(|(span, parts)| span / parts),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<Event>> {
    let late = prop_oneof![9 => Just(0), 1 => gap()];
    let source = select(vec!["web", "app"]);
    let start = prop_oneof![3 => Just(beginning()), 1 => Just(autumn())];
    let all = proptest::collection::vec((gap(), late, kind(), context(), source), 1..30);
    (start, all).prop_map(|(start, all)| {
        let mut clock = start;
        let mut asked = 0;
        let mut events = Vec::new();
        for (number, (gap, late, kind, context, source)) in all.into_iter().enumerate() {
            let asks = matches!(&kind, EventKind::Track { event, .. } if event.as_str() == ASKED);
            asked += usize::from(asks);
            if asks && asked > ASKED_MAX {
                continue;
            }
            clock = clock.plus(Span::from_millis(gap));
            let at = clock.minus(Span::from_millis(late));
            let id = InputId::of_message("truth", &number.to_string());
            events.push(Event::new(id, at, source.into(), Some("1".into()), None, kind, context));
        }
        events
    })
}
