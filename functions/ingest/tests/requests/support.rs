//! Requests as a Function URL hands them over, and what they are resolved to.

use std::io::Write;

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use kairos_engine::event::Event;
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::Source;
use kairos_engine::time::Timestamp;
use kairos_ingest::resolve::{Resolved, Submission, resolve};
use serde_json::Value;

pub(crate) const KEY: &str = "wk_web";
/// `Basic base64(wk_web:)`
pub(crate) const BASIC: &str = "Basic d2tfd2ViOg==";
pub(crate) const RECEIVED: &str = "2026-11-21T10:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(crate) fn sources() -> Vec<Source> {
    let source = |name: &str, key: &str| Source { name: name.into(), write_key: key.into() };
    vec![source("web", KEY), source("app", "wk_app")]
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> LambdaFunctionUrlRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut request = LambdaFunctionUrlRequest::default();
    request.raw_path = Some(path.into());
    request.raw_query_string = Some(query.into());
    request.request_context.http.method = Some(method.into());
    request.headers =
        headers.iter().map(|(name, value)| (name.to_lowercase().parse().unwrap(), value.parse().unwrap())).collect();
    request
}

pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &Value) -> LambdaFunctionUrlRequest {
    post_text(path, headers, body.to_string())
}

pub(crate) fn post_text(path: &str, headers: &[(&str, &str)], body: String) -> LambdaFunctionUrlRequest {
    let mut request = request("POST", path, headers);
    request.body = Some(body);
    request
}

pub(crate) fn post_bytes(path: &str, headers: &[(&str, &str)], body: &[u8]) -> LambdaFunctionUrlRequest {
    let mut request = request("POST", path, headers);
    request.body = Some(STANDARD.encode(body));
    request.is_base64_encoded = true;
    request
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn resolved(request: &LambdaFunctionUrlRequest) -> Resolved {
    resolve(request, Some(&sources()), at(RECEIVED))
}

/// What is submitted; an answer instead fails the test with its body.
pub(crate) fn submitted(request: &LambdaFunctionUrlRequest) -> Submission {
    match resolved(request) {
        Resolved::Submission(submission) => submission,
        Resolved::Answer { outcome, response } => panic!("answered {outcome}: {:?}", response.body),
    }
}

/// What is answered without taking anything.
pub(crate) fn answered(request: &LambdaFunctionUrlRequest) -> LambdaFunctionUrlResponse {
    match resolved(request) {
        Resolved::Answer { response, .. } => response,
        Resolved::Submission(submission) => panic!("submitted {} events", submission.accepted),
    }
}

pub(crate) fn json_of(response: &LambdaFunctionUrlResponse) -> Value {
    serde_json::from_str(response.body.as_deref().unwrap()).unwrap()
}

pub(crate) fn header<'a>(response: &'a LambdaFunctionUrlResponse, name: &str) -> &'a str {
    response.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// The events of messages, without the links.
pub(crate) fn events_of(messages: &[MailboxMessage]) -> Vec<&Event> {
    messages
        .iter()
        .flat_map(MailboxMessage::inputs)
        .filter_map(|input| match input {
            Input::Event { event, .. } => Some(event),
            _ => None,
        })
        .collect()
}
