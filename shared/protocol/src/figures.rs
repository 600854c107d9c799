//! Figures: the counts of each hour, live and exact.
//!
//! ```text
//! archive:  object written, or found there ──▶ its hour's figures, if it is not in them and nobody has written meanwhile
//! reports:  a day's objects ──▶ counted again ──▶ compared with its hours' figures, mended ──▶ the day's figures
//! ```
//!
//! An hour's figures name the objects that are in them, and both are written together: whatever is interrupted, and however
//! often an object comes, it counts once. An object that is written and not counted is found when its batch comes again, or
//! else by the daily recount.
//!
//! A day's figures are the sum of its hours'. They name the hours' revisions, and whoever changes an hour of a day that is over
//! forgets the day: what comes late is never missing in a sum.

use std::future::Future;

use kairos_engine::bounds::{
    FIGURES_DAY_SETTLES, FIGURES_HOURS_RETENTION, FIGURES_OBJECTS_MAX, FIGURES_WRITE_ROUNDS_MAX,
};
use kairos_engine::time::Timestamp;
use kairos_insights::counts::{Additive, Counts};
use kairos_insights::figures::{Figures, NotAdded, Objects, Period, counts_of};

use crate::archive::{Object, partition};
use crate::port::{Clock, Fault};

#[cfg(test)]
pub(crate) mod tests;

/// Where figures are kept.
pub trait FiguresStore {
    /// The figures of a period, strongly consistent.
    fn load(&self, period: Period) -> impl Future<Output = Result<Option<Figures>, Fault>>;

    /// Those of all hours, or of all days, from one of them up to before another, in their order; strongly consistent.
    fn load_between(&self, from: Period, to: Timestamp) -> impl Future<Output = Result<Vec<(Period, Figures)>, Fault>>;

    /// Writes the figures of a period, if their revision is still the expected one (`None`: if there are none). Gives whether
    /// it did. When this gives a fault, they may be written.
    fn save(
        &self,
        period: Period,
        figures: &Figures,
        expected_revision: Option<u64>,
    ) -> impl Future<Output = Result<bool, Fault>>;

    /// Forgets the figures of a day.
    fn forget(&self, day: Period) -> impl Future<Output = Result<(), Fault>>;
}

/// The archive, as far as it is counted again.
pub trait ArchivedObjects {
    /// The names of all objects below a prefix, in any order.
    fn all_names(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, Fault>>;

    /// The object of this name.
    fn read(&self, name: &str) -> impl Future<Output = Result<Object, Fault>>;
}

/// What became of an object's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// They are in the figures of their hour now.
    Now,
    /// They were in them.
    Before,
    /// The hour has no room for so many objects.
    Full,
}

/// Whether an object is in the figures of its hour.
///
/// # Errors
/// When they cannot be read.
pub async fn has(store: &impl FiguresStore, object: &str) -> Result<bool, Fault> {
    Ok(store.load(hour_of(object)?).await?.is_some_and(|figures| figures.objects.has(object)))
}

/// Adds the counts of an object to the figures of its hour, unless they are in them.
///
/// # Errors
/// When they cannot be written: adding them again later is harmless.
pub async fn add(store: &impl FiguresStore, clock: &impl Clock, object: &str, counts: &Counts) -> Result<Added, Fault> {
    let hour = hour_of(object)?;
    for _ in 0..FIGURES_WRITE_ROUNDS_MAX {
        let found = store.load(hour).await?;
        let added = match found.clone().unwrap_or_default().with(object, counts) {
            Ok(figures) => {
                if !store.save(hour, &figures, found.map(|found| found.revision)).await? {
                    continue;
                }
                Added::Now
            }
            Err(NotAdded::Known) => Added::Before,
            Err(NotAdded::Full) => return Ok(Added::Full),
        };
        forget_day(store, clock, hour).await?;
        return Ok(added);
    }
    Err(written_by_others("adding an object to its hour's figures"))
}

/// The day of an hour that has changed is no longer its sum.
async fn forget_day(store: &impl FiguresStore, clock: &impl Clock, hour: Period) -> Result<(), Fault> {
    let day = Period::day(hour.start());
    // Nobody has made a day that is not over.
    if day.end() <= clock.now() { store.forget(day).await } else { Ok(()) }
}

/// What a day's recount has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayCheck {
    /// Hours that have objects or figures.
    pub hours: usize,
    /// Objects that were counted.
    pub objects: usize,
    /// Rows that were counted.
    pub rows: u64,
    /// Hours whose figures were others than the recount's.
    pub differing: Vec<Period>,
    /// Objects that had not been counted before.
    pub missed: usize,
    /// Hours whose figures were written again.
    pub mended: usize,
    /// Hours of which somebody was erased after they were counted: their figures stay as they were.
    pub with_erased: usize,
    /// Hours that have more objects than figures can hold: what is beyond is not counted.
    pub full: usize,
}

/// Counts a day's objects again, mends the figures of hours that differ, and makes the figures of the day.
///
/// # Errors
/// When the day is not over for [`FIGURES_DAY_SETTLES`], or older than hours' figures are kept; and when something cannot be read or
/// written. Doing it again goes on.
pub async fn roll_up_and_check(
    store: &impl FiguresStore,
    archive: &impl ArchivedObjects,
    clock: &impl Clock,
    at: Timestamp,
) -> Result<DayCheck, Fault> {
    let (day, now) = (Period::day(at), clock.now());
    let what = "recounting a day";
    if now < day.end().plus(FIGURES_DAY_SETTLES) {
        return Err(Fault::Permanent { what, why: format!("{day} is not over yet: take an earlier one") });
    }
    if now >= day.start().plus(FIGURES_HOURS_RETENTION) {
        return Err(Fault::Permanent { what, why: format!("the hours of {day} are no longer kept: take a later one") });
    }
    let mut check = DayCheck::default();
    for hour in day.hours() {
        check_hour(store, archive, clock, hour, &mut check).await?;
    }
    roll_up(store, day).await?;
    Ok(check)
}

