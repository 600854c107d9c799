//! `kairos backtest` as a shell sees it: exit codes, standard input, and what is written where.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const CARTS: &str = "\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 10:00:00 UTC,cart,7,1,appliances.kitchen.coffee_machine,acme,35.79,ann,s1
2019-10-01 10:05:00 UTC,cart,7,1,appliances.kitchen.coffee_machine,acme,35.79,bob,s2
2019-10-01 12:00:00 UTC,view,7,1,appliances.kitchen.coffee_machine,acme,35.79,ann,s1
";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A folder of this test, emptied.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backtest").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs `kairos backtest` over the shipped playbook with these arguments and this standard input.
fn backtest(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kairos"))
        .arg("backtest")
        .arg(project().join("playbook"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that fails at once does not read it all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn exit_codes_tell_done_from_broken_gates_and_from_bad_input() {
    let shipped = project().join("playbook").display().to_string();
    let strange = format!("{CARTS}yesterday,cart,7,1,,,1,eve,s\n");
    for (arguments, input, code, says) in [
        (&["-", "--until", "1h"][..], CARTS, 0, "3 events in"),
        (&["-", "--max-sends", "2"], CARTS, 0, ""),
        (&["-", "--until", "1h", "--max-sends", "1"], CARTS, 1, "broken: at most 1 message: 2"),
        (&["-", "--against", &shipped, "--max-sends-growth", "0%"], CARTS, 0, ""),
        (&["-"], &strange, 0, ""),
        (&["-", "--strict"], &strange, 2, "1 row was not understood, and --strict"),
        (&["-"], "hello\n", 2, "standard input is not understood"),
        (&["nowhere.csv"], "", 2, "nowhere.csv cannot be opened"),
        (&["-", "--max-sends-growth", "10%"], CARTS, 2, "--against"),
        (&["-", "--window", "soon"], CARTS, 2, "as in 30m, 24h or 7d"),
    ] {
        let output = backtest(arguments, input);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_playbook_with_problems_is_bad_input() {
    let folder = folder("bad");
    fs::write(folder.join("sources.yaml"), "sources: 7\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kairos")).arg("backtest").arg(&folder).arg("x.csv").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("sources.yaml:1"), "{}", said(&output));
}

#[test]
fn the_report_is_json_on_standard_output_and_a_page_in_a_file() {
    let folder = folder("page");
    let (events, page) = (folder.join("events.csv"), folder.join("page.html"));
    fs::write(&events, CARTS).unwrap();
    let output = backtest(&[events.to_str().unwrap(), "--until", "1h", "--json", "--html", page.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["recording"]["events"], 3);
    assert_eq!(report["playbook"]["total"]["sent"], 2);
    assert!(fs::read_to_string(page).unwrap().contains("Abandoned cart"));
}
