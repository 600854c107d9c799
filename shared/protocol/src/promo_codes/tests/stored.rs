//! What is stored of a code, and what travels.

use super::*;
use crate::golden::is_golden;

#[test]
fn everything_that_is_stored_and_travels_reads_as_it_was_first_written() {
    let full = Promotion {
        minimum_total: Some(money(50)),
        maximum_discount: Some(money(20)),
        only_for: Holder::User,
        ..ten_percent()
    };
    let (world, key) = World::with_code(&full);
    let given = world.codes.borrow()[&key].clone();
    let sale = Sale { user: Some(ann()), store: Some("old_town".into()), ..of(60) };
    let Some(Redeemed::Now(redeemed)) = world.redeem(&key, "order-1", &sale) else { panic!() };
    let free = PromoCode::in_pool("shop-0001", "shop", START).unwrap();
    for (name, code) in [
        ("promo_code_v1_given.json", given),
        ("promo_code_v1_redeemed.json", redeemed),
        ("promo_code_v1_free.json", free),
    ] {
        let text = is_golden(name, &code.to_json().unwrap());
        assert_eq!(PromoCode::from_json(&text).unwrap(), code, "{name}");
    }
    let told = world.told.borrow();
    let [message] = told.as_slice() else { panic!("one message") };
    let text = is_golden("promo_code_redeemed_message_v1.json", &serde_json::to_string(message).unwrap());
    assert_eq!(&serde_json::from_str::<MailboxMessage>(&text).unwrap(), message);
    let [Input::Event { event, .. }] = message.inputs() else { panic!("{message:?}") };
    assert!(event.products.is_empty(), "it is about an order, not about a product");
    assert!(PromoCode::from_json(r#"{"v":"9"}"#).is_err());
}

#[test]
fn a_code_is_remembered_after_it_is_over() {
    let (world, key) = World::with_code(&ten_percent());
    let code = world.codes.borrow()[&key].clone();
    assert_eq!(code.expires_at_secs(), Some(START.plus(Span::from_hours(24 + 180 * 24)).as_secs()));
    let free = PromoCode::in_pool("SHOP-0001", "shop", START).unwrap();
    assert_eq!(free.expires_at_secs(), None);
    // One of a pool for ever: its file may be imported again.
    assert_eq!(PromoCode { given: code.given, ..free }.expires_at_secs(), None);
}
