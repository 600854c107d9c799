//! What is wrong with a playbook, said so that the person who wrote it can put it right.

use core::fmt;

use kairos_engine::playbook::{EventPattern, Moment, PlaceSelector, Property};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The playbook cannot be put in force.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

impl Severity {
    /// The word in front of a diagnostic.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something wrong with a playbook: where, what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The file, relative to the playbook's folder.
    pub file: String,
    /// The line in it, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// The column in the line, in characters, from 1; 0 when the whole file is meant.
    pub column: usize,
    /// How bad it is.
    pub severity: Severity,
    /// The line itself.
    pub excerpt: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    /// Several lines in the manner of compilers, without a line break at the end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.severity.as_str(), self.message)?;
        if self.line == 0 {
            write!(formatter, "\n  --> {}", self.file)?;
        } else {
            write!(formatter, "\n  --> {}:{}:{}", self.file, self.line, self.column)?;
        }
        let margin = " ".repeat(self.line.to_string().len());
        if let Some(excerpt) = &self.excerpt {
            let (shown, column) = window(excerpt, self.column);
            write!(formatter, "\n{margin} |\n{} | {shown}\n{margin} | {}^", self.line, " ".repeat(column))?;
        }
        match &self.help {
            Some(help) => write!(formatter, "\n{margin} = help: {help}"),
            None => Ok(()),
        }
    }
}

/// The part of a line around a column that fits into a terminal, and where the column then stands.
fn window(line: &str, column: usize) -> (String, usize) {
    const BEFORE: usize = 60;
    const WIDTH: usize = 100;
    let at = column.saturating_sub(1);
    let skipped = at.saturating_sub(BEFORE);
    // A tab or a control character would put the mark elsewhere.
    let shown =
        line.chars().skip(skipped).take(WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    (shown.trim_end().to_owned(), at - skipped)
}

/// Everything found in all files: what is wrong, and the names they use that others have to explain.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) references: Vec<Reference>,
}

impl Found {
    /// Adds a problem.
    pub(crate) fn push(&mut self, problem: Diagnostic) {
        self.diagnostics.push(problem);
    }

    /// How many errors there are so far: when there are more after reading a file, what was read is not whole.
    pub(crate) fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// Whether a file has errors.
    pub(crate) fn is_wrong(&self, file: &str) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error && found.file == file)
    }
}

/// A name that a file uses, with its place: whether it means anything is known when all files are read.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) file: String,
    pub(crate) at: Place,
    pub(crate) to: Target,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Segment(String),
    Play(String),
    /// Places, and so at least one.
    Places(PlaceSelector),
    Moment(Moment),
    Readiness,
    Event(EventPattern),
    /// A detail of any of these events.
    Property {
        of: Vec<EventPattern>,
        property: Property,
    },
    Trait(String),
}

/// Collects what is found in one file.
pub(crate) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    found: &'a mut Found,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str, found: &'a mut Found) -> Self {
        Self { file, text, found }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Adds something that is wrong at a place.
    pub(crate) fn problem(&mut self, at: Place, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, at, message.into(), help.into());
    }

    /// Adds something at a place that is probably not meant.
    pub(crate) fn warning(&mut self, at: Place, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, at, message.into(), help.into());
    }

    /// Notes that a name is used at a place.
    pub(crate) fn refer(&mut self, at: Place, to: Target) {
        self.found.references.push(Reference { file: self.file.to_owned(), at, to });
    }

    fn add(&mut self, severity: Severity, at: Place, message: String, help: String) {
        let excerpt = at.line.checked_sub(1).and_then(|line| self.text.lines().nth(line)).map(str::to_owned);
        // An empty file, or one that ends too early, has no line to show.
        let at = if excerpt.is_some() { at } else { Place::default() };
        self.found.push(Diagnostic {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            severity,
            excerpt,
            message,
            help: (!help.is_empty()).then_some(help),
        });
    }
}

/// A line and a column, from 1; 0 when the whole file is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}
