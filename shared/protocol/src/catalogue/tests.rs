#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::pending;

use futures_util::FutureExt;
use kairos_engine::bounds::{ANNOUNCEMENTS_WAITING_MAX, INTEREST_PAGE_MAX};
use kairos_engine::mailbox::{CatalogueChange, Input, MailboxMessage};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::playbook::{Playbook, PlaybookVersion};
use kairos_engine::product::Product;
use kairos_engine::time::Span;
use serde_json::json;

use super::*;

/// Tables and mailboxes, which a crash leaves as they are.
#[derive(Default)]
struct World {
    entries: RefCell<BTreeMap<String, Entry>>,
    interested: RefCell<BTreeMap<String, BTreeSet<UserKey>>>,
    told: RefCell<Vec<MailboxMessage>>,
    calls: Cell<u32>,
    /// The call at which the process ends, and whether that call still does its work.
    crash: Cell<Option<(u32, bool)>>,
    /// Somebody else writes the entry before the next of our writes.
    meanwhile: RefCell<Vec<Entry>>,
}

const START: Timestamp = Timestamp::from_millis(1_763_726_400_000);
const FOREVER: Timestamp = START.plus(Span::from_hours(1_000));

impl World {
    /// Does a call's work, or ends the process before or after it.
    async fn call<T>(&self, work: impl FnOnce() -> T) -> T {
        let number = self.calls.get();
        self.calls.set(number + 1);
        match self.crash.get() {
            Some((at, false)) if at == number => pending().await,
            Some((at, true)) if at == number => {
                work();
                pending().await
            }
            _ => work(),
        }
    }

    fn ports(&self) -> Ports<'_, Self, Self, Self, Self> {
        Ports { catalogue: self, interests: self, mailboxes: self, clock: self }
    }

    fn import(&self, rows: &[Listing]) -> Option<Vec<&'static str>> {
        let wanted = Wanted::of(&playbook());
        self.ports().import(&wanted, rows, FOREVER).now_or_never().map(|imported| {
            let announced = self.ports().announce(imported.announcing, FOREVER).now_or_never();
            announced.map(|_| imported.outcomes.iter().map(name).collect())
        })?
    }

    fn resume(&self) -> Option<Announced> {
        self.ports().resume(FOREVER).now_or_never()
    }

    fn interest(&self, product: &str, users: impl IntoIterator<Item = u32>) {
        let users = users.into_iter().map(|number| UserKey::known(&number.to_string()));
        self.interested.borrow_mut().entry(product.into()).or_default().extend(users);
    }

    /// What each user has been told, repetitions recognised by their ids as users do.
    fn heard(&self) -> BTreeMap<UserKey, Vec<(String, Vec<CatalogueChange>)>> {
        let mut seen = BTreeSet::new();
        let mut heard: BTreeMap<UserKey, Vec<_>> = BTreeMap::new();
        for message in self.told.borrow().iter() {
            let [Input::Catalogue { id, product, changes, .. }] = message.inputs() else { panic!("{message:?}") };
            if seen.insert((message.user(), *id)) {
                heard.entry(message.user()).or_default().push((product.id.to_string(), changes.clone()));
            }
        }
        heard
    }
}

impl Catalogue for World {
    async fn load(&self, products: &[String]) -> Result<BTreeMap<String, Result<Entry, Fault>>, Fault> {
        assert!(products.len() <= CATALOGUE_READ_MAX);
        self.call(|| {
            let entries = self.entries.borrow();
            let known = products.iter().filter_map(|product| entries.get(product));
            Ok(known.map(|entry| (entry.product().to_owned(), Ok(entry.clone()))).collect())
        })
        .await
    }

    async fn save(&self, entry: &Entry, expected_revision: Option<u64>) -> Result<Saved, Fault> {
        self.call(|| {
            let mut entries = self.entries.borrow_mut();
            if let Some(other) = self.meanwhile.borrow_mut().pop() {
                entries.insert(other.product().to_owned(), other);
            }
            if entries.get(entry.product()).map(|there| there.revision) != expected_revision {
                return Ok(Saved::Overtaken);
            }
            entries.insert(entry.product().to_owned(), entry.clone());
            Ok(Saved::Written)
        })
        .await
    }

