//! Random conditions of every kind, small enough that random histories meet them.

use kairos_engine::event_name::EventName;
use kairos_engine::money::Currency;
use kairos_engine::playbook::{
    CartTest, Channel, Condition, ContextFact, EventMatch, EventPattern, Evidence, HabitSlot, HabitTest, LocalHours,
    Moment, MomentSettings, Moments, Place, PlaceSelector, Playbook, Policy, Property, PropertyFilter, ReachTest,
    Readiness, ReadinessTerm, ReadinessValue, Segment, TraitValue, ValueTest, Weekdays,
};
use kairos_engine::time::{Span, Timestamp};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::histories::{ASKED, SPANS, beginning};

fn property(path: &str) -> Property {
    Property::parse(path).unwrap()
}

fn currency() -> impl Strategy<Value = Option<Currency>> {
    option::weighted(0.4, select(vec![Currency::parse("EUR").unwrap(), Currency::parse("USD").unwrap()]))
}

fn span() -> impl Strategy<Value = Span> {
    select(SPANS.to_vec())
}

fn text_of(texts: &'static [&'static str]) -> impl Strategy<Value = TraitValue> {
    select(texts).prop_map(|text| TraitValue::Text(text.into()))
}

/// Tests that fit texts.
fn text_test(texts: &'static [&'static str]) -> BoxedStrategy<ValueTest> {
    let part = || select(texts).prop_map(|text| text.chars().take(3).collect::<String>().to_uppercase());
    let end = select(texts).prop_map(|text| text.chars().skip(2).collect::<String>());
    prop_oneof![
        1 => Just(ValueTest::Known),
        4 => text_of(texts).prop_map(ValueTest::Equal),
        1 => proptest::collection::vec(text_of(texts), 1..3).prop_map(ValueTest::OneOf),
        1 => part().prop_map(ValueTest::Contains),
        1 => part().prop_map(ValueTest::StartsWith),
        1 => end.prop_map(ValueTest::EndsWith),
        1 => Just(ValueTest::AtLeast(1.0)),
    ]
    .boxed()
}

fn number_test() -> BoxedStrategy<ValueTest> {
    let number = || select(vec![0.1, 1.0, 2.0, 3.0, 9.99, 20.25, 25.0]);
    prop_oneof![
        number().prop_map(ValueTest::AtLeast),
        number().prop_map(ValueTest::MoreThan),
        number().prop_map(ValueTest::AtMost),
        number().prop_map(ValueTest::LessThan),
        number().prop_map(|number| ValueTest::Equal(TraitValue::Number(number))),
    ]
    .boxed()
}

fn time_test() -> BoxedStrategy<ValueTest> {
    let moment = || {
        (span(), -2..3_i64)
            .prop_map(|(span, times)| Timestamp::from_millis(beginning().as_millis() + span.as_millis() * times))
    };
    prop_oneof![
        2 => span().prop_map(ValueTest::OlderThan),
        2 => span().prop_map(ValueTest::NewerThan),
        1 => moment().prop_map(ValueTest::Before),
        1 => moment().prop_map(ValueTest::Since),
    ]
    .boxed()
}

fn negated(test: BoxedStrategy<ValueTest>) -> BoxedStrategy<ValueTest> {
    (test, proptest::bool::weighted(0.2))
        .prop_map(|(test, not)| if not { ValueTest::Not(Box::new(test)) } else { test })
        .boxed()
}

const IDS: &[&str] = &["p0", "p1", "p2", "p7"];
const CATEGORIES: &[&str] = &["shoes", "bags", "Rain Coats"];
const QUERIES: &[&str] = &["coffee", "Coffee beans", "tea"];

