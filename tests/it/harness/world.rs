//! What tests do to a stage and see of it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::MailboxMessage;
use kairos_protocol::delivery::{DeliveryRecord, Status};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::Deserialize;
use serde_json::{Value, json};

use super::playbook::WRITE_KEY;
use super::{PATIENCE, Shopper, Stage, eventually};

/// What `ingest` answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// Headers by lower-case name.
    pub(crate) headers: HeaderMap,
    /// The body as JSON; null when it is none.
    pub(crate) body: Value,
}

/// An SMS that was handed to SNS.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Sms {
    /// What it says.
    pub(crate) message: String,
}

/// An email that was handed to SES.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Email {
    /// From whom.
    pub(crate) source: String,
    /// To whom.
    pub(crate) to: Vec<String>,
    /// The subject line.
    pub(crate) subject: String,
    /// The text part.
    pub(crate) body_text: String,
    /// The HTML part.
    #[serde(default)]
    pub(crate) body_html: Option<String>,
}

/// How many messages a queue holds: waiting, delayed and under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Depth(pub(crate) i64);

impl Stage {
    /// Sends a batch as a client would that does not say when it sent it, so that times count as they are.
    pub(crate) async fn post(&self, calls: &[Value]) -> Answer {
        self.post_json("/v1/batch", &json!({"batch": calls, "writeKey": WRITE_KEY})).await
    }

