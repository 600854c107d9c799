//! What notifications in browsers and on phones have in common: a delivery goes to several receivers of one user, which are
//! read when it is sent, and of which some may be gone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kairos_cloud::telemetry;
use kairos_engine::bounds::{FORWARD_HOPS_MAX, PUSH_GONE_TOLD_WITHIN};
use kairos_engine::event::{Event, EventKind, FEEDBACK};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{AddressKey, InputId};
use kairos_engine::mailbox::{DeliveryOrder, Input, MailboxMessage};
use kairos_engine::playbook::Channel;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::mailboxes::Users;
use kairos_protocol::port::{Fault, Mailboxes};
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use crate::providers::duration;

/// Where users' receivers stand, and who hears that one is gone.
#[derive(Clone, Debug)]
pub struct Receivers<U, M> {
    users: U,
    mailboxes: M,
}

impl<U: Users, M: Mailboxes> Receivers<U, M> {
    /// The receivers of these users, whose mailboxes are told.
    pub fn new(users: U, mailboxes: M) -> Self {
        Self { users, mailboxes }
    }

    /// The receivers of an order's user as they are now, also under the name that the user has turned out to have. `none` is
    /// the code when there is none.
    ///
    /// # Errors
    /// The answer that is recorded when there is none, or nobody can say.
    pub async fn of<T: Clone>(
        &self,
        order: &DeliveryOrder,
        none: &str,
        kept: impl Fn(&UserState) -> &Vec<T>,
    ) -> Result<Vec<T>, Answer> {
        let unavailable = |fault: &Fault| {
            let class = match fault {
                Fault::Retryable { .. } => AnswerClass::Retryable,
                Fault::Permanent { .. } => AnswerClass::Configuration,
            };
            Answer::new(class, "users_unavailable").with_detail(&fault.to_string())
        };
        let mut user = order.user;
        let mut was_linked = false;
        for _ in 0..=FORWARD_HOPS_MAX {
            let mut loaded = self.users.load(&[user]).await.map_err(|fault| unavailable(&fault))?;
            let stored = loaded.remove(&user).transpose().map_err(|fault| unavailable(&fault))?;
            let Some(stored) = stored else { break };
            let found = kept(&stored.state);
            if !found.is_empty() {
                return Ok(found.clone());
            }
            let Some(to) = stored.state.forwarded_to else { break };
            user = to;
            was_linked = true;
        }
        // What a visitor was known by may still be on its way to the user that they have turned out to be.
        let class = if was_linked { AnswerClass::Retryable } else { AnswerClass::PermanentAddress };
        Err(Answer::new(class, none).with_detail("the user gets no notifications there any more"))
    }

    /// Tells the user's mailbox which of them are gone. When that fails, the next notification finds out again.
    pub async fn forget(&self, order: &DeliveryOrder, gone: &[AddressKey], now: Timestamp) {
        if gone.is_empty() {
            return;
        }
        telemetry::count("push_gone", gone.len());
        let inputs = gone.iter().map(|key| Input::event(expired(order, *key, now))).collect();
        let message = [MailboxMessage::of_inputs(order.user, inputs)];
        let told = tokio::time::timeout(duration(PUSH_GONE_TOLD_WITHIN), self.mailboxes.send(&message)).await;
        let why = match told {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "the queue did not answer in time".to_owned(),
        };
        telemetry::count("push_gone_not_told", gone.len());
        tracing::warn!(why, "a user could not be told that a receiver is gone; the next notification finds out again");
    }
}

/// What tells a user that one of theirs is gone.
fn expired(order: &DeliveryOrder, key: AddressKey, now: Timestamp) -> Event {
    let known = [("address_key", json!(key)), ("delivery_id", json!(order.delivery))];
    let properties: Map<_, _> = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let id = InputId::of_message(FEEDBACK, &format!("{}/expired/{key}", order.delivery));
    let kind = EventKind::Track { event: event_of(order.channel), properties };
    // The mailbox says whose it is; who they are stands nowhere here.
    Event::new(id, now, FEEDBACK.to_owned(), None, None, kind, Map::new())
}

