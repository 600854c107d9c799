//! What follows from an answer about a user for another one: a cart worth 50 EUR is not empty, and nobody is
//! a customer of the plans gold and silver at once. Sound, not complete.

use kairos_engine::playbook::{
    CartTest, Condition, EventMatch, HabitTest, LocalHours, PlaceSelector, TraitValue, ValueTest,
};
use kairos_engine::time::Span;

use crate::possible::covers;

/// Whether the second holds of everybody of whom the first does.
pub(crate) fn implies(one: &Condition, other: &Condition) -> bool {
    use Condition as C;
    match (one, other) {
        (C::Cart(one), C::Cart(other)) => cart_implies(one, other),
        (C::Trait { name, is }, C::Trait { name: other_name, is: other }) => {
            name == other_name && test_implies(is, other)
        }
        (C::Context { fact, is }, C::Context { fact: other_fact, is: other }) => {
            fact == other_fact && test_implies(is, other)
        }
        (C::LastValue { of, property, is }, C::LastValue { of: other_of, property: other_property, is: other }) => {
            of == other_of && property == other_property && test_implies(is, other)
        }
        (
            C::Did { of, at_least, within, same },
            C::Did { of: other_of, at_least: other_least, within: other_within, same: other_same },
        ) => {
            let of_them = match (same, other_same) {
                (_, None) => all_covered(other_of, of),
                // Of too many values the oldest are forgotten, so that counting more events may count fewer of one.
                (Some(_), Some(_)) => same == other_same && of == other_of,
                (None, Some(_)) => false,
            };
            of_them && at_least >= other_least && lies_within(*within, *other_within)
        }
        (
            C::Distinct { of, property, at_least, within },
            C::Distinct { of: other_of, property: other_property, at_least: other_least, within: other_within },
        ) => {
            all_covered(other_of, of)
                && property == other_property
                && at_least >= other_least
                && lies_within(*within, *other_within)
        }
        // One event may name several values.
        (C::Distinct { of, within, .. }, C::Did { of: other_of, at_least: 1, within: other, same: None }) => {
            all_covered(other_of, of) && lies_within(*within, *other)
        }
        (
            C::Sum { of, property, at_least, currency, within, same },
            C::Sum {
                of: other_of,
                property: other_property,
                at_least: other_least,
                currency: other_currency,
                within: other_within,
                same: other_same,
            },
        ) => {
            at_least >= other_least
                && (of, property, currency, within, same)
                    == (other_of, other_property, other_currency, other_within, other_same)
        }
        (C::First { of, ago }, C::First { of: other_of, ago: other }) => all_covered(other_of, of) && ago >= other,
        (C::Last { of, ago }, C::Last { of: other_of, ago: other }) => of == other_of && ago >= other,
        (C::Last { of, ago }, C::First { of: other_of, ago: other }) => all_covered(other_of, of) && ago >= other,
        (
            C::First { of, .. } | C::Last { of, .. } | C::LastValue { of, .. },
            C::Did { of: other_of, at_least: 1, within: None, same: None },
        ) => all_covered(other_of, of),
        (C::AverageInterval { of, less_than }, C::AverageInterval { of: other_of, less_than: other }) => {
            of == other_of && less_than <= other
        }
        (
            C::Habit { of, on, is: HabitTest::AtLeast(count) },
            C::Habit { of: other_of, on: other_on, is: HabitTest::AtLeast(other) },
        ) => of == other_of && on == other_on && count >= other,
        (C::Visits { at_least, within }, C::Visits { at_least: other_least, within: other }) => {
            at_least >= other_least && within <= other
        }
        (C::LocalTime(one), C::LocalTime(other)) => {
            minutes(one).iter().zip(minutes(other)).all(|(one, other)| !one || other)
        }
        (C::Inside(_), C::Inside(PlaceSelector::Any)) => true,
        (C::Moment { moment, at_least }, C::Moment { moment: other_moment, at_least: other }) => {
            moment == other_moment
                && match (at_least, other) {
                    (_, None) => true,
                    (Some(one), Some(other)) => one >= other,
                    (None, Some(_)) => false,
                }
        }
        (C::Readiness { at_least }, C::Readiness { at_least: other }) => at_least >= other,
        (C::Messaged { play, within }, C::Messaged { play: other_play, within: other }) => {
            (play == other_play || other_play.is_none()) && within <= other
        }
        _ => one == other,
    }
}

