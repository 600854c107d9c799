#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use kairos_engine::bounds::OUTBOX_BYTES_SOFT_MAX;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::InputId;
use kairos_engine::mailbox::{Input, InterestNote};
use kairos_engine::outcome::InputOutcome;
use kairos_engine::playbook::{CatalogueTest, Interest, Play, Playbook, Trigger};
use kairos_engine::state::{ProductInterest, UserState};
use kairos_engine::time::Span;
use serde_json::json;

use super::*;

/// One user's item and everything that was sent.
struct World {
    item: RefCell<StoredUser>,
    writes: Cell<u32>,
    told: RefCell<Vec<MailboxMessage>>,
    /// What is noted of interests, with how often the item had been written by then.
    interests: RefCell<Vec<(InterestNote, u32)>>,
    /// Whether the index of interests is out of order.
    index_fails: Cell<bool>,
}

impl World {
    fn with(item: StoredUser) -> Self {
        let item = RefCell::new(item);
        let (writes, index_fails) = (Cell::default(), Cell::default());
        Self { item, writes, told: RefCell::default(), interests: RefCell::default(), index_fails }
    }
}

impl Users for World {
    async fn load(&self, users: &[UserKey]) -> Result<BTreeMap<UserKey, Result<StoredUser, Fault>>, Fault> {
        Ok(users.iter().map(|user| (*user, Ok(self.item.borrow().clone()))).collect())
    }

    async fn save(&self, _: UserKey, item: &StoredUser, expected_revision: Option<u64>) -> Result<Saved, Fault> {
        if Some(self.item.borrow().revision) != expected_revision {
            return Ok(Saved::Overtaken);
        }
        self.writes.set(self.writes.get() + 1);
        self.item.replace(item.clone());
        Ok(Saved::Written)
    }
}

impl Mailboxes for World {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        self.told.borrow_mut().extend_from_slice(messages);
        Ok(())
    }
}

impl Deliveries for World {
    async fn send(&self, _: &[DeliveryMessage]) -> Result<(), Fault> {
        Ok(())
    }
}

impl Alarms for World {
    async fn send(&self, _: &[(AlarmMessage, Span)]) -> Result<(), Fault> {
        Ok(())
    }
}

impl InterestIndex for World {
    async fn note(&self, interests: &[InterestNote]) -> Result<(), Fault> {
        if self.index_fails.get() {
            return Err(Fault::Retryable { what: "test", why: "throttled".into() });
        }
        self.interests.borrow_mut().extend(interests.iter().map(|interest| (interest.clone(), self.writes.get())));
        Ok(())
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_763_726_400_000)
    }

    async fn sleep_until(&self, _: Timestamp) {}
}

/// A visitor who turned out to be Ann: everything that still comes is passed on.
fn linked() -> (UserKey, World) {
    let state = UserState { forwarded_to: Some(UserKey::known("ann")), ..UserState::default() };
    let item = StoredUser { state, revision: 1, ..StoredUser::default() };
    (UserKey::anonymous("visitor"), World::with(item))
}

/// A message with an event so large that passing it on fills the outbox.
fn large(user: UserKey, sequence: u128) -> Incoming {
    let properties = json!({ "text": "x".repeat(OUTBOX_BYTES_SOFT_MAX) }).as_object().unwrap().clone();
    let kind = EventKind::Track { event: EventName::Custom("Drawn".into()), properties };
    let id = InputId::of_message("website", &sequence.to_string());
    let at = Timestamp::from_millis(1_763_726_000_000);
    let event = Event::new(id, at, "website".into(), None, Some("visitor".into()), kind, serde_json::Map::new());
    let message = Ok(MailboxMessage::of_inputs(user, vec![Input::event(event)]));
    Incoming { receipt: sequence.to_string(), user, sequence, receives: 1, message }
}

fn apply(world: &World, batch: Vec<Incoming>) -> Applied {
    apply_by(&Program::new(Playbook::default()).unwrap(), world, batch)
}

fn apply_by(program: &Program, world: &World, batch: Vec<Incoming>) -> Applied {
    let ports =
        Ports { users: world, mailboxes: world, deliveries: world, alarms: world, interests: world, clock: world };
    ports.apply_batch(program, "events.fifo", batch).now_or_never().expect("nothing here waits")
}

