//! What the two plays do, as tables that a marketing person can read.
//!
//! The left column is what happens, `=>` lines are everything that was considered and ended, in order.
//! `Tue 10:00` is the day after `10:00`; `(said 10:05)` is what the client's clock said when it happened,
//! while the line's own time is when it arrived.

use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use kairos_engine::outcome::PlayOutcome;
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::time::Timestamp;
use serde_json::{Value, json};

use crate::shop::Shop;

const MONDAY: i64 = 1_763_942_400_000;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Plays the table and compares what it says was considered with what was.
#[track_caller]
fn check(table: &str) {
    let lines = || table.lines().map(str::trim).filter(|line| !line.is_empty());
    let expected: Vec<&str> = lines().filter_map(|line| line.strip_prefix("=> ")).collect();
    let mut shop = Shop::new();
    let mut end = at(0, "00:00");
    for (number, line) in lines().filter(|line| !line.starts_with("=>")).enumerate() {
        let (now, rest) = time(line);
        shop.wait_until(now);
        end = now;
        if rest != "ends" {
            shop.inputs(happens(rest, now, number), now);
        }
    }
    shop.wait_until(end);
    assert_eq!(considered(&shop), expected);
}

fn at(day: usize, clock: &str) -> Timestamp {
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().expect("a time is numbers"));
    let mut next = || parts.next().unwrap_or(0);
    let seconds = next() * 3_600 + next() * 60 + next();
    Timestamp::from_millis(MONDAY + (day as i64 * 86_400 + seconds) * 1_000)
}

fn time(line: &str) -> (Timestamp, &str) {
    let (first, rest) = line.split_once(' ').expect("a line begins with a time");
    match DAYS.iter().position(|day| *day == first) {
        Some(day) => {
            let (clock, rest) = rest.split_once(' ').expect("a time follows the day");
            (at(day, clock), rest)
        }
        None => (at(0, first), rest),
    }
}

/// `(said TIME) WHO VERB WHAT`
fn happens(text: &str, now: Timestamp, number: usize) -> Vec<(UserKey, Input)> {
    let (said_at, text) = match text.strip_prefix("(said ") {
        Some(rest) => {
            let (said, rest) = rest.split_once(") ").expect("a bracket closes");
            (time(&format!("{said} .")).0, rest)
        }
        None => (now, text),
    };
    let (text, message_id) = match text.split_once(" #") {
        Some((text, id)) => (text, id.to_owned()),
        None => (text, format!("line {number}")),
    };
    let mut words = text.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (who, verb, what, more) = (next(), next(), next(), next());
    let visitor = || json!({"anonymousId": who});
    let mut call = match who.strip_prefix("visitor") {
        Some(_) => visitor(),
        None => json!({"userId": who}),
    };
    let track = |event: &str, properties: Value| json!({"type": "track", "event": event, "properties": properties});
    let quantity: u32 = more.parse().unwrap_or(1);
    let product = || json!({"product_id": what, "name": what, "quantity": quantity});
    let said = match verb {
        "adds" => track("Product Added", product()),
        "removes" => track("Product Removed", product()),
        "views" => track("Product Viewed", product()),
        "checks_out" => track("Checkout Started", json!({})),
        "does_a_checkout_step" => track("checkout_step_viewed", json!({"step": 2})),
        "orders" => track("purchase", json!({})),
        "opens" => json!({"type": "page", "name": what}),
        "identifies" if what.contains('@') => json!({"type": "identify", "traits": {"email": what}}),
        "identifies" if what.starts_with('+') => json!({"type": "identify", "traits": {"phone": what}}),
        "identifies" => json!({"type": "identify", "traits": {}}),
        "returns" => json!({"type": "identify", "traits": {"email": what, "createdAt": "2020-01-01T00:00:00Z"}}),
        // visitor turns_into USER EMAIL
        "turns_into" => {
            call = json!({"anonymousId": who, "userId": what});
            json!({"type": "identify", "traits": {"email": more}})
        }
        // USER was OTHER
        "was" => json!({"type": "alias", "previousId": what}),
        other => panic!("unknown verb {other:?} in {text:?}"),
    };
    let mut event = call.as_object().expect("a call is an object").clone();
    event.extend(said.as_object().expect("so is this").clone());
    event.insert("messageId".into(), json!(message_id));
    event.insert("timestamp".into(), json!(said_at.to_string()));
    let facts = Facts { source: "web", received_at: now, sent_at: None, call: None, index: 0, historical: false };
    let decoded = decode(Value::Object(event), &facts).expect("the scenario's events are good ones");
    inputs_of(decoded.event)
}

