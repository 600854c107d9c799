//! The schema of each kind of file.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use kairos_engine::bounds::{
    CAP_AT_MOST_MAX, LINK_HOSTS_MAX, LOW_STOCK_AT_MOST_MAX, PLACE_RADIUS_M_MAX, PRIORITY_MAX,
    PROMO_CODE_PREFIX_CHARS_MAX, PROMO_CODES_AT_MOST_MAX, VARIANT_WEIGHT_MAX, VARIANTS_MAX,
};
use kairos_engine::playbook::{Channel, ChannelOrder, Interest, Moment, OptIn};

use super::conditions;
use super::conversions::conversions;
use super::parts::{
    Key, LOCALE, NAME, above_zero, any_of, flag, group, name, named, number, one_or_more, only_one, or_nothing, part,
    shared, text, whole, with_at_least, words,
};
use super::sending::{channels, message};

pub(super) fn all() -> BTreeMap<&'static str, Value> {
    [
        ("sources", file("sources.yaml: where events may come from", sources())),
        ("channels", file("channels.yaml: how each channel introduces itself", channels())),
        ("consent", file("consent.yaml: what marketing needs on each channel", consent())),
        ("policy", file("policy.yaml: what holds for all plays", policy())),
        ("moments", file("moments.yaml: evidence of moments, and the readiness to buy", moments())),
        ("places", file("places.yaml: shops, cafés, showrooms", places())),
        ("promotions", file("promotions.yaml: what promo codes are good for", promotions())),
        ("links", file("links.yaml: which links are counted, and where they lead", links())),
        ("conversions", file("conversions.yaml: what counts as success, and the ways that lead there", conversions())),
        ("tracking_plan", file("tracking_plan.yaml: which events and traits the shop sends", tracking_plan())),
        ("segment", file("segments/NAME.yaml: who belongs together", segment())),
        ("play", file("plays/NAME.yaml: what to do when", play())),
        ("message", file("messages/NAME.yaml: what to say, by language and channel", message())),
    ]
    .into()
}

/// A whole schema: what the file is, with the parts that it uses.
fn file(title: &str, mut schema: Value) -> Value {
    let mut defined: Map<String, Value> = shared();
    defined.extend(conditions::parts());
    defined.extend(steps());
    let mut used = BTreeMap::new();
    use_parts(&schema, &defined, &mut used);
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".into(), title.into());
        if !used.is_empty() {
            schema.insert("$defs".into(), json!(used));
        }
    }
    schema
}

/// Collects the parts that a schema refers to, and those that they refer to.
fn use_parts(schema: &Value, defined: &Map<String, Value>, used: &mut BTreeMap<String, Value>) {
    match schema {
        Value::Object(keys) => {
            let name = keys.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
            if let Some((name, part)) = name.and_then(|name| Some((name, defined.get(name)?)))
                && used.insert(name.to_owned(), part.clone()).is_none()
            {
                use_parts(part, defined, used);
            }
            keys.values().for_each(|value| use_parts(value, defined, used));
        }
        Value::Array(values) => values.iter().for_each(|value| use_parts(value, defined, used)),
        _ => {}
    }
}

fn sources() -> Value {
    let key = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{16,128}$" });
    let source =
        group(&["write_key"], vec![("write_key", key, "Public, can only write: 16 or more letters and digits")]);
    group(&["sources"], vec![("sources", named(NAME, source), "Each source by its name")])
}

fn consent() -> Value {
    let words_by_language = || named(LOCALE, text());
    let wording = group(
        &["version", "text"],
        vec![
            ("version", text(), "Kept with each consent: change it with the words"),
            ("text", words_by_language(), "The words, by language"),
        ],
    );
    let rules = group(
        &["opt_in"],
        vec![
            ("opt_in", words(&OptIn::ALL.map(|(name, _)| name)), "What marketing needs on this channel"),
            ("wording", wording, "What people agree to"),
        ],
    );
    let channels = Channel::ALL.map(|channel| (channel.as_str(), rules.clone(), "What holds on this channel"));
    or_nothing(group(
        &[],
        vec![
            ("shop", text(), "The shop's name on the preferences page"),
            ("channels", with_at_least(1, group(&[], channels.into())), "What holds on each channel"),
            ("help", words_by_language(), "The answer to HELP by SMS, by language"),
        ],
    ))
}

fn policy() -> Value {
    let cap = group(
        &["at_most", "per"],
        cap_keys(vec![("channel", channel(), "On this channel; on all together without it")]),
    );
    or_nothing(group(
        &[],
        vec![
            ("time_zone", text(), "Of users whose own is unknown: Europe/Berlin"),
            ("caps", one_or_more(cap), "How often at most, over all plays"),
            ("quiet_hours", one_or_more(part("hours")), "When nobody is to be disturbed, by the user's own time"),
            ("control_group", part("percent"), "The share of all users who get no marketing"),
        ],
    ))
}

