//! Calls of the Segment spec, read as ingest reads them.

use kairos_engine::bounds::{BATCH_BYTES_MAX, JSON_DEPTH_MAX};
use kairos_engine::segment_spec::{Facts, Field, Fields, decode_fields, fields_of, inputs_of};
use kairos_engine::time::Timestamp;
use serde_json::Value;

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
        let mut row = fields(line)?;
        // Brackets may stand in texts: the exact depth is counted only where it could be too much.
        let brackets = memchr::memchr2_iter(b'{', b'[', line).count();
        if brackets > JSON_DEPTH_MAX && row.all().any(|(_, value)| deeper_than(value, JSON_DEPTH_MAX)) {
            return Err(format!("it is nested deeper than {JSON_DEPTH_MAX} levels: write flatter properties"));
        }
        let received_at = time(&row, Field::ReceivedAt);
        let first = rows.inputs.len();
        let mut wrong = Ok(());
        match row.take(Field::Batch) {
            Some(Value::Array(calls)) => {
                let envelope = Envelope {
                    received_at,
                    sent_at: time(&row, Field::SentAt),
                    write_key: text(&row, Field::WriteKey),
                };
                for (index, call) in calls.into_iter().enumerate() {
                    let call = fields_of(call).map_err(|refusal| refusal.to_string());
                    let read = call.and_then(|call| read_call(call, index, &envelope, defaults, rows));
                    if let Err(what) = read {
                        wrong = Err(format!("call {} of the batch: {what}", index + 1));
                    }
                }
            }
            Some(_) => return Err("\"batch\" must be a list of calls".to_owned()),
            None => {
                let envelope = Envelope { received_at, sent_at: None, write_key: None };
                wrong = read_call(row, 0, &envelope, defaults, rows);
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
    call: Fields,
    index: usize,
    envelope: &Envelope,
    defaults: &Defaults,
    rows: &mut Rows,
) -> Result<(), String> {
    let received_at = time(&call, Field::ReceivedAt).or(envelope.received_at);
    // An archive keeps the client's own time apart from the one it has corrected, which is final.
    let is_corrected = time(&call, Field::OriginalTimestamp).is_some() && time(&call, Field::Timestamp).is_some();
    let write_key = text(&call, Field::WriteKey).or_else(|| envelope.write_key.clone());
    let source = write_key.and_then(|key| defaults.write_keys.get(&key)).unwrap_or(&defaults.source);
    let facts = Facts {
        source,
        received_at: received_at.unwrap_or(NEVER),
        sent_at: envelope.sent_at,
        call: None,
        index,
        historical: is_corrected || received_at.is_none(),
    };
    let decoded = decode_fields(call, &facts).map_err(|refusal| refusal.to_string())?;
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

/// The fields of a line.
fn fields(line: &[u8]) -> Result<Fields, String> {
    // Checked once, instead of with each text in it.
    let fields = std::str::from_utf8(line).ok().and_then(|line| serde_json::from_str(line).ok());
    if let Some(fields) = fields {
        return Ok(fields);
    }
    match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => Ok(fields.into()),
        Ok(_) => Err("it is no JSON object: write one call, or one batch, in a line".to_owned()),
        Err(error) => Err(format!("it is no JSON ({error}): write one object in a line")),
    }
}

fn time(row: &Fields, field: Field) -> Option<Timestamp> {
    Timestamp::parse(row.get(field)?.as_str()?)
}

fn text(row: &Fields, field: Field) -> Option<String> {
    row.get(field)?.as_str().map(str::to_owned)
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
