//! What a request asks for.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use kairos_cloud::requests::path;
use kairos_protocol::consent_links::PATHS;
use kairos_protocol::signed_links::Purpose;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// What its link is for.
    pub purpose: Purpose,
    /// The token in it.
    pub token: &'a str,
    /// Whether something is to be changed.
    pub changes: bool,
    /// Whether only the head of the answer is wanted.
    pub head: bool,
}

/// Why there is nothing to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// Nothing is at this path.
    NotFound,
    /// The method means nothing here.
    MethodNotAllowed,
}

/// Reads path and method.
///
/// # Errors
/// When they mean nothing here.
pub fn asked(request: &LambdaFunctionUrlRequest) -> Result<Asked<'_>, NotAsked> {
    let [kind, token] = path(request)[..] else { return Err(NotAsked::NotFound) };
    let purpose = PATHS.iter().find(|(_, known)| *known == kind).map(|(purpose, _)| *purpose);
    let purpose = purpose.ok_or(NotAsked::NotFound)?;
    let (changes, head) = match request.request_context.http.method.as_deref() {
        Some("GET") => (false, false),
        Some("HEAD") => (false, true),
        Some("POST") => (true, false),
        _ => return Err(NotAsked::MethodNotAllowed),
    };
    Ok(Asked { purpose, token, changes, head })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn only_links_of_ours_ask_for_something() {
        let asked = |method: &str, path: &str| {
            let mut request: Value = serde_json::from_str(include_str!("../events/preferences.json")).unwrap();
            request["rawPath"] = json!(path);
            request["requestContext"]["http"]["method"] = json!(method);
            let request = serde_json::from_value(request).unwrap();
            super::asked(&request).map(|asked| (asked.purpose, asked.token.to_owned(), asked.changes, asked.head))
        };
        let token = || "T".to_owned();
        for (method, path, expected) in [
            ("GET", "/u/T", Ok((Purpose::Unsubscribe, token(), false, false))),
            ("HEAD", "/u/T", Ok((Purpose::Unsubscribe, token(), false, true))),
            ("POST", "/p/T/", Ok((Purpose::Preferences, token(), true, false))),
            ("POST", "/c/T", Ok((Purpose::Confirm, token(), true, false))),
            ("DELETE", "/c/T", Err(NotAsked::MethodNotAllowed)),
            ("GET", "/x/T", Err(NotAsked::NotFound)),
            ("GET", "/u", Err(NotAsked::NotFound)),
            ("GET", "/u/T/more", Err(NotAsked::NotFound)),
            ("GET", "/", Err(NotAsked::NotFound)),
        ] {
            assert_eq!(asked(method, path), expected, "{method} {path}");
        }
    }
}
