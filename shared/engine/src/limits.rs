//! Who does not get what was decided: caps, quiet hours, holdouts, staged rollouts.

use crate::identifiers::{UserKey, digest};
use crate::outcome::Reason;
use crate::playbook::{Channel, InQuietHours, Play, Share};
use crate::state::Messaged;
use crate::step::Run;
use crate::time::Timestamp;

/// Where a user stands in a draw, from 0 to 9,999: the same for ever for a user, a play and a purpose, and
/// independent between these.
pub(crate) fn lot(user: UserKey, play: &str, purpose: &str) -> u16 {
    let hash = digest("lot", &[user.as_bytes(), play.as_bytes(), purpose.as_bytes()]);
    let number = u64::from_be_bytes(hash[..8].try_into().expect("eight bytes are eight bytes"));
    // The bias of the remainder is one in 10^15.
    (number % 10_000) as u16
}

/// Whether a user is among a share of all. A larger share has everybody of the smaller one.
pub(crate) fn draws(user: UserKey, play: &str, purpose: &str, share: Share) -> bool {
    share >= Share::ALL || (share.0 > 0 && lot(user, play, purpose) < share.0)
}

/// Which of several ways a user goes, in proportion to their weights.
pub(crate) fn way(user: UserKey, play: &str, split: &str, weights: impl Iterator<Item = u32> + Clone) -> usize {
    let all: u64 = weights.clone().map(u64::from).sum();
    let hash = digest("split", &[user.as_bytes(), play.as_bytes(), split.as_bytes()]);
    let mut number = u64::from_be_bytes(hash[..8].try_into().expect("eight bytes are eight bytes")) % all.max(1);
    for (place, weight) in weights.enumerate() {
        match number.checked_sub(u64::from(weight)) {
            None => return place,
            Some(rest) => number = rest,
        }
    }
    0
}

/// What quiet hours make of a message.
pub(crate) enum Quiet {
    /// It may be sent.
    Not,
    /// It waits.
    Hold(Timestamp),
    /// It is not sent.
    Skip,
}

impl Run<'_> {
    /// Whether a message that is due now comes in quiet hours. `first_due_at` is when it was due before it was
    /// held back, if it was.
    pub(crate) fn quiet(&self, play: &Play, due_at: Timestamp, first_due_at: Timestamp) -> Quiet {
        let policy = &self.program.playbook().policy;
        if policy.quiet_hours.is_empty() || play.quiet_hours == InQuietHours::Send {
            return Quiet::Not;
        }
        let clock = self.program.clock_of(self.state);
        if !policy.quiet_hours.iter().any(|hours| clock.is_among(hours, due_at)) {
            return Quiet::Not;
        }
        match (play.quiet_hours, clock.end_of(&policy.quiet_hours, due_at)) {
            (InQuietHours::Hold, Some(end)) if end.since(first_due_at) <= play.valid_for => Quiet::Hold(end),
            _ => Quiet::Skip,
        }
    }

    /// Whether the play's own caps and those for all channels together leave room.
    pub(crate) fn room(&self, play: &Play, due_at: Timestamp) -> Result<(), Reason> {
        let sent_at = self.state.plays.get(&play.name).map_or(&[][..], |standing| standing.sent_at.as_slice());
        for cap in &play.caps {
            let window_start = due_at.minus(cap.per);
            let sent = sent_at.iter().filter(|sent_at| **sent_at > window_start).count();
            if sent >= cap.at_most as usize {
                return Err(Reason::cap(*cap));
            }
        }
        self.policy_room(None, due_at)
    }

    /// Whether the policy's caps of a channel (of all together without one) leave room.
    pub(crate) fn policy_room(&self, channel: Option<Channel>, due_at: Timestamp) -> Result<(), Reason> {
        for cap in self.program.playbook().policy.caps.iter().filter(|cap| cap.channel == channel) {
            let window_start = due_at.minus(cap.per);
            let counts = |message: &&Messaged| {
                message.at > window_start && channel.is_none_or(|channel| message.channel == channel)
            };
            if self.state.messaged.iter().filter(counts).count() >= cap.at_most as usize {
                return Err(Reason::PolicyCap { channel, at_most: cap.at_most, per: cap.per });
            }
        }
        Ok(())
    }

    /// Notes a message for the policy's caps: of each channel as many as any cap asks for.
    pub(crate) fn note_message(&mut self, at: Timestamp, channel: Channel) {
        let kept = self.program.needs.messaged;
        if kept == 0 {
            return;
        }
        let messaged = &mut self.state.messaged;
        messaged.push(Messaged { at, channel });
        if messaged.iter().filter(|message| message.channel == channel).count() > kept
            && let Some(oldest) = messaged.iter().position(|message| message.channel == channel)
        {
            messaged.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_grow_without_losing_anybody() {
        let users = || (0..10_000_u32).map(|number| UserKey::known(&alloc::format!("{number}")));
        for share in [Share(0), Share(500), Share(5_000), Share(10_000)] {
            let inside = users().filter(|user| draws(*user, "play", "rollout", share)).count();
            assert!(inside.abs_diff(usize::from(share.0)) < 200, "{share}: {inside}");
        }
        assert!(users().all(|user| {
            !draws(user, "play", "rollout", Share(500)) || draws(user, "play", "rollout", Share(2_000))
        }));
    }

    #[test]
    fn ways_are_taken_in_proportion_to_their_weights() {
        let mut taken = [0; 3];
        for number in 0..9_000_u32 {
            let user = UserKey::known(&alloc::format!("{number}"));
            taken[way(user, "play", "test", [1, 2, 0].into_iter())] += 1;
        }
        assert!(i32::abs(taken[0] - 3_000) < 200 && i32::abs(taken[1] - 6_000) < 200 && taken[2] == 0, "{taken:?}");
    }
}
