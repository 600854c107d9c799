//! YAML as a tree in which every value knows its place, so that all problems of a file can be told
//! at once and each where it is.

use core::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use kairos_engine::bounds::{PLAYBOOK_FILE_BYTES_MAX, YAML_ALIASES_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX};

use crate::diagnostic::Place;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Place,
    pub(crate) node: Node,
}

impl Value {
    /// What it is, for a person.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "yes or no",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a group of keys",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { at: place(spanned.referenced), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry { at: place(key.referenced), key: key.value, node });
        }
        Ok(Value::Map(entries))
    }
}

fn place(location: Location) -> Place {
    let number = |number: u64| usize::try_from(number).unwrap_or(0);
    Place { line: number(location.line()), column: number(location.column()) }
}

/// Reads YAML; says what is wrong and where, when it is none.
pub(crate) fn read(text: &str) -> Result<Node, (Place, String)> {
    // A file has at most 256 KB; without aliases it can hardly have as many values as are allowed here.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: YAML_NODES_MAX,
            max_events: 3 * YAML_NODES_MAX,
            max_recorded_anchor_events: 3 * YAML_NODES_MAX,
            max_aliases: YAML_ALIASES_MAX,
            max_total_scalar_bytes: 2 * PLAYBOOK_FILE_BYTES_MAX,
            max_recorded_anchor_bytes: 2 * PLAYBOOK_FILE_BYTES_MAX,
            max_depth: YAML_DEPTH_MAX,
            max_documents: 1,
        },
        // `country: NO` is Norway.
        strict_booleans: true,
    };
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| {
        let error = error.without_snippet();
        let at = error.location().map(place).unwrap_or_default();
        let said = error.to_string();
        // The place is told apart from the message, and so are the parser's own options.
        let said = said.lines().next().unwrap_or_default();
        let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
        let said = match said.strip_prefix("duplicate mapping key: ") {
            Some(key) => format!("`{}` stands here twice", key.split(", set ").next().unwrap_or(key)),
            None if said.starts_with("budget breached: Depth") || said.starts_with("recursion limit") => {
                format!("this is nested deeper than {YAML_DEPTH_MAX} levels")
            }
            None if said.starts_with("budget breached: Documents") => "a second document begins here".to_owned(),
            None if said.starts_with("budget breached") => {
                "this file has too many values, or repeats too many by aliases".to_owned()
            }
            None if said.starts_with("non-finite float") => "this number is infinite, or none".to_owned(),
            None => said.to_owned(),
        };
        (at, said)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let node = read("a: 1\nb:\n  - x\n  - {c: yes, d: }\ne: |\n  text\n").unwrap();
        let Value::Map(entries) = node.value else { panic!("{node:?}") };
        let places: Vec<_> = entries.iter().map(|entry| (entry.at.line, entry.at.column, entry.node.at.line)).collect();
        assert_eq!(places, [(1, 1, 1), (2, 1, 3), (5, 1, 6)]);
        let Value::List(list) = &entries[1].node.value else { panic!("{entries:?}") };
        assert_eq!((list[1].at.line, list[1].at.column), (4, 5));
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_place() {
        for (text, line, column, said) in [
            ("a: [", 1, 4, "unclosed bracket '['"),
            ("a: 1\na: 2", 2, 1, "`a` stands here twice"),
            ("a: b: c", 1, 5, "mapping values are not allowed in this context"),
            ("? [a]\n: b", 1, 3, "expected string scalar"),
        ] {
            assert_eq!(read(text).map(|_| ()), Err((Place { line, column }, said.to_owned())), "{text}");
        }
        // Depth is bounded by the reader, so that the tree cannot use up the stack.
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).is_err());
    }
}
