//! What a request asks for, and the sale that its body tells of.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use kairos_cloud::requests::{BodyRefusal, KeyRefusal, path};
use kairos_engine::bounds::{ID_BYTES_MAX, REDEEM_BYTES_MAX, TEXT_BYTES_MAX};
use kairos_engine::identifiers::UserKey;
use kairos_engine::money::{Currency, Micros};
use kairos_protocol::promo_codes::{CodeKey, NoCode, Sale, SaleChannel};
use serde_json::{Map, Value};

/// What a body may tell.
const FIELDS: [&str; 8] = ["code", "order_id", "user_id", "anonymous_id", "total", "currency", "channel", "store"];

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To use a code.
    Redeem,
    /// What a code would be worth.
    Check,
}

/// Why a request is refused before any code is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// An unknown path.
    #[error("There is nothing at this path. Codes are redeemed at /v1/redeem, and looked at at /v1/redeem/check.")]
    NotFound,
    /// A method that means nothing there.
    #[error("Use POST for this path.")]
    MethodNotAllowed,
    /// The key does not open.
    #[error("{}", .0.message("RedeemKeyArn"))]
    Key(KeyRefusal),
    /// The key cannot be checked.
    #[error("The key cannot be checked now. Send the same request again.")]
    KeyUnavailable,
    /// The body is not read.
    #[error("{}", body_message(*.0))]
    Body(BodyRefusal),
    /// Not an object.
    #[error("The body is not a JSON object: {0}.")]
    BodyNotJson(String),
    /// A field that means nothing.
    #[error("There is no field `{name}`. There are {}.", FIELDS.map(|field| format!("`{field}`")).join(", "))]
    FieldUnknown {
        /// Its name.
        name: String,
    },
    /// A field that must be there.
    #[error("`{field}` is missing: {help}.")]
    FieldMissing {
        /// Which.
        field: &'static str,
        /// What to write.
        help: &'static str,
    },
    /// A field that cannot be read.
    #[error("`{field}` cannot be read: {help}.")]
    FieldUnreadable {
        /// Which.
        field: &'static str,
        /// What to write.
        help: &'static str,
    },
    /// What stands in `code` is no code.
    #[error("This is no promo code: {0}.")]
    NoCode(NoCode),
}

fn body_message(refusal: BodyRefusal) -> String {
    match refusal {
        BodyRefusal::Missing => concat!(
            "The body is empty. Send JSON, as in ",
            r#"{"code": "H7KM-4XRW-9CFP", "order_id": "1001", "channel": "store"}."#,
        )
        .to_owned(),
        BodyRefusal::TooLarge => format!("The body has more than {REDEEM_BYTES_MAX} bytes."),
        BodyRefusal::NotText => "The body is not UTF-8 text. Send JSON, without compression.".to_owned(),
    }
}

impl RequestRefusal {
    /// For programs and counters. Part of the interface: never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Key(refusal) => refusal.code(),
            Self::KeyUnavailable => "key_unavailable",
            Self::Body(refusal) => refusal.code(),
            Self::BodyNotJson(_) => "body_not_json",
            Self::FieldUnknown { .. } => "field_unknown",
            Self::FieldMissing { .. } => "field_missing",
            Self::FieldUnreadable { .. } => "field_unreadable",
            Self::NoCode(_) => "code_unreadable",
        }
    }

    /// The HTTP status. Only 503 invites the client to send again.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Key(refusal) => refusal.status(),
            Self::Body(refusal) => refusal.status(),
            Self::KeyUnavailable => 503,
            _ => 400,
        }
    }
}

/// What is asked for.
///
/// # Errors
/// When there is nothing at this path, or not with this method.
pub fn route(request: &LambdaFunctionUrlRequest) -> Result<Route, RequestRefusal> {
    let route = match path(request)[..] {
        ["v1", "redeem"] => Route::Redeem,
        ["v1", "redeem", "check"] => Route::Check,
        _ => return Err(RequestRefusal::NotFound),
    };
    match request.request_context.http.method.as_deref() {
        Some("POST") => Ok(route),
        _ => Err(RequestRefusal::MethodNotAllowed),
    }
}

