//! The commit: exactly-once decisions with one conditional write per user and batch.
//!
//! This is the pure half. It takes what is stored of a user and the mailbox messages that have come,
//! and says what to send first, what to write, and what to send then. `kairos-protocol` carries it
//! out; the simulation interrupts it at every step.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bounds::{
    CART_ITEMS_MAX, FACTS_BYTES_SOFT_MAX, INPUTS_REMEMBERED_SINGLY_MAX, INTERESTS_MAX, OUTBOX_BYTES_SOFT_MAX, SOON,
    STATE_BYTES_MAX,
};
use crate::facts::FactLines;
use crate::identifiers::UserKey;
use crate::mailbox::{Effect, InterestNote, MailboxMessage};
use crate::name::Name;
use crate::outcome::{InputCounts, InputOutcome, OutcomeRecord};
use crate::program::Program;
use crate::state::UserState;
use crate::step::step;
use crate::time::Timestamp;
use alloc::collections::BTreeSet;

/// One user's item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredUser {
    /// What is remembered.
    pub state: UserState,
    /// The effects of the last commit, until they are known to have been handed over: whoever comes next
    /// sends what stands here.
    pub outbox: Vec<Effect>,
    /// How far the mailbox has been applied.
    pub applied: Option<Applied>,
    /// When the user wants to be woken; the only part that is indexed.
    pub alarm_at: Option<Timestamp>,
    /// Counts the writes; every write is conditional on it.
    pub revision: u64,
    /// What this write makes known. Written with the item and read by nobody but `archive`: a later write has its own.
    pub facts: FactLines,
}

/// How far a mailbox has been applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Which queue's numbers these are: those of another queue cannot be compared.
    pub queue: String,
    /// The sequence number of the last message applied.
    pub sequence: u128,
}

/// A mailbox message with the number that its queue gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Rises within one user's mailbox.
    pub sequence: u128,
    /// How often the queue has given it, this time included.
    pub receives: u32,
    /// The message.
    pub message: MailboxMessage,
}

/// What to do for one user, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// First send these: what is left of an earlier commit's effects. They may never have been sent,
    /// because its message ended in the dead-letter queue. Sending twice is harmless.
    pub send_before: Vec<Effect>,
    /// And note these in the index of interests. Before the write, because nothing brings them back after a crash
    /// that follows it; noting one whose write fails is harmless, because who is told of a product they do not care
    /// about passes over it.
    pub interests: Vec<InterestNote>,
    /// Then write this, if the stored revision is still [`Plan::expected_revision`].
    pub write: Option<StoredUser>,
    /// The revision that was read; `None` when there was no item.
    pub expected_revision: Option<u64>,
    /// Then send these.
    pub send_after: Vec<Effect>,
    /// Then write this over [`Plan::write`] (or over what was read), on the same condition: the outbox is
    /// empty, so that nothing is sent again when this user comes back. Costs less than the receivers'
    /// recognising a repetition, and users who were told something remember a bounded number of ids.
    /// `None` when there was nothing to send, as for most commits.
    pub write_after: Option<StoredUser>,
    /// Then acknowledge this many of the messages, from the front, at least one of any; the rest is for the
    /// next commit.
    pub acknowledge: usize,
    /// What became of the inputs.
    pub inputs: InputCounts,
    /// How plays' considerations ended.
    pub considered: Vec<OutcomeRecord>,
}

