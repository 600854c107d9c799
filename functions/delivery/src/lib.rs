//! `delivery`: sends what was decided, once.
//!
//! Triggered by the deliveries queue. What happens, in which order, and what a crash means is
//! `kairos_protocol::delivery`; here are its ports on AWS:
//!
//! - [`composer`]: the playbook's templates, filled in; [`enrichment`]: with places and what the catalogue knows;
//!   [`promo_codes`]: with a code of the message's own; [`links`]: with short links.
//! - [`providers`]: one module per channel of the same shape (build the request, send it once,
//!   classify the answer by the codes that the provider documents): [`sms`], [`email`], [`webhook`],
//!   and over [`messengers`] [`telegram`], [`viber`], [`whatsapp`]. [`on_site`] writes to
//!   the inbox, [`web_push`] to the user's browsers, [`mobile_push`] to their devices ([`push`]: what those have in common). `docs/channels.md` has all tables.
//! - [`samples`]: what a message is composed with where it is only looked at.
//! - [`function`]: the batch in, the failures and the counters out.
//!
//! **Invariant:** no client of a provider retries by itself: after an answer that did not arrive, only
//! the protocol knows whether the channel may send again.

pub mod aws_answer;
pub mod aws_json;
pub mod composer;
pub mod consent_links;
pub mod email;
pub mod enrichment;
pub mod function;
pub mod https;
pub mod links;
pub mod messengers;
pub mod mobile_push;
pub mod on_site;
pub mod promo_codes;
pub mod providers;
pub mod push;
pub mod samples;
pub mod sms;
pub mod telegram;
pub mod tokens;
pub mod viber;
pub mod web_push;
pub mod webhook;
pub mod whatsapp;
