//! What CloudWatch knows: two operations, written out as AWS JSON 1.0
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>,
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html>).
//!
//! What it does not know is none, never zero: a local engine keeps only some metrics, and a counter that nothing was counted
//! in has no values.

use std::sync::OnceLock;

use aws_types::SdkConfig;
use aws_types::sdk_config::SharedCredentialsProvider;
use kairos_delivery::aws_json::{Service, endpoint_in, signed};
use kairos_delivery::https::{beginning, builder, client};
use kairos_engine::bounds::{METRIC_ANSWER_BYTES_MAX, METRIC_COUNTERS_MAX, METRIC_QUERIES_MAX, METRIC_TIMEOUT};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;
use reqwest::Client;
use serde_json::{Value, json};

const SERVICE: &str = "monitoring";
const GET: &str = "GraniteServiceVersion20100801.GetMetricData";
const LIST: &str = "GraniteServiceVersion20100801.ListMetrics";

/// A question: one metric and one statistic of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The namespace, as in `AWS/Lambda`.
    pub namespace: &'static str,
    /// The metric.
    pub metric: String,
    /// Of what: a dimension and its value.
    pub of: (&'static str, String),
    /// The statistic: `Sum`, `Average`, `Maximum`, `p99`.
    pub statistic: &'static str,
}

/// The values of a metric, one for each period that has any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(pub Vec<f64>);

impl Values {
    /// All of them together; nothing when there are none.
    pub fn sum(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.iter().sum())
    }

    /// The largest; nothing when there are none.
    pub fn max(&self) -> Option<f64> {
        self.0.iter().copied().reduce(f64::max)
    }
}

/// CloudWatch.
#[derive(Debug)]
pub struct Metrics {
    endpoint: String,
    region: String,
    credentials: Option<SharedCredentialsProvider>,
    client: OnceLock<Result<Client, String>>,
}

impl Metrics {
    /// CloudWatch of this configuration.
    pub fn new(config: &SdkConfig) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let endpoint = config.endpoint_url().map_or_else(|| endpoint_in(SERVICE, &region), str::to_owned);
        Self { endpoint, region, credentials: config.credentials_provider(), client: OnceLock::new() }
    }

    /// The values of these metrics from one time to another, each period of so many seconds; in the questions' order.
    ///
    /// # Errors
    /// When CloudWatch cannot be asked.
    pub async fn read(
        &self,
        questions: &[Question],
        (from, to): (Timestamp, Timestamp),
        period_secs: u32,
    ) -> Result<Vec<Values>, Fault> {
        let mut values = vec![Values::default(); questions.len()];
        for (chunk, start) in questions.chunks(METRIC_QUERIES_MAX).zip((0..).step_by(METRIC_QUERIES_MAX)) {
            let queries = chunk.iter().enumerate().map(|(number, question)| {
                let (name, value) = &question.of;
                json!({
                    "Id": format!("m{number}"),
                    "MetricStat": {
                        "Metric": {
                            "Namespace": question.namespace, "MetricName": question.metric,
                            "Dimensions": [{ "Name": name, "Value": value }],
                        },
                        "Period": period_secs, "Stat": question.statistic,
                    },
                })
            });
            let body = json!({
                "MetricDataQueries": queries.collect::<Vec<_>>(),
                "StartTime": from.as_secs(), "EndTime": to.as_secs(),
            });
            let said = self.call(GET, &body, to).await?;
            for result in said["MetricDataResults"].as_array().into_iter().flatten() {
                let place = result["Id"].as_str().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
                let Some(found) = place.and_then(|place| values.get_mut(start + place)) else { continue };
                found.0.extend(result["Values"].as_array().into_iter().flatten().filter_map(Value::as_f64));
            }
        }
        Ok(values)
    }

    /// Which counters of our own functions have counted something lately: function and counter, those of one stack.
    ///
    /// # Errors
    /// When CloudWatch cannot be asked.
    pub async fn counters(&self, stack: &str, now: Timestamp) -> Result<Vec<(String, String)>, Fault> {
        let (mut counters, mut token) = (Vec::new(), Value::Null);
        while counters.len() < METRIC_COUNTERS_MAX {
            let mut body = json!({ "Namespace": "Kairos", "RecentlyActive": "PT3H" });
            if !token.is_null() {
                body["NextToken"] = token;
            }
            let mut said = self.call(LIST, &body, now).await?;
            for metric in said["Metrics"].as_array().into_iter().flatten() {
                let function = metric["Dimensions"][0]["Value"].as_str().unwrap_or_default();
                let function = function.strip_prefix(stack).and_then(|rest| rest.strip_prefix('-'));
                if let (Some(function), Some(counter)) = (function, metric["MetricName"].as_str()) {
                    counters.push((function.to_owned(), counter.to_owned()));
                }
            }
            token = said["NextToken"].take();
            if token.as_str().is_none_or(str::is_empty) {
                break;
            }
        }
        counters.truncate(METRIC_COUNTERS_MAX);
        counters.sort_unstable();
        Ok(counters)
    }

    async fn call(&self, target: &'static str, body: &Value, now: Timestamp) -> Result<Value, Fault> {
        let retryable = |why: String| Fault::Retryable { what: target, why };
        let body = body.to_string();
        let service = Service { name: SERVICE, region: &self.region, endpoint: &self.endpoint };
        let headers = signed(service, self.credentials.as_ref(), target, &body, now).await.map_err(retryable)?;
        let client = self.client.get_or_init(|| client(builder(METRIC_TIMEOUT))).as_ref();
        let client = client.map_err(|why| retryable(why.clone()))?;
        let sent = client.post(&self.endpoint).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| retryable(error.to_string()))?;
        let said = beginning(&mut response, METRIC_ANSWER_BYTES_MAX).await;
        let said = said.map_err(|error| retryable(error.to_string()))?;
        let said: Value = serde_json::from_slice(&said).map_err(|error| retryable(error.to_string()))?;
        match response.status().is_success() {
            true => Ok(said),
            false => {
                let words = ["__type", "message", "Message"].map(|name| said[name].as_str().unwrap_or_default());
                Err(Fault::Permanent { what: target, why: words.join(" ").trim().to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_measured_is_not_zero() {
        assert_eq!((Values::default().sum(), Values::default().max()), (None, None));
        let values = Values(vec![1.0, 3.0, 2.0]);
        assert_eq!((values.sum(), values.max()), (Some(6.0), Some(3.0)));
    }
}
