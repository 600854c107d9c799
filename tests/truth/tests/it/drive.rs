//! A user driven through the engine as mailboxes and alarms drive them.

use kairos_engine::event::Event;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::Timestamp;
use kairos_truth::changes::Change;
use kairos_truth::{Life, Message};

/// More alarms than this between two events would be an alarm that rings for ever.
const ALARMS_IN_A_ROW_MAX: usize = 100_000;

/// What became of a user.
pub(crate) struct Driven {
    pub(crate) state: UserState,
    pub(crate) effects: Vec<Effect>,
    /// Every input, ticks included.
    pub(crate) inputs: Vec<Input>,
    /// What the user did, for the definitions.
    pub(crate) life: Life,
}

/// Gives a user these events, and every tick at the very millisecond for which the engine asks; at last
/// one at `until`.
pub(crate) fn live(program: &Program, user: UserKey, events: &[Event], until: Timestamp) -> Driven {
    let mut driven =
        Driven { state: UserState::default(), effects: Vec::new(), inputs: Vec::new(), life: Life::default() };
    for event in events {
        ring(program, user, &mut driven, event.at, until);
        driven.life.apply(event.clone());
        give(program, user, &mut driven, Input::event(event.clone()), until);
    }
    ring(program, user, &mut driven, until, until);
    give(program, user, &mut driven, Input::Tick { at: until }, until);
    driven
}

fn ring(program: &Program, user: UserKey, driven: &mut Driven, until: Timestamp, now: Timestamp) {
    for _ in 0..ALARMS_IN_A_ROW_MAX {
        let Some(at) = driven.state.next_deadline().filter(|at| *at <= until) else { return };
        assert!(at > driven.state.clock, "an alarm at {at} that has passed at {}", driven.state.clock);
        driven.life.tick(at);
        give(program, user, driven, Input::Tick { at }, now);
    }
    panic!("the alarm rings for ever");
}

fn give(program: &Program, user: UserKey, driven: &mut Driven, input: Input, now: Timestamp) {
    let stepped = step(program, user, &mut driven.state, std::slice::from_ref(&input), now);
    // As it is stored.
    driven.state = UserState::decode(&driven.state.encode()).unwrap();
    for effect in &stepped.effects {
        if let Effect::Deliver(order) = effect {
            let after = driven.life.done.len();
            driven.life.messages.push(Message { play: order.play.clone(), at: order.due_at, after });
        }
    }
    driven.effects.extend(stepped.effects);
    driven.inputs.push(input);
}

/// The entries and exits of a segment, which must take turns, with numbers that rise.
pub(crate) fn entries_and_exits(effects: &[Effect], of: &str) -> Vec<Change> {
    let mut last_number = None;
    let mut changes = Vec::new();
    for effect in effects {
        if let Effect::Member { segment, entered, at, number, .. } = effect {
            assert!(last_number < Some(*number), "the numbers of changes rise");
            last_number = Some(*number);
            if segment == of {
                changes.push(Change { at: *at, holds: *entered });
            }
        }
    }
    changes
}
