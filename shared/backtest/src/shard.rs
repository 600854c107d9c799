//! A part of the users: their states, and the inputs that wait for their turn.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use kairos_engine::event::{Event, EventKind};
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::{Effect, Input};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::step::step;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value};

use crate::Reachable;
use crate::formats::{Defaults, Made, Recorded};
use crate::tally::{Places, Tally};

/// The span in which the messages of one user are counted for the gate.
const WEEK: Span = Span::from_hours(7 * 24);

/// An input in the order of the whole recording.
#[derive(Debug)]
pub(crate) struct Item {
    /// When it is applied: when it happened, or when it came, when that was too late to bring it into order.
    pub(crate) now: Timestamp,
    /// Its place in the recording: the piece and the row.
    pub(crate) place: u64,
    /// Whose it is.
    pub(crate) user: UserKey,
    /// Whether the recording says nothing else of the user.
    pub(crate) introduce: bool,
    /// What happened.
    pub(crate) what: Recorded,
}

/// A playbook that is played.
#[derive(Debug)]
pub(crate) struct Playing<'a> {
    pub(crate) program: &'a Program,
    pub(crate) places: Places,
    pub(crate) reachable: Reachable,
    pub(crate) defaults: Defaults,
}

/// A part of the users, in one or several playbooks' worlds.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) pending: Vec<Item>,
    pub(crate) worlds: Vec<World>,
}

/// Users as one playbook has made them.
#[derive(Debug)]
pub(crate) struct World {
    /// In boxes: states are large, and a table that grows moves what is in it.
    pub(crate) users: HashMap<UserKey, Box<User>, BuildHasherDefault<KeyHasher>>,
    pub(crate) tally: Tally,
}

/// One user.
#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) state: UserState,
    /// When the first of the user's alarms rings: kept at hand, because most of their memory is not.
    next_deadline: Option<Timestamp>,
    /// Most users never get a message.
    pub(crate) sends: Option<Box<Sends>>,
}

/// The messages of one user.
#[derive(Debug, Default)]
pub(crate) struct Sends {
    /// How many, by play.
    pub(crate) plays: Vec<(usize, u64)>,
    /// Those of the last week.
    recent: VecDeque<Timestamp>,
    /// The most within a week.
    pub(crate) week_max: u64,
}

impl Sends {
    fn add(&mut self, play: usize, count: u64) {
        match self.plays.iter_mut().find(|(known, _)| *known == play) {
            Some((_, own)) => *own += count,
            None => self.plays.push((play, count)),
        }
    }

    fn sent(&mut self, play: usize, at: Timestamp) {
        self.add(play, 1);
        self.recent.push_back(at);
        while self.recent.front().is_some_and(|first| at.since(*first) >= WEEK) {
            self.recent.pop_front();
        }
        self.week_max = self.week_max.max(self.recent.len() as u64);
    }

    /// Takes in the messages that a visitor got who is this user.
    fn merge(&mut self, visitor: Self) {
        visitor.plays.into_iter().for_each(|(play, count)| self.add(play, count));
        self.recent.extend(visitor.recent);
        self.recent.make_contiguous().sort_unstable();
        if let Some(last) = self.recent.back().copied() {
            self.recent.retain(|at| last.since(*at) < WEEK);
        }
        self.week_max = self.week_max.max(visitor.week_max).max(self.recent.len() as u64);
    }
}

