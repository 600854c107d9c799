//! The end of the demo: the messages, and the numbers.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::identifiers::UserKey;
use kairos_engine::outcome::{PlayOutcome, Reason};
use kairos_engine::playbook::Playbook;
use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::{DeliveryRecord, Status};

use super::Verdict;
use super::card::{body, seconds, way};
use super::findings::{Findings, time_of_day};
use crate::rees46::Recording;
use crate::sender::Sent;
use crate::terminal::{COLUMNS, Style, line, thousands, wrapped};

/// Messages of a recording that are shown in full.
const SAMPLES: usize = 3;

/// What was sent: the events, and before them for each person who they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Events {
    /// Events of the day, or of the recording.
    pub(super) events: usize,
    /// Calls of `identify` that a replay adds.
    pub(super) introductions: usize,
}

impl Events {
    fn all_accepted(self, sent: &Sent) -> bool {
        sent.accepted == self.events + self.introductions
    }

    fn accepted(self, sent: &Sent) -> String {
        let all = self.events + self.introductions;
        let text = format!("{} of {} accepted", thousands(sent.accepted as u64), thousands(all as u64));
        match self.introductions {
            0 => text,
            more => format!(
                "{text}: {} events and {} identify calls",
                thousands(self.events as u64),
                thousands(more as u64)
            ),
        }
    }
}

/// Every message, play by play.
pub(super) fn messages(findings: &Findings, playbook: &Playbook, began: Timestamp) {
    let style = Style::stdout();
    for play in &playbook.plays {
        let of_play: Vec<_> = findings.deliveries.iter().filter(|delivery| delivery.play == play.name).collect();
        if of_play.is_empty() {
            continue;
        }
        line("");
        line(heading(&format!("{} ({}): {} messages", play.title, play.name, of_play.len()), style));
        for delivery in &of_play {
            card(findings, delivery, live(delivery, began), style);
        }
    }
    line("");
    line(style.dim("Times are in UTC. The day was sent in one go: what was due before could only be decided then."));
}

/// Some of the messages.
pub(super) fn samples(findings: &Findings) {
    let style = Style::stdout();
    line("");
    line(heading(
        &format!("{} of {} messages", SAMPLES.min(findings.deliveries.len()), findings.deliveries.len()),
        style,
    ));
    for delivery in findings.deliveries.iter().take(SAMPLES) {
        card(findings, delivery, false, style);
    }
}

fn heading(text: &str, style: Style) -> String {
    let rule = "─".repeat(COLUMNS.saturating_sub(text.chars().count() + 4));
    format!("{} {} {}", style.dim("──"), style.bold(text), style.dim(rule))
}

fn card(findings: &Findings, delivery: &DeliveryRecord, live: bool, style: Style) {
    line("");
    let mark = if live { style.good("  ◷ just now, by its timer") } else { String::new() };
    line(format!("  {}  {}{mark}", style.bold(findings.name(delivery.user)), way(delivery)));
    body(delivery, style).into_iter().for_each(line);
}

/// Whether the message was due while the demo ran, so that a timer had to bring it.
fn live(delivery: &DeliveryRecord, began: Timestamp) -> bool {
    delivery.due_at > began
}

/// The totals; `Wrong` when something is not as it should be.
pub(super) fn numbers(findings: &Findings, sent: &Sent, events: Events, began: Timestamp) -> Verdict {
    let style = Style::stdout();
    let mut verdict = Verdict::Fine;
    let mut check = |fine: bool, text: String| {
        if fine {
            text
        } else {
            verdict = Verdict::Wrong;
            style.bad(text)
        }
    };
    line("");
    line(heading("In numbers", style));
    row("events", &check(events.all_accepted(sent), events.accepted(sent)));
    for (reason, count) in &sent.refused {
        row("", &format!("{count} × {reason}"));
    }
    let by_status = counted(findings.deliveries.iter().map(|delivery| delivery.status.as_str().to_owned()));
    let all_sent = findings.deliveries.iter().all(|delivery| delivery.status == Status::Sent);
    row("messages", &check(all_sent, if by_status.is_empty() { "none".into() } else { joined(&by_status) }));
    let plays: BTreeSet<&str> = findings.sent().map(|delivery| delivery.play.as_str()).collect();
    for play in plays {
        let of_play = findings.sent().filter(|delivery| delivery.play == play);
        row("", &format!("{play}: {}", joined(&counted(of_play.map(|delivery| format!("by {}", delivery.channel))))));
    }
    lateness(findings, began, &mut check);
    for (index, (count, text)) in reasons(findings).into_iter().enumerate() {
        row(if index == 0 { "no message" } else { "" }, &format!("{count} × {text}"));
    }
    let waiting = waiting(findings);
    if let (Some(first), Some(last)) = (waiting.first(), waiting.last()) {
        let (first, last) = (time_of_day(*first), time_of_day(*last));
        row("still waiting", &format!("{} people, the first until {first}, the last until {last}", waiting.len()));
    }
    let differences = findings.differences();
    let received = format!("{} messages, the same as recorded", findings.received.len());
    let received = if differences.is_empty() { received } else { "not the same as recorded:".to_owned() };
    row("providers", &check(differences.is_empty(), received));
    for difference in &differences {
        row("", difference);
    }
    let dead: Vec<String> = findings
        .dead_letters
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(queue, count)| format!("{count} of {queue}"))
        .collect();
    let none = dead.is_empty();
    row("dead letters", &check(none, if none { "none".into() } else { dead.join(", ") }));
    verdict
}

