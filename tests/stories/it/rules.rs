//! What holds for all plays: nobody hears from the shop too often, or at night.

use kairos_engine::outcome::PlayOutcome;

use crate::stage::SHIPPED;
use crate::story::{Story, story};

#[test]
fn nobody_gets_more_than_four_messages_a_day_whatever_they_do() {
    story(
        "back_in_stock",
        r#"
        Mon 11:00 ann opens an account with an email
        => Mon 11:00 ann: welcome by email "Welcome, Ann"
        Mon 12:00 ann views Rain Jacket (jackets, 120 EUR)
        Mon 12:00 ann adds Trail Runner (shoes, 89 EUR)
        Mon 12:05 ann is about to leave
        => Mon 12:05 ann: exit_intent by on_site "Ann, before you go: We pay the shipping for what is in your cart. Your code SHIPFREE is good for 24 hours."
        Mon 13:00 ann does Webinar Registered title="Shoes that fit"
        => Mon 13:00 ann: webinar_registered by email "You are in: Shoes that fit"
        Mon 14:00 ann does Trial Started
        => Mon 14:00 ann: trial_started by email "Your trial: three steps for the first ten minutes"
        Mon 15:00 shop has 5 of Rain Jacket again
        => Mon 15:00 ann: back_in_stock not sent: already 4 messages (of all plays) in the last 24 h
        Mon 16:00 that's all
        "#,
    );
}

#[test]
fn whoever_cannot_be_reached_hears_nothing() {
    story(
        "abandoned_cart",
        r#"
        Mon 12:00 ann adds Trail Runner (shoes, 89 EUR)
        => Mon 12:30 ann: abandoned_cart not sent: no address for any channel of this step
        Mon 16:00 that's all
        "#,
    );
}

#[test]
fn the_night_is_everybodys_own() {
    story(
        "back_in_stock",
        r#"
        Mon 18:00 ann is a customer with an email
        Mon 18:00 bob lives in America/New_York
        Mon 18:00 bob is a customer with an email
        Mon 18:10 ann views Rain Jacket (jackets, 120 EUR)
        Mon 18:10 bob views Rain Jacket
        Mon 22:00 shop has 5 of Rain Jacket again
        => Mon 22:00 ann: back_in_stock held until Tue 08:00
        => Mon 22:00 bob: back_in_stock by email "Rain Jacket is back"
        => Tue 08:00 ann: back_in_stock by email "Rain Jacket is back"
        Tue 12:00 that's all
        "#,
    );
}

#[test]
fn what_a_visitor_did_counts_once_they_say_who_they_are() {
    story(
        "promo_third_visit",
        r#"
        Mon 10:00 ann is a customer with a phone
        Tue 10:00 visitor7 opens /promo
        Wed 10:00 visitor7 opens /promo
        Wed 10:05 visitor7 turns out to be ann
        Thu 10:00 ann opens /promo
        => Thu 10:20 ann: promo_third_visit by sms "Ann, you know our offers by now. 10 % on top, for 3 days with EXTRA10: https://shop.example/promo"
        Fri 12:00 that's all
        "#,
    );
}

/// How many of `people` get, and how many would have got, a message of a play in which `does` is done.
fn shares(play: &str, people: usize, does: &[&str], until: &str) -> (usize, usize) {
    let mut story = Story::default();
    for does in does {
        let (time, does) = does.split_once(": ").unwrap();
        (0..people).for_each(|number| story.line(&format!("{time} person{number} {does}")));
    }
    story.line(until);
    let outcomes = || story.stage.considered.iter().filter(|(_, record)| record.play == play);
    let count = |is: fn(&PlayOutcome) -> bool| outcomes().filter(|(_, record)| is(&record.outcome)).count();
    (
        count(|outcome| matches!(outcome, PlayOutcome::Sent { .. })),
        count(|outcome| matches!(outcome, PlayOutcome::HeldOut { .. })),
    )
}

#[test]
fn one_in_ten_does_not_get_the_collection_nor_any_message_to_win_them_back() {
    let collection = [
        "Mon 12:00: is a customer with a phone",
        "Mon 12:01: views Red Dress (dresses, 99 EUR)",
        "Mon 12:02: views Red Dress",
        "Mon 12:03: views Red Dress",
    ];
    let win_back = ["Mon 12:00: is a customer with a phone", "Mon 12:01: orders Socks (socks, 9 EUR)"];
    for (play, does, until) in
        [("new_collection", &collection[..], "2 Dec 12:00"), ("win_back", &win_back[..], "26 Dec 12:00")]
    {
        let (sent, held_out) = shares(play, 600, does, until);
        assert_eq!(sent + held_out, 600, "{play}");
        // Four standard deviations of a share of a tenth of 600.
        assert!(held_out.abs_diff(60) <= 30, "{play}: {held_out} of 600");
    }
}

#[test]
fn every_play_has_a_story() {
    let told = [
        include_str!("after.rs"),
        include_str!("carts.rs"),
        include_str!("consent.rs"),
        include_str!("elsewhere.rs"),
        include_str!("interest.rs"),
        include_str!("people.rs"),
        include_str!("places.rs"),
    ];
    for play in &SHIPPED.playbook().plays {
        let begins = format!("story(\n        \"{}\",", play.name);
        let stories: usize = told.iter().map(|text| text.matches(&begins).count()).sum();
        assert!(stories >= 1, "{} has no story", play.name);
    }
}

#[test]
fn every_message_is_sent_by_a_play() {
    let plays = serde_json::to_string(&SHIPPED.playbook().plays).unwrap();
    for message in SHIPPED.playbook().messages.keys() {
        assert!(plays.contains(&format!("\"message\":\"{message}\"")), "no play sends {message}");
    }
}
