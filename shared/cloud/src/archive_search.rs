//! What people look up in the archive: the newest messages, and what happened to a user on a day.
//!
//! Objects are named by time, so that whoever walks them backwards finds what is newest first; nothing else is an index.
//! A walk ends when enough is found, or when so much was read ([`ARCHIVE_SEARCH_BYTES_MAX`]); then it says where to go on.

use aws_sdk_s3::types::CommonPrefix;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use kairos_engine::bounds::{
    ARCHIVE_HOUR_PAGES_MAX, ARCHIVE_SEARCH_BYTES_MAX, ARCHIVE_SEARCH_LANES, ARCHIVE_SEARCH_OBJECTS_MAX,
    ARCHIVE_SEARCH_ROWS_MAX,
};
use kairos_engine::facts::{Decision, Fact, Row};
use kairos_engine::identifiers::UserKey;
use kairos_protocol::port::Fault;

use crate::archive::ArchiveBucket;
use crate::faults::fault;

/// Where all facts are.
const FACTS: &str = "facts/";

/// What a walk has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walk<T> {
    /// What was found, the newest object's first.
    pub found: Vec<T>,
    /// Objects that were read.
    pub objects: usize,
    /// Rows that could not be read: a newer version of Kairos has written them, or they are damaged.
    pub unreadable: usize,
    /// Where to go on: the name of the last object that was read; none when there are no older ones.
    pub next: Option<String>,
}

