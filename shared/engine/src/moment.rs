//! Micro-moments: how strong they are, which one it is now, and how ready to buy the user is.
//!
//! A strength halves with each half-life: `s(t) = s₀ · 2^(−(t − t₀)/h)`. It is computed by `libm`, in software,
//! so that every machine gets the same bits.

use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use crate::bounds::{MOMENT_STRENGTH_MAX, PLAY_SPAN_MAX};
use crate::check::View;
use crate::playbook::{Moment, ReadinessValue};
use crate::program::{MomentRule, Program};
use crate::time::{Span, Timestamp};
use crate::verdict::{Verdict, earlier};

/// How strong a moment was when evidence last came.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct MomentState {
    /// Which.
    #[n(0)]
    pub moment: Moment,
    /// How strong.
    #[n(1)]
    pub strength: f64,
    /// When.
    #[n(2)]
    pub at: Timestamp,
}

impl MomentState {
    /// How strong it is at a later instant.
    pub fn strength_at(&self, at: Timestamp, half_life: Span) -> f64 {
        if at <= self.at {
            return self.strength;
        }
        let halvings = at.since(self.at).as_millis() as f64 / half_life.as_millis() as f64;
        self.strength * libm::exp2(-halvings)
    }

    /// Adds evidence.
    pub(crate) fn add(&mut self, weight: f64, at: Timestamp, half_life: Span) {
        self.strength = (self.strength_at(at, half_life) + weight).min(MOMENT_STRENGTH_MAX);
        self.at = at;
    }

    /// About when it falls below a strength; never when it is below already.
    fn falls_to(&self, strength: f64, half_life: Span, now: Timestamp) -> Option<Timestamp> {
        if strength <= 0.0 || self.strength_at(now, half_life) < strength {
            return None;
        }
        let millis = half_life.as_millis() as f64 * libm::log2(self.strength / strength);
        Some(self.at.plus(Span::from_millis(millis as i64)))
    }
}

fn rule<'a>(view: &View<'a>, moment: Moment) -> Option<&'a MomentRule> {
    view.program.moment(moment)
}

/// The moments that the playbook knows.
fn rules<'a>(view: &View<'a>) -> impl Iterator<Item = (Moment, &'a MomentRule)> {
    let program = view.program;
    Moment::ALL.into_iter().filter_map(|(_, moment)| Some((moment, program.moment(moment)?)))
}

fn state<'a>(view: &View<'a>, moment: Moment) -> Option<&'a MomentState> {
    view.state.moments.iter().find(|state| state.moment == moment)
}

/// How strong a moment is.
pub(crate) fn strength(view: &View<'_>, moment: Moment, at: Timestamp) -> f64 {
    match (rule(view, moment), state(view, moment)) {
        (Some(rule), Some(state)) => state.strength_at(at, rule.half_life),
        _ => 0.0,
    }
}

/// The strongest moment that has reached its threshold; of equally strong ones the first of [`Moment::ALL`].
pub(crate) fn current(view: &View<'_>, at: Timestamp) -> Option<(Moment, f64)> {
    current_of(view.program, &view.state.moments, at)
}

/// The same of moments that stand in no state.
pub(crate) fn current_of(program: &Program, moments: &[MomentState], at: Timestamp) -> Option<(Moment, f64)> {
    let mut best: Option<(Moment, f64)> = None;
    for state in moments {
        let (moment, Some(rule)) = (state.moment, program.moment(state.moment)) else { continue };
        let strength = state.strength_at(at, rule.half_life);
        let is_first = |known: Moment| moment < known;
        if strength >= rule.reached_at
            && best.is_none_or(|(known, most)| strength > most || (strength == most && is_first(known)))
        {
            best = Some((moment, strength));
        }
    }
    best
}

