//! A playbook made ready to run: registers allocated and shared, events dispatched to who watches them,
//! conditions in an order in which each comes after those it asks about.

mod build;
mod steps;
mod wiring;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::check::{Check, RegisterIndex, View};
use crate::event::{Event, EventKind};
use crate::event_name::EventName;
use crate::local_time::LocalClock;
use crate::name::Name;
use crate::playbook::{Change, Condition, ContextFact, Moment, Playbook, PropertyFilter};
use crate::property;
use crate::register::{Register, RegisterId};
use crate::seats::{Numbers, Seats};
use crate::state::UserState;
use crate::time::{Span, Timestamp};
use crate::verdict::Verdict;

pub(crate) use build::segment_id;
pub use build::{ProgramError, register_of, trigger_register};
pub(crate) use steps::{Instruction, PlayProgram, StepName, any_step};

/// A playbook that can run.
#[derive(Clone, Debug)]
pub struct Program {
    playbook: Playbook,
    fingerprint: u32,
    /// In the order of their ids.
    registers: Vec<Register>,
    ids: Vec<RegisterId>,
    /// Which watched conditions a register, or anything else, may change.
    pub(crate) touches: Touches,
    watchers: Watchers,
    /// Segments first, in an order in which each comes after those it asks about; then plays' own conditions.
    pub(crate) watched: Vec<Watched>,
    /// The places of registers and of watched conditions, by their ids.
    numbers: (Numbers, Numbers),
    /// The plays in the order in which they are considered.
    pub(crate) plays: Vec<PlayProgram>,
    by_name: BTreeMap<Name, usize>,
    /// By a segment's place in the playbook: the plays that start when it is entered or left.
    pub(crate) segment_plays: Vec<Vec<(usize, Change)>>,
    readiness: Vec<Option<Check>>,
    moments: [Option<MomentRule>; Moment::ALL.len()],
    pub(crate) needs: Needs,
    clock: LocalClock,
}

/// A set of watched conditions, by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WatchedSet([u64; crate::bounds::WATCHED_CONDITIONS_MAX / 64]);

impl WatchedSet {
    pub(crate) fn insert(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own |= other);
    }

    pub(crate) fn all(count: usize) -> Self {
        let mut set = Self::default();
        (0..count).for_each(|place| set.insert(place));
        set
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; _]
    }

    /// Takes the first out.
    pub(crate) fn pop(&mut self) -> Option<usize> {
        for (index, word) in self.0.iter_mut().enumerate() {
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                return Some(index * 64 + bit as usize);
            }
        }
        None
    }
}

/// Which watched conditions may change when something does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touches {
    pub(crate) by_register: Vec<WatchedSet>,
    /// What a register answers once and for all when it begins.
    pub(crate) by_beginning: Vec<WatchedSet>,
    pub(crate) by_watched: Vec<WatchedSet>,
    pub(crate) cart: WatchedSet,
    pub(crate) profile: WatchedSet,
    pub(crate) facts: WatchedSet,
    pub(crate) local_time: WatchedSet,
    pub(crate) inside: WatchedSet,
    pub(crate) moments: WatchedSet,
    pub(crate) messaged: WatchedSet,
    /// What has to be asked of somebody of whom nothing is known: all else does not hold of them, at no time.
    pub(crate) nobody: WatchedSet,
}

/// A condition that is asked again whenever its answer may have changed.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// By which users remember how they stand to it.
    pub(crate) id: u32,
    pub(crate) check: Check,
    pub(crate) whose: Whose,
}

/// Whose condition it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A segment's, by its place in the playbook.
    Segment(usize),
    /// A play's that starts when it turns true, by the play's place in the program.
    Becomes(usize),
    /// A play's that starts by the clock for those of whom it holds.
    Schedule(usize),
}

/// How a moment fades, and when it is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MomentRule {
    pub(crate) half_life: Span,
    pub(crate) reached_at: f64,
}

/// Who watches events, by their kind: each of any kind is among those of every kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watchers {
    /// By the position among [`EventName::STANDARD`].
    pub(crate) standard: Vec<Dispatch>,
    /// By the shop's own names.
    pub(crate) custom: BTreeMap<Box<str>, Dispatch>,
    pub(crate) identify: Dispatch,
    pub(crate) page: Dispatch,
    pub(crate) screen: Dispatch,
    pub(crate) group: Dispatch,
    /// Of kinds that nobody watches in particular.
    pub(crate) any: Dispatch,
}

/// Who watches events of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dispatch {
    pub(crate) registers: Vec<RegisterWatch>,
    pub(crate) evidence: Vec<(Moment, f64, Ways)>,
    pub(crate) plays: Vec<(usize, PlayRole, Ways)>,
}

/// A register that watches events of a kind, with all that is to be known of it for each of them.
#[derive(Clone, Debug)]
pub(crate) struct RegisterWatch {
    pub(crate) register: RegisterIndex,
    /// Which part of a sequence; 0 for what opens and 1 for what ends.
    pub(crate) role: usize,
    pub(crate) ways: Ways,
    /// The watched conditions that it may change.
    pub(crate) touches: WatchedSet,
    /// Whether it tells in what order things were done.
    pub(crate) is_ordered: bool,
    /// Whether it is made of the user's own weekdays and hours.
    pub(crate) is_habit: bool,
}

