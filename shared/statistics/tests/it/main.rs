//! The statistics of experiments against others', against themselves, and against chance.
//!
//! | module | what is shown |
//! |---|---|
//! | [`hillstrom`] | a real experiment with 64,000 customers gives the figures that are known of it |
//! | [`gbstats`] | gbstats and SciPy say the same, live and as kept in `tests/gbstats` |
//! | [`chance`] | where there is no difference one is seen as seldom as promised, also when somebody looks every day |
//! | [`coverage`] | intervals hold the truth as often as they say, at small counts, too |
//! | [`properties`] | what holds for all samples |
//! | [`verdicts`] | what is said, in which words |

#![allow(clippy::unwrap_used)]

mod chance;
mod coverage;
mod gbstats;
mod hillstrom;
mod properties;
mod verdicts;

use std::path::{Path, PathBuf};

use kairos_statistics::Sample;

/// The folder of the whole project.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Tells a person something about a test that passed.
#[expect(clippy::print_stderr, reason = "the figures are worth reading")]
fn tell(text: impl std::fmt::Display) {
    eprintln!("      {text}");
}

/// Users of whom so many converted.
fn counts(users: u64, converted: u64) -> Sample {
    Sample::of_counts(users, converted).unwrap()
}