#[test]
fn what_does_not_fit_into_one_commit_is_committed_next_and_does_not_come_again() {
    let (user, world) = linked();
    let applied = apply(&world, (1..=10).map(|sequence| large(user, sequence)).collect());
    assert_eq!(applied.failed, Vec::<String>::new());
    assert!(applied.faults.is_empty());
    assert_eq!(applied.inputs.of(InputOutcome::Forwarded), 10);
    assert_eq!(world.told.borrow().len(), 10, "each is passed on once");
    let item = world.item.borrow();
    assert_eq!(item.applied.as_ref().map(|applied| applied.sequence), Some(10));
    assert!(item.outbox.is_empty());
    assert_eq!(world.writes.get(), 20, "one commit for each, one to empty its outbox");
}

#[test]
fn what_cannot_be_read_fails_with_everything_behind_it() {
    let (user, world) = linked();
    let mut batch: Vec<_> = (1..=3).map(|sequence| large(user, sequence)).collect();
    batch[1].message = Err("damaged".into());
    let applied = apply(&world, batch);
    assert_eq!(applied.failed, ["2", "3"]);
    assert_eq!(applied.faults.len(), 1);
    assert_eq!(world.told.borrow().len(), 1);
}

/// A playbook that wants to know of falling prices, and Ann looking at a mug.
fn a_look_at_a_mug(world: &World) -> (Applied, InterestNote) {
    let play = Play {
        name: "price_drop".into(),
        trigger: Trigger::Catalogue { of: vec![CatalogueTest::BackInStock], interest: vec![Interest::Viewed] },
        valid_for: Span::from_hours(1),
        ..Play::default()
    };
    let program = Program::new(Playbook { plays: vec![play], ..Playbook::default() }).unwrap();
    let user = UserKey::known("ann");
    let at = Timestamp::from_millis(1_763_726_000_000);
    let properties = json!({ "product_id": "mug" }).as_object().unwrap().clone();
    let kind = EventKind::Track { event: EventName::ProductViewed, properties };
    let id = InputId::of_message("website", "1");
    let event = Event::new(id, at, "website".into(), Some("ann".into()), None, kind, serde_json::Map::new());
    let message = Ok(MailboxMessage::of_inputs(user, vec![Input::event(event)]));
    let incoming = Incoming { receipt: "1".into(), user, sequence: 1, receives: 1, message };
    (apply_by(&program, world, vec![incoming]), InterestNote { user, product: "mug".into(), at })
}

#[test]
fn an_interest_is_noted_before_the_write_and_costs_no_other_one() {
    let world = World::with(StoredUser { revision: 1, ..StoredUser::default() });
    let (applied, interest) = a_look_at_a_mug(&world);
    assert!(applied.failed.is_empty() && applied.faults.is_empty());
    assert_eq!(*world.interests.borrow(), [(interest, 0)]);
    assert_eq!((world.writes.get(), world.item.borrow().outbox.len()), (1, 0));
}

#[test]
fn nothing_is_written_while_interests_cannot_be_noted() {
    let world = World::with(StoredUser { revision: 1, ..StoredUser::default() });
    world.index_fails.set(true);
    let (applied, _) = a_look_at_a_mug(&world);
    assert_eq!((applied.failed, applied.faults.len(), world.writes.get()), (vec!["1".to_owned()], 1, 0));
}

#[test]
fn interests_in_an_outbox_of_an_earlier_version_are_noted_by_the_next_commit() {
    let user = UserKey::known("ann");
    let at = Timestamp::from_millis(1_763_726_000_000);
    let interest = InterestNote { user, product: "mug".into(), at };
    let outbox = vec![
        Effect::Member { user, segment: "loyal".into(), entered: true, at, number: 3 },
        Effect::Interested(interest.clone()),
    ];
    let mug = ProductInterest { product: "mug".into(), interest: Interest::Viewed, at, told_at: at };
    let state = UserState { interests: vec![mug], ..UserState::default() };
    let world = World::with(StoredUser { state, outbox, revision: 1, ..StoredUser::default() });
    let message = Ok(MailboxMessage::of_tick(user, at, at));
    let applied = apply(&world, vec![Incoming { receipt: "1".into(), user, sequence: 1, receives: 1, message }]);
    assert!(applied.failed.is_empty() && applied.faults.is_empty());
    assert_eq!(*world.interests.borrow(), [(interest, 0)]);
}
