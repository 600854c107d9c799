//! Requests to a Function URL that only who has a key may send: the key, the body, the answer.

use std::borrow::Cow;

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use aws_lambda_events::http::header::{self, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kairos_engine::bounds::RETRY_AFTER;
use kairos_engine::playbook::Source;
use serde_json::Value;
use subtle::ConstantTimeEq;

/// Why a request's key does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// There is none.
    Missing,
    /// It is another one.
    Wrong,
}

impl KeyRefusal {
    /// What is wrong and what to send. `parameter` is the stack's parameter that names the key's secret.
    pub fn message(self, parameter: &str) -> String {
        let start = match self {
            Self::Missing => "No key. Send it as `Authorization: Bearer KEY`; it",
            Self::Wrong => "This is not the key. It",
        };
        format!("{start} is the secret that the stack's {parameter} names.")
    }

    /// For programs and counters. Part of the interface: never changes.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "key_missing",
            Self::Wrong => "key_wrong",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        401
    }
}

/// Why a request's body is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRefusal {
    /// There is none.
    Missing,
    /// It has too many bytes.
    TooLarge,
    /// It is not UTF-8.
    NotText,
}

impl BodyRefusal {
    /// For programs and counters. Part of the interface: never changes.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "body_missing",
            Self::TooLarge => "body_too_large",
            Self::NotText => "body_not_text",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Missing | Self::NotText => 400,
        }
    }
}

/// The languages that a visitor's browser asks for (`Accept-Language`), as it says them.
pub fn languages_asked_for(request: &LambdaFunctionUrlRequest) -> Option<&str> {
    request.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())
}

/// The place, in a list of languages of two letters, of the first that somebody prefers: by tags (`de-AT`) or headers
/// `Accept-Language`, the most preferred first. The first of the list where they prefer none of them.
///
/// Browsers list languages by falling weight, so weights are not compared.
pub fn language<'t>(spoken: &[&str], preferred: impl IntoIterator<Item = &'t str>) -> usize {
    let tags = preferred.into_iter().flat_map(|tags| tags.split(','));
    let base = |tag: &'t str| tag.split([';', '-', '_']).next().unwrap_or_default().trim();
    let place = |tag: &str| spoken.iter().position(|known| known.eq_ignore_ascii_case(tag));
    tags.map(base).find_map(place).unwrap_or_default()
}

/// The parts of a request's path.
pub fn path(request: &LambdaFunctionUrlRequest) -> Vec<&str> {
    let path = request.raw_path.as_deref().unwrap_or_default();
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

/// Checks `Authorization: Bearer KEY`, in constant time, so that the key cannot be guessed letter by letter.
///
/// # Errors
/// When there is none, or another one.
pub fn check_key(request: &LambdaFunctionUrlRequest, key: &str) -> Result<(), KeyRefusal> {
    let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    let given = header.and_then(|header| header.trim().split_once(' '));
    let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
    let given = given.filter(|given| !given.is_empty()).ok_or(KeyRefusal::Missing)?;
    if bool::from(given.as_bytes().ct_eq(key.as_bytes())) { Ok(()) } else { Err(KeyRefusal::Wrong) }
}

/// The source with this write key. Write keys are public and can only write; they still compare in constant time, so
/// that they cannot be guessed letter by letter.
pub fn source_of<'a>(sources: &'a [Source], key: &str) -> Option<&'a Source> {
    // All are compared, so that the place of a key in the list does not show in the time taken.
    sources.iter().fold(None, |found, source| {
        let same: bool = source.write_key.as_bytes().ct_eq(key.as_bytes()).into();
        if same && !key.is_empty() { found.or(Some(source)) } else { found }
    })
}

/// The text of the body, of at most `bytes_max` bytes.
///
/// # Errors
/// When there is none, too much, or something else.
pub fn body_text(request: &LambdaFunctionUrlRequest, bytes_max: usize) -> Result<Cow<'_, str>, BodyRefusal> {
    let body = request.body.as_deref().unwrap_or_default();
    let text = if request.is_base64_encoded {
        if body.len() > bytes_max.div_ceil(3) * 4 {
            return Err(BodyRefusal::TooLarge);
        }
        let bytes = STANDARD.decode(body).map_err(|_| BodyRefusal::NotText)?;
        Cow::Owned(String::from_utf8(bytes).map_err(|_| BodyRefusal::NotText)?)
    } else {
        Cow::Borrowed(body)
    };
    if text.len() > bytes_max {
        return Err(BodyRefusal::TooLarge);
    }
    if text.trim().is_empty() { Err(BodyRefusal::Missing) } else { Ok(text) }
}

