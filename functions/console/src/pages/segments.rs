//! Who is where: segments with their size over time.

use askama::Template;
use kairos_engine::bounds::CONSOLE_SEGMENTS_DRAWN_MAX;
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::counts::Counts;

use crate::charts::Unit;
use crate::console::{Console, clock_of};
use crate::filters::filters;
use crate::format;
use crate::lens::Lens;
use crate::page::{Page, Rendered, Section};
use crate::pages::timeline::Timeline;
use crate::period::Period;
use crate::problem::Problem;
use crate::request::PageRequest;
use crate::tables::{Cell, Table};

/// Figures are kept for so long that sizes can be told: entries less exits since they began.
const SINCE: Span = Span::from_hours(24 * 400);

#[derive(Template)]
#[template(path = "segments.html")]
struct Content {
    words: String,
    filters: Rendered,
    chart: Option<Rendered>,
    segments: Rendered,
    sizes: Rendered,
}

/// The segments.
///
/// # Errors
/// When the data cannot be read, or the address means nothing.
pub(crate) async fn segments(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let playbook = console.playbooks.in_force().await?;
    let clock = clock_of(&playbook);
    let period = Period::of(&request.query, &clock, request.now)?;
    let figures = console.figures.of(&period, request.now).await?;
    // From a whole day of UTC on, so that what is over is the same with each page of a day.
    let since = midnight(request.now.minus(SINCE));
    let earlier = console.figures.sum(since.min(period.from), period.from, request.now).await?;
    let timeline = Timeline::of(&figures, &period, &clock);

    let columns = vec![
        ("segment", "Segment"),
        ("size", "In it now"),
        ("before", "At the start"),
        ("entered", "Entered"),
        ("left", "Left"),
        ("messages", "Messages to them"),
        ("orders", "Their orders"),
        ("who", "Who is in it"),
    ];
    let mut table = Table::new("segments", "Segments", columns)
        .with_note("Sizes are entries less exits since figures began. `kairos segments` counts everybody one by one.")
        .or_when_empty("The playbook has no segments. Write some into segments.yaml, and publish it.");
    let mut drawn = Vec::new();
    let gone = figures.total.memberships.iter().map(|(name, _)| name);
    let known: Vec<&str> = playbook.segments.iter().map(|segment| segment.name.as_str()).collect();
    let gone = gone.filter(|name| !known.contains(name));
    for name in known.iter().copied().chain(gone) {
        let segment = playbook.segments.iter().find(|segment| segment.name == *name);
        let before = net(&earlier, name);
        let moves = figures.total.memberships.get(name).cloned().unwrap_or_default();
        let size = before + moves.entered as i64 - moves.left as i64;
        let cut = figures.total.segments.get(name);
        let title = match segment {
            Some(segment) if !segment.title.is_empty() => segment.title.clone(),
            _ => format::title(name),
        };
        let mut size_then = before as f64;
        let sizes: Vec<f64> = timeline
            .each(|counts| net(counts, name) as f64)
            .into_iter()
            .map(|net| {
                size_then += net;
                size_then.max(0.0)
            })
            .collect();
        drawn.push((size, title.clone(), sizes));
        table.rows.push(vec![
            Cell::text(title),
            at_least_none(size),
            at_least_none(before),
            Cell::Count(moves.entered),
            Cell::Count(moves.left),
            Cell::Count(cut.map(|cut| cut.plays.sent).unwrap_or_default()),
            Cell::Count(cut.map(|cut| cut.orders.orders).unwrap_or_default()),
            segment.map_or(Cell::Badge("plain", "Not in force".into()), |segment| Cell::text(segment.who.to_string())),
        ]);
    }
    drawn.sort_by_key(|(size, _, _)| std::cmp::Reverse(*size));
    let sizes = sizes_over_time(&timeline, &drawn, &clock);
    drawn.truncate(CONSOLE_SEGMENTS_DRAWN_MAX);
    let series = drawn.iter().map(|(_, title, sizes)| (title.as_str(), sizes.clone())).collect();
    let mut chart = timeline.chart("People in the largest segments", Unit::Count, series);
    chart.summary = "The table below has the same figures.".to_owned();
    let content = Content {
        words: period.words(),
        filters: filters(request, &period, &Lens::default(), &[], &figures.total),
        chart: (!drawn.is_empty()).then(|| chart.html()),
        segments: table.html(request, &clock),
        sizes: sizes.html(request, &clock),
    };
    Ok(Page::of("Segments", Section::Segments, &content).with_tables(vec![table, sizes]))
}

fn sizes_over_time(timeline: &Timeline, drawn: &[(i64, String, Vec<f64>)], clock: &format::ShopClock) -> Table {
    let columns = drawn.iter().map(|(_, title, _)| (title.clone(), title.clone()));
    let head = if timeline.is_hours { "Hour" } else { "Day" };
    let mut table = Table::new("sizes", "Size over time", vec![("time", head)]).with_columns(columns);
    for (place, at) in timeline.times.iter().enumerate() {
        let time = if timeline.is_hours { Cell::Time(*at) } else { Cell::text(clock.date(*at)) };
        let sizes = drawn.iter().map(|(_, _, sizes)| Cell::Count(sizes[place] as u64));
        table.rows.push([time].into_iter().chain(sizes).collect());
    }
    table
}

/// How many more have entered than left.
fn net(counts: &Counts, segment: &str) -> i64 {
    let moves = counts.memberships.get(segment).cloned().unwrap_or_default();
    moves.entered as i64 - moves.left as i64
}

/// Who was in a segment when figures began has left it without having entered.
fn at_least_none(size: i64) -> Cell {
    Cell::Count(u64::try_from(size).unwrap_or(0))
}

fn midnight(at: Timestamp) -> Timestamp {
    let day = Span::from_hours(24).as_millis();
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(day))
}
