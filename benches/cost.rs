//! What a million events cost: every request and capacity unit that recorded events cause on the local
//! engine, at AWS' prices (us-east-1, read 2026-11-21, on demand, without free tiers).
//!
//! Two loads: one event a call, and ten events of a user in one call. Everybody has an address, and plays
//! wait for seconds instead of minutes, so that alarms ring and messages are sent while it is counted. Not in
//! the figures: what SES and SNS take for a message, and what costs the same however many events come (the
//! polling of empty queues, the sweep of each minute, the archive's file of each half a minute with its count, for which the
//! local engine does not wait), and what the local engine writes of each invocation: `template.yaml` turns Lambda's own
//! lines off.
//!
//! Durations are those of the local engine, whose answers take a few milliseconds each.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use kairos_benches::counting::{Charge, Charges, Counting};
use kairos_benches::figures::{Figures, grouped};
use kairos_benches::plays;
use kairos_benches::server::free_port;
use kairos_benches::shoppers::{REES46, Shop};
use kairos_benches::stack::{Invocations, Stack};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::mailbox::Input;
use kairos_engine::time::Span;
use serde_json::{Value, json};

const MILLION: f64 = 1e6;
const LAMBDA_REQUESTS: f64 = 0.20;
const LAMBDA_GB_S: f64 = 0.000_013_333_4;
const LAMBDA_MEMORY_GB: f64 = 0.25;
const QUEUE_CALLS: f64 = 0.40;
const FIFO_CALLS: f64 = 0.50;
const WRITE_UNITS: f64 = 0.625;
const READ_UNITS: f64 = 0.125;
const LOGS_PER_GB: f64 = 0.50;

/// Events of each load.
const EVENTS: usize = 2_000;
/// What plays wait for here.
const WAIT: Span = Span::from_secs(10);
/// Calls under way at once.
const CLIENTS: usize = 16;
const TOGETHER: usize = 10;

fn main() -> io::Result<()> {
    let (Some(binaries), Some(shop)) = (Stack::built(), Shop::read(REES46)) else { return Ok(()) };
    let port = free_port()?;
    let proxy = Counting::start(&format!("http://127.0.0.1:{port}"))?;
    let options = ["--port", &port.to_string(), "--functions-endpoint", &proxy.endpoint];
    let stack = Stack::start("cost", &binaries, &options)?;
    let outputs = stack.outputs();
    stack.publish(&plays::waiting(WAIT))?;

    // Everybody says who they are, and functions learn the playbook, before anything is counted.
    run(&stack, &introductions(&shop))?;
    proxy.take(&outputs);

    let mut figures = Figures::new("cost", "what a million events cost at AWS' prices");
    for (key, name, goal_usd, calls) in [
        ("single", "one event a call", 1.75, single(&shop)),
        ("together", "ten events of a user a call", 0.25, together(&shop)),
    ] {
        let events: usize = calls.iter().map(|(_, events)| events).sum();
        let before = stack.invocations()?;
        run(&stack, &calls)?;
        let after = stack.invocations()?;
        let functions = after.into_iter().map(|(name, seen)| {
            let since = seen.since(before.get(&name).copied().unwrap_or_default());
            (name, since)
        });
        report(&mut figures, key, name, goal_usd, events, &proxy.take(&outputs), &functions.collect());
    }
    figures.finish()
}

/// A call and how many events it carries.
type Call = (Value, usize);

/// Existing customers, fifty a call.
fn introductions(shop: &Shop) -> Vec<Call> {
    let calls: Vec<Value> =
        shop.introductions.iter().enumerate().map(|(number, input)| call_of(input, number)).collect();
    calls.chunks(50).map(|calls| (json!({"batch": calls}), calls.len())).collect()
}

/// The recorded events as a server's client reports them when they happen.
fn single(shop: &Shop) -> Vec<Call> {
    let events = shop.events.iter().enumerate().take(EVENTS);
    events.map(|(number, (_, input))| (json!({"batch": [call_of(input, number)]}), 1)).collect()
}

/// Each ten successive events of one user; users with fewer are passed over.
fn together(shop: &Shop) -> Vec<Call> {
    let mut of_user: HashMap<usize, Vec<Value>> = HashMap::new();
    let mut calls = Vec::new();
    for (number, (person, input)) in shop.events.iter().enumerate() {
        let waiting = of_user.entry(*person).or_default();
        waiting.push(call_of(input, shop.events.len() + number));
        if waiting.len() == TOGETHER {
            calls.push((json!({"batch": std::mem::take(waiting)}), TOGETHER));
        }
        if calls.len() * TOGETHER >= EVENTS {
            break;
        }
    }
    calls
}

fn call_of(input: &Input, number: usize) -> Value {
    let Input::Event { event: Event { kind, user_id, context, .. }, .. } = input else {
        unreachable!("a shop's data are events")
    };
    let mut call = match kind {
        EventKind::Track { event, properties } => json!({"type": "track", "event": event, "properties": properties}),
        EventKind::Identify { traits } => json!({"type": "identify", "traits": traits}),
        _ => unreachable!("the files hold tracked events, and introductions identify"),
    };
    call["userId"] = json!(user_id);
    call["context"] = json!(context);
    call["messageId"] = format!("{}-{number}", call["type"].as_str().unwrap_or_default()).into();
    call
}

/// Sends the calls, several at once, and waits until everything they caused is done.
fn run(stack: &Stack, calls: &[Call]) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    while let Some((body, _)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                        stack.send("/v1/batch", body)?;
                    }
                    Ok::<(), io::Error>(())
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))
    })?;
    // An alarm's tick becomes an event, and a decision a delivery.
    stack.drain(&["EventsQueueUrl", "AlarmsQueueUrl"])?;
    stack.drain(&["EventsQueueUrl", "DeliveriesQueueUrl"])
}

