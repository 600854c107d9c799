//! Conditions that are watched: segments, and plays that start when something becomes true or at a time.
//!
//! A condition is asked again when something it depends on has changed, and at the instant at which time
//! alone may change its answer. Who was in when the playbook changed is noted without starting anything.

use alloc::string::ToString;

use crate::bounds::PLACE_STAY;
use crate::bounds::PLACES_INSIDE_MAX;
use crate::check::{Check, View};
use crate::context::Context;
use crate::event::{Event, EventKind};
use crate::event_name::EventName;
use crate::mailbox::Effect;
use crate::moment;
use crate::place::Position;
use crate::playbook::{Change, Trigger};
use crate::plays::{Cause, Start};
use crate::program::{WatchedSet, Whose, segment_id};
use crate::state::{Inside, Subject};
use crate::step::Run;
use crate::time::Timestamp;

impl<'a> Run<'a> {
    /// Asks for the first time of somebody of whom nothing is known yet: what nobody fits need not be asked.
    pub(crate) fn begin(&mut self) {
        let state = &mut *self.state;
        debug_assert!(
            state.registers.is_empty() && state.watched.is_empty() && state.plays.is_empty() && state.facts.is_empty(),
            "whatever is remembered sets the clock"
        );
        state.program = self.program.fingerprint();
        self.dirty = self.program.touches.nobody;
        self.update_watched();
        self.starts.clear();
    }

    /// Asks everything anew, because the playbook or the user's memory has changed as a whole: lets go of what is
    /// no longer asked for. Segments are entered and left; plays do not start, they tell changes.
    pub(crate) fn reconsider(&mut self) {
        self.seats.tidy(self.state);
        self.leave_retired_segments();
        let program = self.program;
        let state = &mut *self.state;
        state.program = program.fingerprint();
        state.registers.retain(|id, _| program.knows_register(id));
        state.watched.retain(|id, _| program.watched_numbers().of(id).is_some());
        state.moments.retain(|known| program.playbook().moments.moments.contains_key(&known.moment));
        state.facts.retain(|fact, _| program.needs.facts.contains(fact));
        state.inside.retain(|inside| program.playbook().places.iter().any(|place| place.name == inside.place));
        self.seats.find_again(program, state);
        self.dirty = WatchedSet::all(program.watched.len());
        self.update_watched();
        self.starts.clear();
        self.reschedule();
        for (place, play) in program.plays.iter().enumerate() {
            if let Trigger::RunOut { .. } = program.playbook().plays[play.play].trigger {
                self.schedule_run_out(place);
            }
        }
    }

    /// Sets plays that start by the clock anew: their times, or for whom they are, may be others now. What was due
    /// until now has been.
    fn reschedule(&mut self) {
        let program = self.program;
        let at = self.state.clock;
        for (number, watched) in program.watched.iter().enumerate() {
            let Whose::Schedule(place) = watched.whose else { continue };
            match self.seats.standing(self.state, number).since.is_some() {
                true => self.schedule(place, at),
                false => self.unschedule(place),
            }
        }
    }

    /// Whoever was in a segment that is gone has left it: lists and counts must not keep them.
    fn leave_retired_segments(&mut self) {
        let playbook = self.program.playbook();
        for name in playbook.retired_segments.iter().filter(|name| playbook.segment(name).is_none()) {
            let id = segment_id(name);
            let state = &mut *self.state;
            if state.watched.get(id).is_none_or(|standing| standing.since.is_none()) {
                continue;
            }
            state.watched.set(id, None);
            state.segment_changes += 1;
            self.out.effects.push(Effect::Member {
                user: self.user,
                segment: name.clone(),
                entered: false,
                at: state.clock,
                number: state.segment_changes,
            });
        }
    }

    /// Asks again what may have changed; segments come before what asks about them.
    pub(crate) fn update_watched(&mut self) {
        let program = self.program;
        let at = self.state.clock;
        // Several conditions ask for it, each with a threshold of its own. Its formula asks for no segment, so that no
        // answer here changes it.
        let mut readiness = None;
        while let Some(place) = self.dirty.pop() {
            let watched = &program.watched[place];
            let view = View { program, state: self.state, seats: &self.seats, at };
            let verdict = match &watched.check {
                Check::Readiness { log_odds } => {
                    let now = *readiness.get_or_insert_with(|| moment::lasting_log_odds(&view));
                    moment::is_ready_when(&view, now, *log_odds)
                }
                check => view.verdict(check),
            };
            if self.seats.answer(program, self.state, place, verdict, at) {
                self.dirty.add(program.touches.by_watched[place]);
                self.turned(watched.whose, verdict.holds, at);
            }
        }
    }

