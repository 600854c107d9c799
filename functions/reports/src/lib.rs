//! `reports`: reads the archive's last days, and tells the owner what they say.
//!
//! EventBridge Scheduler calls it: each night it checks the figures of the day before and makes the report that the console
//! shows; each Monday it writes to the shop's owner how the week was, against the one before.
//!
//! - [`function`]: what is asked for, and what is done in which order.
//! - [`reading`]: the rows of some days into a tally, no more than there is room for.
//! - [`week`]: what changed from one week to the next; pure.
//! - [`letter`]: how that is written: subject, text and HTML; pure.
//! - [`sending`]: by Amazon SES, once a week.

pub mod function;
pub mod letter;
pub mod reading;
pub mod sending;
pub mod week;
