//! What a register holds.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;
use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::{Register, bucket_ends};
use crate::bounds::{GROUPS_MAX, REFILLS_MAX};
use crate::playbook::TraitValue;
use crate::time::{Span, Timestamp};

/// Times, oldest first. Most registers hold one or two: those need no memory of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(SmallVec<[Timestamp; 2]>);

impl Deref for Times {
    type Target = [Timestamp];

    fn deref(&self) -> &[Timestamp] {
        &self.0
    }
}

impl FromIterator<Timestamp> for Times {
    fn from_iter<I: IntoIterator<Item = Timestamp>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}

impl Times {
    /// Adds the newest; the oldest leave when there are more than `keep`.
    pub(crate) fn push(&mut self, at: Timestamp, keep: usize) {
        let too_many = (self.0.len() + 1).saturating_sub(keep.max(1));
        if too_many > 0 {
            self.0.drain(..too_many.min(self.0.len()));
        }
        self.0.push(at);
    }

    /// Puts what is newer behind what is older, and lets go of the oldest.
    fn merge(&mut self, theirs: Self, keep: usize) {
        self.0.extend(theirs.0);
        self.0.sort_unstable();
        let too_many = self.0.len().saturating_sub(keep);
        self.0.drain(..too_many);
    }
}

impl<C> Encode<C> for Times {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(self.0.len() as u64)?;
        self.0.iter().try_for_each(|time| time.encode(encoder, context))
    }
}

impl<'b, C> Decode<'b, C> for Times {
    fn decode(decoder: &mut minicbor::Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        decoder.array_iter_with(context)?.collect::<Result<SmallVec<_>, _>>().map(Self)
    }
}

