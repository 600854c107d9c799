//! Splits a template into text, outputs and tags, and those into tokens.

use crate::problem::Problem;

/// A stretch of a template.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'s> {
    pub(crate) kind: PieceKind,
    /// The text, or what stands between the delimiters.
    pub(crate) text: &'s str,
    /// Where `text` starts in the source, in bytes.
    pub(crate) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Text,
    /// `{{ … }}`
    Output,
    /// `{% … %}`
    Tag,
}

/// A word, literal or symbol between delimiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'s> {
    Word(&'s str),
    Text(&'s str),
    /// In millionths, like every number here.
    Number(i64),
    Symbol(&'static str),
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 16] = ["..", "==", "!=", "<>", "<=", ">=", "<", ">", "=", "|", ":", ",", ".", "[", "]", "("];

/// The pieces of a template, with whitespace control (`{%-`, `-%}`) and `raw`/`comment` already done.
pub(crate) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, Problem> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim_start = false;
    while at < source.len() {
        let rest = &source[at..];
        let open = opening(rest).unwrap_or(rest.len());
        let opened = &rest[open..];
        let mut text = &rest[..open];
        let mut text_at = at;
        if trim_start {
            text_at += text.len() - text.trim_start().len();
            text = text.trim_start();
        }
        if opened.as_bytes().get(2) == Some(&b'-') {
            text = text.trim_end();
        }
        if !text.is_empty() {
            pieces.push(Piece { kind: PieceKind::Text, text, at: text_at });
        }
        if opened.is_empty() {
            break;
        }
        let (kind, close) = if opened.starts_with("{{") { (PieceKind::Output, "}}") } else { (PieceKind::Tag, "%}") };
        let open_at = at + open;
        let Some(length) = closing(&opened[2..], close) else {
            return Err(Problem::new(open_at, format!("`{}` is never closed", &opened[..2]))
                .help(format!("write `{close}` where it ends; a quote inside must be closed too")));
        };
        let inner = &opened[2..2 + length];
        at = open_at + 2 + length + 2;
        trim_start = inner.ends_with('-');
        let before = inner.strip_prefix('-').unwrap_or(inner);
        let inner_at = open_at + 2 + (inner.len() - before.len());
        let inner = before.strip_suffix('-').unwrap_or(before);
        match (kind, inner.trim()) {
            (PieceKind::Tag, name @ ("raw" | "comment")) => {
                let Some((body, end, trim_after)) = block_end(&source[at..], name) else {
                    return Err(Problem::new(open_at, format!("`{{% {name} %}}` is never closed"))
                        .help(format!("write `{{% end{name} %}}` where it ends")));
                };
                if name == "raw" && body > 0 {
                    pieces.push(Piece { kind: PieceKind::Text, text: &source[at..at + body], at });
                }
                at += end;
                trim_start = trim_after;
            }
            _ => pieces.push(Piece { kind, text: inner, at: inner_at }),
        }
    }
    Ok(pieces)
}

fn opening(text: &str) -> Option<usize> {
    text.match_indices('{').map(|(at, _)| at).find(|at| matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%')))
}

/// Where the delimiter stands that closes this, outside of quotes.
fn closing(text: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if character == '"' || character == '\'' => quote = Some(character),
            None if text[at..].starts_with(close) => return Some(at),
            None => {}
        }
    }
    None
}

/// Length of the body of `raw` or `comment`, where it ends with its end tag, and whether that trims.
fn block_end(text: &str, name: &str) -> Option<(usize, usize, bool)> {
    text.match_indices("{%").find_map(|(at, _)| {
        let inner = &text[at + 2..];
        let length = inner.find("%}")?;
        let tag = &inner[..length];
        let word = tag.strip_prefix('-').unwrap_or(tag);
        let word = word.strip_suffix('-').unwrap_or(word).trim();
        (word.strip_prefix("end") == Some(name)).then(|| (at, at + 2 + length + 2, tag.ends_with('-')))
    })
}

/// The tokens of an output or a tag, each with its place in the source.
pub(crate) fn tokens<'s>(piece: &Piece<'s>) -> Result<Vec<(Token<'s>, usize)>, Problem> {
    let mut tokens = Vec::new();
    let mut rest = piece.text;
    loop {
        rest = rest.trim_start();
        let at = piece.at + piece.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let (token, length) = match first {
            '"' | '\'' => {
                let length = rest[1..].find(first).ok_or_else(|| Problem::new(at, "this quote is never closed"))?;
                (Token::Text(&rest[1..=length]), length + 2)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
            '0'..='9' | '-' => number(rest, at)?,
            ')' => (Token::Symbol(")"), 1),
            _ => {
                let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)).ok_or_else(|| {
                    Problem::new(at, format!("`{}` has no meaning here", first.escape_debug()))
                        .help("write values as in `{{ user.first_name | upcase }}`, texts in quotes")
                })?;
                (Token::Symbol(symbol), symbol.len())
            }
        };
        tokens.push((token, at));
        rest = &rest[length..];
    }
}

/// A number with at most six decimals, exact.
fn number(text: &str, at: usize) -> Result<(Token<'static>, usize), Problem> {
    let wrong = || {
        Problem::new(at, "this is not a number that can be used here")
            .help("write a whole number or one with up to six decimals, below 1,000,000,000")
    };
    let sign_length = usize::from(text.starts_with('-'));
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole_length = digits(&text[sign_length..]);
    let whole_end = sign_length + whole_length;
    let after = &text[whole_end..];
    // `1..3` is a range, not a decimal.
    let decimals = match after.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => &fraction[..digits(fraction)],
        _ => "",
    };
    if !(1..=9).contains(&whole_length) || decimals.len() > 6 {
        return Err(wrong());
    }
    let whole: i64 = text[sign_length..whole_end].parse().map_err(|_| wrong())?;
    let fraction: i64 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
    let micros = whole * 1_000_000 + fraction;
    let length = whole_end + if decimals.is_empty() { 0 } else { 1 + decimals.len() };
    Ok((Token::Number(if sign_length == 1 { -micros } else { micros }), length))
}
