//! Reports in the archive's bucket: `reports/latest.json`, and one for each day that one was made on.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_types::SdkConfig;
use kairos_engine::bounds::REPORT_BYTES_MAX;
use kairos_insights::StoredReport;
use kairos_protocol::port::Fault;

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

    /// Keeps a report: under the name of a day (`2026-11-22`), and as the newest.
    ///
    /// # Errors
    /// When S3 fails; then perhaps only the first of the two is written, and it is to be done again.
    pub async fn keep(&self, report: &StoredReport, day: &str) -> Result<(), Fault> {
        let json = serde_json::to_vec(report).map_err(|error| damaged(without_content(&error)))?;
        for name in [format!("reports/day={day}.json"), LATEST.to_owned()] {
            let request = self.client.put_object().bucket(&self.bucket).key(name).content_type("application/json");
            let answer = request.body(ByteStream::from(json.clone())).send().await;
            answer.map_err(|error| fault("ArchiveBucket PutObject", &error))?;
        }
        Ok(())
    }
}

fn damaged(why: String) -> Fault {
    let why = format!("{why}; a newer version of Kairos may have written it: deploy that one");
    Fault::Permanent { what: "reading a report", why }
}
