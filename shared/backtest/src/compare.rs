//! What tells two playbooks apart, and what a reviewer asks to hold.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::identifiers::UserKey;
use kairos_engine::state::UserState;
use rayon::prelude::*;
use serde::Serialize;

use crate::report::{PlaybookReport, Report};
use crate::shard::{Sends, Shard};
use crate::table::{counted, thousands};

/// A number with each of two playbooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// With the playbook that is compared with.
    pub before: u64,
    /// With the playbook that is looked at.
    pub after: u64,
}

impl Change {
    /// How much more it is; negative when less.
    pub fn more(&self) -> i64 {
        self.after as i64 - self.before as i64
    }

    /// The same in percent of what it was; `None` when it was nothing.
    pub fn percent(&self) -> Option<f64> {
        (self.before > 0).then(|| self.more() as f64 * 100.0 / self.before as f64)
    }
}

/// What tells two playbooks apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Messages of all plays.
    pub sends: Change,
    /// People who would get any message.
    pub people: Change,
    /// People who would get a message only with the playbook that is looked at.
    pub gained: u64,
    /// People who would get a message only with the one that is compared with.
    pub lost: u64,
    /// Every play of either.
    pub plays: Vec<PlayDifference>,
    /// Whose messages differ, when that was asked for: by user id, then by play.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<UserDifference>>,
}

/// What tells a play of two playbooks apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlayDifference {
    /// Its name.
    pub name: String,
    /// Which of the playbooks have it.
    pub is_in: &'static str,
    /// Messages.
    pub sends: Change,
    /// People who would get one.
    pub people: Change,
    /// People who would get one only with the playbook that is looked at.
    pub gained: u64,
    /// People who would get one only with the one that is compared with.
    pub lost: u64,
    /// Goals reached after a message.
    pub converted: Change,
    /// Why messages were not sent.
    pub reasons: BTreeMap<&'static str, Change>,
}

/// The messages of one user that differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UserDifference {
    /// The user's id (or the visitor's).
    pub user: String,
    /// The play.
    pub play: String,
    /// How many messages with the playbook that is compared with.
    pub before: u64,
    /// How many with the one that is looked at.
    pub after: u64,
}

#[derive(Clone, Debug, Default)]
struct Moved {
    gained: u64,
    lost: u64,
    plays: BTreeMap<String, (u64, u64)>,
    users: Vec<UserDifference>,
}

impl Moved {
    fn plus(mut self, other: Self) -> Self {
        self.gained += other.gained;
        self.lost += other.lost;
        for (play, (gained, lost)) in other.plays {
            let own = self.plays.entry(play).or_default();
            own.0 += gained;
            own.1 += lost;
        }
        self.users.extend(other.users);
        self
    }
}

pub(crate) fn difference(
    playbook: &PlaybookReport,
    against: &PlaybookReport,
    shards: &[Shard],
    list_users: bool,
) -> Difference {
    let in_shard = |shard: &Shard| moved_in(shard, playbook, against, list_users);
    let mut moved = shards.par_iter().map(in_shard).reduce(Moved::default, Moved::plus);
    moved.users.sort_unstable();
    let names: BTreeSet<&str> = playbook.plays.iter().chain(&against.plays).map(|play| play.name.as_str()).collect();
    let plays = names.into_iter().map(|name| {
        let of = |report: &PlaybookReport| report.plays.iter().find(|play| play.name == name).cloned();
        let (after, before) = (of(playbook), of(against));
        let is_in = match (&before, &after) {
            (Some(_), Some(_)) => "both",
            (None, _) => "playbook",
            (Some(_), None) => "against",
        };
        let change = |count: fn(&crate::report::PlayReport) -> u64| Change {
            before: before.as_ref().map_or(0, count),
            after: after.as_ref().map_or(0, count),
        };
        let mut reasons: BTreeMap<&'static str, Change> = BTreeMap::new();
        for (reason, count) in before.iter().flat_map(|play| &play.total.reasons) {
            reasons.entry(reason).or_default().before = *count;
        }
        for (reason, count) in after.iter().flat_map(|play| &play.total.reasons) {
            reasons.entry(reason).or_default().after = *count;
        }
        let (gained, lost) = moved.plays.get(name).copied().unwrap_or_default();
        PlayDifference {
            name: name.to_owned(),
            is_in,
            sends: change(|play| play.total.sent),
            people: change(|play| play.people),
            gained,
            lost,
            converted: change(|play| play.total.converted),
            reasons,
        }
    });
    Difference {
        sends: Change { before: against.total.sent, after: playbook.total.sent },
        people: Change { before: against.people, after: playbook.people },
        gained: moved.gained,
        lost: moved.lost,
        plays: plays.collect(),
        users: list_users.then_some(moved.users),
    }
}

