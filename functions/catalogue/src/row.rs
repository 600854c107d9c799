//! One row of a feed: a listing, or what is wrong with it and what to write instead.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::bounds::{FEED_FIELDS_IGNORED_MAX, ID_BYTES_MAX, LINK_BYTES_MAX};
use kairos_engine::playbook::Place;
use kairos_engine::product::products_of;
use kairos_messages::closest;
use kairos_protocol::catalogue::{Listing, Stock};
use serde_json::{Map, Value};

/// What is told of a product, by the names that clients use too.
pub(crate) const ID: &[&str] = &["id", "product_id", "productId", "item_id", "sku"];
const NAME: &[&str] = &["name", "product_name", "item_name"];
const PRICE: &[&str] = &["price", "item_price"];
const CURRENCY: &[&str] = &["currency"];
const IMAGE: &[&str] = &["image_url", "imageUrl", "image"];
const URL: &[&str] = &["url", "product_url", "link"];
const CATEGORY: &[&str] = &["category", "product_category", "item_category"];
/// The number of a product, in all or by place.
const STOCK: &str = "stock";
/// The number at one place, as a column of its own: `stock.old_town`.
const STOCK_AT: &str = "stock.";

/// Why a row is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowRefusal {
    /// It is no JSON.
    #[error("This is not JSON: {0}.")]
    NotJson(String),
    /// It is JSON, but no object.
    #[error("A product is a JSON object, as in {{\"id\": \"mug\", \"price\": 12.5, \"currency\": \"EUR\"}}.")]
    NotObject,
    /// A line with more or fewer cells than there are columns.
    #[error("The line cannot be read: {0}. Put cells with commas or line breaks into double quotes.")]
    NotCsv(String),
    /// Nothing tells which product it is.
    #[error("The product has no `id`. Write a text or a number of at most {ID_BYTES_MAX} bytes.")]
    NoId,
    /// A price that is none.
    #[error("{0} is no price. Write a number such as 12.50, without a currency.")]
    Price(String),
    /// A currency that is none.
    #[error("{0} is no currency. Write three letters, as in EUR.")]
    Currency(String),
    /// A link that is none.
    #[error(
        "{given} is no link for `{field}`. Write one that begins with https:// and has at most {LINK_BYTES_MAX} bytes."
    )]
    Link {
        /// Which.
        field: &'static str,
        /// What was there.
        given: String,
    },
    /// A text that is none.
    #[error("{given} is no text for `{field}`. Write it in quotes.")]
    Text {
        /// Which.
        field: &'static str,
        /// What was there.
        given: String,
    },
    /// A stock that is none.
    #[error("{0} is no stock. Write a whole number, or the number for each place, as in {{\"old_town\": 3}}.")]
    Stock(String),
    /// The stock in all and by place.
    #[error("The stock stands here in all and by place. Keep one of them: all is the sum of the places.")]
    StockTwice,
    /// A place that the playbook does not have.
    #[error("There is no place `{given}`{help}. Places stand in places.yaml of the published playbook.")]
    Place {
        /// What was there.
        given: String,
        /// What may have been meant.
        help: String,
    },
    /// A product of an earlier row.
    #[error("Row {0} tells of this product already. Put both into one row.")]
    Twice(usize),
}

impl RowRefusal {
    /// For programs and counters. Part of the interface: never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "row_not_json",
            Self::NotObject => "row_not_object",
            Self::NotCsv(_) => "row_not_csv",
            Self::NoId => "id_missing",
            Self::Price(_) => "price_unreadable",
            Self::Currency(_) => "currency_unreadable",
            Self::Link { .. } => "link_unreadable",
            Self::Text { .. } => "text_unreadable",
            Self::Stock(_) => "stock_unreadable",
            Self::StockTwice => "stock_twice",
            Self::Place { .. } => "place_unknown",
            Self::Twice(_) => "product_twice",
        }
    }
}

/// What is noticed while the rows of a feed are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noticed {
    /// Fields that mean nothing here.
    pub ignored: BTreeSet<String>,
    /// What may have been meant by places that there are not. A feed often names the same one in every row, and
    /// looking for what was meant takes long.
    meant: BTreeMap<String, String>,
}

