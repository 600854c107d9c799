//! Reads a play file.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::bounds::{CAP_AT_MOST_MAX, EVENT_PROPERTIES_MAX, EVENT_PROPERTY_NAME_BYTES_MAX, PRIORITY_MAX};
use kairos_engine::playbook::{Cap, ChannelSettings, Condition, Entry, Goal, InQuietHours, Message, Play, Share};

use crate::conditions::condition;
use crate::diagnostic::{Place, Report};
use crate::events::matches;
use crate::fields::{Fields, count, flag, list, span, text, word};
use crate::node::{Node, Value};
use crate::possible;
use crate::steps::StepReader;
use crate::triggers::{TRIGGER_HELP, trigger};
use crate::values::percent;

/// What plays may refer to.
pub(crate) struct Known<'a> {
    /// Messages by name; nothing where a message's own file is wrong.
    pub(crate) messages: &'a BTreeMap<String, Option<Message>>,
    /// The channels, or nothing when their file is wrong.
    pub(crate) channels: Option<&'a ChannelSettings>,
    /// The variables that the templates of each message show, as paths.
    pub(crate) variables: &'a BTreeMap<String, BTreeSet<String>>,
}

/// A play, and where its parts stand.
pub(crate) struct ReadPlay {
    pub(crate) play: Play,
    pub(crate) places: PlayPlaces,
}

/// Where the parts of a play stand that are compared with other files.
pub(crate) struct PlayPlaces {
    /// Its first key.
    pub(crate) start: Place,
    pub(crate) caps: Vec<Place>,
    pub(crate) goal: Option<Place>,
    pub(crate) quiet_hours: Option<Place>,
    pub(crate) holdout: Option<Place>,
    pub(crate) rollout: Option<Place>,
    /// The messages it sends, each with the place that names it.
    pub(crate) sent: Vec<(String, Place)>,
}

const KEYS: [&str; 15] = [
    "title",
    "trigger",
    "who",
    "unless",
    "entry",
    "cooldown",
    "priority",
    "rollout",
    "holdout",
    "goal",
    "quiet_hours",
    "to_control_group",
    "valid_for",
    "caps",
    "steps",
];

const QUIET_HOURS: [(&str, InQuietHours); 3] =
    [("hold", InQuietHours::Hold), ("skip", InQuietHours::Skip), ("send", InQuietHours::Send)];

/// Reads one file of `plays/`.
pub(crate) fn play(report: &mut Report<'_>, root: &Node, name: &str, known: &Known<'_>) -> Option<ReadPlay> {
    const WHAT: &str = "a play";
    let fields = Fields::read(report, root, WHAT, &KEYS)?;
    let title = fields.required(report, WHAT, "title", "write `title:` and its name for people");
    let title = title.and_then(|node| text(report, node, "`title`"));
    let trigger = fields.required(report, WHAT, "trigger", TRIGGER_HELP).and_then(|node| trigger(report, node));
    // `who` that cannot be read must not become "everybody".
    let who = fields.get("who").map_or(Some(Condition::default()), |node| condition(report, node, 1));
    let unless = optional(&fields, "unless", |node| condition(report, node, 1));
    let entry = word_or_default(report, &fields, "entry", &[("once", Entry::Once), ("every_time", Entry::EveryTime)]);
    let cooldown = optional(&fields, "cooldown", |node| span(report, node, "`cooldown`"));
    let priority = fields.get("priority").map_or(Some(0), |node| priority(report, node));
    let rollout = fields.get("rollout").map_or(Some(Share::ALL), |node| percent(report, node, "`rollout`"));
    let holdout = fields.get("holdout").map_or(Some(Share::none()), |node| percent(report, node, "`holdout`"));
    let goal = optional(&fields, "goal", |node| goal(report, node));
    let quiet_hours = word_or_default(report, &fields, "quiet_hours", &QUIET_HOURS);
    let to_control_group =
        fields.get("to_control_group").map_or(Some(false), |node| flag(report, node, "`to_control_group`"));
    let help = "write how late its message still makes sense, as in `valid_for: 6h`";
    let valid_for = fields.required(report, WHAT, "valid_for", help);
    let valid_for = valid_for.and_then(|node| span(report, node, "`valid_for`"));
    let caps = fields.get("caps").map_or(Some(Vec::new()), |node| caps(report, node));
    let mut reader = StepReader::new(known);
    let steps = fields.required(report, WHAT, "steps", "write `steps:` and below it `- send:`");
    let steps = steps.and_then(|node| reader.steps(report, node, "`steps`"));
    if matches!((entry, cooldown), (Some(Entry::Once), Some(Some(_)))) {
        let at = fields.get("cooldown").map_or(fields.start(), |node| node.at);
        report.problem(at, "a play that is entered once has no cooldown", "remove `cooldown` or `entry: once`");
    }
    let event_properties = event_properties(report, &fields, &reader.sent, known);
    let (caps, cap_places) = caps?.into_iter().unzip();
    let place = |key| fields.get(key).map(|node| node.at);
    let read = ReadPlay {
        play: Play {
            name: name.into(),
            title: title?.to_owned(),
            trigger: trigger?,
            who: who?,
            unless: unless?,
            entry: entry?,
            cooldown: cooldown?,
            goal: goal?,
            priority: priority?,
            rollout: rollout?,
            holdout: holdout?,
            quiet_hours: quiet_hours?,
            to_control_group: to_control_group?,
            valid_for: valid_for?,
            caps,
            event_properties: event_properties?,
            steps: steps?,
        },
        places: PlayPlaces {
            start: fields.start(),
            caps: cap_places,
            goal: place("goal"),
            quiet_hours: place("quiet_hours"),
            holdout: place("holdout"),
            rollout: place("rollout"),
            sent: reader.sent,
        },
    };
    if let Err((key, why)) = possible::can_send(&read.play) {
        let at = place(key).or_else(|| place("unless")).unwrap_or(read.places.start);
        report.problem(at, "this play can never send anything", why);
    }
    for decision in &reader.decisions {
        if let Some(holds) = possible::is_settled_by(&read.play, &decision.way, &decision.condition) {
            let (message, help) = decision.problem(holds);
            report.problem(decision.at, message, help);
        }
    }
    Some(read)
}

