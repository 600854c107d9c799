//! Who is new, who stays away, and who cares about what.

use crate::story::story;

#[test]
fn somebody_new_is_welcomed_once_and_a_customer_of_old_is_not() {
    story(
        "welcome",
        r#"
        Mon 22:30 ann opens an account with a phone
        => Mon 22:30 ann: welcome by sms "Welcome, Ann! Have a look around: https://shop.example/"
        Mon 22:40 ann opens an account with a phone
        => Mon 22:40 ann: welcome not sent: this play is once for each user
        Mon 22:50 ben is a customer with a phone
        => Mon 22:50 ben: welcome not sent: `unless` held
        Tue 12:00 that's all
        "#,
    );
}

#[test]
fn a_subscriber_who_looks_around_hears_of_what_they_looked_at() {
    story(
        "subscriber_drip",
        r#"
        Mon 11:00 ann is a customer with an email
        Mon 11:00 ann does Subscribed list=news
        => Mon 11:00 ann: subscriber_drip by email "Good to have you here, Ann"
        Tue 19:00 ann views Trail Runner (shoes, 89 EUR)
        Tue 19:01 ann views Road Racer (shoes, 110 EUR)
        Tue 19:02 ann views Rain Jacket (jackets, 120 EUR)
        => Wed 17:00 ann: subscriber_drip by email "Rain Jacket and more"
        => Sun 17:00 ann: subscriber_drip by email "10 % off your first order"
        2 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn a_subscriber_who_was_welcomed_is_not_greeted_twice_and_one_who_stays_away_is_left_alone() {
    story(
        "subscriber_drip",
        r#"
        Mon 11:00 ann opens an account with an email
        => Mon 11:00 ann: welcome by email "Welcome, Ann"
        Mon 11:00 ann does Signed Up
        => Wed 17:00 ann: subscriber_drip by email "What others come back for"
        2 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn the_first_order_ends_the_drip() {
    story(
        "subscriber_drip",
        r#"
        Mon 11:00 ann is a customer with an email
        Mon 11:00 ann does Subscribed
        => Mon 11:00 ann: subscriber_drip by email "Good to have you here, Ann"
        Tue 12:00 ann orders Trail Runner (shoes, 89 EUR)
        => Tue 12:00 ann: subscriber_drip reached its goal 25 h after the message, worth 89.00
        => Tue 12:00 ann: subscriber_drip cancelled
        2 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn who_has_not_been_there_for_thirty_days_is_asked_back() {
    story(
        "win_back",
        r#"
        Mon 11:00 ann is a customer with a phone
        Mon 11:00 ben is a customer with a phone
        Mon 11:00 eva is a customer with a phone
        Mon 12:00 ann orders Grand Piano (music, 4000 EUR)
        Mon 12:00 ben orders Trail Runner (shoes, 89 EUR)
        Mon 12:00 eva views Trail Runner
        => 24 Dec 12:00 ann: win_back by sms "Ann, we miss you. 15 % off your next order with BACK15: https://shop.example/"
        => 24 Dec 12:00 ben: win_back by sms "Ben, a lot has come in since you were here last: https://shop.example/new"
        => 24 Dec 12:00 eva: win_back not sent: `who` did not hold
        2 Jan 12:00 ben orders Socks (socks, 9 EUR)
        => 2 Jan 12:00 ben: win_back reached its goal 9 days after the message, worth 9.00
        => 1 Feb 12:00 ben: win_back not sent: too soon, again from 24 Mar 12:00
        20 Mar 12:00 that's all
        "#,
    );
}

#[test]
fn whoever_comes_back_in_time_was_not_missed() {
    story(
        "win_back",
        r#"
        Mon 11:00 ann is a customer with a phone
        Mon 12:00 ann orders Socks (socks, 9 EUR)
        20 Dec 12:00 ann opens /
        10 Jan 12:00 that's all
        "#,
    );
}

#[test]
fn whoever_follows_a_link_is_there_and_whose_mail_program_opens_a_message_is_not() {
    story(
        "win_back",
        r#"
        Mon 11:00 ann is a customer with a phone
        Mon 11:00 ben is a customer with a phone
        Mon 12:00 ann orders Socks (socks, 9 EUR)
        Mon 12:00 ben orders Socks
        20 Dec 12:00 ann does Message Opened play=new_collection
        20 Dec 12:00 ben does Message Link Clicked play=new_collection
        => 24 Dec 12:00 ann: win_back by sms "Ann, a lot has come in since you were here last: https://shop.example/new"
        10 Jan 12:00 that's all
        "#,
    );
}

#[test]
fn the_new_collection_opens_the_nearest_showroom_on_a_phone_and_the_pictures_at_a_desk() {
    story(
        "new_collection",
        r#"
        Mon 12:00 ann is a customer with a phone
        Mon 12:00 ben is a customer with a phone
        Mon 12:00 eva is a customer with a phone
        Mon 12:00 ann takes the phone
        Mon 12:00 ann is near Showroom Hamburg
        Mon 12:00 ben sits down at the desk
        Mon 12:01 ann views Red Dress (dresses, 99 EUR)
        Mon 12:01 ben views Red Dress
        Mon 12:01 eva views Red Dress
        Mon 12:02 ann views Trail Runner (shoes, 89 EUR)
        Mon 12:02 ben views Trail Runner
        Mon 12:02 eva views House Espresso (coffee, 24 EUR)
        Mon 12:03 ann views Road Racer (shoes, 110 EUR)
        Mon 12:03 ben views Road Racer
        Mon 12:03 eva views Road Racer
        => 1 Dec 10:00 ann: new_collection by sms "Ann, the new collection is here. See it in Showroom Hamburg: https://shop.example/hamburg"
        => 1 Dec 10:00 ben: new_collection by sms "Ben, the new collection is here. All pictures: https://shop.example/collection"
        2 Dec 12:00 that's all
        "#,
    );
}
