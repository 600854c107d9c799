//! What pages say, by language.

use kairos_cloud::requests::language;
use kairos_engine::playbook::Channel;

/// The words of one language. `{shop}` and `{channel}` are filled in.
#[derive(Debug)]
pub struct Words {
    /// Its BCP 47 tag.
    pub tag: &'static str,
    /// The heading of the preferences page.
    pub preferences: &'static str,
    /// What stands below it.
    pub preferences_text: &'static str,
    /// On the button that keeps what was chosen.
    pub save: &'static str,
    /// On the button that ends everything.
    pub none: &'static str,
    /// Beside what waits for a confirmation.
    pub pending: &'static str,
    /// The heading of the page that asks whether messages shall end.
    pub unsubscribe: &'static str,
    /// What stands below it.
    pub unsubscribe_text: &'static str,
    /// On its button.
    pub unsubscribe_button: &'static str,
    /// The heading afterwards.
    pub unsubscribed: &'static str,
    /// What stands below it.
    pub unsubscribed_text: &'static str,
    /// The heading of the page that asks for a confirmation.
    pub confirm: &'static str,
    /// What stands below it.
    pub confirm_text: &'static str,
    /// On its button.
    pub confirm_button: &'static str,
    /// The heading afterwards.
    pub confirmed: &'static str,
    /// What stands below it.
    pub confirmed_text: &'static str,
    /// The heading after choices were kept.
    pub saved: &'static str,
    /// What stands below it.
    pub saved_text: &'static str,
    /// The link to the preferences page.
    pub to_preferences: &'static str,
    /// The heading when a link is none of ours.
    pub not_found: &'static str,
    /// What stands below it.
    pub not_found_text: &'static str,
    /// The heading when something does not work now.
    pub later: &'static str,
    /// What stands below it.
    pub later_text: &'static str,
    /// What channels are called.
    channels: [(Channel, &'static str); 7],
    /// The shop, when it has not said its name.
    pub the_shop: &'static str,
}

const ENGLISH: Words = Words {
    tag: "en",
    preferences: "Your messages",
    preferences_text: "Choose how {shop} may write to you with offers and news. What you have ordered or asked for, you are told in any case.",
    save: "Save",
    none: "No offers and news at all",
    pending: "waits for your confirmation: look for a message from us",
    unsubscribe: "No more offers?",
    unsubscribe_text: "{shop} will no longer send you offers and news by {channel}.",
    unsubscribe_button: "Unsubscribe",
    unsubscribed: "You are unsubscribed",
    unsubscribed_text: "{shop} no longer sends you offers and news by {channel}. A message that is already on its way may still arrive.",
    confirm: "May we write to you?",
    confirm_text: "{shop} would like to send you offers and news by {channel}. You can end that at any time.",
    confirm_button: "Yes, write to me",
    confirmed: "Thank you",
    confirmed_text: "{shop} may write to you by {channel} now.",
    saved: "Saved",
    saved_text: "This is how it is from now on. A message that is already on its way may still arrive.",
    to_preferences: "Choose for all channels",
    not_found: "This link does not work",
    not_found_text: "It may have been cut off. Please open it from the message again, or answer the message.",
    later: "Please try again in a moment",
    later_text: "Nothing was changed. We are sorry.",
    channels: [
        (Channel::Email, "email"),
        (Channel::Sms, "SMS"),
        (Channel::Telegram, "Telegram"),
        (Channel::Viber, "Viber"),
        (Channel::Whatsapp, "WhatsApp"),
        (Channel::WebPush, "notification in the browser"),
        (Channel::MobilePush, "notification of the app"),
    ],
    the_shop: "The shop",
};

const GERMAN: Words = Words {
    tag: "de",
    preferences: "Ihre Nachrichten",
    preferences_text: "Wählen Sie, wie {shop} Ihnen Angebote und Neuigkeiten schicken darf. Was Sie bestellt oder angefragt haben, erfahren Sie in jedem Fall.",
    save: "Speichern",
    none: "Gar keine Angebote und Neuigkeiten",
    pending: "wartet auf Ihre Bestätigung: Sie haben eine Nachricht von uns",
    unsubscribe: "Keine Angebote mehr?",
    unsubscribe_text: "{shop} schickt Ihnen dann keine Angebote und Neuigkeiten mehr per {channel}.",
    unsubscribe_button: "Abmelden",
    unsubscribed: "Sie sind abgemeldet",
    unsubscribed_text: "{shop} schickt Ihnen keine Angebote und Neuigkeiten mehr per {channel}. Eine Nachricht, die schon unterwegs ist, kann noch ankommen.",
    confirm: "Dürfen wir Ihnen schreiben?",
    confirm_text: "{shop} möchte Ihnen Angebote und Neuigkeiten per {channel} schicken. Das können Sie jederzeit beenden.",
    confirm_button: "Ja, schreiben Sie mir",
    confirmed: "Vielen Dank",
    confirmed_text: "{shop} darf Ihnen jetzt per {channel} schreiben.",
    saved: "Gespeichert",
    saved_text: "So ist es von jetzt an. Eine Nachricht, die schon unterwegs ist, kann noch ankommen.",
    to_preferences: "Für alle Kanäle wählen",
    not_found: "Dieser Link funktioniert nicht",
    not_found_text: "Vielleicht wurde er abgeschnitten. Bitte öffnen Sie ihn noch einmal aus der Nachricht, oder antworten Sie auf die Nachricht.",
    later: "Bitte versuchen Sie es gleich noch einmal",
    later_text: "Es wurde nichts geändert. Das tut uns leid.",
    channels: [
        (Channel::Email, "E-Mail"),
        (Channel::Sms, "SMS"),
        (Channel::Telegram, "Telegram"),
        (Channel::Viber, "Viber"),
        (Channel::Whatsapp, "WhatsApp"),
        (Channel::WebPush, "Mitteilung im Browser"),
        (Channel::MobilePush, "Mitteilung der App"),
    ],
    the_shop: "Der Shop",
};

/// Every language; the first is for everybody else.
const ALL: [&Words; 2] = [&ENGLISH, &GERMAN];

impl Words {
    /// The words for who prefers these languages, in this order: tags (`de-AT`), or a header `Accept-Language`.
    pub fn for_tags<'a>(preferred: impl IntoIterator<Item = &'a str>) -> &'static Self {
        ALL[language(&ALL.map(|words| words.tag), preferred)]
    }

    /// What a channel is called.
    pub fn channel(&self, channel: Channel) -> &'static str {
        self.channels.iter().find(|(known, _)| *known == channel).map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_a_name_in_every_language() {
        for words in ALL {
            assert!(Channel::PERSONAL.into_iter().all(|channel| !words.channel(channel).is_empty()), "{}", words.tag);
        }
    }
}
