//! Which AWS errors are worth another try, and what may be said of a text that cannot be read.

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use kairos_protocol::port::Fault;

/// Error codes that say "later": throttling and momentary trouble, from the services' API references.
const RETRYABLE_CODES: [&str; 12] = [
    "InternalServerError",
    "InternalError",
    "InternalFailure",
    "KmsThrottled",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ServiceUnavailable",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
];

/// What a failed call means to its caller.
pub fn fault<E>(what: &'static str, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let why = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => DisplayErrorContext(error).to_string(),
    };
    let retryable = match error {
        SdkError::ServiceError(answer) => {
            answer.raw().status().is_server_error() || error.code().is_some_and(|code| RETRYABLE_CODES.contains(&code))
        }
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    };
    if retryable { Fault::Retryable { what, why } } else { Fault::Permanent { what, why } }
}

/// What is wrong with a JSON text and where, showing nothing of it: it may name a person, and this goes
/// into logs.
pub fn without_content(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
}
