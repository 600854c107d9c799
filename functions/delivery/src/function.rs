//! The Lambda function: the batch in, the failures and the counters out.

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_dynamodb::Client as DynamoDb;
use kairos_cloud::addresses::AddressesTable;
use kairos_cloud::batches::{receipt, response};
use kairos_cloud::catalogue::CatalogueTable;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::deliveries::DeliveriesTable;
use kairos_cloud::environment::{optional, required};
use kairos_cloud::faults::without_content;
use kairos_cloud::inbox::InboxTable;
use kairos_cloud::link_keys::LinkKeys;
use kairos_cloud::links::LinksTable;
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_cloud::permissions::StoredPermissions;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::promo_codes::PromoCodesTable;
use kairos_cloud::queues::{Deliveries, Feedback, Mailboxes};
use kairos_cloud::secrets::Secret;
use kairos_cloud::users::UsersTable;
use kairos_cloud::vapid_key::VapidKey;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::VAPID_KEY_REFRESH;
use kairos_engine::identifiers::{AddressKey, CorrelationId, UserKey};
use kairos_engine::mailbox::DeliveryMessage;
use kairos_engine::playbook::{Channel, Purpose};
use kairos_protocol::delivery::{AnswerClass, Incoming, Outcome, Ports, Report};
use kairos_protocol::port::Clock;
use kairos_protocol::receipts::Receipt;
use lambda_runtime::{Error, LambdaEvent};

use crate::composer::PlaybookComposer;
use crate::consent_links::SignedConsentLinks;
use crate::email::Email;
use crate::links::StoredLinks;
use crate::messengers::{Bases, Messengers};
use crate::mobile_push::MobilePush;
use crate::promo_codes::StoredCodes;
use crate::providers::{Breakers, Providers, provider_config};
use crate::push::Receivers;
use crate::sms::Sms;
use crate::sms::end_user_messaging::EndUserMessaging;
use crate::sms::sns::Sns;
use crate::tokens::SecretsManagerTokens;
use crate::web_push::WebPush;
use crate::webhook::{PrivateHosts, SecretsManagerKey, Webhook};

/// The push services of browsers, with the secret, the table and the queue that it takes.
type Browsers = WebPush<Secret<VapidKey>, UsersTable, Mailboxes>;
/// SNS, with the table and the queue that it takes to reach devices.
type Devices = MobilePush<UsersTable, Mailboxes>;

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Delivery {
    records: DeliveriesTable,
    permissions: StoredPermissions,
    addresses: AddressesTable,
    feedback: Feedback,
    queue: Deliveries,
    composer: PlaybookComposer<
        CatalogueTable,
        StoredCodes,
        SignedConsentLinks,
        StoredLinks,
        Arc<SecretsManagerKey>,
        SecretsManagerTokens,
        Browsers,
        Devices,
    >,
    providers: Providers<Arc<SecretsManagerKey>, SecretsManagerTokens, Browsers, Devices, SystemClock>,
}

