//! The key by which push services know the shop (VAPID, RFC 8292), made of a secret of Secrets Manager.
//!
//! Secrets Manager makes random texts, and no keys of an elliptic curve. So the key is derived: HKDF-SHA256 of the text,
//! again with the next number as long as what comes out is none (which happens once in 2^32). The same text always gives
//! the same key, and it must stay: browsers that have subscribed with its public part take notifications of no other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use kairos_engine::bounds::{SECRET_BYTES_MIN, VAPID_EXPIRES_AFTER};
use kairos_engine::time::Timestamp;
use p256::SecretKey;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use serde_json::json;
use sha2::Sha256;

/// The key.
#[derive(Clone)]
pub struct VapidKey {
    signing: SigningKey,
    public: String,
}

impl core::fmt::Debug for VapidKey {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("VapidKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl VapidKey {
    /// Makes the key of a secret.
    ///
    /// # Errors
    /// When the text is too short to be one.
    pub fn parse(secret: &str) -> Result<Self, String> {
        let secret = secret.trim();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "this is no secret to make a key of: store at least {SECRET_BYTES_MIN} random letters"
            ));
        }
        let hkdf = Hkdf::<Sha256>::new(None, secret.as_bytes());
        let key = (0_u8..=u8::MAX).find_map(|number| {
            let mut bytes = [0; 32];
            let info = [b"kairos vapid p256 ".as_slice(), &[number]].concat();
            hkdf.expand(&info, &mut bytes).expect("32 bytes are fewer than HKDF gives");
            SecretKey::from_slice(&bytes).ok()
        });
        let key = key.ok_or("no key can be made of this secret: store another one")?;
        let public = URL_SAFE_NO_PAD.encode(key.public_key().to_sec1_point(false).as_bytes());
        Ok(Self { signing: SigningKey::from(key), public })
    }

    /// The public part, which browsers subscribe with: an uncompressed point in base64url.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The header `Authorization` of a request to the push service at `origin` (`https://push.example`), by which it knows
    /// who sends it and whom to ask: a token signed with ES256 (RFC 8292, sections 2 and 3).
    pub fn authorization(&self, origin: &str, contact: &str, now: Timestamp) -> String {
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let head = part(json!({ "typ": "JWT", "alg": "ES256" }));
        let expires_at = now.plus(VAPID_EXPIRES_AFTER).as_secs();
        let claims = part(json!({ "aud": origin, "exp": expires_at, "sub": contact }));
        let signed = format!("{head}.{claims}");
        let signature: Signature = self.signing.sign(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
        format!("vapid t={signed}.{signature}, k={}", self.public)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;

    const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";

    #[test]
    fn a_secret_always_gives_the_same_key_and_another_one_another() {
        let key = VapidKey::parse(SECRET).unwrap();
        // Browsers that have subscribed know it by this: it must never change. (As the Python package `cryptography` makes it.)
        let public = "BB3E_n8ZhbE21-n_yRpDrPd6JXXy2w0lMXThrr_qAy3f49HIPuGfdp3Jz13JzlZJmRYnNMlOdhultq8GExrDDm8";
        assert_eq!(key.public(), VapidKey::parse(&format!(" {SECRET}\n")).unwrap().public());
        assert_eq!(key.public(), public);
        assert_ne!(key.public(), VapidKey::parse(&SECRET.to_lowercase()).unwrap().public());
        assert!(VapidKey::parse("short").unwrap_err().contains("at least 32"));
        assert!(!format!("{key:?}").contains("signing"));
    }

    #[test]
    fn a_token_names_the_service_the_shop_and_its_end_and_is_signed() {
        let key = VapidKey::parse(SECRET).unwrap();
        let now = Timestamp::from_millis(1_763_726_400_000);
        let header = key.authorization("https://push.example", "mailto:web@shop.example", now);
        let (token, public) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(public, key.public());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let point = URL_SAFE_NO_PAD.decode(public).unwrap();
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        VerifyingKey::from_sec1_bytes(&point).unwrap().verify(signed.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let expected = json!({ "aud": "https://push.example", "exp": 1_763_769_600, "sub": "mailto:web@shop.example" });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&claims).unwrap(), expected);
    }
}
