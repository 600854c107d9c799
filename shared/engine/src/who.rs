//! What figures are cut by: where users come from, what they hold in the hand, their country, segments and variants.
//!
//! Kept in the state beside the facts that conditions ask for ([`crate::context`]), because it is wanted of all users,
//! whatever a playbook asks. It is taken in once for each message of the mailbox, by the commit, and not by the step.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::bounds::FACT_BYTES_MAX;
use crate::context::Context;
use crate::event::{Event, EventKind, INBOX, LINKS, PREFERENCES, REDEMPTIONS};
use crate::event_name::EventName;
use crate::identifiers::DeliveryId;
use crate::mailbox::{Effect, Input};
use crate::name::Name;
use crate::outcome::{OutcomeRecord, PlayOutcome};
use crate::product::shortened;
use crate::program::{Instruction, Program};
use crate::state::UserState;
use crate::step::Stepped;
use crate::time::{Span, Timestamp};

/// Where a user came from last, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Origin {
    /// The campaign's source (`utm_source`), or the host of the page that led to the shop.
    #[n(0)]
    pub source: Option<String>,
    /// The campaign.
    #[n(1)]
    pub campaign: Option<String>,
    /// When they came from there.
    #[n(2)]
    pub source_at: Option<Timestamp>,
    /// `phone`, `tablet`, `desktop` or `tv`.
    #[n(3)]
    pub device: Option<String>,
    /// The country, as two letters.
    #[n(4)]
    pub region: Option<String>,
    /// When the newest of device and country was told.
    #[n(5)]
    pub at: Option<Timestamp>,
}

/// What figures are cut by: what was known of the user then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimensions {
    /// Where they came from last: the campaign's source (`utm_source`), or the host of the page that led to the shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// `phone`, `tablet`, `desktop` or `tv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The country, as two letters (ISO 3166-1), as clients tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The segments they were in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Name>,
    /// The variants they have drawn in the play's experiments, by the name of the split.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, String>,
    /// The play whose message led to it, as far as that is still remembered; with what was said by a message's link only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play: Option<Name>,
    /// How long they have been known; with orders only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_first: Option<Span>,
    /// How long ago the newest message was sent to them; with orders only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_message: Option<Span>,
}

impl Origin {
    /// Takes in what an event tells. What is older than what is known changes nothing.
    fn hear(&mut self, event: &Event) {
        let context = Context::of(&event.context);
        let kept = |text: &str| shortened(text.trim(), FACT_BYTES_MAX).to_string();
        if self.source_at.is_none_or(|known_at| known_at <= event.at) {
            // What a campaign says counts before the page that it stood on.
            let told = match context.campaign_source() {
                Some(source) => Some((source, context.campaign_name())),
                None => context.foreign_referrer().map(|host| (host, None)),
            };
            if let Some((source, campaign)) = told {
                (self.source, self.campaign) = (Some(kept(&source.to_lowercase())), campaign.map(kept));
                self.source_at = Some(event.at);
            }
        }
        if self.at.is_none_or(|known_at| known_at <= event.at) {
            let (device, region) = (context.device(), context.country());
            if device.is_some() || region.is_some() {
                self.at = Some(event.at);
                self.device = device.map(ToString::to_string).or_else(|| self.device.take());
                self.region = region.or_else(|| self.region.take());
            }
        }
    }

    /// Takes in what is known of a visitor who turned out to be this user: what is newer counts.
    pub(crate) fn merge(&mut self, theirs: Self) {
        if theirs.source_at > self.source_at {
            (self.source, self.campaign, self.source_at) = (theirs.source, theirs.campaign, theirs.source_at);
        }
        let (newer, older) = match theirs.at > self.at {
            true => ((theirs.device, theirs.region, theirs.at), (self.device.take(), self.region.take())),
            false => ((self.device.take(), self.region.take(), self.at), (theirs.device, theirs.region)),
        };
        (self.device, self.region, self.at) = (newer.0.or(older.0), newer.1.or(older.1), newer.2);
    }
}

impl UserState {
    /// Takes in where the user comes from. Once for each message of the mailbox, before its step, so that a memory that moves
    /// to another user has it. What comes twice says nothing new.
    pub fn hear_origin(&mut self, inputs: &[Input]) {
        if self.forwarded_to.is_some() {
            return;
        }
        for input in inputs {
            if let Input::Event { event, .. } = input
                && !event.context.is_empty()
            {
                self.origin.get_or_insert_default().hear(event);
            }
        }
        self.origin = self.origin.take().filter(|origin| **origin != Origin::default());
    }
}

