//! The queues: mailboxes (FIFO, one message group per user), deliveries, alarms and feedback.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::future::try_join_all;
use kairos_engine::bounds::{QUEUE_BATCH_BYTES_MAX, QUEUE_BATCH_ENTRIES_MAX, QUEUE_LANES_MAX};
use kairos_engine::mailbox::{AlarmMessage, DeliveryMessage, DeliveryOrder, MailboxMessage};
use kairos_engine::time::Span;
use kairos_protocol::delivery::Later;
use kairos_protocol::port::{self, Fault};
use kairos_protocol::receipts::{FeedbackMessage, Receipt};
use serde::Serialize;

use crate::faults::fault;
use crate::on_first_use::OnFirstUse;
use crate::telemetry;

/// `events.fifo`: the mailboxes of all users.
#[derive(Clone, Debug)]
pub struct Mailboxes(Queue);

/// The deliveries queue.
#[derive(Clone, Debug)]
pub struct Deliveries(Queue);

/// The delay queue of alarms.
#[derive(Clone, Debug)]
pub struct Alarms(Queue);

/// The feedback queue.
#[derive(Clone, Debug)]
pub struct Feedback(Queue);

impl Mailboxes {
    /// The mailboxes behind this queue.
    pub fn new(client: impl Into<OnFirstUse<Client>>, url: String) -> Self {
        Self(Queue { client: client.into(), url, what: "events.fifo SendMessageBatch" })
    }
}

impl Deliveries {
    /// The deliveries queue with this address.
    pub fn new(client: impl Into<OnFirstUse<Client>>, url: String) -> Self {
        Self(Queue { client: client.into(), url, what: "deliveries SendMessageBatch" })
    }
}

impl Alarms {
    /// The delay queue with this address.
    pub fn new(client: impl Into<OnFirstUse<Client>>, url: String) -> Self {
        Self(Queue { client: client.into(), url, what: "alarms SendMessageBatch" })
    }
}

impl Feedback {
    /// The feedback queue with this address.
    pub fn new(client: impl Into<OnFirstUse<Client>>, url: String) -> Self {
        Self(Queue { client: client.into(), url, what: "feedback SendMessageBatch" })
    }

    /// Puts receipts there; when this returns, the queue has all of them.
    ///
    /// # Errors
    /// When the queue has not taken all of them. Some may be there; the same again does no harm.
    pub async fn send(&self, receipts: impl IntoIterator<Item = Receipt>) -> Result<(), Fault> {
        let entries = receipts.into_iter().map(|receipt| {
            let message = FeedbackMessage::V1 { receipt };
            Ok(Entry { body: self.0.body(&message)?, fifo: None, delay: None })
        });
        self.0.send_in_any_order(entries.collect::<Result<_, Fault>>()?).await
    }
}

impl port::Mailboxes for Mailboxes {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        // One lane keeps the order of a user's messages; users are spread over the lanes.
        let lanes = lanes_for(messages.len());
        let mut entries: Vec<Vec<Entry>> = vec![Vec::new(); lanes];
        for message in messages {
            let lane = message.user().shard(u32::try_from(lanes).unwrap_or(1)) as usize;
            let fifo = (message.user().to_string(), message.id().to_string());
            let body = match message.correlation() {
                Some(_) => self.0.body(message)?,
                None => self.0.body(&message.clone().caused_by(telemetry::invocation()))?,
            };
            entries[lane].push(Entry { body, fifo: Some(fifo), delay: None });
        }
        self.0.send(entries).await
    }
}

impl port::Deliveries for Deliveries {
    async fn send(&self, messages: &[DeliveryMessage]) -> Result<(), Fault> {
        let entries = messages.iter().map(|message| Ok(Entry { body: self.0.body(message)?, fifo: None, delay: None }));
        self.0.send_in_any_order(entries.collect::<Result<_, Fault>>()?).await
    }
}

