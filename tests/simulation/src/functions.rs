//! The functions as Lambda starts them: a batch in, an answer out, perhaps death in between.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{AlarmMessage, DeliveryMessage, Input, MailboxMessage};
use kairos_protocol::alarms::{ring, sweep};
use kairos_protocol::delivery;
use kairos_protocol::mailboxes::{self, Incoming};

use crate::broken::Invocation;
use crate::checks::Taken;
use crate::ports::{
    SimAlarms, SimClock, SimComposer, SimDeliveries, SimIndex, SimInterests, SimLater, SimMailboxes, SimPermissions,
    SimProvider, SimRecords, SimUsers, short,
};
use crate::queues::Entry;
use crate::weather::Port;
use crate::world::{Queue, World};

const DECIDE_LIVES_MS: i64 = 10_000;
const TIMERS_LIVES_MS: i64 = 50_000;
const DELIVERY_LIVES_MS: i64 = 30_000;
/// Zombies get all the time there is.
const FOR_EVER_MS: i64 = i64::MAX / 4;

/// The poller of a queue asks: what it gets becomes an invocation.
pub fn poll(world: &World, queue: Queue) {
    let batch = {
        let mut guard = world.lock();
        let inner = &mut *guard;
        inner.polled(queue);
        let mut batch = match queue {
            Queue::Events => inner.events.receive(inner.now, &mut inner.random),
            Queue::Deliveries => inner.deliveries.receive(inner.now, &mut inner.random),
            Queue::Alarms => inner.alarms.receive(inner.now, &mut inner.random),
        };
        for (user, lineage) in inner.events.take_newly_dead() {
            inner.checks.became_a_dead_letter(user, lineage);
        }
        if inner.storm && inner.random.chance(inner.weather.twice) {
            // A standard queue may give a message to somebody else as well.
            for entry in &batch {
                match queue {
                    Queue::Events => {}
                    Queue::Deliveries => inner.deliveries.give_back(inner.now, entry.receipt),
                    Queue::Alarms => inner.alarms.give_back(inner.now, entry.receipt),
                }
                inner.statistics.count("given twice by a standard queue");
            }
        }
        inner.poll_again(queue);
        for _ in batch.iter().filter(|entry| entry.receives > 1) {
            inner.statistics.count(&format!("redelivered: {queue:?}"));
        }
        if queue != Queue::Events {
            inner.random.shuffle(&mut batch);
        }
        batch
    };
    if batch.is_empty() {
        return;
    }
    match queue {
        Queue::Events => decide(world, batch),
        Queue::Deliveries => deliver(world, batch),
        Queue::Alarms => ring_alarms(world, batch),
    }
}

/// An input as traces show it.
fn shown(input: &Input) -> String {
    let id = input.id().map(|id| id.to_string()).unwrap_or_default();
    match input {
        Input::Event { hops, .. } => format!("{id}^{hops}"),
        Input::Tick { at } => format!("tick {at}"),
        Input::Link { to, .. } => format!("{id} link {}", short(*to)),
        Input::Merge { from, hops, .. } => format!("{id}^{hops} merge {}", short(*from)),
        Input::Catalogue { product, hops, .. } => format!("{id}^{hops} news of {}", product.id),
        Input::Recollection { up_to, .. } => format!("recollection up to {up_to}"),
    }
}

fn lives_ms(world: &World, lives_ms: i64) -> i64 {
    if world.lock().weather.killed_in_time { lives_ms } else { FOR_EVER_MS }
}

fn receipts(batch: &[Entry]) -> Vec<(Option<UserKey>, u64)> {
    batch.iter().map(|entry| (entry.group, entry.receipt)).collect()
}

