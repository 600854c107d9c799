//! The largest user there can be still fits into one item.

use kairos_engine::bounds::{
    BOUGHT_MAX, CAP_AT_MOST_MAX, CART_ITEMS_MAX, CATEGORY_BYTES_MAX, DEVICE_NAME_BYTES_MAX, EVENT_NAME_BYTES_KEPT_MAX,
    EVENT_NAME_BYTES_MAX, EVENT_PROPERTIES_MAX, EVENT_PROPERTY_BYTES_MAX, EVENT_PROPERTY_NAME_BYTES_MAX,
    FACT_BYTES_MAX, ID_BYTES_MAX, INTERESTS_MAX, LAST_VALUE_BYTES_MAX, LINK_BYTES_MAX, MAILBOX_MESSAGE_BYTES_MAX,
    MESSAGES_PER_COMMIT_MAX, MESSAGES_REMEMBERED_MAX, MOBILE_TOKEN_BYTES_MAX, OUTBOX_BYTES_SOFT_MAX, OUTCOMES_KEPT_MAX,
    PLACES_INSIDE_MAX, PLAYS_MAX, PRODUCT_KEY_BYTES_MAX, PRODUCT_NAME_BYTES_MAX, REGISTER_BYTES_MAX, RUNS_MAX,
    SEEN_INPUTS_MAX, STATE_BYTES_MAX, SUBJECT_TEXT_BYTES_MAX, TEXT_BYTES_MAX, TRAIT_NAME_BYTES_MAX, TRAITS_MAX,
    VIBER_ID_BYTES_MAX, VIEWED_MAX, WATCHED_CONDITIONS_MAX, WEB_PUSH_ENDPOINT_BYTES_MAX, WEB_PUSH_SUBSCRIPTIONS_MAX,
    WHY_BYTES_MAX, WORDING_BYTES_MAX,
};
use kairos_engine::consent::{Choice, DeadAddress, Statement, SuppressionReason, Way};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{AddressKey, DeliveryId, InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::mobile_push::MobileDevice;
use kairos_engine::moment::MomentState;
use kairos_engine::money::{Currency, Micros};
use kairos_engine::outcome::{OutcomeRecord, PlayOutcome};
use kairos_engine::place::Position;
use kairos_engine::playbook::{Channel, ContextFact, Interest, MobilePlatform, Moment, Purpose, TraitValue};
use kairos_engine::product::Product;
use kairos_engine::register::RegisterValue;
use kairos_engine::state::{
    ById, Exposure, Inside, Messaged, Orders, PlayRun, PlayState, ProductInterest, Scheduled, Standing, Subject,
    UserState, Waiting,
};
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use kairos_engine::web_push::WebPushSubscription;
use kairos_engine::who::Origin;

/// What one item of DynamoDB may hold.
const ITEM_BYTES_MAX: usize = 400 * 1024;
/// A play's name: files cannot be named longer.
const PLAY_NAME_BYTES: usize = 64;

fn long(prefix: usize, bytes: usize) -> String {
    let mut text = format!("{prefix:04}");
    text.extend(std::iter::repeat_n('x', bytes - text.len()));
    text
}

fn far() -> Timestamp {
    Timestamp::from_millis(253_402_300_799_999)
}

fn largest_product(number: usize) -> Product {
    Product {
        id: long(number, ID_BYTES_MAX).into(),
        name: Some(long(number, PRODUCT_NAME_BYTES_MAX).into()),
        price: Some(Micros::new(i64::MAX)),
        currency: Currency::parse("EUR"),
        quantity: 10_000,
        image_url: Some(long(number, SUBJECT_TEXT_BYTES_MAX)),
        url: Some(long(number, SUBJECT_TEXT_BYTES_MAX)),
        category: Some(long(number, CATEGORY_BYTES_MAX).into()),
    }
}

fn many<T>(count: u32, value: impl Fn(u32) -> T) -> ById<T> {
    let mut all = ById::default();
    (0..count).for_each(|number| all.set(u32::MAX - number, Some(value(number))));
    all
}

fn largest_run(number: usize) -> PlayRun {
    let property = |number: usize| {
        let value = TraitValue::Text(long(number, EVENT_PROPERTY_BYTES_MAX));
        (long(number, EVENT_PROPERTY_NAME_BYTES_MAX), value)
    };
    let subject = Subject {
        why: long(number, WHY_BYTES_MAX),
        product: Some(largest_product(number).for_keeping()),
        product_was: Some(Micros::new(i64::MAX)),
        event: (0..EVENT_PROPERTIES_MAX).map(property).collect(),
        place: Some(long(number, PLAY_NAME_BYTES)),
    };
    PlayRun { step: u32::MAX, due_at: far(), gives_up_at: Some(far()), held_since: Some(far()), subject }
}

/// A state in which everything is as much and as long as it may be.
pub(crate) fn largest_state(plays: usize) -> UserState {
    let far = far();
    let mut state = UserState {
        clock: far,
        user_id: Some(long(0, ID_BYTES_MAX).into()),
        anonymous_id: Some(long(0, ID_BYTES_MAX).into()),
        forwarded_to: Some(UserKey::known("x")),
        orders: Orders { count: u32::MAX, last_at: Some(far) },
        decisions: u64::MAX,
        ..UserState::default()
    };
    let id = |number: usize, of: &str| InputId::of_message(of, &number.to_string());
    (0..2 * SEEN_INPUTS_MAX).for_each(|number| state.seen.insert(id(number, "seen")));
    (0..2 * SEEN_INPUTS_MAX).for_each(|number| state.passed_on.insert(id(number, "passed on")));
    (0..2 * MESSAGES_REMEMBERED_MAX).for_each(|number| state.messages.insert(id(number, "doubtful")));
    state.profile.email = Some(long(0, 254));
    state.profile.phone = Some(long(0, 16));
    state.profile.telegram = Some(long(0, 16));
    state.profile.viber = Some(long(0, VIBER_ID_BYTES_MAX));
    state.profile.whatsapp = Some(long(0, 16));
    state.profile.first_name = Some(long(0, TEXT_BYTES_MAX));
    state.profile.last_name = Some(long(0, TEXT_BYTES_MAX));
    state.profile.locale = Some(long(0, 35));
    for number in 0..TRAITS_MAX {
        let name = long(number, TRAIT_NAME_BYTES_MAX);
        state.profile.traits.insert(name, TraitValue::Text(long(number, LAST_VALUE_BYTES_MAX)));
    }
    for number in 0..2 * CART_ITEMS_MAX {
        let product = largest_product(number);
        let product = Product {
            image_url: Some(long(number, LINK_BYTES_MAX)),
            url: Some(long(number, LINK_BYTES_MAX)),
            ..product
        };
        state.cart.apply(&EventName::ProductAdded, &[product], far);
    }
    for number in 0..plays {
        let waiting = Waiting { due_at: far, after: long(number, EVENT_NAME_BYTES_KEPT_MAX), after_at: far };
        let sent_at = vec![far; CAP_AT_MOST_MAX as usize];
        let standing = PlayState {
            waiting: Some(waiting),
            entered: u32::MAX,
            sent_at,
            run: (number < RUNS_MAX).then(|| Box::new(largest_run(number))),
            entered_at: Some(far),
            exposure: Some(Exposure { at: far, sent: true, step: Some(u32::MAX), channel: Some(Channel::MobilePush) }),
            variants: many(3, |_| 9),
            scheduled: Some(Scheduled { due_at: far, product: Some(long(number, PRODUCT_KEY_BYTES_MAX)) }),
            messaged_at: Some(far),
        };
        state.plays.insert(long(number, PLAY_NAME_BYTES).into(), standing);
    }
    state.origin = Some(Box::new(Origin {
        source: Some(long(0, FACT_BYTES_MAX)),
        campaign: Some(long(0, FACT_BYTES_MAX)),
        source_at: Some(far),
        device: Some("desktop".into()),
        region: Some("AT".into()),
        at: Some(far),
    }));
    state.last_message_at = Some(far);
    // Every register that a playbook may ask for, as one long list.
    state.registers.set(0, Some(RegisterValue::Recent(std::iter::repeat_n(far, REGISTER_BYTES_MAX / 9).collect())));
    state.watched = many(WATCHED_CONDITIONS_MAX as u32, |_| Standing { since: Some(far), next: Some(far) });
    state.segment_changes = u64::MAX;
    state.program = u32::MAX;
    state.first_seen_at = Some(far);
    for (_, moment) in Moment::ALL {
        state.moments.push(MomentState { moment, strength: 1.0 / 3.0, at: far });
    }
    for (fact, _) in ContextFact::ALL.iter().map(|(name, fact)| (*fact, name)) {
        state.facts.insert(fact, long(0, FACT_BYTES_MAX));
    }
    state.time_zone = Some(long(0, FACT_BYTES_MAX));
    state.position = Position::new(1.0 / 3.0, 1.0 / 3.0);
    // Messages on every channel, and an answer, as many as can be counted.
    state.engagement = crate::engagement::most();
    for number in 0..PLACES_INSIDE_MAX {
        state.inside.push(Inside { place: long(number, PLAY_NAME_BYTES), since: far, until: far });
    }
    state.bought = (0..BOUGHT_MAX as u64).map(|number| u64::MAX - number).collect();
    state.viewed = (0..VIEWED_MAX).map(largest_product).map(|product| product.for_keeping()).collect();
    for number in 0..INTERESTS_MAX {
        let product = long(number, PRODUCT_KEY_BYTES_MAX).into();
        state.interests.push(ProductInterest { product, interest: Interest::Wished, at: far, told_at: far });
    }
    state.on_site_at = Some(far);
    for number in 0..WEB_PUSH_SUBSCRIPTIONS_MAX {
        let (endpoint, device) = (long(number, WEB_PUSH_ENDPOINT_BYTES_MAX), Some(long(number, DEVICE_NAME_BYTES_MAX)));
        let token = long(number, MOBILE_TOKEN_BYTES_MAX);
        state.devices.push(MobileDevice { token, platform: MobilePlatform::Fcm, at: far, device: Some(u64::MAX) });
        state.web_push.push(WebPushSubscription { endpoint, p256dh: [4; 65], auth: [0xff; 16], at: far, device });
    }
    let message = Messaged { at: far, channel: Channel::Webhook };
    state.messaged = vec![message; Channel::ALL.len() * CAP_AT_MOST_MAX as usize];
    // Every channel apart, and each time something else was said.
    for (number, channel) in [None].into_iter().chain(Channel::ALL.map(Some)).enumerate() {
        for (_, purpose) in Purpose::ALL {
            let wording = Some(long(number, WORDING_BYTES_MAX));
            let address = Some(AddressKey::of(Channel::Email, "x"));
            // What is said of one channel comes after what was said of all.
            let at = if channel.is_some() { far } else { far.minus(Span::from_secs(1)) };
            let statement =
                Statement { channel, purpose, choice: Choice::Given, at, way: Way::Receipt, wording, address };
            state.consent.hear(&statement);
        }
        if let Some(channel) = channel {
            let address = AddressKey::of(channel, "x");
            state.consent.suppress(DeadAddress { channel, address, reason: SuppressionReason::Manual, at: far });
        }
    }
    assert_eq!(state.consent.entries().len(), 2 * (Channel::ALL.len() + 1));
    let delivery = DeliveryId::of_decision(UserKey::known("x"), u64::MAX);
    for number in 0..OUTCOMES_KEPT_MAX {
        let play = long(number, PLAY_NAME_BYTES);
        let outcome = match number % 2 {
            0 => PlayOutcome::Cancelled { by: long(number, EVENT_NAME_BYTES_MAX + 70) },
            _ => PlayOutcome::Sent { delivery, channel: Channel::Webhook, due_at: far },
        };
        state.outcomes.push(OutcomeRecord { at: far, play: play.into(), outcome });
    }
    state
}

#[test]
fn a_state_with_maximal_content_stays_below_its_bound() {
    let bytes = largest_state(PLAYS_MAX).encode().len();
    assert!(bytes <= STATE_BYTES_MAX, "{bytes} bytes are more than {STATE_BYTES_MAX}");
}

#[test]
fn plays_that_are_gone_are_forgotten_before_they_are_too_many() {
    let program = crate::shop::program();
    let mut state = largest_state(PLAYS_MAX);
    state.plays.insert("abandoned_cart".into(), PlayState { entered: 7, ..PlayState::default() });
    let now = Timestamp::default();
    step(&program, UserKey::known("x"), &mut state, &[Input::Tick { at: now }], now);
    assert_eq!(
        state.plays.into_iter().map(|(name, play)| (name, play.entered)).collect::<Vec<_>>(),
        [("abandoned_cart".into(), 7)]
    );
}

#[test]
fn the_item_of_the_largest_user_fits_into_dynamodb() {
    let state = largest_state(PLAYS_MAX);
    let one_order = {
        let data = serde_json::to_string(&state.cart.data()).unwrap();
        // Address, names, sentence and ids beside the cart.
        data.len() + 4 * TEXT_BYTES_MAX
    };
    let messages = MESSAGES_PER_COMMIT_MAX * one_order;
    let outbox = OUTBOX_BYTES_SOFT_MAX + messages.max(MAILBOX_MESSAGE_BYTES_MAX);
    let attributes = 1_024;
    let item = state.encode().len() + outbox + attributes;
    assert!(item <= ITEM_BYTES_MAX, "{item} bytes are more than {ITEM_BYTES_MAX}");
}

#[test]
fn the_memory_of_the_largest_user_fits_into_one_mailbox_message() {
    let merge = Input::Merge {
        id: InputId::from_bytes([0xff; 8]),
        at: Timestamp::from_millis(253_402_300_799_999),
        from: UserKey::known("x"),
        hops: 4,
        state: Box::new(largest_state(PLAYS_MAX)),
    };
    let message = serde_json::to_string(&MailboxMessage::of_told(UserKey::known("y"), merge)).unwrap();
    assert!(message.len() <= MAILBOX_MESSAGE_BYTES_MAX, "{} bytes", message.len());
}
