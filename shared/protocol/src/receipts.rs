//! What comes back for a message: its provider tells that it has arrived, was read, or never will; its receiver answers STOP,
//! or blocks the shop's bot.
//!
//! ```text
//! SES, AWS End User Messaging ──topics──┐
//! Telegram, Viber, WhatsApp ─callbacks──┼──▶ feedback queue ──▶ receipt ──▶ the suppression list, where an address is dead
//! delivery (refused for its address) ───┘                          │
//!                                                                  ├──▶ its delivery's record: find, tell, note
//!                                                                  └──▶ the user's mailbox: an event
//! ```
//!
//! **In this order.** First the list, then the user's mailbox, then the record. The record is what a repetition is told by, so
//! it comes last: whatever is interrupted is done again, and the input's id is derived from delivery and event, so that the
//! mailbox recognises it.
//!
//! **Which delivery.** Email and WhatsApp give back the delivery's own id. Viber gives back only its
//! own, and so do SES's older notifications: for those the record's item carries the provider's id, by which an index finds
//! it. That index is sparse (channels that need none are not in it), has keys only, and costs one write per message; an item
//! of its own would cost the same and could be missing after a crash.
//!
//! **What a user hears of.** An input costs about two dollars a million (a queue's message, a run, a write). Bad news is rare and
//! matters always: it becomes an event of its user. That a message was delivered or read is most of all receipts, and becomes
//! one only when the playbook in force asks for such events; the record has it in any case.

use kairos_engine::bounds::RECEIPT_TEXT_BYTES_MAX;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::event::{Event, EventKind, FEEDBACK};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{DeliveryId, InputId};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::{Channel, Playbook};
use kairos_engine::product::shortened;
use kairos_engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::delivery::{Answer, AnswerClass, DeliveryRecord, Outcome, Report, SUPPRESSED, Status};

#[cfg(test)]
mod tests;

/// A message of the feedback queue that a function of ours has put there. (What the stack's topics put there has their form.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum FeedbackMessage {
    /// The first version.
    #[serde(rename = "1")]
    V1 {
        /// What came back.
        receipt: Receipt,
    },
}

/// One piece of news, in one form whatever provider it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Recognises a repetition.
    pub id: String,
    /// Of which channel.
    pub channel: Channel,
    /// When it happened, by the provider's clock.
    pub at: Timestamp,
    /// What happened.
    pub news: News,
    /// For which delivery, when the provider gives its id back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// What the provider calls the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// At which address, when the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The provider's code for why; names no person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// What happened to a message, or at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// The provider has taken it.
    Accepted,
    /// It has arrived.
    Delivered,
    /// It was read.
    Read,
    /// It has not arrived yet, and may still.
    Delayed,
    /// It came back for now: a full mailbox, a server that is out of order. The address is not dead.
    Bounced,
    /// It will not arrive, and that says nothing of the address.
    Failed,
    /// The address is dead: from now on nothing goes there.
    Dead {
        /// Why.
        reason: SuppressionReason,
    },
    /// The address lives again: its owner has taken back what made it dead.
    Alive,
    /// Its owner wants no more marketing on the channel, and says nothing of the rest.
    MarketingRefused,
    /// Its owner wants marketing again.
    MarketingGiven,
    /// Its owner has written something.
    Said {
        /// What; cut to what a keyword may be long.
        text: String,
    },
}

impl News {
    /// Its name in counters.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "receipt_accepted",
            Self::Delivered => "receipt_delivered",
            Self::Read => "receipt_read",
            Self::Delayed => "receipt_delayed",
            Self::Bounced => "receipt_bounced",
            Self::Failed => "receipt_failed",
            Self::Dead { reason: SuppressionReason::HardBounce } => "receipt_hard_bounce",
            Self::Dead { reason: SuppressionReason::Complaint } => "receipt_complaint",
            Self::Dead { .. } => "receipt_stop",
            Self::Alive => "receipt_alive",
            Self::MarketingRefused => "receipt_marketing_refused",
            Self::MarketingGiven => "receipt_marketing_given",
            Self::Said { .. } => "receipt_said",
        }
    }

    /// Whether the message will not arrive, or was not wanted.
    pub const fn is_bad(&self) -> bool {
        matches!(self, Self::Failed | Self::Dead { .. } | Self::MarketingRefused)
    }

    /// Whether it proves that the provider had taken the message. A refusal does not: `delivery` tells of those by the same
    /// way.
    pub(crate) const fn was_taken(&self) -> bool {
        matches!(self, Self::Accepted | Self::Delivered | Self::Read)
    }
}

