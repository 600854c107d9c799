//! What is asked right before a message is sent: whether its receiver still wants it.
//!
//! A message may wait for hours between its decision and its sending. What its receiver says meanwhile is in their state
//! with the commit that hears of it, so that is read, and with it the list of dead addresses.

use std::future::Future;

use kairos_engine::bounds::{CONSENT_ASKED_MAX, CONSENT_FRESH};
use kairos_engine::consent::SuppressionReason;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::time::Timestamp;

use super::answer::{Answer, AnswerClass};
use crate::port::{Clock, Fault};

/// Who may be written to.
pub trait Permissions {
    /// What stands against a message now, strongly consistent: what every commit before the question has written counts, of
    /// the user that it was decided for and of the one that they have turned out to be.
    fn objection(&self, order: &DeliveryOrder) -> impl Future<Output = Result<Option<Objection>, Fault>>;
}

/// What stands against a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The user has refused such messages.
    NoConsent,
    /// The address is on the suppression list.
    Suppressed(SuppressionReason),
}

/// The code of messages whose address is on the suppression list.
pub const SUPPRESSED: &str = "suppressed";

impl Objection {
    fn answer(self) -> Answer {
        match self {
            Self::NoConsent => Answer::new(AnswerClass::NotAllowed, "no_consent"),
            Self::Suppressed(reason) => Answer::new(AnswerClass::NotAllowed, SUPPRESSED).with_detail(reason.as_str()),
        }
    }
}

/// When it was last known that nothing stands against a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked(Option<Timestamp>);

impl Asked {
    fn is_fresh(self, now: Timestamp) -> bool {
        self.0.is_some_and(|asked_at| now.since(asked_at) < CONSENT_FRESH)
    }

    /// Asks, unless that has just been done. Who has refused is written to no later than [`CONSENT_FRESH`] after the commit of
    /// the refusal: so old is the answer at most that a call goes by.
    ///
    /// # Errors
    /// The answer with which the attempt ends.
    pub(super) async fn again(
        &mut self,
        permissions: &impl Permissions,
        clock: &impl Clock,
        order: &DeliveryOrder,
    ) -> Result<(), Answer> {
        for _ in 0..CONSENT_ASKED_MAX {
            if self.is_fresh(clock.now()) {
                return Ok(());
            }
            let asked_at = clock.now();
            match permissions.objection(order).await {
                Ok(None) => self.0 = Some(asked_at),
                Ok(Some(objection)) => return Err(objection.answer()),
                Err(fault) => {
                    let class = match &fault {
                        Fault::Retryable { .. } => AnswerClass::Retryable,
                        Fault::Permanent { .. } => AnswerClass::Configuration,
                    };
                    return Err(Answer::new(class, "consent_unknown").with_detail(&fault.to_string()));
                }
            }
        }
        if self.is_fresh(clock.now()) {
            return Ok(());
        }
        Err(Answer::new(AnswerClass::Retryable, "consent_not_fresh"))
    }
}
