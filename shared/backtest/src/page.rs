//! The report as a page: one file that needs nothing else, for light and dark screens of any size.

mod plots;

use std::collections::BTreeMap;

use kairos_engine::time::Timestamp;

use crate::compare::{Change, Difference};
use crate::counts::{Counts, reason_title};
use crate::report::{Day, PlayReport, PlaybookReport, RecordingReport, Report, SegmentReport};
use crate::table::{counted, filled, has_something, thousands, thousands_of};
use crate::tally::Hours;
use plots::DayBar;

const STYLE: &str = include_str!("page/style.css");

/// Users whose differences are listed on the page; the JSON has all of them.
const USERS_SHOWN_MAX: usize = 200;

/// Part of a whole.
struct Part {
    title: String,
    count: u64,
    /// A colour of the style sheet.
    colour: &'static str,
}

/// The page.
pub fn page(report: &Report) -> String {
    let playbook = &report.playbook;
    let mut body = String::new();
    body.push_str(&header(report));
    body.push_str(&tiles(report));
    body.push_str(&gates(report));
    if let Some(difference) = &report.difference {
        body.push_str(&compared(difference));
    }
    let (busy, idle): (Vec<&PlayReport>, Vec<&PlayReport>) =
        playbook.plays.iter().partition(|play| has_something(&play.total));
    body.push_str("<h2>Plays</h2>");
    if busy.len() > 1 {
        body.push_str(&play(&together(playbook), against(report, None), &playbook.time_zone));
    }
    for each in busy {
        body.push_str(&play(each, against(report, Some(&each.name)), &playbook.time_zone));
    }
    if !idle.is_empty() {
        let names = no_message(idle.iter().map(|play| play.name.as_str()), "Nothing in the recording started these");
        body.push_str(&format!("<div class=\"card\">{names}</div>"));
    }
    body.push_str(&segments(playbook));
    body.push_str(&wrong_rows(&report.recording));
    body.push_str(FOOTER);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Kairos backtest</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
}

const FOOTER: &str = "<footer><p><b>Moments</b> are those that came to a decision: sent, held out or not sent. \
    <b>Held</b> messages waited for the end of quiet hours. <b>Converted</b> counts goals reached within the play's \
    attribution window, on the day they were reached. Every alarm rang at its own time on a virtual clock; the decisions \
    are those of the engine that decides live.</p></footer>";

fn header(report: &Report) -> String {
    let recording = &report.recording;
    let files: Vec<String> = recording
        .files
        .iter()
        .map(|file| match file.format {
            Some(format) => format!("{} ({format})", escaped(&file.name)),
            None => escaped(&file.name),
        })
        .collect();
    let mut text = format!(
        "<p class=\"eyebrow\">Kairos backtest</p><h1>What the playbook would have done</h1>\
         <p>{} of {}, {} to {} UTC</p><p class=\"soft small\">{}</p><p><code>{}</code></p>",
        counted(recording.events, "event", "events"),
        counted(recording.people, "person", "people"),
        minute(recording.first_at),
        minute(recording.last_at),
        files.join(", "),
        escaped(&report.playbook.version),
    );
    if let Some(against) = &report.against {
        text.push_str(&format!("<p class=\"small soft\">compared with <code>{}</code></p>", escaped(&against.version)));
    }
    text
}

