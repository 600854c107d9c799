//! `feedback`: takes what comes back for messages.
//!
//! Providers publish to topics of the stack, which put everything into one queue; so nothing is lost when something does not
//! work for a while, and nobody else can put anything in.
//!
//! - [`notification`]: what a topic says, and of which kind it is. One module for each kind:
//!   [`sms_reply`] (STOP, START, HELP).
//! - [`keywords`]: in the languages of the templates.
//! - [`suppression`]: an address is dead, or lives again: the list first, then the users who were written to there.
//! - [`function`]: the batch in, the failures and the counters out.

pub mod function;
pub mod keywords;
pub mod notification;
pub mod sms_reply;
pub mod suppression;

pub use function::Function;
