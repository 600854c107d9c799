//! Which events are meant, and with which details.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::event_name::EventName;
use crate::money::Currency;
use crate::time::{Span, Timestamp};

/// Which kind of event is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventPattern {
    /// A tracked event by name.
    Track(EventName),
    /// An `identify` call.
    Identify,
    /// A `page` call.
    Page,
    /// A `screen` call.
    Screen,
    /// A `group` call.
    Group,
    /// Any event at all that a person has made: all but [`EventName::is_without_person`].
    Any,
}

impl fmt::Display for EventPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Track(name) => name.as_str(),
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Any => "any event",
        })
    }
}

/// Which events are meant: their kind, and what must be true of their details.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "EventMatchWire")]
pub struct EventMatch {
    /// Their kind.
    pub event: EventPattern,
    /// What must be true of their details: all of it.
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<PropertyFilter>,
}

impl EventMatch {
    /// Every event of a kind.
    pub const fn all(event: EventPattern) -> Self {
        Self { event, filters: Vec::new() }
    }
}

impl fmt::Display for EventMatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event.fmt(formatter)?;
        for (number, filter) in self.filters.iter().enumerate() {
            formatter.write_str(if number == 0 { " where " } else { " and " })?;
            filter.fmt(formatter)?;
        }
        Ok(())
    }
}

/// The first compiled playbooks had bare patterns.
#[derive(Deserialize)]
#[serde(untagged)]
enum EventMatchWire {
    Filtered {
        event: EventPattern,
        #[serde(default, rename = "where")]
        filters: Vec<PropertyFilter>,
    },
    Bare(EventPattern),
}

impl From<EventMatchWire> for EventMatch {
    fn from(wire: EventMatchWire) -> Self {
        match wire {
            EventMatchWire::Filtered { event, filters } => Self { event, filters },
            EventMatchWire::Bare(event) => Self::all(event),
        }
    }
}

/// What must be true of one detail of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyFilter {
    /// Which detail.
    pub property: Property,
    /// What it must be.
    pub is: ValueTest,
    /// The currency that the amount must be in, when it is money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

impl fmt::Display for PropertyFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.property, self.is)?;
        self.currency.map_or(Ok(()), |currency| write!(formatter, " {}", currency.as_str()))
    }
}

/// A detail of an event. Written as a path: `product.category`, `context.page.path`; whatever does not
/// begin with one of these two words is a property of the event itself (of an `identify` or `group`
/// call: a trait), as in `list_id` or `video.position`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// A property that the event was sent with, by its path.
    Own(Box<[Box<str>]>),
    /// Something of the client's context, by its path.
    Context(Box<[Box<str>]>),
    /// A field of the products that the event names; a test holds when it holds of one of them.
    Product(ProductField),
}

/// A field of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProductField {
    /// Its id.
    Id,
    /// Its name.
    Name,
    /// Its category.
    Category,
    /// Its price.
    Price,
    /// How many.
    Quantity,
}

impl ProductField {
    /// Every field with its name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("id", Self::Id),
        ("name", Self::Name),
        ("category", Self::Category),
        ("price", Self::Price),
        ("quantity", Self::Quantity),
    ];
}

impl Property {
    /// Reads a path. `None` when it is empty, has an empty part, or asks for a field that products do not
    /// have.
    pub fn parse(path: &str) -> Option<Self> {
        let parts: Vec<Box<str>> = path.split('.').map(Into::into).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        Some(match (parts[0].as_ref(), parts.len()) {
            ("product", 2) => {
                let (_, field) = ProductField::ALL.into_iter().find(|(name, _)| *name == parts[1].as_ref())?;
                Self::Product(field)
            }
            ("product", _) => return None,
            ("context", 2..) => Self::Context(parts[1..].into()),
            ("context", _) => return None,
            _ => Self::Own(parts.into()),
        })
    }
}

impl fmt::Display for Property {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(path) => formatter.write_str(&path.join(".")),
            Self::Context(path) => write!(formatter, "context.{}", path.join(".")),
            Self::Product(field) => {
                let name = ProductField::ALL.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name);
                write!(formatter, "product.{name}")
            }
        }
    }
}

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        Self::parse(&path).ok_or_else(|| de::Error::custom("a property is a path, as in product.category"))
    }
}

/// What a value (a trait, a property, a remembered fact) must be. Whatever is unknown fails every test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueTest {
    /// Known at all.
    Known,
    /// Exactly this; texts differ in case.
    Equal(TraitValue),
    /// One of these.
    OneOf(Vec<TraitValue>),
    /// A number of at least this.
    AtLeast(f64),
    /// A number above this.
    MoreThan(f64),
    /// A number of at most this.
    AtMost(f64),
    /// A number below this.
    LessThan(f64),
    /// A text with this in it, or a list with this entry; case does not matter.
    Contains(String),
    /// A text that begins with this; case does not matter.
    StartsWith(String),
    /// A text that ends with this; case does not matter.
    EndsWith(String),
    /// A time at least this long ago.
    OlderThan(Span),
    /// A time less than this long ago, and not to come.
    NewerThan(Span),
    /// A time before this one.
    Before(Timestamp),
    /// This time or a later one.
    Since(Timestamp),
    /// Known, and not so.
    Not(Box<ValueTest>),
}

impl fmt::Display for ValueTest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known => formatter.write_str("is known"),
            Self::Equal(value) => write!(formatter, "is {value}"),
            Self::OneOf(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(formatter, "is one of {}", values.join(", "))
            }
            Self::AtLeast(number) => write!(formatter, "is at least {number}"),
            Self::MoreThan(number) => write!(formatter, "is more than {number}"),
            Self::AtMost(number) => write!(formatter, "is at most {number}"),
            Self::LessThan(number) => write!(formatter, "is less than {number}"),
            Self::Contains(text) => write!(formatter, "contains \"{text}\""),
            Self::StartsWith(text) => write!(formatter, "starts with \"{text}\""),
            Self::EndsWith(text) => write!(formatter, "ends with \"{text}\""),
            Self::OlderThan(span) => write!(formatter, "is at least {span} ago"),
            Self::NewerThan(span) => write!(formatter, "is less than {span} ago"),
            Self::Before(time) => write!(formatter, "is before {time}"),
            Self::Since(time) => write!(formatter, "is {time} or later"),
            Self::Not(test) => write!(formatter, "not: {test}"),
        }
    }
}

/// A value, as far as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(untagged)]
pub enum TraitValue {
    /// Yes or no.
    #[n(0)]
    Flag(#[n(0)] bool),
    /// A number.
    #[n(1)]
    Number(#[n(0)] f64),
    /// A text; times are texts.
    #[n(2)]
    Text(#[n(0)] String),
    /// Several texts.
    #[n(3)]
    Texts(#[n(0)] Vec<String>),
}

impl fmt::Display for TraitValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(formatter),
            Self::Number(number) => number.fmt(formatter),
            Self::Text(text) => write!(formatter, "\"{text}\""),
            Self::Texts(texts) => write!(formatter, "[{}]", texts.join(", ")),
        }
    }
}
