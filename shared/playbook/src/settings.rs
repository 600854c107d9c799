//! Reads `sources.yaml` and `channels.yaml`.

use kairos_engine::event::{FEEDBACK, INBOX, LINKS, PREFERENCES, REDEMPTIONS, SHOP_SERVER};
use kairos_engine::playbook::{Channel, ChannelSettings, EmailSettings, SmsSettings, Source};

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
    if matches!(node.value, Value::Null) {
        return Some(SmsSettings::default());
    }
    let fields = Fields::read(report, node, "`sms`", &["sender_id"])?;
    let Some(node) = fields.get("sender_id") else {
        return Some(SmsSettings::default());
    };
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
    Some(SmsSettings { sender_id: Some(id.to_owned()) })
}
