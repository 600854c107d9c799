//! Facts: what each commit tells the archive. Everything that is counted, replayed or looked up later is made of them.
//!
//! A fact is one line of JSON. The lines of a commit stand in the user's item beside the state that came of them, so
//! that there is neither a commit without its facts nor a fact without its commit. `archive` puts whose they are in
//! front ([`row`]) and keeps them. Golden files hold a line of each kind ever written: an old archive always reads.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::bounds::VISIT_GAP;
use crate::identifiers::{DeliveryId, UserKey};
use crate::mailbox::{Effect, Input};
use crate::moment::{self, MomentState};
use crate::money::{Currency, Micros};
use crate::name::Name;
use crate::outcome::{InputOutcome, OutcomeRecord, PlayOutcome, Reason};
use crate::playbook::{Channel, Moment, PlaybookVersion};
use crate::program::Program;
use crate::state::UserState;
use crate::step::Stepped;
use crate::time::{Span, Timestamp};
use crate::who::Dimensions;

/// Something that a commit knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// Something happened to the user: an event, a change of a product, an alarm, a link to another identity.
    Input {
        /// When, by the client's own word.
        at: Timestamp,
        /// What became of it.
        outcome: InputOutcome,
        /// What.
        input: Box<Input>,
        /// Who did it: of those events alone that figures are cut by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<Box<Dimensions>>,
    },
    /// What was remembered of a visitor became part of this user. What that was, the visitor's own facts tell.
    Merged {
        /// When.
        at: Timestamp,
        /// The visitor's actor.
        from: UserKey,
    },
    /// How a play's consideration of the user ended.
    Decision(Box<Decision>),
    /// The user has entered or left a segment.
    Segment {
        /// When.
        at: Timestamp,
        /// Which.
        segment: Name,
        /// Entered, or left.
        entered: bool,
    },
    /// The user has come into a micro-moment.
    Moment {
        /// When.
        at: Timestamp,
        /// Which.
        moment: Moment,
        /// How strong it is.
        strength: f64,
    },
    /// What has become of a delivery, by its own record.
    Delivery(Box<DeliveryFact>),
    /// There was no room for so many facts.
    Omitted {
        /// Of the commit.
        at: Timestamp,
        /// How many.
        facts: usize,
    },
}

/// How a play's consideration of a user ended: [`OutcomeRecord`] with a column for each detail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When, by the user's own clock.
    pub at: Timestamp,
    /// Which play.
    pub play: Name,
    /// With what end: the counter's name ([`PlayOutcome::as_str`]).
    pub outcome: String,
    /// The playbook that decided it.
    pub playbook: PlaybookVersion,
    /// The message that was sent or held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The delivery that was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// The channel of the message, or the one that was not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// When the moment was due, or the wait ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Until when it is held or barred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The group that got no message: a holdout's, the control group, or an experiment's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Its variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How long after the message the goal was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Whether the message before the goal was sent; false for a holdout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<bool>,
    /// What the goal was worth, in millionths of the event's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Micros>,
    /// How many messages the cap allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// In how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Span>,
    /// By how much the moment had passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_by: Option<Span>,
    /// What cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The currency of `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Who: of a message that was sent or held out, and of a goal that was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Box<Dimensions>>,
}

/// What has become of a delivery. Most of it never reaches the user's mailbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryFact {
    /// When.
    pub at: Timestamp,
    /// Which delivery.
    pub delivery: DeliveryId,
    /// What.
    pub outcome: DeliveryOutcome,
    /// The play that decided it.
    pub play: String,
    /// The message of the playbook.
    pub message: String,
    /// The channel.
    pub channel: Channel,
    /// Why not, as the provider says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Box<Dimensions>>,
}

/// What can become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// Its provider has taken it.
    Accepted,
    /// Its moment had passed.
    Expired,
    /// Its provider, the templates or its receiver will never let it through.
    Refused,
    /// Perhaps sent; never tried again.
    Unconfirmed,
    /// Not sent in all attempts: it waits for a person.
    Failed,
    /// It has reached its receiver.
    Delivered,
    /// It was read.
    Read,
    /// It came back for now.
    Bounced,
    /// It was taken, and will not arrive.
    Undeliverable,
    /// Its receiver has called it unwanted.
    Complained,
}

