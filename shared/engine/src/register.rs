//! Registers: the least memory that answers a question about behaviour exactly.
//!
//! "At least 3 views within 7 days" needs the last three times: what makes it true is exact, and so is the
//! instant at which it stops being true (the third-last time plus 7 days). Questions that can share a
//! register do. A register never grows with what the user does; what each holds at most is its bound.
//!
//! Times are those of the user's clock, so they only rise.

mod update;
mod value;

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::bounds::{GROUPS_MAX, LAST_VALUE_BYTES_MAX, REFILLS_MAX, SUM_BUCKETS};
use crate::identifiers::digest;
use crate::money::Currency;
use crate::playbook::{EventMatch, EventPattern, Property};
use crate::time::Span;

pub(crate) use update::{Seen, bucket_ends, remembered};
pub use value::{Bucket, Group, Refill, RegisterValue, SumGroup, Times};

/// What is remembered, and of which events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "register", rename_all = "snake_case")]
pub enum Register {
    /// The newest times, at most `keep` of them.
    Recent {
        /// Of these events.
        of: Vec<EventMatch>,
        /// How many.
        keep: u32,
    },
    /// The newest times for each value of a detail; the [`GROUPS_MAX`] values seen last are kept.
    RecentBy {
        /// Of these events.
        of: Vec<EventMatch>,
        /// The detail.
        by: Property,
        /// How many times for each.
        keep: u32,
    },
    /// How often, first and last.
    Total {
        /// Of these events.
        of: Vec<EventMatch>,
    },
    /// A sum: running, or in a ring of [`SUM_BUCKETS`] and one parts of a window. Amounts are kept in millionths.
    Sum {
        /// Of these events.
        of: Vec<EventMatch>,
        /// Of this number.
        property: Property,
        /// In this currency, when it is money.
        currency: Option<Currency>,
        /// The window.
        within: Option<Span>,
    },
    /// Sums for each value of a detail; the [`GROUPS_MAX`] values seen last are kept.
    SumBy {
        /// Of these events.
        of: Vec<EventMatch>,
        /// Of this number.
        property: Property,
        /// In this currency, when it is money.
        currency: Option<Currency>,
        /// The window.
        within: Option<Span>,
        /// The detail.
        by: Property,
    },
    /// The `keep` different values of a detail that were seen last, each with its last time: enough to say at
    /// any time whether there were `keep` within a window.
    Distinct {
        /// In these events.
        of: Vec<EventMatch>,
        /// Of this detail.
        property: Property,
        /// How many.
        keep: u32,
    },
    /// For each part of a sequence the latest time at which one that has come so far began (the latest start
    /// is the best one), and when the whole was last completed.
    Sequence {
        /// The parts.
        steps: Vec<Vec<EventMatch>>,
        /// From the first to the last in less than this.
        within: Span,
        /// A new one begins only after the last was completed, as triggers have it.
        #[serde(default)]
        restart: bool,
    },
    /// When something was last done, and when something else was.
    Open {
        /// What was done.
        after: Vec<EventMatch>,
        /// What ends it.
        of: Vec<EventMatch>,
    },
    /// The newest value of a detail, shortened to [`LAST_VALUE_BYTES_MAX`].
    LastValue {
        /// In these events.
        of: Vec<EventMatch>,
        /// The detail.
        property: Property,
    },
    /// How often on each weekday and at each hour of the user's own time; counts stop at 65,535.
    Habit {
        /// Of these events.
        of: Vec<EventMatch>,
    },
    /// When the newest visits began, and when the last event was.
    Visits {
        /// How many.
        keep: u32,
    },
    /// For each product bought: how often, first and last. The [`REFILLS_MAX`] bought last are kept.
    Refills {
        /// The purchases.
        of: Vec<EventMatch>,
    },
}

impl Register {
    /// Whether it tells in what order things were done, so that a trigger may wait for its completion.
    pub(crate) const fn is_ordered(&self) -> bool {
        matches!(self, Self::Sequence { .. })
    }

    /// Whether it is made of the user's own weekdays and hours.
    pub(crate) const fn is_habit(&self) -> bool {
        matches!(self, Self::Habit { .. })
    }

