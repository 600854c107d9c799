//! Checks what a template names: variables, filters, tags, and how its blocks stand in each other.
//! What is left, the order of words in a tag, is the library's to check.

use kairos_engine::bounds::TEMPLATE_DEPTH_MAX;
use liquid_core::model::{Value, ValueView};

use crate::Setting;
use crate::data::samples;
use crate::filters::date::{FORMATS, NotWritten, civil, written};
use crate::filters::plural::{CATEGORIES, needed};
use crate::filters::{FILTERS, amount};
use crate::names::{Names, Sample};
use crate::problem::{Problem, instead};
use crate::scan::{Piece, Token, tokens};

const TAGS: &str =
    "assign break case comment continue else elsif endcase endfor endif endunless for if raw render unless when";
/// The longest numbers that are taken: all of them fit into what the library reads them into.
const DIGITS_MAX: usize = 15;
const BRACKETS_DEPTH_MAX: usize = 3;

/// Everything that is wrong with the names of a template.
pub(crate) fn problems<'s>(pieces: &[Piece<'s>], setting: &'s Setting) -> Vec<Problem> {
    let mut check = Check { setting, names: Names::new(), blocks: Vec::new(), problems: Vec::new() };
    for piece in pieces {
        let result = match *piece {
            Piece::Text { .. } => Ok(()),
            Piece::Output { at, inner } => {
                let tokens = tokens(inner, at);
                within_limits(&tokens).and_then(|()| check.output(&tokens, at))
            }
            Piece::Tag { at, name, arguments } => {
                let tokens = tokens(arguments, at + name.len());
                within_limits(&tokens).and_then(|()| check.tag(name, &tokens, at))
            }
        };
        check.problems.extend(result.err());
        if check.blocks.iter().map(|block| block.depth).sum::<usize>() > TEMPLATE_DEPTH_MAX {
            let at = check.blocks.last().map_or(0, |block| block.at);
            check.problems.push(
                Problem::new(at, format!("this is nested deeper than {TEMPLATE_DEPTH_MAX} blocks"))
                    .help("use `and`, or `case` for many `elsif`"),
            );
            return check.problems;
        }
    }
    // An end that belongs to nothing was told already: one slip is one problem.
    if let (Some(block), true) = (check.blocks.last(), check.problems.is_empty()) {
        check.problems.push(
            Problem::new(block.at, format!("`{{% {} %}}` is never closed", block.name))
                .help(format!("write `{{% end{} %}}` where it ends", block.name)),
        );
    }
    check.problems
}

struct Block<'s> {
    name: &'s str,
    at: usize,
    depth: usize,
}

struct Check<'s> {
    setting: &'s Setting,
    names: Names<'s>,
    blocks: Vec<Block<'s>>,
    problems: Vec<Problem>,
}

type Tokens<'t, 's> = &'t [(usize, Token<'s>)];

impl<'s> Check<'s> {
    fn output(&mut self, tokens: Tokens<'_, 's>, at: usize) -> Result<(), Problem> {
        let Some((at, _)) = tokens.first() else {
            return Err(Problem::new(at, "a value is missing here")
                .help("name one, as in `user.first_name`, or write a text in quotes"));
        };
        match self.chain(tokens)? {
            Some(value) if value.as_scalar().is_none() => {
                Err(Problem::new(*at, "this is not a text that can be shown")
                    .help("name a part of it, as in `cart.items.first.name`"))
            }
            _ => Ok(()),
        }
    }

