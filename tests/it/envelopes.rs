//! What is wrong with a request refuses it whole; what is wrong with one event does not cost its neighbours.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use kairos_engine::bounds::{BATCH_EVENTS_MAX, EVENT_BYTES_MAX};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::playbook::{SOURCE, WRITE_KEY};
use crate::harness::shopper::now;
use crate::harness::world::Answer;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, run};

fn packed(body: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(body).unwrap();
    packer.finish().unwrap()
}

fn assert_refused(what: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{what}: {answer:?}");
    assert!(answer.body["message"].as_str().is_some_and(|message| message.len() > 10), "says what to do: {answer:?}");
}

#[test]
fn whatever_is_wrong_with_a_request_is_said_and_nothing_of_it_is_taken() {
    run(async {
        let stage = Stage::shared().await;
        let eve = Shopper::new("refused");
        let add = eve.adds(now(), "Mug");
        let batch = |calls: Value| json!({"batch": calls, "writeKey": WRITE_KEY}).to_string().into_bytes();
        let without_key = json!({"batch": [add]}).to_string().into_bytes();
        let wrong_key = json!({"batch": [add], "writeKey": "of-nobody"}).to_string().into_bytes();
        let whole = batch(json!([add]));
        let too_many = batch(json!(vec![json!({"type": "page", "userId": eve.user_id}); BATCH_EVENTS_MAX + 1]));
        let too_large = batch(json!([add, "x".repeat(501 * 1024)]));
        let bomb = packed(&[b' '; 64 * 1024 * 1024]);
        let not_a_batch = json!({"batch": add, "writeKey": WRITE_KEY}).to_string().into_bytes();
        for (what, path, body, status, code) in [
            ("no key", "/v1/batch", without_key, 401, "write_key_missing"),
            ("a wrong key", "/v1/batch", wrong_key, 401, "write_key_unknown"),
            ("half a body", "/v1/batch", whole[..whole.len() - 2].to_vec(), 400, "body_not_json"),
            ("a list", "/v1/batch", b"[]".to_vec(), 400, "body_not_object"),
            ("no list of events", "/v1/batch", not_a_batch, 400, "batch_missing"),
            ("no body", "/v1/batch", Vec::new(), 400, "body_missing"),
            ("too many events", "/v1/batch", too_many, 413, "batch_too_long"),
            ("too many bytes", "/v1/batch", too_large, 413, "body_too_large"),
            ("a body that inflates without end", "/v1/batch", bomb, 413, "body_too_large"),
            ("half a packed body", "/v1/batch", packed(&whole)[..20].to_vec(), 400, "gzip_broken"),
            ("a path that is none", "/v2/batch", whole, 404, "not_found"),
        ] {
            let answer = stage.send(stage.http.post(stage.ingest(path)).body(body)).await;
            assert!(answer.headers.get("location").is_none(), "{what}: never a redirect");
            assert_refused(what, &answer, status, code);
        }
        let answer = stage.send(stage.http.get(stage.ingest("/v1/batch"))).await;
        assert_refused("a method that means nothing", &answer, 405, "method_not_allowed");

        // A mailbox is in order: were anything of it taken, it would stand before this.
        let last_at = now();
        stage.accept(&[eve.track(last_at, "Product Viewed", json!({}))]).await;
        let stored = stage.applied_to(&eve, last_at).await;
        assert!(stored.state.cart.is_empty());
        assert_eq!(stored.revision, 1);
    });
}

#[test]
fn a_refused_event_does_not_cost_its_neighbours_and_is_kept_for_a_person() {
    run(async {
        let stage = Stage::shared().await;
        let (first, last) = (Shopper::new("first"), Shopper::new("last"));
        let mark = format!("mark-{}", first.user_id);
        let at = now();
        let answer = stage
            .post(&[
                first.adds(at, "Mug"),
                json!({"type": "track", "event": mark, "messageId": "nobody"}),
                json!({"type": "dance", "userId": "x", "mark": mark}),
                first.track(at, "Product Viewed", json!({"mark": mark, "x": "y".repeat(EVENT_BYTES_MAX)})),
                json!({"type": "track", "event": mark, "userId": {"a": 1}}),
                json!(mark),
                last.adds(at, "Vase"),
            ])
            .await;
        assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(2)));
        let refused: Vec<_> = answer.body["refused"]
            .as_array()
            .unwrap()
            .iter()
            .map(|refused| {
                assert!(refused["message"].as_str().is_some_and(|message| message.len() > 10), "{refused}");
                (refused["index"].as_u64().unwrap(), refused["code"].as_str().unwrap())
            })
            .collect();
        let expected = [
            (1, "user_missing"),
            (2, "type_unknown"),
            (3, "event_too_large"),
            (4, "type_invalid"),
            (5, "type_invalid"),
        ];
        assert_eq!(refused, expected);
        for shopper in [&first, &last] {
            let stored = stage.applied_to(shopper, at).await;
            assert_eq!(stored.state.cart.items().len(), 1);
        }
        let kept = stage.refusals(SOURCE, &mark).await;
        let mut codes: Vec<_> = kept.iter().map(|item| item["code"].as_str()).collect();
        codes.sort_unstable();
        let mut expected: Vec<_> = expected.iter().map(|(_, code)| *code).collect();
        expected.sort_unstable();
        assert_eq!(codes, expected);
        for item in kept {
            let forgotten_in_s = item["expires_at"].parse::<i64>().unwrap() - now().as_secs();
            assert!((13 * 86_400..=14 * 86_400).contains(&forgotten_in_s), "kept for 14 days: {item:?}");
            assert!(item["excerpt"].len() <= 2_048, "only the beginning is kept");
        }
    });
}

