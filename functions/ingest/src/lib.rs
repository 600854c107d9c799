//! `ingest`: takes events from the clients that shops already run and puts them into each user's
//! mailbox.
//!
//! The path of a request:
//! 1. [`route`]: what is asked for.
//! 2. [`write_key`], [`body`]: who sends, and what, out of whatever wrapping.
//! 3. [`resolve`]: each event is read (`kairos_engine::segment_spec`) or refused by itself; those that
//!    are read are packed by user ([`packing`]). Up to here everything is pure.
//! 4. [`Ingest::handle`]: the mailboxes get everything, then the refused events are kept where a
//!    person can look at them ([`refusals`]), then it is answered ([`answer`]).
//!
//! **Invariants:** nothing is decided here and no user is read. What is wrong with the envelope
//! ([`refusal`]) queues nothing; what is wrong with one event does not cost its neighbours. 200 means
//! that the queue has everything. There are no redirects, and no personal data in logs.

pub mod answer;
pub mod aws;
pub mod body;
mod handle;
pub mod packing;
pub mod refusal;
pub mod refusals;
pub mod resolve;
pub mod route;
pub mod write_key;

pub use handle::{Handled, Ingest, Playbooks};