/// One line of the bill.
struct Line {
    what: String,
    /// Calls, and what is priced, per event.
    calls: f64,
    units: f64,
    usd: f64,
}

fn report(
    figures: &mut Figures,
    key: &str,
    name: &str,
    goal_usd: f64,
    events: usize,
    charges: &Charges,
    functions: &BTreeMap<String, Invocations>,
) {
    let mut lines = Vec::new();
    let mut add = |what: String, calls: f64, units: f64, price_per_million: f64| {
        let (calls, units) = (calls / events as f64, units / events as f64);
        lines.push(Line { what, calls, units, usd: units * price_per_million });
    };
    if let Some(files) = charges.get("PUT ArchiveBucket") {
        let bytes = files.units / events as f64;
        figures.add(
            &format!("{key}_archive_bytes"),
            bytes,
            &format!("{name}: archived"),
            format!("{bytes:.0} bytes an event"),
        );
    }
    // Both are written each half a minute, however many events come.
    let of_archive = |what: &str| what.ends_with(" ArchiveBucket") || what.ends_with(" FiguresTable");
    for (what, Charge { calls, units, .. }) in charges.iter().filter(|(what, _)| !of_archive(what)) {
        add(what.clone(), *calls as f64, *units, price_of(what));
    }
    let of_events = functions.iter().filter(|(function, _)| *function != "archive");
    for (function, Invocations { count, duration_ms, log_bytes, .. }) in of_events {
        let count = *count as f64;
        if count > 0.0 {
            let mean = duration_ms / count;
            figures.keep(&format!("{key}_{function}_ms"), mean);
            figures.note(&format!("{name}: {function}"), format!("{count:.0} calls of {mean:.1} ms"));
        }
        add(format!("Lambda requests {function}"), count, count, LAMBDA_REQUESTS);
        add(format!("Lambda GB-s {function}"), count, duration_ms / 1e3 * LAMBDA_MEMORY_GB, LAMBDA_GB_S * MILLION);
        add(format!("log GB {function}"), count, *log_bytes as f64 / 1e9, LOGS_PER_GB * MILLION);
        // The mapping takes a batch with one call and acknowledges it with another.
        match function.as_str() {
            "decide" => {
                add("ReceiveMessage + DeleteMessageBatch EventsQueueUrl".into(), 2.0 * count, 2.0 * count, FIFO_CALLS)
            }
            "timers" => {
                add("ReceiveMessage + DeleteMessageBatch AlarmsQueueUrl".into(), 2.0 * count, 2.0 * count, QUEUE_CALLS)
            }
            "delivery" => add(
                "ReceiveMessage + DeleteMessageBatch DeliveriesQueueUrl".into(),
                2.0 * count,
                2.0 * count,
                QUEUE_CALLS,
            ),
            _ => {}
        }
    }
    lines.retain(|line| line.calls > 0.0);
    lines.sort_by(|one, other| other.usd.total_cmp(&one.usd));
    figures.note(
        &format!("{name}, {} events", grouped(events as f64)),
        format!("{:>10} {:>10} {:>10}", "calls/ev", "units/ev", "$/million"),
    );
    for line in &lines {
        figures.note(&format!("  {}", line.what), format!("{:10.4} {:10.6} {:10.4}", line.calls, line.units, line.usd));
    }
    let usd: f64 = lines.iter().map(|line| line.usd).sum();
    let messages = charges.get("SendMessageBatch EventsQueueUrl").map_or(0, |charge| charge.entries);
    let batch = messages as f64 / functions.get("decide").map_or(1, |decide| decide.count.max(1)) as f64;
    figures.add(
        &format!("{key}_usd_per_million"),
        usd,
        "  together",
        format!("{:>10} {:>10} {usd:10.4}   goal {goal_usd}", "", ""),
    );
    figures.add(&format!("{key}_messages_per_batch"), batch, "  messages a batch of decide", format!("{batch:.2}"));
    for (part, label) in [("log GB", "logs"), ("Lambda GB-s", "time in functions, as slow as the local engine")] {
        let part_usd: f64 = lines.iter().filter(|line| line.what.contains(part)).map(|line| line.usd).sum();
        figures.add(
            &format!("{key}_{}_usd_per_million", part.replace([' ', '-'], "_").to_lowercase()),
            part_usd,
            &format!("  of that, {label}"),
            format!("{:>10} {:>10} {part_usd:10.4}", "", ""),
        );
    }
    let full = at_full_batches(&lines, batch);
    figures.add(
        &format!("{key}_usd_per_million_full_batches"),
        full,
        "  the same with full batches of ten",
        format!("{:>10} {:>10} {full:10.4}", "", ""),
    );
}

fn price_of(what: &str) -> f64 {
    match what.split(' ').next().unwrap_or_default() {
        "PutItem" | "BatchWriteItem" | "UpdateItem" | "DeleteItem" => WRITE_UNITS,
        "GetItem" | "BatchGetItem" | "Query" => READ_UNITS,
        "SendMessage" | "SendMessageBatch" if what.ends_with("EventsQueueUrl") => FIFO_CALLS,
        "SendMessage" | "SendMessageBatch" => QUEUE_CALLS,
        _ => 0.0,
    }
}

/// What does not grow with the messages of a batch, spread over ten instead.
fn at_full_batches(lines: &[Line], batch: f64) -> f64 {
    let once_a_batch =
        ["Lambda requests decide", "log GB decide", "ReceiveMessage + DeleteMessageBatch EventsQueueUrl"];
    lines
        .iter()
        .map(|line| match once_a_batch.contains(&line.what.as_str()) {
            true => line.usd * batch / 10.0,
            false => line.usd,
        })
        .sum()
}
