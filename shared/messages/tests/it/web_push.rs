//! Notifications in browsers: what becomes of templates and data.

use kairos_engine::mailbox::MessageData;
use kairos_engine::playbook::{Channel, LocalizedMessage, PushMessage, Urgency};
use kairos_engine::product::Product;
use kairos_messages::{RenderError, RenderedMessage, Setting, check_message, render};

fn message(change: impl FnOnce(&mut PushMessage)) -> LocalizedMessage {
    let mut message = PushMessage {
        title: "{{ product.name }}".into(),
        body: "is still there\nfor you".into(),
        image: Some("{{ product.image_url }}".into()),
        icon: Some("https://shop.example/icon.png".into()),
        url: Some("{{ product.url }}".into()),
        urgency: Urgency::High,
        ttl: None,
        topic: Some("cart".into()),
    };
    change(&mut message);
    LocalizedMessage { web_push: Some(message), ..LocalizedMessage::default() }
}

fn data(name: &str, link: &str) -> MessageData {
    let link = Some(link.to_owned());
    let product =
        Product { id: "mug".into(), name: Some(name.into()), image_url: link.clone(), url: link, ..Product::default() };
    MessageData { product: Some(product), ..MessageData::default() }
}

fn rendered(message: &LocalizedMessage, data: &MessageData) -> Result<PushMessage, RenderError> {
    match render(message, Channel::WebPush, data)? {
        RenderedMessage::WebPush(message) => Ok(message),
        other => panic!("{other:?} is no notification"),
    }
}

#[test]
fn a_notification_is_filled_in_and_says_how_it_is_sent() {
    let shown = rendered(&message(|_| {}), &data("Mug", "https://shop.example/mug")).unwrap();
    let expected = PushMessage {
        title: "Mug".into(),
        body: "is still there\nfor you".into(),
        image: Some("https://shop.example/mug".into()),
        icon: Some("https://shop.example/icon.png".into()),
        url: Some("https://shop.example/mug".into()),
        urgency: Urgency::High,
        ttl: None,
        topic: Some("cart".into()),
    };
    assert_eq!(shown, expected);
}

#[test]
fn values_stay_text_and_what_is_no_web_link_is_left_out() {
    let long = format!("https://shop.example/{}", "a".repeat(680));
    for link in ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/cart", "", &long] {
        let shown = rendered(&message(|_| {}), &data("<b>Mug</b>\n{{ user.id }}", link)).unwrap();
        assert_eq!(shown.title, "<b>Mug</b> {{ user.id }}", "one line of text");
        assert_eq!((shown.image, shown.url), (None, None), "{link}");
        assert!(shown.icon.is_some());
    }
}

#[test]
fn what_is_empty_or_longer_than_devices_show_is_refused() {
    let nothing = MessageData::default();
    assert!(matches!(rendered(&message(|_| {}), &nothing), Err(RenderError::Empty { .. })));
    for (long, max) in [
        (message(|message| message.title = "x".repeat(101)), 100),
        (message(|message| message.body = "x".repeat(301)), 300),
    ] {
        let refused = check_message(&long, Channel::WebPush, &Setting::default());
        assert!(matches!(refused, Err(RenderError::TooLong { max: found, .. }) if found == max), "{refused:?}");
    }
}
