//! What to believe after the data, when nothing was believed before: how likely each variant is the best one, and what it
//! would cost on average to choose it although it is not.
//!
//! Rates have Beta posteriors by a flat prior (Bayes and Laplace): Gelman et al., Bayesian Data Analysis, 3rd edition
//! (2013), section 2.1. Means have Normal ones (section 2.5, with a flat prior and the variance taken as known), as in
//! gbstats. Probabilities come from integrals, not from drawn numbers, so they are the same each time. The integrals are
//! those of Stucchio, Bayesian A/B Testing at VWO (2015), over densities and distribution functions.
//!
//! These figures say what to bet on. They do not bound how often one is wrong when stopping at the first good moment: that
//! is what [`sequential`](crate::sequential) does.

use serde::{Deserialize, Serialize};

use crate::distributions::{normal_cdf, normal_density, normal_sf};
use crate::effect::{Effect, Interval, Level};
use crate::quadrature::{NODES, Panel, Rule};
use crate::sample::{Moments, Sample};

/// What is believed of one variant's rate or mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    shape: Shape,
    mean: f64,
    deviation: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// One more than converted, one more than did not.
    Beta {
        yes: f64,
        no: f64,
    },
    Normal,
}

/// How variants compare, in the order in which they were given.
#[derive(Clone, Debug, PartialEq)]
pub struct Beliefs {
    /// How likely each is the best one; together 1.
    pub probability_best: Vec<f64>,
    /// How much is lost on average when it is chosen, against the best of all: the expected loss, or risk.
    pub expected_loss: Vec<f64>,
}

/// What is believed of an effect with a Normal posterior.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectBelief {
    /// How likely the variant is better than the control.
    pub chance_to_beat_control: f64,
    /// What is lost on average by choosing the variant.
    pub loss_of_choosing: f64,
    /// What is lost on average by staying with the control.
    pub loss_of_staying: f64,
}

impl Posterior {
    /// Of a rate. Without users everything is as likely.
    pub fn of_rate(sample: &Sample) -> Self {
        let (yes, no) = (sample.converted() as f64 + 1.0, sample.not_converted() as f64 + 1.0);
        let total = yes + no;
        let mean = yes / total;
        Self { shape: Shape::Beta { yes, no }, mean, deviation: (mean * (no / total) / (total + 1.0)).sqrt() }
    }

    /// Of a mean. `None` without spread.
    pub fn of_mean(moments: &Moments) -> Option<Self> {
        let deviation = moments.variance_of_mean().sqrt();
        (deviation > 0.0).then_some(Self { shape: Shape::Normal, mean: moments.mean, deviation })
    }

    /// The density, up to a factor that is the same everywhere.
    fn density(&self, place: Place) -> f64 {
        match self.shape {
            // Relative to the density at the mean, since logarithms of Beta functions of large counts differ by too little.
            Shape::Beta { yes, no } => {
                let complement = no / (yes + no);
                let from_mean = match place {
                    Place::Low(rate) => rate - self.mean,
                    Place::High(less) => complement + less,
                };
                // Nobody's part is nought, also at the end of the range.
                let part = |count: f64, ratio: f64| if count > 0.0 { count * ratio.ln_1p() } else { 0.0 };
                (part(yes - 1.0, from_mean / self.mean) + part(no - 1.0, -from_mean / complement)).exp()
            }
            Shape::Normal => (-0.5 * ((place.number() - self.mean) / self.deviation).powi(2)).exp(),
        }
    }

    /// The place so far from the mean, inside the range.
    fn place(&self, from_mean: f64) -> Place {
        match self.shape {
            Shape::Normal => Place::Low(self.mean + from_mean),
            Shape::Beta { yes, no } => match self.mean + from_mean {
                rate if rate <= 0.5 => Place::Low(rate.max(0.0)),
                _ => Place::High((from_mean - no / (yes + no)).min(0.0)),
            },
        }
    }

    /// Places between which the density is smooth enough for a panel, out to where nothing is left: a Beta posterior of a
    /// rate that nobody or everybody has falls like an exponential function on its longer side.
    fn places(&self) -> impl Iterator<Item = Place> {
        let fine = (0..=32).map(|step| f64::from(step) * 0.25);
        let coarse = (9..=20).map(f64::from).chain((11..=22).map(|step| f64::from(step) * 2.0));
        fine.chain(coarse)
            .flat_map(|distance| [-distance, distance])
            .map(|distance| self.place(distance * self.deviation))
    }
}

/// Where a density is asked for. Rates near 1 are told by what they lack, so that they are as fine there as near 0.
#[derive(Clone, Copy)]
enum Place {
    /// A mean, or a rate up to one half.
    Low(f64),
    /// A rate from one half, less one: zero or negative.
    High(f64),
}

impl Place {
    fn number(self) -> f64 {
        match self {
            Self::Low(number) | Self::High(number) => number,
        }
    }
}

