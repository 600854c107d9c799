//! The people of the shipped playbook: they do everything that its plays and segments listen to, in the little
//! stories that plays are about, begun at any time and cut short at any point.

use kairos_engine::event::{Event, EventKind, PREFERENCES, SHOP_SERVER};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::clients::{Person, Plans, object, parcel};
use crate::random::Random;
use crate::weather::Weather;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A time zone: its name, the minutes that its clocks are ahead of UTC in winter, and when summer begins and ends.
pub type Zone = (&'static str, i64, Option<(i64, i64)>);

/// Where people live.
pub const ZONES: [Zone; 5] = [
    // In the years of the runs: 2024-03-31T01:00Z and 2024-10-27T01:00Z.
    ("Europe/Berlin", 60, Some((1_711_846_800_000, 1_729_990_800_000))),
    ("UTC", 0, None),
    ("Asia/Kolkata", 330, None),
    // 2024-03-10T07:00Z and 2024-11-03T06:00Z.
    ("America/New_York", -300, Some((1_710_054_000_000, 1_730_613_600_000))),
    ("Asia/Tokyo", 540, None),
];

/// The milliseconds since midnight that clocks show in a zone.
pub fn time_of_day(zone: Zone, at: i64) -> i64 {
    let in_summer = zone.2.is_some_and(|(begins, ends)| (begins..ends).contains(&at));
    let ahead = zone.1 + if in_summer { 60 } else { 0 };
    (at + ahead * MINUTE).rem_euclid(DAY)
}

/// What the shop sells: id, category and price.
pub const PRODUCTS: [(&str, &str, f64); 10] = [
    ("mug", "kitchens", 12.0),
    ("chair", "furniture", 149.0),
    ("shelf", "assembly", 89.0),
    ("dress", "dresses", 79.0),
    ("sneaker", "shoes", 119.0),
    ("beans", "coffee", 14.5),
    ("kibble", "pet_food", 32.0),
    ("croissant", "bakery", 3.2),
    ("leaves", "tea", 8.0),
    ("album", "music", 18.0),
];

/// Nobody sends more, except where hundreds are the point: more than users remember could not be told apart.
const EVENTS_MAX: usize = 44;
const EVENTS_HEAVY_MAX: usize = 130;

/// Draws everything that the people will send.
pub fn plans(random: &mut Random, weather: &Weather) -> Plans {
    let mut plans = Plans { requests: Vec::new(), linked: Vec::new() };
    for number in 0..weather.people {
        let person = match (weather.links, random.below(10)) {
            (true, 0..=3) => Person::Turning,
            (true, 4) => Person::Shared,
            (true, 5) => Person::Circle,
            (_, 9) => Person::Visitor,
            _ => Person::Known,
        };
        let heavy = weather.heavy && number < 2;
        let count = if heavy { 70 + random.below(EVENTS_HEAVY_MAX - 70) } else { 6 + random.below(EVENTS_MAX - 6) };
        let at = weather.begins_at + random.between(0, 7 * DAY);
        let (end, zone) = (at + weather.shopping_ms, *random.pick(&ZONES));
        let on_phone = random.chance(5_000);
        let mut shopper = Shopper { random, number, person, count, at, end, zone, on_phone, events: Vec::new() };
        shopper.shops();
        if matches!(person, Person::Turning | Person::Shared | Person::Circle) {
            plans.linked.extend(shopper.actors());
        }
        let events = shopper.events;
        let of_others = plans.requests.len();
        parcel(random, events, weather, heavy, &mut plans.requests);
        for request in &mut plans.requests[of_others..] {
            if random.chance(200) {
                // A phone that was off, on a journey: it tells days later.
                request.at += random.between(HOUR, 3 * DAY);
            }
        }
    }
    plans
}

/// One person, and what they have done so far.
struct Shopper<'a> {
    random: &'a mut Random,
    number: usize,
    person: Person,
    count: usize,
    at: i64,
    end: i64,
    zone: Zone,
    on_phone: bool,
    events: Vec<Event>,
}

