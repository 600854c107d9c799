//! From a playbook to a program.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::steps::{self, PlayProgram};
use super::{MomentRule, Needs, Program, Touches, Watched, Watchers, Whose, wiring};
use crate::bounds::{
    CONDITIONS_MAX, PLAYS_MAX, REGISTER_BYTES_MAX, REGISTERS_MAX, TIMES_KEPT_MAX, WATCHED_CONDITIONS_MAX,
};
use crate::check::Check;
use crate::identifiers::digest;
use crate::local_time::LocalClock;
use crate::moment;
use crate::playbook::{Condition, Moment, Playbook, ReadinessValue, Step, Trigger};
use crate::register::{Register, RegisterId};
use crate::seats::Numbers;

/// Why a playbook cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It names a segment that it does not have.
    #[error("there is no segment `{0}`")]
    UnknownSegment(String),
    /// Segments ask about one another in a circle.
    #[error("these segments ask about one another in a circle: {0}")]
    Circle(String),
    /// The readiness to buy is made of conditions that ask about it, about segments or about themselves.
    #[error("the readiness to buy cannot be made of segments or of itself")]
    ReadinessOfItself,
    /// There is no such time zone.
    #[error("there is no time zone `{0}`")]
    UnknownTimeZone(String),
    /// A number is larger than what is kept.
    #[error("a condition asks for {0} times, and at most {TIMES_KEPT_MAX} are kept")]
    TooManyTimes(u32),
    /// A sequence has nothing in order.
    #[error("a sequence has at least two parts")]
    SequenceTooShort,
    /// It asks for too much.
    #[error("the playbook asks for too many {what}: {count}, and at most {max} are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are possible.
        max: usize,
    },
    /// Two registers or conditions cannot be told apart.
    #[error("two questions of the playbook have the same 32-bit hash: change one of them a little ({0})")]
    Collision(String),
}

const fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), ProgramError> {
    if count > max { Err(ProgramError::TooMany { what, count, max }) } else { Ok(()) }
}

pub(super) fn program(playbook: Playbook) -> Result<Program, ProgramError> {
    at_most("plays", playbook.plays.len(), PLAYS_MAX)?;
    let clock = zone(&playbook.policy.time_zone)?.with_steady_spans();
    let mut wanted = Wanted::default();
    wanted.everything(&playbook)?;
    wanted.registers.sort_by_key(|(id, _)| *id);
    let (ids, registers): (Vec<RegisterId>, Vec<Register>) = wanted.registers.into_iter().unzip();
    at_most("registers", registers.len(), REGISTERS_MAX)?;
    at_most("bytes of registers", registers.iter().map(Register::bytes_max).sum(), REGISTER_BYTES_MAX)?;

    let mut order: Vec<usize> = (0..playbook.plays.len()).collect();
    order.sort_by_key(|play| core::cmp::Reverse(playbook.plays[*play].priority));
    let mut program = Program {
        fingerprint: fingerprint(&playbook),
        registers,
        ids,
        touches: Touches::default(),
        watchers: Watchers::default(),
        watched: Vec::new(),
        numbers: Default::default(),
        plays: Vec::new(),
        by_name: BTreeMap::new(),
        segment_plays: Vec::new(),
        readiness: Vec::new(),
        moments: [None; Moment::ALL.len()],
        needs: Needs::default(),
        clock,
        playbook,
    };
    for (moment, settings) in &program.playbook.moments.moments {
        let rule = MomentRule { half_life: settings.half_life, reached_at: settings.reached_at };
        program.moments[*moment as usize] = Some(rule);
    }
    watch(&mut program, &order)?;
    program.numbers =
        (Numbers::new(program.ids.iter().copied()), Numbers::new(program.watched.iter().map(|watched| watched.id)));
    program.readiness = readiness(&program)?;
    for (place, play) in order.iter().enumerate() {
        let built = steps::play(&program, *play)?;
        program.by_name.insert(program.playbook.plays[*play].name.clone(), place);
        program.plays.push(built);
    }
    wiring::wire(&mut program);
    Ok(program)
}

fn zone(name: &str) -> Result<LocalClock, ProgramError> {
    LocalClock::of(name).ok_or_else(|| ProgramError::UnknownTimeZone(name.to_string()))
}

