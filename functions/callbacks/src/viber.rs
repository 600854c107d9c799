//! What Viber tells by a webhook (<https://developers.viber.com/docs/api/rest-bot-api/#callbacks>).
//!
//! | `event` | news |
//! |---|---|
//! | `delivered`, `seen` | delivered, read: of the message that Viber calls `message_token` |
//! | `failed` | failed: a phone could not show it |
//! | `unsubscribed` | dead: stop |
//! | `subscribed`; `conversation_started` of who is subscribed | alive |
//! | `message` with a text | said |
//! | `webhook` and others | nothing |

use kairos_engine::bounds::CALLBACK_TEXT_BYTES_MAX;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::playbook::Channel;
use kairos_engine::product::shortened;
use kairos_engine::time::Timestamp;
use kairos_protocol::receipts::{News, Receipt};
use serde::Deserialize;

#[derive(Deserialize)]
struct Callback {
    event: String,
    timestamp: i64,
    message_token: Option<u64>,
    user_id: Option<String>,
    user: Option<User>,
    sender: Option<User>,
    message: Option<Message>,
    subscribed: Option<bool>,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Message {
    text: Option<String>,
}

/// Reads a callback.
///
/// # Errors
/// When it is none.
pub fn read(body: &[u8]) -> Result<Vec<Receipt>, serde_json::Error> {
    let callback: Callback = serde_json::from_slice(body)?;
    let of_message = |news| (news, callback.user_id.as_ref(), true);
    let of_user = callback.user.as_ref().map(|user| &user.id).or(callback.user_id.as_ref());
    let (news, user, is_of_message) = match callback.event.as_str() {
        "delivered" => of_message(News::Delivered),
        "seen" => of_message(News::Read),
        "failed" => of_message(News::Failed),
        "unsubscribed" => (News::Dead { reason: SuppressionReason::Stop }, of_user, false),
        "subscribed" => (News::Alive, of_user, false),
        "conversation_started" if callback.subscribed == Some(true) => (News::Alive, of_user, false),
        "message" => {
            let text = callback.message.as_ref().and_then(|message| message.text.as_deref()).unwrap_or_default();
            let text = shortened(text, CALLBACK_TEXT_BYTES_MAX).to_owned();
            (News::Said { text }, callback.sender.as_ref().map(|sender| &sender.id), false)
        }
        _ => return Ok(Vec::new()),
    };
    let Some(user) = user else { return Ok(Vec::new()) };
    let token = callback.message_token.map(|token| token.to_string());
    let event = &callback.event;
    let id = format!("viber/{event}/{}/{}/{user}", token.as_deref().unwrap_or_default(), callback.timestamp);
    let is_failure = news == News::Failed;
    let receipt = Receipt::new(&id, Channel::Viber, Timestamp::from_millis(callback.timestamp), news);
    // What the failure says may name what stands in the message.
    let receipt = receipt.at_address(Some(user)).with_code(is_failure.then_some("failed"));
    Ok(vec![if is_of_message { receipt.for_provider_id(token.as_deref()) } else { receipt }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const USER: &str = "01234567890A=";

    fn one(callback: &Value) -> Receipt {
        let [receipt] = read(callback.to_string().as_bytes()).unwrap().try_into().unwrap();
        receipt
    }

    #[test]
    fn what_viber_documents_is_read_as_what_it_means() {
        // As its documentation shows them.
        let of_message = |event: &str| {
            json!({"event": event, "timestamp": 1_457_764_197_627_i64, "message_token": 4_912_661_846_655_238_145_u64,
                "user_id": USER, "desc": "failure description"})
        };
        for (event, news, code) in
            [("delivered", News::Delivered, None), ("seen", News::Read, None), ("failed", News::Failed, Some("failed"))]
        {
            let receipt = one(&of_message(event));
            assert_eq!((&receipt.news, receipt.code.as_deref()), (&news, code));
            assert_eq!(receipt.provider_id.as_deref(), Some("4912661846655238145"));
            assert_eq!(receipt.at, Timestamp::from_millis(1_457_764_197_627));
        }
        let stop = News::Dead { reason: SuppressionReason::Stop };
        let user = json!({"id": USER, "name": "John McClane"});
        for (callback, news) in [
            (json!({"event": "unsubscribed", "timestamp": 1, "user_id": USER, "message_token": 7}), stop),
            (json!({"event": "subscribed", "timestamp": 1, "user": user, "message_token": 7}), News::Alive),
            (json!({"event": "conversation_started", "timestamp": 1, "user": user, "subscribed": true}), News::Alive),
            (
                json!({"event": "message", "timestamp": 1, "message_token": 7, "sender": user,
                    "message": {"type": "text", "text": "Стоп", "tracking_data": "x"}}),
                News::Said { text: "Стоп".into() },
            ),
        ] {
            let receipt = one(&callback);
            assert_eq!((receipt.news, receipt.address.as_deref()), (news, Some(USER)));
            assert_eq!(receipt.provider_id, None, "a token of Viber's own message is none of ours");
        }
        for nothing in [
            json!({"event": "webhook", "timestamp": 1_457_764_197_627_i64, "message_token": 241_256_543_215_u64}),
            json!({"event": "conversation_started", "timestamp": 1, "user": user, "subscribed": false}),
            json!({"event": "client_status", "timestamp": 1}),
        ] {
            assert_eq!(read(nothing.to_string().as_bytes()).unwrap(), []);
        }
    }

    #[test]
    fn what_is_no_callback_is_refused() {
        for body in ["", "[]", "{}", r#"{"event":"seen"}"#, r#"{"event":"seen","timestamp":1,"message_token":"x"}"#] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