async fn check_hour(
    store: &impl FiguresStore,
    archive: &impl ArchivedObjects,
    clock: &impl Clock,
    hour: Period,
    check: &mut DayCheck,
) -> Result<(), Fault> {
    let prefix = format!("{}/", partition(hour.start()));
    for _ in 0..FIGURES_WRITE_ROUNDS_MAX {
        // First what there is, then what is counted of it: what is written in between is seen by the difference.
        let names = archive.all_names(&prefix).await?;
        let found = store.load(hour).await?;
        if names.is_empty() && found.is_none() {
            return Ok(());
        }
        let before = found.clone().unwrap_or_default();
        let is_full = names.len() > FIGURES_OBJECTS_MAX;
        let (mut all, mut missing) = (Counts::default(), Counts::default());
        let (mut missed, mut erased) = (0, 0);
        for name in &names {
            let object = archive.read(name).await?;
            let counts = counts_of(&object.rows);
            erased += object.erased;
            all.add(&counts);
            if !before.objects.has(name) {
                missed += 1;
                missing.add(&counts);
            }
        }
        let objects: Objects = names.iter().map(String::as_str).collect();
        if before.objects.len() + missed > objects.len() {
            // More are in the figures than were listed: one was written since.
            continue;
        }
        let counts = if erased > 0 {
            let mut counts = before.counts.clone();
            counts.add(&missing);
            counts
        } else {
            all.clone()
        };
        let differs = counts != before.counts;
        // Of an hour that is full, what is in the figures stays.
        if (differs || missed > 0) && !is_full {
            let figures = Figures { counts, objects, made_of: 0, revision: before.revision + 1 };
            if !store.save(hour, &figures, found.map(|found| found.revision)).await? {
                continue;
            }
            forget_day(store, clock, hour).await?;
            check.mended += 1;
        }
        if differs || missed > 0 {
            check.differing.push(hour);
        }
        check.hours += 1;
        check.objects += names.len();
        check.rows = check.rows.saturating_add(all.rows);
        check.missed += missed;
        check.with_erased += usize::from(erased > 0);
        check.full += usize::from(is_full);
        return Ok(());
    }
    Err(written_by_others("recounting an hour"))
}

/// Makes the figures of a day: the sum of its hours'.
///
/// # Errors
/// When they cannot be read or written.
pub async fn roll_up(store: &impl FiguresStore, day: Period) -> Result<(), Fault> {
    for _ in 0..FIGURES_WRITE_ROUNDS_MAX {
        let found = store.load(day).await?;
        let mut figures = Figures::default();
        for (_, hour) in store.load_between(Period::Hour(day.start()), day.end()).await? {
            figures.counts.add(&hour.counts);
            figures.made_of += hour.revision;
        }
        // Asked once more after each write: whoever changes an hour meanwhile has perhaps found no day to forget.
        if found.as_ref().map_or(0, |found| found.made_of) == figures.made_of {
            return Ok(());
        }
        let expected_revision = found.map(|found| found.revision);
        figures.revision = expected_revision.unwrap_or_default() + 1;
        store.save(day, &figures, expected_revision).await?;
    }
    Err(written_by_others("making a day's figures"))
}

/// The counts of a time, in its order: those of whole days where they are made, else of hours. The hours in which it begins
/// and ends count as a whole.
///
/// # Errors
/// When they cannot be read.
pub async fn between(
    store: &impl FiguresStore,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Period, Counts)>, Fault> {
    let first = Period::hour(from).start();
    let to_hour = Period::hour(to);
    let end = if to_hour.start() == to { to } else { to_hour.end() };
    let whole_from = match Period::day(first) {
        day if day.start() == first => day,
        day => Period::Day(day.end()),
    };
    let whole_to = Period::day(end).start();
    let days = if whole_from.start() < whole_to { store.load_between(whole_from, whole_to).await? } else { Vec::new() };
    let mut counts = Vec::new();
    let mut next = first;
    for (day, figures) in days {
        if next < day.start() {
            counts.extend(hours(store, next, day.start()).await?);
        }
        next = day.end();
        counts.push((day, figures.counts));
    }
    if next < end {
        counts.extend(hours(store, next, end).await?);
    }
    Ok(counts)
}

/// The counts of the hours of a time.
///
/// # Errors
/// When they cannot be read.
pub async fn hours(store: &impl FiguresStore, from: Timestamp, to: Timestamp) -> Result<Vec<(Period, Counts)>, Fault> {
    let found = store.load_between(Period::hour(from), to).await?;
    Ok(found.into_iter().map(|(hour, figures)| (hour, figures.counts)).collect())
}

fn hour_of(object: &str) -> Result<Period, Fault> {
    Period::of_object(object)
        .ok_or_else(|| Fault::Permanent { what: "finding an object's hour", why: "its name tells none".to_owned() })
}

fn written_by_others(what: &'static str) -> Fault {
    Fault::Retryable { what, why: "others write the same figures all the time; it comes again".to_owned() }
}
