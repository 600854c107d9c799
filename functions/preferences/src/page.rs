//! The pages: plain HTML with a little style of their own, nothing from elsewhere, no scripts.

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use aws_lambda_events::http::header::{self, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kairos_engine::bounds::RETRY_AFTER;
use kairos_engine::playbook::{Channel, ConsentSettings};
use sha2::{Digest, Sha256};

use crate::choices::Shown;
use crate::words::Words;

/// The style of every page.
const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f4f4f2;--card:#fff;--ink:#1d1d1b;--soft:#5b5b57;--line:#deded9;--go:#1a5c43;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--ground:#161716;--card:#222422;--ink:#eeeeea;--soft:#b0b1ab;--line:#3a3d3a;--go:#7fd3ae;--on:#0d2219}}\
*{box-sizing:border-box}\
body{margin:0;padding:1.5rem 1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;overflow-wrap:anywhere}\
main{max-width:34rem;margin:0 auto;padding:1.75rem 1.5rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}\
@media(min-width:40rem){body{padding:4rem 1rem}main{padding:2.25rem 2.5rem}}\
.shop{margin:0 0 .5rem;color:var(--soft);font-size:.9rem}\
h1{margin:0 0 .5rem;font-size:1.5rem;line-height:1.25}\
p{margin:0 0 1.25rem}\
fieldset{margin:0 0 1.5rem;padding:0;border:0}\
label{display:flex;gap:.875rem;padding:1rem 0;border-top:1px solid var(--line);cursor:pointer}\
label:last-of-type{border-bottom:1px solid var(--line)}\
input[type=checkbox]{flex:none;width:1.5rem;height:1.5rem;margin:0;accent-color:var(--go)}\
label b{display:block}\
small{display:block;color:var(--soft);font-size:.9rem}\
button{width:100%;min-height:3rem;margin:0 0 .75rem;padding:.65rem 1.25rem;border:1px solid var(--go);border-radius:.5rem;background:var(--go);color:var(--on);font:inherit;font-weight:600;cursor:pointer}\
button.plain{background:none;color:var(--ink);border-color:var(--line);font-weight:400}\
a{color:var(--go)}\
.link{margin:.5rem 0 0;text-align:center}\
:focus-visible{outline:3px solid var(--go);outline-offset:3px}\
.visually-hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}";

/// Nothing is loaded but the style above, nothing runs, nobody frames it, forms go to where they come from.
static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// What a page is about.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The language.
    pub words: &'static Words,
    /// What the shop says of itself and of each channel.
    pub consent: Option<&'a ConsentSettings>,
    /// The user's own language tag, for the shop's words.
    pub locale: Option<&'a str>,
    /// The channel of the link.
    pub channel: Channel,
    /// The token of the preferences page for the same user.
    pub preferences: &'a str,
}

