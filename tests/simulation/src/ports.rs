//! The ports of the protocols, over the simulated world.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use kairos_engine::bounds::{ALARM_SHARDS, FORWARD_HOPS_MAX};
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{
    AlarmMessage, DeliveryMessage, DeliveryOrder, Effect, Input, InterestNote, MailboxMessage,
};
use kairos_engine::playbook::{Channel, SmsProvider, SmsSettings};
use kairos_engine::state::UserState;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::alarms::AlarmIndex;
use kairos_protocol::delivery::breaker::Breaker;
use kairos_protocol::delivery::{
    Answer, AnswerClass, Composer, Content, DeliveryRecord, Later, Objection, Permissions, Provider, Put, Records,
};
use kairos_protocol::mailboxes::{Saved, Users};
use kairos_protocol::port::{Alarms, Clock, Deliveries, Fault, InterestIndex, Mailboxes};

use crate::broken::Mutation;
use crate::checks::Taken;
use crate::weather::Port;
use crate::world::{Inner, Queue, World};

/// The clock of one invocation: wrong by up to the weather's bound, and stepping.
pub struct SimClock {
    world: World,
    offset: Cell<i64>,
    turn: Cell<u64>,
    /// Whether it may step between two looks without a wait in between.
    restless: bool,
}

impl SimClock {
    /// A clock that steps only while the invocation waits.
    pub fn steady(world: &World) -> Self {
        Self { world: world.clone(), offset: Cell::new(draw(&mut world.lock())), turn: Cell::new(0), restless: false }
    }

    /// A clock that may step at any time.
    pub fn restless(world: &World) -> Self {
        Self { restless: true, ..Self::steady(world) }
    }
}

fn draw(inner: &mut Inner) -> i64 {
    let most = if inner.storm { inner.weather.clock_ms_max } else { 0 };
    inner.random.between(-most, most)
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let mut inner = self.world.lock();
        if (self.restless || self.turn.get() != inner.turn) && inner.random.chance(1_000) {
            let offset = draw(&mut inner);
            if offset < self.offset.get() {
                inner.statistics.count("clock stepped back");
            }
            self.offset.set(offset);
        }
        self.turn.set(inner.turn);
        Timestamp::from_millis(inner.now + self.offset.get())
    }

    async fn sleep_until(&self, time: Timestamp) {
        loop {
            let left = time.since(self.now()).as_millis();
            if left <= 0 {
                return;
            }
            self.world.pause(left).await;
        }
    }
}

/// The users' items, as one invocation of `decide` sees them.
pub struct SimUsers {
    world: World,
    /// The messages that the invocation was given, by user, for the checks.
    taken: BTreeMap<UserKey, Vec<Taken>>,
    clock: Rc<SimClock>,
    loaded_at: Cell<Timestamp>,
}

impl SimUsers {
    /// The table, for an invocation that was given these messages.
    pub fn new(world: &World, clock: Rc<SimClock>, taken: BTreeMap<UserKey, Vec<Taken>>) -> Self {
        Self { world: world.clone(), taken, clock, loaded_at: Cell::default() }
    }
}

impl Users for SimUsers {
    async fn load(&self, users: &[UserKey]) -> Result<BTreeMap<UserKey, Result<StoredUser, Fault>>, Fault> {
        let read = |inner: &mut Inner| {
            let mut loaded = BTreeMap::new();
            for user in users {
                if let Some(stored) = inner.users.read(*user) {
                    // BatchGetItem leaves single keys unprocessed when it is throttled.
                    let skipped = inner.storm && inner.random.chance(inner.weather.troubles[0] / 2);
                    let answer = if skipped {
                        inner.statistics.count("a user left unprocessed by the read");
                        Err(Fault::Retryable { what: "load users", why: "left unprocessed".into() })
                    } else {
                        Ok(stored)
                    };
                    loaded.insert(*user, answer);
                }
            }
            loaded
        };
        let loaded = self.world.call(Port::Load, read, |_| ()).await?;
        // What follows looks at the clock before it waits for anything, and the clock is steady till then.
        self.loaded_at.set(self.clock.now());
        Ok(loaded)
    }

