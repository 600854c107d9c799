//! Who is in which segment: with the event that causes it, at the instant at which time alone changes it, and
//! for those who stay away when the playbook changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::TryStreamExt;
use kairos_cli::commands::segments::backfill::{self, Backfilled};
use kairos_cli::commands::segments::{Format, count, export, watched_since};
use kairos_cli::target::Target;
use kairos_cloud::backfills::Backfills;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::users::UserFound;
use kairos_engine::identifiers::UserKey;
use kairos_engine::playbook::{Playbook, PlaybookVersion, Segment};
use kairos_engine::program::Program;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::segmentation::Backfills as _;
use serde_json::{Value, json};

use crate::harness::playbook::{COLLECTORS, LATELY, LATELY_FOR, SWATCH_ORDERED, did, playbook};
use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, run, spread, tell};

const SHOPPERS: usize = 40;
const DAY: Span = Span::from_hours(24);

/// Everybody in a segment of this playbook, with since when.
async fn members_of(stage: &Stage, program: &Program, segment: &str) -> BTreeMap<UserKey, Timestamp> {
    let pages: Vec<_> = stage.users.everybody().try_collect().await.expect("the users table answers");
    let users = pages.into_iter().flatten();
    let since = |(user, state): UserFound| {
        let state = state.expect("everybody can be read");
        let memberships = program.memberships(&state);
        let membership = memberships.iter().find(|(name, _)| *name == segment);
        membership.map(|(_, since)| (user, *since))
    };
    users.filter_map(since).collect()
}

/// The same of the playbook of most tests.
async fn members(stage: &Stage, segment: &str) -> BTreeMap<UserKey, Timestamp> {
    members_of(stage, &Program::new(playbook(&stage.receiver.url())).unwrap(), segment).await
}

fn orders_swatch(shopper: &Shopper, at: Timestamp) -> Value {
    shopper.track(at, SWATCH_ORDERED, json!({}))
}

#[test]
fn users_enter_with_the_event_and_leave_when_time_alone_says_so() {
    run(async {
        let stage = Stage::shared().await;
        let shoppers: Vec<Shopper> = (0..SHOPPERS).map(|_| Shopper::new("lately")).collect();
        // Spread over seconds and, on purpose, over parts of a second: queues delay by whole ones.
        let first_at = now().minus(Span::from_secs(4));
        let orders: Vec<Timestamp> =
            (0..SHOPPERS).map(|index| first_at.plus(Span::from_millis(index as i64 * 83))).collect();
        let calls = shoppers.iter().zip(&orders).map(|(shopper, at)| orders_swatch(shopper, *at));
        stage.accept(&calls.collect::<Vec<_>>()).await;
        let due: BTreeMap<UserKey, Timestamp> =
            shoppers.iter().zip(&orders).map(|(shopper, at)| (shopper.key(), at.plus(LATELY_FOR))).collect();

        let mut entered: BTreeMap<UserKey, Timestamp> = BTreeMap::new();
        let mut left: BTreeMap<UserKey, Timestamp> = BTreeMap::new();
        eventually("everybody has entered and left", PATIENCE, async || {
            let members = members(stage, LATELY).await;
            let looked_at = now();
            for user in due.keys() {
                match members.get(user) {
                    Some(since) => drop(entered.insert(*user, *since)),
                    None if entered.contains_key(user) => drop(left.entry(*user).or_insert(looked_at)),
                    None => {}
                }
            }
            if left.len() == due.len() {
                Ok(())
            } else {
                Err(format!("{} entered, {} left", entered.len(), left.len()))
            }
        })
        .await;

        for (shopper, at) in shoppers.iter().zip(&orders) {
            assert_eq!(entered[&shopper.key()], *at, "they are in since what they did");
        }
        let late_ms: Vec<i64> = due.iter().map(|(user, due)| left[user].since(*due).as_millis()).collect();
        assert!(late_ms.iter().all(|late| *late >= 0), "left early: {late_ms:?}");
        for (user, due) in &due {
            let stored = stage.stored(*user).await.unwrap();
            assert!(stored.state.clock >= *due && stored.state.watched.is_empty(), "{:?}", stored.state);
            assert_eq!(stored.state.segment_changes, 2, "in and out, once each");
        }
        let over_a_second = late_ms.iter().filter(|late| **late > 1_000).count();
        tell(format!("out of a segment by time, as lists see it: {}; {over_a_second} over a second", spread(late_ms)));
    });
}

