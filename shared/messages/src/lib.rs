//! Messages: Liquid templates over the data of one user, escaped for the channel they are sent on.
//!
//! The language is the part of Liquid that messages need, with the meaning it has everywhere
//! (`tests/reference.rs` compares it with the `liquid` crate), and closed: every name in a template is
//! known when it is checked, so a slip is found before a customer is waiting.
//!
//! - outputs: `{{ item.price | money }}`; whitespace control `{{-`, `-%}`
//! - tags: `if`/`elsif`/`else`, `unless`, `case`/`when`, `for` (`limit`, `offset`, `reversed`, ranges,
//!   `forloop`, `break`, `continue`), `assign`, `comment`, `raw`
//! - filters: `append`, `capitalize`, `default`, `divided_by`, `downcase`, `minus`, `money`, `plus`,
//!   `prepend`, `remove`, `replace`, `size`, `strip`, `times`, `truncate`, `upcase`, `url_encode`
//! - data: `user` (`id`, `first_name`, `last_name`), `cart` (`items`, `total`, `currency`), each item with
//!   `id`, `name`, `price`, `currency`, `quantity`, `image_url`, `url`
//!
//! **Invariants:** data never becomes markup, a header, a line break or a template; a rendering's time and
//! memory are bounded whatever the template and the data say; nothing here panics on any template or data;
//! errors quote the template, never the data.
//!
//! Reading order: `syntax`, `lexer`, `parse`, `names` and `filters` (what there is), `html` (where values
//! may stand), `value`, `render`, `escape`, `sms`.

mod escape;
mod filters;
mod html;
mod lexer;
mod names;
mod parse;
mod problem;
mod render;
mod sms;
mod syntax;
mod value;

use kairos_engine::bounds::{RENDERED_BYTES_MAX, SMS_CHARS_MAX, TEMPLATE_ITERATIONS_MAX, TEMPLATE_WORK_BYTES_MAX};
use kairos_engine::mailbox::MessageData;
use kairos_engine::playbook::{Channel, LocalizedMessage};

pub use problem::{TemplateProblem, closest};
pub use sms::{SmsEncoding, SmsSize, sms_size};

use render::Fault;

/// What a template becomes, which decides how data is written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateKind {
    /// One line: an email's subject.
    Line,
    /// Text without markup: an email's text part, an SMS, a webhook's text.
    Text,
    /// HTML: values are escaped, and refused where escaping would not be enough.
    Html,
}

/// A message, ready to be handed to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderedMessage {
    /// An email.
    Email {
        /// The subject: one line, never empty.
        subject: String,
        /// The text part, never empty.
        text: String,
        /// The HTML part.
        html: Option<String>,
    },
    /// An SMS.
    Sms {
        /// The text, never empty and at most [`SMS_CHARS_MAX`] units long.
        text: String,
        /// The alphabet it needs.
        encoding: SmsEncoding,
        /// Into how many segments it falls; each is paid for.
        segments: usize,
    },
    /// A webhook's text.
    Webhook {
        /// The text; it may be empty, the data stands beside it.
        text: String,
    },
}

/// Why a message was not rendered. None of these goes away by trying again, and none quotes data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// There is nothing to say on this channel.
    #[error("the message has no template for {0}; add one, or take the channel out of the play's step")]
    NoTemplate(Channel),
    /// A template is wrong; `kairos check` says so before it is published.
    #[error("the {part} template is wrong: {problem}")]
    Template {
        /// Which template.
        part: &'static str,
        /// The first thing that is wrong.
        problem: TemplateProblem,
    },
    /// The text became too long.
    #[error("the {part} became longer than {RENDERED_BYTES_MAX} bytes; shorten it, for example with `truncate`")]
    TooLarge {
        /// Which template.
        part: &'static str,
    },
    /// The loops ran too often.
    #[error("the loops of the {part} ran more than {TEMPLATE_ITERATIONS_MAX} times; add a `limit`")]
    TooManyIterations {
        /// Which template.
        part: &'static str,
    },
    /// Filters and assignments moved too much text.
    #[error("the {part} worked through more than {TEMPLATE_WORK_BYTES_MAX} bytes of text; use fewer filters in loops")]
    TooMuchWork {
        /// Which template.
        part: &'static str,
    },
    /// Nothing was left to send.
    #[error("the {part} came out empty; give missing values a `default`")]
    Empty {
        /// Which template.
        part: &'static str,
    },
    /// The SMS is longer than can be sent.
    #[error("the SMS is {units} characters long, more than {SMS_CHARS_MAX}; shorten it, for example with `truncate`")]
    SmsTooLong {
        /// Its length in septets or UTF-16 units.
        units: usize,
    },
}

