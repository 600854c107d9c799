//! Why a whole request is refused. What is wrong with single events is
//! [`kairos_engine::segment_spec::Refusal`].

use kairos_engine::bounds::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};

/// Why a whole request is refused: nothing of it has been taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// An unknown path.
    #[error("There is nothing at this path. Events go to /v1/batch or /v1/track, /v1/identify, /v1/page …")]
    NotFound,
    /// The script of the CDN snippet.
    #[error(
        "Kairos does not serve analytics.js. Bundle @segment/analytics-next and load it with cdnURL set to this address."
    )]
    ScriptNotServed,
    /// A method that means nothing there.
    #[error("Use {allowed} for this path.")]
    MethodNotAllowed {
        /// The method that is served.
        allowed: &'static str,
    },
    /// No key anywhere.
    #[error(
        "No write key. Send it as the user of Basic authentication, as X-Write-Key, or as \"writeKey\" in the body or query."
    )]
    WriteKeyMissing,
    /// A key that no source has.
    #[error("No source has this write key. Compare it with the sources of the published playbook.")]
    WriteKeyUnknown,
    /// Settings for a key that no source has.
    #[error("No source has the write key in this path. Compare it with the sources of the published playbook.")]
    ProjectUnknown,
    /// No body.
    #[error("The body is empty. Send JSON.")]
    BodyMissing,
    /// Base64 by the gateway's account, and not in fact.
    #[error("The body is said to be base64 and is not.")]
    BodyNotBase64,
    /// It starts as gzip does and does not go on like that.
    #[error("The body starts like gzip and cannot be unpacked. Send it again whole, or without compression.")]
    GzipBroken,
    /// Too many bytes, packed or unpacked.
    #[error("The body has more than {BATCH_BYTES_MAX} bytes, unpacked. Send smaller batches.")]
    BodyTooLarge,
    /// Neither UTF-8 nor gzip.
    #[error("The body is not UTF-8. Send JSON, plain or packed with gzip.")]
    BodyNotText,
    /// Broken JSON.
    #[error("The body is not JSON: {0}.")]
    BodyNotJson(String),
    /// JSON, but a list or a scalar.
    #[error("The body must be a JSON object.")]
    BodyNotObject,
    /// No list of events.
    #[error("A batch must have its events in the list \"batch\".")]
    BatchMissing,
    /// Too many events.
    #[error("The batch has {0} events and may have {BATCH_EVENTS_MAX}. Send smaller batches.")]
    BatchTooLong(usize),
    /// A pixel without an event.
    #[error("The pixel needs the query parameter \"data\", an event as base64 of its JSON.")]
    PixelDataMissing,
    /// A pixel with something else.
    #[error("The query parameter \"data\" is not base64 of an event's JSON.")]
    PixelDataInvalid,
    /// The sources are not known.
    #[error("No playbook could be loaded, so no write key can be checked. Run `kairos publish`, then send again.")]
    PlaybookUnavailable,
    /// No source of the playbook has this key, and the one of the shop's server is not known.
    #[error("No source has this write key, and the key of the shop's server could not be read. Send it again.")]
    ServerKeyUnavailable,
    /// Not everything could be put into the mailboxes.
    #[error("The events could not be queued. Send the same request again: nothing will count twice.")]
    QueueUnavailable,
}

impl RequestRefusal {
    /// For programs and counters. Part of the interface: never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::ScriptNotServed => "script_not_served",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::WriteKeyMissing => "write_key_missing",
            Self::WriteKeyUnknown => "write_key_unknown",
            Self::ProjectUnknown => "project_unknown",
            Self::BodyMissing => "body_missing",
            Self::BodyNotBase64 => "body_not_base64",
            Self::GzipBroken => "gzip_broken",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyNotText => "body_not_text",
            Self::BodyNotJson(_) => "body_not_json",
            Self::BodyNotObject => "body_not_object",
            Self::BatchMissing => "batch_missing",
            Self::BatchTooLong(_) => "batch_too_long",
            Self::PixelDataMissing => "pixel_data_missing",
            Self::PixelDataInvalid => "pixel_data_invalid",
            Self::PlaybookUnavailable => "playbook_unavailable",
            Self::ServerKeyUnavailable => "server_key_unavailable",
            Self::QueueUnavailable => "queue_unavailable",
        }
    }

    /// The HTTP status. Only 503 invites the client to send again.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound | Self::ScriptNotServed | Self::ProjectUnknown => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::WriteKeyMissing | Self::WriteKeyUnknown => 401,
            Self::BodyTooLarge | Self::BatchTooLong(_) => 413,
            Self::PlaybookUnavailable | Self::ServerKeyUnavailable | Self::QueueUnavailable => 503,
            _ => 400,
        }
    }
}
