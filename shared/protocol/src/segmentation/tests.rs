#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use futures_util::future::{join, poll_fn};
use kairos_engine::time::Span;

use super::*;

const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);
const OLD: u32 = 1;
const NEW: u32 = 2;
/// More than one page in each lane.
const USERS: usize = BACKFILL_LANES * (BACKFILL_PAGE_USERS_MAX + 20);

/// A world in memory. Each call gives the control away before and after it has happened, so that a future can be
/// dropped at either place.
struct World {
    now: Cell<Timestamp>,
    users: RefCell<BTreeMap<UserKey, Standing>>,
    record: RefCell<Option<Backfill>>,
    mailbox: RefCell<Vec<MailboxMessage>>,
    /// What fails from now on.
    mailboxes_fail: Cell<bool>,
    unreadable: Option<UserKey>,
}

async fn elsewhere() {
    let mut first = true;
    poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
}

fn user(number: usize) -> UserKey {
    UserKey::known(&number.to_string())
}

impl World {
    /// Everybody is on the old program but every tenth, who has been there; every seventh is forwarded.
    fn new() -> Self {
        let standing = |number: usize| Standing {
            program: if number.is_multiple_of(10) { NEW } else { OLD },
            is_forwarded: number.is_multiple_of(7),
        };
        Self {
            now: Cell::new(NOON),
            users: RefCell::new((0..USERS).map(|number| (user(number), standing(number))).collect()),
            record: RefCell::default(),
            mailbox: RefCell::default(),
            mailboxes_fail: Cell::default(),
            unreadable: None,
        }
    }

    fn watched(&self) -> Watched {
        Watched { program: NEW, since: Some(NOON), playbook: PlaybookVersion("new".into()) }
    }

    fn ports(&self) -> Ports<'_, Self, Self, Self, Self> {
        Ports { users: self, backfills: self, mailboxes: self, clock: self }
    }

    /// One invocation, a minute after the last.
    async fn invocation(&self, watched: &Watched) -> Advanced {
        self.ports().backfill(watched, self.now.get().plus(Span::from_secs(40))).await
    }

    /// Invocations, a minute apart, until it is finished; `decide` works with `program` between them.
    fn to_the_end(&self, watched: &Watched, program: u32) {
        for _ in 0..20 {
            self.now.set(self.now.get().plus(Span::from_mins(1)));
            let finished = run(self.invocation(watched)).is_finished;
            self.decide(program);
            if finished {
                return;
            }
        }
        panic!("it does not end: {:?}", self.record.borrow());
    }

    /// Applies what is in the mailboxes with a program.
    fn decide(&self, program: u32) {
        for message in self.mailbox.borrow_mut().drain(..) {
            self.users.borrow_mut().get_mut(&message.user()).unwrap().program = program;
        }
    }

    fn behind(&self) -> usize {
        self.users.borrow().values().filter(|user| user.program != NEW && !user.is_forwarded).count()
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    async fn sleep_until(&self, time: Timestamp) {
        elsewhere().await;
        self.now.set(time.max(self.now.get()));
    }
}

impl UserScan for World {
    async fn page(&self, lane: u32, lanes: u32, after: Option<UserKey>, limit: usize) -> Result<ScanPage, Fault> {
        elsewhere().await;
        let damaged = || Fault::Permanent { what: "reading a user's item", why: "damaged".into() };
        let all = self.users.borrow();
        let mut rest = all.iter().filter(|(user, _)| user.shard(lanes) == lane && Some(**user) > after);
        let read = |(user, standing): (&UserKey, &Standing)| {
            (*user, if self.unreadable == Some(*user) { Err(damaged()) } else { Ok(*standing) })
        };
        let users: Vec<_> = rest.by_ref().take(limit).map(read).collect();
        let next = rest.next().and(users.last()).map(|(user, _)| *user);
        Ok(ScanPage { users, next })
    }
}

impl Backfills for World {
    async fn load(&self) -> Result<Option<Backfill>, Fault> {
        elsewhere().await;
        Ok(self.record.borrow().clone())
    }

    async fn save(&self, backfill: &Backfill, expected: Option<u64>) -> Result<bool, Fault> {
        elsewhere().await;
        let written = self.record.borrow().as_ref().map(|there| there.revision) == expected;
        if written {
            // What is written goes through its stored form, as in the table.
            *self.record.borrow_mut() = Some(Backfill::from_json(&backfill.to_json().unwrap()).unwrap());
        }
        elsewhere().await;
        Ok(written)
    }
}

