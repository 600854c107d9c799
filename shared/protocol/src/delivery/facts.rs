//! What a write of a delivery's record makes known: most of what comes back for a message reaches its record and not its user's
//! mailbox.

use kairos_engine::facts::{DeliveryFact, DeliveryOutcome, Fact, row};
use kairos_engine::time::Timestamp;

use super::record::{DeliveryRecord, Status};

/// The rows that a write of a record adds to the archive: how it stands now, when that has changed, and what came back for the
/// first time. Tests of the shop's own are about nobody.
///
/// A row is told apart by its delivery, the record's revision and its number.
pub fn rows(before: Option<&DeliveryRecord>, after: &DeliveryRecord) -> Vec<String> {
    if after.is_of_test() {
        return Vec::new();
    }
    let lines = changes(before, after).into_iter().map(|(outcome, at)| {
        let is_refusal = matches!(outcome, DeliveryOutcome::Refused | DeliveryOutcome::Failed);
        let answer = after.answer.as_ref().filter(|_| is_refusal).map(|answer| answer.code.clone());
        let code = answer.or_else(|| {
            let has_code = matches!(outcome, DeliveryOutcome::Bounced | DeliveryOutcome::Undeliverable);
            after.receipts.code.clone().filter(|_| has_code)
        });
        Fact::Delivery(Box::new(DeliveryFact {
            at,
            delivery: after.delivery,
            outcome,
            play: after.play.clone(),
            message: after.message.clone(),
            channel: after.channel,
            code,
            who: after.who.clone(),
        }))
    });
    let lines = lines.map(|fact| serde_json::to_string(&fact).expect("facts are plain data"));
    let revision = u64::from(after.revision);
    lines.enumerate().filter_map(|(number, line)| row(after.user, revision, number, &line)).collect()
}

fn changes(before: Option<&DeliveryRecord>, after: &DeliveryRecord) -> Vec<(DeliveryOutcome, Timestamp)> {
    let mut changes = Vec::new();
    if before.map(|before| before.status) != Some(after.status) {
        let outcome = match after.status {
            Status::Sent => Some(DeliveryOutcome::Accepted),
            Status::Expired => Some(DeliveryOutcome::Expired),
            Status::Refused => Some(DeliveryOutcome::Refused),
            Status::Unconfirmed => Some(DeliveryOutcome::Unconfirmed),
            Status::Failed => Some(DeliveryOutcome::Failed),
            Status::Claimed | Status::Waiting => None,
        };
        changes.extend(outcome.map(|outcome| (outcome, after.changed_at)));
    }
    let (was, is) = (before.map(|before| &before.receipts), &after.receipts);
    let first = |was: Option<Option<Timestamp>>, is: Option<Timestamp>| is.filter(|_| was.flatten().is_none());
    // One that was refused has not been taken: its receipt says the same once more.
    let failed_at = is.failed_at.filter(|_| after.status != Status::Refused);
    for (outcome, at) in [
        (DeliveryOutcome::Delivered, first(was.map(|was| was.delivered_at), is.delivered_at)),
        (DeliveryOutcome::Read, first(was.map(|was| was.read_at), is.read_at)),
        (DeliveryOutcome::Bounced, first(was.map(|was| was.bounced_at), is.bounced_at)),
        (DeliveryOutcome::Undeliverable, first(was.map(|was| was.failed_at), failed_at)),
        (DeliveryOutcome::Complained, first(was.map(|was| was.complained_at), is.complained_at)),
    ] {
        changes.extend(at.map(|at| (outcome, at)));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::facts::Row;
    use kairos_engine::identifiers::UserKey;

    use crate::delivery::record::TEST_USER;

    fn record(status: Status) -> DeliveryRecord {
        let text = include_str!("../../tests/golden/delivery_record_v1.json");
        DeliveryRecord { status, ..DeliveryRecord::from_json(text).unwrap() }
    }

    fn told(before: Option<&DeliveryRecord>, after: &DeliveryRecord) -> Vec<DeliveryOutcome> {
        let rows = rows(before, after);
        let read = rows.iter().enumerate().map(|(number, line)| {
            let row: Row = serde_json::from_str(line).unwrap();
            assert_eq!((row.user, row.revision, row.number), (after.user, u64::from(after.revision), number));
            let Fact::Delivery(fact) = row.fact else { panic!("{line}") };
            assert_eq!((fact.delivery, fact.message.as_str()), (after.delivery, after.message.as_str()));
            fact.outcome
        });
        read.collect()
    }

    #[test]
    fn how_a_delivery_ends_is_told_when_it_changes() {
        let claimed = record(Status::Claimed);
        for (status, expected) in [
            (Status::Claimed, None),
            (Status::Waiting, None),
            (Status::Sent, Some(DeliveryOutcome::Accepted)),
            (Status::Expired, Some(DeliveryOutcome::Expired)),
            (Status::Refused, Some(DeliveryOutcome::Refused)),
            (Status::Unconfirmed, Some(DeliveryOutcome::Unconfirmed)),
            (Status::Failed, Some(DeliveryOutcome::Failed)),
        ] {
            let after = record(status);
            assert_eq!(told(Some(&claimed), &after), Vec::from_iter(expected), "{status:?}");
            assert_eq!(told(None, &after), Vec::from_iter(expected), "{status:?}");
            assert_eq!(told(Some(&after), &after), [], "{status:?}");
        }
        let test = DeliveryRecord { user: UserKey::known(TEST_USER), ..record(Status::Sent) };
        assert_eq!(rows(None, &test), Vec::<String>::new());
    }

    #[test]
    fn what_comes_back_is_told_once_and_a_refusal_not_twice() {
        let sent = record(Status::Sent);
        let mut read = sent.clone();
        (read.receipts.delivered_at, read.receipts.read_at) = (Some(sent.due_at), Some(sent.due_at));
        assert_eq!(told(Some(&sent), &read), [DeliveryOutcome::Delivered, DeliveryOutcome::Read]);
        assert_eq!(told(Some(&read), &read), []);
        let mut gone = read.clone();
        gone.receipts.failed_at = Some(sent.due_at);
        gone.receipts.complained_at = Some(sent.due_at);
        assert_eq!(told(Some(&read), &gone), [DeliveryOutcome::Undeliverable, DeliveryOutcome::Complained]);
        // A doubt that a receipt ends.
        let doubtful = record(Status::Unconfirmed);
        let settled = DeliveryRecord { status: Status::Sent, ..read };
        let expected = [DeliveryOutcome::Accepted, DeliveryOutcome::Delivered, DeliveryOutcome::Read];
        assert_eq!(told(Some(&doubtful), &settled), expected);
        let refused = record(Status::Refused);
        let mut noted = refused.clone();
        noted.receipts.failed_at = Some(sent.due_at);
        assert_eq!(told(Some(&refused), &noted), []);
    }
}
