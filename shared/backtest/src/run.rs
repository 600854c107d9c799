//! The run itself.

use std::collections::HashMap;
use std::mem::take;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};

use kairos_engine::bounds::{
    BACKTEST_PENDING_MAX, BACKTEST_PIECES_TOGETHER, BACKTEST_PROBLEMS_SHOWN_MAX, BACKTEST_SHARDS,
};
use kairos_engine::identifiers::UserKey;
use kairos_engine::playbook::Playbook;
use kairos_engine::program::Program;
use rayon::prelude::*;

use crate::formats::{Defaults, Made, OpenOrder, Rows, finish, stitch};
use crate::groups::{Groups, Move};
use crate::order::Order;
use crate::pieces::{Piece, cut};
use crate::report::{FileReport, Problem, RecordingReport, Report};
use crate::shard::{Item, Playing, Shard, World};
use crate::tally::Places;
use crate::{BacktestError, File, Options, Progress};

/// The sources that a recording is taken to come through, preferred first.
const SOURCES: [&str; 2] = ["import", "server"];

/// Plays a recording through a playbook, and through the one it is compared with.
///
/// # Errors
/// When the recording cannot be read or has nothing that is understood. Single rows that are wrong are
/// counted in the report.
pub fn run(
    program: &Program,
    against: Option<&Program>,
    files: Vec<File>,
    options: &Options,
    progress: &Progress,
) -> Result<Report, BacktestError> {
    let threads = options.threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| BacktestError::Threads { threads, what: error.to_string() })?;
    let names = files.iter().map(|file| file.name.clone()).collect();
    let programs: Vec<&Program> = std::iter::once(program).chain(against).collect();
    let run = Run::new(&programs, names, options, progress);
    std::thread::scope(|scope| {
        let (sender, pieces) = sync_channel(BACKTEST_PIECES_TOGETHER);
        let reader = scope.spawn(move || cut(files, options, &progress.bytes, |piece| sender.send(piece).is_ok()));
        let run = pool.install(move || run.play(pieces));
        reader.join().expect("the reader does not panic")?;
        pool.install(|| run.report())
    })
}

/// A run under way.
struct Run<'a> {
    playing: Vec<Playing<'a>>,
    options: &'a Options,
    progress: &'a Progress,
    defaults: Defaults,
    order: Order,
    groups: Groups,
    shards: Vec<Shard>,
    /// The order with which the recording so far ends.
    open: Option<OpenOrder>,
    pending: usize,
    recording: RecordingReport,
    /// Lines of the file under way that were read.
    lines: u64,
}

