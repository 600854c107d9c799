//! Which installation a command speaks to: a local engine, or a stack in AWS.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::backfills::Backfills;
use kairos_cloud::catalogue::CatalogueTable;
use kairos_cloud::figures::FiguresTable;
use kairos_cloud::https::http_client;
use kairos_cloud::interests::InterestsTable;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::promo_codes::PromoCodesTable;
use kairos_cloud::refusals::RefusalsTable;
use kairos_cloud::suppressions::SuppressionsTable;
use kairos_protocol::port::Fault;

use crate::local::{Engine, LocalError, Stack};
use crate::records::Records;
use crate::sender::with_causes;

/// Tables whose names are looked at in one account when a stack is searched for.
const TABLES_MAX: usize = 10_000;

/// Which installation, as the command line names it.
#[derive(Clone, Debug, clap::Args)]
pub struct TargetArguments {
    /// Name of the local engine (`kairos local up --name NAME`), or with --aws of the CloudFormation stack
    #[arg(long, global = true, default_value = crate::local::DEFAULT_NAME, env = "KAIROS_STACK")]
    pub stack: String,
    /// The stack in AWS, with the credentials and region that the AWS CLI would use
    #[arg(long, global = true)]
    pub aws: bool,
}

/// Why an installation cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The local engine cannot be asked.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// It does not run.
    #[error(
        "no local engine called {0} is running: start it with `kairos local up`, \
         or speak to a stack in AWS with --aws --stack NAME"
    )]
    NotRunning(String),
    /// The current directory cannot be told.
    #[error("the current directory cannot be read: {0}")]
    NoDirectory(std::io::Error),
    /// AWS cannot be asked.
    #[error("AWS could not list the tables: {0}. Are region and credentials set, as for the AWS CLI?")]
    ListTables(String),
    /// No table, or more than one.
    #[error(
        "{found} tables in this account and region are called {stack}-{logical}-…: \
         check --stack and AWS_REGION{}", if *.named { ", or name the table with --table" } else { "" }
    )]
    Table {
        /// The stack's name.
        stack: String,
        /// The table's logical id.
        logical: &'static str,
        /// How many.
        found: usize,
        /// Whether the command has `--table`.
        named: bool,
    },
    /// AWS cannot be asked.
    #[error("AWS could not list the buckets: {0}. Are region and credentials set, as for the AWS CLI?")]
    ListBuckets(Fault),
    /// No bucket, or more than one.
    #[error("{found} buckets in this account are called {prefix}…: check --stack and AWS_REGION")]
    Bucket {
        /// How its name begins.
        prefix: String,
        /// How many.
        found: usize,
    },
    /// No queue.
    #[error("there is no queue {name} in this account and region ({why}): check --stack and AWS_REGION")]
    Queue {
        /// What it should be called.
        name: String,
        /// What AWS says.
        why: String,
    },
}

/// An installation.
#[derive(Clone, Debug)]
pub struct Target {
    /// How to call AWS, or the local engine.
    pub config: SdkConfig,
    /// What the local engine says of itself; none in AWS.
    pub local: Option<Stack>,
    stack: String,
}

