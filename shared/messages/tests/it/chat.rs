//! Messages of messengers: what they show, and what data cannot do to them.

use super::{data, mug};
use kairos_engine::bounds::{TELEGRAM_CAPTION_CHARS_MAX, TELEGRAM_CHARS_MAX, VIBER_CHARS_MAX, WHATSAPP_CHARS_MAX};
use kairos_engine::mailbox::MessageData;
use kairos_engine::playbook::{Channel, ChatTemplate, LinkButton, LocalizedMessage, WhatsappTemplate};
use kairos_messages::{RenderError, RenderedMessage, Setting, TemplateKind, check_message, check_template, render};

/// Somebody with this name, and a product of the play with this name and these links.
fn about(person: &str, product: &str, picture: Option<&str>, page: Option<&str>) -> MessageData {
    let mut data = data();
    data.user.first_name = Some(person.into());
    let (image_url, url) = (picture.map(str::to_owned), page.map(str::to_owned));
    data.product = Some(kairos_engine::product::Product { name: Some(product.into()), image_url, url, ..mug() });
    data
}

fn chat(text: &str) -> ChatTemplate {
    ChatTemplate {
        text: text.into(),
        picture: Some("{{ product.image_url }}".into()),
        button: Some(LinkButton { text: "Buy {{ product.name }}".into(), link: "{{ product.url }}".into() }),
    }
}

fn telegram(template: ChatTemplate, data: &MessageData) -> Result<RenderedMessage, RenderError> {
    render(&LocalizedMessage { telegram: Some(template), ..LocalizedMessage::default() }, Channel::Telegram, data)
}

fn viber(template: ChatTemplate, data: &MessageData) -> Result<RenderedMessage, RenderError> {
    render(&LocalizedMessage { viber: Some(template), ..LocalizedMessage::default() }, Channel::Viber, data)
}

fn whatsapp(parameters: &[&str], data: &MessageData) -> Result<RenderedMessage, RenderError> {
    let template = WhatsappTemplate {
        template: "cart".into(),
        language: "en_US".into(),
        parameters: parameters.iter().map(|text| (*text).to_owned()).collect(),
        picture: None,
    };
    render(&LocalizedMessage { whatsapp: Some(template), ..LocalizedMessage::default() }, Channel::Whatsapp, data)
}

#[test]
fn a_telegram_message_has_text_picture_and_button() {
    let data = about("Ann", "Blue Mug", Some("https://shop.example/mug.jpg"), Some("https://shop.example/mug?a=1&b=2"));
    let template = chat("<b>{{ user.first_name }}</b>, your <a href=\"{{ product.url }}\">{{ product.name }}</a>");
    let RenderedMessage::Telegram { text, picture, button } = telegram(template, &data).unwrap() else { panic!() };
    assert_eq!(text, "<b>Ann</b>, your <a href=\"https://shop.example/mug?a=1&amp;b=2\">Blue Mug</a>");
    assert_eq!(picture.as_deref(), Some("https://shop.example/mug.jpg"));
    // A link of its own is no HTML, and neither is a button's text.
    let link = "https://shop.example/mug?a=1&b=2".to_owned();
    assert_eq!(button, Some(LinkButton { text: "Buy Blue Mug".into(), link }));
}

