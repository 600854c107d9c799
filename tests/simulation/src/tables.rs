//! The tables: conditional writes, strongly consistent reads, and an index that lags behind.

use std::collections::BTreeMap;

use kairos_engine::commit::{Applied, StoredUser};
use kairos_engine::identifiers::UserKey;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;

/// A user's item as it is stored: what is not encoded does not survive.
#[derive(Clone, Debug)]
struct Item {
    state: Vec<u8>,
    outbox: String,
    applied: Option<Applied>,
    alarm_at: Option<Timestamp>,
    revision: u64,
}

/// The users' items with their index of alarms.
#[derive(Debug, Default)]
pub struct UsersTable {
    items: BTreeMap<UserKey, Item>,
    index: BTreeMap<UserKey, Timestamp>,
    /// Changes on their way to the index, in the order of the writes.
    on_their_way: Vec<(i64, UserKey, Option<Timestamp>)>,
}

impl UsersTable {
    /// Reads one item.
    pub fn read(&self, user: UserKey) -> Option<StoredUser> {
        let item = self.items.get(&user)?;
        Some(StoredUser {
            state: UserState::decode(&item.state).expect("what was encoded decodes"),
            outbox: serde_json::from_str(&item.outbox).expect("what was written as JSON reads"),
            applied: item.applied.clone(),
            alarm_at: item.alarm_at,
            revision: item.revision,
            ..StoredUser::default()
        })
    }

    /// The stored revision.
    pub fn revision(&self, user: UserKey) -> Option<u64> {
        self.items.get(&user).map(|item| item.revision)
    }

    /// Writes one item; the index follows at `indexed_at`.
    pub fn write(&mut self, user: UserKey, stored: &StoredUser, indexed_at: i64) {
        // Changes of one item reach the index in their order.
        let indexed_at =
            self.on_their_way.iter().filter(|(_, of, _)| *of == user).map(|(at, ..)| *at).fold(indexed_at, i64::max);
        self.on_their_way.push((indexed_at, user, stored.alarm_at));
        let item = Item {
            state: stored.state.encode(),
            outbox: serde_json::to_string(&stored.outbox).expect("effects are plain data"),
            applied: stored.applied.clone(),
            alarm_at: stored.alarm_at,
            revision: stored.revision,
        };
        self.items.insert(user, item);
    }

    /// What the index shows of one shard, earliest first.
    pub fn due(&mut self, now: i64, shard: u32, shards: u32, until: Timestamp) -> Vec<(UserKey, Timestamp)> {
        let index = &mut self.index;
        self.on_their_way.retain(|(at, user, alarm_at)| {
            if *at > now {
                return true;
            }
            match alarm_at {
                Some(alarm_at) => drop(index.insert(*user, *alarm_at)),
                None => drop(index.remove(user)),
            }
            false
        });
        let of_shard = |(user, due_at): (&UserKey, &Timestamp)| {
            (user.shard(shards) == shard && *due_at <= until).then_some((*user, *due_at))
        };
        let mut due: Vec<_> = self.index.iter().filter_map(of_shard).collect();
        due.sort_by_key(|(_, due_at)| *due_at);
        due
    }

    /// Forgets an alarm that was shown (only a broken design does this).
    pub fn forget_alarm(&mut self, user: UserKey) {
        self.index.remove(&user);
        self.on_their_way.retain(|(_, of, _)| *of != user);
    }

    /// When somebody wants to be woken next.
    pub fn next_alarm(&self) -> Option<Timestamp> {
        self.items.values().filter_map(|item| item.alarm_at).min()
    }

    /// Everybody.
    pub fn users(&self) -> impl Iterator<Item = UserKey> {
        self.items.keys().copied()
    }
}
