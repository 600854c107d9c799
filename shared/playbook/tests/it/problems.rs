//! Playbooks with one thing wrong each, and all that is said about it, in `tests/golden/problems.txt`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kairos_engine::bounds::{PLAYBOOK_FILE_BYTES_MAX, PLAYS_MAX};
use kairos_playbook::{Diagnostic, compile};

use super::shipped::compare;
use super::{small, with};

const PLAY: &str = "plays/hello.yaml";
const MESSAGE: &str = "messages/hi.yaml";
const SOURCES: &str = "sources.yaml";
const CHANNELS: &str = "channels.yaml";

type Files = BTreeMap<String, String>;

fn without(path: &str) -> Files {
    let mut files = small();
    files.remove(path);
    files
}

fn also(path: &str, text: &str) -> Files {
    let mut files = small();
    files.insert(path.into(), text.into());
    files
}

/// The small playbook with other conditions.
fn who(conditions: &str) -> Files {
    with(PLAY, "valid_for", &format!("{conditions}\nvalid_for"))
}

/// The small playbook with a wait.
fn absence(wait: &str) -> Files {
    with(PLAY, "event: identify", &format!("absence: {wait}"))
}

#[rustfmt::skip]
fn cases() -> Vec<(&'static str, Files)> {
    vec![
        // Files.
        ("no sources file", without(SOURCES)),
        ("a file in a folder that does not exist", also("play/x.yaml", "title: X")),
        ("a file with the other ending", also("plays/x.yml", "title: X")),
        ("a slip in a file's name", also("source.yaml", "x: 1")),
        ("a play whose name has capitals", { let mut files = small(); let text = files.remove(PLAY).unwrap(); files.insert("plays/Hello World.yaml".into(), text); files }),
        ("a file that is no YAML", with(PLAY, "title: Hello", "title: [Hello")),
        ("a key that stands twice", with(PLAY, "title: Hello", "title: Hello\ntitle: Hello")),
        ("an empty file", also(PLAY, "# nothing yet\n")),
        ("a file that is a list", also(PLAY, "- title: Hello\n")),
        // Sources.
        ("a short write key", with(SOURCES, "aaaaaaaaaaaaaaaa", "short")),
        ("a write key with blanks", with(SOURCES, "aaaaaaaaaaaaaaaa", "aaaaaaaa aaaaaaaa")),
        ("a write key that is a number", with(SOURCES, "aaaaaaaaaaaaaaaa", "12345678901234567890")),
        ("one write key for two sources", with(SOURCES, "  web:", "  app:\n    write_key: aaaaaaaaaaaaaaaa\n  web:")),
        ("a slip in write_key", with(SOURCES, "write_key", "writekey")),
        ("no sources in the file", also(SOURCES, "sources:\n")),
        ("a source with an odd name", with(SOURCES, "web", "My Web")),
        // Channels.
        ("a sender that is no address", with(CHANNELS, "hello@shop.example", "hello")),
        ("an email channel without a sender", with(CHANNELS, "from", "reply_to")),
        ("a sender id that phones refuse", with(CHANNELS, "sms:", "sms:\n  sender_id: The Best Shop")),
        ("a webhook without TLS", with(CHANNELS, "sms:", "sms:\nwebhook:\n  url: http://shop.example/hook")),
        ("an unknown channel", with(CHANNELS, "sms:", "smss:")),
        // Plays.
        ("a slip in a play's key", with(PLAY, "trigger", "tigger")),
        ("a play without valid_for", with(PLAY, "valid_for: 1h\n", "")),
        ("a length of time without a unit", with(PLAY, "valid_for: 1h", "valid_for: 60")),
        ("a length of time in words", with(PLAY, "valid_for: 1h", "valid_for: one hour")),
        ("a length of time beyond all bounds", with(PLAY, "valid_for: 1h", "valid_for: 500d")),
        ("a title that is a number", with(PLAY, "title: Hello", "title: 2026")),
        ("an unknown trigger", with(PLAY, "event:", "events:")),
        ("two triggers", with(PLAY, "event: identify", "event: identify\n  absence: {}")),
        ("no events", with(PLAY, "event: identify", "event: []")),
        ("an event twice under two names", with(PLAY, "event: identify", "event: [Product Added, add_to_cart]")),
        ("an event that is almost a known one", with(PLAY, "event: identify", "event: Order Complete")),
        ("alias as an event", with(PLAY, "event: identify", "event: alias")),
        ("an event that starts and ends the wait", absence("{after: [page, Product Added], of: [Order Completed, add_to_cart], for: 30m}")),
        ("a wait without an end", absence("{after: page, for: 30m}")),
        ("a wait of no time", absence("{after: page, of: Order Completed, for: 0m}")),
        ("an unknown condition", who("who:\n  basket: not_empty")),
        ("a slip in a condition's value", who("who:\n  cart: not_emty")),
        ("two conditions without a joint", who("who:\n  cart: not_empty\n  reachable: email")),
        ("an empty list of conditions", who("who:\n  all: []")),
        ("a trait without a question", who("who:\n  trait: {name: plan}")),
        ("a trait with two questions", who("who:\n  trait: {name: plan, known: true, equals: gold}")),
        ("conditions nested without end", who(&format!("who: {}{{cart: empty}}{}", "{not: ".repeat(16), "}".repeat(16)))),
        ("conditions that exclude each other", who("who:\n  all:\n    - cart: empty\n    - not: {cart: empty}")),
        ("who and unless say the same", who("who:\n  trait: {name: plan, equals: gold}\nunless:\n  trait: {name: plan, known: true}")),
        ("a cart that an order has just emptied", { let mut files = who("who:\n  cart: not_empty"); *files.get_mut(PLAY).unwrap() = files[PLAY].replace("identify", "Order Completed"); files }),
        ("only users without an address", who("who:\n  not: {reachable: anyhow}")),
        ("an unknown entry", who("entry: twice")),
        ("a cap of none", who("caps:\n  - {at_most: 0, per: 24h}")),
        ("a cap beyond all bounds", who("caps:\n  - {at_most: 1000, per: 24h}")),
        ("a cap without its window", who("caps:\n  - at_most: 1")),
        ("no steps", with(PLAY, "steps:\n  - send:\n      message: hi\n      channels: [email, sms]\n", "steps: []\n")),
        ("an unknown step", with(PLAY, "- send:", "- sent:")),
        ("an unknown message", with(PLAY, "message: hi", "message: high")),
        ("an unknown channel in a step", with(PLAY, "[email, sms]", "[mail]")),
        ("a channel twice", with(PLAY, "[email, sms]", "[sms, sms]")),
        ("a channel that is not set up", with(PLAY, "[email, sms]", "[email, webhook]")),
        ("a message without a template for the channel", with(MESSAGE, "    sms:\n      text: Hi\n", "")),
        // Messages.
        ("a text that begins with a value", with(MESSAGE, "text: Hi {{", "text: {{ user.id }} {{")),
        ("an unknown variable", with(MESSAGE, "user.first_name", "user.firstname")),
        ("an unknown filter in a subject", with(MESSAGE, "subject: Hi", "subject: \"Hi {{ user.id | upper }}\"")),
        ("two slips in a block", with(MESSAGE, "text: Hi {{ user.first_name }}", "text: |\n        Hi {{ name }},\n        {% if cart %}x{% endfor %}\n")),
        ("HTML in which data could become markup", with(MESSAGE, "subject: Hi", "subject: Hi\n      html: \"<p class={{ user.id }}>Hi</p>\"")),
        ("a missing HTML file", with(MESSAGE, "subject: Hi", "subject: Hi\n      html_file: hi.liquid")),
        ("an HTML file from elsewhere", with(MESSAGE, "subject: Hi", "subject: Hi\n      html_file: ../../secret.liquid")),
        ("a slip in an HTML file", { let mut files = with(MESSAGE, "subject: Hi", "subject: Hi\n      html_file: hi.liquid"); files.insert("messages/hi.liquid".into(), "<h1>Hi</h1>\n<p>{{ usr.id }}</p>\n".into()); files }),
        ("HTML twice", { let mut files = with(MESSAGE, "subject: Hi", "subject: Hi\n      html: <p>Hi</p>\n      html_file: hi.liquid"); files.insert("messages/hi.liquid".into(), "Hi".into()); files }),
        ("an email without a text part", with(MESSAGE, "      text: Hi {{ user.first_name }}\n", "")),
        ("no default language", with(MESSAGE, "  en:", "  de:\n    sms: {text: Hallo}\n    email: {subject: Hallo, text: Hallo}\n  en:")),
        ("a default language that is not there", with(MESSAGE, "locales:", "default_locale: fr\nlocales:")),
        ("a language that is none", with(MESSAGE, "  en:", "  english language:")),
        ("one language in two spellings", with(MESSAGE, "  en:", "  en_GB: {sms: {text: x}, email: {subject: x, text: x}}\n  en-gb:")),
    ]
}

