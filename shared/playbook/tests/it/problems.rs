//! Playbooks with one thing wrong each, and all that is said about it, in `tests/golden/problems.txt`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kairos_engine::bounds::{PLAYBOOK_FILE_BYTES_MAX, PLAYS_MAX};
use kairos_playbook::{Diagnostic, compile};

use super::shipped::compare;
use super::{small, with};

pub(super) const PLAY: &str = "plays/hello.yaml";
pub(super) const MESSAGE: &str = "messages/hi.yaml";
const SOURCES: &str = "sources.yaml";
const CHANNELS: &str = "channels.yaml";

pub(super) type Files = BTreeMap<String, String>;

fn without(path: &str) -> Files {
    let mut files = small();
    files.remove(path);
    files
}

fn also(path: &str, text: &str) -> Files {
    let mut files = small();
    files.insert(path.into(), text.into());
    files
}

/// The small playbook with other conditions.
fn who(conditions: &str) -> Files {
    with(PLAY, "valid_for", &format!("{conditions}\nvalid_for"))
}

/// The small playbook with another trigger.
pub(super) fn trigger(written: &str) -> Files {
    world(with(PLAY, "event: identify", written))
}

/// The small playbook with these steps, indented by two blanks.
pub(super) fn steps(written: &str) -> Files {
    world(with(PLAY, "  - send:\n      message: hi\n      channels: [email, sms]\n", written))
}

/// The small playbook with more keys, and the files they refer to.
pub(super) fn rules(written: &str) -> Files {
    world(who(written))
}

/// With a segment, a café, a moment and a policy.
pub(super) fn world(mut files: Files) -> Files {
    for (path, text) in [
        ("segments/loyal.yaml", "title: Loyal\nwho: {purchases: {at_least: 3, within: 90d}}\n"),
        ("places.yaml", "places:\n  mitte: {title: Mitte, kind: cafe, latitude: 52.5, longitude: 13.4, radius: 100}\n"),
        (
            "moments.yaml",
            "moments:\n  buy: {half_life: 30m, reached_at: 3, evidence: {event: Product Added, weight: 2}}\n",
        ),
        ("policy.yaml", "caps:\n  - {at_most: 2, per: 7d}\nquiet_hours:\n  - {from: \"21:00\", until: \"08:00\"}\n"),
    ] {
        files.insert(path.into(), text.into());
    }
    files
}

