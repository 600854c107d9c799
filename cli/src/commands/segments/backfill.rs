//! `kairos segments backfill`: what the archive knows of behaviour from before it was watched becomes part of its users.
//!
//! The archive is applied anew under the playbook in force; each user is then told, through their mailbox, what their
//! registers would hold. That is taken only by users who have heard of nothing since (`kairos_engine::recollection`):
//! the others' newest rows are in the archive a minute later, and their turn comes in the next round.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use kairos_backtest::Recollector;
use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::users::UsersTable;
use kairos_engine::bounds::{RECOLLECTION_ROUND, RECOLLECTION_ROUNDS_MAX, RECOLLECTIONS_AT_ONCE_MAX};
use kairos_engine::commit::StoredUser;
use kairos_engine::facts::Row;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::program::Program;
use kairos_engine::recollection::is_recollected;
use kairos_engine::register::{Register, RegisterId};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::mailboxes::Users;
use kairos_protocol::port::{Clock, Mailboxes as _};

use crate::target::Target;
use crate::terminal::{Progress, Style, line, note, thousands};

/// How often it is looked whether users have been told.
const LOOK_EVERY: Duration = Duration::from_millis(200);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How a backfill went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Users who know now what the archive knows.
    pub told: usize,
    /// Users who were busy in every round, or could not be read.
    pub left: usize,
    /// Since when the registers have seen everything; `None` with nobody left means from the beginning.
    pub since: Option<Timestamp>,
}

/// Tells the users of the playbook in force what the archive, from a day on, knows of them.
///
/// # Errors
/// When the archive, the users or the queue cannot be reached. Doing it again goes on.
pub async fn run(target: &Target, from: Option<Timestamp>) -> Outcome<Option<Backfilled>> {
    let playbooks = target.playbooks(None).await?;
    let program = playbooks.current().await?;
    let late: Vec<&Register> = late(&program);
    if late.is_empty() {
        line(
            "Everything that the playbook in force watches has been watched from the beginning: there is nothing to fill in.",
        );
        return Ok(None);
    }
    let registers: Vec<RegisterId> = late.iter().map(|register| register.id()).collect();
    let sqs = aws_sdk_sqs::Client::new(&target.config);
    let mailboxes = Mailboxes::new(sqs.clone(), target.queue(&sqs, "EventsQueueUrl", "events.fifo").await?);
    let users = target.records().await?.users();
    let mut reading = Reading { bucket: target.archive().await?, read: BTreeSet::new(), first: None };
    let mut recollector = Recollector::new(&program);
    reading.go_on(&mut recollector, from).await?;
    let missed = recollector.go_on_without_unknown_visitors();
    let mut open: BTreeSet<UserKey> = recollector.users().collect();
    let mut told = 0;
    for round in 0..RECOLLECTION_ROUNDS_MAX {
        if round > 0 {
            note(format!("  {} were busy; their newest rows are read in a minute …", thousands(open.len() as u64)));
            tokio::time::sleep(Duration::from_millis(RECOLLECTION_ROUND.as_millis().unsigned_abs())).await;
            reading.go_on(&mut recollector, from).await?;
        }
        let of =
            Telling { recollector: &recollector, registers: &registers, users: &users, mailboxes: &mailboxes, round };
        let progress = Progress::counted(open.len(), "users");
        for some in open.clone().into_iter().collect::<Vec<_>>().chunks(RECOLLECTIONS_AT_ONCE_MAX) {
            for (user, was_told) in of.tell(some).await? {
                told += usize::from(was_told);
                open.remove(&user);
            }
            progress.advance(some.len());
        }
        if open.is_empty() {
            break;
        }
    }
    let since = reading.since(recollector.is_whole(), from);
    if open.is_empty() {
        let keys: Vec<String> = late.iter().map(|register| register.watch_key()).collect();
        playbooks.note_recollected(&program.playbook().version, &keys, since).await?;
    }
    let backfilled = Backfilled { told, left: open.len(), since };
    show(backfilled, &recollector, missed);
    Ok(Some(backfilled))
}

/// The registers that have not seen everything.
fn late(program: &Program) -> Vec<&Register> {
    let since = &program.playbook().watched_since;
    program.registers().iter().filter(|register| since.contains_key(&register.watch_key())).collect()
}

fn show(backfilled: Backfilled, recollector: &Recollector<'_>, missed: usize) {
    let style = Style::stdout();
    let Backfilled { told, left, since } = backfilled;
    let since = since.map_or_else(|| "from the beginning".to_owned(), |since| format!("since {since}"));
    let told = thousands(told as u64);
    line(match left {
        0 => format!("{} {told} users know now what they have done {since}.", style.good("ok")),
        left => format!(
            "{} {told} users know now what they have done {since}; {} were busy all the time. Do it again to go on.",
            style.attention("…"),
            thousands(left as u64)
        ),
    });
    if recollector.omitted() > 0 {
        line(format!(
            "   {} facts had no room in the archive: their users may know too little.",
            thousands(recollector.omitted())
        ));
    }
    if missed > 0 {
        line(format!(
            "   {} visitors became users before the files begin: what they did is not known.",
            thousands(missed as u64)
        ));
    }
}

