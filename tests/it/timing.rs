//! When messages go out: never before their moment, and hardly after it.

use std::time::Duration;

use kairos_engine::commit::{Received, plan};
use kairos_engine::mailbox::{Effect, Input, MailboxMessage};
use kairos_engine::program::Program;
use kairos_engine::segment_spec::{Facts, decode};
use kairos_engine::time::Span;
use kairos_protocol::mailboxes::{Saved, Users};
use serde_json::json;

use crate::harness::playbook::{CART_WAIT, SOURCE, WRITE_KEY, playbook};
use crate::harness::shopper::{left_so_that_due_in, now};
use crate::harness::{PATIENCE, Shopper, Stage, eventually, run, spread, tell};

const SHOPPERS: usize = 60;

#[test]
fn messages_go_out_at_their_moment_and_never_before() {
    run(async {
        let stage = Stage::shared().await;
        let shoppers: Vec<_> = (0..SHOPPERS).map(|_| Shopper::new("on-time")).collect();
        // Spread over seconds and, on purpose, over parts of a second: queues delay by whole ones.
        let calls = shoppers.iter().enumerate().flat_map(|(index, shopper)| {
            let left_at = left_so_that_due_in(4).plus(Span::from_millis(index as i64 * 83));
            [shopper.is_customer_with_phone(left_at), shopper.adds(left_at, "Mug")]
        });
        stage.accept(&calls.collect::<Vec<_>>()).await;
        let mut decided_late_ms = Vec::new();
        let mut sent_late_ms = Vec::new();
        for shopper in &shoppers {
            let [record] = stage.sent(shopper.key(), 1).await.try_into().unwrap();
            decided_late_ms.push(record.decided_at.since(record.due_at).as_millis());
            sent_late_ms.push(record.sent_at.unwrap().since(record.due_at).as_millis());
        }
        assert!(decided_late_ms.iter().all(|late| *late >= 0), "decided early: {decided_late_ms:?}");
        let over_a_second = sent_late_ms.iter().filter(|late| **late > 1_000).count();
        tell(format!("moment to decision: {}", spread(decided_late_ms)));
        tell(format!("moment to provider: {}; {over_a_second} over a second", spread(sent_late_ms)));
    });
}

#[test]
fn an_event_that_asks_for_a_message_at_once_gets_it_at_once() {
    run(async {
        let stage = Stage::shared().await;
        let mut sent_after_ms = Vec::new();
        for _ in 0..20 {
            let new = Shopper::new("at-once");
            let posted_at = now();
            stage.accept(&[new.identifies(posted_at, json!({"phone": new.phone}))]).await;
            let [record] = stage.sent(new.key(), 1).await.try_into().unwrap();
            sent_after_ms.push(record.sent_at.unwrap().since(posted_at).as_millis());
        }
        tell(format!("request to provider: {}", spread(sent_after_ms)));
    });
}

/// The deadline is further away than the delay queue is asked to bridge, so only the sweep of each minute can find it.
/// To wait minutes less, the user's item is written as `decide` would have written it ten minutes ago.
#[test]
fn the_scheduler_finds_an_alarm_that_nobody_was_told_of() {
    run(async {
        let stage = Stage::shared().await;
        let sue = Shopper::new("swept");
        let decided_at = now().minus(Span::from_mins(10));
        // The first sweep comes a minute after the start, so the alarm lies ahead of at least one.
        let left_at = left_so_that_due_in(75);
        let inputs = [sue.is_customer_with_phone(left_at), sue.adds(left_at, "Mug")].map(|call| {
            let facts =
                Facts { source: SOURCE, received_at: left_at, sent_at: None, call: None, index: 0, historical: false };
            Input::event(decode(call, &facts).unwrap().event)
        });
        let message = MailboxMessage::of_inputs(sue.key(), inputs.to_vec());
        let received = [Received { sequence: 1, receives: 1, message }];
        let program = Program::new(playbook(&stage.receiver.url())).unwrap();
        let planned = plan(&program, sue.key(), None, "an earlier queue", &received, decided_at);
        assert!(!planned.send_after.iter().any(|effect| matches!(effect, Effect::Wake { .. })), "nobody is told");
        assert_eq!(stage.users.save(sue.key(), &planned.write.unwrap(), None).await.unwrap(), Saved::Written);

        let due_at = left_at.plus(CART_WAIT);
        let record =
            eventually("the sweep leads to a message", PATIENCE + Duration::from_secs(75), async || {
                match stage.deliveries(sue.key()).await.as_slice() {
                    [Some(record)] if record.sent_at.is_some() => Ok(record.clone()),
                    found => Err(format!("{found:?}")),
                }
            })
            .await;
        assert_eq!(record.due_at, due_at);
        assert!(record.decided_at >= due_at, "decided {} before {due_at}", record.decided_at);
        let late_ms = record.sent_at.unwrap().since(due_at).as_millis();
        assert!(late_ms < 10_000, "the sweep hands an alarm on before it is due: this one was {late_ms} ms late");
        tell(format!("moment to provider, found by the sweep: {late_ms} ms"));
        assert_eq!(stage.sms_to(&sue.phone).await.len(), 1);
    });
}

#[test]
fn a_client_whose_clock_is_wrong_is_understood() {
    run(async {
        let stage = Stage::shared().await;
        let far_off = Span::from_hours(7);
        let tim = Shopper::new("wrong-clock");
        let left_at = left_so_that_due_in(600);
        let says = left_at.minus(far_off);
        let request = json!({
            "batch": [tim.is_customer_with_phone(says), tim.adds(says, "Mug")],
            "sentAt": now().minus(far_off).to_string(),
            "writeKey": WRITE_KEY,
        });
        assert_eq!(stage.post_json("/v1/batch", &request).await.status, 200);
        let stored = stage.stored_when(tim.key(), "it is applied", |stored| !stored.state.cart.is_empty()).await;
        let corrected_by = stored.state.clock.since(left_at).as_millis();
        assert!((0..5_000).contains(&corrected_by), "applied {corrected_by} ms off");
    });
}
