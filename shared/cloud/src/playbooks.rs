//! The published playbook: one item per version, which never changes, and one that points to the
//! version in force.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kairos_engine::bounds::{PLAYBOOK_REFRESH, PLAYBOOK_VERSIONS_KEPT_MAX};
use kairos_engine::playbook::{Playbook, PlaybookVersion};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::{Clock, Fault};

use crate::clock::SystemClock;
use crate::faults::fault;

const CURRENT: &str = "current";

/// Reads and publishes playbooks.
#[derive(Debug)]
pub struct PlaybookStore {
    client: Client,
    table: String,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    /// When it was last asked for.
    current: Option<(Timestamp, Arc<Playbook>)>,
    versions: Vec<Arc<Playbook>>,
}

impl PlaybookStore {
    /// The store in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, cache: Mutex::default() }
    }

    /// The playbook in force, asked for every [`PLAYBOOK_REFRESH`]. When it cannot be asked for anew, the
    /// one known stays in force until the next time.
    ///
    /// # Errors
    /// When none is published, or none is known and DynamoDB fails.
    pub async fn current(&self) -> Result<Arc<Playbook>, Fault> {
        let now = SystemClock.now();
        let known = self.cached(|cache| cache.current.clone());
        if let Some((asked_at, playbook)) = &known
            && now.since(*asked_at) < PLAYBOOK_REFRESH
        {
            return Ok(Arc::clone(playbook));
        }
        let playbook = match (self.read_current().await, known) {
            (Ok(playbook), _) => playbook,
            (Err(error), Some((_, playbook))) => {
                tracing::warn!(%error, "the playbook could not be asked for anew; the one known stays in force");
                playbook
            }
            (Err(error), None) => return Err(error),
        };
        // Also after a fault: a table that does not answer must not cost every request its time-out.
        self.cached(|cache| cache.current = Some((now, Arc::clone(&playbook))));
        Ok(playbook)
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
            if cache.versions.len() == PLAYBOOK_VERSIONS_KEPT_MAX {
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
        // Consistent, so that whoever sees a new pointer also sees the version that it points to.
        let request =
            self.client.get_item().table_name(&self.table).key("name", AttributeValue::S(name)).consistent_read(true);
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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
    use kairos_engine::time::Span;

    /// A store whose table nobody answers for.
    fn unreachable() -> PlaybookStore {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url("http://127.0.0.1:1")
            .http_client(crate::configuration::http_client())
            .retry_config(RetryConfig::disabled())
            .build();
        PlaybookStore::new(Client::from_conf(config), "playbook".into())
    }

    #[tokio::test]
    async fn while_the_table_does_not_answer_the_playbook_known_is_asked_for_anew_only_now_and_then() {
        let store = unreachable();
        let known = Arc::new(Playbook::default());
        let stale = SystemClock.now().minus(PLAYBOOK_REFRESH).minus(Span::from_secs(1));
        store.cached(|cache| cache.current = Some((stale, Arc::clone(&known))));
        assert!(Arc::ptr_eq(&store.current().await.unwrap(), &known));
        let asked_at = store.cached(|cache| cache.current.as_ref().map(|(asked_at, _)| *asked_at));
        assert!(asked_at.is_some_and(|asked_at| asked_at > stale), "the next request must not wait for it again");
    }
}
