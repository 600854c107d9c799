//! What a provider said.

use kairos_engine::bounds::ANSWER_TEXT_BYTES_MAX;
use kairos_engine::product::shortened;
use kairos_engine::time::Span;
use serde::{Deserialize, Serialize};

/// A provider's answer, classified by the codes it documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What it means for the message.
    pub class: AnswerClass,
    /// The provider's own code, or ours where it gave none (`timeout`); names no person.
    pub code: String,
    /// What it said beside the code; may name an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The provider's id of the message, by which receipts come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// How long it asked to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<Span>,
    /// Whether nothing was sent because this provider does not serve the number or country, which another one may do. It is of
    /// use at once or not at all, and not stored.
    #[serde(skip)]
    pub is_not_served: bool,
}

/// What an answer means for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerClass {
    /// The provider has taken it.
    Sent,
    /// Not now, and nothing was sent: throttled, out of order for a while.
    Retryable,
    /// Never to this address: it does not exist, has opted out.
    PermanentAddress,
    /// Never this message: too long, refused for its content.
    PermanentMessage,
    /// Nobody can be reached until somebody sets something right: denied, sender not verified, quota used up.
    Configuration,
    /// Perhaps sent: the answer did not arrive.
    Unknown,
    /// Not asked for, and never will be: the receiver has refused such messages, or the address is on the suppression list.
    NotAllowed,
}

impl AnswerClass {
    /// Its name in records and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retryable => "retryable",
            Self::PermanentAddress => "permanent_address",
            Self::PermanentMessage => "permanent_message",
            Self::Configuration => "configuration",
            Self::Unknown => "unknown",
            Self::NotAllowed => "not_allowed",
        }
    }
}

impl Answer {
    /// An answer with nothing but a code.
    pub fn new(class: AnswerClass, code: &str) -> Self {
        Self {
            class,
            code: shortened(code, ANSWER_TEXT_BYTES_MAX).to_owned(),
            detail: None,
            provider_id: None,
            retry_after_ms: None,
            is_not_served: false,
        }
    }

    /// The same, with what was said beside the code (cut to what a record keeps).
    #[must_use]
    pub fn with_detail(self, detail: &str) -> Self {
        let detail = shortened(detail.trim(), ANSWER_TEXT_BYTES_MAX);
        Self { detail: (!detail.is_empty()).then(|| detail.to_owned()), ..self }
    }

    /// The same, with the provider's id of the message.
    #[must_use]
    pub fn with_provider_id(self, id: &str) -> Self {
        Self { provider_id: Some(shortened(id, ANSWER_TEXT_BYTES_MAX).to_owned()), ..self }
    }

    /// The same of a provider that does not serve the number or country.
    #[must_use]
    pub fn not_served(self) -> Self {
        Self { is_not_served: true, ..self }
    }

    /// Whether another provider of the channel may send it: this one has certainly not, and says nothing against it.
    pub fn leaves_it_to_another(&self) -> bool {
        self.class == AnswerClass::Retryable || self.is_not_served
    }

    /// The same, with the time the provider asked for.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Span>) -> Self {
        Self { retry_after_ms: retry_after, ..self }
    }
}
