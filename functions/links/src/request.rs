//! What a request asks for.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use kairos_cloud::requests::path;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'r> {
    /// To be led where this token says.
    Click(&'r str),
    /// The picture that this token counts.
    Open(&'r str),
    /// What crawlers may look at.
    Robots,
}

/// Why nothing is done for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// An unknown path.
    NotFound,
    /// A method that means nothing here.
    MethodNotAllowed,
}

/// Reads what is asked for, and whether only its headers are.
///
/// # Errors
/// When there is nothing like that.
pub fn route(request: &LambdaFunctionUrlRequest) -> Result<(Route<'_>, bool), NoRoute> {
    let route = match *path(request).as_slice() {
        ["c", token] => Route::Click(token),
        ["o", token] => Route::Open(token),
        ["robots.txt"] => Route::Robots,
        _ => return Err(NoRoute::NotFound),
    };
    match request.request_context.http.method.as_deref() {
        Some("GET") => Ok((route, false)),
        Some("HEAD") => Ok((route, true)),
        _ => Err(NoRoute::MethodNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_says_what_is_asked_for() {
        for (method, path, expected) in [
            ("GET", "/c/abc", Ok((Route::Click("abc"), false))),
            ("HEAD", "/c/abc", Ok((Route::Click("abc"), true))),
            ("GET", "/c/abc/", Ok((Route::Click("abc"), false))),
            ("GET", "/o/abc", Ok((Route::Open("abc"), false))),
            ("GET", "/robots.txt", Ok((Route::Robots, false))),
            ("GET", "/", Err(NoRoute::NotFound)),
            ("GET", "/c", Err(NoRoute::NotFound)),
            ("GET", "/c/a/b", Err(NoRoute::NotFound)),
            ("GET", "/x/abc", Err(NoRoute::NotFound)),
            ("POST", "/c/abc", Err(NoRoute::MethodNotAllowed)),
            ("POST", "/", Err(NoRoute::NotFound)),
        ] {
            let request = json!({
                "version": "2.0", "rawPath": path, "headers": {}, "isBase64Encoded": false,
                "requestContext": { "http": { "method": method }, "timeEpoch": 0 },
            });
            let request: LambdaFunctionUrlRequest = serde_json::from_value(request).unwrap();
            assert_eq!(route(&request), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_example_events_are_read() {
        let click: LambdaFunctionUrlRequest = serde_json::from_str(include_str!("../events/click.json")).unwrap();
        assert!(matches!(route(&click), Ok((Route::Click(_), false))));
        let open: LambdaFunctionUrlRequest = serde_json::from_str(include_str!("../events/open.json")).unwrap();
        assert!(matches!(route(&open), Ok((Route::Open(_), false))));
    }
}
