//! What stands in the queue: what a topic of the stack was told
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html#http-notification-json>).

use kairos_cloud::faults::without_content;
use serde::Deserialize;

use crate::sms_reply::SmsReply;

/// The topics of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Where answers to SMS are told.
    pub sms_replies: String,
}

/// What was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// Somebody has answered by SMS.
    SmsReply(SmsReply),
}

/// Why something is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// Another topic, or none.
    #[error("it comes from no topic of this stack")]
    OtherTopic,
    /// A text of another form.
    #[error("it is of another form: {0}")]
    OtherForm(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    topic_arn: String,
    message_id: String,
    message: String,
}

/// Reads a message of the queue.
///
/// # Errors
/// When no topic of ours has told it, or in another form. The error shows nothing of the text.
pub fn read(body: &str, topics: &Topics) -> Result<Notification, NotUnderstood> {
    let other_form = |error: serde_json::Error| NotUnderstood::OtherForm(without_content(&error));
    let envelope: Envelope = serde_json::from_str(body).map_err(other_form)?;
    if envelope.topic_arn == topics.sms_replies {
        let reply = SmsReply::read(&envelope.message, &envelope.message_id).map_err(other_form)?;
        return Ok(Notification::SmsReply(reply));
    }
    Err(NotUnderstood::OtherTopic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_our_topics_tell_is_understood() {
        let topics = Topics { sms_replies: "arn:aws:sns:us-east-1:1:replies".into() };
        let told = |topic: &str, message: &str| {
            read(&json!({"TopicArn": topic, "MessageId": "m-1", "Message": message}).to_string(), &topics)
        };
        let stop = r#"{"originationNumber":"+15550001111","destinationNumber":"+15559999999","messageKeyword":"STOP","messageBody":"STOP","inboundMessageId":"i-1"}"#;
        let Ok(Notification::SmsReply(reply)) = told(&topics.sms_replies, stop) else { panic!("it is understood") };
        assert_eq!((reply.from.as_str(), reply.text.as_str(), reply.id.as_str()), ("+15550001111", "STOP", "i-1"));
        assert_eq!(told("arn:aws:sns:us-east-1:1:other", stop), Err(NotUnderstood::OtherTopic));
        for (topic, message) in [(topics.sms_replies.as_str(), "{}"), (&topics.sms_replies, "+15550001111")] {
            let error = told(topic, message).unwrap_err();
            assert!(matches!(error, NotUnderstood::OtherForm(_)) && !error.to_string().contains("1111"), "{error}");
        }
        assert!(read("STOP", &topics).is_err() && read("[]", &topics).is_err());
    }
}
