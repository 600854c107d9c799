//! What is wrong with a playbook, said so that the person who wrote it can put it right.

use core::fmt;

/// Something wrong with a playbook: where, what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The file, relative to the playbook's folder.
    pub file: String,
    /// The line in it, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// The column in the line, in characters, from 1; 0 when the whole file is meant.
    pub column: usize,
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
        write!(formatter, "error: {}", self.message)?;
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

/// Collects what is wrong with one file.
pub(crate) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    found: &'a mut Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str, found: &'a mut Vec<Diagnostic>) -> Self {
        Self { file, text, found }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Adds a problem at a place.
    pub(crate) fn problem(&mut self, at: Place, message: impl Into<String>, help: impl Into<String>) {
        let excerpt = at.line.checked_sub(1).and_then(|line| self.text.lines().nth(line)).map(str::to_owned);
        // An empty file, or one that ends too early, has no line to show.
        let at = if excerpt.is_some() { at } else { Place::default() };
        let help: String = help.into();
        self.found.push(Diagnostic {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            excerpt,
            message: message.into(),
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
