//! `kairos report`: what plays have done and earned, by the archive's own files.

mod insights;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flate2::read::MultiGzDecoder;
use kairos_engine::facts::Row;
use kairos_engine::playbook::Playbook;
use kairos_insights::experiments::{Comparison, Reading, of_playbook};
use kairos_insights::{CustomerReport, MessageReport, PlayReport, Report, Tally};
use kairos_statistics::verdict::VerdictKind;

use super::Done;
use crate::terminal::{COLUMNS, Progress, Style, line, note, shortened, thousands, wrapped};

/// Exit code of files that are not understood.
const EXIT_BAD_INPUT: u8 = 2;
/// Rows that are not understood of which each is shown.
const PROBLEMS_SHOWN_MAX: usize = 10;
/// Months that are shown, and months after each.
const COHORTS_SHOWN_MAX: usize = 14;
/// Width of names.
const NAME: usize = 26;
/// Width of a figure.
const FIGURE: usize = 10;

/// What to read, and how to show it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 the report is whole; 2 a file or a row is not understood, which the report says.

What the figures mean is told in docs/archive.md, docs/conversions.md and docs/experiments.md.")]
pub struct Arguments {
    /// Files of the archive, as `kairos archive get` fetches them; plain or gzip
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The playbook whose conversions and experiments are read
    #[arg(long, default_value = "playbook")]
    playbook: PathBuf,
    /// Only this play
    #[arg(long)]
    play: Option<String>,
    /// Write the report as JSON to standard output
    #[arg(long)]
    json: bool,
}

/// Counts the files' rows and shows what they say.
///
/// # Errors
/// When the report cannot be written.
pub fn run(arguments: &Arguments) -> Done {
    let mut files = arguments.files.clone();
    // The order of their names is that of time.
    files.sort();
    let playbook = playbook(&arguments.playbook);
    let mut tally = Tally::of(&playbook);
    let mut problems = Problems::default();
    let progress = Progress::counted(files.len(), "files");
    for file in &files {
        count(file, &mut tally, &mut problems);
        progress.advance(1);
    }
    drop(progress);
    let bad = Style::stderr().bad("error:");
    problems.first.iter().for_each(|problem| note(format!("{bad} {problem}")));
    if problems.more > 0 {
        note(format!("{bad} … and {} more", thousands(problems.more)));
    }
    let mut report = tally.report();
    let mut experiments: Vec<Reading> =
        of_playbook(&playbook, &tally.exposures()).into_iter().map(Comparison::read).collect();
    let insights = tally.insights();
    if tally.moments_left_out() > 0 {
        let left_out = thousands(tally.moments_left_out());
        note(format!("{left_out} moments had no room: give fewer days for whole conversions, funnels and attribution"));
    }
    if let Some(play) = &arguments.play {
        report.plays.retain(|name, _| **name == **play);
        experiments.retain(|one| one.play == *play);
    }
    if arguments.json {
        let all = serde_json::json!({ "report": report, "experiments": experiments, "insights": insights });
        line(serde_json::to_string_pretty(&all)?);
    } else {
        lines(&report, &experiments, Style::stdout()).iter().for_each(line);
        // A single play is asked for to see just that.
        if arguments.play.is_none() {
            insights::lines(&insights, Style::stdout()).iter().for_each(line);
        }
    }
    Ok(if problems.first.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD_INPUT) })
}

/// What was not understood: the first of it, and how much more there is.
#[derive(Debug, Default)]
struct Problems {
    first: Vec<String>,
    more: u64,
}

impl Problems {
    fn push(&mut self, problem: String) {
        match self.first.len() < PROBLEMS_SHOWN_MAX {
            true => self.first.push(problem),
            false => self.more += 1,
        }
    }
}

fn count(file: &Path, tally: &mut Tally, problems: &mut Problems) {
    let name = file.display();
    let opened = File::open(file).and_then(|file| {
        let mut file = BufReader::new(file);
        let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        Ok(match is_gzip {
            true => Box::new(MultiGzDecoder::new(file)) as Box<dyn Read>,
            false => Box::new(file),
        })
    });
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return problems.push(format!("{name}: {error}")),
    };
    for (number, text) in BufReader::new(opened).lines().enumerate() {
        let number = number + 1;
        match text {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => match serde_json::from_str::<Row>(&text) {
                Ok(row) => tally.note(&row),
                Err(error) => problems.push(format!("{name}:{number}: it is no row of an archive ({error})")),
            },
            Err(error) => return problems.push(format!("{name}:{number}: {error}")),
        }
    }
}

