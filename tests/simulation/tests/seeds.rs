//! Many seeds: every promise is kept, every kind of trouble was met, and a broken commit is noticed.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use kairos_simulation::broken::Mutation;
use kairos_simulation::playbook::Shop;
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

fn replay(test: &str, failure: &Failure) -> String {
    format!(
        "seed {} ({}) broke a promise: {}\nreplay it with its trace: KAIROS_SEED={} cargo test -p kairos-simulation --test seeds {test} -- --nocapture",
        failure.seed, failure.weather, failure.violation, failure.seed
    )
}

/// Runs seeds below `seeds` on all cores. Gives the statistics of those that passed and the failures, the lowest
/// seed first; ends early after one when `stop_at_first`.
fn run_all(shop: Shop, seeds: u64, mutation: Option<Mutation>, stop_at_first: bool) -> (Statistics, Vec<Failure>) {
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
                    let ended = run(shop, seed, mutation, false);
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

/// Runs `usual` seeds, or as the environment says. Gives what was met, when there were enough of them to meet
/// everything.
fn promises_are_kept(test: &str, shop: Shop, usual: u64) -> Option<Statistics> {
    if let Some(seed) = number("KAIROS_SEED") {
        match run(shop, seed, None, true) {
            Ok(passed) => say(&format!("{}\n{}", passed.trace.join("\n"), passed.statistics)),
            Err(failure) => {
                say(&failure.trace.join("\n"));
                panic!("{}", replay(test, &failure));
            }
        }
        return None;
    }
    let seeds = number("KAIROS_SEEDS").unwrap_or(usual);
    let (statistics, failures) = run_all(shop, seeds, None, false);
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
        panic!("{}\n{} of {seeds} seeds failed; others:\n{others}", replay(test, first), failures.len());
    }
    say(&statistics.to_string());
    (seeds >= usual).then_some(statistics)
}

fn were_met(statistics: &Statistics, names: &[&str]) {
    for name in names {
        assert!(statistics.of(name) > 0, "never met: {name}");
    }
}

#[test]
fn every_promise_is_kept_in_every_weather() {
    if let Some(statistics) = promises_are_kept("every_promise", Shop::Small, 1_500) {
        every_trouble_was_met(&statistics);
    }
}

#[test]
fn the_shipped_plays_decide_the_same_however_their_inputs_come() {
    let Some(statistics) = promises_are_kept("the_shipped_plays", Shop::Shipped, 600) else { return };
    troubles_were_met(&statistics, Port::Interest);
    let program = Shop::Shipped.program();
    for play in &program.playbook().plays {
        let name = format!("messages decided: {}", play.name);
        assert!(statistics.of(&name) > 0, "never met: {name}");
    }
    were_met(
        &statistics,
        &[
            "changes of the catalogue",
            "users told of a change of the catalogue",
            "input catalogue_applied",
            "input merged",
            "input forwarded",
            "groups of inputs",
            "ticks at deadlines",
            "redeliveries of applied messages",
            "redriven after they were applied",
            "overtaken by another commit",
            "play held",
            "play held_out",
            "play converted",
            "play finished",
            "play assigned",
            "play cancelled",
            "play not_sent_moment_passed",
            "play not_sent_quiet_hours",
            "play not_sent_cap",
            "play not_sent_policy_cap",
            "play not_sent_cooldown",
            "play not_sent_no_consent",
            "messages refused before they were sent",
            "play not_sent_already_running",
            "play not_sent_already_entered",
            "considered: win_back assigned",
            "considered: new_collection held_out",
            "delivery ended sent",
            "delivery ended expired",
        ],
    );
}

fn troubles_were_met(statistics: &Statistics, port: Port) {
    let clients_cannot_crash = |fate| port == Port::Ingest && matches!(fate, Fate::CrashBefore | Fate::CrashAfter);
    for fate in Fate::TROUBLES {
        let name = format!("{}: {}", port.as_str(), fate.as_str());
        assert!(statistics.of(&name) > 0 || clients_cannot_crash(fate), "never met: {name}");
    }
}

fn every_trouble_was_met(statistics: &Statistics) {
    // No play of the small shop waits for changes of the catalogue.
    Port::ALL.into_iter().filter(|port| *port != Port::Interest).for_each(|port| troubles_were_met(statistics, port));
    let names = [
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
        "provider: out of order",
        "providers left alone",
        "messages put off",
        "provider: not served",
        "SMS whose provider was left alone",
        "SMS sent by the other provider",
        "delivery put_off",
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
    ];
    were_met(statistics, &names);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for (shop, seed) in [(Shop::Small, 3), (Shop::Small, 5), (Shop::Small, 8), (Shop::Shipped, 1), (Shop::Shipped, 2)] {
        let ended = || match run(shop, seed, None, true) {
            Ok(passed) => (passed.trace, passed.statistics.to_string()),
            Err(failure) => (failure.trace, failure.violation),
        };
        assert_eq!(ended(), ended(), "seed {seed}");
    }
}

#[test]
fn the_simulation_finds_a_broken_commit_order() {
    for (shop, seeds) in [(Shop::Small, 100), (Shop::Shipped, 20)] {
        let (_, failures) = run_all(shop, seeds, Some(Mutation::Nothing), true);
        if let Some(failure) = failures.first() {
            panic!("the second writing of the commit is not broken, but {}", failure.violation);
        }
    }
    for mutation in Mutation::TO_BE_FOUND {
        let (_, failures) = run_all(mutation.shop(), 5_000, Some(mutation), true);
        let found = failures.first().unwrap_or_else(|| panic!("nobody noticed {mutation:?} in 5,000 seeds"));
        let what = found.violation.lines().next().unwrap_or_default();
        say(&format!("{mutation:?}: found by seed {} ({}): {what}", found.seed, found.weather));
    }
}
