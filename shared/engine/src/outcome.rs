//! What became of every input and every consideration: each ends in exactly one named outcome.

use alloc::string::String;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::identifiers::DeliveryId;
use crate::money::Micros;
use crate::name::Name;
use crate::playbook::{Cap, Channel};
use crate::time::{Span, Timestamp};

/// What became of an input. The names are those of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// A product's price or stock changed that the user cares about.
    CatalogueApplied,
    /// A circle of links was broken here.
    LinkCircleBroken,
    /// A tick that found a deadline.
    TickFired,
    /// A tick that came for nothing: the deadline had moved or gone.
    TickStale,
    /// What the archive tells of behaviour from before it was watched became part of the user.
    Recollected,
    /// The same, too late: the user has done something since, or something else is watched by now.
    RecollectionOutdated,
}

impl InputOutcome {
    /// Each of them.
    pub const ALL: [Self; 13] = [
        Self::Applied,
        Self::AppliedLate,
        Self::Duplicate,
        Self::Forwarded,
        Self::Linked,
        Self::LinkRepeated,
        Self::Merged,
        Self::CatalogueApplied,
        Self::LinkCircleBroken,
        Self::TickFired,
        Self::TickStale,
        Self::Recollected,
        Self::RecollectionOutdated,
    ];

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
            Self::CatalogueApplied => "catalogue_applied",
            Self::LinkCircleBroken => "link_circle_broken",
            Self::TickFired => "tick_fired",
            Self::TickStale => "tick_stale",
            Self::Recollected => "recollected",
            Self::RecollectionOutdated => "recollection_outdated",
        }
    }
}

/// How many inputs came to each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputCounts([u32; InputOutcome::ALL.len()]);

impl InputCounts {
    /// Counts `inputs` more.
    pub fn add(&mut self, outcome: InputOutcome, inputs: u32) {
        let count = &mut self.0[outcome as usize];
        *count = count.saturating_add(inputs);
    }

    /// Counts all that another has counted.
    pub fn add_all(&mut self, other: &Self) {
        other.iter().for_each(|(outcome, inputs)| self.add(outcome, inputs));
    }

    /// How many came to an outcome.
    pub fn of(&self, outcome: InputOutcome) -> u32 {
        self.0[outcome as usize]
    }

