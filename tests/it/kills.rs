//! Function processes are killed at random while events flow: afterwards nothing is lost, nothing counted twice,
//! nothing sent twice.
//!
//! The channels' documented policies are what is judged: an SMS goes out at most once, whatever happens; an email or a
//! webhook whose fate is unknown goes out again under the same delivery id.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use kairos_cloud::clock::SystemClock;
use kairos_engine::bounds::{CLAIM_LEASE, DELIVERY_ATTEMPTS_MAX};
use kairos_engine::identifiers::UserKey;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::{DeliveryRecord, Status};
use kairos_protocol::port::Clock;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::playbook::CART_WAIT;
use crate::harness::shopper::now;
use crate::harness::world::Depth;
use crate::harness::{Shopper, Stage, eventually, run, tell};
use crate::{archive, figures};

const SHOPPERS: usize = 320;
/// How often each puts the same product into the cart, each time in another request.
const ADDS: usize = 3;
/// Requests under way at a time, as of a shop with several servers.
const LANES: usize = 4;
/// How many shoppers' events one request carries.
const SHOPPERS_PER_REQUEST: usize = 8;
/// When the first deadline comes: after all requests, of which some are repeated. The others follow over 5 s.
const FIRST_DUE: Span = Span::from_secs(10);
/// When the deadline of those who order would come: after the others, so that the order is there in time.
const BUYERS_DUE: Span = Span::from_secs(30);
/// How long functions are killed: until the last message has been decided.
const STORM: Span = Span::from_secs(17);
/// A claim of a killed process lapses, its message comes again; an alarm that died waits for the sweep of the minute.
const RECOVERY: Duration = Duration::from_secs(180);

/// What a shopper does, and so what they get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Sms,
    Email,
    Webhook,
    Buyer,
    Visitor,
}

const ROLES: [Role; 5] = [Role::Sms, Role::Email, Role::Webhook, Role::Buyer, Role::Visitor];

struct Actor {
    role: Role,
    shopper: Shopper,
    left_at: Timestamp,
}

impl Actor {
    /// Their requests, in their order.
    fn requests(&self) -> Vec<Vec<Value>> {
        let Self { role, shopper, left_at } = self;
        let mut requests: Vec<_> = (0..ADDS).map(|_| vec![shopper.adds(*left_at, "Mug")]).collect();
        match role {
            Role::Sms => requests[0].insert(0, shopper.is_customer_with_phone(*left_at)),
            Role::Email => requests[0].insert(0, shopper.is_customer_with_email(*left_at)),
            Role::Webhook => {}
            Role::Buyer => {
                requests[0].insert(0, shopper.is_customer_with_phone(*left_at));
                requests.push(vec![shopper.orders(left_at.plus(Span::from_mins(1)))]);
            }
            Role::Visitor => {
                for request in &mut requests {
                    request[0] = shopper.as_visitor(request[0].take());
                }
                let mut identify = shopper.is_customer_with_phone(*left_at);
                identify["anonymousId"] = json!(shopper.anonymous_id);
                requests.insert(1, vec![identify]);
            }
        }
        requests
    }

    /// How many events their requests carry.
    fn events(&self) -> usize {
        self.requests().iter().map(Vec::len).sum()
    }

    fn expected_messages(&self) -> usize {
        usize::from(self.role != Role::Buyer)
    }
}

