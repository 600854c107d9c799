//! How late alarms ring on the local engine, and that none rings early.
//!
//! Two kinds: those set a few seconds ahead go to the delay queue with the commit; those further ahead wait
//! in the index for the sweep of their minute. Lateness is told twice: when the message was decided, and when
//! it reached the provider.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kairos_benches::figures::{Figures, Sample};
use kairos_benches::plays;
use kairos_benches::provider::{Arrival, Provider};
use kairos_benches::stack::Stack;
use kairos_engine::time::{Span, Timestamp};
use serde_json::json;

/// Alarms of each kind, set one after the other.
const ALARMS: usize = 200;
const EVERY: Duration = Duration::from_millis(50);
/// What the play waits. An event that happened a while ago leaves less of it.
const WAIT: Span = Span::from_secs(200);
/// How long after being set the near alarms are due.
const NEAR: Span = Span::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(330);

fn main() -> io::Result<()> {
    let Some(binaries) = Stack::built() else { return Ok(()) };
    let provider = Provider::start()?;
    let parameter = format!("WebhookPrivateHosts={}", provider.address);
    let stack = Stack::start("timers", &binaries, &["--parameter", &parameter])?;
    stack.publish(&plays::webhooks(&format!("http://{}/", provider.address), WAIT))?;
    let mut figures = Figures::new(
        "timers",
        &format!("lateness of {ALARMS} alarms set {NEAR} ahead and {ALARMS} set {WAIT} ahead (takes four minutes)"),
    );
    let mut arrived = Vec::new();
    let started = Instant::now();
    for number in 0..ALARMS {
        for (kind, ago) in [("far", Span::ZERO), ("near", Span::from_millis(WAIT.as_millis() - NEAR.as_millis()))] {
            let at = now().minus(ago).to_string();
            let id = format!("{kind}-{number}");
            let event =
                json!({"type": "track", "event": plays::AWAITED, "userId": id, "messageId": id, "timestamp": at});
            stack.send("/v1/batch", &json!({"batch": [event]}))?;
        }
        arrived.extend(provider.take_until(started + EVERY * (number as u32 + 1), |_| false));
    }
    let so_far = arrived.len();
    arrived.extend(provider.take_until(Instant::now() + PATIENCE, |rest| so_far + rest.len() >= 2 * ALARMS));
    for (kind, label) in [("near", "by the delay queue alone"), ("far", "by the sweep")] {
        let of_kind: Vec<_> = arrived.iter().filter(|arrival| is(arrival, kind)).collect();
        figures.add(&format!("{kind}_rang"), of_kind.len(), label, format!("{} of {ALARMS} rang", of_kind.len()));
        let decided = Sample::new(of_kind.iter().filter_map(|arrival| late_ms(arrival, "decided_at")).collect());
        let received = Sample::new(of_kind.iter().filter_map(|arrival| late_ms(arrival, "received")).collect());
        for (what, sample) in [("decided", decided), ("at_provider", received)] {
            let (min, p50, p99) = (sample.min(), sample.median(), sample.quantile(0.99));
            figures.keep(&format!("{kind}_{what}_p50_ms"), p50);
            figures.add(
                &format!("{kind}_{what}_p99_ms"),
                p99,
                &format!("  {}", what.replace('_', " ")),
                format!("late by p50 {p50:.0} ms, p99 {p99:.0} ms, max {:.0} ms; earliest {min:.0} ms", sample.max()),
            );
        }
    }
    figures.finish()
}

fn is(arrival: &Arrival, kind: &str) -> bool {
    arrival.data()["user_id"].as_str().is_some_and(|id| id.starts_with(kind))
}

/// How late the message was decided, or arrived, after its moment was due.
fn late_ms(arrival: &Arrival, when: &str) -> Option<f64> {
    let data = arrival.data();
    let due_at = Timestamp::parse(data["due_at"].as_str()?)?;
    let at = match when {
        "received" => now().minus(Span::from_millis(i64::try_from(arrival.at.elapsed().as_millis()).ok()?)),
        field => Timestamp::parse(data[field].as_str()?)?,
    };
    Some(at.since(due_at).as_millis() as f64)
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "clients tell the time of day")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