impl Stepped {
    /// Notes with each message that was decided whom it is for: `state` is the user after the step.
    pub fn describe(&mut self, program: &Program, state: &UserState) {
        for effect in &mut self.effects {
            if let Effect::Deliver(order) = effect {
                order.who = Dimensions::of(program, state, Some(&order.play)).boxed();
            }
        }
    }
}

impl Dimensions {
    /// What is known of a user now; with the variants drawn in this play.
    pub(crate) fn of(program: &Program, state: &UserState, play: Option<&str>) -> Self {
        let origin = state.origin.as_deref().cloned().unwrap_or_default();
        Self {
            source: origin.source,
            campaign: origin.campaign,
            device: origin.device,
            region: origin.region,
            segments: program.memberships(state).into_iter().map(|(segment, _)| segment.clone()).collect(),
            variants: play.map(|play| variants(program, state, play)).unwrap_or_default(),
            play: None,
            since_first: None,
            since_message: None,
        }
    }

    /// What is to be told of the user with an input: with orders, and with what comes back for messages. Of nothing else
    /// figures are cut.
    pub(crate) fn of_input(program: &Program, state: &UserState, input: &Input) -> Option<Box<Self>> {
        let Input::Event { event, .. } = input else { return None };
        let EventKind::Track { event: name, properties } = &event.kind else { return None };
        if matches!(name, EventName::OrderCompleted | EventName::OrderRefunded) {
            // What came later belongs to later orders.
            let since = |at: Option<Timestamp>| at.filter(|at| *at <= event.at).map(|at| event.at.since(at));
            let known = Self::of(program, state, None);
            return Self {
                since_first: since(state.first_seen_at),
                since_message: since(state.last_message_at),
                ..known
            }
            .boxed();
        }
        let told = |name: &str| properties.get(name).and_then(|value| value.as_str());
        match event.source.as_str() {
            LINKS | INBOX | REDEMPTIONS => Self::of(program, state, told("play")).boxed(),
            // A link to preferences names its message alone.
            PREFERENCES => {
                let play =
                    told("delivery_id").and_then(DeliveryId::parse).and_then(|delivery| play_of(state, delivery));
                Self { play: play.cloned(), ..Self::of(program, state, play.map(|play| &**play)) }.boxed()
            }
            _ => None,
        }
    }

    /// The same as rows hold it: none, when nothing is known.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// The play that has sent a message, as long as the user's newest outcomes tell.
fn play_of(state: &UserState, delivery: DeliveryId) -> Option<&Name> {
    let of = |record: &&OutcomeRecord| matches!(record.outcome, PlayOutcome::Sent { delivery: sent, .. } if sent == delivery);
    state.outcomes.iter().find(of).map(|record| &record.play)
}

/// The variants that a user has drawn in a play, by the name of the split.
fn variants(program: &Program, state: &UserState, play: &str) -> BTreeMap<String, String> {
    let (Some(standing), Some(place)) = (state.plays.get(play), program.play_by_name(play)) else {
        return BTreeMap::new();
    };
    if standing.variants.is_empty() {
        return BTreeMap::new();
    }
    let splits = program.plays[place].instructions.iter().filter_map(|(_, instruction)| match instruction {
        Instruction::Split { name, id, ways } => {
            let taken = ways.get(usize::from(*standing.variants.get(*id)?))?;
            Some((name.clone(), taken.name.clone()))
        }
        _ => None,
    });
    splits.collect()
}

/// A country's two letters, in capitals.
pub(crate) fn country(text: &str) -> Option<String> {
    let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    plain.then(|| text.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identifiers::{InputId, UserKey};
    use crate::playbook::{Channel, Playbook};
    use serde_json::json;

    #[test]
    fn who_refuses_by_the_link_of_a_message_refuses_what_its_play_sent() {
        let program = Program::new(Playbook::default()).unwrap();
        let (user, at) = (UserKey::known("ann"), Timestamp::from_millis(1));
        let delivery = DeliveryId::of_decision(user, 0);
        let sent = PlayOutcome::Sent { delivery, channel: Channel::Email, due_at: at };
        let state = UserState {
            outcomes: alloc::vec![OutcomeRecord { at, play: "welcome".into(), outcome: sent }],
            ..UserState::default()
        };
        for (delivery, play) in [(delivery, Some("welcome")), (DeliveryId::of_decision(user, 1), None)] {
            let properties = json!({"choice": "refused", "delivery_id": delivery}).as_object().unwrap().clone();
            let kind = EventKind::Track { event: EventName::ConsentUpdated, properties };
            let id = InputId::of_message("preferences", "1");
            let event = Event::new(id, at, PREFERENCES.into(), None, None, kind, serde_json::Map::new());
            let who = Dimensions::of_input(&program, &state, &Input::event(event));
            assert_eq!(who.and_then(|who| who.play).as_deref(), play);
        }
    }
}
