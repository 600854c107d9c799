//! Calls of the Segment spec as a client writes them, and how they are packed into requests.

use kairos_engine::bounds::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use kairos_engine::time::Timestamp;
use serde_json::{Map, Value, json};

/// Room in a request for what surrounds the events, in bytes.
const ENVELOPE_BYTES: usize = 128;

/// One call of the Segment spec (<https://segment.com/docs/connections/spec/>).
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When it happened.
    pub at: Timestamp,
    /// The call as JSON, complete but for `timestamp`, which is `at`.
    body: Map<String, Value>,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The id under which the shop knows them.
    pub user_id: Option<&'a str>,
    /// The id of the device or browser.
    pub anonymous_id: Option<&'a str>,
    /// What the client adds to every call.
    pub context: &'a Value,
}

impl Call {
    /// The user did something.
    pub fn track(caller: Caller<'_>, message_id: String, at: Timestamp, event: &str, properties: Value) -> Self {
        Self::new(caller, message_id, at, json!({ "type": "track", "event": event, "properties": properties }))
    }

    /// The user said who they are.
    pub fn identify(caller: Caller<'_>, message_id: String, at: Timestamp, traits: Value) -> Self {
        Self::new(caller, message_id, at, json!({ "type": "identify", "traits": traits }))
    }

    /// A page of the site was seen.
    pub fn page(caller: Caller<'_>, message_id: String, at: Timestamp, name: &str, properties: Value) -> Self {
        Self::new(caller, message_id, at, json!({ "type": "page", "name": name, "properties": properties }))
    }

    fn new(caller: Caller<'_>, message_id: String, at: Timestamp, what: Value) -> Self {
        let Value::Object(mut body) = what else { unreachable!("every call above is an object") };
        body.insert("messageId".into(), message_id.into());
        if let Some(user_id) = caller.user_id {
            body.insert("userId".into(), user_id.into());
        }
        if let Some(anonymous_id) = caller.anonymous_id {
            body.insert("anonymousId".into(), anonymous_id.into());
        }
        body.insert("context".into(), caller.context.clone());
        Self { at, body }
    }

    /// The call as it is sent.
    pub fn to_json(&self) -> Value {
        let mut body = self.body.clone();
        body.insert("timestamp".into(), self.at.to_string().into());
        Value::Object(body)
    }

    /// What recognises it when it is sent again.
    pub fn message_id(&self) -> &str {
        self.body.get("messageId").and_then(Value::as_str).unwrap_or_default()
    }
}

/// One request to `/v1/batch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    events: String,
    count: usize,
}

impl Batch {
    /// How many events it carries.
    pub fn events(&self) -> usize {
        self.count
    }

    /// The body of the request. `sent_at` is the client's clock when it sends: it is set anew for each attempt.
    pub fn body(&self, sent_at: Timestamp) -> String {
        format!(r#"{{"sentAt":"{sent_at}","batch":[{}]}}"#, self.events)
    }

    fn push(&mut self, event: &str) {
        if self.count > 0 {
            self.events.push(',');
        }
        self.events.push_str(event);
        self.count += 1;
    }

    fn has_room(&self, bytes: usize, count: usize, limits: Limits) -> bool {
        self.events.len() + bytes + count <= limits.bytes && self.count + count <= limits.events
    }
}

/// How much one request may carry.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all its events.
    pub bytes: usize,
    /// Events.
    pub events: usize,
}

impl Limits {
    /// What the API takes.
    pub const API: Self = Self { bytes: BATCH_BYTES_MAX - ENVELOPE_BYTES, events: BATCH_EVENTS_MAX };
}

