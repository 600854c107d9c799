//! Reads `links.yaml`: which links are counted, where they lead, and for how long.

use std::collections::BTreeMap;

use kairos_engine::bounds::{LINK_DESTINATIONS_MAX, LINK_HOSTS_MAX, LINK_TARGET_BYTES_MAX};
use kairos_engine::playbook::{AppLink, Channel, Destination, LinkSettings, PageOrPlace, PlaceSelector, Utm, host};

use crate::diagnostic::{Report, Target};
use crate::fields::{Fields, entries, flag, instead, is_name, list, span, text};
use crate::node::{Node, Value};
use crate::settings::NAME_HELP;

const FILE: &str = "links.yaml";
const KEYS: [&str; 8] =
    ["hosts", "domain", "fallback", "expires_after", "opens", "utm", "banner_parameter", "destinations"];
const DESTINATION_KEYS: [&str; 5] = ["desktop", "tablet", "phone", "ios_app", "android_app"];
/// Longest UTM value and query parameter, in bytes.
const PARAMETER_BYTES_MAX: usize = 64;
/// Schemes that no app has, or that a browser acts upon itself.
const REFUSED_SCHEMES: [&str; 10] =
    ["about", "blob", "data", "file", "ftp", "http", "intent", "javascript", "vbscript", "view-source"];

/// Reads `links.yaml`.
pub(crate) fn links(report: &mut Report<'_>, root: &Node) -> Option<LinkSettings> {
    const HOSTS: &str = "write the sites whose links are counted, as in `hosts: [shop.example]`";
    let fields = Fields::read(report, root, FILE, &KEYS)?;
    let hosts = fields.required(report, FILE, "hosts", HOSTS).and_then(|node| hosts(report, node));
    let domain = optional(fields.get("domain"), |node| domain(report, node));
    let fallback = optional(fields.get("fallback"), |node| page(report, node, "`fallback`"));
    let expires_after = match fields.get("expires_after") {
        Some(node) => span(report, node, "`expires_after`"),
        None => Some(LinkSettings::usual_span()),
    };
    let opens = match fields.get("opens") {
        Some(node) => flag(report, node, "`opens`"),
        None => Some(false),
    };
    let utm = optional(fields.get("utm"), |node| utm(report, node));
    let banner_parameter = optional(fields.get("banner_parameter"), |node| banner(report, node));
    let destinations = match fields.get("destinations") {
        Some(node) => destinations(report, node),
        None => Some(BTreeMap::new()),
    };
    Some(LinkSettings {
        hosts: hosts?,
        domain: domain?,
        fallback: fallback?,
        expires_after: expires_after?,
        opens: opens?,
        utm: utm?,
        banner_parameter: banner_parameter?,
        destinations: destinations?,
    })
}

/// What stands behind a key that may be missing: nothing is right, too.
fn optional<T>(node: Option<&Node>, read: impl FnOnce(&Node) -> Option<T>) -> Option<Option<T>> {
    node.map_or(Some(None), |node| read(node).map(Some))
}

fn hosts(report: &mut Report<'_>, node: &Node) -> Option<Vec<String>> {
    let nodes = list(report, node, "`hosts`")?;
    if nodes.len() > LINK_HOSTS_MAX {
        report.problem(
            node.at,
            format!("these are {} sites", nodes.len()),
            format!("name at most {LINK_HOSTS_MAX}; subdomains are included"),
        );
        return None;
    }
    // All of them, so that every slip is told.
    let read: Vec<_> = nodes.iter().map(|node| one_host(report, node)).collect();
    read.into_iter().collect()
}

fn one_host(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let given = text(report, node, "a site")?.trim();
    let is_host = host(&format!("https://{given}/")) == Some(given);
    // A whole ending of names, as in `com`, would be everybody's.
    if is_host && (given.contains('.') || given == "localhost") && !given.ends_with('.') {
        return Some(given.to_ascii_lowercase());
    }
    let help = match host(given) {
        Some(host) => format!("write its name alone: `{host}`"),
        None => "write the name of a site, as in `shop.example`; subdomains are included".to_owned(),
    };
    report.problem(node.at, format!("`{given}` is not the name of a site"), help);
    None
}

/// What short links begin with, without a slash at its end.
fn domain(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let given = text(report, node, "`domain`")?.trim();
    let bare = given.strip_suffix('/').unwrap_or(given);
    let rest = bare.strip_prefix("https://");
    if host(bare).is_some() && rest.is_some_and(|rest| !rest.contains(['/', '?', '#'])) {
        return Some(bare.to_owned());
    }
    let help = "write it without a path, as in `https://go.shop.example`; it has to lead to the stack's LinksUrl";
    report.problem(node.at, format!("short links cannot begin with `{given}`"), help);
    None
}

fn page(report: &mut Report<'_>, node: &Node, what: &str) -> Option<String> {
    let given = text(report, node, what)?.trim();
    if given.starts_with("https://") && host(given).is_some() && given.len() <= LINK_TARGET_BYTES_MAX {
        return Some(given.to_owned());
    }
    report.problem(node.at, page_message(what, given), "write a link as in `https://shop.example/rooms`");
    None
}

fn page_message(what: &str, given: &str) -> String {
    match given.starts_with("http://") {
        true => format!("{what} is not protected by TLS: `{given}`"),
        false => format!("{what} is no web page: `{given}`"),
    }
}

fn utm(report: &mut Report<'_>, node: &Node) -> Option<Utm> {
    const WHAT: &str = "`utm`";
    let fields = Fields::read(report, node, WHAT, &["source", "medium"])?;
    let source = fields.required(report, WHAT, "source", "write what stands in `utm_source`: `source: kairos`");
    let source = source.and_then(|node| parameter(report, node, "`source`"));
    let medium = match fields.get("medium") {
        Some(node) => medium(report, node),
        None => Some(BTreeMap::new()),
    };
    Some(Utm { source: source?, medium: medium? })
}

