//! One DynamoDB item per delivery.
//!
//! | attribute | what |
//! |---|---|
//! | `delivery` (S, key) | the delivery id, hexadecimal |
//! | `record` (S) | [`DeliveryRecord::to_json`]: all there is to know |
//! | `revision` (N) | condition of the next write |
//! | `status`, `play`, `channel`, `user` (S), `changed_at` (N, ms) | copies out of the record, for people and filters |
//! | `expires_at` (N) | TTL, in seconds |

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use kairos_cloud::faults::fault;
use kairos_engine::identifiers::DeliveryId;
use kairos_protocol::delivery::{DeliveryRecord, Put, Records};
use kairos_protocol::port::Fault;

type Item = HashMap<String, AttributeValue>;

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
            .key("delivery", AttributeValue::S(delivery.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault("DeliveriesTable GetItem", &error))?;
        answer.item.as_ref().map(read_item).transpose()
    }
}

impl Records for DeliveriesTable {
    async fn put(&self, record: &DeliveryRecord, expected_revision: Option<u32>) -> Result<Put, Fault> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write_item(record)?))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match expected_revision {
            None => request.condition_expression("attribute_not_exists(delivery)"),
            Some(revision) => request
                .condition_expression("revision = :expected")
                .expression_attribute_values(":expected", AttributeValue::N(revision.to_string())),
        };
        let Err(error) = request.send().await else { return Ok(Put::Written) };
        match error.as_service_error() {
            Some(aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(conflict)) => {
                let there = match conflict.item() {
                    Some(item) => Some(read_item(item)?),
                    // Nothing there, or an engine that does not say what is.
                    None => self.get(record.delivery).await?,
                };
                Ok(Put::Conflict(there.map(Box::new)))
            }
            _ => Err(fault("DeliveriesTable PutItem", &error)),
        }
    }
}

fn write_item(record: &DeliveryRecord) -> Result<Item, Fault> {
    let json = record.to_json().map_err(|error| damaged(&error))?;
    Ok(HashMap::from([
        ("delivery".to_owned(), AttributeValue::S(record.delivery.to_string())),
        ("record".to_owned(), AttributeValue::S(json)),
        ("revision".to_owned(), AttributeValue::N(record.revision.to_string())),
        ("status".to_owned(), AttributeValue::S(record.status.as_str().to_owned())),
        ("play".to_owned(), AttributeValue::S(record.play.clone())),
        ("channel".to_owned(), AttributeValue::S(record.channel.as_str().to_owned())),
        ("user".to_owned(), AttributeValue::S(record.user.to_string())),
        ("changed_at".to_owned(), AttributeValue::N(record.changed_at.as_millis().to_string())),
        ("expires_at".to_owned(), AttributeValue::N(record.expires_at_secs().to_string())),
    ]))
}

fn read_item(item: &Item) -> Result<DeliveryRecord, Fault> {
    let json = item.get("record").and_then(|value| value.as_s().ok()).ok_or_else(|| damaged(&"it has no `record`"))?;
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

    const GOLDEN: &str = include_str!("../../../shared/protocol/tests/golden/delivery_record_v1.json");

    #[test]
    fn an_item_reads_back_as_it_was_written() {
        let record = DeliveryRecord::from_json(GOLDEN).unwrap();
        let item = write_item(&record).unwrap();
        assert_eq!(item["status"], AttributeValue::S("sent".into()));
        assert_eq!(item["revision"], AttributeValue::N("2".into()));
        // 90 days after its last change, in seconds.
        assert_eq!(item["expires_at"], AttributeValue::N("1771502400".into()));
        assert_eq!(read_item(&item).unwrap(), record);
    }

    #[test]
    fn a_damaged_item_says_what_to_do_and_nothing_of_its_content() {
        for record in [None, Some("{"), Some(r#"{"v":"9","address":"ada@example.com"}"#)] {
            let item: Item =
                record.map(|text| ("record".to_owned(), AttributeValue::S(text.to_owned()))).into_iter().collect();
            let error = read_item(&item).unwrap_err().to_string();
            assert!(error.contains("deploy") && !error.contains("ada"), "{error}");
        }
    }
}
