//! The step: what a user's inputs change, and what they cause.
//!
//! Pure. Time comes in with the inputs and as `now`; ids are derived; nothing is read, nothing sent.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

use crate::bounds::{FORWARD_HOPS_MAX, PLAYS_MAX};
use crate::event::{Event, EventKind};
use crate::event_name::EventName;
use crate::identifiers::{InputId, UserKey};
use crate::mailbox::{Effect, Input};
use crate::outcome::{InputOutcome, OutcomeRecord};
use crate::playbook::Playbook;
use crate::state::UserState;
use crate::time::Timestamp;

/// What a step gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stepped {
    /// The user afterwards.
    pub state: UserState,
    /// What is to be done in the world.
    pub effects: Vec<Effect>,
    /// What became of the inputs: each is counted once.
    pub inputs: BTreeMap<InputOutcome, u32>,
    /// How plays' considerations ended, in order.
    pub considered: Vec<OutcomeRecord>,
}

/// Applies `inputs`, in their order, to a user.
///
/// Every input is applied at its own time, or at the user's clock when that is later; deadlines up to
/// then fire first, each at its own time. `now` is the time of the decision: it only tells whether a
/// moment has passed, so a backlog is decided as it would have been live.
pub fn step(playbook: &Playbook, user: UserKey, state: UserState, inputs: &[Input], now: Timestamp) -> Stepped {
    let stepped = Stepped { state, ..Stepped::default() };
    let mut run = Run { playbook, user, now, out: stepped };
    for input in inputs {
        let outcome = run.apply(input);
        *run.out.inputs.entry(outcome).or_default() += 1;
    }
    // Plays come and go over the years: those that are gone are forgotten before they become too many.
    if run.out.state.plays.len() > PLAYS_MAX {
        run.out.state.plays.retain(|name, _| playbook.play(name).is_some());
    }
    run.out
}

/// One step under way.
pub(crate) struct Run<'a> {
    pub(crate) playbook: &'a Playbook,
    pub(crate) user: UserKey,
    pub(crate) now: Timestamp,
    pub(crate) out: Stepped,
}

