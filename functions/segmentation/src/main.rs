//! `segmentation`: brings users who stay away to what a new playbook watches.
//!
//! EventBridge Scheduler calls it each minute. When the playbook in force watches something else than the one
//! before, it puts a tick into the mailbox of every user whose state was made by another one; otherwise it reads
//! one small item. What happens is `kairos_protocol::segmentation`.

use std::cell::RefCell;

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use kairos_cloud::backfills::Backfills;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::playbooks::{InForce, PlaybookStore, runnable};
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::users::UsersTable;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::BACKFILL_TIME_MAX;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::{Clock, Fault};
use kairos_protocol::segmentation::{Advanced, Ports, Watched};
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let segmentation = Segmentation::from_environment()?;
    service::run(|event: LambdaEvent<Schedule>| segmentation.handle(event.payload)).await
}

/// The schedule of `template.yaml`.
#[derive(Deserialize)]
struct Schedule {
    action: Action,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Backfill,
}

struct Segmentation {
    playbooks: PlaybookStore,
    users: UsersTable,
    backfills: Backfills,
    mailboxes: Mailboxes,
    /// What this process has seen before.
    known: RefCell<Option<Known>>,
}

/// What is known of a playbook in force.
struct Known {
    in_force: InForce,
    watched: Watched,
    /// Whether everybody has been brought to it. That stays so while the pointer says the same.
    is_done: bool,
}

impl Segmentation {
    fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let dynamodb = DynamoDb::new(&config);
        let playbooks = required("PLAYBOOK_TABLE")?;
        Ok(Self {
            playbooks: PlaybookStore::new(dynamodb.clone(), playbooks.clone()),
            backfills: Backfills::new(dynamodb.clone(), playbooks),
            users: UsersTable::new(dynamodb, required("USERS_TABLE")?),
            mailboxes: Mailboxes::new(Sqs::new(&config), required("EVENTS_QUEUE_URL")?),
            known: RefCell::default(),
        })
    }

    async fn handle(&self, Schedule { action: Action::Backfill }: Schedule) -> Result<(), Error> {
        let stop_at = SystemClock.now().plus(BACKFILL_TIME_MAX);
        let watched = self.watched().await;
        if let Ok(Some(watched)) = &watched {
            self.backfill(watched, stop_at).await;
        }
        telemetry::flush("segmentation", SystemClock.now());
        watched.map(drop).map_err(Error::from)
    }

    async fn backfill(&self, watched: &Watched, stop_at: Timestamp) {
        let ports =
            Ports { users: &self.users, backfills: &self.backfills, mailboxes: &self.mailboxes, clock: &SystemClock };
        let advanced = ports.backfill(watched, stop_at).await;
        if let Some(known) = self.known.borrow_mut().as_mut() {
            known.is_done = advanced.is_finished;
        }
        report(&advanced);
    }

    /// What is watched now; none when that was done before, or nothing is published yet.
    async fn watched(&self) -> Result<Option<Watched>, Fault> {
        let Some(in_force) = self.playbooks.pointer().await? else { return Ok(None) };
        if let Some(known) = self.known.borrow().as_ref().filter(|known| known.in_force == in_force) {
            return Ok((!known.is_done).then(|| known.watched.clone()));
        }
        let playbook = self.playbooks.version(&in_force.version).await?;
        let watched = Watched {
            program: runnable(&playbook)?.fingerprint(),
            since: in_force.program_since,
            playbook: in_force.version.clone(),
        };
        *self.known.borrow_mut() = Some(Known { in_force, watched: watched.clone(), is_done: false });
        Ok(Some(watched))
    }
}

fn report(advanced: &Advanced) {
    telemetry::count("backfills_begun", usize::from(advanced.has_begun));
    telemetry::count("backfills_overtaken", usize::from(advanced.is_overtaken));
    telemetry::count("backfill_scanned", advanced.scanned);
    telemetry::count("backfill_ticks", advanced.told);
    telemetry::count("backfill_unreadable", advanced.unreadable);
    telemetry::count("backfill_faults", advanced.faults.len());
    for error in &advanced.faults {
        tracing::warn!(%error, "the backfill was held up; the next call goes on");
    }
}
