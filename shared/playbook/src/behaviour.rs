//! Reads conditions on what somebody did: how often, when, in what order, how regularly.

use kairos_engine::bounds::{COUNT_EVER_MAX, HABIT_COUNT_MAX, TIMES_KEPT_MAX};
use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{Condition, EventMatch, EventPattern, HabitSlot, HabitTest, Property, Weekdays};
use kairos_engine::time::Span;

use crate::conditions::{asked, each};
use crate::diagnostic::Report;
use crate::events;
use crate::fields::{Fields, span, whole};
use crate::hours;
use crate::node::{Node, Value};
use crate::values::{self, Kind};

/// The condition with this key.
pub(crate) fn condition(report: &mut Report<'_>, node: &Node, key: &str) -> Option<Condition> {
    match key {
        "did" => did(report, node),
        "did_not" => did_not(report, node),
        "first" | "last" => first_or_last(report, node, key, None),
        "first_purchase" => first_or_last(report, node, key, Some(purchases())),
        "last_purchase" => first_or_last(report, node, key, Some(purchases())),
        "last_value" => last_value(report, node),
        "sum" => sum(report, node),
        "spent" => spent(report, node),
        "distinct" => distinct(report, node),
        "sequence" => sequence(report, node),
        "absence" => absence(report, node),
        "purchases" => bought(report, node),
        "average_interval" => average_interval(report, node),
        "habit" => habit(report, node),
        "visits" => visits(report, node),
        _ => None,
    }
}

fn purchases() -> Vec<EventMatch> {
    vec![EventMatch::all(EventPattern::Track(EventName::OrderCompleted))]
}

/// The events that a condition is about.
fn event(report: &mut Report<'_>, fields: &Fields<'_>, what: &str) -> Option<Vec<EventMatch>> {
    let node = fields.required(report, what, "event", "name the events: `event: Product Viewed`")?;
    events::matches(report, node, "`event`")
}

/// A length of time that may be left out. The outer nothing is one that cannot be read.
fn optional_span(report: &mut Report<'_>, fields: &Fields<'_>, key: &str) -> Option<Option<Span>> {
    match fields.get(key) {
        Some(node) => Some(Some(span(report, node, &format!("`{key}`"))?)),
        None => Some(None),
    }
}

fn required_span(report: &mut Report<'_>, fields: &Fields<'_>, what: &str, key: &str, help: &str) -> Option<Span> {
    let node = fields.required(report, what, key, help)?;
    span(report, node, &format!("`{key}`"))
}

/// The detail in `key`, which may be left out.
fn optional_detail(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    key: &str,
    of: Option<&[EventMatch]>,
) -> Option<Option<Property>> {
    match fields.get(key) {
        Some(node) => Some(Some(events::property(report, node, &format!("`{key}`"), of)?)),
        None => Some(None),
    }
}

fn detail(report: &mut Report<'_>, fields: &Fields<'_>, what: &str, of: Option<&[EventMatch]>) -> Option<Property> {
    let help = "name a detail of the events: `property: product.category`";
    let node = fields.required(report, what, "property", help)?;
    events::property(report, node, "`property`", of)
}

/// How often: at least, and at most.
struct Often {
    at_least: Option<u32>,
    at_most: Option<u32>,
}

impl Often {
    /// Reads `at_least`, `at_most` and `exactly`; at least once without any. Up to `max` times are counted.
    fn read(report: &mut Report<'_>, fields: &Fields<'_>, what: &str, max: u32) -> Option<Self> {
        let (at_least, at_most, exactly) = (fields.get("at_least"), fields.get("at_most"), fields.get("exactly"));
        if let (Some(exactly), true) = (exactly, at_least.is_some() || at_most.is_some()) {
            let help = "keep `exactly`, or the others";
            report.problem(exactly.at, format!("{what} has `exactly` beside other numbers"), help);
            return None;
        }
        // What is asked with "at most" is whether there is one more.
        let most = max - 1;
        if let Some(node) = exactly {
            let count = Self::number(report, node, "`exactly`", 0, most)?;
            return Some(Self { at_least: (count > 0).then_some(count), at_most: Some(count) });
        }
        let low = match at_least {
            Some(node) => Some(Self::number(report, node, "`at_least`", 1, max)?),
            None => None,
        };
        let high = match at_most {
            Some(node) => Some(Self::number(report, node, "`at_most`", 0, most)?),
            None => None,
        };
        if let (Some(low), Some(high), Some(node)) = (low, high, at_most)
            && low > high
        {
            let help = "exchange them, or keep one";
            report.problem(node.at, format!("nothing happens at least {low} and at most {high} times"), help);
            return None;
        }
        let low = if low.is_none() && high.is_none() { Some(1) } else { low };
        Some(Self { at_least: low, at_most: high })
    }

