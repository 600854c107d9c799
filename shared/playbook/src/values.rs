//! Reads values, and what they must be.

use kairos_engine::bounds::{FACT_BYTES_MAX, LAST_VALUE_BYTES_MAX, ONE_OF_MAX, TEXT_BYTES_MAX};
use kairos_engine::money::Currency;
use kairos_engine::playbook::{Share, TraitValue, ValueTest};
use kairos_engine::time::{Span, Timestamp};

use crate::diagnostic::Report;
use crate::fields::{Fields, list, span, text};
use crate::node::{Node, Value};

/// Largest number that is compared with: whole numbers up to here are exact.
pub(crate) const NUMBER_MAX: f64 = 9_007_199_254_740_992.0;

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// It is so; an amount is in this currency.
    Is(ValueTest, Option<Currency>),
    /// There is none.
    Unknown,
}

/// What kind of value is asked.
pub(crate) struct Kind {
    /// Whether it can be money.
    money: bool,
    /// Its longest text, in bytes.
    text_bytes_max: usize,
}

impl Kind {
    /// A detail of an event.
    pub(crate) const EVENT: Self = Self { money: true, text_bytes_max: TEXT_BYTES_MAX };
    /// A trait.
    pub(crate) const TRAIT: Self = Self { money: false, text_bytes_max: TEXT_BYTES_MAX };
    /// A detail that is remembered of the newest event.
    pub(crate) const LAST: Self = Self { money: false, text_bytes_max: LAST_VALUE_BYTES_MAX };
    /// A fact about the visit.
    pub(crate) const FACT: Self = Self { money: false, text_bytes_max: FACT_BYTES_MAX };
    /// A field of a product in the cart.
    pub(crate) const PRODUCT: Self = Self { money: false, text_bytes_max: TEXT_BYTES_MAX };
}

/// The tests of a value, by their keys.
pub(crate) const TESTS: [&str; 15] = [
    "equals",
    "one_of",
    "at_least",
    "more_than",
    "at_most",
    "less_than",
    "contains",
    "starts_with",
    "ends_with",
    "older_than",
    "newer_than",
    "before",
    "since",
    "known",
    "not",
];

/// A bare value, or a group of tests that must all hold.
pub(crate) fn tests(report: &mut Report<'_>, node: &Node, what: &str, kind: &Kind) -> Option<Vec<Asked>> {
    match &node.value {
        Value::Map(_) => {
            let fields = Fields::read(report, node, what, &TESTS)?;
            tests_among(report, &fields, what, kind)
        }
        Value::List(_) | Value::Null => {
            let help = "write a value, or tests such as `one_of: [a, b]` or `at_least: 3`";
            report.problem(
                node.at,
                format!("{what} is one value or a group of tests, not {}", node.value.what()),
                help,
            );
            None
        }
        _ => Some(vec![Asked::Is(ValueTest::Equal(value(report, node, what, kind)?), None)]),
    }
}

/// A bare value, or a single test.
pub(crate) fn test(report: &mut Report<'_>, node: &Node, what: &str, kind: &Kind) -> Option<ValueTest> {
    let mut asked = tests(report, node, what, kind)?;
    match (asked.pop(), asked.is_empty()) {
        (Some(Asked::Is(test, _)), true) => Some(test),
        (Some(Asked::Unknown), true) => {
            report.problem(node.at, format!("{what} cannot be asked to be unknown here"), "ask what it is");
            None
        }
        _ => {
            report.problem(node.at, format!("{what} has more than one test"), "keep one of them");
            None
        }
    }
}

/// The tests among the keys of a group that may have others, too.
pub(crate) fn tests_among(report: &mut Report<'_>, fields: &Fields<'_>, what: &str, kind: &Kind) -> Option<Vec<Asked>> {
    let given: Vec<(&str, &Node)> = TESTS.iter().filter_map(|key| Some((*key, fields.get(key)?))).collect();
    if given.is_empty() {
        if fields.has_unknown() {
            return None;
        }
        let help = "write what it must be: `equals: gold`, `at_least: 3`, `contains: coffee`, `known: true` …";
        report.problem(fields.start(), format!("{what} is not asked anything"), help);
        return None;
    }
    let read: Vec<_> = given.iter().map(|(key, node)| one(report, node, key, kind)).collect();
    let asked = read.into_iter().collect::<Option<Vec<_>>>()?;
    let (_, last) = given[given.len() - 1];
    if given.len() > 1 && given.iter().any(|(key, _)| ["equals", "one_of", "known"].contains(key)) {
        let at = given
            .iter()
            .find(|(key, _)| ["equals", "one_of", "known"].contains(key))
            .map_or(last.at, |(_, node)| node.at);
        report.problem(
            at,
            format!("{what} has a test that makes the others needless, or excludes them"),
            "keep one of them",
        );
        return None;
    }
    if let Some(why) = contradiction(&asked) {
        report.problem(last.at, format!("no value fulfils all tests of {what}"), why);
        return None;
    }
    Some(asked)
}