fn tiles(report: &Report) -> String {
    let (playbook, against) = (&report.playbook, report.against.as_ref());
    let total = &playbook.total;
    let before = |count: fn(&PlaybookReport) -> u64| {
        against.map_or_else(String::new, |against| moved(Change { before: count(against), after: count(playbook) }))
    };
    let mut tiles = String::new();
    let mut tile = |value: String, what: &str, more: String| {
        tiles.push_str(&format!(r#"<div class="tile"><span>{what}</span><b>{value}</b><span>{more}</span></div>"#));
    };
    let or = |change: String, text: String| if change.is_empty() { text } else { change };
    tile(
        thousands(total.sent),
        "Messages",
        or(before(|playbook| playbook.total.sent), format!("of {} moments", thousands(total.considered))),
    );
    tile(
        thousands(playbook.people),
        "People reached",
        or(before(|playbook| playbook.people), format!("{} of all", percent(playbook.people, report.recording.people))),
    );
    tile(
        thousands(total.converted),
        "Converted",
        or(
            before(|playbook| playbook.total.converted),
            format!("{} of messages", percent(total.converted, total.sent)),
        ),
    );
    if total.converted_value.get() > 0 {
        tile(thousands_of(total.converted_value.get()), "Value", "of what was converted".to_owned());
    }
    let capped = |playbook: &PlaybookReport| {
        ["cap", "policy_cap"].iter().filter_map(|reason| playbook.total.reasons.get(reason)).sum::<u64>()
    };
    tile(thousands(capped(playbook)), "Stopped by caps", before(capped));
    if total.held_out > 0 {
        tile(
            thousands(total.held_out),
            "Held out",
            format!("{} converted anyway", thousands(total.converted_held_out)),
        );
    }
    tile(thousands(playbook.week_max), "Most for one person", "within 7 days".to_owned());
    format!(r#"<div class="tiles">{tiles}</div>"#)
}

fn gates(report: &Report) -> String {
    if report.gates.is_empty() {
        return String::new();
    }
    let gates = report.gates.iter().map(|gate| {
        let class = if gate.holds { "holds" } else { "broken" };
        format!(
            r#"<div class="gate"><span class="badge {class}">{class}</span><span>{}: <b>{}</b></span></div>"#,
            escaped(&gate.asked),
            escaped(&gate.found)
        )
    });
    format!(r#"<h2>Gates</h2><div class="card">{}</div>"#, gates.collect::<String>())
}

fn compared(difference: &Difference) -> String {
    let some = |count: u64, sign: char| if count == 0 { String::new() } else { format!("{sign}{}", thousands(count)) };
    let (busy, idle): (Vec<_>, Vec<_>) =
        difference.plays.iter().partition(|play| play.sends.before + play.sends.after > 0 || play.is_in != "both");
    let max = difference.plays.iter().map(|play| play.sends.before.max(play.sends.after)).max().unwrap_or(0);
    let row = |name: String, sends: Change, people: Change, gained: u64, lost: u64, max: u64| {
        format!(
            "<tr><td>{name}</td><td class=\"wide\">{}</td><td>{} → {}</td><td>{}</td><td>{} → {}</td><td>{}</td><td>{}</td></tr>",
            plots::pair(sends.before, sends.after, max),
            thousands(sends.before),
            thousands(sends.after),
            moved(sends),
            thousands(people.before),
            thousands(people.after),
            some(gained, '+'),
            some(lost, '−'),
        )
    };
    let rows: String = busy
        .iter()
        .map(|play| {
            let mark = match play.is_in {
                "playbook" => " <span class=\"soft\">new</span>",
                "against" => " <span class=\"soft\">gone</span>",
                _ => "",
            };
            let name = format!("{}{mark}", escaped(&play.name));
            row(name, play.sends, play.people, play.gained, play.lost, max)
        })
        .collect();
    let sends = difference.sends;
    let all = row(
        "<b>All plays</b>".to_owned(),
        sends,
        difference.people,
        difference.gained,
        difference.lost,
        sends.before.max(sends.after),
    );
    format!(
        "<h2>Compared</h2><div class=\"card\"><div class=\"keys\"><span><i style=\"background:var(--before);opacity:.55\"></i>before</span>\
         <span><i style=\"background:var(--sent)\"></i>with this playbook</span></div><div class=\"scroll\"><table>\
         <tr><th>Play</th><th class=\"wide\"></th><th>Messages</th><th></th><th>People</th><th>Gained</th><th>Lost</th></tr>{rows}{all}</table></div>{}{}</div>",
        no_message(idle.iter().map(|play| play.name.as_str()), "No message with either"),
        users(difference)
    )
}

fn no_message<'a>(plays: impl Iterator<Item = &'a str>, title: &str) -> String {
    let names: Vec<String> = plays.map(|play| format!("<code>{}</code>", escaped(play))).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("<div class=\"small\"><h4 style=\"margin-top:14px\">{title}</h4><p>{}</p></div>", names.join(", "))
}

fn users(difference: &Difference) -> String {
    let Some(users) = &difference.users else { return String::new() };
    let rows: String = users
        .iter()
        .take(USERS_SHOWN_MAX)
        .map(|user| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{} → {}</td></tr>",
                escaped(&user.user),
                escaped(&user.play),
                user.before,
                user.after
            )
        })
        .collect();
    let more = match users.len().saturating_sub(USERS_SHOWN_MAX) {
        0 => String::new(),
        more => format!("<p class=\"small soft\">… and {} more: --json lists all of them.</p>", thousands(more as u64)),
    };
    format!(
        "<details><summary class=\"small\">Whose messages differ ({})</summary><div class=\"scroll\"><table>\
         <tr><th>User</th><th>Play</th><th>Messages</th></tr>{rows}</table></div>{more}</details>",
        thousands(users.len() as u64)
    )
}

/// All plays as one.
fn together(playbook: &PlaybookReport) -> PlayReport {
    let mut days: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut hours: Hours = [[0; 24]; 7];
    let mut caps: BTreeMap<String, u64> = BTreeMap::new();
    for play in &playbook.plays {
        for day in &play.days {
            days.entry(&day.day).or_default().add(&day.counts);
        }
        for (own, other) in hours.as_flattened_mut().iter_mut().zip(play.hours.as_flattened()) {
            *own += other;
        }
        for (cap, count) in play.caps.iter().filter(|(cap, _)| !cap.contains("of this play")) {
            *caps.entry(cap.clone()).or_default() += count;
        }
    }
    PlayReport {
        name: String::new(),
        title: "All plays".to_owned(),
        total: playbook.total.clone(),
        people: playbook.people,
        caps,
        variants: BTreeMap::new(),
        days: days.into_iter().map(|(day, counts)| Day { day: day.to_owned(), counts }).collect(),
        hours,
    }
}

/// The same play, or all plays, of the playbook that is compared with.
fn against(report: &Report, name: Option<&str>) -> Option<PlayReport> {
    let against = report.against.as_ref()?;
    match name {
        Some(name) => against.plays.iter().find(|play| play.name == name).cloned(),
        None => Some(together(against)),
    }
}

fn play(play: &PlayReport, before: Option<PlayReport>, time_zone: &str) -> String {
    let total = &play.total;
    let mut figures = vec![
        format!("<span><b>{}</b> sent</span>", thousands(total.sent)),
        format!(
            "<span><b>{}</b> {}</span>",
            thousands(play.people),
            if play.people == 1 { "person" } else { "people" }
        ),
    ];
    for (count, what) in [
        (total.held, "held"),
        (total.held_out, "held out"),
        (total.cancelled, "cancelled in time"),
        (total.converted, "converted"),
    ] {
        if count > 0 {
            figures.push(format!("<span><b>{}</b> {what}</span>", thousands(count)));
        }
    }
    if total.converted_value.get() > 0 {
        figures.push(format!("<span>worth <b>{}</b></span>", thousands_of(total.converted_value.get())));
    }
    let name = if play.name.is_empty() { String::new() } else { format!("<code>{}</code>", escaped(&play.name)) };
    let mut text = format!(
        "<div class=\"card\"><div class=\"head\"><div><h3>{}</h3>{name}</div><div class=\"figures\">{}</div></div>",
        escaped(&play.title),
        figures.concat()
    );
    let days = day_bars(play, before.as_ref());
    if days.iter().any(|day| day.sent + day.held_out + day.converted + day.before.unwrap_or(0) > 0) {
        let zone = escaped(time_zone);
        let (by, days) = match days.len() {
            0..=plots::DAYS_DRAWN_MAX => ("By day", days),
            _ => ("By week, named by its first day", plots::weeks(&days)),
        };
        text.push_str(&format!(
            "<div class=\"halves\"><div><h4>{by}</h4>{}{}</div><div><h4>Messages by weekday and hour ({zone})</h4>{}</div></div>",
            keys(&days),
            plots::days(&days),
            plots::hours(&play.hours)
        ));
    }
    if total.considered > 0 {
        text.push_str(&format!(
            "<div style=\"margin-top:18px\"><h4>What became of {}</h4>{}</div>",
            counted(total.considered, "moment", "moments"),
            plots::shares(&parts(total))
        ));
    }
    text.push_str(&details(play));
    text.push_str("</div>");
    text
}

fn keys(days: &[DayBar]) -> String {
    let mut keys = vec!["<span><i style=\"background:var(--sent)\"></i>sent</span>"];
    if days.iter().any(|day| day.held_out > 0) {
        keys.push("<span><i style=\"background:var(--held-out)\"></i>held out</span>");
    }
    if days.iter().any(|day| day.converted > 0) {
        keys.push("<span><i class=\"stroke\" style=\"color:var(--converted)\"></i>converted</span>");
    }
    if days.iter().any(|day| day.before.is_some()) {
        keys.push("<span><i class=\"stroke dashed\" style=\"color:var(--before)\"></i>sent before</span>");
    }
    format!("<div class=\"keys\">{}</div>", keys.concat())
}

fn day_bars(play: &PlayReport, before: Option<&PlayReport>) -> Vec<DayBar> {
    let own: BTreeMap<&str, &Counts> = play.days.iter().map(|day| (day.day.as_str(), &day.counts)).collect();
    let earlier: Option<BTreeMap<&str, u64>> =
        before.map(|before| before.days.iter().map(|day| (day.day.as_str(), day.counts.sent)).collect());
    let mut days: BTreeMap<&str, u64> = own.keys().map(|day| (*day, 0)).collect();
    days.extend(earlier.iter().flatten().map(|(day, _)| (*day, 0)));
    filled(days.into_iter())
        .into_iter()
        .map(|(day, _)| {
            let counts = own.get(day.as_str());
            DayBar {
                sent: counts.map_or(0, |counts| counts.sent),
                held_out: counts.map_or(0, |counts| counts.held_out),
                converted: counts.map_or(0, |counts| counts.converted),
                before: earlier.as_ref().map(|earlier| earlier.get(day.as_str()).copied().unwrap_or(0)),
                day,
            }
        })
        .collect()
}

/// Sent, held out, and each reason, the most frequent one first.
fn parts(total: &Counts) -> Vec<Part> {
    let mut reasons: Vec<(&str, u64)> = total.reasons.iter().map(|(reason, count)| (*reason, *count)).collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let first = [("sent", total.sent, "sent"), ("held out", total.held_out, "held-out")];
    let first = first.into_iter().map(|(title, count, colour)| Part { title: title.to_owned(), count, colour });
    let rest = reasons.into_iter().map(|(reason, count)| Part {
        title: reason_title(reason).replace('`', ""),
        count,
        colour: colour(reason),
    });
    first.chain(rest).collect()
}

/// The same colour for the same reason on every page.
fn colour(reason: &str) -> &'static str {
    match reason {
        "cap" => "r1",
        "policy_cap" => "r2",
        "not_in_audience" => "r3",
        "excluded" => "r4",
        "no_address" => "r5",
        "moment_passed" => "r6",
        "cooldown" => "r7",
        "not_rolled_out" => "r8",
        "quiet_hours" => "r9",
        "already_running" | "already_entered" => "r10",
        _ => "r11",
    }
}

