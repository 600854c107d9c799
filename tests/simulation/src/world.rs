//! The world of one run: virtual time, the queues and tables, what goes wrong, and what is checked.
//!
//! Functions run as tasks. All waiting goes through [`World::pause_until`], so time stands still while
//! anything can run and then jumps to the next moment at which something happens.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use kairos_engine::bounds::{PROVIDER_TIMEOUT, SWEEP_HORIZON};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::program::Program;
use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::breaker::Breaker;
use kairos_protocol::port::Fault;

use crate::broken::Mutation;
use crate::checks::Checks;
use crate::playbook::Shop;
use crate::provider::ProviderBooks;
use crate::queues::{FifoQueue, Setup, StandardQueue};
use crate::random::Random;
use crate::refusals::Refusals;
use crate::statistics::Statistics;
use crate::tables::UsersTable;
use crate::weather::{Fate, Port, Weather};

/// When runs begin, or later.
pub const BEGIN: i64 = 1_700_000_000_000;

/// What may be out of order for a while.
const OUTAGES: [Port; 8] = [
    Port::Load,
    Port::Save,
    Port::Tell,
    Port::Deliver,
    Port::Record,
    Port::Tick,
    // Twice as often: it takes a while until a provider is left alone, and what is put off then has to come back.
    Port::Provider,
    Port::Provider,
];

/// Processes that send: each has breakers of its own.
const SENDERS: usize = 2;

/// Something that happens at a time of its own.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The poller of a queue asks for messages.
    Poll(Queue),
    /// The scheduler starts a sweep.
    Sweep,
    /// Clients send: the index of a request.
    Request(usize),
    /// The price or the stock of a product changes.
    Catalogue,
    /// Something that is no message gets into somebody's mailbox.
    Garbage,
    /// A person puts the dead letters back.
    Redrive,
    /// Faults end.
    StormEnds,
}

/// A queue with a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    /// The mailboxes.
    Events,
    /// What is to be delivered.
    Deliveries,
    /// The delay queue.
    Alarms,
}

/// Everything of one run.
pub struct Inner {
    /// The true time.
    pub now: i64,
    /// The one source of chance.
    pub random: Random,
    /// Whose playbook is in force.
    pub shop: Shop,
    /// How bad it is.
    pub weather: Weather,
    /// Whether it is bad now.
    pub storm: bool,
    /// What is due later than this nobody waits for: some plays go on for ever.
    pub ends_at: i64,
    /// Whether clients are still sending: requests that were not yet accepted.
    pub requests_open: usize,
    /// What is broken on purpose.
    pub mutation: Option<Mutation>,
    /// What the shop has told Kairos to do, as far as the engine knows.
    pub program: Arc<Program>,
    /// The mailboxes.
    pub events: FifoQueue,
    /// What is to be delivered.
    pub deliveries: StandardQueue,
    /// The delay queue.
    pub alarms: StandardQueue,
    /// The users' items.
    pub users: UsersTable,
    /// Who cares about which product.
    pub interested: BTreeSet<(UserKey, String)>,
    /// The delivery records, as stored.
    pub records: BTreeMap<DeliveryId, String>,
    /// What the providers know.
    pub provider: ProviderBooks,
    /// Whether the processes that send leave the providers alone.
    pub breakers: [[Rc<Breaker>; 2]; SENDERS],
    /// Who has refused what, and since when.
    pub refusals: Refusals,
    /// What should have happened.
    pub checks: Checks,
    /// What happens when.
    pub agenda: BTreeMap<(i64, u64), Happening>,
    /// What really happened.
    pub statistics: Statistics,
    /// The first promise that was broken.
    pub violation: Option<String>,
    trace: Option<Vec<String>>,
    outages: Vec<(Port, i64, i64)>,
    polls: BTreeMap<Queue, (i64, u64)>,
    timers: BTreeMap<(i64, u64), Waker>,
    number: u64,
    /// Counts the polls of tasks, so that a clock can be steady within one.
    pub turn: u64,
    crashed: bool,
    spawned: Vec<Task>,
}

struct Task {
    name: String,
    future: Pin<Box<dyn Future<Output = ()>>>,
    ready: Arc<Ready>,
    dies_at: i64,
}