impl Delivery {
    /// The function as its environment describes it (see `template.yaml`). Reads the current playbook,
    /// so that the connection to DynamoDB stands before the first message.
    ///
    /// # Errors
    /// When a setting is missing or cannot be understood.
    pub async fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let for_providers = provider_config(&config);
        let dynamodb = DynamoDb::new(&config);
        let playbooks = PlaybookStore::new(dynamodb.clone(), required("PLAYBOOK_TABLE")?);
        if let Err(error) = playbooks.outline().await {
            tracing::warn!(%error, "no playbook yet");
        }
        // What most messages do not need: every service's client takes its time to make.
        let secrets = OnFirstUse::new(&config, aws_sdk_secretsmanager::Client::new);
        let sqs = OnFirstUse::new(&config, aws_sdk_sqs::Client::new);
        let sns = OnFirstUse::new(&for_providers, aws_sdk_sns::Client::new);
        let ses = OnFirstUse::new(&for_providers, aws_sdk_sesv2::Client::new);
        let bases = optional("MESSENGERS_STAND_IN").map_or_else(|| Ok(Bases::own()), |at| Bases::stand_in(&at))?;
        let tokens = SecretsManagerTokens::new(&secrets, required("MESSENGER_SECRETS")?);
        let (users, suppressions) = (required("USERS_TABLE")?, required("SUPPRESSIONS_TABLE")?);
        let receivers = Receivers::new(
            UsersTable::new(dynamodb.clone(), users.clone()),
            Mailboxes::new(sqs.clone(), required("EVENTS_QUEUE_URL")?),
        );
        let vapid = Secret::new(secrets.clone(), required("VAPID_KEY_ARN")?, VAPID_KEY_REFRESH, VapidKey::parse);
        let web_push = Arc::new(WebPush::new(vapid, receivers.clone(), bases.web_push()));
        let mobile_push = Arc::new(MobilePush::new(sns.clone(), receivers));
        let sms_stand_in = bases.sms();
        let messengers = Arc::new(Messengers::new(tokens, bases));
        let breakers = Arc::new(Breakers::default());
        let key = Arc::new(SecretsManagerKey::new(
            secrets.clone(),
            required("WEBHOOK_SECRET_ARN")?,
            required("MESSENGER_SECRETS")?,
        ));
        let codes = PromoCodesTable::new(dynamodb.clone(), required("PROMO_CODES_TABLE")?);
        let codes = StoredCodes::new(codes, secrets.clone(), required("PROMO_CODE_KEY_ARN")?);
        let link_keys = Arc::new(LinkKeys::new(secrets, required("LINK_KEY_ARN")?));
        let consent = SignedConsentLinks::new(Arc::clone(&link_keys), required("PREFERENCES_URL")?);
        let links = LinksTable::new(dynamodb.clone(), required("LINKS_TABLE")?);
        let links = StoredLinks::new(links, link_keys, &required("LINKS_URL")?);
        let private_hosts = PrivateHosts::parse(&optional("WEBHOOK_PRIVATE_HOSTS").unwrap_or_default())?;
        let catalogue = CatalogueTable::new(dynamodb.clone(), required("CATALOGUE_TABLE")?);
        let (sender_id, max_price) = (optional("SMS_SENDER_ID"), optional("SMS_MAX_PRICE_USD"));
        let inbox = InboxTable::new(dynamodb.clone(), required("INBOX_TABLE")?);
        Ok(Self {
            records: DeliveriesTable::new(dynamodb.clone(), required("DELIVERIES_TABLE")?),
            addresses: AddressesTable::new(dynamodb.clone(), required("ADDRESSES_TABLE")?),
            feedback: Feedback::new(sqs.clone(), required("FEEDBACK_QUEUE_URL")?),
            queue: Deliveries::new(sqs, required("DELIVERIES_QUEUE_URL")?),
            permissions: StoredPermissions::new(dynamodb, users, suppressions),
            composer: PlaybookComposer::new(
                playbooks,
                catalogue,
                codes,
                consent,
                links,
                Arc::clone(&key),
                (Arc::clone(&messengers), Arc::clone(&web_push), Arc::clone(&mobile_push)),
                Arc::clone(&breakers),
            ),
            providers: Providers {
                sms: Sms {
                    sns: Sns::new(sns, sender_id.clone(), max_price.clone()),
                    end_user_messaging: EndUserMessaging::new(&config, sms_stand_in, sender_id, max_price),
                },
                email: Email::new(ses, required("EMAIL_CONFIGURATION_SET")?),
                webhook: Webhook::new(private_hosts, key),
                messengers,
                web_push,
                mobile_push,
                inbox,
                breakers,
                clock: SystemClock,
            },
        })
    }

    /// Notes who was written to where. Without it, a STOP still ends all messages to the number; only the user's plays would
    /// not take another channel.
    async fn note(&self, written_to: Vec<(Channel, AddressKey, UserKey)>) {
        let how_many = written_to.len();
        if let Err(error) = self.addresses.note(written_to, SystemClock.now()).await {
            telemetry::count("address_not_noted", how_many);
            tracing::warn!(%error, how_many, "who was written to at an address could not be noted");
        }
    }

    /// Tells of addresses that messages were refused for, so that nothing more goes there and their users hear of it. What
    /// cannot be told now comes again: the record says then how it had ended.
    async fn tell_refusals(&self, reports: &[Report], receipts: &[String]) -> Vec<String> {
        let refusals = reports.iter().zip(receipts).filter_map(|(report, receipt)| {
            let refusal = Receipt::of_refusal(report, SystemClock.now())?;
            Some((refusal, receipt))
        });
        let (refusals, receipts): (Vec<_>, Vec<_>) = refusals.unzip();
        if refusals.is_empty() {
            return Vec::new();
        }
        match self.feedback.send(refusals).await {
            Ok(()) => {
                telemetry::count("refusals_told", receipts.len());
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(%error, "refused addresses could not be told of; their messages come again");
                telemetry::count("refusals_not_told", receipts.len());
                receipts.into_iter().cloned().collect()
            }
        }
    }

    /// One batch of the deliveries queue. The failures it gives come again, or go to the dead-letter
    /// queue after the last time.
    ///
    /// # Errors
    /// None: what goes wrong goes wrong for one message, and is reported there.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let ports = Ports {
            records: &self.records,
            permissions: &self.permissions,
            composer: &self.composer,
            provider: &self.providers,
            later: &self.queue,
            clock: &SystemClock,
        };
        let batch: Vec<Incoming> = event.payload.records.iter().map(incoming).collect();
        let written_to: Vec<_> = batch.iter().map(written_to).collect();
        let receipts: Vec<String> = batch.iter().map(|incoming| incoming.receipt.clone()).collect();
        let mut delivered = ports.deliver_batch(&event.context.request_id, batch).await;
        delivered.reports.iter().for_each(tell);
        delivered.failed.extend(self.tell_refusals(&delivered.reports, &receipts).await);
        let reached = |report: &Report| matches!(report.outcome, Outcome::Sent | Outcome::SentUnrecorded);
        let reached = delivered.reports.iter().zip(written_to).filter(|(report, _)| reached(report));
        self.note(reached.filter_map(|(_, written_to)| written_to).collect()).await;
        telemetry::count("messages_failed", delivered.failed.len());
        telemetry::flush("delivery", SystemClock.now());
        Ok(response(delivered.failed))
    }
}

