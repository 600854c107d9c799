//! Figures: the counts of an hour or a day, with what they were counted from.

use std::collections::BTreeSet;
use std::fmt;

use kairos_engine::bounds::FIGURES_OBJECTS_MAX;
use kairos_engine::facts::Row;
use kairos_engine::time::{Span, Timestamp};
use sha2::{Digest, Sha256};

use crate::counts::{Additive, Counts};

const HOUR: Span = Span::from_hours(1);
const DAY: Span = Span::from_hours(24);

/// An hour or a day, UTC: that of the commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// The hour that begins then.
    Hour(Timestamp),
    /// The day that begins then.
    Day(Timestamp),
}

impl Period {
    /// The hour in which a time lies.
    pub fn hour(at: Timestamp) -> Self {
        Self::Hour(whole(at, HOUR))
    }

    /// The day in which a time lies.
    pub fn day(at: Timestamp) -> Self {
        Self::Day(whole(at, DAY))
    }

    /// The hour of an object of the archive, by its name (`facts/day=2026-11-22/hour=13/…`).
    pub fn of_object(name: &str) -> Option<Self> {
        let (day, rest) = name.strip_prefix("facts/day=")?.split_once("/hour=")?;
        let (hour, _) = rest.split_once('/')?;
        Self::parse(&format!("{day}T{hour}"))
    }

    /// Reads a key.
    pub fn parse(key: &str) -> Option<Self> {
        let bytes = key.bytes().enumerate();
        let is_digits = bytes.clone().all(|(place, byte)| matches!(place, 4 | 7 | 10) || byte.is_ascii_digit());
        match key.len() {
            10 if is_digits => Timestamp::parse(&format!("{key}T00:00:00Z")).map(Self::Day),
            13 if is_digits => Timestamp::parse(&format!("{key}:00:00Z")).map(Self::Hour),
            _ => None,
        }
    }

    /// When it begins.
    pub const fn start(self) -> Timestamp {
        match self {
            Self::Hour(start) | Self::Day(start) => start,
        }
    }

    /// When it is over: no longer at this very millisecond.
    pub const fn end(self) -> Timestamp {
        match self {
            Self::Hour(start) => start.plus(HOUR),
            Self::Day(start) => start.plus(DAY),
        }
    }

    /// Its hours, from the first to the last.
    pub fn hours(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.start()), |start| Some(start.plus(HOUR)))
            .take_while(move |start| *start < self.end())
            .map(Self::Hour)
    }

    /// What it is called among its kind: `hour` or `day`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Hour(_) => "hour",
            Self::Day(_) => "day",
        }
    }
}

impl fmt::Display for Period {
    /// Its key: `2026-11-22T13` or `2026-11-22`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        let length = if matches!(self, Self::Hour(_)) { 13 } else { 10 };
        formatter.write_str(text.get(..length).unwrap_or(&text))
    }
}

fn whole(at: Timestamp, span: Span) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(span.as_millis()))
}

/// The counts of a period, and what is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The counts.
    pub counts: Counts,
    /// Of an hour: the objects that are in them.
    pub objects: Objects,
    /// Of a day: the revisions of its hours, added up. When they are more by now, the day has to be made again.
    pub made_of: u64,
    /// Rises by one with every write.
    pub revision: u64,
}

impl Figures {
    /// The same with an object's counts.
    ///
    /// # Errors
    /// When they cannot be in it, and why.
    pub fn with(&self, object: &str, counts: &Counts) -> Result<Self, NotAdded> {
        if self.objects.has(object) {
            return Err(NotAdded::Known);
        }
        if self.objects.len() >= FIGURES_OBJECTS_MAX {
            return Err(NotAdded::Full);
        }
        let mut figures = Self { revision: self.revision + 1, ..self.clone() };
        figures.objects.insert(object);
        figures.counts.add(counts);
        Ok(figures)
    }
}

/// Why an object's counts are not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// They are in it.
    Known,
    /// It has as many objects as it can hold.
    Full,
}

/// Names of objects, each by eight bytes of its hash. Of the most that there can be, two have the same with a probability of
/// 6 in 10¹²; the second one of them would not be counted until the day is recounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects(BTreeSet<u64>);

impl Objects {
    /// Whether an object is among them.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&short(name))
    }

    /// Adds one.
    pub fn insert(&mut self, name: &str) {
        self.0.insert(short(name));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they are stored: eight bytes for each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|short| short.to_be_bytes()).collect()
    }

    /// Reads them; `None` when these are not theirs.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (shorts, []) = bytes.as_chunks() else { return None };
        Some(Self(shorts.iter().map(|short| u64::from_be_bytes(*short)).collect()))
    }
}

impl<'n> FromIterator<&'n str> for Objects {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        Self(names.into_iter().map(short).collect())
    }
}

fn short(name: &str) -> u64 {
    let hash = Sha256::digest(name.as_bytes());
    let (first, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    u64::from_be_bytes(*first)
}

/// The counts of an object's rows: lines of JSON. A line that is no row of this version is counted as one that cannot be read.
pub fn counts_of(rows: &str) -> Counts {
    let mut counts = Counts::default();
    for line in rows.lines() {
        match serde_json::from_str::<Row>(line) {
            Ok(row) => counts.note(&row),
            Err(_) => counts.unreadable.add(&1),
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_a_key_that_reads_back() {
        let at = Timestamp::parse("2026-11-22T13:59:59.999Z").unwrap();
        let (hour, day) = (Period::hour(at), Period::day(at));
        assert_eq!((hour.to_string().as_str(), day.to_string().as_str()), ("2026-11-22T13", "2026-11-22"));
        for period in [hour, day] {
            assert_eq!(Period::parse(&period.to_string()), Some(period));
            assert!(period.start() <= at && at < period.end());
        }
        assert_eq!(Period::of_object("facts/day=2026-11-22/hour=13/d07.ndjson.gz"), Some(hour));
        let hours: Vec<_> = day.hours().collect();
        assert_eq!((hours.len(), hours[13], hours[23].end()), (24, hour, day.end()));
        for wrong in ["", "2026-11-22T1", "2026-13-22", "2026-11-22T24", "2026-11-22T1x", "facts"] {
            assert_eq!(Period::parse(wrong), None, "{wrong}");
        }
        for wrong in ["reports/day=2026-11-22/hour=13/1", "facts/day=2026-11-22/13", "facts/day=x/hour=y/z"] {
            assert_eq!(Period::of_object(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_object_counts_once_and_no_more_than_there_is_room_for() {
        let rows = counts_of("{}\nno row\n");
        assert_eq!((rows.rows, rows.unreadable), (0, 2));
        let one = Figures::default().with("one", &rows).unwrap();
        assert_eq!((one.counts.unreadable, one.revision, one.objects.len()), (2, 1, 1));
        assert_eq!(one.with("one", &rows), Err(NotAdded::Known));
        assert_eq!(one.with("two", &rows).unwrap().counts.unreadable, 4);
        assert_eq!(Objects::from_bytes(&one.objects.to_bytes()), Some(one.objects.clone()));
        assert_eq!(Objects::from_bytes(b"seven.."), None);
        let names: Vec<String> = (0..FIGURES_OBJECTS_MAX).map(|number| number.to_string()).collect();
        let full = Figures { objects: names.iter().map(String::as_str).collect(), ..Figures::default() };
        assert_eq!(full.with("7", &rows), Err(NotAdded::Known));
        assert_eq!(full.with("another", &rows), Err(NotAdded::Full));
    }
}
