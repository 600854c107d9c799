//! What differs between two compiled playbooks, in the words of their files where there are any.
//!
//! Plays, segments, messages and the like are compared by name. Of each that differs, it is told how it reads in words
//! (as `kairos check --steps` has them) and which values differ, by their place: `steps[1].wait`. What whoever publishes fills
//! in is no difference.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::bounds::{DIFFERENCE_BYTES_MAX, DIFFERENCES_MAX};
use kairos_engine::describe;
use kairos_engine::playbook::{Condition, Play, Playbook};
use kairos_engine::product::shortened;
use serde_json::{Map, Value};

/// What differs between two playbooks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Each thing that differs, in the order of kind and name.
    pub parts: Vec<Difference>,
    /// Whether there are more than are shown ([`DIFFERENCES_MAX`]).
    pub is_cut: bool,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is: `play`, `segment`, `message` …, or the name of a setting.
    pub kind: String,
    /// Its name; none of settings of the whole.
    pub name: Option<String>,
    /// Whether it is new, gone or other than before.
    pub change: Change,
    /// How it reads: lines that are gone and lines that are new, among those that stay.
    pub words: Vec<(Side, String)>,
    /// The values that differ, when it was there before and is still.
    pub values: Vec<ValueDifference>,
}

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It was another one.
    Changed,
}

impl Change {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// Of which playbook a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Of the one before.
    Before,
    /// Of both.
    Both,
    /// Of the one after.
    After,
}

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueDifference {
    /// Where it stands.
    pub place: String,
    /// What it was.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

/// What differs between a playbook and the one after it.
pub fn differences(before: &Playbook, after: &Playbook) -> Differences {
    let (one, other) = (parts(before), parts(after));
    let names: BTreeSet<&(String, Option<String>)> = one.keys().chain(other.keys()).collect();
    let (mut found, mut left) = (Differences::default(), DIFFERENCES_MAX);
    for key in names {
        let (was, is) = (one.get(key), other.get(key));
        if was == is {
            continue;
        }
        let (kind, name) = key.clone();
        let change = match (was, is) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        };
        let worded = |playbook| name.as_deref().map(|name| words(playbook, &kind, name)).unwrap_or_default();
        let words = lines(&worded(before), &worded(after));
        let mut values = Vec::new();
        if let (Some(was), Some(is)) = (was, is) {
            compare(String::new(), Some(was), Some(is), &mut values);
        }
        if left == 0 {
            found.is_cut = true;
            break;
        }
        found.is_cut |= values.len() > left;
        values.truncate(left);
        left -= values.len().clamp(1, left);
        found.parts.push(Difference { kind, name, change, words, values });
    }
    found
}

/// A playbook in its parts: by kind and name.
fn parts(playbook: &Playbook) -> BTreeMap<(String, Option<String>), Value> {
    let whole = serde_json::to_value(playbook).expect("a playbook is plain data");
    let Value::Object(whole) = whole else { unreachable!("a playbook is an object") };
    let mut parts = BTreeMap::new();
    for (field, value) in whole {
        let kind = match field.as_str() {
            "version" | "watched_since" | "retired_segments" => continue,
            "plays" => "play",
            "segments" => "segment",
            "messages" => "message",
            "promotions" => "promotion",
            "places" => "place",
            "sources" => "source",
            other => other,
        };
        match value {
            Value::Array(list) => {
                for value in list {
                    let name = value.get("name").and_then(Value::as_str).map(str::to_owned);
                    parts.insert((kind.to_owned(), name), value);
                }
            }
            Value::Object(named) if matches!(kind, "message" | "promotion") => {
                parts.extend(named.into_iter().map(|(name, value)| ((kind.to_owned(), Some(name)), value)));
            }
            value => drop(parts.insert((kind.to_owned(), None), value)),
        }
    }
    parts
}

