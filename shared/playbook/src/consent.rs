//! Reads `consent.yaml`: what marketing on each channel needs, and the words that people agree to.

use std::collections::BTreeMap;

use kairos_engine::bounds::{HELP_CHARS_MAX, TEXT_BYTES_MAX, WORDING_BYTES_MAX};
use kairos_engine::playbook::{Channel, ChannelConsent, ChannelSettings, ConsentSettings, OptIn, Wording};

use crate::diagnostic::Report;
use crate::fields::{Fields, entries, text, word};
use crate::messages::locale;
use crate::node::{Node, Value};
use crate::values::caption;

/// Reads `consent.yaml`. `channels` are nothing when their file is wrong.
pub(crate) fn consent(report: &mut Report<'_>, root: &Node, channels: Option<&ChannelSettings>) -> ConsentSettings {
    let mut consent = ConsentSettings::default();
    if matches!(root.value, Value::Null) {
        return consent;
    }
    let Some(fields) = Fields::read(report, root, "consent.yaml", &["shop", "channels", "help"]) else {
        return consent;
    };
    consent.shop = fields.get("shop").and_then(|node| caption(report, node, "`shop`"));
    if let Some(node) = fields.get("channels") {
        let help = "write a channel, below it `opt_in: implied`, `required` or `double`";
        for entry in entries(report, node, "`channels`", help).unwrap_or_default() {
            let Some(channel) = Channel::ALL.into_iter().find(|channel| channel.as_str() == entry.key) else {
                let known = Channel::ALL.map(Channel::as_str);
                let help = crate::fields::instead(&entry.key, &known);
                report.problem(entry.at, format!("`{}` is not a channel", entry.key), help);
                continue;
            };
            if channels.is_some_and(|settings| !settings.has(channel)) {
                let help = format!("add `{channel}:` to channels.yaml");
                report.problem(entry.at, format!("`{channel}` is not set up"), help);
            }
            if let Some(rules) = rules(report, &entry.node, channel) {
                consent.channels.insert(channel, rules);
            }
        }
    }
    if let Some(node) = fields.get("help") {
        consent.help = localized(report, node, "`help`", HELP_CHARS_MAX).unwrap_or_default();
    }
    consent
}

fn rules(report: &mut Report<'_>, node: &Node, channel: Channel) -> Option<ChannelConsent> {
    let what = format!("`{channel}`");
    let fields = Fields::read(report, node, &what, &["opt_in", "wording"])?;
    let opt_in = fields.required(report, &what, "opt_in", "write `opt_in: implied`, `required` or `double`");
    let opt_in = opt_in.and_then(|node| word(report, node, "`opt_in`", &OptIn::ALL));
    let wording = match fields.get("wording") {
        Some(node) => wording(report, node).map(Some),
        None => Some(None),
    };
    Some(ChannelConsent { opt_in: opt_in?, wording: wording? })
}

fn wording(report: &mut Report<'_>, node: &Node) -> Option<Wording> {
    const HELP: &str = "write `version: \"2026-01\"`: it is kept with each consent, so change it with the words";
    let fields = Fields::read(report, node, "`wording`", &["version", "text"])?;
    let version = fields.required(report, "`wording`", "version", HELP);
    let version = version.and_then(|node| {
        let version = text(report, node, "`version`")?.trim();
        if version.len() > WORDING_BYTES_MAX || version.contains(char::is_control) {
            let help = format!("write at most {WORDING_BYTES_MAX} letters and digits");
            report.problem(node.at, format!("`{version}` cannot be a version"), help);
            return None;
        }
        Some(version.to_owned())
    });
    let text = fields.required(report, "`wording`", "text", "write `text:`, below it the words in each language");
    let text = text.and_then(|node| localized(report, node, "`text`", TEXT_BYTES_MAX));
    Some(Wording { version: version?, text: text? })
}

/// Words by language.
fn localized(report: &mut Report<'_>, node: &Node, what: &str, chars_max: usize) -> Option<BTreeMap<String, String>> {
    let mut words = BTreeMap::new();
    let mut all_read = true;
    for entry in entries(report, node, what, "write a language (`en`), and behind it the words")? {
        let Some(tag) = locale(&entry.key) else {
            let help = "write a tag such as `en` or `pt-BR`";
            report.problem(entry.at, format!("`{}` is not a language", entry.key), help);
            all_read = false;
            continue;
        };
        let Some(said) = text(report, &entry.node, &format!("`{}`", entry.key)) else {
            all_read = false;
            continue;
        };
        let said = said.trim();
        if said.chars().count() > chars_max {
            let message = format!("`{}` has more than {chars_max} characters", entry.key);
            report.problem(entry.node.at, message, "shorten it");
            all_read = false;
        }
        words.insert(tag, said.to_owned());
    }
    all_read.then_some(words)
}
