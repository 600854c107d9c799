//! What an event does to a register.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use serde_json::Value;
use smallvec::SmallVec;

use super::Register;
use super::value::{Bucket, Group, Refill, RegisterValue, SumGroup, Times};
use crate::bounds::{GROUPS_MAX, LAST_VALUE_BYTES_MAX, PRODUCT_KEY_BYTES_MAX, REFILLS_MAX, SUM_BUCKETS, VISIT_GAP};
use crate::event::Event;
use crate::money::Currency;
use crate::playbook::{Property, TraitValue};
use crate::product::shortened;
use crate::property::{self, Money, ValueRef};
use crate::time::{Span, Timestamp};

/// A 32-bit hash of a value (FNV-1a, folded), by which values are told apart. Two values of one user
/// are taken for one with a chance of one in four billion.
pub(crate) fn stamp_of(value: &ValueRef<'_>) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    match value {
        ValueRef::Text(text) => add(text.as_bytes()),
        ValueRef::Number(number) => add(&number.to_bits().to_be_bytes()),
        ValueRef::Flag(flag) => add(&[u8::from(*flag)]),
        ValueRef::List(_) | ValueRef::Texts(_) => {}
    }
    (hash ^ (hash >> 32)) as u32
}

/// The width of one part of a window, rounded up to the millisecond.
pub(crate) const fn bucket_width(window: Span) -> i64 {
    let width = (window.as_millis() + SUM_BUCKETS as i64 - 1) / SUM_BUCKETS as i64;
    if width < 1 { 1 } else { width }
}

/// When a part of a window stops counting: when the whole of it is older than the window.
pub(crate) const fn bucket_ends(part: i64, window: Span) -> Timestamp {
    Timestamp::from_millis((part + 1).saturating_mul(bucket_width(window)).saturating_add(window.as_millis()))
}

/// A number in millionths, half away from zero, when it is one that counts.
fn millionths(value: &ValueRef<'_>, of: Money<'_>, currency: Option<Currency>) -> Option<i64> {
    match value {
        ValueRef::Number(number) if number.abs() < 1e12 && currency.is_none_or(|wanted| of.is(wanted)) => {
            Some(libm::round(number * 1e6) as i64)
        }
        _ => None,
    }
}

/// The numbers that an event adds to a sum.
fn amount(event: &Event, property: &Property, currency: Option<Currency>) -> Option<i64> {
    let mut sum = None;
    property::each(property, event, |value, of| {
        if let Some(amount) = millionths(&value, of, currency) {
            sum = Some(sum.unwrap_or(0_i64).saturating_add(amount));
        }
    });
    sum
}

/// The numbers that an event adds for each value of a detail. What a product costs counts for that product's
/// value, whatever else was bought with it; a number of the event itself counts for each value.
fn amounts_by(event: &Event, property: &Property, currency: Option<Currency>, by: &Property) -> Vec<(u32, i64)> {
    let (Property::Product(number), Property::Product(value)) = (property, by) else {
        let Some(amount) = amount(event, property, currency) else { return Vec::new() };
        return stamps(by, event).into_iter().map(|key| (key, amount)).collect();
    };
    let mut amounts: Vec<(u32, i64)> = Vec::new();
    for product in &event.products {
        let key = property::product_field(product, *value).map(|value| stamp_of(&value));
        let amount = property::product_field(product, *number);
        let amount = amount.and_then(|amount| millionths(&amount, Money::of(product), currency));
        let (Some(key), Some(amount)) = (key, amount) else { continue };
        match amounts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, sum)) => *sum = sum.saturating_add(amount),
            None => amounts.push((key, amount)),
        }
    }
    amounts
}

/// The group that an event is about, as the one touched last.
fn touch<T>(groups: &mut Vec<T>, key: impl Fn(&T) -> bool, keep: usize, new: impl FnOnce() -> T) -> &mut T {
    if groups.len() <= keep && groups.last().is_some_and(&key) {
        return groups.last_mut().expect("there is a last one");
    }
    let group = match groups.iter().position(key) {
        Some(position) => groups.remove(position),
        None => new(),
    };
    if groups.len() >= keep {
        groups.remove(0);
    }
    groups.push(group);
    groups.last_mut().expect("one was just added")
}

