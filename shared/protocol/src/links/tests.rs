#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use kairos_engine::bounds::LINKS_PER_MESSAGE_MAX;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{DeliveryOrder, Input, MailboxMessage, MessageData};
use kairos_engine::playbook::{AppLink, Channel, LinkSettings, PlaybookVersion, Purpose, Utm};
use kairos_engine::time::{Span, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::golden::is_golden;

const START: Timestamp = Timestamp::from_millis(1_763_726_400_000);
const PHONE: Device = Device { kind: DeviceKind::Phone, os: Os::Other };
const IPHONE: Device = Device { kind: DeviceKind::Phone, os: Os::Ios };
const TABLET: Device = Device { kind: DeviceKind::Tablet, os: Os::Android };
const DESKTOP: Device = Device { kind: DeviceKind::Desktop, os: Os::Other };

fn order(number: u64) -> DeliveryOrder {
    let user = UserKey::known("ann");
    DeliveryOrder {
        delivery: DeliveryId::of_decision(user, number),
        user,
        play: "abandoned_cart".into(),
        message: "cart_reminder".into(),
        playbook: PlaybookVersion("v1".into()),
        channel: Channel::Sms,
        purpose: Purpose::Marketing,
        address: "+491512345678".into(),
        locale: None,
        due_at: START,
        decided_at: START,
        expires_at: START.plus(Span::from_hours(1)),
        why: String::new(),
        correlation: None,
        who: None,
        data: MessageData::default(),
    }
}

fn settings() -> LinkSettings {
    LinkSettings {
        hosts: vec!["shop.example".into()],
        domain: None,
        fallback: Some("https://shop.example/".into()),
        expires_after: Span::from_hours(24),
        opens: true,
        utm: Some(Utm { source: "kairos".into(), medium: [(Channel::Email, "newsletter".to_owned())].into() }),
        banner_parameter: Some("kairos_message".into()),
        destinations: BTreeMap::new(),
    }
}

fn showroom() -> Target {
    let app =
        |scheme: &str, store: &str| Some(AppLink { deep_link: format!("{scheme}://rooms"), store: store.to_owned() });
    Target {
        page: "https://shop.example/configurator".into(),
        name: Some("showroom".into()),
        tablet: None,
        phone: Some("https://shop.example/stores/old-town".into()),
        ios_app: app("shop", "https://apps.apple.com/app/id1"),
        android_app: None,
    }
}

fn cart() -> Target {
    Target::page("https://shop.example/cart?a=1")
}

fn links() -> MessageLinks {
    MessageLinks::new(&order(1), &settings(), vec![cart(), showroom()])
}

#[derive(Default)]
struct Table {
    records: RefCell<BTreeMap<LinksId, MessageLinks>>,
    /// What another worker writes before a call.
    meanwhile: RefCell<Vec<MessageLinks>>,
    is_down: bool,
}

impl LinkRecords for Table {
    async fn load(&self, id: LinksId) -> Result<Option<MessageLinks>, Fault> {
        Ok(self.records.borrow().get(&id).cloned())
    }

    async fn save(&self, links: &MessageLinks, expected_revision: Option<u32>) -> Result<LinksSaved, Fault> {
        if self.is_down {
            return Err(Fault::Retryable { what: "LinksTable PutItem", why: "later".into() });
        }
        let mut records = self.records.borrow_mut();
        if let Some(other) = self.meanwhile.borrow_mut().pop() {
            records.insert(links.id(), other);
        }
        let there = records.get(&links.id()).cloned();
        if there.as_ref().map(|there| there.revision) != expected_revision {
            return Ok(LinksSaved::Conflict(there.map(Box::new)));
        }
        records.insert(links.id(), links.clone());
        Ok(LinksSaved::Written)
    }
}

fn kept(table: &Table, wanted: &MessageLinks) -> Result<MessageLinks, NotKept> {
    keep(table, wanted).now_or_never().expect("nothing here waits")
}

#[test]
fn a_message_that_comes_again_has_the_same_links() {
    let table = Table::default();
    let first = kept(&table, &links()).unwrap();
    assert_eq!(kept(&table, &links()).unwrap(), first);
    // The catalogue has changed meanwhile: what was sent stays, what is new stands behind it.
    let sale = Target::page("https://shop.example/sale");
    let later = MessageLinks { links: vec![sale.clone(), cart()], ..links() };
    let both = kept(&table, &later).unwrap();
    assert_eq!(both.links, [cart(), showroom(), sale.clone()]);
    assert_eq!((both.number(&cart()), both.number(&showroom()), both.number(&sale)), (Some(0), Some(1), Some(2)));
    assert_eq!(both.number(&Target::page("https://shop.example/other")), None);
    assert_eq!(both.revision, 2);
}

#[test]
fn two_workers_on_one_message_agree() {
    let other = MessageLinks { links: vec![Target::page("https://shop.example/sale")], ..links() };
    let table = Table { meanwhile: RefCell::new(vec![other]), ..Table::default() };
    let both = kept(&table, &links()).unwrap();
    assert_eq!(both.links.len(), 3);
    assert_eq!(table.records.borrow()[&both.id()], both);
}

#[test]
fn links_of_another_message_are_never_changed() {
    let table = Table::default();
    let other = MessageLinks { delivery: DeliveryId::of_decision(UserKey::known("bob"), 1), ..links() };
    table.records.borrow_mut().insert(links().id(), other.clone());
    assert!(matches!(kept(&table, &links()), Err(NotKept::Taken)));
    assert_eq!(table.records.borrow()[&links().id()], other);
    let down = Table { is_down: true, ..Table::default() };
    assert!(matches!(kept(&down, &links()), Err(NotKept::Fault(_))));
}

#[test]
fn a_link_leads_by_device_and_tells_the_page_where_it_was() {
    const ADDED: &str = "utm_source=kairos&utm_medium=sms&utm_campaign=abandoned_cart&utm_content=cart_reminder&kairos_message=cart_reminder";
    let page = |page: &str| Followed::To(Where::Page(format!("{page}{ADDED}")));
    for (number, device, expected) in [
        (0, DESKTOP, page("https://shop.example/cart?a=1&")),
        (0, IPHONE, page("https://shop.example/cart?a=1&")),
        (1, DESKTOP, page("https://shop.example/configurator?")),
        (1, TABLET, page("https://shop.example/configurator?")),
        (1, PHONE, page("https://shop.example/stores/old-town?")),
        (1, IPHONE, Followed::To(Where::App(showroom().ios_app.unwrap()))),
        // Never of this message: nothing is made up.
        (2, DESKTOP, Followed::Expired(Some("https://shop.example/".into()))),
    ] {
        assert_eq!(links().followed(number, device, START), expected, "{number} {device:?}");
    }
    let by_email = DeliveryOrder { channel: Channel::Email, ..order(1) };
    let by_email = MessageLinks::new(&by_email, &settings(), vec![cart()]);
    assert!(by_email.parameters.contains(&("utm_medium".into(), "newsletter".into())));
}

#[test]
fn after_its_time_a_link_leads_to_the_fallback() {
    let end = START.plus(Span::from_hours(24));
    assert!(matches!(links().followed(0, DESKTOP, end.minus(Span::from_millis(1))), Followed::To(_)));
    assert_eq!(links().followed(0, DESKTOP, end), Followed::Expired(Some("https://shop.example/".into())));
    let without = MessageLinks { fallback: None, ..links() };
    assert_eq!(without.followed(0, DESKTOP, end), Followed::Expired(None));
    assert!(links().expires_at_secs() > end.as_secs());
}

fn told(message: &MailboxMessage) -> serde_json::Value {
    assert_eq!(message.user(), UserKey::known("ann"));
    let [Input::Event { event, .. }] = message.inputs() else { panic!("one event") };
    assert_eq!((event.source.as_str(), &event.user_id, &event.anonymous_id), (SOURCE, &None, &None));
    serde_json::to_value(&event.kind).unwrap()
}

#[test]
fn a_click_is_told_once_per_link_and_an_opening_once_per_message() {
    let later = START.plus(Span::from_hours(3));
    let click = links().clicked(1, PHONE, START).unwrap();
    assert_eq!(links().clicked(1, DESKTOP, later).unwrap().id(), click.id());
    let opened = links().opened(true, START);
    assert_eq!(links().opened(false, later).id(), opened.id());
    let other = MessageLinks::new(&order(2), &settings(), vec![cart()]);
    let ids: BTreeSet<_> = [
        click.id(),
        links().clicked(0, PHONE, START).unwrap().id(),
        other.clicked(0, PHONE, START).unwrap().id(),
        opened.id(),
        other.opened(true, START).id(),
    ]
    .into();
    assert_eq!(ids.len(), 5);
    assert_eq!(links().clicked(2, PHONE, START), None);
    let of = links().delivery;
    assert_eq!(
        told(&click),
        serde_json::json!({"type": "track", "event": "Message Link Clicked", "properties": {
            "channel": "sms", "play": "abandoned_cart", "message": "cart_reminder", "delivery_id": of,
            "link": "showroom", "url": "https://shop.example/stores/old-town", "device": "phone",
        }})
    );
    assert_eq!(
        told(&opened),
        serde_json::json!({"type": "track", "event": "Message Opened", "properties": {
            "channel": "sms", "play": "abandoned_cart", "message": "cart_reminder", "delivery_id": of, "proxied": true,
        }})
    );
}

#[test]
fn a_message_of_too_many_links_counts_the_first() {
    let many: Vec<_> = (0..300).map(|number| Target::page(&format!("https://shop.example/{number}"))).collect();
    let links = MessageLinks::new(&order(1), &settings(), many.clone());
    assert_eq!(links.links.len(), LINKS_PER_MESSAGE_MAX);
    assert_eq!(links.with(&many), None);
}

#[test]
fn everything_that_is_stored_and_travels_reads_as_it_was_first_written() {
    let text = is_golden("links_v1.json", &links().to_json().unwrap());
    assert_eq!(MessageLinks::from_json(&text).unwrap(), links());
    let click = links().clicked(1, IPHONE, START).unwrap();
    let text = is_golden("link_clicked_message_v1.json", &serde_json::to_string(&click).unwrap());
    assert_eq!(serde_json::from_str::<MailboxMessage>(&text).unwrap(), click);
    let opened = links().opened(true, START);
    let text = is_golden("message_opened_message_v1.json", &serde_json::to_string(&opened).unwrap());
    assert_eq!(serde_json::from_str::<MailboxMessage>(&text).unwrap(), opened);
}

proptest! {
    #[test]
    fn a_token_carries_which_message_and_which_link(number in 0_u64..1_000, link: u8) {
        let id = LinksId::of(order(number).delivery);
        let payload = id.payload(link);
        prop_assert_eq!(payload.len(), if link == 0 { 7 } else { 8 });
        prop_assert_eq!(LinksId::read(&payload), Some((id, link)));
    }

    #[test]
    fn other_bytes_are_no_link(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Some((id, number)) = LinksId::read(&bytes) {
            prop_assert_eq!(id.payload(number), bytes);
        }
    }
}
