//! The console's own table: who is logged in, who has guessed, what was changed.
//!
//! | `kind` (S, key) | `id` (S, key) | what |
//! |---|---|---|
//! | `session` | hash of the token | `since` (N, ms) |
//! | `sessions` | `ended` | `at` (N, ms): sessions of until then are over, all of them |
//! | `logins` | hash of an address, or `all`, and the window | `tried` (N): how often |
//! | `change` | time and a random rest | `session` (S), `action` (S), `on` (S) |
//!
//! All have `expires_at` (N, s), DynamoDB's TTL; what it has not removed yet is told apart by it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValue;
use kairos_cloud::faults::fault;
use kairos_cloud::items::{
    Condition, Item, PutOutcome, left_unprocessed, number, number_in, put_if, read_batch, text, text_in,
};
use kairos_engine::bounds::{CONSOLE_CHANGE_RETENTION, CONSOLE_LOGIN_WINDOW, CONSOLE_SESSION_MAX};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::port::Fault;

/// The table.
#[derive(Clone, Debug)]
pub struct ConsoleStore {
    client: Client,
    table: String,
}

/// Something that was changed by way of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// In which session, shortened.
    pub session: String,
    /// What was done, as in `publish`.
    pub action: String,
    /// What to, as a version or a queue. No personal data.
    pub on: String,
}

impl ConsoleStore {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Since when somebody is logged in with a token of this hash; `None` when nobody is.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn session(&self, hash: &str, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        const READ: &str = "ConsoleTable BatchGetItem";
        let read = read_batch(&self.client, &self.table, vec![key("session", hash), ended()], READ).await?;
        if !read.unread.is_empty() {
            return Err(left_unprocessed(READ));
        }
        Ok(since(&read.items, now))
    }

    /// Keeps that somebody is logged in.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn open(&self, hash: &str, now: Timestamp) -> Result<(), Fault> {
        let mut item = key("session", hash);
        item.insert("since".into(), number(now.as_millis()));
        item.insert("expires_at".into(), expiry(now, CONSOLE_SESSION_MAX));
        self.put(item).await
    }

    /// Ends one session.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn close(&self, hash: &str) -> Result<(), Fault> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(key("session", hash)));
        request.send().await.map(drop).map_err(|error| fault("ConsoleTable DeleteItem", &error))
    }

    /// Ends all sessions that there are.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn close_all(&self, now: Timestamp) -> Result<(), Fault> {
        let mut item = ended();
        item.insert("at".into(), number(now.as_millis()));
        // Longer than any session of until now could last.
        item.insert("expires_at".into(), expiry(now, CONSOLE_SESSION_MAX));
        self.put(item).await
    }

    /// Notes another attempt to log in of `who` in the present window, and says how many that makes.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn tried(&self, who: &str, now: Timestamp) -> Result<u32, Fault> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(attempts(who, now)))
            .update_expression("SET expires_at = :expires_at ADD tried :one")
            .expression_attribute_values(":expires_at", expiry(now, CONSOLE_LOGIN_WINDOW))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew);
        let answer = request.send().await.map_err(|error| fault("ConsoleTable UpdateItem", &error))?;
        Ok(answer.attributes.as_ref().and_then(|item| number_in(item, "tried")).unwrap_or(u32::MAX))
    }

    /// Forgets the attempts of somebody who knew the password in the end.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn forgive(&self, who: &str, now: Timestamp) -> Result<(), Fault> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(attempts(who, now)));
        request.send().await.map(drop).map_err(|error| fault("ConsoleTable DeleteItem", &error))
    }

    /// Writes down what is about to be changed. `rest` tells changes of one millisecond apart.
    ///
    /// # Errors
    /// When DynamoDB fails: then nothing may be changed.
    pub async fn note(&self, change: &Change, rest: &str) -> Result<(), Fault> {
        let mut item = key("change", &format!("{}#{rest}", change.at));
        item.insert("at".into(), number(change.at.as_millis()));
        item.insert("session".into(), text(&change.session));
        item.insert("action".into(), text(&change.action));
        item.insert("on".into(), text(&change.on));
        item.insert("expires_at".into(), expiry(change.at, CONSOLE_CHANGE_RETENTION));
        match put_if(&self.client, &self.table, item, Condition::Absent("kind"), "ConsoleTable PutItem").await? {
            PutOutcome::Written | PutOutcome::Same => Ok(()),
            PutOutcome::Conflict(_) => Err(Fault::Retryable {
                what: "ConsoleTable PutItem",
                why: "two changes in one moment; do it again".to_owned(),
            }),
        }
    }

    /// What was changed last, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn changes(&self, limit: u16) -> Result<Vec<Change>, Fault> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#kind = :kind")
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":kind", text("change"))
            .scan_index_forward(false)
            .limit(i32::from(limit));
        let answer = request.send().await.map_err(|error| fault("ConsoleTable Query", &error))?;
        Ok(answer.items.unwrap_or_default().iter().filter_map(change).collect())
    }

    async fn put(&self, item: Item) -> Result<(), Fault> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map(drop).map_err(|error| fault("ConsoleTable PutItem", &error))
    }
}

