//! Who may have to tell whom: identities that links connect live in the same shard.

use std::collections::HashMap;

use kairos_engine::bounds::BACKTEST_SHARDS;
use kairos_engine::identifiers::UserKey;

/// Identities connected by links; everybody else stands alone.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Towards the representative of the group.
    parents: HashMap<UserKey, UserKey>,
    /// Of groups of more than one, by their representative.
    members: HashMap<UserKey, Vec<UserKey>>,
}

/// Identities that have to move to another shard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) users: Vec<UserKey>,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Groups {
    /// The shard of an identity.
    pub(crate) fn shard(&self, user: UserKey) -> usize {
        let representative = if self.parents.is_empty() { user } else { self.representative(user) };
        representative.shard(BACKTEST_SHARDS as u32) as usize
    }

    fn representative(&self, user: UserKey) -> UserKey {
        let mut user = user;
        while let Some(parent) = self.parents.get(&user) {
            user = *parent;
        }
        user
    }

    /// Connects two identities; gives who has to move for that.
    pub(crate) fn link(&mut self, one: UserKey, other: UserKey) -> Option<Move> {
        let (one, other) = (self.representative(one), self.representative(other));
        if one == other {
            return None;
        }
        let size = |user: &UserKey| self.members.get(user).map_or(1, Vec::len);
        // The smaller group moves, so that the way to a representative stays short.
        let (joins, stays) = if size(&one) <= size(&other) { (one, other) } else { (other, one) };
        let users = self.members.remove(&joins).unwrap_or_else(|| vec![joins]);
        self.members.entry(stays).or_insert_with(|| vec![stays]).extend(&users);
        let (from, to) = (self.shard(joins), self.shard(stays));
        self.parents.insert(joins, stays);
        (from != to).then_some(Move { users, from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linked_identities_share_a_shard_whatever_the_order_of_the_links() {
        let keys: Vec<UserKey> = (0..40).map(|number| UserKey::known(&number.to_string())).collect();
        let mut groups = Groups::default();
        let mut places: HashMap<UserKey, usize> = keys.iter().map(|key| (*key, groups.shard(*key))).collect();
        for (one, other) in [(0, 1), (2, 3), (1, 3), (10, 11), (11, 12), (12, 2), (0, 12), (30, 31)] {
            if let Some(moved) = groups.link(keys[one], keys[other]) {
                for user in moved.users {
                    assert_eq!(places.insert(user, moved.to), Some(moved.from));
                }
            }
            assert_eq!(groups.shard(keys[one]), groups.shard(keys[other]));
        }
        for key in &keys {
            assert_eq!(places[key], groups.shard(*key), "who moves is said");
        }
    }
}