impl Shard {
    /// Applies what is pending up to `until`, in the order of the recording.
    pub(crate) fn apply(&mut self, playing: &[Playing<'_>], until: Timestamp, made: &mut Made) {
        // Stable: what one row says stays in its order.
        self.pending.sort_by_key(|item| (item.now, item.place));
        let ready = self.pending.partition_point(|item| item.now <= until);
        let later = self.pending.split_off(ready);
        let ready = std::mem::replace(&mut self.pending, later);
        for (world, playing) in self.worlds.iter_mut().zip(playing) {
            world.apply(playing, &ready, made);
        }
    }

    /// Lets the clock of every user run to the end.
    pub(crate) fn finish(&mut self, playing: &[Playing<'_>], end: Timestamp) {
        for (world, playing) in self.worlds.iter_mut().zip(playing) {
            let World { users, tally } = world;
            for (key, user) in users {
                user.fire(playing, *key, end, tally);
            }
        }
    }
}

impl World {
    pub(crate) fn new(program: &Program) -> Self {
        Self { users: HashMap::default(), tally: Tally::new(program.playbook()) }
    }

    fn apply(&mut self, playing: &Playing<'_>, items: &[Item], made: &mut Made) {
        let mut told: VecDeque<(UserKey, UserKey, Input)> = VecDeque::new();
        for (index, item) in items.iter().enumerate() {
            self.take(playing, item, made, &mut told);
            // What one actor tells another comes behind everything that the same row says, as it does when
            // it goes through a queue.
            let row_ends = items.get(index + 1).is_none_or(|next| (next.now, next.place) != (item.now, item.place));
            while row_ends && let Some((from, to, input)) = told.pop_front() {
                self.carry_over(from, to, &input);
                self.give(playing, to, &input, item.now, &mut told);
            }
        }
    }

    fn take(
        &mut self,
        playing: &Playing<'_>,
        item: &Item,
        made: &mut Made,
        told: &mut VecDeque<(UserKey, UserKey, Input)>,
    ) {
        let input = item.what.input(&playing.defaults, made);
        if item.introduce && !self.users.contains_key(&item.user) {
            let introduction = introduction(playing, input);
            self.users.insert(item.user, Box::default());
            if let Some(introduction) = introduction {
                self.give(playing, item.user, &introduction, item.now, told);
            }
        }
        // A format that has no call for it says with every row who a visitor is.
        if let Input::Link { to, .. } = input
            && self.users.get(&item.user).is_some_and(|user| user.state.forwarded_to == Some(*to))
        {
            return;
        }
        self.give(playing, item.user, input, item.now, told);
    }

    fn give(
        &mut self,
        playing: &Playing<'_>,
        key: UserKey,
        input: &Input,
        now: Timestamp,
        told: &mut VecDeque<(UserKey, UserKey, Input)>,
    ) {
        let Self { users, tally } = self;
        let user = users.entry(key).or_default();
        user.fire(playing, key, now, tally);
        let effects = user.step(playing, key, input, now, tally);
        for effect in effects {
            if let Effect::Tell { user: to, input } = effect {
                told.push_back((key, to, *input));
            }
        }
    }

    /// The messages that a visitor got are those of the user the visitor turns out to be.
    fn carry_over(&mut self, from: UserKey, to: UserKey, input: &Input) {
        if matches!(input, Input::Merge { .. })
            && let Some(sends) = self.users.get_mut(&from).and_then(|visitor| visitor.sends.take())
        {
            self.users.entry(to).or_default().sends.get_or_insert_default().merge(*sends);
        }
    }
}

impl User {
    /// Rings every alarm that is due by `until`, each at its own time, as it rings live.
    fn fire(&mut self, playing: &Playing<'_>, key: UserKey, until: Timestamp, tally: &mut Tally) {
        let mut last = None;
        while let Some(due_at) = self.next_deadline
            && due_at <= until
            // A tick answers everything that is due at its time.
            && last < Some(due_at)
        {
            last = Some(due_at);
            self.step(playing, key, &Input::Tick { at: due_at }, due_at, tally);
        }
    }

    fn step(
        &mut self,
        playing: &Playing<'_>,
        key: UserKey,
        input: &Input,
        now: Timestamp,
        tally: &mut Tally,
    ) -> Vec<Effect> {
        let stepped = step(playing.program, key, &mut self.state, std::slice::from_ref(input), now);
        self.next_deadline = self.state.next_deadline();
        let sends = &mut self.sends;
        tally.note(&playing.places, &stepped, |play, at| sends.get_or_insert_default().sent(play, at));
        stepped.effects
    }
}

/// Since when the people of a recording are customers: long before any play that greets new ones.
const CUSTOMERS_SINCE: &str = "1990-01-01T00:00:00.000Z";

/// Recordings without addresses say nothing of how to reach people: as a customer of long standing with a
/// test address, a person says so just before the first event.
fn introduction(playing: &Playing<'_>, first: &Input) -> Option<Input> {
    let Input::Event { event, .. } = first else { return None };
    let id = match (&event.user_id, &event.anonymous_id) {
        (Some(user_id), _) => user_id,
        (None, Some(visitor)) if playing.reachable.visitors => visitor,
        _ => return None,
    };
    let mut traits = Map::new();
    traits.insert("createdAt".to_owned(), CUSTOMERS_SINCE.into());
    if playing.reachable.email {
        traits.insert("email".to_owned(), test_address(id).into());
    }
    if playing.reachable.sms {
        traits.insert("phone".to_owned(), Value::from(TEST_PHONE));
    }
    let introduction = Event::new(
        // The event's own, turned around: no other input has it.
        InputId::from_bytes(event.id.as_bytes().map(|byte| !byte)),
        event.at,
        event.source.clone(),
        event.user_id.clone(),
        event.anonymous_id.clone(),
        EventKind::Identify { traits },
        Map::new(),
    );
    Some(Input::event(introduction))
}

/// A number that belongs to nobody: North America keeps 555-0100 to 555-0199 for fiction.
const TEST_PHONE: &str = "+12025550100";

/// An address that belongs to nobody (RFC 2606).
fn test_address(id: &str) -> String {
    let plain: String = id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(50).collect();
    format!("user-{plain}@shop.example")
}

/// Keys are hashes already.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(5) ^ u64::from_ne_bytes(word);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
