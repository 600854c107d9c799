//! What a user has agreed to and what they have refused, for each channel and purpose; and which of their addresses are
//! dead.
//!
//! ```text
//! what is said                    a statement: channel (or all), purpose, given | refused | pending, when, by which way
//! what is kept                    for each purpose one entry for all channels, and one for each channel that differs
//! what holds on a channel         the channel's own entry, else the one for all
//! ```
//!
//! **Rules**
//! - The newest statement counts, by when it was made; of two of the same instant the refusal.
//! - `pending` (asked, not yet confirmed) is noted only where nothing else is known: it neither ends a consent nor lifts a
//!   refusal.
//! - A public write key can refuse, and can ask: what a page calls given is pending. Giving takes the shop's server, or a
//!   signed link.
//! - Where an address has to be confirmed ([`OptIn::Double`]), what the shop's server calls given is pending, too.
//! - When two names turn out to be one person, a refusal of either wins, and only what is said after that lifts it.
//! - A dead address (it bounced, its owner complained or sent STOP) is dead until somebody says it lives; another address on
//!   the channel is alive.

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::identifiers::AddressKey;
use crate::playbook::{Channel, OptIn, Purpose};
use crate::time::Timestamp;

mod said;

pub use said::{TRAIT, statements};

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Choice {
    /// Asked for, not yet confirmed.
    #[n(0)]
    Pending,
    /// Yes.
    #[n(1)]
    Given,
    /// No.
    #[n(2)]
    Refused,
}

impl Choice {
    /// Every choice with its name in events.
    pub const ALL: [(&'static str, Self); 3] =
        [("pending", Self::Pending), ("given", Self::Given), ("refused", Self::Refused)];

    /// Its name in events and reports.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// By which way something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Way {
    /// A page or an app, with a public write key.
    #[n(0)]
    Client,
    /// The shop's server.
    #[n(1)]
    Server,
    /// The preferences page, by a signed link.
    #[n(2)]
    Preferences,
    /// The unsubscribe link of a message.
    #[n(3)]
    Unsubscribe,
    /// The link by which an address is confirmed.
    #[n(4)]
    Confirmation,
    /// A keyword sent as an SMS.
    #[n(5)]
    Keyword,
    /// What became of a message: it bounced, or its receiver complained.
    #[n(6)]
    Receipt,
}

impl Way {
    /// Every way with its name in events.
    pub const ALL: [(&'static str, Self); 7] = [
        ("client", Self::Client),
        ("server", Self::Server),
        ("preferences", Self::Preferences),
        ("unsubscribe", Self::Unsubscribe),
        ("confirmation", Self::Confirmation),
        ("keyword", Self::Keyword),
        ("receipt", Self::Receipt),
    ];

    /// Its name in events and reports.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Whether who speaks this way has shown that the address is theirs.
    const fn owns_the_address(self) -> bool {
        matches!(self, Self::Preferences | Self::Confirmation | Self::Keyword)
    }
}

/// Why an address is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum SuppressionReason {
    /// It does not exist.
    #[n(0)]
    HardBounce,
    /// Its owner has called a message unwanted.
    #[n(1)]
    Complaint,
    /// Its owner has sent STOP.
    #[n(2)]
    Stop,
    /// Somebody of the shop has said so.
    #[n(3)]
    Manual,
}

impl SuppressionReason {
    /// Every reason with its name in records and lists.
    pub const ALL: [(&'static str, Self); 4] = [
        ("hard_bounce", Self::HardBounce),
        ("complaint", Self::Complaint),
        ("stop", Self::Stop),
        ("manual", Self::Manual),
    ];

    /// Its name in records and lists.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        named(&Self::ALL, name)
    }
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// On which channel; on all without one.
    pub channel: Option<Channel>,
    /// For what.
    pub purpose: Purpose,
    /// What.
    pub choice: Choice,
    /// When.
    pub at: Timestamp,
    /// By which way.
    pub way: Way,
    /// The version of the words that were agreed to, when it is known.
    pub wording: Option<String>,
    /// The address by which it was said, when a signed link or a keyword shows that it is theirs.
    pub address: Option<AddressKey>,
}

/// What is remembered of consent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Consent {
    /// What was said, in the order of purpose and channel: first what is for all channels, then those that differ.
    #[n(0)]
    #[cbor(skip_if = "Vec::is_empty")]
    entries: Vec<Entry>,
    /// Addresses that are dead, one a channel at most: the user's own on it.
    #[n(1)]
    #[cbor(skip_if = "Vec::is_empty")]
    dead: Vec<DeadAddress>,
}

/// What was said on a channel, or on all.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// For what.
    #[n(0)]
    pub purpose: Purpose,
    /// On which channel; on all that have no entry of their own without one.
    #[n(1)]
    pub channel: Option<Channel>,
    /// What.
    #[n(2)]
    pub choice: Choice,
    /// When; of several refusals the first.
    #[n(3)]
    pub at: Timestamp,
    /// What was said before this changes nothing.
    #[n(4)]
    pub stands_from: Timestamp,
    /// By which way.
    #[n(5)]
    pub way: Way,
    /// The version of the words that were agreed to.
    #[n(6)]
    pub wording: Option<String>,
    /// The address that was confirmed by it.
    #[n(7)]
    pub address: Option<AddressKey>,
}

