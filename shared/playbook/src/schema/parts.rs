//! What schemas are made of.

use serde_json::{Map, Value, json};

use kairos_engine::playbook::Weekdays;

use crate::values::TESTS;

/// A key, what may stand behind it, and what it is for.
pub(super) type Key<'a> = (&'a str, Value, &'a str);

/// A group of keys; no others are allowed.
pub(super) fn group(required: &[&str], keys: Vec<Key<'_>>) -> Value {
    json!({ "type": "object", "properties": properties(keys), "required": required, "additionalProperties": false })
}

/// A group with exactly one of these keys.
pub(super) fn only_one(keys: Vec<Key<'_>>) -> Value {
    json!({
        "type": "object",
        "properties": properties(keys),
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

/// The same group, in which exactly one of these keys must be there.
pub(super) fn with_one_of(mut group: Value, keys: &[&str]) -> Value {
    let each: Vec<Value> = keys.iter().map(|key| json!({ "required": [key] })).collect();
    if let Value::Object(group) = &mut group {
        group.insert("oneOf".into(), each.into());
    }
    group
}

/// The same group, with at least so many keys.
pub(super) fn with_at_least(count: usize, mut group: Value) -> Value {
    if let Value::Object(group) = &mut group {
        group.insert("minProperties".into(), count.into());
    }
    group
}

/// A group whose keys are names that the shop chooses.
pub(super) fn named(pattern: &str, values: Value) -> Value {
    json!({
        "type": "object",
        "patternProperties": { pattern: values },
        "additionalProperties": false,
        "minProperties": 1,
    })
}

fn properties(keys: Vec<Key<'_>>) -> Map<String, Value> {
    let described = |schema: Value, text: &str| match schema {
        Value::Object(mut schema) => {
            schema.insert("description".into(), text.into());
            Value::Object(schema)
        }
        other => other,
    };
    keys.into_iter().map(|(key, schema, text)| (key.to_owned(), described(schema, text))).collect()
}

/// A part that is written down once.
pub(super) fn part(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// One, or a list of at least one.
pub(super) fn one_or_more(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "array", "items": schema, "minItems": 1 }] })
}

pub(super) fn list(schema: Value) -> Value {
    json!({ "type": "array", "items": schema, "minItems": 1 })
}

pub(super) fn any_of(schemas: Vec<Value>) -> Value {
    json!({ "anyOf": schemas })
}

pub(super) fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

pub(super) fn text() -> Value {
    json!({ "type": "string", "pattern": "\\S" })
}

pub(super) fn name() -> Value {
    json!({ "type": "string", "pattern": NAME })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn whole(min: i64, max: i64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

pub(super) fn number() -> Value {
    json!({ "type": "number" })
}

pub(super) fn above_zero() -> Value {
    json!({ "type": "number", "exclusiveMinimum": 0 })
}

/// Names of files, places and variants.
pub(super) const NAME: &str = "^[a-z0-9_]{1,64}$";

/// The parts that files share, by their names.
pub(super) fn shared() -> Map<String, Value> {
    let value = any_of(vec![text(), number(), flag()]);
    let clock = "^([01][0-9]|2[0-3]):[0-5][0-9]$";
    let Value::Object(parts) = json!({
        "span": {
            "type": "string",
            "pattern": "^\\s*0*[1-9][0-9]*\\s*[smhdw]\\s*$",
            "description": "A whole number and a unit: 45s, 30m, 24h, 7d, 2w",
        },
        "percent": {
            "type": "string",
            "pattern": "^\\s*(0?[0-9]?[0-9](\\.[0-9]{1,2})?|100(\\.00?)?)\\s*%\\s*$",
            "description": "A percentage: 20%, 0.5%",
        },
        "money": any_of(vec![number(), json!({
            "type": "string",
            "pattern": "^\\s*-?[0-9]+(\\.[0-9]+)?\\s+[A-Za-z]{3}\\s*$",
            "description": "An amount and its currency: 50 EUR",
        })]),
        "clock": { "type": "string", "pattern": clock, "description": "A time of day in quotes: \"08:00\"" },
        "end_of_hours": { "type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" },
        "time": { "type": "string", "description": "A time in full: 2026-12-24T00:00:00Z" },
        "weekdays": one_or_more(words(&Weekdays::NAMES)),
        "hours": hours(),
        "value": value,
        "tests": with_at_least(1, group(&[], tests())),
        "value_or_tests": any_of(vec![part("value"), part("tests")]),
        "event": any_of(vec![
            json!({ "type": "string", "pattern": "\\S", "description": "Product Added, page, identify, any …" }),
            event(),
        ]),
        "events": one_or_more(part("event")),
    }) else {
        return Map::new();
    };
    parts
}

fn hours() -> Value {
    let mut hours = with_at_least(
        1,
        group(
            &[],
            vec![
                ("from", part("clock"), "From this time of day"),
                ("until", part("end_of_hours"), "Until before this time of day; over midnight when it is not later"),
                ("on", part("weekdays"), "On these weekdays; all of them without it"),
            ],
        ),
    );
    if let Value::Object(hours) = &mut hours {
        hours.insert("dependentRequired".into(), json!({ "from": ["until"], "until": ["from"] }));
    }
    hours
}

fn event() -> Value {
    let details = "Details that the event must have, all of them: product.category, context.page.path, price …";
    let keys = vec![
        ("name", text(), "The event's name: Product Added, page, identify, any …"),
        ("track", text(), "The name of a tracked event that is called like something else, as in `page`"),
        ("where", named(".", part("value_or_tests")), details),
    ];
    with_one_of(group(&[], keys), &["name", "track"])
}

/// The tests of a value, as keys.
pub(super) fn tests() -> Vec<Key<'static>> {
    let of = |test: &str| match test {
        "equals" => (part("value"), "Exactly this"),
        "one_of" => (one_or_more(part("value")), "One of these"),
        "at_least" => (part("money"), "A number, or an amount of money, of at least this"),
        "more_than" => (part("money"), "A number above this"),
        "at_most" => (part("money"), "A number of at most this"),
        "less_than" => (part("money"), "A number below this"),
        "contains" => (text(), "A text with this in it, or a list with this entry"),
        "starts_with" => (text(), "A text that begins with this"),
        "ends_with" => (text(), "A text that ends with this"),
        "older_than" => (part("span"), "A time at least so long ago"),
        "newer_than" => (part("span"), "A time less than so long ago"),
        "before" => (part("time"), "A time before this one"),
        "since" => (part("time"), "This time or a later one"),
        "known" => (flag(), "Whether there is a value at all"),
        _ => (part("value_or_tests"), "Known, and not so"),
    };
    TESTS
        .into_iter()
        .map(|test| {
            let (schema, text) = of(test);
            (test, schema, text)
        })
        .collect()
}

/// Languages: BCP 47 tags.
pub(super) const LOCALE: &str = "^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$";

/// A file that may be empty.
pub(super) fn or_nothing(mut schema: Value) -> Value {
    if let Value::Object(schema) = &mut schema {
        schema.insert("type".into(), json!(["object", "null"]));
    }
    schema
}
