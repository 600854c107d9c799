//! The links of a message that was filled in: found, and replaced by what whoever sends it says.
//!
//! Filters cannot reach behind the rendering, so they leave marks: `{{ 'showroom' | link }}` and
//! `{{ product.url | untracked }}` write links to a name that is nobody's (RFC 2606), and these are put right here.
//! No mark leaves this crate.
//!
//! | where | links |
//! |---|---|
//! | texts, SMS, Viber, gaps of WhatsApp templates | whatever begins with `https://` or `http://`, up to a blank, without the punctuation behind it |
//! | HTML, Telegram | `href` of `<a>` and `<area>` |
//! | buttons of chats | their link |
//!
//! In all other places (subjects, pictures, text between tags, messages on the page, whose clicks the inbox counts) marks are put right, and nothing is replaced.

use crate::escape::{Place, escaped, is_web_link};

/// What marks begin with: a name that is never given to anybody.
const MARK: &str = "https://kairos.invalid/";
const NAMED: &str = "link/";
const UNTRACKED: &str = "untracked/";

/// A link of a message, as its template means it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// To this page.
    Page(String),
    /// To a destination of the playbook, by its name.
    Named(String),
}

/// What becomes of the links of a message.
pub trait Links {
    /// The page of a destination, for places where nobody counts.
    fn page(&self, destination: &str) -> Option<String>;

    /// What stands in the message instead of a link; `None` leaves it.
    fn instead(&self, link: &Link) -> Option<String>;

    /// The picture of one pixel by which an opened email is counted.
    fn pixel(&self) -> Option<String>;
}

/// The mark of a destination.
pub(crate) fn named(destination: &str) -> String {
    format!("{MARK}{NAMED}{destination}")
}

/// A link as templates and data may hold it, marked so that it stays as it is: links to unsubscribe, for example.
pub fn untracked(link: &str) -> String {
    if is_web_link(link) { format!("{MARK}{UNTRACKED}{link}") } else { link.to_owned() }
}

/// What a link in a message is.
enum Found<'t> {
    Counted(Link),
    /// As it is, or nothing when it is none.
    Left(Option<&'t str>),
}

fn read(link: &str) -> Found<'_> {
    let Some(mark) = link.strip_prefix(MARK) else { return Found::Counted(Link::Page(link.to_owned())) };
    match (mark.strip_prefix(NAMED), mark.strip_prefix(UNTRACKED)) {
        (Some(name), _) => Found::Counted(Link::Named(name.to_owned())),
        // Data may hold a mark, too: what is behind it has to be a link all the same.
        (_, Some(link)) => Found::Left(Some(link).filter(|link| is_web_link(link))),
        _ => Found::Left(None),
    }
}

/// A link that stands alone.
pub(crate) fn counted(link: &str, links: &dyn Links) -> String {
    match read(link) {
        Found::Left(link) => link.unwrap_or_default().to_owned(),
        Found::Counted(link) => links.instead(&link).unwrap_or_else(|| match link {
            Link::Page(page) => page,
            Link::Named(name) => links.page(&name).unwrap_or_default(),
        }),
    }
}

/// A link that stands alone, and that nobody counts.
pub(crate) fn plain(link: &str, links: &dyn Links) -> String {
    match read(link) {
        Found::Left(link) => link.unwrap_or_default().to_owned(),
        Found::Counted(Link::Page(page)) => page,
        Found::Counted(Link::Named(name)) => links.page(&name).unwrap_or_default(),
    }
}

/// A text, with its links replaced.
pub(crate) fn in_text(text: &str, links: &dyn Links) -> String {
    each_in_text(text, &|link| counted(link, links))
}

/// A text in which nobody counts links.
pub(crate) fn left_in_text(text: &str, links: &dyn Links) -> String {
    // Most texts have no marks.
    if text.contains(MARK) { each_in_text(text, &|link| plain(link, links)) } else { text.to_owned() }
}

fn each_in_text(text: &str, replaced: &dyn Fn(&str) -> String) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = next_link(rest) {
        let (before, from) = rest.split_at(at);
        let link = &from[..length_of_link(from)];
        written.push_str(before);
        written.push_str(&replaced(link));
        rest = &from[link.len()..];
    }
    written.push_str(rest);
    written
}

