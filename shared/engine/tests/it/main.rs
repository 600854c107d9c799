//! The engine from outside: scenarios a marketing person can read, properties that hold for any input,
//! golden files of everything that is stored or travels, and the proof that the crate is pure.

#![allow(clippy::unwrap_used, reason = "tests state their expectation by failing")]

mod commits;
mod consent;
mod engagement;
mod explain;
mod facts;
mod golden;
mod hostile;
mod largest;
mod mobile_push;
mod on_site;
mod over_the_years;
mod properties;
mod purity;
mod scenarios;
mod shop;
mod web_push;
