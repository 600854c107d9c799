//! Ids that say what they identify. All are derived, never drawn: the same cause gives the same id,
//! which is what makes every retry harmless.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::bounds::CORRELATION_ID_BYTES_MAX;
use crate::playbook::Channel;
use crate::time::Timestamp;

/// SHA-256 over length-prefixed parts, so that ("ab","c") and ("a","bc") differ.
pub(crate) fn digest(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in core::iter::once(&domain.as_bytes()).chain(parts) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn prefix<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&hash[..N]);
    out
}

const HEX: &[u8; 16] = b"0123456789abcdef";

macro_rules! hex_identifier {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] ByteArray<$bytes>);

        impl $name {
            /// From raw bytes.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(ByteArray::from(bytes))
            }

            /// The raw bytes.
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Reads lower-case hexadecimal of exactly the right length.
            pub fn parse(text: &str) -> Option<Self> {
                if text.len() != $bytes * 2 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                    return None;
                }
                let mut bytes = [0; $bytes];
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
                }
                Some(Self::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                // In one piece: ids are written with every event.
                let mut text = [0; $bytes * 2];
                for (pair, byte) in text.chunks_exact_mut(2).zip(self.0.iter()) {
                    pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                }
                formatter.write_str(core::str::from_utf8(&text).expect("these are digits"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| de::Error::custom(concat!(stringify!($name), " must be lower-case hexadecimal")))
            }
        }
    };
}

hex_identifier!(
    /// Which user: the mailbox (message group), the item and every record carry this, never the raw id,
    /// so that no log or key holds personal data.
    UserKey, 16
);
hex_identifier!(
    /// Which input: one client message, one link, one merge. Recognises repetitions.
    InputId, 8
);
hex_identifier!(
    /// Which message to whom: claimed once, recorded once, the idempotency key towards providers.
    DeliveryId, 16
);

hex_identifier!(
    /// Which address on which channel, without saying it: what lists of dead addresses are looked up by.
    AddressKey, 16
);

/// What caused something, for people who follow it through the logs: the id of the request or run of a function that
/// began it. Drawn by Lambda, so that no decision may depend on it, and nothing is recognised by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// Reads one: letters, digits, hyphens and underscores, at most [`CORRELATION_ID_BYTES_MAX`].
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_one = (1..=CORRELATION_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed);
        is_one.then(|| Self(text.into()))
    }

    /// As logs show it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CorrelationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("a correlation id has letters, digits, hyphens and underscores"))
    }
}

impl AddressKey {
    /// The key of an address. The case of letters in an email address means nothing.
    pub fn of(channel: Channel, address: &str) -> Self {
        let address = match channel {
            Channel::Email => address.trim().to_lowercase(),
            _ => address.trim().into(),
        };
        Self::from_bytes(prefix(&digest("address", &[channel.as_str().as_bytes(), address.as_bytes()])))
    }
}

impl UserKey {
    /// The actor of a known user (`userId`).
    pub fn known(user_id: &str) -> Self {
        Self::from_bytes(prefix(&digest("known", &[user_id.as_bytes()])))
    }

    /// The actor of a visitor who has not said who they are (`anonymousId`).
    pub fn anonymous(anonymous_id: &str) -> Self {
        Self::from_bytes(prefix(&digest("anonymous", &[anonymous_id.as_bytes()])))
    }

    /// The alarm-index shard of this user: stable, spread evenly below `shards`.
    pub fn shard(&self, shards: u32) -> u32 {
        let [.., a, b, c, d] = *self.as_bytes();
        u32::from_be_bytes([a, b, c, d]) % shards
    }
}

impl InputId {
    /// The id of a client's message: unique per source and message id, as CLIENTS deduplicate.
    pub fn of_message(source: &str, message_id: &str) -> Self {
        Self::from_bytes(prefix(&digest("message", &[source.as_bytes(), message_id.as_bytes()])))
    }

    /// The id of a mailbox message that carries these inputs for this user.
    pub fn of_inputs(user: UserKey, inputs: impl Iterator<Item = InputId>) -> Self {
        let mut bytes = Vec::new();
        inputs.for_each(|input| bytes.extend_from_slice(input.as_bytes()));
        Self::from_bytes(prefix(&digest("inputs", &[user.as_bytes(), &bytes])))
    }

    /// The id of a mailbox message by which this user is told of an input that `hops` actors have passed on.
    pub fn of_told(user: UserKey, input: Option<InputId>, hops: u8) -> Self {
        let input = input.as_ref().map_or(&[][..], |input| input.as_bytes());
        Self::from_bytes(prefix(&digest("told", &[user.as_bytes(), input, &[hops]])))
    }

    /// The id of a mailbox message that wakes this user.
    pub fn of_tick(user: UserKey, due_at: Timestamp, minutes_late: i64) -> Self {
        let due = due_at.as_millis().to_be_bytes();
        Self::from_bytes(prefix(&digest("tick", &[user.as_bytes(), &due, &minutes_late.to_be_bytes()])))
    }

    /// The id of a mailbox message that brings this user what the archive tells.
    pub fn of_recollection(user: UserKey, at: Timestamp, again: u32) -> Self {
        let at = at.as_millis().to_be_bytes();
        Self::from_bytes(prefix(&digest("recollection", &[user.as_bytes(), &at, &again.to_be_bytes()])))
    }

    /// An id derived from another input, for what that input causes (a link, a merge).
    pub fn caused_by(cause: InputId, what: &str, whom: UserKey) -> Self {
        Self::from_bytes(prefix(&digest("caused", &[cause.as_bytes(), what.as_bytes(), whom.as_bytes()])))
    }
}

impl DeliveryId {
    /// The id of the `number`-th decision to send something to `user`.
    pub fn of_decision(user: UserKey, number: u64) -> Self {
        Self::from_bytes(prefix(&digest("delivery", &[user.as_bytes(), &number.to_be_bytes()])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_survive_their_text_form_and_refuse_any_other() {
        let key = UserKey::known("42");
        assert_eq!(UserKey::parse(&key.to_string()), Some(key));
        for text in ["", "zz", "+f", &key.to_string().to_uppercase(), &key.to_string()[1..]] {
            assert_eq!(UserKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_visitor_and_a_user_with_the_same_id_are_two_actors() {
        assert_ne!(UserKey::known("42"), UserKey::anonymous("42"));
    }

    #[test]
    fn user_keys_never_change_between_versions() {
        // Stored items are found by this key: a change here would lose every user.
        assert_eq!(UserKey::known("42").to_string(), "487fd3e6a62867d482c9751d16cdc432");
    }
}
