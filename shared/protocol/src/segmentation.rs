//! How users who stay away are re-evaluated when what is watched changes.
//!
//! A user whose state was made by another program is re-evaluated with the next input: segments are entered and
//! left, deadlines set. Who does something gets there alone; for all others [`Ports::backfill`] reads the users'
//! items in slices and puts a tick into the mailbox of each who is still on another program. A publication is
//! first noted and then given the time that running functions take to work with it; where a pass over the table
//! has told somebody, another one looks whether it helped.
//!
//! **Invariants**
//! - Nobody's state is changed but through the mailbox.
//! - How far the scan has come is written only after the ticks up to there are in the mailboxes, and only if
//!   nobody else has gone on meanwhile. So a crash, or two invocations at once, repeat ticks and skip nobody.
//! - Ticks of one pass and user have the same id; those of another pass have another one, so that no queue takes
//!   them for repetitions.

use std::future::Future;

use futures_util::future::join_all;
use kairos_engine::bounds::{
    BACKFILL_LANES, BACKFILL_PAGE_USERS_MAX, BACKFILL_PASSES_MAX, BACKFILL_ROUND, BACKFILL_SETTLE,
};
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::PlaybookVersion;
use kairos_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::port::{Clock, Fault, Mailboxes};

#[cfg(test)]
mod tests;

/// The users' items, all of them, in slices.
pub trait UserScan {
    /// The next users of one of so many lanes, in the lane's own order, behind `after`: at most `limit`. Users who
    /// are to be forgotten are left out. May lag behind the users' items by some seconds.
    fn page(
        &self,
        lane: u32,
        lanes: u32,
        after: Option<UserKey>,
        limit: usize,
    ) -> impl Future<Output = Result<ScanPage, Fault>>;
}

/// Some users of a lane.
#[derive(Debug, Default)]
pub struct ScanPage {
    /// Who, and where they stand; one whose item cannot be read fails alone.
    pub users: Vec<(UserKey, Result<Standing, Fault>)>,
    /// Behind whom to go on; none at the end of the lane.
    pub next: Option<UserKey>,
}

/// What a backfill needs to know of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The fingerprint of the program that made the state.
    pub program: u32,
    /// Whether another actor has taken over.
    pub is_forwarded: bool,
}

/// The record of the newest backfill.
pub trait Backfills {
    /// Reads it, strongly consistent.
    fn load(&self) -> impl Future<Output = Result<Option<Backfill>, Fault>>;

    /// Writes it, if its revision is still the expected one (`None`: if there is no record). Gives whether it is
    /// written.
    fn save(&self, backfill: &Backfill, expected: Option<u64>) -> impl Future<Output = Result<bool, Fault>>;
}

/// What is watched now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The fingerprint of the program in force.
    pub program: u32,
    /// Since when programs with this fingerprint have been in force without a break. Tells a program that was put
    /// in force again from one that stayed.
    pub since: Option<Timestamp>,
    /// The playbook in force, for people.
    pub playbook: PlaybookVersion,
}

/// How far a backfill has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// The fingerprint to which users are brought.
    pub program: u32,
    /// [`Watched::since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The playbook that asked for it.
    pub playbook: PlaybookVersion,
    /// When the change was seen.
    pub seen_at: Timestamp,
    /// The pass over the table, from 1.
    pub pass: u32,
    /// When this pass may begin.
    pub not_before: Timestamp,
    /// How far this pass has come in each lane.
    pub lanes: Vec<Lane>,
    /// Ticks of earlier passes.
    #[serde(default)]
    pub told_before: u64,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Counts the writes; every write is conditional on it.
    pub revision: u64,
}

/// How far one lane of the table has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Behind whom to go on; at the beginning without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserKey>,
    /// Whether its end was reached.
    #[serde(default)]
    pub is_done: bool,
    /// Users read.
    #[serde(default)]
    pub scanned: u64,
    /// Ticks put into mailboxes.
    #[serde(default)]
    pub told: u64,
    /// Users whose items cannot be read.
    #[serde(default)]
    pub unreadable: u64,
}

