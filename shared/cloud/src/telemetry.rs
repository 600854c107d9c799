//! Logs for people and counters for CloudWatch. Neither carries personal data: users appear by their
//! key, which is a hash.
//!
//! Counters are written once per invocation as one line of CloudWatch's Embedded Metric Format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;

use kairos_engine::bounds::METRIC_VALUES_MAX;
use kairos_engine::identifiers::CorrelationId;
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Map, Value, json};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::environment::optional;

thread_local! {
    // Functions run on one thread, one invocation at a time.
    static COUNTERS: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
    static MEASURED: RefCell<BTreeMap<&'static str, Vec<i64>>> = const { RefCell::new(BTreeMap::new()) };
    static INVOCATION: RefCell<Option<CorrelationId>> = const { RefCell::new(None) };
}

/// Starts logging: JSON lines, levels by `RUST_LOG` (`info` when unset). Levels and targets are all that it may speak of:
/// what filters by fields brings regular expressions into every function.
pub fn start_logging() {
    let levels = optional("RUST_LOG").and_then(|levels| levels.parse::<Targets>().ok());
    let levels = levels.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().json().with_target(false).with_span_list(false).without_time();
    tracing_subscriber::registry().with(levels).with(lines).init();
}

/// An invocation begins, with this request id of Lambda's.
pub fn begin(request_id: &str) {
    INVOCATION.set(CorrelationId::parse(request_id));
}

/// What the invocation under way is known by: what it causes carries this.
pub fn invocation() -> Option<CorrelationId> {
    INVOCATION.with_borrow(Clone::clone)
}

/// Notes how long something took, or how late it was, in the invocation under way.
pub fn measure(name: &'static str, span: Span) {
    MEASURED.with_borrow_mut(|measured| {
        let values = measured.entry(name).or_default();
        if values.len() < METRIC_VALUES_MAX {
            values.push(span.as_millis());
        }
    });
}

/// Counts something in the invocation under way.
pub fn count(name: &'static str, how_many: usize) {
    if how_many > 0 {
        COUNTERS.with_borrow_mut(|counters| *counters.entry(name).or_default() += how_many as u64);
    }
}

/// Writes the counters of the invocation that ends, if there are any. Their dimension is the function's
/// full name in Lambda, so that two stacks of one account are told apart.
pub fn flush(function: &'static str, now: Timestamp) {
    let (counters, measured) = (COUNTERS.take(), MEASURED.take());
    if counters.is_empty() && measured.is_empty() {
        return;
    }
    let deployed = optional("AWS_LAMBDA_FUNCTION_NAME");
    let line = metric_line(deployed.as_deref().unwrap_or(function), now, &counters, &measured);
    // A closed standard output leaves nowhere to report that to.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn metric_line(
    function: &str,
    now: Timestamp,
    counters: &BTreeMap<&'static str, u64>,
    measured: &BTreeMap<&'static str, Vec<i64>>,
) -> Value {
    // A count needs no unit: what is logged is paid by the byte.
    let counted = counters.keys().map(|name| json!({ "Name": name }));
    let timed = measured.keys().map(|name| json!({ "Name": name, "Unit": "Milliseconds" }));
    let metrics: Vec<Value> = counted.chain(timed).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".into(),
        json!({
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": [{ "Namespace": "Kairos", "Dimensions": [["function"]], "Metrics": metrics }],
        }),
    );
    line.insert("function".into(), function.into());
    line.extend(counters.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    line.extend(measured.iter().map(|(name, values)| ((*name).to_owned(), Value::from(values.clone()))));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_one_metric_line() {
        let counters = BTreeMap::from([("applied", 3), ("duplicate", 1)]);
        let measured = BTreeMap::from([("alarm_lateness", vec![12, 340])]);
        let line = metric_line("decide", Timestamp::from_millis(5), &counters, &measured);
        assert_eq!(line["applied"], 3);
        assert_eq!(line["alarm_lateness"], json!([12, 340]));
        let timed = json!({ "Name": "alarm_lateness", "Unit": "Milliseconds" });
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][2], timed);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][1]["Name"], "duplicate");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0][0], "function");
    }
}
