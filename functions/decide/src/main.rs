//! `decide`: runs each user's mailbox through the engine and commits the result.
//!
//! Triggered by `events.fifo`. What happens is `kairos_protocol::mailboxes`; this shell reads the
//! batch, asks for the playbook in force, and reports what must come again.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use kairos_cloud::batches::{mailbox_message, receipt, response};
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::interests::InterestsTable;
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::queues::{Alarms, Deliveries, Mailboxes};
use kairos_cloud::users::UsersTable;
use kairos_cloud::{service, telemetry};
use kairos_protocol::mailboxes::{Applied, Incoming, Ports};
use kairos_protocol::port::Clock;
use lambda_runtime::{Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let decide = Decide::from_environment()?;
    // Opens the connection while Lambda is still starting the process; an error shows at the first batch.
    if let Err(error) = decide.playbooks.current().await {
        tracing::warn!(%error, "no playbook yet");
    }
    service::run(|event: LambdaEvent<SqsEvent>| decide.handle(event.payload)).await
}

struct Decide {
    users: UsersTable,
    mailboxes: Mailboxes,
    deliveries: Deliveries,
    alarms: Alarms,
    interests: InterestsTable,
    playbooks: PlaybookStore,
}

impl Decide {
    fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let dynamodb = DynamoDb::new(&config);
        let sqs = OnFirstUse::new(&config, Sqs::new);
        Ok(Self {
            users: UsersTable::new(dynamodb.clone(), required("USERS_TABLE")?),
            mailboxes: Mailboxes::new(sqs.clone(), required("EVENTS_QUEUE_URL")?),
            deliveries: Deliveries::new(sqs.clone(), required("DELIVERIES_QUEUE_URL")?),
            alarms: Alarms::new(sqs, required("ALARMS_QUEUE_URL")?),
            interests: InterestsTable::new(dynamodb.clone(), required("INTERESTS_TABLE")?),
            playbooks: PlaybookStore::new(dynamodb, required("PLAYBOOK_TABLE")?),
        })
    }

    async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
        // Without a playbook the whole batch fails and comes again.
        let program = self.playbooks.current().await?;
        let mut queue = String::new();
        let mut failed = Vec::new();
        let mut batch: Vec<Incoming> = Vec::new();
        for record in event.records {
            match mailbox_message(&record) {
                Ok(incoming) => batch.push(incoming),
                Err(reason) => {
                    tracing::error!(
                        message = receipt(&record),
                        reason,
                        "not a mailbox message; it will be dead-lettered"
                    );
                    failed.push(receipt(&record));
                }
            }
            queue = record.event_source_arn.unwrap_or(queue);
        }
        let ports = Ports {
            users: &self.users,
            mailboxes: &self.mailboxes,
            deliveries: &self.deliveries,
            alarms: &self.alarms,
            interests: &self.interests,
            clock: &SystemClock,
        };
        let applied = ports.apply_batch(&program, &queue, batch).await;
        report(&applied);
        failed.extend(applied.failed);
        telemetry::count("messages_failed", failed.len());
        telemetry::flush("decide", SystemClock.now());
        Ok(response(failed))
    }
}

fn report(applied: &Applied) {
    for (outcome, count) in applied.inputs.iter() {
        telemetry::count(outcome.as_str(), count as usize);
    }
    for record in &applied.considered {
        telemetry::count(record.outcome.as_str(), 1);
    }
    for (user, error) in &applied.faults {
        tracing::warn!(%user, %error, "a user's messages come again");
    }
}
