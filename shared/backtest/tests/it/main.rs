//! The backtest as a whole: files in, a report out.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod formats;
mod golden;
mod same;
mod support;
