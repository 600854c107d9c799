//! Rates of conversion: one with its interval, and the difference of two, for one look that was planned beforehand.

use serde::{Deserialize, Serialize};

use crate::distributions::normal_sf;
use crate::effect::{Interval, Level};
use crate::sample::Sample;

/// What a test says of a difference, when it is asked once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// How many standard errors the difference is away from none: z for rates, t for means.
    pub statistic: f64,
    /// Of Student's distribution; none for z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degrees_of_freedom: Option<f64>,
    /// How often a difference at least as large would come by chance where there is none; two-sided.
    pub p_value: f64,
}

/// The interval of one rate: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
/// It holds for small counts, too, and never leaves the range from 0 to 1. `None` without users.
pub fn wilson(sample: &Sample, level: Level) -> Option<Interval> {
    let users = (sample.users() > 0).then_some(sample.users() as f64)?;
    let (yes, no) = (sample.converted() as f64, sample.not_converted() as f64);
    let z = level.normal_value();
    let z2 = z * z;
    let root = z * (z2 / 4.0 + yes * (no / users)).sqrt();
    // The smaller root by the product of both, which loses nothing where the rate is tiny; the upper end as the complement
    // of the lower one of those who did not convert.
    let lower = |count: f64| count * (count / users) / (count + z2 / 2.0 + root);
    Some(Interval { low: lower(yes), high: 1.0 - lower(no) })
}

/// The interval of the difference of two rates (variant less control): Newcombe, Interval estimation for the difference
/// between independent proportions, Statistics in Medicine 17 (1998), method 10, which is made of both rates' Wilson
/// intervals. `None` without users on either side.
pub fn newcombe(control: &Sample, variant: &Sample, level: Level) -> Option<Interval> {
    let (a, b) = (control.rate()?.mean, variant.rate()?.mean);
    let (of_a, of_b) = (wilson(control, level)?, wilson(variant, level)?);
    let difference = b - a;
    Some(Interval {
        low: (difference - (b - of_b.low).hypot(of_a.high - a)).max(-1.0),
        high: (difference + (of_b.high - b).hypot(a - of_a.low)).min(1.0),
    })
}

/// The z test of two rates with their pooled variance: Fleiss, Levin and Paik, Statistical Methods for Rates and
/// Proportions, 3rd edition (2003), chapter 3, without correction for continuity. `None` when there are no users on
/// either side, or when nobody converted, or everybody.
pub fn pooled_z(control: &Sample, variant: &Sample) -> Option<Test> {
    let (a, b) = (control.rate()?, variant.rate()?);
    let users = a.users + b.users;
    let pooled = (control.converted() as f64 + variant.converted() as f64) / users;
    let complement = (control.not_converted() as f64 + variant.not_converted() as f64) / users;
    let variance = pooled * complement * (1.0 / a.users + 1.0 / b.users);
    let statistic = (b.mean - a.mean) / variance.sqrt();
    let p_value = (2.0 * normal_sf(statistic.abs())).min(1.0);
    statistic.is_finite().then_some(Test { statistic, degrees_of_freedom: None, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(converted: u64, users: u64) -> Sample {
        Sample::of_counts(users, converted).unwrap()
    }

    #[test]
    fn newcombes_intervals_are_those_of_his_paper() {
        // Table II, examples (a) to (h), method 10.
        for (a, m, b, n, low, high) in [
            (56, 70, 48, 80, 0.0524, 0.3339),
            (9, 10, 3, 10, 0.1705, 0.8090),
            (6, 7, 2, 7, 0.0582, 0.8062),
            (5, 56, 0, 29, -0.0381, 0.1926),
            (0, 10, 0, 20, -0.1611, 0.2775),
            (0, 10, 0, 10, -0.2775, 0.2775),
            (10, 10, 0, 20, 0.6791, 1.0000),
            (10, 10, 0, 10, 0.6075, 1.0000),
        ] {
            let found = newcombe(&sample(b, n), &sample(a, m), Level::USUAL).unwrap();
            assert!((found.low - low).abs() < 6e-5 && (found.high - high).abs() < 6e-5, "{a}/{m} {b}/{n}: {found:?}");
        }
    }

    #[test]
    fn wilsons_intervals_are_those_of_newcombes_other_paper() {
        // Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3.
        for (converted, users, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let found = wilson(&sample(converted, users), Level::USUAL).unwrap();
            assert!((found.low - low).abs() < 6e-5 && (found.high - high).abs() < 6e-5, "{converted}: {found:?}");
        }
    }

    #[test]
    fn where_nothing_differs_there_is_no_test_and_no_interval_without_users() {
        for (control, variant) in [((0, 5), (0, 7)), ((5, 5), (7, 7)), ((0, 0), (1, 2)), ((0, 1), (0, 1))] {
            assert_eq!(pooled_z(&sample(control.0, control.1), &sample(variant.0, variant.1)), None);
        }
        assert_eq!(wilson(&sample(0, 0), Level::USUAL), None);
        assert_eq!(newcombe(&sample(0, 0), &sample(1, 2), Level::USUAL), None);
    }
}
