//! The abandoned cart, through every real component.

use kairos_engine::outcome::{PlayOutcome, Reason};
use kairos_engine::time::Span;

use crate::harness::shopper::{left_so_that_due_in, now};
use crate::harness::{Shopper, Stage, run};

#[test]
fn a_cart_that_is_left_turns_into_a_message() {
    run(async {
        let stage = Stage::shared().await;
        let ann = Shopper::new("left");
        let left_at = left_so_that_due_in(2);
        stage
            .accept(&[
                ann.is_customer_with_phone(left_at.minus(Span::from_mins(5))),
                ann.adds(left_at.minus(Span::from_mins(1)), "Lamp"),
                ann.adds(left_at, "Mug"),
                ann.track(
                    left_at.plus(Span::from_mins(2)),
                    "Product Viewed",
                    serde_json::json!({"product_id": "Vase"}),
                ),
            ])
            .await;
        let [record] = stage.sent(ann.key(), 1).await.try_into().unwrap();
        assert_eq!(record.play, "abandoned-cart");
        assert_eq!(record.address, ann.phone);
        assert_eq!(record.due_at, left_at.plus(Span::from_mins(30)), "viewing a product moves nothing");
        assert!(record.decided_at >= record.due_at, "decided {} before it was due", record.decided_at);
        assert_eq!(record.text.as_deref(), Some("Your Mug is waiting"));
        assert!(record.why.contains("30 min since Product Added"), "{}", record.why);
        let sms = stage.sms_to(&ann.phone).await;
        assert_eq!(sms.iter().map(|sms| sms.message.as_str()).collect::<Vec<_>>(), ["Your Mug is waiting"]);
    });
}

#[test]
fn a_shopper_without_a_phone_gets_an_email() {
    run(async {
        let stage = Stage::shared().await;
        let ben = Shopper::new("by-email");
        let left_at = left_so_that_due_in(1);
        stage.accept(&[ben.is_customer_with_email(left_at), ben.adds(left_at, "Mug")]).await;
        stage.sent(ben.key(), 1).await;
        let [email] = stage.emails_to(&ben.email).await.try_into().unwrap();
        assert_eq!(email.subject, "Your Mug is waiting");
        assert_eq!(email.body_text.trim(), "Mug");
        assert!(email.source.contains("hello@shop.example"), "{}", email.source);
    });
}

#[test]
fn an_order_cancels_the_message_and_empties_the_cart() {
    run(async {
        let stage = Stage::shared().await;
        let (buyer, other) = (Shopper::new("buyer"), Shopper::new("beside-buyer"));
        let left_at = left_so_that_due_in(3);
        for shopper in [&buyer, &other] {
            stage.accept(&[shopper.is_customer_with_phone(left_at), shopper.adds(left_at, "Mug")]).await;
        }
        stage.accept(&[buyer.orders(now())]).await;
        // The other's deadline is the same: when hers has come, the buyer's would have come too.
        stage.sent(other.key(), 1).await;
        let stored =
            stage.stored_when(buyer.key(), "the order is applied", |stored| stored.state.orders.count == 1).await;
        assert!(stored.state.cart.is_empty());
        assert_eq!(stored.alarm_at, None);
        assert!(stored.state.outcomes.iter().any(|record| matches!(record.outcome, PlayOutcome::Cancelled { .. })));
        assert!(stage.deliveries(buyer.key()).await.is_empty());
        assert!(stage.sms_to(&buyer.phone).await.is_empty());
    });
}

#[test]
fn a_second_cart_within_a_day_is_capped() {
    run(async {
        let stage = Stage::shared().await;
        let eva = Shopper::new("capped");
        let first = now().minus(Span::from_hours(2));
        let second = left_so_that_due_in(2);
        // The first moment was 90 minutes ago and is valid for three hours.
        stage.accept(&[eva.is_customer_with_phone(first), eva.adds(first, "Lamp"), eva.adds(second, "Mug")]).await;
        stage.sent(eva.key(), 1).await;
        let capped = |outcome: &PlayOutcome| matches!(outcome, PlayOutcome::NotSent { reason: Reason::Cap { .. } });
        stage
            .stored_when(eva.key(), "the second message is capped", |stored| {
                stored.state.outcomes.iter().any(|record| capped(&record.outcome))
            })
            .await;
        assert_eq!(stage.sms_to(&eva.phone).await.len(), 1);
        assert_eq!(stage.deliveries(eva.key()).await.len(), 1);
    });
}

#[test]
fn a_cart_left_too_long_ago_is_not_mentioned() {
    run(async {
        let stage = Stage::shared().await;
        let old = Shopper::new("long-ago");
        let left_at = now().minus(Span::from_hours(5));
        stage.accept(&[old.is_customer_with_phone(left_at), old.adds(left_at, "Lamp")]).await;
        let passed =
            |outcome: &PlayOutcome| matches!(outcome, PlayOutcome::NotSent { reason: Reason::MomentPassed { .. } });
        stage
            .stored_when(old.key(), "the moment has passed", |stored| {
                stored.state.outcomes.iter().any(|record| passed(&record.outcome))
            })
            .await;
        assert!(stage.deliveries(old.key()).await.is_empty());
    });
}
