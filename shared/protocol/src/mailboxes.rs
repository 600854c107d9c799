//! How a batch of mailbox messages is applied.
//!
//! For all users of the batch one read; then for each user, in the order of [`commit::plan`]: effects
//! that an earlier commit may have left unsent, the products that the user has come to care about, one conditional
//! write, the effects of this commit, and only then the acknowledgement. A commit that had something to send is followed by a second
//! write, which empties its outbox; one that had no room for all messages is followed by another one.
//!
//! **Invariants**
//! - Effects are sent only after the write that decided them.
//! - A message is acknowledged only after its effects were handed over.
//! - After a failed message, the rest of its user's messages is not acknowledged either; other users
//!   are not held up.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::future::join_all;
use kairos_engine::commit::{self, Received, StoredUser};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{AlarmMessage, DeliveryMessage, Effect, MailboxMessage};
use kairos_engine::outcome::{InputCounts, OutcomeRecord};
use kairos_engine::program::Program;
use kairos_engine::time::{Span, Timestamp};

use crate::alarms::delay_until;
use crate::port::{Alarms, Clock, Deliveries, Fault, InterestIndex, Mailboxes};

#[cfg(test)]
mod tests;

/// The users' items.
pub trait Users {
    /// Reads the items of these users, strongly consistent, in one call. A user without an item is
    /// not in the answer; one whose item cannot be read fails alone.
    fn load(
        &self,
        users: &[UserKey],
    ) -> impl Future<Output = Result<BTreeMap<UserKey, Result<StoredUser, Fault>>, Fault>>;

    /// Writes one item, if its revision is still the expected one (`None`: if there is no item).
    fn save(
        &self,
        user: UserKey,
        item: &StoredUser,
        expected_revision: Option<u64>,
    ) -> impl Future<Output = Result<Saved, Fault>>;
}

/// What became of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is written.
    Written,
    /// Somebody else has written since the item was read: nothing was changed.
    Overtaken,
}

/// What the protocol asks of the world.
pub struct Ports<'a, U, M, D, A, I, C> {
    /// The users' items.
    pub users: &'a U,
    /// Other users' mailboxes.
    pub mailboxes: &'a M,
    /// What is to be delivered.
    pub deliveries: &'a D,
    /// The delay queue.
    pub alarms: &'a A,
    /// Who cares about which product.
    pub interests: &'a I,
    /// The time.
    pub clock: &'a C,
}

/// A message of the batch as the queue gave it.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The queue's name for it, by which its failure is reported.
    pub receipt: String,
    /// Whose mailbox (the message group).
    pub user: UserKey,
    /// The queue's number, rising within a mailbox.
    pub sequence: u128,
    /// How often the queue has given it, this time included: 1 at first.
    pub receives: u32,
    /// The message, or why it cannot be read.
    pub message: Result<MailboxMessage, String>,
}

/// How a batch ended.
#[derive(Debug, Default)]
pub struct Applied {
    /// The receipts of the messages that must come again.
    pub failed: Vec<String>,
    /// What became of the inputs of the acknowledged messages.
    pub inputs: InputCounts,
    /// How plays' considerations ended.
    pub considered: Vec<OutcomeRecord>,
    /// Why messages failed, one entry a user.
    pub faults: Vec<(UserKey, Fault)>,
}

