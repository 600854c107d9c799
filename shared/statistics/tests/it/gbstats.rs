//! gbstats 0.8.0, which GrowthBook reads experiments with, answers the same; so does SciPy of the distributions.
//!
//! `tests/gbstats/answers.py` asks both about `cases.json`. What they said is kept in `answers.json`, so that every machine
//! compares; where they are installed (`make test-gbstats`), they are asked again.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kairos_statistics::bayes::{self, EffectBelief};
use kairos_statistics::distributions::{
    chi_squared_sf, normal_sf, normal_upper_quantile, poisson_at_least, student_sf, student_upper_quantile,
};
use kairos_statistics::effect::degrees_of_freedom;
use kairos_statistics::sequential::{self, Tuning};
use kairos_statistics::{Effect, Interval, Level, Moments, Sample, means, ratio_mismatch};
use serde::Deserialize;

use crate::{project, tell};

#[derive(Deserialize)]
struct Cases {
    comparisons: Vec<ComparisonCase>,
    ratios: Vec<RatioCase>,
}

#[derive(Deserialize)]
struct ComparisonCase {
    name: String,
    level: f64,
    tuned_for: u64,
    control: Group,
    variant: Group,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Group {
    Rate { users: u64, converted: u64 },
    Value { users: u64, sum: String, squares: String },
}

#[derive(Deserialize)]
struct RatioCase {
    name: String,
    users: Vec<u64>,
    shares: Vec<f64>,
}

#[derive(Deserialize)]
struct Answers {
    comparisons: BTreeMap<String, Kinds>,
    ratios: BTreeMap<String, f64>,
    distributions: BTreeMap<String, Vec<(f64, f64, f64)>>,
}

#[derive(Deserialize)]
struct Kinds {
    absolute: Answer,
    relative: Answer,
}

#[derive(Deserialize)]
struct Answer {
    estimate: f64,
    interval: (f64, f64),
    p_value: f64,
    anytime_interval: (f64, f64),
    anytime_p_value: f64,
    credible_interval: (f64, f64),
    chance_to_beat_control: f64,
    loss_of_staying: f64,
    loss_of_choosing: f64,
}

impl Group {
    fn moments(&self) -> Moments {
        match self {
            Self::Rate { users, converted } => Sample::of_counts(*users, *converted).unwrap().rate().unwrap(),
            Self::Value { users, sum, squares } => {
                let sample = Sample::new(*users, 0, sum.parse().unwrap(), squares.parse().unwrap()).unwrap();
                sample.value().unwrap()
            }
        }
    }
}

fn folder() -> PathBuf {
    project().join("shared/statistics/tests/gbstats")
}

fn cases() -> Cases {
    serde_json::from_str(&fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap()
}

/// Six digits; gbstats takes some probabilities from one, so that smaller ones than this are noise there.
fn assert_same(ours: f64, theirs: f64, what: &str) {
    let near = (ours - theirs).abs() <= 1e-6 * theirs.abs().max(ours.abs()) || (ours - theirs).abs() < 1e-12;
    assert!(near, "{what}: {ours}, but {theirs} there");
}

fn assert_same_interval(ours: Interval, theirs: (f64, f64), what: &str) {
    // Ends near zero are differences of larger numbers: what counts is the width.
    let width = theirs.1 - theirs.0;
    let near = (ours.low - theirs.0).abs().max((ours.high - theirs.1).abs()) <= 1e-6 * width;
    assert!(near, "{what}: {ours:?}, but {theirs:?} there");
}

/// Compares everything, and gives how many figures that were.
fn compare(answers: &Answers) -> usize {
    let cases = cases();
    let mut figures = 0;
    for case in &cases.comparisons {
        let (control, variant) = (case.control.moments(), case.variant.moments());
        let level = Level::new(case.level).unwrap();
        let tuning = Tuning::for_users(case.tuned_for).unwrap();
        let (users, degrees) = (control.users + variant.users, degrees_of_freedom(&control, &variant).unwrap());
        let Kinds { absolute, relative } = &answers.comparisons[&case.name];
        let difference = Effect::difference(&control, &variant);
        let lift = Effect::lift(&control, &variant).unwrap();
        for (kind, effect, answer) in [("difference", difference, absolute), ("lift", lift, relative)] {
            let what = |figure: &str| format!("{}, {kind}, {figure}", case.name);
            let test = means::of_effect(&effect, degrees).unwrap();
            let EffectBelief { chance_to_beat_control, loss_of_choosing, loss_of_staying } =
                bayes::of_effect(&effect).unwrap();
            assert_same(effect.estimate, answer.estimate, &what("estimate"));
            assert_same_interval(effect.student_interval(level, degrees), answer.interval, &what("interval"));
            assert_same(test.p_value, answer.p_value, &what("p"));
            let anytime = sequential::interval(&effect, users, level, tuning).unwrap();
            assert_same_interval(anytime, answer.anytime_interval, &what("anytime interval"));
            let p_value = sequential::p_value(&effect, users, level, tuning).unwrap();
            assert_same(p_value, answer.anytime_p_value, &what("anytime p"));
            let credible = bayes::credible_interval(&effect, level).unwrap();
            assert_same_interval(credible, answer.credible_interval, &what("credible interval"));
            assert_same(chance_to_beat_control, answer.chance_to_beat_control, &what("chance"));
            assert_same(loss_of_staying, answer.loss_of_staying, &what("loss of staying"));
            assert_same(loss_of_choosing, answer.loss_of_choosing, &what("loss of choosing"));
            figures += 12;
        }
        if matches!(case.control, Group::Value { .. }) {
            let p_value = means::welch(&control, &variant).unwrap().p_value;
            assert_same(p_value, absolute.p_value, "Welch's test");
        }
    }
    for case in &cases.ratios {
        let ours = ratio_mismatch::check(&case.users, &case.shares).unwrap();
        assert_same(ours.p_value, answers.ratios[&case.name], &case.name);
        figures += 1;
    }
    for (name, values) in &answers.distributions {
        for &(argument, degrees, theirs) in values {
            let ours = match name.as_str() {
                "student_sf" => student_sf(argument, degrees),
                "student_upper_quantile" => student_upper_quantile(argument, degrees),
                "normal_sf" => normal_sf(argument),
                "normal_upper_quantile" => normal_upper_quantile(argument),
                "poisson_at_least" => poisson_at_least(argument, degrees),
                "chi_squared_sf" => chi_squared_sf(argument, degrees as u32),
                other => panic!("answers.json asks for {other}"),
            };
            let near = (ours - theirs).abs() <= 1e-8 * theirs.abs().max(1e-9);
            assert!(near, "{name} of {argument} with {degrees} degrees: {ours}, but {theirs} there");
            figures += 1;
        }
    }
    figures
}

#[test]
fn what_gbstats_and_scipy_said_is_said_here() {
    let answers: Answers = serde_json::from_str(&fs::read_to_string(folder().join("answers.json")).unwrap()).unwrap();
    assert!(answers.comparisons.len() >= 10 && answers.ratios.len() >= 5);
    compare(&answers);
}

#[test]
fn what_gbstats_and_scipy_say_now_is_said_here() {
    let python = project().join(".local/gbstats/bin/python3");
    if !python.is_file() {
        let why = "it is not installed; `make test-gbstats` installs it into .local/gbstats";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "gbstats must be asked where CI=true: {why}");
        return tell(format!("skipped: gbstats: {why}"));
    }
    let said = Command::new(python).arg("-B").arg(folder().join("answers.py")).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let answers: Answers = serde_json::from_slice(&said.stdout).unwrap();
    let figures = compare(&answers);
    tell(format!("gbstats and SciPy, asked just now, agree in {figures} figures"));
}
