//! What a client reports, in one model whatever client it came from.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::context::Context;
use crate::event_name::EventName;
use crate::identifiers::{InputId, UserKey};
use crate::money::Micros;
use crate::product::{Product, products_of, read_products};
use crate::time::Timestamp;

/// The name of the source that tells of redeemed promo codes. No client may have it: its write key is public, and
/// whoever knows it could tell of redemptions that never were.
pub const REDEMPTIONS: &str = "redeem";

/// The name of the source that tells of clicks and opened messages. No client may have it either, nor tell of what only
/// signed links can ([`EventName::is_of_links`]).
pub const LINKS: &str = "links";
/// The name of the source that tells what became of messages on the shop's pages. No client may have it, likewise.
pub const INBOX: &str = "inbox";
/// The name of the source of what the shop's server says with its secret key. No playbook can give a source this name, or
/// those below: names there have no hyphens.
pub const SHOP_SERVER: &str = "shop-server";
/// The name of the source of what people say by signed links: on the preferences page, by unsubscribing, by confirming.
pub const PREFERENCES: &str = "kairos-preferences";
/// The name of the source of what comes back for messages: keywords, bounces, complaints, what became of a message
/// ([`EventName::is_of_receipts`]).
pub const FEEDBACK: &str = "kairos-feedback";

/// One interaction of one user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "EventWire", into = "EventWire")]
pub struct Event {
    /// Recognises a repetition.
    pub id: InputId,
    /// When it happened, on the user's own clock corrected by the client's `sentAt`; never later
    /// than it was received.
    pub at: Timestamp,
    /// The source (write key's name) that it came through.
    pub source: String,
    /// The id under which the shop knows the user.
    pub user_id: Option<String>,
    /// The id of a visitor who may not have said who they are.
    pub anonymous_id: Option<String>,
    /// What happened.
    pub kind: EventKind,
    /// The client's context (page, campaign, device, locale …), as sent.
    pub context: Map<String, Value>,
    /// The products that the properties of a tracked event name, read once.
    pub products: Vec<Product>,
}

/// What happened: the calls of the Segment spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum EventKind {
    /// The user did something.
    Track {
        /// What they did.
        event: EventName,
        /// The details, as sent.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        properties: Map<String, Value>,
    },
    /// The user said who they are.
    Identify {
        /// What is known of them.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        traits: Map<String, Value>,
    },
    /// A page of the site was seen.
    Page {
        /// The page's name, when it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The details, as sent.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        properties: Map<String, Value>,
    },
    /// A screen of an app was seen.
    Screen {
        /// The screen's name, when it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The details, as sent.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        properties: Map<String, Value>,
    },
    /// The user belongs to a group (a company, a family).
    Group {
        /// The group's id.
        group_id: String,
        /// What is known of the group.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        traits: Map<String, Value>,
    },
    /// The user has had another id before.
    Alias {
        /// The earlier id.
        previous_id: String,
    },
}

impl Event {
    /// What it is worth, when it says so: `total`, `revenue` or `value`, as Segment's and GA4's orders say.
    pub fn worth(&self) -> Option<Micros> {
        crate::property::worth(self)
    }

    /// Whether whoever did this was on the shop's pages or in its app: not when a server tells of it.
    pub fn is_on_site(&self) -> bool {
        Context::of(&self.context).is_on_site(self)
    }

    /// An event whose products are read from its properties.
    pub fn new(
        id: InputId,
        at: Timestamp,
        source: String,
        user_id: Option<String>,
        anonymous_id: Option<String>,
        kind: EventKind,
        context: Map<String, Value>,
    ) -> Self {
        let products = match &kind {
            EventKind::Track { properties, .. } => products_of(properties),
            _ => Vec::new(),
        };
        Self { id, at, source, user_id, anonymous_id, kind, context, products }
    }

    /// Reads the products anew, from properties that have been changed.
    pub fn read_products(&mut self) {
        if let EventKind::Track { properties, .. } = &self.kind {
            self.products.clear();
            read_products(properties, &mut self.products);
        }
    }

    /// The actor it belongs to: the known user when there is one, else the visitor. `None` without
    /// either, which the edge refuses.
    pub fn user_key(&self) -> Option<UserKey> {
        self.user_id.as_deref().map(UserKey::known).or_else(|| self.anonymous_id.as_deref().map(UserKey::anonymous))
    }
}

/// The shape in which an event travels; products are read again rather than sent twice.
#[derive(Serialize, Deserialize)]
struct EventWire {
    id: InputId,
    at: Timestamp,
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<String>,
    #[serde(flatten)]
    kind: EventKind,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    context: Map<String, Value>,
}

impl From<EventWire> for Event {
    fn from(wire: EventWire) -> Self {
        Self::new(wire.id, wire.at, wire.source, wire.user_id, wire.anonymous_id, wire.kind, wire.context)
    }
}

impl From<Event> for EventWire {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            at: event.at,
            source: event.source,
            user_id: event.user_id,
            anonymous_id: event.anonymous_id,
            kind: event.kind,
            context: event.context,
        }
    }
}
