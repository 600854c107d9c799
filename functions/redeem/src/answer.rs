//! What a till gets back. Everything that is sure has a status of its own:
//!
//! | status | `code` |
//! |---|---|
//! | 200 | (it is good, or used for this order now or before) |
//! | 404 | `unknown_code` |
//! | 409 | `already_used` |
//! | 410 | `expired` |
//! | 403 | `wrong_user` |
//! | 422 | `below_minimum`, `total_missing`, `user_missing`, `wrong_currency` |
//! | 400, 401, 405, 413 | what is wrong with the request |
//! | 503 | `try_again`, `key_unavailable`: nobody can say now; the same request again finds out |

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use aws_lambda_events::http::header::{self, HeaderValue};
use kairos_cloud::requests::json_answer;
use kairos_engine::money::Micros;
use kairos_engine::playbook::Discount;
use kairos_protocol::promo_codes::{PromoCode, Refusal};
use serde_json::{Map, Value, json};

use crate::request::RequestRefusal;

/// 200: what a code is good for; and of one that was used, for which order and when. What is not known is left out.
pub fn good(code: &PromoCode, discount: Option<Micros>) -> LambdaFunctionUrlResponse {
    let units = |amount: Micros| json!(amount.get() as f64 / 1e6);
    let mut body = Map::from_iter([("ok".to_owned(), json!(true)), ("promo_code".to_owned(), json!(code.code))]);
    let mut add = |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
    if let Some(given) = &code.given {
        add("promotion", Some(json!(given.promotion)));
        add("title", Some(json!(given.title)));
        add("kind", Some(json!(given.discount.kind())));
        match &given.discount {
            Discount::Percent(share) => add("percent", Some(json!(f64::from(share.0) / 100.0))),
            Discount::Amount(money) => add("amount", Some(units(money.amount))),
            Discount::FreeShipping => {}
        }
        add("minimum_total", given.minimum_total.map(|minimum| units(minimum.amount)));
        add("maximum_discount", given.maximum_discount.map(|most| units(most.amount)));
        let sold_in = code.redeemed.as_ref().and_then(|redeemed| redeemed.currency);
        add("currency", given.currency().or(sold_in).map(|currency| json!(currency)));
        add("expires_at", Some(json!(given.expires_at.to_string())));
    }
    add("discount", discount.map(units));
    if let Some(redeemed) = &code.redeemed {
        add("order_id", Some(json!(redeemed.order)));
        add("redeemed_at", Some(json!(redeemed.at.to_string())));
    }
    json_answer(200, &Value::Object(body))
}

/// The code is not taken.
pub fn refused(refusal: &Refusal) -> LambdaFunctionUrlResponse {
    let status = match refusal {
        Refusal::Unknown => 404,
        Refusal::Used(_) => 409,
        Refusal::Expired(_) => 410,
        Refusal::WrongUser => 403,
        Refusal::UserMissing | Refusal::BelowMinimum(_) | Refusal::TotalMissing(_) | Refusal::WrongCurrency(_) => 422,
    };
    not_ok(status, refusal.code(), &refusal.to_string())
}