    /// A watched condition has turned true or false.
    fn turned(&mut self, whose: Whose, holds: bool, at: Timestamp) {
        let program = self.program;
        match whose {
            Whose::Segment(segment) => {
                let name = &program.playbook().segments[segment].name;
                self.state.segment_changes += 1;
                self.out.effects.push(Effect::Member {
                    user: self.user,
                    segment: name.clone(),
                    entered: holds,
                    at,
                    number: self.state.segment_changes,
                });
                let change = if holds { Change::Entry } else { Change::Exit };
                let plays = &program.segment_plays[segment];
                for (place, _) in plays.iter().filter(|(_, on)| *on == change) {
                    self.starts.push(Start::now(*place, at, Cause::Segment(name, change)));
                }
            }
            Whose::Becomes(place) if holds => {
                self.starts.push(Start::now(place, at, Cause::Turned));
            }
            Whose::Becomes(_) => {}
            Whose::Schedule(place) => match holds {
                true => self.schedule(place, at),
                false => self.unschedule(place),
            },
        }
    }

    /// Takes in where the user is.
    pub(crate) fn move_to(&mut self, event: &Event, context: &Context<'_>, at: Timestamp) {
        let places = &self.program.playbook().places;
        if places.is_empty() {
            return;
        }
        // An app that watches the places itself names them: of that place, its word counts more than a position.
        let mut told = None;
        if let EventKind::Track { event: name @ (EventName::PlaceEntered | EventName::PlaceLeft), properties } =
            &event.kind
        {
            let named = properties.get("place").and_then(serde_json::Value::as_str);
            if let Some(place) = places.iter().find(|place| Some(place.name.as_str()) == named) {
                told = Some(place.name.as_str());
                match name {
                    EventName::PlaceEntered => self.enter_place(&place.name, at),
                    _ => self.leave_place(&place.name, at),
                }
            }
        }
        let Some(position) = Position::of(event, context) else { return };
        self.state.position = Some(position);
        for place in places.iter().filter(|place| told != Some(place.name.as_str())) {
            if place.contains(position) {
                self.enter_place(&place.name, at);
            } else {
                self.leave_place(&place.name, at);
            }
        }
    }

    fn enter_place(&mut self, name: &str, at: Timestamp) {
        let inside = &mut self.state.inside;
        let until = at.plus(PLACE_STAY);
        self.dirty.add(self.program.touches.inside);
        if let Some(known) = inside.iter_mut().find(|known| known.place == name) {
            known.until = until;
            return;
        }
        if inside.len() >= PLACES_INSIDE_MAX {
            inside.remove(0);
        }
        inside.push(Inside { place: name.to_string(), since: at, until });
        self.place_changed(name, Change::Entry, at);
    }

    pub(crate) fn leave_place(&mut self, name: &str, at: Timestamp) {
        let inside = &mut self.state.inside;
        if let Some(position) = inside.iter().position(|known| known.place == name) {
            inside.remove(position);
            self.dirty.add(self.program.touches.inside);
            self.place_changed(name, Change::Exit, at);
        }
    }

    fn place_changed(&mut self, name: &str, change: Change, at: Timestamp) {
        let program = self.program;
        let Some(found) = program.playbook().places.iter().find(|place| place.name == name) else { return };
        for (place, play) in program.plays.iter().enumerate() {
            if let Trigger::Place { of, on } = &program.playbook().plays[play.play].trigger
                && *on == change
                && of.matches(found)
            {
                let verb = if change == Change::Entry { "entered" } else { "left" };
                let why = alloc::format!("{verb} {name} at {at}");
                let subject = Subject { why, place: Some(name.to_string()), ..Subject::default() };
                self.starts.push(Start::about(place, at, subject));
            }
        }
    }
}
