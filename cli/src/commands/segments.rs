//! `kairos segments`: who belongs together, and how far users have been brought to what is watched now.

pub mod backfill;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use futures_util::TryStreamExt;
use kairos_cloud::users::UsersTable;
use kairos_engine::playbook::{Condition, Moments, Playbook, Segment};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;
use kairos_protocol::segmentation::{Backfill, Backfills};
use serde::Serialize;

use super::Done;
use crate::target::{Target, TargetArguments};
use crate::terminal::{Progress, Style, line, note, thousands};

/// What to show of segments.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show the segments of the playbook in force, with how many users are in each (as without a word)
    List,
    /// Say how many users are in a segment
    Count {
        /// The segment's name, as its file in segments/
        segment: String,
    },
    /// Write the members of a segment, one a line: user id, email and phone when known, when they entered it
    Export {
        /// The segment's name, as its file in segments/
        segment: String,
        /// As CSV with a line of headings (as without a word)
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// As one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show how far users have been brought to what the playbook in force watches
    Status,
    /// Tell users, out of the archive, what they did before the playbook in force watched it
    Backfill {
        /// The first day of the archive to read, UTC, as in 2026-11-01; all of it without
        #[arg(long)]
        from: Option<String>,
    },
}

/// Shows what was asked for.
///
/// # Errors
/// When the installation cannot be found or read, or has no such segment.
pub async fn run(arguments: &Arguments) -> Done {
    let target = Target::find(&arguments.target).await?;
    match &arguments.what {
        None | Some(What::List) => list(&target).await?,
        Some(What::Count { segment }) => {
            let program = known(&target, segment).await?;
            let counts = count(&program, &target.records().await?.users()).await?;
            line(counts.get(segment.as_str()).copied().unwrap_or_default());
        }
        Some(What::Export { segment, json, .. }) => {
            let program = known(&target, segment).await?;
            let users = target.records().await?.users();
            let format = if *json { Format::Json } else { Format::Csv };
            let mut out = BufWriter::new(std::io::stdout().lock());
            let exported = export(&program, &users, segment, format, &mut out).await?;
            note(format!("{} members of {segment}", thousands(exported)));
        }
        Some(What::Backfill { from }) => {
            let from = from.as_deref().map(super::archive::day).transpose()?;
            let left = backfill::run(&target, from).await?.map_or(0, |backfilled| backfilled.left);
            return Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Some(What::Status) => status(target.backfills().await?.load().await?.as_ref()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The playbook in force, which has this segment.
async fn known(target: &Target, segment: &str) -> Result<std::sync::Arc<Program>, Box<dyn Error + Send + Sync>> {
    let program = target.playbooks(None).await?.current().await?;
    let segments = &program.playbook().segments;
    if segments.iter().any(|known| known.name == segment) {
        return Ok(program);
    }
    let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
    let there_are = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(format!("the playbook in force has no segment {segment}; it has {there_are}").into())
}

async fn list(target: &Target) -> Result<(), Box<dyn Error + Send + Sync>> {
    let program = target.playbooks(None).await?.current().await?;
    let style = Style::stdout();
    let segments = &program.playbook().segments;
    if segments.is_empty() {
        line("The playbook in force has no segments: write one into segments/NAME.yaml and publish it.");
    }
    let counts = match segments.is_empty() {
        true => BTreeMap::new(),
        false => count(&program, &target.records().await?.users()).await?,
    };
    let width = segments.iter().map(|segment| segment.name.len()).max().unwrap_or_default();
    for segment in segments {
        let members = thousands(counts.get(segment.name.as_str()).copied().unwrap_or_default());
        let since = watched_since(&program, segment);
        let since = since.map(|since| style.dim(format!("  (watched since {since})"))).unwrap_or_default();
        line(format!("{:width$}  {members:>12}  {}{since}", segment.name, segment.title));
    }
    line("");
    status(target.backfills().await?.load().await?.as_ref());
    Ok(())
}

fn status(backfill: Option<&Backfill>) {
    let Some(backfill) = backfill else {
        line("No playbook has been looked at yet: that happens within a minute of its publication.");
        return;
    };
    let style = Style::stdout();
    line(match backfill.finished_at {
        Some(at) => {
            format!("{} Users are up to date with version {} since {at}.", style.good("ok"), backfill.playbook)
        }
        None => format!(
            "{} Users are being brought up to date with version {}, seen at {}: pass {}{}.",
            style.attention("…"),
            backfill.playbook,
            backfill.seen_at,
            backfill.pass,
            if backfill.scanned() == 0 { format!(", from {}", backfill.not_before) } else { String::new() },
        ),
    });
    line(format!(
        "   {} users read in pass {}, {} told to look again{}",
        thousands(backfill.scanned()),
        backfill.pass,
        thousands(backfill.told()),
        match backfill.unreadable() {
            0 => String::new(),
            unreadable => style.bad(format!(", {} could not be read (see the function's log)", thousands(unreadable))),
        }
    ));
}

/// Since when everything that a segment asks for is watched; none when it was from the beginning. Of users who were
/// first seen later, nothing is missing.
pub fn watched_since(program: &Program, segment: &Segment) -> Option<Timestamp> {
    let playbook = program.playbook();
    let mut names = BTreeSet::from([segment.name.as_str()]);
    let mut open = vec![&segment.who];
    let mut asks_readiness = false;
    while let Some(condition) = open.pop() {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => open.extend(parts),
            Condition::Not(part) => open.push(part),
            Condition::Readiness { .. } => asks_readiness = true,
            Condition::Segment(name) if names.insert(name) => {
                open.extend(playbook.segment(name).map(|segment| &segment.who));
            }
            _ => {}
        }
    }
    let segments = playbook.segments.iter().filter(|segment| names.contains(segment.name.as_str()));
    let readiness = playbook.moments.readiness.clone().filter(|_| asks_readiness);
    let alone = Playbook {
        segments: segments.cloned().collect(),
        moments: Moments { readiness, ..playbook.moments.clone() },
        plays: Vec::new(),
        ..playbook.clone()
    };
    // Each part of a playbook that runs, runs.
    let alone = Program::new(alone).ok()?;
    let registers = alone.registers().iter().filter_map(|register| program.register_by_id(register.id()));
    registers.filter_map(|register| playbook.watched_since.get(&register.watch_key()).copied()).max()
}

/// How members are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a line of headings.
    Csv,
    /// One JSON object a line.
    Json,
}

/// A member as it is written.
#[derive(Debug, Serialize)]
struct Member<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'a str>,
    entered_at: String,
}

/// How many users are in each segment, as their own items say it; a segment in which nobody is, is not there.
///
/// # Errors
/// When DynamoDB fails.
pub async fn count<'p>(
    program: &'p Program,
    users: &UsersTable,
) -> Result<BTreeMap<&'p str, u64>, Box<dyn Error + Send + Sync>> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    go_through(users, |state| {
        for (segment, _) in program.memberships(state) {
            *counts.entry(segment.as_str()).or_default() += 1;
        }
        Ok(())
    })
    .await?;
    Ok(counts)
}

