//! How a batch of mailbox messages is applied.
//!
//! For all users of the batch one read; then for each user, in the order of [`commit::plan`]: effects
//! that an earlier commit may have left unsent, the products that the user has come to care about, one conditional
//! write, the effects of this commit, and only then the acknowledgement. A commit that had something to send is followed by a second
//! write, which empties its outbox; one that had no room for all messages is followed by another one. The users of a batch
//! take each of these steps at the same time, so that what they have to send is sent with one call.
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
        let mut mailboxes: Vec<Mailbox> = by_user
            .into_iter()
            .map(|(user, incoming)| Mailbox::new(user, loaded.remove(&user).transpose(), incoming))
            .collect();
        // Where one commit has no room for the effects of all messages, the next one follows at once, because
        // what is left to the queue comes again only after its visibility timeout.
        loop {
            let busy: Vec<&mut Mailbox> = mailboxes.iter_mut().filter(|mailbox| mailbox.has_work()).collect();
            if busy.is_empty() {
                break;
            }
            self.commit_next(program, queue, busy).await;
        }
        let mut applied = Applied::default();
        mailboxes.into_iter().for_each(|mailbox| mailbox.end(&mut applied));
        applied
    }

    /// Makes the next commit of each of these users. What users have to send goes out together, when all of them
    /// are written: a call of its own for each would cost as much again as the writes.
    async fn commit_next(&self, program: &Program, queue: &str, mailboxes: Vec<&mut Mailbox>) {
        let now = self.clock.now();
        let (mut commits, mut mailboxes): (Vec<Commit>, Vec<_>) = mailboxes
            .into_iter()
            .map(|mailbox| {
                let plan = commit::plan(program, mailbox.user, mailbox.stored.as_ref(), queue, mailbox.messages(), now);
                (Commit { user: mailbox.user, plan, fault: None }, mailbox)
            })
            .unzip();
        let send_before =
            async |plans: &[&commit::Plan]| self.send(plans.iter().flat_map(|plan| &plan.send_before)).await;
        let send_after =
            async |plans: &[&commit::Plan]| self.send(plans.iter().flat_map(|plan| &plan.send_after)).await;
        let note = async |plans: &[&commit::Plan]| {
            let interests: Vec<_> = plans.iter().flat_map(|plan| plan.interests.iter().cloned()).collect();
            self.interests.note(&interests).await
        };
        together(&mut commits, |plan| !plan.send_before.is_empty(), send_before).await;
        together(&mut commits, |plan| !plan.interests.is_empty(), note).await;
        self.write(&mut commits, |plan| Some((plan.write.as_ref()?, plan.expected_revision))).await;
        together(&mut commits, |plan| !plan.send_after.is_empty(), send_after).await;
        self.write(&mut commits, |plan| {
            let expected_revision = plan.write.as_ref().map(|item| item.revision).or(plan.expected_revision);
            Some((plan.write_after.as_ref()?, expected_revision))
        })
        .await;
        for (mailbox, commit) in mailboxes.iter_mut().zip(commits) {
            mailbox.take(commit);
        }
    }

    /// Writes an item of each of these commits, side by side.
    async fn write(&self, commits: &mut [Commit], item: impl Fn(&commit::Plan) -> Option<(&StoredUser, Option<u64>)>) {
        let writes = commits.iter().map(|commit| {
            let write = item(&commit.plan).filter(|_| commit.fault.is_none());
            async move {
                let Some((item, expected_revision)) = write else { return Ok(()) };
                self.save(commit.user, item, expected_revision).await
            }
        });
        let results = join_all(writes).await;
        for (result, commit) in results.into_iter().zip(commits) {
            commit.fault = commit.fault.take().or(result.err());
        }
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
    async fn send(&self, effects: impl IntoIterator<Item = &Effect>) -> Result<(), Fault> {
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

/// A user's part of a batch.
struct Mailbox {
    user: UserKey,
    stored: Option<StoredUser>,
    /// The messages up to the first that cannot be read.
    received: Vec<Received>,
    /// How many of them are committed.
    committed: usize,
    receipts: Vec<String>,
    fault: Option<Fault>,
    unreadable: Option<Fault>,
    inputs: InputCounts,
    considered: Vec<OutcomeRecord>,
}

impl Mailbox {
    fn new(user: UserKey, stored: Result<Option<StoredUser>, Fault>, incoming: Vec<Incoming>) -> Self {
        let mut receipts = Vec::with_capacity(incoming.len());
        let mut received = Vec::with_capacity(incoming.len());
        let mut unreadable = None;
        for incoming in incoming {
            receipts.push(incoming.receipt);
            match incoming.message {
                Ok(message) if unreadable.is_none() => {
                    received.push(Received { sequence: incoming.sequence, receives: incoming.receives, message })
                }
                Ok(_) => {}
                Err(why) => {
                    unreadable.get_or_insert(Fault::Permanent { what: "reading a mailbox message", why });
                }
            }
        }
        let (stored, fault) = match stored {
            Ok(stored) => (stored, None),
            Err(fault) => (None, Some(fault)),
        };
        let (inputs, considered) = (InputCounts::default(), Vec::new());
        Self { user, stored, received, committed: 0, receipts, fault, unreadable, inputs, considered }
    }

    fn has_work(&self) -> bool {
        self.fault.is_none() && !self.messages().is_empty()
    }

    /// What is not committed yet.
    fn messages(&self) -> &[Received] {
        &self.received[self.committed..]
    }

    fn take(&mut self, Commit { plan, fault, .. }: Commit) {
        self.fault = fault;
        if self.fault.is_none() {
            self.considered.extend(plan.considered);
            self.inputs.add_all(&plan.inputs);
            self.committed += plan.acknowledge;
            self.stored = plan.write_after.or(plan.write).or(self.stored.take());
        }
    }

    fn end(self, applied: &mut Applied) {
        applied.failed.extend(self.receipts.into_iter().skip(self.committed));
        applied.considered.extend(self.considered);
        applied.inputs.add_all(&self.inputs);
        applied.faults.extend(self.fault.or(self.unreadable).map(|fault| (self.user, fault)));
    }
}

/// A commit under way.
struct Commit {
    user: UserKey,
    plan: commit::Plan,
    /// Why it goes no further.
    fault: Option<Fault>,
}

/// Makes one call for all commits that are concerned. What is refused for good may be refused for the sake of one:
/// then each is tried alone, so that nobody is held up by somebody else. (What has been sent twice does no harm.)
async fn together(
    commits: &mut [Commit],
    is_concerned: impl Fn(&commit::Plan) -> bool,
    call: impl AsyncFn(&[&commit::Plan]) -> Result<(), Fault>,
) {
    let mut concerned: Vec<&mut Commit> =
        commits.iter_mut().filter(|commit| commit.fault.is_none() && is_concerned(&commit.plan)).collect();
    let plans: Vec<&commit::Plan> = concerned.iter().map(|commit| &commit.plan).collect();
    if plans.is_empty() {
        return;
    }
    match call(&plans).await {
        Ok(()) => {}
        Err(Fault::Permanent { .. }) if plans.len() > 1 => {
            let alone = join_all(plans.iter().map(async |plan| call(&[plan]).await)).await;
            concerned.iter_mut().zip(alone).for_each(|(commit, result)| commit.fault = result.err());
        }
        Err(fault) => concerned.iter_mut().for_each(|commit| commit.fault = Some(fault.clone())),
    }
}