/// Channels, caps and experiments.
fn details(play: &PlayReport) -> String {
    let list = |title: &str, entries: Vec<(String, u64)>| {
        if entries.is_empty() {
            return String::new();
        }
        let entries: String = entries
            .iter()
            .map(|(name, count)| format!("<li><span>{}</span><b>{}</b></li>", escaped(name), thousands(*count)))
            .collect();
        format!("<div style=\"margin-top:16px\"><h4>{}</h4><ul class=\"legend\">{entries}</ul></div>", escaped(title))
    };
    let total = &play.total;
    let mut text = String::new();
    if total.by_channel.len() > 1 {
        let channels = total.by_channel.iter().map(|(channel, count)| (channel.to_string(), *count)).collect();
        text.push_str(&list("Sent by", channels));
    }
    text.push_str(&list(
        "Messages that caps stopped",
        play.caps.iter().map(|(cap, count)| (format!("at most {cap}"), *count)).collect(),
    ));
    for (split, variants) in &play.variants {
        let variants = variants.iter().map(|(variant, count)| (variant.clone(), *count)).collect();
        text.push_str(&list(&format!("Variants of {split}"), variants));
    }
    if total.converted_held_out > 0 {
        text.push_str(&format!(
            "<p class=\"small soft\" style=\"margin-top:12px\">{} of those held out converted without a message, worth {}.</p>",
            thousands(total.converted_held_out),
            thousands_of(total.converted_held_out_value.get())
        ));
    }
    text
}