/// A record as it is stored: names its version, so that every version ever written can be read.
#[derive(Serialize, Deserialize)]
#[serde(tag = "v")]
enum Stored<T> {
    #[serde(rename = "1")]
    V1(T),
}

impl Backfill {
    fn new(watched: &Watched, seen_at: Timestamp, revision: u64) -> Self {
        Self {
            program: watched.program,
            since: watched.since,
            playbook: watched.playbook.clone(),
            seen_at,
            pass: 1,
            not_before: seen_at.plus(BACKFILL_SETTLE),
            lanes: vec![Lane::default(); BACKFILL_LANES],
            told_before: 0,
            finished_at: None,
            revision,
        }
    }

    /// Whether it is what this asks for.
    pub fn is_of(&self, watched: &Watched) -> bool {
        self.program == watched.program && self.since == watched.since
    }

    /// Users read in this pass.
    pub fn scanned(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.scanned).sum()
    }

    /// Users whose items cannot be read.
    pub fn unreadable(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.unreadable).sum()
    }

    /// Ticks put into mailboxes, in all passes.
    pub fn told(&self) -> u64 {
        self.told_before + self.told_in_pass()
    }

    fn told_in_pass(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.told).sum()
    }

    /// Ends a pass whose lanes are done: with another one, when somebody was told and might not have got it.
    fn end_pass(&mut self, now: Timestamp) {
        if self.told_in_pass() == 0 || self.pass >= BACKFILL_PASSES_MAX {
            self.finished_at = Some(now);
            return;
        }
        self.told_before = self.told();
        self.pass += 1;
        self.not_before = now.plus(BACKFILL_SETTLE);
        self.lanes = vec![Lane::default(); BACKFILL_LANES];
    }

    /// The tick of this pass for a user.
    fn tick(&self, user: UserKey, at: Timestamp) -> MailboxMessage {
        let run = format!("{:08x} {} {}", self.program, self.seen_at.as_millis(), self.pass);
        let id = InputId::caused_by(InputId::of_message("backfill", &run), "backfill", user);
        MailboxMessage::V1 { id, user, inputs: vec![Input::Tick { at }], correlation: None }
    }

    /// The record as it is stored: JSON with its version.
    ///
    /// # Errors
    /// Never for a record of this program; the serializer's type allows it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Stored::V1(self))
    }

    /// Reads a record of any version.
    ///
    /// # Errors
    /// When it is damaged, or of a version that this program does not know yet.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let Stored::V1(backfill) = serde_json::from_str(text)?;
        Ok(backfill)
    }
}

/// What the protocol asks of the world.
pub struct Ports<'a, S, B, M, C> {
    /// The users' items.
    pub users: &'a S,
    /// The record of the backfill.
    pub backfills: &'a B,
    /// The users' mailboxes.
    pub mailboxes: &'a M,
    /// The time.
    pub clock: &'a C,
}

/// What one invocation has done for a backfill.
#[derive(Debug, Default)]
pub struct Advanced {
    /// Users read.
    pub scanned: usize,
    /// Ticks put into mailboxes.
    pub told: usize,
    /// Users whose items cannot be read.
    pub unreadable: usize,
    /// Whether it has seen a change first.
    pub has_begun: bool,
    /// Whether nothing is left to do.
    pub is_finished: bool,
    /// Whether another invocation has gone on meanwhile, and this one has left it to that.
    pub is_overtaken: bool,
    /// What failed; the next invocation tries again.
    pub faults: Vec<Fault>,
}

