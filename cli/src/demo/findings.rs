//! What can be found when all is quiet: the records of Kairos, and what the providers received.

use std::collections::BTreeMap;

use kairos_engine::commit::StoredUser;
use kairos_engine::explain;
use kairos_engine::identifiers::UserKey;
use kairos_engine::playbook::Channel;
use kairos_engine::product::shortened;
use kairos_engine::{bounds::DELIVERY_TEXT_BYTES_KEPT_MAX, time::Timestamp};
use kairos_protocol::delivery::{DeliveryRecord, Status};
use serde_json::Value;

use super::push_service::PushService;
use super::{Failure, quiet};
use crate::sender::http_client;
use crate::target::Target;

/// Everything that a report needs.
#[derive(Debug)]
pub(super) struct Findings {
    /// What became of each message, by the time it was due.
    pub(super) deliveries: Vec<DeliveryRecord>,
    /// What is remembered of each user.
    pub(super) users: BTreeMap<UserKey, StoredUser>,
    /// What the providers received.
    pub(super) received: Vec<Received>,
    /// Dead letters by queue.
    pub(super) dead_letters: Vec<(&'static str, u64)>,
}

/// A message that a provider received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Received {
    pub(super) channel: Channel,
    pub(super) address: String,
    pub(super) subject: String,
    pub(super) text: String,
}

impl Findings {
    pub(super) async fn gather(target: &Target, browsers: &PushService) -> Result<Self, Failure> {
        let records = target.records().await?;
        let mut deliveries = records.all_deliveries().await?;
        deliveries.sort_by_key(|delivery| (delivery.due_at, delivery.delivery));
        let users = records.all_users().await?.into_iter().collect();
        let endpoint = target.local.as_ref().map(|stack| stack.endpoint.as_str()).unwrap_or_default();
        let mut received = received(endpoint).await?;
        received.extend(browsers.received());
        let dead_letters = quiet::dead_letters(target).await?;
        Ok(Self { deliveries, users, received, dead_letters })
    }

    /// The messages that were sent, as Kairos recorded them.
    pub(super) fn sent(&self) -> impl Iterator<Item = &DeliveryRecord> {
        self.deliveries.iter().filter(|delivery| delivery.status == Status::Sent)
    }

    /// How a person would call the user.
    pub(super) fn name(&self, user: UserKey) -> String {
        self.users.get(&user).and_then(|stored| explain::name(&stored.state)).unwrap_or_else(|| user.to_string())
    }

    /// How the records and the providers differ, a line each: nothing when they tell the same.
    pub(super) fn differences(&self) -> Vec<String> {
        differences(self.sent().filter_map(as_received).collect(), self.received.clone())
    }
}

/// What the provider must have received of a message. Only those that are played here can be asked; browsers' cannot read.
fn as_received(delivery: &DeliveryRecord) -> Option<Received> {
    let read = |text: &Option<String>| match delivery.channel {
        Channel::Email | Channel::Sms => Some(plain(text.as_deref().unwrap_or_default())),
        Channel::WebPush => Some(String::new()),
        _ => None,
    };
    Some(Received {
        channel: delivery.channel,
        address: delivery.address.clone(),
        subject: read(&delivery.subject)?,
        text: read(&delivery.text)?,
    })
}

fn differences(mut recorded: Vec<Received>, mut received: Vec<Received>) -> Vec<String> {
    recorded.sort();
    received.sort();
    let mut found = Vec::new();
    let (mut left, mut right) = (recorded.into_iter().peekable(), received.into_iter().peekable());
    loop {
        let ordering = match (left.peek(), right.peek()) {
            (None, None) => return found,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(recorded), Some(received)) => recorded.cmp(received),
        };
        let (side, said) = match ordering {
            std::cmp::Ordering::Equal => {
                left.next();
                right.next();
                continue;
            }
            std::cmp::Ordering::Less => (left.next(), "recorded as sent, but the provider has no such message"),
            std::cmp::Ordering::Greater => (right.next(), "the provider has it, but it is not recorded as sent"),
        };
        if let Some(message) = side {
            found.push(format!("{} to {}: {said}", message.channel, message.address));
        }
    }
}

