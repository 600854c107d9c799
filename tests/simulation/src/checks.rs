//! What should have happened, kept beside what does.
//!
//! For every mailbox there is a reference actor: one message after the other, one input after the
//! other, with a memory of ids that never forgets. After every commit the stored item must be exactly
//! what the reference actor has come to, however the messages were grouped, redelivered, interrupted or
//! redriven. For users without links a second opinion comes from [`Model`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use kairos_engine::bounds::{FORWARD_HOPS_MAX, STATE_BYTES_MAX};
use kairos_engine::commit::StoredUser;
use kairos_engine::facts::FactLines;
use kairos_engine::identifiers::{DeliveryId, InputId, UserKey};
use kairos_engine::mailbox::{DeliveryOrder, Effect, Input, MailboxMessage};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::Timestamp;
use serde_json::{Map, Value};

use crate::model::Model;
use crate::playbook::Shop;
use crate::promises::Promises;
use crate::random::Random;
use crate::regrouping::decides_the_same;
use crate::statistics::Statistics;

/// A mailbox message that an invocation was given.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The queue's number.
    pub sequence: u128,
    /// The same through all redrives.
    pub lineage: u64,
    /// The queue's name for this receive of it.
    pub receipt: u64,
    /// The message, when it can be read.
    pub message: Option<MailboxMessage>,
}

/// What should have happened.
#[derive(Debug)]
pub struct Checks {
    actors: BTreeMap<UserKey, Actor>,
    lineages: BTreeMap<u64, Lineage>,
    /// The ids that a merge carries, by its own id.
    carried: BTreeMap<InputId, BTreeSet<InputId>>,
    /// Where each input took effect.
    applied: BTreeMap<InputId, Vec<UserKey>>,
    /// Every message that a commit decided.
    decided: BTreeMap<DeliveryId, DeliveryOrder>,
    /// Inputs that took effect again within the documented bounds (see `apply`): redriven after so many
    /// others that nobody remembered them, from a message that no commit had met a second time.
    beyond_memory: BTreeSet<InputId>,
    /// What clients were told had been accepted.
    accepted: BTreeSet<InputId>,
    linked: BTreeSet<UserKey>,
    /// What reached whom, in order, without what was ignored.
    inputs: BTreeMap<UserKey, Vec<Input>>,
    promises: Promises,
    shop: Shop,
    /// What the shop has told Kairos to do.
    told: Arc<Program>,
    clock_ms_max: i64,
    calm: bool,
    /// How late calm decisions were, at most.
    pub late_ms_max: i64,
}

#[derive(Debug, Default)]
struct Actor {
    state: UserState,
    sequence: Option<u128>,
    seen: BTreeSet<InputId>,
    passed_on: BTreeSet<(InputId, u8)>,
    model: Model,
    effects: Vec<Effect>,
    /// What its last commit makes known.
    facts: FactLines,
    /// The messages of its last commit.
    last: Vec<u64>,
    /// The messages that were applied.
    handled: BTreeSet<InputId>,
    /// Since when (true time) its next deadline has been known.
    deadline_known_since: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lineage {
    /// By which receive it was applied.
    applied: Option<u64>,
    /// A later commit has held it in its hands again, and so could note it.
    met_again: bool,
}

impl Checks {
    /// Nothing has happened in this shop yet. Clocks are wrong by at most so much.
    pub fn new(shop: Shop, clock_ms_max: i64, calm: bool) -> Self {
        Self {
            actors: BTreeMap::new(),
            lineages: BTreeMap::new(),
            carried: BTreeMap::new(),
            applied: BTreeMap::new(),
            decided: BTreeMap::new(),
            beyond_memory: BTreeSet::new(),
            accepted: BTreeSet::new(),
            linked: BTreeSet::new(),
            inputs: BTreeMap::new(),
            promises: Promises::default(),
            shop,
            told: shop.program(),
            clock_ms_max,
            calm,
            late_ms_max: 0,
        }
    }

    /// A client was told that this has been accepted.
    pub fn accepted(&mut self, input: InputId) {
        self.accepted.insert(input);
    }

