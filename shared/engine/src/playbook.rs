//! The compiled playbook: what a folder of reviewed files becomes when it is published. Typed and
//! closed, so that what it can do is known before a customer is waiting.
//!
//! This is what is stored and travels; [`crate::program::Program`] is what runs.

mod channels;
mod condition;
mod consent;
mod conversions;
mod links;
mod message;
mod on_site;
mod outline;
mod pattern;
mod play;
mod promotion;
mod push;
mod rules;
mod webhooks;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

pub use channels::{
    Channel, ChannelSettings, EmailSettings, MobilePlatform, MobilePushSettings, OnSiteSettings, SmsProvider,
    SmsSettings, TelegramSettings, ViberSettings, WebPushSettings, WhatsappSettings,
};
pub use condition::{CartTest, Condition, ContextFact, HabitSlot, HabitTest, LocalHours, ReachTest, Weekdays};
pub use consent::{ChannelConsent, ConsentSettings, OptIn, Purpose, Wording};
pub use conversions::{
    Attribution, AttributionModel, ConversionValue, Conversions, Funnel, FunnelSplit, FunnelStep, MacroConversion,
    MessageTouch, MicroConversion, after_within, is_one_of,
};
pub use links::{AppLink, Destination, LinkSettings, PageOrPlace, Utm, host};
pub use message::{ChatTemplate, EmailTemplate, LinkButton, LocalizedMessage, Message, SmsTemplate, WhatsappTemplate};
pub use on_site::{OnSiteKind, OnSiteMessage, OnSitePosition};
pub use pattern::{EventMatch, EventPattern, ProductField, Property, PropertyFilter, TraitValue, ValueTest};
pub use play::{
    Cap, CatalogueTest, Change, ChannelOrder, Entry, Goal, InQuietHours, Interest, Play, Schedule, Share, Step,
    Trigger, Variant,
};
pub use promotion::{Discount, Holder, Promotion};
pub use push::{PushMessage, Urgency};
pub use rules::{
    ChannelCap, Evidence, Moment, MomentSettings, Moments, Place, PlaceSelector, Policy, Readiness, ReadinessTerm,
    ReadinessValue, Segment,
};
pub use webhooks::{
    SINGLE_WEBHOOK, WebhookHeader, WebhookSettings, WebhookTemplate, is_header_name, is_header_value, is_refused_header,
};

use crate::name::Name;
use crate::time::Timestamp;

/// The content hash of a compiled playbook.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlaybookVersion(pub String);

impl fmt::Display for PlaybookVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything a shop has told Kairos to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Playbook {
    /// The hash of everything below but what whoever publishes fills in; empty until it is compiled.
    #[serde(default)]
    pub version: PlaybookVersion,
    /// Where events may come from.
    pub sources: Vec<Source>,
    /// How each channel introduces itself.
    pub channels: ChannelSettings,
    /// What holds for all plays.
    #[serde(default)]
    pub policy: Policy,
    /// Which interactions are evidence of which moment.
    #[serde(default)]
    pub moments: Moments,
    /// The shop's places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// Groups of users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// What to do when.
    pub plays: Vec<Play>,
    /// What to say, by name.
    pub messages: BTreeMap<String, Message>,
    /// How the shop asks for consent; without it, who has not refused gets messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentSettings>,
    /// What promo codes are good for, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub promotions: BTreeMap<String, Promotion>,
    /// What becomes of links in messages; they stay as they stand without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<LinkSettings>,
    /// What the shop counts as success, and the ways that lead there.
    #[serde(default, skip_serializing_if = "Conversions::is_empty")]
    pub conversions: Conversions,
    /// Since when each register is watched, by its id in hexadecimal: filled in by whoever publishes, from
    /// the playbook before. A register that is not named was there from the beginning.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub watched_since: BTreeMap<String, Timestamp>,
    /// Segments that playbooks before had and this one has not: filled in by whoever publishes, so that those who
    /// were in them leave them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired_segments: Vec<Name>,
}

/// A place that events come from, with its public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The source's name, as reports show it.
    pub name: String,
    /// Its write key: public, can only write.
    pub write_key: String,
}

impl Playbook {
    /// Reads what was published. Here, because functions are built for size and the engine for speed: each start does this.
    ///
    /// # Errors
    /// When it is no playbook of this version of Kairos.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The play with this name.
    pub fn play(&self, name: &str) -> Option<&Play> {
        self.plays.iter().find(|play| play.name == name)
    }

    /// What marketing on a channel needs.
    pub fn opt_in(&self, channel: Channel) -> OptIn {
        self.consent.as_ref().map_or(OptIn::Implied, |consent| consent.opt_in(channel))
    }

    /// What a message is for.
    pub fn purpose(&self, message: &str) -> Purpose {
        self.messages.get(message).map_or(Purpose::Marketing, |message| message.purpose)
    }

    /// The segment with this name.
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name == name)
    }
}
