//! The published playbook: one item per version, and one that points to the version in force.
//!
//! | item | attributes |
//! |---|---|
//! | `current` | `version`; `program_since`: since when what is watched has not changed; `published_at`; `history`: JSON, the newest publications, oldest first, this one the last |
//! | `version#HASH` | `playbook`: JSON; the same for ever but for what its newest publication fills in |
//! | `outline` | `outline`: JSON, the playbook in force without what its messages say ([`Playbook::outline`]); `published_at`: of which publication it is. What starts reads it with the pointer, in one call |
//! | `message#HASH#NAME` | `message`: JSON, one message of a version, for who has the outline |
//! | `check#HASH` | `warnings`: JSON, what was doubtful when the version was last published from its files |
//! | `backfill` | see [`crate::backfills`] |
//!
//! An earlier Kairos has published versions alone: where there is no outline or no message, the version is read.

mod before;
mod cache;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use kairos_engine::bounds::{
    MESSAGES_PUBLISHED_AT_ONCE, PLAYBOOK_REFRESH, PLAYBOOK_VERSIONS_KEPT_MAX, PUBLICATIONS_KEPT_MAX, WARNING_BYTES_MAX,
    WARNINGS_KEPT_MAX,
};
use kairos_engine::playbook::{Message, Playbook, PlaybookVersion};
use kairos_engine::product::shortened;
use kairos_engine::program::Program;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::{Clock, Fault};
use serde::{Deserialize, Serialize};

use crate::clock::SystemClock;
use crate::faults::fault;
use crate::items::{self, BatchRead, Condition, Item, PutOutcome, put_if, read_batch, text_in};

use before::Before;
use cache::{Cache, Part, PointerAndOutline, Published};

const CURRENT: &str = "current";
const OUTLINE: &str = "outline";

/// Reads and publishes playbooks.
#[derive(Debug)]
pub struct PlaybookStore {
    client: Client,
    table: String,
    cache: Mutex<Cache>,
    /// Held while a message is read: a batch asks for the same one many times.
    reading: tokio::sync::Mutex<()>,
}

/// What the pointer says of the playbook in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Which.
    pub version: PlaybookVersion,
    /// By which one publication is told from another of the same version.
    pub published_at: String,
    /// Since when playbooks that watch the same have been in force without a break; unknown of one that an earlier
    /// Kairos has published.
    pub program_since: Option<Timestamp>,
}

/// A publication that was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastPublication {
    /// Which version.
    pub version: PlaybookVersion,
    /// When, and by which it is told from others ([`InForce::published_at`]).
    pub published_at: String,
    /// Whether it put an earlier version in force again.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub rolled_back: bool,
}

/// What a publication means for users who were there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Whether something else is watched than before, so that they are brought up to date.
    pub watches_anew: bool,
    /// Registers that have seen nothing yet.
    pub watched_from_now: usize,
}

impl PlaybookStore {
    /// The store in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, cache: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// The playbook in force, ready to run: [`Self::outline`], made to run once for each version. While a newer
    /// one cannot run, the one known stays in force.
    ///
    /// # Errors
    /// When none is published, or none is known and DynamoDB fails or the playbook cannot run.
    pub async fn current(&self) -> Result<Arc<Program>, Fault> {
        let Published { playbook, published_at } = self.published(Part::Outline).await?;
        let known = self.cached(|cache| cache.program.clone());
        if let Some((tried, program)) = &known
            && *tried == published_at
        {
            return Ok(Arc::clone(program));
        }
        let program = match (runnable(&playbook), known) {
            (Ok(program), _) => Arc::new(program),
            (Err(error), Some((_, program))) => {
                tracing::error!(%error, "the playbook published cannot run; the one known stays in force");
                program
            }
            (Err(error), None) => return Err(error),
        };
        self.cached(|cache| cache.program = Some((published_at, Arc::clone(&program))));
        Ok(program)
    }

