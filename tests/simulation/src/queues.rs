//! SQS as its documentation describes it, without its network: FIFO queues with message groups, and
//! standard queues with delays.

use std::collections::{BTreeMap, VecDeque};

use kairos_engine::identifiers::{InputId, UserKey};

use crate::random::Random;

/// SQS drops a message whose deduplication id it has seen within five minutes.
const DEDUPLICATION_MS: i64 = 5 * 60 * 1_000;
/// What one receive gives at most.
const BATCH_MAX: usize = 10;

/// A message in a queue.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The queue's number: rises with every message put in, redriven ones included.
    pub sequence: u128,
    /// The same for a message and everything it is redriven as: for the checks, no consumer sees it.
    pub lineage: u64,
    /// Whose mailbox; nobody's in a standard queue.
    pub group: Option<UserKey>,
    /// The payload, as it travels.
    pub body: String,
    /// How often it was received since it was put in or redriven.
    pub receives: u32,
    /// The name of its last receive; deleting by an older one does nothing.
    pub receipt: u64,
    invisible_until: i64,
}

/// How a queue is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// How long a received message stays invisible.
    pub visibility_ms: i64,
    /// After so many receives it becomes a dead letter.
    pub receives_max: u32,
}

/// A FIFO queue: one group's messages in order, none while one of them is in flight.
#[derive(Debug)]
pub struct FifoQueue {
    setup: Setup,
    groups: BTreeMap<UserKey, VecDeque<Entry>>,
    dead: Vec<Entry>,
    newly_dead: Vec<(UserKey, u64)>,
    put_at: BTreeMap<(UserKey, InputId), i64>,
    sequence: u128,
    receipt: u64,
}

impl FifoQueue {
    /// An empty queue.
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            groups: BTreeMap::new(),
            dead: Vec::new(),
            newly_dead: Vec::new(),
            put_at: BTreeMap::new(),
            // As long as real ones, which are beyond 64 bits.
            sequence: 18_849_496_460_467_696_128_000_000,
            receipt: 0,
        }
    }

    /// Puts a message in, unless it is a repetition. Gives whether it was put in.
    pub fn put(&mut self, now: i64, group: UserKey, deduplication: InputId, body: String) -> bool {
        let put_at = self.put_at.entry((group, deduplication)).or_insert(i64::MIN);
        if now.saturating_sub(*put_at) < DEDUPLICATION_MS {
            return false;
        }
        *put_at = now;
        self.sequence += 256;
        let (sequence, lineage) = (self.sequence, (self.sequence & u128::from(u64::MAX)) as u64);
        let entry =
            Entry { sequence, lineage, group: Some(group), body, receives: 0, receipt: 0, invisible_until: i64::MIN };
        self.groups.entry(group).or_default().push_back(entry);
        true
    }

    /// Receives up to ten messages: some of the first ones of some of the groups that are free.
    pub fn receive(&mut self, now: i64, random: &mut Random) -> Vec<Entry> {
        let mut free: Vec<UserKey> = self.groups.keys().copied().filter(|group| self.is_free(*group, now)).collect();
        random.shuffle(&mut free);
        let mut batch = Vec::new();
        let wanted = 1 + random.below(BATCH_MAX);
        for group in free {
            let entries = self.groups.get_mut(&group).expect("only groups that are there were asked");
            let mut index = 0;
            let share = 1 + random.below(BATCH_MAX);
            while index < entries.len() && index < share && batch.len() < wanted {
                if entries[index].receives >= self.setup.receives_max {
                    let entry = entries.remove(index).expect("it is there");
                    self.newly_dead.push((group, entry.lineage));
                    self.dead.push(entry);
                    continue;
                }
                self.receipt += 1;
                let entry = &mut entries[index];
                entry.receives += 1;
                entry.receipt = self.receipt;
                entry.invisible_until = now + self.setup.visibility_ms;
                batch.push(entry.clone());
                index += 1;
            }
            if entries.is_empty() {
                self.groups.remove(&group);
            }
        }
        batch
    }

    /// Whose messages have become dead letters since this was last asked, with their lineages.
    pub fn take_newly_dead(&mut self) -> Vec<(UserKey, u64)> {
        std::mem::take(&mut self.newly_dead)
    }

    fn is_free(&self, group: UserKey, now: i64) -> bool {
        self.groups[&group].iter().all(|entry| entry.invisible_until <= now)
    }

    /// When the next message can be received, if there is any.
    pub fn next_visible_at(&self) -> Option<i64> {
        self.groups.values().filter_map(|entries| entries.iter().map(|entry| entry.invisible_until).max()).min()
    }

    /// Deletes a message, if this receipt is its newest and still good. Gives whether it was.
    pub fn delete(&mut self, now: i64, group: UserKey, receipt: u64) -> bool {
        let Some(entries) = self.groups.get_mut(&group) else {
            return false;
        };
        let before = entries.len();
        entries.retain(|entry| entry.receipt != receipt || entry.invisible_until <= now);
        let deleted = entries.len() < before;
        if entries.is_empty() {
            self.groups.remove(&group);
        }
        deleted
    }

    /// Whether a message before this one, in its group, is still there.
    pub fn has_earlier(&self, group: UserKey, receipt: u64) -> bool {
        self.groups
            .get(&group)
            .and_then(|entries| entries.iter().position(|entry| entry.receipt == receipt))
            .is_some_and(|position| position > 0)
    }

    /// Makes a message visible again at once.
    pub fn give_back(&mut self, now: i64, group: UserKey, receipt: u64) {
        for entry in self.groups.get_mut(&group).into_iter().flatten() {
            if entry.receipt == receipt {
                entry.invisible_until = now;
            }
        }
    }

    /// Puts the dead letters back, in their order, with new numbers. Gives how many.
    pub fn redrive(&mut self, wanted: impl Fn(&Entry) -> bool) -> usize {
        let (redriven, dead): (Vec<Entry>, Vec<Entry>) = std::mem::take(&mut self.dead).into_iter().partition(wanted);
        self.dead = dead;
        let count = redriven.len();
        for entry in redriven {
            self.sequence += 256;
            let group = entry.group.expect("every message of a FIFO queue has a group");
            let fresh = Entry { sequence: self.sequence, receives: 0, receipt: 0, invisible_until: i64::MIN, ..entry };
            self.groups.entry(group).or_default().push_back(fresh);
        }
        count
    }

    /// The dead letters.
    pub fn dead(&self) -> &[Entry] {
        &self.dead
    }

    /// Whether nothing is in it, dead letters aside.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// A standard queue: any order, now and then a message twice.
