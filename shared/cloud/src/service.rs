//! How a function starts.

use std::future::Future;
use std::pin::Pin;

use aws_types::SdkConfig;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::configuration;
use crate::environment::MissingSetting;
use crate::telemetry;

/// Starts logging and gives the configuration for AWS clients.
///
/// # Errors
/// When the environment lacks region or credentials.
pub fn start() -> Result<SdkConfig, MissingSetting> {
    telemetry::start_logging();
    configuration::from_environment()
}

/// Gives each invocation to `handle`, one at a time, until Lambda stops the process. What the invocation puts into
/// mailboxes carries its request id ([`telemetry::invocation`]), which all of its log lines show as `requestId`.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<'a, Asked, Answer, Handled>(handle: impl Fn(LambdaEvent<Asked>) -> Handled) -> Result<(), Error>
where
    Asked: DeserializeOwned,
    Answer: Serialize + 'a,
    Handled: Future<Output = Result<Answer, Error>> + 'a,
{
    // Behind a pointer, so that what is inside is not part of the runtime's own types.
    let handle = |event: LambdaEvent<Asked>| -> Pin<Box<dyn Future<Output = Handled::Output> + 'a>> {
        telemetry::begin(&event.context.request_id);
        Box::pin(handle(event))
    };
    lambda_runtime::run(service_fn(handle)).await
}
