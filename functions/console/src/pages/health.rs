//! The stack's health: queues and dead letters, alarms, functions, what was counted, what it costs, what was refused.
//!
//! What cannot be measured is said to be unknown, never zero.

use askama::Template;
use futures_util::future::join_all;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::dead_letters::{DeadLetter, WatchedQueue};
use kairos_engine::bounds::{ALARM_SHARDS, REDRIVE_MAX, REFUSALS_SHOWN_MAX};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::alarms::AlarmIndex;
use kairos_protocol::port::Fault;

use crate::console::{Console, clock_of};
use crate::format::{self, ShopClock};
use crate::page::{Page, Rendered, Reply, Section};
use crate::problem::Problem;
use crate::request::{Method, PageRequest, encoded};
use crate::tables::{Cell, Table};

mod costs;
mod measured;

use measured::{Measured, Window};

/// What comes of a request below `/system`.
///
/// # Errors
/// When there is no such page or queue, or it cannot be made.
pub(crate) async fn reply(
    console: &Console,
    request: &PageRequest,
    method: Method,
    path: &[&str],
) -> Result<Reply, Problem> {
    match (method, path) {
        (Method::Get, []) => Ok(Reply::Page(health(console, request).await?)),
        (Method::Get, ["refusals"]) => Ok(Reply::Page(refusals(console, request).await?)),
        (Method::Get, ["dead-letters", queue]) => {
            Ok(Reply::Page(dead_letters(console, request, known(console, queue)?).await?))
        }
        (Method::Post, ["dead-letters", queue, "redrive"]) => redrive(console, request, known(console, queue)?).await,
        (Method::Post, _) => Err(Problem::MethodNotAllowed),
        _ => Err(Problem::no_such_page()),
    }
}

fn known<'c>(console: &'c Console, queue: &str) -> Result<&'c WatchedQueue, Problem> {
    console.system.queue(queue).ok_or_else(|| {
        let names: Vec<&str> = console.system.queues.iter().map(|queue| queue.name).collect();
        Problem::NotFound(format!("There is no such queue. There are: {}.", names.join(", ")))
    })
}

/// A figure, and whether it is as it should be.
struct Tile {
    what: &'static str,
    value: String,
    beside: String,
    kind: &'static str,
}

#[derive(Template)]
#[template(path = "health.html")]
struct Health<'a> {
    windows: Vec<(&'static str, &'static str, String, bool)>,
    tiles: Vec<Tile>,
    queues: Rendered,
    functions: Rendered,
    counters: Rendered,
    costs: Rendered,
    formula: &'a str,
    unmeasured: Option<String>,
    refresh: String,
    at: String,
}

async fn health(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let clock = clock_of(&*console.playbooks.in_force().await?);
    let now = request.now;
    let window = Window::of(request)?;
    let (depths, lateness, newest, measured) = futures_util::join!(
        join_all(console.system.queues.iter().map(WatchedQueue::depths)),
        oldest_alarm(console, now),
        console.records.archive.newest(),
        Measured::read(&console.system, window, now),
    );
    let (measured, unmeasured) = match measured {
        Ok(measured) => (measured, None),
        Err(fault) => {
            tracing::warn!(error = %fault, "CloudWatch could not be asked");
            (
                Measured::default(),
                Some("CloudWatch could not be asked just now; what it measures is missing here.".to_owned()),
            )
        }
    };

    let mut queues = Table::new(
        "queues",
        "Queues",
        vec![
            ("queue", "Queue"),
            ("waiting", "Waiting"),
            ("in_flight", "Being worked on"),
            ("delayed", "Delayed"),
            ("oldest", "Oldest waits"),
            ("dead", "Dead letters"),
        ],
    )
    .with_note("SQS counts loosely, and tells the age of the oldest message a minute or two late.");
    let mut dead = Some(0);
    for (queue, depths) in console.system.queues.iter().zip(depths) {
        let oldest = measured.oldest_message(queue).map(|seconds| Span::from_millis((seconds * 1e3) as i64));
        let Ok((depth, letters)) = depths else {
            dead = None;
            queues.rows.push(vec![
                Cell::text(queue.name),
                Cell::Nothing,
                Cell::Nothing,
                Cell::Nothing,
                Cell::Nothing,
                Cell::Nothing,
            ]);
            continue;
        };
        dead = dead.map(|dead| dead + letters.total());
        queues.rows.push(vec![
            Cell::text(queue.name),
            Cell::Count(depth.waiting),
            Cell::Count(depth.in_flight),
            Cell::Count(depth.delayed),
            Cell::Span(oldest),
            match letters.total() {
                0 => Cell::text("none"),
                count => Cell::link(
                    format::counted(count, "letter", "letters"),
                    format!("/system/dead-letters/{}", encoded(queue.name)),
                ),
            },
        ]);
    }
    let functions = measured.functions_table();
    let counters = measured.counters_table();
    let costs = measured.costs_table();
    let content = Health {
        windows: Window::ALL
            .into_iter()
            .map(|one| (one.name(), one.title(), request.address_with("window", Some(one.name())), one == window))
            .collect(),
        tiles: tiles(dead, &lateness, &newest, &measured, now),
        queues: queues.html(request, &clock),
        functions: functions.html(request, &clock),
        counters: counters.html(request, &clock),
        costs: costs.html(request, &clock),
        formula: costs::FORMULA,
        unmeasured,
        refresh: request.address(),
        at: clock.time_of_day(now),
    };
    Ok(Page::of("Health", Section::Health, &content).with_tables(vec![queues, functions, counters, costs]))
}