impl Noticed {
    fn unknown_place(&mut self, place: &str, places: &[Place]) -> RowRefusal {
        let help = match self.meant.get(place) {
            Some(help) => help.clone(),
            None if self.meant.len() >= FEED_FIELDS_IGNORED_MAX || place.len() > ID_BYTES_MAX => String::new(),
            None => {
                let meant = closest(place, places.iter().map(|known| known.name.as_str()));
                let help = meant.map(|meant| format!(": did you mean `{meant}`")).unwrap_or_default();
                self.meant.insert(place.to_owned(), help.clone());
                help
            }
        };
        RowRefusal::Place { given: shortened(place), help }
    }
}

/// Reads a row. What is empty is not told.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn listing(mut fields: Map<String, Value>, places: &[Place], noticed: &mut Noticed) -> Result<Listing, RowRefusal> {
    fields.retain(|_, value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty()));
    let stock = stock(&mut fields, places, noticed)?;
    let known = [ID, NAME, PRICE, CURRENCY, IMAGE, URL, CATEGORY].concat();
    for field in fields.keys().filter(|field| !known.contains(&field.as_str())) {
        if noticed.ignored.len() < FEED_FIELDS_IGNORED_MAX {
            noticed.ignored.insert(shortened(field));
        }
    }
    fields.retain(|field, _| known.contains(&field.as_str()));
    if let Some(id) = fields.remove("id") {
        fields.insert("product_id".into(), id);
    }
    // As events are read, so that a feed and a client mean the same by the same words.
    let mut product = products_of(&fields).into_iter().next().ok_or(RowRefusal::NoId)?;
    product.quantity = 1;
    // What cannot be read in an event is passed over; here somebody can be told.
    let lost = |names: &[&str], is_read: bool| {
        names.iter().find_map(|name| fields.get(*name)).filter(|_| !is_read).map(excerpt)
    };
    if let Some(given) = lost(PRICE, product.price.is_some()) {
        return Err(RowRefusal::Price(given));
    }
    if let Some(given) = lost(CURRENCY, product.currency.is_some()) {
        return Err(RowRefusal::Currency(given));
    }
    for (field, names, is_read) in
        [("image_url", IMAGE, product.image_url.is_some()), ("url", URL, product.url.is_some())]
    {
        if let Some(given) = lost(names, is_read) {
            return Err(RowRefusal::Link { field, given });
        }
    }
    for (field, names, is_read) in
        [("name", NAME, product.name.is_some()), ("category", CATEGORY, product.category.is_some())]
    {
        if let Some(given) = lost(names, is_read) {
            return Err(RowRefusal::Text { field, given });
        }
    }
    Ok(Listing { product, stock })
}

/// Takes the stock out of the fields.
fn stock(
    fields: &mut Map<String, Value>,
    places: &[Place],
    noticed: &mut Noticed,
) -> Result<Option<Stock>, RowRefusal> {
    let columns: Vec<String> = fields.keys().filter(|field| field.starts_with(STOCK_AT)).cloned().collect();
    let columns = columns.into_iter().filter_map(|column| {
        let given = fields.remove(&column)?;
        Some((column[STOCK_AT.len()..].to_owned(), given))
    });
    let mut by_place: Vec<(String, Value)> = columns.collect();
    match fields.remove(STOCK) {
        None => {}
        Some(Value::Object(stock)) => by_place.extend(stock.into_iter().filter(|(_, count)| !count.is_null())),
        Some(_) if !by_place.is_empty() => return Err(RowRefusal::StockTwice),
        Some(total) => return count(&total).map(|total| Some(Stock::Total(total))),
    }
    if by_place.is_empty() {
        return Ok(None);
    }
    let mut stock = BTreeMap::new();
    for (place, given) in by_place {
        if !places.iter().any(|known| known.name == place) {
            return Err(noticed.unknown_place(&place, places));
        }
        stock.insert(place, count(&given)?);
    }
    Ok(Some(Stock::Places(stock)))
}

