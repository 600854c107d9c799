//! What a visitor gets back: a redirect, a picture, or a page of a few words.
//!
//! | status | when |
//! |---|---|
//! | 302 | the link leads somewhere, or has expired and there is a page for that |
//! | 200 | the link leads into an app: a page that tries it, and then the app's store; or the picture |
//! | 404 | the link is not ours, or was changed |
//! | 410 | the link has expired, and there is no page for that |
//! | 503 | nobody can say where it leads now |

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use aws_lambda_events::http::header::{self, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kairos_cloud::requests::language;
use kairos_engine::bounds::RETRY_AFTER;
use kairos_engine::playbook::AppLink;

/// A picture of one transparent pixel: the smallest GIF there is, 43 bytes.
const PIXEL: [u8; 43] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
    0x21, 0xf9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x02,
    0x02, 0x44, 0x01, 0x00, 0x3b,
];

/// Tries the app, and after a moment the store, unless the page has gone to the background meanwhile: then the app is open.
const TRY_APP: &str = "const app=document.getElementById(\"app\").href,store=document.getElementById(\"store\").href;\
const timer=setTimeout(()=>location.replace(store),1500);\
const stop=()=>clearTimeout(timer);\
addEventListener(\"pagehide\",stop);\
document.addEventListener(\"visibilitychange\",()=>{if(document.hidden)stop()});\
location.href=app;";
/// The hash of that script, by which the browser knows that it is ours.
const TRY_APP_HASH: &str = "sha256-NgVGUnYk08DQqRmZZ5K8KwMWtfwUsIIXxhgy9F6ZF7A=";

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:28rem;padding:0 1.5rem;\
color:#222;background:#fff}a{color:inherit}@media(prefers-color-scheme:dark){body{color:#eee;background:#111}}";

/// The languages of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
}

impl Language {
    const ALL: [Self; 2] = [Self::English, Self::German];

    /// The first of them that a browser asks for (`Accept-Language`); English where it asks for neither.
    pub fn wanted(asked_for: Option<&str>) -> Self {
        Self::ALL[language(&Self::ALL.map(Self::tag), asked_for)]
    }

    const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    const fn says(self, english: &'static str, german: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::German => german,
        }
    }
}

/// To this page, which holds nothing but visible characters of ASCII.
pub fn redirect(page: &str) -> LambdaFunctionUrlResponse {
    match HeaderValue::from_str(page) {
        Ok(location) => {
            let mut response = answer(302);
            response.headers.insert(header::LOCATION, location);
            response
        }
        // No page that is kept is like that.
        Err(_) => not_found(Language::English),
    }
}

/// Into an app, or to where it can be had.
pub fn app(link: &AppLink, language: Language) -> LambdaFunctionUrlResponse {
    let (open, get) = (language.says("Open the app", "App öffnen"), language.says("Get the app", "App herunterladen"));
    let body = format!(
        "<p><a id=\"app\" href=\"{}\">{open}</a></p><p><a id=\"store\" href=\"{}\">{get}</a></p><script>{TRY_APP}</script>",
        escaped(&link.deep_link),
        escaped(&link.store)
    );
    page(200, language, open, &body, &format!("script-src '{TRY_APP_HASH}'; "))
}

/// The picture.
pub fn pixel() -> LambdaFunctionUrlResponse {
    let mut response = answer(200);
    response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    response.body = Some(STANDARD.encode(PIXEL));
    response.is_base64_encoded = true;
    response
}

/// The link is not ours, or was changed.
pub fn not_found(language: Language) -> LambdaFunctionUrlResponse {
    words(
        404,
        language,
        language.says("This link does not work", "Dieser Link funktioniert nicht"),
        language.says(
            "Perhaps a part of it is missing. Open it once more in the message that it came with.",
            "Vielleicht fehlt ein Teil davon. Öffnen Sie ihn noch einmal in der Nachricht, mit der er kam.",
        ),
    )
}

/// The link has expired.
pub fn gone(language: Language) -> LambdaFunctionUrlResponse {
    words(
        410,
        language,
        language.says("This link has expired", "Dieser Link ist abgelaufen"),
        language.says("What it led to is over.", "Das, wohin er führte, ist vorbei."),
    )
}

