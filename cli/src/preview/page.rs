//! A preview as a page: one file that needs nothing but the messages' own pictures, for light and dark screens of any
//! size.
//!
//! **Invariants:** nothing on the page runs; what a message says stands escaped, or in a frame of its own that may do
//! nothing at all (`sandbox=""`). The frame's document is under the page's policy, too: that is why the policy allows
//! styles in the document, without which no email looks like itself.

use kairos_backtest::page::escaped;

use super::markup::anchor;
use super::shown::{Look, Shown};
use super::{ChannelPreview, LanguagePreview, Preview};

const STYLE: &str = include_str!("page/style.css");
/// No scripts, no forms, nothing from elsewhere but pictures.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; base-uri 'none'; form-action 'none'";

/// The page.
pub fn page(preview: &Preview) -> String {
    let title = escaped(&preview.title);
    let mut body = format!(
        "<p class=\"eyebrow\">Kairos preview of <code>{}</code></p><h1>{title}</h1><p class=\"soft\">For {}.</p>",
        escaped(&preview.play),
        escaped(&preview.shopper),
    );
    for message in &preview.messages {
        for of_language in &message.languages {
            body.push_str(&language(&message.name, of_language));
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} – Kairos preview</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
}

fn language(message: &str, language: &LanguagePreview) -> String {
    let theirs = if language.is_theirs { "" } else { " <span class=\"badge\">not their language</span>" };
    let tag = escaped(&language.tag);
    let cards: String = language.channels.iter().map(|channel| card(&language.tag, channel)).collect();
    format!("<h2>{} <span class=\"soft\">{tag}</span>{theirs}</h2><div class=\"cards\">{cards}</div>", escaped(message))
}

fn card(tag: &str, channel: &ChannelPreview) -> String {
    let remarks = channel.remarks.iter().map(|remark| format!(" <span class=\"badge\">{}</span>", escaped(remark)));
    let remarks: String = remarks.collect();
    let name = channel.channel.as_str();
    let (is_wide, shown) = match &channel.shown {
        Ok(shown) => (matches!(shown.look, Look::Mail(_)), look(tag, name, shown)),
        Err(error) => (false, format!("<p class=\"error\">{}</p>", escaped(error))),
    };
    let class = if is_wide { "card wide" } else { "card" };
    format!("<section class=\"{class}\"><h3>{name}{remarks}</h3>{shown}</section>")
}

fn look(tag: &str, channel: &str, shown: &Shown) -> String {
    let Shown { head, look, text, picture, button, links, size } = shown;
    let (tag, plain) = (escaped(tag), escaped(text));
    let head: String = head
        .iter()
        .map(|(name, value)| {
            let class = name.replace(' ', "-");
            format!(
                "<div class=\"{class}\"><dt>{name}</dt><dd lang=\"{tag}\" dir=\"auto\">{}</dd></div>",
                escaped(value)
            )
        })
        .collect();
    let head = if head.is_empty() { head } else { format!("<dl>{head}</dl>") };
    let body = match look {
        Look::Mail(Some(html)) => format!(
            "<iframe sandbox=\"\" title=\"the email\" srcdoc=\"{}\"></iframe>\
             <details><summary>Text part</summary><pre lang=\"{tag}\" dir=\"auto\">{plain}</pre></details>",
            escaped(html)
        ),
        Look::Mail(None) | Look::Plain => format!("<pre lang=\"{tag}\" dir=\"auto\">{plain}</pre>"),
        Look::Bubble(html) => {
            let picture = picture.as_ref().map(|link| {
                format!("<img src=\"{}\" alt=\"The picture cannot be shown.\" loading=\"lazy\">", escaped(link))
            });
            let button = button.as_ref().map(|button| {
                format!("<div class=\"button\">{}{}</a></div>", anchor(&button.link), escaped(&button.text))
            });
            format!(
                "<div class=\"phone {channel}\"><div class=\"bubble\">{}<div class=\"said\" lang=\"{tag}\" dir=\"auto\">{html}</div></div>{}</div>",
                picture.unwrap_or_default(),
                button.unwrap_or_default()
            )
        }
    };
    let links: String = links.iter().map(|link| format!("<li>{}{}</a></li>", anchor(link), escaped(link))).collect();
    let links =
        if links.is_empty() { links } else { format!("<details><summary>Links</summary><ul>{links}</ul></details>") };
    format!("{head}{body}<p class=\"soft small\">{}</p>{links}", escaped(size))
}
