//! What really happened in the runs: a simulation that stops hitting anything must not stay green.

use std::collections::BTreeMap;
use std::fmt;

/// How often each thing happened, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics(BTreeMap<String, u64>);

impl Statistics {
    /// Counts one.
    pub fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&mut self, what: &str, count: u64) {
        match self.0.get_mut(what) {
            Some(counted) => *counted += count,
            None => drop(self.0.insert(what.to_owned(), count)),
        }
    }

    /// How often it happened.
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Adds those of another run.
    pub fn merge(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            self.add(what, *count);
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(formatter, "{count:>12}  {what}"))
    }
}
