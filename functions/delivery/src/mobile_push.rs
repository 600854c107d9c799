//! Notifications of the shop's app, through SNS platform endpoints to Apple's and Google's push services
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-mobile-application-as-subscriber.html>).
//!
//! A delivery goes to all devices of its user, five at most, at the same time: for each `CreatePlatformEndpoint`, which gives
//! the endpoint that is there already, and `Publish`. It is sent when SNS has taken one. What the push service says later
//! disables the endpoint; the next `Publish` says so (`EndpointDisabled`). Then the endpoint is deleted, and the user's
//! mailbox told, so that the device is not written to again until its app has told of it again, and gets a new endpoint.
//!
//! At most twice: SNS knows no idempotency key. What comes twice takes the place of the first on the device, as it
//! has the same collapse id.
//!
//! | code | class | what happens |
//! |---|---|---|
//! | (message id) | sent | recorded |
//! | `EndpointDisabled`; `InvalidParameter` about the token | permanent_address | the device is forgotten |
//! | other `InvalidParameter`, `InvalidParameterValue`, `ValidationException` | permanent_message | refused |
//! | `NotFound` of `Publish`: the endpoint was deleted meanwhile | retryable | tried again by the queue |
//! | `Throttled`, `Throttling`, 429, 503 | retryable | tried again by the queue |
//! | `PlatformApplicationDisabled`, `NotFound` of `CreatePlatformEndpoint`, access codes, `not_set_up` | configuration | tried again, then dead-lettered |
//! | `InternalError`, other 5xx, no answer, connection lost | unknown | tried again once, then unconfirmed |
//! | no connection | retryable | tried again |
//!
//! Of several devices, and while it is composed: as with [browsers](crate::web_push) (`no_device`).

use std::future::Future;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::MessageAttributeValue;
use futures_util::future::join_all;
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::mobile_push::MobileDevice;
use kairos_engine::playbook::{MobilePlatform, MobilePushSettings, PushMessage, Urgency};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::mailboxes::Users;
use kairos_protocol::port::Mailboxes;
use serde_json::{Value, json};

use crate::aws_answer::{Refusal, accepted, common, failed, not_built};
use crate::push::{Receivers, of_all, topic_of};

/// What a notification consists of.
#[derive(Clone, Copy, Debug)]
pub struct AppNotification<'a> {
    /// The applications of SNS.
    pub sender: &'a MobilePushSettings,
    /// What is shown.
    pub message: &'a PushMessage,
    /// The devices that it goes to.
    pub devices: &'a [MobileDevice],
}

/// Writes to devices.
pub trait Pushes {
    /// The devices of a receiver as they are now.
    ///
    /// # Errors
    /// The answer that is recorded when there is none.
    fn devices(&self, order: &DeliveryOrder) -> impl Future<Output = Result<Vec<MobileDevice>, Answer>>;

    /// Writes to all of them, once.
    fn push(
        &self,
        order: &DeliveryOrder,
        notification: AppNotification<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Answer>;
}

/// SNS, as far as it reaches devices.
#[derive(Debug)]
pub struct MobilePush<U, M> {
    client: OnFirstUse<Client>,
    receivers: Receivers<U, M>,
}

impl<U: Users, M: Mailboxes> MobilePush<U, M> {
    /// Through this client (one attempt, [`provider_config`](crate::providers::provider_config)) to the devices of these
    /// users, whose mailboxes are told which are gone.
    pub fn new(client: impl Into<OnFirstUse<Client>>, receivers: Receivers<U, M>) -> Self {
        Self { client: client.into(), receivers }
    }

    async fn write(
        &self,
        order: &DeliveryOrder,
        notification: &AppNotification<'_>,
        device: &MobileDevice,
        now: Timestamp,
    ) -> Result<Answer, Answer> {
        let application = notification.sender.application(device.platform).ok_or_else(|| {
            Answer::new(AnswerClass::Configuration, "not_set_up")
                .with_detail("name the application of this platform in channels.yaml, under `mobile_push`")
        })?;
        let endpoint = self.endpoint(application, &device.token).await?;
        let text = |kind: &str, value: &str| {
            let value = MessageAttributeValue::builder().data_type(kind).string_value(value).build();
            value.map_err(|error| not_built(&error.to_string()))
        };
        let mut request = self
            .client
            .publish()
            .target_arn(&endpoint)
            .message_structure("json")
            .message(content(order, notification.message, device.platform, now).to_string());
        for (name, value) in attributes(order, notification.message, device.platform, now) {
            request = request.message_attributes(name, text("String", &value)?);
        }
        match request.send().await {
            Ok(answer) => Ok(accepted(answer.message_id())),
            Err(error) => {
                let answer = failed(&error, of_publish);
                if answer.code.starts_with("EndpointDisabled") {
                    // When the app tells of this token again, it gets an endpoint that is not disabled.
                    if let Err(error) = self.client.delete_endpoint().endpoint_arn(&endpoint).send().await {
                        let code = error.code().unwrap_or("no_code");
                        tracing::warn!(
                            code,
                            "a disabled endpoint could not be deleted; the next notification tries again"
                        );
                    }
                }
                Err(answer)
            }
        }
    }

