#![allow(clippy::unwrap_used)]

mod giving;
mod redeeming;
mod stored;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::future::poll_fn;
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::InputId;
use kairos_engine::mailbox::{Input, MailboxMessage, MessageData};
use kairos_engine::money::{Currency, Money};
use kairos_engine::playbook::{Channel, Discount, Holder, PlaybookVersion, Purpose, Share};
use kairos_engine::state::UserState;
use kairos_engine::time::Span;

use super::*;
use crate::mailboxes::Saved;

const START: Timestamp = Timestamp::from_millis(1_763_726_400_000);

/// Tables and mailboxes, which a crash leaves as they are. Calls take turns as the seed says.
#[derive(Default)]
struct World {
    codes: RefCell<BTreeMap<CodeKey, PromoCode>>,
    choices: RefCell<BTreeMap<DeliveryId, CodeKey>>,
    counted: Cell<u32>,
    links: BTreeMap<UserKey, UserKey>,
    told: RefCell<Vec<MailboxMessage>>,
    after: Cell<Span>,
    seed: Cell<u64>,
    calls: Cell<u32>,
    /// The call at which the process ends, and whether that call still does its work.
    crash: Cell<Option<(u32, bool)>>,
}

impl World {
    /// Does a call's work when it is its turn, or ends the process before or after it.
    async fn call<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut turns = (self.draw() >> 33) % 4;
        poll_fn(|context| match turns.checked_sub(1).filter(|_| self.seed.get() != 0) {
            Some(left) => {
                turns = left;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(()),
        })
        .await;
        let number = self.calls.get();
        self.calls.set(number + 1);
        match self.crash.get() {
            Some((at, false)) if at == number => pending().await,
            Some((at, true)) if at == number => {
                work();
                pending().await
            }
            _ => work(),
        }
    }

    fn draw(&self) -> u64 {
        let next = self.seed.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if self.seed.get() != 0 {
            self.seed.set(next);
        }
        next
    }

    fn ports(&self) -> Ports<'_, Self, Self, Self, Self> {
        Ports { codes: self, users: self, mailboxes: self, clock: self }
    }

    /// The world with a pool of codes.
    fn with_pool(codes: &[&str]) -> Self {
        let world = Self::default();
        for code in codes {
            let code = PromoCode::in_pool(code, "shop", START).unwrap();
            world.codes.borrow_mut().insert(code.key().unwrap(), code);
        }
        world
    }

    /// The world with one code that was given to Ann.
    fn with_code(promotion: &Promotion) -> (Self, CodeKey) {
        let world = Self::default();
        let code = world.give(&order(1), promotion).unwrap().unwrap();
        (world, code.key().unwrap())
    }

    /// Gives an order its code; nothing when the process ends meanwhile.
    fn give(&self, order: &DeliveryOrder, promotion: &Promotion) -> Option<Result<PromoCode, NotGiven>> {
        run(give(self, order, "spring", promotion, |number| made(order, number), self.now()))
    }

    fn redeem(&self, key: &CodeKey, order: &str, sale: &Sale) -> Option<Redeemed> {
        run(self.ports().redeem(key, order, sale)).map(Result::unwrap)
    }

    /// The redemptions that users have heard of, repetitions recognised by their ids as users do.
    fn heard(&self) -> Vec<(UserKey, InputId)> {
        let told = self.told.borrow();
        let heard =
            told.iter().flat_map(|message| message.inputs().iter().map(|input| (message.user(), input.id().unwrap())));
        heard.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Runs something to its end; nothing when it never comes there.
fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..100_000).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}

impl PromoCodes for World {
    async fn load(&self, code: &CodeKey) -> Result<Option<PromoCode>, Fault> {
        self.call(|| Ok(self.codes.borrow().get(code).cloned())).await
    }

    async fn save(&self, code: &PromoCode, expected_revision: Option<u32>) -> Result<CodeSaved, Fault> {
        self.call(|| {
            let mut codes = self.codes.borrow_mut();
            let there = codes.get(&code.key().unwrap()).cloned();
            if there.as_ref().map(|there| there.revision) != expected_revision {
                return Ok(CodeSaved::Conflict(there.map(Box::new)));
            }
            codes.insert(code.key().unwrap(), code.clone());
            Ok(CodeSaved::Written)
        })
        .await
    }

