//! The schemas and the reader say the same. To write the files anew after a change that is meant:
//! `UPDATE_GOLDEN=1 cargo test -p kairos-playbook`.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::schemas;
use crate::compile;
use crate::fields::keys_read;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_files_in_schema_are_these() {
    let folder = project().join("schema");
    let mut known = BTreeSet::new();
    for (name, schema) in schemas() {
        let path = folder.join(format!("{name}.schema.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let file = fs::read_to_string(&path).unwrap_or_default();
        assert!(file == text, "{} differs; if it is meant, run with UPDATE_GOLDEN=1", path.display());
        known.insert(path.file_name().unwrap().to_owned());
    }
    let there: BTreeSet<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, known, "no others are there");
}

/// The groups of keys that a schema allows, each with a key beside which it stands.
fn groups(schema: &Value, at: &str, found: &mut BTreeMap<BTreeSet<String>, String>) {
    match schema {
        Value::Object(keys) => {
            if let Some(Value::Object(properties)) =
                keys.get("properties").filter(|_| keys.contains_key("additionalProperties"))
            {
                found.insert(properties.keys().cloned().collect(), at.to_owned());
            }
            keys.iter().for_each(|(key, value)| groups(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| groups(value, at, found)),
        _ => {}
    }
}

/// A playbook that has every group of keys in it, right or wrong.
fn everything() -> BTreeMap<String, String> {
    let play = "
title: X
trigger: {TRIGGER}
goal: {event: page, within: 1d}
who:
  - cart: {contains: {price: {at_least: 3}}}
  - trait: {name: plan, known: true}
  - readiness: {at_least: 0.5}
  - messaged: {within: 1d}
  - did: {event: [{name: page, where: {x: 1}}], at_least: 3, within: 1d}
  - did_not: {event: page}
  - first: {event: page, ago: 1d}
  - last: {event: page, ago: 1d}
  - last_value: {event: page, property: x, equals: 3}
  - sum: {event: page, property: x, at_least: 3}
  - spent: {at_least: 3}
  - distinct: {event: page, property: x, at_least: 3}
  - sequence: {events: [page, screen], within: 1d}
  - absence: {after: page, of: screen, for: 1d}
  - average_interval: {event: page, less_than: 1d}
  - habit: {event: page, on: {from: 1, until: 3}, at_least: 3}
  - visits: {at_least: 3, within: 1d}
  - purchases: {at_least: 3}
  - last_purchase: {ago: 1d}
  - local_time: {from: \"08:00\", until: \"09:00\"}
  - inside: {kind: cafe}
  - moment: {is: buy}
valid_for: 1h
caps: [{at_most: 1, per: 1d}]
steps:
  - send: {message: hi, channels: email}
  - send: {message: hi, channels: most_engaged}
  - send: {message: hi, channels: {most_engaged: [email, sms]}}
  - wait_until: {condition: {cart: empty}, at_most: 1d}
  - branch: {if: {cart: empty}, then: [stop]}
  - split: {name: x, variants: [{name: a, steps: [stop]}, {name: b, steps: [stop]}]}
";
    let triggers = [
        "absence: {after: page, of: screen, for: 1d}",
        "sequence: {events: [page, screen], within: 1d}",
        "segment: {entered: x}",
        "place: {entered: any}",
        "schedule: {at: \"09:00\"}",
        "price_drop: {at_least: 10%}",
        "back_in_stock: {interest: viewed}",
        "low_stock: {at_most: 3}",
        "run_out: {event: page, before: 1d}",
    ];
    let mut files: BTreeMap<String, String> = [
        ("sources.yaml", "sources: {web: {write_key: aaaaaaaaaaaaaaaa}}"),
        (
            "channels.yaml",
            "email: {from: a@shop.example}\nsms: {sender_id: Shop, provider: end_user_messaging, fallback: sns, max_price: 0.1,\
             origination_identity: \"+12065550152\", configuration_set: kairos-sms}\n\
             webhooks: {shop: {url: \"https://shop.example/\", headers: {X-Shop: x, Authorization: {secret: x, prefix: x}}}}\n\
             telegram: {silent: true}\nviber: {sender: Shop}\nwhatsapp: {phone_number_id: \"1\"}\n\
             on_site: {verify_identity: false}\nweb_push: {contact: \"mailto:web@shop.example\"}\n\
             mobile_push: {fcm: \"arn:aws:sns:eu-central-1:123456789012:app/GCM/shop\"}",
        ),
        (
            "consent.yaml",
            "shop: X\nchannels: {email: {opt_in: implied, wording: {version: x, text: {en: x}}}}\nhelp: {en: x}",
        ),
        (
            "policy.yaml",
            "caps: [{channel: sms, at_most: 1, per: 1d}]\nquiet_hours: {from: \"21:00\", until: \"08:00\"}",
        ),
        (
            "moments.yaml",
            "moments: {buy: {half_life: 1h, reached_at: 3, evidence: {event: page, weight: 1}}}\n\
             readiness: {intercept: 1, terms: [{moment: buy, weight: 1}]}",
        ),
        ("places.yaml", "places: {mitte: {title: X, latitude: 52, longitude: 13, radius: 100}}"),
        ("promotions.yaml", "promotions: {x: {title: X, discount: 10%, expires_after: 2d}}"),
        (
            "links.yaml",
            "hosts: shop.example\nutm: {source: x, medium: {email: x}}\ndestinations: {x: {desktop: \"https://shop.example/\", \
             phone: {nearest: any}, ios_app: {deep_link: \"x://\", store: \"https://shop.example/\"}}}",
        ),
        (
            "conversions.yaml",
            "macro: {x: {title: X, event: page}}\nmicro: {y: {title: X, event: page, within: 1d}}\n\
             funnels: {x: {title: X, steps: [{name: a, event: page}, {name: b, event: screen}], within: 1d}}\n\
             attribution: {window: 1d}",
        ),
        ("tracking_plan.yaml", "events: {page: }"),
        ("segments/x.yaml", "title: X\nwho: {cart: empty}"),
        (
            "messages/hi.yaml",
            "locales: {en: {email: {subject: x, text: x}, sms: {text: x}, \
             viber: {text: x, button: {text: x, link: \"https://shop.example/\"}}, \
             whatsapp: {template: x, language: en}, on_site: {kind: embedded, text: x, slot: top}, \
             web_push: {title: x, body: x, urgency: very-low, ttl: 1h, topic: cart}, \
             mobile_push: {title: x, body: x}, webhook: {to: shop, body: '{}'}}}",
        ),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    for (number, trigger) in triggers.iter().enumerate() {
        files.insert(format!("plays/p{number}.yaml"), play.replace("{TRIGGER}", &format!("{{{trigger}}}")));
    }
    files
}

#[test]
fn the_reader_knows_the_keys_that_the_schemas_name_and_no_others() {
    keys_read::take();
    let _ = compile(&everything());
    let read = keys_read::take();
    let mut named = BTreeMap::new();
    for (name, schema) in schemas() {
        groups(&schema, name, &mut named);
    }
    // The moments are read as names, and named in the schema for completion.
    named.remove(&kairos_engine::playbook::Moment::ALL.map(|(name, _)| name.to_owned()).into());
    let only_read: Vec<_> = read.iter().filter(|(keys, _)| !named.contains_key(*keys)).collect();
    let only_named: Vec<_> = named.iter().filter(|(keys, _)| !read.contains_key(*keys)).collect();
    assert!(
        only_read.is_empty() && only_named.is_empty(),
        "only read: {only_read:#?}\nonly in schemas: {only_named:#?}"
    );
}
