//! The report for a terminal, in 100 columns.

use crate::compare::{Change, Difference, Gate, PlayDifference};
use crate::counts::{Counts, reason_title};
use crate::report::{PlayReport, PlaybookReport, RecordingReport, Report, SegmentReport};

/// Width for which the tables are laid out, in columns.
const COLUMNS: usize = 100;
/// Width of names.
const NAME: usize = 28;
/// Shades of the plot of days.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Most days that are drawn one by one.
const DAYS_DRAWN_MAX: usize = 62;

/// How words are emphasised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What to read first.
    Bold,
    /// What to read last.
    Dim,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// News to look at.
    Attention,
}

/// What is shown beyond the totals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Details {
    /// Every day of every play and segment.
    pub days: bool,
}

/// The lines of a report.
pub fn lines(report: &Report, details: Details, paint: &dyn Fn(Tone, &str) -> String) -> Vec<String> {
    let mut lines = Lines { lines: Vec::new(), paint, details };
    lines.recording(&report.recording);
    lines.playbook("Playbook", &report.playbook);
    if let (Some(against), Some(difference)) = (&report.against, &report.difference) {
        lines.difference(&against.version, difference);
    }
    lines.gates(&report.gates);
    lines.lines
}

struct Lines<'a> {
    lines: Vec<String>,
    paint: &'a dyn Fn(Tone, &str) -> String,
    details: Details,
}

