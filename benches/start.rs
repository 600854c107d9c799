//! Cold start: from the start of the process to its first request for an event, on a Runtime API of this
//! bench's own, against a function that does nothing and is built the same way.
//!
//! `cargo bench --bench start [-- DIRECTORY…]` measures the functions in these directories, one table for each;
//! without one, those of the release build. Runs go round and round, so that a busy moment meets all alike.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use kairos_benches::figures::{Figures, Sample, directories, millis, root};
use kairos_benches::plays;
use kairos_benches::server::{Request, Response, serve};
use kairos_benches::stack::{FUNCTIONS, PUBLISHED_AT};
use serde_json::json;

const RUNS: usize = 40;
/// A function that has not asked for an event by then has failed.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// What the others are measured against: a function that does nothing.
const HELLO: &str = "hello";

fn main() -> io::Result<()> {
    let platform = Platform::start()?;
    for directory in directories() {
        measure(&platform, &directory)?;
    }
    Ok(())
}

fn measure(platform: &Platform, directory: &Path) -> io::Result<()> {
    let shown = directory.strip_prefix(root()).unwrap_or(directory).display().to_string();
    let mut figures = Figures::new("start", &format!("process start to the first request for an event, {shown}"));
    figures.add("binaries", shown, "runs of each, taking turns", RUNS.to_string());
    let names = std::iter::once(HELLO).chain(FUNCTIONS);
    let binaries: Vec<_> = names.map(|name| (name, directory.join(name))).collect();
    let (there, missing): (Vec<_>, Vec<_>) = binaries.into_iter().partition(|(_, path)| path.is_file());
    for (name, _) in missing {
        figures.note(name, "skipped: not built; `make bench` builds it");
    }
    let mut starts: Vec<Vec<Start>> = vec![Vec::new(); there.len()];
    for _ in 0..RUNS {
        for ((name, path), starts) in there.iter().zip(&mut starts) {
            starts.push(platform.run(name, path)?);
        }
    }
    figures.note(
        "function",
        format!(
            "{:>9} {:>9} {:>7} {:>10} {:>10} {:>9} {:>6}",
            "median", "p90", "× hello", "resident", "peak", "zip", "calls"
        ),
    );
    let mut hello_ms = None;
    for ((name, path), starts) in there.iter().zip(starts) {
        let took = Sample::new(starts.iter().map(|start| start.took_ms).collect());
        let resident = Sample::new(starts.iter().map(|start| start.resident_mib).collect());
        let peak = Sample::new(starts.iter().map(|start| start.peak_mib).collect());
        let ratio = took.median() / *hello_ms.get_or_insert(took.median());
        let zip_mb = zipped_bytes(path)? as f64 / 1e6;
        let calls = starts.iter().map(|start| start.calls).max().unwrap_or(0);
        figures.note(
            name,
            format!(
                "{:6.2} ms {:6.2} ms {ratio:7.2} {:6.1} MiB {:6.1} MiB {zip_mb:6.2} MB {calls:6}",
                took.median(),
                took.quantile(0.9),
                resident.median(),
                peak.median()
            ),
        );
        for (key, value) in [
            ("median_ms", took.median()),
            ("p90_ms", took.quantile(0.9)),
            ("ratio", ratio),
            ("resident_mib", resident.median()),
            ("peak_mib", peak.median()),
            ("zip_mb", zip_mb),
        ] {
            figures.keep(&format!("{name}_{key}"), value);
        }
    }
    figures.finish()
}

/// The deployment package's size: one deflated file, and the archive's own 150 bytes or so.
fn zipped_bytes(path: &Path) -> io::Result<usize> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&std::fs::read(path)?)?;
    Ok(encoder.finish()?.len() + 150)
}

/// One start.
#[derive(Clone, Debug)]
struct Start {
    took_ms: f64,
    resident_mib: f64,
    peak_mib: f64,
    /// AWS calls made before the first request for an event.
    calls: usize,
}

/// What a function meets when it starts: the Runtime API, and AWS with a playbook published.
struct Platform {
    runtime_api: String,
    aws: String,
    asked: Receiver<Instant>,
    calls: Arc<Mutex<usize>>,
}

