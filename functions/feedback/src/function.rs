//! The Lambda function: a batch of the queue in, the failures and the counters out.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sns::types::MessageAttributeValue;
use kairos_cloud::addresses::AddressesTable;
use kairos_cloud::batches::{receipt, response};
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::faults::fault;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::suppressions::SuppressionsTable;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::HELP_ANSWERS_PER_DAY_MAX;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::identifiers::AddressKey;
use kairos_engine::playbook::Channel;
use kairos_protocol::port::{Clock, Fault};
use lambda_runtime::{Error, LambdaEvent};

use crate::keywords::{Keyword, keyword};
use crate::notification::{Notification, Topics, read};
use crate::sms_reply::SmsReply;
use crate::suppression::{Cause, Suppressing};

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Function {
    topics: Topics,
    suppressing: Suppressing,
    playbooks: PlaybookStore,
    sns: aws_sdk_sns::Client,
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
            topics: Topics { sms_replies: required("SMS_REPLIES_TOPIC_ARN")? },
            suppressing: Suppressing {
                suppressions: SuppressionsTable::new(tables.clone(), required("SUPPRESSIONS_TABLE")?),
                addresses: AddressesTable::new(tables.clone(), required("ADDRESSES_TABLE")?),
                mailboxes: Mailboxes::new(aws_sdk_sqs::Client::new(&config), required("EVENTS_QUEUE_URL")?),
            },
            playbooks: PlaybookStore::new(tables, required("PLAYBOOK_TABLE")?),
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
            match read(record.body.as_deref().unwrap_or_default(), &self.topics) {
                Ok(Notification::SmsReply(reply)) => {
                    if let Err(error) = self.hear(&reply).await {
                        tracing::warn!(%error, "an SMS could not be taken in; the queue gives it again");
                        telemetry::count("feedback_failed", 1);
                        failed.push(receipt(record));
                    }
                }
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

    async fn hear(&self, reply: &SmsReply) -> Result<(), Fault> {
        let cause = Cause { id: &reply.id, at: SystemClock.now() };
        match keyword(&reply.text) {
            Some((Keyword::Stop, _)) => {
                self.suppressing.suppress(Channel::Sms, &reply.from, SuppressionReason::Stop, cause).await?;
                telemetry::count("sms_stop", 1);
            }
            Some((Keyword::Start, _)) => {
                self.suppressing.restore(Channel::Sms, &reply.from, SuppressionReason::Stop, cause).await?;
                telemetry::count("sms_start", 1);
            }
            Some((Keyword::Help, language)) => {
                let answered = self.help(reply, language).await?;
                telemetry::count(if answered { "sms_help_answered" } else { "sms_help_not_answered" }, 1);
            }
            None => telemetry::count("sms_other", 1),
        }
        Ok(())
    }

    /// Answers HELP in the language it was asked in: once each, and a few times a day for a number. Says whether it did.
    async fn help(&self, reply: &SmsReply, language: &str) -> Result<bool, Fault> {
        let playbook = self.playbooks.in_force().await?;
        let texts = playbook.consent.as_ref().map(|consent| &consent.help);
        let text =
            texts.and_then(|texts| texts.get(language).or_else(|| texts.get("en")).or_else(|| texts.values().next()));
        let Some(text) = text else {
            tracing::warn!("somebody asks for help by SMS, and consent.yaml has no `help`");
            return Ok(false);
        };
        let key = AddressKey::of(Channel::Sms, &reply.from);
        let addresses = &self.suppressing.addresses;
        let counted =
            addresses.count_answer(Channel::Sms, key, &reply.id, HELP_ANSWERS_PER_DAY_MAX, SystemClock.now()).await?;
        if !counted {
            return Ok(false);
        }
        let attribute = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let not_built =
            |error: aws_sdk_sns::error::BuildError| Fault::Permanent { what: "answering HELP", why: error.to_string() };
        // From the number that was asked, which is where an answer is expected from.
        let request = self
            .sns
            .publish()
            .phone_number(&reply.from)
            .message(text)
            .message_attributes("AWS.SNS.SMS.SMSType", attribute("Transactional").map_err(not_built)?)
            .message_attributes("AWS.MM.SMS.OriginationNumber", attribute(&reply.to).map_err(not_built)?);
        request.send().await.map_err(|error| fault("SNS Publish", &error))?;
        Ok(true)
    }
}
