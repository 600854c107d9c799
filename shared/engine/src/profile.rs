//! Who a user is and how to reach them, as far as the playbook needs to know.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use crate::bounds::{LAST_VALUE_BYTES_MAX, TEXT_BYTES_MAX, TRAIT_LIST_ENTRIES_MAX, TRAITS_MAX, VIBER_ID_BYTES_MAX};
use crate::context::Context;
use crate::playbook::{Channel, TraitValue};
use crate::product::shortened;
use crate::property::texts;

/// Addresses, names, language, and the traits that conditions ask for. Nothing else is remembered.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Profile {
    /// Email address.
    #[n(0)]
    pub email: Option<String>,
    /// Phone number in E.164 form.
    #[n(1)]
    pub phone: Option<String>,
    /// Given name.
    #[n(2)]
    pub first_name: Option<String>,
    /// Family name.
    #[n(3)]
    pub last_name: Option<String>,
    /// Language, as a BCP 47 tag.
    #[n(4)]
    pub locale: Option<String>,
    /// The traits that conditions ask for.
    #[n(5)]
    #[cbor(default)]
    pub traits: BTreeMap<String, TraitValue>,
    /// The id of the private chat with the shop's Telegram bot.
    #[n(6)]
    pub telegram: Option<String>,
    /// The user's id with the shop's Viber bot.
    #[n(7)]
    pub viber: Option<String>,
    /// Phone number on WhatsApp in E.164 form. A phone is not taken to be there unless somebody says so.
    #[n(8)]
    pub whatsapp: Option<String>,
}

impl Profile {
    /// Takes in the traits of an `identify`. A trait that is null is forgotten; an address that is
    /// none is passed over, so that a typing error does not lose the address known before.
    pub fn apply(&mut self, traits: &Map<String, Value>, kept: &[String]) {
        update(&mut self.email, traits.get("email"), email);
        update(&mut self.phone, traits.get("phone"), phone);
        update(&mut self.whatsapp, traits.get("whatsapp"), phone);
        update(&mut self.viber, traits.get("viber_id"), viber_id);
        // Telegram's ids are numbers, and clients send them as such.
        let chat_id = traits.get("telegram_chat_id");
        let number = chat_id.and_then(Value::as_u64).map(|number| Value::String(number.to_string()));
        update(&mut self.telegram, number.as_ref().or(chat_id), telegram_chat_id);
        update(&mut self.first_name, traits.get("firstName").or_else(|| traits.get("first_name")), text);
        update(&mut self.last_name, traits.get("lastName").or_else(|| traits.get("last_name")), text);
        update(&mut self.locale, traits.get("locale").or_else(|| traits.get("language")), locale);
        for name in kept {
            match traits.get(name) {
                None => {}
                Some(Value::Null) => {
                    self.traits.remove(name);
                }
                Some(value) => {
                    if let Some(value) = trait_value(value) {
                        self.make_room(name, kept);
                        self.traits.insert(name.clone(), value);
                    }
                }
            }
        }
    }

    /// Takes in the context of any event: only the language, and only when none was said.
    pub(crate) fn apply_context(&mut self, context: &Context<'_>) {
        if self.locale.is_none() {
            update(&mut self.locale, context.locale, locale);
        }
    }

    /// Traits that playbooks asked for long ago leave before there are too many. Those of one playbook fit.
    fn make_room(&mut self, name: &str, kept: &[String]) {
        if self.traits.len() >= TRAITS_MAX && !self.traits.contains_key(name) {
            self.traits.retain(|known, _| kept.contains(known));
        }
    }

    /// Takes in what a visitor had said who turned out to be this user: what this user said stays.
    pub fn merge(&mut self, other: Self, kept: &[String]) {
        fill(&mut self.email, other.email);
        fill(&mut self.phone, other.phone);
        fill(&mut self.telegram, other.telegram);
        fill(&mut self.viber, other.viber);
        fill(&mut self.whatsapp, other.whatsapp);
        fill(&mut self.first_name, other.first_name);
        fill(&mut self.last_name, other.last_name);
        fill(&mut self.locale, other.locale);
        for (name, value) in other.traits {
            if kept.contains(&name) {
                self.make_room(&name, kept);
                self.traits.entry(name).or_insert(value);
            }
        }
    }