#[test]
fn killed_functions_lose_nothing_and_send_nothing_twice() {
    run(async {
        let seed = std::env::var("KAIROS_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed: u64 = seed.unwrap_or_else(|| now().as_millis().unsigned_abs());
        tell(format!("kills: KAIROS_KILL_SEED={seed}"));
        let stage = Stage::stormy().await;
        // A claim that its process did not live to record is somebody else's only after its lease.
        let lease_s = CLAIM_LEASE.as_millis() / 1_000 + 1;
        stage
            .sqs
            .set_queue_attributes()
            .queue_url(stage.output("DeliveriesQueueUrl"))
            .attributes(QueueAttributeName::VisibilityTimeout, lease_s.to_string())
            .send()
            .await
            .unwrap();

        let actors: Vec<_> = (0..SHOPPERS)
            .map(|index| {
                let role = ROLES[index % ROLES.len()];
                let due_in = if role == Role::Buyer { BUYERS_DUE } else { FIRST_DUE };
                let due_at = now().plus(due_in).plus(Span::from_millis(index as i64 * 16));
                Actor { role, shopper: Shopper::new("kill"), left_at: due_at.minus(CART_WAIT) }
            })
            .collect();
        let over = AtomicBool::new(false);
        let storm = kill_at_random(stage, seed, &over);
        let flow = async {
            let until = now().plus(STORM);
            let repeated = send_all(stage, &actors).await;
            tell(format!("kills: all requests are taken {} ms before the storm ends", until.since(now()).as_millis()));
            SystemClock.sleep_until(until).await;
            over.store(true, Ordering::Relaxed);
            repeated
        };
        let (kills, repeated_requests) = tokio::join!(storm, flow);
        let killed: usize = kills.values().sum();
        tell(format!("kills: {killed} processes ({kills:?}); {repeated_requests} requests sent again"));
        assert!(killed > 10, "the storm was one: {kills:?}");

        let storm_ended_at = now();
        let records = settled(stage, &actors).await;
        tell(format!("kills: settled {} s after the last", now().since(storm_ended_at).as_millis() / 1_000));
        judge(stage, &actors, &records).await;
        for queue in ["EventsDeadLettersUrl", "DeliveriesDeadLettersUrl"] {
            assert_eq!(stage.depth(queue).await, Depth(0), "{queue}");
        }
    });
}

/// Sends everybody's requests, each person's in order, as clients do: a request that was not answered with success is
/// sent again as it is. Gives how many were.
async fn send_all(stage: &Stage, actors: &[Actor]) -> usize {
    let lanes = actors.chunks(actors.len().div_ceil(LANES)).map(|actors| async move {
        let requests: Vec<_> = actors.iter().map(Actor::requests).collect();
        let mut repeated = 0;
        for round in 0..=ADDS {
            for together in requests.chunks(SHOPPERS_PER_REQUEST) {
                let calls: Vec<_> =
                    together.iter().filter_map(|requests| requests.get(round)).flatten().cloned().collect();
                while stage.post(&calls).await.status != 200 {
                    repeated += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        repeated
    });
    futures_util::future::join_all(lanes).await.into_iter().sum()
}

/// Kills a running function process every now and then until it is over. Gives how many of each function.
async fn kill_at_random(stage: &Stage, seed: u64, over: &AtomicBool) -> BTreeMap<String, usize> {
    let mut random = Random(seed | 1);
    let mut kills = BTreeMap::new();
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(80 + random.below(300))).await;
        let running = function_processes(stage);
        if running.is_empty() {
            continue;
        }
        let (pid, function) = &running[random.below(running.len() as u64) as usize];
        if Command::new("kill").args(["-KILL", &pid.to_string()]).status().await.is_ok_and(|status| status.success()) {
            *kills.entry(function.clone()).or_default() += 1;
        }
    }
    kills
}

/// The function processes of this stage's engine: those of its process group that have a function's name.
fn function_processes(stage: &Stage) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // After the name in parentheses: state, parent, process group.
        let group = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(2));
        if group != Some(stage.stack.ministack_pid.to_string().as_str()) {
            continue;
        }
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        let name = environment.split('\0').find_map(|variable| variable.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="));
        if let Some(name) = name {
            found.push((pid, name.to_owned()));
        }
    }
    found.sort_unstable();
    found
}

/// Waits until every message that was to be decided is decided and its fate is final, and gives the records.
async fn settled(stage: &Stage, actors: &[Actor]) -> BTreeMap<UserKey, DeliveryRecord> {
    let mut records = BTreeMap::new();
    for actor in actors.iter().filter(|actor| actor.expected_messages() > 0) {
        let key = actor.shopper.key();
        let what = format!("the message to {} ({:?}) is settled", actor.shopper.user_id, actor.role);
        let record = eventually(what, RECOVERY, async || match stage.deliveries(key).await.as_slice() {
            [Some(record)] if matches!(record.status, Status::Sent | Status::Unconfirmed) => Ok(record.clone()),
            found => Err(format!("{found:#?}\nstored: {:#?}", stage.stored(key).await)),
        })
        .await;
        records.insert(key, record);
    }
    records
}

