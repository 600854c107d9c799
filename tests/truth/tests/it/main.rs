//! The engine held against the definitions: at random, and on a year of a real shop.

#![allow(clippy::unwrap_used, reason = "tests state their expectation by failing")]

mod conditions;
mod definitions;
mod drive;
mod found;
mod histories;
mod online_retail;
mod random;
