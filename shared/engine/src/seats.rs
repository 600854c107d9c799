//! Where a user's values lie, by the program's own numbers.
//!
//! Users remember registers and standings by hashed ids, in the order of the ids, so that a playbook may change
//! around them. A step asks for some hundred of them: it finds out once where each one lies. What is new comes
//! last, and what is no longer worth a note stays, until [`Seats::tidy`] puts everything back in its order.

use alloc::boxed::Box;

use crate::bounds::{REGISTERS_MAX, WATCHED_CONDITIONS_MAX};
use crate::program::Program;
use crate::register::RegisterValue;
use crate::state::{ById, Standing, UserState};
use crate::time::{Span, Timestamp};
use crate::verdict::Verdict;

/// The program's numbers of things that are known by hashed ids, in a table of which most is empty: the last bits of
/// a hash find nearly every one at the first look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers(Box<[Option<(u32, u16)>]>);

impl Numbers {
    /// Of the ids in the order of the numbers.
    pub(crate) fn new(ids: impl ExactSizeIterator<Item = u32>) -> Self {
        let mut slots = alloc::vec![None; (4 * ids.len()).next_power_of_two()];
        for (id, number) in ids.zip(0_u16..) {
            let mut slot = id as usize & (slots.len() - 1);
            while slots[slot].is_some() {
                slot = (slot + 1) & (slots.len() - 1);
            }
            slots[slot] = Some((id, number));
        }
        Self(slots.into())
    }

    /// The number of this id.
    pub(crate) fn of(&self, id: u32) -> Option<usize> {
        let mask = self.0.len().checked_sub(1)?;
        let mut slot = id as usize & mask;
        // Most slots are empty, so that the search ends.
        while let Some((known, number)) = self.0[slot & mask] {
            if known == id {
                return Some(usize::from(number));
            }
            slot += 1;
        }
        None
    }
}

/// What no seat has: seats are counted from one, because zeros are the quickest to write.
const NOWHERE: u16 = 0;

/// The places of one kind of values, by the program's numbers, of which there are `MAX` at most.
#[derive(Clone, Debug)]
struct Seating<const MAX: usize> {
    seats: [u16; MAX],
    /// How many values are there that the program does not know.
    strangers: usize,
    /// Whether the values are no longer in the order of their ids.
    mixed: bool,
}

impl<const MAX: usize> Seating<MAX> {
    const EMPTY: Self = Self { seats: [NOWHERE; MAX], strangers: 0, mixed: false };

    /// Nothing has been found before.
    fn find<T>(&mut self, numbers: &Numbers, values: &ById<T>) {
        for (position, (id, _)) in values.iter().enumerate() {
            match numbers.of(id) {
                Some(number) => self.seats[number] = seat(position),
                None => self.strangers += 1,
            }
        }
    }

    fn of_number(&self, number: usize) -> Option<usize> {
        usize::from(self.seats[number]).checked_sub(1)
    }

    fn add<T>(&mut self, number: usize, id: u32, value: T, values: &mut ById<T>) {
        self.seats[number] = seat(values.push(id, value));
        self.mixed = true;
    }
}

fn seat(position: usize) -> u16 {
    u16::try_from(position + 1).expect("a stored state has room for some thousand values")
}

/// The places of a user's registers and standings.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    registers: Seating<REGISTERS_MAX>,
    watched: Seating<WATCHED_CONDITIONS_MAX>,
    /// Whether some standings are no longer worth a note.
    vacant: bool,
}

impl Seats {
    /// Before anything was found.
    pub(crate) const EMPTY: Self = Self { registers: Seating::EMPTY, watched: Seating::EMPTY, vacant: false };

    /// Where they lie in this state.
    pub(crate) fn of(program: &Program, state: &UserState) -> Self {
        let mut seats = Self::EMPTY;
        seats.find(program, state);
        seats
    }

    /// Finds out where they lie. Nothing has been found before.
    pub(crate) fn find(&mut self, program: &Program, state: &UserState) {
        self.registers.find(program.register_numbers(), &state.registers);
        self.watched.find(program.watched_numbers(), &state.watched);
    }

    /// Finds out anew where they lie.
    pub(crate) fn find_again(&mut self, program: &Program, state: &UserState) {
        *self = Self::EMPTY;
        self.find(program, state);
    }

    /// Puts everything back in its order, as it is stored. Afterwards, the seats are others: where the step goes
    /// on, they are found out anew.
    pub(crate) fn tidy(&mut self, state: &mut UserState) {
        if core::mem::take(&mut self.vacant) {
            state.watched.retain(|_, standing| *standing != Standing::default());
        }
        if core::mem::take(&mut self.registers.mixed) {
            state.registers.sort();
        }
        if core::mem::take(&mut self.watched.mixed) {
            state.watched.sort();
        }
    }

