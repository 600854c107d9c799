//! Where the user is.

use kairos_engine::bounds::PLACE_STAY;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::playbook::Place;
use serde_json::Value;

use crate::details::{at_path, own};
use crate::life::View;

/// The places in which the user is: those that the last news of each says, less than [`PLACE_STAY`] ago.
pub(crate) fn inside<'a>(view: &View<'a>) -> Vec<&'a str> {
    let is_in = |place: &Place| {
        let news = view.done.iter().rev().find_map(|done| Some((done.at, news_of(&done.event, place)?)));
        news.is_some_and(|(at, there)| there && view.is_within(at, Some(PLACE_STAY)))
    };
    view.playbook.places.iter().filter(|place| is_in(place)).map(|place| place.name.as_str()).collect()
}

/// Whether an event says that the user is in a place, or is not; `None` when it says nothing of it.
fn news_of(event: &Event, place: &Place) -> Option<bool> {
    if let EventKind::Track { event: name, properties } = &event.kind
        && properties.get("place").and_then(Value::as_str) == Some(&place.name)
    {
        match name.as_str() {
            "Place Entered" => return Some(true),
            "Place Left" => return Some(false),
            _ => {}
        }
    }
    let degrees = |name: &str| {
        let of_context = at_path(&event.context, &["location", name]);
        of_context.or_else(|| own(event)?.get(name)).and_then(Value::as_f64)
    };
    let (latitude, longitude) = (degrees("latitude")?, degrees("longitude")?);
    Some(distance_m(latitude, longitude, place) <= f64::from(place.radius_m))
}

/// On a plane: places of tests are small, and positions lie well inside or well outside.
fn distance_m(latitude: f64, longitude: f64, place: &Place) -> f64 {
    let north = (latitude - place.latitude) * 111_195.0;
    let east = (longitude - place.longitude) * 111_195.0 * place.latitude.to_radians().cos();
    north.hypot(east)
}
