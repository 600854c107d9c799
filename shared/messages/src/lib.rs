//! Messages: Liquid templates over the data of one user, escaped for the channel they are sent on.
//!
//! The language is Liquid as `liquid-core` and `liquid-lib` read it, less what messages do not need, and
//! closed: every name in a template is known when it is checked, so a slip is found before a customer is
//! waiting.
//!
//! - outputs: `{{ item.price | money }}`; whitespace control `{{-`, `-%}`
//! - tags: `if`/`elsif`/`else`, `unless`, `case`/`when`, `for` (`limit`, `offset`, `reversed`, ranges,
//!   `forloop`, `break`, `continue`), `assign`, `comment`, `raw`, `render` (content blocks, see `blocks`)
//! - filters: `append`, `capitalize`, `date`, `default`, `distance`, `divided_by`, `downcase`, `link`, `minus`, `money`,
//!   `plural`, `plus`, `prepend`, `remove`, `replace`, `strip`, `times`, `truncate`, `untracked`, `upcase`, `url_encode`
//! - data: `user` (`id`, `first_name`, `last_name`), `cart` (`items`, `total`, `currency`), each item with
//!   `id`, `name`, `price`, `currency`, `quantity`, `image_url`, `url`, `category`; `product` (an item, with
//!   `was`), `viewed` and `related` (items), `event` (properties by name), `store` (`name`, `title`, `address`, `url`,
//!   `distance_m`), `promo_code` (`code`, `title`, `kind`, `percent`, `amount`, `minimum_total`, `maximum_discount`,
//!   `currency`, `expires_at`), `device` (`type`, `os`), `unsubscribe_url`, `preferences_url`, `confirm_url`; what is not known is an empty text, and in a bare condition
//!   (`{% if user.first_name %}`) an empty text is false
//!
//! **Invariants:** data never becomes markup, a header, a line break or a template; a rendering's time and
//! memory are bounded whatever the template and the data say; nothing here panics on any template or data;
//! errors quote the template, never the data.
//!
//! The libraries have no sandbox. What stands around them:
//!
//! | danger | what holds it |
//! |---|---|
//! | data as markup, links as scripts | outputs are a tag of ours that escapes after all filters (`tags`, `escape`), for the place found by `html` |
//! | deep nesting, long tags and numbers, slips the library panics on | `scan` and `check` refuse them first, and each tag is read alone before all are read together (`render`) |
//! | loops | our own `for`, one budget for all loops of a rendering (`tags`) |
//! | texts that grow | every value read and every filter's result is paid from one budget (`render`, `filters`) |
//! | long outputs | the writer stops at its limit (`render`) |
//!
//! Reading order: `scan` (pieces of a template), `blocks` (what they share), `check` with `names` and `filters` (what there is), `html`
//! and `json` (where values may stand), `render`, `prepared`, `currency`, `tags`, `data`, `escape`, `sms`, `chat`, `on_site`, `push`, `links`; `used` (what a
//! template names); `locale` and `words` (how languages write things).

mod blocks;
mod chat;
mod check;
mod currency;
mod data;
mod escape;
mod filters;
mod html;
mod json;
mod links;
mod locale;
mod names;
mod on_site;
mod prepared;
mod problem;
mod push;
mod render;
mod scan;
mod sms;
mod tags;
mod used;
mod words;

use kairos_engine::bounds::{
    RENDERED_BYTES_MAX, SMS_CHARS_MAX, TEMPLATE_ITERATIONS_MAX, TEMPLATE_SOURCE_BYTES_MAX, TEMPLATE_WORK_BYTES_MAX,
};
use kairos_engine::mailbox::MessageData;
use kairos_engine::playbook::{Channel, LinkButton, LocalizedMessage, OnSiteMessage, PushMessage};