    fn number(report: &mut Report<'_>, node: &Node, what: &str, min: u32, max: u32) -> Option<u32> {
        if let Value::Number(number) = node.value
            && number > f64::from(max)
            && max <= TIMES_KEPT_MAX
        {
            let message = format!("{what} is above {max}: each of these times, or values, is remembered of every user");
            let help =
                format!("ask for {max} or fewer; how often `did` was ever done, without `within`, can be any number");
            report.problem(node.at, message, help);
            return None;
        }
        whole(report, node, what, min, max)
    }

    /// As a condition, from one that says "at least so often".
    fn condition(self, at_least: impl Fn(u32) -> Condition) -> Condition {
        let low = self.at_least.map(&at_least);
        let high = self.at_most.map(|count| Condition::Not(Box::new(at_least(count + 1))));
        each(low.into_iter().chain(high).collect())
    }
}

/// The largest number of times that can be counted: without a window and without telling values apart, a
/// count is enough; else every time is kept.
fn countable(within: Option<Span>, same: Option<&Property>) -> u32 {
    if within.is_none() && same.is_none() { COUNT_EVER_MAX } else { TIMES_KEPT_MAX }
}

fn did(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    const KEYS: [&str; 6] = ["event", "at_least", "at_most", "exactly", "within", "same"];
    let fields = Fields::read(report, node, "`did`", &KEYS)?;
    let of = event(report, &fields, "`did`");
    let within = optional_span(report, &fields, "within");
    let same = optional_detail(report, &fields, "same", of.as_deref());
    let (of, within, same) = (of?, within?, same?);
    let often = Often::read(report, &fields, "`did`", countable(within, same.as_ref()))?;
    if let (Some(node), Some(1), None) = (fields.get("same"), often.at_least, often.at_most) {
        let help = "write how often, as in `at_least: 3`, or leave `same` out";
        report.problem(node.at, "what was done once was done with one and the same value", help);
        return None;
    }
    Some(often.condition(|at_least| Condition::Did { of: of.clone(), at_least, within, same: same.clone() }))
}

fn did_not(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`did_not`", &["event", "within"])?;
    let of = event(report, &fields, "`did_not`");
    let within = optional_span(report, &fields, "within");
    let did = Condition::Did { of: of?, at_least: 1, within: within?, same: None };
    Some(Condition::Not(Box::new(did)))
}

fn bought(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`purchases`", &["at_least", "at_most", "exactly", "within"])?;
    let within = optional_span(report, &fields, "within")?;
    let often = Often::read(report, &fields, "`purchases`", countable(within, None))?;
    Some(often.condition(|at_least| Condition::Did { of: purchases(), at_least, within, same: None }))
}

fn first_or_last(report: &mut Report<'_>, node: &Node, key: &str, known: Option<Vec<EventMatch>>) -> Option<Condition> {
    const HELP: &str = "write `ago: 30d` (at least so long ago) or `less_than_ago: 30d`";
    let what = format!("`{key}`");
    let keys: &[&str] = if known.is_some() { &["ago", "less_than_ago"] } else { &["event", "ago", "less_than_ago"] };
    let fields = Fields::read(report, node, &what, keys)?;
    let of = match known {
        Some(of) => Some(of),
        None => event(report, &fields, &what),
    };
    let is_first = key.starts_with("first");
    let (ago, recent) = match (fields.get("ago"), fields.get("less_than_ago")) {
        (Some(_), Some(node)) => {
            report.problem(
                node.at,
                format!("{what} has `ago` and `less_than_ago`"),
                "keep one of them, or write two conditions",
            );
            return None;
        }
        (Some(node), None) => (span(report, node, "`ago`"), false),
        (None, Some(node)) => (span(report, node, "`less_than_ago`"), true),
        (None, None) => {
            report.problem(fields.start(), format!("{what} does not say how long ago"), HELP);
            return None;
        }
    };
    let (of, ago) = (of?, ago?);
    Some(match (is_first, recent) {
        (true, false) => Condition::First { of, ago },
        (true, true) => Condition::All(vec![
            Condition::Did { of: of.clone(), at_least: 1, within: None, same: None },
            Condition::Not(Box::new(Condition::First { of, ago })),
        ]),
        (false, false) => Condition::Last { of, ago },
        (false, true) => Condition::Did { of, at_least: 1, within: Some(ago), same: None },
    })
}

