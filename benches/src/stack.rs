//! The local engine with the built functions, for one bench; stopped when it is dropped.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kairos_engine::playbook::{Playbook, Source};
use serde_json::{Value, json};
use ureq::Agent;

use crate::figures::{directories, root, say};

/// How long a queue may take to empty after the last event was accepted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
/// The write key of this source.
const WRITE_KEY: &str = "benchBenchBenchBenchBenchBench12";
/// When the one playbook of a stack was put in force; by another time, functions would know another publication.
pub const PUBLISHED_AT: &str = "2026-01-01T00:00:00Z";
/// How often a queue is asked whether it is empty.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// The binaries of the functions.
pub const FUNCTIONS: [&str; 15] = [
    "ingest",
    "decide",
    "timers",
    "segmentation",
    "catalogue",
    "delivery",
    "redeem",
    "links",
    "inbox",
    "preferences",
    "callbacks",
    "feedback",
    "archive",
    "console",
    "reports",
];

/// A running engine.
#[derive(Debug)]
pub struct Stack {
    name: String,
    state: Value,
    agent: Agent,
}

impl Stack {
    /// Where the functions are built: the directory named on the command line, else that of the release
    /// build. `None`, and a line that says what to do, when they are not there.
    pub fn built() -> Option<PathBuf> {
        let binaries = directories().remove(0);
        let missing: Vec<_> = FUNCTIONS.into_iter().filter(|name| !binaries.join(name).is_file()).collect();
        if missing.is_empty() {
            return Some(binaries);
        }
        say(&format!("skipped: {} has no {}; `make bench` builds them", binaries.display(), missing.join(", ")));
        None
    }

    /// Starts an engine of its own and deploys the template to it. `options` are those of `engine.py up`.
    ///
    /// # Errors
    /// When it cannot be started; it has said why.
    pub fn start(bench: &str, binaries: &Path, options: &[&str]) -> io::Result<Self> {
        let name = format!("bench-{bench}");
        let mut command = engine("up", &name);
        command.args(["--binaries", &binaries.display().to_string(), "--owner", &std::process::id().to_string()]);
        command.args(options);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other("the local engine did not start; its message is above"));
        }
        let state = serde_json::from_slice(&output.stdout)?;
        let agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        Ok(Self { name, state, agent })
    }

    /// A value of the engine's own description, such as `endpoint`.
    pub fn text(&self, field: &str) -> &str {
        self.state[field].as_str().unwrap_or_else(|| panic!("the engine tells its {field}"))
    }

    /// An output of the template, such as `UsersTable`.
    pub fn output(&self, name: &str) -> &str {
        self.state["outputs"][name].as_str().unwrap_or_else(|| panic!("the template has an output {name}"))
    }

    /// Calls a service that speaks AWS JSON, as `DynamoDB_20120810.GetItem` or `AmazonSQS.SendMessage`.
    ///
    /// # Errors
    /// When the service refuses.
    pub fn call(&self, target: &str, body: &Value) -> io::Result<Value> {
        let service = if target.starts_with("DynamoDB") { "dynamodb" } else { "sqs" };
        let mut answer = self
            .agent
            .post(self.text("endpoint"))
            .header("authorization", authorization(service))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .send(body.to_string())
            .map_err(io::Error::other)?;
        let text = answer.body_mut().read_to_string().map_err(io::Error::other)?;
        if !answer.status().is_success() {
            return Err(io::Error::other(format!("{target}: {} {text}", answer.status())));
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Puts a playbook in force, as `kairos publish` does, with the bench as one more source.
    ///
    /// # Errors
    /// When the table refuses.
    pub fn publish(&self, playbook: &Playbook) -> io::Result<()> {
        let mut playbook = playbook.clone();
        playbook.sources.push(Source { name: "bench".into(), write_key: WRITE_KEY.into() });
        let version = playbook.version.to_string();
        for (name, attribute, value) in [
            (format!("version#{version}"), "playbook", serde_json::to_string(&playbook)?),
            ("current".to_owned(), "version", version),
        ] {
            let item = json!({"name": {"S": name}, attribute: {"S": value}, "published_at": {"S": PUBLISHED_AT}});
            self.call("DynamoDB_20120810.PutItem", &json!({"TableName": self.output("PlaybookTable"), "Item": item}))?;
        }
        Ok(())
    }

    /// The outputs of the template by name.
    pub fn outputs(&self) -> BTreeMap<String, String> {
        let outputs = self.state["outputs"].as_object().into_iter().flatten();
        outputs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// Sends a request to `ingest` as a Segment client would.
    ///
    /// # Errors
    /// When it is not accepted, with the answer.
    pub fn send(&self, path: &str, body: &Value) -> io::Result<()> {
        let mut answer = self
            .agent
            .post(format!("{}{path}", self.text("ingest_url")))
            .header("authorization", format!("Basic {}", STANDARD.encode(format!("{WRITE_KEY}:"))))
            .header("content-type", "application/json")
            .send(body.to_string())
            .map_err(io::Error::other)?;
        if answer.status().as_u16() == 200 {
            return Ok(());
        }
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        let logs = engine("logs", &self.name).arg("IngestFunction").output()?;
        let logs = String::from_utf8_lossy(&logs.stdout);
        let said = logs.lines().rfind(|line| line.contains("\"ERROR\"")).unwrap_or("nothing about it in its log");
        Err(io::Error::other(format!("ingest answered {}: {text} It logged: {said}", answer.status())))
    }

    /// Waits until no queue of events, deliveries or (when asked) alarms holds a message.
    ///
    /// # Errors
    /// When one still does after two minutes.
    pub fn drain(&self, queues: &[&str]) -> io::Result<()> {
        let started = Instant::now();
        let (_never, pause) = std::sync::mpsc::channel::<()>();
        while started.elapsed() < DRAIN_TIMEOUT {
            let mut waiting = 0;
            for queue in queues {
                waiting += self.depth(queue)?;
            }
            if waiting == 0 {
                return Ok(());
            }
            // Nothing is ever sent: this is the pause between two looks.
            let _ = pause.recv_timeout(ASK_EVERY);
        }
        Err(io::Error::other(format!("{queues:?} did not empty within {} s", DRAIN_TIMEOUT.as_secs())))
    }

    /// The messages that a queue holds: waiting, delayed and under way.
    fn depth(&self, queue: &str) -> io::Result<u64> {
        let body = json!({"QueueUrl": self.output(queue), "AttributeNames": ["All"]});
        let answer = self.call("AmazonSQS.GetQueueAttributes", &body)?;
        let count =
            |name: &str| answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Ok(count("ApproximateNumberOfMessages")
            + count("ApproximateNumberOfMessagesNotVisible")
            + count("ApproximateNumberOfMessagesDelayed"))
    }

    /// What each function reported so far.
    ///
    /// # Errors
    /// When the logs cannot be read.
    pub fn invocations(&self) -> io::Result<BTreeMap<String, Invocations>> {
        let mut all = BTreeMap::new();
        let functions = self.state["functions"].as_object().into_iter().flatten();
        for (logical, function) in functions {
            let output = engine("logs", &self.name).arg(logical).stderr(Stdio::inherit()).output()?;
            let mut seen = Invocations::default();
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                seen.add_line(line);
            }
            all.insert(function["binary"].as_str().unwrap_or_default().to_owned(), seen);
        }
        Ok(all)
    }

    /// CPU seconds that the function processes which run now have used, and their resident bytes, by function.
    ///
    /// # Errors
    /// When the processes cannot be listed.
    pub fn processes(&self) -> io::Result<Vec<Process>> {
        let output = engine("processes", &self.name).stderr(Stdio::inherit()).output()?;
        let listed: Vec<Value> = serde_json::from_slice(&output.stdout)?;
        Ok(listed
            .iter()
            .filter_map(|process| {
                let pid = u32::try_from(process["pid"].as_u64()?).ok()?;
                let (user_s, system_s) = cpu_seconds(pid)?;
                Some(Process { pid, function: process["function"].as_str()?.to_owned(), user_s, system_s })
            })
            .collect())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // When it cannot be stopped, the end of this process stops it (`--owner`).
        let _ = engine("down", &self.name).stderr(Stdio::null()).status();
    }
}

fn engine(command: &str, name: &str) -> Command {
    let mut engine = Command::new("python3");
    engine.arg(root().join("infra/local/engine.py")).args([command, "--name", name]).current_dir(root());
    engine
}

/// The engine's root credentials. It reads them from the credential's scope and does not check the signature.
pub(crate) fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

/// A function's process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Logical id of its function.
    pub function: String,
    /// Processor time so far in the function itself.
    pub user_s: f64,
    /// Processor time so far in the system on its behalf.
    pub system_s: f64,
}

