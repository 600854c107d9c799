//! `feedback`: takes what comes back for messages.
//!
//! Providers publish to topics of the stack, which put everything into one queue, as do `callbacks` (what messengers tell) and
//! `delivery` (addresses that were refused); so nothing is lost when something does not work for a while, and nobody else can
//! put anything in.
//!
//! - [`notification`]: what a message of the queue says, and of which kind it is. One module for each kind of a topic's:
//!   [`sms_reply`] (STOP, START, HELP), [`ses`] (what became of emails), [`end_user_messaging`]
//!   (and of SMS).
//! - [`said`]: what somebody has written. [`taking`]: every other receipt, as `kairos-protocol`'s `receipts` says.
//! - [`keywords`]: in the languages of the templates.
//! - [`suppression`]: an address is dead, or lives again: the list first, then the users who were written to there.
//! - [`function`]: the batch in, the failures and the counters out.

pub mod end_user_messaging;
pub mod function;
pub mod keywords;
pub mod notification;
pub mod said;
pub mod ses;
pub mod sms_reply;
pub mod suppression;
pub mod taking;

pub use function::Function;
