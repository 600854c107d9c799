//! What one part of the users makes of a playbook, counted as it happens.

use std::collections::BTreeMap;

use jiff::civil::Date;
use kairos_engine::mailbox::Effect;
use kairos_engine::name::Name;
use kairos_engine::outcome::{InputOutcome, OutcomeRecord, PlayOutcome, Reason};
use kairos_engine::playbook::Playbook;
use kairos_engine::step::Stepped;
use kairos_engine::time::Timestamp;

use crate::calendar::Calendar;
use crate::counts::Counts;

/// Messages by weekday (from Monday) and hour.
pub(crate) type Hours = [[u64; 24]; 7];

/// Counts of everything that is reported.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    calendar: Calendar,
    /// In the order of the playbook.
    pub(crate) plays: Vec<PlayTally>,
    /// In the order of the playbook.
    pub(crate) segments: Vec<SegmentTally>,
    /// What became of the inputs.
    pub(crate) inputs: BTreeMap<InputOutcome, u64>,
    /// Every consideration, where somebody asks for one user's.
    pub(crate) kept: Option<Vec<OutcomeRecord>>,
}

/// Counts of one play.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlayTally {
    pub(crate) days: BTreeMap<Date, Counts>,
    pub(crate) hours: Hours,
    /// How many messages each cap held back.
    pub(crate) caps: BTreeMap<String, u64>,
    /// How many users each variant of each experiment got.
    pub(crate) variants: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Counts of one segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct SegmentTally {
    /// Entries and exits.
    pub(crate) days: BTreeMap<Date, (u64, u64)>,
}

/// Where plays and segments stand in a playbook.
#[derive(Debug, Default)]
pub(crate) struct Places {
    plays: BTreeMap<Name, usize>,
    segments: BTreeMap<Name, usize>,
}

impl Places {
    pub(crate) fn of(playbook: &Playbook) -> Self {
        let plays = playbook.plays.iter().enumerate().map(|(place, play)| (play.name.clone(), place));
        let segments = playbook.segments.iter().enumerate().map(|(place, segment)| (segment.name.clone(), place));
        Self { plays: plays.collect(), segments: segments.collect() }
    }
}

impl Tally {
    pub(crate) fn new(playbook: &Playbook) -> Self {
        Self {
            calendar: Calendar::new(&playbook.policy.time_zone),
            plays: vec![PlayTally::default(); playbook.plays.len()],
            segments: vec![SegmentTally::default(); playbook.segments.len()],
            inputs: BTreeMap::new(),
            kept: None,
        }
    }

    /// Counts what a step has given; tells of each message, by its play and time.
    pub(crate) fn note(&mut self, places: &Places, stepped: &Stepped, mut sent: impl FnMut(usize, Timestamp)) {
        for outcome in &stepped.outcomes {
            *self.inputs.entry(*outcome).or_default() += 1;
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&stepped.considered);
        }
        for OutcomeRecord { at, play, outcome } in &stepped.considered {
            let Some(place) = places.plays.get(play) else { continue };
            let slot = self.calendar.slot(*at);
            let tally = &mut self.plays[*place];
            tally.days.entry(slot.day).or_default().note(outcome);
            match outcome {
                PlayOutcome::Sent { .. } => {
                    tally.hours[slot.weekday][slot.hour] += 1;
                    sent(*place, *at);
                }
                PlayOutcome::NotSent { reason } => {
                    if let Some(cap) = cap_title(reason) {
                        *tally.caps.entry(cap).or_default() += 1;
                    }
                }
                PlayOutcome::Assigned { split, variant } => {
                    let variants = tally.variants.entry(split.clone()).or_default();
                    *variants.entry(variant.clone()).or_default() += 1;
                }
                _ => {}
            }
        }
        for effect in &stepped.effects {
            if let Effect::Member { segment, entered, at, .. } = effect
                && let Some(place) = places.segments.get(segment)
            {
                let slot = self.calendar.slot(*at);
                let (entries, exits) = self.segments[*place].days.entry(slot.day).or_default();
                *if *entered { entries } else { exits } += 1;
            }
        }
    }

    /// Adds another part's counts of the same playbook.
    pub(crate) fn add(&mut self, other: &Self) {
        for (outcome, count) in &other.inputs {
            *self.inputs.entry(*outcome).or_default() += count;
        }
        for (own, other) in self.plays.iter_mut().zip(&other.plays) {
            own.add(other);
        }
        for (own, other) in self.segments.iter_mut().zip(&other.segments) {
            for (day, (entered, left)) in &other.days {
                let (entries, exits) = own.days.entry(*day).or_default();
                *entries += entered;
                *exits += left;
            }
        }
    }
}

impl PlayTally {
    fn add(&mut self, other: &Self) {
        for (day, counts) in &other.days {
            self.days.entry(*day).or_default().add(counts);
        }
        for (own, other) in self.hours.as_flattened_mut().iter_mut().zip(other.hours.as_flattened()) {
            *own += other;
        }
        for (cap, count) in &other.caps {
            *self.caps.entry(cap.clone()).or_default() += count;
        }
        for (split, variants) in &other.variants {
            let own = self.variants.entry(split.clone()).or_default();
            for (variant, count) in variants {
                *own.entry(variant.clone()).or_default() += count;
            }
        }
    }
}

/// What a cap is called in reports.
fn cap_title(reason: &Reason) -> Option<String> {
    match reason {
        Reason::Cap { at_most, per } => Some(format!("{at_most} of this play in {per}")),
        Reason::PolicyCap { channel: None, at_most, per } => Some(format!("{at_most} of all plays in {per}")),
        Reason::PolicyCap { channel: Some(channel), at_most, per } => Some(format!("{at_most} by {channel} in {per}")),
        _ => None,
    }
}
