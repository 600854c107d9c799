//! What is wrong with a whole request.

use kairos_engine::bounds::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use kairos_engine::segment_spec::RefusalCode;
use kairos_ingest::refusal::RequestRefusal;
use kairos_ingest::resolve::{Resolved, needs_sources, resolve};
use serde_json::{Value, json};

use crate::support::*;

fn page() -> Value {
    json!({"type": "page", "userId": "u"})
}

#[test]
fn every_refusal_of_a_request_has_its_status_and_says_what_to_do() {
    let basic = [("authorization", BASIC)];
    let batch = json!({"batch": [page()]});
    let packed = gzip(batch.to_string().as_bytes());
    let too_many = json!({"batch": vec![json!({}); BATCH_EVENTS_MAX + 1]});
    let not_base64 = {
        let mut request = post("/v1/batch", &basic, &batch);
        request.is_base64_encoded = true;
        request
    };
    for (request, status, code) in [
        (post("/v3/batch", &basic, &batch), 404, "not_found"),
        (request("GET", "/analytics.js/v1/wk_web/analytics.min.js", &[]), 404, "script_not_served"),
        (request("GET", "/v1/projects/other/settings", &[]), 404, "project_unknown"),
        (request("GET", "/v1/batch", &basic), 405, "method_not_allowed"),
        (post("/v1/batch", &[], &batch), 401, "write_key_missing"),
        (post("/v1/batch", &[("authorization", "Basic b3RoZXI6")], &batch), 401, "write_key_unknown"),
        (post("/v1/batch", &[("x-write-key", "other:secret")], &batch), 401, "write_key_unknown"),
        (post("/v1/batch", &[], &json!({"batch": [], "writeKey": "other"})), 401, "write_key_unknown"),
        (post("/v1/batch?writeKey=other", &[], &batch), 401, "write_key_unknown"),
        (request("POST", "/v1/batch", &basic), 400, "body_missing"),
        (not_base64, 400, "body_not_base64"),
        (post_bytes("/v1/batch", &basic, &packed[..packed.len() - 4]), 400, "gzip_broken"),
        (post_bytes("/v1/batch", &basic, &[0xff, 0xfe]), 400, "body_not_text"),
        (post_text("/v1/batch", &basic, "{\"batch\": [".into()), 400, "body_not_json"),
        (post_text("/v1/track", &basic, "event=x".into()), 400, "body_not_json"),
        (post("/v1/batch", &basic, &json!([page()])), 400, "body_not_object"),
        (post("/v1/track", &basic, &json!("x")), 400, "body_not_object"),
        (post("/v1/batch", &basic, &page()), 400, "batch_missing"),
        (post("/v1/batch", &basic, &json!({"batch": {"type": "page"}})), 400, "batch_missing"),
        (post("/v1/batch", &basic, &too_many), 413, "batch_too_long"),
        (post_text("/v1/batch", &basic, " ".repeat(BATCH_BYTES_MAX + 1)), 413, "body_too_large"),
        (post_bytes("/v1/batch", &basic, &gzip(&vec![b' '; 10_000_000])), 413, "body_too_large"),
    ] {
        let answer = answered(&request);
        assert_eq!((answer.status_code, json_of(&answer)["code"].as_str()), (status, Some(code)));
        assert!(json_of(&answer)["message"].as_str().unwrap().len() > 20, "{code}");
        assert_eq!(header(&answer, "content-type"), "application/json");
        assert_eq!(header(&answer, "location"), "");
    }
    assert_eq!(header(&answered(&request("GET", "/v1/batch", &basic)), "allow"), "POST");
}

#[test]
fn a_wrong_key_is_refused_before_the_body_is_looked_at() {
    let request = post_text("/v1/batch", &[("authorization", "Basic b3RoZXI6")], "not json".into());
    assert_eq!(json_of(&answered(&request))["code"], "write_key_unknown");
}

#[test]
fn the_key_of_the_header_goes_before_that_of_the_body_and_of_the_query() {
    let body = json!({"batch": [page()], "writeKey": "wk_app"});
    assert_eq!(submitted(&post("/v1/batch?writeKey=other", &[("authorization", BASIC)], &body)).source, "web");
    assert_eq!(submitted(&post("/v1/batch?writeKey=other", &[], &body)).source, "app");
    assert_eq!(submitted(&post("/v1/batch?writeKey=wk_web", &[], &json!({"batch": []}))).source, "web");
}

#[test]
fn the_largest_batch_is_taken() {
    let events: Vec<Value> =
        (0..BATCH_EVENTS_MAX).map(|n| json!({"type": "page", "userId": n, "messageId": n})).collect();
    let submission = submitted(&post("/v1/batch", &[("authorization", BASIC)], &json!({"batch": events})));
    assert_eq!((submission.accepted, submission.messages.len()), (BATCH_EVENTS_MAX, BATCH_EVENTS_MAX));
    assert_eq!(submitted(&post("/v1/batch", &[("authorization", BASIC)], &json!({"batch": []}))).accepted, 0);
}

#[test]
fn an_error_is_readable_for_the_page_that_caused_it() {
    let answer = answered(&request("POST", "/v1/t", &[("origin", "https://shop.example")]));
    assert_eq!(answer.status_code, 400);
    assert_eq!(header(&answer, "access-control-allow-origin"), "https://shop.example");
}

#[test]
fn without_a_playbook_the_client_is_asked_to_come_again() {
    let request = post("/v1/batch", &[("authorization", BASIC)], &json!({"batch": [page()]}));
    let Resolved::Answer { outcome, response } = resolve(&request, None, at(RECEIVED)) else { panic!("taken") };
    assert_eq!((outcome, response.status_code), ("playbook_unavailable", 503));
    assert_eq!(header(&response, "retry-after"), "5");
    assert!(json_of(&response)["message"].as_str().unwrap().contains("kairos publish"));
}

#[test]
fn health_depends_on_the_playbook_and_a_preflight_does_not() {
    let health = request("GET", "/health", &[]);
    assert_eq!(answered(&health).status_code, 200);
    let Resolved::Answer { response, .. } = resolve(&health, None, at(RECEIVED)) else { panic!("taken") };
    assert_eq!(response.status_code, 503);
    let preflight = request("OPTIONS", "/v1/t", &[("origin", "null")]);
    assert!(needs_sources(&health) && !needs_sources(&preflight));
    let Resolved::Answer { response, .. } = resolve(&preflight, None, at(RECEIVED)) else { panic!("taken") };
    assert_eq!((response.status_code, header(&response, "access-control-allow-origin")), (204, "null"));
}

#[test]
fn no_two_refusals_are_counted_under_one_name() {
    let requests = [
        RequestRefusal::NotFound,
        RequestRefusal::BodyNotJson(String::new()),
        RequestRefusal::BatchTooLong(0),
        RequestRefusal::QueueUnavailable,
    ];
    for refusal in requests {
        assert!(RefusalCode::ALL.iter().all(|code| code.as_str() != refusal.code()));
    }
}
