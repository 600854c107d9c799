//! Points in time and spans, in whole milliseconds.
//!
//! The engine never reads a clock: every [`Timestamp`] it sees came in with an input or as `now`.

use core::fmt;
use core::num::NonZeroU64;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Travels as that number.
///
/// States are full of times that may not be there. Kept as a number that is never zero, such a time takes as little
/// room as one that is: the sign is turned around, which leaves the order as it is, and the earliest number of all is
/// no time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(NonZeroU64);

const SIGN: u64 = 1 << 63;

impl Timestamp {
    /// Later than any time there is.
    pub const MAX: Self = Self::from_millis(i64::MAX);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        match NonZeroU64::new(millis.cast_unsigned() ^ SIGN) {
            Some(kept) => Self(kept),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        (self.0.get() ^ SIGN).cast_signed()
    }

    /// Whole seconds since the epoch, rounded down (what DynamoDB's TTL wants).
    pub const fn as_secs(self) -> i64 {
        self.as_millis().div_euclid(1_000)
    }

    /// Reads an RFC 3339 time (`2026-11-21T10:00:00Z`, `…+00:00`, a fraction of any length).
    /// Gives `None` for anything else, and for times outside the years 1970 to 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let millis = plain(text).or_else(|| text.parse().ok())?.as_millisecond();
        (0..=253_402_300_799_999).contains(&millis).then_some(Self::from_millis(millis))
    }

    /// This time, `span` later; stays at the last representable time instead of overflowing.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self::from_millis(self.as_millis().saturating_add(span.0))
    }

    /// This time, `span` earlier.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self::from_millis(self.as_millis().saturating_sub(span.0))
    }

    /// How long after `earlier` this is; negative when it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.as_millis().saturating_sub(earlier.as_millis()))
    }
}

/// Reads a time as nearly all clients write it: `2026-11-21T10:00:00Z`, or with milliseconds. Every event has some.
fn plain(text: &str) -> Option<jiff::Timestamp> {
    let text = text.as_bytes();
    let number = |from: usize, to: usize| {
        let mut number = 0_i16;
        for digit in &text[from..to] {
            number = number * 10 + i16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        Some(number)
    };
    let two = |from: usize| number(from, from + 2).map(|number| number as i8);
    let millis = match text {
        [.., b'Z'] if text.len() == 20 => 0,
        [.., b'Z'] if text.len() == 24 && text[19] == b'.' => number(20, 23)?,
        _ => return None,
    };
    if [text[4], text[7], text[10], text[13], text[16]] != *b"--T::" {
        return None;
    }
    let date = jiff::civil::Date::new(number(0, 4)?, two(5)?, two(8)?).ok()?;
    let time = jiff::civil::Time::new(two(11)?, two(14)?, two(17)?, i32::from(millis) * 1_000_000).ok()?;
    jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(time)).ok()
}

impl Default for Timestamp {
    /// The epoch.
    fn default() -> Self {
        Self::from_millis(0)
    }
}

impl From<i64> for Timestamp {
    fn from(millis: i64) -> Self {
        Self::from_millis(millis)
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> Self {
        time.as_millis()
    }
}

impl<C> Encode<C> for Timestamp {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.i64(self.as_millis())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Timestamp {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        decoder.i64().map(Self::from_millis)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Timestamp").field(&self.as_millis()).finish()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(time) = jiff::Timestamp::from_millisecond(self.as_millis()) else {
            return write!(formatter, "{} ms since 1970", self.as_millis());
        };
        let local = jiff::tz::Offset::UTC.to_datetime(time);
        if !(0..=9_999).contains(&local.year()) {
            return write!(formatter, "{time:.3}");
        }
        // In one piece: why a play was entered is written with every entry.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |last: usize, digits: usize, number: i16| {
            let mut rest = number.unsigned_abs();
            for place in (last + 1 - digits..=last).rev() {
                text[place] += (rest % 10) as u8;
                rest /= 10;
            }
        };
        put(3, 4, local.year());
        put(6, 2, local.month().into());
        put(9, 2, local.day().into());
        put(12, 2, local.hour().into());
        put(15, 2, local.minute().into());
        put(18, 2, local.second().into());
        put(22, 3, local.millisecond());
        formatter.write_str(core::str::from_utf8(&text).expect("these are digits"))
    }
}

/// A length of time in milliseconds. Travels as that number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Span(#[n(0)] i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds * 1_000)
    }

    /// From whole minutes.
    pub const fn from_mins(minutes: i64) -> Self {
        Self::from_secs(minutes * 60)
    }

    /// From whole hours.
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_mins(hours * 60)
    }

    /// Milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads `45s`, `30m`, `24h`, `7d` or `2w`. Gives `None` for anything else and for zero.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let unit = text.chars().last()?;
        let seconds_per_unit: i64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let digits = text.get(..text.len() - 1)?.trim();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let count: i64 = digits.parse().ok()?;
        let millis = count.checked_mul(seconds_per_unit)?.checked_mul(1_000)?;
        (millis > 0).then_some(Self(millis))
    }
}

