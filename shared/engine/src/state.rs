//! What is remembered of one user: bounded whatever the user does, and readable by every later version.
//!
//! Stored as one version byte and then CBOR with numbered fields: a field is added with a new number
//! and a default, a number is never reused. Golden files hold the states of every version.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::bounds::{MESSAGES_REMEMBERED_MAX, OUTCOMES_KEPT_MAX, SEEN_INPUTS_MAX, STATE_BYTES_MAX};
use crate::cart::Cart;
use crate::consent::Consent;
use crate::engagement::ChannelEngagement;
use crate::identifiers::{InputId, UserKey};
use crate::mobile_push::MobileDevice;
use crate::moment::MomentState;
use crate::money::Micros;
use crate::name::Name;
use crate::outcome::{OutcomeRecord, PlayOutcome};
use crate::place::Position;
use crate::playbook::{Channel, ContextFact, Interest, TraitValue};
use crate::product::Product;
use crate::profile::Profile;
use crate::register::RegisterValue;
use crate::time::Timestamp;
use crate::verdict::earlier;
use crate::web_push::WebPushSubscription;
use crate::who::Origin;

mod by_id;

pub use by_id::ById;

const VERSION: u8 = 1;

/// Everything remembered of one user.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct UserState {
    /// The user's clock: the time of the newest input applied. Never runs backwards.
    #[n(0)]
    pub clock: Timestamp,
    /// The id under which the shop knows the user.
    #[n(1)]
    pub user_id: Option<Name>,
    /// The newest id of the user as a visitor.
    #[n(2)]
    pub anonymous_id: Option<Name>,
    /// The actor that has taken over; this one only passes on.
    #[n(3)]
    pub forwarded_to: Option<UserKey>,
    /// Inputs applied of late.
    #[n(4)]
    #[cbor(skip_if = "InputIds::is_empty")]
    pub seen: InputIds<SEEN_INPUTS_MAX>,
    /// Mailbox messages applied that are remembered as a whole: because they may never have been
    /// acknowledged, or because they carried many inputs.
    #[n(5)]
    #[cbor(skip_if = "InputIds::is_empty")]
    pub messages: InputIds<MESSAGES_REMEMBERED_MAX>,
    /// Who they are and how to reach them.
    #[n(6)]
    #[cbor(skip_if = "is_default")]
    pub profile: Profile,
    /// What they have put aside to buy.
    #[n(7)]
    #[cbor(skip_if = "is_default")]
    pub cart: Cart,
    /// What they have bought.
    #[n(8)]
    #[cbor(skip_if = "is_default")]
    pub orders: Orders,
    /// Where they stand in each play, by its name.
    #[n(9)]
    #[cbor(skip_if = "BTreeMap::is_empty")]
    pub plays: BTreeMap<Name, PlayState>,
    /// The newest considerations, oldest first.
    #[n(10)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub outcomes: Vec<OutcomeRecord>,
    /// How many messages were ever decided: numbers the delivery ids.
    #[n(11)]
    #[cbor(skip_if = "is_default")]
    pub decisions: u64,
    /// Inputs passed on of late to the actor that has taken over, each with its hop
    /// ([`InputId::of_told`]).
    #[n(12)]
    #[cbor(skip_if = "InputIds::is_empty")]
    pub passed_on: InputIds<SEEN_INPUTS_MAX>,
    /// When the user was first heard of; unknown of those who were remembered before this was.
    #[n(13)]
    pub first_seen_at: Option<Timestamp>,
    /// What was watched when the user was last looked at ([`crate::program::Program::fingerprint`]).
    #[n(14)]
    #[cbor(skip_if = "is_default")]
    pub program: u32,
    /// What is remembered of behaviour.
    #[n(15)]
    #[cbor(skip_if = "ById::is_empty")]
    pub registers: ById<RegisterValue>,
    /// How the user stands to each condition that is watched.
    #[n(16)]
    #[cbor(skip_if = "ById::is_empty")]
    pub watched: ById<Standing>,
    /// How often the user has entered or left a segment.
    #[n(17)]
    #[cbor(skip_if = "is_default")]
    pub segment_changes: u64,
    /// How strong each moment was when evidence last came.
    #[n(18)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub moments: Vec<MomentState>,
    /// Facts about the newest events, as far as the playbook asks for them.
    #[n(19)]
    #[cbor(skip_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<ContextFact, String>,
    /// The IANA name of the user's time zone.
    #[n(20)]
    pub time_zone: Option<String>,
    /// Where the user was last seen, when the playbook has places.
    #[n(21)]
    pub position: Option<Position>,
    /// The places the user is in.
    #[n(22)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub inside: Vec<Inside>,
    /// The products looked at last, newest last, when the playbook asks for them.
    #[n(23)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub viewed: Vec<Product>,
    /// The products the user cares about, newest last, when plays watch the catalogue.
    #[n(24)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub interests: Vec<ProductInterest>,
    /// When messages were decided, over all plays, oldest first: as many as the policy's caps ask for.
    #[n(25)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub messaged: Vec<Messaged>,
    /// When the user was last on the shop's pages or in its app, when the playbook has messages there.
    #[n(26)]
    pub on_site_at: Option<Timestamp>,
    /// What they have agreed to and refused.
    #[n(27)]
    #[cbor(default, skip_if = "Consent::is_empty")]
    pub consent: Consent,
    /// The products bought last ([`crate::bought::key`]), newest last, when messages show related ones.
    #[n(36)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub bought: Vec<u64>,
    /// How they have answered on each channel, when a step sends on the one that they answer to most.
    #[n(32)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub engagement: Vec<ChannelEngagement>,
    /// The browsers in which they get notifications, the one told of last at the end.
    #[n(28)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub web_push: Vec<WebPushSubscription>,
    /// The devices on which the shop's app shows them notifications, the one told of last at the end.
    #[n(29)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub devices: Vec<MobileDevice>,
    /// Where they came from last and how: for figures.
    #[n(37)]
    #[cbor(default)]
    pub origin: Option<Box<Origin>>,
    /// When the newest message was sent: for figures.
    #[n(38)]
    #[cbor(default)]
    pub last_message_at: Option<Timestamp>,
}

