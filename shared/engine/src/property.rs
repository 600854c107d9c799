//! Reading the details of events, and testing values.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Map, Value};

use crate::bounds::{EVENT_PROPERTIES_MAX, EVENT_PROPERTY_BYTES_MAX, EVENT_PROPERTY_NAME_BYTES_MAX};
use crate::event::{Event, EventKind};
use crate::money::{Currency, Micros};
use crate::playbook::{EventMatch, EventPattern, ProductField, Property, PropertyFilter, TraitValue, ValueTest};
use crate::product::{Product, shortened};
use crate::register::remembered;
use crate::time::Timestamp;
use crate::verdict::Verdict;

/// A value where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueRef<'a> {
    Flag(bool),
    Number(f64),
    Text(&'a str),
    List(&'a [Value]),
    Texts(&'a [String]),
}

impl<'a> ValueRef<'a> {
    pub(crate) fn of_json(value: &'a Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Flag(*flag)),
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text)),
            Value::Array(list) => Some(Self::List(list)),
            Value::Null | Value::Object(_) => None,
        }
    }

    pub(crate) fn of(value: &'a TraitValue) -> Self {
        match value {
            TraitValue::Flag(flag) => Self::Flag(*flag),
            TraitValue::Number(number) => Self::Number(*number),
            TraitValue::Text(text) => Self::Text(text),
            TraitValue::Texts(texts) => Self::Texts(texts),
        }
    }

    fn equals(&self, wanted: &TraitValue) -> bool {
        match (self, wanted) {
            (Self::Flag(own), TraitValue::Flag(wanted)) => own == wanted,
            (Self::Number(own), TraitValue::Number(wanted)) => own == wanted,
            (Self::Text(own), TraitValue::Text(wanted)) => own == wanted,
            (Self::Texts(own), TraitValue::Texts(wanted)) => own == wanted,
            _ => false,
        }
    }
}

/// In which currency a value is, should anybody ask: reading it takes as long as reading the value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Money<'e> {
    fields: Option<&'e Map<String, Value>>,
    known: Option<Currency>,
}

impl Money<'_> {
    /// The currency of a product's price.
    pub(crate) fn of(product: &Product) -> Self {
        Self { fields: None, known: product.currency }
    }

    /// Whether it is in this currency.
    pub(crate) fn is(self, wanted: Currency) -> bool {
        self.known.or_else(|| currency(self.fields?)) == Some(wanted)
    }
}

/// Shows every value of a detail, with the currency it is in when the event says so. A detail of products has
/// one for each product that has it; any other one or none.
pub(crate) fn each<'e>(property: &Property, event: &'e Event, mut show: impl FnMut(ValueRef<'e>, Money<'e>)) {
    any(property, event, |value, money| {
        show(value, money);
        false
    });
}

/// Whether one of a detail's values is as wanted.
fn any<'e>(property: &Property, event: &'e Event, mut wanted: impl FnMut(ValueRef<'e>, Money<'e>) -> bool) -> bool {
    match property {
        Property::Own(path) => {
            let (fields, name) = fields(event);
            let value = fields.and_then(|fields| walk(fields, path));
            match (value.and_then(ValueRef::of_json), name, path.as_ref()) {
                (Some(value), ..) => wanted(value, Money { fields, known: None }),
                (None, Some(name), [only]) if only.as_ref() == "name" => wanted(ValueRef::Text(name), Money::default()),
                _ => false,
            }
        }
        Property::Context(path) => {
            walk(&event.context, path).and_then(ValueRef::of_json).is_some_and(|value| wanted(value, Money::default()))
        }
        Property::Product(field) => event
            .products
            .iter()
            .any(|product| product_field(product, *field).is_some_and(|value| wanted(value, Money::of(product)))),
    }
}

/// A field of a product.
pub(crate) fn product_field(product: &Product, field: ProductField) -> Option<ValueRef<'_>> {
    match field {
        ProductField::Id => Some(ValueRef::Text(&product.id)),
        ProductField::Name => product.name.as_deref().map(ValueRef::Text),
        ProductField::Category => product.category.as_deref().map(ValueRef::Text),
        ProductField::Price => product.price.map(|price| ValueRef::Number(units(price))),
        ProductField::Quantity => Some(ValueRef::Number(f64::from(product.quantity))),
    }
}

/// An amount as a number of its currency's units.
pub(crate) fn units(amount: Micros) -> f64 {
    amount.get() as f64 / 1e6
}