/// Nobody can say now.
pub fn try_again(language: Language) -> LambdaFunctionUrlResponse {
    let mut response = words(
        503,
        language,
        language.says("Please try again", "Bitte noch einmal versuchen"),
        language.says(
            "The link cannot be opened at this moment. Try it again in a few seconds.",
            "Der Link lässt sich gerade nicht öffnen. Versuchen Sie es in ein paar Sekunden noch einmal.",
        ),
    );
    response.headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_millis() / 1_000));
    response
}

/// Links are only followed.
pub fn method_not_allowed() -> LambdaFunctionUrlResponse {
    let mut response = answer(405);
    response.headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Crawlers have nothing to look at here.
pub fn robots() -> LambdaFunctionUrlResponse {
    let mut response = answer(200);
    response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.body = Some("User-agent: *\nDisallow: /\n".to_owned());
    response
}

/// The same for who asks for headers only.
#[must_use]
pub fn without_body(mut response: LambdaFunctionUrlResponse) -> LambdaFunctionUrlResponse {
    response.body = None;
    response.is_base64_encoded = false;
    response
}

fn answer(status: u16) -> LambdaFunctionUrlResponse {
    let mut response = LambdaFunctionUrlResponse::default();
    response.status_code = i64::from(status);
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ] {
        response.headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn words(status: u16, language: Language, title: &str, text: &str) -> LambdaFunctionUrlResponse {
    page(status, language, title, &format!("<h1>{title}</h1><p>{text}</p>"), "")
}

fn page(status: u16, language: Language, title: &str, body: &str, allowed: &str) -> LambdaFunctionUrlResponse {
    let mut response = answer(status);
    response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = format!(
        "default-src 'none'; {allowed}style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Where the page leads need not know by which link.
    response.headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response.body = Some(format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body>{body}</body></html>",
        language.tag()
    ));
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn header<'r>(response: &'r LambdaFunctionUrlResponse, name: &str) -> &'r str {
        response.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_redirect_is_kept_by_nobody_and_leads_to_one_place() {
        let response = redirect("https://shop.example/a?b=1#c");
        assert_eq!((response.status_code, header(&response, "location")), (302, "https://shop.example/a?b=1#c"));
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(redirect("https://shop.example/\r\nset-cookie: a=b").status_code, 404);
    }

    #[test]
    fn the_picture_is_a_gif_of_43_bytes() {
        let response = pixel();
        let bytes = STANDARD.decode(response.body.as_deref().unwrap()).unwrap();
        assert_eq!((bytes.len(), &bytes[..6]), (43, b"GIF89a".as_slice()));
        assert_eq!((response.is_base64_encoded, header(&response, "content-type")), (true, "image/gif"));
        assert_eq!(without_body(response).body, None);
    }

    #[test]
    fn an_app_is_tried_by_a_script_that_the_browser_knows() {
        let link =
            AppLink { deep_link: "shop://rooms?a=\"><script>".into(), store: "https://apps.apple.com/app/id1".into() };
        let response = app(&link, Language::German);
        let body = response.body.as_deref().unwrap();
        assert!(body.contains("href=\"shop://rooms?a=&quot;&gt;&lt;script&gt;\""), "{body}");
        assert!(body.contains("lang=\"de\"") && body.matches("<script>").count() == 1, "{body}");
        let hash = format!("sha256-{}", STANDARD.encode(Sha256::digest(TRY_APP)));
        assert_eq!(TRY_APP_HASH, hash);
        assert!(header(&response, "content-security-policy").contains(&format!("script-src '{hash}'")));
    }

    #[test]
    fn pages_say_what_is_wrong_in_the_visitors_language() {
        assert_eq!(Language::wanted(Some("de-DE,de;q=0.9,en;q=0.8")), Language::German);
        assert_eq!(Language::wanted(None), Language::English);
        for (response, status) in
            [(not_found(Language::English), 404), (gone(Language::German), 410), (try_again(Language::English), 503)]
        {
            assert_eq!((response.status_code, header(&response, "cache-control")), (status, "no-store"));
            assert!(!header(&response, "content-security-policy").contains("script-src"));
            assert!(response.body.unwrap().starts_with("<!doctype html>"));
        }
        assert_eq!(header(&method_not_allowed(), "allow"), "GET, HEAD");
    }
}
