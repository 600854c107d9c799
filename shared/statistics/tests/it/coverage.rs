//! Intervals hold the truth as often as they say. For small counts every outcome there is gets its probability, so that
//! nothing is left to chance; the textbook's interval about the estimate is measured beside them, and fails.

use kairos_statistics::distributions::normal_upper_quantile;
use kairos_statistics::rates::{newcombe, wilson};
use kairos_statistics::{Interval, Level};

use crate::{counts, tell};

/// The rates that are tried: from 1 to 50 percent; the others are their mirror.
fn rates() -> impl Iterator<Item = f64> {
    (1..=25).map(|step| f64::from(step) * 0.02 - 0.01)
}

/// The probabilities of 0 to `users` conversions.
fn binomial(users: u64, rate: f64) -> Vec<f64> {
    let mut probabilities = vec![(1.0 - rate).powi(users as i32)];
    for converted in 1..=users {
        let ratio = (users - converted + 1) as f64 / converted as f64 * rate / (1.0 - rate);
        probabilities.push(probabilities[converted as usize - 1] * ratio);
    }
    probabilities
}

/// How often the truth is held, on average over all rates, and in the worst of them.
fn mean_and_least(coverage: &[f64]) -> (f64, f64) {
    (coverage.iter().sum::<f64>() / coverage.len() as f64, coverage.iter().copied().fold(1.0, f64::min))
}

/// The interval of the textbooks: the estimate and 1.96 standard errors to each side.
fn about(estimate: f64, variance: f64) -> Interval {
    let half = normal_upper_quantile(0.025) * variance.sqrt();
    Interval { low: estimate - half, high: estimate + half }
}

#[test]
fn wilsons_interval_holds_a_rate_as_often_as_it_says() {
    let held = |users: u64, rate: f64, interval: &dyn Fn(u64) -> Interval| -> f64 {
        let outcomes = binomial(users, rate).into_iter().zip(0..);
        outcomes.filter(|(_, converted)| interval(*converted).contains(rate)).map(|(probability, _)| probability).sum()
    };
    for users in [5, 10, 20, 50, 200] {
        let by_wilson = |converted| wilson(&counts(users, converted), Level::USUAL).unwrap();
        let by_textbook = |converted| {
            let moments = counts(users, converted).rate().unwrap();
            about(moments.mean, moments.variance_of_mean())
        };
        let of_wilson: Vec<f64> = rates().map(|rate| held(users, rate, &by_wilson)).collect();
        let of_textbook: Vec<f64> = rates().map(|rate| held(users, rate, &by_textbook)).collect();
        let ((mean, least), (worse, least_of_all)) = (mean_and_least(&of_wilson), mean_and_least(&of_textbook));
        assert!((0.94..0.97).contains(&mean) && least > 0.83, "{users} users: {mean:.4}, at least {least:.4}");
        assert!(worse < mean && least_of_all < 0.87, "{users} users: {worse:.4}, at least {least_of_all:.4}");
        tell(format!("{users} users: Wilson {mean:.3} (at least {least:.3}), textbook {worse:.3} ({least_of_all:.3})"));
    }
}

#[test]
fn newcombes_interval_holds_a_difference_as_often_as_it_says() {
    for (users_a, users_b) in [(10, 10), (10, 20), (30, 30), (5, 60)] {
        let (mut of_newcombe, mut of_textbook) = (Vec::new(), Vec::new());
        let intervals: Vec<(u64, u64, Interval, Interval)> = (0..=users_a)
            .flat_map(|a| (0..=users_b).map(move |b| (a, b)))
            .map(|(a, b)| {
                let (control, variant) = (counts(users_a, a), counts(users_b, b));
                let [first, second] = [control, variant].map(|sample| sample.rate().unwrap());
                let variance = first.variance_of_mean() + second.variance_of_mean();
                let found = newcombe(&control, &variant, Level::USUAL).unwrap();
                (a, b, found, about(second.mean - first.mean, variance))
            })
            .collect();
        for rate_a in rates() {
            for rate_b in rates() {
                let (of_a, of_b) = (binomial(users_a, rate_a), binomial(users_b, rate_b));
                let (mut by_newcombe, mut by_textbook) = (0.0, 0.0);
                for (a, b, found, textbook) in &intervals {
                    let probability = of_a[*a as usize] * of_b[*b as usize];
                    by_newcombe += if found.contains(rate_b - rate_a) { probability } else { 0.0 };
                    by_textbook += if textbook.contains(rate_b - rate_a) { probability } else { 0.0 };
                }
                of_newcombe.push(by_newcombe);
                of_textbook.push(by_textbook);
            }
        }
        let ((mean, least), (worse, least_of_all)) = (mean_and_least(&of_newcombe), mean_and_least(&of_textbook));
        assert!((0.945..0.98).contains(&mean) && least > 0.86, "{users_a}, {users_b}: {mean:.4}, {least:.4}");
        assert!(worse < 0.94 && least_of_all < least, "{users_a}, {users_b}: {worse:.4}, {least_of_all:.4}");
        tell(format!(
            "{users_a} and {users_b} users: Newcombe {mean:.3} (at least {least:.3}), textbook {worse:.3} \
             ({least_of_all:.3})"
        ));
    }
}
