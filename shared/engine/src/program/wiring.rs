//! Who is told of what: a program's tables, filled in once everything that they name is in its place.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use super::{Dispatch, Needs, PlayRole, Program, RegisterWatch, Touches, WatchedSet, Watchers, Ways, steps};
use crate::check::{Check, RegisterIndex, View};
use crate::event_name::EventName;
use crate::playbook::{Change, ContextFact, EventMatch, EventPattern, Moment, Segment, Step, Trigger};
use crate::seats::Seats;
use crate::state::UserState;
use crate::verdict::Verdict;

/// Fills in the tables of a program whose registers, watched conditions and plays are known.
pub(super) fn wire(program: &mut Program) {
    program.segment_plays = segment_plays(program);
    touch(program);
    dispatch(program);
    need(program);
}

/// Notes what each watched condition depends on.
fn touch(program: &mut Program) {
    let mut touches = Touches {
        by_register: vec![WatchedSet::default(); program.registers.len()],
        by_beginning: vec![WatchedSet::default(); program.registers.len()],
        by_watched: vec![WatchedSet::default(); program.watched.len()],
        ..Touches::default()
    };
    for (place, watched) in program.watched.iter().enumerate() {
        depend(program, &watched.check, place, &mut touches);
    }
    let (nobody, seats) = (UserState::default(), Seats::EMPTY);
    let view = View { program, state: &nobody, seats: &seats, at: nobody.clock };
    for (place, watched) in program.watched.iter().enumerate() {
        // An answer without an end is one for all later times.
        if view.verdict(&watched.check) != Verdict::always(false) {
            touches.nobody.insert(place);
        }
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
        | Check::Last { register, .. }
        | Check::LastValue { register, .. }
        | Check::Sum { register, .. }
        | Check::Distinct { register, .. }
        | Check::Sequence { register, .. }
        | Check::Absence { register, .. }
        | Check::AverageInterval { register, .. }
        | Check::Visits { register, .. } => touches.by_register[*register].insert(place),
        // The first time stays the first.
        Check::First { register, .. } => touches.by_beginning[*register].insert(place),
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
    let without_person = EventName::STANDARD.iter().filter(|name| name.is_without_person());
    let without_person: Vec<_> = without_person.cloned().map(EventPattern::Track).collect();
    let mut kinds: BTreeSet<&EventPattern> =
        watchers.iter().flat_map(|(_, of)| of.iter().map(|one| &one.event)).collect();
    // Told by their own names or to nobody.
    kinds.extend(&without_person);
    for kind in kinds {
        let is_any = !without_person.contains(kind);
        let entry = found.entry(kind.clone()).or_default();
        for (watcher, of) in &watchers {
            let meant = of.iter().filter(|one| one.event == *kind || (is_any && one.event == EventPattern::Any));
            let ways: Vec<_> = meant.map(|one| one.filters.clone()).collect();
            if ways.is_empty() {
                continue;
            }
            let ways = if ways.iter().any(Vec::is_empty) { Ways::All } else { Ways::Some(ways) };
            match watcher {
                Watcher::Register(index, role) => entry.registers.push(RegisterWatch {
                    register: *index,
                    role: *role,
                    ways,
                    touches: program.touches.by_register[*index],
                    is_ordered: program.registers[*index].is_ordered(),
                    is_habit: program.registers[*index].is_habit(),
                }),
                Watcher::Evidence(moment, weight) => entry.evidence.push((*moment, *weight, ways)),
                Watcher::Play(place, role) => entry.plays.push((*place, *role, ways)),
            }
        }
    }
    let any = found.remove(&EventPattern::Any).unwrap_or_default();
    let mut of = |kind| found.remove(&kind).unwrap_or_else(|| any.clone());
    let mut watchers = Watchers {
        standard: EventName::STANDARD.iter().map(|name| of(EventPattern::Track(name.clone()))).collect(),
        identify: of(EventPattern::Identify),
        page: of(EventPattern::Page),
        screen: of(EventPattern::Screen),
        group: of(EventPattern::Group),
        ..Watchers::default()
    };
    for (kind, own) in found {
        if let EventPattern::Track(EventName::Custom(name)) = kind {
            watchers.custom.insert(name, own);
        }
    }
    program.watchers = Watchers { any, ..watchers };
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
    // Quiet hours, and the filter `date`.
    let mut local_time = !program.playbook.policy.quiet_hours.is_empty() || program.playbook.shows("date");
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
    // Templates show the device, times and what was viewed; nothing else is kept for them alone.
    program.needs = Needs {
        facts: facts.into_iter().collect(),
        traits: traits.into_iter().collect(),
        time_zone: local_time,
        // Products are related to those looked at, too.
        viewed: program.playbook.shows("viewed") || program.playbook.shows("related"),
        bought: program.playbook.shows("related"),
        interests: catalogue,
        engagement: program.playbook.asks_for_engagement(),
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
