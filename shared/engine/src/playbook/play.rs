//! Plays: when, to whom, what, and how often at most.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{Channel, Condition, EventMatch, LocalHours, PlaceSelector, Weekdays};
use crate::name::Name;
use crate::time::Span;

/// A campaign: when, to whom, what, and how often at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Play {
    /// Its name in files, state and records: never reused for another play.
    pub name: Name,
    /// Its name for people.
    pub title: String,
    /// What starts it.
    pub trigger: Trigger,
    /// Who must be true of the user when it starts.
    #[serde(default)]
    pub who: Condition,
    /// What must not be true of the user when it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<Condition>,
    /// Whether a user may pass through it again.
    #[serde(default)]
    pub entry: Entry,
    /// How long after entering it a user may not enter again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Span>,
    /// What it wants to reach: when that happens the play ends, and the message before it is credited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// Where several plays are triggered at the same instant, the higher goes first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// The share of users who may get it at all; raising it keeps those who were in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rollout: Share,
    /// The share of users for whom everything is decided but nothing sent: what would have happened anyway.
    #[serde(default = "Share::none", skip_serializing_if = "Share::is_none")]
    pub holdout: Share,
    /// What happens to a message that is due in quiet hours.
    #[serde(default, skip_serializing_if = "is_default")]
    pub quiet_hours: InQuietHours,
    /// Sent to the global control group too: for messages that are no marketing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub to_control_group: bool,
    /// How long after it was due the moment is still worth a message.
    pub valid_for: Span,
    /// How often at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
    /// The properties of the event that started it which its messages show; no others are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_properties: Vec<String>,
    /// What happens then, in order.
    pub steps: Vec<Step>,
}

impl Default for Play {
    /// A play that nothing starts and that does nothing, to begin with.
    fn default() -> Self {
        Self {
            name: Name::default(),
            title: String::new(),
            trigger: Trigger::Event(Vec::new()),
            who: Condition::default(),
            unless: None,
            entry: Entry::default(),
            cooldown: None,
            goal: None,
            priority: 0,
            rollout: Share::ALL,
            holdout: Share::none(),
            quiet_hours: InQuietHours::default(),
            to_control_group: false,
            valid_for: Span::from_hours(1),
            caps: Vec::new(),
            event_properties: Vec::new(),
            steps: Vec::new(),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A share of all users, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(pub u16);

impl Share {
    /// Everybody.
    pub const ALL: Self = Self(10_000);

    /// Nobody.
    pub const fn none() -> Self {
        Self(0)
    }

    /// Whether it is nobody.
    pub const fn is_none(&self) -> bool {
        self.0 == 0
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::ALL
    }
}

impl core::fmt::Display for Share {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{} %", f64::from(self.0) / 100.0)
    }
}

/// What starts a play.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Something happens.
    Event(Vec<EventMatch>),
    /// Something happens, and then something else does not.
    Absence {
        /// What starts (and restarts) the wait, while `who` holds.
        after: Vec<EventMatch>,
        /// What ends the wait without a message.
        of: Vec<EventMatch>,
        /// How long to wait.
        wait: Span,
    },
    /// Things happen in this order, from the first to the last within a span. Starts anew after it started.
    Sequence {
        /// What, in order; at least two.
        steps: Vec<Vec<EventMatch>>,
        /// In less than this.
        within: Span,
    },
    /// The user enters or leaves a segment.
    Segment {
        /// Which.
        name: String,
        /// Entering or leaving.
        on: Change,
    },
    /// Something becomes true of the user, whether by an event or by time alone: a moment is reached, a
    /// readiness, a number of days without a visit.
    Becomes(Condition),
    /// The user enters or leaves a place.
    Place {
        /// Which.
        of: PlaceSelector,
        /// Entering or leaving.
        on: Change,
    },
    /// It is a certain time, for every user of whom `who` holds.
    Schedule(Schedule),
    /// The price or stock of a product changes that the user cares about.
    Catalogue {
        /// Which changes.
        of: Vec<CatalogueTest>,
        /// How the user must have shown interest; the strongest one counts.
        interest: Vec<Interest>,
    },
    /// A product that the user buys again and again is about to run out: predicted from the average
    /// interval between the purchases of the same product.
    RunOut {
        /// The purchases.
        of: Vec<EventMatch>,
        /// How long before the predicted end.
        before: Span,
        /// How long a product lasts after a single purchase; without it, nothing is predicted from one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Span>,
    },
}

/// Coming or going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Coming.
    Entry,
    /// Going.
    Exit,
}