/// A part that may be missing, but not be wrong: nothing when it is.
fn optional<T>(fields: &Fields<'_>, key: &str, mut read: impl FnMut(&Node) -> Option<T>) -> Option<Option<T>> {
    match fields.get(key) {
        Some(node) => read(node).map(Some),
        None => Some(None),
    }
}

fn word_or_default<T: Copy + Default>(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    key: &str,
    words: &[(&str, T)],
) -> Option<T> {
    fields.get(key).map_or(Some(T::default()), |node| word(report, node, &format!("`{key}`"), words))
}

fn priority(report: &mut Report<'_>, node: &Node) -> Option<i32> {
    match node.value {
        Value::Number(number) if number.fract() == 0.0 && number.abs() <= f64::from(PRIORITY_MAX) => {
            // Exact: whole and within bounds.
            Some(number as i32)
        }
        _ => {
            report.problem(
                node.at,
                format!("`priority` is not a whole number from -{PRIORITY_MAX} to {PRIORITY_MAX}"),
                "write one, as in `10`; where several plays start at once, the higher goes first",
            );
            None
        }
    }
}

fn goal(report: &mut Report<'_>, node: &Node) -> Option<Goal> {
    let fields = Fields::read(report, node, "`goal`", &["event", "within"])?;
    let of = fields.required(report, "`goal`", "event", "name what has to happen: `event: Order Completed`");
    let of = of.and_then(|node| matches(report, node, "`event`"));
    let within = fields.required(report, "`goal`", "within", "write how long after a message it counts: `within: 3d`");
    let within = within.and_then(|node| span(report, node, "`within`"));
    Some(Goal { of: of?, within: within? })
}

fn caps(report: &mut Report<'_>, node: &Node) -> Option<Vec<(Cap, Place)>> {
    let caps: Vec<_> = list(report, node, "`caps`")?.iter().map(|node| Some((cap(report, node)?, node.at))).collect();
    caps.into_iter().collect()
}

fn cap(report: &mut Report<'_>, node: &Node) -> Option<Cap> {
    let fields = Fields::read(report, node, "a cap", &["at_most", "per"])?;
    let at_most = fields.required(report, "a cap", "at_most", "write how many messages: `at_most: 1`");
    let at_most = at_most.and_then(|node| count(report, node, "`at_most`", CAP_AT_MOST_MAX));
    let per = fields.required(report, "a cap", "per", "write in how long: `per: 24h`");
    let per = per.and_then(|node| span(report, node, "`per`"));
    Some(Cap { at_most: at_most?, per: per? })
}

/// The properties of the event that starts a play which its messages show.
fn event_properties(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    sent: &[(String, Place)],
    known: &Known<'_>,
) -> Option<Vec<String>> {
    let shown = sent.iter().filter_map(|(message, _)| known.variables.get(message)).flatten();
    let names: BTreeSet<&str> = shown.filter_map(|variable| variable.strip_prefix("event.")).collect();
    if names.len() > EVENT_PROPERTIES_MAX {
        let message = format!(
            "the messages of this play show {} properties of its event, more than {EVENT_PROPERTIES_MAX}",
            names.len()
        );
        let at = fields.get("steps").map_or(fields.start(), |node| node.at);
        report.problem(at, message, "show fewer; each is kept for every user on the way through the play");
        return None;
    }
    if let Some(name) = names.iter().find(|name| name.len() > EVENT_PROPERTY_NAME_BYTES_MAX) {
        let at = fields.get("steps").map_or(fields.start(), |node| node.at);
        let message = format!("a message of this play shows `event.{name}`, a name that is too long to be kept");
        report.problem(at, message, format!("show properties of at most {EVENT_PROPERTY_NAME_BYTES_MAX} bytes"));
        return None;
    }
    Some(names.into_iter().map(str::to_owned).collect())
}