impl fmt::Display for Span {
    /// The two largest units: `30 min`, `24 h`, `2 days`, `12 h 4 min`, `90 s`, `1.5 s`, `250 ms`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let millis = self.0.unsigned_abs();
        let (seconds, minutes, hours, days) =
            (millis / 1_000, millis / 60_000, millis / 3_600_000, millis / 86_400_000);
        let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
            0 => alloc::format!("{large} {large_unit}"),
            _ => alloc::format!("{large} {large_unit} {small} {small_unit}"),
        };
        let text = if millis < 1_000 {
            alloc::format!("{millis} ms")
        } else if minutes < 2 && !millis.is_multiple_of(60_000) {
            match millis % 1_000 {
                0 => alloc::format!("{seconds} s"),
                rest => alloc::format!("{seconds}.{} s", alloc::format!("{rest:03}").trim_end_matches('0')),
            }
        } else if hours < 1 {
            two(minutes, "min", seconds % 60, "s")
        } else if days < 2 {
            two(hours, "h", minutes % 60, "min")
        } else {
            two(days, "days", hours % 24, "h")
        };
        write!(formatter, "{sign}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_may_not_be_there_takes_no_more_room_and_keeps_its_order() {
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<i64>());
        let millis = [i64::MIN + 1, -1, 0, 1, 1_700_000_000_000, i64::MAX];
        assert!(millis.iter().all(|millis| Timestamp::from_millis(*millis).as_millis() == *millis));
        assert!(millis.map(Timestamp::from_millis).is_sorted());
        assert_eq!(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MIN + 1));
        assert_eq!(Timestamp::default().as_millis(), 0);
    }
    use alloc::string::ToString;

    #[test]
    fn times_are_written_as_rfc_3339_with_milliseconds() {
        let year = 31_557_600_000;
        let times = (-12_100..8_040).map(|number| number * year + number * 86_399_999 + 7);
        for millis in times.chain([0, 999, -1, 951_782_399_999, 951_782_400_000, 253_402_300_799_999]) {
            let shown = match jiff::Timestamp::from_millisecond(millis) {
                Ok(time) => alloc::format!("{time:.3}"),
                Err(_) => alloc::format!("{millis} ms since 1970"),
            };
            assert_eq!(Timestamp::from_millis(millis).to_string(), shown);
        }
    }

    #[test]
    fn times_in_the_usual_form_are_read_as_any_other() {
        let forms = [
            "2024-02-29T23:59:59Z",
            "2023-02-29T00:00:00Z",
            "2019-10-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "2019-10-01T00:00:00.250Z",
            "2019-10-01T00:00:00,250Z",
            "2019-10-01 00:00:00.250Z",
            "2019-13-01T00:00:00.250Z",
            "2019-10-01T00:00:00.25aZ",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999Z",
            "+019-10-01T00:00:00Z",
            "2019-1\u{1f600}01T00:00:0Z",
        ];
        for text in forms {
            let parsed = text.parse::<jiff::Timestamp>().ok();
            assert!(plain(text).is_none() || plain(text) == parsed, "{text}");
        }
        assert!(plain(forms[0]).is_some() && plain(forms[4]).is_some());
        for millis in (0..8_000).map(|number| number * 31_556_926_007) {
            let text = jiff::Timestamp::from_millisecond(millis).map(|time| alloc::format!("{time:.3}")).unwrap();
            assert_eq!(plain(&text).unwrap().as_millisecond(), millis, "{text}");
        }
    }

    #[test]
    fn times_are_read_as_clients_write_them() {
        for (text, millis) in [
            ("2019-10-01T00:00:00Z", Some(1_569_888_000_000)),
            ("2019-10-01T00:00:00.250Z", Some(1_569_888_000_250)),
            ("2019-10-01T00:00:00.250123+00:00", Some(1_569_888_000_250)),
            ("2019-10-01T02:00:00+02:00", Some(1_569_888_000_000)),
            ("1969-12-31T23:59:59Z", None),
            ("yesterday", None),
            ("1569888000", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::as_millis), millis, "{text}");
        }
    }

    #[test]
    fn spans_are_read_and_shown_with_their_unit() {
        for (text, shown) in
            [("45s", "45 s"), ("30m", "30 min"), ("24h", "24 h"), ("1d", "24 h"), ("7d", "7 days"), ("2w", "14 days")]
        {
            assert_eq!(Span::parse(text).map(|span| span.to_string()).as_deref(), Some(shown), "{text}");
        }
        for (millis, shown) in [
            (0, "0 ms"),
            (250, "250 ms"),
            (1_500, "1.5 s"),
            (90_000, "90 s"),
            (150_250, "2 min 30 s"),
            (43_444_208, "12 h 4 min"),
            (266_400_000, "3 days 2 h"),
            (-60_000, "-1 min"),
        ] {
            assert_eq!(Span::from_millis(millis).to_string(), shown);
        }
        for text in ["", "30", "m", "-5m", "0s", "1.5h", "99999999999999999999d", "5 minutes", "é"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
