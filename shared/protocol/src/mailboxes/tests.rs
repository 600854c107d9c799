#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use kairos_engine::bounds::OUTBOX_BYTES_SOFT_MAX;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::InputId;
use kairos_engine::mailbox::Input;
use kairos_engine::outcome::InputOutcome;
use kairos_engine::playbook::Playbook;
use kairos_engine::state::UserState;
use serde_json::json;

use super::*;

/// One user's item and everything that was sent.
struct World {
    item: RefCell<StoredUser>,
    writes: Cell<u32>,
    told: RefCell<Vec<MailboxMessage>>,
    audiences: RefCell<Vec<AudienceChange>>,
}

impl World {
    fn with(item: StoredUser) -> Self {
        let item = RefCell::new(item);
        Self { item, writes: Cell::default(), told: RefCell::default(), audiences: RefCell::default() }
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

impl Audiences for World {
    async fn record(&self, changes: &[AudienceChange]) -> Result<(), Fault> {
        self.audiences.borrow_mut().extend_from_slice(changes);
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
    let ports =
        Ports { users: world, mailboxes: world, deliveries: world, alarms: world, audiences: world, clock: world };
    let program = Program::new(Playbook::default()).unwrap();
    ports.apply_batch(&program, "events.fifo", batch).now_or_never().expect("nothing here waits")
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

#[test]
fn changes_of_audiences_left_in_an_outbox_are_recorded_by_the_next_commit() {
    let user = UserKey::known("ann");
    let at = Timestamp::from_millis(1_763_726_000_000);
    let (segment, product) = ("loyal".to_owned(), "mug".to_owned());
    let outbox = vec![
        Effect::Member { user, segment: segment.as_str().into(), entered: true, at, number: 3 },
        Effect::Interested { user, product: product.clone(), at },
    ];
    let world = World::with(StoredUser { outbox, revision: 1, ..StoredUser::default() });
    let message = Ok(MailboxMessage::of_tick(user, at, at));
    let applied = apply(&world, vec![Incoming { receipt: "1".into(), user, sequence: 1, receives: 1, message }]);
    assert!(applied.failed.is_empty() && applied.faults.is_empty());
    let changes = [
        AudienceChange::Member { user, segment, entered: true, at, number: 3 },
        AudienceChange::Interested { user, product, at },
    ];
    assert_eq!(*world.audiences.borrow(), changes);
}
