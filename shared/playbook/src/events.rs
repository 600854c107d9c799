//! Reads which events are meant: a name, a list of names, or names with details.

use kairos_engine::bounds::{
    EVENT_NAME_BYTES_MAX, EVENTS_MAX, FILTERS_MAX, PROPERTY_PATH_BYTES_MAX, SEQUENCE_STEPS_MAX,
};
use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{EventMatch, EventPattern, ProductField, Property, PropertyFilter};

use crate::diagnostic::{Place, Report, Target};
use crate::fields::{Fields, entries, instead, list, text};
use crate::node::{Node, Value};
use crate::values::{self, Asked};

const EVENT_KEYS: [&str; 3] = ["name", "track", "where"];

/// Any form of events.
pub(crate) fn matches(report: &mut Report<'_>, node: &Node, what: &str) -> Option<Vec<EventMatch>> {
    let found = matches_with_places(report, node, what)?;
    Some(found.into_iter().map(|(event, _)| event).collect())
}

/// Any form of events, each with its place.
pub(crate) fn matches_with_places(
    report: &mut Report<'_>,
    node: &Node,
    what: &str,
) -> Option<Vec<(EventMatch, Place)>> {
    let mut found: Vec<(EventMatch, Place)> = Vec::new();
    let mut all_read = true;
    let nodes = list(report, node, what)?;
    if nodes.len() > EVENTS_MAX {
        report.problem(node.at, format!("{what} names {} events", nodes.len()), format!("keep it to {EVENTS_MAX}"));
        return None;
    }
    for node in nodes {
        match event(report, node) {
            Some(event) if found.iter().any(|(known, _)| *known == event) => {
                report.problem(
                    node.at,
                    format!("`{event}` stands here twice"),
                    "remove one; GA4 and Segment names mean the same",
                );
                all_read = false;
            }
            Some(event) => found.push((event, node.at)),
            None => all_read = false,
        }
    }
    let everything = found.iter().any(|(event, _)| *event == EventMatch::all(EventPattern::Any));
    if everything && found.len() > 1 {
        report.problem(node.at, format!("{what} names `any` event, and others"), "keep `any`, or the others");
        all_read = false;
    }
    all_read.then_some(found)
}

/// Checks that what begins something is not also what ends it.
pub(crate) fn check_apart(
    report: &mut Report<'_>,
    after: &[(EventMatch, Place)],
    of: &[(EventMatch, Place)],
) -> Option<()> {
    for (event, at) in of {
        if after.iter().any(|(other, _)| other == event) {
            report.problem(*at, format!("`{event}` starts the wait and ends it"), "keep it in `after` or in `of`");
            return None;
        }
        if event.filters.is_empty() && event.event == EventPattern::Any {
            report.problem(*at, "any event ends the wait, so also the one that starts it", "name the events in `of`");
            return None;
        }
    }
    Some(())
}

/// The parts of a sequence: a list in which each entry is any form of events.
pub(crate) fn sequence(report: &mut Report<'_>, node: &Node) -> Option<Vec<Vec<EventMatch>>> {
    let Value::List(nodes) = &node.value else {
        let help = "write them in order: `events: [Product Viewed, Product Added]`";
        report.problem(node.at, format!("`events` is a list, not {}", node.value.what()), help);
        return None;
    };
    if !(2..=SEQUENCE_STEPS_MAX).contains(&nodes.len()) {
        report.problem(
            node.at,
            format!("a sequence has 2 to {SEQUENCE_STEPS_MAX} events, not {}", nodes.len()),
            "for a single event, ask `did`",
        );
        return None;
    }
    let steps: Vec<_> = nodes.iter().map(|node| matches(report, node, "an event of a sequence")).collect();
    steps.into_iter().collect()
}

/// One event: a name, or a group with details.
fn event(report: &mut Report<'_>, node: &Node) -> Option<EventMatch> {
    const HELP: &str = "write `name:` and the event's name, and its details below `where:`";
    if !report.has_room() {
        return None;
    }
    if !matches!(node.value, Value::Map(_)) {
        let event = pattern(report, node)?;
        report.refer(node.at, Target::Event(event.clone()));
        return Some(EventMatch::all(event));
    }
    let fields = Fields::read(report, node, "an event", &EVENT_KEYS)?;
    let filters = fields.get("where").map_or(Some(Vec::new()), |node| filters(report, node));
    let event = match (fields.get("name"), fields.get("track")) {
        (Some(_), Some(track)) => {
            report.problem(track.at, "`name` and `track` stand side by side", "keep one of them");
            None
        }
        (Some(name), None) => Some((pattern(report, name), name.at)),
        (None, Some(track)) => Some((tracked(report, track).map(EventPattern::Track), track.at)),
        (None, None) => {
            if !fields.has_unknown() {
                report.problem(fields.start(), "an event needs `name`", HELP);
            }
            None
        }
    };
    let (event, at) = event?;
    let (event, filters) = (event?, filters?);
    report.refer(at, Target::Event(event.clone()));
    for (filter, at) in &filters {
        report.refer(*at, Target::Property { of: vec![event.clone()], property: filter.property.clone() });
    }
    Some(EventMatch { event, filters: filters.into_iter().map(|(filter, _)| filter).collect() })
}

