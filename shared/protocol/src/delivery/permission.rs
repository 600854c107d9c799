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
    /// What stands against each of these messages now, in their order, strongly consistent: what every commit before the
    /// question has written counts, of the user that it was decided for and of the one that they have turned out to be.
    fn objections(&self, orders: &[&DeliveryOrder]) -> impl Future<Output = Vec<Result<Option<Objection>, Fault>>>;
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

/// What is known of whether a message is still wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// When it was last known that nothing stands against it.
    at: Option<Timestamp>,
    /// With which answer the attempt ends.
    refused: Option<Answer>,
}

impl Asked {
    /// Asks for all of these messages with one question.
    pub(super) async fn for_all(
        permissions: &impl Permissions,
        clock: &impl Clock,
        orders: &[&DeliveryOrder],
    ) -> Vec<Self> {
        if orders.is_empty() {
            return Vec::new();
        }
        let asked_at = clock.now();
        let objections = permissions.objections(orders).await;
        objections.into_iter().map(|objection| Self::of(objection, asked_at)).collect()
    }

    fn of(objection: Result<Option<Objection>, Fault>, asked_at: Timestamp) -> Self {
        let refused = match objection {
            Ok(None) => return Self { at: Some(asked_at), refused: None },
            Ok(Some(objection)) => objection.answer(),
            Err(fault) => {
                let class = match &fault {
                    Fault::Retryable { .. } => AnswerClass::Retryable,
                    Fault::Permanent { .. } => AnswerClass::Configuration,
                };
                Answer::new(class, "consent_unknown").with_detail(&fault.to_string())
            }
        };
        Self { at: None, refused: Some(refused) }
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|asked_at| now.since(asked_at) < CONSENT_FRESH)
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
            if let Some(answer) = self.refused.take() {
                return Err(answer);
            }
            if self.is_fresh(clock.now()) {
                return Ok(());
            }
            *self = Self::for_all(permissions, clock, &[order]).await.pop().unwrap_or_default();
        }
        match self.refused.take() {
            Some(answer) => Err(answer),
            None if self.is_fresh(clock.now()) => Ok(()),
            None => Err(Answer::new(AnswerClass::Retryable, "consent_not_fresh")),
        }
    }
}
