//! What is counted is what happened.

#![allow(clippy::unwrap_used, reason = "tests state their expectation by failing")]

mod counts;
mod insights;
mod stored;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use kairos_engine::commit::{Received, StoredUser, plan};
use kairos_engine::facts::{Decision, Fact, FactLines, Row, row};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::{Effect, Input, MailboxMessage};
use kairos_engine::outcome::{OutcomeRecord, PlayOutcome};
use kairos_engine::playbook::{Channel, Playbook, PlaybookVersion, Share};
use kairos_engine::program::Program;
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::experiments::of_playbook;
use kairos_insights::{Report, Tally};
use serde_json::{Value, json};

const START: Timestamp = Timestamp::from_millis(1_763_942_400_000);
const PEOPLE: u64 = 300;

/// The shipped playbook, with a holdout of a fifth in each play.
fn playbook() -> Playbook {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../playbook");
    let mut playbook = kairos_playbook::load(&folder).unwrap_or_else(|problems| panic!("{problems:#?}")).playbook;
    playbook.plays.iter_mut().for_each(|play| play.holdout = Share(2_000));
    playbook
}

/// Users behind their mailboxes, and what is known of them without looking at facts.
#[derive(Default)]
struct Shop {
    users: BTreeMap<UserKey, StoredUser>,
    sequence: u128,
    rows: Vec<Row>,
    /// How often each play's considerations ended so.
    outcomes: BTreeMap<(String, &'static str), u64>,
    /// Orders that were placed, and what they are worth in cents.
    orders: (u64, u64),
    /// Who did what when, each by a number and whether as somebody known; and who has said that they are both.
    happened: Vec<(u64, bool, Timestamp, String)>,
    linked: BTreeSet<u64>,
}

impl Shop {
    fn call(&mut self, program: &Program, call: Value, at: Timestamp) {
        let facts = Facts { source: "web", received_at: at, sent_at: None, call: None, index: 0, historical: true };
        let decoded = decode(call, &facts).unwrap();
        for (user, input) in inputs_of(decoded.event) {
            self.receive(program, MailboxMessage::of_inputs(user, vec![input]), at);
        }
    }

    /// One message to one mailbox; what actors then tell each other is delivered, too.
    fn receive(&mut self, program: &Program, message: MailboxMessage, now: Timestamp) {
        let mut mailboxes = VecDeque::from([message]);
        while let Some(message) = mailboxes.pop_front() {
            let user = message.user();
            self.sequence += 1;
            let received = [Received { sequence: self.sequence, receives: 1, message }];
            let plan = plan(program, user, self.users.get(&user), "events.fifo", &received, now);
            for record in &plan.considered {
                *self.outcomes.entry((record.play.to_string(), record.outcome.as_str())).or_default() += 1;
            }
            let Some(write) = plan.write else { continue };
            let text = std::str::from_utf8(write.facts.as_bytes()).unwrap();
            let lines = text.lines().enumerate().map(|(number, line)| row(user, write.revision, number, line).unwrap());
            self.rows.extend(lines.map(|line| serde_json::from_str::<Row>(&line).unwrap()));
            // Nobody reads facts back.
            let stored = plan.write_after.unwrap_or(write);
            self.users.insert(user, StoredUser { facts: FactLines::default(), ..stored });
            for effect in plan.send_after {
                if let Effect::Tell { user, input } = effect {
                    mailboxes.push_back(MailboxMessage::of_told(user, *input));
                }
            }
        }
    }