/// Line ends and space around do not survive every mail format; what is kept of a long text is cut.
fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    shortened(text.trim(), DELIVERY_TEXT_BYTES_KEPT_MAX - 1).trim().to_owned()
}

/// What the local engine's SNS and SES received.
async fn received(endpoint: &str) -> Result<Vec<Received>, Failure> {
    let client = http_client()?;
    let get = async |path: &str| -> Result<Value, Failure> {
        let answer = client.get(format!("{endpoint}{path}")).send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    };
    let mut all = emails(&get("/_ministack/ses/messages").await?);
    all.extend(text_messages(&get("/_ministack/sns/sms-messages").await?));
    Ok(all)
}

/// `{"messages": {ACCOUNT: [{"To": […], "Subject", "BodyText", …}]}}`
fn emails(answer: &Value) -> Vec<Received> {
    let accounts = answer["messages"].as_object().into_iter().flat_map(|accounts| accounts.values());
    let messages = accounts.filter_map(Value::as_array).flatten();
    messages
        .flat_map(|message| {
            let text = |field: &str| plain(message[field].as_str().unwrap_or_default());
            let to = message["To"].as_array().into_iter().flatten().filter_map(Value::as_str);
            to.map(move |address| Received {
                channel: Channel::Email,
                address: address.to_owned(),
                subject: text("Subject"),
                text: text("BodyText"),
            })
        })
        .collect()
}

/// Lists of `{"PhoneNumber", "Message", …}`, by number, at whatever depth.
fn text_messages(answer: &Value) -> Vec<Received> {
    match answer {
        Value::Array(list) => list.iter().flat_map(text_messages).collect(),
        Value::Object(fields) => match (fields.get("PhoneNumber"), fields.get("Message")) {
            (Some(Value::String(phone)), Some(Value::String(text))) => {
                vec![Received {
                    channel: Channel::Sms,
                    address: phone.clone(),
                    subject: String::new(),
                    text: plain(text),
                }]
            }
            _ => fields.values().flat_map(text_messages).collect(),
        },
        _ => Vec::new(),
    }
}

/// The time of day in UTC, as in `14:32:11`.
pub(super) fn time_of_day(time: Timestamp) -> String {
    time.to_string().get(11..19).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sms(address: &str, text: &str) -> Received {
        Received { channel: Channel::Sms, address: address.into(), subject: String::new(), text: text.into() }
    }

    #[test]
    fn a_message_too_few_or_too_many_is_told() {
        let (a, b) = (sms("+1", "a"), sms("+2", "b"));
        assert!(differences(vec![b.clone(), a.clone()], vec![a.clone(), b.clone()]).is_empty());
        assert_eq!(
            differences(vec![a.clone(), b.clone()], vec![b.clone(), b.clone()]),
            [
                "sms to +1: recorded as sent, but the provider has no such message",
                "sms to +2: the provider has it, but it is not recorded as sent",
            ]
        );
    }

    #[test]
    fn what_the_engine_received_is_read() {
        let answer = json!({ "messages": { "000000000000": [
            { "To": ["ann@shop.example"], "Subject": "Hello", "BodyText": "Line\r\nline\r\n", "BodyHtml": null } ] } });
        let email = Received {
            channel: Channel::Email,
            address: "ann@shop.example".into(),
            subject: "Hello".into(),
            text: "Line\nline".into(),
        };
        assert_eq!(emails(&answer), [email]);
        let answer = json!({ "sms_messages": { "+1": [{ "PhoneNumber": "+1", "Message": "Hi", "MessageId": "x" }] } });
        assert_eq!(text_messages(&answer), [sms("+1", "Hi")]);
    }
}
