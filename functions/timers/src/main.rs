//! `timers`: turns due alarms into ticks in the mailbox of their user.
//!
//! Two triggers. EventBridge Scheduler, each minute: finds the alarms due soon and delays each to its
//! second. The delay queue: puts a tick into the user's mailbox. What happens is
//! `kairos_protocol::alarms`.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use kairos_cloud::batches::{receipt, response};
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::faults::without_content;
use kairos_cloud::queues::{Alarms, Mailboxes};
use kairos_cloud::users::UsersTable;
use kairos_cloud::{service, telemetry};
use kairos_engine::mailbox::AlarmMessage;
use kairos_protocol::alarms::{ring, sweep};
use kairos_protocol::port::Clock;
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let timers = Timers::from_environment()?;
    service::run(|event: LambdaEvent<Trigger>| timers.handle(event.payload)).await
}

/// What `timers` is called with.
#[derive(Deserialize)]
#[serde(untagged)]
enum Trigger {
    /// Alarms that come back from the delay queue.
    Alarms(SqsEvent),
    /// The schedule of `template.yaml`.
    Schedule { action: Action },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Sweep,
}

struct Timers {
    users: UsersTable,
    mailboxes: Mailboxes,
    alarms: Alarms,
}

impl Timers {
    fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let sqs = Sqs::new(&config);
        Ok(Self {
            users: UsersTable::new(DynamoDb::new(&config), required("USERS_TABLE")?),
            mailboxes: Mailboxes::new(sqs.clone(), required("EVENTS_QUEUE_URL")?),
            alarms: Alarms::new(sqs, required("ALARMS_QUEUE_URL")?),
        })
    }

    async fn handle(&self, trigger: Trigger) -> Result<SqsBatchResponse, Error> {
        let failed = match trigger {
            Trigger::Alarms(event) => self.ring(event).await,
            Trigger::Schedule { action: Action::Sweep } => {
                self.sweep().await;
                Vec::new()
            }
        };
        telemetry::count("messages_failed", failed.len());
        telemetry::flush("timers", SystemClock.now());
        Ok(response(failed))
    }

    async fn sweep(&self) {
        let swept = sweep(&self.users, &self.alarms, &SystemClock).await;
        telemetry::count("sweeps", 1);
        telemetry::count("alarms_offered", swept.offered);
        telemetry::count("alarms_overdue", swept.overdue);
        telemetry::count("sweep_faults", swept.faults.len());
        for (shard, error) in swept.faults {
            tracing::warn!(shard, %error, "a shard of the alarm index was not swept; the next sweep tries again");
        }
    }

    async fn ring(&self, event: SqsEvent) -> Vec<String> {
        let mut failed = Vec::new();
        let mut alarms = Vec::new();
        for record in event.records {
            match serde_json::from_str::<AlarmMessage>(record.body.as_deref().unwrap_or_default()) {
                Ok(alarm) => alarms.push((receipt(&record), alarm)),
                Err(error) => {
                    let error = without_content(&error);
                    tracing::error!(message = receipt(&record), error, "not an alarm; it will be dead-lettered");
                    failed.push(receipt(&record));
                }
            }
        }
        let rung = ring(&self.mailboxes, &self.alarms, &SystemClock, alarms).await;
        telemetry::count("ticks", rung.ticks);
        telemetry::count("alarms_delayed_again", rung.delayed_again);
        rung.late_by.iter().for_each(|late| telemetry::measure("alarm_lateness", *late));
        telemetry::count("ticks_late_over_1s", rung.late_by.iter().filter(|late| late.as_millis() > 1_000).count());
        for (receipt, error) in rung.failed {
            tracing::warn!(message = receipt, %error, "an alarm comes again");
            failed.push(receipt);
        }
        failed
    }
}
