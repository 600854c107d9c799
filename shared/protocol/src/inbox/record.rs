//! What is kept of a message in an inbox.

use kairos_engine::bounds::INBOX_RETENTION;
use kairos_engine::event::{Event, EventKind, INBOX};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{DeliveryId, InputId, UserKey};
use kairos_engine::mailbox::{DeliveryOrder, Input, MailboxMessage};
use kairos_engine::playbook::OnSiteMessage;
use kairos_engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

/// A message as it waits in an inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboxMessage {
    /// Which.
    pub delivery: DeliveryId,
    /// Whose.
    pub user: UserKey,
    /// The play that decided it.
    pub play: String,
    /// The message of the playbook.
    pub message: String,
    /// The language it is written in, as a BCP 47 tag.
    pub language: String,
    /// The play's priority: of several messages the one with the highest is shown first.
    pub priority: i32,
    /// When it came here.
    pub sent_at: Timestamp,
    /// When its moment has passed.
    pub expires_at: Timestamp,
    /// What is shown.
    pub shown: OnSiteMessage,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was seen.
    Seen,
    /// Its button was followed.
    Clicked,
    /// It was closed.
    Dismissed,
}

impl Mark {
    /// Everything that can become of one.
    pub const ALL: [Self; 3] = [Self::Seen, Self::Clicked, Self::Dismissed];

    /// Its name in addresses and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Clicked => "clicked",
            Self::Dismissed => "dismissed",
        }
    }

    /// The event that tells of it, named as Segment's spec names events: what, then what was done with it.
    pub const fn event(self) -> &'static str {
        match self {
            Self::Seen => "On-site Message Seen",
            Self::Clicked => "On-site Message Clicked",
            Self::Dismissed => "On-site Message Dismissed",
        }
    }
}

/// A message with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The message.
    pub message: InboxMessage,
    /// When it was first seen.
    pub seen_at: Option<Timestamp>,
    /// When its button was first followed.
    pub clicked_at: Option<Timestamp>,
    /// When it was first closed.
    pub dismissed_at: Option<Timestamp>,
}

impl Kept {
    /// A message of which nothing has become yet.
    pub const fn new(message: InboxMessage) -> Self {
        Self { message, seen_at: None, clicked_at: None, dismissed_at: None }
    }

    /// Whether this became of it.
    pub const fn has(&self, mark: Mark) -> bool {
        match mark {
            Mark::Seen => self.seen_at.is_some(),
            Mark::Clicked => self.clicked_at.is_some(),
            Mark::Dismissed => self.dismissed_at.is_some(),
        }
    }

    /// Whether it can still be shown.
    pub fn is_open(&self, now: Timestamp) -> bool {
        !self.has(Mark::Clicked) && !self.has(Mark::Dismissed) && now < self.message.expires_at
    }
}

#[derive(Serialize)]
#[serde(tag = "v")]
enum ToStore<'m> {
    #[serde(rename = "1")]
    V1(&'m InboxMessage),
}

#[derive(Deserialize)]
#[serde(tag = "v")]
enum Stored {
    #[serde(rename = "1")]
    V1(InboxMessage),
}

impl InboxMessage {
    /// The message of an order, as it comes into the inbox now. It waits for [`INBOX_RETENTION`] at most.
    pub fn of(order: &DeliveryOrder, shown: OnSiteMessage, language: String, priority: i32, now: Timestamp) -> Self {
        Self {
            delivery: order.delivery,
            user: order.user,
            play: order.play.clone(),
            message: order.message.clone(),
            language,
            priority,
            sent_at: now,
            expires_at: order.expires_at.min(now.plus(INBOX_RETENTION)),
            shown,
        }
    }

    /// What its user's mailbox is told when this became of it. Whenever that is told, it is the same input.
    pub fn became(&self, mark: Mark, now: Timestamp) -> MailboxMessage {
        let properties = [
            ("delivery_id", json!(self.delivery)),
            ("play", json!(self.play)),
            ("message", json!(self.message)),
            ("kind", json!(self.shown.kind)),
        ];
        let properties: Map<_, _> = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let id = InputId::of_message(INBOX, &format!("{}/{}", self.delivery, mark.as_str()));
        // The mailbox says whose it is; who they are stands nowhere here.
        let kind = EventKind::Track { event: EventName::parse(mark.event()), properties };
        let event = Event::new(id, now, INBOX.to_owned(), None, None, kind, Map::new());
        MailboxMessage::of_inputs(self.user, vec![Input::event(event)])
    }

    /// The message as it is stored: JSON with its version.
    ///
    /// # Errors
    /// Never for a message of this program; the serializer's type allows it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&ToStore::V1(self))
    }

    /// Reads a message of any version.
    ///
    /// # Errors
    /// When it is damaged, or of a version that this program does not know yet.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let Stored::V1(message) = serde_json::from_str(text)?;
        Ok(message)
    }
}
