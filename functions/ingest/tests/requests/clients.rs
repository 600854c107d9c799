//! One request of every client that shops already run, in the shape that it really sends.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use serde_json::{Value, json};

use crate::support::*;

/// The only event of a submission from the source `web`.
fn only_event(request: &aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest) -> Event {
    let submission = submitted(request);
    assert_eq!(submission.source, "web");
    assert_eq!(submission.refused, []);
    assert_eq!(submission.accepted, 1);
    let answer = submission.answers.taken(1, &[]);
    assert_eq!((answer.status_code, json_of(&answer)), (200, json!({"success": true})));
    match events_of(&submission.messages).as_slice() {
        [event] => (*event).clone(),
        events => panic!("{} events", events.len()),
    }
}

fn tracked(event: &Event) -> (&EventName, &serde_json::Map<String, Value>) {
    match &event.kind {
        EventKind::Track { event, properties } => (event, properties),
        other => panic!("{other:?}"),
    }
}

#[test]
fn segment_node_sends_a_batch_with_basic_authentication() {
    let event = only_event(&post(
        "/v1/batch",
        &[
            ("authorization", BASIC),
            ("content-type", "application/json"),
            ("x-retry-count", "1"),
            ("user-agent", "analytics-node/3.1.0"),
        ],
        &json!({
            "batch": [{
                "userId": "42", "event": "Product Added", "type": "track",
                "properties": {"product_id": "7", "price": 4.5, "currency": "EUR"},
                "integrations": {}, "timestamp": "2026-11-21T09:59:58.000Z", "messageId": "node-next-1700-abc",
                "context": {"library": {"name": "@segment/analytics-node", "version": "3.1.0"}},
                "_metadata": {"nodeVersion": "22.0.0", "jsRuntime": "node"},
            }],
            "writeKey": KEY, "sentAt": "2026-11-21T10:00:00.000Z",
        }),
    ));
    assert_eq!(tracked(&event).0, &EventName::ProductAdded);
    assert_eq!(event.products[0].id, "7");
    assert_eq!(event.at, at("2026-11-21T09:59:58Z"));
    assert_eq!(event.id, InputId::of_message("web", "node-next-1700-abc"));
    assert_eq!(event.context["library"]["version"], "3.1.0");
}

#[test]
fn segment_in_a_browser_sends_single_calls_as_plain_text() {
    for (path, kind, extra) in [
        ("/v1/t", "track", json!({"event": "Product Viewed", "properties": {"product_id": 7}})),
        ("/v1/i", "identify", json!({"traits": {"email": "ann@shop.example"}})),
        ("/v1/p", "page", json!({"name": "Home", "category": null, "properties": {"path": "/"}})),
        ("/v1/g", "group", json!({"groupId": "g", "traits": {}})),
        ("/v1/a", "alias", json!({"userId": "u", "previousId": "a"})),
        ("/v1/s", "screen", json!({"name": "Home"})),
    ] {
        let mut body = json!({
            "timestamp": "2026-11-21T09:59:59.500Z", "integrations": {}, "type": kind,
            "userId": null, "anonymousId": "a", "messageId": "ajs-next-1-x", "writeKey": KEY,
            "context": {"page": {"path": "/", "url": "https://shop.example/"}, "locale": "de-DE",
                "library": {"name": "analytics.js", "version": "next-1.84.3"}},
            "sentAt": "2026-11-21T10:00:00.000Z", "_metadata": {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []},
        });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let request = post(
            path,
            &[("authorization", BASIC), ("content-type", "text/plain"), ("origin", "https://shop.example")],
            &body,
        );
        let event = only_event(&request);
        assert_eq!(event.at, at("2026-11-21T09:59:59.5Z"), "{path}");
        assert_eq!(event.anonymous_id.as_deref(), Some("a"), "{path}");
        let answer = submitted(&request).answers.taken(1, &[]);
        assert_eq!(header(&answer, "access-control-allow-origin"), "https://shop.example");
        assert_eq!(header(&answer, "access-control-allow-credentials"), "true");
    }
}

#[test]
fn segment_in_a_browser_sends_batches_whose_envelope_alone_says_when() {
    let submission = submitted(&post(
        "/v1/b",
        &[("authorization", BASIC), ("content-type", "text/plain")],
        &json!({
            "batch": [
                {"type": "page", "anonymousId": "a", "messageId": "1", "timestamp": "2026-11-21T10:29:58.000Z"},
                {"type": "track", "event": "Clicked", "anonymousId": "a", "messageId": "2", "timestamp": "2026-11-21T10:29:59.000Z"},
            ],
            "sentAt": "2026-11-21T10:30:00.000Z", "writeKey": KEY,
        }),
    ));
    let times: Vec<_> = events_of(&submission.messages).iter().map(|event| event.at).collect();
    assert_eq!(times, [at("2026-11-21T09:59:58Z"), at("2026-11-21T09:59:59Z")]);
}