fn cap_keys<'a>(mut keys: Vec<Key<'a>>) -> Vec<Key<'a>> {
    keys.extend([
        ("at_most", whole(1, i64::from(CAP_AT_MOST_MAX)), "How many messages"),
        ("per", part("span"), "In how long"),
    ]);
    keys
}

fn channel() -> Value {
    words(&Channel::ALL.map(Channel::as_str))
}

/// A list, preferred first, or by how the user answers.
fn channels_in_order() -> Value {
    let two = json!({ "type": "array", "items": channel(), "minItems": 2 });
    let best = group(
        &[ChannelOrder::MOST_ENGAGED],
        vec![(ChannelOrder::MOST_ENGAGED, two, "That of these which the user answers to most")],
    );
    any_of(vec![one_or_more(channel()), json!({ "const": ChannelOrder::MOST_ENGAGED }), best])
}

fn moments() -> Value {
    let evidence = group(
        &["event", "weight"],
        vec![("event", part("events"), "Which events"), ("weight", above_zero(), "How much each adds")],
    );
    let moment = || {
        group(
            &["half_life", "reached_at", "evidence"],
            vec![
                ("half_life", part("span"), "In which time its strength halves"),
                ("reached_at", above_zero(), "The strength at which it is reached"),
                ("evidence", one_or_more(evidence.clone()), "What speaks for it"),
            ],
        )
    };
    let all = Moment::ALL.map(|(name, _)| (name, moment(), "What is evidence of this moment")).to_vec();
    or_nothing(group(
        &[],
        vec![
            ("moments", group(&[], all), "The moments that the shop tells apart"),
            (
                "readiness",
                group(
                    &["intercept", "terms"],
                    vec![
                        ("intercept", number(), "For a user of whom nothing else holds"),
                        ("terms", one_or_more(conditions::term()), "What raises or lowers it"),
                    ],
                ),
                "How ready to buy somebody is",
            ),
        ],
    ))
}

fn places() -> Value {
    let degrees = |most: i64| json!({ "type": "number", "minimum": -most, "maximum": most });
    let place = group(
        &["title", "latitude", "longitude", "radius"],
        vec![
            ("title", text(), "Its name for people"),
            ("kind", name(), "What it is: cafe, store …"),
            ("latitude", degrees(90), "Degrees north"),
            ("longitude", degrees(180), "Degrees east"),
            ("radius", whole(1, i64::from(PLACE_RADIUS_M_MAX)), "How near counts as there, in metres"),
            ("address", text(), "Its address for people"),
            ("url", json!({ "type": "string", "pattern": "^https?://[^/\\s]\\S*$" }), "Its page"),
            ("time_zone", text(), "Its time zone: Europe/Berlin"),
            ("hours", one_or_more(part("hours")), "When it is open; always without it"),
        ],
    );
    or_nothing(group(&["places"], vec![("places", named(NAME, place), "Each place by its name")]))
}

fn promotions() -> Value {
    let amount = "[0-9]+(\\.[0-9]+)?\\s+[A-Za-z]{3}";
    let discount = format!("^\\s*([0-9]{{1,3}}(\\.[0-9]{{1,2}})?\\s*%|{amount}|free_shipping)\\s*$");
    let money = format!("^\\s*{amount}\\s*$");
    let prefix = format!("^[A-Z0-9]{{1,{PROMO_CODE_PREFIX_CHARS_MAX}}}$");
    let matching = |pattern: String| json!({ "type": "string", "pattern": pattern });
    let promotion = group(
        &["title", "discount", "expires_after"],
        vec![
            ("title", text(), "Its name for people"),
            ("discount", matching(discount), "What the holder of a code gets: 10%, 5 EUR, free_shipping"),
            ("minimum_total", matching(money.clone()), "The least that the order must be worth: 50 EUR"),
            ("maximum_discount", matching(money), "The most that a share may come to: 20 EUR"),
            ("at_most", whole(1, i64::from(PROMO_CODES_AT_MOST_MAX)), "How many codes are given at most"),
            ("expires_after", part("span"), "How long a code is good, from the moment of its message on"),
            ("prefix", matching(prefix), "What its codes begin with: SPRING"),
            ("only_for", words(&["user", "anyone"]), "Who may use a code; anyone without it"),
            ("pool", name(), "Give the shop's own codes of this pool; Kairos makes them without it"),
        ],
    );
    or_nothing(group(&["promotions"], vec![("promotions", named(NAME, promotion), "Each promotion by its name")]))
}

