//! The compiled playbook: what a folder of reviewed files becomes when it is published. Typed and
//! closed, so that what it can do is known before a customer is waiting.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::event::{Event, EventKind};
use crate::event_name::EventName;
use crate::time::Span;

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
    /// The hash of everything below; empty until it is compiled.
    #[serde(default)]
    pub version: PlaybookVersion,
    /// Where events may come from.
    pub sources: Vec<Source>,
    /// How each channel introduces itself.
    pub channels: ChannelSettings,
    /// What to do when.
    pub plays: Vec<Play>,
    /// What to say, by name.
    pub messages: BTreeMap<String, Message>,
}

/// A place that events come from, with its public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The source's name, as reports show it.
    pub name: String,
    /// Its write key: public, can only write.
    pub write_key: String,
}

/// How each channel introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// Email, when the shop uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailSettings>,
    /// SMS, when the shop uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsSettings>,
    /// The generic webhook, when the shop uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSettings>,
}

impl ChannelSettings {
    /// Whether the shop has set this channel up.
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.email.is_some(),
            Channel::Sms => self.sms.is_some(),
            Channel::Webhook => self.webhook.is_some(),
        }
    }
}

/// The sender of emails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailSettings {
    /// The From address, as in `Shop <hello@shop.example>`; its domain is verified in SES.
    pub from: String,
    /// Where answers go, when not to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// The sender of SMS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsSettings {
    /// The sender id shown on the phone, where the country allows one (at most 11 letters and digits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_id: Option<String>,
}

/// Where generic webhooks go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSettings {
    /// The address that receives them.
    pub url: String,
}

/// A way to reach somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Channel {
    /// Email; the address is an email address.
    #[n(0)]
    Email,
    /// SMS; the address is a phone number in E.164 form.
    #[n(1)]
    Sms,
    /// A signed HTTP request to the shop's own endpoint; the address is the user's id.
    #[n(2)]
    Webhook,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::Webhook];

    /// Its name in files, records and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A campaign: when, to whom, what, and how often at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Play {
    /// Its name in files, state and records: never reused for another play.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What starts it.
    pub trigger: Trigger,
    /// Who must be true of the user when it starts.
    #[serde(default)]
    pub who: Condition,
    /// What must not be true of the user when it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<Condition>,
    /// Whether a user may pass through it again.
    #[serde(default)]
    pub entry: Entry,
    /// How long after it was due the moment is still worth a message.
    pub valid_for: Span,
    /// How often at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
    /// What happens then, in order.
    pub steps: Vec<Step>,
}

/// What starts a play.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Something happens.
    Event(Vec<EventPattern>),
    /// Something happens, and then something else does not.
    Absence {
        /// What starts (and restarts) the wait, while `who` holds.
        after: Vec<EventPattern>,
        /// What ends the wait without a message.
        of: Vec<EventPattern>,
        /// How long to wait.
        wait: Span,
    },
}

/// Which events are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventPattern {
    /// A tracked event by name.
    Track(EventName),
    /// An `identify` call.
    Identify,
    /// A `page` call.
    Page,
    /// A `screen` call.
    Screen,
    /// A `group` call.
    Group,
}

impl EventPattern {
    /// Whether this event is meant.
    pub fn matches(&self, event: &Event) -> bool {
        match (self, &event.kind) {
            (Self::Track(name), EventKind::Track { event, .. }) => name == event,
            (Self::Identify, EventKind::Identify { .. })
            | (Self::Page, EventKind::Page { .. })
            | (Self::Screen, EventKind::Screen { .. })
            | (Self::Group, EventKind::Group { .. }) => true,
            _ => false,
        }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Track(name) => name.as_str(),
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
        })
    }
}

/// Whether a user may pass through a play again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Every time it is triggered.
    #[default]
    EveryTime,
    /// Once in the user's life.
    Once,
}

/// At most so many messages of this play in a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// How many.
    pub at_most: u32,
    /// In how long.
    pub per: Span,
}

/// One thing a play does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Send a message on the first of these channels that the user has an address for.
    Send {
        /// The message's name.
        message: String,
        /// Preferred first.
        channels: Vec<Channel>,
    },
}

/// What must be true of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Each of these.
    All(Vec<Condition>),
    /// At least one of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// The cart is so.
    Cart(CartTest),
    /// The user can be reached so.
    Reachable(ReachTest),
    /// A trait is so.
    Trait {
        /// The trait's name, as clients send it.
        name: String,
        /// What it must be.
        is: TraitTest,
    },
}

impl Default for Condition {
    /// True of everybody.
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// What the cart must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartTest {
    /// Something is in it.
    NotEmpty,
    /// Nothing is in it.
    Empty,
}

/// How the user can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReachTest {
    /// By any channel that needs an address of the user's own (email, SMS).
    Anyhow,
    /// By this channel.
    By(Channel),
}

/// What a trait must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraitTest {
    /// Known at all.
    Known,
    /// Exactly this.
    Equal(TraitValue),
    /// A time longer ago than this.
    OlderThan(Span),
}

/// A trait's value, as far as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(untagged)]
pub enum TraitValue {
    /// Yes or no.
    #[n(0)]
    Flag(#[n(0)] bool),
    /// A number.
    #[n(1)]
    Number(#[n(0)] f64),
    /// A text; times are texts.
    #[n(2)]
    Text(#[n(0)] String),
}

/// A message: templates by language and channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The language used when the user's own is not there.
    pub default_locale: String,
    /// The templates by language (lower-case BCP 47 tag).
    pub locales: BTreeMap<String, LocalizedMessage>,
}

impl Message {
    /// The templates for a user's language: that language, its base (`pt-br` → `pt`), the default.
    pub fn localized(&self, locale: Option<&str>) -> Option<&LocalizedMessage> {
        let wanted = locale.map(|tag| tag.replace('_', "-").to_ascii_lowercase());
        let wanted = wanted.as_deref();
        wanted
            .and_then(|tag| self.locales.get(tag))
            .or_else(|| self.locales.get(wanted?.split('-').next()?))
            .or_else(|| self.locales.get(&self.default_locale))
    }
}

/// A message's templates in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalizedMessage {
    /// As an email.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailTemplate>,
    /// As an SMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsTemplate>,
    /// As a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookTemplate>,
}

impl LocalizedMessage {
    /// Whether there is something to say on this channel.
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.email.is_some(),
            Channel::Sms => self.sms.is_some(),
            Channel::Webhook => self.webhook.is_some(),
        }
    }
}

/// An email, as Liquid templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailTemplate {
    /// The subject line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// An SMS, as a Liquid template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsTemplate {
    /// The text.
    pub text: String,
}

/// A webhook, as Liquid templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTemplate {
    /// A text that travels beside the data (the receiver also gets user, play and cart as JSON).
    pub text: String,
}

impl Playbook {
    /// The play with this name.
    pub fn play(&self, name: &str) -> Option<&Play> {
        self.plays.iter().find(|play| play.name == name)
    }

    /// The traits that conditions ask for: no others are remembered.
    pub fn traits_used(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for play in &self.plays {
            play.who.traits_used(&mut names);
            if let Some(unless) = &play.unless {
                unless.traits_used(&mut names);
            }
        }
        names
    }
}

impl Condition {
    fn traits_used<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.traits_used(names)),
            Self::Not(part) => part.traits_used(names),
            Self::Trait { name, .. } => {
                names.insert(name);
            }
            Self::Cart(_) | Self::Reachable(_) => {}
        }
    }
}
