//! Messages on the shop's own pages: who can be reached there, and which events may lead to one.

use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::playbook::{Channel, Playbook};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

fn playbook(plays: Value) -> Playbook {
    let text = json!({"email": {"subject": "Hello", "text": "Hello"}, "on_site": {"kind": "banner", "text": "Hello"}});
    serde_json::from_value(json!({
        "sources": [], "channels": {"email": {"from": "Shop <hello@shop.example>"}, "on_site": {"verify_identity": true}},
        "plays": plays,
        "messages": {"hello": {"default_locale": "en", "locales": {"en": text}}},
    }))
    .unwrap()
}

fn play(trigger: Value, steps: Value) -> Value {
    json!({"name": "exit", "title": "exit", "trigger": trigger, "valid_for": 3_600_000, "steps": steps})
}

fn send() -> Value {
    json!({"send": {"message": "hello", "channels": ["on_site", "email"]}})
}

fn on_exit(steps: Value) -> Program {
    Program::new(playbook(json!([play(json!({"event": [{"track": "Exit Intended"}]}), steps)]))).unwrap()
}

fn track(name: &str) -> EventKind {
    EventKind::Track { event: EventName::parse(name), properties: Map::new() }
}

fn page() -> Value {
    json!({"page": {"path": "/cart"}})
}

fn input(number: usize, minutes: i64, kind: EventKind, context: Value) -> Input {
    let (id, at) = (InputId::of_message("web", &number.to_string()), NOON.plus(Span::from_mins(minutes)));
    let context = context.as_object().cloned().unwrap();
    Input::event(Event::new(id, at, "web".into(), None, Some("visitor".into()), kind, context))
}

/// Applies inputs, each when it happens; gives the channels and addresses of what was decided, and the state.
fn decided(program: &Program, state: UserState, inputs: &[Input]) -> (Vec<(Channel, String)>, UserState) {
    let mut state = state;
    let mut orders = Vec::new();
    for input in inputs {
        let visitor = UserKey::anonymous("visitor");
        let stepped = step(program, visitor, &mut state, std::slice::from_ref(input), input.at());
        orders.extend(stepped.effects.into_iter().filter_map(|effect| match effect {
            Effect::Deliver(order) => Some((order.channel, order.address)),
            _ => None,
        }));
    }
    (orders, state)
}

fn with_email() -> Input {
    let traits = json!({"email": "ann@shop.example"}).as_object().cloned().unwrap();
    input(0, 0, EventKind::Identify { traits }, json!({}))
}

#[test]
fn who_is_on_a_page_or_in_the_app_is_reached_there_and_others_by_the_next_channel() {
    let program = on_exit(json!([send()]));
    let on_site = (Channel::OnSite, "visitor".to_owned());
    let by_email = (Channel::Email, "ann@shop.example".to_owned());
    for (context, expected) in [
        (page(), &on_site),
        (json!({"library": {"name": "analytics-ios"}}), &on_site),
        // A server tells of it, from wherever.
        (json!({"library": {"name": "@segment/analytics-node"}}), &by_email),
        (json!({}), &by_email),
    ] {
        let (sent, _) = decided(
            &program,
            UserState::default(),
            &[with_email(), input(1, 1, track("Exit Intended"), context.clone())],
        );
        assert_eq!(sent, std::slice::from_ref(expected), "{context}");
    }
}

#[test]
fn a_visit_that_is_over_is_no_place_for_a_message() {
    for (wait, expected) in [(29, Channel::OnSite), (30, Channel::Email)] {
        let program = on_exit(json!([{"wait": wait * 60_000}, send()]));
        let exit = input(1, 0, track("Exit Intended"), page());
        let tick = Input::Tick { at: NOON.plus(Span::from_mins(wait)) };
        let (sent, _) = decided(&program, UserState::default(), &[with_email(), exit, tick]);
        assert_eq!(sent.len(), 1, "after {wait} minutes");
        assert_eq!(sent[0].0, expected, "after {wait} minutes");
    }
}

#[test]
fn where_somebody_was_is_kept_by_who_has_messages_there_alone_and_outlives_a_link() {
    let seen = [input(1, 5, track("Product Viewed"), page()), input(2, 7, track("Order Completed"), json!({}))];
    let (_, state) = decided(&on_exit(json!([send()])), UserState::default(), &seen);
    assert_eq!(
        state.on_site_at,
        Some(NOON.plus(Span::from_mins(5))),
        "a server's event says nothing of where they are"
    );
    let without: Playbook =
        serde_json::from_value(json!({"sources": [], "channels": {}, "plays": [], "messages": {}})).unwrap();
    let (_, nothing) = decided(&Program::new(without).unwrap(), UserState::default(), &seen);
    assert_eq!(nothing.on_site_at, None);
    let merge = Input::Merge {
        id: InputId::of_message("link", "1"),
        at: NOON.plus(Span::from_mins(8)),
        from: UserKey::anonymous("visitor"),
        hops: 1,
        state: Box::new(state),
    };
    let mut known = UserState { on_site_at: Some(NOON), ..UserState::default() };
    step(&on_exit(json!([send()])), UserKey::known("ann"), &mut known, &[merge], NOON.plus(Span::from_mins(8)));
    assert_eq!(known.on_site_at, Some(NOON.plus(Span::from_mins(5))));
}

#[test]
fn a_page_is_told_to_ask_only_after_events_that_may_lead_to_a_message_at_once() {
    let event = |name: &str| json!({"event": [{"track": name}]});
    let sequence =
        json!({"sequence": {"steps": [[{"track": "Product Viewed"}], [{"track": "Cart Viewed"}]], "within": 60_000}});
    let absence = json!({"absence": {"after": [{"track": "Exit Intended"}], "of": [{"track": "Order Completed"}], "wait": 60_000}});
    let by_email = json!({"send": {"message": "hello", "channels": ["email"]}});
    let split = json!({"split": {"name": "s", "variants": [{"name": "a", "weight": 1, "steps": [send()]}]}});
    for (trigger, step, happens, expected) in [
        (event("Exit Intended"), send(), track("Exit Intended"), true),
        (event("Exit Intended"), split, track("Exit Intended"), true),
        (event("Exit Intended"), by_email, track("Exit Intended"), false),
        (event("Exit Intended"), send(), track("Product Viewed"), false),
        (json!({"event": ["page"]}), send(), EventKind::Page { name: None, properties: Map::new() }, true),
        (json!({"event": ["page"]}), send(), track("page"), false),
        (json!({"event": ["any"]}), send(), track("Product Viewed"), true),
        (sequence.clone(), send(), track("Cart Viewed"), true),
        (sequence, send(), track("Product Viewed"), false),
        (absence, send(), track("Exit Intended"), false),
        (json!({"becomes": {"cart": "not_empty"}}), send(), track("Product Added"), true),
    ] {
        let mut playbook = playbook(json!([play(trigger.clone(), json!([step]))]));
        assert_eq!(playbook.may_lead_on_site(&happens), expected, "{trigger} {happens:?}");
        playbook.channels.on_site = None;
        assert!(!playbook.may_lead_on_site(&happens));
    }
}
