//! The filters: liquid-lib's where they are exact and bounded, our own where they are not.

pub(crate) mod date;
mod distance;
pub(crate) mod plural;

use core::fmt;
use core::ops::RangeInclusive;

use kairos_engine::bounds::RENDERED_BYTES_MAX;
use kairos_engine::money::{Currency, Micros};
use liquid_core::model::{KStringCow, ScalarCow, Value, ValueCow, ValueView};
use liquid_core::parser::{FilterArguments, FilterReflection, ParameterReflection, PluginRegistry};
use liquid_core::{Expression, Filter, ParseFilter, Result, Runtime};
use liquid_lib::stdlib;

use crate::currency::COMMON;
use crate::data::COMMON_CURRENCY;
use crate::links::{named, untracked};
use crate::render::{Fault, Rendering};

type Make = fn() -> Box<dyn ParseFilter>;

/// Every filter, how many arguments it takes, and how it is made.
pub(crate) const FILTERS: [(&str, RangeInclusive<usize>, Make); 21] = [
    ("append", 1..=1, || stdlib::Append.into()),
    ("capitalize", 0..=0, || stdlib::Capitalize.into()),
    ("date", 0..=1, || Own(date::date).into()),
    ("default", 1..=1, || stdlib::Default.into()),
    // Liquid-lib's arithmetic overflows, and shows 0.1 + 0.2 as 0.30000000000000004.
    ("divided_by", 1..=1, || Own(|input, other, _| calculate(input, other, |l, r| (l * MICROS).checked_div(r))).into()),
    ("distance", 0..=1, || Own(distance::distance).into()),
    ("downcase", 0..=0, || stdlib::Downcase.into()),
    ("link", 0..=0, || Own(link).into()),
    ("minus", 1..=1, || Own(|input, other, _| calculate(input, other, |l, r| Some(l - r))).into()),
    ("money", 0..=1, || Own(money).into()),
    ("plural", 1..=6, || plural::Plural.into()),
    ("plus", 1..=1, || Own(|input, other, _| calculate(input, other, |l, r| Some(l + r))).into()),
    ("prepend", 1..=1, || stdlib::Prepend.into()),
    ("remove", 1..=1, || stdlib::Remove.into()),
    // Liquid-lib's makes room for any result before anybody can look at its length.
    ("replace", 2..=2, || Own(replace).into()),
    ("strip", 0..=0, || stdlib::Strip.into()),
    ("times", 1..=1, || Own(|input, other, _| calculate(input, other, |l, r| Some(l * r / MICROS))).into()),
    // Liquid-lib's counts bytes, so that it marks names beyond ASCII as cut that are not.
    ("truncate", 0..=2, || Own(truncate).into()),
    ("untracked", 0..=0, || Own(|input, _, _| Ok(Value::scalar(untracked(&input.to_kstr())))).into()),
    ("upcase", 0..=0, || stdlib::Upcase.into()),
    ("url_encode", 0..=0, || stdlib::UrlEncode.into()),
];

/// Adds the filters to a language.
pub(crate) fn register(filters: &mut PluginRegistry<Box<dyn ParseFilter>>) {
    for (name, _, make) in FILTERS {
        filters.register(name.to_owned(), Box::new(Bounded(make())));
    }
}

/// A filter that pays for what it makes, and makes nothing of what it cannot work with.
#[derive(Clone)]
struct Bounded(Box<dyn ParseFilter>);

impl ParseFilter for Bounded {
    fn parse(&self, arguments: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        Ok(Box::new(BoundedCall(self.0.parse(arguments)?)))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self.0.reflection()
    }
}

#[derive(Debug)]
struct BoundedCall(Box<dyn Filter>);

impl Filter for BoundedCall {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        let result = self.0.evaluate(input, runtime);
        let mut rendering = runtime.registers().get_mut::<Rendering>();
        match result {
            Ok(value) => {
                let length = value.to_kstr().len();
                if length > RENDERED_BYTES_MAX {
                    return Err(rendering.stop(Fault::Size));
                }
                rendering.pay(length)?;
                Ok(value)
            }
            // A text to be multiplied, a division by zero: as in every Liquid, the message goes on.
            Err(_) if rendering.fault.is_none() => Ok(Value::Nil),
            Err(error) => Err(error),
        }
    }
}

