//! The archive: facts, as the streams of the tables of users and of deliveries tell them, become objects of rows, each row
//! once, and each object counts once in the figures of its hour.
//!
//! A stream gives its records again from where it was when a batch failed, and the batch may then end somewhere else.
//! An object is named after its first record and tells its last one: whoever comes to write it a second time finds it,
//! and goes on behind its end.
//!
//! ```text
//! records ──▶ parts, by hour ──▶ write the object, if there is none of its name ──▶ count it ──▶ next part
//!                                  there is one: go on behind its last record ──▶ count it, if it is not ──┘
//! ```

use std::collections::VecDeque;
use std::future::Future;

use kairos_engine::bounds::ARCHIVE_OBJECT_BYTES_MAX;
use kairos_engine::time::Timestamp;

use kairos_insights::counts::Counts;
use kairos_insights::figures::counts_of;

use crate::figures::{self, Added, ArchivedObjects, FiguresStore};
use crate::port::{Clock, Fault};

/// Where facts come from. Numbers of two streams may be the same, so their objects are named apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The table of users.
    Users,
    /// The table of deliveries.
    Deliveries,
}

impl Stream {
    /// What stands before the number in the names of its objects.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Users => "",
            Self::Deliveries => "deliveries-",
        }
    }
}

/// What one record of a stream tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Which stream.
    pub stream: Stream,
    /// The stream's number of the record: decimal digits, rising.
    pub sequence: String,
    /// When the write happened that it tells of.
    pub at: Timestamp,
    /// Its rows, or why they cannot be read.
    pub rows: Result<Vec<String>, String>,
}

/// An object of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name: partition, then the number of its first record.
    pub name: String,
    /// The number of its last record.
    pub last: String,
    /// Its rows: lines of JSON, each with its end.
    pub rows: String,
    /// How many rows were taken out since it was written, because somebody was erased.
    pub erased: usize,
}

/// How writing an object ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is written.
    Written,
    /// There is one of its name already, which ends with this record.
    There {
        /// The number of its last record.
        last: String,
    },
}

/// Where objects are kept.
pub trait ArchiveStore {
    /// Writes an object, if there is none of its name. When this gives a fault, it may be written.
    fn put(&self, object: &Object) -> impl Future<Output = Result<Put, Fault>>;
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Archived {
    /// Objects written.
    pub objects: usize,
    /// Rows in them.
    pub rows: usize,
    /// Rows that were there already.
    pub repeated: usize,
    /// Objects that were counted.
    pub counted: usize,
    /// Objects that were not, because their hour's figures have no room for more.
    pub uncounted: usize,
    /// Why figures cannot be read or written, where coming again does not help: the daily recount counts those objects.
    pub figures_failed: Vec<Fault>,
    /// Records that could not be read, with why: they are passed over, because coming again does not mend them.
    pub unreadable: Vec<String>,
}

/// Archives a batch of one shard's records, in their order, and counts it.
///
/// # Errors
/// When an object cannot be written, or not be counted for now: then the batch has to come again.
pub async fn archive(
    store: &(impl ArchiveStore + ArchivedObjects),
    figures: &impl FiguresStore,
    clock: &impl Clock,
    batch: Vec<Told>,
) -> Result<Archived, Fault> {
    let mut archived = Archived::default();
    let mut waiting: VecDeque<(String, Timestamp, Vec<String>)> = VecDeque::new();
    // A batch comes from one stream.
    let stream = batch.first().map_or(Stream::Users, |told| told.stream);
    for Told { sequence, at, rows, .. } in batch {
        match rows {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => waiting.push_back((sequence, at, rows)),
            Err(why) => archived.unreadable.push(why),
        }
    }
    while let Some((first, at, _)) = waiting.front() {
        let partition = partition(*at);
        let name = format!("{partition}/{}{first:0>40}.ndjson.gz", stream.prefix());
        let mut object = Object { name, last: String::new(), rows: String::new(), erased: 0 };
        let (mut records, mut rows) = (0, 0);
        for (sequence, at, lines) in &waiting {
            let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
            let full = records > 0 && object.rows.len() + bytes > ARCHIVE_OBJECT_BYTES_MAX;
            if full || self::partition(*at) != partition {
                break;
            }
            for line in lines {
                object.rows.push_str(line);
                object.rows.push('\n');
            }
            object.last.clone_from(sequence);
            records += 1;
            rows += lines.len();
        }
        match store.put(&object).await? {
            Put::Written => {
                archived.objects += 1;
                archived.rows += rows;
                waiting.drain(..records);
                let added = figures::add(figures, clock, &object.name, &counts_of(&object.rows)).await;
                archived.note(added)?;
            }
            Put::There { last } => {
                // Its first record is there in any case, whatever it says of its last.
                let mut there = 0;
                while let Some((sequence, ..)) = waiting.front()
                    && (there == 0 || !is_later(sequence, &last))
                {
                    archived.repeated += waiting.pop_front().map_or(0, |(_, _, lines)| lines.len());
                    there += 1;
                }
                // Whoever wrote it may have died before it was counted. What is in it, it says itself.
                archived.note(count_again(store, figures, clock, &object.name).await)?;
            }
        }
    }
    Ok(archived)
}

/// Counts an object that was there already, if it is not counted.
async fn count_again(
    store: &impl ArchivedObjects,
    figures: &impl FiguresStore,
    clock: &impl Clock,
    name: &str,
) -> Result<Added, Fault> {
    let counts = match figures::has(figures, name).await? {
        // Adding it once more changes nothing, but for the day that is perhaps still to be forgotten.
        true => Counts::default(),
        false => counts_of(&store.read(name).await?.rows),
    };
    figures::add(figures, clock, name, &counts).await
}

impl Archived {
    fn note(&mut self, added: Result<Added, Fault>) -> Result<(), Fault> {
        match added {
            Ok(Added::Now) => self.counted += 1,
            Ok(Added::Before) => {}
            Ok(Added::Full) => self.uncounted += 1,
            Err(fault @ Fault::Permanent { .. }) => self.figures_failed.push(fault),
            Err(fault @ Fault::Retryable { .. }) => return Err(fault),
        }
        Ok(())
    }
}

/// Whether a record's number is behind another's. They have more digits than machine numbers.
fn is_later(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    (one.len(), one) > (other.len(), other)
}

/// The partition of a write: its day and hour, UTC, as Hive and Athena read them.
pub fn partition(at: Timestamp) -> String {
    let text = at.to_string();
    format!("facts/day={}/hour={}", &text[..10], &text[11..13])
}

#[cfg(test)]
mod tests;
