//! The text part of an email that has none of its own, made from its HTML when a playbook is compiled.
//!
//! The HTML is read tag by tag and not as a tree: a parser of pages would move Liquid that stands between the rows of a
//! table out of it, and so take loops apart.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use kairos_messages::liquid_spans;

/// Elements that stand on lines of their own.
const LINES: [&str; 19] = [
    "address",
    "article",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "header",
    "hr",
    "li",
    "ol",
    "pre",
    "section",
    "table",
    "tbody",
    "tr",
    "ul",
];
/// Elements around which there is an empty line.
const PARAGRAPHS: [&str; 7] = ["h1", "h2", "h3", "h4", "h5", "h6", "p"];
/// Elements of which nothing is shown.
const HIDDEN: [&str; 4] = ["head", "script", "style", "title"];

/// The text of a Liquid template in HTML, as a Liquid template: lines of text, links behind what leads to them, and all
/// Liquid where it was.
pub(crate) fn text_of(html: &str) -> String {
    let mut prefix = "liquid".to_owned();
    while html.contains(&prefix) {
        prefix.push('q');
    }
    let spans = liquid_spans(html);
    let (mut masked, mut copied) = (String::with_capacity(html.len()), 0);
    for (number, span) in spans.iter().enumerate() {
        masked.push_str(&html[copied..span.start]);
        masked.push_str(&format!("{prefix}{number}x"));
        copied = span.end;
    }
    masked.push_str(&html[copied..]);
    let text = lines(&masked);
    // The last first: a word is never the beginning of another one, thanks to the `x` at its end.
    spans
        .into_iter()
        .enumerate()
        .fold(text, |text, (number, span)| text.replace(&format!("{prefix}{number}x"), &html[span]))
}

fn lines(html: &str) -> String {
    let mut emitter = DefaultEmitter::default();
    // Texts of scripts and styles are no markup.
    emitter.naively_switch_states(true);
    let mut text = Text::default();
    let (mut hidden, mut links) = (0_usize, Vec::new());
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if HIDDEN.contains(&&*name) && !tag.self_closing {
                    hidden += 1;
                }
                text.breaks(&name);
                if name == "li" {
                    text.write("- ");
                }
                if name == "a" {
                    let link = tag.attributes.iter().find(|(key, _)| &***key == b"href");
                    let link = link.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
                    links.push((link.unwrap_or_default(), text.text.len()));
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if HIDDEN.contains(&&*name) {
                    hidden = hidden.saturating_sub(1);
                }
                if name == "a"
                    && let Some((link, start)) = links.pop()
                {
                    text.link(&link, start);
                }
                text.breaks(&name);
            }
            Token::String(string) if hidden == 0 => text.write(&String::from_utf8_lossy(&string)),
            _ => {}
        }
    }
    text.text.trim().to_owned()
}

/// Text as it grows.
#[derive(Default)]
struct Text {
    text: String,
    /// Whether there was a blank that has not been written yet.
    blank: bool,
}

impl Text {
    fn write(&mut self, more: &str) {
        for word in more.split_inclusive(char::is_whitespace) {
            let trimmed = word.trim_end();
            if !trimmed.is_empty() {
                if self.blank && !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push(' ');
                }
                self.text.push_str(trimmed);
                self.blank = false;
            }
            self.blank |= trimmed.len() < word.len();
        }
    }

    /// A link behind the words that lead to it, unless they say it themselves; a picture's alone is left out.
    fn link(&mut self, link: &str, start: usize) {
        let words = self.text[start.min(self.text.len())..].trim();
        if !words.is_empty() && !link.is_empty() && !link.starts_with('#') && words != link {
            self.blank = false;
            self.text.push_str(": ");
            self.text.push_str(link);
            self.blank = true;
        }
    }

    fn breaks(&mut self, name: &str) {
        let wanted = if PARAGRAPHS.contains(&name) { 2 } else { usize::from(LINES.contains(&name)) };
        // Cells of a row stand beside each other.
        self.blank |= matches!(name, "td" | "th");
        if wanted == 0 || self.text.is_empty() {
            return;
        }
        self.blank = false;
        let there = self.text.len() - self.text.trim_end_matches('\n').len();
        (there..wanted).for_each(|_| self.text.push('\n'));
    }
}

/// The HTML with what mail programs show beside the subject, which nobody sees in the email itself.
pub(crate) fn with_preheader(html: &str, preheader: &str) -> String {
    let body = html.find("<body").and_then(|body| Some(body + html[body..].find('>')? + 1));
    let (before, behind) = html.split_at(body.unwrap_or(0));
    let style = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden";
    format!("{before}<div style=\"{style}\">{}</div>{behind}", preheader.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_lines_of_text_with_links_and_all_liquid_where_it_was() {
        for (html, expected) in [
            (
                "<h1>Hi  {{ user.first_name }}</h1>\n<p>One<br>two</p><p>three",
                "Hi {{ user.first_name }}\n\nOne\ntwo\n\nthree",
            ),
            (
                "<head><title>x</title><style>a > b {}</style></head><body><a href=\"{{ item.url }}\">{{ item.name }}</a> now</body>",
                "{{ item.name }}: {{ item.url }} now",
            ),
            (
                "<table>{% for item in cart.items %}<tr><td>{{ item.name }}</td><td>{{ item.price | money }}</td></tr>{% endfor %}</table>",
                "{% for item in cart.items %}\n{{ item.name }} {{ item.price | money }}\n{% endfor %}",
            ),
            ("<ul><li>a &amp; b</li><li>c&nbsp;d</li></ul>", "- a & b\n- c d"),
            ("<a href=\"https://x.example\"><img src=\"y.png\" alt=\"z\"></a>Text liquid0x", "Text liquid0x"),
            ("<a href=\"https://x.example\">https://x.example</a>", "https://x.example"),
        ] {
            assert_eq!(text_of(html), expected, "{html}");
        }
    }

    #[test]
    fn a_preheader_stands_first_in_the_body() {
        let html = with_preheader("<html><body style=\"a\"><p>Hi</p>", "News\n");
        assert!(html.starts_with("<html><body style=\"a\"><div style=\"display:none;"), "{html}");
        assert!(html.ends_with("\">News</div><p>Hi</p>"), "{html}");
    }
}
