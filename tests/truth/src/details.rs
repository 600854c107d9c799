//! The details of events, and tests of values.

use jiff::Timestamp as Instant;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::money::Currency;
use kairos_engine::playbook::{
    EventMatch, EventPattern, ProductField, Property, PropertyFilter, TraitValue, ValueTest,
};
use kairos_engine::product::Product;
use kairos_engine::time::Timestamp;
use serde_json::{Map, Value};

/// The properties of an event; of `identify` and `group` calls, the traits.
pub(crate) fn own(event: &Event) -> Option<&Map<String, Value>> {
    match &event.kind {
        EventKind::Track { properties, .. }
        | EventKind::Page { properties, .. }
        | EventKind::Screen { properties, .. } => Some(properties),
        EventKind::Identify { traits } | EventKind::Group { traits, .. } => Some(traits),
        EventKind::Alias { .. } => None,
    }
}

/// What stands at a path; null is nothing.
pub(crate) fn at_path<'a>(fields: &'a Map<String, Value>, path: &[impl AsRef<str>]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = fields.get(first.as_ref())?;
    if rest.is_empty() { Some(value).filter(|value| !value.is_null()) } else { at_path(value.as_object()?, rest) }
}

fn field(product: &Product, field: ProductField) -> Option<Value> {
    match field {
        ProductField::Id => Some(Value::from(product.id.as_str())),
        ProductField::Name => product.name.as_deref().map(Value::from),
        ProductField::Category => product.category.as_deref().map(Value::from),
        ProductField::Price => product.price.map(|price| Value::from(price.get() as f64 / 1e6)),
        ProductField::Quantity => Some(Value::from(product.quantity)),
    }
}

fn currency_of(event: &Event) -> Option<Currency> {
    own(event)?.get("currency")?.as_str().and_then(Currency::parse)
}

/// One value of a detail: the product it is of, if any, what it is, and its currency if it were money.
pub(crate) struct Detail<'a> {
    pub(crate) product: Option<&'a Product>,
    pub(crate) value: Value,
    pub(crate) currency: Option<Currency>,
}

/// Every value of a detail: one at most, or one for each product.
pub(crate) fn details<'a>(event: &'a Event, property: &Property) -> Vec<Detail<'a>> {
    let alone = |value: Option<&Value>| {
        let value = value.cloned().map(|value| Detail { product: None, value, currency: currency_of(event) });
        value.into_iter().collect()
    };
    match property {
        Property::Own(path) => alone(own(event).and_then(|fields| at_path(fields, path))),
        Property::Context(path) => alone(at_path(&event.context, path)),
        Property::Product(wanted) => {
            let of_product = |product: &'a Product| {
                let value = field(product, *wanted)?;
                Some(Detail {
                    product: Some(product),
                    value,
                    currency: product.currency.or_else(|| currency_of(event)),
                })
            };
            event.products.iter().filter_map(of_product).collect()
        }
    }
}

/// A field of a product, as a test sees it.
pub(crate) fn product_detail(product: &Product, property: &Property) -> Option<Value> {
    match property {
        Property::Product(wanted) => field(product, *wanted),
        Property::Own(_) | Property::Context(_) => None,
    }
}

/// Whether an event that was done at `at` is one of those that are meant.
pub(crate) fn is_meant(event: &Event, of: &[EventMatch], at: Timestamp) -> bool {
    let kind = |pattern: &EventPattern| match (pattern, &event.kind) {
        // Mail programs open messages by themselves.
        (EventPattern::Any, EventKind::Track { event: EventName::MessageOpened, .. }) => false,
        (EventPattern::Any, _)
        | (EventPattern::Identify, EventKind::Identify { .. })
        | (EventPattern::Page, EventKind::Page { .. })
        | (EventPattern::Screen, EventKind::Screen { .. })
        | (EventPattern::Group, EventKind::Group { .. }) => true,
        (EventPattern::Track(name), EventKind::Track { event, .. }) => name == event,
        _ => false,
    };
    let fits = |filter: &PropertyFilter| {
        if asks_for_nothing(&filter.is) {
            return details(event, &filter.property).is_empty();
        }
        let money = |detail: &Detail<'_>| filter.currency.is_none() || detail.currency == filter.currency;
        details(event, &filter.property).iter().any(|detail| money(detail) && passes(&detail.value, &filter.is, at))
    };
    of.iter().any(|meant| kind(&meant.event) && meant.filters.iter().all(fits))
}

/// Whether a test asks that there be no value: `not` of `known`.
pub(crate) fn asks_for_nothing(is: &ValueTest) -> bool {
    matches!(is, ValueTest::Not(test) if **test == ValueTest::Known)
}

/// Whether a value is so at `now`, or there is none and that is what is asked for.
pub(crate) fn holds_of(value: Option<&Value>, is: &ValueTest, now: Timestamp) -> bool {
    value.map_or(asks_for_nothing(is), |value| passes(value, is, now))
}

/// Whether a known value is so at `now`.
pub(crate) fn passes(value: &Value, is: &ValueTest, now: Timestamp) -> bool {
    let number = |passes: &dyn Fn(f64) -> bool| value.as_f64().is_some_and(passes);
    let text = |passes: &dyn Fn(&str) -> bool| value.as_str().is_some_and(|text| passes(&text.to_lowercase()));
    let time = |passes: &dyn Fn(i64) -> bool| time_of(value).is_some_and(passes);
    let now = now.as_millis();
    match is {
        ValueTest::Known => true,
        ValueTest::Equal(wanted) => equal(value, wanted),
        ValueTest::OneOf(wanted) => wanted.iter().any(|wanted| equal(value, wanted)),
        ValueTest::AtLeast(least) => number(&|number| number >= *least),
        ValueTest::MoreThan(limit) => number(&|number| number > *limit),
        ValueTest::AtMost(most) => number(&|number| number <= *most),
        ValueTest::LessThan(limit) => number(&|number| number < *limit),
        ValueTest::Contains(part) => match value {
            Value::Array(entries) => entries
                .iter()
                .any(|entry| entry.as_str().is_some_and(|text| text.to_lowercase() == part.to_lowercase())),
            _ => text(&|text| text.contains(&part.to_lowercase())),
        },
        ValueTest::StartsWith(part) => text(&|text| text.starts_with(&part.to_lowercase())),
        ValueTest::EndsWith(part) => text(&|text| text.ends_with(&part.to_lowercase())),
        ValueTest::OlderThan(span) => time(&|time| now - time >= span.as_millis()),
        ValueTest::NewerThan(span) => time(&|time| time <= now && now - time < span.as_millis()),
        ValueTest::Before(limit) => time(&|time| time < limit.as_millis()),
        ValueTest::Since(first) => time(&|time| time >= first.as_millis()),
        ValueTest::Not(test) => !passes(value, test, Timestamp::from_millis(now)),
    }
}

/// A text that is a time, in milliseconds.
pub(crate) fn time_of(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Instant>().ok().map(Instant::as_millisecond)
}

fn equal(value: &Value, wanted: &TraitValue) -> bool {
    match wanted {
        TraitValue::Flag(flag) => value.as_bool() == Some(*flag),
        TraitValue::Number(number) => value.as_f64() == Some(*number),
        TraitValue::Text(text) => value.as_str() == Some(text),
        TraitValue::Texts(texts) => value.as_array().is_some_and(|entries| {
            entries.len() == texts.len() && entries.iter().zip(texts).all(|(entry, text)| entry.as_str() == Some(text))
        }),
    }
}

/// An amount in millionths, so that adding is exact.
pub(crate) fn micros(number: f64) -> i64 {
    (number * 1e6).round() as i64
}
