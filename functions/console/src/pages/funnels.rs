//! Where people stop, what small steps lead to, and to what success is credited: the daily report.

use askama::Template;
use kairos_engine::money::Micros;
use kairos_engine::time::Span;
use kairos_insights::StoredReport;
use kairos_insights::insights::{
    Amounts, AttributionReport, Credits, FunnelReport, HourReport, Insights, MicroReport, Quantiles, Rate, RfmReport,
};

use crate::console::{Console, clock_of};
use crate::format::{self, ShopClock, percent, share};
use crate::heat::Heat;
use crate::page::{Page, Rendered, Section};
use crate::pages::parts::Tile;
use crate::problem::Problem;
use crate::request::PageRequest;
use crate::tables::{Cell, Table};

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[derive(Template)]
#[template(path = "funnels.html")]
struct Content {
    words: String,
    is_there: bool,
    warnings: Vec<String>,
    tiles: Vec<Tile>,
    shown: Vec<Rendered>,
    heats: Vec<Rendered>,
}

/// Funnels, conversions, attribution, and who buys when.
///
/// # Errors
/// When the data cannot be read.
pub(crate) async fn funnels(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let playbook = console.playbooks.in_force().await?;
    let clock = clock_of(&playbook);
    let report = console.reports.latest(request.now).await?;
    let Some(report) = report else {
        let content = Content {
            words: String::new(),
            is_there: false,
            warnings: Vec::new(),
            tiles: Vec::new(),
            shown: Vec::new(),
            heats: Vec::new(),
        };
        return Ok(Page::of("Funnels and conversions", Section::Funnels, &content));
    };
    let insights = &report.insights;
    let mut tables = Vec::new();
    for (place, funnel) in insights.funnels.iter().enumerate() {
        tables.push(steps(funnel, place));
        tables.extend((!funnel.splits.is_empty()).then(|| splits(funnel, place)));
    }
    tables.push(micros(insights));
    for (place, attribution) in insights.attribution.iter().enumerate() {
        tables.extend(attributed(attribution, place, insights));
    }
    tables.extend((!insights.redemptions.is_empty()).then(|| redemptions(insights)));
    tables.extend((!insights.order_values.is_empty()).then(|| order_values(insights)));
    let shown = tables.iter().map(|table| table.html(request, &clock)).collect();
    // Shown as a map, exported as a table.
    tables.push(hours_table(&insights.hours));
    tables.push(cohorts_table(&report));
    tables.extend(insights.rfm.as_ref().map(rfm_table));
    let content = Content {
        words: words(&report, &clock),
        is_there: true,
        warnings: insights.warnings.iter().map(|warning| insights.words(warning)).collect(),
        tiles: tiles(insights),
        shown,
        heats: heats(&report),
    };
    Ok(Page::of("Funnels and conversions", Section::Funnels, &content).with_tables(tables))
}

fn words(report: &StoredReport, clock: &ShopClock) -> String {
    let last = report.period.until.minus(Span::from_millis(1));
    format!(
        "{} to {}, as of {}. Made once a day.",
        clock.date(report.period.from),
        clock.date(last),
        clock.time(report.made_at)
    )
}

fn amounts(amounts: &Amounts) -> Option<String> {
    let all: Vec<String> = amounts.0.iter().map(|(currency, amount)| format::money_short(*amount, currency)).collect();
    (!all.is_empty()).then(|| all.join(" + "))
}

fn rate(rate: Option<Rate>) -> Option<String> {
    let rate = rate?;
    Some(format!("{} ({} to {})", percent(rate.estimate), percent(rate.interval.low), percent(rate.interval.high)))
}

fn tiles(insights: &Insights) -> Vec<Tile> {
    let mut tiles =
        vec![Tile::new("People", format::count(insights.people), "who did something themselves".to_owned())];
    for one in &insights.macros {
        let of_people = rate(one.rate).map(|rate| format!("{rate} of people"));
        let beside: Vec<String> = of_people.into_iter().chain(amounts(&one.value)).collect();
        tiles.push(Tile::new(&one.title, format::count(one.people), beside.join(", ")));
    }
    let half = |quantiles: Option<Quantiles>, label: &str, beside: &str| {
        quantiles.map(|quantiles| Tile::new(label, format::span(quantiles.median), beside.to_owned()))
    };
    tiles.extend(half(insights.first_interaction_to_order, "From first visit to order", "half of them within"));
    tiles.extend(half(insights.message_to_order, "From message to order", "half of them within"));
    tiles
}

