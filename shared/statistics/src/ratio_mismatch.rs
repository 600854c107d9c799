//! Whether the users were divided as declared (sample ratio mismatch). When they were not, something has lost users of one
//! variant more than of another, and whoever is left cannot be compared.
//!
//! Pearson's chi-squared test, as Fabijan et al., Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD
//! 2019, recommend; with the threshold 0.001 of Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments (2020),
//! chapter 21, which is GrowthBook's, too: the test is asked of every experiment, often, and must not cry wolf.

use serde::Serialize;

use crate::distributions::chi_squared_sf;

/// Below it, users were not divided as declared.
pub const THRESHOLD: f64 = 0.001;

/// What the test says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleRatio {
    /// How often numbers at least as uneven would come by chance.
    pub p_value: f64,
    /// Whether something is wrong with how users were divided.
    pub mismatch: bool,
    /// How many users each variant should have.
    pub expected: Vec<f64>,
}

/// Compares the users of each variant with the shares that were declared: positive numbers in any unit. `None` when there
/// are fewer than two variants, or as many shares as variants, or a share is not a positive number.
pub fn check(users: &[u64], shares: &[f64]) -> Option<SampleRatio> {
    let is_share = |share: &f64| share.is_finite() && *share > 0.0;
    if users.len() < 2 || users.len() != shares.len() || !shares.iter().all(is_share) {
        return None;
    }
    let users: Vec<f64> = users.iter().map(|users| *users as f64).collect();
    let total: f64 = users.iter().sum();
    let together: f64 = shares.iter().sum();
    let expected: Vec<f64> = shares.iter().map(|share| share / together * total).collect();
    let terms = users.iter().zip(&expected).filter(|(_, expected)| **expected > 0.0);
    let chi_squared: f64 = terms.map(|(users, expected)| (users - expected).powi(2) / expected).sum();
    let p_value = chi_squared_sf(chi_squared, users.len() as u32 - 1);
    Some(SampleRatio { p_value, mismatch: p_value < THRESHOLD, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_divided_as_declared_is_found() {
        for (users, shares, mismatch) in [
            (vec![44_000, 45_000], vec![1.0, 1.0], true),
            (vec![500, 520], vec![50.0, 50.0], false),
            (vec![900, 100], vec![90.0, 10.0], false),
            (vec![0, 0], vec![1.0, 1.0], false),
            (vec![0, 20], vec![1.0, 1.0], true),
            (vec![333, 333, 334, 600], vec![1.0, 1.0, 1.0, 2.0], false),
            (vec![1 << 53, 1 << 53], vec![1.0, 1.0], false),
            (vec![1 << 53, 0], vec![1e-300, 1e300], true),
        ] {
            let found = check(&users, &shares).unwrap();
            assert_eq!(found.mismatch, mismatch, "{users:?}: {found:?}");
        }
    }

    #[test]
    fn shares_that_are_none_are_no_question() {
        for (users, shares) in [
            (vec![1], vec![1.0]),
            (vec![1, 2], vec![1.0]),
            (vec![1, 2], vec![1.0, 0.0]),
            (vec![1, 2], vec![1.0, -1.0]),
            (vec![1, 2], vec![1.0, f64::NAN]),
            (vec![1, 2], vec![1.0, f64::INFINITY]),
        ] {
            assert_eq!(check(&users, &shares), None);
        }
    }
}