/// What tells of a receiver on a channel that is gone.
const fn event_of(channel: Channel) -> EventName {
    match channel {
        Channel::MobilePush => EventName::MobilePushTokenExpired,
        _ => EventName::WebPushSubscriptionExpired,
    }
}

/// The topic of a play's notifications: a newer one replaces the one before. 32 letters of base64url, which is as many as a
/// topic may have, so that no name is too long.
pub(crate) fn topic_of(play: &str) -> String {
    let hash = Sha256::new().chain_update("kairos topic\0").chain_update(play).finalize();
    URL_SAFE_NO_PAD.encode(&hash[..24])
}

/// How a delivery to several receivers has ended; `what` they are. It is sent when one has taken it; else the answer with the
/// most hope counts.
pub(crate) fn of_all(answers: Vec<Answer>, what: &str) -> Answer {
    let rank = |answer: &Answer| match answer.class {
        AnswerClass::Sent => 0,
        AnswerClass::Retryable => 1,
        AnswerClass::Unknown => 2,
        AnswerClass::Configuration => 3,
        AnswerClass::PermanentMessage => 4,
        AnswerClass::PermanentAddress | AnswerClass::NotAllowed => 5,
    };
    let all = answers.len();
    let taken = answers.iter().filter(|answer| answer.class == AnswerClass::Sent).count();
    let others: Vec<&str> =
        answers.iter().filter(|answer| answer.class != AnswerClass::Sent).map(|answer| answer.code.as_str()).collect();
    let others = others.join(", ");
    let Some(answer) = answers.iter().min_by_key(|answer| rank(answer)).cloned() else {
        return Answer::new(AnswerClass::PermanentAddress, "nobody").with_detail("there was nobody to write to");
    };
    match (taken, all) {
        (0, 1) => answer,
        (0, _) => {
            let said = answer.detail.clone().unwrap_or_default();
            answer.with_detail(&format!("of {all} {what}: {others}; {said}"))
        }
        (taken, all) if taken == all => answer.with_detail(&format!("{all} of {all} {what}")),
        (taken, all) => answer.with_detail(&format!("{taken} of {all} {what}; {others}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_receiver_takes_is_sent_and_else_the_answer_with_most_hope_counts() {
        use AnswerClass as A;
        let answer = |class| Answer::new(class, "x");
        for (classes, expected) in [
            (&[A::PermanentAddress, A::Sent, A::Configuration][..], A::Sent),
            (&[A::PermanentAddress, A::Retryable, A::Unknown], A::Retryable),
            (&[A::Configuration, A::Unknown], A::Unknown),
            (&[A::PermanentMessage, A::Configuration], A::Configuration),
            (&[A::PermanentAddress, A::PermanentMessage], A::PermanentMessage),
            (&[A::PermanentAddress], A::PermanentAddress),
            (&[], A::PermanentAddress),
        ] {
            assert_eq!(
                of_all(classes.iter().copied().map(answer).collect(), "browsers").class,
                expected,
                "{classes:?}"
            );
        }
        let some = of_all(vec![answer(A::Sent), Answer::new(A::PermanentAddress, "410")], "browsers");
        assert_eq!(some.detail.as_deref(), Some("1 of 2 browsers; 410"));
    }

    #[test]
    fn a_topic_is_the_plays_own_and_never_too_long() {
        assert_eq!(topic_of("abandoned_cart"), topic_of("abandoned_cart"));
        assert_ne!(topic_of("abandoned_cart"), topic_of("welcome"));
        assert_eq!(topic_of(&"x".repeat(64)).len(), kairos_engine::bounds::WEB_PUSH_TOPIC_CHARS_MAX);
    }
}