fn steps(funnel: &FunnelReport, place: usize) -> Table {
    let columns = vec![
        ("step", "Step"),
        ("people", "People"),
        ("of_first", "of the first step"),
        ("of_before", "of the step before"),
        ("lost", "Lost here"),
        ("median", "Half within"),
        ("slowest", "Nine of ten within"),
    ];
    let mut table = Table::new(format!("funnel_{place}"), funnel.title.clone(), columns)
        .with_note(format!("From the first step to the last within {}.", format::span(funnel.within)))
        .or_when_empty("Nobody has begun it in these days.");
    let first = funnel.steps.first().map(|step| step.people).unwrap_or_default();
    let mut before = None;
    for step in &funnel.steps {
        let lost = before.map(|before: u64| before.saturating_sub(step.people));
        table.rows.push(vec![
            Cell::text(format::title(&step.name)),
            Cell::Count(step.people),
            Cell::Bar(share(step.people, first)),
            Cell::Percent(before.and_then(|before| share(step.people, before))),
            lost.map_or(Cell::Percent(None), Cell::Count),
            Cell::Span(step.since_previous.map(|quantiles| quantiles.median)),
            Cell::Span(step.since_previous.map(|quantiles| quantiles.p90)),
        ]);
        before = Some(step.people);
    }
    table
}

fn splits(funnel: &FunnelReport, place: usize) -> Table {
    let columns = funnel.steps.iter().map(|step| (step.name.to_string(), format::title(&step.name)));
    let caption = format!("{}, apart", funnel.title);
    let mut table = Table::new(format!("funnel_{place}_apart"), caption, vec![("by", "By"), ("value", "Which")])
        .with_columns(columns)
        .with_columns([("of_first".to_owned(), "to the end".to_owned())])
        .with_note("By what was true of people at the first step. Who is in several segments counts in each.");
    for split in &funnel.splits {
        let by = serde_json::to_value(split.by).ok().and_then(|by| by.as_str().map(format::title));
        let mut row = vec![Cell::text(by.unwrap_or_default()), Cell::text(&split.value)];
        row.extend(
            (0..funnel.steps.len()).map(|step| Cell::Count(split.people.get(step).copied().unwrap_or_default())),
        );
        let ends = split.people.first().zip(split.people.last());
        row.push(Cell::Bar(ends.and_then(|(first, last)| share(*last, *first))));
        table.rows.push(row);
    }
    table
}

fn micros(insights: &Insights) -> Table {
    let columns = vec![
        ("micro", "Small step"),
        ("leads_to", "towards"),
        ("people", "People who did it"),
        ("reached", "then got there"),
        ("rate", "Rate with it"),
        ("rate_without", "Rate without it"),
        ("difference", "Difference"),
        ("value", "Worth"),
    ];
    let note =
        "That people do the one and the other is no proof that one causes the other: only an experiment tells that.";
    let mut table = Table::new("micro_conversions", "Small steps and what they lead to", columns)
        .with_note(note)
        .or_when_empty("The playbook declares no micro-conversions. Write some into conversions.yaml, and publish it.");
    for one in &insights.micros {
        let title = |micro: &MicroReport| match micro.title.is_empty() {
            true => format::title(&micro.name),
            false => micro.title.clone(),
        };
        let leads_to = insights.macros.iter().find(|known| known.name == one.leads_to);
        let difference = one.difference.map(|it| {
            let points = |part: f64| format!("{:+.1}", part * 100.0);
            format!("{} pp ({} to {})", points(it.estimate), points(it.interval.low), points(it.interval.high))
        });
        table.rows.push(vec![
            Cell::text(title(one)),
            Cell::text(leads_to.map_or_else(|| format::title(&one.leads_to), |known| known.title.clone())),
            Cell::Count(one.people),
            Cell::Count(one.reached),
            Cell::figure(rate(one.rate)),
            Cell::figure(rate(one.rate_without)),
            Cell::figure(difference),
            Cell::figure(amounts(&one.value)),
        ]);
    }
    table
}

