//! What is kept of a product, and what a row makes of it. Pure.

use std::collections::BTreeMap;

use kairos_engine::bounds::ANNOUNCEMENTS_WAITING_MAX;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{CatalogueChange, Input, MailboxMessage};
use kairos_engine::name::Name;
use kairos_engine::playbook::{CatalogueTest, Playbook, Trigger};
use kairos_engine::product::Product;
use kairos_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A product as the shop sells it; in a row of a feed, what the row tells of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The product; its quantity is 1.
    pub product: Product,
    /// How many there are, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Stock>,
}

/// How many there are of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// In all.
    Total(u32),
    /// By the name of the place.
    Places(BTreeMap<String, u32>),
}

impl Stock {
    /// How many there are in all.
    pub fn total(&self) -> u32 {
        match self {
            Self::Total(total) => *total,
            Self::Places(places) => places.values().fold(0, |sum, there| sum.saturating_add(*there)),
        }
    }

    /// Whether a place is known to have some.
    pub fn is_at(&self, place: &str) -> bool {
        match self {
            Self::Total(_) => false,
            Self::Places(places) => places.get(place).is_some_and(|there| *there > 0),
        }
    }

    fn merged(&self, told: &Self) -> Self {
        match (self, told) {
            // Each place may tell of itself.
            (Self::Places(known), Self::Places(told)) => {
                let mut places = known.clone();
                places.extend(told.iter().map(|(place, there)| (place.clone(), *there)));
                Self::Places(places)
            }
            _ => told.clone(),
        }
    }
}

impl Listing {
    /// The category in which messages may offer the product: it has a name, a price and a page, and is not sold out.
    pub fn offered_in(&self) -> Option<&str> {
        let Product { name, price, url, category, .. } = &self.product;
        let is_there = self.stock.as_ref().is_none_or(|stock| stock.total() > 0);
        let shows = name.is_some() && price.is_some() && url.is_some();
        category.as_deref().filter(|category| is_there && shows && !category.is_empty())
    }

    /// This listing with what a row tells; what the row does not tell stays.
    fn merged(&self, row: &Self) -> Self {
        let (known, told) = (&self.product, &row.product);
        let either = |told: &Option<Name>, known: &Option<Name>| told.clone().or_else(|| known.clone());
        let link = |told: &Option<String>, known: &Option<String>| told.clone().or_else(|| known.clone());
        let (price, currency) = match told.price {
            Some(price) => (Some(price), told.currency.or(known.currency)),
            None => (known.price, known.currency),
        };
        Self {
            product: Product {
                id: told.id.clone(),
                name: either(&told.name, &known.name),
                price,
                currency,
                quantity: 1,
                image_url: link(&told.image_url, &known.image_url),
                url: link(&told.url, &known.url),
                category: either(&told.category, &known.category),
            },
            stock: match (&self.stock, &row.stock) {
                (Some(known), Some(told)) => Some(known.merged(told)),
                (known, told) => told.clone().or_else(|| known.clone()),
            },
        }
    }

    /// What has become of the price and the stock, as far as both before and now are known.
    fn changes_to(&self, now: &Self) -> Vec<CatalogueChange> {
        let (before, after) = (&self.product, &now.product);
        let price = before.price.zip(after.price).filter(|(from, to)| from != to && before.currency == after.currency);
        let stock = self.stock.as_ref().zip(now.stock.as_ref());
        let stock = stock.map(|(from, to)| (from.total(), to.total())).filter(|(from, to)| from != to);
        let price = price.map(|(from, to)| CatalogueChange::Price { from, to });
        price.into_iter().chain(stock.map(|(from, to)| CatalogueChange::Stock { from, to })).collect()
    }
}

/// What is kept of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What is known of it.
    pub listing: Listing,
    /// Rises with each write.
    pub revision: u64,
    /// When the listing last changed.
    pub changed_at: Timestamp,
    /// When the product was first told of; with its next row of an entry that is older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Timestamp>,
    /// What users have still to be told, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
}

#[derive(Deserialize)]
#[serde(tag = "v")]
enum StoredEntry {
    #[serde(rename = "1")]
    V1(Entry),
}

#[derive(Serialize)]
#[serde(tag = "v")]
enum EntryToStore<'a> {
    #[serde(rename = "1")]
    V1(&'a Entry),
}

impl Entry {
    /// Which product.
    pub fn product(&self) -> &str {
        &self.listing.product.id
    }

    /// The entry as it is stored, with the version of its form.
    ///
    /// # Errors
    /// None for an entry as it is made here.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&EntryToStore::V1(self))
    }

    /// Reads a stored entry.
    ///
    /// # Errors
    /// When it is none, or one of a newer version.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let StoredEntry::V1(entry) = serde_json::from_str(json)?;
        Ok(entry)
    }

    /// The entry when an announcement has been told up to there (`None`: to its end). Nothing when the announcement
    /// is no longer in it.
    pub(super) fn noted(&self, announcement: &Announcement, cursor: Option<Cursor>) -> Option<Self> {
        let at = self.announcements.iter().position(|known| known.revision == announcement.revision)?;
        let mut next = Self { revision: self.revision + 1, ..self.clone() };
        match cursor {
            Some(cursor) => next.announcements[at].cursor = cursor,
            None => drop(next.announcements.remove(at)),
        }
        Some(next)
    }
}