/// Packs what people did into requests. All calls of one person stand in one request, in their order:
/// so a device that was offline sends its backlog. Only who did more than one request can carry gets
/// several; those must be sent one after the other, so each inner list is to be sent in its order.
pub fn pack(people: &[Vec<Call>], limits: Limits) -> Vec<Vec<Batch>> {
    let mut packed = Vec::new();
    let mut open = Batch::default();
    for calls in people {
        let events: Vec<String> = calls.iter().map(|call| call.to_json().to_string()).collect();
        let bytes = events.iter().map(String::len).sum();
        if !open.has_room(bytes, events.len(), limits) {
            let full = std::mem::take(&mut open);
            if full.count > 0 {
                packed.push(vec![full]);
            }
        }
        if open.has_room(bytes, events.len(), limits) {
            events.iter().for_each(|event| open.push(event));
        } else {
            packed.push(split(&events, limits));
        }
    }
    if open.count > 0 {
        packed.push(vec![open]);
    }
    packed
}

fn split(events: &[String], limits: Limits) -> Vec<Batch> {
    let mut batches = vec![Batch::default()];
    for event in events {
        let last = batches.last_mut().expect("there is always one");
        if last.count == 0 || last.has_room(event.len(), 1, limits) {
            last.push(event);
        } else {
            let mut next = Batch::default();
            next.push(event);
            batches.push(next);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, calls: usize) -> Vec<Call> {
        let context = json!({});
        let caller = Caller { user_id: Some(name), anonymous_id: None, context: &context };
        (0..calls)
            .map(|n| Call::track(caller, format!("{name}-{n}"), Timestamp::from_millis(n as i64), "Seen", json!({})))
            .collect()
    }

    /// Who stands in which request, as in `a a b | c`.
    fn shown(packed: &[Vec<Batch>]) -> String {
        let batch = |batch: &Batch| {
            let body: Value = serde_json::from_str(&batch.body(Timestamp::from_millis(0))).unwrap();
            let events = body["batch"].as_array().unwrap().clone();
            assert_eq!(events.len(), batch.events());
            events.iter().map(|event| event["userId"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        let lane = |lane: &Vec<Batch>| lane.iter().map(batch).collect::<Vec<_>>().join(" then ");
        packed.iter().map(lane).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn everything_of_a_person_stands_in_one_request() {
        let people = [person("a", 2), person("b", 2), person("c", 1), person("d", 3)];
        let limits = |events| Limits { bytes: 1_000_000, events };
        assert_eq!(shown(&pack(&people, limits(100))), "a a b b c d d d");
        assert_eq!(shown(&pack(&people, limits(4))), "a a b b | c d d d");
        assert_eq!(shown(&pack(&people, limits(3))), "a a | b b c | d d d");
        assert_eq!(shown(&pack(&[], limits(3))), "");
    }

    #[test]
    fn who_did_too_much_for_one_request_gets_several_in_order() {
        let people = [person("a", 1), person("b", 5), person("c", 1)];
        let limits = Limits { bytes: 1_000_000, events: 2 };
        assert_eq!(shown(&pack(&people, limits)), "a | b b then b b then b | c");
    }

    #[test]
    fn no_request_is_larger_than_the_api_takes() {
        let people: Vec<_> = (0..40).map(|n| person(&format!("person-{n}"), 200)).collect();
        let packed = pack(&people, Limits::API);
        let bodies: Vec<String> = packed.iter().flatten().map(|batch| batch.body(Timestamp::from_millis(0))).collect();
        assert!(bodies.len() > 1 && bodies.iter().all(|body| body.len() <= BATCH_BYTES_MAX));
        assert_eq!(packed.iter().flatten().map(Batch::events).sum::<usize>(), 8_000);
    }

    #[test]
    fn a_call_is_what_a_client_sends() {
        let context = json!({ "locale": "en" });
        let caller = Caller { user_id: Some("7"), anonymous_id: Some("a"), context: &context };
        let at = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
        let call = Call::identify(caller, "m".into(), at, json!({ "email": "ann@shop.example" }));
        assert_eq!(
            call.to_json(),
            json!({ "type": "identify", "messageId": "m", "userId": "7", "anonymousId": "a", "context": { "locale": "en" },
                "traits": { "email": "ann@shop.example" }, "timestamp": "2026-01-02T03:04:05.000Z" })
        );
    }
}
