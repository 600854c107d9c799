//! Reads conditions, and says the short forms in the engine's own words.

use kairos_engine::bounds::{
    CART_COUNT_MAX, CONDITION_DEPTH_MAX, CONDITION_PARTS_MAX, ID_BYTES_MAX, MOMENT_STRENGTH_MAX,
};
use kairos_engine::playbook::{
    CartTest, Channel, Condition, ContextFact, LocalHours, Moment, PlaceSelector, ProductField, Property, ReachTest,
    TraitValue, ValueTest, Weekdays,
};

use crate::behaviour;
use crate::diagnostic::{Place, Report, Target};
use crate::fields::{Fields, instead, is_name, list, listed, only_entry, span, text, whole, word};
use crate::hours;
use crate::node::{Node, Value};
use crate::values::{self, Asked, Kind};

/// Every kind of condition, the facts about a visit apart.
const CONDITIONS: [&str; 29] = [
    "all",
    "any",
    "not",
    "cart",
    "reachable",
    "trait",
    "did",
    "did_not",
    "first",
    "last",
    "last_value",
    "sum",
    "distinct",
    "sequence",
    "absence",
    "purchases",
    "last_purchase",
    "first_purchase",
    "spent",
    "average_interval",
    "habit",
    "visits",
    "local_time",
    "inside",
    "moment",
    "readiness",
    "segment",
    "messaged",
    "device",
];

/// A condition. `depth` is 1 for a whole one.
pub(crate) fn condition(report: &mut Report<'_>, node: &Node, depth: usize) -> Option<Condition> {
    const JOIN: &str = "join conditions with `all:` or `any:` and a list";
    if depth > CONDITION_DEPTH_MAX {
        report.problem(
            node.at,
            format!("conditions are nested deeper than {CONDITION_DEPTH_MAX}"),
            "say it more simply",
        );
        return None;
    }
    if !report.counts_condition(node.at) {
        return None;
    }
    if matches!(node.value, Value::List(_)) {
        return parts(report, node, "this list", depth).map(Condition::All);
    }
    let known: Vec<&str> =
        CONDITIONS.into_iter().chain(ContextFact::ALL.iter().skip(1).map(|(name, _)| *name)).collect();
    let entry = only_entry(report, node, "a condition", &known, JOIN)?;
    let node = &entry.node;
    let what = format!("`{}`", entry.key);
    match entry.key.as_str() {
        "all" => parts(report, node, &what, depth).map(Condition::All),
        "any" => parts(report, node, &what, depth).map(Condition::Any),
        "not" => {
            let part = condition(report, node, depth + 1)?;
            Some(Condition::Not(Box::new(part)))
        }
        "cart" => cart(report, node).map(Condition::Cart),
        "reachable" => reachable(report, node),
        "trait" => a_trait(report, node),
        "local_time" => local_time(report, node).map(Condition::LocalTime),
        "inside" => place_selector(report, node, &what).map(Condition::Inside),
        "moment" => moment(report, node),
        "readiness" => readiness(report, node, entry.at),
        "segment" => segment_name(report, node).map(Condition::Segment),
        "messaged" => messaged(report, node),
        key => match ContextFact::ALL.iter().find(|(name, _)| *name == key) {
            Some((_, fact)) => context(report, node, *fact),
            None => behaviour::condition(report, node, key),
        },
    }
}

/// The parts of `all` or `any`.
fn parts(report: &mut Report<'_>, node: &Node, what: &str, depth: usize) -> Option<Vec<Condition>> {
    let mut parts: Vec<Condition> = Vec::new();
    let mut all_read = true;
    let nodes = list(report, node, what)?;
    if nodes.len() > CONDITION_PARTS_MAX {
        let help = format!("keep it to {CONDITION_PARTS_MAX}; several values fit into one `one_of`");
        report.problem(node.at, format!("{what} has {} conditions", nodes.len()), help);
        return None;
    }
    for node in nodes {
        match condition(report, node, depth + 1) {
            Some(part) if parts.contains(&part) => {
                report.problem(node.at, format!("this condition stands twice in {what}"), "remove one");
                all_read = false;
            }
            Some(part) => parts.push(part),
            None => all_read = false,
        }
    }
    all_read.then_some(parts)
}