    /// The playbook in force as it was published, asked for every [`PLAYBOOK_REFRESH`]. When it cannot be asked for
    /// anew, the one known stays in force until the next time.
    ///
    /// # Errors
    /// When none is published, or none is known and DynamoDB fails.
    pub async fn in_force(&self) -> Result<Arc<Playbook>, Fault> {
        Ok(self.published(Part::Whole).await?.playbook)
    }

    /// The same without what its messages say ([`Playbook::outline`]): for all who do not send them. (One that an earlier
    /// Kairos has published comes with it.)
    ///
    /// # Errors
    /// As [`Self::in_force`] has them.
    pub async fn outline(&self) -> Result<Arc<Playbook>, Fault> {
        Ok(self.published(Part::Outline).await?.playbook)
    }

    /// Asks for the playbook in force, so that a connection stands and [`Self::outline`] need not ask when it is first
    /// needed. Should it not answer, who needs the playbook hears of it.
    pub async fn fetch(&self) {
        if let Ok(fetched) = self.pointer_and_outline().await {
            self.cached(|cache| cache.fetched = Some((SystemClock.now(), fetched)));
        }
    }

    /// The playbook of this version with what this message says; others may say nothing.
    ///
    /// # Errors
    /// As [`Self::version`] has them.
    pub async fn with_message(&self, version: &PlaybookVersion, message: &str) -> Result<Arc<Playbook>, Fault> {
        let known = || self.cached(|cache| cache.with_message(version, message));
        if let Some(known) = known() {
            return Ok(known);
        }
        let _reading = self.reading.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        let outline = self.cached(|cache| cache.outline.as_ref().map(|(_, known)| Arc::clone(&known.playbook)));
        let outline = match outline.filter(|known| known.version == *version) {
            Some(outline) => outline,
            None => self.outline().await?,
        };
        // As an earlier Kairos has published it, it was read whole.
        if let Some(known) = known() {
            return Ok(known);
        }
        if outline.version != *version {
            return self.read_version(version).await;
        }
        let Some(item) = self.get(format!("message#{version}#{message}")).await? else {
            return self.read_version(version).await;
        };
        let read: Message =
            serde_json::from_str(&text(&item, "message")?).map_err(|error| not_understood(version, &error))?;
        Ok(self.cached(|cache| {
            let (mut playbook, mut messages) = match cache.filled.take() {
                Some((playbook, messages)) if playbook.version == *version => (playbook, messages),
                _ => (outline, BTreeSet::new()),
            };
            Arc::make_mut(&mut playbook).messages.insert(message.to_owned(), read);
            messages.insert(message.to_owned());
            cache.filled = Some((Arc::clone(&playbook), messages));
            playbook
        }))
    }

