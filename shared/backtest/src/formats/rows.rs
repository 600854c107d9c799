//! What is read of one piece of a recording.

use csv::{ReaderBuilder, StringRecord};
use kairos_engine::bounds::BACKTEST_PROBLEMS_SHOWN_MAX;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::time::Timestamp;

use super::Defaults;
use super::purchases::OpenOrder;
use super::rees46::{KeptRow, Made};

/// An input on its way to the actor it belongs to.
#[derive(Debug)]
pub(crate) struct Routed {
    /// Whose.
    pub(crate) user: UserKey,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The row of the piece that it stands in.
    pub(crate) row: u32,
    /// Whether the recording says nothing else of the user: whoever reads it may have to be introduced.
    pub(crate) introduce: bool,
    /// What happened.
    pub(crate) what: Recorded,
}

/// What happened, as it was read.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// An input.
    Input(Box<Input>),
    /// A row of which one is made when its turn comes.
    Rees46(KeptRow),
}

impl Recorded {
    /// The input. One that is made for it takes the place of one that was made before.
    pub(crate) fn input<'i>(&'i self, defaults: &Defaults, made: &'i mut Made) -> &'i Input {
        match self {
            Self::Input(input) => input,
            Self::Rees46(row) => row.input(defaults, made),
        }
    }

    /// Whom the recording says that this user is.
    pub(crate) fn link(&self) -> Option<UserKey> {
        match self {
            Self::Input(input) => match **input {
                Input::Link { to, .. } => Some(to),
                _ => None,
            },
            Self::Rees46(_) => None,
        }
    }
}

/// A row that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowProblem {
    /// The line within the piece, from zero.
    pub(crate) line: u64,
    /// What is wrong and what to write instead.
    pub(crate) what: String,
}

/// What is read of one piece of a recording, in the order of its rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Which piece of the whole recording.
    pub(crate) piece: u32,
    /// The row under way.
    pub(crate) row: u32,
    /// How many events were read.
    pub(crate) events: u64,
    /// What is to be applied.
    pub(crate) inputs: Vec<Routed>,
    /// Lines in the piece.
    pub(crate) lines: u64,
    /// Rows that were not understood.
    pub(crate) wrong: u64,
    /// The first of them.
    pub(crate) problems: Vec<RowProblem>,
    /// Rows that are right but belong to nobody.
    pub(crate) nobodys: u64,
    /// Later than this is a mistake.
    pub(crate) latest: Timestamp,
    /// The order that the piece begins with: it may have begun in the piece before.
    pub(crate) first_order: Option<OpenOrder>,
    /// The order that it ends with: it may go on in the next piece.
    pub(crate) last_order: Option<OpenOrder>,
}

impl Rows {
    /// An id for the event of the row under way, for formats whose rows have none. Piece and row are the
    /// same however many cores read, so it recognises the row and nothing else.
    pub(crate) fn event_id(&self) -> InputId {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.piece.to_be_bytes());
        bytes[4..].copy_from_slice(&self.row.to_be_bytes());
        InputId::from_bytes(bytes)
    }

    /// Adds an input of the row under way.
    pub(crate) fn push(&mut self, user: UserKey, input: Input, introduce: bool) {
        self.keep(user, input.at(), Recorded::Input(Box::new(input)), introduce);
    }

    /// Adds what happened in the row under way.
    pub(crate) fn keep(&mut self, user: UserKey, at: Timestamp, what: Recorded, introduce: bool) {
        self.inputs.push(Routed { user, at, row: self.row, introduce, what });
    }

    /// Refuses a time that has not come yet: one of them would make everything behind it late.
    pub(crate) fn check_time(&self, at: Timestamp) -> Result<(), String> {
        if at > self.latest {
            return Err(format!("its time {at} has not come yet: correct the year or the unit"));
        }
        Ok(())
    }

    /// Notes what is wrong with the row at this line.
    pub(crate) fn wrong(&mut self, line: u64, what: String) {
        self.wrong += 1;
        if self.problems.len() < BACKTEST_PROBLEMS_SHOWN_MAX {
            self.problems.push(RowProblem { line, what });
        }
    }
}

/// Reads the rows of a CSV piece that has no header of its own, field by field.
pub(crate) fn read_csv(
    text: &[u8],
    fields: usize,
    rows: &mut Rows,
    mut read: impl FnMut(&[&str], &mut Rows) -> Result<(), String>,
) {
    let mut each = |line: u64, row: Result<&[&str], String>, rows: &mut Rows| {
        let read = row.and_then(|row| match row.len() {
            found if found != fields => Err(format!("it has {found} fields and must have {fields}")),
            _ => read(row, rows),
        });
        if let Err(what) = read {
            rows.wrong(line, what);
        }
        rows.row += 1;
    };
    // Quotes and carriage returns have rules of their own, which the CSV reader knows. Most pieces have neither.
    let plain = memchr::memchr2(b'"', b'\r', text).is_none();
    match std::str::from_utf8(text) {
        Ok(text) if plain => split_rows(text, rows, &mut each),
        _ => parse_rows(text, rows, &mut each),
    }
}

/// Cuts text without quotes and carriage returns into rows and fields.
fn split_rows(text: &str, rows: &mut Rows, each: &mut impl FnMut(u64, Result<&[&str], String>, &mut Rows)) {
    let mut fields = Vec::new();
    // Blank lines count to the row behind them.
    let (mut start, mut first_line) = (0, 0);
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len()));
    for (end, line) in ends.zip(1..) {
        let row = &text[start..end];
        start = end + 1;
        if row.is_empty() {
            continue;
        }
        fields.clear();
        let mut field = 0;
        // Fields are too short for a search that looks at many bytes at once.
        for (comma, _) in row.bytes().enumerate().filter(|(_, byte)| *byte == b',') {
            fields.push(&row[field..comma]);
            field = comma + 1;
        }
        fields.push(&row[field..]);
        each(first_line, Ok(&fields), rows);
        first_line = line;
    }
}

fn parse_rows(text: &[u8], rows: &mut Rows, each: &mut impl FnMut(u64, Result<&[&str], String>, &mut Rows)) {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut record = StringRecord::new();
    loop {
        let found = reader.read_record(&mut record);
        let position = match &found {
            Ok(_) => record.position(),
            Err(error) => error.position(),
        };
        let line = position.map_or(0, |position| position.line() - 1);
        match found {
            Ok(false) => break,
            Ok(true) => each(line, Ok(&record.iter().collect::<Vec<_>>()), rows),
            Err(error) => {
                let what = match error.kind() {
                    csv::ErrorKind::Utf8 { .. } => "it is not UTF-8: convert the file, as with `iconv -t utf-8`".into(),
                    _ => error.to_string(),
                };
                each(line, Err(what), rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read = Vec<(u64, Vec<String>)>;

    fn collected(read: impl FnOnce(&mut Rows, &mut dyn FnMut(u64, Result<&[&str], String>, &mut Rows))) -> Read {
        let mut found = Vec::new();
        read(&mut Rows::default(), &mut |line, row, _| {
            found.push((line, row.unwrap().iter().map(|field| (*field).to_owned()).collect()));
        });
        found
    }

    proptest! {
        #[test]
        fn text_without_quotes_is_cut_as_the_csv_reader_cuts_it(text in "([a-zß ]{0,3}[,,\n]{0,3}){0,12}") {
            let split = collected(|rows, mut each| split_rows(&text, rows, &mut each));
            let parsed = collected(|rows, mut each| parse_rows(text.as_bytes(), rows, &mut each));
            prop_assert_eq!(split, parsed, "{:?}", text);
        }
    }
}
