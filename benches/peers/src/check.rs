//! Whether everybody answers the second reading's conditions as Kairos does.

use std::collections::HashSet;

use kairos_benches::shoppers::Shop;
use kairos_engine::bounds::GROUPS_MAX;
use kairos_engine::program::Program;
use serde_json::Value;

use crate::history::{self, Moment};
use crate::over_history::CONDITIONS;
use crate::{OverHistory, introduced};

/// By how much the recording is stretched for the second check: three hours become four months.
const STRETCH: i64 = 1_000;

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checked {
    /// Answers of each peer.
    pub answers: usize,
    /// Of these, answers that differ for one of the two known reasons.
    pub differ: usize,
    /// Conditions that held at some moments and at others did not.
    pub conditions_that_change: usize,
}

/// Compares every answer at every event, as recorded and stretched.
///
/// # Panics
/// When an answer differs for a reason that is not known.
pub fn check(program: &Program, shop: &Shop, moments: &[Moment], recorded: &OverHistory) -> Checked {
    let mut seen = [(false, false); CONDITIONS.len()];
    let mut checked = Checked::default();
    compare(shop, moments, recorded, &mut seen, &mut checked);
    let shop = history::stretched(shop, STRETCH);
    let moments = history::moments(program, &shop, introduced(program, &shop), &CONDITIONS);
    compare(&shop, &moments, &OverHistory::new(&shop, &moments), &mut seen, &mut checked);
    checked.conditions_that_change = seen.iter().filter(|(held, failed)| *held && *failed).count();
    checked
}

fn compare(shop: &Shop, moments: &[Moment], peers: &OverHistory, seen: &mut [(bool, bool)], checked: &mut Checked) {
    let objects = history::objects(shop);
    for (number, moment) in moments.iter().enumerate() {
        let answers = [
            ("zen-engine", peers.zen.answers_decided(number, &CONDITIONS)),
            ("zen-engine's bare evaluator", peers.zen.answers_bare(number)),
            ("cel", peers.cel.answers(number)),
        ];
        for (index, (name, ..)) in CONDITIONS.iter().enumerate() {
            let own = moment.answers[index];
            seen[index].0 |= own;
            seen[index].1 |= !own;
            checked.answers += 1;
            let differs = answers.iter().any(|(_, answers)| answers[index] != own);
            checked.differ += usize::from(differs);
            for (who, answers) in &answers {
                let theirs = answers[index];
                let known = theirs == own || is_known(name, own, moment, &objects);
                assert!(known, "{name} at event {number}: Kairos says {own}, {who} {theirs}");
            }
        }
    }
}

/// Kairos' memory is bounded, and its bounds show twice: of a question about each product it keeps the eight products
/// seen last, and a sum within a window lets a thirtieth of the window go at a time, so it may hold that much longer.
fn is_known(name: &str, own: bool, moment: &Moment, objects: &[Value]) -> bool {
    match name {
        "comes_back_to_one" => {
            let events = moment.history.iter().map(|event| &objects[*event]);
            let viewed = events.filter(|event| event["event"] == "view").filter_map(|event| event["product"].as_str());
            !own && viewed.collect::<HashSet<_>>().len() > GROUPS_MAX
        }
        "spends_now" => own,
        _ => false,
    }
}
