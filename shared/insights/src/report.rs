//! What there is to show.

use std::collections::BTreeMap;
use std::fmt;

use kairos_engine::money::Micros;
use kairos_engine::name::Name;
use kairos_engine::playbook::Channel;
use kairos_engine::time::{Span, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a period's facts say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The earliest fact.
    pub from: Option<Timestamp>,
    /// The latest.
    pub to: Option<Timestamp>,
    /// Rows that were counted.
    pub rows: u64,
    /// Rows that had been counted already.
    pub repeated: u64,
    /// Facts that had no room in the user's item: so many are missing in all figures.
    pub omitted: u64,
    /// People: a visitor who turned out to be a user is one with them.
    pub people: u64,
    /// What was bought, by currency; those without one under an empty name.
    pub orders: BTreeMap<String, OrderReport>,
    /// Who bought how often, and who came back.
    pub customers: CustomerReport,
    /// The plays that came up, by name.
    pub plays: BTreeMap<Name, PlayReport>,
}

/// A month, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// The year.
    pub year: i16,
    /// From 1.
    pub month: i8,
}

impl Month {
    /// The month of a time; `None` when no calendar has it.
    pub fn of(at: Timestamp) -> Option<Self> {
        let local = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        Some(Self { year: local.year(), month: local.month() })
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        match self.month {
            12.. => Self { year: self.year.saturating_add(1), month: 1 },
            month => Self { month: month + 1, ..self },
        }
    }

    /// How many months it is after another; never less than none.
    pub fn since(self, other: Self) -> usize {
        let number = |month: Self| i32::from(month.year) * 12 + i32::from(month.month);
        usize::try_from(number(self) - number(other)).unwrap_or(0)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = text.split_once('-').and_then(|(year, month)| Some((year.parse().ok()?, month.parse().ok()?)));
        match read {
            Some((year, month @ 1..=12)) => Ok(Self { year, month }),
            _ => Err(de::Error::custom("a month is written like 2026-11")),
        }
    }
}

/// Who bought how often, and who came back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerReport {
    /// How many people have placed so many orders.
    pub by_orders: BTreeMap<u64, u64>,
    /// By the month of their first order: how many people ordered in that month, in the next one, and so on.
    pub cohorts: BTreeMap<Month, Vec<u64>>,
}

impl CustomerReport {
    /// People who have ordered.
    pub fn people(&self) -> u64 {
        self.by_orders.values().sum()
    }

    /// People who have ordered more than once.
    pub fn repeated(&self) -> u64 {
        self.by_orders.iter().filter(|(orders, _)| **orders > 1).map(|(_, people)| people).sum()
    }
}

/// What was bought in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// Orders.
    pub count: u64,
    /// Those of them that say what they are worth.
    pub with_value: u64,
    /// What those are worth together.
    #[serde(with = "units")]
    pub value: Micros,
    /// Refunds.
    pub refunds: u64,
    /// What was given back, as far as they say.
    #[serde(with = "units")]
    pub refunded: Micros,
}

impl OrderReport {
    /// What an order is worth on average: of those that say so.
    pub fn average(&self) -> Option<f64> {
        (self.with_value > 0).then(|| self.value.get() as f64 / 1e6 / self.with_value as f64)
    }
}

/// What one play did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayReport {
    /// Moments that came to a decision: sent, held out or not sent.
    pub considered: u64,
    /// Messages that were ordered.
    pub sent: u64,
    /// Messages that waited for the end of quiet hours.
    pub held: u64,
    /// Messages that somebody was held out of, by group.
    pub held_out: BTreeMap<String, u64>,
    /// Moments that led to no message, by reason.
    pub not_sent: BTreeMap<String, u64>,
    /// Waits that ended because what they waited for came.
    pub cancelled: u64,
    /// Goals reached within the attribution window after a message.
    pub converted: u64,
    /// What they were worth, where the event says so.
    #[serde(with = "units")]
    pub value: Micros,
    /// Goals reached by those who were held out.
    pub converted_held_out: u64,
    /// What they were worth.
    #[serde(with = "units")]
    pub value_held_out: Micros,
    /// In half of the cases the goal was reached so soon after the message, or sooner.
    pub median_time_to_goal: Option<Span>,
    /// Its messages, by name and channel.
    pub messages: Vec<MessageReport>,
}

/// What became of one message on one channel. Of what comes back, every figure is of deliveries: one that is opened twice
/// counts once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReport {
    /// The message.
    pub message: String,
    /// The channel.
    pub channel: Channel,
    /// How many were ordered.
    pub sent: u64,
    /// How many reached their receivers, where the playbook wants to hear of it.
    pub delivered: u64,
    /// How many were opened, read, or seen on the page.
    pub opened: u64,
    /// How many led to a click.
    pub clicked: u64,
    /// How many were closed on the page.
    pub dismissed: u64,
    /// How many did not reach their receivers.
    pub failed: u64,
    /// How many were called spam.
    pub complained: u64,
}

/// An amount in units of its currency. Millionths of less than nine thousand million units are exact as a float, and come back
/// as they were.
pub(crate) mod units {
    use super::{Deserialize, Deserializer, Micros, Serializer};

    pub(crate) fn serialize<S: Serializer>(amount: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(amount.get() as f64 / 1e6)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Micros, D::Error> {
        Ok(micros(f64::deserialize(deserializer)?))
    }

    /// As a number too large stays at the largest there is, nothing overflows.
    pub(super) fn micros(units: f64) -> Micros {
        Micros::new((units * 1e6).round() as i64)
    }
}

/// The same by currency.
pub(crate) mod amounts {
    use super::{BTreeMap, Deserialize, Deserializer, Micros, Serializer, units};

    pub(crate) fn serialize<S: Serializer>(
        amounts: &BTreeMap<String, Micros>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(amounts.iter().map(|(currency, amount)| (currency, amount.get() as f64 / 1e6)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Micros>, D::Error> {
        let read = BTreeMap::<String, f64>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|(currency, amount)| (currency, units::micros(amount))).collect())
    }
}
