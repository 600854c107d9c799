//! Times as tables write them.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use kairos_engine::time::Timestamp;

/// What a column of times may hold, for messages.
pub(crate) const EXPECTED: &str = "2019-10-01 00:00:00, 2019-10-01T00:00:00Z, 20191001 or 10/1/2019 0:00";

/// Reads a time: `2019-10-01`, `2019-10-01 08:26[:00[.5]]` with or without `UTC` or `Z`, `20191001`, the month
/// first in `12/1/2010 8:26`, and RFC 3339 with any offset. Without an offset it is UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let plain = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    naive(plain.as_bytes()).or_else(|| Timestamp::parse(text))
}

fn naive(text: &[u8]) -> Option<Timestamp> {
    match text {
        [_, _, _, _, b'-', _, _, b'-', _, _, rest @ ..] => {
            let clock = match rest {
                [] => rest,
                [b' ' | b'T', clock @ ..] => clock,
                _ => return None,
            };
            at(number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?, clock)
        }
        [_, _, _, _, _, _, _, _] if text.iter().all(u8::is_ascii_digit) => {
            at(number(&text[..4])?, number(&text[4..6])?, number(&text[6..])?, &[])
        }
        _ => {
            let (date, clock) = match memchr::memchr(b' ', text) {
                Some(space) => (&text[..space], &text[space + 1..]),
                None => (text, &[][..]),
            };
            let mut parts = date.split(|byte| *byte == b'/');
            let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
            (parts.next().is_none() && year.len() == 4).then_some(())?;
            at(number(year)?, number(month)?, number(day)?, clock)
        }
    }
}

fn at(year: u32, month: u32, day: u32, clock: &[u8]) -> Option<Timestamp> {
    let clock = if clock.is_empty() { b"0:0" } else { clock };
    let mut parts = clock.split(|byte| *byte == b':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let (second, millis) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match memchr::memchr(b'.', seconds) {
            None => (number(seconds)?, 0),
            Some(point) => (number(&seconds[..point])?, thousandths(&seconds[point + 1..])?),
        },
    };
    parts.next().is_none().then_some(())?;
    let small = |number: u32| i8::try_from(number).ok();
    let date_time = DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        i32::try_from(millis * 1_000_000).ok()?,
    );
    let millis = Offset::UTC.to_timestamp(date_time.ok()?).ok()?.as_millisecond();
    (millis >= 0).then(|| Timestamp::from_millis(millis))
}

fn number(digits: &[u8]) -> Option<u32> {
    (!digits.is_empty() && digits.len() <= 9).then_some(())?;
    digits.iter().try_fold(0_u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

/// A fraction of any length in thousandths, rounded down.
fn thousandths(digits: &[u8]) -> Option<u32> {
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(())?;
    Some((0..3).fold(0, |number, place| number * 10 + digits.get(place).map_or(0, |digit| u32::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_tables_write_them() {
        for (text, shown) in [
            ("2019-10-01 00:00:00 UTC", Some("2019-10-01T00:00:00.000Z")),
            ("2010-12-01 08:26:00", Some("2010-12-01T08:26:00.000Z")),
            ("2010-12-01T08:26", Some("2010-12-01T08:26:00.000Z")),
            ("2010-12-01T08:26:01.2567Z", Some("2010-12-01T08:26:01.256Z")),
            ("2010-12-01T08:26:00+02:00", Some("2010-12-01T06:26:00.000Z")),
            ("2010-12-01", Some("2010-12-01T00:00:00.000Z")),
            ("20101201", Some("2010-12-01T00:00:00.000Z")),
            ("12/1/2010 8:26", Some("2010-12-01T08:26:00.000Z")),
            ("13/1/2010 8:26", None),
            ("2010-02-30", None),
            ("2010-12-01 25:00", None),
            ("1912-12-01", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|at| at.to_string()).as_deref(), shown, "{text}");
        }
    }
}