fn last_value(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let keys: Vec<&str> = ["event", "property"].into_iter().chain(values::TESTS).collect();
    let fields = Fields::read(report, node, "`last_value`", &keys)?;
    let of = event(report, &fields, "`last_value`");
    let property = detail(report, &fields, "`last_value`", of.as_deref());
    let tests = values::tests_among(report, &fields, "`last_value`", &Kind::LAST);
    let (of, property) = (of?, property?);
    let asks = |is| Condition::LastValue { of: of.clone(), property: property.clone(), is };
    Some(each(asked(tests?, asks)))
}

fn sum(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`sum`", &["event", "property", "same", "at_least", "within"])?;
    let of = event(report, &fields, "`sum`");
    let property = detail(report, &fields, "`sum`", of.as_deref());
    let same = optional_detail(report, &fields, "same", of.as_deref());
    let at_least = fields.required(report, "`sum`", "at_least", "write how much: `at_least: 60`, `at_least: 50 EUR`");
    let at_least = at_least.and_then(|node| values::positive_money(report, node, "`at_least`"));
    let within = optional_span(report, &fields, "within");
    let (at_least, currency) = at_least?;
    Some(Condition::Sum { of: of?, property: property?, at_least, currency, within: within?, same: same? })
}

fn spent(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`spent`", &["at_least", "within"])?;
    let at_least = fields.required(report, "`spent`", "at_least", "write how much: `at_least: 200 EUR`");
    let at_least = at_least.and_then(|node| values::positive_money(report, node, "`at_least`"));
    let within = optional_span(report, &fields, "within");
    let (at_least, currency) = at_least?;
    let property = Property::parse("total").expect("`total` is a path");
    Some(Condition::Sum { of: purchases(), property, at_least, currency, within: within?, same: None })
}

fn distinct(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    const KEYS: [&str; 6] = ["event", "property", "at_least", "at_most", "exactly", "within"];
    let fields = Fields::read(report, node, "`distinct`", &KEYS)?;
    let of = event(report, &fields, "`distinct`");
    let property = detail(report, &fields, "`distinct`", of.as_deref());
    let within = optional_span(report, &fields, "within");
    let often = Often::read(report, &fields, "`distinct`", TIMES_KEPT_MAX)?;
    let (of, property, within) = (of?, property?, within?);
    Some(often.condition(|at_least| Condition::Distinct {
        of: of.clone(),
        property: property.clone(),
        at_least,
        within,
    }))
}

fn sequence(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`sequence`", &["events", "within", "last"])?;
    let help = "write them in order: `events: [Product Viewed, Product Added]`";
    let steps = fields.required(report, "`sequence`", "events", help);
    let steps = steps.and_then(|node| events::sequence(report, node));
    let help = "write how long it may take from the first to the last: `within: 1h`";
    let within = required_span(report, &fields, "`sequence`", "within", help);
    let last = optional_span(report, &fields, "last");
    Some(Condition::Sequence { steps: steps?, within: within?, last: last? })
}

