//! The links of messages: one DynamoDB item for each message.
//!
//! | attribute | what |
//! |---|---|
//! | `id` (S, key) | the beginning of the delivery's id, in hexadecimal, as links carry it |
//! | `record` (S) | [`MessageLinks::to_json`], all there is to know |
//! | `revision` (N) | condition of the next write |
//! | `play` (S) | a copy out of the record, for people and filters |
//! | `expires_at` (N) | TTL, in seconds |

use aws_sdk_dynamodb::Client;
use kairos_protocol::links::{LinkRecords, LinksId, LinksSaved, MessageLinks};
use kairos_protocol::port::Fault;

use crate::faults::{fault, without_content};
use crate::items::{Condition, Item, PutOutcome, number, put_if, text, text_in};

/// The table of links.
#[derive(Clone, Debug)]
pub struct LinksTable {
    client: Client,
    table: String,
}

impl LinksTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl LinkRecords for LinksTable {
    async fn load(&self, id: LinksId) -> Result<Option<MessageLinks>, Fault> {
        let request = self.client.get_item().table_name(&self.table).key("id", text(id.to_string()));
        let answer = request.consistent_read(true).send().await;
        let answer = answer.map_err(|error| fault("LinksTable GetItem", &error))?;
        answer.item.as_ref().map(read_item).transpose()
    }

    async fn save(&self, links: &MessageLinks, expected_revision: Option<u32>) -> Result<LinksSaved, Fault> {
        let condition = Condition::still(expected_revision, "id");
        match put_if(&self.client, &self.table, write_item(links)?, condition, "LinksTable PutItem").await? {
            PutOutcome::Written | PutOutcome::Same => Ok(LinksSaved::Written),
            PutOutcome::Conflict(Some(there)) => Ok(LinksSaved::Conflict(Some(Box::new(read_item(&there)?)))),
            PutOutcome::Conflict(None) => Ok(LinksSaved::Conflict(self.load(links.id()).await?.map(Box::new))),
        }
    }
}

fn write_item(links: &MessageLinks) -> Result<Item, Fault> {
    let json = links.to_json().map_err(|error| damaged(without_content(&error)))?;
    Ok(Item::from([
        ("id".to_owned(), text(links.id().to_string())),
        ("record".to_owned(), text(json)),
        ("revision".to_owned(), number(links.revision)),
        ("play".to_owned(), text(&*links.play)),
        ("expires_at".to_owned(), number(links.expires_at_secs())),
    ]))
}

fn read_item(item: &Item) -> Result<MessageLinks, Fault> {
    let json = text_in(item, "record").ok_or_else(|| damaged("it has no `record`".to_owned()))?;
    MessageLinks::from_json(json).map_err(|error| damaged(without_content(&error)))
}

fn damaged(why: String) -> Fault {
    let why = format!("{why}; a newer version of Kairos may have written it: deploy that one");
    Fault::Permanent { what: "reading the item of a message's links", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_reads_back_and_ends_after_its_links() {
        let links = MessageLinks::from_json(include_str!("../../protocol/tests/golden/links_v1.json")).unwrap();
        let item = write_item(&links).unwrap();
        assert_eq!(item["id"].as_s().unwrap().len(), 14);
        assert_eq!(item["expires_at"], number(links.expires_at_secs()));
        assert_eq!(read_item(&item).unwrap(), links);
    }

    #[test]
    fn a_damaged_item_says_what_to_do_and_nothing_of_its_content() {
        for record in [None, Some("{"), Some(r#"{"v":"9","play":"spring"}"#)] {
            let item: Item = record.map(|record| ("record".to_owned(), text(record))).into_iter().collect();
            let error = read_item(&item).unwrap_err().to_string();
            assert!(error.contains("deploy") && !error.contains("spring"), "{error}");
        }
    }
}