fn clock(time: Timestamp) -> String {
    let since = time.as_millis() - MONDAY;
    let (day, seconds) = ((since / 86_400_000) as usize, since / 1_000 % 86_400);
    let day = if day == 0 { String::new() } else { format!("{} ", DAYS[day]) };
    let second = if seconds % 60 == 0 { String::new() } else { format!(":{:02}", seconds % 60) };
    format!("{day}{:02}:{:02}{second}", seconds / 3_600, seconds / 60 % 60)
}

fn considered(shop: &Shop) -> Vec<String> {
    let line = |record: &kairos_engine::outcome::OutcomeRecord| {
        let what = match &record.outcome {
            PlayOutcome::Waiting { .. } => return None,
            PlayOutcome::Cancelled { .. } => "cancelled".to_owned(),
            PlayOutcome::NotSent { .. }
            | PlayOutcome::Held { .. }
            | PlayOutcome::HeldOut { .. }
            | PlayOutcome::Converted { .. }
            | PlayOutcome::Finished
            | PlayOutcome::Assigned { .. } => record.outcome.to_string(),
            PlayOutcome::Sent { delivery, .. } => {
                let order = shop.decided.orders.iter().find(|order| order.delivery == *delivery)?;
                let items: Vec<String> =
                    order.data.cart.items.iter().map(|item| format!("{}×{}", item.quantity, item.id)).collect();
                format!("to {} {}", order.address, items.join(" ")).trim_end().to_owned()
            }
        };
        Some(format!("{} {} {what}", clock(record.at), record.play))
    };
    shop.decided.considered.iter().filter_map(line).collect()
}

#[test]
fn thirty_minutes_after_the_last_change_of_the_cart_a_message_is_due() {
    check(
        "
        09:00 ann returns ann@shop.example
        => 09:00 welcome not sent: `unless` held
        10:00 ann adds Mug
        10:10 ann adds Tea 2
        11:00 ends
        => 10:40 abandoned_cart to ann@shop.example 2×Tea 1×Mug
        ",
    );
}

#[test]
fn looking_at_things_does_not_move_it_and_a_checkout_step_does() {
    check(
        "
        10:00 bob returns bob@shop.example
        => 10:00 welcome not sent: `unless` held
        10:00 bob adds Mug
        10:20 bob views Tea
        10:25 bob opens Home
        11:00 ends
        => 10:30 abandoned_cart to bob@shop.example 1×Mug
        ",
    );
    check(
        "
        10:00 bob returns bob@shop.example
        => 10:00 welcome not sent: `unless` held
        10:00 bob adds Mug
        10:20 bob checks_out
        10:25 bob does_a_checkout_step
        11:00 ends
        => 10:55 abandoned_cart to bob@shop.example 1×Mug
        ",
    );
}

#[test]
fn an_order_cancels_it_and_empties_the_cart() {
    check(
        "
        10:00 ann returns ann@shop.example
        => 10:00 welcome not sent: `unless` held
        10:00 ann adds Mug
        10:29:59 ann orders
        => 10:29:59 abandoned_cart cancelled
        10:40 ann adds Tea
        12:00 ends
        => 11:10 abandoned_cart to ann@shop.example 1×Tea
        ",
    );
}

#[test]
fn taking_the_last_thing_out_cancels_it() {
    check(
        "
        10:00 ann returns ann@shop.example
        => 10:00 welcome not sent: `unless` held
        10:00 ann adds Mug
        10:05 ann adds Tea
        10:10 ann removes Mug
        10:20 ann removes Tea
        => 10:20 abandoned_cart cancelled
        12:00 ends
        ",
    );
}

#[test]
fn nobody_gets_it_twice_in_twenty_four_hours() {
    check(
        "
        10:00 ann returns ann@shop.example
        => 10:00 welcome not sent: `unless` held
        10:00 ann adds Mug
        => 10:30 abandoned_cart to ann@shop.example 1×Mug
        18:00 ann adds Tea
        => 18:30 abandoned_cart not sent: already 1 in the last 24 h
        Tue 09:59:59 ann adds Pot
        => Tue 10:29:59 abandoned_cart not sent: already 1 in the last 24 h
        Tue 11:00 ann adds Tin
        Tue 12:00 ends
        => Tue 11:30 abandoned_cart to ann@shop.example 1×Tin 1×Pot 1×Tea 1×Mug
        ",
    );
}

