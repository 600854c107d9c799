//! `kairos archive`: what happened, out of the archive: to play it again, and without somebody who is to be erased.

use std::collections::BTreeSet;
use std::error::Error;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kairos_cloud::archive::ArchiveBucket;
use kairos_engine::bounds::ARCHIVE_DAYS_MAX;
use kairos_engine::facts::{Fact, Row};
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::archive::partition;
use kairos_protocol::figures::ArchivedObjects;

use super::Done;
use crate::target::{Target, TargetArguments};
use crate::terminal::{Progress, Style, line, note, thousands};

/// What to do with the archive.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Fetch the files of some days, to play them again with `kairos backtest` or `kairos why`
    Get {
        /// The first day, UTC, as in 2026-11-01
        #[arg(long)]
        from: String,
        /// The last day
        #[arg(long)]
        to: String,
        /// The folder that gets them
        #[arg(long)]
        into: PathBuf,
    },
    /// Take a person out of all files, with every visitor who turned out to be them
    Erase {
        /// Their id in the shop
        #[arg(long)]
        user_id: Option<String>,
        /// An id of theirs as a visitor
        #[arg(long)]
        anonymous_id: Vec<String>,
        /// Do it; without it, say how many rows that would be
        #[arg(long)]
        yes: bool,
    },
}

