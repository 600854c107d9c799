//! What holds of every decision, whatever the playbook: said once more without the engine's own means.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::event::{Event, EventKind};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{DeliveryOrder, Effect, Input};
use kairos_engine::outcome::{PlayOutcome, Reason};
use kairos_engine::playbook::{EventMatch, EventPattern, InQuietHours, Play, Playbook};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::Stepped;
use kairos_engine::time::{Span, Timestamp};

use crate::shoppers::{ZONES, time_of_day};
use crate::statistics::Statistics;

const CONTROL_GROUP: &str = "control_group";
const HOLDOUT: &str = "holdout";

/// A message at an instant of a passage through a play, which may be only once: whose, how often they had passed
/// their memory on, the play, the message, when, and how often they had entered the play.
type Moment = (UserKey, u32, String, String, Timestamp, u32);

/// What was decided, as far as it takes to tell whether something should not have been.
#[derive(Debug, Default)]
pub struct Promises {
    /// By the times that an actor has passed its memory on, which in a circle of links begins anew.
    orders: BTreeMap<(UserKey, u32), Vec<DeliveryOrder>>,
    passed_on: BTreeMap<UserKey, u32>,
    moments: BTreeSet<Moment>,
    /// Who does not get what: a user, a play, the group.
    held_out: BTreeMap<(UserKey, String), BTreeSet<(String, Timestamp)>>,
    /// The plays that have reached their goal, with how often they had been entered by then.
    reached: BTreeMap<(UserKey, String), u32>,
    /// Every change of a membership that a commit decided.
    changes: BTreeSet<(UserKey, String, u64, bool)>,
}

impl Promises {
    /// One input was applied.
    ///
    /// # Errors
    /// When something was decided that must not be.
    pub fn stepped(
        &mut self,
        program: &Program,
        statistics: &mut Statistics,
        (user, input, now): (UserKey, &Input, Timestamp),
        zone_before: Option<&str>,
        (state, stepped): (&UserState, &Stepped),
    ) -> Result<(), String> {
        let playbook = program.playbook();
        if matches!(input, Input::Link { .. } | Input::Merge { .. }) {
            // Counts of entries begin anew, or are added up.
            self.reached.retain(|(of, _), _| *of != user);
        }
        let entered = |play: &str| state.plays.get(play).map_or(0, |standing| standing.entered);
        for effect in &stepped.effects {
            match effect {
                Effect::Deliver(order) => {
                    let times = self.passed_on.get(&user).copied().unwrap_or(0);
                    let play = play_of(playbook, &order.play)?;
                    let zones = [zone_before, state.time_zone.as_deref()];
                    quiet_hours_are_kept(playbook, play, order, zones)?;
                    if order.decided_at != now || order.decided_at > order.expires_at {
                        let (at, until) = (order.decided_at, order.expires_at);
                        return Err(format!("{user}: {} was decided at {at}, after its moment ({until})", order.play));
                    }
                    if order.expires_at > order.due_at.plus(play.valid_for) {
                        let (due_at, until) = (order.due_at, order.expires_at);
                        return Err(format!("{user}: {} due {due_at} may be sent until {until}", order.play));
                    }
                    if self.reached.get(&(user, order.play.clone())) == Some(&entered(&order.play)) {
                        let (play, due_at) = (&order.play, order.due_at);
                        return Err(format!("{user}: {play} decided a message due {due_at} after its goal"));
                    }
                    let moment =
                        (user, times, order.play.clone(), order.message.clone(), order.due_at, entered(&order.play));
                    if !self.moments.insert(moment) {
                        return Err(format!("{user}: {} due {} was decided twice", order.message, order.due_at));
                    }
                    self.orders.entry((user, times)).or_default().push(order.as_ref().clone());
                }
                Effect::Member { user: of, segment, entered, number, .. } => {
                    if *of != user || !self.changes.insert((*of, segment.to_string(), *number, *entered)) {
                        return Err(format!("{user}: the change {number} of {segment} was decided twice"));
                    }
                    statistics.count(&format!("segment {}: {segment}", if *entered { "entered" } else { "left" }));
                }
                Effect::Interested(_) | Effect::Tell { .. } | Effect::Wake { .. } => {}
            }
        }
        for considered in &stepped.considered {
            statistics.count(&format!("considered: {} {}", considered.play, considered.outcome.as_str()));
            let play = play_of(playbook, &considered.play)?;
            match &considered.outcome {
                PlayOutcome::HeldOut { group, due_at } => {
                    let of = (user, considered.play.to_string());
                    self.held_out.entry(of).or_default().insert((group.clone(), *due_at));
                }
                PlayOutcome::NotSent { reason: Reason::MomentPassed { late_by } }
                    if *late_by <= play.valid_for || *late_by < now.since(considered.at) =>
                {
                    return Err(format!("{user}: the moment of {} has not passed after {late_by}", play.name));
                }
                _ => {}
            }
        }
        // What was due by then still counts for the memory that is passed on.
        if matches!(input, Input::Link { .. }) && state.forwarded_to.is_some() {
            *self.passed_on.entry(user).or_default() += 1;
        }
        if let Input::Event { event, .. } = input
            && state.forwarded_to.is_none()
        {
            for play in playbook.plays.iter().filter(|play| is_goal(play, event)) {
                self.reached.insert((user, play.name.to_string()), entered(&play.name));
            }
        }
        Ok(())
    }

