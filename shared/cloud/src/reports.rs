//! Reports in the archive's bucket: `reports/latest.json`, and one for each day that one was made on.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_types::SdkConfig;
use kairos_engine::bounds::{LETTER_LEASE, REPORT_BYTES_MAX};
use kairos_engine::time::Timestamp;
use kairos_insights::StoredReport;
use kairos_protocol::port::Fault;
use serde::{Deserialize, Serialize};

use crate::archive::client;
use crate::faults::{fault, without_content};

/// The newest report.
pub const LATEST: &str = "reports/latest.json";

/// The bucket, as far as it holds reports.
#[derive(Clone, Debug)]
pub struct ReportsBucket {
    client: Client,
    bucket: String,
}

impl ReportsBucket {
    /// The bucket with this name.
    pub fn new(config: &SdkConfig, bucket: String) -> Self {
        Self { client: client(config), bucket }
    }

    /// The newest report; `None` while there is none.
    ///
    /// # Errors
    /// When S3 fails, or it cannot be read.
    pub async fn latest(&self) -> Result<Option<StoredReport>, Fault> {
        const READ: &str = "ArchiveBucket GetObject";
        let answer = match self.client.get_object().bucket(&self.bucket).key(LATEST).send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(fault(READ, &error)),
        };
        let bytes = usize::try_from(answer.content_length().unwrap_or_default()).unwrap_or(usize::MAX);
        if bytes > REPORT_BYTES_MAX {
            return Err(damaged(format!("it has {bytes} bytes, more than {REPORT_BYTES_MAX}")));
        }
        let body =
            answer.body.collect().await.map_err(|error| Fault::Retryable { what: READ, why: error.to_string() })?;
        serde_json::from_slice(&body.into_bytes()).map(Some).map_err(|error| damaged(without_content(&error)))
    }

    /// Keeps a report: under the name of a day (`2026-11-22`), and as the newest, unless there is one of later days.
    ///
    /// # Errors
    /// When S3 fails; then perhaps only the first of the two is written, and it is to be done again.
    pub async fn keep(&self, report: &StoredReport, day: &str) -> Result<(), Fault> {
        let json = serde_json::to_vec(report).map_err(|error| damaged(without_content(&error)))?;
        let is_newest = match self.latest().await {
            Ok(known) => known.is_none_or(|known| known.period.until <= report.period.until),
            // One that cannot be read is no loss.
            Err(Fault::Permanent { .. }) => true,
            Err(fault) => return Err(fault),
        };
        let latest = is_newest.then(|| LATEST.to_owned());
        for name in [format!("reports/day={day}.json")].into_iter().chain(latest) {
            let request = self.client.put_object().bucket(&self.bucket).key(name).content_type("application/json");
            let answer = request.body(ByteStream::from(json.clone())).send().await;
            answer.map_err(|error| fault("ArchiveBucket PutObject", &error))?;
        }
        Ok(())
    }
}

/// How far a week's letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LetterNote {
    state: LetterState,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LetterState {
    /// Somebody is at it.
    Sending,
    /// It has left.
    Sent,
    /// It has certainly not left.
    Failed,
}

impl LetterNote {
    /// Whether a letter of which this is known may be sent now.
    fn may_begin(self, now: Timestamp) -> bool {
        match self.state {
            LetterState::Sending => now.since(self.at) >= LETTER_LEASE,
            LetterState::Sent => false,
            LetterState::Failed => true,
        }
    }
}

impl ReportsBucket {
    /// Claims a week's letter (`2026-W47`) for sending: `false` when it was sent, or somebody is at it. Whoever died over it
    /// is followed by another one after [`LETTER_LEASE`].
    ///
    /// # Errors
    /// When S3 fails, or the note cannot be read.
    pub async fn begin_letter(&self, week: &str, now: Timestamp) -> Result<bool, Fault> {
        const READ: &str = "ArchiveBucket GetObject";
        let known = match self.client.get_object().bucket(&self.bucket).key(letter_name(week)).send().await {
            Ok(answer) => {
                let body = answer.body.collect().await;
                let body = body.map_err(|error| Fault::Retryable { what: READ, why: error.to_string() })?;
                let note: LetterNote =
                    serde_json::from_slice(&body.into_bytes()).map_err(|error| damaged(without_content(&error)))?;
                Some(note)
            }
            Err(error) if error.code() == Some("NoSuchKey") => None,
            Err(error) => return Err(fault(READ, &error)),
        };
        if known.is_some_and(|note| !note.may_begin(now)) {
            return Ok(false);
        }
        self.note_letter(week, LetterNote { state: LetterState::Sending, at: now }, known.is_none()).await
    }

    /// Notes how sending a week's letter ended.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn end_letter(&self, week: &str, has_left: bool, now: Timestamp) -> Result<(), Fault> {
        let state = if has_left { LetterState::Sent } else { LetterState::Failed };
        self.note_letter(week, LetterNote { state, at: now }, false).await.map(drop)
    }

    /// Gives whether it is written: not when there is one already, and there is to be none.
    async fn note_letter(&self, week: &str, note: LetterNote, is_first: bool) -> Result<bool, Fault> {
        let json = serde_json::to_vec(&note).map_err(|error| damaged(without_content(&error)))?;
        let request = self.client.put_object().bucket(&self.bucket).key(letter_name(week));
        let request = request.content_type("application/json").body(ByteStream::from(json));
        let request = if is_first { request.if_none_match("*") } else { request };
        match request.send().await {
            Ok(_) => Ok(true),
            // Two at once: the other one sends it.
            Err(error) if matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict")) => {
                Ok(false)
            }
            Err(error) => Err(fault("ArchiveBucket PutObject", &error)),
        }
    }
}

fn letter_name(week: &str) -> String {
    format!("reports/letters/week={week}.json")
}

fn damaged(why: String) -> Fault {
    let why = format!("{why}; a newer version of Kairos may have written it: deploy that one");
    Fault::Permanent { what: "reading a report", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_begun_again_only_when_it_has_not_left_or_its_sender_is_gone() {
        let at = Timestamp::from_millis(1_000_000);
        let note = |state| LetterNote { state, at };
        assert!(!note(LetterState::Sent).may_begin(at.plus(LETTER_LEASE)));
        assert!(note(LetterState::Failed).may_begin(at));
        assert!(!note(LetterState::Sending).may_begin(at));
        assert!(note(LetterState::Sending).may_begin(at.plus(LETTER_LEASE)));
        // Notes of every version read.
        let written = r#"{"state":"sending","at":1000000}"#;
        assert_eq!(serde_json::to_string(&note(LetterState::Sending)).unwrap(), written);
        assert_eq!(serde_json::from_str::<LetterNote>(written).unwrap(), note(LetterState::Sending));
    }
}
