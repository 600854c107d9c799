//! `date`: a time as the reader's clock shows it, in the language of the message.

use jiff::civil::DateTime;
use kairos_engine::bounds::TEMPLATE_DATE_FORMAT_BYTES_MAX;
use kairos_engine::time::Timestamp;
use liquid_core::model::{Value, ValueCow, ValueView};
use liquid_core::{Result, Runtime};

use super::text_of;
use crate::locale::{Locale, Words};
use crate::render::Rendering;

/// The formats by name, for messages that tell what there is.
pub(crate) const FORMATS: [&str; 4] = ["short", "long", "weekday", "time"];

/// From here on a number counts milliseconds, below it seconds (it is the year 5138).
const SECONDS_MAX: i64 = 100_000_000_000;

/// `{{ promo_code.expires_at | date: 'long' }}`
pub(super) fn date(input: &dyn ValueView, arguments: &[ValueCow<'_>], runtime: &dyn Runtime) -> Result<Value> {
    let format = text_of(arguments, 0, "short");
    let rendering = runtime.registers().get_mut::<Rendering>();
    let said = civil(input, &rendering.locale).and_then(|time| written(time, &format, &rendering.locale).ok());
    Ok(said.map_or(Value::Nil, Value::scalar))
}

/// What the reader's clock shows at a time: one with an offset (`2026-12-24T18:00:00Z`), seconds or milliseconds since
/// 1970, or `now`; without an offset (`2026-12-24`, `2026-12-24 18:00`) it is what the clock shows already.
pub(crate) fn civil(input: &dyn ValueView, locale: &Locale) -> Option<DateTime> {
    let scalar = input.as_scalar()?;
    if let Some(number) = scalar.to_integer() {
        let millis = if number.abs() < SECONDS_MAX { number.checked_mul(1_000)? } else { number };
        // A number of no day at all would be shown as one long ago.
        return (millis > 0).then(|| locale.clock().civil(Timestamp::from_millis(millis)));
    }
    let text = scalar.to_kstr();
    let text = text.trim();
    if matches!(text, "now" | "today") {
        return Some(locale.clock().civil(locale.now?));
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(locale.clock().civil(Timestamp::from_millis(instant.as_millisecond())));
    }
    text.parse().ok()
}

/// Why a time cannot be written in a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// It needs names of days or months, which are not known in the language.
    NoNames,
    /// There is no such format.
    NoFormat,
}

/// A time in one of the [`FORMATS`], or as `strftime` says it.
pub(crate) fn written(time: DateTime, format: &str, locale: &Locale) -> core::result::Result<String, NotWritten> {
    let words = locale.words();
    let named = |pattern: fn(&Words) -> &'static str| words.map(pattern).ok_or(NotWritten::NoNames);
    let pattern = match format {
        "short" => words.map_or("%Y-%m-%d", |words| words.short),
        "long" => named(|words| words.long)?,
        "weekday" => named(|words| words.weekday)?,
        "time" => words.map_or("%H:%M", |words| words.time),
        own if own.contains('%') && own.len() <= TEMPLATE_DATE_FORMAT_BYTES_MAX => own,
        _ => return Err(NotWritten::NoFormat),
    };
    let pattern = with_names(pattern, time, words)?;
    jiff::fmt::strtime::format(&pattern, time).map_err(|_| NotWritten::NoFormat)
}

/// The pattern with the names of its day and month in place of `%A`, `%a`, `%B` and `%b`.
fn with_names(pattern: &str, time: DateTime, words: Option<&Words>) -> core::result::Result<String, NotWritten> {
    let month = usize::from(time.month().unsigned_abs()) - 1;
    let weekday = usize::from(time.weekday().to_monday_zero_offset().unsigned_abs());
    let mut text = String::with_capacity(pattern.len() + 32);
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let directive = characters.next().ok_or(NotWritten::NoFormat)?;
        let name = |name: fn(&Words, usize) -> &'static str, place| {
            words.map(|words| name(words, place)).ok_or(NotWritten::NoNames)
        };
        match directive {
            'A' => text.push_str(name(|words, place| words.weekdays[place], weekday)?),
            'a' => text.push_str(name(|words, place| words.weekdays_short[place], weekday)?),
            'B' => text.push_str(name(|words, place| words.months[place], month)?),
            'b' | 'h' => text.push_str(name(|words, place| words.months_short[place], month)?),
            // What the library would write in English, or in the way of some country.
            'c' | 'D' | 'r' | 'x' | 'X' | 'v' => return Err(NotWritten::NoFormat),
            other => text.extend(['%', other]),
        }
    }
    Ok(text)
}
