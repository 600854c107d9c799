//! One play: its way with counts at each step, why people got nothing, what became of its messages, and whether it works.

use askama::Template;
use kairos_engine::playbook::{Play, Playbook, Step};
use kairos_insights::counts::{Additive, Counts, PlayCounts, Tallies};

use crate::charts::Unit;
use crate::console::{Console, clock_of};
use crate::filters::filters;
use crate::format::{self, NOTHING, percent, share};
use crate::lens::{Dimension, Lens, main_currency};
use crate::page::{Page, Rendered, Section};
use crate::pages::parts::{Tile, amount_cell, amounts, lost, play_title, rate};
use crate::pages::timeline::Timeline;
use crate::pages::{experiments, words};
use crate::period::Period;
use crate::problem::Problem;
use crate::request::PageRequest;
use crate::tables::{Cell, Table};

/// By what the figures of one play are cut.
const DIMENSIONS: [Dimension; 5] =
    [Dimension::Channel, Dimension::Segment, Dimension::Source, Dimension::Device, Dimension::Region];

/// One line of the play's way.
struct Line {
    /// How deep it lies within others.
    depth: usize,
    words: String,
    /// What was counted there, with its words.
    counts: Vec<(String, &'static str)>,
    /// In thousandths of all who were considered.
    bar: Option<u32>,
    /// It is a heading of a way, not a step.
    is_heading: bool,
}

#[derive(Template)]
#[template(path = "play.html")]
struct Content<'a> {
    title: &'a str,
    name: &'a str,
    words: String,
    play: Option<&'a Play>,
    facts: Vec<(&'static str, String)>,
    filters: Rendered,
    tiles: Vec<Tile>,
    path: Vec<Line>,
    outcome: Rendered,
    reasons: Rendered,
    chart: Rendered,
    messages: Rendered,
    experiments: Rendered,
    variants: Option<Rendered>,
    cuts: Vec<Rendered>,
}

/// One play.
///
/// # Errors
/// When there is no such play, the address means nothing, or the data cannot be read.
pub(crate) async fn play(console: &Console, request: &PageRequest, name: &str) -> Result<Page, Problem> {
    let playbook = console.playbooks.in_force().await?;
    let clock = clock_of(&playbook);
    let period = Period::of(&request.query, &clock, request.now)?;
    let lens = Lens::of(&request.query)?;
    let figures = console.figures.of(&period, request.now).await?;
    let play = playbook.play(name);
    let counts = figures.total.plays.get(name);
    if play.is_none() && counts.is_none() {
        let said = "There is no such play, neither in the playbook nor in the figures of these days.";
        return Err(Problem::NotFound(said.to_owned()));
    }
    let report = console.reports.latest(request.now).await?;
    let nothing = PlayCounts::default();
    let counts = counts.unwrap_or(&nothing);
    let tallies = lens.play(counts).unwrap_or_default();
    let currency = main_currency(&counts.total.value).unwrap_or_default();

    let outcome = outcome(&tallies);
    let reasons = reasons(counts);
    let messages = messages(counts);
    let variants = cut("variants", "Variants", "variant", "Variant", counts.variants.iter());
    let cuts = [
        cut("segments", "By segment", "segment", "Segment", counts.segments.iter()),
        cut("sources", "By traffic source", "source", "Source", counts.sources.iter()),
        cut("devices", "By device", "device", "Device", counts.devices.iter()),
        cut("regions", "By country", "region", "Country", counts.regions.iter()),
    ];
    let timeline = Timeline::of(&figures, &period, &clock);
    let of_play = |figure: fn(&Tallies) -> u64| {
        timeline.each(|counts: &Counts| {
            let tallies = counts.plays.get(name).and_then(|play| lens.play(play));
            tallies.map(|tallies| figure(&tallies) as f64).unwrap_or_default()
        })
    };
    let series =
        vec![("Sent", of_play(|tallies| tallies.sent)), ("Goals reached", of_play(|tallies| tallies.converted))];
    let chart = timeline.chart("Messages and goals", Unit::Count, series);
    let (experiments, compared) = experiments::of_play(report.as_deref(), name, &currency, request, &clock);

    let title = play_title(&playbook, name);
    let content = Content {
        title: &title,
        name,
        words: period.words(),
        play,
        facts: play.map(|play| facts(play, &playbook)).unwrap_or_default(),
        filters: filters(request, &period, &lens, &DIMENSIONS, &figures.total),
        tiles: tiles(&tallies, counts),
        path: play.map(|play| path(play, counts, &lens)).unwrap_or_default(),
        outcome: outcome.html(request, &clock),
        reasons: reasons.html(request, &clock),
        chart: chart.html(),
        messages: messages.html(request, &clock),
        experiments,
        variants: (!variants.rows.is_empty()).then(|| variants.html(request, &clock)),
        cuts: cuts.iter().filter(|table| !table.rows.is_empty()).map(|table| table.html(request, &clock)).collect(),
    };
    let mut page = Page::of(&title, Section::Plays, &content);
    let tables = [outcome, reasons, messages, variants].into_iter().chain(cuts).chain(compared);
    page.tables = tables.collect();
    Ok(page)
}

fn tiles(tallies: &Tallies, counts: &PlayCounts) -> Vec<Tile> {
    let part = |part: u64, of: u64, what: &str| {
        share(part, of).map_or_else(String::new, |share| format!("{} {what}", percent(share)))
    };
    let median = counts.time_to_goal.quantile(0.5);
    vec![
        Tile::new("Considered", format::count(tallies.considered), String::new()),
        Tile::new("Sent", format::count(tallies.sent), part(tallies.sent, tallies.considered, "of those considered")),
        Tile::new(
            "Goals reached",
            format::count(tallies.converted),
            part(tallies.converted, tallies.sent, "of messages sent"),
        ),
        Tile::new("Worth", amounts(&tallies.value), String::new()),
        Tile::new(
            "Half of the goals within",
            median.map_or_else(|| NOTHING.to_owned(), format::span),
            "after the message".to_owned(),
        ),
    ]
}

/// What the playbook says of the play, in few words.
fn facts(play: &Play, playbook: &Playbook) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Starts", play.trigger.to_string())];
    if play.who != Default::default() {
        facts.push(("Only if", play.who.to_string()));
    }
    facts.extend(play.unless.iter().map(|unless| ("Not if", unless.to_string())));
    facts.push((
        "For",
        if play.rollout.is_none() { "nobody yet".to_owned() } else { format!("{} of users", play.rollout) },
    ));
    if !play.holdout.is_none() {
        facts.push(("Held out", play.holdout.to_string()));
    }
    if !play.to_control_group && !playbook.policy.control_group.is_none() {
        facts.push(("Control group", playbook.policy.control_group.to_string()));
    }
    if let Some(goal) = &play.goal {
        let of: Vec<String> = goal.of.iter().map(ToString::to_string).collect();
        facts.push(("Goal", format!("{} within {}", of.join(" or "), goal.within)));
    }
    facts
}

