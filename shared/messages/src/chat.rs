//! Messages of messengers: what each of them takes, by its documentation.
//!
//! | channel | text | values | limits |
//! |---|---|---|---|
//! | Telegram | its HTML: `b`, `i`, `u`, `s`, `a`, `code`, `pre`, `blockquote`, `tg-spoiler` (<https://core.telegram.org/bots/api#html-style>) | escaped as in HTML | 4,096 UTF-16 units without the markup, 1,024 with a picture |
//! | Viber | plain (<https://creators.viber.com/docs/bots-api/data-models/message>) | as they are | 7,000 characters, 768 with a picture; 30 KB with everything |
//! | WhatsApp | gaps of an approved template | as they are, one line | 1,024 characters |
//!
//! Viber and WhatsApp show what stands between two asterisks in bold, data too: that is all that data can do there.
//! A picture or a button whose link comes out as none is left out, so that a product without a picture is no
//! reason not to write; only the header of a WhatsApp template must not stay empty.

use kairos_engine::bounds::{
    BUTTON_CHARS_MAX, CHAT_LINK_BYTES_MAX, TELEGRAM_CAPTION_CHARS_MAX, TELEGRAM_CHARS_MAX, VIBER_CAPTION_CHARS_MAX,
    VIBER_CHARS_MAX, VIBER_TEXT_BYTES_MAX, WHATSAPP_CHARS_MAX,
};
use kairos_engine::playbook::{ChatTemplate, LinkButton, WhatsappTemplate};

use crate::escape::is_web_link;
use crate::json;
use crate::links::{Links, counted, plain};
use crate::problem::Problem;
use crate::{RenderError, RenderedMessage, TemplateKind, not_empty};

