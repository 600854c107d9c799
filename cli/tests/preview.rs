//! `kairos preview`. To write the expected texts anew after a change that is meant:
//! `UPDATE_GOLDEN=1 cargo test -p kairos-cli --test preview`.

#![allow(clippy::unwrap_used, reason = "tests state their expectation by failing")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use kairos_cli::preview::shopper::{Catalogue, Shopper};
use kairos_cli::preview::{Preview, Wanted, page, paint, preview};
use kairos_cli::terminal::Style;
use kairos_engine::playbook::{Playbook, TraitValue};
use kairos_engine::product::Product;
use kairos_engine::state::{PlayRun, Subject, UserState};
use kairos_engine::time::Timestamp;

const FILES: [(&str, &str); 6] = [
    ("sources.yaml", "sources:\n  web:\n    write_key: aaaaaaaaaaaaaaaa\n"),
    (
        "channels.yaml",
        "email:\n  from: Shop <hello@shop.example>\n  reply_to: service@shop.example\nsms:\n  sender_id: Shop\n\
         telegram: {silent: true}\nviber:\n  sender: Shop\nwhatsapp:\n  phone_number_id: \"123456789012345\"\n\
         on_site: {verify_identity: true}\nweb_push: {contact: \"mailto:web@shop.example\"}\n\
         mobile_push: {apns: \"arn:aws:sns:eu-central-1:123456789012:app/APNS/shop\"}\n",
    ),
    (
        "promotions.yaml",
        "promotions:\n  spring:\n    title: Spring\n    discount: 10%\n    expires_after: 3d\n    \
         prefix: SPRING\n",
    ),
    (
        "plays/hello.yaml",
        "title: Hello\ntrigger:\n  event: Store Searched\nvalid_for: 6h\nsteps:\n  - send:\n      message: hi\n      \
         channels: [telegram, viber, whatsapp, email, sms, on_site, web_push, mobile_push]\n",
    ),
    ("messages/hi.yaml", MESSAGE),
    ("messages/hi.liquid", "<title>x</title><p>Hi {{ user.first_name }}: {{ promo_code.code }}</p>"),
];

const MESSAGE: &str = r#"promotion: spring
locales:
  en:
    email:
      subject: "For {{ user.first_name }}"
      text: "Hi {{ user.first_name }}, looking for {{ event.query }}? {{ promo_code.code }}"
      html_file: hi.liquid
    sms:
      text: "Hi {{ user.first_name }} \u2019 {{ promo_code.code }}"
    telegram:
      text: "<b>{{ user.first_name }}</b>: {{ product.name }}\n{{ promo_code.code }}"
      picture: "{{ product.image_url }}"
      button: {text: "See {{ product.name }}", link: "{{ product.url }}"}
    viber:
      text: "{{ user.first_name }}: {{ promo_code.code }} until {{ promo_code.expires_at }}"
    whatsapp:
      template: spring
      language: en_US
      parameters: ["{{ user.first_name | default: 'you' }}", "{{ promo_code.code }}"]
    on_site:
      kind: banner
      title: "{{ user.first_name }}, a present"
      text: "{{ promo_code.code }}"
      button: {text: "See {{ product.name }}", link: "{{ product.url }}"}
    web_push:
      title: "{{ product.name }}"
      body: "{{ promo_code.code }}"
      icon: https://shop.example/icon.png
      url: "{{ product.url }}"
    mobile_push:
      title: "{{ product.name }}"
      body: "{{ promo_code.code }}"
      image: "{{ product.image_url }}"
      url: "{{ product.url }}"
      urgency: high
      ttl: 1h
"#;

/// A folder with a play on every channel; `message` is what its message says.
fn folder(name: &str, message: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for (path, text) in FILES {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.join("messages/hi.yaml"), message).unwrap();
    folder
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbook")
}

fn kairos(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kairos")).arg("preview").args(arguments).arg(folder).output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn compare(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, shown).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{name} differs; if it is meant, run with UPDATE_GOLDEN=1 and review the change");
}

/// The play of [`folder`] for the sample shopper, changed as wanted.
async fn of_folder(folder: &Path, change: impl FnOnce(&mut Shopper)) -> Preview {
    let playbook: Playbook = kairos_playbook::load(folder).unwrap().playbook;
    let play = playbook.play("hello").unwrap();
    let mut shopper = Shopper::sample(&playbook, play);
    change(&mut shopper);
    let at = Timestamp::parse("2026-11-22T08:00:00Z").unwrap();
    preview(&playbook, &Wanted { play, message: None, locale: None, sms_price: None, at }, &shopper).await
}

#[test]
fn the_shipped_abandoned_cart_is_shown_on_each_channel_in_each_language() {
    let output = kairos(&["abandoned_cart", "--sms-price", "0.0075"], &shipped());
    let (shown, said) = texts(&output);
    assert!(output.status.success(), "{said}");
    compare("preview_abandoned_cart.txt", &shown);
}

