//! Who belongs together: one DynamoDB item for each user and segment, and for each user and product.
//!
//! | attribute | what |
//! |---|---|
//! | `index` (S, key) | `segment#NAME#SHARD`, or `product#ID#SHARD` |
//! | `user` (S, range key) | the user key, hexadecimal |
//! | `member` (BOOL) | whether the user is in the segment; one who has left is remembered for a while |
//! | `changed_at` (N) | since when, in ms |
//! | `number` (N) | of the user's change; only a higher one is written over it |
//! | `interested_at` (N) | when the user showed interest in the product, in ms |
//! | `expires_at` (N) | TTL, in seconds: of interest, and of those who have left |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use kairos_engine::bounds::{
    AUDIENCE_CALLS_MAX, AUDIENCE_PAGE_MAX, AUDIENCE_SHARDS, INTEREST_RETENTION, LEFT_SEGMENT_RETENTION, USER_RETENTION,
};
use kairos_engine::identifiers::UserKey;
use kairos_engine::time::Timestamp;
use kairos_protocol::catalogue::Interests;
use kairos_protocol::port::{AudienceChange, Audiences, Clock, Fault};

use crate::clock::SystemClock;
use crate::faults::fault;
use crate::items::{self, Item, number_in, text, text_in};
use crate::telemetry;

/// The table of audiences.
#[derive(Clone, Debug)]
pub struct AudiencesTable {
    client: Client,
    table: String,
}

/// Some members of one shard of a segment.
#[derive(Clone, Debug, Default)]
pub struct MembersPage {
    /// Who, and since when.
    pub members: Vec<(UserKey, Timestamp)>,
    /// Behind whom to go on; none at the end of the shard.
    pub next: Option<UserKey>,
}

impl AudiencesTable {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The next members of one shard of a segment, behind `after`.
    ///
    /// # Errors
    /// When DynamoDB fails or an item is damaged.
    pub async fn members(&self, segment: &str, shard: u32, after: Option<UserKey>) -> Result<MembersPage, Fault> {
        let index = segment_index(segment, shard);
        let start = after.map(|user| key(index.clone(), user));
        let limit = i32::try_from(AUDIENCE_PAGE_MAX).unwrap_or(i32::MAX);
        let request = self.members_query(index).limit(limit).set_exclusive_start_key(start);
        let page = request.send().await.map_err(|error| fault("AudiencesTable Query", &error))?;
        let next = page.last_evaluated_key.as_ref().map(user_of).transpose()?;
        let members = page.items.unwrap_or_default();
        let members = members.iter().map(|item| Ok((user_of(item)?, time(item, "changed_at")?)));
        Ok(MembersPage { members: members.collect::<Result<_, Fault>>()?, next })
    }