fn medium(report: &mut Report<'_>, node: &Node) -> Option<BTreeMap<Channel, String>> {
    let mut medium = BTreeMap::new();
    for entry in entries(report, node, "`medium`", "write a channel and its medium: `sms: text`")? {
        let Some(channel) = Channel::ALL.into_iter().find(|channel| channel.as_str() == entry.key) else {
            let help = instead(&entry.key, &Channel::ALL.map(Channel::as_str));
            report.problem(entry.at, format!("there is no channel `{}`", entry.key), help);
            continue;
        };
        medium.insert(channel, parameter(report, &entry.node, &format!("the medium of `{channel}`"))?);
    }
    Some(medium)
}

fn parameter(report: &mut Report<'_>, node: &Node, what: &str) -> Option<String> {
    let given = text(report, node, what)?.trim();
    if given.len() <= PARAMETER_BYTES_MAX && !given.contains(char::is_control) {
        return Some(given.to_owned());
    }
    report.problem(node.at, format!("{what} is too long"), format!("write at most {PARAMETER_BYTES_MAX} letters"));
    None
}

fn banner(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let given = text(report, node, "`banner_parameter`")?.trim();
    let plain = given.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain && given.len() <= PARAMETER_BYTES_MAX && !given.starts_with("utm_") {
        return Some(given.to_owned());
    }
    let help = "write a name that the site does not use, as in `kairos_message`";
    report.problem(node.at, format!("`{given}` cannot be the name of a query parameter"), help);
    None
}

fn destinations(report: &mut Report<'_>, node: &Node) -> Option<BTreeMap<String, Destination>> {
    const HELP: &str = "write a name for each destination, below it `desktop:` and a page";
    let named = entries(report, node, "`destinations`", HELP)?;
    if let Some(first) = named.get(LINK_DESTINATIONS_MAX) {
        report.problem(
            first.at,
            format!("there are more than {LINK_DESTINATIONS_MAX} destinations"),
            "remove those that no message leads to",
        );
        return None;
    }
    let mut destinations = BTreeMap::new();
    for entry in named {
        if !is_name(&entry.key) {
            report.problem(entry.at, format!("`{}` cannot be a destination's name", entry.key), NAME_HELP);
            continue;
        }
        if let Some(destination) = destination(report, &entry.node, &entry.key) {
            destinations.insert(entry.key.clone(), destination);
        }
    }
    Some(destinations)
}

fn destination(report: &mut Report<'_>, node: &Node, name: &str) -> Option<Destination> {
    let what = format!("destination `{name}`");
    let fields = Fields::read(report, node, &what, &DESTINATION_KEYS)?;
    let help =
        "write the page for computers, and for whatever else is not named: `desktop: https://shop.example/rooms`";
    let desktop = fields.required(report, &what, "desktop", help);
    let desktop = desktop.and_then(|node| page(report, node, "`desktop`"));
    let tablet = optional(fields.get("tablet"), |node| page_or_place(report, node, "`tablet`"));
    let phone = optional(fields.get("phone"), |node| page_or_place(report, node, "`phone`"));
    let ios_app = optional(fields.get("ios_app"), |node| app(report, node, "`ios_app`"));
    let android_app = optional(fields.get("android_app"), |node| app(report, node, "`android_app`"));
    Some(Destination {
        desktop: desktop?,
        tablet: tablet?,
        phone: phone?,
        ios_app: ios_app?,
        android_app: android_app?,
    })
}

fn page_or_place(report: &mut Report<'_>, node: &Node, what: &str) -> Option<PageOrPlace> {
    if !matches!(node.value, Value::Map(_)) {
        return page(report, node, what).map(PageOrPlace::Page);
    }
    let fields = Fields::read(report, node, what, &["nearest"])?;
    let help = "write a kind of places, as in `nearest: showroom`, or `nearest: any`";
    let node = fields.required(report, what, "nearest", help)?;
    let selector = match text(report, node, "`nearest`")? {
        "any" => PlaceSelector::Any,
        kind => PlaceSelector::Kind(kind.to_owned()),
    };
    report.refer(node.at, Target::PlacesWithPage(selector.clone()));
    Some(PageOrPlace::Nearest(selector))
}

fn app(report: &mut Report<'_>, node: &Node, what: &str) -> Option<AppLink> {
    const DEEP: &str = "write what the app opens, as in `deep_link: shop://rooms`";
    let fields = Fields::read(report, node, what, &["deep_link", "store"])?;
    let deep_link = fields.required(report, what, "deep_link", DEEP).and_then(|node| deep_link(report, node));
    let help = "write the app's page, for who has not got it: `store: https://apps.apple.com/app/id1234567890`";
    let store = fields.required(report, what, "store", help).and_then(|node| page(report, node, "`store`"));
    Some(AppLink { deep_link: deep_link?, store: store? })
}

fn deep_link(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let given = text(report, node, "`deep_link`")?.trim();
    let scheme = given.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let plain = given.bytes().all(|byte| byte.is_ascii_graphic()) && given.len() <= LINK_TARGET_BYTES_MAX;
    if is_scheme && plain && !REFUSED_SCHEMES.contains(&scheme.as_str()) {
        return Some(given.to_owned());
    }
    let help = "write one with the app's own scheme, as in `shop://rooms`, or with `https://` for a universal link";
    report.problem(node.at, format!("`{given}` opens no app"), help);
    None
}
