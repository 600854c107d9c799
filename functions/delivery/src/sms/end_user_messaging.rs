//! SMS through `SendTextMessage` of AWS End User Messaging
//! (<https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html>). (It was a part of Amazon
//! Pinpoint, and stays when that ends.)
//!
//! One call of one operation, written out ([`crate::aws_json`]): the service's SDK has a hundred operations more, and the
//! function no room for them.
//!
//! At most once, as by SNS: it knows no idempotency key either. The delivery's id goes along as context, which the events of the
//! configuration set give back.
//!
//! | code | class | what happens |
//! |---|---|---|
//! | (message id) | sent | recorded with the id |
//! | `ConflictException` `DESTINATION_PHONE_NUMBER_OPTED_OUT` | permanent_address | refused; the number is dead |
//! | `ValidationException` about `DestinationPhoneNumber` | permanent_address | the same |
//! | `ConflictException` about a protect configuration; `ValidationException` `DESTINATION_COUNTRY_BLOCKED`, `PRICE_OVER_THRESHOLD`, others | permanent_message | refused |
//! | `ConflictException` `NO_ORIGINATION_IDENTITIES_FOUND`, `DESTINATION_PHONE_NUMBER_NOT_VERIFIED`; `ValidationException` `COUNTRY_NOT_ENABLED`, `INTERNATIONAL_SENDING_NOT_SUPPORTED`, `INVALID_IDENTITY_FOR_DESTINATION_COUNTRY`, `SENDER_ID_NOT_SUPPORTED` | configuration, not served here | sent by the other provider; without one tried again, then dead-lettered |
//! | other `ConflictException`; `ValidationException` about sender ids and identities; `ServiceQuotaExceededException` (the month's money is spent); `ResourceNotFoundException`; access codes | configuration | tried again, then dead-lettered |
//! | `ThrottlingException`, 429, 503 | retryable | sent by the other provider, or tried again |
//! | `InternalServerException`, other 5xx; a 200 that names no message | unknown | unconfirmed: not tried again |

use std::sync::OnceLock;

use aws_types::SdkConfig;
use aws_types::sdk_config::SharedCredentialsProvider;
use kairos_engine::bounds::{PROVIDER_TIMEOUT, SMS_ANSWER_BYTES_MAX};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::SmsSettings;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{Answer, AnswerClass};
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::{is_expected, lower};
use crate::aws_answer::{Refusal, accepted, common, not_built};
use crate::aws_json::{Service, endpoint_in, signed};
use crate::https::{beginning, builder, client, unanswered};

/// By which the events of a configuration set name the delivery.
const CONTEXT: &str = "delivery";
/// The largest price that the service takes (`[0-9]{0,2}\.[0-9]{1,5}`).
const PRICE_MAX: f64 = 99.99999;
/// The operation, as AWS JSON names it.
const TARGET: &str = "PinpointSMSVoiceV2.SendTextMessage";
/// The service's name in signatures and host names.
const SERVICE: &str = "sms-voice";
/// What carries an error's code where the body does not.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Sends SMS by AWS End User Messaging.
#[derive(Debug)]
pub struct EndUserMessaging {
    endpoint: String,
    region: String,
    credentials: Option<SharedCredentialsProvider>,
    sender_id: Option<String>,
    max_price_usd: Option<String>,
    timeout: Span,
    client: OnceLock<Result<Client, String>>,
}

