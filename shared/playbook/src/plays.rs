//! Reads a play file.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::bounds::{
    CAP_AT_MOST_MAX, CONDITION_DEPTH_MAX, EVENT_NAME_BYTES_MAX, ID_BYTES_MAX, STEPS_PER_PLAY_MAX,
};
use kairos_engine::event_name::EventName;
use kairos_engine::playbook::{
    Cap, CartTest, Channel, ChannelSettings, Condition, Entry, EventPattern, Message, Play, ReachTest, Step, TraitTest,
    TraitValue, Trigger,
};

use crate::diagnostic::{Place, Report};
use crate::fields::{Fields, count, instead, list, only_entry, span, text, word};
use crate::node::{Node, Value};
use crate::possible;

/// What plays may refer to.
pub(crate) struct Known<'a> {
    /// Messages by name; nothing where a message's own file is wrong.
    pub(crate) messages: &'a BTreeMap<String, Option<Message>>,
    /// The channels, or nothing when their file is wrong.
    pub(crate) channels: Option<&'a ChannelSettings>,
}

const CHANNELS: [(&str, Channel); 3] =
    [("email", Channel::Email), ("sms", Channel::Sms), ("webhook", Channel::Webhook)];

/// Reads one file of `plays/`.
pub(crate) fn play(report: &mut Report<'_>, root: &Node, name: &str, known: &Known<'_>) -> Option<Play> {
    const KEYS: [&str; 8] = ["title", "trigger", "who", "unless", "entry", "valid_for", "caps", "steps"];
    let fields = Fields::read(report, root, "a play", &KEYS)?;
    let title = fields.required(report, "a play", "title", "write `title:` and its name for people");
    let title = title.and_then(|node| text(report, node, "`title`"));
    let trigger = fields.required(report, "a play", "trigger", TRIGGER_HELP);
    let trigger = trigger.and_then(|node| read_trigger(report, node));
    // `who` that cannot be read must not become "everybody".
    let who = fields.get("who").map_or(Some(Condition::default()), |node| condition(report, node, 1));
    let unless = fields.get("unless").map(|node| condition(report, node, 1));
    let entry = match fields.get("entry") {
        Some(node) => word(report, node, "`entry`", &[("once", Entry::Once), ("every_time", Entry::EveryTime)]),
        None => Some(Entry::default()),
    };
    let valid_for = fields.required(
        report,
        "a play",
        "valid_for",
        "write how late its message still makes sense, as in `valid_for: 6h`",
    );
    let valid_for = valid_for.and_then(|node| span(report, node, "`valid_for`"));
    let mut caps = Vec::new();
    if let Some(nodes) = fields.get("caps").and_then(|node| list(report, node, "`caps`")) {
        caps.extend(nodes.iter().filter_map(|node| cap(report, node)));
    }
    let steps_node = fields.required(report, "a play", "steps", "write `steps:` and below it `- send:`");
    let steps = steps_node.and_then(|node| read_steps(report, node, known));
    let unless = match unless {
        None => None,
        Some(condition) => Some(condition?),
    };
    let play = Play {
        name: name.to_owned(),
        title: title?.to_owned(),
        trigger: trigger?,
        who: who?,
        unless,
        entry: entry?,
        valid_for: valid_for?,
        caps,
        steps: steps?,
    };
    if let Err(why) = possible::can_send(&play) {
        let at = fields.get("who").or_else(|| fields.get("unless")).map_or(fields.start(), |node| node.at);
        report.problem(at, "this play can never send anything", why);
    }
    Some(play)
}

const TRIGGER_HELP: &str = "write `event: identify`, or `absence:` with `after`, `of` and `for`";

fn read_trigger(report: &mut Report<'_>, node: &Node) -> Option<Trigger> {
    let entry = only_entry(report, node, "a trigger", &["absence", "event"], "write a play for each trigger")?;
    if entry.key == "event" {
        return patterns(report, &entry.node, "`event`").map(|found| Trigger::Event(without_places(found)));
    }
    let fields = Fields::read(report, &entry.node, "`absence`", &["after", "of", "for"])?;
    let after =
        fields.required(report, "`absence`", "after", "name the events that start the wait: `after: [Product Added]`");
    let after = after.and_then(|node| patterns(report, node, "`after`"));
    let of = fields.required(report, "`absence`", "of", "name the events that end it: `of: [Order Completed]`");
    let of = of.and_then(|node| patterns(report, node, "`of`"));
    let wait = fields.required(report, "`absence`", "for", "write how long to wait, as in `for: 30m`");
    let wait = wait.and_then(|node| span(report, node, "`for`"));
    let (after, of) = (after?, of?);
    for (pattern, at) in &of {
        if after.iter().any(|(other, _)| other == pattern) {
            report.problem(*at, format!("`{pattern}` starts the wait and ends it"), "keep it in `after` or in `of`");
            return None;
        }
    }
    Some(Trigger::Absence { after: without_places(after), of: without_places(of), wait: wait? })
}

