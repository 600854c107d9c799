//! Sends events over HTTP as a server-side client does: `/v1/batch`, the write key as the user of
//! Basic authentication, a few requests at once, again when the server says "later".

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use kairos_cloud::clock::SystemClock;
use kairos_protocol::port::Clock;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::calls::Batch;
use crate::terminal::Progress;

/// Requests under way at once.
const IN_FLIGHT: usize = 4;
/// How often one request is tried.
const TRIES_MAX: u32 = 8;
/// The first pause between two tries; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, also when the server asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take: longer than the function may run.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Where events go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The address of `ingest`, with or without a slash at the end.
    pub url: String,
    /// The write key of the source they come from.
    pub write_key: String,
}

/// Why events could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be started: {0}")]
    Client(reqwest::Error),
    /// The server refused a whole request; sending it again would not help.
    #[error("{url} refused a request with {status}: {answer}")]
    Refused {
        /// Where.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// What it said.
        answer: String,
    },
    /// The server could not be reached, or said "later" too often.
    #[error(
        "{url} did not take a request in {TRIES_MAX} tries: {why}. Run the same command again: nothing counts twice"
    )]
    GaveUp {
        /// Where.
        url: String,
        /// What happened the last time.
        why: String,
    },
}

/// What became of events that were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many were accepted.
    pub accepted: usize,
    /// How many were refused, by the reason the server gave.
    pub refused: BTreeMap<String, usize>,
    /// Requests that were answered.
    pub requests: usize,
    /// Requests that had to be tried again.
    pub retries: usize,
}

impl Sent {
    fn add(mut self, other: Self) -> Self {
        self.accepted += other.accepted;
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
        self.requests += other.requests;
        self.retries += other.retries;
        self
    }
}

/// The client for Kairos' own addresses. TLS comes from rustls with ring, as everywhere in the project.
///
/// # Errors
/// When it cannot be made.
pub fn http_client() -> Result<Client, SendError> {
    // Whoever was first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Several clients take a redirect for success; the server never redirects, so one is an error.
    let builder = Client::builder().timeout(ANSWER_TIMEOUT).redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(SendError::Client)
}

/// Sends all requests: those of one list in their order, lists side by side.
///
/// # Errors
/// When a request is refused or not taken in the end; what was sent before stays sent.
pub async fn send(destination: &Destination, packed: &[Vec<Batch>], progress: &Progress) -> Result<Sent, SendError> {
    let client = http_client()?;
    let url = format!("{}/v1/batch", destination.url.trim_end_matches('/'));
    let endpoint = Endpoint { client, url, write_key: &destination.write_key };
    stream::iter(packed.iter().map(|lane| endpoint.send_lane(lane, progress)))
        .buffer_unordered(IN_FLIGHT)
        .try_fold(Sent::default(), async |sum, sent| Ok(sum.add(sent)))
        .await
}

struct Endpoint<'a> {
    client: Client,
    url: String,
    write_key: &'a str,
}

impl Endpoint<'_> {
    async fn send_lane(&self, lane: &[Batch], progress: &Progress) -> Result<Sent, SendError> {
        let mut sum = Sent::default();
        for batch in lane {
            sum = sum.add(self.send_batch(batch).await?);
            progress.advance(batch.events());
        }
        Ok(sum)
    }

    async fn send_batch(&self, batch: &Batch) -> Result<Sent, SendError> {
        let mut pause = FIRST_PAUSE;
        let mut why = String::new();
        for attempt in 0..TRIES_MAX {
            let (problem, wanted_pause) = match self.post(batch).await {
                Ok(response) if response.status().is_success() => match response.text().await {
                    Ok(answer) => return Ok(Sent { retries: attempt as usize, ..accounted(batch.events(), &answer) }),
                    Err(error) => (with_causes(&error), None),
                },
                Ok(response) if !is_later(response.status()) => {
                    let status = response.status();
                    let answer = said(&response.text().await.unwrap_or_default());
                    return Err(SendError::Refused { url: self.url.clone(), status, answer });
                }
                Ok(response) => {
                    let (status, wanted) = (response.status(), retry_after(&response));
                    (format!("{status}: {}", said(&response.text().await.unwrap_or_default())), wanted)
                }
                Err(error) => (with_causes(&error), None),
            };
            why = problem;
            if attempt + 1 < TRIES_MAX {
                tokio::time::sleep(wanted_pause.unwrap_or(pause).min(PAUSE_MAX)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        Err(SendError::GaveUp { url: self.url.clone(), why })
    }

    async fn post(&self, batch: &Batch) -> Result<Response, reqwest::Error> {
        self.client
            .post(&self.url)
            .basic_auth(self.write_key, Some(""))
            .header("Content-Type", "application/json")
            .body(batch.body(SystemClock.now()))
            .send()
            .await
    }
}

fn is_later(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// The pause that the server asks for, in seconds (RFC 9110; a date is not used by `ingest`).
fn retry_after(response: &Response) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// What the answer says about single events: `{"success":true,"refused":[{"index","code","message"}]}`.
fn accounted(events: usize, answer: &str) -> Sent {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let refused = answer["refused"].as_array().cloned().unwrap_or_default();
    let mut sent = Sent { accepted: events.saturating_sub(refused.len()), requests: 1, ..Sent::default() };
    for one in &refused {
        let text = |field: &str| one[field].as_str().unwrap_or("unknown").to_owned();
        *sent.refused.entry(format!("{}: {}", text("code"), text("message"))).or_default() += 1;
    }
    sent
}

/// The server's words: the message of its JSON, or the text itself.
fn said(answer: &str) -> String {
    let message =
        serde_json::from_str::<Value>(answer).ok().and_then(|json| Some(json["message"].as_str()?.to_owned()));
    match message {
        Some(message) => message,
        None if answer.trim().is_empty() => "no explanation".into(),
        None => crate::terminal::shortened(answer.trim(), 300),
    }
}

/// An error with what caused it, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(&format!(": {deeper}"));
        cause = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_events_are_counted_by_reason_and_the_others_accepted() {
        let answer = r#"{"success":true,"refused":[
            {"index":1,"code":"user_missing","message":"Nobody."},{"index":4,"code":"user_missing","message":"Nobody."}]}"#;
        let sent = accounted(10, answer);
        assert_eq!(sent.accepted, 8);
        assert_eq!(sent.refused, BTreeMap::from([("user_missing: Nobody.".to_owned(), 2)]));
        assert_eq!(accounted(3, r#"{"success":true}"#).accepted, 3);
    }

    #[test]
    fn the_servers_own_words_are_shown() {
        assert_eq!(said(r#"{"code":"write_key_unknown","message":"No source."}"#), "No source.");
        assert_eq!(said("<html>"), "<html>");
        assert_eq!(said(" "), "no explanation");
    }

    #[test]
    fn only_what_may_help_is_tried_again() {
        for (status, later) in [(500, true), (503, true), (429, true), (400, false), (401, false), (413, false)] {
            assert_eq!(is_later(StatusCode::from_u16(status).unwrap()), later, "{status}");
        }
    }
}