/// A panel, and what a number in it means.
type PlacedPanel<'a> = (Panel<'a>, fn(f64) -> Place);

/// The panels of a range, those of low places first.
fn panels<'a>(rule: &'a Rule, posteriors: &[Posterior]) -> Vec<PlacedPanel<'a>> {
    let is_rate = posteriors.iter().any(|posterior| matches!(posterior.shape, Shape::Beta { .. }));
    // Both halves meet in the middle.
    let mut low: Vec<f64> = is_rate.then_some(0.5).into_iter().collect();
    let mut high: Vec<f64> = is_rate.then_some(-0.5).into_iter().collect();
    for place in posteriors.iter().flat_map(Posterior::places) {
        match place {
            Place::Low(number) => low.push(number),
            Place::High(number) => high.push(number),
        }
    }
    let mut panels: Vec<PlacedPanel<'a>> = Vec::new();
    for (mut ends, place) in [(low, Place::Low as fn(f64) -> Place), (high, Place::High)] {
        ends.sort_by(f64::total_cmp);
        ends.dedup();
        panels.extend(ends.windows(2).map(|ends| (rule.panel(ends[0], ends[1]), place)));
    }
    panels
}

/// How these variants compare. `None` for none.
pub fn compare(posteriors: &[Posterior]) -> Option<Beliefs> {
    if posteriors.is_empty() {
        return None;
    }
    let rule = Rule::new();
    let panels = panels(&rule, posteriors);
    let values = |posterior: &Posterior, nodes: &[Place; NODES]| nodes.map(|node| posterior.density(node));

    let mut masses = vec![0.0; posteriors.len()];
    for (panel, place) in &panels {
        let nodes = panel.nodes().map(place);
        for (mass, posterior) in masses.iter_mut().zip(posteriors) {
            *mass += panel.integral(&values(posterior, &nodes));
        }
    }
    let mut below = vec![0.0; posteriors.len()];
    let mut probability_best = vec![0.0; posteriors.len()];
    let mut expected_loss = vec![0.0; posteriors.len()];
    for (panel, place) in &panels {
        let nodes = panel.nodes().map(place);
        // Of each variant the density at each node, and the distribution function.
        let mut densities = Vec::with_capacity(posteriors.len());
        let mut functions = Vec::with_capacity(posteriors.len());
        for ((posterior, mass), below) in posteriors.iter().zip(&masses).zip(&mut below) {
            let density = values(posterior, &nodes).map(|value| value / mass);
            functions.push(panel.up_to_nodes(&density).map(|part| (*below + part).clamp(0.0, 1.0)));
            *below += panel.integral(&density);
            densities.push(density);
        }
        let all_below = |node: usize, but: Option<usize>| -> f64 {
            let others = functions.iter().enumerate().filter(|(index, _)| Some(*index) != but);
            others.map(|(_, function)| function[node]).product()
        };
        for index in 0..posteriors.len() {
            let best = std::array::from_fn(|node| densities[index][node] * all_below(node, Some(index)));
            probability_best[index] += panel.integral(&best);
            // The mean of the best less the mean of this one: the integral of the difference of distribution functions.
            let loss = std::array::from_fn(|node| functions[index][node] - all_below(node, None));
            expected_loss[index] += panel.integral(&loss);
        }
    }
    let total: f64 = probability_best.iter().sum();
    probability_best.iter_mut().for_each(|probability| *probability = (*probability / total).clamp(0.0, 1.0));
    expected_loss.iter_mut().for_each(|loss| *loss = loss.max(0.0));
    Some(Beliefs { probability_best, expected_loss })
}

/// What to believe of a variant against the control, of whom there are two posteriors.
pub fn against_control(control: &Posterior, variant: &Posterior) -> EffectBelief {
    let Beliefs { probability_best, expected_loss } = compare(&[*control, *variant]).expect("there are two");
    EffectBelief {
        chance_to_beat_control: probability_best[1],
        loss_of_choosing: expected_loss[1],
        loss_of_staying: expected_loss[0],
    }
}

/// What to believe of an effect by a flat prior, as in gbstats: the chance that it is above zero, and the means of its
/// negative and positive parts. `None` without spread.
pub fn of_effect(effect: &Effect) -> Option<EffectBelief> {
    let deviation = effect.standard_error();
    let z = effect.estimate / deviation;
    let positive = |z: f64| deviation * (normal_density(z) + z * normal_cdf(z));
    (deviation > 0.0 && z.is_finite()).then(|| EffectBelief {
        chance_to_beat_control: normal_sf(-z),
        loss_of_choosing: positive(-z).max(0.0),
        loss_of_staying: positive(z).max(0.0),
    })
}

