#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::future::{join_all, poll_fn};
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::InputId;
use kairos_engine::mailbox::{Input, MailboxMessage, MessageData};
use kairos_engine::money::{Currency, Money};
use kairos_engine::playbook::{Channel, Discount, Holder, PlaybookVersion, Share};
use kairos_engine::state::UserState;
use kairos_engine::time::Span;
use proptest::prelude::*;

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
        locale: None,
        due_at: START,
        decided_at: START,
        expires_at: START.plus(Span::from_hours(3)),
        why: "because".into(),
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

#[test]
fn a_message_that_comes_twice_shows_the_same_code_and_another_one_another() {
    for promotion in [ten_percent(), of_pool()] {
        let world = World::with_pool(&["SHOP-0001", "SHOP-0002", "SHOP-0003"]);
        let first = world.give(&order(1), &promotion).unwrap().unwrap();
        world.after.set(Span::from_hours(2));
        assert_eq!(world.give(&order(1), &promotion).unwrap().unwrap(), first);
        assert_ne!(world.give(&order(2), &promotion).unwrap().unwrap().code, first.code);
        let given = first.given.unwrap();
        assert_eq!((given.at, given.expires_at), (START, START.plus(Span::from_hours(24))), "from the moment on");
        assert_eq!((given.play.as_str(), given.promotion.as_str(), given.user), ("win_back", "spring", ann()));
    }
}

#[test]
fn a_code_that_another_message_has_is_not_given_again() {
    let world = World::default();
    let first = world.give(&order(1), &ten_percent()).unwrap().unwrap();
    let alike = |other: &DeliveryOrder, numbers: u32| {
        let other = other.clone();
        move |number: u32| if number < numbers { made(&order(1), 0) } else { made(&other, number) }
    };
    let second = order(2);
    let given = run(give(&world, &second, "spring", &ten_percent(), alike(&second, 1), START)).unwrap().unwrap();
    assert_ne!(given.code, first.code);
    let again = run(give(&world, &second, "spring", &ten_percent(), alike(&second, 1), START)).unwrap().unwrap();
    assert_eq!(again, given);
    let third = order(3);
    let never = run(give(&world, &third, "spring", &ten_percent(), alike(&third, 99), START)).unwrap();
    assert!(matches!(never, Err(NotGiven::NotUnique)));
}

#[test]
fn a_promotion_gives_no_more_codes_than_it_has() {
    for promotion in [ten_percent(), of_pool()] {
        let promotion = Promotion { at_most: Some(2), ..promotion };
        let world = World::with_pool(&["SHOP-0001", "SHOP-0002", "SHOP-0003", "SHOP-0004"]);
        let codes = [1, 2].map(|number| world.give(&order(number), &promotion).unwrap().unwrap().code);
        let error = world.give(&order(3), &promotion).unwrap().unwrap_err();
        assert!(matches!(error, NotGiven::UsedUp { at_most: 2, .. }), "{error}");
        let again = [1, 2].map(|number| world.give(&order(number), &promotion).unwrap().unwrap().code);
        assert_eq!((again, world.counted.get()), (codes, 2), "what was given is not counted again");
    }
}

#[test]
fn an_empty_pool_is_said_to_be_empty() {
    let world = World::with_pool(&["SHOP-0001"]);
    world.give(&order(1), &of_pool()).unwrap().unwrap();
    let error = world.give(&order(2), &of_pool()).unwrap().unwrap_err();
    assert!(matches!(&error, NotGiven::Exhausted(pool) if pool == "shop"), "{error}");
    assert!(error.to_string().contains("kairos promo-codes import shop FILE"), "{error}");
}

