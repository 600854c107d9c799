//! To what macro-conversions are credited. `docs/conversions.md` defines the models.

use std::collections::BTreeMap;

use kairos_engine::money::Micros;
use kairos_engine::playbook::{Attribution, AttributionModel, MacroConversion, MessageTouch};
use kairos_engine::time::Timestamp;

use crate::counts::DIRECT;
use crate::insights::{AttributionReport, Credit, Credits, MessageCredits};
use crate::moments::{MessageKey, Moment, Moments, Person, Seen};

/// One conversion.
const WHOLE: u64 = 1_000_000;

/// Credits one macro-conversion.
pub(crate) struct Crediting<'a> {
    number: u16,
    conversion: &'a MacroConversion,
    attribution: &'a Attribution,
    moments: &'a Moments,
    total: Credit,
    without_message: Credit,
    without_visit: Credit,
    messages: BTreeMap<&'a MessageKey, Credits>,
    sources: BTreeMap<&'a str, Credits>,
}

impl<'a> Crediting<'a> {
    pub(crate) fn new(
        number: u16,
        conversion: &'a MacroConversion,
        attribution: &'a Attribution,
        moments: &'a Moments,
    ) -> Self {
        Self {
            number,
            conversion,
            attribution,
            moments,
            total: Credit::default(),
            without_message: Credit::default(),
            without_visit: Credit::default(),
            messages: BTreeMap::new(),
            sources: BTreeMap::new(),
        }
    }

    pub(crate) fn note(&mut self, person: &Person) {
        for (place, (at, seen)) in person.moments.iter().enumerate() {
            let Seen::Macro { of, value, currency } = seen else { continue };
            if *of != self.number {
                continue;
            }
            let worth = value.map(|value| (self.moments.names.name(*currency), value));
            self.total.add(WHOLE, worth);
            let before: Vec<&Moment> =
                person.moments[..place].iter().filter(|(then, _)| at.since(*then) < self.attribution.window).collect();
            self.credit_messages(&before, *at, worth);
            self.credit_sources(person, &before, *at, worth);
        }
    }

    fn credit_messages(&mut self, before: &[&Moment], at: Timestamp, worth: Option<(&str, Micros)>) {
        // Each delivery once, with its last touch.
        let mut last: BTreeMap<u32, Timestamp> = BTreeMap::new();
        for (then, seen) in before {
            let touched = match (self.attribution.touch, seen) {
                (MessageTouch::Sent, Seen::Sent(delivery))
                | (MessageTouch::Opened, Seen::Opened(delivery) | Seen::Clicked(delivery))
                | (MessageTouch::Clicked, Seen::Clicked(delivery)) => *delivery,
                _ => continue,
            };
            last.insert(touched, *then);
        }
        let mut touches: Vec<(Timestamp, &MessageKey)> =
            last.into_iter().filter_map(|(delivery, then)| Some((then, self.moments.message(delivery)?))).collect();
        // At the same time, by name: how deliveries are numbered depends on the order of files.
        touches.sort();
        if touches.is_empty() {
            self.without_message.add(WHOLE, worth);
        }
        share_out(self.attribution.model, &touches, at, worth, &mut self.messages);
    }

    fn credit_sources(&mut self, person: &Person, before: &[&Moment], at: Timestamp, worth: Option<(&str, Micros)>) {
        let source = |(then, seen): &&Moment| match seen {
            Seen::Source(source) => Some((*then, self.moments.names.name(*source))),
            _ => None,
        };
        let mut touches: Vec<(Timestamp, &str)> = before.iter().filter_map(source).collect();
        touches.sort();
        if touches.is_empty() {
            let visit = person
                .visits
                .iter()
                .rev()
                .find(|visit| visit.from <= at && at.since(visit.until) < self.attribution.window);
            match visit {
                Some(visit) => touches.push((visit.from, DIRECT)),
                None => self.without_visit.add(WHOLE, worth),
            }
        }
        share_out(self.attribution.model, &touches, at, worth, &mut self.sources);
    }

    pub(crate) fn finish(self) -> AttributionReport {
        let mut report = AttributionReport {
            conversion: self.conversion.name.clone(),
            window: self.attribution.window,
            model: self.attribution.model.as_str().to_owned(),
            touch: self.attribution.touch,
            total: self.total,
            without_message: self.without_message,
            messages: Vec::new(),
            plays: BTreeMap::new(),
            channels: BTreeMap::new(),
            without_visit: self.without_visit,
            sources: self.sources.into_iter().map(|(source, credits)| (source.to_owned(), credits)).collect(),
        };
        for (message, credits) in self.messages {
            report.plays.entry(message.play.clone()).or_default().add(&credits);
            report.channels.entry(message.channel).or_default().add(&credits);
            let MessageKey { play, message, channel } = message.clone();
            report.messages.push(MessageCredits { play, message, channel, credits });
        }
        report
    }
}

