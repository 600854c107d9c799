//! Reads `tracking_plan.yaml`: which events and traits the shop sends, so that a slip in a name is found
//! before it waits for an event that never comes.

use std::collections::BTreeSet;

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{EventPattern, Property};

use crate::diagnostic::Report;
use crate::fields::{Fields, entries, list, text};
use crate::node::{Node, Value};

/// What the shop sends.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Each event with its properties.
    pub(crate) events: Vec<(EventPattern, BTreeSet<String>)>,
    pub(crate) traits: BTreeSet<String>,
}

impl Plan {
    /// The properties of an event; nothing when it is not in the plan.
    pub(crate) fn event(&self, event: &EventPattern) -> Option<&BTreeSet<String>> {
        self.events.iter().find(|(known, _)| known == event).map(|(_, properties)| properties)
    }

    /// Whether an event is sent, as far as the plan can say: calls that are no tracked events need not stand in it, nor what
    /// links and receipts of messages tell.
    pub(crate) fn has_event(&self, event: &EventPattern) -> bool {
        match event {
            EventPattern::Track(name) => name.is_of_links() || name.is_of_receipts() || self.event(event).is_some(),
            _ => true,
        }
    }

    /// What an event is sent with that a detail could have been meant to be; nothing when it is sent with the
    /// detail itself, or nobody can know.
    pub(crate) fn instead_of(&self, event: &EventPattern, property: &Property) -> Option<Vec<&str>> {
        let Property::Own(path) = property else { return None };
        let known = match event {
            EventPattern::Identify | EventPattern::Group => &self.traits,
            _ => self.event(event)?,
        };
        // A group may stand in the plan as a whole: `video` for `video.position`.
        let is_known = (1..=path.len()).any(|parts| known.contains(&path[..parts].join(".")));
        (!is_known).then(|| known.iter().map(String::as_str).collect())
    }
}

/// Reads the file.
pub(crate) fn plan(report: &mut Report<'_>, root: &Node) -> Option<Plan> {
    const WHAT: &str = "tracking_plan.yaml";
    const HELP: &str = "write `events:`, below it each event's name, and behind it its properties: `[price, category]`";
    let fields = Fields::read(report, root, WHAT, &["events", "traits"])?;
    let mut plan = Plan::default();
    let mut all_read = true;
    if let Some(node) = fields.get("events") {
        for entry in entries(report, node, "`events`", HELP)? {
            let event = match entry.key.trim().to_ascii_lowercase().as_str() {
                "page" => EventPattern::Page,
                "screen" => EventPattern::Screen,
                "identify" | "group" | "alias" | "any" => {
                    report.problem(
                        entry.at,
                        format!("`{}` is no tracked event", entry.key),
                        "write what `identify` and `group` are sent with below `traits:`",
                    );
                    all_read = false;
                    continue;
                }
                _ => EventPattern::Track(EventName::parse(&entry.key)),
            };
            if plan.event(&event).is_some() {
                let help = "keep one of them; GA4 and Segment names mean the same";
                report.problem(entry.at, format!("`{event}` stands here twice"), help);
                all_read = false;
            }
            match names(report, &entry.node, &format!("`{}`", entry.key)) {
                Some(properties) => plan.events.push((event, properties)),
                None => all_read = false,
            }
        }
    }
    match fields.get("traits").map(|node| names(report, node, "`traits`")) {
        Some(Some(traits)) => plan.traits = traits,
        Some(None) => all_read = false,
        None => {}
    }
    all_read.then_some(plan)
}

/// Names, perhaps none.
fn names(report: &mut Report<'_>, node: &Node, what: &str) -> Option<BTreeSet<String>> {
    let nodes = match &node.value {
        Value::Null => return Some(BTreeSet::new()),
        Value::List(nodes) if nodes.is_empty() => return Some(BTreeSet::new()),
        _ => list(report, node, what)?,
    };
    let names: Vec<_> = nodes.iter().map(|node| text(report, node, "a name").map(str::to_owned)).collect();
    names.into_iter().collect()
}
