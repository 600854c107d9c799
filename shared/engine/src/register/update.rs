//! What an event does to a register.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use serde_json::Value;

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
        let mut keys = Vec::new();
        property::each(by, event, |value, _| keys.push(stamp_of(&value)));
        return unique(keys).into_iter().map(|key| (key, amount)).collect();
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

fn touch<T>(groups: &mut Vec<T>, key: impl Fn(&T) -> bool, keep: usize, new: impl FnOnce() -> T) -> &mut T {
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

impl Register {
    /// Applies an event that matches this register in a `role` (which part of a sequence; 0 for what
    /// opens and 1 for what ends; else 0) to what it holds of a user. `local` gives the user's own weekday and
    /// hour. Gives whether anything changed.
    pub(crate) fn apply(
        &self,
        slot: &mut Option<RegisterValue>,
        role: usize,
        event: &Event,
        at: Timestamp,
        local: impl FnOnce() -> (u8, u8),
    ) -> bool {
        match self {
            Self::Recent { keep, .. } => {
                let value = slot.get_or_insert_with(|| RegisterValue::Recent(Times::default()));
                let RegisterValue::Recent(times) = value else { return false };
                times.push(at, *keep as usize);
            }
            Self::RecentBy { by, keep, .. } => {
                let mut keys = Vec::new();
                property::each(by, event, |value, _| keys.push(stamp_of(&value)));
                if keys.is_empty() {
                    return false;
                }
                let value = slot.get_or_insert_with(|| RegisterValue::RecentBy(Vec::new()));
                let RegisterValue::RecentBy(groups) = value else { return false };
                for key in unique(keys) {
                    let new = || Group { key, times: Times::default() };
                    touch(groups, |group| group.key == key, GROUPS_MAX, new).times.push(at, *keep as usize);
                }
            }
            Self::Total { .. } => match slot {
                Some(RegisterValue::Total { count, last, .. }) => {
                    *count = count.saturating_add(1);
                    *last = at;
                }
                _ => *slot = Some(RegisterValue::Total { count: 1, first: at, last: at }),
            },
            Self::Sum { property, currency, within, .. } => {
                let Some(amount) = amount(event, property, *currency) else { return false };
                match within {
                    None => match slot {
                        Some(RegisterValue::Sum(sum)) => *sum = sum.saturating_add(amount),
                        _ => *slot = Some(RegisterValue::Sum(amount)),
                    },
                    Some(_) => {
                        let value = slot.get_or_insert_with(|| RegisterValue::SumWithin(Vec::new()));
                        let RegisterValue::SumWithin(buckets) = value else { return false };
                        add(buckets, amount, *within, at);
                    }
                }
            }
            Self::SumBy { property, currency, within, by, .. } => {
                let amounts = amounts_by(event, property, *currency, by);
                if amounts.is_empty() {
                    return false;
                }
                let value = slot.get_or_insert_with(|| RegisterValue::SumBy(Vec::new()));
                let RegisterValue::SumBy(groups) = value else { return false };
                for (key, amount) in amounts {
                    let new = || SumGroup { key, buckets: Vec::new() };
                    let group = touch(groups, |group| group.key == key, GROUPS_MAX, new);
                    add(&mut group.buckets, amount, *within, at);
                }
            }
            Self::Distinct { property, keep, .. } => {
                let mut keys = Vec::new();
                property::each(property, event, |value, _| keys.push(stamp_of(&value)));
                if keys.is_empty() {
                    return false;
                }
                let value = slot.get_or_insert_with(|| RegisterValue::Distinct(Vec::new()));
                let RegisterValue::Distinct(groups) = value else { return false };
                for key in unique(keys) {
                    let new = || Group { key, times: Times::default() };
                    touch(groups, |group| group.key == key, *keep as usize, new).times.push(at, 1);
                }
            }
            Self::Sequence { steps, within, restart, .. } => {
                let value = slot.get_or_insert_with(|| RegisterValue::Sequence {
                    begun: vec![None; steps.len() - 1],
                    completed: None,
                });
                let RegisterValue::Sequence { begun, completed } = value else { return false };
                let start = match role {
                    0 => Some(at),
                    _ => begun[role - 1].filter(|start| at.since(*start) < *within),
                };
                let Some(start) = start else { return false };
                // Until the last part, nobody is told anything new.
                if role + 1 < steps.len() {
                    begun[role] = Some(start);
                    return false;
                }
                *completed = Some(at);
                if *restart {
                    begun.fill(None);
                }
            }
            Self::Open { .. } => {
                let value = slot.get_or_insert(RegisterValue::Open { after: None, ended: None, open: false });
                let RegisterValue::Open { after, ended, open } = value else { return false };
                *open = role == 0;
                *(if role == 0 { after } else { ended }) = Some(at);
            }
            Self::LastValue { property, .. } => {
                let mut newest = None;
                property::each(property, event, |value, _| {
                    newest = remembered(&value, LAST_VALUE_BYTES_MAX).or(newest.take())
                });
                let Some(value) = newest else { return false };
                *slot = Some(RegisterValue::LastValue { value, at });
            }
            Self::Habit { .. } => {
                let value = slot.get_or_insert(RegisterValue::Habit { weekdays: [0; 7], hours: [0; 24] });
                let RegisterValue::Habit { weekdays, hours } = value else { return false };
                let (weekday, hour) = local();
                for count in [&mut weekdays[usize::from(weekday % 7)], &mut hours[usize::from(hour % 24)]] {
                    *count = count.saturating_add(1);
                }
            }
            Self::Visits { keep } => match slot {
                Some(RegisterValue::Visits { begun, last }) => {
                    let new = at.since(*last) >= VISIT_GAP;
                    *last = at;
                    if !new {
                        return false;
                    }
                    begun.push(at, *keep as usize);
                }
                _ => *slot = Some(RegisterValue::Visits { begun: Times::from_iter([at]), last: at }),
            },
            Self::Refills { .. } => {
                if event.products.is_empty() {
                    return false;
                }
                let value = slot.get_or_insert_with(|| RegisterValue::Refills(Vec::new()));
                let RegisterValue::Refills(refills) = value else { return false };
                for product in &event.products {
                    let id = shortened(&product.id, PRODUCT_KEY_BYTES_MAX);
                    let new = || Refill { product: id.to_string(), count: 0, first: at, last: at };
                    let refill = touch(refills, |refill| refill.product == id, REFILLS_MAX, new);
                    refill.count = refill.count.saturating_add(1);
                    refill.last = at;
                }
            }
        }
        true
    }
}

/// Each key once: an order with two pairs of shoes is one event about shoes.
fn unique(mut keys: Vec<u32>) -> Vec<u32> {
    let mut position = 0;
    while position < keys.len() {
        let key = keys[position];
        match keys[..position].contains(&key) {
            true => drop(keys.remove(position)),
            false => position += 1,
        }
    }
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
