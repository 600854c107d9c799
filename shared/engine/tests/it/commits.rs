//! What a commit remembers of the mailbox messages it has applied.

use kairos_engine::bounds::{INPUTS_REMEMBERED_SINGLY_MAX, SEEN_INPUTS_MAX};
use kairos_engine::commit::{Received, StoredUser, plan};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::Playbook;
use kairos_engine::program::Program;
use kairos_engine::time::Timestamp;

/// A user's mailbox and what is stored of the user.
struct Mailbox {
    user: UserKey,
    stored: Option<StoredUser>,
    sequence: u128,
}

impl Mailbox {
    fn new() -> Self {
        Self { user: UserKey::known("ann"), stored: None, sequence: 0 }
    }

    /// A message with one order for each of these numbers.
    fn orders(&self, numbers: std::ops::Range<usize>) -> MailboxMessage {
        let orders = numbers.map(|number| {
            let id = InputId::of_message("website", &number.to_string());
            let at = Timestamp::from_millis(number as i64);
            let kind = EventKind::Track { event: EventName::OrderCompleted, properties: serde_json::Map::new() };
            Input::event(Event::new(id, at, "website".into(), Some("ann".into()), None, kind, serde_json::Map::new()))
        });
        MailboxMessage::of_inputs(self.user, orders.collect())
    }

    /// Applies a message under a new number, as the queue gives it for the `receives`-th time.
    fn apply(&mut self, message: &MailboxMessage, receives: u32) -> u32 {
        self.sequence += 1;
        let received = [Received { sequence: self.sequence, receives, message: message.clone() }];
        let now = Timestamp::from_millis(1_000_000);
        let plan = plan(
            &Program::new(Playbook::default()).unwrap(),
            self.user,
            self.stored.as_ref(),
            "events.fifo",
            &received,
            now,
        );
        self.stored = plan.write_after.or(plan.write);
        self.stored.as_ref().expect("a new number is a commit").state.orders.count
    }
}

#[test]
fn a_backlog_that_a_phone_sends_again_after_hours_counts_once() {
    let mut mailbox = Mailbox::new();
    let backlog = mailbox.orders(0..3 * SEEN_INPUTS_MAX);
    assert_eq!(mailbox.apply(&backlog, 1), 192);
    let since = mailbox.orders(1_000..1_000 + SEEN_INPUTS_MAX);
    assert_eq!(mailbox.apply(&since, 1), 256);
    assert_eq!(mailbox.apply(&backlog, 1), 256);
}

#[test]
fn what_was_given_more_than_once_is_known_when_it_returns_from_the_dead_letters() {
    for (receives, counted) in [(1, 2), (2, 1)] {
        let mut mailbox = Mailbox::new();
        let order = mailbox.orders(0..1);
        mailbox.apply(&order, receives);
        for number in 0..SEEN_INPUTS_MAX {
            let other = mailbox.orders(100 + number..101 + number);
            mailbox.apply(&other, 1);
        }
        let redriven = mailbox.apply(&order, 1);
        assert_eq!(redriven as usize, SEEN_INPUTS_MAX + counted, "given {receives} times");
    }
}

#[test]
fn ordinary_traffic_is_remembered_input_by_input() {
    let mut mailbox = Mailbox::new();
    let message = mailbox.orders(0..INPUTS_REMEMBERED_SINGLY_MAX);
    mailbox.apply(&message, 1);
    let state = mailbox.stored.expect("applied").state;
    assert!(state.messages.is_empty());
    assert_eq!(state.seen.len(), INPUTS_REMEMBERED_SINGLY_MAX);
}