/// A recurring time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The minute of the day, 0 to 1439.
    pub at: u16,
    /// On these weekdays.
    pub weekdays: Weekdays,
    /// Only on this day of the month, 1 to 31 (the last day in shorter months).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_of_month: Option<u8>,
    /// The IANA name of the time zone; without it, each user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// What may become of a product.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogueTest {
    /// It costs at least so many percent less than before.
    PriceDrop {
        /// How many percent.
        percent: f64,
    },
    /// It can be had again.
    BackInStock,
    /// At most so many are left, where there were more.
    LowStock {
        /// How many.
        at_most: u32,
    },
}

/// How a user has shown interest in a product, weakest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, minicbor::Encode, minicbor::Decode,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Interest {
    /// Looked at it.
    #[n(0)]
    Viewed,
    /// Put it into the cart.
    #[n(1)]
    Carted,
    /// Put it onto a wish list.
    #[n(2)]
    Wished,
}

impl Interest {
    /// Every one with its name in files.
    pub const ALL: [(&'static str, Self); 3] =
        [("viewed", Self::Viewed), ("carted", Self::Carted), ("wished", Self::Wished)];
}

/// Whether a user may pass through a play again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Every time it is triggered.
    #[default]
    EveryTime,
    /// Once in the user's life.
    Once,
}

/// What a play wants to reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// What has to happen.
    pub of: Vec<EventMatch>,
    /// How long after a message (or after the message that the holdout did not get) it is credited to it:
    /// the attribution window.
    pub within: Span,
}

/// What happens to a message that is due in quiet hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InQuietHours {
    /// It waits until they end, when its moment is still valid then; else it is not sent.
    #[default]
    Hold,
    /// It is not sent.
    Skip,
    /// It is sent.
    Send,
}

/// At most so many messages of this play in a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// How many.
    pub at_most: u32,
    /// In how long.
    pub per: Span,
}

/// In which order a step tries its channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelOrder {
    /// As they are listed.
    #[default]
    Listed,
    /// That which the user answers to most first ([`crate::engagement`]); as listed, where nothing tells them apart.
    MostEngaged,
}

impl ChannelOrder {
    /// The key of files that asks for the order by engagement.
    pub const MOST_ENGAGED: &str = "most_engaged";

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_as_listed(&self) -> bool {
        *self == Self::Listed
    }
}

/// One thing a play does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Send a message on the first of these channels on which the user can be reached.
    Send {
        /// The message's name.
        message: String,
        /// Preferred first.
        channels: Vec<Channel>,
        /// In which order they are tried.
        #[serde(default, skip_serializing_if = "ChannelOrder::is_as_listed")]
        order: ChannelOrder,
    },
    /// Wait for so long.
    Wait(Span),
    /// Wait until one of these hours of the user's own time begins; goes on at once within them.
    WaitForHours(LocalHours),
    /// Wait until something is true of the user, at most for so long; goes on in either case.
    WaitUntil {
        /// What.
        condition: Condition,
        /// For how long.
        at_most: Span,
        /// What happens when it did not become true; then the play goes on behind this step.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        otherwise: Vec<Step>,
    },
    /// Go one way or the other.
    Branch {
        /// What decides.
        condition: Condition,
        /// When it holds.
        then: Vec<Step>,
        /// When it does not.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        otherwise: Vec<Step>,
    },
    /// Go one of several ways, by chance that stays the same for a user.
    Split {
        /// The experiment's name: another name draws anew.
        name: String,
        /// The ways.
        variants: Vec<Variant>,
    },
    /// The play ends here.
    Stop,
}

/// One way of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Its name in reports.
    pub name: String,
    /// Its part of all, in proportion to the other variants' weights; at least 1.
    pub weight: u32,
    /// A holdout: what its steps send is decided and recorded, but not sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub holdout: bool,
    /// What happens to those who get it.
    pub steps: Vec<Step>,
}
