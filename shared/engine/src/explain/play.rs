//! One play and one user: where they stand, and what would happen if the play's moment came at this instant.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

use super::{Explanation, condition, leaf, time, unwatched, when};
use crate::bounds::STEPS_PER_INSTANT_MAX;
use crate::check::View;
use crate::describe::{self, Time};
use crate::engagement;
use crate::identifiers::UserKey;
use crate::limits::{Quiet, draws, lot};
use crate::name::Name;
use crate::outcome::{OutcomeRecord, PlayOutcome, Reason};
use crate::playbook::{Channel, ChannelOrder, Condition, Entry, InQuietHours, Play, Purpose, Share, Step, Trigger};
use crate::plays::Start;
use crate::program::{Instruction, PlayProgram, Program};
use crate::register::RegisterValue;
use crate::seats::Seats;
use crate::state::{PlayRun, PlayState, Subject, UserState};
use crate::step::{Run, Stepped};
use crate::time::{Span, Timestamp};

/// A play and a user.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlayExplanation {
    /// The play's name.
    pub play: Name,
    /// Its name for people.
    pub title: String,
    /// What starts it, in words.
    pub trigger: String,
    /// The condition that has to become true (or, of a segment that is left, false) to start it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<Explanation>,
    /// Who must be true; none when it is for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Explanation>,
    /// What must not be true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<Explanation>,
    /// Everything else that decides, and where the user stands.
    pub points: Vec<Point>,
    /// What it does; the step in which the user waits is marked.
    pub steps: Vec<StepLine>,
    /// What the user's way through it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Explanation>,
    /// Whether a message would be sent if its moment came at this instant; nothing when it would wait first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_send: Option<bool>,
    /// What would happen then, as the engine decides it.
    pub would: Vec<String>,
    /// How it was considered of late, newest first.
    pub considered: Vec<Considered>,
}

/// One thing that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Point {
    /// What.
    pub what: &'static str,
    /// Whether it lets the play go on; nothing when it only tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lets: Option<bool>,
    /// How it stands.
    pub text: String,
}

/// A line of what a play does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepLine {
    /// How deep it lies.
    pub depth: usize,
    /// In words.
    pub words: String,
    /// Whether the user waits here.
    pub here: bool,
    /// Whether its condition holds now, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
}

/// How a play was considered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// When.
    #[serde(serialize_with = "instant")]
    pub at: Timestamp,
    /// With what end: the name of its counter.
    pub outcome: &'static str,
    /// The same in words.
    pub text: String,
}

fn instant<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    time(&Some(*at), serializer)
}

impl Considered {
    /// An outcome for people.
    pub fn of(record: &OutcomeRecord) -> Self {
        Self { at: record.at, outcome: record.outcome.as_str(), text: record.outcome.to_string() }
    }
}

/// Explains a play of the program to a user; `None` when it has no such play.
pub fn play(program: &Program, name: &str, user: UserKey, state: &UserState, at: Timestamp) -> Option<PlayExplanation> {
    let place = program.play_by_name(name)?;
    let built = &program.plays[place];
    let found = &program.playbook().plays[built.play];
    let asked = |asked: &Condition| condition(program, asked, state, at);
    let starts_with = match &found.trigger {
        Trigger::Becomes(becomes) => asked(becomes),
        Trigger::Segment { name, .. } => asked(&Condition::Segment(name.clone())),
        Trigger::Place { of, .. } => asked(&Condition::Inside(of.clone())),
        _ => None,
    };
    let standing = state.plays.get(name).cloned().unwrap_or_default();
    let here = standing.run.as_ref().and_then(|run| step_of(built, run));
    let holds = |asked: &Condition| Some(program.verdict(asked, state, at)?.holds);
    let (steps, here_step) = listed(found, here, holds);
    let waits_for = match here_step {
        Some(Step::WaitUntil { condition, .. }) => asked(condition),
        _ => None,
    };
    let of = About { program, user, state, at, play: found, built, standing: &standing };
    let (would_send, would) = of.would(place);
    Some(PlayExplanation {
        play: found.name.clone(),
        title: found.title.clone(),
        trigger: found.trigger.to_string(),
        starts_with,
        who: Some(&found.who).filter(|who| **who != Condition::default()).and_then(asked),
        unless: found.unless.as_ref().and_then(asked),
        points: of.points(here_step),
        steps,
        waits_for,
        would_send,
        would,
        considered: state.outcomes.iter().rev().filter(|record| record.play == name).map(Considered::of).collect(),
    })
}

