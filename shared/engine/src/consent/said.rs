//! What events say about consent.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Map, Value};

use super::{Choice, DeadAddress, Statement, SuppressionReason, Way, named};
use crate::bounds::WORDING_BYTES_MAX;
use crate::event::{Event, EventKind, FEEDBACK, PREFERENCES, SHOP_SERVER};
use crate::event_name::EventName;
use crate::identifiers::AddressKey;
use crate::outcome::Reason;
use crate::playbook::{Channel, OptIn, Purpose};
use crate::product::shortened;
use crate::step::Run;

/// The trait of an `identify` that tells of consent.
pub const TRAIT: &str = "consent";

fn choice(value: &Value) -> Option<Choice> {
    match value {
        Value::Bool(true) => Some(Choice::Given),
        Value::Bool(false) => Some(Choice::Refused),
        Value::String(text) => named(&Choice::ALL, text),
        _ => None,
    }
}

/// The channel with this name; `all` and nothing are all of them.
fn channel(name: &str) -> Option<Option<Channel>> {
    if name.trim().eq_ignore_ascii_case("all") {
        return Some(None);
    }
    let known = Channel::ALL.into_iter().find(|channel| channel.as_str().eq_ignore_ascii_case(name.trim()));
    known.map(Some)
}

/// Who speaks.
fn way(event: &Event, properties: &Map<String, Value>) -> Way {
    let via = properties.get("via").and_then(Value::as_str).and_then(|via| named(&Way::ALL, via));
    match event.source.as_str() {
        SHOP_SERVER => Way::Server,
        PREFERENCES => via.unwrap_or(Way::Preferences),
        FEEDBACK => via.unwrap_or(Way::Receipt),
        _ => Way::Client,
    }
}

fn wording(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    (!text.is_empty()).then(|| shortened(text, WORDING_BYTES_MAX).to_string())
}

/// What an event says about consent:
/// - `Consent Updated` with `channel` (a name, several, or none for all), `purpose` (else marketing), `choice` (`given`,
///   `refused`, `pending`) and `wording`;
/// - `Unsubscribed` of Segment's email spec (<https://segment.com/docs/connections/spec/email/#unsubscribed>): no more
///   marketing by email;
/// - `identify` with a trait [`TRAIT`]: by channel (or `all`) a choice, or a choice for each purpose, with `wording`.
///
/// What cannot be understood says nothing.
pub fn statements(event: &Event) -> Vec<Statement> {
    let mut said = Vec::new();
    let mut say = |channel, purpose, choice, way, wording: Option<String>, address| {
        said.push(Statement { channel, purpose, choice, at: event.at, way, wording, address });
    };
    match &event.kind {
        EventKind::Track { event: EventName::ConsentUpdated, properties } => {
            let way = way(event, properties);
            let said = properties.get("choice").and_then(choice);
            let purpose = match properties.get("purpose") {
                None | Some(Value::Null) => Some(Purpose::Marketing),
                Some(purpose) => purpose.as_str().and_then(|name| named(&Purpose::ALL, name)),
            };
            let names = match properties.get("channel") {
                None | Some(Value::Null) => alloc::vec![None],
                Some(Value::String(name)) => channel(name).into_iter().collect(),
                Some(Value::Array(names)) => {
                    let known = names.iter().take(Channel::ALL.len() + 1);
                    known.filter_map(|name| channel(name.as_str()?)).collect()
                }
                Some(_) => Vec::new(),
            };
            if let (Some(choice), Some(purpose)) = (said, purpose) {
                let wording = wording(properties.get("wording"));
                let address = properties.get("address_key").and_then(Value::as_str).and_then(AddressKey::parse);
                let address = address.filter(|_| way.owns_the_address());
                names.into_iter().for_each(|channel| say(channel, purpose, choice, way, wording.clone(), address));
            }
        }
        EventKind::Track { event: EventName::Unsubscribed, properties } => {
            say(Some(Channel::Email), Purpose::Marketing, Choice::Refused, way(event, properties), None, None);
        }
        EventKind::Identify { traits } => {
            let Some(Value::Object(channels)) = traits.get(TRAIT) else { return said };
            let way = way(event, &Map::new());
            for (name, value) in channels.iter().take(Channel::ALL.len() + 1) {
                let Some(channel) = channel(name) else { continue };
                if let Some(choice) = choice(value) {
                    say(channel, Purpose::Marketing, choice, way, None, None);
                } else if let Value::Object(purposes) = value {
                    for (name, purpose) in Purpose::ALL {
                        if let Some(choice) = purposes.get(name).and_then(choice) {
                            say(channel, purpose, choice, way, wording(purposes.get("wording")), None);
                        }
                    }
                }
            }
        }
        _ => {}
    }
    said
}

impl Run<'_> {
    /// Takes in what an event says about consent and about dead addresses.
    pub(crate) fn hear_consent(&mut self, event: &Event) {
        let playbook = self.program.playbook();
        let is_double = |channel: Channel| playbook.opt_in(channel) == OptIn::Double;
        let consent = &mut self.state.consent;
        for statement in statements(event) {
            let is_given = statement.choice == Choice::Given;
            if is_given && statement.way == Way::Client {
                consent.hear(&Statement { choice: Choice::Pending, ..statement });
            } else if is_given && statement.purpose == Purpose::Marketing && !statement.way.owns_the_address() {
                // Of all channels, those are pending whose address has to be confirmed.
                let any_double = Channel::ALL.into_iter().any(is_double);
                let channels: Vec<Option<Channel>> = match statement.channel {
                    None if any_double => Channel::ALL.into_iter().map(Some).collect(),
                    channel => alloc::vec![channel],
                };
                for channel in channels {
                    let waits = channel.is_some_and(is_double);
                    let choice = if waits { Choice::Pending } else { Choice::Given };
                    consent.hear(&Statement { channel, choice, ..statement.clone() });
                }
            } else {
                consent.hear(&statement);
            }
        }
        if let (FEEDBACK, EventKind::Track { event: name, properties }) = (event.source.as_str(), &event.kind) {
            let text = |name: &str| properties.get(name).and_then(Value::as_str);
            let address = text("address_key").and_then(AddressKey::parse);
            let channel = text("channel").and_then(channel).flatten();
            let (Some(address), Some(channel)) = (address, channel) else { return };
            let reason = text("reason").and_then(SuppressionReason::parse);
            match (name, reason) {
                (EventName::AddressSuppressed, Some(reason)) => {
                    consent.suppress(DeadAddress { channel, address, reason, at: event.at });
                }
                (EventName::AddressRestored, reason) => consent.restore(channel, address, reason),
                _ => {}
            }
        }
    }

    /// Whether the user may get a message for this purpose at this address.
    pub(crate) fn consents(&self, channel: Channel, address: &str, purpose: Purpose) -> Result<(), Reason> {
        let consent = &self.state.consent;
        if !consent.allows(channel, address, purpose, self.program.playbook().opt_in(channel)) {
            return Err(Reason::NoConsent { channel });
        }
        match consent.suppression(channel, address) {
            Some(_) => Err(Reason::Suppressed { channel }),
            None => Ok(()),
        }
    }
}
