//! What a playbook costs for every user: the memory that answers its questions.

use std::collections::BTreeMap;

use kairos_engine::bounds::{GROUPS_MAX, REGISTER_BYTES_MAX};
use kairos_engine::playbook::{Condition, Playbook, ReadinessValue, Step, Trigger};
use kairos_engine::program::{Program, register_of, trigger_register};
use kairos_engine::register::{Register, RegisterId};

/// What a playbook costs for every user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// What is remembered, the largest first.
    pub registers: Vec<RegisterCost>,
    /// Whether the products that users care about are written into the table of interests, because plays start
    /// when a price or a stock changes.
    pub follows_products: bool,
}

/// What one register costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterCost {
    /// What is remembered, in words.
    pub what: String,
    /// Who asks for it: segments, plays, the readiness to buy.
    pub asked_by: Vec<String>,
    /// By how many conditions and triggers.
    pub questions: usize,
    /// What it takes for a user who does what it counts now and then, in bytes.
    pub bytes_typical: usize,
    /// The most that it ever takes, in bytes.
    pub bytes_max: usize,
}

impl Cost {
    /// What all registers together take for a usual user, in bytes.
    pub fn bytes_typical(&self) -> usize {
        self.registers.iter().map(|register| register.bytes_typical).sum()
    }

    /// The most that all registers together ever take for a user, in bytes.
    pub fn bytes_max(&self) -> usize {
        self.registers.iter().map(|register| register.bytes_max).sum()
    }

    /// The most that they may take, in bytes.
    pub const fn bytes_allowed() -> usize {
        REGISTER_BYTES_MAX
    }
}

/// What a playbook that asks for too much remembers, as far as it takes most: in words, the largest first.
pub(crate) fn largest(playbook: &Playbook, count: usize) -> Vec<String> {
    let mut registers: BTreeMap<RegisterId, Register> = BTreeMap::new();
    each_question(playbook, &mut |_, register| match registers.get_mut(&register.id()) {
        // Of two that only share their hash, one is enough for a hint.
        Some(known) => drop(known.widen(&register)),
        None => drop(registers.insert(register.id(), register)),
    });
    let mut registers: Vec<Register> = registers.into_values().collect();
    registers.sort_by_key(|register| core::cmp::Reverse(register.bytes_max()));
    let shown = registers.iter().take(count).map(|register| format!("{register} ({} bytes)", register.bytes_max()));
    shown.collect()
}

/// What a playbook that can run costs.
pub fn cost(program: &Program) -> Cost {
    let questions = questions(program.playbook());
    let mut registers: Vec<RegisterCost> = program
        .registers()
        .iter()
        .map(|register| {
            let asked = questions.get(&register.id());
            let mut asked_by: Vec<String> = asked.into_iter().flatten().cloned().collect();
            asked_by.dedup();
            RegisterCost {
                what: register.to_string(),
                questions: asked.map_or(0, Vec::len),
                asked_by,
                bytes_typical: typical(register),
                bytes_max: register.bytes_max(),
            }
        })
        .collect();
    registers.sort_by(|one, two| two.bytes_max.cmp(&one.bytes_max).then_with(|| one.what.cmp(&two.what)));
    let follows_products =
        program.playbook().plays.iter().any(|play| matches!(play.trigger, Trigger::Catalogue { .. }));
    Cost { registers, follows_products }
}

/// Who asks for each register, once for each question.
fn questions(playbook: &Playbook) -> BTreeMap<RegisterId, Vec<String>> {
    let mut questions: BTreeMap<RegisterId, Vec<String>> = BTreeMap::new();
    each_question(playbook, &mut |who, register| questions.entry(register.id()).or_default().push(who.to_owned()));
    questions
}

/// Shows every question that needs a register, with who asks it.
fn each_question(playbook: &Playbook, show: &mut dyn FnMut(&str, Register)) {
    for segment in &playbook.segments {
        let who = format!("segment {}", segment.name);
        leaves(&segment.who, &mut |leaf| register_of(leaf).into_iter().for_each(|register| show(&who, register)));
    }
    for term in playbook.moments.readiness.iter().flat_map(|readiness| &readiness.terms) {
        if let ReadinessValue::Holds(condition) = &term.value {
            leaves(condition, &mut |leaf| {
                register_of(leaf).into_iter().for_each(|register| show("readiness", register));
            });
        }
    }
    for play in &playbook.plays {
        let who = format!("play {}", play.name);
        trigger_register(&play.trigger).into_iter().for_each(|register| show(&who, register));
        let mut each = |leaf: &Condition| register_of(leaf).into_iter().for_each(|register| show(&who, register));
        if let Trigger::Becomes(condition) = &play.trigger {
            leaves(condition, &mut each);
        }
        leaves(&play.who, &mut each);
        play.unless.iter().for_each(|unless| leaves(unless, &mut each));
        steps(&play.steps, &mut each);
    }
}

fn leaves(condition: &Condition, each: &mut dyn FnMut(&Condition)) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| leaves(part, each)),
        Condition::Not(part) => leaves(part, each),
        leaf => each(leaf),
    }
}

fn steps(all: &[Step], each: &mut dyn FnMut(&Condition)) {
    for step in all {
        match step {
            Step::WaitUntil { condition, otherwise, .. } => {
                leaves(condition, each);
                steps(otherwise, each);
            }
            Step::Branch { condition, then, otherwise } => {
                leaves(condition, each);
                steps(then, each);
                steps(otherwise, each);
            }
            Step::Split { variants, .. } => variants.iter().for_each(|variant| steps(&variant.steps, each)),
            Step::Send { .. } | Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => {}
        }
    }
}

/// What a register takes for a user who does what it counts now and then: lists are a third full (at least one
/// entry), of several values two are kept, of a long text a short one.
fn typical(register: &Register) -> usize {
    let third = |keep: u32| (keep / 3).max(1);
    match register.clone() {
        Register::Recent { of, keep } => Register::Recent { of, keep: third(keep) }.bytes_max(),
        Register::Distinct { of, property, keep } => Register::Distinct { of, property, keep: third(keep) }.bytes_max(),
        Register::Visits { keep } => Register::Visits { keep: third(keep) }.bytes_max(),
        Register::RecentBy { of, by, keep } => {
            Register::RecentBy { of, by, keep: third(keep) }.bytes_max() * 2 / GROUPS_MAX
        }
        Register::SumBy { .. } | Register::Refills { .. } => register.bytes_max() / 4,
        Register::Sum { within: Some(_), .. } | Register::LastValue { .. } => register.bytes_max() / 3,
        other => other.bytes_max(),
    }
}
