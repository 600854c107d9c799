//! Phones and tablets on which a user gets notifications of the shop's app: what is remembered of each, and how it becomes
//! known.
//!
//! Segment's mobile libraries say with every event in `context.device` which device it is (`id`, `type`), and, once the app
//! has registered for notifications, its `token` at Apple's or Google's push service. Whoever has the token and the shop's
//! keys can show notifications there, so no log and no `Debug` shows it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use minicbor::{Decode, Encode};
use serde_json::Value;

use crate::bounds::{MOBILE_DEVICES_MAX, MOBILE_TOKEN_BYTES_MAX, MOBILE_TOKEN_BYTES_MIN};
use crate::event::{Event, EventKind, FEEDBACK};
use crate::event_name::EventName;
use crate::identifiers::AddressKey;
use crate::playbook::{Channel, MobilePlatform, MobilePushSettings};
use crate::step::Run;
use crate::time::Timestamp;

/// A device with the shop's app.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MobileDevice {
    /// Its token at the push service.
    #[n(0)]
    pub token: String,
    /// Which push service.
    #[n(1)]
    pub platform: MobilePlatform,
    /// When it was last told of.
    #[n(2)]
    pub at: Timestamp,
    /// Which device, when the client says: a new token takes the place of the one before.
    #[n(3)]
    pub device: Option<u64>,
}

impl fmt::Debug for MobileDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("MobileDevice");
        shown.field("platform", &self.platform).field("at", &self.at).finish_non_exhaustive()
    }
}

impl MobileDevice {
    /// What the context of an event tells of its device, when it has a token for one of these applications.
    pub fn read(event: &Event, settings: &MobilePushSettings) -> Option<Self> {
        let device = event.context.get("device")?;
        let said = |name: &str| device.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
        let token = token_in(device)?;
        let platform = match said("type").to_ascii_lowercase().as_str() {
            // Development builds have tokens of another service, and nothing in the token says so.
            "ios" | "ipados" if said("environment").eq_ignore_ascii_case("sandbox") => MobilePlatform::ApnsSandbox,
            "ios" | "ipados" => MobilePlatform::Apns,
            "android" => MobilePlatform::Fcm,
            _ => return None,
        };
        settings.application(platform)?;
        Some(Self { token: token.to_string(), platform, at: event.at, device: device_id(device) })
    }

    /// What names it without saying it.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(Channel::MobilePush, &self.token)
    }
}

fn token_in(device: &Value) -> Option<&str> {
    let token = device.get("token")?.as_str()?.trim();
    let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte));
    (plain && (MOBILE_TOKEN_BYTES_MIN..=MOBILE_TOKEN_BYTES_MAX).contains(&token.len())).then_some(token)
}

fn device_id(device: &Value) -> Option<u64> {
    let id = device.get("id")?.as_str().filter(|id| !id.is_empty())?;
    let key = AddressKey::of(Channel::MobilePush, id);
    let [a, b, c, d, e, f, g, h, ..] = *key.as_bytes();
    Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// Adds a device, in the place of what was known of it; of too many the oldest leave.
pub(crate) fn add(known: &mut Vec<MobileDevice>, device: MobileDevice) {
    let is_same = |own: &MobileDevice| {
        own.token == device.token
            || (own.device.is_some() && own.device == device.device && own.platform == device.platform)
    };
    if known.iter().any(|own| is_same(own) && own.at > device.at) {
        return;
    }
    known.retain(|own| !is_same(own));
    known.push(device);
    known.sort_by(|one, other| (one.at, &one.token).cmp(&(other.at, &other.token)));
    let too_many = known.len().saturating_sub(MOBILE_DEVICES_MAX);
    known.drain(..too_many);
}

impl Run<'_> {
    /// Takes in what an event tells of devices with the shop's app.
    pub(crate) fn hear_of_devices(&mut self, event: &Event) {
        let Some(settings) = &self.program.playbook().channels.mobile_push else { return };
        let known = &mut self.state.devices;
        let before = known.is_empty();
        match &event.kind {
            EventKind::Track { event: EventName::PushDisabled | EventName::ApplicationUninstalled, .. } => {
                let Some(device) = event.context.get("device") else { return };
                let (token, id) = (token_in(device), device_id(device));
                known.retain(|own| {
                    let is_meant = Some(own.token.as_str()) == token || (id.is_some() && own.device == id);
                    !is_meant || own.at > event.at
                });
            }
            // What the push service says is told by `delivery` alone, and does not name the token.
            EventKind::Track { event: EventName::MobilePushTokenExpired, properties } if event.source == FEEDBACK => {
                let gone = properties.get("address_key").and_then(Value::as_str).and_then(AddressKey::parse);
                known.retain(|own| Some(own.key()) != gone || own.at > event.at);
            }
            _ => match MobileDevice::read(event, settings) {
                Some(device) => add(known, device),
                None => return,
            },
        }
        if known.is_empty() != before {
            self.dirty.add(self.program.touches.profile);
        }
    }
}
