//! A shopper, and what their device reports while they are in the shop.

use kairos_engine::time::{Span, Timestamp};
use serde_json::{Value, json};

use super::catalogue::{ARTICLES, Article};
use super::chance::Chance;
use crate::calls::{Call, Caller};
use crate::demo::push_service::ENDPOINT;

const FIRST_NAMES: [&str; 20] = [
    "Anna", "Ben", "Carla", "David", "Elif", "Finn", "Greta", "Hugo", "Ines", "Jonas", "Karim", "Lena", "Mateo",
    "Nora", "Oskar", "Paula", "Robin", "Sofia", "Tom", "Yara",
];
const LAST_NAMES: [&str; 20] = [
    "Keller", "Novak", "Rossi", "Lindgren", "Haddad", "Moreau", "Schmitt", "Costa", "Berg", "Kowalski", "Ferrari",
    "Dubois", "Okafor", "Jansen", "Weber", "Silva", "Nguyen", "Larsen", "Fischer", "Marin",
];

/// In 100 shoppers, how many leave only a phone number.
const PHONE_ONLY_PERCENT: u64 = 25;
/// In 100 shoppers, how many read German.
const GERMAN_PERCENT: u64 = 20;

/// The keys of every browser of the day: those of RFC 8291, section 5.
const BROWSER_KEY: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const BROWSER_SECRET: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// Who is in the shop.
#[derive(Debug)]
pub(super) struct Customer {
    user_id: String,
    anonymous_id: String,
    first_name: &'static str,
    last_name: &'static str,
    address: (&'static str, String),
    context: Value,
}

/// How the shop knows somebody who signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// For a long time.
    Customer,
    /// From now on.
    New,
}

impl Customer {
    /// The `person`-th shopper of the day.
    pub(super) fn new(person: usize, chance: &mut Chance) -> Self {
        // Walking through both lists at different paces gives 400 people before a name comes back.
        let first_name = FIRST_NAMES[person % FIRST_NAMES.len()];
        let last_name = LAST_NAMES[(person * 7 + person / FIRST_NAMES.len()) % LAST_NAMES.len()];
        let address = if chance.happens(PHONE_ONLY_PERCENT) {
            // Ofcom keeps +44 7700 900000 to 900999 for fiction.
            ("phone", format!("+447700900{person:03}"))
        } else {
            ("email", format!("{first_name}.{last_name}@mail.example").to_lowercase())
        };
        let locale = if chance.happens(GERMAN_PERCENT) { "de-DE" } else { "en-GB" };
        let context = json!({
            "library": { "name": "kairos-demo", "version": env!("CARGO_PKG_VERSION") },
            "locale": locale,
            // What a browser's client tells: this is the shop's site.
            "page": { "url": "https://shop.example/" },
        });
        let device = chance.next();
        Self {
            user_id: format!("customer-{}", 1_001 + person),
            anonymous_id: format!(
                "{:08x}-{:04x}-4{:03x}-8000-{person:012x}",
                device >> 32,
                device >> 16 & 0xffff,
                device & 0xfff
            ),
            first_name,
            last_name,
            address,
            context,
        }
    }
}

