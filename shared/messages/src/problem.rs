//! What can be wrong with a template, said to the person who writes it.

use core::fmt;

/// Something wrong with a template. Says where, what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// Line in the template, from 1.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}: {}", self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(formatter, " ({help})"),
            None => Ok(()),
        }
    }
}

/// A problem by its place in the source, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    at: usize,
    message: String,
    help: Option<String>,
}

impl Problem {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, as a person counts.
    pub(crate) fn located(self, source: &str) -> TemplateProblem {
        let before = &source[..source.floor_char_boundary(self.at)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        TemplateProblem {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: self.message,
            help: self.help,
        }
    }
}

/// The candidate that `given` was probably meant to be, if any is close.
pub fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean …" when something is close, else everything there is.
pub(crate) fn instead(given: &str, there_are: &[&str]) -> String {
    match closest(given, there_are.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => {
            let quoted: Vec<_> = there_are.iter().map(|name| format!("`{name}`")).collect();
            format!("there is {}", quoted.join(", "))
        }
    }
}