    async fn waiting(&self, shard: u32, limit: usize) -> Result<Vec<String>, Fault> {
        self.call(|| {
            let entries = self.entries.borrow();
            let waiting = entries.values().filter(|entry| shard == 0 && !entry.announcements.is_empty());
            Ok(waiting.map(|entry| entry.product().to_owned()).take(limit).collect())
        })
        .await
    }
}

impl Interests for World {
    async fn interested(
        &self,
        product: &str,
        shard: u32,
        after: Option<UserKey>,
        limit: usize,
    ) -> Result<Vec<UserKey>, Fault> {
        self.call(|| {
            let all = self.interested.borrow();
            let users = all.get(product).into_iter().flatten().copied();
            let behind = users.filter(|user| user.shard(INTEREST_SHARDS) == shard && Some(*user) > after);
            Ok(behind.take(limit).collect())
        })
        .await
    }
}

impl Mailboxes for World {
    async fn send(&self, messages: &[MailboxMessage]) -> Result<(), Fault> {
        self.call(|| {
            self.told.borrow_mut().extend_from_slice(messages);
            Ok(())
        })
        .await
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        START.plus(Span::from_secs(self.calls.get().into()))
    }

    async fn sleep_until(&self, _: Timestamp) {}
}

fn name(outcome: &RowOutcome) -> &'static str {
    match outcome {
        RowOutcome::Created => "created",
        RowOutcome::Updated => "updated",
        RowOutcome::Unchanged => "unchanged",
        RowOutcome::Refused(_) => "refused",
        RowOutcome::Failed(_) => "failed",
    }
}

/// A playbook with a play for each kind of change.
fn playbook() -> Playbook {
    let play = |name: &str, of: serde_json::Value| {
        json!({
            "name": name, "title": name, "valid_for": 3_600_000, "steps": [],
            "trigger": { "catalogue": { "of": [of], "interest": ["viewed"] } },
        })
    };
    let plays = [
        play("drop", json!({ "price_drop": { "percent": 5.0 } })),
        play("back", json!("back_in_stock")),
        play("low", json!({ "low_stock": { "at_most": 3 } })),
    ];
    let plays = plays.map(|play| serde_json::from_value(play).unwrap()).to_vec();
    Playbook { version: PlaybookVersion("test".into()), plays, ..Playbook::default() }
}

fn row(id: &str, units: Option<i64>, stock: Option<Stock>) -> Listing {
    let price = units.map(|units| Micros::new(units * 1_000_000));
    let currency = price.and_then(|_| Currency::parse("EUR"));
    Listing { product: Product { id: id.into(), price, currency, quantity: 1, ..Product::default() }, stock }
}

fn places(there: &[(&str, u32)]) -> Option<Stock> {
    Some(Stock::Places(there.iter().map(|(place, count)| ((*place).to_owned(), *count)).collect()))
}

fn price(from: i64, to: i64) -> CatalogueChange {
    CatalogueChange::Price { from: Micros::new(from * 1_000_000), to: Micros::new(to * 1_000_000) }
}

#[test]
fn whoever_cares_hears_of_a_change_once_wherever_the_process_ends() {
    let before = [row("mug", Some(20), places(&[("old_town", 0)])), row("lamp", Some(50), None)];
    let after = [row("mug", Some(15), places(&[("old_town", 4)])), row("lamp", Some(40), None)];
    let mut crashes = 0;
    for (at, works) in (0..).flat_map(|at| [(at, false), (at, true)]) {
        let world = World::default();
        world.interest("mug", 0..20);
        world.interest("lamp", 15..30);
        assert_eq!(world.import(&before), Some(vec!["created", "created"]));
        world.crash.set(Some((world.calls.get() + at, works)));
        let crashed = world.import(&after).is_none();
        world.crash.set(None);
        if crashed {
            crashes += 1;
            // Whoever sent the feed sends it again, or the schedule goes on, or both.
            if at % 2 == 0 {
                world.resume().unwrap();
            }
            world.import(&after).unwrap();
        }
        assert_eq!(world.import(&after), Some(vec!["unchanged", "unchanged"]));
        assert!(world.entries.borrow().values().all(|entry| entry.announcements.is_empty()));
        let heard = world.heard();
        assert_eq!(heard.len(), 30);
        for number in 0..30_u32 {
            let mut of_user = heard[&UserKey::known(&number.to_string())].clone();
            of_user.sort_by(|one, other| one.0.cmp(&other.0));
            let mug = ("mug".to_owned(), vec![price(20, 15), CatalogueChange::Stock { from: 0, to: 4 }]);
            let lamp = ("lamp".to_owned(), vec![price(50, 40)]);
            let expected: Vec<_> =
                [(number >= 15).then_some(lamp), (number < 20).then_some(mug)].into_iter().flatten().collect();
            assert_eq!(of_user, expected, "user {number}, crash at call {at} (done: {works})");
        }
        if !crashed {
            assert!(crashes > 60, "crashed at {crashes} places");
            return;
        }
    }
}

