//! The only AWS code that functions share: how Kairos' ports look on DynamoDB, SQS and Lambda.
//!
//! - [`service`], [`environment`], [`configuration`], [`https`], [`on_first_use`]: how a function starts, lean.
//! - [`users`], [`queues`], [`deliveries`], [`interests`], [`catalogue`], [`promo_codes`], [`links`], [`inbox`], [`playbooks`], [`backfills`],
//!   [`permissions`]: the ports of `kairos-protocol` on AWS; [`suppressions`], [`addresses`]: which addresses are dead, and
//!   who was written to where; [`items`]: what those in DynamoDB have in common.
//! - [`secrets`]: keys from Secrets Manager; [`link_keys`]: those that sign links; [`requests`]: what is asked of who has one.
//! - [`facts`], [`archive`]: what commits make known, on its way to S3 and there; [`archive_search`]: what is looked up there.
//! - [`figures`]: the counts of each hour and day.
//! - [`people`], [`refusals`], [`dead_letters`]: what people look up, for the console and the command line.
//! - [`reports`]: what the daily job has made of them.
//! - [`batches`]: SQS events in and partial batch failures out.
//! - [`telemetry`]: structured logs and counters, without personal data.
//! - [`clock`]: the one place where the time of day is read.

pub mod addresses;
pub mod archive;
pub mod archive_search;
pub mod backfills;
pub mod batches;
pub mod catalogue;
pub mod clock;
pub mod configuration;
pub mod dead_letters;
pub mod deliveries;
pub mod environment;
pub mod facts;
pub mod faults;
pub mod figures;
pub mod https;
pub mod inbox;
pub mod interests;
pub mod items;
pub mod link_keys;
pub mod links;
pub mod on_first_use;
pub mod people;
pub mod permissions;
pub mod playbooks;
pub mod promo_codes;
pub mod queues;
pub mod refusals;
pub mod reports;
pub mod requests;
pub mod secrets;
pub mod service;
#[cfg(test)]
mod stand_in;
pub mod suppressions;
pub mod telemetry;
pub mod users;
pub mod vapid_key;