fn without_places(patterns: Vec<(EventPattern, Place)>) -> Vec<EventPattern> {
    patterns.into_iter().map(|(pattern, _)| pattern).collect()
}

fn patterns(report: &mut Report<'_>, node: &Node, what: &str) -> Option<Vec<(EventPattern, Place)>> {
    let mut found: Vec<(EventPattern, Place)> = Vec::new();
    let mut all_read = true;
    for node in list(report, node, what)? {
        match pattern(report, node) {
            Some(pattern) if found.iter().any(|(known, _)| *known == pattern) => {
                report.problem(
                    node.at,
                    format!("`{pattern}` stands here twice"),
                    "remove one; GA4 and Segment names mean the same",
                );
            }
            Some(pattern) => found.push((pattern, node.at)),
            None => all_read = false,
        }
    }
    all_read.then_some(found)
}

fn pattern(report: &mut Report<'_>, node: &Node) -> Option<EventPattern> {
    if matches!(node.value, Value::Map(_)) {
        let entry = only_entry(report, node, "an event", &["track"], "write one event per line")?;
        return tracked(report, &entry.node).map(EventPattern::Track);
    }
    let name = text(report, node, "an event")?;
    Some(match name.to_ascii_lowercase().as_str() {
        "identify" => EventPattern::Identify,
        "page" => EventPattern::Page,
        "screen" => EventPattern::Screen,
        "group" => EventPattern::Group,
        "alias" => {
            report.problem(node.at, "`alias` joins two users and starts nothing", "use `identify`");
            return None;
        }
        _ => {
            let event = tracked(report, node)?;
            if let EventName::Custom(custom) = &event {
                let given = custom.to_lowercase();
                let near = EventName::STANDARD
                    .iter()
                    .find(|standard| strsim::damerau_levenshtein(&given, &standard.as_str().to_lowercase()) == 1);
                if let Some(standard) = near {
                    report.problem(
                        node.at,
                        format!("`{custom}` is almost `{standard}`, but another event"),
                        format!(
                            "write `{standard}`; if the shop really sends the other one, write `{{track: {custom}}}`"
                        ),
                    );
                    return None;
                }
            }
            EventPattern::Track(event)
        }
    })
}

fn tracked(report: &mut Report<'_>, node: &Node) -> Option<EventName> {
    let name = text(report, node, "an event")?;
    if name.len() > EVENT_NAME_BYTES_MAX {
        report.problem(node.at, "this event's name is too long", format!("write at most {EVENT_NAME_BYTES_MAX} bytes"));
        return None;
    }
    Some(EventName::parse(name))
}

const CONDITIONS: [&str; 6] = ["all", "any", "not", "cart", "reachable", "trait"];

fn condition(report: &mut Report<'_>, node: &Node, depth: usize) -> Option<Condition> {
    if depth > CONDITION_DEPTH_MAX {
        report.problem(
            node.at,
            format!("conditions are nested deeper than {CONDITION_DEPTH_MAX}"),
            "say it more simply",
        );
        return None;
    }
    let join = "join conditions with `all:` or `any:` and a list";
    let entry = only_entry(report, node, "a condition", &CONDITIONS, join)?;
    let node = &entry.node;
    let what = format!("`{}`", entry.key);
    Some(match entry.key.as_str() {
        "all" | "any" => {
            let parts: Vec<_> =
                list(report, node, &what)?.iter().map(|node| condition(report, node, depth + 1)).collect();
            let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
            if entry.key == "all" { Condition::All(parts) } else { Condition::Any(parts) }
        }
        "not" => Condition::Not(Box::new(condition(report, node, depth + 1)?)),
        "cart" => Condition::Cart(word(
            report,
            node,
            &what,
            &[("not_empty", CartTest::NotEmpty), ("empty", CartTest::Empty)],
        )?),
        "reachable" => {
            let words = [
                ("anyhow", ReachTest::Anyhow),
                ("email", ReachTest::By(Channel::Email)),
                ("sms", ReachTest::By(Channel::Sms)),
            ];
            Condition::Reachable(word(report, node, &what, &words)?)
        }
        _ => trait_condition(report, node)?,
    })
}

