//! Who has been written to at an address, so that what comes back from there reaches them; and how often an address was
//! answered.
//!
//! | attribute | what |
//! |---|---|
//! | `address` (S, key) | the channel and the address's key, as in `sms#b24e…`; `answers#sms#b24e…` for answers, `said#sms#b24e…` for what was said |
//! | `user` (S, range key) | the user key, hexadecimal; the day for answers; a hash of the id of what was said |
//! | `answered` (N), `causes` (SS) | how many answers that day, and to what |
//! | `expires_at` (N) | TTL, in seconds |

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use kairos_engine::bounds::{ANSWER_MEMORY, SAID_MEMORY, USER_RETENTION};
use kairos_engine::event::FEEDBACK;
use kairos_engine::identifiers::{AddressKey, InputId, UserKey};
use kairos_engine::playbook::Channel;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;

use crate::faults::fault;
use crate::items::{Item, number, text, write_batch};
use crate::suppressions::suppression_id;

/// The table of addresses.
#[derive(Clone, Debug)]
pub struct AddressesTable {
    client: Client,
    table: String,
}

impl AddressesTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Notes which users are written to at which addresses. Noting it again keeps it longer.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn note(
        &self,
        written_to: impl IntoIterator<Item = (Channel, AddressKey, UserKey)>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        // No two items of a call may be the same.
        let keys: BTreeSet<(String, String)> = written_to
            .into_iter()
            .map(|(channel, key, user)| (suppression_id(channel, key), user.to_string()))
            .collect();
        let items = keys.into_iter().map(|(address, user)| {
            Item::from([
                ("address".to_owned(), text(address)),
                ("user".to_owned(), text(user)),
                ("expires_at".to_owned(), number(now.plus(USER_RETENTION).as_secs())),
            ])
        });
        write_batch(&self.client, &self.table, items.collect(), "AddressesTable BatchWriteItem").await
    }

    /// Who has been written to at an address: as many as one page holds, which is more than ever share one.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn users(&self, channel: Channel, key: AddressKey) -> Result<Vec<UserKey>, Fault> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("address = :address")
            .expression_attribute_values(":address", AttributeValue::S(suppression_id(channel, key)));
        let answer = request.send().await.map_err(|error| fault("AddressesTable Query", &error))?;
        let users = answer.items.unwrap_or_default();
        let users = users.iter().filter_map(|item| item.get("user")?.as_s().ok().map(String::as_str));
        Ok(users.filter_map(UserKey::parse).collect())
    }

    /// Whether this was heard from an address before, and done.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn has_heard(&self, channel: Channel, key: AddressKey, id: &str) -> Result<bool, Fault> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("address = :address AND #user = :id")
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":address", AttributeValue::S(said_id(channel, key)))
            .expression_attribute_values(":id", AttributeValue::S(heard_id(id)));
        let answer = request.send().await.map_err(|error| fault("AddressesTable Query", &error))?;
        Ok(answer.count > 0)
    }

    /// Remembers that this was heard from an address and done, so that the same again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn heard(&self, channel: Channel, key: AddressKey, id: &str, now: Timestamp) -> Result<(), Fault> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("address", AttributeValue::S(said_id(channel, key)))
            .key("user", AttributeValue::S(heard_id(id)))
            .update_expression("SET expires_at = :expires_at")
            .expression_attribute_values(":expires_at", AttributeValue::N(now.plus(SAID_MEMORY).as_secs().to_string()));
        request.send().await.map(drop).map_err(|error| fault("AddressesTable UpdateItem", &error))
    }

    /// Counts an answer to an address, if there were fewer than `at_most` that day and none to this very cause; says whether
    /// it did. When this gives a fault, it may have been counted.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn count_answer(
        &self,
        channel: Channel,
        key: AddressKey,
        cause: &str,
        at_most: u32,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        // The day in UTC, as `2026-11-22`.
        let day = now.to_string().chars().take(10).collect();
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("address", AttributeValue::S(format!("answers#{}", suppression_id(channel, key))))
            .key("user", AttributeValue::S(day))
            .update_expression("ADD answered :one, causes :causes SET expires_at = :expires_at")
            .condition_expression(
                "(attribute_not_exists(answered) OR answered < :most) AND \
                 (attribute_not_exists(causes) OR NOT contains(causes, :cause))",
            )
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .expression_attribute_values(":most", AttributeValue::N(at_most.to_string()))
            .expression_attribute_values(":cause", AttributeValue::S(cause.to_owned()))
            .expression_attribute_values(":causes", AttributeValue::Ss(vec![cause.to_owned()]))
            .expression_attribute_values(
                ":expires_at",
                AttributeValue::N(now.plus(ANSWER_MEMORY).as_secs().to_string()),
            );
        let Err(error) = request.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(fault("AddressesTable UpdateItem", &error)),
        }
    }
}

/// The id of what was said, without what stands in it: providers write addresses there.
fn heard_id(id: &str) -> String {
    InputId::of_message(FEEDBACK, id).to_string()
}

fn said_id(channel: Channel, key: AddressKey) -> String {
    format!("said#{}", suppression_id(channel, key))
}