impl Context<'_> {
    fn shop(&self) -> &str {
        self.consent.and_then(|consent| consent.shop.as_deref()).unwrap_or(self.words.the_shop)
    }

    /// A sentence with what it speaks of, escaped.
    fn filled(&self, sentence: &str) -> String {
        let channel = self.words.channel(self.channel);
        sentence.replace("{shop}", &escaped(self.shop())).replace("{channel}", channel)
    }

    /// The words that people agree to on a channel, in their language when they are there in it.
    fn wording(&self, channel: Channel) -> Option<&str> {
        let texts = &self.consent?.channels.get(&channel)?.wording.as_ref()?.text;
        let own = self.locale.map(|tag| tag.replace('_', "-").to_ascii_lowercase());
        let base = own.as_deref().and_then(|tag| tag.split('-').next());
        let tags = [own.as_deref(), base, Some(self.words.tag), Some("en")];
        let found = tags.into_iter().flatten().find_map(|tag| texts.get(tag));
        found.or_else(|| texts.values().next()).map(String::as_str)
    }

    fn page(&self, status: i64, title: &str, body: &str) -> LambdaFunctionUrlResponse {
        answer(status, self.words, &format!("<p class=\"shop\">{}</p>{body}", escaped(self.shop())), title)
    }

    /// The preferences, to be changed.
    pub fn preferences(&self, shown: &[Shown]) -> LambdaFunctionUrlResponse {
        let words = self.words;
        let mut rows = String::new();
        for shown in shown {
            let name = shown.channel.as_str();
            let checked = if shown.is_on { " checked" } else { "" };
            let title = words.channel(shown.channel);
            let address = shown.address.as_deref().map(|address| format!(" <small>{}</small>", escaped(address)));
            let wording = self.wording(shown.channel).map(|words| format!("<small>{}</small>", escaped(words)));
            let pending = shown.is_pending.then(|| format!("<small>{}</small>", words.pending));
            let parts = [address, wording, pending].into_iter().flatten().collect::<String>();
            let _ = write!(
                rows,
                "<label><input type=\"checkbox\" name=\"on\" value=\"{name}\"{checked}>\
                 <span><b>{title}</b>{parts}</span></label>\
                 <input type=\"hidden\" name=\"shown\" value=\"{name}\">"
            );
        }
        let title = words.preferences;
        let body = format!(
            "<h1>{title}</h1><p>{}</p><form method=\"post\">\
             <fieldset><legend class=\"visually-hidden\">{title}</legend>{rows}</fieldset>\
             <button>{}</button><button class=\"plain\" name=\"none\" value=\"1\">{}</button></form>",
            self.filled(words.preferences_text),
            words.save,
            words.none
        );
        self.page(200, title, &body)
    }

    /// A question with one button.
    fn question(&self, title: &str, text: &str, button: &str, with_link: bool) -> LambdaFunctionUrlResponse {
        let link = if with_link { self.link() } else { String::new() };
        let body = format!(
            "<h1>{title}</h1><p>{}</p><form method=\"post\"><button>{button}</button></form>{link}",
            self.filled(text)
        );
        self.page(200, title, &body)
    }

    fn done(&self, title: &str, text: &str) -> LambdaFunctionUrlResponse {
        let body = format!("<h1>{title}</h1><p role=\"status\">{}</p>{}", self.filled(text), self.link());
        self.page(200, title, &body)
    }

    fn link(&self) -> String {
        format!("<p class=\"link\"><a href=\"../p/{}\">{}</a></p>", self.preferences, self.words.to_preferences)
    }

    /// Whether messages shall end.
    pub fn unsubscribe(&self) -> LambdaFunctionUrlResponse {
        let words = self.words;
        self.question(words.unsubscribe, words.unsubscribe_text, words.unsubscribe_button, true)
    }

    /// They have ended.
    pub fn unsubscribed(&self) -> LambdaFunctionUrlResponse {
        self.done(self.words.unsubscribed, self.words.unsubscribed_text)
    }

    /// Whether messages may come.
    pub fn confirm(&self) -> LambdaFunctionUrlResponse {
        let words = self.words;
        match self.wording(self.channel) {
            Some(wording) => {
                let text = format!("{} <small>{}</small>", words.confirm_text, escaped(wording));
                self.question(words.confirm, &text, words.confirm_button, false)
            }
            None => self.question(words.confirm, words.confirm_text, words.confirm_button, false),
        }
    }

    /// They may.
    pub fn confirmed(&self) -> LambdaFunctionUrlResponse {
        self.done(self.words.confirmed, self.words.confirmed_text)
    }

    /// Choices were kept.
    pub fn saved(&self) -> LambdaFunctionUrlResponse {
        self.done(self.words.saved, self.words.saved_text)
    }
}

/// There is nothing behind a link.
pub fn not_found(words: &Words) -> LambdaFunctionUrlResponse {
    plain(404, words, words.not_found, words.not_found_text)
}

