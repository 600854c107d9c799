//! One DynamoDB item per user: state, outbox, alarm and revision change in one write.
//!
//! | attribute | what |
//! |---|---|
//! | `user` (S, key) | the user key, hexadecimal |
//! | `state` (B) | [`UserState::encode`] |
//! | `outbox` (B) | the effects as a JSON array; absent when there are none |
//! | `applied_queue` (S), `applied_sequence` (N) | how far the mailbox has been applied |
//! | `alarm_shard`, `alarm_at` (N, index `alarms`) | when to wake the user, in ms; absent when never |
//! | `revision` (N) | condition of the next write |
//! | `expires_at` (N) | TTL, in seconds |
//! | `facts` (B) | what this very write makes known, as [`crate::facts`] has it; absent when nothing. Read by nobody here: it travels with the table's stream |

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, Stream};
use kairos_engine::bounds::{
    ALARM_SHARDS, FACTS_BYTES_MAX, ITEM_WITH_FACTS_BYTES_MAX, USER_RETENTION, USER_SCAN_LANES, USER_SCAN_PAGE_MAX,
};
use kairos_engine::commit::{Applied, StoredUser};
use kairos_engine::identifiers::UserKey;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;
use kairos_protocol::alarms::AlarmIndex;
use kairos_protocol::mailboxes::{Saved, Users};
use kairos_protocol::port::{Clock, Fault};
use kairos_protocol::segmentation::{ScanPage, Standing, UserScan};

use crate::clock::SystemClock;
use crate::facts;
use crate::faults::{fault, without_content};
use crate::items::{
    Condition, Item, PutOutcome, left_unprocessed, number, number_in, put_if, read_batch, text, text_in,
};
use crate::telemetry;

/// A user whom a scan has found, and what is remembered of them, or why that cannot be read.
pub type UserFound = (UserKey, Result<UserState, Fault>);

/// The table of users.
#[derive(Clone, Debug)]
pub struct UsersTable {
    client: Client,
    table: String,
}

impl UsersTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// All users and what is remembered of each, a page at a time and in no order; several parts of the table are read
    /// beside each other. What has been written within the last second may be missing. An item that cannot be read
    /// fails alone.
    pub fn everybody(&self) -> impl Stream<Item = Result<Vec<UserFound>, Fault>> + '_ {
        let lanes = (0..USER_SCAN_LANES).map(move |lane| {
            Box::pin(stream::try_unfold(Some(None), move |after| async move {
                let Some(after) = after else { return Ok(None) };
                let (users, next) = self.scan(lane, USER_SCAN_LANES, after, USER_SCAN_PAGE_MAX).await?;
                Ok(Some((users, next.map(Some))))
            }))
        });
        stream::select_all(lanes)
    }

    /// The next users of one of so many lanes, behind `after`, and behind whom to go on.
    async fn scan(
        &self,
        lane: u32,
        lanes: u32,
        after: Option<UserKey>,
        limit: usize,
    ) -> Result<(Vec<UserFound>, Option<UserKey>), Fault> {
        let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .segment(whole(lane))
            .total_segments(whole(lanes))
            .set_exclusive_start_key(after.map(key))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .projection_expression("#user, #state")
            // DynamoDB deletes days after the time: whoever is to be forgotten must not be woken meanwhile.
            .filter_expression("expires_at > :now")
            .expression_attribute_names("#user", "user")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":now", number(SystemClock.now().as_secs()))
            .send()
            .await
            .map_err(|error| fault("UsersTable Scan", &error))?;
        let next = answer.last_evaluated_key.as_ref().map(user_of).transpose()?;
        let users = answer.items.unwrap_or_default();
        let users = users.iter().map(|item| Ok((user_of(item)?, read_state(item))));
        Ok((users.collect::<Result<_, Fault>>()?, next))
    }

    /// Reads one user, strongly consistent.
    ///
    /// # Errors
    /// When DynamoDB fails or the item cannot be read.
    pub async fn get(&self, user: UserKey) -> Result<Option<StoredUser>, Fault> {
        self.load(&[user]).await?.remove(&user).transpose()
    }
}