/// With other files beside the world's.
pub(super) fn beside(more: &[(&str, &str)]) -> Files {
    let mut files = world(small());
    files.extend(more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    files
}

/// With a tracking plan, and another trigger.
fn planned(written: &str) -> Files {
    let mut files = trigger(written);
    let plan = "events:\n  Product Viewed: [price, video]\n  Product Added: []\n  Lesson Watched: [lesson, seconds]\n  page: [title]\ntraits: [plan, createdAt]\n";
    files.insert(PLAN.into(), plan.into());
    files
}

/// A good promotion.
pub(super) const SPRING: &str = "{title: Spring, discount: 10%, expires_after: 2d}";
const PROMOTIONS: &str = "promotions.yaml";

/// The small playbook with a message that shows a code and has another key, and a promotion.
pub(super) fn promoted(key: &str, promotion: &str) -> Files {
    let mut files = with(MESSAGE, "locales:", &format!("{key}\nlocales:"));
    let shown = files[MESSAGE].replace("Hi {{ user.first_name }}", "Hi {{ promo_code.code }}");
    files.insert(MESSAGE.into(), shown.replace("      text: Hi\n", "      text: Hi {{ promo_code.code }}\n"));
    files.insert(PROMOTIONS.into(), format!("promotions:\n  spring: {promotion}\n"));
    files
}

/// With links.
fn linked(text: &str) -> Files {
    also("links.yaml", text)
}

/// With a destination.
fn destination(keys: &str) -> Files {
    linked(&format!("hosts: shop.example\ndestinations:\n  showroom: {{{keys}}}\n"))
}

pub(super) const SEND: &str = "{send: {message: hi, channels: email}}";
const PLAN: &str = "tracking_plan.yaml";

/// With conversions: what stands below `macro`, and what else.
fn conversions(of_order: &str, more: &str) -> Files {
    also("conversions.yaml", &format!("macro:\n  order: {{{of_order}}}\n{more}"))
}

/// With an order, and something below `micro`, `funnels` or `attribution`.
fn leading(more: &str) -> Files {
    conversions("title: Order, event: Order Completed", more)
}

/// With a funnel of these keys.
fn funnel(keys: &str) -> Files {
    leading(&format!("funnels:\n  checkout: {{title: Checkout, {keys}}}\n"))
}

/// The small playbook with a wait.
fn absence(wait: &str) -> Files {
    with(PLAY, "event: identify", &format!("absence: {wait}"))
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<(&'static str, Files)> {
    vec![
        // Files.
        ("no sources file", without(SOURCES)),
        ("a file in a folder that does not exist", also("play/x.yaml", "title: X")),
        ("a file with the other ending", also("plays/x.yml", "title: X")),
        ("a slip in a file's name", also("source.yaml", "x: 1")),
        ("a play whose name has capitals", { let mut files = small(); let text = files.remove(PLAY).unwrap(); files.insert("plays/Hello World.yaml".into(), text); files }),
        ("a file that is no YAML", with(PLAY, "title: Hello", "title: [Hello")),
        ("a key that stands twice", with(PLAY, "title: Hello", "title: Hello\ntitle: Hello")),
        ("an empty file", also(PLAY, "# nothing yet\n")),
        ("a file that is a list", also(PLAY, "- title: Hello\n")),
        // Sources.
        ("a short write key", with(SOURCES, "aaaaaaaaaaaaaaaa", "short")),
        ("a write key with blanks", with(SOURCES, "aaaaaaaaaaaaaaaa", "aaaaaaaa aaaaaaaa")),
        ("a write key that is a number", with(SOURCES, "aaaaaaaaaaaaaaaa", "12345678901234567890")),
        ("one write key for two sources", with(SOURCES, "  web:", "  app:\n    write_key: aaaaaaaaaaaaaaaa\n  web:")),
        ("a slip in write_key", with(SOURCES, "write_key", "writekey")),
        ("no sources in the file", also(SOURCES, "sources:\n")),
        ("a source with an odd name", with(SOURCES, "web", "My Web")),
        ("a source with the name of Kairos' own", with(SOURCES, "web", "redeem")),
        // Channels.
        ("a sender that is no address", with(CHANNELS, "hello@shop.example", "hello")),
        ("an email channel without a sender", with(CHANNELS, "from", "reply_to")),
        ("a sender id that phones refuse", with(CHANNELS, "sms:", "sms:\n  sender_id: The Best Shop")),
        ("a provider of SMS that there is not", with(CHANNELS, "sms:", "sms:\n  provider: twilio")),
        ("a fallback that is the provider", with(CHANNELS, "sms:", "sms:\n  fallback: sns")),
        ("a number that is no text", with(CHANNELS, "sms:", "sms:\n  origination_identity: \"+1 206 555\"")),
        ("a price that is none", with(CHANNELS, "sms:", "sms:\n  max_price: 10 EUR")),
        ("a webhook without TLS", with(CHANNELS, "sms:", "sms:\nwebhooks:\n  shop: {url: http://shop.example/hook}")),
        ("an unknown channel", with(CHANNELS, "sms:", "smss:")),
        // Plays.
        ("a slip in a play's key", with(PLAY, "trigger", "tigger")),
        ("a play without valid_for", with(PLAY, "valid_for: 1h\n", "")),
        ("a length of time without a unit", with(PLAY, "valid_for: 1h", "valid_for: 60")),
        ("a length of time in words", with(PLAY, "valid_for: 1h", "valid_for: one hour")),
        ("a length of time beyond all bounds", with(PLAY, "valid_for: 1h", "valid_for: 500d")),
        ("a title that is a number", with(PLAY, "title: Hello", "title: 2026")),
        ("an unknown trigger", with(PLAY, "event:", "events:")),
        ("two triggers", with(PLAY, "event: identify", "event: identify\n  absence: {}")),
        ("no events", with(PLAY, "event: identify", "event: []")),
        ("an event twice under two names", with(PLAY, "event: identify", "event: [Product Added, add_to_cart]")),
        ("an event that is almost a known one", with(PLAY, "event: identify", "event: Order Complete")),
        ("alias as an event", with(PLAY, "event: identify", "event: alias")),
        ("an event that starts and ends the wait", absence("{after: [page, Product Added], of: [Order Completed, add_to_cart], for: 30m}")),
        ("a wait without an end", absence("{after: page, for: 30m}")),
        ("a wait of no time", absence("{after: page, of: Order Completed, for: 0m}")),
        ("an unknown condition", who("who:\n  basket: not_empty")),
        ("a slip in a condition's value", who("who:\n  cart: not_emty")),
        ("two conditions without a joint", who("who:\n  cart: not_empty\n  reachable: email")),
        ("an empty list of conditions", who("who:\n  all: []")),
        ("a trait without a question", who("who:\n  trait: {name: plan}")),
        ("a trait with two questions", who("who:\n  trait: {name: plan, known: true, equals: gold}")),
        ("conditions nested without end", who(&format!("who: {}{{cart: empty}}{}", "{not: ".repeat(16), "}".repeat(16)))),
        ("conditions that exclude each other", who("who:\n  all:\n    - cart: empty\n    - not: {cart: empty}")),
        ("who and unless say the same", who("who:\n  trait: {name: plan, equals: gold}\nunless:\n  trait: {name: plan, known: true}")),
        ("a cart that an order has just emptied", { let mut files = who("who:\n  cart: not_empty"); *files.get_mut(PLAY).unwrap() = files[PLAY].replace("identify", "Order Completed"); files }),
        ("a cart that an order has just emptied before a wait", absence("{after: Order Completed, of: page, for: 1d}\nwho: {cart: not_empty}")),
        ("only users without an address", who("who:\n  not: {reachable: anyhow}")),
        ("an unknown entry", who("entry: twice")),
        ("a cap of none", who("caps:\n  - {at_most: 0, per: 24h}")),
        ("a cap beyond all bounds", who("caps:\n  - {at_most: 1000, per: 24h}")),
        ("a cap without its window", who("caps:\n  - at_most: 1")),
        ("no steps", with(PLAY, "steps:\n  - send:\n      message: hi\n      channels: [email, sms]\n", "steps: []\n")),
        ("channels in an order that there is not", with(PLAY, "channels: [email, sms]", "channels: {best: [email, sms]}")),
        ("a word that is no channel", with(PLAY, "channels: [email, sms]", "channels: most_engage")),
        ("one channel to choose from", with(PLAY, "channels: [email, sms]", "channels: {most_engaged: email}")),
        ("a message for one channel only", { let mut files = with(PLAY, "channels: [email, sms]", "channels: most_engaged"); let said = files[MESSAGE].replace("    sms:\n      text: Hi\n", ""); files.insert(MESSAGE.into(), said); files }),
        ("channels that the message is not written for", with(PLAY, "channels: [email, sms]", "channels: {most_engaged: [email, telegram]}")),
        ("an unknown step", with(PLAY, "- send:", "- sent:")),
        ("an unknown message", with(PLAY, "message: hi", "message: high")),
        ("an unknown channel in a step", with(PLAY, "[email, sms]", "[mail]")),
        ("a channel twice", with(PLAY, "[email, sms]", "[sms, sms]")),
        ("a channel that is not set up", with(PLAY, "[email, sms]", "[email, webhook]")),
        ("a message without a template for the channel", with(MESSAGE, "    sms:\n      text: Hi\n", "")),
        // Conversions.
        ("a slip in conversions", leading("micros:\n  viewed: {}\n")),
        ("a macro-conversion without its event", conversions("title: Order", "")),
        ("a macro-conversion worth nothing", conversions("title: Order, event: Order Completed, value: 0 EUR", "")),
        ("an amount without a currency", conversions("title: Order, event: Order Completed, value: 5", "")),
        ("an amount that is some product's", conversions("title: Order, event: Order Completed, value: product.price", "")),
        ("a currency that is none", conversions("title: Order, event: Order Completed, currency: euros", "")),
        ("two currencies of one amount", conversions("title: Order, event: Order Completed, value: 5 EUR, currency: EUR", "")),
        ("a micro-conversion that leads nowhere", also("conversions.yaml", "micro:\n  viewed: {title: Viewed, event: Product Viewed, within: 7d}\n")),
        ("a micro-conversion to something else", leading("micro:\n  viewed: {title: Viewed, event: Product Viewed, leads_to: orders, within: 7d}\n")),
        ("a micro-conversion that could lead to either", leading("  lead: {title: Lead, event: Signed Up}\nmicro:\n  viewed: {title: Viewed, event: Product Viewed, within: 7d}\n")),
        ("a micro-conversion without a time", leading("micro:\n  viewed: {title: Viewed, event: Product Viewed}\n")),
        ("a micro-conversion with the name of a macro-conversion", leading("micro:\n  order: {title: Viewed, event: Product Viewed, within: 7d}\n")),
        ("a conversion's name with blanks", leading("micro:\n  Looked at it: {title: Viewed, event: Product Viewed, within: 7d}\n")),
        ("a funnel of one step", funnel("steps: [{name: viewed, event: Product Viewed}], within: 7d")),
        ("a funnel whose steps have one name", funnel("steps: [{name: a, event: page}, {name: a, event: screen}], within: 7d")),
        ("a step without a name", funnel("steps: [{event: page}, {name: a, event: screen}], within: 7d")),
        ("a funnel without a time", funnel("steps: [{name: a, event: page}, {name: b, event: screen}]")),
        ("a split that there is not", funnel("steps: [{name: a, event: page}, {name: b, event: screen}], within: 7d, by: [device, source]")),
        ("a split twice", funnel("steps: [{name: a, event: page}, {name: b, event: screen}], within: 7d, by: [source, source]")),
        ("a model that there is not", leading("attribution: {model: lineal}\n")),
        ("a half-life of another model", leading("attribution: {model: linear, half_life: 7d}\n")),
        ("a touch that there is not", leading("attribution: {touch: seen}\n")),
        // Triggers.
        ("a trigger that is only a word", trigger("purchase")),
        ("a sequence of one event", trigger("sequence: {events: [page], within: 1h}")),
        ("a sequence that is no list", trigger("sequence: {events: page, within: 1h}")),
        ("a sequence without an end", trigger("sequence: {events: [page, Product Added]}")),
        ("a segment that does not exist", trigger("segment: {entered: loyals}")),
        ("a segment without a direction", trigger("segment: loyal")),
        ("a slip in a direction", trigger("segment: {enters: loyal}")),
        ("an empty direction", trigger("segment: {entered: }")),
        ("an unknown moment", trigger("moment: by")),
        ("a moment without evidence", trigger("moment: know")),
        ("a place that does not exist", trigger("place: {entered: {place: mite}}")),
        ("a kind of places that does not exist", trigger("place: {left: {kind: bar}}")),
        ("a place without its kind of name", trigger("place: {entered: mitte}")),
        ("a trigger on places without places", with(PLAY, "event: identify", "place: {entered: any}")),
        ("a time of day without quotes", trigger("schedule: {at: 9}")),
        ("a time of day that no clock shows", trigger("schedule: {at: \"25:00\"}")),
        ("a weekday in short", trigger("schedule: {at: \"09:00\", on: [mon]}")),
        ("a day that no month has", trigger("schedule: {at: \"09:00\", day_of_month: 32}")),
        ("a time zone in short", trigger("schedule: {at: \"09:00\", time_zone: Berlin}")),
        ("a schedule without a time", trigger("schedule: {on: [monday]}")),
        ("a price drop without its size", trigger("price_drop: {interest: [viewed]}")),
        ("a price drop of nothing", trigger("price_drop: {at_least: 0%}")),
        ("a price drop that is a number", trigger("price_drop: {at_least: 10}")),
        ("an interest that is not known", trigger("back_in_stock: {interest: [liked]}")),
        ("low stock without a number", trigger("low_stock: {interest: [carted]}")),
        ("what lasts shorter than the notice", trigger("run_out: {event: Order Completed, before: 30d, lasts: 7d}")),
        ("a condition that never turns true", trigger("becomes:\n    all: [{moment: buy}, {not: {moment: buy}}]")),
        // Rules of plays.
        ("a cooldown of what happens once", rules("entry: once\ncooldown: 7d")),
        ("a priority that is no number", rules("priority: high")),
        ("a share without its sign", rules("holdout: 10")),
        ("a share above all", rules("rollout: 120%")),
        ("a goal without its window", rules("goal: {event: Order Completed}")),
        ("an unknown way with quiet hours", rules("quiet_hours: wait")),
        ("yes in words", rules("to_control_group: \"yes\"")),
        ("two caps for the same time", rules("caps: [{at_most: 1, per: 24h}, {at_most: 2, per: 1d}]")),
        ("a cap that another one makes needless", rules("caps: [{at_most: 3, per: 24h}, {at_most: 2, per: 7d}]")),
        ("who excludes what has just happened", { let mut files = rules("who: {did_not: {event: Product Viewed, within: 1h}}"); *files.get_mut(PLAY).unwrap() = files[PLAY].replace("identify", "view_item"); files }),
        ("who excludes the segment that was entered", { let mut files = rules("unless: {segment: loyal}"); *files.get_mut(PLAY).unwrap() = files[PLAY].replace("event: identify", "segment: {entered: loyal}"); files }),
        ("a cart that is worth something and empty", rules("who: [{cart: {total_at_least: 50 EUR}}, {cart: empty}]")),
        ("more than so often, but not so often", rules("who: {did: {event: page, at_least: 5, within: 1d}}\nunless: {did: {event: page, at_least: 3, within: 7d}}")),
        ("two moments at once", { let mut files = rules("who: [{moment: buy}, {moment: know}]"); files.insert("moments.yaml".into(), "moments:\n  buy: &m {half_life: 30m, reached_at: 3, evidence: {event: Product Added, weight: 2}}\n  know: *m\n".into()); files }),
        ("hours that never meet", rules("who: {local_time: {from: \"08:00\", until: \"10:00\"}}\nunless: {not: {local_time: {from: \"12:00\", until: \"14:00\"}}}")),
        // Steps.
        ("a step after the end", steps(&format!("  - stop\n  - {SEND}\n"))),
        ("a step after ways that all end", steps(&format!("  - branch: {{if: {{cart: empty}}, then: [{SEND}, stop], else: [stop]}}\n  - {SEND}\n"))),
        ("a play that sends nothing", steps("  - wait: 1d\n")),
        ("a stop with something behind it", steps("  - stop: now\n")),
        ("a step that is only a word", steps("  - wait\n")),
        ("a slip in a step that is a word", steps("  - stopp\n")),
        ("a wait without a unit", steps(&format!("  - wait: 2\n  - {SEND}\n"))),
        ("hours without an end", steps(&format!("  - wait_for: {{from: \"09:00\"}}\n  - {SEND}\n"))),
        ("a wait without a limit", steps(&format!("  - wait_until: {{condition: {{cart: empty}}}}\n  - {SEND}\n"))),
        ("a wait for what never becomes true", steps(&format!("  - wait_until: {{condition: {{any: [{{all: [{{cart: empty}}, {{cart: {{items_at_least: 2}}}}]}}]}}, at_most: 1d}}\n  - {SEND}\n"))),
        ("a branch without a way", steps("  - branch: {if: {cart: empty}}\n")),
        ("a branch that everybody takes", steps(&format!("  - branch: {{if: {{any: [{{cart: not_empty}}, {{not: {{cart: {{items_at_least: 1}}}}}}]}}, then: [{SEND}], else: [stop]}}\n"))),
        ("a branch that `who` has decided", { let mut files = rules("who: {cart: {items_at_least: 2}}"); *files.get_mut(PLAY).unwrap() = files[PLAY].replace("  - send:\n      message: hi\n      channels: [email, sms]\n", &format!("  - branch: {{if: {{cart: not_empty}}, then: [{SEND}], else: [{SEND}]}}\n")); files }),
        ("a branch within a branch that is decided", steps(&format!("  - branch: {{if: {{reachable: email}}, then: [{{branch: {{if: {{reachable: anyhow}}, then: [{SEND}]}}}}]}}\n"))),
        ("an experiment of one variant", steps(&format!("  - split: {{name: x, variants: [{{name: a, steps: [{SEND}]}}]}}\n"))),
        ("a variant twice", steps(&format!("  - split: {{name: x, variants: [{{name: a, steps: [{SEND}]}}, {{name: a, steps: [{SEND}]}}]}}\n"))),
        ("a variant of no weight", steps(&format!("  - split: {{name: x, variants: [{{name: a, weight: 0, steps: [{SEND}]}}, {{name: b, steps: [{SEND}]}}]}}\n"))),
        ("an experiment of holdouts", steps(&format!("  - split: {{name: x, variants: [{{name: a, holdout: true, steps: [{SEND}]}}, {{name: b, holdout: true, steps: [{SEND}]}}]}}\n"))),
        ("two experiments of one name", steps(&format!("  - split: {{name: x, variants: [{{name: a, steps: [{SEND}]}}, {{name: b, steps: [{SEND}]}}]}}\n  - split: {{name: x, variants: [{{name: a, steps: [{SEND}]}}, {{name: c, steps: [{SEND}]}}]}}\n"))),
        ("an experiment with an odd name", steps(&format!("  - split: {{name: Subject Line, variants: [{{name: a, steps: [{SEND}]}}, {{name: b, steps: [{SEND}]}}]}}\n"))),
        ("a play of too many steps", steps(&format!("  - {SEND}\n").repeat(65))),
        ("steps nested without end", steps(&format!("{}{SEND}{}\n", "  - branch: {if: {cart: empty}, then: ".to_owned() + &"{branch: {if: {reachable: sms}, then: ".repeat(16), "}}".repeat(16) + "}"))),
        // Names of other files.
        ("a play that does not exist", rules("unless: {messaged: {play: helo, within: 7d}}")),
        ("a segment in a condition that does not exist", also(PLAY, &small()[PLAY].replace("valid_for", "who: {segment: loyal}\nvalid_for"))),
        ("a readiness that nobody defined", rules("who: {readiness: {at_least: 0.5}}")),
        ("a readiness made of segments", beside(&[("moments.yaml", "readiness:\n  intercept: -3\n  terms:\n    - {if: {segment: loyal}, weight: 1}\n")])),
        ("segments in a circle", beside(&[("segments/a.yaml", "title: A\nwho: {segment: b}\n"), ("segments/b.yaml", "title: B\nwho:\n  - cart: not_empty\n  - not: {segment: c}\n"), ("segments/c.yaml", "title: C\nwho: {segment: a}\n")])),
        ("a segment of itself", beside(&[("segments/a.yaml", "title: A\nwho: [{cart: empty}, {segment: a}]\n")])),
        ("more than can be remembered of a user", beside(&[
            ("segments/a.yaml", "title: A\nwho: {sum: {event: page, property: a, same: context.page.path, at_least: 3, within: 1d}}\n"),
            ("segments/b.yaml", "title: B\nwho: {sum: {event: page, property: b, same: context.page.path, at_least: 3, within: 1d}}\n"),
            ("segments/c.yaml", "title: C\nwho: {sum: {event: page, property: c, same: context.page.path, at_least: 3, within: 1d}}\n"),
            ("segments/d.yaml", "title: D\nwho: {did: {event: page, same: context.page.path, at_least: 50, within: 1d}}\n"),
            ("segments/e.yaml", "title: E\nwho: {distinct: {event: page, property: e, at_least: 50, within: 1d}}\n"),
            ("segments/f.yaml", "title: F\nwho: {sum: {event: screen, property: a, same: context.page.path, at_least: 3, within: 1d}}\n"),
        ])),
        // Promotions.
        ("a promotion that does not exist", promoted("promotion: sprng", SPRING)),
        ("a promotion without its file", { let mut files = promoted("promotion: spring", SPRING); files.remove(PROMOTIONS); files }),
        ("a code that is not given", promoted("", SPRING)),
        ("a code that is not shown everywhere", { let mut files = promoted("promotion: spring", SPRING); *files.get_mut(MESSAGE).unwrap() = files[MESSAGE].replace("sms:\n      text: Hi {{ promo_code.code }}", "sms:\n      text: Hi"); files }),
        ("a code that expires before it arrives", promoted("promotion: spring", "{title: Spring, discount: 10%, expires_after: 1h}")),
        ("a discount without its unit", promoted("promotion: spring", "{title: Spring, discount: 10, expires_after: 2d}")),
        ("a discount of nothing", promoted("promotion: spring", "{title: Spring, discount: 0%, expires_after: 2d}")),
        ("a discount of more than all", promoted("promotion: spring", "{title: Spring, discount: 120%, expires_after: 2d}")),
        ("a discount without its currency", promoted("promotion: spring", "{title: Spring, discount: \"5\", expires_after: 2d}")),
        ("a negative discount", promoted("promotion: spring", "{title: Spring, discount: -5 EUR, expires_after: 2d}")),
        ("a slip in free shipping", promoted("promotion: spring", "{title: Spring, discount: free_shiping, expires_after: 2d}")),
        ("a minimum without its currency", promoted("promotion: spring", "{title: Spring, discount: 10%, minimum_total: 50, expires_after: 2d}")),
        ("two currencies in a promotion", promoted("promotion: spring", "{title: Spring, discount: 5 USD, minimum_total: 50 EUR, expires_after: 2d}")),
        ("a limit in another currency", promoted("promotion: spring", "{title: Spring, discount: 10%, maximum_discount: 20 USD, minimum_total: 50 EUR, expires_after: 2d}")),
        ("a limit of what is limited", promoted("promotion: spring", "{title: Spring, discount: 5 EUR, maximum_discount: 20 EUR, expires_after: 2d}")),
        ("a promotion of no codes", promoted("promotion: spring", "{title: Spring, discount: 10%, at_most: 0, expires_after: 2d}")),
        ("a promotion that never ends", promoted("promotion: spring", "{title: Spring, discount: 10%}")),
        ("a prefix in small letters", promoted("promotion: spring", "{title: Spring, discount: 10%, expires_after: 2d, prefix: spring}")),
        ("a prefix of a pool's codes", promoted("promotion: spring", "{title: Spring, discount: 10%, expires_after: 2d, prefix: SPRING, pool: shop}")),
        ("a pool with an odd name", promoted("promotion: spring", "{title: Spring, discount: 10%, expires_after: 2d, pool: My Pool}")),
        ("a holder who is nobody", promoted("promotion: spring", "{title: Spring, discount: 10%, expires_after: 2d, only_for: users}")),
        ("a slip in a promotion's key", promoted("promotion: spring", "{title: Spring, discout: 10%, expires_after: 2d}")),
        ("a promotion with an odd name", { let mut files = promoted("promotion: spring", SPRING); *files.get_mut(PROMOTIONS).unwrap() = files[PROMOTIONS].replace("  spring:", "  Spring Sale: {title: X, discount: 10%, expires_after: 2d}\n  spring:"); files }),
        // Links.
        ("links without sites", linked("fallback: https://shop.example/\n")),
        ("a site that is a link", linked("hosts: [https://shop.example/cart]\n")),
        ("a site that is everybody's", linked("hosts: [com]\n")),
        ("a domain with a path", linked("hosts: shop.example\ndomain: https://shop.example/go\n")),
        ("a domain without TLS", linked("hosts: shop.example\ndomain: http://go.shop.example\n")),
        ("a fallback without TLS", linked("hosts: shop.example\nfallback: http://shop.example/\n")),
        ("a fallback that is a script", linked("hosts: shop.example\nfallback: \"javascript:alert(1)\"\n")),
        ("a fallback that looks like the shop", linked("hosts: shop.example\nfallback: https://shop.example@evil.example/\n")),
        ("links that expire without a unit", linked("hosts: shop.example\nexpires_after: 90\n")),
        ("opens in words", linked("hosts: shop.example\nopens: \"yes\"\n")),
        ("UTM without a source", linked("hosts: shop.example\nutm: {medium: {sms: text}}\n")),
        ("a medium of no channel", linked("hosts: shop.example\nutm: {source: kairos, medium: {smss: text}}\n")),
        ("a banner parameter with a blank", linked("hosts: shop.example\nbanner_parameter: my banner\n")),
        ("a banner parameter of UTM's", linked("hosts: shop.example\nbanner_parameter: utm_content\n")),
        ("a slip in a key of links", linked("hosts: shop.example\ndestination: {}\n")),
        ("a destination without a page", destination("phone: https://shop.example/m")),
        ("a destination without TLS", destination("desktop: http://shop.example/")),
        ("a destination that is a script", destination("desktop: \"javascript:alert(1)\"")),
        ("the nearest of no places", destination("desktop: https://shop.example/, phone: {nearest: showroom}")),
        ("the nearest of places without a page", { let mut files = destination("desktop: https://shop.example/, phone: {nearest: any}"); files.insert("places.yaml".into(), "places:\n  mitte: {title: Mitte, latitude: 52, longitude: 13, radius: 100}\n".into()); files }),
        ("an app without its store", destination("desktop: https://shop.example/, ios_app: {deep_link: \"shop://rooms\"}")),
        ("an app that is a script", destination("desktop: https://shop.example/, ios_app: {deep_link: \"javascript:alert(1)\", store: https://apps.apple.com/app/id1}")),
        ("a destination with an odd name", linked("hosts: shop.example\ndestinations:\n  Show Room: {desktop: https://shop.example/}\n")),
        ("a destination that does not exist", { let mut files = destination("desktop: https://shop.example/"); *files.get_mut(MESSAGE).unwrap() = files[MESSAGE].replace("user.first_name", "'showrom' | link"); files }),
        ("a destination without links", with(MESSAGE, "user.first_name", "'showroom' | link")),
        ("a destination that is no name", with(MESSAGE, "user.first_name", "user.id | link")),
        ("a destination in an HTML file that does not exist", { let mut files = with(MESSAGE, "subject: Hi", "subject: Hi\n      html_file: hi.liquid"); files.insert("messages/hi.liquid".into(), "<h1>Hi</h1>\n<a href=\"{{ 'showroom' | link }}\">x</a>\n".into()); files }),
        ("a link that is a script", with(MESSAGE, "subject: Hi", "subject: Hi\n      html: \"<a href='javascript:alert(1)'>Hi</a>\"")),
        ("a source with the name of the links' own", with(SOURCES, "web", "links")),
        // The tracking plan.
        ("an event that is not in the plan", planned("event: [view_item, Lesson Completed, Lesson Watchd]")),
        ("a detail that is not in the plan", planned("event: [{name: Product Viewed, where: {prize: 3}}, {name: page, where: {url: /}}]")),
        ("a trait that is not in the plan", planned("becomes: {trait: {name: created_at, known: true}}")),
        ("a trait in an event that is not in the plan", planned("event: {name: identify, where: {plann: gold}}")),
        ("a variable that is not in the plan", { let mut files = planned("event: Lesson Watched"); *files.get_mut(MESSAGE).unwrap() = files[MESSAGE].replace("user.first_name", "event.leson"); files }),
        ("an event twice in the plan", beside(&[(PLAN, "events:\n  Product Added: []\n  add_to_cart: [price]\n")])),
        ("an identify in the plan", beside(&[(PLAN, "events:\n  identify: [plan]\n")])),
        ("a slip in the plan", beside(&[(PLAN, "event:\n  page: [title]\n")])),
        // Messages.
        ("a text that begins with a value", with(MESSAGE, "text: Hi {{", "text: {{ user.id }} {{")),
        ("an unknown variable", with(MESSAGE, "user.first_name", "user.firstname")),
        ("an unknown filter in a subject", with(MESSAGE, "subject: Hi", "subject: \"Hi {{ user.id | upper }}\"")),
        ("two slips in a block", with(MESSAGE, "text: Hi {{ user.first_name }}", "text: |\n        Hi {{ name }},\n        {% if cart %}x{% endfor %}\n")),
        ("HTML in which data could become markup", with(MESSAGE, "subject: Hi", "subject: Hi\n      html: \"<p class={{ user.id }}>Hi</p>\"")),
        ("a missing HTML file", with(MESSAGE, "subject: Hi", "subject: Hi\n      html_file: hi.liquid")),
        ("an HTML file from elsewhere", with(MESSAGE, "subject: Hi", "subject: Hi\n      html_file: ../../secret.liquid")),
        ("a slip in an HTML file", { let mut files = with(MESSAGE, "subject: Hi", "subject: Hi\n      html_file: hi.liquid"); files.insert("messages/hi.liquid".into(), "<h1>Hi</h1>\n<p>{{ usr.id }}</p>\n".into()); files }),
        ("a block that is not there", with(MESSAGE, "text: Hi {{ user.first_name }}", "text: |\n        Hi\n        {% render 'footer' %}")),
        ("a slip in a block", { let mut files = with(MESSAGE, "text: Hi {{ user.first_name }}", "text: \"{% render 'footer' %}\""); files.insert("messages/blocks/footer.liquid".into(), "Bye\n{{ usr.id }} {{ 'showroom' | link }}\n".into()); files }),
        ("a block that includes itself", { let mut files = with(MESSAGE, "text: Hi {{ user.first_name }}", "text: \"{% render 'footer' %}\""); files.insert("messages/blocks/footer.en.liquid".into(), "Bye {% render 'footer' %}\n".into()); files }),
        ("a slip in MJML", with(MESSAGE, "      text: Hi {{ user.first_name }}\n", "      mjml: |\n        <mjml><mj-body><mj-section><mj-column>\n          <mj-text>Hi {{ usr.id }}</mj-text>\n        </mj-column></mj-section></mj-body></mjml>\n")),
        ("an element that MJML does not know", with(MESSAGE, "      text: Hi {{ user.first_name }}\n", "      mjml: |\n        <mjml><mj-body>\n          <mj-row></mj-row>\n        </mj-body></mjml>\n")),
        ("an email of which no text can be made", with(MESSAGE, "      text: Hi {{ user.first_name }}\n", "      html: <img src=\"https://shop.example/x.png\">\n")),
        ("a preheader without HTML", with(MESSAGE, "subject: Hi", "subject: Hi\n      preheader: News")),
        ("a block with a wrong name", { let mut files = small(); files.insert("messages/blocks/Footer.x.liquid".into(), "Bye\n".into()); files }),
        ("HTML twice", { let mut files = with(MESSAGE, "subject: Hi", "subject: Hi\n      html: <p>Hi</p>\n      html_file: hi.liquid"); files.insert("messages/hi.liquid".into(), "Hi".into()); files }),
        ("an email without a text part", with(MESSAGE, "      text: Hi {{ user.first_name }}\n", "")),
        ("no default language", with(MESSAGE, "  en:", "  de:\n    sms: {text: Hallo}\n    email: {subject: Hallo, text: Hallo}\n  en:")),
        ("a default language that is not there", with(MESSAGE, "locales:", "default_locale: fr\nlocales:")),
        ("a language that is none", with(MESSAGE, "  en:", "  english language:")),
        ("one language in two spellings", with(MESSAGE, "  en:", "  en_GB: {sms: {text: x}, email: {subject: x, text: x}}\n  en-gb:")),
    ]
}

fn shown(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_write_instead() {
    let mut all = String::new();
    for (name, files) in cases() {
        let problems = compile(&files).expect_err(name);
        for problem in &problems {
            assert!(problem.help.is_some(), "{name}: {problem}");
            assert!(problem.line == 0 || problem.excerpt.is_some(), "{name}: {problem}");
        }
        writeln!(all, "## {name}\n{}\n", shown(&problems)).unwrap();
    }
    compare("problems.txt", &all);
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let mut files = small();
    for (path, from, to) in [
        (SOURCES, "aaaaaaaaaaaaaaaa", "short"),
        (PLAY, "title: Hello", "titel: Hello"),
        (PLAY, "valid_for: 1h", "valid_for: soon"),
        (PLAY, "message: hi", "message: ho"),
        (MESSAGE, "user.first_name", "user.firstname"),
    ] {
        *files.get_mut(path).unwrap() = files[path].replacen(from, to, 1);
    }
    files.insert("plays/broken.yaml".into(), "title: [".into());
    let found = compile(&files).unwrap_err();
    let places: Vec<_> = found.iter().map(|problem| (problem.file.as_str(), problem.line)).collect();
    assert_eq!(
        places,
        [(MESSAGE, 5), ("plays/broken.yaml", 1), (PLAY, 1), (PLAY, 4), (PLAY, 7), (SOURCES, 3)],
        "{}",
        shown(&found)
    );
}

#[test]
fn a_playbook_is_bounded() {
    let mut files = small();
    for number in 0..PLAYS_MAX {
        files.insert(format!("plays/p{number}.yaml"), files[PLAY].clone());
    }
    assert!(shown(&compile(&files).unwrap_err()).contains("the playbook has 65 plays, more than 64"));
    let large = also(PLAY, &"#".repeat(PLAYBOOK_FILE_BYTES_MAX + 1));
    assert!(shown(&compile(&large).unwrap_err()).contains("the file has 262145 bytes, more than 262144"));
    let mut files = small();
    for number in 0..8 {
        let text = files[MESSAGE].replace("Hi {{ user.first_name }}", &"x".repeat(60_000));
        files.insert(format!("messages/m{number}.yaml"), text);
    }
    let said = shown(&compile(&files).unwrap_err());
    assert!(said.contains("the compiled playbook has 4") && said.contains("more than 389120"), "{said}");
    let mut files = small();
    for number in 0..33 {
        let play =
            files[PLAY].replace("valid_for", &format!("who: {{trait: {{name: t{number}, known: true}}}}\nvalid_for"));
        files.insert(format!("plays/p{number}.yaml"), play);
    }
    assert!(
        shown(&compile(&files).unwrap_err())
            .contains("the playbook asks for more than 32 traits; `t9` is one too many")
    );
}