    async fn published(&self, part: Part) -> Result<Published, Fault> {
        let now = SystemClock.now();
        let known = self.cached(|cache| cache.known(part).clone());
        if let Some((asked_at, published)) = &known
            && now.since(*asked_at) < PLAYBOOK_REFRESH
        {
            return Ok(published.clone());
        }
        let known = known.map(|(_, published)| published);
        let published = match (self.read_current(part, known.as_ref()).await, known) {
            (Ok(published), _) => published,
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "the playbook could not be asked for anew; the one known stays in force");
                known
            }
            (Err(error), None) => return Err(error),
        };
        self.cached(|cache| *cache.known(part) = Some((now, published.clone())));
        Ok(published)
    }

    async fn read_current(&self, part: Part, known: Option<&Published>) -> Result<Published, Fault> {
        let (pointer, outline) = match (part, known) {
            (Part::Outline, None) => match self.cached(|cache| cache.fetched.take()) {
                Some((at, fetched)) if SystemClock.now().since(at) < PLAYBOOK_REFRESH => fetched,
                _ => self.pointer_and_outline().await?,
            },
            _ => (self.get(CURRENT.to_owned()).await?, None),
        };
        let pointer = pointer.as_ref().map(in_force).transpose()?;
        let InForce { version, published_at, .. } = pointer.ok_or_else(|| Fault::Permanent {
            what: "reading the playbook",
            why: "none is published yet: run `kairos publish`".into(),
        })?;
        if let Some(known) = known.filter(|known| known.published_at == published_at) {
            return Ok(known.clone());
        }
        let outline = match (part, known) {
            (Part::Outline, Some(_)) => self.get(OUTLINE.to_owned()).await?,
            _ => outline,
        };
        let outline = outline.as_ref().and_then(|outline| outline_in(outline, &published_at));
        let playbook = match outline {
            Some(outline) => Arc::new(outline),
            // A version that is put in force again says anew what was before it.
            None => self.read_version(&version).await?,
        };
        Ok(Published { playbook, published_at })
    }

    /// Both in one call.
    async fn pointer_and_outline(&self) -> Result<PointerAndOutline, Fault> {
        const WHAT: &str = "PlaybookTable BatchGetItem";
        let keys = [CURRENT, OUTLINE].map(|name| Item::from([("name".to_owned(), items::text(name))]));
        let BatchRead { items, unread } = read_batch(&self.client, &self.table, keys.into(), WHAT).await?;
        if !unread.is_empty() {
            return Err(items::left_unprocessed(WHAT));
        }
        let (mut pointer, mut outline) = (None, None);
        for item in items {
            match text_in(&item, "name") {
                Some(CURRENT) => pointer = Some(item),
                Some(OUTLINE) => outline = Some(item),
                _ => {}
            }
        }
        Ok((pointer, outline))
    }

    /// What the pointer says, read anew; none when no playbook is published.
    ///
    /// # Errors
    /// When DynamoDB fails or the pointer is damaged.
    pub async fn pointer(&self) -> Result<Option<InForce>, Fault> {
        self.get(CURRENT.to_owned()).await?.as_ref().map(in_force).transpose()
    }

    /// The playbook of this version.
    ///
    /// # Errors
    /// When there is no such version, or it cannot be read.
    pub async fn version(&self, version: &PlaybookVersion) -> Result<Arc<Playbook>, Fault> {
        if let Some(known) = self.cached(|cache| cache.versions.iter().find(|known| known.version == *version).cloned())
        {
            return Ok(known);
        }
        self.read_version(version).await
    }

    async fn read_version(&self, version: &PlaybookVersion) -> Result<Arc<Playbook>, Fault> {
        let (playbook, _) = self.version_item(version).await?;
        let playbook = Arc::new(playbook);
        self.cached(|cache| {
            cache.versions.retain(|known| known.version != *version);
            if cache.versions.len() == PLAYBOOK_VERSIONS_KEPT_MAX {
                cache.versions.remove(0);
            }
            cache.versions.push(Arc::clone(&playbook));
        });
        Ok(playbook)
    }

    /// Writes a compiled playbook and puts it in force. What it watches that the one before did not is noted as
    /// watched since now.
    ///
    /// # Errors
    /// When it cannot run, when DynamoDB fails, or when somebody else publishes at the same time; the playbook in
    /// force then stays so.
    pub async fn publish(&self, playbook: &Playbook) -> Result<Publication, Fault> {
        let pointer = self.get(CURRENT.to_owned()).await?;
        self.put_in_force(playbook, pointer, false).await
    }

    /// Publishes a playbook, and keeps with its version what was doubtful in its files, as far as there is room.
    ///
    /// # Errors
    /// As [`Self::publish`] has them.
    pub async fn publish_checked(&self, playbook: &Playbook, warnings: &[String]) -> Result<Publication, Fault> {
        let kept = warnings.iter().take(WARNINGS_KEPT_MAX).map(|warning| shortened(warning, WARNING_BYTES_MAX));
        let kept = serde_json::to_string(&kept.collect::<Vec<_>>()).map_err(unwritable)?;
        self.put(format!("check#{}", playbook.version), [("warnings", kept)]).await?;
        self.publish(playbook).await
    }

    /// Puts a version in force again that was published before, the same way as a new one. `in_force` is the publication
    /// that is to be replaced ([`InForce::published_at`]): what somebody else has put in force meanwhile stays so.
    ///
    /// # Errors
    /// As [`Self::publish`] has them, and when there is no such version or it cannot be understood any more.
    pub async fn roll_back(&self, version: &PlaybookVersion, in_force: &str) -> Result<Publication, Fault> {
        let pointer = self.get(CURRENT.to_owned()).await?;
        if pointer.as_ref().and_then(|pointer| text_in(pointer, "published_at")) != Some(in_force) {
            return Err(overtaken());
        }
        let playbook = self.version(version).await?;
        self.put_in_force(&playbook, pointer, true).await
    }

    /// The newest publications, the newest first; the first is in force.
    ///
    /// # Errors
    /// When DynamoDB fails or the pointer is damaged.
    pub async fn history(&self) -> Result<Vec<PastPublication>, Fault> {
        let Some(pointer) = self.get(CURRENT.to_owned()).await? else { return Ok(Vec::new()) };
        let mut history = history_in(&pointer)?;
        history.reverse();
        Ok(history)
    }

    /// What was doubtful in the files of a version when it was last published from them; nothing is known of one that was
    /// published by an earlier Kairos.
    ///
    /// # Errors
    /// When DynamoDB fails or the item is damaged.
    pub async fn warnings(&self, version: &PlaybookVersion) -> Result<Option<Vec<String>>, Fault> {
        let Some(item) = self.get(format!("check#{version}")).await? else { return Ok(None) };
        serde_json::from_str(&text(&item, "warnings")?).map(Some).map_err(unreadable)
    }

    async fn put_in_force(
        &self,
        playbook: &Playbook,
        pointer: Option<Item>,
        rolled_back: bool,
    ) -> Result<Publication, Fault> {
        let program = runnable(playbook)?;
        let now = SystemClock.now();
        let (before, mut history) = match &pointer {
            None => (Before::Nothing, Vec::new()),
            Some(pointer) => (self.before(in_force(pointer)?).await?, history_in(pointer)?),
        };
        let watched_since = before.watched_since(program.registers(), now);
        let retired_segments = before.retired_segments(playbook);
        let program_since = before.program_since(&program, now);
        let publication = Publication {
            watches_anew: !matches!(before, Before::Nothing) && program_since == now,
            watched_from_now: watched_since.values().filter(|since| **since == now).count(),
        };
        let published = Playbook { watched_since, retired_segments, ..playbook.clone() };
        let body = serde_json::to_string(&published).map_err(unwritable)?;
        let (version, published_at) = (playbook.version.to_string(), now.to_string());
        history.push(PastPublication {
            version: playbook.version.clone(),
            published_at: published_at.clone(),
            rolled_back,
        });
        history.drain(..history.len().saturating_sub(PUBLICATIONS_KEPT_MAX));
        let history = serde_json::to_string(&history).map_err(unwritable)?;
        let item = [("playbook", body), ("published_at", published_at.clone())];
        self.put(format!("version#{version}"), item).await?;
        self.put_messages(&published).await?;
        let outline = serde_json::to_string(&published.outline()).map_err(unwritable)?;
        self.put(OUTLINE.to_owned(), [("outline", outline), ("published_at", published_at.clone())]).await?;
        let item = [
            ("version", version),
            ("program_since", program_since.to_string()),
            ("published_at", published_at),
            ("history", history),
        ];
        self.point(item, pointer.as_ref()).await?;
        Ok(publication)
    }

    /// Writes each message of a playbook by itself.
    async fn put_messages(&self, playbook: &Playbook) -> Result<(), Fault> {
        let items = playbook.messages.iter().map(|(name, message)| {
            let body = serde_json::to_string(message).map_err(unwritable)?;
            Ok((format!("message#{}#{name}", playbook.version), [("message", body)]))
        });
        let items = items.collect::<Result<Vec<_>, Fault>>()?;
        let puts = stream::iter(items).map(|(name, attributes)| self.put(name, attributes));
        puts.buffer_unordered(MESSAGES_PUBLISHED_AT_ONCE).try_collect().await
    }

    /// Notes that users' registers know what was since then, because the archive has told it; from the beginning, when
    /// it is `None`. `registers` are their keys ([`kairos_engine::register::Register::watch_key`]). What is known from earlier on stays so.
    ///
    /// # Errors
    /// When DynamoDB fails, or the playbook has been published anew meanwhile.
    pub async fn note_recollected(
        &self,
        version: &PlaybookVersion,
        registers: &[String],
        since: Option<Timestamp>,
    ) -> Result<(), Fault> {
        let (mut playbook, read) = self.version_item(version).await?;
        for register in registers {
            match (playbook.watched_since.get(register), since) {
                (Some(known), Some(since)) if since < *known => {
                    playbook.watched_since.insert(register.clone(), since);
                }
                (Some(_), None) => drop(playbook.watched_since.remove(register)),
                _ => {}
            }
        }
        let body = serde_json::to_string(&playbook).map_err(unwritable)?;
        let published_at = text(&read, "published_at")?;
        let outline = serde_json::to_string(&playbook.outline()).map_err(unwritable)?;
        let condition = || Condition::Equal("published_at", items::text(&published_at));
        let new = item(format!("version#{version}"), [("playbook", body), ("published_at", published_at.clone())]);
        match put_if(&self.client, &self.table, new, condition(), "PlaybookTable PutItem").await? {
            PutOutcome::Written | PutOutcome::Same => {}
            PutOutcome::Conflict(_) => return Err(overtaken()),
        }
        // There is none of a version that is not in force, or that an earlier Kairos has published.
        let new = item(OUTLINE.to_owned(), [("outline", outline), ("published_at", published_at.clone())]);
        put_if(&self.client, &self.table, new, condition(), "PlaybookTable PutItem").await.map(drop)
    }

    /// The playbook before. One that cannot be read any more tells nothing.
    async fn before(&self, in_force: InForce) -> Result<Before, Fault> {
        let program = match self.version(&in_force.version).await {
            Ok(playbook) => runnable(&playbook),
            Err(fault) => Err(fault),
        };
        match program {
            Ok(program) => Ok(Before::Known { program: Box::new(program), since: in_force.program_since }),
            Err(Fault::Permanent { .. }) => Ok(Before::Unreadable),
            Err(fault) => Err(fault),
        }
    }

    /// A version as it stands in the table, and its item.
    async fn version_item(&self, version: &PlaybookVersion) -> Result<(Playbook, Item), Fault> {
        let item = self.get(format!("version#{version}")).await?.ok_or_else(|| Fault::Permanent {
            what: "reading the playbook",
            why: format!("version {version} is not in the table: publish that playbook again"),
        })?;
        let playbook =
            Playbook::from_json(&text(&item, "playbook")?).map_err(|error| not_understood(version, &error))?;
        Ok((playbook, item))
    }

    async fn get(&self, name: String) -> Result<Option<Item>, Fault> {
        // Consistent, so that whoever sees a new pointer also sees the version that it points to.
        let request =
            self.client.get_item().table_name(&self.table).key("name", items::text(name)).consistent_read(true);
        request.send().await.map(|answer| answer.item).map_err(|error| fault("PlaybookTable GetItem", &error))
    }

    async fn put<const N: usize>(&self, name: String, attributes: [(&str, String); N]) -> Result<(), Fault> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item(name, attributes)));
        request.send().await.map(drop).map_err(|error| fault("PlaybookTable PutItem", &error))
    }

    /// Moves the pointer, if it is still as it was read.
    async fn point<const N: usize>(&self, attributes: [(&str, String); N], read: Option<&Item>) -> Result<(), Fault> {
        let condition = match read.and_then(|read| read.get("published_at")) {
            None => Condition::Absent("published_at"),
            Some(read) => Condition::Equal("published_at", read.clone()),
        };
        let new = item(CURRENT.to_owned(), attributes);
        match put_if(&self.client, &self.table, new, condition, "PlaybookTable PutItem").await? {
            PutOutcome::Written | PutOutcome::Same => Ok(()),
            PutOutcome::Conflict(_) => Err(overtaken()),
        }
    }

    fn cached<T>(&self, work: impl FnOnce(&mut Cache) -> T) -> T {
        // A cache is sound whatever a panicking thread left in it.
        work(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes a playbook ready to run.
///
/// # Errors
/// When it cannot run, with what to do.
pub fn runnable(playbook: &Playbook) -> Result<Program, Fault> {
    Program::new(playbook.clone()).map_err(|error| Fault::Permanent {
        what: "running the playbook",
        why: format!("version {} cannot run ({error}): check it and publish it again", playbook.version),
    })
}

/// The outline, when it is of this publication and can be understood.
fn outline_in(item: &Item, published_at: &str) -> Option<Playbook> {
    let outline = text_in(item, "outline").filter(|_| text_in(item, "published_at") == Some(published_at))?;
    Playbook::from_json(outline)
        .inspect_err(|error| tracing::warn!(%error, "the playbook's outline cannot be understood: it is read whole"))
        .ok()
}

fn not_understood(version: &PlaybookVersion, error: &serde_json::Error) -> Fault {
    let why = format!("version {version} cannot be understood ({error}): publish it again with this version of Kairos");
    Fault::Permanent { what: "reading the playbook", why }
}

fn in_force(pointer: &Item) -> Result<InForce, Fault> {
    let version = PlaybookVersion(text(pointer, "version")?);
    let program_since = match pointer.contains_key("program_since") {
        true => Timestamp::parse(&text(pointer, "program_since")?),
        false => None,
    };
    Ok(InForce { version, published_at: text(pointer, "published_at")?, program_since })
}

/// The publications that the pointer tells of, oldest first. One that an earlier Kairos has written tells of its own alone.
fn history_in(pointer: &Item) -> Result<Vec<PastPublication>, Fault> {
    match text_in(pointer, "history") {
        Some(history) => serde_json::from_str(history).map_err(unreadable),
        None => {
            let InForce { version, published_at, .. } = in_force(pointer)?;
            Ok(vec![PastPublication { version, published_at, rolled_back: false }])
        }
    }
}

fn overtaken() -> Fault {
    Fault::Permanent {
        what: "publishing the playbook",
        why: "somebody else has just published one: look what is in force, and publish again".into(),
    }
}

fn unwritable(error: serde_json::Error) -> Fault {
    Fault::Permanent { what: "writing the playbook", why: error.to_string() }
}

fn unreadable(error: serde_json::Error) -> Fault {
    let why = format!("what is noted of publications cannot be understood ({error}): publish the playbook again");
    Fault::Permanent { what: "reading the playbook", why }
}

fn item<const N: usize>(name: String, attributes: [(&str, String); N]) -> Item {
    let attributes = attributes.map(|(name, value)| (name.to_owned(), items::text(value)));
    let mut item = Item::from(attributes);
    item.insert("name".into(), items::text(name));
    item
}

fn text(item: &Item, name: &str) -> Result<String, Fault> {
    text_in(item, name).map(str::to_owned).ok_or_else(|| Fault::Permanent {
        what: "reading the playbook",
        why: format!("the item has no `{name}`: publish the playbook again"),
    })
}

#[cfg(test)]
mod tests;
