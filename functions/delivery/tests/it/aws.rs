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
use kairos_delivery::sms::end_user_messaging::EndUserMessaging;
use kairos_delivery::sms::sns::Sns;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{EmailSettings, Purpose, SmsProvider, SmsSettings};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass};
use tokio::net::TcpListener;

use crate::example_order;
use crate::receiver::{Behaviour, Receiver};

const SENT_AT: Timestamp = Timestamp::from_millis(1_795_262_400_750);

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

async fn sms_by(config: &SdkConfig, sender: &SmsSettings) -> Answer {
    sms_of(config, sender, &example_order("sms")).await
}

async fn sms_of(config: &SdkConfig, sender: &SmsSettings, order: &DeliveryOrder) -> Answer {
    let (sender_id, max_price) = (Some("SHOP".to_owned()), Some("0.50".to_owned()));
    let sms = Sms {
        sns: Sns::new(aws_sdk_sns::Client::new(config), sender_id.clone(), max_price.clone()),
        end_user_messaging: EndUserMessaging::new(config, None, sender_id, max_price)
            .with_timeout(Span::from_millis(300)),
    };
    sms.send(order, sender, "Your mug & you", SENT_AT).await
}

async fn sms(config: &SdkConfig) -> Answer {
    sms_by(config, &SmsSettings::default()).await
}

