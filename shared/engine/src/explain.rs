//! Why: what was asked of a user, what was found, and what would have had to differ.
//!
//! Every answer is the engine's own ([`Program::verdict`], and for plays the very steps that decide); the words
//! and numbers beside it come from what is remembered, and never decide anything.

mod leaf;
mod person;
mod play;

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::{Serialize, Serializer};

use crate::check::View;
use crate::describe;
use crate::moment;
use crate::name::Name;
use crate::playbook::{Condition, Moment, ReadinessValue};
use crate::program::Program;
use crate::register::Register;
use crate::seats::Seats;
use crate::state::UserState;
use crate::time::{Span, Timestamp};

pub use person::{facts, name, under_way};
pub use play::{Considered, PlayExplanation, Point, StepLine, play};

/// A condition, or a part of one, with its answer and the reason for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What was asked, in words; `no Order Completed within 30 days`.
    pub asked: String,
    /// How the parts count, when there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Whether it holds.
    pub holds: bool,
    /// The first instant at which time alone may change that.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time")]
    pub until: Option<Timestamp>,
    /// What was found, beside what is asked for; `2 times, the last 2026-11-20 10:00; 3 are asked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What would have had to differ for it to hold; `one more within 4 h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Since when it is watched, when what the user did before may matter and is not known.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time")]
    pub watched_since: Option<Timestamp>,
    /// The parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explanation>,
}

/// How parts count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// All must hold.
    All,
    /// One must hold.
    Any,
    /// The part must not hold.
    Not,
    /// The part is what the segment asks for.
    Segment,
}

/// A segment: whether the user is in it, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentExplanation {
    /// Its name.
    pub segment: Name,
    /// Its name for people.
    pub title: String,
    /// Since when the user is in it; not in it without.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time")]
    pub since: Option<Timestamp>,
    /// The first instant at which time alone may change that.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time")]
    pub until: Option<Timestamp>,
    /// Why.
    pub who: Explanation,
}

/// What a shopper reaches for the phone for, and how ready to buy they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MomentsExplanation {
    /// The moment that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Moment>,
    /// Until when, if nothing happens.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time")]
    pub until: Option<Timestamp>,
    /// How strong each one is.
    pub moments: Vec<Strength>,
    /// The readiness to buy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ReadinessExplanation>,
}

/// How strong a moment is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strength {
    /// Which moment.
    pub moment: Moment,
    /// How strong it is.
    pub strength: f64,
    /// The strength at which it is reached.
    pub reached_at: f64,
}

/// What the readiness to buy is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadinessExplanation {
    /// The readiness, from 0 to 1.
    pub value: f64,
    /// What holds for everybody.
    pub intercept: f64,
    /// What raises or lowers it.
    pub terms: Vec<Contribution>,
}

/// What one term adds to the readiness to buy, before the logistic function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// What it is about, in words.
    pub term: String,
    /// 1 or 0 for a condition, the strength of a moment.
    pub value: f64,
    /// Its weight.
    pub weight: f64,
    /// Weight times value.
    pub adds: f64,
}

/// Times as people and other programs read them.
pub(crate) fn time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

/// Explains a condition of the program's playbook; `None` when it is not the playbook's.
pub fn condition(program: &Program, asked: &Condition, state: &UserState, at: Timestamp) -> Option<Explanation> {
    let verdict = program.verdict(asked, state, at)?;
    let explained = |group: Group, words: &str, parts: Vec<Explanation>| Explanation {
        asked: words.to_owned(),
        group: Some(group),
        holds: verdict.holds,
        until: verdict.until,
        found: None,
        missing: None,
        watched_since: None,
        parts,
    };
    let each =
        |parts: &[Condition]| parts.iter().map(|part| condition(program, part, state, at)).collect::<Option<Vec<_>>>();
    let (leaf, negated) = match asked {
        Condition::All(parts) | Condition::Any(parts) if parts.len() == 1 => {
            return condition(program, &parts[0], state, at);
        }
        Condition::All(parts) if !parts.is_empty() => return Some(explained(Group::All, "all of these", each(parts)?)),
        Condition::Any(parts) if !parts.is_empty() => return Some(explained(Group::Any, "one of these", each(parts)?)),
        Condition::Not(part) => match part.as_ref() {
            Condition::All(parts) | Condition::Any(parts) if !parts.is_empty() => {
                let part = condition(program, part, state, at)?;
                return Some(explained(Group::Not, "not this", vec![part]));
            }
            // Twice negated is not negated.
            Condition::Not(inner) => return condition(program, inner, state, at),
            inner => (inner, true),
        },
        leaf => (leaf, false),
    };
    let seats = Seats::of(program, state);
    let view = View { program, state, seats: &seats, at };
    let found = leaf::found(&view, leaf, negated, program.verdict(leaf, state, at)?);
    let parts = match leaf {
        Condition::Segment(name) => {
            let who = &program.playbook().segment(name)?.who;
            vec![condition(program, who, state, at)?]
        }
        _ => Vec::new(),
    };
    Some(Explanation {
        asked: asked.to_string(),
        group: (!parts.is_empty()).then_some(Group::Segment),
        holds: verdict.holds,
        until: verdict.until,
        found: found.value,
        missing: found.missing.filter(|_| !verdict.holds),
        watched_since: watched_since(&view, leaf),
        parts,
    })
}

