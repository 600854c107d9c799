//! Reads what playbooks say of notifications in browsers: how the shop shows itself to push services, and the messages.

use kairos_engine::bounds::{WEB_PUSH_CONTACT_BYTES_MAX, WEB_PUSH_TOPIC_CHARS_MAX};
use kairos_engine::playbook::{Channel, LocalizedMessage, Urgency, WebPushMessage, WebPushSettings};
use kairos_engine::time::Span;
use kairos_messages::TemplateKind;

use crate::diagnostic::Report;
use crate::fields::{Fields, span, text, word};
use crate::messages::template;
use crate::messengers::tried;
use crate::node::Node;

const WHAT: &str = "`web_push`";

/// Reads `web_push` of `channels.yaml`.
pub(crate) fn settings(report: &mut Report<'_>, node: &Node) -> Option<WebPushSettings> {
    const HELP: &str = "write whom push services can ask when something is wrong: `contact: mailto:web@shop.example`";
    let fields = Fields::read(report, node, WHAT, &["contact"])?;
    let node = fields.required(report, WHAT, "contact", HELP)?;
    let contact = text(report, node, "`contact`")?;
    let is_plain = contact.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    let is_one = match (contact.strip_prefix("mailto:"), contact.strip_prefix("https://")) {
        (Some(address), _) => address.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.starts_with('.')
        }),
        (_, Some(page)) => page.split('/').next().is_some_and(|host| host.contains('.') && !host.contains('@')),
        _ => false,
    };
    if !is_one || !is_plain || contact.len() > WEB_PUSH_CONTACT_BYTES_MAX {
        report.problem(node.at, format!("`{contact}` is no contact"), HELP);
        return None;
    }
    Some(WebPushSettings { contact: contact.to_owned() })
}

/// Reads what one language of a message says in notifications, and tries it.
pub(crate) fn message(report: &mut Report<'_>, fields: &Fields<'_>, message: &mut LocalizedMessage) {
    let Some(node) = fields.get(Channel::WebPush.as_str()) else { return };
    let before = report.errors();
    // What is wrong is there, too: the steps that send it are not wrong for it.
    message.web_push = Some(read(report, node).unwrap_or_default());
    if report.errors() == before {
        tried(report, node, message, Channel::WebPush);
    }
}

fn read(report: &mut Report<'_>, node: &Node) -> Option<WebPushMessage> {
    let keys = ["title", "body", "image", "icon", "url", "urgency", "ttl", "topic"];
    let fields = Fields::read(report, node, WHAT, &keys)?;
    let title = fields.required(report, WHAT, "title", "write `title:` and a template of one line");
    let title = title.and_then(|node| template(report, node, "`title`", TemplateKind::Line));
    let body = fields.required(report, WHAT, "body", "write `body:` and a template");
    let body = body.and_then(|node| template(report, node, "`body`", TemplateKind::Text));
    let mut link = |name: &'static str| match fields.get(name) {
        Some(node) => template(report, node, &format!("`{name}`"), TemplateKind::Link).map(Some),
        None => Some(None),
    };
    let (image, icon, url) = (link("image"), link("icon"), link("url"));
    let urgency = match fields.get("urgency") {
        Some(node) => word(report, node, "`urgency`", &Urgency::ALL),
        None => Some(Urgency::default()),
    };
    let ttl = match fields.get("ttl") {
        Some(node) => ttl(report, node).map(Some),
        None => Some(None),
    };
    let topic = match fields.get("topic") {
        Some(node) => topic(report, node).map(Some),
        None => Some(None),
    };
    Some(WebPushMessage {
        title: title?,
        body: body?,
        image: image?,
        icon: icon?,
        url: url?,
        urgency: urgency?,
        ttl: ttl?,
        topic: topic?,
    })
}

fn ttl(report: &mut Report<'_>, node: &Node) -> Option<Span> {
    let ttl = span(report, node, "`ttl`")?;
    if ttl < Span::from_secs(1) {
        let help = "write how long it may wait for a device that is off, as in `ttl: 1h`; without it, as long as the \
                    play's `valid_for`";
        report.problem(node.at, "a notification that may not wait reaches hardly anybody", help);
        return None;
    }
    Some(ttl)
}

fn topic(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let topic = text(report, node, "`topic`")?;
    let plain = topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !plain || topic.is_empty() || topic.len() > WEB_PUSH_TOPIC_CHARS_MAX {
        let help = format!("write 1 to {WEB_PUSH_TOPIC_CHARS_MAX} letters, digits, `_` or `-`");
        report.problem(node.at, format!("`{topic}` cannot be a topic"), help);
        return None;
    }
    Some(topic.to_owned())
}