/// The playbook whose conversions and experiments are read; an empty one when it cannot be.
fn playbook(folder: &Path) -> Playbook {
    match kairos_playbook::load(folder) {
        Ok(loaded) => loaded.playbook,
        Err(problems) => {
            let why = problems.first().map(ToString::to_string).unwrap_or_default();
            note(format!(
                "Conversions and experiments are not shown: {} is no playbook that can be read ({}). Name it with --playbook.",
                folder.display(),
                why.lines().next().unwrap_or_default()
            ));
            Playbook::default()
        }
    }
}

fn lines(report: &Report, experiments: &[Reading], style: Style) -> Vec<String> {
    let (Some(from), Some(to)) = (report.from, report.to) else {
        return vec!["There are no facts in these files.".to_owned()];
    };
    let mut lines = vec![
        format!("{} to {}", style.bold(from), style.bold(to)),
        format!("  {} people, {} facts", thousands(report.people), thousands(report.rows)),
    ];
    if report.omitted > 0 {
        let omitted = thousands(report.omitted);
        lines.push(
            style.attention(format!("  {omitted} facts had no room in their users' items: they are missing here")),
        );
    }
    for (currency, orders) in &report.orders {
        let worth = match orders.average() {
            Some(average) => format!("{} {currency}, {average:.2} on average", amount(orders.value.get())),
            None => "none of which says what it is worth".to_owned(),
        };
        lines.push(format!("  {} orders, {worth}", thousands(orders.count)));
        if orders.refunds > 0 {
            let refunded = amount(orders.refunded.get());
            lines.push(format!("  {} refunds, {refunded} {currency}", thousands(orders.refunds)).trim_end().to_owned());
        }
    }
    lines.extend(of_customers(&report.customers, style));
    for (name, play) in &report.plays {
        lines.push(String::new());
        lines.push(style.bold(name));
        lines.extend(of_play(play, style));
    }
    if !experiments.is_empty() {
        lines.push(String::new());
        lines.push(style.bold("Experiments"));
        experiments.iter().for_each(|one| lines.extend(of_experiment(one, style)));
    }
    lines
}

/// Who came back: of those who ordered first in a month, how many ordered in it and in each later one.
fn of_customers(customers: &CustomerReport, style: Style) -> Vec<String> {
    let people = customers.people();
    if people == 0 {
        return Vec::new();
    }
    let share = customers.repeated() as f64 / people as f64 * 100.0;
    let mut lines = vec![format!(
        "  {} people ordered, {} of them more than once ({share:.1} %)",
        thousands(people),
        thousands(customers.repeated())
    )];
    if customers.cohorts.len() > 1 {
        lines.push(String::new());
        lines.push(
            style.bold("Who came back") + ", by the month of the first order: people in it, and in % in each later one",
        );
        for (month, cohort) in customers.cohorts.iter().rev().take(COHORTS_SHOWN_MAX).rev() {
            let first = cohort.first().copied().unwrap_or_default();
            let later = cohort.iter().skip(1).take(COHORTS_SHOWN_MAX);
            let later: String = later.map(|people| format!("{:>5.0}", *people as f64 / first as f64 * 100.0)).collect();
            lines.push(format!("  {month} {:>9} {later}", thousands(first)).trim_end().to_owned());
        }
    }
    lines
}