fn add(buckets: &mut Vec<Bucket>, amount: i64, within: Option<Span>, at: Timestamp) {
    let part = within.map_or(0, |window| at.as_millis().div_euclid(bucket_width(window)));
    if let Some(window) = within {
        buckets.retain(|bucket| bucket_ends(bucket.part, window) > at);
    }
    match buckets.iter_mut().find(|bucket| bucket.part == part) {
        Some(bucket) => bucket.sum = bucket.sum.saturating_add(amount),
        None => buckets.push(Bucket { part, sum: amount }),
    }
}

/// What a register has seen in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing worth remembering.
    Nothing,
    /// Something that no question tells yet.
    Noted,
    /// Something that may change an answer.
    Changed,
}

impl Register {
    /// What it holds of somebody of whom it has seen nothing until `at`.
    pub(crate) fn begun(&self, at: Timestamp) -> RegisterValue {
        match self {
            Self::Recent { .. } => RegisterValue::Recent(Times::default()),
            Self::RecentBy { .. } => RegisterValue::RecentBy(Vec::new()),
            Self::Total { .. } => RegisterValue::Total { count: 0, first: at, last: at },
            Self::Sum { within: None, .. } => RegisterValue::Sum(0),
            Self::Sum { within: Some(_), .. } => RegisterValue::SumWithin(Vec::new()),
            Self::SumBy { .. } => RegisterValue::SumBy(Vec::new()),
            Self::Distinct { .. } => RegisterValue::Distinct(Vec::new()),
            Self::Sequence { steps, .. } => {
                RegisterValue::Sequence { begun: vec![None; steps.len() - 1], completed: None }
            }
            Self::Open { .. } => RegisterValue::Open { after: None, ended: None, open: false },
            Self::LastValue { .. } => RegisterValue::LastValue { value: TraitValue::Flag(false), at },
            Self::Habit { .. } => RegisterValue::Habit { weekdays: [0; 7], hours: Box::new([0; 24]) },
            Self::Visits { .. } => RegisterValue::Visits { begun: Times::default(), last: at },
            Self::Refills { .. } => RegisterValue::Refills(Vec::new()),
        }
    }

