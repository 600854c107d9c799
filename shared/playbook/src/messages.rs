//! Reads a message file: templates by language and channel, each checked.

use std::collections::BTreeMap;

use kairos_engine::playbook::{Channel, EmailTemplate, LocalizedMessage, Message, Purpose, SmsTemplate};
use kairos_messages::{
    Blocks, Misplaced, Setting, TemplateKind, check_template, destinations_in, names_in, names_in_message,
};

use crate::diagnostic::{Found, Place, Report, Target};
use crate::fields::{Fields, entries, text, word};
use crate::messengers;
use crate::mjml;
use crate::node::Node;
use crate::on_site;
use crate::push;
use crate::text_part::{text_of, with_preheader};
use crate::webhooks;

/// Reads one file of `messages/`. `files` are the texts beside it, for `html_file` and `mjml_file`; problems in those
/// go to `elsewhere`.
pub(crate) fn message(
    report: &mut Report<'_>,
    root: &Node,
    files: &BTreeMap<String, String>,
    blocks: &Blocks,
    elsewhere: &mut Found,
) -> Option<Message> {
    const HELP: &str =
        "write `locales:`, below it a language (`en`), below it `email`, `sms`, `telegram` or another channel";
    let before = report.errors();
    let fields =
        Fields::read(report, root, "a message", &["default_locale", "locales", "needs", "promotion", "purpose"])?;
    let promotion = match fields.get("promotion") {
        Some(node) => {
            let name = text(report, node, "`promotion`")?;
            report.refer(node.at, Target::Promotion(name.to_owned()));
            Some(name.to_owned())
        }
        None => None,
    };
    let purpose = match fields.get("purpose") {
        Some(node) => word(report, node, "`purpose`", &Purpose::ALL)?,
        None => Purpose::Marketing,
    };
    let needs_products = match fields.get("needs") {
        Some(node) => word(report, node, "`needs`", &NEEDS)?,
        None => false,
    };
    let node = fields.required(report, "a message", "locales", HELP)?;
    let mut locales = BTreeMap::new();
    for entry in entries(report, node, "`locales`", HELP)? {
        let Some(tag) = locale(&entry.key) else {
            report.problem(
                entry.at,
                format!("`{}` is not a language", entry.key),
                "write a tag such as `en` or `pt-BR`",
            );
            continue;
        };
        report.setting = Setting { language: tag.clone(), blocks: blocks.clone() };
        let templates = localized(report, &entry.node, files, elsewhere).unwrap_or_default();
        if report.errors() == before {
            shows_code(report, entry.at, &entry.key, &templates, promotion.as_deref());
            shows_way_out(report, entry.at, &entry.key, &templates, purpose);
        }
        if locales.insert(tag, templates).is_some() {
            report.problem(entry.at, format!("`{}` stands here twice", entry.key), "keep one of them");
        }
    }
    let default_locale = match fields.get("default_locale") {
        Some(node) => {
            let given = text(report, node, "`default_locale`")?;
            match locale(given).filter(|tag| locales.contains_key(tag)) {
                Some(tag) => tag,
                None => {
                    let known: Vec<&str> = locales.keys().map(String::as_str).collect();
                    let help = crate::fields::instead(given, &known);
                    report.problem(node.at, format!("the message has no language `{given}`"), help);
                    return None;
                }
            }
        }
        None if locales.len() <= 1 => locales.keys().next().cloned()?,
        None => {
            let at = fields.start();
            report.problem(at, "a message in several languages needs `default_locale`", "write `default_locale: en`");
            return None;
        }
    };
    if let Some(node) = fields.get("needs").filter(|_| report.errors() == before) {
        shows_products(report, node.at, &locales);
    }
    Some(Message { default_locale, locales, promotion, purpose, needs_products })
}

