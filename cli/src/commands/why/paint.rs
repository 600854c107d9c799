//! Explanations as lines on a terminal: readable without colour, at most [`COLUMNS`] wide.

use kairos_engine::describe::Time;
use kairos_engine::explain::{Explanation, Group, MomentsExplanation, PlayExplanation, Point, SegmentExplanation};
use kairos_engine::time::Timestamp;

use crate::terminal::{COLUMNS, Style, wrapped};

/// Columns that a mark and its word take.
const MARK: usize = 6;
/// Columns for the name of a fact.
const FACT: usize = 11;
/// Columns for the name of a point.
const WHAT: usize = 15;

/// Whether something holds, in a sign and a word. Green is what lets the play go on.
fn mark(holds: bool, wanted: bool, style: Style) -> String {
    let text = if holds { "✓ yes " } else { "✗ no  " };
    if holds == wanted { style.good(text) } else { style.attention(text) }
}

/// Wrapped text, moved to the right.
fn indented(columns: usize, text: &str, paint: impl Fn(&str) -> String) -> Vec<String> {
    let lines = wrapped(text, COLUMNS.saturating_sub(columns));
    lines.iter().map(|text| format!("{}{}", " ".repeat(columns), paint(text))).collect()
}

/// A line with a mark before it; what does not fit goes below.
fn marked(columns: usize, mark: &str, text: &str) -> Vec<String> {
    let lines = wrapped(text, COLUMNS.saturating_sub(columns + MARK));
    let first = |number: usize| if number == 0 { mark.to_owned() } else { " ".repeat(MARK) };
    lines.iter().enumerate().map(|(number, text)| format!("{}{}{text}", " ".repeat(columns), first(number))).collect()
}

/// A condition with its parts. `wanted` is the answer that lets a play go on.
fn tree(explanation: &Explanation, columns: usize, wanted: bool, at: Timestamp, style: Style) -> Vec<String> {
    let mark = mark(explanation.holds, wanted, style);
    let parts = &explanation.parts;
    let asked = match explanation.group {
        Some(Group::All | Group::Any) => {
            let hold = parts.iter().filter(|part| part.holds).count();
            format!("{} ({hold} of {} hold)", explanation.asked, parts.len())
        }
        _ => explanation.asked.clone(),
    };
    let mut lines = marked(columns, &mark, &asked);
    let below = columns + MARK;
    let dim = |text: &str| style.dim(text);
    if let Some(found) = &explanation.found {
        lines.extend(indented(below, found, dim));
    }
    if let Some(missing) = explanation.missing.as_ref().filter(|_| wanted) {
        lines.extend(indented(below, &format!("missing: {missing}"), str::to_owned));
    }
    if matches!(explanation.group, None | Some(Group::Segment))
        && let Some(text) = lasts(explanation, at)
    {
        lines.extend(indented(below, &text, dim));
    }
    if let Some(since) = explanation.watched_since {
        let text = format!("watched since {}; what happened before is not counted", Time(since));
        lines.extend(indented(below, &text, |text| style.attention(text)));
    }
    for part in parts {
        let wanted = wanted != (explanation.group == Some(Group::Not));
        lines.extend(tree(part, columns + 2, wanted, at, style));
    }
    lines
}

/// What time alone does to it.
fn lasts(explanation: &Explanation, at: Timestamp) -> Option<String> {
    let until = explanation.until?;
    let (time, span) = (Time(until), until.since(at));
    Some(match explanation.holds {
        true => format!("until {time} (in {span}) if nothing happens"),
        false => format!("by time alone from {time} (in {span}) if nothing happens"),
    })
}

fn heading(text: &str, style: Style) -> [String; 2] {
    [String::new(), style.bold(text)]
}

/// A play: the answer first, then everything it rests on.
pub(super) fn play(play: &PlayExplanation, at: Timestamp, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(heading(&format!("{} ({})", play.title, play.play), style));
    lines.extend(indented(2, &play.trigger, str::to_owned));
    let would = format!("If its moment came now: {}", play.would.join("; "));
    let sign = match play.would_send {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "·",
    };
    lines.extend(indented(2, &format!("{sign} {would}"), |text| match play.would_send {
        Some(true) => style.good(text),
        Some(false) => style.attention(text),
        None => text.to_owned(),
    }));
    if let Some(starts_with) = &play.starts_with {
        lines.extend(heading("Starts with a change of", style));
        lines.extend(tree(starts_with, 2, true, at, style));
    }
    match &play.who {
        Some(who) => {
            lines.extend(heading("Who", style));
            lines.extend(tree(who, 2, true, at, style));
        }
        None => lines.extend([String::new(), format!("{}: everybody", style.bold("Who"))]),
    }
    if let Some(unless) = &play.unless {
        let lets = if unless.holds { "holds: it keeps the message back" } else { "does not hold: it is no obstacle" };
        lines.extend([String::new(), format!("{} ({lets})", style.bold("Unless"))]);
        lines.extend(tree(unless, 2, false, at, style));
    }
    lines.extend(heading("Rules and standing", style));
    lines.extend(play.points.iter().flat_map(|one| point(one, style)));
    lines.extend(heading("Steps", style));
    for step in &play.steps {
        let sign = if step.here { "▶ " } else { "  " };
        let holds = match step.holds {
            Some(true) => " (✓ now)",
            Some(false) => " (✗ not now)",
            None => "",
        };
        let words = format!("{}{holds}{}", step.words, if step.here { " (waits here)" } else { "" });
        let columns = 4 + 2 * step.depth;
        let texts = wrapped(&words, COLUMNS.saturating_sub(columns));
        lines.extend(texts.iter().enumerate().map(|(number, text)| {
            let sign = if number == 0 { sign } else { "  " };
            let text = format!("{}{sign}{text}", " ".repeat(columns - 2));
            if step.here { style.bold(text) } else { text }
        }));
    }
    if let Some(waits_for) = &play.waits_for {
        lines.extend(heading("Waits for", style));
        lines.extend(tree(waits_for, 2, true, at, style));
    }
    lines
}

