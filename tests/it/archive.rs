//! What happened stands in the archive: everything, once, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use kairos_backtest::{Options, Progress, PurchaseColumns, Reachable};
use kairos_cli::commands::archive::erase;
use kairos_cloud::archive::ArchiveBucket;
use kairos_engine::facts::{Fact, Row};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use kairos_engine::program::Program;
use kairos_engine::time::Span;
use serde_json::json;

use crate::harness::playbook::{CART_WAIT, LATELY, SWATCH_ORDERED, playbook};
use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, root, run, tell};

/// All rows of the archive, in the order of its objects' names, with the object of each.
pub(crate) async fn rows(stage: &Stage) -> Vec<(String, Row)> {
    let bucket = ArchiveBucket::new(&stage.config, stage.output("ArchiveBucket").to_owned());
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let names = bucket.names("facts/", after).await.expect("the bucket answers");
        for name in &names {
            let object = bucket.read(name).await.expect("the object reads");
            let read = object
                .rows
                .lines()
                .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
            rows.extend(read.map(|row: Row| (name.clone(), row)));
        }
        match names.into_iter().last() {
            Some(last) => after = Some(last),
            None => return rows,
        }
    }
}

/// The rows of these users, as soon as there are all that are to come. Each row is there once.
pub(crate) async fn rows_of(
    stage: &Stage,
    users: &BTreeSet<UserKey>,
    is_complete: impl Fn(UserKey, &[Row]) -> bool,
) -> BTreeMap<UserKey, Vec<Row>> {
    eventually("the archive has caught up", PATIENCE, async || {
        let mut found: BTreeMap<UserKey, Vec<Row>> = users.iter().map(|user| (*user, Vec::new())).collect();
        let mut ids = BTreeSet::new();
        for (name, row) in rows(stage).await {
            let delivery = match &row.fact {
                Fact::Delivery(delivery) => Some(delivery.delivery),
                _ => None,
            };
            if let Some(rows) = found.get_mut(&row.user) {
                assert!(ids.insert((row.user, delivery, row.revision, row.number)), "{name} repeats {row:?}");
                // What became of deliveries has an order of its own.
                if delivery.is_none() {
                    rows.push(row);
                }
            }
        }
        match found.iter().find(|(user, rows)| !is_complete(**user, rows)) {
            Some((user, rows)) => Err(format!("{user}: {rows:#?}")),
            None => Ok(found),
        }
    })
    .await
}

/// How many messages were decided, by rows.
fn sent(rows: &[Row]) -> usize {
    let is_sent = |row: &&Row| matches!(&row.fact, Fact::Decision(decision) if decision.outcome == "sent");
    rows.iter().filter(is_sent).count()
}

/// The events among rows, by their ids.
pub(crate) fn events(rows: &[Row]) -> Vec<String> {
    let events = rows.iter().filter_map(|row| match &row.fact {
        Fact::Input { input, .. } => match input.as_ref() {
            Input::Event { event, .. } => Some(event.id.to_string()),
            _ => None,
        },
        _ => None,
    });
    events.collect()
}