/// A place the user is in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Inside {
    /// Its name.
    #[n(0)]
    pub place: String,
    /// Since when.
    #[n(1)]
    pub since: Timestamp,
    /// Until when, if nothing more is heard.
    #[n(2)]
    pub until: Timestamp,
}

/// A product the user cares about.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ProductInterest {
    /// Its id.
    #[n(0)]
    pub product: Name,
    /// How the user has shown it: the strongest way.
    #[n(1)]
    pub interest: Interest,
    /// When last.
    #[n(2)]
    pub at: Timestamp,
    /// When the catalogue was last told to report changes.
    #[n(3)]
    pub told_at: Timestamp,
}

/// A message that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Messaged {
    /// When it was due.
    #[n(0)]
    pub at: Timestamp,
    /// On which channel.
    #[n(1)]
    pub channel: Channel,
}

/// How a user stands to a condition that is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Standing {
    /// Since when it holds.
    #[n(0)]
    pub since: Option<Timestamp>,
    /// When time alone may change that.
    #[n(1)]
    pub next: Option<Timestamp>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a user has bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Orders {
    /// How many orders.
    #[n(0)]
    pub count: u32,
    /// When the newest was.
    #[n(1)]
    pub last_at: Option<Timestamp>,
}

/// Where a user stands in one play.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PlayState {
    /// What it waits for.
    #[n(0)]
    pub waiting: Option<Waiting>,
    /// How often the user has entered it.
    #[n(1)]
    #[cbor(skip_if = "is_default")]
    pub entered: u32,
    /// When messages were decided, oldest first: as many as the caps ask for.
    #[n(2)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub sent_at: Vec<Timestamp>,
    /// How far the user is on the way through it. Elsewhere in memory: few are, and it is more than all the rest.
    #[n(3)]
    pub run: Option<Box<PlayRun>>,
    /// When the user last entered it.
    #[n(4)]
    pub entered_at: Option<Timestamp>,
    /// The newest message, sent or held out, that waits for the play's goal.
    #[n(5)]
    pub exposure: Option<Exposure>,
    /// The ways drawn in its experiments, by the experiment's id.
    #[n(6)]
    #[cbor(skip_if = "ById::is_empty")]
    pub variants: ById<u8>,
    /// When it starts by the clock, and with which product.
    #[n(7)]
    pub scheduled: Option<Scheduled>,
    /// When a message was last decided.
    #[n(8)]
    pub messaged_at: Option<Timestamp>,
}