/// Where the next link begins: not in the middle of a word, but for our own marks.
fn next_link(text: &str) -> Option<usize> {
    text.match_indices("://").find_map(|(at, _)| {
        ["https", "http"].into_iter().find_map(|scheme| {
            let start = at.checked_sub(scheme.len())?;
            // Letters of ASCII, so that the text can be cut there.
            if !text.as_bytes()[start..at].eq_ignore_ascii_case(scheme.as_bytes()) {
                return None;
            }
            let in_word = text[..start].ends_with(|before: char| before.is_alphanumeric());
            (!in_word || text[start..].starts_with(MARK)).then_some(start)
        })
    })
}

/// How long the link is that a text begins with: up to a blank or a character that no link has, without the
/// punctuation of the sentence around it.
fn length_of_link(text: &str) -> usize {
    let ends = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '<' | '>' | '"' | '`' | '“' | '”')
    };
    let mut link = &text[..text.find(ends).unwrap_or(text.len())];
    // A value behind a value.
    if let Some((at, _)) = link.match_indices(MARK).find(|(at, _)| *at > 0) {
        link = &link[..at];
    }
    while let Some(last) = link.chars().next_back() {
        let is_sentence = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '’' | '«' | '»' | '*' | '…' => true,
            // A bracket that the link has opened is its own.
            ')' => link.matches(')').count() > link.matches('(').count(),
            ']' => link.matches(']').count() > link.matches('[').count(),
            _ => false,
        };
        if !is_sentence {
            break;
        }
        link = &link[..link.len() - last.len_utf8()];
    }
    link.len()
}

/// HTML, with the links of its `<a>` replaced, and the pixel at its end.
pub(crate) fn in_html(html: &str, links: &dyn Links, with_pixel: bool) -> String {
    let mut written = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, from) = rest.split_at(at);
        written.push_str(&marks_in_html(text, links));
        let length = if from.starts_with("<!--") {
            from.find("-->").map_or(from.len(), |end| end + 3)
        } else if from[1..].starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            length_of_tag(from)
        } else {
            1
        };
        let (tag, behind) = from.split_at(length);
        write_tag(&mut written, tag, links);
        rest = behind;
    }
    written.push_str(&marks_in_html(rest, links));
    match links.pixel().filter(|_| with_pixel) {
        Some(pixel) => with_picture(&written, &pixel),
        None => written,
    }
}

/// How long a tag is: up to its `>`, which may stand in quotes before.
fn length_of_tag(tag: &str) -> usize {
    let mut quote = None;
    for (at, character) in tag.char_indices() {
        match (quote, character) {
            (None, '>') => return at + 1,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), character) if open == character => quote = None,
            _ => {}
        }
    }
    tag.len()
}

fn write_tag(written: &mut String, tag: &str, links: &dyn Links) {
    let name_end = tag[1..].find(|letter: char| !letter.is_ascii_alphanumeric()).map_or(tag.len(), |end| end + 1);
    let name = &tag[1..name_end];
    let is_link = name.eq_ignore_ascii_case("a") || name.eq_ignore_ascii_case("area");
    match href(tag).filter(|_| is_link) {
        Some((from, to)) => {
            let value = decoded(&tag[from..to]);
            let link = value.trim();
            // A destination as a part of another link.
            let is_mixed = link.match_indices(MARK).any(|(at, _)| at > 0) && !link.starts_with(MARK);
            let mixed = if is_mixed { left_in_text(link, links) } else { String::new() };
            let link = if is_mixed { &mixed } else { link };
            let replaced = if is_web_link(link) { counted(link, links) } else { value.clone() };
            written.push_str(&marks_in_html(&tag[..from], links));
            // What stays is not written anew: there are more ways to write a character than are read here.
            match replaced == value {
                true => written.push_str(&tag[from..to]),
                false => written.push_str(&escaped(&replaced, Place::Html)),
            }
            written.push_str(&marks_in_html(&tag[to..], links));
        }
        None => written.push_str(&marks_in_html(tag, links)),
    }
}

/// Where the value of a tag's first `href` stands.
fn href(tag: &str) -> Option<(usize, usize)> {
    let bytes = tag.as_bytes();
    let mut at = tag.find(|letter: char| letter.is_ascii_whitespace() || letter == '/')?;
    while at < bytes.len() {
        at += bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b'/').count();
        let name_length = bytes[at..]
            .iter()
            .take_while(|byte| !byte.is_ascii_whitespace() && !matches!(**byte, b'=' | b'>' | b'/'))
            .count();
        let name = &tag[at..at + name_length];
        if name.is_empty() {
            return None;
        }
        at += name_length;
        let blanks = bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if bytes.get(at + blanks) != Some(&b'=') {
            continue;
        }
        at += blanks + 1;
        at += bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (from, to, next) = match bytes.get(at)? {
            quote @ (b'"' | b'\'') => {
                let length = tag[at + 1..].find(char::from(*quote))?;
                (at + 1, at + 1 + length, at + 2 + length)
            }
            _ => {
                let length =
                    bytes[at..].iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'>').count();
                (at, at + length, at + length)
            }
        };
        if name.eq_ignore_ascii_case("href") {
            return Some((from, to));
        }
        at = next;
    }
    None
}

