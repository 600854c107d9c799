//! Events, their details and traits that the shop does not send: by its tracking plan, or without one as slips
//! of names that stand elsewhere in the playbook.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{EventMatch, EventPattern, Play, Property, Trigger};

use super::Whole;
use crate::diagnostic::{Found, Place, Reference, Target};
use crate::fields::{closest, instead};
use crate::tracking::Plan;

const PLAN: &str = "tracking_plan.yaml";
/// Shorter names are too often one letter apart and both meant.
const ALMOST_CHARS_MIN: usize = 5;
/// Slips are looked for among so many names at most, and in names of so many letters.
const ALMOST_NAMES_MAX: usize = 5_000;
const ALMOST_CHARS_MAX: usize = 64;

pub(super) fn check(whole: &Whole<'_>, references: &[Reference], found: &mut Found) {
    match whole.plan {
        Some(plan) => {
            for reference in references {
                if let Some((message, help)) = not_in_plan(plan, &reference.to) {
                    whole.problem(found, &reference.file, reference.at, message, help);
                }
            }
            shown_in_messages(whole, plan, found);
        }
        None if whole.files.contains_key(PLAN) => {}
        None => almost_alike(whole, references, found),
    }
}

/// What is wrong with a name by the plan.
fn not_in_plan(plan: &Plan, target: &Target) -> Option<(String, String)> {
    match target {
        Target::Event(event) if !plan.has_event(event) => {
            let name = event.to_string();
            let known: Vec<String> = plan.events.iter().map(|(event, _)| event.to_string()).collect();
            Some((format!("`{name}` is no event of {PLAN}"), meant(&name, &known, "below `events:`")))
        }
        Target::Property { of, property } => of.iter().find_map(|event| {
            let known = plan.instead_of(event, property)?;
            let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
            let place = if matches!(event, EventPattern::Track(_) | EventPattern::Page | EventPattern::Screen) {
                format!("behind `{event}:`")
            } else {
                "below `traits:`".to_owned()
            };
            let message = format!("by {PLAN}, `{event}` is sent without `{property}`");
            Some((message, meant(&property.to_string(), &known, &place)))
        }),
        Target::Trait(name) if !plan.traits.contains(name) => {
            let known: Vec<String> = plan.traits.iter().cloned().collect();
            Some((format!("`{name}` is no trait of {PLAN}"), meant(name, &known, "below `traits:`")))
        }
        _ => None,
    }
}

fn meant(given: &str, known: &[String], place: &str) -> String {
    match closest(given, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? Else, if the shop sends it, add it {place} in {PLAN}"),
        None => format!("if the shop sends it, add it {place} in {PLAN}"),
    }
}

/// The events that start a play, when only events do.
fn started_by(play: &Play) -> &[EventMatch] {
    match &play.trigger {
        Trigger::Event(of) | Trigger::Absence { after: of, .. } => of,
        Trigger::Sequence { steps, .. } => steps.last().map_or(&[], Vec::as_slice),
        _ => &[],
    }
}

/// Properties that messages show of the event that starts their play.
fn shown_in_messages(whole: &Whole<'_>, plan: &Plan, found: &mut Found) {
    for play in &whole.playbook.plays {
        let Some(places) = whole.plays.get(play.name.as_str()) else { continue };
        for (message, at) in &places.sent {
            for name in
                whole.variables.get(message).into_iter().flatten().filter_map(|name| name.strip_prefix("event."))
            {
                let property = Property::Own([name.into()].into());
                let missing = started_by(play)
                    .iter()
                    .find_map(|event| Some((&event.event, plan.instead_of(&event.event, &property)?)));
                if let Some((event, known)) = missing {
                    whole.problem(
                        found,
                        &format!("plays/{}.yaml", play.name),
                        *at,
                        format!("message `{message}` shows `event.{name}`, and by {PLAN} `{event}` is sent without it"),
                        if known.is_empty() {
                            format!("add it behind `{event}:` in {PLAN}")
                        } else {
                            instead(name, &known)
                        },
                    );
                }
            }
        }
    }
}