impl Lines<'_> {
    fn add(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    fn heading(&mut self, text: &str) {
        self.add("");
        self.lines.push((self.paint)(Tone::Bold, text));
    }

    fn recording(&mut self, recording: &RecordingReport) {
        let mut formats: Vec<String> =
            recording.files.iter().filter_map(|file| Some(file.format?.to_string())).collect();
        formats.dedup();
        let time = |at: Option<kairos_engine::time::Timestamp>| {
            at.map_or_else(String::new, |at| at.to_string().chars().take(16).collect::<String>().replace('T', " "))
        };
        self.lines.push((self.paint)(Tone::Bold, "Recording"));
        self.add(format!(
            "  {} of {}, {} to {} UTC ({}, {})",
            counted(recording.events, "event", "events"),
            counted(recording.people, "person", "people"),
            time(recording.first_at),
            time(recording.last_at),
            counted(recording.files.len() as u64, "file", "files"),
            formats.join(", "),
        ));
        if recording.until != recording.last_at {
            self.add(format!("  the clock ran on until {} UTC", time(recording.until)));
        }
        let repeated = recording.inputs.get("duplicate").copied().unwrap_or(0);
        if repeated > 0 {
            self.add(format!("  {} came again and changed nothing", counted(repeated, "input", "inputs")));
        }
        if recording.late_inputs > 0 {
            self.add(format!(
                "  {} came more than {} s late and were applied late, as live: --window brings them into order",
                counted(recording.late_inputs, "input", "inputs"),
                thousands(recording.window_s.unsigned_abs()),
            ));
        }
        if recording.window_cuts > 0 {
            let times = counted(recording.window_cuts, "time", "times");
            let text = format!("  too many inputs to wait for late ones, {times}: sort the recording by time");
            self.lines.push((self.paint)(Tone::Attention, &text));
        }
        if recording.nobodys_rows > 0 {
            self.add(format!("  {} belong to nobody: passed over", counted(recording.nobodys_rows, "row", "rows")));
        }
        if recording.wrong_rows > 0 {
            let text = format!("  {} not understood:", counted(recording.wrong_rows, "row was", "rows were"));
            self.lines.push((self.paint)(Tone::Attention, &text));
            for problem in &recording.problems {
                wrapped(&problem.to_string(), COLUMNS - 4).iter().for_each(|text| self.add(format!("    {text}")));
            }
            let more = recording.wrong_rows - recording.problems.len() as u64;
            if more > 0 {
                self.add(format!("    … and {} more", thousands(more)));
            }
        }
    }

    fn playbook(&mut self, what: &str, playbook: &PlaybookReport) {
        let title = format!("{what} {}", shortened(&playbook.version, NAME - what.len() - 2));
        self.add("");
        let head = ["considered", "sent", "people", "held", "held out", "not sent", "converted", "value"];
        let head = columns(&title, &head.map(str::to_owned));
        self.lines.push((self.paint)(Tone::Bold, &head));
        let (busy, idle): (Vec<&PlayReport>, Vec<&PlayReport>) =
            playbook.plays.iter().partition(|play| has_something(&play.total));
        for play in busy {
            self.play(play, &playbook.time_zone);
        }
        if playbook.plays.len() != 1 {
            let row = counts_row("all plays", &playbook.total, Some(playbook.people));
            self.lines.push((self.paint)(Tone::Bold, &row));
        }
        let most = counted(playbook.week_max, "message", "messages");
        self.detail("busiest", &[format!("{most} for one person within 7 days")]);
        let idle: Vec<String> = idle.iter().map(|play| play.name.clone()).collect();
        if !idle.is_empty() {
            self.detail("never set off", &idle);
        }
        if !playbook.segments.is_empty() {
            self.add("");
            let head = ["entries", "exits", "at the end"].map(str::to_owned);
            let head = segment_columns("Segments", &head);
            self.lines.push((self.paint)(Tone::Bold, &head));
            playbook.segments.iter().for_each(|segment| self.segment(segment));
        }
    }

    fn play(&mut self, play: &PlayReport, time_zone: &str) {
        let total = &play.total;
        self.add(counts_row(&play.name, total, Some(play.people)));
        let by_channel: Vec<String> =
            total.by_channel.iter().map(|(channel, count)| format!("{channel} {}", thousands(*count))).collect();
        if !by_channel.is_empty() {
            self.detail("sent by", &by_channel);
        }
        let mut reasons: Vec<(&str, u64)> = total.reasons.iter().map(|(reason, count)| (*reason, *count)).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let reasons: Vec<String> =
            reasons.iter().map(|(reason, count)| format!("{} {}", reason_title(reason), thousands(*count))).collect();
        if !reasons.is_empty() {
            self.detail("not sent", &reasons);
        }
        let caps: Vec<String> = play.caps.iter().map(|(cap, count)| format!("{cap}: {}", thousands(*count))).collect();
        if !caps.is_empty() {
            self.detail("caps", &caps);
        }
        if total.cancelled > 0 {
            self.detail("cancelled", &[format!("{} before it was due", counted(total.cancelled, "wait", "waits"))]);
        }
        if total.converted_held_out > 0 {
            let value = thousands_of(total.converted_held_out_value.get());
            self.detail(
                "held out",
                &[format!("{} converted without it, worth {value}", thousands(total.converted_held_out))],
            );
        }
        for (split, variants) in &play.variants {
            let shown: Vec<String> =
                variants.iter().map(|(name, count)| format!("{name} {}", thousands(*count))).collect();
            self.detail(split, &shown);
        }
        if let Some(plot) = plot(play, time_zone) {
            self.detail("by day", &[plot]);
        }
        if self.details.days {
            for day in &play.days {
                let row = counts_row(&format!("    {}", day.day), &day.counts, None);
                self.lines.push((self.paint)(Tone::Dim, &row));
            }
        }
    }

    fn segment(&mut self, segment: &SegmentReport) {
        let numbers = [segment.entries, segment.exits, segment.members].map(thousands);
        self.add(segment_columns(&segment.name, &numbers));
        if self.details.days {
            for day in &segment.days {
                let row = segment_columns(&format!("    {}", day.day), &[day.entries, day.exits].map(thousands));
                self.lines.push((self.paint)(Tone::Dim, &row));
            }
        }
    }

    fn difference(&mut self, version: &str, difference: &Difference) {
        self.add("");
        let title = format!("Against {}", shortened(version, NAME - 9));
        let head = wide_columns(&title, &["messages", "people", "gained", "lost", "converted"].map(str::to_owned));
        self.lines.push((self.paint)(Tone::Bold, &head));
        let is_same = |play: &&PlayDifference| {
            let changed = [play.sends, play.people, play.converted].iter().any(|change| change.more() != 0);
            play.is_in == "both"
                && !changed
                && play.gained + play.lost == 0
                && play.reasons.values().all(|reason| reason.more() == 0)
        };
        let (same, differs): (Vec<&PlayDifference>, Vec<&PlayDifference>) = difference.plays.iter().partition(is_same);
        for play in differs {
            self.play_difference(play);
        }
        let row = wide_columns(
            "all plays",
            &[
                change(difference.sends),
                change(difference.people),
                signed(difference.gained, '+'),
                signed(difference.lost, '-'),
                String::new(),
            ],
        );
        self.lines.push((self.paint)(Tone::Bold, &row));
        let same: Vec<String> = same.iter().map(|play| play.name.clone()).collect();
        if !same.is_empty() {
            self.detail("as before", &same);
        }
        for user in difference.users.iter().flatten() {
            self.add(format!(
                "  {}  {}  {} → {}",
                padded(&user.user, 40),
                padded(&user.play, NAME),
                user.before,
                user.after
            ));
        }
    }

    fn play_difference(&mut self, play: &PlayDifference) {
        let name = match play.is_in {
            "playbook" => format!("{} (new)", play.name),
            "against" => format!("{} (gone)", play.name),
            _ => play.name.clone(),
        };
        self.add(wide_columns(
            &name,
            &[
                change(play.sends),
                change(play.people),
                signed(play.gained, '+'),
                signed(play.lost, '-'),
                plain_change(play.converted),
            ],
        ));
        let differs = play.reasons.iter().filter(|(_, change)| change.more() != 0);
        let reasons: Vec<String> = differs
            .map(|(reason, count)| {
                format!("{} {} → {}", reason_title(reason), thousands(count.before), thousands(count.after))
            })
            .collect();
        if !reasons.is_empty() {
            self.detail("not sent", &reasons);
        }
    }

    fn gates(&mut self, gates: &[Gate]) {
        if gates.is_empty() {
            return;
        }
        self.heading("Gates");
        for gate in gates {
            let (tone, mark) = if gate.holds { (Tone::Good, "holds ") } else { (Tone::Bad, "broken") };
            let mark = (self.paint)(tone, mark);
            self.add(format!("  {mark}  {}: {}", gate.asked, gate.found));
        }
    }

    /// A line below a row, broken between its parts.
    fn detail(&mut self, what: &str, parts: &[String]) {
        let mut label = format!("    {:10}", shortened(what, 20));
        let indent = label.chars().count().max(14);
        let mut text = String::new();
        for (index, part) in parts.iter().enumerate() {
            let more = if index > 0 { " · ".len() } else { 0 };
            if !text.is_empty() && indent + text.chars().count() + more + part.chars().count() > COLUMNS {
                self.lines.push((self.paint)(Tone::Dim, &format!("{label}{text}")));
                label = " ".repeat(indent);
                text.clear();
            }
            if !text.is_empty() {
                text.push_str(" · ");
            } else if !label.ends_with(' ') {
                text.push(' ');
            }
            text.push_str(part);
        }
        self.lines.push((self.paint)(Tone::Dim, &format!("{label}{text}")));
    }
}