/// What is watched, as a number: everything but what only matters once a play has started.
fn fingerprint(playbook: &Playbook) -> u32 {
    let triggers: Vec<_> = playbook
        .plays
        .iter()
        .map(|play| (&play.name, &play.trigger, matches!(play.trigger, Trigger::Schedule(_)).then_some(&play.who)))
        .collect();
    let watched = (&playbook.segments, &playbook.moments, &playbook.places, &playbook.policy.time_zone, triggers);
    let text = serde_json::to_vec(&watched).expect("a playbook has only string keys and finite numbers");
    let hash = digest("program", &[&text]);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

/// The registers that a playbook asks for.
#[derive(Default)]
struct Wanted {
    registers: Vec<(RegisterId, Register)>,
    conditions: usize,
}

impl Wanted {
    fn everything(&mut self, playbook: &Playbook) -> Result<(), ProgramError> {
        for segment in &playbook.segments {
            self.condition(&segment.who)?;
        }
        for term in playbook.moments.readiness.iter().flat_map(|readiness| &readiness.terms) {
            if let ReadinessValue::Holds(condition) = &term.value {
                self.condition(condition)?;
            }
        }
        for play in &playbook.plays {
            self.condition(&play.who)?;
            play.unless.iter().try_for_each(|unless| self.condition(unless))?;
            self.steps(&play.steps)?;
            match &play.trigger {
                Trigger::Becomes(condition) => self.condition(condition)?,
                _ => {
                    if let Some(register) = trigger_register(&play.trigger) {
                        self.register(register)?;
                    }
                }
            }
        }
        at_most("conditions", self.conditions, CONDITIONS_MAX)
    }

    fn steps(&mut self, steps: &[Step]) -> Result<(), ProgramError> {
        for step in steps {
            match step {
                Step::WaitUntil { condition, otherwise, .. } => {
                    self.condition(condition)?;
                    self.steps(otherwise)?;
                }
                Step::Branch { condition, then, otherwise } => {
                    self.condition(condition)?;
                    self.steps(then)?;
                    self.steps(otherwise)?;
                }
                Step::Split { variants, .. } => {
                    variants.iter().try_for_each(|variant| self.steps(&variant.steps))?;
                }
                Step::Send { .. } | Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => {}
            }
        }
        Ok(())
    }

    fn condition(&mut self, condition: &Condition) -> Result<(), ProgramError> {
        self.conditions += 1;
        match condition {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().try_for_each(|part| self.condition(part)),
            Condition::Not(part) => self.condition(part),
            leaf => register_of(leaf).map_or(Ok(()), |register| self.register(register)),
        }
    }

    fn register(&mut self, register: Register) -> Result<(), ProgramError> {
        if let Register::Recent { keep, .. }
        | Register::RecentBy { keep, .. }
        | Register::Distinct { keep, .. }
        | Register::Visits { keep } = &register
            && *keep > TIMES_KEPT_MAX
        {
            return Err(ProgramError::TooManyTimes(*keep));
        }
        if matches!(&register, Register::Sequence { steps, .. } if steps.len() < 2) {
            return Err(ProgramError::SequenceTooShort);
        }
        let id = register.id();
        match self.registers.iter_mut().find(|(known, _)| *known == id) {
            None => self.registers.push((id, register)),
            Some((_, known)) => {
                if !known.widen(&register) {
                    return Err(ProgramError::Collision(alloc::format!("{known:?} and {register:?}")));
                }
            }
        }
        Ok(())
    }
}

/// The register that answers a question about behaviour.
pub fn register_of(condition: &Condition) -> Option<Register> {
    Some(match condition.clone() {
        Condition::Did { of, at_least, same: Some(by), .. } => Register::RecentBy { of, by, keep: at_least },
        Condition::Did { of, at_least, within: Some(_), same: None } => Register::Recent { of, keep: at_least },
        Condition::Did { of, within: None, same: None, .. }
        | Condition::First { of, .. }
        | Condition::AverageInterval { of, .. } => Register::Total { of },
        Condition::Last { of, .. } => Register::Recent { of, keep: 1 },
        Condition::LastValue { of, property, .. } => Register::LastValue { of, property },
        Condition::Sum { of, property, currency, within, same: Some(by), .. } => {
            Register::SumBy { of, property, currency, within, by }
        }
        Condition::Sum { of, property, currency, within, same: None, .. } => {
            Register::Sum { of, property, currency, within }
        }
        // There is room for one at least, whatever is asked.
        Condition::Distinct { of, property, at_least, .. } => {
            Register::Distinct { of, property, keep: at_least.max(1) }
        }
        Condition::Sequence { steps, within, .. } => Register::Sequence { steps, within, restart: false },
        Condition::Absence { after, of, .. } => Register::Open { after, of },
        Condition::Habit { of, .. } => Register::Habit { of },
        Condition::Visits { at_least, .. } => Register::Visits { keep: at_least },
        Condition::All(_)
        | Condition::Any(_)
        | Condition::Not(_)
        | Condition::Cart(_)
        | Condition::Reachable(_)
        | Condition::Trait { .. }
        | Condition::Context { .. }
        | Condition::LocalTime(_)
        | Condition::Inside(_)
        | Condition::Moment { .. }
        | Condition::Readiness { .. }
        | Condition::Segment(_)
        | Condition::Messaged { .. } => return None,
    })
}

/// The register that a trigger watches.
pub fn trigger_register(trigger: &Trigger) -> Option<Register> {
    match trigger.clone() {
        Trigger::Sequence { steps, within } => Some(Register::Sequence { steps, within, restart: true }),
        Trigger::RunOut { of, .. } => Some(Register::Refills { of }),
        _ => None,
    }
}

/// A condition of the playbook, ready to be asked; `None` when it is not the playbook's.
pub(super) fn check(program: &Program, condition: &Condition) -> Option<Check> {
    let register = || {
        let register = register_of(condition)?;
        program.ids.binary_search(&register.id()).ok()
    };
    let parts = |parts: &[Condition]| parts.iter().map(|part| check(program, part)).collect::<Option<Vec<_>>>();
    Some(match condition.clone() {
        Condition::All(all) => Check::All(parts(&all)?),
        Condition::Any(any) => Check::Any(parts(&any)?),
        Condition::Not(part) => Check::Not(Box::new(check(program, &part)?)),
        Condition::Cart(test) => Check::Cart(test),
        Condition::Reachable(test) => Check::Reachable(test),
        Condition::Trait { name, is } => Check::Trait { name, is },
        Condition::Did { at_least, within, same: Some(_), .. } => {
            Check::RecentBy { register: register()?, at_least, within }
        }
        Condition::Did { at_least, within: Some(within), same: None, .. } => {
            Check::Recent { register: register()?, at_least, within }
        }
        Condition::Did { at_least, within: None, same: None, .. } => Check::Total { register: register()?, at_least },
        Condition::First { ago, .. } => Check::First { register: register()?, ago },
        Condition::Last { ago, .. } => Check::Last { register: register()?, ago },
        Condition::LastValue { is, .. } => Check::LastValue { register: register()?, is },
        Condition::Sum { at_least, within, .. } => {
            Check::Sum { register: register()?, at_least: libm::round(at_least * 1e6) as i64, within }
        }
        Condition::Distinct { at_least, within, .. } => Check::Distinct { register: register()?, at_least, within },
        Condition::Sequence { last, .. } => Check::Sequence { register: register()?, last },
        Condition::Absence { wait, .. } => Check::Absence { register: register()?, wait },
        Condition::AverageInterval { less_than, .. } => Check::AverageInterval { register: register()?, less_than },
        Condition::Habit { on, is, .. } => Check::Habit { register: register()?, on, is },
        Condition::Visits { at_least, within } => Check::Visits { register: register()?, at_least, within },
        Condition::Context { fact, is } => Check::Fact { fact, is },
        Condition::LocalTime(hours) => Check::LocalTime(hours),
        Condition::Inside(places) => Check::Inside(places),
        Condition::Moment { moment, at_least } => Check::Moment { moment, at_least },
        Condition::Readiness { at_least } => Check::Readiness { log_odds: moment::log_odds_of(at_least) },
        Condition::Segment(name) => Check::Segment(segment_place(program, &name)?),
        Condition::Messaged { play, within } => Check::Messaged { play, within },
    })
}

/// Where a segment stands among what is watched.
pub(super) fn segment_place(program: &Program, name: &str) -> Option<usize> {
    program.watched.iter().position(|watched| match watched.whose {
        Whose::Segment(segment) => program.playbook.segments[segment].name == name,
        Whose::Becomes(_) | Whose::Schedule(_) => false,
    })
}

/// A check of a condition of this playbook.
pub(super) fn own_check(program: &Program, condition: &Condition) -> Result<Check, ProgramError> {
    check(program, condition).ok_or_else(|| {
        let mut names = BTreeSet::new();
        segments_of(condition, &mut names);
        let unknown = names.into_iter().find(|name| program.playbook.segment(name).is_none());
        ProgramError::UnknownSegment(unknown.unwrap_or_default().to_string())
    })
}

fn segments_of<'c>(condition: &'c Condition, names: &mut BTreeSet<&'c str>) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| segments_of(part, names)),
        Condition::Not(part) => segments_of(part, names),
        Condition::Segment(name) => {
            names.insert(name);
        }
        _ => {}
    }
}

