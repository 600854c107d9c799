//! Conditions, triggers, steps and registers in words, as every tool shows them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::money::Currency;
use crate::playbook::{
    CartTest, CatalogueTest, Change, ChannelOrder, Condition, EventMatch, HabitSlot, HabitTest, Interest, LocalHours,
    Property, ReachTest, Schedule, Step, Trigger, Variant, Weekdays,
};
use crate::register::Register;
use crate::time::{Span, Timestamp};

impl fmt::Display for Condition {
    /// `the cart is not empty and Product Viewed, at least 3 times within 7 days`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&condition(self))
    }
}

impl fmt::Display for Trigger {
    /// `30 min after Product Added without Order Completed`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&trigger(self))
    }
}

impl fmt::Display for Step {
    /// The step itself, in one line; what it leads to is not in it ([`steps`] has it).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { message, channels, order: ChannelOrder::Listed } => {
                write!(formatter, "send {message} by {}", joined(channels, ", else by "))
            }
            Self::Send { message, channels, order: ChannelOrder::MostEngaged } => {
                write!(formatter, "send {message} by the one they answer to most: {}", joined(channels, ", "))
            }
            Self::Wait(span) => write!(formatter, "wait {span}"),
            Self::WaitForHours(hours) => write!(formatter, "wait for {hours}"),
            Self::WaitUntil { condition, at_most, .. } => {
                write!(formatter, "wait until {condition}; at most {at_most}")
            }
            Self::Branch { condition, .. } => write!(formatter, "if {condition}"),
            Self::Split { name, variants } => {
                let variants: Vec<String> = variants.iter().map(|variant| share(variant, variants)).collect();
                write!(formatter, "split {name}: {}", variants.join(", "))
            }
            Self::Stop => formatter.write_str("stop"),
        }
    }
}

impl fmt::Display for Register {
    /// What is remembered: `the last 3 times of Product Viewed`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&register(self))
    }
}

impl fmt::Display for LocalHours {
    /// `09:00 to 20:00 on Monday, Tuesday`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.until) {
            (0, 1_440) => formatter.write_str("the whole day")?,
            (from, until) => write!(formatter, "{} to {}", clock(from), clock(until))?,
        }
        match self.weekdays {
            Weekdays::ALL => Ok(()),
            weekdays => write!(formatter, " on {}", days(weekdays)),
        }
    }
}

/// A time for people, in UTC: `2026-11-20 10:00`, with seconds only where there are any.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let Some((day, time)) = text.trim_end_matches('Z').split_once('T') else { return formatter.write_str(&text) };
        let time = time.strip_suffix(".000").unwrap_or(time);
        let time = time.strip_suffix(":00").filter(|short| short.len() == 5).unwrap_or(time);
        write!(formatter, "{day} {time}")
    }
}

fn condition(condition: &Condition) -> String {
    use Condition as C;
    match condition {
        C::All(parts) if parts.is_empty() => "everybody".to_owned(),
        C::Any(parts) if parts.is_empty() => "nobody".to_owned(),
        C::All(parts) => group(parts, " and "),
        C::Any(parts) => group(parts, " or "),
        C::Not(part) => denied(part),
        C::Cart(test) => cart(test),
        C::Reachable(ReachTest::Anyhow) => "reachable by email, SMS, a messenger or a notification".to_owned(),
        C::Reachable(ReachTest::By(channel)) => format!("reachable by {channel}"),
        C::Trait { name, is } => format!("trait {name} {is}"),
        C::Did { of, at_least: 1, within: None, .. } => format!("{} at some time", events(of)),
        C::Did { of, at_least, within, same } => {
            let gap = if *at_least == 1 && !has_details(of) { "" } else { "," };
            format!("{}{gap}{}{}{}", events(of), times(*at_least), of_one(same.as_ref()), inside(*within))
        }
        C::First { of, ago } => format!("the first {} at least {ago} ago", one_of(of)),
        C::Last { of, ago } => format!("the last {} at least {ago} ago", one_of(of)),
        C::LastValue { of, property, is } => format!("{property} of the last {} {is}", events(of)),
        C::Sum { of, property, at_least, currency, within, same } => {
            let (of, one) = (events(of), of_one(same.as_ref()));
            let amount = amount(*at_least, currency.as_ref());
            format!("the sum of {property} in {of} at least {amount}{one}{}", inside(*within))
        }
        C::Distinct { of, property, at_least, within } => {
            format!("at least {at_least} different {property} in {}{}", events(of), inside(*within))
        }
        C::Sequence { steps, within, last } => {
            let last = last.map_or(String::new(), |last| format!(", completed less than {last} ago"));
            format!("{} within {within}{last}", sequence(steps))
        }
        C::Absence { after, of, wait } => format!("no {} for {wait} after {}", events(of), events(after)),
        C::AverageInterval { of, less_than } => format!("on average less than {less_than} between {}", events(of)),
        C::Habit { of, on, is: HabitTest::AtLeast(count) } => format!("{} {}{}", events(of), slot(on), times(*count)),
        C::Habit { of, on, is: HabitTest::Favourite } => format!("{} most often {}", events(of), slot(on)),
        C::Visits { at_least, within } => format!("at least {} within {within}", counted(*at_least, "visit")),
        C::Context { fact, is } => format!("{} {is}", fact.as_str().replace('_', " ")),
        C::LocalTime(hours) => format!("it is {hours} by the user's clock"),
        C::Inside(places) => format!("in {places}"),
        C::Moment { moment, at_least: None } => format!("the moment is {}", moment.as_str()),
        C::Moment { moment, at_least: Some(strength) } => {
            format!("the moment is {}, at least {strength} strong", moment.as_str())
        }
        C::Readiness { at_least } => format!("the readiness to buy is at least {at_least}"),
        C::Segment(name) => format!("in segment {name}"),
        C::Messaged { play, within } => format!("a message{} within {within}", of_play(play.as_ref())),
    }
}

