//! A file with products, taken apart into what one request may carry, and sent.

use std::collections::BTreeMap;
use std::time::Duration;

use kairos_engine::bounds::{CATALOGUE_BYTES_MAX, CATALOGUE_ROWS_MAX, FEED_TRIES_MAX};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::sender::{SendError, http_client, with_causes};
use crate::terminal::Progress;

/// Rows of one request: few enough that progress shows.
const PART_ROWS_MAX: usize = CATALOGUE_ROWS_MAX / 5;
/// Bytes of one request.
const PART_BYTES_MAX: usize = CATALOGUE_BYTES_MAX / 2;
/// The first pause between two tries; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A file as it is sent: what stands around rows, and the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedFile {
    form: Form,
    rows: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    List,
    Lines,
    Table { header: String },
}

/// Why a file cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// A list that is broken.
    #[error("the list of products is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// A table that is broken.
    #[error("the file is read as CSV, and cannot be: {0}")]
    NotCsv(csv::Error),
    /// The server cannot be spoken to.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The server refused a whole request.
    #[error("{url} refused the feed with {status}: {message}")]
    Refused {
        /// Where.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
    /// The server could not be reached, or said "later" too often.
    #[error(
        "{url} did not take the feed in {FEED_TRIES_MAX} tries: {why}. Run the same command again: nothing counts twice"
    )]
    GaveUp {
        /// Where.
        url: String,
        /// What happened the last time.
        why: String,
    },
}

impl FeedFile {
    /// Takes a file apart: a JSON list, JSON lines, or CSV with a header.
    ///
    /// # Errors
    /// When it cannot be told apart into rows. What is wrong with a row, the server says.
    pub fn read(text: &str) -> Result<Self, FeedError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
        match text.chars().next() {
            Some('[') => {
                let list: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(FeedError::NotJson)?;
                Ok(Self { form: Form::List, rows: list.iter().map(|row| row.get().to_owned()).collect() })
            }
            Some('{') => {
                let is_one = serde_json::from_str::<&RawValue>(text).is_ok();
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
                let rows = if is_one { vec![text.trim_end().to_owned()] } else { lines.collect() };
                Ok(Self { form: Form::Lines, rows })
            }
            _ => table(text).map_err(FeedError::NotCsv),
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The rows of each request, by their places in the file.
    fn parts(&self) -> Vec<Vec<usize>> {
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut bytes = 0;
        for (at, row) in self.rows.iter().enumerate() {
            match parts.last_mut() {
                Some(part) if part.len() < PART_ROWS_MAX && bytes + row.len() < PART_BYTES_MAX => part.push(at),
                _ => {
                    parts.push(vec![at]);
                    bytes = 0;
                }
            }
            bytes += row.len() + 1;
        }
        parts
    }

    fn body(&self, rows: &[usize]) -> String {
        let rows: Vec<&str> = rows.iter().map(|at| self.rows[*at].as_str()).collect();
        match &self.form {
            Form::List => format!("[{}]", rows.join(",")),
            Form::Lines => rows.join("\n"),
            Form::Table { header } => format!("{header}{}", rows.concat()),
        }
    }
}

fn table(text: &str) -> Result<FeedFile, csv::Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut lines = Vec::new();
    for record in reader.byte_records() {
        // Written anew: a cell may hold line breaks.
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        writer.write_byte_record(&record?)?;
        let line = writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
    let mut lines = lines.into_iter();
    Ok(FeedFile { form: Form::Table { header: lines.next().unwrap_or_default() }, rows: lines.collect() })
}

/// What became of a row.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct RowAnswer {
    row: usize,
    /// The product, when the row names one.
    #[serde(default)]
    pub product: Option<String>,
    /// `created`, `updated`, `unchanged`, `refused` or `failed`.
    pub outcome: String,
    /// What is wrong with it, and what to write instead.
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    users_told: usize,
    #[serde(default)]
    products_to_tell: usize,
    #[serde(default)]
    ignored_fields: Vec<String>,
    #[serde(default)]
    rows: Vec<RowAnswer>,
}

/// What became of a feed.
#[derive(Clone, Debug, Default)]
pub struct FeedReport {
    /// What became of each row, by its number in the file, from 1.
    pub rows: BTreeMap<usize, RowAnswer>,
    /// Messages put into the mailboxes of users who care.
    pub users_told: usize,
    /// Products of which users are still to be told.
    pub products_to_tell: usize,
    /// Fields that mean nothing.
    pub ignored_fields: Vec<String>,
}

impl FeedReport {
    /// How many rows ended like this.
    pub fn count(&self, outcome: &str) -> usize {
        self.rows.values().filter(|row| row.outcome == outcome).count()
    }

    /// Takes an answer in; gives the rows that have to come again.
    fn add(&mut self, part: &[usize], answer: Answer) -> Vec<usize> {
        self.users_told += answer.users_told;
        self.products_to_tell += answer.products_to_tell;
        for field in answer.ignored_fields {
            if !self.ignored_fields.contains(&field) {
                self.ignored_fields.push(field);
            }
        }
        let mut again = Vec::new();
        for row in answer.rows {
            let Some(at) = row.row.checked_sub(1).and_then(|row| part.get(row)) else { continue };
            if row.outcome == "failed" {
                again.push(*at);
            }
            self.rows.insert(at + 1, row);
        }
        again
    }
}