    /// How many members a segment has. Those who were forgotten while they were in it ([`USER_RETENTION`] without any
    /// activity) are still counted; who lists members leaves them out.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn count(&self, segment: &str) -> Result<u64, Fault> {
        let shards = (0..AUDIENCE_SHARDS).map(|shard| self.count_shard(segment_index(segment, shard)));
        stream::iter(shards)
            .buffer_unordered(AUDIENCE_CALLS_MAX)
            .try_fold(0, |sum, count| async move { Ok(sum + count) })
            .await
    }

    async fn count_shard(&self, index: String) -> Result<u64, Fault> {
        let mut count = 0;
        let mut start = None;
        loop {
            let request = self.members_query(index.clone()).select(Select::Count).set_exclusive_start_key(start);
            let page = request.send().await.map_err(|error| fault("AudiencesTable Query", &error))?;
            count += u64::try_from(page.count()).unwrap_or_default();
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    /// How many users are interested in a product.
    ///
    /// # Errors
    /// When DynamoDB fails or an item is damaged.
    pub async fn count_interested(&self, product: &str) -> Result<usize, Fault> {
        let shards = (0..AUDIENCE_SHARDS).map(|shard| self.interested(product, shard, None, usize::MAX));
        let shards = stream::iter(shards).buffer_unordered(AUDIENCE_CALLS_MAX);
        shards.try_fold(0, |sum, users| async move { Ok(sum + users.len()) }).await
    }

    fn members_query(&self, index: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#index = :index")
            .filter_expression("#member = :member")
            .expression_attribute_names("#index", "index")
            .expression_attribute_names("#member", "member")
            .expression_attribute_values(":index", text(index))
            .expression_attribute_values(":member", AttributeValue::Bool(true))
    }

    async fn record_one(&self, change: &AudienceChange) -> Result<(), Fault> {
        match change {
            AudienceChange::Member { user, segment, entered, at, number } => {
                self.record_member(*user, segment, *entered, *at, *number).await
            }
            AudienceChange::Interested { user, product, at } => {
                let request = self
                    .client
                    .put_item()
                    .table_name(&self.table)
                    .set_item(Some(key(product_index(product, user.shard(AUDIENCE_SHARDS)), *user)))
                    .item("interested_at", items::number(at.as_millis()))
                    .item("expires_at", items::number(at.plus(INTEREST_RETENTION).as_secs()));
                request.send().await.map(drop).map_err(|error| fault("AudiencesTable PutItem", &error))
            }
        }
    }

    async fn record_member(
        &self,
        user: UserKey,
        segment: &str,
        entered: bool,
        at: Timestamp,
        number: u64,
    ) -> Result<(), Fault> {
        let set = "SET #member = :member, changed_at = :at, #number = :number";
        let update = match entered {
            true => format!("{set} REMOVE expires_at"),
            false => format!("{set}, expires_at = :expires_at"),
        };
        // A user who had been forgotten counts from the beginning again.
        let forgotten = at.minus(USER_RETENTION);
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(segment_index(segment, user.shard(AUDIENCE_SHARDS)), user)))
            .update_expression(update)
            .condition_expression("attribute_not_exists(#number) OR #number < :number OR changed_at < :forgotten")
            .expression_attribute_names("#member", "member")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":member", AttributeValue::Bool(entered))
            .expression_attribute_values(":at", items::number(at.as_millis()))
            .expression_attribute_values(":number", items::number(number))
            .expression_attribute_values(":forgotten", items::number(forgotten.as_millis()));
        let request = match entered {
            true => request,
            false => {
                let expires_at = at.max(SystemClock.now()).plus(LEFT_SEGMENT_RETENTION).as_secs();
                request.expression_attribute_values(":expires_at", items::number(expires_at))
            }
        };
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // Somebody has recorded this change, or a later one, before.
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(fault("AudiencesTable UpdateItem", &error)),
            },
        }
    }
}

impl Interests for AudiencesTable {
    async fn interested(
        &self,
        product: &str,
        shard: u32,
        after: Option<UserKey>,
        limit: usize,
    ) -> Result<Vec<UserKey>, Fault> {
        let index = product_index(product, shard);
        let mut users = Vec::new();
        let mut start = after.map(|user| key(index.clone(), user));
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#index = :index")
                // DynamoDB deletes days after the time: whoever has lost interest is not to hear of it meanwhile.
                .filter_expression("expires_at > :now")
                .projection_expression("#user")
                .expression_attribute_names("#index", "index")
                .expression_attribute_names("#user", "user")
                .expression_attribute_values(":index", text(index.clone()))
                .expression_attribute_values(":now", items::number(SystemClock.now().as_secs()))
                .limit(i32::try_from(limit - users.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| fault("AudiencesTable Query", &error))?;
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

impl Audiences for AudiencesTable {
    async fn record(&self, changes: &[AudienceChange]) -> Result<(), Fault> {
        let calls = changes.iter().map(|change| self.record_one(change));
        stream::iter(calls).buffer_unordered(AUDIENCE_CALLS_MAX).try_collect::<()>().await?;
        telemetry::count("audience_changes", changes.len());
        Ok(())
    }
}

fn segment_index(segment: &str, shard: u32) -> String {
    format!("segment#{segment}#{shard}")
}

fn product_index(product: &str, shard: u32) -> String {
    format!("product#{product}#{shard}")
}

fn key(index: String, user: UserKey) -> Item {
    Item::from([("index".to_owned(), text(index)), ("user".to_owned(), text(user.to_string()))])
}

fn user_of(item: &Item) -> Result<UserKey, Fault> {
    text_in(item, "user").and_then(UserKey::parse).ok_or_else(|| damaged("its key `user` is no user key"))
}

fn time(item: &Item, name: &str) -> Result<Timestamp, Fault> {
    let millis = number_in(item, name);
    millis.map(Timestamp::from_millis).ok_or_else(|| damaged(&format!("`{name}` is no time")))
}

fn damaged(why: &str) -> Fault {
    Fault::Permanent { what: "reading an audience", why: why.to_owned() }
}