#[tokio::test]
async fn every_channel_shows_what_it_has() {
    let shown = of_folder(&folder("preview-every", MESSAGE), |_| {}).await;
    compare("preview_every_channel.txt", &(paint::lines(&shown, Style::PLAIN).join("\n") + "\n"));
}

#[test]
fn one_message_and_one_language_can_be_asked_for() {
    // Whoever speaks Swiss German gets German; whoever speaks Finnish gets the default.
    for (locale, heading) in [("de-CH", "abandoned_cart in de"), ("fi", "abandoned_cart in en")] {
        let output = kairos(&["abandoned_cart", "--message", "abandoned_cart", "--locale", locale], &shipped());
        let (shown, _) = texts(&output);
        let headings: Vec<&str> = shown.lines().filter(|line| line.starts_with("abandoned_cart")).collect();
        assert_eq!(headings.len(), 1, "{shown}");
        assert!(headings[0].starts_with(heading), "{headings:?}");
    }
}

#[test]
fn who_mistypes_a_name_is_told_the_nearest_one() {
    for (arguments, said) in [
        (&["abandoned_card"][..], "the playbook has no play abandoned_card; did you mean abandoned_cart?"),
        (&["abandoned_cart", "--message", "abandoned_crt"], "no message abandoned_crt; did you mean abandoned_cart?"),
        (&["abandoned_cart", "--message", "x"], "has no message x; it has abandoned_cart_first_order, abandoned_cart"),
    ] {
        let output = kairos(arguments, &shipped());
        assert!(!output.status.success());
        let (shown, error) = texts(&output);
        assert!(error.contains(said), "{error}");
        assert_eq!(shown, "");
    }
}

#[test]
fn a_wrong_template_is_told_with_its_place_and_the_other_channels_are_shown() {
    let wrong = MESSAGE.replace("<b>{{ user.first_name }}</b>:", "<b>{{ user.name }}</b>:");
    let output = kairos(&["hello"], &folder("preview-wrong", &wrong));
    let (shown, said) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("messages/hi.yaml:11:20"), "{said}");
    assert!(shown.contains("the Telegram message template is wrong: line 1, column"), "{shown}");
    for there in ["For Ann", "{{1}} Ann", "Ann: SPRING-"] {
        assert!(shown.contains(there), "{there}: {shown}");
    }
}

#[tokio::test]
async fn what_comes_out_empty_or_too_long_says_so_and_the_rest_is_shown() {
    let message = MESSAGE.replace("Hi {{ user.first_name }} \\u2019", "{{ user.last_name }}");
    let folder = folder("preview-long", &message);
    let long = |shopper: &mut Shopper| shopper.data.user.last_name = Some("long ".repeat(1_000));
    let shown = of_folder(&folder, long).await;
    assert_eq!(shown.failures(), 1);
    let lines = paint::lines(&shown, Style::PLAIN).join("\n");
    assert!(lines.contains("error      the SMS is") && lines.contains("subject    For Ann"), "{lines}");
}

#[tokio::test]
async fn short_links_are_as_long_as_real_ones_and_say_where_they_lead() {
    let message = MESSAGE.replace("\\u2019", "https://shop.example/cart").replace("{{ product.name }}\\n", "");
    let folder = folder("preview-links", &message);
    fs::write(folder.join("links.yaml"), "hosts: [shop.example]\ndomain: https://go.shop.example\nopens: true\n")
        .unwrap();
    let shown = of_folder(&folder, |_| {}).await;
    let lines = paint::lines(&shown, Style::PLAIN);
    let of = |channel: &str| {
        let block = lines.iter().skip_while(|line| line.trim() != channel).take_while(|line| !line.is_empty());
        block.cloned().collect::<Vec<_>>().join("\n")
    };
    assert!(of("sms").contains("Hi Ann https://go.shop.example/c/"), "{}", of("sms"));
    assert!(of("sms").contains("links      https://shop.example/cart\n"), "{}", of("sms"));
    assert!(of("telegram").contains("links      https://shop.example/mug\n"), "{}", of("telegram"));
    // Nobody has opened anything by looking.
    assert!(of("email").contains("without pictures"), "{}", of("email"));
    assert!(!page::page(&shown).contains("/o/"));
}

