//! What `ingest` makes of requests: of every client, of everything that can be wrong, and of retries.
#![allow(clippy::unwrap_used, reason = "a test states its expectation by failing")]

mod clients;
mod envelopes;
mod events;
mod examples;
mod handling;
mod packing;
mod properties;
mod support;
