//! Counts are the same however rows are cut into objects, and whatever comes from outside they stay bounded.

use kairos_engine::bounds::FIGURES_BYTES_MAX;
use kairos_engine::event::{EventKind, INBOX, LINKS, REDEMPTIONS};
use kairos_engine::event_name::EventName;
use kairos_engine::facts::{DeliveryFact, DeliveryOutcome};
use kairos_engine::mailbox::Input;
use kairos_engine::outcome::InputOutcome;
use kairos_engine::who::Dimensions;
use kairos_insights::counts::{Additive, Counts, DIRECT, OTHER, Spans, UNKNOWN};
use proptest::prelude::*;
use serde_json::Map;

use super::*;

/// An event as a function of ours tells it, or a client.
fn happened(revision: u64, source: &str, name: &str, properties: Value, who: Option<Dimensions>) -> Row {
    let kind = EventKind::Track {
        event: EventName::parse(name),
        properties: properties.as_object().cloned().unwrap_or_default(),
    };
    let id = kairos_engine::identifiers::InputId::of_message(source, &revision.to_string());
    let event = kairos_engine::event::Event::new(id, START, source.to_owned(), None, None, kind, Map::new());
    let (input, who) = (Box::new(Input::event(event)), who.map(Box::new));
    told("ann", revision, Fact::Input { at: START, outcome: InputOutcome::Applied, input, who })
}

fn became(revision: u64, outcome: DeliveryOutcome, who: Option<Dimensions>) -> Row {
    let fact = DeliveryFact {
        at: START,
        delivery: DeliveryId::of_decision(UserKey::known("ann"), 0),
        outcome,
        play: "welcome".into(),
        message: "hello".into(),
        channel: Channel::Email,
        code: None,
        who: who.map(Box::new),
    };
    told("ann", revision, Fact::Delivery(Box::new(fact)))
}

fn phone_of_instagram() -> Dimensions {
    Dimensions {
        source: Some("instagram".into()),
        device: Some("phone".into()),
        segments: vec!["loyal".into(), "has_cart".into()],
        variants: [("subject".to_owned(), "short".to_owned())].into(),
        ..Dimensions::default()
    }
}

#[test]
fn each_row_counts_where_it_belongs() {
    let who = phone_of_instagram;
    let of_message = json!({"play": "welcome", "message": "hello", "channel": "email", "delivery_id": "1"});
    let on_page = json!({"play": "welcome", "message": "banner"});
    let coupon = json!({"play": "welcome", "message": "hello", "coupon_id": "ten", "channel": "in_store",
        "discount": 2.5, "currency": "eur"});
    let buyer =
        Dimensions { since_first: Some(Span::from_hours(1)), since_message: Some(Span::from_hours(2)), ..who() };
    let rows = [
        decided("ann", 1, PlayOutcome::HeldOut { group: "holdout".into(), due_at: START }),
        happened(2, LINKS, "Message Opened", of_message.clone(), Some(who())),
        happened(3, LINKS, "Message Link Clicked", of_message.clone(), Some(who())),
        // Whoever says so from outside is not believed, as `ingest` would not either.
        happened(4, "web", "Message Opened", of_message, None),
        happened(5, INBOX, "On-site Message Seen", on_page.clone(), None),
        happened(6, INBOX, "On-site Message Dismissed", on_page, None),
        happened(7, REDEMPTIONS, "Coupon Applied", coupon, None),
        happened(8, "web", "Order Completed", json!({"total": 40, "currency": "EUR"}), Some(buyer)),
        happened(9, "web", "Order Completed", json!({"total": 10, "currency": "EUR"}), None),
        happened(10, "web", "Order Refunded", json!({"total": 10, "currency": "USD"}), None),
        happened(11, "web", "Coffee Descaled", json!({}), None),
        became(12, DeliveryOutcome::Accepted, Some(who())),
        became(13, DeliveryOutcome::Read, None),
    ];
    let counts = Counts::of(&rows);
    let play = counts.plays.get("welcome").unwrap();
    assert_eq!((play.total.considered, play.total.held_out, play.held_out.get("holdout")), (1, 1, Some(&1)));
    let email = play.messages.get("hello").and_then(|message| message.get("email")).unwrap();
    assert_eq!((email.accepted, email.opened, email.clicked), (1, 2, 1));
    let banner = play.messages.get("banner").and_then(|message| message.get("on_site")).unwrap();
    assert_eq!((banner.opened, banner.dismissed), (1, 1));
    assert_eq!((play.total.opened, counts.total.plays.opened), (3, 3));
    for tallies in [play.sources.get("instagram"), play.devices.get("phone"), play.segments.get("loyal")] {
        let tallies = tallies.unwrap();
        assert_eq!((tallies.accepted, tallies.opened, tallies.clicked), (1, 1, 1));
    }
    assert_eq!(play.variants.get("subject: short").unwrap().clicked, 1);
    assert_eq!(play.regions.get(UNKNOWN).unwrap().clicked, 1);
    assert_eq!(counts.channels.get("email").unwrap().clicked, 1);
    let ten = counts.promotions.get("ten").unwrap();
    assert_eq!((ten.in_store, ten.online, ten.discounts.get("EUR").unwrap().value.get()), (1, 0, 2_500_000));
    let orders = &counts.total.orders;
    assert_eq!((orders.orders, orders.after_message, orders.refunds), (2, 1, 1));
    assert_eq!((orders.value.get("EUR").unwrap().count, orders.value.get("EUR").unwrap().value.get()), (2, 50_000_000));
    assert_eq!(orders.value_after_message.get("EUR").unwrap().value.get(), 40_000_000);
    assert_eq!(counts.sources.get("instagram").unwrap().orders.orders, 1);
    assert_eq!((counts.first_to_order.count(), counts.message_to_order.count()), (1, 1));
    assert_eq!(
        (counts.custom_events.get("Coffee Descaled"), counts.events.get("Order Completed")),
        (Some(&1), Some(&2))
    );
    assert!(counts.sources.get(DIRECT).is_none(), "of whom nothing is known stands under no source");
    // As it is stored.
    let read: Counts = serde_json::from_str(&serde_json::to_string(&counts).unwrap()).unwrap();
    assert_eq!(read, counts);
}