/// To what one macro-conversion is credited: plays, channels, sources.
fn attributed(attribution: &AttributionReport, place: usize, insights: &Insights) -> Vec<Table> {
    let known = insights.macros.iter().find(|known| known.name == attribution.conversion);
    let title = known.map_or_else(|| format::title(&attribution.conversion), |known| known.title.clone());
    let model = format::title(&attribution.model);
    let rows = |name: &str, what: &str, parts: Vec<(String, &Credits)>| {
        let columns = vec![
            ("to", "To"),
            ("last_touch", "By last touch"),
            ("last_touch_value", "worth"),
            ("shared", "Shared"),
            ("shared_value", "worth"),
        ];
        let note = format!("Within {}; shared: {}.", format::span(attribution.window), model.to_lowercase());
        let caption = format!("{title}, credited to {what}");
        let mut table = Table::new(format!("{name}_{place}"), caption, columns)
            .with_note(note)
            .or_when_empty("Nothing was credited in these days.");
        for (to, credits) in parts {
            let number = |credit: &kairos_insights::insights::Credit| Cell::Number(Some(credit.conversions()));
            table.rows.push(vec![
                Cell::text(to),
                number(&credits.last),
                Cell::figure(amounts(&credits.last.value)),
                number(&credits.shared),
                Cell::figure(amounts(&credits.shared.value)),
            ]);
        }
        table
    };
    vec![
        rows(
            "credited_plays",
            "plays",
            attribution.plays.iter().map(|(play, credits)| (format::title(play), credits)).collect(),
        ),
        rows(
            "credited_channels",
            "channels",
            attribution.channels.iter().map(|(channel, credits)| (channel.to_string(), credits)).collect(),
        ),
        rows(
            "credited_sources",
            "traffic sources",
            attribution.sources.iter().map(|(source, credits)| (source.clone(), credits)).collect(),
        ),
    ]
}

fn redemptions(insights: &Insights) -> Table {
    let columns = vec![
        ("promotion", "Promotion"),
        ("place", "Where"),
        ("count", "Codes used"),
        ("discount", "Taken off"),
        ("total", "Orders came to"),
    ];
    let mut table = Table::new("redemptions", "Promo codes", columns);
    for one in &insights.redemptions {
        table.rows.push(vec![
            Cell::text(format::title(&one.promotion)),
            Cell::text(if one.channel == "in_store" { "In a store" } else { "Online" }),
            Cell::Count(one.count),
            Cell::figure(amounts(&one.discount)),
            Cell::figure(amounts(&one.total)),
        ]);
    }
    table
}

fn order_values(insights: &Insights) -> Table {
    let columns = vec![
        ("currency", "Currency"),
        ("after_message", "Average behind a message"),
        ("orders_after_message", "orders"),
        ("without", "Average without one"),
        ("orders_without", "orders"),
        ("difference", "Difference"),
    ];
    let note = "No effect of messages: whom they reach has mostly bought before.";
    let mut table = Table::new("order_values", "What an order is worth", columns).with_note(note);
    for (currency, one) in &insights.order_values {
        let money = |units: f64| format::money(Micros::new((units * 1e6).round() as i64), currency);
        let average = |units: Option<f64>| Cell::figure(units.map(money));
        let difference = one
            .difference
            .map(|it| format!("{} ({} to {})", money(it.estimate), money(it.interval.low), money(it.interval.high)));
        table.rows.push(vec![
            Cell::text(if currency.is_empty() { "(none named)" } else { currency }),
            average(one.after_message.average()),
            Cell::Count(one.after_message.count),
            average(one.without.average()),
            Cell::Count(one.without.count),
            Cell::figure(difference),
        ]);
    }
    table
}

fn heats(report: &StoredReport) -> Vec<Rendered> {
    let mut heats = Vec::new();
    let hours = &report.insights.hours;
    for (caption, of) in [("When people come", &hours.visits), ("When people order", &hours.orders)] {
        if of.iter().flatten().all(|count| *count == 0) {
            continue;
        }
        let cells = |counts: &[u64; 24]| {
            counts.iter().map(|count| (*count > 0).then(|| (*count as f64, format::short(*count)))).collect()
        };
        let rows = WEEKDAYS.iter().zip(of).map(|(day, counts)| ((*day).to_owned(), cells(counts))).collect();
        let heat = Heat {
            caption: caption.to_owned(),
            note: format!("By weekday and hour, {}.", hours.time_zone),
            head: "Day".to_owned(),
            columns: (0..24).map(|hour| format!("{hour:02}")).collect(),
            rows,
        };
        heats.push(heat.html());
    }
    heats.extend(report.insights.rfm.as_ref().map(|rfm| rfm_heat(rfm).html()));
    heats.extend((!report.report.customers.cohorts.is_empty()).then(|| cohorts(report).html()));
    heats
}

