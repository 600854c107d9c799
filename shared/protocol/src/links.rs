//! Links: each message's own, kept before it is sent, followed by whoever clicks.
//!
//! ```text
//! sent:     render ──▶ keep what its links lead to, if nobody has ──▶ render again with links of ours
//! clicked:  is the token ours? ──▶ read what is kept ──▶ tell the user's mailbox ──▶ lead there
//! ```
//!
//! **A short link is a [signed token](crate::signed_links)** that carries seven bytes of the delivery's id and, behind
//! the first link, one byte for its number. What it leads to stands in one record per message. So the same message
//! has the same links however often the queue gives it: a later try that renders other links adds them behind those of
//! the earlier one, and changes none.
//!
//! **Clicks are counted once per delivery and link**: what a user is told is derived from both, so that queue and user
//! recognise it.
//!
//! **Invariant:** nobody is led anywhere that was not kept with the message (or to the page that was kept for the time
//! after).

use std::future::Future;

use kairos_engine::bounds::LINK_ROUNDS_MAX;
use kairos_engine::identifiers::DeliveryId;

use crate::port::Fault;

mod page;
mod record;
#[cfg(test)]
mod tests;

pub use page::with_parameters;
pub use record::{Device, DeviceKind, Followed, MessageLinks, Os, SOURCE, Target, Where};

/// Bytes of a delivery's id that links carry: 56 bits. Of a hundred million messages whose links are kept, three share
/// theirs with another; the later one's links stay uncounted.
const ID_BYTES: usize = 7;

/// What the links of a message are found by: the beginning of its delivery's id, which is a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinksId([u8; ID_BYTES]);

impl LinksId {
    /// That of a delivery.
    pub fn of(delivery: DeliveryId) -> Self {
        let [a, b, c, d, e, f, g, ..] = *delivery.as_bytes();
        Self([a, b, c, d, e, f, g])
    }

    /// What the token of a link carries: the id, and its number behind the first one. (An SMS mostly has one link.)
    pub fn payload(self, number: u8) -> Vec<u8> {
        let mut payload = self.0.to_vec();
        if number > 0 {
            payload.push(number);
        }
        payload
    }

    /// Reads what a token carries; `None` for what is no link's.
    pub fn read(payload: &[u8]) -> Option<(Self, u8)> {
        let (id, number) = payload.split_at_checked(ID_BYTES)?;
        let number = match number {
            [] => 0,
            &[number] if number > 0 => number,
            _ => return None,
        };
        Some((Self(id.try_into().ok()?), number))
    }
}

impl std::fmt::Display for LinksId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The links of messages.
pub trait LinkRecords {
    /// What is kept of a message's links, strongly consistent: a click may come a moment after the message.
    fn load(&self, id: LinksId) -> impl Future<Output = Result<Option<MessageLinks>, Fault>>;

    /// Writes a record, if the one that is there has the expected revision (`None`: if none is there).
    fn save(
        &self,
        links: &MessageLinks,
        expected_revision: Option<u32>,
    ) -> impl Future<Output = Result<LinksSaved, Fault>>;
}

/// What became of a conditional write of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinksSaved {
    /// It is written.
    Written,
    /// Nothing was changed, because this one is there (`None`: because none is).
    Conflict(Option<Box<MessageLinks>>),
}

/// Why the links of a message are not kept. It is sent with the links as they stand.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotKept {
    /// Another message has the same short id.
    #[error("the links of another message have the same id")]
    Taken,
    /// Others wrote the record every time.
    #[error("others changed the record of the links {LINK_ROUNDS_MAX} times meanwhile")]
    Overtaken,
    /// The table does not answer.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Keeps the links of a message, beside those of an earlier try; gives what is kept then.
///
/// # Errors
/// When they are not kept, and why.
pub async fn keep(records: &impl LinkRecords, wanted: &MessageLinks) -> Result<MessageLinks, NotKept> {
    let mut next = wanted.clone();
    let mut expected_revision = None;
    for _ in 0..LINK_ROUNDS_MAX {
        match records.save(&next, expected_revision).await? {
            LinksSaved::Written => return Ok(next),
            LinksSaved::Conflict(None) => (next, expected_revision) = (wanted.clone(), None),
            LinksSaved::Conflict(Some(there)) if there.delivery != wanted.delivery => return Err(NotKept::Taken),
            LinksSaved::Conflict(Some(there)) => match there.with(&wanted.links) {
                None => return Ok(*there),
                Some(more) => (next, expected_revision) = (more, Some(there.revision)),
            },
        }
    }
    Err(NotKept::Overtaken)
}
