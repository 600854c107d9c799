//! Random conditions and histories: every entry and exit of the engine is that of the definitions, at the
//! same millisecond, however its inputs are grouped.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};
use std::hash::{BuildHasher, RandomState};

use kairos_engine::event::{Event, EventKind};
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::playbook::{Condition, Playbook};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use kairos_truth::changes::{Change, changes};
use kairos_truth::{Done, Life};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseResult, TestRng, TestRunner};
use serde::Serialize;
use serde_json::Map;

use crate::conditions::{playbook, playbook_of_one_person};
use crate::drive::{Driven, entries_and_exits, live};
use crate::histories::{ASKED, history};

/// How long after the last event is looked at.
const AFTERWARDS: Span = Span::from_hours(30);
const CASES: u32 = 600;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?} and must be a whole number")))
}

/// Runs random cases; the seed that is printed, in `KAIROS_TRUTH_SEED`, runs the same ones again, and
/// `KAIROS_TRUTH_CASES` says how many.
#[expect(clippy::print_stderr, reason = "a failure is repeated with its seed")]
fn for_random<S: Strategy>(what: &str, strategy: &S, test: impl Fn(S::Value) -> TestCaseResult) {
    let seed = variable("KAIROS_TRUTH_SEED").unwrap_or_else(|| RandomState::new().hash_one(what));
    let cases = variable("KAIROS_TRUTH_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap());
    eprintln!("{what}: {cases} cases, KAIROS_TRUTH_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    if let Err(error) = runner.run(strategy, test) {
        panic!("with KAIROS_TRUTH_SEED={seed}: {error}");
    }
}

const USER: &str = "1";

fn user() -> UserKey {
    UserKey::known(USER)
}

/// A program and a user who lived under it; `None` when the playbook asks for more than users can remember.
fn lived(playbook: Playbook, events: &[Event]) -> Option<(Program, Driven, Timestamp)> {
    let program = Program::new(playbook).ok()?;
    let newest = events.iter().map(|event| event.at).max()?;
    let until = newest.plus(AFTERWARDS);
    let driven = live(&program, user(), events, until);
    Some((program, driven, until))
}

/// A playbook and what a user does, told briefly when something is wrong with them.
struct Case {
    playbook: Playbook,
    events: Vec<Event>,
}

impl Debug for Case {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Playbook { policy, moments, segments, .. } = &self.playbook;
        writeln!(formatter, "{}\n{}", told(policy), told(moments))?;
        segments.iter().try_for_each(|segment| writeln!(formatter, "{}: {}", segment.name, told(&segment.who)))?;
        let first = self.events.first().map_or(0, |event| event.at.as_millis());
        self.events.iter().try_for_each(|event| {
            let Event { kind, context, source, .. } = event;
            let after_ms = event.at.as_millis() - first;
            writeln!(formatter, "{after_ms} ms: {} {} {source}", told(kind), told(context))
        })
    }
}

fn told(part: &impl Serialize) -> String {
    serde_json::to_string(part).unwrap()
}

fn case() -> impl Strategy<Value = Case> {
    (playbook(), history()).prop_map(|(playbook, events)| Case { playbook, events })
}

#[test]
#[expect(clippy::print_stderr, reason = "it tells how much was compared")]
fn every_entry_and_exit_is_that_of_the_definitions() {
    let (all, by_time) = (Cell::new(0), Cell::new(0));
    for_random("entries and exits", &case(), |case| {
        let Some((program, driven, until)) = lived(case.playbook, &case.events) else {
            return Err(TestCaseError::reject("the playbook asks for too much"));
        };
        let asked = driven.life.done.iter().filter(|done| is_meant_for_help(&done.event)).count();
        prop_assert_eq!(driven.life.messages.len(), asked, "everybody who asks for help is answered");
        for segment in &program.playbook().segments {
            let expected = changes(program.playbook(), &driven.life, &segment.who, until);
            let found = entries_and_exits(&driven.effects, &segment.name);
            all.set(all.get() + found.len());
            let alone = |change: &&Change| driven.life.done.iter().all(|done| done.at != change.at);
            by_time.set(by_time.get() + found.iter().filter(alone).count());
            prop_assert_eq!(found, expected, "{}: {:?}", &segment.name, &segment.who);
        }
        Ok(())
    });
    eprintln!("{} entries and exits, {} of them by time alone", all.get(), by_time.get());
    assert!(by_time.get() > 0, "random histories let windows end");
}

fn is_meant_for_help(event: &Event) -> bool {
    matches!(&event.kind, EventKind::Track { event, .. } if event.as_str() == ASKED)
}

/// Whether a condition asks about segments: these are as they were when the user was last looked at.
fn asks_about_segments(condition: &Condition) -> bool {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().any(asks_about_segments),
        Condition::Not(part) => asks_about_segments(part),
        Condition::Segment(_) => true,
        _ => false,
    }
}

