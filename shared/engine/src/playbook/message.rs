//! Messages: Liquid templates by language and channel.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{Channel, OnSiteMessage, Purpose, PushMessage, WebhookTemplate};

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
    /// What it is for.
    #[serde(default, skip_serializing_if = "Purpose::is_marketing")]
    pub purpose: Purpose,
    /// Whether nobody gets it for whom all lists of products that it shows are empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_products: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Message {
    /// The templates for a user's language: that language, its base (`pt-br` → `pt`), the default.
    pub fn localized(&self, locale: Option<&str>) -> Option<&LocalizedMessage> {
        self.language_for(locale).map(|(_, templates)| templates)
    }

    /// As [`Self::localized`], with the language that the templates are written in.
    pub fn language_for(&self, locale: Option<&str>) -> Option<(&str, &LocalizedMessage)> {
        let wanted = locale.map(|tag| tag.replace('_', "-").to_ascii_lowercase());
        let wanted = wanted.as_deref();
        let found = wanted
            .and_then(|tag| self.locales.get_key_value(tag))
            .or_else(|| self.locales.get_key_value(wanted?.split('-').next()?))
            .or_else(|| self.locales.get_key_value(&self.default_locale));
        found.map(|(language, templates)| (language.as_str(), templates))
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
    /// As a message of a Telegram bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telegram: Option<ChatTemplate>,
    /// As a message of a Viber bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viber: Option<ChatTemplate>,
    /// As a WhatsApp message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whatsapp: Option<WhatsappTemplate>,
    /// As a message on the shop's own pages or in its app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_site: Option<OnSiteMessage>,
    /// As a notification in browsers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_push: Option<PushMessage>,
    /// As a notification of the shop's app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile_push: Option<PushMessage>,
}

impl LocalizedMessage {
    /// Whether there is something to say on this channel.
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.email.is_some(),
            Channel::Sms => self.sms.is_some(),
            Channel::Webhook => self.webhook.is_some(),
            Channel::Telegram => self.telegram.is_some(),
            Channel::Viber => self.viber.is_some(),
            Channel::Whatsapp => self.whatsapp.is_some(),
            Channel::OnSite => self.on_site.is_some(),
            Channel::WebPush => self.web_push.is_some(),
            Channel::MobilePush => self.mobile_push.is_some(),
        }
    }

    /// The Liquid templates for a channel, in the order of its fields.
    pub fn templates(&self, channel: Channel) -> Vec<&str> {
        let mut templates: Vec<&str> = Vec::new();
        match channel {
            Channel::Email => {
                if let Some(email) = &self.email {
                    templates.extend([&*email.subject, &*email.text]);
                    templates.extend(email.html.as_deref());
                }
            }
            Channel::Sms => templates.extend(self.sms.iter().map(|sms| &*sms.text)),
            Channel::Webhook => {
                if let Some(webhook) = &self.webhook {
                    templates.push(webhook.body.as_deref().unwrap_or(&webhook.text));
                }
            }
            Channel::Telegram => self.telegram.iter().for_each(|chat| templates.extend(chat.templates())),
            Channel::Viber => self.viber.iter().for_each(|chat| templates.extend(chat.templates())),
            Channel::Whatsapp => {
                if let Some(whatsapp) = &self.whatsapp {
                    templates.extend(whatsapp.parameters.iter().map(String::as_str));
                    templates.extend(whatsapp.picture.as_deref());
                }
            }
            Channel::OnSite => self.on_site.iter().for_each(|message| templates.extend(message.templates())),
            Channel::WebPush => self.web_push.iter().for_each(|message| templates.extend(message.templates())),
            Channel::MobilePush => self.mobile_push.iter().for_each(|message| templates.extend(message.templates())),
        }
        templates
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

/// A message of a bot (Telegram, Viber), as Liquid templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTemplate {
    /// The text: for Telegram in its HTML, for Viber plain.
    pub text: String,
    /// The link of a picture; without one, when it comes out as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// A button that opens a link; left out when its link comes out as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button: Option<LinkButton>,
}

impl ChatTemplate {
    fn templates(&self) -> impl Iterator<Item = &str> {
        let button = self.button.iter().flat_map(|button| [&*button.text, &*button.link]);
        [&*self.text].into_iter().chain(self.picture.as_deref()).chain(button)
    }
}

/// A button that opens a link: two Liquid templates in a playbook, and what became of them in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkButton {
    /// What stands on it.
    pub text: String,
    /// What it opens.
    pub link: String,
}

/// A WhatsApp message. A business may begin a conversation only with a template that Meta has approved;
/// what it leaves open are its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatsappTemplate {
    /// The name of the approved template.
    pub template: String,
    /// The language of the approved template, as Meta writes it (`en_US`).
    pub language: String,
    /// What fills the gaps of its body, in their order: Liquid templates of one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
    /// The link of the picture of its header, as a Liquid template, when the approved template has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}
