//! What plays have done and earned, counted from facts.
//!
//! ```text
//! rows of the archive ──▶ Counts of an hour ──▶ of a day, of a period
//!                     ──▶ Tally ──▶ Report: orders, plays with their messages
//!                           ├─────▶ experiments: holdouts, the control group, splits
//!                           └─────▶ Insights: conversions, funnels, attribution, who buys when
//! ```
//!
//! - [`counts::Counts`] are what can be added up: live, by the hour.
//! - [`Tally`] takes rows, those of each user in their order, and counts; a row that comes again counts once.
//! - [`Report`] is what there is to show.
//! - [`experiments`] compares those who got a message with those who did not, or got another one: users, each once, from
//!   the first message that was due to them on.
//! - [`Insights`] is what needs each person's rows together, by what the playbook declares. `watched` says what is looked
//!   for in a row, `moments` remembers it and puts persons together, one file each counts them: `micros` (with
//!   `warnings`), `funnels`, `attribution`, `orders`, `calendar`.
//! - [`StoredReport`] is all of that as it is kept.
//!
//! **Invariant:** the same rows give the same report, however they are split into files; parts of users may come in any
//! order.

mod attribution;
mod calendar;
pub mod counts;
pub mod experiments;
pub mod figures;
mod funnels;
pub mod insights;
mod micros;
mod moments;
mod orders;
mod report;
mod stored;
mod tally;
mod warnings;
mod watched;

/// What has no channel, or is in no segment.
pub const NONE: &str = "(none)";

pub use insights::Insights;
pub use report::{CustomerReport, MessageReport, Month, OrderReport, PlayReport, Report};
pub use stored::{LeftOut, Period, STORED_REPORT_VERSION, StoredReport};
pub use tally::Tally;
