//! The data of one message as a template sees it.

use kairos_engine::mailbox::{CartData, MessageData, PersonData};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::product::Product;
use liquid_core::model::{Object, Value};

use crate::escape::is_web_link;
use crate::filters::number;

/// `user` and `cart`. Every field is there; what is not known is nothing.
pub(crate) fn globals(data: &MessageData) -> Object {
    let user = [("id", &data.user.id), ("first_name", &data.user.first_name), ("last_name", &data.user.last_name)];
    let user = user.map(|(name, value)| (name, text(value.as_deref())));
    let cart = [
        ("items", Value::Array(data.cart.items.iter().map(item).collect())),
        ("total", data.cart.total.map_or(Value::Nil, |total| number(total.get()))),
        ("currency", text(data.cart.currency.as_ref().map(|currency| currency.as_str()))),
    ];
    object([("user", Value::Object(object(user))), ("cart", Value::Object(object(cart)))])
}

fn item(item: &Product) -> Value {
    Value::Object(object([
        ("id", text(Some(&item.id))),
        ("name", text(item.name.as_deref())),
        ("price", item.price.map_or(Value::Nil, |price| number(price.get()))),
        ("currency", text(item.currency.as_ref().map(|currency| currency.as_str()))),
        ("quantity", Value::scalar(i64::from(item.quantity))),
        ("image_url", text(item.image_url.as_deref().filter(|link| is_web_link(link)))),
        ("url", text(item.url.as_deref().filter(|link| is_web_link(link)))),
    ]))
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Nil, |text| Value::scalar(text.to_owned()))
}

fn object<const N: usize>(fields: [(&'static str, Value); N]) -> Object {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// What a template is tried with when it is checked: someone with a product, and someone nothing is known of.
pub(crate) fn samples() -> [MessageData; 2] {
    let some = |text: &str| Some(text.to_owned());
    let product = Product {
        id: "mug".into(),
        name: some("Mug"),
        price: Some(Micros::new(9_990_000)),
        currency: Currency::parse("EUR"),
        quantity: 1,
        image_url: some("https://shop.example/mug.jpg"),
        url: some("https://shop.example/mug"),
    };
    let user = PersonData { id: some("u1"), first_name: some("Ann"), last_name: some("Lee") };
    let cart = CartData { total: product.price, currency: product.currency, items: vec![product] };
    [MessageData { user, cart }, MessageData::default()]
}
