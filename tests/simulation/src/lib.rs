//! A deterministic simulation of the whole path from a client to a provider.
//!
//! The real flows of `kairos-protocol` run over fake ports in virtual time; a seed decides everything:
//! who shops, which call fails, when a process dies, what is redelivered with what. What then is in
//! the tables and what the providers were asked to send is compared with what should be.
//!
//! There are two shops ([`playbook`]): a small one, whose decisions a person has written down once more, and one with
//! the shipped playbook, whose decisions must be the same however its inputs are grouped.
//!
//! Reading order: [`weather`] (how bad it gets), [`world`] (time, tasks, calls), [`queues`] and
//! [`tables`] (SQS and DynamoDB), [`ports`] and [`functions`] (the real flows on them), [`clients`]
//! and [`shoppers`] (people), [`announcements`] (the catalogue), [`checks`], [`model`], [`promises`],
//! [`refusals`] and [`regrouping`] (what should happen), [`broken`] (what the checks must notice).
//!
//! `KAIROS_SEEDS=10000 cargo test -p kairos-simulation` runs more seeds; `KAIROS_SEED=17` replays one
//! and prints its trace.

pub mod announcements;
pub mod broken;
pub mod checks;
pub mod clients;
pub mod functions;
pub mod model;
pub mod playbook;
pub mod ports;
pub mod promises;
pub mod provider;
pub mod queues;
pub mod random;
pub mod refusals;
pub mod regrouping;
pub mod shoppers;
pub mod statistics;
pub mod tables;
pub mod weather;
pub mod world;

use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::playbook::Channel;
use kairos_engine::time::Span;
use kairos_protocol::delivery::{DeliveryRecord, Status};

use crate::broken::Mutation;
use crate::playbook::Shop;
use crate::statistics::Statistics;
use crate::world::{BEGIN, Happening, Inner, Queue, World};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Not what anybody can read; a person would throw it away.
const GARBAGE: &str = "{";
/// How often dead letters are put back before the run counts as one that does not come to rest.
const REDRIVES_MAX: u32 = 8;
/// Decisions in calm weather may be so late at most.
const CALM_LATE_MS_MAX: i64 = 1_000;

/// How a run went wrong.
#[derive(Debug)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// The weather of that run.
    pub weather: &'static str,
    /// Which promise was broken.
    pub violation: String,
    /// What happened, when it was traced.
    pub trace: Vec<String>,
}

/// What a run that kept every promise has met.
#[derive(Debug)]
pub struct Passed {
    /// What happened, counted.
    pub statistics: Statistics,
    /// What happened, when it was traced.
    pub trace: Vec<String>,
}

/// Runs one seed to its end and checks it.
///
/// # Errors
/// When a promise was broken.
pub fn run(shop: Shop, seed: u64, mutation: Option<Mutation>, traced: bool) -> Result<Passed, Box<Failure>> {
    let world = World::new(shop, seed, mutation, traced);
    let requests = prepare(&world);
    let happen = |world: &World, happening: Happening| happens(world, &requests, happening);
    let until = {
        let inner = world.lock();
        match shop {
            Shop::Small => BEGIN + inner.weather.shopping_ms + 60 * HOUR,
            Shop::Shipped => inner.ends_at + 60 * HOUR,
        }
    };
    world.run(until, happen);
    for _ in 0..REDRIVES_MAX {
        if world.lock().violation.is_some() || redrive(&world) == 0 {
            break;
        }
        let until = {
            let inner = world.lock();
            let in_time = Some(inner.ends_at).filter(|_| shop == Shop::Shipped);
            in_time.unwrap_or_default().max(inner.now) + 60 * HOUR
        };
        world.run(until, happen);
    }
    if world.lock().violation.is_none() {
        let ended = at_the_end(&world);
        world.lock().check(ended);
    }
    let mut inner = world.lock();
    let weather = inner.weather.name;
    inner.statistics.count(&format!("runs: {weather}"));
    match inner.violation.take() {
        Some(violation) => Err(Box::new(Failure { seed, weather, violation, trace: inner.take_trace() })),
        None => Ok(Passed { statistics: std::mem::take(&mut inner.statistics), trace: inner.take_trace() }),
    }
}

