//! One client configuration for all AWS services of a function.
//!
//! Lambda hands over region and credentials in the environment, so nothing is looked up: no profile
//! files, no metadata service, no token exchange. That is what keeps cold starts short.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::{BehaviorVersion, SharedAsyncSleep};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use kairos_engine::bounds::{AWS_ATTEMPT_TIMEOUT, AWS_ATTEMPTS_MAX, AWS_CONNECT_TIMEOUT};
use kairos_engine::time::Span;

use crate::environment::{MissingSetting, optional, required};
use crate::https::http_client;

/// The configuration from the Lambda environment. `AWS_ENDPOINT_URL` points to a local engine, if set.
///
/// # Errors
/// When region or credentials are missing.
pub fn from_environment() -> Result<SdkConfig, MissingSetting> {
    let credentials = Credentials::new(
        required("AWS_ACCESS_KEY_ID")?,
        required("AWS_SECRET_ACCESS_KEY")?,
        optional("AWS_SESSION_TOKEN"),
        None,
        "Lambda environment",
    );
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(required("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client())
        .sleep_impl(SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .retry_config(
            RetryConfig::standard().with_max_attempts(AWS_ATTEMPTS_MAX).with_initial_backoff(Duration::from_millis(50)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(duration(AWS_CONNECT_TIMEOUT))
                .operation_attempt_timeout(duration(AWS_ATTEMPT_TIMEOUT))
                .build(),
        );
    builder.set_endpoint_url(optional("AWS_ENDPOINT_URL"));
    Ok(builder.build())
}

fn duration(span: Span) -> Duration {
    Duration::from_millis(span.as_millis().unsigned_abs())
}
