//! Where somebody is, and which places that is.

use alloc::string::String;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::context::Context;
use crate::event::{Event, EventKind};
use crate::playbook::Place;

/// A position in degrees (WGS 84).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Position {
    /// Degrees north, −90 to 90.
    #[n(0)]
    pub latitude: f64,
    /// Degrees east, −180 to 180.
    #[n(1)]
    pub longitude: f64,
}

/// The Earth's mean radius in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

impl Position {
    /// Reads a position; `None` when it is not on Earth.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let there = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        there.then_some(Self { latitude, longitude })
    }

    /// The position that an event tells: Segment's `context.location`, else the event's own properties.
    pub(crate) fn of(event: &Event, context: &Context<'_>) -> Option<Self> {
        let of_context = context.location.and_then(Value::as_object).and_then(Self::read);
        of_context.or_else(|| match &event.kind {
            EventKind::Track { properties, .. } | EventKind::Screen { properties, .. } => Self::read(properties),
            _ => None,
        })
    }

    fn read(fields: &Map<String, Value>) -> Option<Self> {
        Self::new(fields.get("latitude")?.as_f64()?, fields.get("longitude")?.as_f64()?)
    }

    /// The distance in metres over the Earth as a sphere (haversine formula, Sinnott 1984).
    pub fn distance_m(self, other: Self) -> f64 {
        let half_square = |degrees: f64| {
            let sine = libm::sin(degrees.to_radians() / 2.0);
            sine * sine
        };
        let along = libm::cos(self.latitude.to_radians()) * libm::cos(other.latitude.to_radians());
        let chord = half_square(other.latitude - self.latitude) + along * half_square(other.longitude - self.longitude);
        2.0 * EARTH_RADIUS_M * libm::asin(libm::sqrt(chord.min(1.0)))
    }
}

impl Place {
    /// Where it is.
    pub const fn position(&self) -> Position {
        Position { latitude: self.latitude, longitude: self.longitude }
    }

    /// Whether a position is in it.
    pub fn contains(&self, position: Position) -> bool {
        // A degree of latitude is at least 110 km: far places are told apart without trigonometry.
        let near = (self.latitude - position.latitude).abs() * 110_000.0 <= f64::from(self.radius_m) + 1_000.0;
        near && self.position().distance_m(position) <= f64::from(self.radius_m)
    }
}