/// A detail of events with a test that can hold of it.
fn tested(products: bool) -> BoxedStrategy<(Property, ValueTest)> {
    let of = |path: &str, test: BoxedStrategy<ValueTest>| {
        let property = property(path);
        negated(test).prop_map(move |test| (property.clone(), test)).boxed()
    };
    let flag = any::<bool>().prop_map(|flag| ValueTest::Equal(TraitValue::Flag(flag))).boxed();
    let own = prop_oneof![
        of("query", text_test(QUERIES)),
        of("size", number_test()),
        of("total", number_test()),
        of("video.position", number_test()),
        of("paid", flag),
        of("tags", select(vec!["new", "SALE"]).prop_map(|tag| ValueTest::Contains(tag.into())).boxed()),
        of("when", time_test()),
        of("context.page.path", text_test(&["/promo/shoes", "/help"])),
    ];
    if !products {
        return own.boxed();
    }
    let of_products = prop_oneof![
        of("product.id", text_test(IDS)),
        of("product.category", text_test(CATEGORIES)),
        of("product.price", number_test()),
        of("product.quantity", number_test()),
    ];
    prop_oneof![own, of_products].boxed()
}

fn meant() -> impl Strategy<Value = EventMatch> {
    let pattern = select(vec![
        EventPattern::Track(EventName::ProductViewed),
        EventPattern::Track(EventName::ProductViewed),
        EventPattern::Track(EventName::ProductAdded),
        EventPattern::Track(EventName::OrderCompleted),
        EventPattern::Track(EventName::OrderCompleted),
        EventPattern::Page,
        EventPattern::Screen,
        EventPattern::Identify,
        EventPattern::Any,
    ]);
    let filter = (tested(true), currency()).prop_map(|((property, is), currency)| {
        let money =
            property == Property::parse("total").unwrap() || property == Property::parse("product.price").unwrap();
        PropertyFilter { property, is, currency: currency.filter(|_| money) }
    });
    let filters = prop_oneof![3 => Just(Vec::new()), 1 => proptest::collection::vec(filter, 1..3)];
    (pattern, filters).prop_map(|(event, filters)| EventMatch { event, filters })
}

fn of() -> impl Strategy<Value = Vec<EventMatch>> {
    prop_oneof![4 => meant().prop_map(|meant| vec![meant]), 1 => proptest::collection::vec(meant(), 2..3)]
}

fn counted_apart() -> impl Strategy<Value = Property> {
    select(vec!["product.id", "product.id", "product.category", "query", "size"]).prop_map(property)
}

fn number() -> impl Strategy<Value = Property> {
    select(vec!["seconds", "total", "size", "product.price", "product.quantity", "video.position"]).prop_map(property)
}

pub(crate) const MOMENTS: [Moment; 4] = [Moment::Know, Moment::Go, Moment::Do, Moment::Buy];

fn weekdays() -> impl Strategy<Value = Weekdays> {
    (1..128_u8).prop_map(Weekdays)
}

/// Questions about what was done.
fn behaviour() -> BoxedStrategy<Condition> {
    let within = || option::of(span());
    let few = || 1..5_u32;
    let sequence = (proptest::collection::vec(of(), 2..4), span(), within());
    let slot = prop_oneof![
        1 => weekdays().prop_map(HabitSlot::Weekdays),
        1 => (0..24_u8, 0..24_u8).prop_map(|(from, until)| HabitSlot::Hours { from, until }),
        1 => Just(HabitSlot::Today),
    ];
    let regular = prop_oneof![few().prop_map(HabitTest::AtLeast), Just(HabitTest::Favourite)];
    let amount = select(vec![0.3, 1.0, 5.0, 19.98, 30.0, 75.5]);
    prop_oneof![
        4 => (of(), few(), within(), option::weighted(0.4, counted_apart()))
            .prop_map(|(of, at_least, within, same)| Condition::Did { of, at_least, within, same }),
        1 => (of(), span()).prop_map(|(of, ago)| Condition::First { of, ago }),
        1 => (of(), span()).prop_map(|(of, ago)| Condition::Last { of, ago }),
        1 => (of(), tested(false)).prop_map(|(of, (property, is))| Condition::LastValue { of, property, is }),
        3 => (of(), number(), amount, currency(), within(), option::weighted(0.4, counted_apart())).prop_map(
            |(of, property, at_least, currency, within, same)| {
                Condition::Sum { of, property, at_least, currency, within, same }
            }
        ),
        2 => (of(), counted_apart(), few(), within())
            .prop_map(|(of, property, at_least, within)| Condition::Distinct { of, property, at_least, within }),
        2 => sequence.prop_map(|(steps, within, last)| Condition::Sequence { steps, within, last }),
        2 => (of(), of(), span()).prop_map(|(after, of, wait)| Condition::Absence { after, of, wait }),
        1 => (of(), span()).prop_map(|(of, less_than)| Condition::AverageInterval { of, less_than }),
        2 => (of(), slot, regular).prop_map(|(of, on, is)| Condition::Habit { of, on, is }),
        1 => (few(), span()).prop_map(|(at_least, within)| Condition::Visits { at_least, within }),
        1 => (any::<bool>(), span()).prop_map(|(named, within)| {
            Condition::Messaged { play: named.then(|| "help".into()), within }
        }),
    ]
    .boxed()
}