/// Whether this is the user's moment, and how long that lasts.
#[inline(never)]
pub(crate) fn is_current(view: &View<'_>, moment: Moment, at_least: Option<f64>) -> Verdict {
    let now = view.at;
    let holds_at = |at: Timestamp| {
        current(view, at)
            .is_some_and(|(current, strength)| current == moment && at_least.is_none_or(|least| strength >= least))
    };
    let wanted = rule(view, moment).map(|rule| rule.reached_at.max(at_least.unwrap_or(0.0)));
    if wanted.is_none_or(|wanted| strength(view, moment, now) < wanted) {
        // Without evidence, a moment only fades.
        return Verdict::always(false);
    }
    let holds = holds_at(now);
    // What can change it: a moment falls below its threshold, this one below what is asked for, or below
    // another that fades more slowly. While it is this one, only what this one does counts.
    let mut changes: SmallVec<[Timestamp; 8]> = SmallVec::new();
    for (one, one_rule) in rules(view).filter(|(one, _)| !holds || *one == moment) {
        let Some(one_state) = state(view, one) else { continue };
        changes.extend(one_state.falls_to(one_rule.reached_at, one_rule.half_life, now));
        if one == moment {
            changes.extend(at_least.and_then(|least| one_state.falls_to(least, one_rule.half_life, now)));
        }
        let is_met = |(other, rule): &(Moment, &MomentRule)| match holds {
            true => *other != one && rule.half_life > one_rule.half_life,
            false => *other > one,
        };
        for (other, other_rule) in rules(view).filter(is_met) {
            if let Some(other_state) = state(view, other) {
                changes.extend(crossing(one_state, one_rule.half_life, other_state, other_rule.half_life));
            }
        }
    }
    changes.sort_unstable();
    // The formulas hit the instant to within rounding; the answer itself says at which millisecond it changes.
    let around = |change: Timestamp| (-2..=2).map(move |offset| change.plus(Span::from_millis(offset)));
    let until = changes.into_iter().flat_map(around).find(|at| *at > now && holds_at(*at) != holds);
    Verdict { holds, until }
}

/// When two strengths are equal: `log₂ a − (t − tₐ)/hₐ = log₂ b − (t − t_b)/h_b`.
fn crossing(one: &MomentState, one_half: Span, other: &MomentState, other_half: Span) -> Option<Timestamp> {
    let rate = |half: Span| 1.0 / half.as_millis() as f64;
    let slope = rate(one_half) - rate(other_half);
    if slope == 0.0 || one.strength <= 0.0 || other.strength <= 0.0 {
        return None;
    }
    // Counted from the later of the two, so that the numbers stay small.
    let origin = one.at.max(other.at);
    let level = |state: &MomentState, half: Span| libm::log2(state.strength_at(origin, half));
    let millis = (level(one, one_half) - level(other, other_half)) / slope;
    (millis.is_finite() && millis.abs() < 1e15).then(|| origin.plus(Span::from_millis(millis as i64)))
}

/// The readiness to buy, from 0 to 1; `None` when the playbook has no formula for it.
pub(crate) fn readiness(view: &View<'_>, at: Timestamp) -> Option<f64> {
    Some(1.0 / (1.0 + libm::exp(-log_odds(view, at)?)))
}

/// The logarithm of a probability's odds: the logistic function's inverse. Two readinesses compare as these do.
pub(crate) fn log_odds_of(probability: f64) -> f64 {
    -libm::log(1.0 / probability - 1.0)
}

/// The logarithm of the odds that the user buys, by the playbook's formula.
fn log_odds(view: &View<'_>, at: Timestamp) -> Option<f64> {
    lasting_log_odds(&View { at, ..*view }).map(|(sum, _)| sum)
}

/// The same now, and when time alone may change a condition of the formula.
pub(crate) fn lasting_log_odds(view: &View<'_>) -> Option<(f64, Option<Timestamp>)> {
    let formula = view.program.playbook().moments.readiness.as_ref()?;
    let at = view.at;
    let mut sum = formula.intercept;
    let mut until = None;
    for (term, check) in formula.terms.iter().zip(view.program.readiness_checks()) {
        sum += term.weight
            * match (&term.value, check) {
                (ReadinessValue::Strength(moment), _) => strength(view, *moment, at),
                (ReadinessValue::Holds(_), Some(check)) => {
                    let verdict = view.verdict(check);
                    until = earlier(until, verdict.until);
                    f64::from(u8::from(verdict.holds))
                }
                (ReadinessValue::Holds(_), None) => 0.0,
            };
    }
    Some((sum, until))
}

