//! `plural`: the word that goes with a number, by the rules of the message's language (CLDR's, from ICU4X).

use core::fmt;
use std::collections::BTreeSet;

use fixed_decimal::Decimal;
use icu_locale_core::Locale as Tag;
use icu_plurals::{PluralCategory, PluralRules, PluralRulesOptions};
use liquid_core::model::{Value, ValueView};
use liquid_core::parser::{FilterArguments, FilterReflection, ParameterReflection};
use liquid_core::{Expression, Filter, ParseFilter, Result, Runtime};

use super::amount;
use crate::render::Rendering;

/// The categories, as templates name them.
pub(crate) const CATEGORIES: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];

/// `{{ cart.items.size }} {{ cart.items.size | plural: one: 'item', other: 'items' }}`
#[derive(Clone, Copy)]
pub(super) struct Plural;

impl ParseFilter for Plural {
    fn parse(&self, arguments: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        Ok(Box::new(Call { words: arguments.keyword.map(|(name, word)| (name.to_owned(), word)).collect() }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

impl FilterReflection for Plural {
    fn name(&self) -> &str {
        "plural"
    }

    fn description(&self) -> &str {
        ""
    }

    fn positional_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }

    fn keyword_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }
}

#[derive(Debug)]
struct Call {
    words: Vec<(String, Expression)>,
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("plural")
    }
}

impl Filter for Call {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        let Some((micros, _)) = amount(input) else {
            return Ok(Value::Nil);
        };
        let category = {
            let rendering = runtime.registers().get_mut::<Rendering>();
            category(&rendering.locale.language, micros)
        };
        let word = |wanted: &str| self.words.iter().find(|(name, _)| name == wanted).map(|(_, word)| word);
        match word(category).or_else(|| word("other")) {
            Some(word) => Ok(word.evaluate(runtime)?.to_value()),
            None => Ok(Value::Nil),
        }
    }
}

/// The rules of a language; those of a language that nobody knows have one category, `other`.
fn rules(language: &str) -> Option<PluralRules> {
    let tag = Tag::try_from_str(language).ok()?;
    PluralRules::try_new(tag.into(), PluralRulesOptions::default()).ok()
}

/// The category of a number in millionths.
fn category(language: &str, micros: i64) -> &'static str {
    let category = rules(language).map_or(PluralCategory::Other, |rules| in_category(&rules, micros));
    name(category)
}

fn in_category(rules: &PluralRules, micros: i64) -> PluralCategory {
    let mut number = Decimal::from(micros);
    number.multiply_pow10(-6);
    number.trim_end();
    rules.category_for(&number)
}

/// The categories that a language needs: those of whole numbers up to a thousand, and `other`, which stands for the rest.
pub(crate) fn needed(language: &str) -> BTreeSet<&'static str> {
    let of_numbers = rules(language).into_iter().flat_map(|rules| {
        let of_numbers: BTreeSet<_> = (0..=1_000_u32).map(|number| name(rules.category_for(number))).collect();
        of_numbers
    });
    of_numbers.chain(["other"]).collect()
}

const fn name(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}
