//! Sums that can be added in any order: the parts of counts.
//!
//! What comes from outside has any number of names. Of each list the first ones are kept, the shortest first and equally
//! long ones by their bytes, and all others are one part, `(other)`. Which ones are kept depends on the names alone and not on
//! when they came: a name that is not among the first ones of a part of the rows is not among those of all rows.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use kairos_engine::bounds::FIGURES_LABEL_BYTES_MAX;
use kairos_engine::money::Micros;
use kairos_engine::product::shortened;
use kairos_engine::time::Span;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What all names are called together that have no place of their own.
pub const OTHER: &str = "(other)";

/// Something that can be added up. In whatever order and groups it is done, the sum is the same.
pub trait Additive: Default + PartialEq {
    /// Adds another one.
    fn add(&mut self, other: &Self);

    /// Whether it is nothing.
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Additive for u64 {
    fn add(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

impl Additive for Micros {
    /// Amounts of clients are never negative; of a row that says otherwise nothing is counted.
    fn add(&mut self, other: &Self) {
        *self = self.plus((*other).max(Self::default()));
    }
}

/// Makes a struct of sums a sum. What is nothing is not written.
macro_rules! additive {
    ($(#[$doc:meta])* $name:ident { $( $(#[$field_doc:meta])* $field:ident: $type:ty, )* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $( $(#[$field_doc])* #[serde(skip_serializing_if = "crate::counts::parts::Additive::is_nothing")] pub $field: $type, )*
        }

        impl crate::counts::parts::Additive for $name {
            fn add(&mut self, other: &Self) {
                $( crate::counts::parts::Additive::add(&mut self.$field, &other.$field); )*
            }
        }
    };
}
pub(super) use additive;

/// A name, as far as it is kept. The shortest come first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label(Box<str>);

impl Ord for Label {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Sums by name: of so many names, and of all others together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<T, const MAX: usize> {
    named: BTreeMap<Label, T>,
    other: Option<Box<T>>,
}

impl<T, const MAX: usize> Default for Parts<T, MAX> {
    fn default() -> Self {
        Self { named: BTreeMap::new(), other: None }
    }
}

impl<T: Additive, const MAX: usize> Parts<T, MAX> {
    /// The sum of a name: its own, or that of all others.
    pub fn of(&mut self, name: &str) -> &mut T {
        let label = Label(shortened(name.trim(), FIGURES_LABEL_BYTES_MAX).into());
        if *label.0 == *OTHER {
            return self.other();
        }
        if self.named.len() >= MAX && !self.named.contains_key(&label) {
            match self.named.last_entry() {
                Some(last) if label < *last.key() => {
                    let surplus = last.remove();
                    self.other().add(&surplus);
                }
                _ => return self.other(),
            }
        }
        self.named.entry(label).or_default()
    }

    fn other(&mut self) -> &mut T {
        self.other.get_or_insert_with(Box::default)
    }

    /// The sum of a name, if it has its own.
    pub fn get(&self, name: &str) -> Option<&T> {
        if name == OTHER { self.other.as_deref() } else { self.named.get(&Label(name.into())) }
    }

    /// All names with their sums, [`OTHER`] at the end.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let named = self.named.iter().map(|(label, sum)| (&*label.0, sum));
        named.chain(self.other.as_deref().map(|sum| (OTHER, sum)))
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.other.is_none()
    }
}

impl<T: Additive, const MAX: usize> Additive for Parts<T, MAX> {
    fn add(&mut self, other: &Self) {
        for (name, sum) in other.iter() {
            self.of(name).add(sum);
        }
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Additive + Serialize, const MAX: usize> Serialize for Parts<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, T: Additive + Deserialize<'de>, const MAX: usize> Deserialize<'de> for Parts<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names<T, const MAX: usize>(Parts<T, MAX>);
        impl<'de, T: Additive + Deserialize<'de>, const MAX: usize> Visitor<'de> for Names<T, MAX> {
            type Value = Parts<T, MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("sums by name")
            }

            fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
                while let Some((name, sum)) = map.next_entry::<String, T>()? {
                    self.0.of(&name).add(&sum);
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_map(Names(Parts::default()))
    }
}

/// How often a span of time was how long, in steps of at most an eighth.
///
/// Seconds up to 8 count each apart; from there on each doubling is cut into eight steps. So a quantile is known to within
/// 12.5 %, and sums of two such counts are exact. (The layout of HdrHistogram with three bits,
/// <https://github.com/HdrHistogram/HdrHistogram>.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spans(BTreeMap<u16, u64>);

const BITS: u32 = 3;

impl Spans {
    /// Counts a span; a negative one as none.
    pub fn note(&mut self, span: Span) {
        let secs = u64::try_from(span.as_millis() / 1_000).unwrap_or(0);
        self.0.entry(step_of(secs)).or_default().add(&1);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// A span that this share of all (from 0 to 1) does not exceed: the end of the step in which it lies. `None` without any.
    pub fn quantile(&self, share: f64) -> Option<Span> {
        let wanted = ((self.count() as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut reached = 0_u64;
        let (step, _) = self.0.iter().find(|(_, count)| {
            reached = reached.saturating_add(**count);
            reached >= wanted
        })?;
        Some(Self::bounds(*step).1)
    }

    /// Each step that has any: from when, to when (not included), and how many.
    pub fn iter(&self) -> impl Iterator<Item = (Span, Span, u64)> {
        self.0.iter().map(|(step, count)| {
            let (from, to) = Self::bounds(*step);
            (from, to, *count)
        })
    }

    fn bounds(step: u16) -> (Span, Span) {
        let secs = |step: u16| Span::from_secs(i64::try_from(start_of(step)).unwrap_or(i64::MAX / 1_000));
        (secs(step), secs(step + 1))
    }
}

/// The step in which so many seconds lie.
fn step_of(secs: u64) -> u16 {
    let steps = 1 << BITS;
    if secs < steps {
        return secs as u16;
    }
    let doublings = secs.ilog2() - BITS;
    (u64::from(doublings + 1) * steps + (secs >> doublings) - steps) as u16
}

/// The first second of a step.
fn start_of(step: u16) -> u64 {
    let steps = 1 << BITS;
    let (doublings, within) = (u64::from(step) / steps, u64::from(step) % steps);
    match doublings {
        0 => within,
        doublings => (steps + within).checked_shl(doublings as u32 - 1).unwrap_or(u64::MAX),
    }
}

impl Additive for Spans {
    fn add(&mut self, other: &Self) {
        for (step, count) in &other.0 {
            self.0.entry(*step).or_default().add(count);
        }
    }

    fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_are_kept_do_not_depend_on_the_order() {
        let names = ["google", "bing", "x", "a", "instagram", "(other)", "x", "bb", "ba"];
        let mut expected = Parts::<u64, 3>::default();
        names.iter().for_each(|name| expected.of(name).add(&1));
        let kept: Vec<_> = expected.iter().map(|(name, count)| (name, *count)).collect();
        assert_eq!(kept, [("a", 1), ("x", 2), ("ba", 1), (OTHER, 5)]);
        for turn in 0..names.len() {
            let (one, two) = names.split_at(turn);
            let part = |names: &[&str]| {
                let mut part = Parts::<u64, 3>::default();
                names.iter().rev().for_each(|name| part.of(name).add(&1));
                part
            };
            let mut sum = part(two);
            sum.add(&part(one));
            assert_eq!(sum, expected, "{turn}");
            let read: Parts<u64, 3> = serde_json::from_str(&serde_json::to_string(&sum).unwrap()).unwrap();
            assert_eq!(read, sum);
        }
    }

    #[test]
    fn a_step_is_an_eighth_at_most() {
        let mut before = 0;
        for secs in (0..100_000).chain([u64::MAX / 1_000]) {
            let step = step_of(secs);
            assert!(step >= before && start_of(step) <= secs && secs < start_of(step + 1), "{secs}");
            let width = start_of(step + 1) - start_of(step);
            assert!(width == 1 || width * 8 <= start_of(step), "{secs}");
            before = step;
        }
        let mut spans = Spans::default();
        (1..=100).for_each(|minutes| spans.note(Span::from_mins(minutes)));
        let median = spans.quantile(0.5).unwrap().as_millis() as f64 / 60_000.0;
        assert!((50.0..=50.0 * 1.125).contains(&median), "{median}");
        assert_eq!(spans.iter().map(|(.., count)| count).sum::<u64>(), 100);
    }
}