    /// The user's own address on a channel. The webhook and the site are the shop's, and have none; of browsers and devices there
    /// may be several ([`crate::state::UserState::web_push`]).
    pub fn address(&self, channel: Channel) -> Option<&str> {
        match channel {
            Channel::Email => self.email.as_deref(),
            Channel::Sms => self.phone.as_deref(),
            // Those of browsers and devices stand beside it.
            Channel::Webhook | Channel::OnSite | Channel::WebPush | Channel::MobilePush => None,
            Channel::Telegram => self.telegram.as_deref(),
            Channel::Viber => self.viber.as_deref(),
            Channel::Whatsapp => self.whatsapp.as_deref(),
        }
    }
}

fn update(field: &mut Option<String>, value: Option<&Value>, read: impl Fn(&str) -> Option<String>) {
    match value {
        Some(Value::Null) => *field = None,
        Some(Value::String(text)) => {
            if let Some(text) = read(text.trim()) {
                *field = Some(text);
            }
        }
        _ => {}
    }
}

fn fill(field: &mut Option<String>, other: Option<String>) {
    if field.is_none() {
        *field = other;
    }
}

/// An address that could be one: `local@domain`, at most 254 bytes (RFC 5321), nothing that could
/// break a header. Whether it exists only a provider knows.
fn email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let breaks = |c: char| match c {
        '<' | '>' | ',' | ';' | ':' | '"' | '(' | ')' | '[' | ']' | '\\' => true,
        '!'..='~' => false,
        c => c.is_whitespace() || c.is_control(),
    };
    let plain = |part: &str| !part.is_empty() && !part.contains(breaks);
    (text.len() <= 254
        && local.len() <= 64
        && plain(local)
        && plain(domain)
        && domain.contains('.')
        && !local.contains('@'))
    .then(|| text.to_string())
}

/// A phone number in international form; separators people write are dropped (E.164: at most 15 digits).
fn phone(text: &str) -> Option<String> {
    let rest = text.strip_prefix('+')?;
    let mut number = String::from("+");
    for character in rest.chars() {
        match character {
            '0'..='9' => number.push(character),
            ' ' | '-' | '.' | '(' | ')' | '\u{a0}' => {}
            _ => return None,
        }
    }
    ((8..=16).contains(&number.len()) && !number.starts_with("+0")).then_some(number)
}

/// As which addresses on which channels a text can be read, in the form in which they are kept: one phone number is two.
pub fn read_as_addresses(text: &str) -> Vec<(Channel, String)> {
    let readings = [
        (Channel::Email, email(text)),
        (Channel::Sms, phone(text)),
        (Channel::Whatsapp, phone(text)),
        (Channel::Telegram, telegram_chat_id(text)),
        (Channel::Viber, viber_id(text)),
    ];
    readings.into_iter().filter_map(|(channel, address)| Some((channel, address?))).collect()
}

/// The id of a private chat: a positive number of at most 52 bits (Bot API, "User"). Groups and channels have
/// negative ones, and no message of a play is for them.
fn telegram_chat_id(text: &str) -> Option<String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    (digits && (1..=16).contains(&text.len())).then(|| text.to_string())
}

/// The id of a subscriber: base64, as in `01234567890A=`.
fn viber_id(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte));
    (plain && (8..=VIBER_ID_BYTES_MAX).contains(&text.len())).then(|| text.to_string())
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| shortened(text, TEXT_BYTES_MAX).to_string())
}

fn locale(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    (plain && (2..=35).contains(&text.len())).then(|| text.to_string())
}

