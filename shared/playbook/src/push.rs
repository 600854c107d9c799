//! Reads what playbooks say of notifications in browsers and of apps: how the shop is known to push services, and the
//! messages.

use kairos_engine::bounds::{WEB_PUSH_CONTACT_BYTES_MAX, WEB_PUSH_TOPIC_CHARS_MAX};
use kairos_engine::playbook::{
    Channel, LocalizedMessage, MobilePlatform, MobilePushSettings, PushMessage, Urgency, WebPushSettings,
};
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

/// Reads `mobile_push` of `channels.yaml`.
pub(crate) fn applications(report: &mut Report<'_>, node: &Node) -> Option<MobilePushSettings> {
    const WHAT: &str = "`mobile_push`";
    let keys = MobilePlatform::ALL.map(|(name, _)| name);
    let fields = Fields::read(report, node, WHAT, &keys)?;
    let mut settings = MobilePushSettings::default();
    for (name, platform) in MobilePlatform::ALL {
        let Some(node) = fields.get(name) else { continue };
        let arn = text(report, node, &format!("`{name}`"))?;
        let parts: Vec<&str> = arn.split(':').collect();
        let is_one = match parts.as_slice() {
            ["arn", _, "sns", region, account, application] => {
                let name = application.strip_prefix("app/").and_then(|rest| rest.split_once('/'));
                let is_plain =
                    |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
                !region.is_empty()
                    && account.len() == 12
                    && name.is_some_and(|(key, name)| key == platform.key() && !name.is_empty() && is_plain(name))
            }
            _ => false,
        };
        if !is_one {
            let key = platform.key();
            let help =
                format!("write the ARN that SNS shows: `{name}: arn:aws:sns:eu-central-1:123456789012:app/{key}/shop`");
            report.problem(node.at, format!("`{arn}` is no platform application of this kind"), help);
            return None;
        }
        let arn = Some(arn.to_owned());
        match platform {
            MobilePlatform::Apns => settings.apns = arn,
            MobilePlatform::ApnsSandbox => settings.apns_sandbox = arn,
            MobilePlatform::Fcm => settings.fcm = arn,
        }
    }
    Some(settings)
}

/// Reads what one language of a message says in notifications, and tries it.
pub(crate) fn messages(report: &mut Report<'_>, fields: &Fields<'_>, message: &mut LocalizedMessage) {
    for channel in [Channel::WebPush, Channel::MobilePush] {
        let Some(node) = fields.get(channel.as_str()) else { continue };
        let before = report.errors();
        // What is wrong is there, too: the steps that send it are not wrong for it.
        let read = Some(read(report, node, channel).unwrap_or_default());
        match channel {
            Channel::WebPush => message.web_push = read,
            _ => message.mobile_push = read,
        }
        if report.errors() == before {
            tried(report, node, message, channel);
        }
    }
}

fn read(report: &mut Report<'_>, node: &Node, channel: Channel) -> Option<PushMessage> {
    let what = format!("`{channel}`");
    // An app has its own small picture.
    let all = ["title", "body", "image", "url", "urgency", "ttl", "topic", "icon"];
    let keys = if channel == Channel::WebPush { &all[..] } else { &all[..all.len() - 1] };
    let fields = Fields::read(report, node, &what, keys)?;
    let title = fields.required(report, &what, "title", "write `title:` and a template of one line");
    let title = title.and_then(|node| template(report, node, "`title`", TemplateKind::Line));
    let body = fields.required(report, &what, "body", "write `body:` and a template");
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
    Some(PushMessage {
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
