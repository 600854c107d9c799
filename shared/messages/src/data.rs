//! The data of one message as a template sees it.

use kairos_engine::mailbox::{CartData, DeviceData, MessageData, PersonData};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::playbook::TraitValue;
use kairos_engine::product::Product;
use liquid_core::model::{Object, Value};

use crate::escape::is_web_link;
use crate::filters::number;

/// A place as templates show it: `store`. Whoever sends the message looks for it, with the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// Its name in files.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Its address for people.
    pub address: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// How far it is from where the user was last seen, in metres, when that is known.
    pub distance_m: Option<u32>,
}

/// What a template can name, in the order in which it is told.
pub(crate) const ROOTS: [&str; 7] = ["user", "cart", "product", "viewed", "event", "store", "device"];
/// A name that no template can write: the one currency that everything in the message is in.
pub(crate) const COMMON_CURRENCY: &str = "common currency";

/// The [`ROOTS`]. Every field is there; what is not known is nothing.
pub(crate) fn globals(data: &MessageData, store: Option<&Store>) -> Object {
    let user = [("id", &data.user.id), ("first_name", &data.user.first_name), ("last_name", &data.user.last_name)];
    let user = user.map(|(name, value)| (name, text(value.as_deref())));
    let cart = [
        ("items", Value::Array(data.cart.items.iter().map(item).collect())),
        ("total", amount(data.cart.total)),
        ("currency", text(data.cart.currency.as_ref().map(Currency::as_str))),
    ];
    let product = data.product.as_ref().map_or(Value::Nil, |product| {
        let mut fields = fields(product);
        fields.insert("was".into(), amount(data.product_was));
        Value::Object(fields)
    });
    let event = data.event.iter().map(|(name, value)| (name.clone().into(), property(value)));
    let device = [("type", text(data.device.kind.as_deref())), ("os", text(data.device.os.as_deref()))];
    object([
        ("user", Value::Object(object(user))),
        ("cart", Value::Object(object(cart))),
        ("product", product),
        ("viewed", Value::Array(data.viewed.iter().map(item).collect())),
        ("event", Value::Object(event.collect())),
        ("store", store.map_or(Value::Nil, place)),
        ("device", Value::Object(object(device))),
        (COMMON_CURRENCY, text(common_currency(data).as_ref().map(Currency::as_str))),
    ])
}

fn item(product: &Product) -> Value {
    Value::Object(fields(product))
}

fn fields(product: &Product) -> Object {
    object([
        ("id", text(Some(&product.id))),
        ("name", text(product.name.as_deref())),
        ("price", amount(product.price)),
        ("currency", text(product.currency.as_ref().map(Currency::as_str))),
        ("quantity", Value::scalar(i64::from(product.quantity))),
        ("image_url", link(product.image_url.as_deref())),
        ("url", link(product.url.as_deref())),
        ("category", text(product.category.as_deref())),
    ])
}

fn place(store: &Store) -> Value {
    Value::Object(object([
        ("name", text(Some(&store.name))),
        ("title", text(Some(&store.title))),
        ("address", text(store.address.as_deref())),
        ("url", link(store.url.as_deref())),
        ("distance_m", store.distance_m.map_or(Value::Nil, |metres| Value::scalar(i64::from(metres)))),
    ]))
}

fn property(value: &TraitValue) -> Value {
    match value {
        TraitValue::Flag(flag) => Value::scalar(*flag),
        TraitValue::Number(number) => Value::scalar(*number),
        TraitValue::Text(text) => Value::scalar(text.clone()),
        TraitValue::Texts(texts) => Value::Array(texts.iter().map(|text| Value::scalar(text.clone())).collect()),
    }
}

/// The currency of every price in the message, when that is one.
fn common_currency(data: &MessageData) -> Option<Currency> {
    let products = data.cart.items.iter().chain(&data.product).chain(&data.viewed);
    let of_products = products.filter(|product| product.price.is_some()).map(|product| product.currency);
    let mut all = of_products.chain(data.cart.total.map(|_| data.cart.currency));
    let first = all.next()??;
    all.all(|currency| currency == Some(first)).then_some(first)
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Nil, |text| Value::scalar(text.to_owned()))
}

fn link(link: Option<&str>) -> Value {
    text(link.filter(|link| is_web_link(link)))
}

fn amount(amount: Option<Micros>) -> Value {
    amount.map_or(Value::Nil, |amount| number(amount.get()))
}

fn object<const N: usize>(fields: [(&'static str, Value); N]) -> Object {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// What a template is tried with when it is checked: someone with a product and a place, and someone nothing
/// is known of.
pub(crate) fn samples() -> [(MessageData, Option<Store>); 2] {
    let some = |text: &str| Some(text.to_owned());
    let product = Product {
        id: "mug".into(),
        name: some("Mug"),
        price: Some(Micros::new(9_990_000)),
        currency: Currency::parse("EUR"),
        quantity: 1,
        image_url: some("https://shop.example/mug.jpg"),
        url: some("https://shop.example/mug"),
        category: some("kitchen"),
    };
    let data = MessageData {
        user: PersonData { id: some("u1"), first_name: some("Ann"), last_name: some("Lee") },
        cart: CartData { total: product.price, currency: product.currency, items: vec![product.clone()] },
        product: Some(product.clone()),
        product_was: Some(Micros::new(12_990_000)),
        viewed: vec![product],
        device: DeviceData { kind: some("phone"), os: some("ios") },
        ..MessageData::default()
    };
    let store = Store {
        name: "old_town".into(),
        title: "Old Town".into(),
        address: some("1 High Street"),
        url: some("https://shop.example/old-town"),
        distance_m: Some(350),
    };
    [(data, Some(store)), (MessageData::default(), None)]
}
