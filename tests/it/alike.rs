//! The same events through the deployed system, through `step` alone and through a backtest end in the same
//! decisions, with the whole shipped playbook.

use std::collections::{BTreeMap, VecDeque};

use kairos_backtest::{File, Options, Progress, PurchaseColumns, Reachable, past};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::program::Program;
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Value, json};

use crate::harness::shopper::now;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, root, run, tell};

const SHOPPERS: usize = 36;
/// Of them, so many are visitors first.
const VISITORS: usize = 8;
const SOURCE: &str = "website";

/// Numbers that look drawn and are the same each time.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn product(drawn: &mut Drawn) -> Value {
    let categories = ["shoes", "coffee", "furniture", "electronics"];
    let number = drawn.below(12);
    json!({
        "product_id": format!("product-{number}"), "name": format!("Product {number}"), "currency": "EUR", "quantity": 1,
        "price": 10 * (number + 1), "category": categories[(number % 4) as usize],
    })
}

/// What somebody does after another: an event's name and properties.
fn action(drawn: &mut Drawn) -> (&'static str, Value) {
    let product = product(drawn);
    match drawn.below(20) {
        0..7 => ("Product Viewed", product),
        7..11 => ("Product Added", product),
        11 => ("Product Added to Wishlist", product),
        12 => {
            let order = format!("order-{}", drawn.below(1_000_000_000));
            (
                "Order Completed",
                json!({"order_id": order, "total": product["price"], "currency": "EUR", "products": [product]}),
            )
        }
        13 => ("Products Searched", json!({"query": "coffee"})),
        14 | 15 => ("Element Dwelled", json!({"seconds": 40, "category": product["category"]})),
        16 => ("Track Played", json!({"track": "Song", "album": "Album", "percent": 70})),
        17 => ("Form Progressed", json!({"form": "loan", "percent": 50})),
        _ => ("Reviews Read", product),
    }
}

/// What a shopper does, in order, from three quarters of an hour ago: everything that is decided about it is due
/// when it is sent, and not too late for any play.
fn calls(shopper: &Shopper, number: usize, started_at: Timestamp) -> Vec<Value> {
    let mut drawn = Drawn(number as u64 + 1);
    let mut at = started_at;
    let mut calls = Vec::new();
    let created = if number.is_multiple_of(3) { started_at.to_string() } else { "2020-01-01T00:00:00Z".into() };
    let mut traits = json!({"email": shopper.email, "createdAt": created, "firstName": "Ann"});
    if number.is_multiple_of(4) {
        traits["phone"] = json!(shopper.phone);
    }
    calls.push(shopper.identifies(at, traits));
    for _ in 0..6 + drawn.below(9) {
        at = at.plus(Span::from_secs(5 + drawn.below(40) as i64));
        let call = match drawn.below(6) {
            0 => shopper.call(at, json!({"type": "page", "properties": {"path": "/promo/autumn"}})),
            _ => {
                let (event, properties) = action(&mut drawn);
                shopper.track(at, event, properties)
            }
        };
        calls.push(call);
    }
    for call in &mut calls {
        call["context"] = match number % 3 {
            0 => json!({"timezone": "Europe/Berlin", "locale": "de-DE", "userAgent": "Mozilla/5.0 (iPhone) Mobile"}),
            1 => json!({"timezone": "America/New_York", "page": {"path": "/promo/autumn"}}),
            _ => json!({}),
        };
    }
    calls
}

/// Everybody's states, one input after the other: nothing but `step`.
struct Alone<'a> {
    program: &'a Program,
    users: BTreeMap<UserKey, UserState>,
}

impl Alone<'_> {
    fn call(&mut self, call: &Value, received_at: Timestamp) {
        let facts = Facts { source: SOURCE, received_at, sent_at: None, call: None, index: 0, historical: false };
        let event = decode(call.clone(), &facts).expect("it is a good call").event;
        let at = event.at;
        let mut told = VecDeque::from(inputs_of(event));
        while let Some((user, input)) = told.pop_front() {
            self.wait(user, at);
            told.extend(self.step(user, &input, at));
        }
    }

    fn wait(&mut self, user: UserKey, until: Timestamp) {
        while let Some(due_at) = self.users.get(&user).and_then(UserState::next_deadline).filter(|due| *due <= until) {
            self.step(user, &Input::Tick { at: due_at }, due_at);
        }
    }

    fn step(&mut self, user: UserKey, input: &Input, now: Timestamp) -> Vec<(UserKey, Input)> {
        let state = self.users.entry(user).or_default();
        let stepped = step(self.program, user, state, std::slice::from_ref(input), now);
        let tell = |effect| match effect {
            Effect::Tell { user, input } => Some((user, *input)),
            _ => None,
        };
        stepped.effects.into_iter().filter_map(tell).collect()
    }
}