/// A change that users have still to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// The revision of the entry that it came with: what tells it from others.
    pub revision: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The product, as it was then.
    pub product: Product,
    /// What has changed.
    pub changes: Vec<CatalogueChange>,
    /// How far it is told.
    #[serde(default)]
    pub cursor: Cursor,
}

/// A place in the audience of a product: everybody before it has been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The shard it is in.
    pub shard: u32,
    /// The last user of that shard who was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserKey>,
}

impl Announcement {
    /// What a user's mailbox gets: always the same for the same announcement and user. The input's id is that of the
    /// change alone: somebody who cares both as a user and as the visitor they were (who passes it on) hears once.
    pub fn message_to(&self, user: UserKey) -> MailboxMessage {
        let change = format!("{}#{}#{}", self.product.id, self.revision, self.at.as_millis());
        // No source of events has a blank in its name.
        let id = InputId::of_message("the catalogue", &change);
        let product = Box::new(self.product.clone());
        let input = Input::Catalogue { id, at: self.at, product, changes: self.changes.clone(), hops: 0 };
        MailboxMessage::of_inputs(user, vec![input])
    }
}

/// The changes that some play waits for. Telling the others would cost a message for each user who cares, and
/// lead to nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    price_drops: bool,
    back_in_stock: bool,
    low_stock: Vec<u32>,
}

impl Wanted {
    /// What the plays of a playbook wait for.
    pub fn of(playbook: &Playbook) -> Self {
        let mut wanted = Self::default();
        let triggers = playbook.plays.iter().filter_map(|play| match &play.trigger {
            Trigger::Catalogue { of, .. } => Some(of),
            _ => None,
        });
        for test in triggers.flatten() {
            match test {
                CatalogueTest::PriceDrop { .. } => wanted.price_drops = true,
                CatalogueTest::BackInStock => wanted.back_in_stock = true,
                CatalogueTest::LowStock { at_most } => wanted.low_stock.push(*at_most),
            }
        }
        wanted
    }

    fn includes(&self, change: &CatalogueChange) -> bool {
        match change {
            CatalogueChange::Price { from, to } => self.price_drops && to < from,
            CatalogueChange::Stock { from: 0, .. } if self.back_in_stock => true,
            CatalogueChange::Stock { from, to } => {
                self.low_stock.iter().any(|most| from > most && (1..=*most).contains(to))
            }
        }
    }
}

/// Why a row cannot be taken, though it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A price of nothing in particular.
    #[error("The price has no currency. Add `currency`, as in EUR.")]
    NoCurrency,
    /// The product changes faster than users can be told.
    #[error("Users have still to be told of {ANNOUNCEMENTS_WAITING_MAX} earlier changes. Send this row again later.")]
    TooManyChanges,
}

/// What is to be done about a row.
pub(super) enum Planned {
    Unchanged,
    Refused(Refusal),
    Write(Box<Entry>),
}

/// What a row makes of what is known.
pub(super) fn plan(known: Option<&Entry>, row: &Listing, wanted: &Wanted, now: Timestamp) -> Planned {
    let before = known.map(|entry| &entry.listing);
    let listing = before.unwrap_or(&Listing::default()).merged(row);
    if listing.product.price.is_some() && listing.product.currency.is_none() {
        return Planned::Refused(Refusal::NoCurrency);
    }
    let listed_at = known.and_then(|entry| entry.listed_at);
    if before == Some(&listing) && listed_at.is_some() {
        return Planned::Unchanged;
    }
    let revision = known.map_or(0, |entry| entry.revision) + 1;
    let mut announcements = known.map(|entry| entry.announcements.clone()).unwrap_or_default();
    let changes = before.map(|before| before.changes_to(&listing)).unwrap_or_default();
    if changes.iter().any(|change| wanted.includes(change)) {
        if announcements.len() >= ANNOUNCEMENTS_WAITING_MAX {
            return Planned::Refused(Refusal::TooManyChanges);
        }
        let product = listing.product.clone();
        announcements.push(Announcement { revision, at: now, product, changes, cursor: Cursor::default() });
    }
    Planned::Write(Box::new(Entry {
        changed_at: known.filter(|_| before == Some(&listing)).map_or(now, |entry| entry.changed_at),
        listed_at: listed_at.or(Some(now)),
        listing,
        revision,
        announcements,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_listed_since_it_was_first_told_of() {
        let at = Timestamp::from_millis;
        let row = |stock| Listing {
            product: Product { id: "mug".into(), quantity: 1, ..Product::default() },
            stock: Some(Stock::Total(stock)),
        };
        let planned = |known: Option<&Entry>, stock, now| match plan(known, &row(stock), &Wanted::default(), at(now)) {
            Planned::Write(entry) => Some(*entry),
            Planned::Unchanged => None,
            Planned::Refused(refusal) => panic!("{refusal}"),
        };
        let entry = planned(None, 3, 1_000).unwrap();
        assert_eq!(entry.listed_at, Some(at(1_000)));
        assert_eq!(planned(Some(&entry), 3, 2_000), None);
        let sold = planned(Some(&entry), 0, 3_000).unwrap();
        assert_eq!((sold.listed_at, sold.changed_at), (Some(at(1_000)), at(3_000)));
        // One that was written before there was such a time: nothing changed but that.
        let old = Entry { listed_at: None, ..entry };
        let listed = planned(Some(&old), 3, 4_000).unwrap();
        assert_eq!((listed.listed_at, listed.changed_at), (Some(at(4_000)), at(1_000)));
    }
}
