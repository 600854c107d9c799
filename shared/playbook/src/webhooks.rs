//! Reads what playbooks say of webhooks: where each leads, its headers, and what messages tell it.

use std::collections::BTreeMap;

use kairos_engine::bounds::{
    WEBHOOK_HEADER_BYTES_MAX, WEBHOOK_HEADER_NAME_BYTES_MAX, WEBHOOK_HEADERS_MAX, WEBHOOKS_MAX,
};
use kairos_engine::playbook::{
    Channel, LocalizedMessage, WebhookHeader, WebhookSettings, WebhookTemplate, is_header_name, is_header_value,
    is_refused_header,
};
use kairos_messages::TemplateKind;

use crate::diagnostic::{Report, Target};
use crate::fields::{Fields, entries, is_name, text};
use crate::messages::template;
use crate::messengers::tried;
use crate::node::{Entry, Node, Value};
use crate::settings::NAME_HELP;

const WHAT: &str = "`webhooks`";
/// What names of headers have in them whose values are secrets.
const SECRET_NAMES: [&str; 6] = ["authorization", "token", "secret", "password", "api-key", "apikey"];
const URL_HELP: &str = "write `url: https://shop.example/kairos`";

/// Reads `webhooks` of `channels.yaml`.
pub(crate) fn settings(report: &mut Report<'_>, node: &Node) -> BTreeMap<String, WebhookSettings> {
    const HELP: &str = "write a name for it, and below that `url: https://shop.example/kairos`";
    let mut webhooks = BTreeMap::new();
    let Some(entries) = entries(report, node, WHAT, HELP) else { return webhooks };
    if entries.len() > WEBHOOKS_MAX {
        report.problem(node.at, format!("these are more than {WEBHOOKS_MAX} webhooks"), "remove what is not used");
        return webhooks;
    }
    for Entry { key, at, node } in entries {
        if !is_name(key) {
            let message = format!("`{key}` cannot be the name of a webhook");
            report.problem(*at, message, NAME_HELP);
        } else if let Some(webhook) = webhook(report, node) {
            webhooks.insert(key.clone(), webhook);
        } else {
            // What is wrong is there, too: the messages that go to it are not wrong for it.
            webhooks.insert(key.clone(), WebhookSettings::default());
        }
    }
    webhooks
}

fn webhook(report: &mut Report<'_>, node: &Node) -> Option<WebhookSettings> {
    const WHAT: &str = "a webhook";
    let fields = Fields::read(report, node, WHAT, &["url", "headers"])?;
    let url = fields.required(report, WHAT, "url", URL_HELP);
    let url = url.and_then(|node| address(report, node));
    let headers = fields.get("headers").map(|node| headers(report, node)).unwrap_or_default();
    Some(WebhookSettings { url: url?, headers })
}

fn address(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let url = text(report, node, "`url`")?;
    let host = |rest: &str| rest.split(['/', '?', '#', ':']).next().unwrap_or_default().to_owned();
    let plain = !url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    let is_link = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => !host(rest).is_empty(),
        // Without TLS only to the machine itself, for trying out.
        (_, Some(rest)) => matches!(host(rest).as_str(), "localhost" | "127.0.0.1"),
        _ => false,
    };
    if !is_link || !plain {
        report.problem(node.at, format!("`{url}` cannot receive webhooks"), URL_HELP);
        return None;
    }
    Some(url.to_owned())
}

fn headers(report: &mut Report<'_>, node: &Node) -> BTreeMap<String, WebhookHeader> {
    const HELP: &str = "write a header's name and its value: `X-Shop: de`, or `Authorization: {secret: chatbot}`";
    let mut headers: BTreeMap<String, WebhookHeader> = BTreeMap::new();
    let Some(entries) = entries(report, node, "`headers`", HELP) else { return headers };
    if entries.len() > WEBHOOK_HEADERS_MAX {
        let message = format!("these are more than {WEBHOOK_HEADERS_MAX} headers");
        report.problem(node.at, message, "remove those that the receiver does not need");
        return headers;
    }
    for Entry { key, at, node } in entries {
        if !is_header_name(key) || key.len() > WEBHOOK_HEADER_NAME_BYTES_MAX {
            let help = format!("write letters, digits and hyphens, at most {WEBHOOK_HEADER_NAME_BYTES_MAX}");
            report.problem(*at, format!("`{}` cannot be the name of a header", key.escape_debug()), help);
        } else if is_refused_header(key) {
            let help =
                "remove it: the request's own headers (type, length, host, signature, id) are set when it is sent";
            report.problem(*at, format!("the header `{key}` cannot be set here"), help);
        } else if headers.keys().any(|other| other.eq_ignore_ascii_case(key)) {
            report.problem(*at, format!("the header `{key}` stands here twice"), "keep one of them");
        } else if let Some(header) = header(report, key, node) {
            headers.insert(key.clone(), header);
        }
    }
    headers
}