/// In which ways an event of a kind can be meant.
#[derive(Clone, Debug)]
pub(crate) enum Ways {
    /// Whatever its details.
    All,
    /// Each with what must be true of its details.
    Some(Vec<Vec<PropertyFilter>>),
}

impl Ways {
    /// Whether they mean this event.
    pub(crate) fn mean(&self, event: &Event, at: Timestamp) -> bool {
        match self {
            Self::All => true,
            Self::Some(ways) => ways.iter().any(|filters| property::pass(filters, event, at)),
        }
    }
}

/// What an event is to a play. In the order in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PlayRole {
    /// What it wants to reach.
    Goal,
    /// What ends its wait.
    EndsWait,
    /// What starts its wait.
    StartsWait,
    /// What starts it, alone or as the last of a sequence.
    Starts,
}

/// What has to be remembered beside registers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) facts: Vec<ContextFact>,
    pub(crate) traits: Vec<String>,
    pub(crate) time_zone: bool,
    pub(crate) viewed: bool,
    pub(crate) bought: bool,
    pub(crate) interests: bool,
    /// How they answer on each channel.
    pub(crate) engagement: bool,
    /// Most of the policy's caps.
    pub(crate) messaged: usize,
}

impl Program {
    /// Makes a playbook ready to run.
    ///
    /// # Errors
    /// When it refers to what is not there, goes round in circles, or asks for more than users can remember.
    /// `kairos check` tells the same with the places.
    pub fn new(playbook: Playbook) -> Result<Self, ProgramError> {
        build::program(playbook)
    }

    /// The playbook.
    pub const fn playbook(&self) -> &Playbook {
        &self.playbook
    }

    /// What is watched, as a number: when it differs from a user's, everything watched is asked again.
    pub const fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// The registers.
    pub fn registers(&self) -> &[Register] {
        &self.registers
    }

    pub(crate) fn register_id(&self, register: RegisterIndex) -> RegisterId {
        self.ids[register]
    }

    pub(crate) fn register(&self, register: RegisterIndex) -> &Register {
        &self.registers[register]
    }

    pub(crate) fn knows_register(&self, id: RegisterId) -> bool {
        self.numbers.0.of(id).is_some()
    }

    /// The register with this id.
    pub fn register_by_id(&self, id: RegisterId) -> Option<&Register> {
        self.numbers.0.of(id).map(|register| &self.registers[register])
    }

    /// The register that answers a question about behaviour.
    pub(crate) fn register_of(&self, condition: &Condition) -> Option<&Register> {
        self.register_by_id(build::register_of(condition)?.id())
    }

    /// The place of a register, by its id.
    pub(crate) const fn register_numbers(&self) -> &Numbers {
        &self.numbers.0
    }

    /// The place of a watched condition, by its id.
    pub(crate) const fn watched_numbers(&self) -> &Numbers {
        &self.numbers.1
    }

    pub(crate) fn watched_id(&self, place: usize) -> u32 {
        self.watched[place].id
    }

    pub(crate) fn readiness_checks(&self) -> &[Option<Check>] {
        &self.readiness
    }

    pub(crate) fn moment(&self, moment: Moment) -> Option<&MomentRule> {
        self.moments[moment as usize].as_ref()
    }

    pub(crate) fn play_by_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Who watches an event: those of its kind and of any, or, of a kind that nobody watches, those of any.
    pub(crate) fn dispatch(&self, event: &Event) -> &Dispatch {
        let watchers = &self.watchers;
        match &event.kind {
            EventKind::Track { event: EventName::Custom(name), .. } => watchers.custom.get(name),
            EventKind::Track { event, .. } => event.standard().and_then(|position| watchers.standard.get(position)),
            EventKind::Identify { .. } => Some(&watchers.identify),
            EventKind::Page { .. } => Some(&watchers.page),
            EventKind::Screen { .. } => Some(&watchers.screen),
            EventKind::Group { .. } => Some(&watchers.group),
            EventKind::Alias { .. } => None,
        }
        .unwrap_or(&watchers.any)
    }

    /// The user's own clock.
    pub(crate) fn clock_of(&self, state: &UserState) -> LocalClock {
        self.clock_in(state.time_zone.as_deref())
    }

    /// The clock of a time zone; the policy's when it is not known.
    pub(crate) fn clock_in(&self, zone: Option<&str>) -> LocalClock {
        let another = zone.filter(|zone| *zone != self.playbook.policy.time_zone);
        another.and_then(LocalClock::of).unwrap_or_else(|| self.clock.clone())
    }

    /// Whether a condition holds of a user, and until when. Its registers must be among the program's: those
    /// of every condition of the playbook are.
    pub fn verdict(&self, condition: &Condition, state: &UserState, at: Timestamp) -> Option<Verdict> {
        let check = build::check(self, condition)?;
        let seats = Seats::of(self, state);
        Some(View { program: self, state, seats: &seats, at }.verdict(&check))
    }

    /// The segments that a user is in, with since when, in the playbook's order.
    pub fn memberships(&self, state: &UserState) -> Vec<(&Name, Timestamp)> {
        let mut members: Vec<(usize, Timestamp)> = self
            .watched
            .iter()
            .filter_map(|watched| match watched.whose {
                Whose::Segment(segment) => Some((segment, state.watched.get(watched.id)?.since?)),
                Whose::Becomes(_) | Whose::Schedule(_) => None,
            })
            .collect();
        members.sort_unstable();
        members.into_iter().map(|(segment, since)| (&self.playbook.segments[segment].name, since)).collect()
    }
}
