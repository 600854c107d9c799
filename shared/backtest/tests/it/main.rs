//! The backtest as a whole: files in, a report out.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod formats;
mod golden;
mod recollected;
mod same;
mod support;
