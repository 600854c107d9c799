//! WhatsApp through Meta's Cloud API, `POST /PHONE_NUMBER_ID/messages`
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>).
//!
//! At most twice: Meta knows no idempotency key. The delivery's id is the `biz_opaque_callback_data`, which comes back
//! with receipts. Only approved templates are sent: nothing else may begin a conversation. Much of what can happen
//! Meta tells later, in a receipt: to have been taken is not to have arrived.
//!
//! The `code` of the error counts, not the HTTP status
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>):
//!
//! | `error.code` | class | what happens |
//! |---|---|---|
//! | (HTTP 200 with `messages[0].id`) | sent | recorded with the id |
//! | 131026 undeliverable, 131050 the user has stopped marketing, 131021 the sender itself, 130497 country not allowed | permanent_address | refused |
//! | 131049 the user gets too much marketing (not before 24 h), 130472 the user is in an experiment | permanent_message | refused: the moment passes before Meta would take it |
//! | 100, 131008, 131009 parameters, 131047, 131051, 131052, 131053 media, 132000, 132005, 132007, 132012, 132018 the template's parameters | permanent_message | refused |
//! | 132001, 132015, 132016 the template is not there, paused, disabled | configuration | tried again, then dead-lettered |
//! | 0, 3, 10, 190, 200 to 299 token and permissions, 33, 100 with subcode 33 or "Object with ID … does not exist" the number's id, 368, 131005, 131030, 131031, 131037, 131042 payment, 131045, 131048 too many complaints, 133005 to 133010 the number is not registered | configuration | tried again, then dead-lettered |
//! | 4, 17, 32, 613, 80007, 130429 too many | retryable | this process pauses; tried again by the queue |
//! | 131056 too many to this user (one in six seconds) | retryable | tried again |
//! | 2, 131016, 131057, 133004 not now | retryable | tried again |
//! | 1, 131000 something went wrong | unknown | tried again |
//! | another one with `is_transient: true` | retryable | this process pauses; tried again by the queue |
//! | another one | by the HTTP status: 429 retryable with a pause, 408, 2xx, 5xx unknown, the others configuration: Meta's new codes are for somebody to see | |
//! | no connection | retryable | tried again |
//! | no answer, connection lost | unknown | tried again |

use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::WhatsappSettings;
use kairos_protocol::delivery::{Answer, AnswerClass};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::aws_answer::accepted;
use crate::messengers::{Call, Said, by_status, too_many};
use crate::tokens::Token;

/// The call for a message: a template by name and language, and what fills its gaps.
pub fn call(
    order: &DeliveryOrder,
    token: &Token,
    sender: &WhatsappSettings,
    (template, language): (&str, &str),
    parameters: &[String],
    picture: Option<&str>,
) -> Call {
    let mut components = Vec::new();
    if let Some(link) = picture {
        let image = json!({ "type": "image", "image": { "link": link } });
        components.push(json!({ "type": "header", "parameters": [image] }));
    }
    if !parameters.is_empty() {
        let texts: Vec<Value> = parameters.iter().map(|text| json!({ "type": "text", "text": text })).collect();
        components.push(json!({ "type": "body", "parameters": texts }));
    }
    let body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": order.address,
        "type": "template",
        "template": { "name": template, "language": { "code": language }, "components": components },
        "biz_opaque_callback_data": order.delivery.to_string(),
    });
    let path = format!("/{}/{}/messages", sender.api_version, sender.phone_number_id);
    Call::with_secret(path, AUTHORIZATION, &format!("Bearer {}", token.reveal()), body)
}

/// What an answer means.
pub fn classify(said: &Said) -> Answer {
    let error = &said.body["error"];
    let Some(code) = error["code"].as_i64() else {
        return match said.body["messages"][0]["id"].as_str() {
            Some(id) if (200..300).contains(&said.status) => accepted(Some(id)),
            _ => by_status(said),
        };
    };
    let class = match code {
        131_026 | 131_050 | 131_021 | 130_497 => AnswerClass::PermanentAddress,
        100 if is_about_the_number(error) => AnswerClass::Configuration,
        100 | 130_472 | 131_008 | 131_009 | 131_047 | 131_049 | 131_051..=131_053 => AnswerClass::PermanentMessage,
        132_000 | 132_005 | 132_007 | 132_012 | 132_018 => AnswerClass::PermanentMessage,
        132_001 | 132_015 | 132_016 => AnswerClass::Configuration,
        0 | 3 | 10 | 33 | 190 | 200..=299 | 368 | 131_005 | 131_030 | 131_031 | 131_037 | 131_042 => {
            AnswerClass::Configuration
        }
        131_045 | 131_048 | 133_005..=133_010 => AnswerClass::Configuration,
        2 | 131_016 | 131_056 | 131_057 | 133_004 => AnswerClass::Retryable,
        1 | 131_000 => AnswerClass::Unknown,
        4 | 17 | 32 | 613 | 80_007 | 130_429 => return told(too_many(&code.to_string(), said), error),
        _ if error["is_transient"] == true => return told(too_many(&code.to_string(), said), error),
        // An error inside of HTTP 200 was not taken for sent; what it was nobody knows.
        _ => {
            let answer = Answer { code: code.to_string(), ..by_status(said) };
            let class = match answer.class {
                AnswerClass::PermanentMessage => AnswerClass::Configuration,
                class => class,
            };
            return told(Answer { class, ..answer }, error);
        }
    };
    told(Answer::new(class, &code.to_string()), error)
}

