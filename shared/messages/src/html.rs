//! Finds out where in an HTML template each value stands, so that it can be escaped for that place,
//! and refuses the places where no escaping would be enough.
//!
//! The state follows the tokenisation of the HTML standard (section 13.2.5) as far as it matters here.
//! Every branch of a condition and every round of a loop must end in the state in which it began or
//! all in the same one, so that the place of what follows does not depend on the data.

use crate::problem::Problem;
use crate::syntax::{Node, Place};

/// Attributes whose value is a link (HTML standard, attributes index).
const LINK_ATTRIBUTES: [&str; 12] = [
    "action",
    "background",
    "cite",
    "data",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "poster",
    "src",
    "xlink:href",
];
/// Elements whose content is not markup.
const OPAQUE: [&str; 3] = ["style", "textarea", "title"];
/// Elements that mail programs throw away, and whose content browsers read by rules of its own.
const REFUSED: [&str; 15] = [
    "applet",
    "base",
    "embed",
    "frame",
    "frameset",
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "plaintext",
    "script",
    "svg",
    "xmp",
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Text,
    Comment,
    /// Behind `<` or `</`: the element's name so far.
    TagName(String),
    /// Between attributes of the element.
    Tag(String),
    /// An attribute's name so far.
    AttributeName(String, String),
    /// Behind the name of an attribute, where `=` may follow.
    AfterName(String, String),
    /// Behind the `=` of an attribute.
    BeforeValue(String, String),
    /// In a quoted value: element, attribute, quote, and the value's start as written.
    Value(String, String, char, String),
    Unquoted(String),
    /// In an element whose content is not markup, up to its end tag.
    Opaque(&'static str, String),
}

/// Gives every value of an HTML template its place.
pub(crate) fn place_values(nodes: &mut [Node]) -> Result<(), Problem> {
    match walk(nodes, State::Text)? {
        State::Text => Ok(()),
        state => Err(Problem::new(usize::MAX, format!("the HTML ends inside of {}", name(&state)))
            .help("close the tag, quote or comment")),
    }
}

fn walk(nodes: &mut [Node], mut state: State) -> Result<State, Problem> {
    for node in nodes {
        match node {
            Node::Text { text, at } => state = read(text, *at, state)?,
            Node::Output { place, at, .. } => {
                *place = place_in(&state, *at)?;
            }
            Node::If { branches, otherwise, at } => {
                let before = state.clone();
                state = walk(otherwise, before.clone())?;
                for (_, body) in branches {
                    let after = walk(body, before.clone())?;
                    if !same(&after, &state) {
                        return Err(Problem::new(
                            *at,
                            format!("one branch ends inside of {}, another inside of {}", name(&after), name(&state)),
                        )
                        .help(
                            "open and close tags and quotes in the same branch; a missing `else` is an empty branch",
                        ));
                    }
                    state = merge(state, after);
                }
            }
            Node::For(each) => {
                let after = walk(&mut each.body, state.clone())?;
                let otherwise = walk(&mut each.otherwise, state.clone())?;
                if !same(&after, &state) || !same(&otherwise, &state) {
                    return Err(Problem::new(each.at, format!("the loop's body ends inside of {}", name(&after)))
                        .help("open and close tags and quotes inside of the loop"));
                }
                state = merge(state, merge(after, otherwise));
            }
            Node::Assign { .. } => {}
            // The rest of the body is left out, which must not leave a tag open.
            Node::Break | Node::Continue if state == State::Text => {}
            Node::Break | Node::Continue => {
                return Err(Problem::new(usize::MAX, "`break` or `continue` stands inside of a tag")
                    .help("put it between tags"));
            }
        }
    }
    Ok(state)
}

/// Equal but for what has been written of a quoted value.
fn same(left: &State, right: &State) -> bool {
    match (left, right) {
        (State::Value(element, attribute, quote, _), State::Value(element2, attribute2, quote2, _)) => {
            (element, attribute, quote) == (element2, attribute2, quote2)
        }
        _ => left == right,
    }
}

/// Of two ways to the same place the one that is known less.
fn merge(left: State, right: State) -> State {
    match (&left, &right) {
        (State::Value(.., one), State::Value(.., other)) if other.len() < one.len() => right,
        _ => left,
    }
}

fn place_in(state: &State, at: usize) -> Result<Place, Problem> {
    let refused = |what: &str, help: &str| {
        Err(Problem::new(at, format!("a value cannot stand {what}: data could become markup there")).help(help))
    };
    match state {
        State::Text | State::Opaque("title" | "textarea", _) => Ok(Place::Html),
        State::Value(element, attribute, _, written) => {
            if attribute.starts_with("on") || matches!(attribute.as_str(), "style" | "srcset" | "srcdoc" | "ping") {
                return refused(
                    &format!("in the attribute `{attribute}`"),
                    "choose between fixed values with `{% if … %}` instead",
                );
            }
            if element == "meta" {
                return refused("in `<meta>`", "write it without values");
            }
            if !LINK_ATTRIBUTES.contains(&attribute.as_str()) {
                return Ok(Place::Html);
            }
            let start = written.trim_start().to_ascii_lowercase();
            if start.is_empty() {
                return Ok(Place::HtmlLink);
            }
            if ["https://", "http://", "mailto:", "tel:", "sms:", "?", "&", "#"]
                .iter()
                .any(|known| start.starts_with(known))
            {
                return Ok(Place::Html);
            }
            refused(
                "behind this start of a link",
                "begin the link with `https://`, or with the value alone, as in `href=\"{{ item.url }}\"`",
            )
        }
        State::BeforeValue(..) | State::Unquoted(_) => {
            refused("in an attribute without quotes", "put the attribute's value into quotes")
        }
        State::Comment => refused("in an HTML comment", "use `{% comment %}`"),
        State::Opaque(element, _) => refused(&format!("in `<{element}>`"), "put it into the text"),
        State::TagName(_) | State::Tag(_) | State::AttributeName(..) | State::AfterName(..) => {
            refused("between the attributes of a tag", "write it as the quoted value of an attribute")
        }
    }
}

fn name(state: &State) -> String {
    match state {
        State::Text => "the text".into(),
        State::Comment => "a comment".into(),
        State::TagName(_) => "a tag's name".into(),
        State::Tag(element) | State::Unquoted(element) => format!("the tag `<{element}>`"),
        State::AttributeName(_, attribute)
        | State::AfterName(_, attribute)
        | State::BeforeValue(_, attribute)
        | State::Value(_, attribute, ..) => format!("the attribute `{attribute}`"),
        State::Opaque(element, _) => format!("`<{element}>`"),
    }
}

/// The state behind a text that began in this state.
fn read(text: &str, text_at: usize, mut state: State) -> Result<State, Problem> {
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        let blank = character.is_ascii_whitespace();
        let mut length = character.len_utf8();
        state = match state {
            State::Text => match ["<!--->", "<!-->", "<!--"].into_iter().find(|start| rest.starts_with(start)) {
                Some(start) => {
                    length = start.len();
                    if start.ends_with('>') { State::Text } else { State::Comment }
                }
                None if character == '<' => match rest[1..].trim_start_matches('/').chars().next() {
                    Some(next) if !(next.is_ascii_alphabetic() || next == '!' || next == '?') => State::Text,
                    // Without a next character a value may follow, which would then be the tag's name.
                    _ => State::TagName(String::new()),
                },
                None => State::Text,
            },
            State::Comment => match ["-->", "--!>"].into_iter().find(|end| rest.starts_with(end)) {
                Some(end) => {
                    length = end.len();
                    State::Text
                }
                None => State::Comment,
            },
            State::TagName(element) => match character {
                '/' if element.is_empty() => State::TagName("/".into()),
                '>' | '/' | ' ' | '\n' | '\t' | '\r' | '\u{c}' => {
                    if REFUSED.contains(&element.trim_start_matches('/')) {
                        return Err(Problem::new(text_at + at, format!("`<{element}>` does not work in messages"))
                            .help("write it with text, links and pictures"));
                    }
                    if character == '>' { behind_tag(element) } else { State::Tag(element) }
                }
                _ => State::TagName(with(element, character)),
            },
            State::Tag(element) => match character {
                '>' => behind_tag(element),
                '/' => State::Tag(element),
                _ if blank => State::Tag(element),
                _ => State::AttributeName(element, with(String::new(), character)),
            },
            State::AttributeName(element, attribute) => match character {
                '>' => behind_tag(element),
                '=' => State::BeforeValue(element, attribute),
                '/' => State::Tag(element),
                _ if blank => State::AfterName(element, attribute),
                _ => State::AttributeName(element, with(attribute, character)),
            },
            State::AfterName(element, attribute) => match character {
                '>' => behind_tag(element),
                '=' => State::BeforeValue(element, attribute),
                '/' => State::Tag(element),
                _ if blank => State::AfterName(element, attribute),
                _ => State::AttributeName(element, with(String::new(), character)),
            },
            State::BeforeValue(element, attribute) => match character {
                '>' => behind_tag(element),
                '"' | '\'' => State::Value(element, attribute, character, String::new()),
                _ if blank => State::BeforeValue(element, attribute),
                _ => State::Unquoted(element),
            },
            State::Value(element, attribute, quote, written) => {
                if character == quote {
                    State::Tag(element)
                } else {
                    State::Value(element, attribute, quote, with(written, character))
                }
            }
            State::Unquoted(element) => match character {
                '>' => behind_tag(element),
                _ if blank => State::Tag(element),
                _ => State::Unquoted(element),
            },
            State::Opaque(element, seen) => {
                let end = format!("</{element}");
                if seen == end && (blank || character == '/') {
                    State::Tag(format!("/{element}"))
                } else if seen == end && character == '>' {
                    State::Text
                } else {
                    let seen = with(seen, character);
                    // Only what may still become the end tag is of interest.
                    let kept = seen.rfind('<').map_or("", |start| &seen[start..]);
                    State::Opaque(element, if end.starts_with(kept) { kept.to_owned() } else { String::new() })
                }
            }
        };
        at += length;
    }
    Ok(state)
}

/// A name or value with one more character; names are compared without case, and their start is enough.
fn with(mut text: String, character: char) -> String {
    if text.len() < 64 {
        text.extend(character.to_lowercase());
    }
    text
}

fn behind_tag(element: String) -> State {
    match OPAQUE.into_iter().find(|opaque| *opaque == element) {
        Some(opaque) => State::Opaque(opaque, String::new()),
        None => State::Text,
    }
}
