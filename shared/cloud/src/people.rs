//! Users by what a person knows of them: an id in the shop, a visitor's id, a user key, or an address.
//!
//! An address leads to whoever was written to there ([`AddressesTable`]): nobody else is found by it, as no index of all
//! addresses is kept.

use kairos_engine::bounds::{FORWARD_HOPS_MAX, ID_BYTES_MAX, PEOPLE_FOUND_MAX};
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::{AddressKey, UserKey};
use kairos_engine::playbook::Channel;
use kairos_engine::profile::read_as_addresses;
use kairos_protocol::mailboxes::Users;
use kairos_protocol::port::Fault;

use crate::addresses::AddressesTable;
use crate::users::UsersTable;

/// By what somebody was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// Their id in the shop (`userId`).
    UserId,
    /// Their id as a visitor (`anonymousId`).
    AnonymousId,
    /// Their user key.
    Key,
    /// An address on this channel that they were written to at.
    Address(Channel),
}

impl FoundBy {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserId => "user id",
            Self::AnonymousId => "visitor id",
            Self::Key => "user key",
            Self::Address(channel) => channel.as_str(),
        }
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// By what they were found.
    pub by: FoundBy,
    /// Their actor.
    pub key: UserKey,
    /// What is kept of them.
    pub stored: StoredUser,
    /// The visitors who proved to be them, on the way from what was asked for.
    pub visitors: Vec<UserKey>,
}

/// Finds users.
#[derive(Clone, Debug)]
pub struct People {
    users: UsersTable,
    addresses: AddressesTable,
}

impl People {
    /// Finds them in these tables.
    pub fn new(users: UsersTable, addresses: AddressesTable) -> Self {
        Self { users, addresses }
    }

    /// Whom a text means, the likeliest first, each once, at most [`PEOPLE_FOUND_MAX`].
    ///
    /// # Errors
    /// When DynamoDB fails or a user's item cannot be read.
    pub async fn find(&self, text: &str) -> Result<Vec<Person>, Fault> {
        let text = text.trim();
        if text.is_empty() || text.len() > ID_BYTES_MAX {
            return Ok(Vec::new());
        }
        let mut asked = keys_of(text);
        for (channel, address) in read_as_addresses(text) {
            let users = self.addresses.users(channel, AddressKey::of(channel, &address)).await?;
            asked.extend(users.into_iter().map(|user| (FoundBy::Address(channel), user)));
        }
        asked.truncate(PEOPLE_FOUND_MAX);
        let keys: Vec<UserKey> = asked.iter().map(|(_, key)| *key).collect();
        let mut loaded = self.users.load(&distinct(keys)).await?;
        let mut found: Vec<Person> = Vec::new();
        for (by, key) in asked {
            let Some(stored) = loaded.remove(&key).transpose()? else { continue };
            let person = self.followed(by, key, stored).await?;
            if !found.iter().any(|known| known.key == person.key) {
                found.push(person);
            }
        }
        Ok(found)
    }

    /// The user with this key, or whom they proved to be.
    ///
    /// # Errors
    /// When DynamoDB fails or a user's item cannot be read.
    pub async fn of_key(&self, key: UserKey) -> Result<Option<Person>, Fault> {
        match self.users.get(key).await? {
            Some(stored) => Ok(Some(self.followed(FoundBy::Key, key, stored).await?)),
            None => Ok(None),
        }
    }

    /// The user as whom a visitor is known by now.
    async fn followed(&self, by: FoundBy, mut key: UserKey, mut stored: StoredUser) -> Result<Person, Fault> {
        let mut visitors = Vec::new();
        for _ in 0..FORWARD_HOPS_MAX {
            let Some(to) = stored.state.forwarded_to else { break };
            let Some(next) = self.users.get(to).await? else { break };
            visitors.push(key);
            (key, stored) = (to, next);
        }
        Ok(Person { by, key, stored, visitors })
    }
}

