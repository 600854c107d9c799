//! How a feed of products becomes a word to the users who care, whatever crashes on the way.
//!
//! [`Ports::import`] merges each row into its product's entry, under the condition of the revision it read.
//! When the price or the stock has changed in a way that some play waits for ([`Wanted`]), the same write puts an
//! [`Announcement`] into the entry. [`Ports::announce`] tells it to the mailbox of every user with an interest in
//! the product, page by page, and takes it out of the entry when all have heard of it; [`Ports::resume`] finds the
//! entries where that was left undone.
//!
//! **Invariants**
//! - Nobody is told of a change before the write that made it.
//! - No announcement leaves its entry before the last page of users was handed over.
//! - The same change has the same id, however often it is told and to whom, so telling twice is harmless.
//! - The changes of a product are told in their order.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::stream::{self, StreamExt};
use kairos_engine::bounds::{
    ANNOUNCE_SHARDS, ANNOUNCED_PER_SHARD_MAX, CATALOGUE_LANES_MAX, CATALOGUE_READ_MAX, CATALOGUE_WRITE_ROUNDS_MAX,
    INTEREST_PAGE_MAX, INTEREST_SHARDS,
};
use kairos_engine::identifiers::UserKey;
use kairos_engine::time::Timestamp;

use crate::mailboxes::Saved;
use crate::port::{Clock, Fault, Mailboxes};

mod entry;
#[cfg(test)]
mod tests;

pub use entry::{Announcement, Cursor, Entry, Listing, Refusal, Stock, Wanted};

use entry::{Planned, plan};

/// The entries of all products.
pub trait Catalogue {
    /// Reads entries, strongly consistent. A product without one is not in the answer; one whose entry cannot be
    /// read fails alone. At most [`CATALOGUE_READ_MAX`] at once.
    fn load(&self, products: &[String]) -> impl Future<Output = Result<BTreeMap<String, Result<Entry, Fault>>, Fault>>;

    /// Writes an entry, if the one that is there has the expected revision (`None`: if none is there).
    fn save(&self, entry: &Entry, expected_revision: Option<u64>) -> impl Future<Output = Result<Saved, Fault>>;

    /// Products of one shard of [`ANNOUNCE_SHARDS`] with something to tell, changed longest ago first. May lag
    /// behind the entries by some seconds.
    fn waiting(&self, shard: u32, limit: usize) -> impl Future<Output = Result<Vec<String>, Fault>>;
}

/// Who cares about which product.
pub trait Interests {
    /// The users of one shard of [`INTEREST_SHARDS`] with an interest in a product, in the order of their keys, from
    /// the one `after` this key. Fewer than `limit` when there are no more.
    fn interested(
        &self,
        product: &str,
        shard: u32,
        after: Option<UserKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<UserKey>, Fault>>;
}

/// What the protocol asks of the world.
#[derive(Debug)]
pub struct Ports<'a, K, I, M, C> {
    /// The entries.
    pub catalogue: &'a K,
    /// Who cares.
    pub interests: &'a I,
    /// The users' mailboxes.
    pub mailboxes: &'a M,
    /// The time.
    pub clock: &'a C,
}

/// What became of a row.
#[derive(Clone, Debug)]
pub enum RowOutcome {
    /// The product was not known.
    Created,
    /// It was known, and is different now.
    Updated,
    /// It was known just so.
    Unchanged,
    /// It cannot be taken as it is.
    Refused(Refusal),
    /// It could not be written; the row has to come again.
    Failed(Fault),
}

/// How an import went.
#[derive(Debug, Default)]
pub struct Imported {
    /// What became of the rows, in their order.
    pub outcomes: Vec<RowOutcome>,
    /// The products with something to tell.
    pub announcing: Vec<String>,
}

/// How telling went.
#[derive(Debug, Default)]
pub struct Announced {
    /// Messages put into mailboxes.
    pub told: usize,
    /// Products of which everything is told.
    pub finished: usize,
    /// Products for which there was no time; the next run goes on.
    pub left: usize,
    /// Products, and shards of the index, where something failed; the next run tries again.
    pub faults: Vec<(String, Fault)>,
}

impl Announced {
    fn add(&mut self, other: Self) {
        self.told += other.told;
        self.finished += other.finished;
        self.left += other.left;
        self.faults.extend(other.faults);
    }
}

