//! What SES tells of an email: events of a configuration set, and the older notifications of an identity
//! (<https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>,
//! <https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html>).
//!
//! | `eventType` or `notificationType` | news |
//! |---|---|
//! | `Send` | accepted |
//! | `Delivery` | delivered |
//! | `DeliveryDelay` | delayed |
//! | `Bounce`, `bounceType` `Permanent` | dead: hard bounce |
//! | `Bounce`, `Transient` or `Undetermined` | bounced |
//! | `Complaint`; with `complaintFeedbackType` `not-spam` nothing | dead: complaint |
//! | `Reject`, `Rendering Failure` | failed |
//! | `Open`, `Click`, `Subscription`, others | nothing: Kairos has its own |

use std::collections::BTreeMap;

use kairos_engine::consent::SuppressionReason;
use kairos_engine::playbook::Channel;
use kairos_engine::time::Timestamp;
use kairos_protocol::receipts::{News, Receipt};
use serde::Deserialize;

/// The tag by which emails carry their delivery's id.
const TAG: &str = "delivery";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(alias = "notificationType")]
    event_type: String,
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery: Option<Happened>,
    delivery_delay: Option<Happened>,
    reject: Option<Reject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    timestamp: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    #[serde(default)]
    bounce_sub_type: String,
    #[serde(default)]
    bounced_recipients: Vec<Recipient>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    #[serde(default)]
    complained_recipients: Vec<Recipient>,
    complaint_feedback_type: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Happened {
    timestamp: Option<String>,
    delay_type: Option<String>,
}

#[derive(Deserialize)]
struct Reject {
    reason: Option<String>,
}

/// Reads what the topic was told: one receipt, or one for each address that bounced or complained.
///
/// # Errors
/// When it is of another form.
pub fn read(text: &str, now: Timestamp) -> Result<Vec<Receipt>, serde_json::Error> {
    let wire: Wire = serde_json::from_str(text)?;
    let tag = wire.mail.tags.get(TAG).and_then(|values| values.first());
    let time = |text: Option<&String>| {
        let text = text.or(wire.mail.timestamp.as_ref());
        text.and_then(|text| Timestamp::parse(text)).unwrap_or(now).min(now)
    };
    let receipt = |what: &str, at: Option<&String>, news: News, address: Option<&str>, code: Option<&str>| {
        let id = format!("ses/{}/{what}/{}", wire.mail.message_id, address.unwrap_or_default());
        Receipt::new(&id, Channel::Email, time(at), news)
            .for_delivery(tag.map(String::as_str))
            .for_provider_id(Some(&wire.mail.message_id))
            .at_address(address)
            .with_code(code)
    };
    let of_each = |what: &str, at: Option<&String>, news: &News, recipients: &[Recipient], code: &str| {
        let addresses = recipients.iter().map(|recipient| bare(&recipient.email_address));
        addresses.map(|address| receipt(what, at, news.clone(), Some(address), Some(code))).collect()
    };
    Ok(match (wire.event_type.as_str(), &wire.bounce, &wire.complaint) {
        ("Bounce", Some(bounce), _) => {
            let is_hard = bounce.bounce_type == "Permanent";
            let news = if is_hard { News::Dead { reason: SuppressionReason::HardBounce } } else { News::Bounced };
            let code = format!("{}/{}", bounce.bounce_type, bounce.bounce_sub_type);
            of_each("bounce", bounce.timestamp.as_ref(), &news, &bounce.bounced_recipients, &code)
        }
        ("Complaint", _, Some(complaint)) => {
            let kind = complaint.complaint_feedback_type.as_deref().unwrap_or("abuse");
            if kind == "not-spam" {
                return Ok(Vec::new());
            }
            let news = News::Dead { reason: SuppressionReason::Complaint };
            of_each("complaint", complaint.timestamp.as_ref(), &news, &complaint.complained_recipients, kind)
        }
        ("Delivery", ..) => {
            let at = wire.delivery.as_ref().and_then(|delivery| delivery.timestamp.as_ref());
            vec![receipt("delivered", at, News::Delivered, None, None)]
        }
        ("Send", ..) => vec![receipt("accepted", None, News::Accepted, None, None)],
        ("DeliveryDelay", ..) => {
            let delay = wire.delivery_delay.as_ref();
            let (at, code) =
                (delay.and_then(|delay| delay.timestamp.as_ref()), delay.and_then(|delay| delay.delay_type.as_deref()));
            vec![receipt("delayed", at, News::Delayed, None, code)]
        }
        ("Reject", ..) => {
            let code = wire.reject.as_ref().and_then(|reject| reject.reason.as_deref());
            vec![receipt("rejected", None, News::Failed, None, code.or(Some("rejected")))]
        }
        ("Rendering Failure", ..) => vec![receipt("rendering", None, News::Failed, None, Some("rendering_failure"))],
        _ => Vec::new(),
    })
}

