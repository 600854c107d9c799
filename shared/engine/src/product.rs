//! Products as they appear in events: Segment's `products[]` and product properties, GA4's `items[]`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bounds::{
    CATEGORY_BYTES_MAX, ID_BYTES_MAX, LINK_BYTES_MAX, PRODUCT_NAME_BYTES_MAX, PRODUCTS_PER_EVENT_MAX,
    SUBJECT_TEXT_BYTES_MAX,
};
use crate::money::{Currency, Micros};
use crate::name::Name;

/// A product with a quantity, as a shopper handles it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Product {
    /// The shop's id of the product (Segment `product_id`, `sku`; GA4 `item_id`).
    #[n(0)]
    pub id: Name,
    /// What it is called.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The price of one.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Micros>,
    /// The currency of the price, when the event names one.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// How many, at least one.
    #[n(4)]
    pub quantity: u32,
    /// A picture of it.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Its page in the shop.
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What kind of product it is, in the shop's own words.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Name>,
}

impl Product {
    /// The product as it is kept beside others for later messages: long texts shortened, long links left out.
    #[must_use]
    pub fn for_keeping(&self) -> Self {
        let link = |link: &Option<String>| link.clone().filter(|link| link.len() <= SUBJECT_TEXT_BYTES_MAX);
        Self {
            id: self.id.clone(),
            name: self.name.clone(),
            image_url: link(&self.image_url),
            url: link(&self.url),
            category: self.category.clone(),
            ..*self
        }
    }
}

/// The products an event speaks of: its list (`products`, `items`), or itself when its properties
/// name one product. At most [`PRODUCTS_PER_EVENT_MAX`]; entries without an id are passed over.
pub fn products_of(properties: &Map<String, Value>) -> Vec<Product> {
    let mut products = Vec::new();
    read_products(properties, &mut products);
    products
}

/// The same, added to a list.
pub(crate) fn read_products(properties: &Map<String, Value>, products: &mut Vec<Product>) {
    let fields = Fields::of(properties);
    let currency = fields.currency();
    match fields.lists.iter().find_map(|list| list.as_ref()?.as_array()) {
        Some(list) => {
            let listed = list.iter().filter_map(|entry| Fields::of(entry.as_object()?).product(currency));
            products.extend(listed.take(PRODUCTS_PER_EVENT_MAX));
        }
        None => products.extend(fields.product(currency)),
    }
}

/// What shops call the same thing, preferred first.
type Names<'p, const N: usize> = [Option<&'p Value>; N];

/// What properties say of products, found in one pass: they are few, and the names that they could have are many.
#[derive(Default)]
struct Fields<'p> {
    ids: Names<'p, 4>,
    names: Names<'p, 3>,
    prices: Names<'p, 2>,
    currency: Option<&'p Value>,
    quantity: Option<&'p Value>,
    images: Names<'p, 3>,
    links: Names<'p, 3>,
    categories: Names<'p, 3>,
    lists: Names<'p, 2>,
}

impl<'p> Fields<'p> {
    fn of(properties: &'p Map<String, Value>) -> Self {
        let mut fields = Self::default();
        for (name, value) in properties {
            let field = match name.as_str() {
                "product_id" => &mut fields.ids[0],
                "productId" => &mut fields.ids[1],
                "item_id" => &mut fields.ids[2],
                "sku" => &mut fields.ids[3],
                "name" => &mut fields.names[0],
                "product_name" => &mut fields.names[1],
                "item_name" => &mut fields.names[2],
                "price" => &mut fields.prices[0],
                "item_price" => &mut fields.prices[1],
                "currency" => &mut fields.currency,
                "quantity" => &mut fields.quantity,
                "image_url" => &mut fields.images[0],
                "imageUrl" => &mut fields.images[1],
                "image" => &mut fields.images[2],
                "url" => &mut fields.links[0],
                "product_url" => &mut fields.links[1],
                "link" => &mut fields.links[2],
                "category" => &mut fields.categories[0],
                "product_category" => &mut fields.categories[1],
                "item_category" => &mut fields.categories[2],
                "products" => &mut fields.lists[0],
                "items" => &mut fields.lists[1],
                _ => continue,
            };
            *field = Some(value);
        }
        fields
    }

    fn currency(&self) -> Option<Currency> {
        Currency::parse(self.currency?.as_str()?)
    }

    /// The product, in this currency when it names none itself.
    fn product(&self, currency: Option<Currency>) -> Option<Product> {
        Some(Product {
            id: self.ids.iter().flatten().find_map(|id| identifier(id))?,
            name: first_text(&self.names, PRODUCT_NAME_BYTES_MAX),
            price: self.prices.iter().flatten().find_map(|price| Micros::from_json(price)),
            currency: self.currency().or(currency),
            quantity: self.quantity.and_then(quantity).unwrap_or(1),
            image_url: first_link(&self.images),
            url: first_link(&self.links),
            category: first_text(&self.categories, CATEGORY_BYTES_MAX),
        })
    }
}

/// An id that may have been sent as a number.
fn identifier(value: &Value) -> Option<Name> {
    let text = match value {
        Value::String(text) => Name::from(text.trim()),
        Value::Number(number) => Name::from(number.to_string()),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= ID_BYTES_MAX).then_some(text)
}

fn quantity(value: &Value) -> Option<u32> {
    let count = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    u32::try_from(count).ok().filter(|count| (1..=10_000).contains(count))
}