/// Which of the steps a run waits in: each step but `stop` is one instruction, in the order of the files.
fn step_of(built: &PlayProgram, run: &PlayRun) -> Option<usize> {
    let is_step = |instruction: &Instruction| !matches!(instruction, Instruction::Jump(_) | Instruction::Stop);
    let place = built.find(run.step)?;
    is_step(&built.instructions[place].1)
        .then(|| built.instructions[..place].iter().filter(|(_, instruction)| is_step(instruction)).count())
}

fn listed(
    play: &Play,
    here: Option<usize>,
    holds: impl Fn(&Condition) -> Option<bool>,
) -> (Vec<StepLine>, Option<&Step>) {
    let (mut lines, mut number, mut found) = (Vec::new(), 0, None);
    describe::each_step(&play.steps, 0, &mut |depth, words, step| {
        let counts = step.is_some_and(|step| *step != Step::Stop);
        let is_here = counts && here == Some(number);
        if is_here {
            found = step;
        }
        number += usize::from(counts);
        let holds = match step {
            Some(Step::Branch { condition, .. } | Step::WaitUntil { condition, .. }) => holds(condition),
            _ => None,
        };
        lines.push(StepLine { depth, words, here: is_here, holds });
    });
    (lines, found)
}

/// What the explanation is about.
struct About<'a> {
    program: &'a Program,
    user: UserKey,
    state: &'a UserState,
    at: Timestamp,
    play: &'a Play,
    built: &'a PlayProgram,
    standing: &'a PlayState,
}

fn point(what: &'static str, lets: impl Into<Option<bool>>, text: impl Into<String>) -> Point {
    Point { what, lets: lets.into(), text: text.into() }
}

impl<'a> About<'a> {
    /// A copy of the user at this instant, for the engine to work on.
    fn copy(&self) -> (UserState, Stepped) {
        let mut state = self.state.clone();
        state.clock = state.clock.max(self.at);
        (state, Stepped::default())
    }

