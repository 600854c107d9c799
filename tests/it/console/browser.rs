//! Every page in a real Chromium: the login, filters, drill-down, dark mode, a phone, and no word in its console.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::Console;
use crate::clients::{chromium, clients, node};
use crate::harness::{root, run, tell};

/// A browser that takes longer hangs.
const BROWSER_PATIENCE: Duration = Duration::from_secs(180);

/// What the browser tells.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    /// What was tried.
    done: Vec<String>,
    /// What it said of itself: errors, refusals of the policy.
    said: Vec<String>,
    /// Until the first byte of each page, in milliseconds.
    first_byte_ms: Vec<(String, i64)>,
}

#[test]
fn every_page_works_in_a_browser() {
    run(async {
        let Some(node) = node() else { return };
        let Some(chromium) = chromium() else { return };
        let console = Console::open().await;
        let _alone = Console::alone().await;
        let pictures = root().join("target/console");
        std::fs::create_dir_all(&pictures).unwrap();
        let options = json!({
            "chromium": chromium,
            "console": console.stage.stack.browser_url("ConsoleUrl").unwrap(),
            "password": console.password().await,
            "pictures": pictures,
        });
        let mut command = Command::new(node);
        command.arg(clients().join("console.mjs")).arg(options.to_string()).stdout(Stdio::piped()).kill_on_drop(true);
        let ended = tokio::time::timeout(BROWSER_PATIENCE, command.output()).await.expect("it ends").unwrap();
        assert!(ended.status.success(), "everything works: {}", String::from_utf8_lossy(&ended.stderr));
        let seen: Seen = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!(seen.said, Vec::<String>::new(), "the browser has nothing to complain of");
        for (path, ms) in &seen.first_byte_ms {
            tell(format!("console: {path}: first byte after {ms} ms (debug build, in the browser)"));
        }
        tell(format!("console: in Chromium: {}", seen.done.join(", ")));
    });
}
