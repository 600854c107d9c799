//! The ports that only `ingest` needs, on AWS.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_secretsmanager::Client as SecretsManager;
use kairos_cloud::faults::fault;
use kairos_cloud::items::{number, text};
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::secrets::{Secret, access_key};
use kairos_engine::bounds::SERVER_KEY_REFRESH;
use kairos_engine::event::SHOP_SERVER;
use kairos_engine::playbook::{Playbook, Source};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;

use crate::handle::Playbooks;
use crate::refusals::{KeptRefusal, Refusals};

/// The playbook in force, and the key of the shop's server.
#[derive(Debug)]
pub struct Sources {
    playbooks: PlaybookStore,
    server_key: Secret<String>,
}

impl Sources {
    /// What this store and the secret with this ARN say.
    pub fn new(playbooks: PlaybookStore, secrets: OnFirstUse<SecretsManager>, server_key_arn: String) -> Self {
        Self { playbooks, server_key: Secret::new(secrets, server_key_arn, SERVER_KEY_REFRESH, server_key) }
    }
}

impl Playbooks for Sources {
    async fn current(&self) -> Result<Arc<Playbook>, Fault> {
        self.playbooks.outline().await
    }

    async fn server(&self, now: Timestamp) -> Result<Source, Fault> {
        Ok(Source { name: SHOP_SERVER.to_owned(), write_key: self.server_key.current(now).await? })
    }
}

/// Reads the key of the shop's server.
fn server_key(text: &str) -> Result<String, String> {
    let key = access_key(text)?;
    // Clients send it as the name of Basic authentication, and a key with an asterisk is a masked one to us.
    if key.contains(|c: char| c == '*' || c == ':' || c.is_whitespace()) {
        return Err("the key has an asterisk, a colon or a space: store one of at least 24 letters and digits".into());
    }
    Ok(key)
}

/// The table of refused events: key `source`, `refused_at`; TTL `expires_at`.
#[derive(Clone, Debug)]
pub struct RefusalsTable {
    client: Client,
    table: String,
}

impl RefusalsTable {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl Refusals for RefusalsTable {
    async fn keep(&self, refusal: &KeptRefusal) -> Result<(), Fault> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("source", text(&refusal.source))
            .item("refused_at", text(&refusal.refused_at))
            .item("code", text(refusal.code))
            .item("message", text(&refusal.message))
            .item("excerpt", text(&refusal.excerpt))
            .item("expires_at", number(refusal.expires_at));
        request.send().await.map(drop).map_err(|error| fault("RefusalsTable PutItem", &error))
    }
}
