//! Reads typed values out of a YAML tree and reports what does not fit.

use kairos_engine::bounds::PLAY_SPAN_MAX;
use kairos_engine::time::Span;

use crate::diagnostic::{Place, Report};
use crate::node::{Entry, Node, Value};

/// A group of keys that has been checked for unknown ones.
pub(crate) struct Fields<'n> {
    at: Place,
    entries: &'n [Entry],
    /// The keys that were probably meant by unknown ones.
    meant: Vec<String>,
    /// Whether there are unknown keys.
    unknown: bool,
}

impl<'n> Fields<'n> {
    /// The keys of `what` (as in "a play"); reports all that are not `known`.
    pub(crate) fn read(report: &mut Report<'_>, node: &'n Node, what: &str, known: &[&str]) -> Option<Self> {
        #[cfg(test)]
        keys_read::note(what, known);
        let entries = entries(report, node, what, &format!("write {}", listed(known)))?;
        let (mut meant, mut unknown) = (Vec::new(), false);
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            report.problem(entry.at, format!("{what} has no `{}`", entry.key), instead(&entry.key, known));
            meant.extend(closest(&entry.key, known.iter().copied()).map(str::to_owned));
            unknown = true;
        }
        Some(Self { at: node.at, entries, meant, unknown })
    }

    /// The value of a key, when it is there and not empty.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
            .filter(|node| !matches!(node.value, Value::Null))
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&self, report: &mut Report<'_>, what: &str, key: &str, help: &str) -> Option<&'n Node> {
        let found = self.get(key);
        // A slip in a key is told once.
        if found.is_none() && !self.meant.iter().any(|meant| meant == key) {
            let at = self.entries.iter().find(|entry| entry.key == key).map_or(self.start(), |entry| entry.at);
            report.problem(at, format!("{what} needs `{key}`"), help);
        }
        found
    }

    /// Whether there are unknown keys, of which has been told.
    pub(crate) fn has_unknown(&self) -> bool {
        self.unknown
    }

    /// Where the group starts: at its first key.
    pub(crate) fn start(&self) -> Place {
        self.entries.first().map_or(self.at, |entry| entry.at)
    }
}

/// The entries of a group of keys.
pub(crate) fn entries<'n>(report: &mut Report<'_>, node: &'n Node, what: &str, help: &str) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => Some(entries),
        Value::Map(_) | Value::Null => {
            report.problem(node.at, format!("{what} is empty"), help);
            None
        }
        other => {
            report.problem(node.at, format!("{what} is a group of keys, not {}", other.what()), help);
            None
        }
    }
}

/// The only key of a group, as conditions and steps have them.
pub(crate) fn only_entry<'n>(
    report: &mut Report<'_>,
    node: &'n Node,
    what: &str,
    known: &[&str],
    join: &str,
) -> Option<&'n Entry> {
    #[cfg(test)]
    keys_read::note(what, known);
    let entries = entries(report, node, what, &format!("write {}", listed(known)))?;
    if let Some(second) = entries.get(1) {
        report.problem(second.at, format!("{what} has one key, and this is a second one"), join);
        return None;
    }
    let entry = &entries[0];
    if known.contains(&entry.key.as_str()) {
        return Some(entry);
    }
    report.problem(entry.at, format!("{what} cannot be `{}`", entry.key), instead(&entry.key, known));
    None
}

/// A text that is not empty.
pub(crate) fn text<'n>(report: &mut Report<'_>, node: &'n Node, what: &str) -> Option<&'n str> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Some(text),
        Value::Text(_) => {
            report.problem(node.at, format!("{what} is empty"), "write a text");
            None
        }
        other => {
            let help = match other {
                Value::Number(_) | Value::Flag(_) => "put it into quotes",
                _ => "write one text",
            };
            report.problem(node.at, format!("{what} is a text, not {}", other.what()), help);
            None
        }
    }
}

/// One of a few words.
pub(crate) fn word<T: Clone>(report: &mut Report<'_>, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
    let text = text(report, node, what)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| value.clone());
    if found.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        report.problem(node.at, format!("{what} cannot be `{text}`"), instead(text, &names));
    }
    found
}

