//! The report that the daily job has made, as it is in the archive's bucket.

use std::sync::{Arc, Mutex, PoisonError};

use kairos_cloud::reports::ReportsBucket;
use kairos_engine::bounds::CONSOLE_REPORT_REFRESH;
use kairos_engine::time::Timestamp;
use kairos_insights::StoredReport;
use kairos_protocol::port::Fault;

/// The newest report, asked for again now and then.
#[derive(Debug)]
pub struct ReportStore {
    bucket: ReportsBucket,
    known: Mutex<Option<(Timestamp, Option<Arc<StoredReport>>)>>,
}

impl ReportStore {
    /// That of this bucket.
    pub fn new(bucket: ReportsBucket) -> Self {
        Self { bucket, known: Mutex::new(None) }
    }

    /// The newest report; `None` while there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn latest(&self, now: Timestamp) -> Result<Option<Arc<StoredReport>>, Fault> {
        if let Some((read_at, report)) = &*self.known.lock().unwrap_or_else(PoisonError::into_inner)
            && now.since(*read_at) < CONSOLE_REPORT_REFRESH
        {
            return Ok(report.clone());
        }
        let report = self.bucket.latest().await?.map(Arc::new);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, report.clone()));
        Ok(report)
    }
}
