//! The binaries under test: built, and not older than their sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::root;

/// Another directory with built functions; whoever names it answers for its freshness.
const OVERRIDE: &str = "KAIROS_BINARIES";

/// The binaries that the template's functions are made of.
pub(crate) const FUNCTIONS: [&str; 15] = [
    "ingest",
    "decide",
    "timers",
    "segmentation",
    "catalogue",
    "delivery",
    "redeem",
    "links",
    "inbox",
    "preferences",
    "callbacks",
    "feedback",
    "archive",
    "console",
    "reports",
];

/// The directory with the built functions.
///
/// # Errors
/// The command to run, when one is missing or older than what it is made of.
pub(crate) fn binaries() -> Result<PathBuf, String> {
    if let Some(directory) = std::env::var_os(OVERRIDE) {
        return Ok(directory.into());
    }
    let directory = root().join("target/debug");
    for function in FUNCTIONS {
        let built_at = modified(&directory.join(function))
            .ok_or_else(|| format!("target/debug/{function} is missing: run `make build`, or `make test`"))?;
        // Cargo writes beside each binary what it was made of.
        let sources = fs::read_to_string(directory.join(function).with_extension("d")).unwrap_or_default();
        let newer = sources
            .split_once(": ")
            .map_or("", |(_, sources)| sources)
            .split_whitespace()
            .find(|source| modified(Path::new(source)).is_none_or(|changed_at| changed_at > built_at));
        if let Some(newer) = newer {
            return Err(format!("target/debug/{function} is older than {newer}: run `make build`, or `make test`"));
        }
    }
    Ok(directory)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
