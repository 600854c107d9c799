//! The step: what a user's inputs change, and what they cause.
//!
//! Pure. Time comes in with the inputs and as `now`; ids are derived; nothing is read, nothing sent.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use smallvec::SmallVec;

use crate::bought;
use crate::bounds::{
    FORWARD_HOPS_MAX, INTEREST_RETENTION, INTERESTS_MAX, PLAYS_MAX, PRODUCT_KEY_BYTES_MAX, VIEWED_MAX,
};
use crate::context::{self, Context};
use crate::event::{Event, EventKind};
use crate::event_name::EventName;
use crate::identifiers::{InputId, UserKey};
use crate::local_time::LocalClock;
use crate::mailbox::{Effect, Input, InterestNote};
use crate::moment::MomentState;
use crate::money::Currency;
use crate::name::Name;
use crate::outcome::{InputCounts, InputOutcome, OutcomeRecord};
use crate::playbook::{Channel, Interest};
use crate::plays::Start;
use crate::program::{Program, RegisterWatch, WatchedSet};
use crate::register::Seen;
use crate::seats::Seats;
use crate::state::{ProductInterest, UserState};
use crate::time::{Span, Timestamp};

/// What a step gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stepped {
    /// What is to be done in the world.
    pub effects: Vec<Effect>,
    /// What became of the inputs, in their order.
    pub outcomes: SmallVec<[InputOutcome; 4]>,
    /// How plays' considerations ended, in order.
    pub considered: Vec<OutcomeRecord>,
    /// More of those that were held out and of goals that were reached, in the order in which they are among
    /// [`Stepped::considered`].
    pub credits: Vec<Credit>,
}

/// Which message somebody was held out of, or is credited with a goal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// The message, as long as the playbook has it.
    pub message: Option<String>,
    /// On which channel it went, or would have gone.
    pub channel: Option<Channel>,
    /// The currency of the goal's event.
    pub currency: Option<Currency>,
}

/// Applies `inputs`, in their order, to a user.
///
/// Every input is applied at its own time, or at the user's clock when that is later; deadlines up to
/// then fire first, each at its own time. `now` is the time of the decision: it only tells whether a
/// moment has passed, so a backlog is decided as it would have been live.
///
/// The user is changed in place, because moving what is remembered of somebody takes a tenth of the time of a step.
pub fn step(program: &Program, user: UserKey, state: &mut UserState, inputs: &[Input], now: Timestamp) -> Stepped {
    let mut stepped = Stepped::default();
    let mut run = Run::new(program, user, state, &mut stepped, now);
    run.find_seats();
    for input in inputs {
        let outcome = run.apply(input);
        run.out.outcomes.push(outcome);
    }
    // Plays come and go over the years: those that are gone are forgotten before they become too many.
    if run.state.plays.len() > PLAYS_MAX {
        run.state.plays.retain(|name, _| program.play_by_name(name).is_some());
    }
    run.seats.tidy(run.state);
    stepped
}

impl Stepped {
    /// What became of the inputs, counted.
    pub fn inputs(&self) -> InputCounts {
        let mut counts = InputCounts::default();
        self.outcomes.iter().for_each(|outcome| counts.add(*outcome, 1));
        counts
    }
}

/// One step under way.
pub(crate) struct Run<'a> {
    pub(crate) program: &'a Program,
    pub(crate) user: UserKey,
    pub(crate) now: Timestamp,
    /// The user as far as the step has come.
    pub(crate) state: &'a mut UserState,
    /// What it has led to.
    pub(crate) out: &'a mut Stepped,
    /// Where the user's registers and standings lie.
    pub(crate) seats: Seats,
    /// The watched conditions whose answer may have changed.
    pub(crate) dirty: WatchedSet,
    /// The plays that are to be started at this instant.
    pub(crate) starts: Vec<Start<'a>>,
    /// The user's own clock, once it was asked for.
    pub(crate) clock: Option<LocalClock>,
    /// How many more steps of plays this instant may lead through.
    pub(crate) steps_left: usize,
}