fn trait_test() -> impl Strategy<Value = (String, ValueTest)> {
    prop_oneof![
        negated(text_test(&["gold", "Silver"])).prop_map(|is| ("plan".to_owned(), is)),
        negated(number_test()).prop_map(|is| ("age".to_owned(), is)),
        negated(time_test()).prop_map(|is| ("since".to_owned(), is)),
        select(vec!["tea", "COFFEE"]).prop_map(|text| ("likes".to_owned(), ValueTest::Contains(text.into()))),
    ]
}

fn context_fact() -> impl Strategy<Value = (ContextFact, ValueTest)> {
    let of = |fact: ContextFact, texts: &'static [&'static str]| {
        negated(text_test(texts)).prop_map(move |test| (fact, test)).boxed()
    };
    prop_oneof![
        of(ContextFact::Source, &["web", "app"]),
        of(ContextFact::CampaignSource, &["news", "ads"]),
        of(ContextFact::CampaignMedium, &["email", "cpc"]),
        of(ContextFact::CampaignName, &["spring"]),
        of(ContextFact::City, &["Berlin", "Bern"]),
        of(ContextFact::Region, &["BE"]),
        of(ContextFact::Language, &["de", "fr"]),
    ]
}

/// Questions about who, where and when.
fn circumstance() -> BoxedStrategy<Condition> {
    let cart = prop_oneof![
        Just(CartTest::NotEmpty),
        Just(CartTest::Empty),
        (1..6_u32).prop_map(CartTest::ItemsAtLeast),
        (select(vec![0.1, 25.0, 50.0, 100.5]), currency())
            .prop_map(|(amount, currency)| CartTest::TotalAtLeast { amount, currency }),
        prop_oneof![
            text_test(IDS).prop_map(|is| ("product.id", is)),
            text_test(CATEGORIES).prop_map(|is| ("product.category", is)),
            number_test().prop_map(|is| ("product.price", is)),
        ]
        .prop_map(|(path, is)| CartTest::Contains { property: property(path), is }),
    ];
    let reach = select(vec![ReachTest::Anyhow, ReachTest::By(Channel::Email), ReachTest::By(Channel::Sms)]);
    let place = select(vec![
        PlaceSelector::Any,
        PlaceSelector::Kind("food".into()),
        PlaceSelector::Named("shop".into()),
        PlaceSelector::Named("cafe".into()),
    ]);
    let hours = (0..48_u16, 0..49_u16, weekdays()).prop_map(|(from, until, weekdays)| LocalHours {
        from: from * 30,
        until: until * 30,
        weekdays,
    });
    prop_oneof![
        2 => cart.prop_map(Condition::Cart),
        1 => reach.prop_map(Condition::Reachable),
        2 => trait_test().prop_map(|(name, is)| Condition::Trait { name, is }),
        1 => context_fact().prop_map(|(fact, is)| Condition::Context { fact, is }),
        1 => hours.prop_map(Condition::LocalTime),
        2 => place.prop_map(Condition::Inside),
        2 => (select(MOMENTS.to_vec()), option::of(select(vec![1.43, 3.7])))
            .prop_map(|(moment, at_least)| Condition::Moment { moment, at_least }),
    ]
    .boxed()
}

