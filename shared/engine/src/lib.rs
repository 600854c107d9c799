//! The pure core of Kairos.
//!
//! Two sentences carry it: everything that changes a user is an *input* on one ordered mailbox;
//! everything that touches the world is an *effect*. Between them stands a function without side
//! effects, [`step::step`], and around it the commit that makes its decisions happen exactly once,
//! [`commit::plan`].
//!
//! Reading order:
//! 1. [`event`], [`event_name`], [`product`], [`money`], [`time`], [`identifiers`]: what clients report.
//! 2. [`mailbox`]: what travels: inputs, alarms, orders to deliver, effects.
//! 3. [`state`], [`profile`], [`cart`]: what is remembered of a user.
//! 4. [`playbook`], [`condition`]: what the shop has told Kairos to do.
//! 5. [`step`], `plays`, `merge`: what happens. [`outcome`]: how it ended.
//! 6. [`commit`]: how it becomes durable.
//! 7. [`segment_spec`]: how clients' calls become events and inputs.
//! 8. [`bounds`]: every limit.
//!
//! **Invariant:** nothing here reads a clock, draws a random number, does I/O or iterates over an
//! unordered map. The crate does without the standard library, so the compiler keeps most of that.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bounds;
pub mod cart;
pub mod commit;
pub mod condition;
pub mod event;
pub mod event_name;
pub mod identifiers;
pub mod mailbox;
mod merge;
pub mod money;
pub mod outcome;
pub mod playbook;
mod plays;
pub mod product;
pub mod profile;
pub mod segment_spec;
pub mod state;
pub mod step;
pub mod time;
