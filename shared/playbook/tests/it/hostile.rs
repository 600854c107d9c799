//! Playbooks that want to break their reader: whatever they are, reading ends soon, with a playbook or with
//! problems.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kairos_engine::bounds::PLAYBOOK_FILE_BYTES_MAX;
use kairos_playbook::{Diagnostic, compile};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::conditions::around;

/// Far above the few seconds that the slowest of these takes without optimisation, on however busy a machine:
/// what exceeds it does not grow with the file, but with a power of it.
const SOON: Duration = Duration::from_secs(300);

/// Reads a playbook with one file replaced; gives what is said about it.
fn read(path: &str, text: String) -> Vec<Diagnostic> {
    let mut files = around();
    files.insert(path.into(), text);
    read_all(&files)
}

fn read_all(files: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    let begun = Instant::now();
    let problems = compile(files).err().unwrap_or_default();
    let bytes: usize = problems.iter().map(|problem| problem.to_string().len() + problem.message.len()).sum();
    assert!(bytes < 16 * 1024 * 1024, "{bytes} bytes are said about it");
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    problems
}

/// As many of these as fit into a file.
fn filled(head: &str, part: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    for number in 0.. {
        let part = part(number);
        // A few brackets may have to be closed behind them.
        if text.len() + part.len() + 8 > PLAYBOOK_FILE_BYTES_MAX {
            break;
        }
        text.push_str(&part);
    }
    text
}

const ASKED: &str = "segments/asked.yaml";
const HEAD: &str = "title: Asked\nwho:\n";

#[test]
fn what_is_as_large_as_a_file_may_be_is_told_soon() {
    for (name, path, text) in [
        ("nothing but brackets", ASKED, filled(HEAD, |_| "[".into())),
        ("nothing but groups", ASKED, filled(HEAD, |_| "{a: ".into())),
        ("lists in lists by indentation", ASKED, filled(HEAD, |_| "- ".into())),
        ("one endless word", ASKED, filled("title: ", |_| "x".into())),
        ("one endless key", ASKED, filled("", |_| "x".into()) + ": 1"),
        (
            "an endless name of an event",
            ASKED,
            filled("title: Asked\nwho: {did: {event: ", |_| "Product Viewd ".into()) + "}}",
        ),
        ("an endless place", ASKED, filled("title: Asked\nwho: {inside: {place: ", |_| "x".into()) + "}}"),
        ("an endless time zone", "policy.yaml", filled("time_zone: Europe/", |_| "x".into())),
        (
            "an endless number",
            ASKED,
            filled("title: Asked\nwho: {did: {event: page, at_least: ", |_| "9".into()) + "}}",
        ),
        ("an endless amount", ASKED, filled("title: Asked\nwho: {spent: {at_least: ", |_| "9".into()) + " EUR}}"),
        ("an endless span", ASKED, filled("title: Asked\nwho: {last: {event: page, ago: ", |_| "9".into()) + "d}}"),
        (
            "an endless path",
            ASKED,
            filled("title: Asked\nwho: {sum: {event: page, at_least: 1, property: ", |_| "a.".into()) + "}}",
        ),
        ("wrong keys in one line", ASKED, filled("title: Asked\nwho: {all: [", |number| format!("{{c{number}: x}},"))),
        (
            "wrong keys in one closed line",
            ASKED,
            filled("title: Asked\nwho: {all: [", |number| format!("{{c{number}: x}},")) + "]}",
        ),
        ("wrong keys in many lines", ASKED, filled(HEAD, |number| format!("  - c{number}: x\n"))),
        (
            "different conditions",
            ASKED,
            filled(HEAD, |number| format!("  - trait: {{name: t{number}, known: true}}\n")),
        ),
        ("different wrong conditions", ASKED, filled(HEAD, |_| "  - any: [{cart: emty}]\n".into())),
        (
            "different events",
            ASKED,
            filled("title: Asked\nwho:\n  did:\n    event:\n", |number| format!("      - Event {number}\n")),
        ),
        (
            "different details",
            ASKED,
            filled("title: Asked\nwho:\n  did:\n    event:\n      name: page\n      where:\n", |number| {
                format!("        d{number}: 1\n")
            }),
        ),
        (
            "different values",
            ASKED,
            filled("title: Asked\nwho:\n  trait:\n    name: plan\n    one_of:\n", |number| {
                format!("      - v{number}\n")
            }),
        ),
        (
            "places",
            "places.yaml",
            filled("places:\n", |number| format!("  p{number}: {{title: P, latitude: 1, longitude: 2, radius: 3}}\n")),
        ),
        ("hours", "places.yaml", filled("places:\n  p:\n    hours:\n", |_| "    - {on: monday}\n".into())),
        (
            "promotions",
            "promotions.yaml",
            filled("promotions:\n", |number| format!("  p{number}: {{title: P, discount: 5%, expires_after: 1d}}\n")),
        ),
        ("caps", "policy.yaml", filled("caps:\n", |number| format!("  - {{at_most: 1, per: {number}s}}\n"))),
        (
            "evidence",
            "moments.yaml",
            filled("moments:\n  buy:\n    evidence:\n", |number| format!("    - {{event: E{number}, weight: 1}}\n")),
        ),
        ("terms", "moments.yaml", filled("readiness:\n  terms:\n", |_| "  - {moment: buy, weight: 1}\n".into())),
        ("documents", ASKED, filled("", |_| "---\n".into())),
        ("comments", ASKED, filled("", |_| "#\n".into())),
        ("anchors", ASKED, filled(HEAD, |number| format!("  - &a{number} x\n"))),
        ("tags", ASKED, filled(HEAD, |_| "  - !!map {}\n".into())),
        ("merges", ASKED, filled("a: &a {b: 1}\n", |number| format!("k{number}: {{<<: *a}}\n"))),
    ] {
        assert!(text.len() <= PLAYBOOK_FILE_BYTES_MAX, "{name}");
        assert!(!read(path, text).is_empty(), "{name}");
    }
}

