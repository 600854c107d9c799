//! The console with everything it talks to: what pages get.

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_secretsmanager::Client as SecretsManager;
use kairos_cloud::environment::{MissingSetting, required};
use kairos_cloud::figures::FiguresTable;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::reports::ReportsBucket;
use kairos_cloud::secrets::{Secret, access_key};
use kairos_cloud::service;
use kairos_engine::bounds::CONSOLE_KEY_REFRESH;
use kairos_engine::playbook::Playbook;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;

use crate::figures::FiguresStore;
use crate::format::ShopClock;
use crate::records::Records;
use crate::reports::ReportStore;
use crate::store::ConsoleStore;
use crate::system::System;

/// The console.
#[derive(Debug)]
pub struct Console {
    /// Playbooks, the one in force and the ones before.
    pub playbooks: PlaybookStore,
    /// Counts, by hour and day.
    pub figures: FiguresStore,
    /// What the daily job has made of the archive.
    pub reports: ReportStore,
    /// Sessions, attempts, changes.
    pub store: ConsoleStore,
    /// Users, deliveries, the archive.
    pub records: Records,
    /// Queues, functions, tables.
    pub system: System,
    /// It runs on a local engine, which speaks plain HTTP.
    pub is_local: bool,
    key: Secret<String>,
    password: Secret<String>,
}

impl Console {
    /// The console as its environment describes it (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment() -> Result<Self, MissingSetting> {
        let config = service::start()?;
        let tables = DynamoDb::new(&config);
        let secrets = SecretsManager::new(&config);
        let secret = |id: String| Secret::new(secrets.clone(), id, CONSOLE_KEY_REFRESH, access_key);
        Ok(Self {
            playbooks: PlaybookStore::new(tables.clone(), required("PLAYBOOK_TABLE")?),
            figures: FiguresStore::new(FiguresTable::new(tables.clone(), required("FIGURES_TABLE")?)),
            reports: ReportStore::new(ReportsBucket::new(&config, required("ARCHIVE_BUCKET")?)),
            store: ConsoleStore::new(tables, required("CONSOLE_TABLE")?),
            records: Records::from_environment(&config)?,
            system: System::from_environment(&config)?,
            is_local: config.endpoint_url().is_some(),
            key: secret(required("CONSOLE_KEY_ARN")?),
            password: secret(required("CONSOLE_PASSWORD_ARN")?),
        })
    }

    /// What signs sessions.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn key(&self, now: Timestamp) -> Result<String, Fault> {
        self.key.current(now).await
    }

    /// What opens the console.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn password(&self, now: Timestamp) -> Result<String, Fault> {
        self.password.current(now).await
    }
}

/// The clock of the shop that a playbook is for.
pub fn clock_of(playbook: &Playbook) -> ShopClock {
    ShopClock::of(&playbook.policy.time_zone)
}