impl Receipt {
    /// A receipt with nothing but what every one has.
    pub fn new(id: &str, channel: Channel, at: Timestamp, news: News) -> Self {
        let id = bounded(id);
        Self { id, channel, at, news, delivery: None, provider_id: None, address: None, code: None }
    }

    /// The same for the delivery with this id; for none when that is no id of ours.
    #[must_use]
    pub fn for_delivery(self, delivery: Option<&str>) -> Self {
        Self { delivery: delivery.and_then(DeliveryId::parse), ..self }
    }

    /// The same for what its provider calls so.
    #[must_use]
    pub fn for_provider_id(self, id: Option<&str>) -> Self {
        Self { provider_id: id.map(bounded), ..self }
    }

    /// The same at this address.
    #[must_use]
    pub fn at_address(self, address: Option<&str>) -> Self {
        Self { address: address.map(bounded), ..self }
    }

    /// The same with the provider's code.
    #[must_use]
    pub fn with_code(self, code: Option<&str>) -> Self {
        Self { code: code.map(bounded), ..self }
    }

    /// What is to be told of a message that `delivery` could not send for its address: to put the address on the list, and to
    /// tell the user. Of one that had ended so before it is the same again, in case it was not told then.
    pub fn of_refusal(report: &Report, at: Timestamp) -> Option<Self> {
        let (delivery, channel, answer) = (report.delivery?, report.channel?, report.answer.as_ref()?);
        // A try of the shop's own is about nobody.
        if report.is_test || !matches!(report.outcome, Outcome::Refused | Outcome::AlreadyDone(Status::Refused)) {
            return None;
        }
        let news = refused(channel, answer)?;
        let receipt = Self::new(&format!("{delivery}/refused"), channel, at, news).with_code(Some(&answer.code));
        Some(Self { delivery: Some(delivery), ..receipt })
    }

    /// Whether it tells of an address that was on the suppression list when a message was to be sent there.
    pub fn is_on_the_list(&self) -> bool {
        self.code.as_deref() == Some(SUPPRESSED)
    }

    /// The event that the user of its delivery hears; none of what is only counted.
    pub fn event(&self, record: &DeliveryRecord) -> Option<EventName> {
        let is_email = record.channel == Channel::Email && record.status != Status::Refused;
        Some(match (&self.news, is_email) {
            (News::Delivered, true) => EventName::EmailDelivered,
            (News::Delivered, false) => EventName::MessageDelivered,
            (News::Read, _) => EventName::MessageRead,
            (News::Dead { reason: SuppressionReason::HardBounce }, true) => EventName::EmailBounced,
            (News::Dead { reason: SuppressionReason::Complaint }, true) => EventName::EmailMarkedAsSpam,
            (News::Dead { .. } | News::Failed | News::MarketingRefused, _) => EventName::MessageFailed,
            (
                News::Accepted | News::Delayed | News::Bounced | News::Alive | News::MarketingGiven | News::Said { .. },
                _,
            ) => return None,
        })
    }

    /// What the user of its delivery is told. The same event of a delivery is always the same message, whoever tells it how
    /// often.
    pub fn tells(&self, record: &DeliveryRecord, event: EventName, now: Timestamp) -> MailboxMessage {
        let known = [
            ("channel", json!(record.channel)),
            ("play", json!(record.play)),
            ("message", json!(record.message)),
            ("delivery_id", json!(record.delivery)),
        ];
        let code = self.code.as_ref().map(|code| ("code", json!(code)));
        let properties: Map<String, Value> =
            known.into_iter().chain(code).map(|(name, value)| (name.to_owned(), value)).collect();
        let id = InputId::of_message(FEEDBACK, &format!("{}/{event}", record.delivery));
        let kind = EventKind::Track { event, properties };
        // The mailbox says whose it is; who they are stands nowhere here.
        let event = Event::new(id, self.at.min(now), FEEDBACK.to_owned(), None, None, kind, Map::new());
        MailboxMessage::of_inputs(record.user, vec![Input::event(event)])
    }
}

