//! How many events one core decides in a second, on the recorded events of a real shop.
//!
//! Parsing stands apart: what arrives at `step` is read already. Prints divan's table of single calls
//! and then the figures that are kept.

use std::hint::black_box;
use std::sync::LazyLock;

use divan::Bencher;
use kairos_benches::figures::{Figures, Sample, grouped, timed, timed_as_read};
use kairos_benches::plays;
use kairos_benches::shoppers::{REES46, Shop};
use kairos_engine::commit::{self, Received, StoredUser};
use kairos_engine::event::EventKind;
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Effect, Input, MailboxMessage};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};

/// Whole replays that are timed.
const REPLAYS: usize = 30;
/// Events that are read at once before they are decided, as a function or a backtest does.
const BATCH: usize = 256;
/// Events of the one user whose history grows.
const HISTORY: usize = 100_000;
/// Single calls that are timed at each end of the history.
const CALLS: usize = 20_000;

static SHOP: LazyLock<Option<Shop>> = LazyLock::new(|| Shop::read(REES46));
static SHIPPED: LazyLock<Program> =
    LazyLock::new(|| Program::new(plays::shipped()).expect("the shipped playbook runs"));

/// That of the command line, which plays through millions of events.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::io::Result<()> {
    let Some(shop) = &*SHOP else { return Ok(()) };
    divan::main();
    let mut figures = Figures::new("step", "events a second on one core, REES46's events, parsing apart");
    figures.note(
        "events",
        format!("{} of {} users", grouped(shop.events.len() as f64), grouped(shop.people.len() as f64)),
    );
    let rate = |sample: &Sample| shop.events.len() as f64 / sample.median();
    let best = |sample: &Sample| shop.events.len() as f64 / sample.min();

    let shipped = replayed(&SHIPPED, shop);
    figures.add(
        "events_per_s",
        rate(&shipped),
        "step, shipped playbook",
        format!("{} events/s", grouped(rate(&shipped))),
    );
    figures.note("  best replay", format!("{} events/s", grouped(best(&shipped))));
    let measured = Program::new(plays::measured()).expect("the measured playbook runs");
    let many = replayed(&measured, shop);
    figures.add(
        "events_per_s_20_plays_30_segments",
        rate(&many),
        "step, 20 plays and 30 segments",
        format!("{} events/s", grouped(rate(&many))),
    );
    figures.note("  best replay", format!("{} events/s", grouped(best(&many))));
    figures.note("  its registers", measured.registers().len().to_string());

    let bodies = bodies(shop);
    let parsed =
        timed(REPLAYS, || introduced(&SHIPPED, shop), |states| parse_and_step(&SHIPPED, shop, &bodies, states));
    figures.add(
        "parse_step_events_per_s",
        rate(&parsed),
        "parse and step",
        format!("{} events/s", grouped(rate(&parsed))),
    );
    let planned = timed(REPLAYS, || stored(shop), |users| plan_all(shop, users));
    figures.add(
        "plan_messages_per_s",
        rate(&planned),
        "commit::plan, one event a message",
        format!("{} messages/s", grouped(rate(&planned))),
    );

    let (early, late) = (nth_call(shop, 10), nth_call(shop, HISTORY));
    figures.add("ns_at_10th", early, "one call at the 10th event of a user", format!("{early:.0} ns"));
    figures.add("ns_at_100000th", late, "one call at the 100,000th", format!("{late:.0} ns"));
    figures.add("history_ratio", late / early, "ratio", format!("{:.2}", late / early));
    let decided = decided(shop);
    figures.add("messages_decided", decided, "messages decided (53 expected)", decided.to_string());
    figures.finish()
}

/// Everybody has said who they are.
fn introduced(program: &Program, shop: &Shop) -> Vec<UserState> {
    let introduce = |(user, input): (&UserKey, &Input)| {
        let mut state = UserState::default();
        step(program, *user, &mut state, std::slice::from_ref(input), input.at());
        state
    };
    shop.people.iter().zip(&shop.introductions).map(introduce).collect()
}

fn replayed(program: &Program, shop: &Shop) -> Sample {
    timed_as_read(
        REPLAYS,
        || introduced(program, shop),
        &shop.events,
        BATCH,
        |states, events| {
            replay(program, shop, states, events);
        },
    )
}

/// One call for each event, as the events came, decided live. Gives how many messages were decided.
fn replay(program: &Program, shop: &Shop, states: &mut [UserState], events: &[(usize, Input)]) -> usize {
    let mut messages = 0;
    for (person, input) in events {
        let stepped =
            step(program, shop.people[*person], &mut states[*person], std::slice::from_ref(input), input.at());
        messages += stepped.effects.iter().filter(|effect| matches!(effect, Effect::Deliver(_))).count();
    }
    messages
}

fn bodies(shop: &Shop) -> Vec<String> {
    let message =
        |(person, input): &(usize, Input)| MailboxMessage::of_inputs(shop.people[*person], vec![input.clone()]);
    shop.events.iter().map(|event| serde_json::to_string(&message(event)).expect("a message is plain data")).collect()
}

fn parse_and_step(program: &Program, shop: &Shop, bodies: &[String], mut states: Vec<UserState>) -> Vec<UserState> {
    for ((person, _), body) in shop.events.iter().zip(bodies) {
        let message: MailboxMessage = serde_json::from_str(body).expect("it was written by serde_json");
        let now = message.inputs()[0].at();
        step(program, message.user(), &mut states[*person], message.inputs(), now);
    }
    states
}

