//! The report: what a recording was, and what a playbook would have made of it.

use std::collections::BTreeMap;
use std::fmt;

use kairos_engine::name::Name;
use kairos_engine::time::Timestamp;
use rayon::prelude::*;
use serde::{Serialize, Serializer};

use crate::compare::{self, Difference, Gate};
use crate::counts::Counts;
use crate::formats::Format;
use crate::shard::{Playing, Shard};
use crate::tally::{Hours, PlayTally, SegmentTally, Tally};

/// Everything that a backtest tells. As JSON it is for programs: fields are added, never changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// What was played.
    pub recording: RecordingReport,
    /// What the playbook would have done.
    pub playbook: PlaybookReport,
    /// What the other one would have done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<PlaybookReport>,
    /// What tells them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// What was asked to hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
}

/// What was played.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RecordingReport {
    /// The files.
    pub files: Vec<FileReport>,
    /// Events in all of them.
    pub events: u64,
    /// People, visitors who are known to be somebody counted as those.
    pub people: u64,
    /// What became of the inputs (events, links, alarms).
    pub inputs: BTreeMap<&'static str, u64>,
    /// The first event.
    #[serde(serialize_with = "shown")]
    pub first_at: Option<Timestamp>,
    /// The last event.
    #[serde(serialize_with = "shown")]
    pub last_at: Option<Timestamp>,
    /// When the clock stopped.
    #[serde(serialize_with = "shown")]
    pub until: Option<Timestamp>,
    /// Rows that were not understood.
    pub wrong_rows: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
    /// Rows that are right but belong to nobody: purchases without a customer, visits without consent.
    pub nobodys_rows: u64,
    /// How late inputs could come to be brought into order, in seconds.
    pub window_s: i64,
    /// Inputs that came later, and were applied late.
    pub late_inputs: u64,
    /// How often there were too many inputs to wait for late ones.
    pub window_cuts: u64,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// Its format; unknown when it is empty.
    pub format: Option<Format>,
    /// Events in it.
    pub events: u64,
    /// Rows that were not understood.
    pub wrong_rows: u64,
}

/// A row that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// What a playbook would have done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaybookReport {
    /// Its version.
    pub version: String,
    /// The time zone of days and hours.
    pub time_zone: String,
    /// All plays together.
    pub total: Counts,
    /// People who would have got a message.
    pub people: u64,
    /// The most messages that one person would have got within seven days.
    pub week_max: u64,
    /// The plays, in the order of the playbook.
    pub plays: Vec<PlayReport>,
    /// The segments, in the order of the playbook.
    pub segments: Vec<SegmentReport>,
}

/// What a play would have done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlayReport {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// How its considerations ended.
    pub total: Counts,
    /// People who would have got a message of it.
    pub people: u64,
    /// Messages that each cap held back.
    pub caps: BTreeMap<String, u64>,
    /// How often each variant of each experiment was drawn.
    pub variants: BTreeMap<String, BTreeMap<String, u64>>,
    /// Days on which something happened.
    pub days: Vec<Day>,
    /// Messages by weekday, from Monday, and hour.
    pub hours: Hours,
}

/// A day of a play.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    /// The day.
    pub day: String,
    /// How considerations ended.
    #[serde(flatten)]
    pub counts: Counts,
}

/// How a segment would have changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentReport {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// How often somebody entered.
    pub entries: u64,
    /// How often somebody left.
    pub exits: u64,
    /// How many are in it at the end.
    pub members: u64,
    /// Days on which somebody came or went.
    pub days: Vec<SegmentDay>,
}

/// A day of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentDay {
    /// The day.
    pub day: String,
    /// How often somebody entered.
    pub entries: u64,
    /// How often somebody left.
    pub exits: u64,
}

/// What can only be told at the end, of one world.
#[derive(Clone, Debug, Default)]
struct Census {
    /// People who are known.
    known: u64,
    /// People who got a message.
    people: u64,
    week_max: u64,
    /// People who got a message of each play.
    plays: Vec<u64>,
    members: BTreeMap<Name, u64>,
}

