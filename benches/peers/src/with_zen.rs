//! The conditions in zen-engine: as one decision, which is what its users run, and in its bare evaluator.

use std::hint::black_box;

use serde_json::{Value, json};
use zen_engine::model::DecisionContent;
use zen_engine::{Decision, DecisionEngine};
use zen_expression::expression::Standard;
use zen_expression::vm::VM;
use zen_expression::{Expression, Isolate, Scope, Variable};

use crate::Condition;
use crate::history::Moment;

/// The compiled conditions, and what they are asked of: in turn, should there be fewer than events.
pub struct WithZen {
    expressions: Vec<Expression<Standard>>,
    decision: Decision,
    inputs: Vec<Variable>,
    scopes: Vec<Scope>,
}

impl WithZen {
    /// Compiles the conditions.
    pub fn new(conditions: &[Condition], inputs: Vec<Variable>) -> Self {
        let mut isolate = Isolate::new();
        let compile =
            |(_, zen, _): &Condition| isolate.compile_standard(zen).unwrap_or_else(|error| panic!("{zen}: {error:?}"));
        let expressions = conditions.iter().map(compile).collect();
        let mut decision = DecisionEngine::default().create_decision(decision(conditions).into()).expect("it is right");
        decision.compile();
        Self { expressions, decision, scopes: inputs.iter().cloned().map(Scope::new).collect(), inputs }
    }

    /// Asks the bare evaluator all conditions at `events` events; gives how many answers were yes.
    pub fn ask_bare(&self, events: usize) -> usize {
        let mut vm = VM::new();
        let mut held = 0;
        for number in 0..events {
            let scope = &self.scopes[number % self.scopes.len()];
            for expression in &self.expressions {
                let answer = expression.evaluate_with_scope(black_box(scope), &mut vm);
                held += usize::from(matches!(answer, Ok(Variable::Bool(true))));
            }
        }
        held
    }

    /// Asks the decision at `events` events.
    pub fn ask_decision(&self, events: usize) {
        (0..events).for_each(|number| drop(black_box(self.decide(number % self.inputs.len()))));
    }

    fn decide(&self, number: usize) -> Variable {
        let answer = pollster::block_on(self.decision.evaluate(self.inputs[number].depth_clone(1)));
        answer.expect("thirty conditions can be evaluated").result
    }

    /// What the bare evaluator says of each condition.
    pub fn answers_bare(&self, number: usize) -> Vec<bool> {
        let mut vm = VM::new();
        let mut answer = |expression: &Expression<Standard>| {
            let answer = expression.evaluate_with_scope(&self.scopes[number], &mut vm);
            answer.expect("it can be evaluated").as_bool().expect("it is a condition")
        };
        self.expressions.iter().map(&mut answer).collect()
    }

    /// What the decision says of each condition.
    pub fn answers_decided(&self, number: usize, conditions: &[Condition]) -> Vec<bool> {
        let answers = self.decide(number);
        let answer = |name: &str| answers.dot(name).and_then(|answer| answer.as_bool()).expect("it is a condition");
        conditions.iter().map(|(name, ..)| answer(name)).collect()
    }
}

/// The variables of each moment. An event is one object, whatever histories it stands in.
pub fn variables(moments: &[Moment], objects: &[Value]) -> Vec<Variable> {
    let objects: Vec<Variable> = objects.iter().map(Variable::from).collect();
    let variables = |moment: &Moment| {
        let variables = Variable::from(&Value::Object(moment.facts.clone()));
        let history = moment.history.iter().map(|event| objects[*event].clone()).collect();
        variables.dot_insert("history", Variable::from_array(history));
        variables
    };
    moments.iter().map(variables).collect()
}

/// A decision in zen-engine's own format: the conditions from input to output.
fn decision(conditions: &[Condition]) -> DecisionContent {
    let expressions: Vec<Value> =
        conditions.iter().map(|(name, zen, _)| json!({"id": name, "key": name, "value": zen})).collect();
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