fn cart(report: &mut Report<'_>, node: &Node) -> Option<CartTest> {
    if !matches!(node.value, Value::Map(_)) {
        return word(report, node, "`cart`", &[("not_empty", CartTest::NotEmpty), ("empty", CartTest::Empty)]);
    }
    let keys = ["items_at_least", "total_at_least", "contains"];
    let entry = only_entry(report, node, "`cart`", &keys, "join conditions on the cart with `all:` and a list")?;
    let node = &entry.node;
    match entry.key.as_str() {
        "items_at_least" => whole(report, node, "`items_at_least`", 1, CART_COUNT_MAX).map(CartTest::ItemsAtLeast),
        "total_at_least" => {
            let (amount, currency) = values::positive_money(report, node, "`total_at_least`")?;
            Some(CartTest::TotalAtLeast { amount, currency })
        }
        _ => {
            let fields = ProductField::ALL.map(|(name, _)| name);
            let join = "ask for one field of a product; for two, write `all:` and two conditions on the cart";
            let entry = only_entry(report, node, "`contains`", &fields, join)?;
            let (_, field) = ProductField::ALL.into_iter().find(|(name, _)| *name == entry.key)?;
            let is = values::test(report, &entry.node, &format!("`{}`", entry.key), &Kind::PRODUCT)?;
            Some(CartTest::Contains { property: Property::Product(field), is })
        }
    }
}

fn reachable(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    if matches!(&node.value, Value::Text(text) if text == "webhook") {
        let help = "leave it out: the webhook is the shop's own and reaches everybody";
        report.problem(node.at, "everybody is reachable by `webhook`", help);
        return None;
    }
    if matches!(&node.value, Value::Text(text) if text == Channel::OnSite.as_str()) {
        let help = "leave it out: whoever is on the site is reached there, and nobody else";
        report.problem(node.at, "nobody has an address on the site", help);
        return None;
    }
    let mut words = vec![("anyhow", ReachTest::Anyhow)];
    words.extend(Channel::PERSONAL.map(|channel| (channel.as_str(), ReachTest::By(channel))));
    word(report, node, "`reachable`", &words).map(Condition::Reachable)
}

/// Conditions that must all hold, without a group around a single one.
pub(crate) fn each(mut parts: Vec<Condition>) -> Condition {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => only,
        (Some(last), false) => {
            parts.push(last);
            Condition::All(parts)
        }
        (None, _) => Condition::default(),
    }
}

fn a_trait(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    const HELP: &str = "write the trait's name as the shop sends it: `name: createdAt`";
    let keys: Vec<&str> = ["name"].into_iter().chain(values::TESTS).collect();
    let fields = Fields::read(report, node, "`trait`", &keys)?;
    let name = fields.required(report, "`trait`", "name", HELP).and_then(|node| {
        let name = text(report, node, "`name`")?;
        if name.len() > ID_BYTES_MAX {
            report.problem(node.at, "this trait's name is too long", format!("write at most {ID_BYTES_MAX} bytes"));
            return None;
        }
        report.refer(node.at, Target::Trait(name.to_owned()));
        Some(name)
    });
    let tests = values::tests_among(report, &fields, "`trait`", &Kind::TRAIT);
    let (name, tests) = (name?, tests?);
    let asks = |is| Condition::Trait { name: name.to_owned(), is };
    Some(each(asked(tests, asks)))
}

/// Tests as conditions; that there is no value is said as a negation.
pub(crate) fn asked(tests: Vec<Asked>, asks: impl Fn(ValueTest) -> Condition) -> Vec<Condition> {
    let one = |test| match test {
        Asked::Is(is, _) => asks(is),
        Asked::Unknown => Condition::Not(Box::new(asks(ValueTest::Known))),
    };
    tests.into_iter().map(one).collect()
}