/// How long the oldest alarm that is due waits for its user to be woken; nothing when none is due.
async fn oldest_alarm(console: &Console, now: Timestamp) -> Result<Option<Span>, Fault> {
    let shards = (0..ALARM_SHARDS).map(|shard| console.records.users.due(shard, now, 1));
    let mut oldest = None;
    for due in join_all(shards).await {
        for (_, due_at) in due? {
            oldest = oldest.max(Some(now.since(due_at)));
        }
    }
    Ok(oldest)
}

/// Late is what waits longer than a sweep's period.
const LATE: Span = Span::from_secs(60);
/// The archive is at most a minute behind.
const BEHIND: Span = Span::from_secs(120);

fn tiles(
    dead: Option<u64>,
    lateness: &Result<Option<Span>, Fault>,
    newest: &Result<Option<(String, i64)>, Fault>,
    measured: &Measured,
    now: Timestamp,
) -> Vec<Tile> {
    let unknown = || (format::NOTHING.to_owned(), "could not be read just now".to_owned(), "warn");
    let tile = |what, (value, beside, kind): (String, String, &'static str)| Tile { what, value, beside, kind };
    let late = match lateness {
        Ok(None) => ("none".to_owned(), "no alarm is due".to_owned(), "good"),
        Ok(Some(span)) => {
            let kind = if *span > LATE { "bad" } else { "good" };
            (format::span(*span), "the oldest that is due".to_owned(), kind)
        }
        Err(_) => unknown(),
    };
    let archived = match newest {
        Ok(None) => (format::NOTHING.to_owned(), "nothing archived yet".to_owned(), "plain"),
        Ok(Some((_, written_at))) => {
            let ago = now.since(Timestamp::from_millis(written_at.saturating_mul(1_000)));
            (format::span(ago), "since the newest file: as long as nothing happens".to_owned(), "plain")
        }
        Err(_) => unknown(),
    };
    let lag = measured.archive_lag();
    vec![
        tile(
            "Dead letters",
            match dead {
                Some(0) => ("0".to_owned(), "nothing to look at".to_owned(), "good"),
                Some(count) => (format::count(count), "somebody has to look".to_owned(), "bad"),
                None => unknown(),
            },
        ),
        tile("Alarms late by", late),
        tile(
            "Archive behind by",
            match lag {
                Some(span) => {
                    let kind = if span > BEHIND { "bad" } else { "good" };
                    (format::span(span), "at most, in the time chosen".to_owned(), kind)
                }
                None => archived,
            },
        ),
        tile(
            "Errors of functions",
            match measured.errors() {
                Some(0) => ("0".to_owned(), String::new(), "good"),
                Some(count) => (format::count(count), "in the time chosen".to_owned(), "bad"),
                None => (format::NOTHING.to_owned(), "not measured".to_owned(), "plain"),
            },
        ),
        tile(
            "Throttles",
            match measured.throttles() {
                Some(0) => ("0".to_owned(), String::new(), "good"),
                Some(count) => (format::count(count), "in the time chosen".to_owned(), "bad"),
                None => (format::NOTHING.to_owned(), "not measured".to_owned(), "plain"),
            },
        ),
        tile(
            "A million events cost",
            match measured.per_million() {
                Some(dollars) => (format!("${dollars:.2}"), "about, at AWS' list prices".to_owned(), "plain"),
                None => (format::NOTHING.to_owned(), "not enough is measured".to_owned(), "plain"),
            },
        ),
    ]
}

/// A dead letter as it stands in the page.
struct Letter {
    id: String,
    sent: String,
    group: Option<String>,
    body: String,
    is_cut: bool,
}

impl Letter {
    fn of(letter: DeadLetter, clock: &ShopClock) -> Self {
        let pretty = serde_json::from_str::<serde_json::Value>(&letter.body);
        let pretty = pretty.and_then(|value| serde_json::to_string_pretty(&value));
        Self {
            id: letter.id,
            sent: letter.sent_at.map_or_else(|| format::NOTHING.to_owned(), |at| clock.time(at)),
            group: letter.group,
            body: pretty.unwrap_or(letter.body),
            is_cut: letter.is_cut,
        }
    }
}

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct Letters<'a> {
    csrf: &'a str,
    queue: &'static str,
    waiting: u64,
    dead: u64,
    most: usize,
    said: Option<String>,
    stopped: bool,
    letters: Vec<Letter>,
}

