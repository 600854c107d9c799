//! What Meta tells by a webhook
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status>).
//!
//! | where | news |
//! |---|---|
//! | `statuses[].status` `sent`, `delivered`, `read` | accepted, delivered, read |
//! | `failed` with code 131026 (there is no WhatsApp) | dead: hard bounce |
//! | `failed` with code 131050 (has stopped marketing) | marketing refused |
//! | `failed` with another code | failed |
//! | `messages[]` with a text, or a button's | said |
//! | `user_preferences[]` about marketing: `stop`, `resume` | marketing refused, given |
//! | anything else | nothing |

use kairos_engine::bounds::CALLBACK_TEXT_BYTES_MAX;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::playbook::Channel;
use kairos_engine::product::shortened;
use kairos_engine::time::Timestamp;
use kairos_protocol::receipts::{News, Receipt};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Callback {
    object: String,
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    value: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Changed {
    statuses: Vec<Status>,
    messages: Vec<Message>,
    user_preferences: Vec<Preference>,
}

#[derive(Deserialize)]
struct Status {
    id: String,
    status: String,
    timestamp: Value,
    recipient_id: Option<String>,
    biz_opaque_callback_data: Option<String>,
    #[serde(default)]
    errors: Vec<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    from: Option<String>,
    timestamp: Value,
    text: Option<Text>,
    button: Option<Button>,
}

#[derive(Deserialize)]
struct Text {
    body: String,
}

#[derive(Deserialize)]
struct Button {
    text: String,
}

#[derive(Deserialize)]
struct Preference {
    wa_id: String,
    category: String,
    value: String,
    timestamp: Value,
}

/// Reads a callback, with all the news in it. What is of another form than Meta documents is left out, and said how often:
/// Meta tells new things without asking.
///
/// # Errors
/// When it is none of WhatsApp's.
pub fn read(body: &[u8]) -> Result<(Vec<Receipt>, usize), serde_json::Error> {
    let callback: Callback = serde_json::from_slice(body)?;
    if callback.object != "whatsapp_business_account" {
        return Ok((Vec::new(), 1));
    }
    let mut news = Vec::new();
    let mut left_out = 0;
    for change in callback.entry.into_iter().flat_map(|entry| entry.changes) {
        match serde_json::from_value::<Changed>(change.value) {
            Ok(changed) => {
                let statuses = changed.statuses.iter().map(of_status);
                let messages = changed.messages.iter().map(of_message);
                let preferences = changed.user_preferences.iter().map(of_preference);
                news.extend(statuses.chain(messages).chain(preferences).flatten());
            }
            Err(_) => left_out += 1,
        }
    }
    Ok((news, left_out))
}

fn of_status(status: &Status) -> Option<Receipt> {
    let code = status.errors.first().map(|failure| failure.code);
    let news = match (status.status.as_str(), code) {
        ("sent", _) => News::Accepted,
        ("delivered", _) => News::Delivered,
        ("read" | "played", _) => News::Read,
        ("failed", Some(131_026)) => News::Dead { reason: SuppressionReason::HardBounce },
        ("failed", Some(131_050)) => News::MarketingRefused,
        ("failed", _) => News::Failed,
        _ => return None,
    };
    let id = format!("whatsapp/{}/{}", status.id, status.status);
    // Without our data it is a message of another program's by the same number.
    let delivery = status.biz_opaque_callback_data.as_deref();
    let receipt = Receipt::new(&id, Channel::Whatsapp, time(&status.timestamp)?, news).for_delivery(delivery);
    receipt.delivery?;
    let receipt = receipt.with_code(code.map(|code| code.to_string()).as_deref());
    Some(receipt.at_address(status.recipient_id.as_deref().map(phone).as_deref()))
}

fn of_message(message: &Message) -> Option<Receipt> {
    let text = message.text.as_ref().map(|text| &text.body).or(message.button.as_ref().map(|button| &button.text));
    let text = shortened(text.map_or("", String::as_str), CALLBACK_TEXT_BYTES_MAX).to_owned();
    let news = News::Said { text };
    let receipt = Receipt::new(&format!("whatsapp/{}", message.id), Channel::Whatsapp, time(&message.timestamp)?, news);
    Some(receipt.at_address(Some(&phone(message.from.as_deref()?))))
}

fn of_preference(preference: &Preference) -> Option<Receipt> {
    let news = match (preference.category.as_str(), preference.value.as_str()) {
        ("marketing_messages", "stop") => News::MarketingRefused,
        ("marketing_messages", "resume") => News::MarketingGiven,
        _ => return None,
    };
    let at = time(&preference.timestamp)?;
    let id = format!("whatsapp/preference/{}/{}/{}", preference.wa_id, preference.value, at.as_secs());
    Some(Receipt::new(&id, Channel::Whatsapp, at, news).at_address(Some(&phone(&preference.wa_id))))
}

/// Meta writes E.164 without the plus.
fn phone(digits: &str) -> String {
    format!("+{}", digits.trim_start_matches('+'))
}

/// Seconds since 1970, which Meta writes as text or as a number.
fn time(value: &Value) -> Option<Timestamp> {
    let secs = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Timestamp::from_millis(secs.checked_mul(1_000)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DELIVERY: &str = "00112233445566778899aabbccddeeff";

    fn callback(value: &Value) -> String {
        json!({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [
            {"field": "messages", "value": value}]}]})
        .to_string()
    }

    fn status(status: &str, errors: &Value) -> Value {
        json!({"messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
            "statuses": [{"id": "wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI", "status": status, "timestamp": "1750263773",
                "recipient_id": "16505551234", "biz_opaque_callback_data": DELIVERY, "errors": errors}]})
    }

    #[test]
    fn what_meta_documents_is_read_as_what_it_means() {
        let failed =
            |code: i64| json!([{"code": code, "title": "Message undeliverable", "message": "Message undeliverable"}]);
        let hard = News::Dead { reason: SuppressionReason::HardBounce };
        for (value, news, code) in [
            (status("sent", &json!([])), News::Accepted, None),
            (status("delivered", &json!([])), News::Delivered, None),
            (status("read", &json!([])), News::Read, None),
            (status("failed", &failed(131_026)), hard, Some("131026")),
            (status("failed", &failed(131_050)), News::MarketingRefused, Some("131050")),
            (status("failed", &failed(131_049)), News::Failed, Some("131049")),
        ] {
            let (receipts, left_out) = read(callback(&value).as_bytes()).unwrap();
            let [receipt] = receipts.try_into().unwrap();
            assert_eq!((&receipt.news, receipt.code.as_deref(), left_out), (&news, code, 0));
            assert_eq!(receipt.delivery.unwrap().to_string(), DELIVERY);
            assert_eq!(receipt.address.as_deref(), Some("+16505551234"));
            assert_eq!(receipt.at, Timestamp::from_millis(1_750_263_773_000));
        }
        // Of another program's message by the same number.
        let mut other = status("failed", &failed(131_026));
        other["statuses"][0]["biz_opaque_callback_data"] = json!("order 12");
        assert_eq!(read(callback(&other).as_bytes()).unwrap(), (vec![], 0));
        assert_eq!(read(callback(&status("deleted", &json!([]))).as_bytes()).unwrap(), (vec![], 0));
    }

    #[test]
    fn what_people_write_and_prefer_is_heard() {
        let value = json!({
            "messages": [
                {"from": "16505551234", "id": "wamid.1", "timestamp": "1749416383", "type": "text", "text": {"body": "Stop"}},
                {"from": "16505551234", "id": "wamid.2", "timestamp": "1749416384", "type": "button",
                    "button": {"payload": "x", "text": "Stop promotions"}},
                {"from": "16505551234", "id": "wamid.3", "timestamp": "1749416385", "type": "image", "image": {"id": "1"}},
            ],
            "user_preferences": [
                {"wa_id": "16505551234", "detail": "User requested to stop marketing messages",
                    "category": "marketing_messages", "value": "stop", "timestamp": 1_731_705_721},
                {"wa_id": "16505551234", "category": "marketing_messages", "value": "resume", "timestamp": 1_731_705_722},
                {"wa_id": "16505551234", "category": "other", "value": "stop", "timestamp": 1_731_705_723},
            ],
        });
        let (receipts, left_out) = read(callback(&value).as_bytes()).unwrap();
        assert!(left_out == 0 && receipts.iter().all(|receipt| receipt.address.as_deref() == Some("+16505551234")));
        let said = |text: &str| News::Said { text: text.into() };
        let news: Vec<News> = receipts.into_iter().map(|receipt| receipt.news).collect();
        let expected = [said("Stop"), said("Stop promotions"), said(""), News::MarketingRefused, News::MarketingGiven];
        assert_eq!(news, expected);
    }

    #[test]
    fn what_is_unknown_is_left_out_and_what_is_no_callback_is_refused() {
        let two = json!({"object": "whatsapp_business_account", "entry": [{"changes": [
            {"field": "messages", "value": {"statuses": "none"}}, {"field": "messages", "value": status("sent", &json!([]))}]}]});
        let (receipts, left_out) = read(two.to_string().as_bytes()).unwrap();
        assert_eq!((receipts.len(), left_out), (1, 1));
        assert_eq!(read(br#"{"object":"page","entry":[]}"#).unwrap(), (vec![], 1));
        for body in ["", "[]", "{}", r#"{"object":"whatsapp_business_account"}"#] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
