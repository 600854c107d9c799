//! Reads the calls of the Segment spec (<https://segment.com/docs/connections/spec/>) as the clients
//! of Segment, RudderStack and Jitsu write them, into one model.
//!
//! Whatever is wrong with one call is a [`Refusal`] that says what to do about it; nothing here can
//! fail in any other way. Times: what the client said, corrected by how wrong its clock was when it
//! sent (`received − sentAt`), and never later than the receipt.

mod fields;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde_json::{Map, Value};

use crate::bounds::{EVENT_BYTES_MAX, EVENT_NAME_BYTES_MAX, ID_BYTES_MAX, JSON_DEPTH_MAX};
use crate::event::{Event, EventKind};
use crate::event_name::EventName;
use crate::identifiers::{InputId, UserKey, digest};
use crate::mailbox::Input;
use crate::product::shortened;
use crate::time::Timestamp;
use crate::web_push::WebPushSubscription;

pub use fields::{Field, Fields};

/// The calls of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The user did something.
    Track,
    /// The user said who they are.
    Identify,
    /// A page was seen.
    Page,
    /// A screen was seen.
    Screen,
    /// The user belongs to a group.
    Group,
    /// The user has had another id before.
    Alias,
}

impl Call {
    /// Reads a call's name as the field `type` and the paths of the API write it.
    pub fn parse(name: &str) -> Option<Self> {
        [
            ("track", Self::Track),
            ("identify", Self::Identify),
            ("page", Self::Page),
            ("screen", Self::Screen),
            ("group", Self::Group),
            ("alias", Self::Alias),
        ]
        .into_iter()
        .find_map(|(known, call)| name.trim().eq_ignore_ascii_case(known).then_some(call))
    }
}

/// What is known of a call besides its own text.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The source (write key's name) that it came through.
    pub source: &'a str,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// When the client's clock says that it sent the request, as its envelope states. Set anew for
    /// each attempt, so it goes before a `sentAt` of the call's own.
    pub sent_at: Option<Timestamp>,
    /// The call that the path names; it goes before the field `type`.
    pub call: Option<Call>,
    /// The place in the request, from zero.
    pub index: usize,
    /// Whether this is an import of history, whose times are final: `sentAt` corrects nothing.
    pub historical: bool,
}

/// A call that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What happened.
    pub event: Event,
    /// When it happened by the corrected clock of the client, before it was clamped to the receipt;
    /// `None` when the client said no time. Order by this, with `None` last: it gives the order of
    /// [`Event::at`], and the same order again when the client retries a little later.
    pub unclamped_at: Option<Timestamp>,
}

/// Why a call is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs and counters.
    pub code: RefusalCode,
    /// For people: what is wrong and what to send instead.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.as_str(), self.message)
    }
}

macro_rules! refusal_codes {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal; )*) => {
        /// The kinds of refusal. Their names are part of the interface: they never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum RefusalCode {
            $( $(#[$doc])* $variant, )*
        }

        impl RefusalCode {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The code as answers, counters and records show it.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )* }
            }
        }
    };
}

refusal_codes! {
    /// More bytes than [`EVENT_BYTES_MAX`].
    EventTooLarge = "event_too_large";
    /// More levels than [`JSON_DEPTH_MAX`].
    NestedTooDeep = "nested_too_deep";
    /// A value that JSON's grammar allows and no program can hold, such as 1e999.
    JsonInvalid = "json_invalid";
    /// A `type` that is missing or none of the spec's calls.
    TypeUnknown = "type_unknown";
    /// A field of a JSON type that it cannot have.
    TypeInvalid = "type_invalid";
    /// Nobody it could belong to.
    UserMissing = "user_missing";
    /// A track call without the name of its event.
    NameMissing = "name_missing";
    /// A name of more bytes than [`EVENT_NAME_BYTES_MAX`].
    NameTooLong = "name_too_long";
    /// The name of an event that only Kairos itself may tell of.
    NameReserved = "name_reserved";
    /// A group call without its group.
    GroupMissing = "group_missing";
    /// An alias call without the earlier id.
    PreviousIdMissing = "previous_id_missing";
    /// A time that is none.
    TimeInvalid = "time_invalid";
    /// An id of more bytes than [`ID_BYTES_MAX`].
    IdTooLong = "id_too_long";
    /// A browser's subscription to notifications that is none.
    SubscriptionInvalid = "subscription_invalid";
}

fn refused<T>(code: RefusalCode, message: String) -> Result<T, Refusal> {
    Err(Refusal { code, message })
}

