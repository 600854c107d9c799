//! The whole system, end to end: the real `template.yaml` on the local engine, the real binaries, real clients.
//!
//! `make test` builds what is needed and runs this. All tests share engines (see [`harness::stage`]) and tell each
//! other's traces apart by their shoppers, so they run at the same time: most of them wait.
//!
//! | module | what is shown |
//! |---|---|
//! | [`carts`], [`welcomes`], [`identities`], [`duplicates`] | what shoppers get, and what they do not get |
//! | [`catalogue`] | who hears of prices and stock, and what feeds are told |
//! | [`promo_codes`] | that a message carries a code of its own, which is used once, online or in store |
//! | [`links`] | that a link leads by device, a click is counted once and starts plays, and what is forged leads nowhere |
//! | [`consent`] | that nobody gets what they have refused, whatever way they said it |
//! | [`alike`] | that it decides what `step` alone and a backtest decide |
//! | [`archive`] | that everything that happened is kept, once, and can be played again |
//! | [`reports`] | that the report of some days says what happened, and the owner gets one letter a week |
//! | [`segments`] | who is in which segment, by events, by time and after a publication |
//! | [`timing`] | when they get it: never early, hardly late, also when an alarm was lost |
//! | [`envelopes`] | what is wrong with a request or with one event in it |
//! | [`webhooks`] | a receiver on the other side |
//! | [`messengers`] | Telegram, Viber and WhatsApp on the other side, with their failures |
//! | [`sms`] | SMS by two services: what the second one gets, and what it never gets |
//! | [`receipts`] | what comes back for messages, signed and forged, once and again |
//! | [`on_site`] | messages on the shop's own pages, and who may see them; in a browser, too |
//! | [`console_people`] | the console's pages about people, messages, the playbook and health, in a browser |
//! | [`dead_letters`], [`kills`] | what happens when something breaks |
//! | [`console`] | who gets into the console, what it shows, how fast; and every page in a browser |
//! | [`permissions`] | that a role may do what its function does and nothing else |
//! | [`clients`] | what shops have installed already, unmodified, a browser included; and `kairos.js` in one |
//! | [`tidiness`] | functions, template, example events and papers agree |
//!
//! What a test wants to tell a person (figures, what was skipped) it writes with [`harness::tell`].

#![allow(clippy::unwrap_used)]

mod alike;
mod archive;
mod carts;
mod catalogue;
mod clients;
mod consent;
mod console;
mod console_people;
mod dead_letters;
mod duplicates;
mod envelopes;
mod figures;
mod harness;
mod identities;
mod kills;
mod links;
mod messengers;
mod on_site;
mod permissions;
mod promo_codes;
mod receipts;
mod reports;
mod segments;
mod send_test;
mod sms;
mod tidiness;
mod timing;
mod web_push;
mod webhooks;
mod welcomes;