impl Users for UsersTable {
    async fn load(&self, users: &[UserKey]) -> Result<BTreeMap<UserKey, Result<StoredUser, Fault>>, Fault> {
        const READ: &str = "UsersTable BatchGetItem";
        let keys = users.iter().map(|user| key(*user)).collect();
        let read = read_batch(&self.client, &self.table, keys, READ).await?;
        let mut loaded = read.items.into_iter().map(read_item).collect::<Result<BTreeMap<_, _>, _>>()?;
        for key in read.unread {
            loaded.insert(user_of(&key)?, Err(left_unprocessed(READ)));
        }
        Ok(loaded)
    }

    async fn save(&self, user: UserKey, stored: &StoredUser, expected: Option<u64>) -> Result<Saved, Fault> {
        let item = write_item(user, stored, SystemClock.now());
        let condition = Condition::still(expected, "user");
        match put_if(&self.client, &self.table, item, condition, "UsersTable PutItem").await? {
            PutOutcome::Written | PutOutcome::Same => Ok(Saved::Written),
            PutOutcome::Conflict(_) => {
                telemetry::count("users_overtaken", 1);
                Ok(Saved::Overtaken)
            }
        }
    }
}

impl AlarmIndex for UsersTable {
    async fn due(&self, shard: u32, until: Timestamp, limit: usize) -> Result<Vec<(UserKey, Timestamp)>, Fault> {
        let mut alarms = Vec::new();
        let mut start = None;
        let page_max = i32::try_from(limit).unwrap_or(i32::MAX);
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("alarms")
                .key_condition_expression("alarm_shard = :shard AND alarm_at <= :until")
                .expression_attribute_values(":shard", number(shard))
                .expression_attribute_values(":until", number(until.as_millis()))
                .limit(page_max)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| fault("UsersTable Query alarms", &error))?;
            for item in page.items.unwrap_or_default() {
                alarms.push((user_of(&item)?, Timestamp::from_millis(parsed(&item, "alarm_at")?)));
            }
            start = page.last_evaluated_key;
            if start.is_none() || alarms.len() >= limit {
                alarms.truncate(limit);
                return Ok(alarms);
            }
        }
    }
}

impl UserScan for UsersTable {
    async fn page(&self, lane: u32, lanes: u32, after: Option<UserKey>, limit: usize) -> Result<ScanPage, Fault> {
        let (users, next) = self.scan(lane, lanes, after, limit).await?;
        let standing = |(user, state): UserFound| (user, state.map(|state| standing(&state)));
        Ok(ScanPage { users: users.into_iter().map(standing).collect(), next })
    }
}

fn standing(state: &UserState) -> Standing {
    Standing { program: state.program, is_forwarded: state.forwarded_to.is_some() }
}

pub(crate) fn key(user: UserKey) -> Item {
    Item::from([("user".to_owned(), text(user.to_string()))])
}

/// The item of a user, as it is written at `now`. It is kept for [`USER_RETENTION`] from now, however
/// long ago its events happened (a shop imports its history), and from the time it waits for.
pub fn write_item(user: UserKey, stored: &StoredUser, now: Timestamp) -> Item {
    let mut item = key(user);
    let state = stored.state.encode();
    item.insert("revision".into(), number(stored.revision));
    let kept_from = stored.alarm_at.map_or(now, |alarm_at| alarm_at.max(now));
    item.insert("expires_at".into(), number(kept_from.plus(USER_RETENTION).as_secs()));
    let mut room = ITEM_WITH_FACTS_BYTES_MAX.saturating_sub(state.len());
    item.insert("state".into(), AttributeValue::B(Blob::new(state)));
    if !stored.outbox.is_empty() {
        let outbox = serde_json::to_vec(&stored.outbox).expect("effects are plain data");
        room = room.saturating_sub(outbox.len());
        item.insert("outbox".into(), AttributeValue::B(Blob::new(outbox)));
    }
    if !stored.facts.is_empty() {
        let mut facts = facts::compressed(&stored.facts);
        if facts.len() > room || stored.facts.as_bytes().len() > FACTS_BYTES_MAX {
            telemetry::count("facts_omitted", stored.facts.count());
            facts = facts::compressed(&stored.facts.omitted(now));
        }
        item.insert("facts".into(), AttributeValue::B(Blob::new(facts)));
    }
    if let Some(Applied { queue, sequence }) = &stored.applied {
        item.insert("applied_queue".into(), text(queue));
        item.insert("applied_sequence".into(), number(sequence));
    }
    if let Some(alarm_at) = stored.alarm_at {
        item.insert("alarm_shard".into(), number(user.shard(ALARM_SHARDS)));
        item.insert("alarm_at".into(), number(alarm_at.as_millis()));
    }
    item
}

