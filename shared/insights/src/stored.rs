//! A report as it is kept: what the console shows and the weekly email is made of. One JSON object; a golden file holds
//! every version ever written.

use kairos_engine::playbook::PlaybookVersion;
use kairos_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::experiments::Reading;
use crate::insights::Insights;
use crate::report::Report;

/// The version of [`StoredReport`] that is written.
pub const STORED_REPORT_VERSION: u8 = 1;

/// A report as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredReport {
    /// Version of the format.
    pub version: u8,
    /// When it was made.
    pub made_at: Timestamp,
    /// Which days it is about.
    pub period: Period,
    /// The playbook in force when it was made: its conversions and its experiments are those that are read.
    pub playbook: PlaybookVersion,
    /// What is missing in it.
    #[serde(default)]
    pub left_out: LeftOut,
    /// What plays did and earned, and what was bought.
    pub report: Report,
    /// The playbook's experiments.
    pub experiments: Vec<Reading>,
    /// What needs each person's rows together: conversions, funnels, attribution, and who buys when.
    pub insights: Insights,
}

/// Whole days of the archive, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// The beginning of the first day.
    pub from: Timestamp,
    /// The end of the last day: the beginning of the next one.
    pub until: Timestamp,
    /// How many days.
    pub days: u32,
}

/// What is missing in a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Objects of the archive that were not read: the oldest, because there were too many bytes, and damaged ones.
    #[serde(default)]
    pub objects: u64,
    /// Rows that nobody understands.
    #[serde(default)]
    pub rows: u64,
    /// Moments of people that were not remembered, because there were too many: they are missing in `insights`.
    #[serde(default)]
    pub moments: u64,
}

impl LeftOut {
    /// Whether nothing is missing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}
