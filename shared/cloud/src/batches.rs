//! SQS events as Lambda delivers them, and the partial batch failures it takes back.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsMessage};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::MailboxMessage;
use kairos_protocol::mailboxes::Incoming;

use crate::faults::without_content;

/// A message of `events.fifo`, ready to be applied.
///
/// # Errors
/// The reason, when the queue's own attributes are not those of a mailbox.
pub fn mailbox_message(record: &SqsMessage) -> Result<Incoming, String> {
    let attribute = |name: &str| {
        let value = record.attributes.get(name).map(String::as_str);
        value.ok_or_else(|| format!("the message has no {name}: the queue must be FIFO"))
    };
    let user = UserKey::parse(attribute("MessageGroupId")?)
        .ok_or("the message group is no user key: only Kairos may write to this queue")?;
    let sequence = attribute("SequenceNumber")?.parse().map_err(|_| "the sequence number is no number")?;
    let receives = attribute("ApproximateReceiveCount")?.parse().map_err(|_| "the receive count is no number")?;
    let message = serde_json::from_str(record.body.as_deref().unwrap_or_default())
        .map_err(|error| format!("the body is no mailbox message: {}", without_content(&error)))
        .and_then(|message: MailboxMessage| match message.user() == user {
            true => Ok(message),
            false => Err("the message is for another user than its group".to_owned()),
        });
    Ok(Incoming { receipt: receipt(record), user, sequence, receives, message })
}

/// The queue's name for a message.
pub fn receipt(record: &SqsMessage) -> String {
    record.message_id.clone().unwrap_or_default()
}

/// The answer that makes Lambda acknowledge all messages but these.
pub fn response(failed: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed
        .into_iter()
        .map(|receipt| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = receipt;
            failure
        })
        .collect();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_cannot_be_read_is_told_without_its_text() {
        let mut record = SqsMessage::default();
        let user = UserKey::known("ada").to_string();
        for (name, value) in
            [("MessageGroupId", user.as_str()), ("SequenceNumber", "1"), ("ApproximateReceiveCount", "1")]
        {
            record.attributes.insert(name.into(), value.into());
        }
        record.body =
            Some(format!(r#"{{"v":"1","id":"0011223344556677","user":"{user}","inputs":"ada@shop.example"}}"#));
        let why = mailbox_message(&record).unwrap().message.unwrap_err();
        assert!(why.contains("error at line") && !why.contains("ada@"), "{why}");
    }
}
