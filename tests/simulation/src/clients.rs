//! People and their clients: who does what when, and how late, how often and in which parcels it is sent.

use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::segment_spec::inputs_of;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Mailboxes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::playbook::CUSTOMER_SINCE;
use crate::ports::SimMailboxes;
use crate::random::Random;
use crate::weather::{Port, Weather};
use crate::world::{BEGIN, World};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

/// What a client sends at a time.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it is sent first.
    pub at: i64,
    /// What it reports.
    pub events: Vec<Event>,
}

/// What all clients will send, and the actors that are, or may become, one person.
pub struct Plans {
    /// The requests, in no order.
    pub requests: Vec<Request>,
    /// The actors of people with more than one identity.
    pub linked: Vec<UserKey>,
}

/// Who is at a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    /// Always known by the same id.
    Known,
    /// Never says who they are.
    Visitor,
    /// A visitor who says who they are, with stragglers from before.
    Turning,
    /// Two users of one device.
    Shared,
    /// Two ids, each said to have been the other.
    Circle,
}

/// Draws everything that clients will send.
pub fn plans(random: &mut Random, weather: &Weather) -> Plans {
    let mut plans = Plans { requests: Vec::new(), linked: Vec::new() };
    for number in 0..weather.people {
        let person = match (weather.links, random.below(10)) {
            (true, 0..=3) => Person::Turning,
            (true, 4) => Person::Shared,
            (true, 5) => Person::Circle,
            (_, even) if even % 2 == 0 => Person::Known,
            _ => Person::Visitor,
        };
        let heavy = weather.heavy && number < 2;
        let mut days = Days { random, number, person, at: BEGIN, said: 0 };
        let events = days.events(weather, heavy);
        if matches!(person, Person::Turning | Person::Shared | Person::Circle) {
            plans.linked.extend(days.actors());
        }
        parcel(random, events, weather, heavy, &mut plans.requests);
    }
    plans
}

/// The doings of one person, drawn one after the other.
struct Days<'a> {
    random: &'a mut Random,
    number: usize,
    person: Person,
    at: i64,
    said: usize,
}

