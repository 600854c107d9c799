#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::FutureExt;
use kairos_engine::bounds::INBOX_RETENTION;
use kairos_engine::commit::StoredUser;
use kairos_engine::mailbox::{DeliveryOrder, Input, MailboxMessage, MessageData};
use kairos_engine::playbook::{
    Channel, LinkButton, OnSiteKind, OnSiteMessage, OnSitePosition, PlaybookVersion, Purpose,
};
use kairos_engine::state::UserState;
use kairos_engine::time::Span;

use super::*;
use crate::golden::is_golden;
use crate::mailboxes::Saved;

const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

/// Tables and mailboxes.
#[derive(Default)]
struct World {
    kept: RefCell<BTreeMap<(UserKey, DeliveryId), Kept>>,
    links: BTreeMap<UserKey, UserKey>,
    told: RefCell<Vec<MailboxMessage>>,
    after: Cell<Span>,
    /// How many calls go well before all others fail.
    calls_left: Cell<Option<u32>>,
}

impl World {
    fn call(&self) -> Result<(), Fault> {
        match self.calls_left.get() {
            Some(0) => Err(Fault::Retryable { what: "a call", why: "throttled".into() }),
            left => {
                self.calls_left.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }

    fn ports(&self) -> Ports<'_, Self, Self, Self, Self> {
        Ports { inbox: self, users: self, mailboxes: self, clock: self }
    }

    fn deliver(&self, message: &InboxMessage) -> Result<(), Fault> {
        deliver(self, message).now_or_never().unwrap()
    }

    fn asked(&self, asker: &Asker) -> Vec<String> {
        let found = self.ports().messages(asker).now_or_never().unwrap().unwrap();
        found.into_iter().map(|kept| kept.message.message).collect()
    }

    fn report(&self, asker: &Asker, delivery: DeliveryId, mark: Mark) -> Result<Reported, Fault> {
        self.ports().report(asker, delivery, mark).now_or_never().unwrap()
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        NOON.plus(self.after.get())
    }

    async fn sleep_until(&self, _: Timestamp) {}
}

impl Inbox for World {
    async fn put(&self, message: &InboxMessage) -> Result<(), Fault> {
        self.call()?;
        let key = (message.user, message.delivery);
        self.kept.borrow_mut().entry(key).or_insert_with(|| Kept::new(message.clone()));
        Ok(())
    }

    async fn list(&self, user: UserKey) -> Result<Vec<Kept>, Fault> {
        self.call()?;
        let kept = self.kept.borrow();
        Ok(kept.iter().filter(|((of, _), _)| *of == user).map(|(_, kept)| kept.clone()).collect())
    }

    async fn get(&self, user: UserKey, delivery: DeliveryId) -> Result<Option<Kept>, Fault> {
        self.call()?;
        Ok(self.kept.borrow().get(&(user, delivery)).cloned())
    }

    async fn mark(&self, user: UserKey, delivery: DeliveryId, mark: Mark, now: Timestamp) -> Result<(), Fault> {
        self.call()?;
        if let Some(kept) = self.kept.borrow_mut().get_mut(&(user, delivery)) {
            let noted = match mark {
                Mark::Seen => &mut kept.seen_at,
                Mark::Clicked => &mut kept.clicked_at,
                Mark::Dismissed => &mut kept.dismissed_at,
            };
            noted.get_or_insert(now);
        }
        Ok(())
    }

    async fn remove(&self, user: UserKey, delivery: DeliveryId) -> Result<(), Fault> {
        self.call()?;
        self.kept.borrow_mut().remove(&(user, delivery));
        Ok(())
    }
}

impl Users for World {
    async fn load(&self, users: &[UserKey]) -> Result<BTreeMap<UserKey, Result<StoredUser, Fault>>, Fault> {
        self.call()?;
        let linked = |user: &UserKey| {
            let state = UserState { forwarded_to: Some(*self.links.get(user)?), ..UserState::default() };
            Some((*user, Ok(StoredUser { state, ..StoredUser::default() })))
        };
        Ok(users.iter().filter_map(linked).collect())
    }

    async fn save(&self, _: UserKey, _: &StoredUser, _: Option<u64>) -> Result<Saved, Fault> {
        panic!("the inbox writes no user")
    }
}

impl Mailboxes for World {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        self.call()?;
        self.told.borrow_mut().extend_from_slice(messages);
        Ok(())
    }
}

fn visitor() -> UserKey {
    UserKey::anonymous("visitor-1")
}

fn ann() -> UserKey {
    UserKey::known("ann")
}

