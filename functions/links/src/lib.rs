//! `links`: leads followed links on, and tells users of their clicks and of opened messages.
//!
//! The path of a click (`GET /c/TOKEN`; `GET /o/TOKEN` is the picture of one pixel):
//! 1. [`request`]: what is asked for. [`visitor`]: who asks, a person or a program, and on which device. Both pure.
//! 2. [`function`]: is the token ours; what is kept with its message; a person's click goes into the user's mailbox.
//! 3. [`answer`]: a redirect, or a page that says what is wrong.
//!
//! One read and one message stand between a person and their page, and the message is waited for a moment at most: a click
//! that cannot be told is lost and counted, and leads on all the same.
//!
//! **Invariants:** nobody is led anywhere that was not kept with a message. Programs are led on and never counted as
//! people. No link, address or user agent is logged.

pub mod answer;
pub mod function;
pub mod request;
pub mod visitor;