/// A user and the address at which they are written to: where something comes back that does not say to what, and where
/// people look for somebody by it.
fn written_to(incoming: &Incoming) -> Option<(Channel, AddressKey, UserKey)> {
    let order = incoming.message.as_ref().ok()?.order();
    let is_noted =
        matches!(order.channel, Channel::Email | Channel::Sms | Channel::Telegram | Channel::Viber | Channel::Whatsapp);
    let is_users = is_noted && order.purpose != Purpose::Test;
    is_users.then(|| (order.channel, AddressKey::of(order.channel, &order.address), order.user))
}

/// A message of the deliveries queue, read as far as it can be.
pub fn incoming(message: &SqsMessage) -> Incoming {
    let body = message.body.as_deref().unwrap_or_default();
    Incoming {
        receipt: receipt(message),
        // SQS always says it; a hand-made event may leave it out and is then the first.
        receives: message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
        // The error is shown without the text: the body holds an address.
        message: serde_json::from_str::<DeliveryMessage>(body).map_err(|error| without_content(&error)),
    }
}

/// Counts how one message ended.
fn count(report: &Report) {
    telemetry::count(report.outcome.as_str(), 1);
    // What was said to an earlier attempt was counted then.
    let answer = report.answer.as_ref().filter(|_| !matches!(report.outcome, Outcome::AlreadyDone(_)));
    if let Some(answer) = answer {
        telemetry::count(
            match answer.class {
                AnswerClass::Sent => "answer_sent",
                AnswerClass::Retryable => "answer_retryable",
                AnswerClass::PermanentAddress => "answer_permanent_address",
                AnswerClass::PermanentMessage => "answer_permanent_message",
                AnswerClass::Configuration => "answer_configuration",
                AnswerClass::Unknown => "answer_unknown",
                AnswerClass::NotAllowed => "answer_not_allowed",
            },
            1,
        );
    }
}

