//! The engines that tests play on: each started once, by the first test that needs it.
//!
//! An engine ends with this process, however that ends: its guard watches the process id (`--owner`).

use std::fs;
use std::future::Future;
use std::path::Path;
use std::process;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::{BehaviorVersion, SharedAsyncSleep};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_types::SdkConfig;
use aws_types::region::Region;
use kairos_cli::local::{Engine, Stack, UpOptions};
use kairos_cloud::https::http_client;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::users::UsersTable;
use tokio::sync::OnceCell;

use super::messengers::Messengers;
use super::receiver::Receiver;
use super::{built, playbook, root};

/// A running system with what tests use to look at it.
pub(crate) struct Stage {
    /// The engine it runs on.
    pub(crate) engine: Engine,
    /// What is deployed there.
    pub(crate) stack: Stack,
    /// Where the playbook sends webhooks.
    pub(crate) receiver: Receiver,
    /// What plays Telegram, Viber, WhatsApp and push services, where a test asked for them.
    pub(crate) messengers: Option<Messengers>,
    /// For requests as clients make them: no proxy, no redirects followed, no compression added.
    pub(crate) http: reqwest::Client,
    /// May do everything.
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    /// May do everything.
    pub(crate) sqs: aws_sdk_sqs::Client,
    /// The users' items.
    pub(crate) users: UsersTable,
    /// What `dynamodb` and `sqs` were made of.
    pub(crate) config: SdkConfig,
}

/// Who gets the week's letter.
pub(crate) const OWNER: &str = "owner@shop.example";

type Shared = OnceCell<Result<Stage, String>>;

