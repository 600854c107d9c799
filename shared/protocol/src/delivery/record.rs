//! The record of a delivery: the claim while it is being sent, and then what became of it.

use kairos_engine::bounds::{CLAIM_LEASE, DELIVERY_RETENTION, DELIVERY_TEXT_BYTES_KEPT_MAX};
use kairos_engine::identifiers::{CorrelationId, DeliveryId, UserKey};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Channel, PlaybookVersion};
use kairos_engine::product::shortened;
use kairos_engine::time::Timestamp;
use kairos_engine::who::Dimensions;
use serde::{Deserialize, Serialize};

use super::Content;
use super::answer::{Answer, AnswerClass};
use crate::receipts::{Noted, Receipt};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A worker is about to call the provider, or has called it.
    Claimed,
    /// Not sent; the queue gives it again.
    Waiting,
    /// Not sent in all attempts; waits in the dead-letter queue for a person. Redriving tries again.
    Failed,
    /// The provider has taken it. Final.
    Sent,
    /// The moment had passed. Final.
    Expired,
    /// The provider, or the templates, will never let it through. Final.
    Refused,
    /// Perhaps sent; never tried again. Final.
    Unconfirmed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] =
        [Self::Claimed, Self::Waiting, Self::Failed, Self::Sent, Self::Expired, Self::Refused, Self::Unconfirmed];

    /// Its name in records and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Sent => "sent",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// What to do with a message that may have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPolicy {
    /// Leave it.
    AtMostOnce,
    /// Send it once more. When that is in doubt too, leave it.
    AtMostTwice,
    /// Send it again, with the same delivery id, by which the receiver knows it.
    AtLeastOnce,
}

/// The policy of a channel (see the module).
pub const fn policy(channel: Channel) -> CrashPolicy {
    match channel {
        Channel::Sms => CrashPolicy::AtMostOnce,
        Channel::Email | Channel::Telegram | Channel::Viber | Channel::Whatsapp | Channel::MobilePush => {
            CrashPolicy::AtMostTwice
        }
        Channel::Webhook | Channel::OnSite | Channel::WebPush => CrashPolicy::AtLeastOnce,
    }
}

/// By which a delivery is found from what its provider calls it.
pub fn provider_key(channel: Channel, provider_id: &str) -> String {
    format!("{channel}#{provider_id}")
}

/// Everything known of one delivery. Holds the address and the text, so it has a TTL
/// ([`DELIVERY_RETENTION`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Which.
    pub delivery: DeliveryId,
    /// To whom.
    pub user: UserKey,
    /// The play that decided it.
    pub play: String,
    /// The message of the playbook.
    pub message: String,
    /// The playbook that decided it.
    pub playbook: PlaybookVersion,
    /// The channel.
    pub channel: Channel,
    /// The address on that channel.
    pub address: String,
    /// Why, in a sentence for a person.
    pub why: String,
    /// What caused it ([`DeliveryOrder::correlation`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<CorrelationId>,
    /// What was known of the user when it was decided, for figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Box<Dimensions>>,
    /// When the moment was due, by the user's own clock.
    pub due_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// When the moment has passed.
    pub moment_ends_at: Timestamp,

    /// Rises by one with every write.
    pub revision: u32,
    /// Who wrote it: one attempt of one worker.
    pub worker: String,
    /// Where it stands.
    pub status: Status,
    /// Since when.
    pub changed_at: Timestamp,
    /// How often a worker has set out to send it.
    pub attempts: u32,
    /// An earlier attempt may have reached the provider.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub doubtful: bool,
    /// When it was last claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// When the provider had taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// What the provider (or the composing) said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The subject, as sent; cut to [`DELIVERY_TEXT_BYTES_KEPT_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text, as sent; cut likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What came back for it.
    #[serde(default, skip_serializing_if = "Noted::is_nothing")]
    pub receipts: Noted,
}