/// The address of `Ann <ann@shop.example>`.
fn bare(address: &str) -> &str {
    let inside = address.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(address, |(address, _)| address).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVERY: &str = "00112233445566778899aabbccddeeff";

    fn read_file(text: &str) -> Vec<Receipt> {
        read(text, Timestamp::parse("2026-11-22T10:00:00Z").unwrap()).unwrap()
    }

    #[test]
    fn what_aws_documents_is_read_as_what_it_means() {
        let dead = |reason| News::Dead { reason };
        for (file, news, address, code, at) in [
            (
                include_str!("../tests/ses/bounce.json"),
                Some(dead(SuppressionReason::HardBounce)),
                Some("recipient@example.com"),
                Some("Permanent/General"),
                "2017-08-05T00:41:02.669Z",
            ),
            (
                include_str!("../tests/ses/bounce_transient.json"),
                Some(News::Bounced),
                Some("recipient@example.com"),
                Some("Transient/MailboxFull"),
                "2017-08-05T00:41:02.669Z",
            ),
            (
                include_str!("../tests/ses/complaint.json"),
                Some(dead(SuppressionReason::Complaint)),
                Some("recipient@example.com"),
                Some("abuse"),
                "2017-08-05T00:41:02.669Z",
            ),
            (include_str!("../tests/ses/complaint_not_spam.json"), None, None, None, ""),
            (include_str!("../tests/ses/delivery.json"), Some(News::Delivered), None, None, "2016-10-19T23:21:04.133Z"),
            (include_str!("../tests/ses/send.json"), Some(News::Accepted), None, None, "2016-10-14T05:02:16.645Z"),
            (
                include_str!("../tests/ses/reject.json"),
                Some(News::Failed),
                None,
                Some("Bad content"),
                "2016-10-14T17:38:15.211Z",
            ),
            (
                include_str!("../tests/ses/rendering_failure.json"),
                Some(News::Failed),
                None,
                Some("rendering_failure"),
                "2018-01-22T18:43:06.197Z",
            ),
            (
                include_str!("../tests/ses/delivery_delay.json"),
                Some(News::Delayed),
                None,
                Some("TransientCommunicationFailure"),
                "2020-06-16T00:25:40.914Z",
            ),
            (include_str!("../tests/ses/open.json"), None, None, None, ""),
        ] {
            let receipts = read_file(file);
            let Some(news) = news else {
                assert_eq!(receipts, []);
                continue;
            };
            let [receipt] = receipts.try_into().unwrap();
            assert_eq!((&receipt.news, receipt.address.as_deref(), receipt.code.as_deref()), (&news, address, code));
            assert_eq!(receipt.at, Timestamp::parse(at).unwrap(), "{news:?}");
            assert_eq!(receipt.delivery.map(|delivery| delivery.to_string()).as_deref(), Some(DELIVERY), "{news:?}");
            assert!(receipt.provider_id.is_some(), "{news:?}");
        }
    }

    #[test]
    fn older_notifications_name_no_delivery_and_still_their_address() {
        for (file, reason) in [
            (include_str!("../tests/ses/notification_bounce.json"), SuppressionReason::HardBounce),
            (include_str!("../tests/ses/notification_complaint.json"), SuppressionReason::Complaint),
        ] {
            let [receipt] = read_file(file).try_into().unwrap();
            assert_eq!((&receipt.news, receipt.delivery), (&News::Dead { reason }, None));
            assert_eq!(receipt.address.as_deref(), Some("jane@example.com"));
            assert!(receipt.provider_id.is_some());
        }
        let [receipt] = read_file(include_str!("../tests/ses/notification_delivery.json")).try_into().unwrap();
        assert_eq!(receipt.news, News::Delivered);
    }

    #[test]
    fn the_same_event_is_the_same_receipt_and_what_is_none_is_refused() {
        let bounce = include_str!("../tests/ses/bounce.json");
        assert_eq!(read_file(bounce), read_file(bounce));
        for text in ["{}", "[]", r#"{"eventType":"Bounce"}"#, r#"{"eventType":1,"mail":{"messageId":"m"}}"#] {
            assert!(read(text, Timestamp::from_millis(0)).is_err(), "{text}");
        }
        // A time that is to come is now.
        let later = bounce.replace("2017-08-05T00:41", "2999-08-05T00:41");
        assert_eq!(read_file(&later)[0].at, Timestamp::parse("2026-11-22T10:00:00Z").unwrap());
        // Somebody else's mail by the same configuration set.
        let other = bounce.replace(DELIVERY, "newsletter-7");
        assert_eq!(read_file(&other)[0].delivery, None);
    }
}
