//! What is going on, on one page.

use askama::Template;
use kairos_engine::playbook::Play;

use crate::console::{Console, clock_of};
use crate::page::{Page, Rendered, Section};
use crate::problem::Problem;
use crate::request::PageRequest;
use crate::tables::{Cell, Table};

#[derive(Template)]
#[template(path = "overview.html")]
struct Content {
    plays: Rendered,
}

/// The overview.
///
/// # Errors
/// When the data cannot be read.
pub(crate) async fn overview(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let playbook = console.playbooks.in_force().await?;
    let clock = clock_of(&playbook);
    let mut plays = Table::new("live", "What is live", vec![("play", "Play")])
        .or_when_empty("No play is in force yet. Write one, and publish the playbook with `kairos publish`.");
    plays.rows = playbook.plays.iter().map(|play: &Play| vec![Cell::text(play.name.as_str())]).collect();
    let content = Content { plays: plays.html(request, &clock) };
    Ok(Page::of("Overview", Section::Overview, &content).with_tables(vec![plays]))
}
