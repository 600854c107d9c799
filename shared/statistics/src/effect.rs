//! What a difference is, how sure, and what it is in proportion.

use serde::{Deserialize, Serialize};

use crate::distributions::{normal_upper_quantile, student_upper_quantile};
use crate::sample::Moments;

/// How often an interval holds the truth: between one half and certainty, as in 0.95.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(f64);

impl Level {
    /// 95 %.
    pub const USUAL: Self = Self(0.95);
    /// The lowest there is.
    const LOWEST: f64 = 0.5;
    /// The highest there is: beyond it, no sample has the tails of a normal distribution.
    const HIGHEST: f64 = 0.999_999;

    /// A level from 0.5 to 0.999999; `None` otherwise.
    pub fn new(level: f64) -> Option<Self> {
        (Self::LOWEST..=Self::HIGHEST).contains(&level).then_some(Self(level))
    }

    /// How often it holds the truth.
    pub fn get(self) -> f64 {
        self.0
    }

    /// How often it does not: the rate of false positives of a test.
    pub fn alpha(self) -> f64 {
        1.0 - self.0
    }

    /// The normal value that is exceeded in half of these cases.
    pub(crate) fn normal_value(self) -> f64 {
        normal_upper_quantile(self.alpha() / 2.0)
    }
}

/// What the truth lies between, at some level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// So much to either side.
    pub(crate) fn about(estimate: f64, half_width: f64) -> Self {
        Self { low: estimate - half_width, high: estimate + half_width }
    }

    /// Whether it holds this value.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Both ends, times a number of zero or more.
    pub fn times(&self, factor: f64) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }
}

/// An effect, and the variance of its estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// How large it seems.
    pub estimate: f64,
    /// The variance of that; zero or more.
    pub variance: f64,
}

impl Effect {
    /// How much more the mean of the variant is than that of the control.
    pub fn difference(control: &Moments, variant: &Moments) -> Self {
        Self {
            estimate: variant.mean - control.mean,
            variance: control.variance_of_mean() + variant.variance_of_mean(),
        }
    }

    /// How much more it is in proportion to the control's mean (a lift of 0.1 is 10 %), by the delta method: Deng, Knoblich
    /// and Lu, Applying the Delta Method in Metric Analytics, KDD 2018 (arXiv:1803.06336); gbstats takes the same. `None` when the control's mean is zero.
    pub fn lift(control: &Moments, variant: &Moments) -> Option<Self> {
        let base = control.mean;
        let lift = Self {
            estimate: (variant.mean - base) / base,
            variance: variant.variance_of_mean() / base.powi(2)
                + control.variance_of_mean() * variant.mean.powi(2) / base.powi(4),
        };
        (lift.estimate.is_finite() && lift.variance.is_finite()).then_some(lift)
    }

    /// The standard error of the estimate.
    pub fn standard_error(&self) -> f64 {
        self.variance.sqrt()
    }

    /// The interval by Student's distribution.
    pub fn student_interval(&self, level: Level, degrees_of_freedom: f64) -> Interval {
        let value = student_upper_quantile(level.alpha() / 2.0, degrees_of_freedom);
        Interval::about(self.estimate, value * self.standard_error())
    }
}

/// Degrees of freedom of a difference of two means whose variances differ: Welch, The generalization of "Student's" problem
/// when several different population variances are involved, Biometrika 34 (1947); Satterthwaite (1946). `None` when a
/// group has fewer than two users, or nobody differs from anybody.
pub fn degrees_of_freedom(control: &Moments, variant: &Moments) -> Option<f64> {
    let part = |moments: &Moments| moments.variance_of_mean().powi(2) / (moments.users - 1.0);
    let total = control.variance_of_mean() + variant.variance_of_mean();
    let degrees = total.powi(2) / (part(control) + part(variant));
    (control.users >= 2.0 && variant.users >= 2.0 && degrees.is_finite() && degrees > 0.0).then_some(degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_between_one_half_and_certainty() {
        for (level, taken) in [(0.5, true), (0.95, true), (0.4, false), (1.0, false), (f64::NAN, false), (95.0, false)]
        {
            assert_eq!(Level::new(level).is_some(), taken, "{level}");
        }
    }

    #[test]
    fn nothing_is_said_of_lifts_over_nothing_and_of_spread_where_there_is_none() {
        let [zero, some] = [0.0, 0.5].map(|mean| Moments { users: 10.0, mean, variance: mean * (1.0 - mean) });
        assert_eq!(Effect::lift(&zero, &some), None);
        assert_eq!(Effect::lift(&zero, &zero), None);
        assert_eq!(degrees_of_freedom(&zero, &zero), None);
        assert_eq!(degrees_of_freedom(&zero, &some), Some(9.0));
        let alone = Moments { users: 1.0, ..some };
        assert_eq!(degrees_of_freedom(&alone, &some), None);
    }
}
