//! The headers that the playbook gives a webhook: as they stand there, or with a secret from Secrets Manager.

use kairos_engine::bounds::{WEBHOOK_HEADER_BYTES_MAX, WEBHOOK_HEADERS_MAX};
use kairos_engine::playbook::{WebhookHeader, WebhookSettings, is_header_value, is_refused_header};
use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::{Answer, AnswerClass};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::signature::SigningKeys;
use crate::composer::no_key;

/// What a header keeps secret: nothing shows it by accident.
#[derive(Clone)]
pub struct HeaderSecret(String);

impl std::fmt::Debug for HeaderSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HeaderSecret")
    }
}

impl HeaderSecret {
    /// Reads a secret that can stand in a header.
    ///
    /// # Errors
    /// When it cannot: what is wrong, without showing it.
    pub fn parse(secret: &str) -> Result<Self, String> {
        let secret = secret.trim();
        if secret.is_empty() || secret.len() > WEBHOOK_HEADER_BYTES_MAX || !is_header_value(secret) {
            return Err(format!(
                "this cannot stand in a header: store letters, digits and signs of ASCII in one line, at most \
                 {WEBHOOK_HEADER_BYTES_MAX}"
            ));
        }
        Ok(Self(secret.to_owned()))
    }
}

/// The headers of a webhook. Whatever a playbook says, none of those of the request itself is among them.
///
/// # Errors
/// The answer that is recorded when one cannot be set, or its secret cannot be had.
pub async fn of(receiver: &WebhookSettings, keys: &impl SigningKeys, now: Timestamp) -> Result<HeaderMap, Answer> {
    let refused = |name: &str| {
        Answer::new(AnswerClass::Configuration, "header_invalid")
            .with_detail(&format!("change the header `{name}` of the webhook; `kairos check` says how"))
    };
    let mut headers = HeaderMap::with_capacity(receiver.headers.len());
    for (name, header) in receiver.headers.iter().take(WEBHOOK_HEADERS_MAX) {
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused(name))?;
        if is_refused_header(key.as_str()) {
            return Err(refused(name));
        }
        let (value, is_secret) = match header {
            WebhookHeader::Text(text) => (text.clone(), false),
            WebhookHeader::Secret { secret, prefix } => {
                let HeaderSecret(secret) = keys.header(secret, now).await.map_err(|fault| no_key(&fault))?;
                (format!("{prefix}{secret}"), true)
            }
        };
        let value = Some(value).filter(|value| value.len() <= WEBHOOK_HEADER_BYTES_MAX && is_header_value(value));
        let mut value = value.and_then(|value| HeaderValue::from_str(&value).ok()).ok_or_else(|| refused(name))?;
        value.set_sensitive(is_secret);
        headers.insert(key, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_a_header_is_one_line_and_shows_itself_nowhere() {
        assert_eq!(HeaderSecret::parse(" abc def\n").unwrap().0, "abc def");
        for wrong in ["", " ", "a\r\nX-Other: 1", "ключ", &"a".repeat(WEBHOOK_HEADER_BYTES_MAX + 1)] {
            let why = HeaderSecret::parse(wrong).unwrap_err();
            assert!(wrong.trim().is_empty() || !why.contains(wrong), "{why}");
        }
        assert_eq!(format!("{:?}", HeaderSecret::parse("abc").unwrap()), "HeaderSecret");
    }
}