#[test]
fn an_export_lists_exactly_the_members() {
    run(async {
        let stage = Stage::shared().await;
        let at = now().minus(Span::from_mins(5));
        let [ann, ben, eva, once] = ["ann", "ben, \"the\" collector", "eva", "once"].map(Shopper::new);
        stage
            .accept(&[
                ann.is_customer_with_email(at),
                orders_swatch(&ann, at),
                orders_swatch(&ann, at.plus(Span::from_secs(1))),
                ben.is_customer_with_phone(at),
                orders_swatch(&ben, at),
                orders_swatch(&ben, at.plus(Span::from_secs(2))),
                orders_swatch(&once, at),
                // A visitor is one of them, until it turns out who that is.
                eva.as_visitor(orders_swatch(&eva, at)),
                eva.as_visitor(orders_swatch(&eva, at.plus(Span::from_secs(3)))),
            ])
            .await;
        let visitor = UserKey::anonymous(&eva.anonymous_id);
        eventually("the visitor is in", PATIENCE, async || {
            let members = members(stage, COLLECTORS).await;
            if members.contains_key(&visitor) { Ok(()) } else { Err(format!("{members:?}")) }
        })
        .await;
        let mut identify = eva.is_customer_with_email(now());
        identify["anonymousId"] = json!(eva.anonymous_id);
        stage.accept(&[identify]).await;

        let wanted: BTreeSet<UserKey> = [&ann, &ben, &eva].map(Shopper::key).into();
        eventually("those three are in", PATIENCE, async || {
            let members: BTreeSet<UserKey> = members(stage, COLLECTORS).await.into_keys().collect();
            if members == wanted { Ok(()) } else { Err(format!("{members:?} instead of {wanted:?}")) }
        })
        .await;
        let program = Program::new(playbook(&stage.receiver.url())).unwrap();
        assert_eq!(count(&program, &stage.users).await.unwrap()[COLLECTORS], 3);

        let mut text = Vec::new();
        let exported = export(&program, &stage.users, COLLECTORS, Format::Json, &mut text).await.unwrap();
        let rows: Vec<Value> =
            String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((exported, rows.len()), (3, 3));
        let row = |shopper: &Shopper| rows.iter().find(|row| row["user_id"] == json!(shopper.user_id)).unwrap();
        assert_eq!(row(&ann)["email"], json!(ann.email));
        assert_eq!(row(&ann)["entered_at"], json!(at.plus(Span::from_secs(1)).to_string()));
        assert_eq!(row(&ben)["phone"], json!(ben.phone));
        assert_eq!(row(&eva)["email"], json!(eva.email));

        let mut text = Vec::new();
        export(&program, &stage.users, COLLECTORS, Format::Csv, &mut text).await.unwrap();
        let text = String::from_utf8(text).unwrap();
        let quoted = format!("\"{}\",,,{},", ben.user_id.replace('"', "\"\""), ben.phone);
        assert!(text.starts_with("user_id,anonymous_id,email,phone,entered_at\n"), "{text}");
        assert!(text.lines().any(|line| line.starts_with(&quoted)), "{text}");
    });
}

