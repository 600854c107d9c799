//! The crash-safe protocols between the pure engine and the cloud.
//!
//! Each function of Kairos is a thin shell around one of these. They talk to the world through the
//! ports declared beside them, which `kairos-cloud` implements on AWS and the simulation implements
//! with faults; nothing here knows AWS.
//!
//! - [`mailboxes`]: `decide` applies a batch of mailbox messages, one conditional write per user.
//! - [`alarms`]: `timers` finds due alarms, delays each to its second and puts a tick into the mailbox.
//! - [`archive`]: `archive` keeps what the stream of the users table tells, each row once.
//! - [`figures`]: `archive` counts what it keeps, live; `reports` counts it again and makes each day's sum.
//! - [`delivery`]: `delivery` claims, renders, sends and records.
//! - [`catalogue`]: `catalogue` takes feeds of products and tells the users who care.
//! - [`inbox`]: `delivery` puts messages for the shop's pages there, `inbox` gives them and hears what became of them.
//! - [`promo_codes`]: `delivery` gives each message its code, `redeem` lets each be used once.
//! - [`links`]: `delivery` keeps what the links of a message lead to, `links` leads there and tells the user.
//! - [`signed_links`]: tokens that prove that we have written them, for links of all purposes.
//! - [`receipts`]: `callbacks`, `delivery` and the stack's topics tell `feedback` what became of messages; it tells the users.
//! - [`segmentation`]: `segmentation` brings users who stay away to what a new playbook watches.

pub mod alarms;
pub mod archive;
pub mod catalogue;
pub mod consent_links;
pub mod delivery;
pub mod figures;
#[cfg(test)]
mod golden;
pub mod inbox;
pub mod links;
pub mod mailboxes;
pub mod port;
pub mod promo_codes;
pub mod receipts;
pub mod segmentation;
pub mod signed_links;
