//! The demo: the real system on this machine, a shop's day through its front door, and the messages it
//! leads to.

pub mod card;
pub mod console;
pub mod evening;
mod findings;
pub(crate) mod push_service;
mod quiet;
mod report;

use std::path::PathBuf;
use std::time::Instant;

use kairos_cloud::clock::SystemClock;
use kairos_engine::playbook::Playbook;
use kairos_protocol::port::Clock;

use crate::calls::{Limits, pack};
use crate::commands::check::checked_with_warnings;
use crate::commands::replay;
use crate::local::{Engine, UpOptions};
use crate::rees46::Recording;
use crate::sender::{Destination, Sent, send};
use crate::shop_day;
use crate::target::Target;
use crate::terminal::{Progress, Style, line, note, thousands};
use findings::Findings;
use push_service::PushService;

/// The source that shoppers' browsers use.
const WEBSITE: &[&str] = &["website"];

/// What to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// The playbook's folder.
    pub playbook: PathBuf,
    /// A recording to replay; a generated day when absent.
    pub recording: Option<PathBuf>,
    /// Whether to replay it a second time.
    pub twice: bool,
    /// Which day is generated.
    pub seed: u64,
}

/// Whether everything was as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Fine,
    /// Something was not, and has been said.
    Wrong,
}

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Shows the demo on an engine that is started here; the caller stops it.
///
/// # Errors
/// When it cannot be shown.
pub async fn show(engine: &Engine, up: &UpOptions, options: &Options) -> Result<Verdict, Failure> {
    let started = Instant::now();
    let (playbook, warnings) = checked_with_warnings(&options.playbook)
        .ok_or("the playbook must be in order before it can be shown at work")?;
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let sources = if options.recording.is_some() { replay::SOURCES } else { WEBSITE };
    let write_key = replay::source(&playbook, sources).ok_or("the playbook has no source, so no event can be sent")?;

    // Read first: a file that cannot be understood should not cost a start of everything.
    let recording = options.recording.as_deref().map(replay::read).transpose()?;

    stage(1, "Starting the local engine and deploying template.yaml");
    let browsers = PushService::start()?;
    let mut up = up.clone();
    up.parameters.push(("MessengersStandIn".to_owned(), browsers.authority().to_owned()));
    let stack = engine.up(&up).await?;
    let destination = Destination { url: stack.ingest_url.clone(), write_key };
    let target = Target::local(stack);

    stage(2, "Publishing the playbook");
    target.playbooks(None).await?.publish_checked(&playbook, &warnings).await?;
    note(format!("  {}", kairos_playbook::summary(&playbook)));

    let verdict = match &recording {
        None => generated_day(&target, &destination, &playbook, &browsers, options.seed).await?,
        Some(recording) => replayed(&target, &destination, recording, &browsers, options.twice).await?,
    };
    let said = match verdict {
        Verdict::Fine => Style::stdout().good("Everything is as it should be."),
        Verdict::Wrong => Style::stdout().bad("Something is not as it should be; see above."),
    };
    line("");
    line(format!("{said} This took {:.0} s.", started.elapsed().as_secs_f64()));
    Ok(verdict)
}

async fn generated_day(
    target: &Target,
    destination: &Destination,
    playbook: &Playbook,
    browsers: &PushService,
    seed: u64,
) -> Result<Verdict, Failure> {
    let began = SystemClock.now();
    let people = shop_day::generate(seed, began);
    let events: usize = people.iter().map(Vec::len).sum();
    stage(
        3,
        &format!("Sending the day of a small shop: {} shoppers, {} events", people.len(), thousands(events as u64)),
    );
    // Each shopper's device sends for itself.
    let packed: Vec<_> = people.iter().flat_map(|calls| pack(std::slice::from_ref(calls), Limits::API)).collect();
    let sent = send(destination, &packed, &Progress::counted(events, "events")).await?;

    stage(4, "Waiting until everything that is due has been done; some carts become due right now");
    let settled = quiet::wait(target).await?;
    let findings = Findings::gather(target, browsers).await?;
    report::messages(&findings, playbook, began);
    let events = report::Events { events, introductions: 0 };
    let verdict = report::numbers(&findings, &sent, events, began);
    Ok(if settled { verdict } else { Verdict::Wrong })
}

async fn replayed(
    target: &Target,
    destination: &Destination,
    recording: &Recording,
    browsers: &PushService,
    twice: bool,
) -> Result<Verdict, Failure> {
    stage(3, "Replaying the recording");
    let began = SystemClock.now();
    let sent = replay::replay(recording, destination).await?;
    stage(4, "Waiting until everything that is due has been done");
    let mut settled = quiet::wait(target).await?;
    let findings = Findings::gather(target, browsers).await?;
    let events = report::Events { events: recording.events(), introductions: recording.people() };
    report::samples(&findings);
    let mut verdict = report::numbers(&findings, &sent, events, began);
    report::carts(&findings, recording);
    if twice {
        stage(5, "Replaying it a second time against the same stack");
        let again: Sent = replay::replay(recording, destination).await?;
        settled &= quiet::wait(target).await?;
        let after = Findings::gather(target, browsers).await?;
        if report::second_time(&findings, &after, &again, events) == Verdict::Wrong {
            verdict = Verdict::Wrong;
        }
    }
    Ok(if settled { verdict } else { Verdict::Wrong })
}

fn stage(number: usize, what: &str) {
    note(Style::stderr().bold(format!("{number}. {what} …")));
}
