//! Conditions, triggers and steps in words, as reports and the command line show them.

use kairos_engine::playbook::{
    CartTest, CatalogueTest, Change, Condition, EventMatch, HabitSlot, HabitTest, Interest, LocalHours, Property,
    ReachTest, Schedule, Step, Trigger, Weekdays,
};
use kairos_engine::register::Register;
use kairos_engine::time::Span;

/// What starts a play, in words: `30 min after Product Added, without Order Completed`.
pub fn trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Event(of) => format!("on {}", events(of)),
        Trigger::Absence { after, of, wait } => format!("{wait} after {}, without {}", events(after), events(of)),
        Trigger::Sequence { steps, within } => format!("on {}, within {within}", sequence(steps)),
        Trigger::Segment { name, on } => format!("on {} segment {name}", change(*on)),
        Trigger::Becomes(becomes) => format!("as soon as: {}", condition(becomes)),
        Trigger::Place { of, on } => format!("on {} {of}", change(*on)),
        Trigger::Schedule(schedule) => at_times(schedule),
        Trigger::Catalogue { of, interest } => {
            let tests: Vec<String> = of.iter().map(catalogue).collect();
            format!("when a product that the user has {} {}", interests(interest), tests.join(" or "))
        }
        Trigger::RunOut { of, before, lasts } => {
            let first = lasts.map_or(String::new(), |lasts| format!("; after a single one it lasts {lasts}"));
            format!("{before} before a product is used up that is bought regularly ({}{first})", events(of))
        }
    }
}

const fn change(change: Change) -> &'static str {
    match change {
        Change::Entry => "entering",
        Change::Exit => "leaving",
    }
}

fn at_times(schedule: &Schedule) -> String {
    let zone = schedule.time_zone.as_deref().unwrap_or("the user's own time");
    let day = match (schedule.day_of_month, schedule.weekdays) {
        (Some(day), Weekdays::ALL) => format!("on day {day} of each month"),
        (Some(day), weekdays) => format!("on day {day} of a month when it is {}", days(weekdays)),
        (None, Weekdays::ALL) => "every day".to_owned(),
        (None, weekdays) => format!("on {}", days(weekdays)),
    };
    format!("{day} at {} ({zone})", clock(schedule.at))
}

