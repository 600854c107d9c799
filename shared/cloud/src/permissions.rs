//! Whether a message is still wanted: what the receivers' items and the suppression list say, in one read
//! for all messages of a batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use kairos_engine::bounds::{FORWARD_HOPS_MAX, UNPROCESSED_ROUNDS_MAX};
use kairos_engine::identifiers::{AddressKey, UserKey};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::Channel;
use kairos_engine::state::UserState;
use kairos_protocol::delivery::{Objection, Permissions};
use kairos_protocol::port::Fault;

use crate::items::{Item, left_unprocessed, text, text_in};
use crate::suppressions::{reason_in, suppression_id};
use crate::users::{key, read_state, user_of};

const WHAT: &str = "UsersTable and SuppressionsTable BatchGetItem";

/// The users and the list of dead addresses, as far as it takes to tell.
#[derive(Clone, Debug)]
pub struct StoredPermissions {
    client: Client,
    users: String,
    suppressions: String,
}

/// What one read has found. What cannot be read fails alone.
#[derive(Default)]
struct Found {
    states: BTreeMap<UserKey, Result<UserState, Fault>>,
    suppressions: BTreeMap<String, Result<Objection, Fault>>,
}

impl Found {
    /// What stands against an order by what is known of this user, or who the user has turned out to be.
    fn stands_against(&self, order: &DeliveryOrder, user: UserKey) -> Result<Stands, Fault> {
        if let Some(suppression) = address_of(order).and_then(|address| self.suppressions.get(&address)) {
            return Ok(Stands::Against(suppression.clone()?));
        }
        let Some(state) = self.states.get(&user) else { return Ok(Stands::Nothing) };
        let state = state.as_ref().map_err(Clone::clone)?;
        if state.consent.refuses(order.channel, order.purpose) {
            return Ok(Stands::Against(Objection::NoConsent));
        }
        Ok(state.forwarded_to.map_or(Stands::Nothing, Stands::Asks))
    }
}

/// What one user's item says of a message.
enum Stands {
    Nothing,
    Against(Objection),
    /// This user, too, has to be asked.
    Asks(UserKey),
}

impl StoredPermissions {
    /// Asks the tables with these names.
    pub fn new(client: Client, users: String, suppressions: String) -> Self {
        Self { client, users, suppressions }
    }

    async fn read(&self, users: BTreeSet<UserKey>, addresses: BTreeSet<String>) -> Result<Found, Fault> {
        let built = |table: &str, keys: Vec<Item>, key: &str, wanted: &str| {
            let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
            // `user` and `state` are words of DynamoDB's own.
            let keys = keys.projection_expression("#key, #wanted");
            let keys =
                keys.expression_attribute_names("#key", key).expression_attribute_names("#wanted", wanted).build();
            let keys = keys.map_err(|error| Fault::Permanent { what: WHAT, why: error.to_string() })?;
            Ok::<_, Fault>((table.to_owned(), keys))
        };
        let mut wanted: HashMap<String, KeysAndAttributes> = HashMap::new();
        let users = users.into_iter().map(key).collect();
        wanted.extend([built(&self.users, users, "user", "state")?]);
        let addresses: Vec<_> = addresses.into_iter().map(|id| Item::from([("id".to_owned(), text(id))])).collect();
        if !addresses.is_empty() {
            wanted.extend([built(&self.suppressions, addresses, "id", "reason")?]);
        }
        let mut found = Found::default();
        for _ in 0..UNPROCESSED_ROUNDS_MAX {
            let request = self.client.batch_get_item().set_request_items(Some(wanted));
            let answer = request.send().await.map_err(|error| crate::faults::fault(WHAT, &error))?;
            for (table, items) in answer.responses.unwrap_or_default() {
                for item in items {
                    if table == self.users {
                        found.states.insert(user_of(&item)?, read_state(&item));
                    } else if let Some(id) = text_in(&item, "id") {
                        found.suppressions.insert(id.to_owned(), reason_in(&item).map(Objection::Suppressed));
                    }
                }
            }
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
        }
        Err(left_unprocessed(WHAT))
    }
}

impl Permissions for StoredPermissions {
    async fn objections(&self, orders: &[&DeliveryOrder]) -> Vec<Result<Option<Objection>, Fault>> {
        let mut answers = vec![Ok(None); orders.len()];
        let mut asked: Vec<(usize, UserKey)> = orders.iter().map(|order| order.user).enumerate().collect();
        let mut addresses: BTreeSet<String> = orders.iter().filter_map(|order| address_of(order)).collect();
        for _ in 0..=FORWARD_HOPS_MAX {
            if asked.is_empty() {
                break;
            }
            let users = asked.iter().map(|(_, user)| *user).collect();
            let found = match self.read(users, std::mem::take(&mut addresses)).await {
                Ok(found) => found,
                Err(fault) => {
                    asked.iter().for_each(|(index, _)| answers[*index] = Err(fault.clone()));
                    break;
                }
            };
            let mut passed_on = Vec::new();
            for (index, user) in asked {
                match found.stands_against(orders[index], user) {
                    Ok(Stands::Nothing) => {}
                    Ok(Stands::Against(objection)) => answers[index] = Ok(Some(objection)),
                    Ok(Stands::Asks(to)) => passed_on.push((index, to)),
                    Err(fault) => answers[index] = Err(fault),
                }
            }
            asked = passed_on;
        }
        answers
    }
}

/// The key under which the address of an order is on the suppression list.
fn address_of(order: &DeliveryOrder) -> Option<String> {
    match order.channel {
        // That is the shop's own id of the user, and no address.
        Channel::Webhook | Channel::OnSite | Channel::WebPush | Channel::MobilePush => None,
        channel => Some(suppression_id(channel, AddressKey::of(channel, &order.address))),
    }
}