    /// Every alarm up to then rings.
    fn ring(&mut self, program: &Program, until: Timestamp) {
        loop {
            let due =
                |(user, stored): (&UserKey, &StoredUser)| Some((stored.alarm_at.filter(|at| *at <= until)?, *user));
            let Some((at, user)) = self.users.iter().filter_map(due).min() else { return };
            let message = MailboxMessage::of_tick(user, at, at);
            self.receive(program, message, at);
        }
    }
}

/// Some days of a shop: visitors who look, put things into their carts, say who they are, and sometimes buy.
fn days(program: &Program, seed: u64) -> Shop {
    let mut random = seed;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut shop = Shop::default();
    let mut at = START;
    for number in 0..PEOPLE * 12 {
        at = at.plus(Span::from_secs(90 + draw(300) as i64));
        shop.ring(program, at);
        let person = draw(PEOPLE);
        let ids = if draw(3) == 0 {
            json!({ "anonymousId": format!("visitor-{person}") })
        } else {
            json!({ "userId": format!("user-{person}"), "anonymousId": format!("visitor-{person}") })
        };
        let mug = json!({"product_id": "mug-1", "name": "Mug", "price": 12.5, "currency": "EUR", "quantity": 1});
        let mut call = match draw(8) {
            0 | 1 => {
                json!({"type": "identify", "traits": {"email": format!("{person}@people.example"), "createdAt": "2020-01-01T00:00:00Z"}})
            }
            2 | 3 => json!({"type": "track", "event": "Product Viewed", "properties": mug}),
            4..=6 => json!({"type": "track", "event": "Product Added", "properties": mug}),
            _ => {
                let cents = 500 + draw(9_000);
                shop.orders.0 += 1;
                shop.orders.1 += cents;
                let order = json!({"order_id": number.to_string(), "total": cents as f64 / 100.0, "currency": "EUR"});
                json!({"type": "track", "event": "Order Completed", "properties": order})
            }
        };
        for (name, value) in ids.as_object().unwrap() {
            call[name] = value.clone();
        }
        call["messageId"] = json!(format!("message-{number}"));
        call["timestamp"] = json!(at.to_string());
        call["context"] = json!({"page": {"url": "https://shop.example/"}});
        if call["type"] == "identify" && call.get("userId").is_none() {
            call["userId"] = json!(format!("user-{person}"));
        }
        if call["type"] == "identify" {
            shop.linked.insert(person);
        }
        let name = call["event"].as_str().unwrap_or("identify").to_owned();
        shop.happened.push((person, call.get("userId").is_some(), at, name));
        // Clients send some things twice.
        for _ in 0..=u64::from(draw(20) == 0) {
            shop.call(program, call.clone(), at);
        }
    }
    shop.ring(program, at.plus(Span::from_hours(48)));
    shop
}

fn counted<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Tally {
    counted_of(&Playbook::default(), rows)
}

fn counted_of<'r>(playbook: &Playbook, rows: impl IntoIterator<Item = &'r Row>) -> Tally {
    let mut tally = Tally::of(playbook);
    rows.into_iter().for_each(|row| tally.note(row));
    tally
}

fn compare(report: &Report, shop: &Shop, seed: u64) {
    let of =
        |play: &str, outcome: &'static str| shop.outcomes.get(&(play.to_owned(), outcome)).copied().unwrap_or_default();
    let plays: BTreeSet<_> = shop.outcomes.keys().map(|(play, _)| play.clone()).collect();
    assert_eq!(report.plays.keys().map(ToString::to_string).collect::<BTreeSet<_>>(), plays, "seed {seed}");
    for (name, play) in &report.plays {
        assert_eq!(play.sent, of(name, "sent"), "seed {seed}: {name}");
        assert_eq!(play.held_out.values().sum::<u64>(), of(name, "held_out"), "seed {seed}: {name}");
        assert_eq!((play.converted, play.converted_held_out), (of(name, "converted"), of(name, "converted_held_out")));
        assert_eq!((play.held, play.cancelled), (of(name, "held"), of(name, "cancelled")), "seed {seed}: {name}");
        for (reason, count) in &play.not_sent {
            let outcome = shop
                .outcomes
                .iter()
                .find(|((of, outcome), _)| *of == **name && outcome.strip_prefix("not_sent_") == Some(reason));
            assert_eq!(outcome.map(|(_, count)| *count), Some(*count), "seed {seed}: {name}, {reason}");
        }
        assert_eq!(play.messages.iter().map(|message| message.sent).sum::<u64>(), play.sent, "seed {seed}: {name}");
    }
    let orders = &report.orders["EUR"];
    assert_eq!((orders.count, orders.value.get()), (shop.orders.0, shop.orders.1 as i64 * 10_000), "seed {seed}");
    // A visitor who has said who they are is one with that user, and another one is somebody else.
    let is_stub = |stored: &&StoredUser| stored.state.forwarded_to.is_some();
    let people = shop.users.len() - shop.users.values().filter(is_stub).count();
    assert_eq!(report.people, people as u64, "seed {seed}");
}

#[test]
fn figures_are_the_truth_also_when_rows_come_twice_and_users_in_any_order() {
    let program = Program::new(playbook()).unwrap();
    for seed in 1..=3 {
        let shop = days(&program, seed);
        let report = counted(&shop.rows).report();
        compare(&report, &shop, seed);
        assert!(report.plays.values().map(|play| play.sent).sum::<u64>() > 50, "seed {seed}: {report:#?}");
        assert!(report.plays.values().map(|play| play.converted).sum::<u64>() > 5, "seed {seed}: {report:#?}");

        let twice = counted(shop.rows.iter().flat_map(|row| [row, row])).report();
        assert_eq!(twice, Report { repeated: shop.rows.len() as u64, ..report.clone() }, "seed {seed}");
        let mut users: BTreeMap<UserKey, Vec<&Row>> = BTreeMap::new();
        shop.rows.iter().for_each(|row| users.entry(row.user).or_default().push(row));
        assert_eq!(counted(users.into_values().rev().flatten()).report(), report, "seed {seed}");
    }
}