    async fn save(&self, user: UserKey, item: &StoredUser, expected_revision: Option<u64>) -> Result<Saved, Fault> {
        let write = |inner: &mut Inner| {
            if inner.users.revision(user) != expected_revision && inner.mutation != Some(Mutation::UnconditionalSave) {
                inner.statistics.count("overtaken by another commit");
                return Saved::Overtaken;
            }
            let before = inner.users.read(user);
            let lag_ms = inner.random.between(0, inner.weather.lag_ms_max);
            let indexed_at = inner.now + lag_ms;
            inner.users.write(user, item, indexed_at);
            inner.statistics.count("commits");
            inner.refusals.committed(inner.now, user, before.as_ref().map(|before| &before.state), &item.state);
            let (now, program) = (inner.now, Arc::clone(&inner.program));
            let taken = self.taken.get(&user).map_or(&[][..], Vec::as_slice);
            let checked = inner.checks.committed(
                &program,
                &mut inner.statistics,
                user,
                taken,
                (now, self.loaded_at.get()),
                before.as_ref(),
                item,
            );
            inner.trace(|| {
                let applied = item.applied.as_ref().map_or(0, |applied| applied.sequence / 256 % 1_000_000);
                let effects: Vec<String> = item.outbox.iter().map(shown).collect();
                format!(
                    "committed {} revision {} up to {applied}, alarm {:?}, stub of {:?}: {}",
                    short(user),
                    item.revision,
                    item.alarm_at.map(|at| at.to_string()),
                    item.state.forwarded_to.map(short),
                    effects.join(", ")
                )
            });
            inner.check(checked);
            Saved::Written
        };
        self.world
            .call(Port::Save, write, |inner| {
                write(inner);
            })
            .await
    }
}

/// An effect as traces show it.
fn shown(effect: &Effect) -> String {
    match effect {
        Effect::Deliver(order) => format!("deliver {} {}", order.play, order.delivery),
        Effect::Tell { user, input } => {
            let what = match input.as_ref() {
                Input::Merge { from, .. } => format!("merge from {}", short(*from)),
                Input::Catalogue { product, .. } => format!("news of {}", product.id),
                _ => "event".to_owned(),
            };
            let id = input.id().map(|id| id.to_string()).unwrap_or_default();
            format!("tell {} of {what} {id} hops {}", short(*user), input.hops())
        }
        Effect::Member { segment, entered, at, number, .. } => {
            format!("{} {segment} at {at}, number {number}", if *entered { "entered" } else { "left" })
        }
        Effect::Interested(note) => format!("interested in {}", note.product),
        Effect::Wake { due_at, .. } => format!("wake at {due_at}"),
    }
}

/// A user's key as traces show it.
pub fn short(user: UserKey) -> String {
    user.to_string()[..6].to_owned()
}

/// The mailboxes.
pub struct SimMailboxes {
    world: World,
    port: Port,
}

impl SimMailboxes {
    /// The mailboxes, reached through this port.
    pub fn new(world: &World, port: Port) -> Self {
        Self { world: world.clone(), port }
    }
}

impl Mailboxes for SimMailboxes {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        let everything = |inner: &mut Inner| messages.iter().for_each(|message| put_into_mailbox(inner, message));
        let part = |inner: &mut Inner| {
            for message in messages {
                if inner.random.chance(6_000) {
                    put_into_mailbox(inner, message);
                }
            }
        };
        self.world.call(self.port, everything, part).await
    }
}

/// Puts a message into its user's mailbox.
pub fn put_into_mailbox(inner: &mut Inner, message: &MailboxMessage) {
    let body = serde_json::to_string(message).expect("a message is plain data");
    let now = inner.now;
    if inner.events.put(now, message.user(), message.id(), body) {
        inner.statistics.count("mailbox messages");
    } else {
        inner.statistics.count("mailbox messages dropped as repetitions by the queue");
    }
    let soon = now + inner.random.between(1, 40);
    inner.poll_at(Queue::Events, soon);
}

/// The deliveries queue.
pub struct SimDeliveries(pub World);

