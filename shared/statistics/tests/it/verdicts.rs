//! What is said, in which words: each case as a person would tell it.

use kairos_engine::bounds::EXPERIMENT_VARIANTS_MAX;
use kairos_statistics::experiment::{Looks, Metric};
use kairos_statistics::incremental::Baseline;
use kairos_statistics::multiple::Correction;
use kairos_statistics::verdict::VerdictKind;
use kairos_statistics::{Experiment, ExperimentError, ExperimentResult, Sample, Settings, Variant};

use crate::counts;

fn read(samples: &[(&str, Sample)], settings: &Settings) -> ExperimentResult {
    let variants =
        samples.iter().map(|(name, sample)| Variant { name: (*name).to_owned(), share: 1.0, sample: *sample });
    Experiment::new(variants.collect(), samples[0].0).unwrap().read(settings).unwrap()
}

/// So many users, of whom so many spent one of these amounts in turn.
fn spent(users: u64, converted: u64, amounts: &[i128]) -> Sample {
    let amounts = || (0..converted as usize).map(|index| amounts[index % amounts.len()] * 1_000_000);
    let squares = amounts().map(|amount| amount.unsigned_abs().pow(2)).sum();
    Sample::new(users, converted, amounts().sum(), squares).unwrap()
}

#[test]
fn a_verdict_says_what_may_be_said_and_no_more() {
    let once = Settings { looks: Looks::PlannedOnce, ..Settings::default() };
    for (settings, samples, kind, says) in [
        (
            &Settings::default(),
            &[("control", counts(44_000, 2_000)), ("b", counts(45_000, 3_000))][..],
            VerdictKind::SampleRatioMismatch,
            "do not read the rest",
        ),
        (
            &Settings::default(),
            &[("control", counts(0, 0)), ("b", counts(0, 0))],
            VerdictKind::TooEarly,
            "b: too early. 0 users of control converted, at least 25 are needed.",
        ),
        (
            &Settings::default(),
            &[("control", counts(1_000, 40)), ("b", counts(1_010, 24))],
            VerdictKind::TooEarly,
            "b: too early. 24 users of b converted, at least 25 are needed.",
        ),
        (
            &Settings::default(),
            &[("control", counts(1_000, 1_000)), ("b", counts(1_000, 999))],
            VerdictKind::TooEarly,
            "b: nothing can be told. Only 0 users of control did not convert",
        ),
        (
            &Settings::default(),
            &[("control", counts(1_000, 50)), ("b", counts(1_000, 52))],
            VerdictKind::NoDifferenceSeen,
            "b: no difference seen from control. That is not to say there is none: effects above +3.27 percentage points \
             and below −2.87 percentage points are excluded, nothing between.",
        ),
        (
            &once,
            &[("control", counts(1_000, 50)), ("b", counts(1_000, 80))],
            VerdictKind::Better,
            "b: better than control in conversion, by +3.00 percentage points; the truth is between +0.84 and +5.20 \
             percentage points (at 95 %).",
        ),
        // The same figures do not convince whoever may look at any time.
        (
            &Settings::default(),
            &[("control", counts(1_000, 50)), ("b", counts(1_000, 80))],
            VerdictKind::NoDifferenceSeen,
            "no difference seen",
        ),
        (
            &Settings::default(),
            &[("control", counts(10_000, 800)), ("b", counts(10_000, 500))],
            VerdictKind::Worse,
            "b: worse than control in conversion, by −3.00 percentage points",
        ),
        (
            &Settings::default(),
            &[("control", counts(10_000, 500)), ("b", counts(10_000, 800)), ("c", counts(10_000, 810))],
            VerdictKind::Better,
            "2 variants are better than control. Which of them is the best was not tested",
        ),
        (
            &Settings::default(),
            &[("control", counts(10_000, 500)), ("b", counts(10_000, 300)), ("c", counts(10_000, 810))],
            VerdictKind::Better,
            "b: worse than control",
        ),
        (
            &Settings { metric: Metric::Revenue, ..Settings::default() },
            &[("control", spent(10_000, 500, &[20, 40])), ("b", spent(10_000, 800, &[20, 40]))],
            VerdictKind::Better,
            "b: better than control in revenue per user, by +0.90; the truth is between",
        ),
        (
            &Settings { metric: Metric::Revenue, ..Settings::default() },
            &[("control", spent(10_000, 500, &[0])), ("b", spent(10_000, 800, &[0]))],
            VerdictKind::NoDifferenceSeen,
            "b: nothing can be told. Every user brought the same.",
        ),
    ] {
        let result = read(samples, settings);
        let said = result.verdict.says.join("\n");
        assert_eq!(result.verdict.kind, kind, "{said}");
        assert!(said.contains(says), "{said}\nlacks\n{says}");
    }
}

