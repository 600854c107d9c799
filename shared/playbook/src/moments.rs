//! Reads `moments.yaml`.

use std::collections::BTreeMap;

use kairos_engine::bounds::{CONDITION_PARTS_MAX, EVENTS_MAX, MOMENT_STRENGTH_MAX};
use kairos_engine::playbook::{
    EventMatch, Evidence, Moment, MomentSettings, Moments, Readiness, ReadinessTerm, ReadinessValue,
};

use crate::conditions::condition;
use crate::diagnostic::{Report, Target};
use crate::events;
use crate::fields::{Fields, entries, instead, list, span, word};
use crate::node::{Node, Value};
use crate::values::{number, positive};

/// Reads `moments.yaml`.
pub(crate) fn moments(report: &mut Report<'_>, root: &Node) -> Moments {
    let mut read = Moments::default();
    if matches!(root.value, Value::Null) {
        return read;
    }
    let Some(fields) = Fields::read(report, root, "moments.yaml", &["moments", "readiness"]) else {
        return read;
    };
    if let Some(node) = fields.get("moments") {
        read.moments = all(report, node);
    }
    read.readiness = fields.get("readiness").and_then(|node| readiness(report, node));
    read
}

fn all(report: &mut Report<'_>, node: &Node) -> BTreeMap<Moment, MomentSettings> {
    const HELP: &str = "write `buy:` (or `know`, `go`, `do`), and below it its evidence";
    let names = Moment::ALL.map(|(name, _)| name);
    let mut moments = BTreeMap::new();
    for entry in entries(report, node, "`moments`", HELP).unwrap_or_default() {
        let Some((_, moment)) = Moment::ALL.into_iter().find(|(name, _)| *name == entry.key) else {
            let message = format!("there is no moment `{}`", entry.key);
            report.problem(entry.at, message, instead(&entry.key, &names));
            continue;
        };
        if let Some(settings) = settings(report, &entry.node, &format!("moment `{}`", entry.key)) {
            moments.insert(moment, settings);
        }
    }
    moments
}

fn settings(report: &mut Report<'_>, node: &Node, what: &str) -> Option<MomentSettings> {
    let fields = Fields::read(report, node, what, &["half_life", "reached_at", "evidence"])?;
    let help = "write in which time its strength halves: `half_life: 30m`";
    let half_life = fields.required(report, what, "half_life", help);
    let half_life = half_life.and_then(|node| span(report, node, "`half_life`"));
    let help = "write the strength at which it is reached: `reached_at: 3`";
    let reached_at = fields.required(report, what, "reached_at", help);
    let reached_at = reached_at.and_then(|node| positive(report, node, "`reached_at`", MOMENT_STRENGTH_MAX));
    let help = "write `evidence:` and below it `- {event: Product Added, weight: 2}`";
    let evidence = fields.required(report, what, "evidence", help);
    let evidence = evidence.and_then(|node| evidence_list(report, node));
    Some(MomentSettings { half_life: half_life?, reached_at: reached_at?, evidence: evidence? })
}

fn evidence_list(report: &mut Report<'_>, node: &Node) -> Option<Vec<Evidence>> {
    const HELP: &str = "write the events: `event: Product Added`";
    let mut known: Vec<EventMatch> = Vec::new();
    let mut all = Vec::new();
    let mut all_read = true;
    let nodes = list(report, node, "`evidence`")?;
    if nodes.len() > EVENTS_MAX {
        let help = format!("keep it to {EVENTS_MAX}; events of the same weight fit into one");
        report.problem(node.at, format!("there are {} pieces of evidence", nodes.len()), help);
        return None;
    }
    for node in nodes {
        let Some(fields) = Fields::read(report, node, "evidence", &["event", "weight"]) else {
            all_read = false;
            continue;
        };
        let of = fields.required(report, "evidence", "event", HELP);
        let of = of.and_then(|node| events::matches_with_places(report, node, "`event`"));
        let weight = fields.required(report, "evidence", "weight", "write how much it counts: `weight: 2`");
        let weight = weight.and_then(|node| positive(report, node, "`weight`", MOMENT_STRENGTH_MAX));
        let (Some(of), Some(weight)) = (of, weight) else {
            all_read = false;
            continue;
        };
        for (event, at) in &of {
            if known.contains(event) {
                let message = format!("`{event}` is evidence of this moment twice");
                report.problem(*at, message, "keep one of them, with the weight that it shall have");
                all_read = false;
            }
        }
        let of: Vec<EventMatch> = of.into_iter().map(|(event, _)| event).collect();
        known.extend(of.iter().cloned());
        all.push(Evidence { of, weight });
    }
    all_read.then_some(all)
}

