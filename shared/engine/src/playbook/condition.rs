//! What can be asked about a user: a closed language. Every question compiles to the least memory that
//! answers it ([`crate::register`]) and knows the instant at which time alone changes its answer.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{Channel, EventMatch, Moment, PlaceSelector, Property, ValueTest};
use crate::money::Currency;
use crate::time::Span;

/// What must be true of a user.
///
/// "Within" a span means: less than the span ago; what happened exactly that long ago no longer counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Each of these.
    All(Vec<Condition>),
    /// At least one of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// The cart is so.
    Cart(CartTest),
    /// The user can be reached so.
    Reachable(ReachTest),
    /// A trait is so.
    Trait {
        /// The trait's name, as clients send it.
        name: String,
        /// What it must be.
        is: ValueTest,
    },
    /// Something was done at least so often.
    Did {
        /// What.
        of: Vec<EventMatch>,
        /// How often, at least 1.
        at_least: u32,
        /// In how long; for ever without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Span>,
        /// Counted apart for each value of this detail: one value must reach the number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        same: Option<Property>,
    },
    /// The first time something was done is at least so long ago (or, negated, was more recent).
    First {
        /// What.
        of: Vec<EventMatch>,
        /// How long ago, at least.
        ago: Span,
    },
    /// The last time something was done is at least so long ago; it was done at all.
    Last {
        /// What.
        of: Vec<EventMatch>,
        /// How long ago, at least.
        ago: Span,
    },
    /// A detail of the newest such event is so.
    LastValue {
        /// Which events.
        of: Vec<EventMatch>,
        /// Which detail; events without it do not count.
        property: Property,
        /// What it must be.
        is: ValueTest,
    },
    /// The sum of a number or an amount over such events is at least so much.
    Sum {
        /// Which events.
        of: Vec<EventMatch>,
        /// Which number; events without it do not count.
        property: Property,
        /// How much.
        at_least: f64,
        /// The currency that counts, when it is money.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        currency: Option<Currency>,
        /// In how long; for ever without it. A window is cut into [`SUM_BUCKETS`] parts: an amount
        /// counts until its whole part is older than the window.
        ///
        /// [`SUM_BUCKETS`]: crate::bounds::SUM_BUCKETS
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Span>,
        /// Summed apart for each value of this detail: one value must reach the amount.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        same: Option<Property>,
    },
    /// So many different values of a detail were seen. Values are told apart by a 32-bit hash.
    Distinct {
        /// In which events.
        of: Vec<EventMatch>,
        /// Of which detail.
        property: Property,
        /// How many.
        at_least: u32,
        /// In how long; for ever without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Span>,
    },
    /// Things were done in this order (others may lie between), from the first to the last within a span.
    Sequence {
        /// What, in order; at least two.
        steps: Vec<Vec<EventMatch>>,
        /// From the first to the last, in less than this.
        within: Span,
        /// Completed less than this ago; ever without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Span>,
    },
    /// Something was done, and something else has not been done since, for so long.
    Absence {
        /// What was done; its last time counts.
        after: Vec<EventMatch>,
        /// What has not been done since.
        of: Vec<EventMatch>,
        /// For how long.
        wait: Span,
    },
    /// The average time between two such events is below this; needs two.
    AverageInterval {
        /// Which events.
        of: Vec<EventMatch>,
        /// Less than this.
        less_than: Span,
    },
    /// A habit: something is done on these weekdays, or at these hours, of the user's own time.
    Habit {
        /// What.
        of: Vec<EventMatch>,
        /// When.
        on: HabitSlot,
        /// How regularly.
        is: HabitTest,
    },
    /// At least so many visits: a visit begins with the first event after [`VISIT_GAP`] without any.
    ///
    /// [`VISIT_GAP`]: crate::bounds::VISIT_GAP
    Visits {
        /// How many.
        at_least: u32,
        /// That began in how long.
        within: Span,
    },
    /// A fact about the last visit is so: the device, the campaign, the language …
    Context {
        /// Which fact.
        fact: ContextFact,
        /// What it must be.
        is: ValueTest,
    },
    /// The user's own time of day and weekday is among these.
    LocalTime(LocalHours),
    /// The user is in such a place now.
    Inside(PlaceSelector),
    /// This is the user's moment, and at least so strong.
    Moment {
        /// Which.
        moment: Moment,
        /// How strong; the moment's own threshold without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<f64>,
    },
    /// The readiness to buy, from 0 to 1, is at least this.
    Readiness {
        /// How much.
        at_least: f64,
    },
    /// The user is in a segment.
    Segment(String),
    /// A message of a play was decided for the user less than this ago.
    Messaged {
        /// Of which play; of any without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        play: Option<String>,
        /// In how long.
        within: Span,
    },
}

