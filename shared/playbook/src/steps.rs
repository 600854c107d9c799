//! Reads the steps of a play.

use std::collections::BTreeSet;

use kairos_engine::bounds::{CONDITION_DEPTH_MAX, STEPS_PER_PLAY_MAX, VARIANT_WEIGHT_MAX, VARIANTS_MAX};
use kairos_engine::playbook::{Channel, ChannelOrder, Condition, Step, Variant};

use crate::conditions::condition;
use crate::diagnostic::{Place, Report};
use crate::fields::{Fields, count, flag, instead, instead_or, is_name, list, listed, only_entry, span, text, word};
use crate::hours::local_hours;
use crate::node::{Node, Value};
use crate::plays::Known;
use crate::possible;
use crate::settings::NAME_HELP;

const STEPS: [&str; 6] = ["send", "wait", "wait_for", "wait_until", "branch", "split"];

/// Reads steps, those within steps too.
pub(crate) struct StepReader<'k> {
    known: &'k Known<'k>,
    /// How many steps were read, all ways counted.
    count: usize,
    /// The experiments so far: their variants by their names.
    splits: Vec<(String, Vec<(String, u32)>)>,
    /// The messages that are sent, with the places that name them.
    pub(crate) sent: Vec<(String, Place)>,
    /// The branches that are decided at the instant at which the play is entered.
    pub(crate) decisions: Vec<Decision>,
    /// What earlier branches have decided on the way to the current step.
    way: Vec<Condition>,
    /// Whether something has happened since the play was entered.
    has_begun: bool,
}

/// A branch that comes before all waits and messages.
pub(crate) struct Decision {
    /// What holds of everybody who comes to it.
    pub(crate) way: Condition,
    pub(crate) condition: Condition,
    pub(crate) at: Place,
    pub(crate) has_else: bool,
}

impl Decision {
    /// What is wrong with a branch whose condition is the same for everybody who comes to it.
    pub(crate) const fn problem(&self, holds: bool) -> (&'static str, &'static str) {
        match (holds, self.has_else) {
            (true, true) => {
                ("everybody who comes here fulfils this: the steps of `else` can never run", "keep those of `then`")
            }
            (true, false) => {
                ("everybody who comes here fulfils this: there is nothing to decide", "keep the steps alone")
            }
            (false, _) => (
                "nobody who comes here fulfils this: the steps of `then` can never run",
                "compare it with the trigger, `who` and `unless`",
            ),
        }
    }
}

impl<'k> StepReader<'k> {
    pub(crate) fn new(known: &'k Known<'k>) -> Self {
        Self {
            known,
            count: 0,
            splits: Vec::new(),
            sent: Vec::new(),
            decisions: Vec::new(),
            way: Vec::new(),
            has_begun: false,
        }
    }

    /// Reads a list of steps.
    pub(crate) fn steps(&mut self, report: &mut Report<'_>, node: &Node, what: &str) -> Option<Vec<Step>> {
        self.steps_at(report, node, what, 1)
    }

