//! Where figures mislead. `docs/conversions.md` says when.

use kairos_engine::bounds::REPORT_CONVERSIONS_MIN;

use crate::insights::{MicroReport, Warning, WarningKind};
use crate::micros::{Strata, Stratum, difference};

/// What is to be said of a micro-conversion, with its people by source and by channel.
pub(crate) fn of_micro(report: &MicroReport, strata: &[Strata; 2]) -> Vec<Warning> {
    if report.people == 0 {
        // There is nothing that could mislead.
        return Vec::new();
    }
    let warning = |kind, says| Warning { kind, about: report.name.clone(), says };
    let groups =
        [("with it", report.people, report.reached), ("without it", report.people_without, report.reached_without)];
    for (which, people, reached) in groups {
        if let Some(says) = too_few(which, people, reached) {
            return vec![warning(WarningKind::TooFewPeople, says)];
        }
    }
    let mut warnings = Vec::new();
    warnings.extend(rises_alone(report).map(|says| warning(WarningKind::MicroRisesMacroDoesNot, says)));
    for (by, strata) in ["traffic source", "channel"].into_iter().zip(strata) {
        warnings.extend(paradox(report, by, strata).map(|says| warning(WarningKind::SimpsonsParadox, says)));
    }
    warnings
}

fn too_few(which: &str, people: u64, reached: u64) -> Option<String> {
    let fewest = reached.min(people - reached);
    (fewest < REPORT_CONVERSIONS_MIN).then(|| {
        format!(
            "Of {people} people {which}, {reached} converted: conclude nothing before {REPORT_CONVERSIONS_MIN} have, and \
             {REPORT_CONVERSIONS_MIN} have not."
        )
    })
}

/// Whether the micro-conversion became more frequent in the second half, and the macro-conversion did not.
fn rises_alone(report: &MicroReport) -> Option<String> {
    let (first, second) = (report.first_half, report.second_half);
    let micro = difference((first.micro, first.people), (second.micro, second.people))?;
    let macros = difference((first.macros, first.people), (second.macros, second.people))?;
    let share = |of: u64, among: u64| of as f64 / among as f64;
    // What it would be, had the macro-conversion grown in the same proportion.
    let proportion = share(second.micro, second.people) / share(first.micro, first.people);
    let expected = share(first.macros, first.people) * (proportion - 1.0);
    let rises = micro.interval.low > 0.0;
    let falls = macros.interval.high < 0.0;
    let stays = macros.interval.contains(0.0) && macros.interval.high < expected;
    (rises && (falls || stays)).then(|| {
        format!(
            "Between both halves of the time the share of people with it went from {} to {}, and that of people with `{}` from \
             {} to {} (a change of {} to {} points at 95 %). More of the small step did not bring more of the large one: \
             do not take it for success, and let an experiment tell.",
            percent(share(first.micro, first.people)),
            percent(share(second.micro, second.people)),
            report.leads_to,
            percent(share(first.macros, first.people)),
            percent(share(second.macros, second.people)),
            points(macros.interval.low),
            points(macros.interval.high),
        )
    })
}

/// Whether it is the other way round within the groups of a split.
fn paradox(report: &MicroReport, by: &str, strata: &Strata) -> Option<String> {
    let over_all = report.difference?;
    if over_all.interval.contains(0.0) {
        return None;
    }
    let within = mantel_haenszel(strata.values())?;
    (within * over_all.estimate < 0.0).then(|| {
        format!(
            "Over all, people with it convert {} than those without ({} points); among people of the same {by} it is the other \
             way round ({} points). Who has it comes from elsewhere than who has not: read each {by} by itself.",
            if over_all.estimate > 0.0 { "more often" } else { "less often" },
            points(over_all.estimate),
            points(within),
        )
    })
}

/// The difference of two shares within groups (with less without): Mantel and Haenszel's weights, JNCI 22 (1959), as Greenland
/// and Robins use them for differences, Biometrics 41 (1985). `None` when no group has people of both kinds.
pub(crate) fn mantel_haenszel<'s>(strata: impl Iterator<Item = &'s Stratum>) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for stratum in strata {
        let (with, without) = (stratum.with as f64, stratum.without as f64);
        if stratum.with > 0 && stratum.without > 0 {
            let weight = with * without / (with + without);
            sum += weight * (stratum.reached_with as f64 / with - stratum.reached_without as f64 / without);
            weights += weight;
        }
    }
    (weights > 0.0).then(|| sum / weights)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn points(share: f64) -> String {
    format!("{:+.1}", share * 100.0).replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mantel_haenszel_is_that_of_the_textbook() {
        // Charig et al., BMJ 292 (1986): kidney stones, open surgery (with) and percutaneous (without), small and large.
        let small = Stratum { with: 87, reached_with: 81, without: 270, reached_without: 234 };
        let large = Stratum { with: 263, reached_with: 192, without: 80, reached_without: 55 };
        let within = mantel_haenszel([small, large].iter()).unwrap();
        let weights = [87.0 * 270.0 / 357.0, 263.0 * 80.0 / 343.0];
        let expected = (weights[0] * (81.0 / 87.0 - 234.0 / 270.0) + weights[1] * (192.0 / 263.0 - 55.0 / 80.0))
            / (weights[0] + weights[1]);
        // Over all it is the other way round: 273 of 350 and 289 of 350.
        assert!((within - expected).abs() < 1e-12 && within > 0.0, "{within}");
    }
}