fn one(report: &mut Report<'_>, node: &Node, key: &str, kind: &Kind) -> Option<Asked> {
    let what = format!("`{key}`");
    let plain = |test| Some(Asked::Is(test, None));
    match key {
        "equals" => plain(ValueTest::Equal(value(report, node, &what, kind)?)),
        "one_of" => plain(ValueTest::OneOf(one_of(report, node, kind)?)),
        "at_least" | "more_than" | "at_most" | "less_than" => {
            let (amount, currency) = money(report, node, &what)?;
            if currency.is_some() && !kind.money {
                let help = "write the number alone; currencies are told apart in the details of events (`where`)";
                report.problem(node.at, "no currency is known here", help);
                return None;
            }
            let test = match key {
                "at_least" => ValueTest::AtLeast(amount),
                "more_than" => ValueTest::MoreThan(amount),
                "at_most" => ValueTest::AtMost(amount),
                _ => ValueTest::LessThan(amount),
            };
            Some(Asked::Is(test, currency))
        }
        "contains" => plain(ValueTest::Contains(part(report, node, &what, kind)?)),
        "starts_with" => plain(ValueTest::StartsWith(part(report, node, &what, kind)?)),
        "ends_with" => plain(ValueTest::EndsWith(part(report, node, &what, kind)?)),
        "older_than" => plain(ValueTest::OlderThan(span(report, node, &what)?)),
        "newer_than" => plain(ValueTest::NewerThan(span(report, node, &what)?)),
        "before" => plain(ValueTest::Before(time(report, node, &what)?)),
        "since" => plain(ValueTest::Since(time(report, node, &what)?)),
        "known" => match node.value {
            Value::Flag(true) => plain(ValueTest::Known),
            Value::Flag(false) => Some(Asked::Unknown),
            _ => {
                report.problem(node.at, "`known` is `true` or `false`", "write `known: true`");
                None
            }
        },
        _ => not(report, node, kind),
    }
}

fn not(report: &mut Report<'_>, node: &Node, kind: &Kind) -> Option<Asked> {
    if let Value::Map(entries) = &node.value
        && let Some(entry) = entries.iter().find(|entry| entry.key == "not" || entry.key == "known")
    {
        let help = if entry.key == "not" { "leave both out" } else { "write `known: false` without `not`" };
        report.problem(entry.at, format!("`not` of `{}` is hard to read", entry.key), help);
        return None;
    }
    let mut asked = tests(report, node, "`not`", kind)?;
    match (asked.pop(), asked.is_empty()) {
        (Some(Asked::Is(test, currency)), true) => Some(Asked::Is(ValueTest::Not(Box::new(test)), currency)),
        _ => {
            let help = "keep one of them; to exclude several, use `not:` around the whole condition";
            report.problem(node.at, "`not` has more than one test", help);
            None
        }
    }
}