/// Puts everything watched in order: segments after those they ask about, then the plays' own conditions.
fn watch(program: &mut Program, order: &[usize]) -> Result<(), ProgramError> {
    let playbook = program.playbook.clone();
    let mut waiting: Vec<usize> = (0..playbook.segments.len()).collect();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|segment| {
            let mut names = BTreeSet::new();
            segments_of(&playbook.segments[*segment].who, &mut names);
            names.iter().all(|name| segment_place(program, name).is_some() || playbook.segment(name).is_none())
        });
        let Some(ready) = ready else {
            let names: Vec<&str> = waiting.iter().map(|segment| playbook.segments[*segment].name.as_str()).collect();
            return Err(ProgramError::Circle(names.join(", ")));
        };
        let segment = waiting.remove(ready);
        let found = &playbook.segments[segment];
        let check = own_check(program, &found.who)?;
        push(program, "segment", &found.name, check, Whose::Segment(segment))?;
    }
    for (place, play) in order.iter().enumerate() {
        let play = &playbook.plays[*play];
        match &play.trigger {
            Trigger::Becomes(condition) => {
                let check = own_check(program, condition)?;
                push(program, "becomes", &play.name, check, Whose::Becomes(place))?;
            }
            Trigger::Schedule(_) => {
                let check = own_check(program, &play.who)?;
                push(program, "schedule", &play.name, check, Whose::Schedule(place))?;
            }
            Trigger::Segment { name, .. } if playbook.segment(name).is_none() => {
                return Err(ProgramError::UnknownSegment(name.clone()));
            }
            _ => {}
        }
    }
    at_most("watched conditions", program.watched.len(), WATCHED_CONDITIONS_MAX)
}

