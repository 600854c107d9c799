//! What may go wrong with a request, and what is said of it.

use kairos_protocol::port::Fault;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is nothing at this address; what there is none of.
    #[error("{0}")]
    NotFound(String),
    /// Something of the address or of the form means nothing; what, and what to write.
    #[error("{0}")]
    NotUnderstood(String),
    /// The address takes another method.
    #[error("This address takes no such requests. Go back, and use the page's own buttons.")]
    MethodNotAllowed,
    /// A change that did not come from a page of this session.
    #[error(
        "This did not come from a page of yours, or you have logged in anew since. Go back, load the page again and repeat it."
    )]
    NotFromHere,
    /// Somebody was faster, or what was asked for cannot be done as things stand; why.
    #[error("{0}")]
    Conflict(String),
    /// More is sent than a form of ours holds.
    #[error("This is more than a form of the console holds.")]
    TooLarge,
    /// A service does not answer, or has something unreadable.
    #[error(
        "The data could not be read just now. Load the page again in a moment; the logs of `console` say what is wrong."
    )]
    Unavailable(#[from] Fault),
}

impl Problem {
    /// There is no such thing at this address.
    pub fn no_such_page() -> Self {
        Self::NotFound("There is nothing at this address. The navigation leads to everything there is.".to_owned())
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound(_) => 404,
            Self::NotUnderstood(_) => 400,
            Self::MethodNotAllowed => 405,
            Self::NotFromHere => 403,
            Self::Conflict(_) => 409,
            Self::TooLarge => 413,
            Self::Unavailable(_) => 503,
        }
    }

    /// For counters.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::NotUnderstood(_) => "not_understood",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotFromHere => "not_from_here",
            Self::Conflict(_) => "conflict",
            Self::TooLarge => "too_large",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The title of its page.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "Not found",
            Self::NotUnderstood(_) => "That was not understood",
            Self::MethodNotAllowed | Self::NotFromHere => "That was not accepted",
            Self::Conflict(_) => "That is not possible now",
            Self::TooLarge => "Too much",
            Self::Unavailable(_) => "Not available just now",
        }
    }
}
