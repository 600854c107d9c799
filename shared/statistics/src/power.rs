//! How many users and days an experiment needs, and what those there are could have shown: with two sides, for one planned
//! look, or for looking at any time, which takes about twice as many.

use kairos_engine::bounds::EXPERIMENT_USERS_MAX;

use crate::distributions::{normal_cdf, normal_upper_quantile};
use crate::effect::Level;
use crate::sequential;

/// How often a difference that is there shall be found: four times of five (Cohen, Statistical Power Analysis for the
/// Behavioral Sciences, 2nd edition (1988), chapter 2).
pub const USUAL_POWER: f64 = 0.8;

/// Steps of the search for the smallest effect: a float has no more digits.
const HALVINGS: u32 = 64;

/// What is asked of an experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// How many standard errors a difference has to be away from none, to be seen.
    threshold: f64,
    power: f64,
}

impl Demand {
    /// To be wrong as often as the level says where there is no effect, and to find one that is there by one planned look
    /// with this probability, from 0.5 to 0.999; `None` otherwise.
    pub fn of_one_look(level: Level, power: f64) -> Option<Self> {
        (0.5..=0.999).contains(&power).then_some(Self { threshold: level.normal_value(), power })
    }

    /// The same for figures that hold at any time, tuned for as many users as there will be: with these users at the latest
    /// the effect is found with this probability, often before.
    pub fn of_any_time(level: Level, power: f64) -> Option<Self> {
        Some(Self { threshold: sequential::normal_value_when_tuned(level), ..Self::of_one_look(level, power)? })
    }

    fn power_value(self) -> f64 {
        normal_upper_quantile(1.0 - self.power)
    }

    /// How many users each of two equal groups needs, to find the difference of these rates: Fleiss, Levin and Paik,
    /// Statistical Methods for Rates and Proportions, 3rd edition (2003), chapter 4, without correction for continuity.
    /// `None` when they are no two different rates, or more users would be needed than can be counted.
    pub fn users_for_rates(self, control: f64, variant: f64) -> Option<u64> {
        let are_rates = (0.0..=1.0).contains(&control) && (0.0..=1.0).contains(&variant);
        let mean = 0.5 * (control + variant);
        let none = self.threshold * (2.0 * mean * (1.0 - mean)).sqrt();
        let some = self.power_value() * (control * (1.0 - control) + variant * (1.0 - variant)).sqrt();
        are_rates.then_some(())?;
        whole(((none + some) / (variant - control)).powi(2))
    }

    /// How many users each of two equal groups needs, to find a difference of means where users differ by this standard
    /// deviation: Chow, Shao and Wang, Sample Size Calculations in Clinical Research, 2nd edition (2008), section 3.2.
    /// `None` when there is no difference, or more users would be needed than can be counted.
    pub fn users_for_means(self, deviation: f64, difference: f64) -> Option<u64> {
        let values = self.threshold + self.power_value();
        whole(2.0 * (values * deviation / difference).powi(2))
    }

    /// The smallest rise of a rate that so many users would have shown: where [`Demand::users_for_rates`] with groups of
    /// different size asks for just these (the same chapter). `None` when none would be found.
    pub fn detectable_rise(self, rate: f64, control_users: f64, variant_users: f64) -> Option<f64> {
        let known = (0.0..1.0).contains(&rate) && control_users > 0.0 && variant_users > 0.0;
        known.then_some(())?;
        let power = |rise: f64| {
            let variant = rate + rise;
            let pooled = (rate * control_users + variant * variant_users) / (control_users + variant_users);
            let none = (pooled * (1.0 - pooled) * (1.0 / control_users + 1.0 / variant_users)).sqrt();
            let some = (rate * (1.0 - rate) / control_users + variant * (1.0 - variant) / variant_users).sqrt();
            let distance = rise - self.threshold * none;
            // Where nothing varies any more, what is above the threshold is always found.
            if some > 0.0 { normal_cdf(distance / some) } else { f64::from(distance > 0.0) }
        };
        let (mut low, mut high) = (0.0, 1.0 - rate);
        if power(high) < self.power {
            return None;
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if power(middle) < self.power { low = middle } else { high = middle }
        }
        Some(high)
    }

