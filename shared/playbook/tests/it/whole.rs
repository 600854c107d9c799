//! What a playbook that loads becomes.

use std::fs;

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Cap, CartTest, Channel, Condition, Entry, EventPattern, ReachTest, Step, TraitTest, TraitValue, Trigger,
};
use kairos_engine::time::Span;
use kairos_playbook::{compile, load};
use proptest::prelude::*;

use super::{small, with};

#[test]
fn a_play_becomes_what_it_says() {
    let mut files = small();
    files.insert(
        "plays/full.yaml".into(),
        "title: Full
trigger:
  absence: {after: [add_to_cart, page, {track: Order Complete}], of: purchase, for: 30m}
who:
  all:
    - any: [{cart: not_empty}, {reachable: sms}]
    - not: {trait: {name: plan, equals: gold}}
    - trait: {name: visits, equals: 3}
    - trait: {name: blocked, known: false}
unless: {trait: {name: createdAt, older_than: 1d}}
entry: once
valid_for: 6h
caps: [{at_most: 1, per: 24h}, {at_most: 3, per: 7d}]
steps:
  - send: {message: hi, channels: sms}
  - send: {message: hi, channels: [email, sms]}
"
        .into(),
    );
    let playbook = compile(&files).unwrap();
    let play = playbook.play("full").unwrap();
    assert_eq!(
        play.trigger,
        Trigger::Absence {
            after: vec![
                EventPattern::Track(EventName::ProductAdded),
                EventPattern::Page,
                EventPattern::Track(EventName::Custom("Order Complete".into())),
            ],
            of: vec![EventPattern::Track(EventName::OrderCompleted)],
            wait: Span::from_mins(30),
        }
    );
    let asks = |name: &str, is| Condition::Trait { name: name.into(), is };
    assert_eq!(
        play.who,
        Condition::All(vec![
            Condition::Any(vec![
                Condition::Cart(CartTest::NotEmpty),
                Condition::Reachable(ReachTest::By(Channel::Sms)),
            ]),
            Condition::Not(Box::new(asks("plan", TraitTest::Equal(TraitValue::Text("gold".into()))))),
            asks("visits", TraitTest::Equal(TraitValue::Number(3.0))),
            Condition::Not(Box::new(asks("blocked", TraitTest::Known))),
        ])
    );
    assert_eq!(play.unless, Some(asks("createdAt", TraitTest::OlderThan(Span::from_hours(24)))));
    assert_eq!((play.entry, play.valid_for), (Entry::Once, Span::from_hours(6)));
    assert_eq!(play.caps[1], Cap { at_most: 3, per: Span::from_hours(168) });
    assert_eq!(play.steps[0], Step::Send { message: "hi".into(), channels: vec![Channel::Sms] });
    assert!(playbook.channels.has(Channel::Sms) && !playbook.channels.has(Channel::Webhook));
    // What is not said means everybody, every time.
    let hello = playbook.play("hello").unwrap();
    assert_eq!((&hello.who, hello.entry, hello.unless.is_none()), (&Condition::default(), Entry::EveryTime, true));
}

#[test]
fn the_version_follows_the_meaning_and_not_the_spelling() {
    let version = |files| compile(&files).unwrap().version;
    let plain = version(small());
    assert_eq!(plain, version(with("plays/hello.yaml", "title: Hello", "# A comment.\ntitle:   'Hello'")));
    assert_ne!(plain, version(with("plays/hello.yaml", "title: Hello", "title: Hallo")));
    assert_ne!(plain, version(with("messages/hi.yaml", "subject: Hi", "subject: Ho")));
}

#[test]
fn languages_are_kept_as_they_are_looked_up() {
    let files = with(
        "messages/hi.yaml",
        "locales:",
        "default_locale: en\nlocales:\n  pt_BR: {email: {subject: Oi, text: Oi}, sms: {text: Oi}}",
    );
    let playbook = compile(&files).unwrap();
    let said = |tag| playbook.messages["hi"].localized(tag).unwrap().sms.as_ref().unwrap().text.as_str();
    assert_eq!((said(Some("pt-br")), said(Some("fr")), said(None)), ("Oi", "Hi", "Hi"));
}

#[test]
fn a_folder_loads_like_its_files() {
    let folder = std::env::temp_dir().join(format!("kairos-playbook-{}", std::process::id()));
    for (path, text) in small() {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.join("README.md"), "not a part of it").unwrap();
    fs::write(folder.join(".hidden.yaml"), "not a part of it").unwrap();
    assert_eq!(load(&folder), compile(&small()));
    fs::write(folder.join("plays/latin.yaml"), b"title: caf\xe9").unwrap();
    let said = load(&folder).unwrap_err()[0].to_string();
    assert_eq!(said, "error: the file is not UTF-8 text\n  --> plays/latin.yaml\n  = help: save it as UTF-8");
    fs::remove_dir_all(&folder).unwrap();
    assert!(load(&folder).unwrap_err()[0].message.contains("this is not a folder"));
}

proptest! {
    #[test]
    fn no_text_in_a_file_makes_it_panic(path in prop::sample::select(small().into_keys().collect::<Vec<_>>()), text in ".{0,200}") {
        let mut files = small();
        files.insert(path, text);
        let _ = compile(&files);
    }

    #[test]
    fn no_slip_of_the_hand_makes_it_panic(
        path in prop::sample::select(small().into_keys().collect::<Vec<_>>()),
        at in any::<prop::sample::Index>(),
        length in 0_usize..20,
        typed in prop::sample::select(vec!["", "\n", "  ", "- ", ": ", "{", "}", "[", "{{", "}}", "\"", "|", "&a ", "*a", "!!x ", "é", "~", "1e999", ".nan", "\t", "\u{0}", "--- "]),
    ) {
        let mut files = small();
        let text = files.get_mut(&path).unwrap();
        let from = text.floor_char_boundary(at.index(text.len()));
        let to = text.floor_char_boundary((from + length).min(text.len()));
        text.replace_range(from..to, typed);
        if let Err(problems) = compile(&files) {
            for problem in problems {
                prop_assert!(!problem.to_string().is_empty());
            }
        }
    }
}
