//! Reads what starts a play.

use kairos_engine::bounds::LOW_STOCK_AT_MOST_MAX;
use kairos_engine::playbook::{CatalogueTest, Change, EventMatch, Interest, Schedule, Trigger, Weekdays};

use crate::conditions::{condition, moment, place_selector, segment_name};
use crate::diagnostic::Report;
use crate::events::{self, check_apart, matches, matches_with_places};
use crate::fields::{Fields, count, list, only_entry, span, word};
use crate::hours::{clock, time_zone, weekdays};
use crate::node::{Entry, Node, Value};
use crate::possible::is_always;
use crate::values::percent;

pub(crate) const TRIGGERS: [&str; 12] = [
    "event",
    "absence",
    "sequence",
    "segment",
    "becomes",
    "moment",
    "place",
    "schedule",
    "price_drop",
    "back_in_stock",
    "low_stock",
    "run_out",
];

pub(crate) const TRIGGER_HELP: &str = "write `event: identify`, or `absence:` with `after`, `of` and `for`";

/// Reads a trigger.
pub(crate) fn trigger(report: &mut Report<'_>, node: &Node) -> Option<Trigger> {
    let entry = only_entry(report, node, "a trigger", &TRIGGERS, "write a play for each trigger")?;
    let inner = &entry.node;
    match entry.key.as_str() {
        "event" => matches(report, inner, "`event`").map(Trigger::Event),
        "absence" => absence(report, inner),
        "sequence" => sequence(report, inner),
        "segment" => {
            let (on, name) = change(report, inner, "`segment`", "write `segment: {entered: loyal}`")?;
            Some(Trigger::Segment { name: segment_name(report, name)?, on })
        }
        "becomes" => becomes(report, inner),
        "moment" => moment(report, inner).map(Trigger::Becomes),
        "place" => {
            let (on, places) = change(report, inner, "`place`", "write `place: {entered: any}`")?;
            Some(Trigger::Place { of: place_selector(report, places, "a place")?, on })
        }
        "schedule" => schedule(report, inner).map(Trigger::Schedule),
        "run_out" => run_out(report, inner),
        _ => catalogue(report, entry),
    }
}

fn becomes(report: &mut Report<'_>, node: &Node) -> Option<Trigger> {
    let becomes = condition(report, node, 1)?;
    if let Some(always) = is_always(&becomes) {
        let (message, help) = if always {
            ("everybody always fulfils this, so it never becomes true", "ask for something that changes")
        } else {
            ("nobody ever fulfils this", "look for conditions that exclude each other")
        };
        report.problem(node.at, message, help);
        return None;
    }
    Some(Trigger::Becomes(becomes))
}

fn absence(report: &mut Report<'_>, node: &Node) -> Option<Trigger> {
    const WHAT: &str = "`absence`";
    let fields = Fields::read(report, node, WHAT, &["after", "of", "for"])?;
    let after = fields.required(report, WHAT, "after", "name the events that start the wait: `after: [Product Added]`");
    let after = after.and_then(|node| matches_with_places(report, node, "`after`"));
    let of = fields.required(report, WHAT, "of", "name the events that end it: `of: [Order Completed]`");
    let of = of.and_then(|node| matches_with_places(report, node, "`of`"));
    let wait = fields.required(report, WHAT, "for", "write how long to wait, as in `for: 30m`");
    let wait = wait.and_then(|node| span(report, node, "`for`"));
    let (after, of) = (after?, of?);
    check_apart(report, &after, &of)?;
    let alone = |found: Vec<(EventMatch, _)>| found.into_iter().map(|(event, _)| event).collect();
    Some(Trigger::Absence { after: alone(after), of: alone(of), wait: wait? })
}

fn sequence(report: &mut Report<'_>, node: &Node) -> Option<Trigger> {
    const WHAT: &str = "`sequence`";
    let fields = Fields::read(report, node, WHAT, &["events", "within"])?;
    let events =
        fields.required(report, WHAT, "events", "name them in order: `events: [Product Viewed, Product Added]`");
    let steps = events.and_then(|node| events::sequence(report, node));
    let within = fields.required(report, WHAT, "within", "write the time from the first to the last: `within: 1h`");
    let within = within.and_then(|node| span(report, node, "`within`"));
    Some(Trigger::Sequence { steps: steps?, within: within? })
}

