//! How strong moments are, and how ready to buy somebody is.

use kairos_engine::bounds::MOMENT_STRENGTH_MAX;
use kairos_engine::playbook::{Moment, ReadinessValue};

use crate::details::is_meant;
use crate::life::View;

/// The strength of a moment: each piece of evidence adds its weight, and all of it halves with each
/// half-life; it never rises above [`MOMENT_STRENGTH_MAX`].
pub(crate) fn strength(view: &View<'_>, moment: Moment) -> f64 {
    let Some(settings) = view.playbook.moments.moments.get(&moment) else { return 0.0 };
    let pieces: Vec<(i64, f64)> = view
        .done
        .iter()
        .map(|done| {
            let speaking = settings.evidence.iter().filter(|evidence| is_meant(&done.event, &evidence.of, done.at));
            (done.at.as_millis(), speaking.map(|evidence| evidence.weight).sum())
        })
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    let left = |until: i64, at: i64| 0.5_f64.powf((until - at) as f64 / settings.half_life.as_millis() as f64);
    let sum = |pieces: &[(i64, f64)], now: i64| pieces.iter().map(|(at, weight)| weight * left(now, *at)).sum::<f64>();
    // What was cut off at the maximum counts for nothing later.
    let mut counted: Vec<(i64, f64)> = Vec::new();
    for (at, weight) in pieces {
        let room = MOMENT_STRENGTH_MAX - sum(&counted, at);
        counted.push((at, weight.min(room)));
    }
    sum(&counted, view.now.as_millis())
}

/// The strongest moment of those that have reached their thresholds; of equal ones, the first.
pub(crate) fn current_moment(view: &View<'_>) -> Option<Moment> {
    let strengths = view.playbook.moments.moments.iter().map(|(moment, settings)| {
        let strength = strength(view, *moment);
        (*moment, strength, strength >= settings.reached_at)
    });
    let reached: Vec<(Moment, f64)> =
        strengths.filter(|(_, _, reached)| *reached).map(|(moment, strength, _)| (moment, strength)).collect();
    let strongest = reached.iter().map(|(_, strength)| *strength).reduce(f64::max)?;
    reached.into_iter().find(|(_, strength)| *strength >= strongest).map(|(moment, _)| moment)
}

/// The readiness to buy, when the playbook has one.
pub(crate) fn readiness(view: &View<'_>) -> Option<f64> {
    let readiness = view.playbook.moments.readiness.as_ref()?;
    let terms = readiness.terms.iter().map(|term| {
        let value = match &term.value {
            ReadinessValue::Holds(condition) => f64::from(u8::from(view.holds(condition))),
            ReadinessValue::Strength(moment) => strength(view, *moment),
        };
        term.weight * value
    });
    let sum = readiness.intercept + terms.sum::<f64>();
    Some(1.0 / (1.0 + (-sum).exp()))
}
