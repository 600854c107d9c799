//! What holds for all plays: nobody hears from the shop too often, or at night.

use crate::stage::SHIPPED;
use crate::story::story;

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
        => Mon 12:05 ann: exit_intent by email "Free shipping for your cart, for 24 hours"
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
fn every_play_has_a_story() {
    let told = [
        include_str!("after.rs"),
        include_str!("carts.rs"),
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
