//! The providers: what they were asked to send, and whether they were asked too often.

use std::collections::BTreeMap;

use kairos_engine::bounds::PROVIDER_TIMEOUT;
use kairos_engine::identifiers::DeliveryId;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::Channel;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{AnswerClass, Status};

/// What the providers know.
#[derive(Debug, Default)]
pub struct ProviderBooks {
    accepted: BTreeMap<DeliveryId, u32>,
}

impl ProviderBooks {
    /// Sends a message. `recorded` is what its record says at that time. Some addresses do not exist:
    /// always the same ones.
    ///
    /// # Errors
    /// When it should never have been asked.
    pub fn send(
        &mut self,
        order: &DeliveryOrder,
        now: Timestamp,
        recorded: Option<Status>,
    ) -> Result<AnswerClass, String> {
        let delivery = order.delivery;
        if order.address.contains("gone") {
            return Ok(AnswerClass::PermanentAddress);
        }
        // A clock may be a second behind.
        if now > order.expires_at.plus(PROVIDER_TIMEOUT).plus(Span::from_secs(1)) {
            return Err(format!("{delivery} was sent at {now}, though its moment ended at {}", order.expires_at));
        }
        let accepted = self.accepted.entry(delivery).or_default();
        if recorded.is_none() {
            return Err(format!("{delivery} was sent without a claim"));
        }
        if *accepted > 0 && order.channel == Channel::Sms {
            return Err(format!("the SMS {delivery} was sent twice"));
        }
        if *accepted > 0 && recorded == Some(Status::Sent) {
            return Err(format!("{delivery} was sent again after its record said that it was sent"));
        }
        *accepted += 1;
        Ok(AnswerClass::Sent)
    }

    /// How often a message was taken.
    pub fn accepted(&self, delivery: DeliveryId) -> u32 {
        self.accepted.get(&delivery).copied().unwrap_or(0)
    }
}
