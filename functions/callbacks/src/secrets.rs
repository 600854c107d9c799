//! What callbacks are checked with: secrets in Secrets Manager, which exist when the shop uses the messenger.
//!
//! | secret | what it holds |
//! |---|---|
//! | `STACK/telegram-webhook-secret` | the `secret_token` that the shop chose for `setWebhook` |
//! | `STACK/viber-token` | the bot's authentication token, with which Viber signs, and `delivery` sends |
//! | `STACK/whatsapp-app-secret` | the app secret of the Meta app, with which Meta signs |
//! | `STACK/whatsapp-verify-token` | the token that the shop chose where it named the endpoint to Meta |

use aws_sdk_secretsmanager::Client;
use kairos_cloud::secrets::Secret;
use kairos_engine::bounds::{CALLBACK_SECRET_ASKED_AGAIN_AFTER, CALLBACK_SECRET_REFRESH, MESSENGER_TOKEN_BYTES_MAX};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;

/// Which secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// What Telegram repeats in a header.
    Telegram,
    /// What Viber signs with.
    Viber,
    /// What Meta signs with.
    Whatsapp,
    /// What Meta asks with whose endpoint this is.
    WhatsappVerify,
}

/// The secrets.
#[derive(Debug)]
pub struct Secrets {
    telegram: Secret<String>,
    viber: Secret<String>,
    whatsapp: Secret<String>,
    whatsapp_verify: Secret<String>,
}

impl Secrets {
    /// The secrets whose names begin with this, the stack's name.
    pub fn new(client: &Client, prefix: &str) -> Self {
        let secret =
            |name: &str| Secret::new(client.clone(), format!("{prefix}/{name}"), CALLBACK_SECRET_REFRESH, read);
        Self {
            telegram: secret("telegram-webhook-secret"),
            viber: secret("viber-token"),
            whatsapp: secret("whatsapp-app-secret"),
            whatsapp_verify: secret("whatsapp-verify-token"),
        }
    }

    /// Whether the proof is good by the secret as it is known, or else by the one that has replaced it meanwhile.
    ///
    /// # Errors
    /// When there is no secret, or it cannot be read.
    pub async fn proves(&self, which: Which, now: Timestamp, proof: impl Fn(&str) -> bool) -> Result<bool, Fault> {
        let secret = match which {
            Which::Telegram => &self.telegram,
            Which::Viber => &self.viber,
            Which::Whatsapp => &self.whatsapp,
            Which::WhatsappVerify => &self.whatsapp_verify,
        };
        if proof(&secret.current(now).await?) {
            return Ok(true);
        }
        Ok(proof(&secret.not_older_than(CALLBACK_SECRET_ASKED_AGAIN_AFTER, now).await?))
    }
}

fn read(secret: &str) -> Result<String, String> {
    let secret = secret.trim();
    if secret.is_empty()
        || secret.len() > MESSENGER_TOKEN_BYTES_MAX
        || !secret.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(
            "this is no secret of a messenger: store what it gave, or what it was given, and nothing else".into()
        );
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_plain_and_is_never_shown() {
        assert_eq!(read(" 445da6az1s345z78-dazcczb2542zv51a\n").as_deref(), Ok("445da6az1s345z78-dazcczb2542zv51a"));
        for wrong in ["", " ", "a b", "se\u{301}cret", &"a".repeat(MESSENGER_TOKEN_BYTES_MAX + 1)] {
            let why = read(wrong).unwrap_err();
            assert!(wrong.trim().is_empty() || !why.contains(wrong), "{why}");
        }
    }
}
