//! The vocabulary of the stories.
//!
//! | words | what clients send |
//! |---|---|
//! | `is a customer with a phone` (`an email`, `a phone and an email`) | `identify`, of an account that is years old |
//! | `opens an account with an email` | `identify`, of a new one |
//! | `turns out to be ann` (of somebody called `visitor…`) | `identify`, with both ids |
//! | `reads German`, `lives in America/New_York`, `takes the phone`, `sits down at the desk`, `is near Showroom Mitte` | nothing; it goes with what comes then |
//! | `views P`, `adds P`, `removes P`, `wishes for P`, `orders P and P` | the ecommerce events, where P is `Trail Runner (shoes, 89 EUR)`, and later `Trail Runner` |
//! | `opens /promo/shoes`, `opens /promo/hats from /promo` | `page` |
//! | `searches for trail shoes` | `Products Searched` |
//! | `spends 40 s with P` | `Element Dwelled` |
//! | `is about to leave` | `Exit Intended`, of a page |
//! | `walks past Café Kreuzberg` | an event of the app that says where it is |
//! | `does Track Played percent=80 title="So What" of P` | any other event |
//!
//! `shop` does things, too: `lowers P to 69 EUR`, `sells out of P`, `has 5 of P again`, `has P at Showroom Mitte`.

use std::collections::BTreeMap;

use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::time::Timestamp;
use serde_json::{Map, Value, json};

/// What stories have said so far that later lines rely on.
#[derive(Debug, Default)]
pub(crate) struct Words {
    products: BTreeMap<String, Article>,
    people: BTreeMap<String, Person>,
    lines: usize,
}

/// A product of the shop.
#[derive(Clone, Debug)]
pub(crate) struct Article {
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) price: f64,
    pub(crate) currency: String,
}

impl Article {
    pub(crate) fn id(&self) -> String {
        self.name.to_lowercase().replace(' ', "-")
    }

    /// The product as events name it.
    pub(crate) fn to_json(&self, quantity: u32) -> Value {
        let id = self.id();
        json!({
            "product_id": id, "name": self.name, "category": self.category, "price": self.price,
            "currency": self.currency, "quantity": quantity,
            "url": format!("https://shop.example/{id}"), "image_url": format!("https://shop.example/{id}.jpg"),
        })
    }
}

#[derive(Debug, Default)]
struct Person {
    reads: Option<&'static str>,
    zone: Option<String>,
    device: Option<&'static str>,
    location: Option<(f64, f64)>,
}

impl Words {
    /// What a line puts into which mailboxes. Nothing, when it only says what goes with what comes then. The times are
    /// when it happens and when the shop hears of it.
    pub(crate) fn inputs(
        &mut self,
        who: &str,
        does: &str,
        (now, received_at): (Timestamp, Timestamp),
        position: impl Fn(&str) -> (f64, f64),
    ) -> Vec<(UserKey, Input)> {
        self.lines += 1;
        let Some(mut call) = self.call(who, does, now, position) else {
            return Vec::new();
        };
        let person = self.people.entry(who.to_owned()).or_default();
        let mut context = json!({"timezone": person.zone.as_deref().unwrap_or("Europe/Berlin")});
        context["locale"] = person.reads.unwrap_or("en-GB").into();
        if let Some(device) = person.device {
            context["device"] = json!({"type": device});
        }
        if let Some((latitude, longitude)) = person.location {
            context["location"] = json!({"latitude": latitude, "longitude": longitude});
        }
        if let Some(page) = call.remove("page") {
            context["page"] = page;
        }
        call.insert(if who.starts_with("visitor") { "anonymousId" } else { "userId" }.into(), who.into());
        call.insert("messageId".into(), format!("line {}", self.lines).into());
        call.insert("timestamp".into(), now.to_string().into());
        call.insert("context".into(), context);
        let facts = Facts { source: "website", received_at, sent_at: None, call: None, index: 0, historical: false };
        inputs_of(decode(Value::Object(call), &facts).unwrap().event)
    }