/// Since when a question about behaviour is watched, when the user was there before that and the question reaches
/// back so far.
fn watched_since(view: &View<'_>, leaf: &Condition) -> Option<Timestamp> {
    let register = view.program.register_of(leaf)?;
    let reaches_back = match leaf {
        Condition::Did { within, .. } | Condition::Distinct { within, .. } => *within,
        Condition::Visits { within, .. } => Some(*within),
        Condition::Sum { within, .. } => *within,
        Condition::Sequence { within, last, .. } => {
            last.map(|last| Span::from_millis(last.as_millis().saturating_add(within.as_millis())))
        }
        _ => None,
    };
    unwatched(view, register).filter(|since| reaches_back.is_none_or(|span| view.at.minus(span) < *since))
}

/// Since when a register is watched, when the user was there before that.
pub(crate) fn unwatched(view: &View<'_>, register: &Register) -> Option<Timestamp> {
    let since = view.program.playbook().watched_since.get(&register.watch_key()).copied()?;
    view.state.first_seen_at.is_none_or(|seen| seen < since).then_some(since)
}

/// Explains every segment of the playbook, in its order.
pub fn segments(program: &Program, state: &UserState, at: Timestamp) -> Vec<SegmentExplanation> {
    let members = program.memberships(state);
    let explained = program.playbook().segments.iter().filter_map(|segment| {
        let standing = program.verdict(&Condition::Segment(segment.name.to_string()), state, at)?;
        Some(SegmentExplanation {
            segment: segment.name.clone(),
            title: segment.title.clone(),
            since: members.iter().find(|(name, _)| **name == segment.name).map(|(_, since)| *since),
            until: standing.until,
            who: condition(program, &segment.who, state, at)?,
        })
    });
    explained.collect()
}

/// Explains the user's moment and readiness to buy.
pub fn moments(program: &Program, state: &UserState, at: Timestamp) -> MomentsExplanation {
    let seats = Seats::of(program, state);
    let view = View { program, state, seats: &seats, at };
    let rules = &program.playbook().moments;
    let current = moment::current(&view, at).map(|(moment, _)| moment);
    let lasts = current.and_then(|moment| {
        let is = Condition::Moment { moment, at_least: None };
        program.verdict(&is, state, at)
    });
    let strength = |moment: Moment| moment::strength(&view, moment, at);
    let readiness = rules.readiness.as_ref().zip(moment::readiness(&view, at)).map(|(formula, value)| {
        let terms = formula.terms.iter().map(|term| {
            let (words, value) = match &term.value {
                ReadinessValue::Strength(moment) => {
                    (alloc::format!("how strong {} is", moment.as_str()), strength(*moment))
                }
                ReadinessValue::Holds(condition) => {
                    let holds = program.verdict(condition, state, at).is_some_and(|verdict| verdict.holds);
                    (condition.to_string(), f64::from(u8::from(holds)))
                }
            };
            Contribution { term: words, value, weight: term.weight, adds: term.weight * value }
        });
        ReadinessExplanation { value, intercept: formula.intercept, terms: terms.collect() }
    });
    MomentsExplanation {
        current,
        until: lasts.and_then(|verdict| verdict.until),
        moments: rules
            .moments
            .iter()
            .map(|(moment, settings)| Strength {
                moment: *moment,
                strength: strength(*moment),
                reached_at: settings.reached_at,
            })
            .collect(),
        readiness,
    }
}

/// A time, and how long ago it was or how far away it is.
pub(crate) fn when(time: Timestamp, at: Timestamp) -> String {
    let (day, span) = (describe::Time(time), at.since(time));
    match span.as_millis() {
        0 => alloc::format!("{day} (now)"),
        1.. => alloc::format!("{day} ({span} ago)"),
        _ => alloc::format!("{day} (in {})", time.since(at)),
    }
}