    /// The endpoint of a token.
    async fn endpoint(&self, application: &str, token: &str) -> Result<String, Answer> {
        let request = self.client.create_platform_endpoint().platform_application_arn(application).token(token);
        match request.send().await {
            Ok(answer) => answer.endpoint_arn.ok_or_else(|| {
                Answer::new(AnswerClass::Unknown, "no_endpoint").with_detail("SNS has named no endpoint")
            }),
            // Somebody else has made it, with more attributes.
            Err(SdkError::ServiceError(error)) if existing(error.err().message().unwrap_or_default()).is_some() => {
                Ok(existing(error.err().message().unwrap_or_default()).unwrap_or_default().to_owned())
            }
            Err(error) => Err(failed(&error, of_create)),
        }
    }
}

impl<U: Users, M: Mailboxes> Pushes for MobilePush<U, M> {
    async fn devices(&self, order: &DeliveryOrder) -> Result<Vec<MobileDevice>, Answer> {
        self.receivers.of(order, "no_device", |state| &state.devices).await
    }

    async fn push(&self, order: &DeliveryOrder, notification: AppNotification<'_>, now: Timestamp) -> Answer {
        let devices = notification.devices;
        let writes = devices.iter().map(|device| self.write(order, &notification, device, now));
        let answers: Vec<Answer> =
            join_all(writes).await.into_iter().map(|answer| answer.unwrap_or_else(|answer| answer)).collect();
        let gone = devices.iter().zip(&answers).filter(|(_, answer)| answer.class == AnswerClass::PermanentAddress);
        let gone: Vec<_> = gone.map(|(device, _)| device.key()).collect();
        self.receivers.forget(order, &gone, now).await;
        of_all(answers, "devices")
    }
}

/// SNS answers `Invalid parameter: Token Reason: Endpoint arn:… already exists with the same Token, but different attributes.`
fn existing(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("Endpoint ")?;
    let (arn, rest) = rest.split_once(' ')?;
    (arn.starts_with("arn:") && rest.starts_with("already exists with the same Token")).then_some(arn)
}

fn of_create(refusal: &Refusal<'_>) -> AnswerClass {
    match refusal.code.trim_end_matches("Exception") {
        "InvalidParameter" | "InvalidParameterValue" if refusal.message.contains("Token") => {
            AnswerClass::PermanentAddress
        }
        "InvalidParameter" | "NotFound" => AnswerClass::Configuration,
        _ => common(refusal),
    }
}

fn of_publish(refusal: &Refusal<'_>) -> AnswerClass {
    match refusal.code.trim_end_matches("Exception") {
        "EndpointDisabled" => AnswerClass::PermanentAddress,
        "NotFound" => AnswerClass::Retryable,
        "PlatformApplicationDisabled" => AnswerClass::Configuration,
        // Somebody has deleted the endpoint meanwhile.
        "InvalidParameter" if refusal.message.contains("TargetArn") => AnswerClass::Retryable,
        "InvalidParameter" | "InvalidParameterValue" | "ParameterValueInvalid" | "Validation" => {
            AnswerClass::PermanentMessage
        }
        _ => common(refusal),
    }
}

fn ttl_secs(order: &DeliveryOrder, message: &PushMessage, now: Timestamp) -> i64 {
    let left = order.expires_at.since(now).max(Span::from_millis(0));
    message.ttl.map_or(left, |ttl| ttl.min(left)).as_millis() / 1_000
}

fn topic(order: &DeliveryOrder, message: &PushMessage) -> String {
    message.topic.clone().unwrap_or_else(|| topic_of(&order.play))
}

/// The message of each platform, as JSON in text
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html>).
fn content(order: &DeliveryOrder, message: &PushMessage, platform: MobilePlatform, now: Timestamp) -> Value {
    let (title, body, image, url) = (&message.title, &message.body, &message.image, &message.url);
    let id = order.delivery.to_string();
    let inside = match platform {
        MobilePlatform::Apns | MobilePlatform::ApnsSandbox => {
            let mut aps = json!({ "alert": { "title": title, "body": body }, "sound": "default" });
            if image.is_some() {
                // So that the app's extension gets to put the picture in.
                aps["mutable-content"] = json!(1);
            }
            json!({ "aps": aps, "kairos": { "id": id, "url": url, "image": image } })
        }
        MobilePlatform::Fcm => {
            let topic = topic(order, message);
            let mut data = json!({ "kairos_id": id });
            if let Some(url) = url {
                data["url"] = json!(url);
            }
            let mut shown = json!({ "title": title, "body": body });
            if let Some(image) = image {
                shown["image"] = json!(image);
            }
            let priority = if message.urgency == Urgency::High { "high" } else { "normal" };
            let android = json!({ "priority": priority, "ttl": format!("{}s", ttl_secs(order, message, now)),
                "collapse_key": topic, "notification": { "tag": topic } });
            json!({ "fcmV1Message": { "message": { "notification": shown, "data": data, "android": android } } })
        }
    };
    json!({ "default": body, (platform.key()): inside.to_string() })
}

/// What SNS is told beside the message
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html#sns-attrib-mobile-reserved>).
fn attributes(
    order: &DeliveryOrder,
    message: &PushMessage,
    platform: MobilePlatform,
    now: Timestamp,
) -> Vec<(String, String)> {
    let ttl = ttl_secs(order, message, now).to_string();
    if platform == MobilePlatform::Fcm {
        return vec![("AWS.SNS.MOBILE.FCM.TTL".into(), ttl)];
    }
    // Apple: 10 at once, 5 as the battery allows.
    let priority = if matches!(message.urgency, Urgency::VeryLow | Urgency::Low) { "5" } else { "10" };
    vec![
        (format!("AWS.SNS.MOBILE.{}.TTL", platform.key()), ttl),
        ("AWS.SNS.MOBILE.APNS.PUSH_TYPE".into(), "alert".into()),
        ("AWS.SNS.MOBILE.APNS.PRIORITY".into(), priority.into()),
        ("AWS.SNS.MOBILE.APNS.COLLAPSE_ID".into(), topic(order, message)),
    ]
}