/// Whether an "invalid parameter" is the number's id in the path: newer versions leave the subcode out.
fn is_about_the_number(error: &Value) -> bool {
    let message = error["message"].as_str().unwrap_or_default().to_ascii_lowercase();
    error["error_subcode"] == 33 || (message.contains("object with id") && message.contains("does not exist"))
}

fn told(answer: Answer, error: &Value) -> Answer {
    let details = error["error_data"]["details"].as_str().or_else(|| error["message"].as_str());
    answer.with_detail(details.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::bounds::MESSENGER_PAUSE;
    use kairos_engine::time::Span;

    fn answer(status: u16, code: i64) -> Answer {
        let body = json!({ "error": { "message": "(#1) why", "code": code, "error_data": { "details": "because" } } });
        classify(&Said { status, pause: None, body })
    }

    #[test]
    fn every_documented_code_of_whatsapp_has_its_class_whatever_http_says() {
        use AnswerClass as A;
        for (codes, class) in [
            (&[131_026, 131_050, 131_021, 130_497][..], A::PermanentAddress),
            (&[100, 130_472, 131_008, 131_009, 131_047, 131_049, 131_051, 131_052, 131_053], A::PermanentMessage),
            (&[132_000, 132_005, 132_007, 132_012, 132_018], A::PermanentMessage),
            (&[132_001, 132_015, 132_016], A::Configuration),
            (&[0, 3, 10, 33, 190, 200, 299, 368, 131_005, 131_030, 131_031, 131_037, 131_042], A::Configuration),
            (&[131_045, 131_048, 133_005, 133_006, 133_008, 133_010], A::Configuration),
            (&[4, 17, 32, 613, 80_007, 130_429, 131_056, 2, 131_016, 131_057, 133_004], A::Retryable),
            (&[1, 131_000], A::Unknown),
        ] {
            for code in codes {
                for status in [200, 400, 403, 429, 500] {
                    let answer = answer(status, *code);
                    assert_eq!((answer.class, answer.code), (class, code.to_string()), "{status}");
                    assert_eq!(answer.detail.as_deref(), Some("because"));
                    let is_for_all = [4, 17, 32, 613, 80_007, 130_429].contains(code);
                    assert_eq!(answer.retry_after_ms, is_for_all.then_some(MESSENGER_PAUSE), "{code}");
                }
            }
        }
        for (status, class) in [
            (200, A::Unknown),
            (400, A::Configuration),
            (401, A::Configuration),
            (422, A::Configuration),
            (408, A::Unknown),
            (429, A::Retryable),
            (503, A::Unknown),
        ] {
            let answer = answer(status, 999_999);
            assert_eq!((answer.class, answer.code.as_str()), (class, "999999"), "{status}");
            assert_eq!(answer.detail.as_deref(), Some("because"));
            assert_eq!(answer.retry_after_ms, (status == 429).then_some(MESSENGER_PAUSE), "{status}");
        }
    }

    #[test]
    fn an_error_that_meta_calls_transient_is_tried_again_after_a_pause() {
        for (is_transient, class, pause) in
            [(true, AnswerClass::Retryable, Some(Span::from_secs(9))), (false, AnswerClass::Configuration, None)]
        {
            let body = json!({ "error": { "message": "why", "code": 999_999, "is_transient": is_transient } });
            let answer = classify(&Said { status: 400, pause: Some(Span::from_secs(9)), body });
            assert_eq!((answer.class, answer.retry_after_ms), (class, pause));
        }
    }

    #[test]
    fn only_an_id_says_that_a_message_was_taken() {
        let classify = |status, body| classify(&Said { status, pause: None, body });
        let taken = classify(200, json!({ "messaging_product": "whatsapp", "messages": [{ "id": "wamid.X" }] }));
        assert_eq!((taken.class, taken.provider_id.as_deref()), (AnswerClass::Sent, Some("wamid.X")));
        assert_eq!(classify(200, json!({})).class, AnswerClass::Unknown);
        assert_eq!(classify(200, Value::Null).class, AnswerClass::Unknown);
        let no_number = json!({ "error": { "code": 100, "error_subcode": 33, "message": "does not exist" } });
        assert_eq!(classify(400, no_number).class, AnswerClass::Configuration);
        let said =
            "Unsupported post request. Object with ID '1' does not exist, cannot be loaded due to missing permissions";
        let no_number = json!({ "error": { "code": 100, "message": said } });
        assert_eq!(classify(400, no_number).class, AnswerClass::Configuration);
    }
}
