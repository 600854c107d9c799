//! For whom a message is written: its language decides how days, counts and distances are said, its reader's time zone
//! when a day begins.

use kairos_engine::local_time::LocalClock;
use kairos_engine::time::Timestamp;

use crate::words::WORDS;

/// For whom a message is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locale {
    /// The language of the templates, as a BCP 47 tag.
    pub language: String,
    /// The reader's own language, as a BCP 47 tag, when known: what it says of the country decides about miles, and
    /// about the way in which the templates' language is written there.
    pub reader: Option<String>,
    /// The reader's time zone, as an IANA name; UTC when there is no such zone.
    pub time_zone: String,
    /// What `now` is: when the message was decided, so that it says the same however often it is made.
    pub now: Option<Timestamp>,
}

/// How a language writes days, times and distances.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) tag: &'static str,
    pub(crate) months: [&'static str; 12],
    pub(crate) months_short: [&'static str; 12],
    /// From Monday on.
    pub(crate) weekdays: [&'static str; 7],
    pub(crate) weekdays_short: [&'static str; 7],
    /// A day in digits.
    pub(crate) short: &'static str,
    /// A day with its month in letters, and its year.
    pub(crate) long: &'static str,
    /// A day with its weekday, without its year.
    pub(crate) weekday: &'static str,
    pub(crate) time: &'static str,
    pub(crate) decimal_mark: &'static str,
    /// Metre, kilometre, foot, yard, mile.
    pub(crate) units: [&'static str; 5],
}

/// How a language is written, when that is known: as in that country, else as usual.
pub(crate) fn words(tag: &str) -> Option<&'static Words> {
    let tag = tag.replace('_', "-").to_ascii_lowercase();
    let of = |wanted: &str| WORDS.iter().find(|words| words.tag == wanted);
    let base = tag.split('-').next().unwrap_or_default();
    // Norwegian is mostly said by its old tag.
    of(&tag).or_else(|| of(if base == "no" { "nb" } else { base }))
}

fn base(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

impl Locale {
    /// The language of the templates, as the reader's country writes it when they speak it.
    fn tag(&self) -> &str {
        let spoken = self.reader.as_deref().filter(|reader| base(reader).eq_ignore_ascii_case(base(&self.language)));
        // `pt-PT` is a language of its own to whoever writes for it.
        spoken.filter(|_| base(&self.language) == self.language).unwrap_or(&self.language)
    }

    /// How the message's language is written, when that is known.
    pub(crate) fn words(&self) -> Option<&'static Words> {
        words(self.tag())
    }

    /// The reader's country (ISO 3166-1, upper case), when their language says it.
    pub(crate) fn country(&self) -> Option<String> {
        let tag = self.reader.as_deref().unwrap_or(&self.language);
        // Behind the language and perhaps a script of four letters.
        let country = tag.split(['-', '_']).skip(1).find(|part| part.len() == 2)?;
        Some(country.to_ascii_uppercase())
    }

    /// What the reader's clock shows.
    pub(crate) fn clock(&self) -> LocalClock {
        LocalClock::of(&self.time_zone).unwrap_or_else(LocalClock::utc)
    }
}
