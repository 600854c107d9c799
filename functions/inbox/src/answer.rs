//! What a page or an app gets back.
//!
//! | status | `code` |
//! |---|---|
//! | 200 | (the messages, or that what became of one counts) |
//! | 401 | `write_key_unknown` |
//! | 403 | `user_hash_wrong` |
//! | 404 | `not_found`, `not_set_up`, `message_unknown` |
//! | 400, 405, 413 | what is wrong with the request |
//! | 503 | `try_again`: the same request again finds out |

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use aws_lambda_events::http::header::{self, HeaderName, HeaderValue};
use kairos_cloud::requests::json_answer;
use kairos_engine::bounds::VAPID_KEY_CACHE_SECONDS;
use kairos_engine::time::Timestamp;
use kairos_protocol::inbox::Kept;
use serde_json::{Value, json};

use crate::request::RequestRefusal;

/// How long a browser may remember the answer to a preflight, in seconds. Chrome forgets after two hours.
const PREFLIGHT_SECONDS: &str = "7200";

/// 200: the messages that wait. How long each is good is told as a span, since clocks of visitors are wrong.
pub fn messages(kept: &[Kept], is_verified: bool, now: Timestamp) -> LambdaFunctionUrlResponse {
    let messages: Vec<Value> = kept.iter().map(|kept| shown(kept, now)).collect();
    for_any_page(json_answer(200, &json!({ "messages": messages, "verified": is_verified })))
}

fn shown(kept: &Kept, now: Timestamp) -> Value {
    let message = &kept.message;
    let mut shown = json!({
        "id": message.delivery,
        "name": message.message,
        "language": message.language,
        "kind": message.shown.kind,
        "text": message.shown.text,
        "dismissible": message.shown.dismissible,
        "priority": message.priority,
        "expires_in_ms": message.expires_at.since(now).as_millis(),
        "seen": kept.seen_at.is_some(),
    });
    let more = [
        ("title", message.shown.title.as_ref().map(|title| json!(title))),
        ("picture", message.shown.picture.as_ref().map(|picture| json!(picture))),
        ("button", message.shown.button.as_ref().map(|button| json!(button))),
        ("slot", message.shown.slot.as_ref().map(|slot| json!(slot))),
        ("close", message.shown.close.as_ref().map(|close| json!(close))),
        ("position", (message.shown.kind.as_str() == "banner").then(|| json!(message.shown.position))),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            shown[name] = value;
        }
    }
    shown
}

/// 200: what became of a message counts, now or since before.
pub fn counted() -> LambdaFunctionUrlResponse {
    for_any_page(json_answer(200, &json!({ "ok": true })))
}

/// 200: the key that browsers subscribe to notifications with. It hardly ever changes, so browsers and caches on the way may
/// remember it.
pub fn push_key(key: &str) -> LambdaFunctionUrlResponse {
    let mut response = for_any_page(json_answer(200, &json!({ "publicKey": key })));
    let remembered = format!("public, max-age={VAPID_KEY_CACHE_SECONDS}");
    response
        .headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_str(&remembered).expect("words and digits are a header"));
    response
}

/// The request is not taken.
pub fn refused(refusal: &RequestRefusal) -> LambdaFunctionUrlResponse {
    let body = json!({ "code": refusal.code(), "message": refusal.to_string() });
    let mut response = for_any_page(json_answer(refusal.status(), &body));
    // A browser must not ask a shopper for a password.
    response.headers.remove(header::WWW_AUTHENTICATE);
    if let RequestRefusal::MethodNotAllowed(method) = refusal {
        response.headers.insert(header::ALLOW, HeaderValue::from_static(method));
    }
    response
}

/// 204: a browser may send.
pub fn preflight() -> LambdaFunctionUrlResponse {
    let mut response = LambdaFunctionUrlResponse::default();
    response.status_code = 204;
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
    ] {
        response.headers.insert(name, HeaderValue::from_static(value));
    }
    for_any_page(response)
}

/// Pages of any origin may read it: there are no cookies here that a foreign page could abuse.
fn for_any_page(mut response: LambdaFunctionUrlResponse) -> LambdaFunctionUrlResponse {
    response.headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::playbook::OnSiteKind;
    use kairos_engine::time::Span;
    use kairos_protocol::inbox::InboxMessage;

    const GOLDEN: &str = include_str!("../../../shared/protocol/tests/golden/inbox_message_v1.json");

    fn body(response: &LambdaFunctionUrlResponse) -> Value {
        serde_json::from_str(response.body.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn an_answer_is_as_pages_and_apps_have_learnt_to_read_it() {
        let mut kept = Kept::new(InboxMessage::from_json(GOLDEN).unwrap());
        let now = kept.message.expires_at.minus(Span::from_mins(4));
        let response = messages(std::slice::from_ref(&kept), true, now);
        let expected = json!({
            "id": kept.message.delivery.to_string(), "name": "m1", "language": "en", "kind": "banner",
            "title": "Before you go", "text": "Free shipping for your cart.", "picture": "https://shop.example/van.jpg",
            "button": {"text": "To the cart", "link": "https://shop.example/cart"}, "position": "top", "close": "Close",
            "dismissible": true, "priority": 70, "expires_in_ms": 240_000, "seen": false,
        });
        assert_eq!(body(&response), json!({"messages": [expected], "verified": true}));
        assert_eq!(response.headers["access-control-allow-origin"], "*");
        kept.seen_at = Some(now);
        (kept.message.shown.kind, kept.message.shown.slot) = (OnSiteKind::Embedded, Some("cart".into()));
        let embedded = body(&messages(&[kept], false, now))["messages"][0].clone();
        assert_eq!(
            (&embedded["slot"], &embedded["seen"], embedded.get("position")),
            (&json!("cart"), &json!(true), None)
        );
        assert_eq!(body(&messages(&[], false, now)), json!({"messages": [], "verified": false}));
    }

    #[test]
    fn a_refusal_has_its_code_and_a_status_and_any_page_may_read_it() {
        for (refusal, status, code) in [
            (RequestRefusal::WriteKeyUnknown, 401, "write_key_unknown"),
            (RequestRefusal::HashWrong, 403, "user_hash_wrong"),
            (RequestRefusal::MessageUnknown, 404, "message_unknown"),
            (RequestRefusal::MethodNotAllowed("POST"), 405, "method_not_allowed"),
            (RequestRefusal::TryAgain, 503, "try_again"),
        ] {
            let response = refused(&refusal);
            assert_eq!((response.status_code, body(&response)["code"].clone()), (status, json!(code)));
            assert!(response.headers.contains_key("access-control-allow-origin"), "{code}");
            assert!(!response.headers.contains_key("www-authenticate"), "{code}");
            assert_eq!(response.headers.contains_key("retry-after"), status == 503, "{code}");
        }
        assert_eq!((preflight().status_code, preflight().body), (204, None));
        let key = push_key("BPub");
        assert_eq!((key.status_code, body(&key)), (200, json!({"publicKey": "BPub"})));
        assert_eq!(key.headers["cache-control"], "public, max-age=3600");
    }
}