/// How something reads, line by line; nothing for what has no words.
fn words(playbook: &Playbook, kind: &str, name: &str) -> Vec<String> {
    match kind {
        "play" => playbook.play(name).map(play).unwrap_or_default(),
        "segment" => playbook.segment(name).map(|segment| vec![segment.who.to_string()]).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn play(play: &Play) -> Vec<String> {
    let mut words = vec![play.trigger.to_string()];
    if play.who != Condition::default() {
        words.push(format!("who: {}", play.who));
    }
    words.extend(play.unless.iter().map(|unless| format!("unless: {unless}")));
    words.extend(describe::steps(&play.steps));
    words
}

/// The lines of two texts: those that both have in the same order once, the others with whose they are (the longest
/// common subsequence; texts are some dozens of lines).
fn lines(before: &[String], after: &[String]) -> Vec<(Side, String)> {
    if before == after {
        return Vec::new();
    }
    let mut common = vec![vec![0_usize; after.len() + 1]; before.len() + 1];
    for (one, line) in before.iter().enumerate().rev() {
        for (other, same) in after.iter().enumerate().rev() {
            common[one][other] = match line == same {
                true => common[one + 1][other + 1] + 1,
                false => common[one + 1][other].max(common[one][other + 1]),
            };
        }
    }
    let (mut one, mut other, mut merged) = (0, 0, Vec::new());
    while one < before.len() || other < after.len() {
        let is_in_both = one < before.len() && other < after.len() && before[one] == after[other];
        let gone = other == after.len() || one < before.len() && common[one + 1][other] >= common[one][other + 1];
        let (side, line) = match (is_in_both, gone) {
            (true, _) => (Side::Both, &before[one]),
            (false, true) => (Side::Before, &before[one]),
            (false, false) => (Side::After, &after[other]),
        };
        merged.push((side, line.clone()));
        one += usize::from(side != Side::After);
        other += usize::from(side != Side::Before);
    }
    merged
}

/// Notes the values that differ, with their places.
fn compare(place: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<ValueDifference>) {
    // One more than are shown says that there are more.
    if before == after || found.len() > DIFFERENCES_MAX {
        return;
    }
    match (before, after) {
        (Some(Value::Object(was)), Some(Value::Object(is))) => {
            let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for name in names {
                let below = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                compare(below, field(was, name), field(is, name), found);
            }
        }
        (Some(Value::Array(was)), Some(Value::Array(is))) => {
            for number in 0..was.len().max(is.len()) {
                compare(format!("{place}[{number}]"), was.get(number), is.get(number), found);
            }
        }
        _ => found.push(ValueDifference { place, before: before.map(shown), after: after.map(shown) }),
    }
}

fn field<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.get(name)
}

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    shortened(&text, DIFFERENCE_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::playbook::PlaybookVersion;
    use serde_json::json;

    fn playbook(change: impl FnOnce(&mut Value)) -> Playbook {
        let mut playbook = json!({
            "version": "v1", "sources": [{ "name": "web", "write_key": "w" }], "channels": { "sms": {} },
            "segments": [{ "name": "loyal", "title": "Loyal", "who": { "any": [] } }], "plays": [],
            "messages": { "hello": { "default_locale": "en", "locales": { "en": { "sms": { "text": "Hello" } } } } },
        });
        change(&mut playbook);
        serde_json::from_value(playbook).unwrap()
    }

    fn told(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let found = differences(&playbook(|_| ()), &playbook(change));
        let each = found.parts.iter().map(|part| {
            let values = part.values.iter().map(|value| {
                let [before, after] = [&value.before, &value.after].map(|text| text.as_deref().unwrap_or("-"));
                format!(" {}: {before} > {after}", value.place)
            });
            let name = part.name.as_deref().unwrap_or("-");
            format!("{} {} {name}{}", part.change.as_str(), part.kind, values.collect::<String>())
        });
        each.collect()
    }

    #[test]
    fn what_differs_is_told_by_name_and_place() {
        assert_eq!(told(|_| ()), [""; 0]);
        assert_eq!(
            told(|playbook| playbook["messages"]["hello"]["locales"]["en"]["sms"]["text"] = json!("Hi")),
            ["changed message hello locales.en.sms.text: Hello > Hi"]
        );
        assert_eq!(told(|playbook| playbook["segments"] = json!([])), ["removed segment loyal"]);
        assert_eq!(
            told(|playbook| playbook["sources"][0]["name"] = json!("app")),
            ["added source app", "removed source web"]
        );
        assert_eq!(
            told(|playbook| playbook["policy"] = json!({ "time_zone": "Europe/Berlin" })),
            ["changed policy - time_zone: UTC > Europe/Berlin"]
        );
    }

    #[test]
    fn what_whoever_publishes_fills_in_is_no_difference() {
        let published = Playbook {
            version: PlaybookVersion("v2".into()),
            watched_since: [("1a".to_owned(), kairos_engine::time::Timestamp::from_millis(1))].into(),
            retired_segments: vec!["old".into()],
            ..playbook(|_| ())
        };
        assert_eq!(differences(&playbook(|_| ()), &published), Differences::default());
    }

    #[test]
    fn lines_that_both_have_stand_once_between_those_that_differ() {
        let lines = |before: &str, after: &str| -> String {
            let [before, after] = [before, after].map(|text| text.chars().map(String::from).collect::<Vec<_>>());
            let sign = |side| match side {
                Side::Before => "-",
                Side::Both => "",
                Side::After => "+",
            };
            lines(&before, &after).iter().map(|(side, line)| format!("{}{line}", sign(*side))).collect()
        };
        for (before, after, expected) in [
            ("abc", "abc", ""),
            ("abc", "axc", "a-b+xc"),
            ("abc", "bcd", "-abc+d"),
            ("", "ab", "+a+b"),
            ("ab", "", "-a-b"),
        ] {
            assert_eq!(lines(before, after), expected, "{before} {after}");
        }
    }

    #[test]
    fn many_differences_are_cut_and_long_ones_shortened() {
        let many = |text: &str| {
            playbook(|playbook| {
                let messages = (0..DIFFERENCES_MAX + 1).map(|number| {
                    let message = json!({ "default_locale": "en", "locales": { "en": { "sms": { "text": text } } } });
                    (format!("m{number}"), message)
                });
                playbook["messages"] = Value::Object(messages.collect());
            })
        };
        let found = differences(&many("a"), &many(&"ü".repeat(DIFFERENCE_BYTES_MAX)));
        assert!(found.is_cut);
        assert_eq!(found.parts.len(), DIFFERENCES_MAX);
        let after = found.parts[0].values[0].after.as_ref().unwrap();
        assert!(after.len() <= DIFFERENCE_BYTES_MAX);
    }
}