/// Writes the members of a segment, in no particular order, holding a few pages of users in memory at a time. Gives how
/// many were written.
///
/// # Errors
/// When DynamoDB fails, or what is written goes nowhere.
pub async fn export(
    program: &Program,
    users: &UsersTable,
    segment: &str,
    format: Format,
    out: &mut impl Write,
) -> Result<u64, Box<dyn Error + Send + Sync>> {
    if format == Format::Csv {
        writeln!(out, "user_id,anonymous_id,email,phone,entered_at")?;
    }
    let mut written = 0;
    go_through(users, |state| {
        let memberships = program.memberships(state);
        let Some((_, entered_at)) = memberships.iter().find(|(name, _)| *name == segment) else { return Ok(()) };
        written += 1;
        write_member(state, *entered_at, format, out)
    })
    .await?;
    out.flush()?;
    Ok(written)
}

/// Looks at what is remembered of every user. Who is in a segment stands there and nowhere else: lists kept beside it
/// would cost a write for each change, a hundred times what it costs to read everybody now and then.
async fn go_through(
    users: &UsersTable,
    mut look: impl FnMut(&UserState) -> Result<(), Box<dyn Error + Send + Sync>>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let progress = Progress::open("users");
    let (mut read, mut unreadable) = (0_u64, 0_u64);
    let mut pages = std::pin::pin!(users.everybody());
    while let Some(page) = pages.try_next().await? {
        for (_, state) in page {
            read += 1;
            match state {
                Ok(state) => look(&state)?,
                Err(_) => unreadable += 1,
            }
        }
        progress.say(format!("{} users read", thousands(read)));
    }
    drop(progress);
    if unreadable > 0 {
        note(format!("{} of {} users could not be read and are left out", thousands(unreadable), thousands(read)));
    }
    Ok(())
}

/// Writes one member.
fn write_member(
    state: &UserState,
    entered_at: Timestamp,
    format: Format,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let member = Member {
        user_id: state.user_id.as_deref(),
        anonymous_id: state.anonymous_id.as_deref(),
        email: state.profile.email.as_deref(),
        phone: state.profile.phone.as_deref(),
        entered_at: entered_at.to_string(),
    };
    match format {
        Format::Csv => {
            let mut row = csv::WriterBuilder::new().buffer_capacity(1_024).from_writer(&mut *out);
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            row.write_record([
                text(member.user_id),
                text(member.anonymous_id),
                text(member.email),
                text(member.phone),
                member.entered_at,
            ])?;
            row.flush()?;
        }
        Format::Json => {
            serde_json::to_writer(&mut *out, &member)?;
            writeln!(out)?;
        }
    }
    Ok(())
}
