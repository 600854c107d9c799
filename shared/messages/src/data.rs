//! The data of one message as a template sees it.

use std::collections::BTreeMap;

use kairos_engine::mailbox::{CartData, DeviceData, MessageData, PersonData};
use kairos_engine::money::{Currency, Micros, Money};
use kairos_engine::playbook::{Discount, TraitValue};
use kairos_engine::product::Product;
use kairos_engine::time::Timestamp;
use liquid_core::model::{Object, Value};

use crate::Setting;
use crate::escape::is_web_link;
use crate::filters::number;
use crate::links::{Link, Links};
use crate::locale::Locale;

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

/// A promo code as templates show it: `promo_code`. Whoever sends the message makes it, or takes it from a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromoCode {
    /// As it is written: `SPRING-H7KM-4XRW-9CFP`.
    pub code: String,
    /// The promotion's name for people.
    pub title: String,
    /// What its holder gets.
    pub discount: Discount,
    /// The least that the order must be worth.
    pub minimum_total: Option<Money>,
    /// The most that a share may come to.
    pub maximum_discount: Option<Money>,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// The links by which the receiver says what they want to get, as templates show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsentUrls {
    /// `unsubscribe_url`: ends messages of this kind on this channel.
    pub unsubscribe: String,
    /// `preferences_url`: shows and changes what the receiver gets.
    pub preferences: String,
    /// `confirm_url`: says yes to messages of this channel, by who has the address.
    pub confirm: String,
}

impl ConsentUrls {
    /// Their names in templates.
    pub const NAMES: [&str; 3] = ["unsubscribe_url", "preferences_url", "confirm_url"];

    /// Whether a link is one of them, which nobody counts: whoever says no is led nowhere else first.
    pub fn has(&self, link: &str) -> bool {
        [&self.unsubscribe, &self.preferences, &self.confirm]
            .into_iter()
            .any(|own| !own.is_empty() && link.starts_with(&**own))
    }
}

/// What was found for a message beyond the data of its decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The place to show.
    pub store: Option<Store>,
    /// The code to show.
    pub promo_code: Option<PromoCode>,
    /// The links by which the receiver says what they want to get.
    pub consent: Option<ConsentUrls>,
    /// The pages of the playbook's destinations, by name.
    pub destinations: BTreeMap<String, String>,
    /// Products of the same category, for `related`.
    pub related: Vec<Product>,
    /// For whom the message is written.
    pub locale: Locale,
}

/// Links as they stand, and nobody counts.
impl Links for Found {
    fn page(&self, destination: &str) -> Option<String> {
        self.destinations.get(destination).cloned()
    }

    fn instead(&self, _: &Link) -> Option<String> {
        None
    }

    fn pixel(&self) -> Option<String> {
        None
    }
}

/// What a template can name, in the order in which it is told.
pub(crate) const ROOTS: [&str; 12] = [
    "user",
    "cart",
    "product",
    "viewed",
    "related",
    "event",
    "store",
    "promo_code",
    "device",
    "unsubscribe_url",
    "preferences_url",
    "confirm_url",
];
/// A name that no template can write: the one currency that everything in the message is in.
pub(crate) const COMMON_CURRENCY: &str = "common currency";

/// The [`ROOTS`]. Every field is there; what is not known is nothing.
pub(crate) fn globals(data: &MessageData, found: &Found) -> Object {
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
    let urls = found.consent.as_ref();
    let device = [("type", text(data.device.kind.as_deref())), ("os", text(data.device.os.as_deref()))];
    object([
        ("user", Value::Object(object(user))),
        ("cart", Value::Object(object(cart))),
        ("product", product),
        ("viewed", Value::Array(data.viewed.iter().map(item).collect())),
        ("related", Value::Array(found.related.iter().map(item).collect())),
        ("event", Value::Object(event.collect())),
        ("store", found.store.as_ref().map_or(Value::Nil, place)),
        ("promo_code", found.promo_code.as_ref().map_or(Value::Nil, promo_code)),
        ("device", Value::Object(object(device))),
        ("unsubscribe_url", text(urls.map(|urls| &*urls.unsubscribe))),
        ("preferences_url", text(urls.map(|urls| &*urls.preferences))),
        ("confirm_url", text(urls.map(|urls| &*urls.confirm))),
        (COMMON_CURRENCY, text(common_currency(data, found).as_ref().map(Currency::as_str))),
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

fn promo_code(code: &PromoCode) -> Value {
    // What this kind of promotion does not have is an empty text, so that templates for several kinds can be checked.
    let none = || Value::scalar("");
    let (percent, fixed) = match &code.discount {
        // Hundredths of a percent, as millionths.
        Discount::Percent(share) => (number(i64::from(share.0) * 10_000), None),
        Discount::Amount(money) => (none(), Some(money)),
        Discount::FreeShipping => (none(), None),
    };
    let money = fixed.or(code.minimum_total.as_ref()).or(code.maximum_discount.as_ref());
    Value::Object(object([
        ("code", text(Some(&code.code))),
        ("title", text(Some(&code.title))),
        ("kind", text(Some(code.discount.kind()))),
        ("percent", percent),
        ("amount", fixed.map_or_else(none, |money| number(money.amount.get()))),
        ("minimum_total", amount(code.minimum_total.map(|money| money.amount))),
        ("maximum_discount", amount(code.maximum_discount.map(|money| money.amount))),
        ("currency", text(money.map(|money| money.currency.as_str()))),
        ("expires_at", text(Some(&code.expires_at.to_string()))),
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
fn common_currency(data: &MessageData, found: &Found) -> Option<Currency> {
    let products = data.cart.items.iter().chain(&data.product).chain(&data.viewed).chain(&found.related);
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

/// What a template is tried with when it is checked: someone with a product, a place and a code, and someone nothing
/// is known of.
pub(crate) fn samples(setting: &Setting) -> [(MessageData, Found); 2] {
    let some = |text: &str| Some(text.to_owned());
    let product = Product {
        id: "mug".into(),
        name: Some("Mug".into()),
        price: Some(Micros::new(9_990_000)),
        currency: Currency::parse("EUR"),
        quantity: 1,
        image_url: some("https://shop.example/mug.jpg"),
        url: some("https://shop.example/mug"),
        category: Some("kitchen".into()),
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
    let euros = |micros| Currency::parse("EUR").map(|currency| Money { amount: Micros::new(micros), currency });
    let promo_code = euros(5_000_000).map(|off| PromoCode {
        code: "SPRING-H7KM-4XRW-9CFP".into(),
        title: "Spring".into(),
        discount: Discount::Amount(off),
        minimum_total: euros(50_000_000),
        maximum_discount: euros(20_000_000),
        expires_at: Timestamp::from_millis(1_798_070_400_000),
    });
    // Whoever gets a message that shows a code has one, and everybody gets the links.
    let url = |path: &str| format!("https://preferences.example/{path}");
    let consent = Some(ConsentUrls { unsubscribe: url("u"), preferences: url("p"), confirm: url("c") });
    let now = Some(Timestamp::from_millis(1_797_465_600_000));
    let locale = Locale { language: setting.language.clone(), now, ..Locale::default() };
    let nothing_else = Found { promo_code, consent, locale, ..Found::default() };
    let everything = Found { store: Some(store), related: data.viewed.clone(), ..nothing_else.clone() };
    [(data, everything), (MessageData::default(), nothing_else)]
}
