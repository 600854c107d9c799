//! Devices with the shop's app: how they become known, and how they leave.

use kairos_engine::bounds::MOBILE_DEVICES_MAX;
use kairos_engine::event::{Event, EventKind, FEEDBACK};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::playbook::{Channel, Playbook};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

fn program(applications: Value) -> Program {
    let playbook: Playbook = serde_json::from_value(json!({
        "sources": [], "channels": {"mobile_push": applications}, "plays": [], "messages": {},
    }))
    .unwrap();
    Program::new(playbook).unwrap()
}

fn both() -> Program {
    let arn = |kind: &str| format!("arn:aws:sns:eu-central-1:123456789012:app/{kind}/shop");
    program(json!({"apns": arn("APNS"), "fcm": arn("GCM")}))
}

fn event(source: &str, minutes: i64, name: &str, device: Value, properties: Value) -> Input {
    let kind = EventKind::Track { event: EventName::parse(name), properties: properties.as_object().cloned().unwrap() };
    let (id, at) =
        (InputId::of_message(source, &format!("{name}{minutes}{device}")), NOON.plus(Span::from_mins(minutes)));
    let context: Map<String, Value> = json!({"device": device}).as_object().cloned().unwrap();
    Input::event(Event::new(id, at, source.into(), Some("42".into()), None, kind, context))
}

fn opened(minutes: i64, device: Value) -> Input {
    event("app", minutes, "Application Opened", device, json!({}))
}

fn device(kind: &str, id: &str, token: &str) -> Value {
    json!({"type": kind, "id": id, "token": format!("{token}-a-token-of-some-length"), "adTrackingEnabled": false})
}

fn tokens(program: &Program, inputs: &[Input]) -> (Vec<String>, UserState) {
    let mut state = UserState::default();
    for input in inputs {
        step(program, UserKey::known("42"), &mut state, std::slice::from_ref(input), input.at());
    }
    let known = state.devices.iter().map(|device| device.token.split('-').next().unwrap().to_owned());
    (known.collect(), state)
}

#[test]
fn devices_are_known_by_what_segments_libraries_say() {
    let (known, state) =
        tokens(&both(), &[opened(1, device("ios", "phone", "a")), opened(2, device("android", "tablet", "b"))]);
    assert_eq!(known, ["a", "b"]);
    assert!(state.is_reachable(Channel::MobilePush));
    assert!(!format!("{:?}", state.devices).contains("a-token"), "nothing shows tokens");
    for nobody in [
        json!({"type": "ios", "id": "x"}),
        json!({"type": "ios", "id": "x", "token": null}),
        json!({"type": "ios", "id": "x", "token": "short"}),
        json!({"type": "ios", "id": "x", "token": "with blanks and more of them"}),
        json!({"type": "ios", "id": "x", "token": "a".repeat(401)}),
        device("tv", "x", "a"),
        // The playbook names no application for development builds.
        json!({"type": "ios", "id": "x", "token": "a-token-of-some-length", "environment": "sandbox"}),
    ] {
        assert_eq!(tokens(&both(), &[opened(1, nobody.clone())]).0, Vec::<String>::new(), "{nobody}");
    }
    let without = program(json!(null));
    assert!(tokens(&without, &[opened(1, device("ios", "phone", "a"))]).0.is_empty());
}

#[test]
fn a_new_token_takes_the_place_of_the_devices_own_and_of_too_many_the_oldest_leave() {
    let refreshed = [opened(1, device("ios", "phone", "a")), opened(2, device("ios", "phone", "b"))];
    assert_eq!(tokens(&both(), &refreshed).0, ["b"]);
    let many: Vec<Input> = (0..=MOBILE_DEVICES_MAX)
        .map(|number| opened(number as i64, device("android", &format!("d{number}"), &format!("t{number}"))))
        .collect();
    let (known, _) = tokens(&both(), &many);
    assert_eq!((known.len(), known[0].as_str()), (MOBILE_DEVICES_MAX, "t1"));
}

#[test]
fn a_device_leaves_when_its_user_wants_that_or_its_push_service_says_so() {
    let here = || vec![opened(1, device("ios", "phone", "a")), opened(2, device("android", "tablet", "b"))];
    let with = |last: Input| {
        let mut inputs = here();
        inputs.push(last);
        tokens(&both(), &inputs).0
    };
    let off = |device: Value| event("app", 5, "Push Disabled", device, json!({}));
    assert_eq!(with(off(device("ios", "phone", "a"))), ["b"]);
    assert_eq!(with(off(json!({"type": "ios", "id": "phone"}))), ["b"], "the token is gone already");
    assert_eq!(with(off(json!({"type": "ios", "id": "other"}))), ["a", "b"]);
    let key = json!({"address_key": tokens(&both(), &here()).1.devices[0].key()});
    for (source, minutes, left) in [("app", 5, &["a", "b"][..]), (FEEDBACK, 5, &["b"]), (FEEDBACK, 0, &["a", "b"])] {
        let expired = event(source, minutes, "Mobile Push Token Expired", json!({}), key.clone());
        assert_eq!(with(expired), left, "{source} {minutes}");
    }
}
