//! Caps and quiet hours that contradict one another or what a play wants.

use kairos_engine::playbook::{Cap, ChannelCap, InQuietHours, LocalHours, Play, Step};
use kairos_engine::time::Span;

use super::Whole;
use crate::diagnostic::Found;
use crate::plays::PlayPlaces;
use crate::policy::is_useless;

pub(super) fn check(whole: &Whole<'_>, found: &mut Found) {
    for play in &whole.playbook.plays {
        if let Some(places) = whole.plays.get(play.name.as_str()) {
            let file = format!("plays/{}.yaml", play.name);
            among_themselves(whole, &file, play, places, found);
            against_steps(whole, &file, play, places, found);
            quiet_hours(whole, &file, play, places, found);
        }
    }
}

fn among_themselves(whole: &Whole<'_>, file: &str, play: &Play, places: &PlayPlaces, found: &mut Found) {
    let policy: Vec<Cap> = whole.playbook.policy.caps.iter().filter_map(of_all_channels).collect();
    for (number, (cap, at)) in play.caps.iter().zip(&places.caps).enumerate() {
        let others = || play.caps.iter().enumerate().filter(|(other, _)| *other != number);
        if let Some((_, other)) = others().find(|(other, twin)| *other < number && twin.per == cap.per) {
            let message = if other == cap {
                "this cap stands here twice".to_owned()
            } else {
                format!("two caps for the same {}: at most {} and at most {}", cap.per, other.at_most, cap.at_most)
            };
            whole.problem(found, file, *at, message, "keep one of them".to_owned());
        } else if let Some((_, other)) =
            others().find(|(_, other)| other.per != cap.per && is_never_reached(*cap, **other))
        {
            whole.problem(
                found,
                file,
                *at,
                format!("this cap is never reached: another one allows only {} in {}", other.at_most, other.per),
                "remove one of them, or change their numbers".to_owned(),
            );
        } else if let Some(other) = policy.iter().find(|other| is_never_reached(*cap, **other)) {
            whole.warning(
                found,
                file,
                *at,
                format!(
                    "this cap is never reached: policy.yaml allows only {} in {} for all plays together",
                    other.at_most, other.per
                ),
                "remove it, or lower `at_most`".to_owned(),
            );
        }
    }
}

/// Whether the first cap is never reached because the second is reached first.
fn is_never_reached(cap: Cap, other: Cap) -> bool {
    let of_all = |cap: Cap| ChannelCap { channel: None, at_most: cap.at_most, per: cap.per };
    is_useless(&of_all(cap), &of_all(other))
}

fn of_all_channels(cap: &ChannelCap) -> Option<Cap> {
    cap.channel.is_none().then_some(Cap { at_most: cap.at_most, per: cap.per })
}

/// Tells when one passage through a play sends more than its own caps, or the policy's, let through.
fn against_steps(whole: &Whole<'_>, file: &str, play: &Play, places: &PlayPlaces, found: &mut Found) {
    let sends = times_of_sends(&play.steps);
    let policy = whole.playbook.policy.caps.iter().filter_map(of_all_channels);
    let own = play.caps.iter().zip(&places.caps).map(|(cap, at)| (*cap, *at, "this play"));
    let all = own.chain(policy.map(|cap| (cap, places.start, "policy.yaml")));
    for (cap, at, whose) in all {
        let Some(late) = sends.windows(cap.at_most as usize + 1).position(|sends| {
            let (first, last) = (sends[0], sends[sends.len() - 1]);
            last.as_millis() - first.as_millis() < cap.per.as_millis()
        }) else {
            continue;
        };
        let number = late + cap.at_most as usize + 1;
        whole.warning(
            found,
            file,
            at,
            format!(
                "nobody gets message {number} of a passage after those before it: {whose} allows only {} in {}",
                cap.at_most, cap.per
            ),
            "raise `at_most`, shorten `per`, or wait longer between the messages".to_owned(),
        );
        return;
    }
}

/// How long after its start a play comes at the latest to each message that it sends on every way.
fn times_of_sends(steps: &[Step]) -> Vec<Span> {
    let mut at = Span::ZERO;
    let mut sends = Vec::new();
    for step in steps {
        if matches!(step, Step::Send { .. }) {
            sends.push(at);
        }
        at = Span::from_millis(at.as_millis().saturating_add(longest(step).as_millis()));
    }
    sends
}

/// How long a step takes at most; messages that are held are not counted.
fn longest(step: &Step) -> Span {
    let all = |steps: &[Step]| {
        Span::from_millis(steps.iter().map(|step| longest(step).as_millis()).fold(0, i64::saturating_add))
    };
    match step {
        Step::Send { .. } | Step::Stop => Span::ZERO,
        Step::Wait(span) => *span,
        Step::WaitForHours(_) => Span::from_hours(7 * 24),
        Step::WaitUntil { at_most, otherwise, .. } => {
            Span::from_millis(at_most.as_millis().saturating_add(all(otherwise).as_millis()))
        }
        Step::Branch { then, otherwise, .. } => all(then).max(all(otherwise)),
        Step::Split { variants, .. } => variants.iter().map(|variant| all(&variant.steps)).max().unwrap_or_default(),
    }
}

/// Tells when holding a message through quiet hours is asked for, and its moment passes meanwhile.
fn quiet_hours(whole: &Whole<'_>, file: &str, play: &Play, places: &PlayPlaces, found: &mut Found) {
    let (Some(at), InQuietHours::Hold) = (places.quiet_hours, play.quiet_hours) else { return };
    let longest = whole.playbook.policy.quiet_hours.iter().map(length).max().unwrap_or_default();
    if longest > play.valid_for {
        let lost = Span::from_millis(longest.as_millis() - play.valid_for.as_millis());
        whole.warning(
            found,
            file,
            at,
            format!(
                "quiet hours last {longest} and `valid_for` is {}: what is due in their first {lost} is not sent",
                play.valid_for
            ),
            "make `valid_for` longer, or write `quiet_hours: skip` when that is meant".to_owned(),
        );
    }
}

fn length(hours: &LocalHours) -> Span {
    let (from, until) = (i64::from(hours.from), i64::from(hours.until));
    Span::from_mins(if until > from { until - from } else { until + 24 * 60 - from })
}