impl Later for Deliveries {
    async fn later(&self, order: &DeliveryOrder, delay: Span) -> Result<(), Fault> {
        let message = DeliveryMessage::V1(Box::new(order.clone()));
        // Rounded up: what comes too early would only be put off again.
        let delay = i32::try_from((delay.as_millis() + 999) / 1_000).unwrap_or(i32::MAX);
        let entry = Entry { body: self.0.body(&message)?, fifo: None, delay: Some(delay) };
        self.0.send_in_any_order(vec![entry]).await
    }
}

impl port::Alarms for Alarms {
    async fn send(&self, alarms: &[(AlarmMessage, Span)]) -> Result<(), Fault> {
        let entries = alarms.iter().map(|(alarm, delay)| {
            let delay = i32::try_from(delay.as_millis() / 1_000).unwrap_or(i32::MAX);
            Ok(Entry { body: self.0.body(alarm)?, fifo: None, delay: Some(delay) })
        });
        self.0.send_in_any_order(entries.collect::<Result<_, Fault>>()?).await
    }
}

#[derive(Clone, Debug)]
struct Queue {
    client: OnFirstUse<Client>,
    url: String,
    what: &'static str,
}

#[derive(Clone, Debug)]
struct Entry {
    body: String,
    /// Message group and deduplication id.
    fifo: Option<(String, String)>,
    delay: Option<i32>,
}

fn lanes_for(entries: usize) -> usize {
    entries.div_ceil(QUEUE_BATCH_ENTRIES_MAX).clamp(1, QUEUE_LANES_MAX)
}

impl Queue {
    fn body(&self, message: &impl Serialize) -> Result<String, Fault> {
        let body = serde_json::to_string(message)
            .map_err(|error| Fault::Permanent { what: self.what, why: error.to_string() })?;
        if body.len() > QUEUE_BATCH_BYTES_MAX {
            let why =
                format!("a message of {} bytes is larger than the queue takes ({QUEUE_BATCH_BYTES_MAX})", body.len());
            return Err(Fault::Permanent { what: self.what, why });
        }
        Ok(body)
    }

    async fn send_in_any_order(&self, entries: Vec<Entry>) -> Result<(), Fault> {
        let lanes = lanes_for(entries.len());
        let mut spread = vec![Vec::new(); lanes];
        for (index, entry) in entries.into_iter().enumerate() {
            spread[index % lanes].push(entry);
        }
        self.send(spread).await
    }

    /// Sends the entries of each lane in their order, lanes side by side.
    async fn send(&self, lanes: Vec<Vec<Entry>>) -> Result<(), Fault> {
        try_join_all(lanes.into_iter().map(|lane| self.send_lane(lane))).await.map(drop)
    }

    async fn send_lane(&self, entries: Vec<Entry>) -> Result<(), Fault> {
        let mut call = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            if call.len() == QUEUE_BATCH_ENTRIES_MAX || bytes + entry.body.len() > QUEUE_BATCH_BYTES_MAX {
                self.send_call(std::mem::take(&mut call)).await?;
                bytes = 0;
            }
            bytes += entry.body.len();
            call.push(entry);
        }
        if call.is_empty() { Ok(()) } else { self.send_call(call).await }
    }

    async fn send_call(&self, entries: Vec<Entry>) -> Result<(), Fault> {
        let entries = entries.into_iter().enumerate().map(|(index, entry)| {
            let (group, deduplication) = entry.fifo.unzip();
            SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(entry.body)
                .set_message_group_id(group)
                .set_message_deduplication_id(deduplication)
                .set_delay_seconds(entry.delay)
                .build()
                .expect("id and body are given")
        });
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        let answer = request.send().await.map_err(|error| fault(self.what, &error))?;
        match answer.failed() {
            [] => Ok(()),
            failed @ [first, ..] => {
                let why =
                    format!("{} of the messages: {}", failed.len(), first.message().unwrap_or_else(|| first.code()));
                Err(match failed.iter().all(|failure| failure.sender_fault()) {
                    true => Fault::Permanent { what: self.what, why },
                    false => Fault::Retryable { what: self.what, why },
                })
            }
        }
    }
}