fn moved_in(shard: &Shard, playbook: &PlaybookReport, against: &PlaybookReport, list_users: bool) -> Moved {
    let mut moved = Moved::default();
    let (after, before) = (&shard.worlds[0].users, &shard.worlds[1].users);
    // An input that reaches a user reaches them with either playbook, so both know the same users.
    for (key, user) in after {
        let earlier = before.get(key);
        let sends_before = earlier.and_then(|user| user.sends.as_deref());
        let counts = by_play(user.sends.as_deref(), playbook, sends_before, against);
        let total = counts.values().fold((0, 0), |sum, (before, after)| (sum.0 + before, sum.1 + after));
        moved.gained += u64::from(total.0 == 0 && total.1 > 0);
        moved.lost += u64::from(total.0 > 0 && total.1 == 0);
        for (play, (before, after)) in counts {
            if before == after {
                continue;
            }
            if before == 0 || after == 0 {
                let (gained, lost) = moved.plays.entry(play.to_owned()).or_default();
                *if before == 0 { gained } else { lost } += 1;
            }
            if list_users {
                let user = name(*key, &user.state);
                moved.users.push(UserDifference { user, play: play.to_owned(), before, after });
            }
        }
    }
    moved
}

/// Messages before and after, by play.
fn by_play<'a>(
    after: Option<&Sends>,
    playbook: &'a PlaybookReport,
    before: Option<&Sends>,
    against: &'a PlaybookReport,
) -> BTreeMap<&'a str, (u64, u64)> {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (play, count) in before.iter().flat_map(|sends| &sends.plays) {
        counts.entry(&against.plays[*play].name).or_default().0 += count;
    }
    for (play, count) in after.iter().flat_map(|sends| &sends.plays) {
        counts.entry(&playbook.plays[*play].name).or_default().1 += count;
    }
    counts
}

fn name(key: UserKey, state: &UserState) -> String {
    let id = state.user_id.as_ref().or(state.anonymous_id.as_ref());
    id.map_or_else(|| key.to_string(), ToString::to_string)
}

/// What a reviewer asks to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gates {
    /// Messages may grow by at most so many percent.
    pub sends_growth_percent_max: Option<f64>,
    /// Messages may shrink by at most so many percent.
    pub sends_drop_percent_max: Option<f64>,
    /// The same growth for every single play that both playbooks have.
    pub play_sends_growth_percent_max: Option<f64>,
    /// At most so many messages for one person within seven days.
    pub sends_per_user_per_week_max: Option<u64>,
    /// At most so many messages altogether.
    pub sends_max: Option<u64>,
}

/// Something that was asked to hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// What was asked.
    pub asked: String,
    /// What is.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
}

impl Gates {
    /// Checks them.
    pub fn check(&self, report: &Report) -> Vec<Gate> {
        let mut gates = Vec::new();
        let mut gate = |asked: String, found: String, holds: bool| gates.push(Gate { asked, found, holds });
        if let Some(difference) = &report.difference {
            let sends = difference.sends;
            if let Some(max) = self.sends_growth_percent_max {
                gate(format!("messages grow by at most {max} %"), growth(sends), within(sends, max));
            }
            if let Some(max) = self.sends_drop_percent_max {
                let holds = -sends.more() as f64 * 100.0 <= max * sends.before as f64;
                gate(format!("messages shrink by at most {max} %"), growth(sends), holds);
            }
            if let Some(max) = self.play_sends_growth_percent_max {
                for play in difference.plays.iter().filter(|play| play.is_in == "both") {
                    let asked = format!("messages of {} grow by at most {max} %", play.name);
                    gate(asked, growth(play.sends), within(play.sends, max));
                }
            }
        }
        if let Some(max) = self.sends_per_user_per_week_max {
            let found = report.playbook.week_max;
            let asked = format!("at most {} for one person within 7 days", counted(max, "message", "messages"));
            gate(asked, thousands(found), found <= max);
        }
        if let Some(max) = self.sends_max {
            let found = report.playbook.total.sent;
            gate(format!("at most {}", counted(max, "message", "messages")), thousands(found), found <= max);
        }
        gates
    }
}

/// Exact: percentages are not rounded before they are compared.
fn within(change: Change, percent_max: f64) -> bool {
    change.more() as f64 * 100.0 <= percent_max * change.before as f64
}

fn growth(change: Change) -> String {
    let (before, after) = (thousands(change.before), thousands(change.after));
    match change.percent() {
        Some(percent) => format!("{before} → {after} ({percent:+.1} %)"),
        None => format!("{before} → {after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_compared_exactly_and_from_nothing_is_beyond_any_percentage() {
        for (before, after, max, holds) in [
            (100, 110, 10.0, true),
            (100, 111, 10.0, false),
            (0, 0, 10.0, true),
            (0, 1, 1000.0, false),
            (9, 3, 0.0, true),
        ] {
            assert_eq!(within(Change { before, after }, max), holds, "{before} → {after}");
        }
    }
}