async fn dead_letters(console: &Console, request: &PageRequest, queue: &WatchedQueue) -> Result<Page, Problem> {
    let clock = clock_of(&*console.playbooks.in_force().await?);
    let (depth, dead) = queue.depths().await?;
    let letters = queue.look().await?;
    let moved = request.query.get("moved").and_then(|count| count.parse::<u64>().ok());
    let stopped = request.query.get("stopped").is_some();
    let content = Letters {
        csrf: &request.session.csrf,
        queue: queue.name,
        waiting: depth.total(),
        dead: dead.total().max(letters.len() as u64),
        most: REDRIVE_MAX,
        said: moved.map(|count| format!("{} put back.", format::counted(count, "letter was", "letters were"))),
        stopped,
        letters: letters.into_iter().map(|letter| Letter::of(letter, &clock)).collect(),
    };
    Ok(Page::of(format!("Dead letters of {}", queue.name), Section::Health, &content))
}

async fn redrive(console: &Console, request: &PageRequest, queue: &WatchedQueue) -> Result<Reply, Problem> {
    console.changed(request, "redrive", queue.name).await?;
    let redriven = queue.redrive(&SystemClock).await?;
    if let Some(why) = &redriven.stopped {
        tracing::warn!(queue = queue.name, moved = redriven.moved, %why, "not all dead letters were put back");
    }
    let stopped = if redriven.stopped.is_some() { "&stopped=yes" } else { "" };
    Ok(Reply::Done(format!("/system/dead-letters/{}?moved={}{stopped}", encoded(queue.name), redriven.moved)))
}

#[derive(Template)]
#[template(path = "refusals.html")]
struct Refused {
    sources: Vec<(String, bool)>,
    table: Rendered,
}

async fn refusals(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let playbook = console.playbooks.in_force().await?;
    let clock = clock_of(&playbook);
    let names: Vec<&str> = playbook.sources.iter().map(|source| source.name.as_str()).collect();
    let wanted = request.query.get("source").or(names.first().copied()).unwrap_or_default();
    let columns = vec![("at", "When"), ("code", "Code"), ("message", "What was wrong"), ("excerpt", "How it began")];
    let mut table = Table::new("refusals", "Refused events", columns)
        .with_note("The newest first. Their sender was told the same; nothing of them was taken.")
        .or_when_empty("No event of this source has been refused lately.");
    for refusal in console.records.refusals.newest(wanted, REFUSALS_SHOWN_MAX).await? {
        table.rows.push(vec![
            Timestamp::parse(&refusal.at).map_or_else(|| Cell::text(&refusal.at), Cell::Time),
            Cell::text(refusal.code),
            Cell::text(refusal.message),
            Cell::text(refusal.excerpt),
        ]);
    }
    let content = Refused {
        sources: names.iter().map(|name| ((*name).to_owned(), *name == wanted)).collect(),
        table: table.html(request, &clock),
    };
    Ok(Page::of("Refused events", Section::Health, &content).with_tables(vec![table]))
}
