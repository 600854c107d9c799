//! What the second reading is given: at each event of a replay, what its user did so far, and what is known of them
//! that is no history; and what Kairos says of the conditions then.

use std::collections::VecDeque;

use kairos_benches::shoppers::Shop;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::mailbox::Input;
use kairos_engine::playbook::{Channel, Moment as MicroMoment, ReadinessValue};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

use crate::Condition;

/// The newest events of a user that a shop would send along with each event.
pub const HISTORY_MAX: usize = 100;

/// Where windows begin, before the event.
const WINDOWS: [(&str, Span); 7] = [
    ("two_hours_ago", Span::from_hours(2)),
    ("day_ago", Span::from_hours(24)),
    ("week_ago", Span::from_hours(24 * 7)),
    ("two_weeks_ago", Span::from_hours(24 * 14)),
    ("month_ago", Span::from_hours(24 * 30)),
    ("two_months_ago", Span::from_hours(24 * 60)),
    ("quarter_ago", Span::from_hours(24 * 90)),
];

/// One event of the replay, just after it happened.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The user's events so far, this one among them, the newest first: indexes into the replay's events.
    pub history: Vec<usize>,
    /// All other variables.
    pub facts: Map<String, Value>,
    /// What Kairos says of each condition, in their order.
    pub answers: Vec<bool>,
}

/// The same events with so much more time between them that windows of days and weeks open and close.
pub fn stretched(shop: &Shop, times: i64) -> Shop {
    let mut shop = shop.clone();
    let start = shop.events.first().map(|(_, input)| input.at()).unwrap_or_default();
    let inputs = shop.events.iter_mut().map(|(_, input)| input).chain(&mut shop.introductions);
    for input in inputs {
        if let Input::Event { event, .. } = input {
            event.at = start.plus(Span::from_millis(event.at.since(start).as_millis() * times));
        }
    }
    shop
}

/// Plays the shop's events to Kairos and notes every moment.
pub fn moments(program: &Program, shop: &Shop, mut states: Vec<UserState>, conditions: &[Condition]) -> Vec<Moment> {
    let mut histories = vec![VecDeque::new(); shop.people.len()];
    let mut moments = Vec::with_capacity(shop.events.len());
    for (number, (person, input)) in shop.events.iter().enumerate() {
        let state = &mut states[*person];
        step(program, shop.people[*person], state, std::slice::from_ref(input), input.at());
        let history = &mut histories[*person];
        history.push_front(number);
        history.truncate(HISTORY_MAX);
        let members = program.memberships(state);
        let is_member = |name: &str| members.iter().any(|(member, _)| *member == name);
        moments.push(Moment {
            history: history.iter().copied().collect(),
            facts: facts(program, state),
            answers: conditions.iter().map(|(name, ..)| is_member(name)).collect(),
        });
    }
    moments
}

/// The objects that histories consist of, one for each event of the shop.
pub fn objects(shop: &Shop) -> Vec<Value> {
    let mut rows = vec![0; shop.people.len()];
    let mut object = |(person, input): &(usize, Input)| {
        let Input::Event { event, .. } = input else { panic!("a shop's inputs are events") };
        rows[*person] += 1;
        object(event, rows[*person])
    };
    shop.events.iter().map(&mut object).collect()
}

fn object(event: &Event, row: i64) -> Value {
    let EventKind::Track { event: name, properties } = &event.kind else { panic!("shoppers' events are tracked") };
    let name = match name {
        EventName::ProductViewed => "view",
        EventName::ProductAdded => "cart",
        EventName::OrderCompleted => "purchase",
        other => panic!("{other} is not among the shop's events"),
    };
    let product = event.products.first().expect("each of the shop's events is about a product");
    let item = properties
        .get("products")
        .map_or(properties, |products| products[0].as_object().expect("a purchase names its products"));
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    json!({
        "event": name, "at": event.at.as_millis(), "row": row, "product": product.id, "category": text("category"),
        "brand": text("brand"), "price": number(item.get("price")).expect("each of the shop's products has a price"),
        "total": number(properties.get("total")).unwrap_or(0.0),
    })
}

/// What is known of a user that is no history, and what cel cannot compute from it: strengths halve with time, and
/// readiness is an exponential.
fn facts(program: &Program, state: &UserState) -> Map<String, Value> {
    let now = state.clock;
    let (know, buy) = (strength(program, state, MicroMoment::Know), strength(program, state, MicroMoment::Buy));
    let (total, _) = state.cart.total();
    let reachable = Channel::ALL.iter().any(|channel| state.is_reachable(*channel));
    let mut facts = Map::from_iter([
        ("cart_items".to_owned(), json!(state.cart.items().len())),
        ("cart_total".to_owned(), json!(total.map_or(0.0, |total| total.get() as f64 / 1e6))),
        ("reachable".to_owned(), json!(reachable)),
        ("know".to_owned(), json!(know)),
        ("buy".to_owned(), json!(buy)),
        ("readiness".to_owned(), json!(readiness(program, state))),
    ]);
    let before = |span: Span| Timestamp::from_millis(now.as_millis() - span.as_millis());
    facts.extend(WINDOWS.map(|(name, span)| (name.to_owned(), json!(before(span).as_millis()))));
    facts
}

fn strength(program: &Program, state: &UserState, moment: MicroMoment) -> f64 {
    let settings = &program.playbook().moments.moments[&moment];
    let known = state.moments.iter().find(|known| known.moment == moment);
    known.map_or(0.0, |known| known.strength_at(state.clock, settings.half_life))
}

fn readiness(program: &Program, state: &UserState) -> f64 {
    let formula = program.playbook().moments.readiness.as_ref().expect("the measured playbook has a formula");
    let holds = |condition| program.verdict(condition, state, state.clock).is_some_and(|verdict| verdict.holds);
    let terms = formula.terms.iter().map(|term| {
        term.weight
            * match &term.value {
                ReadinessValue::Strength(moment) => strength(program, state, *moment),
                ReadinessValue::Holds(condition) => f64::from(u8::from(holds(condition))),
            }
    });
    1.0 / (1.0 + (-(formula.intercept + terms.sum::<f64>())).exp())
}