    async fn count(&self, _: &str, at_most: u32) -> Result<bool, Fault> {
        self.call(|| {
            let is_left = self.counted.get() < at_most;
            self.counted.set(self.counted.get() + u32::from(is_left));
            Ok(is_left)
        })
        .await
    }

    async fn free(&self, pool: &str) -> Result<Vec<CodeKey>, Fault> {
        self.call(|| {
            let codes = self.codes.borrow();
            let free = codes.iter().filter(|(_, code)| code.pool.as_deref() == Some(pool) && code.given.is_none());
            Ok(free.map(|(key, _)| key.clone()).collect())
        })
        .await
    }

    async fn chosen(&self, delivery: DeliveryId) -> Result<Option<CodeKey>, Fault> {
        self.call(|| Ok(self.choices.borrow().get(&delivery).cloned())).await
    }

    async fn choose(
        &self,
        delivery: DeliveryId,
        code: &CodeKey,
        instead_of: Option<&CodeKey>,
        _: Timestamp,
    ) -> Result<CodeKey, Fault> {
        self.call(|| {
            let mut choices = self.choices.borrow_mut();
            if choices.get(&delivery) == instead_of {
                choices.insert(delivery, code.clone());
            }
            Ok(choices[&delivery].clone())
        })
        .await
    }
}

impl Users for World {
    async fn load(&self, users: &[UserKey]) -> Result<BTreeMap<UserKey, Result<StoredUser, Fault>>, Fault> {
        self.call(|| {
            let stored = |to: UserKey| StoredUser {
                state: UserState { forwarded_to: Some(to), ..UserState::default() },
                ..StoredUser::default()
            };
            let linked = users.iter().filter_map(|user| Some((*user, Ok(stored(*self.links.get(user)?)))));
            Ok(linked.collect())
        })
        .await
    }

    async fn save(&self, _: UserKey, _: &StoredUser, _: Option<u64>) -> Result<Saved, Fault> {
        unreachable!("redeeming writes no user")
    }
}

impl Mailboxes for World {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        self.call(|| {
            self.told.borrow_mut().extend_from_slice(messages);
            Ok(())
        })
        .await
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        START.plus(self.after.get())
    }

    async fn sleep_until(&self, _: Timestamp) {
        unreachable!("nothing here waits")
    }
}

fn ann() -> UserKey {
    UserKey::known("ann")
}

fn order(number: u64) -> DeliveryOrder {
    DeliveryOrder {
        delivery: DeliveryId::of_decision(ann(), number),
        user: ann(),
        play: "win_back".into(),
        message: "present".into(),
        playbook: PlaybookVersion("v".into()),
        channel: Channel::Sms,
        address: "+15550000001".into(),
        purpose: Purpose::Marketing,
        locale: None,
        due_at: START,
        decided_at: START,
        expires_at: START.plus(Span::from_hours(3)),
        why: "because".into(),
        correlation: None,
        who: None,
        data: MessageData::default(),
    }
}

/// What the key makes of an order, as far as a test needs it.
fn made(order: &DeliveryOrder, number: u32) -> [u8; 16] {
    let mut bytes = *order.delivery.as_bytes();
    bytes[0] = bytes[0].wrapping_add(u8::try_from(number).unwrap());
    bytes
}

fn money(units: i64) -> Money {
    Money { amount: Micros::new(units * 1_000_000), currency: Currency::parse("EUR").unwrap() }
}

fn promotion(discount: Discount) -> Promotion {
    Promotion {
        title: "Spring".into(),
        discount,
        minimum_total: None,
        maximum_discount: None,
        at_most: None,
        expires_after: Span::from_hours(24),
        prefix: Some("SPRING".into()),
        only_for: Holder::Anyone,
        pool: None,
    }
}

fn ten_percent() -> Promotion {
    promotion(Discount::Percent(Share(1_000)))
}

fn of_pool() -> Promotion {
    Promotion { pool: Some("shop".into()), prefix: None, ..ten_percent() }
}

fn of(units: i64) -> Sale {
    let total = money(units);
    let channel = Some(SaleChannel::Store);
    Sale { total: Some(total.amount), currency: Some(total.currency), channel, ..Sale::default() }
}
