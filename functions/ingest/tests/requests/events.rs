//! What is wrong with single events, and that it does not cost their neighbours.

use kairos_engine::bounds::{EVENT_BYTES_MAX, ID_BYTES_MAX, JSON_DEPTH_MAX, REFUSAL_EXCERPT_BYTES_MAX};
use serde_json::{Value, json};

use crate::support::*;

const BASIC_HEADER: [(&str, &str); 1] = [("authorization", BASIC)];

#[test]
fn every_refused_event_is_listed_and_its_neighbours_are_accepted() {
    let deep = format!(
        "{{\"type\":\"page\",\"userId\":\"u\",\"x\":{}1{}}}",
        "[".repeat(40_000 / 2 - 100),
        "]".repeat(40_000 / 2 - 100)
    );
    assert!(deep.len() > EVENT_BYTES_MAX, "a deep event is too large before it is too deep");
    let less_deep =
        format!("{{\"type\":\"page\",\"userId\":\"u\",\"x\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let just_deep = format!(
        "{{\"type\":\"page\",\"userId\":\"u\",\"x\":{}1{}}}",
        "[".repeat(JSON_DEPTH_MAX),
        "]".repeat(JSON_DEPTH_MAX)
    );
    let long = |bytes: usize| "x".repeat(bytes);
    for (text, code) in [
        (json!({"type": "page", "userId": "u", "x": long(EVENT_BYTES_MAX)}).to_string(), "event_too_large"),
        (deep, "event_too_large"),
        (less_deep, "nested_too_deep"),
        (just_deep, "nested_too_deep"),
        ("{\"type\":\"page\",\"userId\":\"u\",\"x\":1e999}".into(), "json_invalid"),
        ("17".into(), "type_invalid"),
        ("{}".into(), "type_unknown"),
        (json!({"type": "merge", "userId": "u"}).to_string(), "type_unknown"),
        (json!({"type": "page"}).to_string(), "user_missing"),
        (json!({"type": "page", "userId": []}).to_string(), "type_invalid"),
        (json!({"type": "track", "userId": "u"}).to_string(), "name_missing"),
        (json!({"type": "track", "userId": "u", "event": long(201)}).to_string(), "name_too_long"),
        (json!({"type": "track", "userId": "u", "event": "Message Link Clicked"}).to_string(), "name_reserved"),
        (json!({"type": "track", "userId": "u", "event": "message_opened"}).to_string(), "name_reserved"),
        (json!({"type": "group", "userId": "u"}).to_string(), "group_missing"),
        (json!({"type": "alias", "userId": "u"}).to_string(), "previous_id_missing"),
        (json!({"type": "page", "userId": long(ID_BYTES_MAX + 1)}).to_string(), "id_too_long"),
        (json!({"type": "page", "userId": "u", "timestamp": "now"}).to_string(), "time_invalid"),
    ] {
        let good = |n: u32| json!({"type": "page", "userId": "u", "messageId": n}).to_string();
        let body = format!("{{\"batch\":[{},{text},{}]}}", good(1), good(2));
        let submission = submitted(&post_text("/v1/batch", &BASIC_HEADER, body));
        assert_eq!((submission.accepted, submission.refused.len()), (2, 1), "{code}");
        let refused = &submission.refused[0];
        assert_eq!((refused.index, refused.refusal.code.as_str()), (1, code));
        assert!(text.starts_with(&refused.excerpt) && refused.excerpt.len() <= REFUSAL_EXCERPT_BYTES_MAX);
        assert_eq!(events_of(&submission.messages).len(), 2);

        let answer = json_of(&submission.answers.taken(submission.accepted, &submission.refused));
        assert_eq!(answer["success"], true);
        assert_eq!(answer["accepted"], 2);
        assert_eq!(answer["refused"][0]["index"], 1);
        assert_eq!(answer["refused"][0]["code"], code);
        assert!(answer["refused"][0]["message"].as_str().unwrap().len() > 20);
    }
}

#[test]
fn the_largest_event_is_taken_and_one_byte_more_is_not() {
    let event = |bytes: usize| {
        let empty = json!({"type": "page", "userId": "u", "properties": {"x": ""}}).to_string();
        json!({"type": "page", "userId": "u", "properties": {"x": "y".repeat(bytes - empty.len())}})
    };
    for (bytes, accepted) in [(EVENT_BYTES_MAX, 1), (EVENT_BYTES_MAX + 1, 0)] {
        let single = submitted(&post("/v1/page", &BASIC_HEADER, &event(bytes)));
        assert_eq!(single.accepted, accepted);
        let batch = submitted(&post("/v1/batch", &BASIC_HEADER, &json!({"batch": [event(bytes)]})));
        assert_eq!(batch.accepted, accepted);
    }
}

#[test]
fn the_largest_event_whose_numbers_grow_when_written_out_still_fits_its_message() {
    let numbers = vec!["1e15"; (EVENT_BYTES_MAX - 100) / 5].join(",");
    let body = format!("{{\"type\":\"page\",\"userId\":\"u\",\"properties\":{{\"x\":[{numbers}]}}}}");
    let submission = submitted(&post_text("/v1/page", &BASIC_HEADER, body));
    assert_eq!(submission.accepted, 1);
    let bytes = serde_json::to_string(&submission.messages[0]).unwrap().len();
    assert!(bytes > 100_000 && bytes <= kairos_engine::bounds::MAILBOX_MESSAGE_BYTES_MAX, "{bytes}");
}

#[test]
fn an_import_keeps_its_times_and_a_batch_corrects_them() {
    let body = json!({"batch": [{"type": "page", "userId": "u", "timestamp": "2020-01-01T00:00:00Z"}],
        "sentAt": "2020-01-01T00:00:01Z"});
    let when = |path: &str| events_of(&submitted(&post(path, &BASIC_HEADER, &body)).messages)[0].at;
    assert_eq!(when("/v1/import"), at("2020-01-01T00:00:00Z"));
    assert_eq!(when("/v1/batch"), at("2026-11-21T09:59:59Z"));
}

#[test]
fn a_single_call_that_is_refused_is_answered_like_a_batch_of_one() {
    let submission = submitted(&post("/v1/track", &BASIC_HEADER, &json!({"userId": "u"})));
    let answer = submission.answers.taken(submission.accepted, &submission.refused);
    assert_eq!(answer.status_code, 200);
    let body: Value = json_of(&answer);
    assert_eq!((body["accepted"].as_u64(), body["refused"][0]["code"].as_str()), (Some(0), Some("name_missing")));
}