fn trait_value(value: &Value) -> Option<TraitValue> {
    match value {
        Value::Bool(flag) => Some(TraitValue::Flag(*flag)),
        Value::Number(number) => number.as_f64().map(TraitValue::Number),
        Value::String(text) => Some(TraitValue::Text(shortened(text, LAST_VALUE_BYTES_MAX).to_string())),
        Value::Array(list) => {
            Some(TraitValue::Texts(texts(list, TRAIT_LIST_ENTRIES_MAX, LAST_VALUE_BYTES_MAX / TRAIT_LIST_ENTRIES_MAX)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_taken_when_they_could_be_ones() {
        for (given, kept) in [
            ("ann@shop.example", true),
            (" ann.b+c@shop.example ", true),
            ("ann", false),
            ("@shop.example", false),
            ("ann@localhost", false),
            ("a@b@shop.example", false),
            ("ann@shop.example\r\nBcc: all@shop.example", false),
            ("Ann <ann@shop.example>", false),
        ] {
            let mut profile = Profile::default();
            profile.apply(json!({"email": given}).as_object().unwrap(), &[]);
            assert_eq!(profile.email.is_some(), kept, "{given}");
        }
        for (given, kept) in [
            ("+49 (151) 234-56.78", Some("+491512345678")),
            ("0151 2345678", None),
            ("+1", None),
            ("+49151x", None),
            ("+1234567890123456", None),
        ] {
            let mut profile = Profile::default();
            profile.apply(json!({"phone": given}).as_object().unwrap(), &[]);
            assert_eq!(profile.phone.as_deref(), kept, "{given}");
        }
    }

    #[test]
    fn addresses_of_messengers_are_taken_when_they_could_be_ones() {
        let chat = |given: Value| {
            let mut profile = Profile::default();
            profile.apply(json!({"telegram_chat_id": given}).as_object().unwrap(), &[]);
            profile.address(Channel::Telegram).map(str::to_string)
        };
        for (given, kept) in [
            (json!(123_456_789), Some("123456789")),
            (json!("123456789"), Some("123456789")),
            (json!(" 4503599627370495 "), Some("4503599627370495")),
            // A group, a channel, a number that is none.
            (json!(-100_123_456), None),
            (json!("@shop"), None),
            (json!(1.5), None),
            (json!("0"), None),
            (json!("12345678901234567"), None),
        ] {
            assert_eq!(chat(given.clone()).as_deref(), kept, "{given}");
        }
        for (given, kept) in [
            ("01234567890A=", true),
            ("jc9HsWTZ2Yf2NkRZ8KcNug==", true),
            ("short", false),
            ("not an id of anybody", false),
            ("jc9HsWTZ2Yf2NkRZ8KcNug==\",\"type\":\"x", false),
        ] {
            let mut profile = Profile::default();
            profile.apply(json!({"viber_id": given}).as_object().unwrap(), &[]);
            assert_eq!(profile.address(Channel::Viber).is_some(), kept, "{given}");
        }
        let mut profile = Profile::default();
        profile.apply(json!({"phone": "+491512345678"}).as_object().unwrap(), &[]);
        assert_eq!(profile.address(Channel::Whatsapp), None, "nobody has said that this phone is on WhatsApp");
        profile.apply(json!({"whatsapp": "+49 151 2345678"}).as_object().unwrap(), &[]);
        assert_eq!(profile.address(Channel::Whatsapp), Some("+491512345678"));
    }

    #[test]
    fn what_a_visitor_said_fills_the_gaps_of_the_user_and_null_forgets() {
        let said = |traits: Value| {
            let mut profile = Profile::default();
            profile.apply(traits.as_object().unwrap(), &[]);
            profile
        };
        let mut user = said(json!({"telegram_chat_id": 1}));
        let ids = json!({"telegram_chat_id": 2, "viber_id": "01234567890A=", "whatsapp": "+491512345678"});
        user.merge(said(ids), &[]);
        let addresses = Channel::PERSONAL.map(|channel| user.address(channel));
        assert_eq!(addresses, [None, None, Some("1"), Some("01234567890A="), Some("+491512345678"), None, None]);
        let nothing = json!({"telegram_chat_id": null, "viber_id": null, "whatsapp": null});
        user.apply(nothing.as_object().unwrap(), &[]);
        assert_eq!(user, Profile::default());
    }

    #[test]
    fn a_null_forgets_and_a_typing_error_does_not() {
        let mut profile = Profile::default();
        let kept = ["plan".to_string()];
        profile.apply(json!({"email": "ann@shop.example", "plan": "pro", "other": 1}).as_object().unwrap(), &kept);
        profile.apply(json!({"email": "oops", "plan": {"no": "scalar"}}).as_object().unwrap(), &kept);
        assert_eq!(profile.email.as_deref(), Some("ann@shop.example"));
        assert_eq!(profile.traits.len(), 1);
        profile.apply(json!({"email": null, "plan": null}).as_object().unwrap(), &kept);
        assert_eq!(profile, Profile::default());
    }

    #[test]
    fn a_text_is_read_as_every_address_that_it_could_be() {
        for (text, channels) in [
            ("ann@shop.example", &[Channel::Email][..]),
            ("+49 170 123-4567", &[Channel::Sms, Channel::Whatsapp]),
            ("12345", &[Channel::Telegram]),
            ("12345678", &[Channel::Telegram, Channel::Viber]),
            ("01234567890A=", &[Channel::Viber]),
            ("ann", &[]),
            ("", &[]),
        ] {
            let read: Vec<_> = read_as_addresses(text).into_iter().map(|(channel, _)| channel).collect();
            assert_eq!(read, channels, "{text}");
        }
        assert_eq!(read_as_addresses("+49 170 123-4567")[0].1, "+491701234567");
    }
}
