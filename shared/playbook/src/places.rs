//! Reads `places.yaml`.

use kairos_engine::bounds::{LINK_BYTES_MAX, PLACE_RADIUS_M_MAX, PLACES_MAX};
use kairos_engine::place::Position;
use kairos_engine::playbook::{LocalHours, Place};

use crate::diagnostic::Report;
use crate::fields::{Fields, entries, is_name, list, text, whole};
use crate::hours::{Week, local_hours, time_zone};
use crate::node::{Node, Value};
use crate::settings::NAME_HELP;
use crate::values::{caption, number};

const KEYS: [&str; 9] = ["title", "kind", "latitude", "longitude", "radius", "address", "url", "time_zone", "hours"];

/// Reads `places.yaml`.
pub(crate) fn places(report: &mut Report<'_>, root: &Node) -> Vec<Place> {
    const HELP: &str = "write `places:`, below it a name for each place, below it `title`, `latitude` …";
    let mut places: Vec<Place> = Vec::new();
    if matches!(root.value, Value::Null) {
        return places;
    }
    let Some(fields) = Fields::read(report, root, "places.yaml", &["places"]) else {
        return places;
    };
    let Some(named) = fields.required(report, "places.yaml", "places", HELP) else {
        return places;
    };
    let named = entries(report, named, "`places`", HELP).unwrap_or_default();
    if let Some(first) = named.get(PLACES_MAX) {
        report.problem(first.at, format!("there are more than {PLACES_MAX} places"), "remove some");
        return places;
    }
    for entry in named {
        if !is_name(&entry.key) {
            report.problem(entry.at, format!("`{}` cannot be a place's name", entry.key), NAME_HELP);
            continue;
        }
        let Some(place) = place(report, &entry.node, &entry.key) else { continue };
        let same = |other: &&Place| other.title == place.title && other.position() == place.position();
        if let Some(other) = places.iter().find(same) {
            let message = format!("`{}` is the place that stands here as `{}`", place.name, other.name);
            report.problem(entry.at, message, "keep one of them, or give it another title or position");
            continue;
        }
        places.push(place);
    }
    // The order of the file is nobody's business: what is found does not depend on it.
    places.sort_by(|one, two| one.name.cmp(&two.name));
    places
}

fn place(report: &mut Report<'_>, node: &Node, name: &str) -> Option<Place> {
    let what = format!("place `{name}`");
    let fields = Fields::read(report, node, &what, &KEYS)?;
    let title = fields.required(report, &what, "title", "write `title:` and its name for people");
    let title = title.and_then(|node| caption(report, node, "`title`"));
    let kind = match fields.get("kind") {
        Some(node) => kind(report, node).map(Some),
        None => Some(None),
    };
    let position = position(report, &fields, &what);
    let radius = fields.required(report, &what, "radius", "write how near counts as there, in metres: `radius: 150`");
    let radius = radius.and_then(|node| whole(report, node, "`radius`", 1, PLACE_RADIUS_M_MAX));
    let address = match fields.get("address") {
        Some(node) => caption(report, node, "`address`").map(Some),
        None => Some(None),
    };
    let url = match fields.get("url") {
        Some(node) => link(report, node).map(Some),
        None => Some(None),
    };
    let time_zone = match fields.get("time_zone") {
        Some(node) => time_zone(report, node, "`time_zone`").map(Some),
        None => Some(None),
    };
    let hours = fields.get("hours").map_or(Some(Vec::new()), |node| hours(report, node));
    let position = position?;
    Some(Place {
        name: name.to_owned(),
        title: title?,
        kind: kind?,
        latitude: position.latitude,
        longitude: position.longitude,
        radius_m: radius?,
        address: address?,
        url: url?,
        time_zone: time_zone?,
        hours: hours?,
    })
}

fn kind(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let kind = text(report, node, "`kind`")?;
    if !is_name(kind) {
        report.problem(node.at, format!("`{kind}` cannot be a kind of places"), NAME_HELP);
        return None;
    }
    Some(kind.to_owned())
}

fn position(report: &mut Report<'_>, fields: &Fields<'_>, what: &str) -> Option<Position> {
    let mut degrees = |key: &str, help: &str| {
        let node = fields.required(report, what, key, help)?;
        Some((number(report, node, &format!("`{key}`"))?, node.at))
    };
    let latitude = degrees("latitude", "write degrees north: `latitude: 52.52`");
    let longitude = degrees("longitude", "write degrees east: `longitude: 13.405`");
    let ((latitude, at), (longitude, longitude_at)) = (latitude?, longitude?);
    if latitude == 0.0 && longitude == 0.0 {
        report.problem(at, "this place lies in the sea off Africa, at 0 and 0", "write its latitude and longitude");
        return None;
    }
    let position = Position::new(latitude, longitude);
    if position.is_none() {
        let exchanged = Position::new(longitude, latitude).is_some();
        let (at, message) = if (-90.0..=90.0).contains(&latitude) {
            (longitude_at, format!("`longitude` is not from -180 to 180: {longitude}"))
        } else {
            (at, format!("`latitude` is not from -90 to 90: {latitude}"))
        };
        let help = if exchanged {
            "exchange `latitude` and `longitude`"
        } else {
            "write degrees with decimals, north and east, as in `latitude: 52.52`"
        };
        report.problem(at, message, help);
    }
    position
}

fn link(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let url = text(report, node, "`url`")?;
    let host = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let plain = !url.contains(|c: char| c.is_whitespace() || c.is_control()) && url.len() <= LINK_BYTES_MAX;
    if !plain || host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
        report.problem(node.at, format!("`{url}` is no link"), "write one as in `https://shop.example/mitte`");
        return None;
    }
    Some(url.to_owned())
}

fn hours(report: &mut Report<'_>, node: &Node) -> Option<Vec<LocalHours>> {
    let mut week = Week::new();
    let mut hours = Vec::new();
    for node in list(report, node, "`hours`")? {
        let read = local_hours(report, node, "`hours`")?;
        if week.add(read).known > 0 {
            report.problem(node.at, "these hours overlap with others of this place", "write each time once");
            return None;
        }
        hours.push(read);
    }
    Some(hours)
}