/// By which users remember how they stand to a segment's condition.
pub(crate) fn segment_id(name: &str) -> u32 {
    watched_id("segment", name)
}

fn watched_id(what: &str, name: &str) -> u32 {
    let hash = digest(what, &[name.as_bytes()]);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

fn push(program: &mut Program, what: &str, name: &str, check: Check, whose: Whose) -> Result<(), ProgramError> {
    let id = watched_id(what, name);
    if program.watched.iter().any(|watched| watched.id == id) {
        return Err(ProgramError::Collision(name.to_string()));
    }
    program.watched.push(Watched { id, check, whose });
    Ok(())
}

fn readiness(program: &Program) -> Result<Vec<Option<Check>>, ProgramError> {
    let Some(formula) = &program.playbook.moments.readiness else { return Ok(Vec::new()) };
    formula
        .terms
        .iter()
        .map(|term| match &term.value {
            ReadinessValue::Strength(_) => Ok(None),
            ReadinessValue::Holds(condition) if asks_for_itself(condition) => Err(ProgramError::ReadinessOfItself),
            ReadinessValue::Holds(condition) => own_check(program, condition).map(Some),
        })
        .collect()
}

fn asks_for_itself(condition: &Condition) -> bool {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().any(asks_for_itself),
        Condition::Not(part) => asks_for_itself(part),
        Condition::Readiness { .. } | Condition::Segment(_) => true,
        _ => false,
    }
}

/// What a play is made of beside its steps.
pub(super) fn parts(program: &Program, play: usize) -> Result<PlayProgram, ProgramError> {
    let found = &program.playbook.plays[play];
    let schedule_clock = match &found.trigger {
        Trigger::Schedule(schedule) => schedule.time_zone.as_deref().map(zone).transpose()?,
        _ => None,
    };
    let register = trigger_register(&found.trigger);
    Ok(PlayProgram {
        play,
        who: own_check(program, &found.who)?,
        unless: found.unless.as_ref().map(|unless| own_check(program, unless)).transpose()?,
        instructions: Vec::new(),
        register: register.and_then(|register| program.ids.binary_search(&register.id()).ok()),
        schedule_clock,
    })
}
