//! The engine beside rule engines that remember nothing, on the same thirty conditions in one run.
//!
//! What is timed is thirty compiled expressions an event. What they are asked of is made ready before the clock
//! runs, and there are two readings of that:
//!
//! 1. *Counts ready-made* ([`ready_made`]): how often, how much and how long ago stands in variables. Somebody
//!    else has remembered, counted and let windows pass; the peers only compare.
//! 2. *Over the history* ([`over_history`]): the peers get the user's events so far, at most the newest
//!    [`history::HISTORY_MAX`], as a list of objects, and answer from it with their own `filter`, `count`, `sum`
//!    and the like. That is what an engine without memory needs to answer the same questions. Fetching and
//!    parsing the list would come on top and is not timed.
//!
//! Kairos is timed with everything in both: it remembers, decides twenty plays as well, and knows until when
//! each answer holds. All take the same events of the same users in the same order, and take turns within one run,
//! so that a busy machine is busy for all.
//!
//! Before anything is timed, the second reading is checked ([`check`]): at each event of the replay, and of the same
//! replay stretched to four months, zen-engine, its bare evaluator and cel must answer all thirty conditions as Kairos
//! does. Two answers may differ, because Kairos' memory is bounded and theirs is not: `comes_back_to_one` for users
//! who look at more than eight products, and, when the window of thirty days closes, `spends_now` for a day.
//! What is no history is given to the peers ready-made: the cart, whether the user can be reached, and, for
//! `about_to_buy` and `ready`, the strengths of moments and the readiness, which fade exponentially; cel has no
//! function for that. So 25 of the 30 conditions look at the history. The recording is three hours long and nobody
//! does a hundred things in it, so the cap costs no answer.

mod check;
mod history;
mod over_history;
mod ready_made;
mod with_cel;
mod with_zen;

use kairos_benches::figures::{Figures, Sample, grouped, timed, timed_as_read};
use kairos_benches::plays;
use kairos_benches::shoppers::{REES46, Shop};
use kairos_engine::mailbox::Input;
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;

use history::Moment;
use with_cel::WithCel;
use with_zen::WithZen;

