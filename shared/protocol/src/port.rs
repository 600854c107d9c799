//! What every port has in common.

use std::future::Future;

use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{AlarmMessage, DeliveryMessage, Effect, MailboxMessage};
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

/// Who is in which segment, and who cares about which product: for lists, counts and changes of the catalogue.
pub trait Audiences {
    /// Records changes, in any order. When this gives a fault, any of them may be recorded; recording them
    /// again, or after newer ones, is harmless, because of a user and segment the highest number counts.
    fn record(&self, changes: &[AudienceChange]) -> impl Future<Output = Result<(), Fault>>;
}

/// A change of who belongs where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudienceChange {
    /// A user has entered or left a segment.
    Member {
        /// Who.
        user: UserKey,
        /// Which segment.
        segment: String,
        /// Entered, or left.
        entered: bool,
        /// When.
        at: Timestamp,
        /// Rises with each change of this user.
        number: u64,
    },
    /// A user cares about a product.
    Interested {
        /// Who.
        user: UserKey,
        /// The product's id.
        product: String,
        /// Since when.
        at: Timestamp,
    },
}

impl AudienceChange {
    /// The change that an effect asks for, if it asks for one.
    pub fn of(effect: &Effect) -> Option<Self> {
        match effect {
            Effect::Member { user, segment, entered, at, number } => Some(Self::Member {
                user: *user,
                segment: segment.to_string(),
                entered: *entered,
                at: *at,
                number: *number,
            }),
            Effect::Interested { user, product, at } => {
                Some(Self::Interested { user: *user, product: product.clone(), at: *at })
            }
            Effect::Deliver(_) | Effect::Tell { .. } | Effect::Wake { .. } => None,
        }
    }
}
