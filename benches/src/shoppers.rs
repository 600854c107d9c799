//! The recorded events of real shops, as Kairos' inputs. The files lie beside the project and are not
//! part of it (see `ORIGINS.md` there); without them a bench says that it is skipped.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::figures::root;

/// REES46's shop of many categories: 17,434 views, carts and purchases with prices.
pub const REES46: &str = "rees46_multicategory_2019-10-01_0000-0250Z.csv.gz";
/// Taobao: 96,168 page views, carts, favourites and purchases, without prices.
pub const TAOBAO: &str = "taobao_userbehavior_2017-11-26_0100-0255Z.csv.gz";

/// A shop's events in the order of the file, and the people in them.
#[derive(Clone, Debug, Default)]
pub struct Shop {
    /// Everybody, in the order of their first event.
    pub people: Vec<UserKey>,
    /// Index into `people`, and what they did.
    pub events: Vec<(usize, Input)>,
    /// For each of `people`: an existing customer says who they are, just before their first event.
    pub introductions: Vec<Input>,
}

impl Shop {
    /// Reads a file of the data beside the project; `None`, and a line that says so, when it is not there.
    pub fn read(file: &str) -> Option<Self> {
        let path = data(file);
        let Ok(opened) = File::open(&path) else {
            crate::figures::say(&format!("skipped: {} is not there", path.display()));
            return None;
        };
        let mut shop = Self::default();
        let mut known = HashMap::new();
        for (number, line) in BufReader::new(GzDecoder::new(opened)).lines().enumerate().skip(1) {
            let line = line.unwrap_or_else(|error| panic!("line {} of {file}: {error}", number + 1));
            let row: Vec<&str> = line.split(',').collect();
            let (user, at, name, properties) = match row.as_slice() {
                [time, kind, product, _, category, brand, price, user, _] => {
                    (*user, rees46_time(time), *kind, rees46_properties(kind, product, category, brand, price))
                }
                [user, item, category, kind, seconds] => {
                    (*user, seconds.parse().ok().map(unix), *kind, json!({"product_id": item, "category": category}))
                }
                _ => panic!("line {} of {file} has {} fields", number + 1, row.len()),
            };
            let at = at.unwrap_or_else(|| panic!("line {} of {file} has no time", number + 1));
            let person = *known.entry(user.to_owned()).or_insert_with(|| {
                shop.people.push(UserKey::known(user));
                shop.introductions.push(introduction(user, at));
                shop.people.len() - 1
            });
            let event = track(user, number, at, event_name(name), properties);
            shop.events.push((person, Input::event(event)));
        }
        Some(shop)
    }
}

/// Where a file of the data would be.
fn data(file: &str) -> PathBuf {
    root().join("../shared/data").join(file)
}

fn unix(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

/// `2019-10-01 00:00:00 UTC`.
fn rees46_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{}Z", text.strip_suffix(" UTC")?.replace(' ', "T")))
}

fn rees46_properties(kind: &str, product: &str, category: &str, brand: &str, price: &str) -> Value {
    let mut item = json!({"product_id": product, "currency": "USD"});
    let price: Option<f64> = price.parse().ok();
    for (name, value) in [("category", category), ("brand", brand)] {
        if !value.is_empty() {
            item[name] = value.into();
        }
    }
    if let Some(price) = price {
        item["price"] = price.into();
    }
    match kind {
        "purchase" => json!({"order_id": product, "total": price, "currency": "USD", "products": [item]}),
        _ => item,
    }
}

fn event_name(kind: &str) -> EventName {
    match kind {
        "cart" => EventName::ProductAdded,
        "purchase" | "buy" => EventName::OrderCompleted,
        "fav" => EventName::ProductAddedToWishlist,
        "view" | "pv" => EventName::ProductViewed,
        other => panic!("{other} is no behaviour of these files"),
    }
}

fn track(user: &str, number: usize, at: Timestamp, event: EventName, properties: Value) -> Event {
    let Value::Object(properties) = properties else { panic!("properties are an object") };
    let id = InputId::of_message("shop", &format!("row-{number}"));
    let context = Map::from_iter([("library".to_owned(), json!({"name": "analytics-node", "version": "2.2.1"}))]);
    Event::new(id, at, "shop".into(), Some(user.into()), None, EventKind::Track { event, properties }, context)
}

fn introduction(user: &str, at: Timestamp) -> Input {
    let Value::Object(traits) = json!({"email": format!("{user}@shop.example"), "createdAt": "2018-01-01T00:00:00Z"})
    else {
        panic!("traits are an object")
    };
    let id = InputId::of_message("shop", &format!("introduction-{user}"));
    Input::event(Event::new(id, at, "shop".into(), Some(user.into()), None, EventKind::Identify { traits }, Map::new()))
}