/// What a register holds of one user.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum RegisterValue {
    /// Of [`Register::Recent`]: oldest first.
    #[n(0)]
    Recent(#[n(0)] Times),
    /// Of [`Register::RecentBy`]: the one touched last at the end.
    #[n(1)]
    RecentBy(#[n(0)] Vec<Group>),
    /// Of [`Register::Total`].
    #[n(2)]
    Total {
        /// How often.
        #[n(0)]
        count: u32,
        /// First when.
        #[n(1)]
        first: Timestamp,
        /// Last when.
        #[n(2)]
        last: Timestamp,
    },
    /// Of [`Register::Sum`] without a window: millionths.
    #[n(3)]
    Sum(#[n(0)] i64),
    /// Of [`Register::Sum`] with a window: oldest first.
    #[n(4)]
    SumWithin(#[n(0)] Vec<Bucket>),
    /// Of [`Register::SumBy`]: the one touched last at the end.
    #[n(5)]
    SumBy(#[n(0)] Vec<SumGroup>),
    /// Of [`Register::Distinct`]: the one seen last at the end.
    #[n(6)]
    Distinct(#[n(0)] Vec<Group>),
    /// Of [`Register::Sequence`].
    #[n(7)]
    Sequence {
        /// When the best sequence of so many parts began.
        #[n(0)]
        begun: Vec<Option<Timestamp>>,
        /// When the last part was done in time.
        #[n(1)]
        completed: Option<Timestamp>,
    },
    /// Of [`Register::Open`].
    #[n(8)]
    Open {
        /// When it was last done.
        #[n(0)]
        after: Option<Timestamp>,
        /// When what ends it was last done.
        #[n(1)]
        ended: Option<Timestamp>,
        /// Whether the former came later.
        #[n(2)]
        open: bool,
    },
    /// Of [`Register::LastValue`].
    #[n(9)]
    LastValue {
        /// The value.
        #[n(0)]
        value: TraitValue,
        /// Since when.
        #[n(1)]
        at: Timestamp,
    },
    /// Of [`Register::Habit`].
    #[n(10)]
    Habit {
        /// By weekday, Monday first.
        #[n(0)]
        weekdays: [u16; 7],
        /// By hour. Elsewhere in memory, because few registers are habits, and all take as much as the largest.
        #[n(1)]
        hours: Box<[u16; 24]>,
    },
    /// Of [`Register::Visits`].
    #[n(11)]
    Visits {
        /// When they began, oldest first.
        #[n(0)]
        begun: Times,
        /// When the last event was.
        #[n(1)]
        last: Timestamp,
    },
    /// Of [`Register::Refills`]: the product bought last at the end.
    #[n(12)]
    Refills(#[n(0)] Vec<Refill>),
}

/// The times of one value of a detail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Group {
    /// The value's hash.
    #[n(0)]
    pub key: u32,
    /// When, oldest first.
    #[n(1)]
    pub times: Times,
}

/// The sum of one value of a detail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SumGroup {
    /// The value's hash.
    #[n(0)]
    pub key: u32,
    /// Without a window, one part; oldest first.
    #[n(1)]
    pub buckets: Vec<Bucket>,
}

/// One part of a window, with the sum of what fell into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Bucket {
    /// Which part, counted from 1970 in parts.
    #[n(0)]
    pub part: i64,
    /// The sum, in millionths.
    #[n(1)]
    pub sum: i64,
}

/// The purchases of one product.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Refill {
    /// The product's id, shortened.
    #[n(0)]
    pub product: String,
    /// How often.
    #[n(1)]
    pub count: u16,
    /// First when.
    #[n(2)]
    pub first: Timestamp,
    /// Last when.
    #[n(3)]
    pub last: Timestamp,
}

fn merged_buckets(own: &mut Vec<Bucket>, theirs: Vec<Bucket>, within: Option<Span>, at: Timestamp) {
    for bucket in theirs {
        match own.iter_mut().find(|known| known.part == bucket.part) {
            Some(known) => known.sum = known.sum.saturating_add(bucket.sum),
            None => own.push(bucket),
        }
    }
    own.sort_unstable_by_key(|bucket| bucket.part);
    if let Some(window) = within {
        own.retain(|bucket| bucket_ends(bucket.part, window) > at);
    }
}

impl RegisterValue {
    /// Takes in what the same register held of a visitor who turned out to be this user. What was
    /// done under one name and what under the other are put side by side; a sequence that began under the
    /// one and ended under the other is not seen.
    pub(crate) fn merge(&mut self, theirs: Self, register: &Register, at: Timestamp) {
        match (self, theirs, register) {
            (Self::Recent(own), Self::Recent(theirs), Register::Recent { keep, .. }) => {
                own.merge(theirs, *keep as usize);
            }
            (Self::RecentBy(own), Self::RecentBy(theirs), Register::RecentBy { keep, .. }) => {
                for group in theirs {
                    match own.iter_mut().find(|known| known.key == group.key) {
                        Some(known) => known.times.merge(group.times, *keep as usize),
                        None => own.push(group),
                    }
                }
                own.sort_by_key(|group| group.times.last().copied());
                own.drain(..own.len().saturating_sub(GROUPS_MAX));
            }
            (
                Self::Total { count, first, last },
                Self::Total { count: their_count, first: their_first, last: their_last },
                _,
            ) => {
                *count = count.saturating_add(their_count);
                *first = (*first).min(their_first);
                *last = (*last).max(their_last);
            }
            (Self::Sum(own), Self::Sum(theirs), _) => *own = own.saturating_add(theirs),
            (Self::SumWithin(own), Self::SumWithin(theirs), Register::Sum { within, .. }) => {
                merged_buckets(own, theirs, *within, at);
            }
            (Self::SumBy(own), Self::SumBy(theirs), Register::SumBy { within, .. }) => {
                // Theirs count as touched before own ones: without times, nobody knows better.
                let mut groups = theirs;
                for group in core::mem::take(own) {
                    match groups.iter().position(|known| known.key == group.key) {
                        Some(position) => {
                            let mut known = groups.remove(position);
                            merged_buckets(&mut known.buckets, group.buckets, *within, at);
                            groups.push(known);
                        }
                        None => groups.push(group),
                    }
                }
                groups.drain(..groups.len().saturating_sub(GROUPS_MAX));
                *own = groups;
            }
            (Self::Distinct(own), Self::Distinct(theirs), Register::Distinct { keep, .. }) => {
                for group in theirs {
                    match own.iter_mut().find(|known| known.key == group.key) {
                        Some(known) => known.times.merge(group.times, 1),
                        None => own.push(group),
                    }
                }
                own.sort_by_key(|group| group.times.last().copied());
                own.drain(..own.len().saturating_sub(*keep as usize));
            }
            (
                Self::Sequence { begun, completed },
                Self::Sequence { begun: their_begun, completed: their_completed },
                _,
            ) => {
                for (own, theirs) in begun.iter_mut().zip(their_begun) {
                    *own = (*own).max(theirs);
                }
                *completed = (*completed).max(their_completed);
            }
            (
                Self::Open { after, ended, open },
                Self::Open { after: their_after, ended: their_ended, open: their_open },
                _,
            ) => {
                let both = (*after).max(their_after) > (*ended).max(their_ended);
                *open = both && (*open || their_open);
                *after = (*after).max(their_after);
                *ended = (*ended).max(their_ended);
            }
            (Self::LastValue { value, at }, Self::LastValue { value: their_value, at: their_at }, _)
                if their_at > *at =>
            {
                (*value, *at) = (their_value, their_at);
            }
            (Self::Habit { weekdays, hours }, Self::Habit { weekdays: theirs, hours: their_hours }, _) => {
                let add = |own: &mut u16, theirs: u16| *own = own.saturating_add(theirs);
                weekdays.iter_mut().zip(theirs).for_each(|(own, theirs)| add(own, theirs));
                hours.iter_mut().zip(*their_hours).for_each(|(own, theirs)| add(own, theirs));
            }
            (
                Self::Visits { begun, last },
                Self::Visits { begun: theirs, last: their_last },
                Register::Visits { keep },
            ) => {
                begun.merge(theirs, *keep as usize);
                *last = (*last).max(their_last);
            }
            (Self::Refills(own), Self::Refills(theirs), _) => {
                for refill in theirs {
                    match own.iter_mut().find(|known| known.product == refill.product) {
                        Some(known) => {
                            known.count = known.count.saturating_add(refill.count);
                            known.first = known.first.min(refill.first);
                            known.last = known.last.max(refill.last);
                        }
                        None => own.push(refill),
                    }
                }
                own.sort_by_key(|refill| refill.last);
                own.drain(..own.len().saturating_sub(REFILLS_MAX));
            }
            // An older value; or, should two registers ever have the same hash, another one: what is there stays.
            _ => {}
        }
    }
}
