//! `archive`: keeps what commits and deliveries make known, in S3, and counts it.
//!
//! Triggered by the streams of the tables of users and of deliveries, half a minute after the first write of a batch at most.
//! What happens is `kairos_protocol::archive`.

use aws_sdk_dynamodb::Client as DynamoDb;
use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::facts::{StreamEvent, StreamRecord};
use kairos_cloud::figures::FiguresTable;
use kairos_cloud::{service, telemetry};
use kairos_protocol::archive::archive;
use kairos_protocol::port::Clock;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = service::start()?;
    let bucket = ArchiveBucket::new(&config, required("ARCHIVE_BUCKET")?);
    let figures = FiguresTable::new(DynamoDb::new(&config), required("FIGURES_TABLE")?);
    lambda_runtime::run(service_fn(|event: LambdaEvent<StreamEvent>| handle(&bucket, &figures, event.payload))).await
}

async fn handle(bucket: &ArchiveBucket, figures: &FiguresTable, event: StreamEvent) -> Result<(), Error> {
    let told = event.records.into_iter().map(StreamRecord::told).collect();
    // A batch that fails comes again, whole: the stream keeps it for a day.
    let archived = archive(bucket, figures, &SystemClock, told).await.inspect_err(|_| {
        telemetry::count("archive_failed", 1);
        telemetry::flush("archive", SystemClock.now());
    })?;
    for why in &archived.unreadable {
        tracing::error!(why, "a record of the stream cannot be read; it is not archived");
    }
    for error in &archived.figures_failed {
        tracing::error!(%error, "an object is archived and not counted; the daily recount counts it");
    }
    if archived.uncounted > 0 {
        tracing::error!(objects = archived.uncounted, "an hour has more objects than its figures can hold");
    }
    telemetry::count("archive_objects", archived.objects);
    telemetry::count("archive_rows", archived.rows);
    telemetry::count("archive_rows_repeated", archived.repeated);
    telemetry::count("archive_records_unreadable", archived.unreadable.len());
    telemetry::count("figures_objects", archived.counted);
    telemetry::count("figures_full", archived.uncounted);
    telemetry::count("figures_failed", archived.figures_failed.len());
    telemetry::flush("archive", SystemClock.now());
    Ok(())
}