#[test]
fn a_long_button_is_cut_and_an_empty_one_left_out() {
    let data = |name: &str| about("Ann", name, None, Some("https://shop.example/mug"));
    let button = |text: &str, data: &MessageData| {
        let button = Some(LinkButton { text: text.into(), link: "{{ product.url }}".into() });
        match viber(ChatTemplate { text: "Hi".into(), button, ..ChatTemplate::default() }, data).unwrap() {
            RenderedMessage::Viber { button, .. } => button.map(|button| button.text),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(button("{{ product.name }}", &data(&"ж".repeat(64))), Some("ж".repeat(64)));
    assert_eq!(button("{{ product.name }}", &data(&"ж".repeat(65))), Some("ж".repeat(63) + "…"));
    assert_eq!(button("{{ user.last_name }}", &data("Mug")), None);
}

#[test]
fn data_cannot_break_out_of_a_chat() {
    let hostile = "</b><a href=\"https://evil.example\">win</a>\n*x*\u{202e}& <";
    let data = about(hostile, hostile, Some("javascript:alert(1)"), Some("tg://resolve?domain=evil"));
    let RenderedMessage::Telegram { text, picture, button } =
        telegram(chat("<b>{{ user.first_name }}</b>"), &data).unwrap()
    else {
        panic!()
    };
    let shown = "&lt;/b&gt;&lt;a href=&quot;https://evil.example&quot;&gt;win&lt;/a&gt; *x*&amp; &lt;";
    assert_eq!((text, picture, button), (format!("<b>{shown}</b>"), None, None), "what is no web link is left out");
    let RenderedMessage::Viber { text, picture, button } = viber(chat("Hi {{ user.first_name }}"), &data).unwrap()
    else {
        panic!()
    };
    assert_eq!(text, "Hi </b><a href=\"https://evil.example\">win</a> *x*& <", "plain text, in one line");
    assert_eq!((picture, button), (None, None));
    let RenderedMessage::Whatsapp { parameters, .. } =
        whatsapp(&["{{ user.first_name }}"], &about("Ann\r\n\tof   a      family", "", None, None)).unwrap()
    else {
        panic!()
    };
    assert_eq!(parameters, ["Ann of a family"], "no line breaks, no tabs, no runs of blanks");
}

#[test]
fn what_a_messenger_would_not_take_is_refused_and_says_what_to_do() {
    let long = |length: usize| about(&"ж".repeat(length), "", Some("https://shop.example/a.jpg"), None);
    let said = |result: Result<RenderedMessage, RenderError>| result.unwrap_err().to_string();
    let name = || ChatTemplate { text: "<b>{{ user.first_name }}</b>".into(), ..ChatTemplate::default() };
    assert!(telegram(name(), &long(TELEGRAM_CHARS_MAX)).is_ok(), "markup does not count");
    assert!(said(telegram(name(), &long(TELEGRAM_CHARS_MAX + 1))).contains("4097 long, and 4096 is the most"));
    let captioned = || ChatTemplate { picture: Some("{{ product.image_url }}".into()), ..name() };
    assert!(telegram(captioned(), &long(TELEGRAM_CAPTION_CHARS_MAX)).is_ok());
    assert!(said(telegram(captioned(), &long(TELEGRAM_CAPTION_CHARS_MAX + 1))).contains("with a picture is 1025"));
    let name = || ChatTemplate { text: "{{ user.first_name }}".into(), ..ChatTemplate::default() };
    assert!(viber(name(), &long(VIBER_CHARS_MAX)).is_ok());
    assert!(said(viber(name(), &long(VIBER_CHARS_MAX + 1))).contains("7001 long, and 7000 is the most"));
    let quotes = about(&"\u{1F600}".repeat(6_000), "", None, None);
    assert!(said(viber(name(), &quotes)).contains("in bytes"));
    assert!(whatsapp(&["{{ user.first_name }}"], &long(WHATSAPP_CHARS_MAX)).is_ok());
    assert!(said(whatsapp(&["{{ user.first_name }}", "x"], &long(WHATSAPP_CHARS_MAX))).contains("1025 long"));
    assert!(said(whatsapp(&["{{ user.last_name }}"], &long(1))).contains("give missing values a `default`"));
    let wrong = ChatTemplate { text: "<p>Hello</p>".into(), ..ChatTemplate::default() };
    assert!(said(telegram(wrong, &long(1))).contains("it has no `<p>`"));
}

#[test]
fn slips_in_templates_of_messengers_are_found_before_anybody_is_waiting() {
    let slip = |source: &str, kind| check_template(source, kind, &Setting::default()).unwrap_err().remove(0).message;
    assert_eq!(slip("/cart", TemplateKind::Link), "this is not a link");
    assert_eq!(slip("{{ user.first_name }}", TemplateKind::Link), "this is not a link");
    for link in ["https://shop.example/?q={{ event.query }}", "{{ product.url }}"] {
        assert_eq!(check_template(link, TemplateKind::Link, &Setting::default()), Ok(()), "{link}");
    }
    for (source, found) in [
        ("a\nb", "a gap of a WhatsApp template takes no line breaks, no tabs and no long runs of blanks"),
        ("a     b", "a gap of a WhatsApp template takes no line breaks, no tabs and no long runs of blanks"),
        (
            "{{ user.first_name }}",
            "this is empty for somebody of whom nothing is known, and WhatsApp takes no empty gap",
        ),
    ] {
        assert_eq!(slip(source, TemplateKind::Parameter), found);
    }
    assert_eq!(
        check_template("{{ user.first_name | default: 'there' }}\n", TemplateKind::Parameter, &Setting::default()),
        Ok(())
    );
    let message = |text: &str| LocalizedMessage {
        telegram: Some(ChatTemplate { text: text.into(), ..ChatTemplate::default() }),
        ..LocalizedMessage::default()
    };
    assert!(check_message(&message(&"a".repeat(5_000)), Channel::Telegram, &Setting::default()).is_err());
    assert!(
        check_message(&message("{% if user.first_name %}<b>{% endif %}x"), Channel::Telegram, &Setting::default())
            .is_err()
    );
    assert_eq!(
        check_message(&message("{{ product.name }}"), Channel::Telegram, &Setting::default()),
        Ok(()),
        "empty without data is fine"
    );
}
