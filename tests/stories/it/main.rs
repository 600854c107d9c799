//! The shipped playbook, told as stories: what shoppers do, and what they are told.
//!
//! A story is a table. Each line begins with a time in Berlin: a weekday of the first week (`Mon 18:00`) or a day
//! (`24 Dec 18:00`). Then stands who does what; [`words`] has the vocabulary. Lines that begin with `=>` are all
//! that comes of it: every message that anybody gets, by any play, rendered as it is sent; and of the play that
//! the story is about also what was held, cancelled, not sent and reached.
//!
//! Everything but the world is real: the playbook is loaded from its files, and each user is driven through
//! [`kairos_engine::commit::plan`] as `decide` drives them, with an alarm that rings at its second.
#![allow(clippy::unwrap_used, missing_docs)]

mod after;
mod carts;
mod clock;
mod consent;
mod elsewhere;
mod interest;
mod people;
mod places;
mod rules;
mod segments;
mod stage;
mod story;
mod words;
