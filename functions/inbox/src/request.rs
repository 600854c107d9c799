//! What a request asks for, and for whom.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use kairos_cloud::requests::{BodyRefusal, path};
use kairos_engine::bounds::{ID_BYTES_MAX, INBOX_BYTES_MAX};
use kairos_engine::identifiers::DeliveryId;
use kairos_engine::playbook::Channel;
use kairos_protocol::inbox::Mark;
use serde::Deserialize;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The messages that wait.
    Messages,
    /// To take in what became of one.
    Report(Mark),
    /// The key that browsers subscribe to notifications with.
    PushKey,
    /// A browser asks whether it may send.
    Preflight,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// An unknown path.
    #[error(
        "There is nothing at this path. Messages are at /v1/inbox; what became of one goes to /v1/inbox/seen, \
         /v1/inbox/clicked or /v1/inbox/dismissed; the key for notifications is at /v1/push/key."
    )]
    NotFound,
    /// A method that means nothing there.
    #[error("Use {0} for this path.")]
    MethodNotAllowed(&'static str),
    /// The body is not read.
    #[error("{}", body_message(*.0))]
    Body(BodyRefusal),
    /// Not an object of this shape.
    #[error("The body cannot be read: {0}. Send a JSON object whose values are texts.")]
    BodyNotJson(String),
    /// A field that must be there.
    #[error("`{0}` is missing.")]
    FieldMissing(&'static str),
    /// A field that cannot be one.
    #[error("`{0}` cannot be read: it is longer than {ID_BYTES_MAX} bytes, or no id of a message.")]
    FieldUnreadable(&'static str),
    /// A key that no source has.
    #[error("No source has this write key. Compare it with the sources of the published playbook.")]
    WriteKeyUnknown,
    /// The playbook in force has no messages for pages.
    #[error("The playbook has no {0}. Write `{1}:` into channels.yaml, and publish it.")]
    NotSetUp(&'static str, Channel),
    /// The hash does not prove that this is the user.
    #[error(
        "`userHash` is not the hash of this `userId`. It is HMAC-SHA256 of the id in hexadecimal, with the secret that the \
         stack's InboxKeyArn names."
    )]
    HashWrong,
    /// There is no such message for whoever asks.
    #[error("There is no such message for this visitor.")]
    MessageUnknown,
    /// The sources, the key or the table cannot be asked.
    #[error("Nobody can say now. Send the same request again: nothing counts twice.")]
    TryAgain,
}

fn body_message(refusal: BodyRefusal) -> String {
    match refusal {
        BodyRefusal::Missing => {
            r#"The body is empty. Send JSON, as in {"writeKey": "…", "anonymousId": "…"}."#.to_owned()
        }
        BodyRefusal::TooLarge => format!("The body has more than {INBOX_BYTES_MAX} bytes."),
        BodyRefusal::NotText => "The body is not UTF-8 text. Send JSON, without compression.".to_owned(),
    }
}

impl RequestRefusal {
    /// For programs and counters. Part of the interface: never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Body(refusal) => refusal.code(),
            Self::BodyNotJson(_) => "body_not_json",
            Self::FieldMissing(_) => "field_missing",
            Self::FieldUnreadable(_) => "field_unreadable",
            Self::WriteKeyUnknown => "write_key_unknown",
            Self::NotSetUp(..) => "not_set_up",
            Self::HashWrong => "user_hash_wrong",
            Self::MessageUnknown => "message_unknown",
            Self::TryAgain => "try_again",
        }
    }

    /// The HTTP status. Only 503 invites the client to send again.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound | Self::NotSetUp(..) | Self::MessageUnknown => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::WriteKeyUnknown => 401,
            Self::HashWrong => 403,
            Self::Body(refusal) => refusal.status(),
            Self::TryAgain => 503,
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
        ["v1", "inbox"] => Route::Messages,
        ["v1", "push", "key"] => Route::PushKey,
        ["v1", "inbox", what] => {
            let mark = Mark::ALL.into_iter().find(|mark| mark.as_str() == what);
            Route::Report(mark.ok_or(RequestRefusal::NotFound)?)
        }
        _ => return Err(RequestRefusal::NotFound),
    };
    let wanted = if route == Route::PushKey { "GET" } else { "POST" };
    match request.request_context.http.method.as_deref() {
        Some(method) if method == wanted => Ok(route),
        Some("OPTIONS") => Ok(Route::Preflight),
        _ => Err(RequestRefusal::MethodNotAllowed(wanted)),
    }
}

/// Who asks, and about what. Fields that nobody knows are passed over: a page may be newer than the stack.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The write key of a source.
    #[serde(default)]
    pub write_key: String,
    /// The visitor's id.
    #[serde(default)]
    pub anonymous_id: String,
    /// Who the visitor says they are.
    #[serde(default)]
    pub user_id: Option<String>,
    /// What proves that.
    #[serde(default)]
    pub user_hash: Option<String>,
    /// The message, by the id that it was given with.
    #[serde(default)]
    pub id: Option<String>,
}

