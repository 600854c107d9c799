//! Bodies of webhooks: JSON, in which values stay values.
//!
//! Where a value stands decides how it is written: between quotes as a part of that text, elsewhere as a value of its own
//! (a number, `true`, a text with its quotes, `null` for nothing). So no value can end a text, or add a field. A block
//! must end where it began: inside of quotes, or outside.

use std::borrow::Cow;

use crate::RenderError;
use crate::escape::Place;
use crate::links::{Links, in_text};
use crate::problem::Problem;
use crate::scan::Piece;

/// Where one is between the pieces of a template.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Outside,
    Quoted,
    /// Behind a backslash.
    Escape,
}

/// The place of each output of a template, in their order.
pub(crate) fn places(pieces: &[Piece<'_>]) -> Result<Vec<Place>, Problem> {
    let mut places = Vec::new();
    let mut state = State::Outside;
    let mut blocks: Vec<(&str, State)> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text { at, text } => state = read(text, *at, state)?,
            Piece::Output { at, .. } => places.push(match state {
                State::Outside => Place::Json,
                State::Quoted => Place::JsonText,
                State::Escape => return Err(behind_backslash(*at)),
            }),
            Piece::Tag { at, name, .. } => {
                if state == State::Escape {
                    return Err(behind_backslash(*at));
                }
                let began = match *name {
                    "if" | "unless" | "case" | "for" | "scope" => {
                        blocks.push((name, state));
                        state
                    }
                    "else" | "elsif" | "when" => blocks.last().map_or(state, |(_, began)| *began),
                    "break" | "continue" => {
                        blocks.iter().rev().find(|(name, _)| *name == "for").map_or(state, |(_, began)| *began)
                    }
                    _ if name.starts_with("end") => blocks.pop().map_or(state, |(_, began)| began),
                    _ => state,
                };
                if began != state {
                    return Err(Problem::new(*at, "this block ends in another place of the JSON than it began")
                        .help("open and close quotes in the same branch"));
                }
            }
        }
    }
    match state {
        State::Outside => Ok(places),
        _ => Err(Problem::new(usize::MAX, "the JSON ends inside of a text").help("close the quotes")),
    }
}

fn behind_backslash(at: usize) -> Problem {
    Problem::new(at, "a value cannot stand behind a backslash: it would begin in the middle of a character")
        .help("write `\\\\` for a backslash")
}

/// The state behind a text that began in this state (RFC 8259, section 7).
fn read(text: &str, text_at: usize, mut state: State) -> Result<State, Problem> {
    for (at, character) in text.char_indices() {
        state = match (state, character) {
            (State::Outside, '"') => State::Quoted,
            (State::Quoted, '"') => State::Outside,
            (State::Quoted, '\\') => State::Escape,
            (State::Escape, _) => State::Quoted,
            (State::Quoted, character) if character.is_control() => {
                return Err(Problem::new(text_at + at, "a text of JSON has no line breaks or tabs in it")
                    .help("write `\\n` for a line break"));
            }
            (state, _) => state,
        };
    }
    Ok(state)
}

/// What is wrong with what came out of a template. It quotes nothing.
pub(crate) fn fault(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).err().map(|error| error.to_string())
}

/// JSON, with the links in its texts replaced.
///
/// # Errors
/// When it is none.
pub(crate) fn linked(text: &str, links: &dyn Links, part: &'static str) -> Result<String, RenderError> {
    if let Some(why) = fault(text) {
        return Err(RenderError::NotJson { part, why });
    }
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        // As it is JSON, every text has its end.
        let length = length_of_text(&rest[start..]);
        written.push_str(&rest[..start]);
        let quoted = &rest[start..start + length];
        written.push_str(&with_links(quoted, links));
        rest = &rest[start + length..];
    }
    written.push_str(rest);
    Ok(written)
}

/// How long a text is, with its quotes.
fn length_of_text(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn with_links<'t>(quoted: &'t str, links: &dyn Links) -> Cow<'t, str> {
    match serde_json::from_str::<String>(quoted) {
        Ok(text) if text.contains("://") => Cow::Owned(text_of(&in_text(&text, links))),
        _ => Cow::Borrowed(quoted),
    }
}

/// A text of JSON, with its quotes.
pub(crate) fn text_of(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