/// A message by its number, which is its name, too.
fn message(user: UserKey, number: u64) -> InboxMessage {
    let order = DeliveryOrder {
        delivery: DeliveryId::of_decision(user, number),
        user,
        play: "exit_intent".into(),
        message: format!("m{number}"),
        playbook: PlaybookVersion("v1".into()),
        channel: Channel::OnSite,
        purpose: Purpose::Marketing,
        address: "ann".into(),
        locale: None,
        due_at: NOON,
        decided_at: NOON,
        expires_at: NOON.plus(Span::from_mins(5)),
        why: "Exit Intended".into(),
        correlation: None,
        who: None,
        data: MessageData::default(),
    };
    let shown = OnSiteMessage {
        kind: OnSiteKind::Banner,
        title: Some("Before you go".into()),
        text: "Free shipping for your cart.".into(),
        picture: Some("https://shop.example/van.jpg".into()),
        button: Some(LinkButton { text: "To the cart".into(), link: "https://shop.example/cart".into() }),
        position: OnSitePosition::Top,
        slot: None,
        dismissible: true,
        close: Some("Close".into()),
    };
    InboxMessage::of(&order, shown, "en".into(), 70, NOON.plus(Span::from_millis(i64::try_from(number).unwrap())))
}

/// A visitor who has proved nothing, where a proof is asked for.
const fn unproved(visitor: UserKey) -> Asker {
    Asker { visitor, proved: None, follows_links: false }
}

#[test]
fn a_visitor_gets_what_waits_until_its_moment_has_passed() {
    let world = World::default();
    world.deliver(&message(visitor(), 1)).unwrap();
    assert_eq!(world.asked(&unproved(visitor())), ["m1"]);
    assert_eq!(world.asked(&unproved(UserKey::anonymous("visitor-2"))), <[&str; 0]>::default());
    world.after.set(Span::from_mins(5));
    assert_eq!(world.asked(&unproved(visitor())), <[&str; 0]>::default());
}

#[test]
fn the_most_important_message_comes_first_and_of_equals_the_newest() {
    let world = World::default();
    for (number, priority) in [(1, 0), (2, 70), (3, -5), (4, 70), (5, 0)] {
        world.deliver(&InboxMessage { priority, ..message(visitor(), number) }).unwrap();
    }
    assert_eq!(world.asked(&unproved(visitor())), ["m4", "m2", "m5", "m1", "m3"]);
}

#[test]
fn an_order_that_comes_again_changes_nothing_even_when_its_message_was_closed() {
    let world = World::default();
    let one = message(visitor(), 1);
    world.deliver(&one).unwrap();
    assert_eq!(world.report(&unproved(visitor()), one.delivery, Mark::Dismissed).unwrap(), Reported::Counted);
    world.deliver(&InboxMessage { sent_at: NOON.plus(Span::from_mins(1)), ..one }).unwrap();
    assert_eq!(world.asked(&unproved(visitor())), <[&str; 0]>::default());
}

#[test]
fn a_user_keeps_so_many_messages_and_the_oldest_leave_first() {
    let world = World::default();
    for number in 1..=INBOX_MESSAGES_MAX as u64 + 3 {
        world.deliver(&message(visitor(), number)).unwrap();
    }
    let kept = world.asked(&unproved(visitor()));
    assert_eq!(kept.len(), INBOX_MESSAGES_MAX);
    assert_eq!((kept[0].as_str(), kept[INBOX_MESSAGES_MAX - 1].as_str()), ("m23", "m4"));
}

#[test]
fn a_message_that_is_there_is_delivered_though_the_rest_fails() {
    let world = World::default();
    world.calls_left.set(Some(1));
    world.deliver(&message(visitor(), 1)).unwrap();
    world.deliver(&message(visitor(), 2)).unwrap_err();
    world.calls_left.set(None);
    assert_eq!(world.asked(&unproved(visitor())), ["m1"]);
}

#[test]
fn the_messages_of_a_known_user_take_a_proof_unless_the_shop_does_without() {
    let other = UserKey::known("other");
    let world = World { links: BTreeMap::from([(visitor(), ann()), (ann(), other)]), ..World::default() };
    for (user, number) in [(visitor(), 1), (ann(), 2), (other, 3)] {
        world.deliver(&message(user, number)).unwrap();
    }
    let asker = |proved, follows_links| Asker { visitor: visitor(), proved, follows_links };
    assert_eq!(world.asked(&asker(None, false)), ["m1"]);
    assert_eq!(world.asked(&asker(Some(ann()), false)), ["m3", "m2", "m1"], "and whoever they have become since");
    assert_eq!(world.asked(&asker(None, true)), ["m3", "m2", "m1"]);
    let stranger = Asker { visitor: UserKey::anonymous("stranger"), proved: None, follows_links: true };
    assert_eq!(world.asked(&stranger), <[&str; 0]>::default());
}