impl Platform {
    fn start() -> io::Result<Self> {
        let (asks, asked) = channel();
        let runtime_api = serve(move |request| {
            let now = Instant::now();
            if request.path.ends_with("/invocation/next") {
                // The receiver is there as long as the bench runs.
                let _ = asks.send(now);
                return None;
            }
            Some(Response::json(&json!({})))
        })?;
        // Made once: what AWS does to answer is not what is measured.
        let playbook = published(&serde_json::to_string(&plays::shipped().outline())?);
        let calls = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&calls);
        let aws = serve(move |request| {
            *counter.lock().expect("nobody panics while counting") += 1;
            Some(answer(&request, &playbook))
        })?;
        Ok(Self { runtime_api: runtime_api.to_string(), aws: format!("http://{aws}"), asked, calls })
    }

    fn run(&self, name: &str, path: &Path) -> io::Result<Start> {
        *self.calls.lock().expect("nobody panics while counting") = 0;
        while self.asked.try_recv().is_ok() {}
        let mut command = Command::new(path);
        command.env_clear().envs(self.environment()).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        let started = Instant::now();
        let mut function = Running(command.spawn()?);
        let asked = self.asked.recv_timeout(START_TIMEOUT).map_err(|_| {
            let ended = function.0.try_wait().ok().flatten();
            io::Error::other(format!("{name} did not ask for an event within {START_TIMEOUT:?} (it ended: {ended:?})"))
        })?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", function.0.id()))?;
        Ok(Start {
            took_ms: millis(asked - started),
            resident_mib: mib(&status, "VmRSS:"),
            peak_mib: mib(&status, "VmHWM:"),
            calls: *self.calls.lock().expect("nobody panics while counting"),
        })
    }

    /// What Lambda and template.yaml give a function.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let fixed = [
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_SESSION_TOKEN", "test"),
            ("RUST_LOG", "info"),
            ("USERS_TABLE", "users"),
            ("DELIVERIES_TABLE", "deliveries"),
            ("REFUSALS_TABLE", "refusals"),
            ("PLAYBOOK_TABLE", "playbook"),
            ("INTERESTS_TABLE", "interests"),
            ("ARCHIVE_BUCKET", "archive"),
            ("FIGURES_TABLE", "figures"),
            ("REPORT_DAYS", "30"),
            ("OWNER_EMAIL", ""),
            ("EMAIL_IDENTITY", "shop.example"),
            ("CONSOLE_URL", "https://console.shop.example/"),
            ("CATALOGUE_TABLE", "catalogue"),
            ("CATALOGUE_KEY_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:catalogue"),
            ("PROMO_CODES_TABLE", "promo-codes"),
            ("PROMO_CODE_KEY_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:promo-codes"),
            ("REDEEM_KEY_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:redeem"),
            ("LINKS_TABLE", "links"),
            ("LINKS_URL", "https://links.example/"),
            ("LINK_KEY_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:links"),
            ("INBOX_TABLE", "inbox"),
            ("INBOX_KEY_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:inbox"),
            ("CONSOLE_TABLE", "console"),
            ("CONSOLE_KEY_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:console"),
            ("CONSOLE_PASSWORD_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:console-password"),
            ("VAPID_KEY_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:vapid"),
            ("SERVER_KEY_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:server"),
            ("SUPPRESSIONS_TABLE", "suppressions"),
            ("ADDRESSES_TABLE", "addresses"),
            ("SMS_REPLIES_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:sms-replies"),
            ("PREFERENCES_URL", "https://preferences.shop.example/"),
            ("WEBHOOK_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:000000000000:secret:webhook"),
            ("WEBHOOK_PRIVATE_HOSTS", ""),
            ("MESSENGER_SECRETS", "kairos"),
            ("MESSENGERS_STAND_IN", ""),
            ("EMAIL_FROM", "hello@shop.example"),
            ("EMAIL_CONFIGURATION_SET", "kairos"),
            ("EMAIL_EVENTS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:email-events"),
            ("SMS_SENDER_ID", ""),
            ("SMS_MAX_PRICE_USD", "0.50"),
        ];
        let queue = |name: &str| format!("{}/000000000000/{name}", self.aws);
        let mut all: Vec<_> = fixed.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        all.extend([
            ("AWS_LAMBDA_RUNTIME_API", self.runtime_api.clone()),
            ("AWS_ENDPOINT_URL", self.aws.clone()),
            ("EVENTS_QUEUE_URL", queue("events.fifo")),
            ("DELIVERIES_QUEUE_URL", queue("deliveries")),
            ("ALARMS_QUEUE_URL", queue("alarms")),
            ("FEEDBACK_QUEUE_URL", queue("feedback")),
        ]);
        // To see what reading the system's certificates takes, name a file with fewer.
        all.extend(std::env::var("SSL_CERT_FILE").ok().map(|file| ("SSL_CERT_FILE", file)));
        all
    }
}

/// The answer with the pointer and the outline of the playbook in force.
fn published(outline: &str) -> Response {
    Response::json(&json!({"Responses": {"playbook": [
        {"name": {"S": "outline"}, "outline": {"S": outline}, "published_at": {"S": PUBLISHED_AT}},
        {"name": {"S": "current"}, "version": {"S": "bench"}, "published_at": {"S": PUBLISHED_AT}},
    ]}}))
}

/// AWS, as far as a start needs it.
fn answer(request: &Request, playbook: &Response) -> Response {
    match request.headers.get("x-amz-target").map(String::as_str).unwrap_or_default() {
        "DynamoDB_20120810.BatchGetItem" => playbook.clone(),
        "secretsmanager.GetSecretValue" => Response::json(&json!({"SecretString": "secret", "Name": "webhook"})),
        _ => Response::json(&json!({})),
    }
}

/// A value of `/proc/PID/status`, which is in KiB.
fn mib(status: &str, name: &str) -> f64 {
    let kib = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It waits for an event that never comes; that it has ended already would be the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