/// Whether no user can fulfil both.
pub(crate) fn excludes(one: &Condition, other: &Condition) -> bool {
    use Condition as C;
    match (one, other) {
        (C::Trait { name, is }, C::Trait { name: other_name, is: other }) => {
            name == other_name && test_excludes(is, other)
        }
        (C::Context { fact, is }, C::Context { fact: other_fact, is: other }) => {
            fact == other_fact && test_excludes(is, other)
        }
        (C::LastValue { of, property, is }, C::LastValue { of: other_of, property: other_property, is: other }) => {
            of == other_of && property == other_property && test_excludes(is, other)
        }
        // What was last done so long ago was not done since.
        (C::Last { of, ago }, C::Did { of: did, within: Some(within), .. }) => all_covered(of, did) && within <= ago,
        (C::Moment { moment, .. }, C::Moment { moment: other, .. }) => moment != other,
        (C::LocalTime(one), C::LocalTime(other)) => {
            !minutes(one).iter().zip(minutes(other)).any(|(one, other)| *one && other)
        }
        _ => false,
    }
}

/// Whether each of these events is certainly one of those.
fn all_covered(of: &[EventMatch], events: &[EventMatch]) -> bool {
    events.iter().all(|event| covers(of, event))
}

/// Whether a window lies in another one; for ever without one.
fn lies_within(one: Option<Span>, other: Option<Span>) -> bool {
    match (one, other) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(one), Some(other)) => one <= other,
    }
}

fn cart_implies(one: &CartTest, other: &CartTest) -> bool {
    match (one, other) {
        (CartTest::ItemsAtLeast(1..) | CartTest::Contains { .. }, CartTest::NotEmpty) => true,
        (CartTest::TotalAtLeast { amount, .. }, CartTest::NotEmpty) => *amount > 0.0,
        (CartTest::NotEmpty, CartTest::ItemsAtLeast(count)) => *count <= 1,
        (CartTest::ItemsAtLeast(one), CartTest::ItemsAtLeast(other)) => one >= other,
        (
            CartTest::TotalAtLeast { amount, currency },
            CartTest::TotalAtLeast { amount: other, currency: other_currency },
        ) => amount >= other && (currency == other_currency || other_currency.is_none()),
        (CartTest::Contains { property, is }, CartTest::Contains { property: other_property, is: other }) => {
            property == other_property && test_implies(is, other)
        }
        _ => one == other,
    }
}

/// Each minute of a week, whether it lies in the hours; Monday first.
fn minutes(hours: &LocalHours) -> Vec<bool> {
    const DAY: usize = 24 * 60;
    let mut minutes = vec![false; 7 * DAY];
    let (from, until) = (usize::from(hours.from), usize::from(hours.until));
    let length = if until > from { until - from } else { until + DAY - from };
    for weekday in (0..7).filter(|weekday| hours.weekdays.has(*weekday)) {
        let start = usize::from(weekday) * DAY + from;
        for minute in start..start + length {
            minutes[minute % (7 * DAY)] = true;
        }
    }
    minutes
}