/// A record as it is stored: names its version, so that every version ever written can be read.
#[derive(Serialize, Deserialize)]
#[serde(tag = "v")]
enum Stored {
    #[serde(rename = "1")]
    V1(DeliveryRecord),
}

/// What a worker wants to write.
pub(super) enum Intent {
    /// That it is about to send.
    Claim,
    /// That the moment has passed.
    Expire,
    /// That it was tried often enough.
    GiveUp,
    /// That it cannot be composed.
    Answer { answer: Answer, last: bool },
}

/// What a record means for a worker that finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is left to do.
    Done(Status),
    /// Another worker is at it.
    Held {
        /// Since when.
        since: Timestamp,
    },
    /// Another worker was at it, and its lease has run out.
    Abandoned,
    /// Nobody is at it.
    Free,
}

/// Whose messages tests are: nobody's. No mailbox hears what comes back for them.
pub const TEST_USER: &str = "kairos:test";

impl DeliveryRecord {
    /// Whether it is a test's.
    pub fn is_of_test(&self) -> bool {
        self.user == UserKey::known(TEST_USER)
    }

    /// What this record means at `now` for a worker that finds it.
    pub fn standing(&self, now: Timestamp) -> Standing {
        match self.status {
            Status::Sent | Status::Expired | Status::Refused | Status::Unconfirmed => Standing::Done(self.status),
            Status::Waiting | Status::Failed => Standing::Free,
            Status::Claimed if now < self.changed_at.plus(CLAIM_LEASE) => Standing::Held { since: self.changed_at },
            Status::Claimed => Standing::Abandoned,
        }
    }

    /// The record that follows the one that was found, which is free or abandoned, if any.
    pub(super) fn next(
        found: Option<&Self>,
        order: &DeliveryOrder,
        worker: &str,
        intent: &Intent,
        now: Timestamp,
    ) -> Self {
        let mut record = match found {
            Some(found) => found.changed(found.status, now),
            None => Self::first(order, now),
        };
        worker.clone_into(&mut record.worker);
        if found.is_some_and(|found| found.status == Status::Claimed) {
            let is_left = record.is_left_in_doubt();
            record.doubtful = true;
            if is_left {
                record.status = Status::Unconfirmed;
                return record;
            }
        }
        match intent {
            Intent::Claim => {
                record.status = Status::Claimed;
                record.claimed_at = Some(now);
                record.attempts += 1;
                record
            }
            Intent::Expire => Self { revision: record.revision, ..record.expired(now) },
            Intent::GiveUp => Self { status: Status::Failed, ..record },
            Intent::Answer { answer, last } => {
                Self { revision: record.revision, ..record.answered(answer.clone(), *last, now) }
            }
        }
    }

    fn first(order: &DeliveryOrder, now: Timestamp) -> Self {
        Self {
            delivery: order.delivery,
            user: order.user,
            play: order.play.clone(),
            message: order.message.clone(),
            playbook: order.playbook.clone(),
            channel: order.channel,
            address: order.address.clone(),
            why: order.why.clone(),
            correlation: order.correlation.clone(),
            who: order.who.clone(),
            due_at: order.due_at,
            decided_at: order.decided_at,
            moment_ends_at: order.expires_at,
            revision: 1,
            worker: String::new(),
            status: Status::Waiting,
            changed_at: now,
            attempts: 0,
            doubtful: false,
            claimed_at: None,
            sent_at: None,
            answer: None,
            subject: None,
            text: None,
            receipts: Noted::default(),
        }
    }

    /// Whether the message is left as it is when one more attempt may have reached the provider.
    fn is_left_in_doubt(&self) -> bool {
        match policy(self.channel) {
            CrashPolicy::AtMostOnce => true,
            CrashPolicy::AtMostTwice => self.doubtful,
            CrashPolicy::AtLeastOnce => false,
        }
    }

    fn changed(&self, status: Status, now: Timestamp) -> Self {
        Self { revision: self.revision + 1, status, changed_at: now, ..self.clone() }
    }

