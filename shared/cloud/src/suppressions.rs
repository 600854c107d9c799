//! The suppression list: one DynamoDB item per dead address. An address is dead for everybody, whoever has it.
//!
//! | attribute | what |
//! |---|---|
//! | `id` (S, key) | the channel and the address's key, as in `email#bb01…` |
//! | `channel`, `reason`, `source` (S) | on which channel, why, who said so |
//! | `address` (S) | the address itself, when it was said: for people who look into the list, and for other systems |
//! | `at` (N) | since when, in ms |

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::identifiers::AddressKey;
use kairos_engine::playbook::Channel;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;

use crate::faults::fault;

type Item = HashMap<String, AttributeValue>;

/// A dead address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// On which channel.
    pub channel: Channel,
    /// Which.
    pub key: AddressKey,
    /// The address itself, when it is known.
    pub address: Option<String>,
    /// Why.
    pub reason: SuppressionReason,
    /// Who said so: a function, a file, a person.
    pub source: String,
    /// Since when.
    pub at: Timestamp,
}

/// What became of a change of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is as was asked for.
    Done,
    /// It was left as it is: a complaint is not overwritten by anything less, an address is not on the list.
    LeftAsItIs,
}

/// The table of dead addresses.
#[derive(Clone, Debug)]
pub struct SuppressionsTable {
    client: Client,
    table: String,
}

impl SuppressionsTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Puts an address on the list. One on which its owner has complained stays there for that.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn add(&self, suppression: &Suppression) -> Result<Changed, Fault> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(write_item(suppression)));
        let request = match suppression.reason {
            SuppressionReason::Complaint => request,
            _ => request
                .condition_expression("attribute_not_exists(id) OR reason <> :complaint")
                .expression_attribute_values(":complaint", text(SuppressionReason::Complaint.as_str())),
        };
        let Err(error) = request.send().await else { return Ok(Changed::Done) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Changed::LeftAsItIs),
            _ => Err(fault("SuppressionsTable PutItem", &error)),
        }
    }

    /// Takes an address off the list: when it is there for this reason, or for any without one.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn remove(
        &self,
        channel: Channel,
        key: AddressKey,
        reason: Option<SuppressionReason>,
    ) -> Result<Changed, Fault> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(suppression_id(channel, key)));
        let request = match reason {
            None => request.condition_expression("attribute_exists(id)"),
            Some(reason) => request
                .condition_expression("reason = :reason")
                .expression_attribute_values(":reason", text(reason.as_str())),
        };
        let Err(error) = request.send().await else { return Ok(Changed::Done) };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(Changed::LeftAsItIs),
            _ => Err(fault("SuppressionsTable DeleteItem", &error)),
        }
    }

    /// An address of the list, strongly consistent.
    ///
    /// # Errors
    /// When DynamoDB fails or the item is damaged.
    pub async fn get(&self, channel: Channel, key: AddressKey) -> Result<Option<Suppression>, Fault> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = request.key("id", AttributeValue::S(suppression_id(channel, key))).send().await;
        let answer = answer.map_err(|error| fault("SuppressionsTable GetItem", &error))?;
        answer.item.as_ref().map(read_item).transpose()
    }

    /// One page of the list, in no order, and where the next one begins.
    ///
    /// # Errors
    /// When DynamoDB fails or an item is damaged.
    pub async fn page(&self, after: Option<Item>) -> Result<(Vec<Suppression>, Option<Item>), Fault> {
        let answer = self.client.scan().table_name(&self.table).set_exclusive_start_key(after).send().await;
        let answer = answer.map_err(|error| fault("SuppressionsTable Scan", &error))?;
        let items = answer.items.unwrap_or_default();
        Ok((items.iter().map(read_item).collect::<Result<_, _>>()?, answer.last_evaluated_key))
    }
}

/// The key of an address's item.
pub(crate) fn suppression_id(channel: Channel, key: AddressKey) -> String {
    format!("{channel}#{key}")
}

/// Why the address of an item is dead.
pub(crate) fn reason_in(item: &Item) -> Result<SuppressionReason, Fault> {
    let reason = item.get("reason").and_then(|value| value.as_s().ok());
    reason.and_then(|reason| SuppressionReason::parse(reason)).ok_or_else(|| damaged("it has no known `reason`"))
}

fn write_item(suppression: &Suppression) -> Item {
    let mut item = HashMap::from([
        ("id".to_owned(), AttributeValue::S(suppression_id(suppression.channel, suppression.key))),
        ("channel".to_owned(), text(suppression.channel.as_str())),
        ("reason".to_owned(), text(suppression.reason.as_str())),
        ("source".to_owned(), text(&suppression.source)),
        ("at".to_owned(), AttributeValue::N(suppression.at.as_millis().to_string())),
    ]);
    item.extend(suppression.address.as_ref().map(|address| ("address".to_owned(), text(address))));
    item
}

fn read_item(item: &Item) -> Result<Suppression, Fault> {
    let string = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let id = string("id").and_then(|id| id.split_once('#')).ok_or_else(|| damaged("its `id` is no address's"))?;
    let channel = Channel::ALL.into_iter().find(|channel| channel.as_str() == id.0);
    let at = item.get("at").and_then(|value| value.as_n().ok()).and_then(|at| at.parse().ok());
    Ok(Suppression {
        channel: channel.ok_or_else(|| damaged("its channel is unknown"))?,
        key: AddressKey::parse(id.1).ok_or_else(|| damaged("its `id` is no address's"))?,
        address: string("address").cloned(),
        reason: reason_in(item)?,
        source: string("source").cloned().unwrap_or_default(),
        at: Timestamp::from_millis(at.ok_or_else(|| damaged("it has no `at`"))?),
    })
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn damaged(why: &str) -> Fault {
    let why = format!("{why}; a newer version of Kairos may have written it: deploy that one");
    Fault::Permanent { what: "reading an item of the suppression list", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_reads_back_as_it_was_written() {
        let suppression = Suppression {
            channel: Channel::Email,
            key: AddressKey::of(Channel::Email, "ada@shop.example"),
            address: Some("ada@shop.example".into()),
            reason: SuppressionReason::HardBounce,
            source: "receipts".into(),
            at: Timestamp::from_millis(1_763_726_400_000),
        };
        let without = Suppression { address: None, ..suppression.clone() };
        for suppression in [suppression, without] {
            let item = write_item(&suppression);
            assert_eq!(item["id"], AttributeValue::S(format!("email#{}", suppression.key)));
            assert_eq!(read_item(&item).unwrap(), suppression);
            for name in ["id", "reason", "at"] {
                let mut damaged = item.clone();
                damaged.insert(name.into(), AttributeValue::S("ada@shop.example".into()));
                let error = read_item(&damaged).unwrap_err().to_string();
                assert!(error.contains("deploy") && !error.contains("ada"), "{name}: {error}");
            }
        }
    }
}
