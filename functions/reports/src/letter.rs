//! How a week is written: subject, text and HTML. Mail programs know no style sheets of their own, so every style stands in
//! the template.

use askama::Template;
use kairos_engine::money::Micros;
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::experiments::Reading;
use kairos_statistics::verdict::VerdictKind;

use crate::week::{Compared, Figure, Value};

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The subject line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// A figure as it is read.
struct Line {
    label: String,
    this: String,
    before: String,
    change: String,
    /// A colour for the change: none of them says whether it is good.
    rises: Option<bool>,
}

struct PlayLine {
    name: String,
    sent: String,
    change: String,
    clicked: String,
    goals: String,
    worth: String,
}

struct ExperimentLine {
    title: String,
    verdict: &'static str,
    says: Vec<String>,
}

#[derive(Template)]
#[template(path = "week.html")]
struct Html<'a> {
    shop: &'a str,
    days: &'a str,
    tiles: &'a [Line],
    lines: &'a [Line],
    plays: &'a [PlayLine],
    experiments: &'a [ExperimentLine],
    warnings: &'a [(String, String)],
    missing: &'a [String],
    console: &'a str,
}

/// From here on, an amount is written without cents.
const LARGE_CENTS: u64 = 1_000_000;
/// Figures that stand large above the others.
const TILES: usize = 4;

impl Letter {
    /// A week against the one before.
    ///
    /// # Errors
    /// When the template cannot be filled in.
    pub fn of(week: &Compared<'_>, shop: Option<&str>, console: &str) -> Result<Self, askama::Error> {
        let shop = shop.unwrap_or("Kairos");
        let period = week.this.period;
        let last = period.until.minus(Span::from_hours(24));
        let days = format!("{} to {}", day(period.from), day(last));
        let mut tiles: Vec<Line> = week.figures.iter().map(line).collect();
        let lines = tiles.split_off(tiles.len().min(TILES));
        let plays: Vec<PlayLine> = week
            .plays
            .iter()
            .map(|play| PlayLine {
                name: words(&play.name),
                sent: value(&play.sent.this),
                change: change(&play.sent),
                clicked: thousands(play.clicked),
                goals: value(&play.converted.this),
                worth: if play.value.get() == 0 { "–".to_owned() } else { amount(play.value) },
            })
            .collect();
        let experiments: Vec<ExperimentLine> = week.experiments.iter().filter_map(|one| experiment(one)).collect();
        let warnings: Vec<(String, String)> =
            week.warnings.iter().map(|warning| (words(&warning.about), warning.says.clone())).collect();
        let missing = missing(week);
        let html = Html {
            shop,
            days: &days,
            tiles: &tiles,
            lines: &lines,
            plays: &plays,
            experiments: &experiments,
            warnings: &warnings,
            missing: &missing,
            console,
        };
        let html = html.render()?;
        let headline = week.figures.iter().find(|figure| figure.label == "Orders").map(line);
        let revenue = week.figures.iter().find(|figure| figure.label == "Revenue").map(line);
        let headline = headline.map_or_else(String::new, |orders| format!("{} orders", orders.this));
        let revenue = revenue.map_or_else(String::new, |revenue| {
            let change = if revenue.change.is_empty() { String::new() } else { format!(" ({})", revenue.change) };
            format!(", {}{change}", revenue.this)
        });
        // A header has no line breaks, whatever the shop is called.
        let subject = format!("{shop}: {headline}{revenue} in the week to {}", day(last)).replace(['\r', '\n'], " ");
        let figures: Vec<Line> = tiles.into_iter().chain(lines).collect();
        let text = text(shop, &days, &figures, &plays, &experiments, &warnings, &missing, console);
        Ok(Self { subject, text, html })
    }
}

/// What has no room in a report, in sentences.
fn missing(week: &Compared<'_>) -> Vec<String> {
    let this = week.this;
    let mut missing = Vec::new();
    if this.left_out.objects > 0 {
        missing.push(format!(
            "{} files of the week had no room, or could not be read: its figures are too low.",
            thousands(this.left_out.objects)
        ));
    }
    if this.left_out.moments > 0 {
        missing.push(format!("{} moments of people had no room.", thousands(this.left_out.moments)));
    }
    if this.left_out.rows > 0 {
        missing.push(format!("{} rows of the archive could not be read.", thousands(this.left_out.rows)));
    }
    if this.report.omitted > 0 {
        missing.push(format!(
            "{} facts had no room in their users' items, and are missing.",
            thousands(this.report.omitted)
        ));
    }
    missing
}

