//! Reads what playbooks say of messages on the shop's pages: who may see them, and the messages.

use kairos_engine::bounds::ON_SITE_SLOT_CHARS_MAX;
use kairos_engine::playbook::{Channel, LocalizedMessage, OnSiteKind, OnSiteMessage, OnSitePosition, OnSiteSettings};
use kairos_messages::TemplateKind;

use crate::diagnostic::Report;
use crate::fields::{Fields, flag, text, word};
use crate::messages::template;
use crate::messengers::{button, tried};
use crate::node::{Node, Value};

const WHAT: &str = "`on_site`";

/// Reads `on_site` of `channels.yaml`.
pub(crate) fn settings(report: &mut Report<'_>, node: &Node) -> Option<OnSiteSettings> {
    if matches!(node.value, Value::Null) {
        return Some(OnSiteSettings::default());
    }
    let fields = Fields::read(report, node, WHAT, &["verify_identity"])?;
    let verify_identity = match fields.get("verify_identity") {
        Some(node) => flag(report, node, "`verify_identity`")?,
        None => OnSiteSettings::default().verify_identity,
    };
    Some(OnSiteSettings { verify_identity })
}

/// Reads what one language of a message says on pages, and tries it.
pub(crate) fn message(report: &mut Report<'_>, fields: &Fields<'_>, message: &mut LocalizedMessage) {
    let Some(node) = fields.get(Channel::OnSite.as_str()) else { return };
    let before = report.errors();
    // What is wrong is there, too: the steps that send it are not wrong for it.
    message.on_site = Some(read(report, node).unwrap_or_default());
    if report.errors() == before {
        tried(report, node, message, Channel::OnSite);
    }
}

fn read(report: &mut Report<'_>, node: &Node) -> Option<OnSiteMessage> {
    const KIND: &str = "write `kind: banner`, `kind: modal` or `kind: embedded`";
    let keys = ["kind", "title", "text", "picture", "button", "position", "slot", "dismissible", "close"];
    let fields = Fields::read(report, node, WHAT, &keys)?;
    let kind = fields.required(report, WHAT, "kind", KIND);
    let kind = kind.and_then(|node| word(report, node, "`kind`", &OnSiteKind::ALL));
    let said = fields.required(report, WHAT, "text", "write `text:` and a template");
    let said = said.and_then(|node| template(report, node, "`text`", TemplateKind::Text));
    let mut part = |name: &'static str, kind| match fields.get(name) {
        Some(node) => template(report, node, &format!("`{name}`"), kind).map(Some),
        None => Some(None),
    };
    let title = part("title", TemplateKind::Line);
    let picture = part("picture", TemplateKind::Link);
    let close = part("close", TemplateKind::Line);
    let button = match fields.get("button") {
        Some(node) => button(report, node).map(Some),
        None => Some(None),
    };
    let position = match fields.get("position") {
        Some(node) => word(report, node, "`position`", &OnSitePosition::ALL),
        None => Some(OnSitePosition::default()),
    };
    let slot = match fields.get("slot") {
        Some(node) => slot(report, node).map(Some),
        None => Some(None),
    };
    let dismissible = match fields.get("dismissible") {
        Some(node) => flag(report, node, "`dismissible`"),
        None => Some(true),
    };
    let message = OnSiteMessage {
        kind: kind?,
        title: title?,
        text: said?,
        picture: picture?,
        button: button?,
        position: position?,
        slot: slot?,
        dismissible: dismissible?,
        close: close?,
    };
    fits(report, node, &fields, &message).then_some(message)
}

/// Whether everything that is said makes sense for this kind of message.
fn fits(report: &mut Report<'_>, node: &Node, fields: &Fields<'_>, message: &OnSiteMessage) -> bool {
    let kind = message.kind.as_str();
    if message.kind == OnSiteKind::Embedded && message.slot.is_none() {
        let help = "write `slot: NAME`, and mark the place on the page: `<div data-kairos-slot=\"NAME\">`";
        report.problem(node.at, "an embedded message needs to know where it stands", help);
        return false;
    }
    if let Some(at) = fields.get("slot").filter(|_| message.kind != OnSiteKind::Embedded) {
        report.problem(at.at, format!("a {kind} stands in no slot"), "write `kind: embedded`, or remove `slot`");
        return false;
    }
    if let Some(at) = fields.get("position").filter(|_| message.kind != OnSiteKind::Banner) {
        let help = "remove `position`, or write `kind: banner`";
        report.problem(at.at, format!("the place of a {kind} message cannot be chosen by `position`"), help);
        return false;
    }
    if message.kind == OnSiteKind::Modal && !message.dismissible && message.button.is_none() {
        let help = "remove `dismissible: false`, or give it a button";
        report.problem(node.at, "nobody could ever close this: the page would wait for ever", help);
        return false;
    }
    true
}

fn slot(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let name = text(report, node, "`slot`")?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !plain || name.len() > ON_SITE_SLOT_CHARS_MAX {
        let help = format!("write at most {ON_SITE_SLOT_CHARS_MAX} letters, digits, `_` or `-`");
        report.problem(node.at, format!("`{name}` cannot be the name of a slot"), help);
        return None;
    }
    Some(name.to_owned())
}
