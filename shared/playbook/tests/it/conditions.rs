//! What each form of a condition becomes: the short ones in the engine's own words.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use kairos_engine::playbook::{Condition, Playbook};
use kairos_playbook::compile;

use super::shipped::compare;
use super::small;

/// What conditions may name.
pub(crate) fn around() -> BTreeMap<String, String> {
    let mut files = small();
    for (path, text) in [
        (
            "moments.yaml",
            "moments:
  go: {half_life: 1h, reached_at: 2, evidence: {event: Store Searched, weight: 1}}
  buy: {half_life: 30m, reached_at: 3, evidence: [{event: Product Added, weight: 2}]}
readiness:
  intercept: -3
  terms: [{if: {cart: not_empty}, weight: 1.5}, {moment: buy, weight: 0.4}]
",
        ),
        (
            "places.yaml",
            "places:
  cafe_mitte: {title: Café Mitte, kind: cafe, latitude: 52.52, longitude: 13.405, radius: 150}
",
        ),
        ("segments/loyal.yaml", "title: Loyal customers\nwho: {purchases: {at_least: 3, within: 90d}}\n"),
    ] {
        files.insert(path.into(), text.into());
    }
    let welcome = files["plays/hello.yaml"].replace("Hello", "Welcome");
    files.insert("plays/welcome.yaml".into(), welcome);
    files
}

fn playbook(files: &BTreeMap<String, String>) -> Playbook {
    let loaded = compile(files).unwrap_or_else(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", problems.join("\n"))
    });
    loaded.playbook
}

fn read(condition: &str) -> Condition {
    let mut files = around();
    let indented = condition.replace('\n', "\n  ");
    files.insert("segments/asked.yaml".into(), format!("title: Asked\nwho:\n  {indented}\n"));
    playbook(&files).segment("asked").unwrap().who.clone()
}

#[rustfmt::skip]
pub(crate) const FORMS: &[&str] = &[
    // Joined.
    "- cart: not_empty\n- reachable: sms",
    "all: [{cart: not_empty}, {reachable: sms}]",
    "any: [{cart: not_empty}, {not: {reachable: anyhow}}]",
    // The cart.
    "cart: empty",
    "cart: {items_at_least: 3}",
    "cart: {total_at_least: 50}",
    "cart: {total_at_least: 49.90 eur}",
    "cart: {contains: {category: shoes}}",
    "cart: {contains: {price: {at_least: 20}}}",
    // Values.
    "trait: {name: plan, equals: gold}",
    "trait: {name: plan, one_of: [gold, 3, true]}",
    "trait: {name: age, at_least: 18, less_than: 30}",
    "trait: {name: age, more_than: 17.5, at_most: 30}",
    "trait: {name: interests, contains: coffee}",
    "trait: {name: email, ends_with: .edu}",
    "trait: {name: phone, starts_with: \"+49\"}",
    "trait: {name: createdAt, older_than: 7d}",
    "trait: {name: createdAt, newer_than: 2w}",
    "trait: {name: createdAt, since: \"2026-01-01T00:00:00+01:00\", before: 2026-12-24T00:00:00Z}",
    "trait: {name: plan, known: true}",
    "trait: {name: plan, known: false}",
    "trait: {name: plan, not: gold}",
    "trait: {name: age, at_least: 18, not: {equals: 30}}",
    // Events.
    "did: {event: any}",
    "did: {event: [page, screen, identify, group, add_to_cart, Coffee Brewed]}",
    "did: {event: {track: page}}",
    "did: {event: {name: page, where: {context.page.path: {starts_with: /promo}}}}",
    "did: {event: [{name: Product Viewed, where: {product.category: shoes, price: {at_least: 50 EUR, less_than: 100 EUR}}}, view_item_list]}",
    // How often.
    "did: {event: Product Viewed}",
    "did: {event: Product Viewed, at_least: 3, within: 7d}",
    "did: {event: Product Viewed, at_most: 3, within: 7d}",
    "did: {event: Product Viewed, at_least: 2, at_most: 3}",
    "did: {event: Product Viewed, exactly: 2}",
    "did: {event: Product Viewed, exactly: 0, within: 7d}",
    "did: {event: Product Viewed, at_least: 3, same: product.id, within: 1d}",
    "did_not: {event: Order Completed, within: 30d}",
    // When.
    "first: {event: page, ago: 30d}",
    "first: {event: page, less_than_ago: 30d}",
    "last: {event: Product Added, ago: 1h}",
    "last: {event: Product Added, less_than_ago: 1h}",
    // What.
    "last_value: {event: Products Searched, property: query, contains: coffee}",
    "last_value: {event: Products Searched, property: query, known: false}",
    "sum: {event: Element Dwelled, property: seconds, same: product.category, at_least: 60, within: 1h}",
    "sum: {event: Order Completed, property: total, at_least: 500 EUR, within: 365d}",
    "distinct: {event: Product Viewed, property: product.category, at_least: 3, within: 7d}",
    "distinct: {event: Product Viewed, property: product.category, at_most: 1}",
    // In what order.
    "sequence: {events: [Product Viewed, Product Added], within: 1h, last: 7d}",
    "sequence: {events: [[page, screen], {name: Product Added, where: {price: {more_than: 9.99}}}], within: 1h}",
    "absence: {after: Product Added, of: Order Completed, for: 2h}",
    // Purchases.
    "purchases: {at_least: 3, within: 90d}",
    "purchases: {exactly: 1}",
    "last_purchase: {ago: 60d}",
    "last_purchase: {less_than_ago: 60d}",
    "first_purchase: {less_than_ago: 30d}",
    "first_purchase: {ago: 30d}",
    "spent: {at_least: 200 EUR, within: 365d}",
    "spent: {at_least: 200}",
    "average_interval: {event: Order Completed, less_than: 30d}",
    "habit: {event: Order Completed, on: monday, at_least: 3}",
    "habit: {event: Order Completed, on: today, never: true}",
    "habit: {event: Order Completed, on: [saturday, sunday], favourite: true}",
    "habit: {event: Order Completed, on: {from: 22, until: 24}, at_least: 3}",
    "visits: {at_least: 3, within: 7d}",
    "visits: {at_most: 1, within: 7d}",
    // Where, when, with what.
    "device: phone",
    "device: {one_of: [phone, tablet]}",
    "os: {not: ios}",
    "platform: mobile_site",
    "source: web",
    "campaign_source: newsletter",
    "campaign_medium: {known: false}",
    "campaign_name: {starts_with: Spring}",
    "referrer: {ends_with: google.com}",
    "language: de",
    "country: NO",
    "region: Berlin",
    "city: {one_of: [Berlin, Potsdam]}",
    "local_time: {from: \"08:00\", until: \"11:00\", on: [monday, friday]}",
    "local_time: {from: 22:00, until: 06:30}",
    "local_time: {from: \"18:00\", until: \"24:00\"}",
    "local_time: {on: [saturday, sunday]}",
    "inside: any",
    "inside: {kind: cafe}",
    "inside: {place: cafe_mitte}",
    // What it amounts to.
    "moment: buy",
    "moment: {is: buy, at_least: 5}",
    "readiness: {at_least: 0.7}",
    "segment: loyal",
    "messaged: {play: welcome, within: 7d}",
    "messaged: {within: 24h}",
];