    fn call(
        &mut self,
        who: &str,
        does: &str,
        now: Timestamp,
        position: impl Fn(&str) -> (f64, f64),
    ) -> Option<Map<String, Value>> {
        let person = self.people.entry(who.to_owned()).or_default();
        match does {
            "reads German" => person.reads = Some("de-DE"),
            "takes the phone" => person.device = Some("phone"),
            "sits down at the desk" => person.device = Some("desktop"),
            _ => {}
        }
        if matches!(does, "reads German" | "takes the phone" | "sits down at the desk") {
            return None;
        }
        if let Some(zone) = does.strip_prefix("lives in ") {
            person.zone = Some(zone.to_owned());
            return None;
        }
        if let Some(place) = does.strip_prefix("is near ") {
            // Some three hundred metres to the north.
            let (latitude, longitude) = position(place);
            person.location = Some((latitude + 0.003, longitude));
            return None;
        }
        if let Some(place) = does.strip_prefix("walks past ") {
            let (latitude, longitude) = position(place);
            return Some(track("Position Reported", json!({"latitude": latitude, "longitude": longitude})));
        }
        let (verb, rest) = does.split_once(' ').unwrap_or((does, ""));
        Some(match verb {
            "is" if rest == "about to leave" => {
                let mut call = track("Exit Intended", json!({"by": "pointer"}));
                call.insert("page".into(), json!({"path": "/cart"}));
                call
            }
            "turns" => {
                let user = rest.strip_prefix("out to be ").unwrap_or_else(|| panic!("{does:?}: into whom?"));
                object(json!({"type": "identify", "userId": user, "traits": {}}))
            }
            "is" | "opens" if rest.contains(" with ") => identify(who, rest, now),
            "opens" => {
                let (path, from) = rest.split_once(" from ").unwrap_or((rest, ""));
                let referrer = if from.is_empty() { String::new() } else { format!("https://shop.example{from}") };
                let page = json!({"path": path, "referrer": referrer});
                let mut call = object(json!({"type": "page", "properties": {"path": path}}));
                call.insert("page".into(), page);
                call
            }
            "views" => track("Product Viewed", self.products(rest)[0].clone()),
            "adds" => track("Product Added", self.products(rest)[0].clone()),
            "removes" => track("Product Removed", self.products(rest)[0].clone()),
            "wishes" => {
                track("Product Added to Wishlist", self.products(rest.strip_prefix("for ").unwrap_or(rest))[0].clone())
            }
            "orders" => {
                let products = self.products(rest);
                let worth =
                    |product: &Value| product["price"].as_f64().unwrap() * product["quantity"].as_f64().unwrap();
                let total: f64 = products.iter().map(worth).sum();
                track(
                    "Order Completed",
                    json!({"products": products, "total": total, "currency": products[0]["currency"]}),
                )
            }
            "searches" => track("Products Searched", json!({"query": rest.strip_prefix("for ").unwrap_or(rest)})),
            "spends" => {
                let (seconds, product) = rest.split_once(" s with ").unwrap_or_else(|| panic!("{does:?}: how long?"));
                let mut properties = object(self.products(product)[0].clone());
                properties.insert("seconds".into(), seconds.parse::<f64>().unwrap().into());
                track("Element Dwelled", Value::Object(properties))
            }
            "does" => self.other(rest),
            _ => panic!("{does:?} is not in the vocabulary"),
        })
    }

    /// `Track Played percent=80 title="So What" of P`
    fn other(&mut self, text: &str) -> Map<String, Value> {
        let (text, product) = match text.split_once(" of ") {
            Some((text, product)) => (text, self.products(product)[0].clone()),
            None => (text, json!({})),
        };
        let mut properties = object(product);
        let (mut name, mut rest) = match text.find('=') {
            None => (text, ""),
            Some(equals) => text.split_at(text[..equals].rfind(' ').unwrap()),
        };
        name = name.trim();
        while let Some((key, value)) = rest.split_once('=') {
            let (value, left) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap(),
                None => value.split_once(' ').unwrap_or((value, "")),
            };
            let number = value.parse::<f64>().map(Value::from);
            properties.insert(key.trim().into(), number.unwrap_or_else(|_| value.into()));
            rest = left;
        }
        track(name, Value::Object(properties))
    }

    /// Products as a line names them, with their numbers: `2 x Mug (kitchen, 9 EUR) and Tea`.
    fn products(&mut self, text: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for one in text.split(" and ") {
            let (quantity, one) = match one.split_once(" x ") {
                Some((quantity, one)) => (quantity.parse().unwrap(), one),
                None => (1, one),
            };
            all.push(self.article(one).to_json(quantity));
        }
        all
    }

    /// One product as a line names it.
    pub(crate) fn article(&mut self, text: &str) -> Article {
        if let Some((name, rest)) = text.split_once(" (") {
            let (category, price) = rest.strip_suffix(')').and_then(|rest| rest.split_once(", ")).unwrap();
            let (price, currency) = price.split_once(' ').unwrap();
            let article = Article {
                name: name.into(),
                category: category.into(),
                price: price.parse().unwrap(),
                currency: currency.into(),
            };
            self.products.insert(name.into(), article);
        }
        let name = text.split(" (").next().unwrap();
        self.products.get(name).unwrap_or_else(|| panic!("{name:?}: which category, and how much?")).clone()
    }

    /// Every product that was named.
    pub(crate) fn articles(&self) -> impl Iterator<Item = &Article> {
        self.products.values()
    }

    /// What a product costs from now on.
    pub(crate) fn reprice(&mut self, name: &str, price: f64) {
        self.products.get_mut(name).unwrap().price = price;
    }
}

fn track(event: &str, properties: Value) -> Map<String, Value> {
    object(json!({"type": "track", "event": event, "properties": properties}))
}

fn identify(who: &str, how: &str, now: Timestamp) -> Map<String, Value> {
    let mut name = who.to_owned();
    name[..1].make_ascii_uppercase();
    let mut traits = json!({"firstName": name});
    traits["createdAt"] =
        if how.starts_with("a customer") { "2020-01-01T00:00:00Z".into() } else { now.to_string().into() };
    if how.contains("email") {
        traits["email"] = format!("{who}@mail.example").into();
    }
    if how.contains("phone") {
        let number: u32 = who.bytes().map(u32::from).sum();
        traits["phone"] = format!("+4915100{number:06}").into();
    }
    object(json!({"type": "identify", "traits": traits}))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}
