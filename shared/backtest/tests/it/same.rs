//! A backtest decides what `step` alone decides, on any number of cores.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use kairos_backtest::{File, Options, Progress, Report, run};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::outcome::{OutcomeRecord, PlayOutcome};
use kairos_engine::program::Program;
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Value, json};

use super::support::{file, json as shown, options, program};

const REES46: &str = "../shared/data/rees46_multicategory_2019-10-01_0000-0250Z.csv.gz";

/// How often each outcome of each play came on each day (in UTC), and the segments' changes.
type Decisions = BTreeMap<(String, String, String), u64>;

/// Everybody's states, one input after the other, on one thread: nothing is shared with the backtest but `step`.
struct Alone<'a> {
    program: &'a Program,
    users: HashMap<UserKey, UserState>,
    decisions: Decisions,
    told: VecDeque<(UserKey, Input)>,
}

impl<'a> Alone<'a> {
    fn new(program: &'a Program) -> Self {
        Self { program, users: HashMap::new(), decisions: Decisions::new(), told: VecDeque::new() }
    }

    /// Applies the inputs of one row at its time.
    fn row(&mut self, inputs: Vec<(UserKey, Input)>, now: Timestamp) {
        for (user, input) in inputs {
            self.give(user, &input, now);
        }
        while let Some((user, input)) = self.told.pop_front() {
            self.give(user, &input, now);
        }
    }

    fn give(&mut self, user: UserKey, input: &Input, now: Timestamp) {
        self.ring(user, now);
        self.step(user, input, now);
    }

    fn ring(&mut self, user: UserKey, until: Timestamp) {
        while let Some(due_at) = self.users.get(&user).and_then(UserState::next_deadline).filter(|due| *due <= until) {
            self.step(user, &Input::Tick { at: due_at }, due_at);
        }
    }