#[test]
fn whenever_a_worker_ends_its_message_has_one_code_and_no_other_is_lost() {
    let limited = |promotion| Promotion { at_most: Some(4), ..promotion };
    for promotion in [ten_percent(), of_pool(), limited(ten_percent()), limited(of_pool())] {
        let mut at = 0;
        loop {
            for does_its_work in [false, true] {
                let world = World::with_pool(&["SHOP-0001", "SHOP-0002", "SHOP-0003"]);
                world.crash.set(Some((at, does_its_work)));
                let crashed = world.give(&order(1), &promotion).is_none();
                world.crash.set(None);
                // Another delivery comes in between and may take what the first one had chosen.
                let other = world.give(&order(2), &promotion).unwrap().unwrap();
                let code = world.give(&order(1), &promotion).unwrap().unwrap();
                assert_ne!(code.code, other.code);
                let given = world.codes.borrow().values().filter(|code| code.is_of(order(1).delivery)).count();
                assert_eq!(given, 1, "call {at}");
                if !crashed {
                    assert!(at > 0, "calls were counted");
                }
            }
            let world = World::with_pool(&["SHOP-0001"]);
            world.give(&order(1), &promotion).unwrap().unwrap();
            at += 1;
            if at >= world.calls.get() {
                break;
            }
        }
    }
}

proptest! {
    #[test]
    fn deliveries_that_take_from_a_pool_at_once_get_one_each(seed in 1_u64.., twice: bool) {
        let codes: Vec<String> = (0..12).map(|number| format!("SHOP-{number:04}")).collect();
        let world = World::with_pool(&codes.iter().map(String::as_str).collect::<Vec<_>>());
        world.seed.set(seed);
        let numbers: Vec<u64> = if twice { (0..6).chain(0..6).collect() } else { (0..8).collect() };
        let given = run(join_all(numbers.iter().map(|number| {
            let world = &world;
            async move {
                // Who was overtaken comes again, as the queue has it.
                loop {
                    match give(world, &order(*number), "spring", &of_pool(), |_| [0; 16], START).await {
                        Err(NotGiven::Overtaken(_)) => {}
                        given => return (*number, given.unwrap().code),
                    }
                }
            }
        }))).unwrap();
        let of_each: BTreeMap<u64, String> = given.iter().cloned().collect();
        for (number, code) in &given {
            prop_assert_eq!(&of_each[number], code, "a delivery has one code");
        }
        prop_assert_eq!(of_each.values().collect::<BTreeSet<_>>().len(), of_each.len(), "and nobody else has it");
        let taken = world.codes.borrow().values().filter(|code| code.given.is_some()).count();
        prop_assert_eq!(taken, of_each.len(), "none is lost");
    }

    #[test]
    fn of_fifty_orders_that_redeem_at_once_exactly_one_succeeds(seed in 1_u64.., orders in 1_u32..50) {
        let (world, key) = World::with_code(&ten_percent());
        world.seed.set(seed);
        let tills = (0..50).map(|number| {
            let (world, key) = (&world, &key);
            async move {
                let order = format!("order-{}", number % orders);
                loop {
                    match world.ports().redeem(key, &order, &of(100)).await {
                        Err(NotRedeemed::Overtaken) => {}
                        redeemed => return (order, redeemed.unwrap()),
                    }
                }
            }
        });
        let ended = run(join_all(tills)).unwrap();
        let first = ended.iter().filter(|(_, redeemed)| matches!(redeemed, Redeemed::Now(_))).count();
        prop_assert_eq!(first, 1);
        let won = world.codes.borrow()[&key].redeemed.clone().unwrap();
        for (order, redeemed) in &ended {
            match redeemed {
                Redeemed::Now(code) | Redeemed::Again(code) => {
                    prop_assert_eq!(order, &won.order);
                    prop_assert_eq!(&code.redeemed.as_ref().unwrap().order, order);
                }
                Redeemed::Refused(refusal) => {
                    prop_assert_ne!(order, &won.order);
                    prop_assert_eq!(refusal.code(), "already_used");
                }
            }
        }
        prop_assert_eq!(world.heard().len(), 1, "its user hears of it once");
        prop_assert!(won.told);
    }

    #[test]
    fn nobody_saves_more_than_the_order_is_worth(total in 0_i64..1_000_000_000_000, share in 1_u16..=10_000, fixed in 1_i64..1_000_000_000) {
        let total = Money { amount: Micros::new(total), ..money(0) };
        let sale = Sale { total: Some(total.amount), currency: Some(total.currency), ..Sale::default() };
        for discount in [Discount::Percent(Share(share)), Discount::Amount(Money { amount: Micros::new(fixed), ..money(0) })] {
            let (world, key) = World::with_code(&promotion(discount));
            let Checked::Good(_, Some(saved)) = run(world.ports().check(&key, &sale)).unwrap().unwrap() else { panic!() };
            prop_assert!(saved >= Micros::new(0) && saved <= total.amount);
        }
    }
}

