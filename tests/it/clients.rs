//! What shops have installed already sends here unmodified, and what it sends arrives as it was sent.
//!
//! The clients are the published packages of tests/clients. Each makes the calls of calls.json; what `ingest` then has
//! put into the mailbox is compared field by field.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kairos_engine::event::{Event, EventKind};
use kairos_engine::identifiers::InputId;
use kairos_engine::mailbox::Input;
use kairos_engine::time::{Span, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::harness::playbook::{JITSU_KEY, JITSU_SOURCE, SOURCE, WRITE_KEY};
use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, root, run, tell};

/// A client that takes longer hangs.
const CLIENT_PATIENCE: Duration = Duration::from_secs(90);
/// How far a client's clock may seem off: its request is under way that long at most.
const UNDER_WAY: Span = Span::from_secs(30);

/// What a client says it sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    index: usize,
    message_id: Option<String>,
}

/// What is true of one client.
struct Client {
    /// `context.library.name`.
    library: &'static str,
    source: &'static str,
    /// Whether the client passes on a context and a time that the caller gives.
    takes_context: bool,
    takes_time: bool,
    /// Whether it puts more into pages than the caller said.
    adds_to_pages: bool,
}

const SERVER: Client =
    Client { library: "analytics-node", source: SOURCE, takes_context: true, takes_time: true, adds_to_pages: false };

pub(crate) fn clients() -> PathBuf {
    root().join("tests/clients")
}