/// Whose item it is, and what it says. An item whose content cannot be read fails alone; one without
/// a user key is not ours at all.
///
/// # Errors
/// When the item has no user key.
pub fn read_item(item: Item) -> Result<(UserKey, Result<StoredUser, Fault>), Fault> {
    let user = user_of(&item)?;
    Ok((user, read_stored(&item)))
}

pub(crate) fn read_state(item: &Item) -> Result<UserState, Fault> {
    let state = item.get("state").and_then(|value| value.as_b().ok()).ok_or_else(|| damaged("it has no `state`"))?;
    UserState::decode(state.as_ref()).map_err(damaged)
}

fn read_stored(item: &Item) -> Result<StoredUser, Fault> {
    let outbox = match item.get("outbox").and_then(|value| value.as_b().ok()) {
        Some(outbox) => serde_json::from_slice(outbox.as_ref())
            .map_err(|error| damaged(format!("outbox: {}", without_content(&error))))?,
        None => Vec::new(),
    };
    let applied = match text_in(item, "applied_queue") {
        Some(queue) => Some(Applied { queue: queue.to_owned(), sequence: parsed(item, "applied_sequence")? }),
        None => None,
    };
    let alarm_at = match item.contains_key("alarm_at") {
        true => Some(Timestamp::from_millis(parsed(item, "alarm_at")?)),
        false => None,
    };
    let revision = parsed(item, "revision")?;
    Ok(StoredUser { state: read_state(item)?, outbox, applied, alarm_at, revision, ..StoredUser::default() })
}

pub(crate) fn user_of(item: &Item) -> Result<UserKey, Fault> {
    text_in(item, "user").and_then(UserKey::parse).ok_or_else(|| damaged("its key `user` is no user key"))
}

fn parsed<T: std::str::FromStr>(item: &Item, name: &str) -> Result<T, Fault> {
    number_in(item, name).ok_or_else(|| damaged(format!("`{name}` is no number of the right kind")))
}

