//! How long a backtest of a million events takes, reading included: REES46's morning again and again with other
//! people, as CSV and as calls of the Segment spec, on one core and on all.

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use flate2::read::GzDecoder;
use kairos_backtest::{Options, Progress, PurchaseColumns, Reachable, Report, run};
use kairos_benches::figures::{Figures, grouped, root, say};
use kairos_benches::plays;
use kairos_engine::program::Program;
use kairos_engine::time::{Span, Timestamp};
use serde_json::json;

/// That of the `kairos` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events that are played at least.
const EVENTS: usize = 1_000_000;
/// Runs of each, of which the median counts.
const RUNS: usize = 5;

fn main() -> std::io::Result<()> {
    let path = root().join("../shared/data").join(kairos_benches::shoppers::REES46);
    let Ok(file) = File::open(&path) else {
        say(&format!("skipped: {} is not there", path.display()));
        return Ok(());
    };
    let mut morning = String::new();
    GzDecoder::new(file).read_to_string(&mut morning)?;
    let (table, calls) = (table(&morning), calls(&morning));
    let program = Program::new(plays::shipped()).unwrap_or_else(|error| panic!("the shipped playbook: {error}"));
    let cores = std::thread::available_parallelism()?.get();
    let mut figures = Figures::new("backtest", "a million events, reading included");
    for (format, text) in [("rees46", &table), ("segment", &calls)] {
        for threads in [1, cores] {
            let mut seconds: Vec<f64> = Vec::new();
            let mut report = None;
            for _ in 0..RUNS {
                let (took, played) = played(&program, text, threads);
                seconds.push(took);
                report = Some(played);
            }
            let Some(report) = report else { continue };
            seconds.sort_by(f64::total_cmp);
            let per_million = seconds[RUNS / 2] * 1e6 / report.recording.events as f64;
            let what = format!("{format}, {threads} {}", if threads == 1 { "core" } else { "cores" });
            if threads == 1 {
                figures.note(
                    "  played",
                    format!(
                        "{} events of {} people, {} messages, {} MB",
                        grouped(report.recording.events as f64),
                        grouped(report.recording.people as f64),
                        grouped(report.playbook.total.sent as f64),
                        text.len() / 1_000_000
                    ),
                );
                figures.add(
                    &format!("{format}_s_per_million_one_core"),
                    per_million,
                    &what,
                    format!("{per_million:.2} s a million"),
                );
            } else {
                figures.add(
                    &format!("{format}_s_per_million"),
                    per_million,
                    &what,
                    format!("{per_million:.2} s a million"),
                );
            }
        }
    }
    if let Some(mib) = peak_memory_mib() {
        figures.add("memory_mib", mib, "memory at most, the recordings included", format!("{mib} MiB"));
    }
    figures.finish()
}

fn played(program: &Program, text: &str, threads: usize) -> (f64, Report) {
    let options = Options {
        format: None,
        purchases: PurchaseColumns::default(),
        window: Some(Span::from_mins(1)),
        until: Span::ZERO,
        threads,
        now: Timestamp::from_millis(4_000_000_000_000),
        source: None,
        currency: None,
        reachable: Reachable { email: true, sms: false, visitors: false },
        users: false,
    };
    let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
    let files = vec![kairos_backtest::File { name: "events".into(), input }];
    let started = Instant::now();
    let report = run(program, None, files, &options, &Progress::default()).unwrap_or_else(|error| panic!("{error}"));
    (started.elapsed().as_secs_f64(), report)
}

/// The mornings after each other, each with people of its own, in the order of time.
fn mornings(morning: &str, mut write: impl FnMut(&str, usize)) {
    let rows: Vec<&str> = morning.lines().skip(1).collect();
    let copies = EVENTS.div_ceil(rows.len());
    for row in rows {
        (0..copies).for_each(|copy| write(row, copy));
    }
}

fn table(morning: &str) -> String {
    let mut text = format!("{}\n", morning.lines().next().unwrap_or_default());
    mornings(morning, |row, copy| {
        let Some((rest, session)) = row.rsplit_once(',') else { return };
        text.push_str(&format!("{rest}-{copy},{session}\n"));
    });
    text
}

fn calls(morning: &str) -> String {
    let mut text = String::new();
    let mut number = 0;
    mornings(morning, |row, copy| {
        let row: Vec<&str> = row.split(',').collect();
        let [time, kind, product, _, category, brand, price, user, session] = row[..] else { return };
        let item = json!({"product_id": product, "category": category, "brand": brand, "price": price.parse::<f64>().unwrap_or(0.0)});
        let (event, properties) = match kind {
            "view" => ("Product Viewed", item),
            "cart" => ("Product Added", item),
            _ => {
                ("Order Completed", json!({"order_id": number.to_string(), "total": item["price"], "products": [item]}))
            }
        };
        number += 1;
        let call = json!({
            "type": "track", "event": event, "userId": format!("{user}-{copy}"), "anonymousId": session,
            "messageId": format!("message-{number}"), "properties": properties,
            "timestamp": format!("{}Z", time.trim_end_matches(" UTC").replace(' ', "T")),
            "context": {"library": {"name": "analytics-node", "version": "2.2.1"}, "locale": "en-GB"},
        });
        text.push_str(&format!("{call}\n"));
    });
    text
}

/// The most memory that this process has had, where the system tells.
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1_024)
}
