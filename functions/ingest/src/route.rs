//! Which path means what. All paths that the clients of Segment, RudderStack and Jitsu ask for.

use kairos_engine::segment_spec::Call;

use crate::refusal::RequestRefusal;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Take a batch of events; history keeps its times.
    Batch {
        /// Whether it is an import.
        historical: bool,
    },
    /// Take one event, of the call that the path names, if it does.
    Event(Option<Call>),
    /// Take one event from the query and answer with a picture.
    Pixel(Option<Call>),
    /// Say where events of this write key go: clients ask before they send.
    Settings {
        /// The write key in the path.
        write_key: &'a str,
    },
    /// Take a client's figures about itself, which nobody reads.
    Metrics,
    /// Say whether events can be taken.
    Health,
    /// A browser asks whether it may send.
    Preflight,
}

impl Route<'_> {
    /// Whether the sources of the playbook are needed to answer.
    pub fn needs_sources(&self) -> bool {
        !matches!(self, Self::Metrics | Self::Preflight)
    }
}

/// Whether pictures are expected at this path, whatever else is wrong with the request.
pub fn is_pixel(path: &str) -> bool {
    matches!(segments(path).as_slice(), ["v1", "pixel", _] | ["pixel", _])
}

/// The route of a request. Slashes at the end, or twice, change nothing: a redirect to a better
/// spelling would lose events, because several clients take a redirect for success.
///
/// # Errors
/// When there is nothing at this path, or not with this method.
pub fn route<'a>(method: &str, path: &'a str) -> Result<Route<'a>, RequestRefusal> {
    if method == "OPTIONS" {
        return Ok(Route::Preflight);
    }
    let segments = segments(path);
    let unversioned = match segments.as_slice() {
        ["v1", rest @ ..] => rest,
        all => all,
    };
    let (allowed, route) = match (segments.as_slice(), unversioned) {
        (["api", "s", name] | ["api", "s", "s2s", name], _) => ("POST", Route::Event(Call::parse(name))),
        (["analytics.js", "v1", _, "analytics.min.js"], _) => return Err(RequestRefusal::ScriptNotServed),
        (_, ["projects", write_key, "settings"]) => ("GET", Route::Settings { write_key }),
        (_, ["pixel", name]) => match call(name) {
            Some(call) => ("GET", Route::Pixel(Some(call))),
            None => return Err(RequestRefusal::NotFound),
        },
        (_, ["b" | "batch"]) => ("POST", Route::Batch { historical: false }),
        (_, ["import"]) => ("POST", Route::Batch { historical: true }),
        (_, ["m"]) => ("POST", Route::Metrics),
        (_, ["health"]) => ("GET", Route::Health),
        (_, [name]) => match call(name) {
            Some(call) => ("POST", Route::Event(Some(call))),
            None => return Err(RequestRefusal::NotFound),
        },
        _ => return Err(RequestRefusal::NotFound),
    };
    if method == allowed { Ok(route) } else { Err(RequestRefusal::MethodNotAllowed { allowed }) }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

/// A call by its name or, as browsers send it, by its first letter.
fn call(name: &str) -> Option<Call> {
    match name {
        "t" => Some(Call::Track),
        "i" => Some(Call::Identify),
        "p" => Some(Call::Page),
        "g" => Some(Call::Group),
        "a" => Some(Call::Alias),
        "s" => Some(Call::Screen),
        name => Call::parse(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_that_clients_ask_for_is_served() {
        let batch = Route::Batch { historical: false };
        for (method, path, expected) in [
            ("POST", "/v1/batch", batch),
            ("POST", "/batch", batch),
            ("POST", "/v1/b", batch),
            ("POST", "/b", batch),
            ("POST", "//v1/batch/", batch),
            ("POST", "/v1/import", Route::Batch { historical: true }),
            ("POST", "/v1/t", Route::Event(Some(Call::Track))),
            ("POST", "/v1/i", Route::Event(Some(Call::Identify))),
            ("POST", "/v1/p", Route::Event(Some(Call::Page))),
            ("POST", "/v1/g", Route::Event(Some(Call::Group))),
            ("POST", "/v1/a", Route::Event(Some(Call::Alias))),
            ("POST", "/v1/s", Route::Event(Some(Call::Screen))),
            ("POST", "/t", Route::Event(Some(Call::Track))),
            ("POST", "/v1/track", Route::Event(Some(Call::Track))),
            ("POST", "/v1/identify", Route::Event(Some(Call::Identify))),
            ("POST", "/v1/page", Route::Event(Some(Call::Page))),
            ("POST", "/v1/screen", Route::Event(Some(Call::Screen))),
            ("POST", "/v1/group", Route::Event(Some(Call::Group))),
            ("POST", "/v1/alias", Route::Event(Some(Call::Alias))),
            ("POST", "/api/s/page", Route::Event(Some(Call::Page))),
            ("POST", "/api/s/event", Route::Event(None)),
            ("POST", "/api/s/s2s/track", Route::Event(Some(Call::Track))),
            ("GET", "/v1/projects/KEY/settings", Route::Settings { write_key: "KEY" }),
            ("GET", "/projects/KEY/settings", Route::Settings { write_key: "KEY" }),
            ("GET", "/v1/pixel/page", Route::Pixel(Some(Call::Page))),
            ("POST", "/v1/m", Route::Metrics),
            ("POST", "/m", Route::Metrics),
            ("GET", "/health", Route::Health),
            ("OPTIONS", "/v1/t", Route::Preflight),
        ] {
            assert_eq!(route(method, path), Ok(expected), "{method} {path}");
        }
    }

    #[test]
    fn what_is_not_served_is_said_plainly() {
        for (method, path, expected) in [
            ("GET", "/", RequestRefusal::NotFound),
            ("POST", "/v2/batch", RequestRefusal::NotFound),
            ("POST", "/v1/merge", RequestRefusal::NotFound),
            ("GET", "/v1/pixel/merge", RequestRefusal::NotFound),
            ("GET", "/analytics.js/v1/KEY/analytics.min.js", RequestRefusal::ScriptNotServed),
            ("GET", "/v1/batch", RequestRefusal::MethodNotAllowed { allowed: "POST" }),
            ("PUT", "/v1/t", RequestRefusal::MethodNotAllowed { allowed: "POST" }),
            ("POST", "/v1/projects/KEY/settings", RequestRefusal::MethodNotAllowed { allowed: "GET" }),
        ] {
            assert_eq!(route(method, path), Err(expected), "{method} {path}");
        }
    }
}