#[test]
fn nobody_reports_of_messages_that_they_may_not_see() {
    let world = World { links: BTreeMap::from([(visitor(), ann())]), ..World::default() };
    let of_ann = message(ann(), 1);
    world.deliver(&of_ann).unwrap();
    let proved = Asker { proved: Some(ann()), ..unproved(visitor()) };
    assert_eq!(world.report(&unproved(visitor()), of_ann.delivery, Mark::Dismissed).unwrap(), Reported::Unknown);
    assert_eq!(world.report(&proved, DeliveryId::of_decision(ann(), 9), Mark::Seen).unwrap(), Reported::Unknown);
    assert!(world.told.borrow().is_empty());
    assert_eq!(world.report(&proved, of_ann.delivery, Mark::Dismissed).unwrap(), Reported::Counted);
}

#[test]
fn links_in_a_circle_end() {
    let world = World { links: BTreeMap::from([(visitor(), ann()), (ann(), visitor())]), ..World::default() };
    world.deliver(&message(ann(), 1)).unwrap();
    assert_eq!(world.asked(&Asker { follows_links: true, ..unproved(visitor()) }), ["m1"]);
}

#[test]
fn what_becomes_of_a_message_is_told_once_whatever_fails() {
    let one = message(visitor(), 1);
    for mark in Mark::ALL {
        for calls in 0..4 {
            let world = World::default();
            world.deliver(&one).unwrap();
            world.calls_left.set(Some(calls));
            let first = world.report(&unproved(visitor()), one.delivery, mark);
            world.calls_left.set(None);
            world.after.set(Span::from_secs(30));
            let again = world.report(&unproved(visitor()), one.delivery, mark).unwrap();
            assert_eq!(again, if first.is_ok() { Reported::Again } else { Reported::Counted }, "{mark:?} {calls}");
            let ids: std::collections::BTreeSet<_> = world.told.borrow().iter().map(MailboxMessage::id).collect();
            assert_eq!(ids.len(), 1, "{mark:?} after {calls} calls: what is told twice is one input");
            let is_shown = !world.asked(&unproved(visitor())).is_empty();
            assert_eq!(is_shown, mark == Mark::Seen, "{mark:?}");
        }
    }
}

#[test]
fn a_message_waits_no_longer_than_inboxes_keep_them() {
    let mut order_expires = message(visitor(), 1);
    order_expires.expires_at = NOON;
    assert!(!Kept::new(order_expires).is_open(NOON));
    let world = World::default();
    let year = Span::from_hours(24 * 365);
    let order = DeliveryOrder {
        delivery: DeliveryId::of_decision(visitor(), 7),
        user: visitor(),
        play: "p".into(),
        message: "m".into(),
        playbook: PlaybookVersion("v1".into()),
        channel: Channel::OnSite,
        purpose: Purpose::Marketing,
        address: "visitor-1".into(),
        locale: None,
        due_at: NOON,
        decided_at: NOON,
        expires_at: NOON.plus(year),
        why: String::new(),
        correlation: None,
        who: None,
        data: MessageData::default(),
    };
    let long = InboxMessage::of(&order, OnSiteMessage::default(), "en".into(), 0, NOON);
    world.deliver(&long).unwrap();
    world.after.set(INBOX_RETENTION);
    assert_eq!(world.asked(&unproved(visitor())), <[&str; 0]>::default());
}

#[test]
fn everything_that_is_stored_and_travels_reads_as_it_was_first_written() {
    let one = message(visitor(), 1);
    let text = is_golden("inbox_message_v1.json", &one.to_json().unwrap());
    assert_eq!(InboxMessage::from_json(&text).unwrap(), one);
    assert!(InboxMessage::from_json(r#"{"v":"9"}"#).is_err());
    let told = one.became(Mark::Clicked, NOON);
    let text = is_golden("inbox_clicked_message_v1.json", &serde_json::to_string(&told).unwrap());
    assert_eq!(serde_json::from_str::<MailboxMessage>(&text).unwrap(), told);
    let [Input::Event { event, .. }] = told.inputs() else { panic!("{told:?}") };
    assert_eq!(event.source, "inbox");
}