/// Plans the commit of `messages`, in mailbox order, that came from `queue`.
///
/// A message whose number has been applied is not applied again: it came back because its
/// acknowledgement, or the sending of its effects, failed. Its id is noted before anything else, because it
/// might yet end in the dead-letter queue and come back from there with a new number. So is, with its
/// commit, that of a message which has come more than once, and of one with many inputs.
pub fn plan(
    program: &Program,
    user: UserKey,
    stored: Option<&StoredUser>,
    queue: &str,
    messages: &[Received],
    now: Timestamp,
) -> Plan {
    let expected_revision = stored.map(|stored| stored.revision);
    let mut stored = stored.cloned().unwrap_or_default();
    let mut interests = Vec::new();
    take_facts(&mut stored.outbox, &mut interests);
    let applied_to = stored.applied.as_ref().filter(|applied| applied.queue == queue).map(|applied| applied.sequence);
    let is_new = |received: &Received| applied_to.is_none_or(|applied| received.sequence > applied);

    let mut plan = Plan {
        send_before: Vec::new(),
        interests: Vec::new(),
        write: None,
        expected_revision,
        send_after: Vec::new(),
        write_after: None,
        acknowledge: 0,
        inputs: InputCounts::default(),
        considered: Vec::new(),
    };
    let mut state = stored.state.clone();
    let mut outbox = Vec::new();
    let mut facts = FactLines::default();
    let mut sequence = applied_to;
    for received in messages {
        let inputs = received.message.inputs();
        if !is_new(received) {
            state.messages.insert(received.message.id());
            plan.inputs.add(InputOutcome::Duplicate, inputs.len() as u32);
        } else if outbox_bytes(&outbox) >= OUTBOX_BYTES_SOFT_MAX || facts.as_bytes().len() >= FACTS_BYTES_SOFT_MAX {
            break;
        } else {
            sequence = Some(received.sequence);
            if state.messages.contains(received.message.id()) {
                plan.inputs.add(InputOutcome::Duplicate, inputs.len() as u32);
            } else {
                state.hear_origin(inputs);
                let moments = state.moments.clone();
                let mut stepped = step(program, user, &mut state, inputs, now);
                let cause = received.message.correlation();
                stepped.effects.iter_mut().for_each(|effect| effect.caused_by(cause));
                stepped.describe(program, &state);
                facts.note(program, &state, inputs, &stepped);
                facts.note_moment(program, &moments, inputs, &state);
                plan.inputs.add_all(&stepped.inputs());
                outbox.extend(stepped.effects);
                take_facts(&mut outbox, &mut interests);
                keep_remembered(&mut interests, &state);
                plan.considered.extend(stepped.considered);
                if received.receives > 1 || inputs.len() > INPUTS_REMEMBERED_SINGLY_MAX {
                    state.messages.insert(received.message.id());
                }
            }
        }
        plan.acknowledge += 1;
    }

    plan.interests = interests;
    if sequence == applied_to {
        // Nothing new: what was decided is sent again, after the doubt has been noted.
        plan.send_after.clone_from(&stored.outbox);
        if state.messages != stored.state.messages {
            plan.write = Some(StoredUser { state, revision: stored.revision + 1, ..stored.clone() });
        }
        plan.write_after = after_sending(plan.write.as_ref().unwrap_or(&stored));
        return plan;
    }

    // A wake-up of an earlier commit is not worth repeating: the sweep finds what is overdue.
    plan.send_before = stored.outbox.into_iter().filter(|effect| !matches!(effect, Effect::Wake { .. })).collect();
    let alarm_at = next_alarm(&state, stored.alarm_at);
    if let Some(due_at) = alarm_at
        && Some(due_at) != stored.alarm_at
        && due_at.since(now) < SOON
    {
        outbox.push(Effect::Wake { user, due_at });
    }
    debug_assert!(state.encode().len() <= STATE_BYTES_MAX, "the state is bounded by what it is made of");
    plan.send_after.clone_from(&outbox);
    plan.write = Some(StoredUser {
        state,
        outbox,
        applied: sequence.map(|sequence| Applied { queue: queue.into(), sequence }),
        alarm_at,
        revision: stored.revision + 1,
        facts,
    });
    plan.write_after = plan.write.as_ref().and_then(after_sending);
    plan
}

/// The item after its outbox was sent. A mere wake-up is not worth a write: it is not sent again anyway.
fn after_sending(item: &StoredUser) -> Option<StoredUser> {
    let sends = item.outbox.iter().any(|effect| !matches!(effect, Effect::Wake { .. }));
    sends.then(|| StoredUser {
        outbox: Vec::new(),
        revision: item.revision + 1,
        facts: FactLines::default(),
        ..item.clone()
    })
}

/// When the user wants to be woken. An alarm that is set earlier than needed stays: it re-arms itself
/// when it rings, which is cheaper than moving an index entry with each event. One that has rung, or
/// that nothing waits for, goes.
fn next_alarm(state: &UserState, set: Option<Timestamp>) -> Option<Timestamp> {
    let due_at = state.next_deadline()?;
    match set {
        Some(set) if set > state.clock && set <= due_at => Some(set),
        _ => Some(due_at),
    }
}

/// Takes out of effects what nobody has to be sent: interests, which are noted before the write, and changes of
/// memberships, which stand in the state. (Outboxes of earlier versions still hold both.)
fn take_facts(effects: &mut Vec<Effect>, interests: &mut Vec<InterestNote>) {
    effects.retain_mut(|effect| match effect {
        Effect::Interested(interest) => {
            interests.push(interest.clone());
            false
        }
        Effect::Member { .. } => false,
        Effect::Deliver(_) | Effect::Tell { .. } | Effect::Wake { .. } => true,
    });
}

/// Keeps the interests in products that the user's memory still holds, each once, so that they stay bounded however
/// many products a message names.
fn keep_remembered(interests: &mut Vec<InterestNote>, state: &UserState) {
    let remembered = |id: &Name| {
        // Whoever has turned out to be somebody else remembers nothing, and passes on what is said of their products.
        state.forwarded_to.is_some()
            || state.interests.iter().any(|known| known.product == *id)
            || state.cart.items().iter().any(|item| item.id == *id)
    };
    let mut products = BTreeSet::new();
    let mut counts: Vec<bool> = interests
        .iter()
        .rev()
        .map(|InterestNote { product, .. }| {
            remembered(product) && products.len() < INTERESTS_MAX + CART_ITEMS_MAX && products.insert(product)
        })
        .collect();
    interests.retain(|_| counts.pop().expect("there is an answer for each"));
}

fn outbox_bytes(outbox: &[Effect]) -> usize {
    outbox.iter().map(|effect| serde_json::to_vec(effect).map_or(usize::MAX / 1_024, |bytes| bytes.len())).sum()
}