impl<K, I, M, C> Ports<'_, K, I, M, C>
where
    K: Catalogue,
    I: Interests,
    M: Mailboxes,
    C: Clock,
{
    /// Takes rows, each of another product. A field that a row does not tell stays as it was. What is not taken at
    /// `until` has to come again.
    pub async fn import(&self, wanted: &Wanted, rows: &[Listing], until: Timestamp) -> Imported {
        let mut imported = Imported::default();
        for rows in rows.chunks(CATALOGUE_READ_MAX) {
            let products: Vec<String> = rows.iter().map(|row| row.product.id.to_string()).collect();
            let loaded = match self.clock.now() < until {
                true => self.catalogue.load(&products).await,
                false => Err(Fault::Retryable { what: "importing", why: "there was no time left for this row".into() }),
            };
            let mut loaded = match loaded {
                Ok(loaded) => loaded,
                Err(fault) => {
                    imported.outcomes.extend(rows.iter().map(|_| RowOutcome::Failed(fault.clone())));
                    continue;
                }
            };
            let written = rows.iter().map(|row| {
                let known = loaded.remove(row.product.id.as_str());
                async move {
                    match known.transpose() {
                        Ok(known) => self.write(wanted, row, known).await,
                        Err(fault) => (RowOutcome::Failed(fault), false),
                    }
                }
            });
            let mut written = stream::iter(written.collect::<Vec<_>>()).buffered(CATALOGUE_LANES_MAX);
            for product in products {
                let Some((outcome, has_to_tell)) = written.next().await else { break };
                imported.outcomes.push(outcome);
                imported.announcing.extend(has_to_tell.then_some(product));
            }
        }
        imported
    }

    /// Merges one row into its entry; tells whether there is something to tell then.
    async fn write(&self, wanted: &Wanted, row: &Listing, mut known: Option<Entry>) -> (RowOutcome, bool) {
        for _ in 0..CATALOGUE_WRITE_ROUNDS_MAX {
            let has_to_tell = |entry: &Entry| !entry.announcements.is_empty();
            let next = match plan(known.as_ref(), row, wanted, self.clock.now()) {
                Planned::Refused(refusal) => {
                    return (RowOutcome::Refused(refusal), known.as_ref().is_some_and(has_to_tell));
                }
                Planned::Unchanged => return (RowOutcome::Unchanged, known.as_ref().is_some_and(has_to_tell)),
                Planned::Write(next) => *next,
            };
            match self.catalogue.save(&next, known.as_ref().map(|known| known.revision)).await {
                Ok(Saved::Written) => {
                    let outcome = if known.is_some() { RowOutcome::Updated } else { RowOutcome::Created };
                    return (outcome, has_to_tell(&next));
                }
                Ok(Saved::Overtaken) => match self.entry(&row.product.id).await {
                    Ok(there) => known = there,
                    Err(fault) => return (RowOutcome::Failed(fault), false),
                },
                Err(fault) => return (RowOutcome::Failed(fault), false),
            }
        }
        let why = "somebody else goes on changing this product".into();
        (RowOutcome::Failed(Fault::Retryable { what: "importing", why }), false)
    }

    async fn entry(&self, product: &str) -> Result<Option<Entry>, Fault> {
        let product = [product.to_owned()];
        self.catalogue.load(&product).await?.remove(&product[0]).transpose()
    }

    /// Tells the changes of these products that wait to be told, as far as there is time.
    pub async fn announce(&self, products: Vec<String>, until: Timestamp) -> Announced {
        let each = products.into_iter().map(|product| async move {
            let mut announced = Announced::default();
            match self.announce_product(&product, until, &mut announced.told).await {
                Ok(true) => announced.finished = 1,
                Ok(false) => announced.left = 1,
                Err(fault) => announced.faults.push((product, fault)),
            }
            announced
        });
        let mut each = stream::iter(each).buffer_unordered(CATALOGUE_LANES_MAX);
        let mut announced = Announced::default();
        while let Some(one) = each.next().await {
            announced.add(one);
        }
        announced
    }

    /// Tells what an earlier call has left.
    pub async fn resume(&self, until: Timestamp) -> Announced {
        let mut announced = Announced::default();
        for shard in 0..ANNOUNCE_SHARDS {
            match self.catalogue.waiting(shard, ANNOUNCED_PER_SHARD_MAX).await {
                Ok(products) => announced.add(self.announce(products, until).await),
                Err(fault) => announced.faults.push((format!("shard {shard}"), fault)),
            }
        }
        announced
    }

    /// Whether everything is told.
    async fn announce_product(&self, product: &str, until: Timestamp, told: &mut usize) -> Result<bool, Fault> {
        // Each round tells one announcement to its end; more can hardly be added than there is time for.
        while let Some(entry) = self.entry(product).await?.filter(|entry| !entry.announcements.is_empty()) {
            if !self.tell(entry, until, told).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells the oldest announcement of an entry; whether there was the time.
    async fn tell(&self, mut entry: Entry, until: Timestamp, told: &mut usize) -> Result<bool, Fault> {
        let announcement = entry.announcements[0].clone();
        let mut cursor = announcement.cursor;
        while cursor.shard < INTEREST_SHARDS {
            if self.clock.now() >= until {
                return Ok(false);
            }
            let product = &announcement.product.id;
            let users = self.interests.interested(product, cursor.shard, cursor.after, INTEREST_PAGE_MAX).await?;
            if !users.is_empty() {
                let messages: Vec<_> = users.iter().map(|user| announcement.message_to(*user)).collect();
                self.mailboxes.send(&messages).await?;
                *told += messages.len();
            }
            if users.len() < INTEREST_PAGE_MAX {
                cursor = Cursor { shard: cursor.shard + 1, after: None };
                continue;
            }
            cursor.after = users.last().copied();
            // So that a large audience is gone through once, whoever goes on.
            match self.note(entry, &announcement, Some(cursor)).await? {
                Some(noted) => entry = noted,
                None => return Ok(true),
            }
        }
        self.note(entry, &announcement, None).await.map(|_| true)
    }

    /// Writes how far an announcement has been told (`None`: to its end), into the entry as it is by now. Gives the
    /// entry, or nothing when somebody else has told the announcement to its end.
    async fn note(
        &self,
        mut entry: Entry,
        announcement: &Announcement,
        cursor: Option<Cursor>,
    ) -> Result<Option<Entry>, Fault> {
        for _ in 0..CATALOGUE_WRITE_ROUNDS_MAX {
            let Some(next) = entry.noted(announcement, cursor) else { return Ok(None) };
            match self.catalogue.save(&next, Some(entry.revision)).await? {
                Saved::Written => return Ok(Some(next)),
                Saved::Overtaken => match self.entry(&announcement.product.id).await? {
                    Some(there) => entry = there,
                    None => return Ok(None),
                },
            }
        }
        let why = "somebody else goes on changing this product".into();
        Err(Fault::Retryable { what: "noting how far a change is told", why })
    }
}
