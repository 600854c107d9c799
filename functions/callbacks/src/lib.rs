//! `callbacks`: takes what messengers tell, and puts it on the feedback queue.
//!
//! The path of a callback (`POST /telegram`, `/viber`, `/whatsapp`; `GET /whatsapp` is Meta's question whose endpoint this is):
//! 1. [`request`]: which messenger, and the body as it was signed.
//! 2. [`proof`]: is it the messenger that speaks. [`secrets`] has what that takes.
//! 3. [`telegram`], [`viber`], [`whatsapp`]: what is said, as receipts in one form. Pure.
//! 4. [`function`]: what is too old or yet to come is left out; the rest goes to the queue, and only then the answer is 200.
//!
//! A messenger that gets another answer tells the same again, so nothing is lost; that it may come twice is known downstream by
//! each receipt's id.
//!
//! **Invariants:** nothing of a body is read as news before its proof is checked, in constant time. No body, address or secret is
//! logged.

pub mod function;
pub mod proof;
pub mod request;
pub mod secrets;
pub mod telegram;
pub mod viber;
pub mod whatsapp;

pub use function::Function;