impl Question {
    /// Reads a body.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(text: &str) -> Result<Self, RequestRefusal> {
        // Where it is wrong is said, and nothing of it: it holds ids.
        let mut question: Self = serde_json::from_str(text).map_err(|error| {
            RequestRefusal::BodyNotJson(format!("line {}, column {}", error.line(), error.column()))
        })?;
        // Segment's clients write "" for nobody.
        question.user_id = question.user_id.filter(|id| !id.is_empty());
        question.user_hash = question.user_hash.filter(|hash| !hash.is_empty());
        if question.write_key.is_empty() {
            return Err(RequestRefusal::FieldMissing("writeKey"));
        }
        if question.anonymous_id.is_empty() {
            return Err(RequestRefusal::FieldMissing("anonymousId"));
        }
        let too_long = |id: &str| id.len() > ID_BYTES_MAX;
        if too_long(&question.anonymous_id) {
            return Err(RequestRefusal::FieldUnreadable("anonymousId"));
        }
        if question.user_id.as_deref().is_some_and(too_long) {
            return Err(RequestRefusal::FieldUnreadable("userId"));
        }
        Ok(question)
    }

    /// The message that is meant.
    ///
    /// # Errors
    /// When none is named, or it can be none.
    pub fn message(&self) -> Result<DeliveryId, RequestRefusal> {
        let id = self.id.as_deref().ok_or(RequestRefusal::FieldMissing("id"))?;
        DeliveryId::parse(id).ok_or(RequestRefusal::FieldUnreadable("id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_asked_for_stands_in_the_path() {
        for (method, path, expected) in [
            ("POST", "/v1/inbox", Ok(Route::Messages)),
            ("POST", "//v1/inbox/", Ok(Route::Messages)),
            ("POST", "/v1/inbox/seen", Ok(Route::Report(Mark::Seen))),
            ("POST", "/v1/inbox/clicked", Ok(Route::Report(Mark::Clicked))),
            ("POST", "/v1/inbox/dismissed", Ok(Route::Report(Mark::Dismissed))),
            ("OPTIONS", "/v1/inbox/dismissed", Ok(Route::Preflight)),
            ("GET", "/v1/push/key", Ok(Route::PushKey)),
            ("POST", "/v1/push/key", Err(RequestRefusal::MethodNotAllowed("GET"))),
            ("GET", "/v1/push", Err(RequestRefusal::NotFound)),
            ("GET", "/v1/inbox", Err(RequestRefusal::MethodNotAllowed("POST"))),
            ("POST", "/v1/inbox/opened", Err(RequestRefusal::NotFound)),
            ("POST", "/v1/inbox/seen/1", Err(RequestRefusal::NotFound)),
            ("GET", "/", Err(RequestRefusal::NotFound)),
        ] {
            let mut request: Value = serde_json::from_str(include_str!("../events/messages.json")).unwrap();
            request["rawPath"] = json!(path);
            request["requestContext"]["http"]["method"] = json!(method);
            let request = serde_json::from_value(request).unwrap();
            assert_eq!(route(&request), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_question_names_the_visitor_and_perhaps_more() {
        let id = "00112233445566778899aabbccddeeff";
        let full = json!({
            "writeKey": "key", "anonymousId": "v1", "userId": "ann", "userHash": "ab", "id": id, "later": {"field": 1},
        });
        let question = Question::read(&full.to_string()).unwrap();
        assert_eq!((question.anonymous_id.as_str(), question.user_id.as_deref()), ("v1", Some("ann")));
        assert_eq!(question.message().unwrap().to_string(), id);
        let little = Question::read(r#"{"writeKey": "key", "anonymousId": "v1", "userId": ""}"#).unwrap();
        assert_eq!((little.user_id.as_ref(), little.user_hash.as_ref()), (None, None));
        assert_eq!(little.message(), Err(RequestRefusal::FieldMissing("id")));
    }

    #[test]
    fn whatever_is_wrong_is_named_and_nothing_of_it_is_shown() {
        for (body, code) in [
            ("", "body_not_json"),
            ("[]", "field_missing"),
            ("{", "body_not_json"),
            (r#"{"writeKey": 7, "anonymousId": "ada@example.com"}"#, "body_not_json"),
            (r#"{"anonymousId": "v1"}"#, "field_missing"),
            (r#"{"writeKey": "key"}"#, "field_missing"),
            (r#"{"writeKey": "key", "anonymousId": null}"#, "body_not_json"),
        ] {
            let refusal = Question::read(body).unwrap_err();
            assert_eq!(refusal.code(), code, "{body}");
            assert!(!refusal.to_string().contains("ada"), "{refusal}");
        }
        let long = json!({"writeKey": "key", "anonymousId": "x".repeat(256)}).to_string();
        assert_eq!(Question::read(&long), Err(RequestRefusal::FieldUnreadable("anonymousId")));
        let question = Question::read(r#"{"writeKey": "key", "anonymousId": "v1", "id": "../etc"}"#).unwrap();
        assert_eq!(question.message(), Err(RequestRefusal::FieldUnreadable("id")));
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_it_panic(parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "\"writeKey\"", "\"anonymousId\"", "\"userId\"", "\"userHash\"", "\"id\"", ":", ",", "null", "1e400", "-0",
            "\"key\"", "\"é\"", "[", "]", "\u{0}", "{\"writeKey\":\"k\",\"anonymousId\":\"v\"}",
        ]), 0..30)) {
            if let Ok(question) = Question::read(&parts.concat()) {
                let _ = question.message();
            }
        }
    }
}