fn point(point: &Point, style: Style) -> Vec<String> {
    let sign = match point.lets {
        Some(true) => style.good("✓"),
        Some(false) => style.attention("✗"),
        None => "·".to_owned(),
    };
    let texts = wrapped(&point.text, COLUMNS - WHAT - 4);
    let first = |number: usize| match number {
        0 => format!("{sign} {:WHAT$}", point.what),
        _ => " ".repeat(WHAT + 2),
    };
    texts.iter().enumerate().map(|(number, text)| format!("  {}{text}", first(number))).collect()
}

/// What is known beside conditions.
pub(super) fn facts(facts: &[(&str, String)]) -> Vec<String> {
    let told = facts.iter().flat_map(|(what, value)| {
        let texts = wrapped(value, COLUMNS - FACT - 3);
        let first = |number: usize| if number == 0 { what } else { "" };
        let lines = texts.iter().enumerate().map(|(number, text)| format!("  {:FACT$} {text}", first(number)));
        lines.collect::<Vec<_>>()
    });
    told.collect()
}

/// A segment, with why.
pub(super) fn segment(segment: &SegmentExplanation, at: Timestamp, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(heading(&format!("{} ({})", segment.title, segment.segment), style));
    lines.push(match segment.since {
        Some(since) => format!("  {}in it since {}", mark(true, true, style), Time(since)),
        None => format!("  {}not in it", mark(false, true, style)),
    });
    if let Some(until) = segment.until {
        let change = if segment.since.is_some() { "may leave" } else { "may enter" };
        lines.push(format!("        {change} by time alone {} (in {})", Time(until), until.since(at)));
    }
    lines.push(String::new());
    lines.extend(tree(&segment.who, 2, true, at, style));
    lines
}

/// The segments a user is in, and the others by name.
pub(super) fn memberships(segments: &[SegmentExplanation], at: Timestamp, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    if segments.is_empty() {
        return lines;
    }
    lines.extend(heading("Segments", style));
    let width = segments.iter().map(|segment| segment.segment.chars().count()).max().unwrap_or_default();
    for segment in segments {
        let Some(since) = segment.since else { continue };
        let until = segment.until.map_or(String::new(), |until| format!(", by time alone until {}", Time(until)));
        let span = at.since(since);
        let text = format!("{:width$}  since {} ({span}){until}", segment.segment, Time(since));
        lines.extend(marked(2, &mark(true, true, style), &text));
    }
    let others: Vec<&str> =
        segments.iter().filter(|segment| segment.since.is_none()).map(|segment| segment.segment.as_str()).collect();
    if !others.is_empty() {
        lines.extend(marked(2, &style.dim("✗ no  "), &others.join(", ")));
    }
    lines.push(style.dim("  --segment NAME tells why, --play NAME tells of a play"));
    lines
}

/// The moment and the readiness to buy, with what they are made of.
pub(super) fn moments(moments: &MomentsExplanation, at: Timestamp, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(heading("Moment", style));
    lines.push(match (moments.current, moments.until) {
        (None, _) => "  none has reached its strength".to_owned(),
        (Some(current), None) => format!("  {}", current.as_str()),
        (Some(current), Some(until)) => {
            format!("  {} until {} (in {}) if nothing happens", current.as_str(), Time(until), until.since(at))
        }
    });
    for one in &moments.moments {
        let reached = one.strength >= one.reached_at;
        let sign = if reached { style.good("✓") } else { style.dim("✗") };
        lines.push(format!("  {sign} {:6} {:6.2} of {}", one.moment.as_str(), one.strength, one.reached_at));
    }
    if let Some(readiness) = &moments.readiness {
        lines.extend(heading("Readiness to buy", style));
        lines.push(format!("  {:.3} = 1 / (1 + exp(-sum)), the sum of", readiness.value));
        lines.push(format!("    {:+7.2}  for everybody", readiness.intercept));
        for term in &readiness.terms {
            let texts = wrapped(&format!("{} ({:.2} × {})", term.term, term.value, term.weight), COLUMNS - 13);
            for (number, text) in texts.iter().enumerate() {
                let adds = if number == 0 { format!("{:+7.2}", term.adds) } else { " ".repeat(7) };
                lines.push(format!("    {adds}  {text}"));
            }
        }
    }
    lines
}
