//! The way through a play: its steps, one after the other, until one waits or the last is done.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bounds::{MESSAGES_PER_COMMIT_MAX, RUNS_MAX, VISIT_GAP};
use crate::engagement;
use crate::identifiers::DeliveryId;
use crate::limits::{Quiet, draws, way};
use crate::mailbox::{DeliveryOrder, Effect, MessageData};
use crate::outcome::{PlayOutcome, Reason};
use crate::playbook::{Channel, ChannelOrder, Play};
use crate::program::{Instruction, StepName};
use crate::state::{Exposure, PlayRun, Subject};
use crate::step::{Credit, Run};
use crate::time::Timestamp;
use crate::verdict::earlier;

impl<'a> Run<'a> {
    /// Goes on with a play whose run is due.
    pub(crate) fn resume(&mut self, place: usize, due_at: Timestamp) {
        let play = self.play(place);
        let Some(standing) = self.state.plays.get_mut(&play.name) else { return };
        let Some(run) = standing.run.take_if(|run| run.due_at <= due_at) else { return };
        let run = *run;
        let built = &self.program.plays[place];
        let Some(step) = built.find(run.step) else {
            self.note(play, run.due_at, PlayOutcome::NotSent { reason: Reason::PlayChanged });
            return;
        };
        match &built.instructions[step].1 {
            Instruction::WaitUntil { check, then, .. } => {
                let verdict = self.view().verdict(check);
                let gives_up = run.gives_up_at.is_none_or(|gives_up_at| gives_up_at <= run.due_at);
                if verdict.holds {
                    self.proceed(place, *then, run.due_at, None, run.subject);
                } else if gives_up {
                    self.proceed(place, step + 1, run.due_at, None, run.subject);
                } else {
                    let due_at = earlier(run.gives_up_at, verdict.until).unwrap_or(run.due_at);
                    self.park(place, PlayRun { due_at, ..run });
                }
            }
            // Whether these hours have begun is asked again: the user may be in another time zone by now.
            Instruction::Send { .. } | Instruction::WaitForHours(_) => {
                self.proceed(place, step, run.due_at, run.held_since, run.subject);
            }
            _ => self.proceed(place, step + 1, run.due_at, None, run.subject),
        }
    }

    /// Looks again at the runs that wait for a condition. Gives whether one went on.
    pub(crate) fn wait_ends(&mut self) -> bool {
        let waits = |run: &PlayRun| run.gives_up_at.is_some();
        if !self.state.plays.values().any(|standing| standing.run.as_deref().is_some_and(waits)) {
            return false;
        }
        let at = self.state.clock;
        let mut any = false;
        for place in 0..self.program.plays.len() {
            let play = self.play(place);
            let Some(run) = self.state.plays.get(&play.name).and_then(|standing| standing.run.as_ref()) else {
                continue;
            };
            if run.gives_up_at.is_none() {
                continue;
            }
            let built = &self.program.plays[place];
            let Some(Instruction::WaitUntil { check, then, .. }) =
                built.find(run.step).map(|step| &built.instructions[step].1)
            else {
                continue;
            };
            let verdict = self.view().verdict(check);
            let next = earlier(run.gives_up_at, verdict.until).unwrap_or(run.due_at);
            let Some(run) = self.state.plays.get_mut(&play.name).and_then(|standing| standing.run.as_mut()) else {
                continue;
            };
            if !verdict.holds {
                run.due_at = next;
                continue;
            }
            let subject = core::mem::take(&mut run.subject);
            self.unpark(place);
            self.proceed(place, *then, at, None, subject);
            any = true;
        }
        any
    }

    /// Two names of one person can together be on the way through more plays than one user may: those entered
    /// last go on.
    pub(crate) fn end_surplus_runs(&mut self) {
        let plays = &self.state.plays;
        let running = plays.iter().filter(|(_, standing)| standing.run.is_some());
        let mut running: Vec<_> = running.map(|(name, standing)| (standing.entered_at, name.clone())).collect();
        running.sort_unstable();
        let at = self.state.clock;
        for (_, name) in running.iter().take(running.len().saturating_sub(RUNS_MAX)) {
            if let Some(standing) = self.state.plays.get_mut(name) {
                standing.run = None;
            }
            if let Some(place) = self.program.play_by_name(name) {
                self.note(self.play(place), at, PlayOutcome::NotSent { reason: Reason::TooManyRunning });
            }
        }
    }

    fn park(&mut self, place: usize, run: PlayRun) {
        let play = self.play(place);
        self.state.plays.entry(play.name.clone()).or_default().run = Some(Box::new(run));
    }

    fn unpark(&mut self, place: usize) {
        let play = self.play(place);
        if let Some(standing) = self.state.plays.get_mut(&play.name) {
            standing.run = None;
        }
    }