/// Whoever gets a message with a promotion must see the code, whatever the channel; and there is no code without one.
fn shows_code(report: &mut Report<'_>, at: Place, locale: &str, templates: &LocalizedMessage, promotion: Option<&str>) {
    for channel in Channel::ALL.into_iter().filter(|channel| templates.has(*channel)) {
        let names = names_in_message(templates, channel);
        let shows_code = names.iter().any(|name| name == "promo_code" || name == "promo_code.code");
        let shows_any = shows_code || names.iter().any(|name| name.starts_with("promo_code."));
        match promotion {
            Some(promotion) if !shows_code => report.problem(
                at,
                format!("who gets this by {channel} in `{locale}` does not see the code of `{promotion}`"),
                "write `{{ promo_code.code }}` into the text, or remove `promotion`",
            ),
            None if shows_any => report.problem(
                at,
                format!("this shows `promo_code` by {channel} in `{locale}`, but the message gives no code"),
                "write `promotion:` and one of promotions.yaml, beside `locales`",
            ),
            _ => {}
        }
    }
}

/// What a message can need. There is one thing, and it needs it.
pub(crate) const NEEDS: [(&str, bool); 1] = [("products", true)];

/// A message that needs products shows a list of them, whatever the channel: else it would never be held back.
fn shows_products(report: &mut Report<'_>, at: Place, locales: &BTreeMap<String, LocalizedMessage>) {
    for (locale, templates) in locales {
        for channel in Channel::ALL.into_iter().filter(|channel| templates.has(*channel)) {
            let names = names_in_message(templates, channel);
            let is_list = |name: &String| {
                matches!(name.split('.').next(), Some("viewed" | "related")) || matches!(&**name, "cart" | "cart.items")
            };
            if !names.iter().any(is_list) {
                report.problem(
                    at,
                    format!("the message needs products, but shows no list of them by {channel} in `{locale}`"),
                    "show `cart.items`, `viewed` or `related`, or remove `needs`",
                );
            }
        }
    }
}

/// Who gets marketing by email finds in it how to end that, in the part that they see.
fn shows_way_out(report: &mut Report<'_>, at: Place, locale: &str, templates: &LocalizedMessage, purpose: Purpose) {
    let Some(email) = templates.email.as_ref().filter(|_| purpose == Purpose::Marketing) else { return };
    let shows = |template: &str| {
        let names = names_in(template);
        names.contains("unsubscribe_url") || names.contains("preferences_url")
    };
    let parts = [("text", Some(&*email.text)), ("HTML", email.html.as_deref())];
    for (part, _) in parts.into_iter().filter(|(_, template)| template.is_some_and(|template| !shows(template))) {
        report.warning(
            at,
            format!("who gets this email in `{locale}` does not see in its {part} how to unsubscribe"),
            "write `{{ unsubscribe_url }}` or `{{ preferences_url }}` into it; or `purpose: transactional` beside \
             `locales`, if somebody expects this email because of an order or a request",
        );
    }
}

/// A BCP 47 tag in the form in which languages are looked up: lower case, with hyphens.
pub(crate) fn locale(tag: &str) -> Option<String> {
    let tag = tag.replace('_', "-").to_ascii_lowercase();
    let mut parts = tag.split('-');
    let language = parts
        .next()
        .is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase()));
    let rest = parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (language && rest && tag.len() <= 35).then_some(tag)
}

fn localized(
    report: &mut Report<'_>,
    node: &Node,
    files: &BTreeMap<String, String>,
    elsewhere: &mut Found,
) -> Option<LocalizedMessage> {
    let channels = Channel::ALL.map(Channel::as_str);
    let fields = Fields::read(report, node, "a language of a message", &channels)?;
    let email = fields.get("email").map(|node| email(report, node, files, elsewhere).unwrap_or_default());
    let sms = fields.get("sms").map(|node| {
        let fields = Fields::read(report, node, "`sms`", &["text"]);
        let node = fields.and_then(|fields| fields.required(report, "`sms`", "text", "write `text:` and a template"));
        let text = node.and_then(|node| template(report, node, "`text`", TemplateKind::Text)).unwrap_or_default();
        SmsTemplate { text }
    });
    let mut message = LocalizedMessage { email, sms, ..LocalizedMessage::default() };
    webhooks::message(report, &fields, &mut message);
    messengers::messages(report, &fields, &mut message);
    on_site::message(report, &fields, &mut message);
    push::messages(report, &fields, &mut message);
    Some(message)
}

