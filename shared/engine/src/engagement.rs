//! How a user answers on each channel, for steps that send on the one that they answer to most.
//!
//! Of each channel it is remembered how many messages went out on it, `n`, and how many were answered, `a`; both halve with
//! each half-life `h` ([`ENGAGEMENT_HALF_LIFE_DAYS`]). What to expect of the next message is the mean of a beta distribution
//! that began with `k` messages ([`ENGAGEMENT_PRIOR_MESSAGES`]) of which the share `p` was answered ([`ENGAGEMENT_PRIOR`];
//! Gelman and others, "Bayesian Data Analysis", 3rd edition, section 2.4):
//!
//! ```text
//! expected(t) = (a · 2^(−(t − t₀)/h) + k · p) / (n · 2^(−(t − t₀)/h) + k)
//! ```
//!
//! So a channel of which nothing is known stands between those that are answered and those that are not, and one that stays
//! without an answer gives way to the next.
//!
//! | what is told | counts as |
//! |---|---|
//! | a message was decided, and not held out | a message |
//! | `Message Link Clicked`, `On-site Message Clicked` | an answer |
//! | `Message Opened` by a person, `Message Read` | a quarter of an answer, which a click makes a whole one |
//! | `On-site Message Dismissed`, `Email Bounced`, `Email Marked as Spam`, `Message Failed` | another message without an answer |
//!
//! Of each channel the newest message that was answered is known, so that several clicks in it are one answer; there are
//! never more answers than messages. Numbers are whole 256ths and whole days: a channel takes some fifteen bytes, and every
//! machine gets the same ones.

use alloc::string::String;
use alloc::vec::Vec;

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use crate::bounds::{ENGAGEMENT_HALF_LIFE_DAYS, ENGAGEMENT_PRIOR, ENGAGEMENT_PRIOR_MESSAGES};
use crate::event::{Event, EventKind, INBOX};
use crate::event_name::EventName;
use crate::playbook::{Channel, ChannelOrder, Playbook, Step};
use crate::program::any_step;
use crate::step::Run;
use crate::time::Timestamp;

/// One message, or one answer.
const ONE: u16 = 256;
/// What an opened message is worth before it is followed.
const OPENED: u16 = ONE / 4;
/// Of the last answered message: whether a link of it was followed. The other bits are of its id.
const CLICKED: u16 = 1 << 15;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// How a user has answered on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChannelEngagement {
    /// Which.
    #[n(0)]
    channel: Channel,
    /// Messages, in 256ths, as of the day.
    #[n(1)]
    messages: u16,
    /// Answers, in 256ths, as of the day; never more than messages.
    #[n(2)]
    answers: u16,
    /// The day that both are as of, since 1970.
    #[n(3)]
    day: u16,
    /// The newest message that was answered: 15 bits of its id, and whether a link of it was followed.
    #[n(4)]
    answered: Option<u16>,
}

/// What the receiver of a message has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Clicked,
    Opened,
    Refused,
}

impl ChannelEngagement {
    const fn new(channel: Channel, day: u16) -> Self {
        Self { channel, messages: 0, answers: 0, day, answered: None }
    }

    /// Which channel it is about.
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// How many messages count at an instant, and how many answers.
    pub fn counts_at(&self, at: Timestamp) -> (f64, f64) {
        let days = day_of(at).saturating_sub(self.day);
        let left = libm::exp2(-f64::from(days) / f64::from(ENGAGEMENT_HALF_LIFE_DAYS));
        let count = |of: u16| f64::from(of) / f64::from(ONE) * left;
        (count(self.messages), count(self.answers))
    }

    /// What to expect of a message at an instant: the share of such messages that is answered.
    pub fn expected_at(&self, at: Timestamp) -> f64 {
        let (messages, answers) = self.counts_at(at);
        (answers + ENGAGEMENT_PRIOR_MESSAGES * ENGAGEMENT_PRIOR) / (messages + ENGAGEMENT_PRIOR_MESSAGES)
    }

    /// Lets time pass. What is told late counts as of the day that is known.
    fn pass_to(&mut self, day: u16) {
        let days = day.saturating_sub(self.day);
        if days == 0 {
            return;
        }
        let left = libm::exp2(-f64::from(days) / f64::from(ENGAGEMENT_HALF_LIFE_DAYS));
        let faded = |of: u16| libm::round(f64::from(of) * left) as u16;
        self.messages = faded(self.messages);
        self.answers = faded(self.answers).min(self.messages);
        self.day = day;
    }

    fn hear(&mut self, answer: Answer, id: u16) {
        // What was answered was sent, though perhaps before anybody counted.
        self.messages = self.messages.max(ONE);
        let known = self.answered.filter(|known| known & !CLICKED == id);
        let (more, answered) = match (answer, known) {
            (Answer::Refused, _) => {
                self.messages = self.messages.saturating_add(ONE);
                return;
            }
            (Answer::Clicked, None) => (ONE, id | CLICKED),
            (Answer::Clicked, Some(known)) if known & CLICKED == 0 => (ONE - OPENED, id | CLICKED),
            (Answer::Opened, None) => (OPENED, id),
            (Answer::Clicked | Answer::Opened, Some(_)) => return,
        };
        self.answers = self.answers.saturating_add(more).min(self.messages);
        self.answered = Some(answered);
    }

