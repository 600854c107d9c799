//! What is wrong with a playbook, said so that the person who wrote it can put it right.

use core::cmp::Ordering;
use core::fmt;
use std::collections::BTreeSet;

use kairos_engine::bounds::{CONDITIONS_MAX, DIAGNOSTICS_MAX, REFERENCES_MAX};
use kairos_engine::playbook::{EventPattern, Moment, PlaceSelector, Property};
use kairos_messages::{Block, Setting};

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

/// What is shown of a line before and around a column, so that it fits into a terminal.
const SHOWN_BEFORE: usize = 60;
const SHOWN: usize = 100;

/// The part of a line around a column that fits into a terminal, and where the column then stands.
fn window(excerpt: &str, column: usize) -> (String, usize) {
    let at = column.saturating_sub(1);
    let skipped = at.saturating_sub(SHOWN_BEFORE);
    // Of a very long line only the window was kept.
    let cut = if column > COLUMN_MAX { 0 } else { skipped };
    // A tab or a control character would put the mark elsewhere.
    let shown = excerpt.chars().skip(cut).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    (shown.trim_end().to_owned(), at - skipped)
}

/// What is kept of a line: all of it, but not the rest of one that is very long, nor its beginning when the
/// column lies far behind it.
fn excerpt(line: &str, column: usize) -> String {
    if column > COLUMN_MAX {
        line.chars().skip(column - 1 - SHOWN_BEFORE).take(SHOWN).collect()
    } else {
        line.chars().take(COLUMN_MAX + SHOWN).collect()
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Everything found in all files: what is wrong, and the names they use that others have to explain.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) references: Vec<Reference>,
    /// The content blocks that messages include.
    pub(crate) blocks: BTreeSet<String>,
    /// How many conditions there are, all parts counted.
    conditions: usize,
}

/// Longest message and help, in characters: a wrong text may be as long as its file.
const MESSAGE_CHARS_MAX: usize = 1_000;
/// Up to this column, in characters, a line is kept from its beginning.
const COLUMN_MAX: usize = 1_000;

impl Found {
    /// Adds a problem.
    pub(crate) fn push(&mut self, problem: Diagnostic) {
        match self.diagnostics.len().cmp(&DIAGNOSTICS_MAX) {
            Ordering::Less => self.diagnostics.push(problem),
            Ordering::Equal => self.diagnostics.push(Diagnostic {
                severity: Severity::Error,
                message: format!("there are more than {DIAGNOSTICS_MAX} problems"),
                help: Some("put the others right, and look again".to_owned()),
                file: problem.file,
                line: 0,
                column: 0,
                excerpt: None,
            }),
            Ordering::Greater => {}
        }
    }

    /// How many errors there are so far: when there are more after reading a file, what was read is not whole.
    pub(crate) fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// Everything found, once and in order.
    pub(crate) fn sorted(self) -> Vec<Diagnostic> {
        let mut diagnostics = self.diagnostics;
        diagnostics.sort();
        diagnostics.dedup();
        diagnostics
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
    Source(String),
    Promotion(String),
    /// Places of which at least one has a page.
    PlacesWithPage(PlaceSelector),
    /// A destination of links.yaml.
    Destination(String),
    /// A webhook of channels.yaml; without a name, the only one.
    Webhook(Option<String>),
}

/// Collects what is found in one file.
pub(crate) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    found: &'a mut Found,
    /// What the templates are written in that are being read.
    pub(crate) setting: Setting,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str, found: &'a mut Found) -> Self {
        Self { file, text, found, setting: Setting::default() }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// How many errors there are so far, in all files.
    pub(crate) fn errors(&self) -> usize {
        self.found.errors()
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
        match self.found.references.len().cmp(&REFERENCES_MAX) {
            Ordering::Less => {}
            Ordering::Equal => {
                let message = format!("the playbook uses names in more than {REFERENCES_MAX} places");
                self.problem(at, message, "remove what is no longer used");
            }
            Ordering::Greater => return,
        }
        self.found.references.push(Reference { file: self.file.to_owned(), at, to });
    }

    /// Counts a condition; gives whether there may be one more. Aliases can repeat conditions without end.
    pub(crate) fn counts_condition(&mut self, at: Place) -> bool {
        self.found.conditions += 1;
        if self.found.conditions == CONDITIONS_MAX + 1 {
            let message = format!("the playbook has more than {CONDITIONS_MAX} conditions, all parts counted");
            self.problem(at, message, "ask for less, or move what several ask into a segment");
        }
        self.found.conditions <= CONDITIONS_MAX
    }

    /// A report about another file.
    pub(crate) fn elsewhere<'b>(&'b mut self, file: &'b str, text: &'b str) -> Report<'b> {
        Report { file, text, found: self.found, setting: Setting::default() }
    }

    /// Adds what is wrong in a template: in the file of the block that it is in, else where `place` says.
    pub(crate) fn template_problem(
        &mut self,
        block: Option<&Block>,
        (line, column): (usize, usize),
        place: &dyn Fn(usize, usize) -> Place,
        message: String,
        help: Option<String>,
    ) {
        let help = help.unwrap_or_default();
        match block {
            Some(block) => self.elsewhere(&block.file, &block.source).problem(Place { line, column }, message, help),
            None => self.problem(place(line, column), message, help),
        }
    }

    /// Notes that blocks are included.
    pub(crate) fn includes(&mut self, blocks: Vec<String>) {
        self.found.blocks.extend(blocks);
    }

    /// Whether one more name can be remembered.
    pub(crate) fn has_room(&self) -> bool {
        self.found.references.len() <= REFERENCES_MAX
    }

    fn add(&mut self, severity: Severity, at: Place, message: String, help: String) {
        let line = at.line.checked_sub(1).and_then(|line| self.text.lines().nth(line));
        let excerpt = line.map(|line| excerpt(line, at.column));
        // An empty file, or one that ends too early, has no line to show.
        let at = if excerpt.is_some() { at } else { Place::default() };
        self.found.push(Diagnostic {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            severity,
            excerpt,
            message: shortened(message),
            help: (!help.is_empty()).then(|| shortened(help)),
        });
    }
}

/// A line and a column, from 1; 0 when the whole file is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}