impl Mailboxes for World {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        elsewhere().await;
        if self.mailboxes_fail.get() {
            return Err(Fault::Retryable { what: "events.fifo SendMessageBatch", why: "throttled".into() });
        }
        self.mailbox.borrow_mut().extend_from_slice(messages);
        elsewhere().await;
        Ok(())
    }
}

/// Runs a future to its end.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Some(output) = future.as_mut().now_or_never() {
            return output;
        }
    }
}

/// Gives whether a future has ended after so many polls; it is dropped there otherwise.
fn killed_after(future: impl Future, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| future.as_mut().poll(&mut context).is_ready())
}

#[test]
fn everybody_on_another_program_is_told_and_nobody_else() {
    let world = World::new();
    let watched = world.watched();
    let before = world.users.borrow().clone();
    world.now.set(NOON.plus(BACKFILL_SETTLE));
    assert!(run(world.invocation(&watched)).has_begun);
    world.now.set(world.now.get().plus(BACKFILL_SETTLE));
    let advanced = run(world.invocation(&watched));
    assert_eq!((advanced.scanned, advanced.told), (USERS, world.behind()));
    let told: BTreeSet<UserKey> = world.mailbox.borrow().iter().map(MailboxMessage::user).collect();
    let wanted =
        |(user, standing): (&UserKey, &Standing)| (standing.program == OLD && !standing.is_forwarded).then_some(*user);
    assert_eq!(told, before.iter().filter_map(wanted).collect());
    world.decide(NEW);
    world.to_the_end(&watched, NEW);
    let record = world.record.borrow().clone().unwrap();
    assert_eq!((record.pass, record.told()), (2, told.len() as u64), "the second pass finds nobody left");
    assert_eq!(world.behind(), 0);
}

#[test]
fn an_invocation_killed_anywhere_leaves_nobody_out() {
    let mut polls = 0;
    loop {
        let world = World::new();
        let watched = world.watched();
        // The first notes the change; the second is killed, wherever it is.
        run(world.invocation(&watched));
        world.now.set(NOON.plus(BACKFILL_SETTLE));
        let ended = killed_after(world.invocation(&watched), polls);
        world.decide(NEW);
        world.to_the_end(&watched, NEW);
        assert_eq!(world.behind(), 0, "killed after {polls} polls");
        if ended {
            break;
        }
        polls += 1;
    }
    assert!(polls > 8, "there are that many places to be killed at: {polls}");
}

#[test]
fn one_that_is_killed_while_it_notes_the_change_leaves_nobody_out() {
    for polls in 0..6 {
        let world = World::new();
        let watched = world.watched();
        killed_after(world.invocation(&watched), polls);
        world.to_the_end(&watched, NEW);
        assert_eq!(world.behind(), 0, "killed after {polls} polls");
    }
}

#[test]
fn two_invocations_at_once_do_no_harm() {
    let world = World::new();
    let watched = world.watched();
    run(join(world.invocation(&watched), world.invocation(&watched)));
    world.now.set(NOON.plus(BACKFILL_SETTLE));
    let (one, other) = run(join(world.invocation(&watched), world.invocation(&watched)));
    assert!(one.is_overtaken || other.is_overtaken, "one leaves it to the other");
    let by_user = world.mailbox.borrow().iter().fold(BTreeMap::new(), |mut ids: BTreeMap<_, BTreeSet<_>>, tick| {
        ids.entry(tick.user()).or_default().insert(tick.id());
        ids
    });
    assert!(by_user.values().all(|ids| ids.len() == 1), "the queue recognises the repetitions");
    world.decide(NEW);
    world.to_the_end(&watched, NEW);
    assert_eq!(world.behind(), 0);
    let scanned = world.record.borrow().as_ref().map(Backfill::scanned);
    assert_eq!(scanned, Some(USERS as u64), "nobody is counted twice");
}