/// What an event was sent with, and its name when it is a page or a screen.
pub(crate) fn fields(event: &Event) -> (Option<&Map<String, Value>>, Option<&str>) {
    match &event.kind {
        EventKind::Track { properties, .. } => (Some(properties), None),
        EventKind::Page { name, properties } | EventKind::Screen { name, properties } => {
            (Some(properties), name.as_deref())
        }
        EventKind::Identify { traits } | EventKind::Group { traits, .. } => (Some(traits), None),
        EventKind::Alias { .. } => (None, None),
    }
}

fn currency(fields: &Map<String, Value>) -> Option<Currency> {
    Currency::parse(fields.get("currency")?.as_str()?)
}

fn walk<'v>(fields: &'v Map<String, Value>, path: &[Box<str>]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(fields.get(first.as_ref())?, |value, part| value.as_object()?.get(part.as_ref()))
}

impl EventPattern {
    /// Whether this event is meant.
    pub fn matches(&self, event: &Event) -> bool {
        match (self, &event.kind) {
            (Self::Track(name), EventKind::Track { event, .. }) => name == event,
            (Self::Identify, EventKind::Identify { .. })
            | (Self::Page, EventKind::Page { .. })
            | (Self::Screen, EventKind::Screen { .. })
            | (Self::Group, EventKind::Group { .. }) => true,
            (Self::Any, EventKind::Track { event, .. }) => !event.is_without_person(),
            (Self::Any, _) => true,
            _ => false,
        }
    }
}

impl EventMatch {
    /// Whether this event is meant. Times in its details are compared with `at`.
    pub fn matches(&self, event: &Event, at: Timestamp) -> bool {
        self.event.matches(event) && pass(&self.filters, event, at)
    }
}

/// Whether the details of an event fit.
pub(crate) fn pass(filters: &[PropertyFilter], event: &Event, at: Timestamp) -> bool {
    filters.iter().all(|filter| {
        // Absence is asked for as "not known".
        if let ValueTest::Not(test) = &filter.is
            && **test == ValueTest::Known
        {
            return !any(&filter.property, event, |_, _| true);
        }
        any(&filter.property, event, |value, money| {
            filter.currency.is_none_or(|wanted| money.is(wanted)) && filter.is.holds(&value, at)
        })
    })
}

impl ValueTest {
    /// Whether it holds of a value, and when time alone may change that.
    pub(crate) fn verdict(&self, value: &ValueRef<'_>, at: Timestamp) -> Verdict {
        self.timeless(value).map_or_else(|| self.timed(value, at), Verdict::always)
    }

    /// Whether it holds of a value.
    pub(crate) fn holds(&self, value: &ValueRef<'_>, at: Timestamp) -> bool {
        self.timeless(value).unwrap_or_else(|| self.timed(value, at).holds)
    }

    /// The answer of a test that asks nothing about time.
    fn timeless(&self, value: &ValueRef<'_>) -> Option<bool> {
        let number = |test: fn(&f64, &f64) -> bool, limit: &f64| match value {
            ValueRef::Number(number) => test(number, limit),
            _ => false,
        };
        let text = |test: fn(&str, &str) -> bool, part: &str| match value {
            ValueRef::Text(text) => test(text, part),
            _ => false,
        };
        Some(match self {
            Self::Known => true,
            Self::Equal(wanted) => value.equals(wanted),
            Self::OneOf(wanted) => wanted.iter().any(|wanted| value.equals(wanted)),
            Self::AtLeast(limit) => number(f64::ge, limit),
            Self::MoreThan(limit) => number(f64::gt, limit),
            Self::AtMost(limit) => number(f64::le, limit),
            Self::LessThan(limit) => number(f64::lt, limit),
            Self::Contains(part) => match value {
                ValueRef::List(list) => {
                    list.iter().any(|entry| entry.as_str().is_some_and(|entry| equal_but_for_case(entry, part)))
                }
                ValueRef::Texts(texts) => texts.iter().any(|entry| equal_but_for_case(entry, part)),
                _ => text(contains, part),
            },
            Self::StartsWith(part) => text(starts_with, part),
            Self::EndsWith(part) => text(ends_with, part),
            Self::Not(test) => !test.timeless(value)?,
            Self::OlderThan(_) | Self::NewerThan(_) | Self::Before(_) | Self::Since(_) => return None,
        })
    }

