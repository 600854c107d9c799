//! Figures: one DynamoDB item for each hour and each day.
//!
//! | attribute | what |
//! |---|---|
//! | `period` (S, key) | `hour` or `day` |
//! | `at` (S, range key) | `2026-11-22T13` or `2026-11-22`, UTC |
//! | `counts` (B) | [`Counts`] as JSON, DEFLATE (RFC 1951) |
//! | `objects` (B) | of hours: eight bytes for each object of the archive that is in them |
//! | `made_of` (N) | of days: the revisions of the hours, added up |
//! | `revision` (N) | condition of the next write |
//! | `expires_at` (N) | of hours: TTL, in seconds |

use std::io::{self, Read, Write};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use kairos_engine::bounds::{FIGURES_HOURS_RETENTION, FIGURES_READ_BYTES_MAX};
use kairos_engine::time::Timestamp;
use kairos_insights::counts::Counts;
use kairos_insights::figures::{Figures, Objects, Period};
use kairos_protocol::figures::{self, Added, FiguresStore};
use kairos_protocol::port::Fault;

use crate::clock::SystemClock;
use crate::faults::fault;
use crate::items::{Condition, Item, PutOutcome, number, number_in, put_if, text, text_in};

/// The table of figures.
#[derive(Clone, Debug)]
pub struct FiguresTable {
    client: Client,
    table: String,
}

impl FiguresTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Adds the counts of an object of the archive to those of its hour, unless they are in them.
    ///
    /// # Errors
    /// When DynamoDB fails or the item is damaged.
    pub async fn add(&self, object: &str, counts: &Counts) -> Result<Added, Fault> {
        figures::add(self, &SystemClock, object, counts).await
    }

    /// The counts of a time, in its order: those of whole days where they are made, else of hours. The hours in which it begins
    /// and ends count as a whole; periods in which nothing happened are left out.
    ///
    /// # Errors
    /// When DynamoDB fails or an item is damaged.
    pub async fn between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(Period, Counts)>, Fault> {
        figures::between(self, from, to).await
    }

    /// The counts of each hour of a time.
    ///
    /// # Errors
    /// When DynamoDB fails or an item is damaged.
    pub async fn hours(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(Period, Counts)>, Fault> {
        figures::hours(self, from, to).await
    }
}

fn key(period: Period) -> Item {
    Item::from([("period".to_owned(), text(period.kind())), ("at".to_owned(), text(period.to_string()))])
}

impl FiguresStore for FiguresTable {
    async fn load(&self, period: Period) -> Result<Option<Figures>, Fault> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key(period))).consistent_read(true);
        let answer = request.send().await.map_err(|error| fault("FiguresTable GetItem", &error))?;
        answer.item.as_ref().map(read_item).transpose().map(|read| read.map(|(_, figures)| figures))
    }

    async fn load_between(&self, from: Period, to: Timestamp) -> Result<Vec<(Period, Figures)>, Fault> {
        let end = match from {
            Period::Hour(_) => Period::hour(to),
            Period::Day(_) => Period::day(to),
        };
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("#period = :period AND #at BETWEEN :from AND :to")
                .expression_attribute_names("#period", "period")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":period", text(from.kind()))
                .expression_attribute_values(":from", text(from.to_string()))
                .expression_attribute_values(":to", text(end.to_string()))
                .set_exclusive_start_key(start);
            let page = request.send().await.map_err(|error| fault("FiguresTable Query", &error))?;
            for item in page.items.unwrap_or_default() {
                let (period, figures) = read_item(&item)?;
                // The last one only counts when it begins before the end.
                if period.start() < to {
                    found.push((period, figures));
                }
            }
            match page.last_evaluated_key.filter(|key| !key.is_empty()) {
                Some(last) => start = Some(last),
                None => return Ok(found),
            }
        }
    }

    async fn save(&self, period: Period, figures: &Figures, expected_revision: Option<u64>) -> Result<bool, Fault> {
        let condition = Condition::still(expected_revision, "at");
        let outcome =
            put_if(&self.client, &self.table, write_item(period, figures), condition, "FiguresTable PutItem").await?;
        Ok(match outcome {
            // The same: perhaps the answer to this very write was lost. Whoever else has written it has counted the same objects.
            PutOutcome::Written | PutOutcome::Same => true,
            PutOutcome::Conflict(_) => false,
        })
    }

    async fn forget(&self, day: Period) -> Result<(), Fault> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(key(day)));
        request.send().await.map(drop).map_err(|error| fault("FiguresTable DeleteItem", &error))
    }
}