/// Why no value can fulfil all of these, when that is so.
fn contradiction(asked: &[Asked]) -> Option<String> {
    let mut low: Option<(f64, bool)> = None;
    let mut high: Option<(f64, bool)> = None;
    let mut currencies: Vec<Currency> = Vec::new();
    let (mut oldest, mut newest): (Option<Span>, Option<Span>) = (None, None);
    let (mut since, mut before): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    let (mut number, mut words, mut times) = (false, false, false);
    for asked in asked {
        let Asked::Is(test, currency) = asked else { continue };
        if let Some(currency) = currency
            && !currencies.contains(currency)
        {
            currencies.push(*currency);
        }
        match test {
            // An equal bound is open when one of both is.
            ValueTest::AtLeast(value) => low = Some(low.map_or((*value, false), |low| higher(low, (*value, false)))),
            ValueTest::MoreThan(value) => low = Some(low.map_or((*value, true), |low| higher(low, (*value, true)))),
            ValueTest::AtMost(value) => high = Some(high.map_or((*value, false), |high| lower(high, (*value, false)))),
            ValueTest::LessThan(value) => high = Some(high.map_or((*value, true), |high| lower(high, (*value, true)))),
            ValueTest::OlderThan(span) => oldest = Some(*span),
            ValueTest::NewerThan(span) => newest = Some(*span),
            ValueTest::Since(time) => since = Some(*time),
            ValueTest::Before(time) => before = Some(*time),
            ValueTest::Contains(_) | ValueTest::StartsWith(_) | ValueTest::EndsWith(_) => words = true,
            _ => {}
        }
        number |= matches!(
            test,
            ValueTest::AtLeast(_) | ValueTest::MoreThan(_) | ValueTest::AtMost(_) | ValueTest::LessThan(_)
        );
        times |= matches!(
            test,
            ValueTest::OlderThan(_) | ValueTest::NewerThan(_) | ValueTest::Since(_) | ValueTest::Before(_)
        );
    }
    if number && (words || times) {
        return Some("a number is no text and no time: keep one kind of test".into());
    }
    if let [one, other, ..] = currencies[..] {
        return Some(format!("an amount is in {} or in {}: keep one", one.as_str(), other.as_str()));
    }
    if let (Some((low, low_open)), Some((high, high_open))) = (low, high)
        && (low > high || (low == high && (low_open || high_open)))
    {
        return Some("the lower bound is above the upper one: exchange them".into());
    }
    if let (Some(older), Some(newer)) = (oldest, newest)
        && older >= newer
    {
        return Some(format!("what is at least {older} old is not less than {newer} old: exchange them"));
    }
    if let (Some(since), Some(before)) = (since, before)
        && since >= before
    {
        return Some("it begins after its end: exchange `since` and `before`".into());
    }
    None
}

fn higher(one: (f64, bool), two: (f64, bool)) -> (f64, bool) {
    if two.0 > one.0 || (two.0 == one.0 && two.1) { two } else { one }
}

fn lower(one: (f64, bool), two: (f64, bool)) -> (f64, bool) {
    if two.0 < one.0 || (two.0 == one.0 && two.1) { two } else { one }
}

/// A value that something must be equal to.
fn value(report: &mut Report<'_>, node: &Node, what: &str, kind: &Kind) -> Option<TraitValue> {
    match &node.value {
        Value::Flag(flag) => Some(TraitValue::Flag(*flag)),
        Value::Number(_) => number(report, node, what).map(TraitValue::Number),
        Value::Text(_) => part(report, node, what, kind).map(TraitValue::Text),
        other => {
            let help = "write a text, a number, `true` or `false`; for several, `one_of: [a, b]`";
            report.problem(node.at, format!("{what} is one value, not {}", other.what()), help);
            None
        }
    }
}

fn one_of(report: &mut Report<'_>, node: &Node, kind: &Kind) -> Option<Vec<TraitValue>> {
    let mut values: Vec<TraitValue> = Vec::new();
    let nodes = list(report, node, "`one_of`")?;
    if nodes.len() > ONE_OF_MAX {
        report.problem(node.at, format!("`one_of` has {} values", nodes.len()), format!("keep it to {ONE_OF_MAX}"));
        return None;
    }
    let mut all_read = true;
    for node in nodes {
        match value(report, node, "a value of `one_of`", kind) {
            Some(value) if values.contains(&value) => {
                report.problem(node.at, format!("{value} stands here twice"), "remove one");
                all_read = false;
            }
            Some(value) => values.push(value),
            None => all_read = false,
        }
    }
    all_read.then_some(values)
}

/// A text that is compared with.
fn part(report: &mut Report<'_>, node: &Node, what: &str, kind: &Kind) -> Option<String> {
    let given = text(report, node, what)?;
    if given.len() > kind.text_bytes_max {
        let help = format!("write at most {} bytes: no more is kept of a value", kind.text_bytes_max);
        report.problem(node.at, format!("{what} is too long to be found"), help);
        return None;
    }
    Some(given.to_owned())
}

/// A number that can be compared with exactly.
pub(crate) fn number(report: &mut Report<'_>, node: &Node, what: &str) -> Option<f64> {
    match &node.value {
        Value::Number(number) if number.abs() <= NUMBER_MAX => Some(*number),
        Value::Number(_) => {
            let help = format!("write a number between -{NUMBER_MAX} and {NUMBER_MAX}");
            report.problem(node.at, format!("{what} is beyond all numbers that can be compared"), help);
            None
        }
        other => {
            report.problem(node.at, format!("{what} is a number, not {}", other.what()), "write a number, as in `3`");
            None
        }
    }
}

