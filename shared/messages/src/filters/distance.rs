//! `distance`: metres as people say them where they live, as in `350 m`, `1,2 km` or `0.7 mi`.

use liquid_core::model::{Value, ValueCow, ValueView};
use liquid_core::{Result, Runtime};

use super::{amount, text_of};
use crate::locale::Words;
use crate::render::Rendering;

/// A mile has 1,609.344 m, a foot 0.3048 m, a yard 0.9144 m (international yard and pound agreement, 1959).
const MILE_MM: u64 = 1_609_344;

/// The countries that count roads in miles, and what is shorter in feet or yards (CLDR, `unitPreferenceData`,
/// `length-road`).
const MILES_AND_FEET: [&str; 4] = ["US", "LR", "PR", "GU"];
const MILES_AND_YARDS: [&str; 1] = ["GB"];

/// Metres in a few words, with the argument as the decimal mark when there is one.
pub(super) fn distance(input: &dyn ValueView, arguments: &[ValueCow<'_>], runtime: &dyn Runtime) -> Result<Value> {
    let metres = amount(input).and_then(|(micros, _)| u64::try_from(micros / 1_000_000).ok());
    let rendering = runtime.registers().get_mut::<Rendering>();
    let words = rendering.locale.words();
    let [metre, kilometre, foot, yard, mile] = words.map_or(["m", "km", "ft", "yd", "mi"], |words: &Words| words.units);
    let mark = text_of(arguments, 0, words.map_or(".", |words| words.decimal_mark));
    let country = rendering.locale.country();
    let is_of = |countries: &[&str]| country.as_deref().is_some_and(|country| countries.contains(&country));
    Ok(metres.map_or(Value::Nil, |metres| {
        let millimetres = metres.saturating_mul(1_000);
        Value::scalar(if is_of(&MILES_AND_FEET) || is_of(&MILES_AND_YARDS) {
            let tenths = millimetres.saturating_mul(10).saturating_add(MILE_MM / 2) / MILE_MM;
            match tenths {
                // Below a tenth and a half, in steps of fifty feet or ten yards: nobody's position is known better.
                0..=1 if is_of(&MILES_AND_YARDS) => format!("{} {yard}", (millimetres + 4_572) / 9_144 * 10),
                0..=1 => format!("{} {foot}", (millimetres + 7_620) / 15_240 * 50),
                2..=99 => format!("{}{mark}{} {mile}", tenths / 10, tenths % 10),
                _ => format!("{} {mile}", tenths.saturating_add(5) / 10),
            }
        } else {
            match metres {
                // Nobody's position is known better than to ten metres.
                0..=994 => format!("{} {metre}", (metres + 5) / 10 * 10),
                995..=9_949 => format!("{}{mark}{} {kilometre}", (metres + 50) / 1_000, (metres + 50) / 100 % 10),
                _ => format!("{} {kilometre}", metres.saturating_add(500) / 1_000),
            }
        })
    }))
}
