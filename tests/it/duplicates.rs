//! What comes twice counts once.

use kairos_engine::time::Span;
use serde_json::json;

use crate::harness::playbook::WRITE_KEY;
use crate::harness::shopper::{left_so_that_due_in, now};
use crate::harness::{Shopper, Stage, run};

#[test]
fn the_same_request_twice_sends_one_message() {
    run(async {
        let stage = Stage::shared().await;
        let dan = Shopper::new("twice");
        let left_at = left_so_that_due_in(2);
        let calls = [dan.is_customer_with_phone(left_at), dan.adds(left_at, "Mug")];
        let request = json!({"batch": calls, "sentAt": now().to_string(), "writeKey": WRITE_KEY});
        for _ in 0..3 {
            assert_eq!(stage.post_json("/v1/batch", &request).await.status, 200);
        }
        stage.sent(dan.key(), 1).await;
        let stored = stage.stored(dan.key()).await.unwrap();
        assert_eq!(stored.state.cart.data().items[0].quantity, 1);
        assert_eq!(stage.sms_to(&dan.phone).await.len(), 1);
    });
}

#[test]
fn an_event_that_is_sent_again_in_another_batch_counts_once() {
    run(async {
        let stage = Stage::shared().await;
        let lea = Shopper::new("regrouped");
        let left_at = left_so_that_due_in(600);
        let add = lea.adds(left_at, "Mug");
        stage.accept(&[lea.is_customer_with_phone(left_at), add.clone()]).await;
        let later = left_at.plus(Span::from_mins(1));
        stage.accept(&[add.clone(), lea.track(later, "Product Viewed", json!({}))]).await;
        let last = later.plus(Span::from_mins(1));
        stage.accept(&[add, lea.track(last, "Product Viewed", json!({}))]).await;
        let stored = stage.applied_to(&lea, last).await;
        assert_eq!(stored.state.cart.data().items[0].quantity, 1);
    });
}