#[test]
fn segment_in_a_browser_asks_where_to_send_and_is_told_this_host() {
    for (host, expected) in [
        ("x.lambda-url.eu-central-1.on.aws", "https"),
        ("x.lambda-url.eu-central-1.localhost:4566", "http"),
        ("127.0.0.1:4566", "http"),
    ] {
        let request =
            request("GET", "/v1/projects/wk_app/settings", &[("host", host), ("origin", "https://shop.example")]);
        let answer = answered(&request);
        assert_eq!(answer.status_code, 200);
        assert_eq!(
            json_of(&answer),
            json!({
                "integrations":
                    {"Segment.io": {"apiKey": "wk_app", "apiHost": format!("{host}/v1"), "protocol": expected}},
                "metrics": {"sampleRate": 0},
            })
        );
        assert_eq!(header(&answer, "access-control-allow-origin"), "https://shop.example");
    }
}

#[test]
fn segment_in_a_browser_sends_figures_about_itself_without_a_key() {
    for path in ["/v1/m", "/m"] {
        let answer = answered(&post(path, &[("content-type", "text/plain")], &json!({"series": []})));
        assert_eq!((answer.status_code, json_of(&answer)), (200, json!({"success": true})));
    }
}

#[test]
fn a_browser_may_send_with_every_header_that_clients_add() {
    for asked in ["authorization,content-type,x-retry-count", "content-type,x-write-key,x-enable-debug,x-ip-policy"] {
        let preflight = request(
            "OPTIONS",
            "/v1/t",
            &[
                ("origin", "https://shop.example"),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", asked),
            ],
        );
        let answer = answered(&preflight);
        assert_eq!((answer.status_code, answer.body.as_deref()), (204, None));
        let allowed: Vec<&str> = header(&answer, "access-control-allow-headers").split(", ").collect();
        assert!(asked.split(',').all(|name| allowed.contains(&name)), "{allowed:?}");
        assert_eq!(header(&answer, "access-control-allow-origin"), "https://shop.example");
        assert_eq!(header(&answer, "access-control-allow-credentials"), "true");
        assert!(header(&answer, "access-control-allow-methods").contains("POST"));
        assert_eq!(header(&answer, "vary"), "origin");
    }
}

#[test]
fn segment_python_sends_null_ids_offsets_and_gzip() {
    let body = json!({
        "batch": [{
            "integrations": {}, "anonymousId": null, "userId": "42", "type": "track", "event": "Order Completed",
            "properties": {"order_id": "o1"}, "timestamp": "2026-11-21T09:59:58.123456+00:00",
            "messageId": "9f0c", "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
        }],
        "sentAt": "2026-11-21T10:00:00.000000+00:00", "writeKey": KEY,
    });
    let headers = [("authorization", BASIC), ("content-type", "application/json"), ("content-encoding", "gzip")];
    let event = only_event(&post_bytes("/v1/batch", &headers, &gzip(body.to_string().as_bytes())));
    assert_eq!(tracked(&event).0, &EventName::OrderCompleted);
    assert_eq!((event.anonymous_id.as_deref(), event.at), (None, at("2026-11-21T09:59:58.123Z")));
    only_event(&post("/v1/batch", &headers[..2], &body));
}

#[test]
fn rudderstack_node_sends_gzip_as_form_data_with_no_key_in_the_body() {
    let body = json!({
        "batch": [{
            "type": "identify", "userId": "42", "anonymousId": "a", "messageId": "r-1", "channel": "server",
            "context": {"traits": {"email": "ann@shop.example"}, "library": {"name": "@rudderstack/rudder-sdk-node"}},
            "originalTimestamp": "2026-11-21T09:59:57.000Z", "sentAt": null, "integrations": {"All": true},
        }],
        "sentAt": "2026-11-21T10:00:00.000Z",
    });
    let submission = submitted(&post_bytes(
        "/v1/batch",
        &[
            ("authorization", BASIC),
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-encoding", "gzip"),
        ],
        &gzip(body.to_string().as_bytes()),
    ));
    let events = events_of(&submission.messages);
    assert_eq!(events[0].at, at("2026-11-21T09:59:57Z"));
    assert!(matches!(&events[0].kind, EventKind::Identify { traits } if traits["email"] == "ann@shop.example"));
    let linked = submission.messages.iter().find(|message| message.user() == UserKey::anonymous("a")).unwrap();
    assert!(matches!(linked.inputs(), [Input::Link { to, .. }] if *to == UserKey::known("42")));
}

