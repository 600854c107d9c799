//! SMS and email against a receiver that speaks as SNS and SES do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sns::config::{BehaviorVersion, Region, SharedAsyncSleep};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_types::SdkConfig;
use kairos_delivery::email::{Email, Parts};
use kairos_delivery::providers::provider_config;
use kairos_delivery::sms::Sms;
use kairos_engine::playbook::{EmailSettings, SmsSettings};
use kairos_protocol::delivery::{Answer, AnswerClass};
use tokio::net::TcpListener;

use crate::example_order;
use crate::receiver::{Behaviour, Receiver};

/// The configuration that the function has for providers, with another endpoint.
pub(crate) fn config(endpoint: &str) -> SdkConfig {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test")))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build();
    provider_config(&config)
}

async fn sms(config: &SdkConfig) -> Answer {
    let sms = Sms::new(aws_sdk_sns::Client::new(config), Some("SHOP".into()), Some("0.50".into()));
    sms.send(&example_order("sms"), &SmsSettings::default(), "Your mug & you").await
}

async fn email(config: &SdkConfig) -> Answer {
    let sender = EmailSettings { from: "Shop <hello@shop.example>".into(), reply_to: Some("help@shop.example".into()) };
    let email = Email::new(aws_sdk_sesv2::Client::new(config), "emails".into());
    let unsubscribe = Some("https://p.example/u/token");
    let parts = Parts { subject: "Still there", text: "Your mug", html: Some("<p>Your mug</p>"), unsubscribe };
    email.send(&example_order("email"), &sender, parts).await
}

fn seen(answer: &Answer) -> (AnswerClass, &str) {
    (answer.class, &answer.code)
}