/// Gives each touch its part, and the last one all of it beside that.
fn share_out<T: Copy + Ord>(
    model: AttributionModel,
    touches: &[(Timestamp, T)],
    at: Timestamp,
    worth: Option<(&str, Micros)>,
    credits: &mut BTreeMap<T, Credits>,
) {
    let Some((_, last)) = touches.last() else { return };
    credits.entry(*last).or_default().last.add(WHOLE, worth);
    let times: Vec<Timestamp> = touches.iter().map(|(then, _)| *then).collect();
    let parts = parts(model, &times, at);
    let mut rest = worth.map(|(_, value)| value.get()).unwrap_or_default();
    for (place, ((_, touch), part)) in touches.iter().zip(&parts).enumerate() {
        let value = match place + 1 == touches.len() {
            true => rest,
            false => {
                let value = worth.map(|(_, value)| value.get()).unwrap_or_default();
                (i128::from(value) * i128::from(*part) / i128::from(WHOLE)) as i64 // at most the value itself
            }
        };
        rest -= value;
        credits.entry(*touch).or_default().shared.add(*part, worth.map(|(currency, _)| (currency, Micros::new(value))));
    }
}

/// The part of each touch, in millionths, the earliest first: together one whole. What is lost by rounding down is the last
/// one's.
pub(crate) fn parts(model: AttributionModel, times: &[Timestamp], at: Timestamp) -> Vec<u64> {
    let count = times.len();
    let weights: Vec<f64> = match model {
        AttributionModel::LastTouch => (1..=count).map(|place| if place == count { 1.0 } else { 0.0 }).collect(),
        AttributionModel::Linear => vec![1.0; count],
        AttributionModel::TimeDecay { half_life } => {
            // From the last touch on, so that of very old ones something is left.
            let newest = times.last().copied().unwrap_or(at);
            let age = |then: &Timestamp| newest.since(*then).as_millis() as f64 / half_life.as_millis().max(1) as f64;
            times.iter().map(|then| (-age(then)).exp2()).collect()
        }
        AttributionModel::PositionBased => match count {
            0..=2 => vec![1.0; count],
            _ => (1..=count)
                .map(|place| if place == 1 || place == count { 0.4 } else { 0.2 / (count - 2) as f64 })
                .collect(),
        },
    };
    let sum: f64 = weights.iter().sum();
    let mut parts: Vec<u64> = weights.iter().map(|weight| (weight / sum * WHOLE as f64 + 1e-6) as u64).collect();
    let given: u64 = parts.iter().sum();
    if let Some(last) = parts.last_mut() {
        *last += WHOLE - given.min(WHOLE);
    }
    parts
}

impl Credit {
    fn add(&mut self, micros: u64, worth: Option<(&str, Micros)>) {
        self.conversion_micros += micros;
        if let Some((currency, value)) = worth {
            self.value.add(currency, value);
        }
    }
}

impl Credits {
    fn add(&mut self, other: &Self) {
        for (own, other) in [(&mut self.last, &other.last), (&mut self.shared, &other.shared)] {
            own.conversion_micros += other.conversion_micros;
            own.value.add_all(&other.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::time::Span;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_millis(day * 86_400_000)
    }

    #[test]
    fn each_model_shares_one_conversion_out_as_it_says() {
        let week = Span::from_hours(7 * 24);
        for (model, days, expected) in [
            (AttributionModel::LastTouch, vec![1, 2, 3], vec![0, 0, 1_000_000]),
            (AttributionModel::Linear, vec![1, 2, 3], vec![333_333, 333_333, 333_334]),
            (AttributionModel::Linear, vec![1], vec![1_000_000]),
            // Two weeks, one week, and none before the last: 1/4, 1/2 and 1 of 7/4.
            (AttributionModel::TimeDecay { half_life: week }, vec![1, 8, 15], vec![142_857, 285_714, 571_429]),
            (AttributionModel::PositionBased, vec![1, 2], vec![500_000, 500_000]),
            (AttributionModel::PositionBased, vec![1, 2, 3, 4], vec![400_000, 100_000, 100_000, 400_000]),
            (AttributionModel::PositionBased, vec![5], vec![1_000_000]),
        ] {
            let times: Vec<Timestamp> = days.iter().map(|day| at(*day)).collect();
            let parts = parts(model, &times, at(20));
            assert_eq!(parts, expected, "{model:?}");
            assert_eq!(parts.iter().sum::<u64>(), WHOLE);
        }
    }
}
