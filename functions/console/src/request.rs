//! What is asked, and by which browser.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_lambda_events::http::header;
use kairos_cloud::requests::{BodyRefusal, body_text, path};
use kairos_engine::bounds::{CONSOLE_FIELDS_MAX, CONSOLE_FORM_BYTES_MAX, CONSOLE_QUERY_BYTES_MAX};
use kairos_engine::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::problem::Problem;
use crate::sessions::Session;
use crate::tables::Export;

/// What browsers may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To look.
    Get,
    /// To change something.
    Post,
}

/// Light, dark, or as the machine is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the machine is set.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// The name of its cookie.
    pub const COOKIE: &'static str = "kairos_theme";

    /// By its name; as the machine is set for any other.
    pub fn named(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The fields of a query or a form, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`; bytes that are no text become replacement characters.
    ///
    /// # Errors
    /// When there are more fields than any page of ours has.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let fields: Vec<_> = pairs
            .take(CONSOLE_FIELDS_MAX + 1)
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
            })
            .collect();
        if fields.len() > CONSOLE_FIELDS_MAX { Err(Problem::TooLarge) } else { Ok(Self(fields)) }
    }

    /// The first value of this name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of this name.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same with another value of this name; without one for `None`.
    #[must_use]
    pub fn with(&self, name: &str, value: Option<&str>) -> Self {
        let mut fields: Vec<_> = self.0.iter().filter(|(known, _)| known != name).cloned().collect();
        fields.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Self(fields)
    }

    /// As they stand behind the `?` of an address, with the `?`; nothing when there are none.
    pub fn query(&self) -> String {
        let mut query = String::new();
        for (name, value) in &self.0 {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(&encoded(name));
            query.push('=');
            query.push_str(&encoded(value));
        }
        query
    }
}

/// What stands in an address as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as a part of a path or a value of a query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A request whose session is known: what pages get.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// To look, or to change something. A change has come from a page of this session: that was checked before.
    pub method: Method,
    /// The parts of the path, decoded. They are names to compare and to look up, never paths of files.
    pub path: Vec<String>,
    /// What stands behind the `?`.
    pub query: Fields,
    /// What a form says; nothing when looking.
    pub form: Fields,
    /// Who is logged in.
    pub session: Session,
    /// The time of the request.
    pub now: Timestamp,
    /// Light or dark.
    pub theme: Theme,
    /// A table is wanted as a file instead of the page.
    pub export: Option<Export>,
}

impl PageRequest {
    /// The address of this page, with its query.
    pub fn address(&self) -> String {
        format!("{}{}", self.path(), self.query.query())
    }

    /// The path of this page, as it stands in an address.
    pub fn path(&self) -> String {
        let parts: Vec<String> = self.path.iter().map(|part| encoded(part)).collect();
        format!("/{}", parts.join("/"))
    }

    /// The address of this page with another value of one field of its query; without it for `None`.
    pub fn address_with(&self, name: &str, value: Option<&str>) -> String {
        format!("{}{}", self.path(), self.query.with(name, value).query())
    }
}

/// A request as it came, read as far as nobody needs to be known for.
#[derive(Debug)]
pub struct Asked {
    /// Whether it looks or changes.
    pub method: Method,
    /// Only the head of the answer is wanted.
    pub head: bool,
    /// The parts of the path, decoded.
    pub path: Vec<String>,
    /// What stands behind the `?`.
    pub query: Fields,
    /// What a form says.
    pub form: Fields,
    /// The value of the session's cookie.
    pub cookie: Option<String>,
    /// The token that proves that a page of the session was used.
    pub csrf: Option<String>,
    /// Whether a browser says that it comes from a page of this console.
    pub is_from_here: bool,
    /// Light or dark.
    pub theme: Theme,
    /// The caller's address.
    pub address: String,
    /// Whether the answer may be compressed.
    pub takes_gzip: bool,
    /// Whether htmx asks, for a part of a page.
    pub is_partial: bool,
}

impl Asked {
    /// Reads a request. `is_local`: of a local engine, where pages are at another name than the function hears.
    ///
    /// # Errors
    /// When it has another method, or is too large.
    pub fn read(request: &LambdaFunctionUrlRequest, cookie: &str, is_local: bool) -> Result<Self, Problem> {
        let header = |name| request.headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        let (method, head) = match request.request_context.http.method.as_deref() {
            Some("GET") => (Method::Get, false),
            Some("HEAD") => (Method::Get, true),
            Some("POST") => (Method::Post, false),
            _ => return Err(Problem::MethodNotAllowed),
        };
        let query = request.raw_query_string.as_deref().unwrap_or_default();
        if query.len() > CONSOLE_QUERY_BYTES_MAX {
            return Err(Problem::TooLarge);
        }
        let form = match method {
            Method::Get => Fields::default(),
            Method::Post => match body_text(request, CONSOLE_FORM_BYTES_MAX) {
                Ok(text) => Fields::read(&text)?,
                Err(BodyRefusal::Missing) => Fields::default(),
                Err(BodyRefusal::TooLarge) => return Err(Problem::TooLarge),
                Err(BodyRefusal::NotText) => return Err(Problem::NotUnderstood("The form is no text.".to_owned())),
            },
        };
        // AWS gives cookies apart, other engines among the headers.
        let cookies = request.cookies.iter().flatten().map(String::as_str);
        let cookies: Vec<&str> =
            cookies.chain(header("cookie")).flat_map(|cookies| cookies.split(';')).map(str::trim).collect();
        let value = |name: &str| {
            let mut found = cookies.iter().filter_map(|cookie| cookie.split_once('='));
            found.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        let address = request.request_context.http.source_ip.clone().unwrap_or_default();
        Ok(Self {
            method,
            head,
            path: path(request).into_iter().map(decoded).collect(),
            query: Fields::read(query)?,
            csrf: form.get("csrf").map(str::to_owned).or_else(|| header("x-csrf-token").map(str::to_owned)),
            form,
            cookie: value(cookie),
            is_from_here: is_from_here(header("sec-fetch-site"), header("origin"), header("host"), is_local),
            theme: Theme::named(&value(Theme::COOKIE).unwrap_or_default()),
            address,
            takes_gzip: header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip")),
            is_partial: header("hx-request").is_some(),
        })
    }
}

/// Whether a browser says that a request comes from a page of this origin. It says so itself, no page can make it: by
/// Fetch Metadata (<https://www.w3.org/TR/fetch-metadata/>), and older ones by `Origin`.
fn is_from_here(site: Option<&str>, origin: Option<&str>, host: Option<&str>, is_local: bool) -> bool {
    if let Some(site) = site {
        return site == "same-origin";
    }
    let Some((_, authority)) = origin.and_then(|origin| origin.split_once("://")) else { return false };
    let name = authority.split(':').next().unwrap_or_default();
    host.is_some_and(|host| host == authority) || (is_local && (name == "localhost" || name.ends_with(".localhost")))
}

/// Where somebody may be led after a login: an address of ours, as a text that no browser reads as another host's.
pub fn own_address(to: Option<&str>) -> &str {
    let is_plain = |to: &&str| {
        to.starts_with('/')
            && !to.starts_with("//")
            && to.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~%?&=+".contains(&byte))
    };
    to.filter(is_plain).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_written_as_they_were() {
        let fields = Fields::read("period=7d&only=source%3Agoogle+ads&only=&x=%3Cscript%3E&%zz=%ff").unwrap();
        assert_eq!(fields.get("only"), Some("source:google ads"));
        assert_eq!(fields.get("x"), Some("<script>"));
        assert_eq!(fields.get("%zz"), Some("\u{fffd}"));
        assert_eq!(fields.get("none"), None);
        let changed = fields.with("only", None).with("period", Some("a&b"));
        assert_eq!(changed.query(), "?x=%3Cscript%3E&%25zz=%EF%BF%BD&period=a%26b");
        assert_eq!(Fields::default().query(), "");
        assert!(Fields::read(&"a&".repeat(CONSOLE_FIELDS_MAX + 1)).is_err());
    }

    #[test]
    fn nobody_is_led_elsewhere_after_a_login() {
        for (to, expected) in [
            ("/plays/abandoned_cart?period=7d&only=source%3Ax", "/plays/abandoned_cart?period=7d&only=source%3Ax"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_address(Some(to)), expected, "{to}");
        }
        assert_eq!(own_address(None), "/");
    }

    #[test]
    fn only_a_page_of_this_origin_is_from_here() {
        for (site, origin, is_local, expected) in [
            (Some("same-origin"), None, false, true),
            (Some("same-site"), Some("https://c.example"), false, false),
            (Some("cross-site"), Some("https://c.example"), false, false),
            (Some("none"), None, false, false),
            (None, Some("https://c.example"), false, true),
            (None, Some("https://c.example:8443"), false, false),
            (None, Some("https://c.example.evil.example"), false, false),
            (None, Some("null"), false, false),
            (None, None, false, false),
            (None, Some("http://abc.lambda-url.localhost:4566"), false, false),
            (None, Some("http://abc.lambda-url.localhost:4566"), true, true),
            (None, Some("http://notlocalhost:4566"), true, false),
        ] {
            assert_eq!(is_from_here(site, origin, Some("c.example"), is_local), expected, "{site:?} {origin:?}");
        }
    }
}
