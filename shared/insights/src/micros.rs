//! Macro-conversions, and what leads to them. `docs/conversions.md` defines the figures.

use std::collections::BTreeMap;

use kairos_engine::playbook::Conversions;
use kairos_engine::time::Timestamp;
use kairos_statistics::rates::{newcombe, wilson};
use kairos_statistics::{Level, Sample};

use crate::NONE;
use crate::counts::DIRECT;
use crate::insights::{Amounts, Difference, Half, MacroReport, MicroReport, Rate};
use crate::moments::{Moments, Person, Seen};

/// A share of people.
pub(crate) fn rate(of: u64, among: u64) -> Option<Rate> {
    let sample = Sample::of_counts(among, of).ok()?;
    Some(Rate { estimate: sample.rate()?.mean, interval: wilson(&sample, Level::USUAL)? })
}

/// How much larger the second share is: each as how many of how many.
pub(crate) fn difference(one: (u64, u64), other: (u64, u64)) -> Option<Difference> {
    let sample = |(of, among): (u64, u64)| Sample::of_counts(among, of).ok();
    let (one, other) = (sample(one)?, sample(other)?);
    let estimate = other.rate()?.mean - one.rate()?.mean;
    Some(Difference { estimate, interval: newcombe(&one, &other, Level::USUAL)? })
}

/// People with a micro-conversion and without it, and how many of both reached the macro-conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stratum {
    pub(crate) with: u64,
    pub(crate) reached_with: u64,
    pub(crate) without: u64,
    pub(crate) reached_without: u64,
}

/// What is true of somebody all the time: by their first source, and by the channel of their last message.
pub(crate) type Strata = BTreeMap<String, Stratum>;

/// Counts persons.
pub(crate) struct Counting<'a> {
    conversions: &'a Conversions,
    moments: &'a Moments,
    /// The newest row.
    end: Timestamp,
    /// Where the second half of the time begins.
    middle: Timestamp,
    pub(crate) people: u64,
    pub(crate) macros: Vec<MacroReport>,
    pub(crate) micros: Vec<MicroReport>,
    /// Of each micro-conversion: by source, by channel.
    pub(crate) strata: Vec<[Strata; 2]>,
}

impl<'a> Counting<'a> {
    pub(crate) fn new(conversions: &'a Conversions, moments: &'a Moments, from: Timestamp, end: Timestamp) -> Self {
        let macros = conversions.macros.iter().map(|one| MacroReport {
            name: one.name.clone(),
            title: one.title.clone(),
            people: 0,
            count: 0,
            value: Amounts::default(),
            rate: None,
        });
        let micros = conversions.micros.iter().map(|one| MicroReport {
            name: one.name.clone(),
            title: one.title.clone(),
            leads_to: one.leads_to.clone(),
            within: one.within,
            count: 0,
            people: 0,
            reached: 0,
            open: 0,
            value: Amounts::default(),
            rate: None,
            people_without: 0,
            reached_without: 0,
            value_without: Amounts::default(),
            rate_without: None,
            difference: None,
            first_half: Half::default(),
            second_half: Half::default(),
        });
        Self {
            conversions,
            moments,
            end,
            middle: Timestamp::from_millis(from.as_millis() + (end.as_millis() - from.as_millis() + 1) / 2),
            people: 0,
            macros: macros.collect(),
            micros: micros.collect(),
            strata: vec![<[Strata; 2]>::default(); conversions.micros.len()],
        }
    }

    pub(crate) fn note(&mut self, person: &Person) {
        if !person.did_something() {
            return;
        }
        self.people += 1;
        for (number, report) in (0..).zip(&mut self.macros) {
            let before = report.count;
            for (_, seen) in &person.moments {
                if let Seen::Macro { of, value, currency } = seen
                    && *of == number
                {
                    report.count += 1;
                    if let Some(value) = value {
                        report.value.add(self.moments.names.name(*currency), *value);
                    }
                }
            }
            report.people += u64::from(report.count > before);
        }
        let strata = self.strata_of(person);
        for number in 0..self.micros.len() {
            self.note_micro(number, person, &strata);
        }
    }

    fn note_micro(&mut self, number: usize, person: &Person, strata: &[String; 2]) {
        let declared = &self.conversions.micros[number];
        let leads_to = self.conversions.macros.iter().position(|one| one.name == declared.leads_to);
        let report = &mut self.micros[number];
        let (mut last, mut reached, mut any) = (None::<Timestamp>, false, false);
        let (mut value, mut value_of_all) = (Amounts::default(), Amounts::default());
        // Whether it was micro, and macro, in each half.
        let mut halves = [(false, false); 2];
        for (at, seen) in &person.moments {
            let half = &mut halves[usize::from(*at >= self.middle)];
            match seen {
                Seen::Micro(of) if usize::from(*of) == number => {
                    report.count += 1;
                    last = Some(*at);
                    half.0 = true;
                }
                Seen::Macro { of, value: worth, currency } if Some(usize::from(*of)) == leads_to => {
                    any = true;
                    half.1 = true;
                    let in_time = last.is_some_and(|last| at.since(last) < declared.within);
                    reached |= in_time;
                    if let Some(worth) = worth {
                        let currency = self.moments.names.name(*currency);
                        value_of_all.add(currency, *worth);
                        if in_time {
                            value.add(currency, *worth);
                        }
                    }
                }
                _ => {}
            }
        }
        match last {
            Some(last) => {
                report.people += 1;
                report.reached += u64::from(reached);
                report.open += u64::from(!reached && self.end.since(last) < declared.within);
                report.value.add_all(&value);
            }
            None => {
                report.people_without += 1;
                report.reached_without += u64::from(any);
                report.value_without.add_all(&value_of_all);
            }
        }
        for (of, value) in self.strata[number].iter_mut().zip(strata) {
            let stratum = of.entry(value.clone()).or_default();
            let (people, reached) = match last {
                Some(_) => (&mut stratum.with, (&mut stratum.reached_with, reached)),
                None => (&mut stratum.without, (&mut stratum.reached_without, any)),
            };
            *people += 1;
            *reached.0 += u64::from(reached.1);
        }
        let was_there = [
            person.activity.iter().any(|stay| stay.from < self.middle),
            person.activity.iter().any(|stay| stay.until >= self.middle),
        ];
        for ((half, (micro, macros)), there) in
            [&mut report.first_half, &mut report.second_half].into_iter().zip(halves).zip(was_there)
        {
            half.people += u64::from(there);
            half.micro += u64::from(micro);
            half.macros += u64::from(macros);
        }
    }

    /// What is true of somebody all the time.
    fn strata_of(&self, person: &Person) -> [String; 2] {
        let source = person.first(|seen| match seen {
            Seen::Source(source) => Some(self.moments.names.name(*source).to_owned()),
            _ => None,
        });
        let channel = person.moments.iter().rev().find_map(|(_, seen)| match seen {
            Seen::Sent(delivery) => Some(self.moments.message(*delivery)?.channel.as_str().to_owned()),
            _ => None,
        });
        [source.unwrap_or_else(|| DIRECT.to_owned()), channel.unwrap_or_else(|| NONE.to_owned())]
    }

    /// Fills in what follows from the counts.
    pub(crate) fn finish(&mut self) {
        for report in &mut self.macros {
            report.rate = rate(report.people, self.people);
        }
        for report in &mut self.micros {
            report.rate = rate(report.reached, report.people);
            report.rate_without = rate(report.reached_without, report.people_without);
            report.difference =
                difference((report.reached_without, report.people_without), (report.reached, report.people));
        }
    }
}
