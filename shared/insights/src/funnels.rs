//! How far people come on ways in steps. `docs/conversions.md` defines the figures.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::bounds::REPORT_SPLIT_VALUES_MAX;
use kairos_engine::playbook::{Attribution, Funnel, FunnelSplit};
use kairos_engine::time::{Span, Timestamp};

use crate::NONE;
use crate::counts::{DIRECT, OTHER};
use crate::insights::{FunnelReport, FunnelSplitReport, FunnelStepReport, Quantiles};
use crate::moments::{Moment, Moments, Person, Seen};

/// Counts persons of one funnel.
pub(crate) struct FunnelCount<'a> {
    number: u16,
    funnel: &'a Funnel,
    attribution: &'a Attribution,
    moments: &'a Moments,
    people: Vec<u64>,
    since_previous: Vec<Vec<Span>>,
    since_first: Vec<Vec<Span>>,
    splits: BTreeMap<(FunnelSplit, String), Vec<u64>>,
}

impl<'a> FunnelCount<'a> {
    pub(crate) fn new(number: u16, funnel: &'a Funnel, attribution: &'a Attribution, moments: &'a Moments) -> Self {
        let steps = funnel.steps.len();
        Self {
            number,
            funnel,
            attribution,
            moments,
            people: vec![0; steps],
            since_previous: vec![Vec::new(); steps],
            since_first: vec![Vec::new(); steps],
            splits: BTreeMap::new(),
        }
    }

    pub(crate) fn note(&mut self, person: &Person) {
        let Some(way) = self.farthest(person) else { return };
        let first = way[0].1;
        for (step, (_, at)) in way.iter().enumerate() {
            self.people[step] += 1;
            if step > 0 {
                self.since_previous[step].push(at.since(way[step - 1].1));
                self.since_first[step].push(at.since(first));
            }
        }
        for split in &self.funnel.splits {
            for value in self.values(*split, &person.moments, way[0].0) {
                let people = self.splits.entry((*split, value)).or_insert_with(|| vec![0; self.funnel.steps.len()]);
                people[..way.len()].iter_mut().for_each(|people| *people += 1);
            }
        }
    }

    /// The steps of somebody's first try among those that got farthest: where each stands in their moments, and when.
    fn farthest(&self, person: &Person) -> Option<Vec<(usize, Timestamp)>> {
        let steps = self.funnel.steps.len();
        // By length: the way that began last. It may become longer than any other, so others need not be known.
        let mut ways: Vec<Option<Vec<(usize, Timestamp)>>> = vec![None; steps];
        let mut farthest: Option<Vec<(usize, Timestamp)>> = None;
        for (place, (at, seen)) in person.moments.iter().enumerate() {
            let Seen::Steps { funnel, steps: bits } = seen else { continue };
            if *funnel != self.number {
                continue;
            }
            // The last step first: what happened once is one step only.
            for step in (0..steps).rev().filter(|step| bits & (1 << step) != 0) {
                let way = match step {
                    0 => Some(Vec::new()),
                    _ => ways[step - 1].clone().filter(|way| at.since(way[0].1) < self.funnel.within),
                };
                let Some(mut way) = way else { continue };
                way.push((place, *at));
                if farthest.as_ref().is_none_or(|known| way.len() > known.len()) {
                    farthest = Some(way.clone());
                }
                ways[step] = Some(way);
            }
        }
        farthest
    }

    /// What is true of somebody at the first step.
    fn values(&self, split: FunnelSplit, moments: &[Moment], place: usize) -> BTreeSet<String> {
        let (before, after) = moments.split_at(place + 1);
        let start = moments[place].0;
        let names = &self.moments.names;
        let mut values = BTreeSet::new();
        match split {
            FunnelSplit::Segment => {
                let mut known = BTreeMap::new();
                for (_, seen) in before {
                    if let Seen::Segment { segment, entered } = seen {
                        known.insert(*segment, *entered);
                    }
                }
                for (_, seen) in after {
                    if let Seen::Segment { segment, entered } = seen {
                        // Who leaves without having entered has been in it all the time.
                        known.entry(*segment).or_insert(!entered);
                    }
                }
                let inside = known.iter().filter(|(_, inside)| **inside);
                values.extend(inside.map(|(segment, _)| names.name(*segment).to_owned()));
            }
            FunnelSplit::Channel => {
                values.extend(before.iter().rev().find_map(|(at, seen)| match seen {
                    Seen::Sent(delivery) if start.since(*at) < self.attribution.window => {
                        Some(self.moments.message(*delivery)?.channel.as_str().to_owned())
                    }
                    _ => None,
                }));
            }
            FunnelSplit::Source => {
                values.extend(before.iter().rev().find_map(|(_, seen)| match seen {
                    Seen::Source(source) => Some(names.name(*source).to_owned()),
                    _ => None,
                }));
            }
        }
        if values.is_empty() {
            let nothing = if split == FunnelSplit::Source { DIRECT } else { NONE };
            values.insert(nothing.to_owned());
        }
        values
    }

    pub(crate) fn finish(self) -> FunnelReport {
        let times = self.since_previous.into_iter().zip(self.since_first);
        let steps = self.funnel.steps.iter().zip(self.people).zip(times);
        let steps = steps.map(|((step, people), (since_previous, since_first))| FunnelStepReport {
            name: step.name.clone(),
            people,
            since_previous: Quantiles::of(since_previous),
            since_first: Quantiles::of(since_first),
        });
        let mut splits = Vec::new();
        for split in &self.funnel.splits {
            splits.extend(shown(*split, &self.splits));
        }
        FunnelReport {
            name: self.funnel.name.clone(),
            title: self.funnel.title.clone(),
            within: self.funnel.within,
            steps: steps.collect(),
            splits,
        }
    }
}

/// The values of a split with most people first, and the rest together.
fn shown(by: FunnelSplit, of: &BTreeMap<(FunnelSplit, String), Vec<u64>>) -> Vec<FunnelSplitReport> {
    let mut all: Vec<(&str, Vec<u64>)> = of
        .iter()
        .filter(|((split, value), _)| *split == by && value != OTHER)
        .map(|((_, value), people)| (value.as_str(), people.clone()))
        .collect();
    all.sort_by(|one, two| two.1[0].cmp(&one.1[0]).then_with(|| one.0.cmp(two.0)));
    let rest = all.split_off(all.len().min(REPORT_SPLIT_VALUES_MAX));
    let named = of.get(&(by, OTHER.to_owned()));
    let other = rest.iter().map(|(_, people)| people).chain(named).fold(None, |sum: Option<Vec<u64>>, people| {
        let mut sum = sum.unwrap_or_else(|| vec![0; people.len()]);
        sum.iter_mut().zip(people).for_each(|(sum, people)| *sum += people);
        Some(sum)
    });
    let all = all.into_iter().chain(other.map(|people| (OTHER, people)));
    all.map(|(value, people)| FunnelSplitReport { by, value: value.to_owned(), people }).collect()
}
