//! An address is dead, or lives again. First the list, which every message asks: from then on nothing goes there. Then the
//! users who were written to there, so that their plays take another channel.

use kairos_cloud::addresses::AddressesTable;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::suppressions::{Changed, Suppression, SuppressionsTable};
use kairos_engine::consent::{Choice, SuppressionReason};
use kairos_engine::event::{Event, EventKind, FEEDBACK};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{AddressKey, InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::Channel;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::{Fault, Mailboxes as _};
use serde_json::{Map, Value, json};

/// What suppressing needs.
#[derive(Clone, Debug)]
pub struct Suppressing {
    /// The list.
    pub suppressions: SuppressionsTable,
    /// Who was written to where.
    pub addresses: AddressesTable,
    /// The mailboxes of those users.
    pub mailboxes: Mailboxes,
}

/// What made an address dead, or live.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'a> {
    /// Recognises a repetition.
    pub id: &'a str,
    /// When.
    pub at: Timestamp,
}

/// At which address something happened.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// On which channel.
    pub channel: Channel,
    /// The address itself.
    pub address: &'a str,
    /// A user who is known to have it; others are found by who was written to there.
    pub user: Option<UserKey>,
}

impl At<'_> {
    /// The address's key.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(self.channel, self.address)
    }
}

impl Suppressing {
    /// An address is dead. Doing it again changes nothing.
    ///
    /// # Errors
    /// When a table or the queue fails; the same again finishes it.
    pub async fn suppress(&self, at: At<'_>, reason: SuppressionReason, cause: Cause<'_>) -> Result<Changed, Fault> {
        let suppression = Suppression {
            channel: at.channel,
            key: at.key(),
            address: Some(at.address.to_owned()),
            reason,
            source: FEEDBACK.to_owned(),
            at: cause.at,
        };
        let changed = self.suppressions.add(&suppression).await?;
        self.tell_suppressed(at, reason, cause).await?;
        Ok(changed)
    }

    /// An address that is on the list already turns out to be that of a user who does not know.
    ///
    /// # Errors
    /// When a table or the queue fails; the same again finishes it.
    pub async fn found_suppressed(&self, at: At<'_>, cause: Cause<'_>) -> Result<(), Fault> {
        // Meanwhile it may have been taken off.
        match self.suppressions.get(at.channel, at.key()).await? {
            Some(there) => self.tell_suppressed(at, there.reason, cause).await,
            None => Ok(()),
        }
    }

    /// An address that was dead for this reason lives again.
    ///
    /// # Errors
    /// When a table or the queue fails; the same again finishes it.
    pub async fn restore(&self, at: At<'_>, reason: SuppressionReason, cause: Cause<'_>) -> Result<Changed, Fault> {
        let changed = self.suppressions.remove(at.channel, at.key(), Some(reason)).await?;
        let more = vec![("reason", json!(reason.as_str()))];
        self.tell(EventName::AddressRestored, at, more, reason.as_str(), cause).await?;
        Ok(changed)
    }

    /// Somebody writes from an address that was thought not to exist. Says whether it was.
    ///
    /// # Errors
    /// When a table or the queue fails; the same again finishes it.
    pub async fn revive(&self, at: At<'_>, cause: Cause<'_>) -> Result<bool, Fault> {
        let there = self.suppressions.get(at.channel, at.key()).await?;
        if there.is_none_or(|there| there.reason != SuppressionReason::HardBounce) {
            return Ok(false);
        }
        self.restore(at, SuppressionReason::HardBounce, cause).await?;
        Ok(true)
    }

    /// Who has the address wants no more marketing on its channel, or wants it again.
    ///
    /// # Errors
    /// When a table or the queue fails; the same again finishes it.
    pub async fn marketing(&self, at: At<'_>, choice: Choice, cause: Cause<'_>) -> Result<(), Fault> {
        let more = vec![("choice", json!(choice.as_str())), ("purpose", json!("marketing"))];
        self.tell(EventName::ConsentUpdated, at, more, choice.as_str(), cause).await
    }

    async fn tell_suppressed(&self, at: At<'_>, reason: SuppressionReason, cause: Cause<'_>) -> Result<(), Fault> {
        let more = vec![("reason", json!(reason.as_str()))];
        self.tell(EventName::AddressSuppressed, at, more, reason.as_str(), cause).await
    }

    async fn tell(
        &self,
        what: EventName,
        at: At<'_>,
        more: Vec<(&'static str, Value)>,
        which: &str,
        cause: Cause<'_>,
    ) -> Result<(), Fault> {
        let mut users = self.addresses.users(at.channel, at.key()).await?;
        users.extend(at.user.filter(|user| !users.contains(user)));
        let told = users.into_iter().map(|user| told(user, &what, at, more.clone(), which, cause));
        let messages: Vec<_> = told.collect();
        if messages.is_empty() { Ok(()) } else { self.mailboxes.send(&messages).await }
    }
}

fn told(
    user: UserKey,
    what: &EventName,
    at: At<'_>,
    more: Vec<(&'static str, Value)>,
    which: &str,
    cause: Cause<'_>,
) -> MailboxMessage {
    let known = [("channel", json!(at.channel)), ("address_key", json!(at.key()))];
    let properties: Map<_, _> = known.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect();
    let id = InputId::of_message(FEEDBACK, &format!("{}/{what}/{which}/{user}", cause.id));
    let kind = EventKind::Track { event: what.clone(), properties };
    // The mailbox says whose it is; who they are stands nowhere here.
    let event = Event::new(id, cause.at, FEEDBACK.to_owned(), None, None, kind, Map::new());
    MailboxMessage::of_inputs(user, vec![Input::event(event)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kairos_engine::playbook::{Playbook, Purpose};
    use kairos_engine::program::Program;
    use kairos_engine::state::UserState;
    use kairos_engine::step::step;

    const AT: At<'_> = At { channel: Channel::Sms, address: "+15550001111", user: None };
    const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

    fn after(mut state: UserState, what: &EventName, more: &[(&'static str, &str)], id: &str) -> UserState {
        let program = Program::new(Playbook::default()).unwrap();
        let user = UserKey::known("42");
        let cause = Cause { id, at: NOON };
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, json!(value))).collect();
        let message = told(user, what, AT, more.clone(), "", cause);
        assert_eq!(message.id(), told(user, what, AT, more, "", cause).id());
        step(&program, user, &mut state, message.inputs(), NOON);
        state
    }

    #[test]
    fn who_was_written_to_hears_that_the_address_is_dead_and_lives_again() {
        let reason = [("reason", "stop")];
        let state = after(UserState::default(), &EventName::AddressSuppressed, &reason, "1");
        assert_eq!(state.consent.suppression(AT.channel, AT.address), Some(SuppressionReason::Stop));
        let state = after(state, &EventName::AddressRestored, &reason, "2");
        assert_eq!(state.consent.suppression(AT.channel, AT.address), None);
    }

    #[test]
    fn marketing_that_is_refused_at_an_address_is_refused_on_its_channel_alone() {
        let said = [("choice", "refused"), ("purpose", "marketing")];
        let state = after(UserState::default(), &EventName::ConsentUpdated, &said, "1");
        assert!(state.consent.refuses(Channel::Sms, Purpose::Marketing));
        assert!(!state.consent.refuses(Channel::Sms, Purpose::Transactional));
        assert!(!state.consent.refuses(Channel::Email, Purpose::Marketing));
    }
}
