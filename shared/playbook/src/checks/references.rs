//! Names that other files have to explain: segments, plays, places, moments, promotions, destinations.

use std::collections::BTreeSet;

use kairos_engine::bounds::TRAITS_MAX;
use kairos_engine::playbook::PlaceSelector;

use super::Whole;
use crate::diagnostic::{Found, Reference, Target};
use crate::fields::{closest, instead, instead_or, listed};

const LINKS: &str = "links.yaml";
const MOMENTS: &str = "moments.yaml";
const PLACES: &str = "places.yaml";
const PROMOTIONS: &str = "promotions.yaml";
const CHANNELS: &str = "channels.yaml";
const SOURCES: &str = "sources.yaml";

pub(super) fn check(whole: &Whole<'_>, references: &[Reference], found: &mut Found) {
    let segments = whole.names("segments/");
    let plays = whole.names("plays/");
    for Reference { file, at, to } in references {
        let said = match to {
            // The readiness is known before the segments are.
            Target::Segment(_) | Target::Readiness if file == MOMENTS => Some((
                "the readiness to buy can be made neither of segments nor of itself".to_owned(),
                "write here what the segment asks".to_owned(),
            )),
            Target::Segment(name) => unknown_file(name, "segment", "segments", &segments),
            Target::Play(name) => unknown_file(name, "play", "plays", &plays),
            Target::Places(_) if found.is_wrong(PLACES) => None,
            Target::PlacesWithPage(_) if found.is_wrong(PLACES) => None,
            Target::Places(selector) => unknown_places(whole, selector),
            Target::PlacesWithPage(selector) => {
                unknown_places(whole, selector).or_else(|| without_page(whole, selector))
            }
            Target::Destination(_) if found.is_wrong(LINKS) => None,
            Target::Destination(name) => unknown_destination(whole, name),
            Target::Moment(_) | Target::Readiness if found.is_wrong(MOMENTS) => None,
            Target::Moment(moment) if !whole.playbook.moments.moments.contains_key(moment) => {
                let moment = moment.as_str();
                Some((
                    format!("the moment `{moment}` is never reached: nothing is evidence of it"),
                    format!(
                        "write `{moment}:` with `half_life`, `reached_at` and `evidence` below `moments:` in {MOMENTS}"
                    ),
                ))
            }
            Target::Readiness if whole.playbook.moments.readiness.is_none() => Some((
                "nothing says how ready to buy somebody is".to_owned(),
                format!("write `readiness:` with `intercept` and `terms` in {MOMENTS}"),
            )),
            Target::Source(_) if found.is_wrong(SOURCES) => None,
            Target::Source(name) => unknown_source(whole, name),
            Target::Webhook(_) if found.is_wrong(CHANNELS) => None,
            Target::Webhook(name) => unknown_webhook(whole, name.as_deref()),
            Target::Promotion(_) if found.is_wrong(PROMOTIONS) => None,
            Target::Promotion(name) => unknown_promotion(whole, name),
            Target::Moment(_) | Target::Readiness | Target::Event(_) | Target::Property { .. } | Target::Trait(_) => {
                None
            }
        };
        if let Some((message, help)) = said {
            whole.problem(found, file, *at, message, help);
        }
    }
    too_many_traits(whole, references, found);
}

fn unknown_file(name: &str, what: &str, folder: &str, known: &[&str]) -> Option<(String, String)> {
    if known.contains(&name) {
        return None;
    }
    let help = instead_or(name, known, &format!("write {folder}/{name}.yaml"));
    Some((format!("there is no {what} `{name}`"), help))
}

fn unknown_source(whole: &Whole<'_>, name: &str) -> Option<(String, String)> {
    let known: Vec<&str> = whole.playbook.sources.iter().map(|source| source.name.as_str()).collect();
    (!known.contains(&name)).then(|| (format!("there is no source `{name}` in {SOURCES}"), instead(name, &known)))
}

