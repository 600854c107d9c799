//! The playbook that `step` is measured with: twenty plays and thirty segments, of the kinds that shops have,
//! over what the recorded events have in them (views, carts, purchases, categories, brands, prices).

use std::collections::BTreeMap;

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Cap, CartTest, Change, Channel, Condition, EventMatch, EventPattern, Evidence, Goal, Moment, MomentSettings,
    Moments, Play, Playbook, Property, PropertyFilter, ReachTest, Readiness, ReadinessTerm, ReadinessValue, Segment,
    Step, TraitValue, Trigger, ValueTest,
};
use kairos_engine::time::Span;

const fn days(days: i64) -> Span {
    Span::from_hours(24 * days)
}

fn events(name: EventName) -> Vec<EventMatch> {
    vec![EventMatch::all(EventPattern::Track(name))]
}

fn property(path: &str) -> Property {
    Property::parse(path).expect("it is written here")
}

fn views_where(path: &str, is: ValueTest) -> Vec<EventMatch> {
    let filter = PropertyFilter { property: property(path), is, currency: None };
    vec![EventMatch { event: EventPattern::Track(EventName::ProductViewed), filters: vec![filter] }]
}

fn did(of: Vec<EventMatch>, at_least: u32, within: Span) -> Condition {
    Condition::Did { of, at_least, within: Some(within), same: None }
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn spent(at_least: f64, within: Option<Span>) -> Condition {
    let of = events(EventName::OrderCompleted);
    Condition::Sum { of, property: property("total"), at_least, currency: None, within, same: None }
}

fn text(text: &str) -> ValueTest {
    ValueTest::Equal(TraitValue::Text(text.into()))
}

/// The thirty conditions.
pub fn conditions() -> Vec<(&'static str, Condition)> {
    let view = || events(EventName::ProductViewed);
    let add = || events(EventName::ProductAdded);
    let order = || events(EventName::OrderCompleted);
    vec![
        ("interested", did(view(), 3, days(7))),
        ("busy", did(view(), 10, days(1))),
        ("has_a_cart", Condition::Cart(CartTest::NotEmpty)),
        ("puts_aside", did(add(), 2, days(7))),
        ("not_bought_of_late", not(did(order(), 1, days(30)))),
        ("bought_of_late", did(order(), 1, days(30))),
        ("loyal", did(order(), 3, days(90))),
        ("big_spender", spent(500.0, None)),
        ("spends_now", spent(200.0, Some(days(30)))),
        (
            "curious",
            Condition::Distinct {
                of: view(),
                property: property("product.category"),
                at_least: 3,
                within: Some(days(1)),
            },
        ),
        (
            "comes_back_to_one",
            Condition::Did { of: view(), at_least: 3, within: Some(days(1)), same: Some(property("product.id")) },
        ),
        (
            "looks_then_takes",
            Condition::Sequence { steps: vec![view(), add()], within: Span::from_hours(1), last: Some(days(7)) },
        ),
        ("left_it", Condition::Absence { after: add(), of: order(), wait: Span::from_hours(2) }),
        ("gone", Condition::Last { of: view(), ago: days(1) }),
        ("new", not(Condition::First { of: view(), ago: days(7) })),
        ("returns", Condition::Visits { at_least: 3, within: days(7) }),
        ("regular", Condition::AverageInterval { of: order(), less_than: days(30) }),
        ("electronics", did(views_where("product.category", ValueTest::StartsWith("electronics".into())), 3, days(7))),
        ("expensive", did(views_where("product.price", ValueTest::AtLeast(500.0)), 2, days(7))),
        ("bargains", did(views_where("product.price", ValueTest::LessThan(20.0)), 5, days(7))),
        ("samsung", did(views_where("brand", text("samsung")), 2, days(7))),
        ("apple", did(views_where("brand", text("apple")), 2, days(7))),
        (
            "reachable_with_cart",
            Condition::All(vec![Condition::Segment("has_a_cart".into()), Condition::Reachable(ReachTest::Anyhow)]),
        ),
        ("window_shopper", Condition::All(vec![did(view(), 5, days(7)), not(did(add(), 1, days(7)))])),
        ("about_to_buy", Condition::Moment { moment: Moment::Buy, at_least: None }),
        ("ready", Condition::Readiness { at_least: 0.5 }),
        (
            "phones",
            Condition::LastValue {
                of: view(),
                property: property("product.category"),
                is: ValueTest::Contains("smartphone".into()),
            },
        ),
        ("full_cart", Condition::Cart(CartTest::TotalAtLeast { amount: 300.0, currency: None })),
        ("vip", Condition::Any(vec![Condition::Segment("big_spender".into()), Condition::Segment("loyal".into())])),
        ("lapsed", Condition::All(vec![Condition::Last { of: order(), ago: days(60) }, not(did(view(), 1, days(14)))])),
    ]
}

fn moments() -> Moments {
    let evidence = |name, weight| Evidence { of: events(name), weight };
    let buy = MomentSettings {
        half_life: Span::from_mins(30),
        reached_at: 3.0,
        evidence: vec![evidence(EventName::ProductAdded, 2.0), evidence(EventName::CheckoutStarted, 3.0)],
    };
    let know = MomentSettings {
        half_life: Span::from_mins(20),
        reached_at: 2.0,
        evidence: vec![evidence(EventName::ProductViewed, 1.0)],
    };
    let term = |value, weight| ReadinessTerm { value, weight };
    Moments {
        moments: BTreeMap::from([(Moment::Know, know), (Moment::Buy, buy)]),
        readiness: Some(Readiness {
            intercept: -3.0,
            terms: vec![
                term(ReadinessValue::Holds(Condition::Cart(CartTest::NotEmpty)), 1.5),
                term(ReadinessValue::Strength(Moment::Buy), 0.4),
                term(ReadinessValue::Strength(Moment::Know), 0.1),
            ],
        }),
    }
}

/// Twenty plays and thirty segments, with the messages and channels of `playbook`.
pub fn twenty_plays_thirty_segments(playbook: &Playbook) -> Playbook {
    let segments: Vec<Segment> =
        conditions().into_iter().map(|(name, who)| Segment { name: name.into(), title: name.into(), who }).collect();
    let send = Step::Send {
        message: "abandoned_cart".into(),
        channels: vec![Channel::Email, Channel::Sms],
        order: Default::default(),
    };
    let order = events(EventName::OrderCompleted);
    let triggers: Vec<Trigger> = (1..=4)
        .map(|hours| Trigger::Absence {
            after: events(EventName::ProductAdded),
            of: order.clone(),
            wait: Span::from_hours(hours),
        })
        .chain(
            ["window_shopper", "lapsed", "loyal", "vip", "comes_back_to_one", "expensive"]
                .map(|name| Trigger::Segment { name: name.into(), on: Change::Entry }),
        )
        .chain(["has_a_cart", "about_to_buy"].map(|name| Trigger::Segment { name: name.into(), on: Change::Exit }))
        .chain([
            Trigger::Becomes(did(events(EventName::ProductViewed), 20, days(1))),
            Trigger::Becomes(Condition::Last { of: events(EventName::ProductViewed), ago: days(30) }),
            Trigger::Becomes(Condition::Moment { moment: Moment::Know, at_least: Some(5.0) }),
            Trigger::Becomes(Condition::Readiness { at_least: 0.8 }),
            Trigger::Event(order.clone()),
            Trigger::Event(events(EventName::ProductAddedToWishlist)),
            Trigger::Sequence {
                steps: vec![events(EventName::ProductAdded), events(EventName::OrderCompleted)],
                within: Span::from_hours(1),
            },
            Trigger::RunOut { of: order.clone(), before: days(3), lasts: Some(days(30)) },
        ])
        .collect();
    let plays = triggers
        .into_iter()
        .enumerate()
        .map(|(number, trigger)| Play {
            name: format!("play_{number:02}").into(),
            title: format!("Play {number}"),
            trigger,
            who: Condition::Reachable(ReachTest::Anyhow),
            goal: Some(Goal { of: order.clone(), within: days(3) }),
            valid_for: Span::from_hours(6),
            caps: vec![Cap { at_most: 1, per: days(7) }],
            steps: vec![send.clone()],
            ..Play::default()
        })
        .collect();
    Playbook { segments, plays, moments: moments(), ..playbook.clone() }
}