#[test]
fn every_form_of_a_condition_becomes_what_it_says() {
    let mut all = String::new();
    for form in FORMS {
        let read = serde_json::to_string(&read(form)).unwrap();
        writeln!(all, "{form}\n  {read}\n").unwrap();
    }
    compare("conditions.txt", &all);
}

#[test]
fn short_forms_mean_what_the_long_ones_say() {
    for (short, long) in [
        ("did_not: {event: page, within: 1d}", "not: {did: {event: page, within: 1d}}"),
        ("did: {event: page, at_most: 2}", "not: {did: {event: page, at_least: 3}}"),
        ("did: {event: page, exactly: 0}", "did_not: {event: page}"),
        ("last: {event: page, less_than_ago: 1h}", "did: {event: page, within: 1h}"),
        ("first: {event: page, less_than_ago: 1h}", "[{did: {event: page}}, {not: {first: {event: page, ago: 1h}}}]"),
        ("purchases: {at_least: 2}", "did: {event: purchase, at_least: 2}"),
        ("last_purchase: {ago: 60d}", "last: {event: purchase, ago: 60d}"),
        ("spent: {at_least: 9 EUR}", "sum: {event: purchase, property: total, at_least: 9 EUR}"),
        (
            "trait: {name: x, at_least: 1, at_most: 3}",
            "[{trait: {name: x, at_least: 1}}, {trait: {name: x, at_most: 3}}]",
        ),
        ("trait: {name: x, known: false}", "not: {trait: {name: x, known: true}}"),
        ("habit: {event: page, on: today, never: true}", "not: {habit: {event: page, on: today, at_least: 1}}"),
    ] {
        assert_eq!(read(short), read(long), "{short}");
    }
}

/// The YAML below a heading of the language's description.
fn described(heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/playbook.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_condition_of_the_description_reads() {
    let blocks = described("Conditions");
    let lines = blocks.iter().flat_map(|block| block.lines());
    // What only hints at its content is shown by the others.
    let conditions: Vec<_> =
        lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ' ']) && !line.contains('…')).collect();
    assert!(conditions.len() >= 35, "{conditions:?}");
    for condition in conditions {
        read(condition);
    }
}

#[test]
fn every_event_of_the_description_reads() {
    for block in described("Events") {
        for event in block.split("\nevent:") {
            let event = event.strip_prefix("event:").unwrap_or(event).replace('\n', "\n    ");
            read(&format!("did:\n    event:{event}"));
        }
    }
}

#[test]
fn every_other_file_of_the_description_reads() {
    for (heading, path) in [("Moments", "moments.yaml"), ("Places", "places.yaml"), ("Policy", "policy.yaml")] {
        let mut files = around();
        let text = described(heading)[0].replace("url: …", "url: https://shop.example/mitte");
        files.insert(path.into(), text);
        let playbook = playbook(&files);
        assert_eq!(serde_json::from_slice::<Playbook>(&serde_json::to_vec(&playbook).unwrap()).unwrap(), playbook);
    }
    let mut files = around();
    files.insert("segments/loyal.yaml".into(), described("Segments")[0].clone());
    assert_eq!(playbook(&files).segments[0].title, "Loyal customers");
}