    /// Sends a batch, which must be accepted whole.
    pub(crate) async fn accept(&self, calls: &[Value]) {
        let answer = self.post(calls).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"success": true})), "the batch is accepted whole");
    }

    /// Sends JSON to a path of `ingest`.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(self.http.post(self.ingest(path)).header(CONTENT_TYPE, "application/json").body(body.to_string()))
            .await
    }

    /// The address of a path of `ingest`.
    pub(crate) fn ingest(&self, path: &str) -> String {
        format!("{}{path}", self.stack.ingest_url)
    }

    /// Sends a request to `ingest`.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.expect("the Function URL answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.expect("the answer is complete");
        Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    /// What is stored of a user.
    pub(crate) async fn stored(&self, user: UserKey) -> Option<StoredUser> {
        self.users.get(user).await.expect("the users table answers")
    }

    /// Waits until what is stored of a user is as wanted.
    pub(crate) async fn stored_when(
        &self,
        user: UserKey,
        what: &str,
        wanted: impl Fn(&StoredUser) -> bool,
    ) -> StoredUser {
        eventually(what, PATIENCE, async || match self.stored(user).await {
            Some(stored) if wanted(&stored) => Ok(stored),
            found => Err(format!("{found:#?}")),
        })
        .await
    }

    /// Waits until a user's mailbox has been applied up to an event of theirs at that time or later.
    pub(crate) async fn applied_to(&self, shopper: &Shopper, at: kairos_engine::time::Timestamp) -> StoredUser {
        self.stored_when(shopper.key(), "the event is applied", |stored| stored.state.clock >= at).await
    }

    /// The records of all messages ever decided for a user, in the order of the decisions; `None` for one that
    /// `delivery` has not begun yet.
    pub(crate) async fn deliveries(&self, user: UserKey) -> Vec<Option<DeliveryRecord>> {
        let decisions = self.stored(user).await.map_or(0, |stored| stored.state.decisions);
        let mut records = Vec::new();
        for number in 0..decisions {
            records.push(self.delivery(DeliveryId::of_decision(user, number)).await);
        }
        records
    }

    /// The record of a delivery.
    pub(crate) async fn delivery(&self, delivery: DeliveryId) -> Option<DeliveryRecord> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(self.output("DeliveriesTable"))
            .key("delivery", AttributeValue::S(delivery.to_string()))
            .consistent_read(true)
            .send()
            .await
            .expect("the deliveries table answers");
        let record = answer.item?.remove("record").expect("the item has a record");
        Some(DeliveryRecord::from_json(record.as_s().expect("the record is text")).expect("the record reads"))
    }

    /// Waits until exactly this many messages have been decided for a user and every one is sent.
    pub(crate) async fn sent(&self, user: UserKey, how_many: usize) -> Vec<DeliveryRecord> {
        eventually(format!("{how_many} messages sent to {user}"), PATIENCE, async || {
            let records = self.deliveries(user).await;
            let sent: Vec<_> =
                records.iter().flatten().filter(|record| record.status == Status::Sent).cloned().collect();
            if sent.len() == how_many && records.len() == how_many {
                return Ok(sent);
            }
            let outcomes = self.stored(user).await.map(|stored| stored.state.outcomes);
            Err(format!("{records:#?}\noutcomes: {outcomes:#?}"))
        })
        .await
    }

    /// The refused events of a source whose excerpt contains this text.
    pub(crate) async fn refusals(&self, source: &str, text: &str) -> Vec<BTreeMap<String, String>> {
        let answer = self
            .dynamodb
            .query()
            .table_name(self.output("RefusalsTable"))
            .key_condition_expression("#source = :source")
            .expression_attribute_names("#source", "source")
            .expression_attribute_values(":source", AttributeValue::S(source.into()))
            .consistent_read(true)
            .send()
            .await
            .expect("the refusals table answers");
        let plain = |value: AttributeValue| match value {
            AttributeValue::S(text) | AttributeValue::N(text) => text,
            other => format!("{other:?}"),
        };
        let items = answer.items.unwrap_or_default().into_iter();
        let items = items.map(|item| item.into_iter().map(|(name, value)| (name, plain(value))).collect());
        items.filter(|item: &BTreeMap<String, String>| item["excerpt"].contains(text)).collect()
    }

    /// The SMS sent to a phone.
    pub(crate) async fn sms_to(&self, phone: &str) -> Vec<Sms> {
        let answer = self.peek("/_ministack/sns/sms-messages").await;
        let by_phone = answer["sms_messages"].as_object().cloned().unwrap_or_default();
        by_phone.get(phone).map_or_else(Vec::new, |sms| serde_json::from_value(sms.clone()).expect("an SMS reads"))
    }

    /// The emails sent to an address.
    pub(crate) async fn emails_to(&self, address: &str) -> Vec<Email> {
        let answer = self.peek("/_ministack/ses/messages").await;
        let accounts = answer["messages"].as_object().cloned().unwrap_or_default();
        let emails = accounts
            .into_values()
            .flat_map(|emails| serde_json::from_value::<Vec<Email>>(emails).expect("an email reads"));
        emails.filter(|email| email.to.iter().any(|to| to.contains(address))).collect()
    }

    /// The messages that stand in the mailboxes, in order; it takes nothing out.
    pub(crate) async fn mailbox_messages(&self) -> Vec<MailboxMessage> {
        let url = reqwest::Url::parse_with_params(
            &format!("{}/_ministack/sqs/messages", self.stack.endpoint),
            [("QueueUrl", self.output("EventsQueueUrl"))],
        );
        let answer = self.http.get(url.expect("an address")).send().await.expect("the engine answers");
        let answer: Value = answer.json().await.expect("the engine answers in JSON");
        bodies(&answer).iter().map(|body| serde_json::from_str(body).expect("a mailbox message reads")).collect()
    }

    async fn peek(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.stack.endpoint)).send().await.expect("the engine answers");
        answer.json().await.expect("the engine answers in JSON")
    }

    /// How many messages a queue holds, by the name of its output.
    pub(crate) async fn depth(&self, queue: &str) -> Depth {
        self.counted(
            queue,
            &[
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesDelayed,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            ],
        )
        .await
    }

    /// How many messages wait in a queue for the end of their delay.
    pub(crate) async fn delayed(&self, queue: &str) -> Depth {
        self.counted(queue, &[QueueAttributeName::ApproximateNumberOfMessagesDelayed]).await
    }

    async fn counted(&self, queue: &str, names: &[QueueAttributeName]) -> Depth {
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(self.output(queue))
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .expect("the queue answers");
        let attributes = answer.attributes.unwrap_or_default();
        Depth(names.iter().filter_map(|name| attributes.get(name)?.parse::<i64>().ok()).sum())
    }
}

/// All bodies in what the engine says of a queue, wherever in its answer they stand.
fn bodies(answer: &Value) -> Vec<&str> {
    match answer {
        Value::Object(object) => match object.get("Body") {
            Some(Value::String(body)) => vec![body],
            _ => object.values().flat_map(bodies).collect(),
        },
        Value::Array(list) => list.iter().flat_map(bodies).collect(),
        _ => Vec::new(),
    }
}
