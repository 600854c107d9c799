//! What stands in the queue: what a topic of the stack was told
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html#http-notification-json>), or a receipt that
//! another function has put there.

use kairos_cloud::faults::without_content;
use kairos_engine::time::Timestamp;
use kairos_protocol::receipts::{FeedbackMessage, Receipt};
use serde::Deserialize;

use crate::sms_reply::SmsReply;
use crate::{end_user_messaging, ses};

/// The topics of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Where answers to SMS are told.
    pub sms_replies: String,
    /// Where it is told what became of emails.
    pub email_events: String,
    /// Where it is told what became of SMS.
    pub sms_events: String,
}

/// What was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Notification {
    /// Somebody has answered by SMS.
    SmsReply(SmsReply),
    /// What became of messages; nothing when it is nothing to us.
    Receipts(Vec<Receipt>),
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
#[serde(untagged)]
enum Wire {
    Topic(Envelope),
    Own(FeedbackMessage),
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
/// When neither a topic nor a function of ours has told it, or in another form. The error shows nothing of the text.
pub fn read(body: &str, topics: &Topics, now: Timestamp) -> Result<Notification, NotUnderstood> {
    let other_form = |error: serde_json::Error| NotUnderstood::OtherForm(without_content(&error));
    let envelope = match serde_json::from_str(body).map_err(other_form)? {
        Wire::Own(FeedbackMessage::V1 { receipt }) => return Ok(Notification::Receipts(vec![receipt])),
        Wire::Topic(envelope) => envelope,
    };
    let receipts = if envelope.topic_arn == topics.sms_replies {
        let reply = SmsReply::read(&envelope.message, &envelope.message_id).map_err(other_form)?;
        return Ok(Notification::SmsReply(reply));
    } else if envelope.topic_arn == topics.email_events {
        ses::read(&envelope.message, now)
    } else if envelope.topic_arn == topics.sms_events {
        end_user_messaging::read(&envelope.message, now)
    } else {
        return Err(NotUnderstood::OtherTopic);
    };
    receipts.map(Notification::Receipts).map_err(other_form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::playbook::Channel;
    use kairos_protocol::receipts::News;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1_795_262_400_000);

    fn topics() -> Topics {
        Topics {
            sms_replies: "arn:aws:sns:us-east-1:1:replies".into(),
            email_events: "arn:aws:sns:us-east-1:1:ses".into(),
            sms_events: "arn:aws:sns:us-east-1:1:sms".into(),
        }
    }

    #[test]
    fn only_what_our_topics_tell_is_understood() {
        let topics = topics();
        let told = |topic: &str, message: &str| {
            read(&json!({"TopicArn": topic, "MessageId": "m-1", "Message": message}).to_string(), &topics, NOW)
        };
        let stop = r#"{"originationNumber":"+15550001111","destinationNumber":"+15559999999","messageKeyword":"STOP","messageBody":"STOP","inboundMessageId":"i-1"}"#;
        let Ok(Notification::SmsReply(reply)) = told(&topics.sms_replies, stop) else { panic!("it is understood") };
        assert_eq!((reply.from.as_str(), reply.text.as_str(), reply.id.as_str()), ("+15550001111", "STOP", "i-1"));
        let bounce = include_str!("../tests/ses/bounce.json");
        let Ok(Notification::Receipts(receipts)) = told(&topics.email_events, bounce) else {
            panic!("it is understood")
        };
        assert_eq!(receipts.len(), 1);
        let delivered = include_str!("../tests/sms/successful.json");
        let Ok(Notification::Receipts(receipts)) = told(&topics.sms_events, delivered) else {
            panic!("it is understood")
        };
        assert_eq!(receipts.len(), 1);
        assert_eq!(told("arn:aws:sns:us-east-1:1:other", stop), Err(NotUnderstood::OtherTopic));
        for (topic, message) in [
            (topics.sms_replies.as_str(), "{}"),
            (&topics.sms_replies, "+15550001111"),
            (&topics.email_events, stop),
            (&topics.sms_replies, bounce),
        ] {
            let error = told(topic, message).unwrap_err();
            assert!(matches!(error, NotUnderstood::OtherForm(_)) && !error.to_string().contains("1111"), "{error}");
        }
        assert!(read("STOP", &topics, NOW).is_err() && read("[]", &topics, NOW).is_err());
    }

    #[test]
    fn what_functions_of_ours_put_there_reads_back() {
        let receipt = Receipt::new("viber/1/read", Channel::Viber, NOW, News::Read).for_provider_id(Some("1"));
        let body = serde_json::to_string(&FeedbackMessage::V1 { receipt: receipt.clone() }).unwrap();
        assert_eq!(read(&body, &topics(), NOW), Ok(Notification::Receipts(vec![receipt])));
        assert!(read(&body.replace(r#""v":"1""#, r#""v":"9""#), &topics(), NOW).is_err());
    }
}
