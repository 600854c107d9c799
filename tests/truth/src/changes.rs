//! At which instants a condition's answer changes: found by asking at every instant at which it could.

use std::collections::BTreeSet;

use kairos_engine::bounds::PLACE_STAY;
use kairos_engine::playbook::{Condition, HabitSlot, Moment, Playbook, ValueTest};
use kairos_engine::time::{Span, Timestamp};
use serde_json::Value;

use crate::details::{own, time_of};
use crate::life::{Life, View, part_leaves_at, parts_of};
use crate::moments::{readiness, strength};

/// An answer that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What it has been since: whether the condition holds.
    pub holds: bool,
}

/// Every change of a condition's answer from a user's first event to `until`. A user begins at the instant of
/// the first event, as somebody who has done nothing yet; before that, nothing holds. Where time alone
/// changes an answer at the very instant of an event, it does so before the event.
pub fn changes(playbook: &Playbook, life: &Life, condition: &Condition, until: Timestamp) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut ask = |count: usize, answered: usize, at: Timestamp| {
        let holds = life.view_before_answer(playbook, count, answered, at).holds(condition);
        if holds != changes.last().is_some_and(|change| change.holds) {
            changes.push(Change { at, holds });
        }
    };
    let asked = Asked::of(playbook, condition);
    let fixed = asked.fixed_instants(life);
    if let Some(first) = life.done.first() {
        ask(0, 0, first.at);
    }
    for count in 1..=life.done.len() {
        let at = life.done[count - 1].at;
        // A message comes after the event that it answers.
        ask(count, count - 1, at);
        ask(count, count, at);
        let end = life.done.get(count).map_or(until, |next| next.at);
        for instant in asked.instants(playbook, life, count, &fixed, at, end) {
            ask(count, count, instant);
        }
    }
    changes
}

/// What a condition asks for that time alone can change.
#[derive(Default)]
struct Asked {
    spans: BTreeSet<Span>,
    sum_windows: BTreeSet<Span>,
    local_time: bool,
    /// Strengths that a moment must reach.
    strengths: Vec<(Moment, f64)>,
    readiness: Vec<f64>,
}

/// Local times begin at multiples of this in tests, and so do all offsets of time zones there are.
const QUARTER_MS: i64 = 15 * 60_000;

impl Asked {
    fn of(playbook: &Playbook, condition: &Condition) -> Self {
        let mut asked = Self::default();
        asked.add(playbook, condition);
        asked
    }

    fn add(&mut self, playbook: &Playbook, condition: &Condition) {
        match condition {
            Condition::Did { within, .. } | Condition::Distinct { within, .. } => self.spans.extend(*within),
            Condition::First { ago: span, .. }
            | Condition::Last { ago: span, .. }
            | Condition::Absence { wait: span, .. }
            | Condition::Visits { within: span, .. }
            | Condition::Messaged { within: span, .. } => {
                self.spans.insert(*span);
            }
            Condition::Sequence { last, .. } => self.spans.extend(*last),
            Condition::Sum { within, .. } => self.sum_windows.extend(*within),
            Condition::Trait { is, .. } | Condition::LastValue { is, .. } | Condition::Context { is, .. } => {
                self.add_test(is);
            }
            Condition::Cart(kairos_engine::playbook::CartTest::Contains { is, .. }) => self.add_test(is),
            Condition::Habit { on: HabitSlot::Today, .. } | Condition::LocalTime(_) => self.local_time = true,
            Condition::Inside(_) => {
                self.spans.insert(PLACE_STAY);
            }
            Condition::Moment { moment, at_least } => {
                self.strengths.extend(at_least.map(|at_least| (*moment, at_least)));
                let reached = playbook.moments.moments.iter().map(|(moment, settings)| (*moment, settings.reached_at));
                self.strengths.extend(reached);
            }
            Condition::Readiness { at_least } => self.readiness.push(*at_least),
            _ => {}
        }
        for part in parts_of(playbook, condition) {
            self.add(playbook, part);
        }
    }