#[test]
fn a_large_audience_is_gone_through_page_by_page_and_goes_on_where_it_stopped() {
    let world = World::default();
    let users = u32::try_from(INTEREST_PAGE_MAX * 12).unwrap();
    world.interest("mug", 0..users);
    world.import(&[row("mug", Some(20), None)]).unwrap();
    let wanted = Wanted::of(&playbook());
    let changed = [row("mug", Some(10), None)];
    let imported = world.ports().import(&wanted, &changed, FOREVER).now_or_never().unwrap();
    assert_eq!(imported.announcing, ["mug"]);
    let mut runs = 0;
    loop {
        // The clock goes on a second with each call: time for a page or two.
        let until = world.now().plus(Span::from_secs(5));
        let announced = world.ports().resume(until).now_or_never().unwrap();
        runs += 1;
        assert!(announced.faults.is_empty());
        if announced.left == 0 {
            break;
        }
    }
    assert!(runs > 5, "{runs}");
    let told = world.told.borrow().len();
    assert_eq!(world.heard().len(), INTEREST_PAGE_MAX * 12);
    assert!(told < 2 * INTEREST_PAGE_MAX * 12, "little is told twice: {told}");
    assert!(world.entries.borrow()["mug"].announcements.is_empty());
}

#[test]
fn only_what_some_play_waits_for_is_told() {
    let all = Wanted::of(&playbook());
    for (before, after, told) in [
        (row("mug", Some(20), None), row("mug", Some(19), None), true),
        (row("mug", Some(20), None), row("mug", Some(21), None), false),
        (row("mug", Some(20), None), row("mug", None, Some(Stock::Total(5))), false),
        (row("mug", None, Some(Stock::Total(0))), row("mug", None, Some(Stock::Total(5))), true),
        (row("mug", None, Some(Stock::Total(9))), row("mug", None, Some(Stock::Total(5))), false),
        (row("mug", None, Some(Stock::Total(5))), row("mug", None, Some(Stock::Total(3))), true),
        (row("mug", None, Some(Stock::Total(3))), row("mug", None, Some(Stock::Total(2))), false),
        (row("mug", None, Some(Stock::Total(5))), row("mug", None, Some(Stock::Total(0))), false),
        (row("mug", None, places(&[("a", 0), ("b", 4)])), row("mug", None, places(&[("b", 2)])), true),
    ] {
        for (wanted, told) in [(&all, told), (&Wanted::default(), false)] {
            let world = World::default();
            world.import(std::slice::from_ref(&before)).unwrap();
            let rows = [after.clone()];
            let imported = world.ports().import(wanted, &rows, FOREVER).now_or_never().unwrap();
            assert_eq!(!imported.announcing.is_empty(), told, "{before:?} {after:?}");
        }
    }
}

#[test]
fn what_a_row_does_not_tell_stays() {
    let world = World::default();
    let mut named = row("mug", Some(20), places(&[("old_town", 2), ("harbour", 1)]));
    named.product.name = Some("Mug".into());
    let stock = row("mug", None, places(&[("harbour", 5)]));
    let mut cheaper = row("mug", Some(18), None);
    cheaper.product.currency = None;
    assert_eq!(world.import(&[named]), Some(vec!["created"]));
    assert_eq!(world.import(&[stock]), Some(vec!["updated"]));
    assert_eq!(world.import(&[cheaper]), Some(vec!["updated"]));
    let entry = world.entries.borrow()["mug"].clone();
    assert_eq!(entry.listing.product.name.as_deref(), Some("Mug"));
    assert_eq!(entry.listing.product.price, Some(Micros::new(18_000_000)));
    assert_eq!(entry.listing.product.currency, Currency::parse("EUR"));
    assert_eq!(entry.listing.stock, places(&[("old_town", 2), ("harbour", 5)]));
    assert_eq!(world.import(&[row("mug", None, Some(Stock::Total(1)))]), Some(vec!["updated"]));
    assert_eq!(world.entries.borrow()["mug"].listing.stock, Some(Stock::Total(1)));
    let mut free = row("tea", Some(3), None);
    free.product.currency = None;
    assert_eq!(world.import(&[free]), Some(vec!["refused"]), "a price of nothing in particular");
}

