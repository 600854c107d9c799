//! `archive`: keeps what commits make known, in S3.
//!
//! Triggered by the stream of the users table, half a minute after the first write of a batch at most. What happens is
//! `kairos_protocol::archive`.

use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::facts::{StreamEvent, StreamRecord};
use kairos_cloud::{service, telemetry};
use kairos_protocol::archive::archive;
use kairos_protocol::port::Clock;
use lambda_runtime::{Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = service::start()?;
    let bucket = ArchiveBucket::new(&config, required("ARCHIVE_BUCKET")?);
    service::run(|event: LambdaEvent<StreamEvent>| handle(&bucket, event.payload)).await
}

async fn handle(bucket: &ArchiveBucket, event: StreamEvent) -> Result<(), Error> {
    let told = event.records.into_iter().map(StreamRecord::told).collect();
    // A batch that fails comes again, whole: the stream keeps it for a day.
    let archived = archive(bucket, told).await.inspect_err(|_| {
        telemetry::count("archive_failed", 1);
        telemetry::flush("archive", SystemClock.now());
    })?;
    for why in &archived.unreadable {
        tracing::error!(why, "a record of the stream cannot be read; it is not archived");
    }
    telemetry::count("archive_objects", archived.objects);
    telemetry::count("archive_rows", archived.rows);
    telemetry::count("archive_rows_repeated", archived.repeated);
    telemetry::count("archive_records_unreadable", archived.unreadable.len());
    telemetry::flush("archive", SystemClock.now());
    Ok(())
}
