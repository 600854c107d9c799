//! A preview on the terminal: one block for each channel.

use super::shown::Shown;
use super::{ChannelPreview, Preview};
use crate::terminal::{COLUMNS, Style, wrapped};

/// Columns before what is said of a channel.
const INDENT: usize = 4;
/// Columns of the names before values.
const NAMES: usize = 11;

/// The lines of a preview.
pub fn lines(preview: &Preview, style: Style) -> Vec<String> {
    let heading = format!("{} ({}) for {}", preview.title, preview.play, preview.shopper);
    let mut lines: Vec<String> = wrapped(&heading, COLUMNS).into_iter().map(|text| style.bold(text)).collect();
    for message in &preview.messages {
        for language in &message.languages {
            let theirs = if language.is_theirs { "" } else { ", which this shopper does not get" };
            lines.push(String::new());
            lines.push(style.bold(format!("{} in {}", message.name, language.tag)) + &style.dim(theirs));
            language.channels.iter().for_each(|channel| block(&mut lines, channel, style));
        }
    }
    lines
}

fn block(lines: &mut Vec<String>, channel: &ChannelPreview, style: Style) {
    lines.push(String::new());
    let remarks = channel.remarks.join("; ");
    let remarks = if remarks.is_empty() { remarks } else { style.attention(format!("  ({remarks})")) };
    lines.push(format!("  {}{remarks}", style.bold(channel.channel)));
    let mut add = |what: &str, values: Vec<String>| {
        for (number, value) in values.into_iter().enumerate() {
            let what = style.dim(format!("{:NAMES$}", if number == 0 { what } else { "" }));
            lines.push(format!("{:INDENT$}{what}{value}", "").trim_end().to_owned());
        }
    };
    match &channel.shown {
        Ok(shown) => parts(shown, style, &mut add),
        Err(error) => {
            add("error", wrapped(error, COLUMNS - INDENT - NAMES).iter().map(|text| style.bad(text)).collect());
        }
    }
}

fn parts(shown: &Shown, style: Style, add: &mut impl FnMut(&str, Vec<String>)) {
    let Shown { head, look: _, text, picture, button, links, size } = shown;
    for (name, value) in head {
        let value = folded(value);
        add(
            name,
            if matches!(*name, "subject" | "title") {
                value.into_iter().map(|text| style.bold(text)).collect()
            } else {
                value
            },
        );
    }
    add("picture", picture.iter().cloned().collect());
    add("text", text.lines().flat_map(folded).collect());
    let button = button.as_ref().map(|button| format!("[ {} ]  {}", button.text, button.link));
    add("button", button.into_iter().collect());
    add("links", links.clone());
    add("size", vec![size.clone()]);
}

/// A line in lines that fit; a long word, as of a link, stays whole so that it can be clicked.
fn folded(line: &str) -> Vec<String> {
    let width = COLUMNS - INDENT - NAMES;
    if line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        match lines.last_mut().filter(|last| last.chars().count() + 1 + word.chars().count() <= width) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