    /// The outcomes that any input came to.
    pub fn iter(&self) -> impl Iterator<Item = (InputOutcome, u32)> {
        InputOutcome::ALL.into_iter().zip(self.0).filter(|(_, inputs)| *inputs > 0)
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
    pub play: Name,
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
    /// A message is held back.
    #[n(4)]
    #[cbor(map)]
    Held {
        /// Until when.
        #[n(0)]
        until: Timestamp,
    },
    /// A message was decided that a holdout does not get.
    #[n(5)]
    #[cbor(map)]
    HeldOut {
        /// Which holdout: the play's, the global control group, or an experiment's variant.
        #[n(0)]
        group: String,
        /// When the moment was due.
        #[n(1)]
        due_at: Timestamp,
    },
    /// What the play wanted happened within its attribution window.
    #[n(6)]
    #[cbor(map)]
    Converted {
        /// How long after the message.
        #[n(0)]
        after: Span,
        /// Whether the message was really sent; false for a holdout.
        #[n(1)]
        sent: bool,
        /// What it was worth, when the event says so.
        #[n(2)]
        value: Option<Micros>,
    },
    /// It came to its end.
    #[n(7)]
    Finished,
    /// A way of an experiment was drawn.
    #[n(8)]
    #[cbor(map)]
    Assigned {
        /// Which experiment.
        #[n(0)]
        split: String,
        /// Which variant.
        #[n(1)]
        variant: String,
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
    /// The user entered the play too short a time ago.
    #[n(7)]
    #[cbor(map)]
    Cooldown {
        /// Until when.
        #[n(0)]
        until: Timestamp,
    },
    /// The play is not rolled out to this user yet.
    #[n(8)]
    NotRolledOut,
    /// The user is on the way through the play already.
    #[n(9)]
    AlreadyRunning,
    /// As many messages as the policy allows were sent in its window.
    #[n(10)]
    #[cbor(map)]
    PolicyCap {
        /// On which channel; on all together without it.
        #[n(0)]
        channel: Option<Channel>,
        /// How many it allows.
        #[n(1)]
        at_most: u32,
        /// In how long.
        #[n(2)]
        per: Span,
    },
    /// It was due in quiet hours, and the play does not wait, or its moment would have passed.
    #[n(11)]
    QuietHours,
    /// The user is on the way through too many plays.
    #[n(12)]
    TooManyRunning,
    /// The step in which the user waited is no longer in the play.
    #[n(13)]
    PlayChanged,
    /// Messages of this kind lead from one to the next too often within one instant.
    #[n(14)]
    TooManySteps,
    /// The user has refused such messages on every channel that could be used, or has not agreed to them.
    #[n(15)]
    #[cbor(map)]
    NoConsent {
        /// On which channel: the first of the step.
        #[n(0)]
        channel: Channel,
    },
    /// The user's address is dead: it bounced, or its owner complained or sent STOP.
    #[n(16)]
    #[cbor(map)]
    Suppressed {
        /// On which channel: the first of the step.
        #[n(0)]
        channel: Channel,
    },
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
            Self::Held { .. } => "held",
            Self::HeldOut { .. } => "held_out",
            Self::Converted { sent: true, .. } => "converted",
            Self::Converted { sent: false, .. } => "converted_held_out",
            Self::Finished => "finished",
            Self::Assigned { .. } => "assigned",
            Self::NotSent { reason } => match reason {
                Reason::Cap { .. } => "not_sent_cap",
                Reason::MomentPassed { .. } => "not_sent_moment_passed",
                Reason::NoAddress => "not_sent_no_address",
                Reason::NotInAudience => "not_sent_not_in_audience",
                Reason::Excluded => "not_sent_excluded",
                Reason::AlreadyEntered => "not_sent_already_entered",
                Reason::TooManyAtOnce => "not_sent_too_many_at_once",
                Reason::Cooldown { .. } => "not_sent_cooldown",
                Reason::NotRolledOut => "not_sent_not_rolled_out",
                Reason::AlreadyRunning => "not_sent_already_running",
                Reason::PolicyCap { .. } => "not_sent_policy_cap",
                Reason::QuietHours => "not_sent_quiet_hours",
                Reason::TooManyRunning => "not_sent_too_many_running",
                Reason::PlayChanged => "not_sent_play_changed",
                Reason::TooManySteps => "not_sent_too_many_steps",
                Reason::NoConsent { .. } => "not_sent_no_consent",
                Reason::Suppressed { .. } => "not_sent_suppressed",
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
            Self::Held { until } => write!(formatter, "held until {until}: quiet hours"),
            Self::HeldOut { group, due_at } => write!(formatter, "held out ({group}), due {due_at}"),
            Self::Converted { after, sent, value } => {
                write!(formatter, "goal reached {after} after the message")?;
                if !sent {
                    formatter.write_str(" that was held out")?;
                }
                value.map_or(Ok(()), |value| write!(formatter, ", worth {value}"))
            }
            Self::Finished => formatter.write_str("came to its end"),
            Self::Assigned { split, variant } => write!(formatter, "{split}: {variant}"),
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
                Reason::Cooldown { until } => write!(formatter, "not sent: entered too recently, again from {until}"),
                Reason::NotRolledOut => formatter.write_str("not sent: not rolled out to this user yet"),
                Reason::AlreadyRunning => formatter.write_str("not sent: on the way through this play already"),
                Reason::PolicyCap { channel, at_most, per } => {
                    let by = channel.map_or("of all plays", Channel::as_str);
                    write!(formatter, "not sent: already {at_most} messages ({by}) in the last {per}")
                }
                Reason::QuietHours => formatter.write_str("not sent: it was due in quiet hours"),
                Reason::TooManyRunning => formatter.write_str("not sent: on the way through too many plays"),
                Reason::PlayChanged => formatter.write_str("not sent: the step it waited in is gone from the play"),
                Reason::TooManySteps => formatter.write_str("not sent: too many steps at the same instant"),
                Reason::NoConsent { channel } => write!(formatter, "not sent: no consent to messages by {channel}"),
                Reason::Suppressed { channel } => {
                    write!(formatter, "not sent: the address for {channel} is on the suppression list")
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_of_inputs_is_counted_under_its_own_name() {
        // They are counted by their place: a new one has to stand in the list, in the order of the enum.
        assert!(InputOutcome::ALL.iter().enumerate().all(|(place, outcome)| *outcome as usize == place));
        assert_eq!(InputOutcome::RecollectionOutdated as usize + 1, InputOutcome::ALL.len());
        let mut counts = InputCounts::default();
        counts.add(InputOutcome::Merged, 2);
        counts.add_all(&counts.clone());
        assert_eq!((counts.of(InputOutcome::Merged), counts.of(InputOutcome::Applied)), (4, 0));
        assert!(counts.iter().eq([(InputOutcome::Merged, 4)]));
        // The archive calls them by the same names.
        for outcome in InputOutcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }
}