fn prepare(world: &World) -> Vec<clients::Request> {
    let mut guard = world.lock();
    let inner = &mut *guard;
    let plans = match inner.shop {
        Shop::Small => clients::plans(&mut inner.random, &inner.weather),
        Shop::Shipped => shoppers::plans(&mut inner.random, &inner.weather),
    };
    plans.linked.into_iter().for_each(|user| inner.checks.linked(user));
    for (index, request) in plans.requests.iter().enumerate() {
        inner.at(request.at, Happening::Request(index));
    }
    let name = inner.weather.name;
    inner.trace(|| format!("weather: {name}"));
    let storm_ends = plans.requests.iter().map(|request| request.at).max().unwrap_or(inner.now) + 10 * MINUTE;
    inner.at(storm_ends, Happening::StormEnds);
    if inner.shop == Shop::Shipped {
        inner.ends_at = storm_ends + inner.weather.afterwards_ms;
        for _ in 0..4 + inner.random.below(12) {
            let at = inner.random.between(inner.now, storm_ends);
            inner.at(at, Happening::Catalogue);
        }
    }
    for _ in 0..3 {
        let at = inner.random.between(inner.now + 20 * MINUTE, storm_ends);
        inner.at(at, Happening::Redrive);
    }
    if inner.weather.name != "calm" && inner.random.chance(3_000) {
        let at = inner.random.between(inner.now, storm_ends);
        inner.at(at, Happening::Garbage);
    }
    inner.at(inner.now, Happening::Sweep);
    plans.requests
}

fn happens(world: &World, requests: &[clients::Request], happening: Happening) {
    match happening {
        Happening::Poll(queue) => functions::poll(world, queue),
        Happening::Request(index) => clients::send(world, &requests[index]),
        Happening::StormEnds => {
            let mut inner = world.lock();
            inner.storm = false;
            inner.trace(|| "the storm ends".into());
        }
        Happening::Garbage => {
            let mut guard = world.lock();
            let inner = &mut *guard;
            let users: Vec<UserKey> = inner.users.users().collect();
            if !users.is_empty() {
                let user = *inner.random.pick(&users);
                let id = InputId::from_bytes(inner.random.draw().to_be_bytes());
                inner.events.put(inner.now, user, id, GARBAGE.into());
                inner.statistics.count("unreadable messages put into mailboxes");
                inner.poll_again(Queue::Events);
            }
        }
        Happening::Catalogue => announcements::announce(world),
        Happening::Redrive => drop(redrive(world)),
        Happening::Sweep => {
            let sweeps = {
                let mut inner = world.lock();
                let next = inner.next_sweep_at();
                inner.at(next, Happening::Sweep);
                let (no_sweep, twice) = (inner.weather.no_sweep, inner.weather.twice);
                if inner.storm && inner.random.chance(no_sweep) {
                    inner.statistics.count("sweeps that did not happen");
                    0
                } else if inner.storm && inner.random.chance(twice) {
                    inner.statistics.count("two sweeps at once");
                    2
                } else {
                    1
                }
            };
            (0..sweeps).for_each(|_| functions::start_sweep(world));
        }
    }
}

fn redrive(world: &World) -> usize {
    let mut inner = world.lock();
    let events = inner.events.redrive(|entry| entry.body != GARBAGE);
    let deliveries = inner.deliveries.redrive();
    let alarms = inner.alarms.redrive();
    inner.statistics.add("dead letters redriven: mailboxes", events as u64);
    inner.statistics.add("dead letters redriven: deliveries", deliveries as u64);
    inner.statistics.add("dead letters redriven: alarms", alarms as u64);
    for queue in [Queue::Events, Queue::Deliveries, Queue::Alarms] {
        inner.poll_again(queue);
    }
    let count = events + deliveries + alarms;
    if count > 0 {
        inner.trace(|| format!("{count} dead letters are put back"));
    }
    count
}