fn shown(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_write_instead() {
    let mut all = String::new();
    for (name, files) in cases() {
        let problems = compile(&files).expect_err(name);
        for problem in &problems {
            assert!(problem.help.is_some(), "{name}: {problem}");
            assert!(problem.line == 0 || problem.excerpt.is_some(), "{name}: {problem}");
        }
        writeln!(all, "## {name}\n{}\n", shown(&problems)).unwrap();
    }
    compare("problems.txt", &all);
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let mut files = small();
    for (path, from, to) in [
        (SOURCES, "aaaaaaaaaaaaaaaa", "short"),
        (PLAY, "title: Hello", "titel: Hello"),
        (PLAY, "valid_for: 1h", "valid_for: soon"),
        (PLAY, "message: hi", "message: ho"),
        (MESSAGE, "user.first_name", "user.firstname"),
    ] {
        *files.get_mut(path).unwrap() = files[path].replacen(from, to, 1);
    }
    files.insert("plays/broken.yaml".into(), "title: [".into());
    let found = compile(&files).unwrap_err();
    let places: Vec<_> = found.iter().map(|problem| (problem.file.as_str(), problem.line)).collect();
    assert_eq!(
        places,
        [(MESSAGE, 5), ("plays/broken.yaml", 1), (PLAY, 1), (PLAY, 1), (PLAY, 4), (PLAY, 7), (SOURCES, 3)],
        "{}",
        shown(&found)
    );
}

#[test]
fn a_playbook_is_bounded() {
    let mut files = small();
    for number in 0..PLAYS_MAX {
        files.insert(format!("plays/p{number}.yaml"), files[PLAY].clone());
    }
    assert!(shown(&compile(&files).unwrap_err()).contains("the playbook has 101 plays, more than 100"));
    let large = also(PLAY, &"#".repeat(PLAYBOOK_FILE_BYTES_MAX + 1));
    assert!(shown(&compile(&large).unwrap_err()).contains("the file has 262145 bytes, more than 262144"));
    let mut files = small();
    for number in 0..8 {
        let text = files[MESSAGE].replace("Hi {{ user.first_name }}", &"x".repeat(60_000));
        files.insert(format!("messages/m{number}.yaml"), text);
    }
    let said = shown(&compile(&files).unwrap_err());
    assert!(said.contains("the compiled playbook has 4") && said.contains("more than 389120"), "{said}");
    let mut files = small();
    for number in 0..33 {
        let play =
            files[PLAY].replace("valid_for", &format!("who: {{trait: {{name: t{number}, known: true}}}}\nvalid_for"));
        files.insert(format!("plays/p{number}.yaml"), play);
    }
    assert!(shown(&compile(&files).unwrap_err()).contains("the plays ask for 33 traits, more than 32"));
}
