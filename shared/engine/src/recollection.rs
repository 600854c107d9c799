//! What the archive tells of behaviour from before it was watched.
//!
//! A register that no playbook asked for before has not seen what was before. Who has kept a user's inputs can find out
//! what it would hold, had it been there from the beginning: they are applied anew, under the program of now. What comes
//! of that is exact as long as the user has heard of nothing since, and only then it is taken.

use alloc::boxed::Box;

use crate::identifiers::InputId;
use crate::mailbox::Input;
use crate::outcome::InputOutcome;
use crate::program::Program;
use crate::register::RegisterId;
use crate::state::UserState;
use crate::step::Run;
use crate::time::Timestamp;

/// What a user whose inputs were applied anew can tell the living one: these registers, as far as there is something in
/// them. `None` when there is nothing, or somebody else has taken over.
pub fn recollection(program: &Program, replayed: &UserState, wanted: &[RegisterId], at: Timestamp) -> Option<Input> {
    if replayed.forwarded_to.is_some() {
        return None;
    }
    let up_to = replayed.seen.newest()?;
    let mut state = UserState::default();
    for id in wanted {
        state.registers.set(*id, replayed.registers.get(*id).cloned());
    }
    let tells = !state.registers.is_empty();
    tells.then(|| Input::Recollection { at, program: program.fingerprint(), up_to, state: Box::new(state) })
}

/// Whether a user holds what the archive tells already.
pub fn is_recollected(state: &UserState, recollection: &Input) -> bool {
    let Input::Recollection { state: told, .. } = recollection else { return false };
    told.registers.iter().all(|(id, value)| state.registers.get(id) == Some(value))
}

impl Run<'_> {
    /// Takes over registers, and asks everything that is watched again.
    pub(crate) fn recollect(&mut self, program: u32, up_to: InputId, told: &UserState) -> InputOutcome {
        if program != self.program.fingerprint() || self.state.seen.newest() != Some(up_to) {
            return InputOutcome::RecollectionOutdated;
        }
        self.seats.tidy(self.state);
        for (id, value) in told.registers.iter() {
            // Another version of Kairos may know others.
            if self.program.register_by_id(id).is_some() {
                self.state.registers.set(id, Some(value.clone()));
            }
        }
        self.seats.find_again(self.program, self.state);
        self.reconsider();
        self.advance(self.state.clock);
        InputOutcome::Recollected
    }
}