impl ArchiveBucket {
    /// Decisions of the newest objects that stand before `before` (all without it), at least `enough` of them if there
    /// are as many.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn decisions_before(
        &self,
        before: Option<&str>,
        enough: usize,
        wanted: impl Fn(&Decision) -> bool,
    ) -> Result<Walk<(UserKey, Decision)>, Fault> {
        let is_decision = |line: &str| line.contains("\"fact\":\"decision\"");
        let take = |row: Row| match row.fact {
            Fact::Decision(decision) if wanted(&decision) => Some((row.user, *decision)),
            _ => None,
        };
        self.walk(FACTS, before, enough, is_decision, take).await
    }

    /// What happened to a user on a day (`2026-11-22`, UTC, by the time of the commits), the latest first, before
    /// `before` if it is given.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn day_of(&self, user: UserKey, day: &str, before: Option<&str>) -> Result<Walk<Row>, Fault> {
        let whose = format!("\"user\":\"{user}\"");
        let is_theirs = |line: &str| line.contains(&whose);
        let take = |row: Row| (row.user == user).then_some(row);
        self.walk(&format!("{FACTS}day={day}/"), before, ARCHIVE_SEARCH_ROWS_MAX, is_theirs, take).await
    }

    /// The name of the newest object of facts, and when it was written, in seconds since 1970; none when there is none.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn newest(&self) -> Result<Option<(String, i64)>, Fault> {
        for day in self.parts(FACTS).await?.into_iter().rev() {
            for hour in self.parts(&day).await?.into_iter().rev() {
                if let Some(newest) = self.objects_of(&hour).await?.pop() {
                    return Ok(Some(newest));
                }
            }
        }
        Ok(None)
    }

    /// Walks the objects below a prefix backwards.
    async fn walk<T>(
        &self,
        prefix: &str,
        before: Option<&str>,
        enough: usize,
        is_worth_reading: impl Fn(&str) -> bool,
        take: impl Fn(Row) -> Option<T>,
    ) -> Result<Walk<T>, Fault> {
        // What begins like the place to stop at may have older things in it.
        let is_before = |name: &str| before.is_none_or(|before| name < before || before.starts_with(name));
        let (mut walk, mut bytes) = (Walk { found: Vec::new(), objects: 0, unreadable: 0, next: None }, 0);
        let mut hours = match prefix {
            FACTS => {
                let days = self.parts(FACTS).await?;
                days.into_iter().filter(|day| is_before(day)).collect()
            }
            day => vec![day.to_owned()],
        };
        // A day stands for its hours until its turn comes.
        while let Some(part) = hours.pop() {
            if !part.contains("/hour=") {
                hours.extend(self.parts(&part).await?.into_iter().filter(|hour| is_before(hour)));
                continue;
            }
            let objects = self.objects_of(&part).await?;
            let mut names: Vec<String> = objects.into_iter().map(|(name, _)| name).collect();
            names.retain(|name| before.is_none_or(|before| name.as_str() < before));
            while !names.is_empty() {
                let lane = names.split_off(names.len().saturating_sub(ARCHIVE_SEARCH_LANES));
                let read = stream::iter(lane.iter().rev()).map(|name| self.read(name)).buffered(ARCHIVE_SEARCH_LANES);
                for object in read.try_collect::<Vec<_>>().await? {
                    walk.objects += 1;
                    bytes += object.rows.len();
                    let mut rows = Vec::new();
                    for line in object.rows.lines().filter(|line| is_worth_reading(line)) {
                        match serde_json::from_str::<Row>(line) {
                            Ok(row) => rows.extend(take(row)),
                            Err(_) => walk.unreadable += 1,
                        }
                    }
                    walk.found.extend(rows.into_iter().rev());
                    walk.next = Some(object.name);
                }
                let is_enough = walk.found.len() >= enough;
                if is_enough || bytes >= ARCHIVE_SEARCH_BYTES_MAX || walk.objects >= ARCHIVE_SEARCH_OBJECTS_MAX {
                    return Ok(walk);
                }
            }
        }
        Ok(Walk { next: None, ..walk })
    }

    /// What follows a prefix, to the next `/`: days, or the hours of a day.
    async fn parts(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut parts: Vec<String> = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault("ArchiveBucket ListObjectsV2", &error))?;
            let found = page.common_prefixes.unwrap_or_default();
            parts.extend(found.into_iter().filter_map(|CommonPrefix { prefix, .. }| prefix));
        }
        parts.sort_unstable();
        Ok(parts)
    }

    /// The objects of an hour in their order, with when they were written.
    async fn objects_of(&self, hour: &str) -> Result<Vec<(String, i64)>, Fault> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(hour);
        let mut pages = request.into_paginator().send();
        let mut objects = Vec::new();
        for _ in 0..ARCHIVE_HOUR_PAGES_MAX {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(|error| fault("ArchiveBucket ListObjectsV2", &error))?;
            let found = page.contents.unwrap_or_default().into_iter();
            objects.extend(found.filter_map(|object| {
                let written_at = object.last_modified.map_or(0, |at| at.secs());
                Some((object.key?, written_at))
            }));
        }
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fmt::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use kairos_engine::facts::row;
    use kairos_engine::outcome::{OutcomeRecord, PlayOutcome};
    use kairos_engine::playbook::PlaybookVersion;
    use kairos_engine::time::Timestamp;

    use crate::stand_in::{Answer, Call, config};

    /// A bucket with these objects of rows.
    fn bucket(objects: BTreeMap<&'static str, String>) -> ArchiveBucket {
        let answer = move |call: &Call| -> Answer {
            let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
            if !query.contains("list-type=2") {
                let name = path.trim_start_matches("/bucket/").replace("%3D", "=");
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                std::io::Write::write_all(&mut packed, objects[name.as_str()].as_bytes()).unwrap();
                return Answer(packed.finish().unwrap());
            }
            let query = query.replace("%2F", "/").replace("%3D", "=");
            let prefix = query.split('&').find_map(|part| part.strip_prefix("prefix=")).unwrap_or_default();
            let mut xml = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
            let mut seen = std::collections::BTreeSet::new();
            for name in objects.keys().filter(|name| name.starts_with(prefix)) {
                match name[prefix.len()..].split_once('/').filter(|_| query.contains("delimiter")) {
                    Some((part, _)) => drop(seen.insert(format!("{prefix}{part}/"))),
                    None => {
                        let at = "2026-11-22T13:00:00.000Z";
                        write!(xml, "<Contents><Key>{name}</Key><LastModified>{at}</LastModified></Contents>").unwrap();
                    }
                }
            }
            for part in seen {
                write!(xml, "<CommonPrefixes><Prefix>{part}</Prefix></CommonPrefixes>").unwrap();
            }
            Answer(format!("{xml}</ListBucketResult>").into_bytes())
        };
        ArchiveBucket::new(&config(answer), "bucket".into())
    }

    /// The row of a message, or of a wait, that was decided by a play.
    fn decided(user: &str, revision: u64, play: &str) -> String {
        let record = OutcomeRecord {
            at: Timestamp::from_millis(revision as i64),
            play: play.into(),
            outcome: PlayOutcome::Finished,
        };
        let fact = Fact::Decision(Box::new(Decision::of(&record, &PlaybookVersion("v1".into()))));
        row(UserKey::known(user), revision, 0, &serde_json::to_string(&fact).unwrap()).unwrap() + "\n"
    }

    fn archive() -> ArchiveBucket {
        bucket(BTreeMap::from([
            ("facts/day=2026-11-20/hour=09/1.ndjson.gz", decided("ann", 1, "first")),
            ("facts/day=2026-11-22/hour=12/2.ndjson.gz", decided("ann", 2, "second") + &decided("bob", 3, "third")),
            ("facts/day=2026-11-22/hour=13/4.ndjson.gz", decided("bob", 4, "fourth") + "{\"fact\":\"decision\"}\n"),
            ("facts/day=2026-11-22/hour=13/5.ndjson.gz", decided("ann", 5, "fifth")),
            ("reports/latest.json", String::new()),
        ]))
    }

    fn plays(walk: &Walk<(UserKey, Decision)>) -> Vec<&str> {
        walk.found.iter().map(|(_, decision)| decision.play.as_str()).collect()
    }

    #[tokio::test]
    async fn the_newest_come_first_and_a_page_says_where_the_next_one_begins() {
        let archive = archive();
        let all = archive.decisions_before(None, 100, |_| true).await.unwrap();
        assert_eq!(plays(&all), ["fifth", "fourth", "third", "second", "first"]);
        assert_eq!((all.objects, all.unreadable, all.next), (4, 1, None));

        let of_ann = |decision: &Decision| ["first", "second"].contains(&decision.play.as_str());
        let some = archive.decisions_before(None, 100, of_ann).await.unwrap();
        assert_eq!(plays(&some), ["second", "first"]);

        let newest = archive.decisions_before(None, 1, |_| true).await.unwrap();
        assert_eq!(plays(&newest), ["fifth", "fourth"], "an hour's objects are read some at a time");
        let older = archive.decisions_before(newest.next.as_deref(), 1, |_| true).await.unwrap();
        assert_eq!(plays(&older), ["third", "second"]);
        let oldest = archive.decisions_before(older.next.as_deref(), 1, |_| true).await.unwrap();
        assert_eq!(plays(&oldest), ["first"]);
        let nothing = archive.decisions_before(oldest.next.as_deref(), 1, |_| true).await.unwrap();
        assert_eq!((plays(&nothing).len(), nothing.next), (0, None));
    }

    #[tokio::test]
    async fn whatever_is_said_to_be_the_place_only_facts_are_read() {
        for (before, found) in [
            ("facts/day=2026-11-22/", 1),
            ("facts/day=2026-11-22/hour=13/", 3),
            ("facts/day=2026-11-22/hour=13/5.ndjson.gz", 4),
            ("../../etc/passwd", 0),
            ("reports/latest.json", 5),
            ("", 0),
        ] {
            let walk = archive().decisions_before(Some(before), 100, |_| true).await.unwrap();
            assert_eq!(walk.found.len(), found, "{before}");
        }
    }

    #[tokio::test]
    async fn a_user_s_day_has_their_rows_alone() {
        let archive = archive();
        let day = archive.day_of(UserKey::known("ann"), "2026-11-22", None).await.unwrap();
        let revisions: Vec<u64> = day.found.iter().map(|row| row.revision).collect();
        assert_eq!((revisions, day.objects, day.next), (vec![5, 2], 3, None));
        assert_eq!(archive.day_of(UserKey::known("ann"), "2026-11-21", None).await.unwrap().objects, 0);
    }

    #[tokio::test]
    async fn the_newest_object_tells_how_far_the_archive_is() {
        let newest = archive().newest().await.unwrap();
        assert_eq!(newest, Some(("facts/day=2026-11-22/hour=13/5.ndjson.gz".to_owned(), 1_795_352_400)));
    }
}