fn first_text(texts: &[Option<&Value>], bytes_max: usize) -> Option<Name> {
    let mut texts = texts.iter().filter_map(|text| text.as_ref()?.as_str().map(str::trim));
    texts.find(|text| !text.is_empty()).map(|text| Name::from(shortened(text, bytes_max)))
}

/// Only web links: anything else in an image or a link of a message would be somebody's trick.
fn first_link(links: &[Option<&Value>]) -> Option<String> {
    let mut links = links.iter().filter_map(|link| link.as_ref()?.as_str().map(str::trim));
    let is_of_the_web = |link: &&str| {
        link.len() <= LINK_BYTES_MAX
            && (link.starts_with("https://") || link.starts_with("http://"))
            && !link.contains(|character: char| character.is_whitespace() || character.is_control())
    };
    links.find(is_of_the_web).map(ToString::to_string)
}

/// `text`, cut at a character boundary to at most `bytes_max` bytes.
pub fn shortened(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(properties: Value) -> Vec<Product> {
        products_of(properties.as_object().unwrap())
    }

    #[test]
    fn a_segment_product_and_a_ga4_item_are_the_same_product() {
        let segment = read(json!({"product_id": 7, "name": "Mug", "price": 4.5, "currency": "eur", "quantity": 2,
            "image_url": "https://shop.example/mug.jpg", "url": "https://shop.example/mug"}));
        let ga4 = read(json!({"currency": "EUR", "items": [{"item_id": "7", "item_name": "Mug", "price": "4.5",
            "quantity": "2", "image_url": "https://shop.example/mug.jpg", "url": "https://shop.example/mug"}]}));
        assert_eq!(segment, ga4);
        assert_eq!(segment[0].quantity, 2);
    }

    #[test]
    fn what_is_no_product_is_passed_over_and_tricky_links_are_dropped() {
        assert!(read(json!({"name": "no id"})).is_empty());
        assert!(read(json!({"products": ["x", {"product_id": ""}, 3]})).is_empty());
        let odd = read(
            json!({"product_id": "1", "url": "javascript:alert(1)", "image_url": "https://a b", "quantity": -3, "price": "x"}),
        );
        assert_eq!(odd, [Product { id: "1".into(), quantity: 1, ..Product::default() }]);
    }

    /// What [`products_of`] says, name by name.
    fn looked_up(properties: &Map<String, Value>) -> Vec<Product> {
        let currency = properties.get("currency").and_then(Value::as_str).and_then(Currency::parse);
        let product = |fields: &Map<String, Value>| {
            let find = |names: &[&str]| names.iter().map(|name| fields.get(*name)).collect::<Vec<_>>();
            let id = find(&["product_id", "productId", "item_id", "sku"]);
            let own_currency = fields.get("currency").and_then(Value::as_str).and_then(Currency::parse);
            Some(Product {
                id: id.into_iter().flatten().find_map(identifier)?,
                name: first_text(&find(&["name", "product_name", "item_name"]), PRODUCT_NAME_BYTES_MAX),
                price: find(&["price", "item_price"]).into_iter().flatten().find_map(Micros::from_json),
                currency: own_currency.or(currency),
                quantity: fields.get("quantity").and_then(quantity).unwrap_or(1),
                image_url: first_link(&find(&["image_url", "imageUrl", "image"])),
                url: first_link(&find(&["url", "product_url", "link"])),
                category: first_text(&find(&["category", "product_category", "item_category"]), CATEGORY_BYTES_MAX),
            })
        };
        let list = ["products", "items"].iter().find_map(|name| properties.get(*name)?.as_array());
        match list {
            Some(list) => {
                let products = list.iter().filter_map(|entry| product(entry.as_object()?));
                products.take(PRODUCTS_PER_EVENT_MAX).collect()
            }
            None => product(properties).into_iter().collect(),
        }
    }

    /// Properties by names that mean something, and others.
    fn any_properties(value: BoxedStrategy<Value>) -> impl Strategy<Value = Map<String, Value>> {
        let known = "product_id|productId|item_id|sku|name|product_name|item_name|price|item_price|currency|quantity|\
                     image_url|imageUrl|image|url|product_url|link|category|product_category|item_category|products|\
                     items|[a-z_]{2,8}";
        prop::collection::btree_map(known, value, 0..12).prop_map(|fields| fields.into_iter().collect())
    }

    fn any_value() -> BoxedStrategy<Value> {
        let texts =
            "| |7| p1 |Mug|EUR|usd|4.5|-3|https://shop.example/mug|http://a b|javascript:alert\\(1\\)|[a-z ]{0,20}";
        prop_oneof![
            6 => texts.prop_map(Value::from),
            2 => (-2_i64..20_000).prop_map(Value::from),
            1 => (-10.0..1e10).prop_map(Value::from),
            1 => Just(Value::Null),
            1 => any::<bool>().prop_map(Value::from),
        ]
        .boxed()
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_looking_up_every_name_finds(
            properties in any_properties(
                prop_oneof![
                    6 => any_value(),
                    1 => prop::collection::vec(
                        prop_oneof![any_value(), any_properties(any_value()).prop_map(Value::Object)],
                        0..5,
                    )
                    .prop_map(Value::Array),
                    1 => any_properties(any_value()).prop_map(Value::Object),
                ]
                .boxed(),
            )
        ) {
            prop_assert_eq!(products_of(&properties), looked_up(&properties));
        }
    }
}
