//! Reads `policy.yaml`.

use kairos_engine::bounds::{CAP_AT_MOST_MAX, POLICY_CAPS_MAX};
use kairos_engine::playbook::{Channel, ChannelCap, ChannelSettings, LocalHours, Policy, Share};

use crate::diagnostic::{Place, Report};
use crate::fields::{Fields, count, list, span, word};
use crate::hours::{Week, local_hours, time_zone};
use crate::node::{Node, Value};
use crate::values::percent;

/// Reads `policy.yaml`. `channels` are nothing when their file is wrong.
pub(crate) fn policy(report: &mut Report<'_>, root: &Node, channels: Option<&ChannelSettings>) -> Policy {
    let mut policy = Policy::default();
    if matches!(root.value, Value::Null) {
        return policy;
    }
    let keys = ["time_zone", "caps", "quiet_hours", "control_group"];
    let Some(fields) = Fields::read(report, root, "policy.yaml", &keys) else {
        return policy;
    };
    if let Some(zone) = fields.get("time_zone").and_then(|node| time_zone(report, node, "`time_zone`")) {
        policy.time_zone = zone;
    }
    if let Some(node) = fields.get("caps") {
        policy.caps = caps(report, node, channels);
    }
    if let Some(node) = fields.get("quiet_hours") {
        policy.quiet_hours = quiet_hours(report, node).unwrap_or_default();
    }
    if let Some(node) = fields.get("control_group")
        && let Some(share) = percent(report, node, "`control_group`")
    {
        if share == Share::ALL {
            let help = "write the share that gets no marketing, as in `5%`";
            report.problem(node.at, "with everybody in the control group, nobody gets marketing", help);
        }
        policy.control_group = share;
    }
    policy
}

fn caps(report: &mut Report<'_>, node: &Node, channels: Option<&ChannelSettings>) -> Vec<ChannelCap> {
    let mut caps: Vec<(ChannelCap, Place)> = Vec::new();
    let nodes = list(report, node, "`caps`").unwrap_or_default();
    if nodes.len() > POLICY_CAPS_MAX {
        let help = format!("keep it to {POLICY_CAPS_MAX}; plays can have caps of their own");
        report.problem(node.at, format!("the policy has {} caps", nodes.len()), help);
        return Vec::new();
    }
    for node in nodes {
        let Some(cap) = cap(report, node, channels) else { continue };
        let about = |cap: &ChannelCap| cap.channel.map_or("all channels together", Channel::as_str);
        let twice = |(other, _): &&(ChannelCap, Place)| other.channel == cap.channel && other.per == cap.per;
        if let Some((other, at)) = caps.iter().find(twice) {
            let message = if other.at_most == cap.at_most {
                format!("this cap stands in line {}, too", at.line)
            } else {
                let (per, about) = (cap.per, about(&cap));
                format!(
                    "two caps for the same {per} ({about}): at most {} in line {}, and {} here",
                    other.at_most, at.line, cap.at_most
                )
            };
            report.problem(node.at, message, "keep one of them");
            continue;
        }
        caps.push((cap, node.at));
    }
    for (cap, at) in &caps {
        if let Some((other, other_at)) = caps.iter().find(|(other, _)| other != cap && is_useless(cap, other)) {
            let message = format!(
                "this cap is never reached: line {} allows only {} in {}",
                other_at.line, other.at_most, other.per
            );
            report.problem(*at, message, "remove one of them, or change their numbers");
        }
    }
    caps.into_iter().map(|(cap, _)| cap).collect()
}

/// Whether `cap` is never reached because `other` is reached first.
pub(crate) fn is_useless(cap: &ChannelCap, other: &ChannelCap) -> bool {
    let about_it = other.channel.is_none() || other.channel == cap.channel;
    let windows = cap.per.as_millis().max(1) as u64;
    let windows = windows.div_ceil(other.per.as_millis().max(1) as u64);
    about_it && windows.saturating_mul(u64::from(other.at_most)) <= u64::from(cap.at_most)
}

fn cap(report: &mut Report<'_>, node: &Node, channels: Option<&ChannelSettings>) -> Option<ChannelCap> {
    let fields = Fields::read(report, node, "a cap", &["channel", "at_most", "per"])?;
    let channel = fields.get("channel").map(|node| {
        let channel = word(report, node, "`channel`", &Channel::ALL.map(|channel| (channel.as_str(), channel)))?;
        if channels.is_some_and(|settings| !settings.has(channel)) {
            report.problem(node.at, format!("`{channel}` is not set up"), format!("add `{channel}:` to channels.yaml"));
        }
        Some(channel)
    });
    let at_most = fields.required(report, "a cap", "at_most", "write how many messages: `at_most: 1`");
    let at_most = at_most.and_then(|node| count(report, node, "`at_most`", CAP_AT_MOST_MAX));
    let per = fields.required(report, "a cap", "per", "write in how long: `per: 24h`");
    let per = per.and_then(|node| span(report, node, "`per`"));
    let channel = match channel {
        Some(channel) => Some(channel?),
        None => None,
    };
    Some(ChannelCap { channel, at_most: at_most?, per: per? })
}

fn quiet_hours(report: &mut Report<'_>, node: &Node) -> Option<Vec<LocalHours>> {
    let mut week = Week::new();
    let mut hours = Vec::new();
    for node in list(report, node, "`quiet_hours`")? {
        let read = local_hours(report, node, "`quiet_hours`")?;
        if week.add(read).new == 0 {
            report.problem(node.at, "these hours are quiet already", "remove one of them");
            return None;
        }
        hours.push(read);
    }
    if week.is_whole() {
        report.problem(node.at, "all hours of the week are quiet, so nothing is ever sent", "leave some out");
        return None;
    }
    Some(hours)
}
