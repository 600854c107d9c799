//! The report as a page.

use crate::report::Report;

/// The page.
pub fn page(report: &Report) -> String {
    report.playbook.version.clone()
}
