//! Reads `conversions.yaml`: what the shop counts as success, and the ways that lead there.

use std::collections::BTreeSet;

use kairos_engine::bounds::{FUNNEL_STEPS_MAX, FUNNELS_MAX, MACRO_CONVERSIONS_MAX, MICRO_CONVERSIONS_MAX};
use kairos_engine::money::{Currency, Micros, Money};
use kairos_engine::playbook::{
    Attribution, AttributionModel, ConversionValue, Conversions, EventMatch, Funnel, FunnelSplit, FunnelStep,
    MacroConversion, MessageTouch, MicroConversion, Property,
};
use kairos_engine::time::Span;

use crate::diagnostic::Report;
use crate::events::{self, matches};
use crate::fields::{Fields, entries, instead, is_name, list, span, text, word};
use crate::node::{Entry, Node, Value};
use crate::settings::NAME_HELP;
use crate::values::{caption, money};

const FILE: &str = "conversions.yaml";
const KEYS: [&str; 4] = ["macro", "micro", "funnels", "attribution"];
const MACRO_KEYS: [&str; 4] = ["title", "event", "value", "currency"];
const MICRO_KEYS: [&str; 4] = ["title", "event", "leads_to", "within"];
const FUNNEL_KEYS: [&str; 4] = ["title", "steps", "within", "by"];
const STEP_KEYS: [&str; 2] = ["name", "event"];
const ATTRIBUTION_KEYS: [&str; 4] = ["window", "model", "half_life", "touch"];
/// The models by their names; that of `time_decay` is told by `half_life`.
pub(crate) const MODELS: [&str; 4] = ["last_touch", "linear", "time_decay", "position_based"];
/// The half-life that Google Analytics' time decay model had.
const HALF_LIFE: Span = Span::from_secs(7 * 24 * 60 * 60);

/// Reads `conversions.yaml`.
pub(crate) fn conversions(report: &mut Report<'_>, root: &Node) -> Conversions {
    const MACROS: &str = "write below it a name for each, and below that `title` and `event`: `event: Order Completed`";
    const MICROS: &str = "write below it a name for each, and below that `title`, `event` and `within`";
    const FUNNELS: &str = "write below it a name for each, and below that `title`, `steps` and `within`";
    let mut read = Conversions::default();
    if matches!(root.value, Value::Null) {
        return read;
    }
    let Some(fields) = Fields::read(report, root, FILE, &KEYS) else { return read };
    for entry in named(report, &fields, "macro", MACRO_CONVERSIONS_MAX, MACROS) {
        read.macros.extend(macro_conversion(report, entry));
    }
    let known: Vec<&str> = match fields.get("macro").map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => Vec::new(),
    };
    for entry in named(report, &fields, "micro", MICRO_CONVERSIONS_MAX, MICROS) {
        if known.contains(&entry.key.as_str()) {
            let message = format!("`{}` is a macro-conversion, and a micro-conversion cannot have its name", entry.key);
            report.problem(entry.at, message, "give it another name");
            continue;
        }
        read.micros.extend(micro_conversion(report, entry, &known));
    }
    for entry in named(report, &fields, "funnels", FUNNELS_MAX, FUNNELS) {
        read.funnels.extend(funnel(report, entry));
    }
    if let Some(node) = fields.get("attribution")
        && let Some(attribution) = attribution(report, node)
    {
        read.attribution = attribution;
    }
    read
}

/// What stands below a key by names, in the order of the file.
fn named<'n>(report: &mut Report<'_>, fields: &Fields<'n>, key: &str, max: usize, help: &str) -> Vec<&'n Entry> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let all = entries(report, node, &format!("`{key}`"), help).unwrap_or_default();
    if let Some(first) = all.get(max) {
        report.problem(first.at, format!("there are more than {max} below `{key}`"), "remove those that nobody reads");
        return Vec::new();
    }
    let mut right = Vec::new();
    for entry in all {
        match is_name(&entry.key) {
            true => right.push(entry),
            false => report.problem(entry.at, format!("`{}` cannot be a name in reports", entry.key), NAME_HELP),
        }
    }
    right
}

fn titled(report: &mut Report<'_>, fields: &Fields<'_>, what: &str) -> Option<String> {
    let title = fields.required(report, what, "title", "write `title:` and its name for people")?;
    caption(report, title, "`title`")
}