impl PlayState {
    /// When something of it is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let waiting = self.waiting.as_ref().map(|waiting| waiting.due_at);
        let run = self.run.as_ref().map(|run| run.due_at);
        let scheduled = self.scheduled.as_ref().map(|scheduled| scheduled.due_at);
        earlier(earlier(waiting, run), scheduled)
    }
}

/// A passage through a play that waits.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PlayRun {
    /// The step it waits in ([`crate::program::Program`] names steps so that edits elsewhere do not move them).
    #[n(0)]
    pub step: u32,
    /// When to look again.
    #[n(1)]
    pub due_at: Timestamp,
    /// When waiting for something ends in any case; only while it waits for a condition.
    #[n(2)]
    pub gives_up_at: Option<Timestamp>,
    /// When the message that is held back was due; only in quiet hours.
    #[n(3)]
    pub held_since: Option<Timestamp>,
    /// What the play is about.
    #[n(4)]
    #[cbor(skip_if = "is_default")]
    pub subject: Subject,
}

/// What a play is about: what started it, for its messages.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Subject {
    /// What started it, in words.
    #[n(0)]
    #[cbor(default)]
    pub why: String,
    /// A product.
    #[n(1)]
    pub product: Option<Product>,
    /// What the product cost before.
    #[n(2)]
    pub product_was: Option<Micros>,
    /// Properties of the event.
    #[n(3)]
    #[cbor(skip_if = "BTreeMap::is_empty")]
    pub event: BTreeMap<String, TraitValue>,
    /// A place.
    #[n(4)]
    pub place: Option<String>,
}

/// A message that waits for its play's goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Exposure {
    /// When it was due.
    #[n(0)]
    pub at: Timestamp,
    /// Whether it was sent; else it was held out.
    #[n(1)]
    pub sent: bool,
    /// The step, as waits name them; unknown of those that were decided before this was remembered.
    #[n(2)]
    #[cbor(default)]
    pub step: Option<u32>,
    /// On which channel.
    #[n(3)]
    #[cbor(default)]
    pub channel: Option<Channel>,
}

/// A start by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Scheduled {
    /// When.
    #[n(0)]
    pub due_at: Timestamp,
    /// With which product, by its id, when one runs out.
    #[n(1)]
    pub product: Option<String>,
}

/// A deadline and what set it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Waiting {
    /// When it fires.
    #[n(0)]
    pub due_at: Timestamp,
    /// The event that set it.
    #[n(1)]
    pub after: String,
    /// When that event happened.
    #[n(2)]
    pub after_at: Timestamp,
}

/// Why a stored state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Written by a newer version than this one.
    #[error("the stored state has version {0}, this program reads up to {VERSION}: deploy the newer program")]
    Newer(u8),
    /// Not a state at all.
    #[error("the stored state is damaged: {0}")]
    Damaged(String),
}

