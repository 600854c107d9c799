//! What clients get back: JSON or a picture, readable for any page, never a redirect.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use aws_lambda_events::http::HeaderMap;
use aws_lambda_events::http::header::{self, HeaderName, HeaderValue};
use kairos_engine::bounds::RETRY_AFTER;
use serde_json::{Value, json};

use crate::refusal::RequestRefusal;
use crate::resolve::RefusedEvent;

/// The headers that browser clients send: Segment's, then Jitsu's, then RudderStack's.
const ALLOWED_HEADERS: &str = "authorization, content-type, content-encoding, x-retry-count, \
    x-write-key, x-enable-debug, x-ip-policy, anonymousid";

/// How long a browser may remember the answer to a preflight, in seconds. Chrome forgets after two hours.
const PREFLIGHT_SECONDS: &str = "7200";

/// A transparent picture of one pixel, as base64 of a GIF.
const PIXEL: &str = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

/// Why the answer to a pixel carries its text in a header: the body is always a picture.
const REFUSED_HEADER: HeaderName = HeaderName::from_static("x-kairos-refused");

/// Writes the answers to one request.
#[derive(Clone, Debug)]
pub struct Answers {
    origin: Option<HeaderValue>,
    picture: bool,
    on_site: bool,
}

impl Answers {
    /// For a request with these headers, that expects a picture or does not.
    pub fn new(headers: &HeaderMap, picture: bool) -> Self {
        Self { origin: headers.get(header::ORIGIN).cloned(), picture, on_site: false }
    }

    /// The same, for a page that may soon have a message.
    pub fn with_on_site(self, on_site: bool) -> Self {
        Self { on_site, ..self }
    }

    /// 200: everything that can be taken is taken. Refused events are listed. Where there may soon be a message for the
    /// page, it is told to ask (`on_site`).
    pub fn taken(&self, accepted: usize, refused: &[RefusedEvent]) -> LambdaFunctionUrlResponse {
        let mut answer = json!({ "success": true });
        if self.on_site {
            answer["on_site"] = json!(true);
        }
        if refused.is_empty() {
            return self.json(200, &answer);
        }
        let list: Vec<Value> = refused
            .iter()
            .map(|event| {
                json!({ "index": event.index, "code": event.refusal.code.as_str(), "message": event.refusal.message })
            })
            .collect();
        answer["accepted"] = json!(accepted);
        answer["refused"] = json!(list);
        let mut response = self.json(200, &answer);
        if self.picture
            && let [only] = refused
        {
            explain(&mut response.headers, only.refusal.code.as_str(), &only.refusal.message);
        }
        response
    }

    /// The request is refused.
    pub fn refused(&self, refusal: &RequestRefusal) -> LambdaFunctionUrlResponse {
        let message = refusal.to_string();
        let mut response =
            self.json(i64::from(refusal.status()), &json!({ "code": refusal.code(), "message": message }));
        // No challenge beside 401: a browser must not ask a shopper for a password.
        if let RequestRefusal::MethodNotAllowed { allowed } = refusal {
            response.headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        if refusal.status() == 503 {
            response.headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_millis() / 1_000));
        }
        if self.picture {
            explain(&mut response.headers, refusal.code(), &message);
        }
        response
    }

    /// A JSON answer, or the picture in its place.
    pub fn json(&self, status: i64, body: &Value) -> LambdaFunctionUrlResponse {
        let mut response = self.empty(status);
        let content_type = if self.picture { "image/gif" } else { "application/json" };
        response.body = Some(if self.picture { PIXEL.to_owned() } else { body.to_string() });
        response.is_base64_encoded = self.picture;
        response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// 204: a browser may send.
    pub fn preflight(&self) -> LambdaFunctionUrlResponse {
        let mut response = self.empty(204);
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
        ] {
            response.headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn empty(&self, status: i64) -> LambdaFunctionUrlResponse {
        let mut response = LambdaFunctionUrlResponse::default();
        response.status_code = status;
        let headers = &mut response.headers;
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = &self.origin {
            // Echoed, not `*`: clients that send credentials accept nothing else. There are no cookies
            // here that a foreign page could abuse.
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        }
        response
    }
}

fn explain(headers: &mut HeaderMap, code: &str, message: &str) {
    let plain: String = message.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("{code}: {plain}")) {
        headers.insert(REFUSED_HEADER, value);
    }
}