fn experiment(one: &Reading) -> Option<ExperimentLine> {
    let verdict = &one.result.as_ref()?.verdict;
    let word = match verdict.kind {
        VerdictKind::SampleRatioMismatch => "not to be read",
        VerdictKind::Better => "better",
        VerdictKind::Worse => "worse",
        VerdictKind::TooEarly => "too early",
        VerdictKind::NoDifferenceSeen => "no difference seen",
    };
    let title = format!("{}, {}", words(&one.play), words(&one.about));
    Some(ExperimentLine { title, verdict: word, says: verdict.says.clone() })
}

fn line(figure: &Figure) -> Line {
    let changed = figure.change().filter(|change| change.abs() >= 0.0005);
    Line {
        label: figure.label.clone(),
        this: value(&figure.this),
        before: value(&figure.before),
        change: change(figure),
        rises: changed.map(|change| change > 0.0),
    }
}

fn change(figure: &Figure) -> String {
    match figure.change() {
        Some(change) if change.abs() < 0.0005 => "±0 %".to_owned(),
        Some(change) if change.abs() >= 9.995 => format!("{:.0} times", change + 1.0),
        Some(change) => format!("{:+.1} %", change * 100.0).replace('-', "−"),
        None if figure.this == figure.before => String::new(),
        None => "new".to_owned(),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Count(count) => thousands(*count),
        Value::Money(money, currency) => format!("{} {currency}", amount(*money)).trim_end().to_owned(),
    }
}

/// An amount; large ones without cents, which nobody reads.
fn amount(amount: Micros) -> String {
    let cents = (amount.get().unsigned_abs() + 5_000) / 10_000;
    let sign = if amount.get() < 0 && cents > 0 { "−" } else { "" };
    match cents {
        LARGE_CENTS.. => format!("{sign}{}", thousands((cents + 50) / 100)),
        _ => format!("{sign}{}.{:02}", thousands(cents / 100), cents % 100),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A name of the playbook, as words.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A day, UTC: 21 November 2026.
fn day(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%-d %B %Y").to_string()
}

#[expect(clippy::too_many_arguments, reason = "each is a part of the letter, and nobody else asks for it")]
fn text(
    shop: &str,
    days: &str,
    figures: &[Line],
    plays: &[PlayLine],
    experiments: &[ExperimentLine],
    warnings: &[(String, String)],
    missing: &[String],
    console: &str,
) -> String {
    let mut lines = vec![shop.to_owned(), format!("The week from {days}, and the one before"), String::new()];
    for figure in figures {
        let change = if figure.change.is_empty() { String::new() } else { format!(" ({})", figure.change) };
        lines.push(format!("{}: {}, before {}{change}", figure.label, figure.this, figure.before));
    }
    let mut group = |title: &str, of: Vec<String>| {
        if !of.is_empty() {
            lines.extend([String::new(), title.to_uppercase()]);
            lines.extend(of);
        }
    };
    group(
        "Plays",
        plays
            .iter()
            .map(|play| {
                let PlayLine { name, sent, change, clicked, goals, worth } = play;
                let change = if change.is_empty() { String::new() } else { format!(" ({change})") };
                format!("{name}: {sent} sent{change}, {clicked} clicked, {goals} goals, worth {worth}")
            })
            .collect(),
    );
    let experiments = experiments.iter().flat_map(|one| {
        let title = format!("{}: {}", one.title, one.verdict);
        std::iter::once(title).chain(one.says.iter().map(|sentence| format!("  {sentence}")))
    });
    group("Experiments", experiments.collect());
    group("To look at", warnings.iter().map(|(about, says)| format!("{about}: {says}")).collect());
    group("Missing", missing.to_vec());
    lines.extend([
        String::new(),
        "What goals and orders would have come without messages, only a holdout tells (docs/experiments.md)."
            .to_owned(),
        format!("The console: {console}"),
    ]);
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
