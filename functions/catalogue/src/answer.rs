//! What a client gets back: what became of each row.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use aws_lambda_events::http::header::{self, HeaderValue};
use kairos_cloud::requests::json_answer;
use kairos_protocol::catalogue::{Announced, Listing, Refusal, RowOutcome};
use serde_json::{Value, json};

use crate::feed::Feed;
use crate::request::RequestRefusal;

/// The names of what can become of a row, as answers and counters have them.
pub const OUTCOMES: [&str; 5] = ["created", "updated", "unchanged", "refused", "failed"];

/// The rows of an answer, in the order of the feed.
#[derive(Clone, Debug)]
pub struct Rows(Vec<(usize, &'static str, Value)>);

impl Rows {
    /// The outcomes of a feed's listings, and what was refused before.
    pub fn new(feed: &Feed, outcomes: &[RowOutcome]) -> Self {
        let taken = feed.listings.iter().zip(outcomes).map(|((row, listing), outcome)| of(*row, listing, outcome));
        let refused = feed.refused.iter().map(|(row, refusal)| {
            let message = refusal.to_string();
            (*row, "refused", json!({"row": row, "outcome": "refused", "code": refusal.code(), "message": message}))
        });
        let mut rows: Vec<_> = taken.chain(refused).collect();
        rows.sort_by_key(|(row, ..)| *row);
        Self(rows)
    }

    /// How many rows ended like this.
    pub fn count(&self, outcome: &str) -> usize {
        self.0.iter().filter(|(_, name, _)| *name == outcome).count()
    }
}

fn of(row: usize, listing: &Listing, outcome: &RowOutcome) -> (usize, &'static str, Value) {
    let id = &listing.product.id;
    let (name, trouble) = match outcome {
        RowOutcome::Created => ("created", None),
        RowOutcome::Updated => ("updated", None),
        RowOutcome::Unchanged => ("unchanged", None),
        RowOutcome::Refused(refusal) => {
            let code = match refusal {
                Refusal::NoCurrency => "currency_missing",
                Refusal::TooManyChanges => "too_many_changes",
            };
            ("refused", Some((code, refusal.to_string())))
        }
        // What exactly is in the log.
        RowOutcome::Failed(_) => {
            ("failed", Some(("not_written", "It could not be written. Send this row again.".into())))
        }
    };
    let mut told = json!({"row": row, "product": id, "outcome": name});
    if let Some((code, message)) = trouble {
        told["code"] = json!(code);
        told["message"] = json!(message);
    }
    (row, name, told)
}

/// 200, or 503 when some row has to come again: what became of the rows.
pub fn imported(feed: &Feed, rows: &Rows, announced: &Announced) -> LambdaFunctionUrlResponse {
    let mut body = json!({
        "users_told": announced.told,
        "products_to_tell": announced.left + announced.faults.len(),
        "ignored_fields": feed.noticed.ignored,
        "rows": rows.0.iter().map(|(.., told)| told).collect::<Vec<_>>(),
    });
    for outcome in OUTCOMES {
        body[outcome] = json!(rows.count(outcome));
    }
    json_answer(if rows.count("failed") > 0 { 503 } else { 200 }, &body)
}

/// The request is refused.
pub fn refused(refusal: &RequestRefusal) -> LambdaFunctionUrlResponse {
    let mut response = json_answer(refusal.status(), &json!({"code": refusal.code(), "message": refusal.to_string()}));
    if *refusal == RequestRefusal::MethodNotAllowed {
        response.headers.insert(header::ALLOW, HeaderValue::from_static("PUT, POST"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::read;
    use kairos_protocol::port::Fault;

    #[test]
    fn every_row_has_its_outcome_in_the_order_of_the_feed() {
        let feed = read("id,price,x\na,1,\nb,much,\nc,1,\nd,1,\ne,1,y\n", &[]).unwrap();
        let outcomes = [
            RowOutcome::Created,
            RowOutcome::Unchanged,
            RowOutcome::Refused(Refusal::NoCurrency),
            RowOutcome::Failed(Fault::Retryable { what: "CatalogueTable PutItem", why: "secret".into() }),
        ];
        let rows = Rows::new(&feed, &outcomes);
        let announced = Announced { told: 3, ..Announced::default() };
        let response = imported(&feed, &rows, &announced);
        assert_eq!((response.status_code, response.headers.get("retry-after").is_some()), (503, true));
        let body: Value = serde_json::from_str(&response.body.unwrap()).unwrap();
        let counts = OUTCOMES.map(|outcome| body[outcome].as_u64().unwrap());
        assert_eq!(counts, [1, 0, 1, 2, 1]);
        assert_eq!((&body["users_told"], &body["ignored_fields"]), (&json!(3), &json!(["x"])));
        let told: Vec<_> = body["rows"].as_array().unwrap().iter().map(|row| row["outcome"].clone()).collect();
        assert_eq!(told, ["created", "refused", "unchanged", "refused", "failed"]);
        assert_eq!(body["rows"][0], json!({"row": 1, "product": "a", "outcome": "created"}));
        assert_eq!(
            body["rows"][1]["message"],
            "\"much\" is no price. Write a number such as 12.50, without a currency."
        );
        assert_eq!(body["rows"][3]["code"], "currency_missing");
        assert!(!body.to_string().contains("secret"), "what is wrong inside is for the log");
    }
}