/// How late the messages came that a timer had to bring.
fn lateness(findings: &Findings, began: Timestamp, check: &mut impl FnMut(bool, String) -> String) {
    let live: Vec<&DeliveryRecord> = findings.sent().filter(|delivery| live(delivery, began)).collect();
    let late = |time: fn(&DeliveryRecord) -> Option<Timestamp>| {
        let mut millis: Vec<i64> =
            live.iter().filter_map(|delivery| Some(time(delivery)?.since(delivery.due_at).as_millis())).collect();
        millis.sort_unstable();
        millis
    };
    let (decided, sent) = (late(|delivery| Some(delivery.decided_at)), late(|delivery| delivery.sent_at));
    if let ([earliest, ..], [.., last_decided], [.., last_sent]) = (&decided[..], &decided[..], &sent[..]) {
        let text = format!(
            "{} messages: decided {} to {} s after they were due, sent after {} s at most",
            live.len(),
            seconds(*earliest),
            seconds(*last_decided),
            seconds(*last_sent)
        );
        row("timers", &check(*earliest >= 0, text));
    }
}

/// Why there was no message, most frequent first.
fn reasons(findings: &Findings) -> Vec<(usize, String)> {
    let records = findings.users.values().flat_map(|stored| &stored.state.outcomes);
    let texts = records.filter_map(|record| match &record.outcome {
        // Each has its own time and event in its text: they are one reason.
        PlayOutcome::Cancelled { by } => {
            let by = by.split(" at ").next().unwrap_or_default();
            Some(format!("{}: cancelled by {by}", record.play))
        }
        PlayOutcome::NotSent { reason: Reason::MomentPassed { .. } } => {
            Some(format!("{}: the moment had passed", record.play))
        }
        PlayOutcome::NotSent { .. } => Some(format!("{}: {}", record.play, record.outcome)),
        PlayOutcome::HeldOut { group, .. } => Some(format!("{}: held out by {group}", record.play)),
        PlayOutcome::Waiting { .. }
        | PlayOutcome::Held { .. }
        | PlayOutcome::Sent { .. }
        | PlayOutcome::Converted { .. }
        | PlayOutcome::Assigned { .. }
        | PlayOutcome::Finished => None,
    });
    let mut reasons: Vec<(usize, String)> = counted(texts).into_iter().map(|(text, count)| (count, text)).collect();
    reasons.sort_by(|one, other| other.cmp(one));
    reasons
}

fn waiting(findings: &Findings) -> Vec<Timestamp> {
    let plays = findings.users.values().flat_map(|stored| stored.state.plays.values());
    let mut until: Vec<Timestamp> = plays.filter_map(|play| Some(play.waiting.as_ref()?.due_at)).collect();
    until.sort_unstable();
    until
}

/// How many of those who had a cart got a message, and whether anybody else did.
pub(super) fn carts(findings: &Findings, recording: &Recording) {
    let reached: BTreeSet<_> = findings.sent().map(|delivery| delivery.user).collect();
    let with_cart: BTreeSet<_> = recording.people_with_cart().map(UserKey::known).collect();
    let text = format!(
        "{} messages to {} of the {} people with a cart, {} to anybody else",
        findings.sent().count(),
        reached.intersection(&with_cart).count(),
        with_cart.len(),
        reached.difference(&with_cart).count()
    );
    row("carts", &text);
}

/// What sending everything again has changed: it must be nothing.
pub(super) fn second_time(before: &Findings, after: &Findings, sent: &Sent, events: Events) -> Verdict {
    let style = Style::stdout();
    let more = after.deliveries.len() as i64 - before.deliveries.len() as i64;
    let received_more = after.received.len() as i64 - before.received.len() as i64;
    let fine =
        more == 0 && received_more == 0 && events.all_accepted(sent) && after.dead_letters == before.dead_letters;
    line("");
    line(heading("The second time", style));
    row("events", &events.accepted(sent));
    let text = format!("{more} more decided, {received_more} more received by the providers");
    row("messages", &if fine { style.good(text) } else { style.bad(text) });
    if fine { Verdict::Fine } else { Verdict::Wrong }
}

/// A line of the totals. What is too long for one goes on below; emphasis counts as text, so it may break early.
fn row(what: &str, value: &str) {
    for (index, value) in wrapped(value, COLUMNS - 16).iter().enumerate() {
        line(format!("  {:13} {value}", if index == 0 { what } else { "" }));
    }
}

fn counted(texts: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    counts
}

fn joined(counts: &BTreeMap<String, usize>) -> String {
    counts.iter().map(|(text, count)| format!("{count} {text}")).collect::<Vec<_>>().join(", ")
}
