//! What a playbook that loads becomes.

use std::fs;

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Cap, CartTest, CatalogueTest, Change, Channel, Condition, Entry, EventMatch, EventPattern, Goal, InQuietHours,
    Interest, LocalHours, Moment, PlaceSelector, ReachTest, Schedule, Share, Step, TraitValue, Trigger, ValueTest,
    Variant, Weekdays,
};
use kairos_engine::time::Span;
use kairos_playbook::{compile, load};
use proptest::prelude::*;

use super::{small, with};

fn tracked(name: EventName) -> EventMatch {
    EventMatch::all(EventPattern::Track(name))
}

/// A play of the small playbook with these lines for others of its own.
fn play(from: &str, to: &str) -> kairos_engine::playbook::Play {
    let mut files = with("plays/hello.yaml", from, to);
    files.insert("segments/loyal.yaml".into(), "title: Loyal\nwho: {purchases: {at_least: 3}}\n".into());
    files.insert(
        "places.yaml".into(),
        "places:\n  mitte: {title: Mitte, kind: cafe, latitude: 52.5, longitude: 13.4, radius: 100}\n".into(),
    );
    files.insert(
        "moments.yaml".into(),
        "moments:\n  buy: {half_life: 30m, reached_at: 3, evidence: [{event: Product Added, weight: 2}]}\n".into(),
    );
    let loaded = compile(&files).unwrap_or_else(|problems| {
        panic!("{to}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    });
    loaded.playbook.play("hello").unwrap().clone()
}

#[test]
fn every_trigger_becomes_what_it_says() {
    let ordered = || vec![tracked(EventName::OrderCompleted)];
    let every = || Interest::ALL.iter().map(|(_, interest)| *interest).collect::<Vec<_>>();
    let span = |text| Span::parse(text).unwrap();
    for (written, meant) in [
        ("event: purchase", Trigger::Event(ordered())),
        (
            "sequence: {events: [view_item, [Product Added, view_cart]], within: 1h}",
            Trigger::Sequence {
                steps: vec![
                    vec![tracked(EventName::ProductViewed)],
                    vec![tracked(EventName::ProductAdded), tracked(EventName::CartViewed)],
                ],
                within: span("1h"),
            },
        ),
        ("segment: {entered: loyal}", Trigger::Segment { name: "loyal".into(), on: Change::Entry }),
        ("segment: {left: loyal}", Trigger::Segment { name: "loyal".into(), on: Change::Exit }),
        (
            "becomes: {last: {event: any, ago: 30d}}",
            Trigger::Becomes(Condition::Last { of: vec![EventMatch::all(EventPattern::Any)], ago: span("30d") }),
        ),
        ("moment: buy", Trigger::Becomes(Condition::Moment { moment: Moment::Buy, at_least: None })),
        (
            "moment: {is: buy, at_least: 5}",
            Trigger::Becomes(Condition::Moment { moment: Moment::Buy, at_least: Some(5.0) }),
        ),
        ("place: {entered: any}", Trigger::Place { of: PlaceSelector::Any, on: Change::Entry }),
        ("place: {left: {kind: cafe}}", Trigger::Place { of: PlaceSelector::Kind("cafe".into()), on: Change::Exit }),
        (
            "place: {entered: {place: mitte}}",
            Trigger::Place { of: PlaceSelector::Named("mitte".into()), on: Change::Entry },
        ),
        (
            "schedule: {at: \"09:30\", on: [monday, sunday], day_of_month: 1, time_zone: Europe/Berlin}",
            Trigger::Schedule(Schedule {
                at: 570,
                weekdays: Weekdays(0b100_0001),
                day_of_month: Some(1),
                time_zone: Some("Europe/Berlin".into()),
            }),
        ),
        (
            "schedule: {at: \"00:00\"}",
            Trigger::Schedule(Schedule { at: 0, weekdays: Weekdays::ALL, day_of_month: None, time_zone: None }),
        ),
        (
            "price_drop: {at_least: 12.5%, interest: [wished, viewed]}",
            Trigger::Catalogue {
                of: vec![CatalogueTest::PriceDrop { percent: 12.5 }],
                interest: vec![Interest::Viewed, Interest::Wished],
            },
        ),
        ("back_in_stock:", Trigger::Catalogue { of: vec![CatalogueTest::BackInStock], interest: every() }),
        (
            "low_stock: {at_most: 3, interest: carted}",
            Trigger::Catalogue { of: vec![CatalogueTest::LowStock { at_most: 3 }], interest: vec![Interest::Carted] },
        ),
        (
            "run_out: {event: Order Completed, before: 3d, lasts: 30d}",
            Trigger::RunOut { of: ordered(), before: span("3d"), lasts: Some(span("30d")) },
        ),
        (
            "run_out: {event: Order Completed, before: 3d}",
            Trigger::RunOut { of: ordered(), before: span("3d"), lasts: None },
        ),
    ] {
        assert_eq!(play("event: identify", written).trigger, meant, "{written}");
    }
}

#[test]
fn every_rule_of_a_play_becomes_what_it_says() {
    let read = play(
        "valid_for: 1h",
        "valid_for: 1h
cooldown: 7d
priority: -10
rollout: 20%
holdout: 0.5%
goal: {event: Order Completed, within: 3d}
quiet_hours: skip
to_control_group: true",
    );
    assert_eq!((read.cooldown, read.priority), (Some(Span::from_hours(168)), -10));
    assert_eq!((read.rollout, read.holdout), (Share(2_000), Share(50)));
    assert_eq!(read.goal, Some(Goal { of: vec![tracked(EventName::OrderCompleted)], within: Span::from_hours(72) }));
    assert_eq!((read.quiet_hours, read.to_control_group), (InQuietHours::Skip, true));
    let plain = play("valid_for: 1h", "valid_for: 1h");
    assert_eq!((plain.rollout, plain.holdout, plain.quiet_hours), (Share::ALL, Share::none(), InQuietHours::Hold));
}

#[test]
fn every_step_becomes_what_it_says() {
    let read = play(
        "  - send:\n      message: hi\n      channels: [email, sms]\n",
        "  - wait: 2d
  - wait_for: {from: \"09:00\", until: \"20:00\", on: [monday]}
  - wait_until:
      condition: {cart: not_empty}
      at_most: 3d
      otherwise: [{send: {message: hi, channels: sms}}]
  - branch:
      if: {reachable: email}
      then: [{send: {message: hi, channels: email}}]
      else: [stop]
  - split:
      name: words
      variants:
        - {name: plain, steps: [{send: {message: hi, channels: email}}]}
        - {name: none, weight: 3, holdout: true, steps: [{send: {message: hi, channels: email}}]}
  - stop
",
    );
    let send = |channel| Step::Send { message: "hi".into(), channels: vec![channel], order: Default::default() };
    let variant =
        |name: &str, weight, holdout| Variant { name: name.into(), weight, holdout, steps: vec![send(Channel::Email)] };
    assert_eq!(
        read.steps,
        [
            Step::Wait(Span::from_hours(48)),
            Step::WaitForHours(LocalHours { from: 540, until: 1_200, weekdays: Weekdays(1) }),
            Step::WaitUntil {
                condition: Condition::Cart(CartTest::NotEmpty),
                at_most: Span::from_hours(72),
                otherwise: vec![send(Channel::Sms)],
            },
            Step::Branch {
                condition: Condition::Reachable(ReachTest::By(Channel::Email)),
                then: vec![send(Channel::Email)],
                otherwise: vec![Step::Stop],
            },
            Step::Split { name: "words".into(), variants: vec![variant("plain", 1, false), variant("none", 3, true)] },
            Step::Stop,
        ]
    );
}

#[test]
fn a_play_keeps_of_its_event_what_its_messages_show() {
    let files =
        with("messages/hi.yaml", "text: Hi\n", "text: Hi {{ event.query }}{{ event['page'] }}{{ cart.total }}\n");
    let play = compile(&files).unwrap().playbook.play("hello").unwrap().clone();
    assert_eq!(play.event_properties, ["page", "query"]);
}

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
    let playbook = compile(&files).unwrap().playbook;
    let play = playbook.play("full").unwrap();
    assert_eq!(
        play.trigger,
        Trigger::Absence {
            after: vec![
                tracked(EventName::ProductAdded),
                EventMatch::all(EventPattern::Page),
                tracked(EventName::Custom("Order Complete".into())),
            ],
            of: vec![tracked(EventName::OrderCompleted)],
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
            Condition::Not(Box::new(asks("plan", ValueTest::Equal(TraitValue::Text("gold".into()))))),
            asks("visits", ValueTest::Equal(TraitValue::Number(3.0))),
            Condition::Not(Box::new(asks("blocked", ValueTest::Known))),
        ])
    );
    assert_eq!(play.unless, Some(asks("createdAt", ValueTest::OlderThan(Span::from_hours(24)))));
    assert_eq!((play.entry, play.valid_for), (Entry::Once, Span::from_hours(6)));
    assert_eq!(play.caps[1], Cap { at_most: 3, per: Span::from_hours(168) });
    assert_eq!(
        play.steps[0],
        Step::Send { message: "hi".into(), channels: vec![Channel::Sms], order: Default::default() }
    );
    assert!(playbook.channels.has(Channel::Sms) && !playbook.channels.has(Channel::Webhook));
    // What is not said means everybody, every time.
    let hello = playbook.play("hello").unwrap();
    assert_eq!((&hello.who, hello.entry, hello.unless.is_none()), (&Condition::default(), Entry::EveryTime, true));
}

#[test]
fn the_version_follows_the_meaning_and_not_the_spelling() {
    let version = |files| compile(&files).unwrap().playbook.version;
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
    let playbook = compile(&files).unwrap().playbook;
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

#[test]
fn an_email_in_mjml_becomes_html_with_blocks_and_a_preheader_and_a_text_of_its_own() {
    let mjml = "      preheader: For {{ user.first_name }}\n      mjml_file: hi.mjml\n";
    let mut files = with("messages/hi.yaml", "      text: Hi {{ user.first_name }}\n", mjml);
    let source = "<mjml><mj-body><mj-section><mj-column>\n<mj-text>Hi {{ user.first_name }}</mj-text>\n\
         {% for item in cart.items %}<mj-text><a href=\"{{ item.url }}\">{{ item.name }}</a></mj-text>{% endfor %}\n\
         <mj-text>{% render 'footer' %}</mj-text></mj-column></mj-section></mj-body></mjml>";
    files.insert("messages/hi.mjml".into(), source.into());
    files.insert("messages/blocks/footer.liquid".into(), "<em>Bye</em>\n".into());
    let loaded = compile(&files).unwrap();
    let email = loaded.playbook.messages["hi"].locales["en"].email.clone().unwrap();
    let html = email.html.unwrap();
    assert!(html.contains("overflow:hidden\">For {{ user.first_name }}</div>"), "{html}");
    assert!(html.contains("{% scope  %}<em>Bye</em>{% endscope %}"), "{html}");
    assert!(!html.contains("mj-text") && !html.contains("liquid"), "{html}");
    assert_eq!(
        email.text,
        "Hi {{ user.first_name }}\n{% for item in cart.items %}\n{{ item.name }}: {{ item.url }}\n{% endfor %}\n\
         {% scope  %}Bye{% endscope %}"
    );
}