    /// Goes through a play from a step on that is due. `held_since` is when the first step, a message, was due
    /// before quiet hours held it back.
    pub(crate) fn proceed(
        &mut self,
        place: usize,
        from: usize,
        due_at: Timestamp,
        held_since: Option<Timestamp>,
        subject: Subject,
    ) {
        let program = self.program;
        let play = self.play(place);
        let built = &program.plays[place];
        let mut held_since = held_since;
        let mut step = from;
        loop {
            let Some(left) = self.steps_left.checked_sub(1) else {
                self.note(play, due_at, PlayOutcome::NotSent { reason: Reason::TooManySteps });
                return;
            };
            self.steps_left = left;
            let Some((name, instruction)) = built.instructions.get(step) else { return };
            let wait = |due_at: Timestamp, subject: Subject| PlayRun {
                step: *name,
                due_at,
                gives_up_at: None,
                held_since: None,
                subject,
            };
            match instruction {
                Instruction::Send { message, channels, order, held_out } => {
                    let first_due_at = held_since.unwrap_or(due_at);
                    match self.quiet(play, due_at, first_due_at) {
                        Quiet::Hold(until) => {
                            self.note(play, due_at, PlayOutcome::Held { until });
                            let run = PlayRun { held_since: Some(first_due_at), ..wait(until, subject) };
                            return self.park(place, run);
                        }
                        Quiet::Skip => {
                            self.note(play, due_at, PlayOutcome::NotSent { reason: Reason::QuietHours });
                        }
                        Quiet::Not => {
                            let message = MessageStep {
                                name: *name,
                                message,
                                channels,
                                order: *order,
                                held_out: held_out.as_deref(),
                            };
                            self.send(play, &message, due_at, first_due_at, &subject);
                        }
                    }
                    held_since = None;
                    step += 1;
                }
                Instruction::Wait(span) => return self.park(place, wait(due_at.plus(*span), subject)),
                Instruction::WaitForHours(hours) => {
                    let verdict = program.clock_of(self.state).among(hours, due_at);
                    match (verdict.holds, verdict.until) {
                        (false, Some(until)) => return self.park(place, wait(until, subject)),
                        _ => step += 1,
                    }
                }
                Instruction::WaitUntil { check, at_most, then } => {
                    let verdict = self.view().verdict(check);
                    if verdict.holds {
                        step = *then;
                        continue;
                    }
                    let gives_up_at = due_at.plus(*at_most);
                    let due_at = earlier(Some(gives_up_at), verdict.until).unwrap_or(gives_up_at);
                    let run = PlayRun { gives_up_at: Some(gives_up_at), ..wait(due_at, subject) };
                    return self.park(place, run);
                }
                Instruction::Branch { check, otherwise } => {
                    step = if self.view().verdict(check).holds { step + 1 } else { *otherwise };
                }
                Instruction::Split { name, id, ways } => {
                    let known = self.state.plays.get(&play.name).and_then(|play| play.variants.get(*id).copied());
                    // A way once taken stays, also when weights change or a visitor becomes a known user.
                    let taken = match known.map(usize::from).filter(|taken| *taken < ways.len()) {
                        Some(taken) => taken,
                        None => {
                            let taken = way(self.user, &play.name, name, ways.iter().map(|way| way.weight));
                            let standing = self.state.plays.entry(play.name.clone()).or_default();
                            // Experiments come and go: those that are gone are forgotten.
                            standing.variants.retain(|known, _| built.has_split(known));
                            standing.variants.set(*id, u8::try_from(taken).ok());
                            let outcome =
                                PlayOutcome::Assigned { split: name.clone(), variant: ways[taken].name.clone() };
                            self.note(play, due_at, outcome);
                            taken
                        }
                    };
                    step = ways[taken].to;
                }
                Instruction::Jump(to) => step = *to,
                Instruction::Stop => {
                    // A play that ends where it began says nothing more than its messages do.
                    if from > 0 {
                        self.note(play, due_at, PlayOutcome::Finished);
                    }
                    return;
                }
            }
        }
    }

