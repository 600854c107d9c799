//! Messages on the shop's pages in a playbook: what is read, and what is said about slips.

use kairos_engine::playbook::{Channel, LinkButton, OnSiteKind, OnSiteMessage, OnSitePosition, OnSiteSettings, Step};
use kairos_playbook::compile;

use super::problems::Files;
use super::with;

const MESSAGE: &str = "
locales:
  en:
    email: {subject: Hi, text: Hi}
    sms: {text: Hi}
    on_site:
      kind: banner
      title: \"{{ user.first_name | default: 'Hello' }}\"
      text: |
        Free shipping for {{ product.name | default: 'your cart' }}.
      picture: '{{ product.image_url }}'
      button: {text: To the cart, link: 'https://shop.example/cart'}
      position: top
      close: Not now
";

/// The small playbook with messages on the site, and this changed.
fn on_site(from: &str, to: &str) -> Files {
    let mut files = with("channels.yaml", "\nsms:", "\non_site:\nsms:");
    files.insert("messages/hi.yaml".into(), MESSAGE.into());
    if !from.is_empty() {
        let mut found = false;
        for text in files.values_mut() {
            found |= text.contains(from);
            *text = text.replace(from, to);
        }
        assert!(found, "{from}");
    }
    files
}

#[test]
fn messages_on_the_site_are_set_up_and_written() {
    let playbook = compile(&on_site("channels: [email, sms]", "channels: [on_site, email]")).unwrap().playbook;
    assert_eq!(
        playbook.channels.on_site,
        Some(OnSiteSettings { verify_identity: true }),
        "the safe way without a word"
    );
    let message = playbook.messages["hi"].localized(None).unwrap();
    let expected = OnSiteMessage {
        kind: OnSiteKind::Banner,
        title: Some("{{ user.first_name | default: 'Hello' }}".into()),
        text: "Free shipping for {{ product.name | default: 'your cart' }}.\n".into(),
        picture: Some("{{ product.image_url }}".into()),
        button: Some(LinkButton { text: "To the cart".into(), link: "https://shop.example/cart".into() }),
        position: OnSitePosition::Top,
        slot: None,
        dismissible: true,
        close: Some("Not now".into()),
    };
    assert_eq!(message.on_site, Some(expected));
    let [play] = playbook.plays.as_slice() else { panic!("one play") };
    let [Step::Send { channels, .. }] = play.steps.as_slice() else { panic!("one step") };
    assert_eq!(channels, &[Channel::OnSite, Channel::Email]);
    let open = compile(&on_site("on_site:\nsms", "on_site: {verify_identity: false}\nsms")).unwrap().playbook;
    assert_eq!(open.channels.on_site, Some(OnSiteSettings { verify_identity: false }));
    let embedded = on_site("kind: banner", "kind: embedded\n      slot: product_page\n      dismissible: false");
    let embedded = embedded.into_iter().map(|(path, text)| (path, text.replace("      position: top\n", "")));
    let playbook = compile(&embedded.collect()).unwrap().playbook;
    let message = playbook.messages["hi"].localized(None).unwrap().on_site.clone().unwrap();
    assert_eq!(
        (message.kind, message.slot.as_deref(), message.dismissible),
        (OnSiteKind::Embedded, Some("product_page"), false)
    );
}

#[test]
fn slips_about_messages_on_the_site_say_what_to_write_instead() {
    let long = format!("text: {}", "a".repeat(601));
    let title = format!("title: {}", "a".repeat(121));
    for (from, to, said) in [
        ("on_site:\nsms", "on_site: {verify: true}\nsms", "`on_site` has no `verify`"),
        ("on_site:\nsms", "on_site: {verify_identity: \"no\"}\nsms", "`verify_identity` is `true` or `false`"),
        ("kind: banner", "kind: popup", "`popup`"),
        ("      kind: banner\n", "", "`on_site` needs `kind`"),
        ("kind: banner", "kind: modal", "the place of a modal message cannot be chosen by `position`"),
        ("kind: banner\n", "kind: banner\n      slot: cart\n", "a banner stands in no slot"),
        ("kind: banner", "kind: embedded", "an embedded message needs to know where it stands"),
        ("position: top", "position: left", "`left`"),
        ("text: |\n        Free", "text: \"\" #", "`text`"),
        (
            "text: |\n        Free shipping for {{ product.name | default: 'your cart' }}.",
            &long,
            "the text on the page is 601 long",
        ),
        ("title: \"{{ user.first_name | default: 'Hello' }}\"", &title, "the title on the page is 121 long"),
        ("{{ user.first_name | default: 'Hello' }}", "{{ user.frist_name }}", "frist_name"),
        ("link: 'https://shop.example/cart'", "link: 'javascript:alert(1)'", "this is not a link"),
        ("link: 'https://shop.example/cart'", "link: /cart", "this is not a link"),
        ("'{{ product.image_url }}'", "'data:image/png;base64,x'", "this is not a link"),
        ("text: To the cart, ", "", "a button needs `text`"),
        ("close: Not now", "closes: Not now", "`on_site` has no `closes`"),
        ("channels: [email, sms]", "channels: [onsite, sms]", "`onsite`"),
        ("\nvalid_for", "\nwho: {reachable: on_site}\nvalid_for", "nobody has an address on the site"),
        ("  web:", "  inbox:", "`inbox` is Kairos' own source"),
    ] {
        let found = compile(&on_site(from, to)).map(|_| ()).unwrap_err();
        assert!(found.iter().any(|one| one.message.contains(said) && one.help.is_some()), "{to}: {found:#?}");
    }
    let slot = "kind: embedded\n      slot: \"a b\"";
    let found = compile(&on_site("kind: banner", slot)).map(|_| ()).unwrap_err();
    assert!(found.iter().any(|one| one.message.contains("`a b` cannot be the name of a slot")), "{found:#?}");
    let stuck = MESSAGE.replace("      position: top\n", "      dismissible: false\n").replace("banner", "modal");
    let stuck = stuck.replace("      button: {text: To the cart, link: 'https://shop.example/cart'}\n", "");
    let mut files = on_site("", "");
    files.insert("messages/hi.yaml".into(), stuck);
    let found = compile(&files).map(|_| ()).unwrap_err();
    assert!(found.iter().any(|one| one.message.contains("nobody could ever close this")), "{found:#?}");
}
