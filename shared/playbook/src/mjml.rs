//! Emails written in MJML (<https://documentation.mjml.io>), compiled to HTML when a playbook is: whoever sends messages
//! knows nothing of it.
//!
//! MJML knows no Liquid. What stands between `{{` and `}}` or `{%` and `%}` is put aside before it is compiled, and put
//! back where it came out: in the text and in attributes as a word of its own, tags between elements as comments, which
//! MJML leaves where they are.

use kairos_messages::liquid_spans;
use mrml::prelude::parser::Error;
use mrml::prelude::render::RenderOptions;

use crate::diagnostic::Place;

/// What is wrong with an MJML template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it stands, in bytes.
    at: usize,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Problem {
    fn new(at: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: help.into() }
    }

    /// The line and column of the problem in the template.
    pub(crate) fn place(&self, source: &str) -> Place {
        place(source, self.at)
    }
}

/// A compiled email.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// The HTML, as a Liquid template.
    pub(crate) html: String,
    /// Where Liquid stands in the HTML, and where it stood in the MJML, both in bytes.
    origins: Vec<(usize, usize)>,
}

impl Compiled {
    /// The place in the MJML of what stands at a line and column of the HTML: that of the Liquid there, which is what can be
    /// wrong; else the beginning.
    pub(crate) fn origin(&self, source: &str, line: usize, column: usize) -> Place {
        let before: usize = self.html.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let in_line = self.html[before..].chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>();
        let offset = before + in_line;
        let origin = self.origins.iter().rev().find(|(start, _)| *start <= offset);
        // Nobody writes the characters between the braces anew: what is inside is as far from them as it was.
        origin.map_or(place(source, 0), |(start, at)| place(source, at + offset - start))
    }
}

