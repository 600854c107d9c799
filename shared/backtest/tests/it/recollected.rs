//! What the archive tells of behaviour from before it was watched is what would have been remembered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use kairos_backtest::Recollector;
use kairos_engine::commit::{Plan, Received, StoredUser, plan};
use kairos_engine::facts::{Row, row};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Effect, Input, MailboxMessage};
use kairos_engine::outcome::InputOutcome;
use kairos_engine::playbook::Playbook;
use kairos_engine::program::Program;
use kairos_engine::recollection::is_recollected;
use kairos_engine::register::RegisterId;
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::state::UserState;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Value, json};

const START: Timestamp = Timestamp::from_millis(1_763_942_400_000);
const PEOPLE: u64 = 60;
const CALLS: u64 = 1_500;

fn shipped() -> Playbook {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../playbook");
    kairos_playbook::load(&folder).unwrap_or_else(|problems| panic!("{problems:#?}")).playbook
}

/// A playbook that watches next to nothing.
fn bare() -> Playbook {
    Playbook { plays: Vec::new(), segments: Vec::new(), ..shipped() }
}

/// Users behind their mailboxes, and the rows that the archive has of them.
#[derive(Default)]
struct Shop {
    users: BTreeMap<UserKey, StoredUser>,
    sequence: u128,
    rows: Vec<Row>,
}

impl Shop {
    fn call(&mut self, program: &Program, call: Value, at: Timestamp) {
        let facts = Facts { source: "web", received_at: at, sent_at: None, call: None, index: 0, historical: true };
        for (user, input) in inputs_of(decode(call, &facts).unwrap().event) {
            self.receive(program, MailboxMessage::of_inputs(user, vec![input]), at);
        }
    }

    fn receive(&mut self, program: &Program, message: MailboxMessage, now: Timestamp) {
        let mut mailboxes = VecDeque::from([message]);
        while let Some(message) = mailboxes.pop_front() {
            for effect in self.commit(program, message, now).send_after {
                if let Effect::Tell { user, input } = effect {
                    mailboxes.push_back(MailboxMessage::of_told(user, *input));
                }
            }
        }
    }

    fn commit(&mut self, program: &Program, message: MailboxMessage, now: Timestamp) -> Plan {
        let user = message.user();
        self.sequence += 1;
        let received = [Received { sequence: self.sequence, receives: 1, message }];
        let plan = plan(program, user, self.users.get(&user), "events.fifo", &received, now);
        if let Some(write) = plan.write.clone() {
            let text = std::str::from_utf8(write.facts.as_bytes()).unwrap();
            let lines = text.lines().enumerate().map(|(number, line)| row(user, write.revision, number, line).unwrap());
            self.rows.extend(lines.map(|line| serde_json::from_str::<Row>(&line).unwrap()));
            self.users.insert(user, plan.write_after.clone().unwrap_or(write));
        }
        plan
    }

    fn ring(&mut self, program: &Program, until: Timestamp) {
        let due = |(user, stored): (&UserKey, &StoredUser)| Some((stored.alarm_at.filter(|at| *at <= until)?, *user));
        while let Some((at, user)) = self.users.iter().filter_map(due).min() {
            self.receive(program, MailboxMessage::of_tick(user, at, at), at);
        }
    }

    fn state(&self, user: UserKey) -> &UserState {
        &self.users[&user].state
    }
}

/// The days of a shop: each call of visitors and users, under the program of its time.
fn days(seed: u64, program: impl Fn(u64) -> Program) -> (Shop, Timestamp) {
    let mut random = seed;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let (mut shop, mut at) = (Shop::default(), START);
    let mut in_force = program(0);
    for number in 0..CALLS {
        if number % 500 == 0 {
            in_force = program(number);
        }
        at = at.plus(Span::from_secs(200 + draw(1_500) as i64));
        shop.ring(&in_force, at);
        let person = draw(PEOPLE);
        let product = ["shoe-1", "mug-1", "album-1"][draw(3) as usize];
        let item =
            json!({"product_id": product, "name": product, "category": "Shoes", "price": 12.5, "currency": "EUR"});
        let mut call = match draw(9) {
            0 => {
                json!({"type": "identify", "userId": format!("user-{person}"), "traits": {"email": format!("{person}@people.example")}})
            }
            1..=3 => json!({"type": "track", "event": "Product Viewed", "properties": item}),
            4 | 5 => json!({"type": "track", "event": "Product Added", "properties": item}),
            6 => json!({"type": "track", "event": "Promotion Viewed", "properties": {"promotion_id": "summer"}}),
            7 => json!({"type": "page", "name": "Sale", "properties": {"url": "https://shop.example/sale"}}),
            _ => json!({"type": "track", "event": "Order Completed", "properties":
                {"order_id": number.to_string(), "total": 20 + draw(90), "currency": "EUR", "products": [item]}}),
        };
        call["anonymousId"] = json!(format!("visitor-{person}"));
        if draw(3) == 0 {
            call["userId"] = json!(format!("user-{person}"));
        }
        call["messageId"] = json!(format!("message-{number}"));
        call["timestamp"] = json!(at.to_string());
        shop.call(&in_force, call, at);
    }
    (shop, at)
}