impl DeliveryOutcome {
    /// Each of them.
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Expired,
        Self::Refused,
        Self::Unconfirmed,
        Self::Failed,
        Self::Delivered,
        Self::Read,
        Self::Bounced,
        Self::Undeliverable,
        Self::Complained,
    ];
}

impl Decision {
    /// The fact of a consideration, without its message.
    pub fn of(record: &OutcomeRecord, playbook: &PlaybookVersion) -> Self {
        let mut fact = Self {
            at: record.at,
            play: record.play.clone(),
            outcome: record.outcome.as_str().to_string(),
            playbook: playbook.clone(),
            message: None,
            delivery: None,
            channel: None,
            due_at: None,
            until: None,
            group: None,
            split: None,
            variant: None,
            after: None,
            sent: None,
            value: None,
            at_most: None,
            per: None,
            late_by: None,
            by: None,
            currency: None,
            who: None,
        };
        match &record.outcome {
            PlayOutcome::Waiting { due_at } => fact.due_at = Some(*due_at),
            PlayOutcome::Sent { delivery, channel, due_at } => {
                (fact.delivery, fact.channel, fact.due_at) = (Some(*delivery), Some(*channel), Some(*due_at));
            }
            PlayOutcome::Cancelled { by } => fact.by = Some(by.clone()),
            PlayOutcome::Held { until } => fact.until = Some(*until),
            PlayOutcome::HeldOut { group, due_at } => {
                (fact.group, fact.due_at) = (Some(group.clone()), Some(*due_at));
            }
            PlayOutcome::Converted { after, sent, value } => {
                (fact.after, fact.sent, fact.value) = (Some(*after), Some(*sent), *value);
            }
            PlayOutcome::Assigned { split, variant } => {
                (fact.split, fact.variant) = (Some(split.clone()), Some(variant.clone()));
            }
            PlayOutcome::Finished => {}
            PlayOutcome::NotSent { reason } => match reason {
                Reason::Cap { at_most, per } => (fact.at_most, fact.per) = (Some(*at_most), Some(*per)),
                Reason::PolicyCap { channel, at_most, per } => {
                    (fact.channel, fact.at_most, fact.per) = (*channel, Some(*at_most), Some(*per));
                }
                Reason::MomentPassed { late_by } => fact.late_by = Some(*late_by),
                Reason::Cooldown { until } => fact.until = Some(*until),
                Reason::NoConsent { channel } | Reason::Suppressed { channel } => fact.channel = Some(*channel),
                Reason::NoAddress
                | Reason::NotInAudience
                | Reason::Excluded
                | Reason::AlreadyEntered
                | Reason::TooManyAtOnce
                | Reason::NotRolledOut
                | Reason::AlreadyRunning
                | Reason::QuietHours
                | Reason::TooManyRunning
                | Reason::PlayChanged
                | Reason::TooManySteps => {}
            },
        }
        fact
    }
}

impl Fact {
    /// When it was.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Input { at, .. } | Self::Merged { at, .. } | Self::Segment { at, .. } | Self::Omitted { at, .. } => {
                *at
            }
            Self::Moment { at, .. } => *at,
            Self::Decision(decision) => decision.at,
            Self::Delivery(delivery) => delivery.at,
        }
    }

    /// The fact of an input, if it is one to be told here: what came twice or for nothing has changed nothing, and what
    /// was passed on is told where it arrives.
    fn of_input(input: &Input, outcome: InputOutcome) -> Option<Self> {
        match outcome {
            InputOutcome::Duplicate
            | InputOutcome::TickStale
            | InputOutcome::LinkRepeated
            // What the archive has told need not be told to it.
            | InputOutcome::Recollected
            | InputOutcome::RecollectionOutdated
            | InputOutcome::Forwarded => return None,
            InputOutcome::Applied
            | InputOutcome::AppliedLate
            | InputOutcome::Linked
            | InputOutcome::Merged
            | InputOutcome::CatalogueApplied
            | InputOutcome::LinkCircleBroken
            | InputOutcome::TickFired => {}
        }
        Some(match input {
            Input::Merge { at, from, .. } => Self::Merged { at: *at, from: *from },
            input => Self::Input { at: input.at(), outcome, input: Box::new(input.clone()), who: None },
        })
    }
}

/// The facts of a commit under way: lines of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactLines(Vec<u8>);

