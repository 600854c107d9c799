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

/// A product with a quantity, as a shopper handles it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Product {
    /// The shop's id of the product (Segment `product_id`, `sku`; GA4 `item_id`).
    #[n(0)]
    pub id: String,
    /// What it is called.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
    pub category: Option<String>,
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
    let currency = properties.get("currency").and_then(Value::as_str).and_then(Currency::parse);
    let list = ["products", "items"].iter().find_map(|name| properties.get(*name)?.as_array());
    match list {
        Some(list) => list
            .iter()
            .filter_map(|entry| product_of(entry.as_object()?, currency))
            .take(PRODUCTS_PER_EVENT_MAX)
            .collect(),
        None => product_of(properties, currency).into_iter().collect(),
    }
}

fn product_of(properties: &Map<String, Value>, currency: Option<Currency>) -> Option<Product> {
    let id =
        ["product_id", "productId", "item_id", "sku"].iter().find_map(|name| identifier(properties.get(*name)?))?;
    let own_currency = properties.get("currency").and_then(Value::as_str).and_then(Currency::parse);
    Some(Product {
        id,
        name: first_text(properties, &["name", "product_name", "item_name"], PRODUCT_NAME_BYTES_MAX),
        price: ["price", "item_price"].iter().find_map(|name| Micros::from_json(properties.get(*name)?)),
        currency: own_currency.or(currency),
        quantity: properties.get("quantity").and_then(quantity).unwrap_or(1),
        image_url: first_link(properties, &["image_url", "imageUrl", "image"]),
        url: first_link(properties, &["url", "product_url", "link"]),
        category: first_text(properties, &["category", "product_category", "item_category"], CATEGORY_BYTES_MAX),
    })
}

/// An id that may have been sent as a number.
fn identifier(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_string(),
        Value::Number(number) => number.to_string(),
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

fn first_text(properties: &Map<String, Value>, names: &[&str], bytes_max: usize) -> Option<String> {
    names
        .iter()
        .find_map(|name| properties.get(*name)?.as_str().map(str::trim).filter(|text| !text.is_empty()))
        .map(|text| shortened(text, bytes_max).to_string())
}

/// Only web links: anything else in an image or a link of a message would be somebody's trick.
fn first_link(properties: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names
        .iter()
        .filter_map(|name| properties.get(*name)?.as_str().map(str::trim))
        .find(|link| {
            link.len() <= LINK_BYTES_MAX
                && (link.starts_with("https://") || link.starts_with("http://"))
                && !link.contains(|character: char| character.is_whitespace() || character.is_control())
        })
        .map(ToString::to_string)
}

/// `text`, cut at a character boundary to at most `bytes_max` bytes.
pub fn shortened(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