fn stored(shop: &Shop) -> Vec<(StoredUser, Vec<Received>)> {
    let mut users: Vec<(StoredUser, Vec<Received>)> = introduced(&SHIPPED, shop)
        .into_iter()
        .map(|state| (StoredUser { state, ..StoredUser::default() }, Vec::new()))
        .collect();
    for (sequence, (person, input)) in shop.events.iter().enumerate() {
        let message = MailboxMessage::of_inputs(shop.people[*person], vec![input.clone()]);
        users[*person].1.push(Received { sequence: sequence as u128 + 1, receives: 1, message });
    }
    users
}

/// Each message is a commit of its own; what a commit writes is what the next one reads.
fn plan_all(shop: &Shop, users: Vec<(StoredUser, Vec<Received>)>) -> usize {
    let mut acknowledged = 0;
    for (user, (mut stored, messages)) in shop.people.iter().zip(users) {
        for message in &messages {
            let now = message.message.inputs()[0].at();
            let plan = commit::plan(&SHIPPED, *user, Some(&stored), "events.fifo", std::slice::from_ref(message), now);
            acknowledged += plan.acknowledge;
            stored = plan.write.unwrap_or(stored);
        }
    }
    acknowledged
}

/// Nanoseconds of one call at the `n`-th event of a user who did everything that all others did.
fn nth_call(shop: &Shop, n: usize) -> f64 {
    let user = shop.people[0];
    let mut state = introduced(&SHIPPED, shop).swap_remove(0);
    let start = state.clock;
    let mut history = (0..).map(|number: usize| {
        let (_, input) = &shop.events[number % shop.events.len()];
        renewed(input, number, start.plus(Span::from_secs(20 * number as i64)))
    });
    for input in history.by_ref().take(n - 1) {
        let now = input.at();
        step(&SHIPPED, user, &mut state, &[input], now);
    }
    // The same event at either end: what is compared is the history alone.
    let view = shop.events.iter().find(|(_, input)| is_view(input)).map(|(_, input)| input).expect("shoppers look");
    let input = renewed(view, usize::MAX, state.clock);
    let calls = timed(
        CALLS / 100,
        || vec![state.clone(); 100],
        |mut states| {
            let call = |state| step(&SHIPPED, user, state, std::slice::from_ref(&input), input.at());
            (states.iter_mut().map(call).collect::<Vec<_>>(), states)
        },
    );
    calls.median() * 1e9 / 100.0
}

fn renewed(input: &Input, number: usize, at: Timestamp) -> Input {
    let mut input = input.clone();
    if let Input::Event { event, .. } = &mut input {
        event.id = InputId::of_message("history", &number.to_string());
        event.at = at;
    }
    input
}

fn is_view(input: &Input) -> bool {
    matches!(input, Input::Event { event, .. } if matches!(&event.kind, EventKind::Track { event: EventName::ProductViewed, .. }))
}

/// How many messages the day ends in, when everybody's alarms have rung.
fn decided(shop: &Shop) -> usize {
    let mut states = introduced(&SHIPPED, shop);
    let during = replay(&SHIPPED, shop, &mut states, &shop.events);
    let end = shop.events.iter().map(|(_, input)| input.at()).max().unwrap_or_default().plus(Span::from_hours(1));
    let after = states.iter_mut().zip(&shop.people).map(|(state, user)| {
        let stepped = step(&SHIPPED, *user, state, &[Input::Tick { at: end }], end);
        stepped.effects.iter().filter(|effect| matches!(effect, Effect::Deliver(_))).count()
    });
    during + after.sum::<usize>()
}

// ---- Single calls, in divan's table ----

#[divan::bench(args = [EventName::ProductViewed, EventName::ProductAdded, EventName::OrderCompleted])]
fn call(bencher: Bencher<'_, '_>, name: &EventName) {
    let shop = SHOP.as_ref().expect("main checked");
    let named = |input: &Input| matches!(input, Input::Event { event, .. } if matches!(&event.kind, EventKind::Track { event, .. } if event == name));
    let (person, input) = shop.events.iter().find(|(_, input)| named(input)).expect("the file has all three");
    let user: UserKey = shop.people[*person];
    let state = introduced(&SHIPPED, shop).swap_remove(*person);
    bencher
        .with_inputs(|| state.clone())
        .bench_refs(|state| step(&SHIPPED, black_box(user), state, std::slice::from_ref(input), input.at()));
}

#[divan::bench]
fn identify(bencher: Bencher<'_, '_>) {
    let shop = SHOP.as_ref().expect("main checked");
    let input = &shop.introductions[0];
    let state = introduced(&SHIPPED, shop).swap_remove(0);
    let again = renewed(input, 0, input.at());
    bencher
        .with_inputs(|| state.clone())
        .bench_refs(|state| step(&SHIPPED, shop.people[0], state, std::slice::from_ref(&again), again.at()));
}

#[divan::bench]
fn encode_state(bencher: Bencher<'_, '_>) {
    let state = busiest_state();
    bencher.bench(|| black_box(&state).encode());
}

#[divan::bench]
fn decode_state(bencher: Bencher<'_, '_>) {
    let bytes = busiest_state().encode();
    bencher.bench(|| UserState::decode(black_box(&bytes)));
}

fn busiest_state() -> UserState {
    let shop = SHOP.as_ref().expect("main checked");
    let mut states = introduced(&SHIPPED, shop);
    replay(&SHIPPED, shop, &mut states, &shop.events);
    states.into_iter().max_by_key(|state| state.encode().len()).expect("the shop has people")
}