    /// These actors are, or may become, one person: the second opinion does not cover them.
    pub fn linked(&mut self, user: UserKey) {
        self.linked.insert(user);
    }

    /// A message of a user's mailbox went to the dead-letter queue. When it had been committed, its
    /// outbox is sent once more by the user's next commit, which may be long after: then those who are
    /// told may have forgotten that they were.
    pub fn became_a_dead_letter(&mut self, user: UserKey, lineage: u64) {
        if let Some(actor) = self.actors.get(&user).filter(|actor| actor.last.contains(&lineage)) {
            self.beyond_memory.extend(actor.effects.iter().filter_map(|effect| match effect {
                Effect::Tell { input, .. } => input.id(),
                _ => None,
            }));
        }
    }

    /// A commit was written at `times.0` (true), decided at `times.1` (by the invocation's clock).
    ///
    /// # Errors
    /// When it is not what should have been written.
    #[expect(clippy::too_many_arguments, reason = "a commit is all of these")]
    pub fn committed(
        &mut self,
        program: &Program,
        statistics: &mut Statistics,
        user: UserKey,
        taken: &[Taken],
        (true_now, now): (i64, Timestamp),
        before: Option<&StoredUser>,
        after: &StoredUser,
    ) -> Result<(), String> {
        let reached = after.applied.as_ref().map(|applied| applied.sequence);
        let actor = self.actors.entry(user).or_default();
        let stood_at = actor.sequence;
        if reached < stood_at {
            return Err(format!("{user}: a commit went back from message {stood_at:?} to {reached:?}"));
        }
        for taken in taken.iter().filter(|taken| Some(taken.sequence) <= stood_at) {
            let lineage = self.lineages.entry(taken.lineage).or_default();
            if lineage.applied.is_some_and(|receipt| receipt != taken.receipt) {
                lineage.met_again = true;
                statistics.count("redeliveries of applied messages");
            }
        }
        let new: Vec<&Taken> =
            taken.iter().filter(|taken| Some(taken.sequence) > stood_at && Some(taken.sequence) <= reached).collect();
        if !new.is_empty() {
            let actor = self.actors.entry(user).or_default();
            actor.last = new.iter().map(|taken| taken.lineage).collect();
            actor.effects.clear();
            actor.facts = FactLines::default();
        }
        let noted = before.map(|before| &before.state.messages);
        for taken in &new {
            let Some(message) = &taken.message else {
                return Err(format!("{user}: a message that cannot be read was applied"));
            };
            // The same inputs in the same parcel are the same message, however it came to be sent again.
            let handled = !self.actors.entry(user).or_default().handled.insert(message.id());
            let noted = handled && noted.is_some_and(|noted| noted.contains(message.id()));
            let lineage = self.lineages.entry(taken.lineage).or_default();
            let repeated = lineage.applied.is_some();
            if repeated {
                statistics.count("redriven after they were applied");
            }
            if !(repeated && lineage.met_again || noted) {
                lineage.applied = Some(taken.receipt);
                let forgivable = repeated && !lineage.met_again;
                self.apply(program, statistics, user, message, now, forgivable)?;
            }
        }
        let actor = self.actors.entry(user).or_default();
        actor.sequence = reached.max(stood_at);
        let waited_for = before.and_then(|before| before.state.next_deadline());
        self.compare(user, true_now, now, !new.is_empty(), waited_for, after)
    }

