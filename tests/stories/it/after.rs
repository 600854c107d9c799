//! After the purchase, and when something becomes of a product.

use crate::story::story;

#[test]
fn who_bought_something_to_put_together_gets_the_guide_on_the_evening_after() {
    story(
        "how_to",
        r#"
        Mon 12:00 ann is a customer with an email
        Mon 12:00 ben is a customer with an email
        Mon 12:30 ann orders Oak Shelf (furniture, 380 EUR)
        Mon 12:30 ben orders Trail Runner (shoes, 89 EUR)
        => Tue 17:00 ann: how_to by email "How it goes together: Oak Shelf"
        Tue 19:00 ann does Guide Opened
        => Tue 19:00 ann: how_to reached its goal 2 h after the message
        Wed 12:00 that's all
        "#,
    );
}

#[test]
fn whoever_opens_the_guide_at_once_needs_no_message() {
    story(
        "how_to",
        r#"
        Mon 12:00 ann is a customer with an email
        Mon 12:30 ann orders Oak Shelf (furniture, 380 EUR)
        Mon 21:00 ann does Guide Opened
        => Mon 21:00 ann: how_to cancelled
        Wed 12:00 that's all
        "#,
    );
}

#[test]
fn what_somebody_looked_at_becomes_cheaper() {
    story(
        "price_drop",
        r#"
        Mon 11:00 ann is a customer with a phone
        Mon 11:00 ben is a customer with a phone
        Mon 12:00 ann views Trail Runner (shoes, 89 EUR)
        Mon 12:00 ben views Rain Jacket (jackets, 120 EUR)
        Wed 10:00 shop lowers Trail Runner to 69 EUR
        => Wed 10:00 ann: price_drop by sms "Trail Runner now costs 69.00 EUR instead of 89.00 EUR: https://shop.example/trail-runner"
        Wed 20:00 ann orders Trail Runner
        => Wed 20:00 ann: price_drop reached its goal 10 h after the message, worth 69.00
        Thu 12:00 that's all
        "#,
    );
}

#[test]
fn a_few_cents_are_no_news_nor_is_a_price_that_falls_after_one_has_bought() {
    story(
        "price_drop",
        r#"
        Mon 11:00 ann is a customer with a phone
        Mon 11:00 ben is a customer with a phone
        Mon 12:00 ann views Trail Runner (shoes, 89 EUR)
        Mon 12:00 ben views Trail Runner
        Mon 12:10 ben orders Trail Runner
        Tue 10:00 shop lowers Trail Runner to 85 EUR
        Wed 10:00 shop lowers Trail Runner to 60 EUR
        => Wed 10:00 ann: price_drop by sms "Trail Runner now costs 60.00 EUR instead of 85.00 EUR: https://shop.example/trail-runner"
        => Wed 10:00 ben: price_drop not sent: `unless` held
        Thu 12:00 that's all
        "#,
    );
}

#[test]
fn prices_that_fall_at_night_are_told_in_the_morning_and_only_the_first_of_many() {
    story(
        "price_drop",
        r#"
        Mon 11:00 ann is a customer with a phone
        Mon 12:00 ann views Trail Runner (shoes, 89 EUR)
        Mon 12:01 ann views Rain Jacket (jackets, 120 EUR)
        Tue 02:00 shop lowers Trail Runner to 69 EUR
        => Tue 02:00 ann: price_drop held until Tue 08:00
        Tue 02:01 shop lowers Rain Jacket to 90 EUR
        => Tue 02:01 ann: price_drop not sent: on the way through this play already
        => Tue 08:00 ann: price_drop by sms "Trail Runner now costs 69.00 EUR instead of 89.00 EUR: https://shop.example/trail-runner"
        Tue 12:00 shop lowers Rain Jacket to 70 EUR
        => Tue 12:00 ann: price_drop not sent: already 1 in the last 3 days
        Wed 12:00 that's all
        "#,
    );
}

#[test]
fn what_was_sold_out_is_back() {
    story(
        "back_in_stock",
        r#"
        Mon 11:00 ann is a customer with an email
        Mon 11:00 ben is a customer with an email
        Mon 12:00 ann wishes for Trail Runner (shoes, 89 EUR)
        Mon 12:00 ben views Rain Jacket (jackets, 120 EUR)
        Mon 13:00 shop sells out of Trail Runner
        Fri 10:00 shop has 5 of Trail Runner again
        => Fri 10:00 ann: back_in_stock by email "Trail Runner is back"
        Fri 12:00 that's all
        "#,
    );
}

#[test]
fn the_coffee_that_is_bought_every_month_is_thought_of_before_it_ends() {
    story(
        "refill",
        r#"
        Mon 09:00 ann is a customer with an email
        Mon 12:00 ann orders House Espresso (coffee, 24 EUR)
        14 Dec 12:00 ann orders House Espresso
        => 31 Dec 17:00 ann: refill by email "Time for more House Espresso?"
        2 Jan 12:00 ann orders House Espresso
        => 2 Jan 12:00 ann: refill reached its goal 43 h after the message, worth 24.00
        4 Jan 12:00 that's all
        "#,
    );
}

#[test]
fn after_a_single_pack_it_is_a_month_and_shoes_do_not_run_out() {
    story(
        "refill",
        r#"
        Mon 09:00 ann is a customer with an email
        Mon 09:00 ben is a customer with an email
        Mon 12:00 ann orders House Espresso (coffee, 24 EUR)
        Mon 12:00 ben orders Trail Runner (shoes, 89 EUR)
        => 21 Dec 17:00 ann: refill by email "Time for more House Espresso?"
        22 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn the_coffee_machine_may_say_so_itself() {
    story(
        "device_says_empty",
        r#"
        Mon 09:00 ann is a customer with a phone
        Mon 10:00 ann does Supply Low device="coffee machine" of House Espresso (coffee, 24 EUR)
        => Mon 10:00 ann: device_says_empty by sms "Ann, is House Espresso running low? Order today, and it comes in time: https://shop.example/house-espresso"
        Mon 11:00 ann does Supply Low device="coffee machine" of House Espresso
        => Mon 11:00 ann: device_says_empty not sent: too soon, again from Thu 10:00
        Mon 12:00 that's all
        "#,
    );
}
