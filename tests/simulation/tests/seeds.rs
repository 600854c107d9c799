//! Many seeds: every promise is kept, every kind of trouble was met, and a broken commit is noticed.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use kairos_simulation::broken::Mutation;
use kairos_simulation::statistics::Statistics;
use kairos_simulation::weather::{Fate, Port};
use kairos_simulation::{Failure, run};

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number, and is {text:?}")))
}

/// Writes past the test harness, which keeps what tests print until they fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn replay(failure: &Failure) -> String {
    format!(
        "seed {} ({}) broke a promise: {}\nreplay it with its trace: KAIROS_SEED={} cargo test -p kairos-simulation --test seeds every_promise -- --nocapture",
        failure.seed, failure.weather, failure.violation, failure.seed
    )
}

/// Runs seeds below `seeds` on all cores. Gives the statistics of those that passed and the failures, the lowest
/// seed first; ends early after one when `stop_at_first`.
fn run_all(seeds: u64, mutation: Option<Mutation>, stop_at_first: bool) -> (Statistics, Vec<Failure>) {
    let next = AtomicU64::new(0);
    let all = Mutex::new((Statistics::default(), Vec::new()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let ended = run(seed, mutation, false);
                    let mut all = all.lock().expect("no run panics while it holds this");
                    match ended {
                        Ok(passed) => all.0.merge(&passed.statistics),
                        Err(failure) => {
                            all.1.push(*failure);
                            if stop_at_first {
                                next.store(seeds, Ordering::Relaxed);
                            }
                        }
                    }
                    if mutation.is_none() && (seed + 1).is_multiple_of(500) {
                        say(&format!("simulation: {} of {seeds} seeds", seed + 1));
                    }
                }
            });
        }
    });
    let (statistics, mut failures) = all.into_inner().expect("no run panics while it holds this");
    failures.sort_by_key(|failure| failure.seed);
    (statistics, failures)
}

#[test]
fn every_promise_is_kept_in_every_weather() {
    if let Some(seed) = number("KAIROS_SEED") {
        match run(seed, None, true) {
            Ok(passed) => say(&format!("{}\n{}", passed.trace.join("\n"), passed.statistics)),
            Err(failure) => {
                say(&failure.trace.join("\n"));
                panic!("{}", replay(&failure));
            }
        }
        return;
    }
    let seeds = number("KAIROS_SEEDS").unwrap_or(1_000);
    let (statistics, failures) = run_all(seeds, None, false);
    if let Some(first) = failures.first() {
        let others: String = failures
            .iter()
            .skip(1)
            .take(20)
            .map(|other| {
                let what = other.violation.lines().next().unwrap_or_default();
                format!("  seed {} ({}): {what}\n", other.seed, other.weather)
            })
            .collect();
        panic!("{}\n{} of {seeds} seeds failed; others:\n{others}", replay(first), failures.len());
    }
    say(&statistics.to_string());
    if seeds >= 500 {
        every_trouble_was_met(&statistics);
    }
}

fn every_trouble_was_met(statistics: &Statistics) {
    let clients_cannot_crash =
        |port, fate| port == Port::Ingest && matches!(fate, Fate::CrashBefore | Fate::CrashAfter);
    for port in Port::ALL {
        for fate in Fate::TROUBLES {
            let name = format!("{}: {}", port.as_str(), fate.as_str());
            assert!(statistics.of(&name) > 0 || clients_cannot_crash(port, fate), "never met: {name}");
        }
    }
    for name in [
        "overtaken by another commit",
        "redeliveries of applied messages",
        "redriven after they were applied",
        "repeated inputs ignored",
        "circles of links broken",
        "dead letters redriven: mailboxes",
        "dead letters redriven: deliveries",
        "mailbox messages dropped as repetitions by the queue",
        "killed for taking too long",
        "acknowledged too late",
        "clock stepped back",
        "given twice by a standard queue",
        "delivery records in conflict",
        "a user left unprocessed by the read",
        "calls during an outage",
        "sweeps that did not happen",
        "unreadable messages put into mailboxes",
        "repeated inputs beyond every memory",
        "two sweeps at once",
        "alarms delayed again",
        "sent more than once, as documented",
        "messages decided: abandoned_cart",
        "messages decided: welcome",
        "play cancelled",
        "play not_sent_cap",
        "play not_sent_moment_passed",
        "input linked",
        "input merged",
        "input forwarded",
        "input link_circle_broken",
        "input tick_fired",
        "input tick_stale",
        "delivery ended sent",
        "delivery ended expired",
        "delivery ended refused",
        "delivery ended unconfirmed",
    ] {
        assert!(statistics.of(name) > 0, "never met: {name}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 5, 8] {
        let ended = || match run(seed, None, true) {
            Ok(passed) => (passed.trace, passed.statistics.to_string()),
            Err(failure) => (failure.trace, failure.violation),
        };
        assert_eq!(ended(), ended(), "seed {seed}");
    }
}

#[test]
fn the_simulation_finds_a_broken_commit_order() {
    let (_, failures) = run_all(100, Some(Mutation::Nothing), true);
    if let Some(failure) = failures.first() {
        panic!("the second writing of the commit is not broken, but {}", failure.violation);
    }
    for mutation in Mutation::TO_BE_FOUND {
        let (_, failures) = run_all(3_000, Some(mutation), true);
        let found = failures.first().unwrap_or_else(|| panic!("nobody noticed {mutation:?} in 3,000 seeds"));
        let what = found.violation.lines().next().unwrap_or_default();
        say(&format!("{mutation:?}: found by seed {} ({}): {what}", found.seed, found.weather));
    }
}