/// Whether a user is to hear of this event: always of bad news, of the rest when the playbook asks for it anywhere; also of what
/// was read, when a step sends on the channel that its user answers to most.
///
/// The names are looked for in the playbook's text as it is stored. That finds every condition; a message that shows such a name
/// in quotes only costs some inputs.
pub fn matters(event: &EventName, playbook: &Playbook) -> bool {
    match event {
        EventName::MessageRead if playbook.asks_for_engagement() => true,
        EventName::EmailDelivered | EventName::MessageDelivered | EventName::MessageRead => {
            serde_json::to_string(playbook).is_ok_and(|text| text.contains(&format!("\"{event}\"")))
        }
        _ => true,
    }
}

/// What an answer says of the address, when it does.
fn refused(channel: Channel, answer: &Answer) -> Option<News> {
    let dead = |reason| Some(News::Dead { reason });
    let detail = answer.detail.as_deref().unwrap_or_default().to_ascii_lowercase();
    if answer.class == AnswerClass::NotAllowed && answer.code == SUPPRESSED {
        return dead(SuppressionReason::parse(&detail)?);
    }
    if answer.class != AnswerClass::PermanentAddress {
        return None;
    }
    match (channel, answer.code.as_str()) {
        (Channel::Email, _) => dead(SuppressionReason::HardBounce),
        // Its owner has opted out with the carrier or with AWS, which is a STOP that we did not hear.
        (Channel::Sms, code) if code.contains("OptedOut") || code.contains("OPTED_OUT") || detail.contains("opted") => {
            dead(SuppressionReason::Stop)
        }
        (Channel::Sms, _) => dead(SuppressionReason::HardBounce),
        (Channel::Telegram, "403") if !detail.contains("deactivated") => dead(SuppressionReason::Stop),
        (Channel::Telegram, _) | (Channel::Viber, "5") => dead(SuppressionReason::HardBounce),
        (Channel::Viber, "6") => dead(SuppressionReason::Stop),
        (Channel::Whatsapp, "131026") => dead(SuppressionReason::HardBounce),
        (Channel::Whatsapp, "131050") => Some(News::MarketingRefused),
        // A phone or a country that does not go with this message; the shop's own endpoint; the site.
        _ => None,
    }
}

fn bounded(text: &str) -> String {
    shortened(text, RECEIPT_TEXT_BYTES_MAX).to_owned()
}

/// What a delivery's record keeps of its receipts: when each kind of news was first heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// It has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// It was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// It came back for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounced_at: Option<Timestamp>,
    /// It will not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// Its receiver has called it unwanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complained_at: Option<Timestamp>,
    /// The provider's last code for why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Noted {
    /// Whether nothing came back.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Notes a receipt; says whether it is the first of its kind.
    fn note_first(&mut self, receipt: &Receipt) -> Option<bool> {
        let kept = match receipt.news {
            News::Delivered => &mut self.delivered_at,
            News::Read => &mut self.read_at,
            News::Bounced => &mut self.bounced_at,
            News::Dead { reason: SuppressionReason::Complaint } => &mut self.complained_at,
            News::Failed | News::Dead { .. } | News::MarketingRefused => &mut self.failed_at,
            News::Accepted | News::Delayed | News::Alive | News::MarketingGiven | News::Said { .. } => return None,
        };
        let is_first = kept.is_none();
        kept.get_or_insert(receipt.at);
        Some(is_first)
    }

    /// Notes a receipt; says whether that has changed anything.
    pub(crate) fn note(&mut self, receipt: &Receipt) -> bool {
        let is_first = self.note_first(receipt).unwrap_or_default();
        if is_first && receipt.code.is_some() {
            self.code.clone_from(&receipt.code);
        }
        is_first
    }
}
