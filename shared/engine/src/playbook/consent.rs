//! How the shop asks for consent, and what its messages are for.

use alloc::collections::BTreeMap;
use alloc::string::String;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::Channel;

/// What a message is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Purpose {
    /// Advertising in the widest sense: everything that nobody has asked for by an order or a request.
    #[default]
    #[n(0)]
    Marketing,
    /// What somebody expects because of what they did: an order's confirmation, a registration's, a request for
    /// consent.
    #[n(1)]
    Transactional,
    /// A try of the shop's own, sent by an operator to an address that they name. No play, event or consent has this
    /// purpose: such messages are about nobody, and count for nothing.
    #[n(2)]
    Test,
}

impl Purpose {
    /// Every purpose of messages to users, with its name in files.
    pub const ALL: [(&'static str, Self); 2] = [("marketing", Self::Marketing), ("transactional", Self::Transactional)];

    /// Its name in files, events and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Transactional => "transactional",
            Self::Test => "test",
        }
    }

    /// Whether it is marketing, as everything is of which nothing else is said.
    pub fn is_marketing(&self) -> bool {
        *self == Self::Marketing
    }
}

/// How the shop asks for consent (`consent.yaml`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentSettings {
    /// The shop's name, as the preferences page shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// What holds on each channel; those that are not named are [`OptIn::Implied`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<Channel, ChannelConsent>,
    /// The answer to HELP by SMS, by language (lower-case BCP 47 tag).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub help: BTreeMap<String, String>,
}

impl ConsentSettings {
    /// What marketing on a channel needs.
    pub fn opt_in(&self, channel: Channel) -> OptIn {
        self.channels.get(&channel).map_or(OptIn::Implied, |channel| channel.opt_in)
    }
}

/// What holds on one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelConsent {
    /// What marketing needs.
    #[serde(default)]
    pub opt_in: OptIn,
    /// What people agree to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wording: Option<Wording>,
}

/// What marketing on a channel needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptIn {
    /// Nothing: who has not refused gets messages.
    #[default]
    Implied,
    /// That consent was given.
    Required,
    /// That it was given, and confirmed by who owns the address.
    Double,
}

impl OptIn {
    /// Every way with its name in files.
    pub const ALL: [(&'static str, Self); 3] =
        [("implied", Self::Implied), ("required", Self::Required), ("double", Self::Double)];
}

/// The words that people agree to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// Its version, which is kept with each consent.
    pub version: String,
    /// The words, by language (lower-case BCP 47 tag).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub text: BTreeMap<String, String>,
}