impl Run<'_> {
    fn apply(&mut self, input: &Input) -> InputOutcome {
        if self.is_repetition(input) {
            return InputOutcome::Duplicate;
        }
        let circle_broken = match self.pass_on(input) {
            PassedOn::No { circle_broken } => circle_broken,
            PassedOn::Yes(outcome) => return outcome,
        };
        if let Some(id) = input.id() {
            self.out.state.seen.insert(id);
        }
        let outcome = match input {
            Input::Event { event, .. } => self.apply_event(event),
            Input::Tick { at } => match self.advance(*at) {
                0 => InputOutcome::TickStale,
                _ => InputOutcome::TickFired,
            },
            Input::Link { id, at, to } => self.link(*id, *at, *to),
            Input::Merge { at, state, .. } => {
                self.advance(*at);
                self.out.state.merge(state.as_ref().clone());
                InputOutcome::Merged
            }
        };
        if circle_broken { InputOutcome::LinkCircleBroken } else { outcome }
    }

    /// What reaches an actor that was linked to another goes there. An input that has been passed on
    /// too often has met a circle of links: the circle is broken here, so that nothing goes round for ever.
    fn pass_on(&mut self, input: &Input) -> PassedOn {
        let Some(to) = self.out.state.forwarded_to else {
            return PassedOn::No { circle_broken: false };
        };
        let state = &mut self.out.state;
        let further = match input {
            Input::Tick { .. } => return PassedOn::Yes(InputOutcome::TickStale),
            Input::Link { id, to: target, .. } => {
                // What this actor remembered has moved; from now on its visitor is somebody else.
                let known = *target == to || *target == self.user;
                if !known {
                    state.forwarded_to = Some(*target);
                }
                state.seen.insert(*id);
                return PassedOn::Yes(if known { InputOutcome::LinkRepeated } else { InputOutcome::Linked });
            }
            Input::Event { event, hops } if *hops < FORWARD_HOPS_MAX => {
                Input::Event { event: event.clone(), hops: hops + 1 }
            }
            // Passing a memory on to where it comes from would close a circle: it stays here.
            Input::Merge { id, at, from, hops, state } if *hops < FORWARD_HOPS_MAX && *from != to => {
                Input::Merge { id: *id, at: *at, from: *from, hops: hops + 1, state: state.clone() }
            }
            Input::Event { .. } | Input::Merge { .. } => {
                state.forwarded_to = None;
                return PassedOn::No { circle_broken: true };
            }
        };
        state.passed_on.insert(InputId::of_told(self.user, input.id(), input.hops()));
        self.out.effects.push(Effect::Tell { user: to, input: Box::new(further) });
        PassedOn::Yes(InputOutcome::Forwarded)
    }

    /// Whether an input was applied here, or was passed on from here in this very hop: in a circle of
    /// links it comes by again with more hops, and must go its way.
    fn is_repetition(&self, input: &Input) -> bool {
        let state = &self.out.state;
        input.id().is_some_and(|id| {
            // Hardly anybody passes anything on, and telling hops apart takes a hash: longer than all the rest.
            let told = || InputId::of_told(self.user, Some(id), input.hops());
            state.seen.contains(id) || (!state.passed_on.is_empty() && state.passed_on.contains(told()))
        })
    }

    fn apply_event(&mut self, event: &Event) -> InputOutcome {
        let late = event.at < self.out.state.clock;
        self.advance(event.at);
        let at = self.out.state.clock;
        let state = &mut self.out.state;
        keep_newest(&mut state.user_id, event.user_id.as_ref());
        keep_newest(&mut state.anonymous_id, event.anonymous_id.as_ref());
        state.profile.apply_context(&event.context);
        match &event.kind {
            EventKind::Track { event: name, .. } => {
                let is_order = *name == EventName::OrderCompleted;
                // What was put aside before the last order went with it, though it is reported after it: a
                // phone sends its events later than the shop's server sends the order.
                if is_order || state.orders.last_at.is_none_or(|ordered_at| event.at >= ordered_at) {
                    state.cart.apply(name, &event.products, at);
                }
                if is_order {
                    state.orders.count = state.orders.count.saturating_add(1);
                    state.orders.last_at = Some(at);
                }
            }
            EventKind::Identify { traits } => state.profile.apply(traits, &self.playbook.traits_used()),
            // What they mean beyond plays that ask for them comes with segments and identities.
            EventKind::Page { .. } | EventKind::Screen { .. } | EventKind::Group { .. } | EventKind::Alias { .. } => {}
        }
        self.trigger_plays(event, at);
        if late { InputOutcome::AppliedLate } else { InputOutcome::Applied }
    }

    /// Lets the user's clock run to `until`, never backwards, firing each deadline on its way at its
    /// own time. Gives how many fired.
    fn advance(&mut self, until: Timestamp) -> usize {
        let mut fired = 0;
        let until = until.max(self.out.state.clock);
        while let Some((due_at, play)) = self.out.state.next_deadline().filter(|(due_at, _)| *due_at <= until) {
            let play = play.to_string();
            self.out.state.clock = self.out.state.clock.max(due_at);
            self.fire(&play);
            fired += 1;
        }
        self.out.state.clock = until;
        fired
    }

    /// This visitor is that user: what is remembered moves there, and this actor only passes on.
    fn link(&mut self, id: InputId, at: Timestamp, to: UserKey) -> InputOutcome {
        if to == self.user {
            return InputOutcome::LinkRepeated;
        }
        self.advance(at);
        let mut carried = core::mem::take(&mut self.out.state);
        self.out.state = UserState {
            clock: carried.clock,
            anonymous_id: carried.anonymous_id.clone(),
            forwarded_to: Some(to),
            // Repetitions of what was applied or passed on here end here, whomever the visitor turns into next.
            seen: carried.seen.clone(),
            passed_on: core::mem::take(&mut carried.passed_on),
            messages: carried.messages.clone(),
            decisions: carried.decisions,
            ..UserState::default()
        };
        if carried.has_something_to_carry() {
            let merge = Input::Merge {
                id: InputId::caused_by(id, "merge", self.user),
                at: carried.clock,
                from: self.user,
                hops: 0,
                state: Box::new(carried),
            };
            self.out.effects.push(Effect::Tell { user: to, input: Box::new(merge) });
        }
        InputOutcome::Linked
    }
}

enum PassedOn {
    Yes(InputOutcome),
    No { circle_broken: bool },
}

fn keep_newest(field: &mut Option<alloc::string::String>, newer: Option<&alloc::string::String>) {
    if let Some(newer) = newer
        && field.as_ref() != Some(newer)
    {
        *field = Some(newer.clone());
    }
}