/// Whether every value that fits the first test fits the second.
fn test_implies(one: &ValueTest, other: &ValueTest) -> bool {
    use ValueTest as T;
    if one == other || *other == T::Known {
        return true;
    }
    match (one, other) {
        (T::Equal(value), _) => fits(other, value) == Some(true),
        (T::OneOf(values), _) => values.iter().all(|value| fits(other, value) == Some(true)),
        (T::AtLeast(one) | T::MoreThan(one), T::AtLeast(other)) | (T::MoreThan(one), T::MoreThan(other)) => {
            one >= other
        }
        (T::AtLeast(one), T::MoreThan(other)) => one > other,
        (T::AtMost(one) | T::LessThan(one), T::AtMost(other)) | (T::LessThan(one), T::LessThan(other)) => one <= other,
        (T::AtMost(one), T::LessThan(other)) => one < other,
        (T::OlderThan(one), T::OlderThan(other)) => one >= other,
        (T::NewerThan(one), T::NewerThan(other)) => one <= other,
        (T::Before(one), T::Before(other)) => one <= other,
        (T::Since(one), T::Since(other)) => one >= other,
        (T::Not(one), T::Not(other)) => test_implies(other, one),
        (_, T::Not(other)) => test_excludes(one, other),
        _ => false,
    }
}

/// Whether no value fits both tests.
fn test_excludes(one: &ValueTest, other: &ValueTest) -> bool {
    apart(one, other) || apart(other, one)
}

fn apart(one: &ValueTest, other: &ValueTest) -> bool {
    use ValueTest as T;
    match (one, other) {
        (T::Equal(value), _) => fits(other, value) == Some(false),
        (T::OneOf(values), _) => values.iter().all(|value| fits(other, value) == Some(false)),
        (T::AtLeast(one), T::AtMost(other)) => one > other,
        (T::AtLeast(one) | T::MoreThan(one), T::LessThan(other)) | (T::MoreThan(one), T::AtMost(other)) => one >= other,
        (T::OlderThan(one), T::NewerThan(other)) => one >= other,
        (T::Since(one), T::Before(other)) => one >= other,
        (T::StartsWith(one), T::StartsWith(other)) => {
            let (one, other) = (one.to_lowercase(), other.to_lowercase());
            !one.starts_with(&other) && !other.starts_with(&one)
        }
        (T::Not(one), _) => test_implies(other, one),
        _ => false,
    }
}

/// Whether a value fits a test, as far as it can be told without a clock and without reading one kind of
/// value as another.
fn fits(test: &ValueTest, value: &TraitValue) -> Option<bool> {
    use ValueTest as T;
    match (test, value) {
        (T::Known, _) => Some(true),
        (T::Not(test), _) => fits(test, value).map(|fits| !fits),
        (_, TraitValue::Texts(_)) => None,
        (T::Equal(other), _) => same(value, other),
        (T::OneOf(others), _) => {
            let each: Vec<_> = others.iter().map(|other| same(value, other)).collect();
            if each.contains(&Some(true)) { Some(true) } else { (!each.contains(&None)).then_some(false) }
        }
        (T::AtLeast(bound), TraitValue::Number(number)) => Some(number >= bound),
        (T::MoreThan(bound), TraitValue::Number(number)) => Some(number > bound),
        (T::AtMost(bound), TraitValue::Number(number)) => Some(number <= bound),
        (T::LessThan(bound), TraitValue::Number(number)) => Some(number < bound),
        (T::Contains(part), TraitValue::Text(text)) => Some(text.to_lowercase().contains(&part.to_lowercase())),
        (T::StartsWith(part), TraitValue::Text(text)) => Some(text.to_lowercase().starts_with(&part.to_lowercase())),
        (T::EndsWith(part), TraitValue::Text(text)) => Some(text.to_lowercase().ends_with(&part.to_lowercase())),
        // Yes and no are neither times nor amounts.
        (_, TraitValue::Flag(_)) => Some(false),
        _ => None,
    }
}

