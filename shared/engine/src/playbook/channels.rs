//! The ways to reach somebody, and how the shop introduces itself on each.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::webhooks::{WebhookSettings, named_or_single};

/// How each channel introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// Email, when the shop uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailSettings>,
    /// SMS, when the shop uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsSettings>,
    /// The webhooks, by their names. Playbooks had one without a name before, which is read as [`SINGLE_WEBHOOK`].
    ///
    /// [`SINGLE_WEBHOOK`]: super::webhooks::SINGLE_WEBHOOK
    #[serde(
        default,
        alias = "webhook",
        deserialize_with = "named_or_single",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub webhooks: BTreeMap<String, WebhookSettings>,
    /// Telegram, when the shop uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telegram: Option<TelegramSettings>,
    /// Viber, when the shop uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viber: Option<ViberSettings>,
    /// WhatsApp, when the shop uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whatsapp: Option<WhatsappSettings>,
    /// Messages on the shop's own pages and in its app, when the shop uses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_site: Option<OnSiteSettings>,
    /// Notifications in browsers, when the shop uses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_push: Option<WebPushSettings>,
    /// Notifications of the shop's app, when the shop uses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile_push: Option<MobilePushSettings>,
}

impl ChannelSettings {
    /// Whether the shop has set this channel up.
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.email.is_some(),
            Channel::Sms => self.sms.is_some(),
            Channel::Webhook => !self.webhooks.is_empty(),
            Channel::Telegram => self.telegram.is_some(),
            Channel::Viber => self.viber.is_some(),
            Channel::Whatsapp => self.whatsapp.is_some(),
            Channel::OnSite => self.on_site.is_some(),
            Channel::WebPush => self.web_push.is_some(),
            Channel::MobilePush => self.mobile_push.is_some(),
        }
    }

    /// The webhook of this name, with its name; without a name, the only one there is.
    pub fn webhook(&self, name: Option<&str>) -> Option<(&str, &WebhookSettings)> {
        let (name, webhook) = match name {
            Some(name) => self.webhooks.get_key_value(name)?,
            None if self.webhooks.len() == 1 => self.webhooks.first_key_value()?,
            None => return None,
        };
        Some((name, webhook))
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
    /// Which service sends it first.
    #[serde(default, skip_serializing_if = "SmsProvider::is_usual")]
    pub provider: SmsProvider,
    /// Which one sends what the first one could not take; never what it perhaps took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<SmsProvider>,
    /// The number, sender id or pool of AWS End User Messaging that it comes from; the sender id without it. SNS takes a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origination_identity: Option<String>,
    /// The configuration set of AWS End User Messaging, by which receipts come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_set: Option<String>,
    /// What an SMS may cost at most, all segments together, in US dollars, as in `0.10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price: Option<String>,
}

/// A service that sends SMS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmsProvider {
    /// Amazon SNS.
    #[default]
    Sns,
    /// AWS End User Messaging.
    EndUserMessaging,
}

impl SmsProvider {
    /// Every provider, with its name in files.
    pub const ALL: [(&str, Self); 2] = [("sns", Self::Sns), ("end_user_messaging", Self::EndUserMessaging)];

    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sns => "sns",
            Self::EndUserMessaging => "end_user_messaging",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// How the shop's Telegram bot writes. Which bot it is, its token says, which stands in no file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelegramSettings {
    /// Messages come without a sound (`disable_notification`).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub silent: bool,
}

/// How the shop's Viber bot introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViberSettings {
    /// The sender's name (`sender.name`, at most 28 characters).
    pub sender: String,
    /// The link of the sender's picture (`sender.avatar`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
}

/// The number that WhatsApp messages come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatsappSettings {
    /// The id that Meta gave the business phone number.
    pub phone_number_id: String,
    /// The version of the Graph API, such as `v25.0`.
    #[serde(default = "WhatsappSettings::usual_version")]
    pub api_version: String,
}

impl WhatsappSettings {
    /// The version that is called where a playbook names none.
    pub fn usual_version() -> String {
        "v25.0".into()
    }
}

/// Who may see messages on the shop's own pages and in its app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnSiteSettings {
    /// Whether messages of a known user are only given to who proves to be that user. Whoever has a write key, which is
    /// public, can say to be anybody.
    pub verify_identity: bool,
}

impl Default for OnSiteSettings {
    fn default() -> Self {
        Self { verify_identity: true }
    }
}

/// How the shop shows itself to push services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebPushSettings {
    /// Whom a push service can ask when something is wrong: `mailto:` or `https:` (RFC 8292, section 2.1).
    pub contact: String,
}

/// The shop's app, as SNS knows it: the platform applications (<https://docs.aws.amazon.com/sns/latest/dg/mobile-push-send-register.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MobilePushSettings {
    /// The ARN of the application for Apple's push service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apns: Option<String>,
    /// The same for development builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apns_sandbox: Option<String>,
    /// The ARN of the application for Google's push service (Firebase).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fcm: Option<String>,
}

impl MobilePushSettings {
    /// The ARN of the application for a platform.
    pub fn application(&self, platform: MobilePlatform) -> Option<&str> {
        match platform {
            MobilePlatform::Apns => self.apns.as_deref(),
            MobilePlatform::ApnsSandbox => self.apns_sandbox.as_deref(),
            MobilePlatform::Fcm => self.fcm.as_deref(),
        }
    }
}

/// A push service of phones and tablets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum MobilePlatform {
    /// Apple's.
    #[n(0)]
    Apns,
    /// Apple's, for development builds.
    #[n(1)]
    ApnsSandbox,
    /// Google's Firebase Cloud Messaging.
    #[n(2)]
    Fcm,
}

impl MobilePlatform {
    /// Every platform, with its name in files.
    pub const ALL: [(&str, Self); 3] = [("apns", Self::Apns), ("apns_sandbox", Self::ApnsSandbox), ("fcm", Self::Fcm)];

    /// Its name in SNS: in ARNs and messages.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Apns => "APNS",
            Self::ApnsSandbox => "APNS_SANDBOX",
            Self::Fcm => "GCM",
        }
    }
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
    /// A Telegram bot; the address is the id of the private chat with the user.
    #[n(3)]
    Telegram,
    /// A Viber bot; the address is the id that Viber gave the bot for the user.
    #[n(4)]
    Viber,
    /// WhatsApp; the address is a phone number in E.164 form.
    #[n(5)]
    Whatsapp,
    /// On the shop's own pages or in its app, while the user is there; the address is the user's or visitor's id.
    #[n(6)]
    OnSite,
    /// Notifications in the user's browsers; the address is the user's or visitor's id, those of the browsers stand in the
    /// user's state.
    #[n(7)]
    WebPush,
    /// Notifications of the shop's app; the address is the user's or visitor's id, the tokens of devices stand in the user's
    /// state.
    #[n(8)]
    MobilePush,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 9] = [
        Self::Email,
        Self::Sms,
        Self::Webhook,
        Self::Telegram,
        Self::Viber,
        Self::Whatsapp,
        Self::OnSite,
        Self::WebPush,
        Self::MobilePush,
    ];
    /// Every channel that needs an address of the user's own. The webhook and the site are the shop's.
    pub const PERSONAL: [Self; 7] =
        [Self::Email, Self::Sms, Self::Telegram, Self::Viber, Self::Whatsapp, Self::WebPush, Self::MobilePush];

    /// Its name in files, records and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Webhook => "webhook",
            Self::Telegram => "telegram",
            Self::Viber => "viber",
            Self::Whatsapp => "whatsapp",
            Self::OnSite => "on_site",
            Self::WebPush => "web_push",
            Self::MobilePush => "mobile_push",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
