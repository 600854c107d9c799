//! The figures that pages show: counts of a period. What is over is kept in the process; only the last hours are asked for
//! with each page.

use std::sync::{Arc, Mutex, PoisonError};

use kairos_cloud::figures::FiguresTable;
use kairos_engine::bounds::{
    CONSOLE_HOURLY_DAYS_MAX, CONSOLE_PARTS_KEPT_MAX, CONSOLE_PAST_REFRESH, CONSOLE_READ_AT_ONCE, CONSOLE_SETTLED_AFTER,
};
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::counts::{Additive, Counts};
use kairos_protocol::port::Fault;

use crate::period::Period;

const HOUR: Span = Span::from_hours(1);

/// The counts of a period.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Hour by hour, or day by day (UTC) for long periods: when each begins, with its counts.
    pub parts: Vec<(Timestamp, Arc<Counts>)>,
    /// All together.
    pub total: Arc<Counts>,
    /// The parts are hours.
    pub is_hourly: bool,
}

impl Figures {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// How finely figures are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grain {
    /// Hour by hour.
    Hours,
    /// By whole days (UTC), where they are made.
    Days,
    /// All together alone.
    Sum,
}

/// Where figures come from.
#[derive(Debug)]
pub struct FiguresStore {
    table: FiguresTable,
    past: Mutex<Vec<Past>>,
}

/// What is over of a period.
#[derive(Clone, Debug)]
struct Past {
    key: (Timestamp, Timestamp, Grain),
    read_at: Timestamp,
    figures: Figures,
}

impl FiguresStore {
    /// Those of this table.
    pub fn new(table: FiguresTable) -> Self {
        Self { table, past: Mutex::new(Vec::new()) }
    }

    /// The counts of a period: hour by hour, or, when it is long, by whole days (UTC).
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn of(&self, period: &Period, now: Timestamp) -> Result<Figures, Fault> {
        let grain = match period.days() <= i64::from(CONSOLE_HOURLY_DAYS_MAX) {
            true => Grain::Hours,
            false => Grain::Days,
        };
        self.between(period.from, period.to, grain, now).await
    }

    /// The counts between two times, all together; however far apart they are, little is held in memory.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn sum(&self, from: Timestamp, to: Timestamp, now: Timestamp) -> Result<Arc<Counts>, Fault> {
        Ok(self.between(from, to, Grain::Sum, now).await?.total)
    }

    async fn between(&self, from: Timestamp, to: Timestamp, grain: Grain, now: Timestamp) -> Result<Figures, Fault> {
        let settled = settled(now).min(to);
        if settled <= from {
            return self.read(from, to, grain).await;
        }
        let past = self.past(from, settled, grain, now).await?;
        if settled >= to {
            return Ok(past);
        }
        let live = self.read(settled, to, Grain::Hours).await?;
        Ok(joined(past, live))
    }

    async fn past(&self, from: Timestamp, to: Timestamp, grain: Grain, now: Timestamp) -> Result<Figures, Fault> {
        let key = (from, to, grain);
        {
            let kept = self.past.lock().unwrap_or_else(PoisonError::into_inner);
            // The daily check may have mended it.
            let is_fresh = |past: &&Past| past.key == key && now.since(past.read_at) < CONSOLE_PAST_REFRESH;
            if let Some(past) = kept.iter().find(is_fresh) {
                return Ok(past.figures.clone());
            }
        }
        let figures = self.read(from, to, grain).await?;
        let mut kept = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut kept, Past { key, read_at: now, figures: figures.clone() });
        Ok(figures)
    }

    async fn read(&self, from: Timestamp, to: Timestamp, grain: Grain) -> Result<Figures, Fault> {
        let mut figures = Figures { is_hourly: grain == Grain::Hours, ..Figures::default() };
        let mut total = Counts::default();
        let mut start = from;
        while start < to {
            // By and by, so that of a long time no more than a part is in memory.
            let end = whole_day(start.plus(CONSOLE_READ_AT_ONCE)).min(to);
            let parts = match grain {
                Grain::Hours => self.table.hours(start, end).await?,
                Grain::Days | Grain::Sum => self.table.between(start, end).await?,
            };
            for (period, counts) in parts {
                total.add(&counts);
                if grain != Grain::Sum {
                    figures.parts.push((period.start(), Arc::new(counts)));
                }
            }
            start = end;
        }
        figures.total = Arc::new(total);
        Ok(figures)
    }
}

/// Keeps what is over of a period, in the place of what was kept longest when there is too much.
fn keep(kept: &mut Vec<Past>, past: Past) {
    kept.retain(|known| known.key != past.key);
    kept.push(past);
    let size = |past: &Past| past.figures.parts.len() + 1;
    while kept.len() > 1 && kept.iter().map(size).sum::<usize>() > CONSOLE_PARTS_KEPT_MAX {
        kept.remove(0);
    }
}

/// The beginning of a day (UTC): parts are cut where days are.
fn whole_day(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(24 * HOUR.as_millis()))
}

/// The hour before the present one may still get rows: archiving takes up to a minute, longer after a failure.
fn settled(now: Timestamp) -> Timestamp {
    let before = now.minus(CONSOLE_SETTLED_AFTER).as_millis();
    Timestamp::from_millis(before - before.rem_euclid(HOUR.as_millis()))
}

fn joined(past: Figures, live: Figures) -> Figures {
    if live.is_empty() {
        return past;
    }
    let mut total = Counts::clone(&past.total);
    total.add(&live.total);
    let parts = past.parts.into_iter().chain(live.parts).collect();
    Figures { parts, total: Arc::new(total), is_hourly: past.is_hourly }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_still_change_is_not_kept() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(settled(at("2026-11-22T13:20:00Z")), at("2026-11-22T12:00:00Z"));
        assert_eq!(settled(at("2026-11-22T13:00:00Z")), at("2026-11-22T12:00:00Z"));
    }

    #[test]
    fn what_was_kept_longest_goes_when_there_is_too_much() {
        let past = |place: i64, parts: usize| Past {
            key: (Timestamp::from_millis(place), Timestamp::MAX, Grain::Days),
            read_at: Timestamp::default(),
            figures: Figures { parts: vec![Default::default(); parts], ..Figures::default() },
        };
        let mut kept = Vec::new();
        let half = CONSOLE_PARTS_KEPT_MAX / 2;
        for (place, parts) in [(1, half - 1), (2, half - 1), (1, half - 1), (3, 1)] {
            keep(&mut kept, past(place, parts));
        }
        let places: Vec<i64> = kept.iter().map(|past| past.key.0.as_millis()).collect();
        assert_eq!(places, [1, 3]);
        keep(&mut kept, past(4, 10 * CONSOLE_PARTS_KEPT_MAX));
        assert_eq!(kept.len(), 1, "what was asked for is kept in any case");
    }

    #[test]
    fn past_and_present_are_one() {
        let part =
            |millis: i64, rows: u64| (Timestamp::from_millis(millis), Arc::new(Counts { rows, ..Counts::default() }));
        let of = |parts: Vec<(Timestamp, Arc<Counts>)>| {
            let rows = parts.iter().map(|(_, counts)| counts.rows).sum();
            Figures { parts, total: Arc::new(Counts { rows, ..Counts::default() }), is_hourly: false }
        };
        let both = joined(of(vec![part(0, 3)]), of(vec![part(1, 4)]));
        assert_eq!((both.parts.len(), both.total.rows), (2, 7));
        assert_eq!(joined(of(vec![part(0, 3)]), Figures::default()).total.rows, 3);
    }
}
