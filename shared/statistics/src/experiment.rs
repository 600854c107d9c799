//! An experiment, from the samples of its variants to what may be said of it.

use kairos_engine::bounds::{EXPERIMENT_CONVERSIONS_MIN, EXPERIMENT_NAME_BYTES_MAX, EXPERIMENT_VARIANTS_MAX};
use serde::{Deserialize, Serialize};

use crate::bayes::{self, EffectBelief, Posterior};
use crate::effect::{Effect, Interval, Level, degrees_of_freedom};
use crate::incremental::{Baseline, Incremental};
use crate::means;
use crate::multiple::{self, Correction};
use crate::power::{Demand, USUAL_POWER};
use crate::rates::{self, Test};
use crate::ratio_mismatch::{self, SampleRatio};
use crate::sample::{Moments, Sample};
use crate::sequential::{self, Tuning};
use crate::verdict::{self, Finding, Verdict};

/// One group of users.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// What it is called.
    pub name: String,
    /// Which share of the users it was declared to get: a positive number, in any unit that is the same for all.
    pub share: f64,
    /// Its users.
    pub sample: Sample,
}

/// What the experiment was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// How many of the users convert.
    #[default]
    Conversion,
    /// What a user brings, in units of the currency.
    Revenue,
}

/// When somebody looks at the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Looks {
    /// Whenever they like. The verdict goes by figures that allow for it.
    #[default]
    Anytime,
    /// Once, at a moment that was fixed before the experiment began.
    PlannedOnce,
}

/// How an experiment is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How often intervals hold the truth.
    pub level: Level,
    /// What the verdict is about.
    pub metric: Metric,
    /// When somebody looks.
    pub looks: Looks,
    /// For how many users the figures for any time are tuned.
    pub tuning: Tuning,
    /// What is done about many variants.
    pub correction: Correction,
    /// Whom the control is made of.
    pub baseline: Baseline,
    /// How often an effect that is there shall be found.
    pub power: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: Level::USUAL,
            metric: Metric::default(),
            looks: Looks::default(),
            tuning: Tuning::USUAL,
            correction: Correction::default(),
            baseline: Baseline::default(),
            power: USUAL_POWER,
        }
    }
}

/// Variants of which one is the control.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    variants: Vec<Variant>,
    control: usize,
}

/// Why variants are no experiment.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExperimentError {
    /// There is nothing to compare.
    #[error("an experiment has from 2 to {EXPERIMENT_VARIANTS_MAX} variants, the control among them; this has {0}")]
    Variants(usize),
    /// A name that is missing, twice there, or too long.
    #[error("`{0}` is no name of a variant: give each a different one of at most {EXPERIMENT_NAME_BYTES_MAX} bytes")]
    Name(String),
    /// The control is none of the variants.
    #[error("no variant is called `{name}`; there are {known}")]
    Control {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A share that is none.
    #[error("the share of `{name}` is {share}: write a positive number, as in 50")]
    Share {
        /// Whose.
        name: String,
        /// What stands there.
        share: f64,
    },
    /// A power that is none.
    #[error("a power is from 0.5 to 0.999, as in 0.8")]
    Power,
}

/// All that is said of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentResult {
    /// What may be said, first of all.
    pub verdict: Verdict,
    /// Whether users were divided as declared.
    pub sample_ratio: SampleRatio,
    /// How often intervals hold the truth.
    pub level: Level,
    /// What the verdict is about.
    pub metric: Metric,
    /// When somebody looks.
    pub looks: Looks,
    /// What was done about many variants.
    pub correction: Correction,
    /// The name of the control.
    pub control: String,
    /// Conversions.
    pub conversion: MetricResult,
    /// Revenue, when anybody brought some.
    pub revenue: Option<MetricResult>,
}

/// What is said of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricResult {
    /// Each variant by itself, in the order in which they were given.
    pub variants: Vec<VariantResult>,
    /// Each variant but the control, against it.
    pub comparisons: Vec<Comparison>,
}

