//! What the measurements share.
//!
//! - [`shoppers`]: the recorded events of real shops, as Kairos' inputs.
//! - [`plays`]: the playbook that is measured with.
//! - [`stack`]: the local engine with the built functions. [`server`], [`provider`]: the other end of their calls.
//! - [`counting`]: a proxy that counts what AWS would charge for.
//! - [`items`]: what DynamoDB charges for.
//! - [`figures`]: how a result is shown and kept.
//!
//! A bench compares inside one run and never fails because something was slow; what must hold is
//! tested elsewhere.

pub mod counting;
pub mod figures;
pub mod items;
pub mod plays;
pub mod provider;
pub mod segments;
pub mod server;
pub mod shoppers;
pub mod stack;
