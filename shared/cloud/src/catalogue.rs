//! The catalogue: one DynamoDB item per product.
//!
//! | attribute | what |
//! |---|---|
//! | `product` (S, key) | the shop's id of the product |
//! | `entry` (S) | [`Entry::to_json`]: all there is to know |
//! | `revision` (N) | condition of the next write |
//! | `changed_at` (N) | when the listing last changed, in ms |
//! | `announce_shard` (N) | there while users have still to be told of a change (index `announcements`) |
//! | `category_shard` (S), `listed_at` (N) | `CATEGORY#SHARD` and since when, in ms, while messages may offer it (index `categories`) |

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use futures_util::future::try_join_all;
use kairos_engine::bounds::{ANNOUNCE_SHARDS, CATEGORY_SHARDS};
use kairos_protocol::catalogue::{Catalogue, Entry};
use kairos_protocol::mailboxes::Saved;
use kairos_protocol::port::Fault;

use crate::faults::{fault, without_content};
use crate::items::{
    Condition, Item, PutOutcome, left_unprocessed, number, number_in, put_if, read_batch, text, text_in,
};

/// The table of products.
#[derive(Clone, Debug)]
pub struct CatalogueTable {
    client: Client,
    table: String,
}

impl CatalogueTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// What is kept of a product.
    ///
    /// # Errors
    /// When DynamoDB fails or the item is damaged.
    pub async fn get(&self, product: &str) -> Result<Option<Entry>, Fault> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key(product))).consistent_read(true);
        let answer = request.send().await.map_err(|error| fault("CatalogueTable GetItem", &error))?;
        answer.item.as_ref().map(read_item).transpose()
    }

    /// The products of a category that messages may offer, the newest first; at most `limit`. May lag behind.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn newest_of(&self, category: &str, limit: usize) -> Result<Vec<String>, Fault> {
        let of_shard = |shard: u32| async move {
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("categories")
                .key_condition_expression("category_shard = :shard")
                .expression_attribute_values(":shard", text(category_shard(category, shard)))
                .scan_index_forward(false)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX));
            let answer = request.send().await.map_err(|error| fault("CatalogueTable Query categories", &error))?;
            let items = answer.items.unwrap_or_default();
            items.iter().map(|item| Ok((number_in(item, "listed_at"), product_of(item)?))).collect()
        };
        let shards: Vec<Vec<(Option<i64>, String)>> = try_join_all((0..CATEGORY_SHARDS).map(of_shard)).await?;
        let mut products: Vec<_> = shards.into_iter().flatten().collect();
        products.sort_by(|(one, product), (other, other_product)| other.cmp(one).then(product.cmp(other_product)));
        Ok(products.into_iter().map(|(_, product)| product).take(limit).collect())
    }
}

impl Catalogue for CatalogueTable {
    async fn load(&self, products: &[String]) -> Result<BTreeMap<String, Result<Entry, Fault>>, Fault> {
        const READ: &str = "CatalogueTable BatchGetItem";
        let keys = products.iter().map(|product| key(product)).collect();
        let read = read_batch(&self.client, &self.table, keys, READ).await?;
        let entries = read.items.iter().map(|item| Ok((product_of(item)?, read_item(item))));
        let mut loaded = entries.collect::<Result<BTreeMap<_, _>, Fault>>()?;
        for key in read.unread {
            loaded.insert(product_of(&key)?, Err(left_unprocessed(READ)));
        }
        Ok(loaded)
    }

    async fn save(&self, entry: &Entry, expected_revision: Option<u64>) -> Result<Saved, Fault> {
        let condition = Condition::still(expected_revision, "product");
        Ok(match put_if(&self.client, &self.table, write_item(entry)?, condition, "CatalogueTable PutItem").await? {
            PutOutcome::Written | PutOutcome::Same => Saved::Written,
            PutOutcome::Conflict(_) => Saved::Overtaken,
        })
    }

