//! What Telegram tells by a webhook (<https://core.telegram.org/bots/api#update>). It tells nothing of messages that were sent.
//!
//! | update | news |
//! |---|---|
//! | `my_chat_member` of a private chat, new status `kicked` | dead: stop (the bot is blocked) |
//! | the same, `member` | alive |
//! | `message` of a private chat, with a text | said: `/start` with whatever behind it is START |
//! | anything else | nothing |

use kairos_engine::bounds::CALLBACK_TEXT_BYTES_MAX;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::playbook::Channel;
use kairos_engine::product::shortened;
use kairos_engine::time::Timestamp;
use kairos_protocol::receipts::{News, Receipt};
use serde::Deserialize;

#[derive(Deserialize)]
struct Update {
    update_id: i64,
    message: Option<Message>,
    my_chat_member: Option<Membership>,
}

#[derive(Deserialize)]
struct Message {
    date: i64,
    chat: Chat,
    text: Option<String>,
}

#[derive(Deserialize)]
struct Membership {
    date: i64,
    chat: Chat,
    new_chat_member: Member,
}

#[derive(Deserialize)]
struct Member {
    status: String,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
}

/// Reads an update.
///
/// # Errors
/// When it is none.
pub fn read(body: &[u8]) -> Result<Vec<Receipt>, serde_json::Error> {
    let update: Update = serde_json::from_slice(body)?;
    let (date, chat, news) = match (update.message, update.my_chat_member) {
        (Some(Message { date, chat, text: Some(text) }), _) => (date, chat, News::Said { text: command(&text) }),
        (_, Some(Membership { date, chat, new_chat_member })) => match new_chat_member.status.as_str() {
            "kicked" => (date, chat, News::Dead { reason: SuppressionReason::Stop }),
            "member" => (date, chat, News::Alive),
            _ => return Ok(Vec::new()),
        },
        _ => return Ok(Vec::new()),
    };
    if chat.kind != "private" {
        return Ok(Vec::new());
    }
    let at = Timestamp::from_millis(date.saturating_mul(1_000));
    let receipt = Receipt::new(&format!("telegram/{}", update.update_id), Channel::Telegram, at, news);
    Ok(vec![receipt.at_address(Some(&chat.id.to_string()))])
}

/// `/start` is followed by what its link says (<https://core.telegram.org/bots/features#deep-linking>).
fn command(text: &str) -> String {
    let text = match text.split_whitespace().next() {
        Some("/start") => "START",
        _ => text,
    };
    shortened(text, CALLBACK_TEXT_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn news(update: &Value) -> Vec<(News, Option<String>)> {
        let receipts = read(update.to_string().as_bytes()).unwrap();
        receipts.into_iter().map(|receipt| (receipt.news, receipt.address)).collect()
    }

    #[test]
    fn who_blocks_the_bot_or_writes_to_it_is_heard() {
        let private = json!({"id": 1_111_111, "type": "private", "first_name": "Ann"});
        let member = |status: &str| {
            json!({"update_id": 10000, "my_chat_member": {"date": 1_795_262_400, "chat": private,
                "from": {"id": 1_111_111, "is_bot": false, "first_name": "Ann"},
                "old_chat_member": {"status": "member"}, "new_chat_member": {"status": status, "until_date": 0}}})
        };
        let message = |text: &str| json!({"update_id": 10001, "message": {"message_id": 1, "date": 1_795_262_400, "chat": private, "text": text}});
        let address = Some("1111111".to_owned());
        let said = |text: &str| vec![(News::Said { text: text.into() }, address.clone())];
        assert_eq!(news(&member("kicked")), [(News::Dead { reason: SuppressionReason::Stop }, address.clone())]);
        assert_eq!(news(&member("member")), [(News::Alive, address.clone())]);
        assert_eq!(news(&member("administrator")), []);
        assert_eq!(news(&message("/stop")), said("/stop"));
        assert_eq!(news(&message("/start campaign-7")), said("START"));
        assert_eq!(news(&message(&"é".repeat(500)))[0].0, News::Said { text: "é".repeat(CALLBACK_TEXT_BYTES_MAX / 2) });
        let mut group = member("kicked");
        group["my_chat_member"]["chat"]["type"] = json!("supergroup");
        assert_eq!(news(&group), []);
        assert_eq!(news(&json!({"update_id": 1, "callback_query": {"id": "1"}})), []);
        assert_eq!(
            read(member("kicked").to_string().as_bytes()).unwrap()[0].at,
            Timestamp::from_millis(1_795_262_400_000)
        );
    }

    #[test]
    fn what_is_no_update_is_refused() {
        for body in ["", "[]", "{}", r#"{"update_id":"1"}"#, r#"{"update_id":1,"message":{"date":1}}"#] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
