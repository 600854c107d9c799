//! An experiment on the terminal, in 100 columns: the verdict first, then what it rests on.

use kairos_statistics::experiment::{Comparison, Figure, Metric, MetricResult};
use kairos_statistics::incremental::Incremental;
use kairos_statistics::ratio_mismatch;
use kairos_statistics::verdict::{self, VerdictKind, signed};
use kairos_statistics::{Experiment, ExperimentResult, Interval};

use crate::terminal::{COLUMNS, Style, shortened, thousands, wrapped};

/// Widest column of names.
const NAME_MAX: usize = 28;
/// Width of what a line is about.
const LABEL: usize = 28;
/// Width of a figure.
const FIGURE: usize = 16;
/// Width of two figures with a word between them.
const RANGE: usize = 24;

/// The lines to show. When users were not divided as declared, there is nothing else to read.
pub(super) fn lines(experiment: &Experiment, result: &ExperimentResult, style: Style) -> Vec<String> {
    let mut lines = verdict(result, style);
    lines.push(String::new());
    lines.extend(ratio(experiment, result, style));
    if result.sample_ratio.mismatch {
        return lines;
    }
    lines.extend(metric(result, &result.conversion, Metric::Conversion, style));
    if let Some(revenue) = &result.revenue {
        lines.extend(metric(result, revenue, Metric::Revenue, style));
    }
    lines
}

fn verdict(result: &ExperimentResult, style: Style) -> Vec<String> {
    let kind = match result.verdict.kind {
        VerdictKind::SampleRatioMismatch => style.bad("Sample ratio mismatch"),
        VerdictKind::Better => style.good("Better"),
        VerdictKind::Worse => style.bad("Worse"),
        VerdictKind::TooEarly => style.attention("Too early"),
        VerdictKind::NoDifferenceSeen => style.attention("No difference seen"),
    };
    let says = result.verdict.says.iter().flat_map(|sentence| wrapped(sentence, COLUMNS - 2));
    std::iter::once(kind).chain(says.map(|text| format!("  {text}"))).collect()
}

fn ratio(experiment: &Experiment, result: &ExperimentResult, style: Style) -> Vec<String> {
    let ratio = &result.sample_ratio;
    let said = match (ratio.mismatch, ratio.p_value < ratio_mismatch::THRESHOLD) {
        (true, _) => style.bad("not as declared"),
        (false, true) => "as declared, as far as groups of so few users can tell".to_owned(),
        (false, false) => "as declared".to_owned(),
    };
    let p_value = verdict::p_value(ratio.p_value);
    let mut lines = vec![style.bold("Users"), format!("  divided {said} (chi-squared test, p {p_value})")];
    let width = name_width(result);
    lines.push(style.dim(format!("  {:width$} {:>FIGURE$} {:>FIGURE$} {:>FIGURE$}", "", "users", "expected", "share")));
    let total: u64 = experiment.variants().iter().map(|variant| variant.sample.users()).sum();
    for (variant, expected) in experiment.variants().iter().zip(&ratio.expected) {
        let users = variant.sample.users();
        let share = if total > 0 { format!("{:.2} %", users as f64 / total as f64 * 100.0) } else { "–".to_owned() };
        lines.push(format!(
            "  {:width$} {:>FIGURE$} {:>FIGURE$} {share:>FIGURE$}",
            name(&variant.name, width),
            thousands(users),
            thousands(expected.round() as u64),
        ));
    }
    lines
}

fn metric(result: &ExperimentResult, metric: &MetricResult, kind: Metric, style: Style) -> Vec<String> {
    let title = match kind {
        Metric::Conversion => "Conversion",
        Metric::Revenue => "Revenue per user",
    };
    let is_of_interest = if result.metric == kind { " (what the verdict is about)" } else { "" };
    let width = name_width(result);
    let mut lines = vec![String::new(), format!("{}{is_of_interest}", style.bold(title))];
    let heading = format!(
        "  {:width$} {:>FIGURE$} {:>FIGURE$}   {:FIGURE$} {:>FIGURE$}",
        "",
        "converted",
        title.to_lowercase().replace("conversion", "rate").replace("revenue per user", "per user"),
        format!("{} % interval", percent(result.level.get())),
        "best of all"
    );
    lines.push(style.dim(heading));
    for variant in &metric.variants {
        lines.push(format!(
            "  {:width$} {:>FIGURE$} {:>FIGURE$}   {:FIGURE$} {:>FIGURE$}",
            name(&variant.name, width),
            thousands(variant.converted),
            variant.estimate.map_or_else(none, |value| plain(kind, value)),
            variant.interval.map_or_else(none, |interval| {
                format!("{} to {}", plain(kind, interval.low), plain(kind, interval.high))
            }),
            variant.probability_best.map_or_else(none, chance),
        ));
    }
    for one in &metric.comparisons {
        lines.push(String::new());
        let whom = one.incremental.map(|incremental| format!(" ({})", incremental.against.as_str()));
        let whom = whom.unwrap_or_default();
        lines.push(format!("  {} against {}{whom}", style.bold(&one.variant), result.control));
        let [difference, looks, look] = ["difference", "at any time", "one planned look"];
        lines.push(style.dim(format!("  {:LABEL$} {difference:>FIGURE$}   {looks:RANGE$} {look}", "")));
        let rows = comparison(kind, one, metric.comparisons.len() > 1);
        lines.extend(rows.iter().map(|row| format!("  {}", row.line()).trim_end().to_owned()));
    }
    lines
}

