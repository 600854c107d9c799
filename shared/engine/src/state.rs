//! What is remembered of one user: bounded whatever the user does, and readable by every later version.
//!
//! Stored as one version byte and then CBOR with numbered fields: a field is added with a new number
//! and a default, a number is never reused. Golden files hold the states of every version.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::bounds::{MESSAGES_REMEMBERED_MAX, OUTCOMES_KEPT_MAX, SEEN_INPUTS_MAX, STATE_BYTES_MAX};
use crate::cart::Cart;
use crate::identifiers::{InputId, UserKey};
use crate::outcome::{OutcomeRecord, PlayOutcome};
use crate::profile::Profile;
use crate::time::Timestamp;

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
    pub user_id: Option<String>,
    /// The newest id of the user as a visitor.
    #[n(2)]
    pub anonymous_id: Option<String>,
    /// The actor that has taken over; this one only passes on.
    #[n(3)]
    pub forwarded_to: Option<UserKey>,
    /// Inputs applied of late.
    #[n(4)]
    #[cbor(default)]
    pub seen: InputIds<SEEN_INPUTS_MAX>,
    /// Mailbox messages applied that are remembered as a whole: because they may never have been
    /// acknowledged, or because they carried many inputs.
    #[n(5)]
    #[cbor(default)]
    pub messages: InputIds<MESSAGES_REMEMBERED_MAX>,
    /// Who they are and how to reach them.
    #[n(6)]
    #[cbor(default)]
    pub profile: Profile,
    /// What they have put aside to buy.
    #[n(7)]
    #[cbor(default)]
    pub cart: Cart,
    /// What they have bought.
    #[n(8)]
    #[cbor(default)]
    pub orders: Orders,
    /// Where they stand in each play, by its name.
    #[n(9)]
    #[cbor(default)]
    pub plays: BTreeMap<String, PlayState>,
    /// The newest considerations, oldest first.
    #[n(10)]
    #[cbor(default)]
    pub outcomes: Vec<OutcomeRecord>,
    /// How many messages were ever decided: numbers the delivery ids.
    #[n(11)]
    #[cbor(default)]
    pub decisions: u64,
    /// Inputs passed on of late to the actor that has taken over, each with its hop
    /// ([`InputId::of_told`]).
    #[n(12)]
    #[cbor(default)]
    pub passed_on: InputIds<SEEN_INPUTS_MAX>,
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
    #[cbor(default)]
    pub entered: u32,
    /// When messages were decided, oldest first: as many as the caps ask for.
    #[n(2)]
    #[cbor(default)]
    pub sent_at: Vec<Timestamp>,
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

    /// The earliest deadline, and the play it belongs to.
    pub fn next_deadline(&self) -> Option<(Timestamp, &str)> {
        self.plays.iter().filter_map(|(name, play)| Some((play.waiting.as_ref()?.due_at, name.as_str()))).min()
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
        self.0.chunks_exact(ID_BYTES).any(|kept| kept == id.as_bytes())
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
