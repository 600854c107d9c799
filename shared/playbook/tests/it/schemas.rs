//! The JSON Schemas over good files and bad ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use jsonschema::Validator;
use kairos_playbook::schemas;
use serde_json::Value;

use super::shipped::{compare, folder};
use super::{condition_problems, problems, small};

/// A validator for each kind of file.
struct Schemas(BTreeMap<&'static str, Validator>);

impl Schemas {
    fn new() -> Self {
        let read = |(name, schema): (&'static str, Value)| {
            jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, jsonschema::draft202012::new(&schema).unwrap())
        };
        Self(schemas().into_iter().map(read).collect())
    }

    /// The schema of a file, by its path; nothing for files without one.
    fn of(&self, path: &str) -> Option<&Validator> {
        let kind = match path.split_once('/') {
            Some((folder, file)) if file.ends_with(".yaml") => folder.strip_suffix('s')?,
            Some(_) => return None,
            None => path.strip_suffix(".yaml")?,
        };
        self.0.get(kind)
    }

    /// What a schema has against a file; nothing when it is no YAML.
    fn against(&self, path: &str, text: &str) -> Option<String> {
        let value: Value = serde_saphyr::from_str(text).ok()?;
        self.of(path)?.iter_errors(&value).next().map(|error| format!("{}: {error}", error.instance_path()))
    }
}

#[test]
fn every_shipped_file_fits_its_schema() {
    let schemas = Schemas::new();
    let mut seen = 0;
    for below in ["", "segments/", "plays/", "messages/"] {
        let Ok(entries) = fs::read_dir(folder().join(below)) else { continue };
        for entry in entries {
            let path = format!("{below}{}", entry.unwrap().file_name().to_str().unwrap());
            if !path.ends_with(".yaml") {
                continue;
            }
            let text = fs::read_to_string(folder().join(&path)).unwrap();
            assert!(schemas.of(&path).is_some(), "{path} has no schema");
            assert_eq!(schemas.against(&path, &text), None, "{path}");
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn the_smallest_playbook_fits_its_schemas() {
    let schemas = Schemas::new();
    for (path, text) in small() {
        assert_eq!(schemas.against(&path, &text), None, "{path}");
    }
}

/// Writes down which mistakes an editor shows, so that a schema that tells less is seen.
#[test]
fn an_editor_shows_every_mistake_that_lies_in_a_files_form() {
    let schemas = Schemas::new();
    let mut shown = String::new();
    let all = problems::cases().into_iter().chain(condition_problems::cases());
    for (name, files) in all {
        let tells = files.iter().any(|(path, text)| schemas.against(path, text).is_some());
        writeln!(shown, "{} {name}", if tells { "schema" } else { "check " }).unwrap();
    }
    compare("schemas.txt", &shown);
}
