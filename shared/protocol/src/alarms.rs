//! How a deadline becomes a tick in the mailbox, at its second and never before.
//!
//! Each minute [`sweep`] finds the alarms due within the horizon, and those overdue that nobody has
//! answered, and sends each to the delay queue with the whole seconds that remain. When an alarm comes
//! back, [`ring`] waits for the rest of the second and puts a tick into the user's mailbox. Whether the
//! deadline still matters only the engine knows.
//!
//! **Invariants**
//! - No tick carries a time before its alarm was due.
//! - An alarm leaves the index only by a commit of its user, so nothing lost on the way here is lost.

use std::future::Future;

use futures_util::future::join_all;
use kairos_engine::bounds::{ALARM_SHARDS, ALARM_WAIT_MAX, QUEUE_DELAY_MAX, SWEEP_ALARMS_PER_SHARD_MAX, SWEEP_HORIZON};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{AlarmMessage, MailboxMessage};
use kairos_engine::time::{Span, Timestamp};

use crate::port::{Alarms, Clock, Fault, Mailboxes};

/// The index of alarms.
pub trait AlarmIndex {
    /// The alarms of one shard due at `until` or before, earliest first, at most `limit`. May lag
    /// behind the users' items by some seconds.
    fn due(
        &self,
        shard: u32,
        until: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(UserKey, Timestamp)>, Fault>>;
}

/// How a sweep went.
#[derive(Debug, Default)]
pub struct Swept {
    /// Alarms handed to the delay queue.
    pub offered: usize,
    /// How many of them were overdue already.
    pub overdue: usize,
    /// Shards that could not be read, or whose alarms could not be handed over; the next sweep tries again.
    pub faults: Vec<(u32, Fault)>,
}

/// The whole seconds of delay after which an alarm due then should come back.
pub fn delay_until(due_at: Timestamp, now: Timestamp) -> Span {
    let seconds = due_at.since(now).as_millis().max(0) / 1_000;
    Span::from_secs(seconds).min(QUEUE_DELAY_MAX)
}

/// Hands every alarm that is due soon or overdue to the delay queue.
pub async fn sweep(index: &impl AlarmIndex, alarms: &impl Alarms, clock: &impl Clock) -> Swept {
    let shards = (0..ALARM_SHARDS).map(|shard| async move { (shard, sweep_shard(shard, index, alarms, clock).await) });
    let mut swept = Swept::default();
    for (shard, result) in join_all(shards).await {
        match result {
            Ok((offered, overdue)) => {
                swept.offered += offered;
                swept.overdue += overdue;
            }
            Err(fault) => swept.faults.push((shard, fault)),
        }
    }
    swept
}

async fn sweep_shard(
    shard: u32,
    index: &impl AlarmIndex,
    alarms: &impl Alarms,
    clock: &impl Clock,
) -> Result<(usize, usize), Fault> {
    let due = index.due(shard, clock.now().plus(SWEEP_HORIZON), SWEEP_ALARMS_PER_SHARD_MAX).await?;
    if due.is_empty() {
        return Ok((0, 0));
    }
    let now = clock.now();
    let overdue = due.iter().filter(|(_, due_at)| *due_at <= now).count();
    let delayed: Vec<_> =
        due.into_iter().map(|(user, due_at)| (AlarmMessage::V1 { user, due_at }, delay_until(due_at, now))).collect();
    alarms.send(&delayed).await?;
    Ok((delayed.len(), overdue))
}

/// How alarms rang.
#[derive(Debug, Default)]
pub struct Rung {
    /// Ticks put into mailboxes.
    pub ticks: usize,
    /// Alarms that had come back too early and were delayed again.
    pub delayed_again: usize,
    /// How late each tick was when it was put into its mailbox.
    pub late_by: Vec<Span>,
    /// The receipts of the alarms that must come again, with the reason.
    pub failed: Vec<(String, Fault)>,
}

/// Puts a tick into the mailbox of each alarm's user, as soon as it is due and not before.
pub async fn ring(
    mailboxes: &impl Mailboxes,
    alarms: &impl Alarms,
    clock: &impl Clock,
    batch: Vec<(String, AlarmMessage)>,
) -> Rung {
    let mut waiting: Vec<(Timestamp, UserKey, String)> =
        batch.into_iter().map(|(receipt, AlarmMessage::V1 { user, due_at })| (due_at, user, receipt)).collect();
    waiting.sort();
    let mut rung = Rung::default();
    let mut waiting = waiting.into_iter().peekable();
    while let Some((due_at, ..)) = waiting.peek() {
        let now = clock.now();
        if due_at.since(now) > ALARM_WAIT_MAX {
            let far: Vec<_> = waiting.by_ref().collect();
            delay_again(alarms, now, far, &mut rung).await;
            break;
        }
        clock.sleep_until(*due_at).await;
        let now = clock.now();
        let mut due = Vec::new();
        while let Some(alarm) = waiting.next_if(|(due_at, ..)| *due_at <= now) {
            due.push(alarm);
        }
        if due.is_empty() {
            // The clock was set back while waiting: wait again rather than ring early.
            continue;
        }
        let ticks: Vec<_> = due.iter().map(|(due_at, user, _)| MailboxMessage::of_tick(*user, *due_at, now)).collect();
        match mailboxes.send(&ticks).await {
            Ok(()) => {
                rung.ticks += ticks.len();
                rung.late_by.extend(due.iter().map(|(due_at, ..)| now.since(*due_at)));
            }
            Err(fault) => rung.failed.extend(due.into_iter().map(|(.., receipt)| (receipt, fault.clone()))),
        }
    }
    rung
}

async fn delay_again(alarms: &impl Alarms, now: Timestamp, far: Vec<(Timestamp, UserKey, String)>, rung: &mut Rung) {
    let delayed: Vec<_> = far
        .iter()
        .map(|(due_at, user, _)| (AlarmMessage::V1 { user: *user, due_at: *due_at }, delay_until(*due_at, now)))
        .collect();
    match alarms.send(&delayed).await {
        Ok(()) => rung.delayed_again += far.len(),
        Err(fault) => rung.failed.extend(far.into_iter().map(|(.., receipt)| (receipt, fault.clone()))),
    }
}
