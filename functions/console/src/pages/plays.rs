//! All plays, with what they did.

use std::collections::BTreeSet;

use askama::Template;
use kairos_engine::playbook::{Playbook, Share};
use kairos_insights::counts::Counts;

use crate::console::{Console, clock_of};
use crate::filters::filters;
use crate::format::share;
use crate::lens::{Dimension, Lens};
use crate::page::{Page, Rendered, Section};
use crate::pages::parts::{amount_cell, play_title, rate};
use crate::period::Period;
use crate::problem::Problem;
use crate::request::{PageRequest, encoded};
use crate::tables::{Cell, Table};

/// By what the figures of plays are cut.
const DIMENSIONS: [Dimension; 5] =
    [Dimension::Channel, Dimension::Segment, Dimension::Source, Dimension::Device, Dimension::Region];

#[derive(Template)]
#[template(path = "plays.html")]
struct Content {
    words: String,
    filters: Rendered,
    plays: Rendered,
}

/// The place of the messages that were sent among the columns.
pub(super) const SENT: usize = 3;

/// The plays.
///
/// # Errors
/// When the data cannot be read, or the address means nothing.
pub(crate) async fn plays(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let playbook = console.playbooks.in_force().await?;
    let clock = clock_of(&playbook);
    let period = Period::of(&request.query, &clock, request.now)?;
    let lens = Lens::of(&request.query)?;
    let figures = console.figures.of(&period, request.now).await?;
    let table = table(&playbook, &figures.total, &lens, request);
    let content = Content {
        words: period.words(),
        filters: filters(request, &period, &lens, &DIMENSIONS, &figures.total),
        plays: table.html(request, &clock),
    };
    Ok(Page::of("Plays", Section::Plays, &content).with_tables(vec![table]))
}

/// The plays of the playbook, and those that did something while they were in one.
pub(super) fn table(playbook: &Playbook, counts: &Counts, lens: &Lens, request: &PageRequest) -> Table {
    let columns = vec![
        ("play", "Play"),
        ("state", "State"),
        ("considered", "Considered"),
        ("sent", "Sent"),
        ("held_out", "Held out"),
        ("delivered", "Delivered"),
        ("opened_rate", "Opened"),
        ("clicked_rate", "Clicked"),
        ("converted", "Goals reached"),
        ("conversion_rate", "per message"),
        ("value", "Worth"),
    ];
    let mut table = Table::new("plays", "Plays", columns).or_when_empty(
        "No play is in force yet. Write one into the playbook's plays folder, and publish it with `kairos publish`.",
    );
    let known: BTreeSet<&str> = playbook.plays.iter().map(|play| play.name.as_str()).collect();
    let gone = counts.plays.iter().map(|(name, _)| name).filter(|name| !known.contains(name));
    let names = playbook.plays.iter().map(|play| play.name.as_str()).chain(gone);
    let carried = request.query.query();
    for name in names {
        let state = match playbook.play(name) {
            None => Cell::Badge("plain", "Not in force".into()),
            Some(play) if play.rollout.is_none() => Cell::Badge("warn", "Off (0 %)".into()),
            Some(play) if play.rollout < Share::ALL => Cell::Badge("warn", format!("For {}", play.rollout)),
            Some(_) => Cell::Badge("good", "Live".into()),
        };
        let title = play_title(playbook, name);
        let link = Cell::link(title, format!("/plays/{}{carried}", encoded(name)));
        let nothing = Default::default();
        let play = counts.plays.get(name).unwrap_or(&nothing);
        let mut row = vec![link, state];
        match lens.play(play) {
            Some(tallies) => row.extend([
                Cell::Count(tallies.considered),
                Cell::Count(tallies.sent),
                Cell::Count(tallies.held_out),
                Cell::Count(tallies.delivered),
                Cell::Percent(rate(tallies.opened, &tallies)),
                Cell::Percent(rate(tallies.clicked, &tallies)),
                Cell::Count(tallies.converted),
                Cell::Percent(share(tallies.converted, tallies.sent)),
                amount_cell(&tallies.value),
            ]),
            None => row.extend((0..9).map(|_| Cell::Nothing)),
        }
        table.rows.push(row);
    }
    table
}
