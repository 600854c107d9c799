//! Runs a template over the data of one message, within its limits.

use kairos_engine::bounds::{RENDERED_BYTES_MAX, TEMPLATE_ITERATIONS_MAX, TEMPLATE_WORK_BYTES_MAX};
use kairos_engine::mailbox::MessageData;

use crate::escape::write_value;
use crate::syntax::{For, Node, Operand, Over, Path, Pipeline, Test};
use crate::value::Value;

/// The limit at which a rendering was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Size,
    Iterations,
    Work,
}

/// Text that stops growing at its limit, while it is written and not afterwards.
pub(crate) struct Output {
    text: String,
}

impl Output {
    pub(crate) fn push(&mut self, text: &str) -> Result<(), Fault> {
        if self.text.len() + text.len() > RENDERED_BYTES_MAX {
            return Err(Fault::Size);
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// What a rendering may still read and write on the way.
pub(crate) struct Work {
    bytes_left: usize,
}

impl Work {
    /// Pays for a text of this length.
    pub(crate) fn text(&mut self, length: usize) -> Result<(), Fault> {
        self.bytes_left = self.bytes_left.checked_sub(length).ok_or(Fault::Work)?;
        Ok(())
    }

    /// A text that pays for itself as it grows.
    pub(crate) fn builder(&mut self) -> Builder<'_> {
        Builder { output: Output { text: String::new() }, work: self }
    }
}

pub(crate) struct Builder<'w> {
    output: Output,
    work: &'w mut Work,
}

impl Builder<'_> {
    pub(crate) fn push(&mut self, text: &str) -> Result<(), Fault> {
        self.work.text(text.len())?;
        self.output.push(text)
    }

    pub(crate) fn finish(self) -> String {
        self.output.text
    }
}

/// Renders nodes over data.
pub(crate) fn render(nodes: &[Node], data: &MessageData) -> Result<String, Fault> {
    let mut rendering = Rendering {
        data,
        variables: Vec::new(),
        output: Output { text: String::new() },
        iterations_left: TEMPLATE_ITERATIONS_MAX,
        work: Work { bytes_left: TEMPLATE_WORK_BYTES_MAX },
    };
    rendering.nodes(nodes)?;
    Ok(rendering.output.text)
}