/// Whether a play came up at all.
pub(crate) fn has_something(total: &Counts) -> bool {
    total.considered + total.cancelled + total.held + total.converted + total.converted_held_out > 0
}

fn counts_row(name: &str, counts: &Counts, people: Option<u64>) -> String {
    let value = match counts.converted_value.get() {
        0 => String::new(),
        value => thousands_of(value),
    };
    columns(
        name,
        &[
            thousands(counts.considered),
            thousands(counts.sent),
            people.map(thousands).unwrap_or_default(),
            thousands(counts.held),
            thousands(counts.held_out),
            thousands(counts.not_sent),
            thousands(counts.converted),
            value,
        ],
    )
}

/// A name and numbers in columns.
fn columns(name: &str, numbers: &[String]) -> String {
    const WIDTHS: [usize; 8] = [11, 8, 8, 7, 9, 9, 10, 10];
    row(name, numbers, &WIDTHS)
}

fn segment_columns(name: &str, numbers: &[String]) -> String {
    const WIDTHS: [usize; 3] = [11, 11, 12];
    row(name, numbers, &WIDTHS)
}

fn wide_columns(name: &str, texts: &[String]) -> String {
    const WIDTHS: [usize; 5] = [22, 22, 7, 7, 14];
    row(name, texts, &WIDTHS)
}

