//! What a process knows of the published playbooks.

use std::collections::BTreeSet;
use std::sync::Arc;

use kairos_engine::playbook::{Playbook, PlaybookVersion};
use kairos_engine::program::Program;
use kairos_engine::time::Timestamp;

use crate::items::Item;

/// What was read, and when it was last asked for.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// The one in force, and when it was last asked for.
    pub(super) whole: Option<(Timestamp, Published)>,
    /// The same of its outline.
    pub(super) outline: Option<(Timestamp, Published)>,
    /// What was fetched ahead, and when.
    pub(super) fetched: Option<(Timestamp, PointerAndOutline)>,
    /// The outline with messages that were asked for, and which these are.
    pub(super) filled: Option<(Arc<Playbook>, BTreeSet<String>)>,
    /// The newest that could be made to run, and the publication at which that was last tried.
    pub(super) program: Option<(String, Arc<Program>)>,
    pub(super) versions: Vec<Arc<Playbook>>,
}

/// Both as they stand in the table.
pub(super) type PointerAndOutline = (Option<Item>, Option<Item>);

impl Cache {
    pub(super) fn known(&mut self, part: Part) -> &mut Option<(Timestamp, Published)> {
        match part {
            Part::Whole => &mut self.whole,
            Part::Outline => &mut self.outline,
        }
    }

    /// The playbook of this version, when it is known with all that this message says.
    pub(super) fn with_message(&self, version: &PlaybookVersion, message: &str) -> Option<Arc<Playbook>> {
        let whole = self.versions.iter().find(|known| known.version == *version);
        let filled = || {
            let (playbook, messages) = self.filled.as_ref()?;
            (playbook.version == *version && messages.contains(message)).then_some(playbook)
        };
        whole.or_else(filled).cloned()
    }
}

/// How much of the playbook in force is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Outline,
}

/// A playbook as it was put in force.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) playbook: Arc<Playbook>,
    /// [`InForce::published_at`].
    pub(super) published_at: String,
}
