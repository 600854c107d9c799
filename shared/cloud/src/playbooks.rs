//! The published playbook: one item per version, which never changes, and one that points to the
//! version in force.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kairos_engine::bounds::PLAYBOOK_REFRESH;
use kairos_engine::playbook::{Playbook, PlaybookVersion};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::{Clock, Fault};

use crate::clock::SystemClock;
use crate::faults::fault;

const CURRENT: &str = "current";

/// Versions kept in memory: the current one and a few that deliveries under way still need.
const VERSIONS_KEPT_MAX: usize = 8;

/// Reads and publishes playbooks.
#[derive(Debug)]
pub struct PlaybookStore {
    client: Client,
    table: String,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    current: Option<(Timestamp, Arc<Playbook>)>,
    versions: Vec<Arc<Playbook>>,
}

impl PlaybookStore {
    /// The store in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, cache: Mutex::default() }
    }

    /// The playbook in force, at most [`PLAYBOOK_REFRESH`] old. When it cannot be asked for anew, the
    /// one known stays in force.
    ///
    /// # Errors
    /// When none is published, or none is known and DynamoDB fails.
    pub async fn current(&self) -> Result<Arc<Playbook>, Fault> {
        let now = SystemClock.now();
        let known = self.cached(|cache| cache.current.clone());
        if let Some((read_at, playbook)) = &known
            && now.since(*read_at) < PLAYBOOK_REFRESH
        {
            return Ok(Arc::clone(playbook));
        }
        match self.read_current().await {
            Ok(playbook) => {
                self.cached(|cache| cache.current = Some((now, Arc::clone(&playbook))));
                Ok(playbook)
            }
            Err(error) => match known {
                Some((_, playbook)) => {
                    tracing::warn!(%error, "the playbook could not be asked for anew; the one known stays in force");
                    Ok(playbook)
                }
                None => Err(error),
            },
        }
    }

    async fn read_current(&self) -> Result<Arc<Playbook>, Fault> {
        let pointer = self.get(CURRENT.to_owned()).await?.ok_or_else(|| Fault::Permanent {
            what: "reading the playbook",
            why: "none is published yet: run `kairos publish`".into(),
        })?;
        self.version(&PlaybookVersion(text(&pointer, "version")?)).await
    }

    /// The playbook of this version.
    ///
    /// # Errors
    /// When there is no such version, or it cannot be read.
    pub async fn version(&self, version: &PlaybookVersion) -> Result<Arc<Playbook>, Fault> {
        if let Some(known) = self.cached(|cache| cache.versions.iter().find(|known| known.version == *version).cloned())
        {
            return Ok(known);
        }
        let item = self.get(format!("version#{version}")).await?.ok_or_else(|| Fault::Permanent {
            what: "reading the playbook",
            why: format!("version {version} is not in the table: publish that playbook again"),
        })?;
        let playbook: Playbook = serde_json::from_str(&text(&item, "playbook")?).map_err(|error| Fault::Permanent {
            what: "reading the playbook",
            why: format!(
                "version {version} cannot be understood ({error}): publish it again with this version of Kairos"
            ),
        })?;
        let playbook = Arc::new(playbook);
        self.cached(|cache| {
            if cache.versions.len() == VERSIONS_KEPT_MAX {
                cache.versions.remove(0);
            }
            cache.versions.push(Arc::clone(&playbook));
        });
        Ok(playbook)
    }

    /// Writes a compiled playbook and puts it in force.
    ///
    /// # Errors
    /// When DynamoDB fails; the playbook in force before then stays so.
    pub async fn publish(&self, playbook: &Playbook) -> Result<(), Fault> {
        let version = playbook.version.to_string();
        let body = serde_json::to_string(playbook)
            .map_err(|error| Fault::Permanent { what: "writing the playbook", why: error.to_string() })?;
        self.put(format!("version#{version}"), ("playbook", body)).await?;
        self.put(CURRENT.to_owned(), ("version", version)).await
    }

    async fn get(&self, name: String) -> Result<Option<HashMap<String, AttributeValue>>, Fault> {
        let request = self.client.get_item().table_name(&self.table).key("name", AttributeValue::S(name));
        request.send().await.map(|answer| answer.item).map_err(|error| fault("PlaybookTable GetItem", &error))
    }

    async fn put(&self, name: String, (attribute, value): (&str, String)) -> Result<(), Fault> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("name", AttributeValue::S(name))
            .item(attribute, AttributeValue::S(value))
            .item("published_at", AttributeValue::S(SystemClock.now().to_string()));
        request.send().await.map(drop).map_err(|error| fault("PlaybookTable PutItem", &error))
    }

    fn cached<T>(&self, work: impl FnOnce(&mut Cache) -> T) -> T {
        // A cache is sound whatever a panicking thread left in it.
        work(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn text(item: &HashMap<String, AttributeValue>, name: &str) -> Result<String, Fault> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().ok_or_else(|| Fault::Permanent {
        what: "reading the playbook",
        why: format!("the item has no `{name}`: publish the playbook again"),
    })
}
