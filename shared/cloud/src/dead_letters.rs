//! Dead letters: how many wait in a queue and in its dead-letter queue, what they say, and how they are put back.
//!
//! They are put back one after the other: the queue first, then they are taken away. A crash between the two leaves a letter
//! that is put back once more, which what consumes it recognises; nothing is lost. In a queue with message groups the letters of
//! a user keep their order, and the first that cannot be put back ends the run. SQS' own message move task does the same
//! for what one cannot see; this one also works where no such task is offered.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use kairos_engine::bounds::{
    DEAD_LETTER_BYTES_MAX, DEAD_LETTER_LOOK, DEAD_LETTERS_SHOWN_MAX, QUEUE_BATCH_ENTRIES_MAX, REDRIVE_LEASE,
    REDRIVE_MAX, REDRIVE_RUN_MAX,
};
use kairos_engine::product::shortened;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::port::{Clock, Fault};

use crate::faults::fault;

/// How much is in a queue, about: SQS counts loosely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that somebody works on.
    pub in_flight: u64,
    /// Messages that wait for their time.
    pub delayed: u64,
}

impl Depth {
    /// All of them.
    pub const fn total(self) -> u64 {
        self.waiting + self.in_flight + self.delayed
    }
}

/// A message that nobody could deal with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS' id of it.
    pub id: String,
    /// When it was first put into a queue.
    pub sent_at: Option<Timestamp>,
    /// Its message group: the user's mailbox.
    pub group: Option<String>,
    /// Its text, cut to [`DEAD_LETTER_BYTES_MAX`]. May hold personal data.
    pub body: String,
    /// Whether it was cut.
    pub is_cut: bool,
}

/// What putting back has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Letters that were put back.
    pub moved: usize,
    /// Why it has ended before the queue was empty.
    pub stopped: Option<String>,
}

/// A queue and what becomes of what nobody can deal with.
#[derive(Clone, Debug)]
pub struct WatchedQueue {
    client: Client,
    /// Its name for people.
    pub name: &'static str,
    url: String,
    dead_letters_url: String,
}

impl WatchedQueue {
    /// The queue at this address, and its dead letters'.
    pub fn new(client: Client, name: &'static str, url: String, dead_letters_url: String) -> Self {
        Self { client, name, url, dead_letters_url }
    }

    /// The queue's own name and that of its dead letters, as metrics have them.
    pub fn metric_names(&self) -> [&str; 2] {
        [&self.url, &self.dead_letters_url].map(|url| url.rsplit('/').next().unwrap_or_default())
    }

    /// How much is in the queue, and how many dead letters there are.
    ///
    /// # Errors
    /// When SQS fails.
    pub async fn depths(&self) -> Result<(Depth, Depth), Fault> {
        Ok((self.depth(&self.url).await?, self.depth(&self.dead_letters_url).await?))
    }

