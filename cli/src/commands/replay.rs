//! `kairos replay`: sends a recording of a shop's events as if it had just happened.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kairos_cloud::clock::SystemClock;
use kairos_engine::playbook::Playbook;
use kairos_protocol::port::Clock;

use super::Done;
use crate::calls::{Limits, pack};
use crate::rees46::{LAST_EVENT_AGO, Recording};
use crate::sender::{Destination, Sent, send};
use crate::target::{Target, TargetArguments};
use crate::terminal::{Progress, Style, line, note, thousands};

/// The sources that a recording comes through, preferred first.
pub const SOURCES: &[&str] = &["import", "server"];

/// What to replay, and where to.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A file in REES46's format: CSV, plain or gzip
    pub file: PathBuf,
    #[command(flatten)]
    target: TargetArguments,
    /// Write key of the source; that of `import` (or `server`, or the first) of the playbook in force when absent
    #[arg(long)]
    write_key: Option<String>,
    /// Address of ingest (output IngestUrl of the stack); that of the local engine when absent
    #[arg(long, requires = "write_key")]
    url: Option<String>,
}

/// Sends the recording.
///
/// # Errors
/// When the file is not understood, or the events cannot be sent. Refused events are exit code 1.
pub async fn run(arguments: &Arguments) -> Done {
    let recording = read(&arguments.file)?;
    let destination = destination(arguments).await?;
    let sent = replay(&recording, &destination).await?;
    report(&recording, &sent);
    Ok(if sent.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads a recording.
///
/// # Errors
/// When it cannot be read or understood.
pub fn read(file: &Path) -> Result<Recording, Box<dyn std::error::Error + Send + Sync>> {
    let opened = File::open(file).map_err(|error| format!("{} cannot be opened: {error}", file.display()))?;
    Ok(Recording::read(opened).map_err(|error| format!("{}: {error}", file.display()))?)
}

/// Sends a recording with its times shifted to just now.
///
/// # Errors
/// When it cannot be sent.
pub async fn replay(
    recording: &Recording,
    destination: &Destination,
) -> Result<Sent, Box<dyn std::error::Error + Send + Sync>> {
    let people = recording.calls(SystemClock.now());
    let packed = pack(&people, Limits::API);
    let calls = people.iter().map(Vec::len).sum();
    note(format!(
        "  {} events of {} people, the last one {LAST_EVENT_AGO} ago, in {} requests",
        thousands(recording.events() as u64),
        thousands(recording.people() as u64),
        packed.iter().flatten().count(),
    ));
    let progress = Progress::counted(calls, "events");
    Ok(send(destination, &packed, &progress).await?)
}

/// Says what became of the events.
pub fn report(recording: &Recording, sent: &Sent) {
    let style = Style::stdout();
    let calls = recording.events() + recording.people();
    let accepted = format!(
        "accepted {} of {} events and identify calls ({} + {})",
        thousands(sent.accepted as u64),
        thousands(calls as u64),
        thousands(recording.events() as u64),
        thousands(recording.people() as u64),
    );
    line(if sent.refused.is_empty() { style.good(&accepted) } else { style.attention(&accepted) });
    for (reason, count) in &sent.refused {
        line(format!("{} {} × {reason}", style.bad("refused"), thousands(*count as u64)));
    }
    if sent.retries > 0 {
        line(
            style.dim(format!(
                "{} requests, {} tries more because the server said \"later\"",
                sent.requests, sent.retries
            )),
        );
    }
}

/// The write key of the first of these sources that the playbook has, or else of any.
pub fn source(playbook: &Playbook, names: &[&str]) -> Option<String> {
    let named = names.iter().find_map(|name| playbook.sources.iter().find(|source| source.name == *name));
    named.or_else(|| playbook.sources.first()).map(|source| source.write_key.clone())
}

async fn destination(arguments: &Arguments) -> Result<Destination, Box<dyn std::error::Error + Send + Sync>> {
    if let (Some(url), Some(write_key)) = (&arguments.url, &arguments.write_key) {
        return Ok(Destination { url: url.clone(), write_key: write_key.clone() });
    }
    let target = Target::find(&arguments.target).await?;
    let Some(stack) = &target.local else {
        return Err("for a stack in AWS, name its output IngestUrl with --url and a write key with --write-key".into());
    };
    let write_key = match &arguments.write_key {
        Some(write_key) => write_key.clone(),
        None => {
            let playbook = target.playbooks(None).await?.in_force().await?;
            source(&playbook, SOURCES).ok_or("the playbook in force has no source: add one, or use --write-key")?
        }
    };
    Ok(Destination { url: stack.ingest_url.clone(), write_key })
}