#[test]
fn aliases_do_not_multiply() {
    // A billion laughs: each level repeats the one before it ten times.
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let repeated = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{repeated}]\n"));
    }
    for text in [
        laughs.clone(),
        // The same as conditions that would read.
        {
            let mut text =
                "title: Asked\nwho:\n  any:\n    - &a0 {any: [{cart: empty}, {reachable: sms}]}\n".to_owned();
            for level in 1..14 {
                let below = level - 1;
                text.push_str(&format!(
                    "    - &a{level} {{any: [*a{below}, {{all: [*a{below}]}}, {{not: *a{below}}}]}}\n"
                ));
            }
            text
        },
        // Long texts, repeated.
        format!("title: &a {}\nwho: [{}]\n", "x".repeat(100_000), vec!["*a"; 900].join(", ")),
        "a: &a [*a]\n".to_owned(),
        "a: &a {<<: *a}\n".to_owned(),
    ] {
        for path in [ASKED, "plays/asked.yaml", "policy.yaml", "moments.yaml", "places.yaml", "promotions.yaml"] {
            assert!(!read(path, text.clone()).is_empty());
        }
    }
}

#[test]
fn many_bad_files_are_told_in_few_words() {
    let mut files = around();
    let keys: String = (0..400).map(|number| format!("k{number}: 1\n")).collect();
    for number in 0..10 {
        files.insert(format!("segments/s{number}.yaml"), keys.clone());
    }
    let problems = read_all(&files);
    assert!(problems.iter().any(|problem| problem.message.contains("more than 1000 problems")));
    assert!(problems.len() <= 1_001);
    // Each file repeats conditions by aliases, as often as it may.
    let mut files = around();
    let mut text = "title: S\nwho:\n  any:\n    - &a {any: [".to_owned();
    for part in 0..90 {
        text.push_str(&format!("{{did: {{event: [E{part}, F{part}, G{part}], at_least: {}}}}}, ", part + 1));
    }
    text.push_str("]}\n");
    for part in 0..90 {
        text.push_str(&format!("    - {{all: [*a, {{trait: {{name: t, equals: {part}}}}}]}}\n"));
    }
    for number in 0..8 {
        files.insert(format!("segments/s{number}.yaml"), text.clone());
    }
    assert!(read_all(&files).iter().any(|problem| problem.message.contains("more than 4000 conditions")));
    // Segments that each ask for all others are told once for each circle, not for each way.
    let mut files = around();
    let all: String = (0..60).map(|number| format!("  - segment: s{number}\n")).collect();
    for number in 0..60 {
        files.insert(
            format!("segments/s{number}.yaml"),
            format!("title: S\nwho:\n  any:\n{}", all.replace("  -", "    -")),
        );
    }
    assert!(read_all(&files).iter().any(|problem| problem.message.contains("asks for itself")));
}