    fn tag(&mut self, name: &'s str, tokens: Tokens<'_, 's>, at: usize) -> Result<(), Problem> {
        match name {
            "if" | "unless" | "case" => {
                self.blocks.push(Block { name, at, depth: 1 });
                self.values(tokens).map(drop)
            }
            "elsif" | "when" | "else" => {
                let block = self.blocks.last_mut().filter(|block| match name {
                    "elsif" => block.name == "if",
                    "when" => block.name == "case",
                    _ => true,
                });
                // The library reads `elsif` as a block in the block.
                block.ok_or_else(|| nothing_open(name, at))?.depth += usize::from(name == "elsif");
                self.values(tokens).map(drop)
            }
            "endif" | "endunless" | "endcase" | "endfor" | "endscope" => {
                self.blocks.pop_if(|block| block.name == &name[3..]).ok_or_else(|| nothing_open(name, at))?;
                match name {
                    "endfor" => self.names.end_loop(),
                    "endscope" => self.names.end_scope(),
                    _ => {}
                }
                Ok(())
            }
            "scope" => {
                self.blocks.push(Block { name, at, depth: 1 });
                let mut parameters = Vec::new();
                let mut result = Ok(());
                for parameter in tokens.split(|(_, token)| *token == Token::Symbol(",")) {
                    if let [(_, Token::Word(name)), _, value @ ..] = parameter {
                        let sample = self.values(value);
                        // Known even when its value is wrong: one slip is one problem.
                        parameters.push((*name, sample.as_ref().ok().cloned().flatten()));
                        result = result.and(sample.map(drop));
                    }
                }
                self.names.begin_scope(parameters);
                result
            }
            "for" => {
                self.blocks.push(Block { name, at, depth: 1 });
                let (name, list) = self.new_name(tokens, Token::Word("in"), at)?;
                let item = match list.first() {
                    Some((_, Token::Symbol("("))) => Some(Value::scalar(1)),
                    _ => match self.names.resolve(list)?.0 {
                        None => None,
                        Some(Value::Array(items)) => items.first().cloned(),
                        Some(_) => {
                            return Err(Problem::new(at, "this loop does not go through a list")
                                .help("go through `cart.items`, `viewed` or `related`, or count with `(1..3)`"));
                        }
                    },
                };
                let result = self.values(list);
                self.names.begin_loop(name, item);
                result.map(drop)
            }
            "assign" => {
                let (name, value) = self.new_name(tokens, Token::Symbol("="), at)?;
                let sample = self.chain(value);
                // Known even when its value is wrong: one slip is one problem.
                self.names.assign(name, sample.as_ref().ok().cloned().flatten());
                sample.map(drop)
            }
            "break" | "continue" if self.names.is_in_loop() => Ok(()),
            "break" | "continue" => {
                Err(Problem::new(at, format!("`{name}` stands outside of a loop")).help("remove it"))
            }
            _ => Err(Problem::new(at, format!("there is no tag `{name}`")).help(match name {
                "capture" => "build texts with `assign` and the filter `append`".into(),
                "include" => "write `{% render 'NAME' %}`, which includes a content block".into(),
                _ => instead(name, &TAGS.split(' ').collect::<Vec<_>>()),
            })),
        }
    }

