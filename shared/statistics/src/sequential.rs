//! Figures that hold however often somebody looks, and whenever they stop: asymptotic confidence sequences.
//!
//! Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic confidence sequences,
//! Annals of Statistics 52 (2024), arXiv:2103.06476v7: equation 9 for the interval, 155 for the p-value, 161 for the tuning
//! parameter. gbstats takes the same. They are wider than those of one planned look; that is the price for peeking.
//! "Asymptotic" means that the first look must not come at a handful of users: an
//! [`Experiment`](crate::experiment::Experiment) concludes nothing before
//! [`EXPERIMENT_CONVERSIONS_MIN`](kairos_engine::bounds::EXPERIMENT_CONVERSIONS_MIN).

use serde::{Deserialize, Serialize};

use crate::effect::{Effect, Interval, Level};

/// How many users both groups together are expected to have when it matters: there the intervals are tightest. It has to
/// be chosen before anybody looks; with another number intervals are wider, never wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tuning(f64);

impl Tuning {
    /// What gbstats takes without being told: 5,000 users.
    pub const USUAL: Self = Self(5_000.0);

    /// For so many users; `None` for none.
    pub fn for_users(users: u64) -> Option<Self> {
        (users > 0).then_some(Self(users as f64))
    }

    /// The square of ρ: equation 161.
    fn rho_squared(self, level: Level) -> f64 {
        let double_log = -2.0 * level.alpha().ln();
        (double_log + (double_log + 1.0).ln()) / self.0
    }
}

/// How many standard errors the interval reaches to each side with just as many users as it was tuned for: what the normal
/// value is to one planned look.
pub(crate) fn normal_value_when_tuned(level: Level) -> f64 {
    let one_user = Tuning(1.0);
    interval(&Effect { estimate: 0.0, variance: 1.0 }, 1.0, level, one_user).expect("it has spread").high
}

/// The interval of an effect that was found with so many users in both groups together: equation 9. `None` without spread,
/// of which nothing can be said.
pub fn interval(effect: &Effect, users: f64, level: Level, tuning: Tuning) -> Option<Interval> {
    let rho_squared = tuning.rho_squared(level);
    let scaled = users * rho_squared + 1.0;
    let log = (scaled.sqrt() / level.alpha()).ln();
    let half_width = (effect.variance * users * 2.0 * scaled * log / (users * users * rho_squared)).sqrt();
    (effect.variance > 0.0 && half_width.is_finite()).then(|| Interval::about(effect.estimate, half_width))
}

/// The p-value, equation 155: it is at most alpha exactly when the interval of that level does not hold zero. `None`
/// without spread.
pub fn p_value(effect: &Effect, users: f64, level: Level, tuning: Tuning) -> Option<f64> {
    let rho_squared = tuning.rho_squared(level);
    let scaled = users * rho_squared + 1.0;
    let squared = effect.estimate.powi(2) * users / effect.variance;
    let log_evidence = rho_squared * squared / (2.0 * scaled) - 0.5 * scaled.ln();
    (effect.variance > 0.0 && !log_evidence.is_nan()).then(|| (-log_evidence).exp().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_value_is_small_exactly_when_the_interval_leaves_zero_out() {
        for level in [0.8, 0.95, 0.999] {
            let level = Level::new(level).unwrap();
            for users in [10.0, 1e3, 5e3, 1e6, 1e12] {
                let at = |estimate: f64| Effect { estimate, variance: 4.0 / users };
                let half = interval(&at(0.0), users, level, Tuning::USUAL).unwrap().high;
                for (estimate, leaves_out) in [(half * 0.999, false), (half * 1.001, true), (-half * 1.001, true)] {
                    let found = p_value(&at(estimate), users, level, Tuning::USUAL).unwrap();
                    assert_eq!(found < level.alpha(), leaves_out, "{found} at {users} users");
                }
            }
        }
    }

    #[test]
    fn it_is_tightest_about_where_it_was_tuned_for() {
        let widths = [500, 5_000, 50_000].map(|tuned| {
            let effect = Effect { estimate: 0.0, variance: 1.0 };
            interval(&effect, 5_000.0, Level::USUAL, Tuning::for_users(tuned).unwrap()).unwrap().high
        });
        assert!(widths[1] < widths[0] && widths[1] < widths[2], "{widths:?}");
    }

    #[test]
    fn where_it_was_tuned_for_it_is_wider_than_one_look_by_the_same_factor_for_any_number_of_users() {
        let value = normal_value_when_tuned(Level::USUAL);
        assert!((value - 3.035).abs() < 0.001, "{value}");
        for users in [7_u64, 5_000, 1 << 50] {
            let effect = Effect { estimate: 0.0, variance: 4.0 };
            let found = interval(&effect, users as f64, Level::USUAL, Tuning::for_users(users).unwrap()).unwrap();
            assert!((found.high / (2.0 * value) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn without_spread_nothing_is_said() {
        let effect = Effect { estimate: 0.0, variance: 0.0 };
        assert_eq!(interval(&effect, 10.0, Level::USUAL, Tuning::USUAL), None);
        assert_eq!(p_value(&effect, 10.0, Level::USUAL, Tuning::USUAL), None);
    }
}
