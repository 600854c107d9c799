//! How facts travel: compressed in the user's item ([`crate::users`]), then in the records of the table's stream.

use std::cell::RefCell;
use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use kairos_engine::bounds::FACTS_BYTES_MAX;
use kairos_engine::facts::{FactLines, row};
use kairos_engine::identifiers::UserKey;
use kairos_engine::time::Timestamp;
use kairos_protocol::archive::{Stream, Told};
use kairos_protocol::delivery::{DeliveryRecord, rows};
use serde::Deserialize;

use crate::faults::without_content;

thread_local! {
    // Its tables are a quarter of a megabyte: to ask the system for them costs more than to fill them.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), false));
}

/// The lines as the item holds them: DEFLATE (RFC 1951).
pub fn compressed(facts: &FactLines) -> Vec<u8> {
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let mut compressed = Vec::new();
        loop {
            let rest = &facts.as_bytes()[compress.total_in() as usize..];
            // Enough for what does not get shorter; else it goes on.
            compressed.reserve(rest.len() + 64);
            match compress.compress_vec(rest, &mut compressed, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return compressed,
                Ok(Status::Ok | Status::BufError) => {}
                Err(error) => unreachable!("a stream that has just begun takes everything: {error}"),
            }
        }
    })
}

/// The lines that an item holds.
///
/// # Errors
/// When they cannot be decompressed, or are more than any commit writes.
pub fn lines(compressed: &[u8]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    DeflateDecoder::new(compressed).take(FACTS_BYTES_MAX as u64 + 1).read_to_end(&mut lines)?;
    if lines.len() > FACTS_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {FACTS_BYTES_MAX} bytes of facts")));
    }
    Ok(lines)
}

/// What the streams of the tables of users and of deliveries give to a function, as far as `archive` reads it: whole images
/// hold more. The format: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-example.html>.
#[derive(Debug, Deserialize)]
pub struct StreamEvent {
    /// In the order in which they were written, as far as one item is concerned.
    #[serde(rename = "Records", default)]
    pub records: Vec<StreamRecord>,
}

/// A write to the table.
#[derive(Debug, Deserialize)]
pub struct StreamRecord {
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    /// In seconds.
    approximate_creation_date_time: f64,
    new_image: Option<Image>,
    old_image: Option<Image>,
}

/// An item of either table: only a delivery's has a record.
#[derive(Debug, Deserialize)]
struct Image {
    user: TextValue,
    revision: NumberValue,
    facts: Option<BinaryValue>,
    record: Option<TextValue>,
}

#[derive(Debug, Deserialize)]
struct TextValue {
    #[serde(rename = "S")]
    text: String,
}

#[derive(Debug, Deserialize)]
struct NumberValue {
    #[serde(rename = "N")]
    number: String,
}

#[derive(Debug, Deserialize)]
struct BinaryValue {
    #[serde(rename = "B")]
    base64: String,
}

impl StreamRecord {
    /// The rows that this write adds to the archive; none when it tells no facts, or why it cannot be read.
    pub fn told(self) -> Told {
        let Change { sequence_number: sequence, approximate_creation_date_time: secs, new_image, old_image } =
            self.dynamodb;
        let at = Timestamp::from_millis((secs * 1_000.0) as i64);
        let is_of_delivery = |image: &Image| image.record.is_some();
        let stream = match new_image.as_ref().or(old_image.as_ref()).is_some_and(is_of_delivery) {
            true => Stream::Deliveries,
            false => Stream::Users,
        };
        let rows = match (new_image, stream) {
            (Some(image), Stream::Users) => rows_of(image),
            (Some(image), Stream::Deliveries) => rows_of_delivery(old_image.as_ref(), &image),
            // An item was deleted.
            (None, _) => Ok(Vec::new()),
        };
        Told { stream, sequence, at, rows }
    }
}

fn rows_of_delivery(before: Option<&Image>, after: &Image) -> Result<Vec<String>, String> {
    let read = |image: &Image| {
        let record = image.record.as_ref().ok_or("it has no record")?;
        // What is wrong with it may show whom it is about.
        DeliveryRecord::from_json(&record.text).map_err(|error| without_content(&error))
    };
    let before = before.map(read).transpose()?;
    Ok(rows(before.as_ref(), &read(after)?))
}

fn rows_of(image: Image) -> Result<Vec<String>, String> {
    let Some(facts) = image.facts else { return Ok(Vec::new()) };
    let user = UserKey::parse(&image.user.text).ok_or("its key is no user key")?;
    let revision: u64 = image.revision.number.parse().map_err(|_| "its revision is no whole number")?;
    let compressed = STANDARD.decode(facts.base64).map_err(|error| error.to_string())?;
    let lines = String::from_utf8(lines(&compressed).map_err(|error| error.to_string())?)
        .map_err(|_| "its facts are no text".to_owned())?;
    let rows = lines.lines().enumerate().map(|(number, line)| row(user, revision, number, line));
    rows.collect::<Option<_>>().ok_or_else(|| "a fact is no JSON object".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::facts::{DeliveryOutcome, Fact, Row};

    fn told(event: &str) -> Vec<Told> {
        let event: StreamEvent = serde_json::from_str(event).unwrap();
        event.records.into_iter().map(StreamRecord::told).collect()
    }

    #[test]
    fn the_example_events_are_read_each_as_of_its_table() {
        let users = told(include_str!("../../../functions/archive/events/facts.json"));
        assert!(users.iter().all(|told| told.stream == Stream::Users && told.rows.is_ok()), "{users:#?}");
        let deliveries = told(include_str!("../../../functions/archive/events/deliveries.json"));
        let [Told { stream: Stream::Deliveries, rows: Ok(rows), .. }] = deliveries.as_slice() else {
            panic!("{deliveries:#?}")
        };
        let row: Row = serde_json::from_str(&rows[0]).unwrap();
        let Fact::Delivery(delivery) = row.fact else { panic!("{rows:?}") };
        assert_eq!((rows.len(), row.revision, delivery.outcome), (1, 2, DeliveryOutcome::Accepted));
        assert!(!rows[0].contains("ada@example.com"), "an address is in no row");
    }

    #[test]
    fn a_damaged_record_is_said_without_its_content() {
        let example = include_str!("../../../functions/archive/events/deliveries.json");
        let damaged = told(&example.replace("ada@example.com\\\"", "ada@example.com"));
        let why = damaged[0].rows.as_ref().unwrap_err();
        assert!(!why.contains("ada"), "{why}");
    }
}
