//! Signing by the Standard Webhooks specification, and where the key comes from.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_cloud::secrets::Secret;
use kairos_engine::bounds::WEBHOOK_SECRET_REFRESH;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;
use sha2::Sha256;

use super::headers::HeaderSecret;

/// Shortest key the specification allows, in bytes.
const KEY_BYTES_MIN: usize = 24;

/// A symmetric key.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Reads a secret as receivers' libraries do: base64, with or without `whsec_` before it. (The 64
    /// letters and digits that the template lets Secrets Manager draw are base64 of 48 bytes.)
    ///
    /// # Errors
    /// When it is not that, or shorter than the specification allows.
    pub fn parse(secret: &str) -> Result<Self, String> {
        let secret = secret.trim();
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
            .map_err(|_| "the webhook secret is not base64: store one of 64 letters and digits".to_owned())?;
        if key.len() < KEY_BYTES_MIN {
            return Err(format!("the webhook secret has {} bytes: store one of at least {KEY_BYTES_MIN}", key.len()));
        }
        Ok(Self(key))
    }

    /// The `webhook-signature` of a body.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{}.", at.as_secs()).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Where the key comes from.
pub trait SigningKeys {
    /// The key to sign with now.
    fn current(&self, now: Timestamp) -> impl Future<Output = Result<SigningKey, Fault>>;

    /// The secret of this name, for a header.
    fn header(&self, name: &str, now: Timestamp) -> impl Future<Output = Result<HeaderSecret, Fault>>;
}

impl<K: SigningKeys> SigningKeys for Arc<K> {
    async fn current(&self, now: Timestamp) -> Result<SigningKey, Fault> {
        K::current(self, now).await
    }

    async fn header(&self, name: &str, now: Timestamp) -> Result<HeaderSecret, Fault> {
        K::header(self, name, now).await
    }
}

/// The key, and the secrets of headers, in Secrets Manager: asked for with the first webhook, and again every
/// [`WEBHOOK_SECRET_REFRESH`].
#[derive(Debug)]
pub struct SecretsManagerKey {
    key: Secret<SigningKey>,
    client: OnFirstUse<Client>,
    prefix: String,
    /// By their names. Playbooks name few.
    headers: Mutex<BTreeMap<String, Arc<Secret<HeaderSecret>>>>,
}

impl SecretsManagerKey {
    /// The key with this ARN, and secrets whose names begin with this, the stack's name.
    pub fn new(client: OnFirstUse<Client>, secret_id: String, prefix: String) -> Self {
        let key = Secret::new(client.clone(), secret_id, WEBHOOK_SECRET_REFRESH, SigningKey::parse);
        Self { key, client, prefix, headers: Mutex::default() }
    }

    fn of_header(&self, id: &str) -> Arc<Secret<HeaderSecret>> {
        // Secrets are sound whatever a panicking thread left behind.
        let mut known = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Secret::new(self.client.clone(), id.to_owned(), WEBHOOK_SECRET_REFRESH, HeaderSecret::parse);
        Arc::clone(known.entry(id.to_owned()).or_insert_with(|| Arc::new(made())))
    }
}

impl SigningKeys for SecretsManagerKey {
    async fn current(&self, now: Timestamp) -> Result<SigningKey, Fault> {
        self.key.current(now).await
    }

    async fn header(&self, name: &str, now: Timestamp) -> Result<HeaderSecret, Fault> {
        let id = format!("{}/webhook/{name}", self.prefix);
        self.of_header(&id).current(now).await.map_err(|fault| match fault {
            // First what to do: a record keeps the beginning.
            Fault::Permanent { what, why } => {
                Fault::Permanent { what, why: format!("store what the header holds as the secret {id}: {why}") }
            }
            retryable @ Fault::Retryable { .. } => retryable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specifications_libraries_is_signed_alike() {
        // From the test suite of the standard-webhooks libraries.
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = Timestamp::from_millis(1_614_265_330_000);
        let body = br#"{"test": 2432232314}"#;
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_base64_of_enough_bytes() {
        let drawn = "a1B2c3D4".repeat(8);
        assert_eq!(SigningKey::parse(&drawn).unwrap().0.len(), 48);
        for secret in ["", "whsec_", "c2hvcnQ=", "not base64 at all, though it is long enough for one"] {
            assert!(SigningKey::parse(secret).is_err(), "{secret}");
        }
        assert_eq!(format!("{:?}", SigningKey::parse(&drawn).unwrap()), "SigningKey");
    }
}