/// `entered` or `left`, and what.
fn change<'n>(report: &mut Report<'_>, node: &'n Node, what: &str, help: &str) -> Option<(Change, &'n Node)> {
    let entry = only_entry(report, node, what, &["entered", "left"], help)?;
    if matches!(entry.node.value, Value::Null) {
        report.problem(entry.at, format!("`{}` is empty", entry.key), help);
        return None;
    }
    Some((if entry.key == "entered" { Change::Entry } else { Change::Exit }, &entry.node))
}

fn schedule(report: &mut Report<'_>, node: &Node) -> Option<Schedule> {
    const WHAT: &str = "`schedule`";
    let fields = Fields::read(report, node, WHAT, &["at", "on", "day_of_month", "time_zone"])?;
    let at = fields.required(report, WHAT, "at", "write the time of day: `at: \"09:00\"`");
    let at = at.and_then(|node| clock(report, node));
    let on = fields.get("on").map_or(Some(Weekdays::ALL), |node| weekdays(report, node));
    let day_of_month = fields.get("day_of_month").map(|node| count(report, node, "`day_of_month`", 31));
    let zone = fields.get("time_zone").map(|node| time_zone(report, node, "`time_zone`"));
    let day_of_month = match day_of_month {
        // Exact: at most 31.
        Some(day) => Some(day? as u8),
        None => None,
    };
    let time_zone = match zone {
        Some(zone) => Some(zone?),
        None => None,
    };
    Some(Schedule { at: at?, weekdays: on?, day_of_month, time_zone })
}

fn catalogue(report: &mut Report<'_>, entry: &Entry) -> Option<Trigger> {
    let what = format!("`{}`", entry.key);
    if entry.key == "back_in_stock" && matches!(entry.node.value, Value::Null) {
        return Some(Trigger::Catalogue { of: vec![CatalogueTest::BackInStock], interest: every_interest() });
    }
    let (keys, help): (&[&str], _) = match entry.key.as_str() {
        "price_drop" => (&["at_least", "interest"], "write by how much: `at_least: 10%`"),
        "low_stock" => (&["at_most", "interest"], "write how many are left: `at_most: 3`"),
        _ => (&["interest"], ""),
    };
    let fields = Fields::read(report, &entry.node, &what, keys)?;
    let test = match entry.key.as_str() {
        "price_drop" => fields.required(report, &what, "at_least", help).and_then(|node| {
            let share = percent(report, node, "`at_least`")?;
            if share.is_none() {
                report.problem(node.at, "a price that drops by 0 % has not dropped", help);
                return None;
            }
            Some(CatalogueTest::PriceDrop { percent: f64::from(share.0) / 100.0 })
        }),
        "low_stock" => fields.required(report, &what, "at_most", help).and_then(|node| {
            let at_most = count(report, node, "`at_most`", LOW_STOCK_AT_MOST_MAX)?;
            Some(CatalogueTest::LowStock { at_most })
        }),
        _ => Some(CatalogueTest::BackInStock),
    };
    let interest = match fields.get("interest") {
        None => Some(every_interest()),
        Some(node) => list(report, node, "`interest`").and_then(|nodes| {
            let read: Vec<_> = nodes.iter().map(|node| word(report, node, "an interest", &Interest::ALL)).collect();
            let mut interest = read.into_iter().collect::<Option<Vec<_>>>()?;
            interest.sort_unstable();
            interest.dedup();
            Some(interest)
        }),
    };
    Some(Trigger::Catalogue { of: vec![test?], interest: interest? })
}

fn every_interest() -> Vec<Interest> {
    Interest::ALL.iter().map(|(_, interest)| *interest).collect()
}

fn run_out(report: &mut Report<'_>, node: &Node) -> Option<Trigger> {
    const WHAT: &str = "`run_out`";
    let fields = Fields::read(report, node, WHAT, &["event", "before", "lasts"])?;
    let of = fields.required(report, WHAT, "event", "name the purchases: `event: Order Completed`");
    let of = of.and_then(|node| matches(report, node, "`event`"));
    let before = fields.required(report, WHAT, "before", "write how long before the end: `before: 3d`");
    let before = before.and_then(|node| span(report, node, "`before`"));
    let lasts = match fields.get("lasts") {
        Some(node) => Some((node.at, span(report, node, "`lasts`")?)),
        None => None,
    };
    let before = before?;
    if let Some((at, lasts)) = lasts
        && lasts <= before
    {
        report.problem(
            at,
            format!("what lasts {lasts} cannot be told of {before} before its end"),
            "make `lasts` longer than `before`",
        );
        return None;
    }
    Some(Trigger::RunOut { of: of?, before, lasts: lasts.map(|(_, lasts)| lasts) })
}
