//! From a playbook to a program.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::steps::{self, PlayProgram};
use super::{Dispatch, MomentRule, Needs, PlayRole, Program, Touches, Watched, WatchedSet, Ways, Whose};
use crate::bounds::{
    CONDITIONS_MAX, PLAYS_MAX, REGISTER_BYTES_MAX, REGISTERS_MAX, TIMES_KEPT_MAX, WATCHED_CONDITIONS_MAX,
};
use crate::check::{Check, RegisterIndex};
use crate::identifiers::digest;
use crate::local_time::LocalClock;
use crate::moment;
use crate::playbook::{
    Change, Condition, ContextFact, EventMatch, EventPattern, Moment, Playbook, ReadinessValue, Segment, Step, Trigger,
};
use crate::register::{Register, RegisterId};

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
        dispatch: BTreeMap::new(),
        any: Dispatch::default(),
        watched: Vec::new(),
        watched_ids: Default::default(),
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
    let mut watched_ids: Vec<(u32, u16)> = program.watched.iter().map(|watched| watched.id).zip(0..).collect();
    watched_ids.sort_unstable();
    program.watched_ids = watched_ids.into_iter().unzip();
    program.readiness = readiness(&program)?;
    for (place, play) in order.iter().enumerate() {
        let built = steps::play(&program, *play)?;
        program.by_name.insert(program.playbook.plays[*play].name.clone(), place);
        program.plays.push(built);
    }
    program.segment_plays = segment_plays(&program);
    touch(&mut program);
    dispatch(&mut program);
    need(&mut program);
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

/// Notes what each watched condition depends on.
fn touch(program: &mut Program) {
    let mut touches = Touches {
        by_register: vec![WatchedSet::default(); program.registers.len()],
        by_watched: vec![WatchedSet::default(); program.watched.len()],
        ..Touches::default()
    };
    for (place, watched) in program.watched.iter().enumerate() {
        depend(program, &watched.check, place, &mut touches);
    }
    program.touches = touches;
}

fn depend(program: &Program, check: &Check, place: usize, touches: &mut Touches) {
    match check {
        Check::All(parts) | Check::Any(parts) => parts.iter().for_each(|part| depend(program, part, place, touches)),
        Check::Not(part) => depend(program, part, place, touches),
        Check::Cart(_) => touches.cart.insert(place),
        Check::Reachable(_) | Check::Trait { .. } => touches.profile.insert(place),
        Check::Fact { .. } => touches.facts.insert(place),
        Check::Recent { register, .. }
        | Check::RecentBy { register, .. }
        | Check::Total { register, .. }
        | Check::First { register, .. }
        | Check::Last { register, .. }
        | Check::LastValue { register, .. }
        | Check::Sum { register, .. }
        | Check::Distinct { register, .. }
        | Check::Sequence { register, .. }
        | Check::Absence { register, .. }
        | Check::AverageInterval { register, .. }
        | Check::Visits { register, .. } => touches.by_register[*register].insert(place),
        Check::Habit { register, .. } => {
            touches.by_register[*register].insert(place);
            touches.local_time.insert(place);
        }
        Check::LocalTime(_) => touches.local_time.insert(place),
        Check::Inside(_) => touches.inside.insert(place),
        Check::Moment { .. } => touches.moments.insert(place),
        Check::Readiness { .. } => {
            touches.moments.insert(place);
            program.readiness.iter().flatten().for_each(|part| depend(program, part, place, touches));
        }
        Check::Segment(asked) => touches.by_watched[*asked].insert(place),
        Check::Messaged { .. } => touches.messaged.insert(place),
    }
}

/// Who watches events, whatever kind they are of.
enum Watcher {
    Register(RegisterIndex, usize),
    Evidence(Moment, f64),
    Play(usize, PlayRole),
}

