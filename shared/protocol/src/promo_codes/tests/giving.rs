//! How a delivery gets its code.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;

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
}
