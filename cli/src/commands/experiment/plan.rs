//! `kairos experiment plan`: how many users and days an experiment needs.

use kairos_statistics::power::{self, Demand};
use kairos_statistics::{Experiment, Level};

use super::{level, positive};
use crate::commands::backtest::percent;
use crate::terminal::thousands;

/// Width of what a line is about.
const LABEL: usize = 22;
/// Width of a figure.
const FIGURE: usize = 20;
/// Days of the shortest experiment in which every weekday has come.
const WEEK_DAYS: u64 = 7;

/// What is planned.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArguments {
    /// How many of the users convert now, as in 2%
    #[arg(long, value_parser = percent, required_unless_present = "mean", conflicts_with_all = ["mean", "deviation"])]
    rate: Option<f64>,
    /// What a user brings now on average, as in 3.20 (those who buy nothing counted)
    #[arg(long, value_parser = positive, requires = "deviation")]
    mean: Option<f64>,
    /// The standard deviation of that over users
    #[arg(long, value_parser = positive, requires = "mean")]
    deviation: Option<f64>,
    /// The smallest lift worth finding, as in 10% of what is now
    #[arg(long, value_parser = percent)]
    lift: f64,
    /// How many variants there are, the control among them; each gets the same share
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=20))]
    variants: u8,
    /// How many new users come a day
    #[arg(long, value_name = "N", value_parser = positive)]
    users_per_day: Option<f64>,
    /// How often intervals shall hold the truth
    #[arg(long, default_value = "95%", value_parser = level)]
    level: Level,
    /// How often an effect that is there shall be found
    #[arg(long, default_value = "80%", value_parser = percent)]
    power: f64,
}

/// The lines that tell how many users and days it takes.
///
/// # Errors
/// When that has no answer: what to ask instead.
pub(super) fn lines(arguments: &PlanArguments) -> Result<Vec<String>, String> {
    let lift = 1.0 + arguments.lift / 100.0;
    let asked = Asked {
        level: arguments.level,
        power_percent: arguments.power,
        smallest_share: 1.0 / f64::from(arguments.variants),
        users_per_day: arguments.users_per_day,
    };
    let (what, needed) = match (arguments.rate, arguments.mean, arguments.deviation) {
        (Some(rate), ..) => {
            let what = format!("from {rate} % to {} % of users who convert", rounded(rate * lift));
            (what, asked.lines(|demand| demand.users_for_rates(rate / 100.0, rate / 100.0 * lift))?)
        }
        (None, Some(mean), Some(deviation)) => {
            let what = format!("from {mean} to {} per user", rounded(mean * lift));
            (what, asked.lines(|demand| demand.users_for_means(deviation, mean * lift - mean))?)
        }
        _ => unreachable!("clap asks for a rate, or for a mean with its deviation"),
    };
    match needed {
        Some(needed) => {
            let title = format!("To find a rise {what}, if it is there, {} of 100 times:", arguments.power);
            Ok(std::iter::once(title).chain(needed).collect())
        }
        None => Err(format!("nobody can find a rise {what}: ask for a larger lift of a rate below 100%")),
    }
}

/// The same for an experiment that runs: how many users it takes to find a lift of its conversion rate.
///
/// # Errors
/// As [`lines`].
pub(super) fn lines_of_running(
    experiment: &Experiment,
    days: Option<u32>,
    lift_percent: f64,
    (level, power_percent): (Level, f64),
) -> Result<Vec<String>, String> {
    let shares = experiment.variants().iter().map(|variant| variant.share);
    let users: u64 = experiment.variants().iter().map(|variant| variant.sample.users()).sum();
    let asked = Asked {
        level,
        power_percent,
        smallest_share: shares.clone().fold(f64::INFINITY, f64::min) / shares.sum::<f64>(),
        users_per_day: days.map(|days| users as f64 / f64::from(days)),
    };
    let rate = experiment.control().sample.rate().map_or(0.0, |rate| rate.mean);
    let needed = asked.lines(|demand| demand.users_for_rates(rate, rate * (1.0 + lift_percent / 100.0)))?;
    Ok(match needed {
        Some(needed) => {
            let title = format!("To find a lift of {lift_percent} %, if it is there, {power_percent} of 100 times:");
            std::iter::once(title).chain(needed).collect()
        }
        None => vec![format!("How many users a lift of {lift_percent} % takes cannot be told from this control.")],
    })
}

/// What is asked of an experiment, and what comes to it.
struct Asked {
    level: Level,
    power_percent: f64,
    smallest_share: f64,
    users_per_day: Option<f64>,
}

impl Asked {
    /// A table of what it takes to look once, and to look at any time. `None` when nobody can tell.
    fn lines(&self, users_of: impl Fn(Demand) -> Option<u64>) -> Result<Option<Vec<String>>, String> {
        let power = self.power_percent / 100.0;
        let demands = Demand::of_one_look(self.level, power).zip(Demand::of_any_time(self.level, power));
        let (once, any) = demands.ok_or("a power is from 50% to 99.9%, as in 80%")?;
        let Some((once, any)) = users_of(once).zip(users_of(any)) else { return Ok(None) };
        let days_of = |users| self.users_per_day.and_then(|per_day| power::days(users, per_day, self.smallest_share));
        let row = |label: &str, [group, all, days]: [String; 3]| {
            format!("  {label:LABEL$} {group:>FIGURE$} {all:>FIGURE$} {days:>FIGURE$}").trim_end().to_owned()
        };
        let of = |label: &str, users: u64| {
            let all = (users as f64 / self.smallest_share).ceil();
            row(label, [thousands(users), thousands(all as u64), days_of(users).map(thousands).unwrap_or_default()])
        };
        let days = if self.users_per_day.is_some() { "days" } else { "" };
        let mut lines = vec![
            row("", ["in the smallest group", "users altogether", days].map(str::to_owned)),
            of("one planned look", once),
            of("looking at any time", any),
            format!(
                "Looking at any time is meant with --expected-users {}, and often ends sooner.",
                any.saturating_mul(2)
            ),
        ];
        if days_of(once).is_some_and(|days| days < WEEK_DAYS) {
            lines.push("Let it run for whole weeks all the same: weekdays differ.".to_owned());
        }
        Ok(Some(lines))
    }
}

/// A number to the millionth, without noughts at its end.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
