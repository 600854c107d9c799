//! What the shop counts as success, and the ways that lead there. No play depends on it: reports read it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use super::{EventMatch, Property};
use crate::describe;
use crate::event::Event;
use crate::money::{Currency, Micros, Money};
use crate::name::Name;
use crate::property::{amount, currency_of, worth};
use crate::time::{Span, Timestamp};

/// What the shop counts as success, and the ways that lead there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversions {
    /// What the shop lives from, as orders.
    #[serde(rename = "macro", default, skip_serializing_if = "Vec::is_empty")]
    pub macros: Vec<MacroConversion>,
    /// Small steps towards that, as a product that was looked at.
    #[serde(rename = "micro", default, skip_serializing_if = "Vec::is_empty")]
    pub micros: Vec<MicroConversion>,
    /// Ways in steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub funnels: Vec<Funnel>,
    /// To what macro-conversions are credited.
    #[serde(default)]
    pub attribution: Attribution,
}

impl Conversions {
    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.macros.is_empty() && self.micros.is_empty() && self.funnels.is_empty()
    }

    /// The macro-conversion of this name.
    pub fn macro_conversion(&self, name: &str) -> Option<&MacroConversion> {
        self.macros.iter().find(|one| one.name == name)
    }
}

/// What the shop lives from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MacroConversion {
    /// Its name in reports.
    pub name: Name,
    /// Its name for people.
    pub title: String,
    /// Which events.
    pub of: Vec<EventMatch>,
    /// What each is worth.
    #[serde(default, skip_serializing_if = "ConversionValue::is_of_event")]
    pub value: ConversionValue,
    /// The currency of events that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

impl MacroConversion {
    /// What an event is worth, as far as anybody says, and in which currency.
    pub fn worth(&self, event: &Event) -> (Option<Micros>, Option<Currency>) {
        let told = || currency_of(event).or(self.currency);
        match &self.value {
            ConversionValue::OfEvent => (worth(event), told()),
            ConversionValue::Property(property) => (amount(property, event), told()),
            ConversionValue::Fixed(money) => (Some(money.amount), Some(money.currency)),
        }
    }
}

/// What a macro-conversion is worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversionValue {
    /// What the event says: `total`, `revenue` or `value`.
    #[default]
    OfEvent,
    /// What stands in this detail of it.
    Property(Property),
    /// Always this.
    Fixed(Money),
}

impl ConversionValue {
    fn is_of_event(&self) -> bool {
        *self == Self::OfEvent
    }
}

/// A small step towards a macro-conversion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MicroConversion {
    /// Its name in reports.
    pub name: Name,
    /// Its name for people.
    pub title: String,
    /// Which events.
    pub of: Vec<EventMatch>,
    /// The macro-conversion that it is a step to.
    pub leads_to: Name,
    /// In less than this.
    pub within: Span,
}

/// A way in steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Funnel {
    /// Its name in reports.
    pub name: Name,
    /// Its name for people.
    pub title: String,
    /// In their order.
    pub steps: Vec<FunnelStep>,
    /// From the first step to the last in less than this.
    pub within: Span,
    /// By what it is shown apart.
    #[serde(rename = "by", default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<FunnelSplit>,
}

/// A step of a funnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunnelStep {
    /// Its name in reports.
    pub name: Name,
    /// Which events.
    pub of: Vec<EventMatch>,
}

/// By what a funnel is shown apart: what is true of somebody at its first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunnelSplit {
    /// The segments they are in; somebody may be in several.
    Segment,
    /// The channel of the last message that they were sent within the attribution window.
    Channel,
    /// The traffic source that brought them.
    Source,
}

impl FunnelSplit {
    /// Every split with its name.
    pub const ALL: [(&'static str, Self); 3] =
        [("segment", Self::Segment), ("channel", Self::Channel), ("source", Self::Source)];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// To what macro-conversions are credited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// How long before a macro-conversion something may have been to have a part in it.
    pub window: Span,
    /// How several share it.
    pub model: AttributionModel,
    /// What of a message counts.
    pub touch: MessageTouch,
}

impl Default for Attribution {
    /// 30 days, linear, clicked messages: the window of Google Analytics' default for acquisitions, and the model that
    /// assumes least.
    fn default() -> Self {
        Self {
            window: Span::from_secs(30 * 24 * 60 * 60),
            model: AttributionModel::Linear,
            touch: MessageTouch::Clicked,
        }
    }
}

/// How several touches share a conversion. The last touch is always shown beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributionModel {
    /// The last has it all.
    LastTouch,
    /// Each has the same.
    Linear,
    /// Each has half as much as one that is a half-life later.
    TimeDecay {
        /// The half-life.
        half_life: Span,
    },
    /// The first and the last have 40 % each, and those between share the rest; two have one half each.
    PositionBased,
}

impl AttributionModel {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastTouch => "last_touch",
            Self::Linear => "linear",
            Self::TimeDecay { .. } => "time_decay",
            Self::PositionBased => "position_based",
        }
    }
}

/// What of a message counts as a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageTouch {
    /// That it was sent.
    Sent,
    /// That it was opened, or a link of it was followed.
    Opened,
    /// That a link of it was followed.
    Clicked,
}

impl MessageTouch {
    /// Every kind of touch with its name.
    pub const ALL: [(&'static str, Self); 3] =
        [("sent", Self::Sent), ("opened", Self::Opened), ("clicked", Self::Clicked)];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// Whether one of these is meant by an event, at its own time.
pub fn is_one_of(of: &[EventMatch], event: &Event) -> bool {
    of.iter().any(|one| one.matches(event, event.at))
}

impl fmt::Display for MacroConversion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&describe::events(&self.of))?;
        match &self.value {
            ConversionValue::OfEvent => {}
            ConversionValue::Property(property) => write!(formatter, ", worth its `{property}`")?,
            ConversionValue::Fixed(money) => {
                write!(formatter, ", worth {} {}", money.amount, money.currency.as_str())?;
            }
        }
        self.currency.map_or(Ok(()), |currency| write!(formatter, " in {}", currency.as_str()))
    }
}

impl fmt::Display for MicroConversion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, then `{}` within {}", describe::events(&self.of), self.leads_to, self.within)
    }
}

impl fmt::Display for Funnel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            write!(
                formatter,
                "{}{} ({})",
                if number == 0 { "" } else { ", then " },
                step.name,
                describe::events(&step.of)
            )?;
        }
        write!(formatter, ", within {}", self.within)?;
        for (number, split) in self.splits.iter().enumerate() {
            write!(formatter, "{}{}", if number == 0 { "; by " } else { ", " }, split.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Display for Attribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "to messages that were {} and visits within {}: ", self.touch.as_str(), self.window)?;
        match self.model {
            AttributionModel::LastTouch => formatter.write_str("the last has it all"),
            AttributionModel::Linear => formatter.write_str("all alike"),
            AttributionModel::TimeDecay { half_life } => write!(formatter, "half as much for each {half_life} before"),
            AttributionModel::PositionBased => formatter.write_str("40 % each to the first and the last"),
        }
    }
}

/// Whether something is not before something else, and less than a span after it.
pub fn after_within(from: Timestamp, to: Timestamp, within: Span) -> bool {
    to >= from && to.since(from) < within
}