fn key(kind: &str, id: &str) -> Item {
    Item::from([("kind".to_owned(), text(kind)), ("id".to_owned(), text(id))])
}

fn ended() -> Item {
    key("sessions", "ended")
}

/// Attempts are counted in windows that follow each other, so that who waits begins anew.
fn attempts(who: &str, now: Timestamp) -> Item {
    let window = now.as_millis() / CONSOLE_LOGIN_WINDOW.as_millis();
    key("logins", &format!("{who}#{window}"))
}

fn expiry(now: Timestamp, after: Span) -> aws_sdk_dynamodb::types::AttributeValue {
    number(now.plus(after).as_secs() + 1)
}

/// Since when the session among these items is open, when it is.
fn since(items: &[Item], now: Timestamp) -> Option<Timestamp> {
    let of = |kind: &str| items.iter().find(|item| text_in(item, "kind") == Some(kind));
    let since = Timestamp::from_millis(number_in(of("session")?, "since")?);
    // Items past their time may stay for days until DynamoDB removes them.
    let is_over = now.since(since) >= CONSOLE_SESSION_MAX;
    let ended: Option<i64> = of("sessions").and_then(|item| number_in(item, "at"));
    let was_ended = ended.is_some_and(|ended| since.as_millis() <= ended);
    (!is_over && !was_ended).then_some(since)
}

fn change(item: &Item) -> Option<Change> {
    let of = |name: &str| text_in(item, name).map(str::to_owned);
    let at = Timestamp::from_millis(number_in(item, "at")?);
    Some(Change { at, session: of("session")?, action: of("action")?, on: of("on")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(at: i64) -> Item {
        let mut item = key("session", "abc");
        item.insert("since".into(), number(at));
        item
    }

    fn all_ended(at: i64) -> Item {
        let mut item = ended();
        item.insert("at".into(), number(at));
        item
    }

    #[test]
    fn a_session_ends_by_time_and_by_word() {
        let at = Timestamp::from_millis;
        let lasts = CONSOLE_SESSION_MAX.as_millis();
        for (items, now, expected) in [
            (vec![], 1, None),
            (vec![all_ended(5)], 6, None),
            (vec![session(10)], 10, Some(at(10))),
            (vec![session(10)], 9 + lasts, Some(at(10))),
            (vec![session(10)], 10 + lasts, None),
            (vec![all_ended(9), session(10)], 11, Some(at(10))),
            (vec![session(10), all_ended(10)], 11, None),
            (vec![session(10), all_ended(11)], 12, None),
        ] {
            assert_eq!(since(&items, at(now)), expected, "{items:?} at {now}");
        }
    }

    #[test]
    fn attempts_begin_anew_with_the_next_window() {
        let window = CONSOLE_LOGIN_WINDOW.as_millis();
        let id = |now| text_in(&attempts("all", Timestamp::from_millis(now)), "id").map(str::to_owned);
        assert_eq!(id(0), id(window - 1));
        assert_ne!(id(0), id(window));
    }
}
