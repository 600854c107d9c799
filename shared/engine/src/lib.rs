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
//! 3. [`state`], [`profile`], [`cart`], [`register`], [`moment`], [`place`], [`consent`]: what is
//!    remembered of a user.
//! 4. [`playbook`]: what the shop has told Kairos to do; [`program`]: the same, ready to run.
//! 5. `check`, [`verdict`]: what is asked about a user, and how long the answer lasts.
//! 6. [`step`]: what happens; `watch` (segments), `plays` (who starts when), `journey` (the way through a play),
//!    `limits` (who does not get it), `merge`. [`outcome`]: how it ended.
//! 7. [`commit`]: how it becomes durable.
//!    [`facts`]: what it tells the archive.
//! 8. [`segment_spec`]: how clients' calls become events and inputs.
//! 9. [`describe`], [`explain`]: what is asked in words, and why the answer is what it is.
//! 10. [`bounds`]: every limit.
//!
//! **Invariant:** nothing here reads a clock, draws a random number, does I/O or iterates over an
//! unordered map. The crate does without the standard library, so the compiler keeps most of that.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bought;
pub mod bounds;
pub mod cart;
mod check;
pub mod commit;
pub mod consent;
mod context;
pub mod describe;
pub mod engagement;
pub mod event;
pub mod event_name;
pub mod explain;
pub mod facts;
pub mod identifiers;
mod journey;
mod limits;
pub mod local_time;
pub mod mailbox;
mod merge;
mod message_data;
pub mod mobile_push;
pub mod moment;
pub mod money;
pub mod name;
pub mod outcome;
pub mod place;
pub mod playbook;
mod plays;
pub mod product;
pub mod profile;
pub mod program;
mod property;
pub mod recollection;
pub mod register;
mod seats;
pub mod segment_spec;
pub mod state;
pub mod step;
pub mod time;
pub mod verdict;
mod watch;
pub mod web_push;
pub mod who;
