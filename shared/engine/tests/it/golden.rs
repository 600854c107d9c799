//! Everything that is stored or travels, as it was first written. See `tests/golden/README.md`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use kairos_engine::consent::{Choice, DeadAddress, Statement, SuppressionReason, Way};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{AddressKey, CorrelationId, DeliveryId, InputId, UserKey};
use kairos_engine::mailbox::{
    AlarmMessage, CatalogueChange, DeliveryMessage, DeliveryOrder, Effect, Input, InterestNote, MailboxMessage,
    MessageData, PersonData,
};
use kairos_engine::mobile_push::MobileDevice;
use kairos_engine::moment::MomentState;
use kairos_engine::money::{Currency, Micros, Money};
use kairos_engine::outcome::{OutcomeRecord, PlayOutcome, Reason};
use kairos_engine::place::Position;
use kairos_engine::playbook::{
    AppLink, Channel, ChannelCap, ChannelConsent, ChannelOrder, ChannelSettings, ChatTemplate, ConsentSettings,
    ContextFact, Destination, Discount, EventMatch, EventPattern, Holder, Interest, LinkButton, LinkSettings,
    LocalizedMessage, Message, MobilePlatform, MobilePushSettings, Moment, OnSiteKind, OnSiteMessage, OnSitePosition,
    OnSiteSettings, OptIn, PageOrPlace, PlaceSelector, Play, Playbook, PlaybookVersion, Policy, Promotion, Purpose,
    PushMessage, SINGLE_WEBHOOK, Share, SmsProvider, SmsSettings, Step, TelegramSettings, TraitValue, Trigger, Urgency,
    Utm, ViberSettings, WebPushSettings, WebhookHeader, WebhookSettings, WebhookTemplate, WhatsappSettings,
    WhatsappTemplate, Wording,
};
use kairos_engine::product::products_of;
use kairos_engine::program::Program;
use kairos_engine::register::{Bucket, Group, Refill, RegisterValue, SumGroup};
use kairos_engine::state::{
    ById, Exposure, Inside, Messaged, Orders, PlayRun, PlayState, ProductInterest, Scheduled, Standing, Subject,
    UserState, Waiting,
};
use kairos_engine::time::{Span, Timestamp};
use kairos_engine::web_push::WebPushSubscription;
use kairos_engine::who::{Dimensions, Origin};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The golden text; written when it is not there yet, which fails once so that somebody looks at it.
#[track_caller]
pub(crate) fn golden(name: &str, today: &str) -> String {
    let path = path(name);
    match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(_) => {
            fs::write(&path, today).expect("the folder of golden files can be written");
            panic!("{} was not there and has been written: look at it, then commit it", path.display());
        }
    }
}

/// Today's code writes exactly the golden file, and reads it back.
#[track_caller]
fn json_is_golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let today = serde_json::to_string_pretty(value).unwrap() + "\n";
    let text = golden(name, &today);
    assert_eq!(text, today, "{name}: what is in the queues must stay readable; add a version instead");
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{name}");
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_763_942_400_000 + millis)
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("the golden files use objects").clone()
}

pub(crate) fn input_id(number: u8) -> InputId {
    InputId::from_bytes([number; 8])
}

fn mug() -> Value {
    json!({"product_id": "mug-1", "name": "Mug", "price": 4.5, "currency": "EUR", "quantity": 2,
        "image_url": "https://shop.example/mug.jpg", "url": "https://shop.example/mug"})
}

pub(crate) fn event(number: u8, kind: EventKind) -> Input {
    Input::event(Event::new(
        input_id(number),
        at(i64::from(number) * 1_000),
        "web".into(),
        Some("ann".into()),
        Some("visitor-1".into()),
        kind,
        object(json!({"locale": "de-DE", "page": {"url": "https://shop.example/"}})),
    ))
}