    fn send(
        &mut self,
        play: &'a Play,
        step: &MessageStep<'_>,
        due_at: Timestamp,
        first_due_at: Timestamp,
        subject: &Subject,
    ) {
        let (channel, address) = match self.addressed(play, step, due_at, first_due_at) {
            Ok(found) => found,
            Err(reason) => return self.note(play, due_at, PlayOutcome::NotSent { reason }),
        };
        let group = self.held_out_by(play, step);
        let kept = play.caps.iter().map(|cap| cap.at_most as usize).max().unwrap_or(0);
        let standing = self.state.plays.entry(play.name.clone()).or_default();
        standing.sent_at.push(due_at);
        // After a link, what was due earlier can come later.
        standing.sent_at.sort_unstable();
        let too_many = standing.sent_at.len().saturating_sub(kept);
        standing.sent_at.drain(..too_many);
        standing.messaged_at = Some(due_at);
        if play.goal.is_some() {
            standing.exposure =
                Some(Exposure { at: due_at, sent: group.is_none(), step: Some(step.name), channel: Some(channel) });
        }
        self.note_message(due_at, channel);
        self.dirty.add(self.program.touches.messaged);
        if let Some(group) = group {
            let message = Some(step.message.to_string());
            self.out.credits.push(Credit { message, channel: Some(channel), currency: None });
            return self.note(play, due_at, PlayOutcome::HeldOut { group, due_at });
        }
        let state = &mut *self.state;
        if self.program.needs.engagement {
            engagement::sent(&mut state.engagement, channel, due_at);
        }
        state.last_message_at = state.last_message_at.max(Some(due_at));
        // From 0, as it always was: an id that was used is never given again.
        let number = state.decisions;
        state.decisions += 1;
        let order = DeliveryOrder {
            delivery: DeliveryId::of_decision(self.user, number),
            user: self.user,
            play: play.name.to_string(),
            message: step.message.to_string(),
            playbook: self.program.playbook().version.clone(),
            channel,
            address,
            purpose: self.program.playbook().purpose(step.message),
            locale: state.profile.locale.clone(),
            due_at,
            decided_at: self.now,
            expires_at: first_due_at.plus(play.valid_for),
            why: subject.why.clone(),
            correlation: None,
            who: None,
            data: MessageData::of(self.state, subject),
        };
        let outcome = PlayOutcome::Sent { delivery: order.delivery, channel, due_at };
        self.out.effects.push(Effect::Deliver(Box::new(order)));
        self.note(play, due_at, outcome);
    }

    /// Where a message goes, if it may.
    fn addressed(
        &self,
        play: &Play,
        step: &MessageStep<'_>,
        due_at: Timestamp,
        first_due_at: Timestamp,
    ) -> Result<(Channel, String), Reason> {
        let late_by = self.now.since(first_due_at);
        if late_by > play.valid_for {
            return Err(Reason::MomentPassed { late_by });
        }
        self.room(play, due_at)?;
        let decided_now = self.out.effects.iter().filter(|effect| matches!(effect, Effect::Deliver(_))).count();
        if decided_now >= MESSAGES_PER_COMMIT_MAX {
            return Err(Reason::TooManyAtOnce);
        }
        let purpose = self.program.playbook().purpose(step.message);
        let mut not_by = None;
        for channel in engagement::ordered(&self.state.engagement, step.order, step.channels, due_at) {
            if let Some(address) = self.address(step.message, channel, due_at) {
                let consents = self.consents(channel, &address, purpose);
                match consents.and_then(|()| self.policy_room(Some(channel), due_at)) {
                    Ok(()) => return Ok((channel, address)),
                    Err(reason) => not_by = not_by.or(Some(reason)),
                }
            }
        }
        Err(not_by.unwrap_or(Reason::NoAddress))
    }

    /// The group by which a message is held out, if it is.
    fn held_out_by(&self, play: &Play, step: &MessageStep<'_>) -> Option<String> {
        let control = self.program.playbook().policy.control_group;
        if !play.to_control_group && draws(self.user, "", "control_group", control) {
            return Some("control_group".into());
        }
        if draws(self.user, &play.name, "holdout", play.holdout) {
            return Some("holdout".into());
        }
        step.held_out.map(ToString::to_string)
    }

    /// Where the user can be reached at a time, on a channel that is set up and has a template for the message.
    pub(crate) fn address(&self, message: &str, channel: Channel, at: Timestamp) -> Option<String> {
        let state = &*self.state;
        let playbook = self.program.playbook();
        let templates = playbook.messages.get(message)?.localized(state.profile.locale.as_deref())?;
        if !playbook.channels.has(channel) || !templates.has(channel) {
            return None;
        }
        match channel {
            // A visit that is over is no place for a message: the next channel may have one.
            Channel::OnSite if state.on_site_at.is_none_or(|seen_at| at.since(seen_at) >= VISIT_GAP) => None,
            Channel::WebPush | Channel::MobilePush if !state.is_reachable(channel) => None,
            // The shop knows its user by the id it gave. Where their browsers and devices are is read when the message is sent.
            Channel::Webhook | Channel::OnSite | Channel::WebPush | Channel::MobilePush => {
                state.user_id.as_ref().or(state.anonymous_id.as_ref()).map(ToString::to_string)
            }
            personal => state.profile.address(personal).map(ToString::to_string),
        }
    }
}

/// A message that is to be decided.
struct MessageStep<'s> {
    name: StepName,
    message: &'s str,
    channels: &'s [Channel],
    order: ChannelOrder,
    held_out: Option<&'s str>,
}