#[test]
fn an_answer_at_any_later_instant_is_that_of_the_definitions_and_lasts_as_long_as_it_says() {
    let ahead = proptest::collection::vec(0..AFTERWARDS.as_millis(), 1..8);
    for_random("answers ahead", &(case(), ahead), |(case, ahead)| {
        let Ok(program) = Program::new(case.playbook) else {
            return Err(TestCaseError::reject("the playbook asks for too much"));
        };
        let newest = case.events.iter().map(|event| event.at).max().unwrap();
        let driven = live(&program, user(), &case.events, newest);
        let done = driven.life.done.len();
        for segment in program.playbook().segments.iter().filter(|segment| !asks_about_segments(&segment.who)) {
            let end = newest.plus(AFTERWARDS).plus(AFTERWARDS);
            let turns = changes(program.playbook(), &driven.life, &segment.who, end);
            for at in ahead.iter().map(|ahead| newest.plus(Span::from_millis(*ahead))) {
                let verdict = program.verdict(&segment.who, &driven.state, at).unwrap();
                let holds = driven.life.view(program.playbook(), done, at).holds(&segment.who);
                prop_assert_eq!(verdict.holds, holds, "at {}: {:?}", at, &segment.who);
                let next = turns.iter().find(|turn| turn.at > at).map(|turn| turn.at);
                let lasts = next.is_none_or(|next| verdict.until.is_some_and(|until| until <= next));
                prop_assert!(lasts, "at {at} until {:?}, and it turns at {next:?}: {:?}", verdict.until, &segment.who);
            }
        }
        Ok(())
    });
}

#[test]
fn how_inputs_are_grouped_changes_no_entry_and_no_exit() {
    let sizes = proptest::collection::vec(1..9_usize, 1..20);
    for_random("grouping", &(case(), sizes), |(case, sizes)| {
        let Some((program, driven, until)) = lived(case.playbook, &case.events) else {
            return Err(TestCaseError::reject("the playbook asks for too much"));
        };
        let mut at_once = UserState::default();
        let together = step(&program, user(), &mut at_once, &driven.inputs, until);
        prop_assert_eq!(&together.effects, &driven.effects);
        prop_assert_eq!(&at_once, &driven.state);

        let (mut state, mut effects, mut rest) = (UserState::default(), Vec::new(), driven.inputs.as_slice());
        for size in sizes.iter().cycle() {
            let (chunk, left) = rest.split_at((*size).min(rest.len()));
            effects.extend(step(&program, user(), &mut state, chunk, until).effects);
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&effects, &driven.effects);
        prop_assert_eq!(&state, &driven.state);

        // Alarms that nobody delivered in time ring before the next event, each at its own time.
        let (mut state, mut late) = (UserState::default(), Vec::new());
        for input in driven.inputs.iter().filter(|input| input.id().is_some()).chain(driven.inputs.last()) {
            late.extend(step(&program, user(), &mut state, std::slice::from_ref(input), until).effects);
        }
        prop_assert_eq!(members(&late), members(&driven.effects));
        prop_assert_eq!(program.memberships(&state), program.memberships(&driven.state));
        Ok(())
    });
}

#[test]
fn what_a_visitor_did_counts_for_the_user_they_turn_out_to_be() {
    // Where the two were is of no account here: each event is at the local time of who did it.
    let plain = |events: Vec<Event>| events.into_iter().map(|event| Event { context: Map::new(), ..event }).collect();
    let of_user = (playbook_of_one_person(), history().prop_map(plain));
    let of_user = of_user.prop_map(|(playbook, events)| Case { playbook, events });
    for_random("identities", &(of_user, history().prop_map(plain)), |(case, as_visitor): (Case, Vec<Event>)| {
        let as_user = case.events;
        let Ok(program) = Program::new(case.playbook) else {
            return Err(TestCaseError::reject("the playbook asks for too much"));
        };
        // The two do not tell the same event.
        let renamed = |event: Event| Event { id: InputId::of_message("visitor", &event.id.to_string()), ..event };
        let as_visitor: Vec<Event> = as_visitor.into_iter().map(renamed).collect();
        let both = || as_visitor.iter().chain(&as_user);
        let linked_at = both().map(|event| event.at).max().unwrap();
        let until = linked_at.plus(AFTERWARDS);
        let visitor = UserKey::anonymous("v");
        let mut before = live(&program, visitor, &as_visitor, linked_at);
        let mut driven = live(&program, user(), &as_user, linked_at);

        let link = Input::Link { id: InputId::of_message("truth", "link"), at: linked_at, to: user() };
        let left = step(&program, visitor, &mut before.state, &[link], until);
        let merge = left.effects.iter().find_map(|effect| match effect {
            Effect::Tell { user: to, input } if *to == user() => Some(input.as_ref().clone()),
            _ => None,
        });
        prop_assert!(before.state.forwarded_to == Some(user()) && program.memberships(&before.state).is_empty());
        step(&program, user(), &mut driven.state, &[merge.unwrap()], until);

        let mut done: Vec<Done> = before.life.done.into_iter().chain(driven.life.done).collect();
        done.sort_by_key(|done| done.at);
        let count = done.len();
        let life = Life { done, ..Life::default() };
        let aged = step(&program, user(), &mut driven.state.clone(), &[Input::Tick { at: until }], until);
        for segment in &program.playbook().segments {
            let is_in = program.memberships(&driven.state).iter().any(|(name, _)| **name == segment.name);
            let holds = life.view(program.playbook(), count, linked_at).holds(&segment.who);
            prop_assert_eq!(is_in, holds, "{}: {:?}", &segment.name, &segment.who);
            let mut later = changes(program.playbook(), &life, &segment.who, until);
            later.retain(|change| change.at > linked_at);
            prop_assert_eq!(entries_and_exits(&aged.effects, &segment.name), later, "{:?}", &segment.who);
        }
        Ok(())
    });
}

fn members(effects: &[Effect]) -> Vec<&Effect> {
    effects.iter().filter(|effect| matches!(effect, Effect::Member { .. })).collect()
}