fn event(report: &mut Report<'_>, fields: &Fields<'_>, what: &str, help: &str) -> Option<Vec<EventMatch>> {
    let node = fields.required(report, what, "event", help)?;
    matches(report, node, "`event`")
}

fn macro_conversion(report: &mut Report<'_>, entry: &Entry) -> Option<MacroConversion> {
    let what = format!("macro-conversion `{}`", entry.key);
    let fields = Fields::read(report, &entry.node, &what, &MACRO_KEYS)?;
    let title = titled(report, &fields, &what);
    let of = event(report, &fields, &what, "name what the shop lives from: `event: Order Completed`");
    let value = match fields.get("value") {
        Some(node) => value(report, node, of.as_deref()),
        None => Some(ConversionValue::OfEvent),
    };
    let currency = match fields.get("currency") {
        Some(node) => currency(report, node).map(Some),
        None => Some(None),
    };
    if let (Some(ConversionValue::Fixed(_)), Some(node)) = (&value, fields.get("currency")) {
        report.problem(node.at, "the amount below `value` says its currency", "remove `currency`");
        return None;
    }
    Some(MacroConversion {
        name: entry.key.as_str().into(),
        title: title?,
        of: of?,
        value: value?,
        currency: currency?,
    })
}

/// An amount with its currency, or the detail of the event in which the amount stands.
fn value(report: &mut Report<'_>, node: &Node, of: Option<&[EventMatch]>) -> Option<ConversionValue> {
    const HELP: &str = "write the event's detail, as in `value: total`, or an amount: `value: 5 EUR`";
    let Value::Text(given) = &node.value else {
        report.problem(node.at, format!("`value` is a detail or an amount, not {}", node.value.what()), HELP);
        return None;
    };
    if given.trim_start().starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        let (amount, currency) = money(report, node, "`value`")?;
        let amount = Micros::from_json(&amount.into()).filter(|amount| amount.get() > 0);
        let (Some(amount), Some(currency)) = (amount, currency) else {
            report.problem(node.at, "`value` is not an amount above 0 with its currency", HELP);
            return None;
        };
        return Some(ConversionValue::Fixed(Money { amount, currency }));
    }
    match events::property(report, node, "`value`", of)? {
        Property::Product(_) => {
            let help = "write a detail of the event itself, as in `total`";
            report.problem(node.at, "an event has many products: none of their details is what it is worth", help);
            None
        }
        property => Some(ConversionValue::Property(property)),
    }
}

fn currency(report: &mut Report<'_>, node: &Node) -> Option<Currency> {
    let given = text(report, node, "`currency`")?;
    let currency = Currency::parse(given);
    if currency.is_none() {
        report.problem(node.at, format!("`{given}` is no currency"), "write its three letters, as in `EUR`");
    }
    currency
}

fn micro_conversion(report: &mut Report<'_>, entry: &Entry, known: &[&str]) -> Option<MicroConversion> {
    let what = format!("micro-conversion `{}`", entry.key);
    let fields = Fields::read(report, &entry.node, &what, &MICRO_KEYS)?;
    let title = titled(report, &fields, &what);
    let of = event(report, &fields, &what, "name the small step: `event: Product Viewed`");
    let within = fields.required(report, &what, "within", "write in how long it should lead there: `within: 7d`");
    let within = within.and_then(|node| span(report, node, "`within`"));
    let leads_to = match (fields.get("leads_to"), known) {
        (Some(node), _) => {
            let given = text(report, node, "`leads_to`")?;
            if !known.contains(&given) {
                let help = match known.is_empty() {
                    true => format!("write `{given}:` with `title` and `event` below `macro:`"),
                    false => instead(given, known),
                };
                report.problem(node.at, format!("there is no macro-conversion `{given}`"), help);
                return None;
            }
            given
        }
        (None, [only]) => *only,
        (None, []) => {
            let help = "write `macro:`, below it a name, and below that `title` and `event: Order Completed`";
            report.problem(entry.at, format!("there is no macro-conversion that `{}` could lead to", entry.key), help);
            return None;
        }
        (None, _) => {
            let help = format!("write `leads_to: {}`, or another one", known[0]);
            report.problem(entry.at, format!("it is not said which macro-conversion `{}` leads to", entry.key), help);
            return None;
        }
    };
    let (name, leads_to) = (entry.key.as_str().into(), leads_to.into());
    Some(MicroConversion { name, title: title?, of: of?, leads_to, within: within? })
}