    async fn depth(&self, url: &str) -> Result<Depth, Fault> {
        use QueueAttributeName as Name;
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
        let answer = request.send().await.map_err(|error| fault("SQS GetQueueAttributes", &error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let [waiting, in_flight, delayed] =
            names.map(|name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default());
        Ok(Depth { waiting, in_flight, delayed })
    }

    /// Some dead letters, for a person to read: at most [`DEAD_LETTERS_SHOWN_MAX`]. They stay where they are.
    ///
    /// # Errors
    /// When SQS fails.
    pub async fn look(&self) -> Result<Vec<DeadLetter>, Fault> {
        let mut messages = Vec::new();
        while messages.len() < DEAD_LETTERS_SHOWN_MAX {
            let found = self.receive(DEAD_LETTER_LOOK).await?;
            if found.is_empty() {
                break;
            }
            messages.extend(found);
        }
        self.let_go(&messages).await?;
        messages.truncate(DEAD_LETTERS_SHOWN_MAX);
        Ok(messages.into_iter().map(dead_letter).collect())
    }

    /// Puts dead letters back, at most [`REDRIVE_MAX`] and for at most [`REDRIVE_RUN_MAX`].
    ///
    /// # Errors
    /// When no dead letter can be read.
    pub async fn redrive(&self, clock: &impl Clock) -> Result<Redriven, Fault> {
        let mut redriven = Redriven::default();
        let started_at = clock.now();
        loop {
            let messages = match self.receive(REDRIVE_LEASE).await {
                Err(fault) if redriven.moved > 0 => return Ok(stopped(redriven, fault.to_string())),
                received => received?,
            };
            if messages.is_empty() {
                return Ok(redriven);
            }
            for (number, message) in messages.iter().enumerate() {
                if let Err(fault) = self.put_back(message).await {
                    // Others may look at what was not put back at once.
                    self.let_go(&messages[number..]).await?;
                    return Ok(stopped(redriven, fault.to_string()));
                }
                redriven.moved += 1;
                let is_long = clock.now().since(started_at) >= REDRIVE_RUN_MAX;
                if is_long || redriven.moved >= REDRIVE_MAX {
                    self.let_go(&messages[number + 1..]).await?;
                    return Ok(stopped(redriven, format!("{} at a time", REDRIVE_MAX)));
                }
            }
        }
    }

    async fn put_back(&self, message: &Message) -> Result<(), Fault> {
        let attribute = |name| message.attributes.as_ref().and_then(|known| known.get(&name)).cloned();
        let group = attribute(MessageSystemAttributeName::MessageGroupId);
        // The letter's own id: the same letter twice counts once, and one that dies again is another one.
        let deduplication = group.as_ref().and(message.message_id.clone());
        let send = self
            .client
            .send_message()
            .queue_url(&self.url)
            .set_message_body(message.body.clone())
            .set_message_attributes(message.message_attributes.clone())
            .set_message_group_id(group)
            .set_message_deduplication_id(deduplication);
        send.send().await.map_err(|error| fault("SQS SendMessage", &error))?;
        let delete = self.client.delete_message().queue_url(&self.dead_letters_url);
        let delete = delete.set_receipt_handle(message.receipt_handle.clone());
        delete.send().await.map_err(|error| fault("SQS DeleteMessage", &error))?;
        Ok(())
    }

    async fn receive(&self, lease: Span) -> Result<Vec<Message>, Fault> {
        let lease = i32::try_from(lease.as_millis() / 1_000).unwrap_or(i32::MAX);
        let most = i32::try_from(QUEUE_BATCH_ENTRIES_MAX).unwrap_or(10);
        let request = self
            .client
            .receive_message()
            .queue_url(&self.dead_letters_url)
            .max_number_of_messages(most)
            .visibility_timeout(lease)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.map_err(|error| fault("SQS ReceiveMessage", &error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Lets others have these letters at once.
    async fn let_go(&self, messages: &[Message]) -> Result<(), Fault> {
        for chunk in messages.chunks(QUEUE_BATCH_ENTRIES_MAX) {
            let entries = chunk.iter().enumerate().map(|(number, message)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
                let entry = entry.set_receipt_handle(message.receipt_handle.clone()).visibility_timeout(0);
                entry.build().map_err(|error| Fault::Permanent { what: LET_GO, why: error.to_string() })
            });
            let request = self.client.change_message_visibility_batch().queue_url(&self.dead_letters_url);
            let request = request.set_entries(Some(entries.collect::<Result<_, _>>()?));
            request.send().await.map_err(|error| fault(LET_GO, &error))?;
        }
        Ok(())
    }
}

const LET_GO: &str = "SQS ChangeMessageVisibilityBatch";

fn stopped(redriven: Redriven, why: String) -> Redriven {
    Redriven { stopped: Some(why), ..redriven }
}

fn dead_letter(message: Message) -> DeadLetter {
    let attribute = |name| message.attributes.as_ref().and_then(|known| known.get(&name));
    let sent_at = attribute(MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse().ok());
    let body = message.body.as_deref().unwrap_or_default();
    let kept = shortened(body, DEAD_LETTER_BYTES_MAX);
    DeadLetter {
        id: message.message_id.clone().unwrap_or_default(),
        sent_at: sent_at.map(Timestamp::from_millis),
        group: attribute(MessageSystemAttributeName::MessageGroupId).cloned(),
        is_cut: kept.len() < body.len(),
        body: kept.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use crate::clock::SystemClock;
    use crate::stand_in::{Call, config};

    /// Queues with these dead letters, of which `refused` is not taken back; and what was asked of them.
    fn queues(letters: &[&str], refused: Option<&'static str>) -> (WatchedQueue, Arc<Mutex<Vec<Value>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let mut waiting: Vec<String> = letters.iter().map(|text| (*text).to_owned()).collect();
        let waiting = Mutex::new(std::mem::take(&mut waiting));
        let answer = move |call: &Call| -> Value {
            let mut said = call.body.clone();
            said["operation"] = json!(call.operation);
            noted.lock().unwrap().push(said);
            match call.operation.as_str() {
                "ReceiveMessage" => {
                    let mut waiting = waiting.lock().unwrap();
                    let count = waiting.len().min(2);
                    let messages: Vec<Value> = waiting
                        .drain(..count)
                        .map(|body| {
                            json!({
                                "MessageId": format!("id of {body}"), "ReceiptHandle": format!("handle of {body}"),
                                "Body": body,
                                "Attributes": { "MessageGroupId": "ann", "SentTimestamp": "1763726400000" },
                                "MessageAttributes": { "from": { "DataType": "String", "StringValue": "test" } },
                            })
                        })
                        .collect();
                    json!({ "Messages": messages })
                }
                "GetQueueAttributes" => json!({ "Attributes": { "ApproximateNumberOfMessages": "3" } }),
                // What is no answer at all is an error of the client's.
                "SendMessage" if refused.is_some_and(|refused| call.body["MessageBody"] == refused) => json!([]),
                "SendMessage" => json!({ "MessageId": "new" }),
                _ => json!({ "Successful": [], "Failed": [] }),
            }
        };
        let client = Client::new(&config(answer));
        let url = |name: &str| format!("https://sqs.example/1/{name}");
        (WatchedQueue::new(client, "mailboxes", url("events.fifo"), url("dead.fifo")), asked)
    }

    fn named(asked: &Mutex<Vec<Value>>, operation: &str) -> Vec<Value> {
        asked.lock().unwrap().iter().filter(|call| call["operation"] == operation).cloned().collect()
    }

    #[tokio::test]
    async fn letters_are_shown_and_stay() {
        let long = "x".repeat(DEAD_LETTER_BYTES_MAX + 1);
        let (queue, asked) = queues(&["one", "two", &long], None);
        let letters = queue.look().await.unwrap();
        assert_eq!(letters.len(), 3);
        assert_eq!((letters[0].body.as_str(), letters[0].group.as_deref()), ("one", Some("ann")));
        assert_eq!(letters[0].sent_at, Some(Timestamp::from_millis(1_763_726_400_000)));
        assert!(letters[2].is_cut && letters[2].body.len() == DEAD_LETTER_BYTES_MAX);
        assert!(named(&asked, "DeleteMessage").is_empty());
        let let_go = named(&asked, "ChangeMessageVisibilityBatch");
        assert_eq!(let_go[0]["Entries"].as_array().unwrap().len(), 3, "others see them at once");
    }

    #[tokio::test]
    async fn letters_are_put_back_in_their_order_and_only_then_taken_away() {
        let (queue, asked) = queues(&["one", "two", "three"], None);
        let redriven = queue.redrive(&SystemClock).await.unwrap();
        assert_eq!(redriven, Redriven { moved: 3, stopped: None });
        let calls = asked.lock().unwrap().clone();
        let order: Vec<&str> = calls.iter().filter_map(|call| call["operation"].as_str()).collect();
        assert_eq!(order[..5], ["ReceiveMessage", "SendMessage", "DeleteMessage", "SendMessage", "DeleteMessage"]);
        let sent = named(&asked, "SendMessage");
        let bodies: Vec<&Value> = sent.iter().map(|call| &call["MessageBody"]).collect();
        assert_eq!(bodies, ["one", "two", "three"]);
        assert_eq!(
            (&sent[0]["MessageGroupId"], &sent[0]["MessageDeduplicationId"]),
            (&json!("ann"), &json!("id of one"))
        );
        assert_eq!(sent[0]["MessageAttributes"]["from"]["StringValue"], "test");
        assert_eq!(sent[0]["QueueUrl"], "https://sqs.example/1/events.fifo");
    }

    #[tokio::test]
    async fn the_first_letter_that_is_not_taken_ends_the_run_and_stays() {
        let (queue, asked) = queues(&["one", "two", "three"], Some("two"));
        let redriven = queue.redrive(&SystemClock).await.unwrap();
        assert_eq!(redriven.moved, 1);
        assert!(redriven.stopped.is_some());
        assert_eq!(named(&asked, "DeleteMessage").len(), 1);
        assert_eq!(named(&asked, "ChangeMessageVisibilityBatch")[0]["Entries"][0]["ReceiptHandle"], "handle of two");
    }

    #[tokio::test]
    async fn both_queues_tell_how_much_is_in_them() {
        let (queue, _) = queues(&[], None);
        let depth = Depth { waiting: 3, ..Depth::default() };
        assert_eq!(queue.depths().await.unwrap(), (depth, depth));
        assert_eq!((depth.total(), queue.metric_names()), (3, ["events.fifo", "dead.fifo"]));
    }
}
