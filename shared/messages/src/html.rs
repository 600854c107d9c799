//! Finds out where in an HTML template each value stands, and refuses the places where escaping would
//! not be enough: values stand in the text between tags or in quoted attributes, nowhere else.
//!
//! A block must end in the place where it began, so that no place depends on the data.

use crate::escape::Place;
use crate::problem::Problem;
use crate::scan::Piece;

/// Attributes whose value is a link (HTML standard, attributes index).
const LINKS: &str = " action background cite data formaction href icon longdesc manifest poster src xlink:href ";
/// Attributes that are scripts, styles or several links, besides `on…`.
const REFUSED_ATTRIBUTES: &str = " ping srcdoc srcset style ";
/// Elements whose content is not markup.
const OPAQUE: [&str; 3] = ["style", "textarea", "title"];
/// Elements that mail programs throw away, and whose content browsers read by rules of its own.
const REFUSED: &str =
    " applet base embed frame frameset iframe math noembed noframes noscript object plaintext script svg xmp ";

fn is_in(list: &str, name: &str) -> bool {
    list.contains(&format!(" {name} "))
}

#[derive(Clone, Debug)]
enum State {
    Text,
    /// In a tag, outside of quoted values, or at its first characters.
    Tag,
    /// In a quoted value that began at this place of the source.
    Value {
        began: usize,
        element: String,
        attribute: String,
        quote: char,
        written: String,
    },
    Comment,
    Opaque(&'static str),
}

/// The place of each output of a template, in their order.
pub(crate) fn places(pieces: &[Piece<'_>]) -> Result<Vec<Place>, Problem> {
    let mut places = Vec::new();
    let mut state = State::Text;
    let mut blocks = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text { at, text } => state = read(text, *at, state)?,
            Piece::Output { at, .. } => {
                places.push(place_in(&state, *at)?);
            }
            Piece::Tag { at, name, .. } => {
                place_in_text(&state, *at)?;
                let mut place = None;
                if let State::Value { began, written, .. } = &mut state {
                    place = Some(*began);
                    // A branch may not be taken: what it wrote does not count as the start of a link.
                    written.clear();
                }
                let began = match *name {
                    "if" | "unless" | "case" | "for" | "scope" => {
                        blocks.push((*name, place));
                        place
                    }
                    "else" | "elsif" | "when" => blocks.last().map_or(place, |(_, began)| *began),
                    "break" | "continue" => {
                        blocks.iter().rev().find(|(name, _)| *name == "for").map_or(place, |(_, began)| *began)
                    }
                    _ if name.starts_with("end") => blocks.pop().map_or(place, |(_, began)| began),
                    _ => place,
                };
                if began != place {
                    return Err(Problem::new(*at, "this block ends in another place of the HTML than it began")
                        .help("open and close tags and quotes in the same branch"));
                }
            }
        }
    }
    match state {
        State::Text => Ok(places),
        _ => Err(Problem::new(usize::MAX, "the HTML ends inside of a tag or a comment")
            .help("close the tag, quote or comment")),
    }
}

fn refused(at: usize, place: &str, help: &str) -> Problem {
    Problem::new(at, format!("a value cannot stand {place}: data could become markup there")).help(help)
}

fn place_in_text(state: &State, at: usize) -> Result<(), Problem> {
    match state {
        State::Text | State::Value { .. } => Ok(()),
        State::Tag => Err(refused(at, "in a tag without quotes", "put it into a quoted value of an attribute")),
        State::Comment => Err(refused(at, "in an HTML comment", "use `{% comment %}`")),
        State::Opaque(element) => Err(refused(at, &format!("in `<{element}>`"), "put it into the text")),
    }
}

fn place_in(state: &State, at: usize) -> Result<Place, Problem> {
    place_in_text(state, at)?;
    let State::Value { element, attribute, written, .. } = state else {
        return Ok(Place::Html);
    };
    if attribute.starts_with("on") || is_in(REFUSED_ATTRIBUTES, attribute) {
        let place = format!("in the attribute `{attribute}`");
        return Err(refused(at, &place, "choose between fixed values with `{% if … %}` instead"));
    }
    if element == "meta" {
        return Err(refused(at, "in `<meta>`", "write it without values"));
    }
    if !is_in(LINKS, attribute) {
        return Ok(Place::Html);
    }
    let start = written.trim_start();
    if start.is_empty() {
        return Ok(Place::HtmlLink);
    }
    let known = ["https://", "http://", "mailto:", "tel:", "sms:", "?", "&", "#"];
    if known.iter().any(|known| start.starts_with(known)) {
        return Ok(Place::Html);
    }
    let help = "begin the link with `https://`, or with the value alone, as in `href=\"{{ item.url }}\"`";
    Err(refused(at, "behind this start of a link", help))
}