#[tokio::test]
async fn an_sms_is_published_with_sender_kind_and_highest_price() {
    let accepted = "<PublishResponse><PublishResult><MessageId>sns-1</MessageId></PublishResult></PublishResponse>";
    let receiver = Receiver::start(Receiver::answers("200 OK", "", accepted)).await;
    let answer = sms(&config(&receiver.url("127.0.0.1"))).await;
    assert_eq!(seen(&answer), (AnswerClass::Sent, "accepted"));
    assert_eq!(answer.provider_id.as_deref(), Some("sns-1"));
    let body = String::from_utf8(receiver.requests()[0].body.clone()).unwrap();
    for part in [
        "Action=Publish",
        "PhoneNumber=%2B33612345678",
        "Message=Your%20mug%20%26%20you",
        "AWS.SNS.SMS.SMSType",
        "Value.StringValue=Promotional",
        "Value.StringValue=SHOP",
        "AWS.SNS.SMS.MaxPrice",
        "Value.StringValue=0.50",
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
}

#[tokio::test]
async fn every_message_has_a_connection_of_its_own() {
    let accepted = "HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"MessageId\":\"ses-1\"}";
    let receiver = Receiver::start(Behaviour::KeepsAlive(accepted.into())).await;
    let config = config(&receiver.url("127.0.0.1"));
    let client = aws_sdk_sesv2::Client::new(&config);
    let hi = Parts { subject: "Hi", text: "Hi", html: None, unsubscribe: None };
    for sent in 1..=3 {
        let sender = EmailSettings { from: "hello@shop.example".into(), reply_to: None };
        let answer = Email::new(client.clone(), "emails".into()).send(&example_order("email"), &sender, hi).await;
        assert_eq!(answer.class, AnswerClass::Sent);
        assert_eq!(receiver.connections.load(Ordering::SeqCst), sent);
    }
}

#[tokio::test]
async fn an_email_is_sent_with_both_parts_and_tags_that_find_its_delivery() {
    let receiver = Receiver::start(Receiver::answers("200 OK", "", r#"{"MessageId":"ses-1"}"#)).await;
    let answer = email(&config(&receiver.url("127.0.0.1"))).await;
    assert_eq!(seen(&answer), (AnswerClass::Sent, "accepted"));
    assert_eq!(answer.provider_id.as_deref(), Some("ses-1"));
    let body: serde_json::Value = serde_json::from_slice(&receiver.requests()[0].body).unwrap();
    assert_eq!(body["FromEmailAddress"], "Shop <hello@shop.example>");
    assert_eq!(body["ConfigurationSetName"], "emails");
    assert_eq!(body["ReplyToAddresses"][0], "help@shop.example");
    assert_eq!(body["Destination"]["ToAddresses"][0], "ada@example.com");
    assert_eq!(body["Content"]["Simple"]["Subject"]["Data"], "Still there");
    assert_eq!(body["Content"]["Simple"]["Body"]["Text"]["Data"], "Your mug");
    assert_eq!(body["Content"]["Simple"]["Body"]["Html"]["Data"], "<p>Your mug</p>");
    let headers = serde_json::json!([
        { "Name": "List-Unsubscribe", "Value": "<https://p.example/u/token>" },
        { "Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click" },
    ]);
    assert_eq!(body["Content"]["Simple"]["Headers"], headers);
    let delivery = example_order("email").delivery.to_string();
    assert_eq!(body["EmailTags"][0], serde_json::json!({ "Name": "delivery", "Value": delivery }));
    assert_eq!(body["EmailTags"][1], serde_json::json!({ "Name": "play", "Value": "abandoned_cart" }));
}

#[tokio::test]
async fn refusals_are_read_from_the_services_own_form() {
    let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameter</Code>\
        <Message>Invalid parameter: PhoneNumber Reason: +3 is not valid to publish to</Message></Error></ErrorResponse>";
    let receiver = Receiver::start(Receiver::answers("400 Bad Request", "", refusal)).await;
    let answer = sms(&config(&receiver.url("127.0.0.1"))).await;
    assert_eq!(seen(&answer), (AnswerClass::PermanentAddress, "InvalidParameter"));

    let headers = "x-amzn-errortype: TooManyRequestsException\r\n";
    let refusal = r#"{"message":"Maximum sending rate exceeded."}"#;
    let receiver = Receiver::start(Receiver::answers("429 Too Many Requests", headers, refusal)).await;
    let answer = email(&config(&receiver.url("127.0.0.1"))).await;
    assert_eq!(seen(&answer), (AnswerClass::Retryable, "TooManyRequestsException"));
    assert_eq!(receiver.connections.load(Ordering::SeqCst), 1, "the client never tries again by itself");
}

#[tokio::test]
async fn only_what_certainly_was_not_sent_counts_as_not_sent() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let unreachable = config(&format!("http://{nobody}"));
    assert_eq!(seen(&sms(&unreachable).await), (AnswerClass::Retryable, "no_connection"));
    assert_eq!(seen(&email(&unreachable).await), (AnswerClass::Retryable, "no_connection"));

    let receiver = Receiver::start(Behaviour::HangsUp).await;
    assert_eq!(seen(&sms(&config(&receiver.url("127.0.0.1"))).await), (AnswerClass::Unknown, "connection_lost"));
    assert_eq!(receiver.requests().len(), 1);

    let receiver = Receiver::start(Behaviour::Silent).await;
    let config = config(&receiver.url("127.0.0.1"));
    let timeouts = config.timeout_config().unwrap().to_builder().operation_timeout(Duration::from_millis(500)).build();
    let impatient = config.to_builder().timeout_config(timeouts).build();
    assert_eq!(seen(&sms(&impatient).await), (AnswerClass::Unknown, "timeout"));
    assert_eq!(receiver.requests().len(), 1);

    let receiver = Receiver::start(Receiver::answers("500 Internal Server Error", "", "")).await;
    let answer = sms(&self::config(&receiver.url("127.0.0.1"))).await;
    assert_eq!(answer.class, AnswerClass::Unknown);
    assert_eq!(receiver.requests().len(), 1, "the client never tries again by itself");
}