/// What an effect lies between with this probability, by a flat prior. `None` without spread.
pub fn credible_interval(effect: &Effect, level: Level) -> Option<Interval> {
    (effect.variance > 0.0).then(|| Interval::about(effect.estimate, level.normal_value() * effect.standard_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(converted: u64, users: u64) -> Posterior {
        Posterior::of_rate(&Sample::of_counts(users, converted).unwrap())
    }

    /// Evan Miller, Formulas for Bayesian A/B Testing (2014), of two binary variants: the probability that B beats A as a finite sum.
    /// Logarithms of factorials are added up one by one.
    fn miller(a: (u64, u64), b: (u64, u64)) -> f64 {
        let ln_beta = |x: u64, y: u64| {
            let ln_factorial = |n: u64| (2..=n).map(|k| (k as f64).ln()).sum::<f64>();
            ln_factorial(x - 1) + ln_factorial(y - 1) - ln_factorial(x + y - 1)
        };
        let [(ya, na), (yb, nb)] = [a, b].map(|(yes, users)| (yes + 1, users - yes + 1));
        let term =
            |i: u64| (ln_beta(ya + i, nb + na) - ((nb + i) as f64).ln() - ln_beta(1 + i, nb) - ln_beta(ya, na)).exp();
        (0..yb).map(term).sum()
    }

    #[test]
    fn the_probability_to_be_best_is_that_of_the_finite_sum() {
        for (a, b) in [
            ((0, 0), (0, 0)),
            ((0, 10), (1, 10)),
            ((3, 10), (9, 10)),
            ((122, 2_130), (267, 2_138)),
            ((0, 5_000), (4, 900)),
        ] {
            let found = against_control(&rate(a.0, a.1), &rate(b.0, b.1)).chance_to_beat_control;
            assert!((found - miller(a, b)).abs() < 1e-10, "{a:?} {b:?}: {found} and {}", miller(a, b));
        }
    }

    #[test]
    fn equal_variants_are_best_equally_often_however_many_and_however_large() {
        for count in [1, 2, 3, 7, 20] {
            for (converted, users) in
                [(0, 0), (0, 1), (1, 1), (0, 1_000_000), (50, 1_000), (10_u64.pow(11), 10_u64.pow(12))]
            {
                let found = compare(&vec![rate(converted, users); count]).unwrap();
                for probability in found.probability_best {
                    assert!(
                        (probability - 1.0 / count as f64).abs() < 1e-9,
                        "{count} of {converted}/{users}: {probability}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_million_millions_of_users_are_told_apart_as_normal_beliefs_are_near_both_ends_too() {
        let users = 10_u64.pow(12);
        for (converted, more) in
            [(users / 10, 400_000), (users / 2, -500_000), (1_000_000, 1_500), (users - 1_000_000, 1_500)]
        {
            let better = converted.checked_add_signed(more).unwrap();
            let samples = [converted, better].map(|converted| Sample::of_counts(users, converted).unwrap());
            let [a, b] = samples.map(|sample| sample.rate().unwrap());
            let normal =
                of_effect(&Effect { estimate: more as f64 / users as f64, ..Effect::difference(&a, &b) }).unwrap();
            let found = against_control(&Posterior::of_rate(&samples[0]), &Posterior::of_rate(&samples[1]));
            for (one, other) in [
                (found.chance_to_beat_control, normal.chance_to_beat_control),
                (found.loss_of_choosing / normal.loss_of_choosing, 1.0),
                (found.loss_of_staying / normal.loss_of_staying, 1.0),
            ] {
                assert!((one - other).abs() < 2e-3, "{converted}: {found:?} {normal:?}");
            }
        }
    }

    #[test]
    fn losses_are_those_of_uniform_beliefs_where_nothing_is_known() {
        // The best of n uniform variables is n / (n + 1) on average.
        let found = compare(&[rate(0, 0), rate(0, 0), rate(0, 0)]).unwrap();
        assert!(found.expected_loss.iter().all(|loss| (loss - 0.25).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn integrals_over_normal_beliefs_are_the_closed_formulas() {
        let of = |mean, variance, users| Moments { users, mean, variance };
        for (a, b) in [
            (of(1.0, 4.0, 100.0), of(1.2, 9.0, 80.0)),
            (of(0.0, 1.0, 1e12), of(1e-6, 1.0, 1e12)),
            (of(5.0, 1e-6, 10.0), of(4.0, 100.0, 10.0)),
        ] {
            let closed = of_effect(&Effect::difference(&a, &b)).unwrap();
            let integral = against_control(&Posterior::of_mean(&a).unwrap(), &Posterior::of_mean(&b).unwrap());
            let scale = Effect::difference(&a, &b).standard_error();
            for (one, other, scale) in [
                (closed.chance_to_beat_control, integral.chance_to_beat_control, 1.0),
                (closed.loss_of_choosing, integral.loss_of_choosing, scale),
                (closed.loss_of_staying, integral.loss_of_staying, scale),
            ] {
                assert!((one - other).abs() < 1e-9 * scale, "{closed:?} {integral:?}");
            }
        }
    }
}