fn nested(leaf: BoxedStrategy<Condition>) -> BoxedStrategy<Condition> {
    leaf.prop_recursive(3, 8, 3, |part| {
        prop_oneof![
            proptest::collection::vec(part.clone(), 1..4).prop_map(Condition::All),
            proptest::collection::vec(part.clone(), 1..4).prop_map(Condition::Any),
            part.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
    .boxed()
}

fn condition() -> BoxedStrategy<Condition> {
    let more = prop_oneof![
        1 => select(vec![0.13, 0.37, 0.73]).prop_map(|at_least| Condition::Readiness { at_least }),
        1 => (0..4_u8).prop_map(|number| Condition::Segment(number.to_string())),
    ];
    nested(prop_oneof![6 => behaviour(), 3 => circumstance(), 1 => more].boxed())
}

/// Weights that no whole half-lives lead from one to another, within a moment or between two, so that no
/// rounding decides; only one moment can reach the greatest strength.
const WEIGHTS: [[f64; 3]; 4] = [[0.7, 1.0, 2.1], [0.77, 1.1, 2.31], [0.91, 1.3, 2.73], [1.19, 1.7, 990.0]];

fn moment_settings(weights: [f64; 3]) -> impl Strategy<Value = MomentSettings> {
    let evidence = (of(), select(weights.to_vec())).prop_map(|(of, weight)| Evidence { of, weight });
    (span(), select(vec![0.61, 1.37, 2.9]), proptest::collection::vec(evidence, 1..3))
        .prop_map(|(half_life, reached_at, evidence)| MomentSettings { half_life, reached_at, evidence })
}

fn moments() -> impl Strategy<Value = Moments> {
    let settings = WEIGHTS.map(|weights| option::weighted(0.7, moment_settings(weights)));
    let holds = nested(prop_oneof![behaviour(), circumstance()].boxed());
    let term = prop_oneof![
        (holds, select(vec![-0.83, 0.47, 1.9]))
            .prop_map(|(condition, weight)| ReadinessTerm { value: ReadinessValue::Holds(condition), weight }),
        (select(MOMENTS.to_vec()), select(vec![0.31, 0.77]))
            .prop_map(|(moment, weight)| ReadinessTerm { value: ReadinessValue::Strength(moment), weight }),
    ];
    let readiness = (select(vec![-1.7, 0.2]), proptest::collection::vec(term, 1..4))
        .prop_map(|(intercept, terms)| Readiness { intercept, terms });
    (settings, readiness).prop_map(|(settings, readiness)| Moments {
        moments: MOMENTS.into_iter().zip(settings).filter_map(|(moment, settings)| Some((moment, settings?))).collect(),
        readiness: Some(readiness),
    })
}

fn place(name: &str, kind: &str, latitude: f64) -> Place {
    Place {
        name: name.into(),
        title: name.into(),
        kind: Some(kind.into()),
        latitude,
        longitude: 13.4,
        radius_m: 600,
        address: None,
        url: None,
        time_zone: None,
        hours: Vec::new(),
    }
}

/// A segment may name those before it.
fn only_before(condition: Condition, number: usize) -> Condition {
    let all = |parts: Vec<Condition>| parts.into_iter().map(|part| only_before(part, number)).collect();
    match condition {
        Condition::All(parts) => Condition::All(all(parts)),
        Condition::Any(parts) => Condition::Any(all(parts)),
        Condition::Not(part) => Condition::Not(Box::new(only_before(*part, number))),
        Condition::Segment(_) if number == 0 => Condition::All(Vec::new()),
        Condition::Segment(name) => Condition::Segment(format!("s{}", name.parse::<usize>().unwrap() % number)),
        other => other,
    }
}

/// Questions whose answer does not depend on who was known as whom when something was done.
fn of_one_person() -> BoxedStrategy<Condition> {
    let within = || option::of(span());
    let category = || option::weighted(0.4, Just(property("product.category")));
    let amount = select(vec![0.3, 1.0, 5.0, 19.98, 30.0, 75.5]);
    let slot = prop_oneof![weekdays().prop_map(HabitSlot::Weekdays), Just(HabitSlot::Today)];
    prop_oneof![
        3 => (of(), 1..5_u32, within(), category())
            .prop_map(|(of, at_least, within, same)| Condition::Did { of, at_least, within, same }),
        1 => (of(), span()).prop_map(|(of, ago)| Condition::First { of, ago }),
        1 => (of(), span()).prop_map(|(of, ago)| Condition::Last { of, ago }),
        1 => (of(), tested(false)).prop_map(|(of, (property, is))| Condition::LastValue { of, property, is }),
        3 => (of(), number(), amount, currency(), within(), category()).prop_map(
            |(of, property, at_least, currency, within, same)| {
                Condition::Sum { of, property, at_least, currency, within, same }
            }
        ),
        2 => (of(), counted_apart(), 1..5_u32, within())
            .prop_map(|(of, property, at_least, within)| Condition::Distinct { of, property, at_least, within }),
        1 => (of(), span()).prop_map(|(of, less_than)| Condition::AverageInterval { of, less_than }),
        2 => (of(), slot, 1..5_u32)
            .prop_map(|(of, on, least)| Condition::Habit { of, on, is: HabitTest::AtLeast(least) }),
    ]
    .boxed()
}

/// A playbook whose segments ask nothing that a change of identity could blur.
pub(crate) fn playbook_of_one_person() -> impl Strategy<Value = Playbook> {
    proptest::collection::vec(nested(of_one_person()), 1..5).prop_map(|conditions| {
        let segment =
            |(number, who)| Segment { name: format!("s{number}").into(), title: format!("Segment {number}"), who };
        Playbook { segments: conditions.into_iter().enumerate().map(segment).collect(), ..playbook_with_help() }
    })
}

/// A playbook with a few segments, moments, two places, and a play that answers who asks for help.
pub(crate) fn playbook() -> impl Strategy<Value = Playbook> {
    let segments = (proptest::collection::vec(condition(), 1..5), any::<bool>()).prop_map(|(conditions, reversed)| {
        let mut segments: Vec<Segment> = conditions
            .into_iter()
            .enumerate()
            .map(|(number, who)| Segment {
                name: format!("s{number}").into(),
                title: format!("Segment {number}"),
                who: only_before(who, number),
            })
            .collect();
        if reversed {
            segments.reverse();
        }
        segments
    });
    let zone = select(vec!["UTC", "Europe/Berlin"]);
    (segments, moments(), zone).prop_map(|(segments, moments, zone)| Playbook {
        policy: Policy { time_zone: zone.into(), ..Policy::default() },
        moments,
        places: vec![place("cafe", "food", 52.52), place("shop", "goods", 52.529)],
        segments,
        ..playbook_with_help()
    })
}

fn playbook_with_help() -> Playbook {
    let play = serde_json::json!({
        "name": "help", "title": "Help", "trigger": {"event": [{"event": {"track": ASKED}}]},
        "valid_for": Span::from_secs(400 * 86_400), "steps": [{"send": {"message": "help", "channels": ["webhook"]}}],
    });
    let message = serde_json::json!({"default_locale": "en", "locales": {"en": {"webhook": {"text": "Hello"}}}});
    serde_json::from_value(serde_json::json!({
        "sources": [], "channels": {"webhook": {"url": "https://shop.example/hook"}},
        "plays": [play], "messages": {"help": message},
    }))
    .unwrap()
}
