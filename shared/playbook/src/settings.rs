//! Reads `sources.yaml` and `channels.yaml`.

use kairos_engine::bounds::SMS_IDENTITY_BYTES_MAX;
use kairos_engine::event::{FEEDBACK, INBOX, LINKS, PREFERENCES, REDEMPTIONS, SHOP_SERVER};
use kairos_engine::playbook::{Channel, ChannelSettings, EmailSettings, SmsProvider, SmsSettings, Source};

use crate::diagnostic::Report;
use crate::fields::{Fields, entries, is_name, text};
use crate::messengers;
use crate::node::{Node, Value};
use crate::on_site;
use crate::push;
use crate::webhooks;

/// Shortest write key, in characters: public, but not to be guessed.
const WRITE_KEY_CHARS_MIN: usize = 16;
/// Longest write key, in characters.
const WRITE_KEY_CHARS_MAX: usize = 128;

/// Reads `sources.yaml`.
pub(crate) fn sources(report: &mut Report<'_>, root: &Node) -> Vec<Source> {
    const HELP: &str = "write `sources:`, below it a name for each source, and its `write_key`";
    let mut sources: Vec<Source> = Vec::new();
    let Some(fields) = Fields::read(report, root, "sources.yaml", &["sources"]) else {
        return sources;
    };
    let Some(named) = fields.required(report, "sources.yaml", "sources", HELP) else {
        return sources;
    };
    for entry in entries(report, named, "`sources`", HELP).unwrap_or_default() {
        let own = [
            (REDEMPTIONS, "redeemed promo codes are"),
            (LINKS, "followed links and opened messages are"),
            (INBOX, "what becomes of messages on the site is"),
            (SHOP_SERVER, "what the shop's server says with its secret key is"),
            (PREFERENCES, "what people say by signed links is"),
            (FEEDBACK, "what comes back for messages is"),
        ];
        if let Some((name, what)) = own.into_iter().find(|(name, _)| *name == entry.key) {
            let help = format!("give the source another name: {what} told under this one");
            report.problem(entry.at, format!("`{name}` is Kairos' own source"), help);
        } else if !is_name(&entry.key) {
            report.problem(entry.at, format!("`{}` cannot be a source's name", entry.key), NAME_HELP);
        }
        let what = format!("source `{}`", entry.key);
        let Some(fields) = Fields::read(report, &entry.node, &what, &["write_key"]) else {
            continue;
        };
        let Some(node) = fields.required(report, &what, "write_key", "write `write_key:` and at least 16 characters")
        else {
            continue;
        };
        let Some(key) = text(report, node, "the write key") else {
            continue;
        };
        let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !plain || !(WRITE_KEY_CHARS_MIN..=WRITE_KEY_CHARS_MAX).contains(&key.len()) {
            report.problem(
                node.at,
                format!(
                    "the write key of `{}` is {}",
                    entry.key,
                    if plain { "too short or too long" } else { "not plain" }
                ),
                format!(
                    "write {WRITE_KEY_CHARS_MIN} to {WRITE_KEY_CHARS_MAX} letters, digits, `_` or `-`, \
                     for example from `openssl rand -hex 16`"
                ),
            );
        } else if let Some(other) = sources.iter().find(|source| source.write_key == key) {
            report.problem(
                node.at,
                format!("`{}` has the write key of `{}`", entry.key, other.name),
                "give each source a key of its own, so that one can be changed without the other",
            );
        } else {
            sources.push(Source { name: entry.key.clone(), write_key: key.to_owned() });
        }
    }
    sources
}

pub(crate) const NAME_HELP: &str = "write 1 to 64 lower-case letters, digits or `_`";

/// Reads `channels.yaml`.
pub(crate) fn channels(report: &mut Report<'_>, root: &Node) -> ChannelSettings {
    let mut channels = ChannelSettings::default();
    if matches!(root.value, Value::Null) {
        return channels;
    }
    // A channel without settings (`sms:`) is set up too; `Fields::get` would pass it over.
    let Some(_) = Fields::read(report, root, "channels.yaml", &Channel::ALL.map(key)) else {
        return channels;
    };
    let Value::Map(named) = &root.value else {
        return channels;
    };
    for entry in named {
        match entry.key.as_str() {
            "email" => channels.email = email(report, &entry.node),
            "sms" => channels.sms = sms(report, &entry.node),
            "webhooks" => channels.webhooks = webhooks::settings(report, &entry.node),
            "telegram" => channels.telegram = messengers::telegram(report, &entry.node),
            "viber" => channels.viber = messengers::viber(report, &entry.node),
            "whatsapp" => channels.whatsapp = messengers::whatsapp(report, &entry.node),
            "on_site" => channels.on_site = on_site::settings(report, &entry.node),
            "web_push" => channels.web_push = push::settings(report, &entry.node),
            "mobile_push" => channels.mobile_push = push::applications(report, &entry.node),
            _ => {}
        }
    }
    channels
}

/// What sets a channel up.
fn key(channel: Channel) -> &'static str {
    match channel {
        Channel::Webhook => "webhooks",
        channel => channel.as_str(),
    }
}

