//! Content blocks: parts that messages share, included with `{% render 'NAME', product: item %}`.
//!
//! They are written into the templates when a playbook is compiled, so that what is in force is whole: whoever looks
//! for what a message shows, where its values stand or how long it becomes, finds it in one text. In it, a block stands
//! between `{% scope product: item %}` and `{% endscope %}`, which only this module writes. A block is escaped for what it
//! stands in, and sees its parameters and what every template sees, but no name of the template around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kairos_engine::bounds::{BLOCK_DEPTH_MAX, BLOCK_PARAMETERS_MAX, TEMPLATE_SOURCE_BYTES_MAX};

use crate::problem::{Problem, TemplateProblem, instead};
use crate::scan::{Piece, Token, pieces, tokens};

/// A content block in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it comes from, for messages about it.
    pub file: String,
    /// What it says, as a Liquid template.
    pub source: String,
}

/// The content blocks of a playbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// By name and language; the empty language is that of all others.
    by_name: Arc<BTreeMap<String, BTreeMap<String, Block>>>,
}

impl Blocks {
    /// These blocks, by name and language (lower-case BCP 47 tag, empty for all others).
    pub fn new(by_name: BTreeMap<String, BTreeMap<String, Block>>) -> Self {
        Self { by_name: Arc::new(by_name) }
    }

    /// The block in a language: that language, its base (`pt-br` → `pt`), the one for all.
    fn get(&self, name: &str, language: &str) -> Option<&Block> {
        let languages = self.by_name.get(name)?;
        let base = language.split('-').next().unwrap_or_default();
        [language, base, ""].into_iter().find_map(|language| languages.get(language))
    }

    /// A template with the blocks that it includes, in a language.
    ///
    /// # Errors
    /// What is wrong with the inclusions, each with the place in its file: unknown blocks, circles, too many of them.
    pub fn whole(&self, source: &str, language: &str) -> Result<Whole, Misplaced> {
        let mut whole = Whole { source: String::with_capacity(source.len()), stretches: Vec::new(), names: Vec::new() };
        Inclusion { blocks: self, language, around: Vec::new() }.write(source, &mut whole)?;
        Ok(whole)
    }
}

/// A problem, and the block in whose file it is: none for the template itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// The block.
    pub block: Option<Block>,
    /// What is wrong there.
    pub problem: TemplateProblem,
}

/// A template with its blocks written into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The text.
    pub source: String,
    /// The names of the blocks in it.
    pub names: Vec<String>,
    stretches: Vec<Stretch>,
}

/// Where a stretch of the whole comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    /// Where it begins in the whole, in bytes.
    start: usize,
    /// The block that it is from, with its text.
    block: Option<Block>,
    /// Where it begins there, in bytes.
    at: usize,
    /// Whether it was written for what stands there, and so has no places of its own.
    is_written: bool,
}

impl Whole {
    /// Where a place of the whole comes from: the block when it is in one, line and column.
    pub fn origin(&self, template: &str, line: usize, column: usize) -> (Option<Block>, usize, usize) {
        let before: usize = self.source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let in_line = self.source[before..].chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>();
        let offset = before + in_line;
        let Some(stretch) = self.stretches.iter().rev().find(|stretch| stretch.start <= offset) else {
            return (None, line, column);
        };
        let at = if stretch.is_written { stretch.at } else { stretch.at + offset - stretch.start };
        let text = stretch.block.as_ref().map_or(template, |block| &block.source);
        let place = Problem::new(at, "").located(text);
        (stretch.block.clone(), place.line, place.column)
    }
}

struct Inclusion<'b> {
    blocks: &'b Blocks,
    language: &'b str,
    /// The blocks around what is being written, the outermost first.
    around: Vec<(&'b str, &'b Block)>,
}

