//! Where a user's values lie, by the program's own numbers.
//!
//! Users remember registers and standings by hashed ids, in the order of the ids, so that a playbook may change
//! around them. A step asks for some hundred of them: it finds out once where each one lies, and keeps that true.

use smallvec::SmallVec;

use crate::program::Program;
use crate::register::RegisterValue;
use crate::state::{ById, Standing, UserState};

const NOWHERE: u16 = u16::MAX;
/// Most playbooks have no more of a kind: their seats need no memory of their own.
const INLINE: usize = 64;

/// The places of one kind of values.
#[derive(Clone, Debug)]
struct Seating {
    /// By the program's numbers.
    seats: SmallVec<[u16; INLINE]>,
    /// How many values are there that the program does not know.
    strangers: usize,
}

impl Seating {
    /// `wanted` are ids in their order; `number` gives the program's number of each.
    fn of<T>(wanted: &[u32], number: impl Fn(usize) -> usize, values: &ById<T>) -> Self {
        let mut seats = match wanted.len() {
            count @ ..=INLINE => SmallVec::from_buf_and_len([NOWHERE; INLINE], count),
            count => SmallVec::from_elem(NOWHERE, count),
        };
        let mut strangers = 0;
        let mut next = 0;
        for (position, (id, _)) in values.iter().enumerate() {
            while wanted.get(next).is_some_and(|wanted| *wanted < id) {
                next += 1;
            }
            if wanted.get(next) == Some(&id) {
                seats[number(next)] = seat(position);
                next += 1;
            } else {
                strangers += 1;
            }
        }
        Self { seats, strangers }
    }

    fn of_number(&self, number: usize) -> Option<usize> {
        let seat = self.seats[number];
        (seat != NOWHERE).then_some(usize::from(seat))
    }

    fn insert(&mut self, number: usize, position: usize) {
        for seat in &mut self.seats {
            *seat += u16::from(*seat != NOWHERE && usize::from(*seat) >= position);
        }
        self.seats[number] = seat(position);
    }

    fn remove(&mut self, number: usize, position: usize) {
        self.seats[number] = NOWHERE;
        for seat in &mut self.seats {
            *seat -= u16::from(*seat != NOWHERE && usize::from(*seat) > position);
        }
    }
}

fn seat(position: usize) -> u16 {
    u16::try_from(position).expect("a stored state has room for some thousand values")
}

/// The places of a user's registers and standings.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    registers: Seating,
    watched: Seating,
}

impl Seats {
    /// Where they lie in this state.
    pub(crate) fn of(program: &Program, state: &UserState) -> Self {
        let (watched, numbers) = program.watched_ids();
        Self {
            registers: Seating::of(program.register_ids(), |number| number, &state.registers),
            watched: Seating::of(watched, |next| usize::from(numbers[next]), &state.watched),
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
            registers.retain(|id| program.knows_register(id));
            self.registers = Seating::of(program.register_ids(), |number| number, registers);
        }
        let position = registers.insert(program.register_id(number), value);
        self.registers.insert(number, position);
    }

    /// How the user stands to a watched condition; as somebody of whom nothing is known, when nothing is.
    pub(crate) fn standing(&self, state: &UserState, number: usize) -> Standing {
        self.watched.of_number(number).map_or_else(Standing::default, |position| *state.watched.at(position))
    }

    /// Notes how the user stands to a watched condition. What is not worth a note is forgotten.
    pub(crate) fn set_standing(&mut self, program: &Program, state: &mut UserState, number: usize, standing: Standing) {
        let worth_it = standing != Standing::default();
        match self.watched.of_number(number) {
            Some(position) if worth_it => *state.watched.at_mut(position) = standing,
            Some(position) => {
                state.watched.remove(position);
                self.watched.remove(number, position);
            }
            None if worth_it => {
                let position = state.watched.insert(program.watched_id(number), standing);
                self.watched.insert(number, position);
            }
            None => {}
        }
    }
}
