//! Writes data so that it stays data.

use crate::render::{Fault, Output};
use crate::syntax::Place;
use crate::value::is_web_link;

/// Writes a value of the data to its place. Values never contain line breaks, other control
/// characters, or characters that turn the direction of the text around them.
pub(crate) fn write_value(value: &str, place: Place, output: &mut Output) -> Result<(), Fault> {
    if place == Place::HtmlLink && !is_web_link(value) {
        return Ok(());
    }
    let mut buffer = [0; 4];
    for character in value.chars() {
        let escaped = match (place, character) {
            (_, '\r' | '\n' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}') => " ",
            (_, character) if is_unwanted(character) => "",
            // The five that can end or begin something in HTML text and quoted attributes.
            (Place::Html | Place::HtmlLink, '&') => "&amp;",
            (Place::Html | Place::HtmlLink, '<') => "&lt;",
            (Place::Html | Place::HtmlLink, '>') => "&gt;",
            (Place::Html | Place::HtmlLink, '"') => "&quot;",
            (Place::Html | Place::HtmlLink, '\'') => "&#39;",
            (_, character) => character.encode_utf8(&mut buffer),
        };
        output.push(escaped)?;
    }
    Ok(())
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