fn segments(playbook: &PlaybookReport) -> String {
    if playbook.segments.is_empty() {
        return String::new();
    }
    let row = |segment: &SegmentReport| {
        let days: BTreeMap<&str, (u64, u64)> =
            segment.days.iter().map(|day| (day.day.as_str(), (day.entries, day.exits))).collect();
        let all: Vec<(String, u64, u64)> = filled(days.keys().map(|day| (*day, 0)))
            .into_iter()
            .map(|(day, _)| {
                let (entries, exits) = days.get(day.as_str()).copied().unwrap_or_default();
                (day, entries, exits)
            })
            .collect();
        format!(
            "<tr><td>{}<br><code>{}</code></td><td class=\"wide\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&segment.title),
            escaped(&segment.name),
            plots::changes(&all),
            thousands(segment.entries),
            thousands(segment.exits),
            thousands(segment.members)
        )
    };
    format!(
        "<h2>Segments</h2><div class=\"card\"><div class=\"keys\"><span><i style=\"background:var(--converted)\"></i>entries by day</span>\
         <span><i style=\"background:var(--r2)\"></i>exits by day</span></div><div class=\"scroll\"><table>\
         <tr><th>Segment</th><th class=\"wide\"></th><th>Entries</th><th>Exits</th><th>At the end</th></tr>{}</table></div></div>",
        playbook.segments.iter().map(row).collect::<String>()
    )
}

