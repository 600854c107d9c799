//! What is read of one piece of a recording.

use csv::{ReaderBuilder, StringRecord};
use kairos_engine::bounds::BACKTEST_PROBLEMS_SHOWN_MAX;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::time::Timestamp;

use super::purchases::OpenOrder;

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
    pub(crate) input: Box<Input>,
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
        self.inputs.push(Routed { user, at: input.at(), row: self.row, introduce, input: Box::new(input) });
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

/// Reads the rows of a CSV piece that has no header of its own.
pub(crate) fn read_csv(
    text: &[u8],
    fields: usize,
    rows: &mut Rows,
    mut read: impl FnMut(&StringRecord, &mut Rows) -> Result<(), String>,
) {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut record = StringRecord::new();
    loop {
        let found = reader.read_record(&mut record);
        let position = match &found {
            Ok(_) => record.position(),
            Err(error) => error.position(),
        };
        let line = position.map_or(0, |position| position.line() - 1);
        let read = match found {
            Ok(false) => break,
            Ok(true) if record.len() != fields => Err(format!("it has {} fields and must have {fields}", record.len())),
            Ok(true) => read(&record, rows),
            Err(error) => Err(match error.kind() {
                csv::ErrorKind::Utf8 { .. } => "it is not UTF-8: convert the file, as with `iconv -t utf-8`".into(),
                _ => error.to_string(),
            }),
        };
        if let Err(what) = read {
            rows.wrong(line, what);
        }
        rows.row += 1;
    }
}