/// The play's way, with what was counted at each step.
fn path(play: &Play, counts: &PlayCounts, lens: &Lens) -> Vec<Line> {
    let total = lens.play(counts).unwrap_or_default();
    let mut lines = vec![Line {
        depth: 0,
        words: play.trigger.to_string(),
        counts: vec![(format::count(total.considered), "considered")],
        bar: (total.considered > 0).then_some(1_000),
        is_heading: false,
    }];
    steps(&play.steps, 0, counts, total.considered, &mut lines);
    lines
}

fn steps(all: &[Step], depth: usize, counts: &PlayCounts, considered: u64, lines: &mut Vec<Line>) {
    for step in all {
        let mut line = Line { depth, words: step.to_string(), counts: Vec::new(), bar: None, is_heading: false };
        let heading = |words: String| Line { depth, words, counts: Vec::new(), bar: None, is_heading: true };
        match step {
            Step::Send { message, .. } => {
                let mut sum = Tallies::default();
                for (_, tallies) in counts.messages.get(message).into_iter().flat_map(|channels| channels.iter()) {
                    sum.add(tallies);
                }
                line.counts = step_counts(&sum);
                let part = share(sum.sent + sum.held_out, considered);
                line.bar = part.map(|part| (part.clamp(0.0, 1.0) * 1_000.0) as u32);
                lines.push(line);
            }
            Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => lines.push(line),
            Step::WaitUntil { otherwise, .. } => {
                lines.push(line);
                if !otherwise.is_empty() {
                    lines.push(heading("If that does not come".to_owned()));
                    steps(otherwise, depth + 1, counts, considered, lines);
                }
            }
            Step::Branch { then, otherwise, .. } => {
                lines.push(line);
                steps(then, depth + 1, counts, considered, lines);
                if !otherwise.is_empty() {
                    lines.push(heading("Else".to_owned()));
                    steps(otherwise, depth + 1, counts, considered, lines);
                }
            }
            Step::Split { name, variants } => {
                line.words = format!("Split {name}");
                lines.push(line);
                let weights: u32 = variants.iter().map(|variant| variant.weight).sum();
                for variant in variants {
                    let part = f64::from(variant.weight) / f64::from(weights.max(1));
                    let held = if variant.holdout { ", held out" } else { "" };
                    let mut way = heading(format!("{}: {}{held}", variant.name, percent(part)));
                    let tallies = counts.variants.get(&format!("{name}: {}", variant.name));
                    way.counts = tallies.map(step_counts).unwrap_or_default();
                    lines.push(way);
                    steps(&variant.steps, depth + 1, counts, considered, lines);
                }
            }
        }
    }
}

