//! One user's past: the same recording, played by the same code, for one user and the visitors who became them.
//!
//! Two passes over the recording: the first finds out who became the user, the second plays them up to a time.

use std::collections::{HashMap, HashSet};
use std::mem::take;
use std::sync::atomic::Ordering;

use kairos_engine::bounds::{BACKTEST_PIECES_TOGETHER, FORWARD_HOPS_MAX};
use kairos_engine::identifiers::UserKey;
use kairos_engine::outcome::OutcomeRecord;
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;
use rayon::prelude::*;

use crate::formats::{Defaults, Made, OpenOrder, Routed, Rows, finish, stitch};
use crate::order::Order;
use crate::pieces::{Piece, cut};
use crate::run::defaults;
use crate::shard::{Item, Playing, Shard, World};
use crate::tally::Places;
use crate::{BacktestError, File, Options, Progress};

/// A user at a time in the past.
#[derive(Debug)]
pub struct Past {
    /// The user's key.
    pub user: UserKey,
    /// The user, as the engine knew them then.
    pub state: UserState,
    /// Everything that plays considered until then, oldest first: the visitors' considerations, too.
    pub considered: Vec<OutcomeRecord>,
    /// How many visitors had become the user by then.
    pub visitors: usize,
    /// How many inputs of theirs were played.
    pub inputs: usize,
    /// When the first of these happened.
    pub first_at: Timestamp,
    /// When the last of these happened.
    pub last_at: Timestamp,
    /// Rows of the recording that were not understood.
    pub wrong_rows: u64,
}

/// Plays a recording for one user, by the shop's id or a visitor's, up to `at`. `files` opens the recording; it
/// is read twice. `None` when the recording has nothing of the user by then.
///
/// # Errors
/// When the recording cannot be read.
pub fn past(
    program: &Program,
    files: impl Fn() -> Result<Vec<File>, BacktestError>,
    options: &Options,
    progress: &Progress,
    user: &str,
    at: Timestamp,
) -> Result<Option<Past>, BacktestError> {
    let threads = options.threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| BacktestError::Threads { threads, what: error.to_string() })?;
    let defaults = defaults(program.playbook(), options);
    let read = |files: Vec<File>, see: &mut dyn FnMut(u64, Routed)| {
        Reading { options, progress, defaults: &defaults, pool: &pool, at }.read(files, see)
    };

    let mut links: HashSet<(UserKey, UserKey)> = HashSet::new();
    read(files()?, &mut |_, routed| {
        if let Some(to) = routed.what.link() {
            links.insert((routed.user, to));
        }
    })?;
    let keys = connected(&links, &[UserKey::known(user), UserKey::anonymous(user)]);

    let mut items: Vec<Item> = Vec::new();
    let wrong_rows = read(files()?, &mut |place, Routed { user, at, introduce, what, .. }| {
        if keys.contains(&user) {
            items.push(Item { now: at, place, user, introduce, what });
        }
    })?;
    let Some(first_at) = items.iter().map(|item| item.now).min() else { return Ok(None) };
    let last_at = items.iter().map(|item| item.now).max().unwrap_or(first_at);
    let inputs = items.len();

    let places = Places::of(program.playbook());
    let playing = [Playing { program, places, reachable: options.reachable, defaults: defaults.clone() }];
    let mut world = World::new(program);
    world.tally.kept = Some(Vec::new());
    let mut shard = Shard { pending: items, worlds: vec![world] };
    shard.apply(&playing, at, &mut Made::default());
    shard.finish(&playing, at);
    let Some(World { users, tally }) = shard.worlds.pop() else { return Ok(None) };
    let known = [UserKey::known(user), UserKey::anonymous(user)].into_iter().find(|key| users.contains_key(key));
    let Some(mut key) = known else { return Ok(None) };
    for _ in 0..FORWARD_HOPS_MAX {
        match users.get(&key).and_then(|user| user.state.forwarded_to) {
            Some(to) if users.contains_key(&to) => key = to,
            _ => break,
        }
    }
    let visitors = users.iter().filter(|(other, user)| **other != key && user.state.forwarded_to.is_some()).count();
    let state = users.get(&key).map(|user| user.state.clone()).unwrap_or_default();
    let considered = tally.kept.unwrap_or_default();
    Ok(Some(Past { user: key, state, considered, visitors, inputs, first_at, last_at, wrong_rows }))
}

/// Everybody whom links connect with these.
fn connected(links: &HashSet<(UserKey, UserKey)>, from: &[UserKey]) -> HashSet<UserKey> {
    let mut neighbours: HashMap<UserKey, Vec<UserKey>> = HashMap::new();
    for (one, other) in links {
        neighbours.entry(*one).or_default().push(*other);
        neighbours.entry(*other).or_default().push(*one);
    }
    let mut found: HashSet<UserKey> = from.iter().copied().collect();
    let mut waiting: Vec<UserKey> = from.to_vec();
    while let Some(key) = waiting.pop() {
        for neighbour in neighbours.get(&key).into_iter().flatten() {
            if found.insert(*neighbour) {
                waiting.push(*neighbour);
            }
        }
    }
    found
}

/// Reads a recording in its order, up to a time.
struct Reading<'a> {
    options: &'a Options,
    progress: &'a Progress,
    defaults: &'a Defaults,
    pool: &'a rayon::ThreadPool,
    at: Timestamp,
}

impl Reading<'_> {
    /// Shows every input that is applied by then, at the time at which it is applied, with its place in the
    /// recording. Gives how many rows were not understood.
    fn read(&self, files: Vec<File>, see: &mut dyn FnMut(u64, Routed)) -> Result<u64, BacktestError> {
        let mut order = Order::of(self.options);
        let mut open: Option<OpenOrder> = None;
        let mut waiting: Vec<Piece> = Vec::new();
        let mut wrong = 0;
        let mut show = |rows: Rows, order: &mut Order| {
            let piece = u64::from(rows.piece);
            for routed in rows.inputs {
                let now = routed.at.max(order.edge());
                order.newest = order.newest.max(routed.at);
                if now <= self.at {
                    see(piece << 32 | u64::from(routed.row), Routed { at: now, ..routed });
                }
            }
        };
        let mut together = |pieces: &mut Vec<Piece>, order: &mut Order| {
            let pieces = take(pieces);
            pieces.iter().for_each(|piece| order.meet(self.options, piece.reader.format()));
            let read: Vec<Rows> = self.pool.install(|| pieces.par_iter().map(|piece| self.rows(piece)).collect());
            for mut rows in read {
                stitch(&mut open, &mut rows, self.defaults);
                wrong += rows.wrong;
                self.progress.events.fetch_add(rows.events, Ordering::Relaxed);
                show(rows, order);
            }
            // Nothing that comes now is applied by then.
            order.edge() <= self.at
        };
        cut(files, self.options, &self.progress.bytes, |piece| {
            waiting.push(piece);
            waiting.len() < BACKTEST_PIECES_TOGETHER || together(&mut waiting, &mut order)
        })?;
        together(&mut waiting, &mut order);
        let mut rows = Rows { piece: u32::MAX, ..Rows::default() };
        finish(&mut open, &mut rows, self.defaults);
        show(rows, &mut order);
        Ok(wrong)
    }

    fn rows(&self, piece: &Piece) -> Rows {
        let mut rows = Rows { piece: piece.number, latest: self.options.now, ..Rows::default() };
        piece.reader.read(&piece.text, self.defaults, &mut rows);
        rows
    }
}