    fn step(&mut self, user: UserKey, input: &Input, now: Timestamp) {
        let state = self.users.entry(user).or_default();
        let stepped = step(self.program, user, state, std::slice::from_ref(input), now);
        for OutcomeRecord { at, play, outcome } in stepped.considered {
            let day = at.to_string()[..10].to_owned();
            if let Some(kind) = reported(&outcome) {
                *self.decisions.entry((day, play.to_string(), kind)).or_default() += 1;
            }
        }
        for effect in stepped.effects {
            match effect {
                Effect::Tell { user, input } => self.told.push_back((user, *input)),
                Effect::Member { segment, entered, at, .. } => {
                    let kind = if entered { "entries" } else { "exits" };
                    let day = at.to_string()[..10].to_owned();
                    *self.decisions.entry((day, segment.to_string(), kind.to_owned())).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    fn finish(mut self, until: Timestamp) -> Decisions {
        let users: Vec<UserKey> = self.users.keys().copied().collect();
        for user in users {
            self.ring(user, until);
        }
        self.decisions
    }
}

fn reported(outcome: &PlayOutcome) -> Option<String> {
    let silent = matches!(outcome, PlayOutcome::Waiting { .. } | PlayOutcome::Finished | PlayOutcome::Assigned { .. });
    (!silent).then(|| outcome.as_str().to_owned())
}

/// The same of a report.
fn decisions(report: &Report) -> Decisions {
    let mut decisions = Decisions::new();
    for play in &report.playbook.plays {
        for day in &play.days {
            let mut add = |kind: &str, count: u64| {
                if count > 0 {
                    *decisions.entry((day.day.clone(), play.name.clone(), kind.to_owned())).or_default() += count;
                }
            };
            let counts = &day.counts;
            add("sent", counts.sent);
            add("held", counts.held);
            add("held_out", counts.held_out);
            add("cancelled", counts.cancelled);
            add("converted", counts.converted);
            add("converted_held_out", counts.converted_held_out);
            for (reason, count) in &counts.reasons {
                add(&format!("not_sent_{reason}"), *count);
            }
        }
    }
    for segment in &report.playbook.segments {
        for day in &segment.days {
            for (kind, count) in [("entries", day.entries), ("exits", day.exits)] {
                if count > 0 {
                    decisions.insert((day.day.clone(), segment.name.clone(), kind.to_owned()), count);
                }
            }
        }
    }
    decisions
}

/// Numbers that look drawn and are the same each time.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Some days of a shop in which visitors turn out to be users, and some users have had other ids.
fn shop(calls: u64, people: u64) -> Vec<Value> {
    let mut drawn = Drawn(7);
    let mut at_ms = 1_772_323_200_000;
    let mut shop = Vec::new();
    for number in 0..calls {
        at_ms += drawn.below(60_000) as i64;
        let person = drawn.below(people);
        let timestamp = Timestamp::from_millis(at_ms).to_string();
        let (user, visitor) = (format!("user-{person}"), format!("visitor-{}", drawn.below(people * 2)));
        let product = json!({"product_id": drawn.below(50).to_string(), "price": 4.5, "currency": "EUR"});
        let mut call = match drawn.below(20) {
            0 => json!({"type": "identify", "userId": user, "anonymousId": visitor,
                "traits": {"email": format!("{user}@shop.example"), "createdAt": timestamp}}),
            1 if drawn.below(4) == 0 => json!({"type": "alias", "userId": user, "previousId": visitor}),
            1..8 => json!({"type": "track", "event": "Product Viewed", "properties": product}),
            8..12 => json!({"type": "track", "event": "Product Added", "properties": product}),
            12..14 => json!({"type": "track", "event": "Order Completed",
                "properties": {"order_id": number.to_string(), "total": 4.5, "products": [product]}}),
            _ => json!({"type": "page", "name": "Home"}),
        };
        if call.get("userId").is_none() {
            let (field, id) = if drawn.below(2) == 0 { ("userId", &user) } else { ("anonymousId", &visitor) };
            call[field] = json!(id);
        }
        call["messageId"] = json!(number.to_string());
        call["timestamp"] = json!(timestamp);
        shop.push(call);
    }
    shop
}

fn lines(calls: &[Value]) -> String {
    calls.iter().map(|call| format!("{call}\n")).collect()
}

fn alone(program: &Program, calls: &[Value], options: &Options) -> Decisions {
    let mut alone = Alone::new(program);
    let mut last_at = Timestamp::default();
    for call in calls {
        let facts =
            Facts { source: "server", received_at: options.now, sent_at: None, call: None, index: 0, historical: true };
        let event = decode(call.clone(), &facts).unwrap().event;
        last_at = last_at.max(event.at);
        let now = event.at;
        alone.row(inputs_of(event), now);
    }
    alone.finish(last_at.plus(options.until))
}

#[test]
fn a_generated_shop_is_decided_as_by_step_alone_with_links_and_merges() {
    let (program, calls, options) = (program(&[]), shop(30_000, 400), options());
    let expected = alone(&program, &calls, &options);
    let report = run(&program, None, vec![file("calls", lines(&calls))], &options, &Progress::default()).unwrap();
    assert_eq!(decisions(&report), expected);
    assert!(report.recording.inputs["merged"] > 100 && report.recording.inputs["forwarded"] > 100, "links were made");
    assert!(report.playbook.total.sent > 1_000 && report.playbook.total.converted > 100);
}

#[test]
fn the_report_is_the_same_on_any_number_of_cores_and_for_any_cut_into_files() {
    let (program, calls) = (program(&[]), shop(20_000, 300));
    let other = self::program(&[(
        "plays/thanks.yaml",
        "title: Thanks\ntrigger: {event: Product Added}\nvalid_for: 1d\nsteps: [{send: {message: thanks, channels: [webhook]}}]\n",
    )]);
    let played = |threads: usize, cut: &[usize]| {
        let mut from = 0;
        let mut files: Vec<File> = Vec::new();
        for to in cut.iter().copied().chain([calls.len()]) {
            files.push(file("calls", lines(&calls[from..to])));
            from = to;
        }
        let options = Options { threads, users: true, ..options() };
        let mut report = run(&program, Some(&other), files, &options, &Progress::default()).unwrap();
        report.recording.files.clear();
        shown(&report)
    };
    let one = played(1, &[]);
    for (threads, cut) in [(2, &[][..]), (5, &[]), (2, &[7, 8, 9_000])] {
        assert!(played(threads, cut) == one, "{threads} threads, {cut:?}");
    }
}

#[test]
fn what_is_out_of_order_within_the_window_is_decided_as_in_order() {
    let (program, calls) = (program(&[]), shop(5_000, 100));
    let in_order =
        decisions(&run(&program, None, vec![file("calls", lines(&calls))], &options(), &Progress::default()).unwrap());
    let mut shuffled = calls;
    for (index, other) in (0..shuffled.len() - 20).step_by(3).zip(Drawn(3).0..) {
        shuffled.swap(index, index + other as usize % 20);
    }
    let played = |window: Span| {
        let options = Options { window: Some(window), ..options() };
        run(&program, None, vec![file("calls", lines(&shuffled))], &options, &Progress::default()).unwrap()
    };
    let sorted = played(Span::from_hours(1));
    assert_eq!((decisions(&sorted), sorted.recording.late_inputs), (in_order, 0));
    let unsorted = played(Span::ZERO);
    assert!(unsorted.recording.late_inputs > 1_000 && unsorted.recording.inputs["applied_late"] > 100);
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

#[test]
fn real_traffic_through_the_shipped_playbook_is_decided_as_by_step_alone() {
    let path = project().join(REES46);
    let Ok(packed) = fs::read(&path) else {
        eprintln!("skipped: {REES46} is not there");
        return;
    };
    let playbook = kairos_playbook::load(&project().join("playbook")).unwrap().playbook;
    let zone_is_utc = playbook.policy.time_zone == "UTC";
    let program = Program::new(playbook).unwrap();
    let options = Options { until: Span::from_hours(24), ..options() };
    let report =
        run(&program, None, vec![file("rees46.csv.gz", packed.clone())], &options, &Progress::default()).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut text).unwrap();
    let mut alone = Alone::new(&program);
    let mut last_at = Timestamp::default();
    for (number, line) in text.lines().enumerate().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        let [time, kind, product, _, category, brand, price, user, _] = row[..] else { panic!("{line}") };
        let timestamp = format!("{}Z", time.strip_suffix(" UTC").unwrap().replace(' ', "T"));
        let mut properties = json!({"product_id": product, "quantity": 1});
        for (name, value) in [("category", category), ("brand", brand)] {
            if !value.is_empty() {
                properties[name] = json!(value);
            }
        }
        let kind_name = category.rsplit('.').next().unwrap_or_default().replace('_', " ");
        let name = format!("{brand} {kind_name}").trim().to_owned();
        properties["name"] = json!(if name.is_empty() { format!("Product {product}") } else { name });
        let price: f64 = price.parse().unwrap();
        if price > 0.0 {
            properties["price"] = json!(price);
        }
        if kind == "purchase" {
            properties = json!({"order_id": number.to_string(), "total": price, "products": [properties]});
        }
        let event = match kind {
            "view" => "Product Viewed",
            "cart" => "Product Added",
            _ => "Order Completed",
        };
        let facts =
            Facts { source: "server", received_at: options.now, sent_at: None, call: None, index: 0, historical: true };
        let mut calls = vec![json!({"type": "track", "event": event, "userId": user, "messageId": number.to_string(),
            "timestamp": timestamp, "properties": properties})];
        if !alone.users.contains_key(&UserKey::known(user)) {
            calls.insert(
                0,
                json!({"type": "identify", "userId": user, "messageId": format!("identify-{user}"),
                "timestamp": timestamp, "traits": {"email": format!("user-{user}@shop.example"),
                "createdAt": "1990-01-01T00:00:00.000Z"}}),
            );
        }
        for call in calls {
            let event = decode(call, &facts).unwrap().event;
            last_at = last_at.max(event.at);
            let now = event.at;
            alone.row(inputs_of(event), now);
        }
    }
    let by_play = |decisions: Decisions| {
        let mut sums: BTreeMap<(String, String), u64> = BTreeMap::new();
        for ((_, play, kind), count) in decisions {
            *sums.entry((play, kind)).or_default() += count;
        }
        sums
    };
    let expected = alone.finish(last_at.plus(options.until));
    if zone_is_utc {
        assert_eq!(decisions(&report), expected);
    }
    assert_eq!(by_play(decisions(&report)), by_play(expected));
    assert!(report.playbook.total.sent > 0, "real shoppers leave carts");
}
