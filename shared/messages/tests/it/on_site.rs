//! Messages on pages: what becomes of templates and data.

use kairos_engine::mailbox::{MessageData, PersonData};
use kairos_engine::playbook::{Channel, LinkButton, LocalizedMessage, OnSiteKind, OnSiteMessage, OnSitePosition};
use kairos_engine::product::Product;
use kairos_messages::{RenderError, RenderedMessage, Setting, check_message, render};

fn message(change: impl FnOnce(&mut OnSiteMessage)) -> LocalizedMessage {
    let mut message = OnSiteMessage {
        kind: OnSiteKind::Modal,
        title: Some("For {{ user.first_name }}".into()),
        text: "{{ product.name }}\n\nis yours".into(),
        picture: Some("{{ product.image_url }}".into()),
        button: Some(LinkButton { text: "To {{ product.name }}".into(), link: "{{ product.url }}".into() }),
        position: OnSitePosition::Top,
        slot: None,
        dismissible: true,
        close: Some("Close".into()),
    };
    change(&mut message);
    LocalizedMessage { on_site: Some(message), ..LocalizedMessage::default() }
}

fn data(name: &str, link: &str) -> MessageData {
    let link = Some(link.to_owned());
    let product =
        Product { id: "mug".into(), name: Some(name.into()), image_url: link.clone(), url: link, ..Product::default() };
    MessageData {
        user: PersonData { first_name: Some("Ada".into()), ..PersonData::default() },
        product: Some(product),
        ..MessageData::default()
    }
}

fn rendered(message: &LocalizedMessage, data: &MessageData) -> Result<OnSiteMessage, RenderError> {
    match render(message, Channel::OnSite, data)? {
        RenderedMessage::OnSite(message) => Ok(message),
        other => panic!("{other:?} is for no page"),
    }
}

#[test]
fn a_message_on_a_page_is_filled_in_and_says_how_it_stands_there() {
    let shown = rendered(&message(|_| {}), &data("Mug", "https://shop.example/mug")).unwrap();
    let expected = OnSiteMessage {
        kind: OnSiteKind::Modal,
        title: Some("For Ada".into()),
        text: "Mug\n\nis yours".into(),
        picture: Some("https://shop.example/mug".into()),
        button: Some(LinkButton { text: "To Mug".into(), link: "https://shop.example/mug".into() }),
        position: OnSitePosition::Top,
        slot: None,
        dismissible: true,
        close: Some("Close".into()),
    };
    assert_eq!(shown, expected);
}

#[test]
fn values_stay_text_and_no_script_becomes_a_link() {
    let hostile = "<img src=x onerror=alert(1)>\u{202e}{{ user.id }}\n";
    for link in ["javascript:alert(1)", "data:text/html,x", " JavaScript:alert(1)", "//evil.example", "/cart", ""] {
        let shown = rendered(&message(|_| {}), &data(hostile, link)).unwrap();
        assert_eq!(
            shown.text, "<img src=x onerror=alert(1)>{{ user.id }} \n\nis yours",
            "text, which pages show as it is"
        );
        assert_eq!((shown.picture, shown.button), (None, None), "{link}");
    }
}

#[test]
fn what_is_empty_is_left_out_and_what_is_too_long_is_refused() {
    let nothing = MessageData::default();
    let shown = rendered(&message(|message| message.title = Some("{{ user.first_name }}".into())), &nothing).unwrap();
    assert_eq!(shown.title, None);
    let empty = rendered(&message(|message| message.text = "{{ product.name }}".into()), &nothing);
    assert_eq!(empty, Err(RenderError::Empty { part: "text on the page" }));
    let long = rendered(&message(|_| {}), &data(&"x".repeat(700), ""));
    assert!(matches!(long, Err(RenderError::TooLong { part: "text on the page", max: 600, .. })), "{long:?}");
    let long = message(|message| message.title = Some("x".repeat(121)));
    assert!(matches!(
        check_message(&long, Channel::OnSite, &Setting::default()),
        Err(RenderError::TooLong { max: 120, .. })
    ));
}
