//! Whether a message is still wanted: what its receiver's item and the suppression list say, in one read.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use kairos_engine::bounds::{FORWARD_HOPS_MAX, UNPROCESSED_ROUNDS_MAX};
use kairos_engine::identifiers::{AddressKey, UserKey};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::Channel;
use kairos_engine::state::UserState;
use kairos_protocol::delivery::{Objection, Permissions};
use kairos_protocol::port::Fault;

use crate::suppressions::{reason_in, suppression_id};
use crate::users::{key, read_state};

type Item = HashMap<String, AttributeValue>;

const WHAT: &str = "UsersTable and SuppressionsTable BatchGetItem";

/// The users and the list of dead addresses, as far as it takes to tell.
#[derive(Clone, Debug)]
pub struct StoredPermissions {
    client: Client,
    users: String,
    suppressions: String,
}

/// What one read has found.
struct Found {
    state: Option<UserState>,
    suppression: Option<Objection>,
}

impl StoredPermissions {
    /// Asks the tables with these names.
    pub fn new(client: Client, users: String, suppressions: String) -> Self {
        Self { client, users, suppressions }
    }

    async fn read(&self, user: UserKey, address: Option<(Channel, AddressKey)>) -> Result<Found, Fault> {
        let address = address
            .map(|(channel, key)| HashMap::from([("id".to_owned(), AttributeValue::S(suppression_id(channel, key)))]));
        let built = |keys: Vec<Item>, projection: &str, name: &str| {
            let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
            // `state` is a word of DynamoDB's own.
            let keys = keys.projection_expression("#wanted").expression_attribute_names("#wanted", projection);
            keys.build().map(|keys| (name.to_owned(), keys))
        };
        let not_built =
            |error: aws_sdk_dynamodb::error::BuildError| Fault::Permanent { what: WHAT, why: error.to_string() };
        let mut wanted: BTreeMap<String, KeysAndAttributes> = BTreeMap::new();
        wanted.extend([built(vec![key(user)], "state", &self.users).map_err(not_built)?]);
        if let Some(address) = address {
            wanted.extend([built(vec![address], "reason", &self.suppressions).map_err(not_built)?]);
        }
        let mut found = Found { state: None, suppression: None };
        for _ in 0..UNPROCESSED_ROUNDS_MAX {
            let request = self.client.batch_get_item().set_request_items(Some(wanted.into_iter().collect()));
            let answer = request.send().await.map_err(|error| crate::faults::fault(WHAT, &error))?;
            for (table, items) in answer.responses.unwrap_or_default() {
                for item in items {
                    if table == self.users {
                        found.state = Some(read_state(&item)?);
                    } else {
                        found.suppression = Some(Objection::Suppressed(reason_in(&item)?));
                    }
                }
            }
            wanted = answer.unprocessed_keys.unwrap_or_default().into_iter().collect();
            if wanted.is_empty() {
                return Ok(found);
            }
        }
        Err(Fault::Retryable { what: WHAT, why: "DynamoDB left it unprocessed (throttled)".into() })
    }
}

impl Permissions for StoredPermissions {
    async fn objection(&self, order: &DeliveryOrder) -> Result<Option<Objection>, Fault> {
        let mut address = match order.channel {
            // That is the shop's own id of the user, and no address.
            Channel::Webhook | Channel::OnSite | Channel::WebPush | Channel::MobilePush => None,
            channel => Some((channel, AddressKey::of(channel, &order.address))),
        };
        let mut user = order.user;
        for _ in 0..=FORWARD_HOPS_MAX {
            let found = self.read(user, address.take()).await?;
            if found.suppression.is_some() {
                return Ok(found.suppression);
            }
            let Some(state) = found.state else { break };
            if state.consent.refuses(order.channel, order.purpose) {
                return Ok(Some(Objection::NoConsent));
            }
            let Some(to) = state.forwarded_to else { break };
            user = to;
        }
        Ok(None)
    }
}