/// A visit under way.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    customer: &'a Customer,
    chance: &'a mut Chance,
    now: Timestamp,
    signed_in: bool,
    cart: Vec<(&'static Article, u32)>,
    calls: Vec<Call>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(customer: &'a Customer, now: Timestamp, chance: &'a mut Chance) -> Self {
        let mut visit = Self { customer, chance, now, signed_in: false, cart: Vec::new(), calls: Vec::new() };
        visit.page("Home", "https://shop.example/".to_owned());
        visit
    }

    /// Says who they are.
    pub(super) fn sign_in(&mut self, standing: Standing) {
        self.pass(5, 60);
        self.signed_in = true;
        let since = match standing {
            Standing::New => self.now,
            Standing::Customer => self.now.minus(Span::from_hours(24 * self.chance.between(90, 900))),
        };
        let (kind, address) = &self.customer.address;
        let mut traits = json!({
            "firstName": self.customer.first_name,
            "lastName": self.customer.last_name,
            "createdAt": since.to_string(),
        });
        traits[*kind] = address.as_str().into();
        let (id, at) = (self.next_id(), self.now);
        let call = Call::identify(self.caller(), id, at, traits);
        self.calls.push(call);
    }

    /// Looks at some products.
    pub(super) fn look_around(&mut self, at_least: i64, at_most: i64) {
        for _ in 0..self.chance.between(at_least, at_most) {
            let article = self.chance.one_of(&ARTICLES);
            self.pass(15, 90);
            self.page("Product", article.url());
            self.track("Product Viewed", article.to_json(1));
        }
    }

    /// Lets the browser show notifications.
    pub(super) fn allow_notifications(&mut self) {
        self.pass(5, 20);
        let endpoint = format!("{ENDPOINT}{}", self.customer.user_id);
        let keys = json!({ "p256dh": BROWSER_KEY, "auth": BROWSER_SECRET });
        self.track("Web Push Subscribed", json!({ "endpoint": endpoint, "keys": keys, "device": "Chrome" }));
    }

    /// Moves the mouse out of the page.
    pub(super) fn reach_for_the_close_button(&mut self) {
        self.pass(2, 10);
        self.track("Exit Intended", json!({}));
    }

    /// Puts some products into the cart.
    pub(super) fn fill_cart(&mut self, at_least: i64, at_most: i64) {
        for _ in 0..self.chance.between(at_least, at_most) {
            let article = self.chance.one_of(&ARTICLES);
            let quantity = if self.chance.happens(20) { 2 } else { 1 };
            self.pass(20, 120);
            self.track("Product Added", article.to_json(quantity));
            self.cart.push((article, quantity));
        }
    }

    /// Takes everything out again.
    pub(super) fn empty_cart(&mut self) {
        for (article, quantity) in std::mem::take(&mut self.cart) {
            self.pass(20, 90);
            self.track("Product Removed", article.to_json(quantity));
        }
    }

    /// Checks out and pays.
    pub(super) fn order(&mut self) {
        let products: Vec<Value> = self.cart.iter().map(|(article, quantity)| article.to_json(*quantity)).collect();
        self.pass(20, 60);
        self.track("Checkout Started", json!({ "currency": "EUR", "products": products }));
        self.pass(60, 240);
        let order_id = format!("order-{}", self.next_id());
        let cents: u32 = self.cart.iter().map(|(article, quantity)| article.price_cents * quantity).sum();
        let total = f64::from(cents) / 100.0;
        let order = json!({ "order_id": order_id, "currency": "EUR", "total": total, "products": products });
        self.track("Order Completed", order);
        self.cart.clear();
    }

    /// Leaves and comes back.
    pub(super) fn come_back_after(&mut self, pause: Span) {
        self.now = self.now.plus(pause);
        self.page("Home", "https://shop.example/".to_owned());
    }

    /// Moves the whole visit so that its last event happens at `at`.
    pub(super) fn end_at(&mut self, at: Timestamp) {
        let shift = at.since(self.now);
        self.calls.iter_mut().for_each(|call| call.at = call.at.plus(shift));
        self.now = at;
    }

    /// What the device reported.
    pub(super) fn calls(self) -> Vec<Call> {
        self.calls
    }

    fn caller(&self) -> Caller<'a> {
        Caller {
            user_id: self.signed_in.then_some(self.customer.user_id.as_str()),
            anonymous_id: Some(&self.customer.anonymous_id),
            context: &self.customer.context,
        }
    }

    fn page(&mut self, name: &str, url: String) {
        let (id, at) = (self.next_id(), self.now);
        let call = Call::page(self.caller(), id, at, name, json!({ "url": url }));
        self.calls.push(call);
    }

    fn track(&mut self, event: &str, properties: Value) {
        let (id, at) = (self.next_id(), self.now);
        let call = Call::track(self.caller(), id, at, event, properties);
        self.calls.push(call);
    }

    fn pass(&mut self, from_secs: i64, to_secs: i64) {
        let millis = self.chance.between(from_secs * 1_000, to_secs * 1_000);
        self.now = self.now.plus(Span::from_millis(millis));
    }

    fn next_id(&self) -> String {
        format!("{}-{}", self.customer.anonymous_id, self.calls.len())
    }
}
