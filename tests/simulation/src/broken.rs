//! The commit, broken on purpose: a simulation that does not notice is not worth its time.
//!
//! This is `kairos_protocol::mailboxes::Ports::apply_batch` written out once more with switches. Without a
//! switch it keeps every promise, which the tests check too, so that what they find is the switch. Some switches are
//! in the playbook instead: the engine then knows nothing of what was promised.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use kairos_engine::commit::{self, Plan, Received, StoredUser};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{AlarmMessage, DeliveryMessage, Effect, MailboxMessage};
use kairos_engine::program::Program;
use kairos_engine::time::Span;
use kairos_protocol::alarms::delay_until;
use kairos_protocol::mailboxes::{Incoming, Saved, Users};
use kairos_protocol::port::{Alarms, Clock, Deliveries, Fault, InterestIndex, Mailboxes};

use crate::playbook::Shop;
use crate::ports::{SimAlarms, SimClock, SimDeliveries, SimInterests, SimMailboxes, SimUsers};
use crate::world::{Queue, World};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// Nothing: the second writing of the commit as it should be.
    Nothing,
    /// Effects are sent before the write that decides them.
    EffectsBeforeWrite,
    /// Messages are acknowledged before their effects are sent.
    AcknowledgeBeforeSending,
    /// An earlier commit's effects are not sent before they are overwritten.
    NoSendBefore,
    /// Messages that came back after they were applied are not noted.
    NoDoubtfulMemory,
    /// Recent inputs are not remembered.
    NoSeenMemory,
    /// The write does not depend on the revision.
    UnconditionalSave,
    /// An alarm leaves the index when it is offered, not when it is answered.
    AlarmForgottenWhenOffered,
    /// When a message fails, only it is returned, not what follows in its mailbox.
    RestIsAcknowledged,
    /// Interests are noted after the write by which the user remembers them.
    InterestsAfterWrite,
    /// Caps are unknown.
    NoCaps,
    /// Quiet hours are unknown.
    NoQuietHours,
    /// Goals are unknown: who has reached one goes on.
    NoGoals,
    /// Moments do not pass.
    NoExpiry,
    /// An outbox that tells other users stays after it was sent.
    TellingOutboxIsKept,
    /// What was decided is sent, whatever its receiver has said since.
    NobodyAsksForConsent,
    /// A message whose provider is left alone is acknowledged, and does not come again.
    PutOffIsLost,
    /// The write that empties the outbox tells the commit's facts again.
    FactsAreToldAgain,
    /// A provider of SMS that did not answer is taken to have refused.
    DoubtIsANo,
}

impl Mutation {
    /// Everything that must be found.
    pub const TO_BE_FOUND: [Self; 18] = [
        Self::EffectsBeforeWrite,
        Self::AcknowledgeBeforeSending,
        Self::NoSendBefore,
        Self::NoDoubtfulMemory,
        Self::NoSeenMemory,
        Self::UnconditionalSave,
        Self::AlarmForgottenWhenOffered,
        Self::RestIsAcknowledged,
        Self::InterestsAfterWrite,
        Self::NoCaps,
        Self::NoQuietHours,
        Self::NoGoals,
        Self::NoExpiry,
        Self::TellingOutboxIsKept,
        Self::NobodyAsksForConsent,
        Self::PutOffIsLost,
        Self::FactsAreToldAgain,
        Self::DoubtIsANo,
    ];
}

impl Mutation {
    /// The shop in which it can be noticed: the small one's plays promise less, and do not watch the catalogue.
    pub const fn shop(self) -> Shop {
        match self {
            Self::InterestsAfterWrite
            | Self::NoCaps
            | Self::NoQuietHours
            | Self::NoGoals
            | Self::NoExpiry
            | Self::NobodyAsksForConsent => Shop::Shipped,
            _ => Shop::Small,
        }
    }

    /// What the engine knows of what the shop has told Kairos.
    pub fn of_program(self, told: Arc<Program>) -> Arc<Program> {
        let mut playbook = told.playbook().clone();
        match self {
            Self::NoCaps => {
                playbook.policy.caps.clear();
                playbook.plays.iter_mut().for_each(|play| play.caps.clear());
            }
            Self::NoQuietHours => playbook.policy.quiet_hours.clear(),
            Self::NoGoals => playbook.plays.iter_mut().for_each(|play| play.goal = None),
            Self::NoExpiry => playbook.plays.iter_mut().for_each(|play| play.valid_for = Span::from_hours(24 * 300)),
            _ => return told,
        }
        Arc::new(Program::new(playbook).expect("a playbook that promises less is in order"))
    }
}

/// What one invocation needs.
pub struct Invocation {
    /// The world.
    pub world: World,
    /// The users' items.
    pub users: SimUsers,
    /// Its clock.
    pub clock: Rc<SimClock>,
    /// What is broken.
    pub mutation: Mutation,
}