impl UserState {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        debug_assert!(self.registers.is_sorted() && self.watched.is_sorted(), "a step puts them in order");
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        minicbor::encode(self, &mut bytes).expect("writing to memory cannot fail");
        bytes
    }

    /// Reads the stored form of any version.
    ///
    /// # Errors
    /// When the bytes are damaged or of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        match bytes {
            [VERSION, rest @ ..] => minicbor::decode(rest).map_err(|error| StateError::Damaged(error.to_string())),
            [version, ..] if *version > VERSION => Err(StateError::Newer(*version)),
            _ => Err(StateError::Damaged("it has no version byte".into())),
        }
    }

    /// Whether the user has an address of their own on a channel.
    pub fn is_reachable(&self, channel: Channel) -> bool {
        match channel {
            Channel::WebPush => !self.web_push.is_empty(),
            Channel::MobilePush => !self.devices.is_empty(),
            channel => self.profile.address(channel).is_some(),
        }
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let plays = self.plays.values().fold(None, |next, play| earlier(next, play.next_deadline()));
        let watched = self.watched.iter().fold(plays, |next, (_, standing)| earlier(next, standing.next));
        self.inside.iter().fold(watched, |next, inside| earlier(next, Some(inside.until)))
    }

    /// Notes how a play's consideration stands. A consideration that ends like the one before it
    /// takes its place, so that a busy user does not push everything else out.
    pub(crate) fn note(&mut self, record: OutcomeRecord) {
        let same_end = |earlier: &OutcomeRecord| match (&earlier.outcome, &record.outcome) {
            (PlayOutcome::Sent { .. }, _) => false,
            (PlayOutcome::Waiting { .. }, _) => true,
            (earlier, new) => earlier.as_str() == new.as_str(),
        };
        if let Some(position) = self.outcomes.iter().rposition(|earlier| earlier.play == record.play)
            && same_end(&self.outcomes[position])
        {
            self.outcomes.remove(position);
        } else if self.outcomes.len() >= OUTCOMES_KEPT_MAX {
            self.outcomes.remove(0);
        }
        self.outcomes.push(record);
    }
}

/// A state travels inside a merge as the base64 of its stored form.
impl Serialize for UserState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(self.encode()))
    }
}

impl<'de> Deserialize<'de> for UserState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > STATE_BYTES_MAX * 4 / 3 + 4 {
            return Err(de::Error::custom("the state is too large"));
        }
        let bytes = STANDARD_NO_PAD.decode(text).map_err(de::Error::custom)?;
        Self::decode(&bytes).map_err(de::Error::custom)
    }
}

/// The newest `MAX` ids, oldest first, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct InputIds<const MAX: usize>(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    Vec<u8>,
);

const ID_BYTES: usize = 8;

impl<const MAX: usize> InputIds<MAX> {
    /// Whether the id is among them.
    pub fn contains(&self, id: InputId) -> bool {
        // As numbers: a comparison of slices is a call for each.
        let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("chunks have this length"));
        let wanted = number(id.as_bytes());
        self.0.chunks_exact(ID_BYTES).any(|kept| number(kept) == wanted)
    }

    /// Adds an id; the oldest leaves when there are too many. Adding one twice changes nothing.
    pub fn insert(&mut self, id: InputId) {
        if self.contains(id) {
            return;
        }
        let bytes = &mut self.0;
        if bytes.len() >= MAX * ID_BYTES {
            bytes.drain(..ID_BYTES);
        }
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.len().max(8 * ID_BYTES));
        }
        bytes.extend_from_slice(id.as_bytes());
    }

    /// Adds all of another's, as if they had come before these.
    pub fn merge(&mut self, other: &Self) {
        let mut merged = other.clone();
        for id in self.iter() {
            merged.insert(id);
        }
        *self = merged;
    }

    /// The ids, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = InputId> {
        self.0
            .chunks_exact(ID_BYTES)
            .map(|bytes| InputId::from_bytes(bytes.try_into().expect("chunks have this length")))
    }

    /// The one that was added last.
    pub fn newest(&self) -> Option<InputId> {
        self.iter().last()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len() / ID_BYTES
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_and_anything_else_is_refused_with_its_reason() {
        let state = UserState { user_id: Some("42".into()), clock: Timestamp::from_millis(7), ..UserState::default() };
        assert_eq!(UserState::decode(&state.encode()).unwrap(), state);
        for (bytes, said) in [(&[][..], "no version byte"), (&[9, 1], "deploy the newer"), (&[1, 0xff], "damaged")] {
            let error = UserState::decode(bytes).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_newest_ids_are_kept_in_order() {
        let id = |number: u8| InputId::from_bytes([number; 8]);
        let mut ids = InputIds::<3>::default();
        for number in [1, 2, 2, 3, 4] {
            ids.insert(id(number));
        }
        assert!(!ids.contains(id(1)));
        assert!(ids.iter().eq([id(2), id(3), id(4)]));
        let mut older = InputIds::<3>::default();
        older.insert(id(9));
        older.insert(id(4));
        ids.merge(&older);
        assert!(ids.iter().eq([id(4), id(2), id(3)]) || ids.len() == 3);
        assert!(ids.contains(id(4)) && ids.contains(id(3)));
    }
}
