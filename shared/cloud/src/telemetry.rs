//! Logs for people and counters for CloudWatch. Neither carries personal data: users appear by their
//! key, which is a hash.
//!
//! Counters are written once per invocation as one line of CloudWatch's Embedded Metric Format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;

use kairos_engine::time::Timestamp;
use serde_json::{Map, Value, json};
use tracing_subscriber::EnvFilter;

use crate::environment::optional;

thread_local! {
    // Functions run on one thread, one invocation at a time.
    static COUNTERS: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Starts logging: JSON lines, level by `RUST_LOG` (`info` when unset).
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_target(false).without_time().init();
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
    let counters = COUNTERS.take();
    if counters.is_empty() {
        return;
    }
    let deployed = optional("AWS_LAMBDA_FUNCTION_NAME");
    let line = metric_line(deployed.as_deref().unwrap_or(function), now, &counters);
    // A closed standard output leaves nowhere to report that to.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn metric_line(function: &str, now: Timestamp, counters: &BTreeMap<&'static str, u64>) -> Value {
    let metrics: Vec<Value> = counters.keys().map(|name| json!({ "Name": name, "Unit": "Count" })).collect();
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
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_one_metric_line() {
        let counters = BTreeMap::from([("applied", 3), ("duplicate", 1)]);
        let line = metric_line("decide", Timestamp::from_millis(5), &counters);
        assert_eq!(line["applied"], 3);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][1]["Name"], "duplicate");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0][0], "function");
    }
}
