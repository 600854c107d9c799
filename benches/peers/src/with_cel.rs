//! The conditions in cel.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use cel::common::types::{CelDouble, CelList};
use cel::{Context, Env, ExecutionError, Program, Value as CelValue, add_member_overload, extensions};
use serde_json::{Map, Value};

use crate::Condition;
use crate::history::Moment;

/// The compiled conditions, and what they are asked of: in turn, should there be fewer than events.
pub struct WithCel {
    programs: Vec<Program>,
    contexts: Vec<Context<'static, 'static>>,
}

impl WithCel {
    /// Compiles the conditions; `contexts` are filled with variables.
    pub fn new(conditions: &[Condition], sets: impl Iterator<Item = Variables>) -> Self {
        let mut env = Env::stdlib();
        env.add_extension(extensions::lists).expect("it comes with cel");
        env.add_extension(extensions::math).expect("it comes with cel");
        // CEL has no sum; its hosts bring one.
        add_member_overload!(env, fn sum: (CelList) -> Result<CelDouble>).expect("there is none yet");
        let env = Arc::new(env);
        let compile = |(_, _, cel): &Condition| env.compile(cel).unwrap_or_else(|error| panic!("{cel}: {error:?}"));
        let context = |set: Variables| {
            let mut context = Context::with_env(Arc::clone(&env));
            set.into_iter().for_each(|(name, value)| context.add_variable_from_value(name, value));
            context
        };
        Self { programs: conditions.iter().map(compile).collect(), contexts: sets.map(context).collect() }
    }

    /// Asks all conditions at `events` events; gives how many answers were yes.
    pub fn ask(&self, events: usize) -> usize {
        let mut held = 0;
        for number in 0..events {
            let context = &self.contexts[number % self.contexts.len()];
            for program in &self.programs {
                let answer = program.execute(black_box(context));
                held += usize::from(matches!(answer, Ok(CelValue::Bool(true))));
            }
        }
        held
    }

    /// What it says of each condition.
    pub fn answers(&self, number: usize) -> Vec<bool> {
        let answer = |program: &Program| match program.execute(&self.contexts[number]) {
            Ok(CelValue::Bool(answer)) => answer,
            other => panic!("{other:?} is no answer to a condition"),
        };
        self.programs.iter().map(answer).collect()
    }
}

/// A set of variables by their names.
pub type Variables = HashMap<String, CelValue>;

/// Variables whose numbers are all of the same kind.
pub fn ready_made(set: &Value) -> Variables {
    let Value::Object(set) = set else { panic!("variables are an object") };
    let value = |value: &Value| match value {
        Value::Number(number) => CelValue::Float(number.as_f64().expect("they are small")),
        other => cel_value(other),
    };
    set.iter().map(|(name, given)| (name.clone(), value(given))).collect()
}

/// The variables of a moment.
pub fn variables(moment: &Moment, objects: &[CelValue]) -> Variables {
    let history: Vec<CelValue> = moment.history.iter().map(|event| objects[*event].clone()).collect();
    let mut variables = fields(&moment.facts);
    variables.insert("history".to_owned(), CelValue::List(Arc::new(history)));
    variables
}

/// A value as cel knows it: whole numbers stay whole.
pub fn cel_value(value: &Value) -> CelValue {
    match value {
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => CelValue::Int(whole),
            None => CelValue::Float(number.as_f64().expect("it is whole or has a fraction")),
        },
        Value::String(text) => CelValue::from(text.clone()),
        Value::Object(map) => CelValue::from(fields(map)),
        Value::Null | Value::Array(_) => unreachable!("variables hold neither"),
    }
}

fn fields(map: &Map<String, Value>) -> Variables {
    map.iter().map(|(name, value)| (name.clone(), cel_value(value))).collect()
}

fn sum(list: &CelList<'_>) -> Result<CelDouble, ExecutionError> {
    let mut sum = 0.0;
    for item in list.inner() {
        let number =
            item.downcast_ref::<CelDouble>().ok_or_else(|| ExecutionError::function_error("sum", "numbers only"))?;
        sum += *number.inner();
    }
    Ok(CelDouble::from(sum))
}
