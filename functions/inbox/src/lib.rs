//! `inbox`: gives visitors of the shop's pages and users of its app the messages that wait for them, and hears what became
//! of each.
//!
//! The path of a request:
//! 1. [`request`]: what is asked, by whom. Up to here everything is pure.
//! 2. [`identity`]: whether whoever asks is the user that they say they are.
//! 3. [`function`]: `kairos_protocol::inbox` finds what waits, or takes in what became of it.
//! 4. [`answer`]: what goes back, readable for any page.
//!
//! | request (`POST`, JSON) | answer |
//! |---|---|
//! | `/v1/inbox` | the messages, the most important first |
//! | `GET /v1/push/key` (nobody is asked who they are) | the public key that browsers subscribe to notifications with |
//! | `/v1/inbox/seen`, `/v1/inbox/clicked`, `/v1/inbox/dismissed` with `id` | that it counts |
//!
//! Everything stands in the body: ids and proofs are nothing for addresses, which end in logs, and a browser need not ask
//! before it sends a body of plain text.
//!
//! **Invariant:** a write key, which is public, opens nobody's messages but those of a visitor whose id is known, too. What
//! else it takes is `kairos_protocol::inbox`'s affair. No ids are logged.

pub mod answer;
pub mod function;
pub mod identity;
pub mod request;
