//! Whether the users were divided as declared (sample ratio mismatch). When they were not, something has lost users of one
//! variant more than of another, and whoever is left cannot be compared.
//!
//! Pearson's chi-squared test, as Fabijan et al., Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD
//! 2019, recommend; with the threshold 0.001 of Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments (2020),
//! chapter 21, which is GrowthBook's, too: the test is asked of every experiment, often, and must not cry wolf.

use serde::{Deserialize, Serialize};

use crate::distributions::{chi_squared_sf, poisson_at_least};

/// Below it, users were not divided as declared.
pub const THRESHOLD: f64 = 0.001;

/// From so many expected users on, a group is large enough for the chi-squared distribution.
const EXPECTED_MIN: f64 = 5.0;

/// What the test says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRatio {
    /// How often numbers at least as uneven would come by chance, by the chi-squared test.
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
    let groups: Vec<(f64, f64)> = users.into_iter().zip(expected.iter().copied()).collect();
    let p_value = chi_squared(&groups);
    Some(SampleRatio { p_value, mismatch: p_value < THRESHOLD && is_certain(&groups), expected })
}

/// Pearson's test of groups, each with its users and how many it should have.
fn chi_squared(groups: &[(f64, f64)]) -> f64 {
    let terms = groups.iter().filter(|(_, expected)| *expected > 0.0);
    let sum = terms.map(|(users, expected)| (users - expected).powi(2) / expected).sum();
    chi_squared_sf(sum, groups.len().saturating_sub(1) as u32)
}

/// Whether the test can be relied on: two users where one in ten was expected are no mismatch, though it says so. So a group
/// that should have fewer than five users (Cochran, Some methods for strengthening the common χ² tests, Biometrics 10, 1954)
/// counts by the probability of as many or more, which is Poisson's, and the others are compared among themselves.
fn is_certain(groups: &[(f64, f64)]) -> bool {
    let (few, many): (Vec<_>, Vec<_>) = groups.iter().copied().partition(|(_, expected)| *expected < EXPECTED_MIN);
    let is_crowded =
        |(users, expected): &(f64, f64)| poisson_at_least(*users, *expected) * (few.len() as f64) < THRESHOLD;
    few.is_empty() || few.iter().any(is_crowded) || chi_squared(&rescaled(&many)) < THRESHOLD
}

/// Groups by themselves: as many are expected as there are.
fn rescaled(groups: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let users: f64 = groups.iter().map(|(users, _)| users).sum();
    let expected: f64 = groups.iter().map(|(_, expected)| expected).sum();
    groups.iter().map(|(own, share)| (*own, share / expected * users)).collect()
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
            // A single user, or two, where hardly any were expected, may be chance; a hundred are not.
            (vec![98, 2], vec![999.0, 1.0], false),
            (vec![999, 1], vec![1e5, 1.0], false),
            (vec![100, 100], vec![99.0, 1.0], true),
            (vec![4_000, 5_000, 1], vec![1.0, 1.0, 0.001], true),
            (vec![5_000, 5_000, 1], vec![1.0, 1.0, 1e-6], false),
            (vec![1, 1, 1], vec![1.0, 1e-9, 1e-9], true),
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