impl Deliveries for SimDeliveries {
    async fn send(&self, messages: &[DeliveryMessage]) -> Result<(), Fault> {
        let put = |inner: &mut Inner, message: &DeliveryMessage| {
            let checked = inner.checks.handed_over(message.order());
            inner.check(checked);
            let (now, soon) = (inner.now, inner.now + inner.random.between(1, 40));
            inner.deliveries.put(now, serde_json::to_string(message).expect("an order is plain data"), 0);
            inner.statistics.count("deliveries handed over");
            inner.poll_at(Queue::Deliveries, soon);
        };
        let part = |inner: &mut Inner| {
            for message in messages {
                if inner.random.chance(6_000) {
                    put(inner, message);
                }
            }
        };
        self.0.call(Port::Deliver, |inner| messages.iter().for_each(|message| put(inner, message)), part).await
    }
}

/// The delay queue.
pub struct SimAlarms(pub World);

impl Alarms for SimAlarms {
    async fn send(&self, alarms: &[(AlarmMessage, Span)]) -> Result<(), Fault> {
        let put = |inner: &mut Inner, (alarm, delay): &(AlarmMessage, Span)| {
            let now = inner.now;
            let due_at = now + delay.as_millis();
            inner.alarms.put(now, serde_json::to_string(alarm).expect("an alarm is plain data"), delay.as_millis());
            inner.statistics.count("alarms delayed");
            let soon = due_at + inner.random.between(1, 20);
            inner.poll_at(Queue::Alarms, soon);
        };
        let part = |inner: &mut Inner| {
            for alarm in alarms {
                if inner.random.chance(6_000) {
                    put(inner, alarm);
                }
            }
        };
        self.0.call(Port::Wake, |inner| alarms.iter().for_each(|alarm| put(inner, alarm)), part).await
    }
}

/// The index of interests.
pub struct SimInterests(pub World);

impl InterestIndex for SimInterests {
    async fn note(&self, interests: &[InterestNote]) -> Result<(), Fault> {
        let note = |inner: &mut Inner, interest: &InterestNote| {
            inner.statistics.count("interests noted");
            inner.interested.insert((interest.user, interest.product.to_string()));
        };
        let part = |inner: &mut Inner| {
            for interest in interests {
                if inner.random.chance(6_000) {
                    note(inner, interest);
                }
            }
        };
        self.0.call(Port::Interest, |inner| interests.iter().for_each(|interest| note(inner, interest)), part).await
    }
}

/// The index of alarms.
pub struct SimIndex(pub World);

impl AlarmIndex for SimIndex {
    async fn due(&self, shard: u32, until: Timestamp, limit: usize) -> Result<Vec<(UserKey, Timestamp)>, Fault> {
        let query = |inner: &mut Inner| {
            let now = inner.now;
            let mut due = inner.users.due(now, shard, ALARM_SHARDS, until);
            due.truncate(limit);
            if inner.mutation == Some(Mutation::AlarmForgottenWhenOffered) {
                due.iter().for_each(|(user, _)| inner.users.forget_alarm(*user));
            }
            due
        };
        self.0.call(Port::Due, query, |_| ()).await
    }
}

/// The templates: every message can be composed, sooner or later.
pub struct SimComposer(pub World);

impl Composer for SimComposer {
    async fn compose(&self, order: &DeliveryOrder) -> Result<Content, Answer> {
        let fallback = (order.channel == Channel::Sms).then_some(SmsProvider::EndUserMessaging);
        let sender = SmsSettings { fallback, ..SmsSettings::default() };
        let content = || Content::Sms { sender, text: order.why.clone() };
        match self.0.call(Port::Compose, |_| content(), |_| ()).await {
            Ok(content) => Ok(content),
            Err(_) => Err(Answer::new(AnswerClass::Retryable, "playbook_not_read")),
        }
    }
}

/// The records of deliveries.
pub struct SimRecords(pub World);

impl Records for SimRecords {
    async fn put(&self, record: &DeliveryRecord, expected_revision: Option<u32>) -> Result<Put, Fault> {
        let write = |inner: &mut Inner| {
            let there = inner
                .records
                .get(&record.delivery)
                .map(|text| DeliveryRecord::from_json(text).expect("a record that was written reads"));
            if there.as_ref().map(|there| there.revision) != expected_revision {
                inner.statistics.count("delivery records in conflict");
                return Put::Conflict(there.map(Box::new));
            }
            let text = record.to_json().expect("a record is plain data");
            inner.records.insert(record.delivery, text);
            inner.trace(|| format!("delivery {} is {}", record.delivery, record.status.as_str()));
            Put::Written
        };
        self.0.call(Port::Record, write, |inner| drop(write(inner))).await
    }
}

