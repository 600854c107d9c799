//! Calls of the Segment spec, read as ingest reads them.

use kairos_engine::bounds::{BATCH_BYTES_MAX, JSON_DEPTH_MAX};
use kairos_engine::segment_spec::{Facts, decode, inputs_of};
use kairos_engine::time::Timestamp;
use serde_json::{Map, Value};

use super::{Defaults, Rows};

/// A time that no call has: stands for one that is not known.
const NEVER: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// Calls, one or a batch in each line.
#[derive(Debug)]
pub(crate) struct Segment;

impl Segment {
    pub(crate) fn read(&self, line: &[u8], defaults: &Defaults, rows: &mut Rows) -> Result<(), String> {
        if line.len() > BATCH_BYTES_MAX {
            return Err(format!("it has {} bytes and may have {BATCH_BYTES_MAX}: write smaller batches", line.len()));
        }
        let Value::Object(mut row) = serde_json::from_slice(line)
            .map_err(|error| format!("it is no JSON ({error}): write one object in a line"))?
        else {
            return Err("it is no JSON object: write one call, or one batch, in a line".to_owned());
        };
        // Brackets may stand in texts: the exact depth is counted only where it could be too much.
        let brackets = line.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
        if brackets > JSON_DEPTH_MAX && row.values().any(|value| deeper_than(value, JSON_DEPTH_MAX)) {
            return Err(format!("it is nested deeper than {JSON_DEPTH_MAX} levels: write flatter properties"));
        }
        let received_at = time(&row, "receivedAt");
        let first = rows.inputs.len();
        let mut wrong = Ok(());
        match row.remove("batch") {
            Some(Value::Array(calls)) => {
                let envelope =
                    Envelope { received_at, sent_at: time(&row, "sentAt"), write_key: text(&row, "writeKey") };
                for (index, call) in calls.into_iter().enumerate() {
                    if let Err(what) = read_call(call, index, &envelope, defaults, rows) {
                        wrong = Err(format!("call {} of the batch: {what}", index + 1));
                    }
                }
            }
            Some(_) => return Err("\"batch\" must be a list of calls".to_owned()),
            None => {
                let envelope = Envelope { received_at, sent_at: None, write_key: None };
                wrong = read_call(Value::Object(row), 0, &envelope, defaults, rows);
            }
        }
        // What is sent in one request is applied in the order of the client's time.
        rows.inputs[first..].sort_by_key(|routed| routed.at);
        wrong
    }
}

struct Envelope {
    received_at: Option<Timestamp>,
    sent_at: Option<Timestamp>,
    write_key: Option<String>,
}

fn read_call(
    call: Value,
    index: usize,
    envelope: &Envelope,
    defaults: &Defaults,
    rows: &mut Rows,
) -> Result<(), String> {
    let fields = call.as_object();
    let own = |name: &str| fields.and_then(|call| time(call, name));
    let received_at = own("receivedAt").or(envelope.received_at);
    // An archive keeps the client's own time apart from the one it has corrected, which is final.
    let is_corrected = own("originalTimestamp").is_some() && own("timestamp").is_some();
    let write_key = fields.and_then(|call| text(call, "writeKey")).or_else(|| envelope.write_key.clone());
    let source = write_key.and_then(|key| defaults.write_keys.get(&key)).unwrap_or(&defaults.source);
    let facts = Facts {
        source,
        received_at: received_at.unwrap_or(NEVER),
        sent_at: envelope.sent_at,
        call: None,
        index,
        historical: is_corrected || received_at.is_none(),
    };
    let decoded = decode(call, &facts).map_err(|refusal| refusal.to_string())?;
    if decoded.event.at == NEVER {
        return Err("it has no time: write \"timestamp\", as in 2026-11-21T10:00:00Z".to_owned());
    }
    rows.check_time(decoded.event.at)?;
    rows.events += 1;
    for (user, input) in inputs_of(decoded.event) {
        rows.push(user, input, false);
    }
    Ok(())
}

fn time(row: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    Timestamp::parse(row.get(name)?.as_str()?)
}

fn text(row: &Map<String, Value>, name: &str) -> Option<String> {
    row.get(name)?.as_str().map(str::to_owned)
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else {
        return matches!(value, Value::Array(_) | Value::Object(_));
    };
    match value {
        Value::Array(values) => values.iter().any(|value| deeper_than(value, levels)),
        Value::Object(fields) => fields.values().any(|value| deeper_than(value, levels)),
        _ => false,
    }
}