/// The opposite of a condition, in words.
pub(crate) fn denied(part: &Condition) -> String {
    use Condition as C;
    match part {
        C::Not(part) => condition(part),
        C::Cart(CartTest::ItemsAtLeast(count)) => format!("fewer than {} in the cart", counted(*count, "item")),
        C::Did { of, at_least: 1, within: None, .. } => format!("never {}", events(of)),
        C::Did { of, at_least: 1, within, .. } => {
            let gap = if has_details(of) { "," } else { "" };
            format!("no {}{gap}{}", events(of), inside(*within))
        }
        C::Did { of, at_least, within, same } => {
            let one = of_one(same.as_ref());
            format!("{}, fewer than {at_least} times{one}{}", events(of), inside(*within))
        }
        C::First { of, ago } => format!("the first {} less than {ago} ago, or none yet", one_of(of)),
        C::Last { of, ago } => format!("the last {} less than {ago} ago, or none yet", one_of(of)),
        C::Sum { of, property, at_least, currency, within, same } => {
            let (of, one) = (events(of), of_one(same.as_ref()));
            let amount = amount(*at_least, currency.as_ref());
            format!("the sum of {property} in {of} less than {amount}{one}{}", inside(*within))
        }
        C::Distinct { of, property, at_least, within } => {
            format!("fewer than {at_least} different {property} in {}{}", events(of), inside(*within))
        }
        C::Visits { at_least, within } => format!("fewer than {} within {within}", counted(*at_least, "visit")),
        C::Segment(name) => format!("not in segment {name}"),
        C::Inside(places) => format!("not in {places}"),
        C::Reachable(ReachTest::Anyhow) => {
            "reachable neither by email, SMS or a messenger nor by a notification".to_owned()
        }
        C::Reachable(ReachTest::By(channel)) => format!("not reachable by {channel}"),
        C::Habit { of, on, is: HabitTest::AtLeast(1) } => format!("never {} {}", events(of), slot(on)),
        C::Moment { moment, at_least: None } => format!("the moment is not {}", moment.as_str()),
        C::Readiness { at_least } => format!("the readiness to buy is less than {at_least}"),
        C::Messaged { play, within } => format!("no message{} within {within}", of_play(play.as_ref())),
        part => format!("not ({})", condition(part)),
    }
}

fn group(parts: &[Condition], by: &str) -> String {
    let shown = parts.iter().map(|part| match part {
        Condition::All(inner) | Condition::Any(inner) if inner.len() > 1 && parts.len() > 1 => {
            format!("({})", condition(part))
        }
        part => condition(part),
    });
    shown.collect::<Vec<_>>().join(by)
}

fn cart(test: &CartTest) -> String {
    match test {
        CartTest::NotEmpty => "the cart is not empty".to_owned(),
        CartTest::Empty => "the cart is empty".to_owned(),
        CartTest::ItemsAtLeast(count) => format!("at least {} in the cart", counted(*count, "item")),
        CartTest::TotalAtLeast { amount: least, currency } => {
            format!("the cart is worth at least {}", amount(*least, currency.as_ref()))
        }
        CartTest::Contains { property, is } => format!("something in the cart whose {} {is}", field(property)),
    }
}

