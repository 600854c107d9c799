//! The Lambda function: a feed or the schedule in, the answer and the counters out.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use aws_sdk_dynamodb::Client as DynamoDb;
use kairos_cloud::catalogue::CatalogueTable;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::interests::InterestsTable;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::requests::{body_text, check_key};
use kairos_cloud::secrets::{Secret, access_key};
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::{ANNOUNCE_RESERVE, CATALOGUE_BYTES_MAX, CATALOGUE_KEY_REFRESH};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::catalogue::{Announced, Listing, Ports, RowOutcome, Wanted};
use kairos_protocol::port::Clock;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;

use crate::answer::{self, Rows};
use crate::feed;
use crate::request::{self, RequestRefusal};

/// The longest that Lambda lets a function run.
const LAMBDA_TIMEOUT_MAX: Span = Span::from_mins(15);

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Function {
    catalogue: CatalogueTable,
    interests: InterestsTable,
    mailboxes: Mailboxes,
    playbooks: PlaybookStore,
    key: Secret<String>,
}

impl Function {
    /// The function as its environment describes it (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let tables = DynamoDb::new(&config);
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        Ok(Self {
            catalogue: CatalogueTable::new(tables.clone(), required("CATALOGUE_TABLE")?),
            interests: InterestsTable::new(tables.clone(), required("INTERESTS_TABLE")?),
            playbooks: PlaybookStore::new(tables, required("PLAYBOOK_TABLE")?),
            mailboxes: Mailboxes::new(aws_sdk_sqs::Client::new(&config), required("EVENTS_QUEUE_URL")?),
            key: Secret::new(secrets, required("CATALOGUE_KEY_ARN")?, CATALOGUE_KEY_REFRESH, access_key),
        })
    }

    /// One feed, or one call of the schedule.
    ///
    /// # Errors
    /// When it is called with neither.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let until = ends_at(event.context.deadline, SystemClock.now()).minus(ANNOUNCE_RESERVE);
        let answer = match event.payload.get("action").and_then(Value::as_str) {
            Some("announce") => {
                tell(&self.ports().resume(until).await);
                Value::Null
            }
            Some(other) => return Err(format!("there is no action {other}: the schedule calls with announce").into()),
            None => {
                let request: LambdaFunctionUrlRequest = serde_json::from_value(event.payload)
                    .map_err(|error| format!("neither a request nor an action: {error}"))?;
                let response = self.take(&request, until).await.unwrap_or_else(|refusal| {
                    telemetry::count(refusal.code(), 1);
                    answer::refused(&refusal)
                });
                serde_json::to_value(response)?
            }
        };
        telemetry::flush("catalogue", SystemClock.now());
        Ok(answer)
    }

    async fn take(
        &self,
        request: &LambdaFunctionUrlRequest,
        until: Timestamp,
    ) -> Result<LambdaFunctionUrlResponse, RequestRefusal> {
        request::route(request)?;
        let key = self.key.current(SystemClock.now()).await.map_err(|error| {
            tracing::error!(%error, "the key of the catalogue could not be read");
            RequestRefusal::KeyUnavailable
        })?;
        check_key(request, &key).map_err(RequestRefusal::Key)?;
        let text = body_text(request, CATALOGUE_BYTES_MAX).map_err(RequestRefusal::Body)?;
        let playbook = self.playbooks.outline().await.map_err(|error| {
            tracing::error!(%error, "no playbook: run `kairos publish`; feeds get 503 until then");
            RequestRefusal::PlaybookUnavailable
        })?;
        let feed = feed::read(&text, &playbook.places)?;
        let listings: Vec<Listing> = feed.listings.iter().map(|(_, listing)| listing.clone()).collect();
        let imported = self.ports().import(&Wanted::of(&playbook), &listings, until).await;
        let failed = imported.outcomes.iter().filter_map(|outcome| match outcome {
            RowOutcome::Failed(error) => Some(error),
            _ => None,
        });
        if let Some(error) = failed.clone().next() {
            tracing::error!(%error, rows = failed.count(), "rows of a feed could not be written; they have to come again");
        }
        let rows = Rows::new(&feed, &imported.outcomes);
        for outcome in answer::OUTCOMES {
            telemetry::count(outcome, rows.count(outcome));
        }
        let announced = self.ports().announce(imported.announcing, until).await;
        tell(&announced);
        Ok(answer::imported(&feed, &rows, &announced))
    }

    const fn ports(&self) -> Ports<'_, CatalogueTable, InterestsTable, Mailboxes, SystemClock> {
        Ports {
            catalogue: &self.catalogue,
            interests: &self.interests,
            mailboxes: &self.mailboxes,
            clock: &SystemClock,
        }
    }
}

/// When this call ends. Lambda says at which millisecond; `cargo lambda watch` says in how many. No call takes longer
/// than Lambda's 15 minutes, and no clock is that close to 1970.
fn ends_at(deadline: u64, now: Timestamp) -> Timestamp {
    let millis = i64::try_from(deadline).unwrap_or(i64::MAX);
    match millis <= LAMBDA_TIMEOUT_MAX.as_millis() {
        true => now.plus(Span::from_millis(millis)),
        false => Timestamp::from_millis(millis),
    }
}

/// Counts and logs how telling went.
fn tell(announced: &Announced) {
    telemetry::count("users_told", announced.told);
    telemetry::count("products_told", announced.finished);
    telemetry::count("products_to_tell", announced.left);
    telemetry::count("products_told_faults", announced.faults.len());
    for (product, error) in &announced.faults {
        tracing::warn!(product, %error, "a change could not be told to its end; the next run goes on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_when_lambda_or_its_local_stand_in_says() {
        let now = Timestamp::from_millis(1_795_255_200_000);
        assert_eq!(ends_at(1_795_255_320_000, now), now.plus(Span::from_mins(2)), "Lambda");
        assert_eq!(ends_at(600_000, now), now.plus(Span::from_mins(10)), "cargo lambda watch");
        assert_eq!(ends_at(u64::MAX, now), Timestamp::from_millis(i64::MAX), "never");
    }
}
