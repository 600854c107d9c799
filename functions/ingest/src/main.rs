//! `ingest` on Lambda: wires the function to AWS and counts what happened.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use aws_lambda_events::http::HeaderValue;
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::{service, telemetry};
use kairos_ingest::Ingest;
use kairos_ingest::aws::{RefusalsTable, Sources};
use kairos_protocol::port::Clock;
use lambda_runtime::{Error, LambdaEvent};

/// By which a request is found in the logs of all functions, up to the provider of a message that came of it.
const CORRELATION_ID: &str = "x-correlation-id";

type OnAws = Ingest<Sources, Mailboxes, RefusalsTable, SystemClock>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ingest = from_environment().await?;
    service::run(|event: LambdaEvent<LambdaFunctionUrlRequest>| answer(&ingest, event.payload)).await
}

async fn from_environment() -> Result<OnAws, Error> {
    let config = service::start()?;
    let tables = DynamoDb::new(&config);
    let playbooks = PlaybookStore::new(tables.clone(), required("PLAYBOOK_TABLE")?);
    // While Lambda starts a process it has a whole processor: the first request need not wait for a handshake.
    playbooks.fetch().await;
    Ok(Ingest::new(
        Sources::new(
            playbooks,
            // Asked for only when somebody shows a key that is in no playbook.
            OnFirstUse::new(&config, aws_sdk_secretsmanager::Client::new),
            required("SERVER_KEY_ARN")?,
        ),
        Mailboxes::new(Sqs::new(&config), required("EVENTS_QUEUE_URL")?),
        RefusalsTable::new(tables, required("REFUSALS_TABLE")?),
        SystemClock,
    ))
}

async fn answer(ingest: &OnAws, request: LambdaFunctionUrlRequest) -> Result<LambdaFunctionUrlResponse, Error> {
    let mut handled = Box::pin(ingest.handle(&request)).await;
    if let Some(value) = telemetry::invocation().and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        handled.response.headers.insert(CORRELATION_ID, value);
    }
    for (name, how_many) in handled.counts {
        telemetry::count(name, how_many);
    }
    telemetry::flush("ingest", SystemClock.now());
    Ok(handled.response)
}
