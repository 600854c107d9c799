//! What may be said of an experiment, in words that a person can act on and that claim no more than the figures.

use serde::{Deserialize, Serialize};

use crate::effect::Interval;
use crate::experiment::{Comparison, Figure, Looks, Metric, Settings};
use crate::ratio_mismatch::SampleRatio;

/// What is found of one variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Finding {
    /// Users were not divided as declared: nothing else may be read.
    SampleRatioMismatch,
    /// Too few users have converted.
    TooFewConverted {
        /// In which group.
        of: String,
        /// How many.
        converted: u64,
        /// How many are needed.
        needed: u64,
    },
    /// Nearly everybody has converted, so that there is hardly anything to compare.
    TooFewNotConverted {
        /// In which group.
        of: String,
        /// How many have not.
        not_converted: u64,
        /// How many are needed.
        needed: u64,
    },
    /// All users brought the same.
    NothingVaries,
    /// The figures go with no difference at all.
    NoDifferenceSeen,
    /// The variant does better than the control.
    Better,
    /// The variant does worse than the control.
    Worse,
}

/// What may be said of the whole experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub kind: VerdictKind,
    /// In sentences.
    pub says: Vec<String>,
}

/// That, in a word. With several variants, the first that is true of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// Users were not divided as declared: nothing else may be read.
    SampleRatioMismatch,
    /// A variant does better than the control.
    Better,
    /// A variant does worse than the control.
    Worse,
    /// Too few users to say anything.
    TooEarly,
    /// No difference was seen.
    NoDifferenceSeen,
}

pub(crate) fn of(settings: &Settings, control: &str, ratio: &SampleRatio, comparisons: &[Comparison]) -> Verdict {
    if ratio.mismatch {
        let says = vec![
            format!(
                "Sample ratio mismatch: do not read the rest. Users were not divided as declared (p {}).",
                p_value(ratio.p_value)
            ),
            "Something loses users of one variant more than of another, or counts them twice. Find it (redirects, bots, \
             exposures noted too late), mend it, and begin anew."
                .to_owned(),
        ];
        return Verdict { kind: VerdictKind::SampleRatioMismatch, says };
    }
    let mut says: Vec<String> = comparisons.iter().map(|comparison| sentence(settings, control, comparison)).collect();
    let better = comparisons.iter().filter(|comparison| comparison.finding == Finding::Better).count();
    if better > 1 {
        says.push(format!(
            "{better} variants are better than {control}. Which of them is the best was not tested; the probabilities to \
             be best say what to bet on."
        ));
    }
    let any = |kind: VerdictKind| comparisons.iter().any(|comparison| kind_of(&comparison.finding) == kind);
    let order = [VerdictKind::Better, VerdictKind::Worse, VerdictKind::TooEarly];
    let kind = order.into_iter().find(|kind| any(*kind)).unwrap_or(VerdictKind::NoDifferenceSeen);
    Verdict { kind, says }
}

fn kind_of(finding: &Finding) -> VerdictKind {
    match finding {
        Finding::SampleRatioMismatch => VerdictKind::SampleRatioMismatch,
        Finding::TooFewConverted { .. } | Finding::TooFewNotConverted { .. } => VerdictKind::TooEarly,
        Finding::NothingVaries | Finding::NoDifferenceSeen => VerdictKind::NoDifferenceSeen,
        Finding::Better => VerdictKind::Better,
        Finding::Worse => VerdictKind::Worse,
    }
}

