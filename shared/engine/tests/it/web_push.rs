//! Browsers that show notifications: how they become known, whose they are, and how they leave.

use kairos_engine::bounds::WEB_PUSH_SUBSCRIPTIONS_MAX;
use kairos_engine::event::{Event, EventKind, FEEDBACK};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::playbook::{Channel, Playbook};
use kairos_engine::program::Program;
use kairos_engine::segment_spec::{Facts, RefusalCode, decode_text};
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use kairos_engine::web_push::{NoSubscription, WebPushSubscription};
use serde_json::{Map, Value, json};

const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);
/// The browser's key and secret of RFC 8291, section 5.
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

fn program(with_channel: bool) -> Program {
    let channels = json!({"web_push": {"contact": "mailto:web@shop.example"}, "email": {"from": "a@shop.example"}});
    let text = json!({"web_push": {"title": "Hello", "body": "Hello"}, "email": {"subject": "Hello", "text": "Hello"}});
    let playbook: Playbook = serde_json::from_value(json!({
        "sources": [], "channels": if with_channel { channels } else { json!({}) },
        "plays": [{"name": "hello", "title": "hello", "trigger": {"event": [{"track": "Asked"}]}, "valid_for": 3_600_000,
            "steps": [{"send": {"message": "hello", "channels": ["web_push", "email"]}}]}],
        "messages": {"hello": {"default_locale": "en", "locales": {"en": text}}},
    }))
    .unwrap();
    Program::new(playbook).unwrap()
}

fn endpoint(name: &str) -> String {
    format!("https://push.example/send/{name}")
}

fn subscription(name: &str) -> Value {
    json!({"endpoint": endpoint(name), "expirationTime": null, "keys": {"p256dh": P256DH, "auth": AUTH}})
}

fn event(source: &str, id: &str, minutes: i64, name: &str, properties: Value) -> Input {
    let kind = EventKind::Track { event: EventName::parse(name), properties: properties.as_object().cloned().unwrap() };
    let at = NOON.plus(Span::from_mins(minutes));
    let id = InputId::of_message(source, id);
    Input::event(Event::new(id, at, source.into(), Some("42".into()), None, kind, Map::new()))
}

fn applied(program: &Program, state: UserState, inputs: &[Input]) -> (UserState, Vec<Effect>) {
    let mut state = state;
    let mut effects = Vec::new();
    for input in inputs {
        let stepped = step(program, UserKey::known("42"), &mut state, std::slice::from_ref(input), input.at());
        effects.extend(stepped.effects);
    }
    (state, effects)
}

fn names(state: &UserState) -> Vec<&str> {
    state.web_push.iter().map(|own| own.endpoint.rsplit('/').next().unwrap()).collect()
}

fn subscribes(number: usize, minutes: i64, name: &str) -> Input {
    event("web", &format!("s{number}"), minutes, "Web Push Subscribed", subscription(name))
}

#[test]
fn who_has_a_browser_with_notifications_is_reached_there_and_others_by_the_next_channel() {
    let program = program(true);
    let asked = |number: usize| event("web", &format!("a{number}"), 10, "Asked", json!({}));
    let channel = |inputs: &[Input]| {
        let effects = applied(&program, UserState::default(), inputs).1;
        effects.into_iter().find_map(|effect| match effect {
            Effect::Deliver(order) => Some((order.channel, order.address)),
            _ => None,
        })
    };
    let traits = json!({"email": "ann@shop.example"}).as_object().cloned().unwrap();
    let id = InputId::of_message("web", "i");
    let kind = EventKind::Identify { traits };
    let identify = Input::event(Event::new(id, NOON, "web".into(), Some("42".into()), None, kind, Map::new()));
    let by_email = Some((Channel::Email, "ann@shop.example".to_owned()));
    assert_eq!(channel(&[identify.clone(), asked(1)]), by_email);
    // Where the browsers are does not travel with the order.
    let here = Some((Channel::WebPush, "42".to_owned()));
    assert_eq!(channel(&[identify.clone(), subscribes(1, 1, "a"), asked(1)]), here);
    let gone = event("web", "u", 2, "Web Push Unsubscribed", json!({"endpoint": endpoint("a")}));
    assert_eq!(channel(&[identify, subscribes(1, 1, "a"), gone, asked(1)]), by_email);
}

#[test]
fn a_browser_is_known_once_and_of_too_many_the_oldest_leave() {
    let program = program(true);
    let names_of_all: Vec<String> = (0..=WEB_PUSH_SUBSCRIPTIONS_MAX).map(|number| format!("b{number}")).collect();
    let mut inputs: Vec<Input> =
        names_of_all.iter().enumerate().map(|(number, name)| subscribes(number, number as i64, name)).collect();
    let (state, _) = applied(&program, UserState::default(), &inputs);
    assert_eq!(names(&state), names_of_all[1..]);
    inputs.push(subscribes(90, 30, "b1"));
    let (state, _) = applied(&program, UserState::default(), &inputs);
    assert_eq!(names(&state).last(), Some(&"b1"));
    assert_eq!(state.web_push.len(), WEB_PUSH_SUBSCRIPTIONS_MAX);
    // Nothing is kept for a playbook that sends no notifications.
    let (state, _) = applied(&self::program(false), UserState::default(), &inputs);
    assert!(state.web_push.is_empty());
}

