//! The schema of conditions.

use serde_json::{Map, Value, json};

use kairos_engine::bounds::TIMES_KEPT_MAX;
use kairos_engine::playbook::{Channel, ContextFact, Moment, ProductField};

use super::parts::{
    Key, above_zero, any_of, group, list, name, number, one_or_more, only_one, part, tests, text, whole, with_at_least,
    with_one_of, words,
};

const MANY: i64 = 1_000_000;

/// The parts that conditions are made of, by their names.
pub(super) fn parts() -> Map<String, Value> {
    let Value::Object(parts) = json!({
        "condition": any_of(vec![
            list(part("condition")),
            only_one(conditions()),
        ]),
        "places": any_of(vec![
            words(&["any"]),
            only_one(vec![
                ("kind", text(), "Places of this kind"),
                ("place", text(), "This place of places.yaml"),
            ]),
        ]),
        "moment": any_of(vec![
            words(&Moment::ALL.map(|(name, _)| name)),
            group(&["is"], vec![
                ("is", words(&Moment::ALL.map(|(name, _)| name)), "Which moment"),
                ("at_least", above_zero(), "How strong; the moment's own threshold without it"),
            ]),
        ]),
    }) else {
        return Map::new();
    };
    parts
}

fn conditions() -> Vec<Key<'static>> {
    let facts = ContextFact::ALL
        .iter()
        .map(|(name, _)| (*name, part("value_or_tests"), "A fact about the last visit: a value, or tests of it"));
    let mut all = joints();
    all.extend(state());
    all.extend(behaviour());
    all.extend(purchases());
    all.extend(facts);
    all
}

fn joints() -> Vec<Key<'static>> {
    vec![
        ("all", one_or_more(part("condition")), "Each of these"),
        ("any", one_or_more(part("condition")), "At least one of these"),
        ("not", part("condition"), "Not this"),
    ]
}

fn reachable() -> Vec<&'static str> {
    ["anyhow"].into_iter().chain(Channel::PERSONAL.map(Channel::as_str)).collect()
}

fn state() -> Vec<Key<'static>> {
    let fields = ProductField::ALL.map(|(field, _)| (field, part("value_or_tests"), "A field of the product"));
    vec![
        (
            "cart",
            any_of(vec![
                words(&["not_empty", "empty"]),
                only_one(vec![
                    ("items_at_least", whole(1, 100_000), "Products, each with its quantity"),
                    ("total_at_least", part("money"), "What it is worth"),
                    ("contains", only_one(fields.to_vec()), "One of its products is so"),
                ]),
            ]),
            "What the cart must be",
        ),
        ("reachable", words(&reachable()), "The user can be reached so"),
        (
            "trait",
            with_at_least(
                2,
                group(&["name"], with_tests(vec![("name", text(), "The trait's name, as the shop sends it")])),
            ),
            "A trait is so",
        ),
        ("local_time", part("hours"), "The user's own time of day and weekday"),
        ("inside", part("places"), "The user is in such a place now"),
        ("moment", part("moment"), "This is the user's moment"),
        (
            "readiness",
            group(
                &["at_least"],
                vec![(
                    "at_least",
                    json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }),
                    "From 0 to 1",
                )],
            ),
            "How ready to buy the user is",
        ),
        ("segment", name(), "The user is in this segment"),
        (
            "messaged",
            group(
                &["within"],
                vec![("play", name(), "By this play; by any without it"), ("within", part("span"), "In how long")],
            ),
            "A message was decided for the user",
        ),
    ]
}

