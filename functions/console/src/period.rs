//! For which days a page shows figures: it stands in the address, so that whoever gets it sees the same.

use jiff::ToSpan as _;
use jiff::civil::Date;
use kairos_engine::bounds::CONSOLE_DAYS_MAX;
use kairos_engine::time::{Span, Timestamp};

use crate::format::{self, ShopClock};
use crate::problem::Problem;
use crate::request::Fields;

/// Some days, in the shop's zone, up to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// From when on.
    pub from: Timestamp,
    /// Until when, without that instant.
    pub to: Timestamp,
    /// The first day.
    pub first: Date,
    /// The last day.
    pub last: Date,
    /// How it was asked for: `today`, `7d`, `30d`, `90d`, or `custom`.
    pub choice: &'static str,
}

/// What there is to choose, with its words.
pub const CHOICES: [(&str, &str, i32); 4] =
    [("today", "Today", 1), ("7d", "7 days", 7), ("30d", "30 days", 30), ("90d", "90 days", 90)];
/// What is shown when nothing was chosen.
const DEFAULT: &str = "7d";

impl Period {
    /// What a query asks for: `period`, or `from` and `to` as days.
    ///
    /// # Errors
    /// When it names no days, or too many.
    pub fn of(query: &Fields, clock: &ShopClock, now: Timestamp) -> Result<Self, Problem> {
        let today = clock.day(now);
        let (first, last, choice) = match (query.get("from"), query.get("to")) {
            (None, None) => {
                let wanted = query.get("period").unwrap_or(DEFAULT);
                let known = CHOICES.into_iter().find(|(name, _, _)| *name == wanted);
                let (choice, _, days) = known.ok_or_else(|| {
                    let all = CHOICES.map(|(name, _, _)| name).join(", ");
                    Problem::NotUnderstood(format!("There is no such period. Write one of {all}, or from and to."))
                })?;
                (today.saturating_sub((days - 1).days()), today, choice)
            }
            (from, to) => {
                let day = |text: Option<&str>, missing: Option<Date>| match text {
                    Some(text) => text.parse::<Date>().ok(),
                    None => missing,
                };
                let last = day(to, Some(today)).map(|last| last.min(today));
                let (Some(first), Some(last)) = (day(from, last), last) else {
                    let said = "From and to are days, written as 2026-11-22.";
                    return Err(Problem::NotUnderstood(said.to_owned()));
                };
                (first, last, "custom")
            }
        };
        let days = days_between(first, last);
        if days < 1 || days > i64::from(CONSOLE_DAYS_MAX) {
            let said = format!("From must be a day before to, and at most {CONSOLE_DAYS_MAX} days may lie between.");
            return Err(Problem::NotUnderstood(said));
        }
        let to = clock.midnight(last.saturating_add(1.day())).min(now.plus(Span::from_millis(1)));
        Ok(Self { from: clock.midnight(first), to, first, last, choice })
    }

    /// How many days.
    pub fn days(&self) -> i64 {
        days_between(self.first, self.last)
    }

    /// In words: `16 Nov 2026 to 22 Nov 2026`.
    pub fn words(&self) -> String {
        match self.first == self.last {
            true => format::day(self.first),
            false => format!("{} to {}", format::day(self.first), format::day(self.last)),
        }
    }

    /// As many days right before these, until the same time of the day: half a day is compared with half a day. That is rounded
    /// up to the hour, as figures are.
    #[must_use]
    pub fn before(&self, clock: &ShopClock) -> Self {
        let days = i32::try_from(self.days()).unwrap_or(1);
        let first = self.first.saturating_sub(days.days());
        let last = self.first.saturating_sub(1.day());
        let from = clock.midnight(first);
        let to = self.to.minus(self.from.since(from)).as_millis();
        let hour = Span::from_hours(1).as_millis();
        let to = Timestamp::from_millis((to + hour - 1).div_euclid(hour) * hour).min(self.from);
        Self { from, to, first, last, choice: "custom" }
    }
}

fn days_between(first: Date, last: Date) -> i64 {
    first.until(last).map(|span| i64::from(span.get_days()) + 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(query: &str) -> Result<Period, Problem> {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        Period::of(&Fields::read(query).unwrap(), &ShopClock::of("Europe/Vienna"), now)
    }

    #[test]
    fn a_period_is_whole_days_of_the_shop_up_to_now() {
        for (query, from, to, words, days) in [
            ("", "2026-11-15T23:00:00Z", "2026-11-22T12:00:00.001Z", "16 Nov 2026 to 22 Nov 2026", 7),
            ("period=today", "2026-11-21T23:00:00Z", "2026-11-22T12:00:00.001Z", "22 Nov 2026", 1),
            ("period=30d", "2026-10-23T22:00:00Z", "2026-11-22T12:00:00.001Z", "24 Oct 2026 to 22 Nov 2026", 30),
            (
                "from=2026-11-01&to=2026-11-02",
                "2026-10-31T23:00:00Z",
                "2026-11-02T23:00:00Z",
                "1 Nov 2026 to 2 Nov 2026",
                2,
            ),
            (
                "from=2026-11-20&to=2027-01-01",
                "2026-11-19T23:00:00Z",
                "2026-11-22T12:00:00.001Z",
                "20 Nov 2026 to 22 Nov 2026",
                3,
            ),
            ("to=2026-11-20", "2026-11-19T23:00:00Z", "2026-11-20T23:00:00Z", "20 Nov 2026", 1),
        ] {
            let period = period(query).unwrap();
            let at = |text| Timestamp::parse(text).unwrap();
            assert_eq!((period.from, period.to), (at(from), at(to)), "{query}");
            assert_eq!((period.words().as_str(), period.days()), (words, days), "{query}");
        }
        let before = period("from=2026-11-08&to=2026-11-14").unwrap().before(&ShopClock::of("Europe/Vienna"));
        assert_eq!((before.words().as_str(), before.days()), ("1 Nov 2026 to 7 Nov 2026", 7));
        assert_eq!(before.to, Timestamp::parse("2026-11-07T23:00:00Z").unwrap());
        let yesterday = period("period=today").unwrap().before(&ShopClock::of("Europe/Vienna"));
        let until = Timestamp::parse("2026-11-21T13:00:00Z").unwrap();
        assert_eq!((yesterday.words().as_str(), yesterday.to), ("21 Nov 2026", until), "no more of the day than today");
    }

    #[test]
    fn days_that_are_none_are_refused_with_what_to_write() {
        for query in [
            "period=forever",
            "from=yesterday",
            "from=2026-02-30",
            "from=2026-11-22&to=2026-11-01",
            "from=1999-01-01",
            "from=-009999-01-01&to=9999-12-31",
        ] {
            let problem = period(query).unwrap_err();
            assert_eq!(problem.status(), 400, "{query}: {problem}");
        }
    }
}