fn links() -> Value {
    let matching = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let page = || matching("^\\s*https://[^/?#@:\\s][^\\s]*$");
    let site = matching("^\\s*([A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+|localhost)\\s*$");
    let sites =
        json!({ "anyOf": [site, { "type": "array", "items": site, "minItems": 1, "maxItems": LINK_HOSTS_MAX }] });
    let short = json!({ "type": "string", "pattern": "\\S", "maxLength": 64 });
    let medium: Vec<_> = Channel::ALL.map(|channel| (channel.as_str(), short.clone(), "Its `utm_medium`")).to_vec();
    let utm = group(
        &["source"],
        vec![
            ("source", short.clone(), "`utm_source`; the campaign is the play, the content the message"),
            ("medium", with_at_least(1, group(&[], medium)), "`utm_medium` by channel; the channel's name without it"),
        ],
    );
    let nearest = group(&["nearest"], vec![("nearest", text(), "Any, or a kind of places.yaml")]);
    let page_or_place = || any_of(vec![page(), nearest.clone()]);
    let app = || {
        group(
            &["deep_link", "store"],
            vec![
                ("deep_link", matching("^\\s*[A-Za-z][A-Za-z0-9+.-]*:\\S*\\s*$"), "What the app opens: shop://rooms"),
                ("store", page(), "The app's page, for who has not got it"),
            ],
        )
    };
    let destination = group(
        &["desktop"],
        vec![
            ("desktop", page(), "The page for computers, and for whatever else is not named"),
            ("tablet", page_or_place(), "The page for tablets"),
            ("phone", page_or_place(), "The page for phones, or that of the nearest place"),
            ("ios_app", app(), "The app, on iOS"),
            ("android_app", app(), "The app, on Android"),
        ],
    );
    group(
        &["hosts"],
        vec![
            ("hosts", sites, "The sites whose links are counted, with their subdomains"),
            (
                "domain",
                matching("^\\s*https://[^/?#@\\s]+/?\\s*$"),
                "What short links begin with: https://go.shop.example",
            ),
            ("fallback", page(), "The page to which links lead that have expired"),
            ("expires_after", part("span"), "How long links lead where they should; 90d without it"),
            ("opens", flag(), "Count opened emails by a picture of one pixel"),
            ("utm", utm, "Add UTM parameters, unless a link has them"),
            ("banner_parameter", matching("^[A-Za-z0-9_-]{1,64}$"), "The query parameter that names the message"),
            ("destinations", named(NAME, destination), "Where {{ 'NAME' | link }} leads, by device"),
        ],
    )
}

fn tracking_plan() -> Value {
    let names = json!({ "anyOf": [{ "type": "null" }, text(), { "type": "array", "items": text() }] });
    group(
        &[],
        vec![
            ("events", named(".", names.clone()), "Each event, and behind it the names of its properties"),
            ("traits", names, "The names of the users' traits"),
        ],
    )
}

fn segment() -> Value {
    group(&["title", "who"], vec![("title", text(), "Its name for people"), ("who", part("condition"), "Who is in it")])
}

fn play() -> Value {
    let goal = group(
        &["event", "within"],
        vec![
            ("event", part("events"), "What has to happen"),
            ("within", part("span"), "How long after a message it is credited to it"),
        ],
    );
    group(
        &["title", "trigger", "valid_for", "steps"],
        vec![
            ("title", text(), "Its name for people"),
            ("trigger", trigger(), "What starts it"),
            ("who", part("condition"), "Who must be true of the user; everybody without it"),
            ("unless", part("condition"), "What must not be true of the user"),
            ("entry", words(&["every_time", "once"]), "Whether a user may pass through it again"),
            ("cooldown", part("span"), "Not again for so long after entering"),
            ("priority", whole(-i64::from(PRIORITY_MAX), i64::from(PRIORITY_MAX)), "Higher goes first; 0 without it"),
            ("rollout", part("percent"), "The share of users who may get it; everybody without it"),
            ("holdout", part("percent"), "The share for whom it is decided and recorded, but not sent"),
            ("goal", goal, "What it wants to reach: ends the play, and credits the message"),
            ("quiet_hours", words(&["hold", "skip", "send"]), "What becomes of a message that is due in quiet hours"),
            ("to_control_group", flag(), "No marketing: the control group gets it, too"),
            ("valid_for", part("span"), "How long after it was due the moment is still worth a message"),
            ("caps", one_or_more(group(&["at_most", "per"], cap_keys(Vec::new()))), "How often at most"),
            ("steps", part("steps"), "What happens then, in order"),
        ],
    )
}

