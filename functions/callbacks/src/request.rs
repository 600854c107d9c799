//! Which messenger speaks, and its body as it was signed.

use std::borrow::Cow;

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kairos_cloud::requests::path;
use kairos_engine::bounds::CALLBACK_BYTES_MAX;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Telegram tells something.
    Telegram,
    /// Viber tells something.
    Viber,
    /// Meta tells something.
    Whatsapp,
    /// Meta asks whose endpoint this is.
    WhatsappVerification,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing there.
    NotFound,
    /// It is there, and asked in another way.
    MethodNotAllowed,
    /// The body has too many bytes, or too much news.
    TooLarge,
    /// The body is none of the messenger's.
    NotUnderstood,
    /// It is not the messenger that speaks.
    Forged,
    /// There is no secret to check it with, or none can be read now.
    NoSecret,
    /// The queue has not taken it.
    TryAgain,
}

impl Refusal {
    /// For programs and counters. Part of the interface: never changes.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge => "callback_too_large",
            Self::NotUnderstood => "callback_not_understood",
            Self::Forged => "callback_forged",
            Self::NoSecret => "callback_no_secret",
            Self::TryAgain => "callback_try_again",
        }
    }

    /// The HTTP status. Messengers tell again what was not answered with 200.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::NotUnderstood => 400,
            Self::Forged => 403,
            Self::NoSecret | Self::TryAgain => 503,
        }
    }

    /// What is wrong and what to do.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotFound => "There is nothing here. Messengers are named `/telegram`, `/viber` and `/whatsapp`.",
            Self::MethodNotAllowed => "Send a POST request.",
            Self::TooLarge => "This is more than any messenger sends.",
            Self::NotUnderstood => "The body is of another form than the messenger documents.",
            Self::Forged => "This is not signed by the messenger, or with another secret than the stack knows.",
            Self::NoSecret => "The secret that this is checked with cannot be read. docs/channels.md says its name.",
            Self::TryAgain => "This could not be kept. Send it again.",
        }
    }
}

/// What is asked.
///
/// # Errors
/// When it is nothing of ours.
pub fn route(request: &LambdaFunctionUrlRequest) -> Result<Route, Refusal> {
    let method = request.request_context.http.method.as_deref().unwrap_or_default();
    match (path(request).as_slice(), method) {
        (["telegram"], "POST") => Ok(Route::Telegram),
        (["viber"], "POST") => Ok(Route::Viber),
        (["whatsapp"], "POST") => Ok(Route::Whatsapp),
        (["whatsapp"], "GET") => Ok(Route::WhatsappVerification),
        (["telegram" | "viber" | "whatsapp"], _) => Err(Refusal::MethodNotAllowed),
        _ => Err(Refusal::NotFound),
    }
}

/// The body, byte for byte as it was signed.
///
/// # Errors
/// When it is too large, or not what its encoding says.
pub fn body(request: &LambdaFunctionUrlRequest) -> Result<Cow<'_, [u8]>, Refusal> {
    let body = request.body.as_deref().unwrap_or_default();
    let bytes = if request.is_base64_encoded {
        if body.len() > CALLBACK_BYTES_MAX.div_ceil(3) * 4 {
            return Err(Refusal::TooLarge);
        }
        Cow::Owned(STANDARD.decode(body).map_err(|_| Refusal::NotUnderstood)?)
    } else {
        Cow::Borrowed(body.as_bytes())
    };
    if bytes.len() > CALLBACK_BYTES_MAX { Err(Refusal::TooLarge) } else { Ok(bytes) }
}

/// A header's text; empty without it.
pub fn header<'r>(request: &'r LambdaFunctionUrlRequest, name: &str) -> &'r str {
    request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(method: &str, path: &str, body: &str, is_base64: bool) -> LambdaFunctionUrlRequest {
        serde_json::from_value(json!({
            "version": "2.0", "rawPath": path, "headers": {}, "isBase64Encoded": is_base64, "body": body,
            "requestContext": { "http": { "method": method }, "timeEpoch": 0 },
        }))
        .unwrap()
    }

    #[test]
    fn each_messenger_has_its_path() {
        for (method, path, expected) in [
            ("POST", "/telegram", Ok(Route::Telegram)),
            ("POST", "/viber", Ok(Route::Viber)),
            ("POST", "/whatsapp", Ok(Route::Whatsapp)),
            ("GET", "/whatsapp", Ok(Route::WhatsappVerification)),
            ("GET", "/viber", Err(Refusal::MethodNotAllowed)),
            ("POST", "/", Err(Refusal::NotFound)),
            ("POST", "/whatsapp/x", Err(Refusal::NotFound)),
        ] {
            assert_eq!(route(&request(method, path, "", false)), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_body_is_given_as_it_was_signed_and_is_bounded() {
        assert_eq!(
            body(&request("POST", "/viber", " {\"a\":\"é\"}\n", false)).unwrap().as_ref(),
            " {\"a\":\"é\"}\n".as_bytes()
        );
        assert_eq!(body(&request("POST", "/viber", "AP8=", true)).unwrap().as_ref(), [0, 255]);
        assert_eq!(body(&request("POST", "/viber", "?", true)), Err(Refusal::NotUnderstood));
        let long = "x".repeat(CALLBACK_BYTES_MAX + 1);
        assert_eq!(body(&request("POST", "/viber", &long, false)), Err(Refusal::TooLarge));
        let long = "A".repeat(CALLBACK_BYTES_MAX * 4 / 3 + 8);
        assert_eq!(body(&request("POST", "/viber", &long, true)), Err(Refusal::TooLarge));
    }
}