/// The name of a product's field.
pub(crate) fn field(property: &Property) -> String {
    let name = property.to_string();
    name.strip_prefix("product.").map_or(name.clone(), str::to_owned)
}

fn slot(slot: &HabitSlot) -> String {
    match slot {
        HabitSlot::Weekdays(weekdays) => format!("on {}", days(*weekdays)),
        HabitSlot::Hours { from, until } => format!("between {from}:00 and {until}:00"),
        HabitSlot::Today => "on this weekday".to_owned(),
    }
}

fn trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Event(of) => format!("on {}", events(of)),
        Trigger::Absence { after, of, wait } => format!("{wait} after {} without {}", events(after), events(of)),
        Trigger::Sequence { steps, within } => format!("on {} within {within}", sequence(steps)),
        Trigger::Segment { name, on } => format!("on {} segment {name}", change(*on)),
        Trigger::Becomes(becomes) => format!("as soon as {becomes}"),
        Trigger::Place { of, on } => format!("on {} {of}", change(*on)),
        Trigger::Schedule(schedule) => schedule_words(schedule),
        Trigger::Catalogue { of, interest } => {
            let tests: Vec<String> = of.iter().map(catalogue).collect();
            format!("when a product that the user {} {}", interests(interest), tests.join(" or "))
        }
        Trigger::RunOut { of, before, lasts } => {
            let first = lasts.map_or(String::new(), |lasts| format!("; a first one lasts {lasts}"));
            format!("{before} before a product runs out, by the intervals of {}{first}", events(of))
        }
    }
}

const fn change(change: Change) -> &'static str {
    match change {
        Change::Entry => "entering",
        Change::Exit => "leaving",
    }
}

fn schedule_words(schedule: &Schedule) -> String {
    let zone = schedule.time_zone.as_ref().map_or("by the user's clock".to_owned(), |zone| format!("in {zone}"));
    let day = match (schedule.day_of_month, schedule.weekdays) {
        (Some(day), Weekdays::ALL) => format!("on day {day} of each month"),
        (Some(day), weekdays) => format!("on day {day} of the month when it is {}", days(weekdays)),
        (None, Weekdays::ALL) => "every day".to_owned(),
        (None, weekdays) => format!("on {}", days(weekdays)),
    };
    format!("{day} at {} {zone}", clock(schedule.at))
}

fn catalogue(test: &CatalogueTest) -> String {
    match test {
        CatalogueTest::PriceDrop { percent } => format!("becomes at least {percent} % cheaper"),
        CatalogueTest::BackInStock => "is back in stock".to_owned(),
        CatalogueTest::LowStock { at_most } => format!("is down to {at_most} or fewer"),
    }
}

