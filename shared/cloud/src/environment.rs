//! The settings a function gets from its environment.

use std::env;

/// A setting that the template gives to every function that asks for it.
///
/// # Errors
/// When it is missing or empty: the function must not start half configured.
pub fn required(name: &'static str) -> Result<String, MissingSetting> {
    optional(name).ok_or(MissingSetting(name))
}

/// A setting that may be missing; an empty one counts as missing.
pub fn optional(name: &'static str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A setting is missing.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is not set: deploy template.yaml, which sets it, or set it for a local run")]
pub struct MissingSetting(&'static str);
