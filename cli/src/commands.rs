//! The subcommands: what each takes and does. A command answers with its exit code, or with an error
//! that `main` shows.

pub mod archive;
pub mod backtest;
pub mod catalogue;
pub mod check;
pub mod demo;
pub mod experiment;
pub mod local;
pub mod preview;
pub mod promo_codes;
pub mod publish;
pub mod refused;
pub mod replay;
pub mod report;
pub mod segments;
pub mod send_test;
pub mod suppressions;
pub mod why;

/// How a command ends.
pub type Done = Result<std::process::ExitCode, Box<dyn std::error::Error + Send + Sync>>;
