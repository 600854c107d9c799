//! The sender against a server that answers as told.

#![allow(clippy::unwrap_used)]

use kairos_cli::calls::{Call, Caller, Limits, pack};
use kairos_cli::sender::{Destination, SendError, Sent, send};
use kairos_cli::terminal::Progress;
use kairos_engine::time::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Reads one request: its head in lower case, and its body.
async fn request(stream: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        assert!(count > 0, "the client closed in the middle of a request");
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse::<usize>().unwrap();
        if body.len() == length {
            return (head, serde_json::from_str(body).unwrap());
        }
    }
}

/// Gives the answers one after the other, each on a connection of its own, and what was asked.
async fn serve(listener: TcpListener, answers: Vec<&'static str>) -> Vec<(String, Value)> {
    let mut requests = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().await.unwrap();
        requests.push(request(&mut stream).await);
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    requests
}

fn answer(head: &str, body: &str) -> &'static str {
    let length = body.len();
    format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").leak()
}

async fn sent_to(answers: Vec<&'static str>) -> (Result<Sent, SendError>, Vec<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let destination =
        Destination { url: format!("http://{}/", listener.local_addr().unwrap()), write_key: "key".into() };
    let context = json!({});
    let caller = Caller { user_id: Some("ann"), anonymous_id: None, context: &context };
    let call = |n: i64| Call::track(caller, format!("m{n}"), Timestamp::from_millis(n), "Seen", json!({}));
    let packed = pack(&[vec![call(1), call(2)]], Limits::API);
    let server = tokio::spawn(serve(listener, answers));
    let sent = send(&destination, &packed, &Progress::counted(2, "events")).await;
    (sent, server.await.unwrap())
}

#[tokio::test]
async fn a_request_is_tried_again_until_the_server_takes_it() {
    let (sent, requests) = sent_to(vec![
        answer("503 Service Unavailable\r\nRetry-After: 0", r#"{"code":"queue_unavailable","message":"Later."}"#),
        answer("429 Too Many Requests\r\nRetry-After: 0", ""),
        answer("200 OK", r#"{"success":true,"refused":[{"index":1,"code":"name_missing","message":"No name."}]}"#),
    ])
    .await;
    let sent = sent.unwrap();
    assert_eq!((sent.accepted, sent.requests, sent.retries), (1, 1, 2));
    assert_eq!(sent.refused.into_iter().collect::<Vec<_>>(), [("name_missing: No name.".to_owned(), 1)]);
    let ids =
        |body: &Value| body["batch"].as_array().unwrap().iter().map(|e| e["messageId"].clone()).collect::<Vec<_>>();
    for (head, body) in &requests {
        assert!(head.starts_with("post /v1/batch http/1.1"), "{head}");
        // The write key as the user of Basic authentication, without a password.
        assert!(head.contains("authorization: basic a2v5og=="), "{head}");
        assert_eq!(ids(body), ["m1", "m2"]);
        assert!(Timestamp::parse(body["sentAt"].as_str().unwrap()).is_some());
    }
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_tried_again_and_the_reason_is_shown() {
    let refusal =
        answer("401 Unauthorized", r#"{"code":"write_key_unknown","message":"No source has this write key."}"#);
    let (sent, requests) = sent_to(vec![refusal]).await;
    let said = sent.unwrap_err().to_string();
    assert!(said.contains("401 Unauthorized: No source has this write key."), "{said}");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_taken_for_success() {
    let (sent, _) = sent_to(vec![answer("302 Found\r\nLocation: http://127.0.0.1:9/", "")]).await;
    assert!(matches!(sent.unwrap_err(), SendError::Refused { .. }));
}