fn readiness(report: &mut Report<'_>, node: &Node) -> Option<Readiness> {
    let fields = Fields::read(report, node, "`readiness`", &["intercept", "terms"])?;
    let help = "write the number for a user of whom nothing else holds, as in `intercept: -3`";
    let intercept = fields.required(report, "`readiness`", "intercept", help);
    let intercept = intercept.and_then(|node| weight(report, node, "`intercept`"));
    let help = "write `terms:` and below it `- {if: {cart: not_empty}, weight: 1.5}`";
    let terms = fields.required(report, "`readiness`", "terms", help);
    let terms = terms.and_then(|node| {
        let nodes = list(report, node, "`terms`")?;
        if nodes.len() > CONDITION_PARTS_MAX {
            let help = format!("keep it to {CONDITION_PARTS_MAX}");
            report.problem(node.at, format!("there are {} terms", nodes.len()), help);
            return None;
        }
        let terms: Vec<_> = nodes.iter().map(|node| term(report, node)).collect();
        terms.into_iter().collect::<Option<Vec<_>>>()
    });
    Some(Readiness { intercept: intercept?, terms: terms? })
}

fn term(report: &mut Report<'_>, node: &Node) -> Option<ReadinessTerm> {
    const HELP: &str = "write `{if: {cart: not_empty}, weight: 1.5}` or `{moment: buy, weight: 0.4}`";
    let fields = Fields::read(report, node, "a term", &["if", "moment", "weight"])?;
    let weight_node = fields.required(report, "a term", "weight", "write by how much: `weight: 1.5`");
    let weight = weight_node.and_then(|node| weight(report, node, "`weight`"));
    let value = match (fields.get("if"), fields.get("moment")) {
        (Some(node), None) => condition(report, node, 1).map(ReadinessValue::Holds),
        (None, Some(node)) => {
            let moment = word(report, node, "`moment`", &Moment::ALL)?;
            report.refer(node.at, Target::Moment(moment));
            if let (Some(weight), Some(weight_node)) = (weight, weight_node)
                && weight < 0.0
            {
                let help = "write a number from 0; what speaks against buying can be said with `if:`";
                report.problem(weight_node.at, "the weight of a moment is below 0", help);
                return None;
            }
            Some(ReadinessValue::Strength(moment))
        }
        (Some(_), Some(node)) => {
            report.problem(node.at, "a term has `if` and `moment`", "write two terms");
            None
        }
        (None, None) => {
            report.problem(fields.start(), "a term has no value", HELP);
            None
        }
    };
    Some(ReadinessTerm { value: value?, weight: weight? })
}

/// A number that may be negative.
fn weight(report: &mut Report<'_>, node: &Node, what: &str) -> Option<f64> {
    let number = number(report, node, what)?;
    if number.abs() <= MOMENT_STRENGTH_MAX {
        return Some(number);
    }
    let help =
        format!("write a number from -{MOMENT_STRENGTH_MAX} to {MOMENT_STRENGTH_MAX}; most lie between -5 and 5");
    report.problem(node.at, format!("{what} is too large: {number}"), help);
    None
}