#[test]
fn what_stands_out_alone_does_not_among_many() {
    let samples: Vec<(String, Sample)> =
        (0..6).map(|index| (index.to_string(), counts(1_000, if index == 5 { 75 } else { 50 }))).collect();
    let samples: Vec<(&str, Sample)> = samples.iter().map(|(name, sample)| (name.as_str(), *sample)).collect();
    let once = Settings { looks: Looks::PlannedOnce, ..Settings::default() };
    let corrected = read(&samples, &once).verdict;
    assert_eq!(corrected.kind, VerdictKind::NoDifferenceSeen);
    assert!(
        corrected.says.join(" ").contains("5: no difference that would stand out among so many variants"),
        "{corrected:?}"
    );
    let alone = read(&samples, &Settings { correction: Correction::None, ..once }).verdict;
    assert_eq!(alone.kind, VerdictKind::Better);
}

#[test]
fn incremental_figures_name_with_whom_users_were_compared() {
    let settings = Settings { baseline: Baseline::GlobalControlGroup, ..Settings::default() };
    let result =
        read(&[("control", spent(5_000, 250, &[20, 40])), ("treated", spent(5_000, 400, &[20, 40]))], &settings);
    let conversions = result.conversion.comparisons[0].incremental.unwrap();
    let revenue = result.revenue.unwrap().comparisons[0].incremental.unwrap();
    assert_eq!((conversions.against, conversions.users), (Baseline::GlobalControlGroup, 5_000));
    assert!((conversions.total - 150.0).abs() < 1e-9 && (revenue.total - 4_500.0).abs() < 1e-6);
    let interval = revenue.interval.unwrap();
    assert!(interval.low > 0.0 && interval.contains(4_500.0), "{interval:?}");
    assert_eq!(serde_json::to_value(revenue.against).unwrap(), "global_control_group");
}

#[test]
fn no_proportion_is_told_of_a_control_that_may_be_nothing() {
    let result = read(&[("control", counts(1_000, 3)), ("b", counts(1_000, 30))], &Settings::default());
    assert_eq!(result.conversion.comparisons[0].lift, None);
    assert!(result.conversion.comparisons[0].difference.is_some());
}

#[test]
fn what_is_no_experiment_is_refused_with_a_reason() {
    let variant = |name: &str, share: f64| Variant { name: name.to_owned(), share, sample: Sample::default() };
    let many = (0..=EXPERIMENT_VARIANTS_MAX).map(|index| variant(&index.to_string(), 1.0)).collect();
    for (variants, control, says) in [
        (vec![variant("a", 1.0)], "a", "from 2 to 20 variants"),
        (many, "0", "this has 21"),
        (vec![variant("a", 1.0), variant("a", 1.0)], "a", "`a` is no name"),
        (vec![variant("a", 1.0), variant("", 1.0)], "a", "`` is no name"),
        (vec![variant("a", 1.0), variant(&"x".repeat(101), 1.0)], "a", "at most 100 bytes"),
        (vec![variant("a", 1.0), variant("b", 0.0)], "a", "the share of `b` is 0"),
        (vec![variant("a", 1.0), variant("b", f64::NAN)], "a", "the share of `b` is NaN"),
        (vec![variant("a", 1.0), variant("b", 1.0)], "c", "no variant is called `c`; there are a, b"),
    ] {
        let error = Experiment::new(variants, control).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let experiment = Experiment::new(vec![variant("a", 1.0), variant("b", 1.0)], "a").unwrap();
    let error = experiment.read(&Settings { power: 1.0, ..Settings::default() });
    assert_eq!(error, Err(ExperimentError::Power));
}