fn trigger() -> Value {
    let change = |what: Value| only_one(vec![("entered", what.clone(), "On coming"), ("left", what, "On going")]);
    let interest =
        || ("interest", one_or_more(words(&Interest::ALL.map(|(name, _)| name))), "How the user showed interest");
    only_one(vec![
        ("event", part("events"), "Something happens"),
        (
            "absence",
            group(
                &["after", "of", "for"],
                vec![
                    ("after", part("events"), "What starts (and restarts) the wait"),
                    ("of", part("events"), "What ends the wait without a message"),
                    ("for", part("span"), "How long to wait"),
                ],
            ),
            "Something happens, and then something else does not",
        ),
        (
            "sequence",
            group(
                &["events", "within"],
                vec![
                    ("events", json!({ "type": "array", "items": part("events"), "minItems": 2 }), "What, in order"),
                    ("within", part("span"), "From the first to the last in less than this"),
                ],
            ),
            "Things happen in this order",
        ),
        ("segment", change(name()), "The user enters or leaves a segment"),
        ("becomes", part("condition"), "Something becomes true of the user"),
        ("moment", part("moment"), "A moment is reached"),
        ("place", change(part("places")), "The user enters or leaves a place"),
        (
            "schedule",
            group(
                &["at"],
                vec![
                    ("at", part("clock"), "The time of day"),
                    ("on", part("weekdays"), "On these weekdays; all of them without it"),
                    ("day_of_month", whole(1, 31), "Only on this day of the month; the last day of shorter ones"),
                    ("time_zone", text(), "The time zone; each user's own without it"),
                ],
            ),
            "It is a certain time",
        ),
        (
            "price_drop",
            group(&["at_least"], vec![("at_least", part("percent"), "By how much"), interest()]),
            "A product costs less",
        ),
        (
            "back_in_stock",
            any_of(vec![json!({ "type": "null" }), group(&[], vec![interest()])]),
            "A product can be had again",
        ),
        (
            "low_stock",
            group(
                &["at_most"],
                vec![("at_most", whole(1, i64::from(LOW_STOCK_AT_MOST_MAX)), "How many are left"), interest()],
            ),
            "A product is nearly sold out",
        ),
        (
            "run_out",
            group(
                &["event", "before"],
                vec![
                    ("event", part("events"), "The purchases"),
                    ("before", part("span"), "How long before the predicted end"),
                    ("lasts", part("span"), "How long a product lasts after a single purchase"),
                ],
            ),
            "A product that the user buys again and again is about to be used up",
        ),
    ])
}

/// The parts of steps, by their names.
fn steps() -> Map<String, Value> {
    let variant = group(
        &["name", "steps"],
        vec![
            ("name", name(), "Its name in reports"),
            (
                "weight",
                whole(1, i64::from(VARIANT_WEIGHT_MAX)),
                "Its part of all, in proportion to the others; 1 without it",
            ),
            ("holdout", flag(), "What its steps send is decided and recorded, but not sent"),
            ("steps", part("steps"), "What happens to those who draw it"),
        ],
    );
    let step = only_one(vec![
        (
            "send",
            group(
                &["message", "channels"],
                vec![
                    ("message", text(), "A file of messages/, without .yaml"),
                    ("channels", channels_in_order(), "The first on which the user can be reached"),
                ],
            ),
            "Send a message",
        ),
        ("wait", part("span"), "Wait for so long"),
        ("wait_for", part("hours"), "Wait for these hours of the user's own time"),
        (
            "wait_until",
            group(
                &["condition", "at_most"],
                vec![
                    ("condition", part("condition"), "Until this is true of the user"),
                    ("at_most", part("span"), "For how long at most"),
                    ("otherwise", part("steps"), "What happens when it did not become true"),
                ],
            ),
            "Wait until something is true",
        ),
        (
            "branch",
            group(
                &["if", "then"],
                vec![
                    ("if", part("condition"), "What decides"),
                    ("then", part("steps"), "What happens when it holds"),
                    ("else", part("steps"), "What happens when it does not"),
                ],
            ),
            "Go one way or the other",
        ),
        (
            "split",
            group(
                &["name", "variants"],
                vec![
                    ("name", name(), "The experiment's name: another one draws anew"),
                    (
                        "variants",
                        json!({ "type": "array", "items": variant, "minItems": 2, "maxItems": VARIANTS_MAX }),
                        "The ways, drawn by chance that stays the same for a user",
                    ),
                ],
            ),
            "Go one of several ways, by chance",
        ),
    ]);
    let one = any_of(vec![words(&["stop"]), step]);
    [("step".to_owned(), one), ("steps".to_owned(), one_or_more(part("step")))].into_iter().collect()
}
