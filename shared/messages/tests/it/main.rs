//! What templates may do, what they may not, and what data cannot do to them.
#![allow(clippy::unwrap_used, missing_docs)]

mod blocks;
mod chat;
mod hostile;
mod json;
mod language;
mod limits;
mod on_site;
mod problems;
mod web_push;

use kairos_engine::mailbox::{CartData, DeviceData, MessageData, PersonData};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::playbook::{Channel, EmailTemplate, LocalizedMessage, SmsTemplate, TraitValue, WebhookTemplate};
use kairos_engine::product::Product;
use kairos_messages::{RenderError, RenderedMessage, render};

fn mug() -> Product {
    Product {
        id: "mug".into(),
        name: Some("Blue Mug".into()),
        price: Some(Micros::new(35_790_000)),
        currency: Currency::parse("EUR"),
        quantity: 2,
        image_url: Some("https://shop.example/mug.jpg".into()),
        url: Some("https://shop.example/mug?a=1&b=2".into()),
        category: Some("kitchen".into()),
    }
}

fn data() -> MessageData {
    MessageData {
        user: PersonData { id: Some("u1".into()), first_name: Some("Ann".into()), last_name: None },
        cart: CartData {
            items: vec![mug(), Product { id: "tea".into(), quantity: 1, ..Product::default() }],
            total: Some(Micros::new(71_580_000)),
            currency: Currency::parse("EUR"),
        },
        ..MessageData::default()
    }
}

/// Somebody who looked at things on a phone, and what the play is about is priced in dollars.
fn looking() -> MessageData {
    let lamp = Product {
        id: "lamp".into(),
        name: Some("Lamp".into()),
        price: Some(Micros::new(20_000_000)),
        currency: Currency::parse("USD"),
        quantity: 1,
        ..Product::default()
    };
    let properties = [
        ("query", TraitValue::Text("blue <mug>".into())),
        ("position", TraitValue::Number(3.0)),
        ("member", TraitValue::Flag(true)),
        ("tags", TraitValue::Texts(vec!["a".into(), "b".into()])),
    ];
    MessageData {
        product: Some(lamp.clone()),
        product_was: Some(Micros::new(25_500_000)),
        viewed: vec![lamp, mug()],
        event: properties.map(|(name, value)| (name.to_owned(), value)).into(),
        device: DeviceData { kind: Some("phone".into()), os: None },
        ..data()
    }
}

fn text(template: &str, data: &MessageData) -> Result<String, RenderError> {
    let message = LocalizedMessage {
        webhook: Some(WebhookTemplate { text: template.into(), ..WebhookTemplate::default() }),
        ..LocalizedMessage::default()
    };
    match render(&message, Channel::Webhook, data)? {
        RenderedMessage::Webhook { text, .. } => Ok(text),
        other => panic!("{other:?}"),
    }
}

fn sms(template: &str, data: &MessageData) -> Result<RenderedMessage, RenderError> {
    let message = LocalizedMessage { sms: Some(SmsTemplate { text: template.into() }), ..LocalizedMessage::default() };
    render(&message, Channel::Sms, data)
}

fn html(template: &str, data: &MessageData) -> Result<String, RenderError> {
    email("-", "-", template, data).map(|(_, _, html)| html)
}

fn email(subject: &str, text: &str, html: &str, data: &MessageData) -> Result<(String, String, String), RenderError> {
    let email = EmailTemplate { subject: subject.into(), text: text.into(), html: Some(html.into()) };
    let message = LocalizedMessage { email: Some(email), ..LocalizedMessage::default() };
    match render(&message, Channel::Email, data)? {
        RenderedMessage::Email { subject, text, html } => Ok((subject, text, html.unwrap())),
        other => panic!("{other:?}"),
    }
}
