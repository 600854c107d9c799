//! What is going on, on one page.

use askama::Template;
use kairos_engine::bounds::{CONSOLE_COMPLAINTS_MAX, CONSOLE_LOST_MAX, CONSOLE_PLAYS_FIRST_MAX, CONSOLE_RATES_FROM};
use kairos_engine::playbook::Playbook;
use kairos_insights::StoredReport;
use kairos_insights::counts::{Counts, Orders, Tallies};
use kairos_insights::insights::{self, WarningKind};
use kairos_statistics::verdict::VerdictKind;

use crate::charts::Unit;
use crate::console::{Console, clock_of};
use crate::filters::filters;
use crate::format::{self, ShopClock, percent, share};
use crate::lens::{Dimension, Lens, amount, main_currency};
use crate::page::{Page, Rendered, Section};
use crate::pages::parts::{Tile, amounts, lost, play_title, rate, reached};
use crate::pages::timeline::Timeline;
use crate::pages::{experiments, plays, words};
use crate::period::Period;
use crate::problem::Problem;
use crate::request::{PageRequest, encoded};
use crate::tables::{Cell, Table};

/// Something that asks for a look: what, and where to look.
struct Warning {
    says: String,
    address: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Content {
    words: String,
    /// The address of this very page, when it is to be refreshed: the days end now.
    live: Option<String>,
    time: String,
    zone: String,
    is_new: bool,
    filters: Rendered,
    warnings: Vec<Warning>,
    moments: Vec<Tile>,
    tiles: Vec<Tile>,
    charts: Vec<Rendered>,
    over_time: Rendered,
    lift: Option<Rendered>,
    plays: Rendered,
    /// How many there are, when not all are shown.
    all_plays: Option<usize>,
    plays_address: String,
}

/// The overview.
///
/// # Errors
/// When the data cannot be read, or the address means nothing.
pub(crate) async fn overview(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let playbook = console.playbooks.in_force().await?;
    let clock = clock_of(&playbook);
    let period = Period::of(&request.query, &clock, request.now)?;
    let lens = Lens::of(&request.query)?;
    let figures = console.figures.of(&period, request.now).await?;
    let before = console.figures.of(&period.before(&clock), request.now).await?;
    let before = (!before.is_empty()).then_some(before);
    let report = console.reports.latest(request.now).await?;
    let counts = &figures.total;
    let tallies = lens.tallies(counts);
    let orders = lens.orders(counts);
    let currency = main_currency(&counts.total.orders.value).unwrap_or_default();
    let timeline = Timeline::of(&figures, &period, &clock);

    let over_time = over_time(&timeline, &lens, &currency, &clock);
    let mut live_plays = plays::table(&playbook, counts, &lens, request);
    let all_plays = live_plays.rows.len();
    live_plays.caption = "What is live".to_owned();
    live_plays.rows.sort_by_key(|row| match row.get(plays::SENT) {
        Some(Cell::Count(sent)) => std::cmp::Reverse(*sent),
        _ => std::cmp::Reverse(0),
    });
    live_plays.rows.truncate(CONSOLE_PLAYS_FIRST_MAX);
    let lift = report.as_deref().map(|report| experiments::lift(report, &playbook, &currency, &clock));
    let content = Content {
        words: period.words(),
        live: (period.to > request.now).then(|| request.address()),
        time: clock.time_of_day(request.now),
        zone: clock.name().to_owned(),
        is_new: figures.is_empty() && before.is_none(),
        filters: filters(request, &period, &lens, &Dimension::ALL, counts),
        warnings: warnings(counts, &tallies, report.as_deref(), &playbook),
        moments: moments(counts),
        tiles: tiles(&tallies, orders.as_ref(), before.as_ref().map(|before| &*before.total), &lens, &currency),
        charts: charts(&timeline, &lens, &currency, orders.is_some()),
        over_time: over_time.html(request, &clock),
        lift: lift.as_ref().map(|lift| lift.html(request, &clock)),
        plays: live_plays.html(request, &clock),
        all_plays: (all_plays > live_plays.rows.len()).then_some(all_plays),
        plays_address: format!("/plays{}", request.query.query()),
    };
    let tables = [over_time, live_plays].into_iter().chain(lift).collect();
    Ok(Page::of("Overview", Section::Overview, &content).with_tables(tables))
}

fn moments(counts: &Counts) -> Vec<Tile> {
    let tile = |(name, title, wants): (&str, &str, &str)| {
        let users = counts.moments.get(name).copied().unwrap_or_default();
        Tile::new(title, format::count(users), wants.to_owned())
    };
    words::MOMENTS.map(tile).into()
}

fn tiles(
    tallies: &Tallies,
    orders: Option<&Orders>,
    before: Option<&Counts>,
    lens: &Lens,
    currency: &str,
) -> Vec<Tile> {
    let before_tallies = before.map(|before| lens.tallies(before));
    let before_orders = before.and_then(|before| lens.orders(before));
    let against = |tile: Tile, figure: fn(&Tallies) -> u64| {
        tile.against(figure(tallies) as f64, before_tallies.as_ref().map(|before| figure(before) as f64))
    };
    let of_reached = |part: u64, what: &str| {
        rate(part, tallies).map_or_else(String::new, |rate| format!("{} of those {what}", percent(rate)))
    };
    let what = if tallies.delivered > 0 { "delivered" } else { "sent" };
    let mut tiles = vec![
        against(Tile::new("Messages sent", format::count(tallies.sent), String::new()), |it| it.sent),
        against(Tile::new("Opened", format::count(tallies.opened), of_reached(tallies.opened, what)), |it| it.opened),
        against(Tile::new("Clicked", format::count(tallies.clicked), of_reached(tallies.clicked, what)), |it| {
            it.clicked
        }),
        against(
            Tile::new(
                "Goals reached",
                format::count(tallies.converted),
                share(tallies.converted, tallies.sent)
                    .map_or_else(String::new, |share| format!("{} of messages sent", percent(share))),
            ),
            |it| it.converted,
        ),
    ];
    let Some(orders) = orders else { return tiles };
    let units = |orders: &Orders| amount(&orders.value, currency).get() as f64;
    tiles.push(
        Tile::new("Revenue", amounts(&orders.value), format::counted(orders.orders, "order", "orders"))
            .against(units(orders), before_orders.as_ref().map(units)),
    );
    let after = |orders: &Orders| amount(&orders.value_after_message, currency).get() as f64;
    let part = share(orders.after_message, orders.orders)
        .map_or_else(String::new, |part| format!("{} of orders, within a week", percent(part)));
    tiles.push(
        Tile::new("Revenue after messages", amounts(&orders.value_after_message), part)
            .against(after(orders), before_orders.as_ref().map(after)),
    );
    tiles
}

fn charts(timeline: &Timeline, lens: &Lens, currency: &str, has_orders: bool) -> Vec<Rendered> {
    let each = |figure: fn(&Tallies) -> u64| timeline.each(|counts| figure(&lens.tallies(counts)) as f64);
    let sent = timeline.chart(
        "Messages",
        Unit::Count,
        vec![
            ("Sent", each(|tallies| tallies.sent)),
            ("Opened", each(|tallies| tallies.opened)),
            ("Clicked", each(|tallies| tallies.clicked)),
            ("Goals reached", each(|tallies| tallies.converted)),
        ],
    );
    let mut charts = vec![sent.html()];
    if has_orders && !currency.is_empty() {
        let revenue = |of: fn(&Orders) -> &kairos_insights::counts::Amounts| {
            timeline.each(|counts| {
                let orders = lens.orders(counts).unwrap_or_default();
                amount(of(&orders), currency).get() as f64 / 1e6
            })
        };
        let all = revenue(|orders| &orders.value);
        let after = revenue(|orders| &orders.value_after_message);
        let title = format!("Revenue, {currency}");
        let series = vec![("All orders", all), ("Within a week of a message", after)];
        charts.push(timeline.chart(&title, Unit::Money, series).html());
    }
    charts
}

fn over_time(timeline: &Timeline, lens: &Lens, currency: &str, clock: &ShopClock) -> Table {
    let columns = vec![
        ("time", if timeline.is_hours { "Hour" } else { "Day" }),
        ("sent", "Sent"),
        ("delivered", "Delivered"),
        ("opened", "Opened"),
        ("clicked", "Clicked"),
        ("goals", "Goals reached"),
        ("orders", "Orders"),
        ("revenue", "Revenue"),
    ];
    let mut table = Table::new("over_time", "Figures over time", columns);
    let each = |figure: fn(&Tallies) -> u64| timeline.each(|counts| figure(&lens.tallies(counts)) as f64);
    let figures = [
        each(|tallies| tallies.sent),
        each(|tallies| tallies.delivered),
        each(|tallies| tallies.opened),
        each(|tallies| tallies.clicked),
        each(|tallies| tallies.converted),
        timeline.each(|counts| lens.orders(counts).unwrap_or_default().orders as f64),
    ];
    let revenue = timeline.each(|counts| amount(&lens.orders(counts).unwrap_or_default().value, currency).get() as f64);
    for (place, at) in timeline.times.iter().enumerate() {
        let time = if timeline.is_hours { Cell::Time(*at) } else { Cell::text(clock.date(*at)) };
        let mut row = vec![time];
        row.extend(figures.iter().map(|values| Cell::Count(values[place] as u64)));
        row.push(Cell::Money(kairos_engine::money::Micros::new(revenue[place] as i64), currency.to_owned()));
        table.rows.push(row);
    }
    table
}

/// What asks for a look.
fn warnings(counts: &Counts, tallies: &Tallies, report: Option<&StoredReport>, playbook: &Playbook) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |says: String, address: &str| warnings.push(Warning { says, address: address.to_owned() });
    let arrived = reached(tallies);
    if let Some(part) = share(tallies.complained, arrived).filter(|part| *part > CONSOLE_COMPLAINTS_MAX)
        && arrived >= CONSOLE_RATES_FROM
    {
        let most = percent(CONSOLE_COMPLAINTS_MAX);
        warn(
            format!("{} of messages were called spam. Mail providers stop taking mail above {most}.", percent(part)),
            "/plays",
        );
    }
    if let Some(part) = share(lost(tallies), tallies.sent).filter(|part| *part > CONSOLE_LOST_MAX)
        && tallies.sent >= CONSOLE_RATES_FROM
    {
        warn(format!("{} of messages did not arrive.", percent(part)), "/deliveries");
    }
    if counts.unreadable + counts.omitted > 0 {
        let rows = format::counted(counts.unreadable + counts.omitted, "fact is", "facts are");
        warn(format!("{rows} missing in these figures."), "/system");
    }
    let Some(report) = report else { return warnings };
    let is_mixed_up = |kind| kind == VerdictKind::SampleRatioMismatch;
    for reading in &report.experiments {
        if reading.result.as_ref().is_some_and(|result| is_mixed_up(result.verdict.kind)) {
            let title = play_title(playbook, &reading.play);
            let says = format!("An experiment of {title} did not divide people as declared: do not read it.");
            warn(says, &format!("/plays/{}", encoded(&reading.play)));
        }
    }
    // That there is too little to tell yet stands with the figures themselves.
    let misleads = |warning: &&insights::Warning| warning.kind != WarningKind::TooFewPeople;
    for warning in report.insights.warnings.iter().filter(misleads) {
        warn(report.insights.words(warning), "/funnels");
    }
    if !report.left_out.is_nothing() {
        warn("The daily report could not take in everything.".to_owned(), "/funnels");
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_a_look_is_said_only_when_there_is_enough_to_tell() {
        let counts = Counts::default();
        let said = |tallies: &Tallies| -> Vec<String> {
            warnings(&counts, tallies, None, &Playbook::default()).into_iter().map(|warning| warning.says).collect()
        };
        let many = 5 * CONSOLE_RATES_FROM;
        assert!(said(&Tallies { sent: many, delivered: many, complained: 1, ..Tallies::default() }).is_empty());
        assert!(said(&Tallies { sent: 10, delivered: 10, complained: 5, failed: 5, ..Tallies::default() }).is_empty());
        let bad =
            Tallies { sent: many, delivered: many, complained: many / 10, failed: many / 5, ..Tallies::default() };
        assert_eq!(said(&bad).len(), 2);
        let missing = Counts { omitted: 3, ..Counts::default() };
        let said = warnings(&missing, &Tallies::default(), None, &Playbook::default());
        assert_eq!(said[0].says, "3 facts are missing in these figures.");
    }
}
