//! What DynamoDB charges for, computed from what is stored.

use kairos_engine::bounds::{ALARM_SHARDS, USER_RETENTION};
use kairos_engine::commit::{Applied, StoredUser};
use kairos_engine::identifiers::UserKey;

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

    #[test]
    fn an_items_size_is_that_of_its_names_and_values() {
        let stored = StoredUser { revision: 12, ..StoredUser::default() };
        let state = stored.state.encode().len();
        let expires = number("expires_at", USER_RETENTION.as_millis().unsigned_abs() as u128 / 1_000);
        assert_eq!(item_bytes(UserKey::known("42"), &stored), 4 + 32 + 5 + state + 8 + 2 + expires);
    }
}