    /// Takes in what somebody else had counted who turned out to be the same.
    fn merge(&mut self, mut theirs: Self) {
        if theirs.day > self.day {
            self.answered = theirs.answered.or(self.answered);
        } else {
            self.answered = self.answered.or(theirs.answered);
        }
        let day = self.day.max(theirs.day);
        self.pass_to(day);
        theirs.pass_to(day);
        self.messages = self.messages.saturating_add(theirs.messages);
        self.answers = self.answers.saturating_add(theirs.answers).min(self.messages);
    }
}

/// The day of an instant, since 1970.
fn day_of(at: Timestamp) -> u16 {
    u16::try_from(at.as_millis().max(0) / DAY_MS).unwrap_or(u16::MAX)
}

fn entry(known: &mut Vec<ChannelEngagement>, channel: Channel, at: Timestamp) -> &mut ChannelEngagement {
    let day = day_of(at);
    let place = known.iter().position(|one| one.channel == channel).unwrap_or_else(|| {
        known.push(ChannelEngagement::new(channel, day));
        known.len() - 1
    });
    known[place].pass_to(day);
    &mut known[place]
}

/// Counts a message that goes out on a channel.
pub(crate) fn sent(known: &mut Vec<ChannelEngagement>, channel: Channel, at: Timestamp) {
    let entry = entry(known, channel, at);
    entry.messages = entry.messages.saturating_add(ONE);
}

/// Takes in what a visitor had answered to who turned out to be this user.
pub(crate) fn merge(known: &mut Vec<ChannelEngagement>, theirs: Vec<ChannelEngagement>) {
    for theirs in theirs {
        match known.iter_mut().find(|own| own.channel == theirs.channel) {
            Some(own) => own.merge(theirs),
            None => known.push(theirs),
        }
    }
}

/// What to expect of a message on a channel at an instant, whether anything is known of it or not.
pub fn expected(known: &[ChannelEngagement], channel: Channel, at: Timestamp) -> f64 {
    let found = known.iter().find(|one| one.channel == channel);
    found.map_or(ENGAGEMENT_PRIOR, |found| found.expected_at(at))
}

/// The channels in the order in which a step tries them: as listed, or those first of which the most is to be expected; those of
/// which as much is expected stay as listed.
pub fn ordered(known: &[ChannelEngagement], order: ChannelOrder, channels: &[Channel], at: Timestamp) -> Vec<Channel> {
    let mut ordered = channels.to_vec();
    if order == ChannelOrder::MostEngaged {
        ordered.sort_by(|one, other| expected(known, *other, at).total_cmp(&expected(known, *one, at)));
    }
    ordered
}

impl Playbook {
    /// Whether any step sends on the channel that its user answers to most.
    pub fn asks_for_engagement(&self) -> bool {
        let asks = |step: &Step| matches!(step, Step::Send { order: ChannelOrder::MostEngaged, .. });
        self.plays.iter().any(|play| any_step(&play.steps, &asks))
    }
}

impl Run<'_> {
    /// Takes in what an event tells of an answer to a message, when the playbook asks for it.
    pub(crate) fn hear_answer(&mut self, event: &Event) {
        if !self.program.needs.engagement {
            return;
        }
        let Some((channel, answer, id)) = answer_in(event) else { return };
        let at = self.state.clock;
        entry(&mut self.state.engagement, channel, at).hear(answer, id);
    }
}

/// What an event tells of an answer: on which channel, what, and 15 bits of the message's id.
fn answer_in(event: &Event) -> Option<(Channel, Answer, u16)> {
    let EventKind::Track { event: name, properties } = &event.kind else { return None };
    let text = |key: &str| properties.get(key).and_then(Value::as_str);
    let (channel, answer) = match name {
        EventName::MessageLinkClicked => (channel_in(properties)?, Answer::Clicked),
        EventName::MessageOpened if properties.get("proxied") == Some(&Value::Bool(false)) => {
            (channel_in(properties)?, Answer::Opened)
        }
        EventName::MessageRead => (channel_in(properties)?, Answer::Opened),
        EventName::EmailBounced | EventName::EmailMarkedAsSpam | EventName::MessageFailed => {
            (channel_in(properties)?, Answer::Refused)
        }
        // Pages may tell of events of these names, too; what became of a message, the inbox tells.
        EventName::Custom(name) if event.source == INBOX => match &**name {
            "On-site Message Clicked" => (Channel::OnSite, Answer::Clicked),
            "On-site Message Dismissed" => (Channel::OnSite, Answer::Refused),
            _ => return None,
        },
        _ => return None,
    };
    let id = text("delivery_id")?;
    let last = id.get(id.len().checked_sub(4)?..)?;
    Some((channel, answer, u16::from_str_radix(last, 16).ok()? & !CLICKED))
}

fn channel_in(properties: &Map<String, Value>) -> Option<Channel> {
    let name = properties.get("channel")?.as_str()?;
    Channel::ALL.into_iter().find(|channel| channel.as_str() == name)
}