/// The code and the sale that a body tells of. Of what is only asked, order and channel need not be known.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(route: Route, text: &str) -> Result<(CodeKey, Sale), RequestRefusal> {
    let fields: Map<String, Value> = serde_json::from_str(text)
        .map_err(|error| RequestRefusal::BodyNotJson(format!("line {}, column {}", error.line(), error.column())))?;
    let fields = Fields(fields.into_iter().filter(|(_, value)| !value.is_null()).collect());
    if let Some(unknown) = fields.0.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(RequestRefusal::FieldUnknown { name: unknown.chars().take(60).collect() });
    }
    let code = fields.text("code", TEXT_BYTES_MAX, "write the promo code in quotes")?;
    let code = code.ok_or(RequestRefusal::FieldMissing { field: "code", help: "write the promo code" })?;
    let key = CodeKey::parse(&code).map_err(RequestRefusal::NoCode)?;
    let id = |field| fields.text(field, ID_BYTES_MAX, "write a text or a whole number of at most 255 bytes");
    let sale = Sale {
        order: id("order_id")?,
        user: id("user_id")?.map(|id| UserKey::known(&id)),
        visitor: id("anonymous_id")?.map(|id| UserKey::anonymous(&id)),
        total: fields.read("total", "write a number such as 59.90, without a currency", Micros::from_json)?,
        currency: fields
            .read("currency", "write three letters, as in EUR", |value| Currency::parse(value.as_str()?))?,
        channel: fields.read("channel", "write `online` or `store`", |value| match value.as_str()? {
            "online" => Some(SaleChannel::Online),
            "store" => Some(SaleChannel::Store),
            _ => None,
        })?,
        store: fields.text("store", TEXT_BYTES_MAX, "write the store's name in quotes")?,
    };
    let missing = |field, help| Err(RequestRefusal::FieldMissing { field, help });
    match &sale {
        Sale { order: None, .. } if route == Route::Redeem => missing("order_id", "write the shop's id of the order"),
        Sale { channel: None, .. } if route == Route::Redeem => missing("channel", "write `online` or `store`"),
        Sale { total: Some(_), currency: None, .. } => missing("currency", "write what `total` is in, as in EUR"),
        _ => Ok((key, sale)),
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn read<T>(
        &self,
        field: &'static str,
        help: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, RequestRefusal> {
        let Some(value) = self.0.get(field) else { return Ok(None) };
        read(value).map(Some).ok_or(RequestRefusal::FieldUnreadable { field, help })
    }

    /// A text that is not empty, or a whole number as a text.
    fn text(
        &self,
        field: &'static str,
        bytes_max: usize,
        help: &'static str,
    ) -> Result<Option<String>, RequestRefusal> {
        self.read(field, help, |value| {
            let text = match value {
                Value::String(text) => text.trim().to_owned(),
                Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
                _ => return None,
            };
            (!text.is_empty() && text.len() <= bytes_max && !text.contains(char::is_control)).then_some(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn only_redemptions_are_taken() {
        for (method, path, expected) in [
            ("POST", "/v1/redeem", Ok(Route::Redeem)),
            ("POST", "/v1/redeem/", Ok(Route::Redeem)),
            ("POST", "/v1/redeem/check", Ok(Route::Check)),
            ("GET", "/v1/redeem", Err(RequestRefusal::MethodNotAllowed)),
            ("PUT", "/v1/redeem/check", Err(RequestRefusal::MethodNotAllowed)),
            ("POST", "/v1/redeem/all", Err(RequestRefusal::NotFound)),
            ("POST", "/", Err(RequestRefusal::NotFound)),
        ] {
            let mut request: Value = serde_json::from_str(include_str!("../events/redeem.json")).unwrap();
            request["rawPath"] = json!(path);
            request["requestContext"]["http"]["method"] = json!(method);
            let request = serde_json::from_value(request).unwrap();
            assert_eq!(route(&request), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_body_tells_of_a_sale() {
        let full = json!({
            "code": " h7km-4xrw 9cfp", "order_id": 1001, "user_id": "ann", "anonymous_id": "v1", "total": "59.90",
            "currency": "eur", "channel": "store", "store": "Old Town",
        });
        let (key, sale) = read(Route::Redeem, &full.to_string()).unwrap();
        assert_eq!(key.as_str(), "H7KM4XRW9CFP");
        let expected = Sale {
            order: Some("1001".into()),
            user: Some(UserKey::known("ann")),
            visitor: Some(UserKey::anonymous("v1")),
            total: Some(Micros::new(59_900_000)),
            currency: Currency::parse("EUR"),
            channel: Some(SaleChannel::Store),
            store: Some("Old Town".into()),
        };
        assert_eq!(sale, expected);
        let little = json!({"code": "H7KM-4XRW-9CFP", "order_id": "1", "channel": "online", "store": null});
        assert!(read(Route::Redeem, &little.to_string()).is_ok());
        assert!(read(Route::Check, r#"{"code": "H7KM-4XRW-9CFP"}"#).is_ok());
    }

    #[test]
    fn whatever_is_wrong_is_said_with_what_to_write_instead() {
        let good = json!({"code": "H7KM-4XRW-9CFP", "order_id": "1", "channel": "online"});
        for (change, code, expected) in [
            (json!({"code": null}), "field_missing", "`code` is missing"),
            (json!({"code": true}), "field_unreadable", "`code` cannot be read"),
            (json!({"code": "ab"}), "code_unreadable", "This is no promo code: a code has 4 to 40 letters and digits"),
            (json!({"code": "H7KM/4XRW"}), "code_unreadable", "This is no promo code: `/` cannot be part of a code"),
            (json!({"order_id": null}), "field_missing", "`order_id` is missing: write the shop's id of the order."),
            (json!({"order_id": ""}), "field_unreadable", "`order_id` cannot be read"),
            (json!({"order_id": "x".repeat(256)}), "field_unreadable", "`order_id` cannot be read"),
            (json!({"order_id": "a\u{0}b"}), "field_unreadable", "`order_id` cannot be read"),
            (json!({"order_id": 1.5}), "field_unreadable", "`order_id` cannot be read"),
            (json!({"channel": null}), "field_missing", "`channel` is missing: write `online` or `store`."),
            (json!({"channel": "shop"}), "field_unreadable", "`channel` cannot be read: write `online` or `store`."),
            (
                json!({"total": "59,90", "currency": "EUR"}),
                "field_unreadable",
                "`total` cannot be read: write a number",
            ),
            (json!({"total": -1, "currency": "EUR"}), "field_unreadable", "`total` cannot be read"),
            (json!({"total": 1}), "field_missing", "`currency` is missing: write what `total` is in, as in EUR."),
            (
                json!({"total": 1, "currency": "€"}),
                "field_unreadable",
                "`currency` cannot be read: write three letters",
            ),
            (json!({"user_id": {}}), "field_unreadable", "`user_id` cannot be read"),
            (json!({"totl": 3}), "field_unknown", "There is no field `totl`. There are `code`, `order_id`"),
        ] {
            let mut body = good.clone();
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let refusal = read(Route::Redeem, &body.to_string()).unwrap_err();
            assert_eq!(refusal.code(), code, "{change}");
            assert!(refusal.to_string().starts_with(expected), "{change}: {refusal}");
            assert_eq!(refusal.status(), 400, "{change}");
        }
        for body in ["", "[]", "{", "\"H7KM\"", "null"] {
            assert_eq!(read(Route::Redeem, body).unwrap_err().code(), "body_not_json", "{body}");
        }
        let secret = read(Route::Redeem, r#"{"code": "ada@example.com"#).unwrap_err().to_string();
        assert!(!secret.contains("ada"), "nothing of the body is said: {secret}");
    }

    #[test]
    fn a_key_or_a_body_that_is_not_taken_is_answered_with_what_to_send() {
        let wrong_key = RequestRefusal::Key(KeyRefusal::Wrong);
        assert_eq!((wrong_key.status(), wrong_key.code()), (401, "key_wrong"));
        assert_eq!(wrong_key.to_string(), "This is not the key. It is the secret that the stack's RedeemKeyArn names.");
        for (refusal, status, message) in [
            (
                BodyRefusal::Missing,
                400,
                r#"The body is empty. Send JSON, as in {"code": "H7KM-4XRW-9CFP", "order_id": "1001", "channel": "store"}."#,
            ),
            (BodyRefusal::TooLarge, 413, "The body has more than 8192 bytes."),
            (BodyRefusal::NotText, 400, "The body is not UTF-8 text. Send JSON, without compression."),
        ] {
            let code = refusal.code();
            let refusal = RequestRefusal::Body(refusal);
            assert_eq!((refusal.status(), refusal.code(), refusal.to_string().as_str()), (status, code, message));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_it_panic(parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "\"code\"", "\"order_id\"", "\"total\"", "\"currency\"", "\"channel\"", ":", ",", "\"store\"", "1e400", "-0",
            "\"H7KM-4XRW\"", "\"EUR\"", "null", "true", "[", "]", "é", "\u{0}", "{\"code\":\"H7KM4XRW\",\"order_id\":\"1\"}",
        ]), 0..30)) {
            let _ = read(Route::Redeem, &parts.concat());
        }
    }
}
