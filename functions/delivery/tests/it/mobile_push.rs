//! Notifications of the app against a server that speaks as SNS does.

use std::cell::RefCell;
use std::collections::BTreeMap;

use kairos_delivery::mobile_push::{AppNotification, MobilePush, Pushes};
use kairos_delivery::push::Receivers;
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{DeliveryOrder, MailboxMessage};
use kairos_engine::mobile_push::MobileDevice;
use kairos_engine::playbook::{MobilePlatform, MobilePushSettings, PushMessage, Urgency};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::mailboxes::{Saved, Users};
use kairos_protocol::port::{Fault, Mailboxes};
use reqwest::Url;
use serde_json::Value;

use crate::aws::config;
use crate::example_order;
use crate::receiver::{Received, Receiver};

const NOW: Timestamp = Timestamp::from_millis(1_795_262_401_000);
const ENDPOINT: &str = "arn:aws:sns:eu-central-1:123456789012:endpoint/GCM/shop/5e3e9847-3183-3f18-a7e8-671c3a57d4b3";

struct Nobody;

impl Users for Nobody {
    async fn load(&self, _: &[UserKey]) -> Result<BTreeMap<UserKey, Result<StoredUser, Fault>>, Fault> {
        Ok(BTreeMap::new())
    }

    async fn save(&self, _: UserKey, _: &StoredUser, _: Option<u64>) -> Result<Saved, Fault> {
        panic!("a delivery writes no user")
    }
}

#[derive(Default)]
struct Queue(RefCell<Vec<MailboxMessage>>);

impl Mailboxes for &Queue {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        self.0.borrow_mut().extend(messages.iter().cloned());
        Ok(())
    }
}

fn order() -> DeliveryOrder {
    DeliveryOrder { expires_at: NOW.plus(Span::from_mins(5)), ..example_order("mobile_push") }
}

fn device(platform: MobilePlatform) -> MobileDevice {
    MobileDevice { token: "a-token-of-some-length".into(), platform, at: NOW, device: None }
}

fn settings() -> MobilePushSettings {
    let arn = |kind: &str| Some(format!("arn:aws:sns:eu-central-1:123456789012:app/{kind}/shop"));
    MobilePushSettings { apns: arn("APNS"), apns_sandbox: None, fcm: arn("GCM") }
}

/// The parameters of a call of SNS's query protocol.
fn parameters(request: &Received) -> BTreeMap<String, String> {
    let text = String::from_utf8(request.body.clone()).unwrap();
    let url = Url::parse(&format!("https://sns.example/?{text}")).unwrap();
    url.query_pairs().into_owned().collect()
}