fn sentence(settings: &Settings, control: &str, comparison: &Comparison) -> String {
    let name = &comparison.variant;
    let amount = |value: f64| amount(settings.metric, value);
    match &comparison.finding {
        Finding::SampleRatioMismatch => format!("{name}: not read, since users were not divided as declared."),
        Finding::TooFewConverted { of, converted, needed } => format!(
            "{name}: too early. {} of {of} converted, at least {needed} are needed.",
            counted(*converted, "user", "users")
        ),
        Finding::TooFewNotConverted { of, not_converted, needed } => format!(
            "{name}: nothing can be told. Only {} of {of} did not convert, at least {needed} are needed.",
            counted(*not_converted, "user", "users")
        ),
        Finding::NothingVaries => format!("{name}: nothing can be told. Every user brought the same."),
        Finding::NoDifferenceSeen => {
            let Some(Interval { low, high }) = read_interval(settings, comparison) else {
                return format!("{name}: no difference seen.");
            };
            // What a correction for many variants takes back.
            if low > 0.0 || high < 0.0 {
                return format!(
                    "{name}: no difference that would stand out among so many variants. Taken alone it would: {}.",
                    range(settings.metric, low, high)
                );
            }
            format!(
                "{name}: no difference seen from {control}. That is not to say there is none: effects above {} and below \
                 {} are excluded, nothing between.",
                amount(high),
                amount(low)
            )
        }
        finding @ (Finding::Better | Finding::Worse) => {
            let word = if *finding == Finding::Better { "better" } else { "worse" };
            let what = match settings.metric {
                Metric::Conversion => "in conversion",
                Metric::Revenue => "in revenue per user",
            };
            let estimate = comparison.difference.map_or_else(String::new, |figure| amount(figure.estimate));
            let Some(Interval { low, high }) = read_interval(settings, comparison) else {
                return format!("{name}: {word} than {control} {what}, by {estimate}.");
            };
            format!(
                "{name}: {word} than {control} {what}, by {estimate}; the truth is between {} (at {} %).",
                range(settings.metric, low, high),
                trimmed(settings.level.get() * 100.0, 4),
            )
        }
    }
}

/// The interval that the verdict goes by.
fn read_interval(settings: &Settings, comparison: &Comparison) -> Option<Interval> {
    let Figure { interval, anytime_interval, .. } = comparison.difference?;
    match settings.looks {
        Looks::Anytime => anytime_interval,
        Looks::PlannedOnce => interval,
    }
}

/// A difference with its sign and unit: percentage points of conversion, or units of the currency per user.
pub fn amount(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Conversion => format!("{} percentage points", signed(value * 100.0)),
        Metric::Revenue => signed(value),
    }
}

/// Two of them, the unit once.
fn range(metric: Metric, low: f64, high: f64) -> String {
    match metric {
        Metric::Conversion => format!("{} and {} percentage points", signed(low * 100.0), signed(high * 100.0)),
        Metric::Revenue => format!("{} and {}", signed(low), signed(high)),
    }
}

/// A number with its sign and at least two digits that say something.
pub fn signed(value: f64) -> String {
    let text = grouped(&trimmed(value.abs(), digits(value)));
    let is_zero = text.chars().all(|digit| matches!(digit, '0' | '.'));
    let sign = if is_zero {
        ""
    } else if value < 0.0 {
        "−"
    } else {
        "+"
    };
    format!("{sign}{text}")
}

/// How many digits behind the point leave two that say something; two at least, as for money.
pub fn digits(value: f64) -> usize {
    let magnitude = value.abs().log10().floor();
    if magnitude.is_finite() { (1.0 - magnitude).clamp(2.0, 9.0) as usize } else { 2 }
}

/// A p-value, as it is written: four digits behind the point, and never nought.
pub fn p_value(value: f64) -> String {
    if value < 0.0001 { "< 0.0001".to_owned() } else { format!("{value:.4}") }
}

fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.len() > 2 => {
            let kept = fraction.trim_end_matches('0');
            if kept.is_empty() { whole.to_owned() } else { format!("{whole}.{kept}") }
        }
        _ => text,
    }
}

/// The whole part in groups of three digits.
fn grouped(text: &str) -> String {
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_their_sign() {
        for (value, written) in [
            (0.0, "0.00"),
            (-0.0, "0.00"),
            (1.0, "+1.00"),
            (-12.345, "−12.35"),
            (0.001_234, "+0.0012"),
            (0.000_5, "+0.0005"),
            (1e-20, "0"),
            (123_456.0, "+123,456.00"),
            (-1_234_567.891, "−1,234,567.89"),
            (999.0, "+999.00"),
        ] {
            assert_eq!(signed(value), written, "{value}");
        }
        assert_eq!(
            (p_value(0.049_96), p_value(1e-9), p_value(1.0)),
            ("0.0500".into(), "< 0.0001".into(), "1.0000".into())
        );
    }
}