impl<S, B, M, C> Ports<'_, S, B, M, C>
where
    S: UserScan,
    B: Backfills,
    M: Mailboxes,
    C: Clock,
{
    /// Goes on with bringing everybody to what is watched now, until it is done or `stop_at` has come.
    pub async fn backfill(&self, watched: &Watched, stop_at: Timestamp) -> Advanced {
        let mut advanced = Advanced::default();
        if let Err(fault) = self.advance(watched, stop_at, &mut advanced).await {
            advanced.faults.push(fault);
        }
        advanced
    }

    async fn advance(&self, watched: &Watched, stop_at: Timestamp, advanced: &mut Advanced) -> Result<(), Fault> {
        let stored = self.backfills.load().await?;
        let mut backfill = match stored {
            Some(backfill) if backfill.is_of(watched) => backfill,
            other => {
                let before = other.map(|other| other.revision);
                let new = Backfill::new(watched, self.clock.now(), before.unwrap_or(0) + 1);
                advanced.is_overtaken = !self.backfills.save(&new, before).await?;
                advanced.has_begun = !advanced.is_overtaken;
                new
            }
        };
        while !advanced.is_overtaken && backfill.finished_at.is_none() {
            let now = self.clock.now();
            if now < backfill.not_before || now >= stop_at {
                return Ok(());
            }
            let told_before = advanced.told;
            self.round(&mut backfill, now, advanced).await;
            if backfill.lanes.iter().all(|lane| lane.is_done) {
                backfill.end_pass(self.clock.now());
            }
            let expected = backfill.revision;
            backfill.revision += 1;
            advanced.is_overtaken = !self.backfills.save(&backfill, Some(expected)).await?;
            if !advanced.faults.is_empty() {
                return Ok(());
            }
            if advanced.told > told_before {
                // Whoever shops meanwhile must not wait behind everybody else's ticks.
                self.clock.sleep_until(now.plus(BACKFILL_ROUND)).await;
            }
        }
        advanced.is_finished = !advanced.is_overtaken;
        Ok(())
    }

    /// Reads one page of each open lane and tells those on other programs. A lane that fails stays where it is.
    async fn round(&self, backfill: &mut Backfill, now: Timestamp, advanced: &mut Advanced) {
        let lanes = u32::try_from(backfill.lanes.len()).expect("there are a few lanes");
        let open = (0..lanes).zip(&backfill.lanes).filter(|(_, lane)| !lane.is_done);
        let pages = open.map(|(index, lane)| {
            let (after, backfill) = (lane.after, &*backfill);
            async move { (index, self.tell_page(backfill, index, lanes, after, now).await) }
        });
        for (index, told) in join_all(pages).await {
            match told {
                Ok((page, told)) => {
                    let unreadable = page.users.iter().filter(|(_, standing)| standing.is_err()).count();
                    advanced.scanned += page.users.len();
                    advanced.told += told;
                    advanced.unreadable += unreadable;
                    let lane = &mut backfill.lanes[index as usize];
                    lane.scanned += page.users.len() as u64;
                    lane.told += told as u64;
                    lane.unreadable += unreadable as u64;
                    lane.after = page.next;
                    lane.is_done = page.next.is_none();
                }
                Err(fault) => advanced.faults.push(fault),
            }
        }
    }

    async fn tell_page(
        &self,
        backfill: &Backfill,
        lane: u32,
        lanes: u32,
        after: Option<UserKey>,
        now: Timestamp,
    ) -> Result<(ScanPage, usize), Fault> {
        let page = self.users.page(lane, lanes, after, BACKFILL_PAGE_USERS_MAX).await?;
        let mut ticks = Vec::new();
        for (user, standing) in &page.users {
            match standing {
                Ok(standing) if standing.program != backfill.program && !standing.is_forwarded => {
                    ticks.push(backfill.tick(*user, now));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%user, %error, "a user was not brought up to date"),
            }
        }
        if !ticks.is_empty() {
            self.mailboxes.send(&ticks).await?;
        }
        let told = ticks.len();
        Ok((page, told))
    }
}
