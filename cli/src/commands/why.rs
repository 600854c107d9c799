//! `kairos why`: what is known of a user, why they got a message or none, and what would have had to differ.
//!
//! For now from the installation; for any moment of the past by playing recorded events again ([`past`]).

mod paint;
mod past;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use kairos_backtest::Format;
use kairos_cloud::clock::SystemClock;
use kairos_engine::describe::Time;
use kairos_engine::explain::{
    self, Considered, MomentsExplanation, PlayExplanation, SegmentExplanation, facts, name, under_way,
};
use kairos_engine::identifiers::UserKey;
use kairos_engine::money::Currency;
use kairos_engine::outcome::{OutcomeRecord, PlayOutcome};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Clock;
use serde::Serialize;

use super::Done;
use crate::demo::card;
use crate::records::Records;
use crate::target::{Target, TargetArguments};
use crate::terminal::{COLUMNS, Style, line, note, wrapped};

/// How many considerations of a past are shown; JSON has all.
const CONSIDERED_SHOWN_MAX: usize = 30;

/// Whom to tell about, and what.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Times are UTC. A moment of the past is explained from recorded events, which are played again up to then:
  kairos why ann --at \"2026-11-20 10:00\" --events november.ndjson.gz --play abandoned_cart
Formats are those of `kairos backtest`: Segment calls, GA4's export, REES46, purchases.")]
pub struct Arguments {
    /// The user's id in the shop (userId), a visitor's (anonymousId), or an address that they were written to at
    pub user: String,
    /// Explain one play: each condition with its value and threshold, caps, quiet hours, and what would happen now
    #[arg(long, value_name = "PLAY", conflicts_with = "segment")]
    play: Option<String>,
    /// Explain one segment
    #[arg(long, value_name = "SEGMENT")]
    segment: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// A moment of the past, as in 2026-11-20T10:00:00Z or "2026-11-20 10:00"
    #[arg(long, value_name = "TIME", value_parser = time, requires = "events", help_heading = "The past")]
    at: Option<Timestamp>,
    /// Files of recorded events, in the order of time; repeatable
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "at", help_heading = "The past")]
    events: Vec<PathBuf>,
    /// The playbook's folder
    #[arg(long, value_name = "FOLDER", default_value = "playbook", help_heading = "The past")]
    playbook: PathBuf,
    /// The format of the files, when what is in them does not tell
    #[arg(long, value_parser = super::backtest::format, help_heading = "The past")]
    format: Option<Format>,
    /// How people can be reached when the recording has no addresses: email, sms, both or nobody
    #[arg(long, default_value = "email", value_parser = ["email", "sms", "both", "nobody"], help_heading = "The past")]
    assume_reachable: String,
    /// Take visitors for reachable, too
    #[arg(long, help_heading = "The past")]
    assume_visitors_reachable: bool,
    /// The currency of amounts without one, as in EUR
    #[arg(long, value_parser = super::backtest::currency, help_heading = "The past")]
    currency: Option<Currency>,
    #[command(flatten)]
    target: TargetArguments,
}

type Problem = Box<dyn Error + Send + Sync>;

/// A user at some time.
struct Known {
    key: UserKey,
    state: UserState,
    at: Timestamp,
    program: Arc<Program>,
    /// Oldest first.
    considered: Vec<OutcomeRecord>,
    /// What the answer rests on, when that is a recording.
    rests_on: Vec<String>,
}

