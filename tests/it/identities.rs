//! A visitor who turns out to be somebody.

use kairos_engine::identifiers::UserKey;
use kairos_engine::time::Span;
use serde_json::json;

use crate::harness::shopper::left_so_that_due_in;
use crate::harness::{Shopper, Stage, run};

#[test]
fn a_visitors_cart_follows_them_when_they_say_who_they_are() {
    run(async {
        let stage = Stage::shared().await;
        let ida = Shopper::new("visitor-then-known");
        let visitor = UserKey::anonymous(&ida.anonymous_id);
        let left_at = left_so_that_due_in(4);
        stage.accept(&[ida.as_visitor(ida.adds(left_at, "Mug"))]).await;
        stage.stored_when(visitor, "the visitor has a cart", |stored| !stored.state.cart.is_empty()).await;

        let mut identify = ida.is_customer_with_phone(left_at.plus(Span::from_mins(1)));
        identify["anonymousId"] = json!(ida.anonymous_id);
        stage.accept(&[identify]).await;

        let [record] = stage.sent(ida.key(), 1).await.try_into().unwrap();
        assert_eq!(record.due_at, left_at.plus(Span::from_mins(30)), "the deadline is that of the visitor's cart");
        assert_eq!(record.text.as_deref(), Some("Your Mug is waiting"));
        let left_behind = stage.stored(visitor).await.unwrap();
        assert_eq!(left_behind.state.forwarded_to, Some(ida.key()));
        assert_eq!(left_behind.alarm_at, None, "what has moved wakes nobody any more");
        assert!(stage.deliveries(visitor).await.is_empty());
    });
}

#[test]
fn what_a_visitor_does_after_that_counts_for_them_too() {
    run(async {
        let stage = Stage::shared().await;
        let uma = Shopper::new("known-then-visitor");
        let left_at = left_so_that_due_in(3);
        let mut identify = uma.is_customer_with_phone(left_at.minus(Span::from_mins(1)));
        identify["anonymousId"] = json!(uma.anonymous_id);
        stage.accept(&[identify]).await;
        let visitor = UserKey::anonymous(&uma.anonymous_id);
        stage.stored_when(visitor, "the link is known", |stored| stored.state.forwarded_to.is_some()).await;
        stage.accept(&[uma.as_visitor(uma.adds(left_at, "Vase"))]).await;
        let [record] = stage.sent(uma.key(), 1).await.try_into().unwrap();
        assert_eq!(record.text.as_deref(), Some("Your Vase is waiting"));
    });
}