fn local_time(report: &mut Report<'_>, node: &Node) -> Option<LocalHours> {
    let hours = hours::local_hours(report, node, "`local_time`")?;
    if hours.weekdays == Weekdays::ALL && hours.from == 0 && hours.until == 24 * 60 {
        report.problem(node.at, "`local_time` is the whole week, so it holds always", "leave it out, or narrow it");
        return None;
    }
    Some(hours)
}

/// `any`, `{kind: cafe}` or `{place: NAME}`, as `inside` and triggers write it.
pub(crate) fn place_selector(report: &mut Report<'_>, node: &Node, what: &str) -> Option<PlaceSelector> {
    const HELP: &str = "write `any`, `{kind: cafe}`, or a place of places.yaml: `{place: NAME}`";
    let selector = match &node.value {
        Value::Text(text) if text == "any" => PlaceSelector::Any,
        Value::Map(_) => {
            let entry = only_entry(report, node, what, &["kind", "place"], HELP)?;
            let name = name(report, &entry.node, if entry.key == "kind" { "a kind of places" } else { "a place" })?;
            if entry.key == "kind" { PlaceSelector::Kind(name) } else { PlaceSelector::Named(name) }
        }
        Value::Text(given) => {
            let help = format!("write `{{place: {given}}}` or `{{kind: {given}}}`, or `any`");
            report.problem(node.at, format!("{what} does not say whether `{given}` is a place or a kind"), help);
            return None;
        }
        other => {
            report.problem(node.at, format!("{what} cannot be {}", other.what()), HELP);
            return None;
        }
    };
    report.refer(node.at, Target::Places(selector.clone()));
    Some(selector)
}

/// `moment: buy` or `moment: {is: buy, at_least: 5}`, as conditions and triggers write it.
pub(crate) fn moment(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let read = |report: &mut Report<'_>, node: &Node, what: &str| {
        let moment = word(report, node, what, &Moment::ALL)?;
        report.refer(node.at, Target::Moment(moment));
        Some(moment)
    };
    if !matches!(node.value, Value::Map(_)) {
        let moment = read(report, node, "`moment`")?;
        return Some(Condition::Moment { moment, at_least: None });
    }
    let fields = Fields::read(report, node, "`moment`", &["is", "at_least"])?;
    let moment = fields.required(report, "`moment`", "is", "write which: `is: buy`");
    let moment = moment.and_then(|node| read(report, node, "`is`"));
    let at_least = match fields.get("at_least") {
        Some(node) => Some(values::positive(report, node, "`at_least`", MOMENT_STRENGTH_MAX)?),
        None => None,
    };
    Some(Condition::Moment { moment: moment?, at_least })
}

fn readiness(report: &mut Report<'_>, node: &Node, at: Place) -> Option<Condition> {
    const HELP: &str = "write a number above 0 and below 1: `at_least: 0.7`";
    report.refer(at, Target::Readiness);
    let fields = Fields::read(report, node, "`readiness`", &["at_least"])?;
    let node = fields.required(report, "`readiness`", "at_least", HELP)?;
    let at_least = values::number(report, node, "`at_least`")?;
    if at_least > 0.0 && at_least < 1.0 {
        return Some(Condition::Readiness { at_least });
    }
    report.problem(node.at, format!("readiness lies between 0 and 1, and never at {at_least}"), HELP);
    None
}

/// The name of a segment, as conditions and triggers write it.
pub(crate) fn segment_name(report: &mut Report<'_>, node: &Node) -> Option<String> {
    let name = name(report, node, "a segment")?;
    report.refer(node.at, Target::Segment(name.clone()));
    Some(name)
}

/// The name of something in files.
fn name(report: &mut Report<'_>, node: &Node, what: &str) -> Option<String> {
    let given = text(report, node, what)?;
    if !is_name(given) {
        let help = "write the name that it has in files: lower-case letters, digits and `_`";
        report.problem(node.at, format!("`{given}` cannot be the name of {what}"), help);
        return None;
    }
    Some(given.to_owned())
}

