//! Telegram through the Bot API, `sendMessage` and `sendPhoto` (<https://core.telegram.org/bots/api>).
//!
//! At most twice: the Bot API knows no idempotency key. The text is in Telegram's HTML, which `kairos_messages`
//! has checked; a picture is sent by its link, with the text as its caption.
//!
//! | HTTP, `error_code` and `description` | class | what happens |
//! |---|---|---|
//! | 200 with `ok: true` | sent | recorded with the message's id |
//! | 403 (`bot was blocked by the user`, `user is deactivated`, `bot can't initiate conversation with a user`, …) | permanent_address | refused |
//! | 400 `chat not found`, `user not found`, `PEER_ID_INVALID`, `chat_id is empty` | permanent_address | refused |
//! | other 400 (`can't parse entities`, `message is too long`, `failed to get HTTP URL content` of a picture, …), 413 | permanent_message | refused |
//! | 401, 404 (the token is none) | configuration | tried again, then dead-lettered |
//! | 429 with `parameters.retry_after` | retryable | this process pauses so long; tried again by the queue |
//! | 5xx, 200 without a word | unknown | tried again |
//! | no connection | retryable | tried again |
//! | no answer, connection lost | unknown | tried again |

use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{LinkButton, TelegramSettings};
use kairos_engine::time::Span;
use kairos_protocol::delivery::{Answer, AnswerClass};
use serde_json::{Value, json};

use crate::aws_answer::accepted;
use crate::messengers::{Call, Said, by_status, too_many};
use crate::tokens::Token;

/// Descriptions of a 400 that speak of the chat and not of the message.
const ABOUT_THE_CHAT: [&str; 4] = ["chat not found", "user not found", "peer_id_invalid", "chat_id is empty"];

/// The call for a message.
pub fn call(
    order: &DeliveryOrder,
    token: &Token,
    sender: &TelegramSettings,
    text: &str,
    picture: Option<&str>,
    button: Option<&LinkButton>,
) -> Call {
    // What is no number Telegram does not find.
    let chat = order.address.parse::<u64>().map_or_else(|_| json!(order.address), |id| json!(id));
    let mut body = match picture {
        Some(picture) => json!({ "chat_id": chat, "photo": picture, "caption": text, "parse_mode": "HTML" }),
        None => json!({ "chat_id": chat, "text": text, "parse_mode": "HTML" }),
    };
    if sender.silent {
        body["disable_notification"] = Value::Bool(true);
    }
    if let Some(LinkButton { text, link }) = button {
        body["reply_markup"] = json!({ "inline_keyboard": [[{ "text": text, "url": link }]] });
    }
    let method = if picture.is_some() { "sendPhoto" } else { "sendMessage" };
    Call { path: format!("/bot{}/{method}", token.reveal()), secret: None, body }
}

/// What an answer means.
pub fn classify(said: &Said) -> Answer {
    let body = &said.body;
    match body["ok"].as_bool() {
        Some(true) => return accepted(body["result"]["message_id"].as_i64().map(|id| id.to_string()).as_deref()),
        Some(false) => {}
        None => return by_status(said),
    }
    let code = body["error_code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(said.status);
    let description = body["description"].as_str().unwrap_or_default();
    let answer = match code {
        403 => Answer::new(AnswerClass::PermanentAddress, "403"),
        400 if ABOUT_THE_CHAT.iter().any(|about| description.to_ascii_lowercase().contains(about)) => {
            Answer::new(AnswerClass::PermanentAddress, "400")
        }
        429 => {
            let seconds = body["parameters"]["retry_after"].as_u64().and_then(|seconds| u32::try_from(seconds).ok());
            let pause = seconds.map(|seconds| Span::from_secs(i64::from(seconds))).or(said.pause);
            too_many("429", &Said { pause, ..Said::default() })
        }
        code => by_status(&Said { status: code, ..said.clone() }),
    };
    answer.with_detail(description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_answer_of_telegram_has_its_class() {
        use AnswerClass as A;
        for (code, description, class) in [
            (403, "Forbidden: bot was blocked by the user", A::PermanentAddress),
            (403, "Forbidden: user is deactivated", A::PermanentAddress),
            (403, "Forbidden: bot can't initiate conversation with a user", A::PermanentAddress),
            (403, "Forbidden: bot can't send messages to bots", A::PermanentAddress),
            (400, "Bad Request: chat not found", A::PermanentAddress),
            (400, "Bad Request: user not found", A::PermanentAddress),
            (400, "Bad Request: PEER_ID_INVALID", A::PermanentAddress),
            (400, "Bad Request: message is too long", A::PermanentMessage),
            (400, "Bad Request: can't parse entities: Unsupported start tag \"p\"", A::PermanentMessage),
            (400, "Bad Request: wrong file identifier/HTTP URL specified", A::PermanentMessage),
            (400, "Bad Request: failed to get HTTP URL content", A::PermanentMessage),
            (400, "Bad Request: BUTTON_URL_INVALID", A::PermanentMessage),
            (413, "Request Entity Too Large", A::PermanentMessage),
            (401, "Unauthorized", A::Configuration),
            (404, "Not Found", A::Configuration),
            (429, "Too Many Requests: retry after 17", A::Retryable),
            (500, "Internal Server Error", A::Unknown),
            (502, "Bad Gateway", A::Unknown),
        ] {
            let body = json!({ "ok": false, "error_code": code, "description": description });
            let answer = classify(&Said { status: code, pause: None, body });
            assert_eq!((answer.class, answer.code), (class, code.to_string()), "{description}");
            assert_eq!(answer.detail.as_deref(), Some(description));
        }
    }

    #[test]
    fn what_was_taken_is_known_by_its_id_and_a_pause_by_its_length() {
        let taken =
            classify(&Said { status: 200, pause: None, body: json!({ "ok": true, "result": { "message_id": 42 } }) });
        assert_eq!((taken.class, taken.provider_id.as_deref()), (AnswerClass::Sent, Some("42")));
        let body = json!({ "ok": false, "error_code": 429, "description": "", "parameters": { "retry_after": 17 } });
        let paused = classify(&Said { status: 429, pause: None, body });
        assert_eq!((paused.class, paused.retry_after_ms), (AnswerClass::Retryable, Some(Span::from_secs(17))));
        // A page of a proxy in between.
        assert_eq!(classify(&Said { status: 200, ..Said::default() }).class, AnswerClass::Unknown);
    }
}
