//! What holds whatever clients send.

use kairos_engine::bounds::{ID_BYTES_MAX, LINK_BYTES_MAX, STATE_BYTES_MAX, TEXT_BYTES_MAX};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::largest::largest_state;
use crate::shop::program;

const DAY_MS: i64 = 86_400_000;

fn text(bytes_max: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{1,8}",
        1 => any::<String>().prop_map(move |text| text.chars().take(bytes_max / 4).collect()),
        1 => Just("ü".repeat(bytes_max)),
    ]
}

fn properties() -> impl Strategy<Value = Map<String, Value>> {
    let product = || {
        (text(ID_BYTES_MAX), text(TEXT_BYTES_MAX), any::<u32>(), any::<u32>(), text(LINK_BYTES_MAX)).prop_map(
            |(id, name, price, quantity, link)| {
                json!({"product_id": id, "name": name, "price": f64::from(price) / 100.0, "quantity": quantity, "currency": "EUR",
                "url": format!("https://shop.example/{link}"), "image_url": format!("https://shop.example/{link}")})
            },
        )
    };
    let few = prop::collection::vec(product(), 0..30).prop_map(|products| json!({"products": products}));
    prop_oneof![product(), few, Just(json!({})), Just(json!({"products": 7, "product_id": []}))]
        .prop_map(|value| value.as_object().cloned().unwrap_or_default())
}

fn kind() -> impl Strategy<Value = EventKind> {
    let name = prop_oneof![
        4 => prop::sample::select(EventName::STANDARD),
        1 => text(200).prop_map(|name| EventName::parse(&name)),
    ];
    let traits = (text(TEXT_BYTES_MAX), text(TEXT_BYTES_MAX), any::<bool>()).prop_map(|(text, more, null)| {
        let created_at = if null { Value::Null } else { json!(more) };
        json!({"email": format!("{text}@shop.example"), "phone": more, "firstName": text, "createdAt": created_at})
            .as_object()
            .cloned()
            .unwrap_or_default()
    });
    prop_oneof![
        6 => (name, properties()).prop_map(|(event, properties)| EventKind::Track { event, properties }),
        2 => traits.prop_map(|traits| EventKind::Identify { traits }),
        1 => properties().prop_map(|properties| EventKind::Page { name: None, properties }),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![8 => 0..3 * DAY_MS, 1 => Just(0), 1 => Just(253_402_300_799_999_i64)].prop_map(Timestamp::from_millis)
}

fn user() -> impl Strategy<Value = UserKey> {
    (0..3_u8).prop_map(|number| UserKey::known(&number.to_string()))
}

fn input() -> impl Strategy<Value = Input> {
    let id = || any::<u16>().prop_map(|number| InputId::of_message("web", &number.to_string()));
    let event = (id(), time(), kind(), text(ID_BYTES_MAX), 0..6_u8).prop_map(|(id, at, kind, who, hops)| {
        let who: String = who.chars().take(ID_BYTES_MAX / 4).collect();
        let event = Event::new(id, at, "web".into(), Some(who.clone()), Some(who), kind, Map::new());
        Input::Event { event, hops }
    });
    prop_oneof![
        10 => event,
        4 => time().prop_map(|at| Input::Tick { at }),
        1 => (id(), time(), user()).prop_map(|(id, at, to)| Input::Link { id, at, to }),
        1 => (id(), time(), user(), 0..6_u8, any::<bool>()).prop_map(|(id, at, from, hops, large)| {
            let state = if large { largest_state(3) } else { UserState::default() };
            let state = UserState { clock: at, forwarded_to: None, ..state };
            Input::Merge { id, at, from, hops, state: Box::new(state) }
        }),
    ]
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    prop::collection::vec(input(), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_state_stays_bounded_readable_and_its_clock_never_runs_back(inputs in inputs(), now in time()) {
        let program = program();
        let user = UserKey::known("1");
        let mut state = UserState::default();
        for input in inputs {
            let before = state.clock;
            step(&program, user, &mut state, std::slice::from_ref(&input), now);
            prop_assert!(state.clock >= before);
            let bytes = state.encode();
            prop_assert!(bytes.len() <= STATE_BYTES_MAX, "{} bytes", bytes.len());
            prop_assert_eq!(&UserState::decode(&bytes).unwrap(), &state);
        }
    }

    #[test]
    fn a_message_that_comes_twice_changes_nothing(inputs in inputs(), now in time()) {
        let program = program();
        let user = UserKey::known("1");
        let message = MailboxMessage::of_inputs(user, inputs);
        let mut state = UserState::default();
        step(&program, user, &mut state, message.inputs(), now);
        let once = state.clone();
        let twice = step(&program, user, &mut state, message.inputs(), now);
        // A tick may find a deadline that a later input of the same message had set; nothing else may.
        let ticks = message.inputs().iter().any(|input| matches!(input, Input::Tick { .. }));
        if !ticks {
            prop_assert_eq!(&state, &once);
            prop_assert!(twice.effects.is_empty());
        }
    }

    #[test]
    fn how_inputs_are_grouped_decides_nothing(inputs in inputs(), now in time(), at in any::<prop::sample::Index>()) {
        let program = program();
        let user = UserKey::known("1");
        let (mut at_once, mut in_two) = (UserState::default(), UserState::default());
        let together = step(&program, user, &mut at_once, &inputs, now);
        let (first, second) = inputs.split_at(at.index(inputs.len()));
        let head = step(&program, user, &mut in_two, first, now);
        let tail = step(&program, user, &mut in_two, second, now);
        prop_assert_eq!(in_two, at_once);
        prop_assert_eq!([head.effects, tail.effects].concat(), together.effects);
    }

    #[test]
    fn what_travels_reads_back_as_it_was(inputs in inputs()) {
        let message = MailboxMessage::of_inputs(UserKey::known("1"), inputs);
        let text = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(serde_json::from_str::<MailboxMessage>(&text).unwrap(), message);
    }
}