#[tokio::test]
async fn a_user_gets_what_is_known_of_them_and_what_started_the_play() {
    let folder = folder("preview-known", MESSAGE);
    let playbook = kairos_playbook::load(&folder).unwrap().playbook;
    let play = playbook.play("hello").unwrap();
    let mut state = UserState::default();
    state.profile.first_name = Some("Ben".into());
    state.profile.email = Some("ben@shop.example".into());
    state.profile.locale = Some("de".into());
    let looked = |name: &str| Product { id: name.into(), name: Some(name.into()), ..Product::default() };
    state.viewed = vec![looked("Kettle"), looked("Lamp")];
    let of = async |state: &UserState| {
        let shopper = Shopper::known("Ben", state, &playbook, play, Catalogue::Sample(BTreeMap::new()));
        let at = Timestamp::from_millis(0);
        let shown =
            preview(&playbook, &Wanted { play, message: None, locale: None, sms_price: None, at }, &shopper).await;
        paint::lines(&shown, Style::PLAIN).join("\n")
    };
    let idle = of(&state).await;
    for there in [
        "Hello (hello) for Ben, as known now\n",
        // Nobody wrote the message in their language: they get its default.
        "hi in en\n",
        "  email\n",
        "looking for [query]?",
        "  sms  (they have no address here)",
        "Ben: Lamp",
    ] {
        assert!(idle.contains(there), "{there}: {idle}");
    }
    let subject = Subject {
        product: Some(looked("Teapot")),
        event: [("query".to_owned(), TraitValue::Text("tea".into()))].into(),
        ..Subject::default()
    };
    let due_at = Timestamp::from_millis(0);
    let run = PlayRun { step: 0, due_at, gives_up_at: None, held_since: None, subject };
    state.plays.entry("hello".into()).or_default().run = Some(Box::new(run));
    let on_the_way = of(&state).await;
    for there in ["with the play on its way", "looking for tea?", "Ben: Teapot"] {
        assert!(on_the_way.contains(there), "{there}: {on_the_way}");
    }
}

/// A tag's name, and its attributes with their values.
type Tag = (String, Vec<(String, String)>);

/// The tags of a page with their attributes, and the documents of its frames.
fn tags(page: &str) -> (Vec<Tag>, Vec<String>) {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut frames = Vec::new();
    let tags = Tokenizer::new_with_emitter(page, emitter).filter_map(|token| match token.unwrap() {
        Token::StartTag(tag) => {
            let attributes: Vec<_> = tag.attributes.iter().map(|(name, value)| (text(name), text(value))).collect();
            frames.extend(attributes.iter().filter(|(name, _)| name == "srcdoc").map(|(_, page)| page.clone()));
            Some((text(&tag.name), attributes))
        }
        _ => None,
    });
    (tags.collect(), frames)
}

#[tokio::test]
async fn what_a_user_says_of_themselves_does_nothing_on_the_page() {
    let folder = folder("preview-hostile", MESSAGE);
    for hostile in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'\"></iframe><script>alert(1)</script>",
        "</style><style>*{display:none}",
        "&quot;&gt;&lt;script&gt;",
        "javascript:alert(1)",
    ] {
        let shown = of_folder(&folder, |shopper| {
            shopper.described = hostile.into();
            shopper.data.user.first_name = Some(hostile.into());
            let product = shopper.data.product.as_mut().unwrap();
            product.name = Some(hostile.into());
            product.url = Some(format!("https://shop.example/{hostile}"));
            product.image_url = Some(hostile.into());
        });
        let page = page::page(&shown.await);
        let usual =
            page::page(&of_folder(&folder, |shopper| shopper.data.product.as_mut().unwrap().image_url = None).await);
        let names = |page: &str| tags(page).0.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        // A button whose link is none is left out; nothing may come in.
        let there_are = names(&usual);
        assert!(names(&page).iter().all(|name| there_are.contains(name)), "{hostile}: {page}");
        assert_eq!(names(&page).len(), there_are.len(), "{hostile}: {page}");
        let (all, frames) = tags(&page);
        for (name, attributes) in &all {
            for (attribute, value) in attributes {
                assert!(!attribute.starts_with("on"), "{hostile}: {name} {attribute}");
                assert!(attribute != "href" || value.starts_with("https://"), "{hostile}: {value}");
                assert!(attribute != "sandbox" || value.is_empty(), "{value}");
            }
        }
        assert_eq!(frames.len(), 1);
        assert_eq!(names(&frames[0]), ["title", "p"], "{hostile}: {frames:?}");
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_but_the_messages_pictures() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preview.html");
    let output = kairos(&["abandoned_cart", "--html", file.to_str().unwrap()], &shipped());
    assert!(output.status.success(), "{}", texts(&output).1);
    let page = fs::read_to_string(file).unwrap();
    let (tags, frames) = tags(&page);
    assert!(page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"), "{page}");
    for (name, attributes) in &tags {
        assert!(!["script", "link", "object", "embed", "form", "base"].contains(&name.as_str()), "{name}");
        assert!(attributes.iter().all(|(attribute, _)| attribute != "src" || name == "img"), "{name}");
        let sandbox = attributes.iter().find(|(attribute, _)| attribute == "sandbox");
        assert!(name != "iframe" || sandbox.is_some_and(|(_, may)| may.is_empty()), "{attributes:?}");
    }
    // Two messages in two languages.
    assert_eq!(frames.len(), 4);
    assert!(frames.iter().all(|frame| frame.starts_with("<!doctype html>")), "{frames:?}");
}