/// The characters that our own escaping writes, and the usual ways to write a number, read back.
fn decoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').filter(|end| *end <= 8);
        let character = end.and_then(|end| match &rest[1..end] {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            number => {
                let number = number.strip_prefix('#')?;
                let number = match number.strip_prefix(['x', 'X']) {
                    Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                    None => number.parse(),
                };
                char::from_u32(number.ok()?)
            }
        });
        match (character, end) {
            (Some(character), Some(end)) => {
                text.push(character);
                rest = &rest[end + 1..];
            }
            _ => {
                text.push('&');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// HTML in which only marks are put right.
fn marks_in_html(html: &str, links: &dyn Links) -> String {
    let mut written = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(MARK) {
        written.push_str(&rest[..at]);
        let mark = &rest[at + MARK.len()..];
        rest = match (mark.strip_prefix(NAMED), mark.strip_prefix(UNTRACKED)) {
            (Some(name), _) => {
                let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                let page = links.page(&name[..length]).unwrap_or_default();
                written.push_str(&escaped(&page, Place::Html));
                &name[length..]
            }
            (_, Some(link)) if is_web_link(link) => link,
            // A mark that data has made up.
            _ => mark,
        };
    }
    written.push_str(rest);
    written
}

/// The picture stands last in the body, so that nothing waits for it.
fn with_picture(html: &str, pixel: &str) -> String {
    let picture = format!("<img src=\"{}\" width=\"1\" height=\"1\" alt=\"\">", escaped(pixel, Place::Html));
    let end = html.to_ascii_lowercase().rfind("</body").unwrap_or(html.len());
    [&html[..end], &picture, &html[end..]].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    /// Counts links to the shop, and nothing else.
    struct Shop;

    impl Links for Shop {
        fn page(&self, destination: &str) -> Option<String> {
            (destination == "showroom").then(|| "https://shop.example/rooms?a=1&b=2".to_owned())
        }

        fn instead(&self, link: &Link) -> Option<String> {
            match link {
                Link::Page(page) => {
                    let path = page.strip_prefix("https://shop.example/")?;
                    Some(format!("https://go.example/c/{}", path.replace(['?', '=', '&'], "-")))
                }
                Link::Named(name) => (name == "showroom").then(|| "https://go.example/c/room".to_owned()),
            }
        }

        fn pixel(&self) -> Option<String> {
            Some("https://go.example/o/1".into())
        }
    }

    #[test]
    fn links_of_a_text_are_replaced_and_nothing_else_of_it() {
        for (text, expected) in [
            ("Go: https://shop.example/cart", "Go: https://go.example/c/cart"),
            ("https://shop.example/cart.", "https://go.example/c/cart."),
            ("(see https://shop.example/cart)!", "(see https://go.example/c/cart)!"),
            ("https://shop.example/a_(b) c", "https://go.example/c/a_(b) c"),
            ("»https://shop.example/a« x", "»https://go.example/c/a« x"),
            (
                "a https://shop.example/a, https://shop.example/b; c",
                "a https://go.example/c/a, https://go.example/c/b; c",
            ),
            ("HTTPS://shop.example/a", "HTTPS://shop.example/a"),
            ("*https://shop.example/a*", "*https://go.example/c/a*"),
            ("https://shop.example/каталог?x=1.", "https://go.example/c/каталог-x-1."),
            ("https://other.example/a shttps://shop.example/a", "https://other.example/a shttps://shop.example/a"),
            ("line\nhttps://shop.example/a\nline", "line\nhttps://go.example/c/a\nline"),
            ("http:// https:// :// ://", "http:// https:// :// ://"),
            ("Grüße, no link: shop.example", "Grüße, no link: shop.example"),
            ("room https://kairos.invalid/link/showroom!", "room https://go.example/c/room!"),
            ("none https://kairos.invalid/link/nowhere", "none "),
            ("https://kairos.invalid/untracked/https://shop.example/a.", "https://shop.example/a."),
            ("x https://kairos.invalid/untracked/javascript:alert(1)", "x "),
            ("https://kairos.invalid/other", ""),
        ] {
            assert_eq!(in_text(text, &Shop), expected, "{text}");
        }
    }

    #[test]
    fn nobody_counts_what_stands_in_a_subject() {
        let text = "Room https://kairos.invalid/link/showroom or https://shop.example/a";
        assert_eq!(left_in_text(text, &Shop), "Room https://shop.example/rooms?a=1&b=2 or https://shop.example/a");
    }

    #[test]
    fn links_of_html_are_those_of_its_anchors() {
        for (html, expected) in [
            (r#"<a href="https://shop.example/a">x</a>"#, r#"<a href="https://go.example/c/a">x</a>"#),
            ("<A class=b HREF = 'https://shop.example/a' id=c>", "<A class=b HREF = 'https://go.example/c/a' id=c>"),
            ("<a href=https://shop.example/a>x", "<a href=https://go.example/c/a>x"),
            (r#"<area href="https://shop.example/a"/>"#, r#"<area href="https://go.example/c/a"/>"#),
            (r#"<a href="https://shop.example/?a=1&amp;b=2">"#, r#"<a href="https://go.example/c/-a-1-b-2">"#),
            (r#"<a href="https://shop.example/?a=1&#38;b=2">"#, r#"<a href="https://go.example/c/-a-1-b-2">"#),
            (
                r#"<a title="a > b" href="https://shop.example/a">"#,
                r#"<a title="a > b" href="https://go.example/c/a">"#,
            ),
            (r#"<a data-href="https://shop.example/a">"#, r#"<a data-href="https://shop.example/a">"#),
            (r#"<a href="mailto:a@shop.example">"#, r#"<a href="mailto:a@shop.example">"#),
            (
                r#"<a href="https://other.example/?a&amp;b&eacute;">"#,
                r#"<a href="https://other.example/?a&amp;b&eacute;">"#,
            ),
            (r#"<img src="https://shop.example/a.jpg">"#, r#"<img src="https://shop.example/a.jpg">"#),
            (r#"<link href="https://shop.example/a.css">"#, r#"<link href="https://shop.example/a.css">"#),
            ("<p>https://shop.example/a</p>", "<p>https://shop.example/a</p>"),
            ("<!-- <a href=\"https://shop.example/a\"> -->", "<!-- <a href=\"https://shop.example/a\"> -->"),
            ("2 < 3 <a", "2 < 3 <a"),
            (r#"<a href="https://kairos.invalid/link/showroom">"#, r#"<a href="https://go.example/c/room">"#),
            (
                r#"<a href="https://kairos.invalid/untracked/https://shop.example/?a&amp;b">"#,
                r#"<a href="https://shop.example/?a&amp;b">"#,
            ),
            (r#"<a href="https://kairos.invalid/untracked/javascript:alert(1)">"#, r#"<a href="">"#),
            (
                r#"<img src="https://kairos.invalid/link/showroom">"#,
                r#"<img src="https://shop.example/rooms?a=1&amp;b=2">"#,
            ),
            ("<p>https://kairos.invalid/link/showroom</p>", "<p>https://shop.example/rooms?a=1&amp;b=2</p>"),
        ] {
            assert_eq!(in_html(html, &Shop, false), expected, "{html}");
        }
    }

    #[test]
    fn the_pixel_stands_last_in_the_body() {
        let picture = r#"<img src="https://go.example/o/1" width="1" height="1" alt="">"#;
        assert_eq!(in_html("<p>x</p>", &Shop, true), format!("<p>x</p>{picture}"));
        assert_eq!(in_html("<body>x</BODY></html>", &Shop, true), format!("<body>x{picture}</BODY></html>"));
    }

    #[test]
    fn what_must_stay_is_marked_when_it_is_a_link() {
        assert_eq!(in_text(&untracked("https://shop.example/u/1"), &Shop), "https://shop.example/u/1");
        assert_eq!(untracked("javascript:alert(1)"), "javascript:alert(1)");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "<a href=\"", "<a href=", "'", "\"", ">", "<", "<!--", "-->", "https://", "http", "://", "shop.example/a",
                "kairos.invalid/", "link/", "untracked/", "showroom", "&amp;", "&#", "x26;", "é", " ", "(", ")", ".", "=",
            ]), 0..30),
        ) {
            let text = parts.concat();
            in_text(&text, &Shop);
            left_in_text(&text, &Shop);
            let html = in_html(&text, &Shop, false);
            // What nobody counts stays as it is.
            if !text.contains("https://") {
                prop_assert_eq!(html, text);
            }
        }
    }
}
