//! Reads what playbooks say of messengers: how they are set up, and messages on them.

use kairos_engine::bounds::{CHAT_LINK_BYTES_MAX, WHATSAPP_PARAMETERS_MAX};
use kairos_engine::playbook::{
    Channel, ChatTemplate, LinkButton, LocalizedMessage, TelegramSettings, ViberSettings, WhatsappSettings,
    WhatsappTemplate,
};
use kairos_messages::{TemplateKind, check_message};

use crate::diagnostic::Report;
use crate::fields::{Fields, flag, list, text};
use crate::messages::template;
use crate::node::{Node, Value};

/// Longest name of a Viber bot, in characters (Viber's REST API, `sender.name`).
const VIBER_SENDER_CHARS_MAX: usize = 28;
/// Longest name of a WhatsApp template, in characters (Meta's API of message templates).
const WHATSAPP_TEMPLATE_CHARS_MAX: usize = 512;

/// Reads `telegram` of `channels.yaml`.
pub(crate) fn telegram(report: &mut Report<'_>, node: &Node) -> Option<TelegramSettings> {
    if matches!(node.value, Value::Null) {
        return Some(TelegramSettings::default());
    }
    let fields = Fields::read(report, node, "`telegram`", &["silent"])?;
    let silent = match fields.get("silent") {
        Some(node) => flag(report, node, "`silent`")?,
        None => false,
    };
    Some(TelegramSettings { silent })
}

/// Reads `viber` of `channels.yaml`.
pub(crate) fn viber(report: &mut Report<'_>, node: &Node) -> Option<ViberSettings> {
    const HELP: &str = "write `sender: Shop`, the name that is shown above messages";
    let fields = Fields::read(report, node, "`viber`", &["sender", "avatar"])?;
    let sender = fields.required(report, "`viber`", "sender", HELP).and_then(|node| {
        let sender = text(report, node, "`sender`")?.trim();
        if sender.chars().count() > VIBER_SENDER_CHARS_MAX || sender.contains(char::is_control) {
            let help = format!("write one line of at most {VIBER_SENDER_CHARS_MAX} characters");
            report.problem(node.at, "this name is too long for Viber, or has line breaks", help);
            return None;
        }
        Some(sender.to_owned())
    });
    let avatar = match fields.get("avatar") {
        Some(node) => {
            let link = text(report, node, "`avatar`")?;
            let plain = !link.contains(|c: char| c.is_whitespace() || c.is_control());
            if !link.starts_with("https://") || !plain || link.len() > CHAT_LINK_BYTES_MAX {
                let help = "write the link of a picture: `avatar: https://shop.example/logo.jpg`";
                report.problem(node.at, format!("`{link}` is no link of a picture"), help);
                return None;
            }
            Some(link.to_owned())
        }
        None => None,
    };
    Some(ViberSettings { sender: sender?, avatar })
}

/// Reads `whatsapp` of `channels.yaml`.
pub(crate) fn whatsapp(report: &mut Report<'_>, node: &Node) -> Option<WhatsappSettings> {
    const HELP: &str = "write `phone_number_id: \"123456789012345\"`, the id that Meta shows beside the number";
    let fields = Fields::read(report, node, "`whatsapp`", &["phone_number_id", "api_version"])?;
    let id = fields.required(report, "`whatsapp`", "phone_number_id", HELP).and_then(|node| {
        let id = text(report, node, "`phone_number_id`")?;
        // It stands in the address of every call.
        if !id.bytes().all(|byte| byte.is_ascii_digit()) || id.len() > 20 {
            report.problem(node.at, format!("`{id}` is not the id of a phone number"), HELP);
            return None;
        }
        Some(id.to_owned())
    });
    let api_version = match fields.get("api_version") {
        Some(node) => {
            let version = text(report, node, "`api_version`")?;
            let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            let parts = version.strip_prefix('v').and_then(|version| version.split_once('.'));
            if !parts.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
                let help = format!("write one as Meta does: `api_version: {}`", WhatsappSettings::usual_version());
                report.problem(node.at, format!("`{version}` is not a version of the Graph API"), help);
                return None;
            }
            version.to_owned()
        }
        None => WhatsappSettings::usual_version(),
    };
    Some(WhatsappSettings { phone_number_id: id?, api_version })
}

/// Reads what one language of a message says on messengers, and tries it on each.
pub(crate) fn messages(report: &mut Report<'_>, fields: &Fields<'_>, message: &mut LocalizedMessage) {
    for channel in [Channel::Telegram, Channel::Viber, Channel::Whatsapp] {
        let Some(node) = fields.get(channel.as_str()) else { continue };
        let before = report.errors();
        match channel {
            Channel::Telegram => kept(&mut message.telegram, chat(report, node, channel, TemplateKind::Html)),
            Channel::Viber => kept(&mut message.viber, chat(report, node, channel, TemplateKind::Text)),
            _ => kept(&mut message.whatsapp, whatsapp_message(report, node)),
        };
        if report.errors() == before {
            tried(report, node, message, channel);
        }
    }
}