impl FactLines {
    /// Notes what a step over `inputs` has made known, after it was described ([`Stepped::describe`]): `state` is the
    /// user after it.
    pub fn note(&mut self, program: &Program, state: &UserState, inputs: &[Input], stepped: &Stepped) {
        for (input, outcome) in inputs.iter().zip(&stepped.outcomes) {
            if let Some(mut fact) = Fact::of_input(input, *outcome) {
                if let Fact::Input { who, .. } = &mut fact {
                    *who = Dimensions::of_input(program, state, input);
                }
                self.push(&fact);
            }
        }
        let mut credits = stepped.credits.iter();
        for record in &stepped.considered {
            let mut decision = Decision::of(record, &program.playbook().version);
            match &record.outcome {
                PlayOutcome::HeldOut { .. } | PlayOutcome::Converted { .. } => {
                    let credit = credits.next().cloned().unwrap_or_default();
                    (decision.message, decision.channel) = (credit.message, credit.channel);
                    decision.currency = credit.currency.filter(|_| decision.value.is_some());
                    decision.who = Dimensions::of(program, state, Some(&record.play)).boxed();
                }
                PlayOutcome::Sent { delivery, .. } => {
                    let order = stepped.effects.iter().find_map(|effect| match effect {
                        Effect::Deliver(order) if order.delivery == *delivery => Some(order),
                        _ => None,
                    });
                    decision.message = order.map(|order| order.message.clone());
                    decision.who = order.and_then(|order| order.who.clone());
                }
                _ => {}
            }
            self.push(&Fact::Decision(Box::new(decision)));
        }
        for effect in &stepped.effects {
            if let Effect::Member { segment, entered, at, .. } = effect {
                self.push(&Fact::Segment { at: *at, segment: segment.clone(), entered: *entered });
            }
        }
    }

    /// Notes into which micro-moment the user has come by what a step was given: in which they would be by now without it,
    /// `before` says.
    pub fn note_moment(&mut self, program: &Program, before: &[MomentState], inputs: &[Input], state: &UserState) {
        // A visitor's moment that becomes a user's is told already.
        let is_merge = |input: &Input| matches!(input, Input::Merge { .. });
        if state.moments == before || inputs.iter().any(is_merge) {
            return;
        }
        // A moment that has just been reached falls below its threshold at once. Within a visit that is no end.
        let newest = before.iter().map(|moment| moment.at).max();
        let looked_at = newest.filter(|at| state.clock.since(*at) < VISIT_GAP).unwrap_or(state.clock);
        let was = moment::current_of(program, before, looked_at).map(|(moment, _)| moment);
        if let Some((moment, strength)) = moment::current_of(program, &state.moments, state.clock)
            && was != Some(moment)
        {
            // Two decimals: who looks at it wants to know whether it is far above the threshold.
            let strength = libm::round(strength * 100.0) / 100.0;
            self.push(&Fact::Moment { at: state.clock, moment, strength });
        }
    }

    fn push(&mut self, fact: &Fact) {
        self.0.extend(serde_json::to_vec(fact).expect("facts are plain data"));
        self.0.push(b'\n');
    }

    /// The lines, each with its end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.iter().filter(|byte| **byte == b'\n').count()
    }

    /// What is kept of them where there is no room: that they are missing.
    #[must_use]
    pub fn omitted(&self, at: Timestamp) -> Self {
        let mut lines = Self::default();
        lines.push(&Fact::Omitted { at, facts: self.count() });
        lines
    }
}

impl From<Vec<u8>> for FactLines {
    fn from(lines: Vec<u8>) -> Self {
        Self(lines)
    }
}

/// A row of the archive: a fact, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Version of the format.
    pub v: u8,
    /// The user's actor.
    pub user: UserKey,
    /// The write of the user's item that made it known: rises with each of the user's commits.
    pub revision: u64,
    /// Which of that write's facts, from 0. A row is told apart by user, revision and number.
    pub number: usize,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

/// The line of a fact with whose it is in front: what reads as a [`Row`]. `None` when the line is no JSON object.
pub fn row(user: UserKey, revision: u64, number: usize, line: &str) -> Option<String> {
    let fields = line.trim_ascii_end().strip_prefix('{')?;
    Some(format!("{{\"v\":1,\"user\":\"{user}\",\"revision\":{revision},\"number\":{number},{fields}"))
}
