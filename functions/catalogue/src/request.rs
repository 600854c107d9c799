//! What a request asks for, and whether its sender may.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use kairos_cloud::requests::{BodyRefusal, KeyRefusal, path};
use kairos_engine::bounds::{CATALOGUE_BYTES_MAX, CATALOGUE_ROWS_MAX};

/// Why a whole request is refused: no row of it has been taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// An unknown path.
    #[error("There is nothing at this path. Feeds go to /v1/catalogue.")]
    NotFound,
    /// A method that means nothing there.
    #[error("Use PUT or POST for this path.")]
    MethodNotAllowed,
    /// The key does not open.
    #[error("{}", .0.message("CatalogueKeyArn"))]
    Key(KeyRefusal),
    /// The key cannot be checked.
    #[error("The key cannot be checked now. Send the same request again later.")]
    KeyUnavailable,
    /// The body is not read.
    #[error("{}", body_message(*.0))]
    Body(BodyRefusal),
    /// A list that is broken.
    #[error(
        "The list of products is not JSON: {0}. Nothing of it was taken; JSON lines would cost only the broken one."
    )]
    BodyNotJson(String),
    /// A CSV file without a header, or with a broken one.
    #[error("The first line must name the columns, among them `id`: {0}.")]
    HeaderUnreadable(String),
    /// Too many rows.
    #[error("The feed has {0} products and may have {CATALOGUE_ROWS_MAX}. Send it in parts.")]
    TooManyRows(usize),
    /// The places are not known.
    #[error("No playbook could be loaded, so no place can be checked. Run `kairos publish`, then send again.")]
    PlaybookUnavailable,
}

fn body_message(refusal: BodyRefusal) -> String {
    match refusal {
        BodyRefusal::Missing => {
            "The body is empty. Send products: a JSON list, JSON lines, or CSV with a header.".to_owned()
        }
        BodyRefusal::TooLarge => {
            format!("The body has more than {CATALOGUE_BYTES_MAX} bytes. Send the feed in parts.")
        }
        BodyRefusal::NotText => "The body is not UTF-8 text. Send JSON or CSV, without compression.".to_owned(),
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
            Self::HeaderUnreadable(_) => "header_unreadable",
            Self::TooManyRows(_) => "too_many_rows",
            Self::PlaybookUnavailable => "playbook_unavailable",
        }
    }

    /// The HTTP status. Only 503 invites the client to send again.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Key(refusal) => refusal.status(),
            Self::Body(refusal) => refusal.status(),
            Self::TooManyRows(_) => 413,
            Self::KeyUnavailable | Self::PlaybookUnavailable => 503,
            _ => 400,
        }
    }
}

/// Whether it is a feed that is sent.
///
/// # Errors
/// When there is nothing at this path, or not with this method.
pub fn route(request: &LambdaFunctionUrlRequest) -> Result<(), RequestRefusal> {
    if path(request) != ["v1", "catalogue"] {
        return Err(RequestRefusal::NotFound);
    }
    match request.request_context.http.method.as_deref() {
        Some("PUT" | "POST") => Ok(()),
        _ => Err(RequestRefusal::MethodNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FEED: &str = include_str!("../events/feed.json");

    fn request(change: impl FnOnce(&mut serde_json::Value)) -> LambdaFunctionUrlRequest {
        let mut request = serde_json::from_str(FEED).unwrap();
        change(&mut request);
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn only_feeds_are_taken() {
        for (method, path, expected) in [
            ("PUT", "/v1/catalogue", Ok(())),
            ("POST", "/v1/catalogue/", Ok(())),
            ("GET", "/v1/catalogue", Err(RequestRefusal::MethodNotAllowed)),
            ("PUT", "/v1/batch", Err(RequestRefusal::NotFound)),
            ("PUT", "/", Err(RequestRefusal::NotFound)),
        ] {
            let request = request(|request| {
                request["rawPath"] = json!(path);
                request["requestContext"]["http"]["method"] = json!(method);
            });
            assert_eq!(route(&request), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_key_or_a_body_that_is_not_taken_is_answered_with_what_to_send() {
        let wrong_key = RequestRefusal::Key(KeyRefusal::Wrong);
        assert_eq!((wrong_key.status(), wrong_key.code()), (401, "key_wrong"));
        assert_eq!(
            wrong_key.to_string(),
            "This is not the key. It is the secret that the stack's CatalogueKeyArn names."
        );
        for (refusal, status, message) in [
            (
                BodyRefusal::Missing,
                400,
                "The body is empty. Send products: a JSON list, JSON lines, or CSV with a header.",
            ),
            (BodyRefusal::TooLarge, 413, "The body has more than 4194304 bytes. Send the feed in parts."),
            (BodyRefusal::NotText, 400, "The body is not UTF-8 text. Send JSON or CSV, without compression."),
        ] {
            let code = refusal.code();
            let refusal = RequestRefusal::Body(refusal);
            assert_eq!((refusal.status(), refusal.code(), refusal.to_string().as_str()), (status, code, message));
        }
    }
}