/// The request is not taken.
pub fn request_refused(refusal: &RequestRefusal) -> LambdaFunctionUrlResponse {
    let mut response = not_ok(refusal.status(), refusal.code(), &refusal.to_string());
    if *refusal == RequestRefusal::MethodNotAllowed {
        response.headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Nobody can say how it ended.
pub fn unknown() -> LambdaFunctionUrlResponse {
    let message =
        "It is not known whether the code was used. Send the same request again: it finds out, and uses no code twice.";
    not_ok(503, "try_again", message)
}

fn not_ok(status: u16, code: &str, message: &str) -> LambdaFunctionUrlResponse {
    json_answer(status, &json!({"ok": false, "code": code, "message": message}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_cloud::requests::KeyRefusal;
    use kairos_engine::money::{Currency, Money};
    use kairos_engine::time::Timestamp;

    const GIVEN: &str = include_str!("../../../shared/protocol/tests/golden/promo_code_v1_given.json");
    const REDEEMED: &str = include_str!("../../../shared/protocol/tests/golden/promo_code_v1_redeemed.json");

    fn body(response: &LambdaFunctionUrlResponse) -> Value {
        serde_json::from_str(response.body.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn an_answer_is_as_tills_have_learnt_to_read_it() {
        let given = PromoCode::from_json(GIVEN).unwrap();
        let expected = json!({
            "ok": true, "promo_code": "SPRING-R7JW-XPPF-Y584", "promotion": "spring", "title": "Spring",
            "kind": "percent", "percent": 10.0, "minimum_total": 50.0, "maximum_discount": 20.0, "currency": "EUR", "discount": 6.0,
            "expires_at": "2025-11-22T12:00:00.000Z",
        });
        let response = good(&given, Some(Micros::new(6_000_000)));
        assert_eq!((response.status_code, body(&response)), (200, expected.clone()));
        let redeemed = PromoCode::from_json(REDEEMED).unwrap();
        let mut with_order = expected.clone();
        with_order["order_id"] = json!("order-1");
        with_order["redeemed_at"] = json!("2025-11-21T12:00:00.000Z");
        assert_eq!(body(&good(&redeemed, Some(Micros::new(6_000_000)))), with_order);
        let mut fixed = given.clone();
        let euros = Money { amount: Micros::new(5_500_000), currency: Currency::parse("EUR").unwrap() };
        let change = fixed.given.as_mut().unwrap();
        (change.discount, change.minimum_total, change.maximum_discount) = (Discount::Amount(euros), None, None);
        let answer = body(&good(&fixed, None));
        assert_eq!(
            (&answer["kind"], &answer["amount"], &answer["currency"]),
            (&json!("amount"), &json!(5.5), &json!("EUR"))
        );
        assert!(answer.get("percent").is_none() && answer.get("discount").is_none());
        fixed.given.as_mut().unwrap().discount = Discount::FreeShipping;
        assert_eq!(body(&good(&fixed, None))["kind"], "free_shipping");
    }

    #[test]
    fn every_refusal_has_its_own_code_and_a_status() {
        let at = Timestamp::from_millis(1_763_726_400_000);
        let euros = Money { amount: Micros::new(50_000_000), currency: Currency::parse("EUR").unwrap() };
        for (refusal, status, code, message) in [
            (Refusal::Unknown, 404, "unknown_code", "There is no such code."),
            (
                Refusal::Used(at),
                409,
                "already_used",
                "The code was used for another order at 2025-11-21T12:00:00.000Z.",
            ),
            (Refusal::Expired(at), 410, "expired", "The code has expired at 2025-11-21T12:00:00.000Z."),
            (Refusal::WrongUser, 403, "wrong_user", "The code was given to another user"),
            (Refusal::UserMissing, 422, "user_missing", "The code is only for the user it was given to."),
            (Refusal::BelowMinimum(euros), 422, "below_minimum", "The code is for orders of at least 50.00 EUR."),
            (Refusal::TotalMissing(euros), 422, "total_missing", "The code is for orders of at least 50.00 EUR."),
            (Refusal::WrongCurrency(euros.currency), 422, "wrong_currency", "The code is for orders in EUR."),
        ] {
            let response = refused(&refusal);
            let answer = body(&response);
            assert_eq!((response.status_code, &answer["code"], &answer["ok"]), (status, &json!(code), &json!(false)));
            assert!(answer["message"].as_str().unwrap().starts_with(message), "{answer}");
        }
        let later = unknown();
        assert_eq!((later.status_code, later.headers.contains_key("retry-after")), (503, true));
        let wrong = request_refused(&RequestRefusal::Key(KeyRefusal::Wrong));
        assert_eq!((wrong.status_code, wrong.headers.contains_key("www-authenticate")), (401, true));
        assert!(request_refused(&RequestRefusal::MethodNotAllowed).headers.contains_key("allow"));
    }
}
