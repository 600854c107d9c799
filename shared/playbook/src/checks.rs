//! What can be told only when all files are read: names that mean nothing, rules that contradict one
//! another, and what it all costs.

mod caps;
mod consent;
mod events;
mod plays;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::playbook::Playbook;
use kairos_engine::program::{Program, ProgramError};

use crate::cost;
use crate::diagnostic::{Diagnostic, Found, Place, Report, Severity};
use crate::folder::whole_file;
use crate::plays::PlayPlaces;
use crate::tracking::Plan;

/// Registers that are named when there are too many.
const LARGEST_SHOWN: usize = 3;

/// All that was read.
pub(crate) struct Whole<'a> {
    /// The texts of the files by their paths.
    pub(crate) files: &'a BTreeMap<String, String>,
    pub(crate) playbook: &'a Playbook,
    /// Where the parts of each play stand.
    pub(crate) plays: &'a BTreeMap<&'a str, PlayPlaces>,
    /// What the templates of each message show.
    pub(crate) variables: &'a BTreeMap<String, BTreeSet<String>>,
    /// What the shop sends, when it says so.
    pub(crate) plan: Option<&'a Plan>,
}

impl Whole<'_> {
    /// Adds an error at a place of a file.
    fn problem(&self, found: &mut Found, file: &str, at: Place, message: String, help: String) {
        let text = self.files.get(file).map_or("", String::as_str);
        Report::new(file, text, found).problem(at, message, help);
    }

    /// Adds a warning at a place of a file.
    fn warning(&self, found: &mut Found, file: &str, at: Place, message: String, help: String) {
        let text = self.files.get(file).map_or("", String::as_str);
        Report::new(file, text, found).warning(at, message, help);
    }

    /// The names of the files of a folder, those included that could not be read.
    fn names(&self, folder: &str) -> Vec<&str> {
        self.files.keys().filter_map(|path| path.strip_prefix(folder)?.strip_suffix(".yaml")).collect()
    }
}

/// Adds everything that the files together make wrong.
pub(crate) fn check(whole: &Whole<'_>, found: &mut Found) {
    let references = core::mem::take(&mut found.references);
    references::check(whole, &references, found);
    events::check(whole, &references, found);
    caps::check(whole, found);
    plays::check(whole, found);
    consent::check(whole, found);
    if found.errors() == 0
        && let Err(error) = Program::new(whole.playbook.clone())
    {
        found.push(whole_file(".", error.to_string(), &ask_for_less(&error, whole.playbook)));
    }
}

fn ask_for_less(error: &ProgramError, playbook: &Playbook) -> String {
    match error {
        ProgramError::TooMany { .. } => {
            let largest = cost::largest(playbook, LARGEST_SHOWN);
            if largest.is_empty() {
                return "ask for less".to_owned();
            }
            format!("ask for less, or for shorter lists; most is taken by {}", largest.join("; by "))
        }
        _ => "change what the message names".to_owned(),
    }
}

/// A warning about a file as a whole.
fn whole_file_warning(file: &str, message: String, help: &str) -> Diagnostic {
    Diagnostic { severity: Severity::Warning, ..whole_file(file, message, help) }
}
