//! That retries give the same messages, and that nothing is out of order.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::bounds::{MAILBOX_INPUTS_MAX, MAILBOX_MESSAGE_BYTES_MAX};
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::MailboxMessage;
use kairos_engine::time::{Span, Timestamp};
use kairos_ingest::resolve::{Resolved, resolve};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

const BASIC_HEADER: [(&str, &str); 1] = [("authorization", BASIC)];

fn packed(batch: &[Value], sent_at: Option<Timestamp>, received_at: Timestamp) -> Vec<MailboxMessage> {
    let body = json!({"batch": batch, "sentAt": sent_at.map(|time| time.to_string())});
    match resolve(&post("/v1/batch", &BASIC_HEADER, &body), Some(&sources()), received_at) {
        Resolved::Submission(submission) => {
            assert_eq!(submission.refused, []);
            submission.messages
        }
        Resolved::Answer { response, .. } => panic!("{:?}", response.body),
    }
}

fn ids(messages: &[MailboxMessage]) -> Vec<InputId> {
    messages.iter().map(MailboxMessage::id).collect()
}

#[test]
fn events_of_one_user_share_a_message_until_it_is_full() {
    let batch: Vec<Value> =
        (0..MAILBOX_INPUTS_MAX + 1).map(|n| json!({"type": "page", "userId": "u", "messageId": n})).collect();
    let messages = packed(&batch, None, at(RECEIVED));
    assert_eq!(messages.iter().map(|message| message.inputs().len()).collect::<Vec<_>>(), [MAILBOX_INPUTS_MAX, 1]);

    let large: Vec<Value> = (0..14)
        .map(|n| json!({"type": "page", "userId": "u", "messageId": n, "properties": {"x": "y".repeat(30_000)}}))
        .collect();
    let messages = packed(&large, None, at(RECEIVED));
    assert_eq!(messages.iter().map(|message| message.inputs().len()).collect::<Vec<_>>(), [6, 6, 2]);
    for message in messages {
        assert!(serde_json::to_string(&message).unwrap().len() <= MAILBOX_MESSAGE_BYTES_MAX);
    }
}

#[test]
fn the_same_event_twice_in_a_request_is_one() {
    let event = json!({"type": "identify", "userId": "u", "anonymousId": "a", "messageId": "m"});
    let once = packed(std::slice::from_ref(&event), None, at(RECEIVED));
    let many = vec![event; 2 * MAILBOX_INPUTS_MAX + 7];
    let body = json!({ "batch": many });
    let submission = submitted(&post("/v1/batch", &BASIC_HEADER, &body));
    assert_eq!(submission.messages, once);
    assert_eq!((submission.accepted, submission.duplicates), (many.len(), 2 * (many.len() - 1)));
}

#[test]
fn the_same_message_id_from_two_users_is_two_events() {
    let messages = packed(
        &[
            json!({"type": "page", "userId": "u", "messageId": "m"}),
            json!({"type": "page", "userId": "v", "messageId": "m"}),
        ],
        None,
        at(RECEIVED),
    );
    assert_eq!(messages.len(), 2);
    assert_ne!(messages[0].id(), messages[1].id());
}

#[test]
fn a_retry_that_arrives_when_other_times_are_clamped_gives_the_same_messages() {
    // The first attempt arrives by a clock that is behind the client's: the later event is clamped.
    let batch = [
        json!({"type": "page", "userId": "u", "messageId": 1, "timestamp": "2026-11-21T10:00:05Z"}),
        json!({"type": "page", "userId": "u", "messageId": 2, "timestamp": "2026-11-21T10:00:04Z"}),
        json!({"type": "page", "userId": "u", "messageId": 3}),
    ];
    let first = packed(&batch, None, at("2026-11-21T10:00:03Z"));
    let second = packed(&batch, None, at("2026-11-21T10:00:09Z"));
    assert_eq!(ids(&first), ids(&second));
}

fn any_batch() -> impl Strategy<Value = Vec<Value>> {
    let event = (0..3_u8, 0..3_u8, 0..40_u8, prop::option::of(-5_000..5_000_i64), 0..1_500_usize);
    prop::collection::vec(event, 0..30).prop_map(|events| {
        let base = at(RECEIVED);
        events
            .into_iter()
            .enumerate()
            .map(|(index, (user, kind, message, offset, padding))| {
                let time = offset.map(|offset| base.plus(Span::from_millis(offset)).to_string());
                let message = if message < 25 { json!(format!("{index}")) } else { json!(message) };
                let kind = ["page", "identify", "alias"][usize::from(kind)];
                json!({
                    "type": kind,
                    "userId": format!("u{user}"), "anonymousId": format!("a{}", user / 2), "previousId": "a0",
                    "messageId": message, "timestamp": time, "context": {"x": "y".repeat(padding * 10)},
                })
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn a_retry_gives_the_same_messages_with_the_same_ids(batch in any_batch(), with_sent_at: bool, later_ms in 0..9_000_i64) {
        let (sent, received) = (at(RECEIVED), at(RECEIVED).plus(Span::from_millis(120)));
        let again = received.plus(Span::from_millis(later_ms));
        // Segment's clients say anew when they send; others repeat what they said.
        let resent = if later_ms % 2 == 0 { sent } else { sent.plus(Span::from_millis(later_ms)) };
        let first = packed(&batch, with_sent_at.then_some(sent), received);
        let second = packed(&batch, with_sent_at.then_some(resent), again);
        prop_assert_eq!(ids(&first), ids(&second));
        let inputs = |messages: &[MailboxMessage]| -> Vec<_> {
            messages.iter().flat_map(MailboxMessage::inputs).map(|input| input.id()).collect::<Vec<_>>()
        };
        prop_assert_eq!(inputs(&first), inputs(&second));
        let distinct: BTreeSet<InputId> = ids(&first).into_iter().collect();
        prop_assert_eq!(distinct.len(), first.len(), "no two messages of a request have the same id");
    }

    #[test]
    fn each_users_inputs_keep_the_order_of_their_time_and_of_sending(mut batch in any_batch()) {
        // Which event an input comes from is told by its id: here no two have the same.
        for (index, event) in batch.iter_mut().enumerate() {
            event["messageId"] = json!(format!("{index}"));
        }
        let messages = packed(&batch, None, at(RECEIVED));
        let mut users: BTreeMap<UserKey, Vec<(Timestamp, usize)>> = BTreeMap::new();
        let place = |id: &InputId| {
            batch.iter().position(|event| {
                let message = event["messageId"].as_str().map_or_else(|| event["messageId"].to_string(), str::to_owned);
                let cause = InputId::of_message("web", &message);
                let actors = ["u0", "u1", "u2", "u3", "a0", "a1"];
                cause == *id || actors.iter().flat_map(|name| [UserKey::known(name), UserKey::anonymous(name)])
                    .any(|actor| InputId::caused_by(cause, "link", actor) == *id)
            }).unwrap()
        };
        for message in &messages {
            let seen = users.entry(message.user()).or_default();
            for input in message.inputs() {
                seen.push((input.at(), place(&input.id().unwrap())));
            }
        }
        for order in users.values() {
            for pair in order.windows(2) {
                prop_assert!(pair[0].0 <= pair[1].0, "by the user's own time");
                // Times in the future are all clamped to the receipt and keep the order they had.
                if pair[0].0 == pair[1].0 && pair[0].0 < at(RECEIVED) {
                    prop_assert!(pair[0].1 <= pair[1].1, "and as sent where times are equal");
                }
            }
        }
    }
}