impl<'a> Run<'a> {
    /// One that goes on from here, as soon as its seats are found.
    #[inline]
    pub(crate) fn new(
        program: &'a Program,
        user: UserKey,
        state: &'a mut UserState,
        out: &'a mut Stepped,
        now: Timestamp,
    ) -> Self {
        Self {
            program,
            user,
            now,
            seats: Seats::EMPTY,
            state,
            out,
            dirty: WatchedSet::default(),
            starts: Vec::new(),
            clock: None,
            steps_left: 0,
        }
    }

    /// Finds the user's seats: where the run is, because they are too large to be moved there.
    pub(crate) fn find_seats(&mut self) {
        self.seats.find(self.program, self.state);
    }

    fn apply(&mut self, input: &'a Input) -> InputOutcome {
        if self.is_repetition(input) {
            return InputOutcome::Duplicate;
        }
        let circle_broken = match self.pass_on(input) {
            PassedOn::No { circle_broken } => circle_broken,
            PassedOn::Yes(outcome) => return outcome,
        };
        if let Some(id) = input.id() {
            self.state.seen.insert(id);
        }
        let outcome = match input {
            Input::Event { event, .. } => self.apply_event(event),
            Input::Tick { at } => match self.advance(*at) {
                0 => InputOutcome::TickStale,
                _ => InputOutcome::TickFired,
            },
            Input::Link { id, at, to } => self.link(*id, *at, *to),
            Input::Recollection { program, up_to, state, .. } => self.recollect(*program, *up_to, state),
            Input::Merge { at, state, .. } => {
                self.advance(*at);
                self.seats.tidy(self.state);
                self.state.merge(state.as_ref().clone(), self.program);
                self.seats.find_again(self.program, self.state);
                self.clock = None;
                self.end_surplus_runs();
                self.reconsider();
                self.advance(self.state.clock);
                InputOutcome::Merged
            }
            Input::Catalogue { at, product, changes, .. } => {
                self.advance(*at);
                self.catalogue_changed(product, changes);
                self.settle();
                InputOutcome::CatalogueApplied
            }
        };
        if circle_broken { InputOutcome::LinkCircleBroken } else { outcome }
    }