/// Tries a message whose templates are right.
pub(crate) fn tried(report: &mut Report<'_>, node: &Node, message: &LocalizedMessage, channel: Channel) {
    if let Err(error) = check_message(message, channel, &report.setting) {
        let error = error.to_string();
        let (message, help) = error.split_once("; ").unwrap_or((&error, "change the template"));
        report.problem(node.at, message.to_owned(), help.to_owned());
    }
}

/// Keeps what was read. What is wrong is there, too: the steps that send it are not wrong for it.
fn kept<T: Default>(field: &mut Option<T>, read: Option<T>) {
    *field = Some(read.unwrap_or_default());
}

/// Reads a message of a bot; `kind` says what its text is.
fn chat(report: &mut Report<'_>, node: &Node, channel: Channel, kind: TemplateKind) -> Option<ChatTemplate> {
    let what = format!("`{channel}`");
    let fields = Fields::read(report, node, &what, &["text", "picture", "button"])?;
    let said = fields.required(report, &what, "text", "write `text:` and a template");
    let said = said.and_then(|node| template(report, node, "`text`", kind));
    let picture = match fields.get("picture") {
        Some(node) => Some(template(report, node, "`picture`", TemplateKind::Link)?),
        None => None,
    };
    let button = match fields.get("button") {
        Some(node) => Some(button(report, node)?),
        None => None,
    };
    Some(ChatTemplate { text: said?, picture, button })
}

pub(crate) fn button(report: &mut Report<'_>, node: &Node) -> Option<LinkButton> {
    const WHAT: &str = "a button";
    let fields = Fields::read(report, node, WHAT, &["text", "link"])?;
    let text = fields.required(report, WHAT, "text", "write `text:` and a few words");
    let text = text.and_then(|node| template(report, node, "`text`", TemplateKind::Line));
    let link = fields.required(report, WHAT, "link", "write `link:` and what it opens");
    let link = link.and_then(|node| template(report, node, "`link`", TemplateKind::Link));
    Some(LinkButton { text: text?, link: link? })
}

/// Reads a WhatsApp message.
fn whatsapp_message(report: &mut Report<'_>, node: &Node) -> Option<WhatsappTemplate> {
    const WHAT: &str = "`whatsapp`";
    const NAME: &str = "write the name of a template that Meta has approved: small letters, digits and `_`";
    const LANGUAGE: &str = "write the language of the approved template as Meta does: `en_US`";
    let fields = Fields::read(report, node, WHAT, &["template", "language", "parameters", "picture"])?;
    let name = fields.required(report, WHAT, "template", NAME).and_then(|node| {
        let name = text(report, node, "`template`")?;
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !plain || name.len() > WHATSAPP_TEMPLATE_CHARS_MAX {
            report.problem(node.at, format!("`{name}` cannot be the name of a WhatsApp template"), NAME);
            return None;
        }
        Some(name.to_owned())
    });
    let language = fields.required(report, WHAT, "language", LANGUAGE).and_then(|node| {
        let code = text(report, node, "`language`")?;
        let (language, country) = code.split_once('_').map_or((code, None), |(code, country)| (code, Some(country)));
        let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_one = (2..=3).contains(&language.len())
            && letters(language)
            && country.is_none_or(|country| (2..=4).contains(&country.len()) && letters(country));
        if !is_one {
            report.problem(node.at, format!("`{code}` is not the language of a WhatsApp template"), LANGUAGE);
            return None;
        }
        Some(code.to_owned())
    });
    let parameters = match fields.get("parameters") {
        Some(node) => parameters(report, node)?,
        None => Vec::new(),
    };
    let picture = match fields.get("picture") {
        Some(node) => Some(template(report, node, "`picture`", TemplateKind::Link)?),
        None => None,
    };
    Some(WhatsappTemplate { template: name?, language: language?, parameters, picture })
}

fn parameters(report: &mut Report<'_>, node: &Node) -> Option<Vec<String>> {
    let nodes = list(report, node, "`parameters`")?;
    if nodes.len() > WHATSAPP_PARAMETERS_MAX {
        report.problem(
            node.at,
            format!("these are {} parameters", nodes.len()),
            format!("use a template with at most {WHATSAPP_PARAMETERS_MAX}"),
        );
        return None;
    }
    // All of them, so that every slip is told.
    let read: Vec<_> =
        nodes.iter().map(|node| template(report, node, "a parameter", TemplateKind::Parameter)).collect();
    read.into_iter().collect()
}