#[test]
fn only_what_became_of_a_message_lets_a_browser_go_without_naming_it() {
    let program = program(true);
    let (state, _) = applied(&program, UserState::default(), &[subscribes(1, 1, "a"), subscribes(2, 2, "b")]);
    let key = json!({"address_key": state.web_push[0].key()});
    let expired = |source: &str, minutes| event(source, "x", minutes, "Web Push Subscription Expired", key.clone());
    for (source, minutes, left) in [
        ("web", 5, &["a", "b"][..]),
        ("shop-server", 5, &["a", "b"]),
        (FEEDBACK, 5, &["b"]),
        // What the push service said before the browser subscribed again.
        (FEEDBACK, 0, &["a", "b"]),
    ] {
        let (after, _) = applied(&program, state.clone(), &[expired(source, minutes)]);
        assert_eq!(names(&after), left, "{source} {minutes}");
    }
}

#[test]
fn what_a_visitor_has_subscribed_becomes_the_users() {
    let program = program(true);
    let (mut user, _) = applied(&program, UserState::default(), &[subscribes(1, 1, "a"), subscribes(2, 5, "b")]);
    let (visitor, _) = applied(&program, UserState::default(), &[subscribes(3, 3, "c"), subscribes(4, 4, "a")]);
    let merge = Input::Merge {
        id: InputId::of_message("web", "m"),
        at: NOON.plus(Span::from_mins(6)),
        from: UserKey::anonymous("visitor"),
        hops: 0,
        state: Box::new(visitor),
    };
    user = applied(&program, user, &[merge]).0;
    assert_eq!(names(&user), ["c", "a", "b"]);
}

#[test]
fn only_subscriptions_that_browsers_give_are_taken_and_nothing_shows_them() {
    let read = |properties: &Value| WebPushSubscription::read(properties.as_object().unwrap(), NOON);
    let good = read(&subscription("a")).unwrap();
    assert_eq!((good.service(), good.device.as_deref()), ("push.example", None));
    let shown = format!("{good:?}");
    assert!(!shown.contains("send/a") && !shown.contains("auth") && shown.contains("push.example"), "{shown}");
    for wrong in [
        json!(null),
        json!("http://push.example/a"),
        json!("https://127.0.0.1/a"),
        json!("https://2130706433/a"),
        json!("https://[::1]/a"),
        json!("https://localhost/a"),
        json!("https://push.example:8443/a"),
        json!("https://user@push.example/a"),
        json!("https://push.example/a b"),
        json!("https://push.example/a#b"),
        json!("https://push.example/\r\nx"),
        json!("https:///a"),
        json!(format!("https://push.example/{}", "a".repeat(600))),
    ] {
        let mut properties = subscription("a");
        properties["endpoint"] = wrong.clone();
        assert_eq!(read(&properties), Err(NoSubscription::Endpoint), "{wrong}");
    }
    for (name, wrong, why) in [
        ("p256dh", json!(null), NoSubscription::Key),
        ("p256dh", json!(AUTH), NoSubscription::Key),
        ("p256dh", json!(P256DH.replacen('B', "C", 1)), NoSubscription::Key),
        ("p256dh", json!("not base64!"), NoSubscription::Key),
        ("auth", json!(P256DH), NoSubscription::Secret),
        ("auth", json!(7), NoSubscription::Secret),
    ] {
        let mut properties = subscription("a");
        properties["keys"][name] = wrong.clone();
        assert_eq!(read(&properties), Err(why), "{name} {wrong}");
    }
    let mut padded = subscription("a");
    padded["keys"]["auth"] = json!(format!("{AUTH}=="));
    padded["device"] = json!(" Ann's phone ");
    assert_eq!(read(&padded).unwrap().device.as_deref(), Some("Ann's phone"));
}

#[test]
fn what_is_no_subscription_and_what_only_push_services_tell_is_refused_at_the_edge() {
    let facts = Facts { source: "web", received_at: NOON, sent_at: None, call: None, index: 0, historical: false };
    let refused = |event: &str, properties: Value| {
        let call = json!({"type": "track", "userId": "42", "event": event, "properties": properties}).to_string();
        decode_text(&call, &facts).map(drop).map_err(|refusal| (refusal.code, refusal.message))
    };
    assert_eq!(refused("Web Push Subscribed", subscription("a")), Ok(()));
    let (code, message) = refused("web_push_subscribed", json!({"endpoint": "https://10.0.0.1/secret"})).unwrap_err();
    assert_eq!(code, RefusalCode::SubscriptionInvalid);
    assert!(message.contains("PushSubscription.toJSON()") && !message.contains("secret"), "{message}");
    let (code, _) = refused("Web Push Subscription Expired", json!({})).unwrap_err();
    assert_eq!(code, RefusalCode::NameReserved);
}