/// What is said of a comparison in one respect.
#[derive(Default)]
struct Row {
    label: &'static str,
    difference: String,
    anytime: String,
    planned: String,
}

impl Row {
    /// A figure with its intervals.
    fn of(label: &'static str, figure: Figure, write: fn(f64) -> String) -> Self {
        let both = |interval: Option<Interval>| {
            interval.map_or_else(none, |interval| format!("{} to {}", write(interval.low), write(interval.high)))
        };
        let difference = write(figure.estimate);
        Self { label, difference, anytime: both(figure.anytime_interval), planned: both(figure.interval) }
    }

    /// Two p-values.
    fn of_p_values(label: &'static str, anytime: Option<f64>, planned: Option<f64>) -> Self {
        let [anytime, planned] = [anytime, planned].map(|value| value.map_or_else(none, verdict::p_value));
        Self { label, anytime, planned, ..Self::default() }
    }

    fn line(&self) -> String {
        let Self { label, difference, anytime, planned } = self;
        format!("{label:LABEL$} {difference:>FIGURE$}   {anytime:RANGE$} {planned}")
    }
}

fn comparison(kind: Metric, one: &Comparison, is_one_of_many: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(difference) = one.difference {
        rows.push(match kind {
            Metric::Conversion => Row::of("percentage points", difference, in_percent),
            Metric::Revenue => Row::of("per user", difference, signed),
        });
    }
    rows.push(match one.lift {
        Some(lift) => Row::of("lift, in %", lift, in_percent),
        // Its denominator may be nought.
        None => Row { label: "lift, in %", difference: "none".to_owned(), ..Row::default() },
    });
    if let Some(Incremental { total: estimate, interval, anytime_interval, .. }) = one.incremental {
        let total = Figure { estimate, interval, anytime_interval };
        rows.push(match kind {
            Metric::Conversion => Row::of("incremental conversions", total, whole),
            Metric::Revenue => Row::of("incremental revenue", total, signed),
        });
    }
    rows.push(Row::of_p_values("p-value", one.anytime_p_value, one.test.map(|test| test.p_value)));
    if is_one_of_many {
        let (anytime, planned) = (one.anytime_p_value_adjusted, one.p_value_adjusted);
        rows.push(Row::of_p_values("p-value among all variants", anytime, planned));
    }
    let planned = |label: &'static str, planned: String| Row { label, planned, ..Row::default() };
    if let Some(test) = one.test {
        let letter = if test.degrees_of_freedom.is_some() { "t" } else { "z" };
        rows.push(planned("test", format!("{letter} {:.3}", test.statistic)));
        let degrees = test.degrees_of_freedom.map(|degrees| thousands(degrees as u64));
        rows.extend(degrees.map(|degrees| planned("degrees of freedom", degrees)));
    }
    if let Some(belief) = one.belief {
        rows.extend(
            [
                ("chance to beat the control", chance(belief.chance_to_beat_control)),
                ("expected loss by choosing it", loss(kind, belief.loss_of_choosing)),
                ("expected loss by staying", loss(kind, belief.loss_of_staying)),
            ]
            .map(|(label, difference)| Row { label, difference, ..Row::default() }),
        );
    }
    rows.extend(one.detectable.map(|detectable| planned("smallest effect to find", amount(kind, detectable))));
    rows
}

/// A fraction in percent, or in percentage points.
fn in_percent(value: f64) -> String {
    signed(value * 100.0)
}

/// A number without what stands behind the point.
fn whole(value: f64) -> String {
    signed(value.round()).trim_end_matches(".00").to_owned()
}

fn none() -> String {
    "–".to_owned()
}

fn name_width(result: &ExperimentResult) -> usize {
    let widths = result.conversion.variants.iter().map(|variant| variant.name.chars().count());
    widths.max().unwrap_or_default().min(NAME_MAX)
}

fn name(name: &str, width: usize) -> String {
    shortened(name, width)
}

/// A rate, or an amount.
fn plain(kind: Metric, value: f64) -> String {
    match kind {
        Metric::Conversion => format!("{} %", amount(kind, value)),
        Metric::Revenue => amount(kind, value),
    }
}

/// A number without its sign's plus: in percent for rates.
fn amount(kind: Metric, value: f64) -> String {
    let value = if kind == Metric::Conversion { value * 100.0 } else { value };
    signed(value).trim_start_matches('+').to_owned()
}

/// What is lost on average: where that is next to nothing, no row of noughts.
fn loss(kind: Metric, value: f64) -> String {
    let shown = if kind == Metric::Conversion { value * 100.0 } else { value };
    if 0.0 < shown && shown < 0.0001 { "< 0.0001".to_owned() } else { amount(kind, value) }
}

/// A probability that is never nought or certain.
fn chance(probability: f64) -> String {
    match probability * 100.0 {
        percent if percent < 0.01 => "< 0.01 %".to_owned(),
        percent if percent > 99.99 => "> 99.99 %".to_owned(),
        percent => format!("{percent:.2} %"),
    }
}

fn percent(level: f64) -> String {
    let text = format!("{:.4}", level * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
