//! Email through SES v2 `SendEmail` (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>).
//!
//! At most twice: SES knows no idempotency key, so after an answer that did not arrive the same email
//! may arrive twice. The configuration set tells what becomes of an email, and the tags `delivery` and `play` let that find
//! its delivery. Marketing says in its header how to unsubscribe with one click (RFC 2369, RFC 8058), which the large mailbox
//! providers ask of it.
//!
//! | code | class | what happens |
//! |---|---|---|
//! | (message id) | sent | recorded with the id |
//! | `BadRequestException` about an address | permanent_address | refused |
//! | `BadRequestException` else, `MessageRejected` (content) | permanent_message | refused |
//! | `TooManyRequestsException`, `LimitExceededException` (rate, daily quota) | retryable | tried again by the queue |
//! | `SendingPausedException`, `AccountSuspendedException`, `MailFromDomainNotVerifiedException`, `NotFoundException`, `MessageRejected` (not verified), access codes | configuration | tried again, then dead-lettered |
//! | 5xx | unknown | tried again |
//! | no connection | retryable | tried again |
//! | no answer, connection lost | unknown | tried again |

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::operation::send_email::builders::SendEmailFluentBuilder;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag};
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::EmailSettings;
use kairos_protocol::delivery::{Answer, AnswerClass};

use crate::aws_answer::{Refusal, accepted, common, failed, not_built};

/// Longest value of an SES tag, in characters.
const TAG_CHARS_MAX: usize = 256;

/// What an email is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The subject line.
    pub subject: &'a str,
    /// The text part.
    pub text: &'a str,
    /// The HTML part.
    pub html: Option<&'a str>,
    /// Where its receiver unsubscribes with one click.
    pub unsubscribe: Option<&'a str>,
}

/// Sends emails.
#[derive(Clone, Debug)]
pub struct Email {
    client: OnFirstUse<Client>,
    configuration_set: String,
}

impl Email {
    /// Through this client (one attempt, [`provider_config`](crate::providers::provider_config)), with the configuration set
    /// that tells what becomes of emails.
    pub fn new(client: impl Into<OnFirstUse<Client>>, configuration_set: String) -> Self {
        Self { client: client.into(), configuration_set }
    }

    /// Sends once.
    pub async fn send(&self, order: &DeliveryOrder, sender: &EmailSettings, parts: Parts<'_>) -> Answer {
        let request = match self.request(order, sender, parts) {
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
        sender: &EmailSettings,
        parts: Parts<'_>,
    ) -> Result<SendEmailFluentBuilder, BuildError> {
        let Parts { subject, text, html, unsubscribe } = parts;
        let part = |data: &str| Content::builder().data(data).charset("UTF-8").build();
        let body = Body::builder().text(part(text)?).set_html(html.map(part).transpose()?).build();
        let header = |name: &str, value: &str| MessageHeader::builder().name(name).value(value).build();
        let headers = match unsubscribe {
            Some(url) => Some(vec![
                header("List-Unsubscribe", &format!("<{url}>"))?,
                header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")?,
            ]),
            None => None,
        };
        let message = Message::builder().subject(part(subject)?).body(body).set_headers(headers).build();
        Ok(self
            .client
            .send_email()
            .from_email_address(&sender.from)
            .configuration_set_name(&self.configuration_set)
            .set_reply_to_addresses(sender.reply_to.clone().map(|address| vec![address]))
            .destination(Destination::builder().to_addresses(&order.address).build())
            .content(EmailContent::builder().simple(message).build())
            .email_tags(MessageTag::builder().name("delivery").value(order.delivery.to_string()).build()?)
            .email_tags(MessageTag::builder().name("play").value(tag_value(&order.play)).build()?))
    }
}

/// SES takes ASCII letters, digits, `_` and `-` in a tag.
fn tag_value(text: &str) -> String {
    text.chars()
        .take(TAG_CHARS_MAX)
        .map(|character| if character.is_ascii_alphanumeric() || character == '-' { character } else { '_' })
        .collect()
}

fn classify(refusal: &Refusal<'_>) -> AnswerClass {
    let message = refusal.message.to_ascii_lowercase();
    match refusal.code.trim_end_matches("Exception") {
        "TooManyRequests" | "LimitExceeded" => AnswerClass::Retryable,
        "SendingPaused" | "AccountSuspended" | "MailFromDomainNotVerified" | "NotFound" => AnswerClass::Configuration,
        // In the sandbox, and for a sender that nobody verified.
        "MessageRejected" if message.contains("not verified") => AnswerClass::Configuration,
        "MessageRejected" => AnswerClass::PermanentMessage,
        "BadRequest"
            if ["address", "missing final '@domain'", "domain contains", "domain starts", "domain ends"]
                .iter()
                .any(|part| message.contains(part)) =>
        {
            AnswerClass::PermanentAddress
        }
        "BadRequest" => AnswerClass::PermanentMessage,
        _ => common(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_of_ses_has_its_class() {
        use AnswerClass as A;
        for (code, message, status, class) in [
            ("TooManyRequestsException", "Maximum sending rate exceeded.", 429, A::Retryable),
            ("LimitExceededException", "Daily message quota exceeded.", 400, A::Retryable),
            ("SendingPausedException", "", 400, A::Configuration),
            ("AccountSuspendedException", "", 400, A::Configuration),
            ("MailFromDomainNotVerifiedException", "", 400, A::Configuration),
            ("NotFoundException", "Configuration set does not exist", 404, A::Configuration),
            (
                "MessageRejected",
                "Email address is not verified. The following identities failed",
                400,
                A::Configuration,
            ),
            ("MessageRejected", "The message contains a virus", 400, A::PermanentMessage),
            ("BadRequestException", "Missing final '@domain'", 400, A::PermanentAddress),
            ("BadRequestException", "Illegal address", 400, A::PermanentAddress),
            ("BadRequestException", "Local address contains control or whitespace", 400, A::PermanentAddress),
            ("BadRequestException", "Invalid MIME", 400, A::PermanentMessage),
            ("AccessDeniedException", "not authorized to perform ses:SendEmail", 403, A::Configuration),
            ("ThrottlingException", "", 400, A::Retryable),
            ("ServiceUnavailable", "", 503, A::Retryable),
            ("InternalFailure", "", 500, A::Unknown),
            ("SomethingNew", "", 502, A::Unknown),
        ] {
            assert_eq!(classify(&Refusal { code, message, status }), class, "{code} {message} {status}");
        }
    }

    #[test]
    fn a_tag_holds_only_what_ses_takes() {
        assert_eq!(tag_value("abandoned-cart"), "abandoned-cart");
        assert_eq!(tag_value("panier été!"), "panier__t__");
        assert_eq!(tag_value(&"é".repeat(300)).len(), TAG_CHARS_MAX);
    }
}