impl EndUserMessaging {
    /// In the region and with the credentials of this configuration. `stand_in` is what plays the service, where it is not
    /// itself. The sender id is used where the playbook names neither one nor a number.
    pub fn new(
        config: &SdkConfig,
        stand_in: Option<String>,
        sender_id: Option<String>,
        max_price_usd: Option<String>,
    ) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let endpoint = stand_in.or_else(|| config.endpoint_url().map(str::to_owned));
        Self {
            endpoint: endpoint.unwrap_or_else(|| endpoint_in(SERVICE, &region)),
            region,
            credentials: config.credentials_provider(),
            sender_id,
            max_price_usd,
            timeout: PROVIDER_TIMEOUT,
            client: OnceLock::new(),
        }
    }

    /// The same for a service that must answer sooner than within [`PROVIDER_TIMEOUT`].
    #[must_use]
    pub fn with_timeout(self, timeout: Span) -> Self {
        Self { timeout, ..self }
    }

    /// Sends once.
    pub async fn send(&self, order: &DeliveryOrder, sender: &SmsSettings, text: &str, now: Timestamp) -> Answer {
        let body = self.body(order, sender, text).to_string();
        let headers = match self.signed(&body, now).await {
            Ok(headers) => headers,
            Err(why) => return not_built(&why),
        };
        let client = match self.client.get_or_init(|| client(builder(self.timeout))) {
            Ok(client) => client,
            Err(why) => return Answer::new(AnswerClass::Configuration, "client").with_detail(why),
        };
        let mut response = match client.post(&self.endpoint).headers(headers).body(body).send().await {
            Ok(response) => response,
            Err(error) => return unanswered(error),
        };
        let status = response.status();
        let error_type = response.headers().get(ERROR_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = match beginning(&mut response, SMS_ANSWER_BYTES_MAX).await {
            Ok(body) => body,
            // It said that it has taken something, and not what: that is no answer.
            Err(error) if status.is_success() => return unanswered(error),
            // The status has been said.
            Err(_) => Vec::new(),
        };
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        if !status.is_success() {
            return refused(&said, error_type.as_deref(), status.as_u16());
        }
        match said["MessageId"].as_str() {
            Some(id) => accepted(Some(id)),
            None => Answer::new(AnswerClass::Unknown, "no_message_id"),
        }
    }

    fn body(&self, order: &DeliveryOrder, sender: &SmsSettings, text: &str) -> Value {
        let mut body = json!({
            "DestinationPhoneNumber": order.address,
            "MessageBody": text,
            "MessageType": if is_expected(order) { "TRANSACTIONAL" } else { "PROMOTIONAL" },
            "Context": { CONTEXT: order.delivery.to_string() },
        });
        let identities = [&sender.origination_identity, &sender.sender_id, &self.sender_id];
        let max_price = lower(sender.max_price.as_deref(), self.max_price_usd.as_deref());
        for (name, value) in [
            ("OriginationIdentity", identities.into_iter().flatten().next().cloned()),
            ("ConfigurationSetName", sender.configuration_set.clone()),
            ("MaxPrice", max_price.and_then(price)),
        ] {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        body
    }

    /// The headers of a request with this body, its signature among them; or why there are none.
    async fn signed(&self, body: &str, now: Timestamp) -> Result<HeaderMap, String> {
        let service = Service { name: SERVICE, region: &self.region, endpoint: &self.endpoint };
        signed(service, self.credentials.as_ref(), TARGET, body, now).await
    }
}

/// A price as the service takes it.
fn price(text: &str) -> Option<String> {
    let price: f64 = text.parse().ok()?;
    Some(format!("{:.5}", price.clamp(0.0, PRICE_MAX)))
}

/// The answer of a call that was not carried out.
fn refused(said: &Value, error_type: Option<&str>, status: u16) -> Answer {
    let code = said["__type"].as_str().or(error_type).unwrap_or("no_code");
    // `com.amazonaws…#ValidationException:http://…`: its name alone counts.
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let message = said["Message"].as_str().or(said["message"].as_str()).unwrap_or_default();
    let reason = said["Reason"].as_str().unwrap_or_default();
    let is_the_number =
        |field: &Value| field["Name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("DestinationPhoneNumber"));
    let is_about_the_number = said["Fields"].as_array().is_some_and(|fields| fields.iter().any(is_the_number));
    let class = classify(&Refusal { code, message, status }, reason, is_about_the_number);
    let shown = if reason.is_empty() { code } else { reason };
    let answer = Answer::new(class, shown).with_detail(message);
    if is_not_served(reason) { answer.not_served() } else { answer }
}

fn classify(refusal: &Refusal<'_>, reason: &str, is_about_the_number: bool) -> AnswerClass {
    match (refusal.code.trim_end_matches("Exception"), reason) {
        ("Conflict", "DESTINATION_PHONE_NUMBER_OPTED_OUT") => AnswerClass::PermanentAddress,
        (
            "Conflict",
            "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"
            | "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE",
        ) => AnswerClass::PermanentMessage,
        ("Conflict" | "ServiceQuotaExceeded" | "ResourceNotFound", _) => AnswerClass::Configuration,
        ("Validation", _) if is_not_served(reason) => AnswerClass::Configuration,
        ("Validation", _) if is_about_the_number => AnswerClass::PermanentAddress,
        (
            "Validation",
            "CHANNEL_NOT_ENABLED"
            | "INVALID_ARN"
            | "RESOURCE_NOT_ACCESSIBLE"
            | "SENDER_ID_NOT_REGISTERED"
            | "SENDER_ID_REQUIRES_REGISTRATION",
        ) => AnswerClass::Configuration,
        ("Validation", _) => AnswerClass::PermanentMessage,
        ("InternalServer", _) => AnswerClass::Unknown,
        _ => common(refusal),
    }
}

/// Whether the account cannot send to this number or country by this service. What the shop itself has set as a limit
/// (prices, budgets, blocked countries) is not among it: another provider must not be a way around.
fn is_not_served(reason: &str) -> bool {
    matches!(
        reason,
        "COUNTRY_NOT_ENABLED"
            | "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"
            | "INTERNATIONAL_SENDING_NOT_SUPPORTED"
            | "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY"
            | "NO_ORIGINATION_IDENTITIES_FOUND"
            | "SENDER_ID_NOT_SUPPORTED"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::Credentials;
    use aws_types::region::Region;

    #[test]
    fn every_documented_code_has_its_class_and_only_what_is_not_served_goes_to_another() {
        use AnswerClass as A;
        for (code, reason, is_about_the_number, status, class, not_served) in [
            ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", false, 400, A::PermanentAddress, false),
            ("ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED", false, 400, A::Configuration, true),
            ("ConflictException", "MESSAGE_TYPE_MISMATCH", false, 400, A::Configuration, false),
            ("ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND", false, 400, A::Configuration, true),
            (
                "ConflictException",
                "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION",
                false,
                400,
                A::PermanentMessage,
                false,
            ),
            ("ValidationException", "FIELD_VALIDATION_FAILED", true, 400, A::PermanentAddress, false),
            ("ValidationException", "PRICE_OVER_THRESHOLD", false, 400, A::PermanentMessage, false),
            ("ValidationException", "DESTINATION_COUNTRY_BLOCKED", false, 400, A::PermanentMessage, false),
            ("ValidationException", "COUNTRY_NOT_ENABLED", true, 400, A::Configuration, true),
            ("ValidationException", "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY", false, 400, A::Configuration, true),
            ("ValidationException", "SENDER_ID_NOT_REGISTERED", false, 400, A::Configuration, false),
            ("ValidationException", "", false, 400, A::PermanentMessage, false),
            (
                "ServiceQuotaExceededException",
                "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
                false,
                402,
                A::Configuration,
                false,
            ),
            ("ResourceNotFoundException", "", false, 400, A::Configuration, false),
            ("AccessDeniedException", "", false, 400, A::Configuration, false),
            ("ThrottlingException", "", false, 400, A::Retryable, false),
            ("InternalServerException", "", false, 500, A::Unknown, false),
            ("SomethingNew", "", false, 502, A::Unknown, false),
        ] {
            let refusal = Refusal { code, message: "", status };
            assert_eq!(classify(&refusal, reason, is_about_the_number), class, "{code} {reason} {status}");
            assert_eq!(is_not_served(reason), not_served, "{code} {reason}");
        }
    }

    #[test]
    fn an_error_is_named_by_its_body_or_its_header() {
        for (said, header, code) in [
            (json!({"__type": "com.amazonaws.pinpointsmsvoicev2#ThrottlingException"}), None, "ThrottlingException"),
            (json!({"__type": "ThrottlingException:http://internal"}), None, "ThrottlingException"),
            (Value::Null, Some("ThrottlingException:http://internal"), "ThrottlingException"),
            (json!("no"), None, "no_code"),
        ] {
            assert_eq!(refused(&said, header, 400).code, code);
        }
    }

    #[tokio::test]
    async fn a_request_is_signed_as_botocore_signs_it() {
        let credentials = Credentials::new("id", "secret", Some("token".to_owned()), None, "test");
        let config = SdkConfig::builder()
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let messaging = EndUserMessaging::new(&config, None, None, None);
        let now = Timestamp::from_millis(1_795_262_400_750);
        let headers = messaging.signed(r#"{"MessageBody":"Your mug"}"#, now).await.unwrap();
        // By botocore 1.43's SigV4Auth, of the same request.
        let expected = "AWS4-HMAC-SHA256 Credential=id/20261121/eu-central-1/sms-voice/aws4_request, \
            SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
            Signature=3b1aa154f01bf22779a0cded3d5eec0d551484835aafa6067d2fac1b22bec34d";
        assert_eq!(headers["authorization"], expected);
        assert_eq!(
            (&headers["x-amz-security-token"], &headers["x-amz-date"]),
            (&"token".parse().unwrap(), &"20261121T120000Z".parse().unwrap())
        );
        assert!(headers["authorization"].is_sensitive());
    }

    #[test]
    fn a_price_is_written_as_the_service_takes_it() {
        for (given, expected) in [("0.5", "0.50000"), ("1", "1.00000"), ("250", "99.99999"), ("0.00645", "0.00645")] {
            assert_eq!(price(given).as_deref(), Some(expected));
        }
        assert_eq!(price("dear"), None);
    }

    #[test]
    fn each_region_has_its_host() {
        assert_eq!(endpoint_in(SERVICE, "eu-central-1"), "https://sms-voice.eu-central-1.amazonaws.com/");
        assert_eq!(endpoint_in(SERVICE, "cn-north-1"), "https://sms-voice.cn-north-1.amazonaws.com.cn/");
    }
}