fn email(
    report: &mut Report<'_>,
    node: &Node,
    files: &BTreeMap<String, String>,
    elsewhere: &mut Found,
) -> Option<EmailTemplate> {
    let fields = Fields::read(
        report,
        node,
        "`email`",
        &["subject", "preheader", "text", "html", "html_file", "mjml", "mjml_file"],
    )?;
    let subject = fields.required(report, "`email`", "subject", "write `subject:` and one line");
    let subject = subject.and_then(|node| template(report, node, "`subject`", TemplateKind::Line));
    let preheader = fields.get("preheader").map(|node| template(report, node, "`preheader`", TemplateKind::Line));
    let before = report.errors();
    let html = html_part(report, &fields, files, elsewhere);
    let is_right = report.errors() == before && elsewhere.errors() == 0;
    let part = match (fields.get("text"), &html) {
        (Some(node), _) => template(report, node, "`text`", TemplateKind::Text),
        (None, Some(html)) => is_right.then(|| made_text(report, node.at, html)),
        // Wrong HTML is told already.
        (None, None) if HTML_WAYS.iter().any(|way| fields.get(way).is_some()) => None,
        (None, None) => {
            let help = "write `text:`: it is shown where HTML is not, and keeps mails out of spam";
            fields.required(report, "`email`", "text", help);
            None
        }
    };
    let preheader = preheader.flatten().filter(|preheader| !preheader.trim().is_empty());
    if let (Some(node), None) = (fields.get("preheader"), &html) {
        report.problem(node.at, "a preheader stands in the HTML, and there is none", "write `mjml:` or `html:`, too");
    }
    let html = html.map(|html| preheader.map_or_else(|| html.clone(), |preheader| with_preheader(&html, &preheader)));
    Some(EmailTemplate { subject: subject.unwrap_or_default(), text: part.unwrap_or_default(), html })
}

/// The text part of an email that has none of its own.
fn made_text(report: &mut Report<'_>, at: Place, html: &str) -> String {
    let text = text_of(html);
    let problem = match check_template(&text, TemplateKind::Text, &report.setting) {
        Ok(()) if text.is_empty() => Some("nothing can be read in its HTML".to_owned()),
        Ok(()) => None,
        Err(problems) => problems.first().map(|problem| problem.message.clone()),
    };
    if let Some(problem) = problem {
        report.problem(at, format!("no text part can be made of this email: {problem}"), "write `text:`");
    }
    text
}

/// How the HTML of an email can be written.
const HTML_WAYS: [&str; 4] = ["html", "html_file", "mjml", "mjml_file"];

/// The HTML of an email, however it is written.
fn html_part(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    files: &BTreeMap<String, String>,
    elsewhere: &mut Found,
) -> Option<String> {
    let mut given = HTML_WAYS.into_iter().filter_map(|way| Some((way, fields.get(way)?)));
    let (way, node) = given.next()?;
    if let Some((other, node)) = given.next() {
        report.problem(node.at, format!("`{way}` and `{other}` stand side by side"), "keep one of them");
        return None;
    }
    match way {
        "html" => template(report, node, "`html`", TemplateKind::Html),
        "mjml" => {
            let source = text(report, node, "`mjml`")?;
            let file = report.text();
            mjml(report, source, false, &|line, column| place_in_file(file, node.at, source, line, column))
        }
        _ => {
            let ending = if way == "html_file" { ".liquid" } else { ".mjml" };
            let (path, source) = beside(report, node, &format!("`{way}`"), ending, files)?;
            let setting = report.setting.clone();
            // Two languages may share a file; its problems are told once.
            let is_told = elsewhere.is_wrong(path);
            let mut report = Report::new(path, source, elsewhere);
            report.setting = setting;
            let in_file = |line, column| Place { line, column };
            match way {
                "html_file" => Some(checked(&mut report, source, TemplateKind::Html, is_told, &in_file)),
                _ => mjml(&mut report, source, is_told, &in_file),
            }
        }
    }
}