fn pattern(report: &mut Report<'_>, node: &Node) -> Option<EventPattern> {
    let name = text(report, node, "an event")?;
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "identify" => EventPattern::Identify,
        "page" => EventPattern::Page,
        "screen" => EventPattern::Screen,
        "group" => EventPattern::Group,
        "any" => EventPattern::Any,
        "alias" => {
            report.problem(node.at, "`alias` joins two users and starts nothing", "use `identify`");
            return None;
        }
        "track" => {
            report.problem(node.at, "`track` is no event", "name the tracked event, or write `any` for every event");
            return None;
        }
        _ => {
            let event = tracked(report, node)?;
            if let EventName::Custom(custom) = &event {
                let given = custom.to_lowercase();
                let near = EventName::STANDARD
                    .iter()
                    .find(|standard| strsim::damerau_levenshtein(&given, &standard.as_str().to_lowercase()) == 1);
                if let Some(standard) = near {
                    report.problem(
                        node.at,
                        format!("`{custom}` is almost `{standard}`, but another event"),
                        format!(
                            "write `{standard}`; if the shop really sends the other one, write `{{track: {custom}}}`"
                        ),
                    );
                    return None;
                }
            }
            EventPattern::Track(event)
        }
    })
}

fn tracked(report: &mut Report<'_>, node: &Node) -> Option<EventName> {
    let name = text(report, node, "an event")?;
    if name.len() > EVENT_NAME_BYTES_MAX {
        report.problem(node.at, "this event's name is too long", format!("write at most {EVENT_NAME_BYTES_MAX} bytes"));
        return None;
    }
    Some(EventName::parse(name))
}

/// What must be true of an event's details.
fn filters(report: &mut Report<'_>, node: &Node) -> Option<Vec<(PropertyFilter, Place)>> {
    const HELP: &str = "write a detail and what it must be, as in `product.category: shoes`";
    let mut filters = Vec::new();
    let mut all_read = true;
    let entries = entries(report, node, "`where`", HELP)?;
    if entries.len() > FILTERS_MAX {
        report.problem(node.at, format!("`where` has {} details", entries.len()), format!("keep it to {FILTERS_MAX}"));
        return None;
    }
    for entry in entries {
        let property = path(report, &entry.key, entry.at);
        let what = format!("`{}`", entry.key);
        let tests = values::tests(report, &entry.node, &what, &values::Kind::EVENT);
        let (Some(property), Some(tests)) = (property, tests) else {
            all_read = false;
            continue;
        };
        for test in tests {
            match test {
                Asked::Is(_, Some(_)) if matches!(property, Property::Context(_)) => {
                    report.problem(
                        entry.node.at,
                        format!("{what} is in no currency"),
                        "write the number alone; amounts are details of events and products",
                    );
                    all_read = false;
                }
                Asked::Is(is, currency) => {
                    filters.push((PropertyFilter { property: property.clone(), is, currency }, entry.at));
                }
                Asked::Unknown => {
                    report.problem(
                        entry.at,
                        format!("`where` cannot ask for events without {what}"),
                        "ask for something that the event says",
                    );
                    all_read = false;
                }
            }
        }
    }
    all_read.then_some(filters)
}

/// A detail of these events, as a key names it.
pub(crate) fn property(
    report: &mut Report<'_>,
    node: &Node,
    what: &str,
    of: Option<&[EventMatch]>,
) -> Option<Property> {
    let given = text(report, node, what)?;
    let property = path(report, given, node.at)?;
    if let Some(of) = of {
        let of = of.iter().map(|event| event.event.clone()).collect();
        report.refer(node.at, Target::Property { of, property: property.clone() });
    }
    Some(property)
}

/// A detail of an event by its path.
fn path(report: &mut Report<'_>, given: &str, at: Place) -> Option<Property> {
    if given.len() > PROPERTY_PATH_BYTES_MAX {
        report.problem(at, "this path is too long", format!("write at most {PROPERTY_PATH_BYTES_MAX} bytes"));
        return None;
    }
    for (wrong, right) in
        [("properties.", ""), ("traits.", ""), ("products.", "product."), ("item.", "product."), ("items.", "product.")]
    {
        if let Some(rest) = given.strip_prefix(wrong) {
            // `products.0.price` or `products[0].price` would be one product's; all are asked.
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            report.problem(at, format!("`{given}` is no path of a detail"), format!("write `{right}{rest}`"));
            return None;
        }
    }
    if let Some(property) = Property::parse(given) {
        return Some(property);
    }
    let fields: Vec<&str> = ProductField::ALL.iter().map(|(name, _)| *name).collect();
    let help = match given.split_once('.') {
        Some(("product", field)) if !field.contains('.') => instead(field, &fields),
        _ => match given {
            "product" => "write a field of it, as in `product.category`".to_owned(),
            "context" => "write what of it, as in `context.page.path`".to_owned(),
            _ => "write names with single dots between them, as in `context.page.path`".to_owned(),
        },
    };
    let message = match given.split_once('.') {
        Some(("product", field)) if !field.contains('.') => format!("products have no `{field}`"),
        _ => format!("`{given}` is no path of a detail"),
    };
    report.problem(at, message, help);
    None
}
