//! A playbook without what its messages say: all that deciding takes, in a seventh of the space.

use alloc::string::String;
use alloc::vec::Vec;

use super::{
    Channel, ChatTemplate, EmailTemplate, LocalizedMessage, OnSiteMessage, Playbook, PushMessage, SmsTemplate,
    WebhookTemplate, WhatsappTemplate,
};

/// What [`Playbook::shows`] may be asked for: of texts that are left out, these words stay.
const ASKED_FOR: [&str; 4] = ["date", "device.", "related", "viewed"];

impl Playbook {
    /// The same playbook with messages that say nothing. Which there are, in which languages and on which channels, stays, and
    /// so does what they speak of ([`Self::shows`]).
    #[must_use]
    pub fn outline(&self) -> Self {
        let mut outline = self.clone();
        let localized = outline.messages.values_mut().flat_map(|message| message.locales.values_mut());
        localized.for_each(|message| *message = outline_of(message));
        outline
    }

    /// Whether a message speaks of something, by its name in templates. What no message may show is not kept.
    pub fn shows(&self, variable: &str) -> bool {
        debug_assert!(ASKED_FOR.contains(&variable), "outlines do not know of `{variable}`");
        let mut localized = self.messages.values().flat_map(|message| message.locales.values());
        localized.any(|message| Channel::ALL.into_iter().any(|channel| speaks_of(message, channel, variable)))
    }
}

fn speaks_of(message: &LocalizedMessage, channel: Channel, variable: &str) -> bool {
    message.templates(channel).iter().any(|text| text.contains(variable))
}

fn outline_of(message: &LocalizedMessage) -> LocalizedMessage {
    let words = |channel| -> String {
        let spoken_of = ASKED_FOR.into_iter().filter(|word| speaks_of(message, channel, word));
        spoken_of.collect::<Vec<_>>().join(" ")
    };
    let chat = |template: &Option<ChatTemplate>, channel| {
        template.as_ref().map(|_| ChatTemplate { text: words(channel), ..ChatTemplate::default() })
    };
    let push = |template: &Option<PushMessage>, channel| {
        template.as_ref().map(|_| PushMessage { body: words(channel), ..PushMessage::default() })
    };
    let email = |_: &EmailTemplate| EmailTemplate { text: words(Channel::Email), ..EmailTemplate::default() };
    let webhook = |_: &WebhookTemplate| WebhookTemplate { text: words(Channel::Webhook), ..WebhookTemplate::default() };
    let whatsapp = |_: &WhatsappTemplate| WhatsappTemplate {
        parameters: Vec::from([words(Channel::Whatsapp)]),
        ..WhatsappTemplate::default()
    };
    let on_site = |_: &OnSiteMessage| OnSiteMessage { text: words(Channel::OnSite), ..OnSiteMessage::default() };
    LocalizedMessage {
        email: message.email.as_ref().map(email),
        sms: message.sms.as_ref().map(|_| SmsTemplate { text: words(Channel::Sms) }),
        webhook: message.webhook.as_ref().map(webhook),
        telegram: chat(&message.telegram, Channel::Telegram),
        viber: chat(&message.viber, Channel::Viber),
        whatsapp: message.whatsapp.as_ref().map(whatsapp),
        on_site: message.on_site.as_ref().map(on_site),
        web_push: push(&message.web_push, Channel::WebPush),
        mobile_push: push(&message.mobile_push, Channel::MobilePush),
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::string::ToString;

    use super::*;
    use crate::playbook::Message;

    /// What a template of a channel says.
    fn saying(channel: Channel, text: &str) -> LocalizedMessage {
        let text = text.to_string();
        let mut message = LocalizedMessage::default();
        match channel {
            Channel::Email => message.email = Some(EmailTemplate { html: Some(text), ..EmailTemplate::default() }),
            Channel::Sms => message.sms = Some(SmsTemplate { text }),
            Channel::Webhook => {
                message.webhook = Some(WebhookTemplate { body: Some(text), ..WebhookTemplate::default() });
            }
            Channel::Telegram => message.telegram = Some(ChatTemplate { text, ..ChatTemplate::default() }),
            Channel::Viber => message.viber = Some(ChatTemplate { picture: Some(text), ..ChatTemplate::default() }),
            Channel::Whatsapp => {
                message.whatsapp = Some(WhatsappTemplate { picture: Some(text), ..WhatsappTemplate::default() });
            }
            Channel::OnSite => {
                message.on_site = Some(OnSiteMessage { title: Some(text), ..OnSiteMessage::default() });
            }
            Channel::WebPush => message.web_push = Some(PushMessage { url: Some(text), ..PushMessage::default() }),
            Channel::MobilePush => message.mobile_push = Some(PushMessage { title: text, ..PushMessage::default() }),
        }
        message
    }

    #[test]
    fn an_outline_has_the_channels_and_speaks_of_the_same_and_says_nothing() {
        for channel in Channel::ALL {
            for text in
                ["Hello {{ user.first_name }}", "{{ viewed.first.name }}", "{{ related }} {{ device.os }}", "updated"]
            {
                let message = Message {
                    default_locale: "en".into(),
                    locales: BTreeMap::from([("en".to_string(), saying(channel, text))]),
                    ..Message::default()
                };
                let playbook =
                    Playbook { messages: BTreeMap::from([("hello".to_string(), message)]), ..Playbook::default() };
                let outline = playbook.outline();
                let said = &outline.messages["hello"].locales["en"];
                for other in Channel::ALL {
                    assert_eq!(said.has(other), other == channel);
                }
                for word in ASKED_FOR {
                    assert_eq!(outline.shows(word), playbook.shows(word), "{channel}: {text}, {word}");
                }
                assert!(!serde_json::to_string(&outline).unwrap().contains("{{"));
                assert_eq!(outline.outline(), outline);
            }
        }
    }
}
