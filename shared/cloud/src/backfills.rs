//! How far the newest backfill has come: one item beside the playbooks, which only `segmentation` writes.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use kairos_protocol::port::Fault;
use kairos_protocol::segmentation::{self, Backfill};

use crate::faults::{fault, without_content};

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
        let name = AttributeValue::S(NAME.into());
        let request = self.client.get_item().table_name(&self.table).key("name", name).consistent_read(true);
        let answer = request.send().await.map_err(|error| fault("PlaybookTable GetItem", &error))?;
        let Some(item) = answer.item else { return Ok(None) };
        let damaged = |why: String| Fault::Permanent { what: "reading the backfill's record", why };
        let record = item.get("record").and_then(|value| value.as_s().ok());
        let record = record.ok_or_else(|| damaged("it has no `record`: delete the item, and it begins anew".into()))?;
        Backfill::from_json(record).map(Some).map_err(|error| damaged(without_content(&error)))
    }

    async fn save(&self, backfill: &Backfill, expected: Option<u64>) -> Result<bool, Fault> {
        let record = backfill
            .to_json()
            .map_err(|error| Fault::Permanent { what: "writing the backfill's record", why: error.to_string() })?;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("name", AttributeValue::S(NAME.into()))
            .item("record", AttributeValue::S(record))
            .item("revision", AttributeValue::N(backfill.revision.to_string()));
        let request = match expected {
            None => {
                request.condition_expression("attribute_not_exists(#name)").expression_attribute_names("#name", "name")
            }
            Some(revision) => request
                .condition_expression("revision = :expected")
                .expression_attribute_values(":expected", AttributeValue::N(revision.to_string())),
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                // Perhaps by this very call, whose answer was lost: the next invocation goes on from there.
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(fault("PlaybookTable PutItem", &error)),
            },
        }
    }
}