fn end_user_messaging() -> SmsSettings {
    SmsSettings { provider: SmsProvider::EndUserMessaging, ..SmsSettings::default() }
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
async fn an_sms_that_somebody_expects_goes_as_transactional_by_both_services() {
    let order = DeliveryOrder { purpose: Purpose::Transactional, ..example_order("sms") };
    let sns = "<PublishResponse><PublishResult><MessageId>sns-1</MessageId></PublishResult></PublishResponse>";
    for (accepted, sender, said) in [
        (sns, SmsSettings::default(), "Value.StringValue=Transactional"),
        (r#"{"MessageId":"eum-1"}"#, end_user_messaging(), r#""MessageType":"TRANSACTIONAL""#),
    ] {
        let receiver = Receiver::start(Receiver::answers("200 OK", "", accepted)).await;
        let answer = sms_of(&config(&receiver.url("127.0.0.1")), &sender, &order).await;
        assert_eq!(answer.class, AnswerClass::Sent);
        let body = String::from_utf8(receiver.requests()[0].body.clone()).unwrap();
        assert!(body.contains(said), "{said} is not in {body}");
    }
}

#[tokio::test]
async fn an_sms_by_sns_keeps_to_the_playbooks_price_and_number() {
    let accepted = "<PublishResponse><PublishResult><MessageId>sns-1</MessageId></PublishResult></PublishResponse>";
    let receiver = Receiver::start(Receiver::answers("200 OK", "", accepted)).await;
    let sender = SmsSettings {
        origination_identity: Some("+12065550152".into()),
        max_price: Some("0.10".into()),
        ..SmsSettings::default()
    };
    assert_eq!(sms_by(&config(&receiver.url("127.0.0.1")), &sender).await.class, AnswerClass::Sent);
    let body = String::from_utf8(receiver.requests()[0].body.clone()).unwrap();
    for part in ["AWS.MM.SMS.OriginationNumber", "Value.StringValue=%2B12065550152", "Value.StringValue=0.10"] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
}

#[tokio::test]
async fn an_sms_by_end_user_messaging_carries_its_delivery_and_all_settings() {
    let receiver = Receiver::start(Receiver::answers("200 OK", "", r#"{"MessageId":"eum-1"}"#)).await;
    let config = config(&receiver.url("127.0.0.1"));
    let answer = sms_by(&config, &end_user_messaging()).await;
    assert_eq!((seen(&answer), answer.provider_id.as_deref()), ((AnswerClass::Sent, "accepted"), Some("eum-1")));
    let sender = SmsSettings {
        sender_id: Some("Shop".into()),
        origination_identity: Some("pool-1".into()),
        configuration_set: Some("kairos-sms".into()),
        max_price: Some("0.1".into()),
        ..end_user_messaging()
    };
    sms_by(&config, &sender).await;
    let delivery = example_order("sms").delivery.to_string();
    let common = serde_json::json!({
        "DestinationPhoneNumber": "+33612345678", "MessageBody": "Your mug & you", "MessageType": "PROMOTIONAL",
        "Context": { "delivery": delivery },
    });
    let headers = &receiver.requests()[0].headers;
    assert_eq!(headers["x-amz-target"], "PinpointSMSVoiceV2.SendTextMessage");
    assert_eq!(headers["content-type"], "application/x-amz-json-1.0");
    assert_eq!(headers["x-amz-date"], "20261121T120000Z");
    let signed = "AWS4-HMAC-SHA256 Credential=id/20261121/us-east-1/sms-voice/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=";
    assert!(headers["authorization"].starts_with(signed), "{}", headers["authorization"]);
    for (request, more) in receiver.requests().iter().zip([
        serde_json::json!({ "OriginationIdentity": "SHOP", "MaxPrice": "0.50000" }),
        serde_json::json!({ "OriginationIdentity": "pool-1", "ConfigurationSetName": "kairos-sms", "MaxPrice": "0.10000" }),
    ]) {
        let mut expected = common.clone();
        expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&request.body).unwrap(), expected);
    }
}

#[tokio::test]
async fn refusals_of_end_user_messaging_are_read_from_its_own_form() {
    for (status, code, more, class, shown) in [
        (
            "400 Bad Request",
            "ConflictException",
            r#""Reason":"DESTINATION_PHONE_NUMBER_OPTED_OUT""#,
            AnswerClass::PermanentAddress,
            "DESTINATION_PHONE_NUMBER_OPTED_OUT",
        ),
        (
            "400 Bad Request",
            "ValidationException",
            r#""Reason":"INVALID_PARAMETER","Fields":[{"Name":"DestinationPhoneNumber","Message":"is no number"}]"#,
            AnswerClass::PermanentAddress,
            "INVALID_PARAMETER",
        ),
        (
            "400 Bad Request",
            "ValidationException",
            r#""Reason":"PRICE_OVER_THRESHOLD""#,
            AnswerClass::PermanentMessage,
            "PRICE_OVER_THRESHOLD",
        ),
        (
            "400 Bad Request",
            "ServiceQuotaExceededException",
            r#""Reason":"MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT""#,
            AnswerClass::Configuration,
            "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
        ),
        ("400 Bad Request", "ThrottlingException", r#""x":1"#, AnswerClass::Retryable, "ThrottlingException"),
        (
            "500 Internal Server Error",
            "InternalServerException",
            r#""x":1"#,
            AnswerClass::Unknown,
            "InternalServerException",
        ),
    ] {
        let body = format!(
            r#"{{"__type":"com.amazonaws.pinpointsmsvoicev2#{code}","Message":"as the service says it",{more}}}"#
        );
        let headers = "content-type: application/x-amz-json-1.0\r\n";
        let receiver = Receiver::start(Receiver::answers(status, headers, &body)).await;
        let answer = sms_by(&config(&receiver.url("127.0.0.1")), &end_user_messaging()).await;
        assert_eq!(seen(&answer), (class, shown));
        assert_eq!(receiver.connections.load(Ordering::SeqCst), 1, "the client never tries again by itself");
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

    let unsent = sms_by(&unreachable, &end_user_messaging()).await;
    assert_eq!(seen(&unsent), (AnswerClass::Retryable, "no_connection"));

    for (behaviour, code) in [
        (Behaviour::HangsUp, "connection_lost"),
        (Behaviour::Silent, "timeout"),
        // It has taken something, and nobody knows what.
        (Receiver::answers("200 OK", "", "<html>"), "no_message_id"),
        (Behaviour::Answers(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()), "connection_lost"),
    ] {
        let receiver = Receiver::start(behaviour).await;
        let answer = sms_by(&config(&receiver.url("127.0.0.1")), &end_user_messaging()).await;
        assert_eq!(seen(&answer), (AnswerClass::Unknown, code));
        assert_eq!(receiver.requests().len(), 1);
    }

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