/// Tells what is known of the user.
///
/// # Errors
/// When the installation or the recording cannot be found or read, or there is no such play or segment.
pub async fn run(arguments: &Arguments) -> Done {
    let (known, records) = match arguments.at {
        Some(at) => (past::known(arguments, at)?, None),
        None => {
            let target = Target::find(&arguments.target).await?;
            let records = target.records().await?;
            (now(arguments, &target, &records).await?, Some(records))
        }
    };
    let Some(known) = known else { return Ok(ExitCode::FAILURE) };
    let answer = answer(arguments, &known)?;
    if arguments.json {
        line(serde_json::to_string_pretty(&answer)?);
        return Ok(ExitCode::SUCCESS);
    }
    let style = Style::stdout();
    let called = name(&known.state).unwrap_or_else(|| arguments.user.clone());
    line(style.bold(format!("{called}, {}", Time(known.at))) + " UTC");
    known
        .rests_on
        .iter()
        .flat_map(|text| wrapped(text, COLUMNS - 2))
        .for_each(|text| line(style.dim(format!("  {text}"))));
    match (&answer.play, answer.segments.as_slice()) {
        (Some(play), _) => paint::play(play, known.at, style).iter().for_each(line),
        (None, [segment]) if arguments.segment.is_some() => {
            paint::segment(segment, known.at, style).iter().for_each(line);
        }
        (None, segments) => {
            let mut known_facts = facts(known.key, &known.state);
            known_facts.extend(under_way(&known.state));
            paint::facts(&known_facts).iter().for_each(line);
            if let Some(moments) = &answer.moments {
                paint::moments(moments, known.at, style).iter().for_each(line);
            }
            paint::memberships(segments, known.at, style).iter().for_each(line);
        }
    }
    if arguments.segment.is_none() {
        considered(arguments, &known, records.as_ref(), style).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is answered.
#[derive(Debug, Serialize)]
struct Answer {
    user: String,
    key: String,
    #[serde(serialize_with = "shown")]
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    play: Option<PlayExplanation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    segments: Vec<SegmentExplanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moments: Option<MomentsExplanation>,
    /// The plays in which the user is on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    under_way: Vec<String>,
    considered: Vec<OfPlay>,
}

/// A consideration of a play.
#[derive(Debug, Serialize)]
struct OfPlay {
    play: String,
    #[serde(flatten)]
    considered: Considered,
}

fn shown<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn answer(arguments: &Arguments, known: &Known) -> Result<Answer, Problem> {
    let Known { key, state, at, program, .. } = known;
    let playbook = program.playbook();
    let play = arguments.play.as_ref().map(|name| {
        let names = playbook.plays.iter().map(|play| play.name.as_str());
        explain::play(program, name, *key, state, *at).ok_or_else(|| unknown("play", name, names))
    });
    let mut segments = Vec::new();
    if play.is_none() {
        segments = explain::segments(program, state, *at);
    }
    if let Some(name) = &arguments.segment {
        segments.retain(|segment| segment.segment == *name);
        if segments.is_empty() {
            let names = playbook.segments.iter().map(|segment| segment.name.as_str());
            return Err(unknown("segment", name, names).into());
        }
    }
    let whole = play.is_none() && arguments.segment.is_none();
    let considered = known.considered.iter().filter(|record| wanted(arguments, record));
    Ok(Answer {
        user: arguments.user.clone(),
        key: key.to_string(),
        at: *at,
        name: name(state),
        play: play.transpose()?,
        segments,
        moments: whole.then(|| explain::moments(program, state, *at)).filter(|found| !found.moments.is_empty()),
        under_way: state
            .plays
            .iter()
            .filter(|(_, play)| play.run.is_some())
            .map(|(name, _)| name.to_string())
            .collect(),
        considered: considered
            .map(|record| OfPlay { play: record.play.to_string(), considered: Considered::of(record) })
            .collect(),
    })
}

fn wanted(arguments: &Arguments, record: &OutcomeRecord) -> bool {
    arguments.segment.is_none() && arguments.play.as_ref().is_none_or(|play| record.play == *play)
}

fn unknown<'n>(what: &str, name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let there_are = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!("the playbook has no {what} {name}; it has {there_are}")
}

/// The user as the installation knows them.
async fn now(arguments: &Arguments, target: &Target, records: &Records) -> Result<Option<Known>, Problem> {
    let Some((key, state)) = found(records, &arguments.user).await? else { return Ok(None) };
    let program = target.playbooks(None).await?.current().await?;
    let at = SystemClock.now().max(state.clock);
    let considered = state.outcomes.clone();
    Ok(Some(Known { key, at, program, considered, rests_on: Vec::new(), state }))
}

/// Whom this text means ([`People::find`]), the likeliest first; says so when nobody is found.
pub(super) async fn found(records: &Records, user: &str) -> Result<Option<(UserKey, UserState)>, Problem> {
    let Some(person) = records.people().find(user).await?.into_iter().next() else {
        line(format!("Nothing is known of {user}."));
        line("Either no event with this userId or anonymousId has come yet, or it was too long ago.");
        return Ok(None);
    };
    let (key, state) = (person.key, person.stored.state);
    if !person.visitors.is_empty() {
        note(format!("This visitor proved to be {}.", name(&state).unwrap_or_else(|| key.to_string())));
    }
    Ok(Some((key, state)))
}

/// What was considered, oldest first, with the messages themselves where there are any.
async fn considered(
    arguments: &Arguments,
    known: &Known,
    records: Option<&Records>,
    style: Style,
) -> Result<(), Problem> {
    let all: Vec<&OutcomeRecord> = known.considered.iter().filter(|record| wanted(arguments, record)).collect();
    line("");
    let until = if records.is_some() { "of late" } else { "until then" };
    if all.is_empty() {
        let what = arguments.play.as_ref().map_or("No play has considered them", |_| "It has not considered them");
        line(format!("{what} {until}."));
        return Ok(());
    }
    line(style.bold(format!("Considered {until}")));
    // A wait that begins again takes the place of the one before it.
    let waits = |record: &OutcomeRecord| matches!(record.outcome, PlayOutcome::Waiting { .. });
    let begins_again = |number: usize| {
        let later = all[number + 1..].iter().find(|later| later.play == all[number].play);
        waits(all[number]) && later.is_some_and(|later| waits(later))
    };
    let all: Vec<&OutcomeRecord> =
        (0..all.len()).filter(|number| !begins_again(*number)).map(|number| all[number]).collect();
    let skipped = all.len().saturating_sub(CONSIDERED_SHOWN_MAX);
    if skipped > 0 {
        line(style.dim(format!("  {skipped} earlier ones are left out; --json has them")));
    }
    for record in &all[skipped..] {
        let heading = format!("  {}  {}", Time(record.at), style.bold(&record.play));
        let delivery = match (record.outcome.clone(), records) {
            (PlayOutcome::Sent { delivery, .. }, Some(records)) => records.delivery(delivery).await?,
            _ => None,
        };
        match delivery {
            Some(delivery) => {
                line(format!("{heading}  {}, {}", card::way(&delivery), delivery.status.as_str()));
                card::body(&delivery, style).into_iter().for_each(line);
            }
            None => {
                line(heading);
                wrapped(&record.outcome.to_string(), COLUMNS - 6).iter().for_each(|text| line(format!("      {text}")));
            }
        }
    }
    Ok(())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{}:00Z", text.replacen(' ', "T", 1)),
        _ if text.ends_with('Z') || text.get(19..).is_some_and(|zone| zone.contains(['+', '-'])) => {
            text.replacen(' ', "T", 1)
        }
        _ => format!("{}Z", text.replacen(' ', "T", 1)),
    };
    Timestamp::parse(&full).ok_or_else(|| "write a time as in 2026-11-20T10:00:00Z or \"2026-11-20 10:00\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (written, read) in [
            ("2026-11-20T10:00:00Z", Some("2026-11-20T10:00:00.000Z")),
            ("2026-11-20 10:00", Some("2026-11-20T10:00:00.000Z")),
            ("2026-11-20T10:00:30", Some("2026-11-20T10:00:30.000Z")),
            ("2026-11-20 10:00:00.250", Some("2026-11-20T10:00:00.250Z")),
            ("2026-11-20T10:00:00+02:00", Some("2026-11-20T08:00:00.000Z")),
            ("2026-11-20", Some("2026-11-20T00:00:00.000Z")),
            ("yesterday", None),
            ("", None),
            ("ééééééééééééé", None),
        ] {
            assert_eq!(time(written).ok().map(|at| at.to_string()).as_deref(), read, "{written}");
        }
    }
}
