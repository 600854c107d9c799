//! Secrets of Secrets Manager: asked for when first needed, and again every now and then, so that a new one is in
//! use without a deployment.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use kairos_engine::bounds::SECRET_ASKED_AGAIN_AFTER;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::port::Fault;

use crate::faults::fault;
use crate::on_first_use::OnFirstUse;

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
    client: OnFirstUse<Client>,
    id: String,
    refresh: Span,
    read: fn(&str) -> Result<T, String>,
    /// Of the secret before the present one: what there is when there was none.
    absent: Option<T>,
    known: Mutex<Option<Known<T>>>,
}

#[derive(Clone)]
struct Known<T> {
    secret: T,
    read_at: Timestamp,
    /// Until then it is not asked for again, because that has just failed.
    left_alone_until: Timestamp,
}

/// The stage of the secret that was in use before the present one.
const PREVIOUS: &str = "AWSPREVIOUS";

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl<T: Clone> Secret<T> {
    /// The secret with this ARN, asked for anew after `refresh`. `read` says what is wrong with one that cannot be
    /// used, without showing it.
    pub fn new(
        client: impl Into<OnFirstUse<Client>>,
        id: String,
        refresh: Span,
        read: fn(&str) -> Result<T, String>,
    ) -> Self {
        Self { client: client.into(), id, refresh, read, absent: None, known: Mutex::new(None) }
    }

    /// The same of the secret that was in use before it was replaced; `absent` while it never was.
    pub fn previous(
        client: impl Into<OnFirstUse<Client>>,
        id: String,
        refresh: Span,
        read: fn(&str) -> Result<T, String>,
        absent: T,
    ) -> Self {
        Self { client: client.into(), id, refresh, read, absent: Some(absent), known: Mutex::new(None) }
    }

    /// The secret as it was at most `age` ago. When it cannot be asked for anew, the one known stays in use.
    ///
    /// # Errors
    /// When none is known, and Secrets Manager fails or gives one that cannot be used.
    pub async fn not_older_than(&self, age: Span, now: Timestamp) -> Result<T, Fault> {
        self.known_within(age.min(self.refresh), now).await
    }

    /// The secret as it is now. When it cannot be asked for anew, the one known stays in use.
    ///
    /// # Errors
    /// When none is known, and Secrets Manager fails or gives one that cannot be used.
    pub async fn current(&self, now: Timestamp) -> Result<T, Fault> {
        self.known_within(self.refresh, now).await
    }

    async fn known_within(&self, age: Span, now: Timestamp) -> Result<T, Fault> {
        // A secret is sound whatever a panicking thread left behind.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = &known
            && (now.since(known.read_at) < age || now < known.left_alone_until)
        {
            return Ok(known.secret.clone());
        }
        let known = match (self.ask().await, known) {
            (Ok(secret), _) => Known { secret, read_at: now, left_alone_until: now },
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "a secret could not be asked for anew; the one known stays in use");
                // Not with every request: whoever asks meanwhile would wait for a service that does not answer.
                Known { left_alone_until: now.plus(SECRET_ASKED_AGAIN_AFTER), ..known }
            }
            (Err(error), None) => return Err(error),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known.secret)
    }

    async fn ask(&self) -> Result<T, Fault> {
        let stage = self.absent.as_ref().map(|_| PREVIOUS.to_owned());
        let answer = self.client.get_secret_value().secret_id(&self.id).set_version_stage(stage).send().await;
        let answer = match (answer, &self.absent) {
            (Ok(answer), _) => answer,
            (Err(error), Some(absent))
                if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) =>
            {
                return Ok(absent.clone());
            }
            (Err(error), _) => return Err(fault("SecretsManager GetSecretValue", &error)),
        };
        (self.read)(answer.secret_string().unwrap_or_default())
            .map_err(|why| Fault::Permanent { what: "reading a secret", why })
    }
}
