//! What becomes of a code at a till.

use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;

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

proptest! {
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