fn wrong_rows(recording: &RecordingReport) -> String {
    let mut notes = Vec::new();
    if recording.nobodys_rows > 0 {
        notes
            .push(format!("{} belong to nobody and were passed over.", counted(recording.nobodys_rows, "row", "rows")));
    }
    if recording.late_inputs > 0 {
        notes.push(format!(
            "{} came more than {} seconds late and were applied late, as live.",
            counted(recording.late_inputs, "input", "inputs"),
            thousands(recording.window_s.unsigned_abs())
        ));
    }
    if recording.window_cuts > 0 {
        notes.push("There were too many inputs to wait for late ones: sort the recording by time.".to_owned());
    }
    if recording.wrong_rows > 0 {
        notes.push(format!("{} not understood:", counted(recording.wrong_rows, "row was", "rows were")));
    }
    if notes.is_empty() {
        return String::new();
    }
    let notes: String = notes.iter().map(|note| format!("<p>{note}</p>")).collect();
    let problems: String =
        recording.problems.iter().map(|problem| format!("<li>{}</li>", escaped(&problem.to_string()))).collect();
    let problems = if problems.is_empty() { problems } else { format!("<ul class=\"problems\">{problems}</ul>") };
    format!("<h2>About the recording</h2><div class=\"card\">{notes}{problems}</div>")
}

fn minute(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.to_string().chars().take(16).collect::<String>().replace('T', " "))
}

fn moved(change: Change) -> String {
    match (change.percent(), change.more()) {
        (_, 0) => "<span class=\"soft\">as before</span>".to_owned(),
        (Some(percent), _) => format!("<span>{percent:+.1} %</span>"),
        (None, more) => format!("<span>{more:+}</span>"),
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    if percent > 0.0 && percent < 0.1 { "<0.1 %".replace('<', "&lt;") } else { format!("{percent:.1} %") }
}

/// A text as HTML shows it, also in a quoted attribute.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