pub use blocks::{Block, Blocks, Misplaced, Whole};
pub use data::{ConsentUrls, Found, PromoCode, Store};
pub use links::{Link, Links, untracked};
pub use locale::Locale;
pub use problem::{TemplateProblem, closest};
pub use scan::liquid_spans;
pub use sms::{SmsEncoding, SmsSize, sms_size};
pub use used::{NamedDestination, destinations_in, names_in, names_in_message};

use escape::Place;
use problem::Problem;
use render::{Fault, Prepared};
use scan::Piece;

/// What a template becomes, which decides how data is written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateKind {
    /// One line: an email's subject, a heading, what stands on a button.
    Line,
    /// Text without markup: an email's text part, an SMS, a webhook's text, a Viber message, a message on a page, a notification.
    Text,
    /// HTML (a Telegram message's, too): values are escaped, and refused where escaping would not be enough.
    Html,
    /// The link of a picture or a button, in a chat, on a page or in a notification: a web link, or nothing.
    Link,
    /// One gap of a WhatsApp template: one line that is never empty.
    Parameter,
    /// The body of a webhook: JSON, in which values cannot end texts or add fields.
    Json,
}

/// What a template is written in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Its language, as a BCP 47 tag.
    pub language: String,
    /// The content blocks that it may include.
    pub blocks: Blocks,
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
    /// What a webhook is told.
    Webhook {
        /// The name of the webhook; without it, the only one there is.
        to: Option<String>,
        /// The text for the envelope; it may be empty, the data stands beside it.
        text: String,
        /// The whole body, as JSON, instead of the envelope.
        body: Option<String>,
    },
    /// A message of a Telegram bot.
    Telegram {
        /// The text in Telegram's HTML, never empty.
        text: String,
        /// The link of the picture.
        picture: Option<String>,
        /// The button below it.
        button: Option<LinkButton>,
    },
    /// A message of a Viber bot.
    Viber {
        /// The plain text, never empty.
        text: String,
        /// The link of the picture.
        picture: Option<String>,
        /// The button below it.
        button: Option<LinkButton>,
    },
    /// A WhatsApp message.
    Whatsapp {
        /// The name of the template that Meta has approved.
        template: String,
        /// Its language.
        language: String,
        /// What fills its gaps: one line each, never empty.
        parameters: Vec<String>,
        /// The link of the picture of its header.
        picture: Option<String>,
    },
    /// A message on the shop's pages or in its app.
    OnSite(OnSiteMessage),
    /// A notification in browsers.
    WebPush(PushMessage),
    /// A notification of the shop's app.
    MobilePush(PushMessage),
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
    /// The template does something that cannot be done.
    #[error("the {part} could not be rendered; run `kairos check`, and simplify its conditions")]
    Failed {
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
    /// A messenger does not take so much.
    #[error("the {part} is {length} long, and {max} is the most; shorten it, for example with `truncate`")]
    TooLong {
        /// What is too long, and what is counted.
        part: &'static str,
        /// Its length.
        length: usize,
        /// The longest that is taken.
        max: usize,
    },
    /// The body of a webhook is no JSON.
    #[error("the {part} is no JSON: {why}; put texts into quotes, and a comma between values")]
    NotJson {
        /// Which template.
        part: &'static str,
        /// What is wrong, and where in what came out of the template.
        why: String,
    },
    /// Telegram would not understand the markup.
    #[error("the Telegram message cannot be read by Telegram: {0}")]
    Markup(String),
}

/// Renders a message for a channel: takes the templates of the user's language and the data that was
/// fixed when the message was decided, gives what the provider takes. It shows neither place nor promo code.
///
/// # Errors
/// When there is no template for the channel, when a template is wrong, or when a limit is met.
pub fn render(
    message: &LocalizedMessage,
    channel: Channel,
    data: &MessageData,
) -> Result<RenderedMessage, RenderError> {
    render_with(message, channel, data, &Found::default())
}