impl Invocation {
    /// Applies a batch, more or less. Gives the receipts of the messages that must come again.
    pub async fn apply_batch(&self, program: &Program, queue: &str, batch: Vec<Incoming>) -> Vec<String> {
        let mut by_user: BTreeMap<UserKey, Vec<Incoming>> = BTreeMap::new();
        for incoming in batch {
            by_user.entry(incoming.user).or_default().push(incoming);
        }
        let users: Vec<UserKey> = by_user.keys().copied().collect();
        let Ok(mut loaded) = self.users.load(&users).await else {
            return by_user.into_values().flatten().map(|incoming| incoming.receipt).collect();
        };
        // All plans are made when everything has been read, as the real one does.
        let now = self.clock.now();
        let mut planned = Vec::new();
        let mut failed = Vec::new();
        for (user, incoming) in by_user {
            let receipts: Vec<String> = incoming.iter().map(|incoming| incoming.receipt.clone()).collect();
            let readable = incoming.into_iter().map_while(|incoming| {
                Some(Received {
                    sequence: incoming.sequence,
                    receives: incoming.receives,
                    message: incoming.message.ok()?,
                })
            });
            let readable: Vec<Received> = readable.collect();
            match loaded.remove(&user).transpose() {
                Ok(stored) => {
                    let plan = commit::plan(program, user, stored.as_ref(), queue, &readable, now);
                    planned.push((user, receipts, self.weakened(plan)));
                }
                Err(_) => failed.extend(receipts),
            }
        }
        for (user, mut receipts, plan) in planned {
            let acknowledge = plan.acknowledge;
            let done = self.carry_out(user, plan, &receipts).await;
            let mut again = receipts.split_off(if done.is_ok() { acknowledge } else { 0 });
            if self.mutation == Mutation::RestIsAcknowledged {
                again.truncate(1);
            }
            failed.extend(again);
        }
        failed
    }

    fn weakened(&self, mut plan: Plan) -> Plan {
        let forget = |plan: &mut Plan, what: fn(&mut StoredUser)| {
            plan.write.iter_mut().chain(&mut plan.write_after).for_each(what);
        };
        match self.mutation {
            Mutation::NoSendBefore => plan.send_before.clear(),
            Mutation::NoDoubtfulMemory => forget(&mut plan, |item| item.state.messages = Default::default()),
            Mutation::NoSeenMemory => forget(&mut plan, |item| item.state.seen = Default::default()),
            Mutation::FactsAreToldAgain => {
                if let (Some(write), Some(write_after)) = (&plan.write, &mut plan.write_after) {
                    write_after.facts.clone_from(&write.facts);
                }
            }
            _ => {}
        }
        plan
    }

    async fn carry_out(&self, user: UserKey, plan: Plan, receipts: &[String]) -> Result<(), Fault> {
        self.send(&plan.send_before).await?;
        if self.mutation == Mutation::EffectsBeforeWrite {
            self.send(&plan.send_after).await?;
        }
        let interests = SimInterests(self.world.clone());
        let notes_late = self.mutation == Mutation::InterestsAfterWrite;
        if !plan.interests.is_empty() && !notes_late {
            interests.note(&plan.interests).await?;
        }
        if let Some(item) = &plan.write
            && self.users.save(user, item, plan.expected_revision).await? == Saved::Overtaken
        {
            return Err(Fault::Retryable { what: "committing a user", why: "overtaken".into() });
        }
        if !plan.interests.is_empty() && notes_late {
            interests.note(&plan.interests).await?;
        }
        if self.mutation == Mutation::AcknowledgeBeforeSending {
            let done: Vec<_> = receipts[..plan.acknowledge]
                .iter()
                .map(|receipt| (Some(user), receipt.parse().expect("receipts of the simulation are numbers")))
                .collect();
            self.world.lock().delete(Queue::Events, &done, &[]);
        }
        if self.mutation != Mutation::EffectsBeforeWrite {
            self.send(&plan.send_after).await?;
        }
        if let Some(item) = &plan.write_after
            && self.mutation != Mutation::TellingOutboxIsKept
        {
            let expected_revision = plan.write.as_ref().map(|item| item.revision).or(plan.expected_revision);
            if self.users.save(user, item, expected_revision).await? == Saved::Overtaken {
                return Err(Fault::Retryable { what: "committing a user", why: "overtaken".into() });
            }
        }
        Ok(())
    }

    async fn send(&self, effects: &[Effect]) -> Result<(), Fault> {
        let mut deliveries = Vec::new();
        let mut told = Vec::new();
        let mut alarms = Vec::new();
        for effect in effects {
            match effect {
                Effect::Deliver(order) => deliveries.push(DeliveryMessage::V1(order.clone())),
                Effect::Tell { user, input } => {
                    told.push(MailboxMessage::of_told(*user, input.as_ref().clone()));
                }
                Effect::Member { .. } | Effect::Interested(_) => {}
                Effect::Wake { user, due_at } => {
                    let delay = delay_until(*due_at, self.clock.now());
                    alarms.push((AlarmMessage::V1 { user: *user, due_at: *due_at }, delay));
                }
            }
        }
        if !deliveries.is_empty() {
            SimDeliveries(self.world.clone()).send(&deliveries).await?;
        }
        if !told.is_empty() {
            SimMailboxes::new(&self.world, crate::weather::Port::Tell).send(&told).await?;
        }
        if !alarms.is_empty() {
            SimAlarms(self.world.clone()).send(&alarms).await?;
        }
        Ok(())
    }
}