/// Reads one call from its JSON text.
///
/// # Errors
/// The [`Refusal`] that names what is wrong with it.
pub fn decode_text(text: &str, facts: &Facts<'_>) -> Result<Decoded, Refusal> {
    if text.len() > EVENT_BYTES_MAX {
        return refused(
            RefusalCode::EventTooLarge,
            format!(
                "The event has {} bytes and may have {EVENT_BYTES_MAX}: send fewer or shorter properties.",
                text.len()
            ),
        );
    }
    // Before it is parsed: the parser's own limit would call it broken instead of deep.
    if deeper_than(text, JSON_DEPTH_MAX) {
        return refused(
            RefusalCode::NestedTooDeep,
            format!("The event is nested deeper than {JSON_DEPTH_MAX} levels: send flatter properties."),
        );
    }
    match serde_json::from_str(text) {
        Ok(call) => decode_fields(call, facts).and_then(from_a_client),
        // It may be JSON, and no object.
        Err(_) => match serde_json::from_str(text) {
            Ok(value) => decode(value, facts).and_then(from_a_client),
            Err(error) => refused(
                RefusalCode::JsonInvalid,
                format!("The event cannot be read: {error}. Send that value as text."),
            ),
        },
    }
}

/// A write key is public: what signed links, providers and push services tell must not come by it.
fn from_a_client(decoded: Decoded) -> Result<Decoded, Refusal> {
    match &decoded.event.kind {
        EventKind::Track { event: EventName::WebPushSubscribed, properties } => {
            match WebPushSubscription::read(properties, decoded.event.at) {
                Ok(_) => Ok(decoded),
                Err(why) => refused(RefusalCode::SubscriptionInvalid, format!("{why}.")),
            }
        }
        EventKind::Track { event, .. } if event.is_of_links() => refused(
            RefusalCode::NameReserved,
            format!("`{event}` is told by signed links alone: give the event another name."),
        ),
        EventKind::Track { event, .. } if event.is_of_receipts() => refused(
            RefusalCode::NameReserved,
            format!("`{event}` is told by providers of messages alone: give the event another name."),
        ),
        _ => Ok(decoded),
    }
}

/// Reads one call from JSON that has been parsed, and whose size and depth the caller has bounded.
///
/// # Errors
/// The [`Refusal`] that names what is wrong with it.
pub fn decode(value: Value, facts: &Facts<'_>) -> Result<Decoded, Refusal> {
    fields_of(value).and_then(|call| decode_fields(call, facts))
}

/// The fields of a call.
///
/// # Errors
/// The [`Refusal`] of what is no object.
pub fn fields_of(value: Value) -> Result<Fields, Refusal> {
    match value {
        Value::Object(call) => Ok(call.into()),
        other => {
            refused(RefusalCode::TypeInvalid, format!("The event is {} and must be an object.", json_type(&other)))
        }
    }
}

/// Reads one call from its fields, whose size and depth the caller has bounded.
///
/// # Errors
/// The [`Refusal`] that names what is wrong with it.
pub fn decode_fields(mut call: Fields, facts: &Facts<'_>) -> Result<Decoded, Refusal> {
    let kind = match facts.call {
        Some(kind) => kind,
        None => call_of(&call)?,
    };
    let has_user = id(&call, Field::UserId)?.is_some();
    let has_visitor = id(&call, Field::AnonymousId)?.is_some();
    let message_id = id(&call, Field::MessageId)?;
    // Where both are there, `timestamp` is what the caller said, and the other the time of the call.
    let (said, called) = (time(&call, Field::Timestamp)?, time(&call, Field::OriginalTimestamp)?);
    let said_at = said.or(called);
    // It only corrects: one that cannot be read is as good as none.
    let sent_at = facts.sent_at.or_else(|| Timestamp::parse(call.get(Field::SentAt)?.as_str()?));

    if !has_user && !has_visitor {
        return refused(
            RefusalCode::UserMissing,
            "The event belongs to nobody: send \"userId\", \"anonymousId\" or both.".to_string(),
        );
    }
    let id = match message_id {
        Some(message_id) => InputId::of_message(facts.source, &message_id),
        None => derived_id(&call, facts, said_at, sent_at),
    };
    let unclamped_at = said_at.map(|said_at| match sent_at {
        Some(sent_at) if !facts.historical => said_at.plus(facts.received_at.since(sent_at)),
        _ => said_at,
    });
    let at = unclamped_at.unwrap_or(facts.received_at).min(facts.received_at).max(Timestamp::from_millis(0));

    let (user_id, anonymous_id) = (take_id(&mut call, Field::UserId), take_id(&mut call, Field::AnonymousId));
    let mut context = object(call.take(Field::Context), Field::Context)?;
    let kind = match kind {
        Call::Track => EventKind::Track { event: event_name(&call)?, properties: properties(&mut call)? },
        Call::Identify => EventKind::Identify { traits: traits(&mut call, &mut context)? },
        Call::Page => {
            let (name, properties) = view(&mut call)?;
            EventKind::Page { name, properties }
        }
        Call::Screen => {
            let (name, properties) = view(&mut call)?;
            EventKind::Screen { name, properties }
        }
        Call::Group => EventKind::Group { group_id: group_id(&call)?, traits: own_traits(&mut call)? },
        Call::Alias => EventKind::Alias { previous_id: previous_id(&call, user_id.is_some())? },
    };
    let event = Event::new(id, at, facts.source.to_string(), user_id, anonymous_id, kind, context);
    Ok(Decoded { event, unclamped_at })
}

