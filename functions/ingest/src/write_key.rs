//! Which source a request comes from. Write keys are public and can only write; they still compare in
//! constant time, so that they cannot be guessed letter by letter.

use aws_lambda_events::http::HeaderMap;
use base64::Engine as _;
pub use kairos_cloud::requests::source_of;
use kairos_engine::playbook::Source;

use crate::body::BASE64;

/// A credential from the headers: a key, perhaps with a secret after a colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    whole: String,
    id: String,
}

impl Credential {
    /// The source it stands for: one whose key is the whole of it, else one whose key is the part
    /// before the colon (Segment's clients send nothing after it, Jitsu's a secret).
    pub fn source<'a>(&self, sources: &'a [Source]) -> Option<&'a Source> {
        source_of(sources, &self.whole).or_else(|| source_of(sources, &self.id))
    }

    fn read(text: &str) -> Option<Self> {
        let (id, secret) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
        let whole = if secret.is_empty() { id.to_owned() } else { text.trim().to_owned() };
        (!id.is_empty()).then(|| Self { whole, id: id.to_owned() })
    }
}

/// The credential of the headers: Basic authentication, else `X-Write-Key`.
pub fn of_headers(headers: &HeaderMap) -> Option<Credential> {
    basic(headers).or_else(|| Credential::read(headers.get("x-write-key")?.to_str().ok()?))
}

/// A write key out of a body or query. A masked one (Jitsu's `id:***`) is none.
pub fn of_text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && !text.contains('*')).then(|| text.to_owned())
}

fn basic(headers: &HeaderMap) -> Option<Credential> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, credentials) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    Credential::read(&String::from_utf8(BASE64.decode(credentials.trim()).ok()?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_key_is_found_where_clients_put_it() {
        let basic = format!("Basic {}", BASE64.encode("KEY:"));
        for (given, expected) in [
            (vec![("authorization", basic.as_str())], Some("KEY")),
            (vec![("authorization", "basic S0VZ")], Some("KEY")),
            (vec![("x-write-key", "KEY:secret")], Some("KEY")),
            (vec![("authorization", basic.as_str()), ("x-write-key", "OTHER")], Some("KEY")),
            (vec![("authorization", "Bearer token"), ("x-write-key", "KEY")], Some("KEY")),
            (vec![("authorization", "Basic !!!")], None),
            (vec![("authorization", "Basic Og==")], None),
            (vec![], None),
        ] {
            assert_eq!(of_headers(&headers(&given)).map(|found| found.id).as_deref(), expected, "{given:?}");
        }
        assert_eq!(of_text("KEY").as_deref(), Some("KEY"));
        assert_eq!(of_text("KEY:***"), None);
        assert_eq!(of_text(" "), None);
    }

    fn source(name: &str, key: &str) -> Source {
        Source { name: name.into(), write_key: key.into() }
    }

    #[test]
    fn a_secret_counts_where_the_playbook_names_one() {
        let sources = [source("web", "KEY"), source("jitsu", "ID:secret")];
        for (given, expected) in [
            ("KEY", Some("web")),
            ("KEY:", Some("web")),
            ("KEY:anything", Some("web")),
            ("ID:secret", Some("jitsu")),
            ("ID:other", None),
            ("ID", None),
        ] {
            let found = Credential::read(given).unwrap();
            assert_eq!(found.source(&sources).map(|source| source.name.as_str()), expected, "{given}");
        }
    }

    #[test]
    fn only_the_whole_key_opens() {
        let sources = [source("web", "KEY"), source("app", "KEY2"), source("none", "")];
        assert_eq!(source_of(&sources, "KEY2").map(|source| source.name.as_str()), Some("app"));
        for key in ["", "K", "KEY3", "key", "KEY2 "] {
            assert_eq!(source_of(&sources, key), None, "{key}");
        }
    }
}