/// Nobody does anything after the publication: the scheduler starts `segmentation`, which puts ticks into mailboxes.
#[test]
fn a_publication_brings_those_up_to_date_who_stay_away() {
    run(async {
        let stage = Stage::alone().await;
        let started_at = now();
        let at = |ago: Span| started_at.minus(ago);
        let (lately_active, before): (Vec<_>, Vec<_>) = (0..SHOPPERS)
            .map(|index| Shopper::new(if index % 4 == 0 { "days-ago" } else { "hours-ago" }))
            .partition(|shopper| shopper.user_id.starts_with("hours"));
        let twice = |shopper: &Shopper, ago: Span| {
            [orders_swatch(shopper, at(ago)), orders_swatch(shopper, at(ago).plus(Span::from_secs(1)))]
        };
        let calls = lately_active.iter().flat_map(|shopper| twice(shopper, Span::from_hours(3)));
        let calls = calls.chain(before.iter().flat_map(|shopper| twice(shopper, Span::from_hours(72))));
        let calls = calls
            .chain(before.iter().map(|shopper| shopper.track(at(Span::from_hours(2)), "Swatch Viewed", json!({}))));
        stage.accept(&calls.collect::<Vec<_>>()).await;
        let everybody: BTreeSet<UserKey> = lately_active.iter().chain(&before).map(Shopper::key).collect();
        eventually("everybody is in a segment of the playbook before", PATIENCE, async || {
            let members: BTreeSet<UserKey> = members(stage, COLLECTORS).await.into_keys().collect();
            if members == everybody { Ok(()) } else { Err(format!("{} of {}", members.len(), everybody.len())) }
        })
        .await;

        // Twice within a day is asked of what was kept for twice within a week; of other events nothing was kept.
        let [twice_a_day, viewers] = ["twice_a_day", "viewers"];
        let first = playbook(&stage.receiver.url());
        let mut second = Playbook { version: PlaybookVersion("second".into()), ..first };
        second.segments.push(Segment {
            name: twice_a_day.into(),
            title: "Ordered two swatches within a day".into(),
            who: did(SWATCH_ORDERED, 2, Some(DAY)),
        });
        second.segments.push(Segment {
            name: viewers.into(),
            title: "Looked at a swatch".into(),
            who: did("Swatch Viewed", 1, Some(DAY)),
        });
        second.segments.retain(|segment| segment.name != "twice_a_week");
        assert!(!members(stage, "twice_a_week").await.is_empty());
        let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
        let publication = store.publish(&second).await.unwrap();
        assert!(publication.watches_anew);
        assert_eq!(publication.watched_from_now, 1, "the views; orders were watched");
        let published_at = now();
        let program = store.version(&second.version).await.unwrap();
        let program = Program::new(program.as_ref().clone()).unwrap();

        let wanted: BTreeSet<UserKey> = lately_active.iter().map(Shopper::key).collect();
        let patience = PATIENCE + Duration::from_secs(150);
        eventually("those who stayed away are in the new segment", patience, async || {
            let members: BTreeSet<UserKey> = members_of(stage, &program, twice_a_day).await.into_keys().collect();
            if members == wanted { Ok(()) } else { Err(format!("{} of {}", members.len(), wanted.len())) }
        })
        .await;
        tell(format!(
            "a changed playbook reached everybody {} s after it was published",
            now().since(published_at).as_millis() / 1_000
        ));

        for user in &everybody {
            stage
                .stored_when(*user, "they are on the new program", |stored| {
                    stored.state.program == program.fingerprint()
                })
                .await;
        }
        eventually("nobody is in a segment that is gone", PATIENCE, async || {
            let members = members(stage, "twice_a_week").await;
            if members.is_empty() { Ok(()) } else { Err(format!("{members:?}")) }
        })
        .await;
        let backfills = Backfills::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
        let record = backfills.load().await.unwrap().unwrap();
        assert_eq!((record.program, record.told()), (program.fingerprint(), everybody.len() as u64));

        let since = |name: &str| watched_since(&program, program.playbook().segment(name).unwrap());
        assert_eq!(since(COLLECTORS), None, "watched from the beginning");
        assert_eq!(since(twice_a_day), None, "what it asks for was kept before");
        let viewed_since = since(viewers).unwrap();
        assert!(viewed_since >= started_at && viewed_since <= published_at, "{viewed_since}");
        assert!(members_of(stage, &program, viewers).await.is_empty(), "nobody kept who looked at what");

        // The archive knows it.
        let target = Target::local(stage.stack.clone());
        let backfilled = backfill::run(&target, None).await.unwrap().unwrap();
        assert_eq!(backfilled, Backfilled { told: before.len(), left: 0, since: None });
        let looked: BTreeSet<UserKey> = before.iter().map(Shopper::key).collect();
        assert_eq!(members_of(stage, &program, viewers).await.into_keys().collect::<BTreeSet<_>>(), looked);
        let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
        let program = Program::new(store.version(&second.version).await.unwrap().as_ref().clone()).unwrap();
        assert_eq!(
            watched_since(&program, program.playbook().segment(viewers).unwrap()),
            None,
            "as if from the beginning"
        );
        assert_eq!(backfill::run(&target, None).await.unwrap(), None, "there is nothing more to tell");
    });
}