#[derive(Default)]
struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A handle to the world.
#[derive(Clone)]
pub struct World(Rc<RefCell<Inner>>);

impl World {
    /// A world in which nothing has happened.
    pub fn new(shop: Shop, seed: u64, mutation: Option<Mutation>, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let weather = Weather::of(shop, &mut random);
        let outages = (0..weather.outages)
            .map(|_| {
                let port = *random.pick(&OUTAGES);
                let from = weather.begins_at + random.between(0, weather.shopping_ms);
                (port, from, from + random.between(2, 70) * 60_000)
            })
            .collect();
        let receives_max = weather.receives_max;
        Self(Rc::new(RefCell::new(Inner {
            now: weather.begins_at,
            random,
            shop,
            ends_at: i64::MAX,
            storm: true,
            requests_open: 0,
            mutation,
            program: match mutation {
                Some(mutation) => mutation.of_program(shop.program()),
                None => shop.program(),
            },
            events: FifoQueue::new(Setup { visibility_ms: 60_000, receives_max }),
            deliveries: StandardQueue::new(Setup { visibility_ms: 180_000, receives_max: 5 }),
            alarms: StandardQueue::new(Setup { visibility_ms: 300_000, receives_max: 5 }),
            users: UsersTable::default(),
            interested: BTreeSet::new(),
            records: BTreeMap::new(),
            provider: ProviderBooks::default(),
            breakers: Default::default(),
            refusals: Refusals::default(),
            checks: Checks::new(shop, weather.clock_ms_max, weather.name == "calm"),
            agenda: BTreeMap::new(),
            statistics: Statistics::default(),
            violation: None,
            trace: traced.then(Vec::new),
            outages,
            polls: BTreeMap::new(),
            timers: BTreeMap::new(),
            number: 0,
            turn: 0,
            crashed: false,
            spawned: Vec::new(),
            weather,
        })))
    }