    fn add_test(&mut self, test: &ValueTest) {
        match test {
            ValueTest::OlderThan(span) | ValueTest::NewerThan(span) => {
                // A time to come counts when it comes.
                self.spans.extend([*span, Span::ZERO]);
            }
            ValueTest::Not(test) => self.add_test(test),
            _ => {}
        }
    }

    /// Whatever is a span after an event, a message or a time that an event tells; and a millisecond before
    /// and after it, so that a change that is off by one would be seen.
    fn fixed_instants(&self, life: &Life) -> BTreeSet<Timestamp> {
        let mut instants = BTreeSet::new();
        let mut add = |at: Timestamp| instants.extend([-1, 0, 1].map(|by| at.plus(Span::from_millis(by))));
        let told = life.done.iter().flat_map(|done| own(&done.event).into_iter().flat_map(|own| own.values()));
        let told = told.flat_map(|value| value.as_array().map_or(vec![value], |list| list.iter().collect()));
        let told = told.filter_map(|value: &Value| time_of(value).map(Timestamp::from_millis));
        let done = life.done.iter().map(|done| done.at);
        let messages = life.messages.iter().map(|message| message.at);
        let times: BTreeSet<Timestamp> = done.chain(messages).chain(told).collect();
        for at in times {
            self.spans.iter().for_each(|span| add(at.plus(*span)));
            self.sum_windows.iter().for_each(|window| add(part_leaves_at(at, *window)));
        }
        instants
    }

    /// The instants after `at` until `end` at which the answer could change without another event.
    fn instants(
        &self,
        playbook: &Playbook,
        life: &Life,
        count: usize,
        fixed: &BTreeSet<Timestamp>,
        at: Timestamp,
        end: Timestamp,
    ) -> BTreeSet<Timestamp> {
        if at >= end {
            return BTreeSet::new();
        }
        let first = at.plus(Span::from_millis(1));
        let mut instants: BTreeSet<Timestamp> = fixed.range(first..=end).copied().collect();
        instants.insert(end);
        if self.local_time {
            let mut quarter = (at.as_millis() / QUARTER_MS + 1) * QUARTER_MS;
            while quarter <= end.as_millis() {
                instants.insert(Timestamp::from_millis(quarter));
                quarter += QUARTER_MS;
            }
        }
        let mut add_turn = |is_before: &dyn Fn(&View<'_>) -> bool| {
            instants.extend(turn(at, end, |now| is_before(&life.view(playbook, count, now))));
        };
        // Between two events a strength only falls, and the ratio of two strengths only rises or only falls.
        for (moment, least) in &self.strengths {
            add_turn(&|view| strength(view, *moment) >= *least);
        }
        if !self.strengths.is_empty() {
            for (_, one) in Moment::ALL {
                for (_, other) in Moment::ALL.into_iter().filter(|(_, other)| *other != one) {
                    add_turn(&|view| strength(view, one) > strength(view, other));
                    add_turn(&|view| strength(view, one) >= strength(view, other));
                }
            }
        }
        // Between two of all those instants the readiness only falls.
        let mut since = at;
        for until in instants.clone() {
            let last = until.minus(Span::from_millis(1));
            for least in &self.readiness {
                let is_ready = |now| readiness(&life.view(playbook, count, now)).is_some_and(|ready| ready >= *least);
                instants.extend(turn(since, last, is_ready));
            }
            since = until;
        }
        instants
    }
}

/// The first instant at which something is not as it was at `from`, when it is not so at `to` and turned once.
fn turn(from: Timestamp, to: Timestamp, is: impl Fn(Timestamp) -> bool) -> Option<Timestamp> {
    let before = is(from);
    if from >= to || is(to) == before {
        return None;
    }
    let (mut same, mut other) = (from.as_millis(), to.as_millis());
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        if is(Timestamp::from_millis(middle)) == before { same = middle } else { other = middle }
    }
    Some(Timestamp::from_millis(other))
}
