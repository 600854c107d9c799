//! SMS through SNS `Publish` (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
//!
//! At most once: SNS knows no idempotency key for SMS. Sent as a promotional message, or as a transactional one where that is its
//! purpose; never dearer than the price that the template and the playbook allow.
//!
//! | code | class | what happens |
//! |---|---|---|
//! | (message id) | sent | recorded with the id, by which delivery reports come back |
//! | `InvalidParameter` about the phone number, `OptedOut` | permanent_address | refused |
//! | `InvalidParameter` else, `InvalidParameterValue`, `ValidationException` | permanent_message | refused |
//! | `Throttled`, `Throttling`, 429, 503 | retryable | tried again by the queue |
//! | `AuthorizationError`, `InvalidSecurity`, other access codes, `UserError`, `NotFound` | configuration | tried again, then dead-lettered |
//! | `InternalError`, other 5xx | unknown | unconfirmed: not tried again |
//! | no connection | retryable | tried again |
//! | no answer, connection lost | unknown | unconfirmed |

use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::MessageAttributeValue;
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::SmsSettings;
use kairos_protocol::delivery::{Answer, AnswerClass};

use super::{is_expected, lower};
use crate::aws_answer::{Refusal, accepted, common, failed, not_built};

/// Sends SMS by SNS.
#[derive(Clone, Debug)]
pub struct Sns {
    client: OnFirstUse<Client>,
    sender_id: Option<String>,
    max_price_usd: Option<String>,
}

impl Sns {
    /// Through this client (one attempt, [`provider_config`](crate::providers::provider_config)). The
    /// sender id is used where the playbook names none.
    pub fn new(
        client: impl Into<OnFirstUse<Client>>,
        sender_id: Option<String>,
        max_price_usd: Option<String>,
    ) -> Self {
        Self { client: client.into(), sender_id, max_price_usd }
    }

    /// Sends once.
    pub async fn send(&self, order: &DeliveryOrder, sender: &SmsSettings, text: &str) -> Answer {
        let request = match self.request(order, sender, text) {
            Ok(request) => request,
            Err(error) => return not_built(&error.to_string()),
        };
        match request.send().await {
            Ok(answer) => accepted(answer.message_id()),
            Err(error) => failed(&error, classify),
        }
    }

    fn request(
        &self,
        order: &DeliveryOrder,
        sender: &SmsSettings,
        text: &str,
    ) -> Result<PublishFluentBuilder, aws_sdk_sns::error::BuildError> {
        let kind = if is_expected(order) { "Transactional" } else { "Promotional" };
        let attribute =
            |kind: &str, value: &str| MessageAttributeValue::builder().data_type(kind).string_value(value).build();
        let mut request = self
            .client
            .publish()
            .phone_number(&order.address)
            .message(text)
            .message_attributes("AWS.SNS.SMS.SMSType", attribute("String", kind)?);
        if let Some(sender_id) = sender.sender_id.as_ref().or(self.sender_id.as_ref()) {
            request = request.message_attributes("AWS.SNS.SMS.SenderID", attribute("String", sender_id)?);
        }
        if let Some(number) = sender.origination_identity.as_ref().filter(|identity| identity.starts_with('+')) {
            request = request.message_attributes("AWS.MM.SMS.OriginationNumber", attribute("String", number)?);
        }
        if let Some(max_price) = lower(sender.max_price.as_deref(), self.max_price_usd.as_deref()) {
            request = request.message_attributes("AWS.SNS.SMS.MaxPrice", attribute("Number", max_price)?);
        }
        Ok(request)
    }
}

fn classify(refusal: &Refusal<'_>) -> AnswerClass {
    match refusal.code.trim_end_matches("Exception") {
        "OptedOut" => AnswerClass::PermanentAddress,
        "InvalidParameter" | "InvalidParameterValue" | "ParameterValueInvalid" | "Validation"
            if about_the_number(refusal.message) =>
        {
            AnswerClass::PermanentAddress
        }
        "InvalidParameter" | "InvalidParameterValue" | "ParameterValueInvalid" | "Validation" => {
            AnswerClass::PermanentMessage
        }
        "NotFound" | "UserError" | "EndpointDisabled" | "PlatformApplicationDisabled" => AnswerClass::Configuration,
        _ => common(refusal),
    }
}

/// SNS answers `Invalid parameter: PhoneNumber Reason: +33… is not valid to publish to`.
fn about_the_number(message: &str) -> bool {
    let message = message.to_ascii_lowercase().replace(' ', "");
    message.contains("phonenumber") || message.contains("optedout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_of_sns_has_its_class() {
        use AnswerClass as A;
        for (code, message, status, class) in [
            (
                "InvalidParameter",
                "Invalid parameter: PhoneNumber Reason: +33 is not valid to publish to",
                400,
                A::PermanentAddress,
            ),
            ("InvalidParameter", "Invalid parameter: Phone number is opted out", 400, A::PermanentAddress),
            ("OptedOut", "", 400, A::PermanentAddress),
            ("InvalidParameter", "Invalid parameter: Message too long", 400, A::PermanentMessage),
            ("ParameterValueInvalid", "", 400, A::PermanentMessage),
            ("InvalidParameterValue", "The message attribute is not valid", 400, A::PermanentMessage),
            ("ValidationException", "", 400, A::PermanentMessage),
            ("Throttled", "", 429, A::Retryable),
            ("ThrottledException", "", 429, A::Retryable),
            ("Throttling", "Rate exceeded", 400, A::Retryable),
            ("ServiceUnavailable", "", 503, A::Retryable),
            ("AuthorizationError", "", 403, A::Configuration),
            ("AccessDenied", "", 403, A::Configuration),
            ("InvalidSecurity", "", 403, A::Configuration),
            ("InvalidClientTokenId", "", 403, A::Configuration),
            ("UserError", "", 400, A::Configuration),
            ("NotFound", "", 404, A::Configuration),
            ("SomethingNew", "", 403, A::Configuration),
            ("SomethingNew", "", 400, A::PermanentMessage),
            ("InternalError", "", 500, A::Unknown),
            ("SomethingNew", "", 502, A::Unknown),
        ] {
            assert_eq!(classify(&Refusal { code, message, status }), class, "{code} {message} {status}");
        }
    }
}
