//! The engine beside rule engines that remember nothing, on the same thirty conditions in one run.
//!
//! The peers get everything for free that costs the most: how often, how much and how long ago stands in their
//! variables, made ready before the clock runs. What is timed is thirty compiled expressions an event. Kairos
//! is timed with everything: it remembers, decides twenty plays as well, and knows until when each answer holds.

mod expressions;

use std::hint::black_box;

use cel::{Context, Program as CelProgram};
use kairos_benches::figures::{Figures, grouped, timed};
use kairos_benches::plays;
use kairos_benches::shoppers::{REES46, Shop};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use serde_json::{Value, json};
use zen_engine::DecisionEngine;
use zen_engine::model::DecisionContent;
use zen_expression::vm::VM;
use zen_expression::{Isolate, Scope, Variable};

use expressions::{CONDITIONS, variables};

/// Whole replays that are timed.
const REPLAYS: usize = 20;
/// Sets of variables that are made ready; events take them in turn.
const SETS: usize = 64;

fn main() -> std::io::Result<()> {
    let Some(shop) = Shop::read(REES46) else { return Ok(()) };
    let mut figures = Figures::new("peers", "thirty conditions an event, events a second on one core, in one run");
    let count = shop.events.len();
    let sets: Vec<Value> = (0..SETS).map(variables).collect();

    let program = Program::new(plays::measured()).expect("the measured playbook runs");
    let kairos = timed(
        REPLAYS,
        || vec![UserState::default(); shop.people.len()],
        |mut states| {
            for (person, input) in &shop.events {
                let state = std::mem::take(&mut states[*person]);
                let user = shop.people[*person];
                states[*person] = step(&program, user, state, std::slice::from_ref(input), input.at()).state;
            }
            states
        },
    );

    let mut isolate = Isolate::new();
    let compile = |(_, zen, _): &(&str, &str, &str)| {
        isolate.compile_standard(zen).unwrap_or_else(|error| panic!("{zen}: {error:?}"))
    };
    let compiled: Vec<_> = CONDITIONS.iter().map(compile).collect();
    let scopes: Vec<Scope> = sets.iter().map(|set| Scope::new(Variable::from(set))).collect();
    let zen = timed(REPLAYS, VM::new, |mut vm| {
        let mut held = 0;
        for number in 0..count {
            for expression in &compiled {
                let answer = expression.evaluate_with_scope(black_box(&scopes[number % SETS]), &mut vm);
                held += usize::from(matches!(answer, Ok(Variable::Bool(true))));
            }
        }
        held
    });

    let engine = DecisionEngine::default();
    let mut decision = engine.create_decision(decision().into()).expect("the decision is right");
    decision.compile();
    let inputs: Vec<Variable> = sets.iter().map(Variable::from).collect();
    let zen_engine = timed(
        REPLAYS / 10,
        || (),
        |()| {
            for number in 0..count {
                let answer = pollster::block_on(decision.evaluate(inputs[number % SETS].depth_clone(1)));
                black_box(answer.expect("thirty conditions can be evaluated"));
            }
        },
    );

    let compiled: Vec<CelProgram> = CONDITIONS
        .iter()
        .map(|(_, _, cel)| CelProgram::compile(cel).unwrap_or_else(|error| panic!("{cel}: {error:?}")))
        .collect();
    let contexts: Vec<Context<'_, '_>> = sets.iter().map(context).collect();
    let cel = timed(
        REPLAYS,
        || (),
        |()| {
            let mut held = 0;
            for number in 0..count {
                for expression in &compiled {
                    let answer = expression.execute(black_box(&contexts[number % SETS]));
                    held += usize::from(matches!(answer, Ok(cel::Value::Bool(true))));
                }
            }
            held
        },
    );

    let rate = |sample: &kairos_benches::figures::Sample| count as f64 / sample.median();
    let (own, zen, zen_engine, cel) = (rate(&kairos), rate(&zen), rate(&zen_engine), rate(&cel));
    let shown = |rate: f64| format!("{} events/s", grouped(rate));
    figures.add("kairos_events_per_s", own, "Kairos, with memory, 20 plays and 30 segments", shown(own));
    figures.add("zen_engine_events_per_s", zen_engine, "zen-engine, a decision of 30 conditions", shown(zen_engine));
    figures.add("cel_events_per_s", cel, "cel, 30 expressions", shown(cel));
    let best = zen_engine.max(cel);
    figures.add("ratio_to_best", own / best, "Kairos to the best of them", format!("{:.1} ×", own / best));
    figures.add("zen_expression_events_per_s", zen, "zen-engine's bare evaluator, 30 expressions", shown(zen));
    figures.add("ratio_to_bare", own / zen, "Kairos to that", format!("{:.1} ×", own / zen));
    figures.finish()
}

/// A decision in zen-engine's own format: thirty conditions from input to output.
fn decision() -> DecisionContent {
    let expressions: Vec<Value> =
        CONDITIONS.iter().map(|(name, zen, _)| json!({"id": name, "key": name, "value": zen})).collect();
    let node = |id: &str, kind: &str, content: Value| json!({"id": id, "name": id, "type": kind, "content": content, "position": {"x": 0, "y": 0}});
    let edge = |id: &str, from: &str, to: &str| json!({"id": id, "sourceId": from, "targetId": to, "type": "edge"});
    serde_json::from_value(json!({
        "nodes": [
            node("in", "inputNode", json!({})),
            node("conditions", "expressionNode", json!({"expressions": expressions})),
            node("out", "outputNode", json!({})),
        ],
        "edges": [edge("1", "in", "conditions"), edge("2", "conditions", "out")],
    }))
    .expect("it is zen-engine's format")
}

fn context(set: &Value) -> Context<'static, 'static> {
    let mut context = Context::default();
    for (name, value) in set.as_object().expect("variables are an object") {
        let value = match value {
            Value::Bool(flag) => cel::Value::Bool(*flag),
            Value::Number(number) => cel::Value::Float(number.as_f64().expect("they are small")),
            Value::String(text) => cel::Value::from(text.clone()),
            _ => unreachable!("variables are plain"),
        };
        context.add_variable_from_value(name.clone(), value);
    }
    context
}
