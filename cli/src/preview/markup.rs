//! What is in a message's HTML: the text one sees, links and pictures; and a bot's HTML as a page may show it.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};

use kairos_backtest::page::escaped;

/// What one sees of a piece of HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visible {
    /// The text, with one blank for each run of blanks and a line for each block.
    pub text: String,
    /// Where its links lead, each once.
    pub links: Vec<String>,
    /// The links of its pictures, each once.
    pub pictures: Vec<String>,
}

/// Elements whose text nobody sees.
const UNSEEN: [&str; 4] = ["head", "title", "style", "script"];
/// Elements that go on in the same line.
const INLINE: [&str; 14] =
    ["a", "abbr", "b", "code", "em", "font", "i", "img", "s", "small", "span", "strong", "sub", "u"];
/// What a bot's HTML may keep on a page; links keep where they lead.
const KEPT: [&str; 13] = ["a", "b", "blockquote", "code", "del", "em", "i", "ins", "pre", "s", "strike", "strong", "u"];

fn tokens(html: &str) -> impl Iterator<Item = Token> {
    let mut emitter = DefaultEmitter::default();
    // So that what stands in `<style>` is no markup.
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, emitter).map_while(Result::ok)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What one sees of a piece of HTML.
pub fn visible(html: &str) -> Visible {
    let mut seen = Visible::default();
    let mut unseen = 0_usize;
    let add = |list: &mut Vec<String>, link: Option<String>| {
        list.extend(link.filter(|link| !link.is_empty() && !list.contains(link)).into_iter().collect::<Vec<_>>());
    };
    for token in tokens(html) {
        match token {
            Token::StartTag(tag) => {
                let name = text(&tag.name);
                let attribute = |name: &str| tag.attributes.get(name.as_bytes()).map(|value| text(value));
                if UNSEEN.contains(&&*name) {
                    unseen += 1;
                }
                add(&mut seen.links, attribute("href").filter(|_| name == "a"));
                add(&mut seen.pictures, attribute("src").filter(|_| name == "img"));
                if !INLINE.contains(&&*name) {
                    seen.text.push('\n');
                }
            }
            Token::EndTag(tag) => {
                let name = text(&tag.name);
                if UNSEEN.contains(&&*name) {
                    unseen = unseen.saturating_sub(1);
                }
                if !INLINE.contains(&&*name) {
                    seen.text.push('\n');
                }
            }
            // Line breaks of the source are blanks.
            Token::String(said) if unseen == 0 => seen.text.push_str(&text(&said).replace('\n', " ")),
            _ => {}
        }
    }
    let lines = seen.text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    seen.text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    seen
}

/// The HTML of a bot's message as plain text, in which lines stand as they are.
pub fn plain(html: &str) -> String {
    let said = tokens(html).filter_map(|token| match token {
        Token::String(said) => Some(text(&said)),
        _ => None,
    });
    said.collect()
}

/// The HTML of a bot's message as a page may show it: of its elements only those that mean something, of their
/// attributes only where a link leads, everything else escaped anew.
pub fn harmless(html: &str) -> String {
    let mut page = String::new();
    for token in tokens(html) {
        match token {
            Token::StartTag(tag) if KEPT.contains(&&*text(&tag.name)) => {
                let name = text(&tag.name);
                let link = tag.attributes.get("href".as_bytes()).map(|link| text(link));
                match link.filter(|link| name == "a" && is_web_link(link)) {
                    Some(link) => page.push_str(&anchor(&link)),
                    None => page.push_str(&format!("<{name}>")),
                }
            }
            Token::EndTag(tag) if KEPT.contains(&&*text(&tag.name)) => {
                page.push_str(&format!("</{}>", text(&tag.name)))
            }
            Token::String(said) => page.push_str(&escaped(&text(&said))),
            _ => {}
        }
    }
    page
}

/// The opening tag of a link that tells nobody where it was clicked.
pub fn anchor(link: &str) -> String {
    format!("<a href=\"{}\" rel=\"noopener noreferrer\" target=\"_blank\">", escaped(link))
}

/// Whether it is a link that a page may lead to.
pub fn is_web_link(link: &str) -> bool {
    let start = link.get(..8).unwrap_or(link).to_ascii_lowercase();
    start.starts_with("https://") || start.starts_with("http://")
}

/// The web links of a plain text, each once.
pub fn links_in_text(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for word in text.split_whitespace() {
        let word = word.trim_matches(|character| matches!(character, '(' | ')' | '<' | '>' | ',' | '.' | ';'));
        if is_web_link(word) && !links.iter().any(|link| link == word) {
            links.push(word.to_owned());
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_sees_of_html_is_its_text_its_links_and_its_pictures() {
        let seen = visible(
            "<html><head><title>No</title><style>b > i { x }</style></head><body>\n<p>Tea &amp; <b>cake</b></p>\
             <img src=\"https://shop.example/a.jpg\"><a href='https://shop.example/?a=1&amp;b=2'>Go</a>\n  on<br>now\
             <a href=https://shop.example/?a=1&amp;b=2>x</a></body></html>",
        );
        assert_eq!(seen.text, "Tea & cake\nGo on\nnowx");
        assert_eq!(seen.links, ["https://shop.example/?a=1&b=2"]);
        assert_eq!(seen.pictures, ["https://shop.example/a.jpg"]);
    }

    #[test]
    fn a_bots_html_comes_to_a_page_without_anything_that_does_something() {
        for (html, page) in [
            ("<b>Tea</b> &amp; &lt;cake&gt;", "<b>Tea</b> &amp; &lt;cake&gt;"),
            ("<b onclick=\"x()\">Tea</b>", "<b>Tea</b>"),
            ("<a href=\"javascript:x()\">Tea</a>", "<a>Tea</a>"),
            ("<script>x()</script><img src=x onerror=x()>", "x()"),
            ("<a href=\"https://s.example/?&quot;&gt;\">T</a>", &format!("{}T</a>", anchor("https://s.example/?\">"))),
        ] {
            assert_eq!(harmless(html), page, "{html}");
        }
        assert_eq!(plain("<b>Tea</b>\n&lt;3"), "Tea\n<3");
    }

    #[test]
    fn links_are_found_in_text_without_what_stands_around_them() {
        let text = "Go to https://shop.example/cart. (https://shop.example/a?b=1) https://shop.example/cart ftp://x";
        assert_eq!(links_in_text(text), ["https://shop.example/cart", "https://shop.example/a?b=1"]);
    }
}
