//! The tags of our own: texts, escaped outputs, a `for` that counts before it runs, and what content blocks stand in.

use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

use liquid_core::error::ResultLiquidReplaceExt;
use liquid_core::model::{KString, KStringRef, Value, ValueCow, ValueView};
use liquid_core::parser::{BlockElement, FilterChain, TagToken, TryMatchToken};
use liquid_core::runtime::{GlobalFrame, Interrupt, InterruptRegister, StackFrame};
use liquid_core::{
    BlockReflection, Expression, Language, ParseBlock, ParseTag, Renderable, Result, Runtime, TagBlock, TagReflection,
    TagTokenIter, Template,
};
use liquid_lib::stdlib::{self, ForloopObject, RangeExpression};

use crate::escape::{Place, escaped};
use crate::filters::{self, amount};
use crate::render::{Lenient, Rendering};

/// What the library may read: nothing that is not listed here.
pub(crate) fn language() -> Language {
    let mut language = Language::empty();
    language.blocks.register("if".into(), stdlib::IfBlock.into());
    language.blocks.register("unless".into(), stdlib::UnlessBlock.into());
    language.blocks.register("case".into(), stdlib::CaseBlock.into());
    language.blocks.register("for".into(), ForBlock.into());
    language.blocks.register("scope".into(), ScopeBlock.into());
    language.tags.register("assign".into(), stdlib::AssignTag.into());
    language.tags.register("break".into(), stdlib::BreakTag.into());
    language.tags.register("continue".into(), stdlib::ContinueTag.into());
    let places = [Place::Text, Place::Html, Place::HtmlLink, Place::JsonText, Place::Json];
    for shown in [Shown::Text].into_iter().chain(places.map(Shown::Value)) {
        language.tags.register(shown.tag().into(), shown.into());
    }
    filters::register(&mut language.filters);
    language
}

/// What stands between the other tags.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    /// `{% text 3 %}`: the template's fourth text.
    Text,
    /// `{% html value | filter %}`: a value, escaped for its place.
    Value(Place),
}

impl TagReflection for Shown {
    fn tag(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::Value(Place::Text) => "plain",
            Self::Value(Place::Html) => "html",
            Self::Value(Place::HtmlLink) => "link",
            Self::Value(Place::JsonText) => "quoted",
            Self::Value(Place::Json) => "json",
        }
    }

    fn description(&self) -> &str {
        ""
    }
}

impl ParseTag for Shown {
    fn parse(&self, mut arguments: TagTokenIter<'_>, options: &Language) -> Result<Box<dyn Renderable>> {
        let chain = arguments.expect_next("value expected")?.expect_filter_chain(options).into_result()?;
        arguments.expect_nothing()?;
        Ok(Box::new(Output { chain, shown: *self }))
    }

    fn reflection(&self) -> &dyn TagReflection {
        self
    }
}

#[derive(Debug)]
struct Output {
    chain: FilterChain,
    shown: Shown,
}

impl Renderable for Output {
    fn render_to(&self, writer: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        let value = self.chain.evaluate(runtime)?;
        let Some(value) = value.as_view().as_scalar() else {
            return Ok(());
        };
        let mut rendering = runtime.registers().get_mut::<Rendering>();
        match self.shown {
            Shown::Text => {
                let number = value.to_integer().and_then(|number| usize::try_from(number).ok());
                let text = number.and_then(|number| rendering.texts.get(number)).map_or("", String::as_str);
                writer.write_all(text.as_bytes())
            }
            Shown::Value(place) => {
                let text = value.to_kstr();
                rendering.pay(text.len() + 1)?;
                // What JSON writes without quotes; infinity and what is not a number it does not know.
                let is_bare = match value.type_name() {
                    "whole number" | "boolean" => true,
                    "fractional number" => value.to_float().is_some_and(f64::is_finite),
                    _ => false,
                };
                match place {
                    Place::Json if is_bare => writer.write_all(text.as_bytes()),
                    place => writer.write_all(escaped(&text, place).as_bytes()),
                }
            }
        }
        .replace("the text became too long")
    }
}