#[test]
fn what_must_be_compared_with_one_another_is_told_soon() {
    let mut files = around();
    // Thousands of different names, each almost the next.
    for number in 0..90 {
        let mut text = "title: S\nwho:\n  any:\n".to_owned();
        for part in 0..40 {
            text.push_str(&format!("    - did: {{event: Something Happened {number} Times {part}}}\n"));
        }
        files.insert(format!("segments/s{number}.yaml"), text);
    }
    read_all(&files);
    // As many questions as are tried in all combinations, each about all minutes of a week.
    let mut files = around();
    let mut text = "title: Asked\nwho:\n  any:\n".to_owned();
    for part in 0..8 {
        text.push_str(&format!("    - local_time: {{from: \"0{part}:00\", until: \"0{}:00\"}}\n", part + 2));
        text.push_str(&format!("    - not: {{local_time: {{from: \"1{part}:00\", until: \"1{}:30\"}}}}\n", part + 1));
    }
    files.insert(ASKED.into(), text);
    read_all(&files);
}

#[test]
fn nesting_ends_before_the_stack_does() {
    for (open, close) in [("{not: ", "}"), ("[", "]"), ("{all: [", "]}"), ("{any: [{cart: empty}, ", "]}")] {
        for depth in [10, 17, 60, 70, 300, 10_000] {
            let text = format!("title: Asked\nwho: {}{{cart: empty}}{}\n", open.repeat(depth), close.repeat(depth));
            let problems = read(ASKED, text);
            assert!(depth < 17 || !problems.is_empty(), "{open} {depth}");
        }
    }
}

/// The files of the playbook that comes with the project, by their paths.
fn shipped() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../playbook");
    let mut files = BTreeMap::new();
    for below in ["", "plays/", "messages/", "segments/"] {
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".yaml") || name.ends_with(".liquid") {
                files.insert(format!("{below}{name}"), fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    assert!(files.len() > 10, "{:?}", files.keys());
    files
}

/// Runs a property for a fixed number of cases, the same ones each time.
fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&strategy, test).unwrap();
}

/// What people and programs type by mistake, and what YAML makes much of.
const TYPED: [&str; 46] = [
    "",
    "\n",
    "\n\n",
    " ",
    "  ",
    "\t",
    "- ",
    ": ",
    ":",
    "{",
    "}",
    "[",
    "]",
    "{}",
    "[]",
    "{{",
    "}}",
    "\"",
    "'",
    "|",
    ">",
    "&a ",
    "*a",
    "<<: *a",
    "!!x ",
    "!!binary ",
    "#",
    "é",
    "\u{feff}",
    "\u{0}",
    "\u{202e}",
    "~",
    "null",
    "true",
    "no",
    "0",
    "-1",
    "1e999",
    ".nan",
    "0x7fffffffffffffffffff",
    "99999999999999999999",
    "---\n",
    "...\n",
    "%YAML 9.9\n",
    "? ",
    "7d",
];

