//! What every port has in common.

use std::future::Future;

use kairos_engine::mailbox::{AlarmMessage, DeliveryMessage, InterestNote, MailboxMessage};
use kairos_engine::time::{Span, Timestamp};

/// Why a call to the world failed. Callers treat every fault as "it may or may not have happened".
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// Asking again later may help: throttling, time-outs, broken connections.
    #[error("{what} failed for now: {why}")]
    Retryable {
        /// The call, as in `UsersTable PutItem`.
        what: &'static str,
        /// What was answered.
        why: String,
    },
    /// Asking again will not help: denied, malformed, damaged. Somebody has to look.
    #[error("{what} failed: {why}")]
    Permanent {
        /// The call.
        what: &'static str,
        /// What was answered.
        why: String,
    },
}

/// The time of day, and waiting for it.
pub trait Clock {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Waits until then; gives at once when that has passed. Never wakes early.
    fn sleep_until(&self, time: Timestamp) -> impl Future<Output = ()>;
}

/// The mailboxes of all users (`events.fifo`).
pub trait Mailboxes {
    /// Puts messages into the mailboxes, in their order. When this gives a fault, any of them may be
    /// in; putting them again is harmless, because the queue and the users recognise their ids.
    fn send(&self, messages: &[MailboxMessage]) -> impl Future<Output = Result<(), Fault>>;
}

/// What is to be delivered.
pub trait Deliveries {
    /// Hands messages over. When this gives a fault, any of them may have been; handing them over
    /// again is harmless, because the receiver claims their ids.
    fn send(&self, messages: &[DeliveryMessage]) -> impl Future<Output = Result<(), Fault>>;
}

/// The delay queue of alarms.
pub trait Alarms {
    /// Hands alarms over, each to come back after its delay (at most `QUEUE_DELAY_MAX`, whole
    /// seconds). When this gives a fault, any of them may have been; a needless alarm is harmless.
    fn send(&self, alarms: &[(AlarmMessage, Span)]) -> impl Future<Output = Result<(), Fault>>;
}

/// Who cares about which product: for changes of the catalogue.
pub trait InterestIndex {
    /// Notes interests. When this gives a fault, any of them may be noted; noting them again is harmless, and so is
    /// noting one that nobody has.
    fn note(&self, interests: &[InterestNote]) -> impl Future<Output = Result<(), Fault>>;
}