    /// The name that a tag gives, and what stands behind the word or symbol that follows.
    fn new_name<'t>(
        &self,
        tokens: Tokens<'t, 's>,
        follows: Token<'_>,
        at: usize,
    ) -> Result<(&'s str, Tokens<'t, 's>), Problem> {
        match tokens {
            [(at, Token::Word(name)), ..] if self.names.is_fixed(name) => {
                Err(Problem::new(*at, format!("`{name}` cannot be changed")).help("choose another name"))
            }
            [(_, Token::Word(name)), (_, next), rest @ ..] if *next == follows => Ok((*name, rest)),
            _ => Err(Problem::new(at, "this is not how a name is given")
                .help("write `{% assign name = value %}` or `{% for item in cart.items %}`")),
        }
    }

    /// Checks a value and its filters; gives an example of what they make.
    fn chain(&mut self, tokens: Tokens<'_, 's>) -> Result<Sample, Problem> {
        let mut groups = tokens.split(|(_, token)| *token == Token::Symbol("|"));
        let first = groups.next().unwrap_or_default();
        let mut value = self.values(first)?;
        let mut is_name = matches!(first, [(_, Token::Text(_))]);
        for group in groups {
            let Some(((at, Token::Word(name)), arguments)) = group.split_first() else {
                return Err(
                    Problem::new(tokens[0].0, "a filter is missing behind `|`").help("name one, as in `| upcase`")
                );
            };
            let Some((_, wanted, _)) = FILTERS.iter().find(|(known, ..)| known == name) else {
                let names: Vec<_> = FILTERS.iter().map(|(known, ..)| *known).collect();
                let help = match *name {
                    "escape" | "escape_once" | "h" => "leave it out: values in HTML are escaped already".into(),
                    "raw" | "safe" => "leave it out: data never becomes markup".into(),
                    "strip_newlines" | "newline_to_br" => "leave it out: values never contain line breaks".into(),
                    _ => instead(name, &names),
                };
                return Err(Problem::new(*at, format!("there is no filter `{name}`")).help(help));
            };
            let commas = arguments.iter().filter(|(_, token)| *token == Token::Symbol(",")).count();
            let given = if arguments.is_empty() { 0 } else { commas + 1 };
            if !wanted.contains(&given) {
                let (least, most) = (wanted.start(), wanted.end());
                let many = if least == most { format!("{least}") } else { format!("{least} to {most}") };
                return Err(Problem::new(*at, format!("`{name}` takes {many} arguments, not {given}"))
                    .help("arguments follow a colon, as in `{{ item.name | truncate: 40 }}`"));
            }
            if *name == "link" && !is_name {
                return Err(Problem::new(*at, "`link` stands directly behind the name of a destination")
                    .help("write the name in quotes, as in `{{ 'showroom' | link }}`"));
            }
            is_name = false;
            let is_text = value.as_ref().is_some_and(|value| amount(value).is_none());
            if is_text && matches!(*name, "distance" | "divided_by" | "minus" | "money" | "plural" | "plus" | "times") {
                return Err(Problem::new(*at, format!("`{name}` needs a number or a price"))
                    .help("use it on a number such as `item.price`, `cart.total` or `store.distance_m`"));
            }
            match *name {
                "plural" => self.plural(*at, arguments)?,
                "date" => self.date(*at, value.as_ref(), arguments)?,
                _ => {
                    self.values(arguments)?;
                }
            }
            value = None;
        }
        Ok(value)
    }

    /// Checks the words of `plural: one: 'item', other: 'items'`: each a category, and all that the language needs.
    fn plural(&mut self, at: usize, arguments: Tokens<'_, 's>) -> Result<(), Problem> {
        let usage = "write each category with its word, as in `plural: one: 'item', other: 'items'`";
        let mut given = Vec::new();
        let colon = arguments.split_first().filter(|((_, token), _)| *token == Token::Symbol(":"));
        let (_, words) = colon.ok_or_else(|| Problem::new(at, "`plural` needs words").help(usage))?;
        for word in words.split(|(_, token)| *token == Token::Symbol(",")) {
            let [(at, Token::Word(category)), (_, Token::Symbol(":")), value @ ..] = word else {
                return Err(Problem::new(at, "this is not how the words of `plural` are given").help(usage));
            };
            if !CATEGORIES.contains(category) {
                return Err(Problem::new(*at, format!("there is no plural category `{category}`"))
                    .help(instead(category, &CATEGORIES)));
            }
            if given.contains(category) {
                return Err(Problem::new(*at, format!("`{category}` stands here twice")).help("keep one of them"));
            }
            given.push(category);
            self.values(value)?;
        }
        let language = &self.setting.language;
        let missing: Vec<_> = needed(language).into_iter().filter(|wanted| !given.contains(wanted)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
        let words: Vec<_> = missing.iter().map(|name| format!("{name}: '…'")).collect();
        Err(Problem::new(at, format!("in `{language}`, `plural` also needs {}", names.join(", ")))
            .help(format!("add `{}`", words.join(", "))))
    }

    /// Checks what `date` is given: a time, and a format that can be written in the language.
    fn date(&mut self, at: usize, value: Option<&Value>, arguments: Tokens<'_, 's>) -> Result<(), Problem> {
        let [(_, found), _] = samples(self.setting);
        if value.is_some_and(|value| civil(value, &found.locale).is_none()) {
            return Err(Problem::new(at, "`date` needs a time")
                .help("use it on a time such as `promo_code.expires_at`, or on `'now'`"));
        }
        let Some((at, Token::Text(format))) = arguments.get(1) else {
            return self.values(arguments).map(drop);
        };
        let there_are = FORMATS.map(|name| format!("`{name}`")).join(", ");
        let help = format!("write {there_are}, or one as `strftime` takes it, such as `'%d.%m.'`");
        match written(jiff::civil::DateTime::constant(2026, 12, 24, 18, 30, 0, 0), format, &found.locale) {
            Ok(_) => Ok(()),
            Err(NotWritten::NoFormat) => {
                Err(Problem::new(*at, format!("`{format}` is no format of `date`")).help(help))
            }
            Err(NotWritten::NoNames) => Err(Problem::new(
                *at,
                format!("the names of days and months in `{}` are not known", self.setting.language),
            )
            .help("write `'short'`, `'time'`, or digits as `strftime` takes them, such as `'%d.%m.%Y'`")),
        }
    }

    /// Checks the values between words and symbols; gives an example of the first.
    fn values(&mut self, tokens: Tokens<'_, 's>) -> Result<Sample, Problem> {
        let mut first = None;
        let mut at = 0;
        while let Some((position, token)) = tokens.get(at) {
            let (value, used) = match token {
                Token::Word("nil" | "null") => {
                    return Err(Problem::new(*position, "here, nothing is an empty text").help("write `blank`"));
                }
                Token::Word(
                    "and" | "or" | "contains" | "limit" | "offset" | "reversed" | "true" | "false" | "empty" | "blank",
                )
                | Token::Symbol(_) => (None, 1),
                Token::Text(text) => (Some(Value::scalar((*text).to_owned())), 1),
                Token::Number(_) => (Some(Value::scalar(1)), 1),
                Token::Word(_) => self.names.resolve(&tokens[at..])?,
            };
            if at == 0 {
                first = value;
            }
            at += used;
        }
        Ok(first)
    }
}

/// The library panics on longer numbers, and recurses into every bracket.
fn within_limits(tokens: Tokens<'_, '_>) -> Result<(), Problem> {
    let mut depth = 0_usize;
    for (at, token) in tokens {
        match token {
            Token::Number(number) if number.len() > DIGITS_MAX => {
                return Err(
                    Problem::new(*at, "this number is too long").help(format!("use at most {DIGITS_MAX} digits"))
                );
            }
            Token::Symbol("[" | "(") => depth += 1,
            Token::Symbol("]" | ")") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > BRACKETS_DEPTH_MAX {
            return Err(Problem::new(*at, "these brackets are nested too deep")
                .help("give the inner value a name before, with `assign`"));
        }
    }
    Ok(())
}

fn nothing_open(name: &str, at: usize) -> Problem {
    Problem::new(at, format!("`{{% {name} %}}` belongs to nothing that is open here"))
        .help("remove it, or open its block before")
}