struct Rendering<'a> {
    data: &'a MessageData,
    /// Assigned names and the names of the loops under way.
    variables: Vec<(&'a str, Value<'a>)>,
    output: Output,
    /// One budget for all loops of a rendering, so that nesting multiplies nothing.
    iterations_left: usize,
    work: Work,
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Rendering<'a> {
    fn nodes(&mut self, nodes: &'a [Node]) -> Result<Flow, Fault> {
        for node in nodes {
            let flow = match node {
                Node::Text { text, .. } => {
                    self.output.push(text)?;
                    Flow::On
                }
                Node::Output { value, place, .. } => {
                    let value = self.pipeline(value)?;
                    write_value(&value.text(), *place, &mut self.output)?;
                    Flow::On
                }
                Node::Assign { name, value } => {
                    let value = self.pipeline(value)?;
                    self.set(name, value);
                    Flow::On
                }
                Node::If { branches, otherwise, .. } => {
                    let mut taken = otherwise.as_slice();
                    for (test, body) in branches {
                        if self.holds(test)? {
                            taken = body;
                            break;
                        }
                    }
                    self.nodes(taken)?
                }
                Node::For(each) => {
                    self.each(each)?;
                    Flow::On
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn each(&mut self, each: &'a For) -> Result<(), Fault> {
        // Positions are counted, never spelled out: a range of a billion costs nothing until it runs.
        let (length, items, start) = match &each.over {
            Over::List(path) => match self.path(path) {
                Value::Items(items) => (items.len(), Some(items), 0),
                _ => (0, None, 0),
            },
            Over::Range(from, to) => {
                let (from, to) = (self.whole(from)?, self.whole(to)?);
                match from.zip(to) {
                    Some((from, to)) if to >= from => {
                        (usize::try_from(to - from + 1).unwrap_or(usize::MAX), None, from)
                    }
                    _ => (0, None, 0),
                }
            }
        };
        let offset = match &each.offset {
            Some(offset) => self.count(offset)?.unwrap_or(0).min(length),
            None => 0,
        };
        let left = length - offset;
        let limit = match &each.limit {
            Some(limit) => self.count(limit)?.unwrap_or(left).min(left),
            None => left,
        };
        if limit == 0 {
            self.nodes(&each.otherwise)?;
            return Ok(());
        }
        let mark = self.variables.len();
        for index0 in 0..limit {
            self.iterations_left = self.iterations_left.checked_sub(1).ok_or(Fault::Iterations)?;
            let position = offset + if each.reversed { limit - 1 - index0 } else { index0 };
            let value = match items {
                Some(items) => Value::Item(&items[position]),
                None => Value::Number(
                    i64::try_from(position).unwrap_or(i64::MAX).saturating_add(start).saturating_mul(1_000_000),
                ),
            };
            // Inserted at the mark, because names assigned in the body come behind and stay.
            let names = [(each.name.as_str(), value), ("forloop", Value::Loop { index0, length: limit })];
            self.variables.splice(mark..mark, names);
            let flow = self.nodes(&each.body)?;
            self.variables.drain(mark..mark + 2);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &'a str, value: Value<'a>) {
        match self.variables.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.variables.push((name, value)),
        }
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline) -> Result<Value<'a>, Fault> {
        let mut value = self.operand(&pipeline.start)?;
        for (filter, arguments) in &pipeline.filters {
            let arguments = arguments.iter().map(|argument| self.operand(argument)).collect::<Result<Vec<_>, _>>()?;
            value = filter.apply(value, &arguments, &mut self.work)?;
        }
        Ok(value)
    }

    fn holds(&mut self, test: &'a Test) -> Result<bool, Fault> {
        match test {
            Test::All(tests) => {
                for test in tests {
                    if !self.holds(test)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Any(tests) => {
                for test in tests {
                    if self.holds(test)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::Not(test) => Ok(!self.holds(test)?),
            Test::Truthy(operand) => Ok(self.operand(operand)?.is_truthy()),
            Test::Compare(left, comparison, right) => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                self.work.text(left.text().len() + right.text().len())?;
                Ok(left.compares(*comparison, &right))
            }
        }
    }

    fn whole(&mut self, operand: &'a Operand) -> Result<Option<i64>, Fault> {
        Ok(self.operand(operand)?.amount().map(|micros| micros.div_euclid(1_000_000)))
    }

    fn count(&mut self, operand: &'a Operand) -> Result<Option<usize>, Fault> {
        Ok(self.whole(operand)?.map(|whole| usize::try_from(whole).unwrap_or(0)))
    }

    fn operand(&mut self, operand: &'a Operand) -> Result<Value<'a>, Fault> {
        Ok(match operand {
            Operand::Nil => Value::Nil,
            Operand::Empty => Value::Empty,
            Operand::Flag(flag) => Value::Flag(*flag),
            Operand::Number(micros) => Value::Number(*micros),
            Operand::Text(text) => Value::Text(text.as_str().into()),
            Operand::Path(path) => {
                let value = self.path(path);
                if let Value::Text(std::borrow::Cow::Owned(text)) = &value {
                    // An assigned text was copied.
                    self.work.text(text.len())?;
                }
                value
            }
        })
    }

    fn path(&self, path: &'a Path) -> Value<'a> {
        let variable = self.variables.iter().rev().find(|(name, _)| *name == path.root).map(|(_, value)| value.clone());
        let root = variable.or_else(|| Value::root(self.data, &path.root)).unwrap_or(Value::Nil);
        path.keys.iter().fold(root, Value::get)
    }
}
