//! Messages for the shop's pages: one DynamoDB item each, all of a user together.
//!
//! | attribute | what |
//! |---|---|
//! | `user` (S, key) | the user key, hexadecimal |
//! | `delivery` (S, key) | the delivery's id, hexadecimal |
//! | `message` (S) | [`InboxMessage::to_json`]: what is shown, and where it comes from |
//! | `seen_at`, `clicked_at`, `dismissed_at` (N, ms) | what became of it; absent while nothing did |
//! | `expires_at` (N) | TTL, in seconds: when its moment has passed |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::time::Timestamp;
use kairos_protocol::inbox::{Inbox, InboxMessage, Kept, Mark};
use kairos_protocol::port::Fault;

use crate::faults::{fault, without_content};
use crate::items::{Condition, Item, number, number_in, put_if, text, text_in};

/// The table of inboxes.
#[derive(Clone, Debug)]
pub struct InboxTable {
    client: Client,
    table: String,
}

impl InboxTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl Inbox for InboxTable {
    async fn put(&self, message: &InboxMessage) -> Result<(), Fault> {
        let condition = Condition::Absent("delivery");
        // Where it is there already, it stays, whoever wrote it, and whatever has become of it.
        put_if(&self.client, &self.table, write_item(message)?, condition, "InboxTable PutItem").await.map(drop)
    }

    async fn list(&self, user: UserKey) -> Result<Vec<Kept>, Fault> {
        let mut kept = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#user = :user")
                .expression_attribute_names("#user", "user")
                .expression_attribute_values(":user", text(user.to_string()))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let page = request.send().await.map_err(|error| fault("InboxTable Query", &error))?;
            for item in page.items.unwrap_or_default() {
                kept.push(read_item(&item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(kept);
            }
        }
    }

    async fn get(&self, user: UserKey, delivery: DeliveryId) -> Result<Option<Kept>, Fault> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key(user, delivery)));
        let answer = request.consistent_read(true).send().await;
        let item = answer.map_err(|error| fault("InboxTable GetItem", &error))?.item;
        item.as_ref().map(read_item).transpose()
    }

    async fn mark(&self, user: UserKey, delivery: DeliveryId, mark: Mark, now: Timestamp) -> Result<(), Fault> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(user, delivery)))
            .update_expression("SET #mark = if_not_exists(#mark, :now)")
            // What was removed meanwhile must not come back as an item without a message.
            .condition_expression("attribute_exists(delivery)")
            .expression_attribute_names("#mark", attribute(mark))
            .expression_attribute_values(":now", number(now.as_millis()));
        let Err(error) = request.send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(fault("InboxTable UpdateItem", &error)),
        }
    }

    async fn remove(&self, user: UserKey, delivery: DeliveryId) -> Result<(), Fault> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(key(user, delivery)));
        request.send().await.map(drop).map_err(|error| fault("InboxTable DeleteItem", &error))
    }
}

const fn attribute(mark: Mark) -> &'static str {
    match mark {
        Mark::Seen => "seen_at",
        Mark::Clicked => "clicked_at",
        Mark::Dismissed => "dismissed_at",
    }
}

fn key(user: UserKey, delivery: DeliveryId) -> Item {
    Item::from([("user".to_owned(), text(user.to_string())), ("delivery".to_owned(), text(delivery.to_string()))])
}

fn write_item(message: &InboxMessage) -> Result<Item, Fault> {
    let json = message.to_json().map_err(|error| damaged(without_content(&error)))?;
    let mut item = key(message.user, message.delivery);
    item.insert("message".into(), text(json));
    // Whole seconds, and never before its moment has passed.
    item.insert("expires_at".into(), number(message.expires_at.as_secs() + 1));
    Ok(item)
}

fn read_item(item: &Item) -> Result<Kept, Fault> {
    let json = text_in(item, "message").ok_or_else(|| damaged("it has no `message`"))?;
    let message = InboxMessage::from_json(json).map_err(|error| damaged(without_content(&error)))?;
    let at = |mark| number_in(item, attribute(mark)).map(Timestamp::from_millis);
    Ok(Kept { message, seen_at: at(Mark::Seen), clicked_at: at(Mark::Clicked), dismissed_at: at(Mark::Dismissed) })
}

fn damaged(why: impl std::fmt::Display) -> Fault {
    let why = format!("{why}; a newer version of Kairos may have written it: deploy that one");
    Fault::Permanent { what: "reading a message of an inbox", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../protocol/tests/golden/inbox_message_v1.json");

    #[test]
    fn an_item_reads_back_with_what_became_of_it() {
        let message = InboxMessage::from_json(GOLDEN).unwrap();
        let mut item = write_item(&message).unwrap();
        assert_eq!(item["expires_at"], number(1_763_726_701));
        assert_eq!(read_item(&item).unwrap(), Kept::new(message.clone()));
        for mark in Mark::ALL {
            item.insert(attribute(mark).into(), number(7));
        }
        let at = Some(Timestamp::from_millis(7));
        assert_eq!(read_item(&item).unwrap(), Kept { message, seen_at: at, clicked_at: at, dismissed_at: at });
    }

    #[test]
    fn a_damaged_item_says_what_to_do_and_nothing_of_its_content() {
        for message in [None, Some("{"), Some(r#"{"v":"9","text":"Dear Ada"}"#)] {
            let item: Item = message.map(|message| ("message".to_owned(), text(message))).into_iter().collect();
            let error = read_item(&item).unwrap_err().to_string();
            assert!(error.contains("deploy") && !error.contains("Ada"), "{error}");
        }
    }
}
