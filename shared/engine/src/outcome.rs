//! What became of every input and every consideration: each ends in exactly one named outcome.

use alloc::string::String;
use minicbor::{Decode, Encode};

use crate::identifiers::DeliveryId;
use crate::playbook::{Cap, Channel};
use crate::time::{Span, Timestamp};

/// What became of an input. The names are those of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputOutcome {
    /// It changed the user.
    Applied,
    /// It changed the user, though it happened before something already applied.
    AppliedLate,
    /// It had been applied before.
    Duplicate,
    /// It was passed on to the identity this actor is linked to.
    Forwarded,
    /// A visitor turned out to be a known user; what was remembered moves there.
    Linked,
    /// A link that was known, or of an actor to itself.
    LinkRepeated,
    /// What a visitor had done became part of this user.
    Merged,
    /// A circle of links was broken here.
    LinkCircleBroken,
    /// A tick that found a deadline.
    TickFired,
    /// A tick that came for nothing: the deadline had moved or gone.
    TickStale,
}

impl InputOutcome {
    /// The counter's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::AppliedLate => "applied_late",
            Self::Duplicate => "duplicate",
            Self::Forwarded => "forwarded",
            Self::Linked => "linked",
            Self::LinkRepeated => "link_repeated",
            Self::Merged => "merged",
            Self::LinkCircleBroken => "link_circle_broken",
            Self::TickFired => "tick_fired",
            Self::TickStale => "tick_stale",
        }
    }
}

/// What a play considered for a user, and when by the user's own clock.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct OutcomeRecord {
    /// When.
    #[n(0)]
    pub at: Timestamp,
    /// Which play.
    #[n(1)]
    pub play: String,
    /// With what end.
    #[n(2)]
    pub outcome: PlayOutcome,
}

/// How a play's consideration of a user ended, or stands.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum PlayOutcome {
    /// It waits until then.
    #[n(0)]
    #[cbor(map)]
    Waiting {
        /// Until when.
        #[n(0)]
        due_at: Timestamp,
    },
    /// A message was decided.
    #[n(1)]
    #[cbor(map)]
    Sent {
        /// Which.
        #[n(0)]
        delivery: DeliveryId,
        /// On which channel.
        #[n(1)]
        channel: Channel,
        /// When the moment was due.
        #[n(2)]
        due_at: Timestamp,
    },
    /// It stopped waiting because this happened.
    #[n(2)]
    #[cbor(map)]
    Cancelled {
        /// What happened.
        #[n(0)]
        by: String,
    },
    /// No message.
    #[n(3)]
    #[cbor(map)]
    NotSent {
        /// Why not.
        #[n(0)]
        reason: Reason,
    },
}

/// Why no message was decided.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reason {
    /// As many messages as the play allows were sent in its window.
    #[n(0)]
    #[cbor(map)]
    Cap {
        /// How many it allows.
        #[n(0)]
        at_most: u32,
        /// In how long.
        #[n(1)]
        per: Span,
    },
    /// The moment was older than `valid_for` when it could be decided.
    #[n(1)]
    #[cbor(map)]
    MomentPassed {
        /// How much time had gone by since it was due.
        #[n(0)]
        late_by: Span,
    },
    /// No channel of the step has both a template and an address of the user.
    #[n(2)]
    NoAddress,
    /// `who` does not hold.
    #[n(3)]
    NotInAudience,
    /// `unless` holds.
    #[n(4)]
    Excluded,
    /// The play is for once in a life, and that was.
    #[n(5)]
    AlreadyEntered,
    /// Too many messages were decided for the user at the same time.
    #[n(6)]
    TooManyAtOnce,
}

impl Reason {
    /// The reason of a cap.
    pub const fn cap(cap: Cap) -> Self {
        Self::Cap { at_most: cap.at_most, per: cap.per }
    }
}

impl PlayOutcome {
    /// The counter's name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Sent { .. } => "sent",
            Self::Cancelled { .. } => "cancelled",
            Self::NotSent { reason } => match reason {
                Reason::Cap { .. } => "not_sent_cap",
                Reason::MomentPassed { .. } => "not_sent_moment_passed",
                Reason::NoAddress => "not_sent_no_address",
                Reason::NotInAudience => "not_sent_not_in_audience",
                Reason::Excluded => "not_sent_excluded",
                Reason::AlreadyEntered => "not_sent_already_entered",
                Reason::TooManyAtOnce => "not_sent_too_many_at_once",
            },
        }
    }
}

impl core::fmt::Display for PlayOutcome {
    /// A sentence for a person.
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Waiting { due_at } => write!(formatter, "waiting until {due_at}"),
            Self::Sent { delivery, channel, due_at } => {
                write!(formatter, "sent by {channel} (delivery {delivery}), due {due_at}")
            }
            Self::Cancelled { by } => write!(formatter, "cancelled: {by}"),
            Self::NotSent { reason } => match reason {
                Reason::Cap { at_most, per } => write!(formatter, "not sent: already {at_most} in the last {per}"),
                Reason::MomentPassed { late_by } => {
                    write!(formatter, "not sent: the moment had passed {late_by} before it could be decided")
                }
                Reason::NoAddress => formatter.write_str("not sent: no address for any channel of this step"),
                Reason::NotInAudience => formatter.write_str("not sent: `who` did not hold"),
                Reason::Excluded => formatter.write_str("not sent: `unless` held"),
                Reason::AlreadyEntered => formatter.write_str("not sent: this play is once for each user"),
                Reason::TooManyAtOnce => formatter.write_str("not sent: too many messages at the same time"),
            },
        }
    }
}