#[test]
fn a_packed_body_is_taken_whatever_its_content_type() {
    run(async {
        let stage = Stage::shared().await;
        for content_type in ["application/json", "application/x-www-form-urlencoded", "text/plain"] {
            let zoe = Shopper::new("packed");
            let at = now();
            let body = json!({"batch": [zoe.adds(at, "Mug")], "writeKey": WRITE_KEY}).to_string();
            let request = stage.http.post(stage.ingest("/v1/batch")).header(CONTENT_TYPE, content_type);
            let request = request.header(CONTENT_ENCODING, "gzip").body(packed(body.as_bytes()));
            assert_eq!(stage.send(request).await.status, 200, "{content_type}");
            stage.applied_to(&zoe, at).await;
        }
    });
}

#[test]
fn history_is_imported_with_its_own_times() {
    run(async {
        let stage = Stage::shared().await;
        let old = Shopper::new("history");
        let at = now().minus(kairos_engine::time::Span::from_hours(1_000));
        let mut call = old.adds(at, "Mug");
        call["timestamp"] = call["originalTimestamp"].take();
        let body = json!({"batch": [call], "writeKey": WRITE_KEY, "sentAt": "2020-01-01T00:00:00Z"});
        assert_eq!(stage.post_json("/v1/import", &body).await.status, 200);
        let stored = stage.stored_when(old.key(), "it is applied", |stored| !stored.state.cart.is_empty()).await;
        assert_eq!(stored.state.cart.changed_at(), Some(at));
    });
}

#[test]
fn a_picture_in_an_email_reports_that_it_was_seen() {
    run(async {
        let stage = Stage::shared().await;
        let pia = Shopper::new("pixel");
        let call = json!({"writeKey": WRITE_KEY, "userId": pia.user_id, "name": "Email"});
        let url = reqwest::Url::parse_with_params(
            &stage.ingest("/v1/pixel/page"),
            [("data", STANDARD.encode(call.to_string()))],
        );
        let answer = stage.http.get(url.unwrap()).send().await.unwrap();
        assert_eq!(answer.headers()[CONTENT_TYPE], "image/gif");
        assert!(answer.bytes().await.unwrap().starts_with(b"GIF89a"));
        eventually("the page is applied", PATIENCE, async || {
            stage.stored(pia.key()).await.map(drop).ok_or_else(|| "nothing".to_owned())
        })
        .await;
    });
}

#[test]
fn a_browser_is_told_what_it_may_send() {
    run(async {
        let stage = Stage::shared().await;
        let request = stage.http.request(reqwest::Method::OPTIONS, stage.ingest("/v1/t"));
        let request = request
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-retry-count");
        let answer = stage.send(request).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
        let allowed = answer.headers["access-control-allow-headers"].to_str().unwrap();
        for header in ["authorization", "content-type", "x-retry-count", "x-write-key"] {
            assert!(allowed.contains(header), "{allowed}");
        }
    });
}

#[test]
fn a_client_that_asks_for_its_settings_is_sent_back_here() {
    run(async {
        let stage = Stage::shared().await;
        let answer = stage.send(stage.http.get(stage.ingest(&format!("/v1/projects/{WRITE_KEY}/settings")))).await;
        assert_eq!(answer.status, 200);
        let settings = &answer.body["integrations"]["Segment.io"];
        assert_eq!(settings["apiKey"], WRITE_KEY);
        assert!(settings["apiHost"].as_str().is_some_and(|host| host.ends_with("/v1")), "{settings}");
        assert_eq!(answer.body["metrics"]["sampleRate"], 0, "a shopper's browser reports to nobody else");
        // A client that is told otherwise by its shop reports here, without a key.
        let metrics = json!({"series": [{"type": "Counter", "metric": "analytics_js.invoke", "value": 1, "tags": {}}]});
        let request = stage.http.post(stage.ingest("/v1/m")).header(CONTENT_TYPE, "text/plain");
        assert_eq!(stage.send(request.body(metrics.to_string())).await.status, 200);
        let answer = stage.send(stage.http.get(stage.ingest("/v1/projects/of-nobody/settings"))).await;
        assert_refused("settings of nobody", &answer, 404, "project_unknown");
    });
}
