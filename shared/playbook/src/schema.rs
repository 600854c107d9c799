//! JSON Schemas (draft 2020-12) of the files, for completion and hints in editors. They say what a file may look
//! like; what its parts mean together, only `kairos check` can tell.

mod conditions;
mod conversions;
mod files;
mod parts;
mod sending;

use std::collections::BTreeMap;

use serde_json::Value;

/// The schema of each kind of file, by its name: `play` for the files of `plays/`.
pub fn schemas() -> BTreeMap<&'static str, Value> {
    files::all()
}

#[cfg(test)]
mod tests;
