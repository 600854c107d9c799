//! Messages: Liquid templates by language and channel.

use alloc::collections::BTreeMap;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use super::Channel;

/// A message: templates by language and channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The language used when the user's own is not there.
    pub default_locale: String,
    /// The templates by language (lower-case BCP 47 tag).
    pub locales: BTreeMap<String, LocalizedMessage>,
    /// The promotion of which each of these messages shows a code of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<String>,
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
