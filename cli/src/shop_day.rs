//! A day of a small shop that never was: some sixty people who look, hesitate, buy, sign up and leave
//! carts behind. The same seed gives the same day; only the clock times depend on when it ends.

mod catalogue;
mod chance;
mod visit;

use kairos_engine::time::{Span, Timestamp};

use crate::calls::Call;
use chance::Chance;
use visit::{Customer, Standing, Visit};

/// What happens to a shopper, and to how many.
const STORIES: [(Story, usize); 13] = [
    (Story::LeavesCart, 14),
    (Story::Buys, 9),
    (Story::Browses, 8),
    (Story::SignsUp, 7),
    (Story::LeavesCartJustNow, 4),
    (Story::VisitorProvesKnown, 4),
    (Story::EmptiesCart, 3),
    (Story::SignsUpAndLeavesCart, 3),
    (Story::StrangerLeavesCart, 3),
    (Story::StillDeciding, 3),
    (Story::LeavesCartTwice, 2),
    (Story::WantsNotifications, 3),
    (Story::IsAboutToLeave, 3),
];

/// How long the day is.
const DAY: Span = Span::from_hours(8);
/// After this time without a change a cart counts as left in the shipped playbook.
const CART_LEFT_AFTER: Span = Span::from_mins(30);
/// The first cart that is due live is due so long after the end of the day, the others after it: time
/// enough for the events to get there first.
const FIRST_LIVE_CART_AFTER: Span = Span::from_secs(8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// A customer leaves a cart, and perhaps looks at other things afterwards.
    LeavesCart,
    /// A customer orders, within minutes.
    Buys,
    /// Somebody looks around and never says who they are.
    Browses,
    /// A visitor looks around and signs up.
    SignsUp,
    /// A customer's cart becomes due some seconds after the day's end: the timer has to do it.
    LeavesCartJustNow,
    /// A visitor fills a cart, then signs in as a customer, and leaves.
    VisitorProvesKnown,
    /// A customer takes everything out again.
    EmptiesCart,
    /// A visitor signs up, fills a cart and leaves.
    SignsUpAndLeavesCart,
    /// A visitor fills a cart and leaves: nobody knows where to write to.
    StrangerLeavesCart,
    /// A customer filled a cart some minutes ago.
    StillDeciding,
    /// A customer leaves a cart in the morning, and changes it again hours later.
    LeavesCartTwice,
    /// A customer lets the browser show notifications, and leaves a cart.
    WantsNotifications,
    /// A visitor with a full cart is about to close the page, right now.
    IsAboutToLeave,
}

/// What each shopper's device sends, ready to be packed. The last event lies just before `end`.
pub fn generate(seed: u64, end: Timestamp) -> Vec<Vec<Call>> {
    let mut chance = Chance::new(seed);
    let mut people = Vec::new();
    for (story, count) in STORIES {
        for number in 0..count {
            let person = people.len();
            people.push(live_through(story, number, person, &mut chance, end));
        }
    }
    people
}

/// How many shoppers the day has.
pub fn shoppers() -> usize {
    STORIES.iter().map(|(_, count)| count).sum()
}

