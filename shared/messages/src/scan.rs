//! Takes a template apart into texts, outputs and tags, and those into words.
//!
//! The library gets the tags only, each checked and bounded: its own reading of a whole file takes
//! quadratic time over blanks, recurses as deep as the template says, and panics on some slips.

use core::ops::Range;

use kairos_engine::bounds::TEMPLATE_TAG_BYTES_MAX;

use crate::problem::Problem;

/// A piece of a template; `at` is where its text begins in the source, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'s> {
    /// What is shown as it stands.
    Text { at: usize, text: &'s str },
    /// `{{ inner }}`
    Output { at: usize, inner: &'s str },
    /// `{% name arguments %}`
    Tag { at: usize, name: &'s str, arguments: &'s str },
}

/// Takes a template apart. Comments are left out, `raw` becomes text, and whitespace control is done.
pub(crate) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, Problem> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trims = false;
    loop {
        let opening = [source[at..].find("{{"), source[at..].find("{%")].into_iter().flatten().min();
        let end = opening.map_or(source.len(), |offset| at + offset);
        let mut text = &source[at..end];
        let mut inner_at = end + 2;
        if trims {
            at += text.len() - text.trim_start().len();
            text = text.trim_start();
        }
        if source[inner_at.min(source.len())..].starts_with('-') {
            inner_at += 1;
            text = text.trim_end();
        }
        if !text.is_empty() {
            pieces.push(Piece::Text { at, text });
        }
        if opening.is_none() {
            return Ok(pieces);
        }
        let (open, close) = if source[end..].starts_with("{{") { ("{{", "}}") } else { ("{%", "%}") };
        let Some(length) = length_until(&source[inner_at..], close) else {
            return Err(Problem::new(end, format!("`{open}` is never closed"))
                .help(format!("write `{close}` where it ends; a quote inside must be closed too")));
        };
        if length > TEMPLATE_TAG_BYTES_MAX {
            return Err(Problem::new(end, format!("this tag is longer than {TEMPLATE_TAG_BYTES_MAX} bytes"))
                .help("divide it, for example with `assign`"));
        }
        let inner = &source[inner_at..inner_at + length];
        at = inner_at + length + 2;
        trims = inner.ends_with('-');
        let inner = inner.strip_suffix('-').unwrap_or(inner);
        inner_at += inner.len() - inner.trim_start().len();
        let inner = inner.trim();
        if open == "{{" {
            pieces.push(Piece::Output { at: inner_at, inner });
            continue;
        }
        let name = &inner[..inner.find(|character| !is_word(character)).unwrap_or(inner.len())];
        if !matches!(name, "raw" | "comment") {
            pieces.push(Piece::Tag { at: inner_at, name, arguments: &inner[name.len()..] });
            continue;
        }
        let Some((length, behind)) = closing(&source[at..], name) else {
            return Err(Problem::new(inner_at, format!("`{{% {name} %}}` is never closed"))
                .help(format!("write `{{% end{name} %}}` where it ends")));
        };
        if name == "raw" && length > 0 {
            pieces.push(Piece::Text { at, text: &source[at..at + length] });
        }
        trims = source[..at + behind].ends_with("-%}");
        at += behind;
    }
}

/// Where the outputs and tags of a template stand, braces included, in bytes. What is never closed ends it.
pub fn liquid_spans(source: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(start) = ["{{", "{%"].into_iter().filter_map(|open| source[at..].find(open)).min() {
        let start = at + start;
        let close = if source[start..].starts_with("{{") { "}}" } else { "%}" };
        let Some(length) = length_until(&source[start + 2..], close) else { break };
        at = start + 2 + length + 2;
        spans.push(start..at);
    }
    spans
}

/// How far it is to the end of a tag that is not inside of quotes.
fn length_until(text: &str, close: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let offset = text[at..].find(['\'', '"', '}', '%'])?;
        at += offset;
        if text[at..].starts_with(close) {
            return Some(at);
        }
        let quote = char::from(text.as_bytes()[at]);
        at += 1;
        if matches!(quote, '\'' | '"') {
            at += text[at..].find(quote)? + 1;
        }
    }
}

/// Where `{% endname %}` begins, and where it ends.
fn closing(text: &str, name: &str) -> Option<(usize, usize)> {
    text.match_indices("{%").find_map(|(start, _)| {
        let inner = &text[start + 2..];
        let rest = inner.strip_prefix('-').unwrap_or(inner).trim_start();
        let rest = rest.strip_prefix("end")?.strip_prefix(name)?.trim_start();
        let rest = rest.strip_prefix('-').unwrap_or(rest).strip_prefix("%}")?;
        Some((start, text.len() - rest.len()))
    })
}

/// A word of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'s> {
    Word(&'s str),
    Number(&'s str),
    /// A text, without its quotes.
    Text(&'s str),
    Symbol(&'s str),
}

/// The words of a tag with their places in the source.
pub(crate) fn tokens(text: &str, text_at: usize) -> Vec<(usize, Token<'_>)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        let until = |ends: &dyn Fn(char) -> bool| rest.find(ends).unwrap_or(rest.len());
        let (length, token) = if character.is_whitespace() {
            at += character.len_utf8();
            continue;
        } else if matches!(character, '\'' | '"') {
            let length = rest[1..].find(character).map_or(rest.len(), |length| length + 2);
            (length, Token::Text(rest[1..].split(character).next().unwrap_or_default()))
        } else if character.is_ascii_digit() {
            let whole = until(&|character| !character.is_ascii_digit());
            let fraction = rest[whole..].strip_prefix('.').map_or(0, |fraction| {
                let digits = fraction.find(|character: char| !character.is_ascii_digit()).unwrap_or(fraction.len());
                if digits > 0 { digits + 1 } else { 0 }
            });
            (whole + fraction, Token::Number(&rest[..whole + fraction]))
        } else if is_word(character) && character != '-' {
            let length = until(&|character| !is_word(character));
            (length, Token::Word(&rest[..length]))
        } else {
            let pairs = ["..", "==", "!=", "<>", ">=", "<="];
            let length = if pairs.iter().any(|pair| rest.starts_with(pair)) { 2 } else { character.len_utf8() };
            (length, Token::Symbol(&rest[..length]))
        };
        tokens.push((text_at + at, token));
        at += length;
    }
    tokens
}

const fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}