/// How far the archive has been read.
struct Reading {
    bucket: ArchiveBucket,
    read: BTreeSet<String>,
    first: Option<Timestamp>,
}

impl Reading {
    /// Reads the objects that have come since.
    async fn go_on(&mut self, recollector: &mut Recollector<'_>, from: Option<Timestamp>) -> Outcome<()> {
        let mut names = Vec::new();
        let mut after = from.map(|from| format!("facts/day={}/", &from.to_string()[..10]));
        loop {
            let page = self.bucket.names("facts/", after.clone()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            names.extend(page.into_iter().filter(|name| !self.read.contains(name)));
        }
        let progress = Progress::counted(names.len(), "files of the archive");
        for name in names {
            self.first = self.first.or_else(|| hour_of(&name));
            for (number, text) in self.bucket.read(&name).await?.rows.lines().enumerate() {
                let row: Row = serde_json::from_str(text)
                    .map_err(|error| format!("{name}:{}: it is no row of an archive ({error})", number + 1))?;
                recollector.note(row);
            }
            self.read.insert(name);
            progress.advance(1);
        }
        Ok(())
    }

    /// Since when the rows tell everything; `None` when that is from the beginning.
    fn since(&self, is_whole: bool, from: Option<Timestamp>) -> Option<Timestamp> {
        match (is_whole, self.first) {
            (true, _) => None,
            // What was written in the first hour before the archive was there is not in it.
            (false, first) => from.max(first.map(|first| first.plus(Span::from_hours(1)))),
        }
    }
}

/// The hour of an object's partition.
fn hour_of(name: &str) -> Option<Timestamp> {
    let (day, rest) = name.strip_prefix("facts/day=")?.split_once("/hour=")?;
    Timestamp::parse(&format!("{day}T{}:00:00Z", rest.get(..2)?))
}

struct Telling<'a> {
    recollector: &'a Recollector<'a>,
    registers: &'a [RegisterId],
    users: &'a UsersTable,
    mailboxes: &'a Mailboxes,
    round: u32,
}

/// What is to be done with a user.
enum Next {
    /// Nothing, or nothing any more; whether they have been told.
    Done(bool),
    /// They can be told now.
    Tell,
    /// They have done something that the rows do not tell yet.
    Busy,
}

impl Telling<'_> {
    /// Tells those of some users who can be told, and gives who is done.
    async fn tell(&self, some: &[UserKey]) -> Outcome<Vec<(UserKey, bool)>> {
        let at = SystemClock.now();
        let mut done = Vec::new();
        let mut under_way: Vec<(UserKey, Input)> = Vec::new();
        let mut messages = Vec::new();
        let known = self.users.load(some).await?;
        for user in some {
            let Some(recollection) = self.recollector.of(*user, self.registers, at) else {
                done.push((*user, false));
                continue;
            };
            match next(known.get(user), &recollection) {
                Next::Done(was_told) => done.push((*user, was_told)),
                Next::Busy => {}
                Next::Tell => {
                    messages.push(MailboxMessage::of_recollection(*user, recollection.clone(), self.round));
                    under_way.push((*user, recollection));
                }
            }
        }
        self.mailboxes.send(&messages).await?;
        // Until each has taken it, or done something else first.
        let until = at.plus(RECOLLECTION_ROUND);
        while !under_way.is_empty() && SystemClock.now() < until {
            let users: Vec<UserKey> = under_way.iter().map(|(user, _)| *user).collect();
            let known = self.users.load(&users).await?;
            under_way.retain(|(user, recollection)| match next(known.get(user), recollection) {
                Next::Done(_) => {
                    done.push((*user, true));
                    false
                }
                Next::Tell => true,
                Next::Busy => false,
            });
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(done)
    }
}

fn next<F>(stored: Option<&Result<StoredUser, F>>, recollection: &Input) -> Next {
    let Input::Recollection { up_to, .. } = recollection else { return Next::Done(false) };
    match stored {
        // Nobody remembers them any more.
        None => Next::Done(false),
        Some(Err(_)) => Next::Busy,
        Some(Ok(stored)) if stored.state.forwarded_to.is_some() => Next::Done(false),
        Some(Ok(stored)) if is_recollected(&stored.state, recollection) => Next::Done(true),
        Some(Ok(stored)) if stored.state.seen.newest() == Some(*up_to) => Next::Tell,
        Some(Ok(_)) => Next::Busy,
    }
}