/// One slip of the hand in a file: something typed over a part of it, or a part moved elsewhere.
#[derive(Clone, Debug)]
enum Slip {
    Typed { at: prop::sample::Index, length: usize, typed: &'static str },
    Moved { from: prop::sample::Index, length: usize, to: prop::sample::Index },
    LineTwice { line: prop::sample::Index },
    LineGone { line: prop::sample::Index },
}

fn slip() -> impl Strategy<Value = Slip> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 0_usize..24, prop::sample::select(TYPED.to_vec())).prop_map(|(at, length, typed)| Slip::Typed {
            at,
            length,
            typed
        }),
        (index(), 1_usize..80, index()).prop_map(|(from, length, to)| Slip::Moved { from, length, to }),
        index().prop_map(|line| Slip::LineTwice { line }),
        index().prop_map(|line| Slip::LineGone { line }),
    ]
}

fn slipped(text: &str, slip: &Slip) -> String {
    let mut text = text.to_owned();
    let range = |text: &str, at: prop::sample::Index, length: usize| {
        let from = text.floor_char_boundary(at.index(text.len() + 1));
        from..text.floor_char_boundary((from + length).min(text.len()))
    };
    match slip {
        Slip::Typed { at, length, typed } => text.replace_range(range(&text, *at, *length), typed),
        Slip::Moved { from, length, to } => {
            let taken: String = text.drain(range(&text, *from, *length)).collect();
            let to = text.floor_char_boundary(to.index(text.len() + 1));
            text.insert_str(to, &taken);
        }
        Slip::LineTwice { line } | Slip::LineGone { line } => {
            let mut lines: Vec<&str> = text.lines().collect();
            if !lines.is_empty() {
                let at = line.index(lines.len());
                if matches!(slip, Slip::LineTwice { .. }) {
                    lines.insert(at, lines[at]);
                } else {
                    lines.remove(at);
                }
            }
            text = lines.join("\n");
        }
    }
    text
}

fn is_told_well(problems: &[Diagnostic]) -> Result<(), TestCaseError> {
    for problem in problems {
        prop_assert!(!problem.message.is_empty() && !problem.to_string().is_empty());
        prop_assert!(problem.help.is_some(), "{problem}");
        prop_assert!(problem.line == 0 || problem.excerpt.is_some(), "{problem}");
    }
    Ok(())
}

#[test]
fn no_slips_of_the_hand_in_the_shipped_playbook_make_it_panic() {
    let files = shipped();
    let paths: Vec<String> = files.keys().cloned().collect();
    check(150, (prop::sample::select(paths), prop::collection::vec(slip(), 1..6)), |(path, slips)| {
        let mut files = files.clone();
        let text = files.get_mut(&path).expect("one of its files");
        for slip in &slips {
            *text = slipped(text, slip);
        }
        is_told_well(&read_all(&files))
    });
}

#[test]
fn no_slips_of_the_hand_in_conditions_make_it_panic() {
    let forms = prop::sample::select(super::conditions::FORMS.to_vec());
    check(1_500, (forms, prop::collection::vec(slip(), 1..4)), |(form, slips)| {
        let mut text = format!("title: Asked\nwho:\n  {}\n", form.replace('\n', "\n  "));
        for slip in &slips {
            text = slipped(&text, slip);
        }
        is_told_well(&read(ASKED, text))
    });
}

#[test]
fn no_bytes_make_it_panic() {
    let paths = [
        ASKED,
        "moments.yaml",
        "places.yaml",
        "policy.yaml",
        "promotions.yaml",
        "plays/asked.yaml",
        "sources.yaml",
        "messages/hi.yaml",
    ];
    let bytes = prop::collection::vec(any::<u8>(), 0..400);
    check(1_000, (prop::sample::select(paths.to_vec()), bytes), |(path, bytes)| {
        is_told_well(&read(path, String::from_utf8_lossy(&bytes).into_owned()))
    });
    let yaml = "([\\[\\]{}:,#&*!|>'\"%@`?~ \n-]|title|who|all|not|did|event|page|at_least|within|7d|3){0,60}";
    check(1_000, (prop::sample::select(paths.to_vec()), yaml), |(path, text)| is_told_well(&read(path, text)));
}
