//! What a failed AWS call means, as far as it is the same for all services.
//!
//! | what came back | class |
//! |---|---|
//! | throttling codes, 429, 503 | retryable: the request was turned away at the door |
//! | access, signature and subscription codes, 401, 403 | configuration |
//! | another 5xx | unknown: the service failed in the middle of it |
//! | another 4xx | permanent_message: the service understood and refused |
//! | no connection (name, TCP, TLS) | retryable, `no_connection`: no byte of the request left |
//! | no answer in time | unknown, `timeout` |
//! | connection lost, answer cut off | unknown, `connection_lost` |

use std::error::Error;

use aws_sdk_sns::config::http::HttpResponse;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use kairos_protocol::delivery::{Answer, AnswerClass};

/// A service's answer to a call that it did not carry out.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The error code.
    pub code: &'a str,
    /// The explanation.
    pub message: &'a str,
    /// The HTTP status.
    pub status: u16,
}

/// The answer of a call that was carried out, with the provider's id for the message.
pub fn accepted(provider_id: Option<&str>) -> Answer {
    let sent = Answer::new(AnswerClass::Sent, "accepted");
    match provider_id {
        Some(id) => sent.with_provider_id(id),
        None => sent,
    }
}

/// The answer when there is no request to send: the sender or the settings cannot be put into one.
pub fn not_built(why: &str) -> Answer {
    Answer::new(AnswerClass::Configuration, "request_not_built").with_detail(why)
}

/// The answer of a failed call; `classify` knows the service's own codes.
pub fn failed<E>(error: &SdkError<E, HttpResponse>, classify: impl Fn(&Refusal<'_>) -> AnswerClass) -> Answer
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let refusal = Refusal {
                code: error.code().unwrap_or("no_code"),
                message: error.message().unwrap_or_default(),
                status: answer.raw().status().as_u16(),
            };
            Answer::new(classify(&refusal), refusal.code).with_detail(refusal.message)
        }
        SdkError::TimeoutError(_) => Answer::new(AnswerClass::Unknown, "timeout"),
        SdkError::ConstructionFailure(failure) => not_built(&format!("{failure:?}")),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().and_then(Error::source);
            let class = if cause.is_some_and(never_connected) { AnswerClass::Retryable } else { AnswerClass::Unknown };
            let code = match class {
                AnswerClass::Retryable => "no_connection",
                _ if failure.is_timeout() => "timeout",
                _ => "connection_lost",
            };
            Answer::new(class, code)
        }
        _ => Answer::new(AnswerClass::Unknown, "connection_lost"),
    }
}

/// Whether the HTTP client gave up before there was a connection to send anything on.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The class of codes that mean the same everywhere, else of the status. Codes are compared without
/// the `Exception` that some protocols append.
/// (<https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html>)
pub fn common(refusal: &Refusal<'_>) -> AnswerClass {
    match refusal.code.trim_end_matches("Exception") {
        "Throttling"
        | "Throttled"
        | "ThrottledRequest"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "ServiceUnavailable"
        | "SlowDown"
        | "KMSThrottling" => AnswerClass::Retryable,
        "AccessDenied"
        | "AuthorizationError"
        | "ExpiredToken"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSecurity"
        | "MissingAuthenticationToken"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClient" => AnswerClass::Configuration,
        "InternalError" | "InternalFailure" | "InternalServerError" => AnswerClass::Unknown,
        _ => match refusal.status {
            429 | 503 => AnswerClass::Retryable,
            401 | 403 => AnswerClass::Configuration,
            400..=499 => AnswerClass::PermanentMessage,
            _ => AnswerClass::Unknown,
        },
    }
}