type Apply = fn(&dyn ValueView, &[ValueCow<'_>], &dyn Runtime) -> Result<Value>;

/// A filter of our own.
#[derive(Clone, Copy)]
struct Own(Apply);

impl ParseFilter for Own {
    fn parse(&self, arguments: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        Ok(Box::new(OwnCall { apply: self.0, arguments: arguments.positional.collect() }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

impl FilterReflection for Own {
    fn name(&self) -> &str {
        "filter"
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
struct OwnCall {
    apply: Apply,
    arguments: Vec<Expression>,
}

impl Filter for OwnCall {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        let arguments = self.arguments.iter().map(|argument| argument.evaluate(runtime)).collect::<Result<Vec<_>>>()?;
        (self.apply)(input, &arguments, runtime)
    }
}

// The library shows filters in its own messages, which we do not show.
macro_rules! shown_as_filter {
    ($($call:ty),*) => { $(
        impl fmt::Display for $call {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("filter")
            }
        }
    )* };
}
shown_as_filter!(BoundedCall, OwnCall);

const MICROS: i128 = 1_000_000;

/// A number in millionths, and whether it is a whole one.
pub(crate) fn amount(value: &dyn ValueView) -> Option<(i64, bool)> {
    let scalar = value.as_scalar()?;
    if let Some(whole) = scalar.to_integer() {
        return Some((whole.checked_mul(1_000_000)?, true));
    }
    let micros = (scalar.to_float()? * 1e6).round();
    // Beyond this, a floating-point number has no millionths any more.
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number below 2^53")]
    (micros.abs() < 9e15).then_some((micros as i64, false))
}

/// A number from millionths.
#[expect(clippy::cast_precision_loss, reason = "amounts of money stay below 2^53 millionths")]
pub(crate) fn number(micros: i64) -> Value {
    Value::scalar(micros as f64 / 1e6)
}

/// Exact, in millionths; nothing when it cannot be told (a text, a division by zero, too large).
fn calculate(
    input: &dyn ValueView,
    arguments: &[ValueCow<'_>],
    operation: fn(i128, i128) -> Option<i128>,
) -> Result<Value> {
    let result = || {
        let (left, left_whole) = amount(input)?;
        let (right, right_whole) = amount(arguments.first()?.as_view())?;
        let result = i64::try_from(operation(i128::from(left), i128::from(right))?).ok()?;
        // As in every Liquid, whole numbers stay whole: 10 divided by 4 is 2.
        Some(if left_whole && right_whole { Value::scalar(result.div_euclid(1_000_000)) } else { number(result) })
    };
    Ok(result().unwrap_or(Value::Nil))
}

fn text_of<'v>(arguments: &'v [ValueCow<'_>], at: usize, otherwise: &'static str) -> KStringCow<'v> {
    arguments.get(at).map_or(otherwise.into(), |argument| argument.as_view().to_kstr())
}

fn replace(input: &dyn ValueView, arguments: &[ValueCow<'_>], runtime: &dyn Runtime) -> Result<Value> {
    let (input, wanted, other) = (input.to_kstr(), text_of(arguments, 0, ""), text_of(arguments, 1, ""));
    if wanted.is_empty() {
        return Ok(Value::scalar(input.into_owned()));
    }
    if input.len() + input.matches(wanted.as_str()).count() * other.len() > RENDERED_BYTES_MAX {
        return Err(runtime.registers().get_mut::<Rendering>().stop(Fault::Size));
    }
    Ok(Value::scalar(input.replace(wanted.as_str(), other.as_str())))
}

fn truncate(input: &dyn ValueView, arguments: &[ValueCow<'_>], _: &dyn Runtime) -> Result<Value> {
    let text = input.to_kstr();
    let chars_max = arguments.first().map_or(Some(50), |length| length.as_scalar()?.to_integer());
    let chars_max = chars_max.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if text.chars().nth(chars_max).is_none() {
        return Ok(Value::scalar(text.into_owned()));
    }
    let ellipsis = text_of(arguments, 1, "...");
    let kept = chars_max.saturating_sub(ellipsis.chars().count());
    Ok(Value::scalar(text.chars().take(kept).chain(ellipsis.chars()).collect::<String>()))
}

/// An amount with its currency, as in `35.79 EUR`: as many decimals as ISO 4217 gives the currency, with the
/// argument of the template as the decimal mark when there is one. The first argument here is the currency that
/// stands beside the price ([`crate::currency::told`]); without one, the one that all prices of the message are
/// in; without that, none is shown.
fn money(input: &dyn ValueView, arguments: &[ValueCow<'_>], runtime: &dyn Runtime) -> Result<Value> {
    let Some((micros, _)) = amount(input) else {
        return Ok(Value::Nil);
    };
    let beside = text_of(arguments, 0, COMMON);
    let currency = if beside == COMMON {
        let common = runtime.try_get(&[ScalarCow::new(COMMON_CURRENCY)]);
        common.and_then(|currency| Currency::parse(&currency.as_view().to_kstr()))
    } else {
        Currency::parse(&beside)
    };
    let amount = match currency.as_ref().map(Currency::as_str) {
        // ISO 4217, currencies without a minor unit.
        Some(
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF",
        ) => {
            let units = (micros.unsigned_abs() + 500_000) / 1_000_000;
            format!("{}{units}", if micros < 0 && units > 0 { "-" } else { "" })
        }
        // ISO 4217, currencies with a thousandth.
        Some("BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND") => {
            let thousandths = (micros.unsigned_abs() + 500) / 1_000;
            let sign = if micros < 0 && thousandths > 0 { "-" } else { "" };
            format!("{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000)
        }
        _ => Micros::new(micros).to_string(),
    };
    let mark = text_of(arguments, 1, "");
    let amount = if mark.is_empty() { amount } else { amount.replace('.', &mark) };
    Ok(Value::scalar(match currency {
        Some(currency) => format!("{amount} {}", currency.as_str()),
        None => amount,
    }))
}

/// The link to a destination of the playbook, by its name.
fn link(input: &dyn ValueView, _: &[ValueCow<'_>], _: &dyn Runtime) -> Result<Value> {
    Ok(Value::scalar(named(&input.to_kstr())))
}