fn count(given: &Value) -> Result<u32, RowRefusal> {
    let count = match given {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    count.and_then(|count| u32::try_from(count).ok()).ok_or_else(|| RowRefusal::Stock(excerpt(given)))
}

/// What was there, as far as it helps to see it.
fn excerpt(given: &Value) -> String {
    shortened(&given.to_string())
}

fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    if text.chars().nth(CHARS_MAX).is_none() {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::money::{Currency, Micros};
    use kairos_engine::product::Product;
    use serde_json::json;

    fn read(fields: Value) -> Result<Listing, RowRefusal> {
        let places = ["old_town", "harbour"].map(|name| {
            let place = json!({"name": name, "title": name, "latitude": 0.0, "longitude": 0.0, "radius_m": 100});
            serde_json::from_value(place).unwrap()
        });
        listing(fields.as_object().unwrap().clone(), &places, &mut Noticed::default())
    }

    #[test]
    fn a_row_tells_what_a_product_is() {
        let full = read(json!({
            "id": 7, "name": "Mug", "price": "12.50", "currency": "eur", "image_url": "https://shop.example/mug.jpg",
            "url": "https://shop.example/mug", "category": "kitchen", "stock": {"old_town": 3, "harbour": "0"},
        }));
        let product = Product {
            id: "7".into(),
            name: Some("Mug".into()),
            price: Some(Micros::new(12_500_000)),
            currency: Currency::parse("EUR"),
            quantity: 1,
            image_url: Some("https://shop.example/mug.jpg".into()),
            url: Some("https://shop.example/mug".into()),
            category: Some("kitchen".into()),
        };
        let stock = Stock::Places(BTreeMap::from([("harbour".into(), 0), ("old_town".into(), 3)]));
        assert_eq!(full, Ok(Listing { product, stock: Some(stock.clone()) }));
        let columns = read(json!({"sku": "7", "stock.old_town": "3", "stock.harbour": "0", "price": "", "name": null}));
        let nothing_else = Product { id: "7".into(), quantity: 1, ..Product::default() };
        assert_eq!(columns, Ok(Listing { product: nothing_else.clone(), stock: Some(stock) }));
        assert_eq!(read(json!({"id": "7", "stock": 5})).unwrap().stock, Some(Stock::Total(5)));
        assert_eq!(read(json!({"id": "7", "quantity": 9})).unwrap(), Listing { product: nothing_else, stock: None });
    }

    #[test]
    fn whatever_is_wrong_is_said_with_what_to_write_instead() {
        for (fields, expected) in [
            (json!({"name": "Mug"}), "The product has no `id`."),
            (json!({"id": ""}), "The product has no `id`."),
            (json!({"id": "x".repeat(300)}), "The product has no `id`. Write a text or a number of at most 255 bytes."),
            (json!({"id": 1, "price": "12,50"}), "\"12,50\" is no price. Write a number such as 12.50"),
            (json!({"id": 1, "price": -3}), "-3 is no price."),
            (json!({"id": 1, "currency": "€"}), "\"€\" is no currency. Write three letters, as in EUR."),
            (json!({"id": 1, "url": "shop.example"}), "\"shop.example\" is no link for `url`."),
            (json!({"id": 1, "image": "javascript:x"}), "\"javascript:x\" is no link for `image_url`."),
            (json!({"id": 1, "name": 42}), "42 is no text for `name`. Write it in quotes."),
            (json!({"id": 1, "category": ["a"]}), "[\"a\"] is no text for `category`."),
            (json!({"id": 1, "stock": "many"}), "\"many\" is no stock."),
            (json!({"id": 1, "stock": -1}), "-1 is no stock."),
            (json!({"id": 1, "stock": {"old_town": 1.5}}), "1.5 is no stock."),
            (json!({"id": 1, "stock": 3, "stock.harbour": 3}), "The stock stands here in all and by place."),
            (json!({"id": 1, "stock": {"oldtown": 3}}), "There is no place `oldtown`: did you mean `old_town`."),
            (json!({"id": 1, "stock.berlin": 3}), "There is no place `berlin`. Places stand in places.yaml"),
        ] {
            let error = read(fields.clone()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{fields}: {error}");
        }
    }

    #[test]
    fn fields_that_mean_nothing_are_named() {
        let mut noticed = Noticed::default();
        let fields = json!({"id": 1, "prise": 3, "colour": "red", "stock": 1, "empty": ""});
        listing(fields.as_object().unwrap().clone(), &[], &mut noticed).unwrap();
        assert_eq!(noticed.ignored.into_iter().collect::<Vec<_>>(), ["colour", "prise"]);
    }
}
