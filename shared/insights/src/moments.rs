//! What is remembered of each user's rows, and put together for each person.

use std::collections::BTreeMap;

use kairos_engine::bounds::{REPORT_MOMENTS_MAX, REPORT_NAME_BYTES_MAX, REPORT_NAMES_MAX, VISIT_GAP};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::money::Micros;
use kairos_engine::name::Name;
use kairos_engine::playbook::Channel;
use kairos_engine::time::Timestamp;

use crate::counts::OTHER;

/// A message on a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageKey {
    pub(crate) play: Name,
    pub(crate) message: String,
    pub(crate) channel: Channel,
}

/// What somebody did, or what was done for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A micro-conversion, by its place in the playbook.
    Micro(u16),
    /// A macro-conversion, likewise, with its value and its currency's name.
    Macro { of: u16, value: Option<Micros>, currency: u16 },
    /// Steps of a funnel, a bit for each.
    Steps { funnel: u16, steps: u16 },
    /// An order.
    Order { value: Option<Micros>, currency: u16 },
    /// A message was sent, by its delivery's number.
    Sent(u32),
    /// It was opened.
    Opened(u32),
    /// A link of it was followed.
    Clicked(u32),
    /// A visit has this source.
    Source(u16),
    /// A segment was entered or left.
    Segment { segment: u16, entered: bool },
}

/// When, and what.
pub(crate) type Moment = (Timestamp, Seen);

/// From the first of some events to the last, without a gap as long as [`VISIT_GAP`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stay {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

#[derive(Clone, Debug, Default)]
struct User {
    moments: Vec<Moment>,
    /// When they did anything.
    activity: Vec<Stay>,
    /// When they were on the shop's pages or in its app.
    visits: Vec<Stay>,
}

/// Names that have numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Vec<String>, BTreeMap<String, u16>);

impl Names {
    /// The number of a name: a new one, or that of all others when there are too many.
    pub(crate) fn number(&mut self, name: &str) -> u16 {
        let end = (0..=name.len().min(REPORT_NAME_BYTES_MAX)).rev().find(|end| name.is_char_boundary(*end));
        let name = &name[..end.unwrap_or_default()];
        if let Some(number) = self.1.get(name) {
            return *number;
        }
        let name = if self.0.len() < REPORT_NAMES_MAX { name } else { OTHER };
        if let Some(number) = self.1.get(name) {
            return *number;
        }
        // Bounded: one more than a number of 16 bits has room for would be refused when it compiles.
        let number = self.0.len() as u16;
        self.0.push(name.to_owned());
        self.1.insert(name.to_owned(), number);
        number
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: u16) -> &str {
        self.0.get(usize::from(number)).map_or(OTHER, String::as_str)
    }
}

/// Room for moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    taken: usize,
    /// Moments that were not remembered: there were too many.
    pub(crate) left_out: u64,
}

impl Room {
    fn take(&mut self) -> bool {
        let has_room = self.taken < REPORT_MOMENTS_MAX;
        if has_room {
            self.taken += 1;
        } else {
            self.left_out += 1;
        }
        has_room
    }
}

/// What is remembered of all users.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    users: BTreeMap<UserKey, User>,
    pub(crate) room: Room,
    pub(crate) names: Names,
    /// Each delivery's number.
    deliveries: BTreeMap<DeliveryId, u32>,
    /// Its message, as soon as it is known.
    messages: Vec<Option<MessageKey>>,
}

impl Moments {
    /// Notes what happened.
    pub(crate) fn note(&mut self, user: UserKey, at: Timestamp, seen: Seen) {
        if self.room.take() {
            self.users.entry(user).or_default().moments.push((at, seen));
        }
    }

    /// Notes that somebody did something, perhaps on the site.
    pub(crate) fn note_activity(&mut self, user: UserKey, at: Timestamp, on_site: bool) {
        let of = self.users.entry(user).or_default();
        let stay = Stay { from: at, until: at };
        if !stays(&mut of.activity, at) && self.room.take() {
            of.activity.push(stay);
        }
        if on_site && !stays(&mut of.visits, at) && self.room.take() {
            of.visits.push(stay);
        }
    }