    /// Looks at the world, or changes it. Never held over an await.
    pub fn lock(&self) -> RefMut<'_, Inner> {
        self.0.borrow_mut()
    }

    /// Waits until then, in virtual time.
    pub fn pause_until(&self, at: i64) -> Pause {
        Pause { world: self.clone(), at, key: None }
    }

    /// Waits so long, in virtual time.
    pub fn pause(&self, span_ms: i64) -> Pause {
        let at = self.lock().now + span_ms;
        self.pause_until(at)
    }

    /// Starts a task; it is killed, if it still runs, after `lives_ms`.
    pub fn spawn(&self, name: String, lives_ms: i64, future: impl Future<Output = ()> + 'static) {
        let mut inner = self.lock();
        let dies_at = inner.now.saturating_add(lives_ms);
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        inner.spawned.push(Task { name, future: Box::pin(future), ready, dies_at });
    }

    /// Makes a call through a port: it takes time, and may fail, crash the process or take very long,
    /// before or after `effect` has happened. `partial` happens instead when some of it happens.
    ///
    /// # Errors
    /// When the weather says so.
    pub async fn call<T>(
        &self,
        port: Port,
        effect: impl FnOnce(&mut Inner) -> T,
        partial: impl FnOnce(&mut Inner),
    ) -> Result<T, Fault> {
        let (fate, before, after) = {
            let mut inner = self.lock();
            let fate = inner.fate(port);
            (fate, inner.latency(), inner.latency())
        };
        self.pause(before).await;
        match fate {
            // A provider that takes long has not answered, whether it took the message or not.
            Fate::SlowBefore | Fate::SlowAfter if port == Port::Provider => {
                if fate == Fate::SlowAfter {
                    partial(&mut self.lock());
                }
                self.pause(PROVIDER_TIMEOUT.as_millis()).await;
                Err(throttled(port))
            }
            Fate::Fine | Fate::SlowBefore | Fate::SlowAfter => {
                if fate == Fate::SlowBefore {
                    self.take_long().await;
                }
                let result = effect(&mut self.lock());
                if fate == Fate::SlowAfter {
                    self.take_long().await;
                }
                self.pause(after).await;
                Ok(result)
            }
            Fate::FailsBefore => Err(throttled(port)),
            Fate::FailsAfter => {
                partial(&mut self.lock());
                self.pause(after).await;
                Err(throttled(port))
            }
            Fate::CrashBefore => self.crash(port, fate).await,
            Fate::CrashAfter => {
                partial(&mut self.lock());
                self.crash(port, fate).await
            }
        }
    }

    async fn take_long(&self) {
        let long = {
            let mut inner = self.lock();
            let slow_ms_max = inner.weather.slow_ms_max.max(2);
            inner.random.between(1, slow_ms_max)
        };
        self.pause(long).await;
    }

    async fn crash<T>(&self, port: Port, fate: Fate) -> T {
        {
            let mut inner = self.lock();
            inner.trace(|| format!("the process dies: {} {}", fate.as_str(), port.as_str()));
            inner.crashed = true;
        }
        std::future::pending().await
    }

    /// Runs until nothing is left to do, something is violated, or `until`.
    pub fn run(&self, until: i64, mut happen: impl FnMut(&World, Happening)) {
        let mut tasks: Vec<Task> = Vec::new();
        loop {
            self.run_tasks(&mut tasks);
            let happening = {
                let mut inner = self.lock();
                if inner.violation.is_some() || (tasks.is_empty() && inner.is_quiet()) {
                    return;
                }
                let next_timer = inner.timers.keys().next().map(|(at, _)| *at);
                let next_entry = inner.agenda.keys().next().map(|(at, _)| *at);
                let next_death = tasks.iter().map(|task| task.dies_at).min();
                let next = [next_timer, next_entry, next_death].into_iter().flatten().min();
                let Some(next) = next.filter(|next| *next <= until) else {
                    inner.violation = Some("the world does not come to rest".into());
                    return;
                };
                inner.now = inner.now.max(next);
                let now = inner.now;
                while let Some(entry) = inner.timers.first_entry().filter(|entry| entry.key().0 <= now) {
                    entry.remove().wake();
                }
                let mut late = Vec::new();
                tasks.retain(|task| {
                    let lives = task.dies_at > now;
                    if !lives {
                        late.push(task.name.clone());
                    }
                    lives
                });
                for name in late {
                    inner.statistics.count("killed for taking too long");
                    inner.trace(|| format!("{name} is killed for taking too long"));
                }
                match inner.agenda.first_entry() {
                    Some(entry) if entry.key().0 <= now => Some(entry.remove()),
                    _ => None,
                }
            };
            if let Some(happening) = happening {
                happen(self, happening);
            }
        }
    }

    fn run_tasks(&self, tasks: &mut Vec<Task>) {
        loop {
            let chosen = {
                let mut inner = self.lock();
                tasks.append(&mut inner.spawned);
                let ready: Vec<usize> =
                    (0..tasks.len()).filter(|index| tasks[*index].ready.0.load(Ordering::Relaxed)).collect();
                if ready.is_empty() {
                    return;
                }
                inner.turn += 1;
                *inner.random.pick(&ready)
            };
            let task = &mut tasks[chosen];
            task.ready.0.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&task.ready));
            let ended = task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let crashed = std::mem::take(&mut self.lock().crashed);
            if ended || crashed {
                drop(tasks.swap_remove(chosen));
            }
        }
    }
}

fn throttled(port: Port) -> Fault {
    Fault::Retryable { what: port.as_str(), why: "the simulation let it fail".into() }
}

