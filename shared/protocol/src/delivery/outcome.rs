//! How the handling of one message of the deliveries queue ended.

use kairos_engine::identifiers::{CorrelationId, DeliveryId};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Channel, Purpose};

use super::answer::Answer;
use super::record::Status;
use crate::port::Fault;

/// How it ended. Every message of every batch ends in exactly one; the names are those of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The provider has taken it, and the record says so.
    Sent,
    /// The moment had passed before it could be sent.
    Expired,
    /// The provider will never take it, or it cannot be composed.
    Refused,
    /// Perhaps sent, and never tried again.
    Unconfirmed,
    /// Not sent now; the queue gives it again.
    Waiting,
    /// Not tried: its provider is to be left alone. It is in the queue anew, and comes after a while.
    PutOff,
    /// Not sent in the last attempt; the message goes to the dead-letter queue.
    Failed,
    /// It had ended before: a repetition.
    AlreadyDone(Status),
    /// Another worker is at it; the queue gives it again, in case that one crashes.
    HeldByOther,
    /// The provider has taken it, but that could not be recorded. Not tried again, since it would be
    /// sent twice; the record stays claimed.
    SentUnrecorded,
    /// Not sent, and the record could not be written; the queue gives it again.
    Unrecorded,
    /// The payload is none of ours; the message goes to the dead-letter queue.
    Unreadable,
}

impl Outcome {
    /// The outcome of an attempt that left this status in the record.
    pub(super) const fn of(status: Status) -> Self {
        match status {
            Status::Sent => Self::Sent,
            Status::Expired => Self::Expired,
            Status::Refused => Self::Refused,
            Status::Unconfirmed => Self::Unconfirmed,
            Status::Failed => Self::Failed,
            Status::Waiting => Self::Waiting,
            Status::Claimed => Self::HeldByOther,
        }
    }

    /// The counter's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Unconfirmed => "unconfirmed",
            Self::Waiting => "waiting",
            Self::PutOff => "put_off",
            Self::Failed => "failed",
            Self::AlreadyDone(_) => "already_done",
            Self::HeldByOther => "held_by_other",
            Self::SentUnrecorded => "sent_unrecorded",
            Self::Unrecorded => "unrecorded",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether the message is left to the queue: it gives it again, and after
    /// [`DELIVERY_ATTEMPTS_MAX`](kairos_engine::bounds::DELIVERY_ATTEMPTS_MAX) times moves it to the
    /// dead-letter queue. Otherwise it is acknowledged.
    pub const fn comes_again(self) -> bool {
        match self {
            Self::Waiting | Self::Failed | Self::HeldByOther | Self::Unrecorded | Self::Unreadable => true,
            Self::Sent
            | Self::Expired
            | Self::Refused
            | Self::Unconfirmed
            | Self::PutOff
            | Self::AlreadyDone(_)
            | Self::SentUnrecorded => false,
        }
    }
}

/// What is told about one message: nothing in it but [`Answer::detail`] could name a person.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which delivery; `None` when the payload is unreadable.
    pub delivery: Option<DeliveryId>,
    /// On which channel.
    pub channel: Option<Channel>,
    /// What caused it, for the logs ([`DeliveryOrder::correlation`]).
    pub correlation: Option<CorrelationId>,
    /// Whether it was a try of the shop's own.
    pub is_test: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// What the provider said, when it was asked; of what had ended before, what it said then.
    pub answer: Option<Answer>,
    /// Why the record could not be written or the payload not be read.
    pub fault: Option<Fault>,
}

impl Report {
    pub(super) fn of(order: &DeliveryOrder, outcome: Outcome, answer: Option<Answer>) -> Self {
        let is_test = order.purpose == Purpose::Test;
        Self {
            delivery: Some(order.delivery),
            channel: Some(order.channel),
            correlation: order.correlation.clone(),
            is_test,
            outcome,
            answer,
            fault: None,
        }
    }

    pub(super) fn faulty(order: &DeliveryOrder, outcome: Outcome, answer: Option<Answer>, fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::of(order, outcome, answer) }
    }

    pub(super) fn unreadable(why: &str) -> Self {
        let fault = Fault::Permanent { what: "reading a message of the deliveries queue", why: why.to_owned() };
        Self {
            delivery: None,
            channel: None,
            correlation: None,
            is_test: false,
            outcome: Outcome::Unreadable,
            answer: None,
            fault: Some(fault),
        }
    }
}
