//! Conditions, segments, moments, places and policies with one thing wrong each, and all that is said about it, in
//! `tests/golden/problems_conditions.txt`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kairos_playbook::compile;

use super::conditions::around;
use super::shipped::compare;

type Files = BTreeMap<String, String>;

/// With a segment of these conditions.
fn who(condition: &str) -> Files {
    also("segments/asked.yaml", &format!("title: Asked\nwho:\n  {}\n", condition.replace('\n', "\n  ")))
}

/// With a condition on an event like this.
fn event(event: &str) -> Files {
    who(&format!("did: {{event: {event}}}"))
}

fn also(path: &str, text: &str) -> Files {
    let mut files = around();
    files.insert(path.into(), text.into());
    files
}

/// With one part of a file of [`around`] replaced.
fn with(path: &str, from: &str, to: &str) -> Files {
    let text = around()[path].clone();
    assert!(text.contains(from), "{path} has no {from:?}");
    also(path, &text.replacen(from, to, 1))
}

fn policy(text: &str) -> Files {
    also("policy.yaml", text)
}

const MOMENTS: &str = "moments.yaml";
const PLACES: &str = "places.yaml";

#[rustfmt::skip]
pub(super) fn cases() -> Vec<(&'static str, Files)> {
    vec![
        // Events.
        ("an event that is almost a known one", event("Product Viewd")),
        ("an event that is called alias", event("alias")),
        ("the kind of call instead of its event", event("track")),
        ("any event, and others", event("[any, page]")),
        ("a slip in an event's key", event("{nam: page}")),
        ("an event without a name", event("{where: {price: 3}}")),
        ("an event with two names", event("{name: page, track: page}")),
        ("a detail of products that they do not have", event("{name: Product Viewed, where: {product.colour: red}}")),
        ("a detail with the name of what holds it", event("{name: Product Viewed, where: {properties.price: 3}}")),
        ("a detail of one product of several", event("{name: Order Completed, where: {products.0.price: 3}}")),
        ("a product as a detail", event("{name: Product Viewed, where: {product: mug}}")),
        ("a detail with two dots", event("{name: page, where: {context..path: /}}")),
        ("money of the context", event("{name: page, where: {context.screen.width: {at_least: 50 EUR}}}")),
        ("a detail that must not be there", event("{name: page, where: {title: {known: false}}}")),
        ("an event with no details", event("{name: page, where: {}}")),
        // Values.
        ("a slip in a test", who("trait: {name: age, atleast: 18}")),
        ("a trait without a question", who("trait: {name: plan}")),
        ("a trait without a name", who("trait: {equals: gold}")),
        ("a list as a value", who("device: [phone, tablet]")),
        ("a test beside equals", who("trait: {name: age, equals: 18, at_most: 30}")),
        ("bounds that leave nothing", who("trait: {name: age, at_least: 30, less_than: 18}")),
        ("bounds that just leave nothing", who("trait: {name: age, more_than: 18, at_most: 18}")),
        ("times that leave nothing", who("trait: {name: createdAt, older_than: 30d, newer_than: 7d}")),
        ("an end before the beginning", who("trait: {name: createdAt, since: 2026-02-01T00:00:00Z, before: 2026-01-01T00:00:00Z}")),
        ("a number that is a text", who("trait: {name: age, at_least: 18, contains: x}")),
        ("a number in words", who("trait: {name: age, at_least: eighteen}")),
        ("a number in quotes", who("trait: {name: age, at_least: \"18\"}")),
        ("a number beyond all bounds", who("trait: {name: age, at_least: 1e300}")),
        ("no number at all", who("trait: {name: age, equals: .nan}")),
        ("money where no currency is known", who("trait: {name: balance, at_least: 50 EUR}")),
        ("money in two currencies", event("{name: Product Viewed, where: {price: {at_least: 50 EUR, less_than: 90 USD}}}")),
        ("money with its sign", event("{name: Product Viewed, where: {price: {at_least: €50}}}")),
        ("a date without a time", who("trait: {name: createdAt, before: 2026-12-24}")),
        ("a value twice", who("trait: {name: plan, one_of: [gold, gold]}")),
        ("known with a word", who("trait: {name: plan, known: maybe}")),
        ("not with two tests", who("trait: {name: age, not: {at_least: 18, less_than: 30}}")),
        ("not not", who("trait: {name: plan, not: {not: gold}}")),
        ("a text that is too long to be found", who(&format!("campaign_name: {}", "x".repeat(65)))),
        // Joined.
        ("an unknown condition", who("basket: not_empty")),
        ("a slip in a condition", who("purchase: {at_least: 3}")),
        ("two conditions without a joint", who("cart: not_empty\nreachable: email")),
        ("an empty list", who("any: []")),
        ("a condition twice", who("any:\n  - cart: not_empty\n  - reachable: sms\n  - cart: not_empty")),
        ("a text as a condition", who("not_empty")),
        ("nobody", who("all:\n  - cart: empty\n  - cart: {items_at_least: 3}")),
        ("everybody", who("any:\n  - did: {event: page, within: 7d}\n  - did_not: {event: page, within: 7d}")),
        ("conditions nested without end", who(&format!("{}cart: empty{}", "not: {".repeat(16), "}".repeat(16)))),
        // The cart and addresses.
        ("two fields of a product", who("cart: {contains: {category: shoes, price: 20}}")),
        ("a field that products in carts do not have", who("cart: {contains: {colour: red}}")),
        ("no items", who("cart: {items_at_least: 0}")),
        ("a cart of any value", who("cart: {total_at_least: 0 EUR}")),
        ("a channel on which everybody is reached", who("reachable: webhook")),
        // How often and when.
        ("a bare event", who("did: Product Viewed")),
        ("a condition without its event", who("did: {at_least: 3}")),
        ("more often than is remembered", who("did: {event: page, at_least: 51, within: 7d}")),
        ("no times", who("did: {event: page, at_least: 0}")),
        ("half a time", who("did: {event: page, at_least: 2.5}")),
        ("at least more than at most", who("did: {event: page, at_least: 3, at_most: 2}")),
        ("exactly and at least", who("purchases: {exactly: 3, at_least: 2}")),
        ("a span beyond all bounds", who("did: {event: page, within: 500d}")),
        ("a span without a unit", who("did: {event: page, within: 7}")),
        ("once of one and the same", who("did: {event: Product Viewed, same: product.id}")),
        ("both sides of a time", who("last: {event: page, ago: 7d, less_than_ago: 30d}")),
        ("no side of a time", who("last_purchase: {}")),
        ("no time", who("first: {event: page}")),
        ("an event where only orders count", who("last_purchase: {event: page, ago: 7d}")),
        ("a sum of nothing", who("sum: {event: page, at_least: 3}")),
        ("a sum that everybody has", who("spent: {at_least: 0 EUR}")),
        ("a sequence of one", who("sequence: {events: [page], within: 1h}")),
        ("a sequence that is no list", who("sequence: {events: page, within: 1h}")),
        ("a sequence without its time", who("sequence: {events: [page, screen]}")),
        ("what starts and ends an absence", who("absence: {after: [page, screen], of: screen, for: 1h}")),
        ("an absence that any event ends", who("absence: {after: page, of: any, for: 1h}")),
        ("visits without a window", who("visits: {at_least: 3}")),
        ("a habit without its time", who("habit: {event: Order Completed, at_least: 3}")),
        ("a habit without its measure", who("habit: {event: Order Completed, on: today}")),
        ("a habit with two measures", who("habit: {event: Order Completed, on: today, at_least: 3, favourite: true}")),
        ("a habit that is never not", who("habit: {event: Order Completed, on: today, never: false}")),
        ("a favourite among all weekdays", who("habit: {event: page, on: [monday, tuesday, wednesday, thursday, friday, saturday, sunday], favourite: true}")),
        ("a habit of all hours", who("habit: {event: page, on: {from: 0, until: 24}, at_least: 3}")),
        ("an hour that no day has", who("habit: {event: page, on: {from: 7, until: 25}, at_least: 3}")),
        // Where and with what.
        ("a device that is none", who("device: mobile")),
        ("a system in capitals", who("os: iOS")),
        ("a language with its region", who("language: de-AT")),
        ("a country in small letters", who("country: de")),
        ("a referrer with its scheme", who("referrer: https://www.google.com/")),
        ("a fact as a number", who("city: {at_least: 3}")),
        ("a weekday cut short", who("local_time: {on: [mon]}")),
        ("a weekday twice", who("local_time: {on: [monday, monday]}")),
        ("an hour without minutes", who("local_time: {from: 8, until: 11}")),
        ("an hour after midnight that is none", who("local_time: {from: \"20:00\", until: \"25:00\"}")),
        ("a day that begins at its end", who("local_time: {from: \"24:00\", until: \"08:00\"}")),
        ("a time that ends when it begins", who("local_time: {from: \"08:00\", until: \"08:00\"}")),
        ("a time without an end", who("local_time: {from: \"08:00\"}")),
        ("the whole week", who("local_time: {from: \"00:00\", until: \"24:00\"}")),
        ("a place or a kind", who("inside: cafe")),
        ("a place that is not there", who("inside: {place: cafe_mite}")),
        ("a kind that is not there", who("inside: {kind: caffe}")),
        // What it amounts to.
        ("a moment that is none", who("moment: purchase")),
        ("a moment without evidence", who("moment: know")),
        ("a readiness beyond all", who("readiness: {at_least: 1}")),
        ("a readiness in percent", who("readiness: {at_least: 70%}")),
        ("a readiness that nobody has described", { let mut files = who("readiness: {at_least: 0.5}"); files.insert(MOMENTS.into(), "".into()); files }),
        ("a segment that is not there", who("segment: loyall")),
        ("a segment by its title", who("segment: Loyal customers")),
        ("a play that is not there", who("messaged: {play: welcom, within: 7d}")),
        ("a message without a window", who("messaged: {play: welcome}")),
        // Segments.
        ("a segment without who", also("segments/asked.yaml", "title: Asked\n")),
        ("a segment without a title", also("segments/asked.yaml", "who: {cart: empty}\n")),
        ("a segment whose name has capitals", also("segments/Asked.yaml", "title: Asked\nwho: {cart: empty}\n")),
        ("a segment that asks for itself", who("any: [{cart: empty}, {segment: asked}]")),
        ("segments in a circle", { let mut files = who("segment: second"); files.insert("segments/second.yaml".into(), "title: Second\nwho: [{cart: empty}, {not: {segment: asked}}]\n".into()); files }),
        ("a source that is not there", who("source: webb")),
        ("a readiness that asks for itself", with(MOMENTS, "{cart: not_empty}", "{readiness: {at_least: 0.5}}")),
        ("a readiness that asks for segments", { let mut files = with(MOMENTS, "{cart: not_empty}", "{segment: asked}"); files.insert("segments/asked.yaml".into(), "title: Asked\nwho: {readiness: {at_least: 0.5}}\n".into()); files }),
        // Moments.
        ("a moment that there is not", with(MOMENTS, "buy:", "bye:")),
        ("a moment without its half-life", with(MOMENTS, "half_life: 30m, ", "")),
        ("evidence of no weight", with(MOMENTS, "weight: 2", "weight: 0")),
        ("evidence against", with(MOMENTS, "weight: 2", "weight: -1")),
        ("a strength beyond all", with(MOMENTS, "reached_at: 3", "reached_at: 5000")),
        ("evidence twice", with(MOMENTS, "[{event: Product Added, weight: 2}]", "[{event: Product Added, weight: 2}, {event: [page, add_to_cart], weight: 1}]")),
        ("a moment that speaks against buying", with(MOMENTS, "weight: 0.4", "weight: -0.4")),
        ("a term with two values", with(MOMENTS, "{moment: buy, weight", "{moment: buy, if: {cart: empty}, weight")),
        ("a term with no value", with(MOMENTS, "{moment: buy, weight", "{weight")),
        ("a readiness without its beginning", with(MOMENTS, "  intercept: -3\n", "")),
        // Places.
        ("a place in the sea", with(PLACES, "latitude: 52.52, longitude: 13.405", "latitude: 0, longitude: 0")),
        ("a place beyond the pole", with(PLACES, "latitude: 52.52", "latitude: 525.2")),
        ("a place with its coordinates exchanged", with(PLACES, "latitude: 52.52, longitude: 13.405", "latitude: 139.69, longitude: 35.68")),
        ("a place as large as a country", with(PLACES, "radius: 150", "radius: 150000")),
        ("a place of no size", with(PLACES, "radius: 150", "radius: 0")),
        ("a place without a radius", with(PLACES, ", radius: 150", "")),
        ("a place with an odd name", with(PLACES, "cafe_mitte:", "Café Mitte:")),
        ("a place twice", with(PLACES, "places:\n", "places:\n  mitte: {title: Café Mitte, latitude: 52.52, longitude: 13.405, radius: 100}\n")),
        ("a place in no time zone", with(PLACES, "radius: 150", "radius: 150, time_zone: Berlin")),
        ("a place with a broken link", with(PLACES, "radius: 150", "radius: 150, url: shop.example/mitte")),
        ("a place that opens twice at once", with(PLACES, "radius: 150", "radius: 150, hours: [{from: \"08:00\", until: \"18:00\"}, {from: \"17:00\", until: \"20:00\", on: friday}]")),
        ("a slip in a place's key", with(PLACES, "radius:", "raduis:")),
        // Policy.
        ("a time zone that does not exist", policy("time_zone: Europe/Berln\n")),
        ("a time zone by its offset", policy("time_zone: UTC+2\n")),
        ("a cap twice", policy("caps:\n  - {at_most: 3, per: 7d}\n  - {at_most: 3, per: 7d}\n")),
        ("two numbers for one window", policy("caps:\n  - {channel: sms, at_most: 3, per: 1d}\n  - {channel: sms, at_most: 1, per: 24h}\n")),
        ("a cap that another one makes useless", policy("caps:\n  - {at_most: 1, per: 24h}\n  - {channel: sms, at_most: 7, per: 7d}\n")),
        ("a cap that a longer one makes useless", policy("caps:\n  - {at_most: 3, per: 24h}\n  - {at_most: 2, per: 7d}\n")),
        ("a cap of none", policy("caps:\n  - {at_most: 0, per: 24h}\n")),
        ("a cap on a channel that is not set up", policy("caps:\n  - {channel: webhook, at_most: 1, per: 24h}\n")),
        ("a week of quiet", policy("quiet_hours:\n  - {from: \"08:00\", until: \"20:00\"}\n  - {from: \"20:00\", until: \"08:00\"}\n")),
        ("hours that are quiet already", policy("quiet_hours:\n  - {from: \"20:00\", until: \"08:00\"}\n  - {from: \"22:00\", until: \"06:00\", on: sunday}\n")),
        ("a control group without its unit", policy("control_group: 5\n")),
        ("a control group of everybody", policy("control_group: 100%\n")),
        ("a control group beyond all", policy("control_group: 120%\n")),
        ("a slip in the policy", policy("quite_hours: []\n")),
    ]
}

#[test]
fn every_slip_in_a_condition_is_told_with_its_place_and_what_to_write_instead() {
    let mut all = String::new();
    for (name, files) in cases() {
        let problems = compile(&files).expect_err(name);
        let mut shown = Vec::new();
        for problem in &problems {
            assert!(problem.help.is_some(), "{name}: {problem}");
            assert!(problem.line == 0 || problem.excerpt.is_some(), "{name}: {problem}");
            shown.push(problem.to_string());
        }
        writeln!(all, "## {name}\n{}\n", shown.join("\n")).unwrap();
    }
    compare("problems_conditions.txt", &all);
}