/// Counts and logs how one message ended. Nothing logged names a person: an answer's detail may, and
/// stays in the record.
fn tell(report: &Report) {
    if report.is_test {
        // Apart from everything that users get.
        let is_sent = matches!(report.outcome, Outcome::Sent | Outcome::SentUnrecorded);
        telemetry::count(if is_sent { "test_sent" } else { "test_not_sent" }, 1);
    } else {
        count(report);
    }
    let delivery = report.delivery.map(|delivery| delivery.to_string());
    let channel = report.channel.map(|channel| channel.as_str());
    let correlation = report.correlation.as_ref().map(CorrelationId::as_str);
    let outcome = report.outcome.as_str();
    let answer = report.answer.as_ref();
    let class = answer.map(|answer| answer.class.as_str());
    let code = answer.map(|answer| answer.code.as_str());
    let fault = report.fault.as_ref().map(ToString::to_string);
    match report.outcome {
        Outcome::Sent | Outcome::Expired | Outcome::PutOff | Outcome::AlreadyDone(_) | Outcome::HeldByOther => {
            tracing::info!(delivery, correlation, channel, outcome, class, code, "delivery");
        }
        Outcome::Refused | Outcome::Unconfirmed | Outcome::Waiting | Outcome::Unrecorded => {
            tracing::warn!(delivery, correlation, channel, outcome, class, code, fault, "delivery");
        }
        Outcome::Failed | Outcome::SentUnrecorded | Outcome::Unreadable => {
            let provider_id = provider_id_to_log(report);
            tracing::error!(delivery, correlation, channel, outcome, class, code, provider_id, fault, "delivery");
        }
    }
}

/// The provider's id of the message, where it names no person: WhatsApp's holds the phone number in base64. (Its messages
/// are found by the delivery's id, which comes back as `biz_opaque_callback_data`.)
fn provider_id_to_log(report: &Report) -> Option<&str> {
    let answer = report.answer.as_ref().filter(|_| report.channel != Some(Channel::Whatsapp))?;
    answer.provider_id.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_protocol::delivery::Answer;

    fn message(body: &str, receives: Option<&str>) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some("m-1".into());
        message.body = Some(body.into());
        message.attributes.extend(receives.map(|count| ("ApproximateReceiveCount".to_owned(), count.to_owned())));
        message
    }

    #[test]
    fn what_is_unreadable_is_told_without_its_text() {
        let read = incoming(&message(r#"{"v":"1","address":"ada@example.com"}"#, Some("3")));
        assert_eq!((read.receipt.as_str(), read.receives), ("m-1", 3));
        let why = read.message.unwrap_err();
        assert!(!why.contains("ada"), "{why}");
    }

    #[test]
    fn the_id_of_a_message_is_logged_unless_it_names_its_receiver() {
        for channel in Channel::ALL {
            let report = Report {
                delivery: None,
                channel: Some(channel),
                correlation: None,
                is_test: false,
                outcome: Outcome::SentUnrecorded,
                answer: Some(Answer::new(AnswerClass::Sent, "accepted").with_provider_id("wamid.HBgLMzM2MDAwMDAwNDI=")),
                fault: None,
            };
            assert_eq!(provider_id_to_log(&report).is_some(), channel != Channel::Whatsapp, "{channel}");
        }
    }

    #[test]
    fn the_example_events_are_orders_on_every_channel() {
        for (file, channel) in [
            (include_str!("../events/sms.json"), "sms"),
            (include_str!("../events/email.json"), "email"),
            (include_str!("../events/webhook.json"), "webhook"),
            (include_str!("../events/expired.json"), "email"),
            (include_str!("../events/telegram.json"), "telegram"),
            (include_str!("../events/viber.json"), "viber"),
            (include_str!("../events/whatsapp.json"), "whatsapp"),
            (include_str!("../events/on_site.json"), "on_site"),
            (include_str!("../events/web_push.json"), "web_push"),
            (include_str!("../events/mobile_push.json"), "mobile_push"),
        ] {
            let event: SqsEvent = serde_json::from_str(file).unwrap();
            let read = incoming(&event.records[0]);
            assert_eq!(read.message.unwrap().order().channel.as_str(), channel);
        }
        let event: SqsEvent = serde_json::from_str(include_str!("../events/unreadable.json")).unwrap();
        assert!(incoming(&event.records[0]).message.is_err());
    }
}
