//! A stored report reads for ever: `tests/golden` holds one of every version. To write the newest anew after a change that
//! is meant, while no release has written it: `UPDATE_GOLDEN=1 cargo test -p kairos-insights`.

use std::fs;
use std::path::Path;

use kairos_engine::playbook::PlaybookVersion;
use kairos_engine::program::Program;
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::experiments::{Comparison, of_playbook};
use kairos_insights::{LeftOut, Period, STORED_REPORT_VERSION, StoredReport};

use serde_json::{Value, json};

use super::{START, counted_of, days, playbook};

fn stored() -> StoredReport {
    let playbook = playbook();
    let shop = days(&Program::new(playbook.clone()).unwrap(), 21);
    let tally = counted_of(&playbook, &shop.rows);
    StoredReport {
        version: STORED_REPORT_VERSION,
        made_at: Timestamp::from_millis(1_764_000_000_000),
        period: Period { from: START, until: START.plus(Span::from_hours(30 * 24)), days: 30 },
        playbook: PlaybookVersion("1722c9e451c580358d30e58ed77ad1e3".into()),
        left_out: LeftOut { objects: 1, rows: 2, moments: 3 },
        report: tally.report(),
        experiments: of_playbook(&playbook, &tally.exposures()).into_iter().map(Comparison::read).collect(),
        insights: tally.insights(),
    }
}

/// The same, but for the last digit of what is no whole number: reading may lose that.
fn alike(one: &Value, other: &Value) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
            one.values().zip(other.values()).for_each(|(one, other)| alike(one, other));
        }
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len());
            one.iter().zip(other).for_each(|(one, other)| alike(one, other));
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            assert!((one - other).abs() <= 1e-12 * one.abs(), "{one} {other}");
        }
        _ => assert_eq!(one, other),
    }
}

#[test]
fn a_stored_report_reads_as_it_was() {
    let report = stored();
    let text = serde_json::to_string(&report).unwrap();
    let read: StoredReport = serde_json::from_str(&text).unwrap();
    // Amounts are exact.
    assert_eq!(read.report.orders, report.report.orders);
    assert_eq!(
        (read.insights.rfm.clone(), read.insights.attribution.clone()),
        (report.insights.rfm.clone(), report.insights.attribution.clone())
    );
    alike(&json!(read), &json!(report));
}

#[test]
fn a_stored_report_of_the_first_version_reads_and_is_written_alike() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stored_report_v1.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let mut report = stored();
        // A few of each say as much as all.
        report.report.plays.retain(|name, _| ["abandoned_cart", "welcome"].contains(&&**name));
        report.experiments.retain(|one| one.play == "abandoned_cart");
        report.insights.micros.truncate(2);
        report.insights.warnings.truncate(1);
        for funnel in &mut report.insights.funnels {
            funnel.splits.truncate(4);
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, serde_json::to_string_pretty(&report).unwrap() + "\n").unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let report: StoredReport = serde_json::from_str(&text).unwrap();
    assert_eq!((report.version, report.period.days, report.left_out.moments), (1, 30, 3));
    assert_eq!(report.insights.macros[0].name, "order");
    assert!(report.insights.rfm.is_some() && !report.insights.attribution[0].sources.is_empty());
    alike(&json!(report), &serde_json::from_str(&text).unwrap());
}