fn step_counts(tallies: &Tallies) -> Vec<(String, &'static str)> {
    let all = [
        (tallies.sent, "sent"),
        (tallies.held_out, "held out"),
        (tallies.held, "waited for quiet hours to end"),
        (tallies.delivered, "delivered"),
        (tallies.opened, "opened"),
        (tallies.clicked, "clicked"),
        (tallies.converted, "reached the goal"),
        (lost(tallies), "did not arrive"),
    ];
    let shown = all.into_iter().enumerate().filter(|(place, (count, _))| *place == 0 || *count > 0);
    shown.map(|(_, (count, words))| (format::count(count), words)).collect()
}

fn outcome(tallies: &Tallies) -> Table {
    let columns = vec![("step", "Step"), ("count", "How many"), ("share", "of those considered")];
    let mut table = Table::new("outcome", "From the moment to the goal", columns)
        .or_when_empty("No moment for this play has come in these days. Try a longer period.");
    if tallies.considered == 0 && tallies.sent == 0 {
        return table;
    }
    let not_sent = tallies.considered.saturating_sub(tallies.sent + tallies.held_out);
    let rows = [
        ("Considered", tallies.considered),
        ("No message (reasons below)", not_sent),
        ("Held out, to compare with", tallies.held_out),
        ("Sent", tallies.sent),
        ("Taken by the provider", tallies.accepted),
        ("Delivered", tallies.delivered),
        ("Opened", tallies.opened),
        ("Clicked", tallies.clicked),
        ("Goals reached", tallies.converted),
        ("Goals reached by those held out", tallies.converted_held_out),
        ("Did not arrive", lost(tallies)),
        ("Unsubscribed", tallies.unsubscribed),
        ("Called spam", tallies.complained),
        ("Promo codes redeemed", tallies.redeemed),
    ];
    // The way to the goal in any case; of the rest, what there was.
    let is_shown = |(words, count): &(&str, u64)| *count > 0 || ["Considered", "Sent", "Goals reached"].contains(words);
    table.rows = rows
        .into_iter()
        .filter(is_shown)
        .map(|(words, count)| {
            vec![
                Cell::text(words),
                Cell::Count(count),
                Cell::Bar(share(count, tallies.considered).map(|part| part.min(1.0))),
            ]
        })
        .collect();
    table
}

fn reasons(counts: &PlayCounts) -> Table {
    let columns = vec![("reason", "Reason"), ("count", "How often"), ("share", "of all"), ("remedy", "What to do")];
    let mut table = Table::new("reasons", "Why there was no message", columns)
        .with_note("Over all users, whatever is filtered above.")
        .or_when_empty("Whenever the moment came in these days, the message was sent.");
    let all: u64 = counts.not_sent.iter().map(|(_, count)| *count).sum();
    let mut reasons: Vec<(&str, u64)> = counts.not_sent.iter().map(|(name, count)| (name, *count)).collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (name, count) in reasons {
        table.rows.push(vec![
            Cell::text(words::reason(name)),
            Cell::Count(count),
            Cell::Bar(share(count, all)),
            Cell::text(words::remedy(name)),
        ]);
    }
    for (group, count) in counts.held_out.iter() {
        table.rows.push(vec![
            Cell::text(format!("Held out: {}", format::title(group).to_lowercase())),
            Cell::Count(*count),
            Cell::Nothing,
            Cell::text("On purpose: these people show what would have come anyway."),
        ]);
    }
    table
}

