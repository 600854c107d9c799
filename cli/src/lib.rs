//! What the `kairos` command is made of. `main.rs` reads the command line and calls [`commands`].
//!
//! - [`commands`]: one file for each subcommand.
//! - [`target`], [`records`], [`local`]: the installation that a command speaks to.
//! - [`rees46`], [`shop_day`]: where events come from. [`calls`], [`sender`]: how they are sent.
//! - [`feed`]: a file of products, sent to the catalogue. [`pool_file`]: a file of promo codes, brought into a pool.
//!   [`suppression_file`]: one of dead addresses, brought into the suppression list. [`experiment_file`]: one that tells how
//!   an experiment stands.
//! - [`preview`]: what messages look like, before anybody gets them.
//! - [`demo`]: what `make demo` does. [`terminal`]: how it looks.

pub mod calls;
pub mod commands;
pub mod demo;
pub mod experiment_file;
pub mod feed;
pub mod local;
pub mod pool_file;
pub mod preview;
pub mod records;
pub mod rees46;
pub mod sender;
pub mod shop_day;
pub mod suppression_file;
pub mod target;
pub mod terminal;
