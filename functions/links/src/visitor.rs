//! Who follows a link: a person or a program, and on which device.
//!
//! Four kinds of devices are told apart, so a few words of the user agent and two client hints are enough; a library
//! that knows every browser is a megabyte of patterns, which would be read in each cold start.
//!
//! Programs name themselves, as their makers document, or are known by what they ask for (a prefetch, headers only).
//! Scanners of mail providers that pretend to be a browser cannot be told from one; they are the reason why plays should
//! not take a single click for a promise.

use aws_lambda_events::http::HeaderMap;
use kairos_engine::bounds::USER_AGENT_BYTES_MAX;
use kairos_engine::product::shortened;
use kairos_protocol::links::{Device, DeviceKind, Os};

/// Who follows a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// A person, or what else.
    pub kind: VisitorKind,
    /// On which device.
    pub device: Device,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitorKind {
    /// Somebody in a browser or a mail program.
    Person,
    /// A mail provider that fetches pictures for its readers, perhaps before they look.
    Proxy,
    /// A preview, a crawler, a scanner.
    Program,
}

/// Parts of user agents of programs, in small letters: previews of messengers and social networks, crawlers, scanners of
/// links, and libraries that no person holds in the hand. Whatever calls itself a bot is one, too.
const PROGRAMS: [&str; 42] = [
    // Previews (https://api.slack.com/robots, https://developers.facebook.com/docs/sharing/webmasters/web-crawlers).
    "slack-imgproxy",
    "facebookexternalhit",
    "facebookcatalog",
    "facebot",
    "meta-externalagent",
    "meta-externalfetcher",
    "whatsapp/",
    "viber/",
    "skypeuripreview",
    "bitlybot",
    "vkshare",
    "iframely",
    "embedly",
    "pinterest/0.",
    "snap url preview",
    "google-pagerenderer",
    "bingpreview",
    "microsoftpreview",
    "mattermost",
    "zoom.us",
    // Crawlers (https://developers.google.com/search/docs/crawling-indexing/google-common-crawlers).
    "googleother",
    "google-inspectiontool",
    "google-read-aloud",
    "mediapartners-google",
    "apis-google",
    "feedfetcher",
    "yahoo! slurp",
    "baiduspider",
    "yandex.com/bots",
    "crawler",
    "spider",
    // Scanners and checks.
    "safelinks",
    "barracuda",
    "proofpoint",
    "mimecast",
    "urlscan",
    "headlesschrome",
    "lighthouse",
    // Libraries.
    "python-requests",
    "go-http-client",
    "curl/",
    "wget/",
];

/// Proxies of mail providers, in small letters: Gmail's and Yahoo's.
const PROXIES: [&str; 2] = ["googleimageproxy", "yahoomailproxy"];
/// All that Apple's Mail Privacy Protection says of itself.
const APPLE_PRIVACY: &str = "mozilla/5.0";

/// Who sends these headers. `is_head` says that only headers are asked for, which no person does.
pub fn visitor(headers: &HeaderMap, is_head: bool) -> Visitor {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let agent = shortened(header("user-agent"), USER_AGENT_BYTES_MAX).to_ascii_lowercase();
    let prefetches = ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().any(|name| {
        let purpose = header(name).to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].into_iter().any(|what| purpose.contains(what))
    });
    let has = |parts: &[&str]| parts.iter().any(|part| agent.contains(part));
    let kind = if is_head || prefetches {
        VisitorKind::Program
    } else if has(&PROXIES) || agent == APPLE_PRIVACY {
        VisitorKind::Proxy
    } else if agent.is_empty() || has(&PROGRAMS) || is_bot(&agent) {
        VisitorKind::Program
    } else {
        VisitorKind::Person
    };
    Visitor { kind, device: device(&agent, header("sec-ch-ua-mobile"), header("sec-ch-ua-platform")) }
}

/// Whatever calls itself a bot, but for the phones of a maker called Cubot.
fn is_bot(agent: &str) -> bool {
    agent.match_indices("bot").any(|(at, _)| !agent[..at].ends_with("cu"))
}

