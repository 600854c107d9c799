//! A proxy between the functions and the local engine that counts what AWS would charge for.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use ureq::Agent;

use crate::figures::say;
use crate::items::stored_bytes;
use crate::server::{Request, Response, serve};
use crate::stack::authorization;

/// SQS charges each call for each 64 KB of its payload.
const QUEUE_CHUNK_BYTES: usize = 64 * 1024;
/// DynamoDB's write unit.
const WRITE_UNIT_BYTES: usize = 1024;
/// DynamoDB's read unit, strongly consistent.
const READ_UNIT_BYTES: usize = 4 * 1024;

/// Headers that belong to one connection or to the function's own signature.
const NOT_PASSED_ON: [&str; 6] =
    ["host", "content-length", "connection", "transfer-encoding", "authorization", "x-amz-security-token"];

/// What was charged for one operation on one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Charge {
    /// API calls.
    pub calls: u64,
    /// Messages or items in them.
    pub entries: u64,
    /// What is priced: 64 KB chunks of queue calls, capacity units of tables, requests otherwise.
    pub units: f64,
}

/// Charges by operation and resource, such as `PutItem UsersTable`.
pub type Charges = BTreeMap<String, Charge>;

/// The proxy.
#[derive(Clone, Debug)]
pub struct Counting {
    /// Where functions send their calls (`AWS_ENDPOINT_URL`).
    pub endpoint: String,
    charges: Arc<Mutex<BTreeMap<(String, String), Charge>>>,
}

impl Counting {
    /// Starts a proxy in front of the engine at `upstream`.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(upstream: &str) -> io::Result<Self> {
        let agent: Agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let upstream = upstream.to_owned();
        let charges = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = Arc::clone(&charges);
        let address = serve(move |request| {
            let request = with_capacity_asked_for(request);
            let response = match forward(&agent, &upstream, &request) {
                Ok(response) => response,
                Err(error) => {
                    say(&format!("the counting proxy could not pass on {}: {error}", operation(&request)));
                    Response { status: 502, ..Response::json(&error.to_string().into()) }
                }
            };
            if response.status < 300 {
                let mut charges = counted.lock().unwrap_or_else(PoisonError::into_inner);
                for (what, charge) in charges_of(&request, &response) {
                    let sum: &mut Charge = charges.entry(what).or_default();
                    sum.calls += charge.calls;
                    sum.entries += charge.entries;
                    sum.units += charge.units;
                }
            }
            Some(response)
        })?;
        Ok(Self { endpoint: format!("http://{address}"), charges })
    }

    /// The charges since the last time they were taken. `outputs` are those of the template: a resource
    /// is called by the output that names it.
    pub fn take(&self, outputs: &BTreeMap<String, String>) -> Charges {
        let charges = std::mem::take(&mut *self.charges.lock().unwrap_or_else(PoisonError::into_inner));
        let named = charges.into_iter().map(|((operation, resource), charge)| {
            let output = outputs.iter().find(|(_, value)| **value == resource).map_or(&resource, |(name, _)| name);
            (format!("{operation} {output}").trim_end().to_owned(), charge)
        });
        named.collect()
    }
}

/// A write tells what it consumed only when asked to.
fn with_capacity_asked_for(mut request: Request) -> Request {
    let writes = ["PutItem", "UpdateItem", "DeleteItem"];
    if writes.contains(&operation(&request))
        && let Ok(Value::Object(mut body)) = serde_json::from_slice(&request.body)
    {
        body.insert("ReturnConsumedCapacity".into(), "TOTAL".into());
        request.body = Value::Object(body).to_string().into();
    }
    request
}

fn forward(agent: &Agent, upstream: &str, request: &Request) -> io::Result<Response> {
    let mut builder =
        ureq::http::Request::builder().method(request.method.as_str()).uri(format!("{upstream}{}", request.path));
    for (name, value) in &request.headers {
        if !NOT_PASSED_ON.contains(&name.as_str()) {
            builder = builder.header(name, value);
        }
    }
    // The function's signature is for this proxy's address and the body as it was.
    let signed_for = request.headers.get("authorization").and_then(|value| value.split('/').nth(3));
    builder = builder.header("authorization", authorization(signed_for.unwrap_or("sqs")));
    let forwarded = builder.body(request.body.as_slice()).map_err(io::Error::other)?;
    let mut answer = agent.run(forwarded).map_err(io::Error::other)?;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let headers = ["x-amzn-requestid", "x-amz-crc32", "x-amzn-errortype", "x-amzn-query-error"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), header(name)?)))
        .collect();
    let content_type = header("content-type").unwrap_or_default();
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_vec().map_err(io::Error::other)?;
    Ok(Response { status, content_type, headers, body })
}

fn operation(request: &Request) -> &str {
    let target = request.headers.get("x-amz-target").map(String::as_str).unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default()
}

