//! How far the newest backfill has come: one item beside the playbooks, which only `segmentation` writes.

use aws_sdk_dynamodb::Client;
use kairos_protocol::port::Fault;
use kairos_protocol::segmentation::{self, Backfill};

use crate::faults::{fault, without_content};
use crate::items::{Condition, Item, PutOutcome, number, put_if, text, text_in};

const NAME: &str = "backfill";

/// The record of the newest backfill, in the table of playbooks.
#[derive(Clone, Debug)]
pub struct Backfills {
    client: Client,
    table: String,
}

impl Backfills {
    /// The record in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl segmentation::Backfills for Backfills {
    async fn load(&self) -> Result<Option<Backfill>, Fault> {
        let request = self.client.get_item().table_name(&self.table).key("name", text(NAME)).consistent_read(true);
        let answer = request.send().await.map_err(|error| fault("PlaybookTable GetItem", &error))?;
        let Some(item) = answer.item else { return Ok(None) };
        let damaged = |why: String| Fault::Permanent { what: "reading the backfill's record", why };
        let record = text_in(&item, "record")
            .ok_or_else(|| damaged("it has no `record`: delete the item, and it begins anew".into()))?;
        Backfill::from_json(record).map(Some).map_err(|error| damaged(without_content(&error)))
    }

    async fn save(&self, backfill: &Backfill, expected: Option<u64>) -> Result<bool, Fault> {
        let record = backfill
            .to_json()
            .map_err(|error| Fault::Permanent { what: "writing the backfill's record", why: error.to_string() })?;
        let item = Item::from([
            ("name".to_owned(), text(NAME)),
            ("record".to_owned(), text(record)),
            ("revision".to_owned(), number(backfill.revision)),
        ]);
        let condition = Condition::still(expected, "name");
        Ok(match put_if(&self.client, &self.table, item, condition, "PlaybookTable PutItem").await? {
            PutOutcome::Written => true,
            // Perhaps by this very call, whose answer was lost: the next invocation goes on from there.
            PutOutcome::Same | PutOutcome::Conflict(_) => false,
        })
    }
}