impl<U, M, D, A, I, C> Ports<'_, U, M, D, A, I, C>
where
    U: Users,
    M: Mailboxes,
    D: Deliveries,
    A: Alarms,
    I: InterestIndex,
    C: Clock,
{
    /// Applies a batch of messages that came from `queue` (any stable name of it).
    pub async fn apply_batch(&self, program: &Program, queue: &str, batch: Vec<Incoming>) -> Applied {
        let mut by_user: BTreeMap<UserKey, Vec<Incoming>> = BTreeMap::new();
        for incoming in batch {
            by_user.entry(incoming.user).or_default().push(incoming);
        }
        let users: Vec<UserKey> = by_user.keys().copied().collect();
        let mut loaded = match self.users.load(&users).await {
            Ok(loaded) => loaded,
            Err(fault) => {
                let failed = by_user.into_values().flatten().map(|incoming| incoming.receipt).collect();
                let faults = users.into_iter().map(|user| (user, fault.clone())).collect();
                return Applied { failed, faults, ..Applied::default() };
            }
        };
        let users = by_user.into_iter().map(|(user, incoming)| {
            let stored = loaded.remove(&user).transpose();
            self.apply_to_user(program, queue, user, stored, incoming)
        });
        let mut applied = Applied::default();
        for user in join_all(users).await {
            applied.failed.extend(user.failed);
            applied.considered.extend(user.considered);
            applied.faults.extend(user.faults);
            applied.inputs.add_all(&user.inputs);
        }
        applied
    }

    async fn apply_to_user(
        &self,
        program: &Program,
        queue: &str,
        user: UserKey,
        stored: Result<Option<StoredUser>, Fault>,
        incoming: Vec<Incoming>,
    ) -> Applied {
        let mut receipts = Vec::with_capacity(incoming.len());
        let mut readable = Vec::with_capacity(incoming.len());
        let mut unreadable = None;
        for incoming in incoming {
            receipts.push(incoming.receipt);
            match incoming.message {
                Ok(message) if unreadable.is_none() => {
                    readable.push(Received { sequence: incoming.sequence, receives: incoming.receives, message })
                }
                Ok(_) => {}
                Err(why) => {
                    unreadable.get_or_insert(Fault::Permanent { what: "reading a mailbox message", why });
                }
            }
        }
        let mut applied = Applied::default();
        match stored {
            Ok(stored) => {
                let rest = self.commit_all(program, queue, user, stored, &readable, &mut applied).await;
                receipts.drain(..readable.len() - rest);
            }
            Err(fault) => applied.faults.push((user, fault)),
        }
        if applied.faults.is_empty() {
            applied.faults.extend(unreadable.map(|fault| (user, fault)));
        }
        applied.failed = receipts;
        applied
    }

    /// Commits messages until none is left: where one commit has no room for the effects of all, the next
    /// one follows at once, because what is left to the queue comes again only after its visibility timeout.
    /// Gives how many are left after a fault.
    async fn commit_all(
        &self,
        program: &Program,
        queue: &str,
        user: UserKey,
        mut stored: Option<StoredUser>,
        mut received: &[Received],
        applied: &mut Applied,
    ) -> usize {
        while !received.is_empty() {
            match self.commit_user(program, queue, user, stored.as_ref(), received).await {
                Ok(committed) => {
                    applied.considered.extend(committed.considered);
                    applied.inputs.add_all(&committed.inputs);
                    received = &received[committed.acknowledge..];
                    stored = committed.write_after.or(committed.write).or(stored);
                }
                Err(fault) => {
                    applied.faults.push((user, fault));
                    break;
                }
            }
        }
        received.len()
    }

    async fn commit_user(
        &self,
        program: &Program,
        queue: &str,
        user: UserKey,
        stored: Option<&StoredUser>,
        received: &[Received],
    ) -> Result<commit::Plan, Fault> {
        let plan = commit::plan(program, user, stored, queue, received, self.clock.now());
        self.send(&plan.send_before).await?;
        if !plan.interests.is_empty() {
            self.interests.note(&plan.interests).await?;
        }
        if let Some(item) = &plan.write {
            self.save(user, item, plan.expected_revision).await?;
        }
        self.send(&plan.send_after).await?;
        if let Some(item) = &plan.write_after {
            let expected_revision = plan.write.as_ref().map(|item| item.revision).or(plan.expected_revision);
            self.save(user, item, expected_revision).await?;
        }
        Ok(plan)
    }

    async fn save(&self, user: UserKey, item: &StoredUser, expected_revision: Option<u64>) -> Result<(), Fault> {
        match self.users.save(user, item, expected_revision).await? {
            Saved::Written => Ok(()),
            Saved::Overtaken => Err(Fault::Retryable {
                what: "committing a user",
                why: "another invocation committed the same user meanwhile; the messages come again".into(),
            }),
        }
    }

    /// Hands effects over to their queues and tables.
    async fn send(&self, effects: &[Effect]) -> Result<(), Fault> {
        let mut deliveries = Vec::new();
        let mut told = Vec::new();
        let mut alarms: Vec<(AlarmMessage, Span)> = Vec::new();
        for effect in effects {
            match effect {
                Effect::Deliver(order) => deliveries.push(DeliveryMessage::V1(order.clone())),
                Effect::Tell { user, input } => {
                    told.push(MailboxMessage::of_told(*user, input.as_ref().clone()));
                }
                // In no outbox: see `commit::plan`.
                Effect::Member { .. } | Effect::Interested(_) => {}
                Effect::Wake { user, due_at } => {
                    let now: Timestamp = self.clock.now();
                    alarms.push((AlarmMessage::V1 { user: *user, due_at: *due_at }, delay_until(*due_at, now)));
                }
            }
        }
        if !deliveries.is_empty() {
            self.deliveries.send(&deliveries).await?;
        }
        if !told.is_empty() {
            self.mailboxes.send(&told).await?;
        }
        if !alarms.is_empty() {
            self.alarms.send(&alarms).await?;
        }
        Ok(())
    }
}