const TALLIES: [(&str, &str); 9] = [
    ("sent", "Sent"),
    ("delivered", "Delivered"),
    ("opened_rate", "Opened"),
    ("clicked_rate", "Clicked"),
    ("converted", "Goals reached"),
    ("conversion_rate", "per message"),
    ("value", "Worth"),
    ("lost", "Did not arrive"),
    ("unsubscribed", "Unsubscribed"),
];

fn tally_cells(tallies: &Tallies) -> [Cell; 9] {
    [
        Cell::Count(tallies.sent),
        Cell::Count(tallies.delivered),
        Cell::Percent(rate(tallies.opened, tallies)),
        Cell::Percent(rate(tallies.clicked, tallies)),
        Cell::Count(tallies.converted),
        Cell::Percent(share(tallies.converted, tallies.sent)),
        amount_cell(&tallies.value),
        Cell::Count(lost(tallies)),
        Cell::Count(tallies.unsubscribed),
    ]
}

fn messages(counts: &PlayCounts) -> Table {
    let columns = [("message", "Message"), ("channel", "Channel")].into_iter().chain(TALLIES).collect();
    let mut table = Table::new("messages", "Messages", columns).or_when_empty("Nothing was sent in these days.");
    for (message, channels) in counts.messages.iter() {
        for (channel, tallies) in channels.iter() {
            let mut row = vec![Cell::text(message), Cell::text(channel)];
            row.extend(tally_cells(tallies));
            table.rows.push(row);
        }
    }
    table
}

fn cut<'t>(
    name: &'static str,
    caption: &str,
    column: &'static str,
    title: &'static str,
    parts: impl Iterator<Item = (&'t str, &'t Tallies)>,
) -> Table {
    let columns = [(column, title)].into_iter().chain(TALLIES).collect();
    let mut table = Table::new(name, caption, columns);
    for (value, tallies) in parts {
        let mut row = vec![Cell::text(value)];
        row.extend(tally_cells(tallies));
        table.rows.push(row);
    }
    table.rows.sort_by_key(|row| match row.get(1) {
        Some(Cell::Count(sent)) => std::cmp::Reverse(*sent),
        _ => std::cmp::Reverse(0),
    });
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::playbook::{Channel, Variant};
    use kairos_engine::time::Span;

    #[test]
    fn the_way_of_a_play_has_what_was_counted_at_each_step() {
        let send = |message: &str| Step::Send {
            message: message.into(),
            channels: vec![Channel::Email],
            order: Default::default(),
        };
        let variant = |name: &str, message: &str| Variant {
            name: name.into(),
            weight: 1,
            holdout: false,
            steps: vec![send(message)],
        };
        let split =
            Step::Split { name: "offer".into(), variants: vec![variant("plain", "one"), variant("gift", "two")] };
        let play = Play { steps: vec![Step::Wait(Span::from_hours(1)), split], ..Play::default() };
        let mut counts = PlayCounts::default();
        counts.total.considered = 20;
        counts.messages.of("one").of("email").sent = 4;
        counts.messages.of("one").of("sms").sent = 1;
        counts.variants.of("offer: gift").sent = 3;
        let lines = path(&play, &counts, &Lens::default());
        let shown: Vec<String> = lines
            .iter()
            .map(|line| {
                let counts: Vec<String> = line.counts.iter().map(|(count, words)| format!("{count} {words}")).collect();
                format!("{} {} [{}] {:?}", line.depth, line.words, counts.join(", "), line.bar)
            })
            .skip(1)
            .collect();
        assert_eq!(
            shown,
            [
                "0 wait 1 h [] None",
                "0 Split offer [] None",
                "0 plain: 50.0% [] None",
                "1 send one by email [5 sent] Some(250)",
                "0 gift: 50.0% [3 sent] None",
                "1 send two by email [0 sent] Some(0)",
            ]
        );
    }
}