/// Renders a message for a channel: takes the templates of the user's language and the data that was
/// fixed when the message was decided, gives what the provider takes.
///
/// # Errors
/// When there is no template for the channel, when a template is wrong, or when a limit is met.
pub fn render(
    message: &LocalizedMessage,
    channel: Channel,
    data: &MessageData,
) -> Result<RenderedMessage, RenderError> {
    let missing = || RenderError::NoTemplate(channel);
    match channel {
        Channel::Email => {
            let email = message.email.as_ref().ok_or_else(missing)?;
            let html = email.html.as_deref().map(|html| render_part(html, TemplateKind::Html, "HTML part", data));
            Ok(RenderedMessage::Email {
                subject: not_empty(render_part(&email.subject, TemplateKind::Line, "subject", data)?, "subject")?,
                text: not_empty(render_part(&email.text, TemplateKind::Text, "text part", data)?, "text part")?,
                html: html.transpose()?,
            })
        }
        Channel::Sms => {
            let sms = message.sms.as_ref().ok_or_else(missing)?;
            let text = not_empty(render_part(&sms.text, TemplateKind::Text, "SMS", data)?, "SMS")?;
            let SmsSize { encoding, units, segments } = sms_size(&text);
            if units > SMS_CHARS_MAX {
                return Err(RenderError::SmsTooLong { units });
            }
            Ok(RenderedMessage::Sms { text, encoding, segments })
        }
        Channel::Webhook => {
            let webhook = message.webhook.as_ref().ok_or_else(missing)?;
            Ok(RenderedMessage::Webhook { text: render_part(&webhook.text, TemplateKind::Text, "webhook text", data)? })
        }
    }
}

/// Checks a template without data.
///
/// # Errors
/// Everything that is wrong with it: unknown variables, filters and tags, blocks that are not closed,
/// and in HTML values in places where data could become markup.
pub fn check_template(source: &str, kind: TemplateKind) -> Result<(), Vec<TemplateProblem>> {
    prepare(source, kind).map(drop)
}

fn prepare(source: &str, kind: TemplateKind) -> Result<Vec<syntax::Node>, Vec<TemplateProblem>> {
    let mut nodes = parse::parse(source)
        .map_err(|problems| problems.into_iter().map(|problem| problem.located(source)).collect::<Vec<_>>())?;
    if kind == TemplateKind::Html {
        html::place_values(&mut nodes).map_err(|problem| vec![problem.located(source)])?;
    }
    Ok(nodes)
}

fn render_part(
    source: &str,
    kind: TemplateKind,
    part: &'static str,
    data: &MessageData,
) -> Result<String, RenderError> {
    let nodes = prepare(source, kind).map_err(|problems| RenderError::Template {
        part,
        problem: problems.into_iter().next().expect("a template is refused for at least one problem"),
    })?;
    let text = render::render(&nodes, data).map_err(|fault| match fault {
        Fault::Size => RenderError::TooLarge { part },
        Fault::Iterations => RenderError::TooManyIterations { part },
        Fault::Work => RenderError::TooMuchWork { part },
    })?;
    Ok(match kind {
        TemplateKind::Line => escape::tidy_line(&text),
        TemplateKind::Text | TemplateKind::Html => escape::tidy_text(&text),
    })
}

fn not_empty(text: String, part: &'static str) -> Result<String, RenderError> {
    if text.is_empty() { Err(RenderError::Empty { part }) } else { Ok(text) }
}
