//! Who comes into and leaves which segment, and at which second.

use kairos_engine::identifiers::UserKey;

use crate::clock;
use crate::stage::SHIPPED;
use crate::story::Story;

/// What ann does, and what becomes of her standing in a segment.
#[track_caller]
fn segment(name: &str, table: &str) {
    assert!(SHIPPED.playbook().segment(name).is_some(), "there is no segment {name}");
    let lines = || table.lines().map(str::trim).filter(|line| !line.is_empty());
    let expected: Vec<&str> = lines().filter_map(|line| line.strip_prefix("=> ")).collect();
    let mut story = Story::default();
    for line in lines().filter(|line| !line.starts_with("=>")) {
        let (_, rest) = clock::read(line);
        let time = &line[..line.len() - rest.len()];
        story.line(&if rest.is_empty() { time.to_owned() } else { format!("{time}ann {rest}") });
    }
    let changes = story.stage.members.iter().filter(|(_, user, segment, _)| {
        assert_eq!(*user, UserKey::known("ann"));
        segment == name
    });
    let happened: Vec<String> = changes
        .map(|(at, _, _, entered)| format!("{} {}", clock::write(*at), if *entered { "in" } else { "out" }))
        .collect();
    assert_eq!(happened, expected);
}

#[test]
fn loyal_is_who_buys_three_times_in_ninety_days() {
    segment(
        "loyal",
        "
        Mon 10:00 orders Socks (socks, 9 EUR)
        Tue 10:00 orders Socks
        1 Dec 10:00 orders Socks
        => 1 Dec 10:00 in
        => 22 Feb 10:00 out
        1 Mar 10:00
        ",
    );
}

#[test]
fn champions_have_bought_lately_often_and_much() {
    segment(
        "champions",
        "
        Mon 10:00 orders Rain Jacket (jackets, 120 EUR)
        Tue 10:00 orders Rain Jacket
        Wed 10:00 orders Rain Jacket
        Thu 10:00 orders Rain Jacket
        Fri 10:00 orders Rain Jacket
        => Fri 10:00 in
        => 28 Dec 10:00 out
        1 Feb 10:00
        ",
    );
}

#[test]
fn vip_is_who_spends_a_thousand_a_year() {
    segment(
        "vip",
        "
        Mon 10:00 orders Socks (socks, 9 EUR)
        Tue 10:00 orders Oak Shelf (furniture, 991 EUR)
        => Tue 10:00 in
        1 Mar 10:00
        ",
    );
}

#[test]
fn new_is_who_bought_first_within_thirty_days() {
    segment(
        "new_customers",
        "
        Mon 10:00 orders Socks (socks, 9 EUR)
        => Mon 10:00 in
        20 Dec 10:00 orders Socks
        => 24 Dec 10:00 out
        1 Mar 10:00
        ",
    );
}

#[test]
fn at_risk_is_who_used_to_buy_and_has_not_for_two_months() {
    segment(
        "at_risk",
        "
        Mon 10:00 orders Socks (socks, 9 EUR)
        Tue 10:00 orders Socks
        => 24 Jan 10:00 in
        1 Feb 10:00 orders Socks
        => 1 Feb 10:00 out
        1 Mar 10:00
        ",
    );
}

#[test]
fn bargain_hunters_come_for_the_offers() {
    segment(
        "bargain_hunters",
        "
        Mon 10:00 opens /promo
        Tue 10:00 opens /promo
        Wed 10:00 opens /promo
        => Wed 10:00 in
        => 1 Dec 10:00 out
        2 Dec 10:00 does Coupon Applied
        3 Dec 10:00 does Promotion Clicked
        4 Dec 10:00 does Coupon Applied
        => 4 Dec 10:00 in
        5 Dec 10:00
        ",
    );
}

#[test]
fn window_shoppers_look_at_ten_things_and_buy_none() {
    segment(
        "window_shoppers",
        "
        Mon 10:00 views A (shoes, 1 EUR)
        Mon 10:01 views B (shoes, 1 EUR)
        Mon 10:02 views C (shoes, 1 EUR)
        Mon 10:03 views D (shoes, 1 EUR)
        Mon 10:04 views E (shoes, 1 EUR)
        Mon 10:05 views F (shoes, 1 EUR)
        Mon 10:06 views G (shoes, 1 EUR)
        Mon 10:07 views H (shoes, 1 EUR)
        Mon 10:08 views I (shoes, 1 EUR)
        Mon 10:09 views I
        Mon 10:10 views J (shoes, 1 EUR)
        => Mon 10:10 in
        Tue 10:00 orders A
        => Tue 10:00 out
        1 Mar 10:00
        ",
    );
}

#[test]
fn phone_shoppers_come_by_phone_and_often() {
    segment(
        "phone_shoppers",
        "
        Mon 10:00 takes the phone
        Mon 10:00 opens /
        Mon 10:10 opens /
        Mon 11:00 opens /
        Tue 11:00 opens /
        => Tue 11:00 in
        Tue 12:00 sits down at the desk
        Tue 12:00 opens /
        => Tue 12:00 out
        Wed 10:00
        ",
    );
}

#[test]
fn lovers_of_fashion_look_at_what_is_worn() {
    segment(
        "fashion_lovers",
        "
        Mon 10:00 views Trail Runner (shoes, 89 EUR)
        Mon 10:01 views Red Dress (dresses, 99 EUR)
        Mon 10:02 views House Espresso (coffee, 24 EUR)
        Mon 10:03 views Red Dress
        => Mon 10:03 in
        => 23 Jan 10:00 out
        1 Feb 10:00
        ",
    );
}

#[test]
fn weekend_shoppers_buy_on_weekends_more_than_on_other_days() {
    segment(
        "weekend_shoppers",
        "
        Mon 10:00 orders Socks (socks, 9 EUR)
        Sat 10:00 orders Socks
        6 Dec 10:00 orders Socks
        => 6 Dec 10:00 in
        8 Dec 10:00 orders Socks
        15 Dec 10:00 orders Socks
        => 15 Dec 10:00 out
        16 Dec 10:00
        ",
    );
}

#[test]
fn regulars_buy_every_other_week() {
    segment(
        "regulars",
        "
        Mon 10:00 orders Socks (socks, 9 EUR)
        1 Dec 10:00 orders Socks
        8 Dec 10:00 orders Socks
        15 Dec 10:00 orders Socks
        => 15 Dec 10:00 in
        => 14 Jan 10:00 out
        1 Feb 10:00
        ",
    );
}

#[test]
fn ready_to_buy_is_who_is_in_the_checkout_until_the_moment_has_gone() {
    segment(
        "ready_to_buy",
        "
        Mon 10:00 adds Socks (socks, 9 EUR)
        Mon 10:05 does Checkout Started
        Mon 10:06 does Payment Info Entered
        => Mon 10:06 in
        => Mon 10:31:47 out
        Mon 12:00
        ",
    );
}

#[test]
fn lost_is_who_has_not_bought_for_half_a_year() {
    segment(
        "lost",
        "
        Mon 10:00 orders Socks (socks, 9 EUR)
        => 23 May 11:00 in
        1 Jun 10:00 orders Socks
        => 1 Jun 10:00 out
        2 Jun 10:00
        ",
    );
}

#[test]
fn every_segment_has_a_story() {
    for segment in &SHIPPED.playbook().segments {
        let begins = format!("segment(\n        \"{}\",", segment.name);
        // The visitors of the promotions stand in the story of the play that they start.
        let told = include_str!("segments.rs").contains(&begins) || segment.name == "promo_visitors";
        assert!(told, "{} has no story", segment.name);
    }
}