fn calls() -> Vec<Value> {
    let text = std::fs::read_to_string(clients().join("calls.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn segments_client_for_node_is_understood() {
    run(async {
        let Some(node) = node() else { return };
        let stage = Stage::mailboxes().await;
        let (shopper, at) = (Shopper::new("segment-node"), an_hour_ago());
        let said = said(&node, &["segment", &options(stage, &shopper, at, WRITE_KEY, &json!({}))]).await;
        let client = Client { library: "@segment/analytics-node", ..SERVER };
        arrived_as_sent(stage, &client, &shopper, at, &said).await;
    });
}

#[test]
fn rudderstacks_client_for_node_is_understood() {
    run(async {
        let Some(node) = node() else { return };
        let stage = Stage::mailboxes().await;
        let (shopper, at) = (Shopper::new("rudderstack"), an_hour_ago());
        let said = said(&node, &["rudderstack", &options(stage, &shopper, at, WRITE_KEY, &json!({}))]).await;
        arrived_as_sent(stage, &SERVER, &shopper, at, &said).await;
    });
}

#[test]
fn jitsus_client_is_understood() {
    run(async {
        let Some(node) = node() else { return };
        let stage = Stage::mailboxes().await;
        let (shopper, at) = (Shopper::new("jitsu"), now());
        let said = said(&node, &["jitsu", &options(stage, &shopper, at, JITSU_KEY, &json!({}))]).await;
        let client = Client {
            library: "@jitsu/js",
            source: JITSU_SOURCE,
            takes_context: false,
            takes_time: false,
            adds_to_pages: true,
        };
        arrived_as_sent(stage, &client, &shopper, at, &said).await;
    });
}

#[test]
fn segments_client_for_python_is_understood() {
    run(async {
        let python = root().join(".local/clients/bin/python3");
        if !python.is_file() {
            return skipped(
                "Segment's client for Python",
                "it is not installed; `make test` installs it into .local/clients",
            );
        }
        let stage = Stage::mailboxes().await;
        for gzip in [false, true] {
            let (shopper, at) = (Shopper::new("segment-python"), an_hour_ago());
            let options = options(stage, &shopper, at, WRITE_KEY, &json!({"gzip": gzip}));
            let script = clients().join("python_client.py");
            let printed = output(Command::new(&python).arg(script).arg(options)).await;
            arrived_as_sent(stage, &Client { library: "analytics-python", ..SERVER }, &shopper, at, &lines(&printed))
                .await;
        }
    });
}

#[test]
fn segments_client_in_a_browser_is_understood() {
    in_a_browser("browser", false);
}

#[test]
fn segments_client_in_a_browser_is_understood_when_it_sends_batches() {
    in_a_browser("browser-batch", true);
}

/// A request that a page made.
#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    url: String,
    status: Option<u16>,
}

#[derive(Debug, Deserialize)]
struct Visit {
    sent: Vec<Said>,
    requests: Vec<Request>,
    said: Vec<String>,
}

fn in_a_browser(role: &str, batch: bool) {
    run(async {
        let Some(node) = node() else { return };
        let Some(chromium) = chromium() else { return };
        let stage = Stage::mailboxes().await;
        let (shopper, at) = (Shopper::new(role), an_hour_ago());
        let more = json!({"chromium": chromium, "batch": batch, "endpoint": stage.stack.ingest_browser_url});
        let options = options(stage, &shopper, at, WRITE_KEY, &more);
        let printed = output(Command::new(node).arg(clients().join("browser.mjs")).arg(options)).await;
        let visit: Visit = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
        for Request { method, url, status } in &visit.requests {
            let host = reqwest::Url::parse(url).unwrap().host_str().unwrap_or_default().to_owned();
            assert!(
                host == "127.0.0.1" || host.ends_with(".localhost"),
                "the page asked somebody else: {method} {url}"
            );
            assert!(status.is_some_and(|status| status < 300), "{method} {url}: {status:?}; console: {:?}", visit.said);
        }
        let made = |method: &str, path: &str| {
            visit.requests.iter().filter(|request| request.method == method && request.url.ends_with(path)).count()
        };
        assert_eq!(made("GET", "/settings"), 1);
        if batch {
            assert_eq!(made("POST", "/v1/b"), 1, "{:?}", visit.requests);
        } else {
            let single = ["t", "i", "p", "g"].map(|call| made("POST", &format!("/v1/{call}")));
            assert_eq!(single, [3, 1, 1, 1], "{:?}", visit.requests);
        }
        assert_eq!(visit.said, Vec::<String>::new(), "the console has nothing to say");
        let client = Client { library: "analytics.js", adds_to_pages: true, ..SERVER };
        arrived_as_sent(stage, &client, &shopper, at, &visit.sent).await;
    });
}

#[test]
fn kairos_js_tells_what_hands_and_eyes_do() {
    run(async {
        let Some(node) = node() else { return };
        let Some(chromium) = chromium() else { return };
        if !root().join("web/dist/kairos.min.js").is_file() {
            return skipped("kairos.js", "it is not built; `make web` builds it, given Node 20");
        }
        let stage = Stage::mailboxes().await;
        let (shopper, started) = (Shopper::new("kairos-js"), now());
        let more = json!({"chromium": chromium, "endpoint": stage.stack.ingest_browser_url});
        let options = options(stage, &shopper, started, WRITE_KEY, &more);
        let mut command = Command::new(node);
        command.arg(clients().join("kairos.mjs")).arg(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut browser = command.kill_on_drop(true).spawn().unwrap();
        let mut printed = BufReader::new(browser.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(CLIENT_PATIENCE, printed.next_line()).await.expect("the visit ends").unwrap();
        let Stay { events: sent, requests, said } = serde_json::from_str(&line.expect("the visit succeeds")).unwrap();
        assert_eq!(said, Vec::<String>::new(), "the console has nothing to say");
        for Request { method, url, status } in &requests {
            assert!(status.is_none_or(|status| status < 300), "{method} {url}: {status:?}");
            assert_ne!(method, "OPTIONS", "a browser need not ask before it sends");
        }
        let names: BTreeSet<&str> = sent.iter().map(|event| event["event"].as_str().unwrap_or("page")).collect();
        let expected = [
            "page",
            "Products Searched",
            "Element Clicked",
            "Element Hovered",
            "Element Dwelled",
            "Page Scrolled",
            "Form Started",
            "Form Progressed",
            "Form Abandoned",
            "Exit Intended",
            "Segment Consent Preference Updated",
        ];
        assert_eq!(names, BTreeSet::from(expected));
        let arrived = eventually(format!("{} events in the mailbox", sent.len()), PATIENCE, async || {
            let events = events_of(stage, &shopper).await;
            if events.len() == sent.len() { Ok(events) } else { Err(format!("{} events", events.len())) }
        })
        .await;
        for call in &sent {
            let id = InputId::of_message(SOURCE, call["messageId"].as_str().unwrap());
            let event = arrived.iter().find(|event| event.id == id).unwrap_or_else(|| panic!("{call} has not arrived"));
            assert_eq!(Value::Object(event.context.clone()), call["context"]);
            assert_eq!(event.anonymous_id.as_deref(), Some(shopper.anonymous_id.as_str()));
            assert!(started <= event.at && event.at <= now(), "{call} at {}", event.at);
            let (EventKind::Track { properties, .. } | EventKind::Page { properties, .. }) = &event.kind else {
                panic!("{call} arrived as {:?}", event.kind)
            };
            assert_eq!(Value::Object(properties.clone()), call["properties"]);
        }
        drop(browser.stdin.take());
        assert!(tokio::time::timeout(CLIENT_PATIENCE, browser.wait()).await.expect("it ends").unwrap().success());
    });
}

/// What a stay on a page came to.
#[derive(Debug, Deserialize)]
struct Stay {
    events: Vec<Value>,
    requests: Vec<Request>,
    said: Vec<String>,
}

fn an_hour_ago() -> Timestamp {
    now().minus(Span::from_hours(1))
}

fn options(stage: &Stage, shopper: &Shopper, at: Timestamp, write_key: &str, more: &Value) -> String {
    let mut options = json!({
        "endpoint": stage.stack.ingest_url,
        "writeKey": write_key,
        "userId": shopper.user_id,
        "at": at.to_string(),
        "calls": calls(),
    });
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    options.to_string()
}

/// Waits until everything that a client says it sent is in the shopper's mailbox, and compares it.
async fn arrived_as_sent(stage: &Stage, client: &Client, shopper: &Shopper, at: Timestamp, said: &[Said]) {
    let calls = calls();
    assert_eq!(said.len(), calls.len(), "the client says of every call that it sent it: {said:?}");
    let events = eventually(format!("{} events in the mailbox", calls.len()), PATIENCE, async || {
        let events = events_of(stage, shopper).await;
        if events.len() == calls.len() { Ok(events) } else { Err(format!("{events:#?}")) }
    })
    .await;
    for Said { index, message_id } in said {
        let call = &calls[*index];
        let message_id = message_id.as_deref().unwrap_or_else(|| panic!("no message id for {call}"));
        let id = InputId::of_message(client.source, message_id);
        let event =
            events.iter().find(|event| event.id == id).unwrap_or_else(|| panic!("{call} is not in {events:#?}"));
        assert_eq!(event.user_id.as_deref(), Some(shopper.user_id.as_str()));
        assert_eq!(event.source, client.source);
        let latest = if client.takes_time { at.plus(UNDER_WAY) } else { now() };
        assert!(at <= event.at && event.at <= latest, "{call} at {}, sent with {at}", event.at);
        assert_eq!(event.context["library"]["name"], client.library);
        if client.takes_context {
            assert!(event.context["app"]["name"].is_string(), "{:?}", event.context);
        }
        assert_same(client, call, event);
    }
}

fn assert_same(client: &Client, call: &Value, event: &Event) {
    let object = |name: &str| call[name].as_object().cloned().unwrap_or_default();
    match (call["type"].as_str().unwrap(), &event.kind) {
        ("identify", EventKind::Identify { traits }) => assert_eq!(*traits, object("traits")),
        ("track", EventKind::Track { event, properties }) => {
            assert_eq!(event.as_str(), call["event"]);
            assert_eq!(*properties, object("properties"));
        }
        ("page", EventKind::Page { name, properties }) => {
            // Jitsu has the name among the properties.
            let name = name.as_deref().or_else(|| properties.get("name")?.as_str());
            assert_eq!(name, call["name"].as_str());
            let kept = |name: &String| !client.adds_to_pages || object("properties").contains_key(name);
            let properties: Map<_, _> = properties.clone().into_iter().filter(|(name, _)| kept(name)).collect();
            assert_eq!(properties, object("properties"));
        }
        ("group", EventKind::Group { group_id, traits }) => {
            assert_eq!(*group_id, call["groupId"]);
            assert_eq!(*traits, object("traits"));
        }
        (_, other) => panic!("{call} arrived as {other:?}"),
    }
}

async fn events_of(stage: &Stage, shopper: &Shopper) -> Vec<Event> {
    let messages = stage.mailbox_messages().await;
    let inputs = messages.iter().filter(|message| message.user() == shopper.key()).flat_map(|message| message.inputs());
    inputs.filter_map(|input| if let Input::Event { event, .. } = input { Some(event.clone()) } else { None }).collect()
}

/// Node with the clients' packages, or says why they are not tried.
pub(crate) fn node() -> Option<PathBuf> {
    if !clients().join("node_modules").is_dir() {
        skipped(
            "the clients for Node and browsers",
            "they are not installed; `make test` installs them, given Node 20",
        );
        return None;
    }
    Some("node".into())
}

/// A Chromium, or says why there is none.
pub(crate) fn chromium() -> Option<PathBuf> {
    let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from);
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        skipped("the client in a browser", "there is no Chromium; install Debian's package `chromium`");
    }
    found
}

/// Says what was not tried and why; where CI runs, everything must be tried.
pub(crate) fn skipped(what: &str, why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} must be tried where CI=true: {why}");
    tell(format!("skipped: {what}: {why}"));
}

async fn said(node: &Path, arguments: &[&str]) -> Vec<Said> {
    lines(&output(Command::new(node).arg(clients().join("node.mjs")).args(arguments)).await)
}

fn lines(printed: &str) -> Vec<Said> {
    printed.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) async fn output(command: &mut Command) -> String {
    let running =
        command.stdin(Stdio::null()).env_remove("HTTP_PROXY").env_remove("http_proxy").kill_on_drop(true).output();
    let output = tokio::time::timeout(CLIENT_PATIENCE, running).await.expect("the client ends").expect("it starts");
    let (printed, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the client failed: {printed}{complained}");
    printed.into_owned()
}
