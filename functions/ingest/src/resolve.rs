//! Decides what a request comes to. No clock, no network, no counters: a request, the sources and the
//! time of its receipt in, an answer or a submission out.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use base64::Engine as _;
use kairos_engine::bounds::{BATCH_EVENTS_MAX, REFUSAL_EXCERPT_BYTES_MAX};
use kairos_engine::mailbox::MailboxMessage;
use kairos_engine::playbook::Source;
use kairos_engine::product::shortened;
use kairos_engine::segment_spec::{Call, Facts, Refusal, decode_text};
use kairos_engine::time::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::answer::Answers;
use crate::body::{BASE64, text_of};
use crate::packing::Packing;
use crate::refusal::RequestRefusal;
use crate::route::{Route, is_pixel, route};
use crate::write_key;

/// What a request comes to.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// There is nothing to take.
    Answer {
        /// What became of the request, for counting.
        outcome: &'static str,
        /// The answer.
        response: LambdaFunctionUrlResponse,
    },
    /// Events to put into mailboxes before it is answered.
    Submission(Submission),
}

/// The events of one request.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The name of the source.
    pub source: String,
    /// What goes into the mailboxes.
    pub messages: Vec<MailboxMessage>,
    /// How many events they carry.
    pub accepted: usize,
    /// How many inputs came twice in this request.
    pub duplicates: usize,
    /// The events that are not taken.
    pub refused: Vec<RefusedEvent>,
    /// Writes the answer once the queue has everything.
    pub answers: Answers,
}

/// An event that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEvent {
    /// Its place in the request, from zero.
    pub index: usize,
    /// Why.
    pub refusal: Refusal,
    /// The beginning of its text, for a person to look at.
    pub excerpt: String,
}

/// Whether the sources are needed to answer this request.
pub fn needs_sources(request: &LambdaFunctionUrlRequest) -> bool {
    route(method(request), path(request)).is_ok_and(|route| route.needs_sources())
}

/// The request is refused, whatever is in it.
pub fn refused(request: &LambdaFunctionUrlRequest, refusal: &RequestRefusal) -> Resolved {
    let answers = Answers::new(&request.headers, is_pixel(path(request)));
    Resolved::Answer { outcome: refusal.code(), response: answers.refused(refusal) }
}

/// Decides what a request comes to. `sources` is `None` when no playbook could be loaded.
pub fn resolve(request: &LambdaFunctionUrlRequest, sources: Option<&[Source]>, received_at: Timestamp) -> Resolved {
    let answers = Answers::new(&request.headers, is_pixel(path(request)));
    let answer = |outcome, body| Resolved::Answer { outcome, response: answers.json(200, &body) };
    let refuse = |refusal: RequestRefusal| refused(request, &refusal);
    let submit = |taken: Taken<'_>| {
        Resolved::Submission(Submission {
            source: taken.source.to_owned(),
            accepted: taken.accepted,
            duplicates: taken.packing.duplicates(),
            messages: taken.packing.into_messages(),
            refused: taken.refused,
            answers: answers.clone(),
        })
    };
    let route = match route(method(request), path(request)) {
        Ok(route) => route,
        Err(refusal) => return refuse(refusal),
    };
    let taken = match (route, sources) {
        (Route::Preflight, _) => return Resolved::Answer { outcome: "preflights", response: answers.preflight() },
        (Route::Metrics, _) => return answer("client_metrics", json!({ "success": true })),
        (_, None) => Err(RequestRefusal::PlaybookUnavailable),
        (Route::Health, Some(_)) => return answer("health_checks", json!({ "status": "ok" })),
        (Route::Settings { write_key }, Some(sources)) => match write_key::source_of(sources, write_key) {
            Some(source) => return answer("settings", settings(request, source)),
            None => Err(RequestRefusal::ProjectUnknown),
        },
        (Route::Batch { historical }, Some(sources)) => batch(request, sources, received_at, historical),
        (Route::Event(call), Some(sources)) => event(request, sources, received_at, call),
        (Route::Pixel(call), Some(sources)) => pixel(request, sources, received_at, call),
    };
    taken.map_or_else(refuse, submit)
}

/// The outer object of a body, as far as it matters here. A single event has no `batch`.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    batch: Option<&'a RawValue>,
    #[serde(borrow, rename = "sentAt")]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow, rename = "writeKey")]
    write_key: Option<&'a RawValue>,
}

fn batch<'s>(
    request: &LambdaFunctionUrlRequest,
    sources: &'s [Source],
    received_at: Timestamp,
    historical: bool,
) -> Result<Taken<'s>, RequestRefusal> {
    let source = early_source(request, sources)?;
    let text = text_of(request.body.as_deref(), request.is_base64_encoded)?;
    let envelope = envelope_of(&text)?;
    let source = source_of(request, sources, source, envelope.write_key)?;
    let events: Vec<&RawValue> =
        envelope.batch.and_then(|batch| serde_json::from_str(batch.get()).ok()).ok_or(RequestRefusal::BatchMissing)?;
    if events.len() > BATCH_EVENTS_MAX {
        return Err(RequestRefusal::BatchTooLong(events.len()));
    }
    // It only corrects clocks: one that cannot be read is as good as none.
    let sent_at = text_in(envelope.sent_at).and_then(|text| Timestamp::parse(&text));
    let facts = Facts { source: &source.name, received_at, sent_at, call: None, index: 0, historical };
    let mut taken = Taken::new(source);
    for (index, event) in events.iter().enumerate() {
        taken.add(event.get(), &Facts { index, ..facts });
    }
    Ok(taken)
}