fn row(name: &str, texts: &[String], widths: &[usize]) -> String {
    let mut row = padded(name, NAME);
    for (text, width) in texts.iter().zip(widths) {
        let width = width - 1;
        row.push_str(&format!(" {text:>width$}"));
    }
    row.trim_end().to_owned()
}

fn padded(text: &str, width: usize) -> String {
    format!("{:width$}", shortened(text, width))
}

fn change(change: Change) -> String {
    match (change.percent(), change.more()) {
        (_, 0) => thousands(change.after),
        (Some(percent), _) => format!("{} → {} ({percent:+.0} %)", thousands(change.before), thousands(change.after)),
        (None, _) => format!("{} → {}", thousands(change.before), thousands(change.after)),
    }
}

fn plain_change(change: Change) -> String {
    match change.more() {
        0 => thousands(change.after),
        _ => format!("{} → {}", thousands(change.before), thousands(change.after)),
    }
}

fn signed(count: u64, sign: char) -> String {
    if count == 0 { String::new() } else { format!("{sign}{}", thousands(count)) }
}

/// Messages by day as a row of bars.
fn plot(play: &PlayReport, time_zone: &str) -> Option<String> {
    let busiest = play.days.iter().max_by_key(|day| (day.counts.sent, std::cmp::Reverse(&day.day)))?;
    let max = busiest.counts.sent;
    let days = filled(play.days.iter().map(|day| (day.day.as_str(), day.counts.sent)));
    if max == 0 || days.len() < 2 || days.len() > DAYS_DRAWN_MAX {
        return None;
    }
    let bar = |count: u64| match count {
        0 => ' ',
        count => BARS[((count * 8).div_ceil(max) - 1) as usize],
    };
    let bars: String = days.iter().map(|(_, count)| bar(*count)).collect();
    let (first, last) = (&days.first()?.0, &days.last()?.0);
    let zone = if time_zone == "UTC" { String::new() } else { format!(" ({time_zone})") };
    Some(format!("{first} {bars} {last}{zone}"))
}

/// Days with nothing between the first and the last one, filled in.
pub(crate) fn filled<'a>(days: impl Iterator<Item = (&'a str, u64)>) -> Vec<(String, u64)> {
    let mut filled: Vec<(String, u64)> = Vec::new();
    let mut next: Option<jiff::civil::Date> = None;
    for (day, count) in days {
        let Ok(date) = day.parse::<jiff::civil::Date>() else { continue };
        while let Some(missing) = next.filter(|missing| *missing < date) {
            filled.push((missing.to_string(), 0));
            next = missing.tomorrow().ok();
        }
        filled.push((day.to_owned(), count));
        next = date.tomorrow().ok();
    }
    filled
}

/// A count with its noun.
pub(crate) fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { several })
}

/// A number with separators, as in `17,434`.
pub fn thousands(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount of millionths in whole units.
pub(crate) fn thousands_of(micros: i64) -> String {
    let units = (micros.unsigned_abs() + 500_000) / 1_000_000;
    format!("{}{}", if micros < 0 { "-" } else { "" }, thousands(units))
}

/// `text`, cut to at most `width` characters with an ellipsis.
pub fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `text` in lines of at most `width` characters, broken between words; a longer word is cut.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word = shortened(word, width);
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(&word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}