impl Days<'_> {
    fn user(&self, which: usize) -> String {
        format!("user-{}-{which}", self.number)
    }

    fn visitor(&self) -> String {
        format!("visitor-{}", self.number)
    }

    fn actors(&self) -> Vec<UserKey> {
        let mut actors = vec![UserKey::anonymous(&self.visitor())];
        for which in 0..2 {
            actors.push(UserKey::known(&self.user(which)));
            actors.push(UserKey::anonymous(&self.user(which)));
        }
        actors
    }

    fn events(&mut self, weather: &Weather, heavy: bool) -> Vec<Event> {
        let count = if heavy { 120 + self.random.below(130) } else { 4 + self.random.below(22) };
        let end = BEGIN + weather.shopping_ms;
        self.at += self.random.between(0, weather.shopping_ms / 3);
        let mean_gap = (end - self.at) / count as i64;
        let mut events = Vec::new();
        for index in 0..count {
            let gap = match self.random.below(10) {
                0..=5 => self.random.between(0, (mean_gap / 2).max(1)),
                6 | 7 => self.random.between(0, 2 * mean_gap),
                // Around the end of the wait, where a second decides.
                8 if !heavy => 30 * MINUTE + self.random.between(-2 * SECOND, 2 * SECOND),
                8 => self.random.between(0, 2 * mean_gap),
                _ => 0,
            };
            self.at = (self.at + gap).min(end);
            let event = self.event(index, count, heavy);
            events.push(event);
        }
        events
    }

    fn event(&mut self, index: usize, count: usize, heavy: bool) -> Event {
        let half = index * 2 >= count;
        let which = self.random.below(2);
        let (user_id, anonymous_id) = match self.person {
            Person::Known => (Some(self.user(0)), None),
            Person::Visitor => (None, Some(self.visitor())),
            Person::Turning if !half => (None, Some(self.visitor())),
            // A tab that does not know yet goes on as a visitor.
            Person::Turning if self.random.chance(2_500) => (None, Some(self.visitor())),
            Person::Turning => (Some(self.user(0)), Some(self.visitor())),
            Person::Shared if self.random.chance(4_000) => (None, Some(self.visitor())),
            Person::Shared => (Some(self.user(which)), Some(self.visitor())),
            Person::Circle => (Some(self.user(which)), None),
        };
        let kind = self.kind(user_id.as_deref(), index, count, heavy);
        self.said += 1;
        let id = InputId::of_message("web", &format!("{}-{}", self.number, self.said));
        // A client's clock may run ahead: receipt clamps it.
        let ahead = if self.random.chance(300) { self.random.between(0, 40 * MINUTE) } else { 0 };
        let at = Timestamp::from_millis(self.at + ahead);
        Event::new(id, at, "web".into(), user_id, anonymous_id, kind, Map::new())
    }

    fn kind(&mut self, user_id: Option<&str>, index: usize, count: usize, heavy: bool) -> EventKind {
        let says_who = match self.person {
            Person::Visitor => false,
            Person::Known => self.random.chance(1_200),
            // The moment at which a visitor says who they are.
            Person::Turning => user_id.is_some() && (index <= count / 2 + 1 || self.random.chance(2_000)),
            Person::Shared => user_id.is_some() && self.random.chance(3_000),
            Person::Circle => self.random.chance(1_500),
        };
        if says_who && let Some(user_id) = user_id {
            if self.person == Person::Circle && self.random.chance(6_000) {
                let which = self.random.below(2);
                return EventKind::Alias { previous_id: self.user(which) };
            }
            return EventKind::Identify { traits: self.traits(user_id) };
        }
        let looks_only = heavy && self.random.chance(9_000);
        let product = *self.random.pick(&["mug", "tea", "pot", "spoon", "tin"]);
        let quantity = 1 + self.random.below(3);
        let one = json!({"product_id": product, "quantity": quantity, "price": 4.5, "currency": "EUR"});
        let (event, properties) = match if looks_only { 9 } else { self.random.below(12) } {
            0..=3 => (EventName::ProductAdded, one),
            4 => (EventName::ProductRemoved, json!({"product_id": product, "quantity": 5})),
            5 => (EventName::CheckoutStarted, json!({})),
            6 if self.random.chance(5_000) => (EventName::CheckoutStarted, json!({"products": [one]})),
            6 => (EventName::CheckoutStepViewed, json!({"step": 2})),
            7 if self.random.chance(7_000) => (EventName::OrderCompleted, json!({"products": [one]})),
            8 => return EventKind::Page { name: Some("Home".into()), properties: Map::new() },
            _ => (EventName::ProductViewed, one),
        };
        EventKind::Track { event, properties: object(properties) }
    }

    fn traits(&mut self, user_id: &str) -> Map<String, Value> {
        let mut traits = Map::new();
        let reach = self.random.below(6);
        if matches!(reach, 0..=2) {
            traits.insert("email".into(), json!(format!("{user_id}@shop.example")));
        }
        if matches!(reach, 2 | 3) {
            traits.insert("phone".into(), json!(format!("+4915100000{:03}", self.number)));
        }
        if reach == 4 {
            traits.insert("email".into(), json!(format!("gone.{user_id}@shop.example")));
        }
        if self.number.is_multiple_of(5) {
            traits.insert(CUSTOMER_SINCE.into(), json!("2020-02-02T00:00:00Z"));
        }
        traits
    }
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Puts the events of a person into requests: in parcels, late, and some of them again.
pub(crate) fn parcel(
    random: &mut Random,
    events: Vec<Event>,
    weather: &Weather,
    heavy: bool,
    requests: &mut Vec<Request>,
) {
    let mut events = events.into_iter().peekable();
    while let Some(first) = events.next() {
        let more = match random.below(10) {
            _ if heavy => random.below(10),
            0..=6 => 0,
            _ => random.below(6),
        };
        let mut parcel = vec![first];
        parcel.extend(events.by_ref().take(more));
        let newest = parcel.iter().map(|event| event.at.as_millis()).max().unwrap_or(BEGIN);
        let late = match random.below(20) {
            0 => random.between(0, 120 * MINUTE),
            1 | 2 => random.between(0, 10 * MINUTE),
            _ => random.between(0, 3 * SECOND),
        };
        let at = newest + late;
        if random.chance(1_000) {
            // Clients do not always keep the order.
            random.shuffle(&mut parcel);
        }
        // A client that is not sure sends again, long after the queue has forgotten. Nobody remembers
        // more than the last inputs, so those who send hundreds do not.
        if !weather.heavy && random.chance(1_500) {
            let mut again = parcel.clone();
            again.extend(
                requests.last().filter(|_| random.chance(3_000)).map(|last| last.events.clone()).unwrap_or_default(),
            );
            again.retain(|_| random.chance(8_000));
            if !again.is_empty() {
                requests.push(Request { at: at + random.between(SECOND, 180 * MINUTE), events: again });
            }
        }
        requests.push(Request { at, events: parcel });
    }
}

/// Sends a request until it is accepted, as clients do.
pub fn send(world: &World, request: &Request) {
    let number = world.lock().fresh_number();
    let of_task = world.clone();
    let request = request.clone();
    world.lock().requests_open += 1;
    world.spawn(format!("client {number}"), i64::MAX / 4, async move {
        let world = of_task;
        let mailboxes = SimMailboxes::new(&world, Port::Ingest);
        let mut events = request.events;
        loop {
            let messages = ingested(&world, &events);
            let sent = mailboxes.send(&messages).await;
            let (wait, regrouped) = {
                let mut inner = world.lock();
                if sent.is_ok() {
                    events.iter().for_each(|event| inner.checks.accepted(event.id));
                    inner.requests_open -= 1;
                    return;
                }
                inner.statistics.count("requests sent again by clients");
                let regrouped = !inner.weather.heavy && events.len() > 1 && inner.random.chance(3_000);
                (inner.random.between(SECOND, 90 * SECOND), regrouped)
            };
            if regrouped {
                // In other parcels, too.
                let at = world.lock().random.below(events.len() - 1) + 1;
                send(&world, &Request { at: 0, events: events.split_off(at) });
            }
            world.pause(wait).await;
        }
    });
}

/// What `ingest` makes of a request: times clamped to the receipt, one message for each mailbox.
fn ingested(world: &World, events: &[Event]) -> Vec<MailboxMessage> {
    let received_at = {
        let mut inner = world.lock();
        let wrong = if inner.storm { inner.weather.clock_ms_max } else { 0 };
        let wrong = inner.random.between(-wrong, wrong);
        Timestamp::from_millis(inner.now + wrong)
    };
    let mut by_user: BTreeMap<UserKey, Vec<Input>> = BTreeMap::new();
    for event in events {
        let event = Event { at: event.at.min(received_at), ..event.clone() };
        for (user, input) in inputs_of(event) {
            by_user.entry(user).or_default().push(input);
        }
    }
    by_user.into_iter().map(|(user, inputs)| MailboxMessage::of_inputs(user, inputs)).collect()
}
