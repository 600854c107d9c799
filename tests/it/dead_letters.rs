//! What cannot be read ends in a dead-letter queue, and holds nobody up but its own mailbox.

use std::collections::BTreeSet;
use std::time::Duration;

use kairos_engine::identifiers::UserKey;
use serde_json::json;

use crate::harness::shopper::{left_so_that_due_in, now};
use crate::harness::world::Depth;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, run, spread, tell};

/// Ten deliveries, 2 s apart.
const DEAD_AFTER: Duration = Duration::from_secs(20);

#[test]
fn a_poisoned_mailbox_holds_nobody_else_up_and_ends_in_the_dead_letter_queue() {
    run(async {
        let stage = Stage::rough().await;
        let poisoned = Shopper::new("poisoned");
        stage
            .sqs
            .send_message()
            .queue_url(stage.output("EventsQueueUrl"))
            .message_group_id(poisoned.key().to_string())
            .message_deduplication_id("poison")
            .message_body("{\"v\":\"1\",\"poison\":true}")
            .send()
            .await
            .unwrap();
        // Behind the poison, in the same mailbox.
        let behind_at = now();
        stage.accept(&[poisoned.adds(behind_at, "Mug")]).await;

        let started_at = now();
        let mut applied_after_ms = Vec::new();
        while stage.depth("EventsDeadLettersUrl").await == Depth(0) {
            assert!(now().since(started_at).as_millis() < 120_000, "the poison never reached the dead-letter queue");
            let other = Shopper::new("beside-poison");
            let at = now();
            stage.accept(&[other.adds(at, "Mug")]).await;
            stage.applied_to(&other, at).await;
            applied_after_ms.push(now().since(at).as_millis());
        }
        tell(format!("request to committed user beside a poisoned mailbox: {}", spread(applied_after_ms.clone())));
        let slowest = applied_after_ms.into_iter().max().unwrap_or(0);
        assert!(slowest < DEAD_AFTER.as_millis() as i64 / 2, "others waited up to {slowest} ms");

        // What stood behind the poison is applied once it is gone, and the poison can be looked at.
        stage.applied_to(&poisoned, behind_at).await;
        let letters = dead_letters(stage, "EventsDeadLettersUrl").await;
        assert_eq!(letters, BTreeSet::from(["{\"v\":\"1\",\"poison\":true}".to_owned()]));
    });
}

#[test]
fn an_alarm_that_cannot_be_read_ends_in_its_dead_letter_queue() {
    run(async {
        let stage = Stage::rough().await;
        let body = json!({"v": "1", "user": "nobody"}).to_string();
        let queue = stage.output("AlarmsQueueUrl");
        stage.sqs.send_message().queue_url(queue).message_body(&body).send().await.unwrap();
        // An alarm beside it rings all the same.
        let ida = Shopper::new("beside-bad-alarm");
        let left_at = left_so_that_due_in(2);
        stage.accept(&[ida.is_customer_with_phone(left_at), ida.adds(left_at, "Mug")]).await;
        stage.sent(ida.key(), 1).await;
        eventually("the alarm is dead", PATIENCE, async || {
            let depth = stage.depth("AlarmsDeadLettersUrl").await;
            if depth == Depth(1) { Ok(()) } else { Err(format!("{depth:?}")) }
        })
        .await;
        assert_eq!(dead_letters(stage, "AlarmsDeadLettersUrl").await, BTreeSet::from([body]));
    });
}

#[test]
fn an_alarm_for_nobody_is_harmless() {
    run(async {
        let stage = Stage::shared().await;
        let nobody = UserKey::known("an-alarm-for-nobody");
        let body = json!({"v": "1", "user": nobody, "due_at": now()}).to_string();
        stage.sqs.send_message().queue_url(stage.output("AlarmsQueueUrl")).message_body(body).send().await.unwrap();
        let stored = stage.stored_when(nobody, "the tick is taken for what it is", |_| true).await;
        assert_eq!((stored.alarm_at, stored.state.decisions), (None, 0));
    });
}

/// Takes what is in a dead-letter queue.
async fn dead_letters(stage: &Stage, queue: &str) -> BTreeSet<String> {
    let answer = stage.sqs.receive_message().queue_url(stage.output(queue)).max_number_of_messages(10).send().await;
    let messages = answer.unwrap().messages.unwrap_or_default();
    messages.into_iter().filter_map(|message| message.body).collect()
}
