//! That nothing a client can send breaks anything.

use kairos_ingest::resolve::{Resolved, resolve};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

fn any_event() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,300}".prop_map(Value::from),
        prop::sample::select(vec!["track", "identify", "alias", "page", "2026-11-21T10:00:00Z"]).prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "type",
        "event",
        "userId",
        "anonymousId",
        "messageId",
        "previousId",
        "groupId",
        "timestamp",
        "originalTimestamp",
        "sentAt",
        "properties",
        "traits",
        "context",
        "name",
        "category",
        "writeKey",
        "batch",
        "products",
        "items",
        "price",
        "quantity",
    ]);
    leaf.prop_recursive(5, 60, 10, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(String::from), inner, 0..10)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

const PATHS: [&str; 12] = [
    "/v1/batch",
    "/v1/b",
    "/v1/import",
    "/v1/t",
    "/v1/i",
    "/v1/alias",
    "/api/s/page",
    "/api/s/s2s/x",
    "/v1/pixel/page",
    "/v1/projects/wk_web/settings",
    "/v1/m",
    "/",
];

proptest! {
    #[test]
    fn every_event_of_a_batch_is_accepted_or_refused(events in prop::collection::vec(any_event(), 0..12)) {
        let body = json!({"batch": events, "sentAt": events.first()});
        let submission = submitted(&post("/v1/batch", &[("authorization", BASIC)], &body));
        prop_assert_eq!(submission.accepted + submission.refused.len(), events.len());
        let answer = submission.answers.taken(submission.accepted, &submission.refused);
        prop_assert_eq!(answer.status_code, 200);
    }

    #[test]
    fn any_json_at_any_path_is_answered(body in any_event(), path in prop::sample::select(PATHS.to_vec())) {
        check(&post(path, &[("authorization", BASIC)], &body));
        check(&post(path, &[], &body));
    }

    #[test]
    fn any_bytes_in_any_wrapping_are_answered(
        body in prop::collection::vec(any::<u8>(), 0..300),
        text in any::<String>(),
        path in prop::sample::select(PATHS.to_vec()),
        zipped: bool,
    ) {
        let bytes = if zipped { gzip(&body) } else { body.clone() };
        check(&post_bytes(path, &[("authorization", BASIC)], &bytes));
        check(&post_bytes(path, &[("authorization", BASIC)], &[&[0x1f, 0x8b, 8], body.as_slice()].concat()));
        check(&post_text(path, &[("authorization", BASIC)], text.clone()));
        let mut lying = post_text(path, &[("authorization", BASIC)], text);
        lying.is_base64_encoded = true;
        check(&lying);
    }

    #[test]
    fn any_path_query_and_method_are_answered(method in "[A-Z]{0,8}|GET|POST", path in ".{0,60}", data in ".{0,60}") {
        let mut odd = request("GET", "/", &[("authorization", BASIC)]);
        odd.request_context.http.method = Some(method);
        odd.raw_path = Some(path);
        check(&odd);
        odd.request_context.http.method = Some("GET".into());
        odd.raw_path = Some("/v1/pixel/track".into());
        odd.raw_query_string = Some(format!("data={data}"));
        check(&odd);
    }
}

fn check(request: &aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest) {
    match resolve(request, Some(&sources()), at(RECEIVED)) {
        Resolved::Answer { response, .. } => {
            assert!(!(300..400).contains(&response.status_code), "redirects lose events");
            assert!((200..500).contains(&response.status_code));
        }
        Resolved::Submission(submission) => {
            let carried = events_of(&submission.messages).len();
            assert!(carried <= submission.accepted);
        }
    }
}
