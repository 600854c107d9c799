//! Carts: left, about to be left, and with something in them that is nearly sold out.

use crate::story::story;

#[test]
fn a_cart_that_is_left_for_half_an_hour_turns_into_a_message() {
    story(
        "abandoned_cart",
        r#"
        Mon 17:00 ann is a customer with a phone
        Mon 18:00 ann views Trail Runner (shoes, 89 EUR)
        Mon 18:01 ann adds Trail Runner
        Mon 18:20 ann views Rain Jacket (jackets, 120 EUR)
        => Mon 18:31 ann: abandoned_cart by sms "Hello Ann, Trail Runner (89.00 EUR) is still in your cart: https://shop.example/cart"
        Mon 20:00 that's all
        "#,
    );
}

#[test]
fn whoever_orders_in_time_hears_nothing_and_an_order_afterwards_is_its_goal() {
    story(
        "abandoned_cart",
        r#"
        Mon 17:00 ann is a customer with a phone
        Mon 17:00 ben is a customer with an email
        Mon 18:00 ann adds Trail Runner (shoes, 89 EUR)
        Mon 18:00 ben adds Trail Runner
        Mon 18:29 ann orders Trail Runner
        => Mon 18:29 ann: abandoned_cart cancelled
        => Mon 18:30 ben: abandoned_cart by email "Ben, you left something in your cart"
        Tue 09:00 ben orders Trail Runner
        => Tue 09:00 ben: abandoned_cart reached its goal 14 h 30 min after the message, worth 89.00
        Tue 20:00 that's all
        "#,
    );
}

#[test]
fn whoever_follows_the_reminder_and_does_not_buy_is_asked_what_is_in_the_way() {
    story(
        "cart_clicked",
        r#"
        Mon 10:00 ann is a customer with an email
        Mon 12:00 ann adds Trail Runner (shoes, 89 EUR)
        => Mon 12:30 ann: abandoned_cart by email "Ann, you left something in your cart"
        Mon 13:00 ann does Message Link Clicked play=abandoned_cart channel=email link="https://shop.example/cart"
        => Tue 13:00 ann: cart_clicked by email "Can we help with your order?"
        Tue 18:00 ann orders Trail Runner
        => Tue 18:00 ann: cart_clicked reached its goal 5 h after the message, worth 89.00
        Wed 20:00 that's all
        "#,
    );
}

#[test]
fn whoever_buys_within_a_day_or_followed_another_link_is_asked_nothing() {
    story(
        "cart_clicked",
        r#"
        Mon 10:00 ann is a customer with an email
        Mon 10:00 ben is a customer with an email
        Mon 12:00 ann adds Trail Runner (shoes, 89 EUR)
        Mon 12:00 ben adds Trail Runner
        => Mon 12:30 ann: abandoned_cart by email "Ann, you left something in your cart"
        => Mon 12:30 ben: abandoned_cart by email "Ben, you left something in your cart"
        Mon 13:00 ann does Message Link Clicked play=abandoned_cart channel=email
        Mon 13:00 ben does Message Link Clicked play=how_to channel=email
        Tue 12:59 ann orders Trail Runner
        => Tue 12:59 ann: cart_clicked cancelled
        Wed 20:00 that's all
        "#,
    );
}

#[test]
fn a_big_cart_of_somebody_who_has_never_bought_gets_a_discount() {
    story(
        "abandoned_cart",
        r#"
        Mon 12:00 ann opens an account with a phone
        => Mon 12:00 ann: welcome by sms "Welcome, Ann! Have a look around: https://shop.example/"
        Mon 12:00 ben opens an account with a phone
        => Mon 12:00 ben: welcome by sms "Welcome, Ben! Have a look around: https://shop.example/"
        Mon 12:00 eva is a customer with a phone
        Mon 12:10 ben orders Socks (socks, 9 EUR)
        Mon 18:00 ann adds Rain Jacket (jackets, 120 EUR)
        Mon 18:00 ben adds Rain Jacket
        Mon 18:00 eva adds Rain Jacket
        => Mon 18:30 ann: abandoned_cart by sms "Hello Ann, your cart (120.00 EUR) is waiting. 10 % off your first order with FIRST10, for 3 days: https://shop.example/cart"
        => Mon 18:30 ben: abandoned_cart by sms "Hello Ben, Rain Jacket (120.00 EUR) is still in your cart: https://shop.example/cart"
        => Mon 18:30 eva: abandoned_cart by sms "Hello Eva, Rain Jacket (120.00 EUR) is still in your cart: https://shop.example/cart"
        Mon 20:00 that's all
        "#,
    );
}

