//! DynamoDB's items: their attributes, and the one way in which they are read and written by the batch, and written under a
//! condition.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use kairos_engine::bounds::{UNPROCESSED_ROUNDS_MAX, WRITE_BATCH_ITEMS_MAX};
use kairos_protocol::port::Fault;

use crate::faults::fault;

/// DynamoDB's item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// A text as an attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number as an attribute.
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The attribute of this name, when it is a text.
pub fn text_in<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The attribute of this name, when it is a number of the right kind.
pub fn number_in<T: FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// What a batch of keys has led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchRead {
    /// The items that there are, in any order.
    pub items: Vec<Item>,
    /// The keys that DynamoDB has left unread, throttled, after [`UNPROCESSED_ROUNDS_MAX`] rounds.
    pub unread: Vec<Item>,
}

/// What is to be said of what was left unread or unwritten. `what` names the call.
pub fn left_unprocessed(what: &'static str) -> Fault {
    Fault::Retryable { what, why: "DynamoDB left it unprocessed (throttled)".to_owned() }
}

/// Reads the items with these keys, strongly consistent. `what` names the call in errors.
///
/// # Errors
/// When DynamoDB fails.
pub async fn read_batch(client: &Client, table: &str, keys: Vec<Item>, what: &'static str) -> Result<BatchRead, Fault> {
    let mut read = BatchRead { items: Vec::new(), unread: keys };
    for _ in 0..UNPROCESSED_ROUNDS_MAX {
        if read.unread.is_empty() {
            break;
        }
        let keys = KeysAndAttributes::builder().set_keys(Some(read.unread)).consistent_read(true).build();
        let keys = keys.map_err(|error| Fault::Permanent { what, why: error.to_string() })?;
        let request = client.batch_get_item().request_items(table, keys);
        let answer = request.send().await.map_err(|error| fault(what, &error))?;
        read.items.extend(answer.responses.and_then(|mut tables| tables.remove(table)).unwrap_or_default());
        let unprocessed = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table));
        read.unread = unprocessed.map(|keys| keys.keys).unwrap_or_default();
    }
    Ok(read)
}

/// Writes these items, whatever is there; no two may have the same key. `what` names the call in errors.
///
/// # Errors
/// When DynamoDB fails, or leaves some unwritten. Any of them may be written.
pub async fn write_batch(client: &Client, table: &str, items: Vec<Item>, what: &'static str) -> Result<(), Fault> {
    let put = |item: Item| {
        let put = PutRequest::builder().set_item(Some(item)).build();
        let put = put.map_err(|error| Fault::Permanent { what, why: error.to_string() })?;
        Ok(WriteRequest::builder().put_request(put).build())
    };
    let mut left = items.into_iter().map(put).collect::<Result<Vec<WriteRequest>, Fault>>()?;
    let mut rounds = 0;
    while !left.is_empty() {
        let rest = left.split_off(left.len().min(WRITE_BATCH_ITEMS_MAX));
        let request = client.batch_write_item().request_items(table, left);
        let answer = request.send().await.map_err(|error| fault(what, &error))?;
        left = answer.unprocessed_items.and_then(|mut tables| tables.remove(table)).unwrap_or_default();
        rounds = if left.is_empty() { 0 } else { rounds + 1 };
        if rounds == UNPROCESSED_ROUNDS_MAX {
            return Err(left_unprocessed(what));
        }
        left.extend(rest);
    }
    Ok(())
}

/// What must hold of the item that is there for another one to be written in its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// It has no such attribute, or there is no item.
    Absent(&'static str),
    /// Its attribute is this.
    Equal(&'static str, AttributeValue),
}

impl Condition {
    /// Of items that count their revisions: it is still the one that was read, or, when none was found, there is none
    /// of this key.
    pub fn still(expected_revision: Option<impl ToString>, key: &'static str) -> Self {
        match expected_revision {
            None => Self::Absent(key),
            Some(revision) => Self::Equal("revision", number(revision)),
        }
    }
}

/// What became of a conditional put.
#[derive(Clone, Debug, PartialEq)]
pub enum PutOutcome {
    /// It is written.
    Written,
    /// The condition does not hold, and this very item is there. That is what the client's next attempt finds when
    /// the answer to one that has written it was lost; somebody else may have written the same as well.
    Same,
    /// The condition does not hold: this other item is there, if DynamoDB says which (the local engine may not).
    Conflict(Option<Item>),
}

/// Writes an item in the place of the one with its key, if the condition holds. `what` names the call in errors.
///
/// # Errors
/// When DynamoDB fails.
pub async fn put_if(
    client: &Client,
    table: &str,
    item: Item,
    condition: Condition,
    what: &'static str,
) -> Result<PutOutcome, Fault> {
    let request = client
        .put_item()
        .table_name(table)
        .set_item(Some(item.clone()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let request = match condition {
        Condition::Absent(attribute) => request
            .condition_expression("attribute_not_exists(#attribute)")
            .expression_attribute_names("#attribute", attribute),
        Condition::Equal(attribute, value) => request
            .condition_expression("#attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value),
    };
    match request.send().await {
        Ok(_) => Ok(PutOutcome::Written),
        Err(error) => match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(conflict)) => match conflict.item() {
                Some(there) if *there == item => Ok(PutOutcome::Same),
                there => Ok(PutOutcome::Conflict(there.cloned())),
            },
            _ => Err(fault(what, &error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_of_another_kind_is_none() {
        assert_eq!((text("7"), number(7)), (AttributeValue::S("7".into()), AttributeValue::N("7".into())));
        let item = Item::from([("text".to_owned(), text("7")), ("number".to_owned(), number(7))]);
        assert_eq!((text_in(&item, "text"), text_in(&item, "number"), text_in(&item, "no")), (Some("7"), None, None));
        assert_eq!(number_in::<u8>(&item, "number"), Some(7));
        assert_eq!((number_in::<u8>(&item, "text"), number_in::<bool>(&item, "number")), (None, None));
    }

    #[test]
    fn what_was_never_read_must_not_be_there_and_what_was_read_must_still_be_the_same() {
        assert_eq!(Condition::still(None::<u32>, "user"), Condition::Absent("user"));
        assert_eq!(Condition::still(Some(3), "user"), Condition::Equal("revision", number(3)));
    }
}
