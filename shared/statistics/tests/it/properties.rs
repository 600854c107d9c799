//! What holds for all samples: merging is exact, intervals hold their estimates, sides can be swapped, and nothing is NaN.

use kairos_engine::bounds::{EXPERIMENT_SQUARES_MAX, EXPERIMENT_USERS_MAX};
use kairos_engine::money::Micros;
use kairos_statistics::experiment::{Looks, Metric, MetricResult};
use kairos_statistics::{Effect, Experiment, Interval, Level, Sample, Settings, Variant, means, rates, sequential};
use kairos_statistics::{bayes, sequential::Tuning};
use proptest::prelude::*;

/// One user; some values are as large as a value can be.
fn user() -> impl Strategy<Value = (bool, i64)> {
    let value = prop_oneof![4 => Just(0), 4 => -1_000_000_000..1_000_000_000_i64, 1 => any::<i64>()];
    (any::<bool>(), value)
}

/// Counts from none to as many as there can be, with rates at both ends, too.
fn counted() -> impl Strategy<Value = Sample> {
    let users = prop_oneof![0..5_u64, 0..2_000_u64, 0..=EXPERIMENT_USERS_MAX, Just(1_000_000_000_000)];
    users.prop_flat_map(|users| {
        let converted = prop_oneof![Just(0), Just(users), 0..=users, 0..=users.min(100)];
        converted.prop_map(move |converted| Sample::of_counts(users, converted).unwrap())
    })
}

/// Counts with sums: so many users with one value, so many with another.
fn valued() -> impl Strategy<Value = Sample> {
    let value = prop_oneof![Just(0_i64), -100_000_000..100_000_000_i64, Just(1_000_000_000_000_000)];
    let users = || prop_oneof![0..4_u64, 0..10_000_u64, Just(1_000_000_u64)];
    (users(), value.clone(), users(), value).prop_map(|(one, low, other, high)| {
        let [of_one, of_other] = [(one, low), (other, high)].map(|(users, value)| {
            let value = i128::from(value);
            let squares = u128::from(users) * value.unsigned_abs().pow(2);
            Sample::new(users, users / 2, i128::from(users) * value, squares).unwrap()
        });
        of_one.merge(of_other).unwrap()
    })
}

fn all(users: &[(bool, i64)]) -> Result<Sample, kairos_statistics::SampleError> {
    users.iter().try_fold(Sample::default(), |sum, (converted, value)| {
        sum.merge(Sample::of_user(*converted, Micros::new(*value)))
    })
}

fn holds(interval: Interval, estimate: f64) -> bool {
    // To the last digits, as an end may be the estimate itself.
    let slack = 1e-12 * (1.0 + estimate.abs());
    interval.low <= interval.high && interval.low - slack <= estimate && estimate <= interval.high + slack
}