/// A method that means nothing.
pub fn method_not_allowed(words: &Words) -> LambdaFunctionUrlResponse {
    let mut response = plain(405, words, words.not_found, words.not_found_text);
    response.headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    response
}

/// It does not work now.
pub fn later(words: &Words) -> LambdaFunctionUrlResponse {
    let mut response = plain(503, words, words.later, words.later_text);
    response.headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_millis() / 1_000));
    response
}

fn plain(status: i64, words: &Words, title: &str, text: &str) -> LambdaFunctionUrlResponse {
    answer(status, words, &format!("<h1>{title}</h1><p>{text}</p>"), title)
}

fn answer(status: i64, words: &Words, body: &str, title: &str) -> LambdaFunctionUrlResponse {
    let mut response = LambdaFunctionUrlResponse::default();
    response.status_code = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        response.headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_str(&CONTENT_SECURITY_POLICY).expect("base64 and words are header values");
    response.headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response.body = Some(format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>",
        words.tag
    ));
    response
}

/// Text as HTML shows it, whatever is in it.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::playbook::{ChannelConsent, Wording};

    fn settings() -> ConsentSettings {
        let text = [("en".to_owned(), "Offers & <news>".to_owned()), ("de".to_owned(), "Angebote".to_owned())].into();
        let wording = Some(Wording { version: "v1".into(), text });
        let email = ChannelConsent { wording, ..ChannelConsent::default() };
        ConsentSettings {
            shop: Some("Tea \"&\" <Co>".into()),
            channels: [(Channel::Email, email)].into(),
            ..ConsentSettings::default()
        }
    }

    fn context<'a>(settings: &'a ConsentSettings, locale: &'a str) -> Context<'a> {
        Context {
            words: Words::for_tags([locale]),
            consent: Some(settings),
            locale: Some(locale),
            channel: Channel::Email,
            preferences: "TOKEN",
        }
    }

    #[test]
    fn no_page_shows_markup_of_others_or_loads_anything() {
        let settings = settings();
        let shown = [
            Shown { channel: Channel::Email, address: Some("<a…@x>".into()), is_on: true, is_pending: false },
            Shown { channel: Channel::Sms, address: None, is_on: false, is_pending: true },
        ];
        for locale in ["en", "de-AT"] {
            let page = context(&settings, locale);
            for response in [
                page.preferences(&shown),
                page.unsubscribe(),
                page.unsubscribed(),
                page.confirm(),
                page.confirmed(),
                page.saved(),
                not_found(page.words),
                later(page.words),
            ] {
                let body = response.body.as_deref().unwrap();
                for wrong in ["<Co>", "<news>", "<a…", "http:", "https:", "<script", "style=\"", "{shop}", "{channel}"]
                {
                    assert!(!body.contains(wrong), "{wrong} in {body}");
                }
                assert!(body.contains(&format!("<html lang=\"{}\">", page.words.tag)));
                let policy = response.headers["content-security-policy"].to_str().unwrap();
                assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            }
        }
    }

    #[test]
    fn the_preferences_show_what_is_on_and_the_words_in_the_users_language() {
        let settings = settings();
        let shown = [
            Shown { channel: Channel::Email, address: Some("a…@x".into()), is_on: true, is_pending: false },
            Shown { channel: Channel::Sms, address: None, is_on: false, is_pending: true },
        ];
        let body = context(&settings, "de-AT").preferences(&shown).body.unwrap();
        for part in [
            "name=\"on\" value=\"email\" checked",
            "name=\"on\" value=\"sms\">",
            "<small>Angebote</small>",
            "<small>a…@x</small>",
            "wartet auf Ihre Bestätigung",
        ] {
            assert!(body.contains(part), "{part} is not in {body}");
        }
        let question = context(&settings, "fr").unsubscribe().body.unwrap();
        assert!(question.contains("by email") && question.contains("href=\"../p/TOKEN\""), "{question}");
    }
}
