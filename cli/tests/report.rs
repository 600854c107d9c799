//! `kairos report` as a shell sees it: what is shown of rows of the archive, as text and as JSON.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kairos_engine::facts::{Fact, Row};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use kairos_engine::outcome::InputOutcome;
use kairos_engine::segment_spec::{Facts, decode};
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Value, json};

fn playbook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("playbook")
}

fn report(arguments: &[&str]) -> Output {
    let playbook = playbook();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kairos"));
    command.args(["report", "--playbook"]).arg(playbook).args(arguments).output().unwrap()
}

/// Forty people who look at something; thirty of them put it into the cart, and twenty of these order. Ten order without.
fn rows() -> String {
    let start = Timestamp::parse("2026-11-16T09:00:00Z").unwrap();
    let mut lines = String::new();
    for person in 0..50_i64 {
        let does: &[&str] = match person {
            0..20 => &["Product Viewed", "Product Added", "Checkout Started", "Order Completed"],
            20..30 => &["Product Viewed", "Product Added"],
            30..40 => &["Product Viewed"],
            _ => &["Order Completed"],
        };
        for (number, name) in does.iter().enumerate() {
            let at = start.plus(Span::from_mins(person * 60 + number as i64 * 7));
            let properties = match *name {
                "Order Completed" => json!({"order_id": person.to_string(), "total": 20.5, "currency": "EUR"}),
                _ => json!({"product_id": "mug"}),
            };
            let source = if person % 2 == 0 { "autumn" } else { "spring" };
            let call = json!({"type": "track", "event": name, "userId": person.to_string(), "properties": properties,
                "messageId": format!("{person}-{number}"), "timestamp": at.to_string(),
                "context": {"page": {"url": "https://shop.example/"}, "campaign": {"source": source}}});
            let facts =
                Facts { source: "website", received_at: at, sent_at: None, call: None, index: 0, historical: true };
            let input = Box::new(Input::event(decode(call, &facts).unwrap().event));
            let fact = Fact::Input { at, outcome: InputOutcome::Applied, input, who: None };
            let user = UserKey::known(&person.to_string());
            let row = Row { v: 1, user, revision: number as u64 + 1, number: 0, fact };
            lines += &format!("{}\n", serde_json::to_string(&row).unwrap());
        }
    }
    lines
}

#[test]
fn a_report_shows_conversions_funnels_and_attribution() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("rows.ndjson");
    fs::write(&file, rows()).unwrap();
    let file = file.to_str().unwrap();
    let output = report(&[file]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Conversions order 30 people of 50 (60.0 %), 30 times, worth 615.00 EUR",
        "product_added 30 20 66.7 % 20 50.0 % +16.7 (−10.2 to +41.2)",
        "nobody had: wished, compared, store_searched, message_clicked",
        "Funnel: From a product to the order, within 7 days",
        "checkout 20 50.0 % 66.7 % 7 min",
        "autumn 20 15 10 10",
        "From a trial to a subscription, within 30 days nobody came",
        "Credit for `order`, 30 days before: 30, worth 615.00 EUR",
        "Who buys, in fifths of 30 people",
        "Visits by weekday and hour, Europe/Berlin",
    ] {
        assert!(words.contains(part), "{part:?} is not in\n{shown}");
    }
    let output = report(&["--json", file]);
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["insights"]["micros"][1]["reached"], json!(20));
    assert_eq!(read["insights"]["attribution"][0]["sources"]["autumn"]["shared"]["value"]["EUR"], json!(307.5));
    // Who asks for one play sees just that.
    let output = report(&["--play", "welcome", file]);
    assert!(!String::from_utf8(output.stdout).unwrap().contains("Funnel"));
}