/// Tells each kind of event who watches it. Who watches any event is told of each kind, in the same order, so
/// that an event that is meant in several ways is seen once in each role.
fn dispatch(program: &mut Program) {
    let mut watchers: Vec<(Watcher, &[EventMatch])> = Vec::new();
    for (index, register) in program.registers.iter().enumerate() {
        watchers.extend(register.watches().into_iter().map(|(role, of)| (Watcher::Register(index, role), of)));
    }
    for (moment, settings) in &program.playbook.moments.moments {
        let evidence = settings.evidence.iter();
        watchers.extend(evidence.map(|one| (Watcher::Evidence(*moment, one.weight), one.of.as_slice())));
    }
    for (place, built) in program.plays.iter().enumerate() {
        let play = &program.playbook.plays[built.play];
        let mut add = |role: PlayRole, of| watchers.push((Watcher::Play(place, role), of));
        if let Some(goal) = &play.goal {
            add(PlayRole::Goal, &goal.of);
        }
        match &play.trigger {
            Trigger::Event(of) | Trigger::RunOut { of, .. } => add(PlayRole::Starts, of),
            Trigger::Absence { after, of, .. } => {
                add(PlayRole::EndsWait, of);
                add(PlayRole::StartsWait, after);
            }
            Trigger::Sequence { steps, .. } => steps.last().into_iter().for_each(|last| add(PlayRole::Starts, last)),
            Trigger::Segment { .. }
            | Trigger::Becomes(_)
            | Trigger::Place { .. }
            | Trigger::Schedule(_)
            | Trigger::Catalogue { .. } => {}
        }
    }
    let mut found: BTreeMap<EventPattern, Dispatch> = BTreeMap::new();
    let kinds: BTreeSet<&EventPattern> = watchers.iter().flat_map(|(_, of)| of.iter().map(|one| &one.event)).collect();
    for kind in kinds {
        let entry = found.entry(kind.clone()).or_default();
        for (watcher, of) in &watchers {
            let meant = of.iter().filter(|one| one.event == *kind || one.event == EventPattern::Any);
            let ways: Vec<_> = meant.map(|one| one.filters.clone()).collect();
            if ways.is_empty() {
                continue;
            }
            let ways = if ways.iter().any(Vec::is_empty) { Ways::All } else { Ways::Some(ways) };
            match watcher {
                Watcher::Register(index, role) => entry.registers.push((*index, *role, ways)),
                Watcher::Evidence(moment, weight) => entry.evidence.push((*moment, *weight, ways)),
                Watcher::Play(place, role) => entry.plays.push((*place, *role, ways)),
            }
        }
    }
    program.any = found.remove(&EventPattern::Any).unwrap_or_default();
    program.dispatch = found;
}

/// Tells each segment which plays start when it is entered or left.
fn segment_plays(program: &Program) -> Vec<Vec<(usize, Change)>> {
    let of_segment = |segment: &Segment| {
        let plays = program.plays.iter().enumerate();
        let started = plays.filter_map(|(place, built)| match &program.playbook.plays[built.play].trigger {
            Trigger::Segment { name, on } if *name == segment.name => Some((place, *on)),
            _ => None,
        });
        started.collect()
    };
    program.playbook.segments.iter().map(of_segment).collect()
}

/// Finds out what else has to be remembered.
fn need(program: &mut Program) {
    let mut traits = BTreeSet::new();
    let mut facts = BTreeSet::new();
    if program.playbook.shows("device.") {
        facts.extend([ContextFact::Device, ContextFact::Os]);
    }
    let mut local_time = !program.playbook.policy.quiet_hours.is_empty();
    let mut of_condition = |check: &Check| {
        each_leaf(check, &mut |leaf| match leaf {
            Check::Trait { name, .. } => {
                traits.insert(name.clone());
            }
            Check::Fact { fact, .. } => {
                facts.insert(*fact);
            }
            Check::LocalTime(_) | Check::Habit { .. } => local_time = true,
            _ => {}
        });
    };
    program.watched.iter().for_each(|watched| of_condition(&watched.check));
    program.readiness.iter().flatten().for_each(&mut of_condition);
    for play in &program.plays {
        play.checks().for_each(&mut of_condition);
    }
    let plays = &program.playbook.plays;
    let catalogue = plays.iter().any(|play| matches!(play.trigger, Trigger::Catalogue { .. }));
    let of_time = |step: &Step| matches!(step, Step::WaitForHours(_));
    local_time |= plays.iter().any(|play| {
        matches!(&play.trigger, Trigger::Schedule(schedule) if schedule.time_zone.is_none())
            || steps::any_step(&play.steps, &of_time)
    });
    // Templates show the device, and what was viewed; nothing else is kept for them alone.
    program.needs = Needs {
        facts: facts.into_iter().collect(),
        traits: traits.into_iter().collect(),
        time_zone: local_time,
        viewed: program.playbook.shows("viewed"),
        interests: catalogue,
        messaged: program.playbook.policy.caps.iter().map(|cap| cap.at_most as usize).max().unwrap_or(0),
    };
}

fn each_leaf<'c>(check: &'c Check, show: &mut impl FnMut(&'c Check)) {
    match check {
        Check::All(parts) | Check::Any(parts) => parts.iter().for_each(|part| each_leaf(part, show)),
        Check::Not(part) => each_leaf(part, show),
        leaf => show(leaf),
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