fn event<'s>(
    request: &LambdaFunctionUrlRequest,
    sources: &'s [Source],
    received_at: Timestamp,
    call: Option<Call>,
) -> Result<Taken<'s>, RequestRefusal> {
    let source = early_source(request, sources)?;
    let text = text_of(request.body.as_deref(), request.is_base64_encoded)?;
    let source = source_of(request, sources, source, envelope_of(&text)?.write_key)?;
    Ok(Taken::of_one(source, text.trim(), received_at, call))
}

fn pixel<'s>(
    request: &LambdaFunctionUrlRequest,
    sources: &'s [Source],
    received_at: Timestamp,
    call: Option<Call>,
) -> Result<Taken<'s>, RequestRefusal> {
    let source = early_source(request, sources)?;
    let data = query(request, &["data"]).ok_or(RequestRefusal::PixelDataMissing)?;
    // Base64 in a query comes in either alphabet, and a plus may have become a space.
    let data: String = data
        .chars()
        .map(|character| match character {
            '-' | ' ' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let bytes = BASE64.decode(data).map_err(|_| RequestRefusal::PixelDataInvalid)?;
    let text = String::from_utf8(bytes).map_err(|_| RequestRefusal::PixelDataInvalid)?;
    let envelope = envelope_of(&text).map_err(|_| RequestRefusal::PixelDataInvalid)?;
    let source = source_of(request, sources, source, envelope.write_key)?;
    Ok(Taken::of_one(source, text.trim(), received_at, call))
}

/// What is taken of a request, event by event.
struct Taken<'s> {
    source: &'s str,
    packing: Packing,
    accepted: usize,
    refused: Vec<RefusedEvent>,
}

impl<'s> Taken<'s> {
    fn new(source: &'s Source) -> Self {
        Self { source: &source.name, packing: Packing::default(), accepted: 0, refused: Vec::new() }
    }

    fn of_one(source: &'s Source, text: &str, received_at: Timestamp, call: Option<Call>) -> Self {
        let mut taken = Self::new(source);
        taken.add(text, &Facts { source: &source.name, received_at, sent_at: None, call, index: 0, historical: false });
        taken
    }

    fn add(&mut self, text: &str, facts: &Facts<'_>) {
        match decode_text(text, facts).and_then(|decoded| self.packing.add(decoded)) {
            Ok(()) => self.accepted += 1,
            Err(refusal) => self.refused.push(RefusedEvent {
                index: facts.index,
                refusal,
                excerpt: shortened(text, REFUSAL_EXCERPT_BYTES_MAX).to_owned(),
            }),
        }
    }
}

/// Reads the outer object of a body. What is inside of events is only skimmed, without recursion, so
/// no depth is too deep for it and what is wrong inside stays the event's own affair.
fn envelope_of(text: &str) -> Result<Envelope<'_>, RequestRefusal> {
    let broken = |error: serde_json::Error| RequestRefusal::BodyNotJson(error.to_string());
    if !text.trim_start().starts_with('{') {
        let _: &RawValue = serde_json::from_str(text).map_err(broken)?;
        return Err(RequestRefusal::BodyNotObject);
    }
    serde_json::from_str(text).map_err(broken)
}

/// The source that the headers name, before anything is unpacked: who has a wrong key costs nothing.
fn early_source<'s>(
    request: &LambdaFunctionUrlRequest,
    sources: &'s [Source],
) -> Result<Option<&'s Source>, RequestRefusal> {
    match write_key::of_headers(&request.headers) {
        Some(credential) => credential.source(sources).map(Some).ok_or(RequestRefusal::WriteKeyUnknown),
        None => Ok(None),
    }
}

fn source_of<'s>(
    request: &LambdaFunctionUrlRequest,
    sources: &'s [Source],
    early: Option<&'s Source>,
    in_body: Option<&RawValue>,
) -> Result<&'s Source, RequestRefusal> {
    if let Some(source) = early {
        return Ok(source);
    }
    let key = text_in(in_body)
        .and_then(|text| write_key::of_text(&text))
        .or_else(|| write_key::of_text(&query(request, &["writeKey", "write_key"])?))
        .ok_or(RequestRefusal::WriteKeyMissing)?;
    write_key::source_of(sources, &key).ok_or(RequestRefusal::WriteKeyUnknown)
}

fn text_in(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// The first of these parameters that the query has, decoded.
fn query(request: &LambdaFunctionUrlRequest, names: &[&str]) -> Option<String> {
    let pairs = request.raw_query_string.as_deref().unwrap_or_default();
    pairs.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        names.contains(&name).then(|| {
            let spaced = value.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        })
    })
}

/// What Segment's browser and mobile clients ask for before they send: where to, with which key.
fn settings(request: &LambdaFunctionUrlRequest, source: &Source) -> serde_json::Value {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let plain = |host: &&str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    let host = header("host").filter(plain).or(request.request_context.domain_name.as_deref()).unwrap_or_default();
    let name = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or_default() };
    let local = name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name.starts_with("[::1]");
    let protocol = if local { "http" } else { "https" };
    json!({
        "integrations": {
            "Segment.io": { "apiKey": source.write_key, "apiHost": format!("{host}/v1"), "protocol": protocol },
        },
        // Without this, analytics.js reports about itself to Segment, from every shopper's browser.
        "metrics": { "sampleRate": 0 },
    })
}

fn method(request: &LambdaFunctionUrlRequest) -> &str {
    request.request_context.http.method.as_deref().unwrap_or_default()
}

fn path(request: &LambdaFunctionUrlRequest) -> &str {
    request.raw_path.as_deref().unwrap_or("/")
}