fn decide(world: &World, batch: Vec<Entry>) {
    let number = world.lock().fresh_number();
    let name = format!("decide {number}");
    world.lock().trace(|| {
        let messages: Vec<String> = batch
            .iter()
            .map(|entry| {
                let user = entry.group.map(short).unwrap_or_default();
                let inputs = serde_json::from_str::<MailboxMessage>(&entry.body).map_or_else(
                    |_| "unreadable".to_owned(),
                    |message| message.inputs().iter().map(shown).collect::<Vec<_>>().join("+"),
                );
                format!("{user}/{}×{}({inputs})", entry.sequence / 256 % 1_000_000, entry.receives)
            })
            .collect();
        format!("{name} gets {}", messages.join(" "))
    });
    let receipts = receipts(&batch);
    let mut taken: BTreeMap<UserKey, Vec<Taken>> = BTreeMap::new();
    let mut incoming = Vec::new();
    for entry in batch {
        let user = entry.group.expect("every message of the mailboxes has a group");
        let message = serde_json::from_str::<MailboxMessage>(&entry.body).map_err(|error| error.to_string());
        taken.entry(user).or_default().push(Taken {
            sequence: entry.sequence,
            lineage: entry.lineage,
            receipt: entry.receipt,
            message: message.as_ref().ok().cloned(),
        });
        incoming.push(Incoming {
            receipt: entry.receipt.to_string(),
            user,
            sequence: entry.sequence,
            receives: entry.receives,
            message,
        });
    }
    let (program, mutation) = {
        let inner = world.lock();
        (Arc::clone(&inner.program), inner.mutation)
    };
    let clock = Rc::new(SimClock::steady(world));
    let users = SimUsers::new(world, Rc::clone(&clock), taken);
    let of_task = world.clone();
    world.spawn(name, lives_ms(world, DECIDE_LIVES_MS), async move {
        let world = of_task;
        let failed = match mutation {
            Some(mutation) => {
                let invocation = Invocation { world: world.clone(), users, clock, mutation };
                invocation.apply_batch(&program, "events.fifo", incoming).await
            }
            None => {
                let ports = mailboxes::Ports {
                    users: &users,
                    mailboxes: &SimMailboxes::new(&world, Port::Tell),
                    deliveries: &SimDeliveries(world.clone()),
                    alarms: &SimAlarms(world.clone()),
                    interests: &SimInterests(world.clone()),
                    clock: clock.as_ref(),
                };
                let applied = ports.apply_batch(&program, "events.fifo", incoming).await;
                let mut inner = world.lock();
                for (outcome, count) in applied.inputs.iter() {
                    inner.statistics.add(&format!("input {}", outcome.as_str()), u64::from(count));
                }
                for considered in &applied.considered {
                    inner.statistics.count(&format!("play {}", considered.outcome.as_str()));
                }
                applied.failed
            }
        };
        world.acknowledge(Queue::Events, receipts, failed).await;
    });
}

/// The scheduler starts a sweep.
pub fn start_sweep(world: &World) {
    let number = world.lock().fresh_number();
    let of_task = world.clone();
    world.spawn(format!("sweep {number}"), lives_ms(world, TIMERS_LIVES_MS), async move {
        let world = of_task;
        let clock = SimClock::restless(&world);
        let swept = sweep(&SimIndex(world.clone()), &SimAlarms(world.clone()), &clock).await;
        let mut inner = world.lock();
        inner.statistics.add("alarms offered", swept.offered as u64);
        inner.statistics.add("alarms offered when overdue", swept.overdue as u64);
        inner.statistics.count("sweeps");
    });
}

fn ring_alarms(world: &World, batch: Vec<Entry>) {
    let number = world.lock().fresh_number();
    let receipts = receipts(&batch);
    let alarms: Vec<(String, AlarmMessage)> = batch
        .into_iter()
        .map(|entry| {
            let alarm = serde_json::from_str(&entry.body).expect("only alarms are put into the delay queue");
            (entry.receipt.to_string(), alarm)
        })
        .collect();
    let of_task = world.clone();
    world.spawn(format!("ring {number}"), lives_ms(world, TIMERS_LIVES_MS), async move {
        let world = of_task;
        let clock = SimClock::restless(&world);
        let mailboxes = SimMailboxes::new(&world, Port::Tick);
        let rung = ring(&mailboxes, &SimAlarms(world.clone()), &clock, alarms).await;
        {
            let mut inner = world.lock();
            inner.statistics.add("ticks rung", rung.ticks as u64);
            inner.statistics.add("alarms delayed again", rung.delayed_again as u64);
        }
        let failed = rung.failed.into_iter().map(|(receipt, _)| receipt).collect();
        world.acknowledge(Queue::Alarms, receipts, failed).await;
    });
}

fn deliver(world: &World, batch: Vec<Entry>) {
    let number = world.lock().fresh_number();
    let name = format!("delivery {number}");
    let receipts = receipts(&batch);
    let incoming = batch
        .into_iter()
        .map(|entry| delivery::Incoming {
            receipt: entry.receipt.to_string(),
            receives: entry.receives,
            message: serde_json::from_str::<DeliveryMessage>(&entry.body).map_err(|error| error.to_string()),
        })
        .collect();
    let of_task = world.clone();
    world.spawn(name.clone(), lives_ms(world, DELIVERY_LIVES_MS), async move {
        let world = of_task;
        let [breaker, other_of_sms] = {
            let inner = world.lock();
            inner.breakers[usize::from(number.is_multiple_of(2))].clone()
        };
        let ports = delivery::Ports {
            records: &SimRecords(world.clone()),
            permissions: &SimPermissions(world.clone()),
            composer: &SimComposer(world.clone()),
            provider: &SimProvider { world: world.clone(), breaker, other_of_sms },
            later: &SimLater(world.clone()),
            clock: &SimClock::restless(&world),
        };
        let delivered = ports.deliver_batch(&name, incoming).await;
        for report in &delivered.reports {
            world.lock().statistics.count(&format!("delivery {}", report.outcome.as_str()));
        }
        world.acknowledge(Queue::Deliveries, receipts, delivered.failed).await;
    });
}
