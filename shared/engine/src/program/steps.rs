//! Steps as a list of instructions: ways that part and meet become jumps.
//!
//! Whoever waits in a step is remembered by the step's own name: its kind and number among its neighbours, or
//! the message it sends, below the names of the steps around it. Steps that are added, changed or removed
//! elsewhere do not move anybody.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Program;
use super::build::{self, ProgramError, own_check};
use crate::check::{Check, RegisterIndex};
use crate::identifiers::digest;
use crate::local_time::LocalClock;
use crate::playbook::{Channel, ChannelOrder, LocalHours, Step};
use crate::time::Span;

/// A play, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct PlayProgram {
    /// Its place in the playbook.
    pub(crate) play: usize,
    pub(crate) who: Check,
    pub(crate) unless: Option<Check>,
    pub(crate) instructions: Vec<(StepName, Instruction)>,
    /// Of its trigger.
    pub(crate) register: Option<RegisterIndex>,
    /// Of its schedule, when it is not the user's own.
    pub(crate) schedule_clock: Option<LocalClock>,
}

/// A step's name, hashed.
pub(crate) type StepName = u32;

/// What to do next.
#[derive(Clone, Debug)]
pub(crate) enum Instruction {
    /// Decide a message; `held_out` is the experiment's variant that gets none.
    Send {
        message: String,
        channels: Vec<Channel>,
        order: ChannelOrder,
        held_out: Option<String>,
    },
    Wait(Span),
    WaitForHours(LocalHours),
    /// Goes to `then` when it becomes true, to the next instruction when it does not in time.
    WaitUntil {
        check: Check,
        at_most: Span,
        then: usize,
    },
    /// Goes to the next instruction when it holds, else to `otherwise`.
    Branch {
        check: Check,
        otherwise: usize,
    },
    Split {
        name: String,
        id: u32,
        ways: Vec<Way>,
    },
    Jump(usize),
    Stop,
}

/// One way of an experiment.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) name: String,
    pub(crate) weight: u32,
    pub(crate) to: usize,
}

impl PlayProgram {
    /// All its conditions.
    pub(crate) fn checks(&self) -> impl Iterator<Item = &Check> {
        let of_steps = self.instructions.iter().filter_map(|(_, instruction)| match instruction {
            Instruction::WaitUntil { check, .. } | Instruction::Branch { check, .. } => Some(check),
            _ => None,
        });
        core::iter::once(&self.who).chain(&self.unless).chain(of_steps)
    }

    /// Whether it has an experiment.
    pub(crate) fn has_split(&self, wanted: u32) -> bool {
        self.instructions.iter().any(|(_, one)| matches!(one, Instruction::Split { id, .. } if *id == wanted))
    }

    /// Where a step is now.
    pub(crate) fn find(&self, step: StepName) -> Option<usize> {
        self.instructions.iter().position(|(name, _)| *name == step)
    }
}

pub(super) fn play(program: &Program, play: usize) -> Result<PlayProgram, ProgramError> {
    let mut built = build::parts(program, play)?;
    let mut list = List { program, out: Vec::new() };
    list.steps(&program.playbook().plays[play].steps, "", None)?;
    list.push("end", Instruction::Stop);
    built.instructions = list.out;
    Ok(built)
}

/// Whether one of the steps, however deep, is so.
pub(crate) fn any_step(steps: &[Step], is: &impl Fn(&Step) -> bool) -> bool {
    steps.iter().any(|step| {
        is(step)
            || match step {
                Step::WaitUntil { otherwise, .. } => any_step(otherwise, is),
                Step::Branch { then, otherwise, .. } => any_step(then, is) || any_step(otherwise, is),
                Step::Split { variants, .. } => variants.iter().any(|variant| any_step(&variant.steps, is)),
                Step::Send { .. } | Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => false,
            }
    })
}

struct List<'p> {
    program: &'p Program,
    out: Vec<(StepName, Instruction)>,
}

impl List<'_> {
    fn push(&mut self, path: &str, instruction: Instruction) -> usize {
        let hash = digest("step", &[path.as_bytes()]);
        self.out.push((u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]), instruction));
        self.out.len() - 1
    }

    fn set(&mut self, place: usize, instruction: Instruction) {
        self.out[place].1 = instruction;
    }

    fn steps(&mut self, steps: &[Step], above: &str, held_out: Option<&str>) -> Result<(), ProgramError> {
        let mut named: Vec<String> = Vec::new();
        for step in steps {
            let kind = match step {
                Step::Send { message, .. } => format!("send {message}"),
                Step::Wait(_) => "wait".into(),
                Step::WaitForHours(_) => "wait_for".into(),
                Step::WaitUntil { .. } => "wait_until".into(),
                Step::Branch { .. } => "branch".into(),
                Step::Split { name, .. } => format!("split {name}"),
                Step::Stop => "stop".into(),
            };
            let number = named.iter().filter(|known| **known == kind).count();
            let path = format!("{above}/{kind} {number}");
            named.push(kind);
            self.step(step, &path, held_out)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, path: &str, held_out: Option<&str>) -> Result<(), ProgramError> {
        match step {
            Step::Send { message, channels, order } => {
                let (message, channels, order) = (message.clone(), channels.clone(), *order);
                let held_out = held_out.map(Into::into);
                self.push(path, Instruction::Send { message, channels, order, held_out });
            }
            Step::Wait(span) => drop(self.push(path, Instruction::Wait(*span))),
            Step::WaitForHours(hours) => drop(self.push(path, Instruction::WaitForHours(*hours))),
            Step::WaitUntil { condition, at_most, otherwise } => {
                let check = own_check(self.program, condition)?;
                let place = self.push(path, Instruction::Stop);
                self.steps(otherwise, &format!("{path}/otherwise"), held_out)?;
                let then = self.out.len();
                self.set(place, Instruction::WaitUntil { check, at_most: *at_most, then });
            }
            Step::Branch { condition, then, otherwise } => {
                let check = own_check(self.program, condition)?;
                let place = self.push(path, Instruction::Stop);
                self.steps(then, &format!("{path}/then"), held_out)?;
                let jump = self.push(&format!("{path}/over"), Instruction::Stop);
                self.set(place, Instruction::Branch { check, otherwise: self.out.len() });
                self.steps(otherwise, &format!("{path}/otherwise"), held_out)?;
                self.set(jump, Instruction::Jump(self.out.len()));
            }
            Step::Split { name, variants } => {
                let hash = digest("split", &[name.as_bytes()]);
                let id = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
                let place = self.push(path, Instruction::Stop);
                let mut ways = Vec::new();
                let mut jumps = Vec::new();
                for variant in variants {
                    ways.push(Way { name: variant.name.clone(), weight: variant.weight.max(1), to: self.out.len() });
                    let held_out = if variant.holdout { Some(variant.name.as_str()) } else { held_out };
                    let below = format!("{path}/{}", variant.name);
                    self.steps(&variant.steps, &below, held_out)?;
                    jumps.push(self.push(&format!("{below}/over"), Instruction::Stop));
                }
                self.set(place, Instruction::Split { name: name.clone(), id, ways });
                let end = self.out.len();
                jumps.into_iter().for_each(|jump| self.set(jump, Instruction::Jump(end)));
            }
            Step::Stop => drop(self.push(path, Instruction::Stop)),
        }
        Ok(())
    }
}
