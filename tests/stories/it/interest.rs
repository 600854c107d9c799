//! What somebody looks at, searches for and listens to.

use crate::story::story;

#[test]
fn the_third_time_in_the_promotions_within_a_week() {
    story(
        "promo_third_visit",
        r#"
        Mon 10:00 ann is a customer with a phone
        Mon 10:00 ann opens /promo
        Mon 10:01 ann opens /promo/shoes from /promo
        Mon 10:02 ann opens /promo/hats from /promo
        Wed 12:00 ann opens /promo/shoes from /
        Fri 18:00 ann opens /promo/shoes
        => Fri 18:20 ann: promo_third_visit by sms "Ann, you know our offers by now. 10 % on top, for 3 days with EXTRA10: https://shop.example/promo"
        Sat 11:00 ann orders Trail Runner (shoes, 59 EUR)
        => Sat 11:00 ann: promo_third_visit reached its goal 16 h 40 min after the message, worth 59.00
        Sun 12:00 that's all
        "#,
    );
}

#[test]
fn two_visits_in_a_week_and_one_in_the_next_are_not_three() {
    story(
        "promo_third_visit",
        r#"
        Mon 10:00 ann is a customer with a phone
        Mon 10:00 ann opens /promo
        Wed 12:00 ann opens /promo/shoes
        1 Dec 10:00 ann opens /promo/shoes
        2 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn whoever_has_just_bought_or_buys_meanwhile_needs_no_discount_and_nobody_gets_it_twice_a_month() {
    story(
        "promo_third_visit",
        r#"
        Mon 10:00 ann is a customer with a phone
        Mon 10:00 ben is a customer with a phone
        Mon 10:01 ann orders Socks (socks, 9 EUR)
        Mon 11:00 ann opens /promo
        Mon 11:00 ben opens /promo
        Mon 11:01 ann opens /promo
        Mon 11:01 ben opens /promo
        Mon 11:02 ann opens /promo
        => Mon 11:02 ann: promo_third_visit not sent: `unless` held
        Mon 11:02 ben opens /promo
        Mon 11:10 ben orders Socks
        => Mon 11:10 ben: promo_third_visit cancelled
        Mon 12:00 that's all
        "#,
    );
}

#[test]
fn a_minute_with_shoes_brings_more_shoes_but_not_when_they_are_in_the_cart() {
    story(
        "category_interest",
        r#"
        Mon 09:00 ann is a customer with an email
        Mon 09:00 ben is a customer with an email
        Mon 10:00 ann views Trail Runner (shoes, 89 EUR)
        Mon 10:01 ann spends 25 s with Trail Runner
        Mon 10:02 ann views Road Racer (shoes, 110 EUR)
        Mon 10:03 ann spends 40 s with Road Racer
        Mon 10:05 ben spends 65 s with Trail Runner
        Mon 10:06 ben adds Trail Runner
        => Mon 10:36 ben: abandoned_cart by email "Ben, you left something in your cart"
        => Mon 13:03 ann: category_interest by email "More like Road Racer"
        Mon 15:00 that's all
        "#,
    );
}

#[test]
fn a_minute_with_many_categories_or_over_many_hours_is_no_interest() {
    story(
        "category_interest",
        r#"
        Mon 09:00 ann is a customer with an email
        Mon 10:00 ann spends 40 s with Trail Runner (shoes, 89 EUR)
        Mon 10:01 ann spends 40 s with Rain Jacket (jackets, 120 EUR)
        Mon 12:00 ann spends 40 s with Trail Runner
        Mon 20:00 that's all
        "#,
    );
}

#[test]
fn whoever_heard_most_of_a_demo_gets_the_album_cheaper() {
    story(
        "demo_track",
        r#"
        Mon 19:00 ann is a customer with a phone
        Mon 19:00 ben is a customer with a phone
        Mon 19:05 ben does Track Played percent=20 title="So What" artist="Miles Davis" of Kind of Blue (music, 10 EUR)
        Mon 19:10 ann does Track Played percent=85 title="So What" artist="Miles Davis" of Kind of Blue
        => Mon 19:20 ann: demo_track by sms "Ann, did you like it? Kind of Blue is 20 % off until tomorrow night with ENCORE: https://shop.example/encore"
        Mon 19:30 ann does Track Played percent=95 title="Blue in Green" artist="Miles Davis" of Kind of Blue
        => Mon 19:30 ann: demo_track not sent: too soon, again from 1 Dec 19:10
        Mon 20:00 that's all
        "#,
    );
}

#[test]
fn whoever_buys_the_album_while_it_plays_is_left_alone() {
    story(
        "demo_track",
        r#"
        Mon 19:00 ann is a customer with a phone
        Mon 19:10 ann does Track Played percent=85 title="So What" of Kind of Blue (music, 10 EUR)
        Mon 19:15 ann orders Kind of Blue
        => Mon 19:15 ann: demo_track cancelled
        Mon 20:00 that's all
        "#,
    );
}

#[test]
fn late_at_night_the_moment_of_the_music_is_let_go() {
    story(
        "demo_track",
        r#"
        Mon 22:00 ann is a customer with a phone
        Mon 22:10 ann does Track Played percent=85 title="So What" of Kind of Blue (music, 10 EUR)
        => Mon 22:20 ann: demo_track not sent: it was due in quiet hours
        Tue 12:00 that's all
        "#,
    );
}

#[test]
fn searched_on_a_phone_it_is_the_nearest_shop_that_has_it() {
    story(
        "product_searched",
        r#"
        Mon 09:00 shop has Trail Runner (shoes, 89 EUR) at Showroom Hamburg
        Mon 09:00 shop has Trail Runner at Showroom Mitte
        Mon 12:00 ann is a customer with a phone
        Mon 12:00 ann takes the phone
        Mon 12:00 ann is near Showroom Mitte
        Mon 12:01 ann searches for trail shoes
        Mon 12:02 ann views Trail Runner
        => Mon 12:04 ann: product_searched by sms "Trail Runner is in stock at Showroom Mitte, Rosenthaler Str. 40, 10178 Berlin (0.2 mi): https://shop.example/berlin-mitte"
        Mon 14:00 that's all
        "#,
    );
}

#[test]
fn when_nobody_knows_where_the_phone_is_the_list_of_shops_has_to_do() {
    story(
        "product_searched",
        r#"
        Mon 12:00 ann is a customer with a phone
        Mon 12:00 ann takes the phone
        Mon 12:01 ann searches for trail shoes
        Mon 12:02 ann views Trail Runner (shoes, 89 EUR)
        => Mon 12:04 ann: product_searched by sms "Trail Runner: see which of our shops has it today: https://shop.example/stores"
        Mon 14:00 that's all
        "#,
    );
}

#[test]
fn searched_at_a_desk_it_is_the_configurator_for_what_is_made_to_order_and_nothing_for_shoes() {
    story(
        "product_searched",
        r#"
        Mon 12:00 ann is a customer with an email
        Mon 12:00 ben is a customer with an email
        Mon 12:00 ann sits down at the desk
        Mon 12:00 ben sits down at the desk
        Mon 12:01 ann searches for bookshelf
        Mon 12:01 ben searches for trail shoes
        Mon 12:02 ann views Oak Shelf (furniture, 380 EUR)
        Mon 12:02 ben views Trail Runner (shoes, 89 EUR)
        => Mon 13:02 ann: product_searched by email "Make it yours: Oak Shelf"
        Mon 14:00 that's all
        "#,
    );
}

#[test]
fn looking_long_after_the_search_or_with_a_full_cart_is_another_story() {
    story(
        "product_searched",
        r#"
        Mon 12:00 ann is a customer with a phone
        Mon 12:00 ben is a customer with a phone
        Mon 12:00 ann takes the phone
        Mon 12:00 ben takes the phone
        Mon 12:01 ann searches for trail shoes
        Mon 12:01 ben adds Socks (socks, 9 EUR)
        Mon 12:02 ben searches for trail shoes
        Mon 12:03 ben views Trail Runner (shoes, 89 EUR)
        => Mon 12:03 ben: product_searched not sent: `who` did not hold
        Mon 12:20 ann views Trail Runner
        => Mon 12:31 ben: abandoned_cart by sms "Hello Ben, Socks (9.00 EUR) is still in your cart: https://shop.example/cart"
        Mon 14:00 that's all
        "#,
    );
}

#[test]
fn whoever_compares_gets_advice_and_no_discount() {
    story(
        "buying_advice",
        r#"
        Mon 12:00 ann is a customer with an email
        Mon 12:01 ann views Trail Runner (shoes, 89 EUR)
        Mon 12:02 ann does Reviews Read of Trail Runner
        Mon 12:05 ann views Road Racer (shoes, 110 EUR)
        Mon 12:06 ann does Products Compared
        Mon 12:07 ann does Reviews Read of Road Racer
        => Mon 12:47 ann: buying_advice by email "Which one is right for you?"
        Mon 14:00 that's all
        "#,
    );
}

#[test]
fn one_review_now_and_one_in_the_evening_is_no_comparison() {
    story(
        "buying_advice",
        r#"
        Mon 12:00 ann is a customer with an email
        Mon 12:02 ann does Reviews Read of Trail Runner (shoes, 89 EUR)
        Mon 18:02 ann does Reviews Read of Trail Runner
        Mon 20:00 that's all
        "#,
    );
}
