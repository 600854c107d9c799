//! What DynamoDB charges for, computed from what is stored.

use kairos_engine::bounds::{ALARM_SHARDS, USER_RETENTION};
use kairos_engine::commit::{Applied, StoredUser};
use kairos_engine::identifiers::UserKey;
use serde_json::Value;

/// The size of a user's item as DynamoDB counts it: names and values of all attributes; see
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.
/// The attributes are those of `kairos_cloud::users`.
pub fn item_bytes(user: UserKey, stored: &StoredUser) -> usize {
    let mut bytes = text("user", &user.to_string()) + "state".len() + stored.state.encode().len();
    bytes += number("revision", stored.revision.into());
    bytes += number("expires_at", stored.state.clock.plus(USER_RETENTION).as_secs().unsigned_abs().into());
    if !stored.outbox.is_empty() {
        bytes += "outbox".len() + serde_json::to_vec(&stored.outbox).map_or(0, |outbox| outbox.len());
    }
    if let Some(Applied { queue, sequence }) = &stored.applied {
        bytes += text("applied_queue", queue) + number("applied_sequence", *sequence);
    }
    if let Some(alarm_at) = stored.alarm_at {
        bytes += number("alarm_shard", user.shard(ALARM_SHARDS).into());
        bytes += number("alarm_at", alarm_at.as_millis().unsigned_abs().into());
    }
    bytes
}

/// The size of an item as DynamoDB counts it, from its JSON.
pub fn stored_bytes(item: &Value) -> usize {
    let attributes = item.as_object().into_iter().flatten();
    attributes.map(|(name, value)| attribute_bytes(name, value)).sum()
}

fn attribute_bytes(name: &str, value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else { return name.len() };
    let given = value.as_str().unwrap_or_default();
    match kind.as_str() {
        "S" => text(name, given),
        "B" => name.len() + given.trim_end_matches('=').len() * 3 / 4,
        "N" => number(name, given.parse().unwrap_or(0)),
        // A list or a map costs three bytes and one for each entry.
        "M" => {
            name.len()
                + 3
                + value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| 1 + attribute_bytes(name, value))
                    .sum::<usize>()
        }
        "L" => {
            name.len()
                + 3
                + value.as_array().into_iter().flatten().map(|value| 1 + attribute_bytes("", value)).sum::<usize>()
        }
        _ => name.len() + 1,
    }
}

fn text(name: &str, value: &str) -> usize {
    name.len() + value.len()
}

/// A number takes a byte for two significant digits, and one more.
fn number(name: &str, value: u128) -> usize {
    let digits = value.to_string();
    name.len() + digits.trim_end_matches('0').len().div_ceil(2) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_items_size_is_that_of_its_names_and_values() {
        let stored = StoredUser { revision: 12, ..StoredUser::default() };
        let state = stored.state.encode().len();
        let expires = number("expires_at", USER_RETENTION.as_millis().unsigned_abs() as u128 / 1_000);
        let item = json!({"user": {"S": "x".repeat(32)}, "revision": {"N": "12"}, "state": {"B": "AAAA"}, "list": {"L": [{"BOOL": true}]}});
        assert_eq!(stored_bytes(&item), 4 + 32 + 8 + 2 + 5 + 3 + 4 + 3 + 2);
        assert_eq!(item_bytes(UserKey::known("42"), &stored), 4 + 32 + 5 + state + 8 + 2 + expires);
    }
}