/// The rows, those of each user in their order, users in any: as files of several shards are read.
fn by_files(rows: &[Row], seed: u64) -> Vec<Row> {
    let mut of: BTreeMap<UserKey, VecDeque<Row>> = BTreeMap::new();
    for row in rows {
        of.entry(row.user).or_default().push_back(row.clone());
    }
    let (mut random, mut mixed) = (seed, Vec::new());
    while !of.is_empty() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let user = *of.keys().nth((random >> 33) as usize % of.len()).unwrap();
        mixed.push(of.get_mut(&user).unwrap().pop_front().unwrap());
        of.retain(|_, rows| !rows.is_empty());
    }
    mixed
}

fn registers(program: &Program) -> Vec<RegisterId> {
    program.registers().iter().map(kairos_engine::register::Register::id).collect()
}

fn segments(program: &Program, state: &UserState) -> BTreeSet<String> {
    program.memberships(state).into_iter().map(|(segment, _)| segment.to_string()).collect()
}

#[test]
fn who_was_watched_late_remembers_what_they_would_have_had_they_been_watched_from_the_beginning() {
    let (old, new) = (Program::new(bare()).unwrap(), Program::new(shipped()).unwrap());
    let wanted = registers(&new);
    let mut recollected = 0;
    for seed in 1..=6 {
        let (reference, _) = days(seed, |_| Program::new(shipped()).unwrap());
        let (mut shop, at) = days(seed, |call| Program::new(if call < 1_000 { bare() } else { shipped() }).unwrap());
        let mut recollector = Recollector::new(&new);
        for row in by_files(&shop.rows, seed) {
            recollector.note(row.clone());
            recollector.note(row);
        }
        assert_eq!(recollector.rows(), (shop.rows.len() as u64, shop.rows.len() as u64));
        assert_eq!((recollector.is_whole(), recollector.waiting(), recollector.omitted()), (true, 0, 0));
        for user in recollector.users().collect::<Vec<_>>() {
            let Some(input) = recollector.of(user, &wanted, at) else { continue };
            let stale = plan(
                &old,
                user,
                shop.users.get(&user),
                "events.fifo",
                &[Received {
                    sequence: u128::MAX,
                    receives: 1,
                    message: MailboxMessage::of_recollection(user, input.clone(), 0),
                }],
                at,
            );
            assert_eq!(
                stale.inputs.of(InputOutcome::RecollectionOutdated),
                1,
                "another program watches something else"
            );
            let told = shop.rows.len();
            let committed = shop.commit(&new, MailboxMessage::of_recollection(user, input.clone(), 0), at);
            assert_eq!(committed.inputs.of(InputOutcome::Recollected), 1, "seed {seed}, {user}");
            assert!(shop.rows[told..].iter().all(|row| !serde_json::to_string(row).unwrap().contains("recollection")));
            let state = shop.state(user);
            assert!(is_recollected(state, &input));
            let truth = reference.state(user);
            for id in &wanted {
                assert_eq!(state.registers.get(*id), truth.registers.get(*id), "seed {seed}, {user}, register {id}");
            }
            assert_eq!(segments(&new, state), segments(&new, truth), "seed {seed}, {user}");
            recollected += 1;
        }
    }
    assert!(recollected > 100, "{recollected}");
}

#[test]
fn who_has_done_something_since_is_left_as_they_are() {
    let new = Program::new(shipped()).unwrap();
    let (mut shop, at) = days(9, |call| Program::new(if call < 1_000 { bare() } else { shipped() }).unwrap());
    let mut recollector = Recollector::new(&new);
    shop.rows.iter().for_each(|row| recollector.note(row.clone()));
    let wanted = registers(&new);
    let user = recollector.users().find(|user| recollector.of(*user, &wanted, at).is_some()).unwrap();
    let input = recollector.of(user, &wanted, at).unwrap();
    let viewed = json!({"type": "track", "event": "Product Viewed", "messageId": "later", "timestamp": at.to_string(),
        "properties": {"product_id": "mug-1"}, "anonymousId": "anybody"});
    let facts = Facts { source: "web", received_at: at, sent_at: None, call: None, index: 0, historical: true };
    let event = Input::event(decode(viewed, &facts).unwrap().event);
    shop.receive(&new, MailboxMessage::of_inputs(user, vec![event]), at);
    let before = shop.state(user).registers.clone();
    let committed = shop.commit(&new, MailboxMessage::of_recollection(user, input, 0), at);
    assert_eq!(committed.inputs.of(InputOutcome::RecollectionOutdated), 1);
    assert_eq!(shop.state(user).registers, before);
}