#[test]
fn jitsu_sends_single_events_with_a_secret_in_the_header_and_a_masked_key_in_the_body() {
    for path in ["/api/s/track", "/api/s/s2s/track", "/api/s/event"] {
        let event = only_event(&post(
            path,
            &[
                ("x-write-key", "wk_web:secret"),
                ("content-type", "application/json"),
                ("x-enable-debug", "false"),
                ("x-ip-policy", "keep"),
            ],
            &json!({
                "type": "track", "event": "add_to_cart", "properties": {"items": [{"item_id": "7"}]},
                "writeKey": "wk_web:***", "anonymousId": "a", "userId": null, "messageId": "j1",
                "timestamp": "2026-11-21T09:59:59.000Z", "sentAt": "2026-11-21T10:00:00.000Z",
                "context": {"library": {"name": "@jitsu/js", "version": "1.11.0"}, "traits": {}},
            }),
        ));
        assert_eq!(tracked(&event).0, &EventName::ProductAdded, "{path}");
        assert_eq!(event.products[0].id, "7");
    }
    let masked =
        post("/api/s/track", &[], &json!({"type": "track", "event": "e", "userId": "u", "writeKey": "wk_web:***"}));
    assert_eq!(json_of(&answered(&masked))["code"], "write_key_missing");
}

#[test]
fn segment_swift_sends_batches_with_the_key_in_the_body_only() {
    let event = only_event(&post(
        "/v1/b",
        &[("content-type", "application/json; charset=utf-8"), ("user-agent", "analytics-ios/1.6.0")],
        &json!({
            "batch": [{
                "type": "screen", "name": "Cart", "anonymousId": "A-1", "messageId": "M-1",
                "timestamp": "2026-11-21T09:59:59.000Z", "properties": {}, "integrations": {},
                "context": {"library": {"name": "analytics-swift"}, "os": {"name": "iOS"}},
            }],
            "sentAt": "2026-11-21T10:00:00.000Z", "writeKey": KEY,
        }),
    ));
    assert!(matches!(&event.kind, EventKind::Screen { name: Some(name), .. } if name == "Cart"));
    let settings = request("GET", "/v1/projects/wk_web/settings", &[("host", "events.shop.example")]);
    assert_eq!(json_of(&answered(&settings))["integrations"]["Segment.io"]["apiHost"], "events.shop.example/v1");
}

#[test]
fn a_page_without_scripts_sends_a_pixel_and_gets_a_picture() {
    let data = json!({"writeKey": KEY, "anonymousId": "a?>", "properties": {"path": "/über"}}).to_string();
    let standard = STANDARD.encode(&data);
    let escaped = standard.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let spaced = standard.replace('+', " ");
    for encoded in [standard.clone(), escaped, spaced.replace(' ', "+"), URL_SAFE_NO_PAD.encode(&data)] {
        let submission = submitted(&request("GET", &format!("/v1/pixel/page?x=1&data={encoded}"), &[]));
        assert!(matches!(events_of(&submission.messages)[0].kind, EventKind::Page { .. }), "{encoded}");
        let answer = submission.answers.taken(1, &[]);
        assert_eq!((answer.status_code, header(&answer, "content-type")), (200, "image/gif"));
        let picture = STANDARD.decode(answer.body.unwrap()).unwrap();
        assert!(answer.is_base64_encoded && picture.starts_with(b"GIF89a\x01\0\x01\0") && picture.ends_with(b";"));
    }
    let keyless = STANDARD.encode(r#"{"anonymousId":"a"}"#);
    submitted(&request("GET", &format!("/v1/pixel/page?data={keyless}&writeKey={KEY}"), &[]));
}

#[test]
fn a_picture_is_answered_to_a_pixel_whatever_is_wrong_and_a_header_says_what() {
    for (path, status, code) in [
        ("/v1/pixel/page", 400, "pixel_data_missing"),
        ("/v1/pixel/page?data=%7B", 400, "pixel_data_invalid"),
        ("/v1/pixel/page?data=e30", 401, "write_key_missing"),
        ("/v1/pixel/page?data=e30&writeKey=other", 401, "write_key_unknown"),
        ("/v1/pixel/merge?data=e30", 404, "not_found"),
    ] {
        let answer = answered(&request("GET", path, &[]));
        assert_eq!((answer.status_code, header(&answer, "content-type")), (status, "image/gif"), "{path}");
        assert!(header(&answer, "x-kairos-refused").starts_with(code), "{path}");
    }
    let refused = submitted(&request("GET", &format!("/v1/pixel/page?data=e30&writeKey={KEY}"), &[]));
    let answer = refused.answers.taken(0, &refused.refused);
    assert_eq!(answer.status_code, 200);
    assert!(header(&answer, "x-kairos-refused").starts_with("user_missing"));
}
