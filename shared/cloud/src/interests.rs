//! Who cares about which product: one DynamoDB item for each user and product.
//!
//! | attribute | what |
//! |---|---|
//! | `product` (S, key) | `ID#SHARD` |
//! | `user` (S, range key) | the user key, hexadecimal |
//! | `interested_at` (N) | when the user showed interest, in ms |
//! | `expires_at` (N) | TTL, in seconds |

use aws_sdk_dynamodb::Client;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use kairos_engine::bounds::{INTEREST_CALLS_MAX, INTEREST_RETENTION, INTEREST_SHARDS};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::InterestNote;
use kairos_protocol::catalogue::Interests;
use kairos_protocol::port::{Clock, Fault, InterestIndex};

use crate::clock::SystemClock;
use crate::faults::fault;
use crate::items::{self, Item, text, text_in, write_batch};

/// The table of interests.
#[derive(Clone, Debug)]
pub struct InterestsTable {
    client: Client,
    table: String,
}

impl InterestsTable {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// How many users are interested in a product.
    ///
    /// # Errors
    /// When DynamoDB fails or an item is damaged.
    pub async fn count_interested(&self, product: &str) -> Result<usize, Fault> {
        let shards = (0..INTEREST_SHARDS).map(|shard| self.interested(product, shard, None, usize::MAX));
        let shards = stream::iter(shards).buffer_unordered(INTEREST_CALLS_MAX);
        shards.try_fold(0, |sum, users| async move { Ok(sum + users.len()) }).await
    }
}

impl Interests for InterestsTable {
    async fn interested(
        &self,
        product: &str,
        shard: u32,
        after: Option<UserKey>,
        limit: usize,
    ) -> Result<Vec<UserKey>, Fault> {
        let shard = shard_of(product, shard);
        let mut users = Vec::new();
        let mut start = after.map(|user| key(shard.clone(), user));
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("product = :shard")
                // DynamoDB deletes days after the time: whoever has lost interest is not to hear of it meanwhile.
                .filter_expression("expires_at > :now")
                .projection_expression("#user")
                .expression_attribute_names("#user", "user")
                .expression_attribute_values(":shard", text(shard.clone()))
                .expression_attribute_values(":now", items::number(SystemClock.now().as_secs()))
                .limit(i32::try_from(limit - users.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| fault("InterestsTable Query", &error))?;
            for item in page.items.unwrap_or_default() {
                users.push(user_of(&item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() || users.len() >= limit {
                return Ok(users);
            }
        }
    }
}

impl InterestIndex for InterestsTable {
    async fn note(&self, interests: &[InterestNote]) -> Result<(), Fault> {
        let items = interests.iter().map(write_item).collect();
        write_batch(&self.client, &self.table, items, "InterestsTable BatchWriteItem").await
    }
}

fn write_item(InterestNote { user, product, at }: &InterestNote) -> Item {
    let mut item = key(shard_of(product, user.shard(INTEREST_SHARDS)), *user);
    item.insert("interested_at".into(), items::number(at.as_millis()));
    item.insert("expires_at".into(), items::number(at.plus(INTEREST_RETENTION).as_secs()));
    item
}

fn shard_of(product: &str, shard: u32) -> String {
    format!("{product}#{shard}")
}

fn key(shard: String, user: UserKey) -> Item {
    Item::from([("product".to_owned(), text(shard)), ("user".to_owned(), text(user.to_string()))])
}

fn user_of(item: &Item) -> Result<UserKey, Fault> {
    text_in(item, "user").and_then(UserKey::parse).ok_or_else(|| Fault::Permanent {
        what: "reading an interest",
        why: "its key `user` is no user key".to_owned(),
    })
}