    /// Applies an event that matches this register in a `role` (which part of a sequence; 0 for what
    /// opens and 1 for what ends; else 0) to what it holds of a user. `local` is the user's own weekday and
    /// hour, which a habit is made of.
    pub(crate) fn apply(
        &self,
        value: &mut RegisterValue,
        role: usize,
        event: &Event,
        at: Timestamp,
        local: Option<(u8, u8)>,
    ) -> Seen {
        match (self, value) {
            (Self::Recent { keep, .. }, RegisterValue::Recent(times)) => times.push(at, *keep as usize),
            (Self::RecentBy { by, keep, .. }, RegisterValue::RecentBy(groups)) => {
                let keys = stamps(by, event);
                if keys.is_empty() {
                    return Seen::Nothing;
                }
                for key in keys {
                    let new = || Group { key, times: Times::default() };
                    touch(groups, |group| group.key == key, GROUPS_MAX, new).times.push(at, *keep as usize);
                }
            }
            (Self::Total { .. }, RegisterValue::Total { count, last, .. }) => {
                *count = count.saturating_add(1);
                *last = at;
            }
            (Self::Sum { property, currency, within, .. }, value) => {
                let Some(amount) = amount(event, property, *currency) else { return Seen::Nothing };
                match value {
                    RegisterValue::Sum(sum) => *sum = sum.saturating_add(amount),
                    RegisterValue::SumWithin(buckets) => add(buckets, amount, *within, at),
                    _ => return Seen::Nothing,
                }
            }
            (Self::SumBy { property, currency, within, by, .. }, RegisterValue::SumBy(groups)) => {
                let amounts = amounts_by(event, property, *currency, by);
                if amounts.is_empty() {
                    return Seen::Nothing;
                }
                for (key, amount) in amounts {
                    let new = || SumGroup { key, buckets: Vec::new() };
                    let group = touch(groups, |group| group.key == key, GROUPS_MAX, new);
                    add(&mut group.buckets, amount, *within, at);
                }
            }
            (Self::Distinct { property, keep, .. }, RegisterValue::Distinct(groups)) => {
                let keys = stamps(property, event);
                if keys.is_empty() {
                    return Seen::Nothing;
                }
                for key in keys {
                    let new = || Group { key, times: Times::default() };
                    touch(groups, |group| group.key == key, *keep as usize, new).times.push(at, 1);
                }
            }
            (Self::Sequence { steps, within, restart, .. }, RegisterValue::Sequence { begun, completed }) => {
                let start = match role {
                    0 => Some(at),
                    _ => begun[role - 1].filter(|start| at.since(*start) < *within),
                };
                let Some(start) = start else { return Seen::Noted };
                // Until the last part, nobody is told anything new.
                if role + 1 < steps.len() {
                    begun[role] = Some(start);
                    return Seen::Noted;
                }
                *completed = Some(at);
                if *restart {
                    begun.fill(None);
                }
            }
            (Self::Open { .. }, RegisterValue::Open { after, ended, open }) => {
                *open = role == 0;
                *(if role == 0 { after } else { ended }) = Some(at);
            }
            (Self::LastValue { property, .. }, RegisterValue::LastValue { value, at: since }) => {
                let mut seen = Seen::Nothing;
                property::each(property, event, |newest, _| {
                    // Mostly it is the one that is there already, which changes no answer.
                    if matches!((&newest, &*value), (ValueRef::Text(newest), TraitValue::Text(known)) if newest == known)
                    {
                        *since = at;
                        if seen == Seen::Nothing {
                            seen = Seen::Noted;
                        }
                    } else if let Some(newest) = remembered(&newest, LAST_VALUE_BYTES_MAX) {
                        (*value, *since) = (newest, at);
                        seen = Seen::Changed;
                    }
                });
                return seen;
            }
            (Self::Habit { .. }, RegisterValue::Habit { weekdays, hours }) => {
                let Some((weekday, hour)) = local else { return Seen::Nothing };
                for count in [&mut weekdays[usize::from(weekday % 7)], &mut hours[usize::from(hour % 24)]] {
                    *count = count.saturating_add(1);
                }
            }
            (Self::Visits { keep }, RegisterValue::Visits { begun, last }) => {
                let new = begun.is_empty() || at.since(*last) >= VISIT_GAP;
                *last = at;
                if !new {
                    return Seen::Noted;
                }
                begun.push(at, *keep as usize);
            }
            (Self::Refills { .. }, RegisterValue::Refills(refills)) => {
                if event.products.is_empty() {
                    return Seen::Nothing;
                }
                for product in &event.products {
                    let id = shortened(&product.id, PRODUCT_KEY_BYTES_MAX);
                    let new = || Refill { product: id.to_string(), count: 0, first: at, last: at };
                    let refill = touch(refills, |refill| refill.product == id, REFILLS_MAX, new);
                    refill.count = refill.count.saturating_add(1);
                    refill.last = at;
                }
            }
            // Should two registers ever have the same hash, what is there stays.
            _ => return Seen::Nothing,
        }
        Seen::Changed
    }
}

/// The values of a detail as hashes, each once: an order with two pairs of shoes is one event about shoes.
fn stamps(property: &Property, event: &Event) -> SmallVec<[u32; 4]> {
    let mut keys = SmallVec::new();
    property::each(property, event, |value, _| {
        let key = stamp_of(&value);
        if !keys.contains(&key) {
            keys.push(key);
        }
    });
    keys
}

/// A value in the form in which it is remembered; a text shortened, of a list the texts for which there is room.
pub(crate) fn remembered(value: &ValueRef<'_>, bytes_max: usize) -> Option<TraitValue> {
    match value {
        ValueRef::Flag(flag) => Some(TraitValue::Flag(*flag)),
        ValueRef::Number(number) => Some(TraitValue::Number(*number)),
        ValueRef::Text(text) => Some(TraitValue::Text(shortened(text, bytes_max).to_string())),
        ValueRef::List(list) => {
            let mut room = bytes_max;
            let texts = list.iter().filter_map(Value::as_str).take_while(|text| {
                // Each takes up to two bytes more than its own.
                let taken = text.len() + 2;
                let fits = taken <= room;
                room = room.saturating_sub(taken);
                fits
            });
            Some(TraitValue::Texts(texts.map(ToString::to_string).collect()))
        }
        ValueRef::Texts(_) => None,
    }
}