#[test]
fn a_moment_older_than_it_is_worth_is_not_sent() {
    check(
        "
        09:00 ann returns ann@shop.example
        => 09:00 welcome not sent: `unless` held
        17:00 (said 10:00) ann adds Mug
        17:01 ends
        => 10:30 abandoned_cart not sent: the moment had passed 6 h 30 min before it could be decided
        ",
    );
}

#[test]
fn a_deadline_between_two_events_fires_before_the_second_one() {
    check(
        "
        09:00 ann returns ann@shop.example
        => 09:00 welcome not sent: `unless` held
        11:00 (said 10:00) ann adds Mug
        11:00 (said 10:45) ann orders
        => 10:30 abandoned_cart to ann@shop.example 1×Mug
        ",
    );
}

#[test]
fn an_order_that_is_reported_late_still_empties_the_cart() {
    check(
        "
        10:00 ann returns ann@shop.example
        => 10:00 welcome not sent: `unless` held
        10:00 ann adds Mug
        10:20 ann views Tea
        10:25 (said 10:05) ann orders
        => 10:20 abandoned_cart cancelled
        12:00 ends
        ",
    );
}

#[test]
fn what_a_phone_reports_after_the_order_that_followed_it_is_not_put_back_into_the_cart() {
    check(
        "
        10:00 ann returns ann@shop.example
        => 10:00 welcome not sent: `unless` held
        10:05 ann orders
        10:06 (said 10:04) ann adds Mug
        11:00 ends
        ",
    );
}

#[test]
fn what_is_put_aside_after_an_order_is_a_new_cart() {
    check(
        "
        10:00 ann returns ann@shop.example
        => 10:00 welcome not sent: `unless` held
        10:05 ann orders
        10:06 ann adds Tea
        10:07 (said 10:04) ann adds Mug
        11:00 ends
        => 10:36 abandoned_cart to ann@shop.example 1×Tea
        ",
    );
}

#[test]
fn a_clock_that_runs_ahead_is_set_back_to_the_receipt() {
    check(
        "
        10:00 ann returns ann@shop.example
        => 10:00 welcome not sent: `unless` held
        10:00 (said 15:00) ann adds Mug
        11:00 ends
        => 10:30 abandoned_cart to ann@shop.example 1×Mug
        ",
    );
}

#[test]
fn whoever_leaves_an_address_for_the_first_time_is_welcomed_once() {
    check(
        "
        10:00 ann identifies
        => 10:00 welcome not sent: `who` did not hold
        10:05 ann identifies ann@shop.example
        => 10:05 welcome to ann@shop.example
        10:10 ann identifies ann@home.example
        => 10:10 welcome not sent: this play is once for each user
        10:15 bob identifies +4915112345678
        => 10:15 welcome to +4915112345678
        10:20 old returns old@shop.example
        => 10:20 welcome not sent: `unless` held
        ",
    );
}

#[test]
fn somebody_without_an_address_cannot_be_reached() {
    check(
        "
        10:00 visitor1 adds Mug
        11:00 ends
        => 10:30 abandoned_cart not sent: no address for any channel of this step
        ",
    );
}

#[test]
fn the_cart_of_a_visitor_who_says_who_they_are_goes_along() {
    check(
        "
        10:00 visitor1 adds Mug
        10:10 visitor1 turns_into ann ann@shop.example
        => 10:10 welcome to ann@shop.example
        11:00 ends
        => 10:30 abandoned_cart to ann@shop.example 1×Mug
        ",
    );
}

#[test]
fn a_tab_that_does_not_know_yet_who_is_there_counts_as_the_same_person() {
    check(
        "
        10:00 visitor1 turns_into ann ann@shop.example
        => 10:00 welcome to ann@shop.example
        10:05 visitor1 adds Mug
        10:10 ann orders
        => 10:10 abandoned_cart cancelled
        10:20 visitor1 adds Tea
        12:00 ends
        => 10:50 abandoned_cart to ann@shop.example 1×Tea
        ",
    );
}

#[test]
fn saying_twice_who_one_is_changes_nothing() {
    check(
        "
        10:00 visitor1 adds Mug
        10:10 visitor1 turns_into ann ann@shop.example
        => 10:10 welcome to ann@shop.example
        10:12 visitor1 turns_into ann ann@shop.example
        => 10:12 welcome not sent: this play is once for each user
        11:00 ends
        => 10:30 abandoned_cart to ann@shop.example 1×Mug
        ",
    );
}