#[test]
fn a_price_in_another_currency_is_another_price_and_no_drop() {
    let world = World::default();
    world.interest("mug", 0..1);
    world.import(&[row("mug", Some(20), None)]).unwrap();
    let mut dollars = row("mug", Some(15), None);
    dollars.product.currency = Currency::parse("USD");
    assert_eq!(world.import(&[dollars]), Some(vec!["updated"]));
    assert!(world.told.borrow().is_empty());
}

#[test]
fn changes_wait_in_their_order_and_too_many_have_to_come_again() {
    let world = World::default();
    world.interest("mug", 0..1);
    let wanted = Wanted::of(&playbook());
    let import = |units| {
        let rows = [row("mug", Some(units), None)];
        world
            .ports()
            .import(&wanted, &rows, FOREVER)
            .now_or_never()
            .unwrap()
            .outcomes
            .iter()
            .map(name)
            .collect::<Vec<_>>()
    };
    import(100);
    for number in 1..=i64::try_from(ANNOUNCEMENTS_WAITING_MAX).unwrap() {
        assert_eq!(import(100 - number), ["updated"]);
    }
    assert_eq!(import(50), ["refused"]);
    let announced = world.resume().unwrap();
    assert_eq!((announced.told, announced.finished), (ANNOUNCEMENTS_WAITING_MAX, 1));
    let heard = world.heard().remove(&UserKey::known("0")).unwrap();
    assert_eq!(heard[0].1, [price(100, 99)]);
    assert_eq!(heard.last().unwrap().1, [price(93, 92)]);
    assert_eq!(import(50), ["updated"]);
}

#[test]
fn what_somebody_else_writes_meanwhile_is_kept() {
    let world = World::default();
    world.interest("mug", 0..3);
    world.import(&[row("mug", Some(20), None)]).unwrap();
    let mut other = world.entries.borrow()["mug"].clone();
    other.revision += 1;
    other.listing.product.name = Some("Mug".into());
    world.meanwhile.borrow_mut().push(other);
    assert_eq!(world.import(&[row("mug", Some(15), None)]), Some(vec!["updated"]));
    let entry = world.entries.borrow()["mug"].clone();
    assert_eq!(entry.listing.product.name.as_deref(), Some("Mug"));
    assert!(entry.announcements.is_empty());
    assert_eq!(world.heard().len(), 3);
}

#[test]
fn what_there_was_no_time_for_has_to_come_again() {
    let world = World::default();
    let rows: Vec<_> = (0..CATALOGUE_READ_MAX + 50).map(|number| row(&format!("p{number}"), Some(1), None)).collect();
    let until = START.plus(Span::from_secs(50));
    let wanted = Wanted::default();
    let imported = world.ports().import(&wanted, &rows, until).now_or_never().unwrap();
    let count = |wanted| imported.outcomes.iter().filter(|outcome| name(outcome) == wanted).count();
    assert_eq!((count("created"), count("failed")), (CATALOGUE_READ_MAX, 50));
}

#[test]
fn an_entry_reads_back_and_its_form_never_changes() {
    let entry = Entry {
        listing: Listing {
            product: Product {
                id: "mug".into(),
                name: Some("Blue Mug".into()),
                price: Some(Micros::new(15_000_000)),
                currency: Currency::parse("EUR"),
                quantity: 1,
                image_url: Some("https://shop.example/mug.jpg".into()),
                url: Some("https://shop.example/mug".into()),
                category: Some("kitchen".into()),
            },
            stock: places(&[("old_town", 4)]),
        },
        revision: 3,
        changed_at: START,
        listed_at: None,
        announcements: vec![Announcement {
            revision: 3,
            at: START,
            product: row("mug", Some(15), None).product,
            changes: vec![price(20, 15), CatalogueChange::Stock { from: 0, to: 4 }],
            cursor: Cursor { shard: 2, after: Some(UserKey::known("42")) },
        }],
    };
    let golden = include_str!("../../tests/golden/catalogue_entry_v1.json");
    assert_eq!(Entry::from_json(golden).unwrap(), entry);
    let written: serde_json::Value = serde_json::from_str(&entry.to_json().unwrap()).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(golden).unwrap());
}
