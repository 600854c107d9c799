//! Figures over time: what falls into each hour or day of a period.

use std::sync::Arc;

use jiff::ToSpan as _;
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::counts::Counts;

use crate::charts::{Chart, Series, Unit};
use crate::figures::Figures;
use crate::format::ShopClock;
use crate::period::Period;

/// Periods of so many days are drawn by the hour.
const HOURLY_DAYS_MAX: i64 = 2;

/// The counts of a period, by hours or days, without gaps.
#[derive(Debug)]
pub(super) struct Timeline {
    /// When each begins.
    pub(super) times: Vec<Timestamp>,
    /// They are hours.
    pub(super) is_hours: bool,
    groups: Vec<Vec<Arc<Counts>>>,
    zone: String,
}

impl Timeline {
    /// That of some figures.
    pub(super) fn of(figures: &Figures, period: &Period, clock: &ShopClock) -> Self {
        let is_hours = period.days() <= HOURLY_DAYS_MAX;
        let mut times = Vec::new();
        if is_hours {
            let mut at = period.from;
            while at < period.to {
                times.push(at);
                at = at.plus(Span::from_hours(1));
            }
        } else {
            let mut day = period.first;
            while day <= period.last {
                times.push(clock.midnight(day));
                day = day.saturating_add(1.day());
            }
        }
        let mut groups = vec![Vec::new(); times.len()];
        for (start, counts) in &figures.parts {
            // A day of UTC belongs to the shop's day in which its middle lies.
            let at = if figures.is_hourly { *start } else { start.plus(Span::from_hours(12)) };
            let place = times.partition_point(|time| *time <= at).saturating_sub(1);
            if let Some(group) = groups.get_mut(place) {
                group.push(counts.clone());
            }
        }
        Self { times, is_hours, groups, zone: clock.name().to_owned() }
    }

    /// A figure of each.
    pub(super) fn each(&self, figure: impl Fn(&Counts) -> f64) -> Vec<f64> {
        self.groups.iter().map(|group| group.iter().map(|counts| figure(counts)).sum()).collect()
    }

    /// A chart of figures of each.
    pub(super) fn chart(&self, title: &str, unit: Unit, series: Vec<(&str, Vec<f64>)>) -> Chart {
        let said: Vec<String> = series
            .iter()
            .map(|(label, values)| {
                let sum: f64 = values.iter().sum();
                let most = values.iter().copied().fold(0.0, f64::max);
                format!(
                    "{label}: {sum:.0} altogether, at most {most:.0} in one {}",
                    if self.is_hours { "hour" } else { "day" }
                )
            })
            .collect();
        let series = series
            .into_iter()
            .map(|(label, values)| Series { label: label.to_owned(), values: values.into_iter().map(Some).collect() })
            .collect();
        Chart {
            title: title.to_owned(),
            unit,
            times: self.times.clone(),
            series,
            zone: self.zone.clone(),
            summary: format!("{}.", said.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Fields;

    fn part(at: &str, rows: u64) -> (Timestamp, Arc<Counts>) {
        (Timestamp::parse(at).unwrap(), Arc::new(Counts { rows, ..Counts::default() }))
    }

    fn rows(query: &str, is_hourly: bool, parts: Vec<(Timestamp, Arc<Counts>)>) -> Vec<f64> {
        let clock = ShopClock::of("Europe/Vienna");
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let period = Period::of(&Fields::read(query).unwrap(), &clock, now).unwrap();
        let figures = Figures { parts, is_hourly, ..Figures::default() };
        Timeline::of(&figures, &period, &clock).each(|counts| counts.rows as f64)
    }

    #[test]
    fn each_hour_counts_on_the_shops_own_day() {
        let parts =
            vec![part("2026-11-21T22:00:00Z", 1), part("2026-11-21T23:00:00Z", 2), part("2026-11-22T11:00:00Z", 4)];
        assert_eq!(rows("from=2026-11-20&to=2026-11-22", true, parts), [0.0, 1.0, 6.0]);
    }

    #[test]
    fn whole_days_of_utc_count_on_the_day_of_their_middle() {
        let parts = vec![part("2026-11-20T00:00:00Z", 1), part("2026-11-21T00:00:00Z", 2)];
        assert_eq!(rows("from=2026-11-20&to=2026-11-22", false, parts), [1.0, 2.0, 0.0]);
    }

    #[test]
    fn a_day_is_shown_by_the_hour() {
        let figures = rows("period=today", true, vec![part("2026-11-22T11:00:00Z", 4)]);
        assert_eq!((figures.len(), figures[12]), (14, 4.0));
    }
}