#[test]
fn whoever_was_decided_with_the_playbook_before_is_told_again() {
    let world = World::new();
    let watched = world.watched();
    run(world.invocation(&watched));
    world.now.set(NOON.plus(BACKFILL_SETTLE));
    run(world.invocation(&watched));
    let first: BTreeSet<InputId> = world.mailbox.borrow().iter().map(MailboxMessage::id).collect();
    // A function that could not read the playbook table works on with what it has.
    world.decide(OLD);
    world.now.set(world.now.get().plus(BACKFILL_SETTLE));
    run(world.invocation(&watched));
    let second: BTreeSet<InputId> = world.mailbox.borrow().iter().map(MailboxMessage::id).collect();
    assert_eq!(first.len(), second.len());
    assert!(first.is_disjoint(&second), "or the queue would take them for repetitions");
    world.decide(NEW);
    world.to_the_end(&watched, NEW);
    assert_eq!(world.behind(), 0);
}

#[test]
fn it_begins_only_when_every_function_works_with_the_new_playbook() {
    let world = World::new();
    let watched = world.watched();
    run(world.invocation(&watched));
    world.now.set(NOON.plus(BACKFILL_SETTLE).minus(Span::from_millis(1)));
    let advanced = run(world.invocation(&watched));
    assert_eq!((advanced.scanned, advanced.is_finished), (0, false));
}

#[test]
fn users_who_cannot_be_brought_up_to_date_do_not_keep_it_going_for_ever() {
    let world = World::new();
    let watched = world.watched();
    world.to_the_end(&watched, OLD);
    let record = world.record.borrow().clone().unwrap();
    assert_eq!(record.pass, BACKFILL_PASSES_MAX);
    assert!(record.told() > 0 && record.finished_at.is_some());
}

#[test]
fn a_publication_on_the_way_begins_anew() {
    let world = World::new();
    let other = Watched { program: 3, ..world.watched() };
    run(world.invocation(&other));
    world.now.set(NOON.plus(BACKFILL_SETTLE));
    run(world.invocation(&other));
    world.decide(3);
    let watched = Watched { since: Some(world.now.get()), ..world.watched() };
    world.to_the_end(&watched, NEW);
    assert_eq!(world.behind(), 0);
}

#[test]
fn a_program_that_is_put_in_force_again_is_backfilled_again() {
    let world = World::new();
    let watched = world.watched();
    world.to_the_end(&watched, NEW);
    for standing in world.users.borrow_mut().values_mut() {
        standing.program = OLD;
    }
    assert!(run(world.invocation(&watched)).is_finished, "nothing says that anything was in between");
    let again = Watched { since: Some(world.now.get()), ..watched };
    world.to_the_end(&again, NEW);
    assert_eq!(world.behind(), 0);
}

#[test]
fn a_fault_stops_it_and_the_next_invocation_goes_on_from_there() {
    let world = World::new();
    let watched = world.watched();
    run(world.invocation(&watched));
    world.now.set(NOON.plus(BACKFILL_SETTLE));
    world.mailboxes_fail.set(true);
    let advanced = run(world.invocation(&watched));
    assert_eq!((advanced.told, advanced.faults.len()), (0, BACKFILL_LANES));
    world.mailboxes_fail.set(false);
    world.to_the_end(&watched, NEW);
    assert_eq!(world.behind(), 0);
}

#[test]
fn a_user_who_cannot_be_read_is_counted_and_holds_nobody_up() {
    let world = World { unreadable: Some(user(1)), ..World::new() };
    world.to_the_end(&world.watched(), NEW);
    assert_eq!(world.record.borrow().as_ref().map(Backfill::unreadable), Some(1));
    assert_eq!(world.behind(), 1);
}

#[test]
fn the_stored_record_is_the_golden_file() {
    let golden = include_str!("../../tests/golden/backfill_v1.json");
    let lane = Lane { after: Some(UserKey::known("42")), is_done: false, scanned: 500, told: 3, unreadable: 1 };
    let record = Backfill {
        program: 0xdead_beef,
        since: Some(Timestamp::from_millis(1_763_726_000_000)),
        playbook: PlaybookVersion("0a1b".into()),
        seen_at: NOON,
        pass: 2,
        not_before: NOON.plus(Span::from_secs(100)),
        lanes: vec![lane, Lane { is_done: true, scanned: 12, ..Lane::default() }],
        told_before: 700,
        finished_at: Some(NOON.plus(Span::from_secs(200))),
        revision: 9,
    };
    assert_eq!(Backfill::from_json(golden).unwrap(), record);
    let written: serde_json::Value = serde_json::from_str(&record.to_json().unwrap()).unwrap();
    let stored: serde_json::Value = serde_json::from_str(golden).unwrap();
    assert_eq!(written, stored, "the stored form changed: keep reading the old one and add a new golden file");
}
