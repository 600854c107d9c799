//! Events that were refused, as people look at them. `ingest` keeps them; they are forgotten by themselves.

use aws_sdk_dynamodb::Client;
use kairos_protocol::port::Fault;

use crate::faults::fault;
use crate::items::{text, text_in};

/// A refused event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When it was refused (RFC 3339).
    pub at: String,
    /// Why, for programs.
    pub code: String,
    /// What was wrong and what to send instead.
    pub message: String,
    /// The beginning of its text.
    pub excerpt: String,
}

/// The table of refused events.
#[derive(Clone, Debug)]
pub struct RefusalsTable {
    client: Client,
    table: String,
}

impl RefusalsTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The newest refused events of a source, at most so many.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn newest(&self, source: &str, count: u16) -> Result<Vec<Refusal>, Fault> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#source = :source")
            .expression_attribute_names("#source", "source")
            .expression_attribute_values(":source", text(source))
            .scan_index_forward(false)
            .limit(count.into());
        let answer = request.send().await.map_err(|error| fault("RefusalsTable Query", &error))?;
        let refusals = answer.items().iter().map(|item| {
            let text = |name: &str| text_in(item, name).unwrap_or_default().to_owned();
            // What tells it from others of the same moment is for programs.
            let at = text("refused_at").split('#').next().unwrap_or_default().to_owned();
            Refusal { at, code: text("code"), message: text("message"), excerpt: text("excerpt") }
        });
        Ok(refusals.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::stand_in::{Call, client};

    #[tokio::test]
    async fn the_newest_refusals_of_a_source_say_when_and_why() {
        let client = client(|call: &Call| {
            assert_eq!(call.body["ExpressionAttributeValues"][":source"]["S"], "shop");
            assert_eq!((&call.body["ScanIndexForward"], &call.body["Limit"]), (&json!(false), &json!(2)));
            json!({ "Count": 1, "Items": [{
                "source": { "S": "shop" }, "refused_at": { "S": "2026-11-22T10:00:00.000Z#1a2b" },
                "code": { "S": "event_unknown" }, "message": { "S": "no" }, "excerpt": { "S": "{\"a\":1" },
            }] })
        });
        let refusals = RefusalsTable::new(client, "refusals".into()).newest("shop", 2).await.unwrap();
        let expected = Refusal {
            at: "2026-11-22T10:00:00.000Z".into(),
            code: "event_unknown".into(),
            message: "no".into(),
            excerpt: "{\"a\":1".into(),
        };
        assert_eq!(refusals, [expected]);
    }
}