#[test]
fn on_a_shared_device_the_cart_stays_with_whom_it_was_filled_by() {
    check(
        "
        10:00 visitor1 turns_into ann ann@shop.example
        => 10:00 welcome to ann@shop.example
        10:05 visitor1 adds Mug
        10:10 visitor1 turns_into bob bob@shop.example
        => 10:10 welcome to bob@shop.example
        10:15 visitor1 adds Tea
        11:00 ends
        => 10:35 abandoned_cart to ann@shop.example 1×Mug
        => 10:45 abandoned_cart to bob@shop.example 1×Tea
        ",
    );
}

#[test]
fn a_repeated_turn_does_not_take_a_shared_device_back() {
    check(
        "
        10:00 visitor1 turns_into ann ann@shop.example #first
        => 10:00 welcome to ann@shop.example
        10:10 visitor1 turns_into bob bob@shop.example
        => 10:10 welcome to bob@shop.example
        10:20 (said 10:00) visitor1 turns_into ann ann@shop.example #first
        10:25 visitor1 adds Tea
        11:00 ends
        => 10:55 abandoned_cart to bob@shop.example 1×Tea
        ",
    );
}

#[test]
fn a_repetition_on_a_shared_device_does_not_reach_its_next_user() {
    check(
        "
        10:00 visitor1 turns_into ann ann@shop.example
        => 10:00 welcome to ann@shop.example
        10:05 visitor1 adds Mug #mug
        10:10 visitor1 turns_into bob bob@shop.example
        => 10:10 welcome to bob@shop.example
        10:15 (said 10:05) visitor1 adds Mug #mug
        11:00 ends
        => 10:35 abandoned_cart to ann@shop.example 1×Mug
        ",
    );
}

#[test]
fn what_a_client_sends_again_counts_once() {
    check(
        "
        10:00 ann returns ann@shop.example #who
        => 10:00 welcome not sent: `unless` held
        10:00 ann adds Mug #mug
        10:20 (said 10:00) ann adds Mug #mug
        10:25 (said 10:00) ann returns ann@shop.example #who
        11:00 ends
        => 10:30 abandoned_cart to ann@shop.example 1×Mug
        ",
    );
}

#[test]
fn two_ids_that_were_each_other_lose_nothing() {
    check(
        "
        10:00 ann returns ann@shop.example
        => 10:00 welcome not sent: `unless` held
        10:00 ann adds Mug
        10:05 anna was ann
        10:06 ann was anna
        10:10 ann adds Tea
        10:11 anna adds Pot
        11:00 ends
        => 10:41 abandoned_cart to ann@shop.example 1×Pot 1×Tea 1×Mug
        ",
    );
}

/// What was sent, and when it was due.
fn sent(shop: &Shop) -> Vec<String> {
    let mut orders: Vec<_> = shop.decided.orders.iter().collect();
    orders.sort_by_key(|order| order.due_at);
    orders.iter().map(|order| format!("{} {} {}", order.due_at, order.play, order.address)).collect()
}

#[test]
fn a_backlog_is_decided_as_it_would_have_been_live() {
    let day = [
        "10:00 ann returns ann@shop.example",
        "10:01 ann adds Mug",
        "10:20 ann views Tea",
        "10:45 ann adds Tea",
        "11:00 ann orders",
        "12:00 ann adds Pot",
        "12:10 bob identifies bob@shop.example",
        "12:15 bob adds Mug",
        "12:46 bob adds Tea",
    ];
    let events = |received: Option<Timestamp>| {
        let one = move |(number, line): (usize, &&str)| {
            let (said, rest) = time(line);
            let received = received.unwrap_or(said);
            (received, happens(&format!("(said {}) {rest}", clock(said)), received, number))
        };
        day.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    let end = at(0, "13:05");
    let mut live = Shop::new();
    for (now, inputs) in events(None) {
        live.wait_until(now);
        live.inputs(inputs, now);
    }
    live.wait_until(end);

    let mut backlog = Shop::new();
    backlog.inputs(events(Some(end)).into_iter().flat_map(|(_, inputs)| inputs).collect(), end);
    backlog.wait_until(end);

    assert_eq!(sent(&live).len(), 3);
    assert_eq!(sent(&backlog), sent(&live));
}
