//! What the conditions of the playbook's language mean: written from their definitions, with a user's whole
//! history at hand. Slow and obvious, and without any code of the engine but its types, so that the two
//! can be held against each other.
//!
//! [`Life`] is the history, [`View::holds`] answers a condition at any instant, [`changes::changes`] tells
//! at which instants the answer changes.

pub mod changes;
mod details;
mod facts;
mod groups;
mod habits;
mod life;
mod moments;
mod places;

pub use life::{Done, Life, Message, View};
