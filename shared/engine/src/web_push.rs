//! Browsers in which a user gets notifications: what is remembered of each, and how it becomes known.
//!
//! A page that was allowed to (`kairos.push.subscribe()`) tells of the browser's subscription: an address at the
//! browser maker's push service, and two keys that notifications are encrypted with (RFC 8030, RFC 8291). Whoever has
//! all three can show notifications in that browser as far as they can sign as the shop, so no log and no `Debug` shows
//! them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use core::fmt;
use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use crate::bounds::{DEVICE_NAME_BYTES_MAX, WEB_PUSH_ENDPOINT_BYTES_MAX, WEB_PUSH_SUBSCRIPTIONS_MAX};
use crate::event::{Event, EventKind, FEEDBACK};
use crate::event_name::EventName;
use crate::identifiers::AddressKey;
use crate::playbook::Channel;
use crate::product::shortened;
use crate::step::Run;
use crate::time::Timestamp;

/// Base64 as `PushSubscription.toJSON()` writes it, and with the padding that some libraries add.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A browser's subscription.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WebPushSubscription {
    /// Its address at the push service: `https`, a public name.
    #[n(0)]
    pub endpoint: String,
    /// The browser's public key: a point of P-256, uncompressed.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub p256dh: [u8; 65],
    /// The secret that browser and shop share.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub auth: [u8; 16],
    /// When it was last told of.
    #[n(3)]
    pub at: Timestamp,
    /// The name of the device, when the page says one.
    #[n(4)]
    pub device: Option<String>,
}

impl fmt::Debug for WebPushSubscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("WebPushSubscription");
        shown.field("service", &self.service()).field("at", &self.at).finish_non_exhaustive()
    }
}

/// Why what an event tells is no subscription. None of these quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSubscription {
    /// The address is none.
    #[error(
        "`endpoint` is not the address of a push service: send what `PushSubscription.toJSON()` gives, https and at most \
         {WEB_PUSH_ENDPOINT_BYTES_MAX} bytes"
    )]
    Endpoint,
    /// The browser's key is none.
    #[error("`keys.p256dh` is not a public key: send the 65 bytes of `PushSubscription.toJSON()` in base64url")]
    Key,
    /// The secret is none.
    #[error("`keys.auth` is not a secret: send the 16 bytes of `PushSubscription.toJSON()` in base64url")]
    Secret,
}

impl WebPushSubscription {
    /// Reads the properties of [`EventName::WebPushSubscribed`]: those of `PushSubscription.toJSON()`
    /// (<https://www.w3.org/TR/push-api/#dom-pushsubscriptionjson>), and `device`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(properties: &Map<String, Value>, at: Timestamp) -> Result<Self, NoSubscription> {
        let keys = properties.get("keys");
        let key = |name: &str| BASE64URL.decode(keys?.get(name)?.as_str()?).ok();
        let endpoint = endpoint(properties).ok_or(NoSubscription::Endpoint)?.to_string();
        // 4: a point that is not compressed (SEC 1, section 2.3.3).
        let p256dh = key("p256dh").and_then(|key| key.try_into().ok()).filter(|key: &[u8; 65]| key[0] == 4);
        let auth = key("auth").and_then(|secret| secret.try_into().ok());
        let device = properties.get("device").and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty());
        Ok(Self {
            endpoint,
            p256dh: p256dh.ok_or(NoSubscription::Key)?,
            auth: auth.ok_or(NoSubscription::Secret)?,
            at,
            device: device.map(|name| shortened(name, DEVICE_NAME_BYTES_MAX).to_string()),
        })
    }

    /// What names it without saying it.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(Channel::WebPush, &self.endpoint)
    }

    /// The host of its push service.
    pub fn service(&self) -> &str {
        host(&self.endpoint).unwrap_or_default()
    }
}

fn endpoint(properties: &Map<String, Value>) -> Option<&str> {
    let endpoint = properties.get("endpoint")?.as_str()?;
    let plain = endpoint.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte));
    (plain && endpoint.len() <= WEB_PUSH_ENDPOINT_BYTES_MAX && host(endpoint).is_some()).then_some(endpoint)
}

/// The name that an address leads to: no number, no port, nobody's password.
fn host(endpoint: &str) -> Option<&str> {
    let host = endpoint.strip_prefix("https://")?.split(['/', '?']).next()?;
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    let is_name = host.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    (plain && is_name && host.contains('.')).then_some(host)
}

/// Adds a subscription, in the place of what was known of the same browser; of too many the oldest leave.
pub(crate) fn add(known: &mut Vec<WebPushSubscription>, subscription: WebPushSubscription) {
    if known.iter().any(|own| own.endpoint == subscription.endpoint && own.at > subscription.at) {
        return;
    }
    known.retain(|own| own.endpoint != subscription.endpoint);
    known.push(subscription);
    known.sort_by(|one, other| (one.at, &one.endpoint).cmp(&(other.at, &other.endpoint)));
    let too_many = known.len().saturating_sub(WEB_PUSH_SUBSCRIPTIONS_MAX);
    known.drain(..too_many);
}

impl Run<'_> {
    /// Takes in what an event tells of browsers that get notifications.
    pub(crate) fn hear_of_browsers(&mut self, event: &Event) {
        let EventKind::Track { event: name, properties } = &event.kind else { return };
        let is_used = self.program.playbook().channels.web_push.is_some();
        let known = &mut self.state.web_push;
        let before = known.is_empty();
        match name {
            EventName::WebPushSubscribed if is_used => {
                if let Ok(subscription) = WebPushSubscription::read(properties, event.at) {
                    add(known, subscription);
                }
            }
            EventName::WebPushUnsubscribed => {
                let gone = endpoint(properties);
                known.retain(|own| Some(own.endpoint.as_str()) != gone || own.at > event.at);
            }
            // What the push service says is told by `delivery` alone, and does not name the address.
            EventName::WebPushSubscriptionExpired if event.source == FEEDBACK => {
                let gone = properties.get("address_key").and_then(Value::as_str).and_then(AddressKey::parse);
                known.retain(|own| Some(own.key()) != gone || own.at > event.at);
            }
            _ => return,
        }
        if known.is_empty() != before {
            self.dirty.add(self.program.touches.profile);
        }
    }
}