/// As [`render`], with what was found for the message: the place that templates show as `store`, the code that they
/// show as `promo_code`, the pages of destinations. Links stand in it as they are.
///
/// # Errors
/// As [`render`].
pub fn render_with(
    message: &LocalizedMessage,
    channel: Channel,
    data: &MessageData,
    found: &Found,
) -> Result<RenderedMessage, RenderError> {
    render_linked(message, channel, data, found, found)
}

/// As [`render_with`], with links as `links` writes them. The same data gives the same links in the same order.
///
/// # Errors
/// As [`render`].
pub fn render_linked(
    message: &LocalizedMessage,
    channel: Channel,
    data: &MessageData,
    found: &Found,
    links: &dyn Links,
) -> Result<RenderedMessage, RenderError> {
    let pixel = channel == Channel::Email;
    let render_part = |source: &str, kind, part| {
        let text = render_part(source, kind, part, data, found)?;
        Ok(match kind {
            TemplateKind::Text | TemplateKind::Parameter => links::in_text(&text, links),
            TemplateKind::Html => links::in_html(&text, links, pixel),
            TemplateKind::Line => links::left_in_text(&text, links),
            TemplateKind::Json => json::linked(&text, links, part)?,
            // Whether it is a picture or a button, its chat knows.
            TemplateKind::Link => text,
        })
    };
    let missing = || RenderError::NoTemplate(channel);
    match channel {
        Channel::Email => {
            let email = message.email.as_ref().ok_or_else(missing)?;
            let html = email.html.as_deref().map(|html| render_part(html, TemplateKind::Html, "HTML part"));
            Ok(RenderedMessage::Email {
                subject: not_empty(render_part(&email.subject, TemplateKind::Line, "subject")?, "subject")?,
                text: not_empty(render_part(&email.text, TemplateKind::Text, "text part")?, "text part")?,
                html: html.transpose()?,
            })
        }
        Channel::Sms => {
            let sms = message.sms.as_ref().ok_or_else(missing)?;
            let text = not_empty(render_part(&sms.text, TemplateKind::Text, "SMS")?, "SMS")?;
            let SmsSize { encoding, units, segments } = sms_size(&text);
            if units > SMS_CHARS_MAX {
                return Err(RenderError::SmsTooLong { units });
            }
            Ok(RenderedMessage::Sms { text, encoding, segments })
        }
        Channel::Webhook => {
            let webhook = message.webhook.as_ref().ok_or_else(missing)?;
            let body = webhook.body.as_deref();
            Ok(RenderedMessage::Webhook {
                to: webhook.to.clone(),
                text: render_part(&webhook.text, TemplateKind::Text, "webhook text")?,
                body: body.map(|body| render_part(body, TemplateKind::Json, "webhook body")).transpose()?,
            })
        }
        Channel::Telegram => chat::telegram(message.telegram.as_ref().ok_or_else(missing)?, &render_part, links),
        Channel::Viber => chat::viber(message.viber.as_ref().ok_or_else(missing)?, &render_part, links),
        Channel::Whatsapp => chat::whatsapp(message.whatsapp.as_ref().ok_or_else(missing)?, &render_part, links),
        Channel::OnSite => on_site::on_site(message.on_site.as_ref().ok_or_else(missing)?, &render_part, links),
        Channel::WebPush => {
            let message = message.web_push.as_ref().ok_or_else(missing)?;
            push::push(message, &render_part, links).map(RenderedMessage::WebPush)
        }
        Channel::MobilePush => {
            let message = message.mobile_push.as_ref().ok_or_else(missing)?;
            push::push(message, &render_part, links).map(RenderedMessage::MobilePush)
        }
    }
}