fn absence(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`absence`", &["after", "of", "for"])?;
    let after =
        fields.required(report, "`absence`", "after", "name the events that start the wait: `after: [Product Added]`");
    let after = after.and_then(|node| events::matches_with_places(report, node, "`after`"));
    let of = fields.required(report, "`absence`", "of", "name the events that end it: `of: [Order Completed]`");
    let of = of.and_then(|node| events::matches_with_places(report, node, "`of`"));
    let wait = required_span(report, &fields, "`absence`", "for", "write how long to wait, as in `for: 30m`");
    let (after, of) = (after?, of?);
    events::check_apart(report, &after, &of)?;
    let events = |found: Vec<(EventMatch, _)>| found.into_iter().map(|(event, _)| event).collect();
    Some(Condition::Absence { after: events(after), of: events(of), wait: wait? })
}

fn average_interval(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`average_interval`", &["event", "less_than"])?;
    let of = event(report, &fields, "`average_interval`");
    let help = "write the time between two of them: `less_than: 30d`";
    let less_than = required_span(report, &fields, "`average_interval`", "less_than", help);
    Some(Condition::AverageInterval { of: of?, less_than: less_than? })
}

fn visits(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`visits`", &["at_least", "at_most", "exactly", "within"])?;
    let within = required_span(report, &fields, "`visits`", "within", "write in how long: `within: 7d`");
    let often = Often::read(report, &fields, "`visits`", TIMES_KEPT_MAX)?;
    let within = within?;
    Some(often.condition(|at_least| Condition::Visits { at_least, within }))
}

fn habit(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    const ON_HELP: &str = "write `on: [monday]`, `on: today` or `on: {from: 7, until: 11}`";
    const HELP: &str = "write `at_least: 3`, `favourite: true` or `never: true`";
    let fields = Fields::read(report, node, "`habit`", &["event", "on", "at_least", "favourite", "never"])?;
    let of = event(report, &fields, "`habit`");
    let on_node = fields.required(report, "`habit`", "on", ON_HELP);
    let on = on_node.and_then(|node| slot(report, node));
    let tests: Vec<(&str, &Node)> =
        ["at_least", "favourite", "never"].iter().filter_map(|key| Some((*key, fields.get(key)?))).collect();
    let (key, node) = match tests[..] {
        [(key, node)] => (key, node),
        [] => {
            report.problem(fields.start(), "`habit` does not say how regularly", HELP);
            return None;
        }
        [(first, _), (second, node), ..] => {
            report.problem(node.at, format!("`habit` has `{first}` and `{second}`"), "keep one of them");
            return None;
        }
    };
    let condition = |is| Some(Condition::Habit { of: of?, on: on?, is });
    match (key, &node.value) {
        ("at_least", _) => {
            let count = whole(report, node, "`at_least`", 1, HABIT_COUNT_MAX)?;
            condition(HabitTest::AtLeast(count))
        }
        ("never", Value::Flag(true)) => Some(Condition::Not(Box::new(condition(HabitTest::AtLeast(1))?))),
        ("favourite", Value::Flag(true)) => {
            if on == Some(HabitSlot::Weekdays(Weekdays::ALL)) {
                report.problem(
                    on_node.map_or(node.at, |node| node.at),
                    "one of all weekdays is always the favourite",
                    ON_HELP,
                );
                return None;
            }
            condition(HabitTest::Favourite)
        }
        _ => {
            report.problem(
                node.at,
                format!("`{key}` can only be `true`"),
                "write `true`, or put `not:` around the habit",
            );
            None
        }
    }
}

fn slot(report: &mut Report<'_>, node: &Node) -> Option<HabitSlot> {
    match &node.value {
        Value::Text(text) if text == "today" => Some(HabitSlot::Today),
        Value::Map(_) => {
            let help = "write whole hours: `{from: 7, until: 11}`";
            let fields = Fields::read(report, node, "`on`", &["from", "until"])?;
            let mut hour = |key: &str, max| {
                let node = fields.required(report, "`on`", key, help)?;
                whole(report, node, &format!("`{key}`"), 0, max)
            };
            let (from, until) = (hour("from", 23), hour("until", 24));
            let (from, until) = (from?, until? % 24);
            if from == until {
                report.problem(node.at, "these hours are the whole day", "write fewer, or ask `did`");
                return None;
            }
            let hour = |hour: u32| u8::try_from(hour).expect("an hour is below 24");
            Some(HabitSlot::Hours { from: hour(from), until: hour(until) })
        }
        _ => hours::weekdays(report, node).map(HabitSlot::Weekdays),
    }
}
