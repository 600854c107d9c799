//! `kairos experiment`: what an experiment says, and how long one has to run.

mod plan;
mod report;

use std::fs::File;
use std::io::{IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kairos_statistics::experiment::{Looks, Metric};
use kairos_statistics::incremental::Baseline;
use kairos_statistics::multiple::Correction;
use kairos_statistics::sequential::Tuning;
use kairos_statistics::{Experiment, ExperimentError, ExperimentResult, Level, Settings, Variant};

use super::Done;
use super::backtest::percent;
use crate::experiment_file::{self, Row, UserColumns};
use crate::terminal::{Style, line, note};

/// Exit code of a file that is not understood, or of a question that has no answer.
const EXIT_BAD_INPUT: u8 = 2;
/// The share of a variant for which none is declared, where others have one or not.
const EQUAL_SHARE: f64 = 1.0;
/// What the control is usually called.
const USUAL_CONTROLS: [&str; 2] = ["control", "holdout"];
/// Days of the shortest experiment in which every weekday has come.
const WEEK_DAYS: u32 = 7;

/// What to read, and how.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Exit codes: 0 the result can be read, whatever it says; 1 users were not divided as declared,
so that nothing of it may be read; 2 the file is not understood.

The file is CSV or JSON, plain or gzip:
  one line per variant  variant,users,conversions[,revenue,revenue_squares][,share]
                        (revenue_squares: the sum of the squares of what each user spent)
  one line per user     variant,converted[,value][,user], as 1 or 0 and an amount
  JSON                  {\"variants\": [{\"name\": \"control\", \"users\": 1000, \"conversions\": 50}, …]}

What each figure means is told in docs/experiments.md."
)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// The file with the variants; `-` reads standard input
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// The variant that others are compared with; without it `control`, `holdout` or the first one
    #[arg(long, value_name = "VARIANT")]
    control: Option<String>,
    /// What the experiment was made for: the verdict is about that
    #[arg(long, default_value = "conversion", value_parser = ["conversion", "revenue"])]
    metric: String,
    /// This is the only look, at a moment that was fixed beforehand; without it the verdict holds at any time
    #[arg(long)]
    planned: bool,
    /// How many users a variant and the control were expected to have together, before it began: there the intervals for
    /// any time are tightest
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    expected_users: u64,
    /// How often intervals shall hold the truth
    #[arg(long, default_value = "95%", value_parser = level)]
    level: Level,
    /// Whom the control is made of, for incremental figures; without it, what its name says
    #[arg(long, value_parser = ["holdout", "global-control-group", "other-variant"])]
    against: Option<String>,
    /// Take each variant alone: no correction for many of them (Holm's)
    #[arg(long)]
    uncorrected: bool,
    /// For how many days it has been running
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    /// The smallest rise of the conversion rate worth finding, as in 10% of it: tells how many users that takes
    #[arg(long, value_parser = percent)]
    lift: Option<f64>,
    /// How often an effect that is there shall be found
    #[arg(long, default_value = "80%", value_parser = percent)]
    power: f64,
    /// Write the result as JSON to standard output
    #[arg(long)]
    json: bool,

    /// Column: the variant that a user got
    #[arg(long, value_name = "NAME", default_value = "variant", help_heading = "Columns with one line per user")]
    variant_column: String,
    /// Column: whether they converted
    #[arg(long, value_name = "NAME", default_value = "converted", help_heading = "Columns with one line per user")]
    converted_column: String,
    /// Column: what they brought altogether
    #[arg(long, value_name = "NAME", default_value = "value", help_heading = "Columns with one line per user")]
    value_column: String,
    /// Column: who they are, to find those with two lines
    #[arg(long, value_name = "NAME", default_value = "user", help_heading = "Columns with one line per user")]
    user_column: String,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Tell how many users and days an experiment needs (in a file of this name: `./plan`)
    Plan(plan::PlanArguments),
}

/// Reads the experiment and shows what it says.
///
/// # Errors
/// When the result cannot be written. A file that is not understood is exit code 2.
pub fn run(arguments: &Arguments) -> Done {
    let said = match &arguments.what {
        Some(What::Plan(arguments)) => plan::lines(arguments).map(|lines| {
            lines.iter().for_each(line);
            ExitCode::SUCCESS
        }),
        None => read(arguments).map(|(experiment, result, named)| show(arguments, &experiment, &result, named)),
    };
    Ok(said.unwrap_or_else(|what| {
        note(format!("{} {what}", Style::stderr().bad("error:")));
        ExitCode::from(EXIT_BAD_INPUT)
    }))
}

/// How the control was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Asked,
    ByItsName,
    First,
}

