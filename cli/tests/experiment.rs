//! `kairos experiment` as a shell sees it: what is shown, exit codes, standard input, and what is refused.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const GOLDEN: &str = "cli/tests/golden/experiment.txt";
const HILLSTROM: &str = "../shared/data/hillstrom.csv.gz";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs `kairos experiment` with these arguments and this standard input.
fn experiment(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kairos"))
        .arg("experiment")
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

fn shown(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The file that the documentation shows.
fn documented() -> String {
    let text = fs::read_to_string(project().join("docs/experiments.md")).unwrap();
    let file = text.split("```\n").find(|block| block.starts_with("variant,users")).unwrap();
    file.to_owned()
}

#[test]
fn what_is_shown_of_the_documented_file_is_this() {
    let output = experiment(&["-", "--days", "14", "--lift", "10%"], &documented());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let shown = shown(&output);
    let golden = project().join(GOLDEN);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &shown).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap();
    assert_eq!(shown, expected, "{GOLDEN} differs; UPDATE_GOLDEN=1 writes it");
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "it fits a terminal of 100 columns");
}

#[test]
fn exit_codes_tell_what_can_be_read_from_what_cannot() {
    let uneven = "variant,users,conversions\na,44000,2000\nb,45000,3000\n";
    let even = "variant,users,conversions\na,1000,50\nb,1000,50\n";
    for (arguments, input, code, says) in [
        (&["-"][..], even, 0, "The control is a, the first variant"),
        (&["-", "--control", "b"], even, 0, ""),
        (&["-", "--json"], uneven, 1, ""),
        (&["-", "--days", "3"], uneven, 1, ""),
        (&["-", "--control", "c"], even, 2, "no variant is called `c`; there are a, b"),
        (&["-"], "variant,users,conversions\na,10,1\n", 2, "from 2 to 20 variants"),
        (&["-"], "variant,users,conversions\na,10,1\na,10,1\n", 2, "`a` is no name of a variant"),
        (&["-"], "variant,users,conversions\na,10,x\n", 2, "standard input: line 2: `x` in column conversions"),
        (&["-"], "variant,users,conversions,share\na,10,1,5\nb,10,1,\n", 2, "`a` has a share, but `b` has none"),
        (&["-"], "variant,users,conversions,share\na,10,1,5\nb,10,1,0\n", 2, "the share of `b` is 0"),
        (&["nowhere.csv"], "", 2, "nowhere.csv cannot be opened"),
        (&["-", "--power", "100%"], even, 2, "a power is from 0.5 to 0.999"),
        (&["-", "--level", "100"], even, 2, "as in 95%"),
        (&["-", "--metric", "clicks"], even, 2, "conversion, revenue"),
        (&[], "", 2, "FILE"),
        (&["plan", "--rate", "2%"], "", 2, "--lift"),
        (&["plan", "--rate", "90%", "--lift", "20%"], "", 2, "ask for a larger lift of a rate below 100%"),
        (&["plan", "--rate", "2%", "--lift", "0%"], "", 2, "nobody can find a rise"),
        (&["plan", "--mean", "3", "--lift", "10%"], "", 2, "--deviation"),
    ] {
        let output = experiment(arguments, input);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn of_users_who_were_not_divided_as_declared_nothing_else_is_shown() {
    let output = experiment(&["-", "--lift", "10%"], "variant,users,conversions\na,44000,2000\nb,45000,3000\n");
    let shown = shown(&output);
    assert!(shown.starts_with("Sample ratio mismatch\n") && !shown.contains("difference"), "{shown}");
}

#[test]
fn the_result_is_json_where_it_is_asked_for() {
    let output =
        experiment(&["-", "--json", "--metric", "revenue", "--against", "global-control-group"], &documented());
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["control"], &result["metric"]), (&"holdout".into(), &"revenue".into()));
    let whom = |arguments: &[&str], control: &str| {
        let file = format!("variant,users,conversions\n{control},1000,50\nb,1000,50\n");
        let output = experiment(&[&["-", "--json"], arguments].concat(), &file);
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        result["conversion"]["comparisons"][0]["incremental"]["against"].as_str().unwrap().to_owned()
    };
    assert_eq!(whom(&[], "Holdout 10 %"), "holdout");
    assert_eq!(whom(&[], "control"), "other_variant", "nobody has said that it is a holdout");
    assert_eq!(whom(&["--against", "holdout"], "control"), "holdout");
    let comparison = &result["revenue"]["comparisons"][0];
    assert_eq!(comparison["incremental"]["against"], "global_control_group");
    let difference = comparison["difference"]["estimate"].as_f64().unwrap();
    assert!((difference - (28_820.0 / 10_020.0 - 2.184_05)).abs() < 1e-9, "{difference}");
}

#[test]
fn a_plan_tells_users_and_days() {
    for (arguments, says) in [
        (&["--rate", "2%", "--lift", "10%"][..], "one planned look                     80,682              161,364\n"),
        (
            &["--rate", "2%", "--lift", "10%", "--users-per-day", "5000", "--variants", "3"],
            "242,046                   49\n",
        ),
        (&["--rate", "2%", "--lift", "10%", "--users-per-day", "5000"], "looking at any time"),
        (&["--mean", "3.20", "--deviation", "22", "--lift", "10%"], "from 3.2 to 3.52 per user"),
        (&["--rate", "50%", "--lift", "50%", "--users-per-day", "1000"], "Let it run for whole weeks all the same"),
    ] {
        let output = experiment(&[&["plan"], arguments].concat(), "");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(shown(&output).contains(says), "{arguments:?}: {}", shown(&output));
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "what was skipped has to be told")]
fn a_file_of_64_000_customers_is_read_as_it_is() {
    let file = project().join(HILLSTROM);
    if !file.exists() {
        eprintln!("skipped: {HILLSTROM} is not there");
        return;
    }
    let columns = ["--variant-column", "segment", "--converted-column", "conversion", "--value-column", "spend"];
    let output = experiment(&[&[file.to_str().unwrap(), "--control", "No E-Mail"][..], &columns].concat(), "");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let shown = shown(&output);
    for figure in ["z 7.385", "z 3.780", "t 5.300", "t 3.256"] {
        assert!(shown.contains(figure), "{shown}");
    }
}