fn messaged(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    let fields = Fields::read(report, node, "`messaged`", &["play", "within"])?;
    let play = fields.get("play").map(|node| {
        let name = name(report, node, "a play")?;
        report.refer(node.at, Target::Play(name.clone()));
        Some(name)
    });
    let within = fields.required(report, "`messaged`", "within", "write in how long: `within: 7d`");
    let within = within.and_then(|node| span(report, node, "`within`"));
    let play = match play {
        Some(play) => Some(play?),
        None => None,
    };
    Some(Condition::Messaged { play, within: within? })
}

fn context(report: &mut Report<'_>, node: &Node, fact: ContextFact) -> Option<Condition> {
    let what = format!("`{}`", fact.as_str());
    let tests = values::tests(report, node, &what, &Kind::FACT)?;
    for test in &tests {
        if let Asked::Is(is, _) = test
            && let Err((message, help)) = check_fact(fact, is)
        {
            report.problem(node.at, message, help);
            return None;
        }
        if let (ContextFact::Source, Asked::Is(is, _)) = (fact, test) {
            sources(report, node.at, is);
        }
    }
    Some(each(asked(tests, |is| Condition::Context { fact, is })))
}

/// Notes the sources that a test names.
fn sources(report: &mut Report<'_>, at: Place, is: &ValueTest) {
    let mut source = |value: &TraitValue| {
        if let TraitValue::Text(name) = value {
            report.refer(at, Target::Source(name.clone()));
        }
    };
    match is {
        ValueTest::Equal(value) => source(value),
        ValueTest::OneOf(values) => values.iter().for_each(source),
        ValueTest::Not(test) => sources(report, at, test),
        _ => {}
    }
}

/// Whether a fact can ever be so; what is wrong and what to write instead, when it cannot.
fn check_fact(fact: ContextFact, is: &ValueTest) -> Result<(), (String, String)> {
    let name = fact.as_str();
    match is {
        ValueTest::Known | ValueTest::Contains(_) | ValueTest::StartsWith(_) | ValueTest::EndsWith(_) => Ok(()),
        ValueTest::Not(test) => check_fact(fact, test),
        ValueTest::Equal(value) => check_value(fact, value),
        ValueTest::OneOf(values) => values.iter().try_for_each(|value| check_value(fact, value)),
        _ => Err((
            format!("`{name}` is a text, not a number or a time"),
            "ask with `equals`, `one_of`, `contains`, `starts_with`, `ends_with` or `known`".into(),
        )),
    }
}

fn check_value(fact: ContextFact, value: &TraitValue) -> Result<(), (String, String)> {
    let name = fact.as_str();
    let TraitValue::Text(text) = value else {
        return Err((format!("`{name}` is a text, not {value}"), "put it into quotes".into()));
    };
    let lower = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let wrong = |help: String| Err((format!("`{name}` is never `{text}`"), help));
    let words: &[&str] = match fact {
        ContextFact::Device => &["phone", "tablet", "desktop", "tv"],
        ContextFact::Platform => &["app", "mobile_site", "site"],
        ContextFact::Os => {
            let known = ["ios", "android", "windows", "macos", "linux"];
            return match crate::fields::closest(text, known) {
                Some(near) if near != text => wrong(format!("did you mean `{near}`?")),
                _ if text.chars().any(char::is_uppercase) => {
                    wrong(format!("write it in lower case; there is {}", listed(&known)))
                }
                _ => Ok(()),
            };
        }
        ContextFact::Language if !((2..=3).contains(&text.len()) && lower(text)) => {
            let short: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
            return wrong(match short.len() {
                2 | 3 => format!("write the language alone, in lower case: `{}`", short.to_lowercase()),
                _ => "write its code of two or three letters, as in `de`".into(),
            });
        }
        ContextFact::Country if !(text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())) => {
            return wrong("write its ISO code of two upper-case letters, as in `DE`".into());
        }
        ContextFact::Referrer if text.contains(['/', ':']) || text.chars().any(char::is_uppercase) => {
            return wrong("write the host alone, in lower case, as in `www.google.com`".into());
        }
        _ => return Ok(()),
    };
    if words.contains(&text.as_str()) { Ok(()) } else { wrong(instead(text, words)) }
}