fn trait_condition(report: &mut Report<'_>, node: &Node) -> Option<Condition> {
    const TESTS: [&str; 3] = ["known", "equals", "older_than"];
    let fields = Fields::read(report, node, "`trait`", &["name", "known", "equals", "older_than"])?;
    let name =
        fields.required(report, "`trait`", "name", "write the trait's name as the shop sends it: `name: createdAt`")?;
    let name = text(report, name, "`name`")?;
    if name.len() > ID_BYTES_MAX {
        report.problem(node.at, "this trait's name is too long", format!("write at most {ID_BYTES_MAX} bytes"));
        return None;
    }
    let given: Vec<_> = TESTS.iter().filter_map(|test| Some((*test, fields.get(test)?))).collect();
    let [(test, value)] = given.as_slice() else {
        report.problem(
            fields.start(),
            format!("a condition on a trait asks one thing, not {}", given.len()),
            "write one of `known: true`, `equals: gold` or `older_than: 1d`",
        );
        return None;
    };
    let is = match (*test, &value.value) {
        ("known", Value::Flag(true)) => TraitTest::Known,
        ("known", Value::Flag(false)) => {
            let known = Condition::Trait { name: name.to_owned(), is: TraitTest::Known };
            return Some(Condition::Not(Box::new(known)));
        }
        ("known", _) => {
            report.problem(value.at, "`known` is `true` or `false`", "write `known: true`");
            return None;
        }
        ("older_than", _) => TraitTest::OlderThan(span(report, value, "`older_than`")?),
        (_, Value::Flag(flag)) => TraitTest::Equal(TraitValue::Flag(*flag)),
        (_, Value::Number(number)) if number.is_finite() => TraitTest::Equal(TraitValue::Number(*number)),
        (_, Value::Text(text)) if text.len() <= ID_BYTES_MAX => TraitTest::Equal(TraitValue::Text(text.clone())),
        _ => {
            report.problem(value.at, "`equals` is a text, a number, `true` or `false`", "write `equals: gold`");
            return None;
        }
    };
    Some(Condition::Trait { name: name.to_owned(), is })
}

fn cap(report: &mut Report<'_>, node: &Node) -> Option<Cap> {
    let fields = Fields::read(report, node, "a cap", &["at_most", "per"])?;
    let at_most = fields.required(report, "a cap", "at_most", "write how many messages: `at_most: 1`");
    let at_most = at_most.and_then(|node| count(report, node, "`at_most`", CAP_AT_MOST_MAX));
    let per = fields.required(report, "a cap", "per", "write in how long: `per: 24h`");
    let per = per.and_then(|node| span(report, node, "`per`"));
    Some(Cap { at_most: at_most?, per: per? })
}

fn read_steps(report: &mut Report<'_>, node: &Node, known: &Known<'_>) -> Option<Vec<Step>> {
    let nodes = list(report, node, "`steps`")?;
    if nodes.len() > STEPS_PER_PLAY_MAX {
        report.problem(
            node.at,
            format!("this play has {} steps", nodes.len()),
            format!("keep it to {STEPS_PER_PLAY_MAX}"),
        );
        return None;
    }
    let steps: Vec<_> = nodes.iter().map(|node| step(report, node, known)).collect();
    steps.into_iter().collect()
}

fn step(report: &mut Report<'_>, node: &Node, known: &Known<'_>) -> Option<Step> {
    let entry = only_entry(report, node, "a step", &["send"], "write each step behind its own `-`")?;
    let fields = Fields::read(report, &entry.node, "`send`", &["message", "channels"])?;
    let message_node = fields.required(report, "`send`", "message", "name a file of messages/: `message: welcome`");
    let message = message_node.and_then(|node| Some((text(report, node, "`message`")?, node.at)));
    let channels =
        fields.required(report, "`send`", "channels", "name them, preferred first: `channels: [email, sms]`");
    let channels = channels.and_then(|node| read_channels(report, node, known));
    let (message, at) = message?;
    match known.messages.get(message) {
        None => {
            let names: Vec<&str> = known.messages.keys().map(String::as_str).collect();
            let help = if names.is_empty() {
                format!("write messages/{message}.yaml")
            } else {
                format!("{}, or write messages/{message}.yaml", instead(message, &names))
            };
            report.problem(at, format!("there is no message `{message}`"), help);
        }
        Some(None) => {}
        Some(Some(found)) => {
            for (channel, at) in channels.iter().flatten() {
                let missing: Vec<&str> = found
                    .locales
                    .iter()
                    .filter(|(_, templates)| !templates.has(*channel))
                    .map(|(locale, _)| locale.as_str())
                    .collect();
                if !missing.is_empty() {
                    report.problem(
                        *at,
                        format!("message `{message}` has no `{channel}` in {}", crate::fields::listed(&missing)),
                        format!("add `{channel}:` to messages/{message}.yaml, or take the channel out here"),
                    );
                }
            }
        }
    }
    Some(Step::Send {
        message: message.to_owned(),
        channels: channels?.into_iter().map(|(channel, _)| channel).collect(),
    })
}

fn read_channels(report: &mut Report<'_>, node: &Node, known: &Known<'_>) -> Option<Vec<(Channel, Place)>> {
    let mut seen = BTreeSet::new();
    let mut channels = Vec::new();
    for node in list(report, node, "`channels`")? {
        let channel = word(report, node, "a channel", &CHANNELS)?;
        if !seen.insert(channel) {
            report.problem(node.at, format!("`{channel}` stands here twice"), "remove one");
        }
        if known.channels.is_some_and(|settings| !settings.has(channel)) {
            report.problem(node.at, format!("`{channel}` is not set up"), format!("add `{channel}:` to channels.yaml"));
        }
        channels.push((channel, node.at));
    }
    Some(channels)
}
