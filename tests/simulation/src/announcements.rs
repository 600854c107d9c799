//! The catalogue tells those who care about a product that its price or its stock has changed.

use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{CatalogueChange, MailboxMessage};
use kairos_engine::money::{Currency, Micros};
use kairos_engine::product::Product;
use kairos_protocol::catalogue::{Announcement, Cursor};
use kairos_protocol::port::Mailboxes;

use crate::ports::SimMailboxes;
use crate::shoppers::PRODUCTS;
use crate::weather::Port;
use crate::world::World;

const MILLION: f64 = 1_000_000.0;

/// Something has become of a product: everybody whose interest is recorded is told, until nobody failed.
pub fn announce(world: &World) {
    let messages = {
        let mut guard = world.lock();
        let inner = &mut *guard;
        let (id, category, price) = *inner.random.pick(&PRODUCTS);
        let price = Micros::new((price * MILLION) as i64);
        let less = Micros::new(price.get() / 100 * inner.random.between(70, 99));
        let (changes, now_costs) = match inner.random.below(6) {
            0 | 1 => (vec![CatalogueChange::Price { from: price, to: less }], less),
            2 => (vec![CatalogueChange::Price { from: less, to: price }], price),
            3 => (vec![CatalogueChange::Stock { from: 0, to: 7 }], price),
            4 => (vec![CatalogueChange::Stock { from: 7, to: 2 }], price),
            _ => (
                vec![CatalogueChange::Price { from: price, to: less }, CatalogueChange::Stock { from: 0, to: 5 }],
                less,
            ),
        };
        let product = Product {
            id: id.into(),
            price: Some(now_costs),
            currency: Currency::parse("EUR"),
            category: Some(category.into()),
            quantity: 1,
            ..Product::default()
        };
        let revision = inner.fresh_number();
        let news = Announcement { revision, at: inner.time(), product, changes, cursor: Cursor::default() };
        let audience = inner.interested.iter().filter(|(_, product)| product == id);
        let audience: Vec<UserKey> = audience.map(|(user, _)| *user).collect();
        inner.statistics.count("changes of the catalogue");
        inner.statistics.add("users told of a change of the catalogue", audience.len() as u64);
        inner.trace(|| format!("{id}: {:?}, told to {} users", news.changes, audience.len()));
        inner.requests_open += 1;
        audience.into_iter().map(|user| news.message_to(user)).collect::<Vec<MailboxMessage>>()
    };
    let number = world.lock().fresh_number();
    let of_task = world.clone();
    world.spawn(format!("catalogue {number}"), i64::MAX / 4, async move {
        let world = of_task;
        // A client of the simulation does not crash (see `Port::Ingest`), and neither does this one: what the real
        // catalogue does when it dies has tests of its own.
        while SimMailboxes::new(&world, Port::Ingest).send(&messages).await.is_err() {
            let wait = world.lock().random.between(1_000, 90_000);
            world.pause(wait).await;
        }
        world.lock().requests_open -= 1;
    });
}
