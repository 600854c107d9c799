//! Webhooks: addresses that messages are posted to, each under a name, and what they are told.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use serde::{Deserialize, Deserializer, Serialize};

/// What the one webhook is called that playbooks had before webhooks had names.
pub const SINGLE_WEBHOOK: &str = "webhook";

/// Where messages are posted to, and with which headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// The address that receives them.
    pub url: String,
    /// The headers that go with them, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, WebhookHeader>,
}

/// What stands in a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WebhookHeader {
    /// This, as it is.
    Text(String),
    /// A secret, which stands in no file.
    Secret {
        /// Its name in Secrets Manager, behind `STACK/webhook/`.
        secret: String,
        /// What stands before it, as in `Bearer `.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
    },
}

/// Headers that say how a request is to be read, by whom, or on which connection (RFC 9110, RFC 9112), and those that
/// every webhook carries.
const REFUSED_HEADERS: [&str; 17] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
/// Beginnings of names that are for proxies, or for what every webhook carries.
const REFUSED_BEGINNINGS: [&str; 4] = ["kairos-", "proxy-", "webhook-", "x-forwarded-"];

/// Whether a playbook may not set a header of this name.
pub fn is_refused_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    REFUSED_HEADERS.contains(&name.as_str()) || REFUSED_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// Whether this can be the name of a header (a token of RFC 9110, section 5.6.2).
pub fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// Whether this can stand in a header: visible letters of ASCII and blanks, no line breaks.
pub fn is_header_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// What a webhook is told, as Liquid templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTemplate {
    /// The name of the webhook; without it, the only one there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A text that travels beside the data, in an envelope of ours (the receiver also gets user, play and cart as JSON).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The whole body, as JSON, instead of the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// Reads webhooks by name, or the one that had none.
///
/// # Errors
/// When it is neither.
pub(super) fn named_or_single<'de, D>(deserializer: D) -> Result<BTreeMap<String, WebhookSettings>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Single(WebhookSettings),
        Named(BTreeMap<String, WebhookSettings>),
    }
    Ok(match Stored::deserialize(deserializer)? {
        Stored::Single(webhook) => BTreeMap::from([(SINGLE_WEBHOOK.to_owned(), webhook)]),
        Stored::Named(webhooks) => webhooks,
    })
}