/// The device, by user agent (in small letters) and client hints
/// (<https://wicg.github.io/ua-client-hints/>). An iPad that says it is a Mac, as Safari does, is taken for one.
fn device(agent: &str, mobile: &str, platform: &str) -> Device {
    let has = |part: &str| agent.contains(part);
    let os = if has("iphone") || has("ipad") || has("ipod") {
        Os::Ios
    } else if has("android") || platform.eq_ignore_ascii_case("\"android\"") {
        Os::Android
    } else {
        Os::Other
    };
    let kind = if has("ipad") {
        DeviceKind::Tablet
    } else if os == Os::Ios || mobile == "?1" {
        DeviceKind::Phone
    } else if os == Os::Android {
        // Tablets leave the word out, as Android's makers advise.
        if has("mobile") { DeviceKind::Phone } else { DeviceKind::Tablet }
    } else if has("tablet") || has("kindle") || has("silk/") {
        DeviceKind::Tablet
    } else if has("mobile") {
        DeviceKind::Phone
    } else {
        DeviceKind::Desktop
    };
    Device { kind, os }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
    const IPAD: &str = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1";
    const ANDROID: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36";
    const ANDROID_TABLET: &str =
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36";
    const CUBOT: &str = "Mozilla/5.0 (Linux; Android 13; CUBOT KINGKONG 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Mobile Safari/537.36";
    const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36";
    const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15";
    const FIREFOX: &str = "Mozilla/5.0 (Android 15; Mobile; rv:139.0) Gecko/139.0 Firefox/139.0";
    const INSTAGRAM: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F90 Instagram 335.0.0.24.93";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn with_agent(agent: &str) -> Visitor {
        visitor(&headers(&[("user-agent", agent)]), false)
    }

    #[test]
    fn a_device_is_told_by_its_user_agent() {
        use DeviceKind::{Desktop, Phone, Tablet};
        for (agent, kind, os) in [
            (IPHONE, Phone, Os::Ios),
            (INSTAGRAM, Phone, Os::Ios),
            (IPAD, Tablet, Os::Ios),
            (ANDROID, Phone, Os::Android),
            (FIREFOX, Phone, Os::Android),
            (CUBOT, Phone, Os::Android),
            (ANDROID_TABLET, Tablet, Os::Android),
            (WINDOWS, Desktop, Os::Other),
            (MAC, Desktop, Os::Other),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0", Desktop, Os::Other),
        ] {
            let seen = with_agent(agent);
            assert_eq!((seen.device, seen.kind), (Device { kind, os }, VisitorKind::Person), "{agent}");
        }
        let hinted =
            headers(&[("user-agent", WINDOWS), ("sec-ch-ua-mobile", "?1"), ("sec-ch-ua-platform", "\"Android\"")]);
        assert_eq!(visitor(&hinted, false).device, Device { kind: Phone, os: Os::Android });
    }

    #[test]
    fn programs_are_no_people() {
        for agent in [
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Slack-ImgProxy (+https://api.slack.com/robots)",
            "Twitterbot/1.0",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
            "WhatsApp/2.23.20.0",
            "TelegramBot (like TwitterBot)",
            "Viber/13.3.0.5 (Windows)",
            "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
            "BarracudaCentral",
            "curl/8.5.0",
            "python-requests/2.32",
            "Go-http-client/2.0",
            "",
        ] {
            assert_eq!(with_agent(agent).kind, VisitorKind::Program, "{agent}");
        }
        assert_eq!(visitor(&HeaderMap::new(), false).kind, VisitorKind::Program);
        assert_eq!(visitor(&headers(&[("user-agent", IPHONE)]), true).kind, VisitorKind::Program);
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("purpose", "prefetch"),
            ("x-purpose", "preview"),
            ("x-moz", "prefetch"),
        ] {
            let asked = headers(&[("user-agent", IPHONE), (name, value)]);
            assert_eq!(visitor(&asked, false).kind, VisitorKind::Program, "{name}: {value}");
        }
    }

    #[test]
    fn pictures_that_mail_providers_fetch_are_marked() {
        for agent in [
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
            "Mozilla/5.0",
        ] {
            assert_eq!(with_agent(agent).kind, VisitorKind::Proxy, "{agent}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(agent in "\\PC{0,600}", mobile in "\\PC{0,10}") {
            let pairs = [("user-agent", &*agent), ("sec-ch-ua-mobile", &*mobile)];
            let valid = pairs.iter().all(|(_, value)| HeaderValue::from_bytes(value.as_bytes()).is_ok());
            if valid {
                visitor(&headers(&pairs), false);
            }
        }
    }
}