impl Stage {
    /// The system as it is deployed: for everything that does not disturb others.
    pub(crate) async fn shared() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, Self::start("shared", None)).await
    }

    /// A system whose `decide` is not fed, so that what `ingest` has put into mailboxes stays there to be read.
    pub(crate) async fn mailboxes() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let stage = Self::start("mailboxes", None).await?;
            stage.engine.pause("DecideFunction").await.map_err(|error| error.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system of one test, which publishes other playbooks.
    pub(crate) async fn alone() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, Self::start("alone", None)).await
    }

    /// A system with the shipped playbook.
    pub(crate) async fn shipped() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let stage = Self::start("shipped", None).await?;
            let loaded = kairos_playbook::load(&root().join("playbook"))
                .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            store.publish(&loaded.playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose plays are about the catalogue.
    pub(crate) async fn catalogue() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let stage = Self::start("catalogue", None).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::catalogue::with_catalogue(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose plays give promo codes; failed messages come again after 2 s.
    pub(crate) async fn promo_codes() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let stage = Self::start("promo-codes", Some(2)).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::promo_codes::with_promotions(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose plays ask for consent.
    pub(crate) async fn consent() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let stage = Self::start("consent", Some(2)).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::consent::with_consent(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose plays count links; failed messages come again after 2 s.
    pub(crate) async fn links() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let stage = Self::start("links", Some(2)).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::links::with_links(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose plays write to messengers; failed messages come again after 2 s.
    pub(crate) async fn messengers() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let messengers = Messengers::start().await.map_err(|error| format!("no messengers: {error}"))?;
            let stage = Self::start_with("messengers", Some(2), Some(messengers)).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::messengers::with_messengers(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose messengers are out of order for a while; failed messages come again after 2 s.
    pub(crate) async fn outage() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let messengers = Messengers::start().await.map_err(|error| format!("no messengers: {error}"))?;
            let stage = Self::start_with("outage", Some(2), Some(messengers)).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::messengers::with_messengers(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system that hears what becomes of messages; what failed comes again after 2 s.
    pub(crate) async fn receipts() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let messengers = Messengers::start().await.map_err(|error| format!("no messengers: {error}"))?;
            let stage = Self::start_with("receipts", Some(2), Some(messengers)).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::receipts::with_receipts(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose plays show notifications in browsers; failed messages come again after 2 s.
    pub(crate) async fn web_push() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let messengers = Messengers::start().await.map_err(|error| format!("no push services: {error}"))?;
            let stage = Self::start_with("web-push", Some(2), Some(messengers)).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::web_push::with_notifications(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose plays show messages on the shop's pages.
    pub(crate) async fn on_site() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let stage = Self::start("on-site", None).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::on_site::with_messages(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose console is looked at; failed messages come again after 2 s.
    pub(crate) async fn console_people() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, Self::start("console-people", Some(2))).await
    }

    /// A system whose traffic is known, as one test alone makes it.
    pub(crate) async fn reports() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, async {
            let stage = Self::start("reports", None).await?;
            let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
            let playbook = crate::reports::with_conversions(&stage.receiver.url());
            store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
            Ok(stage)
        })
        .await
    }

    /// A system whose console is looked at.
    pub(crate) async fn console() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, Self::start("console", None)).await
    }

    /// A system that is treated roughly; failed messages come again after 2 s.
    pub(crate) async fn rough() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, Self::start("rough", Some(2))).await
    }

    /// A system whose processes are killed; failed messages come again after 2 s.
    pub(crate) async fn stormy() -> &'static Self {
        static STAGE: Shared = OnceCell::const_new();
        started(&STAGE, Self::start("stormy", Some(2))).await
    }

    async fn start(role: &str, retry_after_s: Option<u32>) -> Result<Self, String> {
        Self::start_with(role, retry_after_s, None).await
    }

    async fn start_with(
        role: &str,
        retry_after_s: Option<u32>,
        messengers: Option<Messengers>,
    ) -> Result<Self, String> {
        let binaries = built::binaries()?;
        forget_ended_engines();
        let receiver = Receiver::start().await.map_err(|error| format!("no receiver for webhooks: {error}"))?;
        let engine = Engine::new(root(), format!("tests-{}-{role}", process::id()));
        let options = UpOptions {
            binaries: Some(binaries),
            parameters: vec![
                ("WebhookPrivateHosts".into(), receiver.authority()),
                ("MessengersStandIn".into(), messengers.as_ref().map(Messengers::authority).unwrap_or_default()),
                // So that what cannot be read is set aside within a test's patience.
                ("MailboxReceivesMax".into(), "10".into()),
                // So that the alarms are there.
                ("OperationsEmail".into(), "operations@shop.example".into()),
                ("OwnerEmail".into(), OWNER.into()),
            ],
            owner: Some(process::id()),
            retry_after_s,
            ..UpOptions::default()
        };
        let stack = engine.up(&options).await.map_err(|error| error.to_string())?;
        let config = config_with(
            &stack,
            Credentials::new(
                &stack.credentials.access_key_id,
                &stack.credentials.secret_access_key,
                None,
                None,
                "tests",
            ),
        );
        // Fails only when another one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let stage = Self {
            http: http.map_err(|error| error.to_string())?,
            sqs: aws_sdk_sqs::Client::new(&config),
            users: UsersTable::new(dynamodb.clone(), stack.outputs["UsersTable"].clone()),
            engine,
            receiver,
            messengers,
            dynamodb,
            stack,
            config,
        };
        let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
        let playbook = playbook::playbook(&stage.receiver.url());
        store.publish(&playbook).await.map_err(|fault| fault.to_string())?;
        Ok(stage)
    }

    /// An output of the template.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.stack.outputs.get(name).unwrap_or_else(|| panic!("template.yaml has no output {name}"))
    }

    /// The configuration of a client with other credentials.
    pub(crate) fn config_with(&self, credentials: Credentials) -> SdkConfig {
        config_with(&self.stack, credentials)
    }
}

async fn started(cell: &'static Shared, start: impl Future<Output = Result<Stage, String>>) -> &'static Stage {
    match cell.get_or_init(|| start).await {
        Ok(stage) => stage,
        Err(why) => panic!("the system under test is not running: {why}"),
    }
}

fn config_with(stack: &Stack, credentials: Credentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(stack.region.clone()))
        .endpoint_url(&stack.endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .build()
}

/// Removes the files of earlier runs' engines, which ended with their process.
fn forget_ended_engines() {
    let local = root().join(".local");
    for entry in fs::read_dir(&local).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(run) = name.strip_prefix("run-tests-") else { continue };
        let Some((pid, role)) = run.split_once('-') else { continue };
        if !Path::new("/proc").join(pid).exists() {
            // Another run may be tidying up too.
            let _ = fs::remove_dir_all(entry.path());
            let _ = fs::remove_file(local.join(format!("stack-tests-{pid}-{role}.json")));
        }
    }
}
