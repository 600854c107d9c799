//! The playbook that comes with the project. To write the expected texts anew after a change that is meant:
//! `UPDATE_GOLDEN=1 cargo test -p kairos-playbook`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use kairos_engine::mailbox::{CartData, MessageData, PersonData};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::playbook::{Channel, Playbook};
use kairos_engine::product::Product;
use kairos_messages::{RenderedMessage, SmsEncoding, render};
use kairos_playbook::load;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../playbook")
}

fn shipped() -> Playbook {
    load(&folder()).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))
    })
}

fn full() -> MessageData {
    let product = |id: &str, name: &str, micros, quantity| Product {
        id: id.into(),
        name: Some(name.into()),
        price: Some(Micros::new(micros)),
        currency: Currency::parse("EUR"),
        quantity,
        image_url: Some(format!("https://shop.example/{id}.jpg")),
        url: Some(format!("https://shop.example/{id}?from=mail&x=1")),
    };
    MessageData {
        user: PersonData { id: Some("u1".into()), first_name: Some("Ann".into()), last_name: Some("Lee".into()) },
        cart: CartData {
            items: vec![product("mug", "Blue Mug \"Sea\"", 35_790_000, 2), product("tea", "Tea <green>", 4_500_000, 1)],
            total: Some(Micros::new(76_080_000)),
            currency: Currency::parse("EUR"),
        },
    }
}

/// As little as a play can ever send with.
fn sparse() -> MessageData {
    let item = Product { id: "5100816".into(), quantity: 1, ..Product::default() };
    MessageData { user: PersonData::default(), cart: CartData { items: vec![item], ..CartData::default() } }
}

#[test]
fn the_shipped_playbook_loads_and_does_what_it_says() {
    let playbook = shipped();
    assert_eq!(playbook.plays.iter().map(|play| play.name.as_str()).collect::<Vec<_>>(), ["abandoned_cart", "welcome"]);
    assert_eq!(playbook.sources.len(), 3);
    assert_eq!(playbook.traits_used().into_iter().collect::<Vec<_>>(), ["createdAt"]);
    assert_eq!(playbook.version, kairos_playbook::version_of(&playbook));
    assert_eq!(playbook.version.0.len(), 32);
    let again = serde_json::from_slice::<Playbook>(&serde_json::to_vec(&playbook).unwrap()).unwrap();
    assert_eq!(again, playbook);
}

#[test]
fn its_messages_read_well_with_full_and_with_sparse_data() {
    let playbook = shipped();
    for (name, message) in &playbook.messages {
        for (locale, templates) in &message.locales {
            for (how_much, data) in [("full", full()), ("sparse", sparse())] {
                let mut shown = String::new();
                for channel in Channel::ALL {
                    writeln!(shown, "===== {channel}").unwrap();
                    match render(templates, channel, &data).unwrap() {
                        RenderedMessage::Email { subject, text, html } => {
                            writeln!(shown, "Subject: {subject}\n----- text\n{text}\n----- html").unwrap();
                            writeln!(shown, "{}", html.unwrap()).unwrap();
                        }
                        RenderedMessage::Sms { text, encoding, segments } => {
                            assert_eq!((encoding, segments), (SmsEncoding::Gsm7, 1), "{text}");
                            writeln!(shown, "{text}").unwrap();
                        }
                        RenderedMessage::Webhook { text } => writeln!(shown, "{text}").unwrap(),
                    }
                }
                compare(&format!("{name}.{locale}.{how_much}.txt"), &shown);
            }
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