fn read(arguments: &Arguments) -> Result<(Experiment, ExperimentResult, Control), String> {
    let file = arguments.file.as_deref().expect("clap asks for it where there is no subcommand");
    let columns = UserColumns {
        variant: arguments.variant_column.clone(),
        converted: arguments.converted_column.clone(),
        value: arguments.value_column.clone(),
        user: arguments.user_column.clone(),
    };
    let name = if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
    let rows = experiment_file::read(open(file, &name)?, &columns).map_err(|error| format!("{name}: {error}"))?;
    let (control, named) = control(arguments.control.as_deref(), &rows);
    let variants = variants(rows).map_err(|why| format!("{name}: {why}"))?;
    let wrong = |error: ExperimentError| format!("{name}: {error}");
    let experiment = Experiment::new(variants, &control).map_err(wrong)?;
    let result = experiment.read(&settings(arguments, &control)).map_err(|error| error.to_string())?;
    Ok((experiment, result, named))
}

fn open(file: &Path, name: &str) -> Result<Box<dyn Read>, String> {
    if file.as_os_str() != "-" {
        return match File::open(file) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(format!("{name} cannot be opened: {error}")),
        };
    }
    if stdin().is_terminal() {
        return Err("standard input is the keyboard: pipe the variants into it, or name a file".to_owned());
    }
    Ok(Box::new(stdin()))
}

/// The name of the control, and how it was found.
fn control(asked: Option<&str>, rows: &[Row]) -> (String, Control) {
    if let Some(asked) = asked {
        return (asked.to_owned(), Control::Asked);
    }
    let usual = USUAL_CONTROLS.iter().find_map(|usual| rows.iter().find(|row| row.name.eq_ignore_ascii_case(usual)));
    match (usual, rows.first()) {
        (Some(row), _) => (row.name.clone(), Control::ByItsName),
        (None, first) => (first.map(|row| row.name.clone()).unwrap_or_default(), Control::First),
    }
}

/// The variants with their shares: all of them declared, or none, which means equal ones.
fn variants(rows: Vec<Row>) -> Result<Vec<Variant>, String> {
    if let Some(with) = rows.iter().find(|row| row.share.is_some())
        && let Some(without) = rows.iter().find(|row| row.share.is_none())
    {
        return Err(format!(
            "`{}` has a share, but `{}` has none: write all of them, or none",
            with.name, without.name
        ));
    }
    let one = |row: Row| Variant { name: row.name, share: row.share.unwrap_or(EQUAL_SHARE), sample: row.sample };
    Ok(rows.into_iter().map(one).collect())
}

fn settings(arguments: &Arguments, control: &str) -> Settings {
    Settings {
        level: arguments.level,
        metric: if arguments.metric == "revenue" { Metric::Revenue } else { Metric::Conversion },
        looks: if arguments.planned { Looks::PlannedOnce } else { Looks::Anytime },
        tuning: Tuning::for_users(arguments.expected_users).expect("clap takes one user or more"),
        correction: if arguments.uncorrected { Correction::None } else { Correction::Holm },
        baseline: baseline(arguments.against.as_deref(), control),
        power: arguments.power / 100.0,
    }
}

/// Whom the control is made of, as somebody says or as its name does. What says nothing is taken for another variant, so
/// that nobody reads a holdout into it.
fn baseline(asked: Option<&str>, control: &str) -> Baseline {
    let control = control.to_ascii_lowercase();
    match asked {
        Some("holdout") => Baseline::Holdout,
        Some("global-control-group") => Baseline::GlobalControlGroup,
        Some(_) => Baseline::OtherVariant,
        None if control.contains("holdout") => Baseline::Holdout,
        None if control.contains("global") => Baseline::GlobalControlGroup,
        None => Baseline::OtherVariant,
    }
}

fn show(arguments: &Arguments, experiment: &Experiment, result: &ExperimentResult, named: Control) -> ExitCode {
    if named == Control::First {
        note(format!("The control is {}, the first variant; --control names another one.", result.control));
    }
    if arguments.json {
        line(serde_json::to_string_pretty(result).expect("names are texts, and numbers are numbers"));
    } else {
        report::lines(experiment, result, Style::stdout()).iter().for_each(line);
        run_time(arguments, experiment, result).iter().for_each(line);
    }
    if result.sample_ratio.mismatch { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What is to be said of users and days, where somebody asked.
fn run_time(arguments: &Arguments, experiment: &Experiment, result: &ExperimentResult) -> Vec<String> {
    if result.sample_ratio.mismatch {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if let Some(days) = arguments.days.filter(|days| *days < WEEK_DAYS) {
        let days = if days == 1 { "one day".to_owned() } else { format!("{days} days") };
        lines.push(format!("It has been running for {days}: weekdays differ, so let it run for whole weeks."));
    }
    if let Some(lift) = arguments.lift {
        let found = plan::lines_of_running(experiment, arguments.days, lift, (arguments.level, arguments.power));
        lines.extend(found.unwrap_or_else(|why| vec![why]));
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

fn level(text: &str) -> Result<Level, String> {
    let level = percent(text).ok().and_then(|percent| Level::new(percent / 100.0));
    level.ok_or_else(|| "write a percentage from 50% to 99.9999%, as in 95%".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "write a number above zero".to_owned())
}
