//! Means of values, as revenue per user: the difference of two, for one look that was planned beforehand.

use crate::distributions::student_sf;
use crate::effect::{Effect, Interval, Level, degrees_of_freedom};
use crate::rates::Test;
use crate::sample::Moments;

/// Welch's t test of two means whose variances may differ: Welch, Biometrika 34 (1947), with the degrees of freedom of
/// [`degrees_of_freedom`]. `None` when a group has fewer than two users, or nobody differs from anybody.
pub fn welch(control: &Moments, variant: &Moments) -> Option<Test> {
    of_effect(&Effect::difference(control, variant), degrees_of_freedom(control, variant)?)
}

/// The interval of the difference that belongs to [`welch`].
pub fn welch_interval(control: &Moments, variant: &Moments, level: Level) -> Option<Interval> {
    let degrees_of_freedom = degrees_of_freedom(control, variant)?;
    Some(Effect::difference(control, variant).student_interval(level, degrees_of_freedom))
}

/// The test of a lift, and of any other effect whose estimate's variance is known.
pub fn of_effect(effect: &Effect, degrees_of_freedom: f64) -> Option<Test> {
    let statistic = effect.estimate / effect.standard_error();
    let p_value = (2.0 * student_sf(statistic.abs(), degrees_of_freedom)).min(1.0);
    statistic.is_finite().then_some(Test { statistic, degrees_of_freedom: Some(degrees_of_freedom), p_value })
}
