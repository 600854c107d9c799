//! The figures that pages show: counts of a period. What is over is kept in the process; only the last hours are asked for
//! with each page.

use std::sync::{Arc, Mutex, PoisonError};

use kairos_cloud::figures::FiguresTable;
use kairos_engine::bounds::{
    CONSOLE_HOURLY_DAYS_MAX, CONSOLE_PAST_KEPT_MAX, CONSOLE_PAST_REFRESH, CONSOLE_SETTLED_AFTER,
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

/// Where figures come from.
#[derive(Debug)]
pub struct FiguresStore {
    table: FiguresTable,
    past: Mutex<Vec<Past>>,
}

/// What is over of a period.
#[derive(Clone, Debug)]
struct Past {
    from: Timestamp,
    to: Timestamp,
    is_hourly: bool,
    read_at: Timestamp,
    figures: Figures,
}

impl FiguresStore {
    /// Those of this table.
    pub fn new(table: FiguresTable) -> Self {
        Self { table, past: Mutex::new(Vec::new()) }
    }

    /// The counts of a period.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn of(&self, period: &Period, now: Timestamp) -> Result<Figures, Fault> {
        self.between(period.from, period.to, period.days() <= i64::from(CONSOLE_HOURLY_DAYS_MAX), now).await
    }

    /// The counts between two times; hour by hour, or, where they are made, by whole days (UTC).
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn between(
        &self,
        from: Timestamp,
        to: Timestamp,
        is_hourly: bool,
        now: Timestamp,
    ) -> Result<Figures, Fault> {
        let settled = settled(now).min(to);
        if settled <= from {
            return self.read(from, to, is_hourly).await;
        }
        let past = self.past(from, settled, is_hourly, now).await?;
        if settled >= to {
            return Ok(past);
        }
        let live = self.read(settled, to, true).await?;
        Ok(joined(past, live))
    }

    async fn past(&self, from: Timestamp, to: Timestamp, is_hourly: bool, now: Timestamp) -> Result<Figures, Fault> {
        {
            let kept = self.past.lock().unwrap_or_else(PoisonError::into_inner);
            let is_it = |past: &&Past| (past.from, past.to, past.is_hourly) == (from, to, is_hourly);
            // The daily check may have mended it.
            let fresh = kept.iter().find(is_it).filter(|past| now.since(past.read_at) < CONSOLE_PAST_REFRESH);
            if let Some(past) = fresh {
                return Ok(past.figures.clone());
            }
        }
        let figures = self.read(from, to, is_hourly).await?;
        let mut kept = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|past| (past.from, past.to, past.is_hourly) != (from, to, is_hourly));
        if kept.len() >= CONSOLE_PAST_KEPT_MAX {
            kept.remove(0);
        }
        kept.push(Past { from, to, is_hourly, read_at: now, figures: figures.clone() });
        Ok(figures)
    }

    async fn read(&self, from: Timestamp, to: Timestamp, is_hourly: bool) -> Result<Figures, Fault> {
        let parts = match is_hourly {
            true => self.table.hours(from, to).await?,
            false => self.table.between(from, to).await?,
        };
        let parts: Vec<_> = parts.into_iter().map(|(period, counts)| (period.start(), Arc::new(counts))).collect();
        let mut total = Counts::default();
        parts.iter().for_each(|(_, counts)| total.add(counts));
        Ok(Figures { parts, total: Arc::new(total), is_hourly })
    }
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