/// The HTML of an email that is written in MJML. `place` says where a line and column of it stand in the report's file.
fn mjml(report: &mut Report<'_>, source: &str, is_told: bool, place: &dyn Fn(usize, usize) -> Place) -> Option<String> {
    match mjml::compiled(source) {
        Ok(compiled) => {
            let place = |line, column| {
                let origin = compiled.origin(source, line, column);
                place(origin.line, origin.column)
            };
            Some(checked(report, &compiled.html, TemplateKind::Html, is_told, &place))
        }
        Err(problem) => {
            let at = problem.place(source);
            if !is_told {
                report.problem(place(at.line, at.column), problem.message, problem.help);
            }
            None
        }
    }
}

/// The file beside a message that it names, with what stands in it.
fn beside<'f>(
    report: &mut Report<'_>,
    node: &Node,
    what: &str,
    ending: &str,
    files: &'f BTreeMap<String, String>,
) -> Option<(&'f String, &'f String)> {
    let name = text(report, node, what)?;
    let path = format!("messages/{name}");
    let is_one = |name: &str| name.ends_with(ending) && !name.contains('/');
    if let Some(file) = files.get_key_value(&path).filter(|_| is_one(name)) {
        return Some(file);
    }
    let beside: Vec<&str> =
        files.keys().filter_map(|path| path.strip_prefix("messages/").filter(|name| is_one(name))).collect();
    let help = if beside.is_empty() {
        format!("put a file ending in `{ending}` beside this one, and write its name")
    } else {
        crate::fields::instead(name, &beside)
    };
    report.problem(node.at, format!("there is no file `{name}` in messages/"), help);
    None
}

/// Checks a template with the blocks that it includes; gives it with them, or as it is when they are wrong. `place` says
/// where a line and column of it stand in the report's file.
fn checked(
    report: &mut Report<'_>,
    source: &str,
    kind: TemplateKind,
    is_told: bool,
    place: &dyn Fn(usize, usize) -> Place,
) -> String {
    let setting = report.setting.clone();
    let whole = match setting.blocks.whole(source, &setting.language) {
        Ok(whole) => whole,
        Err(Misplaced { block, problem }) => {
            let (line, column) = (problem.line, problem.column);
            report.template_problem(block.as_ref(), (line, column), place, problem.message, problem.help);
            return source.to_owned();
        }
    };
    let problems = check_template(&whole.source, kind, &setting).err().unwrap_or_default();
    for problem in problems.into_iter().filter(|_| !is_told) {
        let (block, line, column) = whole.origin(source, problem.line, problem.column);
        report.template_problem(block.as_ref(), (line, column), place, problem.message, problem.help);
    }
    for named in destinations_in(&whole.source) {
        let (block, line, column) = whole.origin(source, named.line, named.column);
        let to = Target::Destination(named.name);
        match block {
            Some(block) => report.elsewhere(&block.file, &block.source).refer(Place { line, column }, to),
            None => report.refer(place(line, column), to),
        }
    }
    report.includes(whole.names);
    whole.source
}

/// A template, checked; its problems are told where they stand in the YAML file. A wrong one is there, too: with it no
/// playbook is put in force, but a [`draft`](crate::draft) shows what is wrong with it.
pub(crate) fn template(report: &mut Report<'_>, node: &Node, what: &str, kind: TemplateKind) -> Option<String> {
    let source = text(report, node, what)?;
    let file = report.text();
    let place = |line, column| place_in_file(file, node.at, source, line, column);
    Some(checked(report, source, kind, false, &place))
}

/// Where a place of a template stands in the file that quotes it: exact for blocks (`|`) and plain or
/// quoted lines, the value's start for the rest (folded or with escapes).
fn place_in_file(file: &str, value_at: Place, template: &str, line: usize, column: usize) -> Place {
    let file_line = value_at.line + line - 1;
    let raw = file_line.checked_sub(1).and_then(|line| file.lines().nth(line)).unwrap_or_default();
    let wanted = template.lines().nth(line - 1).unwrap_or_default();
    match raw.find(wanted).filter(|_| !wanted.is_empty()) {
        Some(at) => Place { line: file_line, column: raw[..at].chars().count() + column },
        None => value_at,
    }
}
