//! What every port has in common.

use std::future::Future;

use kairos_engine::time::Timestamp;

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