/// User and system time of a process that runs, in ticks of 10 ms (proc(5), fields 14 and 15 of `stat`).
fn cpu_seconds(pid: u32) -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let seconds = |field: usize| Some(fields.get(field)?.parse::<f64>().ok()? / 100.0);
    Some((seconds(11)?, seconds(12)?))
}

/// What a function's REPORT lines say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Invocations {
    /// How often it was called.
    pub count: u64,
    /// How long all calls took.
    pub duration_ms: f64,
    /// What the function logged, with the 26 bytes that CloudWatch adds to each line.
    pub log_bytes: u64,
}

impl Invocations {
    fn add_line(&mut self, line: &str) {
        // Lambda's own lines: `template.yaml` turns them off.
        if !["START ", "END ", "REPORT "].iter().any(|start| line.starts_with(start)) {
            self.log_bytes += line.len() as u64 + 26;
        }
        let Some(report) = line.strip_prefix("REPORT RequestId:") else { return };
        let duration =
            report.split('\t').find_map(|field| field.trim().strip_prefix("Duration: ")?.strip_suffix(" ms"));
        self.count += 1;
        self.duration_ms += duration.and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    }

    /// What came after an earlier look.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            count: self.count - earlier.count,
            duration_ms: self.duration_ms - earlier.duration_ms,
            log_bytes: self.log_bytes - earlier.log_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_lines_are_counted_and_added_up() {
        let mut seen = Invocations::default();
        seen.add_line("REPORT RequestId: a\tDuration: 5.25 ms\tBilled Duration: 6 ms\tMemory Size: 256 MB");
        seen.add_line("START RequestId: b");
        seen.add_line("REPORT RequestId: b\tDuration: 1 ms\tBilled Duration: 1 ms");
        assert_eq!((seen.count, seen.duration_ms), (2, 6.25));
    }
}