/// Operation and resource of this call, and what AWS would charge for it: for each table, where it is about several. The
/// call itself is counted for the first.
fn charges_of(request: &Request, response: &Response) -> Vec<((String, String), Charge)> {
    let operation = operation(request);
    if !["BatchGetItem", "BatchWriteItem"].contains(&operation) {
        return charge_of(request, response).into_iter().collect();
    }
    let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let answered: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let tables = asked["RequestItems"].as_object().into_iter().flatten().enumerate();
    let charges = tables.map(|(number, (table, wanted))| {
        let calls = u64::from(number == 0);
        let charge = if let Some(keys) = wanted["Keys"].as_array() {
            let items = answered["Responses"][table].as_array().map(Vec::as_slice).unwrap_or_default();
            let found: f64 = items.iter().map(|item| read_units(stored_bytes(item))).sum();
            // A key without an item is charged like a small one.
            Charge { calls, entries: keys.len() as u64, units: found + (keys.len() - items.len()) as f64 }
        } else {
            let written: Vec<&Value> = wanted.as_array().into_iter().flatten().collect();
            let units = written.iter().map(|write| write_units(stored_bytes(&write["PutRequest"]["Item"]))).sum();
            Charge { calls, entries: written.len() as u64, units }
        };
        ((operation.to_owned(), table.clone()), charge)
    });
    charges.collect()
}

/// As [`charges_of`], of a call that is about one resource.
fn charge_of(request: &Request, response: &Response) -> Option<((String, String), Charge)> {
    let operation = operation(request);
    let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let answered: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let one = Charge { calls: 1, entries: 1, units: 1.0 };
    let named = |field: &str| asked[field].as_str().map(str::to_owned);
    let (resource, charge) = match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => {
            let units = answered["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap_or(1.0);
            (named("TableName")?, Charge { units, ..one })
        }
        "GetItem" => {
            let share = if asked["ConsistentRead"] == true { 1.0 } else { 0.5 };
            (named("TableName")?, Charge { units: share * read_units(stored_bytes(&answered["Item"])), ..one })
        }
        "Query" => {
            let bytes = answered["Items"].as_array().into_iter().flatten().map(stored_bytes).sum();
            (named("TableName")?, Charge { units: 0.5 * read_units(bytes), ..one })
        }
        "SendMessage" | "SendMessageBatch" => {
            let entries = asked["Entries"].as_array().map_or(1, Vec::len) as u64;
            let units = request.body.len().div_ceil(QUEUE_CHUNK_BYTES) as f64;
            (named("QueueUrl")?, Charge { calls: 1, entries, units })
        }
        // S3: the first part of the path is the bucket. What is priced besides is the object's size.
        "" => {
            let bucket = request.path.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
            let charge = Charge { units: request.body.len() as f64, ..one };
            return Some(((request.method.clone(), bucket.to_owned()), charge));
        }
        _ => (String::new(), one),
    };
    Some(((operation.to_owned(), resource), charge))
}

/// Of a table without an index.
fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1) as f64
}

fn read_units(bytes: usize) -> f64 {
    bytes.div_ceil(READ_UNIT_BYTES).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn charged(target: &str, asked: Value, answered: Value) -> ((String, String), Charge) {
        let headers = BTreeMap::from([("x-amz-target".to_owned(), target.to_owned())]);
        let request = Request { headers, body: asked.to_string().into(), ..Request::default() };
        let mut charges = charges_of(&request, &Response::json(&answered));
        assert_eq!(charges.len(), 1);
        charges.remove(0)
    }

    #[test]
    fn calls_are_charged_as_the_price_list_says() {
        let large = "x".repeat(70_000);
        for (target, asked, answered, what, expected) in [
            (
                "DynamoDB_20120810.PutItem",
                json!({"TableName": "u"}),
                json!({"ConsumedCapacity": {"CapacityUnits": 2.0}}),
                ("PutItem", "u"),
                (1, 1, 2.0),
            ),
            (
                "DynamoDB_20120810.BatchGetItem",
                json!({"RequestItems": {"u": {"Keys": [1, 2]}}}),
                json!({"Responses": {"u": [{"user": {"S": "x".repeat(5_000)}}]}}),
                ("BatchGetItem", "u"),
                (1, 2, 3.0),
            ),
            (
                "DynamoDB_20120810.BatchWriteItem",
                json!({"RequestItems": {"u": [{"PutRequest": {"Item": {"user": {"S": "x".repeat(1_500)}}}}]}}),
                json!({"UnprocessedItems": {}}),
                ("BatchWriteItem", "u"),
                (1, 1, 2.0),
            ),
            ("DynamoDB_20120810.GetItem", json!({"TableName": "u"}), json!({}), ("GetItem", "u"), (1, 1, 0.5)),
            (
                "AmazonSQS.SendMessageBatch",
                json!({"QueueUrl": "q", "Entries": [{}, {}]}),
                json!({}),
                ("SendMessageBatch", "q"),
                (1, 2, 1.0),
            ),
            (
                "AmazonSQS.SendMessageBatch",
                json!({"QueueUrl": "q", "Entries": [{"MessageBody": large}]}),
                json!({}),
                ("SendMessageBatch", "q"),
                (1, 1, 2.0),
            ),
        ] {
            let (calls, entries, units) = expected;
            let ((operation, resource), charge) = charged(target, asked, answered);
            assert_eq!((operation.as_str(), resource.as_str()), what);
            assert_eq!(charge, Charge { calls, entries, units }, "{target}");
        }
    }
}