#[test]
fn a_holdout_is_compared_by_people_and_found_as_it_was_drawn() {
    let playbook = playbook();
    let program = Program::new(playbook.clone()).unwrap();
    let shop = days(&program, 7);
    let tally = counted(&shop.rows);
    let report = tally.report();
    let comparisons = of_playbook(&playbook, &tally.exposures());
    let cart = comparisons.iter().find(|one| *one.play == *"abandoned_cart" && one.title == "holdout").unwrap();
    let experiment = cart.experiment.as_ref().unwrap();
    let [messages, holdout] = experiment.variants() else { panic!("{experiment:#?}") };
    assert_eq!((messages.name.as_str(), holdout.name.as_str()), ("messages", "holdout"));
    assert_eq!((messages.share, holdout.share), (8_000.0, 2_000.0));
    // People, not messages.
    let play = &report.plays["abandoned_cart"];
    assert!(messages.sample.users() <= play.sent && holdout.sample.users() <= play.held_out["holdout"]);
    assert!(messages.sample.users() > 3 * holdout.sample.users(), "{experiment:#?}");
    assert!(messages.sample.users() + holdout.sample.users() + cart.mixed <= report.people);
}

/// A row of its own commit.
fn told(user: &str, revision: u64, fact: Fact) -> Row {
    Row { v: 1, user: UserKey::known(user), revision, number: 0, fact }
}

fn decided(user: &str, revision: u64, outcome: PlayOutcome) -> Row {
    let record = OutcomeRecord { at: START, play: "welcome".into(), outcome };
    let mut decision = Decision::of(&record, &PlaybookVersion::default());
    decision.message = decision.delivery.map(|_| "hello".to_owned());
    told(user, revision, Fact::Decision(Box::new(decision)))
}

#[test]
fn what_comes_back_is_counted_once_per_delivery() {
    let ann = UserKey::known("ann");
    let delivery = DeliveryId::of_decision(ann, 0);
    let sent = PlayOutcome::Sent { delivery, channel: Channel::Email, due_at: START };
    let back = |revision: u64, name: &str| {
        let call = json!({"type": "track", "event": name, "userId": "ann", "messageId": revision.to_string(),
            "timestamp": START.to_string(), "properties": {"delivery_id": delivery.to_string()}});
        let facts =
            Facts { source: "links", received_at: START, sent_at: None, call: None, index: 0, historical: true };
        let event = decode(call, &facts).unwrap().event;
        let input = Box::new(Input::event(event));
        told(
            "ann",
            revision,
            Fact::Input { at: START, outcome: kairos_engine::outcome::InputOutcome::Applied, input, who: None },
        )
    };
    let rows = [
        decided("ann", 1, sent),
        back(2, "Message Opened"),
        back(3, "Message Link Clicked"),
        back(4, "Message Link Clicked"),
        back(5, "Email Delivered"),
    ];
    let report = counted(&rows).report();
    let message = &report.plays["welcome"].messages[0];
    assert_eq!((message.sent, message.opened, message.clicked, message.delivered, message.failed), (1, 1, 1, 1, 0));
}

#[test]
fn two_identities_of_one_person_are_one_in_an_experiment() {
    let mut playbook = playbook();
    let welcome = playbook.plays.iter_mut().find(|play| *play.name == *"abandoned_cart").unwrap();
    welcome.name = "welcome".into();
    let held_out = |group: &str| PlayOutcome::HeldOut { group: group.into(), due_at: START };
    let visitor = UserKey::known("visitor");
    let rows = [
        decided("visitor", 1, held_out("holdout")),
        decided("ann", 1, held_out("holdout")),
        told("ann", 2, Fact::Merged { at: START, from: visitor }),
        decided("ben", 1, held_out("holdout")),
    ];
    let tally = counted(&rows);
    assert_eq!(tally.report().people, 2);
    let comparisons = of_playbook(&playbook, &tally.exposures());
    let holdout = comparisons.iter().find(|one| *one.play == *"welcome" && one.title == "holdout").unwrap();
    let experiment = holdout.experiment.as_ref().unwrap();
    assert_eq!(experiment.variants()[1].sample.users(), 2);
}
