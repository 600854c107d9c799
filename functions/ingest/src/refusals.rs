//! Refused events, kept for a while where a person can look at them.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use kairos_engine::bounds::{REFUSAL_RETENTION, REFUSALS_KEPT_PER_MINUTE_MAX, REFUSALS_KEPT_PER_REQUEST_MAX};
use kairos_engine::identifiers::InputId;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;

use crate::resolve::RefusedEvent;

/// A refused event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRefusal {
    /// The source that it came through.
    pub source: String,
    /// When it was refused, and what tells it from others of that moment: `2026-11-21T10:00:00.000Z#…`.
    pub refused_at: String,
    /// For programs.
    pub code: &'static str,
    /// What was wrong and what to send instead.
    pub message: String,
    /// The beginning of its text.
    pub excerpt: String,
    /// When it is forgotten, in seconds since 1970.
    pub expires_at: i64,
}

impl KeptRefusal {
    /// The record of an event refused at this time. The same event in the same place of a request
    /// gives the same record; nothing is drawn.
    pub fn new(source: &str, refused_at: Timestamp, event: &RefusedEvent) -> Self {
        let apart = InputId::of_message(source, &format!("{}:{}", event.index, event.excerpt));
        Self {
            source: source.to_owned(),
            refused_at: format!("{refused_at}#{apart}"),
            code: event.refusal.code.as_str(),
            message: event.refusal.message.clone(),
            excerpt: event.excerpt.clone(),
            expires_at: refused_at.plus(REFUSAL_RETENTION).as_secs(),
        }
    }
}

/// Where refused events are kept.
pub trait Refusals {
    /// Keeps one. Keeping it twice is harmless.
    fn keep(&self, refusal: &KeptRefusal) -> impl Future<Output = Result<(), Fault>>;
}

/// Bounds what one running function keeps: a broken client must not fill the table.
#[derive(Debug, Default)]
pub struct Quota(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    kept: usize,
}

impl Quota {
    /// How many of `wanted` from one request may be kept now; they count as kept.
    pub fn grant(&self, wanted: usize, now: Timestamp) -> usize {
        // Two numbers are sound whatever a panicking thread left in them.
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.as_millis() / 60_000;
        if minute.number != number {
            *minute = Minute { number, kept: 0 };
        }
        let granted =
            wanted.min(REFUSALS_KEPT_PER_REQUEST_MAX).min(REFUSALS_KEPT_PER_MINUTE_MAX.saturating_sub(minute.kept));
        minute.kept += granted;
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_kept_only_in_part_and_the_next_minute_starts_anew() {
        let quota = Quota::default();
        let now = Timestamp::from_millis(1_700_000_040_000);
        assert_eq!(quota.grant(3, now), 3);
        assert_eq!(quota.grant(2_500, now), REFUSALS_KEPT_PER_REQUEST_MAX);
        let rest: usize = (0..100).map(|_| quota.grant(2_500, now)).sum();
        assert_eq!(rest, REFUSALS_KEPT_PER_MINUTE_MAX - REFUSALS_KEPT_PER_REQUEST_MAX - 3);
        assert_eq!(quota.grant(1, now), 0);
        assert_eq!(quota.grant(1, Timestamp::from_millis(1_700_000_100_000)), 1);
    }
}