/// What an event puts into which mailboxes: the event itself into its user's, and, when it says that
/// a visitor or an earlier id is that user, a link into theirs.
pub fn inputs_of(event: Event) -> Vec<(UserKey, Input)> {
    let Some(user) = event.user_key() else {
        return Vec::new();
    };
    let mut inputs = Vec::new();
    let mut link = |actor: UserKey| {
        if actor != user {
            let id = InputId::caused_by(event.id, "link", actor);
            inputs.push((actor, Input::Link { id, at: event.at, to: user }));
        }
    };
    match (&event.kind, &event.user_id, &event.anonymous_id) {
        (EventKind::Identify { .. }, Some(_), Some(anonymous_id)) => link(UserKey::anonymous(anonymous_id)),
        (EventKind::Alias { previous_id }, Some(_), _) => {
            link(UserKey::anonymous(previous_id));
            link(UserKey::known(previous_id));
        }
        _ => {}
    }
    inputs.push((user, Input::event(event)));
    inputs
}

/// The id of a call without a `messageId`: made of what it says and when, so that a retry gives the
/// same one. Only where the client said no time at all does the receipt keep two genuine ones apart.
fn derived_id(call: &Fields, facts: &Facts<'_>, said_at: Option<Timestamp>, sent_at: Option<Timestamp>) -> InputId {
    let mut hashed = Vec::new();
    for (name, value) in call.in_order().into_iter().filter(|(name, _)| !matches!(*name, "sentAt" | "writeKey")) {
        let value = value.to_string();
        for text in [name, &value] {
            hashed.extend_from_slice(&(text.len() as u64).to_be_bytes());
            hashed.extend_from_slice(text.as_bytes());
        }
    }
    let moment = match (said_at, sent_at) {
        // Its time is part of what it says, and its place may differ when it is sent again.
        (Some(_), _) => None,
        (None, Some(sent_at)) => Some(sent_at),
        (None, None) => Some(facts.received_at),
    };
    let (moment, index) = moment.map_or((0, 0), |moment| (moment.as_millis(), facts.index as u64));
    let hash = digest("content", &[facts.source.as_bytes(), &hashed, &moment.to_be_bytes(), &index.to_be_bytes()]);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    InputId::from_bytes(bytes)
}

fn call_of(call: &Fields) -> Result<Call, Refusal> {
    const KNOWN: &str = "track, identify, page, screen, group or alias";
    match call.get(Field::Type) {
        None | Some(Value::Null) => {
            refused(RefusalCode::TypeUnknown, format!("The event has no \"type\": send {KNOWN}."))
        }
        Some(Value::String(name)) => match Call::parse(name) {
            Some(call) => Ok(call),
            None => {
                let name = shortened(name, 40);
                refused(RefusalCode::TypeUnknown, format!("\"type\" is {name:?} and must be {KNOWN}."))
            }
        },
        Some(other) => wrong_type(Field::Type, other, "text"),
    }
}

fn event_name(call: &Fields) -> Result<EventName, Refusal> {
    match name(call, Field::Event)? {
        Some(name) => Ok(EventName::parse(name)),
        None => refused(
            RefusalCode::NameMissing,
            "A track call needs \"event\", the name of what happened, as in \"Product Added\".".to_string(),
        ),
    }
}