/// `{% for item in cart.items limit: 3 offset: 1 reversed %}`, with one budget for all loops.
#[derive(Clone, Copy)]
struct ForBlock;

impl BlockReflection for ForBlock {
    fn start_tag(&self) -> &str {
        "for"
    }

    fn end_tag(&self) -> &str {
        "endfor"
    }

    fn description(&self) -> &str {
        ""
    }
}

impl ParseBlock for ForBlock {
    fn parse(
        &self,
        mut arguments: TagTokenIter<'_>,
        mut tokens: TagBlock<'_, '_>,
        options: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let name = arguments.expect_next("name expected")?.expect_identifier().into_result()?;
        arguments.expect_next("`in` expected")?.expect_str("in").into_result()?;
        let over = match arguments.expect_next("list or range expected")?.expect_value() {
            TryMatchToken::Matches(list) => RangeExpression::Array(list),
            TryMatchToken::Fails(range) => {
                let (from, to) = range.expect_range().into_result()?;
                RangeExpression::Counted(from, to)
            }
        };
        let mut each = For {
            name: KString::from_ref(name),
            over,
            limit: None,
            offset: None,
            reversed: false,
            body: Template::new(Vec::new()),
            otherwise: Template::new(Vec::new()),
        };
        while let Some(token) = arguments.next() {
            let place = match token.as_str() {
                "limit" => &mut each.limit,
                "offset" => &mut each.offset,
                "reversed" => {
                    each.reversed = true;
                    continue;
                }
                _ => return Err(token.raise_custom_error("`limit`, `offset` or `reversed` expected")),
            };
            arguments.expect_next("`:` expected")?.expect_str(":").into_result()?;
            *place = Some(arguments.expect_next("value expected")?.expect_value().into_result()?);
        }
        let mut body = Vec::new();
        while let Some(element) = tokens.next()? {
            match element {
                BlockElement::Tag(mut tag) if tag.name() == "else" => {
                    tag.tokens().expect_nothing()?;
                    each.otherwise = Template::new(tokens.parse_all(options)?);
                    break;
                }
                element => body.push(element.parse(&mut tokens, options)?),
            }
        }
        each.body = Template::new(body);
        tokens.assert_empty();
        Ok(Box::new(each))
    }

    fn reflection(&self) -> &dyn BlockReflection {
        self
    }
}

#[derive(Debug)]
struct For {
    name: KString,
    over: RangeExpression,
    limit: Option<Expression>,
    offset: Option<Expression>,
    reversed: bool,
    body: Template,
    otherwise: Template,
}

fn whole(expression: &Expression, runtime: &dyn Runtime) -> Result<Option<i64>> {
    Ok(amount(expression.evaluate(runtime)?.as_view()).map(|(micros, _)| micros.div_euclid(1_000_000)))
}

fn count(expression: Option<&Expression>, runtime: &dyn Runtime) -> Result<Option<usize>> {
    let whole = expression.map(|expression| whole(expression, runtime)).transpose()?.flatten();
    Ok(whole.map(|whole| usize::try_from(whole).unwrap_or(0)))
}

