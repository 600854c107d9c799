//! What AWS End User Messaging tells of an SMS
//! (<https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html>).
//!
//! | `eventType` | news |
//! |---|---|
//! | `TEXT_QUEUED`, `TEXT_PENDING`, `TEXT_SENT`; `TEXT_SUCCESSFUL` that is not final | accepted |
//! | `TEXT_DELIVERED`; `TEXT_SUCCESSFUL` that is final: which of the two a carrier tells depends on the country | delivered |
//! | `TEXT_INVALID` (there is no such number) | dead: hard bounce |
//! | `TEXT_BLOCKED`, `TEXT_CARRIER_BLOCKED`, `TEXT_CARRIER_UNREACHABLE`, `TEXT_INVALID_MESSAGE`, `TEXT_PROTECT_BLOCKED`, `TEXT_SPAM`, `TEXT_TTL_EXPIRED`, `TEXT_UNREACHABLE` | failed |
//! | `TEXT_UNKNOWN` (no carrier has said anything for 72 hours), voice, pictures, others | nothing |

use std::collections::BTreeMap;

use kairos_engine::consent::SuppressionReason;
use kairos_engine::playbook::Channel;
use kairos_engine::time::Timestamp;
use kairos_protocol::receipts::{News, Receipt};
use serde::Deserialize;

/// By which `delivery` names the delivery.
const CONTEXT: &str = "delivery";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    event_type: String,
    event_timestamp: i64,
    message_id: String,
    #[serde(default)]
    is_final: bool,
    destination_phone_number: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, String>,
}

/// Reads what the topic was told.
///
/// # Errors
/// When it is of another form.
pub fn read(text: &str, now: Timestamp) -> Result<Vec<Receipt>, serde_json::Error> {
    let wire: Wire = serde_json::from_str(text)?;
    let kind = wire.event_type.as_str();
    let (news, code) = match kind {
        "TEXT_SUCCESSFUL" if !wire.is_final => (News::Accepted, None),
        "TEXT_QUEUED" | "TEXT_PENDING" | "TEXT_SENT" => (News::Accepted, None),
        "TEXT_DELIVERED" | "TEXT_SUCCESSFUL" => (News::Delivered, None),
        "TEXT_INVALID" => (News::Dead { reason: SuppressionReason::HardBounce }, Some(kind)),
        "TEXT_BLOCKED"
        | "TEXT_CARRIER_BLOCKED"
        | "TEXT_CARRIER_UNREACHABLE"
        | "TEXT_INVALID_MESSAGE"
        | "TEXT_PROTECT_BLOCKED"
        | "TEXT_SPAM"
        | "TEXT_TTL_EXPIRED"
        | "TEXT_UNREACHABLE" => (News::Failed, Some(kind)),
        _ => return Ok(Vec::new()),
    };
    let at = Timestamp::from_millis(wire.event_timestamp).min(now);
    let receipt = Receipt::new(&format!("sms/{}/{kind}", wire.message_id), Channel::Sms, at, news)
        .for_delivery(wire.context.get(CONTEXT).map(String::as_str))
        .for_provider_id(Some(&wire.message_id))
        .at_address(wire.destination_phone_number.as_deref())
        .with_code(code);
    Ok(vec![receipt])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVERY: &str = "00112233445566778899aabbccddeeff";
    const NOW: Timestamp = Timestamp::from_millis(1_795_262_400_000);
    const DOCUMENTED: &str = include_str!("../tests/sms/successful.json");

    #[test]
    fn what_aws_documents_is_read_as_what_it_means() {
        let dead = News::Dead { reason: SuppressionReason::HardBounce };
        for (kind, is_final, news) in [
            ("TEXT_QUEUED", false, Some(News::Accepted)),
            ("TEXT_PENDING", false, Some(News::Accepted)),
            ("TEXT_SUCCESSFUL", false, Some(News::Accepted)),
            ("TEXT_SUCCESSFUL", true, Some(News::Delivered)),
            ("TEXT_DELIVERED", true, Some(News::Delivered)),
            ("TEXT_INVALID", true, Some(dead)),
            ("TEXT_BLOCKED", true, Some(News::Failed)),
            ("TEXT_CARRIER_UNREACHABLE", true, Some(News::Failed)),
            ("TEXT_TTL_EXPIRED", true, Some(News::Failed)),
            ("TEXT_UNKNOWN", true, None),
            ("VOICE_COMPLETED", true, None),
        ] {
            let text = DOCUMENTED.replace("TEXT_SUCCESSFUL", kind);
            let text = text.replace("\"isFinal\": true", &format!("\"isFinal\": {is_final}"));
            let receipts = read(&text, NOW).unwrap();
            let Some(news) = news else {
                assert_eq!(receipts, [], "{kind}");
                continue;
            };
            let [receipt] = receipts.try_into().unwrap();
            assert_eq!(receipt.code.as_deref(), receipt.news.is_bad().then_some(kind));
            assert_eq!(receipt.news, news);
            assert_eq!(receipt.delivery.map(|delivery| delivery.to_string()).as_deref(), Some(DELIVERY));
            assert_eq!(receipt.provider_id.as_deref(), Some("862a8790-60c0-4430-9b2b-658bdexample"));
            assert_eq!(receipt.address.as_deref(), Some("+14255550156"));
            assert_eq!(receipt.at, Timestamp::from_millis(1_686_975_103_470));
        }
    }

    #[test]
    fn an_sms_of_another_program_names_no_delivery_and_what_is_no_event_is_refused() {
        let other = read(&DOCUMENTED.replace(DELIVERY, "bar"), NOW).unwrap();
        assert_eq!(other[0].delivery, None);
        for text in ["{}", "[]", r#"{"eventType":"TEXT_DELIVERED"}"#] {
            assert!(read(text, NOW).is_err(), "{text}");
        }
    }
}