/// Fills one template in.
pub(crate) type Part<'p> = &'p dyn Fn(&str, TemplateKind, &'static str) -> Result<String, RenderError>;

/// The elements of Telegram's HTML that make sense in a shop's message.
const TELEGRAM_ELEMENTS: [&str; 14] =
    ["a", "b", "blockquote", "code", "del", "em", "i", "ins", "pre", "s", "strike", "strong", "tg-spoiler", "u"];
/// The only names that Telegram knows of characters; numbers it knows all.
const TELEGRAM_CHARACTERS: [&str; 4] = ["amp", "gt", "lt", "quot"];
/// How a picture's file must end for Viber.
const VIBER_PICTURES: [&str; 4] = [".jpg", ".jpeg", ".png", ".gif"];

pub(crate) fn telegram(chat: &ChatTemplate, part: Part<'_>, links: &dyn Links) -> Result<RenderedMessage, RenderError> {
    let text = not_empty(part(&chat.text, TemplateKind::Html, "Telegram message")?, "Telegram message")?;
    let picture = picture(chat.picture.as_deref(), part, links)?;
    let units = telegram_units(&text).map_err(RenderError::Markup)?;
    match picture {
        Some(_) => within(units, TELEGRAM_CAPTION_CHARS_MAX, "text of a Telegram message with a picture")?,
        None => within(units, TELEGRAM_CHARS_MAX, "Telegram message")?,
    }
    Ok(RenderedMessage::Telegram {
        text,
        picture,
        button: button(chat.button.as_ref(), part, |link| counted(link, links))?,
    })
}

pub(crate) fn viber(chat: &ChatTemplate, part: Part<'_>, links: &dyn Links) -> Result<RenderedMessage, RenderError> {
    let text = not_empty(part(&chat.text, TemplateKind::Text, "Viber message")?, "Viber message")?;
    let picture = picture(chat.picture.as_deref(), part, links)?.filter(|link| is_viber_picture(link));
    match picture {
        Some(_) => within(text.chars().count(), VIBER_CAPTION_CHARS_MAX, "text of a Viber message with a picture")?,
        None => within(text.chars().count(), VIBER_CHARS_MAX, "Viber message")?,
    }
    // As JSON writes it, which is what Viber measures.
    let written =
        |character: char| if matches!(character, '"' | '\\' | '\n' | '\t') { 2 } else { character.len_utf8() };
    within(text.chars().map(written).sum(), VIBER_TEXT_BYTES_MAX, "Viber message, in bytes,")?;
    Ok(RenderedMessage::Viber {
        text,
        picture,
        button: button(chat.button.as_ref(), part, |link| counted(link, links))?,
    })
}

pub(crate) fn whatsapp(
    whatsapp: &WhatsappTemplate,
    part: Part<'_>,
    links: &dyn Links,
) -> Result<RenderedMessage, RenderError> {
    let mut parameters = Vec::new();
    for parameter in &whatsapp.parameters {
        parameters
            .push(not_empty(part(parameter, TemplateKind::Parameter, "WhatsApp parameter")?, "WhatsApp parameter")?);
    }
    let length = parameters.iter().map(|parameter| parameter.chars().count()).sum();
    within(length, WHATSAPP_CHARS_MAX, "WhatsApp message, all parameters together,")?;
    let picture = picture(whatsapp.picture.as_deref(), part, links)?;
    if whatsapp.picture.is_some() && picture.is_none() {
        return Err(RenderError::Empty { part: "picture of the WhatsApp message" });
    }
    let (template, language) = (whatsapp.template.clone(), whatsapp.language.clone());
    Ok(RenderedMessage::Whatsapp { template, language, parameters, picture })
}

/// The button whose link came out, if it is one; `lead` says what stands there instead of it.
pub(crate) fn button(
    button: Option<&LinkButton>,
    part: Part<'_>,
    lead: impl Fn(&str) -> String,
) -> Result<Option<LinkButton>, RenderError> {
    let Some(button) = button else { return Ok(None) };
    let link = part(&button.link, TemplateKind::Link, "link")?;
    let Some(link) = as_link(lead(&link)) else { return Ok(None) };
    let text = part(&button.text, TemplateKind::Line, "text of the button")?;
    // A long name is no reason not to write.
    let text = match text.char_indices().nth(BUTTON_CHARS_MAX) {
        Some(_) => text.chars().take(BUTTON_CHARS_MAX - 1).chain(['…']).collect(),
        None => text,
    };
    Ok((!text.is_empty()).then_some(LinkButton { text, link }))
}

/// The picture whose link came out, if it is one.
pub(crate) fn picture(
    template: Option<&str>,
    part: Part<'_>,
    links: &dyn Links,
) -> Result<Option<String>, RenderError> {
    let link = template.map(|template| part(template, TemplateKind::Link, "link")).transpose()?;
    Ok(link.and_then(|link| as_link(plain(&link, links))))
}

fn as_link(link: String) -> Option<String> {
    link_within(link, CHAT_LINK_BYTES_MAX)
}

/// What came out of a link's template, if it is a link and no longer than that.
pub(crate) fn link_within(link: String, bytes_max: usize) -> Option<String> {
    Some(link).filter(|link| is_web_link(link) && link.len() <= bytes_max)
}

fn is_viber_picture(link: &str) -> bool {
    let path = link.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    VIBER_PICTURES.iter().any(|end| path.ends_with(end))
}

pub(crate) fn within(length: usize, max: usize, part: &'static str) -> Result<(), RenderError> {
    if length > max { Err(RenderError::TooLong { part, length, max }) } else { Ok(()) }
}

/// What is wrong with a template of a messenger, by what came out of it.
pub(crate) fn problem(kind: TemplateKind, text: &str) -> Option<Problem> {
    let text = text.trim();
    match kind {
        TemplateKind::Json => json::fault(text).map(|why| {
            Problem::new(0, format!("this is no JSON: {why}"))
                .help("put texts into quotes, and a comma between values: `{\"name\": \"{{ user.first_name }}\"}`")
        }),
        TemplateKind::Link if !text.is_empty() && !is_web_link(text) => Some(
            Problem::new(0, "this is not a link").help("begin it with `https://`, or write a value that is a link"),
        ),
        TemplateKind::Parameter if text.contains(['\n', '\r', '\t']) || text.contains("     ") => Some(
            Problem::new(0, "a gap of a WhatsApp template takes no line breaks, no tabs and no long runs of blanks")
                .help("write it in one line; line breaks stand in the approved template"),
        ),
        TemplateKind::Parameter if text.is_empty() => Some(
            Problem::new(0, "this is empty for somebody of whom nothing is known, and WhatsApp takes no empty gap")
                .help("give it a `default`, as in `{{ user.first_name | default: 'there' }}`"),
        ),
        _ => None,
    }
}

/// The length of a text in Telegram's HTML, in UTF-16 units after its markup is read, or what Telegram would not
/// understand. What is said names the template's own markup: data was escaped before.
fn telegram_units(html: &str) -> Result<usize, String> {
    let mut open: Vec<String> = Vec::new();
    let mut units = 0;
    let mut rest = html;
    while let Some(character) = rest.chars().next() {
        let behind = &rest[character.len_utf8()..];
        rest = match character {
            '<' => {
                // In quotes `>` is written as `&gt;` by values; in a template's own link nobody needs it.
                let Some((tag, behind)) = behind.split_once('>') else {
                    return Err("`<` is no tag; write `&lt;`".to_owned());
                };
                let (closes, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
                let name = tag.split(char::is_whitespace).next().unwrap_or_default().to_ascii_lowercase();
                if !TELEGRAM_ELEMENTS.contains(&name.as_str()) {
                    let elements = TELEGRAM_ELEMENTS.join("`, `");
                    let shown: String = name.chars().take(20).collect();
                    return Err(format!("it has no `<{shown}>`; there is `{elements}`, and lines break as they stand"));
                }
                if !closes {
                    open.push(name);
                } else if open.pop().as_ref() != Some(&name) {
                    return Err(format!("`</{name}>` closes what is not open; close tags in the order they came"));
                }
                behind
            }
            '&' => {
                let end = behind.find(';').filter(|end| *end <= 8);
                let named = end.map(|end| &behind[..end]).unwrap_or_default();
                match end {
                    Some(end) if named.starts_with('#') || TELEGRAM_CHARACTERS.contains(&named) => {
                        // A number above 65,535 is two units; nothing shorter than six digits can be.
                        units += if named.len() >= 6 { 2 } else { 1 };
                        &behind[end + 1..]
                    }
                    _ => {
                        return Err("it knows `&lt;`, `&gt;`, `&amp;` and `&quot;` only; \
                                    write other characters as they are"
                            .to_owned());
                    }
                }
            }
            character => {
                units += character.len_utf16();
                behind
            }
        };
    }
    match open.pop() {
        Some(name) => Err(format!("`<{name}>` is never closed; write `</{name}>`")),
        None => Ok(units),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telegrams_markup_is_read_as_telegram_reads_it() {
        for (html, units) in [
            ("Hello", 5),
            ("<b>Hello</b> <i>you</i>", 9),
            ("<a href=\"https://shop.example/?a=1&amp;b=2\">cart</a>", 4),
            ("Tea &amp; cake &#39;n&#39; more &lt;3", 22),
            // An emoji is two units, as itself and as a number.
            ("😀&#128512;", 4),
            ("<pre><code>x</code></pre>\n<tg-spoiler>y</tg-spoiler>", 3),
        ] {
            assert_eq!(telegram_units(html), Ok(units), "{html}");
        }
        for (html, said) in [
            ("<p>Hello</p>", "it has no `<p>`"),
            ("a<br>b", "it has no `<br>`"),
            ("2 < 3", "`<` is no tag"),
            ("<b>Hello", "`<b>` is never closed"),
            ("<b><i>Hello</b></i>", "`</b>` closes what is not open"),
            ("Hello</b>", "`</b>` closes what is not open"),
            ("5&nbsp;EUR", "it knows `&lt;`"),
            ("Tea & cake", "it knows `&lt;`"),
        ] {
            let why = telegram_units(html).unwrap_err();
            assert!(why.starts_with(said), "{html}: {why}");
        }
    }

    #[test]
    fn viber_shows_pictures_whose_file_is_one() {
        for (link, is_one) in [
            ("https://shop.example/mug.jpg", true),
            ("https://shop.example/mug.PNG?w=300", true),
            ("https://shop.example/mug.webp", false),
            ("https://shop.example/picture?file=mug.jpg", false),
        ] {
            assert_eq!(is_viber_picture(link), is_one, "{link}");
        }
    }
}