/// A name that the shop has chosen, with the place that uses it.
struct Use<'a> {
    name: String,
    file: &'a str,
    at: Place,
}

/// Tells names of the shop's own that are almost another one: the rarer of the two is the slip.
fn almost_alike(whole: &Whole<'_>, references: &[Reference], found: &mut Found) {
    // Names are compared with those of their own kind: events, traits, the details of each event.
    let mut kinds: BTreeMap<(&str, Option<&EventPattern>), Vec<Use<'_>>> = BTreeMap::new();
    for Reference { file, at, to } in references {
        let mut add = |kind, of, name: String| kinds.entry((kind, of)).or_default().push(Use { name, file, at: *at });
        match to {
            Target::Event(EventPattern::Track(EventName::Custom(name))) => add("event", None, name.to_string()),
            Target::Trait(name) => add("trait", None, name.clone()),
            Target::Property { of, property: property @ Property::Own(_) } => {
                of.iter().for_each(|event| add("detail", Some(event), property.to_string()));
            }
            _ => {}
        }
    }
    for uses in kinds.values() {
        // How often each name is used, and where in the order of the files it first is.
        let mut counts: BTreeMap<&str, (usize, Reverse<usize>)> = BTreeMap::new();
        for (at, used) in uses.iter().enumerate() {
            counts.entry(&used.name).or_insert((0, Reverse(at))).0 += 1;
        }
        if counts.len() > ALMOST_NAMES_MAX {
            continue;
        }
        let alike = Alike::of(counts.keys().copied());
        for used in uses {
            let other = alike.to(&used.name).into_iter().find(|name| {
                // Of two equally frequent names, the later one is told.
                counts[name] > counts[used.name.as_str()] && is_almost(&used.name, name)
            });
            if let Some(other) = other {
                let place = uses.iter().find(|known| known.name == other).map_or("", |known| known.file);
                let message = format!("`{}` is almost `{other}`, which {place} names", used.name);
                let help = format!("if both are meant, write {PLAN} with all that the shop sends");
                whole.warning(found, used.file, used.at, message, help);
            }
        }
    }
}

/// Finds the names that one may be a slip of, without comparing all with all: two texts that are one slip apart
/// have a letter each without which they are the same (or one of them needs none taken out).
struct Alike<'a>(BTreeMap<String, BTreeSet<&'a str>>);

impl<'a> Alike<'a> {
    fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let mut alike: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for name in names {
            for shorter in shortened(&plain(name)) {
                alike.entry(shorter).or_default().insert(name);
            }
        }
        Self(alike)
    }

    /// The names that a name may be a slip of, and itself.
    fn to(&self, name: &str) -> BTreeSet<&'a str> {
        shortened(&plain(name)).iter().filter_map(|shorter| self.0.get(shorter)).flatten().copied().collect()
    }
}

/// A text, and all that it can become when one letter is taken out.
fn shortened(text: &str) -> Vec<String> {
    if text.len() > ALMOST_CHARS_MAX {
        return vec![text.to_owned()];
    }
    let without = |(at, letter): (usize, char)| [&text[..at], &text[at + letter.len_utf8()..]].concat();
    core::iter::once(text.to_owned()).chain(text.char_indices().map(without)).collect()
}

/// A name without what people write differently.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether one name is probably a slip of the other.
fn is_almost(one: &str, other: &str) -> bool {
    let (one, other) = (plain(one), plain(other));
    if one == other {
        return true;
    }
    let without_digits = |name: &str| name.chars().filter(|c| !c.is_numeric()).collect::<String>();
    // `step_1` and `step_2` are two things.
    without_digits(&one) != without_digits(&other)
        && one.chars().count().min(other.chars().count()) >= ALMOST_CHARS_MIN
        && strsim::damerau_levenshtein(&one, &other) == 1
}