fn unknown_promotion(whole: &Whole<'_>, name: &str) -> Option<(String, String)> {
    let promotions = &whole.playbook.promotions;
    if promotions.contains_key(name) {
        return None;
    }
    let known: Vec<&str> = promotions.keys().map(String::as_str).collect();
    let write =
        format!("write `{name}:` with `title`, `discount` and `expires_after` below `promotions:` in {PROMOTIONS}");
    Some((format!("there is no promotion `{name}`"), instead_or(name, &known, &write)))
}

/// What is wrong with where a message goes. Without any webhook nothing is: then no step can send it there.
fn unknown_webhook(whole: &Whole<'_>, name: Option<&str>) -> Option<(String, String)> {
    let webhooks = &whole.playbook.channels.webhooks;
    let known: Vec<&str> = webhooks.keys().map(String::as_str).collect();
    match name {
        None if known.len() > 1 => Some((
            "it is not said which webhook this goes to".to_owned(),
            format!("write `to:` and one of {}", listed(&known)),
        )),
        Some(name) if !known.contains(&name) => {
            let write = format!("write `{name}:` with `url` below `webhooks:` in {CHANNELS}");
            Some((format!("there is no webhook `{name}`"), instead_or(name, &known, &write)))
        }
        _ => None,
    }
}

fn unknown_destination(whole: &Whole<'_>, name: &str) -> Option<(String, String)> {
    let links = whole.playbook.links.as_ref();
    let known: Vec<&str> = links.into_iter().flat_map(|links| links.destinations.keys()).map(String::as_str).collect();
    if known.contains(&name) {
        return None;
    }
    let write = format!("write `{name}:` with `desktop` below `destinations:` in {LINKS}");
    Some((format!("there is no destination `{name}`"), instead_or(name, &known, &write)))
}

fn without_page(whole: &Whole<'_>, selector: &PlaceSelector) -> Option<(String, String)> {
    let mut meant = whole.playbook.places.iter().filter(|place| selector.matches(place));
    if meant.any(|place| place.url.is_some()) {
        return None;
    }
    let message = "none of these places has a page to lead to".to_owned();
    Some((message, format!("write `url:` at those of {PLACES}")))
}

fn unknown_places(whole: &Whole<'_>, selector: &PlaceSelector) -> Option<(String, String)> {
    let places = &whole.playbook.places;
    if places.is_empty() {
        let message = "the playbook has no places".to_owned();
        return Some((message, format!("write {PLACES} with the name, `latitude`, `longitude` and `radius` of each")));
    }
    if places.iter().any(|place| selector.matches(place)) {
        return None;
    }
    let (message, name, known): (_, _, Vec<&str>) = match selector {
        PlaceSelector::Any => return None,
        PlaceSelector::Kind(kind) => (
            format!("no place is of the kind `{kind}`"),
            kind,
            places.iter().filter_map(|place| place.kind.as_deref()).collect::<BTreeSet<_>>().into_iter().collect(),
        ),
        PlaceSelector::Named(name) => {
            (format!("there is no place `{name}`"), name, places.iter().map(|place| place.name.as_str()).collect())
        }
    };
    let help = match known.len() {
        0 => format!("write `kind: {name}` at a place of {PLACES}"),
        // A list of hundreds of shops would help nobody.
        1..=12 => instead(name, &known),
        _ => closest(name, known.iter().copied())
            .map_or_else(|| format!("look into {PLACES}"), |near| format!("did you mean `{near}`?")),
    };
    Some((message, help))
}

fn too_many_traits(whole: &Whole<'_>, references: &[Reference], found: &mut Found) {
    let mut known = BTreeSet::new();
    for Reference { file, at, to } in references {
        let Target::Trait(name) = to else { continue };
        if known.insert(name) && known.len() == TRAITS_MAX + 1 {
            let message = format!("the playbook asks for more than {TRAITS_MAX} traits; `{name}` is one too many");
            whole.problem(found, file, *at, message, "ask for fewer; each is kept for every user".to_owned());
        }
    }
}