fn write_item(period: Period, figures: &Figures) -> Item {
    let mut item = key(period);
    item.insert("counts".to_owned(), AttributeValue::B(Blob::new(compressed(&figures.counts))));
    item.insert("revision".to_owned(), number(figures.revision));
    match period {
        Period::Hour(start) => {
            item.insert("objects".to_owned(), AttributeValue::B(Blob::new(figures.objects.to_bytes())));
            item.insert("expires_at".to_owned(), number(start.plus(FIGURES_HOURS_RETENTION).as_secs()));
        }
        Period::Day(_) => {
            item.insert("made_of".to_owned(), number(figures.made_of));
        }
    }
    item
}

fn read_item(item: &Item) -> Result<(Period, Figures), Fault> {
    let bytes = |name: &str| item.get(name).and_then(|value| value.as_b().ok()).map(AsRef::as_ref);
    let period = text_in(item, "at").and_then(Period::parse).ok_or_else(|| damaged(&"its `at` is no hour or day"))?;
    let counts = bytes("counts").ok_or_else(|| damaged(&"it has no `counts`"))?;
    let figures = Figures {
        counts: decompressed(counts).map_err(|error| damaged(&error))?,
        objects: Objects::from_bytes(bytes("objects").unwrap_or_default())
            .ok_or_else(|| damaged(&"its `objects` are cut off"))?,
        made_of: number_in(item, "made_of").unwrap_or_default(),
        revision: number_in(item, "revision").ok_or_else(|| damaged(&"it has no `revision`"))?,
    };
    Ok((period, figures))
}

/// The counts as an item holds them.
pub fn compressed(counts: &Counts) -> Vec<u8> {
    let json = serde_json::to_vec(counts).expect("counts are plain data");
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&json).and_then(|()| encoder.finish()).expect("memory takes everything")
}

fn decompressed(compressed: &[u8]) -> io::Result<Counts> {
    let mut json = Vec::new();
    DeflateDecoder::new(compressed).take(FIGURES_READ_BYTES_MAX as u64 + 1).read_to_end(&mut json)?;
    if json.len() > FIGURES_READ_BYTES_MAX {
        return Err(io::Error::other(format!("more than {FIGURES_READ_BYTES_MAX} bytes of counts")));
    }
    Ok(serde_json::from_slice(&json)?)
}

fn damaged(why: &dyn std::fmt::Display) -> Fault {
    Fault::Permanent {
        what: "reading figures",
        why: format!("{why}; a newer version of Kairos may have written them: deploy that one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::facts::Row;

    fn counts() -> Counts {
        let rows = include_str!("../../engine/tests/golden/facts_v1.ndjson").lines();
        let rows: Vec<Row> = rows.map(|line| serde_json::from_str(line).unwrap()).collect();
        Counts::of(&rows)
    }

    #[test]
    fn an_item_reads_back_as_it_was_written() {
        let at = Timestamp::parse("2026-11-22T13:30:00Z").unwrap();
        let hour = Figures::default().with("facts/day=2026-11-22/hour=13/1", &counts()).unwrap();
        let item = write_item(Period::hour(at), &hour);
        assert_eq!((&item["period"], &item["at"]), (&text("hour"), &text("2026-11-22T13")));
        // A hundred days later, in seconds.
        assert_eq!(item["expires_at"], number(1_803_992_400));
        assert_eq!(read_item(&item).unwrap(), (Period::hour(at), hour.clone()));
        let day = Figures { made_of: 7, objects: Objects::default(), ..hour };
        let item = write_item(Period::day(at), &day);
        assert!(!item.contains_key("expires_at"), "days stay");
        assert_eq!(read_item(&item).unwrap(), (Period::day(at), day));
    }

    #[test]
    fn a_damaged_item_says_what_to_do() {
        let at = Timestamp::parse("2026-11-22T13:30:00Z").unwrap();
        let whole = write_item(Period::hour(at), &Figures::default());
        let damages: [(&str, AttributeValue); 4] = [
            ("at", text("yesterday")),
            ("counts", AttributeValue::B(Blob::new(*b"no counts"))),
            ("objects", AttributeValue::B(Blob::new(*b"seven.."))),
            ("revision", text("one")),
        ];
        for (name, value) in damages {
            let mut item = whole.clone();
            item.insert(name.to_owned(), value);
            assert!(read_item(&item).unwrap_err().to_string().contains("deploy"), "{name}");
        }
    }
}