impl Census {
    fn of(playing: &Playing<'_>, shards: &[Shard], world: usize) -> Self {
        let plays = playing.program.playbook().plays.len();
        let empty = || Self { plays: vec![0; plays], ..Self::default() };
        let count = |shard: &Shard| {
            let mut census = empty();
            for user in shard.worlds[world].users.values() {
                if user.state.forwarded_to.is_none() {
                    census.known += 1;
                    for (segment, _) in playing.program.memberships(&user.state) {
                        *census.members.entry(segment.clone()).or_default() += 1;
                    }
                }
                if let Some(sends) = &user.sends {
                    census.people += 1;
                    census.week_max = census.week_max.max(sends.week_max);
                    sends.plays.iter().for_each(|(play, _)| census.plays[*play] += 1);
                }
            }
            census
        };
        shards.par_iter().map(count).reduce(empty, Self::plus)
    }

    fn plus(mut self, other: Self) -> Self {
        self.known += other.known;
        self.people += other.people;
        self.week_max = self.week_max.max(other.week_max);
        self.plays.iter_mut().zip(other.plays).for_each(|(own, other)| *own += other);
        for (segment, members) in other.members {
            *self.members.entry(segment).or_default() += members;
        }
        self
    }
}

pub(crate) fn sum_up(
    mut recording: RecordingReport,
    playing: &[Playing<'_>],
    shards: &[Shard],
    list_users: bool,
) -> Report {
    let counted = |world: usize| {
        let playing = &playing[world];
        let mut tally = Tally::new(playing.program.playbook());
        shards.iter().for_each(|shard| tally.add(&shard.worlds[world].tally));
        (tally, Census::of(playing, shards, world))
    };
    let (tally, census) = counted(0);
    recording.people = census.known;
    recording.inputs = tally.inputs.iter().map(|(outcome, count)| (outcome.as_str(), *count)).collect();
    let playbook = playbook_report(&playing[0], tally, &census);
    let against = playing.get(1).map(|other| {
        let (tally, census) = counted(1);
        playbook_report(other, tally, &census)
    });
    let difference = against.as_ref().map(|against| compare::difference(&playbook, against, shards, list_users));
    Report { version: 1, recording, playbook, against, difference, gates: Vec::new() }
}

fn playbook_report(playing: &Playing<'_>, tally: Tally, census: &Census) -> PlaybookReport {
    let playbook = playing.program.playbook();
    let plays: Vec<PlayReport> = playbook
        .plays
        .iter()
        .zip(tally.plays)
        .zip(&census.plays)
        .map(|((play, tally), people)| play_report(&play.name, &play.title, tally, *people))
        .collect();
    let mut total = Counts::default();
    plays.iter().for_each(|play| total.add(&play.total));
    let segments = playbook.segments.iter().zip(tally.segments).map(|(segment, tally)| {
        let members = census.members.get(&segment.name).copied().unwrap_or(0);
        segment_report(&segment.name, &segment.title, &tally, members)
    });
    PlaybookReport {
        version: playbook.version.to_string(),
        time_zone: playbook.policy.time_zone.clone(),
        total,
        people: census.people,
        week_max: census.week_max,
        plays,
        segments: segments.collect(),
    }
}

fn play_report(name: &str, title: &str, tally: PlayTally, people: u64) -> PlayReport {
    let mut total = Counts::default();
    tally.days.values().for_each(|counts| total.add(counts));
    PlayReport {
        name: name.to_owned(),
        title: title.to_owned(),
        total,
        people,
        caps: tally.caps,
        variants: tally.variants,
        days: tally.days.into_iter().map(|(day, counts)| Day { day: day.to_string(), counts }).collect(),
        hours: tally.hours,
    }
}

fn segment_report(name: &str, title: &str, tally: &SegmentTally, members: u64) -> SegmentReport {
    let days = tally.days.iter().map(|(day, (entries, exits))| SegmentDay {
        day: day.to_string(),
        entries: *entries,
        exits: *exits,
    });
    SegmentReport {
        name: name.to_owned(),
        title: title.to_owned(),
        entries: tally.days.values().map(|(entries, _)| entries).sum(),
        exits: tally.days.values().map(|(_, exits)| exits).sum(),
        members,
        days: days.collect(),
    }
}

fn shown<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}