    /// At the end: nobody got more than the caps allow, or what was kept from them.
    ///
    /// # Errors
    /// When somebody did.
    pub fn hold(&self, playbook: &Playbook) -> Result<(), String> {
        for ((user, _), orders) in &self.orders {
            for order in orders {
                let play = play_of(playbook, &order.play)?;
                let within = |per: Span, counts: &dyn Fn(&&DeliveryOrder) -> bool| {
                    let window = order.due_at.minus(per)..order.due_at;
                    let is_in = |other: &&DeliveryOrder| other.due_at > window.start && other.due_at <= window.end;
                    orders.iter().filter(is_in).filter(counts).count()
                };
                for cap in &play.caps {
                    if within(cap.per, &|other| other.play == order.play) > cap.at_most as usize {
                        return Err(format!("{user}: {} exceeds its cap at {}", order.play, order.due_at));
                    }
                }
                for cap in &playbook.policy.caps {
                    let counts = |other: &&DeliveryOrder| cap.channel.is_none_or(|channel| other.channel == channel);
                    if counts(&order) && within(cap.per, &counts) > cap.at_most as usize {
                        let per = cap.per;
                        return Err(format!("{user}: more than {} in {per} at {}", cap.at_most, order.due_at));
                    }
                }
                let no_marketing = self
                    .held_out
                    .iter()
                    .any(|((of, _), groups)| of == user && groups.iter().any(|(group, _)| group == CONTROL_GROUP));
                if no_marketing && !play.to_control_group {
                    return Err(format!("{user} is of the control group and gets {}", order.message));
                }
                let kept_from = self.held_out.get(&(*user, order.play.clone()));
                let is_kept = |(group, due_at): &(String, Timestamp)| group == HOLDOUT || *due_at == order.due_at;
                if kept_from.is_some_and(|groups| groups.iter().any(is_kept)) {
                    return Err(format!("{user} is held out of {} and gets {}", order.play, order.message));
                }
            }
        }
        Ok(())
    }
}

fn play_of<'a>(playbook: &'a Playbook, name: &str) -> Result<&'a Play, String> {
    playbook.plays.iter().find(|play| play.name == name).ok_or_else(|| format!("there is no play {name}"))
}

/// A message due at the very instant at which the user's zone changes may have been decided by either.
fn quiet_hours_are_kept(
    playbook: &Playbook,
    play: &Play,
    order: &DeliveryOrder,
    zones: [Option<&str>; 2],
) -> Result<(), String> {
    if play.quiet_hours == InQuietHours::Send || playbook.policy.quiet_hours.is_empty() {
        return Ok(());
    }
    let is_quiet = |zone: Option<&str>| {
        let zone = zone.unwrap_or(&playbook.policy.time_zone);
        let zone = *ZONES.iter().find(|known| known.0 == zone).expect("people live in these zones");
        let minute = time_of_day(zone, order.due_at.as_millis()) / 60_000;
        playbook.policy.quiet_hours.iter().any(|hours| {
            let (from, until) = (i64::from(hours.from), i64::from(hours.until));
            if from < until { (from..until).contains(&minute) } else { minute >= from || minute < until }
        })
    };
    if zones.into_iter().all(is_quiet) {
        return Err(format!("{}: {} disturbs {zones:?} at {}", order.user, order.play, order.due_at));
    }
    Ok(())
}

/// Whether an event is what a play wants; goals that ask for details are left to the engine's own tests.
fn is_goal(play: &Play, event: &Event) -> bool {
    let named = |wanted: &EventMatch| match (&wanted.event, &event.kind) {
        (EventPattern::Track(name), EventKind::Track { event, .. }) => wanted.filters.is_empty() && name == event,
        _ => false,
    };
    play.goal.as_ref().is_some_and(|goal| goal.of.iter().any(named))
}
