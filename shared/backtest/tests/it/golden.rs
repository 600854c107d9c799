//! What a report looks like to programs and on a terminal.

use std::fs;
use std::path::Path;

use kairos_backtest::table::{Details, lines};
use kairos_backtest::{Gates, Options, Progress, Report, run};

use super::support::{file, json, options, program};

const CALLS: &str = r#"
{"type":"identify","userId":"ann","messageId":"1","timestamp":"2026-03-01T09:59:00Z","traits":{"email":"ann@shop.example"}}
{"type":"track","event":"Product Added","userId":"ann","messageId":"2","timestamp":"2026-03-01T10:00:00Z","properties":{"product_id":"7","price":4.5}}
{"type":"track","event":"Product Added","userId":"ann","messageId":"3","timestamp":"2026-03-01T12:00:00Z","properties":{"product_id":"8","price":5}}
{"type":"track","event":"Order Completed","userId":"ann","messageId":"4","timestamp":"2026-03-01T13:00:00Z","properties":{"order_id":"1","total":9.5,"products":[{"product_id":"8"}]}}
{"type":"track","event":"Product Added","userId":"bob","messageId":"5","timestamp":"2026-03-03T10:00:00Z","properties":{"product_id":"7","price":4.5}}
{"type":"track","event":"Product Viewed","anonymousId":"v","messageId":"6","timestamp":"2026-03-03T10:00:00Z","properties":{"product_id":"7"}}
{"type":"track","event":"Product Viewed","anonymousId":"v","messageId":"7","timestamp":"2026-03-03T10:00:01Z","properties":{"product_id":"8"}}
{"type":"track","event":"Product Viewed","anonymousId":"v","messageId":"8","timestamp":"2026-03-03T10:00:02Z","properties":{"product_id":"9"}}
{"type":"track","event":"Order Completed","userId":"cid","messageId":"9","timestamp":"2026-03-03T11:00:00Z","properties":{"order_id":"2","total":20}}
{"type":"track","event":"Order Completed","timestamp":"2026-03-03T11:00:00Z"}
"#;

/// Without the caps, and with a welcome where there were thanks.
const OTHER: &[(&str, &str)] = &[
    (
        "plays/abandoned_cart.yaml",
        "title: Abandoned cart\n\
         trigger: {absence: {after: Product Added, of: Order Completed, for: 30m}}\n\
         valid_for: 6h\n\
         steps: [{send: {message: cart, channels: [email]}}]\n",
    ),
    (
        "plays/thanks.yaml",
        "title: Thanks\n\
         trigger: {event: Order Completed}\n\
         who: {spent: {at_least: 10}}\n\
         valid_for: 1d\n\
         steps: [{send: {message: thanks, channels: [webhook]}}]\n",
    ),
];

fn report() -> Report {
    let options = Options { users: true, until: kairos_engine::time::Span::from_hours(36), ..options() };
    let files = vec![file("calls.ndjson", CALLS.trim_start())];
    let (playbook, against) = (program(&[]), program(OTHER));
    let mut report = run(&playbook, Some(&against), files, &options, &Progress::default()).unwrap();
    let gates = Gates {
        sends_growth_percent_max: Some(10.0),
        sends_per_user_per_week_max: Some(1),
        sends_max: Some(100),
        ..Gates::default()
    };
    report.gates = gates.check(&report);
    // Versions are hashes of playbooks: whatever is added to the language changes them.
    report.playbook.version = "after".to_owned();
    report.against.as_mut().unwrap().version = "before".to_owned();
    report
}

fn compare(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, shown).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{name} differs; if it is meant, run with UPDATE_GOLDEN=1 and review the change");
}

#[test]
fn the_report_for_programs_stays_as_it_is() {
    compare("report.json", &format!("{}\n", json(&report())));
}

#[test]
fn the_report_on_a_terminal_fits_into_100_columns() {
    let lines = lines(&report(), Details { days: true }, &|_, text| text.to_owned());
    for line in &lines {
        assert!(line.chars().count() <= 100, "{line}");
    }
    compare("report.txt", &format!("{}\n", lines.join("\n")));
}

#[test]
fn the_page_needs_nothing_but_itself_and_shows_what_users_wrote_as_text() {
    let mut report = report();
    report.playbook.plays[0].title = "<script>alert(1)</script>".to_owned();
    report.recording.problems[0].what = "a \"quote\" & <b>".to_owned();
    let page = kairos_backtest::page::page(&report);
    for outside in ["http", "src=", "@import", "url(", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for shown in
        ["&lt;script&gt;", "a &quot;quote&quot; &amp; &lt;b&gt;", "prefers-color-scheme", "Viewers of three products"]
    {
        assert!(page.contains(shown), "{shown}");
    }
    let (opened, closed) = (page.matches("<div").count(), page.matches("</div>").count());
    assert_eq!(opened, closed, "every box is closed");
}