    /// The answer of a test about the time that a value names.
    fn timed(&self, value: &ValueRef<'_>, at: Timestamp) -> Verdict {
        if let Self::Not(test) = self {
            return test.timed(value, at).negated();
        }
        let time = match value {
            ValueRef::Text(text) => Timestamp::parse(text),
            _ => None,
        };
        let Some(time) = time else { return Verdict::always(false) };
        match self {
            Self::OlderThan(span) => Verdict::from(time.plus(*span), at),
            Self::NewerThan(_) if at < time => Verdict { holds: false, until: Some(time) },
            Self::NewerThan(span) => Verdict::before(time.plus(*span), at),
            Self::Before(limit) => Verdict::always(time < *limit),
            Self::Since(limit) => Verdict::always(time >= *limit),
            _ => Verdict::always(false),
        }
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

fn equal_but_for_case(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || lower(one) == lower(other)
}

// Paths, ids and most words are ASCII: no copies are needed to compare those.

fn starts_with(text: &str, part: &str) -> bool {
    // Mostly it is written the same way.
    if text.starts_with(part) {
        return true;
    }
    match text.as_bytes().get(..part.len()) {
        Some(start) if start.is_ascii() && part.is_ascii() => start.eq_ignore_ascii_case(part.as_bytes()),
        None if text.is_ascii() && part.is_ascii() => false,
        _ => lower(text).starts_with(lower(part).as_str()),
    }
}

fn ends_with(text: &str, part: &str) -> bool {
    let start = text.len().checked_sub(part.len());
    match start.map(|start| &text.as_bytes()[start..]) {
        Some(end) if end.is_ascii() && part.is_ascii() => end.eq_ignore_ascii_case(part.as_bytes()),
        None if text.is_ascii() && part.is_ascii() => false,
        _ => lower(text).ends_with(lower(part).as_str()),
    }
}

fn contains(text: &str, part: &str) -> bool {
    if !(text.is_ascii() && part.is_ascii()) {
        return lower(text).contains(lower(part).as_str());
    }
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let Some((first, rest)) = part.split_first() else { return true };
    let Some(last_start) = text.len().checked_sub(part.len()) else { return false };
    // Both are short: texts of events are shortened, and what a playbook asks for is bounded.
    (0..=last_start).any(|start| {
        text[start].eq_ignore_ascii_case(first) && text[start + 1..start + part.len()].eq_ignore_ascii_case(rest)
    })
}

/// The values of some properties of an event, shortened, as a play on its way keeps them for its messages.
pub(crate) fn kept(event: &Event, names: &[String]) -> BTreeMap<String, TraitValue> {
    let (fields, name) = fields(event);
    let mut kept = BTreeMap::new();
    for wanted in names.iter().take(EVENT_PROPERTIES_MAX) {
        let value = fields.and_then(|fields| fields.get(wanted)).and_then(ValueRef::of_json);
        let value = value.or(name.filter(|_| wanted == "name").map(ValueRef::Text));
        if let Some(value) = value.as_ref().and_then(|value| remembered(value, EVENT_PROPERTY_BYTES_MAX)) {
            kept.insert(shortened(wanted, EVENT_PROPERTY_NAME_BYTES_MAX).to_string(), value);
        }
    }
    kept
}

/// What an event is worth: `total`, `revenue` or `value`, as Segment's and GA4's orders say.
pub(crate) fn worth(event: &Event) -> Option<Micros> {
    let (fields, _) = fields(event);
    ["total", "revenue", "value"].iter().find_map(|name| Micros::from_json(fields?.get(*name)?))
}

/// The currency that an event says its amounts are in.
pub(crate) fn currency_of(event: &Event) -> Option<Currency> {
    currency(fields(event).0?)
}

/// The amount of money in a detail of an event. Products have many prices: none of them is the event's.
pub(crate) fn amount(property: &Property, event: &Event) -> Option<Micros> {
    match property {
        Property::Own(path) => Micros::from_json(walk(fields(event).0?, path)?),
        Property::Context(path) => Micros::from_json(walk(&event.context, path)?),
        Property::Product(_) => None,
    }
}

/// The list that a JSON array of texts is remembered as.
pub(crate) fn texts(list: &[Value], entries_max: usize, bytes_max: usize) -> Vec<String> {
    let texts = list.iter().filter_map(Value::as_str).take(entries_max);
    texts.map(|text| shortened(text, bytes_max).to_string()).collect()
}