/// Whether the readiness to buy has reached a value (as [`log_odds_of`] it), and how long that lasts. Between two instants at which a
/// condition of the formula changes, the readiness only falls, because moments fade and their weights are not
/// negative: the millisecond is found by halving.
#[inline(never)]
pub(crate) fn is_ready(view: &View<'_>, wanted: f64) -> Verdict {
    is_ready_when(view, lasting_log_odds(view), wanted)
}

/// The same, when what [`lasting_log_odds`] gives is known.
pub(crate) fn is_ready_when(view: &View<'_>, now: Option<(f64, Option<Timestamp>)>, wanted: f64) -> Verdict {
    let Some((log_odds, conditions_change)) = now else { return Verdict::always(false) };
    match log_odds >= wanted {
        true => is_ready_until(view, wanted, conditions_change),
        false => Verdict { holds: false, until: conditions_change },
    }
}

/// How long somebody is ready who is ready now.
#[inline(never)]
fn is_ready_until(view: &View<'_>, wanted: f64, conditions_change: Option<Timestamp>) -> Verdict {
    let (holds, now) = (true, view.at);
    let reached = |at: Timestamp| log_odds(view, at).is_some_and(|log_odds| log_odds >= wanted);
    let fades = view
        .program
        .playbook()
        .moments
        .readiness
        .as_ref()
        .is_some_and(|formula| formula.terms.iter().any(|term| matches!(term.value, ReadinessValue::Strength(_))));
    let horizon = now.plus(PLAY_SPAN_MAX);
    let last = conditions_change.map_or(horizon, |change| change.plus(Span::from_millis(-1))).min(horizon);
    if !fades || reached(last) {
        // Beyond the horizon, it is simply asked again.
        let until = if fades { earlier(conditions_change, Some(horizon)) } else { conditions_change };
        return Verdict { holds, until };
    }
    let (mut reaches, mut fails) = narrowed(view, wanted, now, last, reached);
    while fails - reaches > 1 {
        let middle = reaches + (fails - reaches) / 2;
        *(if reached(Timestamp::from_millis(middle)) { &mut reaches } else { &mut fails }) = middle;
    }
    Verdict { holds, until: Some(Timestamp::from_millis(fails)) }
}

/// A few milliseconds between which the readiness falls below a value: Newton's method on the logit, which is
/// convex and falling, comes from the left and never oversteps. Where rounding spoils that, the whole span
/// is given.
fn narrowed(
    view: &View<'_>,
    wanted: f64,
    from: Timestamp,
    to: Timestamp,
    reached: impl Fn(Timestamp) -> bool,
) -> (i64, i64) {
    let wide = (from.as_millis(), to.as_millis());
    let Some(formula) = view.program.playbook().moments.readiness.as_ref() else { return wide };
    let mut fixed = formula.intercept;
    let mut fading = alloc::vec::Vec::new();
    for (term, check) in formula.terms.iter().zip(view.program.readiness_checks()) {
        match (&term.value, check) {
            (ReadinessValue::Strength(moment), _) => {
                let half_life = rule(view, *moment).map_or(1.0, |rule| rule.half_life.as_millis() as f64);
                fading.push((term.weight * strength(view, *moment, from), half_life));
            }
            (ReadinessValue::Holds(_), Some(check)) => {
                fixed += term.weight * f64::from(u8::from(view.verdict(check).holds));
            }
            (ReadinessValue::Holds(_), None) => {}
        }
    }
    let mut millis = 0.0;
    for _ in 0..40 {
        let mut value = fixed - wanted;
        let mut slope = 0.0;
        for (strength, half_life) in &fading {
            let now = strength * libm::exp2(-millis / half_life);
            value += now;
            slope -= now * core::f64::consts::LN_2 / half_life;
        }
        if value <= 0.0 || slope >= 0.0 {
            break;
        }
        let step = -value / slope;
        millis += step;
        if step < 0.5 {
            break;
        }
    }
    let near = |offset: f64| from.plus(Span::from_millis((millis + offset) as i64)).min(to).max(from);
    let (before, after) = (near(-4.0), near(4.0));
    if before < after && reached(before) && !reached(after) { (before.as_millis(), after.as_millis()) } else { wide }
}
