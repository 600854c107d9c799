//! How a function starts.

use aws_types::SdkConfig;

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