fn place(source: &str, at: usize) -> Place {
    let before = &source[..source.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

/// What stands for a piece of Liquid: letters and digits only, and nothing that a template has.
fn word(prefix: &str, number: usize) -> String {
    format!("{prefix}{number}x")
}

/// Liquid put aside.
struct Masked {
    text: String,
    prefix: String,
    /// The pieces of Liquid, in bytes of the source.
    spans: Vec<core::ops::Range<usize>>,
    /// Where stretches of the masked text begin, and where they stood.
    stretches: Vec<(usize, usize)>,
}

impl Masked {
    fn of(source: &str) -> Self {
        let mut prefix = "liquid".to_owned();
        while source.contains(&prefix) {
            prefix.push('q');
        }
        let spans = liquid_spans(source);
        let (mut text, mut stretches) = (String::with_capacity(source.len()), Vec::new());
        let (mut copied, mut in_tag) = (0, false);
        for (number, span) in spans.iter().enumerate() {
            let before = &source[copied..span.start];
            for character in before.chars() {
                match character {
                    '<' => in_tag = true,
                    '>' => in_tag = false,
                    _ => {}
                }
            }
            stretches.push((text.len(), copied));
            text.push_str(before);
            stretches.push((text.len(), span.start));
            let word = word(&prefix, number);
            let is_tag = source[span.start..].starts_with("{%");
            text.push_str(&if is_tag && !in_tag { format!("<!--{word}-->") } else { word });
            copied = span.end;
        }
        stretches.push((text.len(), copied));
        text.push_str(&source[copied..]);
        Self { text, prefix, spans, stretches }
    }

    /// Where something in the masked text stood.
    fn origin(&self, at: usize) -> usize {
        let stretch = self.stretches.iter().rev().find(|(start, _)| *start <= at);
        stretch.map_or(0, |(start, origin)| origin + at - start)
    }

    /// The compiled text with Liquid in it again.
    fn unmasked(&self, compiled: &str, source: &str) -> Result<Compiled, Problem> {
        let mut html = String::with_capacity(compiled.len() + source.len());
        let mut origins = Vec::new();
        let mut seen = vec![0_usize; self.spans.len()];
        let mut rest = compiled;
        while let Some(at) = rest.find(&self.prefix) {
            let behind = &rest[at + self.prefix.len()..];
            let digits = behind.find(|character: char| !character.is_ascii_digit()).unwrap_or(behind.len());
            let number = behind[..digits].parse::<usize>().ok().filter(|number| *number < self.spans.len());
            let Some(number) = number.filter(|_| behind[digits..].starts_with('x')) else {
                html.push_str(&rest[..at + self.prefix.len()]);
                rest = behind;
                continue;
            };
            let (before, behind) = (&rest[..at], &behind[digits + 1..]);
            let comment = before.strip_suffix("<!--").zip(behind.strip_prefix("-->"));
            let (before, behind) = comment.unwrap_or((before, behind));
            html.push_str(before);
            origins.push((html.len(), self.spans[number].start));
            html.push_str(&source[self.spans[number].clone()]);
            seen[number] += 1;
            rest = behind;
        }
        html.push_str(rest);
        for (span, seen) in self.spans.iter().zip(seen) {
            // Whatever is shown twice says the same twice; a block that is opened twice would be closed once.
            if seen == 0 || (seen > 1 && source[span.start..].starts_with("{%")) {
                return Err(Problem::new(
                    span.start,
                    "MJML leaves this out, or writes it more than once",
                    "put it into the text of an element, into a link, or between elements of the body",
                ));
            }
        }
        Ok(Compiled { html, origins })
    }
}

/// Compiles an email.
pub(crate) fn compiled(source: &str) -> Result<Compiled, Problem> {
    if let Some(at) = source.find("<mj-include") {
        return Err(Problem::new(
            at,
            "`mj-include` reads no files here",
            "write what messages share as a content block, `{% render 'NAME' %}`",
        ));
    }
    let masked = Masked::of(source);
    let parsed = mrml::parse(&masked.text).map_err(|error| refused(&masked, &error))?;
    if let Some(warning) = parsed.warnings.first() {
        let at = masked.origin(warning.span.start);
        let help = "look it up at documentation.mjml.io, or remove it";
        return Err(Problem::new(at, "MJML does not know this attribute here", help));
    }
    let rendered = parsed.element.render(&RenderOptions::default()).map_err(|error| {
        let help = "look at the widths and colours in its attributes";
        Problem::new(0, format!("this MJML cannot be compiled: {error}"), help)
    })?;
    if let Some((_, rest)) = rendered.split_once("<mj-") {
        // MJML takes what it does not know for HTML.
        let name = rest.split(|character: char| !character.is_ascii_alphanumeric() && character != '-').next();
        let element = format!("<mj-{}", name.unwrap_or_default());
        let at = source.find(&element).unwrap_or(0);
        return Err(Problem::new(at, format!("MJML has no element `{element}>` here"), ELEMENTS));
    }
    masked.unmasked(&rendered, source)
}

const ELEMENTS: &str = "look at documentation.mjml.io: sections hold columns, columns hold texts, pictures and buttons";

/// What MJML says is wrong, in words, where it stood.
fn refused(masked: &Masked, error: &Error) -> Problem {
    let at = |span: &mrml::prelude::parser::Span| masked.origin(span.start);
    match error {
        Error::UnexpectedElement { position, .. } => {
            Problem::new(at(position), "MJML takes no such element here", ELEMENTS)
        }
        Error::UnexpectedToken { position, .. } => Problem::new(
            at(position),
            "MJML expects something else here",
            "begin with `<mjml>`, and close elements in the order in which they were opened",
        ),
        Error::MissingAttribute { name, position, .. } => Problem::new(
            at(position),
            format!("the attribute `{name}` is missing here"),
            "write it, with a value in quotes",
        ),
        Error::InvalidAttribute { position, .. } => {
            Problem::new(at(position), "this attribute cannot be read", "write `name=\"value\"`")
        }
        Error::InvalidFormat { position, .. } => Problem::new(at(position), "this value cannot be read", ELEMENTS),
        Error::NoRootNode => Problem::new(0, "this is no MJML", "begin with `<mjml>`, and in it `<mj-body>`"),
        Error::EndOfStream { .. } => Problem::new(
            masked.origin(masked.text.len()),
            "an element is never closed",
            "close it, as in `</mj-section>`",
        ),
        other => Problem::new(0, format!("this MJML cannot be read: {other}"), ELEMENTS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(inner: &str) -> String {
        format!("<mjml><mj-body>\n<mj-section><mj-column>\n{inner}\n</mj-column></mj-section>\n</mj-body></mjml>")
    }

    fn problem(source: &str) -> String {
        let problem = compiled(source).expect_err("something is wrong");
        let place = problem.place(source);
        format!("{}:{} {} ({})", place.line, place.column, problem.message, problem.help)
    }

    #[test]
    fn liquid_comes_through_in_texts_and_attributes_and_between_elements() {
        let source = body(
            "{% for item in cart.items -%}\n<mj-image src=\"{{ item.image_url }}\" alt=\"{{ item.name | default: 'a > b' }}\" />\n\
             <mj-text>{% if item.price %}<b>{{ item.price | money }}</b>{% endif %} liquid0x</mj-text>\n\
             <mj-button href=\"{{ item.url }}\">See {{ item.name }}</mj-button>\n{%- endfor %}",
        );
        let html = compiled(&source).unwrap().html;
        for part in [
            "src=\"{{ item.image_url }}\"",
            "alt=\"{{ item.name | default: 'a > b' }}\"",
            ">{% if item.price %}<b>{{ item.price | money }}</b>{% endif %} liquid0x</div>",
            "href=\"{{ item.url }}\"",
            ">See {{ item.name }}</a>",
        ] {
            assert_eq!(html.matches(part).count(), 1, "{part}\n{html}");
        }
        let (start, end) = (html.find("{% for item in cart.items -%}").unwrap(), html.find("{%- endfor %}").unwrap());
        assert!(html[start..end].matches("<tr>").count() >= 3, "the loop goes around whole rows: {html}");
        assert!(!html.contains("<!--liquid"), "{html}");
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        for (source, expected) in [
            (
                "<p>Hi</p>".to_owned(),
                "1:1 MJML expects something else here (begin with `<mjml>`, and close elements in the order in which they were opened)",
            ),
            (body("{{ user.id }}<mj-foo></mj-foo>"), "3:14 MJML has no element `<mj-foo>` here"),
            (body("<mj-text>Hi"), "5:18 an element is never closed (close it, as in `</mj-section>`)"),
            (
                body("<mj-include path=\"x.mjml\" />"),
                "3:1 `mj-include` reads no files here (write what messages share as a content block, `{% render 'NAME' %}`)",
            ),
            (
                "<mjml colour=\"red\"><mj-body></mj-body></mjml>".to_owned(),
                "1:7 MJML does not know this attribute here (look it up at documentation.mjml.io, or remove it)",
            ),
        ] {
            let told = problem(&source);
            assert!(told.starts_with(expected), "{told}\n{source}");
        }
    }

    #[test]
    fn a_place_in_the_html_is_that_of_the_liquid_in_the_mjml() {
        let source = body("<mj-text>Hi\n  {{ usr.id }}</mj-text>");
        let compiled = compiled(&source).unwrap();
        let at = compiled.html.find("usr").unwrap();
        let before = &compiled.html[..at];
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        let place = compiled.origin(&source, before.matches('\n').count() + 1, column);
        assert_eq!((place.line, place.column), (4, 6));
    }
}