fn funnel(report: &mut Report<'_>, entry: &Entry) -> Option<Funnel> {
    let what = format!("funnel `{}`", entry.key);
    let fields = Fields::read(report, &entry.node, &what, &FUNNEL_KEYS)?;
    let title = titled(report, &fields, &what);
    let steps =
        fields.required(report, &what, "steps", "write them in order: `- {name: viewed, event: Product Viewed}`");
    let steps = steps.and_then(|node| steps_of(report, node));
    let within =
        fields.required(report, &what, "within", "write the time from the first step to the last: `within: 7d`");
    let within = within.and_then(|node| span(report, node, "`within`"));
    let splits = match fields.get("by") {
        Some(node) => splits(report, node),
        None => Some(Vec::new()),
    };
    Some(Funnel { name: entry.key.as_str().into(), title: title?, steps: steps?, within: within?, splits: splits? })
}

fn steps_of(report: &mut Report<'_>, node: &Node) -> Option<Vec<FunnelStep>> {
    let nodes = list(report, node, "`steps`")?;
    if !(2..=FUNNEL_STEPS_MAX).contains(&nodes.len()) {
        let message = format!("a funnel has 2 to {FUNNEL_STEPS_MAX} steps, not {}", nodes.len());
        report.problem(node.at, message, "leave out what everybody does");
        return None;
    }
    let mut names = BTreeSet::new();
    let mut steps = Vec::new();
    for node in nodes {
        let Some(fields) = Fields::read(report, node, "a step of a funnel", &STEP_KEYS) else { continue };
        let name = fields.required(report, "a step of a funnel", "name", "write `name:` and its name in reports");
        let name = name.and_then(|node| {
            let given = text(report, node, "`name`")?;
            if !is_name(given) {
                report.problem(node.at, format!("`{given}` cannot be a name in reports"), NAME_HELP);
                return None;
            }
            if !names.insert(given.to_owned()) {
                report.problem(node.at, format!("two steps are called `{given}`"), "give each a name of its own");
                return None;
            }
            Some(given)
        });
        let of = event(report, &fields, "a step of a funnel", "name what is done: `event: Product Viewed`");
        if let (Some(name), Some(of)) = (name, of) {
            steps.push(FunnelStep { name: name.into(), of });
        }
    }
    (steps.len() == nodes.len()).then_some(steps)
}

fn splits(report: &mut Report<'_>, node: &Node) -> Option<Vec<FunnelSplit>> {
    let mut splits = Vec::new();
    let nodes = list(report, node, "`by`")?;
    for node in nodes {
        match word(report, node, "`by`", &FunnelSplit::ALL) {
            Some(split) if splits.contains(&split) => {
                report.problem(node.at, format!("`{}` stands here twice", split.as_str()), "remove one");
            }
            Some(split) => splits.push(split),
            None => {}
        }
    }
    (splits.len() == nodes.len()).then_some(splits)
}

fn attribution(report: &mut Report<'_>, node: &Node) -> Option<Attribution> {
    let fields = Fields::read(report, node, "`attribution`", &ATTRIBUTION_KEYS)?;
    let default = Attribution::default();
    let window = match fields.get("window") {
        Some(node) => span(report, node, "`window`"),
        None => Some(default.window),
    };
    let half_life = match fields.get("half_life") {
        Some(node) => span(report, node, "`half_life`").map(Some),
        None => Some(None),
    };
    let model = match fields.get("model") {
        Some(node) => word(report, node, "`model`", &MODELS.map(|name| (name, name))),
        None => Some(default.model.as_str()),
    };
    let touch = match fields.get("touch") {
        Some(node) => word(report, node, "`touch`", &MessageTouch::ALL),
        None => Some(default.touch),
    };
    let (half_life, model) = (half_life?, model?);
    let model = match model {
        "last_touch" => AttributionModel::LastTouch,
        "time_decay" => AttributionModel::TimeDecay { half_life: half_life.unwrap_or(HALF_LIFE) },
        "position_based" => AttributionModel::PositionBased,
        _ => AttributionModel::Linear,
    };
    if let Some(node) = fields.get("half_life").filter(|_| !matches!(model, AttributionModel::TimeDecay { .. })) {
        let message = format!("`half_life` is for `time_decay`, and the model is `{}`", model.as_str());
        report.problem(node.at, message, "remove it, or write `model: time_decay`");
        return None;
    }
    Some(Attribution { window: window?, model, touch: touch? })
}