/// A dead address.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadAddress {
    /// On which channel.
    #[n(0)]
    pub channel: Channel,
    /// Which.
    #[n(1)]
    pub address: AddressKey,
    /// Why.
    #[n(2)]
    pub reason: SuppressionReason,
    /// Since when.
    #[n(3)]
    pub at: Timestamp,
}

impl Entry {
    fn of(statement: &Statement, channel: Option<Channel>) -> Self {
        Self {
            purpose: statement.purpose,
            channel,
            choice: statement.choice,
            at: statement.at,
            stands_from: statement.at,
            way: statement.way,
            wording: statement.wording.clone(),
            address: statement.address,
        }
    }

    /// What is kept when this was said and then the other, or the other way round.
    fn followed_by(&self, said: &Self) -> Self {
        let kept = match (self.choice, said.choice) {
            (Choice::Refused, Choice::Refused) => return self.refused_with(said),
            // Noted only where nothing else is known.
            (_, Choice::Pending) if self.choice != Choice::Pending => self,
            (Choice::Pending, _) if said.choice != Choice::Pending => said,
            (_, Choice::Refused) if said.stands_from >= self.stands_from => said,
            _ if said.stands_from > self.stands_from => said,
            _ => self,
        };
        kept.clone()
    }

    /// Of two refusals the first, which stands as long as either.
    fn refused_with(&self, other: &Self) -> Self {
        let first = if other.order() < self.order() { other } else { self };
        Self { stands_from: self.stands_from.max(other.stands_from), ..first.clone() }
    }

    /// What is kept of what was said under two names of one person, who were known as one since `at`.
    fn joined(&self, other: &Self, at: Timestamp) -> Self {
        let refused = |entry: &&Self| entry.choice == Choice::Refused;
        match ([self, other].iter().copied().find(refused), self.choice == other.choice) {
            (Some(_), true) => self.refused_with(other).firm(at),
            (Some(refusal), false) => refusal.clone().firm(at),
            (None, _) => {
                let rank = |entry: &Self| (entry.choice, entry.stands_from);
                let newest = (rank(self), self.order()) >= (rank(other), other.order());
                if newest { self.clone() } else { other.clone() }
            }
        }
    }

    fn firm(self, at: Timestamp) -> Self {
        let stands_from = if self.choice == Choice::Refused { self.stands_from.max(at) } else { self.stands_from };
        Self { stands_from, ..self }
    }

    /// Tells equal ones apart, always in the same way.
    fn order(&self) -> (Timestamp, Way, Option<&str>, Option<AddressKey>) {
        (self.at, self.way, self.wording.as_deref(), self.address)
    }

    fn says_the_same(&self, other: &Self) -> bool {
        Self { channel: other.channel, ..self.clone() } == *other
    }
}

