//! What plays make of events and deadlines.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bounds::{EVENT_NAME_BYTES_KEPT_MAX, MESSAGES_PER_COMMIT_MAX};
use crate::event::Event;
use crate::identifiers::DeliveryId;
use crate::mailbox::{DeliveryOrder, Effect, MessageData, PersonData};
use crate::outcome::{OutcomeRecord, PlayOutcome, Reason};
use crate::playbook::{Channel, Entry, Play, Step, Trigger};
use crate::product::shortened;
use crate::state::{UserState, Waiting};
use crate::step::Run;
use crate::time::Timestamp;

impl Run<'_> {
    /// Lets every play see an event that has just been applied at `at`.
    pub(crate) fn trigger_plays(&mut self, event: &Event, at: Timestamp) {
        let playbook = self.playbook;
        for play in &playbook.plays {
            match &play.trigger {
                Trigger::Event(patterns) => {
                    if let Some(pattern) = patterns.iter().find(|pattern| pattern.matches(event)) {
                        let why = format!("{pattern} at {at}");
                        self.enter(play, at, &why);
                    }
                }
                Trigger::Absence { after, of, wait } => {
                    if let Some(pattern) = of.iter().find(|pattern| pattern.matches(event)) {
                        self.cancel(play, at, &format!("{pattern} at {at}"));
                    } else if let Some(pattern) = after.iter().find(|pattern| pattern.matches(event)) {
                        if play.who.holds(&self.out.state, at) {
                            let after = pattern.to_string();
                            let after = shortened(&after, EVENT_NAME_BYTES_KEPT_MAX).to_string();
                            let waiting = Waiting { due_at: at.plus(*wait), after, after_at: at };
                            let outcome = PlayOutcome::Waiting { due_at: waiting.due_at };
                            self.out.state.plays.entry(play.name.clone()).or_default().waiting = Some(waiting);
                            self.note(play, at, outcome);
                        } else {
                            self.cancel(play, at, &format!("`who` no longer held after {pattern} at {at}"));
                        }
                    }
                }
            }
        }
    }

    /// The deadline of a play has come; the user's clock stands at it or later.
    pub(crate) fn fire(&mut self, name: &str) {
        let Some(waiting) = self.out.state.plays.get_mut(name).and_then(|play| play.waiting.take()) else {
            return;
        };
        // A play that is no longer in the playbook has nothing to say.
        let playbook = self.playbook;
        let Some(play) = playbook.play(name) else {
            return;
        };
        let absent = match &play.trigger {
            Trigger::Absence { of, .. } => of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
            Trigger::Event(_) => String::new(),
        };
        let why = format!(
            "{} since {} at {}, no {absent}",
            waiting.due_at.since(waiting.after_at),
            waiting.after,
            waiting.after_at
        );
        self.enter(play, waiting.due_at, &why);
    }

    fn cancel(&mut self, play: &Play, at: Timestamp, by: &str) {
        let waiting = self.out.state.plays.get_mut(&play.name).and_then(|play| play.waiting.take());
        if waiting.is_some() {
            self.note(play, at, PlayOutcome::Cancelled { by: by.to_string() });
        }
    }

    /// The moment of a play, due at `due_at`, has come for this user.
    fn enter(&mut self, play: &Play, due_at: Timestamp, why: &str) {
        if let Err(reason) = self.may_enter(play, due_at) {
            self.note(play, due_at, PlayOutcome::NotSent { reason });
            return;
        }
        let standing = self.out.state.plays.entry(play.name.clone()).or_default();
        standing.entered = standing.entered.saturating_add(1);
        for step in &play.steps {
            match step {
                Step::Send { message, channels } => self.send(play, message, channels, due_at, why),
            }
        }
    }

    fn may_enter(&self, play: &Play, due_at: Timestamp) -> Result<(), Reason> {
        let state = &self.out.state;
        let standing = state.plays.get(&play.name);
        if play.entry == Entry::Once && standing.is_some_and(|standing| standing.entered > 0) {
            return Err(Reason::AlreadyEntered);
        }
        if !play.who.holds(state, due_at) {
            return Err(Reason::NotInAudience);
        }
        if play.unless.as_ref().is_some_and(|unless| unless.holds(state, due_at)) {
            return Err(Reason::Excluded);
        }
        let late_by = self.now.since(due_at);
        if late_by > play.valid_for {
            return Err(Reason::MomentPassed { late_by });
        }
        Ok(())
    }

    fn send(&mut self, play: &Play, message: &str, channels: &[Channel], due_at: Timestamp, why: &str) {
        match self.order(play, message, channels, due_at, why) {
            Ok(order) => {
                let kept = play.caps.iter().map(|cap| cap.at_most as usize).max().unwrap_or(0);
                let state = &mut self.out.state;
                state.decisions += 1;
                let standing = state.plays.entry(play.name.clone()).or_default();
                standing.sent_at.push(due_at);
                let too_many = standing.sent_at.len().saturating_sub(kept);
                standing.sent_at.drain(..too_many);
                let outcome = PlayOutcome::Sent { delivery: order.delivery, channel: order.channel, due_at };
                self.out.effects.push(Effect::Deliver(Box::new(order)));
                self.note(play, due_at, outcome);
            }
            Err(reason) => self.note(play, due_at, PlayOutcome::NotSent { reason }),
        }
    }

    fn order(
        &self,
        play: &Play,
        message: &str,
        channels: &[Channel],
        due_at: Timestamp,
        why: &str,
    ) -> Result<DeliveryOrder, Reason> {
        let state = &self.out.state;
        for cap in &play.caps {
            let window_start = due_at.minus(cap.per);
            let sent = state
                .plays
                .get(&play.name)
                .map_or(0, |standing| standing.sent_at.iter().filter(|sent_at| **sent_at > window_start).count());
            if sent >= cap.at_most as usize {
                return Err(Reason::cap(*cap));
            }
        }
        let decided_now = self.out.effects.iter().filter(|effect| matches!(effect, Effect::Deliver(_))).count();
        if decided_now >= MESSAGES_PER_COMMIT_MAX {
            return Err(Reason::TooManyAtOnce);
        }
        let (channel, address) = channels
            .iter()
            .find_map(|channel| Some((*channel, self.address(message, *channel)?)))
            .ok_or(Reason::NoAddress)?;
        Ok(DeliveryOrder {
            delivery: DeliveryId::of_decision(self.user, state.decisions),
            user: self.user,
            play: play.name.clone(),
            message: message.to_string(),
            playbook: self.playbook.version.clone(),
            channel,
            address,
            locale: state.profile.locale.clone(),
            due_at,
            decided_at: self.now,
            expires_at: due_at.plus(play.valid_for),
            why: why.to_string(),
            data: message_data(state),
        })
    }

    /// Where the user can be reached on a channel that is set up and has a template for the message.
    fn address(&self, message: &str, channel: Channel) -> Option<String> {
        let state = &self.out.state;
        let templates = self.playbook.messages.get(message)?.localized(state.profile.locale.as_deref())?;
        if !self.playbook.channels.has(channel) || !templates.has(channel) {
            return None;
        }
        match channel {
            Channel::Email | Channel::Sms => state.profile.address(channel).map(ToString::to_string),
            // The shop knows its user by the id it gave.
            Channel::Webhook => state.user_id.clone().or_else(|| state.anonymous_id.clone()),
        }
    }

    fn note(&mut self, play: &Play, at: Timestamp, outcome: PlayOutcome) {
        let record = OutcomeRecord { at, play: play.name.clone(), outcome };
        self.out.considered.push(record.clone());
        self.out.state.note(record);
    }
}

fn message_data(state: &UserState) -> MessageData {
    MessageData {
        user: PersonData {
            id: state.user_id.clone(),
            first_name: state.profile.first_name.clone(),
            last_name: state.profile.last_name.clone(),
        },
        cart: state.cart.data(),
    }
}
