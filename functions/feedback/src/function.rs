//! The Lambda function: a batch of the queue in, the failures and the counters out.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_dynamodb::Client as DynamoDb;
use kairos_cloud::addresses::AddressesTable;
use kairos_cloud::batches::{receipt, response};
use kairos_cloud::clock::SystemClock;
use kairos_cloud::deliveries::DeliveriesTable;
use kairos_cloud::environment::required;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::suppressions::SuppressionsTable;
use kairos_cloud::{service, telemetry};
use kairos_engine::playbook::Channel;
use kairos_protocol::port::{Clock, Fault};
use lambda_runtime::{Error, LambdaEvent};

use crate::notification::{Notification, Topics, read};
use crate::said::Said;
use crate::suppression::{At, Suppressing};
use crate::taking::{Asked, Taken};

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Function {
    topics: Topics,
    pub(crate) suppressing: Suppressing,
    pub(crate) deliveries: DeliveriesTable,
    pub(crate) playbooks: PlaybookStore,
    pub(crate) asked: Asked,
    pub(crate) sns: aws_sdk_sns::Client,
}

impl Function {
    /// The function as its environment describes it (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let tables = DynamoDb::new(&config);
        Ok(Self {
            topics: Topics {
                sms_replies: required("SMS_REPLIES_TOPIC_ARN")?,
                email_events: required("EMAIL_EVENTS_TOPIC_ARN")?,
                sms_events: required("SMS_EVENTS_TOPIC_ARN")?,
            },
            suppressing: Suppressing {
                suppressions: SuppressionsTable::new(tables.clone(), required("SUPPRESSIONS_TABLE")?),
                addresses: AddressesTable::new(tables.clone(), required("ADDRESSES_TABLE")?),
                mailboxes: Mailboxes::new(aws_sdk_sqs::Client::new(&config), required("EVENTS_QUEUE_URL")?),
            },
            deliveries: DeliveriesTable::new(tables.clone(), required("DELIVERIES_TABLE")?),
            playbooks: PlaybookStore::new(tables, required("PLAYBOOK_TABLE")?),
            asked: Asked::default(),
            sns: aws_sdk_sns::Client::new(&config),
        })
    }

    /// One batch of the queue. What fails comes again, or goes to the dead letters after the last time.
    ///
    /// # Errors
    /// None: what goes wrong goes wrong for one message.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let mut failed = Vec::new();
        for record in &event.payload.records {
            match read(record.body.as_deref().unwrap_or_default(), &self.topics, SystemClock.now()) {
                Ok(notification) => match self.hear_of(&notification, receives(record)).await {
                    Ok(Taken::Done) => {}
                    Ok(Taken::NotYet) => failed.push(receipt(record)),
                    Err(error) => {
                        tracing::warn!(%error, "news could not be taken in; the queue gives it again");
                        telemetry::count("feedback_failed", 1);
                        failed.push(receipt(record));
                    }
                },
                Err(error) => {
                    tracing::error!(%error, "this is not understood; it goes to the dead letters");
                    telemetry::count("feedback_not_understood", 1);
                    failed.push(receipt(record));
                }
            }
        }
        telemetry::flush("feedback", SystemClock.now());
        Ok(response(failed))
    }

    async fn hear_of(&self, notification: &Notification, receives: u32) -> Result<Taken, Fault> {
        match notification {
            Notification::SmsReply(reply) => {
                let from = At { channel: Channel::Sms, address: &reply.from, user: None };
                self.hear(Said { id: &reply.id, from, to: Some(&reply.to), text: &reply.text }).await?;
                Ok(Taken::Done)
            }
            Notification::Receipts(receipts) => {
                if receipts.is_empty() {
                    telemetry::count("receipt_not_wanted", 1);
                }
                let mut taken = Taken::Done;
                for receipt in receipts {
                    if self.take(receipt, receives).await? == Taken::NotYet {
                        taken = Taken::NotYet;
                    }
                }
                Ok(taken)
            }
        }
    }
}

/// How often the queue has given a message. SQS always says it; a hand-made event may leave it out and is then the first.
fn receives(record: &SqsMessage) -> u32 {
    record.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}
