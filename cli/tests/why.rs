//! `kairos why` of a moment of the past, over a small recording.

#![allow(clippy::unwrap_used, reason = "tests state their expectation by failing")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const FILES: [(&str, &str); 6] = [
    ("sources.yaml", "sources:\n  web:\n    write_key: aaaaaaaaaaaaaaaa\n"),
    ("channels.yaml", "email:\n  from: Shop <hello@shop.example>\n"),
    ("policy.yaml", "quiet_hours:\n  - {from: \"21:00\", until: \"08:00\"}\n"),
    ("segments/lookers.yaml", "title: Lookers\nwho:\n  did: {event: Product Viewed, at_least: 3, within: 7d}\n"),
    (
        "plays/cart.yaml",
        "title: Abandoned cart\ntrigger:\n  absence: {after: Product Added, of: Order Completed, for: 30m}\n\
         who:\n  - cart: {total_at_least: 50 EUR}\n  - any:\n      - did_not: {event: Order Completed, within: 30d}\n      \
         - segment: lookers\nvalid_for: 6h\ncaps:\n  - {at_most: 1, per: 24h}\n\
         steps:\n  - send: {message: hi, channels: [email]}\n",
    ),
    ("messages/hi.yaml", "locales:\n  en:\n    email:\n      subject: Hi\n      text: Hi\n"),
];

/// A visitor looks and fills a cart, turns out to be Ann, and orders two days later.
const EVENTS: &str = r#"
{"type":"track","messageId":"1","anonymousId":"v","event":"Product Viewed","timestamp":"2026-11-01T10:00:00Z","properties":{"product_id":"s","name":"Shoes","price":59.9,"currency":"EUR"}}
{"type":"track","messageId":"2","anonymousId":"v","event":"Product Viewed","timestamp":"2026-11-02T09:00:00Z","properties":{"product_id":"s"}}
{"type":"track","messageId":"3","anonymousId":"v","event":"Product Added","timestamp":"2026-11-02T10:00:00Z","properties":{"product_id":"s","name":"Shoes","price":59.9,"currency":"EUR"}}
{"type":"identify","messageId":"4","anonymousId":"v","userId":"ann","timestamp":"2026-11-02T10:10:00Z","traits":{"email":"ann@shop.example"}}
{"type":"track","messageId":"5","userId":"ben","event":"Product Added","timestamp":"2026-11-02T11:00:00Z","properties":{"product_id":"s"}}
{"type":"track","messageId":"6","userId":"ann","event":"Order Completed","timestamp":"2026-11-04T10:00:00Z","properties":{"order_id":"1","total":59.9,"currency":"EUR"}}
"#;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for (path, text) in FILES {
        let path = folder.join("playbook").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.join("events.ndjson"), EVENTS.trim_start()).unwrap();
    folder
}

fn why(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kairos"));
    command.current_dir(folder).arg("why").args(arguments);
    if arguments.contains(&"--at") {
        command.args(["--events", "events.ndjson"]);
    }
    command.output().unwrap()
}

#[track_caller]
fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = why(folder, arguments);
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(widest <= 100 || arguments.contains(&"--json"), "{widest} columns:\n{text}");
    text
}

#[test]
fn the_past_of_a_play_is_told_with_each_condition_its_value_and_its_threshold() {
    let folder = folder("why-play");
    for (user, at, lines) in [
        (
            "ann",
            "2026-11-02 10:20",
            &[
                "ann, 2026-11-02 10:20 UTC",
                "and of a visitor who became them",
                "✓ If its moment came now: a message by email",
                "✓ yes the cart is worth at least 50 EUR",
                "it is worth 59.90 EUR; 50 EUR is asked",
                "✓ yes no Order Completed within 30 days",
                "✗ no  in segment lookers",
                "2 times, the last 2026-11-02 09:00 (1 h 20 min ago); 3 are asked",
                "missing: one more within 5 days 23 h, before 2026-11-08 10:00",
                "· waiting        until 2026-11-02 10:30 (in 10 min)",
                "✓ reachable      hi by email to ann@shop.example",
            ][..],
        ),
        (
            "v",
            "2026-11-02T10:45:00Z",
            &[
                "ann, 2026-11-02 10:45 UTC",
                "✗ If its moment came now: not sent: already 1 in the last 24 h",
                "sent by email",
            ],
        ),
        (
            "ann",
            "2026-11-05",
            &[
                "✗ If its moment came now: not sent: `who` did not hold",
                "it is empty; 50 EUR is asked",
                "✗ no  no Order Completed within 30 days",
                "by time alone from 2026-12-04 10:00",
            ],
        ),
        // The visitor is not Ann yet: only the visitor's own past counts.
        ("v", "2026-11-02 10:05", &["visitor v, 2026-11-02 10:05 UTC", "no address for email is known"]),
    ] {
        let text = told(&folder, &[user, "--at", at, "--play", "cart"]);
        for line in lines {
            assert!(text.contains(line), "{user} at {at} lacks {line:?}:\n{text}");
        }
    }
}

#[test]
fn everything_else_is_told_too_for_people_and_as_json() {
    let folder = folder("why-all");
    let text = told(&folder, &["ann", "--at", "2026-11-02 12:00"]);
    for line in
        ["  cart        1 × Shoes, 59.90 EUR", "✗ no  lookers", "Considered until then", "2026-11-02 10:30  cart"]
    {
        assert!(text.contains(line), "lacks {line:?}:\n{text}");
    }
    let text = told(&folder, &["ann", "--at", "2026-11-02 12:00", "--segment", "lookers"]);
    assert!(text.contains("✗ no  Product Viewed, at least 3 times within 7 days"), "{text}");
    let json: Value = serde_json::from_str(&told(&folder, &["ann", "--at", "2026-11-02 12:00", "--json"])).unwrap();
    assert_eq!(json["segments"][0]["who"]["missing"], "one more within 5 days 22 h, before 2026-11-08 10:00");
    let ends: Vec<&str> =
        json["considered"].as_array().unwrap().iter().filter_map(|one| one["outcome"].as_str()).collect();
    assert_eq!(ends, ["waiting", "sent"]);
}

#[test]
fn what_is_not_there_is_said_with_what_there_is() {
    let folder = folder("why-missing");
    for (arguments, said) in [
        (&["ann", "--at", "2026-11-02 12:00", "--play", "gone"][..], "the playbook has no play gone; it has cart"),
        (&["ann", "--at", "2026-11-02 12:00", "--segment", "gone"], "the playbook has no segment gone; it has lookers"),
        (&["eve", "--at", "2026-11-02 12:00"], "The recording has nothing of eve before 2026-11-02 12:00 UTC."),
        (&["ann", "--at", "yesterday"], "write a time as in 2026-11-20T10:00:00Z"),
        (&["ann", "--events", "events.ndjson"], "--at <TIME>"),
        (&["ann", "--at", "2026-11-02 12:00", "--playbook", "nowhere"], "nowhere"),
    ] {
        let output = why(&folder, arguments);
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{arguments:?} lacks {said:?}:\n{text}");
    }
}