/// People by how lately and how often they bought.
fn rfm_heat(rfm: &RfmReport) -> Heat {
    let people = |recency: u8, frequency: u8| -> u64 {
        let cells = rfm.cells.iter().filter(|cell| (cell.recency, cell.frequency) == (recency, frequency));
        cells.map(|cell| cell.people).sum()
    };
    let row = |frequency: u8| {
        let cells = (1..=5).map(|recency| {
            let people = people(recency, frequency);
            (people > 0).then(|| (people as f64, format::count(people)))
        });
        (
            ["", "seldom", "now and then", "several times", "often", "most often"][usize::from(frequency)].to_owned(),
            cells.collect(),
        )
    };
    Heat {
        caption: "Who bought how lately and how often".to_owned(),
        note: format!(
            "{}, each axis in fifths.",
            format::counted(rfm.people, "person who ordered", "people who ordered")
        ),
        head: "How often".to_owned(),
        columns: ["long ago", "2", "3", "4", "lately"].map(str::to_owned).into(),
        rows: (1..=5).rev().map(row).collect(),
    }
}

/// Who came back: of those who first ordered in a month, how many ordered in the months after.
fn cohorts(report: &StoredReport) -> Heat {
    let cohorts = &report.report.customers.cohorts;
    let longest = cohorts.values().map(Vec::len).max().unwrap_or_default();
    let row = |(month, people): (&kairos_insights::Month, &Vec<u64>)| {
        let first = people.first().copied().unwrap_or_default();
        let cell = |(place, count): (usize, &u64)| match place {
            0 => Some((0.0, format::count(*count))),
            _ => share(*count, first).map(|part| (part, percent(part))),
        };
        (month.to_string(), people.iter().enumerate().map(cell).collect())
    };
    Heat {
        caption: "Who came back to order".to_owned(),
        note:
            "By the month of the first order: how many people, and which part of them ordered in each month after it."
                .to_owned(),
        head: "First order".to_owned(),
        columns: (0..longest).map(|month| if month == 0 { "People".to_owned() } else { format!("+{month}") }).collect(),
        rows: cohorts.iter().map(row).collect(),
    }
}

fn cohorts_table(report: &StoredReport) -> Table {
    let columns = vec![("first_order", "First order"), ("months_later", "Months later"), ("people", "People")];
    let mut table = Table::new("cohorts", "Who came back to order", columns);
    for (month, people) in &report.report.customers.cohorts {
        for (later, people) in people.iter().enumerate() {
            table.rows.push(vec![Cell::text(month.to_string()), Cell::Count(later as u64), Cell::Count(*people)]);
        }
    }
    table
}

fn rfm_table(rfm: &RfmReport) -> Table {
    let columns = vec![
        ("recency", "How lately"),
        ("frequency", "How often"),
        ("monetary", "How much"),
        ("people", "People"),
        ("orders", "Orders"),
        ("revenue", "Revenue"),
    ];
    let mut table = Table::new("rfm", "Who bought how lately, how often and for how much", columns);
    for cell in &rfm.cells {
        let fifth = |fifth: u8| Cell::Count(u64::from(fifth));
        table.rows.push(vec![
            fifth(cell.recency),
            fifth(cell.frequency),
            fifth(cell.monetary),
            Cell::Count(cell.people),
            Cell::Count(cell.orders),
            Cell::Money(cell.revenue, rfm.currency.clone()),
        ]);
    }
    table
}

fn hours_table(hours: &HourReport) -> Table {
    let columns = vec![("weekday", "Day"), ("hour", "Hour"), ("visits", "Visits"), ("orders", "Orders")];
    let mut table = Table::new("hours", "When people come and order", columns);
    for (day, (visits, orders)) in hours.visits.iter().zip(&hours.orders).enumerate() {
        for hour in 0..24 {
            table.rows.push(vec![
                Cell::text(WEEKDAYS[day]),
                Cell::Count(hour as u64),
                Cell::Count(visits[hour]),
                Cell::Count(orders[hour]),
            ]);
        }
    }
    table
}
