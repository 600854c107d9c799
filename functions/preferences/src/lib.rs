//! `preferences`: lets people say what they want to get, without a login, by the signed links of their messages.
//!
//! | path | GET | POST |
//! |---|---|---|
//! | `/u/TOKEN` | asks whether messages of this kind shall end | ends them, also with one click of a mail program (RFC 8058) |
//! | `/p/TOKEN` | shows what is sent on which channel | keeps what was chosen |
//! | `/c/TOKEN` | asks whether to write to this address | says yes (double opt-in) |
//!
//! Programs that look at links (scanners, previews) read, and reading changes nothing.
//!
//! Reading order: [`request`] (what is asked for), [`choices`] (what a user is shown, and what a form says), [`words`],
//! [`page`], [`function`].
//!
//! **Invariants:** what was said is in the user's mailbox before it is thanked for; a page loads nothing from elsewhere,
//! runs no scripts, and shows of an address only its ends.

pub mod choices;
pub mod function;
pub mod page;
pub mod request;
pub mod words;

pub use function::Function;