/// The name and the properties of a page or screen; a category stands among the properties.
fn view(call: &mut Fields) -> Result<(Option<String>, Map<String, Value>), Refusal> {
    let name = name(call, Field::Name)?.map(ToString::to_string);
    let mut properties = properties(call)?;
    if let Some(category @ Value::String(_)) = call.take(Field::Category) {
        properties.entry("category").or_insert(category);
    }
    Ok((name, properties))
}

/// The traits of an identify call; some clients put them, or some of them, into the context.
fn traits(call: &mut Fields, context: &mut Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let mut traits = object(context.remove(Field::Traits.name()), Field::Traits)?;
    traits.append(&mut own_traits(call)?);
    Ok(traits)
}

fn own_traits(call: &mut Fields) -> Result<Map<String, Value>, Refusal> {
    object(call.take(Field::Traits), Field::Traits)
}

fn properties(call: &mut Fields) -> Result<Map<String, Value>, Refusal> {
    object(call.take(Field::Properties), Field::Properties)
}

fn group_id(call: &Fields) -> Result<String, Refusal> {
    match id(call, Field::GroupId)? {
        Some(group_id) => Ok(group_id.into_owned()),
        None => refused(
            RefusalCode::GroupMissing,
            "A group call needs \"groupId\", the group that the user belongs to.".to_string(),
        ),
    }
}

fn previous_id(call: &Fields, has_user: bool) -> Result<String, Refusal> {
    match id(call, Field::PreviousId)? {
        Some(_) if !has_user => refused(
            RefusalCode::UserMissing,
            "An alias call needs \"userId\", the id that the user has from now on.".to_string(),
        ),
        Some(previous_id) => Ok(previous_id.into_owned()),
        None => refused(
            RefusalCode::PreviousIdMissing,
            "An alias call needs \"previousId\", the id that the user had before.".to_string(),
        ),
    }
}

/// An id: text, or a whole number. Null and blank are none.
fn id(call: &Fields, field: Field) -> Result<Option<Cow<'_, str>>, Refusal> {
    let id = match call.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
        Some(Value::Number(number)) if !number.is_f64() => Cow::Owned(number.to_string()),
        Some(other) => return wrong_type(field, other, "text or a whole number"),
    };
    if id.len() > ID_BYTES_MAX {
        return refused(
            RefusalCode::IdTooLong,
            format!("\"{}\" has {} bytes and may have {ID_BYTES_MAX}: send a shorter id.", field.name(), id.len()),
        );
    }
    Ok(Some(id))
}

/// Takes out an id that [`id`] has found to be one, or none.
fn take_id(call: &mut Fields, field: Field) -> Option<String> {
    match call.take(field)? {
        Value::String(text) => Some(text).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A name: text. Null and blank are none.
fn name(call: &Fields, field: Field) -> Result<Option<&str>, Refusal> {
    match call.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > EVENT_NAME_BYTES_MAX => refused(
            RefusalCode::NameTooLong,
            format!(
                "\"{}\" has {} bytes and may have {EVENT_NAME_BYTES_MAX}: put the details into the properties.",
                field.name(),
                text.len()
            ),
        ),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(other) => wrong_type(field, other, "text"),
    }
}

fn time(call: &Fields, field: Field) -> Result<Option<Timestamp>, Refusal> {
    match call.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match Timestamp::parse(text) {
            Some(time) => Ok(Some(time)),
            None => refused(
                RefusalCode::TimeInvalid,
                format!(
                    "\"{}\" is {:?}, which is no time: send RFC 3339, as in 2026-11-21T10:00:00Z.",
                    field.name(),
                    shortened(text, 40)
                ),
            ),
        },
        Some(other) => refused(
            RefusalCode::TimeInvalid,
            format!("\"{}\" is {}: send text in RFC 3339, as in 2026-11-21T10:00:00Z.", field.name(), json_type(other)),
        ),
    }
}

/// The object in a field; a missing one and null are empty.
fn object(value: Option<Value>, field: Field) -> Result<Map<String, Value>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(other) => wrong_type(field, &other, "an object"),
    }
}

fn wrong_type<T>(field: Field, value: &Value, wanted: &str) -> Result<T, Refusal> {
    let (name, found) = (field.name(), json_type(value));
    refused(RefusalCode::TypeInvalid, format!("\"{name}\" is {found} and must be {wanted}."))
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Whether brackets outside of strings stand deeper than `levels`; the text need not be valid.
fn deeper_than(text: &str, levels: usize) -> bool {
    // Most have few of them, whichever way they stand.
    if text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count() <= levels {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > levels {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