#[test]
fn what_a_newer_version_counts_besides_is_passed_over() {
    let read: Counts = serde_json::from_value(json!({"rows": 3, "stars": {"seen": 1}})).unwrap();
    assert_eq!((read.rows, read.plays.is_empty()), (3, true));
}

#[test]
fn live_counts_agree_with_the_report_of_the_same_rows() {
    let program = Program::new(playbook()).unwrap();
    let shop = days(&program, 5);
    let (counts, report) = (Counts::of(&shop.rows), counted(&shop.rows).report());
    assert_eq!(counts.rows, report.rows);
    for (name, play) in &report.plays {
        let live = counts.plays.get(name).unwrap();
        assert_eq!((live.total.considered, live.total.sent, live.total.held), (play.considered, play.sent, play.held));
        assert_eq!((live.total.converted, live.total.converted_held_out), (play.converted, play.converted_held_out));
        let value: i64 = live.total.value.iter().map(|(_, amount)| amount.value.get()).sum();
        assert_eq!(value, play.value.get(), "{name}");
        let not_sent: BTreeMap<String, u64> =
            live.not_sent.iter().map(|(reason, count)| (reason.to_owned(), *count)).collect();
        assert_eq!(not_sent, play.not_sent, "{name}");
        for message in &play.messages {
            let live = live.messages.get(&message.message).unwrap().get(message.channel.as_str()).unwrap();
            assert_eq!((live.sent, live.clicked), (message.sent, message.clicked), "{name}");
        }
        // Whoever got a message or was held out is known to be somewhere.
        let devices: u64 = live.devices.iter().map(|(_, tallies)| tallies.sent).sum();
        assert!(devices <= play.sent, "{name}");
    }
    let orders = &counts.total.orders;
    assert_eq!(
        (orders.orders, orders.value.get("EUR").unwrap().value),
        (report.orders["EUR"].count, report.orders["EUR"].value)
    );
    assert_eq!(orders.orders, counts.first_to_order.count());
    assert!(orders.after_message > 0 && orders.after_message < orders.orders, "{orders:#?}");
    let converted: u64 = report.plays.values().map(|play| play.converted).sum();
    assert!(converted > 0);
}