/// One variant by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantResult {
    /// What it is called.
    pub name: String,
    /// How many users there are.
    pub users: u64,
    /// How many of them converted.
    pub converted: u64,
    /// Their rate of conversion, or revenue per user in units of the currency. `None` without users.
    pub estimate: Option<f64>,
    /// What that lies between: Wilson's interval for rates, Student's for means.
    pub interval: Option<Interval>,
    /// How likely it is the best of all.
    pub probability_best: Option<f64>,
    /// What is lost on average by choosing it, against the best of all.
    pub expected_loss: Option<f64>,
}

/// One variant against the control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What it is called.
    pub variant: String,
    /// What may be said of it.
    pub finding: Finding,
    /// How much more a user of it converts or brings; for rates 0.01 is one percentage point. `None` when a group has no
    /// users.
    pub difference: Option<Figure>,
    /// That in proportion to the control; 0.1 is 10 %. `None` when the control's figure is not clearly above zero: then
    /// no proportion can be told.
    pub lift: Option<Figure>,
    /// The test for one planned look: the pooled z test of rates, Welch's t test of means.
    pub test: Option<Test>,
    /// The p-value of that, corrected for many variants.
    pub p_value_adjusted: Option<f64>,
    /// The p-value that holds at any time.
    pub anytime_p_value: Option<f64>,
    /// The same, corrected for many variants.
    pub anytime_p_value_adjusted: Option<f64>,
    /// What to bet on.
    pub belief: Option<EffectBelief>,
    /// The smallest difference that so many users show at one planned look with the power that was asked for.
    pub detectable: Option<f64>,
    /// What came on top, in conversions or units of the currency.
    pub incremental: Option<Incremental>,
}

/// A figure and what it lies between.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The figure.
    pub estimate: f64,
    /// For one planned look: Newcombe's for differences of rates, Student's for others.
    pub interval: Option<Interval>,
    /// For any look.
    pub anytime_interval: Option<Interval>,
}

impl Experiment {
    /// An experiment with the control of this name.
    ///
    /// # Errors
    /// When there is nothing to compare, or a name or a share is none.
    pub fn new(variants: Vec<Variant>, control: &str) -> Result<Self, ExperimentError> {
        if !(2..=EXPERIMENT_VARIANTS_MAX).contains(&variants.len()) {
            return Err(ExperimentError::Variants(variants.len()));
        }
        for (index, variant) in variants.iter().enumerate() {
            let name = &variant.name;
            let is_known = variants[..index].iter().any(|known| known.name == *name);
            if name.is_empty() || name.len() > EXPERIMENT_NAME_BYTES_MAX || is_known {
                return Err(ExperimentError::Name(name.clone()));
            }
            if !(variant.share.is_finite() && variant.share > 0.0) {
                return Err(ExperimentError::Share { name: name.clone(), share: variant.share });
            }
        }
        let found = variants.iter().position(|variant| variant.name == control);
        let names = || variants.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>().join(", ");
        let control = found.ok_or_else(|| ExperimentError::Control { name: control.to_owned(), known: names() })?;
        Ok(Self { variants, control })
    }

    /// The variants, in the order in which they were given.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The control.
    pub fn control(&self) -> &Variant {
        &self.variants[self.control]
    }

    /// What it says.
    ///
    /// # Errors
    /// When the power of the settings is none.
    pub fn read(&self, settings: &Settings) -> Result<ExperimentResult, ExperimentError> {
        let demand = Demand::of_one_look(settings.level, settings.power).ok_or(ExperimentError::Power)?;
        let users: Vec<u64> = self.variants.iter().map(|variant| variant.sample.users()).collect();
        let shares: Vec<f64> = self.variants.iter().map(|variant| variant.share).collect();
        let sample_ratio =
            ratio_mismatch::check(&users, &shares).expect("names and shares were looked at when it was made");
        let reading = Reading { experiment: self, settings, demand, mismatch: sample_ratio.mismatch };
        let conversion = reading.metric(Metric::Conversion);
        let has_revenue = settings.metric == Metric::Revenue || self.variants.iter().any(|v| v.sample.has_values());
        let revenue = has_revenue.then(|| reading.metric(Metric::Revenue));
        let of_interest = match settings.metric {
            Metric::Conversion => &conversion,
            Metric::Revenue => revenue.as_ref().expect("it is read when it is what the verdict is about"),
        };
        let control = &self.control().name;
        let verdict = verdict::of(settings, control, &sample_ratio, &of_interest.comparisons);
        Ok(ExperimentResult {
            verdict,
            level: settings.level,
            metric: settings.metric,
            looks: settings.looks,
            correction: settings.correction,
            control: control.clone(),
            sample_ratio,
            conversion,
            revenue,
        })
    }
}