    fn steps_at(&mut self, report: &mut Report<'_>, node: &Node, what: &str, depth: usize) -> Option<Vec<Step>> {
        if depth > CONDITION_DEPTH_MAX {
            report.problem(
                node.at,
                format!("steps are nested deeper than {CONDITION_DEPTH_MAX}"),
                "divide the play into several",
            );
            return None;
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut all_read = true;
        let mut is_over = false;
        for node in list(report, node, what)? {
            self.count += 1;
            if self.count == STEPS_PER_PLAY_MAX + 1 {
                report.problem(
                    node.at,
                    format!("this play has more than {STEPS_PER_PLAY_MAX} steps"),
                    "divide it into several plays",
                );
            }
            if self.count > STEPS_PER_PLAY_MAX {
                return None;
            }
            if is_over {
                report.problem(
                    node.at,
                    "this step can never run: the play has ended before it",
                    "remove it, or put it before the `stop`",
                );
                // The steps behind it are for the same reason never run.
                return None;
            }
            match self.step(report, node, depth) {
                Some(step) => {
                    is_over = ends(&step);
                    steps.push(step);
                }
                None => all_read = false,
            }
        }
        all_read.then_some(steps)
    }

    fn step(&mut self, report: &mut Report<'_>, node: &Node, depth: usize) -> Option<Step> {
        if matches!(&node.value, Value::Text(word) if word == "stop") {
            return Some(Step::Stop);
        }
        if let Value::Text(word) = &node.value {
            let help = match word.as_str() {
                known if STEPS.contains(&known) => format!("write `{known}:` and what belongs to it"),
                _ => instead(word, &[&STEPS[..], &["stop"]].concat()),
            };
            report.problem(node.at, format!("a step cannot be `{word}` alone"), help);
            return None;
        }
        if let Value::Map(entries) = &node.value
            && let Some(stop) = entries.iter().find(|entry| entry.key == "stop")
        {
            report.problem(stop.at, "`stop` has nothing behind it", "write `- stop`");
            return None;
        }
        let entry = only_entry(report, node, "a step", &STEPS, "write each step behind its own `-`")?;
        let inner = &entry.node;
        self.has_begun |= !matches!(entry.key.as_str(), "branch" | "split");
        match entry.key.as_str() {
            "send" => self.send(report, inner),
            "wait" => span(report, inner, "`wait`").map(Step::Wait),
            "wait_for" => local_hours(report, inner, "`wait_for`").map(Step::WaitForHours),
            "wait_until" => self.wait_until(report, inner, depth),
            "branch" => self.branch(report, inner, depth),
            _ => self.split(report, inner, depth),
        }
    }

    fn wait_until(&mut self, report: &mut Report<'_>, node: &Node, depth: usize) -> Option<Step> {
        const WHAT: &str = "`wait_until`";
        let fields = Fields::read(report, node, WHAT, &["condition", "at_most", "otherwise"])?;
        let condition = self.condition(report, &fields, WHAT, "condition", |report, at, holds| {
            let (message, help) = if holds {
                ("everybody fulfils this at once: the wait never waits", "remove the step, or change its condition")
            } else {
                ("nobody ever fulfils this: it always waits to its end", "use `wait:`, or change the condition")
            };
            report.problem(at, message, help);
        });
        let at_most = fields.required(report, WHAT, "at_most", "write for how long at most, as in `at_most: 3d`");
        let at_most = at_most.and_then(|node| span(report, node, "`at_most`"));
        let otherwise = self.optional_steps(report, &fields, "otherwise", depth);
        Some(Step::WaitUntil { condition: condition?, at_most: at_most?, otherwise: otherwise? })
    }

    fn branch(&mut self, report: &mut Report<'_>, node: &Node, depth: usize) -> Option<Step> {
        const WHAT: &str = "`branch`";
        let fields = Fields::read(report, node, WHAT, &["if", "then", "else"])?;
        let has_else = fields.get("else").is_some();
        let condition = self.condition(report, &fields, WHAT, "if", |report, at, holds| {
            let (message, help) = match (holds, has_else) {
                (true, true) => ("everybody fulfils this: the steps of `else` can never run", "keep those of `then`"),
                (true, false) => ("everybody fulfils this: there is nothing to decide", "keep the steps alone"),
                (false, _) => ("nobody ever fulfils this: the steps of `then` can never run", "change the condition"),
            };
            report.problem(at, message, help);
        });
        if let (Some(condition), Some(node), false) = (&condition, fields.get("if"), self.has_begun) {
            let way = Condition::All(self.way.clone());
            self.decisions.push(Decision { way, condition: condition.clone(), at: node.at, has_else });
        }
        let had_begun = self.has_begun;
        let so_far = self.way.len();
        self.way.extend(condition.clone());
        let then = fields.required(report, WHAT, "then", "write the steps for those who fulfil it: `then: [ … ]`");
        let then = then.and_then(|node| self.steps_at(report, node, "`then`", depth + 1));
        let has_begun = core::mem::replace(&mut self.has_begun, had_begun);
        self.way.truncate(so_far);
        self.way.extend(condition.iter().map(|condition| Condition::Not(Box::new(condition.clone()))));
        let otherwise = self.optional_steps(report, &fields, "else", depth);
        self.way.truncate(so_far);
        self.has_begun |= has_begun;
        Some(Step::Branch { condition: condition?, then: then?, otherwise: otherwise? })
    }

    /// The condition of a step; tells when it is the same for everybody.
    fn condition(
        &self,
        report: &mut Report<'_>,
        fields: &Fields<'_>,
        what: &str,
        key: &str,
        always: impl Fn(&mut Report<'_>, Place, bool),
    ) -> Option<Condition> {
        let node = fields.required(report, what, key, &format!("write a condition: `{key}: {{cart: not_empty}}`"))?;
        let condition = condition(report, node, 1)?;
        if let Some(holds) = possible::is_always(&condition) {
            always(report, node.at, holds);
            return None;
        }
        Some(condition)
    }

    /// Steps that may be missing.
    fn optional_steps(
        &mut self,
        report: &mut Report<'_>,
        fields: &Fields<'_>,
        key: &str,
        depth: usize,
    ) -> Option<Vec<Step>> {
        match fields.get(key) {
            Some(node) => self.steps_at(report, node, &format!("`{key}`"), depth + 1),
            None => Some(Vec::new()),
        }
    }

    fn split(&mut self, report: &mut Report<'_>, node: &Node, depth: usize) -> Option<Step> {
        const WHAT: &str = "`split`";
        let fields = Fields::read(report, node, WHAT, &["name", "variants"])?;
        let name = fields.required(report, WHAT, "name", "name the experiment: `name: subject_line`");
        let name = name.and_then(|node| Some((own_name(report, node, "an experiment")?, node.at)));
        let nodes =
            fields.required(report, WHAT, "variants", "write at least two: `- {name: plain, weight: 1, steps: [ … ]}`");
        let variants = nodes.and_then(|node| self.variants(report, node, depth));
        let ((name, at), variants) = (name?, variants?);
        let ways: Vec<_> = variants.iter().map(|variant| (variant.name.clone(), variant.weight)).collect();
        match self.splits.iter().find(|(known, _)| *known == name) {
            // The same experiment on two ways of a play draws the same.
            Some((_, known)) if *known == ways => {}
            Some(_) => {
                report.problem(
                    at,
                    format!("two different experiments of this play are called `{name}`"),
                    "give each a name of its own: the name decides who draws what",
                );
                return None;
            }
            None => self.splits.push((name.clone(), ways)),
        }
        Some(Step::Split { name, variants })
    }

    fn variants(&mut self, report: &mut Report<'_>, node: &Node, depth: usize) -> Option<Vec<Variant>> {
        let nodes = list(report, node, "`variants`")?;
        if !(2..=VARIANTS_MAX).contains(&nodes.len()) {
            let message = format!("an experiment has 2 to {VARIANTS_MAX} variants, not {}", nodes.len());
            report.problem(node.at, message, "to send nothing to some, write a variant with `holdout: true`");
            return None;
        }
        let mut names = BTreeSet::new();
        let mut variants = Vec::new();
        for node in nodes {
            let variant = self.variant(report, node, depth);
            if let Some(variant) = &variant
                && !names.insert(variant.name.clone())
            {
                report.problem(node.at, format!("variant `{}` stands here twice", variant.name), "rename one");
                return None;
            }
            variants.push(variant);
        }
        let variants = variants.into_iter().collect::<Option<Vec<_>>>()?;
        if variants.iter().all(|variant| variant.holdout) {
            report.problem(
                node.at,
                "every variant of this experiment is a holdout: nobody gets anything",
                "take `holdout: true` out of one",
            );
            return None;
        }
        Some(variants)
    }

    fn variant(&mut self, report: &mut Report<'_>, node: &Node, depth: usize) -> Option<Variant> {
        const WHAT: &str = "a variant";
        let fields = Fields::read(report, node, WHAT, &["name", "weight", "holdout", "steps"])?;
        let name = fields.required(report, WHAT, "name", "name it for reports: `name: plain`");
        let name = name.and_then(|node| own_name(report, node, WHAT));
        let weight = fields.get("weight").map_or(Some(1), |node| count(report, node, "`weight`", VARIANT_WEIGHT_MAX));
        let holdout = fields.get("holdout").map_or(Some(false), |node| flag(report, node, "`holdout`"));
        let help = "write what those get who draw it; to send nothing to them, add `holdout: true`";
        let steps = fields.required(report, WHAT, "steps", help);
        let steps = steps.and_then(|node| self.steps_at(report, node, "`steps`", depth + 1));
        Some(Variant { name: name?, weight: weight?, holdout: holdout?, steps: steps? })
    }

    fn send(&mut self, report: &mut Report<'_>, node: &Node) -> Option<Step> {
        const WHAT: &str = "`send`";
        let fields = Fields::read(report, node, WHAT, &["message", "channels"])?;
        let message = fields.required(report, WHAT, "message", "name a file of messages/: `message: welcome`");
        let message = message.and_then(|node| Some((text(report, node, "`message`")?, node.at)));
        let channels =
            fields.required(report, WHAT, "channels", "name them, preferred first: `channels: [email, sms]`");
        let channels = channels.and_then(|node| self.channels_in_order(report, node, message.as_ref()));
        let (message, at) = message?;
        let listed = channels.as_ref().map_or(&[][..], |(_, channels)| channels);
        self.message(report, message, at, listed);
        let (order, channels) = channels?;
        let channels = channels.into_iter().map(|(channel, _)| channel).collect();
        Some(Step::Send { message: message.to_owned(), channels, order })
    }

    /// A list, preferred first; or `most_engaged`, of a list or of all channels that the message is written for.
    fn channels_in_order(
        &self,
        report: &mut Report<'_>,
        node: &Node,
        message: Option<&(&str, Place)>,
    ) -> Option<(ChannelOrder, Vec<(Channel, Place)>)> {
        const WHAT: &str = "`most_engaged`";
        let (at, channels) = match &node.value {
            Value::Text(_) => {
                let channels = Channel::ALL.map(|channel| (channel.as_str(), true));
                let words = [&channels[..], &[(ChannelOrder::MOST_ENGAGED, false)]].concat();
                if word(report, node, "a channel", &words)? {
                    return Some((ChannelOrder::Listed, self.channels(report, node)?));
                }
                (node.at, self.channels_of(message?.0, node.at)?)
            }
            Value::Map(_) => {
                let fields = Fields::read(report, node, "`channels`", &[ChannelOrder::MOST_ENGAGED])?;
                let help = "write `channels: {most_engaged: [email, sms]}`";
                let node = fields.required(report, "`channels`", ChannelOrder::MOST_ENGAGED, help)?;
                (node.at, self.channels(report, node)?)
            }
            _ => return Some((ChannelOrder::Listed, self.channels(report, node)?)),
        };
        if channels.len() < 2 {
            report.problem(
                at,
                format!("{WHAT} has no two channels to choose from"),
                "name at least two, or write the message for another channel; of one write `channels: email`",
            );
            return None;
        }
        Some((ChannelOrder::MostEngaged, channels))
    }

    /// The channels that a message is written for in every language, of those that are set up. Nothing when there is no such
    /// message, which is told elsewhere.
    fn channels_of(&self, message: &str, at: Place) -> Option<Vec<(Channel, Place)>> {
        let message = self.known.messages.get(message)?.as_ref()?;
        let is_set_up = |channel: Channel| self.known.channels.is_none_or(|settings| settings.has(channel));
        let is_written = |channel: Channel| message.locales.values().all(|templates| templates.has(channel));
        let channels = Channel::ALL.into_iter().filter(|channel| is_set_up(*channel) && is_written(*channel));
        Some(channels.map(|channel| (channel, at)).collect())
    }

    /// Whether there is such a message, with something to say on these channels.
    fn message(&mut self, report: &mut Report<'_>, message: &str, at: Place, channels: &[(Channel, Place)]) {
        let found = match self.known.messages.get(message) {
            None => {
                let names: Vec<&str> = self.known.messages.keys().map(String::as_str).collect();
                let help = instead_or(message, &names, &format!("write messages/{message}.yaml"));
                report.problem(at, format!("there is no message `{message}`"), help);
                return;
            }
            Some(None) => return,
            Some(Some(found)) => found,
        };
        self.sent.push((message.to_owned(), at));
        for (channel, at) in channels {
            let missing: Vec<&str> = found
                .locales
                .iter()
                .filter(|(_, templates)| !templates.has(*channel))
                .map(|(locale, _)| locale.as_str())
                .collect();
            if !missing.is_empty() {
                report.problem(
                    *at,
                    format!("message `{message}` has no `{channel}` in {}", listed(&missing)),
                    format!("add `{channel}:` to messages/{message}.yaml, or take the channel out here"),
                );
            }
        }
    }

    fn channels(&self, report: &mut Report<'_>, node: &Node) -> Option<Vec<(Channel, Place)>> {
        let mut seen = BTreeSet::new();
        let mut channels = Vec::new();
        for node in list(report, node, "`channels`")? {
            let channel = word(report, node, "a channel", &Channel::ALL.map(|channel| (channel.as_str(), channel)))?;
            if !seen.insert(channel) {
                report.problem(node.at, format!("`{channel}` stands here twice"), "remove one");
            }
            if self.known.channels.is_some_and(|settings| !settings.has(channel)) {
                report.problem(
                    node.at,
                    format!("`{channel}` is not set up"),
                    format!("add `{channel}:` to channels.yaml"),
                );
            }
            channels.push((channel, node.at));
        }
        Some(channels)
    }
}

/// A name that reports and state use.
fn own_name(report: &mut Report<'_>, node: &Node, what: &str) -> Option<String> {
    let name = text(report, node, "`name`")?;
    if !is_name(name) {
        report.problem(node.at, format!("`{name}` cannot be the name of {what}"), NAME_HELP);
        return None;
    }
    Some(name.to_owned())
}

/// Whether nothing comes after a step, whichever way it goes.
fn ends(step: &Step) -> bool {
    let all_end = |steps: &[Step]| steps.last().is_some_and(ends);
    match step {
        Step::Stop => true,
        Step::Branch { then, otherwise, .. } => all_end(then) && all_end(otherwise),
        Step::Split { variants, .. } => variants.iter().all(|variant| all_end(&variant.steps)),
        Step::Send { .. } | Step::Wait(_) | Step::WaitForHours(_) | Step::WaitUntil { .. } => false,
    }
}