/// The users that a text names by itself.
fn keys_of(text: &str) -> Vec<(FoundBy, UserKey)> {
    let ids = [(FoundBy::UserId, UserKey::known(text)), (FoundBy::AnonymousId, UserKey::anonymous(text))];
    ids.into_iter().chain(UserKey::parse(text).map(|key| (FoundBy::Key, key))).collect()
}

fn distinct(mut keys: Vec<UserKey>) -> Vec<UserKey> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::state::UserState;
    use kairos_engine::time::Timestamp;
    use serde_json::{Value, json};

    use crate::stand_in::{Call, client};
    use crate::users::write_item;

    fn stored(state: UserState) -> StoredUser {
        StoredUser { state, revision: 1, ..StoredUser::default() }
    }

    /// Tables with a user, a visitor who proved to be them, and a phone number at which they were written to.
    fn people() -> People {
        let (ann, visitor) = (UserKey::known("ann"), UserKey::anonymous("v-1"));
        let items = [
            write_item(ann, &stored(UserState { user_id: Some("ann".into()), ..UserState::default() }), NOW),
            write_item(visitor, &stored(UserState { forwarded_to: Some(ann), ..UserState::default() }), NOW),
        ];
        let answer = move |call: &Call| -> Value {
            match call.operation.as_str() {
                "BatchGetItem" => {
                    let keys = call.body["RequestItems"]["users"]["Keys"].as_array().cloned().unwrap_or_default();
                    let asked = |item: &Value| keys.iter().any(|key| key["user"] == item["user"]);
                    let found: Vec<Value> = items.iter().map(crate::stand_in::json).filter(asked).collect();
                    json!({ "Responses": { "users": found } })
                }
                "Query" => {
                    let address = &call.body["ExpressionAttributeValues"][":address"]["S"];
                    let key = AddressKey::of(Channel::Sms, "+491701234567");
                    let is_theirs = *address == format!("sms#{key}").as_str();
                    let users = if is_theirs { vec![json!({ "user": { "S": visitor.to_string() } })] } else { vec![] };
                    json!({ "Items": users, "Count": users.len() })
                }
                other => panic!("{other} is not asked for"),
            }
        };
        let client = client(answer);
        People::new(UsersTable::new(client.clone(), "users".into()), AddressesTable::new(client, "addresses".into()))
    }

    const NOW: Timestamp = Timestamp::from_millis(1_763_726_400_000);

    #[tokio::test]
    async fn people_are_found_by_whatever_is_known_of_them_and_visitors_lead_to_whom_they_proved_to_be() {
        let people = people();
        let key = UserKey::known("ann").to_string();
        for (text, by, visitors) in [
            ("ann", Some(FoundBy::UserId), 0),
            (" ann ", Some(FoundBy::UserId), 0),
            ("v-1", Some(FoundBy::AnonymousId), 1),
            (key.as_str(), Some(FoundBy::Key), 0),
            ("+49 170 1234567", Some(FoundBy::Address(Channel::Sms)), 1),
            ("+49 170 7654321", None, 0),
            ("ann@shop.example", None, 0),
            ("'; DROP TABLE users; --", None, 0),
            ("../../etc/passwd", None, 0),
            ("", None, 0),
            ("  ", None, 0),
        ] {
            let found = people.find(text).await.unwrap();
            assert_eq!(found.first().map(|person| person.by), by, "{text}");
            if let [person] = found.as_slice() {
                assert_eq!((person.key, person.visitors.len()), (UserKey::known("ann"), visitors), "{text}");
            }
        }
        let long = "x".repeat(ID_BYTES_MAX + 1);
        assert!(people.find(&long).await.unwrap().is_empty());
        assert_eq!(people.of_key(UserKey::anonymous("v-1")).await.unwrap().unwrap().key, UserKey::known("ann"));
        assert!(people.of_key(UserKey::known("bob")).await.unwrap().is_none());
    }
}