#[test]
fn nobody_is_reminded_twice_in_a_day_and_whoever_reads_german_is_told_in_german() {
    story(
        "abandoned_cart",
        r#"
        Mon 12:00 ann reads German
        Mon 12:00 ann is a customer with a phone
        Mon 12:00 ann adds Trail Runner (shoes, 89 EUR)
        => Mon 12:30 ann: abandoned_cart by sms "Guten Tag Ann, Trail Runner (89,00 EUR) liegt noch in Ihrem Warenkorb: https://shop.example/cart"
        Mon 20:00 ann adds Socks (socks, 9 EUR)
        => Mon 20:30 ann: abandoned_cart not sent: already 1 in the last 24 h
        Tue 12:00 that's all
        "#,
    );
}

#[test]
fn even_at_night_because_whoever_filled_a_cart_half_an_hour_ago_is_awake() {
    story(
        "abandoned_cart",
        r#"
        Mon 23:00 ann is a customer with a phone
        Mon 23:40 ann adds Trail Runner (shoes, 89 EUR)
        => Tue 00:10 ann: abandoned_cart by sms "Hello Ann, Trail Runner (89.00 EUR) is still in your cart: https://shop.example/cart"
        Tue 09:00 that's all
        "#,
    );
}

#[test]
fn just_before_leaving_free_shipping_and_then_no_reminder_of_the_same_cart() {
    story(
        "exit_intent",
        r#"
        Mon 17:00 ann is a customer with a phone
        Mon 18:00 ann adds Trail Runner (shoes, 89 EUR)
        Mon 18:05 ann is about to leave
        => Mon 18:05 ann: exit_intent by on_site "Ann, before you go: We pay the shipping for what is in your cart. Your code SHIPFREE is good for 24 hours."
        Mon 19:00 ann orders Trail Runner
        => Mon 19:00 ann: exit_intent reached its goal 55 min after the message, worth 89.00
        Mon 22:00 that's all
        "#,
    );
}

#[test]
fn who_has_left_already_hears_of_free_shipping_elsewhere() {
    story(
        "exit_intent",
        r#"
        Mon 17:00 ann is a customer with a phone
        Mon 18:00 ann adds Trail Runner (shoes, 89 EUR)
        Mon 18:05 ann does Exit Intended by="server"
        => Mon 18:05 ann: exit_intent by sms "Ann, before you go: free shipping for your cart with SHIPFREE, for 24 hours: https://shop.example/cart"
        Mon 18:20 that's all
        "#,
    );
}

#[test]
fn leaving_with_little_in_the_cart_or_again_next_week_brings_nothing() {
    story(
        "exit_intent",
        r#"
        Mon 17:00 ann is a customer with a phone
        Mon 18:00 ann is about to leave
        => Mon 18:00 ann: exit_intent not sent: `who` did not hold
        Mon 18:10 ann adds Socks (socks, 9 EUR)
        Mon 18:11 ann is about to leave
        => Mon 18:11 ann: exit_intent not sent: `who` did not hold
        Mon 18:12 ann adds Trail Runner (shoes, 89 EUR)
        Mon 18:13 ann is about to leave
        => Mon 18:13 ann: exit_intent by on_site "Ann, before you go: We pay the shipping for what is in your cart. Your code SHIPFREE is good for 24 hours."
        1 Dec 18:00 ann is about to leave
        => 1 Dec 18:00 ann: exit_intent not sent: too soon, again from 8 Dec 18:13
        1 Dec 20:00 that's all
        "#,
    );
}

#[test]
fn the_last_ones_of_something_in_the_cart() {
    story(
        "last_ones",
        r#"
        Mon 11:00 ann is a customer with a phone
        Mon 11:00 ben is a customer with a phone
        Mon 12:00 ann adds Trail Runner (shoes, 89 EUR)
        Mon 12:00 ben views Trail Runner
        => Mon 12:30 ann: abandoned_cart by sms "Hello Ann, Trail Runner (89.00 EUR) is still in your cart: https://shop.example/cart"
        Mon 15:00 shop has 2 of Trail Runner left
        => Mon 15:00 ann: last_ones by sms "Only a few left of Trail Runner: https://shop.example/cart"
        Mon 16:00 that's all
        "#,
    );
}
