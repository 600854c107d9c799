//! Responses: what every one of them forbids browsers, compression, cookies.

use std::io::Write as _;

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use aws_lambda_events::http::header::{self, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use kairos_engine::bounds::RETRY_AFTER;

/// Nothing but our own files, no scripts and no styles in the page, forms to ourselves, framed by nobody.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                           frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A message as its receiver sees it, in a frame of a page of ours: it runs nothing and sends nothing, and has an origin of
/// its own.
const PREVIEW_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; \
                              form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// Smaller bodies are not worth compressing.
const COMPRESSED_FROM_BYTES: usize = 1_024;

/// What goes back.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    /// The body is compressed already.
    is_gzip: bool,
    policy: &'static str,
    is_immutable: bool,
    headers: Vec<(HeaderName, String)>,
    cookies: Vec<String>,
}

impl Answer {
    fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        let policy = PAGE_POLICY;
        let (is_gzip, is_immutable, headers, cookies) = (false, false, Vec::new(), Vec::new());
        Self { status, content_type, body, is_gzip, policy, is_immutable, headers, cookies }
    }

    /// A page.
    pub fn html(status: u16, html: String) -> Self {
        Self::new(status, "text/html; charset=utf-8", html.into_bytes())
    }

    /// A document of somebody else's making, such as a rendered email, for a frame of a page of ours.
    pub fn preview(html: String) -> Self {
        Self { policy: PREVIEW_POLICY, ..Self::html(200, html) }
    }

    /// A few words, for programs.
    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
    }

    /// A file to be kept. The name is one of ours: letters, digits, `-`, `_`, `.`.
    pub fn file(name: &str, content_type: &'static str, body: String) -> Self {
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        let mut answer = Self::new(200, content_type, body.into_bytes());
        answer.headers.push((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
        answer
    }

    /// Something that never changes at its address, compressed already or not.
    pub fn asset(content_type: &'static str, body: Vec<u8>, is_gzip: bool) -> Self {
        Self { is_immutable: true, is_gzip, ..Self::new(200, content_type, body) }
    }

    /// Leads to another address of ours, to be looked at.
    pub fn redirect(to: &str) -> Self {
        let mut answer = Self::new(303, "text/plain; charset=utf-8", Vec::new());
        answer.headers.push((header::LOCATION, to.to_owned()));
        answer
    }

    /// Tells htmx, which does not follow to a whole other page, to go there.
    pub fn redirect_partial(to: &str) -> Self {
        let mut answer = Self::new(401, "text/plain; charset=utf-8", Vec::new());
        answer.headers.push((HeaderName::from_static("hx-redirect"), to.to_owned()));
        answer
    }

    /// Sets a cookie, too.
    #[must_use]
    pub fn with_cookie(mut self, cookie: String) -> Self {
        self.cookies.push(cookie);
        self
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The response.
    pub fn respond(self, takes_gzip: bool, head: bool) -> LambdaFunctionUrlResponse {
        let mut response = LambdaFunctionUrlResponse::default();
        response.status_code = i64::from(self.status);
        let fixed = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, self.policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
            (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
            (HeaderName::from_static("x-robots-tag"), "noindex"),
            (header::VARY, "accept-encoding"),
            (header::CACHE_CONTROL, if self.is_immutable { "public, max-age=31536000, immutable" } else { "no-store" }),
        ];
        for (name, value) in fixed {
            response.headers.insert(name, HeaderValue::from_static(value));
        }
        if self.status == 503 {
            response.headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_millis() / 1_000));
        }
        for (name, value) in self.headers {
            // What cannot stand in a header is left away: an address of ours is plain.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers.insert(name, value);
            }
        }
        response.cookies = self.cookies;
        let is_gzip = self.is_gzip || (takes_gzip && self.body.len() >= COMPRESSED_FROM_BYTES);
        let body = if is_gzip && !self.is_gzip { gzip(&self.body, Compression::fast()) } else { self.body };
        if is_gzip {
            response.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if !head && !body.is_empty() {
            match (is_gzip, String::from_utf8(body)) {
                (false, Ok(text)) => response.body = Some(text),
                (_, Ok(text)) => encode(&mut response, text.as_bytes()),
                (_, Err(bytes)) => encode(&mut response, bytes.as_bytes()),
            }
        }
        response
    }
}

fn encode(response: &mut LambdaFunctionUrlResponse, bytes: &[u8]) {
    response.body = Some(STANDARD.encode(bytes));
    response.is_base64_encoded = true;
}

/// Bytes, compressed.
pub fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_forbids_what_the_console_never_does() {
        for answer in
            [Answer::html(200, "x".into()), Answer::redirect("/"), Answer::file("a.csv", "text/csv", "a".into())]
        {
            let response = answer.respond(true, false);
            let policy = response.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(response.headers["x-content-type-options"], "nosniff");
            assert_eq!(response.headers["cache-control"], "no-store");
            assert!(response.headers.contains_key("strict-transport-security"));
        }
        let preview = Answer::preview("<script>alert(1)</script>".into()).respond(false, false);
        let policy = preview.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("sandbox;") && !policy.contains("allow-scripts"), "{policy}");
    }

    #[test]
    fn bodies_are_compressed_for_whoever_takes_it_and_heads_have_none() {
        let page = || Answer::html(200, "kairos ".repeat(1_000));
        let response = page().respond(true, false);
        assert!(response.is_base64_encoded && response.headers["content-encoding"] == "gzip");
        assert!(response.body.unwrap().len() < 300);
        let response = page().respond(false, false);
        assert_eq!((response.body.map(|body| body.len()), response.is_base64_encoded), (Some(7_000), false));
        assert_eq!(page().respond(true, true).body, None);
    }

    #[test]
    fn a_header_takes_no_line_of_somebody_elses() {
        let response = Answer::redirect("/a\r\nset-cookie: x").respond(false, false);
        assert!(!response.headers.contains_key("location"));
        let response = Answer::file("a\"\r\n/../b.csv", "text/csv", String::new()).respond(false, false);
        assert_eq!(response.headers["content-disposition"], "attachment; filename=\"a..b.csv\"");
    }
}