    /// What a register holds.
    pub(crate) fn register<'s>(&self, state: &'s UserState, number: usize) -> Option<&'s RegisterValue> {
        Some(state.registers.at(self.registers.of_number(number)?))
    }

    /// What a register holds, to be changed in its place.
    pub(crate) fn register_mut<'s>(
        &self,
        registers: &'s mut ById<RegisterValue>,
        number: usize,
    ) -> Option<&'s mut RegisterValue> {
        Some(registers.at_mut(self.registers.of_number(number)?))
    }

    /// Begins to remember a register that was not there.
    pub(crate) fn begin_register(
        &mut self,
        program: &Program,
        registers: &mut ById<RegisterValue>,
        number: usize,
        value: RegisterValue,
    ) {
        if self.registers.strangers > 0 {
            // An edit of a play's audience watches nothing else for all users, so nobody asks everything anew: what
            // such edits leave behind goes when something new comes.
            registers.sort();
            registers.retain(|id, _| program.knows_register(id));
            self.registers = Seating::EMPTY;
            self.registers.find(program.register_numbers(), registers);
        }
        self.registers.add(number, program.register_id(number), value, registers);
    }

    /// How the user stands to a watched condition; as somebody of whom nothing is known, when nothing is.
    pub(crate) fn standing(&self, state: &UserState, number: usize) -> Standing {
        self.watched.of_number(number).map_or_else(Standing::default, |position| *state.watched.at(position))
    }

    /// Notes the answer to a watched condition. Gives whether it has turned.
    pub(crate) fn answer(
        &mut self,
        program: &Program,
        state: &mut UserState,
        number: usize,
        verdict: Verdict,
        at: Timestamp,
    ) -> bool {
        // Whatever a formula says, time goes on.
        let next = verdict.until.map(|until| until.max(at.plus(Span::from_millis(1))));
        if let Some(position) = self.watched.of_number(number) {
            let standing = state.watched.at_mut(position);
            let turned = verdict.holds != standing.since.is_some();
            if turned {
                standing.since = verdict.holds.then_some(at);
            }
            standing.next = next;
            self.vacant |= standing.since.is_none() && next.is_none();
            return turned;
        }
        if verdict.holds || next.is_some() {
            let standing = Standing { since: verdict.holds.then_some(at), next };
            self.watched.add(number, program.watched_id(number), standing, &mut state.watched);
        }
        verdict.holds
    }

    /// Makes sure that a watched condition is asked again by then.
    pub(crate) fn ask_again(&mut self, program: &Program, state: &mut UserState, number: usize, by: Timestamp) {
        if let Some(position) = self.watched.of_number(number) {
            let next = &mut state.watched.at_mut(position).next;
            *next = Some(next.map_or(by, |next| next.min(by)));
        } else {
            let standing = Standing { since: None, next: Some(by) };
            self.watched.add(number, program.watched_id(number), standing, &mut state.watched);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::{Condition, EventMatch, EventPattern, Playbook, Segment};
    use crate::register::Times;
    use alloc::vec;
    use alloc::vec::Vec;

    /// Two segments, each with a register of its own.
    fn program() -> Program {
        let seen = |event| {
            let of = vec![EventMatch::all(event)];
            Condition::Did { of, at_least: 1, within: Some(Span::from_hours(1)), same: None }
        };
        let segment = |name: &str, event| Segment { name: name.into(), title: name.into(), who: seen(event) };
        let segments = vec![segment("page", EventPattern::Page), segment("screen", EventPattern::Screen)];
        Program::new(Playbook { segments, ..Playbook::default() }).unwrap()
    }

    fn value(millis: i64) -> RegisterValue {
        RegisterValue::Recent(Times::from_iter([Timestamp::from_millis(millis)]))
    }

    #[test]
    fn what_is_new_is_found_at_once_and_stored_in_its_order() {
        let program = program();
        let mut state = UserState::default();
        let mut seats = Seats::of(&program, &state);
        assert_eq!(seats.register(&state, 1), None);
        // The last one first, so that they are out of their order.
        for number in [1, 0] {
            seats.begin_register(&program, &mut state.registers, number, value(number as i64));
        }
        for number in [0, 1] {
            assert_eq!(seats.register(&state, number), Some(&value(number as i64)));
        }
        seats.tidy(&mut state);
        let ids: Vec<u32> = state.registers.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [program.register_id(0), program.register_id(1)]);
        assert!(ids.is_sorted());
    }

    #[test]
    fn what_no_playbook_asks_for_any_more_goes_when_something_new_comes() {
        let program = program();
        let mut state = UserState::default();
        let stranger = (0..).find(|id| !program.knows_register(*id)).unwrap();
        state.registers.set(stranger, Some(value(7)));
        state.registers.set(program.register_id(1), Some(value(1)));
        let mut seats = Seats::of(&program, &state);
        assert_eq!(seats.register(&state, 1), Some(&value(1)));
        seats.begin_register(&program, &mut state.registers, 0, value(0));
        assert_eq!(seats.register(&state, 0), Some(&value(0)));
        assert_eq!(seats.register(&state, 1), Some(&value(1)));
        seats.tidy(&mut state);
        assert_eq!(state.registers.len(), 2);
        assert_eq!(state.registers.get(stranger), None);
    }

    #[test]
    fn a_standing_that_is_worth_no_note_is_forgotten_unless_it_is_worth_one_again() {
        let program = program();
        let (at, later) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        let mut state = UserState::default();
        let mut seats = Seats::of(&program, &state);
        let holds = Verdict { holds: true, until: Some(later) };
        assert!(seats.answer(&program, &mut state, 0, holds, at));
        assert!(!seats.answer(&program, &mut state, 0, holds, later));
        assert_eq!(seats.standing(&state, 0).since, Some(at));
        assert!(!seats.answer(&program, &mut state, 1, Verdict::always(false), at));
        assert!(seats.answer(&program, &mut state, 0, Verdict::always(false), later));
        seats.ask_again(&program, &mut state, 1, later);
        seats.tidy(&mut state);
        assert_eq!(state.watched.iter().count(), 1);
        assert_eq!(state.watched.get(program.watched_id(1)).and_then(|standing| standing.next), Some(later));
    }
}