impl Default for Condition {
    /// True of everybody.
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// What the cart must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartTest {
    /// Something is in it.
    NotEmpty,
    /// Nothing is in it.
    Empty,
    /// Products (each with its quantity) number at least this.
    ItemsAtLeast(u32),
    /// The total is at least this; a cart with unknown prices or mixed currencies has none.
    TotalAtLeast {
        /// How much.
        amount: f64,
        /// In which currency; any without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        currency: Option<Currency>,
    },
    /// One of its products is so.
    Contains {
        /// A field of the product.
        property: Property,
        /// What it must be.
        is: ValueTest,
    },
}

/// How the user can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReachTest {
    /// By any channel that needs an address of the user's own ([`Channel::PERSONAL`]).
    Anyhow,
    /// By this channel.
    By(Channel),
}

/// When a habit is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HabitSlot {
    /// On these weekdays.
    Weekdays(Weekdays),
    /// Between these hours of the day: from the first until before the second; over midnight when the
    /// second is not larger.
    Hours {
        /// From this hour, 0 to 23.
        from: u8,
        /// Until before this hour, 0 to 23.
        until: u8,
    },
    /// On the weekday that it is now.
    Today,
}

/// How regularly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HabitTest {
    /// At least so often, counted over all time.
    AtLeast(u32),
    /// More often than on any other weekday, or at any other hour (or as often as on the best of them).
    Favourite,
}

/// A set of weekdays: bit 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weekdays(pub u8);

impl Weekdays {
    /// All seven.
    pub const ALL: Self = Self(0b111_1111);
    /// Their names, Monday first.
    pub const NAMES: [&'static str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

    /// Whether a weekday (0 is Monday) is among them.
    pub const fn has(self, weekday: u8) -> bool {
        self.0 >> weekday & 1 == 1
    }
}

/// Times of day on weekdays, by the user's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalHours {
    /// From this minute of the day (0 to 1439).
    pub from: u16,
    /// Until before this minute (0 to 1440); over midnight when it is not larger than `from`. The weekday is
    /// that on which the time began.
    pub until: u16,
    /// On these weekdays.
    pub weekdays: Weekdays,
}

/// A fact that is remembered of a user's newest events, when the playbook asks for it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, minicbor::Encode, minicbor::Decode,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum ContextFact {
    /// `phone`, `tablet`, `desktop` or `tv`: from `context.device.type`, else from the user agent.
    #[n(0)]
    Device,
    /// `ios`, `android`, `windows`, `macos`, `linux`: from `context.os.name`, else from the user agent.
    #[n(1)]
    Os,
    /// `app`, `mobile_site` or `site`.
    #[n(2)]
    Platform,
    /// The name of the source (write key).
    #[n(3)]
    Source,
    /// `context.campaign.source` (utm_source) of the newest visit that had a campaign.
    #[n(4)]
    CampaignSource,
    /// `context.campaign.medium`.
    #[n(5)]
    CampaignMedium,
    /// `context.campaign.name`.
    #[n(6)]
    CampaignName,
    /// The host of `context.page.referrer` (or `context.referrer.url`), when it is not the page's own.
    #[n(7)]
    Referrer,
    /// The language of `context.locale` or the trait, without its region: `de`.
    #[n(8)]
    Language,
    /// `context.location.country`, or the region of the locale, upper case: `DE`.
    #[n(9)]
    Country,
    /// `context.location.region`.
    #[n(10)]
    Region,
    /// `context.location.city`.
    #[n(11)]
    City,
}

impl ContextFact {
    /// Every fact with its name in files.
    pub const ALL: [(&'static str, Self); 12] = [
        ("device", Self::Device),
        ("os", Self::Os),
        ("platform", Self::Platform),
        ("source", Self::Source),
        ("campaign_source", Self::CampaignSource),
        ("campaign_medium", Self::CampaignMedium),
        ("campaign_name", Self::CampaignName),
        ("referrer", Self::Referrer),
        ("language", Self::Language),
        ("country", Self::Country),
        ("region", Self::Region),
        ("city", Self::City),
    ];

    /// Its name in files.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, fact)| *fact == self).map_or("", |(name, _)| name)
    }
}