/// Whether receivers still want their messages: what is in the table of users, of whom an order is for and of whom they have
/// turned out to be.
pub struct SimPermissions(pub World);

impl Permissions for SimPermissions {
    async fn objections(&self, orders: &[&DeliveryOrder]) -> Vec<Result<Option<Objection>, Fault>> {
        let mut answers = vec![Ok(None); orders.len()];
        let mut asked: Vec<(usize, UserKey)> = orders.iter().map(|order| order.user).enumerate().collect();
        for _ in 0..=FORWARD_HOPS_MAX {
            if asked.is_empty() {
                break;
            }
            let read = |inner: &mut Inner| -> Vec<Option<UserState>> {
                asked.iter().map(|(_, user)| inner.users.read(*user).map(|stored| stored.state)).collect()
            };
            let states = match self.0.call(Port::Permission, read, |_| ()).await {
                Ok(states) => states,
                Err(fault) => {
                    asked.iter().for_each(|(index, _)| answers[*index] = Err(fault.clone()));
                    break;
                }
            };
            let is_broken = self.0.lock().mutation == Some(Mutation::NobodyAsksForConsent);
            let mut passed_on = Vec::new();
            for ((index, _), state) in asked.into_iter().zip(states) {
                let (order, Some(state)) = (orders[index], state) else { continue };
                if !is_broken && state.consent.refuses(order.channel, order.purpose) {
                    self.0.lock().statistics.count("messages refused before they were sent");
                    answers[index] = Ok(Some(Objection::NoConsent));
                } else {
                    passed_on.extend(state.forwarded_to.map(|to| (index, to)));
                }
            }
            asked = passed_on;
        }
        answers
    }
}

/// The deliveries queue, for what is put off.
pub struct SimLater(pub World);

impl Later for SimLater {
    async fn later(&self, order: &DeliveryOrder, delay: Span) -> Result<(), Fault> {
        let put = |inner: &mut Inner| {
            let now = inner.now;
            let body = serde_json::to_string(&DeliveryMessage::V1(Box::new(order.clone())));
            if inner.mutation != Some(Mutation::PutOffIsLost) {
                inner.deliveries.put(now, body.expect("an order is plain data"), delay.as_millis());
            }
            inner.statistics.count("messages put off");
            inner.trace(|| format!("delivery {} is put off by {} ms", order.delivery, delay.as_millis()));
            inner.poll_at(Queue::Deliveries, now + delay.as_millis());
        };
        self.0.call(Port::Later, put, put).await
    }
}

/// The providers of all channels, as one process sees them.
pub struct SimProvider {
    /// The world.
    pub world: World,
    /// Whether this process leaves them alone.
    pub breaker: Rc<Breaker>,
    /// Whether it leaves the other provider of SMS alone.
    pub other_of_sms: Rc<Breaker>,
}

impl Provider for SimProvider {
    fn wait(&self, order: &DeliveryOrder) -> Option<Span> {
        let now = self.world.lock().time();
        if order.channel == Channel::Sms {
            return Some(self.breaker.would_wait(now)?.min(self.other_of_sms.would_wait(now)?));
        }
        self.breaker.wait(now)
    }

    async fn send(&self, order: &DeliveryOrder, content: &Content) -> Answer {
        let sms_by = match content {
            Content::Sms { sender, .. } if order.channel == Channel::Sms => Some(sender.provider),
            _ => None,
        };
        let breaker = match sms_by {
            Some(SmsProvider::EndUserMessaging) => &self.other_of_sms,
            _ => &self.breaker,
        };
        if sms_by.is_some() && breaker.wait(self.world.lock().time()).is_some() {
            self.world.lock().statistics.count("SMS whose provider was left alone");
            return Answer::new(AnswerClass::Retryable, "left_alone");
        }
        let answer = self.call(order).await;
        if sms_by == Some(SmsProvider::EndUserMessaging) && answer.class == AnswerClass::Sent {
            self.world.lock().statistics.count("SMS sent by the other provider");
        }
        let now = self.world.lock().time();
        if breaker.heard(&answer, now) {
            self.world.lock().statistics.count("providers left alone");
        }
        answer
    }
}