impl Shopper<'_> {
    fn user(&self, which: usize) -> String {
        format!("shopper-{}-{which}", self.number)
    }

    fn visitor(&self) -> String {
        format!("guest-{}", self.number)
    }

    fn actors(&self) -> Vec<UserKey> {
        let mut actors = vec![UserKey::anonymous(&self.visitor())];
        for which in 0..2 {
            actors.push(UserKey::known(&self.user(which)));
            actors.push(UserKey::anonymous(&self.user(which)));
        }
        actors
    }

    fn is_done(&self) -> bool {
        self.events.len() >= self.count || self.at >= self.end
    }

    fn shops(&mut self) {
        if self.random.chance(9_500) {
            self.say_who();
        }
        let mean_gap = (self.end - self.at) / 8;
        while !self.is_done() {
            let gap = match self.random.below(8) {
                0..=2 => self.random.between(0, 40 * MINUTE),
                3 | 4 => self.random.between(0, mean_gap.min(9 * HOUR)),
                // The next days at an hour at which people are awake.
                5 => {
                    let hour = self.random.between(7, 19);
                    self.until_hour(hour)
                }
                _ => self.random.between(0, 2 * mean_gap),
            };
            self.at += gap;
            if self.random.chance(400) {
                self.zone = *self.random.pick(&ZONES);
            }
            if self.random.chance(1_000) {
                self.on_phone = !self.on_phone;
            }
            if self.random.chance(1_500) || self.events.len() * 2 == self.count {
                self.say_who();
            }
            self.story();
            if self.random.chance(700) {
                self.speaks_of_consent();
            }
        }
    }

    /// Refuses messages, or wants them again, while some are perhaps on their way.
    fn speaks_of_consent(&mut self) {
        // Often at once, when a message has just been decided.
        self.at += *self.random.pick(&[0, 0, SECOND, MINUTE, HOUR]);
        let channel = *self.random.pick(&["all", "all", "email", "sms"]);
        let choice = *self.random.pick(&["refused", "refused", "given", "pending"]);
        let purpose = *self.random.pick(&["marketing", "marketing", "transactional"]);
        let source = *self.random.pick(&["web", PREFERENCES, SHOP_SERVER]);
        let said = json!({"channel": channel, "choice": choice, "purpose": purpose});
        let kind = EventKind::Track { event: EventName::ConsentUpdated, properties: object(said) };
        self.tells_by(source, kind, json!({}));
    }

    fn until_hour(&mut self, hour: i64) -> i64 {
        (hour * HOUR - time_of_day(self.zone, self.at)).rem_euclid(DAY) + self.random.between(0, 20 * MINUTE)
    }

    /// Waits as long as between the parts of one story.
    fn soon(&mut self) {
        self.at += match self.random.below(10) {
            0 => 30 * MINUTE + self.random.between(-2 * SECOND, 2 * SECOND),
            1 => self.random.between(0, 90 * MINUTE),
            2 => 0,
            _ => self.random.between(0, 4 * MINUTE),
        };
    }

    fn story(&mut self) {
        match self.random.below(20) {
            0 => self.looks_around(),
            1 => {
                self.does("Products Searched", json!({"query": "chair"}));
                self.soon();
                self.views();
            }
            2 => {
                let product = self.product();
                for _ in 0..3 {
                    self.does("Element Dwelled", with(&product, json!({"element": "tile", "seconds": 25})));
                    self.soon();
                }
            }
            3 => {
                for _ in 0..3 {
                    let referrer = if self.random.chance(8_000) { "https://search.example/" } else { "/promo/1" };
                    self.page("/promo/winter", referrer);
                    self.at += self.random.between(0, DAY);
                }
            }
            4..=6 => self.fills_the_cart(),
            7 => self.orders(None),
            8 => {
                let name = if self.random.chance(5_000) { "Subscribed" } else { "Signed Up" };
                self.does(name, json!({"list": "news", "method": "form"}));
            }
            9 => {
                self.does("Trial Started", json!({"plan": "pro"}));
                self.at += self.random.between(0, 4 * DAY);
                match self.random.below(4) {
                    0 | 1 => self.does("Project Created", json!({})),
                    2 => self.does("Subscription Started", json!({"plan": "pro"})),
                    _ => {}
                }
            }
            10 => {
                self.does("Webinar Registered", json!({"title": "Kairos", "date": "soon"}));
                self.at += self.random.between(0, 9 * DAY);
                if self.random.chance(4_000) {
                    self.does("Webinar Joined", json!({"title": "Kairos"}));
                }
            }
            11 => {
                for lesson in 0..1 + self.random.below(2) {
                    self.does("Lesson Watched", json!({"course": "cooking", "lesson": lesson}));
                    self.at += self.random.between(0, DAY);
                }
                if self.random.chance(2_000) {
                    self.does("Course Purchased", json!({"course": "cooking", "price": 20, "currency": "EUR"}));
                }
            }
            12 => {
                let percent = *self.random.pick(&[30, 60, 90]);
                let song = json!({"title": "Song", "artist": "Band", "percent": percent});
                self.does("Track Played", with(&PRODUCTS[9], song));
            }
            13 => {
                let percent = *self.random.pick(&[20, 50, 70]);
                self.does("Form Progressed", json!({"form": "loan", "percent": percent}));
                self.soon();
                if self.random.chance(3_000) {
                    self.does("Form Submitted", json!({"form": "loan"}));
                }
            }
            14 => self.walks_past_the_cafe(),
            15 => {
                self.does("Reviews Read", json!({"product_id": "chair"}));
                self.soon();
                self.does("Products Compared", json!({"products": [{"product_id": "chair"}]}));
                self.soon();
                self.does("Products Searched", json!({"query": "chair or shelf"}));
            }
            16 => {
                let product = *self.random.pick(&PRODUCTS[5..9]);
                self.does("Supply Low", with(&product, json!({"device": "machine"})));
            }
            17 => {
                for _ in 0..3 {
                    let product = *self.random.pick(&PRODUCTS[3..5]);
                    self.does("Product Viewed", with(&product, json!({})));
                    self.soon();
                }
            }
            18 => {
                let product = self.product();
                self.does("Product Added to Wishlist", with(&product, json!({})));
            }
            _ => {
                let (name, details) = match self.random.below(6) {
                    0 => ("Guide Opened", json!({"title": "Shelf"})),
                    1 => ("Recipe Viewed", json!({"title": "Tea"})),
                    2 => ("Store Searched", json!({"query": "Berlin"})),
                    3 => ("Place Entered", json!({"place": "showroom_mitte"})),
                    4 => ("Place Left", json!({"place": "showroom_mitte"})),
                    _ => ("Something Else", json!({})),
                };
                self.does(name, details);
            }
        }
    }

    fn looks_around(&mut self) {
        for _ in 0..1 + self.random.below(3) {
            self.page("/", "");
            self.soon();
            self.views();
            self.soon();
        }
    }

    fn views(&mut self) {
        let product = self.product();
        self.does("Product Viewed", with(&product, json!({})));
    }

    fn product(&mut self) -> (&'static str, &'static str, f64) {
        *self.random.pick(&PRODUCTS)
    }

    fn fills_the_cart(&mut self) {
        for _ in 0..1 + self.random.below(3) {
            let (product, quantity) = (self.product(), 1 + self.random.below(2));
            self.does("Product Added", with(&product, json!({"quantity": quantity})));
            self.soon();
        }
        if self.random.chance(2_000) {
            let product = self.product();
            self.does("Product Removed", with(&product, json!({"quantity": 5})));
        }
        if self.random.chance(3_500) {
            self.does("Exit Intended", json!({}));
            self.soon();
        }
        if self.random.chance(3_500) {
            self.does("Checkout Started", json!({}));
            self.soon();
            if self.random.chance(4_000) {
                self.does("Coupon Applied", json!({"coupon_id": "X", "discount": 1}));
                self.does("Payment Info Entered", json!({"payment_method": "card"}));
            }
        }
        // Some follow the reminder's link, and not all of them buy then.
        if self.random.chance(2_000) {
            self.at += self.random.between(30 * MINUTE, 2 * HOUR);
            self.does("Message Link Clicked", json!({"play": "abandoned_cart", "channel": "email"}));
            self.soon();
        }
        if self.random.chance(3_500) {
            self.orders(None);
        }
    }

    fn orders(&mut self, what: Option<usize>) {
        let product = what.map_or_else(|| *self.random.pick(&PRODUCTS), |index| PRODUCTS[index]);
        let total = product.2 * (1 + self.random.below(4)) as f64;
        let id = self.events.len();
        let order = json!({
            "order_id": format!("{}-{id}", self.number),
            "products": [with(&product, json!({}))],
            "total": total,
            "currency": "EUR",
        });
        self.does("Order Completed", order);
    }

    fn walks_past_the_cafe(&mut self) {
        for _ in 0..3 {
            self.at += self.until_hour(8);
            self.orders(Some(7));
        }
        // Not on the day of the last one.
        self.at += self.random.between(4 * HOUR, 8 * HOUR);
        let hour = self.random.between(8, 10);
        self.at += self.until_hour(hour);
        let (latitude, longitude) = if self.random.chance(8_500) { (52.4995, 13.4184) } else { (52.5, 13.5) };
        let position = json!({"latitude": latitude, "longitude": longitude});
        let kind = EventKind::Track { event: EventName::parse("Position Told"), properties: Map::new() };
        self.tells(kind, json!({"location": position}));
    }

    fn page(&mut self, path: &str, referrer: &str) {
        let context = json!({"page": {"path": path, "referrer": referrer}});
        self.tells(EventKind::Page { name: None, properties: Map::new() }, context);
    }

    fn does(&mut self, name: &str, properties: Value) {
        let kind = EventKind::Track { event: EventName::parse(name), properties: object(properties) };
        self.tells(kind, json!({}));
    }

    fn say_who(&mut self) {
        if self.person == Person::Visitor || (self.person == Person::Turning && !self.is_known_by_now()) {
            return;
        }
        if self.person == Person::Circle && self.random.chance(5_000) {
            let which = self.random.below(2);
            let previous_id = self.user(which);
            return self.tells(EventKind::Alias { previous_id }, json!({}));
        }
        let mut traits = Map::new();
        let name = self.user(0);
        let reach = self.random.below(8);
        if reach < 7 {
            traits.insert("email".into(), json!(format!("{name}@shop.example")));
        }
        if matches!(reach, 3..=6) {
            traits.insert("phone".into(), json!(format!("+4915100000{:03}", self.number)));
        }
        if self.random.chance(500) {
            traits.insert("email".into(), json!(format!("gone.{name}@shop.example")));
        }
        if self.random.chance(2_500) {
            traits.insert("createdAt".into(), json!("2020-02-02T00:00:00Z"));
        }
        self.tells(EventKind::Identify { traits }, json!({}));
    }

    fn is_known_by_now(&self) -> bool {
        self.events.len() * 2 >= self.count
    }

    fn tells(&mut self, kind: EventKind, context: Value) {
        self.tells_by("web", kind, context);
    }

    fn tells_by(&mut self, source: &str, kind: EventKind, context: Value) {
        if self.is_done() {
            return;
        }
        let which = self.random.below(2);
        let says_who = matches!(kind, EventKind::Identify { .. } | EventKind::Alias { .. });
        let (user_id, anonymous_id) = match self.person {
            Person::Known => (Some(self.user(0)), None),
            Person::Visitor => (None, Some(self.visitor())),
            Person::Turning if !self.is_known_by_now() => (None, Some(self.visitor())),
            // A tab that does not know yet goes on as a visitor.
            Person::Turning if !says_who && self.random.chance(2_500) => (None, Some(self.visitor())),
            Person::Turning => (Some(self.user(0)), Some(self.visitor())),
            Person::Shared if !says_who && self.random.chance(4_000) => (None, Some(self.visitor())),
            Person::Shared => (Some(self.user(which)), Some(self.visitor())),
            Person::Circle => (Some(self.user(which)), None),
        };
        let mut context = object(context);
        if self.random.chance(8_000) {
            context.insert("timezone".into(), json!(self.zone.0));
        }
        let device = if self.on_phone { "phone" } else { "desktop" };
        context.insert("device".into(), json!({"type": device}));
        let id = InputId::of_message("web", &format!("{}-{}", self.number, self.events.len()));
        // A client's clock may run ahead: receipt clamps it.
        let ahead = if self.random.chance(300) { self.random.between(0, 40 * MINUTE) } else { 0 };
        let at = Timestamp::from_millis(self.at + ahead);
        self.events.push(Event::new(id, at, source.into(), user_id, anonymous_id, kind, context));
    }
}

/// Details with a product among them.
fn with(product: &(&str, &str, f64), details: Value) -> Value {
    let mut all = object(details);
    all.insert("product_id".into(), json!(product.0));
    all.insert("category".into(), json!(product.1));
    all.insert("price".into(), json!(product.2));
    all.insert("currency".into(), json!("EUR"));
    Value::Object(all)
}