fn interests(interest: &[Interest]) -> String {
    let words = interest.iter().map(|interest| match interest {
        Interest::Viewed => "viewed",
        Interest::Carted => "put into the cart",
        Interest::Wished => "wished for",
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn register(register: &Register) -> String {
    use Register as R;
    match register {
        R::Recent { of, keep: 1 } => format!("the last time of {}", events(of)),
        R::Recent { of, keep } => format!("the last {keep} times of {}", events(of)),
        R::RecentBy { of, by, keep } => format!("the last {} of {} for each {by}", counted(*keep, "time"), events(of)),
        R::Total { of } => format!("how often {}, first and last", events(of)),
        R::Sum { of, property, currency, within } => {
            format!("the sum of {property}{} in {}{}", currency_of(currency.as_ref()), events(of), inside(*within))
        }
        R::SumBy { of, property, currency, within, by } => {
            let (currency, of) = (currency_of(currency.as_ref()), events(of));
            format!("the sum of {property}{currency} in {of} for each {by}{}", inside(*within))
        }
        R::Distinct { of, property, keep } => {
            format!("the last {keep} different {property} in {}", events(of))
        }
        R::Sequence { steps, within, .. } => format!("how far {} within {within} has come", sequence(steps)),
        R::Open { after, of } => format!("when {} was last, and whether {} came since", events(after), events(of)),
        R::LastValue { of, property } => format!("{property} of the last {}", events(of)),
        R::Habit { of } => format!("how often {} on each weekday and at each hour", events(of)),
        R::Visits { keep } => format!("when the last {} began", counted(*keep, "visit")),
        R::Refills { of } => format!("how often each product was bought, first and last ({})", events(of)),
    }
}

/// What a play does, one line for each step; those of steps within steps are indented by two blanks each.
pub fn steps(steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    each_step(steps, 0, &mut |depth, words, _| lines.push(format!("{}{words}", "  ".repeat(depth))));
    lines
}

/// Shows every step with how deep it lies, in the order of the files; headings of ways are no steps.
pub(crate) fn each_step<'s>(all: &'s [Step], depth: usize, show: &mut impl FnMut(usize, String, Option<&'s Step>)) {
    for step in all {
        match step {
            Step::WaitUntil { otherwise, .. } => {
                show(depth, step.to_string(), Some(step));
                if !otherwise.is_empty() {
                    show(depth, "if that does not come".to_owned(), None);
                    each_step(otherwise, depth + 1, show);
                }
            }
            Step::Branch { then, otherwise, .. } => {
                show(depth, step.to_string(), Some(step));
                each_step(then, depth + 1, show);
                if !otherwise.is_empty() {
                    show(depth, "else".to_owned(), None);
                    each_step(otherwise, depth + 1, show);
                }
            }
            Step::Split { name, variants } => {
                show(depth, format!("split {name}"), Some(step));
                for variant in variants {
                    show(depth, share(variant, variants), None);
                    each_step(&variant.steps, depth + 1, show);
                }
            }
            Step::Send { .. } | Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => {
                show(depth, step.to_string(), Some(step));
            }
        }
    }
}

fn share(variant: &Variant, of: &[Variant]) -> String {
    let all: u32 = of.iter().map(|variant| variant.weight).sum();
    let percent = f64::from(variant.weight) * 100.0 / f64::from(all.max(1));
    let held = if variant.holdout { ", held out" } else { "" };
    format!("{percent:.0} % {}{held}", variant.name)
}

/// Kinds of events, any of which is meant.
pub(crate) fn events(of: &[EventMatch]) -> String {
    joined(of, " or ")
}

/// The same behind "the first" and "the last".
fn one_of(of: &[EventMatch]) -> String {
    let words = events(of);
    words.strip_prefix("any ").map_or(words.clone(), str::to_owned)
}

fn has_details(of: &[EventMatch]) -> bool {
    of.iter().any(|one| !one.filters.is_empty())
}

fn sequence(steps: &[Vec<EventMatch>]) -> String {
    steps.iter().map(|of| events(of)).collect::<Vec<_>>().join(", then ")
}

fn joined<T: ToString>(parts: &[T], by: &str) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(by)
}

fn times(at_least: u32) -> String {
    match at_least {
        1 => String::new(),
        count => format!(" at least {count} times"),
    }
}

/// A number of things: `1 visit`, `3 visits`.
pub(crate) fn counted(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A number, as an amount when it has a currency.
pub(crate) fn amount(number: f64, currency: Option<&Currency>) -> String {
    // What is kept in millionths is shown without the noise of binary fractions.
    let number = libm::round(number * 1e6) / 1e6;
    format!("{number}{}", currency_of(currency))
}

fn currency_of(currency: Option<&Currency>) -> String {
    currency.map_or(String::new(), |currency| format!(" {}", currency.as_str()))
}

fn of_one(same: Option<&Property>) -> String {
    same.map_or(String::new(), |property| format!(" of one and the same {property}"))
}

fn of_play(play: Option<&String>) -> String {
    play.map_or(String::new(), |play| format!(" of {play}"))
}

fn inside(within: Option<Span>) -> String {
    within.map_or(String::new(), |within| format!(" within {within}"))
}

/// A minute of the day: `09:30`.
pub(crate) fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The name of a weekday, 0 being Monday.
pub(crate) const fn day(weekday: u8) -> &'static str {
    const NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    NAMES[(weekday % 7) as usize]
}

/// `Monday to Friday`, `Monday, Wednesday`.
fn days(weekdays: Weekdays) -> String {
    let chosen: Vec<u8> = (0..7).filter(|weekday| weekdays.has(*weekday)).collect();
    match chosen[..] {
        [first, .., last] if chosen.len() > 2 && usize::from(last - first) + 1 == chosen.len() => {
            format!("{} to {}", day(first), day(last))
        }
        _ => chosen.into_iter().map(day).collect::<Vec<_>>().join(", "),
    }
}