/// What was decided and why, without how it came there: clocks, ids of messages.
fn decided(mut state: UserState) -> UserState {
    state.clock = Timestamp::default();
    state.seen = Default::default();
    state.messages = Default::default();
    state.passed_on = Default::default();
    // Heard by the commit, for figures; no decision asks for it.
    state.origin = None;
    state
}

/// Nothing when both are alike, else where they part.
fn difference(who: &str, one: &UserState, other: &UserState) -> Result<(), String> {
    let (one, other) = (decided(one.clone()), decided(other.clone()));
    if one == other {
        return Ok(());
    }
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let lines = one.lines().zip(other.lines()).filter(|(one, other)| one != other).take(12);
    Err(format!("{who}:\n{}", lines.map(|(one, other)| format!("  {one} | {other}\n")).collect::<String>()))
}

#[test]
fn the_deployed_system_step_alone_and_a_backtest_decide_alike() {
    run(async {
        let stage = Stage::shipped().await;
        let loaded = kairos_playbook::load(&root().join("playbook")).expect("the shipped playbook is right");
        let key = loaded.playbook.sources.iter().find(|source| source.name == SOURCE).expect("it has a website");
        let write_key = key.write_key.clone();
        let program = Program::new(loaded.playbook).expect("the shipped playbook runs");
        let post = async |calls: &[Value]| {
            let answer = stage.post_json("/v1/batch", &json!({"batch": calls, "writeKey": write_key})).await;
            assert_eq!(answer.status, 200, "{:?}", answer.body);
        };

        let started_at = now().minus(Span::from_mins(44));
        let shoppers: Vec<Shopper> = (0..SHOPPERS).map(|_| Shopper::new("alike")).collect();
        let mut recording: Vec<Value> = Vec::new();
        // Some look around before they say who they are.
        let mut visits = Vec::new();
        for (number, shopper) in shoppers.iter().take(VISITORS).enumerate() {
            let mut drawn = Drawn(1_000 + number as u64);
            for look in 0..3 {
                let at = started_at.minus(Span::from_secs(60 - 10 * look));
                visits.push(shopper.as_visitor(shopper.track(at, "Product Viewed", product(&mut drawn))));
            }
            let mut identify =
                shopper.identifies(started_at.minus(Span::from_secs(20)), json!({"email": shopper.email}));
            identify["anonymousId"] = json!(shopper.anonymous_id);
            visits.push(identify);
        }
        post(&visits).await;
        for shopper in shoppers.iter().take(VISITORS) {
            let told = |stored: &kairos_engine::commit::StoredUser| !stored.state.viewed.is_empty();
            stage.stored_when(shopper.key(), "what the visitor did has arrived", told).await;
        }
        recording.extend(visits);
        for (number, shopper) in shoppers.iter().enumerate() {
            let calls = calls(shopper, number, started_at);
            post(&calls).await;
            recording.extend(calls);
        }

        let mut alone = Alone { program: &program, users: BTreeMap::new() };
        let received_at = now();
        recording.iter().for_each(|call| alone.call(call, received_at));
        let lines: String = recording
            .iter()
            .map(|call| {
                let mut call = call.clone();
                call["writeKey"] = json!(write_key);
                call["receivedAt"] = json!(received_at.to_string());
                format!("{call}\n")
            })
            .collect();
        let options = Options {
            format: None,
            purchases: PurchaseColumns::default(),
            window: None,
            until: Span::from_hours(2),
            threads: 1,
            now: received_at.plus(Span::from_hours(1)),
            source: Some(SOURCE.into()),
            currency: None,
            reachable: Reachable { email: false, sms: false, visitors: false },
            users: false,
        };
        let files = || Ok(vec![File { name: "alike".into(), input: Box::new(std::io::Cursor::new(lines.clone())) }]);

        let mut sent = 0;
        let mut considered = 0;
        let mut members = 0;
        for shopper in &shoppers {
            let user = shopper.key();
            let stored = eventually("the deployed system decides as step alone", PATIENCE, async || {
                let Some(stored) = stage.stored(user).await else { return Err("nothing is stored".into()) };
                alone.wait(user, now());
                let expected = alone.users.get(&user).expect("everybody did something");
                difference(&shopper.user_id, &stored.state, expected).map(|()| stored)
            })
            .await;
            let found = past(&program, files, &options, &Progress::default(), &shopper.user_id, now())
                .expect("the recording is read")
                .expect("everybody is in it");
            difference(&shopper.user_id, &found.state, &alone.users[&user])
                .unwrap_or_else(|difference| panic!("a backtest decides otherwise: {difference}"));
            sent += stored.state.decisions;
            considered += found.considered.len();
            members += program.memberships(&stored.state).len();
        }
        assert!(sent as usize > SHOPPERS / 2 && members > SHOPPERS / 4, "{sent} messages, {members} memberships");
        tell(format!(
            "{} calls of {SHOPPERS} shoppers: {sent} messages, {considered} considerations, {members} memberships, three times alike",
            recording.len()
        ));
    });
}
