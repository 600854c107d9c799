//! Viber through a bot's REST API, `send_message` (<https://creators.viber.com/docs/bots-api/resources/messaging/send-message>).
//!
//! At most twice: Viber knows no idempotency key. The delivery's id is the `tracking_data`, which comes back with
//! what the user answers. Viber answers HTTP 200 whatever happened: what counts is `status`
//! (<https://creators.viber.com/docs/bots-api/errors>).
//!
//! | `status` | class | what happens |
//! |---|---|---|
//! | 0 | sent | recorded with the message token |
//! | 5 receiver not registered, 6 not subscribed, 11 no suitable device, 21 unsupported country | permanent_address | refused |
//! | 3 bad data, 4 missing data, 13, 14 version of the API, 16 to 20, 22 not for this bot | permanent_message | refused |
//! | 1, 2 token, 7, 8, 9, 15 the bot is blocked, gone, suspended or not authorised, 10 no webhook set, 23 free messages used up, 24 no balance | configuration | tried again, then dead-lettered |
//! | 12 too many requests (to this user: 100 an hour without a reply) | retryable | tried again by the queue |
//! | another one ("general error") | unknown | tried again |
//! | HTTP 429 | retryable | this process pauses; tried again |
//! | HTTP 401, 403, 404 | configuration | tried again, then dead-lettered |
//! | HTTP 5xx, 200 without a word | unknown | tried again |
//! | no connection | retryable | tried again |
//! | no answer, connection lost | unknown | tried again |

use kairos_engine::bounds::VIBER_BYTES_MAX;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{LinkButton, ViberSettings};
use kairos_protocol::delivery::{Answer, AnswerClass};
use reqwest::header::HeaderName;
use serde_json::{Value, json};

use crate::aws_answer::accepted;
use crate::messengers::{Call, Said, by_status};
use crate::tokens::Token;

/// The call for a message.
pub fn call(
    order: &DeliveryOrder,
    token: &Token,
    sender: &ViberSettings,
    text: &str,
    picture: Option<&str>,
    button: Option<&LinkButton>,
) -> Call {
    let mut body = json!({
        "receiver": order.address,
        "type": "text",
        "text": text,
        "sender": { "name": sender.sender },
        "min_api_version": 1,
        "tracking_data": order.delivery.to_string(),
    });
    if let Some(avatar) = &sender.avatar {
        body["sender"]["avatar"] = json!(avatar);
    }
    if let Some(picture) = picture {
        body["type"] = json!("picture");
        body["media"] = json!(picture);
    }
    if let Some(LinkButton { text, link }) = button {
        // A button's text is in Viber's HTML.
        let button = json!({
            "Columns": 6, "Rows": 1, "ActionType": "open-url", "ActionBody": link, "Text": escaped(text),
        });
        body["keyboard"] = json!({ "Type": "keyboard", "Buttons": [button] });
    }
    debug_assert!(body.to_string().len() <= VIBER_BYTES_MAX, "the bounds of its parts leave room");
    let header = HeaderName::from_static("x-viber-auth-token");
    Call::with_secret("/pa/send_message".to_owned(), header, token.reveal(), body)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What an answer means.
pub fn classify(said: &Said) -> Answer {
    let body = &said.body;
    let Some(status) = body["status"].as_i64() else { return by_status(said) };
    let class = match status {
        0 => {
            // A number, which some versions of the API have written as a text.
            let token = match &body["message_token"] {
                Value::String(token) => Some(token.clone()),
                Value::Number(token) => Some(token.to_string()),
                _ => None,
            };
            return accepted(token.as_deref());
        }
        5 | 6 | 11 | 21 => AnswerClass::PermanentAddress,
        3 | 4 | 13 | 14 | 16..=20 | 22 => AnswerClass::PermanentMessage,
        1 | 2 | 7..=10 | 15 | 23 | 24 => AnswerClass::Configuration,
        12 => AnswerClass::Retryable,
        _ => AnswerClass::Unknown,
    };
    Answer::new(class, &status.to_string()).with_detail(body["status_message"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_status_of_viber_has_its_class_though_http_says_200() {
        use AnswerClass as A;
        for (statuses, class) in [
            (&[5, 6, 11, 21][..], A::PermanentAddress),
            (&[3, 4, 13, 14, 16, 17, 18, 19, 20, 22], A::PermanentMessage),
            (&[1, 2, 7, 8, 9, 10, 15, 23, 24], A::Configuration),
            (&[12], A::Retryable),
            (&[-1, 25, 1_000], A::Unknown),
        ] {
            for status in statuses {
                let body = json!({ "status": status, "status_message": "why" });
                let answer = classify(&Said { status: 200, pause: None, body });
                assert_eq!((answer.class, answer.code), (class, status.to_string()));
                assert_eq!((answer.detail.as_deref(), answer.retry_after_ms), (Some("why"), None));
            }
        }
        for token in [json!(5_741_311_803_571_721_087_u64), json!("5741311803571721087")] {
            let body = json!({ "status": 0, "status_message": "ok", "message_token": token });
            let taken = classify(&Said { status: 200, pause: None, body });
            assert_eq!((taken.class, taken.provider_id.as_deref()), (A::Sent, Some("5741311803571721087")));
        }
        assert_eq!(classify(&Said { status: 200, ..Said::default() }).class, A::Unknown);
        assert_eq!(classify(&Said { status: 502, ..Said::default() }).class, A::Unknown);
    }
}