#[test]
fn whenever_redeeming_ends_half_way_the_same_request_again_repairs_it() {
    let (world, key) = World::with_code(&ten_percent());
    let before = world.calls.get();
    assert!(matches!(world.redeem(&key, "order-1", &of(100)), Some(Redeemed::Now(_))));
    let calls = world.calls.get() - before;
    assert_eq!(calls, 4, "read, used, told, noted");
    for at in 0..calls {
        for does_its_work in [false, true] {
            let (world, key) = World::with_code(&ten_percent());
            world.crash.set(Some((world.calls.get() + at, does_its_work)));
            assert_eq!(world.redeem(&key, "order-1", &of(100)), None);
            world.crash.set(None);
            world.after.set(Span::from_secs(30));
            let redeemed = world.redeem(&key, "order-1", &of(100)).unwrap();
            let (Redeemed::Now(code) | Redeemed::Again(code)) = redeemed else { panic!("call {at}") };
            assert!(code.redeemed.unwrap().told);
            assert_eq!(world.heard().len(), 1, "call {at}");
            let told = world.told.borrow().len();
            world.redeem(&key, "order-1", &of(100)).unwrap();
            assert_eq!(world.told.borrow().len(), told, "who was told is not told again");
        }
    }
}

#[test]
fn what_a_code_is_refused_for_is_told_apart() {
    let user = |sale: Sale, id: &str| Sale { user: Some(UserKey::known(id)), ..sale };
    let visitor = |sale: Sale, id: &str| Sale { visitor: Some(UserKey::anonymous(id)), ..sale };
    let dollars = |sale: Sale| Sale { currency: Currency::parse("USD"), ..sale };
    let from_fifty = || Promotion { minimum_total: Some(money(50)), ..ten_percent() };
    let for_ann = || Promotion { only_for: Holder::User, ..ten_percent() };
    let capped = || Promotion { maximum_discount: Some(money(3)), ..ten_percent() };
    let five = || promotion(Discount::Amount(money(5)));
    let day = Span::from_hours(24);
    for (what, promotion, after, sale, expected) in [
        ("nobody in particular, of nothing in particular", ten_percent(), Span::from_secs(0), Sale::default(), None),
        ("the last millisecond", ten_percent(), Span::from_millis(day.as_millis() - 1), of(9), None),
        ("the first one too late", ten_percent(), day, of(9), Some("expired")),
        ("exactly enough", from_fifty(), Span::from_secs(0), of(50), None),
        ("not enough", from_fifty(), Span::from_secs(0), of(49), Some("below_minimum")),
        ("nobody knows how much", from_fifty(), Span::from_secs(0), Sale::default(), Some("total_missing")),
        (
            "nobody knows of what",
            from_fifty(),
            Span::from_secs(0),
            Sale { currency: None, ..of(90) },
            Some("total_missing"),
        ),
        ("other money than the minimum's", from_fifty(), Span::from_secs(0), dollars(of(90)), Some("wrong_currency")),
        ("other money than the discount's", five(), Span::from_secs(0), dollars(of(90)), Some("wrong_currency")),
        (
            "other money than the largest discount's",
            capped(),
            Span::from_secs(0),
            dollars(of(90)),
            Some("wrong_currency"),
        ),
        ("any money, for a share", ten_percent(), Span::from_secs(0), dollars(of(90)), None),
        ("who it was given to", for_ann(), Span::from_secs(0), user(of(9), "ann"), None),
        ("somebody else", for_ann(), Span::from_secs(0), user(of(9), "bob"), Some("wrong_user")),
        ("nobody says who", for_ann(), Span::from_secs(0), of(9), Some("user_missing")),
        ("a visitor who is ann", for_ann(), Span::from_secs(0), visitor(of(9), "ann-on-the-phone"), None),
        (
            "a visitor who is somebody else",
            for_ann(),
            Span::from_secs(0),
            visitor(of(9), "bob-on-the-phone"),
            Some("wrong_user"),
        ),
        ("anybody, where anybody may", ten_percent(), Span::from_secs(0), user(of(9), "bob"), None),
    ] {
        let (mut world, key) = World::with_code(&promotion);
        world.links = [("ann-on-the-phone", "ann"), ("bob-on-the-phone", "bob")]
            .map(|(visitor, user)| (UserKey::anonymous(visitor), UserKey::known(user)))
            .into();
        world.after.set(after);
        let checked = match run(world.ports().check(&key, &sale)).unwrap().unwrap() {
            Checked::Good(..) => None,
            Checked::Refused(refusal) => Some(refusal.code()),
        };
        assert_eq!(checked, expected, "asked: {what}");
        let redeemed = match world.redeem(&key, "order-1", &sale).unwrap() {
            Redeemed::Now(_) => None,
            Redeemed::Again(_) => panic!("{what}"),
            Redeemed::Refused(refusal) => Some(refusal.code()),
        };
        assert_eq!(redeemed, expected, "{what}");
        assert_eq!(world.told.borrow().len(), usize::from(expected.is_none()), "{what}");
    }
}