    /// The smallest difference of means that would have been shown, when their difference has this standard error. `None`
    /// without spread.
    pub fn detectable_difference(self, standard_error: f64) -> Option<f64> {
        let difference = (self.threshold + self.power_value()) * standard_error;
        (difference > 0.0 && difference.is_finite()).then_some(difference)
    }
}

/// How many whole days it takes until the smallest group has so many users, when so many new ones come a day and that
/// share of them (from 0 to 1) goes to the smallest group. `None` when nobody comes.
pub fn days(users_per_group: u64, users_per_day: f64, smallest_share: f64) -> Option<u64> {
    let per_day = users_per_day * smallest_share;
    (per_day > 0.0).then_some(())?;
    whole(users_per_group as f64 / per_day)
}

/// The next whole number, when it is one that can be counted.
fn whole(number: f64) -> Option<u64> {
    let number = number.ceil();
    (0.0..=EXPERIMENT_USERS_MAX as f64).contains(&number).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Demand {
        Demand::of_one_look(Level::USUAL, USUAL_POWER).unwrap()
    }

    #[test]
    fn sample_sizes_are_those_of_r() {
        // power.prop.test(p1 = , p2 = , power = .8) and, for means, the formula by hand with 1.959964 + 0.841621.
        for (control, variant, users) in
            [(0.5, 0.75, 58), (0.10, 0.12, 3_841), (0.02, 0.022, 80_682), (0.1, 0.08, 3_213)]
        {
            assert_eq!(usual().users_for_rates(control, variant), Some(users), "{control} {variant}");
        }
        assert_eq!(usual().users_for_means(1.0, 0.5), Some(63));
        assert_eq!(usual().users_for_means(-1.0, -0.5), Some(63));
    }

    #[test]
    fn looking_at_any_time_takes_about_twice_as_many() {
        let anytime = Demand::of_any_time(Level::USUAL, USUAL_POWER).unwrap();
        for (once, any) in [
            (usual().users_for_rates(0.02, 0.022), anytime.users_for_rates(0.02, 0.022)),
            (usual().users_for_means(22.0, 0.32), anytime.users_for_means(22.0, 0.32)),
        ] {
            let ratio = any.unwrap() as f64 / once.unwrap() as f64;
            assert!((ratio - 1.915).abs() < 0.01, "{ratio}");
        }
    }

    #[test]
    fn what_cannot_be_planned_is_not() {
        for (control, variant) in [(0.1, 0.1), (0.0, 0.0), (1.0, 1.0), (-0.1, 0.2), (0.1, 1.2), (f64::NAN, 0.1)] {
            assert_eq!(usual().users_for_rates(control, variant), None);
        }
        assert_eq!(usual().users_for_rates(0.1, 0.1 + 1e-12), None, "more users than there are");
        assert_eq!(usual().users_for_means(1.0, 0.0), None);
        assert_eq!(Demand::of_one_look(Level::USUAL, 1.0), None);
        assert_eq!(days(100, 0.0, 0.5), None);
        assert_eq!(days(1_001, 200.0, 0.5), Some(11));
    }

    #[test]
    fn the_smallest_effect_that_is_found_is_the_one_that_needs_just_these_users() {
        for rate in [0.0, 0.001, 0.1, 0.5, 0.9] {
            for users in [100.0, 1e4, 1e12] {
                let Some(rise) = usual().detectable_rise(rate, users, users) else { continue };
                let needed = usual().users_for_rates(rate, rate + rise).unwrap() as f64;
                assert!((needed / users - 1.0).abs() < 0.011, "{rate} {users}: {rise} needs {needed}");
            }
        }
        assert_eq!(usual().detectable_rise(0.9, 5.0, 5.0), None, "not even everybody would show");
        assert_eq!(usual().detectable_rise(1.0, 1e6, 1e6), None);
        let by_means = usual().detectable_difference((2.0_f64 / 63.0).sqrt()).unwrap();
        assert!((by_means - 0.5).abs() < 0.002, "{by_means}");
    }
}