    /// The events that it watches, with the role of each: which part of a sequence; 0 for what opens and 1 for
    /// what ends.
    pub(crate) fn watches(&self) -> Vec<(usize, &[EventMatch])> {
        match self {
            Self::Recent { of, .. }
            | Self::RecentBy { of, .. }
            | Self::Total { of }
            | Self::Sum { of, .. }
            | Self::SumBy { of, .. }
            | Self::Distinct { of, .. }
            | Self::LastValue { of, .. }
            | Self::Habit { of }
            | Self::Refills { of } => alloc::vec![(0, of.as_slice())],
            // The last part first, so that one event is never two parts.
            Self::Sequence { steps, .. } => steps.iter().map(Vec::as_slice).enumerate().rev().collect(),
            // What ends it comes last: an event that is both leaves it ended.
            Self::Open { after, of } => alloc::vec![(0, after.as_slice()), (1, of.as_slice())],
            Self::Visits { .. } => alloc::vec![(0, ANY)],
        }
    }
}

const ANY: &[EventMatch] = &[EventMatch::all(EventPattern::Any)];

/// Recognises a register: a hash of what it is, without how much it keeps, so that keeping more loses nothing.
pub type RegisterId = u32;

impl Register {
    /// The register's id.
    pub fn id(&self) -> RegisterId {
        let mut identity = self.clone();
        match &mut identity {
            Self::Recent { keep, .. }
            | Self::RecentBy { keep, .. }
            | Self::Distinct { keep, .. }
            | Self::Visits { keep } => *keep = 0,
            _ => {}
        }
        let text = serde_json::to_vec(&identity).expect("a register has only string keys and finite numbers");
        let hash = digest("register", &[&text]);
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    /// The name under which a playbook notes since when it is watched: what it is and how much it keeps.
    pub fn watch_key(&self) -> String {
        let text = serde_json::to_vec(self).expect("a register has only string keys and finite numbers");
        let hash = digest("watched register", &[&text]);
        alloc::format!("{:016x}", u64::from_be_bytes(hash[..8].try_into().expect("eight bytes are eight bytes")))
    }

    /// Makes this one keep enough for both, when they are the same but for that. Gives whether they are.
    pub fn widen(&mut self, other: &Self) -> bool {
        if self.id() != other.id() {
            return false;
        }
        if let (
            Self::Recent { keep, .. }
            | Self::RecentBy { keep, .. }
            | Self::Distinct { keep, .. }
            | Self::Visits { keep },
            Self::Recent { keep: wanted, .. }
            | Self::RecentBy { keep: wanted, .. }
            | Self::Distinct { keep: wanted, .. }
            | Self::Visits { keep: wanted },
        ) = (self, other)
        {
            *keep = (*keep).max(*wanted);
        }
        true
    }

    /// The most bytes it takes in the stored state, its id included.
    pub fn bytes_max(&self) -> usize {
        const TIME: usize = 9;
        const HEAD: usize = 5 + 6;
        let keep = |keep: u32| keep as usize;
        let sum = |within: &Option<Span>| match within {
            Some(_) => (SUM_BUCKETS + 2) * (2 * TIME + 1) + 3,
            None => TIME,
        };
        HEAD + match self {
            Self::Recent { keep: count, .. } => keep(*count) * TIME + 3,
            Self::RecentBy { keep: count, .. } => GROUPS_MAX * (keep(*count) * TIME + 3 + 7) + 3,
            Self::Total { .. } => 2 * TIME + 7,
            Self::Sum { within, .. } => sum(within),
            Self::SumBy { within, .. } => GROUPS_MAX * (sum(within) + TIME + 7) + 3,
            Self::Distinct { keep: count, .. } => keep(*count) * (TIME + 6) + 3,
            Self::Sequence { steps, .. } => steps.len() * (TIME + 1) + 3,
            Self::Open { .. } => 2 * TIME + 2,
            Self::LastValue { .. } => LAST_VALUE_BYTES_MAX + 8,
            Self::Habit { .. } => 31 * 3 + 6,
            Self::Visits { keep: count } => (keep(*count) + 1) * TIME + 3,
            Self::Refills { .. } => REFILLS_MAX * (64 + 2 * TIME + 8) + 3,
        }
    }
}