fn live_through(story: Story, number: usize, person: usize, chance: &mut Chance, end: Timestamp) -> Vec<Call> {
    let customer = Customer::new(person, chance);
    let started = start(story, chance, end);
    let known = |visit: &mut Visit<'_>| visit.sign_in(Standing::Customer);
    let mut visit = Visit::new(&customer, started, chance);
    match story {
        Story::LeavesCart => {
            known(&mut visit);
            visit.look_around(1, 3);
            visit.fill_cart(1, 3);
            visit.look_around(0, 2);
        }
        Story::Buys => {
            known(&mut visit);
            visit.look_around(1, 3);
            visit.fill_cart(1, 2);
            visit.order();
        }
        Story::Browses => visit.look_around(2, 6),
        Story::SignsUp => {
            visit.look_around(1, 4);
            if number == 0 {
                // One of them does so just now.
                visit.end_at(end.minus(Span::from_mins(1)));
            }
            visit.sign_in(Standing::New);
        }
        Story::LeavesCartJustNow => {
            known(&mut visit);
            visit.look_around(1, 2);
            visit.fill_cart(1, 1);
            let due_after_end = FIRST_LIVE_CART_AFTER.as_millis() + 2_700 * number as i64;
            visit.end_at(end.plus(Span::from_millis(due_after_end)).minus(CART_LEFT_AFTER));
        }
        Story::VisitorProvesKnown => {
            visit.look_around(1, 3);
            visit.fill_cart(1, 2);
            known(&mut visit);
        }
        Story::EmptiesCart => {
            known(&mut visit);
            visit.fill_cart(1, 2);
            visit.empty_cart();
        }
        Story::SignsUpAndLeavesCart => {
            visit.look_around(1, 2);
            visit.sign_in(Standing::New);
            visit.fill_cart(1, 2);
        }
        Story::WantsNotifications => {
            known(&mut visit);
            visit.allow_notifications();
            visit.look_around(1, 2);
            visit.fill_cart(1, 3);
        }
        Story::IsAboutToLeave => {
            visit.look_around(1, 2);
            visit.fill_cart(2, 3);
            visit.reach_for_the_close_button();
            // Just before the day is sent: no timer has a part in it.
            visit.end_at(end.minus(Span::from_secs(5)));
        }
        Story::StrangerLeavesCart => {
            visit.look_around(1, 2);
            visit.fill_cart(1, 2);
        }
        Story::StillDeciding => {
            known(&mut visit);
            visit.look_around(1, 2);
            visit.fill_cart(1, 2);
            let ago = Span::from_mins(2 + 3 * number as i64);
            visit.end_at(end.minus(ago));
        }
        Story::LeavesCartTwice => {
            known(&mut visit);
            visit.fill_cart(1, 2);
            visit.come_back_after(Span::from_hours(2));
            visit.look_around(1, 2);
            visit.fill_cart(1, 1);
        }
    }
    visit.calls()
}

/// When a visit begins, if the story does not say when it ends: whatever was left then has been left
/// for more than the half hour.
fn start(story: Story, chance: &mut Chance, end: Timestamp) -> Timestamp {
    let minutes =
        |from: i64, to: i64, chance: &mut Chance| end.minus(Span::from_secs(chance.between(from * 60, to * 60)));
    let day = DAY.as_millis() / 60_000;
    match story {
        Story::LeavesCartTwice => minutes(day - 120, day - 60, chance),
        // Within the hour in which the shipped playbook still says welcome.
        Story::SignsUp => minutes(8, 50, chance),
        Story::SignsUpAndLeavesCart => minutes(45, 55, chance),
        _ => minutes(75, day, chance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn end() -> Timestamp {
        Timestamp::parse("2026-05-05T18:00:00Z").unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_day_and_another_one_another() {
        assert_eq!(generate(1, end()), generate(1, end()));
        assert_ne!(generate(1, end()), generate(2, end()));
        let ids = |end| {
            let day = generate(1, end);
            day.iter().flatten().map(|call| call.message_id().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(end()), ids(end().plus(DAY)), "ids do not depend on the clock");
    }

    #[test]
    fn every_event_is_one_of_its_own_within_the_day_and_in_order() {
        for seed in 0..50 {
            let day = generate(seed, end());
            assert_eq!(day.len(), shoppers());
            let mut ids = BTreeSet::new();
            for call in day.iter().flatten() {
                assert!(call.at <= end() && call.at >= end().minus(DAY).minus(Span::from_hours(1)), "{}", call.at);
                assert!(ids.insert(call.message_id().to_owned()), "{}", call.message_id());
            }
            assert!(day.iter().all(|calls| calls.is_sorted_by_key(|call| call.at)));
        }
    }

    #[test]
    fn some_carts_become_due_within_a_minute_of_the_end() {
        let added_at = |calls: &Vec<Call>| {
            let last = calls.iter().rev().find(|call| call.to_json()["event"] == "Product Added");
            last.map(|call| call.at.plus(CART_LEFT_AFTER).since(end()).as_millis())
        };
        for seed in 0..50 {
            let due = generate(seed, end());
            let live = due.iter().filter_map(added_at).filter(|ms| (5_000..60_000).contains(ms)).count();
            assert_eq!(live, 4, "seed {seed}");
            let between = due.iter().filter_map(added_at).filter(|ms| (-60_000..5_000).contains(ms)).count();
            assert_eq!(between, 0, "seed {seed}: no cart is due while the events are on their way");
        }
    }

    #[test]
    fn nobody_in_it_can_be_reached() {
        for call in generate(7, end()).iter().flatten() {
            let traits = &call.to_json()["traits"];
            if let Value::String(email) = &traits["email"] {
                assert!(email.ends_with(".example"), "{email}");
            }
            if let Value::String(phone) = &traits["phone"] {
                assert!(phone.starts_with("+447700900"), "{phone}: not of the range kept for fiction");
            }
        }
    }
}
