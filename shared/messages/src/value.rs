//! Values while a message is rendered.

use std::borrow::Cow;

use kairos_engine::mailbox::{CartData, MessageData, PersonData};
use kairos_engine::money::Currency;
use kairos_engine::product::Product;

use crate::syntax::{Comparison, Key};

/// A value. Texts borrow from the data or the template wherever they can.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Nil,
    /// What `empty` and `blank` are compared with.
    Empty,
    Flag(bool),
    /// In millionths.
    Number(i64),
    /// In millionths of the currency's unit.
    Money(i64, Option<Currency>),
    Text(Cow<'a, str>),
    Person(&'a PersonData),
    Cart(&'a CartData),
    Items(&'a [Product]),
    Item(&'a Product),
    Loop {
        index0: usize,
        length: usize,
    },
}

impl<'a> Value<'a> {
    pub(crate) fn root(data: &'a MessageData, name: &str) -> Option<Self> {
        match name {
            "user" => Some(Self::Person(&data.user)),
            "cart" => Some(Self::Cart(&data.cart)),
            _ => None,
        }
    }

    pub(crate) fn count(count: usize) -> Self {
        Self::Number(i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    }

    pub(crate) fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    /// A text of the data; an empty one is the same as none, so that templates ask only once.
    fn optional(text: Option<&'a String>) -> Self {
        text.filter(|text| !text.trim().is_empty()).map_or(Self::Nil, |text| Self::Text(Cow::Borrowed(text)))
    }

    /// What stands behind a dot or in brackets; nothing when there is no such thing.
    pub(crate) fn get(self, key: &Key) -> Self {
        let name = match (key, &self) {
            (Key::Index(index), Self::Items(items)) => {
                let at = usize::try_from(*index)
                    .ok()
                    .or_else(|| items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?));
                return at.and_then(|at| items.get(at)).map_or(Self::Nil, Self::Item);
            }
            (Key::Index(_), _) => return Self::Nil,
            (Key::Name(name), _) => name.as_str(),
        };
        match (self, name) {
            (Self::Person(user), "id") => Self::optional(user.id.as_ref()),
            (Self::Person(user), "first_name") => Self::optional(user.first_name.as_ref()),
            (Self::Person(user), "last_name") => Self::optional(user.last_name.as_ref()),
            (Self::Cart(cart), "items") => Self::Items(&cart.items),
            (Self::Cart(cart), "total") => {
                cart.total.map_or(Self::Nil, |total| Self::Money(total.get(), cart.currency))
            }
            (Self::Cart(cart), "currency") => currency(cart.currency),
            (Self::Items(items), "size") => Self::count(items.len()),
            (Self::Items(items), "first") => items.first().map_or(Self::Nil, Self::Item),
            (Self::Items(items), "last") => items.last().map_or(Self::Nil, Self::Item),
            (Self::Item(item), "id") => Self::optional(Some(&item.id)),
            (Self::Item(item), "name") => Self::optional(item.name.as_ref()),
            (Self::Item(item), "price") => {
                item.price.map_or(Self::Nil, |price| Self::Money(price.get(), item.currency))
            }
            (Self::Item(item), "currency") => currency(item.currency),
            (Self::Item(item), "quantity") => Self::Number(i64::from(item.quantity) * 1_000_000),
            (Self::Item(item), "image_url") => Self::link(item.image_url.as_ref()),
            (Self::Item(item), "url") => Self::link(item.url.as_ref()),
            (Self::Loop { index0, .. }, "index") => Self::count(index0 + 1),
            (Self::Loop { index0, .. }, "index0") => Self::count(index0),
            (Self::Loop { index0, length }, "rindex") => Self::count(length - index0),
            (Self::Loop { index0, length }, "rindex0") => Self::count(length - index0 - 1),
            (Self::Loop { length, .. }, "length") => Self::count(length),
            (Self::Loop { index0, .. }, "first") => Self::Flag(index0 == 0),
            (Self::Loop { index0, length }, "last") => Self::Flag(index0 + 1 == length),
            _ => Self::Nil,
        }
    }

    /// Only web links are links, whatever the data says.
    fn link(text: Option<&'a String>) -> Self {
        Self::optional(text.filter(|text| is_web_link(text)))
    }

    pub(crate) const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// What `default` replaces: nothing, false, or an empty text.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::Nil | Self::Empty | Self::Flag(false) => true,
            Self::Text(text) => text.is_empty(),
            Self::Items(items) => items.is_empty(),
            _ => false,
        }
    }

    /// As in every Liquid: all but nothing and false.
    pub(crate) const fn is_truthy(&self) -> bool {
        !matches!(self, Self::Nil | Self::Flag(false))
    }

    /// A number's or price's millionths.
    pub(crate) const fn amount(&self) -> Option<i64> {
        match self {
            Self::Number(micros) | Self::Money(micros, _) => Some(*micros),
            _ => None,
        }
    }

    pub(crate) const fn currency(&self) -> Option<Currency> {
        match self {
            Self::Money(_, currency) => *currency,
            _ => None,
        }
    }

    /// As it is shown.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(micros) | Self::Money(micros, _) => Cow::Owned(decimal(*micros)),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Nil
            | Self::Empty
            | Self::Person(_)
            | Self::Cart(_)
            | Self::Items(_)
            | Self::Item(_)
            | Self::Loop { .. } => Cow::Borrowed(""),
        }
    }

    /// Whether a comparison holds; between things that cannot be compared none does, but `!=`.
    pub(crate) fn compares(&self, comparison: Comparison, other: &Self) -> bool {
        use std::cmp::Ordering;
        match comparison {
            Comparison::Equal => return self.equals(other),
            Comparison::NotEqual => return !self.equals(other),
            Comparison::Contains => {
                let wanted = other.text();
                return match self {
                    Self::Text(text) => !wanted.is_empty() && text.contains(wanted.as_ref()),
                    _ => false,
                };
            }
            Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {}
        }
        let ordering = match (self, other) {
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            _ => self.amount().zip(other.amount()).map(|(left, right)| left.cmp(&right)),
        };
        ordering.is_some_and(|ordering| match comparison {
            Comparison::Less => ordering == Ordering::Less,
            Comparison::LessOrEqual => ordering != Ordering::Greater,
            Comparison::Greater => ordering == Ordering::Greater,
            _ => ordering != Ordering::Less,
        })
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, value) | (value, Self::Empty) => value.is_missing(),
            (Self::Nil, Self::Nil) => true,
            (Self::Flag(left), Self::Flag(right)) => left == right,
            (Self::Text(left), Self::Text(right)) => left == right,
            _ => self.amount().is_some() && self.amount() == other.amount(),
        }
    }
}

pub(crate) fn is_web_link(text: &str) -> bool {
    let start = text.as_bytes();
    let starts = |scheme: &[u8]| start.get(..scheme.len()).is_some_and(|given| given.eq_ignore_ascii_case(scheme));
    starts(b"https://") || starts(b"http://")
}

fn currency<'a>(currency: Option<Currency>) -> Value<'a> {
    currency.map_or(Value::Nil, |currency| Value::owned(currency.as_str().to_owned()))
}

/// Without needless zeros: `3`, `35.79`.
fn decimal(micros: i64) -> String {
    let (whole, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let sign = if micros < 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{}", format!("{fraction:06}").trim_end_matches('0'))
}