/// The message attributes of a `Publish`.
fn attributes(parameters: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let entry = |number: usize, what: &str| parameters.get(&format!("MessageAttributes.entry.{number}.{what}"));
    let named = (1..9).filter_map(|number| Some((entry(number, "Name")?, entry(number, "Value.StringValue")?)));
    named.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What SNS makes of a notification when it answers the calls so, by their actions; with its calls and what the user is told.
async fn pushed(
    answers: &[(&'static str, &'static str, String)],
    platform: MobilePlatform,
) -> (Answer, Vec<BTreeMap<String, String>>, usize) {
    let answers = answers.to_vec();
    let receiver = Receiver::start_with(move |request| {
        let action = parameters(request)["Action"].clone();
        let (_, status, body) = answers.iter().find(|(of, ..)| *of == action).unwrap_or_else(|| panic!("{action}"));
        Receiver::answers(status, "", body)
    })
    .await;
    let queue = Queue::default();
    let client = aws_sdk_sns::Client::new(&config(&receiver.url("127.0.0.1")));
    let push = MobilePush::new(client, Receivers::new(Nobody, &queue));
    let message = PushMessage {
        title: "Your mug".into(),
        body: "is \"still\" there.".into(),
        image: Some("https://shop.example/mug.jpg".into()),
        url: Some("https://go.example/c/abc".into()),
        urgency: Urgency::High,
        ttl: Some(Span::from_mins(1)),
        topic: Some("cart".into()),
        ..PushMessage::default()
    };
    let (sender, devices) = (settings(), [device(platform)]);
    let notification = AppNotification { sender: &sender, message: &message, devices: &devices };
    let answer = push.push(&order(), notification, NOW).await;
    let told = queue.0.borrow().len();
    (answer, receiver.requests().iter().map(parameters).collect(), told)
}

fn created() -> (&'static str, &'static str, String) {
    let result =
        format!("<CreatePlatformEndpointResult><EndpointArn>{ENDPOINT}</EndpointArn></CreatePlatformEndpointResult>");
    let body = format!("<CreatePlatformEndpointResponse>{result}</CreatePlatformEndpointResponse>");
    ("CreatePlatformEndpoint", "200 OK", body)
}

fn published() -> (&'static str, &'static str, String) {
    let body = "<PublishResponse><PublishResult><MessageId>sns-1</MessageId></PublishResult></PublishResponse>";
    ("Publish", "200 OK", body.to_owned())
}

fn refused(
    action: &'static str,
    status: &'static str,
    code: &str,
    message: &str,
) -> (&'static str, &'static str, String) {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    (action, status, format!("<ErrorResponse>{error}</ErrorResponse>"))
}

#[tokio::test]
async fn each_platform_gets_a_message_of_its_own_kind() {
    let (answer, calls, _) = pushed(&[created(), published()], MobilePlatform::Fcm).await;
    assert_eq!((answer.class, answer.provider_id.as_deref()), (AnswerClass::Sent, Some("sns-1")));
    let [create, publish] = calls.as_slice() else { panic!("two calls") };
    assert_eq!(create["PlatformApplicationArn"], settings().fcm.unwrap());
    assert_eq!((create["Token"].as_str(), publish["TargetArn"].as_str()), ("a-token-of-some-length", ENDPOINT));
    assert_eq!(publish["MessageStructure"], "json");
    let message: Value = serde_json::from_str(&publish["Message"]).unwrap();
    assert_eq!(message["default"], "is \"still\" there.");
    let inside: Value = serde_json::from_str(message["GCM"].as_str().unwrap()).unwrap();
    let inside = &inside["fcmV1Message"]["message"];
    assert_eq!((&inside["notification"]["title"], &inside["android"]["ttl"]), (&"Your mug".into(), &"60s".into()));
    assert_eq!(
        (&inside["data"]["url"], &inside["android"]["collapse_key"]),
        (&"https://go.example/c/abc".into(), &"cart".into())
    );
    assert_eq!(attributes(publish), [("AWS.SNS.MOBILE.FCM.TTL", "60")].into());

    let (_, calls, _) = pushed(&[created(), published()], MobilePlatform::Apns).await;
    let message: Value = serde_json::from_str(&calls[1]["Message"]).unwrap();
    let inside: Value = serde_json::from_str(message["APNS"].as_str().unwrap()).unwrap();
    assert_eq!((&inside["aps"]["alert"]["title"], &inside["aps"]["mutable-content"]), (&"Your mug".into(), &1.into()));
    assert_eq!(inside["kairos"]["url"], "https://go.example/c/abc");
    let expected = [
        ("AWS.SNS.MOBILE.APNS.TTL", "60"),
        ("AWS.SNS.MOBILE.APNS.PUSH_TYPE", "alert"),
        ("AWS.SNS.MOBILE.APNS.PRIORITY", "10"),
        ("AWS.SNS.MOBILE.APNS.COLLAPSE_ID", "cart"),
    ];
    assert_eq!(attributes(&calls[1]), expected.into());
}

#[tokio::test]
async fn an_endpoint_that_somebody_else_has_made_is_used() {
    let message = format!(
        "Invalid parameter: Token Reason: Endpoint {ENDPOINT} already exists with the same Token, but different attributes."
    );
    let exists = refused("CreatePlatformEndpoint", "400 Bad Request", "InvalidParameter", &message);
    let (answer, calls, _) = pushed(&[exists, published()], MobilePlatform::Fcm).await;
    assert_eq!((answer.class, calls[1]["TargetArn"].as_str()), (AnswerClass::Sent, ENDPOINT));
}

#[tokio::test]
async fn every_documented_answer_has_its_class_and_devices_that_are_gone_are_told_to_the_user() {
    use AnswerClass as A;
    let deleted = || ("DeleteEndpoint", "200 OK", "<DeleteEndpointResponse/>".to_owned());
    for (action, status, code, message, class, told) in [
        ("Publish", "400 Bad Request", "EndpointDisabled", "Endpoint is disabled", A::PermanentAddress, 1),
        ("Publish", "400 Bad Request", "PlatformApplicationDisabled", "", A::Configuration, 0),
        ("Publish", "404 Not Found", "NotFound", "Endpoint does not exist", A::Retryable, 0),
        (
            "Publish",
            "400 Bad Request",
            "InvalidParameter",
            "Invalid parameter: TargetArn Reason: No endpoint found",
            A::Retryable,
            0,
        ),
        (
            "Publish",
            "400 Bad Request",
            "InvalidParameter",
            "Invalid parameter: Message too long",
            A::PermanentMessage,
            0,
        ),
        ("Publish", "429 Too Many Requests", "Throttled", "", A::Retryable, 0),
        ("Publish", "500 Internal Server Error", "InternalError", "", A::Unknown, 0),
        (
            "CreatePlatformEndpoint",
            "400 Bad Request",
            "InvalidParameter",
            "Invalid parameter: Token Reason: iOS device tokens must be no more than 400 hexadecimal characters",
            A::PermanentAddress,
            1,
        ),
        (
            "CreatePlatformEndpoint",
            "404 Not Found",
            "NotFound",
            "PlatformApplication does not exist",
            A::Configuration,
            0,
        ),
        ("CreatePlatformEndpoint", "403 Forbidden", "AuthorizationError", "", A::Configuration, 0),
    ] {
        let answers = [refused(action, status, code, message), created(), published(), deleted()];
        let (answer, calls, mailboxes) = pushed(&answers, MobilePlatform::Fcm).await;
        assert_eq!((answer.class, answer.code.as_str(), mailboxes), (class, code, told), "{code} {message}");
        // So that the app's next word of this token makes an endpoint that is not disabled.
        let is_deleted = calls.iter().any(|call| call["Action"] == "DeleteEndpoint" && call["EndpointArn"] == ENDPOINT);
        assert_eq!(is_deleted, code == "EndpointDisabled");
    }
    let (answer, calls, _) = pushed(&[], MobilePlatform::ApnsSandbox).await;
    assert_eq!((answer.class, answer.code.as_str(), calls.len()), (A::Configuration, "not_set_up", 0));
}