/// An answer in JSON that nobody keeps. 401 says which key is asked for, 503 when to come again.
pub fn json_answer(status: u16, body: &Value) -> LambdaFunctionUrlResponse {
    let mut response = LambdaFunctionUrlResponse::default();
    response.status_code = i64::from(status);
    response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match status {
        401 => drop(response.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        503 => {
            let secs = HeaderValue::from(RETRY_AFTER.as_millis() / 1_000);
            response.headers.insert(header::RETRY_AFTER, secs);
        }
        _ => {}
    }
    response.body = Some(body.to_string());
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(change: impl FnOnce(&mut Value)) -> LambdaFunctionUrlRequest {
        let mut request = json!({
            "version": "2.0", "rawPath": "/v1/x", "headers": {}, "isBase64Encoded": false, "body": "",
            "requestContext": { "http": { "method": "POST" }, "timeEpoch": 0 },
        });
        change(&mut request);
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn only_the_whole_key_opens() {
        for (header, expected) in [
            ("Bearer secret", Ok(())),
            ("bearer  secret ", Ok(())),
            ("Bearer secre", Err(KeyRefusal::Wrong)),
            ("Bearer secrets", Err(KeyRefusal::Wrong)),
            ("Bearer ", Err(KeyRefusal::Missing)),
            ("Basic secret", Err(KeyRefusal::Missing)),
            ("", Err(KeyRefusal::Missing)),
        ] {
            let request = request(|request| request["headers"]["authorization"] = json!(header));
            assert_eq!(check_key(&request, "secret"), expected, "{header}");
        }
    }

    #[test]
    fn the_first_language_that_is_there_is_spoken_else_english() {
        for (preferred, expected) in [
            (vec!["de-AT"], "de"),
            (vec!["de-DE,de;q=0.9,en;q=0.8"], "de"),
            (vec!["en-US,en;q=0.9,de;q=0.8"], "en"),
            (vec!["fr", "de;q=0.8, en;q=0.5"], "de"),
            (vec!["fr-CA,fr;q=0.9"], "en"),
            (vec!["DE"], "de"),
            (vec!["é"], "en"),
            (vec![""], "en"),
            (vec![], "en"),
        ] {
            let spoken = ["en", "de"];
            assert_eq!(spoken[language(&spoken, preferred.iter().copied())], expected, "{preferred:?}");
        }
    }

    #[test]
    fn a_body_is_text_of_a_bounded_size() {
        let body = |body: &str, is_base64: bool| {
            let request = request(|request| {
                request["body"] = json!(body);
                request["isBase64Encoded"] = json!(is_base64);
            });
            body_text(&request, 30).map(Cow::into_owned)
        };
        assert_eq!(body("id\n1", false).as_deref(), Ok("id\n1"));
        assert_eq!(body("aWQKMQ==", true).as_deref(), Ok("id\n1"));
        assert_eq!(body(" \n", false), Err(BodyRefusal::Missing));
        assert_eq!(body("/w==", true), Err(BodyRefusal::NotText));
        assert_eq!(body(&"x".repeat(31), false), Err(BodyRefusal::TooLarge));
        assert_eq!(body(&"A".repeat(60), true), Err(BodyRefusal::TooLarge));
    }

    #[test]
    fn every_refusal_has_its_own_code_and_a_status() {
        for (refusal, code, message) in [
            (
                KeyRefusal::Missing,
                "key_missing",
                "No key. Send it as `Authorization: Bearer KEY`; it is the secret that the stack's RedeemKeyArn names.",
            ),
            (
                KeyRefusal::Wrong,
                "key_wrong",
                "This is not the key. It is the secret that the stack's RedeemKeyArn names.",
            ),
        ] {
            assert_eq!((refusal.status(), refusal.code()), (401, code));
            assert_eq!(refusal.message("RedeemKeyArn"), message);
        }
        for (refusal, status, code) in [
            (BodyRefusal::Missing, 400, "body_missing"),
            (BodyRefusal::TooLarge, 413, "body_too_large"),
            (BodyRefusal::NotText, 400, "body_not_text"),
        ] {
            assert_eq!((refusal.status(), refusal.code()), (status, code));
        }
    }

    #[test]
    fn an_answer_says_when_to_come_again_and_with_which_key() {
        let has = |status, name: &str| json_answer(status, &json!({})).headers.contains_key(name);
        assert!(has(503, "retry-after") && !has(200, "retry-after"));
        assert!(has(401, "www-authenticate") && !has(403, "www-authenticate") && has(200, "cache-control"));
    }
}
