//! Who has said no hears no more offers; what they have asked for still comes.

use crate::story::story;

#[test]
fn a_refusal_ends_offers_and_what_somebody_registered_for_still_comes() {
    story(
        "webinar_registered",
        r#"
        Mon 10:00 ann is a customer with an email
        Mon 10:30 ann does Consent Updated choice=refused
        Mon 11:00 ann does Webinar Registered title="Shoes that fit"
        => Mon 11:00 ann: webinar_registered by email "You are in: Shoes that fit"
        Mon 12:00 ann adds Trail Runner (shoes, 89 EUR)
        => 2 Dec 11:00 ann: webinar_registered not sent: no consent to messages by email
        3 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn a_refusal_of_one_channel_leaves_the_other() {
    story(
        "abandoned_cart",
        r#"
        Mon 10:00 ann is a customer with a phone and an email
        Mon 10:30 ann does Unsubscribed
        Mon 12:00 ann adds Trail Runner (shoes, 89 EUR)
        => Mon 12:30 ann: abandoned_cart by sms "Hello Ann, Trail Runner (89.00 EUR) is still in your cart: https://shop.example/cart"
        Mon 14:00 ann does Consent Updated channel=sms choice=refused
        Wed 12:00 ann adds Rain Jacket (jackets, 120 EUR)
        => Wed 12:30 ann: abandoned_cart not sent: no consent to messages by email
        Wed 16:00 that's all
        "#,
    );
}

#[test]
fn who_asks_for_messages_is_asked_back_once_and_nobody_who_does_not_ask() {
    story(
        "confirm_email",
        r#"
        Mon 10:00 ann is a customer with an email
        Mon 10:00 ben is a customer with an email
        Mon 23:00 ann does Consent Updated channel=email choice=pending
        => Mon 23:00 ann: confirm_email by email "Please confirm your address"
        Mon 23:10 ann does Consent Updated channel=email choice=pending
        => Mon 23:10 ann: confirm_email not sent: too soon, again from Tue 00:00
        Mon 23:20 ben does Consent Updated channel=email choice=refused
        Tue 16:00 that's all
        "#,
    );
}