#[test]
fn what_happened_and_what_was_decided_is_kept() {
    run(async {
        let stage = Stage::shared().await;
        let shopper = Shopper::new("archive");
        let left_at = now().minus(CART_WAIT);
        stage.accept(&[shopper.is_customer_with_email(left_at), shopper.adds(left_at, "Mug")]).await;
        let deliveries = stage.sent(shopper.key(), 1).await;
        stage.accept(&[shopper.track(now(), SWATCH_ORDERED, json!({}))]).await;
        stage.stored_when(shopper.key(), "the order is applied", |stored| stored.state.segment_changes > 0).await;

        let users = BTreeSet::from([shopper.key()]);
        let is_complete = |_, rows: &[Row]| sent(rows) == 1 && events(rows).len() >= 3;
        let rows = rows_of(stage, &users, is_complete).await.remove(&shopper.key()).unwrap();
        // What happened, with its properties, once.
        let ids = events(&rows);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{rows:#?}");
        let text = serde_json::to_string(&rows).unwrap();
        assert!(text.contains("\"name\":\"Mug\"") && text.contains(&shopper.email), "{text}");
        // What was decided, with message and delivery.
        let decisions = rows.iter().filter_map(|row| match &row.fact {
            Fact::Decision(decision) => Some(decision),
            _ => None,
        });
        let decided: Vec<_> = decisions.filter(|decision| decision.outcome == "sent").collect();
        assert_eq!(decided.len(), 1, "{rows:#?}");
        assert_eq!(decided[0].delivery, Some(deliveries[0].delivery));
        assert!(decided[0].message.is_some() && decided[0].channel.is_some(), "{decided:?}");
        // What became of them.
        let entered =
            |row: &Row| matches!(&row.fact, Fact::Segment { segment, entered: true, .. } if **segment == *LATELY);
        assert_eq!(rows.iter().filter(|row| entered(row)).count(), 1, "{rows:#?}");
        // In the order of the commits.
        assert!(rows.is_sorted_by_key(|row| (row.revision, row.number)), "{rows:#?}");
    });
}

#[test]
fn a_backtest_of_the_archive_decides_what_was_decided() {
    run(async {
        let stage = Stage::shared().await;
        let shoppers: Vec<Shopper> = (0..12).map(|_| Shopper::new("replayed")).collect();
        let left_at = now().minus(CART_WAIT);
        for shopper in &shoppers {
            stage.accept(&[shopper.is_customer_with_email(left_at), shopper.adds(left_at, "Mug")]).await;
        }
        for shopper in &shoppers {
            stage.sent(shopper.key(), 1).await;
        }
        let users = shoppers.iter().map(Shopper::key).collect();
        let rows = rows_of(stage, &users, |_, rows| sent(rows) == 1).await;
        let mut recording = String::new();
        for row in rows.values().flatten() {
            recording.push_str(&format!("{}\n", serde_json::to_string(row).unwrap()));
        }
        let program = Program::new(playbook(&stage.receiver.url())).unwrap();
        let options = Options {
            format: None,
            purchases: PurchaseColumns::default(),
            window: None,
            until: CART_WAIT,
            threads: 2,
            now: now().plus(Span::from_hours(1)),
            source: None,
            currency: None,
            reachable: Reachable { email: false, sms: false, visitors: false },
            users: false,
        };
        let input = Box::new(std::io::Cursor::new(recording.into_bytes()));
        let file = kairos_backtest::File { name: "archive".into(), input };
        let report = kairos_backtest::run(&program, None, vec![file], &options, &Progress::default()).unwrap();
        assert!(report.recording.events as usize >= 2 * shoppers.len(), "{:#?}", report.recording);
        assert_eq!(report.playbook.total.sent as usize, shoppers.len(), "{:#?}", report.playbook.total);
        tell(format!("archive: {} rows of {} users played again", rows.values().flatten().count(), shoppers.len()));
    });
}

#[test]
fn whoever_is_erased_is_gone_with_the_visitor_they_were_and_nobody_else() {
    run(async {
        let stage = Stage::shared().await;
        let (erased, other) = (Shopper::new("erased"), Shopper::new("kept"));
        let at = now();
        stage.accept(&[erased.as_visitor(erased.adds(at, "Mug")), other.adds(at, "Mug")]).await;
        let mut identify = erased.is_customer_with_phone(at.plus(Span::from_millis(1)));
        identify["anonymousId"] = json!(erased.anonymous_id);
        stage.accept(&[identify]).await;
        let visitor = UserKey::anonymous(&erased.anonymous_id);
        let users = BTreeSet::from([erased.key(), visitor, other.key()]);
        let merged = |row: &Row| matches!(&row.fact, Fact::Merged { from, .. } if *from == visitor);
        let is_complete = |user, rows: &[Row]| match user == erased.key() {
            true => rows.iter().any(merged),
            false => !events(rows).is_empty(),
        };
        let before = rows_of(stage, &users, is_complete).await;

        let bucket = ArchiveBucket::new(&stage.config, stage.output("ArchiveBucket").to_owned());
        let counted = erase(&bucket, BTreeSet::from([erased.key()]), false).await.unwrap();
        let gone = before[&erased.key()].len() + before[&visitor].len();
        assert_eq!((counted.rows, counted.identities), (gone, 2));
        assert_eq!(rows_of(stage, &users, is_complete).await, before, "counting changes nothing");
        assert_eq!(erase(&bucket, BTreeSet::from([erased.key()]), true).await.unwrap(), counted);
        let after = rows_of(stage, &users, |_, _| true).await;
        assert_eq!((after[&erased.key()].len(), after[&visitor].len()), (0, 0));
        assert_eq!(after[&other.key()], before[&other.key()]);
    });
}

#[test]
fn the_table_for_athena_has_a_column_for_everything_in_a_row() {
    let sql = std::fs::read_to_string(root().join("infra/athena/facts.sql")).unwrap();
    let columns: BTreeSet<&str> = sql
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter_map(|line| line.split_whitespace().next())
        .map(|name| name.trim_matches('`'))
        .collect();
    for golden in ["facts_v1.ndjson", "facts_v1_figures.ndjson"] {
        let golden = root().join("shared/engine/tests/golden").join(golden);
        for line in std::fs::read_to_string(golden).unwrap().lines() {
            let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            for name in row.keys() {
                assert!(columns.contains(name.as_str()), "infra/athena/facts.sql has no column {name}");
            }
        }
    }
}