/// The most that anybody can bring in: each list full, with long names that do not compress.
#[test]
fn the_largest_counts_fit_into_their_item() {
    let mut random = 1_u64;
    let mut name = |bytes: usize| {
        let mut text = String::new();
        while text.len() < bytes {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(char::from(b'a' + ((random >> 33) % 26) as u8));
        }
        text
    };
    let mut counts = Counts::default();
    let segments: Vec<String> = (0..100).map(|_| name(40)).collect();
    for play in 0..70 {
        let play = format!("play_{play}_{}", name(40));
        for number in 0..30 {
            let who = Dimensions {
                source: Some(name(60)),
                campaign: Some(name(60)),
                device: Some(name(8)),
                region: Some(name(2)),
                segments: segments.iter().cycle().skip(number * 7).take(8).map(|name| name.as_str().into()).collect(),
                variants: [("split".to_owned(), name(20))].into(),
                play: None,
                since_first: Some(Span::from_secs(number as i64 * 977)),
                since_message: Some(Span::from_secs(number as i64 * 977)),
            };
            let row = |name: &str, source: &str, properties: Value| {
                happened(number as u64, source, name, properties, Some(who.clone()))
            };
            let message = name(40);
            for event in ["Message Opened", "Message Link Clicked"] {
                let properties = json!({"play": play, "message": message, "channel": "email"});
                counts.note(&row(event, LINKS, properties));
            }
            counts.note(&row("Order Completed", "web", json!({"total": number, "currency": name(3)})));
            counts.note(&row(&name(60), "web", json!({})));
        }
    }
    let bytes = compressed(&counts);
    assert!(bytes < FIGURES_BYTES_MAX, "{bytes} bytes");
    assert!(counts.plays.get(OTHER).is_some() && counts.sources.get(OTHER).is_some());
    assert_eq!(counts.total.plays.opened, 70 * 30);
    let of_plays: u64 = counts.plays.iter().map(|(_, play)| play.total.opened).sum();
    let of_sources: u64 = counts.sources.iter().map(|(_, cut)| cut.plays.opened).sum();
    assert_eq!((of_plays, of_sources), (70 * 30, 70 * 30), "what has no place of its own is counted all the same");
}

/// How many bytes an item takes for them: JSON, DEFLATE.
fn compressed(counts: &Counts) -> usize {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&serde_json::to_vec(counts).unwrap()).unwrap();
    encoder.finish().unwrap().len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_cut_into_objects_in_any_order_gives_the_same(
        seed in 1_u64..1_000,
        cuts in proptest::collection::vec(0_usize..10_000, 0..40),
        turn in any::<u64>(),
    ) {
        thread_local! {
            static SHOP: Vec<Row> = days(&Program::new(playbook()).unwrap(), 11).rows;
        }
        SHOP.with(|all| {
            // Some more of what only clients invent.
            let more = (0..60).map(|number| {
                let who = Dimensions { source: Some(format!("source-{}", (number * seed) % 97)), ..phone_of_instagram() };
                happened(number, "web", &format!("Event {}", (number * seed) % 101), json!({}), Some(who))
            });
            let rows: Vec<Row> = all.iter().take(1_500).cloned().chain(more).collect();
            let expected = Counts::of(&rows);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % rows.len()).chain([0, rows.len()]).collect();
            cuts.sort_unstable();
            let mut objects: Vec<Counts> = cuts.windows(2).map(|pair| Counts::of(&rows[pair[0]..pair[1]])).collect();
            let mut random = turn;
            for place in (1..objects.len()).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                objects.swap(place, (random >> 33) as usize % (place + 1));
            }
            // In groups of groups.
            let middle = objects.len() / 2;
            let sum = |objects: &[Counts]| objects.iter().fold(Counts::default(), |mut sum, one| { sum.add(one); sum });
            let (one, mut two) = (sum(&objects[..middle]), sum(&objects[middle..]));
            two.add(&one);
            prop_assert_eq!(two, expected);
            Ok(())
        })?;
    }

    #[test]
    fn times_add_up_and_quantiles_are_an_eighth_too_long_at_most(secs in proptest::collection::vec(1_i64..40_000_000, 1..200)) {
        let mut spans = Spans::default();
        secs.iter().for_each(|secs| spans.note(Span::from_secs(*secs)));
        let mut sorted = secs.clone();
        sorted.sort_unstable();
        let median = sorted[sorted.len().div_ceil(2) - 1] as f64;
        let told = spans.quantile(0.5).unwrap().as_millis() as f64 / 1_000.0;
        prop_assert!(told > median && told <= median * 1.125 + 1.0, "{} for {}", told, median);
        prop_assert_eq!(spans.count(), secs.len() as u64);
    }
}