/// The work on one experiment.
struct Reading<'a> {
    experiment: &'a Experiment,
    settings: &'a Settings,
    demand: Demand,
    mismatch: bool,
}

impl Reading<'_> {
    fn metric(&self, metric: Metric) -> MetricResult {
        let variants = self.variants(metric);
        let control = &self.experiment.control().sample;
        let others = self.experiment.variants.iter().enumerate().filter(|(index, _)| *index != self.experiment.control);
        let mut comparisons: Vec<Comparison> =
            others.map(|(_, variant)| self.comparison(metric, control, variant)).collect();
        let p_values = |of: fn(&Comparison) -> Option<f64>| {
            multiple::adjusted(&comparisons.iter().map(of).collect::<Vec<_>>(), self.settings.correction)
        };
        let planned = p_values(|comparison| comparison.test.map(|test| test.p_value));
        let anytime = p_values(|comparison| comparison.anytime_p_value);
        for ((comparison, planned), anytime) in comparisons.iter_mut().zip(planned).zip(anytime) {
            comparison.p_value_adjusted = planned;
            comparison.anytime_p_value_adjusted = anytime;
            if comparison.finding == Finding::NoDifferenceSeen {
                comparison.finding = self.finding(comparison);
            }
        }
        MetricResult { variants, comparisons }
    }

    /// Each variant by itself, and how likely it is the best.
    fn variants(&self, metric: Metric) -> Vec<VariantResult> {
        let all = &self.experiment.variants;
        let posteriors: Option<Vec<Posterior>> = all.iter().map(|variant| posterior(metric, &variant.sample)).collect();
        let beliefs = posteriors.and_then(|posteriors| bayes::compare(&posteriors));
        let level = self.settings.level;
        let one = |(index, variant): (usize, &Variant)| {
            let sample = &variant.sample;
            let moments = moments(metric, sample);
            let interval = match metric {
                Metric::Conversion => rates::wilson(sample, level),
                Metric::Revenue => moments.filter(|moments| moments.users >= 2.0).map(|moments| {
                    let mean = Effect { estimate: moments.mean, variance: moments.variance_of_mean() };
                    mean.student_interval(level, moments.users - 1.0)
                }),
            };
            VariantResult {
                name: variant.name.clone(),
                users: sample.users(),
                converted: sample.converted(),
                estimate: moments.map(|moments| moments.mean),
                interval,
                probability_best: beliefs.as_ref().map(|beliefs| beliefs.probability_best[index]),
                expected_loss: beliefs.as_ref().map(|beliefs| beliefs.expected_loss[index]),
            }
        };
        all.iter().enumerate().map(one).collect()
    }

    fn comparison(&self, metric: Metric, control: &Sample, variant: &Variant) -> Comparison {
        let Settings { level, tuning, baseline, .. } = *self.settings;
        let sample = &variant.sample;
        let mut comparison = Comparison {
            variant: variant.name.clone(),
            finding: self.first_finding(control, variant),
            difference: None,
            lift: None,
            test: None,
            p_value_adjusted: None,
            anytime_p_value: None,
            anytime_p_value_adjusted: None,
            belief: None,
            detectable: None,
            incremental: None,
        };
        let (Some(a), Some(b)) = (moments(metric, control), moments(metric, sample)) else { return comparison };
        let users = a.users + b.users;
        let anytime = |effect: &Effect| sequential::interval(effect, users, level, tuning);
        let effect = Effect::difference(&a, &b);
        let interval = match metric {
            Metric::Conversion => rates::newcombe(control, sample, level),
            Metric::Revenue => means::welch_interval(&a, &b, level),
        };
        let anytime_interval = anytime(&effect);
        comparison.difference = Some(Figure { estimate: effect.estimate, interval, anytime_interval });
        // Fieller (Journal of the Royal Statistical Society B 16, 1954): a ratio whose denominator may be zero has no
        // bounded interval.
        let control_is_clear = a.mean > level.normal_value() * a.variance_of_mean().sqrt();
        comparison.lift = Effect::lift(&a, &b).filter(|_| control_is_clear).map(|lift| Figure {
            estimate: lift.estimate,
            interval: degrees_of_freedom(&a, &b).map(|degrees| lift.student_interval(level, degrees)),
            anytime_interval: anytime(&lift),
        });
        comparison.test = match metric {
            Metric::Conversion => rates::pooled_z(control, sample),
            Metric::Revenue => means::welch(&a, &b),
        };
        comparison.anytime_p_value = sequential::p_value(&effect, users, level, tuning);
        comparison.belief = match metric {
            Metric::Conversion => {
                Some(bayes::against_control(&Posterior::of_rate(control), &Posterior::of_rate(sample)))
            }
            Metric::Revenue => bayes::of_effect(&effect),
        };
        comparison.detectable = match metric {
            Metric::Conversion => self.demand.detectable_rise(a.mean, a.users, b.users),
            Metric::Revenue => self.demand.detectable_difference(effect.standard_error()),
        };
        comparison.incremental =
            Some(Incremental::of(baseline, sample.users(), effect.estimate, interval, anytime_interval));
        comparison
    }

    /// What stands in the way of reading a comparison at all.
    fn first_finding(&self, control: &Sample, variant: &Variant) -> Finding {
        let sample = &variant.sample;
        let groups = [(&self.experiment.control().name, control), (&variant.name, sample)];
        let too_few = |count: fn(&Sample) -> u64| {
            groups
                .iter()
                .map(|(name, sample)| (count(sample), *name))
                .find(|(count, _)| *count < EXPERIMENT_CONVERSIONS_MIN)
        };
        if self.mismatch {
            Finding::SampleRatioMismatch
        } else if let Some((converted, name)) = too_few(Sample::converted) {
            Finding::TooFewConverted { of: name.clone(), converted, needed: EXPERIMENT_CONVERSIONS_MIN }
        } else if let Some((others, name)) = too_few(Sample::not_converted) {
            Finding::TooFewNotConverted { of: name.clone(), not_converted: others, needed: EXPERIMENT_CONVERSIONS_MIN }
        } else {
            Finding::NoDifferenceSeen
        }
    }

    /// What is found where nothing stands in the way. A difference is seen when the corrected p-value says so and the
    /// interval leaves zero out, too: the two are different formulas for rates at a planned look.
    fn finding(&self, comparison: &Comparison) -> Finding {
        let figure = comparison.difference.expect("there are users who converted");
        let (p_value, interval) = match self.settings.looks {
            Looks::Anytime => (comparison.anytime_p_value_adjusted, figure.anytime_interval),
            Looks::PlannedOnce => (comparison.p_value_adjusted, figure.interval),
        };
        let (Some(p_value), Some(interval)) = (p_value, interval) else { return Finding::NothingVaries };
        if p_value >= self.settings.level.alpha() || interval.contains(0.0) {
            Finding::NoDifferenceSeen
        } else if figure.estimate > 0.0 {
            Finding::Better
        } else {
            Finding::Worse
        }
    }
}

fn moments(metric: Metric, sample: &Sample) -> Option<Moments> {
    match metric {
        Metric::Conversion => sample.rate(),
        Metric::Revenue => sample.value(),
    }
}

fn posterior(metric: Metric, sample: &Sample) -> Option<Posterior> {
    match metric {
        Metric::Conversion => Some(Posterior::of_rate(sample)),
        Metric::Revenue => Posterior::of_mean(&sample.value()?),
    }
}