fn behaviour() -> Vec<Key<'static>> {
    vec![
        (
            "did",
            group(&["event"], often(MANY, vec![of(), within(), same()])),
            "Something was done, so often, in how long",
        ),
        ("did_not", group(&["event"], vec![of(), within()]), "Something was not done"),
        ("first", ago(&["event"], vec![of()]), "When something was first done"),
        ("last", ago(&["event"], vec![of()]), "When something was last done"),
        (
            "last_value",
            with_at_least(3, group(&["event", "property"], with_tests(vec![of(), detail()]))),
            "A detail of the newest such event is so",
        ),
        (
            "sum",
            group(
                &["event", "property", "at_least"],
                vec![of(), detail(), same(), ("at_least", part("money"), "How much"), within()],
            ),
            "A number or an amount adds up",
        ),
        (
            "distinct",
            group(&["event", "property"], often(i64::from(TIMES_KEPT_MAX), vec![of(), detail(), within()])),
            "So many different values of a detail",
        ),
        (
            "sequence",
            group(
                &["events", "within"],
                vec![
                    ("events", json!({ "type": "array", "items": part("events"), "minItems": 2 }), "What, in order"),
                    ("within", part("span"), "From the first to the last in less than this"),
                    ("last", part("span"), "Completed less than so long ago"),
                ],
            ),
            "Things were done in this order",
        ),
        (
            "absence",
            group(
                &["after", "of", "for"],
                vec![
                    ("after", part("events"), "What was done"),
                    ("of", part("events"), "What has not been done since"),
                    ("for", part("span"), "For how long"),
                ],
            ),
            "Something was done, and something else not since",
        ),
        (
            "average_interval",
            group(&["event", "less_than"], vec![of(), ("less_than", part("span"), "Less than this")]),
            "The average time between two such events",
        ),
        (
            "habit",
            with_one_of(
                group(
                    &["event", "on"],
                    vec![
                        of(),
                        (
                            "on",
                            any_of(vec![
                                words(&["today"]),
                                part("weekdays"),
                                group(
                                    &["from", "until"],
                                    vec![
                                        ("from", whole(0, 23), "From this hour"),
                                        ("until", whole(0, 24), "Until before this hour"),
                                    ],
                                ),
                            ]),
                            "Weekdays, today, or hours",
                        ),
                        ("at_least", whole(1, MANY), "So often"),
                        ("favourite", json!({ "const": true }), "More often than on any other"),
                        ("never", json!({ "const": true }), "Never"),
                    ],
                ),
                &["at_least", "favourite", "never"],
            ),
            "Something is done on certain weekdays or at certain hours",
        ),
        (
            "visits",
            group(&["within"], often(i64::from(TIMES_KEPT_MAX), vec![within()])),
            "Visits, each begun after 30 minutes without an event",
        ),
    ]
}

fn purchases() -> Vec<Key<'static>> {
    vec![
        ("purchases", group(&[], often(MANY, vec![within()])), "How often the user ordered"),
        ("first_purchase", ago(&[], Vec::new()), "When the user first ordered"),
        ("last_purchase", ago(&[], Vec::new()), "When the user last ordered"),
        (
            "spent",
            group(&["at_least"], vec![("at_least", part("money"), "How much: 200 EUR"), within()]),
            "What the user's orders add up to",
        ),
    ]
}

fn of() -> Key<'static> {
    ("event", part("events"), "Which events")
}

fn within() -> Key<'static> {
    ("within", part("span"), "In how long")
}

fn detail() -> Key<'static> {
    ("property", text(), "A detail of the events: product.category, context.page.path, price …")
}

fn same() -> Key<'static> {
    ("same", text(), "Counted apart for each value of this detail")
}

fn often(max: i64, mut keys: Vec<Key<'static>>) -> Vec<Key<'static>> {
    keys.extend([
        ("at_least", whole(1, max), "How often at least"),
        ("at_most", whole(0, max), "How often at most"),
        ("exactly", whole(0, max), "How often"),
    ]);
    keys
}

fn ago(required: &[&str], mut keys: Vec<Key<'static>>) -> Value {
    keys.extend([
        ("ago", part("span"), "At least so long ago"),
        ("less_than_ago", part("span"), "Less than so long ago"),
    ]);
    with_one_of(group(required, keys), &["ago", "less_than_ago"])
}

fn with_tests(mut keys: Vec<Key<'static>>) -> Vec<Key<'static>> {
    keys.extend(tests());
    keys
}

/// The keys of the readiness' terms.
pub(super) fn term() -> Value {
    let keys = vec![
        ("if", part("condition"), "Counts 1 when it holds, else 0"),
        ("moment", words(&Moment::ALL.map(|(name, _)| name)), "Counts as its strength"),
        ("weight", number(), "By how much it raises the readiness; below 0, it lowers it"),
    ];
    with_one_of(group(&["weight"], keys), &["if", "moment"])
}
