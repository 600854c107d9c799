//! The same inputs in the same order, applied without any trouble: one at a time with a tick at every deadline, in
//! random groups without one, and much too late. The first two must decide the same, the last must send nothing.

use kairos_engine::bounds::MESSAGES_PER_COMMIT_MAX;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::outcome::{OutcomeRecord, PlayOutcome};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};

use crate::checks::difference;
use crate::random::Random;
use crate::statistics::Statistics;
use crate::world::BEGIN;

/// More deadlines than any user of the simulation meets before one input.
const TICKS_MAX: usize = 10_000;
const GROUP_MAX: usize = 12;

#[derive(Debug, Default, PartialEq)]
struct Decided {
    state: UserState,
    effects: Vec<Effect>,
    considered: Vec<OutcomeRecord>,
}

impl Decided {
    /// Applies inputs; gives how many messages that decided.
    fn take(&mut self, program: &Program, user: UserKey, inputs: &[Input], now: Timestamp) -> usize {
        let stepped = step(program, user, &mut self.state, inputs, now);
        let messages = stepped.effects.iter().filter(|effect| matches!(effect, Effect::Deliver(_))).count();
        self.effects.extend(stepped.effects);
        self.considered.extend(stepped.considered);
        messages
    }
}

/// Compares the ways in which what reached a user may be applied. `now` never comes into it: at the beginning of
/// the world no moment has passed yet, and long after its end all have.
///
/// # Errors
/// When they differ.
pub fn decides_the_same(
    program: &Program,
    random: &mut Random,
    statistics: &mut Statistics,
    user: UserKey,
    inputs: &[Input],
) -> Result<(), String> {
    let now = Timestamp::from_millis(BEGIN);
    let mut singly = Decided::default();
    let mut messages = Vec::with_capacity(inputs.len());
    for input in inputs {
        let mut decided = 0;
        let mut ticks = 0;
        // A link of somebody to themselves lets no time go by.
        let is_idle = matches!(input, Input::Link { to, .. } if *to == user);
        let until = input.at().max(singly.state.clock);
        while let Some(at) = singly.state.next_deadline().filter(|due_at| *due_at <= until && !is_idle) {
            decided += singly.take(program, user, &[Input::Tick { at }], now);
            ticks += 1;
            if ticks > TICKS_MAX {
                return Err(format!("{user}: something is due at {at} whenever it is asked for"));
            }
        }
        statistics.add("ticks at deadlines", ticks as u64);
        messages.push(decided + singly.take(program, user, std::slice::from_ref(input), now));
    }
    // A commit decides so many messages at most: what would be more is not the same in larger groups.
    if messages.iter().any(|messages| *messages > MESSAGES_PER_COMMIT_MAX) {
        statistics.count("users with too many messages at once");
        return Ok(());
    }
    let mut grouped = Decided::default();
    let mut from = 0;
    while from < inputs.len() {
        let wanted = 1 + random.below(GROUP_MAX);
        let mut until = from;
        let mut decided = 0;
        while until < inputs.len() && until - from < wanted && decided + messages[until] <= MESSAGES_PER_COMMIT_MAX {
            decided += messages[until];
            until += 1;
        }
        grouped.take(program, user, &inputs[from..until], now);
        statistics.count("groups of inputs");
        from = until;
    }
    if grouped != singly {
        let what = difference(&grouped, &singly);
        return Err(format!("{user}: decides otherwise when inputs are grouped otherwise:\n{what}"));
    }
    let latest = inputs.iter().map(Input::at).max().unwrap_or_default();
    let mut late = Decided::default();
    let now = latest.plus(Span::from_hours(24 * 100));
    let sent: usize = inputs.iter().map(|input| late.take(program, user, std::slice::from_ref(input), now)).sum();
    let held_out = |record: &OutcomeRecord| matches!(record.outcome, PlayOutcome::HeldOut { .. });
    if sent > 0 || late.considered.iter().any(held_out) {
        return Err(format!("{user}: a message was decided long after its moment"));
    }
    Ok(())
}
