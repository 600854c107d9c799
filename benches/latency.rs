//! From the moment an event is sent to the moment the provider has the message, against an empty chain with
//! the same hops in the same run: the same runtime, queues and calls, and nothing done on the way. (The local
//! engine gives `ingest`'s answer to the client later than its messages to the next function, so the moment of
//! acceptance is no place to start from.) Then a burst, with the processor time that the functions use for it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kairos_benches::figures::{Figures, Sample, grouped, millis, root};
use kairos_benches::plays;
use kairos_benches::provider::{Arrival, Provider};
use kairos_benches::stack::Stack;
use kairos_engine::time::Span;
use serde_json::{Value, json};

/// Events of each chain, one after the other, and the time between two.
const EVENTS: usize = 300;
const WARM_UP: usize = 20;
const EVERY: Duration = Duration::from_millis(100);
/// Events of the burst, and clients that send it.
const BURST: usize = 1_000;
const CLIENTS: usize = 8;
/// A message that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> io::Result<()> {
    let Some(binaries) = Stack::built() else { return Ok(()) };
    let provider = Provider::start()?;
    let ours = ours(&binaries, &provider)?;
    let empty = empty(&binaries, &provider)?;
    let mut figures = Figures::new("latency", "event sent to message at the provider, against an empty chain");

    gentle(&mut figures, &provider, &ours, empty.as_ref())?;
    drop(empty);
    burst(&mut figures, &provider, &ours)?;
    figures.finish()
}

fn ours(binaries: &Path, provider: &Provider) -> io::Result<Stack> {
    let parameter = format!("WebhookPrivateHosts={}", provider.address);
    let stack = Stack::start("latency", binaries, &["--parameter", &parameter])?;
    stack.publish(&plays::webhooks(&format!("http://{}/ours", provider.address), Span::from_mins(30)))?;
    Ok(stack)
}

fn empty(binaries: &Path, provider: &Provider) -> io::Result<Option<Stack>> {
    if !binaries.join("echo").is_file() {
        kairos_benches::figures::say("the empty chain is skipped: echo is not built; `make bench` builds it");
        return Ok(None);
    }
    let template = root().join("benches/empty.yaml").display().to_string();
    let parameter = format!("ProviderUrl=http://{}/empty", provider.address);
    Stack::start("empty", binaries, &["--template", &template, "--parameter", &parameter]).map(Some)
}

fn identify(id: &str) -> Value {
    json!({"batch": [{"type": "identify", "userId": id, "messageId": id, "traits": {"email": format!("{id}@shop.example")}}]})
}

