//! The playbook that comes with the project. To write the expected texts anew after a change that is meant:
//! `UPDATE_GOLDEN=1 cargo test -p kairos-playbook`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use kairos_engine::mailbox::{CartData, DeviceData, MessageData, PersonData};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::playbook::{Channel, Playbook, TraitValue};
use kairos_engine::product::Product;
use kairos_messages::{ConsentUrls, Found, Locale, RenderedMessage, SmsEncoding, Store, render_with};
use kairos_playbook::{Diagnostic, Draft, draft, load};

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../playbook")
}

fn shipped() -> Playbook {
    let loaded = load(&folder()).unwrap_or_else(|problems| panic!("{}", said(&problems)));
    assert!(loaded.warnings.is_empty(), "{}", said(&loaded.warnings));
    loaded.playbook
}

fn said(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

fn product(id: &str, name: &str, micros: i64, quantity: u32) -> Product {
    Product {
        id: id.into(),
        name: Some(name.into()),
        price: Some(Micros::new(micros)),
        currency: Currency::parse("EUR"),
        quantity,
        image_url: Some(format!("https://shop.example/{id}.jpg")),
        url: Some(format!("https://shop.example/{id}?from=mail&x=1")),
        category: Some("tableware".into()),
    }
}

/// Everything that a message may show.
fn full() -> (MessageData, Option<Store>) {
    let text = |text: &str| TraitValue::Text(text.into());
    let items = vec![product("mug", "Blue Mug \"Sea\"", 35_790_000, 2), product("tea", "Tea <green>", 4_500_000, 1)];
    let data = MessageData {
        user: PersonData { id: Some("u1".into()), first_name: Some("Ann".into()), last_name: Some("Lee".into()) },
        cart: CartData { total: Some(Micros::new(76_080_000)), currency: Currency::parse("EUR"), items: items.clone() },
        product: items.first().cloned(),
        product_was: Some(Micros::new(42_000_000)),
        viewed: items,
        event: [
            ("title".to_owned(), text("So What")),
            ("artist".to_owned(), text("Miles Davis")),
            ("course".to_owned(), text("Bread at Home")),
            ("date".to_owned(), text("27 November, 18:00")),
        ]
        .into(),
        device: DeviceData { kind: Some("phone".into()), os: Some("ios".into()) },
        ..MessageData::default()
    };
    let store = Store {
        name: "showroom_mitte".into(),
        title: "Showroom Mitte".into(),
        address: Some("Rosenthaler Str. 40, 10178 Berlin".into()),
        url: Some("https://shop.example/berlin-mitte".into()),
        distance_m: Some(1_230),
    };
    (data, Some(store))
}

fn links() -> ConsentUrls {
    let url = |path: &str| format!("https://preferences.example/{path}/TOKEN");
    ConsentUrls { unsubscribe: url("u"), preferences: url("p"), confirm: url("c") }
}

/// As little as a play can ever send with.
fn sparse() -> (MessageData, Option<Store>) {
    let item = Product { id: "5100816".into(), quantity: 1, ..Product::default() };
    let data = MessageData {
        cart: CartData { items: vec![item.clone()], ..CartData::default() },
        product: Some(item),
        ..MessageData::default()
    };
    (data, None)
}

#[test]
fn the_shipped_playbook_loads_and_does_what_it_says() {
    let playbook = shipped();
    let plays: Vec<&str> = playbook.plays.iter().map(|play| play.name.as_str()).collect();
    assert!(plays.is_sorted() && plays.contains(&"abandoned_cart") && plays.contains(&"welcome"), "{plays:?}");
    assert_eq!(playbook.sources.len(), 3);
    assert_eq!(playbook.version, kairos_playbook::version_of(&playbook));
    assert_eq!(playbook.version.0.len(), 32);
    let again = serde_json::from_slice::<Playbook>(&serde_json::to_vec(&playbook).unwrap()).unwrap();
    assert_eq!(again, playbook);
}

#[test]
fn a_draft_of_what_is_right_is_the_same() {
    assert_eq!(draft(&folder()), Ok(Draft { playbook: shipped(), found: Vec::new() }));
}

#[test]
fn its_messages_read_well_with_full_and_with_sparse_data() {
    let playbook = shipped();
    let destinations = playbook.links.as_ref().unwrap().pages();
    for (name, message) in &playbook.messages {
        let locales: Vec<&str> = message.locales.keys().map(String::as_str).collect();
        assert_eq!(locales, ["de", "en"], "{name}");
        for (locale, templates) in &message.locales {
            let mut shown = String::new();
            for (how_much, (data, store)) in [("everything", full()), ("next to nothing", sparse())] {
                writeln!(shown, "########## {how_much} is known").unwrap();
                for channel in Channel::ALL.into_iter().filter(|channel| templates.has(*channel)) {
                    writeln!(shown, "===== {channel}").unwrap();
                    let (store, destinations) = (store.clone(), destinations.clone());
                    let reader = Locale { language: locale.clone(), ..Locale::default() };
                    let found =
                        Found { store, destinations, consent: Some(links()), locale: reader, ..Found::default() };
                    let rendered = render_with(templates, channel, &data, &found);
                    match rendered.unwrap_or_else(|error| panic!("{name}, {locale}, {channel}: {error}")) {
                        RenderedMessage::Email { subject, text, html } => {
                            writeln!(shown, "Subject: {subject}\n----- text\n{text}\n----- html").unwrap();
                            writeln!(shown, "{}", html.unwrap()).unwrap();
                        }
                        RenderedMessage::Sms { text, encoding, segments } => {
                            assert_eq!((encoding, segments), (SmsEncoding::Gsm7, 1), "{name}, {locale}: {text}");
                            writeln!(shown, "{text}").unwrap();
                        }
                        RenderedMessage::Webhook { text, .. } => writeln!(shown, "{text}").unwrap(),
                        RenderedMessage::OnSite(message) => {
                            writeln!(shown, "{}", serde_json::to_string_pretty(&message).unwrap()).unwrap();
                        }
                        RenderedMessage::WebPush(message) => {
                            writeln!(shown, "{}", serde_json::to_string_pretty(&message).unwrap()).unwrap();
                        }
                        other => panic!("the shipped messages use no messenger: {other:?}"),
                    }
                }
            }
            compare(&format!("{name}.{locale}.txt"), &shown);
        }
    }
}

pub(crate) fn compare(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, shown).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{name} differs; if it is meant, run with UPDATE_GOLDEN=1 and review the change");
}