fn damaged(why: impl std::fmt::Display) -> Fault {
    Fault::Permanent { what: "reading a user's item", why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
    use kairos_engine::mailbox::Effect;
    use kairos_engine::time::Span;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1_763_726_400_000);

    #[test]
    fn an_item_reads_back_as_it_was_written() {
        let user = UserKey::known("42");
        let full = StoredUser {
            state: UserState { user_id: Some("42".into()), clock: Timestamp::from_millis(9), ..UserState::default() },
            outbox: vec![Effect::Wake { user, due_at: Timestamp::from_millis(11) }],
            applied: Some(Applied { queue: "events.fifo".into(), sequence: 18_849_496_460_467_696_127 }),
            alarm_at: Some(Timestamp::from_millis(11)),
            revision: 3,
            ..StoredUser::default()
        };
        for stored in [StoredUser::default(), full] {
            let (read_user, read) = read_item(write_item(user, &stored, NOW)).unwrap();
            assert_eq!((read_user, read.unwrap()), (user, stored));
        }
    }

    #[test]
    fn facts_travel_with_the_write_that_made_them_and_are_left_out_where_there_is_no_room() {
        let user = UserKey::known("42");
        let written = |stored: &StoredUser| {
            let item = write_item(user, stored, NOW);
            let facts = item.get("facts").map(|facts| facts.as_b().unwrap().as_ref().to_vec());
            let read = read_item(item).unwrap().1.unwrap();
            assert!(read.facts.is_empty(), "the next write has its own");
            facts.map(|facts| String::from_utf8(facts::lines(&facts).unwrap()).unwrap())
        };
        let lines = "{\"fact\":\"segment\"}\n".repeat(3);
        let stored = StoredUser { facts: lines.clone().into_bytes().into(), ..StoredUser::default() };
        assert_eq!(written(&stored), Some(lines));
        assert_eq!(written(&StoredUser::default()), None);
        // What cannot be compressed.
        let mut number = 1_u64;
        let noise = (0..ITEM_WITH_FACTS_BYTES_MAX).map(|_| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (number >> 33) as u8
        });
        let large = StoredUser { facts: noise.chain([b'\n']).collect::<Vec<u8>>().into(), ..StoredUser::default() };
        let facts = large.facts.count();
        let omitted = serde_json::json!({ "fact": "omitted", "at": NOW.as_millis(), "facts": facts });
        let said: serde_json::Value = serde_json::from_str(&written(&large).unwrap()).unwrap();
        assert_eq!(said, omitted);
    }

    #[test]
    fn a_user_without_an_alarm_is_not_in_the_index() {
        let item = write_item(UserKey::known("42"), &StoredUser::default(), NOW);
        assert!(!item.contains_key("alarm_shard") && !item.contains_key("alarm_at"));
    }

    #[test]
    fn a_user_outlives_both_an_imported_history_and_the_longest_wait() {
        let user = UserKey::known("42");
        let days = |days: i64| Span::from_hours(24 * days);
        let expires_at = |stored: &StoredUser| {
            parsed::<i64>(&write_item(user, stored, NOW), "expires_at").map(|secs| Timestamp::from_millis(secs * 1_000))
        };
        let state = UserState { clock: NOW.minus(days(1_000)), ..UserState::default() };
        let imported = StoredUser { state: state.clone(), ..StoredUser::default() };
        assert_eq!(expires_at(&imported).unwrap(), NOW.plus(USER_RETENTION));
        let waiting = StoredUser { state, alarm_at: Some(NOW.plus(days(400))), ..StoredUser::default() };
        assert_eq!(expires_at(&waiting).unwrap(), NOW.plus(days(400)).plus(USER_RETENTION));
    }

    /// A table that holds the item that comes, or another one, already when it is asked to write it.
    fn table_that_refuses(holds_the_same: bool) -> UsersTable {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
            let put: serde_json::Value = loop {
                let read = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..read]);
                let body = request.windows(4).position(|window| window == b"\r\n\r\n").map(|at| &request[at + 4..]);
                if let Some(put) = body.and_then(|body| serde_json::from_slice(body).ok()) {
                    break put;
                }
            };
            let mut item = put["Item"].clone();
            if !holds_the_same {
                item["revision"] = json!({ "N": "7" });
            }
            let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            let body = json!({ "__type": kind, "message": "no", "Item": item }).to_string();
            let length = body.len();
            write!(stream, "HTTP/1.1 400 Bad Request\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(url)
            .http_client(crate::https::http_client())
            .build();
        UsersTable::new(Client::from_conf(config), "users".into())
    }

    #[tokio::test]
    async fn a_write_whose_answer_was_lost_is_known_when_it_is_found() {
        let stored = StoredUser { revision: 3, ..StoredUser::default() };
        for (holds_the_same, saved) in [(true, Saved::Written), (false, Saved::Overtaken)] {
            let table = table_that_refuses(holds_the_same);
            assert_eq!(table.save(UserKey::known("42"), &stored, Some(2)).await.unwrap(), saved);
        }
    }

    #[test]
    fn a_damaged_item_says_what_is_wrong_with_it() {
        let user = UserKey::known("42");
        for (name, value, said) in [
            ("state", AttributeValue::B(Blob::new([1, 0xff])), "damaged"),
            ("state", AttributeValue::B(Blob::new([200])), "deploy the newer"),
            ("revision", AttributeValue::S("x".into()), "`revision`"),
            ("outbox", AttributeValue::B(Blob::new(*b"{")), "outbox"),
            ("outbox", AttributeValue::B(Blob::new(*b"[\"ada@shop.example\"]")), "outbox"),
        ] {
            let mut item = write_item(user, &StoredUser::default(), NOW);
            item.insert(name.into(), value);
            let error = read_item(item).unwrap().1.unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("ada@"), "{name}: {error}");
        }
    }
}