impl Inner {
    /// The true time as the engine writes it.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Writes a line into the trace, when there is one.
    pub fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{}  {}", Timestamp::from_millis(self.now), line()));
        }
    }

    /// The trace so far.
    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    /// Notes that a promise was broken; the first counts.
    pub fn violated(&mut self, what: String) {
        self.trace(|| format!("VIOLATION: {what}"));
        self.violation.get_or_insert(what);
    }

    /// Notes that a promise was broken, if one was.
    pub fn check(&mut self, result: Result<(), String>) {
        if let Err(what) = result {
            self.violated(what);
        }
    }

    /// Puts something on the agenda.
    pub fn at(&mut self, at: i64, happening: Happening) {
        self.number += 1;
        self.agenda.insert((at.max(self.now), self.number), happening);
    }

    /// A number never used before in this run.
    pub fn fresh_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Sees to it that a queue's poller asks at `at` or before.
    pub fn poll_at(&mut self, queue: Queue, at: i64) {
        let at = at.max(self.now + 1);
        if let Some(planned) = self.polls.get(&queue) {
            if planned.0 <= at {
                return;
            }
            self.agenda.remove(planned);
        }
        self.number += 1;
        self.polls.insert(queue, (at, self.number));
        self.agenda.insert((at, self.number), Happening::Poll(queue));
    }

    /// The poller asks now.
    pub fn polled(&mut self, queue: Queue) {
        self.polls.remove(&queue);
    }

    /// How long a call takes when nothing is wrong.
    pub fn latency(&mut self) -> i64 {
        if self.random.chance(9_500) { self.random.between(1, 12) } else { self.random.between(10, 80) }
    }

    /// Whether there is an outage of this port.
    pub fn is_down(&self, port: Port) -> bool {
        self.storm && self.outages.iter().any(|(down, from, to)| *down == port && (*from..*to).contains(&self.now))
    }

    fn fate(&mut self, port: Port) -> Fate {
        if !self.storm {
            return Fate::Fine;
        }
        let mut fate = Fate::Fine;
        if self.is_down(port) {
            self.statistics.count("calls during an outage");
            fate = if self.random.chance(1_000) { Fate::FailsAfter } else { Fate::FailsBefore };
        } else {
            let mut dice = self.random.draw() % 10_000;
            for (trouble, chance) in Fate::TROUBLES.into_iter().zip(self.weather.troubles) {
                // One sweep reads every shard: that many chances to die are enough.
                let chance = if port == Port::Due { chance / 8 } else { chance };
                if dice < chance {
                    fate = trouble;
                    break;
                }
                dice -= chance;
            }
        }
        // A client whose request dies is a client whose request failed.
        fate = match (port, fate) {
            (Port::Ingest, Fate::CrashBefore) => Fate::FailsBefore,
            (Port::Ingest, Fate::CrashAfter) => Fate::FailsAfter,
            _ => fate,
        };
        if fate != Fate::Fine {
            self.statistics.count(&format!("{}: {}", port.as_str(), fate.as_str()));
            self.trace(|| format!("{} {}", port.as_str(), fate.as_str()));
        }
        fate
    }

    /// When the next sweep is worth it. As long as nobody does anything, nothing runs and nobody is to be woken,
    /// those of each minute would find nothing, and a day would take as long as a thousand of them.
    pub fn next_sweep_at(&mut self) -> i64 {
        let in_a_minute = self.now + 60_000 + self.random.between(-500, 500);
        let is_idle = self.timers.is_empty()
            && self.requests_open == 0
            && self.events.is_empty()
            && self.deliveries.is_empty()
            && self.alarms.is_empty();
        if !is_idle || self.shop == Shop::Small {
            return in_a_minute;
        }
        let alarm_at = self.users.next_alarm().map(|at| at.as_millis() - 2 * SWEEP_HORIZON.as_millis());
        let entry_at = self.agenda.keys().next().map(|(at, _)| *at);
        [alarm_at, entry_at].into_iter().flatten().min().map_or(in_a_minute, |next| next.max(in_a_minute))
    }

    fn is_quiet(&self) -> bool {
        !self.storm
            && self.requests_open == 0
            && self.events.is_empty()
            && self.deliveries.is_empty()
            && self.alarms.is_empty()
            && self.users.next_alarm().is_none_or(|alarm_at| alarm_at.as_millis() > self.ends_at)
            && !self.agenda.values().any(|happening| !matches!(happening, Happening::Sweep))
    }
}

/// Waiting in virtual time.
pub struct Pause {
    world: World,
    at: i64,
    key: Option<(i64, u64)>,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let world = self.world.clone();
        let mut inner = world.lock();
        if inner.now >= self.at {
            return Poll::Ready(());
        }
        let key = match self.key {
            Some(key) => key,
            None => (self.at, inner.fresh_number()),
        };
        self.key = Some(key);
        inner.timers.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        // A crash drops tasks while nobody looks at the world.
        if let (Some(key), Ok(mut inner)) = (self.key, self.world.0.try_borrow_mut()) {
            inner.timers.remove(&key);
        }
    }
}