/// What must be true when everything has come to rest.
fn at_the_end(world: &World) -> Result<(), String> {
    let mut inner = world.lock();
    let dead = inner.events.dead().iter().any(|entry| entry.body != GARBAGE);
    if dead || !inner.deliveries.dead().is_empty() || !inner.alarms.dead().is_empty() {
        return Err("dead letters come back however often they are redriven".into());
    }
    inner.checks.inputs_took_effect_once()?;
    for user in inner.users.users() {
        let stored = inner.users.read(user).ok_or("a user who is there can be read")?;
        if let Some(due_at) = stored.state.next_deadline().filter(|due_at| due_at.as_millis() <= inner.ends_at) {
            return Err(format!("{user}: something was due at {due_at} and nobody came"));
        }
    }
    interests_are_noted(&inner)?;
    let at_work = &mut *inner;
    let program = std::sync::Arc::clone(&at_work.program);
    at_work.checks.decisions_hold(&program, &mut at_work.random, &mut at_work.statistics)?;
    let calm = inner.weather.name == "calm";
    let late_ms_max = inner.checks.late_ms_max;
    if late_ms_max > CALM_LATE_MS_MAX {
        return Err(format!("a decision was {late_ms_max} ms late in calm weather"));
    }
    let mut ends = Vec::new();
    for order in inner.checks.decided() {
        let delivery = order.delivery;
        let record = inner.records.get(&delivery).ok_or(format!("{delivery} was decided and lost"))?;
        let record = DeliveryRecord::from_json(record).map_err(|error| error.to_string())?;
        let accepted = inner.provider.accepted(delivery);
        let good = match record.status {
            Status::Sent => accepted >= 1,
            Status::Expired | Status::Refused => accepted == 0 || record.doubtful,
            Status::Unconfirmed => record.doubtful,
            // Recording failed after the provider had taken it: never sent again.
            Status::Claimed => accepted >= 1,
            Status::Waiting | Status::Failed => false,
        };
        if !good {
            return Err(format!(
                "{delivery} ({}, {}) ended {} after the provider took it {accepted} times",
                order.play,
                order.channel,
                record.status.as_str()
            ));
        }
        if accepted > 1 && (calm || order.channel == Channel::Sms) {
            return Err(format!("{delivery} was sent {accepted} times"));
        }
        if calm && record.status == Status::Expired {
            let late = order.decided_at.since(order.due_at);
            // Providers throttle in any weather, and each time three minutes go by.
            let short_lived = order.expires_at.since(order.decided_at) < Span::from_mins(30);
            if late.as_millis() < MINUTE && !short_lived {
                return Err(format!("{delivery} expired in calm weather"));
            }
        }
        ends.push((format!("delivery ended {}", record.status.as_str()), accepted));
    }
    for (end, accepted) in ends {
        inner.statistics.count(&end);
        if accepted > 1 {
            inner.statistics.count("sent more than once, as documented");
        }
    }
    Ok(())
}

/// Whoever cares about a product is told of it: under the name of the user, or of a visitor who passes it on.
fn interests_are_noted(inner: &Inner) -> Result<(), String> {
    for user in inner.users.users() {
        let stored = inner.users.read(user).ok_or("a user who is there can be read")?;
        for interest in &stored.state.interests {
            let is_noted = inner.interested.iter().any(|(of, product)| {
                let same_person = inner.checks.is_linked(user) && inner.checks.is_linked(*of);
                *product == interest.product && (*of == user || same_person)
            });
            if !is_noted {
                return Err(format!("{user} cares about {}, and nobody knows", interest.product));
            }
        }
    }
    Ok(())
}