fn email(report: &mut Report<'_>, node: &Node) -> Option<EmailSettings> {
    const HELP: &str = "write `from: Shop <hello@shop.example>`";
    let fields = Fields::read(report, node, "`email`", &["from", "reply_to"])?;
    let mut address = |node: &Node, what: &str| {
        let text = text(report, node, what)?;
        let bare = match text.split_once('<') {
            Some((_, rest)) => rest.strip_suffix('>').unwrap_or(""),
            None => text,
        };
        let is_address = bare.split_once('@').is_some_and(|(local, domain)| {
            let plain =
                |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,;@".contains(c));
            plain(local) && plain(domain) && domain.contains('.')
        });
        if !is_address || text.contains(char::is_control) {
            report.problem(node.at, format!("{what} is not an email address: `{text}`"), HELP);
            return None;
        }
        Some(text.to_owned())
    };
    let reply_to = fields.get("reply_to").map(|node| address(node, "`reply_to`"));
    let from = fields.get("from").map(|node| address(node, "`from`"));
    let from = match from {
        Some(from) => from,
        None => fields.required(report, "`email`", "from", HELP).and(None),
    };
    Some(EmailSettings { from: from?, reply_to: reply_to.flatten() })
}

fn sms(report: &mut Report<'_>, node: &Node) -> Option<SmsSettings> {
    const WHAT: &str = "`sms`";
    const NAMES: [&str; 6] =
        ["sender_id", "provider", "fallback", "origination_identity", "configuration_set", "max_price"];
    if matches!(node.value, Value::Null) {
        return Some(SmsSettings::default());
    }
    let fields = Fields::read(report, node, WHAT, &NAMES)?;
    let sender_id = fields.get("sender_id").map(|node| sender_id(report, node));
    let provider = fields.get("provider").map(|node| sms_provider(report, node, "`provider`"));
    let fallback = fields.get("fallback").map(|node| (node.at, sms_provider(report, node, "`fallback`")));
    let origination_identity =
        fields.get("origination_identity").map(|node| sms_identity(report, node, "`origination_identity`"));
    let configuration_set =
        fields.get("configuration_set").map(|node| sms_identity(report, node, "`configuration_set`"));
    let max_price = fields.get("max_price").map(|node| max_price(report, node));
    let provider = provider.unwrap_or(Some(SmsProvider::default()))?;
    let fallback = match fallback {
        Some((at, Some(fallback))) if fallback == provider => {
            report.problem(at, "`fallback` is the provider that sends first", "name the other one, or leave it out");
            return None;
        }
        Some((_, fallback)) => Some(fallback?),
        None => None,
    };
    Some(SmsSettings {
        sender_id: all(sender_id)?,
        provider,
        fallback,
        origination_identity: all(origination_identity)?,
        configuration_set: all(configuration_set)?,
        max_price: all(max_price)?,
    })
}

/// Nothing when a field was given and is wrong.
fn all<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        Some(None) => None,
        Some(given) => Some(given),
        None => Some(None),
    }
}

fn sender_id(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let id = text(report, node, "`sender_id`")?;
    // SNS: 1 to 11 letters and digits, at least one letter.
    if id.len() > 11
        || !id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        || !id.bytes().any(|byte| byte.is_ascii_alphabetic())
    {
        report.problem(
            node.at,
            format!("`{id}` cannot be a sender id"),
            "write 1 to 11 letters and digits, at least one of them a letter",
        );
        return None;
    }
    Some(id.to_owned())
}

fn sms_provider(report: &mut Report<'_>, node: &Node, what: &str) -> Option<SmsProvider> {
    let name = text(report, node, what)?;
    let found = SmsProvider::ALL.into_iter().find(|(known, _)| *known == name);
    if found.is_none() {
        report.problem(node.at, format!("`{name}` sends no SMS"), "write `sns` or `end_user_messaging`");
    }
    found.map(|(_, provider)| provider)
}

/// A number, a name or an ARN, as AWS End User Messaging takes them.
fn sms_identity(report: &mut Report<'_>, node: &Node, what: &str) -> Option<String> {
    let name = text(report, node, what)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:/+-".contains(&byte);
    if name.is_empty() || name.len() > SMS_IDENTITY_BYTES_MAX || !name.bytes().all(plain) {
        report.problem(
            node.at,
            format!("{what} is none: `{name}`"),
            "write the id, name or ARN that AWS End User Messaging shows; a number in quotes: \"+12065550152\"",
        );
        return None;
    }
    Some(name.to_owned())
}

/// An amount of US dollars as both services take it: at most two digits, a point, at most five more.
fn max_price(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let written = match &node.value {
        Value::Text(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let digits =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = written.split_once('.').unwrap_or((&written, "0"));
    let is_price = digits(whole, 2) && digits(part, 5) && (whole.bytes().chain(part.bytes())).any(|byte| byte != b'0');
    if !is_price {
        report.problem(
            node.at,
            "`max_price` is no amount of US dollars",
            "write what an SMS may cost at most, all segments together: \"0.10\" (99.99999 at most)",
        );
        return None;
    }
    Some(format!("{whole}.{part}"))
}