async fn judge(stage: &Stage, actors: &[Actor], records: &BTreeMap<UserKey, DeliveryRecord>) {
    // Were an order lost, its shopper would get a message by now.
    let last_due = actors.iter().map(|actor| actor.left_at.plus(CART_WAIT)).max().unwrap_or_default();
    SystemClock.sleep_until(last_due.plus(Span::from_secs(2))).await;
    let (mut unconfirmed, mut emails_again, mut webhooks_again) = (0, 0, 0);
    for Actor { role, shopper, .. } in actors {
        let who = format!("{} ({role:?})", shopper.user_id);
        let stored = stage.stored(shopper.key()).await.unwrap();
        assert_eq!(stored.state.decisions, u64::from(*role != Role::Buyer), "{who}");
        // An event that the storm has held up until after the message starts a new wait, as a late one does.
        assert!(stored.alarm_at.is_none_or(|alarm_at| alarm_at > now()), "{who} waits for what has passed");
        if *role == Role::Buyer {
            assert!(stored.state.cart.is_empty() && stored.state.orders.count == 1, "{who}: {:#?}", stored.state);
            assert_eq!(stage.sms_to(&shopper.phone).await.len(), 0, "{who}");
            continue;
        }
        let quantities: Vec<_> = stored.state.cart.items().iter().map(|item| item.quantity as usize).collect();
        assert_eq!(quantities, [ADDS], "{who}: each event counts once");
        let record = &records[&shopper.key()];
        assert!(record.attempts <= DELIVERY_ATTEMPTS_MAX, "{who}: {record:#?}");
        assert!(record.decided_at >= record.due_at, "{who} was decided early: {record:#?}");
        match role {
            Role::Sms | Role::Visitor => {
                let sent = stage.sms_to(&shopper.phone).await.len();
                match record.status {
                    Status::Unconfirmed => {
                        unconfirmed += 1;
                        assert!(sent <= 1, "{who} got {sent} SMS");
                    }
                    _ => assert_eq!(sent, 1, "{who}"),
                }
            }
            Role::Email => {
                let sent = stage.emails_to(&shopper.email).await.len();
                // Whoever was twice killed between the claim and the call has sent nothing, and nobody can know.
                let lost = record.status == Status::Unconfirmed;
                assert!(sent >= 1 || lost, "{who} got no email: {record:#?}");
                assert!(sent == 1 || record.doubtful, "{who} got {sent} emails without a doubt: {record:#?}");
                assert!(sent <= (record.attempts as usize).min(2), "{who} got {sent} emails");
                emails_again += sent.saturating_sub(1);
            }
            Role::Webhook => {
                let received = stage.receiver.received_with(&format!("\"{}\"", shopper.user_id));
                let keys: BTreeSet<_> =
                    received.iter().map(|delivered| &delivered.headers["idempotency-key"]).collect();
                assert_eq!(keys, BTreeSet::from([&record.delivery.to_string()]), "{who}");
                assert!(received.len() == 1 || record.doubtful, "{who}: {record:#?}");
                webhooks_again += received.len() - 1;
            }
            Role::Buyer => {}
        }
    }
    // Whatever was killed while it was archived: each fact is there once. (A visitor's stand with the visitor, too. What
    // became of messages comes back as events, too.)
    let known: Vec<&Actor> = actors.iter().filter(|actor| actor.role != Role::Visitor).collect();
    let expected: BTreeMap<UserKey, usize> = known.iter().map(|actor| (actor.shopper.key(), actor.events())).collect();
    let users = expected.keys().copied().collect();
    let archived = archive::rows_of(stage, &users, |user, rows| archive::events(rows).len() >= expected[&user]).await;
    for rows in archived.values() {
        let events = archive::events(rows);
        assert_eq!(events.iter().collect::<BTreeSet<_>>().len(), events.len(), "{rows:#?}");
    }
    tell(format!("kills: {} rows of the archive, none lost, none twice", archived.values().flatten().count()));
    // And counted once, whatever died between an object and its count.
    let counts = figures::is_the_archives(stage).await;
    let happened = |name: &str| counts.events.get(name).copied().unwrap_or_default();
    let buyers = actors.iter().filter(|actor| actor.role == Role::Buyer).count();
    assert_eq!(happened("Product Added"), (actors.len() * ADDS) as u64, "each event counts once, whatever was killed");
    assert_eq!(happened("Order Completed"), buyers as u64);
    let play = &counts.plays.get("abandoned-cart").unwrap().total;
    let accepted = records.values().filter(|record| record.status == Status::Sent).count();
    assert_eq!((play.sent, play.accepted), (records.len() as u64, accepted as u64));
    tell(format!("kills: {} rows are counted live, each once", counts.rows));
    tell(format!(
        "kills: {} messages, none lost, none twice; unknown and by policy {unconfirmed} SMS left, \
         {emails_again} emails and {webhooks_again} webhooks repeated under their id",
        records.len()
    ));
}

/// Numbers that follow from a seed (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
