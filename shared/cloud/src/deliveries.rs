//! One DynamoDB item per delivery.
//!
//! | attribute | what |
//! |---|---|
//! | `delivery` (S, key) | the delivery id, hexadecimal |
//! | `record` (S) | [`DeliveryRecord::to_json`]: all there is to know |
//! | `revision` (N) | condition of the next write |
//! | `provider_id` (S, key of the index `provider_ids`) | the channel and what its provider calls the message, where receipts name that alone |
//! | `status`, `play`, `channel`, `user` (S), `changed_at` (N, ms) | copies out of the record, for people and filters |
//! | `expires_at` (N) | TTL, in seconds |

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::Client;
use kairos_engine::bounds::READ_BATCH_KEYS_MAX;
use kairos_engine::identifiers::DeliveryId;
use kairos_engine::playbook::Channel;
use kairos_protocol::delivery::{DeliveryRecord, Put, Records, provider_key};
use kairos_protocol::port::Fault;

use crate::faults::fault;
use crate::items::{Condition, Item, PutOutcome, left_unprocessed, number, put_if, read_batch, text, text_in};

/// The sparse index of deliveries by what their provider calls them.
const PROVIDER_IDS: &str = "provider_ids";

/// The table of deliveries.
#[derive(Clone, Debug)]
pub struct DeliveriesTable {
    client: Client,
    table: String,
}

impl DeliveriesTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The record of a delivery, strongly consistent.
    ///
    /// # Errors
    /// When DynamoDB fails or the item is damaged.
    pub async fn get(&self, delivery: DeliveryId) -> Result<Option<DeliveryRecord>, Fault> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("delivery", text(delivery.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault("DeliveriesTable GetItem", &error))?;
        answer.item.as_ref().map(read_item).transpose()
    }

    /// The records of these deliveries, at most [`READ_BATCH_KEYS_MAX`]. One that is not there is not in it: it was not taken
    /// up yet, or is forgotten.
    ///
    /// # Errors
    /// When DynamoDB fails or an item is damaged.
    pub async fn get_all(
        &self,
        deliveries: impl IntoIterator<Item = DeliveryId>,
    ) -> Result<BTreeMap<DeliveryId, DeliveryRecord>, Fault> {
        const READ: &str = "DeliveriesTable BatchGetItem";
        let distinct: BTreeSet<DeliveryId> = deliveries.into_iter().take(READ_BATCH_KEYS_MAX).collect();
        if distinct.is_empty() {
            return Ok(BTreeMap::new());
        }
        let keys = distinct.into_iter().map(|delivery| Item::from([("delivery".into(), text(delivery.to_string()))]));
        let read = read_batch(&self.client, &self.table, keys.collect(), READ).await?;
        if !read.unread.is_empty() {
            return Err(left_unprocessed(READ));
        }
        let records = read.items.iter().map(read_item);
        records.map(|record| record.map(|record| (record.delivery, record))).collect()
    }

    /// Which delivery a provider calls so. The index is a moment behind the table.
    ///
    /// # Errors
    /// When DynamoDB fails or the item is damaged.
    pub async fn of_provider(&self, channel: Channel, provider_id: &str) -> Result<Option<DeliveryId>, Fault> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(PROVIDER_IDS)
            .key_condition_expression("provider_id = :id")
            .expression_attribute_values(":id", text(provider_key(channel, provider_id)))
            .limit(1);
        let answer = request.send().await.map_err(|error| fault("DeliveriesTable Query", &error))?;
        let Some(item) = answer.items.unwrap_or_default().into_iter().next() else { return Ok(None) };
        let delivery = text_in(&item, "delivery").and_then(DeliveryId::parse);
        delivery.map(Some).ok_or_else(|| damaged(&"its `delivery` is none"))
    }
}

impl Records for DeliveriesTable {
    async fn put(&self, record: &DeliveryRecord, expected_revision: Option<u32>) -> Result<Put, Fault> {
        let condition = Condition::still(expected_revision, "delivery");
        let there =
            match put_if(&self.client, &self.table, write_item(record)?, condition, "DeliveriesTable PutItem").await? {
                PutOutcome::Written => return Ok(Put::Written),
                // Perhaps by this very call, whose answer was lost; perhaps by another one, which is sending it.
                PutOutcome::Same => Some(record.clone()),
                PutOutcome::Conflict(Some(item)) => Some(read_item(&item)?),
                PutOutcome::Conflict(None) => self.get(record.delivery).await?,
            };
        Ok(Put::Conflict(there.map(Box::new)))
    }
}

fn write_item(record: &DeliveryRecord) -> Result<Item, Fault> {
    let json = record.to_json().map_err(|error| damaged(&error))?;
    let provider_id = record.found_by_provider_id().map(|id| ("provider_id".to_owned(), text(id)));
    let mut item = Item::from([
        ("delivery".to_owned(), text(record.delivery.to_string())),
        ("record".to_owned(), text(json)),
        ("revision".to_owned(), number(record.revision)),
        ("status".to_owned(), text(record.status.as_str())),
        ("play".to_owned(), text(record.play.clone())),
        ("channel".to_owned(), text(record.channel.as_str())),
        ("user".to_owned(), text(record.user.to_string())),
        ("changed_at".to_owned(), number(record.changed_at.as_millis())),
        ("expires_at".to_owned(), number(record.expires_at_secs())),
    ]);
    item.extend(provider_id);
    Ok(item)
}

fn read_item(item: &Item) -> Result<DeliveryRecord, Fault> {
    let json = text_in(item, "record").ok_or_else(|| damaged(&"it has no `record`"))?;
    DeliveryRecord::from_json(json).map_err(|error| damaged(&format!("{:?}", error.classify())))
}

fn damaged(why: &dyn std::fmt::Display) -> Fault {
    Fault::Permanent {
        what: "reading or writing a delivery record",
        why: format!("{why}; a newer version of Kairos may have written it: deploy that one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../protocol/tests/golden/delivery_record_v1.json");

    #[test]
    fn an_item_reads_back_as_it_was_written() {
        let record = DeliveryRecord::from_json(GOLDEN).unwrap();
        let item = write_item(&record).unwrap();
        assert_eq!(item["status"], text("sent"));
        assert_eq!(item["revision"], number(2));
        assert_eq!(item["provider_id"], text("email#0100019a-7b1c"));
        // 90 days after its last change, in seconds.
        assert_eq!(item["expires_at"], number(1_771_502_400));
        assert_eq!(read_item(&item).unwrap(), record);
    }

    #[test]
    fn a_damaged_item_says_what_to_do_and_nothing_of_its_content() {
        for record in [None, Some("{"), Some(r#"{"v":"9","address":"ada@example.com"}"#)] {
            let item: Item = record.map(|record| ("record".to_owned(), text(record))).into_iter().collect();
            let error = read_item(&item).unwrap_err().to_string();
            assert!(error.contains("deploy") && !error.contains("ada"), "{error}");
        }
    }
}