/// Both chains in turn, one event each time: what is measured is a system at ease.
fn gentle(figures: &mut Figures, provider: &Provider, ours: &Stack, empty: Option<&Stack>) -> io::Result<()> {
    let mut sent: HashMap<String, Instant> = HashMap::new();
    let mut arrived: Vec<Arrival> = Vec::new();
    let started = Instant::now();
    for number in 0..EVENTS + WARM_UP {
        let id = format!("ours-{number:05}");
        sent.insert(id.clone(), Instant::now());
        ours.send("/v1/batch", &identify(&id))?;
        arrived.extend(provider.take_until(started + EVERY * number as u32 + EVERY / 2, |_| false));
        if let Some(empty) = empty {
            let id = format!("empty-{number:05}");
            sent.insert(id.clone(), Instant::now());
            empty.send("/", &Value::String(id))?;
        }
        arrived.extend(provider.take_until(started + EVERY * (number as u32 + 1), |_| false));
    }
    let expected = sent.len();
    let so_far = arrived.len();
    arrived.extend(provider.take_until(Instant::now() + PATIENCE, |rest| so_far + rest.len() >= expected));
    let mut took: HashMap<&str, Vec<f64>> = HashMap::new();
    for arrival in &arrived {
        let chain = if arrival.path == "/ours" { "ours" } else { "empty" };
        let id = match chain {
            "ours" => arrival.data()["user_id"].as_str().unwrap_or_default().to_owned(),
            _ => String::from_utf8_lossy(&arrival.body).trim_matches('"').to_owned(),
        };
        let warm = id.rsplit('-').next().and_then(|number| number.parse::<usize>().ok()).is_some_and(|n| n >= WARM_UP);
        if let (true, Some(at)) = (warm, sent.get(&id)) {
            took.entry(chain).or_default().push(millis(arrival.at.saturating_duration_since(*at)));
        }
    }
    let took = |chain: &str| Sample::new(took.get(chain).cloned().unwrap_or_default());
    let (ours, empty) = (took("ours"), took("empty"));
    figures.note(
        "events of each chain, ten a second",
        format!("{} (arrived: {} and {})", EVENTS, ours.len(), empty.len()),
    );
    for (key, label, share) in [("p50", "p50", 0.5), ("p99", "p99", 0.99)] {
        let (mine, base) = (ours.quantile(share), empty.quantile(share));
        figures.add(&format!("ours_{key}_ms"), mine, &format!("{label}, Kairos"), format!("{mine:.1} ms"));
        if !empty.is_empty() {
            figures.add(&format!("empty_{key}_ms"), base, &format!("{label}, empty chain"), format!("{base:.1} ms"));
            figures.add(
                &format!("ratio_{key}"),
                mine / base,
                &format!("{label}, ratio"),
                format!("{:.2}", mine / base),
            );
        }
    }
    Ok(())
}

/// Many at once: how fast they drain, and what they cost in processor time.
fn burst(figures: &mut Figures, provider: &Provider, stack: &Stack) -> io::Result<()> {
    let before = stack.processes()?;
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let sent = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= BURST {
                            return Ok::<Instant, io::Error>(Instant::now());
                        }
                        stack.send("/v1/batch", &identify(&format!("burst-{number}")))?;
                    }
                })
            })
            .collect();
        let ends: io::Result<Vec<_>> =
            clients.into_iter().map(|client| client.join().expect("a client does not panic")).collect();
        ends.map(|ends| ends.into_iter().max().unwrap_or(started))
    })?;
    let arrived = provider.take_until(Instant::now() + PATIENCE, |arrived| arrived.len() >= BURST);
    let ended = arrived.iter().map(|arrival| arrival.at).max().unwrap_or(started);
    stack.drain(&["EventsQueueUrl", "DeliveriesQueueUrl"])?;
    let after = stack.processes()?;

    let (accept, drain) = (sent - started, ended.saturating_duration_since(started));
    figures.note("burst", format!("{} events by {CLIENTS} clients, {} messages", grouped(BURST as f64), arrived.len()));
    let rate = BURST as f64 / accept.as_secs_f64();
    figures.add("burst_accepted_per_s", rate, "  accepted", format!("{rate:.0} events/s"));
    let rate = arrived.len() as f64 / drain.as_secs_f64();
    figures.add("burst_messages_per_s", rate, "  at the provider", format!("{rate:.0} messages/s"));
    let mut of_function: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for process in &after {
        let earlier = before.iter().find(|known| known.pid == process.pid);
        let (user_s, system_s) = earlier.map_or((0.0, 0.0), |known| (known.user_s, known.system_s));
        let sum = of_function.entry(&process.function).or_default();
        sum.0 += (process.user_s - user_s) * 1e3 / BURST as f64;
        sum.1 += (process.system_s - system_s) * 1e3 / BURST as f64;
    }
    for (function, (user_s, system_s)) in &of_function {
        figures.note(
            &format!("  processor, {function}"),
            format!("{:.3} s per 1 000 events, {system_s:.3} s of it in the system", user_s + system_s),
        );
    }
    let total: f64 = of_function.values().map(|(user_s, system_s)| user_s + system_s).sum();
    figures.add("cpu_s_per_1000_events", total, "  processor, all functions", format!("{total:.3} s per 1 000 events"));
    Ok(())
}
