//! The messengers' tokens: one secret each in Secrets Manager, which exists when the shop uses the messenger.
//!
//! | secret | what it holds |
//! |---|---|
//! | `STACK/telegram-token` | the token that BotFather gave: `123456:ABC-DEF…` |
//! | `STACK/viber-token` | the bot's authentication token |
//! | `STACK/whatsapp-token` | an access token of a system user with `whatsapp_business_messaging` |

use std::future::Future;

use aws_sdk_secretsmanager::Client;
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_cloud::secrets::Secret;
use kairos_engine::bounds::{MESSENGER_TOKEN_BYTES_MAX, MESSENGER_TOKEN_REFRESH};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;

use crate::messengers::Messenger;

/// A token: nothing shows it by accident.
#[derive(Clone)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

impl Token {
    /// Reads the token of a Telegram bot. It stands in the address of every call.
    ///
    /// # Errors
    /// When it is none.
    pub fn telegram(secret: &str) -> Result<Self, String> {
        let token = secret.trim();
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        match token.split_once(':') {
            Some((id, key))
                if id.parse::<u64>().is_ok()
                    && !key.is_empty()
                    && plain(key)
                    && token.len() <= MESSENGER_TOKEN_BYTES_MAX =>
            {
                Ok(Self(token.to_owned()))
            }
            _ => Err("this is not the token of a Telegram bot: store the one that BotFather gave".to_owned()),
        }
    }

    /// Reads a token that stands in a header: Viber's, Meta's.
    ///
    /// # Errors
    /// When it is none.
    pub fn in_header(secret: &str) -> Result<Self, String> {
        let token = secret.trim();
        if token.is_empty()
            || token.len() > MESSENGER_TOKEN_BYTES_MAX
            || !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err("this is not a token: store the one that the messenger gave, and nothing else".to_owned());
        }
        Ok(Self(token.to_owned()))
    }

    /// The token itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Where tokens come from.
pub trait Tokens {
    /// The token of a messenger as it is now.
    fn current(&self, messenger: Messenger, now: Timestamp) -> impl Future<Output = Result<Token, Fault>>;
}

/// The tokens in Secrets Manager: each asked for with the first message, and again every
/// [`MESSENGER_TOKEN_REFRESH`].
#[derive(Debug)]
pub struct SecretsManagerTokens {
    telegram: Secret<Token>,
    viber: Secret<Token>,
    whatsapp: Secret<Token>,
    prefix: String,
}

impl SecretsManagerTokens {
    /// The secrets whose names begin with this, the stack's name.
    pub fn new(client: &OnFirstUse<Client>, prefix: String) -> Self {
        let secret = |messenger: Messenger, read| {
            Secret::new(client.clone(), format!("{prefix}/{messenger}-token"), MESSENGER_TOKEN_REFRESH, read)
        };
        Self {
            telegram: secret(Messenger::Telegram, Token::telegram),
            viber: secret(Messenger::Viber, Token::in_header),
            whatsapp: secret(Messenger::Whatsapp, Token::in_header),
            prefix,
        }
    }
}

impl Tokens for SecretsManagerTokens {
    async fn current(&self, messenger: Messenger, now: Timestamp) -> Result<Token, Fault> {
        let secret = match messenger {
            Messenger::Telegram => &self.telegram,
            Messenger::Viber => &self.viber,
            Messenger::Whatsapp => &self.whatsapp,
        };
        secret.current(now).await.map_err(|fault| match fault {
            Fault::Permanent { what, why } => {
                // First what to do: a record keeps the beginning.
                let why = format!("store the token as the secret {}/{messenger}-token: {why}", self.prefix);
                Fault::Permanent { what, why }
            }
            retryable @ Fault::Retryable { .. } => retryable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_its_messenger_gives() {
        assert_eq!(Token::telegram(" 123456:ABC-DEF_1234\n").unwrap().reveal(), "123456:ABC-DEF_1234");
        for wrong in ["", "ABC", "123456:", "x:ABC", "123456:ABC/../x", "123456:A B", "123456:ABC?x=1"] {
            assert!(Token::telegram(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Token::in_header("EAAG0abc\n").unwrap().reveal(), "EAAG0abc");
        for wrong in ["", " ", "a b", "a\r\nX-Other: 1", &"a".repeat(MESSENGER_TOKEN_BYTES_MAX + 1)] {
            let why = Token::in_header(wrong).unwrap_err();
            assert!(!why.contains(wrong) || wrong.trim().is_empty(), "{why}");
        }
        assert_eq!(format!("{:?}", Token::in_header("EAAG0abc").unwrap()), "Token");
    }
}