#[test]
fn a_code_given_to_a_visitor_is_theirs_when_they_say_who_they_are() {
    let mut world = World::default();
    let phone = UserKey::anonymous("ann-on-the-phone");
    let to_visitor = DeliveryOrder { user: phone, ..order(1) };
    let only_for_user = Promotion { only_for: Holder::User, ..ten_percent() };
    let key = world.give(&to_visitor, &only_for_user).unwrap().unwrap().key().unwrap();
    let sale = Sale { user: Some(ann()), ..of(9) };
    assert_eq!(world.redeem(&key, "order-1", &sale), Some(Redeemed::Refused(Refusal::WrongUser)));
    world.links = [(phone, ann())].into();
    assert!(matches!(world.redeem(&key, "order-1", &sale), Some(Redeemed::Now(_))));
    assert_eq!(world.told.borrow()[0].user(), phone, "the visitor's mailbox passes it on");
}

#[test]
fn an_order_keeps_its_code_whatever_happens_later() {
    let (world, key) = World::with_code(&Promotion { minimum_total: Some(money(50)), ..ten_percent() });
    assert!(matches!(world.redeem(&key, "order-1", &of(60)), Some(Redeemed::Now(_))));
    world.after.set(Span::from_hours(99));
    for sale in [of(60), of(1), Sale::default()] {
        let Some(Redeemed::Again(code)) = world.redeem(&key, "order-1", &sale) else { panic!("{sale:?}") };
        let redeemed = code.redeemed.unwrap();
        assert_eq!((redeemed.at, redeemed.discount), (START, Some(Micros::new(6_000_000))), "the first answer");
    }
    assert_eq!(world.redeem(&key, "order-2", &of(60)), Some(Redeemed::Refused(Refusal::Used(START))));
}

#[test]
fn a_code_that_nobody_was_given_is_unknown() {
    let world = World::with_pool(&["SHOP-0001"]);
    for text in ["SHOP-0001", "SHOP-0002"] {
        let key = CodeKey::parse(text).unwrap();
        assert_eq!(world.redeem(&key, "order-1", &of(9)), Some(Redeemed::Refused(Refusal::Unknown)), "{text}");
    }
}

