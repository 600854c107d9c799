//! The ports that only `ingest` needs, on AWS.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use kairos_cloud::faults::fault;
use kairos_cloud::items::{number, text};
use kairos_cloud::playbooks::PlaybookStore;
use kairos_engine::playbook::Playbook;
use kairos_protocol::port::Fault;

use crate::handle::Playbooks;
use crate::refusals::{KeptRefusal, Refusals};

impl Playbooks for PlaybookStore {
    async fn current(&self) -> Result<Arc<Playbook>, Fault> {
        self.in_force().await
    }
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