    /// What reaches an actor that was linked to another goes there. An input that has been passed on
    /// too often has met a circle of links: the circle is broken here, so that nothing goes round for ever.
    fn pass_on(&mut self, input: &Input) -> PassedOn {
        let Some(to) = self.state.forwarded_to else {
            return PassedOn::No { circle_broken: false };
        };
        let state = &mut *self.state;
        let further = match input {
            Input::Tick { .. } => return PassedOn::Yes(InputOutcome::TickStale),
            Input::Recollection { .. } => return PassedOn::Yes(InputOutcome::RecollectionOutdated),
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
            Input::Catalogue { id, at, product, changes, hops } if *hops < FORWARD_HOPS_MAX => Input::Catalogue {
                id: *id,
                at: *at,
                product: product.clone(),
                changes: changes.clone(),
                hops: hops + 1,
            },
            Input::Event { .. } | Input::Merge { .. } | Input::Catalogue { .. } => {
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
        let state = &*self.state;
        input.id().is_some_and(|id| {
            // Hardly anybody passes anything on, and telling hops apart takes a hash: longer than all the rest.
            let told = || InputId::of_told(self.user, Some(id), input.hops());
            state.seen.contains(id) || (!state.passed_on.is_empty() && state.passed_on.contains(told()))
        })
    }

    fn apply_event(&mut self, event: &'a Event) -> InputOutcome {
        let late = event.at < self.state.clock;
        self.advance(event.at);
        let at = self.state.clock;
        let context = Context::of(&event.context);
        self.know(event, &context, at);
        self.hear_consent(event);
        self.hear_of_browsers(event);
        self.hear_of_devices(event);
        self.hear_answer(event);
        let state = &mut *self.state;
        match &event.kind {
            EventKind::Track { event: name, .. } => {
                let is_order = *name == EventName::OrderCompleted;
                // What was put aside before the last order went with it, though it is reported after it: a
                // phone sends its events later than the shop's server sends the order.
                if (is_order || state.orders.last_at.is_none_or(|ordered_at| event.at >= ordered_at))
                    && state.cart.apply(name, &event.products, at)
                {
                    self.dirty.add(self.program.touches.cart);
                }
                if is_order && self.program.needs.bought {
                    bought::note(&mut state.bought, &event.products);
                }
                if is_order {
                    state.orders.count = state.orders.count.saturating_add(1);
                    state.orders.last_at = Some(at);
                }
                self.show_interest(name, event, at);
            }
            EventKind::Identify { traits } => {
                state.profile.apply(traits, &self.program.needs.traits);
                self.dirty.add(self.program.touches.profile);
            }
            EventKind::Page { .. } | EventKind::Screen { .. } | EventKind::Group { .. } | EventKind::Alias { .. } => {}
        }
        let completed = self.remember(event, at);
        self.move_to(event, &context, at);
        self.update_watched();
        self.see(event, &completed, at);
        self.settle();
        if late { InputOutcome::AppliedLate } else { InputOutcome::Applied }
    }

    /// Takes in who the user is, and where the event comes from.
    fn know(&mut self, event: &Event, context: &Context<'_>, at: Timestamp) {
        let program = self.program;
        let state = &mut *self.state;
        keep_newest(&mut state.user_id, event.user_id.as_ref());
        keep_newest(&mut state.anonymous_id, event.anonymous_id.as_ref());
        state.profile.apply_context(context);
        if !program.needs.facts.is_empty() && context::apply(state, &program.needs.facts, event, context) {
            self.dirty.add(program.touches.facts);
        }
        if program.playbook().channels.on_site.is_some() && context.is_on_site(event) {
            state.on_site_at = state.on_site_at.max(Some(at));
        }
        if program.needs.time_zone
            && let Some(zone) = context.time_zone_other_than(state.time_zone.as_deref())
        {
            let before = program.clock_of(state);
            state.time_zone = Some(zone.to_string());
            self.clock = None;
            self.dirty.add(program.touches.local_time);
            self.move_schedules(&before);
        }
    }

    /// Lets every register and moment see an event. Gives the registers that changed, with the role in which
    /// the event was seen.
    fn remember(&mut self, event: &Event, at: Timestamp) -> Vec<(usize, usize)> {
        let program = self.program;
        let mut changed = Vec::new();
        let dispatch = program.dispatch(event);
        for RegisterWatch { register: index, role, ways, touches, is_ordered, is_habit } in &dispatch.registers {
            if !ways.mean(event, at) {
                continue;
            }
            let register = program.register(*index);
            let local = is_habit.then(|| self.local_weekday_and_hour(at));
            let registers = &mut self.state.registers;
            let seen = match self.seats.register_mut(registers, *index) {
                Some(value) => register.apply(value, *role, event, at, local),
                None => {
                    let mut value = register.begun(at);
                    let seen = register.apply(&mut value, *role, event, at, local);
                    if seen != Seen::Nothing {
                        self.seats.begin_register(program, registers, *index, value);
                        self.dirty.add(program.touches.by_beginning[*index]);
                    }
                    seen
                }
            };
            if seen == Seen::Changed {
                self.dirty.add(*touches);
                if *is_ordered {
                    changed.push((*index, *role));
                }
            }
        }
        for (moment, weight, ways) in &dispatch.evidence {
            let Some(rule) = program.moment(*moment) else { continue };
            if ways.mean(event, at) {
                let moments = &mut self.state.moments;
                let position = moments.iter().position(|known| known.moment == *moment).unwrap_or_else(|| {
                    moments.push(MomentState { moment: *moment, strength: 0.0, at });
                    moments.len() - 1
                });
                moments[position].add(*weight, at, rule.half_life);
                self.dirty.add(program.touches.moments);
            }
        }
        changed
    }

    /// The weekday and hour on the user's own clock, which is read once: few registers ask for it.
    fn local_weekday_and_hour(&mut self, at: Timestamp) -> (u8, u8) {
        let clock = self.clock.get_or_insert_with(|| self.program.clock_of(self.state));
        let (weekday, minute) = clock.weekday_and_minute(at);
        (weekday, (minute / 60) as u8)
    }

    /// Notes which products the user looks at, and tells the catalogue whose changes are to be reported.
    fn show_interest(&mut self, name: &EventName, event: &Event, at: Timestamp) {
        let interest = match name {
            EventName::ProductViewed => Interest::Viewed,
            EventName::ProductAdded | EventName::WishlistProductAddedToCart => Interest::Carted,
            EventName::ProductAddedToWishlist => Interest::Wished,
            _ => return,
        };
        let needs = &self.program.needs;
        let state = &mut *self.state;
        if needs.viewed && interest == Interest::Viewed {
            for product in &event.products {
                // Mostly, it is looked at again while it is the last, or it is new.
                if state.viewed.last().is_none_or(|last| last != product) {
                    state.viewed.retain(|known| known.id != product.id);
                    if state.viewed.len() >= VIEWED_MAX {
                        state.viewed.remove(0);
                    }
                    state.viewed.push(product.for_keeping());
                }
            }
        }
        if !needs.interests {
            return;
        }
        for product in event.products.iter().filter(|product| product.id.len() <= PRODUCT_KEY_BYTES_MAX) {
            let known = state.interests.iter().position(|known| known.product == product.id);
            let mut kept = match known {
                Some(position) => state.interests.remove(position),
                None => ProductInterest { product: product.id.clone(), interest, at, told_at: Timestamp::default() },
            };
            if state.interests.len() >= INTERESTS_MAX {
                state.interests.remove(0);
            }
            kept.interest = kept.interest.max(interest);
            kept.at = at;
            // The catalogue forgets an interest after a while: it is told again before that.
            if at.since(kept.told_at) >= Span::from_millis(INTEREST_RETENTION.as_millis() / 2) {
                kept.told_at = at;
                let product = product.id.clone();
                self.out.effects.push(Effect::Interested(InterestNote { user: self.user, product, at }));
            }
            state.interests.push(kept);
        }
    }

    /// Lets the user's clock run to `until`, never backwards, firing each deadline on its way at its
    /// own time. Gives how many fired.
    pub(crate) fn advance(&mut self, until: Timestamp) -> usize {
        let mut fired = 0;
        let state = &mut *self.state;
        if state.first_seen_at.is_none() && state.clock == Timestamp::default() {
            state.first_seen_at = Some(until);
            state.clock = until;
            self.begin();
        } else if state.program != self.program.fingerprint() {
            self.reconsider();
        }
        let until = until.max(self.state.clock);
        while let Some(due_at) = self.state.next_deadline().filter(|due_at| *due_at <= until) {
            self.state.clock = self.state.clock.max(due_at);
            self.fire(due_at);
            fired += 1;
        }
        self.state.clock = until;
        fired
    }

    /// This visitor is that user: what is remembered moves there, and this actor only passes on.
    fn link(&mut self, id: InputId, at: Timestamp, to: UserKey) -> InputOutcome {
        if to == self.user {
            return InputOutcome::LinkRepeated;
        }
        self.advance(at);
        self.seats.tidy(self.state);
        let mut carried = core::mem::take(self.state);
        // Whoever is somebody else from now on is in no segment: that user is.
        for (segment, _) in self.program.memberships(&carried) {
            carried.segment_changes += 1;
            self.out.effects.push(Effect::Member {
                user: self.user,
                segment: segment.clone(),
                entered: false,
                at: carried.clock,
                number: carried.segment_changes,
            });
        }
        *self.state = UserState {
            clock: carried.clock,
            first_seen_at: carried.first_seen_at,
            segment_changes: carried.segment_changes,
            anonymous_id: carried.anonymous_id.clone(),
            forwarded_to: Some(to),
            // Repetitions of what was applied or passed on here end here, whomever the visitor turns into next.
            seen: carried.seen.clone(),
            passed_on: core::mem::take(&mut carried.passed_on),
            messages: carried.messages.clone(),
            decisions: carried.decisions,
            // A message on its way to the visitor is refused here, until the user knows.
            consent: carried.consent.clone(),
            ..UserState::default()
        };
        self.seats.find_again(self.program, self.state);
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

fn keep_newest(field: &mut Option<Name>, newer: Option<&String>) {
    if let Some(newer) = newer
        && field.as_deref() != Some(newer.as_str())
    {
        *field = Some(Name::from(newer.as_str()));
    }
}