    async fn waiting(&self, shard: u32, limit: usize) -> Result<Vec<String>, Fault> {
        let mut products = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("announcements")
                .key_condition_expression("announce_shard = :shard")
                .expression_attribute_values(":shard", number(shard))
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let page = request.send().await.map_err(|error| fault("CatalogueTable Query announcements", &error))?;
            for item in page.items.unwrap_or_default() {
                products.push(product_of(&item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() || products.len() >= limit {
                products.truncate(limit);
                return Ok(products);
            }
        }
    }
}

fn key(product: &str) -> Item {
    Item::from([("product".to_owned(), text(product))])
}

/// The shard of the index in which a product waits: always the same, spread evenly.
fn announce_shard(product: &str) -> u32 {
    spread(product) % ANNOUNCE_SHARDS
}

/// The key of a shard of a category, in the index of categories.
fn category_shard(category: &str, shard: u32) -> String {
    format!("{category}#{shard}")
}

fn spread(product: &str) -> u32 {
    product.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

fn write_item(entry: &Entry) -> Result<Item, Fault> {
    let json = entry.to_json().map_err(|error| damaged(without_content(&error)))?;
    let mut item = key(entry.product());
    item.insert("entry".into(), text(json));
    item.insert("revision".into(), number(entry.revision));
    item.insert("changed_at".into(), number(entry.changed_at.as_millis()));
    if !entry.announcements.is_empty() {
        item.insert("announce_shard".into(), number(announce_shard(entry.product())));
    }
    if let (Some(category), Some(listed_at)) = (entry.listing.offered_in(), entry.listed_at) {
        let shard = spread(entry.product()) % CATEGORY_SHARDS;
        item.insert("category_shard".into(), text(category_shard(category, shard)));
        item.insert("listed_at".into(), number(listed_at.as_millis()));
    }
    Ok(item)
}

fn read_item(item: &Item) -> Result<Entry, Fault> {
    let json = text_in(item, "entry").ok_or_else(|| damaged("it has no `entry`"))?;
    Entry::from_json(json).map_err(|error| damaged(without_content(&error)))
}

fn product_of(item: &Item) -> Result<String, Fault> {
    text_in(item, "product").map(str::to_owned).ok_or_else(|| damaged("it has no `product`"))
}

fn damaged(why: impl std::fmt::Display) -> Fault {
    let why = format!("{why}; a newer version of Kairos may have written it: deploy that one");
    Fault::Permanent { what: "reading a product's item", why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_protocol::catalogue::{Listing, Stock};

    #[test]
    fn an_item_reads_back_and_is_in_the_index_only_while_there_is_something_to_tell() {
        let golden = include_str!("../../protocol/tests/golden/catalogue_entry_v1.json");
        let mut entry = Entry::from_json(golden).unwrap();
        let item = write_item(&entry).unwrap();
        assert!(item.contains_key("announce_shard"));
        assert_eq!(item["revision"], number(3));
        assert_eq!(read_item(&item).unwrap(), entry);
        entry.announcements.clear();
        assert!(!write_item(&entry).unwrap().contains_key("announce_shard"));
    }

    #[test]
    fn a_product_is_among_its_category_while_messages_may_offer_it() {
        let golden = include_str!("../../protocol/tests/golden/catalogue_entry_v1.json");
        let mut entry = Entry::from_json(golden).unwrap();
        assert!(!write_item(&entry).unwrap().contains_key("category_shard"), "nobody knows since when");
        entry.listed_at = Some(entry.changed_at);
        let item = write_item(&entry).unwrap();
        assert!(text_in(&item, "category_shard").unwrap().starts_with("kitchen#"));
        assert_eq!(item["listed_at"], number(entry.changed_at.as_millis()));
        assert_eq!(read_item(&item).unwrap(), entry);
        let sold_out = Listing { stock: Some(Stock::Total(0)), ..entry.listing.clone() };
        let mut no_page = entry.listing.clone();
        no_page.product.url = None;
        for listing in [sold_out, no_page] {
            let item = write_item(&Entry { listing, ..entry.clone() }).unwrap();
            assert!(!item.contains_key("category_shard") && !item.contains_key("listed_at"));
        }
    }

    #[test]
    fn products_spread_over_the_shards_of_the_index() {
        let shards: std::collections::BTreeSet<u32> =
            (0..100).map(|number| announce_shard(&format!("sku-{number}"))).collect();
        assert_eq!(shards.len(), ANNOUNCE_SHARDS as usize);
    }

    #[test]
    fn a_damaged_item_says_what_to_do() {
        for entry in [None, Some("{"), Some(r#"{"v":"9"}"#)] {
            let item: Item = entry.map(|entry| ("entry".to_owned(), text(entry))).into_iter().collect();
            let error = read_item(&item).unwrap_err().to_string();
            assert!(error.contains("deploy"), "{error}");
        }
    }
}