/// The state behind a text that began in this state. Follows the tokenisation of the HTML standard
/// (section 13.2.5) for what is common, and refuses what is not.
fn read(text: &str, text_at: usize, mut state: State) -> Result<State, Problem> {
    // A tag, a comment or a style sheet in two pieces: what stands between them was read as Liquid.
    place_in_text(&state, text_at)?;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        state = match state {
            State::Text => match rest.find('<') {
                None => return Ok(State::Text),
                Some(offset) => {
                    at += offset + 1;
                    let behind = &text[at..];
                    let next = behind.strip_prefix('/').unwrap_or(behind).chars().next();
                    let letter = next.is_none_or(|next| next.is_ascii_alphabetic());
                    if let Some(behind) = behind.strip_prefix("!--") {
                        at += 3;
                        // `<!-->` and `<!--->` are whole comments.
                        match [">", "->"].into_iter().find(|end| behind.starts_with(end)) {
                            Some(end) => {
                                at += end.len();
                                State::Text
                            }
                            None => State::Comment,
                        }
                    } else if behind.starts_with(['!', '?']) {
                        // A document type, or what is read as a comment.
                        let length = behind.find('>').map(|length| length + 1);
                        at += length.unwrap_or(behind.len());
                        if length.is_some() { State::Text } else { State::Tag }
                    } else if behind.starts_with('/') && !letter {
                        return Err(Problem::new(text_at + at, "`</` stands without a name").help("write `&lt;/`"));
                    } else if !letter {
                        State::Text
                    } else {
                        let (length, state) = read_tag(behind, text_at + at)?;
                        at += length;
                        state
                    }
                }
            },
            State::Value { began, element, attribute, quote, mut written } => {
                let length = rest.find(quote).unwrap_or(rest.len());
                at += length;
                // Its start is enough.
                written.extend(rest[..length].chars().take(16).map(|character| character.to_ascii_lowercase()));
                if at == text.len() {
                    State::Value { began, element, attribute, quote, written }
                } else {
                    if is_in(LINKS, &attribute) && is_script(&written) {
                        return Err(Problem::new(
                            text_at + at - length,
                            "a script is no link, and no mail program runs it",
                        )
                        .help("begin the link with `https://`"));
                    }
                    at += 1;
                    let (length, state) = read_attributes(&text[at..], text_at + at, element)?;
                    at += length;
                    state
                }
            }
            State::Comment => {
                let ends = ["-->", "--!>"].into_iter().filter_map(|end| Some(rest.find(end)? + end.len()));
                let Some(length) = ends.min() else {
                    return Ok(State::Comment);
                };
                at += length;
                State::Text
            }
            State::Opaque(element) => {
                let lower = rest.to_ascii_lowercase();
                let end = lower.match_indices("</").find(|(offset, _)| {
                    lower[offset + 2..].strip_prefix(element).is_some_and(|behind| behind.starts_with(ends_name))
                });
                let Some((offset, _)) = end else {
                    return Ok(State::Opaque(element));
                };
                at += offset + 1;
                let (length, state) = read_tag(&text[at..], text_at + at)?;
                at += length;
                state
            }
            State::Tag => return Ok(State::Tag),
        };
    }
    Ok(state)
}

/// Browsers pass over blanks and line breaks in a link's scheme.
fn is_script(link: &str) -> bool {
    let plain: String = link.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    plain.starts_with("javascript:") || plain.starts_with("vbscript:")
}

fn ends_name(character: char) -> bool {
    character.is_ascii_whitespace() || matches!(character, '>' | '/')
}

/// Reads behind `<`: how long it is, and what follows.
fn read_tag(text: &str, text_at: usize) -> Result<(usize, State), Problem> {
    let slash = usize::from(text.starts_with('/'));
    let Some(length) = text[slash..].find(ends_name).map(|length| length + slash) else {
        return Ok((text.len(), State::Tag));
    };
    let element = text[..length].to_ascii_lowercase();
    if is_in(REFUSED, &element[slash..]) {
        return Err(Problem::new(text_at, format!("`<{element}>` does not work in messages"))
            .help("write it with text, links and pictures"));
    }
    let (more, state) = read_attributes(&text[length..], text_at + length, element)?;
    Ok((length + more, state))
}

/// Reads behind an element's name or an attribute's value.
fn read_attributes(text: &str, text_at: usize, element: String) -> Result<(usize, State), Problem> {
    let mut attribute = String::new();
    let mut equals = false;
    let mut unquoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '>' => {
                let opaque = OPAQUE.into_iter().find(|opaque| *opaque == element);
                return Ok((at + 1, opaque.map_or(State::Text, State::Opaque)));
            }
            '"' | '\'' if equals && !unquoted => {
                let written = String::new();
                let began = text_at + at;
                return Ok((at + 1, State::Value { began, element, attribute, quote: character, written }));
            }
            '"' | '\'' | '<' => {
                return Err(Problem::new(
                    text_at + at,
                    format!("`{character}` stands at an unexpected place of a tag"),
                )
                .help("write attributes as `name=\"value\"`"));
            }
            '=' if !attribute.is_empty() && !equals => equals = true,
            _ if character.is_ascii_whitespace() => {
                if unquoted {
                    (attribute, equals, unquoted) = (String::new(), false, false);
                }
            }
            _ if equals => unquoted = true,
            '/' => attribute.clear(),
            _ => {
                // A blank between two names ends the first.
                if text[..at].ends_with(|before: char| before.is_ascii_whitespace()) {
                    attribute.clear();
                }
                attribute.push(character.to_ascii_lowercase());
            }
        }
    }
    Ok((text.len(), State::Tag))
}