impl Renderable for For {
    fn render_to(&self, writer: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        // Positions are counted, never spelled out: a range of a billion costs nothing until it runs.
        let list = match &self.over {
            RangeExpression::Array(list) => Some(list.evaluate(runtime)?),
            RangeExpression::Counted(..) => None,
        };
        let items: Option<Vec<&dyn ValueView>> = list
            .as_ref()
            .map(|list| list.as_view().as_array().map(|array| array.values().collect()).unwrap_or_default());
        let (length, start) = match (&items, &self.over) {
            (None, RangeExpression::Counted(from, to)) => match (whole(from, runtime)?, whole(to, runtime)?) {
                (Some(from), Some(to)) if to >= from => (usize::try_from(to - from + 1).unwrap_or(usize::MAX), from),
                _ => (0, 0),
            },
            (items, _) => (items.as_ref().map_or(0, Vec::len), 0),
        };
        let offset = count(self.offset.as_ref(), runtime)?.unwrap_or(0).min(length);
        let limit = count(self.limit.as_ref(), runtime)?.unwrap_or(length).min(length - offset);
        if limit == 0 {
            return self.otherwise.render_to(writer, runtime);
        }
        for index in 0..limit {
            runtime.registers().get_mut::<Rendering>().iterate()?;
            let position = offset + if self.reversed { limit - 1 - index } else { index };
            let value: ValueCow<'_> = match items.as_ref().and_then(|items| items.get(position)) {
                Some(item) => ValueCow::Borrowed(*item),
                None => Value::scalar(start.saturating_add_unsigned(position as u64)).into(),
            };
            let forloop = ForloopObject::new(index, limit);
            let scope: HashMap<KStringRef<'_>, &dyn ValueView> =
                HashMap::from([("forloop".into(), &forloop as &dyn ValueView), (self.name.as_ref(), value.as_view())]);
            let scope = Lenient(StackFrame::new(runtime, &scope));
            self.body.render_to(writer, &scope)?;
            let interrupt = runtime.registers().get_mut::<InterruptRegister>().reset();
            if interrupt == Some(Interrupt::Break) {
                break;
            }
        }
        Ok(())
    }
}

/// `{% scope product: item %}`: a content block (see `blocks`), which sees its parameters and what every template sees.
#[derive(Clone, Copy)]
struct ScopeBlock;

impl BlockReflection for ScopeBlock {
    fn start_tag(&self) -> &str {
        "scope"
    }

    fn end_tag(&self) -> &str {
        "endscope"
    }

    fn description(&self) -> &str {
        ""
    }
}

impl ParseBlock for ScopeBlock {
    fn parse(
        &self,
        mut arguments: TagTokenIter<'_>,
        mut tokens: TagBlock<'_, '_>,
        options: &Language,
    ) -> Result<Box<dyn Renderable>> {
        let mut parameters = Vec::new();
        while let Some(token) = arguments.next() {
            if !parameters.is_empty() {
                token.expect_str(",").into_result()?;
                parameters.push(parameter(arguments.expect_next("name expected")?, &mut arguments)?);
            } else {
                parameters.push(parameter(token, &mut arguments)?);
            }
        }
        let body = Template::new(tokens.parse_all(options)?);
        tokens.assert_empty();
        Ok(Box::new(Scope { parameters, body }))
    }

    fn reflection(&self) -> &dyn BlockReflection {
        self
    }
}

/// `product: item`, of which the first word is read already.
fn parameter(name: TagToken<'_>, rest: &mut TagTokenIter<'_>) -> Result<(KString, Expression)> {
    let name = KString::from_ref(name.expect_identifier().into_result()?);
    rest.expect_next("`:` expected")?.expect_str(":").into_result()?;
    Ok((name, rest.expect_next("value expected")?.expect_value().into_result()?))
}

#[derive(Debug)]
struct Scope {
    parameters: Vec<(KString, Expression)>,
    body: Template,
}

impl Renderable for Scope {
    fn render_to(&self, writer: &mut dyn Write, runtime: &dyn Runtime) -> Result<()> {
        let values = self.parameters.iter().map(|(name, value)| Ok((name.as_ref(), value.evaluate(runtime)?)));
        let values = values.collect::<Result<Vec<_>>>()?;
        let parameters: HashMap<KStringRef<'_>, &dyn ValueView> =
            values.iter().map(|(name, value)| (*name, value.as_view())).collect();
        // What every template sees, though a block around may have given its name to something else.
        let globals = Rc::clone(&runtime.registers().get_mut::<Rendering>().globals);
        let globals = StackFrame::new(runtime, &*globals);
        // What the block assigns ends with it.
        let scope = Lenient(StackFrame::new(GlobalFrame::new(globals), &parameters));
        self.body.render_to(writer, &scope)
    }
}
