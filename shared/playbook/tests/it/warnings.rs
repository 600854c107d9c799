//! Playbooks that can be put in force, but probably do not do what was meant: all that is said about them, in
//! `tests/golden/warnings.txt`.

use std::fmt::Write as _;

use kairos_engine::program::Program;
use kairos_playbook::{Severity, compile, cost};

use super::problems::{Files, MESSAGE, PLAY, SEND, SPRING, beside, promoted, rules, steps, trigger, world};
use super::shipped::compare;
use super::{small, with};

fn shows(variable: &str, mut files: Files) -> Files {
    let text = files.get_mut(MESSAGE).unwrap();
    *text = text.replace("user.first_name", variable);
    files
}

#[rustfmt::skip]
fn cases() -> Vec<(&'static str, Files)> {
    let drip = format!("  - {SEND}\n  - wait: 1d\n  - {SEND}\n  - wait: 1d\n  - {SEND}\n");
    vec![
        ("a trial that goes on for ever", rules("holdout: 100%")),
        ("a play that nobody gets", rules("rollout: 0%")),
        ("a goal that starts the play", world(with(PLAY, "event: identify", "event: [Product Viewed, page]\ngoal: {event: view_item, within: 1d}"))),
        ("a message held longer than it is valid", rules("quiet_hours: hold")),
        ("a cap above the policy's", rules("caps: {at_most: 3, per: 24h}")),
        ("a passage that its own cap cuts short", { let mut files = with(PLAY, "valid_for", "caps: {at_most: 2, per: 30d}\nvalid_for"); *files.get_mut(PLAY).unwrap() = files[PLAY].replace("  - send:\n      message: hi\n      channels: [email, sms]\n", &drip); files }),
        ("a passage that the policy cuts short", steps(&drip)),
        ("an event's property without an event", shows("event.query", trigger("schedule: {at: \"09:00\"}"))),
        ("a product without an event", shows("product.name", trigger("schedule: {at: \"09:00\"}"))),
        ("an event's property of a product's change", shows("event.query", trigger("price_drop: {at_least: 10%}"))),
        ("a store without places", shows("store.title", small())),
        ("a message that nobody gets", beside(&[("messages/ho.yaml", "locales: {en: {sms: {text: Ho}}}\n")])),
        ("a promotion of which nobody gets a code", { let mut files = promoted("promotion: spring", SPRING); let more = format!("{}  autumn: {SPRING}\n", files["promotions.yaml"]); files.insert("promotions.yaml".into(), more); files }),
        ("a block that no message includes", beside(&[("messages/blocks/footer.liquid", "Bye\n")])),
        ("two events that are almost one", trigger("event: [Lesson Watched, Lesson Finished]\nunless: {did: {event: Lesson Watchd}}")),
        ("two traits that are almost one", rules("who: {trait: {name: createdAt, known: true}}\nunless: {trait: {name: created_at, older_than: 1d}}")),
        ("two details that are almost one", trigger("event: [{name: Form Progressed, where: {percent: 50}}, {name: Form Progressed, where: {percnt: 60}}]")),
        ("names that are alike and two things", trigger("event: [Level 1 Done, Level 2 Done, Plan, Play]")),
    ]
}

#[test]
fn what_is_probably_not_meant_is_told_and_does_no_harm() {
    let mut all = String::new();
    for (name, files) in cases() {
        let loaded = compile(&files).unwrap_or_else(|problems| {
            panic!("{name}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
        writeln!(all, "## {name}").unwrap();
        for warning in &loaded.warnings {
            assert_eq!(warning.severity, Severity::Warning, "{name}");
            assert!(warning.help.is_some(), "{name}: {warning}");
            writeln!(all, "{warning}").unwrap();
        }
        writeln!(all).unwrap();
    }
    compare("warnings.txt", &all);
}

#[test]
fn what_is_good_is_not_warned_of() {
    assert_eq!(compile(&world(small())).unwrap().warnings, []);
    for (what, trigger) in [
        (
            "`unless` is asked when the wait is over",
            "absence: {after: Product Added, of: page, for: 1h}\nunless: {did: {event: Product Added, within: 10m}}",
        ),
        (
            "one order may name several products",
            "event: identify\nwho: {distinct: {event: Order Completed, property: product.id, at_least: 3}}\nunless: {purchases: {at_least: 2}}",
        ),
        (
            "somebody may get an address",
            "event: Product Viewed\nwho: {did: {event: Product Viewed, at_least: 2, within: 1d}}",
        ),
        (
            "a list may have two entries",
            "event: identify\nwho: [{trait: {name: t, contains: a}}, {trait: {name: t, contains: b}}]",
        ),
    ] {
        let files = with(PLAY, "event: identify", trigger);
        assert_eq!(compile(&files).map(|loaded| loaded.warnings), Ok(Vec::new()), "{what}");
    }
}

#[test]
fn questions_share_registers_and_the_cost_says_so() {
    let files = beside(&[
        ("segments/few.yaml", "title: Few\nwho: {did: {event: page, at_least: 3, within: 1d}}\n"),
        ("segments/many.yaml", "title: Many\nwho: {did: {event: page, at_least: 10, within: 7d}}\n"),
        ("segments/none.yaml", "title: None\nwho: {cart: empty}\n"),
    ]);
    let cost = cost(&Program::new(compile(&files).unwrap().playbook).unwrap());
    let shared = cost.registers.iter().find(|register| register.asked_by.len() == 2).unwrap();
    assert_eq!((shared.asked_by.as_slice(), shared.questions), (&["segment few".into(), "segment many".into()][..], 2));
    assert_eq!(cost.registers.len(), 2, "{cost:?}");
    assert!(cost.bytes_typical() < cost.bytes_max() && cost.bytes_max() < 500, "{cost:?}");
    assert!(!cost.follows_products);
}
