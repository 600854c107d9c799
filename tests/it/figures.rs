//! Live figures are the truth: what was sent to the shop, each thing once, within a minute.

use std::time::{Duration, Instant};

use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::figures::{FiguresTable, compressed};
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::counts::{Additive, Counts};
use kairos_insights::figures::{Period, counts_of};
use kairos_protocol::figures::ArchivedObjects;
use serde_json::{Value, json};

use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, run, tell};

const SHOPPERS: usize = 24;
/// How often each does something.
const DONE: usize = 3;
/// What each order is worth, in cents.
const CENTS: i64 = 1_250;

/// What stands in the table: all hours since some time ago.
pub(crate) async fn live(stage: &Stage) -> Counts {
    let table = FiguresTable::new(stage.dynamodb.clone(), stage.output("FiguresTable").to_owned());
    let found = table.between(hours_ago(), now()).await.expect("the table answers");
    sum(found.iter().map(|(_, counts)| counts))
}

/// The same, counted again from the archive.
pub(crate) async fn recounted(stage: &Stage) -> Counts {
    let bucket = ArchiveBucket::new(&stage.config, stage.output("ArchiveBucket").to_owned());
    let mut counts = Counts::default();
    for name in bucket.all_names("facts/").await.expect("the bucket answers") {
        assert!(Period::of_object(&name).is_some(), "{name}");
        counts.add(&counts_of(&bucket.read(&name).await.expect("the object reads").rows));
    }
    counts
}

fn hours_ago() -> Timestamp {
    now().minus(Span::from_hours(6))
}

fn sum<'c>(counts: impl Iterator<Item = &'c Counts>) -> Counts {
    counts.fold(Counts::default(), |mut sum, one| {
        sum.add(one);
        sum
    })
}

/// Somebody who came by this campaign with a phone.
fn visit(source: &str, mut call: Value) -> Value {
    call["context"] = json!({
        "campaign": {"source": source, "name": "spring"}, "locale": "de-AT",
        "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 Safari/604.1",
        "page": {"url": "https://shop.example/"},
    });
    call
}

#[test]
fn live_figures_are_what_happened_each_thing_once_within_a_minute() {
    run(async {
        let stage = Stage::shared().await;
        let source = "figs";
        let event = "Figures Read";
        let begun = Instant::now();
        for number in 0..SHOPPERS {
            let shopper = Shopper::new("figures");
            let at = now();
            let order = json!({"order_id": format!("order-{number}"), "total": 12.5, "currency": "EUR"});
            let mut calls = vec![visit(source, shopper.identifies(at, json!({"email": shopper.email})))];
            calls.extend((0..DONE).map(|_| visit(source, shopper.track(at, event, json!({})))));
            if number % 2 == 0 {
                calls.push(visit(source, shopper.track(at, "Order Completed", order)));
            }
            // Clients send again what they have not heard of.
            stage.accept(&calls).await;
            stage.accept(&calls).await;
        }
        let sent = Instant::now();
        let expected = (SHOPPERS as u64, (SHOPPERS * DONE) as u64, SHOPPERS as u64 / 2);
        let counts = eventually("the figures are there", PATIENCE, async || {
            let counts = live(stage).await;
            let welcome = counts.plays.get("welcome").and_then(|play| play.sources.get(source)).cloned();
            let welcome = welcome.unwrap_or_default();
            let found = (
                welcome.accepted,
                counts.custom_events.get(event).copied().unwrap_or_default(),
                counts.sources.get(source).map_or(0, |cut| cut.orders.orders),
            );
            if found == expected { Ok(counts) } else { Err(format!("{found:?} instead of {expected:?}")) }
        })
        .await;
        let took = sent.elapsed();
        assert!(took < Duration::from_secs(60), "{took:?}");
        let cut = counts.sources.get(source).unwrap();
        assert_eq!((cut.plays.sent, cut.plays.considered), (SHOPPERS as u64, SHOPPERS as u64));
        let euros = cut.orders.value.get("EUR").unwrap();
        assert_eq!((euros.count, euros.value.get()), (SHOPPERS as u64 / 2, SHOPPERS as i64 / 2 * CENTS * 10_000));
        assert_eq!(cut.orders.after_message, cut.orders.orders, "each was welcomed before");
        assert_eq!(counts.campaigns.get("spring").unwrap().orders.orders, cut.orders.orders);
        let welcome = counts.plays.get("welcome").unwrap();
        let email = welcome.messages.get("welcome").and_then(|message| message.get("email")).unwrap();
        assert!(email.sent >= SHOPPERS as u64 && email.accepted >= SHOPPERS as u64, "{email:#?}");
        assert!(welcome.devices.get("phone").unwrap().sent >= SHOPPERS as u64);
        assert!(counts.regions.get("AT").unwrap().orders.orders >= cut.orders.orders);
        tell(format!(
            "figures: {} events of {SHOPPERS} shoppers, each sent twice, are counted {} ms after the last of {} ms; \
             the hour takes {} bytes",
            SHOPPERS * (DONE + 1) + SHOPPERS / 2,
            took.as_millis(),
            sent.duration_since(begun).as_millis(),
            compressed(&counts).len()
        ));
    });
}

/// Counting the archive again gives what stands in the table, on a stage on which nobody is erased. (Something may happen
/// meanwhile: then both are asked again.)
pub(crate) async fn is_the_archives(stage: &Stage) -> Counts {
    eventually("the figures are those of the archive", PATIENCE, async || {
        let (again, live) = (recounted(stage).await, live(stage).await);
        if live == again {
            return Ok(live);
        }
        Err(format!("{} rows live, {} rows counted again", live.rows, again.rows))
    })
    .await
}
