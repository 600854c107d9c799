//! Golden files of what is stored and of what travels, for tests.

use std::fs;

/// Makes sure that today's code writes exactly the golden file, and gives the file's text. `today` is JSON.
#[track_caller]
pub(crate) fn is_golden(name: &str, today: &str) -> String {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let value: serde_json::Value = serde_json::from_str(today).unwrap();
    let today = serde_json::to_string_pretty(&value).unwrap() + "\n";
    let Ok(text) = fs::read_to_string(&path) else {
        fs::write(&path, today).unwrap();
        panic!("{path} was not there and has been written: look at it, then commit it");
    };
    assert_eq!(text, today, "{name}: what is stored must stay readable; add a version instead");
    text
}