impl Target {
    /// The installation that the command line names.
    ///
    /// # Errors
    /// When it is local and not running.
    pub async fn find(arguments: &TargetArguments) -> Result<Self, TargetError> {
        if arguments.aws {
            let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client()).load().await;
            return Ok(Self { config, local: None, stack: arguments.stack.clone() });
        }
        let directory = std::env::current_dir().map_err(TargetError::NoDirectory)?;
        let engine = Engine::find(&directory, &arguments.stack)?;
        match engine.status().await? {
            Some(stack) => Ok(Self::local(stack)),
            None => Err(TargetError::NotRunning(arguments.stack.clone())),
        }
    }

    /// A running local engine.
    pub fn local(stack: Stack) -> Self {
        let credentials = &stack.credentials;
        let credentials = Credentials::new(
            credentials.access_key_id.clone(),
            credentials.secret_access_key.clone(),
            None,
            None,
            "local engine",
        );
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(stack.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(stack.endpoint.clone())
            .http_client(http_client())
            .build();
        Self { config, stack: stack.name.clone(), local: Some(stack) }
    }

    /// The store of playbooks, in `table` if it is given.
    ///
    /// # Errors
    /// When the table cannot be found.
    pub async fn playbooks(&self, table: Option<&str>) -> Result<PlaybookStore, TargetError> {
        let table = match table {
            Some(table) => table.to_owned(),
            None => self.table("PlaybookTable", true).await?,
        };
        Ok(PlaybookStore::new(self.dynamodb(), table))
    }

    /// Who cares about which product.
    ///
    /// # Errors
    /// When the table cannot be found.
    pub async fn interests(&self) -> Result<InterestsTable, TargetError> {
        Ok(InterestsTable::new(self.dynamodb(), self.table("InterestsTable", false).await?))
    }

    /// How far users have been brought to the playbook in force.
    ///
    /// # Errors
    /// When the table cannot be found.
    pub async fn backfills(&self) -> Result<Backfills, TargetError> {
        Ok(Backfills::new(self.dynamodb(), self.table("PlaybookTable", false).await?))
    }

    /// The shop's products.
    ///
    /// # Errors
    /// When the table cannot be found.
    pub async fn catalogue(&self) -> Result<CatalogueTable, TargetError> {
        Ok(CatalogueTable::new(self.dynamodb(), self.table("CatalogueTable", false).await?))
    }

    /// The promo codes.
    ///
    /// # Errors
    /// When the table cannot be found.
    pub async fn promo_codes(&self) -> Result<PromoCodesTable, TargetError> {
        Ok(PromoCodesTable::new(self.dynamodb(), self.table("PromoCodesTable", false).await?))
    }

    /// The addresses to which nothing is sent.
    ///
    /// # Errors
    /// When the table cannot be found.
    pub async fn suppressions(&self) -> Result<SuppressionsTable, TargetError> {
        Ok(SuppressionsTable::new(self.dynamodb(), self.table("SuppressionsTable", false).await?))
    }

    /// The name of the secret that opens the catalogue, as template.yaml gives it.
    pub fn catalogue_key(&self) -> String {
        let stack = self.local.as_ref().map_or(&self.stack, |stack| &stack.stack);
        format!("{stack}/catalogue-key")
    }

    /// What is counted of each hour and day.
    ///
    /// # Errors
    /// When the table cannot be found.
    pub async fn figures(&self) -> Result<FiguresTable, TargetError> {
        Ok(FiguresTable::new(self.dynamodb(), self.table("FiguresTable", false).await?))
    }

    /// What is recorded of users, deliveries and addresses.
    ///
    /// # Errors
    /// When a table cannot be found.
    pub async fn records(&self) -> Result<Records, TargetError> {
        let users = self.table("UsersTable", false).await?;
        let deliveries = self.table("DeliveriesTable", false).await?;
        let addresses = self.table("AddressesTable", false).await?;
        Ok(Records::new(self.dynamodb(), users, deliveries, addresses))
    }

    /// The refused events.
    ///
    /// # Errors
    /// When the table cannot be found.
    pub async fn refusals(&self) -> Result<RefusalsTable, TargetError> {
        Ok(RefusalsTable::new(self.dynamodb(), self.table("RefusalsTable", false).await?))
    }

    /// The address of a queue of the stack, by the output that the local engine gives it and its name in template.yaml.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn queue(
        &self,
        sqs: &aws_sdk_sqs::Client,
        output: &str,
        name: &'static str,
    ) -> Result<String, TargetError> {
        if let Some(url) = self.local.as_ref().and_then(|stack| stack.outputs.get(output)) {
            return Ok(url.clone());
        }
        let name = format!("{}-{name}", self.stack);
        let found = sqs.get_queue_url().queue_name(&name).send().await;
        let url = found.map_err(|error| TargetError::Queue { name: name.clone(), why: with_causes(&error) })?.queue_url;
        url.ok_or(TargetError::Queue { name, why: "AWS gave no address for it".into() })
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// What happened.
    ///
    /// # Errors
    /// When the bucket cannot be found.
    pub async fn archive(&self) -> Result<ArchiveBucket, TargetError> {
        if let Some(name) = self.local.as_ref().and_then(|stack| stack.outputs.get("ArchiveBucket")) {
            return Ok(ArchiveBucket::new(&self.config, name.clone()));
        }
        // CloudFormation calls it after the stack and its logical id, in lower case.
        let prefix = format!("{}-archivebucket-", self.stack.to_lowercase());
        let mut found = ArchiveBucket::with_prefix(&self.config, &prefix).await.map_err(TargetError::ListBuckets)?;
        match (found.pop(), found.len()) {
            (Some(name), 0) => Ok(ArchiveBucket::new(&self.config, name)),
            (last, others) => Err(TargetError::Bucket { prefix, found: others + usize::from(last.is_some()) }),
        }
    }

    /// The name of a table of the stack. CloudFormation calls it after the stack and its logical id.
    async fn table(&self, logical: &'static str, named: bool) -> Result<String, TargetError> {
        if let Some(name) = self.local.as_ref().and_then(|stack| stack.outputs.get(logical)) {
            return Ok(name.clone());
        }
        let prefix = format!("{}-{logical}-", self.stack);
        let mut names = self.dynamodb().list_tables().into_paginator().items().send();
        let mut found = Vec::new();
        for _ in 0..TABLES_MAX {
            match names.next().await {
                Some(Ok(name)) if name.starts_with(&prefix) => found.push(name),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(TargetError::ListTables(with_causes(&error))),
                None => break,
            }
        }
        let count = found.len();
        match (found.pop(), count) {
            (Some(name), 1) => Ok(name),
            _ => Err(TargetError::Table { stack: self.stack.clone(), logical, found: count, named }),
        }
    }
}