    /// The number of a delivery, and what it is of, when that is known.
    pub(crate) fn delivery(&mut self, id: DeliveryId, message: Option<MessageKey>) -> u32 {
        let next = self.messages.len();
        // Each has a row, and there are fewer rows than that in any archive that fits into memory.
        let number = *self.deliveries.entry(id).or_insert(next as u32);
        if number as usize == next {
            self.messages.push(None);
        }
        let known = &mut self.messages[number as usize];
        if known.is_none() {
            *known = message;
        }
        number
    }

    /// The message of a delivery.
    pub(crate) fn message(&self, delivery: u32) -> Option<&MessageKey> {
        self.messages.get(delivery as usize)?.as_ref()
    }

    /// Shows each person, of whom each user is one.
    pub(crate) fn each_person(&self, person: impl Fn(UserKey) -> UserKey, mut show: impl FnMut(&Person)) {
        let mut people: BTreeMap<UserKey, Vec<&User>> = BTreeMap::new();
        for (user, of) in &self.users {
            let person = person(*user);
            let identities = people.entry(person).or_default();
            // Who somebody was comes before who they are, where both did something at the same time.
            let place = if person == *user { identities.len() } else { 0 };
            identities.insert(place, of);
        }
        for users in people.into_values() {
            show(&Person::of(&users));
        }
    }
}

/// Whether an instant belongs to a stay.
fn has(stay: &Stay, at: Timestamp) -> bool {
    at.since(stay.until) < VISIT_GAP && stay.from.since(at) < VISIT_GAP
}

/// Prolongs the last stay to an instant, if that belongs to it.
fn stays(of: &mut [Stay], at: Timestamp) -> bool {
    let Some(last) = of.last_mut().filter(|last| has(last, at)) else { return false };
    last.from = last.from.min(at);
    last.until = last.until.max(at);
    true
}

/// Somebody, with all that was remembered of every identity of theirs, in the order of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    pub(crate) moments: Vec<Moment>,
    /// When they did anything: visits, and what servers tell of them.
    pub(crate) activity: Vec<Stay>,
    /// When they were on the shop's pages or in its app.
    pub(crate) visits: Vec<Stay>,
}

impl Person {
    fn of(users: &[&User]) -> Self {
        let mut person = Self::default();
        for user in users {
            person.moments.extend(&user.moments);
            person.activity.extend(&user.activity);
            person.visits.extend(&user.visits);
        }
        // Stable: what happened at the same time stays in the order of its rows.
        person.moments.sort_by_key(|(at, _)| *at);
        join(&mut person.activity);
        join(&mut person.visits);
        person.drop_repeated_sources();
        person
    }

    /// A source counts once in a visit.
    fn drop_repeated_sources(&mut self) {
        let mut visits = self.visits.iter().peekable();
        let mut seen: Vec<u16> = Vec::new();
        self.moments.retain(|(at, moment)| {
            let Seen::Source(source) = moment else { return true };
            while visits.next_if(|visit| visit.until < *at).is_some() {
                seen.clear();
            }
            let new = !seen.contains(source);
            seen.push(*source);
            new
        });
    }

    /// Whether they did anything themselves.
    pub(crate) fn did_something(&self) -> bool {
        !self.activity.is_empty()
    }

    /// The first moment of some kind.
    pub(crate) fn first<T>(&self, of: impl Fn(&Seen) -> Option<T>) -> Option<T> {
        self.moments.iter().find_map(|(_, seen)| of(seen))
    }
}

/// Stays between which there is no gap are one.
fn join(stays: &mut Vec<Stay>) {
    stays.sort_by_key(|stay| stay.from);
    let mut joined: Vec<Stay> = Vec::with_capacity(stays.len());
    for stay in stays.drain(..) {
        match joined.last_mut() {
            Some(last) if stay.from.since(last.until) < VISIT_GAP => last.until = last.until.max(stay.until),
            _ => joined.push(stay),
        }
    }
    *stays = joined;
}
