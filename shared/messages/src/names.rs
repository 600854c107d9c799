//! What a template can name: what the sample data has, and what the template adds.

use liquid_core::model::{Value, ValueView};
use liquid_lib::stdlib::ForloopObject;

use crate::Setting;
use crate::data::{ROOTS, globals, samples};
use crate::problem::{Problem, instead};
use crate::scan::Token;

/// An example of a value, as far as one can be told before there is data.
pub(crate) type Sample = Option<Value>;

/// The root whose fields are the properties of an event.
const EVENT: &str = "event";

fn fields(value: &Value) -> Vec<String> {
    let mut fields: Vec<String> = match value {
        Value::Object(object) => object.keys().map(ToString::to_string).collect(),
        Value::Array(_) => ["first", "last", "size"].map(str::to_owned).to_vec(),
        _ => Vec::new(),
    };
    fields.sort();
    fields
}

fn field(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Object(object) => object.get(name).cloned(),
        Value::Array(items) if matches!(name, "first" | "last") => items.first().cloned(),
        Value::Array(_) if name == "size" => Some(Value::scalar(1)),
        _ => None,
    }
}

/// The names known at a place of a template.
pub(crate) struct Names<'s> {
    known: Vec<(&'s str, Sample)>,
    /// Names of the loops around, the innermost last, behind the parameters of the content block.
    loops: Vec<(&'s str, Sample)>,
    /// What is known around the content blocks that are open.
    around: Vec<(Known<'s>, Known<'s>)>,
}

type Known<'s> = Vec<(&'s str, Sample)>;

impl<'s> Names<'s> {
    pub(crate) fn new() -> Self {
        let [(data, found), _] = samples(&Setting::default());
        let globals = Value::Object(globals(&data, &found));
        // Which properties events have, nobody knows beforehand.
        let sample = |name| if name == EVENT { None } else { field(&globals, name) };
        Self { known: ROOTS.map(|name| (name, sample(name))).to_vec(), loops: Vec::new(), around: Vec::new() }
    }

    pub(crate) fn begin_loop(&mut self, name: &'s str, item: Sample) {
        self.loops.extend([(name, item), ("forloop", Some(ForloopObject::new(0, 1).to_value()))]);
    }

    pub(crate) fn end_loop(&mut self) {
        self.loops.truncate(self.loops.len().saturating_sub(2));
    }

    pub(crate) fn is_in_loop(&self) -> bool {
        self.loops.iter().any(|(name, _)| *name == "forloop")
    }

    /// A content block: it sees its parameters and what every template sees.
    pub(crate) fn begin_scope(&mut self, parameters: Known<'s>) {
        let of_all = self.known[..ROOTS.len()].to_vec();
        let known = core::mem::replace(&mut self.known, of_all);
        self.around.push((known, core::mem::replace(&mut self.loops, parameters)));
    }

    pub(crate) fn end_scope(&mut self) {
        if let Some((known, loops)) = self.around.pop() {
            (self.known, self.loops) = (known, loops);
        }
    }

    /// Whether a name may not be given to anything else.
    pub(crate) fn is_fixed(&self, name: &str) -> bool {
        name == "forloop" || ROOTS.contains(&name) || self.loops.iter().any(|(known, _)| *known == name)
    }

    /// Adds or changes an assigned name.
    pub(crate) fn assign(&mut self, name: &'s str, sample: Sample) {
        match self.known.iter_mut().find(|(known, _)| *known == name) {
            // It may be either, depending on the branches taken.
            Some((_, known)) => *known = None,
            None => self.known.push((name, sample)),
        }
    }

    /// What a path leads to, and how many tokens it takes.
    pub(crate) fn resolve(&self, tokens: &[(usize, Token<'s>)]) -> Result<(Sample, usize), Problem> {
        let Some((at, Token::Word(root))) = tokens.first().copied() else {
            return Ok((None, 1));
        };
        let mut all = self.loops.iter().rev().chain(&self.known);
        let Some((_, value)) = all.find(|(name, _)| *name == root) else {
            return Err(Problem::new(at, format!("there is no variable `{root}`")).help(self.meant(root)));
        };
        let behind = tokens.get(1..).unwrap_or_default();
        if root == EVENT && !matches!(behind, [(_, Token::Symbol("." | "[")), ..]) {
            return Err(Problem::new(at, "an event is not a text that can be shown")
                .help("name one of its properties, as in `event.query`"));
        }
        let (mut value, mut so_far, mut used) = (value.clone(), root.to_owned(), 1);
        loop {
            let (name, length) = match tokens.get(used..).unwrap_or_default() {
                [(_, Token::Symbol(".")), (_, Token::Word(name)), ..] => (*name, 2),
                [(_, Token::Symbol("[")), (_, Token::Text(name)), (_, Token::Symbol("]")), ..] => (*name, 3),
                [(_, Token::Symbol("[")), rest @ ..] => {
                    if value.as_ref().is_some_and(|value| value.as_array().is_none()) {
                        return Err(Problem::new(at, format!("`{so_far}` is not a list"))
                            .help("only `cart.items`, `viewed` and `related` can be counted through"));
                    }
                    let sign = usize::from(matches!(rest, [(_, Token::Symbol("-")), ..]));
                    used += self.resolve(rest.get(sign..).unwrap_or_default())?.1 + sign + 2;
                    value = value.and_then(|value| field(&value, "first"));
                    so_far.push_str("[…]");
                    continue;
                }
                _ => return Ok((value, used)),
            };
            used += length;
            let Some(known) = &value else { continue };
            let Some(next) = field(known, name) else {
                let there_are = fields(known);
                let problem = Problem::new(at, format!("`{so_far}` has no `{name}`"));
                return Err(if there_are.is_empty() {
                    problem.help(format!("write `{so_far}`"))
                } else {
                    problem.help(instead(name, &there_are.iter().map(String::as_str).collect::<Vec<_>>()))
                });
            };
            value = Some(next);
            so_far = format!("{so_far}.{name}");
        }
    }

    fn meant(&self, name: &str) -> String {
        let mut all = self.loops.iter().chain(&self.known);
        // A bare field name is a frequent slip: `first_name` for `user.first_name`.
        if let Some((owner, _)) =
            all.find(|(_, value)| value.as_ref().is_some_and(|value| field(value, name).is_some()))
        {
            return format!("did you mean `{owner}.{name}`?");
        }
        instead(name, &self.known.iter().chain(&self.loops).map(|(name, _)| *name).collect::<Vec<_>>())
    }
}
