//! Nobody is written to who has refused that more than a second ago, however long the message was on its way.

use std::collections::BTreeMap;

use kairos_engine::bounds::CONSENT_FRESH;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Channel, Purpose};
use kairos_engine::state::UserState;

/// The longest that a call to a provider is on its way, in ms.
const CALL_MS: i64 = 80;

/// Who has refused what, and since when (true time of the commit that heard of it).
#[derive(Debug, Default)]
pub struct Refusals(BTreeMap<(UserKey, Channel, Purpose), i64>);

impl Refusals {
    /// A user was committed.
    pub fn committed(&mut self, now: i64, user: UserKey, before: Option<&UserState>, after: &UserState) {
        for channel in Channel::ALL {
            for (_, purpose) in Purpose::ALL {
                let refused_before = before.is_some_and(|before| before.consent.refuses(channel, purpose));
                match (refused_before, after.consent.refuses(channel, purpose)) {
                    (false, true) => drop(self.0.insert((user, channel, purpose), now)),
                    (true, false) => drop(self.0.remove(&(user, channel, purpose))),
                    _ => {}
                }
            }
        }
    }

    /// A provider is asked to send a message; clocks differ by at most so much from one look to the next.
    ///
    /// # Errors
    /// When its receiver has refused it for more than a second.
    pub fn allow(&self, now: i64, clocks_ms: i64, order: &DeliveryOrder) -> Result<(), String> {
        let refused_at = self.0.get(&(order.user, order.channel, order.purpose));
        match refused_at.map(|refused_at| now - refused_at) {
            Some(since) if since > CONSENT_FRESH.as_millis() + CALL_MS + clocks_ms => Err(format!(
                "{} ({}, {}) was sent {since} ms after {} had refused it",
                order.delivery, order.play, order.channel, order.user
            )),
            _ => Ok(()),
        }
    }
}