/// Whether two values are the same; open between kinds.
fn same(one: &TraitValue, other: &TraitValue) -> Option<bool> {
    (core::mem::discriminant(one) == core::mem::discriminant(other)).then(|| one == other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use kairos_engine::event::{Event, EventKind};
    use kairos_engine::event_name::EventName;
    use kairos_engine::identifiers::{InputId, UserKey};
    use kairos_engine::mailbox::Input;
    use kairos_engine::money::{Currency, Micros};
    use kairos_engine::product::Product;
    use kairos_engine::program::Program;
    use kairos_engine::state::UserState;
    use kairos_engine::step::step;
    use kairos_engine::time::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn one_answer_may_decide_another() {
        use ValueTest as T;
        let text = |text: &str| TraitValue::Text(text.into());
        let gold = || T::Equal(text("gold"));
        let day = Span::from_hours(24);
        for (one, other, follows, apart) in [
            (gold(), T::Known, true, false),
            (gold(), T::Equal(text("silver")), false, true),
            (gold(), T::OneOf(vec![text("silver"), text("gold")]), true, false),
            (T::OneOf(vec![text("silver"), text("iron")]), gold(), false, true),
            (gold(), T::Not(Box::new(gold())), false, true),
            (gold(), T::Not(Box::new(T::Equal(text("iron")))), true, false),
            (gold(), T::StartsWith("GO".into()), true, false),
            (gold(), T::AtLeast(3.0), false, false),
            (T::AtLeast(5.0), T::MoreThan(3.0), true, false),
            (T::AtLeast(5.0), T::LessThan(5.0), false, true),
            (T::AtLeast(5.0), T::AtMost(5.0), false, false),
            (T::Equal(TraitValue::Number(5.0)), T::LessThan(5.0), false, true),
            (T::OlderThan(day), T::OlderThan(Span::from_hours(1)), true, false),
            (T::OlderThan(day), T::NewerThan(day), false, true),
            (T::StartsWith("/a".into()), T::StartsWith("/b".into()), false, true),
            (T::Contains("a".into()), T::Contains("b".into()), false, false),
        ] {
            assert_eq!((test_implies(&one, &other), test_excludes(&one, &other)), (follows, apart), "{one}; {other}");
            assert_eq!(test_excludes(&other, &one), apart, "{other}; {one}");
        }
    }

    /// Conditions of which many decide others.
    const ASKED: [&str; 44] = [
        "cart: not_empty",
        "cart: {items_at_least: 1}",
        "cart: {items_at_least: 3}",
        "cart: {total_at_least: 20}",
        "cart: {total_at_least: 20 EUR}",
        "cart: {contains: {price: {at_least: 10}}}",
        "cart: {contains: {price: {more_than: 5}}}",
        "trait: {name: t, equals: gold}",
        "trait: {name: t, one_of: [gold, silver]}",
        "trait: {name: t, equals: 5}",
        "trait: {name: t, at_least: 5}",
        "trait: {name: t, less_than: 3}",
        "trait: {name: t, equals: true}",
        "trait: {name: t, contains: OL}",
        "trait: {name: t, starts_with: g}",
        "trait: {name: t, starts_with: si}",
        "trait: {name: t, not: {equals: gold}}",
        "trait: {name: t, known: true}",
        "trait: {name: t, older_than: 2d}",
        "trait: {name: t, newer_than: 3d}",
        "did: {event: page}",
        "did: {event: page, at_least: 2, within: 2h}",
        "did: {event: page, at_least: 3, within: 1d}",
        "did: {event: any, at_least: 3, within: 1d}",
        "did: {event: [page, Product Viewed], at_least: 2, within: 1d}",
        "did: {event: Product Viewed, at_least: 2, same: product.id, within: 1d}",
        "did: {event: Product Viewed, at_least: 3, same: product.id}",
        "did: {event: Product Viewed, at_least: 2}",
        "distinct: {event: Product Viewed, property: product.id, at_least: 2, within: 1d}",
        "distinct: {event: Product Viewed, property: product.id, at_least: 3, within: 2h}",
        "first: {event: page, ago: 2h}",
        "first: {event: any, ago: 1h}",
        "last: {event: page, ago: 2h}",
        "last: {event: page, ago: 1h}",
        "last: {event: any, ago: 2h}",
        "last_value: {event: Product Viewed, property: product.id, equals: a}",
        "last_value: {event: Product Viewed, property: product.id, one_of: [b, c]}",
        "visits: {at_least: 1, within: 1d}",
        "visits: {at_least: 2, within: 7d}",
        "local_time: {from: \"08:00\", until: \"12:00\"}",
        "local_time: {from: \"22:00\", until: \"06:00\", on: [friday, saturday]}",
        "moment: buy",
        "moment: {is: buy, at_least: 3}",
        "moment: know",
    ];

    /// The conditions, as the segments of a playbook that answers them.
    fn answering() -> Program {
        let mut files: BTreeMap<String, String> = [
            ("sources.yaml", "sources: {web: {write_key: aaaaaaaaaaaaaaaa}}".to_owned()),
            (
                "moments.yaml",
                "moments:
  buy: {half_life: 1h, reached_at: 1, evidence: {event: Product Added, weight: 2}}
  know: {half_life: 3h, reached_at: 1, evidence: {event: Product Viewed, weight: 1}}
"
                .to_owned(),
            ),
        ]
        .map(|(path, text)| (path.to_owned(), text))
        .into();
        for (number, asked) in ASKED.iter().enumerate() {
            files.insert(format!("segments/s{number:02}.yaml"), format!("title: X\nwho: {{{asked}}}\n"));
        }
        Program::new(crate::compile(&files).unwrap().playbook).unwrap()
    }

    /// An event: what happens, of which product or value.
    fn event(number: usize, at: Timestamp, kind: u8, which: u8) -> Event {
        let id = ["a", "b", "c"][usize::from(which % 3)];
        let product = Product {
            id: id.into(),
            price: Some(Micros::new(i64::from(which % 4) * 6_000_000)),
            currency: Currency::parse(["EUR", "USD"][usize::from(which % 2)]),
            quantity: u32::from(which % 2) + 1,
            ..Product::default()
        };
        let track = |event| EventKind::Track { event, properties: Map::new() };
        let old = at.minus(Span::from_hours(i64::from(which) * 20)).to_string();
        let values = [json!("gold"), json!("silver"), json!("old"), json!(5), json!(1.5), json!(true), json!(old)];
        let (kind, products) = match kind {
            0 => (EventKind::Page { name: None, properties: Map::new() }, Vec::new()),
            1 => (track(EventName::ProductViewed), vec![product]),
            2 => (track(EventName::ProductAdded), vec![product]),
            3 => (track(EventName::OrderCompleted), vec![product]),
            _ => {
                let value = values[usize::from(which) % values.len()].clone();
                (EventKind::Identify { traits: Map::from_iter([("t".to_owned(), value)]) }, Vec::new())
            }
        };
        Event {
            id: InputId::of_message("web", &number.to_string()),
            at,
            source: "web".into(),
            user_id: Some("u".into()),
            anonymous_id: None,
            kind,
            context: Map::new(),
            products,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        /// What is said to follow from an answer follows for every history, and what is said to be excluded never is.
        #[test]
        fn no_history_contradicts_what_one_answer_says_of_another(
            happened in prop::collection::vec((0_u8..5, 0_u8..12, 0_i64..300), 0..14),
            later in 0_i64..4_000,
        ) {
            static PROGRAM: LazyLock<Program> = LazyLock::new(answering);
            let mut at = Timestamp::parse("2026-05-01T06:00:00Z").unwrap();
            let user = UserKey::known("u");
            let mut state = UserState::default();
            for (number, (kind, which, minutes)) in happened.into_iter().enumerate() {
                at = at.plus(Span::from_mins(minutes));
                let input = Input::event(event(number, at, kind, which));
                step(&PROGRAM, user, &mut state, &[input], at);
            }
            let at = at.plus(Span::from_mins(later));
            step(&PROGRAM, user, &mut state, &[Input::Tick { at }], at);
            let conditions = PROGRAM.playbook().segments.iter().map(|segment| &segment.who);
            let answers: Vec<_> = conditions
                .map(|condition| (condition, PROGRAM.verdict(condition, &state, at).unwrap().holds))
                .collect();
            for (one, holds) in &answers {
                for (other, other_holds) in &answers {
                    prop_assert!(!implies(one, other) || !holds || *other_holds, "{one} was to imply {other}");
                    prop_assert!(!excludes(one, other) || !holds || !other_holds, "{one} was to exclude {other}");
                }
            }
        }
    }
}