#[test]
fn shares_are_rounded_as_prices_are_shown() {
    for (share, total_micros, saved_micros) in [
        (1_000, 99_990_000, 10_000_000),
        (1_000, 99_940_000, 9_990_000),
        (3_333, 10_000_000, 3_330_000),
        (10_000, 12_345_678, 12_345_678),
        (1, 10_000, 0),
    ] {
        let (world, key) = World::with_code(&promotion(Discount::Percent(Share(share))));
        let sale = Sale { total: Some(Micros::new(total_micros)), ..of(0) };
        let Checked::Good(_, saved) = run(world.ports().check(&key, &sale)).unwrap().unwrap() else { panic!() };
        assert_eq!(saved, Some(Micros::new(saved_micros)), "{share} of {total_micros}");
    }
}

#[test]
fn a_share_comes_to_no_more_than_the_largest_discount() {
    let (world, key) = World::with_code(&Promotion { maximum_discount: Some(money(3)), ..ten_percent() });
    for (total, saved) in [(20, 2), (30, 3), (31, 3), (1_000, 3)] {
        let Checked::Good(_, discount) = run(world.ports().check(&key, &of(total))).unwrap().unwrap() else { panic!() };
        assert_eq!(discount, Some(money(saved).amount), "{total}");
    }
}

/// Today's code writes exactly the golden file.
#[track_caller]
fn is_golden(name: &str, today: &str) -> String {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = fs::read_to_string(&path) else {
        fs::write(&path, today).unwrap();
        panic!("{path} was not there and has been written: look at it, then commit it");
    };
    assert_eq!(text, today, "{name}: what is stored must stay readable; add a version instead");
    text
}

#[test]
fn everything_that_is_stored_and_travels_reads_as_it_was_first_written() {
    let pretty = |json: &str| {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        serde_json::to_string_pretty(&value).unwrap() + "\n"
    };
    let full = Promotion {
        minimum_total: Some(money(50)),
        maximum_discount: Some(money(20)),
        only_for: Holder::User,
        ..ten_percent()
    };
    let (world, key) = World::with_code(&full);
    let given = world.codes.borrow()[&key].clone();
    let sale = Sale { user: Some(ann()), store: Some("old_town".into()), ..of(60) };
    let Some(Redeemed::Now(redeemed)) = world.redeem(&key, "order-1", &sale) else { panic!() };
    let free = PromoCode::in_pool("shop-0001", "shop", START).unwrap();
    for (name, code) in [
        ("promo_code_v1_given.json", given),
        ("promo_code_v1_redeemed.json", redeemed),
        ("promo_code_v1_free.json", free),
    ] {
        let text = is_golden(name, &pretty(&code.to_json().unwrap()));
        assert_eq!(PromoCode::from_json(&text).unwrap(), code, "{name}");
    }
    let told = world.told.borrow();
    let [message] = told.as_slice() else { panic!("one message") };
    let text = is_golden("promo_code_redeemed_message_v1.json", &pretty(&serde_json::to_string(message).unwrap()));
    assert_eq!(&serde_json::from_str::<MailboxMessage>(&text).unwrap(), message);
    let [Input::Event { event, .. }] = message.inputs() else { panic!("{message:?}") };
    assert!(event.products.is_empty(), "it is about an order, not about a product");
    assert!(PromoCode::from_json(r#"{"v":"9"}"#).is_err());
}

#[test]
fn a_code_is_remembered_after_it_is_over() {
    let (world, key) = World::with_code(&ten_percent());
    let code = world.codes.borrow()[&key].clone();
    assert_eq!(code.expires_at_secs(), Some(START.plus(Span::from_hours(24 + 180 * 24)).as_secs()));
    let free = PromoCode::in_pool("SHOP-0001", "shop", START).unwrap();
    assert_eq!(free.expires_at_secs(), None);
    // One of a pool for ever: its file may be imported again.
    assert_eq!(PromoCode { given: code.given, ..free }.expires_at_secs(), None);
}