/// A length of time.
pub(crate) fn span(report: &mut Report<'_>, node: &Node, what: &str) -> Option<Span> {
    const HELP: &str = "write a whole number and a unit: 45s, 30m, 24h, 7d or 2w";
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Number(number) => {
            report.problem(node.at, format!("{what} has no unit: {number}"), HELP);
            return None;
        }
        other => {
            report.problem(node.at, format!("{what} is a length of time, not {}", other.what()), HELP);
            return None;
        }
    };
    match Span::parse(text) {
        None => {
            report.problem(node.at, format!("{what} is not a length of time: `{text}`"), HELP);
            None
        }
        Some(span) if span > PLAY_SPAN_MAX => {
            report.problem(node.at, format!("{what} is too long"), format!("write at most {PLAY_SPAN_MAX}"));
            None
        }
        span => span,
    }
}

/// A whole number from 1.
pub(crate) fn count(report: &mut Report<'_>, node: &Node, what: &str, max: u32) -> Option<u32> {
    whole(report, node, what, 1, max)
}

/// A whole number from `min` to `max`.
pub(crate) fn whole(report: &mut Report<'_>, node: &Node, what: &str, min: u32, max: u32) -> Option<u32> {
    match node.value {
        Value::Number(number) if number.fract() == 0.0 && number >= f64::from(min) && number <= f64::from(max) => {
            // Exact: whole and at most `max`.
            Some(number as u32)
        }
        _ => {
            let help = format!("write one, as in `{}`", min.max(1));
            report.problem(node.at, format!("{what} is not a whole number from {min} to {max}"), help);
            None
        }
    }
}

/// Yes or no.
pub(crate) fn flag(report: &mut Report<'_>, node: &Node, what: &str) -> Option<bool> {
    if let Value::Flag(flag) = node.value {
        return Some(flag);
    }
    report.problem(node.at, format!("{what} is `true` or `false`, not {}", node.value.what()), "write `true`");
    None
}

/// The entries of a list that is not empty; one value alone counts as a list of one.
pub(crate) fn list<'n>(report: &mut Report<'_>, node: &'n Node, what: &str) -> Option<&'n [Node]> {
    match &node.value {
        Value::List(nodes) if !nodes.is_empty() => Some(nodes),
        Value::List(_) | Value::Null => {
            report.problem(node.at, format!("{what} is an empty list"), "name at least one, or remove the key");
            None
        }
        _ => Some(core::slice::from_ref(node)),
    }
}

/// Whether a name can be used in files, state and records.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The candidate that is nearly what was given. What is longer than any name is not looked at: comparing takes
/// as many steps as both have letters.
pub(crate) fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const CHARS_MAX: usize = 256;
    if given.len() > CHARS_MAX { None } else { kairos_messages::closest(given, candidates) }
}

/// "did you mean …" when something is close, else everything there is.
pub(crate) fn instead(given: &str, known: &[&str]) -> String {
    match closest(given, known.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("there is {}", listed(known)),
    }
}

/// What else could have been meant, or what to write for it to be right.
pub(crate) fn instead_or(given: &str, known: &[&str], write: &str) -> String {
    match closest(given, known.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`? Else, {write}"),
        None if known.is_empty() => write.to_owned(),
        None => format!("there is {}; or {write}", listed(known)),
    }
}

/// `a`, `b`, `c`
pub(crate) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Which keys were asked for, so that a test can compare them with the schemas.
#[cfg(test)]
pub(crate) mod keys_read {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    thread_local! {
        static READ: RefCell<BTreeMap<BTreeSet<String>, String>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn note(what: &str, known: &[&str]) {
        let keys = known.iter().map(|key| (*key).to_owned()).collect();
        READ.with_borrow_mut(|read| read.insert(keys, what.to_owned()));
    }

    /// The groups of keys so far, each with what has them.
    pub(crate) fn take() -> BTreeMap<BTreeSet<String>, String> {
        READ.take()
    }
}
