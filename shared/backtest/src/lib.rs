//! What a playbook would have done: a recording of events is played on a virtual clock, on all cores,
//! through the very [`step`](kairos_engine::step::step) that decides live.
//!
//! ```text
//! files ─▶ pieces ─▶ rows ─▶ order ─▶ shards ─▶ report
//!         one thread   cores    (window)   cores
//! ```
//!
//! 1. `pieces` cuts files into pieces of whole rows; `formats` reads rows into the inputs that ingest
//!    would have made of them. Rows of REES46 wait as text, and become inputs when their turn comes.
//! 2. `order` brings inputs that come a little late into the order of time.
//! 3. `shard` applies them to users. Before each input the user's alarms ring, each at its own time;
//!    what one identity tells another (a visitor proved to be a user) comes right behind the row that
//!    causes it. `groups` sees to it that both live in the same shard.
//! 4. `tally` counts, `report` sums up, `compare` tells two playbooks apart and checks [`Gates`]; `table`
//!    and `page` show it.
//!
//! **Invariant:** the report does not depend on the number of cores: pieces, shards and the order of inputs
//! are those of the recording alone. **Invariant:** memory grows with users and days, not with events.

mod calendar;
pub mod compare;
mod counts;
mod formats;
mod groups;
mod order;
pub mod page;
mod past;
mod pieces;
mod recollector;
pub mod rees46;
pub mod report;
mod run;
mod shard;
pub mod table;
mod tally;

use std::io::Read;
use std::sync::atomic::AtomicU64;

use kairos_engine::money::Currency;
use kairos_engine::time::{Span, Timestamp};

pub use compare::{Gate, Gates};
pub use counts::{Counts, reason_title};
pub use formats::{Format, PurchaseColumns};
pub use past::{Past, past};
pub use recollector::Recollector;
pub use report::Report;
pub use run::run;

/// A file of a recording, plain or gzip.
pub struct File {
    /// Its name, for messages.
    pub name: String,
    /// What is in it.
    pub input: Box<dyn Read + Send>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("File").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a recording is read and played.
#[derive(Clone, Debug)]
pub struct Options {
    /// The format; told by what is in each file without it.
    pub format: Option<Format>,
    /// Names of columns of purchases.
    pub purchases: PurchaseColumns,
    /// How late an input may come in the recording to be brought into the order of time. What comes later
    /// is applied when it comes, as live. Without it, what the formats of the recording need.
    pub window: Option<Span>,
    /// How long the clock runs on after the last event.
    pub until: Span,
    /// How many cores.
    pub threads: usize,
    /// The present time. What happens later is a mistake.
    pub now: Timestamp,
    /// The source that events come through where they do not say; a likely one of the playbook without it.
    pub source: Option<String>,
    /// The currency of amounts without one.
    pub currency: Option<Currency>,
    /// How the people of recordings without addresses can be reached.
    pub reachable: Reachable,
    /// Whether the difference between two playbooks is listed by user.
    pub users: bool,
}

/// How the people of recordings without addresses can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reachable {
    /// By email.
    pub email: bool,
    /// By SMS.
    pub sms: bool,
    /// Visitors too, who have not said who they are.
    pub visitors: bool,
}

/// How far a backtest is, for whoever shows it while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the files that were read, packed where files are.
    pub bytes: AtomicU64,
    /// Events that were read.
    pub events: AtomicU64,
    /// Users (and visitors) that are known.
    pub users: AtomicU64,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// A file cannot be read.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file in none of the formats.
    #[error("{file} is not understood: {what}.")]
    Unknown {
        /// Which.
        file: String,
        /// Why, and what would be.
        what: String,
    },
    /// A row that never ends.
    #[error(
        "{file} has a row of more than {} KB: write one row in each line, and close every quote",
        kairos_engine::bounds::BACKTEST_ROW_BYTES_MAX / 1024
    )]
    RowTooLong {
        /// Which.
        file: String,
    },
    /// Nothing to play.
    #[error("the recording has no events that are understood{}", first_problem(.problem))]
    Empty {
        /// The first row that was not understood, when there was any.
        problem: Option<report::Problem>,
    },
    /// The machine does not give as many threads.
    #[error("{threads} threads cannot be started: {what}. Ask for fewer with --threads.")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        what: String,
    },
}

fn first_problem(problem: &Option<report::Problem>) -> String {
    problem.as_ref().map_or_else(String::new, |problem| format!(". The first one that is not: {problem}"))
}
