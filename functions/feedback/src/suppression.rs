//! An address is dead, or lives again. First the list, which every message asks: from then on nothing goes there. Then the
//! users who were written to there, so that their plays take another channel.

use kairos_cloud::addresses::AddressesTable;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::suppressions::{Changed, Suppression, SuppressionsTable};
use kairos_engine::consent::SuppressionReason;
use kairos_engine::event::{Event, EventKind, FEEDBACK};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{AddressKey, InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::Channel;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::{Fault, Mailboxes as _};
use serde_json::{Map, json};

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

impl Suppressing {
    /// An address is dead. Doing it again changes nothing.
    ///
    /// # Errors
    /// When a table or the queue fails; the same again finishes it.
    pub async fn suppress(
        &self,
        channel: Channel,
        address: &str,
        reason: SuppressionReason,
        cause: Cause<'_>,
    ) -> Result<Changed, Fault> {
        let key = AddressKey::of(channel, address);
        let suppression = Suppression {
            channel,
            key,
            address: Some(address.to_owned()),
            reason,
            source: FEEDBACK.to_owned(),
            at: cause.at,
        };
        let changed = self.suppressions.add(&suppression).await?;
        self.tell(EventName::AddressSuppressed, channel, key, reason, cause).await?;
        Ok(changed)
    }

    /// An address that was dead for this reason lives again.
    ///
    /// # Errors
    /// When a table or the queue fails; the same again finishes it.
    pub async fn restore(
        &self,
        channel: Channel,
        address: &str,
        reason: SuppressionReason,
        cause: Cause<'_>,
    ) -> Result<Changed, Fault> {
        let key = AddressKey::of(channel, address);
        let changed = self.suppressions.remove(channel, key, Some(reason)).await?;
        self.tell(EventName::AddressRestored, channel, key, reason, cause).await?;
        Ok(changed)
    }

    async fn tell(
        &self,
        what: EventName,
        channel: Channel,
        key: AddressKey,
        reason: SuppressionReason,
        cause: Cause<'_>,
    ) -> Result<(), Fault> {
        let users = self.addresses.users(channel, key).await?;
        let messages: Vec<_> = users.into_iter().map(|user| told(user, &what, channel, key, reason, cause)).collect();
        if messages.is_empty() { Ok(()) } else { self.mailboxes.send(&messages).await }
    }
}

fn told(
    user: UserKey,
    what: &EventName,
    channel: Channel,
    key: AddressKey,
    reason: SuppressionReason,
    cause: Cause<'_>,
) -> MailboxMessage {
    let known = [("channel", json!(channel)), ("address_key", json!(key)), ("reason", json!(reason.as_str()))];
    let properties: Map<_, _> = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let id = InputId::of_message(FEEDBACK, &format!("{}/{what}/{user}", cause.id));
    let kind = EventKind::Track { event: what.clone(), properties };
    // The mailbox says whose it is; who they are stands nowhere here.
    let event = Event::new(id, cause.at, FEEDBACK.to_owned(), None, None, kind, Map::new());
    MailboxMessage::of_inputs(user, vec![Input::event(event)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kairos_engine::playbook::Playbook;
    use kairos_engine::program::Program;
    use kairos_engine::state::UserState;
    use kairos_engine::step::step;

    #[test]
    fn who_was_written_to_hears_that_the_address_is_dead_and_lives_again() {
        let program = Program::new(Playbook::default()).unwrap();
        let (user, number) = (UserKey::known("42"), "+15550001111");
        let key = AddressKey::of(Channel::Sms, number);
        let mut state = UserState::default();
        for (name, id, dead) in [
            (EventName::AddressSuppressed, "1", Some(SuppressionReason::Stop)),
            (EventName::AddressRestored, "2", None),
        ] {
            let cause = Cause { id, at: Timestamp::from_millis(1_763_726_400_000) };
            let message = told(user, &name, Channel::Sms, key, SuppressionReason::Stop, cause);
            assert_eq!(message.id(), told(user, &name, Channel::Sms, key, SuppressionReason::Stop, cause).id());
            state = step(&program, user, state, message.inputs(), cause.at).state;
            assert_eq!(state.consent.suppression(Channel::Sms, number), dead, "{name}");
        }
    }
}
