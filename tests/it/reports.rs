//! What is told of some days is what happened on them.

use std::collections::BTreeSet;

use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::reports::ReportsBucket;
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::UserKey;
use kairos_engine::playbook::{
    Conversions, EventMatch, EventPattern, Funnel, FunnelSplit, FunnelStep, MacroConversion, MicroConversion, Playbook,
    PlaybookVersion,
};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::archive::{ArchiveStore, Object, Put, partition};
use serde_json::{Value, json};

use crate::archive::{events, rows_of};
use crate::harness::playbook::playbook;
use crate::harness::shopper::now;
use crate::harness::stage::OWNER;
use crate::harness::{Shopper, Stage, run, tell};

const DAY: Span = Span::from_hours(24);

/// Orders, what leads to them, and the way there.
pub(crate) fn with_conversions(webhook_url: &str) -> Playbook {
    let track = |name: &str| vec![EventMatch::all(EventPattern::Track(EventName::parse(name)))];
    let step = |name: &str, event: &str| FunnelStep { name: name.into(), of: track(event) };
    let conversions = Conversions {
        macros: vec![MacroConversion {
            name: "order".into(),
            title: "Order".into(),
            of: track("Order Completed"),
            value: Default::default(),
            currency: None,
        }],
        micros: vec![MicroConversion {
            name: "added".into(),
            title: "Added".into(),
            of: track("Product Added"),
            leads_to: "order".into(),
            within: Span::from_hours(1),
        }],
        funnels: vec![Funnel {
            name: "purchase".into(),
            title: "Purchase".into(),
            steps: vec![step("added", "Product Added"), step("ordered", "Order Completed")],
            within: Span::from_hours(1),
            splits: vec![FunnelSplit::Source],
        }],
        ..Conversions::default()
    };
    Playbook { version: PlaybookVersion("reports".into()), conversions, ..playbook(webhook_url) }
}

fn date(at: Timestamp) -> String {
    at.to_string()[..10].to_owned()
}

async fn asked(stage: &Stage, job: &str, day: &str) -> Value {
    stage.engine.invoke("ReportsFunction", &json!({ "job": job, "day": day })).await.expect("the function answers")
}

#[test]
fn a_report_says_what_happened_and_the_owner_hears_of_a_week_once() {
    run(async {
        let stage = Stage::reports().await;
        // Seven add something, three of them then order; two order without; of which one came by an advertisement.
        let shoppers: Vec<Shopper> = (0..9).map(|_| Shopper::new("reported")).collect();
        let begin = now().minus(Span::from_mins(10));
        let order = |shopper: &Shopper, cents: u32| {
            let total = f64::from(cents) / 100.0;
            let properties = json!({"order_id": shopper.key().to_string(), "total": total, "currency": "EUR"});
            shopper.track(begin.plus(Span::from_mins(5)), "Order Completed", properties)
        };
        for (number, shopper) in shoppers.iter().enumerate() {
            let mut calls = Vec::new();
            if number < 7 {
                let mut adds = shopper.adds(begin, "Mug");
                if number == 0 {
                    adds["context"] =
                        json!({"campaign": {"source": "autumn"}, "page": {"url": "https://shop.example/"}});
                }
                calls.push(adds);
            }
            if !(3..7).contains(&number) {
                calls.push(order(shopper, 1_000 + number as u32));
            }
            stage.accept(&calls).await;
        }
        let users: BTreeSet<UserKey> = shoppers.iter().map(Shopper::key).collect();
        let expected = |user: UserKey| {
            let number = shoppers.iter().position(|shopper| shopper.key() == user).expect("it is one of them");
            if number < 3 { 2 } else { 1 }
        };
        rows_of(stage, &users, |user, rows| events(rows).len() == expected(user)).await;

        let today = date(now());
        let answer = asked(stage, "daily", &today).await;
        assert_eq!(answer["kept"]["day"], json!(today), "{answer}");
        let bucket = ReportsBucket::new(&stage.config, stage.output("ArchiveBucket").to_owned());
        let report = bucket.latest().await.unwrap().expect("there is a report");
        assert_eq!((report.period.days, date(report.period.until.minus(DAY))), (30, today.clone()));
        assert_eq!(report.playbook, PlaybookVersion("reports".into()));
        assert!(report.left_out.is_nothing(), "{:?}", report.left_out);
        let orders = &report.report.orders["EUR"];
        assert_eq!((orders.count, orders.value.get()), (5, 50_180_000), "{orders:?}");
        let (order, added) = (&report.insights.macros[0], &report.insights.micros[0]);
        assert_eq!((report.insights.people, order.people, order.count), (9, 5, 5));
        assert_eq!((added.people, added.reached, added.people_without, added.reached_without), (7, 3, 2, 2));
        let funnel = &report.insights.funnels[0];
        assert_eq!(funnel.steps.iter().map(|step| step.people).collect::<Vec<_>>(), [7, 3]);
        let splits: Vec<_> = funnel.splits.iter().map(|split| (split.value.as_str(), split.people.clone())).collect();
        assert_eq!(splits, [("(direct)", vec![6, 2]), ("autumn", vec![1, 1])]);

        // A week's letter, asked for twice.
        let first = asked(stage, "weekly", &today).await;
        assert_eq!(first["week"]["sending"], json!("now"), "{first}");
        let again = asked(stage, "weekly", &today).await;
        assert_eq!(again["week"]["sending"], json!("before"), "{again}");
        let letters = stage.emails_to(OWNER).await;
        let [letter] = &letters[..] else { panic!("{letters:#?}") };
        assert!(letter.subject.contains("5 orders, 50.18 EUR"), "{}", letter.subject);
        assert_eq!(letter.source, "Shop <hello@shop.example>");
        assert!(letter.body_text.contains("Orders: 5, before 0 (new)"), "{}", letter.body_text);
        assert!(letter.body_html.as_ref().is_some_and(|html| html.contains("50.18 EUR")), "{letter:#?}");
        tell(format!("the letter: {}", letter.subject));

        // Rows of an earlier day that nobody has counted: the nightly job finds and counts them, and counts them once.
        let earlier = now().minus(Span::from_hours(48));
        let name = format!("{}/000000000000000000001.ndjson.gz", partition(earlier));
        let archive = ArchiveBucket::new(&stage.config, stage.output("ArchiveBucket").to_owned());
        let fact = format!(r#"{{"fact":"segment","at":{},"segment":"vip","entered":true}}"#, earlier.as_millis());
        let row = kairos_engine::facts::row(UserKey::known("earlier"), 1, 0, &fact).unwrap() + "\n";
        let put = archive.put(&Object { name, last: "000000000000000000001".into(), rows: row, erased: 0 }).await;
        assert_eq!(put.unwrap(), Put::Written);
        let day = date(earlier);
        assert_eq!(asked(stage, "daily", &day).await["kept"], json!({"day": day, "rows": 1, "mended": 1}));
        assert_eq!(asked(stage, "daily", &day).await["kept"], json!({"day": day, "rows": 1, "mended": 0}));
        // What is the newest report stays so.
        assert_eq!(bucket.latest().await.unwrap().expect("there is a report").period, report.period);
    });
}