/// Whether every number of what is said is one.
fn has_only_numbers(result: &MetricResult) {
    let text = serde_json::to_value(result).unwrap();
    for variant in &result.variants {
        if variant.users > 0 {
            assert!(variant.estimate.is_some(), "{text}");
        }
        for number in [variant.estimate, variant.probability_best, variant.expected_loss].into_iter().flatten() {
            assert!(number.is_finite(), "{text}");
        }
        if let (Some(interval), Some(estimate)) = (variant.interval, variant.estimate) {
            assert!(holds(interval, estimate), "{text}");
        }
    }
    for one in &result.comparisons {
        for figure in [one.difference, one.lift].into_iter().flatten() {
            assert!(figure.estimate.is_finite(), "{text}");
            for interval in [figure.interval, figure.anytime_interval].into_iter().flatten() {
                assert!(interval.low.is_finite() && interval.high.is_finite(), "{text}");
                assert!(holds(interval, figure.estimate), "{text}");
            }
        }
        let p_values = [one.p_value_adjusted, one.anytime_p_value, one.anytime_p_value_adjusted];
        let chance = one.belief.map(|belief| belief.chance_to_beat_control);
        for probability in p_values.into_iter().chain([chance, one.test.map(|test| test.p_value)]).flatten() {
            assert!((0.0..=1.0).contains(&probability), "{text}");
        }
        if let Some(belief) = one.belief {
            for loss in [belief.loss_of_choosing, belief.loss_of_staying] {
                assert!(loss.is_finite() && loss >= 0.0, "{text}");
            }
        }
        if let Some(test) = one.test {
            assert!(test.statistic.is_finite() && test.degrees_of_freedom.is_none_or(f64::is_finite), "{text}");
        }
        assert!(one.detectable.is_none_or(|effect| effect.is_finite() && effect > 0.0), "{text}");
        assert!(one.incremental.is_none_or(|incremental| incremental.total.is_finite()), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_exact_in_any_order_and_grouping(
        (users, order) in prop::collection::vec(user(), 0..30)
            .prop_flat_map(|users| { let order = Just(users.clone()).prop_shuffle(); (Just(users), order) }),
        cuts in (0..30_usize, 0..30_usize),
    ) {
        let (first, second) = (cuts.0.min(users.len()), cuts.1.min(users.len()));
        let (first, second) = (first.min(second), first.max(second));
        let parts = [&order[..first], &order[first..second], &order[second..]].map(all);
        let whole = all(&users);
        if let [Ok(a), Ok(b), Ok(c)] = parts {
            let left = a.merge(b).and_then(|ab| ab.merge(c));
            let right = b.merge(c).and_then(|bc| a.merge(bc));
            prop_assert_eq!(left, right);
            prop_assert_eq!(left, whole);
        } else {
            prop_assert!(whole.is_err(), "what is too large in parts is too large as a whole");
        }
        if let Ok(whole) = whole {
            // What was added up can be read back from its numbers.
            let read = Sample::new(whole.users(), whole.converted(), whole.value_sum(), whole.value_squares());
            prop_assert_eq!(read, Ok(whole));
        }
    }

    #[test]
    fn any_four_numbers_are_a_sample_or_an_error(
        users in any::<u64>(), converted in any::<u64>(), sum in any::<i128>(), squares in any::<u128>(),
        divisor in 0..64_u32,
    ) {
        let (sum, squares) = (sum >> (2 * divisor), (squares >> divisor).min(EXPERIMENT_SQUARES_MAX));
        if let Ok(sample) = Sample::new(users >> (divisor / 2), converted >> divisor, sum, squares) {
            for moments in [sample.rate(), sample.value()].into_iter().flatten() {
                prop_assert!(moments.mean.is_finite() && moments.variance.is_finite() && moments.variance >= 0.0);
            }
        }
    }

    #[test]
    fn every_pair_of_samples_can_be_read(
        control in prop_oneof![counted(), valued()], variant in prop_oneof![counted(), valued()],
        revenue in any::<bool>(), once in any::<bool>(),
    ) {
        let settings = Settings {
            metric: if revenue { Metric::Revenue } else { Metric::Conversion },
            looks: if once { Looks::PlannedOnce } else { Looks::Anytime },
            ..Settings::default()
        };
        let named = |name: &str, sample| Variant { name: name.to_owned(), share: 1.0, sample };
        let experiment = Experiment::new(vec![named("a", control), named("b", variant)], "a").unwrap();
        let result = experiment.read(&settings).unwrap();
        has_only_numbers(&result.conversion);
        result.revenue.iter().for_each(has_only_numbers);
        prop_assert!(!result.verdict.says.is_empty());
        for sentence in &result.verdict.says {
            prop_assert!(!sentence.contains("NaN") && !sentence.contains("inf"), "{}", sentence);
        }
    }

    #[test]
    fn swapping_the_sides_swaps_the_signs(control in counted(), variant in counted()) {
        let near = |one: f64, other: f64| (one - other).abs() <= 1e-9 * (1.0 + one.abs());
        let (there, back) = (rates::newcombe(&control, &variant, Level::USUAL), rates::newcombe(&variant, &control, Level::USUAL));
        prop_assert_eq!(there.is_some(), back.is_some());
        if let (Some(there), Some(back)) = (there, back) {
            prop_assert!(near(there.low, -back.high) && near(there.high, -back.low), "{:?} {:?}", there, back);
        }
        if let (Some(there), Some(back)) = (rates::pooled_z(&control, &variant), rates::pooled_z(&variant, &control)) {
            prop_assert!(near(there.statistic, -back.statistic) && near(there.p_value, back.p_value));
        }
        let posteriors = [control, variant].map(|sample| bayes::Posterior::of_rate(&sample));
        let there = bayes::against_control(&posteriors[0], &posteriors[1]);
        let back = bayes::against_control(&posteriors[1], &posteriors[0]);
        prop_assert!(near(there.chance_to_beat_control, 1.0 - back.chance_to_beat_control), "{:?} {:?}", there, back);
        prop_assert!(near(there.loss_of_choosing, back.loss_of_staying));
        // Whoever did not convert, converted in a mirror.
        let mirror = |sample: &Sample| Sample::of_counts(sample.users(), sample.not_converted()).unwrap();
        let mirrored = rates::newcombe(&mirror(&control), &mirror(&variant), Level::USUAL);
        if let (Some(there), Some(mirrored)) = (rates::newcombe(&control, &variant, Level::USUAL), mirrored) {
            prop_assert!(near(there.low, -mirrored.high) && near(there.high, -mirrored.low));
        }
    }

    #[test]
    fn swapping_the_sides_of_means_swaps_the_signs_and_any_time_is_wider_than_one_look(
        control in valued(), variant in valued(),
    ) {
        let (Some(a), Some(b)) = (control.value(), variant.value()) else { return Ok(()) };
        let (there, back) = (means::welch(&a, &b), means::welch(&b, &a));
        prop_assert_eq!(there.is_some(), back.is_some());
        if let (Some(there), Some(back)) = (there, back) {
            prop_assert!((there.statistic + back.statistic).abs() <= 1e-9 * there.statistic.abs());
            prop_assert!((there.p_value - back.p_value).abs() < 1e-9);
        }
        let effect = Effect::difference(&a, &b);
        if let Some(anytime) = sequential::interval(&effect, a.users + b.users, Level::USUAL, Tuning::USUAL) {
            let normal = bayes::credible_interval(&effect, Level::USUAL).unwrap();
            prop_assert!(anytime.low < normal.low && normal.high < anytime.high);
        }
    }
}