/// Sends a file to the catalogue function at `url`, part by part.
///
/// # Errors
/// When a part is refused as a whole, or not taken in the end; what was taken before stays so.
pub async fn send(file: &FeedFile, url: &str, key: &str, progress: &Progress) -> Result<FeedReport, FeedError> {
    let url = format!("{}/v1/catalogue", url.trim_end_matches('/'));
    let client = http_client()?;
    let mut report = FeedReport::default();
    for part in file.parts() {
        send_part(&client, file, &part, &url, key, &mut report).await?;
        progress.advance(part.len());
    }
    Ok(report)
}

async fn send_part(
    client: &Client,
    file: &FeedFile,
    part: &[usize],
    url: &str,
    key: &str,
    report: &mut FeedReport,
) -> Result<(), FeedError> {
    let mut rows = part.to_vec();
    let mut why = String::new();
    for attempt in 0..FEED_TRIES_MAX {
        if attempt > 0 {
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt - 1)).await;
        }
        let answer = match client.put(url).bearer_auth(key).body(file.body(&rows)).send().await {
            Ok(answer) => answer,
            Err(error) => {
                why = with_causes(&error);
                continue;
            }
        };
        let status = answer.status();
        let text = match answer.text().await {
            Ok(text) => text,
            // What was written is found unchanged by the next try.
            Err(error) => {
                why = with_causes(&error);
                continue;
            }
        };
        let answer = serde_json::from_str::<Answer>(&text);
        match answer {
            Ok(answer) if status.is_success() || (status.is_server_error() && !answer.rows.is_empty()) => {
                rows = report.add(&rows, answer);
                if rows.is_empty() {
                    return Ok(());
                }
                why = format!("{} rows could not be written", rows.len());
            }
            answer => {
                let message = answer.ok().and_then(|answer| answer.message).unwrap_or(text);
                if !status.is_server_error() {
                    return Err(FeedError::Refused { url: url.to_owned(), status, message });
                }
                why = format!("{status}: {}", message.trim_end_matches('.'));
            }
        }
    }
    Err(FeedError::GaveUp { url: url.to_owned(), why })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_form_of_a_file_is_sent_in_parts_of_the_same_form() {
        for (text, bodies) in [
            ("[{\"id\": 1}, {\"id\": 2}]", ["[{\"id\": 1}]", "[{\"id\": 2}]"]),
            ("{\"id\": 1}\r\n\n{\"id\": 2}\n", ["{\"id\": 1}", "{\"id\": 2}"]),
            ("\u{feff}id,name\n1,\"a\nb\"\n2,c,d\n", ["id,name\n1,\"a\nb\"\n", "id,name\n2,c,d\n"]),
        ] {
            let file = FeedFile::read(text).unwrap();
            assert_eq!(file.rows(), 2, "{text}");
            assert_eq!([file.body(&[0]), file.body(&[1])], bodies);
        }
        assert_eq!(FeedFile::read("{\n\"id\": 1\n}\n").unwrap().rows(), 1);
        assert!(FeedFile::read("[{]").unwrap_err().to_string().contains("not JSON"));
    }

    #[test]
    fn no_part_is_larger_than_a_request_may_be() {
        let file = FeedFile::read(&format!("id\n{}", "1\n".repeat(PART_ROWS_MAX * 2 + 1))).unwrap();
        let sizes: Vec<usize> = file.parts().iter().map(Vec::len).collect();
        assert_eq!(sizes, [PART_ROWS_MAX, PART_ROWS_MAX, 1]);
        let large = format!("id\n{}", format!("{}\n", "x".repeat(PART_BYTES_MAX / 2)).repeat(3));
        let parts = FeedFile::read(&large).unwrap().parts();
        assert_eq!(parts.concat(), [0, 1, 2]);
        assert!(parts.len() > 1);
    }

    #[test]
    fn rows_keep_their_numbers_when_parts_come_again() {
        let row = |row, outcome: &str| RowAnswer { row, product: None, outcome: outcome.into(), message: None };
        let answer =
            |rows| Answer { rows, message: None, users_told: 1, products_to_tell: 0, ignored_fields: vec!["x".into()] };
        let mut report = FeedReport::default();
        let again = report.add(&[10, 11, 12], answer(vec![row(1, "created"), row(2, "failed"), row(3, "refused")]));
        assert_eq!(again, [11]);
        assert!(report.add(&again, answer(vec![row(1, "updated")])).is_empty());
        let outcomes: Vec<_> = report.rows.iter().map(|(number, row)| (*number, row.outcome.as_str())).collect();
        assert_eq!(outcomes, [(11, "created"), (12, "updated"), (13, "refused")]);
        assert_eq!((report.users_told, report.ignored_fields.len()), (2, 1));
    }
}