#[derive(Debug)]
pub struct StandardQueue {
    setup: Setup,
    entries: Vec<Entry>,
    dead: Vec<Entry>,
    number: u64,
}

impl StandardQueue {
    /// An empty queue.
    pub fn new(setup: Setup) -> Self {
        Self { setup, entries: Vec::new(), dead: Vec::new(), number: 0 }
    }

    /// Puts a message in that can be received after `delay_ms`.
    pub fn put(&mut self, now: i64, body: String, delay_ms: i64) {
        self.number += 1;
        self.entries.push(Entry {
            sequence: u128::from(self.number),
            lineage: self.number,
            group: None,
            body,
            receives: 0,
            receipt: 0,
            invisible_until: now + delay_ms,
        });
    }

    /// Receives up to ten messages that are visible, whichever.
    pub fn receive(&mut self, now: i64, random: &mut Random) -> Vec<Entry> {
        let mut visible: Vec<usize> =
            (0..self.entries.len()).filter(|index| self.entries[*index].invisible_until <= now).collect();
        random.shuffle(&mut visible);
        visible.truncate(1 + random.below(BATCH_MAX));
        let mut batch = Vec::new();
        let mut dead = Vec::new();
        for index in visible {
            let entry = &mut self.entries[index];
            if entry.receives >= self.setup.receives_max {
                dead.push(entry.sequence);
                continue;
            }
            self.number += 1;
            entry.receives += 1;
            entry.receipt = self.number;
            entry.invisible_until = now + self.setup.visibility_ms;
            batch.push(entry.clone());
        }
        let (gone, kept) =
            std::mem::take(&mut self.entries).into_iter().partition(|entry| dead.contains(&entry.sequence));
        self.entries = kept;
        self.dead.extend::<Vec<Entry>>(gone);
        batch
    }

    /// Makes a message in flight visible at once: "at least once" is a promise, "once" is not.
    pub fn give_back(&mut self, now: i64, receipt: u64) {
        for entry in &mut self.entries {
            if entry.receipt == receipt {
                entry.invisible_until = now;
            }
        }
    }

    /// When the next message can be received, if there is any.
    pub fn next_visible_at(&self) -> Option<i64> {
        self.entries.iter().map(|entry| entry.invisible_until).min()
    }

    /// Deletes a message by its newest receipt.
    pub fn delete(&mut self, receipt: u64) {
        self.entries.retain(|entry| entry.receipt != receipt);
    }

    /// Puts the dead letters back. Gives how many.
    pub fn redrive(&mut self) -> usize {
        let redriven = std::mem::take(&mut self.dead);
        let count = redriven.len();
        self.entries.extend(redriven.into_iter().map(|entry| Entry {
            receives: 0,
            receipt: 0,
            invisible_until: i64::MIN,
            ..entry
        }));
        count
    }

    /// The dead letters.
    pub fn dead(&self) -> &[Entry] {
        &self.dead
    }

    /// Whether nothing is in it, dead letters aside.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