/// A number above 0.
pub(crate) fn positive(report: &mut Report<'_>, node: &Node, what: &str, max: f64) -> Option<f64> {
    let number = number(report, node, what)?;
    if number > 0.0 && number <= max {
        return Some(number);
    }
    report.problem(node.at, format!("{what} is not above 0 and at most {max}: {number}"), "write one, as in `2`");
    None
}

/// A number, or an amount of money.
pub(crate) fn money(report: &mut Report<'_>, node: &Node, what: &str) -> Option<(f64, Option<Currency>)> {
    const HELP: &str = "write a number, or an amount and its currency: `50 EUR`";
    let Value::Text(given) = &node.value else {
        if matches!(node.value, Value::Number(_)) {
            return Some((number(report, node, what)?, None));
        }
        report.problem(node.at, format!("{what} is a number, not {}", node.value.what()), HELP);
        return None;
    };
    let trimmed = given.trim();
    let parts = trimmed.rsplit_once(char::is_whitespace).and_then(|(amount, currency)| {
        let amount = amount.trim();
        let plain = amount.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
        let amount: f64 = plain.then(|| amount.parse().ok()).flatten()?;
        (amount.abs() <= NUMBER_MAX).then_some((amount, Currency::parse(currency)?))
    });
    if let Some((amount, currency)) = parts {
        return Some((amount, Some(currency)));
    }
    let help = match trimmed.parse::<f64>() {
        Ok(_) => "write it without quotes",
        Err(_) => HELP,
    };
    report.problem(node.at, format!("{what} is neither a number nor an amount of money: `{given}`"), help);
    None
}

/// A number or an amount of money above 0.
pub(crate) fn positive_money(report: &mut Report<'_>, node: &Node, what: &str) -> Option<(f64, Option<Currency>)> {
    let (amount, currency) = money(report, node, what)?;
    if amount > 0.0 {
        return Some((amount, currency));
    }
    report.problem(node.at, format!("{what} is not above 0"), "write an amount that not everybody has reached");
    None
}

/// A percentage, to the hundredth.
pub(crate) fn percent(report: &mut Report<'_>, node: &Node, what: &str) -> Option<Share> {
    const HELP: &str = "write a percentage from 0% to 100%, with at most two decimals: `20%`, `0.5%`";
    let given = match &node.value {
        Value::Text(text) => text.trim(),
        Value::Number(number) => {
            report.problem(node.at, format!("{what} has no unit: {number}"), HELP);
            return None;
        }
        other => {
            report.problem(node.at, format!("{what} is a percentage, not {}", other.what()), HELP);
            return None;
        }
    };
    let share = given.strip_suffix('%').map(str::trim).and_then(|digits| {
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain =
            |part: &str, longest| (1..=longest).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole, 3) || !plain(decimals, 2) {
            return None;
        }
        let hundredths = if decimals.len() == 1 { 10 } else { 1 };
        let share = whole.parse::<u16>().ok()? * 100 + decimals.parse::<u16>().ok()? * hundredths;
        (share <= Share::ALL.0).then_some(Share(share))
    });
    if share.is_none() {
        report.problem(node.at, format!("{what} is not a percentage: `{given}`"), HELP);
    }
    share
}

/// An instant.
fn time(report: &mut Report<'_>, node: &Node, what: &str) -> Option<Timestamp> {
    let help = "write a time in full: `2026-12-24T00:00:00Z`";
    let given = match &node.value {
        Value::Text(given) => given.trim(),
        other => {
            report.problem(node.at, format!("{what} is a time, not {}", other.what()), help);
            return None;
        }
    };
    let time = Timestamp::parse(given);
    if time.is_none() {
        let whole = format!("{given}T00:00:00Z");
        let help = match Timestamp::parse(&whole) {
            Some(_) => format!("write `{whole}`, or with the shop's own offset, as in `{given}T00:00:00+01:00`"),
            None => help.to_owned(),
        };
        report.problem(node.at, format!("{what} is not a time between 1970 and 9999: `{given}`"), help);
    }
    time
}

/// A text for people.
pub(crate) fn caption(report: &mut Report<'_>, node: &Node, what: &str) -> Option<String> {
    let given = text(report, node, what)?;
    if given.len() > TEXT_BYTES_MAX {
        report.problem(node.at, format!("{what} is too long"), format!("write at most {TEXT_BYTES_MAX} bytes"));
        return None;
    }
    Some(given.to_owned())
}
