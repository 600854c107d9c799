//! Signing by the Standard Webhooks specification, and where the key comes from.

use std::future::Future;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kairos_cloud::secrets::Secret;
use kairos_engine::bounds::WEBHOOK_SECRET_REFRESH;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;
use sha2::Sha256;

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
}

impl<K: SigningKeys> SigningKeys for Arc<K> {
    async fn current(&self, now: Timestamp) -> Result<SigningKey, Fault> {
        K::current(self, now).await
    }
}

/// The key in Secrets Manager: asked for with the first webhook, and again every
/// [`WEBHOOK_SECRET_REFRESH`].
#[derive(Debug)]
pub struct SecretsManagerKey(Secret<SigningKey>);

impl SecretsManagerKey {
    /// The secret with this ARN.
    pub fn new(client: Client, secret_id: String) -> Self {
        Self(Secret::new(client, secret_id, WEBHOOK_SECRET_REFRESH, SigningKey::parse))
    }
}

impl SigningKeys for SecretsManagerKey {
    async fn current(&self, now: Timestamp) -> Result<SigningKey, Fault> {
        self.0.current(now).await
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
