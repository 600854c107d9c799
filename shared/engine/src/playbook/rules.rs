//! What holds for all plays: segments, moments, places, and the shop's policy.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{Channel, Condition, EventMatch, LocalHours, Share};
use crate::name::Name;
use crate::time::Span;

/// A group of users that changes with what they do and with time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its name in files, state and records.
    pub name: Name,
    /// Its name for people.
    pub title: String,
    /// Who is in it.
    pub who: Condition,
}

/// What a shopper reaches for the phone for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, minicbor::Encode, minicbor::Decode,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Moment {
    /// To look for information.
    #[n(0)]
    Know,
    /// To look for a place.
    #[n(1)]
    Go,
    /// To use or to learn something.
    #[n(2)]
    Do,
    /// To order.
    #[n(3)]
    Buy,
}

impl Moment {
    /// Every moment with its name in files, in the order in which equal strengths are told apart.
    pub const ALL: [(&'static str, Self); 4] =
        [("know", Self::Know), ("go", Self::Go), ("do", Self::Do), ("buy", Self::Buy)];

    /// Its name in files.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// Which interactions are evidence of which moment, and how ready to buy somebody is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// The moments that the shop tells apart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moments: BTreeMap<Moment, MomentSettings>,
    /// The readiness to buy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
}

/// How strong a moment is: each piece of evidence adds its weight, and all of it halves with each half-life
/// (exponential decay). The user's current moment is the strongest that has reached its threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MomentSettings {
    /// In which time its strength halves.
    pub half_life: Span,
    /// The strength at which it is reached.
    pub reached_at: f64,
    /// What speaks for it.
    pub evidence: Vec<Evidence>,
}

/// Something that speaks for a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What.
    pub of: Vec<EventMatch>,
    /// How much; above 0.
    pub weight: f64,
}

/// The readiness to buy: `1 / (1 + exp(-(intercept + Σ weight · value)))`, logistic regression's form
/// (Cox 1958). A condition's value is 1 or 0; a moment's value is its strength.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readiness {
    /// What holds for a user of whom nothing else does.
    pub intercept: f64,
    /// What raises or lowers it.
    pub terms: Vec<ReadinessTerm>,
}

/// One thing that raises or lowers the readiness to buy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadinessTerm {
    /// What.
    pub value: ReadinessValue,
    /// By how much. A moment's weight is not negative, so that between two events the readiness changes
    /// only at known instants or falls steadily.
    pub weight: f64,
}

/// A value of the readiness formula.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessValue {
    /// 1 when it holds.
    Holds(Condition),
    /// The strength of a moment.
    Strength(Moment),
}

/// A shop, a café, a showroom: a circle on the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Its name in files, state and feeds of stock.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What it is, as in `cafe`: the shop's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// How near counts as there, in metres.
    pub radius_m: u32,
    /// Its address for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The IANA name of its time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// When it is open, by its own time; always without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<LocalHours>,
}

/// Which places are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceSelector {
    /// Any.
    Any,
    /// Those of a kind.
    Kind(String),
    /// This one.
    Named(String),
}

impl PlaceSelector {
    /// Whether a place is meant.
    pub fn matches(&self, place: &Place) -> bool {
        match self {
            Self::Any => true,
            Self::Kind(kind) => place.kind.as_ref() == Some(kind),
            Self::Named(name) => place.name == *name,
        }
    }
}

impl core::fmt::Display for PlaceSelector {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Any => formatter.write_str("any place"),
            Self::Kind(kind) => write!(formatter, "any {kind}"),
            Self::Named(name) => formatter.write_str(name),
        }
    }
}

/// What holds for all plays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The IANA name of the time zone of users whose own is not known.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// How often at most, over all plays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<ChannelCap>,
    /// When nobody is to be disturbed, by the user's own time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet_hours: Vec<LocalHours>,
    /// The share of all users who get no marketing at all, so that one can see what it is worth.
    #[serde(default = "Share::none", skip_serializing_if = "Share::is_none")]
    pub control_group: Share,
}

fn utc() -> String {
    "UTC".to_string()
}

impl Default for Policy {
    fn default() -> Self {
        Self { time_zone: utc(), caps: Vec::new(), quiet_hours: Vec::new(), control_group: Share::none() }
    }
}

/// At most so many messages, over all plays, in a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelCap {
    /// On this channel; on all together without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// How many.
    pub at_most: u32,
    /// In how long.
    pub per: Span,
}
