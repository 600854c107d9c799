//! Messages for the shop's own pages: nobody is called, the inbox gets them. What that means is
//! `kairos_protocol::inbox`.
//!
//! | code | when | class |
//! |---|---|---|
//! | `in_inbox` | it waits in the user's inbox | sent |
//! | `inbox_unavailable` | the table did not answer | retryable |
//! | `inbox_refused` | the table is not there, or may not be written | configuration |

use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::OnSiteMessage;
use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::inbox::{Inbox, InboxMessage, deliver};
use kairos_protocol::port::Fault;

/// Puts a message into its user's inbox.
pub async fn send(
    inbox: &impl Inbox,
    order: &DeliveryOrder,
    (message, language, priority): (&OnSiteMessage, &str, i32),
    now: Timestamp,
) -> Answer {
    let message = InboxMessage::of(order, message.clone(), language.to_owned(), priority, now);
    match deliver(inbox, &message).await {
        Ok(()) => Answer::new(AnswerClass::Sent, "in_inbox"),
        // The write is harmless to repeat, so it does not matter whether it was done.
        Err(fault @ Fault::Retryable { .. }) => {
            Answer::new(AnswerClass::Retryable, "inbox_unavailable").with_detail(&fault.to_string())
        }
        Err(fault @ Fault::Permanent { .. }) => {
            Answer::new(AnswerClass::Configuration, "inbox_refused").with_detail(&fault.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::event::sqs::SqsEvent;
    use futures_util::FutureExt;
    use kairos_engine::identifiers::{DeliveryId, UserKey};
    use kairos_protocol::inbox::{Kept, Mark};
    use std::cell::RefCell;

    /// An inbox that answers so.
    struct Table {
        answer: Result<(), Fault>,
        put: RefCell<Vec<InboxMessage>>,
    }

    impl Inbox for Table {
        async fn put(&self, message: &InboxMessage) -> Result<(), Fault> {
            self.put.borrow_mut().push(message.clone());
            self.answer.clone()
        }

        async fn list(&self, _: UserKey) -> Result<Vec<Kept>, Fault> {
            Ok(Vec::new())
        }

        async fn get(&self, _: UserKey, _: DeliveryId) -> Result<Option<Kept>, Fault> {
            panic!("nobody asks")
        }

        async fn mark(&self, _: UserKey, _: DeliveryId, _: Mark, _: Timestamp) -> Result<(), Fault> {
            panic!("nobody reports")
        }

        async fn remove(&self, _: UserKey, _: DeliveryId) -> Result<(), Fault> {
            panic!("there is nothing to remove")
        }
    }

    #[test]
    fn the_inbox_answers_for_the_message() {
        let event: SqsEvent = serde_json::from_str(include_str!("../events/on_site.json")).unwrap();
        let order = crate::function::incoming(&event.records[0]).message.unwrap().order().clone();
        let (what, why) = ("InboxTable PutItem", "it says so".to_owned());
        for (answer, class, code) in [
            (Ok(()), AnswerClass::Sent, "in_inbox"),
            (Err(Fault::Retryable { what, why: why.clone() }), AnswerClass::Retryable, "inbox_unavailable"),
            (Err(Fault::Permanent { what, why }), AnswerClass::Configuration, "inbox_refused"),
        ] {
            let table = Table { answer, put: RefCell::default() };
            let shown = OnSiteMessage { text: "Hello".into(), ..OnSiteMessage::default() };
            let now = order.decided_at;
            let sent = send(&table, &order, (&shown, "de", 70), now).now_or_never().unwrap();
            assert_eq!((sent.class, sent.code.as_str()), (class, code));
            let put = table.put.borrow();
            assert_eq!((put[0].user, put[0].delivery, put[0].priority), (order.user, order.delivery, 70));
            assert_eq!((put[0].language.as_str(), put[0].sent_at, &put[0].shown), ("de", now, &shown));
        }
    }
}
