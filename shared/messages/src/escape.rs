//! Writes data so that it stays data.

use crate::json;

/// Where a value stands, which decides how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Text without markup.
    Text,
    /// HTML text, or a quoted attribute.
    Html,
    /// The start of an attribute that is a link.
    HtmlLink,
    /// In a text of JSON, between its quotes.
    JsonText,
    /// A value of JSON by itself. (What is no text is written by `tags`.)
    Json,
}

/// A value as it is written at its place. Values never contain line breaks, other control characters,
/// or characters that turn the direction of the text around them.
pub(crate) fn escaped(value: &str, place: Place) -> String {
    if place == Place::HtmlLink && !is_web_link(value) {
        return String::new();
    }
    match place {
        Place::JsonText => {
            let quoted = json::text_of(&escaped(value, Place::Text));
            return quoted[1..quoted.len() - 1].to_owned();
        }
        Place::Json if value.is_empty() => return "null".to_owned(),
        Place::Json => return json::text_of(&escaped(value, Place::Text)),
        Place::Text | Place::Html | Place::HtmlLink => {}
    }
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match (place, character) {
            (_, '\r' | '\n' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}') => text.push(' '),
            (_, character) if is_unwanted(character) => {}
            // The five that can end or begin something in HTML text and quoted attributes.
            (Place::Html | Place::HtmlLink, '&') => text.push_str("&amp;"),
            (Place::Html | Place::HtmlLink, '<') => text.push_str("&lt;"),
            (Place::Html | Place::HtmlLink, '>') => text.push_str("&gt;"),
            (Place::Html | Place::HtmlLink, '"') => text.push_str("&quot;"),
            (Place::Html | Place::HtmlLink, '\'') => text.push_str("&#39;"),
            (_, character) => text.push(character),
        }
    }
    text
}

/// Only these are links, whatever the data says.
pub(crate) fn is_web_link(text: &str) -> bool {
    let start = text.as_bytes();
    let starts = |scheme: &[u8]| start.get(..scheme.len()).is_some_and(|given| given.eq_ignore_ascii_case(scheme));
    starts(b"https://") || starts(b"http://")
}

/// Control characters, and the embeddings, overrides and isolates of Unicode's bidirectional
/// algorithm (UAX #9): one of them in a product's name would turn round the rest of the message.
/// Right-to-left letters themselves are ordinary letters, and stay.
fn is_unwanted(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A finished text: line breaks as `\n`, no other control characters, no blanks at its ends.
pub(crate) fn tidy_text(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars()
        .filter(|character| *character == '\n' || *character == '\t' || !is_unwanted(*character))
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A finished line: every run of blanks and line breaks is one blank.
pub(crate) fn tidy_line(text: &str) -> String {
    tidy_text(text).split_whitespace().collect::<Vec<_>>().join(" ")
}