/// Tries a message whose templates are right on a channel, with a small cart and with no data at all.
///
/// # Errors
/// What would keep it from being sent to anybody, or to somebody of whom nothing is known, as far as other data
/// could not help: limits of the channel, markup that it does not know.
pub fn check_message(message: &LocalizedMessage, channel: Channel, setting: &Setting) -> Result<(), RenderError> {
    for (data, found) in data::samples(setting) {
        match render_with(message, channel, &data, &found) {
            // Without data there may be nothing to say; but a gap of a WhatsApp template must not stay empty.
            Err(RenderError::Empty { .. }) if channel != Channel::Whatsapp => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Checks a template, and tries it with a small cart and with no data at all.
///
/// # Errors
/// Everything that is wrong with it: unknown variables, filters and tags, blocks that are not closed,
/// limits that it meets whatever the data, in HTML values in places where data could become markup, links that are
/// none, and gaps of a WhatsApp template that have several lines or may stay empty.
pub fn check_template(source: &str, kind: TemplateKind, setting: &Setting) -> Result<(), Vec<TemplateProblem>> {
    let prepared = prepare(source, kind, setting)?;
    for (mut data, mut found) in data::samples(setting) {
        if kind == TemplateKind::Json {
            // In a list of one no comma is missing.
            for list in [&mut data.cart.items, &mut data.viewed, &mut found.related] {
                list.extend_from_within(..);
            }
        }
        let problem = match render::render(&prepared, &data, &found) {
            Ok(text) => chat::problem(kind, &text),
            Err(fault) => {
                let error = refusal(fault, "template").to_string();
                Some(Problem::new(0, "this cannot be rendered, even with little data").help(error))
            }
        };
        if let Some(problem) = problem {
            return Err(vec![problem.located(source)]);
        }
    }
    Ok(())
}

fn prepare(source: &str, kind: TemplateKind, setting: &Setting) -> Result<Prepared, Vec<TemplateProblem>> {
    let located = |problem: Problem| vec![problem.located(source)];
    if source.len() > TEMPLATE_SOURCE_BYTES_MAX {
        return Err(located(
            Problem::new(0, format!("this template is {} bytes long", source.len()))
                .help(format!("keep it to {TEMPLATE_SOURCE_BYTES_MAX} bytes")),
        ));
    }
    let pieces = scan::pieces(source).map_err(located)?;
    let problems = check::problems(&pieces, setting);
    if !problems.is_empty() {
        return Err(problems.into_iter().map(|problem| problem.located(source)).collect());
    }
    let places = match kind {
        TemplateKind::Html => html::places(&pieces).map_err(located)?,
        TemplateKind::Json => json::places(&pieces).map_err(located)?,
        TemplateKind::Line | TemplateKind::Text | TemplateKind::Link | TemplateKind::Parameter => {
            pieces.iter().filter(|piece| matches!(piece, Piece::Output { .. })).map(|_| Place::Text).collect()
        }
    };
    render::prepare(&pieces, &places).map_err(located)
}

fn render_part(
    source: &str,
    kind: TemplateKind,
    part: &'static str,
    data: &MessageData,
    found: &Found,
) -> Result<String, RenderError> {
    let prepared =
        prepared::prepared(source, kind, &found.locale.language).map_err(|problems| RenderError::Template {
            part,
            problem: problems.into_iter().next().expect("a template is refused for at least one problem"),
        })?;
    let text = render::render(&prepared, data, found).map_err(|fault| refusal(fault, part))?;
    Ok(match kind {
        TemplateKind::Line | TemplateKind::Parameter => escape::tidy_line(&text),
        // A value may have a blank in it, as a search has.
        TemplateKind::Link => escape::tidy_line(&text).replace(' ', "%20"),
        TemplateKind::Text | TemplateKind::Html | TemplateKind::Json => escape::tidy_text(&text),
    })
}

const fn refusal(fault: Fault, part: &'static str) -> RenderError {
    match fault {
        Fault::Size => RenderError::TooLarge { part },
        Fault::Iterations => RenderError::TooManyIterations { part },
        Fault::Work => RenderError::TooMuchWork { part },
        Fault::Other => RenderError::Failed { part },
    }
}

fn not_empty(text: String, part: &'static str) -> Result<String, RenderError> {
    if text.is_empty() { Err(RenderError::Empty { part }) } else { Ok(text) }
}
