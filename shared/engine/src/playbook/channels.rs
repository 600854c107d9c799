//! The ways to reach somebody, and how the shop introduces itself on each.

use alloc::string::String;
use core::fmt;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

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