fn header(report: &mut Report<'_>, name: &str, node: &Node) -> Option<WebhookHeader> {
    const SECRET: &str = "write the name behind `STACK/webhook/` in Secrets Manager: letters, digits, `_` or `-`";
    if !matches!(node.value, Value::Map(_)) {
        let lower = name.to_ascii_lowercase();
        if SECRET_NAMES.iter().any(|word| lower.contains(word)) {
            let help = format!("store it as the secret STACK/webhook/NAME, and write `{name}: {{secret: NAME}}`");
            report.warning(node.at, format!("`{name}` looks like a secret, which belongs into no file"), help);
        }
        return one_line(report, node, &format!("`{name}`")).map(WebhookHeader::Text);
    }
    let fields = Fields::read(report, node, "a header", &["secret", "prefix"])?;
    let prefix = match fields.get("prefix") {
        Some(node) => one_line(report, node, "`prefix`")?,
        None => String::new(),
    };
    let node = fields.required(report, "a header", "secret", SECRET)?;
    let secret = text(report, node, "`secret`")?;
    let is_plain = secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !is_plain || secret.len() > WEBHOOK_HEADER_NAME_BYTES_MAX {
        report.problem(node.at, "this cannot be the name of a secret", SECRET);
        return None;
    }
    Some(WebhookHeader::Secret { secret: secret.to_owned(), prefix })
}

fn one_line(report: &mut Report<'_>, node: &Node, what: &str) -> Option<String> {
    let value = text(report, node, what)?;
    if !is_header_value(value) || value.len() > WEBHOOK_HEADER_BYTES_MAX {
        let help =
            format!("write letters, digits, signs and blanks of ASCII in one line, at most {WEBHOOK_HEADER_BYTES_MAX}");
        report.problem(node.at, format!("{what} cannot stand in a header"), help);
        return None;
    }
    Some(value.to_owned())
}

/// Reads what one language of a message tells a webhook, and tries it.
pub(crate) fn message(report: &mut Report<'_>, fields: &Fields<'_>, message: &mut LocalizedMessage) {
    let Some(node) = fields.get(Channel::Webhook.as_str()) else { return };
    let before = report.errors();
    // What is wrong is there, too: the steps that send it are not wrong for it.
    message.webhook = Some(read(report, node).unwrap_or_default());
    if report.errors() == before {
        tried(report, node, message, Channel::Webhook);
    }
}

fn read(report: &mut Report<'_>, node: &Node) -> Option<WebhookTemplate> {
    const WHAT: &str = "`webhook`";
    const HELP: &str = "write `text:` for the usual envelope, or `body:` and JSON";
    let fields = Fields::read(report, node, WHAT, &["to", "text", "body"])?;
    let to = match fields.get("to") {
        Some(node) => Some((node.at, text(report, node, "`to`")?.to_owned())),
        None => None,
    };
    report.refer(to.as_ref().map_or(node.at, |(at, _)| *at), Target::Webhook(to.as_ref().map(|(_, to)| to.clone())));
    let to = to.map(|(_, to)| to);
    match (fields.get("text"), fields.get("body")) {
        (Some(_), Some(node)) => {
            report.problem(
                node.at,
                "`text` and `body` stand side by side",
                "keep one of them: the text stands in the envelope",
            );
            None
        }
        (None, Some(node)) => {
            let body = template(report, node, "`body`", TemplateKind::Json)?;
            Some(WebhookTemplate { to, text: String::new(), body: Some(body) })
        }
        (text, None) => {
            let Some(node) = text else {
                fields.required(report, WHAT, "text", HELP);
                return None;
            };
            Some(WebhookTemplate { to, text: template(report, node, "`text`", TemplateKind::Text)?, body: None })
        }
    }
}