impl<'b> Inclusion<'b> {
    fn write(&mut self, source: &str, whole: &mut Whole) -> Result<(), Misplaced> {
        let block = self.around.last().map(|(_, block)| (*block).clone());
        let misplaced = |problem: Problem| Misplaced { block: block.clone(), problem: problem.located(source) };
        let mut copied = 0;
        // A template that cannot be taken apart is told about by the check of the whole.
        for piece in pieces(source).unwrap_or_default() {
            let Piece::Tag { at, name, arguments } = piece else { continue };
            if matches!(name, "scope" | "endscope") {
                return Err(misplaced(
                    Problem::new(at, format!("there is no tag `{name}`"))
                        .help("remove it; blocks are included with `render`"),
                ));
            }
            if name != "render" {
                continue;
            }
            let (included, parameters) = self.included(at, name, arguments).map_err(misplaced)?;
            let start = source[..at].rfind("{%").expect("a tag begins with it");
            let behind = at + name.len() + arguments.len();
            let end = behind + source[behind..].find("%}").expect("a tag ends with it") + 2;
            let (trims_before, trims_behind) = (&source[start + 2..=start + 2] == "-", source[..end].ends_with("-%}"));
            self.stretch(whole, &block, copied, false);
            whole.source.push_str(&source[copied..start]);
            self.stretch(whole, &block, at, true);
            let dash = |trims: bool| if trims { "-" } else { "" };
            whole.source.push_str(&format!("{{%{} scope {parameters} %}}", dash(trims_before)));
            self.around.push(included);
            self.write(&included.1.source, whole)?;
            self.around.pop();
            self.stretch(whole, &block, at, true);
            whole.source.push_str(&format!("{{% endscope {}%}}", dash(trims_behind)));
            if !whole.names.iter().any(|known| known == included.0) {
                whole.names.push(included.0.to_owned());
            }
            if whole.source.len() > TEMPLATE_SOURCE_BYTES_MAX {
                return Err(misplaced(
                    Problem::new(
                        at,
                        format!("with its blocks, this template is longer than {TEMPLATE_SOURCE_BYTES_MAX} bytes"),
                    )
                    .help("include less, or shorten the blocks"),
                ));
            }
            copied = end;
        }
        self.stretch(whole, &block, copied, false);
        whole.source.push_str(&source[copied..]);
        Ok(())
    }

    fn stretch(&self, whole: &mut Whole, block: &Option<Block>, at: usize, is_written: bool) {
        whole.stretches.push(Stretch { start: whole.source.len(), block: block.clone(), at, is_written });
    }

    /// The block that a tag names, and what it hands over.
    fn included<'s>(
        &self,
        at: usize,
        name: &str,
        arguments: &'s str,
    ) -> Result<((&'b str, &'b Block), &'s str), Problem> {
        let usage = "write `{% render 'NAME' %}`, or `{% render 'NAME', product: item %}`";
        let begins = at + name.len();
        let words = tokens(arguments, begins);
        let Some((at, Token::Text(wanted))) = words.first().copied() else {
            return Err(Problem::new(at, "`render` needs the name of a block in quotes").help(usage));
        };
        let by_name = &self.blocks.by_name;
        let Some((found, _)) = by_name.get_key_value(wanted) else {
            let names: Vec<_> = by_name.keys().map(String::as_str).collect();
            let help = if names.is_empty() {
                format!("put a file `{wanted}.liquid` into messages/blocks/")
            } else {
                instead(wanted, &names)
            };
            return Err(Problem::new(at, format!("there is no block `{wanted}`")).help(help));
        };
        let Some(block) = self.blocks.get(found, self.language) else {
            let language = self.language;
            return Err(Problem::new(at, format!("the block `{wanted}` is not there in `{language}`")).help(format!(
                "write messages/blocks/{wanted}.{language}.liquid, or {wanted}.liquid for all languages"
            )));
        };
        if self.around.iter().any(|(name, _)| *name == found) {
            let circle: Vec<_> = self.around.iter().map(|(name, _)| format!("`{name}`")).collect();
            return Err(Problem::new(
                at,
                format!("the block `{wanted}` includes itself, through {}", circle.join(", ")),
            )
            .help("take one of the inclusions out"));
        }
        if self.around.len() >= BLOCK_DEPTH_MAX {
            return Err(Problem::new(at, format!("these blocks include each other more than {BLOCK_DEPTH_MAX} deep"))
                .help("include the inner one directly"));
        }
        let parameters = words.split(|(_, token)| *token == Token::Symbol(",")).skip(1);
        for (count, parameter) in parameters.enumerate() {
            let [(at, Token::Word(_)), (_, Token::Symbol(":")), _, ..] = parameter else {
                return Err(Problem::new(at, "this is not how a block gets its parameters").help(usage));
            };
            if count >= BLOCK_PARAMETERS_MAX {
                return Err(Problem::new(*at, format!("a block gets at most {BLOCK_PARAMETERS_MAX} parameters"))
                    .help("hand over a product instead of its parts"));
            }
        }
        match words.get(1) {
            None => Ok(((found, block), "")),
            Some((comma, Token::Symbol(","))) => Ok(((found, block), arguments[comma + 1 - begins..].trim())),
            Some((at, _)) => Err(Problem::new(*at, "this is not how a block gets its parameters").help(usage)),
        }
    }
}