fn of_play(play: &PlayReport, style: Style) -> Vec<String> {
    let held_out: u64 = play.held_out.values().sum();
    let not_sent: u64 = play.not_sent.values().sum();
    let mut lines = vec![format!(
        "  {} moments: {} sent, {} held out, {} not sent; {} waits cancelled",
        thousands(play.considered),
        thousands(play.sent),
        thousands(held_out),
        thousands(not_sent),
        thousands(play.cancelled),
    )];
    if play.converted + play.converted_held_out > 0 {
        let after = play.median_time_to_goal.map(|span| format!(", half of them within {span}")).unwrap_or_default();
        let worth = |value: i64| if value == 0 { String::new() } else { format!(" (worth {})", amount(value)) };
        lines.push(format!(
            "  goal reached {} times after a message{}{after}; {} times after none{}",
            thousands(play.converted),
            worth(play.value.get()),
            thousands(play.converted_held_out),
            worth(play.value_held_out.get()),
        ));
    }
    if !play.not_sent.is_empty() {
        let mut reasons: Vec<_> = play.not_sent.iter().collect();
        reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), *reason));
        let reasons: Vec<_> = reasons
            .iter()
            .map(|(reason, count)| format!("{} {}", thousands(**count), reason.replace('_', " ")))
            .collect();
        let text = format!("not sent: {}", reasons.join(", "));
        lines.extend(wrapped(&text, COLUMNS - 2).into_iter().map(|text| style.dim(format!("  {text}"))));
    }
    if !play.messages.is_empty() {
        let titles = ["sent", "delivered", "opened", "clicked", "failed", "spam"];
        let titles: Vec<_> = titles.iter().map(|title| format!("{title:>FIGURE$}")).collect();
        lines.push(style.dim(format!("  {:NAME$}{}", "message", titles.concat()).trim_end().to_owned()));
        lines.extend(play.messages.iter().map(of_message));
    }
    lines
}

fn of_message(message: &MessageReport) -> String {
    let MessageReport { sent, delivered, opened, clicked, failed, complained, .. } = message;
    let figures = [sent, delivered, opened, clicked, failed, complained];
    let figures: Vec<_> = figures.iter().map(|figure| format!("{:>FIGURE$}", thousands(**figure))).collect();
    let name = shortened(&format!("{} by {}", message.message, message.channel), NAME);
    format!("  {name:NAME$}{}", figures.concat())
}

fn of_experiment(one: &Reading, style: Style) -> Vec<String> {
    let mut lines = vec![String::new()];
    let title = format!("{}, {}", one.play, one.about.replace('_', " "));
    match (&one.result, &one.cannot_be_read) {
        (Some(result), _) if result.conversion.variants.iter().all(|variant| variant.users == 0) => {
            lines.push(format!("  {}: nobody yet", style.bold(title)));
        }
        (Some(result), _) => {
            let kind = match result.verdict.kind {
                VerdictKind::Better => style.good("better"),
                VerdictKind::Worse => style.bad("worse"),
                VerdictKind::SampleRatioMismatch => style.bad("sample ratio mismatch"),
                VerdictKind::TooEarly => style.attention("too early"),
                VerdictKind::NoDifferenceSeen => style.attention("no difference seen"),
            };
            lines.push(format!("  {}: {kind}", style.bold(title)));
            for sentence in &result.verdict.says {
                lines.extend(wrapped(sentence, COLUMNS - 4).into_iter().map(|text| format!("    {text}")));
            }
            for variant in &result.conversion.variants {
                let rate = variant.estimate.map(|rate| format!("{:.2} %", rate * 100.0)).unwrap_or_default();
                lines.push(
                    format!(
                        "    {:NAME$}{:>FIGURE$} people, {:>FIGURE$} reached the goal  {rate}",
                        shortened(&variant.name, NAME),
                        thousands(variant.users),
                        thousands(variant.converted),
                    )
                    .trim_end()
                    .to_owned(),
                );
            }
        }
        (None, why) => {
            lines.push(format!("  {}: cannot be read", style.bold(title)));
            lines.extend(why.iter().map(|why| format!("    {why}")));
        }
    }
    if one.mixed > 0 {
        let mixed = thousands(one.mixed);
        lines.push(
            style.dim(format!("    {mixed} people got both, and are left out: shares or identities have changed")),
        );
    }
    lines
}

/// An amount in millionths, as units.
fn amount(micros: i64) -> String {
    let cents = (micros as f64 / 1e4).round() as i64;
    format!(
        "{}{}.{:02}",
        if cents < 0 { "−" } else { "" },
        thousands(cents.unsigned_abs() / 100),
        cents.unsigned_abs() % 100
    )
}