    /// The record after the moment has passed: expired, unless it may have been sent before.
    pub(super) fn expired(&self, now: Timestamp) -> Self {
        self.changed(if self.doubtful { Status::Unconfirmed } else { Status::Expired }, now)
    }

    /// The record after this answer.
    pub(super) fn answered(&self, answer: Answer, last: bool, now: Timestamp) -> Self {
        let again = if last { Status::Failed } else { Status::Waiting };
        let status = match answer.class {
            AnswerClass::Sent => Status::Sent,
            AnswerClass::PermanentAddress | AnswerClass::PermanentMessage | AnswerClass::NotAllowed => Status::Refused,
            AnswerClass::Retryable | AnswerClass::Configuration => again,
            AnswerClass::Unknown if self.is_left_in_doubt() => Status::Unconfirmed,
            AnswerClass::Unknown => again,
        };
        Self {
            doubtful: self.doubtful || answer.class == AnswerClass::Unknown,
            sent_at: (status == Status::Sent).then_some(now),
            answer: Some(answer),
            ..self.changed(status, now)
        }
    }

    /// The record after this receipt; `None` when it says nothing new. What is known to have arrived was taken: that ends any
    /// doubt, so that it is not sent again.
    pub fn received(&self, receipt: &Receipt, now: Timestamp) -> Option<Self> {
        let mut noted = self.receipts.clone();
        let is_new = noted.note(receipt);
        let is_open = match self.standing(now) {
            Standing::Done(status) => status == Status::Unconfirmed,
            Standing::Free => self.doubtful,
            Standing::Abandoned => true,
            Standing::Held { .. } => false,
        };
        let settles = is_open && receipt.news.was_taken();
        if !is_new && !settles {
            return None;
        }
        let status = if settles { Status::Sent } else { self.status };
        let sent_at = if settles { Some(receipt.at) } else { self.sent_at };
        // Where it stands, it does since then: a receipt is no change of that.
        let changed_at = if settles { now } else { self.changed_at };
        Some(Self { status, sent_at, changed_at, receipts: noted, revision: self.revision + 1, ..self.clone() })
    }

    /// Whether only its provider's id leads from a receipt to the delivery: providers of these channels do not give back the
    /// delivery's own.
    pub fn found_by_provider_id(&self) -> Option<String> {
        let id = self.answer.as_ref().filter(|answer| answer.class == AnswerClass::Sent)?.provider_id.as_deref()?;
        self.channel_tells_provider_id().then(|| provider_key(self.channel, id))
    }

    const fn channel_tells_provider_id(&self) -> bool {
        matches!(self.channel, Channel::Email | Channel::Sms | Channel::Viber)
    }

    /// The record with the text that was sent, or would have been.
    pub(super) fn with_text(self, content: &Content) -> Self {
        let kept = |text: &str| Some(shortened(text, DELIVERY_TEXT_BYTES_KEPT_MAX).to_owned());
        let (subject, text) = content.subject_and_text();
        Self { subject: subject.and_then(kept), text: kept(&text), ..self }
    }

    /// Whether this is the very write of `other`.
    pub(super) fn is_written_by(&self, other: &Self) -> bool {
        self.worker == other.worker && self.revision == other.revision && self.status == other.status
    }

    /// When the record may be deleted (DynamoDB's TTL, in whole seconds). Longer than any queue keeps
    /// the message, so a repetition always finds it.
    pub fn expires_at_secs(&self) -> i64 {
        self.changed_at.plus(DELIVERY_RETENTION).as_secs()
    }

    /// The record as it is stored: JSON with its version.
    ///
    /// # Errors
    /// Never for a record of this program; the serializer's type allows it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        #[serde(tag = "v")]
        enum Borrowed<'a> {
            #[serde(rename = "1")]
            V1(&'a DeliveryRecord),
        }
        serde_json::to_string(&Borrowed::V1(self))
    }

    /// Reads a record of any version.
    ///
    /// # Errors
    /// When it is damaged, or of a version that this program does not know yet.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let Stored::V1(record) = serde_json::from_str(text)?;
        Ok(record)
    }
}