fn catalogue(test: &CatalogueTest) -> String {
    match test {
        CatalogueTest::PriceDrop { percent } => format!("becomes at least {percent} % cheaper"),
        CatalogueTest::BackInStock => "can be had again".to_owned(),
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

/// A condition in words: `cart not empty and Product Viewed 3 times within 7 days`.
pub fn condition(condition: &Condition) -> String {
    use Condition as C;
    match condition {
        C::All(parts) if parts.is_empty() => "everybody".to_owned(),
        C::Any(parts) if parts.is_empty() => "nobody".to_owned(),
        C::All(parts) => joined(parts, " and "),
        C::Any(parts) => joined(parts, " or "),
        C::Not(part) => denied(part),
        C::Cart(test) => cart(test),
        C::Reachable(ReachTest::Anyhow) => "can be reached".to_owned(),
        C::Reachable(ReachTest::By(channel)) => format!("can be reached by {channel}"),
        C::Trait { name, is } => format!("trait {name} {is}"),
        C::Did { of, at_least, within, same } => {
            format!("{}{}{}{}", events(of), times(*at_least), of_one(same.as_ref()), inside(*within))
        }
        C::First { of, ago } => format!("first {} at least {ago} ago", events(of)),
        C::Last { of, ago } => format!("last {} at least {ago} ago", events(of)),
        C::LastValue { of, property, is } => format!("{property} of the last {} {is}", events(of)),
        C::Sum { of, property, at_least, currency, within, same } => {
            let currency = currency.map_or(String::new(), |currency| format!(" {}", currency.as_str()));
            let (of, one) = (events(of), of_one(same.as_ref()));
            format!("{property} of {of} adds up to at least {at_least}{currency}{one}{}", inside(*within))
        }
        C::Distinct { of, property, at_least, within } => {
            format!("at least {at_least} different {property} in {}{}", events(of), inside(*within))
        }
        C::Sequence { steps, within, last } => {
            let last = last.map_or(String::new(), |last| format!(", completed less than {last} ago"));
            format!("{}, within {within}{last}", sequence(steps))
        }
        C::Absence { after, of, wait } => format!("{} and then for {wait} no {}", events(after), events(of)),
        C::AverageInterval { of, less_than } => format!("{} more often than every {less_than}", events(of)),
        C::Habit { of, on, is } => habit(of, on, *is),
        C::Visits { at_least, within } => format!("at least {at_least} visits within {within}"),
        C::Context { fact, is } => format!("{} {is}", fact.as_str().replace('_', " ")),
        C::LocalTime(local) => format!("it is {}", hours(local)),
        C::Inside(places) => format!("is in {places}"),
        C::Moment { moment, at_least: None } => format!("the moment is {}", moment.as_str()),
        C::Moment { moment, at_least: Some(strength) } => {
            format!("the moment is {} with a strength of at least {strength}", moment.as_str())
        }
        C::Readiness { at_least } => format!("ready to buy by at least {at_least}"),
        C::Segment(name) => format!("in segment {name}"),
        C::Messaged { play, within } => {
            let play = play.as_ref().map_or(String::new(), |play| format!(" of {play}"));
            format!("got a message{play} within {within}")
        }
    }
}

/// The opposite of a condition, in words.
fn denied(part: &Condition) -> String {
    use Condition as C;
    match part {
        C::Did { of, at_least: 1, within, same: _ } => format!("no {}{}", events(of), inside(*within)),
        C::Did { of, at_least, within, same } => {
            let (events, one) = (events(of), of_one(same.as_ref()));
            format!("{events} fewer than {at_least} times{one}{}", inside(*within))
        }
        C::Visits { at_least, within } => format!("fewer than {at_least} visits within {within}"),
        C::Segment(name) => format!("not in segment {name}"),
        C::Inside(places) => format!("not in {places}"),
        C::Reachable(ReachTest::Anyhow) => "cannot be reached".to_owned(),
        C::Habit { of, on, is: HabitTest::AtLeast(1) } => format!("never {} {}", events(of), slot(on)),
        C::Messaged { play, within } => {
            let play = play.as_ref().map_or(String::new(), |play| format!(" of {play}"));
            format!("got no message{play} within {within}")
        }
        part => format!("not ({})", condition(part)),
    }
}

fn joined(parts: &[Condition], by: &str) -> String {
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
        CartTest::NotEmpty => "cart not empty".to_owned(),
        CartTest::Empty => "cart empty".to_owned(),
        CartTest::ItemsAtLeast(count) => format!("at least {count} items in the cart"),
        CartTest::TotalAtLeast { amount, currency } => {
            let currency = currency.map_or(String::new(), |currency| format!(" {}", currency.as_str()));
            format!("cart worth at least {amount}{currency}")
        }
        CartTest::Contains { property, is } => format!("in the cart a product whose {} {is}", product_field(property)),
    }
}

fn product_field(property: &Property) -> String {
    let name = property.to_string();
    name.strip_prefix("product.").map_or(name.clone(), str::to_owned)
}

fn habit(of: &[EventMatch], on: &HabitSlot, is: HabitTest) -> String {
    match is {
        HabitTest::AtLeast(count) => format!("{}{} {}", events(of), times(count), slot(on)),
        HabitTest::Favourite => format!("{} most often {}", events(of), slot(on)),
    }
}

fn slot(slot: &HabitSlot) -> String {
    match slot {
        HabitSlot::Weekdays(weekdays) => format!("on {}", days(*weekdays)),
        HabitSlot::Hours { from, until } => format!("between {from}:00 and {until}:00"),
        HabitSlot::Today => "on the weekday it is today".to_owned(),
    }
}

fn events(of: &[EventMatch]) -> String {
    of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

fn sequence(steps: &[Vec<EventMatch>]) -> String {
    steps.iter().map(|of| events(of)).collect::<Vec<_>>().join(", then ")
}

fn times(at_least: u32) -> String {
    match at_least {
        1 => String::new(),
        count => format!(" at least {count} times"),
    }
}

fn of_one(same: Option<&Property>) -> String {
    same.map_or(String::new(), |property| format!(" of the same {property}"))
}

fn inside(within: Option<Span>) -> String {
    within.map_or(String::new(), |within| format!(" within {within}"))
}

/// Times of day in words: `09:00 to 20:00 on monday, tuesday`.
pub fn hours(hours: &LocalHours) -> String {
    let day = match hours.weekdays {
        Weekdays::ALL => String::new(),
        weekdays => format!(" on {}", days(weekdays)),
    };
    format!("{} to {}{day}", clock(hours.from), clock(hours.until))
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn days(weekdays: Weekdays) -> String {
    let names = (0..7).zip(Weekdays::NAMES).filter(|(weekday, _)| weekdays.has(*weekday)).map(|(_, name)| name);
    names.collect::<Vec<_>>().join(", ")
}

/// What a play does, one line for each step; lines of steps within steps are indented by two blanks each.
pub fn steps(steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    add_steps(steps, 0, &mut lines);
    lines
}

fn add_steps(steps: &[Step], depth: usize, lines: &mut Vec<String>) {
    let line = |text: String, lines: &mut Vec<String>| lines.push(format!("{}{text}", "  ".repeat(depth)));
    for step in steps {
        match step {
            Step::Send { message, channels } => {
                let channels: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
                line(format!("send {message} by {}", channels.join(", else ")), lines);
            }
            Step::Wait(span) => line(format!("wait {span}"), lines),
            Step::WaitForHours(local) => line(format!("wait for {}", hours(local)), lines),
            Step::WaitUntil { condition: until, at_most, otherwise } => {
                line(format!("wait until {}, at most {at_most}", condition(until)), lines);
                if !otherwise.is_empty() {
                    line("when it did not become so:".to_owned(), lines);
                    add_steps(otherwise, depth + 1, lines);
                }
            }
            Step::Branch { condition: decides, then, otherwise } => {
                line(format!("if {}:", condition(decides)), lines);
                add_steps(then, depth + 1, lines);
                if !otherwise.is_empty() {
                    line("else:".to_owned(), lines);
                    add_steps(otherwise, depth + 1, lines);
                }
            }
            Step::Split { name, variants } => {
                let all: u32 = variants.iter().map(|variant| variant.weight).sum();
                for variant in variants {
                    let share = f64::from(variant.weight) * 100.0 / f64::from(all.max(1));
                    let held = if variant.holdout { ", held out" } else { "" };
                    line(format!("{name}: {share:.0} % {}{held}:", variant.name), lines);
                    add_steps(&variant.steps, depth + 1, lines);
                }
            }
            Step::Stop => line("stop".to_owned(), lines),
        }
    }
}

/// What a register remembers, in words.
pub fn register(register: &Register) -> String {
    let ring = |within: &Option<Span>| within.map_or(String::new(), |within| format!(" over {within}"));
    match register {
        Register::Recent { of, keep: 1 } => format!("last time of {}", events(of)),
        Register::Recent { of, keep } => format!("last {keep} times of {}", events(of)),
        Register::RecentBy { of, by, keep } => format!("last {keep} times of {} by {by}", events(of)),
        Register::Total { of } => format!("number, first and last time of {}", events(of)),
        Register::Sum { of, property, within, .. } => format!("sum of {property} of {}{}", events(of), ring(within)),
        Register::SumBy { of, property, within, by, .. } => {
            format!("sum of {property} of {} by {by}{}", events(of), ring(within))
        }
        Register::Distinct { of, property, keep } => format!("last {keep} different {property} of {}", events(of)),
        Register::Sequence { steps, within, .. } => format!("progress of {}, within {within}", sequence(steps)),
        Register::Open { after, of } => format!("last times of {} and of {}", events(after), events(of)),
        Register::LastValue { of, property } => format!("last {property} of {}", events(of)),
        Register::Habit { of } => format!("weekdays and hours of {}", events(of)),
        Register::Visits { keep } => format!("last {keep} visits"),
        Register::Refills { of } => format!("products bought with {}", events(of)),
    }
}