    /// The engine at work on a copy of the user.
    fn engine<'c>(&self, (state, stepped): &'c mut (UserState, Stepped)) -> Run<'c>
    where
        'a: 'c,
    {
        let now = state.clock;
        let mut run = Run::new(self.program, self.user, state, stepped, now);
        run.find_seats();
        run.steps_left = STEPS_PER_INSTANT_MAX;
        run
    }

    /// What the engine would do if the play's moment came now.
    fn would(&self, place: usize) -> (Option<bool>, Vec<String>) {
        let mut copy = self.copy();
        let mut engine = self.engine(&mut copy);
        engine.enter(Start::about(place, engine.state.clock, Subject::default()));
        let any = |is: fn(&PlayOutcome) -> bool| engine.out.considered.iter().any(|record| is(&record.outcome));
        let sends = match any(|outcome| matches!(outcome, PlayOutcome::Sent { .. })) {
            true => Some(true),
            false if any(|outcome| matches!(outcome, PlayOutcome::NotSent { .. } | PlayOutcome::HeldOut { .. })) => {
                Some(false)
            }
            false => None,
        };
        let mut would: Vec<String> = engine
            .out
            .considered
            .iter()
            .filter(|record| record.outcome != PlayOutcome::Finished)
            .map(|record| match &record.outcome {
                PlayOutcome::Sent { channel, .. } => format!("a message by {channel}"),
                PlayOutcome::HeldOut { group, .. } => format!("a message that is decided and not sent ({group})"),
                outcome => outcome.to_string(),
            })
            .collect();
        let entered = engine.state.plays.get(&self.play.name);
        if let Some(run) = entered.and_then(|standing| standing.run.as_ref()).filter(|_| self.standing.run.is_none())
            && run.held_since.is_none()
            && let (_, Some(step)) = listed(self.play, step_of(self.built, run), |_| None)
        {
            let order = if would.is_empty() { "first" } else { "then" };
            would.push(format!("{order} `{step}`, until {} at the latest", until(run)));
        }
        if would.is_empty() {
            would.push("it would be gone through without any message".to_owned());
        }
        (sends, would)
    }

    fn points(&self, here: Option<&Step>) -> Vec<Point> {
        let mut points = Vec::new();
        self.under_way(here, &mut points);
        self.triggered(&mut points);
        self.draws(&mut points);
        self.again(&mut points);
        self.caps(&mut points);
        self.quiet(&mut points);
        self.channels(&mut points);
        self.goal(&mut points);
        points
    }

    /// Where the user is on the way through it.
    fn under_way(&self, here: Option<&Step>, points: &mut Vec<Point>) {
        if let Some(waiting) = &self.standing.waiting {
            let after = format!("{} {}", waiting.after, when(waiting.after_at, self.at));
            points.push(point("waiting", None, format!("until {}, after {after}", when(waiting.due_at, self.at))));
        }
        if let Some(scheduled) = &self.standing.scheduled {
            let product = scheduled.product.as_ref().map_or(String::new(), |product| format!(", for {product}"));
            points.push(point("next time", None, format!("{}{product}", when(scheduled.due_at, self.at))));
        }
        match &self.standing.run {
            Some(run) => {
                let step = here.map_or("a step that is no longer in the play".to_owned(), |step| format!("`{step}`"));
                let held = run.held_since.map_or(String::new(), |since| {
                    format!("; held back in quiet hours, was due {}", when(since, self.at))
                });
                let why = if run.subject.why.is_empty() { "" } else { "; started by " };
                let text = format!("in {step} until {}{held}{why}{}", until(run), run.subject.why);
                points.push(point("under way", None, text));
            }
            None if self.standing.waiting.is_none() => {
                let entered = match (self.standing.entered, self.standing.entered_at) {
                    (0, _) | (_, None) => "no, never entered".to_owned(),
                    (count, Some(last)) => {
                        format!("no; entered {}, the last {}", describe::counted(count, "time"), when(last, self.at))
                    }
                };
                points.push(point("under way", None, entered));
            }
            None => {}
        }
    }

    /// What is known of triggers that are no conditions.
    fn triggered(&self, points: &mut Vec<Point>) {
        let register = self.built.register.map(|register| self.program.register(register));
        let value = register.and_then(|register| self.state.registers.get(register.id()));
        match &self.play.trigger {
            Trigger::Sequence { steps, within } => {
                let found = leaf::sequence(value, steps, *within, self.at);
                points.push(point("so far", None, found.value.unwrap_or_default()));
                points.extend(found.missing.map(|missing| point("missing", None, missing)));
            }
            Trigger::RunOut { lasts, .. } => match value {
                Some(RegisterValue::Refills(refills)) if !refills.is_empty() => {
                    for refill in refills.iter().rev() {
                        let count = describe::counted(u32::from(refill.count), "time");
                        let lasts = match (refill.count, lasts) {
                            (0 | 1, None) => "nothing can be told from one".to_owned(),
                            (0 | 1, Some(lasts)) => format!("taken to last {lasts}"),
                            (count, _) => {
                                let all = refill.last.since(refill.first).as_millis();
                                format!("lasts {} on average", Span::from_millis(all / i64::from(count - 1)))
                            }
                        };
                        let last = when(refill.last, self.at);
                        points.push(point(
                            "bought",
                            None,
                            format!("{}: {count}, the last {last}; {lasts}", refill.product),
                        ));
                    }
                }
                _ => points.push(point("bought", None, "nothing yet")),
            },
            Trigger::Catalogue { interest, .. } => {
                let known = self.state.interests.iter().rev().filter(|known| interest.contains(&known.interest));
                let mut products: Vec<String> = known.map(|known| known.product.to_string()).collect();
                if interest.contains(&crate::playbook::Interest::Carted) {
                    products.extend(self.state.cart.items().iter().map(|item| item.id.to_string()));
                }
                products.dedup();
                let text = if products.is_empty() { "no product yet".to_owned() } else { products.join(", ") };
                points.push(point("cares about", !products.is_empty(), text));
            }
            _ => {}
        }
        let seats = Seats::of(self.program, self.state);
        let view = View { program: self.program, state: self.state, seats: &seats, at: self.at };
        if let Some(since) = register.and_then(|register| unwatched(&view, register)) {
            let text = format!("since {}; what happened before is not counted", Time(since));
            points.push(point("watched", None, text));
        }
    }

    /// Shares of users, with where this one stands.
    fn draws(&self, points: &mut Vec<Point>) {
        let name = self.play.name.as_str();
        let lot_of = |play: &str, purpose: &str| f64::from(lot(self.user, play, purpose)) / 100.0;
        if self.play.rollout < Share::ALL {
            let lets = draws(self.user, name, "rollout", self.play.rollout);
            let drawn = lot_of(name, "rollout");
            points.push(point("rollout", lets, format!("{}; the user's lot is {drawn:.2} %", self.play.rollout)));
        }
        let control = self.program.playbook().policy.control_group;
        if control > Share::none() {
            let among = draws(self.user, "", "control_group", control);
            let stands = if among { "among it" } else { "not among it" };
            let all_the_same = if among && self.play.to_control_group { "; gets this play all the same" } else { "" };
            let drawn = lot_of("", "control_group");
            let text = format!("{control}; {stands}, the user's lot is {drawn:.2} %{all_the_same}");
            points.push(point("control group", !among || self.play.to_control_group, text));
        }
        if self.play.holdout > Share::none() {
            let among = draws(self.user, name, "holdout", self.play.holdout);
            let stands = if among { "among it" } else { "not among it" };
            let drawn = lot_of(name, "holdout");
            let text = format!("{}; {stands}, the user's lot is {drawn:.2} %", self.play.holdout);
            points.push(point("holdout", !among, text));
        }
        for (_, instruction) in &self.built.instructions {
            if let Instruction::Split { name, id, ways } = instruction
                && let Some(taken) = self.standing.variants.get(*id).and_then(|way| ways.get(usize::from(*way)))
            {
                points.push(point("split", None, format!("{name}: drew {}", taken.name)));
            }
        }
    }

    /// Whether the user may enter again.
    fn again(&self, points: &mut Vec<Point>) {
        if self.play.entry == Entry::Once {
            let text = match self.standing.entered {
                0 => "once in a user's life; not entered yet",
                _ => "once in a user's life, and that was",
            };
            points.push(point("entry", self.standing.entered == 0, text));
        }
        if let Some(cooldown) = self.play.cooldown {
            let until = self.standing.entered_at.map(|entered| entered.plus(cooldown));
            points.push(match until.filter(|until| self.at < *until) {
                Some(until) => point("cooldown", false, format!("{cooldown}; again from {}", when(until, self.at))),
                None => point("cooldown", true, format!("{cooldown}; over, or never entered")),
            });
        }
    }

    fn caps(&self, points: &mut Vec<Point>) {
        let mut cap = |what, of: &str, times: Vec<Timestamp>, at_most: u32, per: Span| {
            let counts: Vec<Timestamp> = times.into_iter().filter(|sent| *sent > self.at.minus(per)).collect();
            let lets = counts.len() < at_most as usize;
            let first = counts.len().checked_sub(at_most as usize).and_then(|first| counts.get(first));
            let room = first.map(|first| first.plus(per));
            let room = room.map_or(String::new(), |room| format!("; room again from {}", when(room, self.at)));
            points.push(point(what, lets, format!("{of}{} of {at_most} within {per} used{room}", counts.len())));
        };
        for own in &self.play.caps {
            cap("cap", "", self.standing.sent_at.clone(), own.at_most, own.per);
        }
        for policy in &self.program.playbook().policy.caps {
            let counts = self.state.messaged.iter().filter(|sent| policy.channel.is_none_or(|one| one == sent.channel));
            let of = policy.channel.map_or("all messages: ".to_owned(), |channel| format!("all by {channel}: "));
            let mut times: Vec<Timestamp> = counts.map(|sent| sent.at).collect();
            times.sort_unstable();
            cap("policy cap", &of, times, policy.at_most, policy.per);
        }
    }

    fn quiet(&self, points: &mut Vec<Point>) {
        if self.program.playbook().policy.quiet_hours.is_empty() {
            return;
        }
        let seats = Seats::of(self.program, self.state);
        let view = View { program: self.program, state: self.state, seats: &seats, at: self.at };
        let local = leaf::local_time(&view);
        let mut copy = self.copy();
        let engine = self.engine(&mut copy);
        let (lets, text) = match (self.play.quiet_hours, engine.quiet(self.play, self.at, self.at)) {
            (InQuietHours::Send, _) => (true, "this play sends in quiet hours, too".to_owned()),
            (_, Quiet::Not) => (true, "not now".to_owned()),
            (_, Quiet::Hold(until)) => (false, format!("now; a message would wait until {}", when(until, self.at))),
            (InQuietHours::Hold, Quiet::Skip) => {
                let valid_for = self.play.valid_for;
                (false, format!("now, and they end after the moment has passed (valid for {valid_for}): no message"))
            }
            (InQuietHours::Skip, Quiet::Skip) => (false, "now; this play sends nothing in them".to_owned()),
        };
        points.push(point("quiet hours", lets, format!("{text}; it is {local}")));
    }

    /// How the user can be reached by each message.
    fn channels(&self, points: &mut Vec<Point>) {
        let mut copy = self.copy();
        let engine = self.engine(&mut copy);
        let mut seen = Vec::new();
        for (_, instruction) in &self.built.instructions {
            let Instruction::Send { message, channels, order, .. } = instruction else { continue };
            if seen.contains(&(message, channels, order)) {
                continue;
            }
            seen.push((message, channels, order));
            let channels = engagement::ordered(&self.state.engagement, *order, channels, self.at);
            if *order == ChannelOrder::MostEngaged {
                let answers: Vec<String> = channels.iter().map(|channel| self.answers(*channel)).collect();
                points.push(point("answers to", None, format!("{message}: {}", answers.join("; "))));
            }
            let purpose = self.program.playbook().purpose(message);
            let mut why = Vec::new();
            let way = channels.iter().find_map(|channel| {
                let Some(address) = engine.address(message, *channel, self.at) else {
                    why.push(self.unreachable(message, *channel));
                    return None;
                };
                match engine.consents(*channel, &address, purpose) {
                    Ok(()) => Some(format!("{message} by {channel} to {address}")),
                    Err(reason) => {
                        why.push(self.against(&reason, *channel, purpose));
                        None
                    }
                }
            });
            let reachable = way.is_some();
            points.push(point("reachable", reachable, way.unwrap_or_else(|| format!("{message}: {}", why.join("; ")))));
        }
    }

    /// How the user has answered on a channel, and what that lets expect: `email 21.4% (1.0 of 3.0 messages answered)`.
    fn answers(&self, channel: Channel) -> String {
        let expected = 100.0 * engagement::expected(&self.state.engagement, channel, self.at);
        let known = self.state.engagement.iter().find(|known| known.channel() == channel);
        match known.map(|known| known.counts_at(self.at)) {
            Some((messages, answers)) => {
                format!("{channel} {expected:.1}% ({answers:.1} of {messages:.1} messages answered)")
            }
            None => format!("{channel} {expected:.1}% (no message yet)"),
        }
    }

    fn unreachable(&self, message: &str, channel: Channel) -> String {
        let playbook = self.program.playbook();
        let locale = self.state.profile.locale.as_deref();
        let has_text = playbook
            .messages
            .get(message)
            .and_then(|message| message.localized(locale))
            .is_some_and(|texts| texts.has(channel));
        match (playbook.channels.has(channel), has_text) {
            (false, _) => format!("{channel} is not set up in channels.yaml"),
            (true, false) => format!("the message has no text for {channel}"),
            (true, true) if channel == Channel::OnSite => "the user is not on the site".to_owned(),
            (true, true) if channel == Channel::WebPush => "no browser of the user shows notifications".to_owned(),
            (true, true) if channel == Channel::MobilePush => "no device of the user shows notifications".to_owned(),
            (true, true) => format!("no address for {channel} is known"),
        }
    }

    /// What the user has said against messages on a channel, or what the shop waits for.
    fn against(&self, reason: &Reason, channel: Channel, purpose: Purpose) -> String {
        if let Reason::Suppressed { .. } = reason {
            let dead = self.state.consent.dead().iter().find(|dead| dead.channel == channel);
            let since =
                dead.map_or(String::new(), |dead| format!(" ({}) {}", dead.reason.as_str(), when(dead.at, self.at)));
            return format!("the address for {channel} is dead{since}");
        }
        match self.state.consent.on(channel, purpose) {
            Some(entry) => {
                let (choice, way) = (entry.choice.as_str(), entry.way.as_str());
                format!("{} by {channel} is {choice} ({way}) {}", purpose.as_str(), when(entry.at, self.at))
            }
            None => format!("nobody has agreed to {} by {channel}, which consent.yaml asks for", purpose.as_str()),
        }
    }

    fn goal(&self, points: &mut Vec<Point>) {
        let Some(goal) = &self.play.goal else { return };
        let events = describe::events(&goal.of);
        let text = match &self.standing.exposure {
            Some(exposure) => {
                let kind = if exposure.sent { "message" } else { "message held out" };
                let ends = exposure.at.plus(goal.within);
                match self.at < ends {
                    true => {
                        let sent = when(exposure.at, self.at);
                        format!("{events}; the {kind} {sent} is credited until {}", when(ends, self.at))
                    }
                    false => format!("{events}; the {kind} {} was too long ago", when(exposure.at, self.at)),
                }
            }
            None => format!("{events} within {} of a message; none is waiting for it", goal.within),
        };
        points.push(point("goal", None, text));
    }
}

fn until(run: &PlayRun) -> Time {
    Time(run.gives_up_at.unwrap_or(run.due_at))
}