/// A state in which nothing is empty.
pub(crate) fn full_state() -> UserState {
    let mut state = UserState {
        clock: at(9_000),
        user_id: Some("ann".into()),
        anonymous_id: Some("visitor-1".into()),
        forwarded_to: Some(UserKey::known("anna")),
        orders: Orders { count: 3, last_at: Some(at(1_000)) },
        decisions: 5,
        ..UserState::default()
    };
    (1..=2).for_each(|number| state.seen.insert(input_id(number)));
    state.messages.insert(input_id(3));
    state.passed_on.insert(input_id(4));
    state.profile.email = Some("ann@shop.example".into());
    state.profile.phone = Some("+4915112345678".into());
    state.profile.first_name = Some("Ann".into());
    state.profile.last_name = Some("Archer".into());
    state.profile.locale = Some("de-DE".into());
    state.profile.traits.insert("createdAt".into(), TraitValue::Text("2020-01-01T00:00:00Z".into()));
    state.profile.traits.insert("points".into(), TraitValue::Number(12.5));
    state.profile.traits.insert("vip".into(), TraitValue::Flag(true));
    state.cart.apply(&EventName::ProductAdded, &products_of(&object(mug())), at(8_000));
    let waiting = Waiting { due_at: at(1_808_000), after: "Product Added".into(), after_at: at(8_000) };
    let standing =
        PlayState { waiting: Some(waiting), entered: 2, sent_at: vec![at(1), at(2)], ..PlayState::default() };
    state.plays.insert("abandoned_cart".into(), standing);
    fill_registers(&mut state);
    fill_journeys(&mut state);
    let delivery = DeliveryId::of_decision(UserKey::known("ann"), 4);
    let reasons = [
        Reason::Cap { at_most: 1, per: Span::from_hours(24) },
        Reason::MomentPassed { late_by: Span::from_hours(7) },
        Reason::NoAddress,
        Reason::NotInAudience,
        Reason::Excluded,
        Reason::AlreadyEntered,
        Reason::TooManyAtOnce,
        Reason::Cooldown { until: at(5) },
        Reason::NotRolledOut,
        Reason::AlreadyRunning,
        Reason::PolicyCap { channel: Some(Channel::Sms), at_most: 1, per: Span::from_hours(24) },
        Reason::QuietHours,
        Reason::TooManyRunning,
        Reason::PlayChanged,
        Reason::TooManySteps,
    ];
    let outcomes = [
        PlayOutcome::Sent { delivery, channel: Channel::Webhook, due_at: at(3) },
        PlayOutcome::Cancelled { by: "Order Completed".into() },
        PlayOutcome::Waiting { due_at: at(1_808_000) },
        PlayOutcome::Held { until: at(4) },
        PlayOutcome::HeldOut { group: "holdout".into(), due_at: at(5) },
        PlayOutcome::Converted { after: Span::from_hours(2), sent: true, value: Some(Micros::new(9_000_000)) },
        PlayOutcome::Finished,
        PlayOutcome::Assigned { split: "subject".into(), variant: "plain".into() },
    ];
    let reasons = reasons.into_iter().map(|reason| PlayOutcome::NotSent { reason });
    for (number, outcome) in outcomes.into_iter().chain(reasons).enumerate() {
        state.outcomes.push(OutcomeRecord { at: at(number as i64), play: "abandoned_cart".into(), outcome });
    }
    state
}

/// One register of each kind, and what is watched.
fn fill_registers(state: &mut UserState) {
    let group = |key| Group { key, times: [at(1), at(2)].into_iter().collect() };
    let mut weekdays = [0; 7];
    weekdays[0] = 4;
    let mut hours = [0; 24];
    hours[8] = 300;
    let values = [
        RegisterValue::Recent([at(1), at(2)].into_iter().collect()),
        RegisterValue::RecentBy(vec![group(7), group(8)]),
        RegisterValue::Total { count: 3, first: at(1), last: at(3) },
        RegisterValue::Sum(-12_500_000),
        RegisterValue::SumWithin(vec![Bucket { part: 900, sum: 1 }, Bucket { part: 901, sum: -2 }]),
        RegisterValue::SumBy(vec![SumGroup { key: 9, buckets: vec![Bucket { part: 0, sum: 5 }] }]),
        RegisterValue::Distinct(vec![group(7)]),
        RegisterValue::Sequence { begun: vec![Some(at(1)), None], completed: Some(at(2)) },
        RegisterValue::Open { after: Some(at(1)), ended: None, open: true },
        RegisterValue::LastValue { value: TraitValue::Texts(vec!["a".into(), "b".into()]), at: at(4) },
        RegisterValue::Habit { weekdays, hours: Box::new(hours) },
        RegisterValue::Visits { begun: [at(1)].into_iter().collect(), last: at(5) },
        RegisterValue::Refills(vec![Refill { product: "coffee".into(), count: 2, first: at(1), last: at(6) }]),
    ];
    for (id, value) in (1_000..).zip(values) {
        state.registers.set(id, Some(value));
    }
    state.first_seen_at = Some(at(0));
    state.program = 0xfeed_beef;
    state.watched.set(5, Some(Standing { since: Some(at(1)), next: Some(at(90_000)) }));
    state.watched.set(6, Some(Standing { since: None, next: Some(at(80_000)) }));
    state.segment_changes = 3;
    state.moments.push(MomentState { moment: Moment::Buy, strength: 2.5, at: at(7) });
    state.facts.insert(ContextFact::Device, "phone".into());
    state.facts.insert(ContextFact::CampaignSource, "instagram".into());
    state.time_zone = Some("Europe/Berlin".into());
    state.position = Position::new(52.5, 13.25);
    state.inside.push(Inside { place: "cafe_mitte".into(), since: at(2), until: at(3) });
    state.viewed.push(products_of(&object(mug())).remove(0).for_keeping());
    let interest = Interest::Wished;
    state.interests.push(ProductInterest { product: "mug-1".into(), interest, at: at(4), told_at: at(3) });
    state.messaged.push(Messaged { at: at(2), channel: Channel::Sms });
}