/// Does what was asked for.
///
/// # Errors
/// When the installation cannot be found or its bucket cannot be read or written.
pub async fn run(arguments: &Arguments) -> Done {
    let bucket = || async { Target::find(&arguments.target).await?.archive().await };
    match &arguments.what {
        What::Get { from, to, into } => {
            let (from, to) = (day(from)?, day(to)?);
            get(&bucket().await?, &days(from, to)?, into).await?;
        }
        What::Erase { user_id, anonymous_id, yes } => {
            let known = user_id.iter().map(|id| UserKey::known(id));
            let users: BTreeSet<UserKey> = known.chain(anonymous_id.iter().map(|id| UserKey::anonymous(id))).collect();
            if users.is_empty() {
                return Err("say whom: --user-id ID, --anonymous-id ID".into());
            }
            let erased = erase(&bucket().await?, users, *yes).await?;
            let what = format!(
                "{} rows in {} files, of {} (a person and the visitors who turned out to be them)",
                thousands(erased.rows as u64),
                thousands(erased.files as u64),
                match erased.identities {
                    1 => "1 identity".to_owned(),
                    more => format!("{more} identities"),
                },
            );
            match yes {
                true => line(Style::stdout().good(format!("Erased: {what}."))),
                false => line(format!("To erase: {what}. With --yes they are gone for good.")),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The beginning of a day.
pub(crate) fn day(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(&format!("{text}T00:00:00Z"))
        .ok_or_else(|| format!("{text:?} is no day: write one like 2026-11-01"))
}

/// Every day from one to another.
fn days(from: Timestamp, to: Timestamp) -> Result<Vec<Timestamp>, String> {
    if to < from {
        return Err("--to is before --from".to_owned());
    }
    let next = |day: &Timestamp| Some(day.plus(Span::from_hours(24)));
    let days: Vec<_> =
        iter::successors(Some(from), next).take_while(|day| *day <= to).take(ARCHIVE_DAYS_MAX + 1).collect();
    match days.len() > ARCHIVE_DAYS_MAX {
        true => Err(format!("these are more than {ARCHIVE_DAYS_MAX} days: no archive keeps so many")),
        false => Ok(days),
    }
}

async fn get(bucket: &ArchiveBucket, days: &[Timestamp], into: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut names = Vec::new();
    for day in days {
        let hour = partition(*day);
        let prefix = hour.split_once("/hour=").map_or(hour.as_str(), |(day, _)| day);
        names.extend(bucket.all_names(&format!("{prefix}/")).await?);
    }
    let progress = Progress::counted(names.len(), "files");
    tokio::fs::create_dir_all(into).await?;
    let mut rows = 0;
    for name in &names {
        let object = bucket.read(name).await?;
        rows += object.rows.lines().count();
        // One folder holds them all, in the order of time.
        let flat = name.trim_start_matches("facts/").replace('/', "_").replace(".gz", "");
        tokio::fs::write(into.join(flat), object.rows).await?;
        progress.advance(1);
    }
    drop(progress);
    note(format!("{} rows in {} files in {}", thousands(rows as u64), thousands(names.len() as u64), into.display()));
    Ok(())
}

/// What was erased, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Rows.
    pub rows: usize,
    /// Files that they were in.
    pub files: usize,
    /// Identities that they belonged to.
    pub identities: usize,
}

/// Takes the rows of users out of all files, with those of every identity that became them; or only counts them.
///
/// # Errors
/// When the bucket cannot be read or written. Doing it again goes on.
pub async fn erase(
    bucket: &ArchiveBucket,
    mut users: BTreeSet<UserKey>,
    really: bool,
) -> Result<Erased, Box<dyn Error + Send + Sync>> {
    let names = bucket.all_names("facts/").await?;
    // Somebody may have become somebody who became them: until a round finds nobody new.
    loop {
        let before = users.len();
        let progress = Progress::counted(names.len(), "files searched");
        for name in &names {
            let object = bucket.read(name).await?;
            add_identities(&object.rows, &mut users);
            progress.advance(1);
        }
        if users.len() == before {
            break;
        }
    }
    let mut erased = Erased { rows: 0, files: 0, identities: users.len() };
    let progress = Progress::counted(names.len(), "files");
    for name in &names {
        let object = bucket.read(name).await?;
        let (kept, gone) = without(&object.rows, &users);
        if gone > 0 {
            erased.rows += gone;
            erased.files += 1;
            if really {
                let erased = object.erased + gone;
                bucket.rewrite(&kairos_protocol::archive::Object { rows: kept, erased, ..object }).await?;
            }
        }
        progress.advance(1);
    }
    Ok(erased)
}

/// Adds who became one of them.
fn add_identities(rows: &str, users: &mut BTreeSet<UserKey>) {
    for row in rows.lines().filter_map(|line| serde_json::from_str::<Row>(line).ok()) {
        match row.fact {
            Fact::Merged { from, .. } if users.contains(&row.user) => drop(users.insert(from)),
            Fact::Input { input, .. } => {
                if let Input::Link { to, .. } = *input
                    && users.contains(&to)
                {
                    users.insert(row.user);
                }
            }
            _ => {}
        }
    }
}

/// The rows without those of some users, and how many those are.
fn without(rows: &str, users: &BTreeSet<UserKey>) -> (String, usize) {
    let keys: Vec<String> = users.iter().map(|user| format!("\"user\":\"{user}\"")).collect();
    let mut gone = 0;
    let mut kept = String::with_capacity(rows.len());
    for line in rows.lines() {
        // Whose a row is stands in its front.
        let front = line.get(..80).unwrap_or(line);
        if keys.iter().any(|key| front.contains(key)) {
            gone += 1;
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    (kept, gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::facts::row;

    #[test]
    fn days_are_whole_in_their_order_and_not_without_end() {
        let of = |from: &str, to: &str| days(day(from).unwrap(), day(to).unwrap()).map(|days| days.len());
        assert_eq!(of("2026-11-01", "2026-11-01"), Ok(1));
        assert_eq!(of("2026-02-27", "2026-03-01"), Ok(3));
        assert!(of("2026-11-02", "2026-11-01").unwrap_err().contains("before"));
        assert!(of("1970-01-01", "9000-12-31").unwrap_err().contains("more than 3650 days"));
        assert!(day("yesterday").unwrap_err().contains("2026-11-01"));
    }

    #[test]
    fn an_erased_person_s_rows_go_with_those_of_who_became_them_and_nobody_else_s() {
        let (ann, ben) = (UserKey::known("ann"), UserKey::known("ben"));
        let visitor = UserKey::anonymous("visitor");
        let link = format!(
            r#"{{"fact":"input","at":1,"outcome":"linked","input":{{"input":"link","id":"0101010101010101","at":1,"to":"{ann}"}}}}"#
        );
        let segment = r#"{"fact":"segment","at":1,"segment":"vip","entered":true}"#;
        let lines = [(visitor, link.as_str()), (ann, segment), (ben, segment), (visitor, segment)];
        let rows: String = lines.iter().map(|(user, line)| row(*user, 1, 0, line).unwrap() + "\n").collect();
        let mut users = BTreeSet::from([ann]);
        add_identities(&rows, &mut users);
        assert_eq!(users, BTreeSet::from([ann, visitor]));
        let (kept, gone) = without(&rows, &users);
        assert_eq!((kept.lines().count(), gone), (1, 3));
        assert!(kept.contains(&ben.to_string()));
    }
}