/// A condition's name, and how zen and cel write it.
pub type Condition = (&'static str, &'static str, &'static str);

/// How often everybody has their turn.
const ROUNDS: usize = 5;
/// Events that Kairos reads at once before it decides them.
const BATCH: usize = 256;
/// Replays in a turn of those who are quick.
const REPLAYS: usize = 5;

fn main() -> std::io::Result<()> {
    let Some(shop) = Shop::read(REES46) else { return Ok(()) };
    let mut figures = Figures::new("peers", "thirty conditions an event, events a second on one core, in one run");
    let program = Program::new(plays::measured()).expect("the measured playbook runs");
    let events = shop.events.len();

    let sets = ready_made::sets();
    let zen_ready = WithZen::new(&ready_made::CONDITIONS, sets.iter().map(Into::into).collect());
    let cel_ready = WithCel::new(&ready_made::CONDITIONS, sets.iter().map(with_cel::ready_made));

    let moments = history::moments(&program, &shop, introduced(&program, &shop), &over_history::CONDITIONS);
    let peers = OverHistory::new(&shop, &moments);
    let checked = check::check(&program, &shop, &moments, &peers);

    let mut turns = [
        kairos(&program, &shop),
        turn(1, || (), |()| zen_ready.ask_decision(events)),
        turn(REPLAYS, || (), |()| cel_ready.ask(events)),
        turn(REPLAYS, || (), |()| zen_ready.ask_bare(events)),
        turn(1, || (), |()| peers.zen.ask_decision(events)),
        turn(1, || (), |()| peers.cel.ask(events)),
        turn(1, || (), |()| peers.zen.ask_bare(events)),
    ];
    let mut seconds: [Vec<f64>; 7] = Default::default();
    for _ in 0..ROUNDS {
        for (turn, seconds) in turns.iter_mut().zip(&mut seconds) {
            seconds.push(turn());
        }
    }
    let [kairos, ready @ .., zen_engine, cel, zen] =
        seconds.map(|seconds| events as f64 / Sample::new(seconds).median());

    let lengths = Sample::new(moments.iter().map(|moment| moment.history.len() as f64).collect());
    let mean = moments.iter().map(|moment| moment.history.len()).sum::<usize>() as f64 / events as f64;
    let people = grouped(shop.people.len() as f64);
    figures.note("events", format!("{} of {people} users", grouped(events as f64)));
    let quantiles = [0.5, 0.9, 0.99].map(|share| lengths.quantile(share));
    figures.keep("history_events_mean", mean);
    figures.keep("history_events_p99", quantiles[2]);
    figures.note(
        "their user's events until then",
        format!("{mean:.1}; p50 {}, p90 {}, p99 {}, most {}", quantiles[0], quantiles[1], quantiles[2], lengths.max()),
    );
    figures.add(
        "answers_compared",
        checked.answers,
        "answers over the history that were compared",
        grouped(checked.answers as f64),
    );
    figures.add(
        "answers_that_differ",
        checked.differ,
        "  differ where Kairos' memory is bounded",
        grouped(checked.differ as f64),
    );
    figures.note("  conditions that were both met and not met", format!("{} of 30", checked.conditions_that_change));
    figures.add("kairos_events_per_s", kairos, "Kairos, with memory, 20 plays and 30 segments", shown(kairos));
    let [ready_engine, ready_cel, ready_zen] = ready;
    figures.note("counts ready-made", "");
    peers_beside(&mut figures, "", kairos, [ready_engine, ready_cel, ready_zen]);
    figures.note("over the history", "");
    peers_beside(&mut figures, "history_", kairos, [zen_engine, cel, zen]);
    figures.finish()
}

/// The peers of the second reading.
pub struct OverHistory {
    zen: WithZen,
    cel: WithCel,
}

impl OverHistory {
    fn new(shop: &Shop, moments: &[Moment]) -> Self {
        let objects = history::objects(shop);
        let for_cel: Vec<_> = objects.iter().map(with_cel::cel_value).collect();
        let sets = moments.iter().map(|moment| with_cel::variables(moment, &for_cel));
        Self {
            zen: WithZen::new(&over_history::CONDITIONS, with_zen::variables(moments, &objects)),
            cel: WithCel::new(&over_history::CONDITIONS, sets),
        }
    }
}

/// What gives the seconds of one replay, the median of `replays`.
fn turn<'a, I, O>(
    replays: usize,
    mut prepare: impl FnMut() -> I + 'a,
    mut work: impl FnMut(I) -> O + 'a,
) -> Box<dyn FnMut() -> f64 + 'a> {
    Box::new(move || timed(replays, &mut prepare, &mut work).median())
}

/// Everybody has said who they are.
fn introduced(program: &Program, shop: &Shop) -> Vec<UserState> {
    let introduce = |(user, input): (&_, &Input)| {
        let mut state = UserState::default();
        step(program, *user, &mut state, std::slice::from_ref(input), input.at());
        state
    };
    shop.people.iter().zip(&shop.introductions).map(introduce).collect()
}

/// Kairos' turn: as in `make bench-step`, on events as they are when they have just been read.
fn kairos<'a>(program: &'a Program, shop: &'a Shop) -> Box<dyn FnMut() -> f64 + 'a> {
    let replay = |states: &mut Vec<UserState>, events: &[(usize, Input)]| {
        for (person, input) in events {
            step(program, shop.people[*person], &mut states[*person], std::slice::from_ref(input), input.at());
        }
    };
    Box::new(move || timed_as_read(REPLAYS, || introduced(program, shop), &shop.events, BATCH, replay).median())
}

/// Adds what the peers reached in one reading; the keys for programs begin with `reading`.
fn peers_beside(figures: &mut Figures, reading: &str, kairos: f64, [zen_engine, cel, zen]: [f64; 3]) {
    let mut add = |key: &str, value: f64, label: &str, shown: String| {
        figures.add(&format!("{reading}{key}"), value, &format!("  {label}"), shown);
    };
    let times = |ratio: f64| format!("{ratio:.1} ×");
    add("zen_engine_events_per_s", zen_engine, "zen-engine, a decision of 30 conditions", shown(zen_engine));
    add("cel_events_per_s", cel, "cel, 30 expressions", shown(cel));
    let to_best = kairos / zen_engine.max(cel);
    add("ratio_to_best", to_best, "Kairos to the better of them", times(to_best));
    add("zen_expression_events_per_s", zen, "zen-engine's bare evaluator, 30 expressions", shown(zen));
    add("ratio_to_bare", kairos / zen, "Kairos to that", times(kairos / zen));
}

fn shown(rate: f64) -> String {
    format!("{} events/s", grouped(rate))
}