impl SimProvider {
    async fn call(&self, order: &DeliveryOrder) -> Answer {
        // In an outage, mostly nothing of a request leaves.
        let is_unreachable = {
            let mut inner = self.world.lock();
            inner.is_down(Port::Provider) && inner.random.chance(7_000)
        };
        if is_unreachable {
            self.world.lock().statistics.count("provider: out of order");
            return Answer::new(AnswerClass::Retryable, "no_connection");
        }
        let accept = |inner: &mut Inner| {
            let refused = inner.storm && inner.random.chance(500);
            if refused && inner.random.chance(2_000) {
                inner.statistics.count("provider: not served");
                return Answer::new(AnswerClass::Configuration, "not_served").not_served();
            }
            if refused {
                inner.statistics.count("provider: not now");
                return Answer::new(AnswerClass::Retryable, "throttled");
            }
            let recorded = inner
                .records
                .get(&order.delivery)
                .map(|text| DeliveryRecord::from_json(text).expect("a record that was written reads").status);
            let now = inner.time();
            let wanted = inner.refusals.allow(inner.now, 2 * inner.weather.clock_ms_max, order);
            inner.check(wanted);
            let answer = inner.provider.send(order, now, recorded);
            match answer {
                Ok(class) => {
                    inner.statistics.count(&format!("provider: {}", class.as_str()));
                    inner.trace(|| {
                        format!("the provider answers {}: {} {}", class.as_str(), order.channel, order.delivery)
                    });
                    Answer::new(class, class.as_str())
                }
                Err(what) => {
                    inner.violated(what);
                    Answer::new(AnswerClass::Sent, "sent")
                }
            }
        };
        match self.world.call(Port::Provider, accept, |inner| drop(accept(inner))).await {
            Ok(answer) => answer,
            Err(_) if order.channel == Channel::Sms && self.world.lock().mutation == Some(Mutation::DoubtIsANo) => {
                Answer::new(AnswerClass::Retryable, "timeout")
            }
            Err(_) => Answer::new(AnswerClass::Unknown, "timeout"),
        }
    }
}

impl World {
    /// Tells the queue what was done with a batch: what did not fail is deleted.
    pub async fn acknowledge(&self, queue: Queue, batch: Vec<(Option<UserKey>, u64)>, failed: Vec<String>) {
        let delete = |inner: &mut Inner| inner.delete(queue, &batch, &failed);
        // A lost answer is the end of an invocation either way.
        if let Err(fault) = self.call(Port::Acknowledge, delete, |_| ()).await {
            self.lock().trace(|| format!("{queue:?}: {fault}"));
        }
    }
}

impl Inner {
    /// Deletes the messages of a batch that did not fail; the others come again, now or after their time.
    pub fn delete(&mut self, queue: Queue, batch: &[(Option<UserKey>, u64)], failed: &[String]) {
        let now = self.now;
        let at_once = self.random.chance(5_000);
        for (group, receipt) in batch {
            let has_failed = failed.contains(&receipt.to_string());
            match (queue, group) {
                (Queue::Events, Some(group)) if !has_failed => {
                    let has_earlier = self.events.has_earlier(*group, *receipt);
                    if !self.events.delete(now, *group, *receipt) {
                        self.statistics.count("acknowledged too late");
                    } else if has_earlier {
                        self.violated(format!("a message of {group} was acknowledged before an earlier one"));
                    }
                }
                (Queue::Events, Some(group)) if at_once => self.events.give_back(now, *group, *receipt),
                (Queue::Events, _) => {}
                (Queue::Deliveries, _) if !has_failed => self.deliveries.delete(*receipt),
                (Queue::Alarms, _) if !has_failed => self.alarms.delete(*receipt),
                (Queue::Deliveries | Queue::Alarms, _) => {}
            }
            if has_failed {
                self.statistics.count("messages returned");
            }
        }
        self.poll_again(queue);
    }

    /// Plans the next question to a queue that is not empty.
    pub fn poll_again(&mut self, queue: Queue) {
        let next = match queue {
            Queue::Events => self.events.next_visible_at(),
            Queue::Deliveries => self.deliveries.next_visible_at(),
            Queue::Alarms => self.alarms.next_visible_at(),
        };
        if let Some(next) = next {
            let at = next.max(self.now) + self.random.between(1, 40);
            self.poll_at(queue, at);
        }
    }
}