impl<'a> Run<'a> {
    fn new(programs: &[&'a Program], names: Vec<String>, options: &'a Options, progress: &'a Progress) -> Self {
        let defaults = defaults(programs[0].playbook(), options);
        let playing: Vec<Playing<'a>> = programs
            .iter()
            .map(|program| Playing {
                program,
                places: Places::of(program.playbook()),
                reachable: options.reachable,
                defaults: defaults.clone(),
            })
            .collect();
        let shard =
            || Shard { pending: Vec::new(), worlds: programs.iter().map(|program| World::new(program)).collect() };
        Self {
            playing,
            options,
            progress,
            defaults,
            order: Order::of(options),
            groups: Groups::default(),
            shards: (0..BACKTEST_SHARDS).map(|_| shard()).collect(),
            open: None,
            pending: 0,
            recording: RecordingReport {
                files: names.into_iter().map(|name| FileReport { name, ..FileReport::default() }).collect(),
                ..RecordingReport::default()
            },
            lines: 0,
        }
    }

    /// Plays all pieces, some at a time.
    fn play(mut self, pieces: Receiver<Piece>) -> Self {
        let mut last_file = None;
        loop {
            let together: Vec<Piece> = pieces.iter().take(BACKTEST_PIECES_TOGETHER).collect();
            let is_last = together.len() < BACKTEST_PIECES_TOGETHER;
            let mut read: Vec<Rows> = together.par_iter().map(|piece| self.read(piece)).collect();
            for (piece, rows) in together.iter().zip(&mut read) {
                if last_file != Some(piece.file) {
                    last_file = Some(piece.file);
                    self.lines = piece.lines_before;
                }
                stitch(&mut self.open, rows, &self.defaults);
                self.note(piece, rows);
            }
            if is_last {
                let mut rows = Rows { piece: u32::MAX, ..Rows::default() };
                finish(&mut self.open, &mut rows, &self.defaults);
                if let Some(file) = last_file {
                    self.count(file, &rows);
                }
                read.push(rows);
            }
            self.apply(read, is_last);
            if is_last {
                return self;
            }
        }
    }

    fn read(&self, piece: &Piece) -> Rows {
        let mut rows = Rows { piece: piece.number, latest: self.options.now, ..Rows::default() };
        piece.reader.read(&piece.text, &self.defaults, &mut rows);
        rows
    }

    fn note(&mut self, piece: &Piece, rows: &mut Rows) {
        let file = &mut self.recording.files[piece.file];
        file.format = Some(piece.reader.format());
        self.order.meet(self.options, piece.reader.format());
        for problem in take(&mut rows.problems) {
            if self.recording.problems.len() < BACKTEST_PROBLEMS_SHOWN_MAX {
                let line = self.lines + problem.line + 1;
                self.recording.problems.push(Problem { file: file.name.clone(), line, what: problem.what });
            }
        }
        self.lines += rows.lines;
        self.count(piece.file, rows);
    }

    fn count(&mut self, file: usize, rows: &Rows) {
        self.recording.files[file].events += rows.events;
        self.recording.files[file].wrong_rows += rows.wrong;
        self.recording.events += rows.events;
        self.recording.wrong_rows += rows.wrong;
        self.recording.nobodys_rows += rows.nobodys;
        let first = rows.inputs.iter().map(|routed| routed.at).min();
        self.recording.first_at = match (self.recording.first_at, first) {
            (Some(known), Some(first)) => Some(known.min(first)),
            (known, first) => known.or(first),
        };
    }

    /// Brings what was read into order and applies what is in order.
    fn apply(&mut self, read: Vec<Rows>, is_last: bool) {
        self.link(&read);
        let mut order = self.order.after(None);
        let mut turns = Vec::with_capacity(read.len());
        for rows in read {
            let newest = rows.inputs.iter().map(|routed| routed.at).max();
            self.pending += rows.inputs.len();
            turns.push((order.after(None), rows));
            order = order.after(newest);
        }
        let events: u64 = turns.iter().map(|(_, rows)| rows.events).sum();
        let groups = &self.groups;
        let arranged: Vec<(Vec<Vec<Item>>, u64)> = turns
            .into_par_iter()
            .map(|(order, rows)| order.arrange(rows.piece, rows.inputs, groups, BACKTEST_SHARDS))
            .collect();
        let mut parts: Vec<Vec<Vec<Item>>> = (0..BACKTEST_SHARDS).map(|_| Vec::with_capacity(arranged.len())).collect();
        for (of_piece, late) in arranged {
            self.recording.late_inputs += late;
            for (parts, part) in parts.iter_mut().zip(of_piece) {
                parts.push(part);
            }
        }
        // Whoever waits for very late inputs in a crowd runs out of memory.
        let too_many = self.pending > BACKTEST_PENDING_MAX;
        if too_many && !is_last {
            order.release_all();
            self.recording.window_cuts += 1;
        }
        self.order = order;
        let until = if is_last || too_many { self.order.newest } else { self.order.edge() };
        let playing = &self.playing;
        self.shards.par_iter_mut().zip(parts).for_each_init(Made::default, |made, (shard, parts)| {
            shard.pending.extend(parts.into_iter().flatten());
            shard.apply(playing, until, made);
        });
        self.pending = self.shards.iter().map(|shard| shard.pending.len()).sum();
        let users: usize = self.shards.iter().map(|shard| shard.worlds[0].users.len()).sum();
        self.progress.events.fetch_add(events, Ordering::Relaxed);
        self.progress.users.store(users as u64, Ordering::Relaxed);
    }

    /// Brings identities together that have something to tell each other.
    fn link(&mut self, read: &[Rows]) {
        let mut moved: HashMap<UserKey, usize> = HashMap::new();
        for routed in read.iter().flat_map(|rows| &rows.inputs) {
            if let Some(to) = routed.what.link()
                && let Some(Move { users, from, to }) = self.groups.link(routed.user, to)
            {
                for user in users {
                    for world in 0..self.playing.len() {
                        if let Some(known) = self.shards[from].worlds[world].users.remove(&user) {
                            self.shards[to].worlds[world].users.insert(user, known);
                        }
                    }
                    // What is pending stays where it was before the first of these moves.
                    moved.entry(user).or_insert(from);
                }
            }
        }
        let mut sources: Vec<usize> = moved.values().copied().collect();
        sources.sort_unstable();
        sources.dedup();
        for source in sources {
            let pending = take(&mut self.shards[source].pending);
            for item in pending {
                let shard = if moved.contains_key(&item.user) { self.groups.shard(item.user) } else { source };
                self.shards[shard].pending.push(item);
            }
        }
    }

    fn report(mut self) -> Result<Report, BacktestError> {
        if self.recording.events == 0 {
            return Err(BacktestError::Empty { problem: self.recording.problems.into_iter().next() });
        }
        let last_at = self.order.newest;
        let end = last_at.plus(self.options.until);
        let playing = &self.playing;
        self.shards.par_iter_mut().for_each(|shard| shard.finish(playing, end));
        self.recording.last_at = Some(last_at);
        self.recording.until = Some(end);
        self.recording.window_s = self.order.window.as_millis() / 1_000;
        Ok(crate::report::sum_up(self.recording, &self.playing, &self.shards, self.options.users))
    }
}

pub(crate) fn defaults(playbook: &Playbook, options: &Options) -> Defaults {
    let named = SOURCES.iter().find_map(|name| playbook.sources.iter().find(|source| source.name == *name));
    let likely = named.or_else(|| playbook.sources.first()).map(|source| source.name.clone());
    let write_keys = playbook.sources.iter().map(|source| (source.write_key.clone(), source.name.clone()));
    Defaults {
        source: options.source.clone().or(likely).unwrap_or_default(),
        write_keys: write_keys.collect(),
        currency: options.currency,
    }
}
