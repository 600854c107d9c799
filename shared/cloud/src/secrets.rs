//! Secrets of Secrets Manager: asked for when first needed, and again every now and then, so that a new one is in
//! use without a deployment.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use kairos_engine::bounds::SECRET_ASKED_AGAIN_AFTER;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::port::Fault;

use crate::faults::fault;

/// Reads a key that opens something: any text that is not empty.
///
/// # Errors
/// When it is empty.
pub fn access_key(key: &str) -> Result<String, String> {
    match key.trim() {
        "" => Err("the key is empty: store one of at least 24 letters and digits".into()),
        key => Ok(key.to_owned()),
    }
}

/// One secret, read as what it is.
pub struct Secret<T> {
    client: Client,
    id: String,
    refresh: Span,
    read: fn(&str) -> Result<T, String>,
    known: Mutex<Option<(Timestamp, T)>>,
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl<T: Clone> Secret<T> {
    /// The secret with this ARN, asked for anew after `refresh`. `read` says what is wrong with one that cannot be
    /// used, without showing it.
    pub fn new(client: Client, id: String, refresh: Span, read: fn(&str) -> Result<T, String>) -> Self {
        Self { client, id, refresh, read, known: Mutex::new(None) }
    }

    /// The secret as it is now. When it cannot be asked for anew, the one known stays in use.
    ///
    /// # Errors
    /// When none is known, and Secrets Manager fails or gives one that cannot be used.
    pub async fn current(&self, now: Timestamp) -> Result<T, Fault> {
        // A secret is sound whatever a panicking thread left behind.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read_at, secret)) = &known
            && now.since(*read_at) < self.refresh
        {
            return Ok(secret.clone());
        }
        match (self.ask().await, known) {
            (Ok(secret), _) => {
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, secret.clone()));
                Ok(secret)
            }
            (Err(error), Some((_, secret))) => {
                tracing::warn!(%error, "a secret could not be asked for anew; the one known stays in use");
                // Not with every request: whoever asks meanwhile would wait for a service that does not answer.
                let asked_at = now.minus(self.refresh).plus(SECRET_ASKED_AGAIN_AFTER);
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked_at, secret.clone()));
                Ok(secret)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn ask(&self) -> Result<T, Fault> {
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await;
        let answer = answer.map_err(|error| fault("SecretsManager GetSecretValue", &error))?;
        (self.read)(answer.secret_string().unwrap_or_default())
            .map_err(|why| Fault::Permanent { what: "reading a secret", why })
    }
}
