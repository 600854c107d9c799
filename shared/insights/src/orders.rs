//! Who buys how lately, how often and for how much; what orders are worth behind a message; how long they take.

use std::collections::BTreeMap;

use kairos_engine::money::Micros;
use kairos_engine::time::{Span, Timestamp};
use kairos_statistics::means::welch_interval;
use kairos_statistics::{Level, Sample};

use crate::insights::{Difference, OrderValueReport, Quantiles, RfmCell, RfmReport};
use crate::moments::{Moments, Person, Seen};
use crate::report::OrderReport;

/// Somebody's orders.
#[derive(Clone, Debug, Default)]
struct Buyer {
    last: Timestamp,
    orders: u64,
    /// By currency, how many and what they are worth.
    by_currency: BTreeMap<u16, (u64, Micros)>,
}

/// Counts persons' orders.
pub(crate) struct Orders<'a> {
    moments: &'a Moments,
    window: Span,
    buyers: Vec<Buyer>,
    by_currency: BTreeMap<u16, u64>,
    values: BTreeMap<u16, [(OrderReport, Option<Sample>); 2]>,
    since_first: Vec<Span>,
    since_message: Vec<Span>,
}

impl<'a> Orders<'a> {
    pub(crate) fn new(moments: &'a Moments, window: Span) -> Self {
        Self {
            moments,
            window,
            buyers: Vec::new(),
            by_currency: BTreeMap::new(),
            values: BTreeMap::new(),
            since_first: Vec::new(),
            since_message: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, person: &Person) {
        let mut buyer = Buyer::default();
        let mut sent = None::<Timestamp>;
        for (at, seen) in &person.moments {
            match seen {
                Seen::Sent(_) => sent = Some(*at),
                Seen::Order { value, currency } => {
                    if buyer.orders == 0
                        && let Some(first) = person.activity.first()
                    {
                        self.since_first.push(at.since(first.from));
                    }
                    let message = sent.map(|sent| at.since(sent)).filter(|after| *after < self.window);
                    self.since_message.extend(message);
                    self.note_value(message.is_some(), *value, *currency);
                    buyer.last = *at;
                    buyer.orders += 1;
                    let of = buyer.by_currency.entry(*currency).or_default();
                    *of = (of.0 + 1, of.1.plus(value.unwrap_or_default()));
                    *self.by_currency.entry(*currency).or_default() += 1;
                }
                _ => {}
            }
        }
        if buyer.orders > 0 {
            self.buyers.push(buyer);
        }
    }

    fn note_value(&mut self, after_message: bool, value: Option<Micros>, currency: u16) {
        let new = || [(); 2].map(|()| (OrderReport::default(), Some(Sample::default())));
        let (report, sample) = &mut self.values.entry(currency).or_insert_with(new)[usize::from(after_message)];
        report.count += 1;
        if let Some(value) = value {
            report.with_value += 1;
            report.value = report.value.plus(value);
            *sample = sample.and_then(|sample| sample.merge(Sample::of_user(true, value)).ok());
        }
    }

    /// What orders are worth behind a message and without one.
    pub(crate) fn values(&self) -> BTreeMap<String, OrderValueReport> {
        let of = |(currency, [without, after]): (&u16, &[(OrderReport, Option<Sample>); 2])| {
            let difference = || {
                let (without, after) = (without.1?.value()?, after.1?.value()?);
                let interval = welch_interval(&without, &after, Level::USUAL)?;
                Some(Difference { estimate: after.mean - without.mean, interval })
            };
            let report = OrderValueReport {
                after_message: after.0.clone(),
                without: without.0.clone(),
                difference: difference(),
            };
            (self.moments.names.name(*currency).to_owned(), report)
        };
        self.values.iter().map(of).collect()
    }

    /// From the first thing that somebody did to their first order; from the last message to each order.
    pub(crate) fn times(&mut self) -> (Option<Quantiles>, Option<Quantiles>) {
        let times = [&mut self.since_first, &mut self.since_message].map(core::mem::take);
        let [since_first, since_message] = times.map(Quantiles::of);
        (since_first, since_message)
    }

    /// Who buys how lately, how often and for how much: fifths of all who ordered, as Hughes cuts them (Strategic Database
    /// Marketing, 1994). Those who are alike have the same score: one more than the whole fifths of people who are below.
    pub(crate) fn rfm(&self, as_of: Timestamp) -> Option<RfmReport> {
        let names = &self.moments.names;
        // Of as many, the first by name: numbers depend on the order of files.
        let more = |one: &(u16, u64), other: &(u16, u64)| {
            one.1.cmp(&other.1).then_with(|| names.name(other.0).cmp(names.name(one.0)))
        };
        let (currency, _) = self.by_currency.iter().map(|(currency, count)| (*currency, *count)).max_by(more)?;
        let worth = |buyer: &Buyer| buyer.by_currency.get(&currency).map_or(Micros::default(), |(_, value)| *value);
        let sorted = |of: &dyn Fn(&Buyer) -> i64| {
            let mut values: Vec<i64> = self.buyers.iter().map(of).collect();
            values.sort_unstable();
            values
        };
        let recencies = sorted(&|buyer| buyer.last.as_millis());
        let frequencies = sorted(&|buyer| buyer.orders as i64);
        let values = sorted(&|buyer| worth(buyer).get());
        let score = |values: &[i64], value: i64| {
            let below = values.partition_point(|other| *other < value);
            (1 + below * 5 / values.len()) as u8 // at most 5: not all are below
        };
        let mut cells: BTreeMap<(u8, u8, u8), RfmCell> = BTreeMap::new();
        for buyer in &self.buyers {
            let recency = score(&recencies, buyer.last.as_millis());
            let frequency = score(&frequencies, buyer.orders as i64);
            let monetary = score(&values, worth(buyer).get());
            let new = RfmCell { recency, frequency, monetary, people: 0, orders: 0, revenue: Micros::default() };
            let cell = cells.entry((recency, frequency, monetary)).or_insert(new);
            cell.people += 1;
            cell.orders += buyer.orders;
            cell.revenue = cell.revenue.plus(worth(buyer));
        }
        Some(RfmReport {
            as_of,
            currency: names.name(currency).to_owned(),
            people: self.buyers.len() as u64,
            cells: cells.into_values().collect(),
        })
    }
}