/// Plays on the way.
fn fill_journeys(state: &mut UserState) {
    let mut variants = ById::default();
    variants.set(77, Some(1));
    let subject = Subject {
        why: "price drop of mug-1".into(),
        product: Some(products_of(&object(mug())).remove(0).for_keeping()),
        product_was: Some(Micros::new(9_000_000)),
        event: BTreeMap::from([("list".to_owned(), TraitValue::Text("news".into()))]),
        place: Some("cafe_mitte".into()),
    };
    let run =
        PlayRun { step: 3, due_at: at(70_000), gives_up_at: Some(at(90_000)), held_since: Some(at(60_000)), subject };
    let standing = PlayState {
        run: Some(Box::new(run)),
        entered_at: Some(at(50_000)),
        exposure: Some(Exposure { at: at(40_000), sent: true, step: None, channel: None }),
        variants,
        scheduled: Some(Scheduled { due_at: at(99_000), product: Some("coffee".into()) }),
        messaged_at: Some(at(40_000)),
        ..PlayState::default()
    };
    state.plays.insert("price_drop".into(), standing);
}

fn order() -> DeliveryOrder {
    let state = full_state();
    DeliveryOrder {
        delivery: DeliveryId::of_decision(UserKey::known("ann"), 5),
        user: UserKey::known("ann"),
        play: "abandoned_cart".into(),
        message: "abandoned_cart".into(),
        playbook: PlaybookVersion("0123456789abcdef".into()),
        channel: Channel::Email,
        address: "ann@shop.example".into(),
        purpose: Purpose::Marketing,
        locale: Some("de-DE".into()),
        due_at: at(1_808_000),
        decided_at: at(1_808_400),
        expires_at: at(23_408_000),
        why: "30 min since Product Added at 2025-11-24T00:00:08.000Z, no Order Completed".into(),
        correlation: None,
        who: None,
        data: MessageData {
            user: PersonData {
                id: state.user_id.clone().map(Into::into),
                first_name: state.profile.first_name.clone(),
                last_name: state.profile.last_name.clone(),
            },
            cart: state.cart.data(),
            ..MessageData::default()
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    let line = |chunk: &[u8]| chunk.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn mailbox_messages_are_written_as_ever() {
    let track = |event| EventKind::Track { event, properties: object(mug()) };
    let inputs = vec![
        event(1, track(EventName::ProductAdded)),
        event(2, track(EventName::Custom("Coffee Machine Descaled".into()))),
        event(3, EventKind::Identify { traits: object(json!({"email": "ann@shop.example"})) }),
        event(4, EventKind::Page { name: Some("Home".into()), properties: object(json!({"path": "/"})) }),
        event(5, EventKind::Screen { name: None, properties: Map::new() }),
        event(6, EventKind::Group { group_id: "acme".into(), traits: object(json!({"size": 3})) }),
        event(7, EventKind::Alias { previous_id: "anna".into() }),
        Input::Tick { at: at(8_000) },
        Input::Link { id: input_id(9), at: at(9_000), to: UserKey::known("ann") },
        Input::Merge {
            id: input_id(10),
            at: at(10_000),
            from: UserKey::anonymous("visitor-1"),
            hops: 1,
            state: Box::new(full_state()),
        },
        Input::Catalogue {
            id: input_id(11),
            at: at(11_000),
            product: Box::new(products_of(&object(mug())).remove(0)),
            changes: vec![
                CatalogueChange::Price { from: Micros::new(9_000_000), to: Micros::new(4_500_000) },
                CatalogueChange::Stock { from: 0, to: 7 },
            ],
            hops: 0,
        },
    ];
    json_is_golden("mailbox_message_v1.json", &MailboxMessage::of_inputs(UserKey::known("ann"), inputs));
    let Input::Event { event, .. } = event(1, track(EventName::ProductAdded)) else { unreachable!("it is an event") };
    let told = MailboxMessage::of_told(UserKey::known("anna"), Input::Event { event, hops: 1 });
    json_is_golden("mailbox_message_told_v1.json", &told);
    let tick = MailboxMessage::of_tick(UserKey::known("ann"), at(60_000), at(181_000));
    json_is_golden("mailbox_message_tick_v1.json", &tick);
    let mut state = UserState::default();
    let full = full_state();
    let (register, value) = full.registers.iter().next().unwrap();
    state.registers.set(register, Some(value.clone()));
    let recollection = Input::Recollection { at: at(120_000), program: 7, up_to: input_id(3), state: Box::new(state) };
    let message = MailboxMessage::of_recollection(UserKey::known("ann"), recollection, 0);
    json_is_golden("mailbox_message_recollection_v1.json", &message);
    let cause = CorrelationId::parse("8f5cbc1d-6f0e-4a54-9b5f-0f9f3c2d1a77");
    json_is_golden("mailbox_message_v1_correlation.json", &tick.caused_by(cause.clone()));
    let order = DeliveryOrder { correlation: cause, ..order() };
    json_is_golden("delivery_message_v1_correlation.json", &DeliveryMessage::V1(Box::new(order)));
}

#[test]
fn mailbox_messages_of_every_age_are_read() {
    for (name, inputs) in [("mailbox_message_v1_before_registers.json", 10), ("mailbox_message_v1.json", 11)] {
        let message: MailboxMessage = serde_json::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap();
        assert_eq!(message.inputs().len(), inputs, "{name}");
    }
}

/// A playbook keeps what it declares for as long as it is stored.
#[test]
fn conversions_of_the_first_version_are_read_and_written_alike() {
    let text = fs::read_to_string(path("conversions_v1.json")).unwrap();
    let read: kairos_engine::playbook::Conversions = serde_json::from_str(&text).unwrap();
    assert_eq!((read.macros.len(), read.micros.len(), read.funnels.len()), (2, 1, 1));
    assert_eq!(read.attribution.model.as_str(), "time_decay");
    assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::from_str::<serde_json::Value>(&text).unwrap());
    // A playbook without any is written as before there were any.
    let without = serde_json::to_value(Playbook::default()).unwrap();
    assert!(without.get("conversions").is_none(), "{without}");
}

/// Deliveries under way render with the playbook that decided them, and a playbook stays in force until the next one.
#[test]
fn playbooks_of_every_age_are_read_and_mean_what_they_meant() {
    let text = fs::read_to_string(path("playbook_v1_before_registers.json")).unwrap();
    let playbook: Playbook = serde_json::from_str(&text).unwrap();
    let track = |name: &str| EventMatch::all(EventPattern::Track(EventName::parse(name)));
    // There was one webhook, and it had no name.
    let (name, webhook) = playbook.channels.webhook(None).unwrap();
    assert_eq!((name, webhook.headers.len()), (SINGLE_WEBHOOK, 0));
    assert!(webhook.url.starts_with("https://"));
    let [cart, welcome] = playbook.plays.as_slice() else { panic!("it has two plays") };
    let after = vec![
        track("Product Added"),
        track("Coffee Machine Descaled"),
        EventMatch::all(EventPattern::Page),
        EventMatch::all(EventPattern::Screen),
    ];
    let absence = Trigger::Absence { after, of: vec![track("Order Completed")], wait: Span::from_mins(30) };
    assert_eq!(cart.trigger, absence);
    let identified = [EventPattern::Identify, EventPattern::Group].map(EventMatch::all);
    assert_eq!(welcome.trigger, Trigger::Event(identified.to_vec()));
    assert_eq!((cart.rollout, cart.holdout, cart.to_control_group), (Share::ALL, Share::none(), false));
    assert_eq!((&cart.goal, cart.cooldown, cart.priority), (&None, None, 0));
    assert_eq!(playbook.policy, Policy::default());
    assert_eq!(serde_json::from_str::<Playbook>(&serde_json::to_string(&playbook).unwrap()).unwrap(), playbook);
    assert!(Program::new(playbook).unwrap().registers().is_empty());
}

#[test]
fn settings_of_sms_are_written_as_ever() {
    let sms = SmsSettings {
        sender_id: Some("Shop".into()),
        provider: SmsProvider::EndUserMessaging,
        fallback: Some(SmsProvider::Sns),
        origination_identity: Some("+12065550152".into()),
        configuration_set: Some("kairos-sms".into()),
        max_price: Some("0.10".into()),
    };
    let channels = ChannelSettings { sms: Some(sms), ..ChannelSettings::default() };
    json_is_golden("playbook_v1_sms.json", &Playbook { channels, ..Playbook::default() });
}

#[test]
fn the_order_of_channels_is_written_as_ever() {
    let send = |order: ChannelOrder| Step::Send {
        message: "hello".into(),
        channels: vec![Channel::Email, Channel::Telegram],
        order,
    };
    let steps = vec![send(ChannelOrder::MostEngaged), send(ChannelOrder::Listed)];
    let play = Play { name: "hello".into(), title: "Hello".into(), steps, ..Play::default() };
    json_is_golden("playbook_v1_most_engaged.json", &Playbook { plays: vec![play], ..Playbook::default() });
}

#[test]
fn links_are_written_as_ever() {
    let app = |scheme: &str| {
        let store = "https://apps.apple.com/app/id1".into();
        Some(AppLink { deep_link: format!("{scheme}://rooms"), store })
    };
    let bare = Destination {
        desktop: "https://shop.example/rooms".into(),
        tablet: None,
        phone: None,
        ios_app: None,
        android_app: None,
    };
    let full = Destination {
        tablet: Some(PageOrPlace::Page("https://shop.example/touch".into())),
        phone: Some(PageOrPlace::Nearest(PlaceSelector::Kind("showroom".into()))),
        ios_app: app("shop"),
        android_app: app("shop-android"),
        ..bare.clone()
    };
    let links = LinkSettings {
        hosts: vec!["shop.example".into()],
        domain: Some("https://go.shop.example".into()),
        fallback: Some("https://shop.example/".into()),
        expires_after: Span::from_hours(24),
        opens: true,
        utm: Some(Utm { source: "kairos".into(), medium: BTreeMap::from([(Channel::Sms, "text".into())]) }),
        banner_parameter: Some("kairos_message".into()),
        destinations: BTreeMap::from([("bare".into(), bare), ("full".into(), full)]),
    };
    json_is_golden("playbook_v1_links.json", &Playbook { links: Some(links), ..Playbook::default() });
    let short: LinkSettings = serde_json::from_str(r#"{"hosts": ["shop.example"]}"#).unwrap();
    assert_eq!((short.expires_after, short.opens), (LinkSettings::usual_span(), false));
}

#[test]
fn promotions_are_written_as_ever() {
    let euros =
        |units: i64| Some(Money { amount: Micros::new(units * 1_000_000), currency: Currency::parse("EUR").unwrap() });
    let small = Promotion {
        title: "Free shipping".into(),
        discount: Discount::FreeShipping,
        minimum_total: None,
        maximum_discount: None,
        at_most: None,
        expires_after: Span::from_hours(24),
        prefix: None,
        only_for: Holder::Anyone,
        pool: Some("shop".into()),
    };
    let full = Promotion {
        title: "Spring".into(),
        discount: Discount::Percent(Share(1_250)),
        minimum_total: euros(50),
        maximum_discount: euros(20),
        at_most: Some(500),
        prefix: Some("SPRING".into()),
        only_for: Holder::User,
        pool: None,
        ..small.clone()
    };
    let fixed = Promotion { discount: Discount::Amount(euros(5).unwrap()), pool: None, ..small.clone() };
    let message = Message { default_locale: "en".into(), promotion: Some("spring".into()), ..Message::default() };
    let playbook = Playbook {
        messages: [("present".to_owned(), message)].into(),
        promotions: [("free", small), ("spring", full), ("fixed", fixed)]
            .map(|(name, promotion)| (name.to_owned(), promotion))
            .into(),
        ..Playbook::default()
    };
    json_is_golden("playbook_v1_promotions.json", &playbook);
}

#[test]
fn alarm_messages_are_written_as_ever() {
    json_is_golden("alarm_message_v1.json", &AlarmMessage::V1 { user: UserKey::known("ann"), due_at: at(60_000) });
}

#[test]
fn delivery_messages_are_written_as_ever() {
    json_is_golden("delivery_message_v1.json", &DeliveryMessage::V1(Box::new(order())));
}

#[test]
fn outboxes_are_written_as_ever() {
    let user = UserKey::known("ann");
    let outbox = vec![
        Effect::Deliver(Box::new(order())),
        Effect::Tell { user, input: Box::new(Input::Link { id: input_id(9), at: at(9_000), to: user }) },
        Effect::Wake { user, due_at: at(60_000) },
    ];
    json_is_golden("outbox_v1.json", &outbox);
    let audiences = vec![
        Effect::Member { user, segment: "loyal".into(), entered: true, at: at(1), number: 2 },
        Effect::Interested(InterestNote { user, product: "mug-1".into(), at: at(2) }),
    ];
    json_is_golden("outbox_v1_audiences.json", &audiences);
}

#[test]
fn states_are_stored_as_ever() {
    let state = full_state();
    let today = hex(&state.encode());
    let text = golden("state_v1.hex", &today);
    assert_eq!(text, today, "what is stored must stay readable; add a field or a version instead");
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
}

#[test]
fn states_with_messengers_are_stored_as_ever() {
    let mut state = full_state();
    state.profile.telegram = Some("123456789".into());
    state.profile.viber = Some("01234567890A=".into());
    state.profile.whatsapp = Some("+4915112345678".into());
    let messaged =
        [Channel::Telegram, Channel::Viber, Channel::Whatsapp].map(|channel| Messaged { at: at(3), channel });
    state.messaged.extend(messaged);
    let today = hex(&state.encode());
    let text = golden("state_v1_messengers.hex", &today);
    assert_eq!(text, today, "what is stored must stay readable; add a field or a version instead");
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
}

/// A state with something of everything that is remembered of consent.
fn state_with_consent() -> UserState {
    let mut state = full_state();
    let email = AddressKey::of(Channel::Email, "ann@shop.example");
    let statement = |channel, choice, at, way| Statement {
        channel,
        purpose: Purpose::Marketing,
        choice,
        at,
        way,
        wording: None,
        address: None,
    };
    state.consent.hear(&statement(None, Choice::Refused, at(1), Way::Unsubscribe));
    state.consent.hear(&Statement {
        wording: Some("2026-01".into()),
        address: Some(email),
        ..statement(Some(Channel::Email), Choice::Given, at(2), Way::Confirmation)
    });
    state.consent.hear(&Statement {
        purpose: Purpose::Transactional,
        ..statement(Some(Channel::Sms), Choice::Pending, at(3), Way::Client)
    });
    let address = AddressKey::of(Channel::Sms, "+4915112345678");
    state.consent.suppress(DeadAddress { channel: Channel::Sms, address, reason: SuppressionReason::Stop, at: at(4) });
    for reason in [Reason::NoConsent { channel: Channel::Email }, Reason::Suppressed { channel: Channel::Sms }] {
        let outcome = PlayOutcome::NotSent { reason };
        state.outcomes.push(OutcomeRecord { at: at(5), play: "abandoned_cart".into(), outcome });
    }
    state
}

#[test]
fn states_with_consent_are_stored_as_ever() {
    let state = state_with_consent();
    let today = hex(&state.encode());
    let text = golden("state_v1_consent.hex", &today);
    assert_eq!(text, today, "what is stored must stay readable; add a field or a version instead");
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
}

#[test]
fn what_a_playbook_says_about_consent_is_written_as_ever() {
    let text = |words: &str| BTreeMap::from([("en".to_owned(), words.to_owned())]);
    let email = ChannelConsent {
        opt_in: OptIn::Double,
        wording: Some(Wording { version: "2026-01".into(), text: text("Offers by email") }),
    };
    let sms = ChannelConsent { opt_in: OptIn::Required, wording: None };
    let playbook = Playbook {
        consent: Some(ConsentSettings {
            shop: Some("Shop".into()),
            channels: BTreeMap::from([(Channel::Email, email), (Channel::Sms, sms)]),
            help: text("Shop: STOP ends messages."),
        }),
        messages: BTreeMap::from([(
            "receipt".into(),
            Message { default_locale: "en".into(), purpose: Purpose::Transactional, ..Message::default() },
        )]),
        ..Playbook::default()
    };
    json_is_golden("playbook_v1_consent.json", &playbook);
    let order = DeliveryOrder { purpose: Purpose::Transactional, ..order() };
    json_is_golden("delivery_message_v1_transactional.json", &DeliveryMessage::V1(Box::new(order)));
}

#[test]
fn states_with_browsers_are_stored_as_ever() {
    let mut state = full_state();
    let browser = |endpoint: &str, device: Option<&str>, number| WebPushSubscription {
        endpoint: endpoint.into(),
        p256dh: [4; 65],
        auth: [number; 16],
        at: at(number.into()),
        device: device.map(Into::into),
    };
    state.web_push.push(browser("https://push.example/send/a", None, 1));
    state.web_push.push(browser("https://updates.push.example/wpush/v2/b", Some("Ann's phone"), 2));
    state.messaged.push(Messaged { at: at(12), channel: Channel::WebPush });
    let today = hex(&state.encode());
    let text = golden("state_v1_web_push.hex", &today);
    assert_eq!(text, today, "what is stored must stay readable; add a field or a version instead");
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
}

#[test]
fn states_with_devices_are_stored_as_ever() {
    let mut state = full_state();
    let device =
        |token: &str, platform, device, number| MobileDevice { token: token.into(), platform, at: at(number), device };
    state.devices.push(device("740f4707bebcf74f", MobilePlatform::Apns, Some(7), 1));
    state.devices.push(device("740f4707bebcf750", MobilePlatform::ApnsSandbox, None, 2));
    state.devices.push(device("dGVzdA:APA91bH-example", MobilePlatform::Fcm, Some(u64::MAX), 3));
    state.messaged.push(Messaged { at: at(12), channel: Channel::MobilePush });
    let today = hex(&state.encode());
    let text = golden("state_v1_mobile_push.hex", &today);
    assert_eq!(text, today, "what is stored must stay readable; add a field or a version instead");
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
}

/// What a playbook says about webhooks: one with headers, one without, and a message for each.
#[test]
fn webhooks_are_written_as_ever() {
    let url = |name: &str| format!("https://shop.example/{name}");
    let secret = WebhookHeader::Secret { secret: "chatbot".into(), prefix: "Bearer ".into() };
    let bare = WebhookHeader::Secret { secret: "shop".into(), prefix: String::new() };
    let text = WebhookHeader::Text("de".into());
    let headers = [("Authorization", secret), ("X-Key", bare), ("X-Shop", text)];
    let chatbot = WebhookSettings {
        url: url("chatbot"),
        headers: headers.map(|(name, header)| (name.to_owned(), header)).into(),
    };
    let crm = WebhookSettings { url: url("crm"), ..WebhookSettings::default() };
    let to = |to: &str| Some(to.to_owned());
    let body =
        WebhookTemplate { to: to("chatbot"), body: to("{\"text\": {{ user.id }}}"), ..WebhookTemplate::default() };
    let envelope = WebhookTemplate { to: to("crm"), text: "Hello".into(), body: None };
    let localized = |webhook| LocalizedMessage { webhook: Some(webhook), ..LocalizedMessage::default() };
    let locales = [("en".to_owned(), localized(body)), ("de".to_owned(), localized(envelope))].into();
    let message = Message { default_locale: "en".into(), locales, ..Message::default() };
    let playbook = Playbook {
        version: PlaybookVersion("0123456789abcdef".into()),
        channels: ChannelSettings {
            webhooks: [("chatbot".to_owned(), chatbot), ("crm".to_owned(), crm)].into(),
            ..ChannelSettings::default()
        },
        messages: [("cart".to_owned(), message)].into(),
        ..Playbook::default()
    };
    json_is_golden("playbook_v1_webhooks.json", &playbook);
    assert_eq!(playbook.channels.webhook(None), None, "which one has to be said");
    assert_eq!(playbook.channels.webhook(Some("crm")).unwrap().0, "crm");
}

/// What a playbook says about notifications of the app: the applications, and one.
#[test]
fn notifications_of_apps_are_written_as_ever() {
    let message = PushMessage { title: "Hello".into(), body: "Hello".into(), ..PushMessage::default() };
    let localized = LocalizedMessage { mobile_push: Some(message), ..LocalizedMessage::default() };
    let locales = [("en".to_owned(), localized)].into();
    let message = Message { default_locale: "en".into(), locales, ..Message::default() };
    let arn = |kind: &str| Some(format!("arn:aws:sns:eu-central-1:123456789012:app/{kind}/shop"));
    let settings = MobilePushSettings { apns: arn("APNS"), apns_sandbox: arn("APNS_SANDBOX"), fcm: arn("GCM") };
    let playbook = Playbook {
        version: PlaybookVersion("0123456789abcdef".into()),
        channels: ChannelSettings { mobile_push: Some(settings), ..ChannelSettings::default() },
        messages: [("cart".to_owned(), message)].into(),
        ..Playbook::default()
    };
    json_is_golden("playbook_v1_mobile_push.json", &playbook);
}

/// What a playbook says about notifications: the contact, and one that says everything.
#[test]
fn notifications_of_playbooks_are_written_as_ever() {
    let all = PushMessage {
        title: "{{ user.first_name }}".into(),
        body: "Your {{ product.name }}".into(),
        image: Some("{{ product.image_url }}".into()),
        icon: Some("https://shop.example/icon.png".into()),
        url: Some("https://shop.example/cart".into()),
        urgency: Urgency::VeryLow,
        ttl: Some(Span::from_mins(30)),
        topic: Some("cart".into()),
    };
    let little = PushMessage { title: "Hello".into(), body: "Hello".into(), ..PushMessage::default() };
    let localized = |message| LocalizedMessage { web_push: Some(message), ..LocalizedMessage::default() };
    let locales = [("en".to_owned(), localized(little)), ("de".to_owned(), localized(all))].into();
    let message = Message { default_locale: "en".into(), locales, ..Message::default() };
    let contact = "mailto:web@shop.example".into();
    let playbook = Playbook {
        version: PlaybookVersion("0123456789abcdef".into()),
        channels: ChannelSettings { web_push: Some(WebPushSettings { contact }), ..ChannelSettings::default() },
        messages: [("cart".to_owned(), message)].into(),
        ..Playbook::default()
    };
    json_is_golden("playbook_v1_web_push.json", &playbook);
}

/// Addresses are looked up by their keys for years.
#[test]
fn keys_of_addresses_never_change() {
    let key = |channel, address: &str| AddressKey::of(channel, address).to_string();
    assert_eq!(key(Channel::Email, " Ann@Shop.example "), key(Channel::Email, "ann@shop.example"));
    assert_ne!(key(Channel::Sms, "+4915112345678"), key(Channel::Whatsapp, "+4915112345678"));
    let keys = [key(Channel::Email, "ann@shop.example"), key(Channel::Sms, "+4915112345678")].join("\n") + "\n";
    assert_eq!(golden("address_keys_v1.txt", &keys), keys);
}

/// What a playbook says about messengers: how they are set up, and one message on each.
#[test]
fn messengers_of_playbooks_are_written_as_ever() {
    let chat = ChatTemplate {
        text: "Your {{ product.name }}".into(),
        picture: Some("{{ product.image_url }}".into()),
        button: Some(LinkButton { text: "To the cart".into(), link: "https://shop.example/cart".into() }),
    };
    let message = LocalizedMessage {
        telegram: Some(chat),
        viber: Some(ChatTemplate { text: "Hello".into(), ..ChatTemplate::default() }),
        whatsapp: Some(WhatsappTemplate {
            template: "abandoned_cart".into(),
            language: "en_US".into(),
            parameters: vec!["{{ user.first_name | default: 'there' }}".into()],
            picture: Some("{{ product.image_url }}".into()),
        }),
        ..LocalizedMessage::default()
    };
    let playbook = Playbook {
        version: PlaybookVersion("0123456789abcdef".into()),
        channels: ChannelSettings {
            telegram: Some(TelegramSettings { silent: true }),
            viber: Some(ViberSettings { sender: "Shop".into(), avatar: Some("https://shop.example/logo.jpg".into()) }),
            whatsapp: Some(WhatsappSettings { phone_number_id: "1234567890".into(), api_version: "v25.0".into() }),
            ..ChannelSettings::default()
        },
        messages: BTreeMap::from([(
            "cart".into(),
            Message {
                default_locale: "en".into(),
                locales: BTreeMap::from([("en".into(), message)]),
                ..Message::default()
            },
        )]),
        policy: Policy {
            caps: [Channel::Telegram, Channel::Viber, Channel::Whatsapp]
                .map(|channel| ChannelCap { channel: Some(channel), at_most: 1, per: Span::from_hours(24) })
                .into(),
            ..Policy::default()
        },
        ..Playbook::default()
    };
    json_is_golden("playbook_v1_messengers.json", &playbook);
    let short = r#"{"telegram": {}, "viber": {"sender": "Shop"}, "whatsapp": {"phone_number_id": "1"}}"#;
    let settings: ChannelSettings = serde_json::from_str(short).unwrap();
    assert_eq!(settings.whatsapp.unwrap().api_version, "v25.0");
    assert_eq!(settings.telegram, Some(TelegramSettings::default()));
}

#[test]
fn states_of_users_on_the_site_are_stored_as_ever() {
    let mut state = full_state();
    state.on_site_at = Some(at(12));
    state.messaged.push(Messaged { at: at(12), channel: Channel::OnSite });
    let today = hex(&state.encode());
    let text = golden("state_v1_on_site.hex", &today);
    assert_eq!(text, today, "what is stored must stay readable; add a field or a version instead");
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
}

/// What a playbook says about messages on the site: who may see them, and one that says everything.
#[test]
fn messages_on_the_site_are_written_as_ever() {
    let full = OnSiteMessage {
        kind: OnSiteKind::Embedded,
        title: Some("{{ user.first_name }}".into()),
        text: "Your {{ product.name }}".into(),
        picture: Some("{{ product.image_url }}".into()),
        button: Some(LinkButton { text: "To the cart".into(), link: "https://shop.example/cart".into() }),
        position: OnSitePosition::Top,
        slot: Some("cart".into()),
        dismissible: false,
        close: Some("Close".into()),
    };
    let plain = OnSiteMessage { text: "Hello".into(), dismissible: true, ..OnSiteMessage::default() };
    let locales = [("de", full), ("en", plain)].map(|(locale, message)| {
        (locale.to_owned(), LocalizedMessage { on_site: Some(message), ..LocalizedMessage::default() })
    });
    let playbook = Playbook {
        version: PlaybookVersion("0123456789abcdef".into()),
        channels: ChannelSettings {
            on_site: Some(OnSiteSettings { verify_identity: true }),
            ..ChannelSettings::default()
        },
        messages: BTreeMap::from([(
            "cart".into(),
            Message { default_locale: "en".into(), locales: locales.into(), ..Message::default() },
        )]),
        ..Playbook::default()
    };
    json_is_golden("playbook_v1_on_site.json", &playbook);
}

#[test]
fn states_of_every_age_are_read() {
    let mut read = 0;
    for entry in fs::read_dir(path("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let bytes = unhex(&fs::read_to_string(&path).unwrap());
            let state = UserState::decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(state.user_id.as_deref(), Some("ann"), "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 1, "the golden states are gone");
}

#[test]
fn states_with_answers_by_channel_are_stored_as_ever() {
    let state = UserState { engagement: crate::engagement::of_two_channels(), ..full_state() };
    let today = hex(&state.encode());
    let text = golden("state_v1_engagement.hex", &today);
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
}

#[test]
fn states_with_where_users_came_from_are_stored_as_ever() {
    let origin = Origin {
        source: Some("instagram".into()),
        campaign: Some("autumn".into()),
        source_at: Some(at(1)),
        device: Some("phone".into()),
        region: Some("AT".into()),
        at: Some(at(2)),
    };
    let exposure = Exposure { at: at(3), sent: true, step: Some(7), channel: Some(Channel::Sms) };
    let standing = PlayState { exposure: Some(exposure), ..PlayState::default() };
    let state = UserState {
        user_id: Some("ann".into()),
        clock: at(4),
        plays: [("welcome".into(), standing)].into(),
        origin: Some(Box::new(origin)),
        last_message_at: Some(at(3)),
        ..UserState::default()
    };
    let today = hex(&state.encode());
    let text = golden("state_v1_origin.hex", &today);
    assert_eq!(text, today, "what is stored must stay readable; add a field or a version instead");
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
    let who = Dimensions { source: Some("instagram".into()), region: Some("AT".into()), ..Dimensions::default() };
    let order = DeliveryOrder { who: Some(Box::new(who)), ..order() };
    json_is_golden("delivery_message_v1_who.json", &DeliveryMessage::V1(Box::new(order)));
}

#[test]
fn states_with_what_was_bought_are_stored_as_ever() {
    let bought = vec![kairos_engine::bought::key("mug"), kairos_engine::bought::key("pot")];
    let state = UserState { user_id: Some("ann".into()), clock: at(1), bought, ..UserState::default() };
    let today = hex(&state.encode());
    let text = golden("state_v1_bought.hex", &today);
    assert_eq!(text, today, "what is stored must stay readable; add a field or a version instead");
    assert_eq!(UserState::decode(&unhex(&text)).unwrap(), state);
}

#[test]
fn orders_of_tests_and_for_readers_elsewhere_are_written_as_ever() {
    let data = MessageData {
        time_zone: Some("Europe/Kyiv".into()),
        bought: vec![kairos_engine::bought::key("mug")],
        ..MessageData::default()
    };
    let order = DeliveryOrder { purpose: Purpose::Test, data, ..order() };
    json_is_golden("delivery_message_v1_test.json", &DeliveryMessage::V1(Box::new(order)));
}
