//! Where somebody is.

use crate::story::story;

#[test]
fn buys_a_croissant_on_mondays_never_on_tuesdays_and_walks_past_on_a_tuesday() {
    story(
        "cafe_other_day",
        r#"
        Mon 07:30 ann is a customer with a phone
        Mon 08:40 ann walks past Café Kreuzberg
        => Mon 08:40 ann: cafe_other_day not sent: `who` did not hold
        Mon 08:45 ann orders Croissant (bakery, 2.40 EUR) and Coffee (drinks, 3.20 EUR)
        1 Dec 08:45 ann orders Croissant and Coffee
        8 Dec 08:45 ann orders Croissant and Coffee
        9 Dec 08:40 ann walks past Café Kreuzberg
        => 9 Dec 08:40 ann: cafe_other_day by sms "Hello Ann, just around the corner from Café Kreuzberg? Today the coffee with your croissant is on us: show CROISSANT at the till."
        9 Dec 08:55 ann orders Croissant and Coffee
        => 9 Dec 08:55 ann: cafe_other_day reached its goal 15 min after the message, worth 5.60
        9 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn on_a_day_on_which_they_come_anyway_in_the_evening_or_elsewhere_there_is_none() {
    story(
        "cafe_other_day",
        r#"
        Mon 08:00 ann is a customer with a phone
        Mon 08:45 ann orders Croissant (bakery, 2.40 EUR)
        1 Dec 08:45 ann orders Croissant
        8 Dec 08:45 ann orders Croissant
        9 Dec 08:40 ann walks past Showroom Mitte
        9 Dec 18:40 ann walks past Café Kreuzberg
        => 9 Dec 18:40 ann: cafe_other_day not sent: `who` did not hold
        15 Dec 08:40 ann walks past Café Kreuzberg
        => 15 Dec 08:40 ann: cafe_other_day not sent: `who` did not hold
        15 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn whoever_stays_at_the_corner_for_an_hour_is_asked_once() {
    story(
        "cafe_other_day",
        r#"
        Mon 08:00 ann is a customer with a phone
        Mon 08:45 ann orders Croissant (bakery, 2.40 EUR)
        1 Dec 08:45 ann orders Croissant
        8 Dec 08:45 ann orders Croissant
        9 Dec 08:40 ann walks past Café Kreuzberg
        => 9 Dec 08:40 ann: cafe_other_day by sms "Hello Ann, just around the corner from Café Kreuzberg? Today the coffee with your croissant is on us: show CROISSANT at the till."
        9 Dec 09:00 ann walks past Café Kreuzberg
        9 Dec 09:20 ann walks past Showroom Mitte
        9 Dec 09:40 ann walks past Café Kreuzberg
        => 9 Dec 09:40 ann: cafe_other_day not sent: too soon, again from 23 Dec 08:40
        9 Dec 12:00 that's all
        "#,
    );
}