impl Consent {
    /// Whether nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.dead.is_empty()
    }

    /// What was said, in the order of purpose and channel.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The addresses that are dead.
    pub fn dead(&self) -> &[DeadAddress] {
        &self.dead
    }

    /// What holds on a channel for a purpose, if anything was said.
    pub fn on(&self, channel: Channel, purpose: Purpose) -> Option<&Entry> {
        self.own(Some(channel), purpose).or_else(|| self.own(None, purpose))
    }

    /// Whether a message would be against what the user has said.
    pub fn refuses(&self, channel: Channel, purpose: Purpose) -> bool {
        self.on(channel, purpose).is_some_and(|entry| entry.choice == Choice::Refused)
    }

    /// Whether a message may be sent to this address, by what the user has said and what the shop asks for.
    pub fn allows(&self, channel: Channel, address: &str, purpose: Purpose, opt_in: OptIn) -> bool {
        let entry = self.on(channel, purpose);
        match (entry.map(|entry| entry.choice), purpose, opt_in) {
            (Some(Choice::Refused), ..) => false,
            (_, Purpose::Transactional | Purpose::Test, _)
            | (_, _, OptIn::Implied)
            | (Some(Choice::Given), _, OptIn::Required) => true,
            // Another address than the one that was confirmed is not confirmed.
            (Some(Choice::Given), _, OptIn::Double) => {
                let confirmed = entry.and_then(|entry| entry.address);
                confirmed.is_none_or(|confirmed| confirmed == AddressKey::of(channel, address))
            }
            (Some(Choice::Pending) | None, ..) => false,
        }
    }

    /// Why an address is dead, if it is.
    pub fn suppression(&self, channel: Channel, address: &str) -> Option<SuppressionReason> {
        let dead = self.dead.iter().find(|dead| dead.channel == channel)?;
        (dead.address == AddressKey::of(channel, address)).then_some(dead.reason)
    }

    fn own(&self, channel: Option<Channel>, purpose: Purpose) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.purpose == purpose && entry.channel == channel)
    }

    /// Takes in what was said.
    pub fn hear(&mut self, statement: &Statement) {
        let all = self.own(None, statement.purpose).cloned();
        match statement.channel {
            Some(channel) => {
                let said = Entry::of(statement, Some(channel));
                let before = self.on(channel, statement.purpose).cloned();
                let kept =
                    before.map_or(said.clone(), |before| Entry { channel: Some(channel), ..before.followed_by(&said) });
                self.put(kept);
            }
            None => {
                let said = Entry::of(statement, None);
                for entry in self.entries.iter_mut().filter(|entry| entry.purpose == said.purpose) {
                    let own = Entry { channel: entry.channel, ..said.clone() };
                    *entry = entry.followed_by(&own);
                }
                if all.is_none() {
                    self.put(said);
                }
            }
        }
        self.tidy();
    }

    /// Takes in what was said under another name of the same person, who are known as one since `at`.
    pub fn merge(&mut self, other: &Self, at: Timestamp) {
        let mut merged = Vec::new();
        for (_, purpose) in Purpose::ALL {
            let channels = Channel::ALL.into_iter().map(Some);
            for channel in core::iter::once(None).chain(channels) {
                let of = |consent: &Self| match channel {
                    Some(channel) => consent.on(channel, purpose).cloned(),
                    None => consent.own(None, purpose).cloned(),
                };
                let joined = match (of(self), of(other)) {
                    (Some(own), Some(theirs)) => own.joined(&theirs, at),
                    (Some(one), None) | (None, Some(one)) => one.firm(at),
                    (None, None) => continue,
                };
                merged.push(Entry { channel, ..joined });
            }
        }
        self.entries = merged;
        for theirs in &other.dead {
            match self.dead.iter_mut().find(|own| own.channel == theirs.channel) {
                Some(own) if (own.at, own.address) < (theirs.at, theirs.address) => *own = theirs.clone(),
                Some(_) => {}
                None => self.dead.push(theirs.clone()),
            }
        }
        self.dead.sort_by_key(|dead| dead.channel);
        self.tidy();
    }

    /// Notes that an address is dead.
    pub fn suppress(&mut self, dead: DeadAddress) {
        match self.dead.iter_mut().find(|known| known.channel == dead.channel) {
            // A complaint outlives a STOP that is taken back.
            Some(known) if known.address == dead.address && known.reason == SuppressionReason::Complaint => {}
            Some(known) => *known = dead,
            None => {
                self.dead.push(dead);
                self.dead.sort_by_key(|dead| dead.channel);
            }
        }
    }

    /// Notes that an address lives again, when it was dead for this reason, or for any without one.
    pub fn restore(&mut self, channel: Channel, address: AddressKey, reason: Option<SuppressionReason>) {
        self.dead.retain(|dead| {
            dead.channel != channel || dead.address != address || reason.is_some_and(|reason| reason != dead.reason)
        });
    }

    fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|own| own.purpose == entry.purpose && own.channel == entry.channel) {
            Some(own) => *own = entry,
            None => self.entries.push(entry),
        }
    }

    /// Puts entries in order, and lets go of those that say what holds for all.
    fn tidy(&mut self) {
        self.entries.sort_by_key(|entry| (entry.purpose, entry.channel));
        let all: Vec<Entry> = self.entries.iter().filter(|entry| entry.channel.is_none()).cloned().collect();
        self.entries.retain(|entry| {
            let of_all = all.iter().find(|all| all.purpose == entry.purpose);
            entry.channel.is_none() || of_all.is_none_or(|all| !entry.says_the_same(all))
        });
    }
}

fn named<T: Copy>(all: &[(&str, T)], name: &str) -> Option<T> {
    let name = name.trim();
    all.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}