    fn apply(
        &mut self,
        program: &Program,
        statistics: &mut Statistics,
        user: UserKey,
        message: &MailboxMessage,
        now: Timestamp,
        redriven_unnoticed: bool,
    ) -> Result<(), String> {
        for input in message.inputs() {
            let actor = self.actors.entry(user).or_default();
            let forwarded_to = actor.state.forwarded_to;
            let is_stub = forwarded_to.is_some();
            let hop = input.id().map(|id| (id, input.hops()));
            let repeated = hop.is_some_and(|hop| actor.seen.contains(&hop.0) || actor.passed_on.contains(&hop));
            let told_on = match input {
                Input::Event { hops, .. } | Input::Catalogue { hops, .. } => *hops < FORWARD_HOPS_MAX,
                Input::Merge { hops, from, .. } => *hops < FORWARD_HOPS_MAX && Some(*from) != forwarded_to,
                Input::Tick { .. } | Input::Link { .. } | Input::Recollection { .. } => true,
            };
            if is_stub && !told_on && !repeated {
                // A circle of links ends here.
                statistics.count("circles of links broken");
                actor.state.forwarded_to = None;
            }
            let takes_effect = !is_stub || !told_on || matches!(input, Input::Link { .. });
            if repeated {
                // The documented bound: nobody remembers for ever what was never noted.
                let known = hop.is_some_and(|(id, hops)| {
                    let memory = &actor.state;
                    memory.seen.contains(id) || memory.passed_on.contains(InputId::of_told(user, Some(id), hops))
                });
                let forgiven = redriven_unnoticed || input.id().is_some_and(|id| self.beyond_memory.contains(&id));
                if known || !forgiven {
                    statistics.count("repeated inputs ignored");
                    continue;
                }
                statistics.count("repeated inputs beyond every memory");
                self.beyond_memory.extend(input.id());
            }
            if let Some(hop) = hop.filter(|_| !takes_effect) {
                actor.passed_on.insert(hop);
            }
            if takes_effect && let Some(id) = input.id() {
                if actor.seen.insert(id) && matches!(input, Input::Event { .. }) {
                    self.applied.entry(id).or_default().push(user);
                }
                match input {
                    Input::Link { .. } if !is_stub => {
                        let merge = InputId::caused_by(id, "merge", user);
                        self.carried.insert(merge, actor.seen.clone());
                    }
                    Input::Merge { .. } => {
                        actor.seen.extend(self.carried.get(&id).into_iter().flatten());
                    }
                    _ => {}
                }
            }
            let state = &mut actor.state;
            state.hear_origin(std::slice::from_ref(input));
            let zone = state.time_zone.clone();
            let mut stepped = step(program, user, state, std::slice::from_ref(input), now);
            stepped.describe(program, state);
            if self.shop == Shop::Shipped {
                self.inputs.entry(user).or_default().push(input.clone());
            }
            self.promises.stepped(&self.told, statistics, (user, input, now), zone.as_deref(), (state, &stepped))?;
            actor.facts.note(program, state, std::slice::from_ref(input), &stepped);
            for effect in &stepped.effects {
                if let Effect::Deliver(order) = effect {
                    statistics.count(&format!("messages decided: {}", order.play));
                    if let Some(earlier) = self.decided.insert(order.delivery, order.as_ref().clone()) {
                        return Err(format!(
                            "{user}: two decisions share the id {}: {} due {} and {} due {}",
                            order.delivery, earlier.play, earlier.due_at, order.play, order.due_at
                        ));
                    }
                }
            }
            actor.effects.extend(stepped.effects);
            if self.shop == Shop::Small && !self.linked.contains(&user) {
                actor.model.take(input, now.as_millis());
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        user: UserKey,
        true_now: i64,
        now: Timestamp,
        changed: bool,
        waited_for: Option<Timestamp>,
        after: &StoredUser,
    ) -> Result<(), String> {
        let actor = self.actors.get_mut(&user).expect("it has just been looked up");
        let stored = without_memory(&after.state);
        let expected = without_memory(&actor.state);
        if stored != expected {
            return Err(format!(
                "{user}: the stored state is not what it should be:\n{}",
                difference(&stored, &expected)
            ));
        }
        let bytes = after.state.encode().len();
        if bytes > STATE_BYTES_MAX {
            return Err(format!("{user}: the state has {bytes} bytes, more than {STATE_BYTES_MAX}"));
        }
        let (outbox, expected) = (that_counts(&after.outbox), that_counts(&actor.effects));
        let emptied = !changed && after.outbox.is_empty();
        if outbox != expected && !emptied {
            return Err(format!("{user}: the outbox is not what it should be:\n{}", difference(&outbox, &expected)));
        }
        // Whatever a commit makes known stands in its own write and in no other.
        let told = sorted_lines(&after.facts);
        let expected_facts = if changed { sorted_lines(&actor.facts) } else { Vec::new() };
        if told != expected_facts {
            return Err(format!(
                "{user}: the facts are not what they should be:\n{}",
                difference(&told, &expected_facts)
            ));
        }
        match (after.alarm_at, after.state.next_deadline()) {
            (None, Some(due_at)) => return Err(format!("{user}: nobody wakes them at {due_at}")),
            (Some(alarm_at), Some(due_at)) if alarm_at > due_at => {
                return Err(format!("{user}: something is due at {due_at} and they are woken at {alarm_at}"));
            }
            _ => {}
        }
        for effect in expected.iter().filter(|_| changed) {
            if let Effect::Deliver(order) = effect {
                let early = order.due_at.as_millis() - true_now;
                if early > self.clock_ms_max {
                    return Err(format!("{user}: {} was decided {early} ms early", order.play));
                }
                let could_be_known = order.due_at.as_millis().max(actor.deadline_known_since);
                if self.calm && waited_for == Some(order.due_at) {
                    self.late_ms_max = self.late_ms_max.max(true_now - could_be_known);
                }
                if order.decided_at != now {
                    return Err(format!("{user}: {} says it was decided at {}", order.delivery, order.decided_at));
                }
            }
        }
        actor.deadline_known_since = true_now;
        if self.shop == Shop::Small && !self.linked.contains(&user) {
            agrees(user, &actor.model, after, &self.decided)?;
        }
        Ok(())
    }

    /// A message was handed to the deliveries queue.
    ///
    /// # Errors
    /// When no commit had decided it.
    pub fn handed_over(&self, order: &DeliveryOrder) -> Result<(), String> {
        match self.decided.get(&order.delivery) {
            // Whom it is for is told after the whole message.
            Some(decided) if *decided == (DeliveryOrder { who: decided.who.clone(), ..order.clone() }) => Ok(()),
            Some(decided) => Err(format!(
                "{} was handed over with other content than was decided:\n{}",
                order.delivery,
                difference(order, decided)
            )),
            None => Err(format!("{} ({}) was handed over, but no commit decided it", order.delivery, order.play)),
        }
    }

    /// At the end: what holds of all decisions together, and that other groups of the same inputs give the same.
    ///
    /// # Errors
    /// When something does not hold.
    pub fn decisions_hold(
        &self,
        program: &Program,
        random: &mut Random,
        statistics: &mut Statistics,
    ) -> Result<(), String> {
        self.promises.hold(self.told.playbook())?;
        self.inputs.iter().try_for_each(|(user, inputs)| decides_the_same(program, random, statistics, *user, inputs))
    }

    /// Whether an actor is, or may become, the same person as another.
    pub fn is_linked(&self, user: UserKey) -> bool {
        self.linked.contains(&user)
    }

    /// Everything that was decided.
    pub fn decided(&self) -> impl Iterator<Item = &DeliveryOrder> {
        self.decided.values()
    }

    /// How many messages were decided.
    pub fn decisions(&self) -> usize {
        self.decided.len()
    }

    /// At the end: every accepted input took effect exactly once, in one place.
    ///
    /// # Errors
    /// When one did not.
    pub fn inputs_took_effect_once(&self) -> Result<(), String> {
        for input in &self.accepted {
            match self.applied.get(input).map_or(&[][..], Vec::as_slice) {
                [_] => {}
                [] => return Err(format!("the input {input} was accepted and lost")),
                _ if self.beyond_memory.contains(input) => {}
                several => return Err(format!("the input {input} took effect at {several:?}")),
            }
        }
        Ok(())
    }
}

/// The lines in which two values differ, `-` is and `+` should be.
pub(crate) fn difference(is: &impl Debug, should_be: &impl Debug) -> String {
    let (is, should_be) = (format!("{is:#?}"), format!("{should_be:#?}"));
    let (is, should_be): (Vec<&str>, Vec<&str>) = (is.lines().collect(), should_be.lines().collect());
    let same = is.iter().zip(&should_be).take_while(|(is, should_be)| is == should_be).count();
    let rest = is.len().min(should_be.len()) - same;
    let same_end =
        is.iter().rev().zip(should_be.iter().rev()).take(rest).take_while(|(is, should_be)| is == should_be).count();
    let shown = |lines: &[&str], sign: char| -> String {
        lines[same..lines.len() - same_end].iter().take(40).map(|line| format!("{sign} {line}\n")).collect()
    };
    shown(&is, '-') + &shown(&should_be, '+')
}

/// The state without the bounded memory of ids, which the reference keeps without bounds, and without where the user came
/// from, which is taken in by message.
fn without_memory(state: &UserState) -> UserState {
    UserState {
        seen: Default::default(),
        messages: Default::default(),
        passed_on: Default::default(),
        origin: None,
        ..state.clone()
    }
}

/// Facts in an order that does not depend on how messages were grouped; without what is told of the user after a whole
/// message.
fn sorted_lines(facts: &FactLines) -> Vec<String> {
    let text = std::str::from_utf8(facts.as_bytes()).expect("facts are text");
    let lines = text.lines().map(|line| serde_json::from_str::<Map<String, Value>>(line).expect("facts are objects"));
    let lines = lines.filter(|fact| fact["fact"] != "moment").map(|mut fact| {
        fact.remove("who");
        Value::Object(fact).to_string()
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort_unstable();
    lines
}

/// The effects that must be the same in all groups: those that are handed over.
fn that_counts(effects: &[Effect]) -> Vec<Effect> {
    let counts = |effect: &&Effect| matches!(effect, Effect::Deliver(_) | Effect::Tell { .. });
    effects.iter().filter(counts).map(comparable).collect()
}

fn comparable(effect: &Effect) -> Effect {
    match effect {
        Effect::Deliver(order) => Effect::Deliver(Box::new(DeliveryOrder { who: None, ..order.as_ref().clone() })),
        Effect::Tell { user, input } => match input.as_ref() {
            Input::Merge { id, at, from, hops, state } => Effect::Tell {
                user: *user,
                input: Box::new(Input::Merge {
                    id: *id,
                    at: *at,
                    from: *from,
                    hops: *hops,
                    state: Box::new(without_memory(state)),
                }),
            },
            _ => effect.clone(),
        },
        _ => effect.clone(),
    }
}

/// Whether the engine decided what a person would have decided.
fn agrees(
    user: UserKey,
    model: &Model,
    after: &StoredUser,
    decided: &BTreeMap<DeliveryId, DeliveryOrder>,
) -> Result<(), String> {
    let state = &after.state;
    let cart: Vec<(String, u32)> = state.cart.items().iter().map(|item| (item.id.to_string(), item.quantity)).collect();
    if cart != model.cart || state.orders.count != model.orders {
        return Err(format!(
            "{user}: the cart is {cart:?} after {} orders, and a person counts {model:?}",
            state.orders.count
        ));
    }
    let due = state.plays.get("abandoned_cart").and_then(|play| Some(play.waiting.as_ref()?.due_at.as_millis()));
    if due != model.cart_due {
        return Err(format!("{user}: waits until {due:?}, and a person would say {model:?}"));
    }
    if state.decisions != model.decided.len() as u64 {
        return Err(format!(
            "{user}: decided {} messages, and a person would say {:?}",
            state.decisions, model.decided
        ));
    }
    for (number, (play, due_at)) in model.decided.iter().enumerate() {
        let id = DeliveryId::of_decision(user, number as u64);
        let order = decided.get(&id);
        if order.is_none_or(|order| order.play != *play || order.due_at.as_millis() != *due_at) {
            return Err(format!("{user}: decision {number} should be {play} due {due_at} and is {order:?}"));
        }
    }
    Ok(())
}
