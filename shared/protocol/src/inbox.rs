//! Messages on the shop's own pages and in its app: they wait in an inbox until their user comes by.
//!
//! ```text
//! delivery:  written, unless it is there ──▶ the oldest ones beyond the most are removed
//! asked:     who the visitor has turned out to be ──▶ what waits for them
//! reported:  read ──▶ told to the user's mailbox ──▶ noted as seen, clicked, dismissed
//! ```
//!
//! **A message is in the inbox once**, however often the queue gives its order: it is written under the delivery's id, and
//! what is there already stays as it is, closed or not.
//!
//! **What became of it counts once.** Whoever reports it again finds it noted. When a crash came between telling and
//! noting, the user is told again by a message that is derived from the delivery, which queue and user recognise.
//!
//! **Whose messages a visitor sees.** A visitor's id is random, and nobody else knows it: it opens that visitor's own inbox.
//! It does not open the inbox of the user that the visitor is said to be, since whoever has a write key, which is
//! public, can say to be anybody. That takes a proof ([`Asker::proved`]), unless the shop does without one
//! ([`Asker::follows_links`]).
//!
//! **Invariants**
//! - Nothing is given that was clicked or dismissed, or whose moment has passed.
//! - Nothing of a user is given, or changed, for somebody who may not see that user's inbox.

use std::future::Future;

use kairos_engine::bounds::{FORWARD_HOPS_MAX, INBOX_MESSAGES_MAX};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::time::Timestamp;

use crate::mailboxes::Users;
use crate::port::{Clock, Fault, Mailboxes};

mod record;
#[cfg(test)]
mod tests;

pub use record::{InboxMessage, Kept, Mark};

/// The inboxes of all users.
pub trait Inbox {
    /// Puts a message into its user's inbox, unless it is there already.
    fn put(&self, message: &InboxMessage) -> impl Future<Output = Result<(), Fault>>;

    /// All that is kept for a user, in any order, strongly consistent.
    fn list(&self, user: UserKey) -> impl Future<Output = Result<Vec<Kept>, Fault>>;

    /// One message, strongly consistent.
    fn get(&self, user: UserKey, delivery: DeliveryId) -> impl Future<Output = Result<Option<Kept>, Fault>>;

    /// Notes what became of a message, unless that is noted already. A message that is gone stays so.
    fn mark(
        &self,
        user: UserKey,
        delivery: DeliveryId,
        mark: Mark,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Fault>>;

    /// Removes a message, if it is there.
    fn remove(&self, user: UserKey, delivery: DeliveryId) -> impl Future<Output = Result<(), Fault>>;
}

/// Puts a message into its user's inbox, and removes the oldest ones when there are too many. The same message again
/// changes nothing.
///
/// # Errors
/// When the message may not be there. That too many could not be removed is no error: the next message does it.
pub async fn deliver(inbox: &impl Inbox, message: &InboxMessage) -> Result<(), Fault> {
    inbox.put(message).await?;
    if let Err(error) = make_room(inbox, message.user).await {
        tracing::warn!(%error, "an inbox could not be looked through for messages that are too many");
    }
    Ok(())
}

async fn make_room(inbox: &impl Inbox, user: UserKey) -> Result<(), Fault> {
    let mut kept = inbox.list(user).await?;
    let too_many = kept.len().saturating_sub(INBOX_MESSAGES_MAX);
    kept.sort_by_key(|kept| (kept.message.sent_at, kept.message.delivery));
    for kept in &kept[..too_many] {
        inbox.remove(user, kept.message.delivery).await?;
    }
    Ok(())
}

/// Who asks for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The visitor.
    pub visitor: UserKey,
    /// The user whom the visitor has proved to be.
    pub proved: Option<UserKey>,
    /// Whether the user whom the visitor is said to be counts without a proof.
    pub follows_links: bool,
}

/// What the inbox asks of the world.
pub struct Ports<'a, I, U, M, C> {
    /// The inboxes.
    pub inbox: &'a I,
    /// The users: who a visitor has turned out to be.
    pub users: &'a U,
    /// The mailboxes of the users, who hear what became of their messages.
    pub mailboxes: &'a M,
    /// The time.
    pub clock: &'a C,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// It counts.
    Counted,
    /// It has counted before.
    Again,
    /// There is no such message for whoever asks.
    Unknown,
}

impl<I: Inbox, U: Users, M: Mailboxes, C: Clock> Ports<'_, I, U, M, C> {
    /// What waits for whoever asks: the most important first, and of equals the newest.
    ///
    /// # Errors
    /// When a table does not answer, or holds what cannot be read.
    pub async fn messages(&self, asker: &Asker) -> Result<Vec<Kept>, Fault> {
        let mut waiting = Vec::new();
        for user in self.inboxes(asker).await? {
            waiting.extend(self.inbox.list(user).await?);
        }
        let now = self.clock.now();
        waiting.retain(|kept| kept.is_open(now));
        waiting.sort_by(|one, other| {
            let (one, other) = (&one.message, &other.message);
            (other.priority, other.sent_at, other.delivery).cmp(&(one.priority, one.sent_at, one.delivery))
        });
        Ok(waiting)
    }

    /// Takes in what became of a message, and tells its user.
    ///
    /// # Errors
    /// When nobody can say whether it counted: the same report again finds out.
    pub async fn report(&self, asker: &Asker, delivery: DeliveryId, mark: Mark) -> Result<Reported, Fault> {
        for user in self.inboxes(asker).await? {
            let Some(kept) = self.inbox.get(user, delivery).await? else { continue };
            if kept.has(mark) {
                return Ok(Reported::Again);
            }
            let now = self.clock.now();
            self.mailboxes.send(&[kept.message.became(mark, now)]).await?;
            self.inbox.mark(user, delivery, mark, now).await?;
            return Ok(Reported::Counted);
        }
        Ok(Reported::Unknown)
    }

    /// Whose inboxes are open to whoever asks: the visitor's own, and those of the user they are and have become.
    async fn inboxes(&self, asker: &Asker) -> Result<Vec<UserKey>, Fault> {
        let mut inboxes = vec![asker.visitor];
        let mut user = match (asker.follows_links, asker.proved) {
            (true, _) => asker.visitor,
            (false, Some(proved)) => proved,
            (false, None) => return Ok(inboxes),
        };
        for _ in 0..=FORWARD_HOPS_MAX {
            if !inboxes.contains(&user) {
                inboxes.push(user);
            }
            let stored = self.users.load(&[user]).await?.remove(&user).transpose()?;
            let Some(to) = stored.and_then(|stored| stored.state.forwarded_to) else { break };
            user = to;
        }
        Ok(inboxes)
    }
}
