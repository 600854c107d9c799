//! When people come and order, who came back, and who stayed away.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::local_time::LocalClock;

use crate::insights::{ChurnCohort, HourReport};
use crate::moments::{Person, Seen};
use crate::report::Month;

/// Counts visits and orders by weekday and hour of the shop's own time.
pub(crate) fn note_hours(hours: &mut HourReport, clock: &LocalClock, person: &Person) {
    let place = |at| {
        let (weekday, minute) = clock.weekday_and_minute(at);
        (usize::from(weekday), usize::from(minute / 60))
    };
    for visit in &person.visits {
        let (weekday, hour) = place(visit.from);
        hours.visits[weekday][hour] += 1;
    }
    for (at, _) in person.moments.iter().filter(|(_, seen)| matches!(seen, Seen::Order { .. })) {
        let (weekday, hour) = place(*at);
        hours.orders[weekday][hour] += 1;
    }
}

/// Counts in which months somebody came, from the first on.
pub(crate) fn note_churn(churn: &mut BTreeMap<Month, ChurnCohort>, person: &Person) {
    let mut months: BTreeSet<Month> = BTreeSet::new();
    for stay in &person.activity {
        let (Some(mut month), Some(last)) = (Month::of(stay.from), Month::of(stay.until)) else { continue };
        // Without a gap of half an hour, there is something in every month between.
        while month <= last {
            months.insert(month);
            month = month.next();
        }
    }
    let (Some(first), Some(last)) = (months.first(), months.last()) else { return };
    let cohort = churn.entry(*first).or_default();
    cohort.people += 1;
    let mut count = |of: fn(&mut ChurnCohort) -> &mut Vec<u64>, month: &Month| {
        let later = month.since(*first);
        let of = of(cohort);
        of.resize(of.len().max(later + 1), 0);
        of[later] += 1;
    };
    months.iter().for_each(|month| count(|cohort| &mut cohort.active, month));
    count(|cohort| &mut cohort.last_seen, last);
}
